"""Open tables of rows, and check that they have the columns of rows."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from metricscan.datasets.dataset import Dataset
from metricscan.definitions.blocks import BLOCK
from metricscan.errors import OptionError, check_kind

_COLUMNS = ("job", "stream", "value", "line", "offset", "start", "time")


def opened_tables(tables: Any) -> Mapping[str, pa.Table]:
    """The tables by metric; a path is opened as a dataset."""
    if isinstance(tables, (str, os.PathLike)):
        return Dataset(tables)
    if not isinstance(tables, Mapping):
        raise TypeError(f"a mapping of tables, or the path of a dataset was expected, not {type(tables).__name__}")
    return tables


def checked(table: pa.Table, name: str) -> pa.Table:
    """The table itself; raises an OptionError if a column is missing, or is there twice."""
    if not isinstance(table, pa.Table):
        raise TypeError(f"the table of {name!r} is a {type(table).__name__}; a pyarrow.Table was expected")
    names = table.column_names
    missing = [one for one in _COLUMNS if one not in names]
    if missing:
        raise OptionError(f"the table of {name!r} has no column {', '.join(missing)}")
    twice = [one for one in (*_COLUMNS, "part") if names.count(one) > 1]
    if twice:
        raise OptionError(f"the table of {name!r} has more than one column {', '.join(twice)}")
    return table


def blocks_of(tables: Mapping[str, pa.Table]) -> pa.Table:
    """The table of the separators of blocks; a replay finds them now if it did not before.

    Raises
    ------
    OptionError
        The tables or the dataset hold none.
    """
    if BLOCK in tables:
        return checked(tables[BLOCK], BLOCK)
    find = getattr(tables, "blocks", None)
    if find is None:
        raise OptionError(
            f"step_place='block' needs the separators of blocks, a table {BLOCK!r}, and there is none",
            hint="replay the logs again with block=True (--step-place block)",
        )
    return checked(find(), BLOCK)


def is_label(table: pa.Table) -> bool:
    """Whether the values of a table are text."""
    check_kind(table, pa.Table)
    return bool(pa.types.is_string(table.schema.field("value").type))


def numeric(table: pa.Table, name: str) -> pa.Table:
    """The table itself; raises an OptionError if it holds the texts of a label."""
    if is_label(table):
        raise OptionError(f"{name!r} is a label: its values are text, numbers were expected")
    return table
