"""A regex's syntax tree as a program for the core's matcher, or the reason why it is none.

The program takes alternatives in the order in which ``re`` does. What it cannot say exactly is declined: what depends on
captured text, loops whose body may be empty, values captured inside a loop.
"""

from __future__ import annotations

import re
import warnings
from re import _compiler as sre_compiler  # type: ignore[attr-defined]
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser as sre_parser  # type: ignore[attr-defined]
from struct import pack
from typing import TYPE_CHECKING, Any, NamedTuple

from metricscan._pattern import STOP, UNDECIDED, NotASpan, byte_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metricscan._pattern import Tree

# As _program.h numbers them.
_MATCH, _BYTE, _STRING, _CLASS, _RUN, _SPLIT, _JUMP, _SAVE, _BEGIN, _END, _BOUNDARY, _LOOK = range(12)
_SIZES = {
    _MATCH: 1,
    _BYTE: 2,
    _STRING: 3,
    _CLASS: 2,
    _RUN: 8,
    _SPLIT: 4,
    _JUMP: 2,
    _SAVE: 2,
    _BEGIN: 1,
    _END: 1,
    _BOUNDARY: 4,
}
_GREEDY, _LAZY, _POSSESSIVE = range(3)

# Counted repeats are written out; beyond this a pattern is left to re.
MOST_CODE = 20_000
MOST_COUNT = 1 << 30

# U+0130 and U+0131 are an i where case is ignored, U+017F is an s, U+212A a k.
_WITH_PARTNERS = "iIkKsS"

_POSSESSIVE_REPEAT = getattr(sre, "POSSESSIVE_REPEAT", None)
_REPEATS = {sre.MAX_REPEAT: _GREEDY, sre.MIN_REPEAT: _LAZY, _POSSESSIVE_REPEAT: _POSSESSIVE}
_ONE_CHARACTER = (sre.LITERAL, sre.NOT_LITERAL, sre.ANY, sre.IN)
_NAMES = {
    sre.GROUPREF: "a back-reference",
    sre.GROUPREF_EXISTS: "a condition",
    getattr(sre, "ATOMIC_GROUP", None): "an atomic group",
}


class Program(NamedTuple):
    """What the core's matcher runs.

    Attributes
    ----------
    code : bytes
        int32, native order.
    pool, tables : bytes
        The literals; 256 entries a class.
    first : bytes
        Which bytes a match may start with, 256 entries; empty if it may be empty.
    runs, splits : int
    at_start : bool
    words : int
        The table of word characters, or -1.
    """

    code: bytes
    pool: bytes
    tables: bytes
    first: bytes
    runs: int
    splits: int
    at_start: bool
    words: int


class _NotAProgram(Exception):
    """Why a pattern is no program."""


def compile_program(tree: Tree, value_group: int) -> Program | str:
    """The program of a pattern that ``re`` takes, or the reason why there is none.

    >>> from metricscan._dialect import compile_regex
    >>> from metricscan._pattern import Tree
    >>> back, loop = (compile_regex(regex).tree for regex in (r"(a|b)\\1", r"(?:ab|c)+=(\\S+)"))
    >>> compile_program(Tree(back, 0), 1)
    'it has a back-reference'
    >>> compile_program(Tree(loop, 0), 1).splits
    3
    """
    try:
        return _Writer(tree, value_group).program()
    except (_NotAProgram, NotASpan) as reason:
        return str(reason)
    except RecursionError:
        return "it is nested too deeply"


class _Writer:
    def __init__(self, tree: Tree, value_group: int) -> None:
        self.tree = tree
        self.group = value_group
        self.code: list[int] = []
        self.pool = bytearray()
        self.tables: dict[bytes, int] = {}
        self.runs = 0
        self.splits = 0
        self.words = -1
        self.in_loop = False

    def program(self) -> Program:
        if self.tree.flags & re.LOCALE:
            raise _NotAProgram("it depends on the locale")
        if self.group == 0:
            self.emit(_SAVE, 0)
        self.sequence(self.tree.items, self.tree.flags)
        if self.group == 0:
            self.emit(_SAVE, 1)
        self.emit(_MATCH)
        self._look_behind_runs()
        first = self._first()
        return Program(
            pack(f"={len(self.code)}i", *self.code),
            bytes(self.pool),
            b"".join(self.tables),
            first,
            self.runs,
            self.splits,
            self._at_start(),
            self.words,
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
        for op, av in items:
            if op is sre.LITERAL and not (flags & re.IGNORECASE and _is_cased(av)):
                literal += _encoded(av)
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
        if op in _ONE_CHARACTER:
            self.emit(_CLASS, self._table((op, av), flags))
        elif op in _REPEATS and op is not None:
            self._repeat(_REPEATS[op], av, flags)
        elif op is sre.SUBPATTERN:
            self._group(av, flags)
        elif op is sre.BRANCH:
            self._branch(av[1], flags)
        elif op is sre.AT:
            self._anchor(av, flags)
        elif op in (sre.ASSERT, sre.ASSERT_NOT):
            self._look(op is sre.ASSERT, av, flags)
        else:
            raise _NotAProgram(f"it has {_NAMES.get(op, str(op).lower())}")

    def _group(self, av: Any, flags: int) -> None:
        group, add_flags, del_flags, items = av
        flags = (flags | add_flags) & ~del_flags
        is_value = group is not None and group == self.group
        if is_value and self.in_loop:
            raise _NotAProgram("its value is captured in a loop")
        if is_value:
            self.emit(_SAVE, 0)
        self.sequence(items, flags)
        if is_value:
            self.emit(_SAVE, 1)

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

    def _split(self) -> int:
        self.splits += 1
        return self.emit(_SPLIT, 0, 0, self.splits - 1)

    def _repeat(self, kind: int, av: Any, flags: int) -> None:
        least, most, items = int(av[0]), int(av[1]), av[2]
        limit = -1 if most >= MOST_COUNT else most
        if least >= MOST_COUNT:
            raise _NotAProgram("it has a repeat that no record fills")
        if len(items) == 1 and items[0][0] in _ONE_CHARACTER:
            table = self._table(items[0], flags)
            takes_all = all(takes == 1 or byte == 10 for byte, takes in enumerate(list(self.tables)[table]))
            self.emit(_RUN, kind, table, least, limit, -1, self.runs, int(takes_all))
            self.runs += 1
            return
        if kind == _POSSESSIVE:
            raise _NotAProgram("it has a possessive repeat of more than one class")
        shortest, _ = items.getwidth()
        if limit != 1 and most > 1 and shortest == 0:
            raise _NotAProgram("it has a loop whose body may be empty")
        outer, self.in_loop = self.in_loop, self.in_loop or most > 1
        for _ in range(least):
            self.sequence(items, flags)
        if limit < 0:
            split = self._split()
            self._choose(split, kind, len(self.code))
            self.sequence(items, flags)
            self.emit(_JUMP, split)
            self._choose(split, kind, len(self.code), out=True)
        else:
            splits = []
            for _ in range(limit - least):
                splits.append(self._split())
                self._choose(splits[-1], kind, len(self.code))
                self.sequence(items, flags)
            for split in splits:
                self._choose(split, kind, len(self.code), out=True)
        self.in_loop = outer

    def _choose(self, split: int, kind: int, target: int, *, out: bool = False) -> None:
        """A greedy repeat tries its body first, a lazy one the way out."""
        self.code[split + (1 if out == (kind == _LAZY) else 2)] = target

    def _anchor(self, av: Any, flags: int) -> None:
        if av in (sre.AT_BEGINNING, sre.AT_BEGINNING_STRING):
            self.emit(_BEGIN)
        elif av in (sre.AT_END, sre.AT_END_STRING):
            # a record holds no \n: the end is the only place before a final newline, and before any
            self.emit(_END)
        elif av in (sre.AT_BOUNDARY, sre.AT_NON_BOUNDARY):
            if self.words < 0:
                word = bytes(1 if chr(code).isalnum() or code == 95 else 0 for code in range(128))
                self.words = self._numbered(word + bytes(128))
            none_in_empty = av is sre.AT_BOUNDARY or re.search(r"\B", "") is None
            self.emit(_BOUNDARY, int(av is sre.AT_BOUNDARY), int(bool(flags & re.ASCII)), int(none_in_empty))
        else:
            raise _NotAProgram(f"it has {str(av).lower()}")

    def _look(self, positive: bool, av: Any, flags: int) -> None:
        direction, items = av
        tables = []
        for op, argument in items:
            if op not in _ONE_CHARACTER:
                raise _NotAProgram("it has a lookaround of more than single characters")
            tables.append(self._table((op, argument), flags))
        ahead = direction > 0
        self.emit(_LOOK, int(ahead), int(positive), len(tables), *(tables if ahead else reversed(tables)))

    # ---- classes

    def _table(self, node: tuple[Any, Any], flags: int) -> int:
        return self._numbered(_table_of(node, flags))

    def _numbered(self, table: bytes) -> int:
        return self.tables.setdefault(table, len(self.tables))

    # ---- what is known of the whole

    def _steps(self) -> list[int]:
        at, places = 0, []
        while at < len(self.code):
            places.append(at)
            op = self.code[at]
            at += 4 + self.code[at + 3] if op == _LOOK else _SIZES[op]
        return places

    def _look_behind_runs(self) -> None:
        """Tell each run the byte that must follow it, if there is one."""
        for at in self._steps():
            if self.code[at] != _RUN:
                continue
            following = at + _SIZES[_RUN]
            while self.code[following] in (_SAVE, _JUMP):
                following = self.code[following + 1] if self.code[following] == _JUMP else following + _SIZES[_SAVE]
            if self.code[following] == _BYTE:
                self.code[at + 5] = self.code[following + 1]
            elif self.code[following] == _STRING:
                self.code[at + 5] = self.pool[self.code[following + 1]]

    def _first(self) -> bytes:
        tables = list(self.tables)
        first = bytearray(256)
        seen: set[int] = set()
        waiting = [0]
        while waiting:
            at = waiting.pop()
            if at in seen:
                continue
            seen.add(at)
            op = self.code[at]
            if op == _MATCH:
                return b""
            if op == _BYTE:
                first[self.code[at + 1]] = 1
            elif op == _STRING:
                first[self.pool[self.code[at + 1]]] = 1
            elif op in (_CLASS, _RUN):
                table = tables[self.code[at + (1 if op == _CLASS else 2)]]
                for byte, takes in enumerate(table):
                    if takes != STOP:
                        first[byte] = 1
                if op == _RUN and self.code[at + 3] == 0:
                    waiting.append(at + _SIZES[_RUN])
            elif op == _SPLIT:
                waiting += self.code[at + 1 : at + 3]
            elif op == _JUMP:
                waiting.append(self.code[at + 1])
            else:
                waiting.append(at + (4 + self.code[at + 3] if op == _LOOK else _SIZES[op]))
        return bytes(first)

    def _at_start(self) -> bool:
        at = 0
        while self.code[at] == _SAVE:
            at += _SIZES[_SAVE]
        return self.code[at] == _BEGIN


def _encoded(code_point: int) -> bytes:
    if 0xD800 <= code_point <= 0xDFFF:
        raise _NotAProgram("it has a lone surrogate")
    return chr(code_point).encode()


def _is_cased(code_point: int) -> bool:
    # who may have a partner in case is asked of re, character by character; digits and signs have none
    character = chr(code_point)
    return code_point >= 0x80 or character.isalpha()


def _table_of(node: tuple[Any, Any], flags: int) -> bytes:
    """Which bytes a node takes: as ``byte_table``, and for a node that ignores case what ``re`` itself says.

    Outside ASCII a class that ignores case is undecided, and so are the letters that have a partner there.
    """
    op, av = node
    if op is sre.LITERAL and av >= 0x80:
        # a character of several bytes is no class of bytes
        raise _NotAProgram("it repeats, or ignores the case of, a character outside ASCII")
    if not flags & re.IGNORECASE or op is sre.ANY:
        return byte_table(node, flags)
    outside = STOP if op is sre.LITERAL and chr(av) not in _WITH_PARTNERS else UNDECIDED
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        state = sre_parser.State()
        state.flags = flags & ~sre.SRE_FLAG_DEBUG
        alone = sre_compiler.compile(sre_parser.SubPattern(state, [node]), state.flags)
    return bytes(alone.fullmatch(chr(code)) is not None for code in range(128)) + bytes([outside]) * 128
