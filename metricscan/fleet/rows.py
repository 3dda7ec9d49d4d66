"""Rows of metrics as they are within one process: a table per metric, in which names are dictionaries.

The table that engines move (``SCANNED``) has a name in each row. To make it, and to look rows up in it again, takes several
times as long as the scan if every tenth line has a value; so what needs no engine in between goes by these tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metricscan.datasets.rows import codes_of
from metricscan.fleet.tables import SCANNED, joined
from metricscan.scanning import schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from metricscan.datasets.rows import Array

_NAMES = pa.dictionary(pa.int32(), pa.string())
_PLACE = [
    pa.field("number", pa.int64()),
    pa.field("job", _NAMES),
    pa.field("stream", _NAMES),
    pa.field("part", pa.int32()),
    pa.field("since", pa.int64()),
]
ROWS, LABEL_ROWS = (pa.schema([*_PLACE, *one]) for one in (schema.SCHEMA, schema.LABEL_SCHEMA))


class Scan(NamedTuple):
    """What a scan found.

    Attributes
    ----------
    rows : dict of str to pyarrow.Table
        By metric; only those that have rows are keys.
    facts : pyarrow.Table
        What else is known, with ``SCANNED``.
    """

    rows: dict[str, pa.Table]
    facts: pa.Table

    def as_table(self) -> pa.Table:
        """All in one table, with ``SCANNED``."""
        return joined([*(_as_scanned(name, rows) for name, rows in self.rows.items()), self.facts], SCANNED)


class LogNames:
    """The columns that say to which log rows belong.

    Parameters
    ----------
    logs : sequence of mapping
        Rows of a table of logs.
    """

    def __init__(self, logs: Sequence[Mapping[str, Any]]) -> None:
        self._numbers = np.array([-1 if log["number"] is None else log["number"] for log in logs], np.int64)
        self._parts = np.array([log["part"] for log in logs], np.int32)
        self._since = [log["start"] for log in logs]
        self._jobs, self._streams = (
            pa.array([log[key] for log in logs], pa.string()).dictionary_encode() for key in ("job", "stream")
        )

    def rows(self, first: int, batch: pa.RecordBatch, counts: Any) -> pa.Table:
        """Rows of a metric in logs from the number ``first`` on, each of which has so many of them."""
        at = np.repeat(np.arange(first, first + len(counts)), counts)
        own = ROWS if pa.types.is_floating(batch.schema.field("value").type) else LABEL_ROWS
        numbers = self._numbers[at]
        columns: dict[str, Any] = {
            "number": pa.array(numbers, mask=numbers < 0),
            "part": pa.array(self._parts[at]),
            "since": pa.nulls(len(at), pa.int64()),
        }
        if self._since[first] is not None:
            # a range is scanned alone
            columns["since"] = pa.array(np.full(len(at), self._since[first]), pa.int64())
        for key, names in (("job", self._jobs), ("stream", self._streams)):
            codes = pa.array(names.indices.to_numpy()[at])
            columns[key] = pa.DictionaryArray.from_arrays(codes, names.dictionary)
        return pa.table([columns[key] if key in columns else batch.column(key) for key in own.names], schema=own)


def split(table: pa.Table) -> Scan:
    """The parts of a table with ``SCANNED``."""
    is_row = pc.is_in(table["kind"], pa.array(["value", "label"]))
    facts = table.filter(pc.invert(is_row))
    rows: dict[str, pa.Table] = {}
    if facts.num_rows < table.num_rows:
        given = table.filter(is_row)
        names, codes = codes_of(given["metric"], "metric")
        for number, name in enumerate(names.to_pylist()):
            own = given.take(pa.array(np.flatnonzero(codes == number)))
            is_label = own["kind"][0].as_py() == "label"
            to = LABEL_ROWS if is_label else ROWS
            columns = [
                _encoded(own[key]) if key in ("job", "stream") else own["text" if is_label and key == "value" else key]
                for key in to.names
            ]
            rows[name] = pa.table(columns, schema=to)
    return Scan(rows, facts)


def merged_rows(parts: Iterable[Mapping[str, pa.Table]]) -> dict[str, pa.Table]:
    """The rows of all parts, by metric."""
    found: dict[str, list[pa.Table]] = {}
    for part in parts:
        for name, rows in part.items():
            found.setdefault(name, []).append(rows)
    return {name: pa.concat_tables(some) for name, some in found.items()}


def numbers_in(column: pa.ChunkedArray, names: pa.Array) -> Array:
    """For each row the number of its name among these; -1 for another one."""
    own, codes = codes_of(column, "name")
    return pc.fill_null(pc.index_in(own, names), -1).to_numpy().astype(np.int64)[codes]  # type: ignore[no-any-return]


def _encoded(column: pa.ChunkedArray) -> pa.Array:
    names, codes = codes_of(column, "name")
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), names)


def _as_scanned(name: str, rows: pa.Table) -> pa.Table:
    size = rows.num_rows
    same = pa.array(np.zeros(size, np.int64))
    is_label = rows.schema.equals(LABEL_ROWS)
    columns = {
        "kind": pa.array(["label" if is_label else "value"]).take(same),
        "metric": pa.array([name]).take(same),
        "value": pa.nulls(size, pa.float64()) if is_label else rows["value"],
        "text": rows["value"] if is_label else pa.nulls(size, pa.string()),
        "note": pa.nulls(size, pa.large_string()),
        **{key: rows[key].cast(pa.string()) for key in ("job", "stream")},
    }
    return pa.table([columns[key] if key in columns else rows[key] for key in SCANNED.names], schema=SCANNED)
