"""One value per step: of the rows of a stream that have the same step, which one counts, or what they are combined to."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from metricscan.ranking.sums import mean_of_each

if TYPE_CHECKING:
    from metricscan.datasets.rows import Array
    from metricscan.definitions.objective import PerStep


class Kept(NamedTuple):
    """The rows that count, in the order in which they count.

    Attributes
    ----------
    at : int64 array or None
        Their positions among all rows; None if all of them count.
    value : float64 array
        The value of each.
    starts, ends : int64 array
        The first and one past the last of each job.
    """

    at: Array | None
    value: Array
    starts: Array
    ends: Array


def one_per_step(
    value: Array,
    step: Array,
    stream: Array,
    run: Array | None,
    starts: Array,
    ends: Array,
    per_step: PerStep,
    from_step: float | None = None,
) -> Kept:
    """Keep one row for each step of a stream.

    Parameters
    ----------
    value, step : float64 array
        The rows of all jobs, job by job, in the order in which they count. Rows whose step is NaN have none, and all count.
    stream : int array
    run : int array or None
        The number of the row's run in its stream; equal steps of different runs are different steps, and rows of a run below 0
        do not count.
    starts, ends : int64 array
        The first and one past the last row of each job.
    per_step : {"last", "first", "mean", "all"}
    from_step : float, optional
        Rows at a lower step, and rows without a step, do not count.

    Returns
    -------
    Kept
        For a mean, the position is that of the last row of the step. A job may have no row that counts.
    """
    if from_step is not None or (run is not None and (run < 0).any()):
        counting = np.ones(len(step), dtype=bool) if from_step is None else step >= from_step
        if run is not None:
            counting &= run >= 0
        at = np.flatnonzero(counting)
        if len(at) < len(step):
            begins, stops = np.searchsorted(at, starts), np.searchsorted(at, ends)
            columns = (value[at], step[at], stream[at], None if run is None else run[at])
            kept = one_per_step(*columns, begins, stops, per_step)
            return kept._replace(at=at if kept.at is None else at[kept.at])
    if per_step == "all" or not len(value):
        return Kept(None, value, starts, ends)
    some = np.flatnonzero(ends > starts)
    begins, counts = starts[some], (ends - starts)[some]
    same = stream[1:] == stream[:-1]
    if run is not None:
        same &= run[1:] == run[:-1]
    same[begins[1:] - 1] = False
    odd = np.flatnonzero(same & ~(step[1:] > step[:-1]))
    changes = np.flatnonzero(~same)
    # of several streams, or runs
    several = changes.size > len(some) - 1
    if not odd.size and not several:
        # the most frequent case, one row a step: ten million rows take 0.1 s instead of 2 s
        return Kept(None, value, starts, ends)
    # only the jobs whose steps do not rise throughout are examined, and those of several streams, which may take turns
    involved = np.zeros(len(some), dtype=bool)
    involved[np.searchsorted(begins, odd, side="right") - 1] = True
    if several:
        number = np.repeat(np.arange(len(some)), counts)
        crossing = changes[number[changes] == number[changes + 1]]
        involved[number[crossing]] = True
    rows = np.flatnonzero(np.repeat(involved, counts))
    job = np.repeat(np.arange(len(some)), counts * involved)
    # one stream per job is not sorted by stream: a million jobs that were restarted take a second less
    keys = [job, *([stream[rows]] if several else []), *([] if run is None else [run[rows]]), step[rows]]
    order = _sorted(keys)
    firsts = np.flatnonzero(_begins(keys, order))
    lasts = np.append(firsts[1:], len(rows)) - 1
    in_order = rows if order is None else rows[order]
    chosen = in_order[firsts if per_step == "first" else lasts]
    if per_step == "mean":
        multiple = lasts > firsts
        value = value.copy()
        value[chosen[multiple]] = mean_of_each(value[in_order], firsts[multiple], lasts[multiple] + 1)
    is_kept = np.ones(len(value), dtype=bool)
    is_kept[rows] = False
    is_kept[chosen] = True
    at = np.flatnonzero(is_kept)
    return Kept(at, value[at], np.searchsorted(at, starts), np.searchsorted(at, ends))


def several_values(
    value: Array, step: Array, stream: Array, line: Array, offset: Array, starts: Array, ends: Array
) -> tuple[Array, Array]:
    """How often rows that follow each other in a stream have one step, and how often such rows have different values.

    A progress bar that is redrawn on its line has one value, the last.

    Parameters
    ----------
    value, step, stream, line, offset : array
        The rows of all jobs, job by job, in the order in which they count.
    starts, ends : int64 array
        The first and one past the last row of each job, which has at least one.

    Returns
    -------
    runs, several : int64 array
        One entry per job: the number of runs of rows with one step, and of those among them with different values.
    """
    nothing = np.zeros(len(starts), dtype=np.int64)
    if not len(value):
        return nothing, nothing
    same = (step[1:] == step[:-1]) & (stream[1:] == stream[:-1])
    same[starts[1:] - 1] = False
    first = ~np.isnan(step)
    first[1:] &= ~same
    runs = np.add.reduceat(first, starts, dtype=np.int64)
    if not same.any():
        return runs, nothing
    redrawn = same & (line[1:] == line[:-1]) & (offset[1:] != offset[:-1])
    at = np.flatnonzero(np.append(~redrawn, True))
    one, other = at[:-1], at[1:]
    run = np.cumsum(first)
    differs = (run[one] == run[other]) & ~(
        (value[one] == value[other]) | (np.isnan(value[one]) & np.isnan(value[other]))
    )
    # rows without a step continue no run
    differs &= ~np.isnan(step[other])
    varied = np.zeros(len(value), dtype=bool)
    # the row with which the run begins
    varied[np.flatnonzero(first)[run[one[differs]] - 1]] = True
    return runs, np.add.reduceat(varied, starts, dtype=np.int64)


def _sorted(keys: list[Array]) -> Array | None:
    """The stable order of the rows by these keys, NaN last; None if they already are in order."""
    goes_back, same = np.zeros(len(keys[0]) - 1, dtype=bool), np.ones(len(keys[0]) - 1, dtype=bool)
    for key in keys:
        # true for a NaN, too, which may stand between equal steps
        goes_back |= same & ~(key[1:] >= key[:-1])
        same &= key[1:] == key[:-1]
    return np.lexsort(keys[::-1]) if goes_back.any() else None


def _begins(keys: list[Array], order: Array | None) -> Array:
    """Whether each row in sorted order begins another step; a NaN always does."""
    begins = np.zeros(len(keys[0]), dtype=bool)
    begins[0] = True
    for key in keys:
        one = key if order is None else key[order]
        begins[1:] |= ~(one[1:] == one[:-1])
    return begins
