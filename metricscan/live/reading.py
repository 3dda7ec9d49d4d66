"""The rows of one log that grows: a stream for each of its parts, fed with what is new."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, cast

from metricscan.errors import SourceError
from metricscan.live.file_events import Data, Ended
from metricscan.live.followed import FollowedLog
from metricscan.live.identity import Checkpoint, FileStatus
from metricscan.live.part_rows import GrownRows, PartRows, part_rows
from metricscan.live.part_stream import PartStream
from metricscan.live.reading_state import (
    STREAMS,
    CutMessage,
    State,
    Unreadable,
    crash_at,
    last_record,
    standing_at,
)
from metricscan.logs import encodings
from metricscan.logs.formats import CONTAINER_FORMATS, REFUSED, STREAM_FORMATS, detect, is_format_shown
from metricscan.logs.tails import TAIL_BYTES, crash_of, may_show_crash_behind
from metricscan.scanning.result import Taken
from metricscan.scanning.stats import ScanStats
from metricscan.scanning.stream import (
    begin_behind,
    begin_behind_events,
    set_units,
    tail_of,
    taken_columns,
    taken_suspects,
    units_of,
)
from metricscan.scanning.stream_suspects import joined

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from metricscan.datasets.journal import Rows
    from metricscan.live.file_events import Event
    from metricscan.logs.crashes import Crash
    from metricscan.logs.growing_export import GrowingExport
    from metricscan.scanning.options import InputFormat
    from metricscan.scanning.scanner import Scanner
    from metricscan.scanning.stream import Stream
    from metricscan.scanning.stream_suspects import SuspectRows

# What is read of a log before its rows are handed on, and can be committed.
_HELD_BYTES = 1 << 20
# Of a container's log, in which the text lies that may show how its program ended: a message of it takes some 100 bytes more.
_TEXT_BEFORE = 1 << 16


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
        Whether the format is detected: containers' logs and exports are decoded, and what replay refuses is refused.
    stream : mapping, optional
        How its streams are opened: ``step``, ``worker`` and other options of :meth:`Scanner.stream`.
    watches : bool
        Whether it is looked for suspects: values that may not be what the log says.

    Attributes
    ----------
    log : FollowedLog
    refused : SourceError or None
        Why nothing is read of the log: it is of a format that is refused.
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
        watches: bool = False,
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
        self._watches = watches
        self._open_stream = scanner.watching_stream if watches else scanner.stream
        self._parts: dict[int, PartStream] = {}
        #: Parts that ended and whose last rows were not handed on.
        self._ended: dict[int, PartStream] = {}
        self._counted = ScanStats()

    def close(self) -> None:
        """Close the files."""
        self.log.close()

    @property
    def stats(self) -> ScanStats:
        """Counts of what was read. Those of an earlier reader, where this one goes on, may be missing."""
        stats = ScanStats()
        stats.merge(self._counted)
        for part in self._parts.values():
            stats.merge(part.stream.stats)
        return stats

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
        if part.head is not None or part.export is not None or part.taken or part.suspects:
            return None
        new = self.log.grown(found)
        if new is None or new.part != number or new.offset != part.end:
            return None
        self.changed_at = part.changed_at = self._clock()
        part.end += len(new.data)
        part.feed(new.data, new.offset)
        rows = taken_columns(part.stream) if self._gives_columns else None
        taken = part.stream.take() if rows is None else None
        suspects: Rows | None = taken_suspects(part.stream).get("", {}) if self._watches else None
        ended = part.rows_end
        checkpoint = self.log.took(new, ended, found, part.state_behind(ended, found.modified_ns))
        crash = self._crash(number, part)
        if taken:
            return GrownRows(number, taken, taken.replaces, checkpoint, (taken,), crash, suspects)
        return GrownRows(number, rows or {}, (), checkpoint, (), crash, suspects)

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
                if part.export is not None:
                    # as an export that has no line end
                    self.log.became_rows_since(number, part.rows_end)
            if part.head is None and part.export is None:
                part.take()
                part.stream.flush()
                part.take()
                part.flushed = part.end
                self.log.keep_state(number, part.state(self._modified_ns()))
        return self._found()

    def finish(self) -> list[PartRows]:
        """Take the logs for ended ones: also rows that wait for a step are given. Nobody can go on at these checkpoints."""
        found = []
        for number, part in self._parts.items():
            if part.head and self._is_known(number, part, is_all=True):
                part.feed_head()
            if part.head is not None or part.stream.closed:
                continue
            part.take()
            part.stream.close()
            # it may hold no row but those that waited for a step
            part.taken.append(part.stream.take())
            self._check(number, part)
            format_ = "plain" if part.export is None else part.export.format
            found.append(part_rows(number, part.taken, b"", format_=format_))
            part.taken = []
        return found

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

    def _begun(self, number: int, offset: int, now: float) -> PartStream:
        """A part that is read from an offset on, where an earlier reader stood."""
        packed = self.log.state_of(number)
        if not packed:
            return PartStream(self._open_stream(**self._stream), offset, now, _BEGINNING, is_plain=self._is_plain)
        state, stream = standing_at(packed, self.log.path, self._open_stream, self._stream)
        is_plain = self._is_plain and state.is_plain
        if stream is None:
            stream = self._open_stream(offset=offset, line=state.newlines + 1)
            set_units(stream, state.units)
            if self._watches:
                self._show_before(number, stream, state)
            return PartStream(stream, offset, now, state, is_plain=True)
        if state.format != "plain":
            return self._container_part(number, stream, offset, now, state)
        if self._watches:
            self._show_before(number, stream, state)
        record = stream.resume_offset
        file = self.log.file_of(number)
        if record < offset and file is not None:
            # It had ended within a record, which goes on all the same: the rows that it had count no more.
            for data in file.between(record, offset):
                stream.feed(data)
        part = PartStream(stream, offset, now, state, is_plain=is_plain)
        if record < offset:
            part.taken.append(Taken({}, (record,), list, {}))
        return part

    def _show_before(self, number: int, stream: Stream, state: State) -> None:
        """Show a stream of text what stands before the place where it goes on: a value may end there whose rest comes next."""
        read, end = self.log.read_of(number), stream.resume_offset
        before = last_record(read.tail[: len(read.tail) - (read.offset - end)], end)
        # within the first bytes of UTF-16 no record is known
        if before and state.newlines and not stream.is_decoded:
            scratch = self._scanner.watching_stream(
                offset=end - len(before), line=state.newlines - before.count(b"\n") + 1
            )
            scratch.feed(before)
            begin_behind(stream, scratch)

    def _stream_of(self, format_: str, **options: Any) -> Stream:
        return self._open_stream(format=cast("InputFormat", format_), **options, **self._stream)

    def _container_part(self, number: int, stream: Stream, offset: int, now: float, state: State) -> PartStream:
        """A part whose stream is given again what it holds of fragments: they lie before the offset."""
        part = PartStream(stream, offset, now, state, is_plain=False)
        part.head = None
        file = self.log.file_of(number)
        assert file is not None
        for data in file.between(stream.resume_offset, part.rows_end):
            stream.feed(data)
        if self._watches:
            begin = max(part.rows_end - _TEXT_BEFORE, 0)
            before = b"".join(file.between(begin, part.rows_end))
            begin_behind_events(stream, self._events_before(state.format, before, is_whole=not begin), part.rows_end)
            part.is_tail_known = not begin or bool(tail_of(stream))
        return part

    def _events_before(self, format_: str, data: bytes, *, is_whole: bool) -> tuple[Stream, bytes]:
        """A stream of the events before a place, and their bytes; unless they are all, these may begin within an event."""
        whole = data if is_whole else data[data.find(b"\n") + 1 :]
        scratch = self._scanner.watching_stream(format=cast("InputFormat", format_))
        with suppress(SourceError):
            scratch.feed(whole)
        return scratch, whole

    def _begun_anew(self, number: int, part: PartStream, offset: int, now: float) -> PartStream:
        """A part whose last record, which had not ended, is read again."""
        if part.head is not None:
            # nothing of it is in rows
            return PartStream(self._open_stream(**self._stream), offset, now, _BEGINNING, is_plain=self._is_plain)
        part.take()
        if part.export is not None:
            format_ = part.export.format
            stream = self._stream_of(format_, state=part.stream.state())
            set_units(stream, units_of(part.stream))
            again = self._container_part(number, stream, offset, now, _BEGINNING._replace(format=format_))
        else:
            stream = self._open_stream(state=part.stream.state(), **self._stream)
            set_units(stream, units_of(part.stream))
            if self._watches:
                begin_behind(stream, part.stream)
            again = PartStream(stream, offset, now, State(True, 0, 0, part.newlines), is_plain=part.is_plain)
        again.taken, again.suspects = part.taken, part.suspects
        return again

    def _is_known(self, number: int, part: PartStream, *, is_all: bool = False) -> bool:
        """Whether the first bytes of a part show what it is. The log may be refused."""
        head = part.head
        assert head is not None
        if not is_all and not is_format_shown(bytes(head), self.log.path):
            return False
        first = bytes(head)
        if encodings.marked(first) is not None:
            part.is_plain = False
            return True
        found = detect(first, self.log.path)
        if found == "plain" or not self._detects:
            return True
        if found in STREAM_FORMATS:
            if part.flushed:
                # rows of its first line, which was taken for text before it had ended
                part.taken.append(Taken({}, (0,), list, {}))
                part.flushed = 0
            part.set_stream(self._stream_of(found))
            if found in CONTAINER_FORMATS:
                self._leave_out(number, part)
            return True
        what, hint = REFUSED[found]
        self.refused = SourceError(f"{self.log.path} is {what}", path=self.log.path, hint=hint)
        return False

    def _leave_out(self, number: int, part: PartStream) -> None:
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

    def _check(self, number: int, part: PartStream) -> None:
        """Say once what of a container's log cannot be read."""
        if part.export is not None and not part.is_damage_said and (error := part.stream.error) is not None:
            part.is_damage_said = True
            self._say(Unreadable(number, error))

    def _crash(self, number: int, part: PartStream) -> Crash | Literal[False] | None:
        """What is to be said of the end of a part: nothing if it was said."""
        if part.head is not None or (part.export is not None and not self._watches):
            return None
        if part.export is not None:
            crash = crash_of(tail_of(part.stream))
            if crash is None and not part.is_tail_known and len(tail_of(part.stream)) < TAIL_BYTES:
                return None
        else:
            read = self.log.read_of(number)
            if may_show_crash_behind(read.tail, None if part.quiet_at is None else read.offset - part.quiet_at):
                part.quiet_at = None
                crash = crash_at(read.tail, read.offset, part.newlines, self._scanner)
            else:
                part.quiet_at, crash = read.offset, None
        found: Crash | Literal[False] = False if crash is None else crash
        if found == part.crash and part.export is None:
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
        self._counted.merge(part.stream.stats)
        self._ended[event.part] = part

    def _found(self) -> list[PartRows]:
        """The rows and checkpoints since the last call."""
        if self.refused is not None:
            return []
        taken: dict[int, list[Taken]] = {}
        crashes: dict[int, Crash | Literal[False] | None] = {}
        suspects: dict[int, list[dict[str, SuspectRows]]] = {}
        exports: dict[int, GrowingExport] = {}
        modified_ns = self._modified_ns()
        for number, part in self._ended.items():
            self.log.keep_state(number, part.last_state)
            taken[number], crashes[number] = part.taken, self._crash(number, part)
            suspects[number] = part.suspects
            if part.export is not None:
                exports[number] = part.export
        self._ended = {}
        for number in self.log.changed_parts():
            reading = self._parts.get(number)
            if reading is not None and reading.head is None:
                reading.take()
                self.log.keep_state(number, reading.state(modified_ns))
                taken[number], reading.taken = reading.taken, []
                suspects[number], reading.suspects = reading.suspects, []
                crashes[number] = self._crash(number, reading)
                if reading.export is not None:
                    exports[number] = reading.export
        checkpoints = self.log.changed_checkpoints()
        found = []
        for number, checkpoint in sorted(checkpoints.items()):
            export = exports.get(number)
            one = part_rows(
                number,
                taken.get(number, []),
                checkpoint.pack(),
                format_="plain" if export is None else export.format,
            )
            if export is not None:
                one = one._replace(streams=frozenset(name for name in export.stream_names if name))
            found.append(one._replace(crash=crashes.get(number), **self._suspects(suspects.get(number, []))))
        return found

    def _suspects(self, taken: list[dict[str, SuspectRows]]) -> dict[str, Any]:
        """The fields of :class:`PartRows` for suspects that were taken."""
        if not self._watches:
            return {}
        apart: dict[str, list[SuspectRows]] = {}
        for one in taken:
            for stream, rows in one.items():
                apart.setdefault(stream, []).append(rows)
        found = {stream: joined(some) for stream, some in apart.items()}
        return {"suspects": found.get("", {}), "suspects_apart": found}
