"""Which step the rows of a running job have, as they come: of whole batches, since a job may print 200,000 values a second.

The rules are those of ``scanning/stream_rows.py``, for streams without workers.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from metricscan.definitions.blocks import BLOCK

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pyarrow as pa

    from metricscan.datasets.rows import Array
    from metricscan.definitions.blocks import StepPlace

# Rows that wait for a step; of more the oldest are forgotten here, and are in the journal alone.
_MOST_WAITING_ROWS = 100_000


class SteppedRows(NamedTuple):
    """Rows of one file that were found together, by metric, and their steps; NaN stands for none."""

    found: Mapping[str, pa.RecordBatch]
    steps: Mapping[str, Array]


class JobSteps:
    """Gives the rows of one file their steps.

    Parameters
    ----------
    step : str
        The metric that counts the steps.
    place : {"before", "after", "block"}
        Which step a row has without one in its record. "block" needs the separators among the rows.
    last : float, optional
        The step in force: the newest one; under "block" that of the block.
    """

    def __init__(self, step: str, place: StepPlace, last: float | None = None) -> None:
        self._step = step
        self._place = place
        self._last = last
        self._waiting: deque[Mapping[str, pa.RecordBatch]] = deque()
        self._waiting_rows = 0

    def add(self, found: Mapping[str, pa.RecordBatch]) -> list[SteppedRows]:
        """The rows that have their step now, of these and of those before them.

        ``found`` are the next rows of the file, all those of each record.
        """
        counted, parting = found.get(self._step), found.get(BLOCK)
        start, offset, value = (
            (_EMPTY, _EMPTY, np.empty(0))
            if counted is None
            else (_array(counted, "start"), _array(counted, "offset"), _array(counted, "value"))
        )
        separators = _EMPTY if parting is None or self._place != "block" else _array(parting, "offset")
        blocks = _blocks(offset, separators)
        released = self._released(value, blocks, len(separators))
        # before the first and behind the last step of these rows there may be others
        has_last = self._last is not None
        offsets = np.concatenate([[-1], offset, [-1]])
        values = np.concatenate([[self._last if has_last else np.nan], value, [np.nan]])
        of_blocks = np.concatenate([[0 if has_last else -1], blocks, [-1]])
        known: dict[str, pa.RecordBatch] = {}
        steps: dict[str, Array] = {}
        waiting: dict[str, pa.RecordBatch] = {}
        for name, batch in found.items():
            if name == BLOCK:
                continue
            at_offset = _array(batch, "offset")
            before = np.searchsorted(start, _array(batch, "start"), side="right")
            behind = before + 1
            is_own = (offsets[before] == at_offset, offsets[behind] == at_offset)
            waits = np.zeros(len(before), dtype=bool)
            if self._place == "block":
                block = _blocks(at_offset, separators)
                is_in_block = (of_blocks[before] == block, of_blocks[behind] == block)
                at = np.select([is_own[0], is_own[1], *is_in_block], [before, behind, before, behind], default=-1)
                waits = (at < 0) & (block == len(separators))
                found_steps = np.where(at < 0, np.nan, values[at])
            elif self._place == "after":
                at = np.where(is_own[0], before, behind)
                waits = at == len(values) - 1
                found_steps = values[at]
            else:
                found_steps = values[np.where(~is_own[0] & is_own[1], behind, before)]
            # what waits stands behind the last step
            count = len(waits) - int(np.count_nonzero(waits))
            if count:
                known[name], steps[name] = batch.slice(0, count), found_steps[:count]
            if count < len(waits):
                waiting[name] = batch.slice(count)
        if len(value) and blocks[-1] == len(separators):
            self._last = float(value[-1])
        elif len(separators):
            self._last = None
        if waiting:
            self._wait(waiting)
        return [*released, SteppedRows(known, steps)] if known else released

    def end(self) -> list[SteppedRows]:
        """The rows that still wait for a step, at the end of the file: they have none."""
        return self._release(np.nan)

    def _released(self, values: Array, blocks: Array, separators: int) -> list[SteppedRows]:
        """The rows that waited for what came now: a step, or the end of their block."""
        if len(values) and not blocks[0]:
            return self._release(float(values[0]))
        return self._release(np.nan) if separators or len(values) else []

    def _release(self, step: float) -> list[SteppedRows]:
        waiting, self._waiting, self._waiting_rows = self._waiting, deque(), 0
        return [
            SteppedRows(one, {name: np.full(batch.num_rows, step) for name, batch in one.items()}) for one in waiting
        ]

    def _wait(self, rows: Mapping[str, pa.RecordBatch]) -> None:
        self._waiting.append(rows)
        self._waiting_rows += sum(batch.num_rows for batch in rows.values())
        while self._waiting_rows > _MOST_WAITING_ROWS and len(self._waiting) > 1:
            self._waiting_rows -= sum(batch.num_rows for batch in self._waiting.popleft().values())


def step_in_force(
    batches: Iterable[tuple[str, pa.RecordBatch]], step: str, place: StepPlace, stream: str
) -> float | None:
    """The step in force behind the rows of a stream that a journal holds; None if there is none.

    Parameters
    ----------
    batches
        The rows of the metric that counts the steps, and of the separators of blocks, as :meth:`JournalTables.batches` gives
        them.
    """
    newest: tuple[tuple[int, int], float] | None = None
    separated = (-1, -1)
    for name, batch in batches:
        of_stream = batch["stream"].dictionary.to_pylist()
        codes = batch["stream"].indices.to_numpy(zero_copy_only=False)
        at = np.flatnonzero(codes == of_stream.index(stream)) if stream in of_stream else _EMPTY
        if not len(at):
            continue
        row = int(at[-1])
        part, offset = batch["part"][row].as_py(), batch["offset"][row].as_py()
        if name == step:
            newest = (part, offset), batch["value"][row].as_py()
        else:
            separated = part, offset
    if newest is None or (place == "block" and newest[0] < separated):
        return None
    return newest[1]


_EMPTY: Array = np.empty(0, dtype=np.int64)


def _array(batch: pa.RecordBatch, name: str) -> Any:
    return batch[name].to_numpy(zero_copy_only=False)


def _blocks(offsets: Array, separators: Array) -> Array:
    """The number of the block of each record; a separator begins one."""
    return np.searchsorted(separators, offsets, side="right")
