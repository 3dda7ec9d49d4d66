"""Exports of log events and containers' logs that grow: each event as soon as all its bytes have arrived."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from metricscan.logs import _events
from metricscan.logs.exports import NEAR_BYTES, ExportReader
from metricscan.logs.source import open_source

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from metricscan.errors import SourceError

# An event that is longer than this is not looked at again before a quarter more of it has arrived.
_LARGE_BYTES = 1024 * 1024
# where in a state the decoder's standing is, which begins with its place
_STANDING = 2


class GrowingExport(ExportReader):
    """An export or a container's log whose bytes arrive in chunks.

    Messages whose fragments have not all arrived are held, per stream. So a state says two places: where the first of these
    fragments stands, from which the log is to be given again, and up to where its events were taken. The events in between give
    their fragments again, and no text.

    Parameters
    ----------
    format : str
        Any format but ``"plain"`` and ``"auto"``.
    level : str
        The SIMD level, as for the decoder.
    """

    def __init__(self, format: str, level: str = "auto") -> None:  # noqa: A002
        super().__init__(open_source(b""), format, level)
        self.source.name = f"<{format}>"
        self._held = bytearray()
        self._retry_at = 0
        # the state with which the reader began, until it has reached the place of that state
        self._resumed: list[Any] | None = None
        # the last byte of an event
        self._last = b"}" if format in ("cloudwatch-json", "docker-json") else b"\n"

    def take(self, chunk: Any) -> Iterator[_events.Decoder]:
        """Take the next bytes; yields as iterating over an :class:`ExportReader` does. To be exhausted."""
        data = bytes(chunk)
        if self._resumed is not None:
            missing = self._resumed[_STANDING][0] - self.read
            for decoder in self._more(data[:missing], is_all=missing <= len(data)):
                decoder.drop_text()
            if missing <= len(data):
                self._stand(self._resumed)
            data = data[missing:]
        yield from self._more(data)

    def end(self) -> Iterator[_events.Decoder]:
        """There is no more; yields the messages whose last fragments are missing."""
        if self.error is None and self._resumed is None:
            with memoryview(self._held) as held:
                yield from self._decoded(held, final=True)
        if self.decoder is not None:
            self.cut_off += self.decoder.cut_off

    def _more(self, data: bytes, *, is_all: bool = False) -> Iterator[_events.Decoder]:
        self.read += len(data)
        self._held += data
        if self.error is not None or not (is_all or (self._last in data and len(self._held) >= self._retry_at)):
            return
        try:
            with memoryview(self._held) as held:
                yield from self._decoded(held, final=False)
        finally:
            # also where the scan of a text was interrupted: the decoder has taken its events
            self._retry_at = 0 if self._taken or len(self._held) < _LARGE_BYTES else len(self._held) * 5 // 4
            del self._held[: self._taken]
            self._taken = 0

    def _can_pass_over(self, held: memoryview, *, is_end: bool) -> bool:
        rest = bytes(held[self._taken : self._taken + NEAR_BYTES])
        if is_end or b"\n" in rest or len(rest) == NEAR_BYTES:
            return True
        # how the line goes on decides where the next event is; the error is found again then
        assert self.decoder is not None
        self.decoder.pass_over(0, 0)
        return False

    @property
    def trouble(self) -> SourceError | None:
        """The error that ends the reading, and the damage that was passed over; None if there is neither."""
        return self._whole_error()

    @property
    def resume_offset(self) -> int:
        """From where the log is to be given to the reader that :meth:`going_on` makes."""
        if self._resumed is not None:
            return int(self._resumed[0])
        return self._skipped if self.decoder is None else self.decoder.resume_at()[0]

    @property
    def taken_offset(self) -> int:
        """Up to where events were taken."""
        if self._resumed is not None:
            return int(self._resumed[_STANDING][0])
        return self._skipped if self.decoder is None else self.decoder.offset

    @property
    def has_unended(self) -> bool:
        """Whether the bytes that were given end within an event, as far as is known."""
        return bool(self._held.strip())

    @property
    def going_on_streams(self) -> frozenset[int]:
        """The streams of a container of which a message goes on behind the events that were taken, as the decoder counts them."""
        return frozenset() if self.decoder is None else frozenset(self.decoder.going_on())

    def leave_out(self, streams: Iterable[int]) -> None:
        """At the beginning: leave out the rest of a message of these streams, which began in another file."""
        self.decoder = _events.Decoder(self.format, level=self._level)
        standing = self.decoder.standing()
        self.decoder.stand(*standing[:-1], sorted(streams))

    def state(self) -> list[Any]:
        """What :meth:`going_on` takes; it can be written as JSON."""
        if self._resumed is not None:
            return self._resumed
        if self.decoder is None:
            return [self._skipped, 0, None]
        damage = [self.damaged, self._first_damage, self._is_in_damage]
        return [*self.decoder.resume_at(), self.decoder.standing(), self._columns, *damage, self.without_message]

    @classmethod
    def going_on(cls, format: str, state: list[Any], level: str = "auto") -> Self:  # noqa: A002
        """A reader that goes on where another one stood."""
        reader = cls(format, level)
        offset, line, standing, *further = state
        reader.read = reader._skipped = offset
        if standing is not None:
            reader._columns = tuple(further[0])
            reader.decoder = _events.Decoder(format, columns=reader._columns, offset=offset, line=line, level=level)
            reader._resumed = state
            if standing[0] == offset:
                reader._stand(state)
        return reader

    def _stand(self, state: list[Any]) -> None:
        """Stand at the place of a state, up to which the events were read again."""
        _, _, standing, _, self.damaged, first_damage, self._is_in_damage, self.without_message = state
        assert self.decoder is not None
        self.decoder.stand(*standing)
        self._first_damage = first_damage[0], first_damage[1]
        self._resumed = None
        self._held.clear()
