"""What can be known of a regex from its text: the literals any match must hold, and whether it is a plain span.

It reads the syntax tree that ``re`` itself makes, so that it sees the pattern as ``re`` does. Nothing here decides a
match; a fact may be missed, never wrong.
"""

from __future__ import annotations

import sys
from re import _constants as sre  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any, NamedTuple

from metricscan.patterns.classes import UnknownClass, character_class

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LITERAL = sre.LITERAL

_LEAVES = frozenset({LITERAL, sre.NOT_LITERAL, sre.ANY, sre.IN, sre.AT})

# Sets of literals grow by alternations and small classes; past this a set is cut where it stands.
MOST_LITERALS = 64
MOST_SPELLINGS = 16
# A longer literal finds nothing more: the search looks at eight bytes of it, the rest is compared.
LONGEST_LITERAL = 256
# A run with a finite maximum is walked anew for each candidate; a short one costs nothing.
LONGEST_COUNTED_RUN = 256


class Span(NamedTuple):
    """A literal, one run of a byte class, then a literal or the end: what the core matches in place.

    ``value_from`` and ``value_to`` say where the value starts and ends: relative to the run's end if the flag beside
    them is set, else to the start of the match. Offsets and lengths are bytes.
    """

    prefix: bytes
    run: str | None  # "lazy", "greedy", or None: no run at all
    table: bytes
    set: bytes  # what decides the characters that the table leaves undecided
    run_min: int
    run_max: int  # -1: no limit
    suffix: bytes
    at_start: bool
    at_end: bool
    counted: bool
    value_from_run: bool
    value_from: int
    value_to_run: bool
    value_to: int


class Tree(NamedTuple):
    """A pattern's syntax tree and the flags that hold for the whole of it."""

    items: Any
    flags: int


# ---- the span


TOO_DEEP = "it is nested too deeply"


class NotASpan(Exception):
    """Why a pattern is no span."""


def span(tree: Tree, value_group: int) -> Span | str:
    """The span a pattern amounts to, or the reason why it is none.

    Parameters
    ----------
    tree : Tree
    value_group : int
        The group that holds the value; 0 is the whole match.
    """
    try:
        return _Spans(tree, value_group).read()
    except (NotASpan, UnknownClass) as reason:
        return str(reason)
    except RecursionError:
        return TOO_DEEP


class _Spans:
    def __init__(self, tree: Tree, value_group: int) -> None:
        self.tree = tree
        self.group = value_group
        self.prefix = bytearray()
        self.suffix = bytearray()
        self.run: tuple[str, int, int, Any] | None = None
        self.at_start = self.at_end = False
        # (after the run?, offset from the run's end or the match's start)
        self.value_from: tuple[bool, int] | None = None
        self.value_to: tuple[bool, int] | None = None

    def read(self) -> Span:
        if self.tree.flags & sre.SRE_FLAG_IGNORECASE:
            raise NotASpan("it ignores case")
        if self.tree.flags & sre.SRE_FLAG_LOCALE:
            raise NotASpan("it depends on the locale")
        self._sequence(self.tree.items)
        if not self.prefix:
            raise NotASpan("it does not start with a literal")
        if self.group == 0:
            self.value_from = (False, 0)
            self.value_to = (True, len(self.suffix))
        if self.value_from is None or self.value_to is None:
            raise NotASpan("its value group lies inside a repeat or a branch")
        kind, low, high, node = self.run or (None, 0, 0, None)
        table, characters = (bytes(256), b"") if node is None else character_class(node, self.tree.flags)
        # Where characters are counted, bytes are not: then only ASCII records are for the core.
        exact = kind == "lazy" and not self.suffix and not self.at_end and low > 0
        counted = (low > 1 or high >= 0 or exact) and kind is not None and any(table[0x80:])
        if high > LONGEST_COUNTED_RUN:
            raise NotASpan(f"its run has a limit above {LONGEST_COUNTED_RUN}")
        if low > sys.maxsize // 2:
            raise NotASpan("its run has a minimum that no record reaches")
        for literal in (self.prefix, self.suffix):
            if b"\n" in literal or b"\r" in literal:
                raise NotASpan("a literal of it holds a record terminator")
        return Span(
            bytes(self.prefix),
            kind,
            table,
            characters,
            low,
            high,
            bytes(self.suffix),
            self.at_start,
            self.at_end,
            counted,
            *self.value_from,
            *self.value_to,
        )

    def _here(self) -> tuple[bool, int]:
        return (True, len(self.suffix)) if self.run else (False, len(self.prefix))

    def _sequence(self, items: Any) -> None:
        literal = self.suffix if self.run else self.prefix
        for op, av in items.data:
            if op is LITERAL and av < 0x80 and not self.at_end:
                literal.append(av)
                continue
            if self.at_end and op is not sre.SUBPATTERN:
                raise NotASpan("something follows the end anchor")
            if op is LITERAL:
                literal.extend(_encoded(av))
            elif op is sre.SUBPATTERN:
                self._group(av)
            elif op in (sre.MAX_REPEAT, sre.MIN_REPEAT):
                self._repeat(op, av)
            elif op in (sre.ANY, sre.IN, sre.NOT_LITERAL):
                self._set_run("greedy", 1, 1, (op, av))
            elif op is sre.AT:
                self._anchor(av)
            else:
                raise NotASpan(f"it has {_NAMES.get(op, str(op).lower())}")
            literal = self.suffix if self.run else self.prefix

    def _group(self, av: Any) -> None:
        group, add_flags, del_flags, items = av
        if add_flags or del_flags:
            raise NotASpan("it has flags for a part")
        # A match, once decided, fixes every group here: none lies in a branch or a repeat.
        is_value = group is not None and group == self.group
        if is_value:
            self.value_from = self._here()
        self._sequence(items)
        if is_value:
            self.value_to = self._here()

    def _repeat(self, op: Any, av: Any) -> None:
        low, high, items = av
        if len(items) != 1 or items[0][0] not in (sre.LITERAL, sre.NOT_LITERAL, sre.ANY, sre.IN):
            raise NotASpan("it repeats more than one byte class")
        unlimited = high is sre.MAXREPEAT or high >= sre.MAXREPEAT
        self._set_run("lazy" if op is sre.MIN_REPEAT else "greedy", low, -1 if unlimited else high, items[0])

    def _set_run(self, kind: str, low: int, high: int, node: Any) -> None:
        if self.run:
            raise NotASpan("it has more than one run")
        self.run = (kind, low, high, node)

    def _anchor(self, av: Any) -> None:
        here = len(self.prefix) + len(self.suffix)
        if av in (sre.AT_BEGINNING, sre.AT_BEGINNING_STRING) and here == 0 and not self.run:
            self.at_start = True
        elif av in (sre.AT_END, sre.AT_END_STRING):
            # a record holds no \n, so "before a final newline" is the end as well
            self.at_end = True
        else:
            raise NotASpan("it has a word boundary or an anchor in its middle")


_NAMES = {
    sre.BRANCH: "alternatives",
    sre.GROUPREF: "a back-reference",
    sre.GROUPREF_EXISTS: "a condition",
    sre.ASSERT: "a lookaround",
    sre.ASSERT_NOT: "a lookaround",
    getattr(sre, "ATOMIC_GROUP", None): "an atomic group",
    getattr(sre, "POSSESSIVE_REPEAT", None): "a possessive repeat",
}


def _encoded(code_point: int) -> bytes:
    if 0xD800 <= code_point <= 0xDFFF:
        raise NotASpan("it has a lone surrogate")
    return chr(code_point).encode()


def within(items: Iterable[tuple[Any, Any]]) -> Iterator[tuple[Any, Any]]:
    """All nodes of a tree, in no order."""
    waiting = [items]
    while waiting:
        items = waiting.pop()
        # a subpattern itself takes three times as long to go through as its list
        for op, av in getattr(items, "data", items):
            yield op, av
            if op in _LEAVES:
                continue
            if op is sre.SUBPATTERN:
                waiting.append(av[3])
            elif op is sre.BRANCH:
                waiting += av[1]
            elif op in _REPEATS:
                waiting.append(av[2])
            elif op in (sre.ASSERT, sre.ASSERT_NOT):
                waiting.append(av[1])
            elif op is getattr(sre, "ATOMIC_GROUP", None):
                waiting.append(av)
            elif op is sre.GROUPREF_EXISTS:
                waiting += [branch for branch in av[1:] if branch is not None]


# ---- required literals


def required_literals(tree: Tree) -> tuple[tuple[bytes, ...], ...]:
    """Sets of literals of which one must occur in the record for the pattern to match; the caller takes the best.

    Each set is a tuple of UTF-8 byte strings, none empty. No sets: the pattern may match without any fixed text.
    """
    try:
        return tuple(_Required(tree.flags).sets(tree.items))
    except RecursionError:
        return ()


class _Required:
    """Walks a sequence and keeps, for the place where it stands, every text that can have led there."""

    def __init__(self, flags: int) -> None:
        self.ignore_case = bool(flags & sre.SRE_FLAG_IGNORECASE)

    def sets(self, items: Iterable[tuple[Any, Any]]) -> Iterator[tuple[bytes, ...]]:
        spellings: list[str] = [""]
        for op, av in getattr(items, "data", items):
            if (
                op is LITERAL
                and len(spellings) == 1
                and not (self.ignore_case or 0xD800 <= av <= 0xDFFF)
                and len(spellings[0]) < LONGEST_LITERAL
            ):
                # what most of a pattern is: as below, without the lists
                spellings[0] += chr(av)
                continue
            exact = self._spellings(op, av)
            if exact is not None and len(spellings) * len(exact) <= MOST_SPELLINGS:
                longer = [text + more for text in spellings for more in exact]
                if max(map(len, longer)) <= LONGEST_LITERAL:
                    spellings = longer
                    continue
            yield from self._closed(spellings)
            spellings = [""]
            if exact is not None and len(exact) <= MOST_SPELLINGS:
                spellings = list(exact)
                continue
            yield from self._inside(op, av)
        yield from self._closed(spellings)

    @staticmethod
    def _closed(spellings: list[str]) -> Iterator[tuple[bytes, ...]]:
        if all(spellings):
            yield tuple(sorted({text.encode() for text in spellings}))

    def _spellings(self, op: Any, av: Any) -> list[str] | None:
        """All texts the node can match, if they are few; None if not."""
        if op is sre.LITERAL:
            char = chr(av)
            if 0xD800 <= av <= 0xDFFF:
                return None
            if not self.ignore_case or not _has_case(char):
                return [char]
            return sorted({char.lower(), char.upper(), *_PARTNERS.get(char.lower(), "")}) if char.isascii() else None
        if op is sre.IN and not self.ignore_case:
            chars = []
            for kind, value in av:
                if kind is sre.LITERAL:
                    chars.append(value)
                elif kind is sre.RANGE and value[1] - value[0] < 4:
                    chars.extend(range(value[0], value[1] + 1))
                else:
                    return None
            if len(chars) <= 4 and not any(0xD800 <= char <= 0xDFFF for char in chars):
                return [chr(char) for char in chars]
            return None
        if op is sre.AT:
            return [""]
        if op is sre.SUBPATTERN and not (av[1] or av[2]):
            return self._all_spellings(av[3])
        if op is sre.BRANCH:
            texts: list[str] = []
            for branch in av[1]:
                some = self._all_spellings(branch)
                if some is None:
                    return None
                texts.extend(some)
            return texts if len(texts) <= MOST_SPELLINGS else None
        if op in (sre.MAX_REPEAT, sre.MIN_REPEAT) and av[0] == av[1] and av[0] <= 8:
            some = self._all_spellings(av[2])
            # repeats in repeats would double it with every level
            short = some is not None and len(some) == 1 and len(some[0]) * av[0] <= LONGEST_LITERAL
            return [some[0] * av[0]] if some is not None and short else None
        return None

    def _all_spellings(self, items: Iterable[tuple[Any, Any]]) -> list[str] | None:
        texts = [""]
        for op, av in items:
            some = self._spellings(op, av)
            if some is None or len(texts) * len(some) > MOST_SPELLINGS:
                return None
            texts = [text + more for text in texts for more in some]
        return texts

    def _inside(self, op: Any, av: Any) -> Iterator[tuple[bytes, ...]]:
        """Sets of literals inside a node that has too many spellings."""
        if op is sre.SUBPATTERN:
            # flags of a part may turn case folding on or off in it; the careful reading is that it is on
            outer, self.ignore_case = self.ignore_case, self.ignore_case or bool(av[1] & sre.SRE_FLAG_IGNORECASE)
            yield from list(self.sets(av[3]))
            self.ignore_case = outer
        elif op is sre.BRANCH:
            union: set[bytes] = set()
            for branch in av[1]:
                best = best_set(list(self.sets(branch)))
                if best is None:
                    return
                union.update(best)
            if len(union) <= MOST_LITERALS:
                yield tuple(sorted(union))
        elif op in _REPEATS and av[0] >= 1:
            yield from self.sets(av[2])
        elif op is getattr(sre, "ATOMIC_GROUP", None):
            yield from self.sets(av)
        elif op is sre.ASSERT:
            # what a lookahead or lookbehind demands lies in the record too
            yield from self.sets(av[1])


_REPEATS = (sre.MAX_REPEAT, sre.MIN_REPEAT, getattr(sre, "POSSESSIVE_REPEAT", None))


# What an ASCII letter matches beside itself where case is ignored; a test asks ``re`` for all of Unicode.
_PARTNERS = {"i": "\u0130\u0131", "k": "\u212a", "s": "\u017f"}


def _has_case(char: str) -> bool:
    # Beside upper and lower case, ``re`` folds a few characters that neither method links (U+017F, U+0130 and others);
    # all of those are letters. Digits and punctuation have no partner.
    return char.isalpha() or char.lower() != char or char.upper() != char or ord(char) >= 0x80


def best_set(sets: list[tuple[bytes, ...]]) -> tuple[bytes, ...] | None:
    """The set that will be found least often in a log; None if there is none."""
    from metricscan.patterns.fingerprints import weight

    return min(sets, key=lambda some: (sum(map(weight, some)), -min(map(len, some))), default=None)
