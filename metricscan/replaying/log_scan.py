"""The scan of one log, of a group of small logs, or of one of several logs in a file, with its errors and its events' times."""

from __future__ import annotations

import sys
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

from metricscan.errors import SourceError
from metricscan.logs.archives import member_of
from metricscan.logs.exports import span_of, text_of
from metricscan.logs.formats import CONTAINER_FORMATS, CONTAINER_STREAMS, format_of
from metricscan.logs.job import STDIN, is_read_once
from metricscan.logs.small_contents import runs_of
from metricscan.logs.source import open_source, source_of_member
from metricscan.replaying.log_errors import ends, of_later_streams, of_log
from metricscan.replaying.shared_file import Ended, HeldRows, SharedFile
from metricscan.scanning.deferred import REGEX_SHARED_S, RegexTime
from metricscan.scanning.small_logs import GROUP_BYTES, MOST_BYTES, scan_contents, scan_together
from metricscan.scanning.stats import ScanStats
from metricscan.scanning.suspects import merged
from metricscan.scanning.threaded import has_several

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence

    from metricscan.logs.archives import Archive
    from metricscan.logs.crashes import Crash
    from metricscan.logs.job import Log, Piece
    from metricscan.logs.source import Source
    from metricscan.replaying.progress import ProgressCounter
    from metricscan.scanning.batches import Batches
    from metricscan.scanning.options import InputFormat
    from metricscan.scanning.scanner import Scanner
    from metricscan.scanning.small_logs import Counts, Together
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


class _Scan:
    """The scan of one log, or of an export with the streams of several.

    Attributes
    ----------
    numbers : list of int
        The numbers of the logs.
    before : list of _Scan
        Of a piece of a rotated log, the scans of the pieces before it in which messages begin that go on in it, the nearest
        first.
    goes_on : bool
        Whether there is a next piece in which messages may go on.
    by_stream : dict of (str or None) to int
        The numbers of the logs by the names of the export's streams.
    running : Batches
    """

    by_stream: dict[str | None, int]
    running: Batches

    def __init__(self, numbers: list[int], before: Sequence[_Scan] = (), *, goes_on: bool = False) -> None:
        self.numbers = numbers
        self.before = before
        self.goes_on = goes_on

    def number_of(self, stream: int) -> int | None:
        """The number of the log to which rows with this number of a stream belong."""
        assert self.running.frames is not None
        back, name = self.running.frames.stream_of(stream)
        return (self.before[back - 1] if back else self).by_stream.get(name or "")


class LogScanner:
    """Scans the logs of a replay, by their numbers.

    Parameters
    ----------
    scanner : Scanner
    logs : sequence of Log
    progress : ProgressCounter
    on_error : callable
        Called with the errors that :meth:`now` meets, some of them while its batches are iterated.
    archives : mapping of str to Archive
        The archives in which logs lie, by path.
    pieces : mapping of str to Piece
        The pieces of rotated logs, by path.
    threads : int or None
    input_format : str
    max_decompressed : int
    in_order : bool
        Whether the rows of all metrics of a log are handed on together, in the log's order, under the name ``ALL_METRICS``, where
        it is scanned alone.

    Attributes
    ----------
    spans : dict of Log to ((int, int) or None)
        For each scanned log of an export, the first and the last time of its events, in microseconds since the epoch.
    crashes : dict of int to Crash
        By the number of the log, the crash with which it ends. Streams that share an export have none, but a container's
        standard error has the one that its log ends with.
    suspects : dict of int to LogSuspects
        By the number of the log, what is suspicious in it; only logs with suspects are keys.
    unended : set of int
        The numbers of the pieces of rotated logs that end without a line end.
    again : dict of int to (bytes or None)
        By the numbers of the logs whose first line stands in them again, with nothing but other times, their text if it was
        kept.
    """

    def __init__(
        self,
        scanner: Scanner,
        logs: Sequence[Log],
        progress: ProgressCounter,
        on_error: Callable[[SourceError], object],
        archives: Mapping[str, Archive],
        pieces: Mapping[str, Piece],
        *,
        threads: int | None,
        input_format: InputFormat,
        max_decompressed: int,
        in_order: bool = False,
    ) -> None:
        self.logs = logs
        self.threads = threads
        self.input_format = input_format
        self.spans: dict[Log, tuple[int, int] | None] = {}
        self.crashes: dict[int, Crash] = {}
        self.suspects: dict[int, LogSuspects] = {}
        self.unended: set[int] = set()
        self.again: dict[int, bytes | None] = {}
        # the logs of a replay have the time of regex together, unless the scanner shares one with others
        self._plan = scanner.watching_plan.sharing_regex_time(RegexTime(REGEX_SHARED_S))
        self._batches = partial(
            scanner.watching_batches, input_format=input_format, in_order=in_order, again=True, plan=self._plan
        )
        self._progress = progress
        self._on_error = on_error
        self._archives = archives
        self._pieces = pieces
        self._max_decompressed = max_decompressed
        self._held = HeldRows()
        self._shared = self._shared_files()

    def __getstate__(self) -> dict[str, object]:
        # a result is pickled with its replay, which scans nothing any more: a plan of its own cannot be pickled
        return {name: value for name, value in vars(self).items() if name not in ("_plan", "_batches")}

    def _shared_files(self) -> dict[str, SharedFile]:
        """By path, the files that hold several logs and are read from their beginning on."""
        numbers: dict[str, list[int]] = {}
        for number, log in enumerate(self.logs):
            path = self._shared_path(log) if self._archives or log.within is not None else None
            if path is not None:
                numbers.setdefault(path, []).append(number)
        shared = {}
        for path, of in numbers.items():
            is_rotated = self._rotated(self.logs[of[0]]) is not None
            read = partial(self._read_pieces, of, {}) if is_rotated else partial(self._read, path, of)
            shared[path] = SharedFile(of, read, self._held)
        return shared

    def _shared_path(self, log: Log) -> str | None:
        member = member_of(log.path, self._archives)
        if member is not None and not member[0].reads_at_places:
            return member[0].path
        if log.within is None:
            return None
        rotated = self._rotated(log)
        return log.path if rotated is None else f"{rotated.base}\0rotated"

    def _rotated(self, log: Log) -> Piece | None:
        """Of a container's log, the piece that it is; None if it was not rotated, or is read with its whole archive."""
        piece = self._pieces.get(log.path) if self._pieces and log.within in CONTAINER_STREAMS else None
        if piece is not None and (member := member_of(log.path, self._archives)) is not None:
            return piece if member[0].reads_at_places else None
        return piece

    def home(self, number: int, size: int) -> tuple[str | None, int]:
        """What a log must share with others to be scanned together with them, and its size.

        Parameters
        ----------
        number : int
        size : int
            Its bytes on disk.

        Returns
        -------
        str or None
            ``""`` for a file, the archive for a member of one; None for a log that is scanned alone.
        int
            The bytes of its content.
        """
        log = self.logs[number]
        if not self._archives:
            return (None if log.path == STDIN or log.within is not None else ""), size
        if log.path == STDIN or self.is_shared(number):
            return None, size
        member = member_of(log.path, self._archives)
        return ("", size) if member is None else (member[0].path, int(member[0].members[member[1]].size))

    def is_shared(self, number: int) -> bool:
        """Whether a log is one of several in a file that is read from its beginning on."""
        return self._shared_path(self.logs[number]) is not None

    def _open(self, path: str) -> Source:
        member = member_of(path, self._archives)
        if member is None:
            source = sys.stdin.buffer if path == STDIN else path
            return open_source(source, max_decompressed=self._max_decompressed)
        return source_of_member(member[0].open(member[1]), max_decompressed=self._max_decompressed)

    # ---- on the threads of a pool

    def group(self, group: range) -> list[tuple[Scanned, SourceError | None]]:
        """Scan logs to their ends, on one thread. Gives the error of each instead of reporting it; reports no progress.

        The logs are scanned as one input if all of them are plain text.
        """
        if len(group) > 1:
            found = self._as_one(group, self._together)
            if found is not None:
                return [found]
            if member_of(self.logs[group.start].path, self._archives) is None:
                return [*self._in_runs(group)]
        return [self._alone(number) for number in group]

    def _in_runs(self, group: range) -> Iterator[tuple[Scanned, SourceError | None]]:
        """Scan small files, some of them compressed: in runs, and alone those that must be."""
        detect = self.input_format == "auto"
        paths = [log.path for log in self.logs[group.start : group.stop]]
        for run, contents in runs_of(paths, group.start, min(MOST_BYTES, self._max_decompressed), GROUP_BYTES):
            found = None
            if contents is not None and len(run) > 1:
                found = self._as_one(run, partial(scan_contents, self._plan, contents=contents, detect=detect))
            yield from map(self._alone, run) if found is None else (found,)

    def _as_one(
        self, group: range, scan: Callable[[Sequence[str]], Together | None]
    ) -> tuple[Scanned, SourceError | None] | None:
        """Scan logs as one input, by a function that takes their paths; None if one of them must be scanned alone."""
        try:
            together = scan([log.path for log in self.logs[group.start : group.stop]])
        except MemoryError:
            # alone, each needs less
            return None
        if together is None:
            return None
        self.crashes.update((group.start + number, crash) for number, crash in together.crashes.items())
        self.suspects.update((group.start + number, found) for number, found in together.suspects.items())
        self.again.update((group.start + number, text) for number, text in together.again.items())
        if self._pieces:
            unended = group.start + np.flatnonzero(together.unended)
            self.unended.update(number for number in unended.tolist() if self.logs[number].path in self._pieces)
        sizes = zip(together.sizes.tolist(), together.records.tolist(), strict=True)
        return Scanned(group, together.batches, lambda: (together.stats, sizes)), None

    def _together(self, paths: Sequence[str]) -> Together | None:
        detect = self.input_format == "auto"
        if member_of(paths[0], self._archives) is None:
            return scan_together(self._plan, paths, detect=detect)
        contents = []
        try:
            for path in paths:
                archive, name = member_of(path, self._archives) or (None, "")
                assert archive is not None
                with closing(archive.open(name)) as file:
                    contents.append(b"".join(file.pieces))
        except SourceError:
            # each is scanned alone, and the error is met again
            return None
        return scan_contents(self._plan, paths, contents, detect=detect)

    def _alone(self, number: int) -> tuple[Scanned, SourceError | None]:
        log = self.logs[number]
        batches: list[tuple[str, pa.RecordBatch, list[int]]] = []
        stats = ScanStats()
        failure: SourceError | None = None
        try:
            running = self._batches(self._open(log.path), threads=1)
            try:
                batches.extend((name, batch, [batch.num_rows]) for name, batch in running)
            finally:
                stats = running.stats
                self._note_suspects(number, running)
                failure = self._note_span(log, running)
            self._note_end(number, running)
        except (SourceError, MemoryError) as error:
            failure = of_log(error, log.path)
        one = range(number, number + 1)
        return Scanned(one, batches, lambda: (stats, [(stats.bytes, stats.records)])), failure

    # ---- on the caller's thread

    def now(self, number: int) -> Scanned:
        """Scan a log while its batches are iterated, on all threads; reports its errors and its progress."""
        log, one = self.logs[number], range(number, number + 1)
        shared = self._shared_path(log)
        if shared is not None:
            return self._of_shared(number, self._shared[shared])
        stats: list[ScanStats] = [ScanStats()]

        def batches() -> Iterator[tuple[str, pa.RecordBatch, list[int]]]:
            try:
                opened = self._open(log.path)
            except SourceError as error:
                self._on_error(error)
                self._progress.done(log)
                return
            if has_several(self.threads):
                opened.read_ahead()
            if self._progress.is_reported:
                opened.watch(lambda position: self._progress.reading(log, position))
            running = self._batches(opened, threads=self.threads)
            try:
                for name, batch in running:
                    yield name, batch, [batch.num_rows]
                self._note_end(number, running)
            except (SourceError, MemoryError) as error:
                self._on_error(of_log(error, log.path))
            finally:
                running.close()
                # also where the scan is interrupted
                stats[0] = running.stats
            self._note_suspects(number, running)
            failure = self._note_span(log, running)
            if failure is not None:
                self._on_error(failure)
            self._progress.done(log)

        return Scanned(one, batches(), lambda: (stats[0], [(stats[0].bytes, stats[0].records)]))

    def _of_shared(self, number: int, file: SharedFile) -> Scanned:
        """Scan one of several logs in a file."""
        log, one = self.logs[number], range(number, number + 1)
        stats: list[ScanStats] = [ScanStats()]

        def batches() -> Iterator[tuple[str, pa.RecordBatch, list[int]]]:
            try:
                for name, batch in file.rows(number):
                    yield name, batch, [batch.num_rows]
                end = file.end(number)
            except SourceError as error:
                end = Ended(ScanStats(), error)
            if end is None:
                message = f"{log.path} was found when logs were searched, and is not in its file any more"
                end = Ended(ScanStats(), SourceError(message, path=log.path))
            stats[0] = end.stats
            if end.is_export:
                self.spans[log] = end.span
            if end.failure is not None:
                self._on_error(end.failure)
            self._progress.done(log)

        return Scanned(one, batches(), lambda: (stats[0], [(stats[0].bytes, stats[0].records)]))

    def _read(
        self, path: str, numbers: list[int], is_wanted: Callable[[int], bool]
    ) -> Generator[tuple[int, tuple[str, pa.RecordBatch] | Ended]]:
        """Read a file that holds several logs: an archive, or an export. Yields rows and ends of logs in the file's order."""
        archive = self._archives.get(path)
        failure: SourceError | None = None
        if archive is None:
            try:
                opened = self._open(path)
            except SourceError as error:
                yield from ends([*filter(is_wanted, numbers)], error)
            else:
                yield from self._logs_in(opened, _Scan(numbers), is_wanted)
            return
        of_member: dict[str, list[int]] = {}
        for number in numbers:
            of_member.setdefault(self.logs[number].path[len(path) + 1 :], []).append(number)
        walk = archive.walk(
            lambda name: any(map(is_wanted, of_member.get(name, ()))),
            ahead=has_several(self.threads),
        )
        try:
            for name, file in walk:
                opened = source_of_member(file, max_decompressed=self._max_decompressed)
                yield from self._logs_in(opened, _Scan(of_member[name]), is_wanted)
        except SourceError as error:
            # else the search has met the error, or the scan of the member in which it lies
            failure = error if archive.error is None else None
        finally:
            walk.close()
        if failure is not None:
            yield from ends([*filter(is_wanted, numbers)], failure)

    def _read_pieces(
        self, numbers: list[int], handed_on: dict[str, int], is_wanted: Callable[[int], bool]
    ) -> Generator[tuple[int, tuple[str, pa.RecordBatch] | Ended]]:
        """Read the pieces of a container's log that was rotated, the oldest first: a message may go on in the next piece.

        ``handed_on`` remembers, from one pass to the next, in how many pieces those messages began that a piece handed on.
        """
        of_path: dict[str, list[int]] = {}
        for number in sorted(numbers, key=lambda number: self._pieces[self.logs[number].path].part):
            of_path.setdefault(self.logs[number].path, []).append(number)
        paths = [*of_path]
        first = next((at for at, path in enumerate(paths) if any(map(is_wanted, of_path[path]))), 0)
        if first:
            first -= handed_on.get(paths[first - 1], 0)
        before: list[_Scan] = []
        # the ends of the pieces to which rows of messages that go on may still belong
        owed: list[tuple[int, Ended]] = []
        with closing(self._opened_pieces(paths[first:])) as pieces:
            for path, opened, goes_on in pieces:
                if isinstance(opened, SourceError):
                    yield from owed
                    yield from ends([*filter(is_wanted, of_path[path])], opened)
                    before, owed = [], []
                    continue
                scan = _Scan(of_path[path], before, goes_on=goes_on)
                with closing(self._logs_in(opened, scan, is_wanted)) as found:
                    for number, what in found:
                        if isinstance(what, Ended):
                            owed.append((number, what))
                        else:
                            yield number, what
                export = scan.running.frames
                held = handed_on[path] = len(export.pieces_of_held) if goes_on and export is not None else 0
                if not held:
                    yield from owed
                    owed = []
                scan.before = ()
                before = [scan, *before[: max(held - 1, 0)]] if goes_on else []

    def _opened_pieces(self, paths: list[str]) -> Generator[tuple[str, Source | SourceError, bool]]:
        """The pieces of a rotated log, opened, or why one cannot be; and whether messages may go on in the next one."""
        following: Source | None = None
        try:
            for path, after in zip(paths, [*paths[1:], None], strict=True):
                opened, following = following, None
                if opened is None:
                    try:
                        opened = self._open(path)
                    except SourceError as error:
                        yield path, error, False
                        continue
                if after is not None:
                    following = self._next_piece(opened, path, after)
                yield path, opened, following is not None
        finally:
            if following is not None:
                following.close()

    def _next_piece(self, opened: Source, path: str, following: str) -> Source | None:
        """Open the next piece of a container's log, if a message of the piece that is open may go on there; else None."""
        this, after = self._pieces[path], self._pieces[following]
        if after.part != this.part + 1 or not after.follows:
            return None
        format_ = format_of(opened, self.input_format)
        if format_ not in CONTAINER_FORMATS:
            return None
        try:
            source = self._open(following)
        except SourceError:
            # it is met again when it is the piece's turn
            return None
        if format_of(source, self.input_format) == format_ and opened.decoder is source.decoder is None:
            return source
        source.close()
        return None

    def _logs_in(
        self, opened: Source, scan: _Scan, is_wanted: Callable[[int], bool]
    ) -> Generator[tuple[int, tuple[str, pa.RecordBatch] | Ended]]:
        """Scan one log, or the streams of one export."""
        failure: SourceError | None = None
        numbers = scan.numbers
        by_stream = {self.logs[number].within: number for number in numbers}
        scan.by_stream = by_stream
        with self._batches(opened, threads=1) as running:
            scan.running = running
            export = running.frames
            if export is not None and (scan.before or scan.goes_on):
                running.go_on_from([one.running for one in scan.before], goes_on=scan.goes_on)
            try:
                if None in by_stream:
                    for rows in running:
                        if not is_wanted(numbers[0]):
                            return
                        yield numbers[0], rows
                elif export is None:
                    message = f"{opened.name} was an export when logs were searched, and is not an export any more"
                    failure = SourceError(message, path=opened.name)
                else:
                    for name, batch, streams in running.numbered(export):
                        for stream in np.unique(streams).tolist():
                            number = scan.number_of(stream)
                            if number is not None and is_wanted(number):
                                yield number, (name, batch.filter(pa.array(streams == stream)))
            except (SourceError, MemoryError) as error:
                failure = of_log(error, opened.name)
            stats = running.stats
            if failure is None and export is not None and None not in by_stream and not scan.before:
                failure = of_later_streams(export, by_stream)
            if failure is None and None in by_stream:
                self._note_end(numbers[0], running)
            elif failure is None and export is not None and export.format in CONTAINER_FORMATS:
                # both streams are of one job; what the container printed last may stand in either
                crash = running.crash()
                if crash is not None:
                    self.crashes[by_stream.get("stderr", numbers[0])] = crash
        if None in by_stream:
            self._note_suspects(numbers[0], running)
        elif export is not None and running.suspects is not None:
            for part, found in running.suspects.by_part().items():
                number = scan.number_of(part)
                if number is not None and is_wanted(number):
                    is_earlier = number not in numbers
                    self.suspects[number] = merged(self.suspects.get(number, {}), found) if is_earlier else found
        if None in by_stream:
            span = None if export is None else span_of(export.spans)
            yield numbers[0], Ended(stats, failure, span, is_export=export is not None)
            return
        spans = {} if export is None else dict(zip(export.stream_names, export.spans, strict=True))
        for number in numbers:
            # only rows are assigned to streams: the counts are those of the whole export
            is_first = number == numbers[0]
            within = self.logs[number].within
            span = spans.get(within or None)
            yield number, Ended(stats if is_first else ScanStats(), failure if is_first else None, span, is_export=True)

    def _note_end(self, number: int, running: Batches) -> None:
        """Note whether a log that was read to its end ends with a crash; and a piece of a rotated log, within a line."""
        if running.is_unended and self.logs[number].path in self._pieces:
            self.unended.add(number)
        export = running.frames
        names = () if export is None else {name for name in export.stream_names if name is not None}
        is_of_one_job = len(names) < 2 or (export is not None and export.format in CONTAINER_FORMATS)
        crash = running.crash() if is_of_one_job else None
        if crash is not None:
            self.crashes[number] = crash
        if running.has_first_line_again():
            self.again[number] = None

    def text_of(self, number: int, most_bytes: int) -> tuple[bytes, bool] | None:
        """The first bytes of a scanned log, as text, and whether that has the places of the log; None if it cannot be had.

        What can be read only once cannot, nor a log that is read with its whole archive.
        """
        path = self.logs[number].path
        member = member_of(path, self._archives)
        if (member is None and is_read_once(path)) or self.is_shared(number):
            return None
        try:
            with self._open(path) as opened:
                format_ = format_of(opened, self.input_format)
                return text_of(opened, format_, most_bytes), format_ == "plain" and opened.decoder is None
        except SourceError:
            return None

    def _note_suspects(self, number: int, running: Batches) -> None:
        found = running.found_suspects()
        if found:
            self.suspects[number] = found

    def _note_span(self, log: Log, running: Batches) -> SourceError | None:
        """Note the times of a log's events. Gives an error if the events are of several streams, which is known only now."""
        if running.frames is None:
            return None
        self.spans[log] = span_of(running.frames.spans)
        names = [name for name in running.frames.stream_names if name is not None]
        if len(names) < 2 or running.frames.format in CONTAINER_FORMATS:
            # a container's two streams are of one job
            return None
        return SourceError(
            f"{log.path} holds events of {len(names)} streams but can be read only once: they are treated as one stream",
            path=log.path,
            hint="save it to a file",
        )
