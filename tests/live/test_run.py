"""Jobs that are run: their output, their ends, their signals and limits, and who is killed meanwhile."""

import asyncio
import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.jobs import DEADLINE_S, LOSS, alive, none_left, python, until

import metricscan
from metricscan import Dataset, OptionError, SourceError
from metricscan.live import job_folder, processes
from metricscan.live.supervisor import write_record
from metricscan.logs.job_record import UNKNOWN, read_record
from metricscan.logs.living import identity, is_alive, stat_of


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "trial_1"
    with none_left(path):
        yield path


def run(folder, command, definitions=LOSS, **options):
    """Run a job to its end: the job and its record."""
    options = {"grace": 20.0, **options}
    with metricscan.run(command, definitions, out=folder, **options) as job:
        return job, job.wait(timeout=DEADLINE_S)


def shell(text):
    return ["sh", "-c", text]


def output(folder):
    return (folder / "output.log").read_bytes()


def committed(folder):
    """The values in the journal with their places."""
    table = Dataset(folder / "journal")["loss"]
    return list(zip(*(table[name].to_pylist() for name in ("value", "line", "offset")), strict=True))


def expected(folder):
    """What is in the journal if all of the output was read once."""
    result = metricscan.Scanner(LOSS).scan(str(folder / "output.log"))["loss"]
    return list(zip(*(result[name].to_pylist() for name in ("value", "line", "offset")), strict=True))


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
    job, record = run(folder, shell(f"echo loss=0.5; {text}"))
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
    job, record = run(folder, ["cat", str(folder.parent / "data")], on_output=lambda _, some: passed.append(some))
    assert b"".join(passed) == data
    # the last record needs no end
    assert job.latest["loss"].value == 0.5
    assert record.status == "Completed"
    assert committed(folder) == expected(folder)


def test_what_has_no_metrics_is_run_all_the_same(folder):
    passed = []
    job, record = run(folder, shell("echo a; echo b"), None, on_output=lambda _, some: passed.append(some))
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
    assert run(folder, shell("echo loss=1"))[1].status == "Completed"


def test_standard_input_is_handed_over(folder, tmp_path):
    (tmp_path / "in").write_bytes(b"loss=0.75\n")
    with (tmp_path / "in").open() as file:
        job, _ = run(folder, ["cat"], stdin=file.fileno())
    assert job.latest["loss"].value == 0.75


def test_the_reason_of_a_failure_is_what_was_written_last(folder):
    lines = "\n".join(f"line {number} {'x' * 100}" for number in range(50))
    _, record = run(folder, python(f"print({lines!r}); raise ValueError('no data')"))
    assert record.failure_reason.endswith("ValueError: no data")
    assert len(record.failure_reason) <= 1024
    assert record.failure_reason.startswith("line ")


def test_the_reason_of_a_failure_is_what_the_file_for_it_says(folder):
    text = 'echo noise; printf "out of data" > "$SAGEMAKER_BASE_DIR/output/failure"; exit 1'
    _, record = run(folder, shell(text), args="sagemaker")
    assert record.failure_reason == "out of data"


def test_a_signal_that_killed_the_job_is_the_reason(folder):
    _, record = run(folder, shell("echo last words; kill -KILL $$"))
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
    _, record = run(folder, [str(program)])
    assert (record.status, record.exit_code) == ("Failed", 126)
    assert record.failure_reason == f"cannot start {program}: Exec format error"


def test_a_folder_has_one_job(folder):
    run(folder, ["true"])
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


# ---- stopping


TRAPS = python("""
import signal, sys, time
def handle(number, frame):
    print("got", signal.Signals(number).name, flush=True)
    if number == signal.SIGTERM:
        sys.exit(5)
for name in ("TERM", "USR1", "USR2"):
    signal.signal(getattr(signal, f"SIG{name}"), handle)
print("ready", flush=True)
while True:
    time.sleep(0.05)
""")


@pytest.fixture
def ready(folder):
    """Starts a job, and returns it once it has written ``ready``."""

    def start(command, **options):
        options = {"grace": 20.0, **options}
        job = metricscan.run(command, LOSS, out=folder, **options)
        until(lambda: job.poll() and b"ready" in output(folder), "the job to be ready")
        return job

    return start


def test_a_job_that_is_stopped_may_end_in_its_own_way(folder, ready):
    record = ready(TRAPS).stop("enough")
    assert (record.status, record.exit_code, record.stopped_by) == ("Stopped", 5, "enough")
    assert output(folder) == b"ready\ngot SIGTERM\n"


def test_a_job_that_ignores_what_it_is_told_is_killed(folder, ready):
    begin = time.monotonic()
    record = ready(shell("trap '' TERM; echo ready; while :; do sleep 0.05; done"), grace=0.5).stop()
    assert (record.status, record.exit_code, record.document["signal"]) == ("Stopped", 137, "SIGKILL")
    assert time.monotonic() - begin >= 0.5


def test_signals_are_forwarded(folder, ready):
    job = ready(TRAPS)
    for name in ("USR1", "USR2"):
        assert job.send_signal(getattr(signal, f"SIG{name}"))
        until(lambda name=name: f"got SIG{name}".encode() in output(folder), name)
    assert job.record.status == "InProgress"
    job.send_signal(signal.SIGTERM)
    record = job.wait(timeout=DEADLINE_S)
    assert (record.status, record.exit_code, record.stopped_by) == ("Stopped", 5, "SIGTERM")


def test_a_signal_that_was_forwarded_and_ends_the_job_stops_it(ready):
    job = ready(shell("echo ready; exec sleep 60"))
    job.send_signal(signal.SIGHUP)
    record = job.wait(timeout=DEADLINE_S)
    assert (record.status, record.exit_code, record.stopped_by) == ("Stopped", 129, "SIGHUP")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_same_signal_twice_kills(ready, number):
    job = ready(
        python("import signal; [signal.signal(n, signal.SIG_IGN) for n in (2, 15)]; print('ready'); signal.pause()")
    )
    job.send_signal(number)
    supervisor = job.record.document["supervisor"]["pid"]
    until(lambda: not _is_pending(supervisor, number), "the first one to be handled")
    assert job.poll()
    job.send_signal(number)
    record = job.wait(timeout=DEADLINE_S)
    assert (record.status, record.exit_code) == ("Stopped", 137)


def _is_pending(pid, number):
    """Whether a signal waits to be handled by a process that blocks it."""
    fields = dict(line.split(":\t") for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return bool(int(fields["ShdPnd"], 16) >> (number - 1) & 1)


def test_a_job_that_was_suspended_is_stopped(ready):
    job = ready(TRAPS)
    os.killpg(job.record.document["child"]["pid"], signal.SIGSTOP)
    assert job.stop().exit_code == 5


# a child in a session of its own, as torchrun's workers are; its orphan; and one that forgets its environment, too
SPREAD = """
import os, signal, subprocess, sys, time
own = subprocess.Popen(["sleep", "600"], start_new_session=True)
text = "trap '' TERM; (trap '' TERM; while :; do sleep 0.1; done) & exit"
orphan = subprocess.Popen(["sh", "-c", text], start_new_session=True)
orphan.wait()
forgets = subprocess.Popen(["sleep", "601"], env={}, start_new_session=True)
print("ready", flush=True)
time.sleep(600)
"""


def test_no_process_is_left_of_a_job_that_is_stopped(folder, ready):
    job = ready(python(SPREAD), grace=0.5)
    document = job.record.document
    found = processes.processes_of(str(folder), document["job_id"], [document["supervisor"]["pid"]])
    pids = {stat.pid for stat in found}
    assert len(pids) >= 4
    assert job.stop().status == "Stopped"
    assert [pid for pid in pids if (stat := stat_of(pid)) is not None and not stat.has_ended] == []


def test_what_a_job_leaves_running_is_ended_and_told(folder):
    command = shell("(trap '' HUP; exec sleep 600) & sleep 601 & echo loss=1")
    _, record = run(folder, command)
    assert (record.status, record.exit_code) == ("Completed", 0)
    assert record.document["left_running"] >= 2
    assert alive(folder) == set()


def test_a_command_that_forks_away_ends_its_job(folder):
    _, record = run(folder, shell("setsid sh -c 'sleep 600' < /dev/null > /dev/null 2>&1 & echo loss=1"))
    assert record.status == "Completed"
    assert record.document["left_running"] >= 1


def test_a_command_that_closes_its_output(folder):
    _, record = run(folder, shell("echo loss=1; exec >&- 2>&-; exec sh -c 'exit 4'"))
    assert (record.status, record.exit_code) == ("Failed", 4)
    assert committed(folder) == [(1.0, 1, 0)]


# ---- limits


def test_a_job_that_runs_too_long_is_stopped(folder):
    _, record = run(folder, TRAPS, max_runtime=0.7)
    assert (record.status, record.exit_code) == ("Stopped", 5)
    assert record.stopped_by == "it ran for 0.7 s, its limit"
    assert record.document["was_limit"] is True


def test_a_limit_of_centuries_holds(folder):
    _, record = run(folder, shell("read line; exit 0"), max_runtime=1e15, max_silence=1e15)
    assert record.status == "Completed"


def test_a_job_that_is_silent_is_stopped(folder):
    _, record = run(folder, shell("for i in 1 2 3 4 5; do echo loss=$i; sleep 0.2; done; sleep 600"), max_silence=0.8)
    assert record.stopped_by == "it wrote nothing for 0.8 s, its limit"
    assert [value for value, _, _ in committed(folder)] == [1.0, 2.0, 3.0, 4.0, 5.0]


@pytest.mark.parametrize("how", ["limit", "stop"])
def test_a_job_is_told_before_it_is_stopped(folder, how):
    options = {"prestop_signal": "USR2@0.6"}
    if how == "limit":
        _, record = run(folder, TRAPS, max_runtime=1.2, **options)
    else:
        job = metricscan.run(TRAPS, LOSS, out=folder, grace=20, **options)
        until(lambda: b"ready" in output(folder), "the job to be ready")
        record = job.stop()
    assert output(folder) == b"ready\ngot SIGUSR2\ngot SIGTERM\n"
    assert (record.status, record.exit_code) == ("Stopped", 5)


def test_limits_hold_when_the_reader_is_killed(folder):
    started = f"metricscan.run(['sleep', '600'], {LOSS!r}, out={str(folder)!r}, max_runtime=1.5)"
    code = f"import metricscan; {started}; print(1, flush=True); input()"
    with subprocess.Popen(python(code), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        process.kill()
    until(lambda: read_record(str(folder)).status == "Stopped", "the limit")


# ---- who is killed meanwhile

COUNTS = "for i in $(seq 1 400); do echo loss=$i; sleep 0.005; done; exit 7"


@pytest.fixture
def reader(folder):
    """Starts a reader that runs or attaches, as a process of its own; killed at the end."""
    readers = []

    def start(code):
        whole = f"import metricscan\nwith {code} as job:\n    print(1, flush=True)\n    job.wait()\n"
        process = subprocess.Popen(python(whole), stdout=subprocess.PIPE)
        readers.append(process)
        assert process.stdout.readline() == b"1\n"
        return process

    yield start
    for process in readers:
        process.kill()
        process.wait()
        process.stdout.close()


def test_the_job_goes_on_when_its_reader_is_killed(folder, reader):
    process = reader(f"metricscan.run({shell(COUNTS)!r}, {LOSS!r}, out={str(folder)!r})")
    until(lambda: output(folder).count(b"\n") > 50, "output")
    process.kill()
    process.wait()
    before = len(committed(folder))
    seen = output(folder).count(b"\n")
    until(lambda: output(folder).count(b"\n") > seen + 20, "further output")
    with metricscan.attach(folder) as job:
        record = job.wait(timeout=DEADLINE_S)
    assert (record.status, record.exit_code) == ("Failed", 7)
    assert before < 400
    assert committed(folder) == expected(folder)
    assert [value for value, _, _ in committed(folder)] == [*map(float, range(1, 401))]


def test_a_job_whose_command_was_killed_failed(folder, ready):
    job = ready(shell("echo ready; exec sleep 600"))
    os.kill(job.record.document["child"]["pid"], signal.SIGKILL)
    record = job.wait(timeout=DEADLINE_S)
    assert (record.status, record.exit_code) == ("Failed", 137)


def test_a_job_whose_supervisor_was_killed_is_read_to_its_end_and_unknown(folder):
    job = metricscan.run(shell(COUNTS), LOSS, out=folder)
    until(lambda: output(folder).count(b"\n") > 50, "output")
    os.kill(job.record.document["supervisor"]["pid"], signal.SIGKILL)
    until(lambda: job.record.status == UNKNOWN, "the status")
    record = job.wait(timeout=DEADLINE_S)
    assert (record.status, record.exit_code) == (UNKNOWN, None)
    assert "was killed" in record.failure_reason
    assert committed(folder) == expected(folder)
    assert len(committed(folder)) == 400
    assert json.loads((folder / "job.json").read_text())["status"] == UNKNOWN


def test_a_job_whose_supervisor_was_killed_can_be_stopped(folder, ready):
    job = ready(python(SPREAD), grace=0.5)
    os.kill(job.record.document["supervisor"]["pid"], signal.SIGKILL)
    until(lambda: job.record.status == UNKNOWN, "the status")
    assert job_folder.stop(str(folder)).status == UNKNOWN
    # the one that has neither the environment nor a parent of the job cannot be found
    for pid in [stat.pid for stat in processes.all_processes() if _words(stat.pid) == [b"sleep", b"601"]]:
        os.kill(pid, signal.SIGKILL)
    assert job.wait(timeout=DEADLINE_S).status == UNKNOWN


def _words(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().split(b"\0")[:-1]
    except OSError:
        return []


def test_a_job_has_one_reader(folder, ready):
    job = ready(shell("echo ready; exec sleep 600"))
    with pytest.raises(SourceError, match=f"is being written by process {os.getpid()}") as caught:
        metricscan.attach(folder)
    assert caught.value.hint == f"it reads the job already; tail -f {folder}/output.log shows the output beside it"
    job.close()
    with metricscan.attach(folder) as other:
        assert other.stop().status == "Stopped"


def test_a_job_that_has_ended_can_be_read_again(folder):
    run(folder, shell("echo loss=1; printf loss=2"))
    for _ in range(2):
        with metricscan.attach(folder) as job:
            assert job.wait(timeout=DEADLINE_S).status == "Completed"
        assert committed(folder) == expected(folder) == [(1.0, 1, 0), (2.0, 2, 7)]


def test_a_folder_without_a_job_cannot_be_attached_to(tmp_path):
    for call in (metricscan.attach, job_folder.stop):
        with pytest.raises(SourceError, match=r"is not the folder of a job: it has no job\.json"):
            call(str(tmp_path))
    (tmp_path / "job.json").write_text('{"job": "of another tool"}')
    with pytest.raises(SourceError, match="is not the record of a job that metricscan run started"):
        metricscan.attach(tmp_path)
    (tmp_path / "job.json").write_text('{"format": "metricscan job", "version": 99}')
    with pytest.raises(SourceError, match="a record of version 99"):
        metricscan.attach(tmp_path)
    (tmp_path / "job.json").write_text('{"format": "metricscan job", "ver')
    with pytest.raises(SourceError, match=r"cannot read .*job\.json"):
        metricscan.attach(tmp_path)


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
            until(lambda: _words(process.pid)[:1] == [os.fsencode(program)], "the program")
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
