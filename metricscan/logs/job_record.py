"""The record of a job that ``metricscan run`` keeps in the job's folder: how it was started, and how it ended."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from metricscan.errors import SourceError
from metricscan.logs.living import is_alive

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Names in the folder of a job: its record, both of its descriptors, and its standard error where that is kept apart.
RECORD, OUTPUT, ERRORS = "job.json", "output.log", "errors.log"
FORMAT = "metricscan job"
VERSION = 1
#: Larger files of this name are no records.
MOST_BYTES = 1 << 24
UNKNOWN = "Unknown"

Status = Literal["InProgress", "Completed", "Failed", "Stopped", "Unknown"]
_STATUSES = ("InProgress", "Completed", "Failed", "Stopped", UNKNOWN)


class JobRecord(NamedTuple):
    """What is known of a job that was run.

    Attributes
    ----------
    job : str
    status : {"InProgress", "Completed", "Failed", "Stopped", "Unknown"}
        Unknown if the process that was to note the end was killed, or its machine went down.
    exit_code : int or None
        That of the command; 128 and the signal's number if a signal ended it.
    failure_reason : str or None
    stopped_by : str or None
        Why it was stopped.
    started_at, ended_at : str or None
        Times in ISO 8601, UTC.
    hyperparameters : dict of str to str
        Values whose names say that they are secret are ``***``.
    document : mapping
        The whole record.
    """

    job: str
    status: Status
    exit_code: int | None
    failure_reason: str | None
    stopped_by: str | None
    started_at: str | None
    ended_at: str | None
    hyperparameters: dict[str, str]
    document: Mapping[str, Any]


def is_record(head: bytes) -> bool:
    """Whether a file called :data:`RECORD` begins as one of ours: the name is a usual one."""
    return head.lstrip(b"{ \n").startswith(f'"format": "{FORMAT}"'.encode())


def parsed(text: bytes) -> JobRecord | None:
    """Read a record; None if the text is another one's.

    A job that is recorded as in progress is Unknown if the process that was to note its end is not alive.

    Raises
    ------
    ValueError
        It is damaged, or of a newer version.
    """
    if not is_record(text[:200]):
        return None
    document = json.loads(text)
    version = document.get("version")
    if version != VERSION:
        raise ValueError(f"a record of version {version}: version {VERSION} is the newest that is known")
    status = document.get("status")
    if status not in _STATUSES:
        raise ValueError(f"the status {status!r} is none of {', '.join(_STATUSES)}")
    keeper = document.get("supervisor") or document.get("runner")
    if status == "InProgress" and (not isinstance(keeper, dict) or is_alive(keeper) is False):
        status = UNKNOWN
    parameters = document.get("hyperparameters")
    if not isinstance(parameters, dict):
        raise ValueError("an object was expected at hyperparameters")
    return JobRecord(
        str(document.get("job")),
        status,
        document.get("exit_code"),
        document.get("failure_reason"),
        document.get("stopped_by"),
        document.get("started_at"),
        document.get("ended_at"),
        {str(name): str(value) for name, value in parameters.items()},
        document,
    )


def read_record(folder: str) -> JobRecord:
    """Read the record of a job's folder.

    Raises
    ------
    SourceError
        There is none, or it cannot be read.
    """
    path = f"{folder}/{RECORD}"
    try:
        with open(path, "rb") as file:
            record = parsed(file.read(MOST_BYTES))
    except FileNotFoundError as error:
        raise SourceError(f"{folder} is not the folder of a job: it has no {RECORD}", path=folder) from error
    except (OSError, ValueError, RecursionError) as error:
        raise SourceError(f"cannot read {path}", path=path, cause=error) from error
    if record is None:
        raise SourceError(f"{path} is not the record of a job that metricscan run started", path=path)
    return record
