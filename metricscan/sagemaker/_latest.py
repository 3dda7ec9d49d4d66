"""The latest value of a metric in one job, by the rule that the ranking's scope ``last`` goes by."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa


class Latest(NamedTuple):
    """The row that counts, and where it stands; ``time`` in microseconds since the epoch, or None."""

    stream: str
    value: float
    line: int
    offset: int
    time: int | None


def latest(streams: Mapping[str, pa.Table]) -> Latest | None:
    """The last row of a job's streams, each with its rows in their order; None where there is no row."""
    import numpy as np
    import pyarrow as pa

    from metricscan.datasets.rows import Rows
    from metricscan.ranking.deciding import job_order
    from metricscan.scanning.schema import NO_TIME

    carrying = {name: rows for name, rows in streams.items() if rows.num_rows}
    if not carrying:
        return None
    rows = Rows.joined(
        [
            Rows.of(np.zeros(part.num_rows, dtype=np.int64), np.full(part.num_rows, number), part)
            for number, part in enumerate(carrying.values())
        ]
    )
    names = list(carrying)
    at = int(job_order(rows, lambda: pa.array(names))[-1])
    time = None if rows.time is None or rows.time[at] == NO_TIME else int(rows.time[at])
    return Latest(names[int(rows.stream[at])], float(rows.value[at]), int(rows.line[at]), int(rows.offset[at]), time)
