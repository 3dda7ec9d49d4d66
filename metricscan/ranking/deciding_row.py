"""The deciding row of each job under a scope, for all jobs at once, by the rules of ``Objective``."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from metricscan.definitions.objective import parse_scope
from metricscan.ranking.row_order import ordered
from metricscan.ranking.sums import exact_sum, mean_of, means
from metricscan.scanning.schema import NO_TIME

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    from metricscan.datasets.rows import Array, Rows
    from metricscan.definitions.objective import Objective

FOUND, NOT_FINITE, MISSING = 0, 1, 2


class Outcomes(NamedTuple):
    """The objective of many jobs, one entry per job. All columns but the counts describe the deciding row.

    For a mean, the deciding row is the last row of its window. A job with rows has the ``status`` MISSING if none of them
    counts; its place is then that of its last row, without a meaning.
    """

    job: Array  # int, number of the job
    status: Array  # int8: FOUND, NOT_FINITE or MISSING
    value: Array  # float64
    rows: Array  # int64, number of rows
    not_finite: Array  # int64, number of rows that are not finite
    streams: Array  # int64, number of streams with rows
    stream: Array  # int, number of the stream
    line: Array  # int64
    offset: Array  # int64, in bytes
    step: Array  # float64, NaN without a step
    part: Array  # int32, number of the piece of a rotated stream
    stepless: Array  # int64, number of rows without a step; 0 if steps were not asked for
    start: Array  # int64, in bytes
    # the first row of the window of a mean; else the deciding row
    first_stream: Array
    first_part: Array
    first_start: Array


class Dropped(NamedTuple):
    """Totals of the rows of a job that were dropped because they can no longer decide."""

    rows: int = 0
    not_finite: int = 0
    untimed: bool = False
    total: int = 0  # the exact sum of the finite ones, in the unit of ``exact_sum``
    special: float = 0.0  # the sum of the others: NaN or an infinity


NOTHING = Dropped()


def decide(rows: Rows, objective: Objective, streams: Callable[[], pa.Array], dropped: Dropped = NOTHING) -> Outcomes:
    """Find the deciding row of every job that has rows.

    Parameters
    ----------
    rows : Rows
        All rows of some jobs, in any order. They have a ``step`` if the objective needs one.
    objective : Objective
    streams : callable
        Returns the names of the streams by number; called only if a job has several streams.
    dropped : Dropped
        The dropped rows of the first job.

    Returns
    -------
    Outcomes
        In the order of job numbers.
    """
    index, starts, ends, carrying = ordered(rows, streams, untimed=dropped.untimed)
    value = rows.value if index is None else rows.value[index]
    count = len(starts)
    bad = np.flatnonzero(~np.isfinite(value))

    def bad_between(begin: Array, end: Array) -> Array:
        return np.searchsorted(bad, end) - np.searchsorted(bad, begin)

    kind, number = parse_scope(objective.scope)
    at = ends - 1
    first = None
    if kind in ("last", "first"):
        at = at if kind == "last" else starts
        decided = value[at]
        status = np.where(np.isfinite(decided), FOUND, NOT_FINITE)
    elif kind in ("mean", "last-n"):
        begin = starts if kind == "mean" else np.maximum(starts, ends - int(min(number or 0, len(value))))
        first = begin
        left_out = dropped if kind == "mean" else NOTHING
        status = np.where(bad_between(begin, ends) > 0, NOT_FINITE, FOUND)
        if left_out.not_finite:
            status[0] = NOT_FINITE
        decided = _means(value, begin, ends, status, left_out)
    else:
        least = _is_least(kind, objective)
        counts = np.isfinite(value)
        within = None
        if kind == "best@k":
            step = rows.step if index is None or rows.step is None else rows.step[index]
            if step is None or number is None:
                raise AssertionError("best@k needs the steps of the rows and its k")
            within = step <= number
            counts &= within
        at, found = _extremes(value, counts, starts, ends, least=least)
        status = np.where(found, FOUND, NOT_FINITE)
        if within is not None:
            at, status = _within(within, at, status, starts, ends)
        decided = value[at]
    row_counts, bad_counts = ends - starts, bad_between(starts, ends)
    if count:
        row_counts[0] += dropped.rows
        bad_counts[0] += dropped.not_finite
    place = at if index is None else index[at]
    steps, stepless = np.full(count, np.nan), np.zeros(count, dtype=np.int64)
    if rows.step is not None:
        steps = rows.step[place]
        lacking = np.flatnonzero(np.isnan(rows.step if index is None else rows.step[index]))
        if lacking.size:
            stepless = np.searchsorted(lacking, ends) - np.searchsorted(lacking, starts)
    parts = np.zeros(len(value), np.int32) if rows.part is None else rows.part
    first = place if first is None else first if index is None else index[first]
    return Outcomes(
        rows.job[place],
        status.astype(np.int8),
        decided,
        row_counts,
        bad_counts,
        carrying,
        rows.stream[place],
        rows.line[place],
        rows.offset[place],
        steps,
        parts[place],
        stepless,
        rows.start[place],
        rows.stream[first],
        parts[first],
        rows.start[first],
    )


def mean_of_each(value: Array, begin: Array, end: Array) -> Array:
    """The mean of ``value[begin:end]`` for each window, as float64; NaN or infinite if the window holds such a value."""
    bad = np.flatnonzero(~np.isfinite(value))
    lost = np.searchsorted(bad, end) > np.searchsorted(bad, begin)
    return _means(value, begin, end, np.where(lost, NOT_FINITE, FOUND), NOTHING)


def drop_undecidable(rows: Rows, objective: Objective, dropped: Dropped) -> tuple[Rows, Dropped]:
    """Drop the rows of a single job that cannot decide, even if more rows arrive; not valid for ``best@k``.

    The kept rows stay in order. For each stream, they are the rows that would decide if the job had only this stream, both
    in the order of the stream and in the order of time. The row that decides over all streams is one of them; the mean of
    ``last-n`` is computed from them, and that of ``mean`` from them and the totals of the dropped rows.
    """
    kind, number = parse_scope(objective.scope)
    last_n = int(min(number or 0, len(rows.job))) if kind == "last-n" else 1
    wanted = np.argmin if _is_least(kind, objective) else np.argmax
    finite = np.isfinite(rows.value)
    kept = np.zeros(len(rows.job), dtype=bool)
    untimed = rows.time is None or bool((rows.time == NO_TIME).any())
    for stream in np.unique(rows.stream):
        own = np.flatnonzero(rows.stream == stream)
        own = own[np.lexsort((rows.start[own],) if rows.part is None else (rows.start[own], rows.part[own]))]
        orders = [own]
        if rows.time is not None and not untimed:
            orders.append(own[np.argsort(rows.time[own], kind="stable")])
        for order in orders:
            kept[order[0]] = True
            kept[order[-last_n:]] = True
            counting = order[finite[order]] if kind in ("min", "max", "best") else order[:0]
            if counting.size:
                kept[counting[wanted(rows.value[counting])]] = True
    gone = ~kept
    gone_values = rows.value[gone]
    gone_finite = finite[gone]
    with np.errstate(invalid="ignore"):
        special = dropped.special + float(gone_values[~gone_finite].sum())
    return rows.take(kept), Dropped(
        dropped.rows + int(gone.sum()),
        dropped.not_finite + int((~gone_finite).sum()),
        dropped.untimed or untimed,
        dropped.total + (exact_sum(gone_values[gone_finite]) if kind == "mean" else 0),
        special,
    )


def _is_least(kind: str, objective: Objective) -> bool:
    """Whether the least value is the best one under a scope that takes an extreme."""
    return kind == "min" or (kind.startswith("best") and objective.goal == "Minimize")


def _means(value: Array, begin: Array, end: Array, status: Array, dropped: Dropped) -> Array:
    decided = np.empty(len(begin))
    fine = np.flatnonzero(status == FOUND)
    if fine.size:
        decided[fine] = means(value, begin[fine], (end - begin)[fine])
    lost = np.flatnonzero(status == NOT_FINITE)
    if lost.size:
        # sum only infinities and NaN: finite values must not overflow into another infinity
        bad = np.flatnonzero(~np.isfinite(value))
        edges = np.empty(2 * lost.size, dtype=np.int64)
        edges[::2] = np.searchsorted(bad, begin[lost])
        edges[1::2] = np.searchsorted(bad, end[lost])
        with np.errstate(invalid="ignore"):
            special = np.add.reduceat(np.append(value[bad], 0.0), edges)[::2]
            # reduceat gives the first element for an empty window, not 0
            decided[lost] = np.where(edges[::2] < edges[1::2], special, 0.0)
            if lost[0] == 0:
                decided[0] += dropped.special
    if dropped.rows and status[0] == FOUND:
        window = value[begin[0] : end[0]]
        decided[0] = mean_of(dropped.total + exact_sum(window), len(window) + dropped.rows)
    return decided


def _extremes(value: Array, counts: Array, starts: Array, ends: Array, *, least: bool) -> tuple[Array, Array]:
    """The position of the first of each job's best values, and whether there is one; without one the position of its last row."""
    if not len(starts):
        return starts, np.zeros(0, dtype=bool)
    nothing = np.inf if least else -np.inf
    candidates = np.where(counts, value, nothing)
    best = (np.minimum if least else np.maximum).reduceat(candidates, starts)
    hits = np.flatnonzero((candidates == np.repeat(best, ends - starts)) & counts)
    found = np.isfinite(best)
    at = ends - 1
    if hits.size:
        first = hits[np.minimum(np.searchsorted(hits, starts), hits.size - 1)]
        at = np.where(found, first, at)
    return at, found


def _within(within: Array, at: Array, status: Array, starts: Array, ends: Array) -> tuple[Array, Array]:
    """Place and status of jobs that have no finite row among the counting ones: not finite if a row counts, else missing."""
    counting = np.flatnonzero(within)
    last = np.searchsorted(counting, ends) - 1
    some = last >= np.searchsorted(counting, starts)
    lost = status != FOUND
    status = np.where(lost & ~some, MISSING, status)
    if counting.size:
        at = np.where(lost & some, counting[np.maximum(last, 0)], at)
    return at, status
