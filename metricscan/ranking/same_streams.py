"""The same log twice within a job: streams with the same values at the same places, such as a log beside its print-out.

Of such streams one counts. Places may differ by what one of the logs has before the first value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from metricscan.logs.natural import natural
from metricscan.ranking.copies import LEAST_DISTINCT, LEAST_ROWS, MOST_ROWS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pyarrow as pa

    from metricscan.datasets.rows import Array, Rows
    from metricscan.ranking.deciding_row import Outcomes


class SameStreams:
    """The streams of jobs that are copies of other streams of the same job.

    Parameters
    ----------
    outcomes : Outcomes
        What was decided with all streams: only jobs with several are examined.
    rows : Rows
        The rows by which streams are found to be equal, those of the objective.
    others : sequence of Rows
        Rows of other metrics that count. A stream is a copy only if these are equal, too.
    streams : callable
        Returns the names of the streams by number; called only if streams are equal.
    """

    def __init__(self, outcomes: Outcomes, rows: Rows, others: Sequence[Rows], streams: Callable[[], pa.Array]) -> None:
        jobs = outcomes.job[(outcomes.streams > 1) & (outcomes.rows < MOST_ROWS)]
        self._copies: list[tuple[int, int]] = []
        self._size = int(max((int(one.stream.max(initial=0)) for one in (rows, *others)), default=0)) + 1
        if not len(jobs):
            return
        own = _Segments(rows, jobs, self._size)
        rest = [_Segments(one, jobs, self._size) for one in others]
        for group in own.with_equal_ends():
            names = streams()
            kept: list[int] = []
            for key in sorted(group, key=lambda key: natural(names[key % self._size].as_py())):
                if any(all(one.are_equal(key, other, own.shift(key, other)) for one in (own, *rest)) for other in kept):
                    self._copies.append((key // self._size, key % self._size))
                else:
                    kept.append(key)

    def __bool__(self) -> bool:
        return bool(self._copies)

    def without(self, rows: Rows) -> Rows:
        """The rows of all other streams."""
        keys = np.array([job * self._size + stream for job, stream in self._copies], dtype=np.int64)
        gone = np.isin(rows.job.astype(np.int64) * self._size + rows.stream, keys)
        return rows.take(~gone) if gone.any() else rows

    def counts(self, jobs: Array) -> Array:
        """How many streams of each of these jobs, which are in ascending order, are copies; int64."""
        copied = np.array([job for job, _ in self._copies], dtype=np.int64)
        return np.searchsorted(np.sort(copied), jobs, "right") - np.searchsorted(np.sort(copied), jobs)


class _Segments:
    """The rows of some jobs, stream by stream in the order of their places."""

    def __init__(self, rows: Rows, jobs: Array, size: int) -> None:
        at = np.flatnonzero(np.isin(rows.job, jobs))
        key = rows.job[at].astype(np.int64) * size + rows.stream[at]
        start, part = rows.start[at], None if rows.part is None else rows.part[at]
        is_same = key[1:] == key[:-1]
        is_ordered = (key[1:] > key[:-1]) | (is_same & (start[1:] >= start[:-1]))
        if part is not None or not is_ordered.all():
            order = np.lexsort((start, key) if part is None else (start, part, key))
            at, key, start = at[order], key[order], start[order]
            part = None if part is None else part[order]
        self._start, self._value = start, rows.value[at]
        # of a stream in several pieces, places are not comparable
        several = key[part > 0] if part is not None else key[:0]
        begins = np.flatnonzero(np.diff(key, prepend=-1))
        self._keys, self._begin = key[begins], begins
        self._end = np.append(begins[1:], len(key))
        self._is_whole = ~np.isin(self._keys, several)
        self._size = size

    def with_equal_ends(self) -> list[list[int]]:
        """Groups of streams of one job that may be equal: with as many rows, and equal ones first and last."""
        count = self._end - self._begin
        some = np.flatnonzero((count >= LEAST_ROWS) & self._is_whole)
        begin, last = self._begin[some], self._end[some] - 1
        bits = np.ascontiguousarray(self._value).view(np.int64)
        columns = (
            self._start[last] - self._start[begin],
            bits[last],
            bits[begin],
            count[some],
            self._keys[some] // self._size,
        )
        order = np.lexsort(columns)
        same = np.ones(max(len(order) - 1, 0), dtype=bool)
        for column in columns:
            same &= column[order][1:] == column[order][:-1]
        group = np.cumsum(np.concatenate(([True], ~same))) if len(order) else order
        numbers, sizes = np.unique(group, return_counts=True)
        found = []
        for number in numbers[sizes > 1].tolist():
            members = some[order[group == number]]
            values = self._value[self._begin[members[0]] : self._end[members[0]]]
            if len(np.unique(values)) >= LEAST_DISTINCT:
                found.append(self._keys[members].tolist())
        return found

    def shift(self, key: int, other: int) -> int:
        """By how much the first place of one stream is behind that of another."""
        return int(self._start[self._slice(key).start]) - int(self._start[self._slice(other).start])

    def are_equal(self, key: int, other: int, shift: int) -> bool:
        """Whether two streams have the same values at the same places, but for such a distance."""
        one, two = self._slice(key), self._slice(other)
        if one.stop - one.start != two.stop - two.start:
            return False
        return bool(
            (self._start[one] == self._start[two] + shift).all()
            and (self._value[one].view(np.int64) == self._value[two].view(np.int64)).all()
        )

    def _slice(self, key: int) -> slice:
        at = int(np.searchsorted(self._keys, key))
        if at == len(self._keys) or self._keys[at] != key:
            return slice(0, 0)
        return slice(int(self._begin[at]), int(self._end[at]))
