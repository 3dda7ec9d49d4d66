"""Formulas: what they mean beside Python itself, their errors with places, and what is too long or too deep."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metricscan import OptionError
from metricscan.definitions.formula import FUNCTIONS, read_condition, read_formula
from metricscan.ranking.evaluation import evaluate

VALUES = {"a": 2.0, "b": -3.5, "val:loss": 0.25, "eval/acc": 0.5, "it's": 7.0, "min": 1.0, "last": 4.0, "baseline": 6.0}


def value(text, values=VALUES):
    return float(evaluate(read_formula(text).program, lambda step: np.float64(values[step.name])))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a + 0.1*b", 2.0 + 0.1 * -3.5),
        ("a-b-1", 2.0 + 3.5 - 1),
        ("a/b/2", 2.0 / -3.5 / 2),
        ("2**3**2*a", 1024.0),
        ("-a**2", -4.0),
        ("a**-1", 0.5),
        ("--a", 2.0),
        ("+a - -b", -1.5),
        ("(a+b)*2", -3.0),
        ("val:loss*4", 1.0),
        ("'eval/acc' / a", 0.25),
        ('"it\'s"', 7.0),
        (r"'it\'s'", 7.0),
        ("min + min(a, 3)", 3.0),
        ("max(a, b, 9) - min(a, b, 9)", 12.5),
        ("abs(b) + sqrt(a*2) + log(exp(a)) + log10(100*a/2)", 3.5 + 2 + 2 + 2),
        ("last + last(a)", 6.0),
        ("baseline", 6.0),
        ("a*50%", 1.0),
        ("b - 10%", -3.5 - 0.35),
        ("b + 10%", -3.5 + 0.35),
        (".5e1*a + 1.", 11.0),
    ],
)
def test_what_a_formula_means(text, expected):
    assert value(text) == pytest.approx(expected, rel=1e-15)


def test_the_metrics_of_a_formula():
    formula = read_formula("b + last(c) * 'x y' - b")
    assert formula.metrics == ("b", "c", "x y")
    assert formula.stepped == ("b", "x y")
    assert [read_formula(text).is_name for text in ("a", "'a b'", "-a", "last(a)", "(a)")] == [
        True,
        True,
        False,
        False,
        True,
    ]


def test_what_has_no_value_is_no_error():
    assert [math.isnan(value(text)) for text in ("log(b)", "b**0.5", "a/0*0")] == [True] * 3
    assert value("a/0") == math.inf
    assert value("10**a**9") == math.inf


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"the formula ends; a number, a metric or \( was expected at position 0"),
        ("a +", "the formula ends; a number, a metric or"),
        (
            "a b",
            "'b' was found; an operator, or the end was expected at position 2\n    a b\n      \\^\nhint: a name with blanks",
        ),
        (
            "a ^ 2",
            "'\\^' is no part of a formula at position 2\n    a \\^ 2\n      \\^\nhint: a power is written \\*\\*",
        ),
        ("a[0]", "only parentheses are known"),
        ("'a", "the quotation mark is not closed"),
        ("(a", "the formula ends; \\) was expected at position 2"),
        ("a)", "'\\)' was found; an operator, or the end was expected at position 1"),
        ("a = 1", "equality is written =="),
        ("a < 1", "'<' was found; an operator, or the end was expected"),
        ("1 + 2", "'1 \\+ 2' names no metric"),
        ("f(a)", "'f' is no function; one of abs, exp, log, log10, sqrt, min, max, last was expected at position 0"),
        ("logg(a)", "hint: did you mean 'log'\\?"),
        ("2(a)", "'\\(' was found; an operator, or the end was expected"),
        ("min(a)", "min has 1 argument; 2 arguments or more was expected"),
        ("abs(a, a)", "abs has 2 arguments; 1 argument was expected"),
        ("last(a + 1)", "'\\+' was found; \\) was expected"),
        ("last(1)", "'1' was found; the name of a metric was expected"),
        ("__import__('os')", "'__import__' is no function"),
        ("a.__class__()", "'a.__class__' is no function"),
        ("a" + "+a" * 500, "a formula of 1,001 characters; at most 1,000 were expected"),
        ("(" * 51 + "a" + ")" * 51, "the formula is nested more than 50 times at position 50"),
        ("-" * 60 + "a", "the formula is nested more than 50 times"),
        ("a" + "**a" * 60, "the formula is nested more than 50 times"),
    ],
)
def test_what_is_no_formula(text, message):
    with pytest.raises(OptionError, match=message):
        read_formula(text)


def test_long_formulas_are_read():
    assert value("a" + "+a" * 499) == 1000.0
    assert value("(" * 49 + "a" + ")" * 49) == 2.0


def test_a_name_that_is_no_metric_is_an_error_with_its_place():
    known = ["val_loss", "eval/acc"]
    with pytest.raises(OptionError, match="'valloss' is not among the metrics: 'val_loss', 'eval/acc' at position 4"):
        read_formula("2 * valloss").check(known)
    with pytest.raises(OptionError, match="hint: did you mean 'val_loss'"):
        read_formula("2 * valloss").check(known)
    with pytest.raises(OptionError, match=r"hint: a name with other characters .* is written in quotes: 'eval/acc'"):
        read_formula("1 - eval/acc").check(known)
    read_formula("1 - 'eval/acc' * val_loss").check(known)


def test_conditions():
    def holds(text, **values):
        return bool(evaluate(read_condition(text).program, lambda step: values[step.kind]))

    assert holds("acc < baseline - 0.5%", metric=0.9, baseline=0.95)
    assert not holds("acc < baseline - 0.5%", metric=0.948, baseline=0.95)
    # by so many percent of the magnitude: less than a negative baseline, too
    assert holds("acc < baseline - 10%", metric=-1.2, baseline=-1.0)
    assert [holds(f"a {sign} 1", metric=1.0) for sign in ("<", "<=", ">", ">=", "==", "!=")] == [0, 1, 0, 1, 1, 0]
    assert read_condition("a < baseline(a) + baseline(b)").metrics == ("a", "b")
    for text, message in [
        ("a", "the formula ends; one of <= >= == != < > was expected at position 1"),
        ("a < b < c", "a second comparison at position 6"),
        (
            "a + b < baseline",
            "'baseline' is that of the one metric of a condition, and this has 'a', 'b' at position 8",
        ),
        ("baseline < 1", "names no metric"),
        ("a < 1 or b < 1", "'or' was found; an operator, or the end was expected"),
    ]:
        with pytest.raises(OptionError, match=message):
            read_condition(text)


# ---- beside Python's own parser

numbers = st.sampled_from(["0", "1", "2.5", "1e3", ".5"])
leaves = numbers | st.sampled_from(["a", "b", "c_1"])
expressions = st.recursive(
    leaves,
    lambda inner: (
        st.tuples(inner, st.sampled_from([" + ", "-", "*", " / ", "-  "]), inner).map("".join)
        | inner.map(lambda one: f"({one})")
        | inner.map(lambda one: f"-{one}")
        | st.tuples(st.sampled_from(["min", "max"]), inner, inner).map(lambda one: f"{one[0]}({one[1]}, {one[2]})")
        | inner.map(lambda one: f"abs({one})")
    ),
    max_leaves=12,
)


@given(expressions, st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3))
def test_a_formula_means_what_python_means(text, given_values):
    values = dict(zip(("a", "b", "c_1"), given_values, strict=True))
    try:
        expected = eval(text, {"__builtins__": {}, "min": min, "max": max, "abs": abs}, values)
    except ZeroDivisionError:
        return
    if len(text) > 1_000 or not any(name in text for name in values):
        return
    try:
        assert value(text, values) == expected
    except OptionError as error:
        assert "nested more than 50 times" in error.message or "names no metric" in error.message  # noqa: PT017


@given(st.text(alphabet="ab1.+-*/()<>=%,'\" lastbaseline", max_size=40))
def test_any_text_is_a_formula_or_a_clear_error(text):
    for read in (read_formula, read_condition):
        try:
            found = read(text)
        except OptionError as error:
            assert error.message  # noqa: PT017
        else:
            evaluate(found.program, lambda _: np.float64(1))


def test_every_function_is_known_to_the_evaluation():
    for name, (least, _) in FUNCTIONS.items():
        assert math.isfinite(value(f"{name}({', '.join(['a'] * least)})"))
