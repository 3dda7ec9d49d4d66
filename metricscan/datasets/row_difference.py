"""The rows of a metric in two datasets: which are in one alone, and which have other values, by a merge in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metricscan.datasets.dataset import OutOfOrderError
from metricscan.datasets.rows import used_codes_of
from metricscan.logs.natural import natural, natural_ranks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from metricscan.datasets.dataset import Dataset
    from metricscan.datasets.rows import Array

DifferenceKind: TypeAlias = Literal["won", "lost", "changed"]


class RowSample(NamedTuple):
    """One row that differs.

    Attributes
    ----------
    kind : {"won", "lost", "changed"}
        Whether only the second dataset has it, only the first one, or both, with other values.
    stream : str
    part : int
        The piece of a rotated stream.
    line, offset : int
        The place of its record; in the first dataset, if it has the row.
    a, b : float, str or None
        Its value in the first and in the second dataset; None where it has none.
    """

    kind: DifferenceKind
    stream: str
    part: int
    line: int
    offset: int
    a: float | str | None
    b: float | str | None


@dataclass(slots=True)
class JobDifference:
    """The rows of a metric in one job that differ.

    Attributes
    ----------
    won, lost, changed : int
        How many rows only the second dataset has, only the first one, and both, with other values.
    samples : list of RowSample
        The first ones of each kind.
    """

    won: int = 0
    lost: int = 0
    changed: int = 0
    samples: list[RowSample] = field(default_factory=list)


@dataclass(slots=True)
class MetricDifference:
    """The rows of a metric that differ.

    Attributes
    ----------
    only_in : {"a", "b", None}
        The dataset that alone has such a metric.
    won, lost, changed, equal : int
        How many rows only the second dataset has, only the first one, both with other values, and both with the same value.
    jobs : dict of str to JobDifference
        By job, in natural order; jobs without a difference are left out.
    """

    only_in: Literal["a", "b"] | None = None
    won: int = 0
    lost: int = 0
    changed: int = 0
    equal: int = 0
    jobs: dict[str, JobDifference] = field(default_factory=dict)

    @property
    def differs(self) -> bool:
        """Whether a row differs, or the metric is in one dataset alone."""
        return self.only_in is not None or bool(self.won or self.lost or self.changed)


class _Rows(NamedTuple):
    """Rows of one dataset. ``log`` orders job, stream and part; ``value`` is an array of numbers, or of Arrow's texts."""

    log: Array
    offset: Array
    start: Array
    line: Array
    value: Any

    def take(self, which: Any) -> _Rows:
        value = self.value.take(pa.array(which)) if isinstance(self.value, pa.Array) else self.value[which]
        return _Rows(self.log[which], self.offset[which], self.start[which], self.line[which], value)

    def cut(self, at: int) -> tuple[_Rows, _Rows]:
        """The first so many rows, and the others."""
        log, offset, start, line, value = self
        first = _Rows(log[:at], offset[:at], start[:at], line[:at], value[:at])
        return first, _Rows(log[at:], offset[at:], start[at:], line[at:], value[at:])

    @property
    def last(self) -> tuple[int, int]:
        return int(self.log[-1]), int(self.offset[-1])

    def before(self, place: tuple[int, int]) -> int:
        """How many rows lie in records before this log and offset; the rows are in order."""
        log, offset = place
        first = int(np.searchsorted(self.log, log))
        return first + int(np.searchsorted(self.offset[first : int(np.searchsorted(self.log, log, "right"))], offset))


def _joined(parts: Sequence[_Rows]) -> _Rows:
    if len(parts) == 1:
        return parts[0]
    log, offset, start, line, values = zip(*parts, strict=True)
    value = pa.concat_arrays(values) if isinstance(values[0], pa.Array) else np.concatenate(values)
    return _Rows(np.concatenate(log), np.concatenate(offset), np.concatenate(start), np.concatenate(line), value)


class _Order:
    """The common order of the logs of two datasets: job and stream in natural order, then part."""

    def __init__(self, jobs: Iterable[str], streams: Iterable[str], parts: int) -> None:
        self.jobs, self._job_ranks = _ranked(jobs)
        self.streams, self._stream_ranks = _ranked(streams)
        self.parts = parts

    def of(self, batch: pa.RecordBatch) -> Array:
        """The number of each row's log.

        Raises
        ------
        OutOfOrderError
            A job, a stream or a part is none that the datasets say to have.
        """
        part = batch.column("part").to_numpy().astype(np.int64)
        if len(part) and not 0 <= part.min() <= part.max() < self.parts:
            raise OutOfOrderError
        job, stream = (
            _numbers(batch.column(name), ranks)
            for name, ranks in (("job", self._job_ranks), ("stream", self._stream_ranks))
        )
        logs: Array = (job * len(self.streams) + stream) * self.parts + part
        return logs

    def job_of(self, logs: Array) -> Array:
        """The numbers of the logs' jobs."""
        jobs: Array = np.floor_divide(logs, np.int64(len(self.streams) * self.parts))
        return jobs

    def names_of(self, log: int) -> tuple[str, str, int]:
        """Job, stream and part of a log."""
        rest, part = divmod(log, self.parts)
        job, stream = divmod(rest, len(self.streams))
        return self.jobs[job], self.streams[stream], part


def _ranked(names: Iterable[str]) -> tuple[list[str], dict[str, int]]:
    distinct = list(dict.fromkeys(names))
    order = np.argsort(natural_ranks(pa.array(distinct, pa.string())), kind="stable")
    ordered = [distinct[number] for number in order]
    return ordered, {name: rank for rank, name in enumerate(ordered)}


def _numbers(column: pa.Array, ranks: dict[str, int]) -> Array:
    names, codes = used_codes_of(column, "name")
    try:
        return np.array([ranks[name] for name in names.to_pylist()], np.int64)[codes]
    except KeyError:
        raise OutOfOrderError from None


class RowComparison:
    """Compares the metrics of two datasets.

    A row is the same in both if metric, job, stream, part and record (its offset) are. The rows of one record are paired by the
    places where their values start; those that are left, in their order.

    Parameters
    ----------
    a, b : Dataset
    samples : int
        How many rows of each kind are kept for each metric and job.
    """

    def __init__(self, a: Dataset, b: Dataset, *, samples: int) -> None:
        self._datasets = a, b
        self._samples = samples
        logs = [log for one in (a, b) for job in one.jobs for log in job.logs]
        jobs = [name for one in (a, b) for name in one.names.to_pylist()]
        self._order = _Order(jobs, (log.stream for log in logs), max((log.part for log in logs), default=0) + 1)

    def of(self, metric: str) -> MetricDifference:
        """Compare the rows of a metric, which may be in one dataset alone.

        Raises
        ------
        SourceError
            A dataset cannot be read.
        """
        a, b = self._datasets
        only_in: Literal["a", "b"] | None = None if metric in a and metric in b else "a" if metric in a else "b"
        found = MetricDifference(only_in)
        try:
            _compare(
                _in_order(a, metric, self._order), _in_order(b, metric, self._order), self._order, found, self._samples
            )
        except OutOfOrderError:
            # another program than replay wrote or changed a dataset: its rows are ordered in memory
            found = MetricDifference(only_in)
            tables = [one.get(metric) for one in self._datasets]
            some = [table for table in tables if table is not None and table.num_rows]
            jobs, streams = (
                [name for table in some for name in pc.unique(table[key].cast(pa.string())).to_pylist()]
                for key in ("job", "stream")
            )
            order = _Order(jobs, streams, 1 + max((pc.max(table["part"]).as_py() for table in some), default=0))
            own, other = (_sorted(table, order) for table in tables)
            _compare(own, other, order, found, self._samples)
        found.jobs = {name: found.jobs[name] for name in sorted(found.jobs, key=natural)}
        return found


def _compare(a: Iterator[_Rows], b: Iterator[_Rows], order: _Order, found: MetricDifference, samples: int) -> None:
    """Merge rows that come in order on both sides; few of them are in memory at a time."""
    sides = [_Side(a), _Side(b)]
    while True:
        lasts = [side.last for side in sides if not side.is_done]
        if not lasts:
            break
        bound = min(lasts)
        _add(sides[0].take_before(bound), sides[1].take_before(bound), order, found, samples)
        for side in sides:
            if not side.is_done and side.last == bound:
                side.read_more()
    _add(sides[0].rest(), sides[1].rest(), order, found, samples)


def _add(a: _Rows | None, b: _Rows | None, order: _Order, found: MetricDifference, samples: int) -> None:
    """Compare rows of the same records."""
    if a is None or b is None:
        if a is not None:
            _count("lost", a, a, order, found, samples)
        if b is not None:
            _count("won", b, b, order, found, samples)
        return
    own, other = _paired(a, b)
    same = _are_same(a.take(own), b.take(other))
    found.equal += int(same.sum())
    changed = ~same
    _count("changed", a.take(own[changed]), b.take(other[changed]), order, found, samples)
    lost, won = (rows.take(np.setdiff1d(np.arange(len(rows.log)), paired)) for rows, paired in ((a, own), (b, other)))
    _count("lost", lost, lost, order, found, samples)
    _count("won", won, won, order, found, samples)


def _count(kind: DifferenceKind, a: _Rows, b: _Rows, order: _Order, found: MetricDifference, samples: int) -> None:
    """Count rows that differ in one way; of a change, both sides are given."""
    size = len(a.log)
    if not size:
        return
    setattr(found, kind, getattr(found, kind) + size)
    by_job = np.argsort(order.job_of(a.log), kind="stable")
    jobs, firsts, counts = np.unique(order.job_of(a.log)[by_job], return_index=True, return_counts=True)
    for job, first, count in zip(jobs.tolist(), firsts.tolist(), counts.tolist(), strict=True):
        own = found.jobs.setdefault(order.jobs[job], JobDifference())
        before = getattr(own, kind)
        setattr(own, kind, before + count)
        for at in by_job[first : first + min(count, max(samples - before, 0))].tolist():
            _, stream, part = order.names_of(int(a.log[at]))
            values = None if kind == "won" else _item(a.value, at), None if kind == "lost" else _item(b.value, at)
            own.samples.append(RowSample(kind, stream, part, int(a.line[at]), int(a.offset[at]), *values))


class _Side:
    """The rows of one dataset that have not been compared."""

    def __init__(self, batches: Iterator[_Rows]) -> None:
        self._batches = batches
        self._held: _Rows | None = None
        self.is_done = False
        self.read_more()

    @property
    def last(self) -> tuple[int, int]:
        """The record of the last row that was read."""
        assert self._held is not None
        return self._held.last

    def read_more(self) -> None:
        """Read the next rows."""
        more = next(self._batches, None)
        if more is None:
            self.is_done = True
        else:
            self._held = more if self._held is None else _joined([self._held, more])

    def take_before(self, place: tuple[int, int]) -> _Rows | None:
        """The rows of records before this place, which are whole; None if there is none."""
        if self._held is None:
            return None
        before = self._held.before(place)
        if not before:
            return None
        taken, rest = self._held.cut(before)
        self._held = rest if len(rest.log) else None
        return taken

    def rest(self) -> _Rows | None:
        """All rows that are left."""
        return self._held


def _in_order(dataset: Dataset, metric: str, order: _Order) -> Iterator[_Rows]:
    """The rows of a metric, batch by batch.

    Raises
    ------
    OutOfOrderError
        They are not in the order of the logs.
    """
    before = (-1, -1)
    for batch in dataset.batches(metric) if metric in dataset else ():
        rows = _rows_of(batch, order.of(batch))
        log, offset = rows.log, rows.offset
        falls = (log[1:] < log[:-1]) | ((log[1:] == log[:-1]) & (offset[1:] < offset[:-1]))
        if not len(log):
            continue
        if falls.any() or (int(log[0]), int(offset[0])) < before:
            raise OutOfOrderError
        before = rows.last
        yield rows


def _sorted(table: pa.Table | None, order: _Order) -> Iterator[_Rows]:
    """All rows of a table at once, in order."""
    if table is None or not table.num_rows:
        return
    (batch,) = table.unify_dictionaries().combine_chunks().to_batches()
    rows = _rows_of(batch, order.of(batch))
    yield rows.take(np.lexsort((rows.start, rows.offset, rows.log)))


def _rows_of(batch: pa.RecordBatch, logs: Array) -> _Rows:
    value = batch.column("value")
    offset, start, line = (batch.column(name).to_numpy() for name in ("offset", "start", "line"))
    return _Rows(logs, offset, start, line, value if pa.types.is_string(value.type) else value.to_numpy())


def _paired(a: _Rows, b: _Rows) -> tuple[Array, Array]:
    """The numbers of the rows of both sides that are the same rows."""
    if len(a.log) == len(b.log) and all(
        np.array_equal(one, other) for one, other in ((a.log, b.log), (a.offset, b.offset), (a.start, b.start))
    ):
        every = np.arange(len(a.log))
        return every, every
    own, other = _alike((a.log, a.offset, a.start), (b.log, b.offset, b.start))
    rest = [np.setdiff1d(np.arange(size), taken) for size, taken in ((len(a.log), own), (len(b.log), other))]
    more = _alike((a.log[rest[0]], a.offset[rest[0]]), (b.log[rest[1]], b.offset[rest[1]]))
    return np.concatenate([own, rest[0][more[0]]]), np.concatenate([other, rest[1][more[1]]])


def _alike(a: Sequence[Array], b: Sequence[Array]) -> tuple[Array, Array]:
    """Pair rows with equal keys: the first with the first, the second with the second."""
    size = len(a[0])
    keys = [np.concatenate(pair) for pair in zip(a, b, strict=True)]
    # a stable sort: of equal keys those of the first side come first, each side in its order
    order = np.lexsort(keys[::-1])
    begins = np.ones(len(order), bool)
    begins[1:] = np.logical_or.reduce([key[order][1:] != key[order][:-1] for key in keys])
    group = np.cumsum(begins) - 1
    is_own = order < size
    own_rows = np.bincount(group[is_own], minlength=int(group[-1]) + 1 if len(group) else 0)
    all_rows = np.bincount(group, minlength=len(own_rows))
    number = np.arange(len(order)) - np.flatnonzero(begins)[group]
    number[~is_own] -= own_rows[group[~is_own]]
    is_paired = number < np.minimum(own_rows, all_rows - own_rows)[group]
    return order[is_own & is_paired], order[~is_own & is_paired] - size


def _are_same(a: _Rows, b: _Rows) -> Array:
    """Whether the values of rows are equal; NaN equals NaN, and a text no number."""
    are_texts = [isinstance(one.value, pa.Array) for one in (a, b)]
    if all(are_texts):
        return pc.equal(a.value, b.value).to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]
    if any(are_texts):
        return np.zeros(len(a.log), bool)
    return (a.value == b.value) | (np.isnan(a.value) & np.isnan(b.value))  # type: ignore[no-any-return]


def _item(values: Any, at: int) -> Any:
    return values[at].as_py() if isinstance(values, pa.Array) else float(values[at])
