"""The oracle of suspects: near misses, cut values, unterminated values and units, said as plainly as Python can say them."""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from support import reference

EXPONENT = rb"(?:[eE][-+]?[0-9]++|[dD][-+][0-9]++|f(?:[-+][0-9]++|[1-9](?![0-9])))(?![A-Za-z_])"
TIMES = rb"(?:x10\^|X10\^|\*10\^|\*10\*\*|\*\^-|\*\^[0-9]|(?:\xc3\x97|\xc2\xb7)10(?=[^0-9]))"
SPACED_TIMES = rb" (?:[x*]|\xc3\x97|\xc2\xb7) 10(?:[\x80-\xff](?s:.)|(?:\^|\*\*)-?[0-9])"
LONGER = rb"[0-9]|" + EXPONENT + rb"|" + TIMES + rb"|" + SPACED_TIMES + rb"|_[0-9]"
LONGER_FRACTION = rb"D[0-9]{2,}+(?![A-Za-z_])|d[0-9]{2,}+(?![A-Za-z_])"  # of Fortran
HASH_WORD = rb"#(?:INF|IND|QNA|SNA)"  # as in 1.#INF of Microsoft's C library
GROUP_SIGN = rb"(?:'|\xe2\x80[\x99\xaf\x89]|\xc2\xa0)"
LONGER_INTEGER = rb":[0-9]|\.[0-9](?![0-9]*+\.[0-9])"
FORMAT = rb"[eEfFgG]\}"  # as in {loss:.4f}
FORMAT_BEHIND_PERCENT = rb"[eEfFgG](?![A-Za-z])"  # as in %.4f
THOUSANDS = rb"(?:,[0-9]{3}(?![0-9]))+"
LAKHS = rb"(?:,[0-9]{2})+,[0-9]{3}(?![0-9])(?!,[0-9])"  # 12,34,567 of India
NAMED_NUMBER = (
    rb"(?<=[^0-9][=:])[ \t]*+[-+]?(?:[0-9]{1,2}"
    + LAKHS
    + rb"|[0-9]{1,3}"
    + THOUSANDS
    + rb"|[0-9]++,[0-9]++(?![.,][0-9]))"
)
COLOURS = rb"(?:(?:\x1b|#033)\[[0-9;]*m)+"
COLOURED_REST = COLOURS + rb"(?:\.?[0-9]|[eE][-+]?[0-9])"
UNIT = rb"(?:\xc2\xa0)?+((?:[A-Za-z%\xc2]|\xe2(?=\x80[\xb0\xb1]))[A-Za-z%/\x80-\xff]{0,6})"
SPACED_PERCENT = rb" (%)(?![A-Za-z0-9.])"
SIGNS = rb"(?:" + COLOURS + rb"|\xe2\x88\x92|\xe2\x80[\x90-\x93]|[ \t'\"`\\(\[{<>=~$*+.-])*+"
MISSING = rb"(?i:nan|inf|infinity|none|null|n/a|na|nil|undefined|missing|nothing|diverged|overflow)(?![A-Za-z/])"
HOLDER = rb"[A-Za-z/]*+[A-Za-z0-9._]*+(?=[(\[=])"
STANDS_FOR_VALUE = rb"\*\*\*|" + SIGNS + rb"(?:" + HOLDER + SIGNS + rb")?(?:[0-9]|\xe2\x88\x9e|" + MISSING + rb")"


class Definition(NamedTuple):
    """A definition, with what a person sees that its regex leaves open; the regex in which any kind of value may stand.

    ``open_behind`` is ``" "`` if only a blank may follow the value, and a digit or a per cent sign behind it.
    """

    regex: str
    open_before: bool
    open_behind: bool | str
    relaxed: str | None


class Found(NamedTuple):
    near_misses: list[tuple[int, int, int]]
    cut: set[int]
    units: set[str]
    unterminated: list[int]
    #: Line and offset of the last record that is a near miss, or of which a value stands for one and is no number.
    last: tuple[int, int] | None = None


def scan(definition: Definition, data: bytes, **options: Any) -> Found:
    """What is suspicious in a log. Near misses are given as line, offset and start, the others as starts.

    >>> found = scan(Definition("x=([0-9]+)", False, True, "x=(?:nan|[0-9]+)"), b"x=1,234\\nx=nan\\nx=5%\\nx=6")
    >>> found.near_misses, found.cut, sorted(found.units), found.unterminated
    ([(2, 8, 8)], {2}, ['', '%'], [21])
    """
    found = Found([], set(), set(), [])
    last = None
    escape, ansi = options.get("escape", "none"), options.get("ansi", "keep")
    newline = reference.effective_newline(options.get("newline"), escape)
    pattern = reference.compiled(definition.regex)
    for line, offset, content in reference.records(data, newline, escape):
        seen, places = reference.as_seen(content, offset, escape, ansi)
        matches = reference.find("", pattern, seen, options.get("matches", "all"))
        if not matches and definition.relaxed is not None:
            near = reference.find("", reference.compiled(definition.relaxed), seen, "first")
            found.near_misses.extend((line, offset, places[match.span[0]]) for match in near)
            last = (line, offset) if near else last
        for match in matches:
            if match.value_span is None:
                continue
            start, stop = match.value_span
            if match.number is None:
                last = (line, offset) if re.match(STANDS_FOR_VALUE, seen[start:stop]) else last
                continue
            is_open = definition.open_behind is True or definition.open_behind == seen[stop : stop + 1].decode(
                "latin-1"
            )
            behind = is_open and is_cut_behind(seen, start, stop)
            if behind or (definition.open_before and is_cut_before(seen, start, stop)):
                found.cut.add(places[start])
            if definition.open_behind is True and not behind:
                unit = re.match(UNIT, seen[stop:]) or re.match(SPACED_PERCENT, seen[stop:])
                found.units.add(unit[1].decode("utf-8", "replace") if unit else "")
            if stop == len(seen) and offset + len(content) == len(data):
                found.unterminated.append(places[start])
    return found._replace(last=last)


def is_cut_behind(seen: bytes, start: int, stop: int) -> bool:
    """Whether the number goes on behind the value."""
    value, rest = seen[start:stop], seen[stop:]
    if not re.search(rb"[0-9.]$", value):
        return False
    if re.match(LONGER, rest) or re.match(FORMAT, rest) or re.match(COLOURED_REST, rest):
        return True
    if b"." in value and re.match(LONGER_FRACTION, rest):
        return True
    if value == b"0" and re.match(rb"[xX][0-9a-fA-F]", rest):
        return True
    if (value.endswith(b".") and re.match(HASH_WORD, rest)) or (
        value.endswith(b"1") and re.match(rb"\." + HASH_WORD, rest)
    ):
        return True
    if is_dotted(seen, start, stop) or is_spaced(seen, start, stop):
        return True
    if re.fullmatch(rb"[-+]?[0-9]{1,3}", value) and re.match(GROUP_SIGN + rb"[0-9]{3}(?![0-9])", rest):
        return True
    if seen[:start].endswith(b"%") and re.match(FORMAT_BEHIND_PERCENT, rest):
        return True
    digits = re.fullmatch(rb"[-+]?([0-9]*)", value)
    if digits is None:
        return False
    if re.match(LONGER_INTEGER, rest):
        return True
    if not re.match(rb",[0-9]", rest) or seen[: start + digits.start(1)].endswith(b","):
        return False
    lakhs = re.match(LAKHS, rest) if 1 <= len(digits[1]) <= 2 else None
    thousands = re.match(THOUSANDS, rest) if 1 <= len(digits[1]) <= 3 else None
    number = lakhs or thousands or re.match(rb",[0-9]+", rest)
    assert number is not None
    return not is_separated(seen, stop, stop + len(number[0]))


def is_dotted(seen: bytes, start: int, stop: int) -> bool:
    """Whether the value is the beginning of a number with points between groups of three digits: 1.234,5 or 1.234.567."""
    sign = re.match(rb"[-+]?", seen[start:])
    assert sign is not None
    first = start + len(sign[0])
    whole = re.match(rb"[1-9][0-9]{0,2}((?:\.[0-9]{3}(?![0-9]))++)(,[0-9]++)?+(?!\.[0-9])", seen[first:])
    if whole is None or first + len(whole[0]) <= stop:
        return False
    if not re.match(rb"[.,]", seen[stop:]):
        return False
    if whole[2]:
        comma = first + whole.start(2)
        return not re.search(rb"[(\[{,]\Z", seen[:first]) and not is_separated(seen, comma, first + len(whole[0]))
    # 1.234 is a decimal fraction, and 10.123.234.111 an address
    return len(whole[1]) // 4 not in (1, 3)


def is_spaced(seen: bytes, start: int, stop: int) -> bool:
    """Whether the value is the beginning of a number with blanks between groups of three digits, which has a name."""
    if not re.fullmatch(rb"[-+]?[1-9][0-9]{0,2}", seen[start:stop]) or not re.search(
        rb"(?:\A|[^0-9])[=:][ \t+-]*\Z", seen[:start]
    ):
        return False
    number = re.match(rb"((?: [0-9]{3}(?![0-9]))+)([.,][0-9]++)?", seen[stop:])
    if number is None:
        return False
    if len(number[1]) == 4 and not number[2]:
        is_pair = number[1][1:] == seen[start:stop].lstrip(b"+-")
        return not is_pair and re.match(rb"[,;|)\]}]|\Z", seen[stop + len(number[0]) :]) is not None
    if number[2] and re.match(rb"\.[0-9]", seen[stop + len(number[0]) :]):
        return False
    return (
        re.match(rb"[ \t%]*(?:[,;|)\]}]|\Z|[A-Za-z_][\w/-]*[:=])", seen[stop + len(number[0]) :], re.ASCII) is not None
    )


def is_separated(seen: bytes, begin: int, end: int) -> bool:
    """Whether commas separate fields: those that have no blank beside them, before no key, and in no time or named number."""
    # its digits stand where they do, before a sign that would make a name of other bytes
    others = seen[:begin] + seen[begin:end].replace(b",", b"\0") + seen[end:]
    others = re.sub(NAMED_NUMBER, lambda number: b"\0" * len(number[0]), others)
    key, milliseconds = rb"[A-Za-z_]\w*+[:=]", rb"(?<=:[0-9]{2}),[0-9]{3}(?![0-9])"
    others = re.sub(milliseconds, b"0000", others)
    return bool(re.search(rb"(?<=[^ ]),(?! )(?!" + key + rb")(?=.)", others, re.DOTALL))


def is_cut_before(seen: bytes, start: int, stop: int) -> bool:
    """Whether the value begins within a word, a number or the sequence of a terminal, or behind a minus sign."""
    before = seen[:start]
    if not re.match(rb"[0-9.]", seen[start:stop]):
        return False
    coloured = re.search(COLOURS + rb"\Z", before)
    if coloured is not None:
        ends = rb"(?:[0-9]\.?|(?:\A|[ \t:=(\[{,;|'\"])(?:-|\xe2\x88\x92|\xe2\x80[\x90-\x93]))\Z"
        return re.search(ends, before[: coloured.start()]) is not None
    if re.search(rb"(?:\w|[0-9]\.|[0-9.][eE][-+])\Z", before, re.ASCII):
        return True
    if re.search(rb"(?:\A|[ \t:=(\[{,;|'\"])(?:-|\xe2\x88\x92|\xe2\x80[\x90-\x93])\Z", before):
        return True
    if re.search(rb"(?:\x1b|#033)\[(?:[0-9;]*;)?\Z", before):
        return True
    if re.search(rb"[0-9]" + GROUP_SIGN + rb"\Z", before) and re.match(rb"[0-9]{3}(?![0-9])", seen[start:]):
        return True
    number = re.search(rb"(?<![0-9,])[0-9,]*[0-9],\Z", before)
    if number is None or re.search(rb"[A-Za-z:._/]\Z", before[: number.start()]):
        return False
    digits = re.match(rb"[0-9]*", seen[start:])
    assert digits is not None
    return not is_separated(seen, number.start(), start + len(digits[0]))


# ---- what the engine says


def of_batches(running: Any, name: str) -> Found:
    """What a watching scan has found; its counts and samples must agree with it."""
    for _ in running:
        pass
    stats, own = running.stats.metrics[name], running.suspects.of_all().get(name)
    return agreed(stats, own)


def agreed(stats: Any, own: Any) -> Found:
    """The samples and counts of a metric in one log, in the form of the oracle."""
    near = [(one.line, one.offset, one.start) for one in stats.suspects if one.kind == "near-miss"]
    cut = set() if own is None else set(own.cut_starts.tolist())
    assert len(near) == min(stats.near_misses, 5)
    assert len(cut) == stats.cut_values
    assert min(len(cut), 5) <= 5 * sum(one.kind == "cut-value" for one in stats.suspects) <= 25
    last = None if own is None or own.last_near_miss is None else own.last_near_miss
    if 0 < stats.near_misses <= 5:
        assert last is not None
        assert last[1] >= near[-1][1]
    unterminated = [] if own is None or own.unterminated_start is None else [own.unterminated_start]
    assert len(unterminated) == min(stats.unterminated, 1)
    return Found(near, cut, set(stats.units), unterminated, last)


def shortened(found: Found) -> Found:
    """What of the oracle's answer the engine gives: samples of near misses, and one unterminated value."""
    return found._replace(near_misses=found.near_misses[:5], unterminated=found.unterminated[-1:])


def pieces(data: bytes, cuts: Sequence[int]) -> Iterator[bytes]:
    """The bytes, cut at these places."""
    bounds = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    for begin, end in pairwise(bounds):
        yield data[begin:end]
