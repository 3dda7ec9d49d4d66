"""``metricscan report``: pages of datasets and of logs, and how it ends."""

import os
from pathlib import Path

import pytest
from support.pages import data_of

LOSS = ("-m", r"loss=loss=(\S+)")
LOGS = {"a": "loss=3\nloss=2\n", "b": "loss=1\nloss=nan\n", "c": "loss=5\n"}


def page(path="page.html"):
    return data_of(Path(path).read_text(encoding="utf-8"))


@pytest.fixture
def dataset(run, logs):
    assert run("replay", logs, *LOSS, "--minimize", "loss", "--out", "out")[0] == 0
    return "out"


def test_a_dataset(run, dataset):
    code, out, err = run("report", dataset, "-o", "page.html")
    assert (code, out, err) == (0, "", "written: page.html\n")
    data = page()
    assert data["winner"]["name"] == "a"
    assert data["title"] == "loss · out"
    assert data["source"]["path"] == "out"


def test_options_of_the_objective(run, dataset):
    assert run("report", dataset, "-o", "page.html", "--maximize", "loss", "--scope", "first", "--title", "x")[0] == 0
    data = page()
    assert data["winner"]["name"] == "c"
    assert data["title"] == "x"
    assert data["objective"]["rule"] == ["The highest loss wins. Of each job, the first value counts."]
    assert run("report", dataset, "-o", "page.html", "--exclude-doubts", "copy", "--scope", "mean")[0] == 0
    assert page()["made"]["conditions"]["exclude_doubts"] == ["copy"]


def test_logs_are_replayed_and_nothing_is_left_of_it(run, logs, tmp_path, monkeypatch):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    code, _, _ = run("report", logs, *LOSS, "--minimize", "loss", "-o", "page.html")
    assert code == 0
    data = page()
    assert data["winner"]["name"] == "a"
    assert data["title"] == "loss · logs"
    assert data["source"]["path"] == "logs"
    assert data["winner"]["excerpt"]["lines"] == ["loss=3", "loss=2"]
    assert os.listdir(tmp_path / "temporary") == []


def test_logs_without_an_objective(run, logs):
    assert run("report", logs, *LOSS, "-o", "page.html")[0] == 0
    assert page()["winner"] is None


def test_no_job_can_win(run, logs):
    code, _, err = run("report", f"{logs}/b.log", *LOSS, "--minimize", "loss", "-o", "page.html")
    assert code == 1
    assert "written: page.html" in err
    assert page()["winner"] is None


def test_a_log_that_cannot_be_read(run, logs):
    code, _, err = run("report", logs, "gone", *LOSS, "--minimize", "loss", "-o", "page.html")
    assert code == 2
    assert "not all of the input could be read: cannot open gone" in err
    assert page()["errors"][0]["message"].startswith("cannot open gone")


def test_no_lines_of_logs(run, dataset):
    assert run("report", dataset, "--no-logs", "-o", "page.html")[0] == 0
    assert page()["winner"]["excerpt"]["lines"] == []


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("out",), "give --out FILE"),
        (("out", "--live", "-o", "x.html"), "or --live, not both"),
        (("out", "-o", "x.html", "--port", "80"), "--port needs --live"),
        (("out", "logs", "-o", "x.html"), "one dataset was expected; for logs, give definitions"),
        (("logs", "-o", "x.html"), "logs is not a dataset"),
        (("out", "-o", "x.html", "--minimize", "acc"), "'acc' is not among the metrics"),
        (("out", "-o", "x.html", "--worker", "rank"), "the worker 'rank' is not among the metrics"),
        (("out", "-o", "x.html", "--top", "3"), "--top is for tables"),
        (("out", "-o", "x.html", "--include", "*.log"), "--include is for logs"),
        (("out", "-o", "no/x.html"), "cannot write no/x.html"),
    ],
)
def test_one_error(run, dataset, arguments, complaint):
    code, out, err = run("report", *arguments)
    assert (code, out) == (2, "")
    assert complaint in err
    assert "Traceback" not in err
    assert not os.path.exists("x.html")
