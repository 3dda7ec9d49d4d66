"""Records that are read a second time: where they end, and those at given offsets."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from metricscan.logs.exports import ExportReader

# A longer record is cut.
_LONGEST_RECORD = 1 << 20


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


def records_at(pieces: Iterable[bytes], offsets: Sequence[int], *, universal: bool) -> Iterator[tuple[int, bytes]]:
    """The records that start at some offsets, each with its offset.

    Parameters
    ----------
    pieces : iterable of bytes
        The decompressed log.
    offsets : sequence of int
        In ascending order.
    universal : bool
        Whether a carriage return ends a record, too.
    """
    held = b""
    start = 0
    waiting = list(reversed(offsets))
    for piece in pieces:
        held += piece
        while waiting and waiting[-1] < start + len(held):
            at = waiting[-1] - start
            end = record_end(held, at, universal=universal)
            if end < 0 and len(held) - at < _LONGEST_RECORD:
                break
            yield waiting.pop(), held[at:] if end < 0 else held[at:end]
        if not waiting:
            return
        keep = max(0, min(waiting[-1] - start, len(held)))
        held, start = held[keep:], start + keep
    while waiting:
        offset = waiting.pop()
        rest = held[offset - start :]
        end = record_end(rest, 0, universal=universal)
        yield offset, rest if end < 0 else rest[:end]


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
            while waiting and (at := decoder.in_text(waiting[-1])) is not None:
                end = record_end(text, at, universal=universal)
                yield waiting.pop(), text[at:] if end < 0 else text[at:end]
