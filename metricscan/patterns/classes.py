"""One-character nodes of a regex (a literal, ``.``, a class) in the core's form: a table of bytes, and a set of characters.

``re``'s own compiler compiles the node, and its code is translated here. So case folding, partners such as ``k`` and
U+212A, and the meaning of ``\\w`` are those of the running interpreter.
"""

from __future__ import annotations

from functools import lru_cache
from re import _compiler as sre_compiler  # type: ignore[attr-defined]
from re import _constants as sre  # type: ignore[attr-defined]
from struct import pack, unpack
from typing import TYPE_CHECKING, Any, NamedTuple

from metricscan.patterns.opcodes import (
    DIGIT,
    FOLD_ASCII,
    FOLD_NOT,
    FOLD_UNICODE,
    MEMBER,
    SET_CATEGORY,
    SET_END,
    SET_NEGATE,
    SET_RANGE,
    SET_RANGE_FOLDED,
    SPACE,
    STOP,
    UNDECIDED,
    WORD,
)

if TYPE_CHECKING:
    from collections.abc import Callable

# A category in the core's form: its number, 1 if it is negated, 1 for ASCII only.
_CATEGORIES = {
    sre.CATEGORY_DIGIT: (DIGIT, 0, 1),
    sre.CATEGORY_NOT_DIGIT: (DIGIT, 1, 1),
    sre.CATEGORY_SPACE: (SPACE, 0, 1),
    sre.CATEGORY_NOT_SPACE: (SPACE, 1, 1),
    sre.CATEGORY_WORD: (WORD, 0, 1),
    sre.CATEGORY_NOT_WORD: (WORD, 1, 1),
    sre.CATEGORY_UNI_DIGIT: (DIGIT, 0, 0),
    sre.CATEGORY_UNI_NOT_DIGIT: (DIGIT, 1, 0),
    sre.CATEGORY_UNI_SPACE: (SPACE, 0, 0),
    sre.CATEGORY_UNI_NOT_SPACE: (SPACE, 1, 0),
    sre.CATEGORY_UNI_WORD: (WORD, 0, 0),
    sre.CATEGORY_UNI_NOT_WORD: (WORD, 1, 0),
}
_FOLDS = {
    sre.IN: FOLD_NOT,
    sre.LITERAL: FOLD_NOT,
    sre.NOT_LITERAL: FOLD_NOT,
    sre.IN_IGNORE: FOLD_ASCII,
    sre.LITERAL_IGNORE: FOLD_ASCII,
    sre.NOT_LITERAL_IGNORE: FOLD_ASCII,
    sre.IN_UNI_IGNORE: FOLD_UNICODE,
    sre.LITERAL_UNI_IGNORE: FOLD_UNICODE,
    sre.NOT_LITERAL_UNI_IGNORE: FOLD_UNICODE,
}
_IN = (sre.IN, sre.IN_IGNORE, sre.IN_UNI_IGNORE)
_NOT = (sre.NOT_LITERAL, sre.NOT_LITERAL_IGNORE, sre.NOT_LITERAL_UNI_IGNORE)
_LAST = 0x10FFFF
_MOST_ITEMS_KEPT = 64

_Item = tuple[int, ...]


class CharacterClass(NamedTuple):
    """The characters that a node matches.

    Attributes
    ----------
    table : bytes
        256 entries, by the first byte of a character: STOP, MEMBER, or UNDECIDED where it depends on the character.
    set : bytes
        int32, native order: how to fold a character, then the items to try in turn. Empty if nothing is undecided.
    """

    table: bytes
    set: bytes


class UnknownClass(Exception):
    """Why a node cannot be translated."""


def character_class(node: tuple[Any, Any], flags: int) -> CharacterClass:
    """The characters that a one-character node matches under the flags in force.

    >>> from re import _parser
    >>> digits = character_class(_parser.parse("[0-9.]")[0], 32)
    >>> bytes(code for code in range(256) if digits.table[code] == MEMBER), digits.set
    (b'.0123456789', b'')

    Raises
    ------
    UnknownClass
        The node depends on the locale, or ``re`` compiles it to code that this module does not know.
    """
    op, av = node
    if type(av) is not list:
        return _known(op, av, flags)
    # a class of thousands of characters is not worth keeping
    return _known(op, tuple(av), flags) if len(av) <= _MOST_ITEMS_KEPT else _compiled(node, flags)


@lru_cache(maxsize=4096)
def _known(op: Any, av: Any, flags: int) -> CharacterClass:
    return _compiled((op, list(av) if type(av) is tuple else av), flags)


def forget() -> None:
    """Empty the cache of classes, as ``re.purge`` empties that of ``re``; for benchmarks."""
    _known.cache_clear()


def _compiled(node: tuple[Any, Any], flags: int) -> CharacterClass:
    compiled: list[int] = []
    sre_compiler._compile(compiled, [node], flags)
    code = tuple(map(int, compiled))
    op = code[0]
    items: list[_Item]
    if op == sre.ANY:
        fold, items = FOLD_NOT, [(SET_RANGE, 0, 9), (SET_RANGE, 11, _LAST)]
    elif op == sre.ANY_ALL:
        fold, items = FOLD_NOT, [(SET_RANGE, 0, _LAST)]
    elif op in _FOLDS:
        fold = _FOLDS[op]
        if op in _IN:
            items = _items(code, 2)
        else:
            items = [(SET_RANGE, code[1], code[1])]
            if op in _NOT:
                items.insert(0, (SET_NEGATE,))
    else:
        raise UnknownClass(f"it has {str(sre.OPCODES[op]).lower()}")
    table = _ascii_table(fold, items)
    outside = _outside_ascii(fold, items)
    words = [fold, *(word for item in items for word in item), SET_END]
    return CharacterClass(
        table + bytes([outside]) * 128, pack(f"={len(words)}i", *words) if outside == UNDECIDED else b""
    )


def _items(code: tuple[int, ...], at: int) -> list[_Item]:
    """The items of a compiled class, up to its end."""
    items: list[_Item] = []
    while code[at] != sre.FAILURE:
        op = code[at]
        if op == sre.NEGATE:
            items.append((SET_NEGATE,))
            at += 1
        elif op == sre.LITERAL:
            items.append((SET_RANGE, code[at + 1], code[at + 1]))
            at += 2
        elif op == sre.RANGE:
            items.append((SET_RANGE, code[at + 1], code[at + 2]))
            at += 3
        elif op == sre.RANGE_UNI_IGNORE:
            items.append((SET_RANGE_FOLDED, code[at + 1], code[at + 2]))
            at += 3
        elif op == sre.CATEGORY and code[at + 1] in _CATEGORIES:
            items.append((SET_CATEGORY, *_CATEGORIES[code[at + 1]]))
            at += 2
        elif op == sre.CHARSET:
            words = 256 // _BITS
            items += _ranges(_bits(code[at + 1 : at + 1 + words]), 0)
            at += 1 + words
        elif op == sre.BIGCHARSET:
            words, blocks = 256 // _BITS, code[at + 1]
            index = b"".join(
                word.to_bytes(sre_compiler._CODEBITS // 8, _ORDER) for word in code[at + 2 : at + 2 + _INDEX]
            )
            at += 2 + _INDEX
            chunks = [_bits(code[at + block * words : at + (block + 1) * words]) for block in range(blocks)]
            bits = bytearray().join(chunks[number] for number in index)
            items += _ranges(bits, 0)
            at += blocks * words
        else:
            raise UnknownClass(f"it has a class with {str(sre.OPCODES[op]).lower()}")
    return items


_BITS = sre_compiler._CODEBITS
_INDEX = 256 * 8 // _BITS
_ORDER: Any = "little" if unpack("=H", b"\1\0")[0] == 1 else "big"


def _bits(words: tuple[int, ...]) -> bytearray:
    """One byte per bit, lowest first."""
    return bytearray(word >> bit & 1 for word in words for bit in range(_BITS))


def _ranges(bits: bytearray, start: int) -> list[_Item]:
    found: list[_Item] = []
    at = bits.find(1)
    while at >= 0:
        end = bits.find(0, at)
        end = len(bits) if end < 0 else end
        found.append((SET_RANGE, start + at, start + end - 1))
        at = bits.find(1, end)
    return found


def _ascii_table(fold: int, items: list[_Item]) -> bytes:
    """STOP or MEMBER for each ASCII character: the items in turn, as ``re`` tries them, each for all characters at once."""
    members, unanswered, answer = 0, _ASCII, True
    for item in items:
        if item[0] == SET_NEGATE:
            answer = not answer
            continue
        if item[0] == SET_CATEGORY:
            taken = _MEMBERS[item[1], item[3]] ^ (_ASCII if item[2] else 0)
        else:
            taken = (1 << min(item[2], 127) + 1) - (1 << item[1]) if item[1] < 128 else 0
            if item[0] == SET_RANGE_FOLDED:
                # a lower-case letter is tried in upper case too
                taken |= (taken & _UPPER) << 32
        if answer:
            members |= taken & unanswered
        unanswered &= ~taken
    if not answer:
        members |= unanswered
    if fold != FOLD_NOT:
        members = members & ~_UPPER | members >> 32 & _UPPER
    return f"{members:0128b}"[::-1].encode().translate(_DIGIT_VALUES)


def _bits_of(takes: Callable[[str], bool]) -> int:
    return sum(1 << code for code in range(128) if takes(chr(code)))


# The bits of an integer represent a set of ASCII characters.
_ASCII = (1 << 128) - 1
_UPPER = _bits_of(str.isupper)
_MEMBERS = {
    (DIGIT, 0): _bits_of(str.isdecimal),
    (DIGIT, 1): _bits_of(str.isdecimal),
    # Unicode counts four more control characters as blanks
    (SPACE, 0): _bits_of(str.isspace),
    (SPACE, 1): _bits_of(" \t\n\r\f\v".__contains__),
    (WORD, 0): _bits_of(lambda character: character.isalnum() or character == "_"),
    (WORD, 1): _bits_of(lambda character: character.isalnum() or character == "_"),
}
_DIGIT_VALUES = bytes.maketrans(b"01", bytes((STOP, MEMBER)))


def _outside_ascii(fold: int, items: list[_Item]) -> int:
    """MEMBER or STOP if that holds for all characters outside ASCII, lone surrogates among them; else UNDECIDED."""
    answer = True
    for item in items:
        if item[0] == SET_NEGATE:
            answer = not answer
        elif item[0] == SET_RANGE and fold != FOLD_UNICODE and item[2] < 0x80:
            continue
        elif item[0] == SET_RANGE and fold != FOLD_UNICODE and item[1] <= 0x80 and item[2] == _LAST:
            return MEMBER if answer else STOP
        elif item[0] == SET_CATEGORY and item[3]:
            if item[2]:
                return MEMBER if answer else STOP
        else:
            return UNDECIDED
    return STOP if answer else MEMBER
