"""The curves of a page: the points of many jobs, thinned until they fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metricscan.datasets.dataset import Dataset
from metricscan.datasets.rows import codes_of
from metricscan.definitions.blocks import BLOCK
from metricscan.errors import OptionError
from metricscan.ranking.attempts import superseded_in
from metricscan.ranking.tables import blocks_of
from metricscan.ranking.wide import STREAM, curve_points
from metricscan.reports.packing import embedded, numbers, packed
from metricscan.reports.thinning import LEAST, thinned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metricscan.datasets.rows import Array

#: A page has the curves of so many jobs, the first ones of the ranking.
MOST_JOBS = 1_000
#: The points of a curve, at most.
MOST_POINTS = 2_000
#: Where points are scarce, the curves of so many jobs, the first ones of the ranking, have ``MORE`` times as many as the others.
FIRST_JOBS = 20
MORE = 10
# of a point: row, step and value, seldom a time
_BYTES_OF_POINT = 16


class _Points(NamedTuple):
    """The curves of one metric."""

    job: Array  # of each curve the place of its job in the ranking
    worker: list[str | None]  # of each curve
    starts: Array  # of each curve, in the columns
    sizes: Array
    step: Array  # float64, NaN without one
    row: Array
    time: Array  # microseconds, NaN without one
    value: Array


def page_curves(
    tables: Mapping[str, pa.Table],
    metrics: Sequence[str],
    jobs: Sequence[str],
    *,
    budget: int,
    worker: Sequence[str] = (),
    **how: Any,
) -> list[dict[str, Any]]:
    """The curves of metrics, as the page holds them.

    Parameters
    ----------
    tables : mapping of str to pyarrow.Table
        A dataset is read metric by metric; only the rows of jobs that are drawn are held in memory.
    metrics : sequence of str
    jobs : sequence of str
        In the order of the ranking; the curves of the first :data:`MOST_JOBS` are drawn.
    budget : int
        The bytes that all curves may take up.
    worker : sequence of str
        What distinguishes the workers of a job, as :func:`curve` takes it. A metric that shares no record with them has one curve
        per job.
    **how
        ``step``, ``carry``, ``step_place``, ``per_step`` and ``restarts``, as :func:`curve` takes them.

    Returns
    -------
    list of dict
        Per metric: ``metric``, ``jobs`` (how many of the first ones are drawn), ``most`` (points of a curve, and of one of the
        first :data:`FIRST_JOBS`), ``points`` (in the dataset and on the page), ``together`` (whether workers are not told apart,
        though that was asked), and the columns ``job``, ``worker``, ``length`` (values of the curve in the dataset), ``size``
        (on the page) of curves, and ``step``, ``row``, ``time``, ``value`` of points.

    Raises
    ------
    OptionError
        A worker is not among the metrics.
    """
    unknown = [name for name in worker if name != STREAM and name not in tables]
    if unknown:
        names = ", ".join(map(repr, tables))
        raise OptionError(f"the worker {unknown[0]!r} is not among the metrics: {names}")
    shown = list(jobs[:MOST_JOBS])
    drawn = tables if len(shown) == len(jobs) else _OfJobs(tables, shown)
    left = budget
    found = []
    for number, metric in enumerate(metrics):
        points, together = _points_of(drawn, metric, shown, worker, how)
        if how.get("step") is None:
            # each value is a step of its own: its row
            points = points._replace(step=np.full(len(points.value), np.nan))
        entry = _fitted(metric, points, len(shown), left // (len(metrics) - number))
        left -= len(embedded(entry))
        found.append({**entry, "together": together})
    return found


def _points_of(
    tables: Mapping[str, pa.Table], metric: str, jobs: Sequence[str], worker: Sequence[str], how: Mapping[str, Any]
) -> tuple[_Points, bool]:
    try:
        return _split(curve_points(tables, metric, worker=worker, **how), jobs), False
    except OptionError:
        if not worker:
            raise
    # this metric shares no record with the workers
    return _split(curve_points(tables, metric, **{**how, "carry": False}), jobs), True


def _split(table: pa.Table, jobs: Sequence[str]) -> _Points:
    """The curves of a table, which has the columns of :func:`curve_points`, in the order of the jobs."""
    names = table.column_names
    own = [at for at in range(1, len(names) - 3) if names[at] not in ("step", "repeat") or at < names.index("step")]
    place = {name: number for number, name in enumerate(jobs)}
    texts, codes = codes_of(table.column(0), "job")
    known = np.array([place.get(name, -1) for name in texts.to_pylist()], dtype=np.int64)
    job = known[codes] if len(known) else np.empty(0, dtype=np.int64)
    keys = [job]
    labels = []
    for at in own:
        column = table.column(at).combine_chunks()
        coded = column.dictionary_encode() if not pa.types.is_dictionary(column.type) else column
        keys.append(coded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64))
        labels.append((names[at], coded.dictionary.to_pylist()))
    changes = np.zeros(len(job), dtype=bool)
    changes[:1] = True
    for key in keys:
        changes[1:] |= key[1:] != key[:-1]
    starts = np.flatnonzero(changes)
    sizes = np.diff(np.append(starts, len(job)))
    workers = [_worker(labels, [int(key[at]) for key in keys[1:]]) for at in starts.tolist()]
    columns = [table.column("step"), *(table.column(at) for at in (-2, -1, -3))]
    step, row, time, value = (one.to_numpy().astype(np.float64) for one in columns)
    order = np.lexsort((np.arange(len(starts)), job[starts]))
    order = order[job[starts][order] >= 0]
    return _Points(
        job[starts][order], [workers[at] for at in order.tolist()], starts[order], sizes[order], step, row, time, value
    )


def _worker(labels: Sequence[tuple[str, Sequence[Any]]], codes: Sequence[int]) -> str | None:
    """How the page names a worker; None if there is nothing to distinguish."""
    parts = []
    for (name, texts), code in zip(labels, codes, strict=True):
        text = "none" if code < 0 else texts[code]
        text = f"{text:g}" if isinstance(text, float) else str(text)
        parts.append(f"run {text}" if name == "run" else text if name == STREAM else f"{name} {text}")
    return ", ".join(parts) or None


def _fitted(metric: str, points: _Points, jobs: int, budget: int) -> dict[str, Any]:
    """The curves of a metric with as many points as fit, and at last of fewer jobs."""
    each: float = _BYTES_OF_POINT
    while True:
        curves = int(np.searchsorted(points.job, jobs))
        most = _most_of_each(points.sizes[:curves], points.job[:curves], int(budget / each))
        entry = _entry(metric, points, curves, jobs, most)
        size = len(embedded(entry))
        if size <= budget and most < MOST_POINTS and each == _BYTES_OF_POINT:
            # again, with the bytes that a point of this metric really takes
            each = 1.02 * size / max(len(entry["value"]), 1)
            continue
        while size > budget and most > LEAST:
            most = max(min(int(most * budget / size), most - 1), LEAST)
            entry = _entry(metric, points, curves, jobs, most)
            size = len(embedded(entry))
        if size <= budget or jobs <= 1:
            return entry
        jobs = max(min(int(jobs * budget / size), jobs - 1), 1)


def _most_of_each(sizes: Array, job: Array, total: int) -> int:
    """The greatest number of points of a curve with which all curves have no more than ``total``."""

    def needed(most: int) -> int:
        return int(np.minimum(sizes, np.where(job < FIRST_JOBS, _more(most), most)).sum())

    low, high = LEAST, MOST_POINTS
    if needed(high) <= total:
        return high
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if needed(middle) <= total else (low, middle - 1)
    return low


def _more(most: int) -> int:
    return min(most * MORE, MOST_POINTS)


def _entry(metric: str, points: _Points, curves: int, jobs: int, most: int) -> dict[str, Any]:
    kept = []
    for at in range(curves):
        start, size = int(points.starts[at]), int(points.sizes[at])
        own = most if points.job[at] >= FIRST_JOBS else _more(most)
        kept.append(thinned(points.value[start : start + size], own) + start)
    sizes = np.array([len(one) for one in kept], dtype=np.int64)
    which = np.concatenate([np.empty(0, dtype=np.int64), *kept])
    starts = (np.cumsum(sizes) - sizes).tolist()
    workers = points.worker[:curves]
    return {
        "metric": metric,
        "jobs": jobs,
        "most": [most, _more(most)],
        "points": [int(points.sizes[:curves].sum()), len(which)],
        "job": points.job[:curves].tolist(),
        "worker": workers if any(one is not None for one in workers) else None,
        "length": points.sizes[:curves].tolist(),
        "size": sizes.tolist(),
        "step": None if np.isnan(points.step[which]).all() else packed(points.step[which], starts),
        "row": packed(points.row[which], starts),
        "time": None if np.isnan(points.time[which]).all() else packed(points.time[which], starts),
        "value": numbers(points.value[which].tolist()),
    }


class _OfJobs(Mapping[str, pa.Table]):
    """The rows of some jobs."""

    def __init__(self, tables: Mapping[str, pa.Table], jobs: Sequence[str]) -> None:
        self._tables = tables
        self._jobs = pa.array(jobs, pa.string())
        self.superseded = superseded_in(tables, getattr(tables, "jobs", ()))

    def __getitem__(self, metric: str) -> pa.Table:
        if metric == BLOCK:
            return self._of(blocks_of(self._tables))
        if isinstance(self._tables, Dataset):
            parts = [self._of(pa.Table.from_batches([batch])) for batch in self._tables.batches(metric)]
            return pa.concat_tables(parts) if parts else self._tables[metric]
        return self._of(self._tables[metric])

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)

    def __contains__(self, metric: object) -> bool:
        return metric in self._tables

    def _of(self, table: pa.Table) -> pa.Table:
        names, codes = codes_of(table.column("job"), "job")
        mine = pc.is_in(names, self._jobs).to_numpy(zero_copy_only=False)
        return table.filter(pa.array(mine[codes]))
