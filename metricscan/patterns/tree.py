"""A regex as ``re``'s own parser reads it: its syntax tree, the kinds of nodes, and how to walk all of them."""

from __future__ import annotations

from re import _constants as sre  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator

#: Nodes that match one character.
ONE_CHARACTER = (sre.LITERAL, sre.NOT_LITERAL, sre.ANY, sre.IN)
REPEATS = (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT)
_LEAVES = frozenset({*ONE_CHARACTER, sre.AT})

#: The word for a node in messages, where its name in ``re`` is not clear enough.
NAMES = {
    sre.BRANCH: "alternatives",
    sre.GROUPREF: "a back-reference",
    sre.GROUPREF_EXISTS: "a condition",
    sre.ASSERT: "a lookaround",
    sre.ASSERT_NOT: "a lookaround",
    sre.ATOMIC_GROUP: "an atomic group",
    sre.POSSESSIVE_REPEAT: "a possessive repeat",
}
#: The reason that is given for a pattern whose tree exceeds the recursion limit.
TOO_DEEP = "it is nested too deeply"


class Tree(NamedTuple):
    """A pattern's syntax tree and the flags that hold for the whole of it."""

    items: Any
    flags: int


def within(items: Iterable[tuple[Any, Any]]) -> Iterator[tuple[Any, Any]]:
    """All nodes of a tree, in no order.

    >>> from metricscan.patterns.parse import parse
    >>> sorted(str(op) for op, _ in within(parse("a(?:b|c+)$")))
    ['AT', 'BRANCH', 'LITERAL', 'LITERAL', 'LITERAL', 'MAX_REPEAT']
    """
    waiting = [items]
    while waiting:
        items = waiting.pop()
        # iterating over a subpattern takes three times as long as over its list
        for op, av in getattr(items, "data", items):
            yield op, av
            if op in _LEAVES:
                continue
            if op is sre.SUBPATTERN:
                waiting.append(av[3])
            elif op is sre.BRANCH:
                waiting += av[1]
            elif op in REPEATS:
                waiting.append(av[2])
            elif op in (sre.ASSERT, sre.ASSERT_NOT):
                waiting.append(av[1])
            elif op is sre.ATOMIC_GROUP:
                waiting.append(av)
            elif op is sre.GROUPREF_EXISTS:
                waiting += [branch for branch in av[1:] if branch is not None]


def is_nothing(items: Iterable[tuple[Any, Any]], noted: Container[int]) -> bool:
    """Whether the items match nothing but the empty text, and hold none of the groups that are noted.

    >>> from metricscan.patterns.parse import parse
    >>> [is_nothing(parse(regex), [1]) for regex in ("(?:(?:){3}|)*", "()", "a?")]
    [True, False, False]
    """
    empty = (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.BRANCH)
    return all(op in empty or (op is sre.SUBPATTERN and av[0] not in noted) for op, av in within(items))
