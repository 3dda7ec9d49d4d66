"""A folder of runs as a dataset: its rows and its ranking are those of a replay of the same folder."""

import pytest
from support.jobs import DEADLINE_S, LOSS, none_left, until

import metricscan
from metricscan import Dataset, Objective, OptionError, SourceError, rank
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


def test_a_journal_that_does_not_hold_all_is_refused(tmp_path):
    folder = tmp_path / "a"
    with none_left(folder):
        # a reader that ends before the job does
        metricscan.run(shell("sleep 0.5; echo loss=2"), LOSS, out=folder).close()
        until(lambda: read_record(str(folder)).status == "Completed", "the end")
    with pytest.raises(SourceError, match=r"the journals of 1 job in .* hold all of their rows, .* ended: a") as caught:
        Dataset(tmp_path)
    assert "metricscan run --attach" in caught.value.hint
    with metricscan.attach(folder) as job:
        job.wait(timeout=DEADLINE_S)
    assert Dataset(tmp_path)["loss"]["value"].to_pylist() == [2.0]


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
