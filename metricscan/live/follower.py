"""The rows of many logs that grow, each row once."""

from __future__ import annotations

import resource
import sys
import time
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Literal, Self

from metricscan.datasets.journal_state import FollowedFile
from metricscan.errors import SourceError
from metricscan.live.file_events import Began, Lost, Trouble
from metricscan.live.identity import Checkpoint, FileStatus
from metricscan.live.part_rows import FileRows, Found
from metricscan.live.pieces import holds_one
from metricscan.live.reading import LogReader
from metricscan.live.reading_state import (
    OF_STREAM,
    CutMessage,
    Unreadable,
    of_stream,
    standing_at,
    stream_in,
    unchanged_since,
)
from metricscan.live.watch import LogName
from metricscan.logs.formats import CONTAINER_FORMATS, CONTAINER_STREAMS
from metricscan.logs.job import Notice
from metricscan.scanning.stats import ScanStats

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence

    from metricscan.datasets.journal import Rows
    from metricscan.live.file_events import Event
    from metricscan.live.part_rows import GrownRows, PartRows
    from metricscan.logs.crashes import Crash
    from metricscan.scanning.scanner import Scanner

# So many files that the process may open are left to others. Of logs beyond that the files are opened when they change.
_LEFT_FILES = 256
_LEAST_OPEN = 16
# So many results of one log come before those of the next one: a result is 1 MiB or more of it, if there is as much.
_TURN = 16
_LEAST_FLUSH_S = 0.02


class _Log:
    """A log that is followed."""

    def __init__(self, path: str, name: LogName, checkpoints: dict[int, bytes]) -> None:
        self.path = path
        self.name = name
        #: Up to where the rows reach that were handed on.
        self.checkpoints = checkpoints
        self.files: dict[tuple[int, str], FollowedFile] = {}
        #: Of a container's log or an export, the names of its streams; empty until they are known.
        self.streams: dict[str, LogName] = {}
        #: None if its files are not open.
        self.reader: LogReader | None = None
        #: The streams of a container that are known, by part, and what was said of the end of each.
        self.crashes: dict[int, dict[str, Crash | Literal[False] | None]] = {}
        self.settled = unchanged_since(checkpoints)
        self.is_begun = False
        self.is_refused = False

    def file(self, part: int, stream: str = "") -> FollowedFile:
        """The file of a part, or of a stream of a container or an export in it."""
        found = self.files.get((part, stream))
        if found is None:
            name = self.streams[stream] if stream else self.name
            found = self.files[part, stream] = FollowedFile(*name, part, self.path)
        return found


class _HasRead:
    """Whether a file was read; what is read, and was, is put together when the first file is asked for."""

    def __init__(self, logs: Iterable[_Log]) -> None:
        self._logs = logs
        self._open: set[tuple[int, int]] = set()
        self._ended: dict[tuple[int, int], list[Checkpoint]] | None = None

    def __call__(self, path: str, key: tuple[int, int]) -> bool:
        if self._ended is None:
            self._ended = {}
            for log in self._logs:
                if log.reader is not None:
                    self._open.update(log.reader.log.open_files())
                for packed in log.checkpoints.values():
                    one = Checkpoint.unpack(packed)
                    if one.is_finished:
                        self._ended.setdefault(one.key, []).append(one)
        return key in self._open or (key in self._ended and holds_one(path, self._ended[key]))


class Follower:
    """Reads the new rows of logs that grow, poll by poll.

    Nothing is written: what a poll finds goes to the caller, with the checkpoints that it reaches. :func:`metricscan.follow`
    finds the logs, waits, and writes a journal.

    Parameters
    ----------
    scanner : Scanner
    checkpoints : mapping of FollowedFile to bytes, optional
        Those of an earlier follower, as :meth:`Journal.checkpoints` gives them.
    rotate_wait : float
        A log that was renamed is read on until nobody writes to it. If that cannot be known, until it has not changed for so
        many seconds.
    flush_after : float or None
        A record that has not ended, and to which nothing was added for so many seconds, counts as ended. None: none does.
    clock : callable
        Gives the time in seconds.
    on_notice : callable, optional
        Called with each :class:`Notice`: of a loss, of a new file under the name of a log, of a file that cannot be read.
    detects : bool
        Whether a container's log is decoded, and a log in another format than text is refused.
    name_streams : callable, optional
        Gives the names of the streams of a container's log by its path, and those of further streams of an export by its path and
        these streams: :meth:`Watch.streams_of`. By default they are those of a folder with the name of the log.
    most_open : int, optional
        Of how many logs the files are held open; by default as many as the system lets the process open, but 256.
    stream : mapping, optional
        How streams are opened: ``step``, ``worker`` and other options of :meth:`Scanner.stream`.
    gives_columns : bool
        Whether rows may come as columns, which a journal takes in less time than batches.

    Attributes
    ----------
    errors : list of SourceError
        Logs that were refused, and what of a container's log cannot be read.
    changed_at : float
        When new bytes were last read, or the follower began.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from metricscan import Scanner
    >>> from metricscan.live.watch import LogName
    >>> path = pathlib.Path(tempfile.mkdtemp(), "train.log")
    >>> with Follower(Scanner(["loss=loss=([0-9.]+)"])) as follower:
    ...     follower.add(str(path), LogName("trial_1", "stdout"))
    ...     for text in ("loss=0.5\\nlo", "loss=0.5\\nloss=0.25\\n"):
    ...         _ = path.write_text(text)
    ...         for found in follower.poll():
    ...             print(*[rows["loss"]["value"].to_pylist() for _, rows, *_ in found.files])
    [0.5]
    [0.25]
    """

    def __init__(
        self,
        scanner: Scanner,
        checkpoints: Mapping[FollowedFile, bytes] | None = None,
        *,
        rotate_wait: float = 60.0,
        flush_after: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        on_notice: Callable[[Notice], object] | None = None,
        detects: bool = True,
        stream: Mapping[str, Any] | None = None,
        most_open: int | None = None,
        name_streams: Callable[[str, Iterable[str] | None], Mapping[str, LogName]] | None = None,
        **options: Any,
    ) -> None:
        self._scanner = scanner
        self._rotate_wait = rotate_wait
        self._flush_after = flush_after
        self._clock = clock
        self._on_notice = on_notice
        self._most_open = _most_open() if most_open is None else most_open
        self._name_streams = name_streams
        joining = stream or {}
        self._has_live_rows = bool(joining.get("step") or joining.get("worker"))
        self._options = {"detects": detects, "stream": stream, **options}
        self._logs: dict[str, _Log] = {}
        self.errors: list[SourceError] = []
        self._counted = ScanStats()
        self.changed_at = clock()
        self._lost: list[Notice] = []
        self._flush_at = clock()
        #: Of how many logs the files are open.
        self._open = 0
        #: By path, the polls that gave way to those of other logs, and are to go on.
        self._behind: dict[str, Generator[Found, None, None]] = {}
        self._of_earlier(checkpoints or {})

    def _of_earlier(self, checkpoints: Mapping[FollowedFile, bytes]) -> None:
        is_checked = False
        by_log: dict[LogName, dict[int, tuple[str, bytes]]] = {}
        streams: dict[tuple[str, int], dict[str, LogName]] = {}
        for file, checkpoint in checkpoints.items():
            if checkpoint.startswith(OF_STREAM):
                within = stream_in(checkpoint, file.stream)
                streams.setdefault((file.path, file.part), {})[within] = LogName(file.job, file.stream)
                continue
            by_log.setdefault(LogName(file.job, file.stream), {})[file.part] = file.path, checkpoint
        for name, parts in by_log.items():
            path, _ = parts[max(parts)]
            try:
                log = _Log(path, name, {part: checkpoint for part, (_, checkpoint) in parts.items()})
            except ValueError as error:
                message = f"the checkpoint of {path} cannot be read"
                raise SourceError(
                    message, path=path, cause=error, hint="another version of metricscan wrote it"
                ) from error
            for part, (at, _) in parts.items():
                known = streams.get((at, part), {})
                log.streams |= known
                log.crashes[part] = dict.fromkeys(known)
            self._logs[path] = log
            state = Checkpoint.unpack(log.checkpoints[max(parts)]).state
            if state and not is_checked:
                # those of the others have the same steps and workers
                standing_at(state, path, self._scanner.stream, self._options["stream"] or {})
                is_checked = True

    @property
    def names(self) -> dict[str, LogName]:
        """The logs that are followed, by path."""
        return {path: log.name for path, log in self._logs.items()}

    def add(
        self, path: str, name: LogName, goes_on: str | None = None, streams: Mapping[str, LogName] | None = None
    ) -> None:
        """Follow a log.

        Parameters
        ----------
        path : str
            Absolute. The file need not exist.
        name : LogName
            Another one than those of the other logs.
        goes_on : str, optional
            The path of a log that is followed, and goes on at this path; it has the same name.
        streams : mapping of str to LogName, optional
            Of a container's log or an export, the names of its streams.
        """
        checkpoints: dict[int, bytes] = {}
        known = dict(streams or {})
        if goes_on is not None:
            before = self._logs.pop(goes_on)
            self._close(before)
            checkpoints, known = before.checkpoints, before.streams
        if path in self._logs:
            raise ValueError(f"{path} is followed already")
        self._logs[path] = _Log(path, name, checkpoints)
        self._logs[path].streams = known

    def has_read(self) -> Callable[[str, tuple[int, int]], bool]:
        """What says whether the file at a path, of a device and an inode, is that of a log, under whatever name: as of now.

        An open file is, since nobody else can get its inode. Of one that was closed, the content says it.
        """
        return _HasRead(self._logs.values())

    # ---- polls

    def poll(self, paths: Collection[str] | None = None) -> Iterator[Found]:
        """Read what is new; the caller may stop between two results, and poll anew.

        A log of which much is new gives way to the others after some results, and the next poll goes on with it, see
        :attr:`is_behind`.

        Parameters
        ----------
        paths : collection of str, optional
            The logs to look at; by default all.
        """
        logs = list(self._logs.values()) if paths is None else [self._logs[one] for one in paths if one in self._logs]
        if paths is not None and self._behind:
            logs += [self._logs[path] for path in self._behind if path not in paths]
        for log in logs:
            if log.is_refused:
                continue
            if log.settled is not None:
                found = FileStatus.of(log.path)
                if found == log.settled:
                    continue
                grown = None if found is None else self._grown(log, found)
                if grown is not None:
                    log.settled = found
                    part, rows, replaces, checkpoint, taken, crash, suspects = grown
                    log.checkpoints[part] = checkpoint
                    file = FileRows(log.file(part), rows, replaces, checkpoint, taken, crash, suspects)
                    yield Found([file], [])
                    continue
            yield from self._turn(log)
        if self._flush_after is not None and self._clock() >= self._flush_at:
            self._flush_at = self._clock() + self.flush_interval
            yield from self._flush(self._logs.values(), self._flush_after)
        if self._open > self._most_open:
            self._close_some()

    @property
    def is_behind(self) -> bool:
        """Whether a log gave way to others before all of it was read: the next poll goes on with it."""
        return bool(self._behind)

    @property
    def flush_interval(self) -> float:
        """How often records are looked for that wait for their ends; infinite if none is flushed."""
        return float("inf") if self._flush_after is None else max(_LEAST_FLUSH_S, self._flush_after / 4)

    def finish(self, *, goes_on: bool = True) -> Iterator[Found]:
        """Take the last record of each log for an ended one: no more is expected. If it goes on, its rows are replaced.

        Unless another follower ``goes_on`` at the checkpoints, rows that wait for a step are given without one.
        """
        if goes_on:
            yield from self._flush(self._logs.values(), 0.0)
            return
        for log in self._logs.values():
            if log.reader is not None and log.path not in self._behind:
                yield self._found(log, log.reader.finish())

    def _turn(self, log: _Log) -> Iterator[Found]:
        """Poll a log, or go on with its poll; one that finds much gives way to the other logs."""
        polling = self._behind.pop(log.path, None) or self._poll(log)
        is_kept = False
        try:
            for number, found in enumerate(polling, 1):
                yield found
                if number == _TURN:
                    is_kept, log.settled = True, None
                    self._behind[log.path] = polling
                    self.changed_at = self._clock()
                    return
        finally:
            if not is_kept:
                # where the caller stopped; it does nothing once the poll has ended
                polling.close()

    def _grown(self, log: _Log, found: FileStatus) -> GrownRows | None:
        """What is new, if the file has only grown."""
        if log.reader is None:
            return None
        try:
            grown = log.reader.grown(found)
        except BaseException:
            self._close(log)
            raise
        if grown is not None:
            self.changed_at = log.reader.changed_at
        return grown

    def _poll(self, log: _Log) -> Generator[Found, None, None]:
        try:
            if log.reader is None:
                log.reader = self._opened(log)
            is_whole = False
            try:
                for found in log.reader.poll():
                    yield self._found(log, found)
                is_whole = True
            finally:
                if not is_whole:
                    # It stands in the middle of what happened to its files. It is opened anew, where the rows reach.
                    self._close(log)
            if log.reader.refused is not None:
                self._refuse(log, log.reader.refused)
                return
            log.settled = log.reader.log.settled()
        except OSError as error:
            self._close(log)
            self._say(Notice(f"cannot read {log.path}: {error.strerror or error}", log.path))
        if self._lost:
            yield self._found(log, [])
        log.is_begun = True
        if log.reader is not None and log.reader.changed_at > self.changed_at:
            self.changed_at = log.reader.changed_at

    def _flush(self, logs: Iterable[_Log], after_s: float) -> Iterator[Found]:
        for log in logs:
            if log.reader is not None and log.path not in self._behind and log.reader.has_unended:
                found = log.reader.flush(after_s)
                if found:
                    yield self._found(log, found)

    def _opened(self, log: _Log) -> LogReader:
        def on_event(event: Event | CutMessage | Unreadable) -> None:
            self._on_event(log, event)

        log.settled = None
        self._open += 1
        return LogReader(
            log.path,
            self._scanner,
            log.checkpoints,
            rotate_wait=self._rotate_wait,
            clock=self._clock,
            on_event=on_event,
            **self._options,
        )

    def _found(self, log: _Log, found: Sequence[PartRows]) -> Found:
        files = []
        for one in found:
            log.checkpoints[one.part] = one.checkpoint
            if one.format == "plain":
                file = log.file(one.part)
                files.append(FileRows(file, one.rows, one.replaces, one.checkpoint, one.taken, one.crash, one.suspects))
                continue
            files += self._of_streams(log, one)
        lost, self._lost = self._lost, []
        return Found(files, lost)

    def _of_streams(self, log: _Log, found: PartRows) -> Iterator[FileRows]:
        """The rows of each stream of a container or an export; then the log itself: checkpoint, and rows without a stream."""
        part = found.part
        apart = found.of_streams(has_live_rows=self._has_live_rows)
        is_container = found.format in CONTAINER_FORMATS
        if is_container:
            self._know_streams(log)
            of_log = apart.pop("", None)
        else:
            before = {*log.streams}
            self._know_streams_of_export(log, {*apart, *found.streams})
            of_log = None if "" in log.streams else apart.pop("", None)
            for stream in sorted({*log.streams} - before - apart.keys()):
                # a job of which there is nothing yet
                yield FileRows(log.file(part, stream), {}, (), of_stream(stream), (), None, {})
        ends = None
        if found.crash is not None and is_container:
            ends = self._ends(log, part, apart, found.crash)
        elif found.crash is not None:
            # streams that share an export have none
            ends = dict.fromkeys(log.streams, found.crash if len(log.streams) < 2 else False)
        for earlier, said in log.crashes.items():
            for stream in [one for one, crash in said.items() if crash and earlier < part]:
                # the log went on
                said[stream] = False
                yield FileRows(log.file(earlier, stream), {}, (), of_stream(stream), (), False, {})
        for stream in sorted({*apart, *(ends or ())}):
            crash = None if ends is None else ends.get(stream)
            its = apart.get(stream)
            rows, taken = ({}, ()) if its is None else (its.rows, its.taken)
            suspects: Rows | None = {} if its is None else its.suspects
            yield FileRows(log.file(part, stream), rows, (), of_stream(stream), taken, crash, suspects)
        rows, taken, suspects = (
            ({}, (), found.suspects) if of_log is None else (of_log.rows, of_log.taken, of_log.suspects)
        )
        end: Crash | Literal[False] | None = None if found.crash is None else False
        if not is_container and not log.streams:
            end = found.crash
        yield FileRows(log.file(part), rows, found.replaces, found.checkpoint, taken, end, suspects)

    def _ends(
        self, log: _Log, part: int, apart: Iterable[str], crash: Crash | Literal[False]
    ) -> dict[str, Crash | Literal[False]]:
        """What is to be said of the ends of the streams: one crash ends both, and is that of standard error if there is one."""
        said = log.crashes.setdefault(part, {})
        known = {*said, *apart}
        if crash and not known:
            known = {*CONTAINER_STREAMS[:1]}
        of = max(known, key=CONTAINER_STREAMS.index, default="")
        now = {stream: crash if stream == of else False for stream in known}
        changed = {stream: end for stream, end in now.items() if said.get(stream) != end}
        log.crashes[part] = dict(now)
        return changed

    def _know_streams(self, log: _Log) -> None:
        if len(log.streams) == len(CONTAINER_STREAMS):
            return
        job, own = log.name
        known = {one: LogName(job, f"{own}/{one}") for one in CONTAINER_STREAMS}
        if log.streams:
            # a stream had no rows yet
            ((within, name),) = log.streams.items()
            known = {one: LogName(name.job, name.stream.removesuffix(within) + one) for one in CONTAINER_STREAMS}
        elif self._name_streams is not None:
            known |= self._name_streams(log.path, None)
        log.streams = known

    def _know_streams_of_export(self, log: _Log, found: Iterable[str]) -> None:
        """Name the streams that were not met before. Events without one belong to the log, until others name some."""
        new = [one for one in found if one not in log.streams]
        if not any([*new, *log.streams]):
            return
        job, own = log.name
        if new and self._name_streams is not None:
            log.streams |= self._name_streams(log.path, new)
        else:
            log.streams |= {one: LogName(job, f"{own}/{one}") for one in new if one}

    def _on_event(self, log: _Log, event: Event | CutMessage | Unreadable) -> None:
        if isinstance(event, Lost):
            missing = f"byte {event.offset}" if event.size_bytes <= event.offset else f"bytes from {event.offset} on"
            notice = Notice(
                f"{log.path} was {event.reason}: of part {event.part}, {missing} may be lost; "
                f"it was seen with {event.size_bytes} bytes",
                log.path,
            )
            self._lost.append(notice)
            self._say(notice)
        elif isinstance(event, CutMessage):
            of = f" on {event.stream}" if event.stream else ""
            does = "began" if event.is_certain else "may have begun"
            notice = Notice(
                f"{log.path}: a message{of} {does} in part {event.part - 1} and goes on in part {event.part}: its last record "
                "is left out",
                log.path,
            )
            self._lost.append(notice)
            self._say(notice)
        elif isinstance(event, Unreadable):
            found = event.error
            self.errors.append(SourceError(f"{log.path}: {found.message}", path=log.path, offset=found.offset))
        elif isinstance(event, Began) and log.is_begun and event.part:
            self._say(Notice(f"{log.path} is another file now: its part {event.part} begins", log.path))
        elif isinstance(event, Trouble):
            self._say(Notice(event.reason, event.path))

    def _say(self, notice: Notice) -> None:
        if self._on_notice is not None:
            self._on_notice(notice)

    def _refuse(self, log: _Log, error: SourceError) -> None:
        self._close(log)
        log.is_refused = True
        self.errors.append(error)
        self._lost = []

    # ---- the end

    def _close_some(self) -> None:
        """Close the files of the logs that have not changed for longest, if too many are open."""
        opened = [
            (log.reader.changed_at, log)
            for log in self._logs.values()
            if log.reader is not None and log.settled is not None
        ]
        opened.sort(key=itemgetter(0))
        for _, log in opened[: self._open - self._most_open]:
            settled = log.settled
            if unchanged_since(log.checkpoints) != settled or settled is None or not settled.is_at(log.path):
                # a record of it has not ended; or it was renamed, and would not be found again
                continue
            self._close(log)
            log.settled = settled

    def _close(self, log: _Log) -> None:
        polling = self._behind.pop(log.path, None)
        if polling is not None:
            polling.close()
        if log.reader is not None:
            self._counted.merge(log.reader.stats)
            log.reader.close()
            self._open -= 1
        log.reader, log.settled = None, None

    @property
    def stats(self) -> ScanStats:
        """Counts of what was read; of an export or a container's log that was gone on with, those of before are among them."""
        stats = ScanStats()
        stats.merge(self._counted)
        for log in self._logs.values():
            if log.reader is not None:
                stats.merge(log.reader.stats)
        return stats

    def close(self) -> None:
        """Close the files."""
        for log in self._logs.values():
            self._close(log)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _most_open() -> int:
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(_LEAST_OPEN, limit - _LEFT_FILES) if limit != resource.RLIM_INFINITY else sys.maxsize
