r"""A regex's syntax tree as a program for the core's matcher, or the reason why it is none.

The program takes alternatives in the order in which ``re`` does. What it cannot say exactly as the running ``re`` does is
declined: captures in a possessive repeat (``re`` raises on some), possessive loops whose body may be empty, parts that
change what ``\w``, ``\d`` and ``\s`` mean.
"""

from __future__ import annotations

import re
import sys
from re import _constants as sre  # type: ignore[attr-defined]
from struct import pack
from typing import TYPE_CHECKING, Any, NamedTuple

from metricscan.patterns.classes import (
    MEMBER,
    STOP,
    UNDECIDED,
    CharacterClass,
    UnknownClass,
    character_class,
)
from metricscan.patterns.tree import ONE_CHARACTER, TOO_DEEP, within

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from metricscan.patterns.tree import Tree

# As kernel/program.h numbers them.
_MATCH, _BYTE, _STRING, _CLASS, _RUN, _SPLIT, _JUMP, _SAVE, _BEGIN, _END, _BOUNDARY, _LOOK = range(12)
_ENTER, _CHECK, _ROUND, _COUNT, _MORE, _GROUP, _END_GROUP, _SAME, _IF = range(12, 21)
_FIXED, _MAYBE, _REST, _KEEP = range(21, 25)
_SIZES = {
    _MATCH: 1,
    _BYTE: 2,
    _STRING: 3,
    _CLASS: 2,
    _RUN: 9,
    _FIXED: 9,
    _MAYBE: 9,
    _REST: 9,
    _SPLIT: 7,  # and one for each loop
    _JUMP: 2,
    _SAVE: 2,
    _KEEP: 2,
    _BEGIN: 1,
    _END: 1,
    _BOUNDARY: 4,
    _LOOK: 4,  # and one for each class
    _ENTER: 2,
    _CHECK: 3,
    _ROUND: 2,
    _COUNT: 6,
    _MORE: 4,
    _GROUP: 4,
    _END_GROUP: 1,
    _SAME: 3,
    _IF: 3,
}
_GREEDY, _LAZY, _POSSESSIVE = range(3)
_ATOMIC, _MUST, _MUST_NOT = range(3)
_ANYWHERE, _AT_TEXT, _BEFORE_TEXT, _AT_ONCE, _BEFORE_END = range(5)
_FOLD_NOT, _FOLD_ASCII, _FOLD_UNICODE = range(3)

_RUNS = (_RUN, _FIXED, _MAYBE, _REST)

# A pattern that is longer than this, written out, is left to re.
MOST_CODE = 400_000
# A counted repeat is written out up to this many words; beyond, its rounds are counted, and nothing is remembered of it.
MOST_UNROLLED = 4_000
MOST_COUNT = 1 << 30
# A choice inside loops with empty rounds needs two bits for each of them.
MOST_EMPTY_LOOPS = 6
# Whether the next byte decides is looked for over this many places, and told of this many choices.
MOST_AHEAD = 64
MOST_WAYS = 256
# Of a longer pattern it is not asked what records with a match end with.
MOST_LAST = 100

_REFERENCES = frozenset({sre.GROUPREF, sre.GROUPREF_EXISTS})
_REPEATS = {sre.MAX_REPEAT: _GREEDY, sre.MIN_REPEAT: _LAZY, sre.POSSESSIVE_REPEAT: _POSSESSIVE}
# Before 3.11.5 re itself crashes on some possessive and atomic groups: what it means by them is then its own affair.
_GROUPS_ARE_SOUND = sys.version_info >= (3, 11, 5)


class Program(NamedTuple):
    """What the core's matcher runs.

    Attributes
    ----------
    code : bytes
        int32, native order.
    pool, tables : bytes
        The literals; 256 entries a class.
    sets, set_at : bytes
        int32: what decides characters outside ASCII, and where a class's set begins.
    first : bytes
        Which bytes a match may start with, 256 entries; empty if it may be empty.
    last : bytes
        Which bytes a record with a match may end with, 256 entries; empty if any.
    only_run : bool
        It is one greedy run without a limit, of one character at least, and all of it is the value.
    width : int
        No match is shorter than this.
    ways : bytes
        256 entries a choice: bit 0, its first way may go on with this byte, bit 1, its second.
    lead, lead_class : int
    lead_text : bytes
        Where a match can start: anywhere, at a text, before one or the end, or at once.
    lead_ascii : bool
        In other records than ASCII it can start anywhere.
    runs, splits, loops, slots : int
    at_start : bool
    words : int
        The class of word characters, or -1.
    pure : bool
        Nothing depends on captured text or on counted rounds.
    """

    code: bytes
    pool: bytes
    tables: bytes
    sets: bytes
    set_at: bytes
    first: bytes
    last: bytes
    only_run: bool
    width: int
    ways: bytes
    lead: int
    lead_class: int
    lead_text: bytes
    lead_ascii: bool
    runs: int
    splits: int
    loops: int
    slots: int
    at_start: bool
    words: int
    pure: bool


class _Start(NamedTuple):
    """What can come next at a place in the code: more may be said to be, never less."""

    first: int  # bit b: a byte taken here may be b
    at_end: bool  # the rest may need no byte where the record ends
    anywhere: bool  # the rest may need no byte, or any


_UNKNOWN = _Start((1 << 256) - 1, True, True)
_ASCII = (1 << 128) - 1


class _NotAProgram(Exception):
    """Why a pattern is no program."""


def compile_program(tree: Tree, value_group: int) -> Program | str:
    """The program of a pattern that ``re`` takes, or the reason why there is none.

    >>> from metricscan.patterns.dialect import compile_regex
    >>> from metricscan.patterns.tree import Tree
    >>> captures, loop = (compile_regex(regex).tree for regex in (r"(?:(a)|b)++", r"(?:ab|c)+=(\\S+)"))
    >>> compile_program(Tree(captures, 0), 1)
    'it has a possessive repeat that captures'
    >>> compile_program(Tree(loop, 0), 1).splits
    2
    """
    try:
        return _Writer(tree, value_group).program()
    except (_NotAProgram, UnknownClass) as reason:
        return str(reason)
    except RecursionError:
        return TOO_DEEP


class _Writer:
    def __init__(self, tree: Tree, value_group: int) -> None:
        self.tree = tree
        self.group = value_group
        self.code: list[int] = []
        self.pool = bytearray()
        self.classes: dict[CharacterClass, int] = {}
        self.runs = 0
        self.splits = 0
        self.loops = 0
        self.words = -1
        self.pure = True
        # loops around this place whose rounds may be empty, as far as what fails here depends on them
        self.empty_loops: list[int] = []
        self.sizes: dict[int, int] = {}
        self.slots = {value_group: 0}
        self.masks: dict[int, int] = {}
        # how many choices, repeats and groups that are decided for themselves are around this place
        self.nested = 0
        self.always_saved: list[int] = []

    def program(self) -> Program:
        if self.tree.flags & sre.SRE_FLAG_LOCALE:
            raise _NotAProgram("it depends on the locale")
        for op, av in within(self.tree.items):
            if op in _REFERENCES:
                self.slots.setdefault(int(av if op is sre.GROUPREF else av[0]), 2 * len(self.slots))
        if self.group == 0:
            self._save(0)
        self.sequence(self.tree.items, self.tree.flags)
        if self.group == 0:
            self._save(1)
        self.emit(_MATCH)
        self._look_behind_runs()
        start = self._start(0)
        first = b"" if start.at_end or start.anywhere else _table(start.first)
        last = self._last() if first else b""
        lead = self._lead()
        at_start = self._at_start()
        ways = b"" if any(self.code[at] == _GROUP for at in self._steps()) else self._decide_ahead()
        if self.pure:
            for at in self.always_saved:
                self.code[at] = _KEEP
        sets, set_at = b"", []
        for one in self.classes:
            set_at.append(len(sets) // 4)
            sets += one.set
        return Program(
            pack(f"={len(self.code)}i", *self.code),
            bytes(self.pool),
            b"".join(one.table for one in self.classes),
            sets,
            pack(f"={len(set_at)}i", *set_at),
            first,
            last,
            self._only_run(),
            min(self.tree.items.getwidth()[0], MOST_COUNT),
            ways,
            *lead,
            self.runs,
            self.splits,
            self.loops,
            2 * len(self.slots),
            at_start,
            self.words,
            self.pure,
        )

    # ---- writing

    def emit(self, *words: int) -> int:
        at = len(self.code)
        self.code += words
        if len(self.code) > MOST_CODE:
            raise _NotAProgram(f"written out it is longer than {MOST_CODE:,} words")
        return at

    def sequence(self, items: Any, flags: int) -> None:
        literal = bytearray()
        ignore_case = flags & sre.SRE_FLAG_IGNORECASE
        for op, av in getattr(items, "data", items):
            if op is sre.LITERAL:
                if av < 0x80 and not ignore_case:
                    literal.append(av)
                    continue
                if _is_text(av, flags):
                    literal += chr(av).encode()
                    continue
            self._flush(literal)
            self._item(op, av, flags)
        self._flush(literal)

    def _flush(self, literal: bytearray) -> None:
        if len(literal) == 1:
            self.emit(_BYTE, literal[0])
        elif literal:
            self.emit(_STRING, len(self.pool), len(literal))
            self.pool += literal
        literal.clear()

    def _item(self, op: Any, av: Any, flags: int) -> None:
        if op is sre.SUBPATTERN:
            self._subpattern(av, flags)
            return
        self.nested += 1
        self._other_item(op, av, flags)
        self.nested -= 1

    def _other_item(self, op: Any, av: Any, flags: int) -> None:
        if op in ONE_CHARACTER:
            self.emit(_CLASS, self._class((op, av), flags))
        elif op in _REPEATS:
            self._repeat(_REPEATS[op], av, flags)
        elif op is sre.BRANCH:
            self._branch(av[1], flags)
        elif op is sre.AT:
            self._anchor(av, flags)
        elif op in (sre.ASSERT, sre.ASSERT_NOT):
            self._look(op is sre.ASSERT, av, flags)
        elif op is sre.ATOMIC_GROUP and _GROUPS_ARE_SOUND:
            self._decided(_ATOMIC, 0, av, flags)
        elif op is sre.GROUPREF:
            self.pure = False
            fold = (
                _FOLD_NOT
                if not flags & sre.SRE_FLAG_IGNORECASE
                else _FOLD_UNICODE
                if flags & sre.SRE_FLAG_UNICODE
                else _FOLD_ASCII
            )
            self.emit(_SAME, self.slots[av], fold)
        elif op is sre.GROUPREF_EXISTS:
            self._condition(av, flags)
        else:
            raise _NotAProgram(f"it has {str(op).lower()}")

    def _subpattern(self, av: Any, flags: int) -> None:
        group, add_flags, del_flags, items = av
        if add_flags & _TYPE_FLAGS & ~flags:
            # re itself reads the first character of such a part by the flags of the whole when it searches, not when it matches
            raise _NotAProgram("a part of it changes what \\w, \\d and \\s mean")
        flags = (flags | add_flags) & ~del_flags
        slot = None if group is None else self.slots.get(group)
        if slot is not None:
            self._save(slot)
        self.sequence(items, flags)
        if slot is not None:
            self._save(slot + 1)

    def _save(self, slot: int) -> None:
        at = self.emit(_SAVE, slot)
        if not self.nested:
            self.always_saved.append(at)

    def _branch(self, branches: Sequence[Any], flags: int) -> None:
        jumps = []
        for items in branches[:-1]:
            split = self._split()
            self.code[split + 1] = len(self.code)
            self.sequence(items, flags)
            jumps.append(self.emit(_JUMP, 0))
            self.code[split + 2] = len(self.code)
        self.sequence(branches[-1], flags)
        for jump in jumps:
            self.code[jump + 1] = len(self.code)

    def _condition(self, av: Any, flags: int) -> None:
        group, yes, no = av
        self.pure = False
        condition = self.emit(_IF, self.slots[group], 0)
        self.sequence(yes, flags)
        jump = self.emit(_JUMP, 0)
        self.code[condition + 2] = len(self.code)
        if no is not None:
            self.sequence(no, flags)
        self.code[jump + 1] = len(self.code)

    def _decided(self, kind: int, back: int, items: Any, flags: int) -> None:
        """A part that is decided for itself: what fails in it does not depend on the loops around it."""
        outer, self.empty_loops = self.empty_loops, []
        group = self.emit(_GROUP, kind, back, 0)
        self.sequence(items, flags)
        self.emit(_END_GROUP)
        self.code[group + 3] = len(self.code)
        self.empty_loops = outer

    def _split(self, *own: int) -> int:
        loops = [*self.empty_loops, *own]
        number = self.splits
        if len(loops) > MOST_EMPTY_LOOPS:
            self.pure = False
        else:
            self.splits += 1 << len(loops)
        return self.emit(_SPLIT, 0, 0, number, len(loops), -1, 0, *loops)

    # ---- repeats

    def _repeat(self, kind: int, av: Any, flags: int) -> None:
        least, most, items = int(av[0]), int(av[1]), av[2]
        if least >= MOST_COUNT:
            raise _NotAProgram("it has a repeat that no record fills")
        limit = -1 if most >= MOST_COUNT else most
        if len(items) == 1 and items[0][0] in ONE_CHARACTER:
            self._run(kind, least, limit, items[0], flags)
        elif kind == _POSSESSIVE:
            self._possessive(least, limit, items, flags)
        elif limit < 0:
            if self._size_written_out(items) * least > MOST_UNROLLED:
                self._counted(kind, least, limit, items, flags)
            else:
                self._loop(kind, least, items, flags)
        elif self._size_written_out(items) * limit > MOST_UNROLLED and limit > 1:
            self._counted(kind, least, limit, items, flags)
        else:
            self._bounded(kind, least, limit, items, flags)

    def _run(self, kind: int, least: int, limit: int, node: tuple[Any, Any], flags: int) -> None:
        one = character_class(node, flags)
        number = self._numbered(one)
        takes_all = one.table.count(MEMBER) + (one.table[10] != MEMBER) == len(one.table)
        split = None
        if least == 0 and kind != _POSSESSIVE and self.empty_loops:
            # What fails behind a run is remembered by its end alone: so a run in such a loop always moves.
            split = self._split()
            self._choose(split, kind, len(self.code))
            least = 1
            if limit == 0:
                self._choose(split, kind, len(self.code), out=True)
                return
        self.emit(_RUN, kind, number, least, limit, -1, self.runs, int(takes_all), -1)
        self.runs += 1
        if split is not None:
            self._choose(split, kind, len(self.code), out=True)

    def _loop(self, kind: int, least: int, items: Any, flags: int) -> None:
        """A repeat without a limit: all rounds but the last demanded one written out, then a loop around one body."""
        for _ in range(least - 1):
            self.sequence(items, flags)
        loop = self._new_loop() if items.getwidth()[0] == 0 else None
        if loop is not None:
            self.emit(_ENTER, loop)
        entry = self.emit(_JUMP, 0) if least else None
        # here it is decided whether there is a further round; after one that has not moved there is none
        top = len(self.code)
        if loop is not None and kind == _GREEDY:
            check = self.emit(_CHECK, loop, 0)
        split = self._split(*([loop] if loop is not None and kind == _LAZY else []))
        self._choose(split, kind, len(self.code))
        if loop is not None:
            if kind == _LAZY:
                self.emit(_CHECK, loop, -1)
            self.emit(_ROUND, loop)
            self.empty_loops = [*self.empty_loops, loop]
        if entry is not None:
            self.code[entry + 1] = len(self.code)
        self.sequence(items, flags)
        self.emit(_JUMP, top)
        if loop is not None:
            self.empty_loops = self.empty_loops[:-1]
            if kind == _GREEDY:
                self.code[check + 2] = len(self.code)
        self._choose(split, kind, len(self.code), out=True)

    def _bounded(self, kind: int, least: int, limit: int, items: Any, flags: int) -> None:
        """A repeat with a limit, written out: each further round inside the one before."""
        for _ in range(least):
            self.sequence(items, flags)
        loop = self._new_loop() if items.getwidth()[0] == 0 and limit - least > 1 else None
        if loop is not None:
            self.emit(_ENTER, loop)
        outer = self.empty_loops
        splits, checks = [], []
        for number in range(limit - least):
            if loop is not None and number and kind == _GREEDY:
                checks.append(self.emit(_CHECK, loop, 0))
            splits.append(self._split(*([loop] if loop is not None and number and kind == _LAZY else [])))
            self._choose(splits[-1], kind, len(self.code))
            if loop is not None:
                if number and kind == _LAZY:
                    self.emit(_CHECK, loop, -1)
                self.emit(_ROUND, loop)
                self.empty_loops = [*outer, loop]
            self.sequence(items, flags)
            self.empty_loops = outer
        for check in checks:
            self.code[check + 2] = len(self.code)
        for split in splits:
            self._choose(split, kind, len(self.code), out=True)

    def _counted(self, kind: int, least: int, limit: int, items: Any, flags: int) -> None:
        """A repeat too long to be written out: its rounds are counted."""
        self.pure = False
        loop = self._new_loop()
        self._new_loop()
        self.emit(_ENTER, loop)
        self.emit(_ENTER, loop + 1)
        top = self.emit(_COUNT, loop, least, limit, kind, 0)
        self.emit(_MORE, loop, limit, len(self.code) + _SIZES[_MORE])
        self.sequence(items, flags)
        self.emit(_JUMP, top)
        self.code[top + 5] = len(self.code)

    def _possessive(self, least: int, limit: int, items: Any, flags: int) -> None:
        """Each round is decided for itself, and so is how many there are."""
        if not _GROUPS_ARE_SOUND:
            raise _NotAProgram("it has a possessive repeat of more than one class")
        if any(op is sre.SUBPATTERN and av[0] is not None for op, av in within(items)):
            raise _NotAProgram("it has a possessive repeat that captures")
        if items.getwidth()[0] == 0:
            raise _NotAProgram("it has a possessive loop whose body may be empty")
        outer, self.empty_loops = self.empty_loops, []
        for _ in range(least):
            self._decided(_ATOMIC, 0, items, flags)
        group = self.emit(_GROUP, _ATOMIC, 0, 0)
        top = len(self.code)
        splits = []
        for _ in range(1 if limit < 0 else limit - least):
            splits.append(self._split())
            self._choose(splits[-1], _GREEDY, len(self.code))
            self._decided(_ATOMIC, 0, items, flags)
        if limit < 0:
            self.emit(_JUMP, top)
        for split in splits:
            self._choose(split, _GREEDY, len(self.code), out=True)
        self.emit(_END_GROUP)
        self.code[group + 3] = len(self.code)
        self.empty_loops = outer

    def _choose(self, split: int, kind: int, target: int, *, out: bool = False) -> None:
        """A greedy repeat tries its body first, a lazy one the way out."""
        self.code[split + (1 if out == (kind == _LAZY) else 2)] = target

    def _new_loop(self) -> int:
        # the matcher keeps them behind the slots
        self.loops += 1
        return 2 * len(self.slots) + self.loops - 1

    def _size_written_out(self, items: Any) -> int:
        """About how many words the items take. Each node is looked at once, however deep the repeats are nested."""
        known = self.sizes.get(id(items))
        if known is not None:
            return known
        size = 0
        for op, av in items:
            if op is sre.SUBPATTERN:
                size += 4 + self._size_written_out(av[3])
            elif op is sre.BRANCH:
                size += sum(7 + self._size_written_out(branch) for branch in av[1])
            elif op in _REPEATS:
                body = self._size_written_out(av[2])
                copies = max(int(av[0]), 1) if int(av[1]) >= MOST_COUNT else int(av[1])
                size += 16 + (body * copies if body * copies <= MOST_UNROLLED else body)
            elif op in (sre.ASSERT, sre.ASSERT_NOT):
                size += 5 + self._size_written_out(av[1])
            elif op is sre.ATOMIC_GROUP:
                size += 5 + self._size_written_out(av)
            elif op is sre.GROUPREF_EXISTS:
                size += 5 + self._size_written_out(av[1]) + (0 if av[2] is None else self._size_written_out(av[2]))
            else:
                size += 3
        self.sizes[id(items)] = size
        return size

    # ---- anchors and lookaround

    def _anchor(self, av: Any, flags: int) -> None:
        if av in (sre.AT_BEGINNING, sre.AT_BEGINNING_STRING):
            self.emit(_BEGIN)
        elif av in (sre.AT_END, sre.AT_END_STRING):
            # a record holds no \n: the end is the only place before a final newline, and before any
            self.emit(_END)
        elif av in (sre.AT_BOUNDARY, sre.AT_NON_BOUNDARY):
            if self.words < 0:
                word = bytes(1 if chr(code).isalnum() or code == 95 else 0 for code in range(128))
                self.words = self._numbered(CharacterClass(word + bytes(128), b""))
            none_in_empty = av is sre.AT_BOUNDARY or re.search(r"\B", "") is None
            self.emit(_BOUNDARY, int(av is sre.AT_BOUNDARY), int(not flags & sre.SRE_FLAG_UNICODE), int(none_in_empty))
        else:
            raise _NotAProgram(f"it has {str(av).lower()}")

    def _look(self, positive: bool, av: Any, flags: int) -> None:
        direction, items = av
        ahead = direction > 0
        if not all(op in ONE_CHARACTER for op, _ in items):
            back = 0 if ahead else int(items.getwidth()[0])
            if back >= MOST_COUNT:
                raise _NotAProgram("it looks behind further than any record reaches")
            self._decided(_MUST if positive else _MUST_NOT, back, items, flags)
            return
        classes = [self._class(node, flags) for node in items]
        self.emit(_LOOK, int(ahead), int(positive), len(classes), *(classes if ahead else reversed(classes)))

    # ---- classes

    def _class(self, node: tuple[Any, Any], flags: int) -> int:
        return self._numbered(character_class(node, flags))

    def _numbered(self, one: CharacterClass) -> int:
        return self.classes.setdefault(one, len(self.classes))

    # ---- what is known of the whole

    def _after(self, at: int) -> int:
        op = self.code[at]
        extra = self.code[at + 4] if op == _SPLIT else self.code[at + 3] if op == _LOOK else 0
        return at + _SIZES[op] + extra

    def _steps(self) -> Iterator[int]:
        at = 0
        while at < len(self.code):
            yield at
            at = self._after(at)

    def _look_behind_runs(self) -> None:
        """Tell each run the byte that must follow it, if there is one."""
        for at in self._steps():
            if self.code[at] != _RUN:
                continue
            text = self._text_at(self._surely_after(at))
            if text:
                self.code[at + 5] = text[0]

    def _decide_ahead(self) -> bytes:
        """Tell the runs and choices that the next byte decides from those that may have to be come back to.

        Not in a pattern with groups that are decided for themselves: what stands behind such a group has no say in it.
        """
        tables = [one.table for one in self.classes]
        ways: dict[bytes, int] = {}
        for at in self._steps():
            if self.code[at] == _RUN:
                kind, number, least, most = self.code[at + 1 : at + 5]
                # bytes outside ASCII are left to the general way
                outside = bytes(UNDECIDED if takes else STOP for takes in tables[number][128:])
                self.code[at + 8] = self._numbered(CharacterClass(tables[number][:128] + outside, b""))
                after = self._after(at)
                start = self._start(after, MOST_AHEAD)
                if kind != _POSSESSIVE and not self._is_decided(kind, number, after, start):
                    continue
                self.code[at] = _MAYBE if (least, most) == (0, 1) else _FIXED
                if self.code[at + 7] and most < 0 and least <= 1 and (kind == _POSSESSIVE or not start.first):
                    self.code[at] = _REST
            elif self.code[at] == _SPLIT and len(ways) < MOST_WAYS:
                first, second = (self._start(target, MOST_AHEAD) for target in self.code[at + 1 : at + 3])
                if first.anywhere and second.anywhere:
                    continue
                one = first.first if not first.anywhere else _UNKNOWN.first
                other = second.first if not second.anywhere else _UNKNOWN.first
                table = bytes((one >> byte & 1) + 2 * (other >> byte & 1) for byte in range(256))
                self.code[at + 5] = ways.setdefault(table, len(ways))
                self.code[at + 6] = (first.at_end or first.anywhere) + 2 * (second.at_end or second.anywhere)
        return b"".join(ways)

    def _is_decided(self, kind: int, number: int, after: int, start: _Start) -> bool:
        """Whether a run may only end where its class or its limit ends it, as far as it takes ASCII."""
        if not start.anywhere:
            return not self._bytes_of(number) & start.first & _ASCII
        return kind == _GREEDY and self._cannot_fail(after)

    def _cannot_fail(self, at: int) -> bool:
        """Whether all that is left may take nothing: then the first way, the longest end of a run, is not come back from."""
        for _ in range(MOST_AHEAD):
            op = self.code[at]
            if op == _MATCH:
                return True
            if op == _JUMP:
                at = self.code[at + 1]
            elif op == _SPLIT:
                at = self.code[at + 2]
            elif op == _SAVE or (op in _RUNS and self.code[at + 3] == 0):
                at = self._after(at)
            else:
                return False
        return False

    def _only_run(self) -> bool:
        steps = list(self._steps()) if len(self.code) < 20 else []
        if [self.code[at] for at in steps] not in ([_KEEP, _FIXED, _KEEP, _MATCH], [_KEEP, _REST, _KEEP, _MATCH]):
            return False
        kind, _, least, most = self.code[steps[1] + 1 : steps[1] + 5]
        return kind == _GREEDY and (least, most) == (1, -1)

    def _last(self) -> bytes:
        """Which bytes a record with a match may end with; empty if a match may end before its end."""
        if not any(self.code[at] == _END for at in self._steps()):
            return b""
        last = 0
        for number, at in enumerate(self._steps()):
            if number == MOST_LAST:
                return b""
            op = self.code[at]
            if op == _BYTE:
                taken = 1 << self.code[at + 1]
            elif op == _STRING:
                taken = 1 << self.pool[self.code[at + 1] + self.code[at + 2] - 1]
            elif op == _CLASS or op in _RUNS:
                taken = self._bytes_of(self.code[at + (1 if op == _CLASS else 2)])
                if taken > _ASCII:
                    taken |= _UNKNOWN.first ^ _ASCII
            elif op == _SAME:
                return b""
            else:
                continue
            after = self._start(self._after(at), MOST_AHEAD)
            if after.anywhere:
                return b""
            if after.at_end:
                last |= taken
        return _table(last)

    def _bytes_of(self, number: int) -> int:
        """The bytes that a character of the class may start with."""
        known = self.masks.get(number)
        if known is None:
            table = list(self.classes)[number].table
            known = self.masks[number] = sum(1 << byte for byte, takes in enumerate(table) if takes != STOP)
        return known

    def _start(self, at: int, most: int = MOST_CODE) -> _Start:
        """What can come next, unknown if it takes looking at more places."""
        first = 0
        at_end = anywhere = False
        seen: set[tuple[int, bool]] = set()
        waiting = [(at, False)]
        while waiting:
            place = waiting.pop()
            if place in seen:
                continue
            if len(seen) == most:
                return _UNKNOWN
            seen.add(place)
            at, ended = place
            op = self.code[at]
            following = [self._after(at)]
            taken = 0
            if op in (_MATCH, _SAME):
                at_end |= ended
                anywhere |= not ended
                following = []
            elif op == _BYTE:
                taken = 1 << self.code[at + 1]
                following = []
            elif op == _STRING:
                taken = 1 << self.pool[self.code[at + 1]]
                following = []
            elif op == _CLASS:
                taken = self._bytes_of(self.code[at + 1])
                following = []
            elif op in _RUNS:
                taken = self._bytes_of(self.code[at + 2])
                if self.code[at + 3] > 0:
                    following = []
            elif op == _SPLIT:
                following = self.code[at + 1 : at + 3]
            elif op == _JUMP:
                following = [self.code[at + 1]]
            elif op == _GROUP and self.code[at + 1] != _ATOMIC:
                following = [self.code[at + 3]]
            elif op in (_CHECK, _IF) and self.code[at + 2] >= 0:
                following.append(self.code[at + 2])
            elif op == _COUNT:
                following.append(self.code[at + 5])
            elif op == _END:
                ended = True
            if not ended:
                first |= taken
            waiting += [(target, ended) for target in following]
        return _Start(first, at_end, anywhere)

    def _lead(self) -> tuple[int, int, bytes, bool]:
        """Where a match can start, its class and text, and whether that holds for ASCII alone.

        What comes first in every match is read off the code.
        """
        at = self._taker(0)
        text = self._text_at(at)
        if text:
            return _AT_TEXT, 0, text, False
        # what must hold where the match starts makes places of a run differ
        plain = all(self.code[step] in (_SAVE, _JUMP, _ENTER, _RUN) for step in self._steps() if step <= at)
        if self.code[at] != _RUN or not (plain and self.pure) or self.code[at + 4] >= 0:
            return _ANYWHERE, 0, b"", False
        least, takes_all = self.code[at + 3], self.code[at + 7]
        if least == 0 and takes_all and self.code[at + 1] != _POSSESSIVE:
            # .* gets from where the search begins to wherever a match could start
            return _AT_ONCE, 0, b"", False
        one = list(self.classes)[self.code[at + 2]]
        after = self._surely_after(at)
        text = self._text_at(after)
        if text and one.table[text[0]] == STOP:
            return _BEFORE_TEXT, self.code[at + 2], text, bool(one.set)
        if self.code[after] == _END:
            return _BEFORE_END, self.code[at + 2], b"", bool(one.set)
        return _ANYWHERE, 0, b"", False

    def _surely_after(self, at: int) -> int:
        """What takes the next characters after this, in every match; what only looks at them is passed over."""
        return self._taker(self._after(at))

    def _taker(self, at: int) -> int:
        while True:
            op = self.code[at]
            if op == _JUMP:
                at = self.code[at + 1]
            elif op == _GROUP and self.code[at + 1] != _ATOMIC:
                at = self.code[at + 3]
            elif op in (_SAVE, _ENTER, _BOUNDARY, _LOOK):
                at = self._after(at)
            else:
                return at

    def _text_at(self, at: int) -> bytes:
        if self.code[at] == _BYTE:
            return bytes([self.code[at + 1]])
        if self.code[at] == _STRING:
            offset, length = self.code[at + 1 : at + 3]
            return bytes(self.pool[offset : offset + length])
        return b""

    def _at_start(self) -> bool:
        at = 0
        while self.code[at] == _SAVE:
            at += _SIZES[_SAVE]
        return self.code[at] == _BEGIN


def _table(mask: int) -> bytes:
    return bytes(mask >> byte & 1 for byte in range(256))


_TYPE_FLAGS = sre.SRE_FLAG_ASCII | sre.SRE_FLAG_LOCALE | sre.SRE_FLAG_UNICODE


def _is_text(code_point: int, flags: int) -> bool:
    """Whether a literal is nothing but its bytes: no lone surrogate, and no letter whose case is ignored."""
    if 0xD800 <= code_point <= 0xDFFF:
        return False
    return not flags & sre.SRE_FLAG_IGNORECASE or (code_point < 0x80 and not chr(code_point).isalpha())
