"""The rows of one log that grows: a stream for each of its parts, fed with what is new."""

from __future__ import annotations

import os
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

from metricscan.errors import SourceError
from metricscan.live.followed import Data, Ended, FollowedLog
from metricscan.live.identity import Checkpoint, FileStatus
from metricscan.live.reading_state import STREAMS, CutMessage, State, Unreadable, crash_at, standing_at
from metricscan.logs import encodings
from metricscan.logs.formats import CONTAINER_FORMATS, HEAD_BYTES, LONG_HEAD_BYTES, detect
from metricscan.scanning.result import Taken
from metricscan.scanning.stream import taken_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import pyarrow as pa

    from metricscan.datasets.journal import Rows
    from metricscan.live.followed import Event
    from metricscan.logs.crashes import Crash
    from metricscan.logs.growing_export import GrowingExport
    from metricscan.scanning.options import InputFormat
    from metricscan.scanning.result import LiveRow
    from metricscan.scanning.scanner import Scanner
    from metricscan.scanning.stream import Stream

# What is read of a log before its rows are handed on, and can be committed.
_HELD_BYTES = 1 << 20
_CR = 13


class PartRows(NamedTuple):
    """New rows of a part of a log, and the checkpoint that they reach.

    Attributes
    ----------
    part : int
    rows : dict of str to pyarrow.RecordBatch
        By metric, as :meth:`Stream.take` gives them.
    replaces : tuple of int
        Offsets of records. Their rows that came before count no more.
    checkpoint : bytes
    taken : tuple of Taken
        What the streams gave: their ``rows`` are the rows one by one, with their steps.
    is_container : bool
        Whether it is a container's log: ``taken`` says of which of its streams the rows are.
    crash : Crash, False or None
        The crash with which its text ends now; False if it ends with none; None if that is as before, or not known.
    """

    part: int
    rows: dict[str, pa.RecordBatch]
    replaces: tuple[int, ...]
    checkpoint: bytes
    taken: tuple[Taken, ...] = ()
    is_container: bool = False
    crash: Crash | Literal[False] | None = None

    def of_streams(self, *, has_live_rows: bool) -> dict[str, PartRows]:
        """The rows of each stream of a container apart, without a checkpoint; ``""`` is that of rows without one."""
        found: dict[str, list[Taken]] = {}
        for one in self.taken:
            by_stream = one.by_stream
            of_rows = {row.stream for row in one.rows} if has_live_rows else set()
            for stream in sorted({*by_stream, *of_rows}):
                rows = partial(_rows_of, one, stream)
                found.setdefault(stream, []).append(Taken(by_stream.get(stream, {}), (), rows, {}))
        return {stream: _part_rows(self.part, taken, b"") for stream, taken in found.items()}


class GrownRows(NamedTuple):
    """New rows of a part whose file has only grown; as :class:`PartRows`, but ``rows`` may be columns, which a journal takes."""

    part: int
    rows: Rows
    replaces: tuple[int, ...]
    checkpoint: bytes
    taken: tuple[Taken, ...]
    crash: Crash | Literal[False] | None


class _Part:
    """What is known of a part whose bytes are being read."""

    def __init__(self, stream: Stream, offset: int, now: float, state: State, *, is_plain: bool) -> None:
        self.stream = stream
        #: Whether the offset and the line are all that the stream needs to go on: it is not decoded, and joins no steps. To make
        #: and to write its state takes a fifth of the time of a line.
        self.is_plain = is_plain
        self.newlines = state.newlines
        self._last = 0
        #: Where the bytes that were seen end.
        self.end = offset
        #: Bytes before it are not fed: those of a mark at the beginning were.
        self.fed_from = stream.resume_offset
        #: Where those ended that a flush saw.
        self.flushed = state.flushed
        self.changed_at = now
        #: The first bytes, until they show the format.
        self.head: bytearray | None = bytearray() if not offset else None
        self.taken: list[Taken] = []
        #: What was said of its end.
        self.crash: Crash | Literal[False] | None = None
        #: What the checkpoint holds once the part has ended.
        self.last_state = b""
        #: Whether a container's log cannot be read on, and whether it was said that a place of it is damaged.
        self.is_broken = self.is_damage_said = False
        self.set_stream(stream)

    def set_stream(self, stream: Stream) -> None:
        """Take another stream, since the format is known now."""
        self.stream = stream
        self.export: GrowingExport | None = stream.export
        if self.export is not None:
            self.is_plain = False
            self.fed_from = self.export.taken_offset
            self.is_damage_said = stream.error is not None

    @property
    def rows_end(self) -> int:
        """Where what is not in rows yet begins; of a container's log fragments that lie before it are not."""
        return self.stream.resume_offset if self.export is None else self.export.taken_offset

    @property
    def has_unended(self) -> bool:
        """Whether there are bytes of a record that has not ended, and that no flush saw."""
        if self.export is not None:
            # a message is whole or not there yet
            return False
        return self.end > self.flushed and (bool(self.head) or self.end > self.stream.resume_offset)

    def feed(self, data: bytes, offset: int) -> None:
        """Feed bytes that begin at an offset."""
        if offset < self.fed_from:
            data = data[self.fed_from - offset :]
        if self.export is not None:
            if data and not self.is_broken:
                try:
                    self.stream.feed(data)
                except SourceError:
                    # its events before that are in rows
                    self.is_broken = True
        elif data:
            self.newlines += data.count(b"\n")
            self._last = data[-1]
            self.stream.feed(data)

    def feed_head(self) -> None:
        """Feed the first bytes, whose format is known now."""
        assert self.head is not None
        head, self.head = bytes(self.head), None
        self.feed(head, 0)

    def take(self) -> None:
        """Take the rows of the stream."""
        taken = self.stream.take()
        if taken:
            self.taken.append(taken)

    def state(self, modified_ns: int, *, is_end: bool = False) -> bytes:
        """What a checkpoint holds of it. All rows are taken."""
        if self.export is not None:
            # an event at the end that is not whole may be a fragment
            all_of_them = is_end and self.export.has_unended
            going_on = frozenset(range(len(STREAMS))) if all_of_them else self.export.going_on_streams
            container = State(False, 0, modified_ns, 0, self.export.format, going_on)
            return container.packed() + self.stream.state()
        ended = self.stream.resume_offset
        # Behind a newline nothing may belong to the beginning; a newline that comes next may belong to a carriage return.
        is_between = self.newlines and (ended < self.end or self._last != _CR)
        needs_state = not (self.is_plain and is_between) or self.flushed or (is_end and ended < self.end)
        state = State(self.is_plain, self.flushed, modified_ns, self.newlines)
        return state.packed() + (self.stream.state() if needs_state else b"")


_BEGINNING = State(True, 0, 0, 0)


class LogReader:
    """Reads the rows of one log that grows, and says up to where they reach.

    Parameters
    ----------
    path : str
    scanner : Scanner
    checkpoints : mapping of int to bytes
        By part, those that an earlier reader gave.
    rotate_wait : float
        As for :class:`FollowedLog`.
    clock : callable
        Gives the time in seconds.
    on_event : callable, optional
        Called with each :class:`Began`, :class:`Ended`, :class:`Lost`, :class:`Trouble`, :class:`CutMessage` and
        :class:`Unreadable`, before the rows behind it are handed on.
    on_data : callable, optional
        Called with the bytes that were read, as they are. A new reader gets those of the record that had not ended again.
    detects : bool
        Whether the format is detected: a container's log is decoded, and one in another format than text is refused.
    stream : mapping, optional
        How its streams are opened: ``step``, ``worker`` and other options of :meth:`Scanner.stream`.

    Attributes
    ----------
    log : FollowedLog
    refused : SourceError or None
        Why nothing is read of the log: it is neither text nor a container's log.
    changed_at : float
        When new bytes were last read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from metricscan import Scanner
    >>> path = pathlib.Path(tempfile.mkdtemp(), "train.log")
    >>> _ = path.write_bytes(b"loss=0.5\\nloss=0.2")
    >>> scanner = Scanner(["loss=loss=([0-9.]+)"])
    >>> reader = LogReader(str(path), scanner)
    >>> [[found]] = reader.poll()
    >>> found.part, found.rows["loss"]["value"].to_pylist()
    (0, [0.5])
    >>> reader.close()
    >>> _ = path.write_bytes(b"loss=0.5\\nloss=0.25\\n")
    >>> reader = LogReader(str(path), scanner, {found.part: found.checkpoint})
    >>> [[found]] = reader.poll()
    >>> found.rows["loss"].select(["value", "line", "offset"]).to_pylist()
    [{'value': 0.25, 'line': 2, 'offset': 9}]
    >>> reader.close()
    """

    def __init__(
        self,
        path: str,
        scanner: Scanner,
        checkpoints: Mapping[int, bytes] | None = None,
        *,
        rotate_wait: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
        on_event: Callable[[Event | CutMessage | Unreadable], object] | None = None,
        on_data: Callable[[bytes], object] | None = None,
        detects: bool = True,
        stream: Mapping[str, Any] | None = None,
        held_bytes: int = _HELD_BYTES,
        gives_columns: bool = False,
        **options: Any,
    ) -> None:
        given = {part: Checkpoint.unpack(one) for part, one in (checkpoints or {}).items()}
        self.log = FollowedLog(path, given, rotate_wait=rotate_wait, clock=clock, **options)
        self.refused: SourceError | None = None
        self.changed_at = clock()
        self._scanner = scanner
        self._clock = clock
        self._on_event = on_event
        self._on_data = on_data
        self._detects = detects
        self._stream = dict(stream or {})
        self._is_plain = not self._stream.get("step") and not self._stream.get("worker")
        self._held_bytes = held_bytes
        self._gives_columns = gives_columns
        self._parts: dict[int, _Part] = {}
        #: Parts that ended and whose last rows were not handed on.
        self._ended: dict[int, _Part] = {}

    def close(self) -> None:
        """Close the files."""
        self.log.close()

    # ---- polls

    def poll(self) -> Iterator[list[PartRows]]:
        """Read what is new, and hand on the rows in lists of one entry per part, each when all of it can be committed.

        The caller may stop between two lists, and poll anew.
        """
        held, is_behind_data = 0, False
        for event in self.log.poll():
            if is_behind_data and held >= self._held_bytes:
                # The log knows now what became of the data before, and nothing of this event yet.
                yield self._found()
                held = 0
            is_behind_data = isinstance(event, Data)
            if isinstance(event, Data):
                held += len(event.data)
                if self._on_data is not None:
                    self._on_data(event.data)
                self._read(event)
                if self.refused is not None:
                    return
                continue
            if isinstance(event, Ended):
                self._end(event)
            if self.refused is None:
                self._say(event)
        found = self._found()
        if found:
            yield found

    def grown(self, found: FileStatus) -> GrownRows | None:
        """What a poll would hand on of a text that was settled, if its file has only grown since, in a third of the time.

        None if more happened, or may have; a poll finds it then.

        Parameters
        ----------
        found : FileStatus
            That of the file at the name of the log.
        """
        if len(self._parts) != 1 or self._ended or self._on_data is not None:
            return None
        ((number, part),) = self._parts.items()
        if part.head is not None or part.export is not None or part.taken:
            return None
        new = self.log.grown(found)
        if new is None or new.part != number or new.offset != part.end:
            return None
        self.changed_at = part.changed_at = self._clock()
        part.end += len(new.data)
        part.feed(new.data, new.offset)
        rows = taken_columns(part.stream) if self._gives_columns else None
        taken = part.stream.take() if rows is None else None
        checkpoint = self.log.took(new, part.rows_end, found, part.state(found.modified_ns)).pack()
        crash = self._crash(number, part)
        if taken:
            return GrownRows(number, taken, taken.replaces, checkpoint, (taken,), crash)
        return GrownRows(number, rows or {}, (), checkpoint, (), crash)

    @property
    def has_unended(self) -> bool:
        """Whether a record has not ended, and has bytes that no flush saw."""
        return any(part.has_unended for part in self._parts.values())

    def flush(self, after_s: float = 0.0) -> list[PartRows]:
        """Take the records that have not ended, and to which nothing was added for so long, for ended ones.

        If such a record goes on, its rows are replaced.
        """
        now = self._clock()
        for number, part in self._parts.items():
            if now - part.changed_at < after_s or not part.has_unended:
                continue
            if part.head and self._is_known(number, part, is_all=True):
                part.feed_head()
                self._check(number, part)
            if part.head is None and part.export is None:
                part.take()
                part.stream.flush()
                part.take()
                part.flushed = part.end
                self.log.keep_state(number, part.state(self._modified_ns()))
        return self._found()

    def _say(self, event: Event | CutMessage | Unreadable) -> None:
        if self._on_event is not None:
            self._on_event(event)

    def _modified_ns(self) -> int:
        settled = self.log.settled()
        return 0 if settled is None else settled.modified_ns

    def _read(self, event: Data) -> None:
        part = self._parts.get(event.part)
        now = self.changed_at = self._clock()
        if part is None:
            part = self._parts[event.part] = self._begun(event.part, event.offset, now)
        elif event.offset != part.end:
            part = self._parts[event.part] = self._begun_anew(event.part, part, event.offset, now)
        part.changed_at = now
        part.end = event.offset + len(event.data)
        if part.head is None:
            part.feed(event.data, event.offset)
        else:
            part.head += event.data
            if not self._is_known(event.part, part):
                return
            part.feed_head()
        self._check(event.part, part)
        ended = part.rows_end
        if ended >= event.offset:
            self.log.became_rows(event.part, ended)

    def _begun(self, number: int, offset: int, now: float) -> _Part:
        """A part that is read from an offset on, where an earlier reader stood."""
        packed = self.log.state_of(number)
        if not packed:
            return _Part(self._scanner.stream(**self._stream), offset, now, _BEGINNING, is_plain=self._is_plain)
        state, stream = standing_at(packed, self.log.path, self._scanner, self._stream)
        is_plain = self._is_plain and state.is_plain
        if stream is None:
            stream = self._scanner.stream(offset=offset, line=state.newlines + 1)
            return _Part(stream, offset, now, state, is_plain=True)
        if state.format != "plain":
            return self._container_part(number, stream, offset, now, state)
        missing = offset - stream.resume_offset
        if missing > 0:
            # It had ended within a record, whose bytes were read, and goes on all the same.
            stream.feed(bytes(missing))
        return _Part(stream, offset, now, state, is_plain=is_plain)

    def _stream_of(self, format_: str, **options: Any) -> Stream:
        return self._scanner.stream(format=cast("InputFormat", format_), **options, **self._stream)

    def _container_part(self, number: int, stream: Stream, offset: int, now: float, state: State) -> _Part:
        """A part whose stream is given again what it holds of fragments: they lie before the offset."""
        part = _Part(stream, offset, now, state, is_plain=False)
        part.head = None
        file = self.log.file_of(number)
        assert file is not None
        for data in file.between(stream.resume_offset, part.rows_end):
            stream.feed(data)
        return part

    def _begun_anew(self, number: int, part: _Part, offset: int, now: float) -> _Part:
        """A part whose last record, which had not ended, is read again."""
        if part.head is not None:
            # nothing of it is in rows
            return _Part(self._scanner.stream(**self._stream), offset, now, _BEGINNING, is_plain=self._is_plain)
        part.take()
        if part.export is not None:
            format_ = part.export.format
            stream = self._stream_of(format_, state=part.stream.state())
            again = self._container_part(number, stream, offset, now, _BEGINNING)
            again.taken = part.taken
            return again
        stream = self._scanner.stream(state=part.stream.state(), **self._stream)
        again = _Part(stream, offset, now, State(True, 0, 0, part.newlines), is_plain=part.is_plain)
        again.taken = part.taken
        return again

    def _is_known(self, number: int, part: _Part, *, is_all: bool = False) -> bool:
        """Whether the first bytes of a part show what it is. Unless it is text or a container's log, the log is refused."""
        head = part.head
        assert head is not None
        if not is_all and not _shows_format(head):
            return False
        first = bytes(head)
        if encodings.marked(first) is not None:
            part.is_plain = False
            return True
        found = detect(first, self.log.path)
        if found == "plain" or not self._detects:
            return True
        if found in CONTAINER_FORMATS:
            part.set_stream(self._stream_of(found))
            self._leave_out(number, part)
            return True
        self.refused = SourceError(
            f"{self.log.path} is of the format {found}: only text and containers' logs can be followed",
            path=self.log.path,
            hint="replay reads it, and Scanner.stream(format=...) as it comes; input_format='plain' follows it as text",
        )
        return False

    def _leave_out(self, number: int, part: _Part) -> None:
        """Leave out what a container's log begins with, if it belongs to a message that began in the part before."""
        assert part.export is not None
        going_on, is_certain = self._going_on(number - 1)
        if going_on:
            part.export.leave_out(going_on)
            for one in sorted(going_on):
                self._say(CutMessage(number, STREAMS[one], is_certain))

    def _going_on(self, number: int) -> tuple[frozenset[int], bool]:
        """The streams of a part of which a message goes on in the next part, and whether that is certain."""
        checkpoint = self.log.checkpoints().get(number)
        if checkpoint is None:
            return frozenset(), True
        reading = self._parts.get(number) or self._ended.get(number)
        file = self.log.file_of(number)
        if reading is not None and reading.head is not None:
            return frozenset(), True
        if reading is not None and reading.export is not None and not reading.stream.closed:
            going_on, end, has_unended = reading.export.going_on_streams, reading.end, reading.export.has_unended
        else:
            state = checkpoint.state if reading is None or not reading.last_state else reading.last_state
            if not state or (known := State.unpacked(state)[0]).format == "plain":
                return frozenset(), True
            going_on, end, has_unended = known.going_on, checkpoint.offset, False
        # What was written to the part before meanwhile is in its file now. An event that has not ended may be a fragment.
        grew = file is not None and file.compression is None and os.fstat(file.descriptor).st_size > end
        if grew or has_unended:
            return frozenset(range(len(STREAMS))), False
        return going_on, len(going_on) < len(STREAMS)

    def _check(self, number: int, part: _Part) -> None:
        """Say once what of a container's log cannot be read."""
        if part.export is not None and not part.is_damage_said and (error := part.stream.error) is not None:
            part.is_damage_said = True
            self._say(Unreadable(number, error))

    def _crash(self, number: int, part: _Part) -> Crash | Literal[False] | None:
        """What is to be said of the end of a text: nothing if it was said, or of a container's log, which is not looked at."""
        if part.export is not None or part.head is not None:
            return None
        read = self.log.read_of(number)
        crash = crash_at(read.tail, read.offset, part.newlines, self._scanner)
        found: Crash | Literal[False] = False if crash is None else crash
        if found == part.crash:
            return None
        part.crash = found
        return found

    def _end(self, event: Ended) -> None:
        part = self._parts.pop(event.part, None)
        if part is None:
            return
        if part.head:
            if not self._is_known(event.part, part, is_all=True):
                return
            part.feed_head()
        part.take()
        state, format_ = part.stream.state(), "plain" if part.export is None else part.export.format
        part.last_state = part.state(0, is_end=True)
        if event.is_cut:
            # The rows that wait for a step get none any more. The record that was cut gives none.
            with self._stream_of(format_, state=state) as waiting:
                pass
            rows = waiting.take().rows
            if rows:
                part.taken.append(Taken({}, (), lambda: rows, {}))
        else:
            part.stream.close()
            part.take()
        self._check(event.part, part)
        self._ended[event.part] = part

    def _found(self) -> list[PartRows]:
        """The rows and checkpoints since the last call."""
        if self.refused is not None:
            return []
        taken: dict[int, list[Taken]] = {}
        crashes: dict[int, Crash | Literal[False] | None] = {}
        containers = set()
        modified_ns = self._modified_ns()
        for number, part in self._ended.items():
            self.log.keep_state(number, part.last_state)
            taken[number], crashes[number] = part.taken, self._crash(number, part)
            if part.export is not None:
                containers.add(number)
        self._ended = {}
        for number in self.log.changed_parts():
            reading = self._parts.get(number)
            if reading is not None and reading.head is None:
                reading.take()
                self.log.keep_state(number, reading.state(modified_ns))
                taken[number], reading.taken = reading.taken, []
                crashes[number] = self._crash(number, reading)
                if reading.export is not None:
                    containers.add(number)
        checkpoints = self.log.changed_checkpoints()
        return [
            _part_rows(
                number, taken.get(number, []), checkpoints[number].pack(), is_container=number in containers
            )._replace(crash=crashes.get(number))
            for number in sorted(checkpoints)
        ]


def _rows_of(taken: Taken, stream: str) -> list[LiveRow]:
    return [row for row in taken.rows if row.stream == stream]


def _shows_format(head: bytearray) -> bool:
    """Whether the first bytes of a log are enough to detect its format."""
    if b"\n" in head or len(head) >= LONG_HEAD_BYTES:
        return True
    # the first line of Docker may be longer than what is read of other logs; a progress bar is none
    may_be_docker = head.lstrip(b"\0\xef\xbb\xbf \t").startswith(b"{")
    return not may_be_docker and (len(head) >= HEAD_BYTES or b"\r" in head)


def _part_rows(number: int, taken: list[Taken], checkpoint: bytes, *, is_container: bool = False) -> PartRows:
    if len(taken) == 1:
        return PartRows(number, taken[0], taken[0].replaces, checkpoint, tuple(taken), is_container)
    batches: dict[str, list[pa.RecordBatch]] = {}
    for one in taken:
        for name, batch in one.items():
            batches.setdefault(name, []).append(batch)
    replaces = tuple(offset for one in taken for offset in one.replaces)
    rows = {name: _joined(some) for name, some in batches.items()}
    return PartRows(number, rows, replaces, checkpoint, tuple(taken), is_container)


def _joined(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    if len(batches) == 1:
        return batches[0]
    import pyarrow as pa

    return pa.Table.from_batches(batches).combine_chunks().to_batches()[0]
