"""The values of a metric over a whole job, in as few points as can be drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]

_MOST_POINTS = 512


class Curve:
    """The values of a metric so far, each point the mean of as many values: few enough to draw, and to keep.

    >>> curve = Curve()
    >>> curve.add(np.array([1.0, 3.0, np.nan, 4.0, np.inf]))
    >>> curve.points(9), curve.points(3)
    ([1.0, 3.0, nan, 4.0, nan], [2.0, 4.0, nan])
    """

    def __init__(self) -> None:
        self._means: list[float] = []
        self._per_point = 1
        # the values of the point that is not whole yet
        self._rest = np.empty(0)

    def add(self, values: Array) -> None:
        """Take the next values."""
        values = np.concatenate([self._rest, values])
        while len(values) >= self._per_point:
            whole = min(len(values) // self._per_point, _MOST_POINTS - len(self._means)) * self._per_point
            self._means += _means(values[:whole], self._per_point)
            values = values[whole:]
            if len(self._means) == _MOST_POINTS:
                self._means = _means(np.array(self._means), 2)
                self._per_point *= 2
        self._rest = values

    def points(self, most: int) -> list[float]:
        """The whole curve in at most so many points."""
        means = [*self._means, *_means(self._rest, max(len(self._rest), 1))]
        return _means(np.array(means), -(-len(means) // most)) if means else []


def _means(values: Array, count: int) -> list[float]:
    """The means of so many neighbours each, without those that are not finite; nan if none is."""
    if not len(values):
        return []
    are_finite = np.isfinite(values)
    begins = np.arange(0, len(values), count)
    with np.errstate(all="ignore"):
        sums = np.add.reduceat(np.where(are_finite, values, 0.0), begins)
        return (sums / np.add.reduceat(are_finite.astype(float), begins)).tolist()  # type: ignore[no-any-return]
