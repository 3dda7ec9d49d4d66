"""The jobs file: what a user knows about jobs besides their logs, status and hyperparameters."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from metricscan.errors import SourceError
from metricscan.logs.naming import absolute, is_within
from metricscan.logs.parameters import parameters_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metricscan.logs.job import Job

STATUSES = {
    "Completed": ("completed", "complete", "succeeded", "success", "finished", "done", "terminated"),
    "Failed": ("failed", "fail", "error", "crashed"),
    "Stopped": ("stopped", "stopping", "killed", "cancelled", "canceled", "pruned", "paused"),
    "InProgress": ("inprogress", "in_progress", "running", "pending", "created"),
}
_STATUS_OF = {word: status for status, words in STATUSES.items() for word in words}


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
            # a file without statuses leaves those that are known
            job.status = fact.status or job.status
            job.hyperparameters.update(fact.hyperparameters)
    if missing:
        names = ", ".join(job.name for job in jobs[:5]) + (", .." if len(jobs) > 5 else "")
        raise SourceError(
            f"the jobs file {os.fspath(jobs_file)} names jobs that have no log\n  " + "\n  ".join(missing),
            path=os.fspath(jobs_file),
            hint=f"the jobs found are {names}" if jobs else None,
        )
