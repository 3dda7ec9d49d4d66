"""The objective, and which row of a job's streams decides."""

import dataclasses
import itertools
import math
import pickle
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metricscan import Objective, OptionError
from metricscan.batch import SCHEMA
from metricscan.objective import GOALS, Standing, decide, natural, nearest

NAN, INF = math.nan, math.inf


def table(values, times=None, first_line=1):
    """Rows in lines of their own; a time is in seconds."""
    lines = list(range(first_line, first_line + len(values)))
    columns = {
        "value": values,
        "line": lines,
        "offset": [10 * line for line in lines],
        "start": [10 * line + 5 for line in lines],
        "time": [None if at is None else datetime.fromtimestamp(at, UTC) for at in times or [None] * len(values)],
    }
    return pa.table(columns, schema=SCHEMA)


def standing(*batches):
    result = Standing()
    for batch in batches:
        result.add(batch)
    return result


def decided(streams):
    """Status, stream and line of the deciding row, and the counts."""
    outcome = decide({name: standing(table(values, times)) for name, (values, times) in streams.items()})
    line = None if outcome.place is None else outcome.place.line
    return outcome.status, outcome.stream, line, outcome.rows, outcome.streams


# ---- the objective


@pytest.mark.parametrize(("goal", "better", "worse"), [("Minimize", 1.0, 2.0), ("Maximize", 2.0, 1.0)])
def test_better_is_what_the_goal_says(goal, better, worse):
    objective = Objective("loss", goal)
    assert objective.is_better(better, worse)
    assert not objective.is_better(worse, better)
    assert not objective.is_better(better, better)


@pytest.mark.parametrize("goal", ["minimize", "MAXIMIZE", "min", "", None])
def test_another_goal_is_a_fault(goal):
    with pytest.raises(OptionError, match="'Minimize' or 'Maximize' was expected") as caught:
        Objective("loss", goal)
    assert f"goal={goal!r}" in str(caught.value)


def test_another_scope_is_a_fault():
    with pytest.raises(OptionError, match="scope='best': 'last' was expected"):
        Objective("loss", "Minimize", "best")


def test_all_faults_of_an_objective_come_together():
    with pytest.raises(OptionError) as caught:
        Objective("loss", "up", "best")
    assert "goal='up'" in str(caught.value)
    assert "scope='best'" in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_an_objective_is_a_value():
    objective = Objective("loss", GOALS[0])
    assert objective == Objective("loss", "Minimize", "last") != Objective("loss", "Maximize")
    assert len({objective, Objective("loss", "Minimize")}) == 1
    assert pickle.loads(pickle.dumps(objective)) == objective
    with pytest.raises(dataclasses.FrozenInstanceError):
        objective.goal = "Maximize"


# ---- the deciding row


@pytest.mark.parametrize(
    ("streams", "expected"),
    [
        pytest.param({}, ("missing", None, None, 0, 0), id="no stream"),
        pytest.param({"out": ([], None)}, ("missing", None, None, 0, 0), id="a stream without a row"),
        pytest.param({"out": ([3.0, 1.0, 2.0], None)}, ("found", "out", 3, 3, 1), id="the last, not the best"),
        pytest.param({"out": ([1.0, NAN], None)}, ("not_finite", "out", 2, 2, 1), id="nan at the end"),
        pytest.param({"out": ([1.0, INF], None)}, ("not_finite", "out", 2, 2, 1), id="inf at the end"),
        pytest.param({"out": ([1.0, -INF], None)}, ("not_finite", "out", 2, 2, 1), id="-inf at the end"),
        pytest.param({"out": ([NAN, INF, 1.0], None)}, ("found", "out", 3, 3, 1), id="not finite before the end"),
        pytest.param(
            {"rank_2": ([1.0], None), "rank_10": ([2.0, 3.0], None)},
            ("found", "rank_10", 2, 3, 2),
            id="the last stream in natural order",
        ),
        pytest.param(
            {"stdout": ([], None), "stderr": ([1.0], None)},
            ("found", "stderr", 1, 1, 1),
            id="only streams that carry it count",
        ),
        pytest.param(
            {"a": ([1.0], [20]), "b": ([2.0], [10])}, ("found", "a", 1, 2, 2), id="the newest row, with times"
        ),
        pytest.param(
            {"a": ([1.0, 2.0, 3.0], [10, 30, 20])}, ("found", "a", 2, 3, 1), id="the newest row within a stream"
        ),
        pytest.param(
            {"a": ([1.0, 2.0, 3.0], [30, 30, 20])}, ("found", "a", 2, 3, 1), id="of equal times the later row"
        ),
        pytest.param(
            {"trial_10": ([1.0], [10]), "trial_2": ([2.0, 3.0], [5, 10])},
            ("found", "trial_10", 1, 3, 2),
            id="of equal times the later stream",
        ),
        pytest.param(
            {"a": ([1.0, 2.0], [30, 20]), "b": ([3.0], [None])},
            ("found", "b", 1, 3, 2),
            id="one row without a time: names decide",
        ),
        pytest.param(
            {"a": ([3.0], [None]), "b": ([1.0, 2.0], [30, 20])},
            ("found", "b", 2, 3, 2),
            id="one row without a time: the last row decides",
        ),
        pytest.param(
            {"a": ([1.0, 2.0], [-30, -20]), "b": ([3.0], [-25])}, ("found", "a", 2, 3, 2), id="times before 1970"
        ),
    ],
)
def test_the_row_that_decides(streams, expected):
    assert decided(streams) == expected
    # what the streams are given in does not matter
    assert decided(dict(reversed(streams.items()))) == expected


def test_the_place_is_all_of_the_row():
    place = decide({"out": standing(table([1.0, 0.5], [1, 2]))}).place
    assert place == (0.5, 2, 20, 25, 2_000_000)
    assert decide({"out": standing(table([1.0]))}).place == (1.0, 1, 10, 15, None)


def test_a_time_in_an_early_batch_does_not_outlive_a_row_without_one():
    one = standing(table([1.0], [99]), table([2.0], [None], 2), table([3.0], [5], 3))
    assert one.newest is None
    assert decide({"out": one}).place.line == 3


rows = st.lists(
    st.tuples(st.floats(width=64), st.one_of(st.none(), st.integers(0, 3))), min_size=0, max_size=12
)  # few times, so that they tie


@given(rows, st.lists(st.integers(0, 12), max_size=4))
def test_how_rows_come_in_batches_does_not_matter(some, cuts):
    values, times = [value for value, _ in some], [time for _, time in some]
    whole = table(values, times)
    edges = [0, *sorted(min(cut, len(some)) for cut in cuts), len(some)]
    parts = [whole.slice(start, end - start) for start, end in itertools.pairwise(edges)]
    one, other = decide({"out": standing(whole)}), decide({"out": standing(*parts)})
    assert repr(one) == repr(other)


@given(st.dictionaries(st.sampled_from(["a", "b_2", "b_10", "c"]), rows))
def test_an_oracle_decides_the_same(streams):
    outcome = decide(
        {
            name: standing(table(*map(list, zip(*some, strict=True)))) if some else Standing()
            for name, some in streams.items()
        }
    )
    everything = [
        (natural(name), number, value, time)
        for name, some in streams.items()
        for number, (value, time) in enumerate(some, 1)
    ]
    if not everything:
        assert outcome.status == "missing"
        return
    if all(time is not None for *_, time in everything):
        (_, stream), line, value, _ = max(everything, key=lambda row: (row[3], row[0], row[1]))
    else:
        (_, stream), line, value, _ = max(everything, key=lambda row: row[:2])
    assert (outcome.stream, outcome.place.line, repr(outcome.place.value)) == (stream, line, repr(value))
    assert outcome.status == ("found" if math.isfinite(value) else "not_finite")
    assert outcome.streams == sum(bool(some) for some in streams.values())


# ---- names


def test_natural_order():
    names = ["trial_2", "trial_10", "trial_1", "10", "2", "a1b10", "a1b9", "trial", "", "x01", "x1"]
    expected = ["", "2", "10", "a1b9", "a1b10", "trial", "trial_1", "trial_2", "trial_10", "x01", "x1"]
    assert sorted(names, key=natural) == expected


@given(st.lists(st.text("0123456789ab²٣ \n", max_size=6), unique=True))
def test_natural_order_is_total(names):
    backwards = names[::-1]
    assert sorted(names, key=natural) == sorted(backwards, key=natural)
    assert len({natural(name) for name in names}) == len(names)


def test_the_nearest_name():
    assert nearest("val_los", ["loss", "val_loss", "acc"]) == "val_loss"
    assert nearest("throughput", ["loss", "acc"]) is None
    assert nearest("loss", []) is None
