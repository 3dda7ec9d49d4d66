"""Which jobs have logs in which the scan found suspects: of these alone it must be known which rows count."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from metricscan.datasets.evidence import Evidence
    from metricscan.datasets.rows import Array


def suspected_jobs(evidence: Evidence | None, metrics: Sequence[str], names: pa.Array) -> Callable[[], Array]:
    """What tells for each job number whether values of these metrics in its logs may be doubtful."""

    def found() -> Array:
        if not marked:
            which = np.zeros(len(names), dtype=bool)
            logs = {} if evidence is None else evidence.logs
            some = {job for (job, _, _), noted in logs.items() if any(metric in noted.suspects for metric in metrics)}
            if some:
                which[:] = pc.is_in(names, pa.array(sorted(some), names.type)).to_numpy(zero_copy_only=False)
            marked.append(which)
        return marked[0]

    marked: list[Array] = []
    return found
