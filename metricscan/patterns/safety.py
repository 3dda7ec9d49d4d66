"""Check on the syntax tree whether a pattern is ReDoS-safe; may reject a safe pattern, never accepts an unsafe one.

A pattern is provably linear if a search from one place in a record takes a number of steps that is at most linear in the
record's length, whatever the record. The check requires that at most one repeat, and none within a loop, can give characters
back to what follows it, and that what follows does not read the same text again from each such place.

A search over all places of a record is quadratic at worst. ``re`` and ``regex`` set no bound on backtracking, so only a
provably linear pattern is left to them without a warning.
"""

from __future__ import annotations

import re
from re import _constants as sre  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any

from metricscan.patterns.classes import UnknownClass, character_class
from metricscan.patterns.opcodes import STOP
from metricscan.patterns.tree import ONE_CHARACTER, REPEATS

if TYPE_CHECKING:
    from metricscan.patterns.tree import Tree

# A set of characters is an integer: a bit for each ASCII character, and one each for the other digits, blanks, word characters
# and the rest.
_DIGITS, _BLANKS, _WORDS, _REST = (1 << bit for bit in range(128, 132))
_OUTSIDE = _DIGITS | _BLANKS | _WORDS | _REST
_ANY = (1 << 132) - 1
_NONE = 0

# A lookaround over at most this many characters, or a back-reference to them, takes constant time.
_SHORT = 64
_UNKNOWN = (0, _SHORT + 1)
_HIGH_POWER = 3
# So does a counted class outside loops that can give back at most this many characters.
_FEW = 8


_SAME_TEXT = "a repeat stands in a loop whose next round can take the same text"


class _UnsafeError(Exception):
    """Why a pattern is not provably linear."""


def doubt(tree: Tree, *, classes_known: bool = True) -> str | None:
    r"""Why a pattern is not provably linear; None if it is.

    Parameters
    ----------
    tree : Tree
    classes_known : bool
        False: any class may match any character, as in a pattern for ``regex``, whose tree is that of a similar pattern.

    Examples
    --------
    >>> from metricscan.patterns.dialect import compile_regex
    >>> from metricscan.patterns.tree import Tree
    >>> trees = [compile_regex(regex).tree for regex in (r"(?P<name>\w+)=(\d+)(?:, \d+)*", r"(a+)+$", r".*a.*b")]
    >>> linear, exponential, cubic = (doubt(Tree(tree, tree.state.flags)) for tree in trees)
    >>> linear
    >>> exponential
    'a repeat stands in a loop whose next round can take the same text'
    >>> cubic
    '2 of its repeats can divide the same text between them'
    """
    reader = _Reader(classes_known=classes_known)
    try:
        reader.sequence(tree.items, _NONE, tree.flags, in_loop=False)
    except _UnsafeError as reason:
        return str(reason)
    except RecursionError:
        return "it is nested too deeply to tell"
    if reader.unsure > 1:
        return f"{reader.unsure} of its repeats can divide the same text between them"
    return "after backtracking, a second repeat can read the same text again" if reader.read_again else None


def may_explode(tree: Tree) -> bool:
    """Whether a pattern may take exponential time, or a high power of the text's length, so that even a short text takes long."""
    reader = _Reader(classes_known=True)
    try:
        reader.sequence(tree.items, _NONE, tree.flags, in_loop=False)
    except (_UnsafeError, RecursionError):
        return True
    return reader.unsure > _HIGH_POWER


class _Reader:
    """Reads a tree from right to left, and notes which repeats can give characters back and what follows them.

    Attributes
    ----------
    unsure : int
        How many repeats can give a character back to what follows.
    read_again : bool
        Whether what follows such a repeat may read the same text from each place where the repeat gives a character back.
    """

    def __init__(self, *, classes_known: bool) -> None:
        self.classes_known = classes_known
        self.known: dict[Any, int] = {}
        self.widths: dict[int, tuple[int, int]] = {}
        self.unsure = 0
        self.read_again = False
        # Of the part to the right: the characters that its long repeats match, and whether such a repeat may start anywhere.
        # It may not after a character that none of them matches: from any place it ends before the next such character.
        self.taken = _NONE
        self.exposed = False

    def sequence(self, items: Any, follow: int, flags: int, *, in_loop: bool) -> int:
        """The characters that a sequence may start with; if it may be empty, those that follow it too."""
        items = list(items)
        for op, av in items:
            if op is sre.SUBPATTERN and av[0] is not None:
                self.widths[av[0]] = av[3].getwidth()
        for op, av in reversed(items):
            follow = self.node(op, av, follow, flags, in_loop=in_loop)
        return follow

    def node(self, op: Any, av: Any, follow: int, flags: int, *, in_loop: bool) -> int:
        if op in ONE_CHARACTER:
            members = self.members((op, av), flags)
            if not members & self.taken:
                self.exposed = False
            return members
        if op is sre.AT:
            return follow
        if op is sre.SUBPATTERN:
            _, add, delete, body = av
            return self.sequence(body, follow, _combined(flags, add, delete), in_loop=in_loop)
        if op is sre.BRANCH:
            return self.branches(av[1], follow, flags, in_loop=in_loop)
        if op in REPEATS:
            return self.repeat(op, av, follow, flags, in_loop=in_loop)
        if op is sre.ATOMIC_GROUP:
            return self.sequence(av, follow, flags, in_loop=in_loop)
        if op in (sre.ASSERT, sre.ASSERT_NOT):
            self.look(av[1], flags, in_loop=in_loop)
            return _ANY if av[1].getwidth()[1] > _SHORT else follow
        if op is sre.GROUPREF:
            # inside or before the group that it refers to, its width is unknown
            if self.widths.get(av, _UNKNOWN)[1] > _SHORT:
                if in_loop:
                    raise _UnsafeError("a back-reference to a long group stands in a loop")
                self.gives_back()
                self.runs(_ANY)
            return _ANY
        if op is sre.GROUPREF_EXISTS:
            return self.branches([branch or [] for branch in av[1:]], follow, flags, in_loop=in_loop)
        raise _UnsafeError(f"it has {str(op).lower()}")

    def gives_back(self) -> None:
        self.unsure += 1
        self.read_again |= self.exposed

    def runs(self, members: int) -> None:
        self.taken |= members
        self.exposed = True

    def branches(self, branches: Any, follow: int, flags: int, *, in_loop: bool) -> int:
        union = taken = _NONE
        exposed = False
        right = self.taken, self.exposed
        unsure = most = self.unsure
        for branch in branches:
            self.taken, self.exposed = right
            self.unsure = unsure
            first = self.sequence(branch, follow, flags, in_loop=in_loop)
            if in_loop and union & first:
                raise _UnsafeError("alternatives in a loop can start with the same character")
            union |= first
            taken |= self.taken
            exposed |= self.exposed
            most = max(most, self.unsure)
        self.taken, self.exposed, self.unsure = taken, exposed, most
        return union

    def repeat(self, kind: Any, av: Any, follow: int, flags: int, *, in_loop: bool) -> int:
        low, high, body = int(av[0]), int(av[1]), av[2]
        if high == 0:
            return follow
        varies = low != high and kind is not sre.POSSESSIVE_REPEAT
        if len(body) == 1 and body[0][0] in ONE_CHARACTER:
            members = self.members(body[0], flags)
            if varies and members & follow:
                if in_loop:
                    raise _UnsafeError(_SAME_TEXT)
                if high - low > _FEW:
                    self.gives_back()
            if high > _FEW:
                self.runs(members)
            return members | (follow if low == 0 else _NONE)
        alone, may_be_empty = self.starts(body, flags)
        behind = follow if low == 0 else _NONE
        if high == 1:
            if in_loop and varies and (may_be_empty or alone & follow):
                raise _UnsafeError("an optional part of a loop can start as what follows it")
            exposed = self.exposed
            first = self.sequence(body, follow, flags, in_loop=in_loop)
            self.exposed |= exposed
            return first | behind
        if may_be_empty:
            raise _UnsafeError("a loop's body may be empty")
        if varies and alone & follow:
            if in_loop:
                raise _UnsafeError(_SAME_TEXT)
            self.gives_back()
        self.sequence(body, alone | follow, flags, in_loop=True)
        self.runs(_ANY)
        return alone | behind

    def look(self, body: Any, flags: int, *, in_loop: bool) -> None:
        if body.getwidth()[1] <= _SHORT:
            right = self.taken, self.exposed
            self.sequence(body, _NONE, flags, in_loop=in_loop)
            self.taken, self.exposed = right
            return
        if in_loop:
            raise _UnsafeError("a long lookaround stands in a loop")
        unsure = self.unsure
        self.sequence(body, _NONE, flags, in_loop=in_loop)
        # alone it takes linear time, but what precedes it may start it again and again
        self.unsure = max(self.unsure, unsure + 1)
        self.runs(_ANY)

    def starts(self, items: Any, flags: int) -> tuple[int, bool]:
        """The characters that a sequence alone may start with, and whether it may be empty."""
        first = _NONE
        for op, av in items:
            more, may_be_empty = self.starts_of(op, av, flags)
            first |= more
            if not may_be_empty:
                return first, False
        return first, True

    def starts_of(self, op: Any, av: Any, flags: int) -> tuple[int, bool]:
        if op in ONE_CHARACTER:
            return self.members((op, av), flags), False
        if op is sre.SUBPATTERN:
            return self.starts(av[3], _combined(flags, av[1], av[2]))
        if op is sre.ATOMIC_GROUP:
            return self.starts(av, flags)
        if op in REPEATS:
            first, may_be_empty = self.starts(av[2], flags)
            return first, may_be_empty or int(av[0]) == 0
        if op is sre.BRANCH:
            parts = [self.starts(branch, flags) for branch in av[1]]
            union = _NONE
            for first, _ in parts:
                union |= first
            return union, any(may_be_empty for _, may_be_empty in parts)
        if op is sre.AT:
            return _NONE, True
        if op is sre.GROUPREF:
            return _ANY, self.widths.get(av, _UNKNOWN)[0] == 0
        return _ANY, True

    def members(self, node: tuple[Any, Any], flags: int) -> int:
        if not self.classes_known:
            return _ANY
        op, av = node
        key = (op, tuple(av) if isinstance(av, list) else av, flags)
        if key not in self.known:
            self.known[key] = _members(op, av, flags)
        return self.known[key]


def _combined(flags: int, add: int, delete: int) -> int:
    """The flags of a part, as ``re`` combines them: only one of a, u and L holds."""
    if add & (re.ASCII | re.UNICODE | re.LOCALE):
        flags &= ~(re.ASCII | re.UNICODE | re.LOCALE)
    return (flags | add) & ~delete


def _members(op: Any, av: Any, flags: int) -> int:
    """The characters that a node matches; the set may be too large."""
    try:
        table = character_class((op, av), flags).table
    except UnknownClass:
        return _ANY
    found = sum(1 << code for code in range(128) if table[code] != STOP)
    if table[128] != STOP:
        found |= _outside(op, av, flags)
    return found


def _outside(op: Any, av: Any, flags: int) -> int:
    if op is not sre.IN or av[0][0] is sre.NEGATE or flags & (re.ASCII | re.IGNORECASE):
        return _OUTSIDE
    found = _NONE
    for kind, value in av:
        if kind is sre.CATEGORY:
            found |= _CATEGORIES.get(value, _OUTSIDE)
        elif (kind is sre.LITERAL and value >= 0x80) or (kind is sre.RANGE and value[1] >= 0x80):
            return _OUTSIDE
    return found


_CATEGORIES = {
    sre.CATEGORY_DIGIT: _DIGITS,
    sre.CATEGORY_NOT_DIGIT: _BLANKS | _WORDS | _REST,
    sre.CATEGORY_SPACE: _BLANKS,
    sre.CATEGORY_NOT_SPACE: _DIGITS | _WORDS | _REST,
    sre.CATEGORY_WORD: _DIGITS | _WORDS,
    sre.CATEGORY_NOT_WORD: _BLANKS | _REST,
}
