"""A part of a log whose bytes are being read: its stream, and what is known of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from metricscan.errors import SourceError
from metricscan.live.reading_state import STREAMS, State, packed_plain
from metricscan.logs.formats import CONTAINER_FORMATS
from metricscan.scanning.stream import taken_suspects, units_of

if TYPE_CHECKING:
    from metricscan.logs.crashes import Crash
    from metricscan.logs.growing_export import GrowingExport
    from metricscan.scanning.result import Taken
    from metricscan.scanning.stream import Stream
    from metricscan.scanning.stream_suspects import SuspectRows

_CR = 13


class PartStream:
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
        #: What was taken of suspects, by stream of a container.
        self.suspects: list[dict[str, SuspectRows]] = []
        #: What was said of its end.
        self.crash: Crash | Literal[False] | None = None
        #: Up to where its text may show no crash; None if it may, or was not examined.
        self.quiet_at: int | None = None
        #: Whether what is known of the end of the text is all of it: of an export that is gone on with it may not be.
        self.is_tail_known = True
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
        suspects = taken_suspects(self.stream)
        if suspects:
            self.suspects.append(suspects)

    def state_behind(self, ended: int, modified_ns: int) -> bytes:
        """As :meth:`state`, where its rows end at an offset."""
        is_between = self.newlines and (ended < self.end or self._last != _CR)
        if self.is_plain and is_between and not self.flushed and not units_of(self.stream):
            return packed_plain(self.newlines, modified_ns)
        return self.state(modified_ns)

    def state(self, modified_ns: int, *, is_end: bool = False) -> bytes:
        """What a checkpoint holds of it. All rows are taken."""
        if self.export is not None:
            # an event at the end that is not whole may be a fragment
            all_of_them = is_end and self.export.has_unended and self.export.format in CONTAINER_FORMATS
            going_on = frozenset(range(len(STREAMS))) if all_of_them else self.export.going_on_streams
            container = State(False, 0, modified_ns, 0, self.export.format, going_on, units_of(self.stream))
            return container.packed() + self.stream.state()
        ended = self.stream.resume_offset
        # Behind a newline nothing may belong to the beginning; a newline that comes next may belong to a carriage return.
        is_between = self.newlines and (ended < self.end or self._last != _CR)
        needs_state = not (self.is_plain and is_between) or self.flushed or (is_end and ended < self.end)
        state = State(self.is_plain, self.flushed, modified_ns, self.newlines, units=units_of(self.stream))
        return state.packed() + (self.stream.state() if needs_state else b"")
