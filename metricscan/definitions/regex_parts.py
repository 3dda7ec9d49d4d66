"""A definition's regex taken apart: the places of its groups, and examples that it matches."""

from __future__ import annotations

import re
from functools import lru_cache
from re import _constants as sre  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any

from metricscan.definitions.tokens import class_end, tokens_of
from metricscan.patterns import safety
from metricscan.patterns.dialect import RegexError, compile_quietly, compile_regex, value_group
from metricscan.patterns.tree import REPEATS, Tree, within

if TYPE_CHECKING:
    from collections.abc import Iterator

# A number as logs print them.
NUMBER = r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
# What suggestions put in the value's group: numbers, nan and infinities. The core decides these alternatives by their first
# character.
_UNSIGNED = r"[0-9]+\.?[0-9]*(?:[eE][-+]?[0-9]+)?|\.[0-9]+(?:[eE][-+]?[0-9]+)?|{begin}[Nn]a[Nn]{end}|{begin}[Ii]nf(?:inity)?{end}"
VALUE = rf"[-+]?(?:{_UNSIGNED.format(begin='', end=chr(92) + 'b')})"
# The same, with what may stand between groups of digits: the whole of 1,234.5, of which float() makes no number.
_WHOLE, _WHOLE_IN_GROUPS = r"[0-9]+\.?[0-9]*", r"[0-9]+(?:[.,'\u2019\u00a0\u202f][0-9]+)*\.?"
# One of these before a name makes it part of another name. No digits: logs write a tab as #011.
NAME_CHARACTERS = "A-Za-z_/.-"
# What may stand behind a match.
_TAILS = ("", " ", ", x")
_LONGEST = 10_000
_LONGEST_EXAMPLE = 1_000


class RegexParts:
    """A regex taken apart as far as the findings of lint need it."""

    def __init__(self, regex: str) -> None:
        self.regex = regex
        dialect = compile_regex(regex)
        self.engine = dialect.engine
        self.compiled = dialect.compiled
        self.tree = Tree(dialect.tree, dialect.tree.state.flags)
        self.items = list(self.tree.items)
        self.group = value_group(self.compiled)
        # the groups' places in the text; none for a verbose regex, whose comments may hold parentheses
        self.groups = {} if self.tree.flags & re.VERBOSE else group_places(regex)
        self.may_explode = safety.may_explode(self.tree)
        self.tokens = [] if self.tree.flags & re.VERBOSE else tokens_of(regex)
        self.refers = any(op in (sre.GROUPREF, sre.GROUPREF_EXISTS) for op, _ in within(self.items))

    @property
    def body(self) -> re.Pattern[str] | None:
        """The compiled body of the value's group."""
        return self.body_of(self.group)

    def body_of(self, group: int) -> re.Pattern[str] | None:
        """The compiled body of a group; None if there is no such group, or if references make it depend on the rest."""
        if group not in self.groups or self.refers:
            return None
        _, start, end = self.groups[group]
        return _compiled(self.regex[start:end], self.tree.flags & ~(re.UNICODE | re.DEBUG))

    def value_body(self, group: int | None = None, *, in_groups: bool = False) -> str:
        """What takes every number in the place of a group's body; if asked, those in groups of digits too."""
        body = self._value_body(group)
        return body.replace(_WHOLE, _WHOLE_IN_GROUPS) if in_groups else body

    def _value_body(self, group: int | None) -> str:
        group = self.group if group is None else group
        behind = self.regex[self.groups[group][2] + 1 :] if group in self.groups else ""
        # nan is no beginning of nanoseconds, unless the regex says what follows it
        end = "" if re.match(r"[A-Za-z0-9_](?![?*{])", behind) else r"\b"
        if group == self.group and self.begins_with_value:
            # a sign behind a digit is a dash between two numbers; nan behind a letter is the end of a word
            return rf"(?:(?<![\w.)])[-+])?(?:{_UNSIGNED.format(begin='(?<![A-Za-z])', end=end)})"
        return rf"[-+]?(?:{_UNSIGNED.format(begin='', end=end)})"

    @property
    def begins_with_value(self) -> bool:
        """Whether a match may begin with the value's group."""
        for op, av in self.items:
            if op is sre.SUBPATTERN and (av[0] == self.group or holds(av[3], self.group)):
                return True
            if not may_be_empty((op, av)):
                return False
        return True

    def surroundings(self) -> Iterator[tuple[str, str]]:
        """Short texts before and behind the value in which the pattern may match; none if ``re`` might need too long."""
        if self.may_explode:
            return
        try:
            before, after = _around(self.items, self.group)
        except _NoExampleError:
            return
        if "\n" in before + after:
            # no record holds a line end
            return
        for tail in _TAILS:
            yield before, after + tail
        if after:
            # it may match a digit of the number in the place of what follows
            yield before, ""

    def example(self, value: str) -> str | None:
        """A short text in which the pattern finds the value; None if none was found, or if ``re`` might need too long."""
        for before, after in self.surroundings():
            text = before + value + after
            match = self.compiled.search(text)
            if match is not None and match[self.group] == value:
                return text
        return None


@lru_cache(maxsize=1024)
def _compiled(body: str, flags: int) -> re.Pattern[str] | None:
    # definitions share few kinds of bodies
    try:
        return compile_quietly(body, flags)
    except (re.error, ValueError, RecursionError, OverflowError):
        return None


@lru_cache(maxsize=4096)
def parts_of(regex: str) -> RegexParts | None:
    """The regex taken apart; None if ``re`` does not accept it, or if it is too long to be written by hand."""
    if len(regex) > _LONGEST:
        return None
    try:
        parts = RegexParts(regex)
    except (RegexError, RecursionError):
        return None
    return parts if parts.engine == "re" else None


def longer_name(before: str) -> str:
    """The beginning of a name that the text before another name ends in; empty if that name stands alone.

    >>> longer_name("step 3 val_"), longer_name("#011"), longer_name("done..."), longer_name("2 -")
    ('val_', '', '', '')
    >>> longer_name("epoch=0/micro_")
    'micro_'
    """
    # of epoch=0/micro_ the number is a value
    name = re.search(r"(?:(?<=[=:])[\d.]+/)?([\w/.-]*)\Z", before)
    text = name[1] if name else ""
    if not re.search(rf"[{NAME_CHARACTERS}]\Z", text) or not re.search(r"[^\W\d]", text):
        return ""
    # a point or a dash belongs to a name if a letter or a digit stands before it
    return text if re.search(r"\w\Z|\w[/.-]\Z", text) else ""


# ---- trees and texts


def may_be_empty(item: tuple[Any, Any]) -> bool:
    """Whether a node matches the empty text."""
    op, av = item
    if op is sre.AT or op in (sre.ASSERT, sre.ASSERT_NOT):
        return True
    if op in REPEATS:
        return int(av[0]) == 0 or all(map(may_be_empty, av[2]))
    if op is sre.SUBPATTERN:
        return all(map(may_be_empty, av[3]))
    if op is sre.BRANCH:
        return any(all(map(may_be_empty, branch)) for branch in av[1])
    return False


def holds(items: Any, group: int) -> bool:
    """Whether a tree has a group."""
    return any(op is sre.SUBPATTERN and av[0] == group for op, av in within(items))


class _NoExampleError(Exception):
    """No short text was found."""


def _around(items: Any, group: int) -> tuple[str, str]:
    """Short texts that the pattern matches before and after a group."""
    before = ""
    for index, (op, av) in enumerate(items):
        if op is sre.SUBPATTERN and av[0] == group:
            return before, "".join(map(_shortest, items[index + 1 :]))
        if op is sre.SUBPATTERN and holds(av[3], group):
            inner = _around(list(av[3]), group)
            return before + inner[0], inner[1] + "".join(map(_shortest, items[index + 1 :]))
        if op is sre.BRANCH:
            branch = next((branch for branch in av[1] if holds(branch, group)), None)
            if branch is not None:
                inner = _around(list(branch), group)
                return before + inner[0], inner[1] + "".join(map(_shortest, items[index + 1 :]))
        before += _shortest((op, av))
    raise _NoExampleError


def _shortest(item: tuple[Any, Any]) -> str:
    op, av = item
    if op is sre.LITERAL:
        return chr(av)
    if op is sre.ANY:
        return " "
    if op is sre.ASSERT:
        # of a lookbehind its text; what a lookahead demands, the rest of the regex matches
        return "".join(map(_shortest, av[1])) if av[0] < 0 else ""
    if op in (sre.AT, sre.ASSERT_NOT):
        return ""
    if op is sre.SUBPATTERN:
        return "".join(map(_shortest, av[3]))
    if op is sre.ATOMIC_GROUP:
        return "".join(map(_shortest, av))
    if op is sre.BRANCH:
        return "".join(map(_shortest, av[1][0]))
    if op in REPEATS:
        if not av[0] and len(av[2]) == 1 and av[2][0][0] is sre.ANY:
            # what stands between two names keeps them apart
            return " "
        text = "".join(map(_shortest, av[2]))
        if len(text) * int(av[0]) > _LONGEST_EXAMPLE:
            raise _NoExampleError
        return text * int(av[0])
    if op is sre.NOT_LITERAL:
        return " " if av != ord(" ") else "x"
    if op is sre.IN:
        return _member(av)
    raise _NoExampleError


def _member(members: Any) -> str:
    """A character of a class."""
    if members[0][0] is sre.NEGATE:
        return next((char for char in " x1,-" if not any(_is_in(char, one) for one in members[1:])), "!")
    kind, value = members[0]
    if kind is sre.LITERAL:
        return chr(value)
    if kind is sre.RANGE:
        return chr(value[0])
    known = {sre.CATEGORY_DIGIT: "1", sre.CATEGORY_WORD: "a", sre.CATEGORY_NOT_SPACE: "|"}
    return known.get(value, " ")


def _is_in(char: str, member: tuple[Any, Any]) -> bool:
    kind, value = member
    if kind is sre.LITERAL:
        return bool(ord(char) == value)
    if kind is sre.RANGE:
        return bool(value[0] <= ord(char) <= value[1])
    of = {
        sre.CATEGORY_DIGIT: char.isdigit(),
        sre.CATEGORY_NOT_DIGIT: not char.isdigit(),
        sre.CATEGORY_SPACE: char.isspace(),
        sre.CATEGORY_NOT_SPACE: not char.isspace(),
        sre.CATEGORY_WORD: char.isalnum(),
        sre.CATEGORY_NOT_WORD: not char.isalnum(),
    }
    return bool(of.get(value, True))


def group_places(regex: str) -> dict[int, tuple[int, int, int]]:
    """The places of each group: of its opening, of its body, and of the parenthesis that closes it.

    >>> group_places(r"a[(](?P<x>b\\)(?:c))")
    {1: (4, 10, 18)}
    """
    places: dict[int, tuple[int, int, int]] = {}
    opened: list[tuple[int | None, int, int]] = []
    count = at = 0
    while at < len(regex):
        char = regex[at]
        if char == "\\":
            at += 2
            continue
        if char == "[":
            at = class_end(regex, at) - 1
        elif regex.startswith("(?#", at):
            at = regex.find(")", at)
            if at < 0:
                break
        elif char == "(":
            named = re.match(r"\(\?P<\w+>", regex[at:])
            if named or not regex.startswith("(?", at):
                count += 1
                opened.append((count, at, at + (named.end() if named else 1)))
            elif re.match(r"\(\?(?:P=\w+|[a-zA-Z]+)\)", regex[at:]):
                at = regex.index(")", at)
            else:
                condition = re.match(r"\(\?\(\w+\)", regex[at:])
                opened.append((None, at, at))
                at += condition.end() - 1 if condition else 1
        elif char == ")" and opened:
            number, start, body = opened.pop()
            if number is not None:
                places[number] = (start, body, at)
        at += 1
    return places
