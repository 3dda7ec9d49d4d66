"""A document of definitions with other regexes: only their texts change, so comments, order and layout stay."""

from __future__ import annotations

import io
import json
import os
import re
from typing import TYPE_CHECKING, NamedTuple

from metricscan.definitions.definition import read_with
from metricscan.definitions.files import parsed
from metricscan.errors import MetricscanError, SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from metricscan.definitions.definition import MetricDefinition

_JSON_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)


class Written(NamedTuple):
    """A text in a document: its place, its value, and how another value is written there."""

    start: int
    end: int
    value: str
    spell: Callable[[str], str]


def rewritten(text: str, path: str, better: Mapping[str, str]) -> tuple[str, bool]:
    r"""The text of a file of definitions with other regexes.

    Parameters
    ----------
    text : str
        A valid document.
    path : str
        Its name; the suffix says what it is, as for :func:`metricscan.load_definitions`.
    better : mapping of str to str
        The new regex of each definition that has one, by name.

    Returns
    -------
    text : str
    keeps_format : bool
        False: the regexes were not found in the text as they are, so the text is a list of definitions in JSON.

    Examples
    --------
    >>> rewritten('[{"Name": "a", "Regex": "a=(x)"}]  ', "a.json", {"a": r"a=(\S)"})
    ('[{"Name": "a", "Regex": "a=(\\\\S)"}]  ', True)
    """
    definitions = _read(text, path)
    wanted = [one._replace(regex=better.get(one.name, one.regex)) for one in definitions]
    for texts in (_of_json, _of_yaml, _of_python, _of_table):
        changed = _replaced(text, definitions, better, texts)
        try:
            if changed is not None and _read(changed, path) == wanted:
                return changed, True
        except MetricscanError:
            continue
    return in_json(wanted), False


def in_json(definitions: Sequence[MetricDefinition]) -> str:
    """A list of definitions as a JSON document."""
    items = [{"Name": one.name, "Regex": one.regex} for one in definitions]
    return json.dumps(items, indent=2, ensure_ascii=False) + "\n"


def write_whole(path: str, text: str, *, overwrite: bool) -> None:
    """Write a file, whole or not at all.

    Raises
    ------
    SourceError
        The file exists already and is not to be replaced, or it cannot be written.
    """
    beside = f"{path}.{os.getpid()}.tmp"
    try:
        if not overwrite and os.path.lexists(path):
            hint = "use --overwrite (overwrite=True) to replace it"
            raise SourceError(f"{path} exists already", path=path, hint=hint)
        mode = os.stat(path).st_mode if os.path.exists(path) else None
        try:
            with open(beside, "x", encoding="utf-8", newline="") as file:
                file.write(text)
            if mode is not None:
                os.chmod(beside, mode)
            # a link stays one
            os.replace(beside, os.path.realpath(path))
        except BaseException:
            if os.path.exists(beside):
                os.unlink(beside)
            raise
    except SourceError:
        raise
    except (OSError, ValueError) as error:
        raise SourceError(f"cannot write {path}", path=path, cause=error) from error


def _read(text: str, path: str) -> list[MetricDefinition]:
    document, _ = parsed(text, path)
    return list(read_with(document, lambda dialect: None)[0])


def _replaced(
    text: str,
    definitions: Sequence[MetricDefinition],
    better: Mapping[str, str],
    texts: Callable[[str], Iterator[Written]],
) -> str | None:
    """The text with other regexes, which stand in it in the order of the definitions; None if they do not."""
    parts: list[str] = []
    end = 0
    found = texts(text)
    try:
        for one in definitions:
            written = next((place for place in found if place.value == one.regex), None)
            if written is None:
                return None
            if one.name in better:
                parts += text[end : written.start], written.spell(better[one.name])
                end = written.end
    except (ValueError, SyntaxError):
        return None
    return "".join([*parts, text[end:]])


def _of_json(text: str) -> Iterator[Written]:
    for string in _JSON_STRING.finditer(text):
        if not re.match(r"\s*:", text[string.end() :]):
            yield Written(string.start(), string.end(), json.loads(string[0], strict=False), _json)


def _json(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _of_yaml(text: str) -> Iterator[Written]:
    import yaml

    try:
        top = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        return
    places: dict[int, Written] = {}
    nodes = [top]
    while nodes:
        node = nodes.pop()
        if isinstance(node, yaml.SequenceNode):
            nodes += node.value
        elif isinstance(node, yaml.MappingNode):
            nodes += [value for _, value in node.value]
        elif isinstance(node, yaml.ScalarNode):
            start, end = node.start_mark.index, node.end_mark.index
            # a block ends behind its line
            spell = _yaml_block if node.style in ("|", ">") else _yaml
            places[start] = Written(start, end, node.value, spell)
    yield from (places[start] for start in sorted(places))


def _yaml(value: str) -> str:
    return f"'{value.replace(chr(39), chr(39) * 2)}'" if value.isprintable() else json.dumps(value)


def _yaml_block(value: str) -> str:
    return _yaml(value) + "\n"


def _of_python(text: str) -> Iterator[Written]:
    import ast
    import tokenize
    import warnings

    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type != tokenize.STRING:
                continue
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                value = ast.literal_eval(token.string)
            if isinstance(value, str):
                start, end = (starts[row - 1] + column for row, column in (token.start, token.end))
                yield Written(start, end, value, _python)
    except (tokenize.TokenError, SyntaxError, ValueError):
        return


def _python(value: str) -> str:
    for quote in "'\"":
        if quote not in value and value.isprintable() and not value.endswith("\\"):
            return f"r{quote}{value}{quote}"
    return repr(value)


def _of_table(text: str) -> Iterator[Written]:
    for cell in re.finditer(r"[^\t\r\n]+", text):
        stripped = cell[0].strip()
        at = cell.start() + cell[0].index(stripped)
        yield Written(at, at + len(stripped), stripped, _cell)


def _cell(value: str) -> str:
    if re.search(r"[\t\r\n]", value):
        raise ValueError("a cell holds no tab")
    return value
