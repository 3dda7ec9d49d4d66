"""Jobs that are stopped, meet a limit, or lose their reader, their command or their supervisor."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from support.jobs import (
    DEADLINE_S,
    LOSS,
    alive,
    committed,
    expected,
    output,
    python,
    run_to_end,
    shell,
    until,
    words_of,
)

import metricscan
from metricscan import SourceError
from metricscan.live import job_folder, processes
from metricscan.logs.job_record import UNKNOWN, read_record
from metricscan.logs.living import stat_of

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
    _, record = run_to_end(folder, command)
    assert (record.status, record.exit_code) == ("Completed", 0)
    assert record.document["left_running"] >= 2
    assert alive(folder) == set()


def test_a_command_that_forks_away_ends_its_job(folder):
    _, record = run_to_end(folder, shell("setsid sh -c 'sleep 600' < /dev/null > /dev/null 2>&1 & echo loss=1"))
    assert record.status == "Completed"
    assert record.document["left_running"] >= 1


def test_a_command_that_closes_its_output(folder):
    _, record = run_to_end(folder, shell("echo loss=1; exec >&- 2>&-; exec sh -c 'exit 4'"))
    assert (record.status, record.exit_code) == ("Failed", 4)
    assert committed(folder) == [(1.0, 1, 0)]


# ---- limits


def test_a_job_that_runs_too_long_is_stopped(folder):
    _, record = run_to_end(folder, TRAPS, max_runtime=0.7)
    assert (record.status, record.exit_code) == ("Stopped", 5)
    assert record.stopped_by == "it ran for 0.7 s, its limit"
    assert record.document["was_limit"] is True


def test_a_limit_of_centuries_holds(folder):
    _, record = run_to_end(folder, shell("read line; exit 0"), max_runtime=1e15, max_silence=1e15)
    assert record.status == "Completed"


def test_a_job_that_is_silent_is_stopped(folder):
    _, record = run_to_end(
        folder, shell("for i in 1 2 3 4 5; do echo loss=$i; sleep 0.2; done; sleep 600"), max_silence=0.8
    )
    assert record.stopped_by == "it wrote nothing for 0.8 s, its limit"
    assert [value for value, _, _ in committed(folder)] == [1.0, 2.0, 3.0, 4.0, 5.0]


@pytest.mark.parametrize("how", ["limit", "stop"])
def test_a_job_is_told_before_it_is_stopped(folder, how):
    options = {"prestop_signal": "USR2@0.6"}
    if how == "limit":
        _, record = run_to_end(folder, TRAPS, max_runtime=1.2, **options)
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
    for pid in [stat.pid for stat in processes.all_processes() if words_of(stat.pid) == [b"sleep", b"601"]]:
        os.kill(pid, signal.SIGKILL)
    assert job.wait(timeout=DEADLINE_S).status == UNKNOWN


def test_a_job_has_one_reader(folder, ready):
    job = ready(shell("echo ready; exec sleep 600"))
    with pytest.raises(SourceError, match=f"is being written by process {os.getpid()}") as caught:
        metricscan.attach(folder)
    assert caught.value.hint == f"it reads the job already; tail -f {folder}/output.log shows the output beside it"
    job.close()
    with metricscan.attach(folder) as other:
        assert other.stop().status == "Stopped"


def test_a_job_that_has_ended_can_be_read_again(folder):
    run_to_end(folder, shell("echo loss=1; printf loss=2"))
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
