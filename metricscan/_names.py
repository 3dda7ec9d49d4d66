"""Natural order of many names at once: what ``objective.natural`` says, without Python per name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metricscan.objective import natural

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A key spells the length of a number in one byte.
_MOST_DIGITS = 250


def natural_order(names: pa.Array) -> NDArray[np.int64]:
    """The indices that put names in natural order: trial_2 before trial_10.

    >>> natural_order(pa.array(["trial_10", "trial_2", "trial_1"])).tolist()
    [2, 1, 0]
    """
    keys = _keys(names)
    if keys is None:
        # a digit may be any that Unicode knows, and int() reads them all
        texts = names.to_pylist()
        return np.array(sorted(range(len(texts)), key=lambda index: natural(texts[index])), dtype=np.int64)
    if len(names) < 2 or pc.all(pc.less(keys[:-1], keys[1:])).as_py():
        return np.arange(len(names), dtype=np.int64)
    table = pa.table({"key": keys, "name": names.cast(pa.binary())})
    order = pc.sort_indices(table, sort_keys=[("key", "ascending"), ("name", "ascending")])
    return order.to_numpy().astype(np.int64)  # type: ignore[no-any-return]


def natural_ranks(names: pa.Array) -> NDArray[np.int64]:
    """Where each name stands in natural order."""
    order = natural_order(names)
    ranks = np.empty_like(order)
    ranks[order] = np.arange(len(order))
    return ranks


def _keys(names: pa.Array) -> pa.Array | None:
    """Bytes that compare as the names do by nature; None where only Python can tell.

    A character is itself plus 2; a number is 1, its count of digits plus 1, its digits. So a number comes before any
    character and after the end, and a longer number after a shorter one.
    """
    offsets, data = _buffers(names)
    if data.size and data.max() >= 0x80:
        return None
    if not data.size:
        return names.cast(pa.binary())
    starts_name = np.zeros(data.size + 1, dtype=bool)
    starts_name[offsets] = True
    digit = (data >= 48) & (data <= 57)
    before = np.concatenate(([False], digit[:-1])) & ~starts_name[:-1]
    after = np.concatenate((digit[1:], [False])) & ~starts_name[1:]
    first = np.flatnonzero(digit & ~before)
    end = np.flatnonzero(digit & ~after) + 1
    # leading zeros count for nothing
    telling = np.append(np.flatnonzero(digit & (data != 48)), data.size)
    significant = np.minimum(telling[np.searchsorted(telling, first)], end)
    digits = end - significant
    if digits.size and digits.max() > _MOST_DIGITS:
        return None
    size = np.ones(data.size, dtype=np.int64)
    inside = np.flatnonzero(digit)
    size[inside[inside < np.repeat(significant, end - first)]] = 0
    size[first] += 2
    ends = np.cumsum(size)
    keys = np.empty(int(ends[-1]), dtype=np.uint8)
    kept = size > 0
    # a number's mark and length stand before its first byte, which may itself be a zero that is left out
    kept[first[size[first] == 2]] = False
    keys[ends[kept] - 1] = data[kept] + 2
    mark = ends[first] - size[first]
    keys[mark] = 1
    keys[mark + 1] = digits + 1
    new_offsets = np.concatenate(([0], ends))[offsets].astype(np.int64)
    binary = pa.Array.from_buffers(pa.large_binary(), len(names), [None, pa.py_buffer(new_offsets), pa.py_buffer(keys)])
    return binary.cast(pa.binary()) if keys.size < 2**31 - 1 else binary


def _buffers(names: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Offsets from 0, and the bytes of all names after each other."""
    plain: Any = names.cast(pa.large_string())
    _, offset_buffer, data_buffer = plain.buffers()
    offsets = np.frombuffer(offset_buffer, dtype=np.int64)[plain.offset : plain.offset + len(plain) + 1]
    if data_buffer is None:
        return offsets - offsets[0], np.empty(0, dtype=np.uint8)
    return offsets - offsets[0], np.frombuffer(data_buffer, dtype=np.uint8)[offsets[0] : offsets[-1]]
