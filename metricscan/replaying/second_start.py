"""Whether the log of the best job holds a second start of its program, where no step would tell: its first line again."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from metricscan.logs.exports import text_head
from metricscan.logs.job import Notice, is_read_once
from metricscan.replaying.verified import rows_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from metricscan.scanning.scanner import Scanner

# What is read of the log.
_MOST_BYTES = 16 << 20
# A line with fewer letters is a rule, a number or a prompt; the first line with more is looked for among so many.
_LEAST_LETTERS = 4
_MOST_LINES = 20
# What comes back more often is no start: there are not so many runs in a log.
_MOST_STARTS = 20
_MOST_LOOKED_AT = 2_000
# What differs between two starts of a program: times, process numbers, addresses.
_VARYING = re.compile(
    rb"\d{4}[-/]\d\d[-/]\d\d|\d\d?:\d\d(?::\d\d)?(?:[.,]\d+)?|0x[0-9a-fA-F]+|\d{4,}|\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\b"
    rb"|\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ \d]\d|(?i:pid)[=: ]\d+"
)
_LETTER = re.compile(rb"[^\W\d_]")
_LINE = re.compile(rb"[^\r\n]+")
# One line that comes back may begin each round of a loop, too, unless it counts, or says what it begins.
_COUNTS = re.compile(rb"\d")
_BEGINS = re.compile(rb"\b(?:start|begin|launch|running|namespace|argument|config|seed|using|load|init)", re.IGNORECASE)


# So many logs are examined.
_MOST_LOGS = 20


class _Line(NamedTuple):
    start: int
    text: bytes


def second_start_notice(scanner: Scanner, metric: str, path: str, input_format: str = "plain") -> Notice | None:
    """Say that the first line of a log stands there again, between values of a metric; None if it does not.

    Times and numbers of processes may differ. What regularly comes back, as at each epoch, is no start. Only the first 16 MiB
    are read.
    """
    if is_read_once(path):
        return None
    text, _ = text_head(path, input_format, _MOST_BYTES)
    first = next((line for line in _lines(text, 0, _MOST_LINES) if _letters(line.text) >= _LEAST_LETTERS), None)
    if first is None:
        return None
    again = _again(text, first)
    if not 0 < len(again) <= _MOST_STARTS:
        return None
    definition = [one for one in scanner.definitions if one.name == metric]
    rows = rows_of(scanner.with_options(definition, scanner.options), text)[0][metric]
    if not len(rows) or first.start >= rows.offsets[0]:
        return None
    head = _head(text, first, rows.offsets)
    starts = [line for line in again if _head(text, line, rows.offsets) == head]
    # a last start without a value behind it has replaced nothing
    places = np.array([first.start, *(line.start for line in starts), len(text)])
    counts = np.diff(np.searchsorted(rows.offsets, places))
    if not starts or len(starts) < len(again) or not counts.all():
        return None
    if len(head) == 1 and not (_COUNTS.search(_masked(first.text)) or _BEGINS.search(first.text)):
        return None
    lines = text.count(b"\n", 0, starts[0].start) + 1
    more = "" if len(starts) == 1 else f" and {len(starts) - 1} more"
    values = "value" if counts[0] == 1 else "values"
    return Notice(
        f"the first line of the log stands again in {path}:{lines}{more}, behind {counts[0]:,} {values} of {metric}: several "
        "runs in one log, or one that was started again? The value of the job is taken from all of them; with --step NAME "
        "(step=NAME), --run-start REGEX (run_start=) and --restarts split (restarts='split') keep them apart",
        path,
    )


def second_start_notices(scanner: Scanner, paths: Sequence[str], input_format: str = "plain") -> Iterator[Notice]:
    """What :func:`second_start_notice` says of the first logs, each by the first metric for which it says something."""
    metrics = [name for name in scanner.metrics if name not in scanner.labels]
    for path in paths[:_MOST_LOGS]:
        said = (second_start_notice(scanner, metric, path, input_format) for metric in metrics)
        notice = next((one for one in said if one is not None), None)
        if notice is not None:
            yield notice


def _lines(text: bytes, at: int, most: int) -> Iterator[_Line]:
    """The first lines from a place on that are not empty."""
    for _ in range(most):
        found = _LINE.search(text, at)
        if found is None:
            return
        at = found.end()
        yield _Line(found.start(), found[0])


def _masked(line: bytes) -> bytes:
    return _VARYING.sub(b"\0", line).strip()


def _letters(line: bytes) -> int:
    return len(_LETTER.findall(_VARYING.sub(b"", line)))


def _again(text: bytes, first: _Line) -> list[_Line]:
    """The other lines that are the first one, whatever the time; too many, if they come back too often."""
    masked = _masked(first.text)
    # the longest part that does not vary is searched
    part = max(masked.split(b"\0"), key=len)
    found: list[_Line] = []
    at = first.start + len(first.text)
    for _ in range(_MOST_LOOKED_AT):
        at = text.find(part, at)
        if at < 0 or len(found) > _MOST_STARTS:
            return found
        begin = max(text.rfind(b"\n", 0, at), text.rfind(b"\r", 0, at)) + 1
        line = next(_lines(text, begin, 1))
        at = line.start + len(line.text)
        if _masked(line.text) == masked:
            found.append(line)
    return []


def _head(text: bytes, line: _Line, offsets: np.ndarray[tuple[int], np.dtype[np.int64]]) -> list[bytes]:
    """The first lines of a run, at most two: those before its first value."""
    next_row = int(np.searchsorted(offsets, line.start))
    end = int(offsets[next_row]) if next_row < len(offsets) else len(text)
    return [_masked(one.text) for one in _lines(text, line.start, 2) if one.start < end]
