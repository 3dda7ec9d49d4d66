"""The short parser: the tree of a regex, what is refused, and why, are those of ``re``."""

import ast
import pickle
import re
import string
import sys
import tomllib
import warnings
from functools import cache
from pathlib import Path
from re import _parser as sre_parser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.grammar import Choices, Grammar
from support.requests import REQUEST

from metricscan import DefinitionError, Scanner, load_definitions
from metricscan.patterns import dialect, parse
from metricscan.patterns.dialect import TOO_DEEP, RegexError, compile_regex, read_regex
from metricscan.sagemaker import load_request
from metricscan.sagemaker.answers import scanner_of

TESTS = Path(__file__).resolve().parents[1]

ODD = [
    # what may stand behind plain text, and change what it means
    "ab|cd",
    "m=a|=b",
    "m=a|m=b",
    "ab(c|d)",
    "ab|",
    "ab*",
    "ab+?",
    "ab{2}",
    "ab{2,}+",
    "ab{",
    "ab{x}",
    "ab{,}",
    "ab}]",
    "a]b",
    "ab(?#c)*",
    "ab(?i)c",
    "ab(?x) c",
    "(?x) a b # c",
    "ab(?i:c)",
    "ab(?-i:c)",
    "ab # c",
    "ab\nc+",
    "ab\\",
    "ab\\d",
    "ab\\1",
    "ab(c)\\1",
    "ab(?P<n>c)(?P=n)",
    "ab(?P=n)",
    "ab(c)(?(1)d|e)",
    "ab(?(1)d)",
    "ab(?=c)",
    "ab(?<=b)",
    "ab(?<=b*)c",
    "ab(?<!b|cd)c",
    "ab(?<=a{4294967294})",
    "ab(?<=(?:a{65535}){65535}b)",
    "ab(?<=(c))(?<=\\1)",
    "ab(",
    "ab)",
    "ab[",
    "ab[[a]",
    "ab[+--b]",
    "ab**",
    "ab{3,2}",
    "ab{99999999999}",
    "ab(?t)c*",
    "(?t)c*",
    "(?t:c*)",
    "(?L)c",
    "(?au)c",
    "(?a-i:c)",
    "(?a-u:c)",
    "ab(?>c|d)",
    "ab(?:c|d)++",
    "ab(c)*+",
    "abé+",
    "éab+",
    "ab\ud800",
    "\x00\x01b+",
    "ab \t c+",
    "ab(?P<value>c)",
    "ab(?P<1>c)",
    "ab(?P<n>c)(?P<n>d)",
    "ab\\N{KELVIN SIGN}",
    "ab\\N{NO SUCH NAME}",
    "ab\\p{L}(?<n>c)(?|(d)|(e))",
    "ab\\p{L}(",
    "(?i)ab[\\u212a\\U00010400-\\U00010450]",
    "(a)" * 99 + "b",
    "ab" + "(" * 40 + ")" * 40,
    "ab" + "(?:" * 60 + "c" + "|d)*" * 60,
    # parsed, but code is not generated
    "ab" + "(" * 330 + "c" + "|d)*" * 330,
    "ab" + "(" * 3000 + ")" * 3000,
]


def texts_of(path):
    """All strings that stand in a Python file."""
    tree = ast.parse(path.read_text())
    return [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def texts_in(value):
    """All strings in what a TOML file says."""
    if isinstance(value, str):
        return [value]
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [text for member in members for text in texts_in(member)]


@cache
def corpus():
    some = list(ODD)
    for name in (
        "definitions/test_definition",
        "definitions/test_files",
        "definitions/test_regexes",
        "kernel/test_bounds",
    ):
        some += texts_of(TESTS / f"{name}.py")
    for path in sorted((TESTS / "cases").glob("*.toml")):
        some += texts_in(tomllib.loads(path.read_text()))
    for name in ("re_tests", "test_re"):
        # an interpreter may come without its tests
        path = Path(re.__file__).parents[1] / "test" / f"{name}.py"
        some += texts_of(path) if path.exists() else []
    # logs and prose stand there too, and they are read as regexes as well
    return [text for text in dict.fromkeys(some) if len(text) < 10_000]


def shape(tree):
    """All of a tree, and what is known of its groups."""
    state = tree.state
    return repr(tree), state.flags, state.groups, dict(state.groupdict), [tuple(w) for w in state.groupwidths[1:] if w]


def verdict(read, regex):
    """What reading a regex ends in."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            dialect = read(regex)
        except RegexError as error:
            return "refused", error.message, error.position, error.hint
    return dialect.engine, dialect.constructs, shape(dialect.tree), dialect.groups, dict(dialect.groupindex)


def long_way(regex, monkeypatch):
    """Parsed at one go, and compiled at once: what ``re.compile`` does."""
    with monkeypatch.context() as patched:
        patched.setattr(dialect, "parse", sre_parser.parse)
        patched.setattr(dialect, "is_surely_taken", lambda regex: False)
        return verdict(read_regex, regex)


def check(regex, monkeypatch):
    assert verdict(read_regex, regex) == long_way(regex, monkeypatch)


@pytest.fixture(scope="module")
def patch():
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield monkeypatch


def test_the_corpus_holds_what_re_refuses():
    refused = [regex for regex in corpus() if verdict(read_regex, regex)[0] == "refused"]
    assert len(refused) > 60


@pytest.mark.parametrize("start", ["", "loss", "a\x01 ", "é="])
def test_the_corpus_is_read_as_re_reads_it(start, patch):
    for regex in corpus():
        check(start + regex, patch)


@example(b"", "ab")
@given(st.binary(max_size=60), st.text(string.printable, max_size=6))
def test_grammatical_patterns_are_read_as_re_reads_them(patch, data, start):
    check(start + Grammar(Choices(data)).pattern(), patch)


@given(st.text("ab=()[]{}?|*+^$\\.,:!<>#Pimxtn0123 -\u00e9\n", max_size=16))
def test_any_text_is_read_as_re_reads_it(patch, text):
    check(text, patch)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_what_is_surely_taken_is_compiled_when_it_is_asked_for():
    taken = [regex for regex in corpus() if parse.is_surely_taken(regex) and verdict(read_regex, regex)[0] == "re"]
    assert len(taken) > 500
    for regex in taken:
        dialect = read_regex(regex)
        assert dialect.compiled is None
        code, wanted = dialect.with_code().compiled, re.compile(regex)
        assert (code.groups, code.groupindex, code.flags) == (wanted.groups, wanted.groupindex, wanted.flags)


def test_the_rest_is_parsed_once(monkeypatch):
    asked = []
    original = parse.parse_whole
    monkeypatch.setattr(parse, "parse_whole", lambda regex: asked.append(regex) or original(regex))
    parse._rest.cache_clear()
    scanner = Scanner([f"m{i}=metric_{i}_of_many=(.*?);" for i in range(50)])
    assert asked == ["=(.*?);"]
    log = b"metric_7_of_many=0.5; metric_8_of_many=2;"
    assert [(one.name, one.number) for one in scanner.find(log)] == [("m7", 0.5), ("m8", 2.0)]


def test_code_that_cannot_be_generated_is_an_error():
    dialect = read_regex("(?:" * 45 + "a" + "|b)*" * 45)
    assert dialect.compiled is None

    def deeper():
        try:
            return deeper()
        except RecursionError:
            return dialect.with_code()

    with pytest.raises(RegexError, match=re.escape(TOO_DEEP.format(sys.getrecursionlimit()))):
        deeper()


def test_warnings_of_re_are_not_those_of_definitions():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scanner = Scanner(["a=[[a](\\d)", "b=loss[[a](\\d)", "c=(?a:\\w)[[a](\\d)"], untamed="allow")
        again = scanner.with_options(scanner.definitions, scanner.options)
        compile_regex("loss[[a](?>b)")
    assert [one.strategy for one in again.explain()] == ["program", "program", "confirm"]


def test_the_filters_of_the_process_are_left_alone(monkeypatch, tmp_path):
    """Threads that change them at the same time leave them changed for good."""
    warned_of = [r"a=[[a](\d)", r"b=(?<n>[+--b]\d)", r"c=(?:[[a]|\w)+?([x~~y](\d))", r"d=(?<=[[a]+)(\d)"]
    path = tmp_path / "list.json"
    path.write_text("[{'Name': 'a', 'Regex': 'loss[[a]=(.*?);'}]")
    with monkeypatch.context() as patched:
        for name in ("catch_warnings", "simplefilter", "filterwarnings", "resetwarnings"):
            patched.setattr(warnings, name, None)
        scanner = Scanner(warned_of, labels={"w": "[[a](x)"}, untamed="allow")
        assert len(scanner.explain()) == 5
        again = pickle.loads(pickle.dumps(scanner))
        assert again.find("[1")[0].number == 1
        assert load_definitions(path) == (("a", "loss[[a]=(.*?);"),)
        assert "loss" in scanner_of(load_request(REQUEST)).metrics


def test_places_of_errors_are_those_in_the_whole_regex():
    with pytest.raises(DefinitionError) as caught:
        Scanner(["a=loss=(", "b=loss=[0-9", "c=train_loss=a**"])
    assert [fault.position for fault in caught.value.faults] == [5, 5, 13]
