"""Metric definitions: the forms that a list of them takes, everything that can be wrong with it at once, and warnings."""

import pickle
import re
import warnings

import pytest

from metricscan import (
    DefinitionError,
    DefinitionWarning,
    Fault,
    MetricDefinition,
    MetricscanError,
    OptionError,
    Scanner,
    SourceError,
    load_definitions,
)

LOSS = MetricDefinition("loss", r"loss=(\S+)")


def faults(definitions):
    with pytest.raises(DefinitionError) as caught:
        load_definitions(definitions)
    return caught.value.faults


def fault_of(regex):
    (fault,) = faults([{"Name": "m", "Regex": regex}])
    assert (fault.index, fault.name, fault.pattern) == (0, "m", regex)
    return fault


# ---- lists


@pytest.mark.parametrize(
    "source",
    [
        [{"Name": "loss", "Regex": r"loss=(\S+)"}],
        ({"Regex": r"loss=(\S+)", "Name": "loss"},),
        [LOSS],
        [r"loss=loss=(\S+)"],
        iter([LOSS]),
        (definition for definition in [LOSS]),
        {"MetricDefinitions": [LOSS]},
        {"MetricDefinitions": [LOSS], "TrainingImage": "x"},
        {"loss": r"loss=(\S+)"},
        [{"name": "loss", "regex": r"loss=(\S+)", "description": "the mean"}],
        [{"Name": "loss", "Regex": r"loss=(\S+)", "Description": None}],
        {"spec": {"algorithmSpecification": {"metricDefinitions": [{"name": "loss", "regex": r"loss=(\S+)"}]}}},
        {"data": [{"algorithm_specification": {"metric_definitions": [LOSS]}}, {"metric_definitions": [LOSS]}]},
    ],
)
def test_forms_of_a_list(source):
    assert load_definitions(source) == (LOSS,)


def test_a_definition_in_words():
    # the first = ends the name; the regex is the rest, blanks and all
    assert load_definitions(["a=b=(.)", "c= x ", "a b=="]) == (("a", "b=(.)"), ("c", " x "), ("a b", "="))


def test_what_is_loaded_can_be_loaded():
    definitions = load_definitions(["a=x", "b=y"])
    assert load_definitions(definitions) == definitions
    assert load_definitions(LOSS) == load_definitions({"MetricDefinitions": LOSS}) == (LOSS,)


def test_names_may_be_anything_printable_or_not():
    names = ["validation:auc", "a/b", "é", " ", "..", "x" * 255, "a\nb", "a=b", "#", "None"]
    definitions = [{"Name": name, "Regex": "x"} for name in names]
    assert [definition.name for definition in load_definitions(definitions)] == names


def test_neither_forty_nor_five_hundred_is_a_limit_here():
    definitions = [f"m{number}={'x' * 600}{number}" for number in range(100)]
    assert len(load_definitions(definitions)) == 100


# ---- faults


def test_all_errors_are_reported_together():
    found = faults(
        [
            {"Name": "a", "Regex": "ok"},
            {"Name": "b", "Regex": "loss=("},
            {"Name": "a", "Regex": "[z"},
            {"Name": "", "Regex": ""},
            "no equals sign",
            {"Name": "c"},
            {"Nmae": "d", "Regex": 7},
            None,
            {"Name": "e", "Regex": "*"},
        ]
    )
    assert [(fault.index, fault.name, fault.position, fault.message) for fault in found] == [
        (1, "b", 5, "missing ), unterminated subpattern"),
        (2, "a", None, "the name is already that of definition 0"),
        (2, "a", 0, "unterminated character set"),
        (3, "", None, "the name is empty; 1 to 255 were expected"),
        (3, "", None, "the regex is empty"),
        (4, None, None, "'no equals sign' has no =; NAME=REGEX was expected"),
        (5, "c", None, "Regex is missing"),
        (6, None, None, "unknown key 'Nmae'; Name and Regex were expected"),
        (6, None, None, "Regex is int 7 where a string was expected"),
        (7, None, None, found[-2].message),
        (8, "e", 0, "nothing to repeat"),
    ]
    assert found[-2].message.startswith("null where {")
    assert [fault.hint for fault in found if fault.hint] == [
        r"close the group with ), or write \( for the character",
        r"close the set with ], or write \[ for the character",
        "did you mean Name?",
        "put it in quotes",
    ]


def test_a_mapping_that_is_none_of_names_to_regexes():
    found = [fault for one in ({}, {"a": []}, {1: "x"}) for fault in faults(one)]
    assert [(fault.message.startswith("a dict where a list of"), fault.hint) for fault in found] == [(True, None)] * 3


def test_each_name_of_a_mapping_whose_regex_is_none():
    found = [str(fault) for fault in faults({"a": "x", "loss": 3, "b": None})]
    assert found == [
        "'loss': int 3 where a regex was expected\n    hint: put it in quotes",
        "'b': null where a regex was expected",
    ]


def test_lists_at_several_places_are_not_mixed():
    document = {"TrainingJobDefinitions": [{"MetricDefinitions": [LOSS]}, {"MetricDefinitions": ["a=b"]}]}
    (fault,) = faults(document)
    assert fault.message == (
        "several lists of definitions, TrainingJobDefinitions[0].MetricDefinitions, "
        "TrainingJobDefinitions[1].MetricDefinitions; one was expected"
    )


def test_a_set_has_no_order():
    (fault,) = faults({"a=b"})
    assert fault.message.startswith("a set where a list of")
    assert fault.hint == "write [..] in place of {..}: a set has no order"


def test_an_error_says_where_each_error_is():
    with pytest.raises(DefinitionError) as caught:
        load_definitions([{"Name": "a", "Regex": "loss=("}, {"Name": "a", "Regex": "\t("}])
    assert str(caught.value) == "\n".join(
        [
            "3 errors in the metric definitions (counting from 0)",
            "  definition 0 'a': missing ), unterminated subpattern at position 5",
            "      loss=(",
            "           ^",
            r"      hint: close the group with ), or write \( for the character",
            "  definition 1 'a': the name is already that of definition 0",
            r"  definition 1 'a': missing ), unterminated subpattern at position 1 of '\t('",
            r"      hint: close the group with ), or write \( for the character",
        ]
    )
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, MetricscanError)
    assert caught.value.source is None


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ([], "the list is empty"),
        ({"MetricDefinitions": []}, "the list is empty"),
        ({"Name": "a", "Regex": "x"}, "one definition is given; a list of them was expected"),
        (None, "null where a list of"),
        (7, "int 7 where a list of"),
        (b"a=x", "a bytes where a list of"),
        ({"definitions": []}, "a dict where a list of"),
        ([["a", "x"]], "a list where {"),
        ([("a", "x")], "a tuple where {"),
        ([{"Name": None, "Regex": "x"}], "Name is null where a string was expected"),
        ([{"Name": True, "Regex": "x"}], "Name is bool True where a string was expected"),
        ([{"Name": "a", "Regex": ["x"]}], "Regex is a list where a string was expected"),
        ([{"Name": "a", "Regex": "x", "Unit": "s"}], "unknown key 'Unit'"),
        ([{"Name": "a", "name": "b", "Regex": "x"}], "Name is given twice, also as 'name'"),
        ([{}], "Name is missing"),
        (["=x"], "the name is empty"),
        (["a="], "the regex is empty"),
        ([{"Name": "x" * 256, "Regex": "x"}], "the name is of 256 characters; 1 to 255 were expected"),
        ([{"Name": "\ud800", "Regex": "x"}], "half of a surrogate pair"),
    ],
)
def test_each_error_has_its_words(source, words):
    assert words in faults(source)[0].message


def test_a_missing_list_is_no_iteration_over_keys():
    (fault,) = faults({"Regex": "x"})
    assert fault.hint == "put it in [..]"


# ---- warnings


@pytest.mark.parametrize(
    ("name", "regex", "rename"),
    [
        ("loss", r"(?P<step>\d+) (?P<loss>\d+)", "loss"),
        ("val_loss", r"(?P<step>\d+) (?P<loss>\d+)", "loss"),
        ("val:loss", r"(?P<epoch>\d+)(\d)(?P<Val_Loss>\d+)", "Val_Loss"),
        ("loss", r"(?P<step>\d+) (?P<lr>\d+)", "lr"),
        ("loss", r"(?P<step>\d+) (\d+)", ".."),
    ],
)
def test_a_named_first_group_that_is_probably_not_meant(name, regex, rename):
    words = rf"definition '{name}' takes its value from the first group, named '\w+'.*if '{re.escape(rename)}' is meant"
    with pytest.warns(DefinitionWarning, match=words) as caught:
        load_definitions([{"Name": name, "Regex": regex}])
    assert len(caught) == 1


@pytest.mark.parametrize("take", [Scanner, load_definitions])
def test_escapes_that_a_string_took(take):
    for regex, words in (
        (
            "\bloss=(.)",
            r"definition 'a' looks for a backspace: .* \\b between quotes .* write \\\\b, or r'..' in Python",
        ),
        ("(.)=\1 b=(.)", r"looks for the character U\+0001: .* for the text of group 1 write \\\\1"),
    ):
        with pytest.warns(DefinitionWarning, match=words) as caught:
            take([{"Name": "a", "Regex": regex}])
        assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        take([r"a=\bloss=(.)", r"b=(.)\1", "c=[\1-\b](.)", "d=\1x", "e=\x1b[\\[](.)"])


@pytest.mark.parametrize("take", [Scanner, load_definitions])
def test_a_warning_points_at_the_caller(take):
    with pytest.warns(DefinitionWarning) as caught:
        take([r"loss=(?P<step>\d+) (?P<loss>\d+)"])
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    ("name", "regex"),
    [
        ("loss", r"(?P<loss>\d+) (?P<step>\d+)"),
        ("train:loss", r"(?P<loss>\d+) (?P<step>\d+)"),
        ("loss", r"(?P<step>\d+) (?P<value>\d+)"),
        ("loss", r"(?P<x>\d+)"),
        ("loss", r"(\d+) (?P<step>\d+)"),
        ("loss", r"(\d+) (\d+)"),
    ],
)
def test_a_first_group_that_is_meant(name, regex):
    assert load_definitions([{"Name": name, "Regex": regex}]) == ((name, regex),)


def test_faulty_definitions_do_not_warn():
    faults([{"Name": "loss", "Regex": r"(?P<step>\d+) (?P<loss>\d+)"}, {"Name": "b", "Regex": "("}])


def test_what_re_warns_of_is_not_repeated():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_definitions(["a=[[a]x", "b=[a&&b]", "c=[a||b]"])


# ---- errors travel


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_errors_can_be_pickled(protocol):
    with pytest.raises(DefinitionError) as definition:
        load_definitions(["a=(", "a=x"])
    with pytest.raises(SourceError) as source:
        load_definitions("a=b")
    with pytest.raises(OptionError) as option:
        Scanner(["a=x"], newline="cr")
    root = MetricscanError("what", hint="how")
    for error in (definition.value, source.value, option.value, root):
        again = pickle.loads(pickle.dumps(error, protocol))
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert (again.hint, again.args) == (error.hint, error.args)
    again = pickle.loads(pickle.dumps(definition.value, protocol))
    assert again.faults == definition.value.faults
    again = pickle.loads(pickle.dumps(source.value, protocol))
    assert (again.path, again.offset, str(again.cause)) == ("a=b", None, str(source.value.cause))


def test_errors_show_their_hint():
    assert str(MetricscanError("what")) == "what"
    assert str(MetricscanError("what", hint="how")) == "what\nhint: how"
    assert MetricscanError("what", hint="how").message == "what"


def test_errors_are_values():
    fault = Fault(1, "a", "x(", 1, "missing )")
    assert fault == Fault(1, "a", "x(", 1, "missing )")
    assert len({fault, Fault(1, "a", "x(", 1, "missing )")}) == 1
    assert str(Fault(None, None, None, None, "what")) == "what"
    assert str(Fault(None, None, "x", None, "what")) == "what: 'x'"
    assert str(Fault(2, None, None, None, "what", "how")) == "definition 2: what\n    hint: how"
