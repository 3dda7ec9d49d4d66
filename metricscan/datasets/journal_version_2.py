"""How versions 1 and 2 of a journal wrote a commit: such segments are read, and no more written."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

import numpy as np

from metricscan.datasets.journal_commit import COMMIT, Replaced
from metricscan.datasets.journal_packing import Columns, Unpacker
from metricscan.datasets.journal_state import HAS_CHECKPOINT, HAS_CRASH, IS_WATCHED, crash_of_text
from metricscan.scanning.schema import NO_TIME

if TYPE_CHECKING:
    from collections.abc import Callable

    from metricscan.datasets.journal_state import State


def read_commit(
    payload: bytes,
    state: State,
    wanted: Callable[[str], Columns | None] | None = None,
    replaced: Callable[[Replaced], object] | None = None,
) -> None:
    """As :func:`metricscan.datasets.journal_commit.read_commit`."""
    if payload[0] != COMMIT:
        raise ValueError(f"a frame of kind {payload[0]} is of a newer version")
    data = Unpacker(payload, 1)
    state.unpack_news(data)
    names = list(state.metrics)
    for _ in range(data.number()):
        file = data.number()
        has = data.number()
        if has & HAS_CHECKPOINT:
            state.checkpoints[file] = _unpack_checkpoint(data, state.checkpoints[file])
        if has & HAS_CRASH:
            state.crashes[file] = crash_of_text(data.text())
        if not has & IS_WATCHED:
            state.watched[file] = False
        for _ in range(data.number()):
            gone = Replaced(file, data.number())
            if replaced is not None:
                replaced(gone)
        for _ in range(data.number()):
            metric, rows, size = data.number(), data.number(), data.number()
            state.rows[metric] += rows
            into = None if wanted is None else wanted(names[metric])
            if into is None:
                data.at += size
                continue
            _unpack_rows(data, file, rows, into, state.texts if state.labels[metric] else None)


def _unpack_checkpoint(data: Unpacker, before: bytes | None) -> bytes:
    """How much it has in common with the one before at their beginnings and at their ends, and the rest."""
    before = before or b""
    same, ends = data.number(), data.number()
    middle = data.blob()
    if same + ends > len(before):
        raise ValueError("a checkpoint refers to bytes that are not there")
    return before[:same] + middle + before[len(before) - ends :]


def _unpack_rows(data: Unpacker, file: int, rows: int, into: Columns, texts: list[str] | None) -> None:
    """Read rows whose places do not depend on others, and add them to those of their metric."""
    has_times = data.data[data.at]
    data.at += 1
    if texts is not None:
        numbers: array[int] = array("q")
        data.integers(numbers, rows)
        into.texts.extend([texts[number] for number in numbers])
    else:
        into.value.frombytes(data.next_bytes(8 * rows))
    first = len(into.offset)
    data.integers(into.line, rows)
    data.integers(into.offset, rows)
    data.integers(into.start, rows)
    into.file.extend([file] * rows)
    starts = np.frombuffer(into.start, np.int64)
    starts[first:] += np.frombuffer(into.offset, np.int64)[first:]
    # an array whose memory is exported cannot grow
    del starts
    if has_times:
        data.integers(into.time, rows)
    else:
        into.time.extend([NO_TIME] * rows)
