"""The first matches of each definition in some logs, with the text around them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

from metricscan.errors import SourceError
from metricscan.logs.compression import MAX_DECOMPRESSED
from metricscan.logs.exports import ExportReader
from metricscan.logs.job import STDIN, is_read_once
from metricscan.logs.source import open_source
from metricscan.replaying.records import exported_records_at, records_at
from metricscan.scanning.stats import MetricStats, ScanStats

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from metricscan.replaying.step_shapes import StepShapes
    from metricscan.scanning.options import InputFormat
    from metricscan.scanning.scanner import Scanner

# Text shown before and after a match.
_CONTEXT_CHARACTERS = 30
_CONTEXT_BYTES = 4 * _CONTEXT_CHARACTERS


class Hit(NamedTuple):
    """A match with its place and its text.

    Attributes
    ----------
    path : str
    line : int
        From 1.
    before, value, after : str
        The text before the value, the value, and the text after it. Characters that are not printable are escaped.
    number : float or None
        None if ``float()`` refuses the value.
    """

    path: str
    line: int
    before: str
    value: str
    after: str
    number: float | None


def first_hits(
    scanner: Scanner,
    paths: Sequence[str],
    most: int,
    input_format: InputFormat = "plain",
    threads: int | None = 1,
    *,
    max_decompressed: int = MAX_DECOMPRESSED,
    shapes: StepShapes | None = None,
) -> tuple[dict[str, list[Hit]], ScanStats, list[SourceError]]:
    """Scan logs, and read the records of the first matches again.

    Parameters
    ----------
    scanner : Scanner
    paths : sequence of str
    most : int
        Hits to return per metric.
    input_format : str
    threads : int or None
    max_decompressed : int
    shapes : StepShapes, optional
        Gets the rows of all logs.

    Returns
    -------
    hits : dict of str to list of Hit
        Per metric.
    stats : ScanStats
        Counts over all logs.
    errors : list of SourceError
        What could not be read.
    """
    hits: dict[str, list[Hit]] = {name: [] for name in scanner.metrics}
    stats = ScanStats(metrics={name: MetricStats() for name in scanner.metrics})
    errors = []
    for path in paths:
        try:
            _one_log(scanner, path, most, hits, stats, input_format, threads, max_decompressed, shapes)
        except SourceError as error:
            errors.append(error)
        if shapes is not None:
            shapes.end_log()
    return hits, stats, errors


def _one_log(
    scanner: Scanner,
    path: str,
    most: int,
    hits: dict[str, list[Hit]],
    stats: ScanStats,
    input_format: InputFormat,
    threads: int | None,
    max_decompressed: int,
    shapes: StepShapes | None,
) -> None:
    wanted: dict[int, tuple[int, set[str]]] = {}
    shown = {name: len(hits[name]) for name in scanner.metrics}
    data, failure = _read_once(path) if is_read_once(path) else (None, None)
    source = path if data is None else data if failure is None else _broken_off(data, failure)
    running = scanner.watching_batches(source, threads, input_format=input_format, max_decompressed=max_decompressed)
    try:
        for name, batch in running:
            if shapes is not None:
                shapes.add(name, batch)
            for line, offset in zip(*(batch.column(key).to_pylist() for key in ("line", "offset")), strict=True):
                if shown[name] >= most:
                    break
                shown[name] += 1
                wanted.setdefault(offset, (line, set()))[1].add(name)
    except SourceError as error:
        failure = failure or error
    stats.merge(running.stats)
    for name, counts in running.stats.metrics.items():
        for sample in counts.samples:
            wanted.setdefault(sample.offset, (sample.line, set()))[1].add(name)
    if running.frames is not None:
        again = open_source(path if data is None else data)
        records = exported_records_at(
            ExportReader(again, running.frames.format), sorted(wanted), universal=_ends_at_cr(scanner)
        )
    else:
        records = records_at(
            open_source(path if data is None else data), sorted(wanted), universal=_ends_at_cr(scanner)
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
                    before = _last_characters(record, match.span[0]) + before
                    after += _next_characters(record, match.span[1])
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
    if failure is not None:
        raise failure


def _ends_at_cr(scanner: Scanner) -> bool:
    return scanner.options["newline"] == "universal"


def _read_once(path: str) -> tuple[bytes, SourceError | None]:
    """The content of a path that can be read only once, and the error that ended it early."""
    pieces: list[bytes] = []
    try:
        with open_source(sys.stdin.buffer if path == STDIN else path) as opened:
            pieces.extend(map(bytes, opened.as_it_lies()))
    except SourceError as error:
        return b"".join(pieces), error
    return b"".join(pieces), None


def _broken_off(data: bytes, failure: SourceError) -> Iterator[bytes]:
    """Bytes, and the error behind them: the scan must not take the last record for a whole one."""
    yield data
    raise failure


def _last_characters(record: bytes, end: int) -> bytes:
    """The characters of a record before a place: a cut within one would show as a mark of what is not UTF-8."""
    text = record[max(0, end - _CONTEXT_BYTES) : end].decode("utf-8", "surrogateescape")
    return text[-_CONTEXT_CHARACTERS:].encode("utf-8", "surrogateescape")


def _next_characters(record: bytes, start: int) -> bytes:
    text = record[start : start + _CONTEXT_BYTES].decode("utf-8", "surrogateescape")
    return text[:_CONTEXT_CHARACTERS].encode("utf-8", "surrogateescape")


def _shown(text: bytes) -> str:
    """Text in which control characters are escaped, so that a terminal does not interpret them."""
    shown = text.decode("utf-8", "replace")
    return "".join(
        character if character.isprintable() else repr(character)[1:-1] if character != "\t" else " "
        for character in shown
    )
