"""What a commit of a journal says: of each file its checkpoint, the crash with which it ends, replaced records, and rows.

A commit is written in as few bytes as it takes, since a log that grows slowly gives one row at a time. So what stands in it is
told from what stood before it in its segment: a checkpoint by the bytes that are others, the places of rows by how far they lie
from the last ones of their file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from metricscan.datasets._packing import unpack_difference
from metricscan.datasets.journal_packing import Columns, Unpacker, unpack_rows
from metricscan.datasets.journal_state import HAS_CHECKPOINT, HAS_CRASH, IS_WATCHED, State, crash_of_text

if TYPE_CHECKING:
    from collections.abc import Callable

# Texts, metrics, files and notices that were not named before stand at the beginning of a commit, or there are none.
COMMIT, COMMIT_WITHOUT_NEWS = 1, 3
# What an entry of a commit says of its file, besides HAS_CHECKPOINT, HAS_CRASH and IS_WATCHED; how many metrics have rows stands
# in the higher bits.
REPLACES = 8
METRICS_SHIFT = 4


class Replaced(NamedTuple):
    """The rows of a record that later rows replace: the number of its file, and its offset."""

    file: int
    offset: int


def read_commit(
    payload: bytes,
    state: State,
    wanted: Callable[[str], Columns | None] | None = None,
    replaced: Callable[[Replaced], object] | None = None,
) -> None:
    """Read a commit: the state becomes what it is behind it.

    Parameters
    ----------
    payload : bytes
    state : State
    wanted : callable, optional
        Gives the columns for the rows of a metric. Rows of metrics that have none are passed over.
    replaced : callable, optional
        Called with each record whose rows are replaced, before the rows that replace them are added.
    """
    data = Unpacker(payload, 1)
    if payload[0] == COMMIT:
        state.unpack_news(data)
    names = list(state.metrics)
    while data.at < len(payload):
        file = data.number()
        says = data.number()
        if says & HAS_CHECKPOINT:
            state.checkpoints[file], data.at = unpack_difference(payload, data.at, state.checkpoints[file] or b"")
        if says & HAS_CRASH:
            state.crashes[file] = crash_of_text(data.text())
        if not says & IS_WATCHED:
            state.watched[file] = False
        if says & REPLACES:
            for _ in range(data.number()):
                gone = Replaced(file, data.number())
                if replaced is not None:
                    replaced(gone)
        for _ in range(says >> METRICS_SHIFT):
            metric = data.number()
            texts = state.texts if state.labels[metric] else None
            into = None if wanted is None else wanted(names[metric])
            state.rows[metric] += unpack_rows(data, file, state.places, into, texts)
