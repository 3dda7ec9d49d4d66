"""The name before a value as a log may print it and a regex does not take it: in colour, or before a sign in a blank's place."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from metricscan.definitions.regex_parts import RegexParts
    from metricscan.definitions.tokens import Token

# What ends the colour of a name.
_COLOUR = r"(?:\x1b\[[0-9;]{0,20}m){0,3}"
_LEAST_NAME = 2
# Texts that stand in records with one such print. Each is searched, so of more than these none is.
_MOST_TEXTS = 4
_OF_NAME = re.compile(r"[A-Za-z0-9_/.-]")
_PRINTED = [chr(byte) for byte in (9, *range(32, 127))]


class OtherPrint(NamedTuple):
    """A change of a regex by which it takes another print of the name before its value.

    Attributes
    ----------
    start, stop : int
        The place in the regex that is replaced.
    body : str
        What replaces it.
    texts : tuple of bytes
        Texts of which one stands in nearly each record that the change adds.
    """

    start: int
    stop: int
    body: str
    texts: tuple[bytes, ...]


def other_prints(parts: RegexParts) -> list[OtherPrint]:
    r"""How a log may print the name before the value otherwise than the regex takes it.

    >>> from metricscan.definitions.regex_parts import RegexParts
    >>> [(one.start, one.stop, one.texts) for one in other_prints(RegexParts(r"loss: (\S+)"))]
    [(4, 4, (b'loss\x1b[',)), (5, 5, (b'loss:\x1b[',)), (5, 6, (b's:-',))]
    """
    if parts.group not in parts.groups:
        return []
    opened = parts.groups[parts.group][0]
    tokens = [token for token in parts.tokens if token.stop <= opened]
    if not tokens or opened not in (token.start for token in parts.tokens):
        return []
    between: list[Token] = []
    while tokens and _alternatives(tokens[-1]):
        between.insert(0, tokens.pop())
    stop = tokens[-1].stop if tokens else 0
    is_quoted = any(token.text in ("'", '"') for token in between)
    name = ""
    while tokens and tokens[-1].kind == "literal" and not tokens[-1].quantifier and _OF_NAME.match(tokens[-1].text):
        name = tokens.pop().text + name
    name = name.lstrip("0123456789/.-")
    if len(name) < _LEAST_NAME:
        return []
    texts = [name]
    if parts.tree.flags & re.IGNORECASE:
        texts = list(dict.fromkeys((name, name.lower(), name.upper(), name.capitalize())))
    found = []
    # the colour that begins right before the value is that of the value
    for at, token in enumerate(between):
        # with the bracket, so that one search finds those of all metrics
        found.append(OtherPrint(stop, stop, _COLOUR, tuple(f"{text}\x1b[".encode() for text in texts)))
        if at == len(between) - 1 and at and _is_blank(token) and token.quantifier in ("", "+") and not is_quoted:
            # programs that print a blank in the place of a plus sign; JSON is not printed so
            body = f"(?:{parts.regex[token.start : token.stop]}|(?=-))"
            # the end of the name is enough; more of it might be found by the same two bytes as the name, and cost a look at each
            ends = dict.fromkeys(f"{text[len(name) - 1 :]}-".encode() for text in texts)
            found.append(OtherPrint(token.start, token.stop, body, tuple(ends)))
        texts = [text + more for text in texts for more in _alternatives(token)]
        if len(texts) > _MOST_TEXTS:
            break
        stop = token.stop
    return found


def with_other_prints(regex: str, prints: list[OtherPrint]) -> str:
    """The regex, which takes the other prints too."""
    for one in sorted(prints, reverse=True):
        regex = regex[: one.start] + one.body + regex[one.stop :]
    return regex


def _is_blank(token: Token) -> bool:
    return token.text in (" ", r"\s", r"\t", "\t")


def _alternatives(token: Token) -> list[str]:
    """What a token between a name and its value most likely takes; none if it takes other texts than blanks and signs."""
    if token.quantifier not in ("", "*", "+", "?"):
        return []
    is_optional = token.quantifier in ("*", "?")
    if _is_blank(token):
        return [""] if is_optional else [" "]
    if token.kind == "class" and not token.text.startswith("[^"):
        try:
            pattern = re.compile(token.text)
        except (re.error, FutureWarning):
            return []
        found = [char for char in _PRINTED if pattern.match(char)]
    elif token.kind == "literal" and token.text.isascii():
        found = [token.text]
    else:
        return []
    if any(_OF_NAME.match(char) for char in found) or len(found) > _MOST_TEXTS:
        return []
    return ["", *found] if is_optional else found
