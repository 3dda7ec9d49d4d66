"""Metric definitions: their type, reading them from lists and files, and checking them, with all errors reported at once."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

from metricscan.definitions.files import EXPECTED, read_definitions
from metricscan.errors import DefinitionError, DefinitionWarning, Fault, nearest
from metricscan.patterns.dialect import Dialect, RegexError, read_regex

MAX_NAME_CHARACTERS = 255
# What "\b" and "\1" are in a string that is not raw; not as the end of a range.
_MADE_OF_ESCAPE = re.compile(r"(?<!-)[\x01-\x08](?!-)")
# Of objects and lists within one another, in which to look for definitions.
_MOST_DEPTH = 20

Kept = TypeVar("Kept")


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
        The path (a str is always one) of a file, or what such a file holds: a list of ``{"Name": .., "Regex": ..}``, whose
        items may also be :class:`MetricDefinition` or ``"NAME=REGEX"``; a single :class:`MetricDefinition`; a mapping of
        names to regexes; or an object with such a list under ``MetricDefinitions``, at any depth. ``Description`` is allowed
        beside a regex. A file is JSON (which may have trailing commas, as the documentation's lists do), YAML, Python source
        that assigns the list, of which nothing is run, a Jupyter notebook, or a table with tabs and the columns
        ``metric_name`` and ``metric_regex``.

    Raises
    ------
    DefinitionError
        All errors together: duplicate names, regexes that do not compile, invalid types, an empty list. Its ``warnings`` are
        the texts of the warnings.
    SourceError
        The file cannot be read.

    Warns
    -----
    DefinitionWarning
        A regex has several groups and none named ``value``, so the value is that of the first group; but that group's name
        is not the metric's. Or a regex holds a backspace, which is what ``\b`` is in a string that is not raw. Or a string in
        Python source has a backslash that begins no escape.

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
    suspicions: list[str] = []
    if isinstance(source, (str, os.PathLike)):
        path = os.fsdecode(source)
        source, suspicions = read_definitions(path)
    items, errors = listed(source)
    if not errors and not items:
        errors.append(Fault(None, None, None, None, "the list is empty; one definition at least was expected"))
    if isinstance(labels, Mapping):
        labels = [{"Name": name, "Regex": regex} for name, regex in labels.items()]
    of_labels, more = listed(labels)
    more = [replace(error, message=f"labels: {error.message}") for error in more]
    errors += more
    definitions = []
    results: dict[str, Kept] = {}
    places: dict[str, str] = {}
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
        raise DefinitionError(tuple(errors), source=path, warnings=tuple(suspicions))
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
        return None, [Fault(index, None, None, None, f"{_kind(item)} where {EXPECTED} was expected")]
    found: dict[str, Any] = {}
    known = item.get("Name", item.get("name"))
    known = known if isinstance(known, str) else None
    errors = []
    misspelled = set()
    for key, value in item.items():
        right = str(key).title()
        if right not in ("Name", "Regex", "Description"):
            hint = nearest(str(key), ("Name", "Regex", "Description"))
            misspelled.add(hint)
            errors.append(
                Fault(
                    *(index, known, None, None, f"unknown key {key!r}; Name and Regex were expected"),
                    None if hint is None else f"did you mean {hint}?",
                )
            )
        elif right in found:
            errors.append(Fault(index, known, None, None, f"{right} is given twice, also as {key!r}"))
        else:
            found[right] = value
    for key in ("Name", "Regex"):
        if key not in found:
            if key in misspelled:
                continue
            errors.append(Fault(index, known, None, None, f"{key} is missing"))
        elif not isinstance(found[key], str):
            hint = _quote_hint(found[key])
            errors.append(
                Fault(index, known, None, None, f"{key} is {_kind(found[key])} where a string was expected", hint)
            )
    if errors:
        return None, errors
    return MetricDefinition(found["Name"], found["Regex"]), []


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
    return [*_of_escapes(kind, definition, dialect.groups), *_of_groups(kind, definition, dialect)]


def _of_escapes(kind: str, definition: MetricDefinition, groups: int) -> list[str]:
    """A warning about a character that a string made of an escape that was meant for the regex."""
    characters = [one for one in _MADE_OF_ESCAPE.findall(definition.regex) if one == "\b" or ord(one) <= groups]
    if not characters:
        return []
    if "\b" in characters:
        escape, what, languages, meant = r"\b", "a backspace", "Python, JSON and YAML", "the edge of a word"
    else:
        number = ord(characters[0])
        escape, what, languages = f"\\{number}", f"the character U+{number:04X}", "Python"
        meant = f"the text of group {number}"
    message = (
        f"{kind} {definition.name!r} looks for {what}: that is what {escape} between quotes means in {languages}; for {meant} "
        f"write \\{escape}, or r'..' in Python: {definition.regex!r}"
    )
    return [message]


def _of_groups(kind: str, definition: MetricDefinition, dialect: Dialect) -> list[str]:
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


_SHOWN_BITS = 256


def _kind(item: Any) -> str:
    if item is None:
        return "null"
    if isinstance(item, int) and item.bit_length() > _SHOWN_BITS:
        return f"an int of {item.bit_length():,} bits"  # repr refuses thousands of digits
    if isinstance(item, (bool, int, float)):
        return f"{type(item).__name__} {item!r}"
    return f"a {type(item).__name__}"


def _is_nested(value: Any) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, str)


def _quote_hint(value: Any) -> str | None:
    return None if value is None or _is_nested(value) else "put it in quotes"


# ---- lists


_NO_LIST = Fault(None, None, None, None, "one definition is given; a list of them was expected", "put it in [..]")


def listed(source: Any) -> tuple[list[Any], list[Fault]]:
    """The items of a list of definitions, and the error if it is none."""
    # in a document, where the list stands
    place = ""
    if isinstance(source, Mapping):
        if len(source) > 1 and {str(key).title() for key in source} <= {"Name", "Regex", "Description"}:
            return [], [_NO_LIST]
        held = source.get("MetricDefinitions")
        place = "MetricDefinitions" if held is not None else ""
        if held is None:
            places = {at: value for at, value in _held(source, "") if value}
            place, held = next(iter(places.items()), ("", None))
            if any(value != held for value in places.values()):
                shown = ", ".join(places)
                return [], [Fault(None, None, None, None, f"several lists of definitions, {shown}; one was expected")]
        if held is not None:
            source = held
        elif source and all(isinstance(part, str) for pair in source.items() for part in pair):
            if {"Name", "Regex"} & set(source):
                return [], [_NO_LIST]
            source = [{"Name": name, "Regex": regex} for name, regex in source.items()]
        elif source and all(isinstance(key, str) and not _is_nested(value) for key, value in source.items()):
            # a map of names to regexes, some of which are none
            return [], [
                Fault(None, key, None, None, f"{_kind(value)} where a regex was expected", _quote_hint(value))
                for key, value in source.items()
                if not isinstance(value, str)
            ]
    if isinstance(source, MetricDefinition):
        return [source], []
    if isinstance(source, (set, frozenset)):
        hint = "write [..] in place of {..}: a set has no order"
        return [], [Fault(None, None, None, None, f"{_kind(source)} where a list of {EXPECTED} was expected", hint)]
    if isinstance(source, (str, Mapping, bytes, bytearray)) or not isinstance(source, Iterable):
        found = f"{place} is {_kind(source)}" if place else _kind(source)
        return [], [Fault(None, None, None, None, f"{found} where a list of {EXPECTED} was expected")]
    return list(source), []


def _held(document: Any, at: str, depth: int = 0) -> Iterator[tuple[str, Any]]:
    """The lists of metric definitions in a document, each with its place."""
    if depth > _MOST_DEPTH:
        return
    if isinstance(document, Mapping):
        for key, value in document.items():
            place = f"{at}.{key}" if at else str(key)
            if re.sub(r"[\W_]", "", str(key)).casefold() == "metricdefinitions":
                yield place, value
            else:
                yield from _held(value, place, depth + 1)
    elif isinstance(document, list):
        for index, value in enumerate(document):
            yield from _held(value, f"{at}[{index}]", depth + 1)
