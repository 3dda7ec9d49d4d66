"""Documents that people have: JSON, YAML, or a literal in Python, each read with the errors of its own syntax."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from metricscan.definitions.notebooks import read_notebook
from metricscan.definitions.pasted import (
    PastedError,
    Problem,
    blanked,
    ellipsis_at,
    line_and_column,
    read_json,
    stray_backslashes,
)
from metricscan.definitions.python_literals import read_python

if TYPE_CHECKING:
    import yaml

# `definitions = [`, or the member `"MetricDefinitions": [`
_START = re.compile(r"""\s*(["']?)[\w.]*\1\s*[:=]\s*(?=[\[{])""")
_PYTHON_WORD = re.compile(r"""'|[rRbBuU]{1,2}["']|#|\(|(?:True|False|None|[A-Za-z_][\w.]*\s*\()""")
_ASSIGNMENT = re.compile(
    r"""^[ \t]*[A-Za-z_][\w.]*\s*(?::\s*(?:list|List|tuple|dict|Sequence|Final)\b[^=\n]*)?=\s*"""
    r"""(?:[\[{(]\s*(?:$|[\[\]{}'"#]|[rR]["']|[\w.]+\()|[\w.]+\(.*)"""
    r"""|^[ \t]*(?:[\w.]+\.)?MetricDefinition\(""",
    re.MULTILINE,
)
# Aliases may name a value often: a small file can stand for a huge one.
_MOST_YAML_VALUES = 100_000


def read_document(text: str, suffix: str) -> tuple[Any, list[str]]:
    """Read a document by the suffix of its file, or by its first characters; see :func:`read_pasted`.

    Parameters
    ----------
    text : str
    suffix : str
        Of the file's name, with its point, in lower case.
    """
    if suffix in (".yaml", ".yml"):
        return read_yaml(text), []
    if suffix == ".ipynb":
        return read_notebook(text)
    if suffix in (".json", ".py") or text.lstrip()[:1] in ("[", "{", "(", "=") or has_assignment(text):
        return read_pasted(text, is_python=suffix == ".py")
    return read_yaml(text), []


def read_pasted(text: str, *, is_python: bool = False, spelled: bool = False) -> tuple[Any, list[str]]:
    r"""Read JSON or a Python literal, and say what about it is suspicious.

    Parameters
    ----------
    text : str
        JSON, with commas after last items and an assignment before it or not; a literal in Python; or Python source in which
        one list or dictionary is assigned.
    is_python : bool
        Whether the text is known to be Python.
    spelled : bool
        Whether numbers of JSON are :class:`Number` and :class:`WholeNumber`, which keep their spelling.

    Returns
    -------
    value
    warnings : list of str

    Raises
    ------
    PastedError
        It is neither, or a key stands twice in one object.

    >>> read_pasted(r"metric_definitions = [{'Name': 'a', 'Regex': r'a=(\S+)'},]")
    ([{'Name': 'a', 'Regex': 'a=(\\S+)'}], [])
    """
    if not is_python:
        try:
            return read_json(text, spelled=spelled), []
        except json.JSONDecodeError as error:
            first = error
        gap = ellipsis_at(text)
        if gap is not None:
            hint = "replace it with the omitted text"
            raise PastedError(text, [Problem(gap, "... marks text that the documentation omits", hint)])
    start = _START.match(text)
    bare = text if start is None else " " * start.end() + text[start.end() :]
    try:
        return read_json(blanked(bare), spelled=spelled), []
    except json.JSONDecodeError as error:
        first = error
    # an object cannot begin with a list or another object; a set may
    is_set = first.msg.startswith("Expecting property name") and text[first.pos : first.pos + 1] in ("{", "[")
    if is_python or start is not None or is_set or _PYTHON_WORD.match(text, first.pos) or _ASSIGNMENT.search(text):
        # a bare `= [` is no statement
        source = bare if start is not None and not re.match(r"\s*[A-Za-z_]", text) else text
        return read_python(source)
    stray = stray_backslashes(text)
    if stray:
        raise PastedError(
            text,
            [
                Problem(at, f"{text[at : at + 2]} is no JSON string escape", f"write \\{text[at : at + 2]}")
                for at in stray
            ],
        )
    raise PastedError(text, [Problem(first.pos, f"not JSON: {first.msg}")])


def has_assignment(text: str) -> bool:
    """Whether a text looks like Python source that assigns a list, a dictionary or a call, or makes a definition."""
    return _ASSIGNMENT.search(text) is not None


def read_yaml(text: str) -> Any:
    """Read YAML.

    Raises
    ------
    PastedError
        It is not YAML, or a key stands twice in one mapping.
    """
    import yaml

    try:
        loader = yaml.SafeLoader(text)
    except yaml.YAMLError as error:
        raise PastedError(text, [Problem(None, f"not YAML: {error}")]) from None
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        problems = _twice(text, node)
        if problems:
            raise PastedError(text, problems)
        return loader.construct_document(node)
    except PastedError:
        raise
    except yaml.MarkedYAMLError as error:
        problem = error.problem or "it cannot be parsed"
        hint = "between single quotes a backslash is a backslash" if "escape" in problem else None
        at = None if error.problem_mark is None else error.problem_mark.index
        raise PastedError(text, [Problem(at, f"not YAML: {problem}", hint)]) from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise PastedError(text, [Problem(None, f"not YAML: {error}")]) from None
    finally:
        loader.dispose()


def _twice(text: str, top: yaml.Node) -> list[Problem]:
    """The keys that stand again in their mapping."""
    import yaml

    problems = []
    left = _MOST_YAML_VALUES
    nodes = [top]
    while nodes:
        node = nodes.pop()
        left -= 1
        if left < 0:
            message = f"more than {_MOST_YAML_VALUES:,} values, those of aliases among them"
            raise PastedError(text, [Problem(None, message)])
        if isinstance(node, yaml.SequenceNode):
            nodes += node.value
        elif isinstance(node, yaml.MappingNode):
            first: dict[str, int] = {}
            for key, value in node.value:
                nodes += (key, value)
                at = key.start_mark.index
                if isinstance(key, yaml.ScalarNode) and key.value != "<<" and first.setdefault(key.value, at) != at:
                    where = line_and_column(text, first[key.value])
                    problems.append(Problem(at, f"the key {key.value!r} is already at {where}"))
    return problems
