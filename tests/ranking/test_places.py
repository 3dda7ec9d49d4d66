"""Rows that another program put into another order, and tables with other columns: never ranked by a row that is not meant."""

import itertools

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import metricscan
from metricscan import Objective, OptionError, Scanner, SourceError, replay

SCANNER = Scanner([r"epoch=epoch=(\d+)", r"loss=loss=(\S+)"])
SCOPES = ["last", "first", "min", "best", "mean", "last-2", "best@2"]


@pytest.fixture
def found(tmp_path):
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "a.log").write_text("epoch=1\nloss=0.9\nepoch=2\nloss=0.3\nepoch=3\nloss=0.6\n")
    (logs / "b.log").write_text("epoch=1\nloss=0.8\nepoch=2\nloss=0.7\nepoch=3\nloss=0.5\n")
    return replay(logs, SCANNER, out=tmp_path / "out")


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_rows_in_any_order_rank_the_same(found, order):
    indices = [*order, *(3 + at for at in order)]
    tables = {name: found[name].take(pa.array(indices)) for name in found}
    for scope in SCOPES:
        objective = Objective("loss", "minimize", scope, "epoch")
        assert metricscan.rank(tables, objective, jobs=found.jobs).equals(found.rank(objective)), scope
    assert metricscan.wide(tables, "epoch").equals(found.wide("epoch"))
    assert metricscan.curve(tables, "loss").equals(found.curve("loss"))


def test_a_dataset_that_was_sorted_by_value_ranks_the_same(found, tmp_path):
    for path in (tmp_path / "out").glob("*/part-0.parquet"):
        table = pq.read_table(path)
        job = table["job"].cast(pa.string())
        order = pc.sort_indices(
            pa.table({"job": job, "value": table["value"]}), [("job", "ascending"), ("value", "ascending")]
        )
        pq.write_table(table.take(order), path)
    for scope in SCOPES:
        objective = Objective("loss", "Minimize", scope, "epoch")
        assert metricscan.rank(tmp_path / "out", objective).equals(found.rank(objective)), scope


def test_columns_in_any_order(found):
    tables = {name: found[name].select(sorted(found[name].column_names, reverse=True)) for name in found}
    objective = Objective("loss", "Minimize", step="epoch")
    assert metricscan.rank(tables, objective, jobs=found.jobs).equals(found.rank(objective))


def test_a_column_that_is_there_twice(found, tmp_path):
    twice = found["loss"].append_column("value", found["loss"]["value"])
    for call in (
        lambda: metricscan.rank({"loss": twice}, Objective("loss", "Minimize")),
        lambda: metricscan.wide({"loss": twice}, None),
    ):
        with pytest.raises(OptionError, match="the table of 'loss' has more than one column value"):
            call()
    path = tmp_path / "out" / "loss" / "part-0.parquet"
    table = pq.read_table(path)
    pq.write_table(table.append_column("start", table["start"]), path)
    with pytest.raises(SourceError, match=r"part-0\.parquet has more than one column start"):
        metricscan.rank(tmp_path / "out", Objective("loss", "Minimize"))
