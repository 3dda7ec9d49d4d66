"""The rows of a jobs file, one per job: out of CSV, JSON lines, a JSON list, or documents of a tuning service."""

from __future__ import annotations

import csv
import functools
import io
import json
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from metricscan.definitions.documents import read_pasted
from metricscan.definitions.pasted import PastedError, line_and_column, read_json, read_json_at, text_of
from metricscan.definitions.paths import read_whole
from metricscan.errors import SourceError

# Names of columns, as :func:`plain` spells them; the first that is there decides.
#: What names the job. Those of the second group name other things as well.
JOB_COLUMNS = ("job", "jobname", "trainingjobname", "trialname", "runname", "trialid", "runid", "jobid")
WEAK_JOB_COLUMNS = ("name", "trial", "run", "id", "number")
#: Where its logs lie.
PLACE_COLUMNS = ("path", "logdir", "logpath", "logfile")
STATUS_COLUMNS = (
    "status",
    "state",
    "trainingjobstatus",
    "jobstatus",
    "jobstate",
    "trialstatus",
    "trialstate",
    "runstatus",
)
#: Objects that hold hyperparameters.
PARAMETER_COLUMNS = ("hyperparameters", "tunedhyperparameters", "parameters", "params", "hparams", "config")
_SEPARATORS = ",\t;|"
_BLANK = re.compile(r"\s*")
_MOST_DEPTH = 8
_MOST_ERRORS = 20


class JobRow(NamedTuple):
    """One job in a jobs file.

    Attributes
    ----------
    where : str
        Its place, for messages: ``line 3``, ``[2]`` or ``TrainingJobSummaries[2]``.
    cells : dict of str to object
        The columns or members with their values. Numbers of JSON keep their spelling.
    is_table : bool
        Whether the row is that of a table, which has no more cells than columns and gives all values as text.
    """

    where: str
    cells: Mapping[str, Any]
    is_table: bool


@functools.lru_cache(4096)
def plain(key: str) -> str:
    """A name of a column or member, as it is compared: without its case, and without punctuation.

    >>> plain("TrainingJobName"), plain("training_job_name")
    ('trainingjobname', 'trainingjobname')
    """
    return re.sub(r"[\W_]", "", key).casefold()


def read_rows(path: str) -> list[JobRow | str]:
    """Read the rows of a jobs file, and the errors in it with their places, in the order of the file.

    Raises
    ------
    SourceError
        The file cannot be read.
    """
    try:
        text = text_of(read_whole(path))
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise SourceError(f"cannot read the jobs file {path}", path=path, cause=error) from error
    rows: list[JobRow | str] = []
    try:
        rows += _rows(text, os.path.splitext(path)[1].lower())
    except PastedError as error:
        rows += [f"{message}\n    hint: {hint}" if hint else message for message, hint in error.placed()]
    return rows


def errors_in(path: str, errors: list[str]) -> SourceError:
    """The errors of a jobs file as one; of many, the first: a file of another kind may have one in each line."""
    more = len(errors) - _MOST_ERRORS
    shown = errors[:_MOST_ERRORS] + ([f"and {more:,} more errors"] if more > 1 else errors[_MOST_ERRORS:])
    return SourceError(f"errors in the jobs file {path}\n  " + "\n  ".join(shown), path=path)


def rows_of(document: Any) -> list[JobRow]:
    """The rows in a document that was read: a list of jobs, an answer of a tuning service, or several of them."""
    columns = frozenset((*JOB_COLUMNS, *PLACE_COLUMNS))
    rows = list(_within(document, columns, "", 0))
    if not rows and not _is_of_tuning_job(document):
        rows = list(_within(document, columns | frozenset(WEAK_JOB_COLUMNS), "", 0))
    return rows


def _rows(text: str, suffix: str) -> Iterator[JobRow | str]:
    """The rows of a text, and errors."""
    if not text.strip():
        yield "the file is empty; a table or JSON was expected"
        return
    start = text.lstrip()[:1]
    if start not in ("[", "{") and suffix != ".json":
        yield from _of_table(text)
        return
    first = text.lstrip().partition("\n")[0]
    try:
        value = read_json(first, spelled=True) if start == "{" else None
    except (json.JSONDecodeError, PastedError) as error:
        value = {} if isinstance(error, PastedError) else None
    lines = list(_of_lines(text)) if isinstance(value, dict) else []
    if not lines or (any(isinstance(row, str) for row in lines) and _are_documents(text)):
        # that of the first job may stand in one line, and the others not
        yield from _of_documents(text)
    else:
        yield from lines


# ---- JSON


def _of_lines(text: str) -> Iterator[JobRow | str]:
    """JSON lines."""
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        where = f"line {number}"
        try:
            value = read_json(line, spelled=True)
        except json.JSONDecodeError as error:
            yield f"{where}: not JSON: {error.msg}, column {error.colno}"
        except PastedError as error:
            yield from (f"{where}: {problem.message.replace('line 1, ', '')}" for problem in error.problems)
        else:
            yield from _placed(value, where)


def _placed(value: Any, where: str) -> Iterator[JobRow | str]:
    if not isinstance(value, dict):
        yield f"{where}: an object was expected"
        return
    rows = rows_of(value)
    for row in rows:
        yield row._replace(where=where if not row.where else f"{where}, {row.where}")
    if not rows:
        yield JobRow(where, value, is_table=False)


def _of_documents(text: str) -> Iterator[JobRow | str]:
    """One document, or several one behind the other, as a loop over a command line's answers writes them."""
    end = len(_BLANK.match(text)[0])  # type: ignore[index]
    values: list[tuple[int, Any]] = []
    try:
        while end < len(text):
            begin = end
            value, end = read_json_at(text, begin, spelled=True)
            values.append((begin, value))
            end = _BLANK.match(text, end).end()  # type: ignore[union-attr]
    except json.JSONDecodeError:
        # with commas after last items, or in Python
        values = [(0, read_pasted(text, spelled=True)[0])]
    for begin, value in values:
        where = "" if len(values) == 1 else line_and_column(text, begin).partition(",")[0]
        if not isinstance(value, (dict, list)):
            yield f"{where or 'line 1'}: a list of objects was expected"
            continue
        rows = rows_of(value)
        if isinstance(value, list):
            # an item that names no job is an error of its own
            seen = {row.where.partition("]")[0] + "]" for row in rows}
            for index, item in enumerate(value):
                if f"[{index}]" not in seen:
                    rows.append(JobRow(f"[{index}]", item, is_table=False))
        elif not rows:
            rows = [JobRow("", value, is_table=False)]
        for row in rows:
            place = ", ".join(filter(None, (where, row.where))) or "line 1"
            yield row._replace(where=place) if isinstance(row.cells, dict) else f"{place}: an object was expected"


def _are_documents(text: str) -> bool:
    """Whether a text is nothing but JSON documents, one behind the other, of which some take several lines."""
    end = len(_BLANK.match(text)[0])  # type: ignore[index]
    has_lines = False
    try:
        while end < len(text):
            begin = end
            _, end = read_json_at(text, begin)
            has_lines |= "\n" in text[begin:end]
            end = _BLANK.match(text, end).end()  # type: ignore[union-attr]
    except (json.JSONDecodeError, PastedError):
        return False
    return has_lines


def _within(value: Any, columns: frozenset[str], at: str, depth: int) -> Iterator[JobRow]:
    """The objects with one of these columns, at any depth of lists and objects."""
    if depth > _MOST_DEPTH:
        return
    if isinstance(value, Mapping):
        names = {plain(str(key)) for key, inner in value.items() if isinstance(inner, (str, int))}
        is_strong = not names.isdisjoint((*JOB_COLUMNS, *PLACE_COLUMNS))
        is_named = not names.isdisjoint(WEAK_JOB_COLUMNS)
        inner_rows: list[JobRow] = []
        if not is_strong:
            for key, inner in value.items():
                # what a row of another kind holds is no row
                if plain(str(key)) not in PARAMETER_COLUMNS and not (is_named and isinstance(inner, Mapping)):
                    inner_rows += _within(inner, columns, f"{at}.{key}" if at else str(key), depth + 1)
        # a study has a name, and a list of trials
        is_list_of_rows = inner_rows and not at.endswith("]")
        if names.isdisjoint(columns) or is_list_of_rows:
            yield from inner_rows
        else:
            yield JobRow(at, value, is_table=False)
    elif isinstance(value, (list, tuple)):
        for index, inner in enumerate(value):
            yield from _within(inner, columns, f"{at}[{index}]", depth + 1)


def _is_of_tuning_job(value: Any, depth: int = 0) -> bool:
    """Whether a document describes a tuning job: it holds names that are those of metrics and ranges."""
    return (
        isinstance(value, Mapping)
        and depth <= _MOST_DEPTH
        and any(
            plain(str(key)) == "hyperparametertuningjobconfig" or _is_of_tuning_job(inner, depth + 1)
            for key, inner in value.items()
        )
    )


# ---- tables


def _of_table(text: str) -> Iterator[JobRow | str]:
    """CSV, or a table with another separator: the one that stands most often in the first line."""
    first = re.sub(r'"[^"]*"', "", text.lstrip("\r\n").partition("\n")[0])
    separator = max(_SEPARATORS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        columns = next((row for row in reader if row), [])
        columns = [column.strip() for column in columns]
        # an index, as pandas writes it, has no name
        start = 1 if columns and not columns[0] else 0
        twice = {column for column in columns if column and columns.count(column) > 1}
        if twice:
            yield f"line {reader.line_num}: the column {min(twice)} stands twice"
            return
        known = {*JOB_COLUMNS, *WEAK_JOB_COLUMNS, *PLACE_COLUMNS}
        if columns and not known & {plain(column) for column in columns}:
            shown = ", ".join(columns)[:80]
            yield f"line {reader.line_num}: the columns are {shown}; one called job, name, id or path was expected"
            return
        for row in reader:
            if not row:
                continue
            where = f"line {reader.line_num}"
            if len(row) != len(columns):
                yield f"{where}: {len(row)} cells; {len(columns)} were expected, one per column"
                continue
            cells = list(zip(columns[start:], row[start:], strict=True))
            if any(cell and not column for column, cell in cells):
                yield f"{where}: a cell stands in a column without a name"
                continue
            yield JobRow(where, {column: cell for column, cell in cells if column}, is_table=True)
    except csv.Error as error:
        yield f"line {reader.line_num}: not CSV: {error}"
