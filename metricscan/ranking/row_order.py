"""The order in which the rows of a job count: by time if all of them have one, else by the natural order of streams.

Rows of a stream count by their place in it. If the stream was rotated into several files, they count piece by piece, the oldest
first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

from metricscan.logs.natural import natural_ranks
from metricscan.scanning.schema import NO_TIME

if TYPE_CHECKING:
    from collections.abc import Callable

    from metricscan.datasets.rows import Array, Rows


class RowOrder(NamedTuple):
    """Rows of all jobs in the order in which they count, job by job."""

    row_at: Array | None  # int64, the index of the row at each position; None if the rows already are in order
    starts: Array  # int64, position of each job's first row
    ends: Array  # int64, one past its last row
    streams: Array  # int64, number of streams of each job


def ordered(rows: Rows, streams: Callable[[], pa.Array], *, untimed: bool) -> RowOrder:
    """The order of the rows; ``untimed`` says that the first job also had rows without a time, which were left out."""
    job, stream, part, index = rows.job, rows.stream, rows.part, None
    if (job[1:] < job[:-1]).any():
        index = _grouped(job)
        job, stream = job[index], stream[index]
        part = None if part is None else part[index]
    starts = np.flatnonzero(np.concatenate((np.ones(min(len(job), 1), dtype=bool), job[1:] != job[:-1])))
    ends = np.append(starts[1:], len(job)).astype(np.int64)[: len(starts)]
    carrying = np.ones(len(starts), dtype=np.int64)
    several = bool(((job[1:] == job[:-1]) & (stream[1:] != stream[:-1])).any())
    if several or part is not None:
        number = np.repeat(np.arange(len(starts)), ends - starts)
        rank = _stream_ranks(stream, streams()) if several else np.zeros(len(number), dtype=np.int64)
        same = number[1:] == number[:-1]
        goes_back = same & (rank[1:] < rank[:-1])
        if part is not None:
            goes_back |= same & (rank[1:] == rank[:-1]) & (part[1:] < part[:-1])
        if goes_back.any():
            by_stream = np.lexsort((rank, number) if part is None else (part, rank, number))
            index = by_stream if index is None else index[by_stream]
            rank = rank[by_stream]
        changes = np.flatnonzero((number[1:] == number[:-1]) & (rank[1:] != rank[:-1]))
        carrying += np.bincount(number[changes], minlength=len(starts))
    if not _are_places_rising(rows, index, starts):
        # another program than replay put the rows into this order
        rank = _stream_ranks(rows.stream, streams()) if several else rows.stream
        index = np.lexsort((rows.start, *(() if rows.part is None else (rows.part,)), rank, rows.job))
    if rows.time is not None and len(starts):
        time = rows.time if index is None else rows.time[index]
        mixed = np.logical_or.reduceat(time == NO_TIME, starts)
        mixed[0] |= untimed
        number = np.repeat(np.arange(len(starts)), ends - starts)
        time = np.where(mixed[number], 0, time)
        if ((number[1:] == number[:-1]) & (time[1:] < time[:-1])).any():
            by_time = np.lexsort((time, number))
            index = by_time if index is None else index[by_time]
    return RowOrder(index, starts, ends, carrying)


def job_order(rows: Rows, streams: Callable[[], pa.Array]) -> Array:
    """The indices of the rows in the order in which they count, job by job, as int64."""
    row_at = ordered(rows, streams, untimed=False).row_at
    return np.arange(len(rows.job)) if row_at is None else row_at


def _are_places_rising(rows: Rows, index: Array | None, starts: Array) -> bool:
    """Whether the rows of each piece of a stream are in the order of their places; ``starts`` are the first rows of jobs."""
    start = rows.start
    if index is not None:
        if (start[1:] >= start[:-1]).all():
            # as where the jobs take turns; a stable order keeps that, and the gather is the dear part
            return True
        start = start[index]
    goes_back = start[1:] < start[:-1]
    goes_back[starts[1:] - 1] = False
    before = np.flatnonzero(goes_back)
    after = before + 1
    if index is not None:
        before, after = index[before], index[after]
    for column in (rows.stream, rows.part):
        if column is not None:
            same = column[before] == column[after]
            before, after = before[same], after[same]
    return not before.size


def _grouped(job: Array) -> Array:
    """The stable order of job numbers. Sorting number and position as one integer is five times as fast as argsort."""
    bits = len(job).bit_length()
    if int(job.max()).bit_length() + bits > 63:
        return np.argsort(job, kind="stable")
    packed = (job.astype(np.int64) << bits) | np.arange(len(job))
    packed.sort()
    packed &= (1 << bits) - 1
    return packed


def _stream_ranks(stream: Array, names: pa.Array) -> Array:
    """The rank of each row's stream by the natural order of names."""
    used = np.zeros(len(names), dtype=bool)
    used[stream] = True
    ranks = np.zeros(len(names), dtype=np.int64)
    ranks[used] = natural_ranks(names.filter(pa.array(used)))
    return ranks[stream]
