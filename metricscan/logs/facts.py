"""Facts about a job besides its logs: status and hyperparameters, from files beside its logs, or from its name."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from metricscan.errors import SourceError
from metricscan.logs.parameters import (
    parameters_in_name,
    read_json,
    read_overrides,
    read_wandb,
    read_yaml,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from metricscan.logs.job import Job, Survey

# Larger files with such a name hold something else.
_MOST_PARAMETER_BYTES = 1 << 20
_PARAMETER_FILES = ("hyperparameters.json", "input/config/hyperparameters.json", "params.json")
_LOG_SUFFIX = re.compile(r"\.(?:log|txt|out|err)$")


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
    if "=" in job.name:
        job.hyperparameters.update(parameters_in_name(_LOG_SUFFIX.sub("", job.name)))
    if folder is None or not os.path.isdir(folder):
        return

    def add(name: str, read: Callable[[str], dict[str, str]]) -> bool:
        path = f"{folder}/{name}"
        if not os.path.isfile(path):
            return False
        job.hyperparameters.update(_reported(read, path, found))
        return True

    for name in _PARAMETER_FILES:
        add(name, read_json)
    if os.path.isdir(f"{folder}/.hydra") and not add(".hydra/overrides.yaml", read_overrides):
        add(".hydra/config.yaml", read_yaml)
    add("hparams.yaml", read_yaml)
    # these names are usual ones, which mean hyperparameters only where such a tool wrote them
    stream = job.logs[0].stream
    if stream.startswith("std."):
        add("config.json", read_json)
    elif stream.startswith("files/"):
        add("files/config.yaml", read_wandb)
    elif stream.startswith(".guild/"):
        add(".guild/attrs/flags", read_yaml)
        job.status = _status_of_guild(os.path.join(folder, ".guild/attrs/exit_status"), found)


def _status_of_guild(path: str, found: Survey) -> str | None:
    """The status of a run that ended; None while it goes on."""
    if not os.path.isfile(path):
        return None
    try:
        with open(path, encoding="utf-8") as file:
            return "Failed" if int(file.read(100)) else "Completed"
    except (OSError, ValueError) as error:
        found.errors.append(SourceError(f"cannot read the exit status in {path}", path=path, cause=error))
        return None


def _reported(read: Callable[[str], dict[str, str]], path: str, found: Survey) -> dict[str, str]:
    """The hyperparameters in a file. If it cannot be read, there are none, and the survey gets an error."""
    try:
        if os.path.getsize(path) > _MOST_PARAMETER_BYTES:
            raise ValueError(
                f"{os.path.getsize(path)} bytes; a file of hyperparameters has at most {_MOST_PARAMETER_BYTES}"
            )
        return read(path)
    except (OSError, ValueError, RecursionError) as error:
        found.errors.append(SourceError(f"cannot read the hyperparameters in {path}", path=path, cause=error))
        return {}
