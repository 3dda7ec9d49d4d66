"""The last step of a log, lower than the one before it: a mention, such as of the best epoch, or a run that was resumed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metricscan.datasets.rows import Array

# A mention may round the value, to at least two digits: with fewer, another value looks the same by chance.
_LEAST = 10.0
_MOST_DECIMALS = 8


class ValuesAtSteps(NamedTuple):
    """The values of a metric.

    Attributes
    ----------
    value : float64 array
    at : int array
        The number of the row of the step that each of them has, or -1.
    """

    value: Array
    at: Array


def is_mention(value: Array, number: Array, row: Array, last: Array, values: Sequence[ValuesAtSteps]) -> Array:
    """Whether these steps mention earlier ones, so that no run goes on there.

    A step without values of a metric is a mention. Else it is none if its stream did not have that step before; or if it did,
    with other values alone. A value that the mention rounds is the same value.

    Parameters
    ----------
    value : float64 array
        Finite steps in the order of their places, stream by stream.
    number : int array
        The number of the stream of each.
    row : int array
        The number of each among all rows of the step.
    last : int array
        The last steps of some streams.
    values : sequence of ValuesAtSteps
        The values at the steps.

    Returns
    -------
    bool array
        As long as ``last``.
    """
    entry = np.full(int(number.max()) + 1, -1)
    entry[number[last]] = np.arange(len(last))
    own = entry[number]
    before = (own >= 0) & (value == value[last][own])
    before[last] = False
    seen, valued, compared, repeated = (np.zeros(len(last), dtype=bool) for _ in range(4))
    seen[own[before]] = True
    # one more for rows without a step
    mentions, earlier = (np.full(int(row.max()) + 2, -1) for _ in range(2))
    mentions[row[last]] = np.arange(len(last))
    earlier[row[before]] = own[before]
    for one in values:
        at = np.where((one.at >= 0) & (one.at < len(mentions)), one.at, -1)
        there, then = mentions[at], earlier[at]
        is_there, is_earlier = np.flatnonzero(there >= 0), np.flatnonzero(then >= 0)
        both = np.zeros((2, len(last)), dtype=bool)
        both[0, there[is_there]] = both[1, then[is_earlier]] = True
        valued, compared = valued | both[0], compared | both.all(axis=0)
        repeated |= _repeated(len(last), there[is_there], one.value[is_there], then[is_earlier], one.value[is_earlier])
    return ~valued | (seen & (~compared | repeated))


def _repeated(size: int, own: Array, value: Array, earlier: Array, earlier_value: Array) -> Array:
    """For each of so many steps whether one of its values is an earlier one; ``own`` and ``earlier`` number the steps."""
    found, nan_before = np.zeros(size, dtype=bool), np.zeros(size, dtype=bool)
    is_nan = np.isnan(value)
    nan_before[earlier[np.isnan(earlier_value)]] = True
    found[own[is_nan]] = nan_before[own[is_nan]]
    own, value = own[~is_nan], value[~is_nan]
    slack = _half_digit(value)
    # the usual case, one value each: a million take 0.1 s instead of 2 s
    counts = np.bincount(own, minlength=size), np.bincount(earlier, minlength=size)
    is_pair = (counts[0] == 1) & (counts[1] == 1)
    if is_pair.any():
        low, high, before = (np.full(size, np.nan) for _ in range(3))
        low[own], high[own], before[earlier] = value - slack, value + slack, earlier_value
        found |= is_pair & (before >= low) & (before <= high)
        others, earlier_others = ~is_pair[own], ~is_pair[earlier]
        own, value, slack = own[others], value[others], slack[others]
        earlier, earlier_value = earlier[earlier_others], earlier_value[earlier_others]
    # for each value the least earlier one that is not below it, by one sort of both
    group = np.concatenate((own, earlier))
    key = np.concatenate((value - slack, earlier_value))
    is_earlier = np.arange(len(group)) >= len(own)
    order = np.lexsort((is_earlier, key, group))
    places = np.flatnonzero(is_earlier[order])
    if not places.size:
        return found
    next_place = np.minimum(np.searchsorted(places, np.arange(len(order))), len(places) - 1)
    following = np.empty(len(order), dtype=np.int64)
    following[order] = order[places[next_place]]
    following = following[: len(own)]
    # false for a NaN, and for the last entry where none follows
    same = (group[following] == own) & (key[following] >= value - slack) & (key[following] <= value + slack)
    found[own[same]] = True
    return found


def _half_digit(value: Array) -> Array:
    """Half of the last digit of each value, which has at least two; 0 for a value of too many digits."""
    half = np.zeros(len(value))
    with np.errstate(all="ignore"):
        for decimals in range(_MOST_DECIMALS, -1, -1):
            fits = (np.round(value, decimals) == value) & (np.abs(value) * 10.0**decimals >= _LEAST)
            # and as much as the difference of two floats is off
            half[fits] = 0.5 * 10.0**-decimals * (1 + 1e-9)
    return half
