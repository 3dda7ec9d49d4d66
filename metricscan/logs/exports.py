"""Decode exports of CloudWatch Logs: detect the format, and read the messages of the events as text.

An export holds events, each with a time and a message. Its format is JSON (``aws logs get-log-events`` and
``filter-log-events``, also several answers one after another), CSV (the console's export), or lines that start with a time
(the export to S3). The messages are scanned as plain text; lines and offsets of rows are those in the export. An event is
one record, or several records with the same time if its message holds line terminators.
"""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING, Any

from metricscan.errors import OptionError, SourceError
from metricscan.logs import _events
from metricscan.logs.source import open_source

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from metricscan.logs.source import Source

FORMATS = ("auto", "plain", "cloudwatch-json", "cloudwatch-csv", "s3-export")
#: How much of an input is read to detect its format.
HEAD_BYTES = 4096
# Bytes decoded at once: small enough to stay in the cache until it is scanned, large enough that handing over its rows pays.
_PIECE_BYTES = 2 * 1024 * 1024
# Places in a decoded source that the decoder of the export may still need behind those of its last piece.
_UNFINISHED_BYTES = 16 * 1024 * 1024

_BOM = b"\xef\xbb\xbf"
# The start of a JSON document of objects. Log lines such as "[INFO] .." and "{'lr': 1}" do not match.
_DOCUMENT = re.compile(rb'\s*(?:\[\s*)?\{\s*"')
_EVENTS = re.compile(rb'"events"\s*:\s*\[\s*(?:\]|\{)|\A\s*\[\s*\{[^{}]*"message"\s*:')
_S3_LINE = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z(?:[ \r]|\Z)")
_TIME_COLUMNS = ("timestamp", "@timestamp")
_MESSAGE_COLUMNS = ("message", "@message")
_STREAM_COLUMNS = ("logstreamname", "logstream", "@logstream")
_OTHER_COLUMNS = ("ingestiontime", "@ingestiontime", "eventid", "@log", "loggroupname", "@ptr")
_COLUMNS = {*_TIME_COLUMNS, *_MESSAGE_COLUMNS, *_STREAM_COLUMNS, *_OTHER_COLUMNS}


def detect(head: bytes) -> str:
    r"""The format of an input by its first bytes; ``"plain"`` if it is not an export.

    Parameters
    ----------
    head : bytes
        The first :data:`HEAD_BYTES` bytes, or the whole input if it is shorter.

    Returns
    -------
    {"plain", "cloudwatch-json", "cloudwatch-csv", "s3-export"}

    Examples
    --------
    >>> detect(b'{\n  "events": [\n    {"timestamp": 1, "message": "loss=1"}]}')
    'cloudwatch-json'
    >>> detect(b"2026-03-01T10:00:00.000Z loss=1\n")
    's3-export'
    >>> detect(b"2026-03-01 10:00:00 loss=1\n")
    'plain'
    >>> detect(b"2026-03-01T10:00:00.000Z starting\nloss=1\n")
    'plain'
    """
    is_all = len(head) < HEAD_BYTES
    head = head.removeprefix(_BOM)
    if _DOCUMENT.match(head) and _EVENTS.search(head):
        return "cloudwatch-json"
    if _is_s3_export(head, is_all=is_all):
        return "s3-export"
    names = _header(head)
    if names and set(names) <= _COLUMNS and _role(names, _TIME_COLUMNS) >= 0 and _role(names, _MESSAGE_COLUMNS) >= 0:
        return "cloudwatch-csv"
    return "plain"


def _is_s3_export(head: bytes, *, is_all: bool) -> bool:
    """Whether each line starts with a valid time. Lines but the first may be blank."""
    lines = head.split(b"\n")
    if not _S3_LINE.match(lines[0]):
        return False
    if len(lines) > 1 and not is_all:
        # the last line may continue after the head
        lines.pop()
    timed = [line for line in lines if line.strip()]
    if not all(map(_S3_LINE.match, timed)):
        return False
    # the regex accepts a 30th of February, the decoder does not
    decoder = _events.Decoder("s3-export")
    decoder.feed(b"\n".join(timed), True)
    return sum(count for *_, count in decoder.streams) == len(timed)


def format_of(source: Source, input_format: str) -> str:
    """The format in which to read a source: the named one, or for ``"auto"`` the detected one.

    The source is not consumed.

    Raises
    ------
    OptionError
        The name is not among :data:`FORMATS`.
    """
    check_format(input_format)
    return detect(source.peek(HEAD_BYTES)) if input_format == "auto" else input_format


def check_format(input_format: str) -> None:
    """Raise an OptionError if the name is not among :data:`FORMATS`."""
    if input_format not in FORMATS:
        raise OptionError(f"input_format={input_format!r}: {' or '.join(map(repr, FORMATS))} was expected")


class ExportReader:
    """Iterator over an export, piece by piece: each step yields the decoder, which holds the text of the piece.

    The text ends with a record. The decoder's memory is used again for the next piece.

    Parameters
    ----------
    source : Source
    format : {"cloudwatch-json", "cloudwatch-csv", "s3-export"}

    Attributes
    ----------
    source : Source
    format : str
    decoder : Decoder or None
        The text of the current piece, and the place of each of its bytes in the export; None until the header is read.
    error : SourceError or None
        Why the export ended early. The events before the error have been yielded; the reader does not raise it.
    cut_off : int
        1 if a read error or damaged compression cut off an event; it is not yielded.
    read : int
        Bytes of the export that were read so far.
    """

    def __init__(self, source: Source, format: str) -> None:  # noqa: A002
        self.source = source
        self.format = format
        self.error: SourceError | None = None
        self.cut_off = 0
        self.decoder: _events.Decoder | None = None
        self.read = 0
        self._taken = 0

    def __iter__(self) -> Iterator[_events.Decoder]:
        for held, final in self._parts():
            # what a read error or damage has cut off is no end
            is_end = final and self.error is None
            if self.decoder is None:
                self._open(held, final=is_end)
            if self.decoder is not None:
                self._taken += self.decoder.feed(held[self._taken :], is_end)
                if final and not is_end:
                    rest = bytes(held[self._taken :])
                    self.cut_off = int(b"{" in rest if self.format == "cloudwatch-json" else rest != b"")
                if len(self.decoder.text):
                    yield self.decoder
                    if self.source.decoder is not None:
                        # the caller has converted the places
                        self.source.decoder.forget(self.decoder.offset - _UNFINISHED_BYTES)
                if self.decoder.error is not None:
                    message, offset = self.decoder.error
                    offset = self.source.place(offset)
                    self._stop(f"{self.source.name}, read as {self.format}: {message} at byte {offset}", offset)
            if self.error is not None and not final:
                return

    def _parts(self) -> Iterator[tuple[memoryview, bool]]:
        """Parts of the input, each with whether it is the last one. A part starts with the first byte that is not decoded.

        The caller sets ``_taken`` to the number of decoded bytes before it asks for the next part. If it is 0, the next part
        has the same start and at least twice the size, so that a huge event is not searched again and again.
        """
        size = _PIECE_BYTES
        self.source.settle()
        if self.source.whole is not None:
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
        while more:
            while more and len(held) < size:
                piece = next(pieces, None)
                more = piece is not None
                held += piece or b""
            self._taken = 0
            with memoryview(held) as view:
                yield view, not more
            size = max(_PIECE_BYTES, 2 * (len(held) - self._taken))
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
        """Make the decoder, as soon as the byte order mark and the header are there."""
        skipped = len(_BOM) if bytes(held[:3]) == _BOM else 0
        if self.format != "cloudwatch-csv":
            self.decoder = _events.Decoder(self.format, offset=skipped)
            self._taken = skipped
            return
        end = bytes(held).find(b"\n") + 1 or (len(held) if final else 0)
        if not end:
            return
        names = _header(bytes(held[skipped:end]))
        time, message, stream = (_role(names, kind) for kind in (_TIME_COLUMNS, _MESSAGE_COLUMNS, _STREAM_COLUMNS))
        if message < 0:
            expected = "a header with the columns timestamp and message was expected"
            self._stop(f"{self.source.name}, read as {self.format}: {expected} at byte 0", 0)
            return
        self.decoder = _events.Decoder(self.format, columns=(len(names), time, message, stream), offset=end, line=1)
        self._taken = end

    def _stop(self, message: str, offset: int) -> None:
        if self.error is None:
            hint = "if it is not such an export, read it with the input format 'plain'"
            self.error = SourceError(message, path=self.source.name, offset=offset, hint=hint)


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

    An error ends the text. The format is ``"plain"`` if it could not be detected.

    Parameters
    ----------
    path : str
    input_format : str
    most_bytes : int
        At most this many bytes are returned.
    """
    parts: list[bytes] = []
    left = most_bytes
    format_ = "plain"
    try:
        with open_source(path) as opened:
            format_ = format_of(opened, input_format)
            for piece in text_pieces(opened, format_):
                parts.append(piece[:left])
                left -= len(parts[-1])
                if left <= 0:
                    break
    except SourceError:
        pass
    return b"".join(parts), format_


def stream_names(source: Source, format: str) -> list[str]:  # noqa: A002
    """The streams that the events of an export name; ``""`` for events that name none. The source is read to its end."""
    reader = ExportReader(source, format)
    for _ in reader:
        pass
    if reader.decoder is None:
        # there is no header; the scan reports the error
        return []
    counts = [count for *_, count in reader.decoder.streams]
    return [name or "" for name, count in zip(reader.stream_names, counts, strict=True) if count]


def span_of(spans: Iterable[tuple[int, int] | None]) -> tuple[int, int] | None:
    """The first and the last time of several spans, in their unit; None if all of them are None.

    >>> span_of([(3, 5), None, (1, 4)])
    (1, 5)
    """
    known = [span for span in spans if span is not None]
    return (min(first for first, _ in known), max(last for _, last in known)) if known else None


def _header(head: bytes) -> list[str]:
    line = head.removeprefix(_BOM).split(b"\n", 1)[0].decode("utf-8", "replace").rstrip("\r")
    try:
        names = next(csv.reader(io.StringIO(line)), [])
    except csv.Error:
        return []
    return [name.strip().lower() for name in names]


def _role(names: list[str], kinds: tuple[str, ...]) -> int:
    return next((index for index, name in enumerate(names) if name in kinds), -1)
