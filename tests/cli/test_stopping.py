"""Signals end a command, whatever it does: they stop scans in all threads, and what cannot be stopped ends with the process."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from support.command import LOSS, MODULE
from support.jobs import until

from metricscan import __main__
from metricscan.cli import main
from metricscan.cli.job_signals import Forwarder, ReadingStopped

CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
# each record costs the matcher its whole budget; and of records for re, each takes longer than anyone can wait
NATIVE = ("-m", "m=x=(a{1,60}){1,60}b")
ENDLESS = ("-m", "m=x=(?:a|a)*b(?:(c))++")
needs_proc = pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="has no /proc")
SIGNALS = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
BUSY_S = 0.3
# a process that does not end is killed, and the test fails
PATIENCE_S = 30


@contextlib.contextmanager
def busy(arguments, *, script=None):
    """A process that has opened a log and used CPU time since, so that it is amid its scan."""
    command = (
        [*MODULE, *map(str, arguments)] if script is None else [sys.executable, "-c", script, *map(str, arguments)]
    )
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        begun = until(lambda: _reads_a_log(process.pid) and _cpu_seconds(process.pid), "the log", PATIENCE_S)
        until(lambda: _cpu_seconds(process.pid) > begun + BUSY_S, "the scan", PATIENCE_S)
        yield process
    finally:
        process.kill()
        process.communicate()


def _reads_a_log(pid):
    for name in os.listdir(f"/proc/{pid}/fd"):
        # it may be closed by now
        with contextlib.suppress(FileNotFoundError):
            if os.readlink(f"/proc/{pid}/fd/{name}").endswith(".log"):
                return True
    return False


def _cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    """Folders of logs: one of a job whose records are long, one of jobs with a record for re."""
    folder = tmp_path_factory.mktemp("logs")
    for name in ("long", "short"):
        (folder / name).mkdir()
    record = b"x=" + b"a" * 1_000_000 + b"\n"
    (folder / "long" / "a.log").write_bytes(record * 60)
    for number in range(8):
        # too large to be scanned together
        (folder / "short" / f"{number}.log").write_bytes(b"x=" + b"a" * 60 + b"\n" + b"x=1\n" * 300_000)
    return folder


COMMANDS = {
    "replay": ["replay", "long", *NATIVE, "--threads", "1"],
    "replay on threads": ["replay", "long", *NATIVE, "--threads", "2"],
    "replay by re": ["replay", "short", *ENDLESS, "--threads", "1"],
    "replay by re on threads": ["replay", "short", *ENDLESS, "--threads", "2"],
    "check": ["check", "long/a.log", *NATIVE],
    "check by re": ["check", "short/0.log", *ENDLESS],
    "follow": ["follow", "long", *NATIVE, "--json"],
    "follow by re": ["follow", "short", *ENDLESS, "--json"],
}


@pytest.mark.slow
@needs_proc
@pytest.mark.parametrize(("number", "code"), SIGNALS)
@pytest.mark.parametrize("arguments", COMMANDS.values(), ids=COMMANDS)
def test_a_signal_ends_the_command(logs, arguments, number, code):
    arguments = [arguments[0], logs / arguments[1], *arguments[2:]]
    with busy(arguments) as process:
        assert process.poll() is None
        process.send_signal(number)
        _, told = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == code
    assert "Traceback" not in told
    # a follower that can commits what it has read, and says so
    assert "interrupted" in told or arguments[0] == "follow"


@pytest.mark.slow
@needs_proc
@pytest.mark.parametrize(("command", "status"), [("true", "Completed"), ("sleep 60", "Stopped")])
def test_a_signal_ends_a_run_whose_output_takes_re_too_long(tmp_path, command, status):
    folder = tmp_path / "job"
    shell = f"echo x={'a' * 60}; {command}"
    with busy(["run", *ENDLESS, "-o", folder, "--", "sh", "-c", shell]) as process:
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 125
    assert "interrupted: not all of the job's output was read\nhint: metricscan run --attach" in said
    record = json.loads((folder / "job.json").read_text())
    assert (record["status"], record.get("is_read")) == (status, None)


@pytest.mark.parametrize(
    ("status", "progress", "is_passing_on", "is_done", "stops"),
    [
        ("Completed", 0, False, False, True),
        ("Completed", 1, False, False, False),
        ("Completed", 0, True, False, False),
        ("InProgress", 0, False, False, False),
        # what --on-event runs may take its time
        ("Stopped", 0, False, True, False),
    ],
)
def test_only_a_reader_that_makes_no_progress_is_stopped(status, progress, is_passing_on, is_done, stops):
    forwarder = Forwarder()
    forwarder.job = SimpleNamespace(record=SimpleNamespace(status=status), is_done=is_done)
    forwarder.polls += progress
    forwarder.is_passing_on = is_passing_on
    with pytest.raises(ReadingStopped) if stops else contextlib.nullcontext():
        forwarder._look()


@pytest.mark.slow
@needs_proc
@pytest.mark.parametrize("threads", [1, 2])
def test_an_interrupt_ends_a_scan_of_the_library(logs, threads):
    script = (
        "import sys; from metricscan import Scanner\n"
        "try: Scanner([sys.argv[1]]).scan(sys.argv[2], threads=int(sys.argv[3]))\n"
        "except KeyboardInterrupt: print('interrupted')"
    )
    with busy([NATIVE[1], logs / "long" / "a.log", threads], script=script) as process:
        process.send_signal(signal.SIGINT)
        out, told = process.communicate(timeout=PATIENCE_S)
    assert (out, told, process.returncode) == ("interrupted\n", "", 0)


def test_a_command_leaves_no_watch_behind(tmp_path, capsys):
    (tmp_path / "a.log").write_text("loss=1\n")
    pipes = len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else None
    for _ in range(3):
        assert main(["replay", str(tmp_path), *LOSS]) == 0
    assert signal.set_wakeup_fd(-1) == -1
    if pipes is not None:
        assert len(os.listdir("/proc/self/fd")) == pipes


def test_an_interrupted_command_stops_no_later_scan(tmp_path, capsys):
    log = tmp_path / "a.log"
    log.write_bytes((b"x=" + b"a" * 100_000 + b"\n") * 1000)
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        assert main(["replay", str(log), *NATIVE, "--threads", "1"]) == 130
    finally:
        timer.join()
    log.write_text("loss=1\n")
    assert main(["replay", str(log), *LOSS]) == 0


def test_a_command_on_another_thread_runs_without_a_watch(tmp_path, capsys):
    (tmp_path / "a.log").write_text("loss=1\n")
    codes = []
    thread = threading.Thread(target=lambda: codes.append(main(["replay", str(tmp_path), *LOSS])))
    thread.start()
    thread.join()
    assert codes == [0]


def test_an_interrupt_while_the_command_is_loaded_is_no_traceback(monkeypatch, capsys):
    class Loading(ModuleType):
        def __getattr__(self, name):
            raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "metricscan.cli", Loading("metricscan.cli"))
    assert __main__.run() == 130
    assert capsys.readouterr().err == "metricscan: interrupted\n"
