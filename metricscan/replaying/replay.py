"""Many logs at once: their jobs, their rows in one table a metric, and the best job."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from metricscan.datasets import manifest, sink
from metricscan.datasets.formats import check_format as check_dataset_format
from metricscan.datasets.rows import Rows
from metricscan.datasets.schema import LABEL_SCHEMA, LABEL_TABLE_SCHEMA, SCHEMA, TABLE_SCHEMA
from metricscan.errors import AllFaults, OptionError, SourceError
from metricscan.logs.exports import check_format, span_of
from metricscan.logs.job import STDIN, Log
from metricscan.logs.naming import job_pattern
from metricscan.logs.source import open_source
from metricscan.logs.survey import survey
from metricscan.ranking import ranking
from metricscan.ranking.frames import job_frame, metric_frame
from metricscan.ranking.judge import Judge
from metricscan.ranking.wide import curve, wide
from metricscan.scanning.blocks import worker_count
from metricscan.scanning.scanner import Scanner, check_threads
from metricscan.scanning.stats import MetricStats, ScanStats
from metricscan.scanning.together import GROUP_BYTES, LEAST_GROUP_BYTES, MOST_BYTES, scan_together

if TYPE_CHECKING:
    from metricscan.datasets.rows import Array
    from metricscan.definitions.objective import Objective
    from metricscan.logs.job import Survey
    from metricscan.scanning.scanner import Batches
    from metricscan.scanning.together import Counts

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

    A table has the columns job, stream, value, line, offset, start, time; rows are ordered by job, stream and place. The
    values of the scanner's labels are strings.

    Attributes
    ----------
    ranking : pyarrow.Table or None
        What :func:`rank` gives for the objective; None if there was none.
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

    def rank(self, objective: Objective, *, completed_only: bool = False) -> pa.Table:
        """Rank the jobs by any objective and scope, from the rows that were kept; see :func:`metricscan.rank`.

        Raises
        ------
        LookupError
            The rows were not kept. A dataset that was written has them too: ``metricscan.rank(path, objective)``.
        """
        return ranking.rank(self, objective, completed_only=completed_only)

    def wide(
        self,
        step: str | None,
        metrics: Sequence[str] | None = None,
        *,
        worker: str | Sequence[str] = (),
        duplicates: str = "last",
    ) -> pa.Table:
        """Put the values of metrics side by side, a row a step; see :func:`metricscan.wide`."""
        return wide(self, step, metrics, worker=worker, duplicates=duplicates)

    def curve(
        self, metric: str, step: str | None = None, *, worker: str | Sequence[str] = (), duplicates: str = "last"
    ) -> pa.Table:
        """Give the values of one metric by step, job by job; see :func:`metricscan.curve`."""
        return curve(self, metric, step, worker=worker, duplicates=duplicates)

    def metric_frame(self, job: str | None = None) -> pa.Table:
        """Give all metrics of a job as the SDK's frame of a training job has them; see :func:`metricscan.metric_frame`."""
        return metric_frame(self, job)

    def job_frame(self, objective: Objective | None = None) -> pa.Table:
        """Give the jobs as the SDK's frame of a tuning job has them; see :func:`metricscan.job_frame`.

        Raises
        ------
        OptionError
            There was no objective, and none is given.
        """
        if objective is not None:
            return job_frame(self.rank(objective), self)
        if self.ranking is None:
            raise OptionError("the replay had no objective; one was expected")
        return job_frame(self.ranking, self._tables)

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
    completed_only: bool = False,
    on_error: str = "collect",
    threads: int | None = None,
    job: str = "auto",
    jobs: str | os.PathLike[str] | None = None,
    include: str | Sequence[str] = (),
    exclude: str | Sequence[str] = (),
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
    completed_only : bool
        Whether only jobs whose status is Completed get a rank.
    on_error : {"collect", "raise"}
        Whether an unreadable log is noted in ``errors``, and the others are read, or raised.
    threads : int, optional
        By default as many as there are cores. The result does not depend on it.
    job : "auto", "file", "dir" or a regex
        What one job is: as the layouts of usual tools have it; each file; each folder; or what the regex's group ``job``
        (else its first group, else the whole match) finds in a log's path.
    jobs : path, optional
        CSV or JSON lines with the columns job or path, status, hyperparameters.
    include, exclude : glob or sequence of glob
        Which files of a folder are logs.
    input_format : {"auto", "plain", "cloudwatch-json", "cloudwatch-csv", "s3-export"}
        What the logs are: text, or exports of log events, whose rows get a ``time``; ``"auto"``: as each one's first bytes
        show. Events that name their stream are told apart by it: one export may hold the streams of many jobs.
    keep : bool
        Whether to keep the rows in memory. Without them, and with ``out``, memory stays bounded for any input; where the
        objective has a step, by the objective's and the step's rows of one job.
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
        Options with values they do not have, or an objective that is not among the metrics: all faults together.
    SourceError
        With ``on_error="raise"``, the first fault; always, if the output or the jobs file is at fault.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from metricscan import Objective
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
    if isinstance(paths, (str, os.PathLike)):
        paths = [paths]
    elif isinstance(paths, (bytes, bytearray)) or not isinstance(paths, Iterable):
        raise TypeError(f"a path or an iterable of paths was expected, not {type(paths).__name__}")
    with AllFaults() as faults:
        if on_error not in ("collect", "raise"):
            faults.note(f"on_error={on_error!r}: 'collect' or 'raise' was expected")
        if objective is not None:
            faults.of(ranking.check_metric, objective, scanner.metrics, scanner.labels)
        faults.of(check_threads, threads)
        if job not in ("auto", "file", "dir"):
            faults.of(job_pattern, job)
        if jobs is not None and not isinstance(jobs, (str, os.PathLike)):
            faults.note(f"jobs={jobs!r:.80}: the path of a file was expected, CSV or JSON lines")
        if out is not None and (not isinstance(out, (str, os.PathLike)) or not os.fspath(out)):
            faults.note(f"out={out!r:.80}: the path of a folder was expected")
        if progress is not None and not callable(progress):
            faults.note(f"progress={progress!r:.80}: a callable was expected")
        faults.of(check_format, input_format)
        faults.of(check_dataset_format, format)
    found = survey(paths, job=job, jobs_file=jobs, include=include, exclude=exclude, input_format=input_format)
    if on_error == "raise" and found.errors:
        raise found.errors[0]
    run = _Run(
        scanner,
        found,
        objective,
        threads,
        progress,
        completed_only=completed_only,
        raise_errors=on_error == "raise",
        input_format=input_format,
    )
    if out is None:
        return run.over_all_logs(keep=keep, target=None)
    with sink.Sink(out, scanner.metrics, format=format, overwrite=overwrite, labels=scanner.labels) as target:
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
        completed_only: bool,
        raise_errors: bool,
        input_format: str,
    ) -> None:
        self.input_format = input_format
        self.log_spans: dict[Log, tuple[int, int] | None] = {}
        self.exports: dict[str, dict[str, list[tuple[str, pa.RecordBatch]]]] = {}
        self.scanner = scanner
        self.found = found
        self.objective = objective
        self.completed_only = completed_only
        self.threads = threads
        self.progress = progress
        self.raise_errors = raise_errors
        self.errors = list(found.errors)
        self.stats = ScanStats(metrics={name: MetricStats() for name in scanner.metrics})
        self.sources: list[dict[str, Any]] = []
        self.logs = [log for one in found.jobs for log in one.logs]
        # of each log the number of its job, and that of its stream
        self.job_numbers = np.repeat(np.arange(len(found.jobs), dtype=np.int32), [len(one.logs) for one in found.jobs])
        streams = sorted({log.stream for log in self.logs})
        numbers = {name: number for number, name in enumerate(streams)}
        self.stream_numbers = np.array([numbers[log.stream] for log in self.logs], np.int32)
        self.job_names = pa.array([one.name for one in found.jobs], pa.string())
        self.stream_names = pa.array(streams, pa.string())
        self.sizes = {log.path: found.sizes.get(log.path, 0) for log in self.logs}
        self.total_bytes = sum(self.sizes.values())
        self.read_bytes = 0
        self.read_logs = 0
        self.judge = None if objective is None else Judge(objective, lambda: self.stream_names)

    def over_all_logs(self, *, keep: bool, target: sink.Sink | None) -> Replay:
        labels = frozenset(self.scanner.labels)
        kept = {name: _Rows(LABEL_TABLE_SCHEMA if name in labels else TABLE_SCHEMA) for name in self.scanner.metrics}
        metric_numbers = {name: number for number, name in enumerate(self.scanner.metrics)}
        metric_names = pa.array(self.scanner.metrics, pa.string())
        for logs, batches, counted in self._scanned():
            job_numbers = self.job_numbers[logs.start : logs.stop]
            stream_numbers = self.stream_numbers[logs.start : logs.stop]
            if self.judge is not None and self.judge.is_full:
                self.judge.settle(int(job_numbers[0]))
            for name, batch, rows in batches:
                jobs, streams = np.repeat(job_numbers, rows), np.repeat(stream_numbers, rows)
                self._judged(name, jobs, streams, batch)
                if not keep and target is None:
                    continue
                job = pa.DictionaryArray.from_arrays(pa.array(jobs), self.job_names)
                stream = pa.DictionaryArray.from_arrays(pa.array(streams), self.stream_names)
                if keep:
                    kept[name].add(pa.RecordBatch.from_arrays([job, stream, *batch.columns], schema=kept[name].schema))
                if target is not None:
                    number = np.full(batch.num_rows, metric_numbers[name], np.int32)
                    metric = pa.DictionaryArray.from_arrays(pa.array(number), metric_names)
                    schema = LABEL_SCHEMA if name in labels else SCHEMA
                    target.write(name, pa.RecordBatch.from_arrays([job, stream, metric, *batch.columns], schema=schema))
            stats, sizes = counted()
            self.stats.merge(stats)
            if target is not None:
                self.sources += [
                    manifest.source_entry(self.logs[log], self.found.jobs[self.job_numbers[log]].name, size, records)
                    for log, (size, records) in zip(logs, sizes, strict=True)
                ]
        order, best = self._rank()
        tables = {name: rows.table() for name, rows in kept.items()} if keep else None
        spans = None
        if self.log_spans:
            spans = [span_of(self.log_spans.get(log) for log in one.logs) for one in self.found.jobs]
        return Replay(tables, order, best, self.errors, self.stats, self.found, spans)

    def _judged(self, name: str, jobs: Array, streams: Array, batch: pa.RecordBatch) -> None:
        """Let the judge see rows of the objective and of its step."""
        if self.judge is None or self.objective is None or name not in (self.objective.metric, self.objective.step):
            return
        rows = Rows.of(jobs, streams, batch)
        if name == self.objective.metric:
            self.judge.add(rows)
        if name == self.objective.step:
            self.judge.add_steps(rows)

    def _rank(self) -> tuple[pa.Table | None, Best | None]:
        if self.objective is None or self.judge is None:
            return None, None
        facts = {one.name: one for one in self.found.jobs}
        outcomes = self.judge.finish()
        went_back = self.judge.went_back
        names = (self.job_names, self.stream_names)
        order = ranking.order(outcomes, self.objective, *names, facts, went_back, completed_only=self.completed_only)
        if order.num_rows == 0 or order.column("rank")[0].as_py() is None:
            return order, None
        first = order.slice(0, 1).to_pylist()[0]
        winner = facts[first["job"]]
        path = next(log.path for log in winner.logs if log.stream == first["stream"])
        place = (first["value"], path, first["stream"], first["line"], first["offset"])
        return order, Best(first["job"], *place, winner.hyperparameters)

    def manifest(self) -> dict[str, Any]:
        return manifest.contents(
            self.scanner,
            self.found,
            self.stats,
            self.sources,
            self.errors,
            objective=self.objective,
            completed_only=self.completed_only,
            input_format=self.input_format,
        )

    # ---- scanning, in order

    def _scanned(self) -> Iterator[_Scanned]:
        """The logs with their batches, in order; several small ones together."""
        workers = worker_count(self.threads, None if self.threads else self.total_bytes)
        if self.threads is None and len(self.logs) > 1:
            workers = worker_count(None, 1 << 40)
        groups = list(self._groups(workers))
        small = [group for group in groups if self._is_small(group[0])]
        if workers == 1 or len(small) < 2:
            for group in groups:
                if len(group) > 1:
                    yield from self._taken(self._whole(group))
                else:
                    yield self._at_once(group[0])
            return
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(workers, thread_name_prefix="metricscan") as pool:
            ahead = iter(small)
            running: deque[Any] = deque()
            try:
                for group in groups:
                    if not self._is_small(group[0]):
                        yield self._at_once(group[0])
                        continue
                    while len(running) < 2 * workers and (following := next(ahead, None)) is not None:
                        running.append(pool.submit(self._whole, following))
                    yield from self._taken(running.popleft().result())
            finally:
                for future in running:
                    future.cancel()

    def _groups(self, workers: int) -> Iterator[range]:
        """The logs in order; such as are small enough to be scanned together, in one group."""
        # some groups for every thread, so that they end together
        most_bytes = min(GROUP_BYTES, max(LEAST_GROUP_BYTES, self.total_bytes // (8 * workers)))
        can_be_text = self.input_format in ("auto", "plain")
        regular = self.found.sizes
        first = held = 0
        for number, log in enumerate(self.logs):
            size = regular.get(log.path, MOST_BYTES + 1)
            together = size <= MOST_BYTES and log.within is None and can_be_text
            if first < number and (not together or held + size > most_bytes):
                yield range(first, number)
                first, held = number, 0
            if together:
                held += size + 1
            else:
                yield range(number, number + 1)
                first = number + 1
        if first < len(self.logs):
            yield range(first, len(self.logs))

    def _is_small(self, number: int) -> bool:
        log = self.logs[number]
        return log.path != STDIN and log.within is None and self.sizes[log.path] <= _SMALL_BYTES

    def _whole(self, group: range) -> list[tuple[_Scanned, SourceError | None]]:
        if len(group) > 1:
            paths = [log.path for log in self.logs[group.start : group.stop]]
            together = scan_together(self.scanner, paths, detect=self.input_format == "auto")
            if together is not None:
                sizes = zip(together.sizes.tolist(), together.records.tolist(), strict=True)
                return [(_Scanned(group, together.batches, lambda: (together.stats, sizes)), None)]
        return [self._alone(number) for number in group]

    def _taken(self, scanned: list[tuple[_Scanned, SourceError | None]]) -> Iterator[_Scanned]:
        for one, error in scanned:
            self._note(error)
            yield one
            for log in self.logs[one.logs.start : one.logs.stop]:
                self._announce(log, done=True)

    def _at_once(self, number: int) -> _Scanned:
        log, one = self.logs[number], range(number, number + 1)
        if log.within is not None:
            return self._of_export(number, log.within)
        stats: list[ScanStats] = [ScanStats()]

        def batches() -> Iterator[tuple[str, pa.RecordBatch, list[int]]]:
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
                for name, batch in running:
                    yield name, batch, [batch.num_rows]
            except SourceError as error:
                self._note(error)
            finally:
                running.close()
            stats[0] = running.stats
            self._note(self._spanned(log, running))
            self._announce(log, done=True)

        return _Scanned(one, batches(), lambda: (stats[0], [(stats[0].bytes, stats[0].records)]))

    def _alone(self, number: int) -> tuple[_Scanned, SourceError | None]:
        log = self.logs[number]
        batches: list[tuple[str, pa.RecordBatch, list[int]]] = []
        stats = ScanStats()
        fault: SourceError | None = None
        try:
            running = self.scanner.batches(log.path, threads=1, input_format=self.input_format)
            try:
                batches.extend((name, batch, [batch.num_rows]) for name, batch in running)
            finally:
                stats = running.stats
                fault = self._spanned(log, running)
        except SourceError as error:
            fault = error
        one = range(number, number + 1)
        return _Scanned(one, batches, lambda: (stats, [(stats.bytes, stats.records)])), fault

    def _of_export(self, number: int, within: str) -> _Scanned:
        """One of the streams of an export; it is read once, and the rows of its other streams wait for their turn."""
        log, one, stats = self.logs[number], range(number, number + 1), ScanStats()

        def counted() -> tuple[ScanStats, list[tuple[int, int]]]:
            return stats, [(stats.bytes, stats.records)]

        if log.path not in self.exports:
            streams: dict[str, list[tuple[str, pa.RecordBatch]]] = {}
            self.exports[log.path] = streams
            try:
                running = self.scanner.batches(log.path, input_format=self.input_format)
            except SourceError as error:
                self._note(error)
                return _Scanned(one, [], counted)
            frames = running.frames
            if frames is None:
                running.close()
                self._note(
                    SourceError(f"{log.path} was an export when it was surveyed, and is none now", path=log.path)
                )
                return _Scanned(one, [], counted)
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
            for other in self.logs:
                if other.path == log.path:
                    self.log_spans[other] = spans.get(other.within or "")
            self._announce(log, done=True)
        batches = self.exports[log.path].pop(within, [])
        return _Scanned(one, [(name, batch, [batch.num_rows]) for name, batch in batches], counted)

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


class _Scanned(NamedTuple):
    """Logs that were scanned together; mostly one.

    Attributes
    ----------
    logs : range
        Their numbers.
    batches : iterable of (metric, rows, how many of them each log has)
        Rows in the order of the logs.
    counted : callable
        Once the batches have been taken: what was counted over all logs, and of each log its bytes and records.
    """

    logs: range
    batches: Iterable[tuple[str, pa.RecordBatch, Sequence[int] | Counts]]
    counted: Callable[[], tuple[ScanStats, Iterable[tuple[int, int]]]]


class _Rows:
    """Rows of one metric; small batches are put together before there are too many."""

    def __init__(self, schema: pa.Schema) -> None:
        self.schema = schema
        self._batches: list[pa.RecordBatch] = []
        self._small = 0

    def add(self, batch: pa.RecordBatch) -> None:
        self._batches.append(batch)
        self._small += 1
        if self._small >= _MOST_BATCHES:
            tail = self._batches[-self._small :]
            del self._batches[-self._small :]
            self._batches += pa.Table.from_batches(tail, schema=self.schema).combine_chunks().to_batches()
            self._small = 0

    def table(self) -> pa.Table:
        return pa.Table.from_batches(self._batches, schema=self.schema)
