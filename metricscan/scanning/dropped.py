"""Lines that never reached a log: writers that drop lines say so in a line of their own.

A watching plan has one hidden pattern for these records, found by literals that little else has. Python decides them: it reads
how many lines are missing, and which metrics the record would give a row: Ray and rsyslog show one of the lines that they drop.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import Any

    from metricscan import _core
    from metricscan.scanning.deferred import Found

#: A record that says how many lines are missing holds one of these, each a part that is rare in logs.
LITERALS = (
    b"x across cluster]",
    b"message repeated ",
    b"Suppressed ",
    b"rate-limiting",
    b"xsock",
)
# Those of writers that do not show a line that is missing.
_SHOWS_NO_LINE = LITERALS[2:]


class Writer(NamedTuple):
    """A program that drops lines.

    Attributes
    ----------
    name : str
    remedy : str
        How to get all lines.
    shows_the_line : bool
        Whether the record shows one of the lines that are missing; else they may be any.
    """

    name: str
    remedy: str
    shows_the_line: bool


WRITERS = (
    Writer("Ray", "RAY_DEDUP_LOGS=0 keeps them", shows_the_line=True),
    Writer("rsyslog", "$RepeatedMsgReduction off keeps them", shows_the_line=True),
    Writer("journald", "RateLimitIntervalSec=0 in journald.conf keeps them", shows_the_line=False),
    Writer("rsyslog", "a rate limit of 0 in its imjournal or imuxsock keeps them", shows_the_line=False),
)
# What each of them writes, in their order; the group ``shown`` is the line without what was added to it.
_MARK = re.compile(
    r"(?P<ray>\[repeated (?P<of_ray>\d{1,15})x across cluster\])"
    r"|message repeated (?P<of_rsyslog>\d{1,15}) times: \[(?P<shown>.*)\]"
    r"|Suppressed (?P<of_journald>\d{1,15}) messages from (?:/|\S{0,500}\.(?:service|scope|slice|socket|mount)\b)"
    r"|(?P<of_imjournal>\d{1,15}) messages lost due to rate-limiting"
    r"|imuxsock lost (?P<of_imuxsock>\d{1,15}) messages from pid"
)
# A mark begins at most so many bytes before its literal.
_MARK_BYTES = 40
_GROUPS = (("of_ray",), ("of_rsyslog",), ("of_journald",), ("of_imjournal", "of_imuxsock"))
# A row's value holds the number of lines, the writer, and the number of the set of metrics.
_COUNT_BITS, _WRITER_BITS = 24, 3
_MOST_LINES = (1 << _COUNT_BITS) - 1
# So many sets of metrics are told apart: further ones count as that of no metric.
_MOST_SETS = 1 << 16


class Dropped(NamedTuple):
    """Lines of a metric that a log does not hold.

    Attributes
    ----------
    lines : int
        How many are missing.
    records : int
        How many records say so.
    first, last : (int, int)
        Line and offset of the first and the last of them.
    writer : str
        The program that wrote the first of them.
    remedy : str
        How to make it keep all lines.
    """

    lines: int
    records: int
    first: tuple[int, int]
    last: tuple[int, int]
    writer: str
    remedy: str

    def plus(self, other: Dropped) -> Dropped:
        """Both together; they may stand in any order."""
        earlier = min(self, other, key=lambda one: one.first[1])
        last = max(self.last, other.last, key=lambda place: place[1])
        lines, records = self.lines + other.lines, self.records + other.records
        return Dropped(lines, records, earlier.first, last, earlier.writer, earlier.remedy)


class DroppedLines:
    """Decides the records of the hidden pattern, and reads what it decided from their rows.

    Parameters
    ----------
    new_stream : callable
        Makes a stream of the same definitions that does not watch: it says which metrics a record gives a row.
    literals : collection of bytes
        A record without any of these gives no row; if there are none, that is not known.
    """

    def __init__(self, new_stream: Callable[[], _core.Stream], literals: Collection[bytes] = ()) -> None:
        self._new_stream = new_stream
        self._literals = tuple(literals)
        self._numbers: dict[frozenset[int], int] = {frozenset(): 0}

    def find(self, record: bytes) -> list[Found]:
        """Read a record: nothing, or one row with the place of its value and the value; nothing if no metric is concerned."""
        if self._literals and not any(one in record for one in (*self._literals, *_SHOWS_NO_LINE)):
            return []
        places = [at for at in map(record.find, LITERALS) if at >= 0]
        # from the beginning of a record of 500 bytes on the search takes ten times as long
        match = _MARK.search(record.decode("latin-1"), max(0, min(places) - _MARK_BYTES)) if places else None
        if match is None:
            return []
        writer, group = next(
            (at, name) for at, names in enumerate(_GROUPS) for name in names if match[name] is not None
        )
        patterns = frozenset([-1])
        if WRITERS[writer].shows_the_line:
            patterns = self._patterns_in(record, None if match["shown"] is None else match.span("shown"))
        number = self._numbers.get(patterns)
        if number is None:
            number = self._numbers.setdefault(patterns, len(self._numbers)) if len(self._numbers) < _MOST_SETS else 0
        if number == 0:
            return []
        value = (number << _WRITER_BITS | writer) << _COUNT_BITS | min(int(match[group]), _MOST_LINES)
        return [(*match.span(), *match.span(group), str(value))]

    def _patterns_in(self, record: bytes, shown: tuple[int, int] | None) -> frozenset[int]:
        """The patterns that match in a record, or in the part of it that is the line."""
        core = self._new_stream()
        core.feed(record + b"\n" if shown is None else b"%b\n%b\n" % (record, record[slice(*shown)]))
        core.finish()
        return frozenset(pattern for pattern, (rows, unparsed, *_) in core.counted() if rows or unparsed)

    def of_rows(self, rows: Any) -> dict[int, Dropped]:
        """What rows of the hidden pattern say, by the pattern of a metric; -1 stands for all of them.

        Parameters
        ----------
        rows : Columns or int64 array
            Values (as the bits of doubles), lines, offsets and starts.
        """
        import numpy as np

        bits, line, offset, *_ = np.asarray(rows)
        values = np.ascontiguousarray(bits).view(np.float64).astype(np.int64)
        found: dict[int, Dropped] = {}
        sets = {number: patterns for patterns, number in self._numbers.items()}
        for number in np.unique(values >> (_COUNT_BITS + _WRITER_BITS)).tolist():
            own = np.flatnonzero(values >> (_COUNT_BITS + _WRITER_BITS) == number)
            first, last = own[int(np.argmin(offset[own]))], own[int(np.argmax(offset[own]))]
            writer = WRITERS[int(values[first] >> _COUNT_BITS & ((1 << _WRITER_BITS) - 1))]
            one = Dropped(
                int((values[own] & _MOST_LINES).sum()),
                len(own),
                (int(line[first]), int(offset[first])),
                (int(line[last]), int(offset[last])),
                writer.name,
                writer.remedy,
            )
            for pattern in sets[number]:
                found[pattern] = found[pattern].plus(one) if pattern in found else one
        return found
