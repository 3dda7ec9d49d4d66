"""Doubts on the terminal and in JSON; conditions of a rank; what the user calls a failure."""

import json

import pytest
from support.folders import tree

ERR = ("-m", r"err=err=([0-9.x]+)", "-m", "it=it=([0-9]+)", "--minimize", "err", "--step", "it")
CRASH = 'Traceback (most recent call last):\n  File "fit.py", line 3, in <module>\nValueError: \x1b[31mred\n'


@pytest.fixture
def logs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = {"runs/a.log": "it=10 err=0.5\n", "runs/b.log": f"it=4 err=0.25\n{CRASH}", "runs/c.log": "it=9 err=x\n"}
    tree(tmp_path, files)
    return "runs"


CRASHED = "  doubt crashed: the log ends in a traceback: ValueError: red (runs/b.log:2)"


def test_doubts_stand_below_the_winner(run, logs):
    code, out, _ = run("replay", logs, *ERR, "--out", "written")
    lines = out.splitlines()
    assert code == 0
    assert lines[0] == "Best: b, err 0.25 at runs/b.log:1"
    behind = "  doubt behind: its last step, 4, is below half of the median last step, 9 (runs/b.log:1)"
    assert lines[1:3] == [behind, CRASHED]
    assert run("rank", "written")[1].splitlines()[:3] == lines[:3]


def test_doubts_as_json(run, logs):
    document = json.loads(run("replay", logs, *ERR, "--out", "written", "--json")[1])
    crashed = {
        "kind": "crashed",
        "message": "the log ends in a traceback: ValueError: red",
        "path": "runs/b.log",
        "line": 2,
        "offset": 14,
    }
    assert document["best"]["doubts"][1] == crashed
    assert [row["doubts"] for row in document["ranking"]] == [document["best"]["doubts"], [], []]
    again = json.loads(run("rank", "written", "--json")[1])
    assert (again["best"], again["ranking"]) == (document["best"], document["ranking"])


def test_conditions_of_a_rank(run, logs):
    for option in (("--min-step", "5"), ("--exclude-doubts", "crashed"), ("--exclude-doubts", "cut-value,behind")):
        document = json.loads(run("replay", logs, *ERR, *option, "--out", "w", "--overwrite", "--json")[1])
        assert document["best"]["job"] == "a", option
        again = json.loads(run("rank", "w", "--json")[1])
        assert {key: again[key] for key in document if key in again} == {key: document[key] for key in again}
        given = json.loads(run("rank", "w", "--minimize", "err", "--step", "it", *option, "--json")[1])
        assert given["best"] == document["best"]
        assert json.loads(run("rank", "w", "--minimize", "err", "--json")[1])["best"]["job"] == "b"
    _, _, err = run("rank", "w")
    assert err == "jobs with these doubts have no rank, as in the replay: cut-value, behind\n"
    run("replay", logs, *ERR, "--min-step", "5", "--out", "w", "--overwrite")
    assert run("rank", "w")[2] == "jobs whose last step is below 5 have no rank, as in the replay\n"


def test_a_ranking_says_why_a_job_has_no_rank(run, logs):
    code, out, _ = run("replay", logs, *ERR, "--min-step", "5", "--exclude-doubts", "crashed")
    assert code == 0
    assert "below_min_step" in out
    code, out, _ = run("replay", logs, *ERR, "--min-step", "50")
    assert code == 1
    assert out.splitlines()[0] == "Best: none; each job with a finite err is below --min-step"


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (("--min-step", "x"), "'x' is not a valid float"),
        (("--exclude-doubts", "crash"), "exclude_doubts='crash': one of diverged"),
        (("--fail-on", "near-miss:x"), "near-miss:P%, cut, unparsed or empty was expected"),
        (("--fail-on", "doubt:3"), "'doubt:3': doubt, near-miss"),
    ],
)
def test_options_that_are_invalid(run, logs, option, message):
    code, _, err = run("replay", logs, *ERR, *option)
    assert code == 2
    assert message in err


def test_conditions_need_an_objective(run, logs):
    for option in (("--min-step", "3"), ("--exclude-doubts", "crashed")):
        code, _, err = run("replay", logs, "-m", "err=err=(.)", *option)
        assert code == 2
        assert f"no objective for {option[0]}" in err
    code, _, err = run("replay", logs, "-m", "err=err=(.)", "--minimize", "err", "--min-step", "3")
    assert code == 2
    assert "min_step=3.0 needs step=NAME" in err


# ---- failures


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("doubt", "the best job has 2 doubts: behind, crashed"),
        ("unparsed", "err has 1 text that is not a number"),
        ("empty", "gone has no rows"),
        ("near-miss", None),
        ("cut", None),
    ],
)
def test_what_is_called_a_failure(run, logs, kind, sentence):
    for command in (
        ("replay", logs, *ERR, "-m", "gone=gone=(.)", "--out", "w"),
        ("rank", "w"),
        ("rank", "w", "--json"),
    ):
        code, _, err = run(*command, "--fail-on", kind)
        assert code == (0 if sentence is None else 3), command
        assert [line for line in err.splitlines() if line.startswith("metricscan: ")] == (
            [] if sentence is None else [f"metricscan: {sentence}"]
        )


def test_a_rank_fails_on_what_the_replay_has_counted(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tree(tmp_path, {"runs/a.log": "err=0.5\nerr=nan\nerr=1,234\n", "runs/b.log": "err=0.25\nerr=inf\n"})
    run("replay", "runs", "-m", "err=err=([0-9.]+)", "--minimize", "err", "--out", "w")
    for kind, sentence in (
        ("near-miss", "err has 2 near misses"),
        ("near-miss:1", "err has 2 near misses"),
        ("near-miss:2", None),
        ("near-miss:30%", "err has 2 near misses, 40 %"),
        ("near-miss:40%", None),
        ("cut", "err has 1 value that is cut"),
        ("doubt", "the best job has 2 doubts: diverged, near-miss-after"),
    ):
        code, _, err = run("rank", "w", "--fail-on", kind)
        assert (code, err) == ((0, "") if sentence is None else (3, f"metricscan: {sentence}\n")), kind


def test_values_in_different_units_are_cut(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tree(tmp_path, {"runs/a.log": "acc=0.91\n", "runs/b.log": "acc=92.5%\n"})
    command = ("-m", "acc=acc=([0-9.]+)", "--maximize", "acc", "--fail-on", "cut")
    for some in (("replay", "runs", *command, "--out", "w"), ("rank", "w", "--fail-on", "cut")):
        code, _, err = run(*some)
        assert (code, err.splitlines()[-1]) == (3, "metricscan: acc has values in different units")
    assert run("replay", "runs/b.log", *command)[0] == 0


def test_a_dataset_that_lacks_a_count_is_no_success(run, logs, tmp_path):
    run("replay", logs, *ERR, "--out", "w")
    path = tmp_path / "w" / "_manifest.json"
    document = json.loads(path.read_text())
    del document["counts"]["err"]["cut_lines"]
    path.write_text(json.dumps(document))
    code, _, err = run("rank", "w", "--fail-on", "cut")
    assert code == 2
    assert "--fail-on cut: the dataset does not hold the count of cut lines of err; replay the logs again" in err
    assert run("rank", "w", "--fail-on", "near-miss")[0] == 0
    document["counts"] = {}
    path.write_text(json.dumps(document))
    assert run("rank", "w", "--fail-on", "empty")[0] == 0
    assert run("rank", "w", "--fail-on", "unparsed")[0] == 2


def test_an_unreadable_log_comes_before_a_failure_and_a_failure_before_no_winner(run, logs):
    assert run("replay", logs, "none.log", *ERR, "--fail-on", "doubt")[0] == 2
    assert run("replay", "runs/c.log", *ERR, "--fail-on", "unparsed")[0] == 3
    assert run("replay", "runs/c.log", *ERR, "--fail-on", "doubt")[0] == 1
    code, out, err = run("replay", logs, *ERR, "--fail-on", "doubt", "--fail-on", "unparsed", "--json")
    assert code == 3
    assert json.loads(out)["best"]["job"] == "b"
    assert err.count("metricscan: ") == 2
