"""The instructions of a program under construction: their words, how to walk them, and their literals and classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metricscan.patterns.opcodes import BYTE, LOOK, SIZES, SPLIT, STOP, STRING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from metricscan.patterns.classes import CharacterClass

# per entry of a class's table "0" where no character begins with the byte, else "1"
_DIGITS = bytes(ord("0" if takes == STOP else "1") for takes in range(256))


class Code:
    """A program's words, its literals and its character classes. program.py appends them, program_facts.py reads them.

    Attributes
    ----------
    words : list of int
        The instructions, one after the other.
    pool : bytearray
        The literals.
    classes : list of CharacterClass
        The words refer to a class by its number here.
    pure : bool
        No instruction depends on captured text or on counted rounds.
    """

    __slots__ = ("_bytes", "_numbers", "classes", "pool", "pure", "words")

    def __init__(self) -> None:
        self.words: list[int] = []
        self.pool = bytearray()
        self.classes: list[CharacterClass] = []
        self.pure = True
        self._numbers: dict[CharacterClass, int] = {}
        self._bytes: dict[int, int] = {}

    def number_of(self, one: CharacterClass) -> int:
        """The number of a class, a new one if it has none."""
        number = self._numbers.setdefault(one, len(self.classes))
        if number == len(self.classes):
            self.classes.append(one)
        return number

    def bytes_of(self, number: int) -> int:
        """The bytes that a character of a class may start with; bit b is set for byte b."""
        known = self._bytes.get(number)
        if known is None:
            table = self.classes[number].table
            # the digits of the number in base two; the last one is the first byte's
            known = self._bytes[number] = int(table.translate(_DIGITS)[::-1], 2)
        return known

    def after(self, at: int) -> int:
        """The place after an instruction."""
        words = self.words
        op = words[at]
        extra = words[at + 4] if op == SPLIT else words[at + 3] if op == LOOK else 0
        return at + SIZES[op] + extra

    def places(self) -> Iterator[int]:
        """The places of all instructions, in order."""
        # as after(), without a call for each: a program is walked some ten times
        words, at = self.words, 0
        while at < len(words):
            yield at
            op = words[at]
            at += SIZES[op] + (words[at + 4] if op == SPLIT else words[at + 3] if op == LOOK else 0)

    def text_at(self, at: int) -> bytes:
        """The text that an instruction compares; empty if it compares none."""
        if self.words[at] == BYTE:
            return bytes([self.words[at + 1]])
        if self.words[at] == STRING:
            offset, length = self.words[at + 1 : at + 3]
            return bytes(self.pool[offset : offset + length])
        return b""
