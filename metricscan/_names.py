"""Natural order of many names at once: what ``objective.natural`` says, without Python per name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metricscan._natural import natural_keys
from metricscan.objective import natural

if TYPE_CHECKING:
    from numpy.typing import NDArray


def natural_order(names: pa.Array) -> NDArray[np.int64]:
    """The indices that put names in natural order: trial_2 before trial_10.

    >>> natural_order(pa.array(["trial_10", "trial_2", "trial_1"])).tolist()
    [2, 1, 0]
    """
    texts = names.to_pylist()
    written = natural_keys(texts)
    if written is None:
        # a digit may be any that Unicode knows
        return np.array(sorted(range(len(texts)), key=lambda index: natural(texts[index])), dtype=np.int64)
    keys = pa.array(written, pa.large_binary())
    if len(keys) < 2 or pc.all(pc.less(keys[:-1], keys[1:])).as_py():
        return np.arange(len(keys), dtype=np.int64)
    return pc.sort_indices(keys).to_numpy().astype(np.int64)  # type: ignore[no-any-return]


def natural_ranks(names: pa.Array) -> NDArray[np.int64]:
    """Where each name stands in natural order."""
    order = natural_order(names)
    ranks = np.empty_like(order)
    ranks[order] = np.arange(len(order))
    return ranks
