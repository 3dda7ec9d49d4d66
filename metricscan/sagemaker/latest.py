"""The final value of a metric in each job: its last row, by the rule of the scope ``last``."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pyarrow as pa

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class Latest(NamedTuple):
    """The last row of a metric in a job; ``time`` is in microseconds since the epoch, or None; ``part`` as in a table."""

    stream: str
    value: float
    line: int
    offset: int
    time: int | None
    part: int = 0


def latest(streams: Mapping[str, pa.Table]) -> Latest | None:
    """The last row of a metric in one job, whose rows are given by stream; None if there is no row."""
    import numpy as np
    import pyarrow as pa

    from metricscan.datasets.rows import Rows
    from metricscan.ranking.row_order import job_order
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
    place = (int(rows.line[at]), int(rows.offset[at]))
    part = 0 if rows.part is None else int(rows.part[at])
    return Latest(names[int(rows.stream[at])], float(rows.value[at]), *place, time, part)


class Final(NamedTuple):
    """The final value of a metric, and the time at which it was logged, if that is known."""

    value: float
    time: dt.datetime | None


def finals_of(table: pa.Table, superseded: Mapping[tuple[str, str], int]) -> Iterator[tuple[str, Final]]:
    """Each job with its final value, from a replay's table of one metric.

    Parameters
    ----------
    table : pyarrow.Table
    superseded : mapping of (str, str) to int
        By job and stream, how many of its first parts later attempts superseded: their rows are no final values.
    """
    import pyarrow.compute as pc

    jobs: dict[str, dict[str, pa.Table]] = {}
    for job, stream, rows in streams_of(table):
        parts = superseded.get((job, stream), 0)
        jobs.setdefault(job, {})[stream] = rows.filter(pc.greater_equal(rows["part"], parts)) if parts else rows
    for job, streams in jobs.items():
        place = latest(streams)
        if place is not None:
            yield job, Final(place.value, None if place.time is None else moment(place.time))


def streams_of(table: pa.Table) -> Iterator[tuple[str, str, pa.Table]]:
    """Each job and stream with its rows, in the order of the table; the rows are slices (no copy)."""
    import numpy as np

    if table.num_rows == 0:
        return
    table = table.unify_dictionaries().combine_chunks()
    columns = [table.column(name).combine_chunks() for name in ("job", "stream")]
    columns = [column.chunk(0) if hasattr(column, "chunk") else column for column in columns]
    codes = [column.indices.to_numpy(zero_copy_only=False) for column in columns]
    changes = np.flatnonzero((np.diff(codes[0]) != 0) | (np.diff(codes[1]) != 0)) + 1
    edges = [0, *changes.tolist(), table.num_rows]
    for start, end in itertools.pairwise(edges):
        job, stream = (column.dictionary[int(code[start])].as_py() for column, code in zip(columns, codes, strict=True))
        yield job, stream, table.slice(start, end - start)


def moment(micros: int) -> dt.datetime:
    """Microseconds since the epoch as a datetime in UTC."""
    return _EPOCH + dt.timedelta(microseconds=micros)
