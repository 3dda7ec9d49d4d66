"""Objectives that are formulas of metrics, or the nearest value to a target; beside a naive oracle, on every path."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import ranking_oracle
from support.folders import tree
from support.ranking_oracle import Row

import metricscan
from metricscan import Objective, OptionError, Scanner, compare_scopes, rank_groups
from metricscan.definitions.objective import RESTARTS

SCANNER = Scanner([r"loss=loss=(\S+)", r"epoch=epoch=(\S+)", r"acc=acc=(\S+)", r"params=params=(\S+)"])


def replayed(folder, logs, objective, **options):
    tree(folder, {f"logs/{name}": text for name, text in logs.items()})
    options = {"objective": objective, "job": "dir", "overwrite": True} | options
    return metricscan.replay(folder / "logs", SCANNER, out=folder / "out", **options)


def formula(text, goal="Minimize", **options):
    return Objective(text, goal, **{"step": "epoch", "is_formula": True, **options})


def said(table, *columns):
    return [tuple(row.values()) for row in table.select(["job", "value", *columns]).to_pylist()]


LOGS = {
    "a/out": "params=100\nepoch=1 loss=3\nacc=0.5\nepoch=2 loss=1\nacc=0.25\nepoch=3 loss=0\n",
    "b/out": "params=1\nepoch=1 loss=2\nacc=0.5\nacc=0.75\nepoch=2 acc=1\n",
    "c/out": "epoch=1 loss=7\nepoch=2 acc=1\n",
    "d/out": "epoch=1 loss=7\n",
}


def test_metrics_are_combined_at_a_step(tmp_path):
    found = replayed(tmp_path, LOGS, formula("loss - acc"))
    assert said(found.ranking, "objective_status", "step", "line", "rows") == [
        ("a", 0.75, "found", 2.0, 5, 2),
        ("b", 1.25, "found", 1.0, 4, 1),
        ("c", None, "missing", None, None, 0),
        ("d", None, "missing", None, None, 0),
    ]
    # how the value came about
    assert {name: one.value for name, one in found.best.at_best.items()} == {"loss": 1.0, "acc": 0.25}
    assert [notice.message for notice in found.notices] == [
        (
            "in 1 job 'loss' and 'acc' share no step of a stream, so 'loss - acc' has no value: "
            "last(NAME) in the formula takes the last value of a metric, whatever its step"
        )
    ]
    for tables in (found, tmp_path / "out"):
        assert metricscan.rank(tables, formula("loss - acc")).equals(found.ranking)
    assert replayed(tmp_path, LOGS, formula("loss - acc"), keep=False).ranking.equals(found.ranking)


def test_the_last_value_of_a_metric_whatever_its_step(tmp_path):
    found = replayed(tmp_path, LOGS, formula("loss + 0.1*last(params)", scope="best"))
    assert said(found.ranking) == [("b", 2.1), ("a", 10.0), ("c", None), ("d", None)]
    assert metricscan.rank(tmp_path / "out", formula("loss + 0.1*last(params)", scope="best")).equals(found.ranking)
    alone = Objective("last(loss) * 2", "Minimize", is_formula=True)
    assert said(metricscan.rank(tmp_path / "out", alone)) == [("a", 0.0), ("b", 4.0), ("c", 14.0), ("d", 14.0)]


def test_a_formula_of_one_metric_needs_no_step(tmp_path):
    found = replayed(tmp_path, LOGS, Objective("-abs(loss)", "Maximize", is_formula=True))
    assert said(found.ranking, "rows", "line") == [
        ("a", -0.0, 3, 6),
        ("b", -2.0, 1, 2),
        ("c", -7.0, 1, 1),
        ("d", -7.0, 1, 1),
    ]


def test_what_has_no_value_at_a_step_is_not_finite(tmp_path):
    found = replayed(tmp_path, {"a/out": "epoch=1 loss=-1 acc=1\n"}, formula("log(loss) + acc"))
    assert said(found.ranking, "objective_status", "not_finite") == [
        ("a", pytest.approx(math.nan, nan_ok=True), "not_finite", 1)
    ]


def test_streams_are_not_mixed(tmp_path):
    logs = {"a/out": "epoch=1 loss=1\n", "a/err": "epoch=1 acc=1\n", "b/out": "epoch=1 loss=1\nacc=2\n"}
    found = replayed(tmp_path, logs, formula("loss + acc"))
    assert said(found.ranking) == [("b", 3.0), ("a", None)]
    assert "in 1 job 'loss' and 'acc' share no step of a stream" in found.notices[0].message


def test_per_step_decides_which_values_are_combined(tmp_path):
    logs = {"a/out": "epoch=1 loss=1\nloss=2\nacc=10\nacc=20\n"}
    for per_step, expected in [("last", 22.0), ("first", 11.0), ("mean", 16.5)]:
        found = replayed(tmp_path, logs, formula("loss + acc", per_step=per_step))
        assert said(found.ranking) == [("a", expected)]


def test_doubts_look_at_the_metrics_of_a_formula(tmp_path):
    scanner = Scanner([r"loss=loss=([0-9.]+)", r"acc=acc=([0-9.]+)", r"epoch=epoch=(\d+)"])
    tree(
        tmp_path,
        {
            "logs/a.log": "epoch=1 loss=1.5e-3 acc=1\n",
            "logs/b.log": "epoch=1 loss=3 acc=1\nacc=nan\n",
            "logs/c.log": "epoch=1 loss=5 acc=1\nepoch=2 loss=1.5e3\n",
        },
    )
    objective = formula("loss + acc")
    found = metricscan.replay(tmp_path / "logs", scanner, objective=objective, out=tmp_path / "out")
    kinds = {job: [doubt.kind for doubt in doubts] for job, doubts in found.doubts.items()}
    assert kinds == {"a": ["cut-value"], "b": ["diverged", "near-miss-after"]}
    assert metricscan.rank(tmp_path / "out", objective).equals(found.ranking)


def test_several_values_at_each_step_of_a_metric_are_a_doubt(tmp_path):
    log = "".join(f"epoch={epoch} loss=1\nacc=1\nacc={epoch}\n" for epoch in (2, 3, 4, 5))
    found = replayed(tmp_path, {"a/out": log, "b/out": log.replace("acc=1\n", "")}, formula("loss + acc"))
    assert {job: [doubt.kind for doubt in doubts] for job, doubts in found.doubts.items()} == {"a": ["values-per-step"]}
    assert metricscan.rank(tmp_path / "out", formula("loss + acc")).equals(found.ranking)


def test_the_nearest_value_to_a_target_is_the_best(tmp_path):
    logs = {
        f"{name}/out": text
        for name, text in {"a": "loss=-3\nloss=1\n", "b": "loss=-0.5\n", "c": "loss=0.5\nloss=9\n"}.items()
    }
    objective = Objective("loss", "Target", target=0)
    found = replayed(tmp_path, logs, objective)
    assert said(found.ranking, "rank") == [("b", -0.5, 1), ("a", 1.0, 2), ("c", 9.0, 3)]
    best = objective.under("best")
    assert said(found.rank(best), "rank") == [("b", -0.5, 1), ("c", 0.5, 1), ("a", 1.0, 3)]
    assert said(found.rank(best), "tied")[0][2] == 2
    assert compare_scopes(found, best, scopes=["last"])["regret"].to_pylist() == [0.0, 0.0]
    assert compare_scopes(found, objective, scopes=["first"])["best"].to_pylist() == ["b", "b"]
    assert said(metricscan.rank(tmp_path / "out", Objective("loss", "target", "min", target=-3))) == [
        ("a", -3.0),
        ("b", -0.5),
        ("c", 0.5),
    ]


def test_groups_of_a_target(tmp_path):
    logs = {
        f"lr={lr},seed={seed}/out": f"loss={loss}\n" for lr, seed, loss in [(1, 1, -3), (1, 2, 3), (2, 1, 1), (2, 2, 1)]
    }
    found = replayed(tmp_path, logs, Objective("loss", "Target", target=0.1))
    groups = rank_groups(found, Objective("loss", "Target", target=0.1), over="seed")
    assert groups.select(["group", "mean", "best", "worst"]).to_pylist() == [
        {"group": "lr=1", "mean": 0.0, "best": 3.0, "worst": -3.0},
        {"group": "lr=2", "mean": 1.0, "best": 1.0, "worst": 1.0},
    ]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("loss + acc", "Minimize"), "a formula of 2 metrics needs step=NAME"),
        (("loss + acc", "Minimize"), r"hint: last\(acc\) is the last value of 'acc' in the job, whatever its step"),
        (("loss +", "Minimize"), "the formula ends; a number, a metric or .* was expected at position 6"),
        (("loss", "Target"), r"goal='Target' needs target=NUMBER"),
    ],
)
def test_invalid_formulas(given, message):
    with pytest.raises(OptionError, match=message):
        Objective(*given, is_formula=True)


def test_invalid_targets():
    for options, message in [
        ({"goal": "Minimize", "target": 0}, "goal='Minimize' and target=0: 'Target' was expected"),
        ({"goal": "Target", "target": math.inf}, "target=inf: a number was expected"),
        ({"goal": "Target", "target": "0"}, "target='0': a number was expected"),
    ]:
        with pytest.raises(OptionError, match=message):
            Objective("loss", **options)
    with pytest.raises(OptionError, match="per_step='all' gives a formula several values at one step"):
        formula("loss + acc", per_step="all")


def test_names_that_are_no_metrics_are_errors_with_their_place(tmp_path):
    found = replayed(tmp_path, LOGS, Objective("loss", "Minimize"))
    with pytest.raises(
        OptionError, match=r"'los' is not among the metrics: .* at position 4\n(.|\n)*did you mean 'loss'"
    ):
        found.rank(formula("2 * los"))
    with pytest.raises(OptionError, match="'los' is not among the metrics"):
        metricscan.replay(tmp_path / "logs", SCANNER, objective=formula("2 * los"))


# ---- beside a naive oracle

tokens = st.sampled_from(
    [
        "epoch=1 ",
        "epoch=2 ",
        "epoch=3 ",
        "loss=1 ",
        "loss=0.5 ",
        "loss=nan ",
        "acc=1 ",
        "acc=2 ",
        "params=3 ",
        "\n",
        "\n",
        "\n",
    ]
)
logs = st.dictionaries(
    st.sampled_from(["a/out", "a/rank_2", "a/t.log", "a/t.log.1", "b/out"]),
    st.lists(tokens, max_size=14).map("".join),
    min_size=1,
)


@given(
    logs,
    st.sampled_from(["last", "best", "mean", "max", "best@2"]),
    st.sampled_from(["before", "after"]),
    st.sampled_from(["last", "first", "mean"]),
    st.sampled_from(["Minimize", "Target"]),
    st.sampled_from(RESTARTS),
)
def test_a_naive_oracle_combines_the_same(tmp_path_factory, logs, scope, place, per_step, goal, restarts):
    folder = tmp_path_factory.mktemp("formulas")
    target = 0.25 if goal == "Target" else None
    how = {"step_place": place, "per_step": per_step, "scope": scope, "target": target, "restarts": restarts}
    objective = formula("loss*2 - acc + last(params)", goal, **how)
    found = replayed(folder, logs, objective)
    expected = {}
    for job in {name.split("/")[0] for name in logs}:
        own = {
            name: [row for one, row in rows_of(found[name]) if one == job]
            for name in ("loss", "acc", "params", "epoch")
        }
        own = ranking_oracle.without_copies(own)
        stepped = ranking_oracle.joined(own, own["epoch"], ["loss", "acc", "params"], restarts, place)
        kept = {
            name: [row for row in ranking_oracle.counting(stepped[name], per_step) if row.step is not None]
            for name in ("loss", "acc")
        }
        last = [row for row in ranking_oracle.in_order(stepped["params"]) if row.run >= 0][-1:]
        made = []
        for one in kept["loss"]:
            for other in kept["acc"]:
                if (one.stream, one.run, one.step) == (other.stream, other.run, other.step) and last:
                    place_of = max(one, other, key=lambda row: (row.part, row.start))
                    made.append(place_of._replace(value=one.value * 2 - other.value + last[0].value, step=one.step))
        expected[job] = outcome(ranking_oracle.in_order(made), goal, scope, target)
    again = metricscan.rank(folder / "out", objective)
    not_kept = replayed(folder, logs, objective, keep=False).ranking
    for table in (found.ranking, again, not_kept):
        columns = ["job", "value", "objective_status", "step", "stream", "part", "line"]
        got = {row.pop("job"): tuple(row.values()) for row in table.select(columns).to_pylist()}
        assert repr(got) == repr({job: expected[job] for job in got})


def outcome(rows, goal, scope, target):
    """As the oracle of rankings says it; the nearest to a target is the least distance."""
    if goal == "Target" and scope.startswith("best"):
        values = {row: row.value for row in rows}
        moved = [row._replace(value=abs(row.value - target)) for row in rows]
        status, _, row, _ = ranking_oracle.outcome(moved, "Minimize", scope)
        if row is not None:
            row = next(one for one in values if (one.stream, one.part, one.start) == (row.stream, row.part, row.start))
            value = row.value
    else:
        status, value, row, _ = ranking_oracle.outcome(rows, "Minimize", scope)
    if row is None:
        return None, "missing", None, None, None, None
    return value, status, row.step, row.stream, row.part + row.run, row.line


def rows_of(table):
    return [
        (row["job"], Row(row["stream"], row["value"], row["line"], row["offset"], row["start"], part=row["part"]))
        for row in table.to_pylist()
    ]
