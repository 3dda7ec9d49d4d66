"""``--over``, ``--group-by`` and ``--group-name`` of rank and replay: the best group, the table of groups, JSON, and errors."""

import json

import pytest
from support.folders import tree

DEFINITIONS = ("-m", r"loss=loss=(\S+)", "--label", r"fold=fold=(\S+)")
OBJECTIVE = ("--minimize", "loss")
LOGS = {
    "lr=0.1,seed=1": "fold=1\nloss=0.5\nfold=2\nloss=0.25\n",
    "lr=0.1,seed=2": "loss=0.5\n",
    "lr=0.2,seed=1": "loss=0.125\n",
    "lr=0.2,seed=2": "loss=nan\n",
}


def test_the_best_group_comes_first(run, logs, written):
    code, out, err = run("rank", written, "--over", "seed", "--group-value", "worst")
    lines = out.splitlines()
    assert (code, lines[0]) == (
        0,
        "Best group: lr=0.2, worst loss 0.125 of 1 job; its best job is lr=0.2,seed=1",
    )
    assert [line.split() for line in lines[1:4]] == [
        ["rank", "group", "jobs", "mean", "median", "std", "best", "worst", "best", "job"],
        ["1", "lr=0.2", "1", "of", "2", "0.125", "0.125", "0.125", "0.125", "lr=0.2,seed=1"],
        ["2", "lr=0.1", "2", "0.375", "0.375", "0.176777", "0.25", "0.5", "lr=0.1,seed=1"],
    ]
    assert lines[5].startswith("Best: lr=0.2,seed=1, loss 0.125")
    assert err == "notice: the best group has 2 jobs, of which only 1 has a rank and counts\n"
    replayed = run("replay", logs, *DEFINITIONS, "--minimize", "loss", "--over", "seed", "--group-value", "worst")
    assert replayed[1].splitlines()[:4] == lines[:4]


@pytest.mark.parametrize(
    "options", [["--over", "seed"], ["--over", "fold"], ["--group-by", "lr"], ["--group-name", "seed=."]]
)
def test_rank_gives_the_groups_of_replay_as_json(run, logs, written, options):
    found = json.loads(run("rank", written, *options, "--json")[1])
    replayed = json.loads(run("replay", logs, *DEFINITIONS, "--minimize", "loss", *options, "--json")[1])
    assert found["groups"] == replayed["groups"]
    assert [one["message"] for one in found["notices"]] == [one["message"] for one in replayed["notices"]]
    assert {"rank", "group", "parameters", "n", "std", "best_job"} <= found["groups"][0].keys()


def test_doubts_of_groups_and_of_jobs_that_did_not_win(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lost = {f"lr={lr},seed={seed}.log": f"loss={lr}{seed}\nloss=nan\n" for lr, seed in ((1, 2), (1, 3), (3, 1))}
    tree(tmp_path, {f"logs/{name}": text for name, text in {**lost, "lr=1,seed=1.log": "loss=11\n"}.items()})
    options = (*DEFINITIONS[:2], "--minimize", "loss", "--scope", "best", "--over", "seed", "--fail-on", "doubt")
    code, out, err = run("replay", "logs", *options)
    assert (code, err.splitlines()[-1]) == (3, "metricscan: jobs of the best group have 2 doubts: diverged")
    lines = out.splitlines()
    assert lines[1] == "  doubt diverged: 2 of 3 jobs: lr=1,seed=2, lr=1,seed=3"
    assert [line.split()[-2:] for line in lines[2:5]] == [
        ["job", "doubts"],
        ["diverged", "(2)"],
        ["diverged", "(1)"],
    ]
    best = lines.index("Best: lr=1,seed=1, loss (best) 11.0 at logs/lr=1,seed=1.log:1, lr=1, seed=1")
    assert [line.split()[-1] for line in lines[best + 1 : best + 6]] == [
        "seed",
        "1",
        *["2", "3", "1"],
    ]
    assert ["diverged" in line for line in lines[best + 2 : best + 6]] == [False, True, True, True]
    # the kinds of the winner stand in lines below it, and it alone makes no column
    out = run("replay", "logs", *DEFINITIONS[:2], "--maximize", "loss", "--scope", "best", "--include", "lr=3*")[1]
    assert out.splitlines()[1].startswith("  doubt diverged: its last loss is nan")
    assert "doubts" not in out


def test_top_cuts_the_groups(run, written):
    out = run("rank", written, "--over", "seed", "--top", 1)[1]
    assert "  .. 1 more group; --top N shows N" in out


def test_usage(run, logs, written):
    for options, said in [
        (["--over", "seed", "--group-by", "lr"], "give one of --over, --group-by"),
        (["--group-value", "mean"], "--group-value needs --over, --group-by or --group-name"),
    ]:
        code, _, err = run("rank", written, *options)
        assert (code, said in err) == (2, True)
    code, _, err = run("replay", logs, *DEFINITIONS, "--over", "seed")
    assert (code, "no objective for groups of jobs" in err) == (2, True)
    code, _, err = run("rank", written, "--over", "sed")
    assert (code, "did you mean 'seed'?" in err) == (2, True)
    # which hyperparameters there are is known only after the logs were read: the ranking is not lost
    code, out, err = run("replay", logs, *DEFINITIONS, "--minimize", "loss", "--over", "sed")
    assert (code, "did you mean 'seed'?" in err, out.startswith("Best: lr=0.2,seed=1")) == (2, True, True)
