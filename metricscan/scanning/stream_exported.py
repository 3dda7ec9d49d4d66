"""The scan of an export or a container's log that grows: rows have the places, times and streams of their events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metricscan import _core
from metricscan.logs.tails import joined_tail
from metricscan.scanning.exported import place_in_export, place_in_stream

if TYPE_CHECKING:
    from metricscan.errors import SourceError
    from metricscan.logs._events import Decoder
    from metricscan.logs.growing_export import GrowingExport
    from metricscan.scanning.plan import Plan
    from metricscan.scanning.stats import ScanStats


# Places in the text of events that another stream took are so far before those in the text of one that goes on.
_BEFORE = 1 << 62


class ExportedRows:
    """The rows that a stream of the core finds in the messages of an export.

    Parameters
    ----------
    plan : Plan
    core : Stream
        It is past its beginning; what it knows of samples is in places of the export.
    reader : GrowingExport

    Attributes
    ----------
    streams : dict of int to list of str
        Per pattern that was taken last, the stream of each row.
    tail : bytes
        The last 4 KiB of the text of the events; only where it is looked for suspects.
    """

    def __init__(self, plan: Plan, core: _core.Stream, reader: GrowingExport) -> None:
        self._plan = plan
        self._core = core
        self._reader = reader
        # per pattern the number of the stream of each row that the core holds
        self._numbers: dict[int, list[int]] = {}
        self._samples = {pattern: list(samples) for pattern, (*_, samples) in core.counted() if samples}
        self.streams: dict[int, list[str]] = {}
        self.tail = b""
        # of values that may go on in the next text, by their starts in the text: line, offset, start and stream in the log
        self._open: dict[int, tuple[int, int, int, int]] = {}
        self._names_before: list[str | None] = []

    def feed(self, chunk: Any, micros: int | None = None) -> None:
        """Take a chunk of the log, and scan the messages of the events that are whole now.

        Raises
        ------
        SourceError
            The log cannot be read on. The rows before that are found.
        """
        with _core.Turn(self._core, feeding=True):
            if self._core.closed:
                raise ValueError("the stream is closed")
            view = memoryview(chunk)
            if self._reader.error is None:
                for events in self._reader.take(view):
                    self._scan(events, micros)
            if self._reader.error is not None:
                raise self._reader.error

    def finish(self) -> None:
        """The log has ended: scan the messages whose last fragments are missing, and close the core."""
        for events in self._reader.end():
            self._scan(events, None)
        self._core.finish()

    def begin_behind(self, before: ExportedRows, data: bytes, offset: int) -> None:
        """Say what text stands before the place where these go on: its last value may go on in theirs.

        Parameters
        ----------
        before : ExportedRows
            Of the events before that place, which were given as ``data``.
        offset : int
            The place, where ``data`` ends.
        """
        self.tail = before.tail
        if self._reader.decoder is None:
            return
        self._core.keep_open_of(before._core, _BEFORE)
        # what is to be added to places in the data
        line, offset = self._reader.decoder.newlines - data.count(b"\n"), offset - len(data)
        # this reader may not have met their streams
        self._names_before = before._reader.stream_names
        for start_in, (of_line, of_offset, start, stream) in before._open.items():
            self._open[start_in - _BEFORE] = of_line + line, of_offset + offset, start + offset, -1 - stream

    def _scan(self, events: Decoder, micros: int | None) -> None:
        import numpy as np

        # with any time the core keeps times; those of the events are written over it
        self._core.feed_in_turn(events.text, 0)
        if self._plan.companions:
            self.tail = joined_tail(self.tail, events.text)
        companions = self._plan.companions
        for pattern in self._core.filled():
            numbers = self._numbers.setdefault(pattern, [])
            places, times = self._core.places(pattern, len(numbers)), self._core.times(pattern, len(numbers))
            if places is not None and times is not None:
                streams = np.empty(len(times) // 8, np.int64)
                before = np.frombuffer(places[2], np.int64).copy() if self._open and pattern in companions else None
                events.translate(*places, times, streams)  # type: ignore[arg-type]
                if before is not None:
                    # of records of the text before
                    line, offset, start = (np.frombuffer(one, np.int64) for one in places)
                    for at, place in enumerate(before.tolist()):
                        if place in self._open:
                            line[at], offset[at], start[at], streams[at] = self._open[place]
                numbers += streams.tolist()
                if micros is not None:
                    own = np.frombuffer(times, np.int64)
                    own[own == _core.CONSTANTS["MS_NO_TIME"]] = micros
        if companions:
            self._open = {}
            for line_in, offset_in, start_in in self._core.open_places():
                stream, *place = place_in_stream(events, self._reader, line_in, offset_in, start_in)
                self._open[start_in] = place[0], place[1], place[2], stream
        for pattern, (*_, kept) in self._core.counted() if self._core.has_samples else ():
            found = self._samples.setdefault(pattern, [])
            found += [
                (text, *place_in_export(events, line, offset, self._reader))
                for text, line, offset in kept[len(found) :]
            ]

    def take(self) -> list[tuple[int, _core.Columns]]:
        """Hand over the rows; ``streams`` says whose they are."""
        # the numbers below 0 are those of streams before the place where these rows go on
        names = [name or "" for name in (*self._reader.stream_names, *reversed(self._names_before))]
        taken = self._core.take()
        self.streams = {pattern: [names[one] for one in self._numbers.pop(pattern)] for pattern, _ in taken}
        return taken

    def stats(self) -> ScanStats:
        """Counts so far, with places and bytes of the export."""
        stats = self._plan.new_stats()
        stats.bytes, stats.records, stats.cut_off = self._reader.read, self._core.records, self._reader.cut_off
        stats.too_long = self._core.too_long
        stats.without_message = self._reader.without_message
        self._plan.add_counts(
            stats,
            [(pattern, (*counts[:5], self.samples(pattern))) for pattern, counts in self._core.counted()],
        )
        return stats

    @property
    def error(self) -> SourceError | None:
        """What of the log could not be read."""
        return self._reader.trouble

    @property
    def unended_at(self) -> int:
        """From where the log is to be fed again."""
        return self._reader.resume_offset

    @property
    def reader(self) -> GrowingExport:
        """What decodes the log."""
        return self._reader

    @property
    def read(self) -> int:
        """The place up to which bytes were given."""
        return self._reader.read

    def state(self) -> list[Any]:
        """The format of the log, and the state of its reader."""
        return [self._reader.format, self._reader.state()]

    def samples(self, pattern: int) -> list[tuple[str, int, int]]:
        """The samples of a pattern, with their places in the export."""
        return self._samples.get(pattern, [])
