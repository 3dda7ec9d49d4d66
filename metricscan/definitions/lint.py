"""Lint: probable mistakes in a definition, each with the reason and, where one is known, a better regex.

The findings are derived from the tree that ``re`` makes, and from what the value's group matches in some examples. A
suggestion compiles, and finds the same values in these examples as the regex. Findings that need a log are in
replaying/lint_log.py.
"""

from __future__ import annotations

import re
from re import _constants as sre  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any, NamedTuple

from metricscan.definitions.regex_parts import (
    NAME_CHARACTERS,
    NUMBER,
    holds,
    kept,
    leading_literal,
    parts_of,
    standing_alone,
)
from metricscan.patterns.tree import REPEATS, within

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from metricscan.definitions.regex_parts import RegexParts

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


class Finding(NamedTuple):
    """A probable mistake in a definition.

    Attributes
    ----------
    code : str
        Its kind.
    reason : str
        What goes wrong, and on which text.
    suggestion : str or None
        A regex without the mistake, where one is known.
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
        The metric's name; it distinguishes counts from measures.
    regex : str
    others : sequence of str
        The other regexes of its list: this one may match inside their names.

    Examples
    --------
    >>> for finding in lint("train:loss", "loss:(.*?)"):
    ...     print(finding.code, finding.suggestion)
    empty-value loss:\\s*([-+]?(?:[0-9]+\\.?[0-9]*|\\.[0-9]+)(?:[eE][-+]?[0-9]+)?)
    """
    definition = parts_of(regex)
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


# ---- findings


def _no_group(definition: RegexParts) -> Finding | None:
    if definition.group or not any(chr(char) not in "0123456789.+-eE_ " for char in _demanded(definition.items)):
        return None
    reason = "it has no group, so the value is the whole match, which is no number"
    suggestion = None
    if not definition.tree.flags & re.VERBOSE:
        # the group goes around the last class that matches a number
        runs = list(re.finditer(r"(?<!\\)(?:\[[-+0-9.\\deE]+\]|\\d|\\S)(?:[*+]|\{\d*,?\d*\})", definition.regex))
        if runs:
            start, end = runs[-1].span()
            suggestion = f"{definition.regex[:start]}({definition.regex[start:end]}){definition.regex[end:]}"
    return Finding("no-group", reason, kept(definition, suggestion))


def _empty_value(definition: RegexParts) -> Finding | None:
    """The value's group ends in a lazy repeat, and nothing after the group extends it."""
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
        what = "always captures an empty text"
    else:
        what = f"captures {'one character' if low == 1 else f'{low} characters'} and no more"
    shown, before = "its lazy repeat", ""
    if definition.group in definition.groups:
        opened, _, end = definition.groups[definition.group]
        shown = f"`{definition.regex[opened : end + 1]}`"
        before = "" if definition.regex[:opened].endswith((" ", r"\s*", r"\s+", r"\s")) else r"\s*"
    where = "before text that may be absent" if rest else "at the end"
    reason = f"{shown} {where} {what}; add what follows it"
    return Finding("empty-value", reason, kept(definition, definition.with_body(NUMBER, before)))


def _swallowing_alternation(definition: RegexParts) -> Finding | None:
    if not definition.group or len(definition.items) != 1 or definition.items[0][0] is not sre.BRANCH:
        return None
    branches = definition.items[0][1][1]
    with_value = [holds(branch, definition.group) for branch in branches]
    if all(with_value):
        return None
    others = [_holds_any(branch) for branch, has_value in zip(branches, with_value, strict=True) if not has_value]
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


def _wrong_group(definition: RegexParts) -> Finding | None:
    """The first group matches a word; a later one would match the number."""
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


def _unread_numbers(name: str, definition: RegexParts) -> Finding | None:
    """The value's group matches 1.5 but not 1.5e-05 or -1.5: such numbers are cut, or skipped."""
    body = definition.body
    # the group matches numbers only
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
        # a sign in front of it may be a dash between two numbers
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


def _whole_numbers(name: str, definition: RegexParts) -> Finding | None:
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


def _what_happens(definition: RegexParts, value: str) -> str:
    plain = definition.example(_PLAIN)
    if plain is not None:
        at = plain.rindex(_PLAIN)
        match = definition.compiled.search(plain[:at] + value + plain[at + len(_PLAIN) :])
        if match is None:
            return f"{value} is not found"
        if match[definition.group] not in (None, value):
            return f"{value} is read as {match[definition.group] or 'nothing'}"
    return f"{value} is not taken"


def _inside_longer_name(definition: RegexParts, others: Sequence[str]) -> Finding | None:
    literal, _ = leading_literal(definition)
    # one name and the characters that end it
    if not re.fullmatch(rf"[{NAME_CHARACTERS}]+[\s:='\"]*", literal):
        return None
    name = re.match(r"\w+", literal)
    for other in others:
        if name is None or name[0] not in other or other == definition.regex:
            continue
        longer = parts_of(other)
        for run in [] if longer is None else _literal_runs(longer.items):
            at = run.find(literal, 1)
            if at > 0 and re.match(f"[{NAME_CHARACTERS}]", run[at - 1]):
                start = re.search(rf"[{NAME_CHARACTERS}]*\Z", run[:at])
                whole = f"{start[0] if start else ''}{literal}".rstrip(" =:'\"")
                reason = f"{literal.rstrip()!r} also matches inside {whole!r}, which another definition reads"
                return Finding("inside-longer-name", reason, kept(definition, standing_alone(definition)))
    return None


# ---- trees and texts


def _holds_any(items: Any) -> bool:
    return any(op is sre.SUBPATTERN and av[0] is not None for op, av in within(items))


def _demanded(items: Any) -> Iterable[int]:
    """Characters that every match contains."""
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


def _first_is_value(definition: RegexParts) -> bool:
    """Whether a match may begin with the value's group."""
    for op, av in definition.items:
        if op is sre.SUBPATTERN and (av[0] == definition.group or holds(av[3], definition.group)):
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
