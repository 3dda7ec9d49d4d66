"""The scan of one log, of a group of small logs, or of one stream of an export, with its errors and the times of its events."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

from metricscan.errors import SourceError
from metricscan.logs.exports import span_of
from metricscan.logs.job import STDIN
from metricscan.logs.source import open_source
from metricscan.scanning.small_logs import scan_together
from metricscan.scanning.stats import ScanStats

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from metricscan.logs.job import Log
    from metricscan.replaying.progress import ProgressCounter
    from metricscan.scanning.batches import Batches
    from metricscan.scanning.options import InputFormat
    from metricscan.scanning.scanner import Scanner
    from metricscan.scanning.small_logs import Counts
    from metricscan.scanning.suspects import LogSuspects


class Scanned(NamedTuple):
    """Logs that were scanned as one: a single log, or a group of small ones.

    Attributes
    ----------
    logs : range
        Their numbers.
    batches : iterable of (str, pyarrow.RecordBatch, sequence of int)
        Metric, rows in the order of the logs, and how many of the rows each log has. It can be iterated only once.
    counted : callable
        To be called after the last batch: gives the counts over all logs, and the bytes and records of each log.
    """

    logs: range
    batches: Iterable[tuple[str, pa.RecordBatch, Sequence[int] | Counts]]
    counted: Callable[[], tuple[ScanStats, Iterable[tuple[int, int]]]]


class LogScanner:
    """Scans the logs of a replay, by their numbers.

    Parameters
    ----------
    scanner : Scanner
    logs : sequence of Log
    threads : int or None
    input_format : str
    progress : ProgressCounter
    on_error : callable
        Called with the errors that :meth:`now` meets, some of them while its batches are iterated.

    Attributes
    ----------
    spans : dict of Log to ((int, int) or None)
        For each scanned log of an export, the first and the last time of its events, in microseconds since the epoch.
    suspects : dict of int to LogSuspects
        By the number of the log, what is suspicious in it; only logs with suspects are keys.
    """

    def __init__(
        self,
        scanner: Scanner,
        logs: Sequence[Log],
        progress: ProgressCounter,
        on_error: Callable[[SourceError], object],
        *,
        threads: int | None,
        input_format: InputFormat,
    ) -> None:
        self.logs = logs
        self.threads = threads
        self.input_format = input_format
        self.spans: dict[Log, tuple[int, int] | None] = {}
        self.suspects: dict[int, LogSuspects] = {}
        self._scanner = scanner
        self._progress = progress
        self._on_error = on_error
        # per export that was read, the batches of the streams that were not yet asked for
        self._exports: dict[str, dict[str, list[tuple[str, pa.RecordBatch]]]] = {}

    # ---- on the threads of a pool

    def group(self, group: range) -> list[tuple[Scanned, SourceError | None]]:
        """Scan logs to their ends, on one thread. Gives the error of each instead of reporting it; reports no progress.

        The logs are scanned as one input if all of them are plain text.
        """
        if len(group) > 1:
            paths = [log.path for log in self.logs[group.start : group.stop]]
            together = scan_together(self._scanner.watching_plan, paths, detect=self.input_format == "auto")
            if together is not None:
                self.suspects.update((group.start + number, found) for number, found in together.suspects.items())
                sizes = zip(together.sizes.tolist(), together.records.tolist(), strict=True)
                return [(Scanned(group, together.batches, lambda: (together.stats, sizes)), None)]
        return [self._alone(number) for number in group]

    def _alone(self, number: int) -> tuple[Scanned, SourceError | None]:
        log = self.logs[number]
        batches: list[tuple[str, pa.RecordBatch, list[int]]] = []
        stats = ScanStats()
        failure: SourceError | None = None
        try:
            running = self._scanner.watching_batches(log.path, threads=1, input_format=self.input_format)
            try:
                batches.extend((name, batch, [batch.num_rows]) for name, batch in running)
            finally:
                stats = running.stats
                self._note_suspects(number, running)
                failure = self._note_span(log, running)
        except SourceError as error:
            failure = error
        one = range(number, number + 1)
        return Scanned(one, batches, lambda: (stats, [(stats.bytes, stats.records)])), failure

    # ---- on the caller's thread

    def now(self, number: int) -> Scanned:
        """Scan a log while its batches are iterated, on all threads; reports its errors and its progress."""
        log, one = self.logs[number], range(number, number + 1)
        if log.within is not None:
            return self._of_export(number, log.within)
        stats: list[ScanStats] = [ScanStats()]

        def batches() -> Iterator[tuple[str, pa.RecordBatch, list[int]]]:
            try:
                opened = open_source(sys.stdin.buffer if log.path == STDIN else log.path)
            except SourceError as error:
                self._on_error(error)
                self._progress.done(log)
                return
            if self._progress.is_reported:
                opened.watch(lambda position: self._progress.reading(log, position))
            running = self._scanner.watching_batches(opened, threads=self.threads, input_format=self.input_format)
            try:
                for name, batch in running:
                    yield name, batch, [batch.num_rows]
            except SourceError as error:
                self._on_error(error)
            finally:
                running.close()
            stats[0] = running.stats
            self._note_suspects(number, running)
            failure = self._note_span(log, running)
            if failure is not None:
                self._on_error(failure)
            self._progress.done(log)

        return Scanned(one, batches(), lambda: (stats[0], [(stats[0].bytes, stats[0].records)]))

    def _of_export(self, number: int, within: str) -> Scanned:
        """Scan one stream of an export. The export is read once; the rows of its other streams wait for their turn."""
        log, one, stats = self.logs[number], range(number, number + 1), ScanStats()

        def counted() -> tuple[ScanStats, list[tuple[int, int]]]:
            return stats, [(stats.bytes, stats.records)]

        if log.path not in self._exports:
            streams: dict[str, list[tuple[str, pa.RecordBatch]]] = {}
            self._exports[log.path] = streams
            try:
                running = self._scanner.watching_batches(log.path, input_format=self.input_format)
            except SourceError as error:
                self._on_error(error)
                return Scanned(one, [], counted)
            export = running.frames
            if export is None:
                running.close()
                message = f"{log.path} was an export when logs were searched, and is not an export any more"
                self._on_error(SourceError(message, path=log.path))
                return Scanned(one, [], counted)
            try:
                for name, batch, numbers in running.numbered(export):
                    names = export.stream_names
                    for stream in np.unique(numbers).tolist():
                        rows = batch.filter(pa.array(numbers == stream))
                        streams.setdefault(names[stream] or "", []).append((name, rows))
            except SourceError as error:
                self._on_error(error)
            finally:
                running.close()
            # only rows are assigned to streams: the counts are those of the whole export
            stats = running.stats
            spans = {name or "": span for name, span in zip(export.stream_names, export.spans, strict=True)}
            parts = {} if running.suspects is None else running.suspects.by_part()
            named = {export.stream_names[part] or "": found for part, found in parts.items()}
            for other_number, other in enumerate(self.logs):
                if other.path == log.path:
                    self.spans[other] = spans.get(other.within or "")
                    if (other.within or "") in named:
                        self.suspects[other_number] = named[other.within or ""]
            self._progress.done(log)
        batches = self._exports[log.path].pop(within, [])
        return Scanned(one, [(name, batch, [batch.num_rows]) for name, batch in batches], counted)

    def _note_suspects(self, number: int, running: Batches) -> None:
        found = {} if running.suspects is None else running.suspects.of_all()
        if found:
            self.suspects[number] = found

    def _note_span(self, log: Log, running: Batches) -> SourceError | None:
        """Note the times of a log's events. Gives an error if the events are of several streams, which is known only now."""
        if running.frames is None:
            return None
        self.spans[log] = span_of(running.frames.spans)
        names = [name for name in running.frames.stream_names if name is not None]
        if len(names) < 2:
            return None
        return SourceError(
            f"{log.path} holds events of {len(names)} streams but can be read only once: they are treated as one stream",
            path=log.path,
            hint="save it to a file",
        )
