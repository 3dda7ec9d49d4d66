"""Runs that records of the log begin (``run_start``): beside the oracle, in replays and datasets."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import ranking_oracle
from support.ranking_oracle import Row

import metricscan
from metricscan import Objective, OptionError, Scanner, rank_groups
from metricscan.definitions.blocks import BLOCK, RUN
from metricscan.ranking.ranking import rank

SCANNER = Scanner([r"loss=loss (\S+)", r"epoch=epoch (\S+)"])
FOLDS = "fold 0\nepoch 1 loss 5\nepoch 2 loss 3\nfold 1\nepoch 1 loss 2\nepoch 2 loss 6\nfold 2\nepoch 1 loss 4\n"


def table_of(rows):
    columns = {"stream": [row.stream for row in rows], "job": ["a"] * len(rows)}
    columns |= {name: [getattr(row, name) for row in rows] for name in ("value", "line", "offset", "start", "part")}
    types = [pa.string(), pa.string(), pa.float64(), pa.int64(), pa.int64(), pa.int64(), pa.int32()]
    arrays = [pa.array(column, kind) for column, kind in zip(columns.values(), types, strict=True)]
    return pa.table([*arrays, pa.nulls(len(rows), pa.timestamp("us", "UTC"))], names=[*columns, "time"])


records = st.lists(st.tuples(st.sampled_from(["row", "row", "step", "step", "start"]), st.integers(0, 4)), max_size=4)


@given(
    st.dictionaries(
        st.tuples(st.sampled_from(["out", "err"]), st.integers(0, 1)), st.lists(records, max_size=6), max_size=3
    ),
    st.sampled_from(["purge", "split"]),
    st.sampled_from(["last", "min", "mean", "last-2", "best@2"]),
    st.sampled_from(["last", "first", "mean", "all"]),
    st.sampled_from(["before", "after"]),
)
def test_a_naive_oracle_ranks_the_same(logs, restarts, scope, per_step, place):
    found = {"row": [], "step": [], "start": []}
    for (stream, part), log in logs.items():
        for line, record in enumerate(log, 1):
            for column, (kind, number) in enumerate(record):
                found[kind].append(Row(stream, float(number), line, 100 * line, 100 * line + column, part=part))
    rows = []
    for row in found["row"]:
        steps, starts = ([one for one in found[kind] if one.stream == row.stream] for kind in ("step", "start"))
        if restarts == "split":
            own = ranking_oracle.run_between(row, starts)
            steps = [one for one in steps if ranking_oracle.run_between(one, starts) == own]
        step = ranking_oracle.step_row_in_force(row, steps, place)
        run = ranking_oracle.run_by_records(row, step, steps, starts, restarts)
        rows.append(row._replace(step=None if step is None else step.value, run=run))
    objective = Objective("loss", "Minimize", scope, "epoch", place, per_step, restarts=restarts)
    tables = {"loss": table_of(found["row"]), "epoch": table_of(found["step"]), RUN: table_of(found["start"])}
    table = rank(tables, objective).to_pylist()
    counting = ranking_oracle.counting(rows, per_step)
    status, value, row, _ = ranking_oracle.outcome(counting, "Minimize", scope, exact=True)
    if not any(found.values()):
        assert table == []
        return
    assert (table[0]["value"], table[0]["line"]) == (value, row and row.line)
    if status != "missing":
        assert (table[0]["part"], table[0]["run"]) == (row.part + row.run, row.run if restarts == "split" else None)


def replayed(folder, text, **options):
    (folder / "a.log").write_text(text)
    given = {"scope": "min", "restarts": "split"} | options.pop("objective", {})
    objective = Objective("loss", "Minimize", step="epoch", **given)
    return metricscan.replay(folder / "a.log", SCANNER, objective=objective, **options)


def test_each_fold_is_a_part(tmp_path):
    result = replayed(tmp_path, FOLDS, run_start="^fold", out=tmp_path / "out")
    row = result.ranking.to_pylist()[0]
    assert (row["value"], row["line"], row["part"], row["run"]) == (2.0, 5, 1, 1)
    assert result[RUN]["line"].to_pylist() == [1, 4, 7]
    for tables in (result, tmp_path / "out"):
        assert repr(rank(tables, result_objective(result)).to_pylist()) == repr(result.ranking.to_pylist())
    mean = Objective("loss", "Minimize", "mean", "epoch", restarts="split")
    assert rank(result, mean)["value"].to_pylist() == rank(tmp_path / "out", mean)["value"].to_pylist() == [4.0]


def result_objective(result):
    return Objective("loss", "Minimize", "min", "epoch", restarts="split")


def test_a_run_that_begins_at_a_later_step_replaces_what_stands_from_there_on(tmp_path):
    text = "start\nepoch 1 loss 5\nepoch 2 loss 1\nstart\nepoch 2 loss 3\nepoch 3 loss 4\n"
    # the step does not go back: only the record says so
    assert replayed(tmp_path, text, run_start="^start$", objective={"restarts": "purge"}).best.value == 3.0
    assert replayed(tmp_path, text, objective={"restarts": "purge", "per_step": "first"}).best.value == 1.0


def test_a_pattern_that_begins_no_run_is_told(tmp_path):
    result = replayed(tmp_path, FOLDS, run_start="^Fold")
    assert [one.message for one in result.notices] == [
        "no record begins a run: what --run-start (run_start) gives matches none"
    ]
    assert result.ranking["run"].to_pylist() == [0]


@pytest.mark.parametrize("run_start", ["", 5, "("])
def test_what_is_no_pattern(tmp_path, run_start):
    with pytest.raises((OptionError, metricscan.DefinitionError)):
        replayed(tmp_path, FOLDS, run_start=run_start)


def test_a_metric_may_not_have_the_name_of_the_table(tmp_path):
    (tmp_path / "a.log").write_text(FOLDS)
    with pytest.raises(OptionError, match=r"a definition is called '\(run\)'"):
        metricscan.replay(tmp_path, Scanner([{"Name": RUN, "Regex": "loss (.)"}]), run_start="fold")


def test_what_purge_drops_counts_nowhere(tmp_path):
    scanner = Scanner([r"loss=loss (\S+)", r"epoch=epoch (\S+)", r"acc=acc (\S+)"])
    text = "epoch 1 loss 5 acc 1\nepoch 2 loss 4 acc 2\nepoch 3 acc 3\nepoch 2 loss 3\nepoch 3 loss 2\n"
    (tmp_path / "a.log").write_text(text)
    formula = Objective("loss - last(acc)", "Minimize", "min", "epoch", is_formula=True, restarts="purge")
    result = metricscan.replay(tmp_path / "a.log", scanner, objective=formula, at_best="acc", out=tmp_path / "out")
    assert result.best.value == 1.0
    assert (result.best.at_best["acc"].value, result.best.at_best["acc"].same_step) == (1.0, False)
    assert rank(tmp_path / "out", formula, at_best="acc").equals(result.ranking)
    # of several runs, the value before the deciding row is one of its own run
    split = Objective("loss", "Minimize", "min", "epoch", restarts="split")
    assert result.rank(split, at_best="acc")["at_best.acc"].to_pylist() == [None]


def test_each_run_counts_as_a_job(tmp_path):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "a.log").write_text(FOLDS)
    (tmp_path / "logs" / "b.log").write_text(FOLDS.replace("loss 2", "loss 9"))
    objective = Objective("loss", "Minimize", "min", "epoch", restarts="split")
    for run_start in ("^fold", None):
        result = metricscan.replay(
            tmp_path / "logs", SCANNER, run_start=run_start, out=tmp_path / "out", overwrite=True
        )
        for tables in (result, tmp_path / "out"):
            groups = rank_groups(tables, objective, over="run").to_pylist()
            numbers = [(row["group"], row["mean"], row["n"], row["best_job"]) for row in groups]
            assert numbers == [("a", 3.0, 3, "a [run=1]"), ("b", 13 / 3, 3, "b [run=0]")]
    with pytest.raises(OptionError, match="no job has the hyperparameter 'run'") as caught:
        rank_groups(result, Objective("loss", "Minimize", step="epoch"), over="run")
    assert "restarts='split'" in caught.value.hint


def test_a_hyperparameter_or_a_metric_may_be_called_run(tmp_path):
    (tmp_path / "lr=1,run=1.log").write_text(FOLDS)
    (tmp_path / "lr=1,run=2.log").write_text(FOLDS)
    objective = Objective("loss", "Minimize", "min", "epoch", restarts="split")
    result = metricscan.replay(tmp_path, SCANNER)
    assert rank_groups(result, objective, over="run")["jobs"].to_pylist() == [2]
    scanner = Scanner([*SCANNER.definitions, r"run=fold (\d)"])
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "a.log").write_text(FOLDS)
    assert rank_groups(metricscan.replay(tmp_path / "logs", scanner), objective, over="run")["jobs"].to_pylist() == [3]


@given(
    st.dictionaries(
        st.tuples(st.sampled_from(["out", "err"]), st.integers(0, 1)), st.lists(records, max_size=6), max_size=3
    ),
    st.booleans(),
    st.sampled_from(["before", "after", "block"]),
)
def test_the_best_run_has_the_value_of_its_job(logs, by_records, place):
    found = {"row": [], "step": [], "start": []}
    for (stream, part), log in logs.items():
        for line, record in enumerate(log, 1):
            for column, (kind, number) in enumerate(record):
                found[kind].append(Row(stream, float(number), line, 100 * line, 100 * line + column, part=part))
    tables = {"loss": table_of(found["row"]), "epoch": table_of(found["step"]), BLOCK: table_of([])}
    if by_records:
        tables[RUN] = table_of(found["start"])
    objective = Objective("loss", "Minimize", "min", "epoch", place, restarts="split")
    values = [row["value"] for row in rank(tables, objective).to_pylist()]
    groups = rank_groups(tables, objective, over="run", group_value="best").to_pylist()
    assert [row["best"] for row in groups] == [value for value in values if value is not None or found["step"]]
