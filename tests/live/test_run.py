"""Jobs that are run: their output, their ends, what cannot be run, and who is alive."""

import asyncio
import errno
import json
import os
import subprocess
import sys

import pytest
from support.jobs import LOSS, committed, expected, output, python, run_to_end, shell, until, words_of

import metricscan
from metricscan import OptionError, SourceError
from metricscan.live import job_folder
from metricscan.live.supervisor import write_record
from metricscan.logs.job_record import read_record
from metricscan.logs.living import identity, is_alive, stat_of

# ---- ends


@pytest.mark.parametrize(
    ("text", "status", "code"),
    [
        ("true", "Completed", 0),
        ("exit 3", "Failed", 3),
        ("kill -SEGV $$", "Failed", 139),
        ("kill -KILL $$", "Failed", 137),
    ],
)
def test_the_end_of_the_command_is_that_of_the_job(folder, text, status, code):
    job, record = run_to_end(folder, shell(f"echo loss=0.5; {text}"))
    assert (record.status, record.exit_code) == (status, code)
    assert job.latest["loss"].value == 0.5
    assert record.started_at < record.ended_at
    assert record.stopped_by is None
    # whoever reads the folder later sees the same
    assert read_record(str(folder)) == record


def test_both_descriptors_are_one_file_in_the_order_of_the_writes(folder):
    text = "for i in 1 2 3; do echo epoch $i >&2; echo loss=$i; done"
    with metricscan.run(shell(text), [*LOSS, r"epoch=epoch (\d+)"], step="epoch", out=folder) as job:
        rows = [(row.metric, row.value, row.step) for row in job]
    assert output(folder) == b"epoch 1\nloss=1\nepoch 2\nloss=2\nepoch 3\nloss=3\n"
    assert [row for row in rows if row[0] == "loss"] == [("loss", 1.0, 1.0), ("loss", 2.0, 2.0), ("loss", 3.0, 3.0)]


def test_a_separate_standard_error_has_steps_of_its_own(folder):
    passed = {0: b"", 1: b""}

    def collect(number, data):
        passed[number] += data

    text = "echo epoch 7 >&2; echo loss=1; echo loss=2 >&2"
    definitions = [*LOSS, r"epoch=epoch (\d+)"]
    with metricscan.run(
        shell(text), definitions, step="epoch", separate_stderr=True, out=folder, on_output=collect
    ) as job:
        rows = {(row.value, row.step) for row in job if row.metric == "loss"}
    assert rows == {(1.0, None), (2.0, 7.0)}
    assert passed == {0: b"loss=1\n", 1: b"epoch 7\nloss=2\n"}
    assert (folder / "errors.log").read_bytes() == passed[1]


def test_bytes_are_passed_on_as_they_are(folder):
    data = bytes(range(256)) * 40 + b"x" * 300_000 + b"\rloss=0.5"
    (folder.parent / "data").write_bytes(data)
    passed = []
    job, record = run_to_end(
        folder, ["cat", str(folder.parent / "data")], on_output=lambda _, some: passed.append(some)
    )
    assert b"".join(passed) == data
    # the last record needs no end
    assert job.latest["loss"].value == 0.5
    assert record.status == "Completed"
    assert committed(folder) == expected(folder)


def test_what_has_no_metrics_is_run_all_the_same(folder):
    passed = []
    job, record = run_to_end(folder, shell("echo a; echo b"), None, on_output=lambda _, some: passed.append(some))
    assert (record.status, job.rows, b"".join(passed)) == ("Completed", 0, b"a\nb\n")
    assert not (folder / "journal").exists()


def test_rows_come_in_an_event_loop(folder, tmp_path):
    async def values():
        found = []
        with metricscan.run(
            shell("echo loss=1; until [ -e go ]; do sleep 0.01; done; echo loss=2"), LOSS, out=folder, cwd=tmp_path
        ) as job:
            async for row in job:
                found.append(row.value)
                (tmp_path / "go").touch()
            return found, await job.finished()

    found, record = asyncio.run(values())
    assert (found, record.status) == ([1.0, 2.0], "Completed")


def test_a_job_that_is_waited_for_too_short_goes_on(folder):
    with metricscan.run(shell("sleep 30"), LOSS, out=folder) as job:
        with pytest.raises(TimeoutError, match=r"trial_1 still runs after 0\.2 s"):
            job.wait(timeout=0.2)
        assert job.stop().status == "Stopped"


def test_files_of_the_current_folder_are_no_modules_of_the_supervisor(folder, tmp_path, monkeypatch):
    for name in ("json", "signal", "metricscan"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong module')")
    monkeypatch.chdir(tmp_path)
    assert run_to_end(folder, shell("echo loss=1"))[1].status == "Completed"


def test_standard_input_is_handed_over(folder, tmp_path):
    (tmp_path / "in").write_bytes(b"loss=0.75\n")
    with (tmp_path / "in").open() as file:
        job, _ = run_to_end(folder, ["cat"], stdin=file.fileno())
    assert job.latest["loss"].value == 0.75


def test_the_reason_of_a_failure_is_what_was_written_last(folder):
    lines = "\n".join(f"line {number} {'x' * 100}" for number in range(50))
    _, record = run_to_end(folder, python(f"print({lines!r}); raise ValueError('no data')"))
    assert record.failure_reason.endswith("ValueError: no data")
    assert len(record.failure_reason) <= 1024
    assert record.failure_reason.startswith("line ")


def test_the_reason_of_a_failure_is_what_the_file_for_it_says(folder):
    text = 'echo noise; printf "out of data" > "$SAGEMAKER_BASE_DIR/output/failure"; exit 1'
    _, record = run_to_end(folder, shell(text), args="sagemaker")
    assert record.failure_reason == "out of data"


def test_a_signal_that_killed_the_job_is_the_reason(folder):
    _, record = run_to_end(folder, shell("echo last words; kill -KILL $$"))
    assert record.failure_reason == "killed by SIGKILL\nlast words"


# ---- what cannot be run


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        ("no-such-command", 127, "there is no command no-such-command"),
        ("", 127, "there is no command ''"),
        ("./no-such-file", 127, "there is no command ./no-such-file"),
        ("./plain", 126, "cannot execute ./plain: Permission denied"),
        ("./folder", 126, "cannot execute ./folder: Permission denied"),
    ],
)
def test_a_command_that_cannot_be_started(folder, tmp_path, name, code, message):
    (tmp_path / "plain").write_text("no program")
    (tmp_path / "folder").mkdir()
    with pytest.raises(job_folder.CommandError) as caught:
        metricscan.run([name], LOSS, out=folder, cwd=tmp_path)
    assert (caught.value.exit_code, caught.value.message.replace(f"{tmp_path}/", "")) == (code, message)
    assert not folder.exists()


def test_a_command_that_the_system_refuses_is_a_failure(folder, tmp_path):
    program = tmp_path / "program"
    program.write_bytes(b"\x00no program")
    program.chmod(0o755)
    _, record = run_to_end(folder, [str(program)])
    assert (record.status, record.exit_code) == ("Failed", 126)
    assert record.failure_reason == f"cannot start {program}: Exec format error"


def test_a_folder_has_one_job(folder):
    run_to_end(folder, ["true"])
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    gone = []
    for name, message in [("job.json", "holds another job"), ("output.log", r"holds output\.log already")]:
        with pytest.raises(OptionError, match=message):
            metricscan.run(["true"], LOSS, out=folder)
        (folder / name).unlink()
        gone.append(folder / name)
    with pytest.raises(OptionError, match="holds journal already"):
        metricscan.run(["true"], LOSS, out=folder)
    left = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert left == {path: data for path, data in before.items() if path not in gone}


def test_of_two_that_want_a_folder_one_gets_it(tmp_path):
    record = job_folder.new_record("a", "0" * 32, {"folder": str(tmp_path)})
    job_folder.claim(str(tmp_path), record)
    with pytest.raises(OptionError, match="holds another job"):
        job_folder.claim(str(tmp_path), record)
    assert [path.name for path in tmp_path.iterdir()] == ["job.json"]


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SourceError, match=r"cannot write .*/file/job: Not a directory"):
        metricscan.run(["true"], LOSS, out=tmp_path / "file" / "job")


def test_a_folder_in_which_nothing_could_be_run_is_as_it_was(tmp_path, monkeypatch):
    folder = tmp_path / "runs" / "trial_1"
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    for names in ([], ["notes"]):
        for name in names:
            folder.mkdir(parents=True)
            (folder / name).write_text("mine")
        with pytest.raises(SourceError, match="cannot start the supervisor"):
            metricscan.run(["true"], LOSS, out=folder)
        # nor is there the folder around it
        assert [path.name for path in folder.iterdir()] == names if names else not folder.parent.exists()


def test_a_disk_without_room_for_the_record_is_left_as_it_was(tmp_path, monkeypatch):
    def no_room(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    folder = tmp_path / "runs" / "trial_1"
    monkeypatch.setattr(job_folder, "write_record", no_room)
    with pytest.raises(SourceError, match=f"cannot write {folder}: No space left on device"):
        metricscan.run(["true"], LOSS, out=folder)
    assert not folder.parent.exists()


def test_a_command_is_a_list_of_words(folder):
    with pytest.raises(OptionError, match=r"command='python train\.py': a list of words was expected"):
        metricscan.run("python train.py", LOSS, out=folder)


def test_options_that_are_invalid_are_reported_together(folder):
    with pytest.raises(OptionError) as caught:
        metricscan.run([], LOSS, out=folder, args="odd", grace=-1, max_runtime=0, training_definition="a")
    for part in ("the command is empty", "args='odd'", "grace=-1", "max_runtime=0", "training_definition needs"):
        assert part in caught.value.message
    for options, message in [
        ({"prestop_signal": "USR2"}, "a signal and a duration were expected"),
        ({"prestop_signal": "NOTHING@3"}, "a signal and a duration were expected"),
        ({"prestop_signal": "USR2@3x"}, "is no duration"),
        ({"prestop_signal": "USR2@30", "max_runtime": 20}, "less than max_runtime=20 was expected"),
        ({"step": "epoch"}, "no metric has this name"),
        ({"channels": {"train": "."}}, "channels need the folders"),
        ({"cwd": "/no/such"}, "there is no such folder"),
        ({"environment": {"1a": "b"}}, "that begins with no digit"),
        ({"environment": {"METRICSCAN_JOB_DIR": "b"}}, "metricscan sets it itself"),
        ({"definitions": None, "labels": ["a=b"]}, "labels need definitions"),
    ]:
        options = {"definitions": LOSS, **options}
        with pytest.raises(OptionError, match=message):
            metricscan.run(["true"], out=folder, **options)
    assert not folder.exists()


# ---- who is alive


def test_a_process_is_known_by_its_pid_and_its_start():
    process = subprocess.Popen(["sleep", "600"])
    try:
        known = identity(process.pid)
        assert is_alive(known)
        assert is_alive({**known, "start": known["start"] - 1}) is False
        assert is_alive({**known, "boot": "an earlier one"}) is False
        assert is_alive({**known, "boot": "another one", "host": "elsewhere"}) is None
        assert is_alive({**known, "pids": "pid:[1]"}) is None
        process.kill()
        # a zombie is not alive
        until(lambda: stat_of(process.pid).has_ended, "the zombie")
        assert is_alive(known) is False
    finally:
        process.kill()
        process.wait()
    assert is_alive(known) is False


def test_a_name_with_parentheses_is_read(tmp_path):
    program = tmp_path / "a) Z 1 (b"
    os.symlink("/bin/sleep", program)
    with subprocess.Popen([program, "600"]) as process:
        try:
            until(lambda: words_of(process.pid)[:1] == [os.fsencode(program)], "the program")
            assert stat_of(process.pid).parent == os.getpid()
        finally:
            process.kill()


def test_a_record_is_replaced_whole_or_not_at_all(tmp_path):
    path = str(tmp_path / "job.json")
    write_record(path, {"a": 1})
    with pytest.raises(TypeError):
        write_record(path, {"a": object()})
    assert json.loads((tmp_path / "job.json").read_text()) == {"a": 1}
    with pytest.raises(FileExistsError):
        write_record(path, {"a": 2}, is_new=True)
    assert [one.name for one in tmp_path.iterdir()] == ["job.json"]


def test_the_supervisor_imports_little():
    code = "import sys; from metricscan.live import supervisor; print(*sys.modules)"
    environment = {"PYTHONPATH": os.path.dirname(os.path.dirname(metricscan.__file__))}
    run_ = subprocess.run(
        [sys.executable, "-S", "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    own = {name for name in run_.stdout.split() if name.startswith("metricscan")}
    assert own == {"metricscan"} | {
        f"metricscan.{name}" for name in ("live", "live.processes", "live.supervisor", "logs", "logs.living")
    }
    assert not {"subprocess", "dataclasses", "typing", "numpy", "pyarrow"} & set(run_.stdout.split())
