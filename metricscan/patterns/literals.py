"""The literals of which every match contains at least one: the search looks for them in a log.

They are derived from the syntax tree that ``re`` makes, so the pattern means here what it means to ``re``. The result may
miss a literal that every match contains; it never lists one that a match can do without.
"""

from __future__ import annotations

from re import _constants as sre  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any

from metricscan.patterns.fingerprints import weight
from metricscan.patterns.tree import REPEATS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from metricscan.patterns.tree import Tree

LITERAL = sre.LITERAL

# Alternatives and small classes multiply the literals of a set; a set that would exceed this number grows no further.
MOST_LITERALS = 64
MOST_SPELLINGS = 16
# A longer literal would not narrow the search: the search looks at eight bytes of it, the rest is compared.
LONGEST_LITERAL = 256


def required_literals(tree: Tree) -> tuple[tuple[bytes, ...], ...]:
    """Sets of literals of which one must occur in the record for the pattern to match; the caller takes the best.

    Each set is a tuple of UTF-8 byte strings, none empty. No sets: the pattern may match without any fixed text.

    >>> from metricscan.patterns.parse import parse
    >>> from metricscan.patterns.tree import Tree
    >>> required_literals(Tree(parse(r"loss[=:]([0-9.]+) *(?:sec|min)"), 0))
    ((b'loss:', b'loss='), (b'min', b'sec'))
    """
    try:
        return tuple(_Required(tree.flags).sets(tree.items))
    except RecursionError:
        return ()


def best_set(sets: list[tuple[bytes, ...]]) -> tuple[bytes, ...] | None:
    """The set that will be found least often in a log; None if there is none."""
    return min(sets, key=lambda some: (sum(map(weight, some)), -min(map(len, some))), default=None)


class _Required:
    """Walks a sequence and keeps all texts that a match can hold just before the current place."""

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
                # the usual case of the code below, without its lists
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
            # nested repeats would double the text with every level
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
            # a part may have flags of its own; to be careful, case is ignored if the whole or the part ignores it
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
        elif op in REPEATS and av[0] >= 1:
            yield from self.sets(av[2])
        elif op is sre.ATOMIC_GROUP:
            yield from self.sets(av)
        elif op is sre.ASSERT:
            # a literal that a lookaround requires is in the record too
            yield from self.sets(av[1])


# Characters outside ASCII that an ASCII letter matches where case is ignored; a test asks ``re`` about all of Unicode.
_PARTNERS = {"i": "\u0130\u0131", "k": "\u212a", "s": "\u017f"}


def _has_case(char: str) -> bool:
    # ``re`` also folds a few characters that upper() and lower() do not link (U+017F, U+0130 and others); all of
    # them are letters. Digits and punctuation have no other case.
    return char.isalpha() or char.lower() != char or char.upper() != char or ord(char) >= 0x80
