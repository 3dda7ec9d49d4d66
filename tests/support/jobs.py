"""Jobs that the tests run: each test has a folder, a deadline, and leaves no process behind."""

import contextlib
import os
import signal
import subprocess
import sys
import time

from metricscan import Dataset, Scanner
from metricscan import run as run_job
from metricscan.live import processes
from metricscan.logs.job_record import read_record
from metricscan.logs.living import stat_of

LOSS = ["loss=loss=([0-9.]+)"]
#: The most seconds that anything of a test may take on a busy machine.
DEADLINE_S = 60.0


def until(condition, what, seconds=DEADLINE_S):
    """Wait until a condition gives something true, and return that."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"waited {seconds:g} s for {what}"
        time.sleep(0.01)
    return found


def job_processes(folder):
    """The pids of the processes that have a job's folder in their environment, and have not ended."""
    entry, found = os.fsencode(f"{processes.JOB_DIR}={folder}"), set()
    for stat in processes.all_processes():
        with contextlib.suppress(OSError), open(f"/proc/{stat.pid}/environ", "rb") as file:
            if entry in file.read().split(b"\0") and not stat.has_ended:
                found.add(stat.pid)
    return found


def alive(folder):
    """The processes of a job, its supervisor among them."""
    found = job_processes(folder)
    with contextlib.suppress(OSError):
        record = read_record(str(folder)).document
        for name in ("supervisor", "child"):
            one = record.get(name)
            stat = None if one is None else stat_of(one["pid"])
            if stat is not None and stat.start == one["start"] and not stat.has_ended:
                found.add(stat.pid)
    return found


@contextlib.contextmanager
def none_left(folder):
    """Kill what a test that failed has left of a job; of one that succeeded nothing is left.

    Jobs inherit which signals are ignored, as in the background of a shell or under nohup: here none is.
    """
    before = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGHUP, signal.SIGINT)}
    try:
        yield
        until(lambda: not alive(folder), "the end of the job's processes", 20)
    finally:
        while left := alive(folder):
            for pid in left:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)
        for number, handler in before.items():
            signal.signal(number, handler)


def start(*arguments, **options):
    """Start ``metricscan`` as a process of its own."""
    options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.Popen([sys.executable, "-m", "metricscan", *map(str, arguments)], **options)


def metricscan(*arguments, **options):
    """Run ``metricscan`` to its end: exit code, standard output and standard error, as text."""
    with start(*arguments, **options) as process:
        try:
            out, err = process.communicate(timeout=DEADLINE_S)
        finally:
            process.kill()
    return process.returncode, out.decode(), err.decode()


def python(code):
    """A command that runs Python code."""
    return [sys.executable, "-c", code]


def run_to_end(folder, command, definitions=LOSS, **options):
    """Run a job to its end: the job and its record."""
    options = {"grace": 20.0, **options}
    with run_job(command, definitions, out=folder, **options) as job:
        return job, job.wait(timeout=DEADLINE_S)


def shell(text):
    """A command that runs a shell's code."""
    return ["sh", "-c", text]


def output(folder):
    """All that a job wrote."""
    return (folder / "output.log").read_bytes()


def committed(folder):
    """The values in the journal with their places."""
    table = Dataset(folder / "journal")["loss"]
    return list(zip(*(table[name].to_pylist() for name in ("value", "line", "offset")), strict=True))


def expected(folder):
    """What is in the journal if all of the output was read once."""
    result = Scanner(LOSS).scan(str(folder / "output.log"))["loss"]
    return list(zip(*(result[name].to_pylist() for name in ("value", "line", "offset")), strict=True))


def words_of(pid):
    """The words of a process's command; none once it has ended."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().split(b"\0")[:-1]
    except OSError:
        return []
