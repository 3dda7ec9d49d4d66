"""The deciding row of each job under a scope, for all jobs at once, by the rules of ``Objective``."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from metricscan.definitions.objective import parse_scope
from metricscan.ranking.copies import SAMPLES, samples_of
from metricscan.ranking.per_step import Kept, one_per_step, several_values
from metricscan.ranking.row_order import ordered
from metricscan.ranking.smoothing import ema, window_means
from metricscan.ranking.sums import exact_sum, mean_of, mean_of_each
from metricscan.scanning.schema import NO_TIME

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pyarrow as pa

    from metricscan.datasets.rows import Array, Rows
    from metricscan.definitions.objective import Objective, Scope

FOUND, NOT_FINITE, MISSING = 0, 1, 2


class Places(NamedTuple):
    """Places of rows, one entry per row."""

    job: Array
    stream: Array
    part: Array
    start: Array


class Ends(NamedTuple):
    """Last rows that count, one entry per stream of a job."""

    job: Array
    stream: Array
    part: Array
    line: Array
    offset: Array
    value: Array


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
    # int32, the run of the deciding row in its stream; 0 unless streams are split into runs
    run: Array
    # int64, how often rows that follow each other have the same step; and how often these have different values
    step_runs: Array
    several_runs: Array
    # int64, the streams that were left out because another one is the same log
    copied_streams: Array
    # float64, of shape (jobs, 10): what tells whether two jobs have the same rows; NaN for jobs that are not compared
    samples: Array
    # of the jobs that were asked for, the rows within the window that do not count
    left_out: Places
    # of these jobs, and of those with a value that is not finite, the last row that counts of each stream
    ends: Ends

    @classmethod
    def joined(cls, parts: Sequence[Outcomes]) -> Outcomes:
        """The outcomes of all parts, one after the other."""
        columns = [np.concatenate(column) for column in zip(*(part[:-2] for part in parts), strict=True)]
        places = Places(*map(np.concatenate, zip(*(part.left_out for part in parts), strict=True)))
        ends = Ends(*map(np.concatenate, zip(*(part.ends for part in parts), strict=True)))
        return cls._make([*columns, places, ends])


class Dropped(NamedTuple):
    """Totals of the rows of a job that were dropped because they can no longer decide."""

    rows: int = 0
    not_finite: int = 0
    untimed: bool = False
    total: int = 0  # the exact sum of the finite ones, in the unit of ``exact_sum``
    special: float = 0.0  # the sum of the others: NaN or an infinity


NOTHING = Dropped()


def decide(
    rows: Rows,
    objective: Objective,
    streams: Callable[[], pa.Array],
    dropped: Dropped = NOTHING,
    suspected: Callable[[], Array] | None = None,
    *,
    has_logs: bool = True,
) -> Outcomes:
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
    suspected : callable, optional
        Returns for each job number whether its values may be doubtful; of such a job, the ends of its streams are given, and, if
        a value is made of several rows and not of all, the rows that do not count.
    has_logs : bool
        Whether the logs of jobs are known: only such jobs are compared, and need samples.

    Returns
    -------
    Outcomes
        In the order of job numbers.
    """
    index, starts, ends, carrying = ordered(rows, streams, untimed=dropped.untimed)

    def in_order(column: Array) -> Array:
        return column if index is None else column[index]

    value = in_order(rows.value)
    step = None if rows.step is None else in_order(rows.step)
    row_counts, bad_counts = ends - starts, _counts(~np.isfinite(value), starts, ends)
    stepless = np.zeros(len(starts), dtype=np.int64) if step is None else _counts(np.isnan(step), starts, ends)
    if len(starts):
        row_counts[0] += dropped.rows
        bad_counts[0] += dropped.not_finite
    # a job without a row that counts is missing; its place is that of its last row
    status, decided, at = np.full(len(starts), MISSING), value[ends - 1], ends - 1
    first = at.copy()
    kept, of_steps = Kept(None, value, starts, ends), (np.zeros(len(starts), np.int64),) * 2
    if objective.step is not None and step is not None:
        stream, line, offset = in_order(rows.stream), in_order(rows.line), in_order(rows.offset)
        run = None if rows.run is None else in_order(rows.run)
        of_steps = several_values(value, step, stream, line, offset, starts, ends)
        kept = one_per_step(value, step, stream, run, starts, ends, objective.per_step, objective.from_step)
    some = np.flatnonzero(kept.ends > kept.starts)
    if some.size:
        its_step = step if step is None or kept.at is None else step[kept.at]
        found = _decided(kept, some, its_step, objective, dropped)
        status[some], decided[some] = found.status, found.value
        at[some], first[some] = (one if kept.at is None else kept.at[one] for one in (found.at, found.first))
    left_out = np.zeros(0, dtype=np.int64)
    scope = parse_scope(objective.scope)
    if suspected is not None and scope.is_window and (kept.at is not None or scope.is_smoothed):
        is_left_out = suspected()[rows.job if index is None else rows.job[index]]
        counting = np.arange(len(value)) if kept.at is None else kept.at
        # a smoothed curve has no values that are not finite
        is_left_out[counting[np.isfinite(kept.value)] if scope.is_smoothed else counting] = False
        is_left_out[at] = False
        left_out = np.flatnonzero(is_left_out) if index is None else index[is_left_out]
    wanted = bad_counts > 0
    if suspected is not None and len(starts):
        wanted |= suspected()[rows.job[starts if index is None else index[starts]]]
    place, first = (at, first) if index is None else (index[at], index[first])
    samples = np.broadcast_to(np.nan, (len(starts), SAMPLES))
    if has_logs:
        samples = samples_of(value, lambda some: rows.start[some if index is None else index[some]], starts, ends)
        if dropped.rows:
            samples[0] = np.nan

    def part(some: Array) -> Array:
        return np.zeros(len(some), np.int32) if rows.part is None else rows.part[some]

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
        np.full(len(starts), np.nan) if rows.step is None else rows.step[place],
        part(place),
        stepless,
        rows.start[place],
        rows.stream[first],
        part(first),
        rows.start[first],
        np.zeros(len(starts), np.int32) if rows.run is None else np.maximum(rows.run[place], 0).astype(np.int32),
        *of_steps,
        np.zeros(len(starts), np.int64),
        samples,
        Places(rows.job[left_out], rows.stream[left_out], part(left_out), rows.start[left_out]),
        _ends(rows, index, kept, wanted, carrying),
    )


def _ends(rows: Rows, index: Array | None, kept: Kept, wanted: Array, streams: Array) -> Ends:
    """The last row that counts of each stream of the wanted jobs; ``streams`` are the numbers of streams of the jobs."""
    counts = kept.ends - kept.starts
    wanted = wanted & (counts > 0)

    def row(some: Array) -> Array:
        at = some if kept.at is None else kept.at[some]
        return at if index is None else index[at]

    at = kept.ends[wanted & (streams == 1)] - 1
    several = wanted & (streams > 1)
    if several.any():
        some = np.flatnonzero(np.repeat(several, counts))
        job, own = np.repeat(np.flatnonzero(several), counts[several]), rows.stream[row(some)]
        order = np.lexsort((own, job))
        job, own = job[order], own[order]
        is_last = np.append((job[1:] != job[:-1]) | (own[1:] != own[:-1]), True)
        at = np.sort(np.concatenate((at, some[order[is_last]])))
    last = row(at)
    parts = np.zeros(len(last), np.int32) if rows.part is None else rows.part[last]
    return Ends(rows.job[last], rows.stream[last], parts, rows.line[last], rows.offset[last], kept.value[at])


class _Decided(NamedTuple):
    """The deciding rows of some jobs; positions are among the rows that count."""

    status: Array
    value: Array
    at: Array
    first: Array


def _decided(kept: Kept, some: Array, step: Array | None, objective: Objective, dropped: Dropped) -> _Decided:
    """The deciding row of each of these jobs, all of which have rows that count; the dropped rows are those of the first."""
    value, starts, ends = kept.value, kept.starts[some], kept.ends[some]
    scope, exact = parse_scope(objective.scope), objective.step is not None
    if scope.kind in ("last", "first"):
        at = ends - 1 if scope.kind == "last" else starts
        return _Decided(np.where(np.isfinite(value[at]), FOUND, NOT_FINITE), value[at], at, at)
    if scope.kind in ("mean", "last-n"):
        begin = starts if scope.kind == "mean" else np.maximum(starts, ends - int(min(scope.number or 0, len(value))))
        left_out = dropped if scope.kind == "mean" else NOTHING
        status = np.where(_counts(~np.isfinite(value), begin, ends) > 0, NOT_FINITE, FOUND)
        if left_out.not_finite:
            status[0] = NOT_FINITE
        return _Decided(status, _means(value, begin, ends, status, left_out, exact=exact), ends - 1, begin)
    counts = np.isfinite(value)
    within = None
    first = None
    if scope.kind == "best@k":
        if step is None or scope.number is None:
            raise AssertionError("best@k needs the steps of the rows and its k")
        within = step <= scope.number
        if scope.low is not None:
            within &= step >= scope.low
        counts &= within
    elif scope.is_smoothed:
        value, counts, first = _smoothed(value, starts, ends, scope, exact=exact)
    at, found = _extremes(_key(value, scope.kind, objective), counts, starts, ends)
    status = np.where(found, FOUND, NOT_FINITE)
    if within is not None:
        at, status = _within(within, at, status, starts, ends)
    # without a smoothed value, the last one says what is not finite
    decided = np.where(found, value[at], kept.value[at])
    return _Decided(status, decided, at, at if first is None else np.where(found, first[at], at))


def _smoothed(value: Array, starts: Array, ends: Array, scope: Scope, *, exact: bool) -> tuple[Array, Array, Array]:
    """The smoothed values, which of them are there, and the position of the first row of which each is made.

    Values that are not finite are left out.
    """
    finite = np.flatnonzero(np.isfinite(value))
    begin, end = np.searchsorted(finite, starts), np.searchsorted(finite, ends)
    made, first = np.full(len(value), np.nan), np.zeros(len(value), dtype=np.int64)
    if finite.size and scope.number is not None:
        if scope.kind == "ema":
            smoothed = ema(value[finite], begin, end, scope.number)
            since = np.repeat(begin, end - begin)
        else:
            smoothed, since = window_means(value[finite], begin, end, int(min(scope.number, len(value))), exact=exact)
        made[finite], first[finite] = smoothed, finite[since]
    return made, np.isfinite(made), first


def _counts(which: Array, starts: Array, ends: Array) -> Array:
    """How many of the rows between these positions are marked, for each pair of them."""
    marked = np.flatnonzero(which)
    if not marked.size:
        return np.zeros(len(starts), dtype=np.int64)
    return np.searchsorted(marked, ends) - np.searchsorted(marked, starts)


def drop_undecidable(rows: Rows, objective: Objective, dropped: Dropped) -> tuple[Rows, Dropped]:
    """Drop the rows of a single job that cannot decide, even if more rows arrive; not valid with a step, nor for smoothed scopes.

    The kept rows stay in order. For each stream, they are the rows that would decide if the job had only this stream, both
    in the order of the stream and in the order of time. The row that decides over all streams is one of them; the mean of
    ``last-n`` is computed from them, and that of ``mean`` from them and the totals of the dropped rows.
    """
    kind, number, _ = parse_scope(objective.scope)
    last_n = int(min(number or 0, len(rows.job))) if kind == "last-n" else 1
    key = _key(rows.value, kind, objective)
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
                kept[counting[np.argmin(key[counting])]] = True
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


def _key(value: Array, kind: str, objective: Objective) -> Array:
    """What is least of the best values, under a scope that takes an extreme."""
    key: Array = value if kind == "min" else -value if kind == "max" else objective.key(value)
    # the distance of two finite values may be infinite
    return key if objective.target is None else np.minimum(key, np.finfo(np.float64).max)


def _means(value: Array, begin: Array, end: Array, status: Array, dropped: Dropped, *, exact: bool) -> Array:
    decided = mean_of_each(value, begin, end, status == NOT_FINITE, exact=exact)
    if dropped.rows and status[0] == NOT_FINITE:
        with np.errstate(invalid="ignore"):
            decided[0] += dropped.special
    elif dropped.rows:
        window = value[begin[0] : end[0]]
        decided[0] = mean_of(dropped.total + exact_sum(window), len(window) + dropped.rows)
    return decided


def _extremes(key: Array, counts: Array, starts: Array, ends: Array) -> tuple[Array, Array]:
    """The position of the first of each job's least keys, and whether there is one; without one the position of its last row."""
    candidates = np.where(counts, key, np.inf)
    best = np.minimum.reduceat(candidates, starts)
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
