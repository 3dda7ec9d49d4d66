"""The core's columns as Arrow batches, without a copy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from metricscan import _core
from metricscan.scanning.schema import BATCH_ROWS, LABEL_SCHEMA, NO_TIME, SCHEMA, TIME

if TYPE_CHECKING:
    from collections.abc import Sequence

# The first batch after a block costs some 25 microseconds, and copying a row 5 ns.
FEW_ROWS = 4096
# A batch costs 2 microseconds through the C data interface (25 with cold caches), and 10 (44) from Python's buffers.
_imported = pa.RecordBatch._import_from_c


def from_columns(columns: _core.Columns, time: Any = None) -> pa.RecordBatch:
    """Columns that a stream has detached as one batch, zero-copy.

    Parameters
    ----------
    columns : _core.Columns
        Their memory lives as long as anything that is made of it.
    time : int64 array-like, optional
        Microseconds since the epoch, or ``NO_TIME``, in place of the times that the columns have. Times are copied.

    Returns
    -------
    pyarrow.RecordBatch
        Of ``SCHEMA``, or of ``LABEL_SCHEMA`` if the columns have texts.
    """
    batch = _imported(columns.export(), SCHEMA)
    if time is None and columns.has_times:
        time = np.asarray(columns)[4]
    if time is None and columns.texts is None:
        return batch
    value, *places, times = batch.columns
    if time is not None:
        micros = np.array(time, dtype=np.int64)
        known = np.packbits(micros != NO_TIME, bitorder="little")
        times = pa.Array.from_buffers(TIME, len(micros), [pa.py_buffer(known), pa.py_buffer(micros)])
    if columns.texts is not None:
        return pa.RecordBatch.from_arrays([columns.texts, *places, times], schema=LABEL_SCHEMA)
    return pa.RecordBatch.from_arrays([value, *places, times], schema=SCHEMA)


def joined(parts: Sequence[_core.Columns]) -> _core.Columns:
    """Join columns without times to the columns of one batch; the rows are copied if there is more than one part."""
    if len(parts) == 1:
        return parts[0]
    columns = _core.joined(list(parts))
    if parts[0].texts is not None:
        columns.texts = pa.concat_arrays([part.texts for part in parts])
    return columns


def appended(batch: pa.RecordBatch, more: pa.RecordBatch) -> pa.RecordBatch:
    """The rows of both; a copy."""
    (whole,) = pa.Table.from_batches([batch, more]).combine_chunks().to_batches()
    return whole


class Gathering:
    """Collects columns of few rows until together they are enough for a batch."""

    __slots__ = ("_parts", "_rows")

    def __init__(self) -> None:
        self._parts: list[_core.Columns] = []
        self._rows = 0

    def add(self, columns: _core.Columns) -> list[_core.Columns]:
        """Add the next rows, and return the columns to hand on now, in order."""
        if columns.rows >= FEW_ROWS:
            return [*self.take(), columns]
        self._parts.append(columns)
        self._rows += columns.rows
        return self.take() if self._rows >= FEW_ROWS else []

    def take(self) -> list[_core.Columns]:
        """Return the collected rows as the columns of one batch; an empty list without rows."""
        parts, self._parts, self._rows = self._parts, [], 0
        return [joined(parts)] if parts else []


def in_pieces(batch: pa.RecordBatch) -> list[pa.RecordBatch]:
    """The batch as batches of at most 65,536 rows; zero-copy."""
    if batch.num_rows <= BATCH_ROWS:
        return [batch]
    return [batch.slice(at, BATCH_ROWS) for at in range(0, batch.num_rows, BATCH_ROWS)]
