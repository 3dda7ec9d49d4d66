"""Where a log holds a second start of its program, and no step would tell: its first line again, or a counter that goes back."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from metricscan.datasets.evidence import Restart
from metricscan.logs._first_line import AGAIN_BYTES, first_line_again, masked_line
from metricscan.logs.exports import text_head
from metricscan.logs.job import Notice, is_read_once
from metricscan.replaying.counters import Counters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import pyarrow as pa

    from metricscan.datasets.rows import Array
    from metricscan.replaying.log_scan import LogScanner
    from metricscan.scanning.scanner import Scanner

_LINE = re.compile(rb"[^\r\n]+")
# One line that comes back may begin each round of a loop, too, unless it counts, or says what it begins.
_COUNTS = re.compile(rb"\d")
_BEGINS = re.compile(rb"\b(?:start|begin|launch|running|namespace|argument|config|seed|using|load|init)", re.IGNORECASE)

# So many logs are examined by a check.
_MOST_LOGS = 20


class _Line(NamedTuple):
    start: int
    text: bytes


class Restarts:
    """Finds where programs were started again in logs, while these are scanned.

    Parameters
    ----------
    scanner : Scanner
    """

    def __init__(self, scanner: Scanner) -> None:
        self._scanner = _without_labels(scanner)
        self._counters = Counters(self._scanner.metrics)
        self._batches: dict[str, list[tuple[range, Sequence[int] | Array, pa.RecordBatch]]] = {}

    def add(self, name: str, logs: range, rows: Sequence[int] | Array, batch: pa.RecordBatch) -> None:
        """Add rows of a metric, of which each of some logs has so many."""
        self._counters.add(name, logs, rows, batch)
        if len(logs) > 1 and name in self._scanner.metrics:
            # the rows of a log that is scanned alone may be too many to keep
            self._batches.setdefault(name, []).append((logs, rows, batch))

    def end_logs(self, logs: range, scans: LogScanner) -> dict[int, tuple[Restart, ...]]:
        """By the number of a log, where its program was started again. To be called when the scan of these logs is over."""
        found = self._counters.end_logs()
        for number in [number for number in logs if number in scans.again] if scans.again else ():
            kept = scans.again.pop(number)
            if scans.logs[number].part:
                # the first line of a later piece begins nothing
                continue
            text = scans.text_of(number, AGAIN_BYTES) if kept is None else (kept, True)
            if text is not None:
                data, has_places = text
                # small logs are scanned together, and the rows are known
                known = partial(self._offsets_of, number) if len(logs) > 1 and has_places else None
                again = restarts_of(self._scanner, data, has_places=has_places, offsets_of=known)
                found[number] = (*again, *found.get(number, ()))
        self._batches.clear()
        return found

    def _offsets_of(self, number: int) -> dict[str, Array]:
        """The places of the records with rows of one of several logs, by metric."""
        found = {}
        for name in self._scanner.metrics:
            parts = []
            for logs, rows, batch in self._batches.get(name, ()):
                begin = int(np.sum(rows[: number - logs.start]))
                parts.append(batch.column("offset").slice(begin, int(rows[number - logs.start])).to_numpy())
            found[name] = np.concatenate(parts) if parts else np.empty(0, np.int64)
        return found


class SecondStart(NamedTuple):
    """The places at which the first line of a text stands again, as one metric shows that they are starts.

    Attributes
    ----------
    times : int
    first_line, line, offset : int
        The line of the first of these places, and line and offset of the last one.
    values : int
        How many values of the metric stand before the first of them.
    """

    times: int
    first_line: int
    line: int
    offset: int
    values: int


def second_starts(
    scanner: Scanner, text: bytes, offsets_of: Callable[[], Mapping[str, Array]] | None = None
) -> dict[str, SecondStart]:
    """By metric, the places at which the first line of a text stands again, between values of the metric.

    Times and numbers of processes may differ. What regularly comes back, as at each epoch, is no start.

    Parameters
    ----------
    scanner : Scanner
    text : bytes
    offsets_of : callable, optional
        Gives the places of the records with rows, by metric; without it the text is scanned.
    """
    found = first_line_again(text)
    if found is None or not found[1]:
        return {}
    first, *again = (next(_lines(text, at, 1)) for at in (found[0], *found[1]))
    if not _may_begin(first) and len({_second(text, line) for line in (first, *again)}) > 1:
        # whatever the rows are: they do not begin with the same two lines, and one line is not enough
        return {}
    if offsets_of is None:
        tables = _without_labels(scanner).scan(text, threads=1)
        places: Mapping[str, Array] = {metric: table["offset"].to_numpy() for metric, table in tables.items()}
    else:
        places = offsets_of()
    lines = None
    starts = {}
    for metric, offsets in places.items():
        counts = _counts(text, first, again, offsets)
        if counts is None:
            continue
        if lines is None:
            lines = tuple(1 + text.count(b"\n", 0, one.start) for one in (again[0], again[-1]))
        starts[metric] = SecondStart(len(again), lines[0], lines[1], again[-1].start, int(counts[0]))
    return starts


def restarts_of(
    scanner: Scanner, text: bytes, *, has_places: bool, offsets_of: Callable[[], Mapping[str, Array]] | None = None
) -> tuple[Restart, ...]:
    """What :func:`second_starts` finds, as evidence; of a text that has not the places of its log without them."""
    found = []
    for metric, one in second_starts(scanner, text, offsets_of).items():
        times = f", the last of {one.times:,} times" if one.times > 1 else ""
        values = "1 value" if one.values == 1 else f"{one.values:,} values"
        message = f"the first line of the log stands in it again{times}, behind {values} of {metric}"
        place = (one.line, one.offset) if has_places else (None, None)
        found.append(Restart(metric, f"{message}: a run that was started again, or several runs in one log", *place))
    return tuple(found)


def second_start_notices(scanner: Scanner, paths: Sequence[str], input_format: str = "plain") -> Iterator[Notice]:
    """Say which of the first logs hold a second start, each by the first metric that shows it."""
    for path in paths[:_MOST_LOGS]:
        if is_read_once(path):
            continue
        text, _ = text_head(path, input_format, AGAIN_BYTES)
        found = second_starts(scanner, text)
        if not found:
            continue
        metric, one = next(iter(found.items()))
        more = "" if one.times == 1 else f" and {one.times - 1} more"
        values = "value" if one.values == 1 else "values"
        yield Notice(
            f"the first line of the log stands again in {path}:{one.first_line}{more}, behind {one.values:,} {values} of "
            f"{metric}: several runs in one log, or one that was started again? The value of a job is taken from all of them; "
            "with --step NAME (step=NAME), --run-start REGEX (run_start=) and --restarts split (restarts='split') keep them "
            "apart",
            path,
        )


def _counts(text: bytes, first: _Line, again: Sequence[_Line], offsets: Array) -> Array | None:
    """How many rows stand in each run, if the first line begins runs; else None."""
    if not len(offsets) or first.start >= offsets[0]:
        return None
    head = _head(text, first, offsets)
    if any(_head(text, line, offsets) != head for line in again):
        return None
    # a last start without a value behind it has replaced nothing
    counts = np.diff(np.searchsorted(offsets, [first.start, *(line.start for line in again), len(text)]))
    # and lines before each single value are those of a loop
    if not counts.all() or (len(counts) > 2 and (counts == 1).all()):
        return None
    if len(head) == 1 and not _may_begin(first):
        return None
    return counts


def _without_labels(scanner: Scanner) -> Scanner:
    if not scanner.labels:
        return scanner
    return scanner.with_options([one for one in scanner.definitions if one.name not in scanner.labels], scanner.options)


def _may_begin(line: _Line) -> bool:
    """Whether a line alone may begin a run."""
    return bool(_COUNTS.search(masked_line(line.text)) or _BEGINS.search(line.text))


def _second(text: bytes, line: _Line) -> bytes | None:
    """The line behind this one."""
    return next((masked_line(one.text) for one in _lines(text, line.start + len(line.text), 1)), None)


def _lines(text: bytes, at: int, most: int) -> Iterator[_Line]:
    """The first lines from a place on that are not empty."""
    for _ in range(most):
        found = _LINE.search(text, at)
        if found is None:
            return
        at = found.end()
        yield _Line(found.start(), found[0])


def _head(text: bytes, line: _Line, offsets: Array) -> list[bytes]:
    """The first lines of a run, at most two: those before its first value."""
    next_row = int(np.searchsorted(offsets, line.start))
    end = int(offsets[next_row]) if next_row < len(offsets) else len(text)
    return [masked_line(one.text) for one in _lines(text, line.start, 2) if one.start < end]
