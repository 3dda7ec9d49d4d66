"""A folder of runs as a dataset: its rows and its ranking are those of a replay of the same folder."""

import os
import shutil
import subprocess
import sys

import pytest
from support.jobs import DEADLINE_S, LOSS, none_left, until

import metricscan
from metricscan import Dataset, Objective, OptionError, SourceError, rank
from metricscan.datasets.journal_format import is_journal
from metricscan.live import job_folder
from metricscan.logs.job_record import read_record

SCANNER = metricscan.Scanner(LOSS, labels={"worker": r"^\[(\w+)\]"})
LEAST = Objective("loss", "Minimize")


def shell(text):
    return ["sh", "-c", text]


def ran(folder, text, scanner=SCANNER, **options):
    with metricscan.run(shell(text), scanner, out=folder, **options) as job:
        return job.wait(timeout=DEADLINE_S)


@pytest.fixture
def runs(tmp_path):
    """Jobs that ended in several ways, in an order that is not that of their names."""
    ran(tmp_path / "t10", "echo [a] loss=3; echo [b] loss=2", hyperparameters={"lr": 0.1}, args="none")
    ran(tmp_path / "t2", "echo loss=1; exit 1", separate_stderr=True)
    ran(tmp_path / "t1", "echo loss=4; echo loss=2; printf loss=2.5")
    ran(tmp_path / "t3", "echo nothing")
    ran(tmp_path / "t4", "echo loss=9", None)
    return tmp_path


def test_its_rows_and_its_ranking_are_those_of_a_replay(runs):
    replay = metricscan.replay(runs, SCANNER, objective=LEAST)
    dataset = Dataset(runs)
    # of the job without definitions nothing was kept
    with_rows = {"t1", "t2", "t3", "t10"}
    for name in ("loss", "worker"):
        expected = [row for row in replay[name].to_pylist() if row["job"] in with_rows]
        assert dataset[name].to_pylist() == expected, name
    columns = ["rank", "job", "value", "job_status", "rows", "stream", "line", "offset", "hyperparameters"]
    found = rank(runs, LEAST).select(columns).to_pylist()
    assert [row for row in found if row["job"] in with_rows] == [
        row for row in replay.ranking.select(columns).to_pylist() if row["job"] in with_rows
    ]
    assert [(row["job"], row["rank"]) for row in found] == [
        *(("t10", 1), ("t1", 2), ("t2", None), ("t3", None), ("t4", None)),
    ]
    assert [job.name for job in dataset.jobs] == ["t1", "t2", "t3", "t4", "t10"]
    assert [notice["message"] for notice in dataset.manifest["notices"]] == [
        "1 job was run without definitions, so it has no rows here: t4; replay reads its log"
    ]
    assert dataset.labels == ("worker",)
    assert (dataset.objective, "acc" in dataset) == (None, False)


def test_a_job_in_progress_may_win(tmp_path):
    ran(tmp_path / "a", "echo loss=2")
    with (
        none_left(tmp_path / "b"),
        metricscan.run(shell("echo loss=1; exec sleep 600"), SCANNER, out=tmp_path / "b") as job,
    ):
        until(lambda: job.poll() and job.rows, "its row")
        until(lambda: job.poll() and Dataset(tmp_path / "b" / "journal")["loss"].num_rows, "the commit")
        first = rank(tmp_path, LEAST).to_pylist()[0]
        assert (first["job"], [doubt["kind"] for doubt in first["doubts"]]) == ("b", ["running"])
        job.stop()


def unread(folder, text, scanner=SCANNER, **options):
    """A job whose reader ended before it read anything of it."""
    with none_left(folder):
        waits = "until [ -e .closed ]; do sleep 0.01; done"
        metricscan.run(shell(f"{waits}; {text}"), scanner, out=folder, cwd=folder.parent, **options).close()
        (folder.parent / ".closed").touch()
        until(lambda: read_record(str(folder)).status != "InProgress", "the end")


def test_the_log_is_read_of_a_job_whose_reader_was_killed(tmp_path):
    ran(tmp_path / "t1", "echo loss=4")
    unread(tmp_path / "t2", "echo [a] loss=3; echo [b] loss=2; printf loss=2.5", separate_stderr=True)
    unread(tmp_path / "t3", "echo loss=1; exit 1")
    unread(tmp_path / "t4", "echo nothing")
    shutil.rmtree(tmp_path / "t4" / "journal")
    replay = metricscan.replay(tmp_path, SCANNER, objective=LEAST)
    dataset = Dataset(tmp_path)
    for name in ("loss", "worker"):
        assert dataset[name].to_pylist() == replay[name].to_pylist(), name
    columns = ["rank", "job", "value", "job_status", "rows", "stream", "line", "offset"]
    assert rank(tmp_path, LEAST).select(columns).to_pylist() == replay.ranking.select(columns).to_pylist()
    assert [notice["message"] for notice in dataset.manifest["notices"]] == [
        "the journals of 3 jobs do not hold all of their rows, so the logs are read instead: t2, t3, t4"
    ]
    with metricscan.attach(tmp_path / "t2") as job:
        job.wait(timeout=DEADLINE_S)
    for name in ("t3", "t4"):
        shutil.rmtree(tmp_path / name)
    assert Dataset(tmp_path)["loss"].to_pylist() == [row for row in replay["loss"].to_pylist() if row["job"] != "t3"]
    assert Dataset(tmp_path).manifest["notices"] == []


def test_a_job_without_all_of_its_rows_and_without_a_log_never_wins(tmp_path):
    ran(tmp_path / "t1", "echo loss=4")
    unread(tmp_path / "t2", "echo loss=2")
    (tmp_path / "t2" / "output.log").unlink()
    assert rank(tmp_path, LEAST).select(["rank", "job", "job_status"]).to_pylist() == [
        {"rank": 1, "job": "t1", "job_status": "Completed"},
        {"rank": None, "job": "t2", "job_status": "Unknown"},
    ]
    assert [notice["message"] for notice in Dataset(tmp_path).manifest["notices"]] == [
        "the journals of 1 job do not hold all of their rows, and the logs cannot be read: the status counts as Unknown: t2"
    ]


def test_the_log_is_read_of_a_job_in_progress_whose_reader_was_killed(tmp_path):
    ran(tmp_path / "a", "echo loss=2")
    folder = tmp_path / "b"
    code = f"import metricscan; metricscan.run(['sh', '-c', 'echo loss=1; exec sleep 600'], {LOSS}, out={str(folder)!r}).wait()"
    with none_left(folder), subprocess.Popen([sys.executable, "-c", code]) as reader:
        until(lambda: (folder / "output.log").exists() and (folder / "output.log").stat().st_size, "its row")
        until(lambda: is_journal(str(folder / "journal")), "the journal")
        reader.kill()
        reader.wait()
        # by now another process has its pid
        (folder / "journal" / ".lock").write_text(f"{os.getpid()}\n")
        with open(folder / "output.log", "a") as file:
            file.write("loss=0.5\n")
        first = rank(tmp_path, Objective("loss", "Minimize", step=None)).to_pylist()[0]
        assert (first["job"], first["value"], [doubt["kind"] for doubt in first["doubts"]]) == ("b", 0.5, ["running"])
        job_folder.stop(str(folder))


def test_the_log_is_read_of_a_job_in_progress_whose_reader_has_closed_it(tmp_path):
    folder = tmp_path / "a"
    with none_left(folder):
        metricscan.run(shell("echo loss=1; exec sleep 600"), SCANNER, out=folder).close()
        until(lambda: (folder / "output.log").stat().st_size, "its row")
        assert rank(tmp_path, LEAST)["value"].to_pylist() == [1]
        job_folder.stop(str(folder))


def test_metrics_that_are_defined_differently_are_not_compared(tmp_path):
    ran(tmp_path / "a", "echo loss=2", LOSS)
    ran(tmp_path / "b", "echo loss=2", ["loss=loss=(.*)"])
    with pytest.raises(OptionError, match="'loss' has another regex in a than in b"):
        rank(tmp_path, LEAST)


def test_the_objective_is_that_of_the_request(tmp_path):
    for name in "ab":
        ran(tmp_path / name, f"echo loss={ord(name)}")
        record = tmp_path / name / "job.json"
        record.write_text(
            record.read_text().replace('"objective": null', '"objective": {"metric": "loss", "goal": "Maximize"}')
        )
    assert Dataset(tmp_path).objective == Objective("loss", "Maximize")


def test_a_folder_names_its_jobs_and_a_journal_its_own(tmp_path):
    ran(tmp_path / "a", "echo loss=1", job="other")
    assert rank(tmp_path, LEAST)["job"].to_pylist() == ["a"]
    assert metricscan.replay(tmp_path, SCANNER, objective=LEAST).ranking["job"].to_pylist() == ["a"]
    assert rank(tmp_path / "a" / "journal", LEAST)["job"].to_pylist() == ["other"]


def test_the_folder_of_one_job_is_no_dataset(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran(tmp_path / "runs" / "a", "echo loss=1")
    for path, place, above in [("runs/a", "runs/a/journal", "runs/"), ("runs/a/", "runs/a/journal", "runs/")]:
        with pytest.raises(SourceError, match="is not a dataset") as raised:
            Dataset(path)
        assert raised.value.hint == f"it is the folder of one job; give {place}, or {above} for all jobs there"
        for given in (place, above):
            assert Dataset(given)["loss"].num_rows == 1


def test_a_folder_of_other_files_is_no_dataset(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "job.json").write_text("{}")
    with pytest.raises(SourceError, match="is not a dataset"):
        Dataset(tmp_path)
