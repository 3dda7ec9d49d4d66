"""The scan of a decoded text: rows and samples get the places that they have in the source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metricscan import _core
from metricscan.logs.encodings import Decoder, DecoderStanding
from metricscan.scanning.schema import BATCH_ROWS

if TYPE_CHECKING:
    from metricscan.scanning.plan import Plan
    from metricscan.scanning.stats import ScanStats


class DecodedRows:
    """The rows that a stream of the core finds in a decoded text.

    Parameters
    ----------
    plan : Plan
    core : Stream
        It is fed the text by the caller, and sets no batches aside.
    decoder : Decoder
    """

    def __init__(self, plan: Plan, core: _core.Stream, decoder: Decoder) -> None:
        self._plan = plan
        self._core = core
        self._decoder = decoder
        self._terminators = (b"\n", b"\r") if plan.universal else (b"\n",)
        self._fed = 0
        # per pattern how many of the rows that the core holds have their places in the source
        self._moved: dict[int, int] = {}
        # by the place of a sample's record in the text
        self._samples: dict[int, int] = {}
        #: The samples of the core's suspects, with places of the source.
        self.suspects: list[_core._Suspect] = []

    def feed(self, chunk: Any, micros: int | None = None) -> None:
        """Decode a chunk of a live stream, scan its text, and move the rows; ``micros`` is the time of the chunk."""
        with _core.Turn(self._core, feeding=True):
            self.feed_in_turn(chunk, micros)

    def feed_in_turn(self, chunk: Any, micros: int | None = None, *, final: bool = False) -> None:
        """Do what ``feed`` does, within a turn of this thread."""
        text = self._decoder.decode(chunk, final=final)
        if micros is None:
            self._core.feed_in_turn(text)
        else:
            self._core.feed_in_turn(text, micros)
        self.move(text)

    def finish(self, rest: bytes, micros: int | None) -> None:
        """The source ends behind the rest: scan the last record, and close the core."""
        self.feed_in_turn(rest, micros, final=True)
        self._core.finish()
        self.move(b"")

    def move(self, text: bytes) -> None:
        """Convert the places of new rows and samples, in the core's memory. To be called after each text that was fed."""
        import numpy as np

        for pattern in self._core.filled():
            moved = self._moved.get(pattern, 0)
            places = self._core.places(pattern, moved)
            if places is not None:
                _, offset, start = (np.frombuffer(one, np.int64) for one in places)
                self._decoder.to_source(offset)
                self._decoder.to_source(start)
                self._moved[pattern] = moved + len(offset)
        if self._core.has_samples:
            for _, (*_, samples) in self._core.counted():
                for _, _, at in samples:
                    if at not in self._samples:
                        self._samples[at] = self._decoder.place(at)
        for companion, kind, shown, line, record, value in self._core.suspects[len(self.suspects) :]:
            where = self._decoder.place(record), self._decoder.place(value)
            self.suspects.append((companion, kind, shown, line, *where))
        # the unfinished record begins behind the last terminator; a carriage return at the end may go on as a newline
        end = max(text.rfind(one, 0, len(text) - (one == b"\r")) for one in self._terminators)
        if end >= 0:
            self._decoder.forget(self._fed + end)
        self._fed += len(text)

    def ended(self, core: _core.Stream) -> tuple[bytes, DecodedRows]:
        """What the text gets if the source ends here, and rows in this text that another stream of the core finds."""
        decoder = self._decoder.copy()
        return decoder.decode(b"", final=True), DecodedRows(self._plan, core, decoder)

    def state(self) -> list[Any]:
        """What :meth:`going_on` takes; it can be written as JSON."""
        return [self._decoder.standing(self.unended_at), [*self._samples.items()]]

    @classmethod
    def going_on(cls, plan: Plan, core: _core.Stream, state: list[Any]) -> DecodedRows:
        """The rows of a stream that stands where another one stood."""
        standing, samples = state
        found = cls(plan, core, Decoder.at(DecoderStanding(*standing), core.unended_at))
        found._fed = core.unended_at
        found._samples = dict(samples)
        return found

    @property
    def unended_at(self) -> int:
        """The place in the source of the record that has not ended."""
        if not self._core.unended_bytes:
            return self._decoder.decoded_up_to
        return self._decoder.place(self._core.unended_at)

    @property
    def read(self) -> int:
        """The place in the source up to which bytes were given."""
        return self._decoder.read

    def take_full(self) -> list[tuple[int, _core.Columns]]:
        """Hand over the rows of the patterns that have a full batch."""
        return self.take(BATCH_ROWS)

    def take(self, least: int = 1) -> list[tuple[int, _core.Columns]]:
        """Hand over the rows of the patterns that have at least so many."""
        taken = []
        for pattern in [one for one, rows in self._moved.items() if rows >= least]:
            columns = self._core.detach(pattern)
            if columns is not None:
                taken.append((pattern, columns))
            self._moved[pattern] = 0
        return taken

    def stats(self) -> ScanStats:
        """Counts so far, with places and bytes of the source."""
        stats = self._plan.stats_of(self._core, lambda line, offset: (line, self._samples[offset]))
        count_decoded(stats, self._decoder)
        return stats


def count_decoded(stats: ScanStats, decoder: Decoder | None) -> None:
    """Set the counts that a decoded source has: its own bytes, and what could not be decoded."""
    if decoder is not None:
        stats.bytes = decoder.read
        stats.undecoded, stats.undecoded_at = decoder.undecoded, decoder.undecoded_at
