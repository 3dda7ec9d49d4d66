"""``--fail-if`` and ``--baseline`` of rank and replay: when a build fails, and the sentence that says why."""

import json

import pytest
from support.folders import tree

DEFINITIONS = ("-m", r"loss=loss=(\S+)", "-m", r"acc=acc=(\S+)", "-m", r"epoch=epoch=(\S+)", "--label", "w=w(.)")
OBJECTIVE = ("--maximize", "acc", "--scope", "best", "--step", "epoch")
LOGS = {
    "a": "epoch=1 acc=0.9 loss=1\nepoch=2 acc=0.8 loss=2\n",
    "b": "epoch=1 acc=0.7\n",
}


@pytest.fixture
def written(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    better = LOGS | {"a": LOGS["a"].replace("0.9", "0.95")}
    tree(tmp_path, {f"logs/{name}.log": text for name, text in LOGS.items()})
    tree(tmp_path, {f"before/{name}.log": text for name, text in better.items()})
    tree(tmp_path, {"none/a.log": "loss=1\n"})
    for folder, name in (("logs", "out"), ("before", "base"), ("none", "without")):
        run("replay", folder, *DEFINITIONS, *OBJECTIVE, "--out", name)
    return "out"


def test_a_worse_result_fails_the_build(run, written):
    code, out, err = run("rank", written, "--fail-if", "acc < baseline - 0.5%", "--baseline", "base")
    assert (code, out.startswith("Best: a, acc (best) 0.9")) == (3, True)
    assert err == (
        "metricscan: --fail-if 'acc < baseline - 0.5%' holds, 0.9 < 0.94525: acc of a is 0.9, the baseline is 0.95 (a of base)\n"
    )
    # what was compared is told of a check that passes, too
    assert run("rank", written, "--fail-if", "acc < baseline - 6%", "--baseline", "base")[::2] == (
        0,
        "passed: --fail-if 'acc < baseline - 6%' does not hold, 0.9 < 0.893: acc of a is 0.9, the baseline is 0.95 (a of base)\n",
    )
    assert run("rank", "base", "--fail-if", "acc < baseline", "--baseline", "base")[::2] == (
        0,
        "passed: --fail-if 'acc < baseline' does not hold, 0.95 < 0.95: acc of a is 0.95, the baseline is 0.95 (a of base)\n",
    )


def test_a_baseline_is_a_number_or_what_json_printed(run, written, tmp_path):
    assert run("rank", written, "--fail-if", "acc < baseline", "--baseline", "0.9")[0] == 0
    assert run("rank", written, "--fail-if", "acc < baseline", "--baseline", "0.91")[0] == 3
    for command in (("rank", "base"), ("replay", "before", *DEFINITIONS, *OBJECTIVE)):
        (tmp_path / "b.json").write_text(run(*command, "--at-best", "loss", "--json")[1])
        code, _, err = run("rank", written, "--fail-if", "acc < baseline", "--baseline", "b.json")
        assert (code, "the baseline is 0.95 (a of b.json)" in err) == (3, True)
        assert run("rank", written, "--fail-if", "loss > baseline", "--baseline", "b.json")[0] == 0


def test_a_missing_value_fails_the_build(run, written):
    code, _, err = run("rank", written, "--maximize", "acc", "--scope", "min", "--fail-if", "loss > 9")
    assert (code, err) == (0, "passed: --fail-if 'loss > 9' does not hold, 2 > 9: loss of a is 2.0\n")
    code, _, err = run("rank", written, "--minimize", "acc", "--fail-if", "loss > 9")
    assert (code, err) == (3, "metricscan: --fail-if 'loss > 9' cannot be decided: b has no 'loss' where it is best\n")
    code, _, err = run("rank", "without", "--fail-if", "acc < 0")
    assert (code, err.splitlines()[-1]) == (
        3,
        "metricscan: --fail-if 'acc < 0' cannot be decided: no job of without has a rank",
    )


def test_a_value_that_is_not_finite_fails_the_build(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tree(tmp_path, {"logs/a.log": "acc=1 loss=nan\n"})
    code, _, err = run("replay", "logs", *DEFINITIONS, "--maximize", "acc", "--fail-if", "loss > 9")
    assert (code, err.splitlines()[-1]) == (3, "metricscan: --fail-if 'loss > 9' cannot be decided: loss of a is nan")
    code, _, err = run("replay", "logs", *DEFINITIONS, "--maximize", "acc", "--fail-if", "acc / (acc - 1) > 9")
    assert (code, "cannot be decided: acc of a is 1.0" in err) == (3, True)


def test_a_value_from_before_the_best_step_says_so(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tree(tmp_path, {"logs/a.log": "epoch=1 loss=3\nepoch=2 acc=1\n"})
    code, _, err = run("replay", "logs", *DEFINITIONS, *OBJECTIVE, "--fail-if", "loss > 2")
    assert (code, err.splitlines()[-1]) == (
        3,
        "metricscan: --fail-if 'loss > 2' holds, 3 > 2: loss of a is 3.0, from step 1, before its best one",
    )


def test_several_conditions_and_json(run, written):
    conditions = ("--fail-if", "acc < baseline(acc)", "--fail-if", "loss - acc > 9")
    code, out, err = run("rank", written, *conditions, "--baseline", "0.95", "--json")
    found = json.loads(out)["fail_if"]
    assert (code, [(one["condition"], one["failed"]) for one in found]) == (
        3,
        [("acc < baseline(acc)", True), ("loss - acc > 9", False)],
    )
    assert [line.split(" --fail-if ")[0] for line in err.splitlines()] == ["metricscan:", "passed:"]


def test_a_baseline_that_was_ranked_otherwise_is_said(run, written, tmp_path):
    (tmp_path / "b.json").write_text(run("rank", "base", "--scope", "last", "--json")[1])
    code, _, err = run("rank", written, "--fail-if", "acc < baseline", "--baseline", "b.json")
    assert (code, err.splitlines()[0]) == (0, "notice: the baseline b.json was ranked with scope 'last', not 'best'")
    replayed = ("replay", "logs", *DEFINITIONS, *OBJECTIVE, "--fail-if", "acc < baseline", "--baseline", "b.json")
    notices = json.loads(run(*replayed, "--json")[1])["notices"]
    assert "the baseline b.json was ranked with scope 'last', not 'best'" in [one["message"] for one in notices]


def test_the_best_job_is_checked_and_not_the_best_group(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    values = {"lr=1,seed=1": 0.9, "lr=1,seed=2": 0.1, "lr=2,seed=1": 0.8, "lr=2,seed=2": 0.8}
    tree(tmp_path, {f"logs/{name}.log": f"acc={value}\n" for name, value in values.items()})
    replayed = ("replay", "logs", *DEFINITIONS, "--maximize", "acc")
    run(*replayed, "--out", "out")
    said = "--fail-if looks at the best job, lr=1,seed=1, not at the best group"
    for command in (replayed, ("rank", "out")):
        grouped = (*command, "--fail-if", "acc < 0.85", "--over", "seed")
        code, out, err = run(*grouped)
        assert (code, out.startswith("Best group: lr=2, mean acc 0.8")) == (0, True)
        assert f"notice: {said}" in err.splitlines()
        assert said in [one["message"] for one in json.loads(run(*grouped, "--json")[1])["notices"]]
        # no condition, no notice; no groups, no notice
        assert said not in run(*command, "--over", "seed")[2]
        assert said not in run(*command, "--fail-if", "acc < 0.85")[2]


def test_usage(run, written, tmp_path):
    (tmp_path / "loss.json").write_text(run("rank", "base", "--minimize", "loss", "--json")[1])
    (tmp_path / "none.json").write_text(run("rank", "without", "--json")[1])
    (tmp_path / "bad.json").write_text("[1]")
    for options, said in [
        (("--baseline", "0.9"), "--baseline needs --fail-if CONDITION"),
        (("--fail-if", "acc < 1", "--baseline", "0.9"), "--baseline is not used: no --fail-if has 'baseline' in it"),
        (("--fail-if", "acc < baseline"), "a condition compares with a baseline, and there is none"),
        (("--fail-if", "acc"), "the formula ends; one of <= >= == != < > was expected at position 3"),
        (("--fail-if", "ac < 1"), "hint: did you mean 'acc'?"),
        (("--fail-if", "w < 1"), "'w' is not among the metrics"),
        (("--fail-if", "last(acc) < 1"), "last(NAME) is for objectives"),
        (("--fail-if", "acc < baseline", "--baseline", "nan"), "the baseline 'nan' is not finite"),
        (("--fail-if", "acc < baseline", "--baseline", "gone"), "cannot read the baseline gone"),
        (("--fail-if", "acc < baseline", "--baseline", "bad.json"), "is no ranking as rank and replay print it"),
        (("--fail-if", "acc < baseline", "--baseline", "logs"), "is not a dataset"),
        (("--fail-if", "acc < baseline", "--baseline", "loss.json"), "the baseline loss.json tells nothing of 'acc'"),
        (("--fail-if", "acc < baseline", "--baseline", "none.json"), "no job of the baseline none.json has a rank"),
        (("--fail-if", "acc < baseline", "--baseline", "without"), "no job of the baseline without has a rank"),
    ]:
        code, _, err = run("rank", written, *options)
        assert (code, said in err) == (2, True), (options, err)
    code, _, err = run("replay", "logs", *DEFINITIONS, "--fail-if", "acc < 1")
    assert (code, "no objective for --fail-if" in err) == (2, True)
