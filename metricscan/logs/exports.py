"""Decode exports of CloudWatch Logs and containers' logs: read the messages of the events as text.

Such a log holds events, each with a time and a message. The formats of exports are JSON (``aws logs get-log-events`` and
``filter-log-events``, also several answers one after another, and payloads of subscriptions), CSV (the console's export), and
lines that start with a time (the export to S3); those of containers' logs are Docker's json-file and CRI, which Kubernetes
reads. The messages are scanned as plain text; lines and offsets of rows are those in the input. An event is one record, or
several records with the same time if its message holds line terminators. A container's message may lie in several fragments.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from metricscan.errors import SourceError
from metricscan.logs import _events
from metricscan.logs.formats import BOM, CONTAINER_FORMATS, CONTAINER_STREAMS, REFUSED, format_of, header, roles
from metricscan.logs.source import open_source

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from metricscan.logs.source import Source

# Bytes decoded at once: small enough to stay in the cache until it is scanned, large enough that handing over its rows pays.
_PIECE_BYTES = 2 * 1024 * 1024
# Places in a decoded source that the decoder of the export may still need behind those of its last piece.
_UNFINISHED_BYTES = 16 * 1024 * 1024

# The errors of containers' logs behind which no event is looked for: no line is damaged.
_NO_DAMAGE = (
    "the log ends within an event",
    "a message in fragments that is too long to be held",
    "an event without a stream beside events with one",
)
# If so many lines hold no event, and none before them does, the log is of another format.
_MOST_DAMAGED = 1000
#: Where the next event is looked for first behind damage.
NEAR_BYTES = 64 * 1024
_EVENT_OF_DOCKER = b'{"log":"'
#: The streams of a container's log have numbers below this one. If a message goes on from the piece before it, the streams of
#: that piece have numbers from this one on, those of the piece before that from twice this one on, and so on.
STREAMS_OF_PIECE = 4

# A container's log up to this size is read to know its streams.
_SMALL_BYTES = 1024 * 1024


class ExportReader:
    """Iterator over an export, piece by piece: each step yields the decoder, which holds the text of the piece.

    The text ends with a record. The decoder's memory is used again for the next piece.

    Parameters
    ----------
    source : Source
    format : str
        As :func:`metricscan.logs.formats.detect` gives it. Of a format that is refused there is no event, only the error.
    level : str
        The SIMD level, as for the decoder.
    at_once : bool
        Whether events are handed on as soon as they are there; otherwise bytes are gathered to larger pieces.

    Attributes
    ----------
    source : Source
    format : str
    decoder : Decoder or None
        The text of the current piece, and the place of each of its bytes in the export; None until the header is read.
    error : SourceError or None
        Why the export ended early. The events before the error have been yielded; the reader does not raise it.
    damaged : int
        Places in a container's log that hold no event, such as lines that were cut and blocks of NULs; events in JSON with an
        unknown escape or a control character; invalid rows of CSV. They were passed over, and ``error`` names the first.
    without_message : int
        Events in JSON that have no message.
    cut_off : int
        Events that a read error or damaged compression cut off, and messages of a container whose last fragment is missing:
        they are not yielded.
    read : int
        Bytes of the export that were read so far.
    earlier : list of (int, int)
        Of a piece of a rotated log, bytes and newlines of the pieces before it in which messages began that go on in it, the
        nearest first.
    """

    def __init__(
        self,
        source: Source,
        format: str,  # noqa: A002
        level: str = "auto",
        *,
        at_once: bool = False,
    ) -> None:
        self.source = source
        self._at_once = at_once
        self.format = format
        self._level = level
        self.error: SourceError | None = None
        self.cut_off = 0
        self.damaged = 0
        self.without_message = 0
        self._first_damage = ("", 0)
        self._is_in_damage = False
        self.decoder: _events.Decoder | None = None
        self.read = 0
        self.earlier: list[tuple[int, int]] = []
        self._goes_on = False
        self._before: _events.Decoder | None = None
        self._is_at_end = False
        # those of CSV, as the decoder takes them
        self._columns = (0, -1, -1, -1)
        self._taken = 0
        self._skipped = 0

    def go_on_from(self, before: ExportReader | None, *, goes_on: bool) -> None:
        """Read the export as a piece of a container's log that was rotated. To be called before it is read.

        Parameters
        ----------
        before : ExportReader or None
            The piece before this one, which was read to its end: fragments that it holds are those of messages that go on here.
        goes_on : bool
            Whether there is a piece behind this one, to which messages without their last fragments are handed over.
        """
        self._goes_on = goes_on
        if before is not None and before.decoder is not None and before._is_at_end:
            self._before = before.decoder
            self.earlier = before.pieces_of_held

    @property
    def pieces_of_held(self) -> list[tuple[int, int]]:
        """Bytes and newlines of this piece and of those before it in which messages began that are held, the nearest first."""
        begin = None if self.decoder is None else self.decoder.held_from
        if self.decoder is None or begin is None:
            return []
        return [(self.decoder.offset, self.decoder.newlines), *(self.earlier if begin < 0 else ())]

    def stream_of(self, number: int) -> tuple[int, str | None]:
        """How many pieces before this one a row with this number of a stream stands, and the stream's name."""
        back, own = divmod(number, STREAMS_OF_PIECE) if self.earlier else (0, number)
        return back, self.stream_names[own]

    def to_pieces(self, line: Any, offset: Any, start: Any, stream: Any) -> None:
        """Convert places that lie before this piece to those in the pieces in which they lie, four arrays of int64, in place.

        The numbers of their streams say the piece, see ``STREAMS_OF_PIECE``. A value that begins in a later piece than its record
        has the place that it would have if that piece followed the record's in one file.
        """
        for size, newlines in self.earlier:
            before = offset < 0
            if not before.any():
                return
            line[before] += newlines
            offset[before] += size
            start[before] += size
            stream[before] += STREAMS_OF_PIECE

    def __iter__(self) -> Iterator[_events.Decoder]:
        if self.format in REFUSED:
            what, hint = REFUSED[self.format]
            self.error = SourceError(f"{self.source.name} is {what}", path=self.source.name, hint=hint)
            return
        for held, final in self._parts():
            yield from self._decoded(held, final=final)
            if self.error is not None and not final:
                break
        self._end()

    def _decoded(self, held: memoryview, *, final: bool) -> Iterator[_events.Decoder]:
        """Decode a part of the input, as :meth:`_parts` gives it."""
        # what a read error or damage has cut off is no end
        is_end = self._is_at_end = final and self.error is None
        if self.decoder is None:
            self._open(held, final=is_end)
        if self._is_in_damage:
            self._pass_over(held, is_end=is_end)
        while self.decoder is not None and not self._is_in_damage:
            self._taken += self.decoder.feed(held[self._taken :], is_end)
            self._count_dropped()
            if final and not is_end:
                rest = bytes(held[self._taken :])
                self.cut_off = int(b"{" in rest if self.format in ("cloudwatch-json", "docker-json") else rest != b"")
            if len(self.decoder.text):
                yield self.decoder
                if self.source.decoder is not None:
                    # the caller has converted the places
                    self.source.decoder.forget(self.decoder.offset - _UNFINISHED_BYTES)
            if self.decoder.error is None:
                break
            message, offset = self.decoder.error
            offset = self.source.place(offset)
            if not self._is_damage(message):
                self._stop(f"{self.source.name}, read as {self.format}: {message} at byte {offset}", offset)
                break
            if not self._can_pass_over(held, is_end=is_end):
                break
            if not self.damaged:
                self._first_damage = message, offset
            self.damaged += 1
            self._pass_over(held, is_end=is_end)

    def _count_dropped(self) -> None:
        """Count the events that the decoder has dropped."""
        assert self.decoder is not None
        bad, offset, because, without_message = self.decoder.take_dropped()
        self.without_message += without_message
        if bad and not self.damaged:
            self._first_damage = because, self.source.place(offset)
        self.damaged += bad

    def _end(self) -> None:
        if self.decoder is not None:
            self.cut_off += self.decoder.cut_off
            self._is_at_end = self.decoder.error is None and self._is_at_end
        self.error = self._whole_error()

    def _can_pass_over(self, held: memoryview, *, is_end: bool) -> bool:
        """Whether enough is known of damage to go on behind it."""
        return True

    def _is_damage(self, message: str) -> bool:
        """Whether events may follow behind an error."""
        if self.format not in CONTAINER_FORMATS or message in _NO_DAMAGE or self.decoder is None:
            return False
        return self.damaged < _MOST_DAMAGED or any(count for *_, count in self.decoder.streams)

    def _pass_over(self, held: memoryview, *, is_end: bool) -> None:
        """Go on behind what is no event: a block of NULs, or the rest of a line."""
        assert self.decoder is not None
        for size in (NEAR_BYTES, len(held)):
            rest = bytes(held[self._taken : self._taken + size])
            newline = rest.find(b"\n") + 1
            end = newline or len(rest)
            nuls = len(rest) - len(rest.lstrip(b"\0"))
            if 0 < nuls < len(rest):
                end = nuls
            elif self.format == "docker-json" and (event := rest.find(_EVENT_OF_DOCKER, 1, end)) > 0:
                # Docker went on in the line that a crash had cut
                end = event
            elif not newline and len(rest) == size:
                continue
            break
        self._is_in_damage = end == len(rest) and not newline and not is_end
        self.decoder.pass_over(end, rest.count(b"\n", 0, end))
        self._taken += end

    def _whole_error(self) -> SourceError | None:
        """The error with which reading stopped, and the damage before it."""
        if not self.damaged:
            return self.error
        message, offset = self._first_damage
        text = f"{self.source.name}, read as {self.format}: {message} at byte {offset}"
        text += "; it was passed over" if self.damaged == 1 else f"; {self.damaged:,} such places were passed over"
        if self.error is None:
            return self._error(text, offset)
        error = self.error
        message = f"{error.message}; before that, {text.removeprefix(f'{self.source.name}, ')}"
        whole = SourceError(message, path=error.path, offset=error.offset, hint=error.hint)
        whole.cause = error.cause
        return whole

    def _parts(self) -> Iterator[tuple[memoryview, bool]]:
        """Parts of the input, each with whether it is the last one. A part starts with the first byte that is not decoded.

        The caller sets ``_taken`` to the number of decoded bytes before it asks for the next part. If it is 0, the next part
        has the same start and at least twice the size, so that a huge event is not searched again and again.
        """
        size = _PIECE_BYTES
        self.source.settle()
        # one that may change its encoding is watched
        if self.source.whole is not None and self.source.can_be_cut():
            whole, at = self.source.whole, 0
            self.read = len(whole)
            while True:
                final = at + size >= len(whole)
                self._taken = 0
                yield whole[at : at + size], final
                if final:
                    return
                at += self._taken
                size = _PIECE_BYTES if self._taken else 2 * size
        held = bytearray()
        pieces = iter(self._pieces())
        more = True
        size = 1 if self._at_once else _PIECE_BYTES
        while more:
            while more and len(held) < size:
                piece = next(pieces, None)
                more = piece is not None
                held += piece or b""
            self._taken = 0
            with memoryview(held) as view:
                yield view, not more
            unfinished = len(held) - self._taken
            # a long event is not looked at again for each of its pieces
            size = unfinished + 1 if self._at_once and unfinished <= NEAR_BYTES else max(_PIECE_BYTES, 2 * unfinished)
            del held[: self._taken]

    @property
    def stream_names(self) -> list[str | None]:
        """The streams named so far, by their numbers. Number 0 is None, for the events that name no stream."""
        listed = [] if self.decoder is None else self.decoder.streams
        return [None if name is None else name.decode("utf-8", "backslashreplace") for name, *_ in listed] or [None]

    @property
    def spans(self) -> list[tuple[int, int] | None]:
        """Per stream the first and the last time of its events, in microseconds since the epoch; None without a time."""
        return [span for _, span, _ in self.decoder.streams] if self.decoder is not None else [None]

    def _pieces(self) -> Iterator[Any]:
        try:
            for piece in self.source:
                self.read += len(piece)
                yield piece
        except SourceError as error:
            self.error = error

    def _open(self, held: memoryview, *, final: bool) -> None:
        """Make the decoder, as soon as there is the header, and what stands before the text: NULs and the byte order mark."""
        at = 0
        if bytes(held[:1]) in (b"\0", BOM[:1]):
            at = len(held) - len(bytes(held).lstrip(b"\0").removeprefix(BOM).lstrip(b"\0"))
        if at == len(held) and not final:
            self._skipped += at
            self._taken = at
            return
        if self.format != "cloudwatch-csv":
            self.decoder = _events.Decoder(
                self.format, offset=self._skipped + at, level=self._level, goes_on=self._goes_on
            )
            if self._before is not None:
                self.decoder.take_over(self._before)
            self._taken = at
            return
        # a copy of the whole piece would take a tenth of the time of a short export
        for size in (NEAR_BYTES, len(held)):
            text = bytes(held[at : at + size])
            if end := text.find(b"\n") + 1:
                break
        end = end or (len(text) if final else 0)
        if not end:
            return
        names = header(text[:end])
        time, message, stream = roles(names)
        if message < 0:
            expected = "a header with the columns timestamp and message was expected"
            self._stop(f"{self.source.name}, read as {self.format}: {expected} at byte 0", 0)
            return
        offset = self._skipped + at + end
        columns = (len(names), time, message, stream)
        self._columns = columns
        self.decoder = _events.Decoder(self.format, columns=columns, offset=offset, line=1, level=self._level)
        self._taken = at + end

    def _stop(self, message: str, offset: int) -> None:
        if self.error is None:
            self.error = self._error(message, offset)

    def _error(self, message: str, offset: int) -> SourceError:
        kind = "a log" if self.format in CONTAINER_FORMATS else "an export"
        hint = f"if it is not such {kind}, read it with the input format 'plain'"
        return SourceError(message, path=self.source.name, offset=offset, hint=hint)


def text_pieces(source: Source, input_format: str) -> Iterator[bytes]:
    """The text of an input in any format: of an export the messages of its events. Each piece is a copy.

    Raises
    ------
    SourceError
        The input cannot be read to its end. The text before the error is yielded first.
    """
    format_ = format_of(source, input_format)
    if format_ == "plain":
        length = 0
        for piece in source:
            yield bytes(piece)
            length += len(piece)
            if source.decoder is not None:
                source.decoder.forget(length)
        return
    reader = ExportReader(source, format_)
    for decoder in reader:
        yield bytes(decoder.text)
    if reader.error is not None:
        raise reader.error


def text_head(path: str, input_format: str, most_bytes: int) -> tuple[bytes, str]:
    """The first bytes of a log's text, decompressed and decoded, and the log's format.

    An error ends the text. The format is ``"plain"`` if it could not be detected, or is refused; then there is no text.

    Parameters
    ----------
    path : str
    input_format : str
    most_bytes : int
        At most this many bytes are returned.
    """
    format_ = "plain"
    try:
        with open_source(path) as opened:
            format_ = format_of(opened, input_format)
            return text_of(opened, format_, most_bytes), "plain" if format_ in REFUSED else format_
    except SourceError:
        return b"", format_


def text_of(source: Source, format: str, most_bytes: int) -> bytes:  # noqa: A002
    """The first bytes of the text of a log in this format. An error ends it; a format that is refused has none."""
    parts: list[bytes] = []
    left = most_bytes
    with suppress(SourceError):
        for piece in text_pieces(source, format) if format not in REFUSED else ():
            parts.append(piece[:left])
            left -= len(parts[-1])
            if left <= 0:
                break
    return b"".join(parts)


def stream_names(source: Source, format: str) -> list[str]:  # noqa: A002
    """The streams that the events of an export name; ``""`` for events that name none. The source is read to its end.

    Of a container's log that is not small only the beginning is read: both of its streams are given, though one may be empty.
    """
    is_whole = True
    if format in CONTAINER_FORMATS:
        head = source.peek(_SMALL_BYTES + 1)
        is_whole = len(head) <= _SMALL_BYTES
        source = open_source(head)
    reader = ExportReader(source, format)
    for _ in reader:
        pass
    if reader.decoder is None:
        # there is no header; the scan reports the error
        return []
    counts = [count for *_, count in reader.decoder.streams]
    # the last message of a stream of a container may go on in the next piece of a rotated log
    is_container = format in CONTAINER_FORMATS
    named = zip(reader.stream_names, counts, strict=True)
    names = [name or "" for name, count in named if count or (is_container and name is not None)]
    return names if is_whole or names == [""] else [*CONTAINER_STREAMS]


def span_of(spans: Iterable[tuple[int, int] | None]) -> tuple[int, int] | None:
    """The first and the last time of several spans, in their unit; None if all of them are None.

    >>> span_of([(3, 5), None, (1, 4)])
    (1, 5)
    """
    known = [span for span in spans if span is not None]
    return (min(first for first, _ in known), max(last for _, last in known)) if known else None
