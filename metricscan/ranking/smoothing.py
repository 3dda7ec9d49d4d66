"""Smoothed curves of many jobs at once: exponential moving averages, and means of windows of consecutive values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from metricscan.ranking.sums import means

if TYPE_CHECKING:
    from metricscan.datasets.rows import Array

# Below this many jobs a loop over the values of each is faster than one over the positions of all.
_FEW_JOBS = 32


def ema(value: Array, starts: Array, ends: Array, weight: float) -> Array:
    """The exponential moving average up to each value, as TensorBoard draws it.

    It starts at 0 and is divided by the sum of the weights so far, so the first average is the first value.

    Parameters
    ----------
    value : float64 array
        Finite values of all jobs, job by job.
    starts, ends : int64 array
        The first and one past the last value of each job.
    weight : float
        That of the average so far, 0 or more and less than 1.

    Returns
    -------
    float64 array
        A copy, as long as ``value``.

    Examples
    --------
    >>> ema(np.array([1.0, 2.0, 8.0]), np.array([0]), np.array([3]), 0.5).tolist()
    [1.0, 1.6666666666666667, 5.285714285714286]
    """
    smoothed = np.empty(len(value))
    fresh = 1.0 - weight
    order = np.argsort(starts - ends, kind="stable")
    starts, counts = starts[order], (ends - starts)[order]
    longest = int(counts[0]) if len(counts) else 0
    last, total = np.zeros(len(starts)), 0.0
    alive = len(starts)
    for position in range(longest):
        alive = int(np.searchsorted(-counts[:alive], -position, side="left"))
        if alive < _FEW_JOBS:
            for job in range(alive):
                begin = int(starts[job]) + position
                end = int(starts[job] + counts[job])
                smoothed[begin:end] = _continued(value[begin:end].tolist(), float(last[job]), total, weight)
            return smoothed
        at = starts[:alive] + position
        last[:alive] = last[:alive] * weight + value[at] * fresh
        total = total * weight + fresh
        smoothed[at] = last[:alive] / total
    return smoothed


def _continued(values: list[float], last: float, total: float, weight: float) -> list[float]:
    fresh = 1.0 - weight
    found = []
    for value in values:
        last = last * weight + value * fresh
        total = total * weight + fresh
        found.append(last / total)
    return found


def window_means(value: Array, starts: Array, ends: Array, size: int, *, exact: bool = False) -> tuple[Array, Array]:
    """The mean of each value and the ``size - 1`` before it, and the position of the first of them.

    Before a job has so many values, its mean is that of all of them if they are the only ones, else NaN: a window that is not
    full would let a single value win. ``exact`` is that of ``means``.

    Examples
    --------
    >>> window_means(np.array([1.0, 2.0, 6.0, 5.0]), np.array([0, 3]), np.array([3, 4]), 2)[0].tolist()
    [nan, 1.5, 4.0, 5.0]
    """
    counts = ends - starts
    size = min(size, max(int(counts.max(initial=0)), 1))
    position = np.arange(len(value)) - np.repeat(starts, counts)
    needed = np.repeat(np.minimum(counts, size), counts)
    first = np.arange(len(value)) - needed + 1
    full = np.flatnonzero(position >= needed - 1)
    smoothed = np.full(len(value), np.nan)
    if full.size:
        smoothed[full] = means(value, first[full], needed[full], exact=exact)
    return smoothed, np.maximum(first, np.repeat(starts, counts))
