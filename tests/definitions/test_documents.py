"""Documents as people have them: assignments in scripts, tables with tabs, keys given twice, and what is cut off."""

import contextlib
import json
import re
import subprocess
import sys
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metricscan import DefinitionError, DefinitionWarning, Scanner, SourceError, load_definitions
from metricscan.definitions.documents import read_document, read_pasted, read_yaml
from metricscan.definitions.pasted import PastedError, line_and_column

PAIRS = (("f1", r"F1: (\d+)"), ("mae", r"MAE=(\S+)"))


def written(tmp_path, text, name):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def problems(text, suffix=".json"):
    with pytest.raises(PastedError) as caught:
        read_document(text, suffix)
    return list(caught.value.placed())


LIST = r"""[
    {'Name': 'f1', 'Regex': r'F1: (\d+)'},  # of the test set
    {"Name": "mae", "Regex": "MAE=" r"(\S+)"},
]"""


@pytest.mark.parametrize(
    "text",
    [
        f"metric_definitions = {LIST}\n",
        f"metric_definitions: list[dict[str, str]] = {LIST}\n",
        f"metric_definitions={LIST},\n",
        f"    definitions = {LIST}\n    print(definitions)\n",
        f"import os\nranges = [1, 2]\nepochs = {{'a': os.environ}}\nMETRIC_DEFINITIONS = {LIST}\nf'{{ranges}}'\n",
        f"estimator = PyTorch(\n  'train.py', hyperparameters={{'a': 1}}, metric_definitions={LIST}, role=role)\n",
        f"m = {LIST}\ntuner = Tuner(estimator, 'f1', metric_definitions=m)\n",
        f"def definitions():\n    metric_definitions = {LIST}\n    return metric_definitions\n",
        LIST.replace("[", "(", 1)[:-1] + ")",
        "x = [MetricDefinition(name='f1', regex=r'F1: (\\d+)'), metricscan.MetricDefinition('mae', r'MAE=(\\S+)')]",
        "x = [dict(Name='f1', Regex=r'F1: (\\d+)'), dict(Name='mae', Regex='MAE=(\\\\S+)')]",
        "metric_definitions = {'f1': r'F1: (\\d+)', 'mae': r'MAE=(\\S+)'}",
    ],
)
@pytest.mark.parametrize("name", ["train.py", "notes.txt", "notes", "pasted.json"])
def test_an_assignment_in_python_is_read(tmp_path, text, name):
    assert load_definitions(written(tmp_path, text, name)) == PAIRS


@pytest.mark.parametrize("name", ["train.py", "notes.txt", "pasted.json"])
def test_lines_of_a_notebook_are_passed_over(tmp_path, name):
    text = f"%pip install x\nif 1:\n    !ls -l\n    %t\n?print\nmetric_definitions = {LIST}\n%time fit()\n"
    assert load_definitions(written(tmp_path, text, name)) == PAIRS
    # in a string they are text, and places stay
    text = "a = [{'Name': 'x', 'Regex': '''(?x)a=(.)\n%pip x'''}]\n"
    assert load_definitions(written(tmp_path, text, name)) == (("x", "(?x)a=(.)\n%pip x"),)
    ((message, _),) = problems("%pip x\na = [\n    {'Name': f()},\n]\n", ".py")
    assert message == "line 3, column 14: f(..) where a literal was expected; nothing is run"
    ((message, _),) = problems("%pip x\na = [\n    {'Name' 1},\n]\n", ".py")
    assert message.startswith("line 3, column ")
    assert "not Python: " in message


@pytest.mark.parametrize(
    "text",
    [
        "MetricDefinition(name='f1', regex=r'F1: (\\d+)')",
        "import os\nmetric_definitions = configs.MetricDefinition('f1', r'F1: (\\d+)')\n",
        "trainer = ModelTrainer(role, metric_definitions=MetricDefinition(name='f1', regex=r'F1: (\\d+)'))\n",
        "f1 = MetricDefinition(name='f1', regex=r'F1: (\\d+)')\ntrainer.train()\n",
    ],
)
@pytest.mark.parametrize("name", ["train.py", "notes.txt"])
def test_a_single_definition_in_python_needs_no_list(tmp_path, text, name):
    assert load_definitions(written(tmp_path, text, name)) == PAIRS[:1]


def notebook(*cells):
    return json.dumps({"nbformat": 4, "cells": [{"cell_type": kind, "source": source} for kind, source in cells]})


def test_the_list_in_a_notebook(tmp_path):
    lines = [f"{line}\n" for line in f"metric_definitions = {LIST}".split("\n")]
    cells = [
        ("markdown", ["metric_definitions = [1]"]),
        ("code", ["%pip install x\n", "x = ["]),
        ("code", "%%bash\necho metric_definitions"),
        ("code", [*lines, "%time fit(metric_definitions=metric_definitions)"]),
        ("code", ""),
    ]
    assert load_definitions(written(tmp_path, notebook(*cells), "a.ipynb")) == PAIRS
    cells = [("code", "x = 1"), ("code", f"m = {LIST}")]
    assert load_definitions(written(tmp_path, notebook(*cells), "a.ipynb")) == PAIRS
    path = written(tmp_path, notebook(("code", r"m = [{'Name': 'a', 'Regex': 'a=(\S)'}]")), "a.ipynb")
    with pytest.warns(DefinitionWarning, match=r"a.ipynb: cell 1, line 1, column \d+: \\S in a Python string"):
        load_definitions(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "line 1, column 2: not JSON, which a notebook is: Expecting property name enclosed in double quotes"),
        ("[]", "a notebook with code cells was expected"),
        ('{"cells": [1, {"cell_type": "code", "source": [1]}]}', "a notebook with code cells was expected"),
        (notebook(("code", "x = 1")), "it is Python that assigns no list and no dictionary; one was expected"),
        (
            notebook(
                ("markdown", "a"), ("code", "x"), ("code", "a\nmetric_definitions = [f()]"), ("code", "metric_defs")
            ),
            "cell 3, line 2, column 23: f(..) where a literal was expected; nothing is run",
        ),
        (
            notebook(("code", "metric_definitions = [{}]"), ("code", "y"), ("code", "a\nmetric_definitions.append(1)")),
            "cell 3, line 2, column 1: metric_definitions is changed here, and nothing is run; one literal was expected",
        ),
    ],
)
def test_a_notebook_without_a_list_is_one_error(text, message):
    ((found, _),) = problems(text, ".ipynb")
    assert found == message


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
@pytest.mark.parametrize("name", ["a.json", "a.py", "a.yaml", "a.txt"])
def test_other_encodings_are_known_by_their_mark(tmp_path, encoding, name):
    path = tmp_path / name
    path.write_bytes('[{"Name": "größe", "Regex": "größe=(.)"}]\r\n'.encode(encoding))
    assert load_definitions(path) == (("größe", "größe=(.)"),)
    at = path.read_bytes().index("ß".encode(encoding)[-2:])
    path.write_bytes(path.read_bytes()[: at + 1])
    with pytest.raises(SourceError, match="is not UTF-"):
        load_definitions(path)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{"MetricDefinitions": 1}', "MetricDefinitions is int 1"),
        ('{"MetricDefinitions": "a"}', "MetricDefinitions is a str"),
        ('{"a": [{"metric_definitions": true}]}', "a[0].metric_definitions is bool True"),
        ("[1]", "definition 0: int 1"),
        ("7", "int 7"),
    ],
)
def test_what_is_no_list_is_said_with_its_place(tmp_path, text, place):
    with pytest.raises(DefinitionError) as caught:
        load_definitions(written(tmp_path, text, "a.json"))
    assert f"  {place} where " in str(caught.value)


def test_a_changed_character_is_never_a_traceback(tmp_path):
    some = {
        "a.ipynb": notebook(("markdown", "x"), ("code", ["%pip x\n", f"m = {LIST}"])),
        "a.py": f"!ls\nm = {LIST}\n",
        "a.yaml": "- Name: f1\n  Regex: 'F1: (.)'\n- {Name: b, Regex: \"b=(.)\"}\n",
        "a.tsv": "metric_name\tmetric_regex\nf1\tF1: (.)\n",
    }
    for name, text in some.items():
        for at in range(len(text)):
            for other in ("", '"', "\0"):
                with contextlib.suppress(DefinitionError, SourceError), warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    load_definitions(written(tmp_path, text[:at] + other + text[at + 1 :], name))


def test_nothing_of_python_is_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = "open('ran', 'w')\nmetric_definitions = [{'Name': 'a', 'Regex': open('ran', 'w')}]\n"
    with pytest.raises(
        DefinitionError, match=r"line 2, column 46: open\(\.\.\) where a literal was expected"
    ) as caught:
        load_definitions(written(tmp_path, text, "d.py"))
    assert len(caught.value.faults) == 1
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("d = { {'Name': 'a', 'Regex': 'x'}, }", "line 1, column 5", "a set where a list was expected"),
        ("d = [\n  {'Name', 'a'},\n]", "line 2, column 3", "a set where a list was expected"),
        ("d = [{'Name': f'{x}'}]", "line 1, column 15", "f'{x}' where a literal was expected; nothing is run"),
        ("d = [{'Name': 'é', **rest}]", "line 1, column 22", "** where a literal was expected; nothing is run"),
        ("d = [name]", "line 1, column 6", "name where a literal was expected; nothing is run"),
        ("d = ['a', ...]", "line 1, column 11", "... marks text that the documentation omits"),
        ("d = [{'a': 'x', 'b': 'y',\n 'a': 'z'}]", "line 2, column 2", "the key 'a' is already at line 1, column 7"),
        ("  d = [{'a': '\\d', 'a': '\\d'}]", "line 1, column 20", "the key 'a' is already at line 1, column 9"),
        ("d = [MetricDefinition('a', 'b', 'c')]", "line 1, column 6", "3 arguments without a name; 2 were expected"),
        ("d = [{('a',): 'b'}]", "line 1, column 7", "a list or a dictionary where a key was expected"),
        ("import os\nd = [\n  {'a': r'\\['},\n", "line 2, column 5", "not Python: '[' is never closed"),
        (
            "d = [{'a': ('é'},\n]",
            "line 1, column 16",
            "not Python: closing parenthesis '}' does not match opening parenthesis '('",
        ),
        ("d = [{'a': 'x'},\n{'a", "line 2, column 2", "not Python: the string that begins with ' is never closed"),
    ],
)
def test_errors_of_python_are_those_of_its_syntax(text, place, message):
    found, _ = problems(text, ".py")[0]
    assert found == f"{place}: {message}"


@pytest.mark.parametrize("text", ["{ {'Name': 'a', 'Regex': 'x'}, }", '{\n {"Name": "a", "Regex": "x"}}', "{['a=x']}"])
def test_a_set_is_named_in_a_file_of_json_too(text):
    ((found, hint),) = problems(text, ".json")
    assert found == "line 1, column 1: a set where a list was expected"
    assert "square brackets" in hint


def test_which_of_several_lists_is_meant_is_not_guessed():
    ((found, _),) = problems("a = ['x=1']\nb = ['x=2']", ".py")
    assert found == "2 lists or dictionaries are assigned, a in line 1, b in line 2; one was expected"
    ((found, _),) = problems("import os", ".py")
    assert found == "it is Python that assigns no list and no dictionary; one was expected"


@pytest.mark.parametrize(
    "text", [r"[{'Name': 'a', 'Regex': 'a=(\d+) (\d)'}]", r'd = [{"Name": "a", "Regex": "a=(\d+) (\d)"}]']
)
@pytest.mark.parametrize("take", [load_definitions, Scanner])
def test_a_single_backslash_in_python_is_kept_with_a_warning(tmp_path, text, take):
    path = written(tmp_path, text, "d.json")
    with pytest.warns(
        DefinitionWarning, match=r"d\.json: line 1, column \d+: \\d in a Python string.*\(2 in all\)"
    ) as caught:
        assert tuple(getattr(take(path), "definitions", (("a", r"a=(\d+) (\d)"),))) == (("a", r"a=(\d+) (\d)"),)
    assert len(caught) == 1


def test_warnings_come_with_the_error_that_follows_them(tmp_path):
    path = written(tmp_path, r"[{'Name': 'a', 'Regex': '(\d'}]", "d.json")
    with pytest.raises(DefinitionError, match="missing \\)") as caught:
        load_definitions(path)
    (warning,) = caught.value.warnings
    assert r"\d in a Python string" in warning


@pytest.mark.parametrize(
    ("text", "suffix", "places"),
    [
        ('[{"Name": "a",\n "Regex": "x", "Name": "b"}]', ".json",
         ["line 2, column 16: the key 'Name' is already at line 1, column 3"]),
        ('{"a": "x", "b": [{"a": 1}], "a": "y", "b": 1}', ".json",
         ["line 1, column 29: the key 'a' is already at line 1, column 2",
          "line 1, column 39: the key 'b' is already at line 1, column 12"]),
        ('{"a": "x", "\\u0061": "y",}', ".json", ["line 1, column 12: the key 'a' is already at line 1, column 2"]),
        ("- Name: a\n  Regex: x\n  Name: b\n", ".yaml", ["line 3, column 3: the key 'Name' is already at line 1, column 3"]),
    ],
)  # fmt: skip
def test_a_key_is_given_once(text, suffix, places):
    assert [message for message, _ in problems(text, suffix)] == places


def test_merged_keys_of_yaml_may_be_replaced():
    assert read_yaml("- &a {x: 1}\n- {<<: *a, x: 2}\n") == [{"x": 1}, {"x": 2}]
    bomb = "a0: &a0 [1]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12))
    with pytest.raises(PastedError, match="more than 100,000 values"):
        read_yaml(bomb)


DOCUMENTS = [
    ('[{"Name": "f1", "Regex": "F1: (\\\\d+)"},\n {"Name": "mae", "Regex": "x"}]', ".json"),
    (
        "metric_definitions = [\n  {'Name': 'f1', 'Regex': r'F1: (\\d+)'},\n  {'Name': \"mae\", 'Regex': 'é'},\n]",
        ".json",
    ),
    ("d = [MetricDefinition(name='f1', regex='x')]", ".py"),
    ("- Name: f1\n  Regex: 'F1: (\\d+)'\n- {Name: mae, Regex: x}\n", ".yaml"),
    ("metric_name\tmetric_regex\nf1\tF1: (\\d+)\nmae\tx\n", ".tsv"),
]


def error_of(path):
    try:
        load_definitions(path)
    except DefinitionError as error:
        return error
    return None


@pytest.mark.parametrize(("text", "suffix"), DOCUMENTS)
def test_a_file_that_is_cut_anywhere_is_read_or_gives_one_error(tmp_path, text, suffix):
    whole = load_definitions(written(tmp_path, text, f"d{suffix}"))
    refused = 0
    for cut in range(len(text)):
        path = written(tmp_path, text[:cut], f"d{suffix}")
        error = error_of(path)
        if error is not None:
            refused += 1
            assert error.source == str(path)
            assert re.search(r"line \d+|definition \d+|expected", str(error))
    assert refused >= min(len(text) - 1, 20)
    assert len(whole) in (1, 2)


TABLE = "metric_name\tmetric_regex\nf1\tF1: (\\d+)\r\n\nmae\tMAE=(\\S+) \n"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (TABLE, "metrics.tsv"),
        (TABLE, "metrics.txt"),
        ("Description\tName\tRegex\nthe mean\tf1\tF1: (\\d+)\n\tmae\tMAE=(\\S+)\n", "metrics.tsv"),
    ],
)
def test_a_table_with_tabs(tmp_path, text, name):
    assert load_definitions(written(tmp_path, text, name)) == PAIRS


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("f1\tx\n", ["line 1: a table with tabs, and the columns metric_name and metric_regex, was expected"]),
        (TABLE + "a\nb\tc\td\n", ["line 5: 1 cells; 2 were expected, one per column",
          "line 6: 3 cells; 2 were expected, one per column"]),
    ],
)  # fmt: skip
def test_errors_of_a_table(tmp_path, text, messages):
    with pytest.raises(DefinitionError) as caught:
        load_definitions(written(tmp_path, text, "metrics.tsv"))
    assert [fault.message for fault in caught.value.faults] == messages


def test_json_keeps_the_spelling_of_its_numbers_where_that_is_asked():
    value, _ = read_pasted("[1e-05, 064, 10]".replace("064", "6.40"), spelled=True)
    assert [number.text for number in value] == ["1e-05", "6.40", "10"]
    assert json.dumps(value) == "[1e-05, 6.4, 10]"
    assert [type(number) for number in read_pasted("[1.5, 2]")[0]] == [float, int]
    with pytest.raises(PastedError, match="4300 digits"):
        read_pasted("[" + "9" * 5000 + "]", spelled=True)


def test_python_that_warns_leaves_the_filters_alone(tmp_path):
    path = written(tmp_path, r"d = [{'Name': 'a', 'Regex': '\d'}]", "d.py")
    code = f"import metricscan.definitions.files as f; print(f.read_definitions({str(path)!r})[0])"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == (r"[{'Name': 'a', 'Regex': '\\d'}]", "")


@given(st.text(alphabet="a\né\r", max_size=30), st.data())
def test_a_place_is_told_by_line_and_column(text, data):
    at = data.draw(st.integers(0, len(text)))
    line, column = text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
    assert line_and_column(text, at) == f"line {line}, column {column}"


@given(
    st.lists(
        st.sampled_from([r"'\S'", "'é'", r"'\d\w'", "'a'", "'''\n'''", r"'''\q" + "\n" + r"\z'''", "[", "x"]),
        max_size=12,
    )
)
def test_places_behind_stray_escapes(items):
    text = "x = [" + ", ".join(items) + ", y]"
    with pytest.raises(PastedError) as caught:
        read_document(text, ".py")
    for problem in caught.value.problems:
        if problem.message.startswith("y where a literal"):
            assert text[problem.at :] == "y]"
        elif problem.message.startswith("x where a literal"):
            assert text[problem.at] == "x"
