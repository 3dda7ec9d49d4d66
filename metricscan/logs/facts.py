"""Facts about a job besides its logs: status and hyperparameters, from a jobs file, files beside its logs, or its name."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from metricscan.errors import SourceError
from metricscan.logs.job import FROM_NAME
from metricscan.logs.naming import absolute, is_within
from metricscan.logs.parameters import (
    MOST_BYTES,
    is_named_by_ray,
    parameters_in_name,
    parameters_of,
    read_hydra,
    read_json,
    read_mlflow,
    read_nni,
    read_overrides,
    read_wandb,
    read_yaml,
)
from metricscan.logs.run_status import status_of_guild, status_of_mlflow, status_of_ray, status_of_submitit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from metricscan.logs.job import Job, Survey

_PARAMETER_FILES = ("hyperparameters.json", "input/config/hyperparameters.json", "params.json")
_LOG_SUFFIX = re.compile(r"\.(?:log|txt|out|err)$")

STATUSES = {
    "Completed": ("completed", "complete", "succeeded", "success", "finished", "done", "terminated"),
    "Failed": ("failed", "fail", "error", "crashed"),
    "Stopped": ("stopped", "stopping", "killed", "cancelled", "canceled", "pruned", "paused"),
    "InProgress": ("inprogress", "in_progress", "running", "pending", "created"),
}
_STATUS_OF = {word: status for status, words in STATUSES.items() for word in words}


def add_own_facts(job: Job, folder: str | None, found: Survey) -> None:
    """Add to a job the hyperparameters that its name spells, and the hyperparameters and the status in files of its folder.

    Parameters
    ----------
    job : Job
    folder : str or None
        The folder that belongs to the job alone; None without such a folder.
    found : Survey
        Gets an error for each file that cannot be read.
    """
    name = _LOG_SUFFIX.sub("", job.name)
    files = _Files(folder, found) if folder is not None and os.path.isdir(folder) else None
    if files is not None:
        files.add_usual()
        _add_facts_of_tool(job, files)
        if is_named_by_ray(files.folder) and any(path.endswith("/params.json") for path in files.parameters):
            # the name says the same, but shortened and rounded
            name = name.rpartition("/")[0]
    if "_log." in job.logs[0].stream:
        _set_status(job, *status_of_submitit([log.path for log in job.logs], found))
    if "=" in name:
        job.add_parameters(parameters_in_name(name), FROM_NAME)
    if files is not None:
        for path, parameters in files.parameters.items():
            job.add_parameters(parameters, path)


def _add_facts_of_tool(job: Job, files: _Files) -> None:
    """Read what a tool wrote, known by the names of its logs.

    The names of the files are usual ones. They mean hyperparameters only where such a tool wrote them.
    """
    stream, folder, found = job.logs[0].stream, files.folder, files.found
    if stream.startswith("std."):
        files.add("config.json", read_json)
    elif stream.startswith("files/"):
        files.add("files/config.yaml", read_wandb)
    elif stream.startswith("artifacts/"):
        if os.path.isdir(f"{folder}/params") and os.path.isfile(f"{folder}/meta.yaml"):
            files.parameters[f"{folder}/params"] = _reported(read_mlflow, f"{folder}/params", found)
            _set_status(job, status_of_mlflow(f"{folder}/meta.yaml", found), f"{folder}/meta.yaml")
    elif stream.startswith(("stdout", "stderr", "trial.")):
        above, _, trial = folder.rpartition("/")
        if above.endswith("/working_dirs"):
            # Ray 2 keeps what a trial prints apart from what it was told
            above = f"{above.rpartition('/')[0]}/driver_artifacts"
            files.add(f"../../driver_artifacts/{trial}/params.json", read_json)
        if above.endswith("/trials"):
            files.add("parameter.cfg", read_nni)
            _add_facts_of_nni(job, files)
        else:
            _set_status(job, *status_of_ray(above, trial, found))
    if any(log.stream.startswith(".guild/") for log in job.logs):
        files.add(".guild/attrs/flags", read_yaml)
        path = f"{folder}/.guild/attrs/exit_status"
        _set_status(job, status_of_guild(path, found), path)


def _add_facts_of_nni(job: Job, files: _Files) -> None:
    """NNI 2 keeps trials in EXPERIMENT/trials, NNI 3 in EXPERIMENT/environments/NAME/trials."""
    folder, _, trial = files.folder.rpartition("/trials/")
    if os.path.basename(os.path.dirname(folder)) == "environments":
        folder = os.path.dirname(os.path.dirname(folder))
    path = f"{folder}/db/nni.sqlite"
    if not os.path.isfile(path):
        return
    # sqlite3 is loaded only where there is a database
    from metricscan.logs.nni_database import read_trial

    try:
        parameters, status = read_trial(path, trial)
    except ValueError as error:
        files.found.errors.append(SourceError(f"cannot read the trial {trial} in {path}", path=path, cause=error))
        return
    if parameters:
        files.parameters.setdefault(path, parameters)
    _set_status(job, status, path)


def _set_status(job: Job, status: str | None, source: str) -> None:
    if status is not None:
        job.status, job.status_source = status, source


class _Files:
    """The files of a job's folder that hold hyperparameters.

    Attributes
    ----------
    folder : str
    found : Survey
        Gets an error for each file that cannot be read.
    parameters : dict of str to dict
        By the path of each file, what it holds. A later one overrules the others.
    """

    def __init__(self, folder: str, found: Survey) -> None:
        self.folder = folder
        self.found = found
        self.parameters: dict[str, dict[str, str]] = {}

    def add(self, name: str, read: Callable[[str], dict[str, str]]) -> None:
        path = f"{self.folder}/{name}"
        if os.path.isfile(path):
            if name.startswith("../"):
                path = os.path.normpath(path)
            parameters = _reported(read, path, self.found)
            if parameters:
                self.parameters[path] = parameters

    def add_usual(self) -> None:
        """Read the files whose names tell what they are."""
        for name in _PARAMETER_FILES:
            self.add(name, read_json)
        if os.path.isdir(f"{self.folder}/.hydra"):
            # the whole configuration; then what was chosen on the command line, as it was spelled there
            self.add(".hydra/config.yaml", read_hydra)
            self.add(".hydra/overrides.yaml", read_overrides)
        self.add("hparams.yaml", read_yaml)


def _reported(read: Callable[[str], dict[str, str]], path: str, found: Survey) -> dict[str, str]:
    """The hyperparameters in a file. If it cannot be read, there are none, and the survey gets an error."""
    try:
        if os.path.getsize(path) > MOST_BYTES:
            raise ValueError(f"{os.path.getsize(path)} bytes; a file of hyperparameters has at most {MOST_BYTES}")
        return read(path)
    except (OSError, ValueError, RecursionError) as error:
        found.errors.append(SourceError(f"cannot read the hyperparameters in {path}", path=path, cause=error))
        return {}


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
