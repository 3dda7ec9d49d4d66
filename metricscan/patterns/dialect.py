"""Which engine compiles a regex: ``re``; ``regex`` for a stated list of constructs that ``re`` refuses; or neither."""

from __future__ import annotations

import re
import sys
from re import _compiler as sre_compiler  # type: ignore[attr-defined]
from re import _parser as sre_parser  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any, NamedTuple

from metricscan.patterns.parse import is_surely_taken, parse, parse_whole

if TYPE_CHECKING:
    from collections.abc import Mapping

LOOKBEHIND = "variable-width lookbehind"
PROPERTY = r"\p{..}"
NAMED_GROUP = "(?<name>..)"
BRANCH_RESET = "(?|..)"

# ``regex`` unrolls counted repeats when it compiles: (?:a{65535}){65535} costs 10 s and 3 GB.
MOST_UNROLLED = 100_000

# The parser of ``re`` recurses for each level of nesting, and so do the functions that read its tree.
TOO_DEEP = "it is nested too deeply for the interpreter's recursion limit of {:,}"

# One element of a pattern: an escape (with its braces, for a property), a class, an opening of a group, or a character.
_ELEMENT = re.compile(
    r"""\\[pP]\{[^{}\\]*\} | \\[pP][A-Za-z] | \\. | \(\?\# [^)]* \) | \(\?<=|\(\?<!|\(\?<[^\W\d]\w*> | \(\?\| | .""",
    re.DOTALL | re.VERBOSE,
)
_FUZZY = re.compile(r"\{[\d\s<=+,ides:]*[ides][^{}]*\}")


class Dialect(NamedTuple):
    """How a pattern is compiled.

    Attributes
    ----------
    engine : {"re", "regex"}
    constructs : tuple of str
        The constructs that ``re`` refuses; empty under ``re``.
    compiled : re.Pattern, regex.Pattern or None
        None: ``re`` is known to accept it and has generated no code yet, which takes a third of ``re.compile``.
    tree : SubPattern
        The syntax tree of ``re``; under ``regex``, that of a pattern of the same shape in the syntax of ``re``.
    """

    engine: str
    constructs: tuple[str, ...]
    compiled: Any
    tree: Any

    @property
    def groups(self) -> int:
        """How many groups the pattern has."""
        return int(self.tree.state.groups - 1 if self.compiled is None else self.compiled.groups)

    @property
    def groupindex(self) -> Mapping[str, int]:
        """The number of each group that has a name."""
        index: Mapping[str, int] = self.tree.state.groupdict if self.compiled is None else self.compiled.groupindex
        return index

    def with_code(self) -> Dialect:
        """The same dialect with ``compiled`` set."""
        return self if self.compiled is not None else self._replace(compiled=_code_of(self.tree))


class RegexError(Exception):
    """Neither engine accepts the pattern."""

    def __init__(self, message: str, position: int | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.position = position
        self.hint = hint


def compile_regex(pattern: str) -> Dialect:
    r"""Compile by ``re``, or by ``regex`` if ``re`` refuses nothing but constructs of the stated list.

    The list: variable-width lookbehind, ``\p{..}``, ``(?<name>..)``, ``(?|..)``.

    Raises
    ------
    RegexError
        Neither engine accepts it.

    Examples
    --------
    >>> compile_regex(r"loss=(\S+)").engine
    're'
    >>> compile_regex(r"(?<!\w+ )loss=(\p{Nd}+)").constructs
    ('variable-width lookbehind', '\\p{..}')
    """
    return read_regex(pattern).with_code()


def read_regex(pattern: str) -> Dialect:
    """As :func:`compile_regex`, but without generating code where ``re`` is known to accept the pattern."""
    try:
        tree = parse(pattern)
        return Dialect("re", (), None if is_surely_taken(pattern) else sre_compiler.compile(tree), tree)
    except re.error as error:
        refusal = RegexError(error.msg, error.pos, _advice(pattern, error))
    except _TOO_MUCH as error:
        raise _too_much(error) from None
    rewritten, constructs = _rewrite(pattern)
    if not constructs:
        raise refusal
    try:
        # with these constructs in its own syntax, re must accept the pattern: nothing else in it may be specific to regex
        tree = parse_whole(rewritten)
        sre_compiler.compile(tree)
        size = unrolled_size(tree)
    except re.error as error:
        # positions in the rewritten pattern are not positions in the pattern
        raise RegexError(error.msg, hint=_advice(rewritten, error)) from None
    except (RecursionError, OverflowError):
        raise refusal from None
    if _is_fuzzy(pattern):
        raise RegexError(
            f"it holds what regex reads as fuzzy matching, beside {constructs[0]}, which only regex accepts",
            hint=r"write a literal { as \{",
        )
    if size > MOST_UNROLLED:
        raise RegexError(
            f"its counted repeats unroll to {size:,} elements; with {constructs[0]} at most {MOST_UNROLLED:,} are taken"
        )
    import regex

    try:
        return Dialect("regex", constructs, regex.compile(pattern, cache_pattern=False), tree)
    except regex.error as error:
        raise RegexError(error.msg, error.pos) from None
    except (RecursionError, OverflowError, MemoryError):
        raise RegexError("it is too large") from None


def compile_quietly(pattern: str, flags: int = 0) -> re.Pattern[str]:
    """``re.compile`` without its warnings and without its cache."""
    flags = int(flags)
    compiled: re.Pattern[str] = sre_compiler.compile(parse_whole(pattern, flags), flags)
    return compiled


def _code_of(tree: Any) -> re.Pattern[str]:
    try:
        # as re.compile does it, without parsing again
        compiled: re.Pattern[str] = sre_compiler.compile(tree)
    except _TOO_MUCH as error:
        raise _too_much(error) from None
    return compiled


_TOO_MUCH = (RecursionError, OverflowError, MemoryError)


def _too_much(error: BaseException) -> RegexError:
    if isinstance(error, RecursionError):
        return RegexError(TOO_DEEP.format(sys.getrecursionlimit()))
    return RegexError(str(error) or "it is too large")


def value_group(compiled: Any) -> int:
    """Number of the group that holds the value: the one named ``value``, else 1, else 0, the whole match.

    >>> value_group(re.compile("(a)(?P<value>b)"))
    2
    """
    return int(compiled.groupindex.get("value", 1 if compiled.groups else 0))


def _rewrite(pattern: str) -> tuple[str, tuple[str, ...]]:
    """The pattern with the constructs of the stated list rewritten in the syntax of ``re``, and which they are."""
    found: dict[str, None] = {}
    parts: list[str] = []
    lookbehinds: list[int] = []
    in_class = False
    opened = 0
    for match in _ELEMENT.finditer(pattern):
        text = match[0]
        if text[:2] in (r"\p", r"\P") and len(text) > 2:
            found[PROPERTY] = None
            text = r"\w"
        elif in_class:
            in_class = not (text == "]" and match.start() > opened)
        elif text == "[":
            in_class = True
            # a ] at the first place of a class is a member
            opened = match.start() + (2 if pattern.startswith("^", match.start() + 1) else 1)
        elif text in ("(?<=", "(?<!"):
            lookbehinds.append(len(parts))
        elif text == "(?|":
            found[BRANCH_RESET] = None
            text = "(?:"
        elif text.startswith("(?<"):
            found[NAMED_GROUP] = None
            text = "(?P" + text[2:]
        parts.append(text)
    rewritten = "".join(parts)
    if lookbehinds:
        try:
            compile_quietly(rewritten)
        except re.error as error:
            if "fixed-width" in error.msg:
                found[LOOKBEHIND] = None
                for at in lookbehinds:
                    parts[at] = "(?=" if parts[at] == "(?<=" else "(?!"
                rewritten = "".join(parts)
        except (RecursionError, OverflowError):
            pass
    order = (LOOKBEHIND, PROPERTY, NAMED_GROUP, BRANCH_RESET)
    return rewritten, tuple(construct for construct in order if construct in found)


def _is_fuzzy(pattern: str) -> bool:
    outside = re.sub(r"\\[pPN]\{[^{}]*\}|\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", "", pattern, flags=re.DOTALL)
    return _FUZZY.search(outside) is not None


def unrolled_size(items: Any) -> int:
    """How many elements a tree has when its counted repeats are written out."""
    size = 0
    for operation, argument in items:
        name = str(operation)
        if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            low, high, body = argument
            most = int(low) if high == sre_parser.MAXREPEAT else int(high)
            size += max(1, most) * unrolled_size(body)
        elif name == "BRANCH":
            size += sum(map(unrolled_size, argument[1]))
        elif name == "SUBPATTERN":
            size += unrolled_size(argument[3])
        elif name == "ATOMIC_GROUP":
            size += unrolled_size(argument)
        elif name in ("ASSERT", "ASSERT_NOT"):
            size += unrolled_size(argument[1])
        elif name == "GROUPREF_EXISTS":
            size += sum(unrolled_size(branch) for branch in argument[1:] if branch)
        else:
            size += 1
    return size


def _advice(pattern: str, error: re.error) -> str | None:
    if "global flags" in error.msg:
        return "flags for the whole pattern stand at its start; (?i:..) holds for a part of it"
    if "'L' flag" in error.msg:
        return "(?L) is for bytes patterns; without it letters are Unicode's"
    if error.msg.startswith(("unterminated", "missing )")) and error.pos is not None:
        opened = pattern[error.pos : error.pos + 1]
        closing = {"(": "close the group with )", "[": "close the set with ]"}.get(opened)
        return closing and f"{closing}, or write \\{opened} for the character"
    return None
