"""Documents of definitions with other regexes: the layout and the comments stay, and what is read back is what was wanted."""

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.folders import tree

from metricscan import MetricDefinition, SourceError, load_definitions
from metricscan.definitions.rewriting import in_json, rewritten, write_whole

BETTER = r"acc\(%\)='(\d+)\"é"


def changed(tmp_path, name, text, better):
    """The text with other regexes, and whether its format was kept; the new text loads as the old one, but for these."""
    new, kept = rewritten(text, name, better)
    for folder, content in (("old", text), ("new", new)):
        tree(tmp_path, {f"{folder}/{name if kept or folder == 'old' else 'a.json'}": content.encode()})
    old = load_definitions(tmp_path / "old" / name)
    wanted = [one._replace(regex=better.get(one.name, one.regex)) for one in old]
    assert list(load_definitions(tmp_path / "new" / (name if kept else "a.json"))) == wanted
    return new, kept


@pytest.mark.parametrize(
    ("name", "text", "spelled"),
    [
        ("a.json", '[{"Name": "a",\r\n  "Regex": "a=(x)" },\n]', json.dumps(BETTER, ensure_ascii=False)),
        (
            "a.json",
            '{"x": {"MetricDefinitions": [{"Regex": "a=(x)", "Name": "a"}]}}',
            json.dumps(BETTER, ensure_ascii=False),
        ),
        ("a.json", '{"a": "a=(\\u0078)", "b": "b=(x)"}', json.dumps(BETTER, ensure_ascii=False)),
        ("a.yaml", "# kept\n- Name: a\n  Regex: a=(x)  # kept too\n", r"""'acc\(%\)=''(\d+)\"é'"""),
        ("a.yml", 'a: "a=(x)"\nb: b=(x)\n', r"""'acc\(%\)=''(\d+)\"é'"""),
        ("a.yaml", "- Name: a\n  Regex: |-\n    a=(x)\n- {Name: b, Regex: b}\n", r"""'acc\(%\)=''(\d+)\"é'"""),
        ("a.py", "definitions = [  # kept\n    {'Name': 'a', 'Regex': r'a=(x)'},\n]\n", repr(BETTER)),
        ("a.tsv", "metric_name\tmetric_regex\r\na\t a=(x)\r\nb\tb\r\n", BETTER),
    ],
)
def test_only_the_regex_changes(tmp_path, name, text, spelled):
    new, kept = changed(tmp_path, name, text, {"a": BETTER})
    assert kept
    written = next(one for one in ('"a=(x)"', '"a=(\\u0078)"', "r'a=(x)'", "|-\n    a=(x)\n", "a=(x)") if one in text)
    assert new == text.replace(written, spelled + "\n" * written.endswith("\n"), 1)


def test_definitions_that_share_a_regex(tmp_path):
    text = json.dumps([{"Name": name, "Regex": "(x)"} for name in "abc"])
    new, kept = changed(tmp_path, "a.json", text, {"b": "(y)"})
    assert kept
    assert new == text.replace('"b", "Regex": "(x)"', '"b", "Regex": "(y)"')


def test_a_name_or_a_description_that_is_a_regex(tmp_path):
    text = '[{"Description": "(x)", "Name": "(x)", "Regex": "(x)"}, {"Name": "b", "Regex": "(z)"}]'
    new, kept = changed(tmp_path, "a.json", text, {"(x)": "(y)"})
    # the first text that equals the regex is not the regex: nothing is guessed
    assert not kept
    assert json.loads(new)[0] == {"Name": "(x)", "Regex": "(y)"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.py", "definitions = [{'Name': 'a', 'Regex': 'a=' '(x)'}]"),
        ("a.yaml", "- &one {Name: a, Regex: &r a=(x)}\n- {Name: b, Regex: *r}\n"),
        ("a.tsv", "metric_name\tmetric_regex\na\ta=(x)\n"),
    ],
)
def test_what_cannot_be_changed_in_place_becomes_a_list(tmp_path, name, text):
    new, kept = changed(tmp_path, name, text, {"a": "a=(\t)"})
    assert not kept
    assert new.startswith('[\n  {\n    "Name": "a",\n    "Regex": "a=(\\t)"')


@given(
    st.lists(
        st.tuples(st.text(min_size=1, max_size=5), st.sampled_from(["(x)", "y'\"", "#é\\\\"])),
        min_size=1,
        unique_by=lambda one: one[0],
    ),
    st.data(),
)
def test_any_names_and_regexes(pairs, data):
    try:
        definitions = load_definitions([MetricDefinition(*pair) for pair in pairs])
    except ValueError:
        return
    better = {
        one.name: data.draw(st.sampled_from(["(x)(z)", "'\"\\\\#", "é\\n"]))
        for one in definitions
        if data.draw(st.booleans())
    }
    text, _ = rewritten(in_json(definitions), "a.json", better)
    assert json.loads(text) == [{"Name": one.name, "Regex": better.get(one.name, one.regex)} for one in definitions]


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a.json"
    write_whole(str(path), "é\r\n", overwrite=False)
    assert path.read_bytes() == "é\r\n".encode()
    os.chmod(path, 0o640)
    with pytest.raises(SourceError, match="exists already"):
        write_whole(str(path), "new", overwrite=False)
    with pytest.raises(SourceError, match="cannot write"):
        write_whole(str(path), "half \udc80", overwrite=True)
    assert path.read_bytes() == "é\r\n".encode()
    link = tmp_path / "link"
    link.symlink_to("a.json")
    write_whole(str(link), "new", overwrite=True)
    assert (path.read_text(), link.is_symlink(), path.stat().st_mode & 0o777) == ("new", True, 0o640)
    with pytest.raises(SourceError, match="cannot write"):
        write_whole(str(tmp_path / "missing" / "a"), "", overwrite=False)
    assert sorted(os.listdir(tmp_path)) == ["a.json", "link"]
