"""The first matches of each definition in some logs, with the text around them."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, NamedTuple

from metricscan.errors import SourceError
from metricscan.logs.exports import ExportReader
from metricscan.logs.job import STDIN, is_read_once
from metricscan.logs.source import open_source
from metricscan.scanning.stats import MetricStats, ScanStats

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from metricscan.scanning.scanner import Scanner

# Text shown on either side of a match.
_CONTEXT_CHARACTERS = 30
_LONGEST_RECORD = 1 << 20


class Hit(NamedTuple):
    """A match: where it is, and its text with the value apart; ``number`` is None if ``float()`` refuses it."""

    path: str
    line: int
    before: str
    value: str
    after: str
    number: float | None


def first_hits(
    scanner: Scanner, paths: Sequence[str], most: int, input_format: str = "plain", threads: int | None = 1
) -> tuple[dict[str, list[Hit]], ScanStats, list[SourceError]]:
    """Up to ``most`` hits of each metric, the counts over all logs, and what could not be read."""
    hits: dict[str, list[Hit]] = {name: [] for name in scanner.metrics}
    stats = ScanStats(metrics={name: MetricStats() for name in scanner.metrics})
    errors = []
    for path in paths:
        try:
            _one_log(scanner, path, most, hits, stats, input_format, threads)
        except SourceError as error:
            errors.append(error)
    return hits, stats, errors


def _one_log(
    scanner: Scanner,
    path: str,
    most: int,
    hits: dict[str, list[Hit]],
    stats: ScanStats,
    input_format: str,
    threads: int | None,
) -> None:
    wanted: dict[int, tuple[int, set[str]]] = {}
    shown = {name: len(hits[name]) for name in scanner.metrics}
    data, fault = _read_once(path) if is_read_once(path) else (None, None)
    running = scanner.batches(path if data is None else data, threads, input_format=input_format)
    try:
        for name, batch in running:
            for line, offset in zip(*(batch.column(key).to_pylist() for key in ("line", "offset")), strict=True):
                if shown[name] >= most:
                    break
                shown[name] += 1
                wanted.setdefault(offset, (line, set()))[1].add(name)
    except SourceError as error:
        fault = fault or error
    stats.merge(running.stats)
    for name, counts in running.stats.metrics.items():
        for sample in counts.samples:
            wanted.setdefault(sample.offset, (sample.line, set()))[1].add(name)
    if running.frames is not None:
        source = open_source(path if data is None else data)
        records = _framed_records(
            ExportReader(source, running.frames.format), sorted(wanted), universal=_ends_at_cr(scanner)
        )
    else:
        records = _records(
            iter([data]) if data is not None else _pieces(path), sorted(wanted), universal=_ends_at_cr(scanner)
        )
    for offset, record in records:
        line, names = wanted[offset]
        for match in scanner.find(record):
            if match.name in names and match.value_text is not None and len(hits[match.name]) < most:
                at = match.value_span[0] - match.span[0] if match.value_span else 0
                text, value = (part.encode("utf-8", "surrogateescape") for part in (match.text, match.value_text))
                before, after = text[: max(at, 0)], text[max(at, 0) + len(value) :]
                plain = scanner.options["escape"] == "none" and scanner.options["ansi"] == "keep"
                if plain:
                    before = record[max(0, match.span[0] - _CONTEXT_CHARACTERS) : match.span[0]] + before
                    after += record[match.span[1] : match.span[1] + _CONTEXT_CHARACTERS]
                hits[match.name].append(
                    Hit(
                        path,
                        line,
                        _shown(before),
                        _shown(value),
                        _shown(after),
                        match.number,
                    )
                )
    if fault is not None:
        raise fault


def _ends_at_cr(scanner: Scanner) -> bool:
    return scanner.options["newline"] == "universal"


def _read_once(path: str) -> tuple[bytes, SourceError | None]:
    """All of what can be read but once, and what kept it from being read to its end."""
    pieces: list[bytes] = []
    try:
        with open_source(sys.stdin.buffer if path == STDIN else path) as opened:
            pieces.extend(map(bytes, opened))
    except SourceError as error:
        return b"".join(pieces), error
    return b"".join(pieces), None


def _pieces(path: str) -> Iterator[bytes]:
    # who has scanned it has said what is wrong with it
    with contextlib.suppress(SourceError), open_source(path) as opened:
        yield from map(bytes, opened)


def _records(pieces: Iterator[bytes | None], offsets: Sequence[int], *, universal: bool) -> Iterator[tuple[int, bytes]]:
    """The records that start at these offsets."""
    held = b""
    start = 0
    waiting = list(reversed(offsets))
    for piece in pieces:
        held += piece or b""
        while waiting and waiting[-1] < start + len(held):
            at = waiting[-1] - start
            ends = [end for end in (held.find(b"\n", at), held.find(b"\r", at) if universal else -1) if end >= 0]
            if not ends and len(held) - at < _LONGEST_RECORD:
                break
            yield waiting.pop(), held[at : min(ends, default=len(held))]
        if not waiting:
            return
        keep = max(0, min(waiting[-1] - start, len(held)))
        held, start = held[keep:], start + keep
    while waiting:
        offset = waiting.pop()
        rest = held[offset - start :]
        ends = [end for end in (rest.find(b"\n"), rest.find(b"\r") if universal else -1) if end >= 0]
        yield offset, rest[: min(ends, default=len(rest))]


def _framed_records(frames: ExportReader, offsets: Sequence[int], *, universal: bool) -> Iterator[tuple[int, bytes]]:
    """The records of an export's messages that start at these offsets of the export."""
    waiting = list(reversed(offsets))
    with frames.source:
        for events in frames:
            text = bytes(events.text) if waiting else b""
            while waiting and (at := events.in_text(waiting[-1])) is not None:
                ends = [end for end in (text.find(b"\n", at), text.find(b"\r", at) if universal else -1) if end >= 0]
                yield waiting.pop(), text[at : min(ends, default=len(text))]


def _shown(text: bytes) -> str:
    """Text without control characters, so that a terminal shows it and does nothing else."""
    shown = text.decode("utf-8", "replace")
    return "".join(
        character if character.isprintable() else repr(character)[1:-1] if character != "\t" else " "
        for character in shown
    )
