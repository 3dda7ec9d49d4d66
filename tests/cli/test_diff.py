"""``metricscan diff``: what differs, on standard output and as the exit code."""

import json

import pytest
from support.command import LOSS
from support.folders import tree


@pytest.fixture
def two(run, tmp_path, monkeypatch):
    """Two datasets in the current folder."""
    monkeypatch.chdir(tmp_path)
    tree(tmp_path, {"1/x.log": "loss=0.1\nloss=0.2\n", "1/y.log": "loss=0.3\n"})
    tree(tmp_path, {"2/x.log": "loss=0.1\nloss=0.5\nloss=7\n", "2/y.log": "\n", "2/z.log": "loss=1\n"})
    for logs, out in (("1", "a"), ("2", "b")):
        assert run("replay", logs, *LOSS, "--minimize", "loss", "--out", out)[0] == 0
    return "a", "b"


def test_two_datasets(run, two):
    code, out, err = run("diff", *two)
    assert (code, err) == (1, "")
    assert out.splitlines() == [
        "loss: 2 won, 1 lost, 1 changed, 1 equal",
        "  x: 1 won, 1 changed",
        "    changed  0.2 -> 0.5  1/x.log:2",
        "    won      7  2/x.log:3",
        "  y: 1 lost",
        "    lost     0.3  1/y.log:1",
        "  z: 1 won",
        "    won      1  2/z.log:1",
        "only in B: job z",
        "ranking: the best job was x and is z; 3 jobs have another rank or value",
        "  z: not there -> rank 1, 1",
        "  x: rank 1, 0.2 -> rank 2, 7",
        "  y: rank 2, 0.3 -> missing",
    ]


def test_equal_ones(run, two):
    code, out, err = run("diff", "a", "a")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "loss: 0 won, 0 lost, 0 changed, 3 equal",
        "ranking: the places of all jobs are equal, best x",
        "nothing differs",
    ]


def test_as_json(run, two):
    code, out, _ = run("diff", *two, "--json", "--maximize", "loss", "--scope", "best")
    found = json.loads(out)
    assert (code, found["differs"]) == (1, True)
    loss = found["metrics"]["loss"]
    assert {key: loss[key] for key in ("only_in", "won", "lost", "changed", "equal")} == {
        "only_in": None,
        "won": 2,
        "lost": 1,
        "changed": 1,
        "equal": 1,
    }
    assert loss["jobs"]["x"]["samples"][0] == {
        "kind": "changed",
        "path": "1/x.log",
        "stream": "x.log",
        "part": 0,
        "line": 2,
        "offset": 9,
        "a": 0.2,
        "b": 0.5,
    }
    assert found["ranking"]["best"] == {"a": "y", "b": "x"}
    assert found["ranking"]["objective"]["a"]["scope"] == "best"
    assert found["ranking"]["jobs"]["x"] == {
        "a": {"rank": 2, "value": 0.2, "status": "found"},
        "b": {"rank": 1, "value": 7.0, "status": "found"},
    }
    assert found["jobs"] == {"only_in_a": [], "only_in_b": ["z"]}


@pytest.mark.parametrize("as_files", [True, False])
def test_two_definitions_on_a_log(run, log, tmp_path, as_files):
    path = log("loss=0.5\nloss=-1\nloss=nan\n")
    regexes = [r"loss=([0-9.]+)", r"loss=(\S+)"]
    given = [f"loss={regex}" for regex in regexes]
    if as_files:
        given = ["old.json", "new.json"]
        for name, regex in zip(given, regexes, strict=True):
            (tmp_path / name).write_text(json.dumps([{"Name": "loss", "Regex": regex}]))
    code, out, err = run("diff", *given, "--on", path)
    assert (code, err) == (1, "")
    assert out.splitlines() == [
        "loss: 2 won, 0 lost, 0 changed, 1 equal",
        "  a: 2 won",
        "    won      -1  a.log:2",
        "    won      nan  a.log:3",
    ]
    code, out, _ = run("diff", *given, "--on", path, "--minimize", "loss", "--json")
    assert json.loads(out)["ranking"]["jobs"]["a"]["b"] == {"rank": None, "value": "NaN", "status": "not_finite"}
    assert run("diff", given[0], given[0], "--on", path)[0] == 0


def test_names_are_escaped(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tree(tmp_path, {"l/a\x1b[31m\n.log": "loss=1 w\x1b[2J\n"})
    code, out, err = run("diff", "l\n=loss=(.)", "x=y", "--on", "l")
    assert code == 1
    assert "\x1b" not in out + err
    assert "only A has this metric" in out
    assert "l\\n: 0 won, 1 lost" in out


def test_many_jobs_are_cut(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tree(tmp_path, {f"l/{number}.log": "loss=1\n" * 5 for number in range(30)})
    code, out, _ = run("diff", "loss=loss=(.)", "loss=loss=x(.)", "--on", "l")
    assert (code, out.count("5 lost"), out.count("lost  "), out.count("..")) == (1, 10, 30, 10)
    assert out.endswith("  20 more jobs; --json has all\n")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["a", "none"], "cannot open none"),
        (["1/x.log", "b"], "is a file, and a dataset is a folder; --on LOG"),
        (["x=(", "x=y", "--on", "1"], "x"),
        (["x=y", "none.json", "--on", "1"], "none.json"),
        (["x=y", "x=z", "--on", "none"], "none"),
        (["x=y", "x=z", "--on", "-"], "standard input can be read only once"),
        (["x=y", "x=z", "--on", "1", "--scope", "best"], "no objective for --scope"),
        (["x=y", "x=z", "--on", "1", "--minimize", "z"], "'z'"),
        (["a", "b", "--minimize", "z"], "'z'"),
    ],
)
def test_what_cannot_be_compared(run, two, arguments, told):
    code, _, err = run("diff", *arguments)
    assert code == 2
    assert told in err
    assert "Traceback" not in err
