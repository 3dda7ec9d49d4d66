"""Natural order of names: trial_2 comes before trial_10."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from metricscan.logs._natural import natural_keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

_NUMBERS = re.compile(r"(\d+)")


def natural(name: str) -> tuple[tuple[str | tuple[int, str], ...], str]:
    """The sort key of a name for natural order: trial_2 comes before trial_10.

    >>> sorted(["trial_10", "trial_2"], key=natural)
    ['trial_2', 'trial_10']
    """
    parts: list[str | tuple[int, str]] = [*_NUMBERS.split(name)]
    parts[1::2] = map(_number, _NUMBERS.findall(name))
    return tuple(parts), name


def _number(digits: str) -> tuple[int, str]:
    """A key that compares like the number, for any length: ``int()`` refuses more than 4,300 digits."""
    if not digits.isascii():
        digits = "".join(str(int(digit)) for digit in digits)
    significant = digits.lstrip("0")
    return len(significant), significant


def natural_order(names: Sequence[str]) -> list[int]:
    """The indices that put names in natural order; the sort is stable.

    >>> natural_order(["trial_10", "trial_2", "trial_1"])
    [2, 1, 0]
    """
    keys: Sequence[Any] | None = natural_keys([*names])
    if keys is None:
        keys = [natural(name) for name in names]
    return sorted(range(len(keys)), key=keys.__getitem__)


def _order_of_array(names: pa.Array) -> NDArray[np.int64]:
    """The indices that put names in natural order, as an array."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = names.to_pylist()
    written = natural_keys(texts)
    if written is None:
        # some digits are not ASCII
        return np.array(sorted(range(len(texts)), key=lambda index: natural(texts[index])), dtype=np.int64)
    keys = pa.array(written, pa.large_binary())
    if len(keys) < 2 or pc.all(pc.less(keys[:-1], keys[1:])).as_py():
        return np.arange(len(keys), dtype=np.int64)
    return pc.sort_indices(keys).to_numpy().astype(np.int64)  # type: ignore[no-any-return]


def natural_ranks(names: pa.Array) -> NDArray[np.int64]:
    """The position of each name in natural order, int64: trial_2 before trial_10.

    >>> import pyarrow as pa
    >>> natural_ranks(pa.array(["trial_10", "trial_2", "trial_1"])).tolist()
    [2, 1, 0]
    """
    import numpy as np

    order = _order_of_array(names)
    ranks = np.empty_like(order)
    ranks[order] = np.arange(len(order))
    return ranks
