"""The text of a regex, divided at its top level: literals, classes and groups, each with its quantifier and its place."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

_QUANTIFIER = re.compile(r"(?:[*+?]|\{(?:\d+(?:,\d*)?|,\d+)\})[?+]?")
_FLAGS = re.compile(r"\(\?[aimsux]+\)")
_WORD_ESCAPES = re.compile(r"\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|N\{[^}]*\}|[0-7]{1,3}|.)", re.DOTALL)


class Token(NamedTuple):
    """A piece of a regex at its top level.

    Attributes
    ----------
    kind : {"literal", "escape", "class", "any", "group", "anchor", "bar", "flags"}
        An escape is that of a class, such as ``\\d``, or of a place; one that stands for a character is a literal.
    start, end : int
        Its place in the regex, without the quantifier.
    text : str
        The character of a literal, else what is written.
    quantifier : str
        Empty without one.
    """

    kind: str
    start: int
    end: int
    text: str
    quantifier: str

    @property
    def stop(self) -> int:
        """The end of the quantifier."""
        return self.end + len(self.quantifier)


def tokens_of(regex: str) -> list[Token]:
    r"""The tokens of a regex that ``re`` accepts and that is not verbose.

    >>> [token.text for token in tokens_of(r"a\.[bc]+(d)")]
    ['a', '.', '[bc]', '(d)']
    """
    found = []
    at = 0
    while at < len(regex):
        char = regex[at]
        end = at + 1
        kind, text = "literal", char
        if char == "\\":
            escape = _WORD_ESCAPES.match(regex, at)
            end = escape.end() if escape else at + 2
            text = regex[at:end]
            if text[1:].isalnum() and text not in (r"\t", r"\n", r"\r", r"\f", r"\v", r"\a"):
                kind = "escape"
            else:
                text = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "v": "\v", "a": "\a"}.get(text[1], text[1])
        elif char == "[":
            end = class_end(regex, at)
            kind = "class"
        elif char == "(":
            flags = _FLAGS.match(regex, at)
            end = flags.end() if flags else _group_end(regex, at)
            kind = "flags" if flags else "group"
        elif char in "^$":
            kind = "anchor"
        elif char in ".|":
            kind = "any" if char == "." else "bar"
        if len(text) != 1 or kind in ("class", "group", "flags"):
            text = regex[at:end]
        quantifier = _QUANTIFIER.match(regex, end)
        found.append(Token(kind, at, end, text, quantifier[0] if quantifier else ""))
        at = found[-1].stop
    return found


def escaped(text: str) -> str:
    r"""A regex that matches a text; unlike that of ``re.escape`` it stays easy to read.

    >>> escaped("[val] acc-1")
    '\\[val\\] acc-1'
    """
    return re.sub(r"[\\.^$*+?{}\[\]|()]", r"\\\g<0>", text)


def class_end(regex: str, at: int) -> int:
    """The end of the class that begins at a place."""
    at += 2 if regex.startswith("^", at + 1) else 1
    # a ] at the first place is a member
    at += regex.startswith("]", at)
    while at < len(regex) and regex[at] != "]":
        at += 2 if regex[at] == "\\" else 1
    return at + 1


def _group_end(regex: str, at: int) -> int:
    if regex.startswith("(?#", at):
        return regex.index(")", at) + 1
    depth = 0
    while at < len(regex):
        char = regex[at]
        if char == "\\":
            at += 2
            continue
        if char == "[":
            at = class_end(regex, at)
            continue
        if char == "(":
            if regex.startswith("(?#", at):
                at = regex.index(")", at) + 1
                continue
            depth += 1
        elif char == ")":
            depth -= 1
            if depth == 0:
                return at + 1
        at += 1
    return at


class NameRun(NamedTuple):
    """A name that a regex demands, with the literals that follow it, and the place where it begins."""

    literal: str
    start: int


def name_runs(regex: str, tokens: Sequence[Token], until: int) -> list[NameRun]:
    """The names before a place at which a match may begin within a longer name: at the start, or behind ``.*``."""
    found = []
    open_before = True
    literal, start = "", 0
    for token in tokens:
        if token.start >= until:
            break
        if token.kind == "literal" and not token.quantifier:
            if not literal:
                start = token.start
            literal += token.text
            continue
        if literal and open_before:
            found.append(NameRun(literal, start))
        literal_before, literal = bool(literal), ""
        if token.kind == "flags":
            continue
        # the point of np.float64 is one character, and what stands before it is said
        open_before = _takes_names(token) and not (literal_before and token.kind == "any" and not token.quantifier)
    if literal and open_before:
        found.append(NameRun(literal, start))
    return [run for run in found if re.match(r"\w", run.literal) and re.search(r"[^\W\d]", run.literal)]


def _takes_names(token: Token) -> bool:
    """Whether what a token matches may end in a letter of a name."""
    if token.kind == "any":
        return True
    if token.kind in ("class", "escape") and token.quantifier:
        try:
            return re.fullmatch(token.text, "a") is not None
        except (re.error, FutureWarning):
            return False
    return False
