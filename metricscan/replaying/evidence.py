"""What a log says about one value of a regex: whether it is all of its number, and whether its name is all of a name."""

from __future__ import annotations

import re
from functools import lru_cache
from re import _constants as sre  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any, NamedTuple

from metricscan.definitions.regex_parts import NUMBER, longer_name
from metricscan.definitions.tokens import NameRun, name_runs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from metricscan.definitions.regex_parts import RegexParts

_NUMBER = re.compile(NUMBER.encode())
_NOT_FINITE = re.compile(rb"[-+]?(?:nan|inf(?:inity)?)(?![A-Za-z0-9_])", re.IGNORECASE)
# float() accepts underscores between digits: 1_000
_GOES_ON = re.compile(rb"_[0-9]")
# What may stand behind a whole number that begins in the same way: the next number of a version or an address.
_NEXT = re.compile(rb"\.[0-9]|[0-9]")
# A number in groups of three digits, which float() refuses: 1,377.
_GROUPED = re.compile(rb"[-+]?[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])")
# A number with signs between its groups of digits, and behind them perhaps a decimal comma.
_IN_GROUPS = re.compile(rb"[-+]?[0-9]+(?:(?:[.,' ]|\xc2\xa0|\xe2\x80[\x99\xaf\x89])[0-9]+)+")
# The part of a number before a place: digits, or digits and the beginning of an exponent.
_BEGUN = re.compile(rb"(?:[0-9]+\.?[0-9]*|\.[0-9]*)(?:[eE][-+]?[0-9]*)?\Z")
_SIGN = re.compile(rb"(?:^|[\s=:'\"(\[,{|])[-+]\Z")
_ESCAPE = re.compile(rb"#0[0-7][0-7]|\x1b\[[0-9;]*m")
_ENDS_IN_ESCAPE = re.compile(rb"(?:\x1b|#033)\[[0-9;]*m\Z")
_LONGEST_NUMBER = 40
_LONGEST_NAME = 80
_OF_NUMBER = frozenset(b"0123456789.+-eE")
_LETTERS = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")

# The prefixes that launchers, loggers and containers put before a line: [1,0]<stdout>:, [rank0]:, (Worker pid=7), 0:, algo-1|,
# a time, stdout F, INFO:root:, 2026-01-02 03:04:05,678 - name - INFO -.
# Each part is taken whole and never given back, so that no text takes long.
_PREFIX = re.compile(
    rb"(?>\[[^\[\]]{0,80}+\](?:<std(?:out|err)>)?:?|\([^()]{0,80}+\):?|<std(?:out|err)>:?"
    rb"|\d{4}[-/]\d\d[-/]\d\d(?:[T ][\d:.,]{1,30}+(?:Z|[+-]\d\d:?\d\d)?)?|\d\d-\d\d(?= \d\d:)|\d\d:\d\d:\d\d(?:[.,]\d{1,9}+)?"
    rb"|std(?:out|err) [FP]\b|(?:DEBUG|INFO|WARNING|WARN|ERROR|CRITICAL)\b(?::[\w.]{1,80}+:)?"
    rb"|[\w.]{1,60}+(?= - )|(?=[\w./-]{1,80}\.py:)[\w./-]{1,80}+:\d{1,6}+\]?|(?=[\w.-]{0,60}\d)[\w.-]{1,60}+\s{0,3}+[:|]"
    rb"|\x1b\[[0-9;]{0,20}+m|#033\[[0-9;]{0,20}+m|#011|[|:\]-]|\s)++"
)
_LONGEST_PREFIX = 400


# Rows of a metric in one log that are looked at one by one: the user waits.
MOST_LOOKED_AT = 20_000


class Row(NamedTuple):
    """A row of a scan, and the places of its record and its value."""

    value: float
    line: int
    offset: int
    start: int


class Rows:
    """The first rows of one metric in a text, as numpy columns."""

    def __init__(self, table: Any, most: int, *, is_label: bool) -> None:
        import numpy as np

        table = table.slice(0, most)
        lines, self.offsets, self.starts = (table[key].to_numpy() for key in ("line", "offset", "start"))
        self.lines: Any = lines
        self.values: Any = np.full(len(lines), np.nan) if is_label else table["value"].to_numpy()

    def __len__(self) -> int:
        return len(self.starts)

    def __iter__(self) -> Iterator[Row]:
        return self.first(len(self))

    def first(self, most: int) -> Iterator[Row]:
        """The first rows."""
        columns = (column[:most].tolist() for column in (self.values, self.lines, self.offsets, self.starts))
        return map(Row._make, zip(*columns, strict=True))

    def has(self, start: int) -> bool:
        """Whether a value starts at a place."""
        return _holds(self.starts, start)

    def has_in(self, offset: int) -> bool:
        """Whether the record at an offset has a row."""
        return _holds(self.offsets, offset)

    def beside(self, others: Rows) -> Iterator[Row]:
        """The rows that the others do not hold with the same place and the same value; of very many, some all over the text."""
        import numpy as np

        if not len(others):
            yield from self.first(MOST_LOOKED_AT)
            return
        # places rise
        at = np.minimum(np.searchsorted(others.starts, self.starts), len(others) - 1)
        same = (others.values[at] == self.values) | (np.isnan(others.values[at]) & np.isnan(self.values))
        places = np.flatnonzero((others.starts[at] != self.starts) | ~same)
        for index in places[:: 1 + len(places) // MOST_LOOKED_AT].tolist():
            yield Row(
                float(self.values[index]), int(self.lines[index]), int(self.offsets[index]), int(self.starts[index])
            )


def _holds(column: Any, value: int) -> bool:
    """Whether a column holds a value; places rise."""
    at = int(column.searchsorted(value))
    return at < len(column) and int(column[at]) == value


def whole_number(data: bytes, row: Row) -> tuple[int, bytes] | None:
    """The number of which a row has only a part, with its place; None if the row has all of it."""
    start = row.start
    begun = start
    before = data[start - 1] if start > row.offset else 0
    if before in _OF_NUMBER:
        window = data[max(row.offset, start - _LONGEST_NUMBER) : start]
        window = _ESCAPE.split(window)[-1]
        found = _BEGUN.search(window)
        if found is not None and re.search(rb"[0-9]", found[0]):
            begun -= len(found[0])
            window = window[: found.start()]
            if window[-1:].isalpha() or window.endswith(b"_"):
                # the digits of a name: layer1.5 is none
                return None
        if _SIGN.search(window):
            begun -= 1
    whole = _NUMBER.match(data, begun)
    if whole is None or whole.end() <= start:
        return None
    if begun == start:
        if row.value != row.value or float(whole[0]) == row.value or _GOES_ON.match(data, whole.end()):
            return None
    elif _GOES_ON.match(data, whole.end()):
        return None
    return begun, whole[0]


def number_in_groups(data: bytes, start: int) -> bytes:
    """The number in groups of digits that begins at a place, such as 1,234.5; empty if there is none."""
    found = _IN_GROUPS.match(data, start)
    whole = _NUMBER.match(data, start)
    return found[0] if found is not None and whole is not None and found.end() > whole.end() else b""


def is_whole(data: bytes, row: Row, *, fixed_before: bool) -> bool:
    """Whether a row is all of the number that stands there, and no part of a word or of a longer list of digits."""
    if whole_number(data, row) is not None:
        return False
    if not fixed_before and in_word(data, row):
        return False
    if _GROUPED.match(data, row.start):
        return False
    whole = _NUMBER.match(data, row.start) or _NOT_FINITE.match(data, row.start)
    return whole is None or (_NEXT.match(data, whole.end()) is None and _GOES_ON.match(data, whole.end()) is None)


def in_word(data: bytes, row: Row) -> str:
    """The word whose end a row is, such as int64; empty if a letter does not stand right before the row's value."""
    if row.start <= row.offset or data[row.start - 1] not in _LETTERS:
        return ""
    window = data[max(row.offset, row.start - _LONGEST_NUMBER) : row.start + _LONGEST_NUMBER]
    at = row.start - max(row.offset, row.start - _LONGEST_NUMBER)
    if _ENDS_IN_ESCAPE.search(window, 0, at) is not None:
        return ""
    before, behind = re.search(rb"\w*\Z", window[:at]), re.match(rb"\w*", window[at:])
    word = (before[0] if before else b"") + (behind[0] if behind else b"")
    return "" if re.fullmatch(rb"[a-zA-Z]*(?:nan|inf)", word, re.IGNORECASE) else word.decode("utf-8", "replace")


def value_is_fixed(definition: RegexParts) -> bool:
    """Whether the regex fixes the character before the value, so that the value may follow a letter."""
    if definition.group not in definition.groups:
        return True
    before = [token for token in definition.tokens if token.stop <= definition.groups[definition.group][0]]
    return not before or not (before[-1].kind in ("any", "class", "escape") and before[-1].quantifier)


def stands_behind_prefix(definition: RegexParts, data: bytes, row: Row) -> bool:
    """Whether only prefixes of launchers, loggers and containers precede the match in its record."""
    literal = ""
    for op, av in definition.items[1:]:
        if op is not sre.LITERAL:
            break
        literal += chr(av)
    at = data.find(literal.encode("utf-8", "surrogatepass"), row.offset, row.start) if literal else -1
    return row.offset < at <= row.offset + _LONGEST_PREFIX and _PREFIX.fullmatch(data, row.offset, at) is not None


class Names:
    """The names before a regex's value that may be the end of longer names, and where they stand in a record."""

    def __init__(self, definition: RegexParts) -> None:
        groups = definition.groups
        until = groups[definition.group][0] if definition.group in groups else 0
        self.runs = name_runs(definition.regex, definition.tokens, until)
        self.ignores_case = bool(definition.tree.flags & re.IGNORECASE)
        # they occur in records, so a lone surrogate in them is a byte that is not UTF-8
        self.texts = [run.literal.encode("utf-8", "surrogatepass") for run in self.runs]
        for at, run in enumerate(self.runs):
            try:
                self.texts[at] = run.literal.encode("utf-8", "surrogateescape")
            except UnicodeEncodeError:
                continue
        if self.ignores_case:
            self.texts = [text.lower() for text in self.texts]

    def longer(self, data: bytes, row: Row) -> tuple[NameRun, str, str] | None:
        """The name that stands in a longer one before a row, what precedes it there, and all of it; None if none does."""
        upto = row.start
        for run, text in zip(reversed(self.runs), reversed(self.texts), strict=True):
            if self.ignores_case:
                at = data[row.offset : upto].lower().rfind(text)
                at = at + row.offset if at >= 0 else -1
            else:
                at = data.rfind(text, row.offset, upto)
            if at < 0:
                return None
            window = data[max(row.offset, at - _LONGEST_NAME) : at]
            if window and window[-1] in _NAMES and not _ENDS_IN_ESCAPE.search(window):
                before = _longer(window[len(window.rstrip(_NAME_BYTES)) :])
                if before:
                    return run, before, f"{before}{run.literal}".rstrip(" =:'\"")
            upto = at
        return None


_NAMES = _LETTERS | frozenset(b"/.-")
_NAME_BYTES = bytes(sorted(_NAMES | frozenset(b"0123456789") | frozenset(range(0x80, 0x100))))


@lru_cache(maxsize=1024)
def _longer(before: bytes) -> str:
    return longer_name(before.decode("utf-8", "replace"))
