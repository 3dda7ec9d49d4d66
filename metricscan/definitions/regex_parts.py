"""A definition's regex taken apart: the places of its groups, examples that it matches, and suggestions made from it.

``re`` itself decides whether a suggestion finds the same value in an example as the regex.
"""

from __future__ import annotations

import re
from functools import lru_cache
from re import _constants as sre  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any

from metricscan.patterns import safety
from metricscan.patterns.dialect import RegexError, compile_quietly, compile_regex, value_group
from metricscan.patterns.tree import REPEATS, Tree, within

if TYPE_CHECKING:
    from collections.abc import Sequence

# A number as logs print them; suggestions put it in the value's group.
NUMBER = r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
# One of these before a name makes it part of another name.
NAME_CHARACTERS = r"\w/.-"

_EXAMPLES = ("1.5", "0.25", "12", "7", "12.75", "5.", "0.0")
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
        try:
            return compile_quietly(self.regex[start:end], self.tree.flags & ~(re.UNICODE | re.DEBUG))
        except (re.error, ValueError):
            return None

    def with_body(self, body: str, before: str = "") -> str | None:
        """The regex with another body in the value's group, and ``before`` in front of the group."""
        if self.group not in self.groups or self.refers:
            return None
        opened, start, end = self.groups[self.group]
        return f"{self.regex[:opened]}{before}{self.regex[opened:start]}{body}{self.regex[end:]}"

    def example(self, value: str) -> str | None:
        """A short text in which the pattern finds the value; None if none was found, or if ``re`` might need too long."""
        if self.may_explode:
            return None
        try:
            before, after = _around(self.items, self.group)
        except _NoExampleError:
            return None
        for text in (before + value + after, before + value + after + " "):
            match = self.compiled.search(text)
            if match is not None and match[self.group] == value:
                return text
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


def kept(parts: RegexParts, suggestion: str | None, examples: Sequence[str] = _EXAMPLES) -> str | None:
    """The suggestion, if it compiles and reads the examples that the regex reads; else None."""
    if suggestion is None or suggestion == parts.regex:
        return None
    try:
        better = compile_quietly(suggestion)
    except (re.error, RecursionError, OverflowError):
        return None
    group = value_group(better)
    for value in examples:
        text = parts.example(value)
        if text is None:
            continue
        match = better.search(text)
        if match is None or match[group] is None or not _same_number(match[group], value):
            return None
    return suggestion


def _same_number(text: str, value: str) -> bool:
    try:
        return float(text) == float(value)
    except ValueError:
        return False


def standing_alone(parts: RegexParts) -> str | None:
    """The regex, changed so that its leading literal cannot match the end of a longer name; None if it has no such literal."""
    literal, start = leading_literal(parts)
    return f"{parts.regex[:start]}(?<![{NAME_CHARACTERS}]){parts.regex[start:]}" if literal else None


def leading_literal(parts: RegexParts) -> tuple[str, int]:
    """The name that the regex begins with, and its place in the text; empty if it begins with none.

    >>> leading_literal(RegexParts(r".*loss: ([0-9.]+)"))
    ('loss: ', 2)
    """
    start = 0
    items = parts.items
    flags = re.match(r"\(\?[aimsu]+\)", parts.regex)
    start = flags.end() if flags else 0
    if parts.regex.startswith(".*", start):
        start += 3 if parts.regex.startswith(".*?", start) else 2
        items = items[1:]
    literal = ""
    for op, av in items:
        if op is not sre.LITERAL:
            break
        literal += chr(av)
    written = re.match(r"[\w]", parts.regex[start:])
    named = re.match(r"\w", literal) and written and re.search(r"[^\W\d]", literal)
    return (literal, start) if named else ("", 0)


# ---- trees and texts


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
    if op in (sre.AT, sre.ASSERT, sre.ASSERT_NOT):
        return ""
    if op is sre.SUBPATTERN:
        return "".join(map(_shortest, av[3]))
    if op is sre.BRANCH:
        return "".join(map(_shortest, av[1][0]))
    if op in REPEATS:
        text = "".join(map(_shortest, av[2]))
        if len(text) * int(av[0]) > _LONGEST_EXAMPLE:
            raise _NoExampleError
        return text * int(av[0])
    if op is sre.IN:
        for kind, value in av:
            if kind is sre.LITERAL:
                return chr(value)
            if kind is sre.RANGE:
                return chr(value[0])
            if kind is sre.CATEGORY:
                known = {sre.CATEGORY_DIGIT: "1", sre.CATEGORY_SPACE: " ", sre.CATEGORY_WORD: "a"}
                return known.get(value, "-")
            break
        return "-"
    raise _NoExampleError


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
            at += 2 if regex.startswith("^", at + 1) else 1
            # a ] at the first place is a member
            at += regex.startswith("]", at)
            while at < len(regex) and regex[at] != "]":
                at += 2 if regex[at] == "\\" else 1
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
