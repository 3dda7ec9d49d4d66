"""Facts about a job besides its logs: status and hyperparameters, from files beside its logs, or from its name."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from metricscan.definitions.pasted import text_of
from metricscan.errors import SourceError
from metricscan.logs.job import FROM_NAME, Notice
from metricscan.logs.job_record import ERRORS, OUTPUT, RECORD
from metricscan.logs.job_record import MOST_BYTES as MOST_RECORD_BYTES
from metricscan.logs.job_record import parsed as parsed_record
from metricscan.logs.parameters import (
    MOST_BYTES,
    is_named_by_ray,
    of_hydra,
    of_nni,
    of_overrides,
    of_wandb,
    of_yaml,
    parameters_in_name,
    parameters_of,
)
from metricscan.logs.run_status import (
    is_json_of_airflow,
    status_of_airflow,
    status_of_guild,
    status_of_metaflow,
    status_of_mlflow,
    status_of_ray,
    status_of_submitit,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from metricscan.logs.file_tree import FileTree
    from metricscan.logs.job import Job, Survey

_PARAMETER_FILES = ("hyperparameters.json", "input/config/hyperparameters.json", "params.json")
# A database has some kilobytes per trial.
_MOST_DATABASE_BYTES = 1 << 28
_LOG_SUFFIX = re.compile(r"\.(?:log|txt|out|err)$")

_AS_JSON = (
    "regexes see what stands there, with a backslash before each quote of a message, and neither a traceback nor a status is "
    "found in them"
)


def add_own_facts(job: Job, folder: str | None, found: Survey, tree: FileTree) -> None:
    """Add to a job the hyperparameters that its name spells, and the hyperparameters and the status in files of its folder.

    Parameters
    ----------
    job : Job
    folder : str or None
        The folder that belongs to the job alone; None without such a folder.
    found : Survey
        Gets an error for each file that cannot be read.
    tree : FileTree
        The files beside the logs.
    """
    name = _LOG_SUFFIX.sub("", job.name)
    files = _Files(folder, found, tree) if folder is not None and tree.is_folder(folder) else None
    if files is not None:
        files.add_usual()
        _add_facts_of_tool(job, files)
        if is_named_by_ray(files.folder) and any(path.endswith("/params.json") for path in files.parameters):
            # the name says the same, but shortened and rounded
            name = name.rpartition("/")[0]
    if "_log." in job.logs[0].stream:
        _set_status(job, *status_of_submitit(tree, [log.path for log in job.logs], found))
    if "=" in name:
        job.add_parameters(parameters_in_name(name), FROM_NAME)
    if files is not None:
        for path, parameters in files.parameters.items():
            job.add_parameters(parameters, path)


def _add_facts_of_tool(job: Job, files: _Files) -> None:
    """Read what a tool wrote, known by the names of its logs.

    The names of the files are usual ones. They mean hyperparameters only where such a tool wrote them.
    """
    stream, folder, found, tree = job.logs[0].stream, files.folder, files.found, files.tree
    if any(log.stream in (OUTPUT, ERRORS) for log in job.logs):
        _add_record(job, files)
    if stream.startswith("std."):
        files.add("config.json", parameters_of)
    elif stream.startswith("files/"):
        files.add("files/config.yaml", of_wandb)
    elif stream.startswith("artifacts/"):
        if tree.is_folder(f"{folder}/params") and tree.is_file(f"{folder}/meta.yaml"):
            files.parameters[f"{folder}/params"] = files.reported(_parameters_of_mlflow, f"{folder}/params")
            _set_status(job, status_of_mlflow(tree, f"{folder}/meta.yaml", found), f"{folder}/meta.yaml")
    elif stream.startswith(("stdout", "stderr", "trial.")):
        above, _, trial = folder.rpartition("/")
        if above.endswith("/working_dirs"):
            # Ray 2 keeps what a trial prints apart from what it was told
            above = f"{above.rpartition('/')[0]}/driver_artifacts"
            files.add_path(f"{above}/{trial}/params.json", parameters_of)
        if above.endswith("/trials"):
            files.add("parameter.cfg", of_nni)
            _add_facts_of_nni(job, files)
        else:
            _set_status(job, *status_of_ray(tree, above, trial, found))
    elif stream.startswith("attempt="):
        _set_status(job, *status_of_airflow(tree, [log.path for log in job.logs]))
        _say_json_of_airflow(job, tree, found)
    elif "_std" in stream:
        _set_status(job, *status_of_metaflow(tree, [log.path for log in job.logs], found))
    if any(log.stream.startswith(".guild/") for log in job.logs):
        files.add(".guild/attrs/flags", of_yaml)
        path = f"{folder}/.guild/attrs/exit_status"
        _set_status(job, status_of_guild(tree, path, found), path)


def _say_json_of_airflow(job: Job, tree: FileTree, found: Survey) -> None:
    """Say once that logs are read as Airflow 3 wrote them."""
    last = job.logs[-1].path
    if any(notice.message.endswith(_AS_JSON) for notice in found.notices) or not is_json_of_airflow(tree, last):
        return
    found.notices.append(
        Notice(f"{last} has a JSON object per line, as other logs of Airflow 3 may have: {_AS_JSON}", last)
    )


def _add_record(job: Job, files: _Files) -> None:
    """What ``metricscan run`` keeps of a job."""
    path = f"{files.folder}/{RECORD}"
    try:
        text = files.tree.read(path, MOST_RECORD_BYTES, "the record of a job")
        record = parsed_record(text, None if files.tree.is_in_archive(path) else files.folder)
    except FileNotFoundError:
        return
    except (OSError, ValueError, RecursionError, SourceError) as error:
        files.found.errors.append(SourceError(f"cannot read the record of the job in {path}", path=path, cause=error))
        return
    if record is not None:
        files.parameters[path] = record.hyperparameters
        _set_status(job, record.status, path)


def _add_facts_of_nni(job: Job, files: _Files) -> None:
    """NNI 2 keeps trials in EXPERIMENT/trials, NNI 3 in EXPERIMENT/environments/NAME/trials."""
    folder, _, trial = files.folder.rpartition("/trials/")
    if os.path.basename(os.path.dirname(folder)) == "environments":
        folder = os.path.dirname(os.path.dirname(folder))
    path = f"{folder}/db/nni.sqlite"
    if not files.tree.is_file(path):
        return
    # sqlite3 is loaded only where there is a database
    from metricscan.logs.nni_database import read_trial

    try:
        content = files.tree.derived(_content_in_archive, path)
        parameters, status = read_trial(path, trial, content)
    except (ValueError, SourceError) as error:
        files.found.errors.append(SourceError(f"cannot read the trial {trial} in {path}", path=path, cause=error))
        return
    if parameters:
        files.parameters.setdefault(path, parameters)
    _set_status(job, status, path)


def _parameters_of_mlflow(tree: FileTree, folder: str) -> dict[str, str]:
    """The hyperparameters that MLflow keeps of a run: a file for each, in folders where their names hold ``/``."""
    parameters: dict[str, str] = {}
    size = 0
    for name in tree.within(folder):
        value = text_of(tree.read(f"{folder}/{name}", MOST_BYTES, "a hyperparameter")).strip()
        size += len(value) + len(name)
        if size > MOST_BYTES:
            raise ValueError(f"more than {MOST_BYTES} characters")
        parameters[name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")] = value
    return parameters


def _content_in_archive(tree: FileTree, path: str) -> bytes | None:
    """The content of a file in an archive; None of a file on disk."""
    return tree.read(path, _MOST_DATABASE_BYTES, "a database") if tree.is_in_archive(path) else None


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
    tree : FileTree
    parameters : dict of str to dict
        By the path of each file, what it holds. A later one overrules the others.
    """

    def __init__(self, folder: str, found: Survey, tree: FileTree) -> None:
        self.folder = folder
        self.found = found
        self.tree = tree
        self.parameters: dict[str, dict[str, str]] = {}

    def add(self, name: str, read: Callable[[str], dict[str, str]]) -> None:
        self.add_path(f"{self.folder}/{name}", read)

    def add_path(self, path: str, read: Callable[[str], dict[str, str]]) -> None:
        if self.tree.is_file(path):
            parameters = self.reported(
                lambda tree, path: read(text_of(tree.read(path, MOST_BYTES, "a file of hyperparameters"))), path
            )
            if parameters:
                self.parameters[path] = parameters

    def add_usual(self) -> None:
        """Read the files whose names tell what they are."""
        for name in _PARAMETER_FILES:
            self.add(name, parameters_of)
        if self.tree.is_folder(f"{self.folder}/.hydra"):
            # the whole configuration; then what was chosen on the command line, as it was spelled there
            self.add(".hydra/config.yaml", of_hydra)
            self.add(".hydra/overrides.yaml", of_overrides)
        self.add("hparams.yaml", of_yaml)

    def reported(self, read: Callable[[FileTree, str], dict[str, str]], path: str) -> dict[str, str]:
        """The hyperparameters in a file. If it cannot be read, there are none, and the survey gets an error."""
        try:
            return read(self.tree, path)
        except (OSError, ValueError, RecursionError, SourceError) as error:
            self.found.errors.append(SourceError(f"cannot read the hyperparameters in {path}", path=path, cause=error))
            return {}
