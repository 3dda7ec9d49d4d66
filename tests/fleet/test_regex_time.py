"""The time of regex is one for a whole replay, whoever reads the logs; here each record takes a second of it."""

import itertools
import os
import pickle
import subprocess
import sys
from types import SimpleNamespace

import pytest

from metricscan import Objective, Scanner, replay
from metricscan.fleet import replay_on, replayed
from metricscan.fleet.regex_time import TimeOfWorkers
from metricscan.replaying import diagnosis, log_scan
from metricscan.replaying.diagnosis import diagnose
from metricscan.replaying.missing import why_missing
from metricscan.scanning import deferred
from metricscan.scanning.deferred import REGEX_FREE_S

SCANNER = Scanner([r"m=\p{L}=(\d+)"], untamed="allow")


@pytest.fixture
def searched(monkeypatch):
    """How often the clock was asked: twice for each record that regex has searched."""
    clock = itertools.count()
    asked = []

    def thread_time():
        asked.append(next(clock))
        return asked[-1]

    monkeypatch.setattr(deferred, "time", SimpleNamespace(thread_time=thread_time))
    monkeypatch.setattr(deferred, "REGEX_S_A_BYTE", 0.0)
    return lambda: len(asked) // 2


@pytest.fixture
def logs(tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    for number in range(6):
        (folder / f"job-{number}.log").write_text("n=1\n" * 8)
    return folder


def as_on_workers(work, tasks):
    for task in tasks:
        yield pickle.loads(pickle.dumps(work))(task)


def test_workers_of_one_machine_have_the_time_together(logs, searched, monkeypatch, tmp_path):
    monkeypatch.setattr(replayed, "REGEX_SHARED_S", 11.0)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    for out in (None, tmp_path / "out"):
        before = searched()
        counts = replay_on(as_on_workers, logs, SCANNER, task_logs=1, out=out).stats.metrics["m"]
        assert (counts.rows, counts.timeouts) == (11, 37)
        assert searched() - before == 11


def test_the_file_is_removed(logs, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    seen = []

    def watched(work, tasks):
        seen.extend(os.listdir(tmp_path / "temporary"))
        yield from as_on_workers(work, tasks)

    assert replay_on(watched, logs, SCANNER).stats.metrics["m"].rows == 48
    assert len(seen) == 1
    assert not os.listdir(tmp_path / "temporary")
    # what the core decides needs none
    seen.clear()
    replay_on(watched, logs, Scanner([r"n=n=(\d+)"]))
    assert seen == []


def test_another_process_takes_from_the_same_account():
    with TimeOfWorkers(10.0, 4) as time:
        assert time.take(3.0) == 3.0
        program = "import pickle, sys; print(pickle.loads(sys.stdin.buffer.read()).take(5.5))"
        taken = subprocess.run(
            [sys.executable, "-c", program], input=pickle.dumps(time), capture_output=True, check=True, timeout=60
        )
        assert taken.stdout == b"5.5\n"
        assert (time.left_s, time.take(9.0), time.take(1.0)) == (1.5, 1.5, 0.0)
        spelled = pickle.dumps(time)
    # where the file is not seen each task has a share, and as much as the scan of one log at least
    assert pickle.loads(spelled).left_s == REGEX_FREE_S
    with TimeOfWorkers(60.0, 4) as time:
        spelled = pickle.dumps(time)
    assert pickle.loads(spelled).left_s == 15.0


def test_reading_the_logs_again_to_see_why_has_a_time_of_its_own(logs, searched, monkeypatch):
    monkeypatch.setattr(log_scan, "REGEX_SHARED_S", 4.0)
    monkeypatch.setattr(diagnosis, "_REGEX_S", 3.0)
    silent = Scanner([r"m=\p{L}=(\d+)x"], untamed="allow")
    result = replay(logs, silent, objective=Objective("m", "Minimize"), threads=1)
    assert searched() == 4
    paths = [log.path for job in result.jobs for log in job.logs]
    assert "44 records could not be decided" in diagnose(silent, result.stats, paths)[0].reasons[0]
    assert searched() == 4 + 3
    why_missing(silent, result.ranking, result.jobs, "m", "auto", result.stats)
    assert searched() == 4 + 3 + 3
