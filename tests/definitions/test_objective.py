"""The objective: its goals, its scopes, and the order of names."""

import dataclasses
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metricscan import Objective, OptionError
from metricscan.definitions.objective import GOALS, parse_scope
from metricscan.errors import nearest
from metricscan.logs.natural import natural, natural_order

# ---- the objective


def test_names_of_metrics_are_text():
    with pytest.raises(OptionError) as caught:
        Objective(None, "Minimize", step="")
    assert (
        caught.value.message
        == "metric=None: the name of a metric was expected; step='': the name of a metric was expected"
    )


@pytest.mark.parametrize(("goal", "meant"), [("min", "Minimize"), ("MAX", "Maximize"), ("less", None), (1, None)])
def test_a_goal_that_is_spelled_otherwise(goal, meant):
    with pytest.raises(OptionError) as caught:
        Objective("loss", goal)
    assert caught.value.hint == (None if meant is None else f"did you mean {meant!r}?")


@pytest.mark.parametrize(("goal", "better", "worse"), [("Minimize", 1.0, 2.0), ("Maximize", 2.0, 1.0)])
def test_better_is_what_the_goal_says(goal, better, worse):
    objective = Objective("loss", goal)
    assert objective.is_better(better, worse)
    assert not objective.is_better(worse, better)
    assert not objective.is_better(better, better)


@pytest.mark.parametrize("goal", ["minimize", "MINIMIZE", "miniMize"])
def test_a_goal_may_be_in_any_case(goal):
    objective = Objective("loss", goal)
    assert objective == Objective("loss", "Minimize")
    assert (objective.goal, hash(objective)) == ("Minimize", hash(Objective("loss", "Minimize")))
    assert objective.is_better(1, 2)
    assert objective.under("min").goal == "Minimize"


@pytest.mark.parametrize("goal", ["minimise", "min", "", "Minimize ", None])
def test_another_goal_is_an_error(goal):
    with pytest.raises(OptionError, match="'Minimize' or 'Maximize' was expected") as caught:
        Objective("loss", goal)
    assert f"goal={goal!r}" in str(caught.value)


@pytest.mark.parametrize(
    "scope",
    ["beste", "Last", "", "last-", "last-0", "last--1", "last-1.5", "last 5", "best@", "best@x", "best@nan", "best@1e3",
     "mean-5", " last", "last\n", "last-５", None, 5, "best@1..", "best@..2", "best@1...2", "ema:1", "ema:", "ema:-0.5",
     "ema:0.99999999999999999999", "ema:.", "window:0", "window:", "window:1.5"],
)  # fmt: skip
def test_another_scope_is_an_error(scope):
    with pytest.raises(
        OptionError,
        match=r"last, first, min, max, mean, last-N, best, best@K, best@A..B, ema:W or window:N was expected",
    ) as caught:
        Objective("loss", "Minimize", scope, step="epoch")
    assert f"scope={scope!r}" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "scope"),
    [
        ("last", ("last", None, None)),
        ("first", ("first", None, None)),
        ("min", ("min", None, None)),
        ("max", ("max", None, None)),
        ("mean", ("mean", None, None)),
        ("best", ("best", None, None)),
        ("last-1", ("last-n", 1, None)),
        ("last-500", ("last-n", 500, None)),
        ("best@100", ("best@k", 100.0, None)),
        ("best@-0.5", ("best@k", -0.5, None)),
        ("best@-2..1.5", ("best@k", 1.5, -2.0)),
        ("best@3..3", ("best@k", 3.0, 3.0)),
        ("ema:0", ("ema", 0.0, None)),
        ("ema:.95", ("ema", 0.95, None)),
        ("window:5", ("window", 5, None)),
    ],
)
def test_scopes(text, scope):
    assert parse_scope(text) == scope
    assert Objective("loss", "Minimize", step="epoch").under(text) == Objective("loss", "Minimize", text, "epoch")


def test_the_best_at_a_step_needs_one():
    with pytest.raises(OptionError, match="scope='best@5' needs step=NAME"):
        Objective("loss", "Minimize", "best@5")


def test_a_range_that_ends_before_it_begins():
    with pytest.raises(OptionError, match=r"scope='best@5\.\.2': it ends before it begins") as caught:
        Objective("loss", "Minimize", "best@5..2", "epoch")
    assert caught.value.hint == "best@2..5"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"per_step": "mean"}, "per_step='mean' needs step=NAME"),
        ({"per_step": "max", "step": "e"}, "per_step='max': one of last, first, mean, all was expected"),
        ({"from_step": 3}, "from_step=3 needs step=NAME"),
        ({"from_step": "3", "step": "e"}, "from_step='3': a number was expected"),
        ({"from_step": float("nan"), "step": "e"}, "from_step=nan: a number was expected"),
        ({"from_step": True, "step": "e"}, "from_step=True: a number was expected"),
    ],
    ids=str,
)
def test_options_of_steps(options, message):
    with pytest.raises(OptionError, match=message):
        Objective("loss", "Minimize", **options)


def test_all_errors_of_an_objective_come_together():
    with pytest.raises(OptionError) as caught:
        Objective("loss", "up", "beste")
    assert "goal='up'" in str(caught.value)
    assert "scope='beste'" in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_an_objective_is_a_value():
    objective = Objective("loss", GOALS[0])
    assert objective == Objective("loss", "Minimize", "last") != Objective("loss", "Maximize")
    assert len({objective, Objective("loss", "Minimize")}) == 1
    assert pickle.loads(pickle.dumps(objective)) == objective
    with pytest.raises(dataclasses.FrozenInstanceError):
        objective.goal = "Maximize"


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


@given(
    st.lists(
        st.lists(
            st.sampled_from(["a", "b", "\0", "~", "0", "00", "7", "10", "010", "9" * 253, "9" * 254, "é", "²", "٣"]),
            max_size=4,
        ).map("".join),
        max_size=6,
    )
)
def test_the_order_of_many_names_is_that_of_each(names):
    assert [names[index] for index in natural_order(names)] == sorted(names, key=natural)


def test_numbers_of_any_length():
    # int() refuses more than 4,300 digits
    long, longer = "9" * 5000, "1" + "0" * 5000
    names = [f"x{longer}", f"x{long}", "x" + "٣" * 5001, "x3", f"x{'0' * 6000}2", "x1"]
    for some in (names, names[:2] + names[3:]):
        expected = [name for name in ("x1", names[4], "x3", names[1], names[0], names[2]) if name in some]
        assert sorted(some, key=natural) == expected
        assert [some[index] for index in natural_order(some)] == expected


def test_equal_names_stay_as_they_are():
    assert natural_order(["b", "a", "b", "a"]) == [1, 3, 0, 2]
    assert natural_order(["é", "a", "é"]) == [1, 0, 2]
    assert natural_order([]) == []
