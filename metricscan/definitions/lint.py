"""Lint: probable mistakes in a definition, each with the reason, and one regex that mends them where one is known.

The findings are derived from the tree that ``re`` makes, and from what the value's group matches in some examples. The regex
is verified on these examples (mends.py). Findings that need a log are in replaying/lint_log.py.
"""

from __future__ import annotations

import re
from re import _constants as sre  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any, NamedTuple

from metricscan.definitions.mends import Draft, Mend, composed, holds_on_examples
from metricscan.definitions.regex_parts import (
    NAME_CHARACTERS,
    VALUE,
    RegexParts,
    holds,
    longer_name,
    may_be_empty,
    parts_of,
)
from metricscan.definitions.tokens import escaped, name_runs
from metricscan.patterns.dialect import compile_quietly
from metricscan.patterns.tree import REPEATS, within

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from metricscan.definitions.tokens import Token

# Words of metrics that count: they are neither negative nor tiny.
_COUNTS = frozenset(
    """count counts number num samples ranks parameters pct percent progress duration latency runtime second seconds sec secs ms
    time throughput speed per tok wps words epochs steps iters iterations rounds batches episodes rank""".split()  # noqa: SIM905
)
# These count too, unless they say over what a measure was taken: train_loss_step.
_SCOPES = frozenset("epoch step iter iteration round batch sample episode".split())  # noqa: SIM905
# Words of metrics that are hardly ever whole numbers.
_MEASURES = frozenset(
    """loss losses acc accuracy err error rmse mse mae auc score precision recall ppl perplexity f1 rate lr reward bleu merror
    logloss nll ce map iou dice mape ndcg""".split()  # noqa: SIM905
)
# Words of names that say which of several values of one measure it is.
_WHICH = frozenset(
    """train training valid validation val eval evaluation test testing dev holdout best ema swa avg average mean median min max
    std sum total running smoothed raw old new last final student teacher source target""".split()  # noqa: SIM905
)
_EVALUATES = frozenset("valid validation val eval evaluation dev".split())  # noqa: SIM905
_TINY, _NEGATIVE, _PLAIN = "1.5e-05", "-1.5", "1.5"
_NUMBERS = (_PLAIN, "12.75", "7", "0.25")
# Before a number that is no part of a word or of another number.
_BOUNDARY = r"(?<![\w.+-])"


class Finding(NamedTuple):
    """A probable mistake in a definition.

    Attributes
    ----------
    code : str
        Its kind.
    reason : str
        What goes wrong, and on which text.
    suggestion : str or None
        A regex without the mistake, where one is known. All findings that it mends have the same one.
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
    >>> for finding in lint("loss", r"(\\S+) loss|acc"):
    ...     print(finding.code, finding.suggestion)
    swallowing-alternation (\\S+)(?: loss|acc)
    """
    definition = parts_of(regex)
    if definition is None:
        return ()
    drafts = drafts_of(name, definition, others)
    if not drafts:
        return ()
    better, mended = composed(regex, drafts, lambda text, mends: holds_on_examples(definition, text, mends))
    return findings_of(drafts, better, mended)


def findings_of(drafts: Sequence[Draft], better: str | None, mended: Sequence[Draft]) -> tuple[Finding, ...]:
    """The findings, those that a regex mends with it."""
    return tuple(Finding(one.code, one.reason, better if one in mended else None) for one in drafts)


def drafts_of(name: str, definition: RegexParts, others: Sequence[str] = ()) -> list[Draft]:
    """The findings for one definition, before their regex is known."""
    about_value = (
        _no_group(definition)
        or _empty_value(definition)
        or _wrong_group(name, definition)
        or _unread_numbers(name, definition)
    )
    found = (
        about_value,
        None if about_value is not None and about_value.code == "wrong-group" else _unread_group(definition),
        _swallowing_alternation(definition),
        _spans_lines(definition),
        _inside_longer_name(definition, others),
    )
    return [draft for draft in found if draft is not None]


# ---- findings


def value_mends(definition: RegexParts, *, in_groups: bool = False) -> tuple[Mend, ...]:
    """What makes the value's group take every number: its body; if need be, with what stands before it lazy, or bounded.

    If asked, it takes numbers in groups of digits too, such as 1,234.5, which are then counted as texts that are no numbers.
    """
    if definition.group not in definition.groups or definition.refers:
        return ()
    opened, start, end = definition.groups[definition.group]
    body = (start, end, definition.value_body(in_groups=in_groups))
    mends = [Mend((body,), reads_numbers=True, in_groups=in_groups)]
    behind = next((token for token in definition.tokens if token.start == end + 1), None)
    if behind is not None and behind.kind in ("any", "class", "escape") and behind.quantifier in ("", "+"):
        # what must follow the value can be its last digit
        optional = (behind.end, behind.stop, "*" if behind.quantifier else "?")
        mends.append(Mend((body, optional), reads_numbers=True, in_groups=in_groups))
    before = [token for token in definition.tokens if token.stop <= opened]
    last = before[-1] if before else None
    if last is not None and last.kind in ("any", "class", "escape") and last.quantifier in ("*", "+"):
        mends.append(Mend((body, (last.stop, last.stop, "?")), reads_numbers=True, in_groups=in_groups))
        bounded = (opened, opened, _BOUNDARY)
        mends.append(Mend((body, bounded), reads_numbers=True, in_groups=in_groups))
        if last.kind != "any":
            # a word with digits in it may stand before the number: np.int64(4264)
            mends.append(Mend((body, (last.start, last.stop, ".*?"), bounded), reads_numbers=True, in_groups=in_groups))
    elif last is not None and last.kind in ("any", "class", "escape") and last.quantifier in ("*?", "+?"):
        # so it may before one that is found as soon as possible
        mends.append(Mend((body, (opened, opened, _BOUNDARY)), reads_numbers=True, in_groups=in_groups))
    return tuple(mends)


def standing_alone(start: int) -> Mend:
    """What keeps the name at a place of the regex from matching the end of a longer name."""
    return Mend(((start, start, f"(?<![{NAME_CHARACTERS}])"),), skips=True)


def _no_group(definition: RegexParts) -> Draft | None:
    if definition.group or not any(chr(char) not in "0123456789.+-eE_ " for char in _demanded(definition.items)):
        return None
    reason = "it has no group, so the value is the whole match, which is no number"
    return Draft("no-group", reason, _numbers_grouped(definition))


def _numbers_grouped(definition: RegexParts) -> tuple[Mend, ...]:
    """A group around what matches a number: the last run of tokens that matches nothing else."""
    tokens = definition.tokens
    if any(token.kind == "bar" for token in tokens):
        return ()
    digits = [at for at, token in enumerate(tokens) if token.kind != "group" and _takes_digits(token)]
    if not digits:
        return ()
    first = last = digits[-1]
    while first > 0 and _is_of_number(tokens[first - 1]):
        first -= 1
    while last + 1 < len(tokens) and _is_of_number(tokens[last + 1]):
        last += 1
    while first < last and tokens[first].kind == "literal" and tokens[first].text not in "0123456789+-.":
        first += 1
    while last > first and tokens[last].kind == "literal" and not tokens[last].quantifier:
        # the point at the end of a sentence
        last -= 1
    start, stop = tokens[first].start, tokens[last].stop
    value = VALUE.replace(r"\b", "") if re.match(r"\w", definition.regex[stop:]) else VALUE
    return (Mend(((start, stop, f"({value})"),), reads_numbers=True, moves=True),)


def _takes_digits(token: Token) -> bool:
    if token.kind not in ("class", "escape"):
        return False
    return token.text == r"\S" or (_takes(token.text, "7") and not _takes(token.text, "x"))


def _is_of_number(token: Token) -> bool:
    """Whether a token matches only what numbers are made of."""
    if token.kind == "literal":
        return token.text in "0123456789.+-eE"
    if token.kind not in ("class", "escape"):
        return False
    return any(_takes(token.text, char) for char in "0.+-eE") and not any(_takes(token.text, char) for char in "xy ,:=")


def _takes(text: str, char: str) -> bool:
    try:
        return compile_quietly(text).fullmatch(char) is not None
    except (re.error, ValueError):
        return False


def _empty_value(definition: RegexParts) -> Draft | None:
    """The value's group ends in a lazy repeat, and nothing after the group extends it."""
    behind = _behind_group(definition.items, definition.group)
    if behind is None:
        return None
    group, rest = behind
    if not group or group[-1][0] is not sre.MIN_REPEAT or not all(map(may_be_empty, rest)):
        return None
    if any(op is sre.AT or op in (sre.ASSERT, sre.ASSERT_NOT) for op, _ in rest):
        return None
    low = int(group[-1][1][0])
    if len(group) > 1 and not all(may_be_empty(item) for item in group[:-1]):
        what = "stops as soon as it may"
    elif low == 0:
        what = "always captures an empty text"
    else:
        what = f"captures {'one character' if low == 1 else f'{low} characters'} and no more"
    shown = "its lazy repeat"
    mends = value_mends(definition)
    if definition.group in definition.groups:
        opened, _, end = definition.groups[definition.group]
        shown = f"`{definition.regex[opened : end + 1]}`"
        if not definition.regex[:opened].endswith((" ", r"\s*", r"\s+", r"\s")):
            blanks = (opened, opened, r"\s*")
            mends = tuple(Mend((blanks, *mend.edits), reads_numbers=True) for mend in mends[:1])
    where = "before text that may be absent" if rest else "at the end"
    return Draft("empty-value", f"{shown} {where} {what}; add what follows it", mends)


def _swallowing_alternation(definition: RegexParts) -> Draft | None:
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
    mends: tuple[Mend, ...] = ()
    if definition.group in definition.groups and not any(others) and sum(with_value) == 1:
        opened, _, end = definition.groups[definition.group]
        regex = definition.regex
        flags = re.match(r"\(\?[a-zA-Z]+\)", regex)
        start = flags.end() if flags else 0
        if with_value[-1] and not regex[end + 1 :].count("|"):
            mends = (Mend(((start, start, "(?:"), (opened, opened, ")"))),)
        elif with_value[0] and not regex[start:opened].count("|"):
            mends = (Mend(((end + 1, end + 1, "(?:"), (len(regex), len(regex), ")"))),)
    return Draft("swallowing-alternation", reason, mends)


def _wrong_group(name: str, definition: RegexParts) -> Draft | None:
    """The first group matches a word and no number; a later one would match the number."""
    body = definition.body
    if body is None or body.fullmatch(_PLAIN) or (not body.fullmatch("loss") and any(map(body.fullmatch, _NUMBERS))):
        return None
    number = next(
        (one for one in range(definition.group + 1, definition.compiled.groups + 1) if _is_number(definition, one)),
        None,
    )
    if number is None or "value" in definition.compiled.groupindex:
        return None
    first, value = definition.groups[definition.group], definition.groups[number]
    between = definition.regex[first[2] + 1 : value[0]]
    takes_names = body.fullmatch("loss") is not None
    # Katib's filter: the first group takes the name, and nothing but a separator stands before the value
    is_filter = takes_names and not re.search(r"[^\W\d]", re.sub(r"\\.", "", between))
    what = "a word" if takes_names else "a text"
    reason = f"its value is group {definition.group}, which takes {what}; group {number} takes the number"
    taken = (value[1], value[2], definition.value_body(number))
    if is_filter:
        reason += ". Put the metric's name in the place of the first"
        return Draft("wrong-group", reason, named(definition, number, names_of(name)))
    if definition.regex[value[0] : value[1]] != "(":
        return Draft("wrong-group", reason)
    return Draft(
        "wrong-group",
        reason,
        (Mend(((value[0] + 1, value[0] + 1, "?P<value>"), taken), reads_numbers=True, moves=True),),
    )


def named(definition: RegexParts, number: int, names: Iterable[str]) -> tuple[Mend, ...]:
    """A metric's name in the place of the first group, which takes any; one mend for each of its possible names."""
    body = definition.body
    if body is None:
        return ()
    opened, _, end = definition.groups[definition.group]
    _, start, stop = definition.groups[number]
    value = (start, stop, definition.value_body(number))
    return tuple(
        Mend(((opened, end + 1, f"(?<![{NAME_CHARACTERS}]){escaped(one)}"), value), reads_numbers=True, moves=True)
        for one in names
        if body.fullmatch(one)
    )


def names_of(metric: str) -> list[str]:
    """How a log may write a metric's name.

    >>> names_of("validation:loss")
    ['validation:loss', 'loss', 'validation_loss']
    """
    return list(dict.fromkeys([metric, re.split("[:/]", metric)[-1], re.sub("[:/]", "_", metric)]))


def filter_group(definition: RegexParts) -> int | None:
    """The group of the number, where the first group takes the metrics' names as in Katib's filter; else None."""
    draft = _wrong_group("", definition)
    if draft is None or not draft.reason.endswith("the first"):
        return None
    return next(
        one for one in range(definition.group + 1, definition.compiled.groups + 1) if _is_number(definition, one)
    )


def _is_number(definition: RegexParts, group: int) -> bool:
    body = definition.body_of(group)
    return body is not None and body.fullmatch(_PLAIN) is not None and not body.fullmatch("loss")


def _unread_group(definition: RegexParts) -> Draft | None:
    """A group behind the value's takes numbers, and nobody reads them."""
    if definition.group not in definition.groups or "value" in definition.compiled.groupindex or definition.refers:
        return None
    body = definition.body
    if body is None or not any(map(body.fullmatch, _NUMBERS)):
        return None
    end = definition.groups[definition.group][2]
    for number, (opened, start, stop) in sorted(definition.groups.items()):
        if opened > end and _is_number(definition, number) and re.search(r"[^\W\d]{2}", definition.regex[end:opened]):
            reason = f"group {number} takes numbers too, and nobody reads them: the value is group {definition.group}"
            mends = (Mend(((opened, start, "(?:"),)),) if definition.regex[opened:start] == "(" and stop > start else ()
            return Draft("unread-group", reason, mends)
    return None


def _spans_lines(definition: RegexParts) -> Draft | None:
    """It demands a line end, which no record holds, or lets . match one."""
    ends = [token for token in definition.tokens if token.kind == "literal" and token.text == "\n"]
    if any(op is sre.LITERAL and av == 10 for op, av in _demanded_nodes(definition.items)):
        reason = "it demands a line end, and no match crosses one: it never matches"
        mends: tuple[Mend, ...] = ()
        if (
            ends
            and definition.group in definition.groups
            and not any(token.kind == "bar" for token in definition.tokens)
        ):
            opened, _, end = definition.groups[definition.group]
            before = max((token.stop for token in ends if token.stop <= opened), default=0)
            behind = min((token.start for token in ends if token.start > end), default=len(definition.regex))
            flags = definition.tokens[0].stop if definition.tokens[0].kind == "flags" else 0
            edits = [(flags, before, "")] if before else []
            edits += [(behind, len(definition.regex), "$")] if behind < len(definition.regex) else []
            rest = re.sub(r"\\.", "", definition.regex[before:opened] + definition.regex[end + 1 : behind])
            # without a name, as of `loss:\n(\S+)`, it would take the numbers of any line
            mends = (Mend(tuple(edits), moves=True),) if re.search(r"[^\W\d]{2}", rest) else ()
        return Draft("spans-lines", reason, mends)
    if definition.tree.flags & re.DOTALL and any(op is sre.ANY for op, _ in within(definition.items)):
        return Draft(
            "spans-lines", "(?s) lets . match a line end, and no match crosses one: each record is searched alone"
        )
    return None


def _unread_numbers(name: str, definition: RegexParts) -> Draft | None:
    """The value's group matches 1.5 but not 1.5e-05 or -1.5: such numbers are cut, or skipped."""
    body = definition.body
    # the group matches numbers only
    if body is None or body.fullmatch("loss") or body.fullmatch("1 x"):
        return None
    if not body.fullmatch(_PLAIN) and not body.fullmatch("12.75"):
        return _whole_numbers(name, definition)
    counts = is_count(name) or definition.regex[definition.groups[definition.group][2] + 1 :].startswith("%")
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
    if definition.begins_with_value:
        # a sign in front of it may be a dash between two numbers
        missing = [(text, what) for text, what in missing if what != "sign"]
        if not missing:
            return None
    parts = [_what_happens(definition, text) for text, _ in missing]
    if any_character:
        parts.append("its unescaped . takes any character: 1x5 is captured too")
    kinds = [what for _, what in missing]
    code = f"no-{'-or-'.join(reversed(kinds))}" if kinds else "unescaped-point"
    return Draft(code, "; ".join(parts), value_mends(definition))


def words_of(name: str) -> list[str]:
    """The words of a name, in lower case.

    >>> words_of("valEpochLoss"), words_of("Eval_f1")
    (['val', 'epoch', 'loss'], ['eval', 'f1'])
    """
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])[0-9]*|[A-Z]?[a-z]+[0-9]*", name)]


def says_which(word: str) -> bool:
    """Whether a word says which of several values of one measure is meant.

    >>> says_which("Best"), says_which("coco")
    (True, False)
    """
    return word.lower() in _WHICH


def names_another(one: str, other: str) -> bool:
    """Whether two names say which of several values of one measure is meant, and not the same.

    >>> names_another("train_loss", "eval_loss"), names_another("val:loss", "Eval_loss"), names_another("loss", "eval_loss")
    (True, False, False)
    """
    which = [
        {"eval" if word in _EVALUATES else word for word in words_of(name) if word in _WHICH} for name in (one, other)
    ]
    return all(which) and which[0].isdisjoint(which[1])


def is_namespace(before: str) -> bool:
    """Whether the beginning of a longer name says where the metric belongs, not which of several it is.

    >>> [is_namespace(before) for before in ("coco/", "val/", "coco_", "eval/coco/")]
    [True, False, False, False]
    """
    return before.endswith("/") and _WHICH.isdisjoint(words_of(before))


def is_count(name: str) -> bool:
    """Whether a metric counts, or measures time.

    >>> [is_count(name) for name in ("epoch", "train_loss_step", "samplesPerSecond", "val_acc_epoch")]
    [True, False, True, False]
    """
    words = set(words_of(name))
    return bool(words & _COUNTS) or (bool(words & _SCOPES) and not words & _MEASURES)


def _whole_numbers(name: str, definition: RegexParts) -> Draft | None:
    body = definition.body
    if body is None or not body.fullmatch("12") or is_count(name) or _MEASURES.isdisjoint(words_of(name)):
        return None
    example = definition.example("0")
    if example is None or not example.endswith("0"):
        return None
    match = definition.compiled.search(example + ".95")
    if match is None or match[definition.group] != "0":
        return None
    return Draft("whole-numbers", "it takes whole numbers: 0.95 is read as 0", value_mends(definition))


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


def _inside_longer_name(definition: RegexParts, others: Sequence[str]) -> Draft | None:
    if len(others) < 2:
        return None
    tokens, group = definition.tokens, definition.group
    for literal, start in name_runs(
        definition.regex, tokens, definition.groups[group][0] if group in definition.groups else len(definition.regex)
    ):
        # one name and the characters that end it
        if not re.fullmatch(r"[\w/.-]+[\s:='\"]*", literal):
            continue
        name = literal.rstrip(" =:'\"")
        for other in others:
            if name not in other or other == definition.regex:
                continue
            longer = parts_of(other)
            for run in [] if longer is None else _literal_runs(longer.items):
                at = run.find(literal, 1)
                before = longer_name(run[:at]) if at > 0 else ""
                if before:
                    whole = f"{before}{literal}".rstrip(" =:'\"")
                    reason = f"{literal.rstrip()!r} also matches inside {whole!r}, which another definition reads"
                    return Draft("inside-longer-name", reason, (standing_alone(start),))
    return None


# ---- trees and texts


def _holds_any(items: Any) -> bool:
    return any(op is sre.SUBPATTERN and av[0] is not None for op, av in within(items))


def _demanded(items: Any) -> Iterable[int]:
    """Characters that every match contains."""
    return (av for op, av in _demanded_nodes(items) if op is sre.LITERAL)


def _demanded_nodes(items: Any) -> Iterable[tuple[Any, Any]]:
    for op, av in items:
        if op is sre.SUBPATTERN:
            yield from _demanded_nodes(av[3])
        elif op in REPEATS:
            if av[0] >= 1:
                yield from _demanded_nodes(av[2])
        else:
            yield op, av


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


def _literal_runs(items: Any) -> list[str]:
    runs = [""]
    for op, av in items:
        if op is sre.LITERAL:
            runs[-1] += chr(av)
        else:
            runs.append("")
    return [run for run in runs if run]
