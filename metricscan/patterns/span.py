"""Spans: patterns of a literal, one run of a byte class, and a literal or the end, which the core matches in place.

A span is derived from the syntax tree that ``re`` makes, so the pattern means here what it means to ``re``. The analysis may
miss a pattern that is a span, which costs time; it never accepts a pattern that is not.
"""

from __future__ import annotations

import sys
from re import _constants as sre  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any, NamedTuple

from metricscan.patterns.classes import UnknownClass, character_class
from metricscan.patterns.tree import NAMES, ONE_CHARACTER, TOO_DEEP

if TYPE_CHECKING:
    from metricscan.patterns.tree import Tree

LITERAL = sre.LITERAL

# The core scans a run with a finite maximum again for each candidate; if the run is short, that costs nothing.
LONGEST_COUNTED_RUN = 256


class Span(NamedTuple):
    """A literal, one run of a byte class, then a literal or the end; the core matches it in place.

    ``value_from`` and ``value_to`` are the places where the value starts and ends: relative to the run's end if
    ``value_from_run`` or ``value_to_run`` is set, else to the start of the match. Offsets and lengths are bytes.
    """

    prefix: bytes
    run: str | None  # "lazy", "greedy", or None: no run at all
    table: bytes
    set: bytes  # decides the characters that the table leaves undecided
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


class _NotASpan(Exception):
    """The reason why a pattern cannot become a span."""


def span(tree: Tree, value_group: int) -> Span | str:
    """The span that a pattern is equivalent to, or the reason why there is none.

    Parameters
    ----------
    tree : Tree
    value_group : int
        The group that holds the value; 0 is the whole match.

    Examples
    --------
    >>> from metricscan.patterns.parse import parse
    >>> from metricscan.patterns.tree import Tree
    >>> found = span(Tree(parse("Loss = (.*?);"), 0), 1)
    >>> found.prefix, found.run, found.suffix
    (b'Loss = ', 'lazy', b';')
    >>> span(Tree(parse("Loss = (.*?)|(.*?);"), 0), 1)
    'it has alternatives'
    """
    try:
        return _Spans(tree, value_group).read()
    except (_NotASpan, UnknownClass) as reason:
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
            raise _NotASpan("it ignores case")
        if self.tree.flags & sre.SRE_FLAG_LOCALE:
            raise _NotASpan("it depends on the locale")
        self._sequence(self.tree.items)
        if not self.prefix:
            raise _NotASpan("it does not start with a literal")
        if self.group == 0:
            self.value_from = (False, 0)
            self.value_to = (True, len(self.suffix))
        if self.value_from is None or self.value_to is None:
            raise _NotASpan("its value group lies inside a repeat or a branch")
        kind, low, high, node = self.run or (None, 0, 0, None)
        table, characters = (bytes(256), b"") if node is None else character_class(node, self.tree.flags)
        # A span counts bytes: where it would have to count characters, it handles ASCII records only.
        exact = kind == "lazy" and not self.suffix and not self.at_end and low > 0
        counted = (low > 1 or high >= 0 or exact) and kind is not None and any(table[0x80:])
        if high > LONGEST_COUNTED_RUN:
            raise _NotASpan(f"its run has a limit above {LONGEST_COUNTED_RUN}")
        if low > sys.maxsize // 2:
            raise _NotASpan("its run has a minimum that no record reaches")
        for literal in (self.prefix, self.suffix):
            if b"\n" in literal or b"\r" in literal:
                raise _NotASpan("a literal of it holds a record terminator")
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
                raise _NotASpan("something follows the end anchor")
            if op is LITERAL:
                literal.extend(_encoded(av))
            elif op is sre.SUBPATTERN:
                self._group(av)
            elif op in (sre.MAX_REPEAT, sre.MIN_REPEAT):
                self._repeat(op, av)
            elif op in ONE_CHARACTER:
                self._set_run("greedy", 1, 1, (op, av))
            elif op is sre.AT:
                self._anchor(av)
            else:
                raise _NotASpan(f"it has {NAMES.get(op, str(op).lower())}")
            literal = self.suffix if self.run else self.prefix

    def _group(self, av: Any) -> None:
        group, add_flags, del_flags, items = av
        if add_flags or del_flags:
            raise _NotASpan("it has flags for a part")
        # Every group here participates in every match: no group lies in a branch or a repeat.
        is_value = group is not None and group == self.group
        if is_value:
            self.value_from = self._here()
        self._sequence(items)
        if is_value:
            self.value_to = self._here()

    def _repeat(self, op: Any, av: Any) -> None:
        low, high, items = av
        if len(items) != 1 or items[0][0] not in ONE_CHARACTER:
            raise _NotASpan("it repeats more than one byte class")
        unlimited = high is sre.MAXREPEAT or high >= sre.MAXREPEAT
        self._set_run("lazy" if op is sre.MIN_REPEAT else "greedy", low, -1 if unlimited else high, items[0])

    def _set_run(self, kind: str, low: int, high: int, node: Any) -> None:
        if self.run:
            raise _NotASpan("it has more than one run")
        self.run = (kind, low, high, node)

    def _anchor(self, av: Any) -> None:
        here = len(self.prefix) + len(self.suffix)
        if av in (sre.AT_BEGINNING, sre.AT_BEGINNING_STRING) and here == 0 and not self.run:
            self.at_start = True
        elif av in (sre.AT_END, sre.AT_END_STRING):
            # a record holds no \n, so "before a final newline" is the end too
            self.at_end = True
        else:
            raise _NotASpan("it has a word boundary or an anchor in its middle")


def _encoded(code_point: int) -> bytes:
    if 0xD800 <= code_point <= 0xDFFF:
        raise _NotASpan("it has a lone surrogate")
    return chr(code_point).encode()
