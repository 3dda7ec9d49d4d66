"""``metricscan run`` and ``metricscan stop`` as processes: what they pass on, print and return."""

import errno
import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from pathlib import Path

import pytest
from rich.cells import cell_len
from support.command import MODULE
from support.jobs import DEADLINE_S, alive, metricscan, none_left, python, start, until

from metricscan import SourceError
from metricscan.cli import main
from metricscan.logs.job_record import read_record

DATA = Path(__file__).resolve().parents[2] / "data"
LOSS = ("-m", r"loss=loss=([0-9.]+)")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "runs" / "trial_1"
    with none_left(path):
        yield path


def output(folder):
    path = folder / "output.log"
    return path.read_bytes() if path.exists() else b""


def test_the_output_is_passed_on_and_our_own_words_are_errors(folder):
    code, out, err = metricscan("run", *LOSS, "--out", folder, "--", "sh", "-c", "echo loss=0.5; echo b >&2; exit 3")
    assert (code, out) == (3, "loss=0.5\nb\n")
    assert re.sub(r"\d+\.\d s,", "N s,", err).splitlines() == [
        "metricscan: job trial_1 in runs/trial_1",
        "metricscan: trial_1: Failed after N s, exit code 3: b",
        "  loss 0.5",
    ]


@pytest.mark.parametrize("is_killed", [False, True])
def test_what_gave_no_row_is_told_at_the_end(folder, is_killed):
    shell = "echo loss=abc; echo loss=0.5; echo loss=x; head -c 2000000 /dev/zero | tr '\\0' a; echo"
    options = ("-m", r"loss=loss=(\S+)", "--max-record-bytes", "1M", "--out", folder)
    code, _, err = metricscan("run", *options, "--", "sh", "-c", shell)
    if is_killed:
        # the next reader reads all again
        shutil.rmtree(folder / "journal")
        code, _, err = metricscan("run", "--attach", folder)
    assert code == 0
    assert err.splitlines()[-2:] == [
        "loss: 2 values that are not numbers: no rows, for example 'abc'",
        "1 record of more than --max-record-bytes: no rows",
    ]


def test_why_a_definition_found_nothing_is_told_at_the_end(folder):
    given = ("-m", r"acc=acc=([0-9.]+)", "-m", r"loss=Loss: (\S+)", "--out", folder)
    code, _, err = metricscan("run", *given, "--", "echo", "acc=1 loss: 4")
    assert code == 0
    why = "loss found nothing: its literal 'Loss: ' does not occur in the logs, but 'loss:' does"
    assert err.splitlines()[2:] == ["  acc 1.0", f"{why}: 'acc=1 loss: 4' ({folder}/output.log:1)"]
    # another reader goes on behind what was read, and cannot tell
    assert "nothing" not in metricscan("run", "--attach", folder)[2]


def test_jobs_that_are_started_at_once_get_folders_of_their_own(tmp_path):
    begun = [
        subprocess.Popen([*MODULE, "run", "--", "true"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    ended = [(one.communicate(timeout=DEADLINE_S)[1].decode(), one.returncode) for one in begun]
    assert [code for _, code in ended] == [0] * 4, ended
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == [f"true-{number}" for number in range(1, 5)]


def test_what_follows_the_command_is_the_command_s(folder):
    code, out, _ = metricscan("run", "-o", folder, "echo", "-m", "--json", "--", "-d", "x")
    assert (code, out) == (0, "-m --json -- -d x\n")


def test_jobs_get_folders_of_their_own(folder):
    for number in (1, 2):
        code, _, err = metricscan("run", *LOSS, "--", "sh", "-c", "echo loss=1")
        assert code == 0
        assert f"job sh-{number} in runs/sh-{number}" in err


@pytest.mark.parametrize(
    ("name", "place"), [("first", "first"), ("a/b\nc", "a-b-c"), ("../../up", "-..-up"), ("..", "job"), (".hid", "hid")]
)
def test_the_name_of_a_job_is_that_of_its_folder(folder, name, place):
    code, _, err = metricscan("run", "--job", name, "--", "true", cwd=folder.parent.parent)
    assert code == 0
    runs = folder.parent.parent / "runs"
    assert [path.name for path in runs.iterdir()] == [place]
    assert read_record(str(runs / place)).job == name
    assert f"in runs/{place}" in err
    code, _, err = metricscan("run", "--job", name, "--", "true", cwd=folder.parent.parent)
    assert (code, f"{place} holds another job" in err) == (125, True)


def test_environment_and_hyperparameters(folder, monkeypatch):
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    command = ["sh", "-c", 'echo "$A|$1|$2|$3|$4"; cat "$METRICSCAN_HYPERPARAMETERS"', "train"]
    given = ["--env", "A=b c", "--env", "HF_TOKEN=hidden1"]
    given += ["--hyperparameter", "lr=0.1", "--hyperparameter", "db_password=hidden2"]
    code, out, err = metricscan("run", *LOSS, "-o", folder, *given, "--", *command)
    assert code == 0
    assert out.splitlines()[0] == "b c|--db_password|hidden2|--lr|0.1"
    assert json.loads(out.partition("\n")[2]) == {"lr": "0.1", "db_password": "hidden2"}
    record = (folder / "job.json").read_text()
    assert "hidden" not in record + err
    document = json.loads(record)
    assert document["environment"] == {
        "A": "b c",
        "HF_TOKEN": "***",
        "METRICSCAN_HYPERPARAMETERS": f"{folder}/ml/input/config/hyperparameters.json",
        "METRICSCAN_JOB_DIR": str(folder),
        "PYTHONUNBUFFERED": "1",
    }
    assert document["command"][-4:] == ["--db_password", "***", "--lr", "0.1"]
    # the values lie in a file that only their owner may read
    assert (folder / "ml/input/config/hyperparameters.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(("level", "lines"), [("10", ["DEBUG", "WARNING"]), ("30", ["WARNING"])])
def test_the_level_of_a_tuning_request_reaches_the_script(folder, tmp_path, level, lines):
    request = json.loads((DATA / "sagemaker" / "request.json").read_text())
    request["TrainingJobDefinition"]["Environment"] = {"SM_LOG_LEVEL": level}
    (tmp_path / "request.json").write_text(json.dumps(request))
    script = """
import json, logging, os, sys
logging.basicConfig(level=int(os.environ["SM_LOG_LEVEL"]), format="%(levelname)s %(message)s", stream=sys.stdout)
logging.debug("batch 1")
logging.warning("Loss = 0.25;")
print(json.load(open(os.environ["METRICSCAN_HYPERPARAMETERS"]))["_tuning_objective_metric"])
"""
    code, out, err = metricscan("run", "--tuning-job", "request.json", "-o", folder, "--", *python(script))
    assert code == 0, err
    *logged, objective = out.splitlines()
    assert [line.split()[0] for line in logged] == lines
    assert objective == request["HyperParameterTuningJobConfig"]["HyperParameterTuningJobObjective"]["MetricName"]


def test_a_built_in_algorithm_and_its_log(folder):
    log = DATA / "xgboost" / "logs"
    first = min(path for path in log.rglob("*") if path.is_file())
    command = ["sh", "-c", f'cat {first}; test -n "$SM_HPS"']
    code, _, err = metricscan("run", "--algorithm", "xgboost", "--escape", "syslog", "-o", folder, "--", *command)
    assert code == 0
    assert "validation:rmse" in err


# ---- exit codes


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--", "no-such-command"], 127, "there is no command no-such-command"),
        (
            ["--", "python train.py"],
            127,
            "hint: each word is an argument of its own: -- python train.py; for the shell, -- sh -c",
        ),
        (["--", "/"], 126, "cannot execute /"),
        ([], 125, "a command was expected behind the options"),
        (["--max-runtime", "soon", "--", "true"], 125, "'soon' is no duration"),
        (["--no-such-option"], 125, "No such option"),
        (["--step-place", "after", "--", "true"], 125, "--step-place='after' needs --step=NAME"),
        (["--block", "^-+$", "--", "true"], 125, "the separators of blocks need definitions"),
        (["-m", "a=b", "--block", "", "--", "true"], 125, "--block='': a regex"),
        (["--carry", "phase", "--", "true"], 125, "run has no --carry: the job's journal keeps the rows"),
        (["--minimize", "loss", "--", "true"], 125, "give it to rank when they are read"),
        (["--args", "odd", "--", "true"], 125, "Invalid value for '--args'"),
        (["--env", "A", "--", "true"], 125, "--env 'A': NAME=VALUE was expected"),
        (["--max-runtime", "0", "--", "true"], 125, "--max-runtime=0.0: a positive number"),
        (["--prestop-signal", "USR2", "--", "true"], 125, "--prestop-signal='USR2': a signal and a duration"),
        (["--prestop-signal", "USR2@9", "--max-runtime", "8", "--", "true"], 125, "less than --max-runtime=8 was"),
        (["--channel", "a=.", "--", "true"], 125, "folders of SageMaker's toolkit: --args='sagemaker'"),
        (["-m", "step=step=(.)", "--step", "stop", "--", "true"], 125, "--step='stop': no metric has this name"),
        (["--training-definition", "a", "--", "true"], 125, "--training-definition needs --tuning-job FILE"),
        (["--job", "", "--", "true"], 125, "--job='': a name was expected"),
        (["-o", "", "--", "true"], 125, "--out='': a folder was expected"),
        (["-o", "/dev/null", "--", "true"], 125, "/dev/null is no folder"),
        (["--threshold", "loss < 1", "--", "true"], 125, "--threshold needs --on-event"),
        (["-m", "a=(", "--", "true"], 125, "metric definitions"),
        (["--attach", "/no/such"], 125, "is not the folder of a job"),
        (["--attach", ".", "--", "true"], 125, "--attach takes no command"),
        (["--attach", ".", "-m", "a=b", "--grace", "3"], 125, "--metric, --grace: --attach goes on with a job"),
    ],
)
def test_what_cannot_be_run(folder, arguments, code, message):
    found, out, err = metricscan("run", *arguments)
    assert (found, out) == (code, "")
    assert message in err
    assert "Traceback" not in err
    assert not folder.parent.exists()


@pytest.mark.parametrize(
    ("options", "code"), [(("--max-runtime", "0.5s"), 124), (("--max-silence", "0.5s", "--stopped-exit-code", "0"), 0)]
)
def test_a_limit_has_an_exit_code_of_its_own(folder, options, code):
    found, out, err = metricscan("run", *LOSS, *options, "-o", folder, "--", "sh", "-c", "echo loss=1; exec sleep 600")
    assert (found, out) == (code, "loss=1\n")
    assert "trial_1: Stopped after" in err
    assert "its limit" in err


def test_the_code_of_a_job_that_a_signal_ended(folder):
    code, _, err = metricscan("run", "-o", folder, "--", "sh", "-c", "kill -KILL $$")
    assert (code, "killed by SIGKILL" in err) == (137, True)


# ---- signals


@pytest.fixture
def running(folder):
    """Starts ``run``, and returns its process once the job is ready."""
    processes = []

    def begin(command, *options, **how):
        process = start("run", *LOSS, "--grace", "20s", "-o", folder, *options, "--", *command, **how)
        processes.append(process)
        until(lambda: b"ready" in output(folder) or process.poll() is not None, "the job to be ready")
        return process

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


READY = ["sh", "-c", "echo ready; exec sleep 600"]


@pytest.mark.parametrize("name", ["TERM", "INT", "HUP", "USR1", "USR2"])
def test_signals_reach_the_job(folder, running, name):
    process = running(READY)
    number = getattr(signal, f"SIG{name}")
    process.send_signal(number)
    _, err = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 128 + number
    assert re.search(rf"trial_1: Stopped after \d+\.\d s, exit code {128 + number}: SIG{name}", err.decode())


def test_the_job_goes_on_without_its_terminal_under_nohup(folder, running):
    process = running(READY, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    process.send_signal(signal.SIGHUP)
    assert metricscan("stop", folder)[:2] == (0, "trial_1: Stopped\n")
    record = read_record(str(folder)).document
    assert (record["stopped_by"], record["signal"]) == ("metricscan stop", "SIGTERM")


def test_another_terminal_stops_the_job(folder, running):
    process = running(READY)
    code, out, _ = metricscan("stop", "--reason", "too slow", folder)
    assert (code, out) == (0, "trial_1: Stopped\n")
    _, err = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, "too slow" in err.decode()) == (143, True)
    assert alive(folder) == set()
    # a job that has ended stays as it is
    assert metricscan("stop", folder)[:2] == (0, "trial_1: Stopped; it had ended already\n")
    assert read_record(str(folder)).stopped_by == "too slow"


def test_a_job_that_takes_its_time_to_end_is_said_to(folder, running, monkeypatch, capfd):
    monkeypatch.setattr(sys.modules["metricscan.cli.stop"], "_PATIENCE_S", 0.0)
    running(["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done"])
    thread = threading.Thread(target=main, args=(["stop", str(folder)],))
    thread.start()
    said = "trial_1: was asked to end, and is killed 20.0 s after SIGTERM; stop it again to kill it at once\n"
    until(lambda: (folder / ".stop").exists() and said in capfd.readouterr().err, "the words")
    assert metricscan("stop", folder)[0] == 0
    thread.join(DEADLINE_S)
    assert read_record(str(folder)).exit_code == 137


def test_what_is_no_job_cannot_be_stopped(folder, tmp_path):
    code, out, err = metricscan("stop", tmp_path)
    assert (code, out) == (2, "")
    assert "is not the folder of a job" in err


def test_the_reader_is_killed_and_another_goes_on(folder, running):
    process = running(
        ["sh", "-c", "echo ready; seq -f loss=%g 0 99; until [ -e go ]; do sleep 0.05; done; seq -f loss=%g 100 199"]
    )
    # behind this line the job waits
    passed = iter(process.stdout.readline, b"loss=99\n")
    out = b"".join(passed)
    process.kill()
    out += process.communicate(timeout=DEADLINE_S)[0]
    Path("go").touch()
    code, rest, err = metricscan("run", "--attach", folder)
    assert code == 0
    assert "loss 199" in err
    # what was not in the journal is passed on again, and nothing is left out
    whole = output(folder)
    assert whole.startswith(out)
    assert whole.endswith(rest.encode())
    assert len(out) + len(rest) >= len(whole)


def test_the_time_that_is_told_is_the_job_s(folder):
    assert metricscan("run", "-o", folder, "--", "true")[0] == 0
    document = json.loads((folder / "job.json").read_text())
    times = {"started_at": "2026-03-01T10:00:00Z", "ended_at": "2026-03-01T10:00:48.5Z"}
    (folder / "job.json").write_text(json.dumps({**document, **times}, indent=2))
    _, _, err = metricscan("run", "--attach", folder)
    assert err == "metricscan: trial_1: Completed after 48.5 s\n"


def test_a_job_whose_record_is_gone_is_an_error(folder):
    # the reader has begun
    text = f"echo loss=1; until ls {folder}/journal/*.segment; do sleep 0.1; done 2>/dev/null >&2; rm {folder}/job.json; sleep 1"
    code, out, err = metricscan("run", *LOSS, "-o", folder, "--", "sh", "-c", text)
    assert (code, out) == (125, "loss=1\n")
    assert err.splitlines()[1:] == [f"metricscan: {folder} is not the folder of a job: it has no job.json"]


def test_output_that_is_no_file_any_more_is_told(folder):
    # the reader has begun
    waits = f"until ls {folder}/journal/*.segment; do sleep 0.1; done 2>/dev/null >&2"
    swap = f"echo loss=1; {waits}; cd {folder}; mv output.log other; mkdir output.log; sleep 1"
    code, out, err = metricscan("run", *LOSS, "-o", folder, "--", "sh", "-c", swap)
    assert (code, out) == (0, "loss=1\n")
    assert f"notice: {folder}/output.log is a folder: a file that grows was expected; it is tried again" in err


def test_a_reader_of_the_output_that_ends_does_not_end_the_job(folder):
    command = (
        f'{" ".join(MODULE)} run -m "loss=loss=([0-9.]+)" -o {folder} -- sh -c "seq -f loss=%g 200000" | head -n 1'
    )
    run = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=DEADLINE_S, check=True)
    assert run.stdout == "loss=1\n"
    assert "loss 200000.0" in run.stderr
    assert "Traceback" not in run.stderr


def test_a_current_folder_that_is_gone_is_an_error(folder, tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    code, _, err = metricscan("run", *LOSS, "--", "true")
    assert (code, err) == (125, "metricscan: .: the current folder was removed\n")


def test_standard_input_is_the_job_s(folder):
    with start("run", *LOSS, "-o", folder, "--", "cat", stdin=subprocess.PIPE) as process:
        out, _ = process.communicate(b"loss=4\n", timeout=DEADLINE_S)
    assert out == b"loss=4\n"


# ---- what is told


def test_events_get_the_record(folder, tmp_path):
    (tmp_path / "tell").write_text('#!/bin/sh\ncat > "$PWD/$METRICSCAN_EVENT.json"; echo told\n')
    (tmp_path / "tell").chmod(0o755)
    events = ["--on-event", "./tell", "--threshold", "loss < 0.1"]
    command = ["sh", "-c", "for i in 0.5 0.05 0.6 0.04; do echo loss=$i; done; exit 1"]
    code, out, err = metricscan("run", *LOSS, *events, "-o", folder, "--", *command)
    assert (code, out.count("loss"), "told" in out) == (1, 4, False)
    assert err.count("told") == 2
    threshold, failed = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("threshold", "failed"))
    assert threshold["threshold"] == "loss < 0.1"
    assert (failed["job"], failed["status"], failed["exit_code"]) == ("trial_1", "Failed", 1)
    assert failed["latest"]["loss"]["value"] == 0.04
    assert not (tmp_path / "done.json").exists()


def test_a_command_for_events_that_fails_is_told(folder):
    code, _, err = metricscan("run", *LOSS, "--on-event", "exit 7", "-o", folder, "--", "true")
    assert code == 0
    assert "the command for the event 'done' ended with exit code 7" in err


@pytest.mark.parametrize("name", ["TERM", "INT"])
def test_a_signal_ends_the_wait_for_a_command_for_events(folder, name):
    options = ("--on-event", "sleep 600 & echo begun; wait", "-o", folder)
    process = start("run", *LOSS, *options, "--", "sh", "-c", "echo loss=1; exit 3", stderr=subprocess.PIPE)
    until(lambda: process.stderr.readline() == b"begun\n", "the command")
    process.send_signal(getattr(signal, f"SIG{name}"))
    # nobody has the other end any more: what the command had started is ended, too
    _, err = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 3
    assert re.sub(r"\d+\.\d s,", "N s,", err.decode()).splitlines() == [
        "metricscan: the command for the event 'failed' was interrupted",
        "metricscan: trial_1: Failed after N s, exit code 3: loss=1",
        "  loss 1.0",
    ]


def test_a_threshold_on_what_is_no_metric_is_refused(folder):
    code, _, err = metricscan("run", *LOSS, "--on-event", "true", "--threshold", "los < 1", "-o", folder, "--", "true")
    assert code == 125
    assert "'los'" in err
    # nothing was run
    assert not folder.exists()


def test_prometheus_reads_the_newest_values(folder, tmp_path):
    command = ["sh", "-c", "echo loss=0.5; echo loss=nan; echo loss=0.25"]
    metricscan(
        "run", "-m", r"loss=loss=(\S+)", "--job", 'a"b', "--metrics-file", "m.prom", "-o", folder, "--", *command
    )
    lines = (tmp_path / "m.prom").read_text().splitlines()
    assert r'metricscan_metric{job_name="a\"b",metric="loss"} 0.25' in lines
    assert r'metricscan_job_status{job_name="a\"b",status="Completed"} 1' in lines
    assert r'metricscan_job_exit_code{job_name="a\"b"} 0' in lines
    assert [path.name for path in tmp_path.iterdir() if "prom" in path.name] == ["m.prom"]


def test_a_file_for_prometheus_that_cannot_be_written_ends_nothing(folder):
    code, out, err = metricscan("run", *LOSS, "--metrics-file", "/no/such/m.prom", "-o", folder, "--", "echo", "loss=1")
    assert (code, out) == (0, "loss=1\n")
    assert err.count("cannot write /no/such/m.prom: No such file or directory") == 1


# ---- a terminal


def on_a_terminal(arguments, size, awaited=""):
    """Run ``metricscan`` on a terminal of its own; what it writes there. The awaited text makes a file ``go``."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
    environment = {**os.environ, "TERM": "xterm", "PYTHONIOENCODING": "utf-8"}
    process = subprocess.Popen(
        [*MODULE, *map(str, arguments)], stdin=follower, stdout=follower, stderr=follower, env=environment
    )
    os.close(follower)
    shown, end = b"", time.monotonic() + DEADLINE_S
    try:
        while time.monotonic() < end:
            if select.select([leader], [], [], 0.1)[0]:
                try:
                    shown += os.read(leader, 65536)
                except OSError:
                    # nobody has the other end any more
                    break
            if awaited.encode() in shown:
                Path("go").touch()
        assert process.wait(DEADLINE_S) == 0, shown
    finally:
        process.kill()
        process.wait()
        os.close(leader)
    return shown.decode()


WAITS = [
    "sh",
    "-c",
    "for i in 1 2 3; do echo epoch $i loss=0.$i; done; while [ ! -e go ]; do sleep 0.05; done; echo end",
]


def test_a_panel_stands_under_the_output(folder):
    arguments = ["run", *LOSS, "-m", r"epoch=epoch (\d+)", "--step", "epoch", "-o", folder, "--", *WAITS]
    shown = on_a_terminal(arguments, (30, 100), "loss  0.3          step 3 ")
    # the output is there as it was written, and the lines below it are given back
    assert "epoch 1 loss=0.1\r\nepoch 2 loss=0.2\r\nepoch 3 loss=0.3\r\n" in shown
    assert "\x1b[1;28r" in shown
    assert "s  6 rows  epoch 3\x1b" in shown
    assert "▁▅█" in shown
    assert shown.rindex("\x1b[r") > shown.rindex("\x1b[1;28r")
    assert "end\r\n" in shown
    assert output(folder) == b"epoch 1 loss=0.1\nepoch 2 loss=0.2\nepoch 3 loss=0.3\nend\n"


def test_a_panel_has_no_line_that_is_longer_than_the_terminal(folder):
    names = ["loss", "ü" * 30, "数" * 40, "train/" + "x" * 60 + "/loss"]
    metrics = [word for name in names for word in ("-m", f"{name}=loss=([0-9.]+){'|never' * names.index(name)}")]
    arguments = ["run", "--label", r"word=^(\w+)", *metrics, "--job", "j" * 90, "-o", folder, "--", *WAITS]
    shown = on_a_terminal(arguments, (24, 80), "0.3")
    # the label has no line
    assert "\x1b[1;19r" in shown
    lines = re.findall(r"\x1b\[\d+;1H\x1b\[2K([^\x1b]+)", shown)
    assert len(lines) > 4
    assert max(map(cell_len, lines)) == 79
    assert {line.split("  ")[0] for line in lines} >= {"loss", "train/xxxxxxx…xxxxxxx/loss"}


@pytest.mark.parametrize("size", [(8, 100), (30, 20)])
def test_a_small_terminal_is_left_to_the_job(folder, size):
    shown = on_a_terminal(["run", *LOSS, "-o", folder, "--", *WAITS], size, "loss=0.3")
    assert "loss=0.3\r\n" in shown
    assert "\x1b[" not in shown


def test_names_of_jobs_do_not_reach_the_terminal_as_they_are(folder):
    _, _, err = metricscan("run", "--job", "a\x1b[31m\nb", "-o", folder, "--", "true")
    assert "\x1b" not in err
    assert r"job a\x1b[31m\nb in" in err


# ---- programs that buffer

PROGRAM = r"""
#include <stdio.h>
#include <unistd.h>
int main(void) {
    for (int i = 1; i <= 3; i++) printf("loss=0.%d\n", i);
    fclose(fopen("waits", "w"));
    char end;
    while (read(0, &end, 1) > 0) {}
    printf("loss=0.4\n");
    return 0;
}
"""


@pytest.fixture
def program(tmp_path):
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    (tmp_path / "program.c").write_text(PROGRAM)
    subprocess.run([compiler, "-o", tmp_path / "program", tmp_path / "program.c"], check=True)
    return tmp_path / "program"


@pytest.mark.parametrize("options", [(), ("--line-buffered",)])
def test_a_program_in_c(folder, program, options):
    if options and shutil.which("stdbuf") is None:
        pytest.skip("no stdbuf")
    with start("run", *LOSS, *options, "-o", folder, "--", program, stdin=subprocess.PIPE) as process:
        until(Path("waits").exists, "the program")
        first = output(folder)
        out, _ = process.communicate(timeout=DEADLINE_S)
    lines = b"loss=0.1\nloss=0.2\nloss=0.3\n"
    assert (process.returncode, out) == (0, lines + b"loss=0.4\n")
    # without the option the program writes all at its end
    assert first == (lines if options else b"")


def test_python_itself_is_not_buffered(folder, tmp_path, monkeypatch):
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    # the program ends when the test has opened the pipe, behind the line that it has read
    os.mkfifo(tmp_path / "gate")
    with start(
        "run", "-o", folder, "--", *python(f"print('loss=1'); open({str(tmp_path / 'gate')!r}).read()")
    ) as process:
        assert process.stdout.readline() == b"loss=1\n"
        assert process.poll() is None
        (tmp_path / "gate").write_text("")
        process.communicate(timeout=DEADLINE_S)


def test_a_disk_without_room_loses_nothing_of_the_job(folder):
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    with open("/dev/full", "wb") as full:
        process = start("run", *LOSS, "-o", folder, "--", "sh", "-c", "echo loss=1", stdout=full)
        _, err = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0
    assert "cannot pass on what the job writes: No space left on device" in err.decode()
    assert output(folder) == b"loss=1\n"


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_one_signal_ends_a_reader_that_waits_for_room(folder, monkeypatch, capfd, name):
    def no_room(path, *_, **__):
        raise SourceError(f"cannot write {path}", path=path, cause=OSError(errno.ENOSPC, "No space left on device"))

    monkeypatch.setattr("metricscan.live.job_output.Journal.open", no_room)
    is_late = threading.Event()

    def end():
        until(lambda: (folder / "output.log").exists() and output(folder) == b"ready\n", "the job")
        os.kill(os.getpid(), getattr(signal, name))
        if not ended.wait(30):
            is_late.set()
            os.kill(os.getpid(), signal.SIGTERM)

    ended = threading.Event()
    thread = threading.Thread(target=end)
    thread.start()
    code = main(["run", *LOSS, "-o", str(folder), "--", "sh", "-c", "echo ready; exec sleep 600"])
    ended.set()
    thread.join()
    assert (code, is_late.is_set()) == (125, False)
    err = capfd.readouterr().err
    assert "metricscan waits for room" in err
    assert "not all of the job's output was read; metricscan run --attach" in err
