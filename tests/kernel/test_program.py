"""The core's matcher: random patterns beside ``re``, what it declines, and that no pattern makes it slow."""

import functools
import itertools
import random
import re
import sys

import pytest
from support import reference
from support.feeding import bits, expected, scanned
from support.grammar import Patterns

from metricscan import Scanner
from metricscan._core import SIMD_LEVELS
from metricscan.scanning.scanner import _configured

pytestmark = pytest.mark.filterwarnings("ignore::metricscan.DefinitionWarning")


def strategy(pattern: str) -> str:
    return Scanner([{"Name": "m", "Regex": pattern}]).explain()[0].strategy


def comparable(matches):
    return [(*match[:5], None if match[5] is None else bits(match[5])) for match in matches]


def seeds(count, quick):
    """Seeds of which the inner loop runs but the first few."""
    return [pytest.param(seed, marks=[pytest.mark.slow] * (seed >= quick)) for seed in range(count)]


@pytest.mark.parametrize("seed", seeds(40, quick=4))
def test_random_patterns_find_what_re_finds(seed):
    patterns = Patterns(seed)
    programs = 0
    for pattern in itertools.islice(patterns, 150):
        compiled = reference.compiled(pattern)
        matches = patterns.random.choice(["all", "all", "first", "last"])
        scanner = _configured([{"Name": "m", "Regex": pattern}], matches=matches)
        programs += scanner.explain()[0].strategy == "program"
        for _ in range(8):
            text = patterns.text()
            try:
                wanted = reference.find("m", compiled, text, matches)
            except (RuntimeError, SystemError):
                continue
            assert comparable(scanner.find(text + b"\n")) == comparable(wanted), (pattern, text, matches)
    assert programs > 50


@pytest.mark.parametrize("seed", seeds(6, quick=2))
def test_many_patterns_over_one_log(seed):
    patterns = Patterns(1000 + seed)
    some = [(pattern, [patterns.text() for _ in range(4)]) for pattern in itertools.islice(patterns, 30)]
    definitions = [{"Name": f"m{i}", "Regex": pattern} for i, (pattern, _) in enumerate(some)]
    log = b"\n".join(text for _, texts in some for text in texts) + b"\n"
    try:
        wanted = expected(definitions, log)
    except (RuntimeError, SystemError):
        pytest.skip("re itself fails")
    for search in ("simd", "every"):
        assert scanned(_configured(definitions, search=search), log) == wanted, search
    assert scanned(_configured(definitions, chunk_bytes=7), log) == wanted


# What stands behind a run or a choice decides it, in ASCII alone, not at all, or only by the record's end.
DECIDED = [
    r"([0-9]+);",
    r"(\d+?)\s",
    r"x?(\d{2,3}) ",
    r"\s?(-?\d*\.?\d+)(?:[eE][-+]?\d+)?.*",
    r"([^;]*?)[\x80-\uffff]",
    r"(\w+)\d",
    r"(?:ab|a)?(\d+|x)",
    r"(?:(\d),?)*;",
    r"(?:nan|([0-9.]+))m",
    r"(?>\d+?)(\d)",
    r"(?!\d*;)(\d+)",
]
# Patterns without a literal, by where they begin and what a record must begin or end with.
WITHOUT_LITERAL = [
    r"([0-9.]+)",
    r"([^\W\d]+)",
    r"(\d+)$",
    r"(\d*)$",
    r"(\d{3,})$",
    r"(\d+)\s*$",
    r"([\dé]+)\b$",
    r"^(\d+)",
    r"^\s*(\d+)",
    r"(?:\s|^)([\d.]+)$",
    r"(\D+?)$",
    r"(?=(\d+))\d$",
]


def mixed_records(seed):
    source = random.Random(seed)
    parts = [
        "1",
        "22",
        "12345678901234567890",
        ".",
        ";",
        " ",
        "\t",
        "x",
        "ab",
        "nan",
        "m",
        ",",
        "-",
        "e5",
        "é",
        "٣",
        "\u2003",
    ]
    for _ in range(40):
        text = "".join(source.choices(parts, k=source.choice([0, 1, 3, 8, 40]))).encode()
        yield text + source.choice([b"", b"", b"", b"\xff", b"\xe2\x80"])


@pytest.mark.parametrize("pattern", DECIDED + WITHOUT_LITERAL)
@pytest.mark.parametrize("matches", ["all", "last"])
def test_what_the_next_byte_decides(pattern, matches):
    definitions = [{"Name": "m", "Regex": pattern}]
    for seed in range(2):
        log = b""
        for number, text in enumerate(mixed_records(seed)):
            log += text + (b"\n", b"\r\n", b"\r")[number % 3]
        wanted = expected(definitions, log, matches=matches)
        for settings in ({}, {"chunk_bytes": 11}, {"search": "every"}, *({"simd": level} for level in SIMD_LEVELS)):
            assert scanned(_configured(definitions, matches=matches, **settings), log) == wanted, (seed, settings)


@pytest.mark.parametrize("newline", ["universal", "lf"])
def test_patterns_without_a_literal_side_by_side(newline):
    definitions = [{"Name": f"m{number}", "Regex": pattern} for number, pattern in enumerate(WITHOUT_LITERAL)]
    some = [definitions[:1], definitions[2:3], definitions[2:6], definitions[7:9], definitions]
    for seed in range(4):
        log = b"\r\n".join(mixed_records(seed))
        for chosen in some:
            wanted = expected(chosen, log, newline=newline)
            assert scanned(_configured(chosen, newline=newline), log) == wanted


# ---- what is native, and what is not


@pytest.mark.parametrize(
    "pattern",
    [
        r".*\[[0-9]+\].*#011validation-auc:(\S+)",
        r"(?<![a-z_])lr[=:]\s*([-+]?\d+\.?\d*)",
        r"(?i)loss: ([0-9.]+)",
        r"(?:train|val)_loss=(?P<value>\S+)",
        r"epoch (\d{1,3})(?:, )?(?:loss|acc)\b",
        r"\bloss\b.*?(\d+)(?!%)",
        r"(\d+)?x",
        r"x++(\d)",
        r"(a|b)\1",
        r"(a)?(?(1)b|c)",
        r"(?>a|ab)c",
        r"(?:ab|b)++c",
        r"(?:a*|b)*c",
        r"(?:(a)|b)*c",
        r"(?=a|bc)b",
        r"(?<=loss|cost)=(\S+)",
        "[a-c]\ud800x|y",
        "x(?:é+|y)",
        "(?i)(é+)",
        r"(?:abcdefgh){1,5000}z",
    ],
)
def test_these_run_natively(pattern):
    assert strategy(pattern) == "program"


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        (r"(?:(a)|b)++c", "it has a possessive repeat that captures"),
        (r"(?a:\S)x*", r"a part of it changes what \w, \d and \s mean"),
        (r"(?a)(?u:\S)x*", r"a part of it changes what \w, \d and \s mean"),
        (r"(?:a?)*+c", "it has a possessive loop whose body may be empty"),
    ],
)
def test_these_are_left_to_re(pattern, reason):
    one = Scanner([{"Name": "m", "Regex": pattern}]).explain()[0]
    assert (one.strategy, one.engine) == ("confirm", "re")
    assert dict(one.declined)["program"] == reason


def test_what_is_too_long_is_left_to_re(monkeypatch):
    monkeypatch.setattr("metricscan.patterns.program.MOST_CODE", 100)
    one = Scanner([{"Name": "m", "Regex": "(?:" + "|".join(f"a{i}b*c" for i in range(20)) + ")"}]).explain()[0]
    assert (one.strategy, dict(one.declined)["program"]) == ("confirm", "written out it is longer than 100 words")


@functools.cache
def all_of_unicode():
    return "".join(map(chr, itertools.chain(range(0xD800), range(0xE000, sys.maxunicode + 1))))


@pytest.mark.parametrize("letter", "abcdefghijklmnopqrstuvwxyz")
def test_all_spellings_of_a_letter_are_searched_for(letter):
    from metricscan.patterns.dialect import compile_regex
    from metricscan.patterns.literals import required_literals
    from metricscan.patterns.tree import Tree

    tree = compile_regex(f"(?i){letter}").tree
    found = {spelling.encode() for spelling in re.findall(f"(?i){letter}", all_of_unicode())}
    assert [set(some) for some in required_literals(Tree(tree, tree.state.flags))] == [found]


@functools.cache
def text_and_bytes():
    """All of Unicode but terminators, and all bytes that are no text; and where each character starts."""
    codes = itertools.chain(
        range(10), range(11, 13), range(14, 0xD800), range(0xDC80, 0xDD00), range(0xE000, sys.maxunicode)
    )
    # a blank keeps bytes that are no text from making one
    text = "".join(f" {chr(code)}" if 0xDC80 <= code < 0xDD00 else chr(code) for code in codes)
    return text, [0, *itertools.accumulate(len(one.encode("utf-8", "surrogateescape")) for one in text)]


@pytest.mark.parametrize(
    "pattern",
    [
        r"\w",
        r"\W",
        r"\d",
        r"\s",
        r"[^\s\d]",
        r"(?i:[k-sß])",
        r"(?i:[^é])",
        r"(?i:ſ)",
        "(?i:[\u0400-\U00010450])",
    ],
)
def test_a_class_takes_what_re_takes(pattern):
    text, starts = text_and_bytes()
    pattern = f"x?((?:{pattern})+)"
    wanted = [(starts[match.start()], starts[match.end()]) for match in re.finditer(pattern, text)]
    assert strategy(pattern) == "program"
    found = Scanner([{"Name": "m", "Regex": pattern}]).find(text.encode("utf-8", "surrogateescape"))
    assert [match.span for match in found] == wanted


def test_values_that_take_no_part_give_no_row():
    result = Scanner(["m=a(b)?;"]).scan(b"a;ab;\na;\n")
    counts = result.stats.metrics["m"]
    assert (counts.rows, counts.unparsed) == (0, 1)


# ---- no pattern makes it slow: these would take longer than anyone can wait


ENDLESS = [
    (r"(?:a|a)*b", b"a"),
    (r"(?:\w+\s?)*:", b"a"),
    (r".*[^A-Z]|[A-Z]", b"A"),
    (r"[0-9]+\.[0-9]+e|[0-9]", b"1"),
    (r"(?:(?:a{1,3}){1,3}){1,3}[bc]", b"a"),
    (r"(?:[a-z]+)*[=:]", b"q"),
    (r"(?:[a-z]+)+?[=:]", b"q"),
    (r"\s*\S*\s*[xy]", b" a"),
    (r".*?,.*?,.*?,.*?[;:]", b"a,"),
    (r"(?:a+a+)+[bc]", b"a"),
    (r"(?:a|b|ab)*[cd]", b"ab"),
    (r"(?:.*,)*[!?]?x?y[!?]z", b"a,"),
    (r"[ab]*[ac]*[ad]*[ae]*x?[!?]z", b"a"),
    (r"(a+)+$", b"a"),
    (r"(a|a)*b", b"a"),
    (r"(.*)*x", b"a"),
    (r"(\w+\s?)*:", b"a"),
    (r"((a*)*)*b", b"a"),
    (r"(x+x+)+y", b"x"),
    (r"(?:a?){20}a{20}b", b"a"),
    (r"^(([a-z])+.)+[A-Z]([a-z])+$", b"a"),
    (r"(?>(?:a|b)+)c", b"ab"),
    (r"(?=(?:a|b)*c)a", b"ab"),
    (r"(?:a|b)++c", b"ab"),
    (r"(?<!b)(?:a|ab)*x", b"ab"),
    (r"(?:é|e)*x", "é".encode()),
    # a lazy run, tried anew at each byte, with nothing that ends it
    (r"(?:aa|ab)(.*?);", b"a"),
    (r"(?:aa|ab)(.*?);", "aé".encode()),
    (r"(?:aa|ab)([^;]*?);", "aaé".encode()),
    (r"(?:aa|ab)(\w+?);", "aaé".encode()),
]


@pytest.mark.parametrize(("pattern", "unit"), ENDLESS)
def test_time_is_bounded(pattern, unit):
    assert strategy(pattern) == "program"
    # the search would pass over a record without the literal: here the matcher itself must be quick
    scanner = _configured([{"Name": "m", "Regex": pattern}], search="naive")
    size = 300_000
    result = scanner.scan(unit * (size // len(unit)) + b"!\n" + b"?")
    counts = result.stats.metrics["m"]
    assert result.stats.records == 2
    # with the memo none of them comes near the budget
    assert counts.over_budget == 0
    # as the oracle says of the same record, made short enough for it
    short = unit * 9 + b"!"
    assert comparable(scanner.find(short)) == comparable(reference.find("m", reference.compiled(pattern), short, "all"))


def test_what_is_over_budget_is_counted_and_sampled():
    # hundreds of choices a byte, on a record too long to remember them
    pattern = "(?:" + "|".join(f"(?:a|b{i})*c{i}" for i in range(300)) + ")[xy]"
    assert strategy(pattern) == "program"
    log = b"ok\n" + b"x" + b"a" * 800_000 + b"\nc0x\n"
    result = Scanner([{"Name": "m", "Regex": pattern}]).scan(log)
    counts = result.stats.metrics["m"]
    assert (counts.rows, counts.unparsed, counts.over_budget) == (0, 1, 1)
    assert counts.samples[0] == ("x" + "a" * 199, 2, 3)
