"""What a regex leaves open about its value: what may stand beside it, and which kinds of value it does not take."""

from __future__ import annotations

import re
from re import _constants as sre  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any, NamedTuple

from metricscan.definitions.printed_names import other_prints, with_other_prints
from metricscan.definitions.regex_parts import holds, parts_of
from metricscan.patterns.tree import REPEATS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metricscan.definitions.printed_names import OtherPrint
    from metricscan.definitions.regex_parts import RegexParts

_EXPONENT = r"(?:[eEdDf][-+]?[0-9]+|(?:[x*]|\u00d7|\u00b7)10(?:\^|\*\*)?-?[0-9]+)"
_UNIT = r"(?:[ \u00a0\u202f]?%|[kKMGTB](?:B|it/s)?|[mun\u00b5]?s|dB|min|sec|it/s|s/it)"
_NUMBER = (
    rf"(?:[0-9](?:[0-9_,.]*[0-9.])?(?:['\u2019\u00a0\u202f\u2009][0-9]{{3}}(?:[.,][0-9]+)?)*{_EXPONENT}?|\.[0-9]+{_EXPONENT}?"
    rf"|1\.#(?:INF|IND|QNAN|SNAN|J)[0-9]*|0[xX][0-9a-fA-F]+(?:\.[0-9a-fA-F]*)?[pP][-+]?[0-9]+){_UNIT}?"
)
_WORDS = (
    *(
        "nan",
        "inf",
        "infinity",
        "none",
        "null",
        "n/a",
        "na",
        "nil",
        "undefined",
        "missing",
        "nothing",
        "diverged",
        "overflow",
    ),
    *("nan32", "inf32", "<na>", "<nil>"),
)
_WORD = "(?:" + "|".join("".join(f"[{c}{c.upper()}]" if c.isalpha() else c for c in word) for word in _WORDS) + ")"
_SIGN = r"[-+\u2212\u2010-\u2013\uff0d]?"
# in the digits of another script, such as those of full width
_OTHER_DIGITS = r"(?![0-9])\d(?:[\d.,\u066b\u066c\uff0e\uff0c]*\d)?"
_BARE = rf"{_SIGN}(?:{_NUMBER}|{_WORD}|\u221e|{_OTHER_DIGITS})"
# in the place of a value that is behind a name: elsewhere lines of dashes took more than all else of a scan
_DASHES = r"(?:-{1,3}|[\u2013\u2014])(?![^\s,;|)\]}])"
_COLOUR = r"(?:(?:\x1b|#033)\[[0-9;]{0,20}m){0,3}"
_BEFORE = r"(?:\\?['\"`]|\*{1,2}|[~$\u20ac\u00a3\u00a5\u2248\u2264\u2265\u00b1]|[<>]=?)?[ ]?"
_BEHIND = r"(?:\\?['\"`]|\*\*)?"
_NAMED = "(?:(?:value|val|mean|avg|data|item)=)?"
_MODULE = r"(?:tf|j?np|numpy|torch|mx|cp|cupy|paddle)\."
_MAKER = rf"(?:(?:{_MODULE})?[tT]ensor|(?:Device)?[aA]rray|{_MODULE}[a-z]+[0-9]*|[fF]loat(?:16|32|64)|Decimal|Fraction|Some|Ok)"
_BEGUN = rf"{_SIGN}(?:\.?[0-9]|[nN][aAoOuU]|[iI][nN][fF]|\u221e)"
_OBJECT = rf"{_MAKER}?[\[(]{{1,3}}{_BEFORE}{_BEGUN}[^\])]*[\])]{{1,3}}"
_DESCRIBED = r"D?Tensor\((?:shape|local_tensor)=\w*"
_ANGLED = rf"<[^<>=]{{1,80}}=[^<>]{{0,200}}?(?:numpy|value)=\[{{0,2}}{_BEGUN}[^<>]*>"
#: Any text that logs print for a value: a number in any notation and with a unit, nan, inf, None and their like; in quotes, in
#: brackets, behind a sign such as ``~`` or ``<``, or as the objects of frameworks are printed; in colour; and the asterisks
#: of a number that is too long.
ANY_VALUE = rf"{_COLOUR}(?:{_BEFORE}{_NAMED}{_BARE}{_BEHIND}|{_OBJECT}|{_DESCRIBED}|{_ANGLED}|\*{{3,}}){_COLOUR}"
# Numbers are right-aligned by blanks.
_ALIGNED = r"[ \t]*"
_NOT_IN_WORD = r"(?![0-9A-Za-z_])"
# One text of each kind. A group that takes all of them misses no value.
_KINDS = ("1", "1.5", "-1.5", "1e-05", ".5", "1,234.5", "nan", "inf", "None", "n/a", "'0.5'", "[0.5]")

_LETTERS = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_DIGITS = frozenset(b"0123456789")
_BEFORE_MORE = {ord(" "): 8, ord("."): 16, ord("#"): 34, ord("*"): 64, 0xC3: 64, 0x1B: 128}
#: With which bytes a number or a unit may go on behind a value (0xC2 begins the signs for micro and degree, and a blank at which
#: no line is broken; 0xE2 begins such a blank and an apostrophe). 1: whatever follows. The others: if a byte follows, such as
#: a digit, that has this bit in the kernel's ``ms_beside``.
BEHIND = bytes(
    1
    if byte in _LETTERS | _DIGITS | frozenset(b"%\xc2\xe2")
    else {**dict.fromkeys(b",:_'", 2), **_BEFORE_MORE}.get(byte, 0)
    for byte in range(256)
)
_GOING_ON = frozenset(byte for byte in range(256) if BEHIND[byte] and byte != ord(" "))
#: The bytes with which any value may begin, or the blanks before one; those from 0x80 on begin signs such as the minus U+2212,
#: and digits of other scripts.
VALUE_STARTS = bytes(
    byte in _DIGITS | frozenset(b" \t-+.'\"`\\[(<>nNiIuUtTaADjmMoOvdfFScp~$*\x1b#\xe2\xc2") or byte >= 0xD9
    for byte in range(256)
)
#: The bytes behind which a value may begin within a word, a number or an escape sequence, or without its sign; 0x92 ends the
#: minus sign U+2212, 0x90, 0x91 and 0x93 dashes, the others from 0x80 on signs that separate groups of digits.
BEFORE = bytes(
    byte in _LETTERS | _DIGITS | frozenset(b"._,-+'[;\x90\x91\x92\x93\x99\xa0\xaf\x89") for byte in range(256)
)
_FRONT = _LETTERS | _DIGITS | frozenset(b"._")
# What may stand in a number or its unit behind its first byte; 2 to 5: before some bytes (Surroundings.goes_on).
_IN_NUMBER = bytes(
    1
    if byte in _DIGITS | frozenset(b".%+-'\"`\\*kKMGTBsixXDf\x1b\xc2\xc3\xe2")
    else {**dict.fromkeys(b",_", 2), **dict.fromkeys(b"eE", 3), ord(" "): 4, **dict.fromkeys(b"mund#", 5)}.get(byte, 0)
    for byte in range(256)
)
_AFTER_SIGN = frozenset(b"nNiIuUmMdDoO<")


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
    is_open_to_blank : bool
        Whether a number may go on behind a blank, as in ``1 234.5``, or a per cent sign stand there.
    other_prints : tuple of bytes
        Texts of which one stands in nearly each match of ``relaxed`` in which the name before the value is not printed as the
        regex takes it: in colour, or followed by a sign in the place of a blank.
    """

    is_open_before: bool
    is_open_behind: bool
    relaxed: str | None
    opened: str | None
    lead_in: tuple[bytes, bool]
    lead_out: bytes
    own: bytes = bytes(256)
    is_open_to_blank: bool = False
    other_prints: tuple[bytes, ...] = ()

    @property
    def behind(self) -> bytes:
        """A table of bytes: with which of them a number or a unit may go on behind the value; the kinds of ``BEHIND``."""
        blank = ord(" ")
        return bytes(
            kind if (self.is_open_to_blank if byte == blank else self.is_open_behind) else 0
            for byte, kind in enumerate(BEHIND)
        )

    @property
    def goes_on(self) -> bytes:
        """A table of bytes: with which of them any kind of value may go on behind bytes of ``own``.

        2: before a digit, a point, a comma or an underscore; 3: before a digit or a sign; 4: before a per cent sign;
        5: before a letter, a digit or a sign.
        """
        starts = {byte for byte in range(256) if self.own[byte] and VALUE_STARTS[byte]} - frozenset(b" \t")
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
    lead_in = _lead_in(parts, before)
    prints = other_prints(parts)
    relaxed = _relaxed(parts, behind, prints, lead_in)
    return Surroundings(
        _is_open(list(reversed(before)), _FRONT | frozenset(b"-")),
        _is_open(behind, _GOING_ON) and not _takes_all(group),
        relaxed,
        None if relaxed is None else _with_body(parts, r"[\s\S]*"),
        lead_in,
        _lead_out(parts, behind),
        bytes(256) if parts.tree.flags & re.IGNORECASE else _own(group),
        _is_open_to_blank(behind) and not _ends_by_taking(group, " "),
        () if relaxed is None else tuple(dict.fromkeys(text for one in prints for text in one.texts)),
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


def _is_open_to_blank(items: Sequence[Any]) -> bool:
    """Whether the items behind the value allow a blank and, behind it, a digit."""
    for op, av in items:
        item = (op, av)
        if op is sre.AT and av in (sre.AT_BOUNDARY, sre.AT_NON_BOUNDARY):
            continue
        if op in REPEATS:
            (item,) = av[2] if len(av[2]) == 1 else ((None, None),)
        if _takes(item, "7"):
            return True
        if not _takes(item, " "):
            if op in REPEATS and int(av[0]) == 0:
                continue
            return False
    return True


def _takes(item: tuple[Any, Any], char: str) -> bool:
    """Whether an item is a character, or a class of characters, and takes this one."""
    op, av = item
    if op is sre.LITERAL:
        return bool(av == ord(char))
    if op is sre.NOT_LITERAL:
        return bool(av != ord(char))
    if op is sre.IN:
        try:
            return re.match(_class_text(av), char) is not None
        except _UnknownError:
            return False
    return op is sre.ANY


def _ends_by_taking(group: Sequence[Any], char: str) -> bool:
    """Whether a group takes, at its end, as many characters as there are, and this one too."""
    if not group or group[-1][0] is not sre.MAX_REPEAT or group[-1][1][1] is not sre.MAXREPEAT:
        return False
    (item,) = group[-1][1][2] if len(group[-1][1][2]) == 1 else ((None, None),)
    return _takes(item, char)


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
    r"""Whether a group such as ``(\S+)`` ends only where no number and no unit can go on, if not behind a blank."""
    return all(_ends_by_taking(group, chr(byte)) for byte in _GOING_ON if byte < 0x80)


def _with_body(parts: RegexParts, body: str) -> str | None:
    """The regex with another body in the value's group; None if the group's place is not known."""
    if parts.group not in parts.groups or parts.refers:
        return None
    _, start, end = parts.groups[parts.group]
    return parts.regex[:start] + body + parts.regex[end:]


def _relaxed(
    parts: RegexParts, behind: Sequence[Any], prints: list[OtherPrint], lead_in: tuple[bytes, bool]
) -> str | None:
    body = parts.body
    if body is None:
        return None
    name, takes_blanks = lead_in
    if all(body.fullmatch(kind) for kind in _KINDS) and (takes_blanks or body.fullmatch(" 1")) and not prints:
        return None
    # of two runs of blanks each would be tried with each
    blanks = "" if takes_blanks else _ALIGNED
    takes_dashes = re.search(rb"[A-Za-z]", name) and _lead_out(parts, behind)[:1] in b" \t,;|)]}"
    value = f"(?:{ANY_VALUE}|{_DASHES})" if takes_dashes else ANY_VALUE
    relaxed = _with_body(parts, blanks + value + (_NOT_IN_WORD if _is_open(behind, _FRONT) else ""))
    # what precedes the value has kept its places
    return None if relaxed is None else with_other_prints(relaxed, prints)
