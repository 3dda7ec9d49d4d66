"""The scan of an export of log events: rows and samples get the places and times that they have in the export."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from metricscan.scanning.decoded import count_decoded
from metricscan.scanning.schema import BATCH_ROWS

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import pyarrow as pa

    from metricscan import _core
    from metricscan.logs._events import Decoder
    from metricscan.logs.exports import ExportReader
    from metricscan.scanning.plan import Plan
    from metricscan.scanning.stats import ScanStats
    from metricscan.scanning.suspects import Suspects


class ExportScan:
    """Scans one export piece by piece, and converts places in the text of a piece to places in the export.

    Parameters
    ----------
    plan : Plan
    frames : ExportReader
        The export; the caller iterates over it.
    suspects : Suspects, optional
        Gets what a watching plan finds; each stream of the export is an input.
    least : int
        How many rows of a pattern :meth:`add` hands on at once.
    """

    def __init__(
        self, plan: Plan, frames: ExportReader, suspects: Suspects | None = None, *, least: int = BATCH_ROWS
    ) -> None:
        self._plan = plan
        self._least = least
        self._frames = frames
        self._suspects = suspects
        # the first message may begin with U+FEFF; the mark of the export itself is not in its text
        self._core = plan.new_stream(at_beginning=False)
        self._rows = {pattern: _Rows() for pattern in range(len(plan.names))}
        self._sampled = 0
        self._samples: dict[int, list[tuple[str, int, int]]] = {}

    def stats(self) -> ScanStats:
        """Counts so far; ``bytes`` are those of the export, and places of samples those in it."""
        stats = self._plan.new_stats()
        stats.bytes, stats.records, stats.cut_off = self._frames.read, self._core.records, self._frames.cut_off
        stats.too_long = self._core.too_long
        stats.without_message = self._frames.without_message
        count_decoded(stats, self._frames.source.decoder)
        self._plan.add_counts(
            stats,
            [(pattern, (*counts[:5], self._samples.get(pattern, []))) for pattern, counts in self._core.counted()],
        )
        return stats

    def add(self, events: Decoder) -> Iterator[tuple[str, pa.RecordBatch, np.ndarray[Any, Any]]]:
        """Scan the text of a piece; yield as :meth:`finish` does, but only the patterns that have enough rows."""
        # a piece's text ends with a record, so after feeding it all its rows are there
        self._core.feed(events.text)
        filled = self._core.filled()
        for pattern in filled:
            self._rows[pattern].note(self._core, pattern, events, self._frames)
        for pattern, (*_, kept) in self._core.counted() if self._core.has_samples else ():
            found = self._samples.setdefault(pattern, [])
            found += [
                (text, *place_in_export(events, line, offset, self._frames))
                for text, line, offset in kept[len(found) :]
            ]
        if self._suspects is not None:
            new = self._core.suspects[self._sampled :]
            self._suspects.add_samples(new, partial(place_in_stream, events, self._frames))
            self._sampled += len(new)
        for pattern in filled:
            if self._rows[pattern].count >= self._least:
                yield from self._named(pattern)

    def finish(self) -> Iterator[tuple[str, pa.RecordBatch, np.ndarray[Any, Any]]]:
        """Yield the remaining rows: name, batch, and for each row the number of its stream (int64)."""
        self._core.finish()
        for pattern, rows in self._rows.items():
            if rows.count:
                yield from self._named(pattern)
        if self._suspects is not None:
            self._suspects.end_stream()

    def _named(self, pattern: int) -> Iterator[tuple[str, pa.RecordBatch, np.ndarray[Any, Any]]]:
        from metricscan.scanning.arrow import from_columns, in_pieces

        columns, time, numbers = self._rows[pattern].take(self._core, pattern)
        if self._suspects is not None and self._suspects.takes(pattern, columns, numbers):
            return
        batch = from_columns(columns, time)
        at = 0
        for piece in in_pieces(batch):
            for name in self._plan.names[pattern]:
                yield name, piece, numbers[at : at + piece.num_rows]
            at += piece.num_rows


class _Rows:
    """The rows of one pattern that the core holds, with their times and streams, which are noted piece by piece."""

    def __init__(self) -> None:
        self.count = 0
        self._times: list[np.ndarray[Any, Any]] = []

    def note(self, core: _core.Stream, pattern: int, events: Decoder, frames: ExportReader) -> None:
        """Convert the places of the pattern's new rows from the piece's text to the export, in the core's memory."""
        import numpy as np

        places = core.places(pattern, self.count)
        if places is not None:
            rows = len(places[0]) // 8
            times = np.empty((2, rows), dtype=np.int64)
            events.translate(*places, *times)
            if frames.source.decoder is not None:
                frames.source.to_source(*(np.frombuffer(one, np.int64) for one in places[1:]))
            if frames.earlier:
                line, offset, start = (np.frombuffer(one, np.int64) for one in places)
                frames.to_pieces(line, offset, start, times[1])
            self._times.append(times)
            self.count += rows

    def take(
        self, core: _core.Stream, pattern: int
    ) -> tuple[_core.Columns, np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """All rows, and for each its time and the number of its stream (int64). There must be some."""
        import numpy as np

        columns = core.detach(pattern)
        assert columns is not None
        time, stream = np.concatenate(self._times, axis=1)
        self.count = 0
        self._times = []
        return columns, time, stream


def place_in_stream(
    events: Decoder, frames: ExportReader, line: int, offset: int, start: int
) -> tuple[int, int, int, int]:
    """The number of the stream, line, offset and start in the export of a value in the piece's text."""
    import numpy as np

    places = [np.array([number], dtype=np.int64) for number in (line, offset, start, 0, 0)]
    events.translate(*places)  # type: ignore[arg-type]
    frames.to_pieces(places[0], places[1], places[2], places[4])
    offset, start = (frames.source.place(int(place[0])) for place in places[1:3])
    return int(places[4][0]), int(places[0][0]), offset, start


def place_in_export(events: Decoder, line: int, offset: int, frames: ExportReader) -> tuple[int, int]:
    """Line and offset in the export of a record that lies in the piece's text."""
    return place_in_stream(events, frames, line, offset, offset)[1:3]
