"""Regexes: what re takes, what only the regex module takes, and what neither does."""

import re
import warnings

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from metricscan import (
    DefinitionError,
    Scanner,
    load_definitions,
)
from metricscan.patterns.dialect import MOST_UNROLLED, RegexError, compile_regex


def faults(definitions):
    with pytest.raises(DefinitionError) as caught:
        load_definitions(definitions)
    return caught.value.faults


def fault_of(regex):
    (fault,) = faults([{"Name": "m", "Regex": regex}])
    assert (fault.index, fault.name, fault.pattern) == (0, "m", regex)
    return fault


# ---- regexes: what re takes, what only regex takes, what neither does


@pytest.mark.parametrize(
    "regex",
    [
        r"(?i)loss=(\S+)",
        r"(?P<value>x)(?P=value)",
        r"(?>a|ab)c++",
        r"(?<=ab|cd)e",
        r"(x)?(?(1)a|b)",
        "[[:alpha:]]",
        "a{e}",
        "a{1<=e<=2}",
        "[a&&b]",
        r"(?aimsx) x # p \p{L} (?<n>",
        r"\\p{L}",
        r"[(?<n>]",
        "\ud800",
        "\n",
    ],
)
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_regex_that_re_takes_is_never_given_to_the_regex_module(regex):
    dialect = compile_regex(regex)
    assert (dialect.engine, dialect.constructs) == ("re", ())
    assert isinstance(dialect.compiled, re.Pattern)


LOOKBEHIND, PROPERTY, NAMED_GROUP, BRANCH_RESET = "variable-width lookbehind", r"\p{..}", "(?<name>..)", "(?|..)"


@pytest.mark.parametrize(
    ("regex", "constructs"),
    [
        (r"(?<=a+)b", (LOOKBEHIND,)),
        (r"(?<!a|bc)b", (LOOKBEHIND,)),
        (r"\p{Lu}(\d)", (PROPERTY,)),
        (r"\P{L}[\p{Nd}x]", (PROPERTY,)),
        (r"\pL(\d)", (PROPERTY,)),
        (r"\p{^L}", (PROPERTY,)),
        (r"(?<value>\d)", (NAMED_GROUP,)),
        (r"(?|a(\d)|b(\d))", (BRANCH_RESET,)),
        (r"(?<=a*)(?<n>\p{L})(?|(b)|(c))", (LOOKBEHIND, PROPERTY, NAMED_GROUP, BRANCH_RESET)),
        (r"(?i)(?<n>a)", (NAMED_GROUP,)),
        (r"[]\p{L}](?<n>[^]](?<=[)]a+))", (LOOKBEHIND, PROPERTY, NAMED_GROUP)),
    ],
)
@pytest.mark.filterwarnings("ignore::metricscan.DefinitionWarning")
def test_a_regex_that_only_the_regex_module_takes(regex, constructs):
    dialect = compile_regex(regex)
    assert (dialect.engine, dialect.constructs) == ("regex", constructs)
    (explanation,) = Scanner([{"Name": "m", "Regex": regex}]).explain()
    assert (explanation.engine, explanation.strategy) == ("regex", "confirm")


@pytest.mark.parametrize(
    ("regex", "words"),
    [
        ("(?L)x", "'L' flag"),
        ("(?L:x)", "'L' flag"),
        (r"(?L)\p{L}", "'L' flag"),
        ("(?r)x", "unknown extension"),
        ("(?R)", "unknown extension"),
        ("(?1)(x)", "unknown extension"),
        ("(?&n)(?P<n>x)", "unknown extension"),
        (r"a\Kb", r"bad escape .K"),
        (r"\X", r"bad escape .X"),
        (r"\R", r"bad escape .R"),
        (r"\G", r"bad escape .G"),
        (r"\m", r"bad escape .m"),
        (r"\h", r"bad escape .h"),
        (r"\L<words>", r"bad escape .L"),
        ("a(?i)b", "global flags not at the start"),
        ("(?V1)x", "unknown extension|unknown flag"),
        ("(?e)x", "unknown extension|unknown flag"),
        ("(?b)x", "unknown extension|unknown flag"),
        ("(?f)x", "unknown extension|unknown flag"),
        ("(?w)x", "unknown extension|unknown flag"),
        ("(?p)x", "unknown extension|unknown flag"),
        ("(", r"missing \)"),
        ("x)", "unbalanced parenthesis"),
        ("[a", "unterminated character set"),
        ("*a", "nothing to repeat"),
        ("a**", "multiple repeat"),
        ("a{2,1}", "min repeat greater than max repeat"),
        (r"\1", "invalid group reference"),
        ("(?P<a>x)(?P<a>y)", "redefinition of group name"),
        ("(?P<1>x)", "bad character in group name"),
        (r"\N{NO SUCH NAME}", "undefined character name"),
        ("a{99999999999999999999}", "the repetition number is too large"),
        ("(" * 5000 + ")" * 5000, "too deeply"),
        # constructs of regex do not let in what else is its own
        (r"\p{L}(?r)x", "."),
        (r"(?r)\p{L}", "."),
        (r"(?<n>a)(?R)?", "."),
        (r"(?<n>a)\K", "."),
        (r"(?<n>a)(?&n)", "."),
        (r"(?<n>(?:loss){e<=1})", "fuzzy"),
        (r"\p{L}{i}", "fuzzy"),
        (r"(?<n>a)[[:alpha:]--a]{s<2}", "fuzzy"),
        (r"\p{L}(?i)x", "."),
        (r"(?<n>a", r"."),
        (r"\p{NoSuchProperty}", "unknown property"),
        (r"(?<n>a)(?<n>b)", "redefinition of group name|."),
        (r"\p{L}(?:a{300}){400}", "its counted repeats unroll to"),
    ],
)
def test_a_regex_that_neither_engine_takes_is_an_error(regex, words):
    assert re.search(words, fault_of(regex).message)


def test_errors_of_regexes_come_with_advice():
    assert fault_of("x(?i)y").hint == "flags for the whole pattern stand at its start; (?i:..) holds for a part of it"
    assert fault_of("(?L)x").hint == "(?L) is for bytes patterns; without it letters are Unicode's"
    assert fault_of("a(b").hint == r"close the group with ), or write \( for the character"
    assert fault_of("a[b").hint == r"close the set with ], or write \[ for the character"
    assert fault_of(r"\p{L}{i}").hint == r"write a literal { as \{"
    assert fault_of("x)").hint is None


def test_positions_are_characters_of_the_regex():
    assert fault_of("ééé(").position == 3
    assert fault_of("a\n[").position == 2
    assert fault_of("ab(?i)").position == 2
    assert str(fault_of("é" * 3 + "(")).splitlines()[1:3] == ["    ééé(", "       ^"]


def test_a_long_regex_is_shortened():
    text = str(fault_of("x" * 1000 + "("))
    assert "at position 1000 of 'xxx" in text
    assert len(text) < 400


def test_regexes_that_unroll_are_refused_only_under_regex():
    assert compile_regex("(?:a{300}){400}").engine == "re"
    assert compile_regex(rf"\p{{L}}(?:a{{{MOST_UNROLLED // 100}}}){{99}}").engine == "regex"
    with pytest.raises(RegexError, match="at most 100,000 are taken"):
        compile_regex(rf"\p{{L}}(?:a{{{MOST_UNROLLED // 100}}}){{100}}")


@example("(?<n>[]]")
@example(r"\p{}")
@example("(?<=(?<n>a)*)")
@given(st.text(r"()[]{}<>?|\*+^$.,:=!&#PpLKirRaxe0123n -'" + '"', max_size=12))
def test_any_text_is_a_definition_or_an_error(text):
    fault = dialect = None
    try:
        dialect = compile_regex(text)
    except RegexError as error:
        fault = error
    assert (dialect is not None and dialect.engine == "re") == accepted(text)
    if fault is None:
        assert (dialect.engine == "regex") == bool(dialect.constructs)
    else:
        assert fault.message
        assert fault.position is None or 0 <= fault.position <= len(text)


def accepted(regex):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            re.compile(regex)
        except (re.error, OverflowError):
            return False
    return True
