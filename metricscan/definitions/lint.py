"""What is probably not meant in a definition: each finding with its reason and, where one is known, a better regex.

It works on the tree that ``re`` makes and asks ``re`` itself, by examples, what the value's group takes. A suggestion
compiles, and reads the examples that the regex read as it read them. What only a log can tell is in ``_lint_log``.
"""

from __future__ import annotations

import re
from functools import lru_cache
from re import _constants as sre  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any, NamedTuple

from metricscan.patterns import safety
from metricscan.patterns.dialect import RegexError, compile_quietly, compile_regex, value_group
from metricscan.patterns.tree import REPEATS, Tree, within

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# A number as logs print them; what a suggestion puts in the value's group.
NUMBER = r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
# What stands before a name makes it another name.
NAME_CHARACTERS = r"\w/.-"

# Metrics that count are neither negative nor tiny.
_COUNTS = frozenset(
    """epoch epochs step steps iter iters iteration iterations round rounds count counts number num batch batches sample
    samples rank ranks episode episodes parameters pct percent progress duration latency runtime second seconds sec secs ms
    time throughput speed per tok wps words""".split()  # noqa: SIM905
)
# Metrics that are hardly ever whole numbers.
_REALS = re.compile(
    r"(?i)loss|acc|err|rmse|mse|mae|auc|score|precision|recall|ppl|perplexity|f1|rate|\blr\b|reward|bleu"
)
_TINY, _NEGATIVE, _PLAIN = "1.5e-05", "-1.5", "1.5"
_EXAMPLES = ("1.5", "0.25", "12", "7", "12.75", "5.", "0.0")
_LONGEST = 10_000
_LONGEST_EXAMPLE = 1_000


class Finding(NamedTuple):
    """Something in a definition that is probably not meant.

    Attributes
    ----------
    code : str
        Its kind, the same for every definition.
    reason : str
        What happens, and with what text.
    suggestion : str or None
        A regex that does not have it, where one is known.
    """

    code: str
    reason: str
    suggestion: str | None

    def __str__(self) -> str:
        return f"{self.code}: {self.reason}" + ("" if self.suggestion is None else f"; better {self.suggestion}")


def lint(name: str, regex: str, others: Sequence[str] = ()) -> tuple[Finding, ...]:
    """Findings for one definition.

    Parameters
    ----------
    name : str
        The metric's name tells counts from measures.
    regex : str
    others : sequence of str
        The other regexes of its list: one may name what this one matches inside.

    Examples
    --------
    >>> for finding in lint("train:loss", "loss:(.*?)"):
    ...     print(finding.code, finding.suggestion)
    empty-value loss:\\s*([-+]?(?:[0-9]+\\.?[0-9]*|\\.[0-9]+)(?:[eE][-+]?[0-9]+)?)
    """
    definition = read(regex)
    if definition is None:
        return ()
    about_value = (
        _no_group(definition)
        or _empty_value(definition)
        or _wrong_group(definition)
        or _unread_numbers(name, definition)
    )
    found = (about_value, _swallowing_alternation(definition), _inside_longer_name(definition, others))
    return tuple(finding for finding in found if finding is not None)


class Definition:
    """A regex taken apart as far as the findings need it."""

    def __init__(self, regex: str) -> None:
        self.regex = regex
        dialect = compile_regex(regex)
        self.engine = dialect.engine
        self.compiled = dialect.compiled
        self.tree = Tree(dialect.tree, dialect.tree.state.flags)
        self.items = list(self.tree.items)
        self.group = value_group(self.compiled)
        # places of groups in the text; in a verbose text comments may hold parentheses
        self.groups = {} if self.tree.flags & re.VERBOSE else group_places(regex)
        self.may_explode = safety.may_explode(self.tree)
        self.refers = any(op in (sre.GROUPREF, sre.GROUPREF_EXISTS) for op, _ in within(self.items))

    @property
    def body(self) -> re.Pattern[str] | None:
        """What the value's group holds, alone."""
        return self.body_of(self.group)

    def body_of(self, group: int) -> re.Pattern[str] | None:
        """The compiled body of a group; None if there is no such group, or if references make it mean something else alone."""
        if group not in self.groups or self.refers:
            return None
        _, start, end = self.groups[group]
        try:
            return compile_quietly(self.regex[start:end], self.tree.flags & ~(re.UNICODE | re.DEBUG))
        except (re.error, ValueError):
            return None

    def with_body(self, body: str, before: str = "") -> str | None:
        """The regex with this in the value's group, and ``before`` in front of it."""
        if self.group not in self.groups or self.refers:
            return None
        opened, start, end = self.groups[self.group]
        return f"{self.regex[:opened]}{before}{self.regex[opened:start]}{body}{self.regex[end:]}"

    def example(self, value: str) -> str | None:
        """A short text in which the pattern finds the value; None if none was thought of, or ``re`` might not end."""
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
def read(regex: str) -> Definition | None:
    """The regex taken apart; None if ``re`` does not take it, or it is no regex that a person wrote."""
    if len(regex) > _LONGEST:
        return None
    try:
        definition = Definition(regex)
    except (RegexError, RecursionError):
        return None
    return definition if definition.engine == "re" else None


def kept(definition: Definition, suggestion: str | None, examples: Sequence[str] = _EXAMPLES) -> str | None:
    """The suggestion, if it compiles and reads the examples that the regex reads."""
    if suggestion is None or suggestion == definition.regex:
        return None
    try:
        better = compile_quietly(suggestion)
    except (re.error, RecursionError, OverflowError):
        return None
    group = value_group(better)
    for value in examples:
        text = definition.example(value)
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


# ---- findings


def _no_group(definition: Definition) -> Finding | None:
    if definition.group or not any(chr(char) not in "0123456789.+-eE_ " for char in _demanded(definition.items)):
        return None
    reason = "it has no group, so the value is the whole match, which is no number"
    suggestion = None
    if not definition.tree.flags & re.VERBOSE:
        # the last thing that takes a number gets the group
        runs = list(re.finditer(r"(?<!\\)(?:\[[-+0-9.\\deE]+\]|\\d|\\S)(?:[*+]|\{\d*,?\d*\})", definition.regex))
        if runs:
            start, end = runs[-1].span()
            suggestion = f"{definition.regex[:start]}({definition.regex[start:end]}){definition.regex[end:]}"
    return Finding("no-group", reason, kept(definition, suggestion))


def _empty_value(definition: Definition) -> Finding | None:
    """The value's group ends in a lazy repeat, and nothing behind it makes it go on."""
    behind = _behind_group(definition.items, definition.group)
    if behind is None:
        return None
    group, rest = behind
    if not group or group[-1][0] is not sre.MIN_REPEAT or not all(map(_may_be_empty, rest)):
        return None
    if any(op is sre.AT or op in (sre.ASSERT, sre.ASSERT_NOT) for op, _ in rest):
        return None
    low = int(group[-1][1][0])
    if len(group) > 1 and not all(_may_be_empty(item) for item in group[:-1]):
        what = "stops as soon as it may"
    elif low == 0:
        what = "always captures nothing"
    else:
        what = f"captures {'one character' if low == 1 else f'{low} characters'} and no more"
    reason = f"its lazy repeat {what}: nothing behind it makes it go on"
    before = ""
    if definition.group in definition.groups:
        opened = definition.groups[definition.group][0]
        before = "" if definition.regex[:opened].endswith((" ", r"\s*", r"\s+", r"\s")) else r"\s*"
    return Finding("empty-value", reason, kept(definition, definition.with_body(NUMBER, before)))


def _swallowing_alternation(definition: Definition) -> Finding | None:
    if not definition.group or len(definition.items) != 1 or definition.items[0][0] is not sre.BRANCH:
        return None
    branches = definition.items[0][1][1]
    with_value = [_holds(branch, definition.group) for branch in branches]
    if all(with_value):
        return None
    others = [_holds_any(branch) for branch, holds in zip(branches, with_value, strict=True) if not holds]
    if any(others):
        reason = f"| divides the whole regex, and only group {definition.group} is read: the other alternatives give no value"
    else:
        reason = "| divides the whole regex: its alternatives without the group match and give no value"
    suggestion = None
    if definition.group in definition.groups and not any(others) and sum(with_value) == 1:
        opened, _, end = definition.groups[definition.group]
        before, group, after = (
            definition.regex[:opened],
            definition.regex[opened : end + 1],
            definition.regex[end + 1 :],
        )
        flags = re.match(r"\(\?[a-zA-Z]+\)", before)
        head = flags[0] if flags else ""
        before = before[len(head) :]
        if with_value[-1] and not after.count("|"):
            suggestion = f"{head}(?:{before}){group}{after}"
        elif with_value[0] and not before.count("|"):
            suggestion = f"{head}{before}{group}(?:{after})"
    return Finding("swallowing-alternation", reason, kept(definition, suggestion))


def _wrong_group(definition: Definition) -> Finding | None:
    """The first group takes a word; a later one would take the number."""
    body = definition.body
    if body is None or body.fullmatch(_PLAIN) or not body.fullmatch("loss"):
        return None
    for number in range(definition.group + 1, definition.compiled.groups + 1):
        other = definition.body_of(number)
        if other is not None and other.fullmatch(_PLAIN) and not other.fullmatch("loss"):
            opened, start, _ = definition.groups[number]
            suggestion = None
            if definition.regex[opened:start] == "(" and "value" not in definition.compiled.groupindex:
                suggestion = f"{definition.regex[:opened]}(?P<value>{definition.regex[start:]}"
            reason = f"its value is group {definition.group}, which takes a word; group {number} takes the number"
            return Finding("wrong-group", reason, kept(definition, suggestion, ()))
    return None


def _unread_numbers(name: str, definition: Definition) -> Finding | None:
    """A value's group that takes 1.5 and not 1.5e-05 or -1.5: what it cannot take is cut, or passed over."""
    body = definition.body
    # takes numbers, and numbers only
    if body is None or body.fullmatch("loss") or body.fullmatch("1 x"):
        return None
    if not body.fullmatch(_PLAIN) and not body.fullmatch("12.75"):
        return _whole_numbers(name, definition)
    counts = _is_count(name) or definition.regex[definition.groups[definition.group][2] + 1 :].startswith("%")
    missing = []
    if not body.fullmatch(_TINY) and not body.fullmatch(_TINY.upper()):
        missing.append((_TINY, "exponent"))
    if not body.fullmatch(_NEGATIVE):
        missing.append((_NEGATIVE, "sign"))
    any_character = not body.fullmatch("1.5x") and body.fullmatch("1x5")
    if not missing and not any_character:
        return None
    if counts and not any_character:
        return None
    if _first_is_value(definition):
        # a sign before it may be a dash between two numbers
        missing = [(text, what) for text, what in missing if what != "sign"]
        if not missing:
            return None
        number = NUMBER.removeprefix("[-+]?")
    else:
        number = NUMBER
    parts = [_what_happens(definition, text) for text, _ in missing]
    if any_character:
        parts.append("its unescaped . takes any character: 1x5 is captured too")
    if body.fullmatch("nan"):
        number = f"{number}|nan|inf"
    kinds = [what for _, what in missing]
    code = f"no-{'-or-'.join(reversed(kinds))}" if kinds else "unescaped-point"
    return Finding(code, "; ".join(parts), kept(definition, definition.with_body(number)))


def _is_count(name: str) -> bool:
    return not _COUNTS.isdisjoint(word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name))


def _whole_numbers(name: str, definition: Definition) -> Finding | None:
    body = definition.body
    if body is None or not body.fullmatch("12") or not _REALS.search(name) or _is_count(name):
        return None
    example = definition.example("0")
    if example is None or not example.endswith("0"):
        return None
    match = definition.compiled.search(example + ".95")
    if match is None or match[definition.group] != "0":
        return None
    reason = "it takes whole numbers: 0.95 is read as 0"
    return Finding("whole-numbers", reason, kept(definition, definition.with_body(NUMBER)))


def _what_happens(definition: Definition, value: str) -> str:
    plain = definition.example(_PLAIN)
    if plain is not None:
        at = plain.rindex(_PLAIN)
        match = definition.compiled.search(plain[:at] + value + plain[at + len(_PLAIN) :])
        if match is None:
            return f"{value} is not found"
        if match[definition.group] not in (None, value):
            return f"{value} is read as {match[definition.group] or 'nothing'}"
    return f"{value} is not taken"


def _inside_longer_name(definition: Definition, others: Sequence[str]) -> Finding | None:
    literal, _ = leading_literal(definition)
    # one name and what ends it
    if not re.fullmatch(rf"[{NAME_CHARACTERS}]+[\s:='\"]*", literal):
        return None
    name = re.match(r"\w+", literal)
    for other in others:
        if name is None or name[0] not in other or other == definition.regex:
            continue
        longer = read(other)
        for run in [] if longer is None else _literal_runs(longer.items):
            at = run.find(literal, 1)
            if at > 0 and re.match(f"[{NAME_CHARACTERS}]", run[at - 1]):
                start = re.search(rf"[{NAME_CHARACTERS}]*\Z", run[:at])
                whole = f"{start[0] if start else ''}{literal}".rstrip(" =:'\"")
                reason = f"{literal.rstrip()!r} also matches inside {whole!r}, which another definition reads"
                return Finding("inside-longer-name", reason, kept(definition, standing_alone(definition)))
    return None


def standing_alone(definition: Definition) -> str | None:
    """The regex, with nothing of a name before its leading literal."""
    literal, start = leading_literal(definition)
    return f"{definition.regex[:start]}(?<![{NAME_CHARACTERS}]){definition.regex[start:]}" if literal else None


def leading_literal(definition: Definition) -> tuple[str, int]:
    """The name that the regex begins with, and where in its text; empty if it begins with none.

    >>> leading_literal(Definition(r".*loss: ([0-9.]+)"))
    ('loss: ', 2)
    """
    start = 0
    items = definition.items
    flags = re.match(r"\(\?[aimsu]+\)", definition.regex)
    start = flags.end() if flags else 0
    if definition.regex.startswith(".*", start):
        start += 3 if definition.regex.startswith(".*?", start) else 2
        items = items[1:]
    literal = ""
    for op, av in items:
        if op is not sre.LITERAL:
            break
        literal += chr(av)
    written = re.match(r"[\w]", definition.regex[start:])
    named = re.match(r"\w", literal) and written and re.search(r"[^\W\d]", literal)
    return (literal, start) if named else ("", 0)


# ---- trees and texts


def _holds(items: Any, group: int) -> bool:
    return any(op is sre.SUBPATTERN and av[0] == group for op, av in within(items))


def _holds_any(items: Any) -> bool:
    return any(op is sre.SUBPATTERN and av[0] is not None for op, av in within(items))


def _demanded(items: Any) -> Iterable[int]:
    """Characters that every match holds."""
    for op, av in items:
        if op is sre.LITERAL:
            yield av
        elif op is sre.SUBPATTERN:
            yield from _demanded(av[3])
        elif op in REPEATS and av[0] >= 1:
            yield from _demanded(av[2])


def _may_be_empty(item: tuple[Any, Any]) -> bool:
    op, av = item
    if op is sre.AT or op in (sre.ASSERT, sre.ASSERT_NOT):
        return True
    if op in REPEATS:
        return int(av[0]) == 0 or all(map(_may_be_empty, av[2]))
    if op is sre.SUBPATTERN:
        return all(map(_may_be_empty, av[3]))
    if op is sre.BRANCH:
        return any(all(map(_may_be_empty, branch)) for branch in av[1])
    return False


def _behind_group(items: Sequence[Any], group: int) -> tuple[list[Any], list[Any]] | None:
    """The value group's items, and what follows the group in its own and all outer sequences."""
    for index, (op, av) in enumerate(items):
        if op is not sre.SUBPATTERN:
            continue
        rest = list(items[index + 1 :])
        if av[0] == group:
            return list(av[3]), rest
        inner = _behind_group(list(av[3]), group)
        if inner is not None:
            return inner[0], [*inner[1], *rest]
    return None


def _first_is_value(definition: Definition) -> bool:
    """Nothing is demanded before the value's group."""
    for op, av in definition.items:
        if op is sre.SUBPATTERN and (av[0] == definition.group or _holds(av[3], definition.group)):
            return True
        if not _may_be_empty((op, av)):
            return False
    return True


def _literal_runs(items: Any) -> list[str]:
    runs = [""]
    for op, av in items:
        if op is sre.LITERAL:
            runs[-1] += chr(av)
        else:
            runs.append("")
    return [run for run in runs if run]


class _NoExampleError(Exception):
    """No short text was thought of."""


def _around(items: Any, group: int) -> tuple[str, str]:
    """Short texts that the pattern takes before and behind a group."""
    before = ""
    for index, (op, av) in enumerate(items):
        if op is sre.SUBPATTERN and av[0] == group:
            return before, "".join(map(_shortest, items[index + 1 :]))
        if op is sre.SUBPATTERN and _holds(av[3], group):
            inner = _around(list(av[3]), group)
            return before + inner[0], inner[1] + "".join(map(_shortest, items[index + 1 :]))
        if op is sre.BRANCH:
            branch = next((branch for branch in av[1] if _holds(branch, group)), None)
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
    """Of each group, where its opening and its body start and where it is closed.

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
            # a ] that stands first is a member
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
