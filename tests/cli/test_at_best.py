"""``--at-best`` of rank and replay: columns, the line below the winner, JSON, and errors."""

import json

import pytest

DEFINITIONS = ("-m", r"loss=loss=(\S+)", "-m", r"acc=acc=(\S+)", "-m", r"epoch=epoch=(\S+)", "--label", "w=w(.)")
OBJECTIVE = ("--minimize", "loss", "--scope", "best", "--step", "epoch")
LOGS = {
    "a": "epoch=1 loss=3\nacc=0.1\nepoch=2 loss=1\nacc=0.2\nepoch=3 loss=2\nacc=nan\n",
    "b": "epoch=1 loss=3\nacc=0.9\nepoch=2 loss=2\nepoch=3 loss=5\nacc=0.33\n",
    "c": "epoch=1 loss=7\n",
    "d": "nothing\n",
}


def test_columns_and_a_line_below_the_winner(run, logs, written):
    code, out, err = run("rank", written, "--at-best", "acc,epoch")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[:2] == ["Best: a, loss (best) 1.0 at logs/a.log:3", "  at step 2: acc 0.2, epoch 2.0"]
    assert [line.split() for line in lines[2:7]] == [
        ["rank", "job", "loss", "(best)", "epoch", "acc", "status", "rows", "place", "doubts"],
        ["1", "a", "1.0", "2", "0.2", "found", "3", "a.log:3"],
        ["2", "b", "2.0", "2", "0.9", "(before,", "step", "1)", "found", "3", "b.log:3"],
        ["3", "c", "7.0", "1", "found", "1", "c.log:1", "behind"],
        ["d", "missing", "0"],
    ]
    replayed = run("replay", logs, *DEFINITIONS, *OBJECTIVE, "--at-best", "acc", "--at-best", "epoch")[1]
    assert replayed.splitlines()[:7] == lines[:7]


def test_json(run, logs, written):
    found = json.loads(run("rank", written, "--at-best", "acc", "--scope", "last", "--json")[1])
    replayed = json.loads(
        run("replay", logs, *DEFINITIONS, *OBJECTIVE[:2], "--step", "epoch", "--at-best", "acc", "--json")[1]
    )
    assert found["best"] == replayed["best"]
    assert found["ranking"] == replayed["ranking"]
    assert found["best"]["at_best"]["acc"] == {
        "value": "NaN",
        "same_step": True,
        "step": 3.0,
        "stream": "a.log",
        "part": 0,
        "line": 6,
        "offset": 61,
    }
    assert [row["at_best"]["acc"] and row["at_best"]["acc"]["value"] for row in found["ranking"]] == [
        "NaN",
        0.33,
        None,
        None,
    ]
    without = json.loads(run("rank", written, "--json")[1])
    assert "at_best" not in without["best"]
    assert "at_best" not in without["ranking"][0]


@pytest.mark.parametrize("format_", ["parquet", "arrow", "csv", "jsonl"])
def test_datasets_hold_the_columns(run, logs, format_, tmp_path):
    assert run("replay", logs, *DEFINITIONS, *OBJECTIVE, "--at-best", "acc", "--out", "x", "--format", format_)[0] == 0
    content = (tmp_path / "x" / f"_ranking.{format_}").read_bytes()
    assert b"at_best.acc.place" in content


def test_without_a_step(run, logs):
    out = run("replay", logs, *DEFINITIONS, "--minimize", "loss", "--scope", "min", "--at-best", "acc,epoch")[1]
    assert out.splitlines()[1] == "  in its record: acc 0.1 (before, line 2), epoch 2.0"


def test_usage(run, logs, written):
    for arguments, said in [
        (("rank", written, "--at-best", "ac"), "hint: did you mean 'acc'?"),
        (("rank", written, "--at-best", "w"), "at_best='w' is a label"),
        (("replay", logs, *DEFINITIONS, "--at-best", "acc"), "no objective for --at-best"),
    ]:
        code, _, err = run(*arguments)
        assert (code, said in err) == (2, True)
