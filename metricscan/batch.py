"""The schema of rows, and the core's columns as Arrow batches without a copy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pyarrow as pa

from metricscan import _core

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Rows of one metric: ``value`` as read; ``line`` counted as ``grep -n`` does; ``offset`` of the record and ``start`` of
#: the value in bytes of the decompressed input; ``time`` null where the source knows none.
SCHEMA = pa.schema(
    [
        pa.field("value", pa.float64(), nullable=False),
        pa.field("line", pa.int64(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("start", pa.int64(), nullable=False),
        pa.field("time", pa.timestamp("us", tz="UTC")),
    ]
)
#: Rows of a label: ``value`` is text.
LABEL_SCHEMA = SCHEMA.set(0, pa.field("value", pa.string(), nullable=False))
TIME = SCHEMA.field("time").type
_FLOAT, _INTEGER = pa.float64(), pa.int64()
BATCH_ROWS = 65_536
#: A batch costs some 40 microseconds amid a scan, and copying a row 12 ns.
FEW_ROWS = 4096
NO_TIME = -(2**63)

# A column of nulls needs memory all the same; all batches share this one. (`pyarrow.array` would import pandas, where that is
# installed, which takes longer than a scan.)
_NO_TIMES = pa.nulls(BATCH_ROWS, TIME)


#: Rows, then value, line, offset, start and time (or None) as buffers; a label's value is an array of string.
Columns: TypeAlias = tuple[int, Any, Any, Any, Any, Any]


def no_times(rows: int) -> pa.Array:
    """A time column of nulls; zero-copy up to 65,536 rows."""
    return _NO_TIMES.slice(0, rows) if rows <= BATCH_ROWS else pa.nulls(rows, TIME)


def from_columns(rows: int, value: Any, line: Any, offset: Any, start: Any, time: Any) -> pa.RecordBatch:
    """Columns that a stream has detached, or other buffers, as one batch. Zero-copy, but for times; it keeps them alive.

    A label's ``value`` is an array of string.
    """
    times = no_times(rows)
    if time is not None:
        micros = np.frombuffer(time, dtype=np.int64).copy()
        known = np.packbits(micros != NO_TIME, bitorder="little")
        times = pa.Array.from_buffers(TIME, rows, [pa.py_buffer(known), pa.py_buffer(micros)])
    is_label = isinstance(value, pa.Array)
    arrays = [value if is_label else pa.Array.from_buffers(_FLOAT, rows, [None, pa.py_buffer(value)])]
    arrays += [pa.Array.from_buffers(_INTEGER, rows, [None, pa.py_buffer(column)]) for column in (line, offset, start)]
    return pa.RecordBatch.from_arrays([*arrays, times], schema=LABEL_SCHEMA if is_label else SCHEMA)


def joined(parts: Sequence[Columns]) -> Columns:
    """The rows of several batches, none of which has times, as the columns of one; copied if there is more than one."""
    if len(parts) == 1:
        return parts[0]
    if not isinstance(parts[0][1], pa.Array):
        return _core.joined(list(parts))
    rows, values, *places, _ = zip(*parts, strict=True)
    line, offset, start = (np.concatenate([np.frombuffer(part, np.int64) for part in column]) for column in places)
    return sum(rows), pa.concat_arrays(values), line, offset, start, None


class Gathering:
    """Columns of few rows, kept back until together they are worth a batch."""

    __slots__ = ("_parts", "_rows")

    def __init__(self) -> None:
        self._parts: list[Columns] = []
        self._rows = 0

    def add(self, columns: Columns) -> list[Columns]:
        """What is to be handed on now that these rows follow."""
        if columns[0] >= FEW_ROWS:
            return [*self.take(), columns]
        self._parts.append(columns)
        self._rows += columns[0]
        return self.take() if self._rows >= FEW_ROWS else []

    def take(self) -> list[Columns]:
        """What was kept back, as the columns of one batch, if there is any."""
        parts, self._parts, self._rows = self._parts, [], 0
        return [joined(parts)] if parts else []


def in_pieces(batch: pa.RecordBatch) -> list[pa.RecordBatch]:
    """The batch as batches of at most 65,536 rows; zero-copy."""
    if batch.num_rows <= BATCH_ROWS:
        return [batch]
    return [batch.slice(at, BATCH_ROWS) for at in range(0, batch.num_rows, BATCH_ROWS)]
