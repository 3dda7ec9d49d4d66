"""What a regex leaves open about its value: what may stand beside it, and which kinds of value it does not take."""

from __future__ import annotations

import re
from re import _constants as sre  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any, NamedTuple

from metricscan.definitions.regex_parts import holds, parts_of
from metricscan.patterns.tree import REPEATS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metricscan.definitions.regex_parts import RegexParts

_NUMBER = r"[-+\u2212]?(?:[0-9](?:[0-9_,.]*[0-9.])?(?:[eE][-+]?[0-9]+)?|\.[0-9]+(?:[eE][-+]?[0-9]+)?)%?"
_WORDS = ("nan", "inf", "infinity", "none", "null", "n/a", "na", "nil", "undefined")
_WORD = "(?:" + "|".join("".join(f"[{c}{c.upper()}]" if c.isalpha() else c for c in word) for word in _WORDS) + ")"
_BARE = rf"(?:{_NUMBER}|[-+\u2212]?{_WORD}|\u221e)"
_COLOUR = r"(?:\x1b\[[0-9;]{0,20}m){0,3}"
_MAKER = r"(?:(?:tf\.)?[tT]ensor|(?:Device)?[aA]rray|(?:j?np|numpy)\.[a-z]+[0-9]*)"
_OBJECT = rf"{_MAKER}?[\[(]{{1,2}}{_BARE}[^\])]*[\])]{{1,2}}"
#: Any text that logs print for a value: a number in any notation, nan, inf, None and their like; in quotes, in brackets, behind a
#: sign such as ``~``, or as the objects of frameworks are printed; in colour; and the asterisks of a number that is too long.
ANY_VALUE = rf"{_COLOUR}(?:['\"~$\u2248]?{_BARE}['\"]?|{_OBJECT}|\*{{3,}}){_COLOUR}"
_NOT_IN_WORD = r"(?![0-9A-Za-z_])"
# One text of each kind. A group that takes all of them misses no value.
_KINDS = ("1", "1.5", "-1.5", "1e-05", ".5", "1,234.5", "nan", "inf", "None", "n/a", "'0.5'", "[0.5]")

_LETTERS = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_DIGITS = frozenset(b"0123456789")
#: 1: a number or a unit may go on with this byte behind a value (0xC2 begins the signs for micro and degree); 2: with it and
#: a digit.
BEHIND = bytes(
    1 if byte in _LETTERS | _DIGITS | frozenset(b"%\xc2") else 2 if byte in b".,:_" else 0 for byte in range(256)
)
#: The bytes with which any value may begin; 0xE2 begins the minus sign and the sign for infinity.
VALUE_STARTS = bytes(byte in _DIGITS | frozenset(b"-+.'\"[(nNiIuUtTaADj~$*\x1b\xe2") for byte in range(256))
#: The bytes behind which a value may begin within a word or a number, or without its sign; 0x92 ends the minus sign U+2212.
BEFORE = bytes(byte in _LETTERS | _DIGITS | frozenset(b"._,-+\x92") for byte in range(256))
_FRONT = _LETTERS | _DIGITS | frozenset(b"._")
# What may stand in a number behind its first byte: 2 where a digit, a point, a comma or an underscore follows, 3 where a digit
# or a sign does.
_IN_NUMBER = bytes(
    1 if byte in _DIGITS | frozenset(b".%+-'\"") else 2 if byte in b",_" else 3 if byte in b"eE" else 0
    for byte in range(256)
)
_AFTER_SIGN = frozenset(b"nNiIuU")


class Surroundings(NamedTuple):
    """What a regex leaves open about its value.

    Attributes
    ----------
    is_open_before, is_open_behind : bool
        Whether a word or a number may go on there.
    relaxed : str or None
        The regex with any kind of value in the place of its own; its matches are texts, not values. None if the regex takes any
        kind already, or if its value cannot be replaced.
    opened : str or None
        The regex with any text at all in the place of its value; None if ``relaxed`` is.
    lead_in : (bytes, bool)
        The text right before the value, empty if the regex does not say; and whether blanks may stand between them.
    lead_out : bytes
        The text right behind the value; empty if the regex does not say.
    own : bytes
        A table of bytes: texts of one or more of them are values of the regex. Empty where nothing is known.
    """

    is_open_before: bool
    is_open_behind: bool
    relaxed: str | None
    opened: str | None
    lead_in: tuple[bytes, bool]
    lead_out: bytes
    own: bytes = bytes(256)

    @property
    def goes_on(self) -> bytes:
        """A table of bytes: with which of them any kind of value may go on behind bytes of ``own``.

        2: before a digit, a point, a comma or an underscore; 3: before a digit or a sign.
        """
        starts = {byte for byte in range(256) if self.own[byte] and VALUE_STARTS[byte]}
        if not any(self.own) or not starts <= _DIGITS | frozenset(b".-+"):
            # a word, a quote or a bracket may begin the value
            return b"\1" * 256
        if starts <= _DIGITS | frozenset(b"."):
            return _IN_NUMBER
        return bytes(1 if byte in _AFTER_SIGN else kind for byte, kind in enumerate(_IN_NUMBER))


def surroundings(regex: str) -> Surroundings | None:
    """What a regex leaves open about its value; None if it has no value group that always takes part, or only ``regex`` takes it.

    >>> surroundings(r"loss=([0-9.]+)%")[:2]
    (False, False)
    >>> surroundings(r"loss\\D+([0-9.]+)")[:2]
    (True, True)
    """
    parts = parts_of(regex)
    if parts is None or parts.refers:
        return None
    path = _path(parts.items, parts.group) if parts.group else _between_looks(parts.items)
    if path is None:
        return None
    before, group, behind = path
    relaxed = _relaxed(parts, behind)
    return Surroundings(
        _is_open(list(reversed(before)), _FRONT | frozenset(b"-")),
        _is_open(behind, frozenset(byte for byte in range(256) if BEHIND[byte])) and not _takes_all(group),
        relaxed,
        None if relaxed is None else _with_body(parts, r"[\s\S]*"),
        _lead_in(parts, before),
        _lead_out(parts, behind),
        bytes(256) if parts.tree.flags & re.IGNORECASE else _own(group),
    )


def _lead_in(parts: RegexParts, before: Sequence[Any]) -> tuple[bytes, bool]:
    """The text that stands right before the value, and whether blanks may follow it."""
    blanks, text = False, ""
    if parts.tree.flags & re.IGNORECASE:
        return b"", False
    for op, av in reversed(before):
        if not text and op in REPEATS and _is_blank(av[2]):
            blanks = True
        elif op is sre.LITERAL and not 0xD800 <= av <= 0xDFFF:
            text = chr(av) + text
        else:
            break
    return text.encode(), blanks


def _lead_out(parts: RegexParts, behind: Sequence[Any]) -> bytes:
    text = ""
    if parts.tree.flags & re.IGNORECASE:
        return b""
    for op, av in behind:
        if op is not sre.LITERAL or 0xD800 <= av <= 0xDFFF:
            break
        text += chr(av)
    return text.encode()


def _own(group: Sequence[Any]) -> bytes:
    r"""The ASCII bytes of a group such as ``([0-9.]+)`` or ``(-?[0-9.]+|nan)``, which takes any text of them; none for others."""
    if len(group) == 1 and group[0][0] is sre.BRANCH:
        return next((own for branch in group[0][1][1] if any(own := _own(branch))), bytes(256))
    if not all(op in (sre.MAX_REPEAT, sre.MIN_REPEAT) for op, _ in group):
        return bytes(256)
    # what may be left out, such as a sign, is no matter
    runs = [repeat for _, repeat in group if (int(repeat[0]), repeat[1]) != (0, 1)]
    if len(runs) != 1:
        return bytes(256)
    low, high, inner = runs[0]
    if int(low) > 1 or high is not sre.MAXREPEAT or len(inner) != 1 or inner[0][0] is not sre.IN:
        return bytes(256)
    try:
        one = re.compile(_class_text(inner[0][1]))
    except _UnknownError:
        return bytes(256)
    return bytes(byte < 0x80 and one.fullmatch(chr(byte)) is not None for byte in range(256))


_BLANKS = ((sre.LITERAL, 0x20), (sre.LITERAL, 0x09), (sre.CATEGORY, sre.CATEGORY_SPACE))


def _is_blank(items: Sequence[Any]) -> bool:
    if len(items) != 1:
        return False
    op, av = items[0]
    return (op, av) in _BLANKS if op is not sre.IN else all(member in _BLANKS for member in av)


def _path(items: Sequence[Any], group: int) -> tuple[list[Any], list[Any], list[Any]] | None:
    """What stands before the group, its items, and what stands behind it; None if it lies in a repeat or an alternation."""
    for index, (op, av) in enumerate(items):
        if op is not sre.SUBPATTERN or not (av[0] == group or holds(av[3], group)):
            continue
        before, behind = list(items[:index]), list(items[index + 1 :])
        if av[0] == group:
            return before, list(av[3]), behind
        # with flags of its own, a part may mean something else than its text
        inner = None if av[1] or av[2] else _path(list(av[3]), group)
        return None if inner is None else ([*before, *inner[0]], inner[1], [*inner[2], *behind])
    return None


def _between_looks(items: Sequence[Any]) -> tuple[list[Any], list[Any], list[Any]]:
    """What looks around at the ends of a regex that is its own value, and what stands between."""
    looks = [op in (sre.AT, sre.ASSERT, sre.ASSERT_NOT) for op, _ in items]
    begin = looks.index(False) if False in looks else len(looks)
    end = len(looks) - (looks[::-1].index(False) if False in looks else 0)
    return list(items[:begin]), list(items[begin:end]), list(items[end:])


def _is_open(items: Sequence[Any], going_on: frozenset[int]) -> bool:
    """Whether the items, read away from the value, allow a byte with which a word or number goes on."""
    for op, av in items:
        if op is sre.LITERAL:
            return False
        if op is sre.AT:
            if av in (sre.AT_BOUNDARY, sre.AT_NON_BOUNDARY):
                continue
            return False
        if op in (sre.ASSERT, sre.ASSERT_NOT):
            return False
        if op in REPEATS:
            low, _, inner = av
            if _is_open_item(inner, going_on, optional=int(low) == 0):
                return True
            if int(low) > 0:
                return False
            continue
        if op is sre.SUBPATTERN:
            return _is_open([*av[3]], going_on)
        return _is_open_item([(op, av)], going_on, optional=False)
    return True


def _is_open_item(items: Sequence[Any], going_on: frozenset[int], *, optional: bool) -> bool:
    """Whether an item takes a byte with which a word or number goes on; a letter that must stand there is no such byte."""
    if len(items) != 1:
        return True
    op, av = items[0]
    if op is sre.LITERAL:
        return optional and av in going_on
    if op is sre.NOT_LITERAL or op is sre.ANY:
        return True
    if op is sre.IN:
        try:
            one = re.compile(_class_text(av))
        except _UnknownError:
            return True
        return any(one.fullmatch(chr(byte)) for byte in going_on if byte < 0x80)
    return True


class _UnknownError(Exception):
    """An item of a class that is not spelled here."""


_CATEGORIES = {
    sre.CATEGORY_DIGIT: r"\d",
    sre.CATEGORY_NOT_DIGIT: r"\D",
    sre.CATEGORY_SPACE: r"\s",
    sre.CATEGORY_NOT_SPACE: r"\S",
    sre.CATEGORY_WORD: r"\w",
    sre.CATEGORY_NOT_WORD: r"\W",
}


def _class_text(members: Sequence[Any]) -> str:
    text = ""
    for kind, value in members:
        if kind is sre.NEGATE:
            text += "^"
        elif kind is sre.LITERAL:
            text += re.escape(chr(value))
        elif kind is sre.RANGE:
            text += f"{re.escape(chr(value[0]))}-{re.escape(chr(value[1]))}"
        elif kind is sre.CATEGORY and value in _CATEGORIES:
            text += _CATEGORIES[value]
        else:
            raise _UnknownError
    return f"[{text}]"


def _takes_all(group: Sequence[Any]) -> bool:
    r"""Whether a group such as ``(\S+)`` ends only where no number and no unit can go on."""
    if not group or group[-1][0] is not sre.MAX_REPEAT or group[-1][1][1] is not sre.MAXREPEAT:
        return False
    (item,) = group[-1][1][2] if len(group[-1][1][2]) == 1 else (None,)
    if item is None:
        return False
    op, av = item
    if op is sre.ANY:
        return True
    if op is sre.NOT_LITERAL:
        return not (av < 256 and BEHIND[av])
    if op is not sre.IN:
        return False
    try:
        one = re.compile(_class_text(av))
    except _UnknownError:
        return False
    return all(one.fullmatch(chr(byte)) for byte in range(0x80) if BEHIND[byte])


def _with_body(parts: RegexParts, body: str) -> str | None:
    """The regex with another body in the value's group; None if the group's place is not known."""
    if parts.group not in parts.groups or parts.refers:
        return None
    _, start, end = parts.groups[parts.group]
    return parts.regex[:start] + body + parts.regex[end:]


def _relaxed(parts: RegexParts, behind: Sequence[Any]) -> str | None:
    body = parts.body
    if body is None or all(body.fullmatch(kind) for kind in _KINDS):
        return None
    return _with_body(parts, ANY_VALUE + (_NOT_IN_WORD if _is_open(behind, _FRONT) else ""))
