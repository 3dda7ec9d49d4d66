"""Facts about a job besides its logs: status and hyperparameters, from a jobs file, files beside its logs, or its name."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from metricscan.errors import SourceError
from metricscan.logs.naming import absolute, is_within

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metricscan.logs.job import Job, Survey

# Larger files with such a name hold something else.
_MOST_PARAMETER_BYTES = 1 << 20
_PARAMETER_FILES = ("hyperparameters.json", "input/config/hyperparameters.json", "params.json")
_LOG_SUFFIX = re.compile(r"\.(?:log|txt|out|err)$")
_OVERRIDES_FILE = ".hydra/overrides.yaml"
# A trial's folder as Ray Tune names it: the trainable, the trial's id, its number, what it varies, and the time; in old versions
# there is no id, and eight random characters follow the time. Ray cuts what stands before the time.
_RAY_TRIAL = re.compile(
    r"(?P<name>(?:.*_)?(?:[0-9a-f]{5,8}_\d{5}_\d+|[0-9a-f]{8}_\d+)_[A-Za-z].*)_\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d\w*"
    r"|(?P<old>(?:.*_)?\d+_[A-Za-z].*)_\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d[a-z0-9_]{8}",
    re.DOTALL,
)
_RAY_NAME_LENGTH = 130
_BRACKETS = re.compile(r"[\[({]")
_PARAMETER_PART = re.compile(r"(?:^|[,/_])([A-Za-z][\w.\-]*?)=([^=,/]*?)(?=$|[,/]|_[A-Za-z][\w.\-]*=)")

STATUSES = {
    "Completed": ("completed", "complete", "succeeded", "success", "finished", "done", "terminated"),
    "Failed": ("failed", "fail", "error", "crashed"),
    "Stopped": ("stopped", "stopping", "killed", "cancelled", "canceled", "pruned", "paused"),
    "InProgress": ("inprogress", "in_progress", "running", "pending", "created"),
}
_STATUS_OF = {word: status for status, words in STATUSES.items() for word in words}


def add_hyperparameters(job: Job, folder: str | None, found: Survey) -> None:
    """Add to a job the hyperparameters that its name spells, and those in the files of its folder.

    Parameters
    ----------
    job : Job
    folder : str or None
        The folder that belongs to the job alone; None if there is none.
    found : Survey
        Gets an error for each file that cannot be read.
    """
    if "=" in job.name:
        job.hyperparameters.update(parameters_in_name(_LOG_SUFFIX.sub("", job.name)))
    if folder is None or not os.path.isdir(folder):
        return
    for name in _PARAMETER_FILES:
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            job.hyperparameters.update(_reported(_read_parameters, path, found))
    path = os.path.join(folder, _OVERRIDES_FILE)
    if os.path.isfile(path):
        job.hyperparameters.update(_reported(_read_overrides, path, found))


def parameters_in_name(name: str) -> dict[str, str]:
    """Hyperparameters that the parts of a path spell as ``KEY=VALUE``. A value that was cut off gives nothing.

    >>> parameters_in_name("hidden=[64, 32],act=relu/seed=1_data=v1_2026-03-01")
    {'hidden': '[64, 32]', 'act': 'relu', 'seed': '1', 'data': 'v1_2026-03-01'}
    """
    parameters = {}
    for part in name.split("/"):
        if "=" not in part:
            continue
        trial = _RAY_TRIAL.fullmatch(part)
        text = part if trial is None else trial["name"] or trial["old"]
        masked, is_open = _masked(text)
        was_cut = is_open or (trial is not None and len(text) >= _RAY_NAME_LENGTH)
        for match in _PARAMETER_PART.finditer(masked):
            if not (was_cut and match.end() == len(text)):
                parameters[re.sub(r"^.*_\d+_", "", match[1])] = text[match.start(2) : match.end(2)]
    return parameters


def _masked(text: str) -> tuple[str, bool]:
    """The text with NULs for the lists and dictionaries in it, and whether the last one is not closed.

    Commas and names within brackets belong to a value.
    """
    begin = text.find("=")
    if not _BRACKETS.search(text, begin):
        return text, False
    masked = [text[:begin]]
    depth, quote = 0, ""
    for character in text[begin:]:
        inside = depth > 0
        if quote:
            quote = "" if character == quote else quote
        elif inside and character in "'\"":
            quote = character
        elif character in "[({":
            depth += 1
        elif inside and character in "])}":
            depth -= 1
        masked.append("\0" if inside or depth else character)
    return "".join(masked), depth > 0


def _reported(read: Any, path: str, found: Survey) -> dict[str, str]:
    """What the file says. If it cannot be read, the survey gets an error, and nothing is known."""
    try:
        if os.path.getsize(path) > _MOST_PARAMETER_BYTES:
            raise ValueError(
                f"{os.path.getsize(path)} bytes; a file of hyperparameters has at most {_MOST_PARAMETER_BYTES}"
            )
        result: dict[str, str] = read(path)
    except (OSError, ValueError, RecursionError) as error:
        found.errors.append(SourceError(f"cannot read the hyperparameters in {path}", path=path, cause=error))
        return {}
    return result


def _read_parameters(path: str) -> dict[str, str]:
    with open(path, encoding="utf-8") as file:
        return parameters_of(file.read())


def _read_overrides(path: str) -> dict[str, str]:
    import yaml

    with open(path, encoding="utf-8") as file:
        try:
            overrides = yaml.safe_load(file) or []
        except yaml.YAMLError as error:
            raise ValueError(f"not YAML: {error}") from None
    if not isinstance(overrides, list):
        raise ValueError(f"a list of KEY=VALUE was expected, not {type(overrides).__name__}")
    pairs = (str(override).partition("=") for override in overrides)
    return {key.lstrip("+~"): value for key, equals, value in pairs if equals}


def parameters_of(text: str) -> dict[str, str]:
    """Hyperparameters from a JSON object, as text: strings and numbers as they are spelled, other values as JSON.

    Raises
    ------
    ValueError
        The text is not JSON, or not an object.

    >>> parameters_of('{"lr": 3e-4, "solver": "adam", "layers": [64, 64], "amsgrad": false}')
    {'lr': '3e-4', 'solver': 'adam', 'layers': '[64, 64]', 'amsgrad': 'false'}
    """
    parameters = json.loads(text)
    if not isinstance(parameters, dict):
        raise ValueError(f"an object was expected, not {type(parameters).__name__}")
    spelled = json.loads(text, parse_float=str, parse_int=str)
    return {
        key: spelled[key] if isinstance(spelled[key], str) else json.dumps(value) for key, value in parameters.items()
    }


# ---- the jobs file


def add_facts(jobs: Sequence[Job], path: str | os.PathLike[str]) -> None:
    """Set the statuses of jobs and update their hyperparameters from a jobs file.

    Raises
    ------
    SourceError
        The file cannot be read, lines of it are invalid, or it names a job twice or a job that is not there.
    """
    apply_facts(jobs, read_jobs_file(os.fspath(path)), path)


class Fact(NamedTuple):
    """A line of a jobs file.

    Attributes
    ----------
    line : int
        From 1.
    job : str or None
        The job's name.
    place : str or None
        The absolute path under which the job's logs lie. One of job and place is given.
    status : {"Completed", "Failed", "Stopped", "InProgress", None}
    hyperparameters : dict of str to str
    """

    line: int
    job: str | None
    place: str | None
    status: str | None
    hyperparameters: dict[str, str]


def read_jobs_file(path: str) -> list[Fact]:
    """Read the facts in a jobs file: CSV, or JSON lines.

    Raises
    ------
    SourceError
        It cannot be read, or lines of it are invalid; the message names all of those.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"cannot read the jobs file {path}", path=path, cause=error) from error
    errors: list[str] = []
    rows: list[tuple[int, dict[str, Any]]] = []
    if text.lstrip().startswith("["):
        errors.append("a JSON list; JSON lines were expected, one object per line")
    elif text.lstrip().startswith("{"):
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip():
                try:
                    row = json.loads(line)
                except (ValueError, RecursionError) as error:
                    reason = f"{error.msg}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else error
                    errors.append(f"line {number}: not JSON: {reason}")
                else:
                    if isinstance(row, dict) and isinstance(row.get("hyperparameters"), dict):
                        row["hyperparameters"] = _object_in(line)
                    rows.append((number, row))
    else:
        reader = csv.DictReader(io.StringIO(text, newline=""))
        try:
            columns = reader.fieldnames or ()
            if columns and not {"job", "path"} & set(columns):
                shown = ", ".join(columns)[:80]
                errors.append(f"line {reader.line_num}: the columns are {shown}; one called job or path was expected")
            else:
                rows.extend((reader.line_num, row) for row in reader)
        except csv.Error as error:
            errors.append(f"line {reader.line_num}: not CSV: {error}")
    facts = []
    for number, row in rows:
        try:
            facts.append(_fact(number, row, os.path.dirname(os.path.abspath(path))))
        except ValueError as error:
            errors.append(f"line {number}: {error}")
    first: dict[tuple[str | None, str | None], int] = {}
    for fact in facts:
        key = (fact.job, fact.place) if fact.job is None else (fact.job, None)
        if first.setdefault(key, fact.line) != fact.line:
            errors.append(f"line {fact.line}: {fact.job or fact.place} is already in line {first[key]}")
    if errors:
        raise SourceError(f"errors in the jobs file {path}\n  " + "\n  ".join(errors), path=path)
    return facts


def _object_in(line: str) -> str:
    """The text of the hyperparameters in a JSON line. Its numbers keep their spelling."""
    key = re.search(r'"hyperparameters"\s*:\s*(?=\{)', line)
    if key is None:
        return json.dumps(json.loads(line)["hyperparameters"])
    return line[key.end() : json.JSONDecoder().raw_decode(line, key.end())[1]]


def _fact(number: int, row: Any, folder: str) -> Fact:
    if not isinstance(row, dict):
        raise ValueError("an object was expected")
    unknown = [str(key) for key in row if key not in ("job", "path", "status", "hyperparameters")]
    if unknown:
        raise ValueError(f"unknown columns {', '.join(unknown)}; job, path, status and hyperparameters were expected")
    # an empty cell gives nothing, but 0 is a name
    given = (row.get(key) for key in ("job", "path", "status", "hyperparameters"))
    job, path, status, parameters = (None if value == "" else value for value in given)
    if job is None and path is None:
        raise ValueError("job or path is missing")
    if status is not None:
        word = str(status).strip().lower().replace(" ", "").replace("-", "_")
        if word not in _STATUS_OF:
            raise ValueError(f"status {status!r}; one of {', '.join(STATUSES)} was expected")
        status = _STATUS_OF[word]
    try:
        parameters = parameters_of(parameters or "{}")
    except (TypeError, ValueError) as error:
        raise ValueError(f"hyperparameters are not a JSON object: {error}") from None
    place = None if path is None else absolute(os.path.join(folder, str(path)))
    return Fact(number, None if job is None else str(job), place, status, parameters)


def apply_facts(jobs: Sequence[Job], facts: Sequence[Fact], jobs_file: str | os.PathLike[str]) -> None:
    """Set the statuses of jobs and update their hyperparameters.

    Raises
    ------
    SourceError
        A fact names a job or a path for which there is no job.
    """
    by_name = {job.name: job for job in jobs}
    missing = []
    for fact in facts:
        if fact.job is not None:
            wanted = fact.job
            meant = [by_name[wanted]] if wanted in by_name else []
        else:
            wanted = str(fact.place)
            meant = [job for job in jobs if any(is_within(absolute(log.path), wanted) for log in job.logs)]
        if not meant:
            missing.append(f"line {fact.line}: {wanted}")
        for job in meant:
            job.status = fact.status
            job.hyperparameters.update(fact.hyperparameters)
    if missing:
        names = ", ".join(job.name for job in jobs[:5]) + (", .." if len(jobs) > 5 else "")
        raise SourceError(
            f"the jobs file {os.fspath(jobs_file)} names jobs that have no log\n  " + "\n  ".join(missing),
            path=os.fspath(jobs_file),
            hint=f"the jobs found are {names}" if jobs else None,
        )
