"""Chains, that is one-pass patterns: a literal and then steps, at each of which the next byte decides how to continue.

``consumed samples: +([0-9]+)``, ``loss=([0-9]+\\.[0-9]+)``, ``reward: ([-+]?[0-9]*\\.?[0-9]+(?:[eE][-+]?[0-9]+)?)``: after
the literal each step consumes all that it can, and no step could give back a byte with which the next one starts, so the
core never backtracks. The core matches a chain where its literal is found, in one pass. Where a table of bytes leaves a byte
undecided, the pattern's program decides.
"""

from __future__ import annotations

from functools import lru_cache
from re import _constants as sre  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any, NamedTuple

from metricscan.patterns.classes import UnknownClass, character_class
from metricscan.patterns.opcodes import (
    MEMBER,
    STEP_CLOSE,
    STEP_DECIMAL,
    STEP_DONE,
    STEP_EITHER,
    STEP_END,
    STEP_OPEN,
    STEP_OPTIONAL,
    STEP_RUN,
    STEP_TEXT,
    STOP,
)
from metricscan.patterns.tree import ONE_CHARACTER

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from metricscan.patterns.tree import Tree

MOST_STEPS = 64
_NONE: frozenset[int] = frozenset()
_DOT = ord(".")


class Step(NamedTuple):
    """One step. A field that its kind does not need is empty.

    Attributes
    ----------
    kind : int
    text : bytes
        The text of STEP_TEXT; the table of bytes of STEP_RUN, and of the digits of STEP_DECIMAL.
    least, most : int
        STEP_RUN consumes between ``least`` and ``most`` bytes (-1: without a limit). If the steps after STEP_OPTIONAL or
        STEP_EITHER fail, the match continues at step ``least``; if they do not, they end in STEP_DONE, and the match
        continues at its step ``least``. STEP_OPEN and STEP_CLOSE are the ends of the value.
    """

    kind: int
    text: bytes = b""
    least: int = 0
    most: int = 0


class Chain(NamedTuple):
    """The literal that a chain begins with, and the steps after it."""

    prefix: bytes
    steps: tuple[Step, ...]


class _NotAChain(Exception):
    """The pattern cannot become a chain."""


def chain(tree: Tree, value_group: int) -> Chain | None:
    """The chain that a pattern is equivalent to; None if there is none.

    Parameters
    ----------
    tree : Tree
    value_group : int
        The group that holds the value.

    Examples
    --------
    >>> from metricscan.patterns.parse import parse
    >>> from metricscan.patterns.tree import Tree
    >>> found = chain(Tree(parse("loss= *([0-9]+)"), 0), 1)
    >>> found.prefix, [step.kind for step in found.steps] == [STEP_RUN, STEP_OPEN, STEP_RUN, STEP_CLOSE, STEP_END]
    (b'loss=', True)
    >>> chain(Tree(parse("loss=([0-9]*)[0-9]"), 0), 1)  # the first run would have to give a digit back
    """
    if tree.flags & (sre.SRE_FLAG_IGNORECASE | sre.SRE_FLAG_LOCALE) or value_group == 0:
        return None
    try:
        return _Chains(tree.flags, value_group).read(tree.items)
    except (_NotAChain, UnknownClass, RecursionError):
        return None


class _Part(NamedTuple):
    """The step that an item becomes; which bytes it can start with and could give back; whether it may be empty."""

    kind: int
    text: bytes
    least: int
    most: int
    first: frozenset[int]
    nullable: bool
    gives: frozenset[int]
    parts: tuple[tuple[_Part, ...], ...] = ()


class _Chains:
    def __init__(self, flags: int, value_group: int) -> None:
        self.flags = flags
        self.group = value_group

    def read(self, items: Any) -> Chain:
        # most patterns are mainly the text that they begin with
        data = list(getattr(items, "data", items))
        length = next(
            (at for at, (op, av) in enumerate(data) if op is not sre.LITERAL or 0xD800 <= av <= 0xDFFF), len(data)
        )
        prefix = bytearray("".join(chr(av) for _, av in data[:length]).encode())
        parts = list(self._sequence(data[length:], can_hold_value=True))
        while parts and parts[0].kind == STEP_TEXT:
            prefix += parts.pop(0).text
        if not prefix or b"\n" in prefix or b"\r" in prefix:
            raise _NotAChain
        if [part.kind for part in parts if part.kind in (STEP_OPEN, STEP_CLOSE)] != [STEP_OPEN, STEP_CLOSE]:
            raise _NotAChain
        self._check(parts, _NONE, may_end=True)
        self._check_walks(parts, prefix[0])
        steps: list[Step] = []
        self._write(parts, steps)
        steps.append(Step(STEP_END))
        if len(steps) > MOST_STEPS:
            raise _NotAChain
        return Chain(bytes(prefix), tuple(steps))

    # -- the syntax tree as parts

    def _sequence(self, items: Any, *, can_hold_value: bool = False) -> Iterator[_Part]:
        data = list(getattr(items, "data", items))
        at = 0
        while at < len(data):
            op, av = data[at]
            decimal = self._decimal(data[at : at + 3])
            if decimal is not None:
                yield decimal
                at += 3
                continue
            at += 1
            if op is sre.LITERAL:
                yield self._text(av)
            elif op in ONE_CHARACTER:
                yield self._run((op, av), 1, 1)
            elif op is sre.MAX_REPEAT:
                yield self._repeat(*av)
            elif op is sre.SUBPATTERN:
                group, add_flags, del_flags, inner = av
                if add_flags or del_flags:
                    raise _NotAChain
                if group != self.group:
                    yield from self._sequence(inner, can_hold_value=can_hold_value)
                    continue
                if not can_hold_value:
                    raise _NotAChain
                yield _Part(STEP_OPEN, b"", 0, 0, _NONE, True, _NONE)
                yield from self._sequence(inner)
                yield _Part(STEP_CLOSE, b"", 0, 0, _NONE, True, _NONE)
            elif op is sre.BRANCH:
                ways = tuple(tuple(self._sequence(way)) for way in av[1])
                first: frozenset[int] = _NONE
                for way in ways:
                    starts, nullable = _first(way)
                    if nullable or first & starts:
                        raise _NotAChain
                    first |= starts
                yield _Part(STEP_EITHER, b"", 0, 0, first, False, _NONE.union(*map(_gives, ways)), ways)
            else:
                raise _NotAChain

    @staticmethod
    def _text(code_point: int) -> _Part:
        if 0xD800 <= code_point <= 0xDFFF:
            raise _NotAChain
        text = chr(code_point).encode()
        return _Part(STEP_TEXT, text, 0, 0, frozenset(text[:1]), False, _NONE)

    def _run(self, node: Any, least: int, most: int) -> _Part:
        table = character_class(node, self.flags).table
        # a step counts bytes, the pattern counts characters
        if (least > 1 or most >= 0) and MEMBER in table[0x80:]:
            raise _NotAChain
        starts, members = _bytes_of(table)
        # a step never ends at an undecided byte
        gives = members if least != most else _NONE
        return _Part(STEP_RUN, table, least, most, starts, least == 0, gives)

    def _repeat(self, least: Any, most: Any, items: Any) -> _Part:
        unlimited = most is sre.MAXREPEAT or most >= sre.MAXREPEAT
        if len(items) == 1 and items[0][0] in ONE_CHARACTER:
            if max(least, 0 if unlimited else most) > 255:
                raise _NotAChain
            return self._run(items[0], int(least), -1 if unlimited else int(most))
        if (least, most) != (0, 1):
            raise _NotAChain
        inner = tuple(self._sequence(items))
        starts, nullable = _first(inner)
        if nullable:
            raise _NotAChain
        # if it fails, the bytes that it starts with are given back too
        return _Part(STEP_OPTIONAL, b"", 0, 0, starts, True, starts | _gives(inner), (inner,))

    def _decimal(self, items: Sequence[Any]) -> _Part | None:
        """``[0-9]*\\.?[0-9]+`` as one step: its first run gives digits back, but only to its second."""
        if len(items) != 3 or any(op is not sre.MAX_REPEAT or len(av[2]) != 1 for op, av in items):
            return None
        (_, (low, high, whole)), (_, (least, most, dot)), (_, (few, many, fraction)) = items
        if (low, least, most, few) != (0, 0, 1, 1) or high < sre.MAXREPEAT or many < sre.MAXREPEAT:
            return None
        if whole[0] != fraction[0] or whole[0][0] is not sre.IN:
            return None
        node = dot[0]
        if node != (sre.LITERAL, _DOT) and node != (sre.IN, [(sre.LITERAL, _DOT)]):
            return None
        table = character_class(whole[0], self.flags).table
        starts, _ = _bytes_of(table)
        if _DOT in starts or MEMBER in table[0x80:]:
            return None
        return _Part(STEP_DECIMAL, table, 0, 0, starts | {_DOT}, False, starts | {_DOT})

    # -- whether the next byte decides

    def _check(
        self, parts: Sequence[_Part], following: frozenset[int], *, may_end: bool
    ) -> tuple[frozenset[int], bool]:
        """Raise if a part could give back what the rest starts with, unless all of the rest may be empty.

        Returns which bytes the parts and the rest after them can start with, and whether all of these may be empty.
        """
        first, nothing = following, may_end
        for part in reversed(parts):
            if part.kind in (STEP_OPEN, STEP_CLOSE):
                continue
            for inner in part.parts:
                self._check(inner, first, may_end=nothing)
            if part.gives & first and not nothing:
                raise _NotAChain
            first, nothing = (part.first | first, nothing) if part.nullable else (part.first, False)
        return first, nothing

    def _check_walks(self, parts: Sequence[_Part], begin: int, *, walked: bool = False) -> None:
        """Raise if a match that may fail could run over places where others begin: its time would be quadratic."""
        for part in parts:
            if walked and not part.nullable:
                raise _NotAChain
            for way in part.parts:
                self._check_walks(way, begin, walked=walked)
            walked = walked or begin in part.gives

    # -- the steps

    def _write(self, parts: Sequence[_Part], steps: list[Step]) -> None:
        for part in parts:
            if part.kind == STEP_TEXT and steps and steps[-1].kind == STEP_TEXT and not self._is_target(steps):
                steps[-1] = Step(STEP_TEXT, steps[-1].text + part.text)
            elif part.kind == STEP_OPTIONAL:
                at = len(steps)
                steps.append(Step(STEP_OPTIONAL))
                self._write_flat(part.parts[0], steps)
                steps.append(Step(STEP_DONE, least=len(steps) + 1))
                steps[at] = Step(STEP_OPTIONAL, least=len(steps))
            elif part.kind == STEP_EITHER:
                dones = []
                for way in part.parts[:-1]:
                    at = len(steps)
                    steps.append(Step(STEP_EITHER))
                    self._write_flat(way, steps)
                    dones.append(len(steps))
                    steps.append(Step(STEP_DONE))
                    steps[at] = Step(STEP_EITHER, least=len(steps))
                self._write_flat(part.parts[-1], steps)
                for done in dones:
                    steps[done] = Step(STEP_DONE, least=len(steps))
            else:
                steps.append(Step(part.kind, part.text, part.least, part.most))

    def _write_flat(self, parts: Sequence[_Part], steps: list[Step]) -> None:
        if any(part.parts for part in parts):
            # the core keeps a single place at which to continue if a way fails
            raise _NotAChain
        steps += [Step(part.kind, part.text, part.least, part.most) for part in parts]

    @staticmethod
    def _is_target(steps: Sequence[Step]) -> bool:
        """Whether an earlier step jumps to the end of these; then a text that follows must not be merged into the last one."""
        return any(step.kind in (STEP_OPTIONAL, STEP_EITHER, STEP_DONE) and step.least == len(steps) for step in steps)


@lru_cache(maxsize=256)
def _bytes_of(table: bytes) -> tuple[frozenset[int], frozenset[int]]:
    """The bytes that a class may match, and those that it matches in any case."""
    return (
        frozenset(byte for byte in range(256) if table[byte] != STOP),
        frozenset(byte for byte in range(256) if table[byte] == MEMBER),
    )


def _first(parts: Sequence[_Part]) -> tuple[frozenset[int], bool]:
    first: frozenset[int] = _NONE
    for part in parts:
        first |= part.first
        if not part.nullable:
            return first, False
    return first, True


def _gives(parts: Sequence[_Part]) -> frozenset[int]:
    """A superset of the bytes that the end of a sequence could give back: those of all its parts."""
    return _NONE.union(*(part.gives for part in parts))
