"""The rows of one log that grows: a stream for each of its parts, fed with what is new."""

from __future__ import annotations

import struct
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from metricscan.errors import OptionError, SourceError
from metricscan.live.followed import Data, Ended, FollowedLog
from metricscan.live.identity import Checkpoint, FileStatus
from metricscan.logs import encodings
from metricscan.logs.formats import HEAD_BYTES, detect
from metricscan.scanning.result import Taken

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import pyarrow as pa

    from metricscan.live.followed import Event
    from metricscan.scanning.scanner import Scanner
    from metricscan.scanning.stream import Stream

# What is read of a log before its rows are handed on, and can be committed.
_HELD_BYTES = 1 << 20
# Version, whether a stream without a state goes on there, up to where the unended record was flushed, the time of the file when
# all of it was read or 0, and the newlines before. The state of the stream follows, where it has one.
_STATE = struct.Struct("<BBQQQ")
_STATE_VERSION = 1
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
    """

    part: int
    rows: dict[str, pa.RecordBatch]
    replaces: tuple[int, ...]
    checkpoint: bytes
    taken: tuple[Taken, ...] = ()


class _Part:
    """What is known of a part whose bytes are being read."""

    def __init__(self, stream: Stream, offset: int, now: float, state: _State, *, is_plain: bool) -> None:
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
        #: What the checkpoint holds once the part has ended.
        self.last_state = b""

    @property
    def has_unended(self) -> bool:
        """Whether there are bytes of a record that has not ended, and that no flush saw."""
        return self.end > self.flushed and (bool(self.head) or self.end > self.stream.resume_offset)

    def feed(self, data: bytes, offset: int) -> None:
        """Feed bytes that begin at an offset."""
        if offset < self.fed_from:
            data = data[self.fed_from - offset :]
        if data:
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
        ended = self.stream.resume_offset
        # Behind a newline nothing may belong to the beginning; a newline that comes next may belong to a carriage return.
        is_between = self.newlines and (ended < self.end or self._last != _CR)
        needs_state = not (self.is_plain and is_between) or self.flushed or (is_end and ended < self.end)
        state = _State(self.is_plain, self.flushed, modified_ns, self.newlines)
        return state.packed() + (self.stream.state() if needs_state else b"")


class _State(NamedTuple):
    """What a checkpoint holds of a part, but for the state of its stream."""

    is_plain: bool
    flushed: int
    modified_ns: int
    newlines: int

    def packed(self) -> bytes:
        return _STATE.pack(_STATE_VERSION, *self)

    @classmethod
    def unpacked(cls, state: bytes) -> _State:
        version, is_plain, *numbers = _STATE.unpack_from(state)
        if version != _STATE_VERSION:
            raise ValueError(f"the state of a reader has version {version}: {_STATE_VERSION} was expected")
        return cls(bool(is_plain), *numbers)


_BEGINNING = _State(True, 0, 0, 0)


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
        Called with each :class:`Began`, :class:`Ended`, :class:`Lost` and :class:`Trouble`, before the rows behind it are
        handed on.
    on_data : callable, optional
        Called with the bytes that were read, as they are. A new reader gets those of the record that had not ended again.
    detects : bool
        Whether a log in another format than text is refused.
    stream : mapping, optional
        How its streams are opened: ``step``, ``worker`` and other options of :meth:`Scanner.stream`.

    Attributes
    ----------
    log : FollowedLog
    refused : SourceError or None
        Why nothing is read of the log: it is no text.
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
        on_event: Callable[[Event], object] | None = None,
        on_data: Callable[[bytes], object] | None = None,
        detects: bool = True,
        stream: Mapping[str, Any] | None = None,
        held_bytes: int = _HELD_BYTES,
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
            if self._on_event is not None and self.refused is None:
                self._on_event(event)
        found = self._found()
        if found:
            yield found

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
            if part.head and self._is_text(part, is_all=True):
                part.feed_head()
            if part.head is None:
                part.take()
                part.stream.flush()
                part.take()
                part.flushed = part.end
                self.log.keep_state(number, part.state(self._modified_ns()))
        return self._found()

    def _modified_ns(self) -> int:
        settled = self.log.settled()
        return 0 if settled is None else settled.modified_ns

    def _read(self, event: Data) -> None:
        part = self._parts.get(event.part)
        now = self.changed_at = self._clock()
        if part is None:
            part = self._parts[event.part] = self._begun(event.part, event.offset, now)
        elif event.offset != part.end:
            part = self._parts[event.part] = self._begun_anew(part, event.offset, now)
        part.changed_at = now
        part.end = event.offset + len(event.data)
        if part.head is None:
            part.feed(event.data, event.offset)
        else:
            part.head += event.data
            if not self._is_text(part):
                return
            part.feed_head()
        ended = part.stream.resume_offset
        if ended >= event.offset:
            self.log.became_rows(event.part, ended)

    def _begun(self, number: int, offset: int, now: float) -> _Part:
        """A part that is read from an offset on, where an earlier reader stood."""
        packed = self.log.state_of(number)
        if not packed:
            return _Part(self._scanner.stream(**self._stream), offset, now, _BEGINNING, is_plain=self._is_plain)
        state, of_stream = _State.unpacked(packed), packed[_STATE.size :]
        is_plain = self._is_plain and state.is_plain
        if not of_stream and not is_plain:
            raise OptionError(
                f"the rows of {self.log.path} had no steps and no workers until now", hint="begin another journal"
            )
        if not of_stream:
            stream = self._scanner.stream(offset=offset, line=state.newlines + 1)
            return _Part(stream, offset, now, state, is_plain=True)
        try:
            stream = self._scanner.stream(state=of_stream, **self._stream)
        except OptionError as error:
            message = f"where the rows of {self.log.path} end: {error.message}"
            raise OptionError(message, hint="go on with the options of before, or begin another journal") from error
        missing = offset - stream.resume_offset
        if missing > 0:
            # It had ended within a record, whose bytes were read, and goes on all the same.
            stream.feed(bytes(missing))
        return _Part(stream, offset, now, state, is_plain=is_plain)

    def _begun_anew(self, part: _Part, offset: int, now: float) -> _Part:
        """A part whose last record, which had not ended, is read again."""
        part.take()
        stream = self._scanner.stream(state=part.stream.state(), **self._stream)
        again = _Part(stream, offset, now, _State(True, 0, 0, part.newlines), is_plain=part.is_plain)
        again.taken = part.taken
        return again

    def _is_text(self, part: _Part, *, is_all: bool = False) -> bool:
        """Whether the first bytes of a part show that it is text. If they show another format, the log is refused."""
        head = part.head
        assert head is not None
        if not is_all and len(head) < HEAD_BYTES and b"\n" not in head and b"\r" not in head:
            return False
        first = bytes(head)
        if encodings.marked(first) is not None:
            part.is_plain = False
            return True
        found = detect(first, self.log.path)
        if found == "plain" or not self._detects:
            return True
        self.refused = SourceError(
            f"{self.log.path} is of the format {found}: only text can be followed",
            path=self.log.path,
            hint="replay reads it; input_format='plain' follows it as text",
        )
        return False

    def _end(self, event: Ended) -> None:
        part = self._parts.pop(event.part, None)
        if part is None:
            return
        if part.head:
            if not self._is_text(part, is_all=True):
                return
            part.feed_head()
        part.take()
        state = part.stream.state()
        part.last_state = part.state(0, is_end=True)
        if event.is_cut:
            # The rows that wait for a step get none any more. The record that was cut gives none.
            with self._scanner.stream(state=state, **self._stream) as waiting:
                pass
            rows = waiting.take().rows
            if rows:
                part.taken.append(Taken({}, (), lambda: rows, {}))
        else:
            part.stream.close()
            part.take()
        self._ended[event.part] = part

    def _found(self) -> list[PartRows]:
        """The rows and checkpoints since the last call."""
        if self.refused is not None:
            return []
        taken: dict[int, list[Taken]] = {}
        modified_ns = self._modified_ns()
        for number, part in self._ended.items():
            self.log.keep_state(number, part.last_state)
            taken[number] = part.taken
        self._ended = {}
        for number in self.log.changed_parts():
            reading = self._parts.get(number)
            if reading is not None and reading.head is None:
                reading.take()
                self.log.keep_state(number, reading.state(modified_ns))
                taken[number], reading.taken = reading.taken, []
        checkpoints = self.log.changed_checkpoints()
        return [_part_rows(number, taken.get(number, []), checkpoints[number].pack()) for number in sorted(checkpoints)]


def unchanged_since(checkpoints: Mapping[int, bytes]) -> FileStatus | None:
    """The status that the file of a log has as long as there is nothing new behind the checkpoints; None if that is not known."""
    if not checkpoints:
        return None
    parts = {part: Checkpoint.unpack(one) for part, one in checkpoints.items()}
    newest = parts.pop(max(parts))
    if newest.is_finished or not newest.state or not all(one.is_finished for one in parts.values()):
        return None
    state = _State.unpacked(newest.state)
    if not state.modified_ns or newest.seen_bytes > max(newest.offset, state.flushed):
        # its last record has not ended, and may have to be flushed
        return None
    return FileStatus(newest.device, newest.inode, newest.seen_bytes, state.modified_ns)


def _part_rows(number: int, taken: list[Taken], checkpoint: bytes) -> PartRows:
    if len(taken) == 1:
        return PartRows(number, taken[0], taken[0].replaces, checkpoint, tuple(taken))
    batches: dict[str, list[pa.RecordBatch]] = {}
    for one in taken:
        for name, batch in one.items():
            batches.setdefault(name, []).append(batch)
    replaces = tuple(offset for one in taken for offset in one.replaces)
    return PartRows(number, {name: _joined(some) for name, some in batches.items()}, replaces, checkpoint, tuple(taken))


def _joined(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    if len(batches) == 1:
        return batches[0]
    import pyarrow as pa

    return pa.Table.from_batches(batches).combine_chunks().to_batches()[0]
