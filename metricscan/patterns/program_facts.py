"""Derive facts about a program's matches from its code, and replace instructions by cheaper ones where the facts allow it.

These functions may miss a fact, which costs time; each fact that they state holds for every record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from metricscan.patterns.classes import CharacterClass
from metricscan.patterns.opcodes import (
    ANYWHERE,
    AT_ONCE,
    AT_TEXT,
    ATOMIC,
    BEFORE_END,
    BEFORE_TEXT,
    BEGIN,
    BOUNDARY,
    BYTE,
    CHARGE,
    CHECK,
    CLASS,
    COUNT,
    END,
    ENTER,
    FIXED,
    GREEDY,
    GROUP,
    IF,
    JUMP,
    KEEP,
    LOOK,
    MATCH,
    MAYBE,
    MOST_STEPS,
    POSSESSIVE,
    REST,
    ROUND,
    RUN,
    RUNS,
    SAME,
    SAVE,
    SIZES,
    SPLIT,
    STEPS_A_BYTE,
    STOP,
    STRING,
    UNDECIDED,
)

if TYPE_CHECKING:
    from metricscan.patterns.instructions import Code

# To find out whether the next byte decides, at most this many places are visited, for at most this many choices.
MOST_AHEAD = 64
MOST_WAYS = 256
# For a program of more instructions, the last bytes of records with a match are not computed.
MOST_LAST = 100

# Sets of bytes as the bits of an integer.
_EVERY_BYTE = (1 << 256) - 1
_ASCII = (1 << 128) - 1


class Start(NamedTuple):
    """What can come next at a place in the code. It may include too much, never too little.

    Attributes
    ----------
    first : int
        Bit b is set if the next byte consumed may be b.
    at_end : bool
        The rest may match the empty text at the record's end.
    anywhere : bool
        The rest may match the empty text anywhere, or may start with any byte.
    """

    first: int
    at_end: bool
    anywhere: bool


_UNKNOWN = Start(_EVERY_BYTE, at_end=True, anywhere=True)


class Lead(NamedTuple):
    """Where a match can start.

    Attributes
    ----------
    kind : int
        ANYWHERE, AT_TEXT, BEFORE_TEXT, AT_ONCE or BEFORE_END.
    number : int
        The class of the run before the text or the end.
    text : bytes
    ascii_only : bool
        Whether the above holds for ASCII records only: in others a match can start anywhere.
    """

    kind: int
    number: int
    text: bytes
    ascii_only: bool


# the digits of base two as 0 and 1
_OF_DIGITS = bytes.maketrans(b"01", b"\0\1")
# of a class's table the entries of bytes outside ASCII
_OUTSIDE = bytes(UNDECIDED if takes else STOP for takes in range(256))
_NO_LEAD = Lead(ANYWHERE, 0, b"", ascii_only=False)


def bytes_table(mask: int) -> bytes:
    """A set of bytes, as 256 entries of 0 and 1."""
    return f"{mask:0256b}"[::-1].encode().translate(_OF_DIGITS)


# ---- what can come next


def start(code: Code, at: int, most: int | None = None) -> Start:
    """What can come next at a place; unknown if more than ``most`` places would have to be visited."""
    words = code.words
    first = 0
    at_end = anywhere = False
    seen: set[tuple[int, bool]] = set()
    waiting = [(at, False)]
    while waiting:
        place = waiting.pop()
        if place in seen:
            continue
        if len(seen) == most:
            return _UNKNOWN
        seen.add(place)
        at, ended = place
        op = words[at]
        following = [code.after(at)]
        taken = 0
        if op in (MATCH, SAME):
            at_end |= ended
            anywhere |= not ended
            following = []
        elif op == BYTE:
            taken = 1 << words[at + 1]
            following = []
        elif op == STRING:
            taken = 1 << code.pool[words[at + 1]]
            following = []
        elif op == CLASS:
            taken = code.bytes_of(words[at + 1])
            following = []
        elif op in RUNS:
            taken = code.bytes_of(words[at + 2])
            if words[at + 3] > 0:
                following = []
        elif op == SPLIT:
            following = words[at + 1 : at + 3]
        elif op == JUMP:
            following = [words[at + 1]]
        elif op == GROUP and words[at + 1] != ATOMIC:
            following = [words[at + 3]]
        elif op in (CHECK, IF) and words[at + 2] >= 0:
            following.append(words[at + 2])
        elif op == COUNT:
            following.append(words[at + 5])
        elif op == END:
            ended = True
        if not ended:
            first |= taken
        waiting += [(target, ended) for target in following]
    return Start(first, at_end, anywhere)


def _taker(code: Code, at: int) -> int:
    """The instruction that consumes the next characters in every match; instructions that only look at them are skipped."""
    words = code.words
    while True:
        op = words[at]
        if op == JUMP:
            at = words[at + 1]
        elif op == GROUP and words[at + 1] != ATOMIC:
            at = words[at + 3]
        elif op in (SAVE, CHARGE, ENTER, BOUNDARY, LOOK):
            at = code.after(at)
        else:
            return at


# ---- of the whole program


def first_bytes(code: Code) -> bytes:
    """Which bytes a match may start with, 256 entries; empty if a match may be empty."""
    at_first = start(code, 0)
    return b"" if at_first.at_end or at_first.anywhere else bytes_table(at_first.first)


def last_bytes(code: Code) -> bytes:
    """Which bytes a record with a match may end with, 256 entries; empty if a match may end before the record does."""
    words = code.words
    if not any(words[at] == END for at in code.places()):
        return b""
    last = 0
    for number, at in enumerate(code.places()):
        if number == MOST_LAST:
            return b""
        op = words[at]
        if op == BYTE:
            taken = 1 << words[at + 1]
        elif op == STRING:
            taken = 1 << code.pool[words[at + 1] + words[at + 2] - 1]
        elif op == CLASS or op in RUNS:
            taken = code.bytes_of(words[at + (1 if op == CLASS else 2)])
            if taken > _ASCII:
                taken |= _EVERY_BYTE ^ _ASCII
        elif op == SAME:
            return b""
        else:
            continue
        after = start(code, code.after(at), MOST_AHEAD)
        if after.anywhere:
            return b""
        if after.at_end:
            last |= taken
    return bytes_table(last)


def lead(code: Code) -> Lead:
    """Where a match can start, derived from what comes first in every match."""
    words = code.words
    at = _taker(code, 0)
    text = code.text_at(at)
    if text:
        return Lead(AT_TEXT, 0, text, ascii_only=False)
    # an assertion at the start of the match may hold at one place of a run and not at another
    plain = all(words[place] in (SAVE, CHARGE, JUMP, ENTER, RUN) for place in code.places() if place <= at)
    if words[at] != RUN or not (plain and code.pure) or words[at + 4] >= 0:
        return _NO_LEAD
    kind, number, least, takes_all = words[at + 1], words[at + 2], words[at + 3], words[at + 7]
    if least == 0 and takes_all and kind != POSSESSIVE:
        # from the place where the search begins, .* reaches every place where a match could start
        return Lead(AT_ONCE, 0, b"", ascii_only=False)
    one = code.classes[number]
    after = _taker(code, code.after(at))
    text = code.text_at(after)
    if text and one.table[text[0]] == STOP:
        return Lead(BEFORE_TEXT, number, text, bool(one.set))
    if words[after] == END:
        return Lead(BEFORE_END, number, b"", bool(one.set))
    return _NO_LEAD


def is_at_start(code: Code) -> bool:
    """Whether the program can match only at the record's start."""
    at = 0
    while code.words[at] == SAVE:
        at += SIZES[SAVE]
    return code.words[at] == BEGIN


def is_only_run(code: Code) -> bool:
    """Whether the program is one greedy run of at least one character, without a limit, whose match is the value."""
    words = code.words
    places = list(code.places()) if len(words) < 20 else []
    if [words[at] for at in places] not in ([KEEP, FIXED, KEEP, MATCH], [KEEP, REST, KEEP, MATCH]):
        return False
    kind, _, least, most = words[places[1] + 1 : places[1] + 5]
    return kind == GREEDY and (least, most) == (1, -1)


# ---- cheaper instructions


def note_bytes_after_runs(code: Code) -> None:
    """Write into each run the byte that must follow it, if there is one."""
    words = code.words
    for at in code.places():
        if words[at] != RUN:
            continue
        text = code.text_at(_taker(code, code.after(at)))
        if text:
            words[at + 5] = text[0]


def decide_ahead(code: Code) -> bytes:
    """Mark the runs and choices that the next byte decides, so that the matcher does not backtrack into them.

    Returns the tables of ways that the choices refer to. Nothing is marked in a program with a GROUP instruction (an atomic
    group or a lookaround), because its body matches without regard to what follows it.
    """
    words = code.words
    if any(words[at] == GROUP for at in code.places()):
        return b""
    ways: dict[bytes, int] = {}
    for at in code.places():
        if words[at] == RUN:
            kind, number, least, most = words[at + 1 : at + 5]
            table = code.classes[number].table
            # bytes outside ASCII are left to the slow path
            outside = table[128:].translate(_OUTSIDE)
            words[at + 8] = code.number_of(CharacterClass(table[:128] + outside, b""))
            after = code.after(at)
            following = start(code, after, MOST_AHEAD)
            if kind != POSSESSIVE and not _is_decided(code, kind, number, after, following):
                continue
            words[at] = MAYBE if (least, most) == (0, 1) else FIXED
            if words[at + 7] and most < 0 and least <= 1 and (kind == POSSESSIVE or not following.first):
                words[at] = REST
        elif words[at] == SPLIT and len(ways) < MOST_WAYS:
            first, second = (start(code, target, MOST_AHEAD) for target in words[at + 1 : at + 3])
            if first.anywhere and second.anywhere:
                continue
            one = first.first if not first.anywhere else _EVERY_BYTE
            other = second.first if not second.anywhere else _EVERY_BYTE
            # each entry is 3 at most, so nothing is carried from one to the next
            first_way, second_way = (int.from_bytes(bytes_table(mask)) for mask in (one, other))
            table = (first_way + 2 * second_way).to_bytes(256)
            words[at + 5] = ways.setdefault(table, len(ways))
            words[at + 6] = (first.at_end or first.anywhere) + 2 * (second.at_end or second.anywhere)
    return b"".join(ways)


def _is_decided(code: Code, kind: int, number: int, after: int, following: Start) -> bool:
    """Whether a run of ASCII characters can end only where its class or its limit ends it."""
    if not following.anywhere:
        return not code.bytes_of(number) & following.first & _ASCII
    return kind == GREEDY and _cannot_fail(code, after)


def _cannot_fail(code: Code, at: int) -> bool:
    """Whether the rest always matches: then the matcher keeps the first way, the run at its longest."""
    words = code.words
    for _ in range(MOST_AHEAD):
        op = words[at]
        if op == MATCH:
            return True
        if op == JUMP:
            at = words[at + 1]
        elif op == SPLIT:
            at = words[at + 2]
        elif op in (SAVE, CHARGE) or (op in RUNS and words[at + 3] == 0):
            at = code.after(at)
        else:
            return False
    return False


# ---- what it may cost

# A choice whose failures are memoized takes up to three steps at a place, and a run one for each of its ends. Of the ends of a
# run without a limit most are memoized together.
_STEPS_OF_CHOICE = 3
_MOST_ENDS = 100
_PUSHING = frozenset({SPLIT, SAVE, ENTER, ROUND, *RUNS})


def steps_a_byte(code: Code, splits: int) -> int:
    """How many steps the budget grows by with each byte of a record.

    Parameters
    ----------
    code : Code
    splits : int
        The bits that its choices need per place.
    """
    words = code.words
    steps = STEPS_A_BYTE + _STEPS_OF_CHOICE * splits
    # the counted loops around a place: where each ends, and how often all of them together run
    loops = [(len(words), 1)]
    for at in code.places():
        while at >= loops[-1][0] and len(loops) > 1:
            loops.pop()
        rounds = loops[-1][1]
        own = code.after(at) - at
        if words[at] in RUNS:
            most = words[at + 4]
            own += most if 0 <= most < _MOST_ENDS else _MOST_ENDS
        elif words[at] == COUNT:
            least, most, out = words[at + 2], words[at + 3], words[at + 5]
            loops.append((out, rounds * max(least, most, 1)))
        steps = min(steps + own * rounds, MOST_STEPS)
    return steps


def frames_a_byte(code: Code) -> int:
    """How many frames to backtrack to a round of the program's loops can push."""
    return sum(code.words[at] in _PUSHING for at in code.places())
