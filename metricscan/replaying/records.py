"""Records that are read a second time: where they end, and those at given offsets."""

from __future__ import annotations

import contextlib
import os
import re
from typing import TYPE_CHECKING

from metricscan.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from metricscan.logs.exports import ExportReader
    from metricscan.logs.source import Source

# A longer record is cut.
_LONGEST_RECORD = 1 << 20
# How far from a record its neighbours are sought.
_NEAR_BYTES = 1 << 14


def record_end(data: bytes, at: int, *, universal: bool) -> int:
    """The offset of the terminator that ends the record at an offset; -1 if there is none.

    Parameters
    ----------
    data : bytes
    at : int
    universal : bool
        Whether a carriage return ends a record, too.

    Examples
    --------
    >>> record_end(b"a\\rb\\n", 0, universal=True), record_end(b"a\\rb\\n", 0, universal=False)
    (1, 3)
    """
    newline = data.find(b"\n", at)
    if not universal:
        return newline
    carriage_return = data.find(b"\r", at) if newline < 0 else data.find(b"\r", at, newline)
    return newline if carriage_return < 0 else carriage_return


def records_at(source: Source, offsets: Sequence[int], *, universal: bool) -> Iterator[tuple[int, bytes]]:
    """The records that start at some offsets of a source, each with its offset.

    Parameters
    ----------
    source : Source
        It is closed. An error ends it: the scan has reported the error.
    offsets : sequence of int
        In ascending order.
    universal : bool
        Whether a carriage return ends a record, too.
    """
    held = b""
    start = 0
    waiting = list(reversed(offsets))
    with source, contextlib.suppress(SourceError):
        for piece in source:
            held += bytes(piece)
            while waiting and (place := _in_text(source, waiting[-1], start + len(held))) is not None:
                at = place - start
                end = record_end(held, at, universal=universal)
                if end < 0 and len(held) - at < _LONGEST_RECORD:
                    break
                yield waiting.pop(), held[at:] if end < 0 else held[at:end]
            if not waiting:
                return
            place = _in_text(source, waiting[-1], start + len(held))
            keep = len(held) if place is None else max(0, place - start)
            held, start = held[keep:], start + keep
    while waiting:
        offset = waiting.pop()
        place = _in_text(source, offset, start + len(held))
        rest = b"" if place is None else held[place - start :]
        end = record_end(rest, 0, universal=universal)
        yield offset, rest if end < 0 else rest[:end]


def records_around(
    source: Source, offset: int, *, universal: bool, neighbours: int
) -> tuple[list[bytes], bytes, list[bytes]] | None:
    """The record that starts at an offset of a source, with those before it and behind it.

    Parameters
    ----------
    source : Source
        It is closed. Of a plain file only what is near the place is read.
    offset : int
    universal : bool
        Whether a carriage return ends a record, too.
    neighbours : int
        How many records before it, and behind it, are wanted; fewer if they do not lie within 16 KiB.

    Returns
    -------
    tuple of (list of bytes, bytes, list of bytes), or None
        None if no record starts there. The record is cut where it is longer than 16 KiB.

    Raises
    ------
    SourceError
        The source cannot be read.
    """
    data, at, is_begin, is_end = b"", -1, True, False
    with source:
        source.settle()
        if source.descriptor is not None:
            begin = max(0, offset - _NEAR_BYTES)
            at, is_begin = offset - begin, begin == 0
            data = os.pread(source.descriptor, at + _NEAR_BYTES, begin)
            is_end = len(data) < at + _NEAR_BYTES
        else:
            start = 0
            for piece in source:
                data += bytes(piece)
                place = _in_text(source, offset, start + len(data))
                if place is not None:
                    at = place - start
                    if len(data) - at >= _NEAR_BYTES:
                        break
                elif len(data) > 2 * _NEAR_BYTES:
                    start += len(data) - _NEAR_BYTES
                    data, is_begin = data[-_NEAR_BYTES:], False
            is_end = len(data) - at < _NEAR_BYTES
    if not 0 <= at < len(data):
        return None
    ends = re.compile(rb"\r\n|\n|\r" if universal else b"\n")
    before = ends.split(data[max(0, at - _NEAR_BYTES) : at])
    if before[-1] or (universal and data[at - 1 : at + 1] == b"\r\n"):
        return None
    before = before[:-1] if is_begin and at <= _NEAR_BYTES else before[1:-1]
    record, *behind = ends.split(data[at : at + _NEAR_BYTES], maxsplit=neighbours + 1)
    if len(behind) > neighbours or not (is_end and behind and behind[-1]):
        # what stands last is not read to its end, or it is nothing behind the final terminator
        behind = behind[:-1]
    return before[-neighbours:] if neighbours else [], record, behind


def _in_text(source: Source, offset: int, length: int) -> int | None:
    """The place in the text of a source of an offset; None if it lies behind the text so far, which has this length."""
    decoder = source.decoder
    if decoder is not None:
        return decoder.in_text(offset) if offset < decoder.decoded_up_to else None
    return offset if offset < length else None


def exported_records_at(
    reader: ExportReader, offsets: Sequence[int], *, universal: bool
) -> Iterator[tuple[int, bytes]]:
    """The records of an export's messages that start at some offsets of the export, each with its offset.

    Parameters
    ----------
    reader : ExportReader
        Its source is read to its end and closed.
    offsets : sequence of int
        In ascending order.
    universal : bool
        Whether a carriage return ends a record, too.
    """
    waiting = list(reversed(offsets))
    with reader.source:
        for decoder in reader:
            text = bytes(decoder.text) if waiting else b""
            while waiting and (at := _in_export(reader, waiting[-1])) is not None:
                end = record_end(text, at, universal=universal)
                yield waiting.pop(), text[at:] if end < 0 else text[at:end]


def _in_export(reader: ExportReader, offset: int) -> int | None:
    """The place in the text of an export's last piece of an offset of the export; None if it is not part of that text."""
    decoder = reader.source.decoder
    if decoder is not None:
        if offset >= decoder.decoded_up_to:
            return None
        offset = decoder.in_text(offset)
    return None if reader.decoder is None else reader.decoder.in_text(offset)
