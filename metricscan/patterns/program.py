r"""Compiles a regex's syntax tree to a program for the core's matcher, or gives the reason why there is none.

The program tries alternatives in the order in which ``re`` does. A construct is declined if a program cannot do exactly what
the running ``re`` does: captures in a possessive repeat (``re`` raises on some), possessive loops whose body may be empty,
parts that change what ``\w``, ``\d`` and ``\s`` mean.
"""

from __future__ import annotations

import re
import sys
from re import _constants as sre  # type: ignore[attr-defined]
from struct import pack
from typing import TYPE_CHECKING, Any, NamedTuple

from metricscan.patterns.classes import CharacterClass, UnknownClass, character_class
from metricscan.patterns.instructions import Code
from metricscan.patterns.opcodes import (
    ATOMIC,
    BEGIN,
    BOUNDARY,
    BYTE,
    CHARGE,
    CHECK,
    CLASS,
    COUNT,
    END,
    END_GROUP,
    ENTER,
    FOLD_ASCII,
    FOLD_NOT,
    FOLD_UNICODE,
    GREEDY,
    GROUP,
    IF,
    JUMP,
    KEEP,
    LAZY,
    LOOK,
    MATCH,
    MEMBER,
    MORE,
    MUST,
    MUST_NOT,
    POSSESSIVE,
    ROUND,
    RUN,
    SAME,
    SAVE,
    SIZES,
    SPLIT,
    STRING,
)
from metricscan.patterns.program_facts import (
    decide_ahead,
    first_bytes,
    frames_a_byte,
    is_at_start,
    is_only_run,
    last_bytes,
    lead,
    note_bytes_after_runs,
    steps_a_byte,
)
from metricscan.patterns.tree import ONE_CHARACTER, TOO_DEEP, is_nothing, within

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metricscan.patterns.tree import Tree

# A program has at most this many words; a pattern that needs more is left to re.
MOST_CODE = 400_000
# A counted repeat is unrolled up to this many words. In a longer one a counter counts the rounds, and the matcher memoizes no
# failed state.
MOST_UNROLLED = 4_000
MOST_COUNT = 1 << 30
# Instructions that the matcher counts no step for are counted by a CHARGE: after so many words, so many steps.
_CHARGE_WORDS = 32
_CHARGE_STEPS = 4
# Each loop around a choice whose rounds may be empty doubles the bits that the choice needs.
MOST_EMPTY_LOOPS = 6

_UNCOUNTED = frozenset({BYTE, STRING, CLASS, RUN, SAVE, BEGIN, END, BOUNDARY, LOOK})
_REFERENCES = frozenset({sre.GROUPREF, sre.GROUPREF_EXISTS})
_REPEATS = {sre.MAX_REPEAT: GREEDY, sre.MIN_REPEAT: LAZY, sre.POSSESSIVE_REPEAT: POSSESSIVE}
# Before Python 3.11.5, re crashes on some possessive and atomic groups. There this module declines them, and re decides.
_GROUPS_ARE_SOUND = sys.version_info >= (3, 11, 5)


class Program(NamedTuple):
    """A pattern as the core's matcher runs it.

    Attributes
    ----------
    code : bytes
        int32, native order.
    pool, tables : bytes
        The literals; 256 entries per class.
    sets, set_at : bytes
        int32: the sets that decide characters outside ASCII, and where each class's set begins.
    first : bytes
        Which bytes a match may start with, 256 entries; empty if a match may be empty.
    last : bytes
        Which bytes a record with a match may end with, 256 entries; empty if all may.
    only_run : bool
        The pattern is one greedy run of at least one character, without a limit, and the value is the whole match.
    width : int
        The least number of characters of a match.
    ways : bytes
        256 entries per choice: bit 0, its first way may continue with this byte; bit 1, its second.
    lead, lead_class : int
    lead_text : bytes
    lead_ascii : bool
        Where a match can start: the fields of program_facts.Lead.
    runs, splits, loops, slots : int
        The number of runs; of bits that the choices need per place; of loops whose rounds the matcher tracks; of starts and
        ends of groups that it stores.
    at_start : bool
        The pattern can match only at the record's start.
    words : int
        The class of word characters among ASCII, for boundaries; -1 if the pattern has no boundary.
    pure : bool
        No instruction depends on captured text or on counted rounds.
    steps_a_byte : int
        How many steps the budget of a record grows by with each byte.
    has_loops : bool
        It has repeats of more than one class without a limit, or with a large one.
    frames_a_byte : int
        How many frames to backtrack to a round of its loops can push.
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
    steps_a_byte: int
    has_loops: bool
    frames_a_byte: int


class _NotAProgram(Exception):
    """The reason why a pattern cannot become a program."""


def compile_program(tree: Tree, value_group: int) -> Program | str:
    """The program of a pattern that ``re`` accepts, or the reason why there is none.

    >>> from metricscan.patterns.dialect import compile_regex
    >>> from metricscan.patterns.tree import Tree
    >>> captures, loop = (compile_regex(regex).tree for regex in (r"(?:(a)|b)++", r"(?:ab|c)+=(\\S+)"))
    >>> compile_program(Tree(captures, 0), 1)
    'it has a possessive repeat that captures'
    >>> compile_program(Tree(loop, 0), 1).splits
    2
    """
    try:
        return _Emitter(tree, value_group).program()
    except (_NotAProgram, UnknownClass) as reason:
        return str(reason)
    except RecursionError:
        return TOO_DEEP


class _Emitter:
    """Walks a tree and emits its code; the slots, runs, choices and loops are numbered on the way."""

    def __init__(self, tree: Tree, value_group: int) -> None:
        self.tree = tree
        self.group = value_group
        self.code = Code()
        self.words = self.code.words
        self.runs = 0
        self.splits = 0
        self.loops = 0
        self.word_class = -1
        # the enclosing loops whose rounds may be empty, if a failure at this place depends on them
        self.empty_loops: list[int] = []
        self.sizes: dict[int, int] = {}
        self.slots = {value_group: 0}
        self.has_loops = False
        # up to where a CHARGE counts the instructions
        self.charged = 0
        # how many choices, repeats, lookarounds and atomic groups enclose this place
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
        self.emit(MATCH)
        code = self.code
        note_bytes_after_runs(code)
        first = first_bytes(code)
        last = last_bytes(code) if first else b""
        where = lead(code)
        at_start = is_at_start(code)
        # decide_ahead replaces RUN by opcodes that the functions above do not know, so it is called after them
        ways = decide_ahead(code)
        if code.pure:
            for at in self.always_saved:
                self.words[at] = KEEP
        sets, set_at = b"", []
        for one in code.classes:
            set_at.append(len(sets) // 4)
            sets += one.set
        return Program(
            pack(f"={len(self.words)}i", *self.words),
            bytes(code.pool),
            b"".join(one.table for one in code.classes),
            sets,
            pack(f"={len(set_at)}i", *set_at),
            first,
            last,
            is_only_run(code),
            min(self.tree.items.getwidth()[0], MOST_COUNT),
            ways,
            *where,
            self.runs,
            self.splits,
            self.loops,
            2 * len(self.slots),
            at_start,
            self.word_class,
            code.pure,
            steps_a_byte(code, self.splits),
            self.has_loops,
            frames_a_byte(code),
        )

    # ---- writing

    def emit(self, *words: int) -> int:
        at = len(self.words)
        if at - self.charged >= _CHARGE_WORDS and words[0] in _UNCOUNTED:
            self.words += (CHARGE, _CHARGE_STEPS)
            self.charged = at = at + SIZES[CHARGE]
        self.words += words
        if len(self.words) > MOST_CODE:
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
            self.emit(BYTE, literal[0])
        elif literal:
            self.emit(STRING, len(self.code.pool), len(literal))
            self.code.pool += literal
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
            self.emit(CLASS, self._class((op, av), flags))
        elif op in _REPEATS:
            self._repeat(_REPEATS[op], av, flags)
        elif op is sre.BRANCH:
            self._branch(av[1], flags)
        elif op is sre.AT:
            self._anchor(av, flags)
        elif op in (sre.ASSERT, sre.ASSERT_NOT):
            self._look(op is sre.ASSERT, av, flags)
        elif op is sre.ATOMIC_GROUP and _GROUPS_ARE_SOUND:
            self._own_group(ATOMIC, 0, av, flags)
        elif op is sre.GROUPREF:
            self.code.pure = False
            fold = (
                FOLD_NOT
                if not flags & sre.SRE_FLAG_IGNORECASE
                else FOLD_UNICODE
                if flags & sre.SRE_FLAG_UNICODE
                else FOLD_ASCII
            )
            self.emit(SAME, self.slots[av], fold)
        elif op is sre.GROUPREF_EXISTS:
            self._condition(av, flags)
        else:
            raise _NotAProgram(f"it has {str(op).lower()}")

    def _subpattern(self, av: Any, flags: int) -> None:
        group, add_flags, del_flags, items = av
        if add_flags & _TYPE_FLAGS & ~flags:
            # re.search matches the first character of such a part by the flags of the whole, re.match by those of the part
            raise _NotAProgram("a part of it changes what \\w, \\d and \\s mean")
        flags = (flags | add_flags) & ~del_flags
        slot = None if group is None else self.slots.get(group)
        if slot is not None:
            self._save(slot)
        self.sequence(items, flags)
        if slot is not None:
            self._save(slot + 1)

    def _save(self, slot: int) -> None:
        at = self.emit(SAVE, slot)
        if not self.nested:
            self.always_saved.append(at)

    def _branch(self, branches: Sequence[Any], flags: int) -> None:
        jumps = []
        for items in branches[:-1]:
            split = self._split()
            self.words[split + 1] = len(self.words)
            self.sequence(items, flags)
            jumps.append(self.emit(JUMP, 0))
            self.words[split + 2] = len(self.words)
        self.sequence(branches[-1], flags)
        for jump in jumps:
            self.words[jump + 1] = len(self.words)

    def _condition(self, av: Any, flags: int) -> None:
        group, yes, no = av
        self.code.pure = False
        condition = self.emit(IF, self.slots[group], 0)
        self.sequence(yes, flags)
        jump = self.emit(JUMP, 0)
        self.words[condition + 2] = len(self.words)
        if no is not None:
            self.sequence(no, flags)
        self.words[jump + 1] = len(self.words)

    def _own_group(self, kind: int, back: int, items: Any, flags: int) -> None:
        """Emit an atomic group or a lookaround: a failure in it does not depend on the loops around it."""
        outer, self.empty_loops = self.empty_loops, []
        group = self.emit(GROUP, kind, back, 0)
        self.sequence(items, flags)
        self.emit(END_GROUP)
        self.words[group + 3] = len(self.words)
        self.empty_loops = outer

    def _split(self, *own: int) -> int:
        loops = [*self.empty_loops, *own]
        number = self.splits
        if len(loops) > MOST_EMPTY_LOOPS:
            self.code.pure = False
        else:
            self.splits += 1 << len(loops)
        return self.emit(SPLIT, 0, 0, number, len(loops), -1, 0, *loops)

    # ---- repeats

    def _repeat(self, kind: int, av: Any, flags: int) -> None:
        least, most, items = int(av[0]), int(av[1]), av[2]
        if least >= MOST_COUNT:
            raise _NotAProgram("it has a repeat that no record fills")
        if kind != POSSESSIVE and is_nothing(items, self.slots):
            return
        limit = -1 if most >= MOST_COUNT else most
        if len(items) == 1 and items[0][0] in ONE_CHARACTER:
            self._run(kind, least, limit, items[0], flags)
        elif kind == POSSESSIVE:
            self._possessive(least, limit, items, flags)
        elif limit < 0:
            if self._unrolled_size(items) * least > MOST_UNROLLED:
                self._counted(kind, least, limit, items, flags)
            else:
                self._loop(kind, least, items, flags)
        elif self._unrolled_size(items) * limit > MOST_UNROLLED and limit > 1:
            self._counted(kind, least, limit, items, flags)
        else:
            self._bounded(kind, least, limit, items, flags)

    def _run(self, kind: int, least: int, limit: int, node: tuple[Any, Any], flags: int) -> None:
        one = character_class(node, flags)
        number = self.code.number_of(one)
        takes_all = one.table.count(MEMBER) + (one.table[10] != MEMBER) == len(one.table)
        split = None
        if least == 0 and kind != POSSESSIVE and self.empty_loops:
            # The matcher memoizes a failure after a run by the run's end alone, not by whether the run was empty. So in such a
            # loop an empty run is a choice, and the run itself consumes at least one character.
            split = self._split()
            self._choose(split, kind, len(self.words))
            least = 1
            if limit == 0:
                self._choose(split, kind, len(self.words), out=True)
                return
        self.emit(RUN, kind, number, least, limit, -1, self.runs, int(takes_all), -1)
        self.runs += 1
        if split is not None:
            self._choose(split, kind, len(self.words), out=True)

    def _loop(self, kind: int, least: int, items: Any, flags: int) -> None:
        """Emit a repeat without a limit: all required rounds but one unrolled, then a loop around one body."""
        self.has_loops = True
        for _ in range(least - 1):
            self.sequence(items, flags)
        loop = self._new_loop() if items.getwidth()[0] == 0 else None
        if loop is not None:
            self.emit(ENTER, loop)
        entry = self.emit(JUMP, 0) if least else None
        # here the loop starts another round or ends; after a round that consumed nothing it ends
        top = len(self.words)
        if loop is not None and kind == GREEDY:
            check = self.emit(CHECK, loop, 0)
        split = self._split(*([loop] if loop is not None and kind == LAZY else []))
        self._choose(split, kind, len(self.words))
        if loop is not None:
            if kind == LAZY:
                self.emit(CHECK, loop, -1)
            self.emit(ROUND, loop)
            self.empty_loops = [*self.empty_loops, loop]
        if entry is not None:
            self.words[entry + 1] = len(self.words)
        self.sequence(items, flags)
        self.emit(JUMP, top)
        if loop is not None:
            self.empty_loops = self.empty_loops[:-1]
            if kind == GREEDY:
                self.words[check + 2] = len(self.words)
        self._choose(split, kind, len(self.words), out=True)

    def _bounded(self, kind: int, least: int, limit: int, items: Any, flags: int) -> None:
        """Emit a repeat with a limit, unrolled: each optional round is nested in the one before."""
        for _ in range(least):
            self.sequence(items, flags)
        loop = self._new_loop() if items.getwidth()[0] == 0 and limit - least > 1 else None
        if loop is not None:
            self.emit(ENTER, loop)
        outer = self.empty_loops
        splits, checks = [], []
        for number in range(limit - least):
            if loop is not None and number and kind == GREEDY:
                checks.append(self.emit(CHECK, loop, 0))
            splits.append(self._split(*([loop] if loop is not None and number and kind == LAZY else [])))
            self._choose(splits[-1], kind, len(self.words))
            if loop is not None:
                if number and kind == LAZY:
                    self.emit(CHECK, loop, -1)
                self.emit(ROUND, loop)
                self.empty_loops = [*outer, loop]
            self.sequence(items, flags)
            self.empty_loops = outer
        for check in checks:
            self.words[check + 2] = len(self.words)
        for split in splits:
            self._choose(split, kind, len(self.words), out=True)

    def _counted(self, kind: int, least: int, limit: int, items: Any, flags: int) -> None:
        """Emit a repeat too long to be unrolled: a counter counts its rounds."""
        self.code.pure = False
        self.has_loops = True
        loop = self._new_loop()
        self._new_loop()
        self.emit(ENTER, loop)
        self.emit(ENTER, loop + 1)
        top = self.emit(COUNT, loop, least, limit, kind, 0)
        self.emit(MORE, loop, limit, len(self.words) + SIZES[MORE])
        self.sequence(items, flags)
        self.emit(JUMP, top)
        self.words[top + 5] = len(self.words)

    def _possessive(self, least: int, limit: int, items: Any, flags: int) -> None:
        """Emit a possessive repeat: each round is an atomic group, and all optional rounds together are one more."""
        if not _GROUPS_ARE_SOUND:
            raise _NotAProgram("it has a possessive repeat of more than one class")
        if any(op is sre.SUBPATTERN and av[0] is not None for op, av in within(items)):
            raise _NotAProgram("it has a possessive repeat that captures")
        if items.getwidth()[0] == 0:
            raise _NotAProgram("it has a possessive loop whose body may be empty")
        outer, self.empty_loops = self.empty_loops, []
        for _ in range(least):
            self._own_group(ATOMIC, 0, items, flags)
        self.has_loops |= limit < 0
        group = self.emit(GROUP, ATOMIC, 0, 0)
        top = len(self.words)
        splits = []
        for _ in range(1 if limit < 0 else limit - least):
            splits.append(self._split())
            self._choose(splits[-1], GREEDY, len(self.words))
            self._own_group(ATOMIC, 0, items, flags)
        if limit < 0:
            self.emit(JUMP, top)
        for split in splits:
            self._choose(split, GREEDY, len(self.words), out=True)
        self.emit(END_GROUP)
        self.words[group + 3] = len(self.words)
        self.empty_loops = outer

    def _choose(self, split: int, kind: int, target: int, *, out: bool = False) -> None:
        """Set a target of a repeat's choice: a greedy repeat tries its body first, a lazy one its exit (``out``)."""
        self.words[split + (1 if out == (kind == LAZY) else 2)] = target

    def _new_loop(self) -> int:
        # the matcher stores the places of loops after those of groups
        self.loops += 1
        return 2 * len(self.slots) + self.loops - 1

    def _unrolled_size(self, items: Any) -> int:
        """Estimate the number of words of the items' code. Each node is visited once, however deep the repeats are nested."""
        known = self.sizes.get(id(items))
        if known is not None:
            return known
        size = 0
        for op, av in items:
            if op is sre.SUBPATTERN:
                size += 4 + self._unrolled_size(av[3])
            elif op is sre.BRANCH:
                size += sum(7 + self._unrolled_size(branch) for branch in av[1])
            elif op in _REPEATS:
                body = self._unrolled_size(av[2])
                copies = max(int(av[0]), 1) if int(av[1]) >= MOST_COUNT else int(av[1])
                size += 16 + (body * copies if body * copies <= MOST_UNROLLED else body)
            elif op in (sre.ASSERT, sre.ASSERT_NOT):
                size += 5 + self._unrolled_size(av[1])
            elif op is sre.ATOMIC_GROUP:
                size += 5 + self._unrolled_size(av)
            elif op is sre.GROUPREF_EXISTS:
                size += 5 + self._unrolled_size(av[1]) + (0 if av[2] is None else self._unrolled_size(av[2]))
            else:
                size += 3
        self.sizes[id(items)] = size
        return size

    # ---- anchors and lookaround

    def _anchor(self, av: Any, flags: int) -> None:
        if av in (sre.AT_BEGINNING, sre.AT_BEGINNING_STRING):
            self.emit(BEGIN)
        elif av in (sre.AT_END, sre.AT_END_STRING):
            # a record holds no \n: $ and \Z both mean its end
            self.emit(END)
        elif av in (sre.AT_BOUNDARY, sre.AT_NON_BOUNDARY):
            if self.word_class < 0:
                word = bytes(1 if chr(code).isalnum() or code == 95 else 0 for code in range(128))
                self.word_class = self.code.number_of(CharacterClass(word + bytes(128), b""))
            none_in_empty = av is sre.AT_BOUNDARY or re.search(r"\B", "") is None
            self.emit(BOUNDARY, int(av is sre.AT_BOUNDARY), int(not flags & sre.SRE_FLAG_UNICODE), int(none_in_empty))
        else:
            raise _NotAProgram(f"it has {str(av).lower()}")

    def _look(self, positive: bool, av: Any, flags: int) -> None:
        direction, items = av
        ahead = direction > 0
        if not all(op in ONE_CHARACTER for op, _ in items):
            back = 0 if ahead else int(items.getwidth()[0])
            if back >= MOST_COUNT:
                raise _NotAProgram("it looks behind further than any record reaches")
            self._own_group(MUST if positive else MUST_NOT, back, items, flags)
            return
        classes = [self._class(node, flags) for node in items]
        self.emit(LOOK, int(ahead), int(positive), len(classes), *(classes if ahead else reversed(classes)))

    # ---- classes

    def _class(self, node: tuple[Any, Any], flags: int) -> int:
        return self.code.number_of(character_class(node, flags))


_TYPE_FLAGS = sre.SRE_FLAG_ASCII | sre.SRE_FLAG_LOCALE | sre.SRE_FLAG_UNICODE


def _is_text(code_point: int, flags: int) -> bool:
    """Whether a literal matches its own bytes only: it is no lone surrogate, and no letter whose case is ignored."""
    if 0xD800 <= code_point <= 0xDFFF:
        return False
    return not flags & sre.SRE_FLAG_IGNORECASE or (code_point < 0x80 and not chr(code_point).isalpha())
