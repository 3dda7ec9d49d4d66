"""Curves with fewer points: of each stretch of a curve its least and its greatest value stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from metricscan.datasets.rows import Array

#: A curve has no fewer points than this: its ends, and a stretch between them.
LEAST = 5


def thinned(value: Array, most: int) -> Array:
    """Choose the points of a curve that are drawn.

    A curve of at most ``most`` points stays as it is. Of a longer one, the first and the last point stay. What lies between is
    cut into stretches (buckets) of equally many points, one more or less; of each, the point with the least and that with the
    greatest finite value stay, and the first one that is not finite, so that gaps are seen.

    Parameters
    ----------
    value : float64 array
        The values of the curve, in the order in which they are drawn.
    most : int
        At least :data:`LEAST`.

    Returns
    -------
    int64 array
        The indices of the points that stay, in ascending order; at most ``most``.

    Examples
    --------
    >>> thinned(np.array([5.0, 9.0, 1.0, 4.0, 2.0, 3.0, 8.0, 6.0]), 6).tolist()
    [0, 1, 2, 4, 6, 7]
    """
    if len(value) <= most:
        return np.arange(len(value), dtype=np.int64)
    bucket = buckets(value, most)
    inner = value[1:-1]
    finite = np.flatnonzero(np.isfinite(inner))
    order = finite[np.lexsort((inner[finite], bucket[finite]))]
    begins = _firsts(bucket[order])
    ends = np.append(begins[1:], len(order)).astype(np.int64)[: len(begins)] - 1
    gaps = np.flatnonzero(~np.isfinite(inner))
    gaps = gaps[_firsts(bucket[gaps])]
    kept = np.unique(np.concatenate((order[begins], order[ends], gaps))) + 1
    return np.concatenate(([0], kept, [len(value) - 1])).astype(np.int64)


def buckets(value: Array, most: int) -> Array:
    """The number of the bucket of each point but the first and the last one."""
    inner = len(value) - 2
    of_each = 2 if np.isfinite(value[1:-1]).all() else 3
    count = max((most - 2) // of_each, 1)
    return np.arange(inner, dtype=np.int64) * count // inner


def _firsts(ascending: Array) -> Array:
    """Where each number stands first."""
    return np.flatnonzero(
        np.concatenate((np.ones(min(len(ascending), 1), dtype=bool), ascending[1:] != ascending[:-1]))
    )
