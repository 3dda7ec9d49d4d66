"""Curves of groups of jobs: at each step the mean of those that have a value there, in a band from the least to the greatest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from metricscan.ranking.sums import means

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from metricscan.datasets.rows import Array


class Band(NamedTuple):
    """The curve of one group.

    Attributes
    ----------
    group : str
    lines : int
        How many curves it has.
    step, mean, low, high : float64 array
        At each step at which one of them has a finite value, in ascending order.
    """

    group: str
    lines: int
    step: Array
    mean: Array
    low: Array
    high: Array


def bands_of(curves: Iterable[tuple[str, Array, Array]], group_of: Mapping[str, str | None]) -> list[Band]:
    """The bands of groups, in the order in which their jobs come.

    Parameters
    ----------
    curves : iterable of (str, float64 array, float64 array)
        The job of each curve, its steps, and its values there.
    group_of : mapping of str to (str or None)
        The group of each job; None if it is in none.
    """
    members: dict[str, list[tuple[Array, Array]]] = {}
    for job, step, value in curves:
        group = group_of.get(job)
        if group is not None:
            members.setdefault(group, []).append((step, value))
    return [_band(group, some) for group, some in members.items()]


def _band(group: str, curves: list[tuple[Array, Array]]) -> Band:
    step, value = (np.concatenate(column) for column in zip(*curves, strict=True))
    finite = np.isfinite(value)
    step, value = step[finite], value[finite]
    order = np.argsort(step, kind="stable")
    step, value = step[order], value[order]
    starts = np.flatnonzero(np.concatenate((np.ones(min(len(step), 1), dtype=bool), step[1:] != step[:-1])))
    if not len(starts):
        return Band(group, len(curves), step, value, value, value)
    counts = np.diff(np.append(starts, len(step)))
    low, high = np.minimum.reduceat(value, starts), np.maximum.reduceat(value, starts)
    return Band(group, len(curves), step[starts], means(value, starts, counts), low, high)


def draw_band(
    axes: Any, name: str, band: Band, colour: str, *, highlighted: bool, log: bool, dash: Any = "solid"
) -> None:
    """Draw a band and its mean; on a logarithmic axis without what is not positive."""
    alpha, width, order = (0.18, 2.2, 4) if highlighted else (0.08, 1.2, 3)
    mean, low, high = (np.where((one > 0) | (not log), one, np.nan) for one in (band.mean, band.low, band.high))
    area = axes.fill_between(band.step, low, high, color=colour, alpha=alpha, linewidth=0, zorder=order)
    area.set_gid(f"band-{name}")
    (drawn,) = axes.plot(
        band.step, mean, color=colour, linewidth=width, linestyle=dash, zorder=order, solid_joinstyle="round"
    )
    drawn.set_gid(name)
