"""Means of many segments at once, each equal to ``statistics.fmean``: the exact sum, rounded once, divided by the count.

Those of steps are ``exact``: equal to ``statistics.mean``, which rounds only once.

A sum is kept as a rounded part and the sum of its rounding errors; together they are exact unless a part of the errors is
lost. If the lost part could change the last bit, the segment is summed again with integers, which is rare.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BLOCK = 16
# Every double is an integer multiple of 2 to the power of minus this.
_UNIT = 1074
_SPLIT = 2.0**27 + 1
# Below this the parts of a product may be rounded.
_SMALL = 1e-280


def means(
    values: NDArray[np.float64], starts: NDArray[np.int64], counts: NDArray[np.int64], *, exact: bool = False
) -> NDArray[np.float64]:
    """The mean of ``values[start : start + count]`` for each segment, as float64. Counts are positive and values finite.

    ``exact`` rounds the exact mean, and not the sum and its quotient.

    >>> means(np.array([1e16, 1.0, -1e16, 0.1, 0.2, 0.3]), np.array([0, 3]), np.array([3, 3])).tolist()
    [0.3333333333333333, 0.19999999999999998]
    >>> means(np.array([0.1, 0.2, 0.3]), np.array([0]), np.array([3]), exact=True).tolist()
    [0.2]
    """
    with np.errstate(all="ignore"):
        total, error, lost = _sums(values, starts, counts)
        rounded = total + error
        bound = lost * 1.01
        low = total + np.nextafter(error - bound, -np.inf)
        high = total + np.nextafter(error + bound, np.inf)
        sure = np.isfinite(rounded) & ((lost == 0) | (low == high))
        # a sum of zeros is 0.0, as in Python, not -0.0
        result = (rounded + 0.0) / counts
        if exact:
            # a quotient by a power of two is not rounded, unless it is very small
            once = ((counts & (counts - 1)) == 0) & ((np.abs(result) > _SMALL) | (result == 0))
            quotients, certain = _quotients(total, error, lost, counts)
            result, sure = np.where(once, result, quotients), sure & (once | certain)
    return _mended(result, sure, values, starts, counts, exact=exact)


def _mended(result: Any, sure: Any, values: Any, starts: Any, counts: Any, *, exact: bool) -> NDArray[np.float64]:
    """The means, with those that are not sure computed again with integers."""
    for index in np.flatnonzero(~sure):
        total, count = exact_sum(values[starts[index] : starts[index] + counts[index]]), int(counts[index])
        result[index] = float(Fraction(total, count << _UNIT)) if exact else mean_of(total, count)
    return result  # type: ignore[no-any-return]


def _quotients(total: Any, error: Any, lost: Any, counts: Any) -> tuple[Any, Any]:
    """The rounded quotients of sums by counts, and which of them are sure to be those of the exact sums."""
    high, low = _two_sum(total, error)
    quotient = high / counts
    # the product of quotient and count is exact in two parts (Dekker), and so is what it leaves of the sum
    scaled = quotient * _SPLIT
    upper = scaled - (scaled - quotient)
    product = quotient * counts
    slip = (upper * counts - product) + (quotient - upper) * counts
    rest = ((high - product) - slip + low) / counts
    bound = (np.abs(rest) * 1e-9 + lost * 1.01 / counts) * 1.01
    below, above = quotient + (rest - bound), quotient + (rest + bound)
    # a count must be short for exact products
    is_exact = (np.abs(quotient) > _SMALL) & np.isfinite(high) & (counts < 1 << 26)
    sure = (below == above) & is_exact
    sure |= (high == 0) & (low == 0) & (lost == 0)
    # one in twenty means of ten random numbers lies in the middle between two doubles: then the rest is a power of two, and the
    # last addition rounds as it should
    ties = np.flatnonzero(is_exact & ~sure & (lost == 0) & (np.abs(np.frexp(rest)[0]) == 0.5))
    if ties.size:
        left, first_slip = _two_sum(high[ties], -product[ties])
        left, second_slip = _two_sum(left, -slip[ties])
        left, third_slip = _two_sum(left, low[ties])
        no_slips = (first_slip == 0) & (second_slip == 0) & (third_slip == 0)
        sure[ties] = no_slips & (rest[ties] * counts[ties] == left)
    return quotient + rest + 0.0, sure


def mean_of_each(
    value: NDArray[np.float64],
    begin: NDArray[np.int64],
    end: NDArray[np.int64],
    lost: NDArray[np.bool_] | None = None,
    *,
    exact: bool = False,
) -> NDArray[np.float64]:
    """The mean of ``value[begin:end]`` for each window, as float64.

    A window that holds infinities or NaN has their sum. ``lost`` says which windows have that sum in any case; 0.0 if they hold
    none. ``exact`` is that of :func:`means`.

    >>> mean_of_each(np.array([1.0, 2.0, np.inf]), np.array([0, 1]), np.array([2, 3])).tolist()
    [1.5, inf]
    """
    bad = np.flatnonzero(~np.isfinite(value))
    if lost is None:
        lost = np.searchsorted(bad, end) > np.searchsorted(bad, begin)
    decided = np.empty(len(begin))
    fine = np.flatnonzero(~lost)
    if fine.size:
        decided[fine] = means(value, begin[fine], (end - begin)[fine], exact=exact)
    odd = np.flatnonzero(lost)
    if odd.size:
        # sum only infinities and NaN: finite values must not overflow into another infinity
        edges = np.empty(2 * odd.size, dtype=np.int64)
        edges[::2] = np.searchsorted(bad, begin[odd])
        edges[1::2] = np.searchsorted(bad, end[odd])
        with np.errstate(invalid="ignore"):
            special = np.add.reduceat(np.append(value[bad], 0.0), edges)[::2]
        # reduceat gives the first element for an empty window, not 0
        decided[odd] = np.where(edges[::2] < edges[1::2], special, 0.0)
    return decided


def exact_sum(values: NDArray[np.float64]) -> int:
    """The exact sum of finite values, in units of 2 to the power of -1074.

    >>> exact_sum(np.array([0.5, 0.25])) == 3 << 1072
    True
    """
    mantissas, exponents = np.frexp(values)
    whole = np.ldexp(mantissas, 53).astype(np.int64)
    order = np.argsort(exponents, kind="stable")
    exponents, whole = exponents[order], whole[order]
    if not whole.size:
        return 0
    starts = np.flatnonzero(np.concatenate(([True], exponents[1:] != exponents[:-1])))
    # two halves, so that their sums do not overflow
    high = np.add.reduceat(whole >> 26, starts).tolist()
    low = np.add.reduceat(whole & ((1 << 26) - 1), starts).tolist()
    total = 0
    for exponent, upper, lower in zip(exponents[starts].tolist(), high, low, strict=True):
        shift = exponent - 53 + _UNIT
        mantissa = (upper << 26) + lower
        total += mantissa << shift if shift >= 0 else mantissa >> -shift
    return total


def mean_of(total: int, count: int) -> float:
    """The mean of ``count`` values whose exact sum is known."""
    try:
        return float(Fraction(total, 1 << _UNIT)) / count
    except OverflowError:
        return float(Fraction(total, count << _UNIT))


def _sums(values: NDArray[np.float64], starts: NDArray[np.int64], counts: NDArray[np.int64]) -> tuple[Any, Any, Any]:
    """For each segment: its rounded sum, the sum of the rounding errors, and a bound on the error of that second sum.

    Blocks of 16 values are summed side by side, then blocks of these sums.
    """
    blocks = -(-counts // _BLOCK)
    if (counts <= _BLOCK).all():
        return _added(values, None, None, starts, counts)
    first = np.cumsum(blocks) - blocks
    within = np.arange(int(blocks.sum())) - np.repeat(first, blocks)
    block_starts = np.repeat(starts, blocks) + within * _BLOCK
    block_counts = np.minimum(np.repeat(counts, blocks) - within * _BLOCK, _BLOCK)
    parts = _added(values, None, None, block_starts, block_counts)
    starts, counts = first, blocks
    while (counts > 1).any():
        blocks = -(-counts // _BLOCK)
        first = np.cumsum(blocks) - blocks
        within = np.arange(int(blocks.sum())) - np.repeat(first, blocks)
        block_starts = np.repeat(starts, blocks) + within * _BLOCK
        block_counts = np.minimum(np.repeat(counts, blocks) - within * _BLOCK, _BLOCK)
        parts = _added(*parts, block_starts, block_counts)
        starts, counts = first, blocks
    return parts


def _added(values: Any, errors: Any, losses: Any, starts: Any, counts: Any) -> tuple[Any, Any, Any]:
    total = values[starts].copy()
    error = np.zeros_like(total) if errors is None else errors[starts].copy()
    lost = np.zeros_like(total) if losses is None else losses[starts].copy()
    every = int(counts.min())
    for position in range(1, int(counts.max())):
        alive: Any = slice(None) if position < every else np.flatnonzero(counts > position)
        at = starts[alive] + position
        total[alive], slip = _two_sum(total[alive], values[at])
        error[alive], slip = _two_sum(error[alive], slip)
        lost[alive] += np.abs(slip)
        if errors is not None:
            error[alive], slip = _two_sum(error[alive], errors[at])
            lost[alive] += np.abs(slip) + losses[at]
    return total, error, lost


def _two_sum(one: Any, other: Any) -> tuple[Any, Any]:
    """The rounded sum and its exact rounding error (Knuth's TwoSum)."""
    total = one + other
    virtual = total - one
    return total, (one - (total - virtual)) + (other - virtual)
