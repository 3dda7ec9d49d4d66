"""Logs in the envelopes of an export: which envelope it is, the text in it, and where and when each row of it was.

CloudWatch Logs hands out events, each with a time and a message: as JSON (``aws logs get-log-events`` and
``filter-log-events``, several answers one after another too), as CSV (the console's export), as lines that start with a
time (the export to S3). The messages are scanned as the text that they are; places of rows are those in the export. An
event is one record, or several if its message holds terminators: they share its time.
"""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING, Any

from metricscan.errors import OptionError, SourceError
from metricscan.logs import _events

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from metricscan.logs.source import Source

FORMATS = ("auto", "plain", "cloudwatch-json", "cloudwatch-csv", "s3-export")
#: As much of an input is looked at to tell what it is.
HEAD_BYTES = 4096
# What is unframed at once: it stays in the cache until it has been scanned, and is worth the handing over of its rows.
_PIECE_BYTES = 2 * 1024 * 1024

_BOM = b"\xef\xbb\xbf"
# How a JSON document of objects begins, which "[INFO] .." and "{'lr': 1}" do not.
_DOCUMENT = re.compile(rb'\s*(?:\[\s*)?\{\s*"')
_EVENTS = re.compile(rb'"events"\s*:\s*\[\s*(?:\]|\{)|\A\s*\[\s*\{[^{}]*"message"\s*:')
_S3_LINE = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z(?:[ \r]|\Z)")
_TIME_COLUMNS = ("timestamp", "@timestamp")
_MESSAGE_COLUMNS = ("message", "@message")
_STREAM_COLUMNS = ("logstreamname", "logstream", "@logstream")
_OTHER_COLUMNS = ("ingestiontime", "@ingestiontime", "eventid", "@log", "loggroupname", "@ptr")
_COLUMNS = {*_TIME_COLUMNS, *_MESSAGE_COLUMNS, *_STREAM_COLUMNS, *_OTHER_COLUMNS}


def detect(head: bytes) -> str:
    r"""The format of an input by its first bytes; what is no export is ``"plain"``.

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
    """Whether each line starts with a time, as it is read afterwards; blank lines pass, but for the first."""
    lines = head.split(b"\n")
    if not _S3_LINE.match(lines[0]):
        return False
    if len(lines) > 1 and not is_all:
        # it goes on behind the head
        lines.pop()
    timed = [line for line in lines if line.strip()]
    if not all(map(_S3_LINE.match, timed)):
        return False
    # a 30th of February looks like a time, and is none
    events = _events.Unframer("s3-export")
    events.feed(b"\n".join(timed), True)
    return sum(count for *_, count in events.streams) == len(timed)


def format_of(source: Source, input_format: str) -> str:
    """The format to read a source in: the one that was named, or what its first bytes show.

    Raises
    ------
    OptionError
        The format has another name than :data:`FORMATS`.
    """
    check_format(input_format)
    return detect(source.peek(HEAD_BYTES)) if input_format == "auto" else input_format


def check_format(input_format: str) -> None:
    """Raise an OptionError if there is no such format."""
    if input_format not in FORMATS:
        raise OptionError(f"input_format={input_format!r}: {' or '.join(map(repr, FORMATS))} was expected")


class Frames:
    """The events of an export, piece by piece.

    Attributes
    ----------
    events : Unframer
        After each step, the text of the piece and its places.
    fault : SourceError or None
        Why it ended early; what was there before has been handed on.
    """

    def __init__(self, source: Source, format: str) -> None:  # noqa: A002
        self.source = source
        self.format = format
        self.fault: SourceError | None = None
        self.events: _events.Unframer | None = None
        self.read = 0
        self._taken = 0

    def __iter__(self) -> Iterator[_events.Unframer]:
        for held, final in self._parts():
            if self.events is None:
                self._open(held, final=final)
            if self.events is not None:
                self._taken += self.events.feed(held[self._taken :], final)
                if len(self.events.text):
                    yield self.events
                if self.events.error is not None:
                    message, offset = self.events.error
                    self._stop(f"{self.source.name}, read as {self.format}: {message} at byte {offset}", offset)
            if self.fault is not None and not final:
                return

    def _parts(self) -> Iterator[tuple[memoryview, bool]]:
        """Parts of the input, each starting where taking has stopped, and whether it is the last one.

        What was taken of a part is in ``_taken`` when the next one is asked for. A part of which nothing was taken comes
        again with at least as much more: a huge event is not looked at over and over.
        """
        size = _PIECE_BYTES
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
        """The streams that events named so far, by their numbers; 0 is that of events that name none."""
        listed = [] if self.events is None else self.events.streams
        return [None if name is None else name.decode("utf-8", "backslashreplace") for name, *_ in listed] or [None]

    @property
    def spans(self) -> list[tuple[int, int] | None]:
        """Per stream the first and the last time of its events, in microseconds since the epoch."""
        return [span for _, span, _ in self.events.streams] if self.events is not None else [None]

    def _pieces(self) -> Iterator[Any]:
        try:
            for piece in self.source:
                self.read += len(piece)
                yield piece
        except SourceError as error:
            self.fault = error

    def _open(self, held: memoryview, *, final: bool) -> None:
        """Make the unframer, once the beginning is there."""
        skipped = len(_BOM) if bytes(held[:3]) == _BOM else 0
        if self.format != "cloudwatch-csv":
            self.events = _events.Unframer(self.format, offset=skipped)
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
        self.events = _events.Unframer(self.format, columns=(len(names), time, message, stream), offset=end, line=1)
        self._taken = end

    def _stop(self, message: str, offset: int) -> None:
        if self.fault is None:
            hint = "if it is no such export, the input format 'plain' reads it as it is"
            self.fault = SourceError(message, path=self.source.name, offset=offset, hint=hint)


def text_pieces(source: Source, input_format: str) -> Iterator[bytes]:
    """The plain text of an input, whatever its format.

    Raises
    ------
    SourceError
        After the text before the fault.
    """
    format_ = format_of(source, input_format)
    if format_ == "plain":
        for piece in source:
            yield bytes(piece)
        return
    frames = Frames(source, format_)
    for events in frames:
        yield bytes(events.text)
    if frames.fault is not None:
        raise frames.fault


def stream_names(source: Source, format: str) -> list[str]:  # noqa: A002
    """The streams that the events of an export name; ``""`` for events that name none. It is read to its end."""
    frames = Frames(source, format)
    for _ in frames:
        pass
    if frames.events is None:
        # it had no header, which who reads it says
        return []
    counts = [count for *_, count in frames.events.streams]
    return [name or "" for name, count in zip(frames.stream_names, counts, strict=True) if count]


def span_of(spans: Iterable[tuple[int, int] | None]) -> tuple[int, int] | None:
    """The first and the last of several spans of time; None if there is none.

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
