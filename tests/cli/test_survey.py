"""``metricscan survey``: the table of logs, of facts and of other files, and the same as JSON."""

import gzip
import json
import os

import pytest
from support.command import words
from support.folders import tree


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tree(
        tmp_path,
        {
            "logs/trial_1/stdout": "loss=0.5\n",
            "logs/trial_1/params.json": '{"lr": 3e-4, "units": 64}',
            "logs/trial_2/stdout": gzip.compress(b"loss=1\n"),
            "logs/model.pt": b"\0",
        },
    )


def test_the_tables(run, folder):
    code, out, err = run("survey", "logs")
    assert (code, err) == (0, "")
    lines = [words(line) for line in out.splitlines()]
    packed = os.path.getsize("logs/trial_2/stdout")
    assert lines == [
        ["job", "stream", "bytes", "what", "it", "is", "why", "log"],
        ["trial_1", "stdout", "9", "plain,", "ascii", "its", "name", "logs/trial_1/stdout"],
        ["trial_2", "stdout", str(packed), "plain,", "ascii,", "gzip", "its", "name", "logs/trial_2/stdout"],
        [],
        ["job", "status", "and", "hyperparameters", "from"],
        ["trial_1", "lr=3e-4", "units=64", "logs/trial_1/params.json"],
        [],
        ["no", "log", "why"],
        ["logs/model.pt", "its", "name"],
        ["logs/trial_1/params.json", "facts", "about", "a", "job"],
        ["2", "logs,", "2", "skipped", "(2", "by", "name,", "0", "binary);", "2", "jobs"],
    ]


def test_of_many_files_the_kinds_are_counted(run, tmp_path, monkeypatch):
    logs = {f"logs/{number}_lr={number % 3}.log": None for number in range(30)}
    others = {f"logs/{number}.json": "{}" for number in range(25)}
    monkeypatch.chdir(tree(tmp_path, {**logs, **others, "logs/w": b"\0", "logs/40_lr=1.log": ""}))
    code, out, _ = run("survey", "logs")
    assert code == 0
    lines = [words(line) for line in out.splitlines()]
    assert lines[1:3] == [
        ["30", "30", "210", "plain,", "ascii", "its", "name", "logs/0_lr=0.log"],
        ["1", "1", "0", "plain", "its", "name", "logs/40_lr=1.log"],
    ]
    assert ["lr", "31", "3", "name", "0"] in lines
    assert ["25", "its", "name", "logs/0.json"] in lines
    assert ["1", "binary", "logs/w"] in lines
    assert len(lines) < 20
    code, out, _ = run("survey", "logs", "--all")
    lines = [words(line) for line in out.splitlines()]
    assert len([line for line in lines if line and line[-1] in logs]) == 31 - 1
    assert [line for line in lines if line[:1] == ["logs/24.json"]] == [["logs/24.json", "its", "name"]]


def test_a_table_of_very_many_rows_is_aligned(run, tmp_path, monkeypatch):
    monkeypatch.setattr("metricscan.cli.output._MOST_LAID_OUT", 2)
    files = {"a": 1, "b\x1b[31m": 22, "c\nBest": 333, "数.log": 4444}
    monkeypatch.chdir(tree(tmp_path, {f"{name}/x": "." * size for name, size in files.items()}))
    code, out, _ = run("survey", ".", "--job", "dir")
    lines = out.splitlines()
    assert code == 0
    assert len(lines) == 6
    assert [words(line)[2] for line in lines[1:5]] == ["1", "22", "333", "4,444"]
    assert "b\\x1b[31m" in out
    assert "c\\nBest" in out
    at = lines[0].index("bytes") + len("bytes")
    assert [line[at - 1] for line in lines[1:4]] == ["1", "2", "3"]
    # each of its characters takes two columns
    assert lines[4][at - 2] == "4"


def test_the_document(run, folder):
    code, out, _ = run("survey", "logs", "--json", "--exclude", "trial_2/*")
    assert code == 0
    document = json.loads(out)
    assert list(document) == ["files", "jobs", "logs", "skipped", "errors", "notices"]
    assert [(file["path"], file["taken"], file["why"]) for file in document["files"]] == [
        ("logs/model.pt", False, "by-name"),
        ("logs/trial_1/params.json", False, "facts"),
        ("logs/trial_1/stdout", True, "by-name"),
        ("logs/trial_2/stdout", False, "excluded"),
    ]
    assert document["files"][2] == {
        "path": "logs/trial_1/stdout",
        "taken": True,
        "why": "by-name",
        "same_as": None,
        "size": 9,
        "job": "stdout",
        "stream": "stdout",
        "part": 0,
        "format": "plain",
        "compression": None,
        "encoding": "ascii",
        "stored": None,
        "superseded": False,
    } | {"job": document["jobs"][0]["job"]}
    assert document["jobs"] == [
        {
            "job": "trial_1",
            "logs": 1,
            "status": None,
            "status_source": None,
            "hyperparameters": {"lr": "3e-4", "units": "64"},
            "parameter_sources": dict.fromkeys(("lr", "units"), str(folder / "logs/trial_1/params.json")),
        }
    ]
    assert document["logs"] == 1
    assert document["skipped"] == {"by_name": 3, "binary": 0, "not_regular": 0}


def test_notices_and_copies(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tree(tmp_path, ["run-1/a.log", "latest/a.log", ".more/b.log"]))
    code, out, err = run("survey", ".")
    assert code == 0
    assert err.splitlines() == [
        "notice: ./latest is a copy of ./run-1 and was left out; give its path alone to read it",
        (
            "notice: the hidden folder ./.more holds files that look like logs, for example ./.more/b.log; "
            "give its path to read it"
        ),
    ]
    assert ["./latest/a.log", "a", "copy:", "./run-1/a.log"] in [words(line) for line in out.splitlines()]
    document = json.loads(run("survey", ".", "--json")[1])
    assert document["skipped"]["copies"] == 1
    assert [notice["path"] for notice in document["notices"]] == ["./latest", "./.more"]


def test_exit_codes(run, folder):
    tree(folder, {"empty/x.json": "{}"})
    code, out, err = run("survey", "empty")
    assert (code, err.splitlines()[0]) == (1, "metricscan: no logs in empty")
    assert ["empty/x.json", "its", "name"] in [words(line) for line in out.splitlines()]
    assert run("survey", "empty", "logs")[0] == 2
    assert run("survey", "gone")[0] == 2
    assert run("survey", "logs", "gone")[0] == 2
    assert run("survey", "logs", "--job", "(")[0] == 2
    assert run("survey")[0] == 2


def test_an_unreadable_log_is_in_the_table_too(run, folder):
    tree(folder, {"logs/old.log": b"\x1f\x9d\x90 rest"})
    code, out, err = run("survey", "logs")
    assert code == 2
    assert "is compressed with compress (.Z)" in err
    assert ["old", "old.log", "8", "compress", "(.Z)", "its", "name", "logs/old.log"] in [
        words(line) for line in out.splitlines()
    ]


def test_attempts_are_told(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tree(tmp_path, {f"F/1/fit/2/{number}.task_stdout.log": "auc 1\n" for number in (0, 1)})
    code, out, err = run("survey", "F")
    lines = [words(line) for line in out.splitlines()]
    assert lines[0][:3] == ["job", "stream", "part"]
    assert [line[:4] for line in lines[1:3]] == [
        ["2", "1.task_stdout.log", "superseded", "0"],
        ["2", "1.task_stdout.log", "1", "6"],
    ]
    assert (code, "1 job was tried several times (2)" in err) == (0, True)
    _, out, _ = run("survey", "F", "--json")
    assert [file["superseded"] for file in json.loads(out)["files"]] == [True, False]


def test_hyperparameters_that_logs_print(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tree(
        tmp_path,
        {"lr=0.1/out.log": "Namespace(lr=0.2, depth=3)\nloss 1\n", "lr=0.3/out.log": "args: {'depth': 4}\nloss 1\n"},
    )
    code, out, err = run("survey", ".", "--job", "dir", "--parameter", "printed")
    lines = [words(line) for line in out.splitlines()]
    assert ["lr=0.1", "lr=0.2", "depth=3", "log"] in lines
    assert code == 0
    assert "the hyperparameter 'lr' of 1 job differs between its sources" in err
    jobs = json.loads(run("survey", ".", "--job", "dir", "--parameter", "printed", "--json")[1])["jobs"]
    assert [job["hyperparameters"] for job in jobs] == [{"lr": "0.2", "depth": "3"}, {"lr": "0.3", "depth": "4"}]
    assert jobs[1]["parameter_sources"]["depth"] == "log"
    # a regex needs a scan
    assert run("survey", ".", "--parameter", "lr=lr=(.)")[0] == 2
