"""Of a job that was tried several times, only the rows of the last attempt decide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metricscan.logs.attempts import superseded_parts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from metricscan.datasets.rows import Array, Rows


class LastAttempts:
    """Takes the rows of last attempts out of those of all.

    Parameters
    ----------
    superseded : mapping of (str, str) to int
        By job and stream, how many of the stream's first parts later attempts superseded.
    names : pyarrow.Array of string
        The names of the jobs, by number.
    """

    def __init__(self, superseded: Mapping[tuple[str, str], int], names: pa.Array) -> None:
        tried = pa.array([job for job, _ in superseded], pa.string())
        # index_in hashes all names, even to look up none
        numbers = pc.index_in(tried, names).to_pylist() if superseded else []
        self._parts = [
            (number, stream, parts)
            for number, ((_, stream), parts) in zip(numbers, superseded.items(), strict=True)
            if number is not None
        ]
        self._jobs = np.unique(np.array([number for number, *_ in self._parts], np.int64))
        # for so many names of streams: one integer per job and stream in ascending order, and the parts of each
        self._known = -1
        self._keys: Array = np.empty(0, np.int64)
        self._first: Array = np.empty(0, np.int64)

    def of(self, rows: Rows, streams: pa.Array) -> Rows:
        """The rows that count; ``streams`` are the names of the streams, by number."""
        if not len(self._jobs) or not len(rows.job):
            return rows
        tried = np.flatnonzero(np.isin(rows.job, self._jobs))
        if not tried.size:
            return rows
        self._number(streams)
        keys = rows.job[tried].astype(np.int64) * len(streams) + rows.stream[tried]
        at = np.minimum(np.searchsorted(self._keys, keys), max(len(self._keys) - 1, 0))
        part = np.zeros(len(tried), np.int64) if rows.part is None else rows.part[tried]
        if not len(self._keys):
            return rows
        gone = tried[(self._keys[at] == keys) & (part < self._first[at])]
        if not gone.size:
            return rows
        kept = np.ones(len(rows.job), dtype=bool)
        kept[gone] = False
        return rows.take(kept)

    def _number(self, streams: pa.Array) -> None:
        if self._known == len(streams):
            return
        self._known = len(streams)
        numbers = {name: number for number, name in enumerate(streams.to_pylist())}
        some = sorted(
            (job * len(streams) + numbers[stream], parts) for job, stream, parts in self._parts if stream in numbers
        )
        self._keys = np.array([key for key, _ in some], np.int64)
        self._first = np.array([parts for _, parts in some], np.int64)


def superseded_in(tables: Any, jobs: Iterable[Any] = ()) -> Mapping[tuple[str, str], int]:
    """By job and stream, how many first parts do not count: as the tables say, else the jobs, as far as they have logs."""
    known = getattr(tables, "superseded", None)
    return superseded_parts(job for job in jobs if hasattr(job, "logs")) if known is None else known
