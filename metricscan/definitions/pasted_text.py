"""Text that was pasted from a log into a regex, with characters that mean something there: ``[val] loss``, ``acc(%)``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from metricscan.definitions.mends import Mend

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metricscan.definitions.regex_parts import RegexParts
    from metricscan.definitions.tokens import Token

_SHORTEST = 3
# Classes and groups that are text hold no ranges and no quantifiers: [val], (%), (top-1), but not [0-9] or (.*).
_TEXT_CLASS = re.compile(r"\[[^\]\[\\^]+\]")
_TEXT_GROUP = re.compile(r"\([^()\\?*+|\[\]]*\)")
_RANGE = re.compile(r"0-9|a-z|A-Z")


class Verbatim(NamedTuple):
    """A piece of a regex that may be meant as text.

    Attributes
    ----------
    text : str
        What a log holds, if so.
    shown : str
        What is written in the regex.
    mend : Mend
        Backslashes before the characters that mean something.
    """

    text: str
    shown: str
    mend: Mend


def verbatim_pieces(definition: RegexParts) -> list[Verbatim]:
    r"""The pieces of a regex that may be meant as text, the longest first.

    >>> from metricscan.definitions.regex_parts import RegexParts
    >>> [(one.text, one.mend.edits) for one in verbatim_pieces(RegexParts(r"lr*1000: ([0-9.]+)"))]
    [('lr*1000: ', ((2, 2, '\\'),))]
    """
    runs: list[list[Token]] = [[]]
    for token in definition.tokens:
        if _is_text(definition, token):
            runs[-1].append(token)
        else:
            runs.append([])
    pieces = []
    for run in runs:
        meaning = [at for at, token in enumerate(run) if _means_something(token)]
        if not meaning:
            continue
        whole = [run]
        if len(meaning) > 1:
            # one of them may be meant as it is
            ends = [-1, *meaning, len(run)]
            whole += [run[ends[at] + 1 : ends[at + 2]] for at in range(len(meaning))]
        for tokens in whole:
            text = definition.regex[tokens[0].start : tokens[-1].stop]
            written = "".join(_verbatim(definition, token) for token in tokens)
            edits = tuple(edit for token in tokens for edit in _edits(token))
            if len(written) >= _SHORTEST and re.search(r"[^\W\d]", written):
                pieces.append(Verbatim(written, text.strip(), Mend(edits, moves=True)))
    return sorted(pieces, key=lambda piece: -len(piece.text))


def _is_text(definition: RegexParts, token: Token) -> bool:
    if token.kind == "literal":
        return token.quantifier in ("", "?", "*", "+")
    if token.quantifier:
        return False
    if token.kind == "class":
        return bool(_TEXT_CLASS.fullmatch(token.text)) and not _RANGE.search(token.text)
    if token.kind == "group":
        is_value = definition.groups.get(definition.group, (-1,))[0] == token.start and definition.compiled.groups == 1
        return bool(_TEXT_GROUP.fullmatch(token.text)) and not is_value
    return token.kind in ("bar", "any") or (token.kind == "anchor" and token.start > 0)


def _means_something(token: Token) -> bool:
    return token.kind in ("class", "group", "bar", "anchor") or bool(token.quantifier)


def _verbatim(definition: RegexParts, token: Token) -> str:
    return (token.text if token.kind == "literal" else definition.regex[token.start : token.end]) + token.quantifier


def _edits(token: Token) -> Sequence[tuple[int, int, str]]:
    found = []
    if token.kind in ("class", "group", "bar", "anchor"):
        found.append((token.start, token.start, "\\"))
    if token.kind in ("class", "group"):
        found.append((token.end - 1, token.end - 1, "\\"))
    if token.quantifier:
        found.append((token.end, token.end, "\\"))
    return found
