"""``--objective``, ``--goal`` and ``--target`` of rank and replay."""

import json

DEFINITIONS = ("-m", r"val/loss=loss=(\S+)", "-m", r"params=params=(\S+)", "-m", r"epoch=epoch=(\S+)")
OBJECTIVE = ()
LOGS = {
    "a": "params=10\nepoch=1 loss=3\nepoch=2 loss=1\n",
    "b": "params=30\nepoch=1 loss=-0.5\n",
    "c": "epoch=1 loss=0.25\n",
}


def test_a_formula_ranks(run, logs, written):
    options = ("--objective", "'val/loss' + 0.1*last(params)", "--goal", "minimize", "--step", "epoch")
    code, out, err = run("rank", written, *options)
    assert (code, err) == (0, "")
    assert out.splitlines()[:2] == [
        "Best: a, 'val/loss' + 0.1*last(params) 2.0 at logs/a.log:3",
        "  at step 2: val/loss 1.0, params 10.0 (before, line 1)",
    ]
    assert run("replay", logs, *DEFINITIONS, *options)[1].splitlines()[:4] == out.splitlines()[:4]
    # the formula is the objective of a dataset that was ranked by it
    assert run("replay", logs, *DEFINITIONS, *options, "--out", "again")[0] == 0
    found = json.loads(run("rank", "again", "--json")[1])
    assert (found["objective"]["is_formula"], found["best"]["value"]) == (True, 2.0)


def test_the_nearest_to_a_target(run, written):
    code, out, err = run("rank", written, "--objective", "'val/loss'", "--target", "0", "--json")
    found = json.loads(out)
    assert (code, err, found["best"]["job"]) == (0, "", "c")
    assert (found["objective"]["metric"], found["objective"]["goal"], found["objective"]["target"]) == (
        "val/loss",
        "Target",
        0.0,
    )
    out = run("rank", written, "--objective", "'val/loss'", "--target", "0.5")[1]
    assert out.startswith("Best: c, val/loss (nearest to 0.5) 0.25")


def test_usage(run, logs, written):
    for options, said in [
        (("--objective", "params"), "--objective needs --goal minimize, --goal maximize or --target NUMBER"),
        (("--objective", "params", "--goal", "minimize", "--target", "1"), "--objective needs --goal"),
        (("--objective", "params", "--minimize", "params", "--target", "1"), "not several"),
        (("--target", "0"), "--target needs --objective FORMULA"),
        (("--goal", "minimize"), "--goal needs --objective FORMULA"),
        (
            ("--objective", "2 *", "--goal", "minimize"),
            "the formula ends; a number, a metric or ( was expected at position 3",
        ),
        (("--objective", "val/loss", "--goal", "minimize"), "a formula of 2 metrics needs step=NAME"),
        (("--objective", "val/loss", "--goal", "minimize", "--step", "epoch"), "is written in quotes: 'val/loss'"),
        (("--objective", "parms", "--goal", "minimize"), "did you mean 'params'?"),
    ]:
        for command in (("rank", written), ("replay", logs, *DEFINITIONS)):
            code, _, err = run(*command, *options)
            assert (code, said in err) == (2, True), (options, err)
