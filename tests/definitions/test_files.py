"""Files of definitions: JSON, YAML, pasted Python; and files that cannot be read as any of them."""

import ast
import json
import re
import warnings

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from metricscan import (
    DefinitionError,
    MetricDefinition,
    Scanner,
    SourceError,
    load_definitions,
)
from metricscan.definitions.pasted import PastedError
from metricscan.definitions.python_literals import read_python

LOSS = MetricDefinition("loss", r"loss=(\S+)")


def written(tmp_path, text, name="definitions.json"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


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
@example([("...", ":")], "")
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


def as_python_reads_it(text):
    """What Python reads, and whether it warns; None for what is no literal, or no such list or dictionary."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            value = ast.literal_eval(text.strip())
        except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
            return None
    return value, bool(caught)


def as_json_has_it(value):
    """The same value with lists for tuples; sets and keys that are given twice are refused."""
    if isinstance(value, (list, tuple)):
        return [as_json_has_it(item) for item in value]
    return {key: as_json_has_it(item) for key, item in value.items()} if isinstance(value, dict) else value


def read_or_refused(text):
    try:
        return *read_python(text), None
    except PastedError as error:
        return None, [], str(error)


PARTS = [*"[]{},:'\"\\\rRbf \n#0123478dnuxN", r"\d", "'a'", "'''", r"'\n'"]


@example(r"['\d']")
@example(r"[r'\d', '\\d', '\7\77\377', '\x41', '\N{DASH}']")
@example("['''a\\\nb'''] # it's")
@example("['")
@example("\r 0")
@example(" 0\rR")
@given(st.lists(st.sampled_from(PARTS), max_size=12).map("".join))
def test_python_literals_are_read_as_python_reads_them(text):
    expected = as_python_reads_it(text)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        value, suspicions, refusal = read_or_refused(text)
    if refusal is not None:
        assert expected is None or re.search(r"a set|is already at|a key was expected", refusal)
    else:
        assert expected is not None
        assert (value, bool(suspicions)) == (as_json_has_it(expected[0]), expected[1])


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("d.json", '[{"Name": "a" "Regex": "x"}]', r"line 1, column 15: not JSON: Expecting ',' delimiter"),
        ("d.json", '[\n{"Name": "a"', "line 2, column 13: not JSON"),
        ("d.json", "", "the file is empty; a list of"),
        ("d.json", "[,]", "the list is empty"),
        ("d.json", "[" * 100_000, "nested too deeply"),
        ("d.json", "['a' + 'b']", r"line 1, column 2: 'a' \+ 'b' where a literal was expected; nothing is run"),
        ("d.json", "[print('x')]", r"line 1, column 2: print\(\.\.\) where a literal was expected; nothing is run"),
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


def test_errors_in_a_file_name_it(tmp_path):
    path = written(tmp_path, "- a=(\n- a=x\n", "d.yaml")
    with pytest.raises(DefinitionError) as caught:
        Scanner(path)
    assert str(caught.value).startswith(f"2 errors in the metric definitions of {path} (counting from 0)\n")
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


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            "metric_definitions.append({'Name': 'b', 'Regex': 'b'})",
            "line 2, column 1: metric_definitions is changed here",
        ),
        ("metric_definitions += [{'Name': 'b', 'Regex': 'b'}]", "line 2, column 1: metric_definitions is changed here"),
        ("del metric_definitions[0]", "line 2, column 5: metric_definitions is changed here"),
        ("other.append(1)", None),
    ],
)
def test_what_changes_the_list_behind_its_literal_is_an_error(tmp_path, line, words):
    path = written(tmp_path, f"metric_definitions = [{{'Name': 'a', 'Regex': 'a'}}]\n{line}\n", "d.py")
    if words is None:
        assert [one.name for one in load_definitions(path)] == ["a"]
    else:
        with pytest.raises(DefinitionError, match=words):
            load_definitions(path)


def test_another_list_is_not_taken_for_computed_definitions(tmp_path):
    path = written(tmp_path, "names = ['a']\nmetric_definitions = [{'Name': n, 'Regex': n} for n in names]\n", "d.py")
    with pytest.raises(
        DefinitionError, match=r"line 2, column 22: metric_definitions is \[.*where a literal was expected"
    ):
        load_definitions(path)
