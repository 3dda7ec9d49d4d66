"""Properties: whatever is logged and defined, on every path and however it is cut, the rows are the oracle's."""

import re
import struct
import warnings
from collections.abc import Callable
from itertools import pairwise
from re import _parser as sre_parser
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from support import reference
from support.feeding import bits, expected, scanned, streamed
from support.grammar import Choices, pattern_from

from metricscan import _core
from metricscan.logs.compression import compression
from metricscan.scanning.scanner import _configured

BLOCK_BYTES = 8192  # what the core searches at a time
pytestmark = pytest.mark.filterwarnings("ignore::metricscan.DefinitionWarning")
MORE = settings(max_examples=4 * settings().max_examples)

# ---- numbers, as logs print them and as they do not

decimals = st.builds(
    lambda sign, digits, point: f"{sign}{digits[:point]}.{digits[point:]}",
    st.sampled_from(["", "-", "+"]),
    st.text("0123456789", min_size=15, max_size=20) | st.text("0123456789", max_size=9),
    st.integers(0, 17),
)
exponents = st.builds(
    lambda number, letter, sign, power: f"{number}{letter}{sign}{power}",
    decimals | st.integers(0, 10**17).map(str),
    st.sampled_from("eE"),
    st.sampled_from(["", "-", "+"]),
    st.integers(0, 30) | st.integers(280, 345),
)
short_numbers = st.integers(0, 20_000).map(lambda number: str(number / 100 if number % 3 else number))
numbers = st.one_of(
    decimals,
    exponents,
    st.floats().map(repr),
    st.floats(width=32).map(repr),
    st.integers(2**53 - 3, 2**53 + 3).map(str),
    st.integers(-(10**19), 10**20).map(str),
    st.floats(1e-5, 1e5).map("{:.17g}".format),
    st.floats(1e-5, 1e5).map("{:.15e}".format),
)
ODD_NUMBERS = """
    nan -nan NaN +NAN inf -Inf infinity INFINITY infinit 1_000 1__0 _1 1_ 1_0.0_1e0_1 .5 5. . - + -. e5 1e 1e+ 1.e5 .e5
    0x10 1,5 1.2.3 --1 +-1 1d5 ١٢ １.５ 1٣ -0 -0.0 0e999 00012 1e400 1e-400 4.9e-324 2.4703282292062328e-324
    9007199254740993 1.7976931348623159e308 0.1234567890123456 0.12345678901234567
"""
odd_numbers = st.sampled_from(ODD_NUMBERS.split())
blanks = st.sampled_from(["", " ", "\t", "  ", "\x1c", "\x1f", "\u00a0", "\u3000", "\x0b", "\0"])
texts_of_numbers = st.one_of(
    short_numbers,
    numbers,
    odd_numbers,
    st.builds("{}{}{}".format, blanks, numbers | odd_numbers, blanks),
    st.text(max_size=6),
)

# ---- definitions: of the shapes that the core decides itself, and anything

LITERALS = ["a=", "a", "=", "loss=", "Loss = ", "x: ", "é=", "=é", "аб", "val_", "[1]", "1", "K", "a=a=", "  ", "\x1f"]
SUFFIXES = ["", "", ";", " ", ",", "a", "a=", "é", ".", "==", ";;", "\t", "%", "1", "ı"]
CLASS_TEXTS = r"""
    . \d \w \s \S \D \W [0-9.] [-+0-9.e] [^;] [^\s;] [^,] [^a] [^é] [^\d] [^\w] [\w.] [\s\d.] [a-zé] [=a1] a é
    [\x00-\x7f] [\x80-\U0010ffff] [^\x1c-\x1f] [\udc80-\udcff] [Kk] [^\n] [\r\n]
"""
CLASSES = CLASS_TEXTS.split()
USUAL_CLASSES = [r"\d", r"\S", ".", "[0-9.]", "[^;]", r"[^\s;]"]
ASSERTIONS = [r"\b", r"\B", "^", "$", r"\A", r"\Z", "(?<=a)", "(?<!=)", r"(?=\d)", "(?!a)"]
OPENINGS = ["(", "(?:", "(?=", "(?!", "(?i:", "(?>", "(?-i:", "(?a:", "(?s:"]
QUANTIFIERS = ["", "*", "+", "?", "*?", "+?", "??", "{2}", "{1,3}", "{0,2}?", "{2,}", "{3,}?", "{,2}"]


def escaped(text: str) -> str:
    return "".join("\\" + character if character in r"\.^$*+?{}[]|()" else character for character in text)


@st.composite
def spans(draw: Callable[..., Any]) -> str:
    """Literal, one run, literal or end; the value group anywhere around them, mostly around the run."""
    prefix = draw(st.sampled_from(LITERALS)) + draw(st.sampled_from(["", "", "", *LITERALS]))
    run = draw(st.sampled_from([*CLASSES, *USUAL_CLASSES * 4])) + draw(
        st.sampled_from(["*", "+", "*?", "+?", *QUANTIFIERS])
    )
    parts = [escaped(prefix), run, escaped(draw(st.sampled_from(SUFFIXES)))]
    around = [(1, 2)] * 6 + [(start, end) for start in range(4) for end in range(start, 4)]
    start, end = draw(st.sampled_from(around))
    opening = draw(st.sampled_from(["(", "(", "(", "(?P<value>", "(?:", "((?P<value>"]))
    parts[start:end] = [opening, *parts[start:end], ")" * opening.count("(")]
    head = draw(st.sampled_from(["", "", "", "", "", "", "", "^", r"\A", "(?s)", "(?a)", "(?m)^", "(?i)"]))
    tail = draw(st.sampled_from(["", "", "", "", "", "", "$", r"\Z"]))
    return head + "".join(parts) + tail


@st.composite
def anything(draw: Callable[..., Any]) -> str:
    """Any construct of ``re``; at most two unlimited repeats, none around another, as ``re`` shall end today."""
    unlimited = 0

    def repeat(quantifiers: list[str]) -> str:
        nonlocal unlimited
        quantifier = draw(st.sampled_from(quantifiers))
        if quantifier[:1] in ("*", "+") or ",}" in quantifier:
            unlimited += 1
        return quantifier if unlimited <= 2 else "?"

    def element(depth: int) -> str:
        kind = draw(st.integers(0, 9 if depth else 6))
        if kind <= 2:
            return escaped(draw(st.sampled_from(LITERALS + SUFFIXES)))
        if kind <= 4:
            return draw(st.sampled_from(CLASSES)) + repeat([*QUANTIFIERS, "*+", "?+"])
        if kind == 5:
            return draw(st.sampled_from(ASSERTIONS))
        if kind == 6:
            return f"({draw(st.sampled_from(CLASSES))}{repeat(QUANTIFIERS)})"
        opening = draw(st.sampled_from(OPENINGS))
        limited = ["", "", "?", "??", "{2}", "{0,2}"] if opening not in ("(?=", "(?!") else [""]
        return f"{opening}{branches(depth - 1)}){repeat(limited)}"

    def branches(depth: int) -> str:
        return "|".join(
            "".join(element(depth) for _ in range(draw(st.integers(1, 3)))) for _ in range(draw(st.integers(1, 2)))
        )

    regex = "".join(element(2) for _ in range(draw(st.integers(1, 3))))
    flags = draw(st.sampled_from(["", "", "", "(?i)", "(?a)", "(?s)", "(?ai)", "(?m)"]))
    return flags + regex


@st.composite
def whole_grammar(draw: Callable[..., Any]) -> str:
    """As the fuzzer writes them: references, conditions, atomic and possessive groups, flags of a part too."""
    pattern = pattern_from(Choices(draw(st.binary(min_size=8, max_size=120))), loops_in_loops=False)
    assume(pattern is not None)
    return pattern.text


POOL = [
    "Loss = (.*?);",
    r"loss=(\S+)",
    r"a=([0-9.]+)",
    r"(?P<step>\d+): loss=(?P<value>[-+0-9.e]+)",
    r".*\[[0-9]+\].*#011validation-auc:(\S+)",
    r"a=(.*?);|x: (\d+)",
    r"(?i)loss=(\w+)",
    r"(?<=a= *)(\d+)",
    r"\p{L}=(\d)",
    r"^(\d+)?",
    r"\x1b\[1m(.*?)\x1b\[0m",
    r"#033\[1m(\d+)",
    r"a\n(\d)",
    r"a\r",
    r"=(.*)\r?$",
    r"(\d)\1",
    r"[\r\n](\d)",
    "é=(.*?)é",
    "x=([0-9.]+)\\.",
    "^$",
]
KINDS = {"p": st.sampled_from(POOL), "s": spans(), "a": anything(), "g": whole_grammar()}
regexes = st.sampled_from("pssag").flatmap(KINDS.get)


@st.composite
def definition_lists(draw: Callable[..., Any], most: int = 5) -> list[dict[str, str]]:
    some = [
        {"Name": f"m{number}", "Regex": regex}
        for number, regex in enumerate(draw(st.lists(regexes, min_size=1, max_size=most)))
        if accepted(regex)
    ]
    assume(some)
    return some


def accepted(regex: str) -> bool:
    """Not a fault: whatever ``re`` takes must do, and of the rest the pool."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            re.compile(regex)
        except re.error:
            return regex in POOL
    return regex != ""


# ---- logs, near their definitions


def text_for(draw: Callable[..., Any], items: Any) -> str:
    """What a syntax tree may well match: its literals in order, and a number where it repeats something."""
    text = ""
    for operation, argument in items:
        kind = str(operation)
        if kind == "LITERAL":
            text += chr(argument)
        elif kind in ("ANY", "IN", "NOT_LITERAL"):
            text += draw(st.sampled_from("123450.;a é=K "))
        elif kind == "SUBPATTERN":
            text += text_for(draw, argument[3])
        elif kind == "BRANCH":
            text += text_for(draw, draw(st.sampled_from(argument[1])))
        elif kind == "ATOMIC_GROUP":
            text += text_for(draw, argument)
        elif kind == "ASSERT":
            text += text_for(draw, argument[1])
        elif kind.endswith("REPEAT"):
            low, high, body = argument
            some = st.lists(st.none(), min_size=low, max_size=min(high, low + 2))
            alone = len(body) == 1 and str(body[0][0]) in ("ANY", "IN", "NOT_LITERAL")
            if alone and draw(st.integers(0, 3)):
                text += draw(draw(st.sampled_from([short_numbers, short_numbers, numbers, texts_of_numbers])))
            else:
                text += "".join(text_for(draw, body) for _ in draw(some))
    return text


@st.composite
def texts_near(draw: Callable[..., Any], definitions: list[dict[str, str]]) -> str:
    regex = draw(st.sampled_from(definitions))["Regex"]
    text = SAMPLES.get(regex)
    if text is None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            text = text_for(draw, sre_parser.parse(regex))
    if text and draw(st.integers(0, 4)) == 0:
        at = draw(st.integers(0, len(text) - 1))
        text = text[:at] + draw(st.sampled_from(["", text[at].swapcase(), " ", "a", "é"])) + text[at + 1 :]
    return text


SAMPLES = {r"(?<=a= *)(\d+)": "a=  12", r"\p{L}=(\d)": "é=1"}
literals = st.sampled_from(
    [*LITERALS, *SUFFIXES, "x=1.5.", "[3] #011validation-auc:", "ſ", "İ=", "ı", "\u212a", "ß", "7 7", "LOSS="]
)
terminators = st.sampled_from(
    [b"\n", b"\n", b"\n", b"\r\n", b"\r", b"\n\n", b"\r\r\n", b"\n\r", b"\r\n\r\n", b"\x85", "\u2028".encode()]
)
OSC = [b"\x1b]0;t\x07", b"\x1b]8;;x\x1b\\", b"\x1b]0;", b"\x1b]0;t\x1b"]
sequences = st.sampled_from([b"\x1b[1m", b"\x1b[0m", b"\x1b[2K\r", b"\x1b[", b"\x1b", b"\x1b[3\n", b"#015", *OSC])
CONTROLS = [b"\0", b"\x1c", b"\x1d", b"\x1e", b"\x1f", b"\x7f", b"\x0b", b"\x0c", b"\t"]
HIGH = [b"\xff", b"\xc3", b"\xa9", b"\xed\xa0\x80", b"\xf0\x9f\x98", b"\xc0\x80"]
CHARACTERS = [character.encode() for character in "😀٣\u00a0á"]
odd_bytes = st.sampled_from(CONTROLS + HIGH + CHARACTERS) | st.binary(max_size=3)


@st.composite
def lines(draw: Callable[..., Any], definitions: list[dict[str, str]]) -> bytes:
    parts = []
    for _ in range(draw(st.integers(0, 5))):
        kind = draw(st.sampled_from("nnnnnnnltbse"))
        if kind == "n":
            parts.append(draw(texts_near(definitions)))
        elif kind in "lt":
            parts.append(draw(literals if kind == "l" else texts_of_numbers))
        else:
            parts.append(draw({"b": odd_bytes, "s": sequences, "e": terminators}[kind]))
    encoded = [part if isinstance(part, bytes) else part.encode("utf-8", "surrogatepass") for part in parts]
    return b"".join(encoded) + draw(terminators)


# What belongs to no record at the beginning of a source, and what only looks like it.
MARK = b"\xef\xbb\xbf"
beginnings = st.sampled_from(
    [b""] * 6
    + [MARK, b"\0", bytes(70), MARK + b"\0", bytes(3) + MARK, bytes(100) + MARK + bytes(5)]
    + [MARK + MARK, MARK[:1], MARK[:2], b"\0" + MARK[:2], MARK[1:], MARK + b"\0" + MARK, MARK + b"\r\n"]
)


@st.composite
def cases(draw: Callable[..., Any], most: int = 5) -> tuple[list[dict[str, str]], bytes]:
    """Definitions, and a log that is near them."""
    definitions = draw(definition_lists(most))
    log = draw(beginnings) + b"".join(draw(lines(definitions)) for _ in range(draw(st.integers(1, 6))))
    return definitions, log[: -draw(st.integers(0, 3)) or None]


@st.composite
def options(draw: Callable[..., Any]) -> dict[str, str]:
    escape = draw(st.sampled_from(["none", "none", "syslog"]))
    chosen = {
        "matches": draw(st.sampled_from(["all", "all", "first", "last"])),
        "escape": escape,
        "ansi": draw(st.sampled_from(["keep", "keep", "strip"])),
    }
    newline = draw(st.sampled_from([None, "lf"] if escape == "syslog" else [None, "universal", "lf"]))
    return chosen if newline is None else {**chosen, "newline": newline}


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


places_to_cut = st.lists(st.integers(0, 2**16), max_size=12)


@MORE
@given(cases(), options())
def test_every_search_gives_the_rows_of_the_oracle(case, chosen):
    definitions, log = case
    wanted = expected(definitions, log, **chosen)
    for level in _core.SIMD_LEVELS:
        assert scanned(_configured(definitions, **chosen, simd=level), log) == wanted, level
    for search in ("naive", "every"):
        assert scanned(_configured(definitions, **chosen, search=search), log) == wanted, search


@MORE
@given(cases(most=3), options(), places_to_cut, st.integers(1, 40), st.sampled_from(["simd", "naive"]))
def test_how_the_input_is_cut_never_matters(case, chosen, places, chunk_bytes, search):
    definitions, log = case
    wanted = expected(definitions, log, **chosen)
    scanner = _configured(definitions, **chosen, search=search, chunk_bytes=chunk_bytes)
    chunks = cut(log, places)
    assert streamed(scanner, chunks) == wanted
    assert streamed(scanner, chunks, take_often=True) == wanted
    assert scanned(scanner, iter(chunks)) == wanted
    assert scanned(scanner, log) == wanted


# Each character in it is a match, but what is passed over at the beginning is not.
ALL_OF_IT = [
    {"Name": "all", "Regex": "(?s)."},
    {"Name": "start", "Regex": "^a=(.)"},
    {"Name": "empty", "Regex": "^()$"},
]
bytes_near_a_beginning = st.lists(
    st.sampled_from([b"\0", b"\0", MARK, MARK[:1], MARK[1:2], MARK[2:], bytes(64), b"a=1", b"\n", b"\r", b"\x1b[1m"]),
    max_size=7,
).map(b"".join)


@MORE
@given(bytes_near_a_beginning, options(), places_to_cut, st.integers(1, 9), st.integers(1, 3))
def test_what_belongs_to_no_record_at_the_beginning(log, chosen, places, chunk_bytes, threads):
    wanted = expected(ALL_OF_IT, log, **chosen)
    scanner = _configured(ALL_OF_IT, **chosen, chunk_bytes=chunk_bytes)
    assert streamed(scanner, cut(log, places)) == wanted
    assert streamed(scanner, [log[at : at + 1] for at in range(len(log))], take_often=True) == wanted
    assert scanned(scanner, log, threads=threads) == wanted
    assert scanned(_configured(ALL_OF_IT, **chosen), log) == wanted


@given(cases(most=3), options(), places_to_cut, st.integers(1, 40), st.integers(1, 3))
def test_how_many_threads_never_matters(tmp_path_factory, case, chosen, places, chunk_bytes, threads):
    definitions, log = case
    # a file that looks compressed is one
    assume(compression(log[:10]) is None)
    # one file for all examples: a folder for each would cost more than they do
    path = tmp_path_factory.getbasetemp() / "threads.log"
    path.write_bytes(log)
    wanted = expected(definitions, log, **chosen)
    scanner = _configured(definitions, **chosen, chunk_bytes=chunk_bytes)
    assert scanned(scanner, log, threads=threads) == wanted
    assert scanned(scanner, path, threads=threads) == wanted
    assert scanned(scanner, iter(cut(log, places)), threads=threads) == wanted


@given(
    cases(most=3),
    options(),
    st.integers(-200, 20),
    st.sampled_from([b"\n", b"~", b"\r\n"]),
    places_to_cut,
)
def test_the_edge_of_a_block_never_matters(case, chosen, shift, end, places):
    definitions, log = case
    # short records: on long ones ``re`` would take hours for some random regexes
    filler = (b"~" * 20 + b"\n") * (BLOCK_BYTES // 20)
    log = filler[: BLOCK_BYTES + shift - len(end)] + end + log
    wanted = expected(definitions, log, **chosen)
    for level in _core.SIMD_LEVELS:
        assert scanned(_configured(definitions, **chosen, simd=level), log) == wanted, level
    assert (
        streamed(_configured(definitions, **chosen), cut(log, [BLOCK_BYTES + place % 99 for place in places])) == wanted
    )


@given(cases(most=3), definition_lists(most=30), options())
def test_other_definitions_never_matter(case, others, chosen):
    definitions, log = case
    wanted = scanned(_configured(definitions, **chosen), log)
    renamed = [{"Name": f"other {number}", "Regex": other["Regex"]} for number, other in enumerate(others)]
    found = scanned(_configured([*renamed, *definitions], **chosen), log)
    for key, outcome in wanted.items():
        assert found[key] == outcome, key


similar_literals = st.lists(
    st.text("ab=", min_size=1, max_size=3) | st.text("ab=_é", min_size=1, max_size=20),
    min_size=1,
    max_size=60,
    unique=True,
)


@given(similar_literals, st.data())
def test_literals_that_are_alike_are_distinguished(literals, data):
    ends = [";", "", "$", "b"]
    definitions = [
        {"Name": f"m{number}", "Regex": f"{literal}{'(.*?);' if number % 3 else '([0-9]+)'}{ends[number % 4]}"}
        for number, literal in enumerate(literals)
    ]
    some = st.sampled_from(literals)
    parts = [data.draw(some) + data.draw(st.sampled_from(["1;", "2", "3;;", "", "\n"])) for _ in range(30)]
    log = ("x" * data.draw(st.integers(0, 40)) + "".join(parts)).encode()
    wanted = expected(definitions, log)
    for level in _core.SIMD_LEVELS:
        assert scanned(_configured(definitions, simd=level), log) == wanted, level


@given(cases(most=3), options())
def test_find_gives_the_matches_of_the_oracle(case, chosen):
    definitions, log = case
    record = log.replace(b"\n", b"").replace(b"\r", b"")
    seen, _ = reference.as_seen(record, 0, chosen["escape"], chosen["ansi"])
    wanted = []
    for definition in definitions:
        wanted += reference.find(definition["Name"], reference.compiled(definition["Regex"]), seen, chosen["matches"])
    found = _configured(definitions, **chosen).find(record)
    assert [repr(tuple(match)) for match in found] == [repr(tuple(match)) for match in wanted]


@MORE
@example(["0.1234567890123456", "0.12345678901234567", "9007199254740993", "1e23", "-0", "1_0", "\x1finf\u00a0"])
@given(st.lists(texts_of_numbers, min_size=1, max_size=30))
def test_numbers_are_those_of_float(texts):
    texts = [text for text in texts if not set(text) & set("\n\r;")]
    log = "".join(f"v={text};{text}\n" for text in texts).encode("utf-8", "surrogatepass")
    # what cannot be encoded comes back as the bytes it was
    texts = [text.encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape") for text in texts]
    wanted = []
    for text in texts:
        try:
            wanted.append(bits(float(text)))
        except ValueError:
            continue
    for regex in ("v=(.*?);", ";(.*)$", "(?:v)=([^;]*);", "^v=(.*);"):
        table = _configured([f"v={regex}"]).scan(log)["v"]
        assert [bits(value) for value in table["value"].to_pylist()] == wanted, regex


@given(st.floats(allow_nan=False), st.integers(1, 20))
def test_every_double_survives_being_logged(value, digits):
    texts = [repr(value), f"{value:.17g}", f"{value:.{digits}g}", f"{value:.{digits}e}"]
    log = "".join(f"v={text}\n" for text in texts).encode()
    found = _configured([r"v=v=(\S+)"]).scan(log)["v"]["value"].to_pylist()
    assert [struct.pack("<d", one) for one in found] == [struct.pack("<d", float(text)) for text in texts]


@given(cases(most=2), options())
def test_a_record_that_matches_holds_a_literal_that_is_searched_for(case, chosen):
    definitions, log = case
    explanations = _configured(definitions, **chosen).explain()
    for explanation in explanations:
        pattern = reference.compiled(explanation.regex)
        newline = reference.effective_newline(chosen.get("newline"), chosen["escape"])
        for _, offset, content in reference.records(log, newline, chosen["escape"]):
            seen, _ = reference.as_seen(content, offset, chosen["escape"], chosen["ansi"])
            if pattern.search(seen.decode("utf-8", "surrogateescape")):
                literals = [literal.encode() for literal in explanation.literals]
                assert not literals or any(literal in seen for literal in literals)
