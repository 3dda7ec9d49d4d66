"""Metric definitions: their type, reading them from lists and files, and checking them, with all errors reported at once."""

from __future__ import annotations

import json
import os
import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

from metricscan.definitions.pasted import blanked, line_and_column, python_literal, stray_backslashes
from metricscan.errors import DefinitionError, DefinitionWarning, Fault, SourceError
from metricscan.patterns.dialect import Dialect, RegexError, read_regex

MAX_NAME_CHARACTERS = 255

Kept = TypeVar("Kept")

_EXPECTED = '{"Name": .., "Regex": ..}, a MetricDefinition or "NAME=REGEX"'


class MetricDefinition(NamedTuple):
    """The name of a metric, and the regex that finds its value in a record.

    Examples
    --------
    >>> MetricDefinition("loss", "Loss = (.*?);")
    MetricDefinition(name='loss', regex='Loss = (.*?);')
    """

    name: str
    regex: str


def load_definitions(source: Any) -> tuple[MetricDefinition, ...]:
    r"""Read metric definitions and check them.

    Parameters
    ----------
    source : path or iterable
        The path (a str is always one) of a JSON or YAML file that holds a list of ``{"Name": .., "Regex": ..}``, or an
        object with that list under ``MetricDefinitions``; or the list itself, whose items may also be
        :class:`MetricDefinition` or ``"NAME=REGEX"``. JSON may have trailing commas, as the documentation's lists do.

    Raises
    ------
    DefinitionError
        All errors together: duplicate names, regexes that do not compile, invalid types, an empty list.
    SourceError
        The file cannot be read.

    Warns
    -----
    DefinitionWarning
        A regex has several groups and none named ``value``, so the value is that of the first group; but that group's name
        is not the metric's.

    Examples
    --------
    >>> load_definitions(["acc=acc: ([0-9.]+)%"])
    (MetricDefinition(name='acc', regex='acc: ([0-9.]+)%'),)
    >>> load_definitions([{"Name": "a", "Regex": "("}, {"Name": "a", "Regex": ""}])
    Traceback (most recent call last):
    metricscan.errors.DefinitionError: 3 errors in the metric definitions (counting from 0)
      definition 0 'a': missing ), unterminated subpattern at position 0
          (
          ^
          hint: close the group with ), or write \( for the character
      definition 1 'a': the name is already that of definition 0
      definition 1 'a': the regex is empty
    """
    definitions, _, suspicions = read_with(source, lambda dialect: None)
    for suspicion in suspicions:
        warnings.warn(suspicion, DefinitionWarning, stacklevel=2)
    return definitions


def read_with(
    source: Any, kept: Callable[[Dialect], Kept], labels: Any = ()
) -> tuple[tuple[MetricDefinition, ...], dict[str, Kept], list[str]]:
    """Read definitions and labels as :func:`load_definitions` does, and call ``kept`` for each regex.

    Parameters
    ----------
    source : path or iterable
    kept : callable
        Makes the caller's result for a regex from its dialect, as the check compiled it. Syntax trees are large: it should
        keep none.
    labels : mapping or iterable
        A mapping of name to regex, or a list of definitions.

    Returns
    -------
    definitions : tuple of MetricDefinition
        Those of the labels come last.
    results : dict
        By regex.
    suspicions : list of str
        The texts of the warnings; none is issued here.
    """
    path = None
    if isinstance(source, (str, os.PathLike)):
        path = os.fsdecode(source)
        source = read_definitions(path)
    items, errors = _items(source)
    if not errors and not items:
        errors.append(Fault(None, None, None, None, "the list is empty; one definition at least was expected"))
    if isinstance(labels, Mapping):
        labels = [{"Name": name, "Regex": regex} for name, regex in labels.items()]
    of_labels, more = _items(labels)
    more = [replace(error, message=f"labels: {error.message}") for error in more]
    errors += more
    definitions = []
    results: dict[str, Kept] = {}
    places: dict[str, str] = {}
    suspicions = []
    for kind, index, item in [
        *(("definition", index, item) for index, item in enumerate(items)),
        *(("label", index, item) for index, item in enumerate(of_labels)),
    ]:
        definition, found = _definition(index, item)
        if definition is not None:
            place = f"{kind} {index}"
            first = places.setdefault(definition.name, place)
            if first != place:
                found.append(Fault(index, definition.name, None, None, f"the name is already that of {first}"))
            found += _name_errors(index, definition.name)
            if not definition.regex:
                found.append(Fault(index, definition.name, None, None, "the regex is empty"))
            else:
                try:
                    dialect = read_regex(definition.regex)
                    if definition.regex not in results:
                        results[definition.regex] = kept(dialect)
                    suspicions += _suspicions(kind, definition, dialect)
                    definitions.append(definition)
                except RegexError as error:
                    found.append(
                        Fault(index, definition.name, definition.regex, error.position, error.message, error.hint)
                    )
        errors += [replace(error, kind=kind) for error in found]
    if errors:
        raise DefinitionError(tuple(errors), source=path)
    return tuple(definitions), results, suspicions


# ---- one definition


def _definition(index: int, item: Any) -> tuple[MetricDefinition | None, list[Fault]]:
    if isinstance(item, str):
        name, equals, regex = item.partition("=")
        if not equals:
            return None, [Fault(index, None, None, None, f"{item[:80]!r} has no =; NAME=REGEX was expected")]
        return MetricDefinition(name, regex), []
    if isinstance(item, MetricDefinition):
        item = {"Name": item.name, "Regex": item.regex}
    if type(item) is dict and len(item) == 2:
        # nearly all are valid; the checks below find the errors of the others
        text, pattern = item.get("Name"), item.get("Regex")
        if type(text) is str and type(pattern) is str:
            return MetricDefinition(text, pattern), []
    if not isinstance(item, Mapping):
        return None, [Fault(index, None, None, None, f"{_kind(item)} where {_EXPECTED} was expected")]
    given = item.get("Name")
    known = given if isinstance(given, str) else None
    errors = []
    misspelled = set()
    for key in item:
        if key not in ("Name", "Regex"):
            meant = next((right for right in ("Name", "Regex") if str(key).lower() == right.lower()), None)
            hint = None if meant is None else f"it is spelled {meant}"
            misspelled.add(meant)
            errors.append(Fault(index, known, None, None, f"unknown key {key!r}; Name and Regex were expected", hint))
    for key in ("Name", "Regex"):
        if key not in item:
            if key not in misspelled:
                errors.append(Fault(index, known, None, None, f"{key} is missing"))
        elif not isinstance(item[key], str):
            hint = None if item[key] is None or isinstance(item[key], (list, Mapping)) else "put it in quotes"
            errors.append(
                Fault(index, known, None, None, f"{key} is {_kind(item[key])} where a string was expected", hint)
            )
    if errors:
        return None, errors
    return MetricDefinition(str(given), str(item["Regex"])), []


def _name_errors(index: int, name: str) -> list[Fault]:
    errors = []
    if not 1 <= len(name) <= MAX_NAME_CHARACTERS:
        size = "empty" if not name else f"of {len(name)} characters"
        errors.append(
            Fault(index, name[:40], None, None, f"the name is {size}; 1 to {MAX_NAME_CHARACTERS} were expected")
        )
    if not name.isascii() and any("\ud800" <= character <= "\udfff" for character in name):
        errors.append(Fault(index, name, None, None, "the name holds half of a surrogate pair, which is no text"))
    return errors


def _suspicions(kind: str, definition: MetricDefinition, dialect: Dialect) -> list[str]:
    if dialect.groups < 2:
        return []
    index = dialect.groupindex
    names = {number: name for name, number in index.items()}
    first = names.get(1)
    if first is None or "value" in index:
        return []
    if _plain(definition.name).endswith(_plain(first)):
        return []
    others = [name for name in index if _plain(definition.name).endswith(_plain(name))]
    rename = others[0] if others else names.get(2, "..")
    trap = (
        f"{kind} {definition.name!r} takes its value from the first group, named {first!r}: no group is named 'value'"
    )
    return [f"{trap}; if {rename!r} is meant, call it (?P<value>..): {definition.regex}"]


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name).casefold()


def _kind(item: Any) -> str:
    if item is None:
        return "null"
    if isinstance(item, (bool, int, float)):
        return f"{type(item).__name__} {item!r}"
    return f"a {type(item).__name__}"


# ---- lists


_NO_LIST = Fault(None, None, None, None, "one definition is given; a list of them was expected", "put it in [..]")


def _items(source: Any) -> tuple[list[Any], list[Fault]]:
    if isinstance(source, Mapping):
        if "MetricDefinitions" in source:
            source = source["MetricDefinitions"]
        elif {"Name", "Regex"} & set(source):
            return [], [_NO_LIST]
    if isinstance(source, MetricDefinition):
        return [], [_NO_LIST]
    if isinstance(source, (str, Mapping, bytes, bytearray)) or not isinstance(source, Iterable):
        hint = None
        if (
            isinstance(source, Mapping)
            and source
            and all(isinstance(part, str) for pair in source.items() for part in pair)
        ):
            name, regex = next(iter(source.items()))
            hint = (
                f"each is one of the list: [{json.dumps({'Name': name, 'Regex': regex}, ensure_ascii=False)[:200]}, ..]"
            )
        return [], [Fault(None, None, None, None, f"{_kind(source)} where a list of {_EXPECTED} was expected", hint)]
    return list(source), []


# ---- files


def read_definitions(path: str) -> Any:
    """The content of a JSON or YAML file, unchecked, as :func:`load_definitions` takes it.

    Raises
    ------
    DefinitionError
        The file is neither JSON nor YAML.
    SourceError
        The file cannot be read.
    """
    try:
        with open(path, "rb") as file:
            data = file.read()
    except (OSError, ValueError) as error:
        hint = None
        if "=" in path and isinstance(error, FileNotFoundError):
            hint = f"a str is a path; a definition stands in a list: [{path[:80]!r}]"
        raise SourceError(f"cannot read the metric definitions {path}", path=path, cause=error, hint=hint) from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SourceError(f"{path} is not UTF-8", path=path, offset=error.start, cause=error) from error
    if not text.strip():
        raise _syntax(path, f"the file is empty; a list of {_EXPECTED} was expected")
    suffix = os.path.splitext(path)[1].lower()
    is_json = suffix == ".json" or (suffix not in (".yaml", ".yml") and text.lstrip()[:1] in ("[", "{", "="))
    return _from_json(text, path) if is_json else _from_yaml(text, path)


def _from_json(text: str, path: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        pass
    except RecursionError:
        raise _syntax(path, "it is nested too deeply") from None
    # as pasted from documentation: `definitions = [`, and a comma after the last item
    start = re.match(r"\s*[\w.]*\s*=\s*(?=[\[{])", text)
    if start:
        text = " " * start.end() + text[start.end() :]
    strict = blanked(text)
    try:
        return json.loads(strict)
    except json.JSONDecodeError as error:
        if "'" in text or re.search(r"\br\"", text):
            try:
                # a list as Python prints it, or as its source has it
                return python_literal(text)
            except (ValueError, SyntaxError, MemoryError, RecursionError):
                pass
        stray = stray_backslashes(text)
        if stray:
            raise DefinitionError(
                tuple(
                    _file_error(
                        text, at, f"{text[at : at + 2]} is no JSON string escape", f"write \\{text[at : at + 2]}"
                    )
                    for at in stray
                ),
                source=path,
            ) from None
        raise DefinitionError((_file_error(text, error.pos, f"not JSON: {error.msg}"),), source=path) from None


def _from_yaml(text: str, path: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        problem = error.problem or "it cannot be parsed"
        if mark is None:
            raise _syntax(path, f"not YAML: {problem}") from None
        hint = "between single quotes a backslash is a backslash" if "escape" in problem else None
        raise DefinitionError((_file_error(text, mark.index, f"not YAML: {problem}", hint),), source=path) from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise _syntax(path, f"not YAML: {error}") from None


def _syntax(path: str, message: str) -> DefinitionError:
    return DefinitionError((Fault(None, None, None, None, message),), source=path)


def _file_error(text: str, at: int, message: str, hint: str | None = None) -> Fault:
    return Fault(None, None, None, None, f"{line_and_column(text, at)}: {message}", hint)
