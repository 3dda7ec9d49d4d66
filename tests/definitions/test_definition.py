"""Metric definitions: where they come from, what they may hold, and everything that can be wrong with them at once."""

import ast
import json
import pickle
import re
import warnings

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

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
from metricscan.definitions.pasted import python_literal
from metricscan.patterns.dialect import MOST_UNROLLED, RegexError, compile_regex

LOSS = MetricDefinition("loss", r"loss=(\S+)")


def faults(definitions):
    with pytest.raises(DefinitionError) as caught:
        load_definitions(definitions)
    return caught.value.faults


def fault_of(regex):
    (fault,) = faults([{"Name": "m", "Regex": regex}])
    assert (fault.index, fault.name, fault.pattern) == (0, "m", regex)
    return fault


def written(tmp_path, text, name="definitions.json"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


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


def test_names_may_be_anything_printable_or_not():
    names = ["validation:auc", "a/b", "é", " ", "..", "x" * 255, "a\nb", "a=b", "#", "None"]
    definitions = [{"Name": name, "Regex": "x"} for name in names]
    assert [definition.name for definition in load_definitions(definitions)] == names


def test_neither_forty_nor_five_hundred_is_a_limit_here():
    definitions = [f"m{number}={'x' * 600}{number}" for number in range(100)]
    assert len(load_definitions(definitions)) == 100


# ---- faults


def test_all_faults_are_reported_together():
    found = faults(
        [
            {"Name": "a", "Regex": "ok"},
            {"Name": "b", "Regex": "loss=("},
            {"Name": "a", "Regex": "[z"},
            {"Name": "", "Regex": ""},
            "no equals sign",
            {"Name": "c"},
            {"name": "d", "Regex": 7},
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
        (6, None, None, "unknown key 'name'; Name and Regex were expected"),
        (6, None, None, "Name is missing"),
        (6, None, None, "Regex is int 7 where a string was expected"),
        (7, None, None, found[-2].message),
        (8, "e", 0, "nothing to repeat"),
    ]
    assert found[-2].message.startswith("null where {")
    assert [fault.hint for fault in found if fault.hint] == [
        r"for the character itself write \(",
        r"for the character itself write \[",
        "it is spelled Name",
        "put it in quotes",
    ]


def test_names_with_their_regexes_are_shown_as_a_list():
    (fault,) = faults({"loss": r"loss=(\S+)", "b": "x"})
    assert fault.message.startswith("a dict where a list of")
    assert fault.hint == r'each is one of the list: [{"Name": "loss", "Regex": "loss=(\\S+)"}, ..]'
    assert [fault.hint for one in ({}, {"loss": 1}, {"a": []}) for fault in faults(one)] == [None] * 3


def test_an_error_says_where_each_fault_is():
    with pytest.raises(DefinitionError) as caught:
        load_definitions([{"Name": "a", "Regex": "loss=("}, {"Name": "a", "Regex": "\t("}])
    assert str(caught.value) == "\n".join(
        [
            "3 errors in the metric definitions",
            "  definition 0 'a': missing ), unterminated subpattern at position 5",
            "      loss=(",
            "           ^",
            r"      hint: for the character itself write \(",
            "  definition 1 'a': the name is already that of definition 0",
            r"  definition 1 'a': missing ), unterminated subpattern at position 1 of '\t('",
            r"      hint: for the character itself write \(",
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
        ({"Name": "a", "Regex": "x"}, "one definition where a list of them was expected"),
        (LOSS, "one definition where a list of them was expected"),
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
        ([{}], "Name is missing"),
        (["=x"], "the name is empty"),
        (["a="], "the regex is empty"),
        ([{"Name": "x" * 256, "Regex": "x"}], "the name is of 256 characters; 1 to 255 were expected"),
        ([{"Name": "\ud800", "Regex": "x"}], "half of a surrogate pair"),
    ],
)
def test_each_fault_has_its_words(source, words):
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


# ---- files

DOCUMENTED = r"""
[
    {
        "Name": "ganloss",
        "Regex": "GAN_loss=(.*?);",
    },
    {
        "Name": "loss",
        "Regex": "Loss = (.*?);, ]",
    },
]
"""
GANLOSS = (("ganloss", "GAN_loss=(.*?);"), ("loss", "Loss = (.*?);, ]"))


@pytest.mark.parametrize(
    "text",
    [
        DOCUMENTED,
        "=" + DOCUMENTED,
        " = " + DOCUMENTED,
        "metric_definitions = " + DOCUMENTED,
        "estimator.metric_definitions=" + DOCUMENTED,
        "\ufeff" + DOCUMENTED,
        DOCUMENTED.replace("\n", "\r\n"),
        '{"MetricDefinitions": ' + DOCUMENTED + ",}",
        "[{'Name': 'ganloss', 'Regex': 'GAN_loss=(.*?);'}, {'Name': 'loss', 'Regex': 'Loss = (.*?);, ]'}]",
        "definitions = [{'Name': 'ganloss', 'Regex': \"GAN_loss=(.*?);\"},\n {'Name': 'loss', 'Regex': r'Loss = (.*?);, ]'},]",
    ],
)
@pytest.mark.parametrize("name", ["definitions.json", "definitions", "definitions.txt", "DEFINITIONS.JSON"])
def test_json_as_it_is_pasted(tmp_path, text, name):
    if text.startswith(("m", "e", "d")) and not name.lower().endswith(".json"):
        name = "definitions.json"
    path = written(tmp_path, text, name)
    assert load_definitions(path) == GANLOSS
    assert load_definitions(str(path)) == GANLOSS
    assert Scanner(path).metrics == ("ganloss", "loss")


@pytest.mark.parametrize(
    "text",
    [
        "- Name: ganloss\n  Regex: GAN_loss=(.*?);\n- Name: loss\n  Regex: 'Loss = (.*?);, ]'\n",
        'MetricDefinitions:\n  - {Name: ganloss, Regex: "GAN_loss=(.*?);"}\n  - Name: loss\n    Regex: "Loss = (.*?);, ]"\n',
        "# what to look for\n- ganloss=GAN_loss=(.*?);\n- 'loss=Loss = (.*?);, ]'\n",
    ],
)
@pytest.mark.parametrize("name", ["definitions.yaml", "definitions.yml", "definitions"])
def test_yaml(tmp_path, text, name):
    assert load_definitions(written(tmp_path, text, name)) == GANLOSS


def test_json_is_yaml_too(tmp_path):
    text = json.dumps([{"Name": "a", "Regex": r"\S+\\x\u00e9"}])
    for name in ("d.json", "d.yaml", "d"):
        assert load_definitions(written(tmp_path, text, name)) == (("a", r"\S+\\x\u00e9"),)


names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=5)
patterns = st.text("a,] }\"\\'[{:=#\n\té", min_size=1).map(re.escape)


@example([("a", r",\]"), ("b", r"\,\}")], ",")
@example([("0", '"'), ("\x1f", "'")], "")
@given(
    st.lists(st.tuples(names, patterns), min_size=1, unique_by=lambda pair: pair[0]), st.sampled_from(["", ",", " ,\n"])
)
def test_json_and_yaml_give_back_what_was_written(tmp_path_factory, pairs, comma):
    folder = tmp_path_factory.mktemp("definitions")
    items = [{"Name": name, "Regex": regex} for name, regex in pairs]
    text = f"[{', '.join(json.dumps(item)[:-1] + comma + '}' for item in items)}{comma}]"
    assert load_definitions(written(folder, text)) == tuple(pairs)
    assert load_definitions(written(folder, yaml.safe_dump(items), "d.yaml")) == tuple(pairs)
    assert load_definitions(written(folder, f"x = {items!r}")) == tuple(pairs)


def test_a_single_backslash_in_json(tmp_path):
    text = '[\n  {"Name": "loss", "Regex": "loss=(\\S+) \\d"},\n  {"Name": "ok", "Regex": "\\\\S\\n"},\n]'
    path = written(tmp_path, text)
    with pytest.raises(DefinitionError) as caught:
        load_definitions(path)
    assert caught.value.source == str(path)
    assert [(fault.index, fault.message, fault.hint) for fault in caught.value.faults] == [
        (None, r"line 2, column 36: \S is no JSON string escape", r"write \\S"),
        (None, r"line 2, column 41: \d is no JSON string escape", r"write \\d"),
    ]
    assert f"2 errors in the metric definitions of {path}" in str(caught.value)


def what_comes_of(read, text):
    try:
        return repr(read(text))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return "refused"


def as_python_reads_it(text):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return what_comes_of(ast.literal_eval, text.strip())


PARTS = [*"[]{},:'\"\\\rRbf \n#0123478dnuxN", r"\d", "'a'", "'''", r"'\n'"]


@example(r"['\d']")
@example(r"[r'\d', '\\d', '\7\77\377', '\x41', '\N{DASH}']")
@example("['''a\\\nb'''] # it's")
@example("['")
@given(st.lists(st.sampled_from(PARTS), max_size=12).map("".join))
def test_python_literals_are_read_without_what_python_warns_of(text):
    assert what_comes_of(python_literal, text) == as_python_reads_it(text)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("d.json", '[{"Name": "a" "Regex": "x"}]', r"line 1, column 15: not JSON: Expecting ',' delimiter"),
        ("d.json", '[\n{"Name": "a"', "line 2, column 13: not JSON"),
        ("d.json", "", "the file is empty; a list of"),
        ("d.json", "[,]", "the list is empty"),
        ("d.json", "[" * 100_000, "nested too deeply"),
        ("d.json", "['a' + 'b']", "not JSON"),
        ("d.json", "[print('x')]", "not JSON"),
        ("d.yaml", "- Name: a\n Regex: x\n", r"line 2, column \d+: not YAML"),
        ("d.yaml", '- Name: a\n  Regex: "\\S"\n', "line 2, column 12: not YAML: found unknown escape character"),
        ("d.yaml", "- !!python/name:os.system\n", "not YAML"),
        ("d.yaml", "a: b: c", "not YAML"),
        ("d.yaml", "\0", "not YAML"),
        ("d.yaml", "[" * 100_000, "not YAML"),
        ("d.yaml", "\n", "the file is empty; a list of"),
        ("d.yaml", "loss=(.*)", "a str where a list of"),
        ("d.yaml", "2024-02-31", "not YAML|a str where"),
    ],
)
def test_a_file_that_cannot_be_parsed(tmp_path, name, text, words):
    path = written(tmp_path, text, name)
    with pytest.raises(DefinitionError, match=words) as caught:
        load_definitions(path)
    assert caught.value.source == str(path)


def test_a_yaml_escape_gets_advice(tmp_path):
    with pytest.raises(DefinitionError) as caught:
        load_definitions(written(tmp_path, '- Name: a\n  Regex: "\\S"\n', "d.yaml"))
    assert caught.value.faults[0].hint == "between single quotes a backslash is a backslash"


def test_faults_in_a_file_name_it(tmp_path):
    path = written(tmp_path, "- a=(\n- a=x\n", "d.yaml")
    with pytest.raises(DefinitionError) as caught:
        Scanner(path)
    assert str(caught.value).startswith(f"2 errors in the metric definitions of {path}\n")
    assert [fault.index for fault in caught.value.faults] == [0, 1]


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(SourceError) as caught:
        load_definitions(tmp_path / "none.json")
    assert caught.value.path == str(tmp_path / "none.json")
    assert isinstance(caught.value.cause, FileNotFoundError)


def test_a_definition_where_a_path_was_expected():
    with pytest.raises(SourceError) as caught:
        load_definitions("loss=loss=(.*)")
    assert caught.value.hint == "a str is a path; a definition stands in a list: ['loss=loss=(.*)']"


@pytest.mark.parametrize("path", ["a\0b", "x" * 5000, "/"])
def test_a_path_that_cannot_be_opened(path):
    with pytest.raises(SourceError, match="cannot read the metric definitions"):
        load_definitions(path)


def test_a_file_that_is_not_utf8(tmp_path):
    path = written(tmp_path, b'[{"Name": "\xff"}]')
    with pytest.raises(SourceError, match="is not UTF-8") as caught:
        load_definitions(path)
    assert (caught.value.path, caught.value.offset) == (str(path), 11)


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
def test_what_re_takes_is_never_regex(regex):
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
def test_what_only_regex_takes(regex, constructs):
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
def test_what_neither_takes_is_a_fault(regex, words):
    assert re.search(words, fault_of(regex).message)


def test_faults_of_regexes_come_with_advice():
    assert fault_of("x(?i)y").hint == "flags for the whole pattern stand at its start; (?i:..) holds for a part of it"
    assert fault_of("(?L)x").hint == "(?L) is for bytes patterns; without it letters are Unicode's"
    assert fault_of("a(b").hint == r"for the character itself write \("
    assert fault_of("a[b").hint == r"for the character itself write \["
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
def test_any_text_is_a_definition_or_a_fault(text):
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


def test_faults_are_values():
    fault = Fault(1, "a", "x(", 1, "missing )")
    assert fault == Fault(1, "a", "x(", 1, "missing )")
    assert len({fault, Fault(1, "a", "x(", 1, "missing )")}) == 1
    assert str(Fault(None, None, None, None, "what")) == "what"
    assert str(Fault(None, None, "x", None, "what")) == "what: 'x'"
    assert str(Fault(2, None, None, None, "what", "how")) == "definition 2: what\n    hint: how"
