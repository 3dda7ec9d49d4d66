"""Changes to a regex that mend it, and the one regex that results: shown only if it loses nothing that was read rightly."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, NamedTuple

from metricscan.definitions.regex_parts import parts_of
from metricscan.patterns.dialect import compile_quietly, value_group

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from metricscan.definitions.regex_parts import RegexParts

# Regexes that are made of the mends of one definition and tried.
_MOST_TRIED = 24
# Numbers in the notations of logs.
_PLAIN = ("1.5", "0.25", "12", "7", "12.75", "0.0", "1234567.875")
_OTHERS = (
    *("5.", ".5", "-1.5", "-0.25", "+3.5", "1e-05", "1.5e-05", "2.5E+3", "-4e10"),
    *("nan", "-nan", "NaN", "inf", "-inf", "Infinity", "-Infinity"),
)
NOTATIONS = _PLAIN + _OTHERS
# What float() refuses: better no value than a part of it, where the group is made for such numbers.
_GROUPED, _ANYTHING = "1,234.5", "x,y"
# Text before a number that would be a part of it.
_JOINED_BEFORE = re.compile(r"[0-9]\.?\Z|[0-9][eE][-+]?\Z")

Edit = tuple[int, int, str]


class Mend(NamedTuple):
    """What is written in place of some parts of a regex.

    Attributes
    ----------
    edits : tuple of (int, int, str)
        Places in the regex, and what stands there instead.
    reads_numbers : bool
        Whether the value's group then takes every number.
    skips : bool
        Whether rows of longer names are given up.
    moves : bool
        Whether the value stands elsewhere than where the regex reads it.
    opens : bool
        Whether a match may then begin behind a prefix of the record.
    in_groups : bool
        Whether the value's group then takes all of a number in groups of digits, which gives no row.
    """

    edits: tuple[Edit, ...]
    reads_numbers: bool = False
    skips: bool = False
    moves: bool = False
    opens: bool = False
    in_groups: bool = False


class Draft(NamedTuple):
    """A finding before its regex is known: what mends it, the best first."""

    code: str
    reason: str
    mends: tuple[Mend, ...] = ()


def applied(regex: str, mends: Sequence[Mend]) -> str | None:
    """The regex with all edits; None if two of them overlap."""
    edits = sorted({edit for mend in mends for edit in mend.edits})
    parts: list[str] = []
    end = 0
    for start, stop, text in edits:
        if start < end:
            return None
        parts += regex[end:start], text
        end = stop
    return "".join([*parts, regex[end:]])


def candidates(regex: str, drafts: Sequence[Draft]) -> Iterator[tuple[str, tuple[Draft, ...], tuple[Mend, ...]]]:
    """The regexes that mend some of the findings, those that mend most of them first."""
    mendable = [draft for draft in drafts if draft.mends]
    tried: set[str] = set()
    for size in range(len(mendable), 0, -1):
        for some in itertools.combinations(mendable, size):
            for chosen in itertools.product(*(draft.mends for draft in some)):
                better = applied(regex, chosen)
                if better is None or better == regex or better in tried:
                    continue
                if len(tried) >= _MOST_TRIED:
                    return
                tried.add(better)
                yield better, some, chosen


def composed(
    regex: str, drafts: Sequence[Draft], is_true: Callable[[str, Sequence[Mend]], bool]
) -> tuple[str | None, tuple[Draft, ...]]:
    """The first of the candidates that is true, and the findings that it mends."""
    for better, some, chosen in candidates(regex, drafts):
        if is_true(better, chosen):
            return better, some
    return None, ()


def holds_on_examples(parts: RegexParts, better: str, mends: Sequence[Mend]) -> bool:
    """Whether a regex reads what another one reads rightly, in examples made for the shape of both.

    Where its value's group takes every number, it must read numbers in all notations. Without an example the answer is no.
    """
    try:
        compiled = compile_quietly(better)
    except (re.error, RecursionError, OverflowError):
        return False
    group = value_group(compiled)
    reads_numbers = any(mend.reads_numbers for mend in mends)
    moves = any(mend.moves for mend in mends) or not parts.group
    surroundings = [] if moves else list(parts.surroundings())
    known = [
        around for around in surroundings if any(_begins(parts.compiled, parts.group, around, one) for one in _PLAIN)
    ]
    if not any(_reads(parts.compiled, parts.group, around, one) for around in known for one in _PLAIN):
        # it reads no number rightly: the examples are those of the better regex
        changed = parts_of(better)
        if changed is None:
            return False
        surroundings += changed.surroundings()
        known = [around for around in surroundings if any(_reads(compiled, group, around, one) for one in _PLAIN)]
    if reads_numbers and any(_JOINED_BEFORE.search(before) or after[:1].isdigit() for before, after in known):
        return False
    for around in known:
        if (
            not moves
            and _reads(parts.compiled, parts.group, around, _GROUPED)
            and not _reads(parts.compiled, parts.group, around, _ANYTHING)
            and _begins(compiled, group, around, _GROUPED)
            and not _reads(compiled, group, around, _GROUPED)
        ):
            return False
        for value in NOTATIONS:
            if not reads_numbers and (moves or not _reads(parts.compiled, parts.group, around, value)):
                continue
            if not _reads(compiled, group, around, value):
                return False
    return bool(known)


def _reads(compiled: re.Pattern[str], group: int, around: tuple[str, str], value: str) -> bool:
    """Whether a regex reads all of a number that stands between two texts."""
    match = _match_at(compiled, group, around, value)
    return match is not None and match.span(group) == (len(around[0]), len(around[0]) + len(value))


def _begins(compiled: re.Pattern[str], group: int, around: tuple[str, str], value: str) -> bool:
    """Whether a regex reads a number that stands between two texts, or its beginning."""
    match = _match_at(compiled, group, around, value)
    return match is not None and match.start(group) == len(around[0]) < match.end(group)


def _match_at(compiled: re.Pattern[str], group: int, around: tuple[str, str], value: str) -> re.Match[str] | None:
    before, after = around
    match = compiled.search(before + value + after)
    while match is not None and match.end(group) <= len(before) and match.end() > match.start():
        # a value in the text before it is a row of its own
        match = compiled.search(before + value + after, match.end())
    return match
