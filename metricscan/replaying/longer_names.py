"""Whether the value that decides for the best job is that of a longer name, in which its regex matches."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from metricscan.definitions.lint import words_of
from metricscan.definitions.regex_parts import parts_of
from metricscan.errors import SourceError
from metricscan.logs.exports import text_head
from metricscan.logs.formats import format_of
from metricscan.logs.job import Notice, is_read_once
from metricscan.logs.source import open_source
from metricscan.replaying.evidence import Names, Row
from metricscan.replaying.records import record_end

if TYPE_CHECKING:
    from collections.abc import Iterator

    from metricscan.replaying.outcome import Best
    from metricscan.scanning.scanner import Scanner

# What is read of a log behind the record, at most; and before it, of a log whose beginning has to be read for it.
_LONGEST_RECORD = 64 << 10
_MOST_BEFORE = 16 << 20


def longer_name_notice(scanner: Scanner, metric: str, best: Best, input_format: str = "plain") -> Notice | None:
    """Say that the best value belongs to a longer name, as ``loss=`` reads that of ``val_loss=``; None if it does not.

    The record is read again. None too where it cannot be found, as in an export, or far from the beginning of a compressed log;
    and where the metric's own name has all words of the longer one.
    """
    if scanner.options["escape"] != "none" or scanner.options["ansi"] != "keep" or is_read_once(best.path):
        return None
    definition = parts_of(next(one.regex for one in scanner.definitions if one.name == metric))
    names = None if definition is None else Names(definition)
    if names is None or not names.runs:
        return None
    for record in _records(best, input_format, universal=scanner.options["newline"] == "universal"):
        longer = _longer(scanner, metric, best, names, record)
        if longer is not None:
            if set(words_of(longer)) <= set(words_of(metric)):
                return None
            return Notice(
                f"the best {metric} is the value of {longer!r} in {best.path}:{best.line}: its regex matches within this longer "
                "name; `metricscan check` of this log shows a regex that does not, where one is known",
                best.path,
            )
    return None


def _longer(scanner: Scanner, metric: str, best: Best, names: Names, record: bytes) -> str | None:
    """The longer name before the best value, if it stands in this record."""
    if b"\n" in record or (b"\r" in record and scanner.options["newline"] == "universal"):
        return None
    for match in scanner.find(record):
        if match.name == metric and match.value_span is not None and match.number == best.value:
            found = names.longer(record, Row(best.value, best.line, 0, match.value_span[0]))
            return None if found is None else found[2]
    return None


def _records(best: Best, input_format: str, *, universal: bool) -> Iterator[bytes]:
    """The record of the best value; before it, of a compressed or encoded log, bytes that hold no such value."""
    with contextlib.suppress(SourceError, OSError):
        with open_source(best.path) as opened:
            if format_of(opened, input_format) != "plain":
                return
        with open(best.path, "rb") as file:
            file.seek(best.offset)
            yield _first(file.read(_LONGEST_RECORD), universal=universal)
    if best.offset <= _MOST_BEFORE:
        text, _ = text_head(best.path, "plain", best.offset + _LONGEST_RECORD)
        # in an encoded log the record stands elsewhere
        if text.count(b"\n", 0, best.offset) + 1 == best.line:
            yield _first(text[best.offset :], universal=universal)


def _first(text: bytes, *, universal: bool) -> bytes:
    end = record_end(text, 0, universal=universal)
    return text if end < 0 else text[:end]
