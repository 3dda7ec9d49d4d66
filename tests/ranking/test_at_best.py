"""Other metrics where a job's value was decided: at the step, else before it; beside a naive oracle, on every path."""

import math
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import at_best_oracle, ranking_oracle
from support.folders import tree
from support.ranking_oracle import Row

import metricscan
from metricscan import Objective, OptionError, Scanner
from metricscan.definitions.objective import PER_STEP, RESTARTS
from metricscan.ranking import in_pieces
from metricscan.ranking.at_best import AtBest

SCANNER = Scanner([r"loss=loss=(\S+)", r"epoch=epoch=(\S+)", r"acc=acc=(\S+)"], labels={"worker": r"\[(\d+)\]"})
BEST = Objective("loss", "Minimize", "best", "epoch")


def replayed(folder, logs, objective, at_best, **options):
    tree(folder, {f"logs/{name}": text for name, text in logs.items()})
    options = {"objective": objective, "at_best": at_best, "job": "dir", "overwrite": True} | options
    return metricscan.replay(folder / "logs", SCANNER, out=folder / "out", **options)


def read(table, name):
    """Value, mark, stream and line by job."""
    rows = table.select(["job", f"at_best.{name}", f"at_best.{name}.place"]).to_pylist()
    return {
        job: None if value is None else (value, place["same_step"], place["stream"], place["line"])
        for job, value, place in (row.values() for row in rows)
    }


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        pytest.param("epoch=1 loss=1 acc=5\nepoch=2 loss=2 acc=6\n", (5, True, 1), id="in its record"),
        pytest.param("epoch=1 loss=1\nacc=5\nepoch=2 loss=2\nacc=6\n", (5, True, 2), id="behind it, at its step"),
        pytest.param("epoch=1 loss=1\nacc=5\nacc=7\nepoch=2 loss=2\n", (7, True, 3), id="the last at its step"),
        pytest.param(
            "epoch=1 loss=3 acc=5\nepoch=2 loss=1\nepoch=3\nacc=6\n", (5, False, 1), id="the nearest before it"
        ),
        pytest.param("acc=4\nepoch=1 loss=1\nepoch=2 acc=6\n", (4, False, 1), id="before the first step"),
        pytest.param("epoch=1 loss=1\nepoch=2 acc=6\n", None, id="only later ones"),
        pytest.param("epoch=1 loss=1\n", None, id="none"),
        pytest.param("epoch=1 loss=1 acc=nan\n", (math.nan, True, 1), id="not a number"),
        pytest.param("acc=9 loss=1\nepoch=2 loss=2\n", (9, True, 1), id="a row without a step, in its record"),
        pytest.param(
            "epoch=5 loss=1 acc=1\nepoch=4 loss=3\nepoch=5 loss=0 acc=2\n", (2, True, 3), id="a step that is done again"
        ),
    ],
)
def test_the_value_there(tmp_path, log, expected):
    found = replayed(tmp_path, {"a/out": log}, BEST, "acc")
    value = read(found.ranking, "acc")["a"]
    assert repr(value) == repr(expected and (float(expected[0]), expected[1], "out", expected[2]))


def test_without_a_step_the_record_decides_else_what_stands_before(tmp_path):
    log = "acc=1\nloss=2 acc=3\nloss=1\nacc=9\n"
    for scope, expected in [
        ("first", (3, True, "out", 2)),
        ("min", (3, False, "out", 2)),
        ("mean", (3, False, "out", 2)),
    ]:
        found = replayed(tmp_path, {"a/out": log}, Objective("loss", "Minimize", scope), "acc")
        assert read(found.ranking, "acc") == {"a": expected}


def test_its_own_stream_comes_before_others(tmp_path):
    logs = {
        "a/out": "epoch=1 loss=1\nepoch=2 loss=2\n",
        "a/rank_2": "epoch=1 acc=2\n",
        "a/rank_10": "epoch=1 acc=10\n",
        "b/out": "epoch=1 loss=1\nepoch=1 acc=1\n",
        "b/rank_2": "epoch=1 acc=2\n",
        "c/out": "acc=0\nepoch=1 loss=1\n",
        "c/rank_2": "epoch=2 acc=2\n",
    }
    found = replayed(tmp_path, logs, BEST, "acc")
    assert read(found.ranking, "acc") == {
        "a": (10, True, "rank_10", 1),
        "b": (1, True, "out", 2),
        "c": (0, False, "out", 1),
    }


def test_pieces_of_a_rotated_log_are_one_stream(tmp_path):
    logs = {"a/t.log.1": "epoch=1 loss=1\n", "a/t.log": "acc=5\nepoch=2 loss=2\n"}
    found = replayed(tmp_path, logs, BEST, ["acc", "epoch"])
    place = found.ranking["at_best.acc.place"].to_pylist()[0]
    assert (place["part"], place["line"], place["step"]) == (1, 1, 1.0)
    assert found.best.at_best["epoch"] == AtBest(1.0, True, 1.0, "t.log", 0, 1, 0)


def test_jobs_without_a_value_have_none(tmp_path):
    found = replayed(tmp_path, {"a/out": "epoch=1 loss=1 acc=1\n", "b/out": "acc=3\n", "c/out": "x\n"}, BEST, "acc")
    assert read(found.ranking, "acc") == {"a": (1, True, "out", 1), "b": None, "c": None}
    assert found.best.at_best["acc"].value == 1
    assert replayed(tmp_path / "other", {"a/out": "acc=1\n"}, BEST, "acc").best is None


def test_names_that_cannot_be_looked_up(tmp_path):
    found = replayed(tmp_path, {"a/out": "epoch=1 loss=1 acc=1\n"}, BEST, ())
    assert not any(name.startswith("at_best") for name in found.ranking.column_names)
    assert found.best.at_best == {}
    with pytest.raises(OptionError, match=r"at_best='ac' is not among the metrics: .*\nhint: did you mean 'acc'"):
        found.rank(BEST, at_best="ac")
    with pytest.raises(OptionError, match="at_best='worker' is a label"):
        metricscan.rank(tmp_path / "out", BEST, at_best="worker")
    with pytest.raises(OptionError, match="at_best='acc' needs an objective"):
        metricscan.replay(tmp_path / "logs", SCANNER, at_best="acc")
    scanner = Scanner(["loss=loss=(.*)", "a=x", "a.place=x"])
    with pytest.raises(OptionError, match=r"at_best='a' and 'a.place': their columns would have one name"):
        metricscan.replay(tmp_path / "logs", scanner, objective=Objective("loss", "Minimize"), at_best=["a", "a.place"])


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
        "acc=3 ",
        "\n",
        "\n",
        "\n",
    ]
)
logs = st.dictionaries(
    st.sampled_from(["a/out", "a/rank_2", "a/rank_10", "a/t.log", "a/t.log.1", "b/out"]),
    st.lists(tokens, max_size=14).map("".join),
    min_size=1,
)


@given(
    logs,
    st.sampled_from(["last", "first", "best", "mean", "last-2", "max", "best@2"]),
    st.sampled_from([None, "before", "after"]),
    st.sampled_from(PER_STEP),
    st.sampled_from(RESTARTS),
    st.sampled_from([1, 3, 1 << 19]),
)
def test_a_naive_oracle_finds_the_same(tmp_path_factory, logs, scope, place, per_step, restarts, size):
    folder = tmp_path_factory.mktemp("at_best")
    step = "epoch" if place or "@" in scope else None
    options = {"step": step, "step_place": place or "before", "per_step": per_step if step else "last"}
    restarts = restarts if step else "keep"
    objective = Objective("loss", "Minimize", scope, restarts=restarts, **options)
    wanted = ["acc", "epoch", "loss"]
    found = replayed(folder, logs, objective, wanted)
    rows = {name: rows_of(found[name]) for name in wanted}
    names = [f"at_best.{name}{end}" for name in wanted for end in ("", ".place")]
    expected = {}
    for job in {name.split("/")[0] for name in logs}:
        own = {name: [row for one, row in rows[name] if one == job] for name in ("loss", "acc", "epoch")}
        own = ranking_oracle.without_copies(own)
        stepped = ranking_oracle.joined(own, own["epoch"], ["loss"], restarts, place or "before") if step else own
        counting = (
            ranking_oracle.counting(stepped["loss"], options["per_step"])
            if step
            else ranking_oracle.in_order(own["loss"])
        )
        deciding = ranking_oracle.outcome(counting, "Minimize", scope)[2]
        expected[job] = [
            described(at_best_oracle.at_best(deciding, stepped[name], options["per_step"], stepped=step is not None))
            for name in wanted
        ]
    again = {}
    with mock.patch.object(in_pieces, "PIECE_ROWS", size):
        again["not kept"] = replayed(folder, logs, objective, wanted, keep=False).ranking
        again["dataset"] = metricscan.rank(folder / "out", objective, at_best=wanted)
    for way, table in {"kept": found.ranking, "tables": found.rank(objective, at_best=wanted), **again}.items():
        got = {
            row["job"]: [described_columns(row[name], row[f"{name}.place"]) for name in names[::2]]
            for row in table.to_pylist()
        }
        assert repr(got) == repr({job: expected[job] for job in got}), way


def rows_of(table):
    return [
        (row["job"], Row(row["stream"], row["value"], row["line"], row["offset"], row["start"], part=row["part"]))
        for row in table.to_pylist()
    ]


def described(found):
    if found is None:
        return None
    value, same, row = found
    return (value, same, row.step, row.stream, row.part, row.line)


def described_columns(value, place):
    if place is None:
        return None
    return (value, place["same_step"], place["step"], place["stream"], place["part"], place["line"])
