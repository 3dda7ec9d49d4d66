"""Doubts about jobs: each kind from what a scan notes, with its place; columns and objects; what is invalid."""

import math

import numpy as np
import pyarrow as pa
import pytest

from metricscan import Objective, OptionError
from metricscan.datasets.evidence import Evidence, LogEvidence, NotedSuspects, Unit
from metricscan.logs.crashes import Crash
from metricscan.logs.job import Job, Log
from metricscan.ranking.doubts import TYPE, Doubt
from metricscan.ranking.ranking import rank

LAST = Objective("ppl", "Minimize")


class Tables(dict):
    evidence = Evidence()
    jobs = ()


def tables(rows, logs=None, units=(), steps=()):
    """Tables of rows (job, stream, part, value, line), which start 10 bytes into records of 20 bytes, and evidence."""

    def table(some):
        job, stream, part, value, line = (list(column) for column in zip(*some, strict=True)) if some else ([],) * 5
        offset = [20 * (one - 1) for one in line]
        columns = {
            "job": pa.array(job, pa.string()),
            "stream": pa.array(stream, pa.string()),
            "part": pa.array(part, pa.int32()),
            "value": pa.array(value, pa.float64()),
            "line": pa.array(line, pa.int64()),
            "offset": pa.array(offset, pa.int64()),
            "start": pa.array([one + 10 for one in offset], pa.int64()),
            "time": pa.nulls(len(some), pa.timestamp("us", "UTC")),
        }
        return pa.table(columns)

    found = Tables(ppl=table(rows), step=table(steps))
    found.evidence = Evidence()
    found.evidence.units = {"ppl": list(units)} if units else {}
    for (job, stream, part), noted in (logs or {}).items():
        crash, suspects = (noted, {}) if isinstance(noted, Crash) else (None, {"ppl": noted})
        found.evidence.add(job, stream, part, LogEvidence(f"{job}/{stream}.{part}", crash, suspects))
    places = dict.fromkeys((row[:3]) for row in rows)
    found.jobs = [
        Job(name, [Log(f"{job}/{stream}.{part}", stream, part=part) for job, stream, part in places if job == name])
        for name in dict.fromkeys(job for job, *_ in places)
    ]
    return found


def doubts(found, objective=LAST, **options):
    ranking = rank(found, objective, **options)
    assert ranking.schema.field("doubts").type == TYPE
    return {row["job"]: [Doubt(**one) for one in row["doubts"]] for row in ranking.to_pylist()}


ROWS = [("a", "out", 0, 3.0, 1), ("a", "out", 0, 2.0, 4), ("a", "out", 1, 1.0, 2), ("b", "out", 0, 5.0, 9)]


def test_nothing_noted_is_no_doubt():
    assert doubts(tables(ROWS)) == {"a": [], "b": []}


@pytest.mark.parametrize(
    ("part", "line", "is_after"), [(1, 3, True), (1, 1, False), (0, 9, False), (2, 1, True)], ids=str
)
def test_a_near_miss_after_the_deciding_row(part, line, is_after):
    noted = NotedSuspects((line, 20 * (line - 1)))
    found = doubts(tables(ROWS, {("a", "out", part): noted}))
    message = f"line {line} gives no row, and would if the value could be any text that stands for a number"
    expected = Doubt("near-miss-after", message, f"a/out.{part}", line, 20 * (line - 1))
    assert found == {"a": [expected] if is_after else [], "b": []}


BEST = Objective("ppl", "Minimize", scope="best")


def diverged(found, objective=BEST, **options):
    some = {
        name: [one for one in of_job if one.kind == "diverged"] for name, of_job in doubts(found, objective).items()
    }
    return {name: of_job[0] for name, of_job in some.items() if of_job}


def test_a_job_whose_last_values_are_not_finite_has_diverged():
    lost = [("a", "out", 0, 2.0, 1), ("a", "out", 0, math.nan, 2), ("a", "out", 1, math.inf, 3)]
    recovered = [("b", "out", 0, math.nan, 1), ("b", "out", 0, 3.0, 2)]
    never = [("c", "out", 0, math.nan, 1)]
    found = diverged(tables([*lost, *recovered, *never]))
    assert found == {"a": Doubt("diverged", "its last ppl is inf: the job has diverged", "a/out.1", 3, 40)}
    # the value itself is not finite then, and needs no doubt
    assert diverged(tables([*lost, *recovered, *never]), LAST) == {}
    status = rank(tables([*lost, *recovered]), BEST, exclude_doubts="diverged").select(["job", "objective_status"])
    assert status.to_pylist() == [
        {"job": "b", "objective_status": "found"},
        {"job": "a", "objective_status": "excluded"},
    ]


def test_of_several_streams_that_diverged_the_deciding_one_is_told():
    rows = [(job, stream, 0, value, 1) for job in "ab" for stream, value in (("1", 3.0), ("2", 2.0), ("3", 4.0))]
    some = [("a", "1", 0, math.nan, 2), ("a", "2", 0, math.nan, 3), ("b", "3", 0, math.nan, 4)]
    found = diverged(tables([*rows, *some]))
    assert {name: (one.path, one.line) for name, one in found.items()} == {"a": ("a/2.0", 3), "b": ("b/3.0", 4)}


@pytest.mark.parametrize("scope", ["best", "last", "last-2", "mean", "first", "window:2"])
@pytest.mark.parametrize(
    ("part", "line", "is_lost", "expected"),
    [(1, 3, True, True), (1, 3, False, False), (1, 1, True, False), (0, 9, True, False), (2, 1, True, True)],
)
def test_a_near_miss_that_says_nan_at_the_end(scope, part, line, is_lost, expected):
    noted = NotedSuspects((line, 20 * (line - 1)), is_not_finite=is_lost)
    found = diverged(tables(ROWS, {("a", "out", part): noted}), Objective("ppl", "Minimize", scope=scope))
    message = f"line {line} says that its last ppl is not finite: the job has diverged"
    wanted = {"a": Doubt("diverged", message, f"a/out.{part}", line, 20 * (line - 1))}
    assert found == (wanted if expected else {})


def test_the_last_near_miss_of_a_stream_tells_whether_it_diverged():
    lost, other = NotedSuspects((3, 40), is_not_finite=True), NotedSuspects((5, 80))
    assert diverged(tables(ROWS, {("a", "out", 1): lost, ("a", "out", 2): other})) == {}
    found = diverged(tables(ROWS, {("a", "out", 1): other, ("a", "out", 2): lost}))
    assert [one.path for one in found.values()] == ["a/out.2"]
    # a stream without a row says nothing about the objective
    assert diverged(tables(ROWS, {("a", "err", 0): lost})) == {}


def test_a_near_miss_of_another_stream_or_metric_is_none():
    rows = [("a", "err", 0, 9.0, 1), *ROWS]
    found = tables(rows, {("a", "err", 0): NotedSuspects((7, 120))})
    assert [one.kind for one in doubts(found)["a"]] == ["several-streams"]
    found.evidence.logs["a", "out", 1] = LogEvidence(
        "p", None, {"step": NotedSuspects((7, 120), np.array([10, 30]), 30)}
    )
    assert [one.kind for one in doubts(found)["a"]] == ["several-streams"]


def test_the_deciding_value_is_cut():
    cut = {
        ("a", "out", 1): NotedSuspects(cut_starts=np.array([10, 30])),
        ("b", "out", 0): NotedSuspects(cut_starts=np.array([0, 20])),
    }
    message = "the value is only a part of what stands in the log"
    assert doubts(tables(ROWS, cut)) == {"a": [Doubt("cut-value", message, "a/out.1", 2, 20)], "b": []}
    # another row decides
    assert doubts(tables(ROWS, cut), Objective("ppl", "Minimize", "max")) == {"a": [], "b": []}


@pytest.mark.parametrize(
    ("scope", "count", "path", "start"),
    [("mean", 2, "a/out.0", 10), ("last-2", 1, "a/out.1", 30), ("last-3", 2, "a/out.0", 10)],
)
def test_a_value_of_the_window_is_cut(scope, count, path, start):
    cut = {
        ("a", "out", 0): NotedSuspects(cut_starts=np.array([10])),
        ("a", "out", 1): NotedSuspects(cut_starts=np.array([30])),
    }
    some = "1 value that counts is" if count == 1 else f"{count} values that count are"
    expected = Doubt("cut-value", f"{some} only a part of what stands in the log", path, None, start)
    assert doubts(tables(ROWS, cut), Objective("ppl", "Minimize", scope))["a"] == [expected]


@pytest.mark.parametrize(("start", "is_doubted"), [(10, True), (30, False), (50, True)])
def test_a_value_that_a_smoothed_curve_leaves_out_is_not_doubted(start, is_doubted):
    rows = [("a", "out", 0, value, line) for line, value in enumerate((1.0, np.nan, 0.5), 1)]
    found = tables(rows, {("a", "out", 0): NotedSuspects(cut_starts=np.array([start]))})
    kinds = [one.kind for one in doubts(found, Objective("ppl", "Minimize", "window:2"))["a"]]
    assert kinds == (["cut-value"] if is_doubted else [])


def test_a_value_that_touches_the_end():
    found = tables(
        ROWS,
        {("a", "out", 1): NotedSuspects(unterminated_start=30), ("b", "out", 0): NotedSuspects(unterminated_start=5)},
    )
    message = "the value touches the end of the log, which has no final line end"
    assert doubts(found) == {"a": [Doubt("unterminated", message, "a/out.1", 2, 20)], "b": []}
    assert doubts(found, Objective("ppl", "Minimize", "first"))["a"] == []


def test_a_line_that_is_cut():
    within = "the line ends within the value, and the next line begins with the rest"
    behind = "line 7 ends within or right before a value, and the next line begins with the rest"
    cut = NotedSuspects(last_cut_line=(2, 20), cut_line_starts=np.array([30]))
    later = NotedSuspects(last_cut_line=(7, 120), cut_line_starts=np.array([130]))
    found = tables(ROWS, {("a", "out", 1): cut, ("b", "out", 0): later})
    assert doubts(found) == {"a": [Doubt("cut-line", within, "a/out.1", 2, 20)], "b": []}
    found = tables(ROWS, {("a", "out", 1): later, ("b", "out", 0): cut})
    assert doubts(found)["a"] == [Doubt("cut-line", behind, "a/out.1", 7, 120)]
    assert doubts(found, Objective("ppl", "Minimize", "last-2"))["a"] == [Doubt("cut-line", behind, "a/out.1", 7, 120)]
    first = NotedSuspects(last_cut_line=(4, 60), cut_line_starts=np.array([70]))
    found = tables(ROWS, {("a", "out", 0): first})
    assert doubts(found)["a"] == []
    assert doubts(found, Objective("ppl", "Minimize", "last-2"))["a"] == [
        Doubt("cut-line", within, "a/out.0", None, 70)
    ]


def test_units_differ():
    units = [Unit("kit/s", "1.20kit/s", "x.log", 3, 40), Unit("it/s", "950it/s", "y.log", 1, 0)]
    message = "values of ppl have different units: '1.20kit/s' (x.log:3), '950it/s' (y.log:1)"
    expected = [Doubt("cut-value", message, "y.log", 1, 0)]
    assert doubts(tables(ROWS, units=units)) == {"a": expected, "b": expected}
    assert doubts(tables(ROWS, units=units[:1])) == {"a": [], "b": []}
    without = [Unit("", "", "x.log", 3, 40), units[1]]
    assert "units: none (x.log:3), '950it/s'" in doubts(tables(ROWS, units=without))["a"][0].message


def test_a_crash():
    crash = Crash("traceback", "ValueError: \x1b[31mx", 7, 99)
    found = tables(ROWS, {("b", "out", 0): crash, ("gone", "out", 0): crash})
    message = "the log ends in a traceback: ValueError: \x1b[31mx"
    assert doubts(found) == {"a": [], "b": [Doubt("crashed", message, "b/out.0", 7, 99)]}
    ranked = rank(found, LAST, exclude_doubts="crashed").select(["rank", "job", "objective_status"]).to_pylist()
    assert [tuple(row.values()) for row in ranked] == [(1, "a", "found"), (None, "b", "excluded")]


def test_a_job_without_a_row_that_counts_may_have_crashed():
    found = tables([("a", "out", 0, 1.0, 1)], {("b", "out", 0): Crash("signal", "Killed", 3, 40)})
    found.jobs = [*found.jobs, Job("b", [Log("b/out.0", "out")])]
    assert [one.kind for one in doubts(found)["b"]] == ["crashed"]
    assert rank(found, LAST, exclude_doubts=["crashed"])["objective_status"].to_pylist() == ["found", "missing"]


def test_behind_and_several_streams_name_the_deciding_row():
    steps = [("a", "out", 0, 1.0, 1), ("a", "out", 1, 4.0, 2), ("b", "out", 0, 100.0, 9), ("c", "out", 0, 60.0, 1)]
    rows = [("a", "err", 0, 9.0, 1), *ROWS, ("c", "out", 0, 5.0, 1)]
    found = doubts(tables(rows, steps=steps), Objective("ppl", "Minimize", step="step"))
    assert found["a"] == [
        Doubt("behind", "its last step, 4, is below half of the median last step, 60", "a/out.1", 2, 20),
        Doubt("several-streams", "2 streams have rows of ppl; the deciding row is in 'out'", "a/out.1", 2, 20),
    ]
    assert found["b"] == found["c"] == []


def test_doubts_are_listed_in_the_order_of_their_kinds():
    noted = NotedSuspects((9, 999), np.array([30]), 30, last_cut_line=(2, 20), cut_line_starts=np.array([30]))
    found = tables([("a", "err", 0, 9.0, 1), *ROWS], {("a", "out", 1): noted})
    found.evidence.add("a", "err", 0, LogEvidence("a/err.0", Crash("signal", "Killed", 3, 40), {}))
    kinds = [one.kind for one in doubts(found)["a"]]
    assert kinds == ["near-miss-after", "cut-value", "unterminated", "cut-line", "crashed", "several-streams"]


def test_a_job_in_progress_has_the_value_that_it_has_now():
    found = tables([*ROWS, ("c", "out", 0, 9.0, 3)])
    for job, status in zip(found.jobs, ["InProgress", "Stopped", None], strict=True):
        job.status = status
    message = "the job is in progress: its value is the one that it has now"
    assert doubts(found)["a"] == [Doubt("running", message, "a/out.1", 2, 20)]
    assert [one for name in "bc" for one in doubts(found)[name] if one.kind == "running"] == []
    # a job without a value has none that could be doubted
    assert doubts(found, Objective("step", "Minimize")) == {"a": [], "b": [], "c": []}


def test_tables_without_logs_have_doubts_without_paths():
    found = tables([("a", "err", 0, 9.0, 1), *ROWS])
    assert [one.path for one in doubts(dict(found))["a"]] == [None]


def test_conditions_that_are_invalid():
    found = tables(ROWS)
    with pytest.raises(
        OptionError, match=r"min_step=5 needs step=NAME .*; exclude_doubts='crash': one of diverged, near-miss-after"
    ) as caught:
        rank(found, LAST, min_step=5, exclude_doubts=["crash"])
    assert caught.value.hint == "did you mean 'crashed'?"
    for value in ("5", True, float("nan"), float("inf")):
        with pytest.raises(OptionError, match="a number was expected"):
            rank(found, Objective("ppl", "Minimize", step="step"), min_step=value)
