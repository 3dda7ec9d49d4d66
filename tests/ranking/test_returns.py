"""Steps that go back: what they look like; the doubts about steps and values, with their places."""

import math
import random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import ranking_oracle

import metricscan
from metricscan import Objective, Scanner, rank
from metricscan.datasets.rows import Rows
from metricscan.ranking.doubts import Doubt
from metricscan.ranking.step_facts import step_facts

SCANNER = Scanner([r"loss=loss (\S+)", r"epoch=epoch (\S+)"])
KINDS = {"restarted", "incomplete", "values-per-step", "step-missing", "sentinel"}


def log_of(steps, value="0.5"):
    return "".join(f"epoch {step} loss {value}\n" for step in steps)


def replayed(folder, logs, **options):
    for name, text in logs.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    objective = Objective("loss", "Minimize", step="epoch", **options)
    return metricscan.replay(folder, SCANNER, objective=objective)


def told(result, job="a"):
    """The kinds of doubts of a job, and what the notices say of steps that go back."""
    kinds = [one.kind for one in result.doubts.get(job, ()) if one.kind in KINDS]
    words = {"several runs": "restarted", "regular rounds": "again", "without an order": "mixed"}
    notices = [one.message for one in result.notices if "goes back" in one.message]
    return kinds, [word for text in notices for part, word in words.items() if part in text]


FORTY = list(range(1, 41))


@pytest.mark.parametrize(
    ("steps", "kinds", "notices"),
    [
        (FORTY, [], []),
        ([*FORTY, *range(31, 61)], ["restarted"], ["restarted"]),
        ([1, 2, 3, 1, 2], ["restarted"], ["restarted"]),
        ([*FORTY, *FORTY], ["restarted"], ["restarted"]),
        # a step that is not finite stands between
        ([1, 2, 3, "nan", 1, 2], ["restarted"], ["restarted"]),
        ([*FORTY, 1], ["restarted", "incomplete"], ["restarted"]),
        ([*FORTY, *range(1, 18), *range(1, 30)], ["restarted"], ["restarted"]),
        # folds: complete, and the last one broken off
        (FORTY * 5, [], ["again"]),
        ([1, 2] * 5, [], ["again"]),
        ([*(FORTY * 4), 1], ["incomplete"], ["again"]),
        # a batch in each epoch, one of them debugged before; the last epoch goes on
        ([20, 40, *(list(range(20, 1000, 20)) * 30), 20, 40], [], ["again"]),
        # a log that says which epoch was the best
        ([*range(1, 30), 12], [], []),
        ([1, 2, 3, 2, 4, 3, 5, 3, 6, 3], [], []),
        # what does not count steps, and workers that write to one log
        ([9, 8, 7, 6, 5], [], ["mixed"]),
        ([1, 2, 1, 2, 3, 2, 3, 2, 4, 3, 4, 5, 4, 5, 4], [], ["mixed"]),
    ],
    ids=str,
)
def test_what_steps_look_like(tmp_path, steps, kinds, notices):
    assert told(replayed(tmp_path, {"a.log": log_of(steps)})) == (kinds, notices)


def test_a_restart_has_its_place(tmp_path):
    result = replayed(tmp_path, {"a.log": log_of([1, 2, 3, 1, 2]), "b.log": log_of([1, 2, 3])}, scope="min")
    message = "the step goes back from 3 to 1: a run that was resumed, or several runs in one log"
    assert result.doubts == {"a": (Doubt("restarted", message, str(tmp_path / "a.log"), 4, 3 * 17),)}
    assert [one.message for one in result.notices] == [
        (
            "the step 'epoch' goes back in 1 of 2 jobs: several runs in one log, or runs that were resumed? --restarts purge "
            "(restarts='purge') drops the rows that a restart replaced, --restarts split (restarts='split') keeps the runs apart"
        )
    ]


def test_what_is_asked_for_is_no_doubt(tmp_path):
    logs = {"a.log": log_of([*range(1, 41), *range(1, 5)])}
    assert told(replayed(tmp_path, logs)) == (["restarted", "incomplete"], ["restarted"])
    # the job's value is still that of a run that broke off
    for restarts in ("purge", "split"):
        assert told(replayed(tmp_path, logs, restarts=restarts)) == (["incomplete"], [])


def test_each_run_is_a_part(tmp_path):
    text = "".join(f"epoch {epoch} loss {loss}\n" for epoch, loss in [(1, 3), (2, 2), (1, 4), (2, 1), (1, 5), (2, 6)])
    (tmp_path / "a.log").write_text(text)
    objective = Objective("loss", "Minimize", "min", step="epoch", restarts="split")
    result = metricscan.replay(tmp_path, SCANNER, objective=objective, at_best="epoch", out=tmp_path / "out")
    best = result.best
    assert (best.value, best.part, best.path, best.line) == (1.0, 1, str(tmp_path / "a.log"), 4)
    assert best.at_best["epoch"].line == 4
    row = result.ranking.to_pylist()[0]
    assert (row["part"], row["run"], row["rows"]) == (1, 1, 6)
    assert repr(metricscan.rank(tmp_path / "out", objective, at_best="epoch").to_pylist()) == repr(
        result.ranking.to_pylist()
    )
    # a run goes on in the next piece of a rotated log, and a place is that of its piece
    (tmp_path / "a.log.1").write_text("".join(f"epoch {epoch} loss 9\n" for epoch in (1, 2, 3, 1, 2)))
    (tmp_path / "a.log").write_text("epoch 3 loss 8\nepoch 1 loss 7\nepoch 2 loss 0\n")
    best = metricscan.replay(tmp_path / "a.log*", SCANNER, objective=objective).best
    assert (best.value, best.path, best.line) == (0.0, str(tmp_path / "a.log"), 3)
    row = metricscan.replay(tmp_path / "a.log*", SCANNER, objective=objective).ranking.to_pylist()[0]
    assert (row["part"], row["run"]) == (3, 2)


def test_restarts_in_several_streams(tmp_path):
    logs = {f"a/rank_{rank}.log": log_of([1, 2, 3, 1, 2, 3, 2]) for rank in (2, 10)}
    for name, text in logs.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text + "epoch 3 loss 1\n")
    objective = Objective("loss", "Minimize", step="epoch")
    result = metricscan.replay(tmp_path, SCANNER, objective=objective, job="dir")
    (doubt,) = [one for one in result.best.doubts if one.kind == "restarted"]
    assert doubt.message.startswith("the step goes back from 3 to 2, the last of 4 times, in 2 streams: a run")
    assert (doubt.path, doubt.line) == (str(tmp_path / "a/rank_10.log"), 7)


@pytest.mark.parametrize(
    ("steps", "told_at"),
    [
        ([*range(1, 11), *range(500, 511)], (10, 500, 1)),
        ([*range(0, 400, 100), *range(5000, 5400, 100)], (300, 5000, 100)),
        ([1, 1, 2, 2, 3, 3, 4, 4, "nan", 90, 90, 91, 92, 93], (4, 90, 1)),
        # a sanity check, few rows behind it, a rise that is less than ten times as much, one that comes twice, rounds
        ([0, *range(500, 520)], None),
        ([*range(1, 30), 500, 501, 502], None),
        ([*range(1, 11), *range(15, 25)], None),
        ([*range(1, 11), *range(100, 110), *range(199, 210)], None),
        ([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20, 30, 40, 50, 100, 200, 300, 400], None),
    ],
    ids=str,
)
def test_a_step_that_jumps(tmp_path, steps, told_at):
    for restarts in ("keep", "purge", "split"):
        result = replayed(tmp_path, {"a.log": log_of(steps), "b.log": log_of(range(1, 30))}, restarts=restarts)
        doubts = [one for one in result.doubts.get("a", ()) if one.kind == "restarted"]
        if told_at is None:
            assert doubts == []
            continue
        before, step, usual = told_at
        jump = f"the step jumps from {before} to {step}, and rises by at most {usual} elsewhere"
        assert [one.message for one in doubts] == [f"{jump}: a run that was resumed, or lines that are missing"]
        assert (doubts[0].path, doubts[0].line) == (str(tmp_path / "a.log"), steps.index(step) + 1)


@pytest.mark.parametrize("steps", [[-8e307, 1e308, *range(6)], [-1e308, *([1e308] * 8)], [1e308, -1e308] * 4])
def test_steps_whose_difference_is_no_number(tmp_path, steps):
    assert [
        one.kind for one in replayed(tmp_path, {"a.log": log_of(steps)}).doubts.get("a", ()) if "jumps" in one.message
    ] == []


def test_a_jump_over_nearly_all_numbers():
    value = np.array([-1.7e308, -1.6e308, -1.5e308, -1.4e308, 0.0, 1e306, 2e306, 3e306])
    place = np.arange(len(value))
    steps = Rows(place * 0, place * 0, value, place, place, place, None)
    assert ranking_oracle.jumps(value.tolist())
    assert step_facts(steps).jumps.before.tolist() == [-1.4e308]


rises = st.sampled_from([0.0, 1.0, 1.0, 1.0, 2.0, 9.0, 10.0, 11.0, 20.0, -1.0, math.inf])


@given(st.lists(st.lists(rises, min_size=1, max_size=14), min_size=1, max_size=4))
def test_a_naive_oracle_tells_of_the_same_jumps(streams):
    found, rows = [], []
    for number, some in enumerate(streams):
        values = [sum(some[: at + 1]) for at in range(len(some))]
        rows += [(number, value) for value in values]
        found += [number] if ranking_oracle.jumps([value for value in values if math.isfinite(value)]) else []
    stream, value = (np.array(column, kind) for column, kind in zip(zip(*rows, strict=True), (int, float), strict=True))
    place = np.arange(len(rows))
    steps = Rows(np.zeros_like(place), stream, value, place, place, place, None)
    order = np.random.default_rng(len(rows)).permutation(len(rows))
    for some in (steps, steps.take(order)):
        assert step_facts(some).jumps.stream.tolist() == found


def test_a_rotated_log_that_goes_on_is_not_restarted(tmp_path):
    logs = {"a/fit.log.1": log_of(range(1, 9)), "a/fit.log": log_of(range(9, 12))}
    assert told(replayed(tmp_path, logs)) == ([], [])
    result = replayed(tmp_path, {**logs, "a/fit.log": log_of(range(5, 12))})
    (doubt,) = result.best.doubts
    assert (doubt.kind, doubt.path, doubt.line) == ("restarted", str(tmp_path / "a/fit.log"), 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "epoch 1\nloss 1\nloss 2\nepoch 2\nloss 1\nloss 3\n",
            "2 of 2 steps have several values; the last of each counts",
        ),
        ("epoch 1\nloss 1\nloss 2\n", "its only step has several values; the last of each counts"),
        ("epoch 1 loss 1 loss 2\n", "its only step has several values; the last of each counts"),
        # a bar, doubled lines, and a value that came twice at one of many steps
        ("epoch 1\rloss 1\rloss 2\repoch 2\rloss 3\rloss 4\n", None),
        ("epoch 1 loss 1\repoch 1 loss 2\n", None),
        ("epoch 1\nloss 1\nloss 1\nepoch 2\nloss nan\nloss nan\n", None),
        (log_of([1, 2, 3, 3.5, 4]) + "loss 9\n", None),
    ],
    ids=str,
)
def test_several_values_at_a_step(tmp_path, text, message):
    result = replayed(tmp_path, {"a.log": text})
    expected = [] if message is None else [("values-per-step", message)]
    assert [(one.kind, one.message) for one in result.doubts.get("a", ()) if one.kind in KINDS] == expected
    for per_step in ("mean", "all"):
        assert told(replayed(tmp_path, {"a.log": text}, per_step=per_step))[0] == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("loss 1\nloss 2\n", "none of its 2 rows has a step: no 'epoch' was found in it"),
        ("loss 1\n", "its row has no step: no 'epoch' was found in it"),
        ("loss 1\nloss 2\nepoch 1\n", "none of its 2 rows has a step: no 'epoch' belongs to them"),
        (
            "loss 1\n" * 9 + log_of(range(10, 20)),
            "9 of its 19 rows have no step; 'epoch' may match only some of the steps",
        ),
        ("epoch 1\n" + "loss 1\nloss 2\n" * 5, "10 rows of 'loss' share 1 of 'epoch'; the last of each step counts"),
        # a sanity check before the training
        ("loss 1\n" + log_of(range(3)), None),
    ],
    ids=str,
)
def test_steps_that_are_missing(tmp_path, text, message):
    result = replayed(tmp_path, {"a.log": text})
    found = [(one.kind, one.message) for one in result.doubts.get("a", ()) if one.kind in KINDS]
    assert found == ([] if message is None else [("step-missing", message)])


def test_a_job_without_a_step_is_not_missing(tmp_path):
    result = replayed(tmp_path, {"a.log": "loss 1\n", "b.log": log_of([1]), "c.log": "nothing\n"}, scope="best@5")
    assert result.ranking.select(["job", "objective_status"]).to_pydict() == {
        "job": ["b", "a", "c"],
        "objective_status": ["found", "no_step", "missing"],
    }


@pytest.mark.parametrize(
    ("values", "doubted"),
    [
        (["9e99", "9e99", "0.5"], "ab"),
        (["1e10", "1e10", "1e10"], "abc"),
        (["9999999999", "9999999999", "1"], "ab"),
        (["2147483647", "2147483647", "1"], "ab"),
        (["-1e10", "-1e10", "1"], "ab"),
        (["1.7976931348623157e308", "1", "2"], "a"),
        (["3.4028235e38", "1", "2"], "a"),
        (["9e99", "8e99", "1"], ""),
        (["12345678901", "12345678901", "1"], ""),
        (["1000", "1000", "1e8"], ""),
        (["inf", "inf", "nan"], ""),
    ],
    ids=str,
)
def test_placeholders(tmp_path, values, doubted):
    logs = {f"{job}.log": log_of([1], value) for job, value in zip("abc", values, strict=True)}
    result = replayed(tmp_path, logs)
    assert "".join(sorted(job for job in result.doubts if told(result, job)[0] == ["sentinel"])) == doubted
    if doubted == "ab":
        (doubt,) = result.doubts["a"]
        value = result.ranking.to_pylist()[[row["job"] for row in result.ranking.to_pylist()].index("a")]["value"]
        assert doubt.message == f"{value!r} is the value of 2 jobs, and probably stands for a missing one"
        assert (doubt.path, doubt.line) == (str(tmp_path / "a.log"), 1)


@pytest.mark.parametrize("steps", [[1, "nan", "inf"], ["nan", 1, "inf"]])
def test_steps_that_are_not_finite_are_told(tmp_path, steps):
    result = replayed(tmp_path, {"a.log": log_of(steps)})
    # nothing else is to be said of the row without a step
    assert [one.message for one in result.notices] == [
        "2 of the step's values are not finite; rows at NaN have no step"
    ]
    assert result.ranking["stepless"].to_pylist() == [1]
    result = replayed(tmp_path / "more", {"a.log": f"loss 3\n{log_of(steps)}"})
    assert result.notices[0].message.startswith("1 of 4 rows of 'loss' have no step: ")


def test_a_dataset_has_the_same_doubts_and_notices(tmp_path):
    logs = {
        "a.log": log_of([1, 2, 3, 1, 2]),
        "b.log": "loss 1\nloss 2\n",
        "c.log": log_of([1, 2] * 3),
        "d.log": "epoch 1\n",
    }
    for name, text in logs.items():
        (tmp_path / name).write_text(text)
    objective = Objective("loss", "Minimize", step="epoch")
    result = metricscan.replay(tmp_path, SCANNER, objective=objective, out=tmp_path / "out")
    from metricscan.ranking.ranking import ranked

    for tables in (tmp_path / "out", result):
        found, counts = ranked(tables, objective)
        assert repr(found.to_pylist()) == repr(result.ranking.to_pylist())
        assert counts.messages(objective) == [one.message for one in result.notices]
    assert len(result.notices) == 3


@pytest.mark.parametrize(("scope", "is_told"), [("mean", True), ("last-2", True), ("window:2", True), ("last", False)])
def test_rows_that_repeat_a_value_are_told_without_a_step(tmp_path, scope, is_told):
    (tmp_path / "a.log").write_text("loss 1\rloss 1\rloss 1\nloss 2\n")
    (tmp_path / "b.log").write_text("loss 2\nloss nan\nloss nan\n")
    objective = Objective("loss", "Minimize", scope)
    result = metricscan.replay(tmp_path, SCANNER, objective=objective, out=tmp_path / "out")
    message = (
        f"2 of 7 rows of 'loss' repeat the value before them, as a redrawn bar does, and all of them count under {scope}; "
        "with --step NAME (step=NAME) each step counts once"
    )
    assert [one.message for one in result.notices] == ([message] if is_told else [])
    from metricscan.ranking.ranking import ranked

    for tables in (result, tmp_path / "out"):
        assert ranked(tables, objective)[1].messages(objective) == ([message] if is_told else [])


def test_rows_that_repeat_a_value_are_counted_over_pieces(tmp_path, monkeypatch):
    from metricscan.ranking import in_pieces

    monkeypatch.setattr(in_pieces, "PIECE_ROWS", 5)
    (tmp_path / "a.log").write_text("".join(f"loss {number // 3}\n" for number in range(300)))
    result = metricscan.replay(tmp_path, SCANNER, objective=Objective("loss", "Minimize", "mean"), keep=False)
    assert result.notices[0].message.startswith("200 of 300 rows")


def rows_of(jobs, column):
    """The rows of jobs, each a list of (stream, step, value), one record each."""
    rows = [(job, stream, at, row) for job, rows in jobs.items() for at, (stream, *row) in enumerate(rows)]
    columns = {
        "job": pa.array([job for job, *_ in rows], pa.string()),
        "stream": pa.array([stream for _, stream, *_ in rows], pa.string()),
        "value": pa.array([row[column] for *_, row in rows], pa.float64()),
        "line": pa.array([at + 1 for *_, at, _ in rows], pa.int64()),
        "offset": pa.array([at * 40 for *_, at, _ in rows], pa.int64()),
        "start": pa.array([at * 40 + 10 * column for *_, at, _ in rows], pa.int64()),
        "time": pa.nulls(len(rows), pa.timestamp("us", "UTC")),
    }
    return pa.table(columns)


def doubts_in(jobs, **options):
    """By job, its doubts that do not depend on other jobs."""
    tables = {"epoch": rows_of(jobs, 0), "loss": rows_of(jobs, 1)}
    found = rank(tables, Objective("loss", "Minimize", step="epoch", **options))
    alone = ("restarted", "incomplete", "values-per-step", "step-missing", "several-streams")
    return {row["job"]: [one for one in row["doubts"] if one["kind"] in alone] for row in found.to_pylist()}


@pytest.mark.parametrize("restarts", ["keep", "purge", "split"])
def test_each_job_has_the_doubts_that_it_has_alone(restarts):
    # restarts at many places, in one stream or two, with steps that have several values, or none
    chance = random.Random(7)
    jobs = {}
    for number in range(60):
        rows = []
        for stream in ("b.log", "a.log", "c.log")[: chance.choice([1, 1, 2, 3])]:
            for _ in range(chance.choice([1, 1, 2, 3])):
                first, count, each = chance.choice([0, 1, 1, 5]), chance.randint(1, 12), chance.choice([1, 1, 2])
                rows += [(stream, first + step // each, chance.random()) for step in range(count * each)]
        jobs[f"job {number}"] = rows
    together = doubts_in(jobs, restarts=restarts)
    assert together == {name: doubts_in({name: rows}, restarts=restarts)[name] for name, rows in jobs.items()}
    kinds = {one["kind"] for doubts in together.values() for one in doubts}
    assert {"values-per-step", "several-streams"} <= kinds
    assert ("restarted" in kinds) == (restarts == "keep")
    several = [one for doubts in together.values() for one in doubts if "streams" in one["message"]]
    assert any(one["kind"] == "restarted" for one in several) == (restarts == "keep")
