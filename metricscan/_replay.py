"""Many logs at once: their jobs, their rows in one table a metric, and the best job."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from metricscan import batch as rows_of_one_log
from metricscan import ranking, sink
from metricscan._blocks import worker_count
from metricscan._framing import check_format, span_of
from metricscan._jobs import STDIN, Log, survey
from metricscan.errors import OptionError, SourceError
from metricscan.objective import Objective, Standing, decide
from metricscan.scanner import Scanner
from metricscan.source import open_source
from metricscan.stats import MetricStats, ScanStats

if TYPE_CHECKING:
    from metricscan._jobs import Survey
    from metricscan.scanner import Batches

_NAMES = pa.dictionary(pa.int32(), pa.string())
#: Rows of one metric over all jobs.
SCHEMA = pa.schema(
    [pa.field("job", _NAMES, nullable=False), pa.field("stream", _NAMES, nullable=False), *rows_of_one_log.SCHEMA]
)
# Logs up to this size are scanned side by side, one a thread; larger ones one after the other, on all threads.
_SMALL_BYTES = 8 << 20
# Beyond this many batches of a metric their overhead outweighs the copy into one.
_MOST_BATCHES = 256


class Best(NamedTuple):
    """The winner: its value, and the row that decided."""

    job: str
    value: float
    path: str
    stream: str
    line: int
    offset: int
    hyperparameters: Mapping[str, str]


class Progress(NamedTuple):
    """How far a replay is; bytes are those on disk."""

    path: str
    bytes: int
    total_bytes: int
    logs: int
    total_logs: int


class Replay(Mapping[str, pa.Table]):
    """What many logs held: a mapping from every defined metric to its rows over all jobs.

    A table has the columns job, stream, value, line, offset, start, time; rows are ordered by job, stream and place.

    Attributes
    ----------
    ranking : pyarrow.Table or None
        A row a job: rank, job, value, objective_status, job_status, rows, stream, line, offset, hyperparameters, streams.
        None if there was no objective.
    best : Best or None
        None without an objective, or without a winner.
    jobs : tuple of Job
        In natural name order, with their logs, status and hyperparameters.
    errors : tuple of SourceError
        What could not be found or read; the rows before a fault are kept.
    stats : ScanStats
        Over all logs.
    survey : Survey
        What was found under the paths, and what was passed over.
    spans : tuple of (int, int) or None
        Per job the first and the last time of its events, in microseconds since the epoch; None where none is known.
    """

    def __init__(
        self,
        tables: Mapping[str, pa.Table] | None,
        order: pa.Table | None,
        best: Best | None,
        errors: Sequence[SourceError],
        stats: ScanStats,
        found: Survey,
        spans: Sequence[tuple[int, int] | None] | None = None,
    ) -> None:
        self.spans = (None,) * len(found.jobs) if spans is None else tuple(spans)
        self._tables = tables
        self.ranking = order
        self.best = best
        self.jobs = tuple(found.jobs)
        self.errors = tuple(errors)
        self.stats = stats
        self.survey = found

    def __getitem__(self, name: str) -> pa.Table:
        if self._tables is None:
            if name not in self.stats.metrics:
                raise KeyError(name)
            raise LookupError("the rows were not kept: the replay was run with keep=False")
        return self._tables[name]

    def __contains__(self, name: object) -> bool:
        return name in self.stats.metrics

    def __iter__(self) -> Iterator[str]:
        return iter(self.stats.metrics)

    def __len__(self) -> int:
        return len(self.stats.metrics)

    def __repr__(self) -> str:
        best = "" if self.best is None else f", best {self.best.job}"
        return f"<Replay of {self.survey}, {len(self.jobs)} jobs{best}, {len(self.errors)} errors>"


def replay(
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    scanner: Scanner,
    *,
    objective: Objective | None = None,
    on_error: str = "collect",
    threads: int | None = None,
    job: str = "auto",
    jobs: str | os.PathLike[str] | None = None,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    input_format: str = "auto",
    keep: bool = True,
    out: str | os.PathLike[str] | None = None,
    format: str = "parquet",  # noqa: A002
    overwrite: bool = False,
    progress: Callable[[Progress], object] | None = None,
) -> Replay:
    """Read the logs of many training jobs, and rank the jobs.

    Parameters
    ----------
    paths : path or iterable of path
        Files, folders (searched for logs), globs, or ``"-"`` for standard input.
    scanner : Scanner
    objective : Objective, optional
    on_error : {"collect", "raise"}
        Whether an unreadable log is noted in ``errors``, and the others are read, or raised.
    threads : int, optional
        By default as many as there are cores. The result does not depend on it.
    job : "auto", "file", "dir" or a regex
        What one job is: as the layouts of usual tools have it; each file; each folder; or what the regex's group ``job``
        (else its first group, else the whole match) finds in a log's path.
    jobs : path, optional
        CSV or JSON lines with the columns job or path, status, hyperparameters.
    include, exclude : sequence of glob
        Which files of a folder are logs.
    input_format : {"auto", "plain", "cloudwatch-json", "cloudwatch-csv", "s3-export"}
        What the logs are: text, or exports of log events, whose rows get a ``time``; ``"auto"``: as each one's first bytes
        show. Events that name their stream are told apart by it: one export may hold the streams of many jobs.
    keep : bool
        Whether to keep the rows in memory. Without them, and with ``out``, memory stays bounded for any input.
    out : path, optional
        Folder of a dataset to write: a folder a metric, the ranking, a manifest.
    format : {"parquet", "arrow", "csv", "jsonl"}
    overwrite : bool
        Whether ``out`` may replace a dataset.
    progress : callable, optional
        Called with a :class:`Progress` now and then.

    Raises
    ------
    OptionError
        An option with a value it does not have, or an objective that is not among the metrics.
    SourceError
        With ``on_error="raise"``, the first fault; always, if the output or the jobs file is at fault.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> logs = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (logs / "a.log").write_text("loss=0.5\\n"), (logs / "b.log").write_text("loss=0.25\\n")
    >>> result = replay(logs, Scanner(["loss=loss=([0-9.]+)"]), objective=Objective("loss", "Minimize"))
    >>> result.best.job, result.best.value
    ('b', 0.25)
    >>> result["loss"].select(["job", "value", "line"]).to_pylist()
    [{'job': 'a', 'value': 0.5, 'line': 1}, {'job': 'b', 'value': 0.25, 'line': 1}]
    """
    if not isinstance(scanner, Scanner):
        raise TypeError(f"a Scanner was expected, not {type(scanner).__name__}")
    if on_error not in ("collect", "raise"):
        raise OptionError(f"on_error={on_error!r}: 'collect' or 'raise' was expected")
    if objective is not None:
        ranking.check_metric(objective, scanner.metrics)
    if threads is not None:
        worker_count(threads, None)
    if isinstance(paths, (str, os.PathLike)):
        paths = [paths]
    check_format(input_format)
    found = survey(paths, job=job, jobs_file=jobs, include=include, exclude=exclude, input_format=input_format)
    if on_error == "raise" and found.errors:
        raise found.errors[0]
    run = _Run(
        scanner, found, objective, threads, progress, raise_errors=on_error == "raise", input_format=input_format
    )
    if out is None:
        return run.over_all_logs(keep=keep, target=None)
    with sink.Sink(out, scanner.metrics, format=format, overwrite=overwrite) as target:
        result = run.over_all_logs(keep=keep, target=target)
        target.finish(result.ranking, run.manifest())
    return result


class _Run:
    """One replay: logs in order, their rows to where they are kept."""

    def __init__(
        self,
        scanner: Scanner,
        found: Survey,
        objective: Objective | None,
        threads: int | None,
        progress: Callable[[Progress], object] | None,
        *,
        raise_errors: bool,
        input_format: str,
    ) -> None:
        self.input_format = input_format
        self.log_spans: dict[Log, tuple[int, int] | None] = {}
        self.exports: dict[str, dict[str, list[tuple[str, pa.RecordBatch]]]] = {}
        self.scanner = scanner
        self.found = found
        self.objective = objective
        self.threads = threads
        self.progress = progress
        self.raise_errors = raise_errors
        self.errors = list(found.errors)
        self.stats = ScanStats(metrics={name: MetricStats() for name in scanner.metrics})
        self.sources: list[dict[str, Any]] = []
        self.logs = [(number, log) for number, one in enumerate(found.jobs) for log in one.logs]
        self.sizes = {log.path: _size(log.path) for _, log in self.logs}
        self.total_bytes = sum(self.sizes.values())
        self.read_bytes = 0
        self.read_logs = 0
        streams = sorted({log.stream for _, log in self.logs})
        self.job_names = pa.array([one.name for one in found.jobs], pa.string())
        self.stream_names = pa.array(streams, pa.string())
        self.stream_numbers = {name: number for number, name in enumerate(streams)}
        self.standings: list[dict[str, Standing]] = [{} for _ in found.jobs]

    def over_all_logs(self, *, keep: bool, target: sink.Sink | None) -> Replay:
        kept = {name: _Rows() for name in self.scanner.metrics}
        metric_numbers = {name: number for number, name in enumerate(self.scanner.metrics)}
        metric_names = pa.array(self.scanner.metrics, pa.string())
        for (number, log), (batches, stats) in self._scanned():
            stream_number = self.stream_numbers[log.stream]
            standing = self.standings[number].setdefault(log.stream, Standing())
            for name, batch in batches:
                if self.objective is not None and name == self.objective.metric:
                    standing.add(batch)
                if not keep and target is None:
                    continue
                size = batch.num_rows
                job = _same(number, size, self.job_names)
                stream = _same(stream_number, size, self.stream_names)
                if keep:
                    kept[name].add(pa.RecordBatch.from_arrays([job, stream, *batch.columns], schema=SCHEMA))
                if target is not None:
                    metric = _same(metric_numbers[name], size, metric_names)
                    target.write(
                        name, pa.RecordBatch.from_arrays([job, stream, metric, *batch.columns], schema=sink.SCHEMA)
                    )
            counts = stats()
            self.stats.merge(counts)
            self.sources.append(
                {
                    "path": log.path,
                    "job": self.found.jobs[number].name,
                    "stream": log.stream,
                    "bytes": counts.bytes,
                    "records": counts.records,
                }
            )
        order, best = self._rank()
        tables = {name: rows.table() for name, rows in kept.items()} if keep else None
        spans = [span_of(self.log_spans.get(log) for log in one.logs) for one in self.found.jobs]
        return Replay(tables, order, best, self.errors, self.stats, self.found, spans)

    def _rank(self) -> tuple[pa.Table | None, Best | None]:
        if self.objective is None:
            return None, None
        entrants = [
            ranking.Entrant(one.name, decide(streams), one.status, one.hyperparameters)
            for one, streams in zip(self.found.jobs, self.standings, strict=True)
        ]
        order = ranking.order(entrants, self.objective)
        if order.num_rows == 0 or order.column("rank")[0].as_py() is None:
            return order, None
        first = order.slice(0, 1).to_pylist()[0]
        winner = next(one for one in self.found.jobs if one.name == first["job"])
        path = next(log.path for log in winner.logs if log.stream == first["stream"])
        place = (first["value"], path, first["stream"], first["line"], first["offset"])
        return order, Best(first["job"], *place, winner.hyperparameters)

    def manifest(self) -> dict[str, Any]:
        from metricscan import __version__

        objective = self.objective
        return {
            "metricscan": __version__,
            "definitions": [{"Name": one.name, "Regex": one.regex} for one in self.scanner.definitions],
            "options": self.scanner.options,
            "fingerprint": self.scanner.fingerprint,
            "objective": None
            if objective is None
            else {"metric": objective.metric, "goal": objective.goal, "scope": objective.scope},
            "jobs": [
                {"job": one.name, "status": one.status, "hyperparameters": one.hyperparameters}
                for one in self.found.jobs
            ],
            "sources": self.sources,
            "counts": {
                name: {
                    "rows": counts.rows,
                    "unparsed": counts.unparsed,
                    "failed": counts.failed,
                    "timeouts": counts.timeouts,
                    "over_budget": counts.over_budget,
                }
                for name, counts in self.stats.metrics.items()
            },
            "errors": [{"path": error.path, "offset": error.offset, "message": str(error)} for error in self.errors],
        }

    # ---- scanning, in order

    def _scanned(self) -> Iterator[tuple[tuple[int, Log], _Scanned]]:
        """Each log with its batches, and a function that gives its counts once they have been taken."""
        workers = worker_count(self.threads, None if self.threads else self.total_bytes)
        if self.threads is None and len(self.logs) > 1:
            workers = worker_count(None, 1 << 40)
        small = [one for one in self.logs if self._is_small(one[1])]
        if workers == 1 or len(small) < 2:
            for one in self.logs:
                yield one, self._at_once(one[1])
            return
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(workers, thread_name_prefix="metricscan") as pool:
            ahead = iter(small)
            running: deque[Any] = deque()
            try:
                for one in self.logs:
                    if not self._is_small(one[1]):
                        yield one, self._at_once(one[1])
                        continue
                    while len(running) < 2 * workers and (following := next(ahead, None)) is not None:
                        running.append(pool.submit(self._whole, following[1]))
                    batches, stats, error = running.popleft().result()
                    self._note(error)
                    yield one, (batches, lambda stats=stats: stats)  # type: ignore[misc]
                    self._announce(one[1], done=True)
            finally:
                for future in running:
                    future.cancel()

    def _is_small(self, log: Log) -> bool:
        return log.path != STDIN and log.within is None and self.sizes[log.path] <= _SMALL_BYTES

    def _at_once(self, log: Log) -> _Scanned:
        if log.within is not None:
            return self._of_export(log, log.within)
        stats: list[ScanStats] = [ScanStats()]

        def batches() -> Iterator[tuple[str, pa.RecordBatch]]:
            try:
                opened = open_source(sys.stdin.buffer if log.path == STDIN else log.path)
            except SourceError as error:
                self._note(error)
                self._announce(log, done=True)
                return
            if self.progress is not None:
                opened.watch(lambda position: self._announce(log, position))
            running = self.scanner.batches(opened, threads=self.threads, input_format=self.input_format)
            try:
                yield from running
            except SourceError as error:
                self._note(error)
            finally:
                running.close()
            stats[0] = running.stats
            self._note(self._spanned(log, running))
            self._announce(log, done=True)

        return batches(), lambda: stats[0]

    def _of_export(self, log: Log, within: str) -> _Scanned:
        """One of the streams of an export; it is read once, and the rows of its other streams wait for their turn."""
        stats = ScanStats()
        if log.path not in self.exports:
            streams: dict[str, list[tuple[str, pa.RecordBatch]]] = {}
            self.exports[log.path] = streams
            try:
                running = self.scanner.batches(log.path, input_format=self.input_format)
            except SourceError as error:
                self._note(error)
                return [], lambda: stats
            frames = running.frames
            if frames is None:
                running.close()
                self._note(
                    SourceError(f"{log.path} was an export when it was surveyed, and is none now", path=log.path)
                )
                return [], lambda: stats
            try:
                for name, batch, numbers in running.numbered(frames):
                    listed = frames.stream_names
                    for number in np.unique(numbers).tolist():
                        rows = batch.filter(pa.array(numbers == number))
                        streams.setdefault(listed[number] or "", []).append((name, rows))
            except SourceError as error:
                self._note(error)
            finally:
                running.close()
            # told apart by stream are rows alone: what was counted is the whole export's
            stats = running.stats
            spans = {name or "": span for name, span in zip(frames.stream_names, frames.spans, strict=True)}
            for _, other in self.logs:
                if other.path == log.path:
                    self.log_spans[other] = spans.get(other.within or "")
            self._announce(log, done=True)
        return self.exports[log.path].pop(within, []), lambda: stats

    def _spanned(self, log: Log, running: Batches) -> SourceError | None:
        """Note when a log's events were; its fault, if they are of several streams, and it could not be told before."""
        if running.frames is None:
            return None
        self.log_spans[log] = span_of(running.frames.spans)
        names = [name for name in running.frames.stream_names if name is not None]
        if len(names) < 2:
            return None
        return SourceError(
            f"{log.path} holds events of {len(names)} streams, and can be read but once: they were taken for one",
            path=log.path,
            hint="save it to a file",
        )

    def _whole(self, log: Log) -> tuple[list[tuple[str, pa.RecordBatch]], ScanStats, SourceError | None]:
        try:
            running = self.scanner.batches(log.path, threads=1, input_format=self.input_format)
        except SourceError as error:
            return [], ScanStats(), error
        batches: list[tuple[str, pa.RecordBatch]] = []
        try:
            batches.extend(running)
        except SourceError as error:
            self._spanned(log, running)
            return batches, running.stats, error
        return batches, running.stats, self._spanned(log, running)

    def _note(self, error: SourceError | None) -> None:
        if error is None:
            return
        if self.raise_errors:
            raise error
        self.errors.append(error)

    def _announce(self, log: Log, position: int = 0, *, done: bool = False) -> None:
        if done:
            self.read_bytes += self.sizes[log.path]
            self.read_logs += 1
        if self.progress is not None:
            read = (
                min(self.read_bytes + position, self.total_bytes) if log.path != STDIN else self.read_bytes + position
            )
            self.progress(Progress(log.path, read, self.total_bytes, self.read_logs, len(self.logs)))


_Scanned = tuple[Iterable[tuple[str, pa.RecordBatch]], Callable[[], ScanStats]]


class _Rows:
    """Rows of one metric; small batches are put together before there are too many."""

    def __init__(self) -> None:
        self._batches: list[pa.RecordBatch] = []
        self._small = 0

    def add(self, batch: pa.RecordBatch) -> None:
        self._batches.append(batch)
        self._small += 1
        if self._small >= _MOST_BATCHES:
            tail = self._batches[-self._small :]
            del self._batches[-self._small :]
            self._batches += pa.Table.from_batches(tail, schema=SCHEMA).combine_chunks().to_batches()
            self._small = 0

    def table(self) -> pa.Table:
        return pa.Table.from_batches(self._batches, schema=SCHEMA)


def _same(number: int, size: int, names: pa.Array) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(np.full(size, number, dtype=np.int32)), names)


def _size(path: str) -> int:
    try:
        return 0 if path == STDIN else os.stat(path).st_size
    except OSError:
        return 0
