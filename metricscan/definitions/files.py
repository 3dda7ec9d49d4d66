"""Files of metric definitions: JSON, YAML, Python source, a notebook, or a table with tabs."""

from __future__ import annotations

import os
import re
from typing import Any

from metricscan.definitions.documents import read_document
from metricscan.definitions.pasted import PastedError, text_of
from metricscan.definitions.paths import read_whole
from metricscan.errors import DefinitionError, Fault, SourceError

EXPECTED = '{"Name": .., "Regex": ..}, a MetricDefinition or "NAME=REGEX"'
_NAME_COLUMNS = ("name", "metricname")
_REGEX_COLUMNS = ("regex", "metricregex")


def read_definitions(path: str) -> tuple[Any, list[str]]:
    """The content of a file, unchecked, as :func:`metricscan.load_definitions` takes it, and warnings about it.

    Raises
    ------
    DefinitionError
        The file is of none of the formats.
    SourceError
        The file cannot be read.
    """
    return parsed(read_text(path), path)


def read_text(path: str) -> str:
    """The text of a file.

    Raises
    ------
    SourceError
        It cannot be read, or is not UTF-8, or not in the encoding of its byte-order mark.
    """
    try:
        data = read_whole(path)
    except (OSError, ValueError) as error:
        hint = None
        if "=" in path and isinstance(error, FileNotFoundError):
            hint = f"a str is a path; a definition stands in a list: [{path[:80]!r}]"
        raise SourceError(f"cannot read the metric definitions {path}", path=path, cause=error, hint=hint) from error
    try:
        return text_of(data)
    except UnicodeDecodeError as error:
        raise SourceError(
            f"{path} is not {error.encoding.upper()}", path=path, offset=error.start, cause=error
        ) from error


def parsed(text: str, path: str) -> tuple[Any, list[str]]:
    """What a text of definitions holds, as :func:`read_definitions` gives it; the path's suffix says what it is."""
    if not text.strip():
        raise _failed(path, f"the file is empty; a list of {EXPECTED} was expected")
    suffix = os.path.splitext(path)[1].lower()
    columns = _columns(text)
    if suffix == ".tsv" or ({*columns} & {*_NAME_COLUMNS} and {*columns} & {*_REGEX_COLUMNS}):
        return _from_table(text, columns, path), []
    try:
        value, warnings = read_document(text, suffix)
    except PastedError as error:
        faults = tuple(Fault(None, None, None, None, message, hint) for message, hint in error.placed())
        raise DefinitionError(faults, source=path) from None
    shown = path if path.isprintable() else repr(path)
    return value, [f"{shown}: {warning}" for warning in warnings]


def _columns(text: str) -> list[str]:
    """The names of a table's columns, as they are compared; a text without tabs has one."""
    first = text.lstrip("\r\n").partition("\n")[0]
    return [re.sub(r"[\W_]", "", column).casefold() for column in first.split("\t")]


def _from_table(text: str, columns: list[str], path: str) -> list[dict[str, str]]:
    """The rows of a table with tabs, whose texts have no quotation marks: what accelerate takes for SageMaker."""
    places = []
    for names in (_NAME_COLUMNS, _REGEX_COLUMNS):
        found = [at for at, column in enumerate(columns) if column in names]
        if len(found) != 1:
            raise _failed(path, "line 1: a table with tabs, and the columns metric_name and metric_regex, was expected")
        places += found
    faults = []
    items = []
    lines = [(number, line.rstrip("\r")) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    for number, line in lines[1:]:
        cells = line.split("\t")
        if len(cells) != len(columns):
            message = f"line {number}: {len(cells)} cells; {len(columns)} were expected, one per column"
            faults.append(Fault(None, None, None, None, message))
        else:
            # accelerate strips the regex, too
            items.append({"Name": cells[places[0]].strip(), "Regex": cells[places[1]].strip()})
    if faults:
        raise DefinitionError(tuple(faults), source=path)
    return items


def _failed(path: str, message: str) -> DefinitionError:
    return DefinitionError((Fault(None, None, None, None, message),), source=path)
