"""Columns of numbers as JSON, small and exact: what is read back equals what was packed."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from metricscan.datasets.formats import json_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from metricscan.datasets.rows import Array

# Up to this size, each integer is a number of JavaScript.
_MOST_EXACT = 2**53


def embedded(data: Any) -> str:
    r"""JSON that may stand in a script element: ASCII, without the characters that begin or end markup.

    >>> embedded({"name": "</script>&\u2028"})
    '{"name":"\\u003c/script\\u003e\\u0026\\u2028"}'
    """
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def number(value: float | None) -> float | int | str | None:
    """A number as a JSON value: NaN and infinities as the datasets write them, whole numbers without ``.0``.

    >>> number(2.0), number(0.1), number(float("nan")), number(-0.0)
    (2, 0.1, 'NaN', -0.0)
    """
    if value is None or isinstance(value, int):
        return value
    if not math.isfinite(value):
        return json_number(value).strip('"')
    whole = value == int(value) and abs(value) < _MOST_EXACT and (value != 0 or math.copysign(1, value) > 0)
    return int(value) if whole else value


def numbers(values: Iterable[float | None]) -> list[float | int | str | None]:
    """A column of numbers."""
    return [number(value) for value in values]


def from_number(value: Any) -> float | None:
    """What :func:`number` packed."""
    return None if value is None else float(value)


def packed(values: Array, starts: Sequence[int] = (0,)) -> dict[str, Any]:
    """A column of numbers of several curves; whole numbers as differences, which are shorter.

    Parameters
    ----------
    values : float64 array
        NaN stands for a number that is not known.
    starts : sequence of int
        Where each curve begins; the first number of a curve is no difference.

    Examples
    --------
    >>> packed(np.array([100.0, 101.0, 103.0, 7.0]), [0, 3])
    {'by': 1, 'values': [100, 1, 2, 7]}
    >>> packed(np.array([0.5, 1.0]))
    {'values': [0.5, 1]}
    """
    is_whole = bool(len(values)) and bool(np.isfinite(values).all())
    is_whole = is_whole and bool((values == np.floor(values)).all() and (np.abs(values) < _MOST_EXACT).all())
    if not is_whole:
        return {"values": numbers(None if math.isnan(one) else one for one in values.tolist())}
    whole = values.astype(np.int64)
    # times are in microseconds, and most logs know seconds
    unit = max(int(np.gcd.reduce(whole)), 1)
    whole //= unit
    differences = np.diff(whole, prepend=0)
    at = np.asarray(starts, dtype=np.int64)
    at = at[at < len(whole)]
    differences[at] = whole[at]
    return {"by": unit, "values": differences.tolist()}


def unpacked(column: Mapping[str, Any], starts: Sequence[int] = (0,)) -> list[float | None]:
    """What :func:`packed` packed; None for a number that is not known.

    >>> unpacked({"by": 1, "values": [100, 1, 2, 7]}, [0, 3])
    [100.0, 101.0, 103.0, 7.0]
    """
    if "by" not in column:
        return [from_number(one) for one in column["values"]]
    sums: list[float | None] = []
    begins, total = {*starts}, 0
    for place, one in enumerate(column["values"]):
        total = one if place in begins else total + one
        sums.append(float(total * column["by"]))
    return sums


def coded(texts: Iterable[str | None]) -> dict[str, Any]:
    """A column of texts, each distinct one once; -1 stands for none.

    >>> coded(["a", None, "a"])
    {'texts': ['a'], 'codes': [0, -1, 0]}
    """
    known: dict[str, int] = {}
    codes = [-1 if text is None else known.setdefault(text, len(known)) for text in texts]
    return {"texts": list(known), "codes": codes}
