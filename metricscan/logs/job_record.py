"""The record of a job that ``metricscan run`` keeps in the job's folder: how it was started, and how it ended."""

from __future__ import annotations

import json
import os
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from metricscan.definitions.blocks import STEP_PLACES
from metricscan.errors import SourceError
from metricscan.logs.living import is_alive, works_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Names in the folder of a job: its record, both of its descriptors, and its standard error where that is kept apart.
RECORD, OUTPUT, ERRORS = "job.json", "output.log", "errors.log"
#: The folder in it with the rows.
JOURNAL = "journal"
FORMAT = "metricscan job"
VERSION = 1
#: Larger files of this name are no records.
MOST_BYTES = 1 << 24
UNKNOWN = "Unknown"
_HEAD_BYTES = 200

Status = Literal["InProgress", "Completed", "Failed", "Stopped", "Unknown"]
_TEXTS = ("failure_reason", "stopped_by", "started_at", "ended_at", "job_id")
_STATUSES = ("InProgress", "Completed", "Failed", "Stopped", UNKNOWN)
# Those of a scanner: texts, and a number.
_OPTIONS = {"newline", "matches", "escape", "ansi"}
_MOST_BYTES = "max_record_bytes"


class JobRecord(NamedTuple):
    """What is known of a job that was run.

    Attributes
    ----------
    job : str
    status : {"InProgress", "Completed", "Failed", "Stopped", "Unknown"}
        Unknown if the process that was to note the end was killed, or its machine went down, or if the folder is a copy of that
        of a job in progress.
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

    @property
    def seconds(self) -> float | None:
        """For how long the job ran, up to now if it runs; None if that is not known."""
        try:
            begin = datetime.fromisoformat(self.started_at or "").timestamp()
            if self.status == "InProgress":
                return max(0.0, time.time() - begin)
            return max(0.0, datetime.fromisoformat(self.ended_at or "").timestamp() - begin)
        except (ValueError, OverflowError):
            # whoever made the folder may have written anything
            return None


def is_record(head: bytes) -> bool:
    """Whether a file called :data:`RECORD` begins as one of ours: the name is a usual one."""
    return head.lstrip(b"{ \n").startswith(f'"format": "{FORMAT}"'.encode())


def is_job_folder(folder: str) -> bool:
    """Whether a folder is that of a job: it holds a record of ours."""
    try:
        with open(os.path.join(folder, RECORD), "rb") as file:
            return is_record(file.read(_HEAD_BYTES))
    except OSError:
        return False


def parsed(text: bytes, folder: str | None) -> JobRecord | None:
    """Read a record; None if the text is another one's.

    A job that is recorded as in progress is Unknown if nobody will note its end here: its supervisor is not alive, or works in
    another folder, of which this one is a copy.

    Parameters
    ----------
    text : bytes
    folder : str or None
        The folder in which the record lies; None in an archive.

    Raises
    ------
    ValueError
        It is damaged, or of a newer version.
    """
    if not is_record(text[:_HEAD_BYTES]):
        return None
    document: dict[str, Any] = json.loads(text)
    version = document.get("version")
    if version != VERSION:
        raise ValueError(f"a record of version {version}: version {VERSION} is the newest that is known")
    _check(document)
    status = document["status"]
    if status == "InProgress" and not may_go_on(document, folder):
        status = UNKNOWN
    return JobRecord(
        document["job"],
        status,
        document.get("exit_code"),
        document.get("failure_reason"),
        document.get("stopped_by"),
        document.get("started_at"),
        document.get("ended_at"),
        document["hyperparameters"],
        document,
    )


def may_go_on(document: Mapping[str, Any], folder: str | None) -> bool:
    """Whether someone may be alive who will note the end of a job in this folder; None is an archive.

    Before there is a supervisor, the process that starts the job is to be alive.
    """
    supervisor = document.get("supervisor")
    alive = is_alive(supervisor or document["runner"])
    if supervisor is None or not alive:
        return alive is not False
    return folder is not None and works_in(int(supervisor["pid"]), folder) is not False


def _check(document: dict[str, Any]) -> None:
    """Check what others rely on: whoever made the folder may have written anything.

    Raises
    ------
    ValueError
        A member is missing, or has another type.
    """
    if document.get("status") not in _STATUSES:
        raise ValueError(f"the status {document.get('status')!r} is none of {', '.join(_STATUSES)}")
    for name in ("job", "folder"):
        if not isinstance(document.get(name), str):
            raise ValueError(f"a text was expected at {name}")
    for name in _TEXTS:
        if not isinstance(document.get(name), (str, type(None))):
            raise ValueError(f"a text or null was expected at {name}")
    if not isinstance(document.get("exit_code"), (int, type(None))):
        raise ValueError("a number or null was expected at exit_code")
    for name in ("runner", "supervisor", "child"):
        one = document.get(name)
        if not (one is None and name != "runner") and not _is_process(one):
            raise ValueError(f"a process was expected at {name}")
    if not _is_texts(document.get("hyperparameters")):
        raise ValueError("an object of texts was expected at hyperparameters")
    outputs = document.get("outputs")
    if not isinstance(outputs, list) or not outputs or any(name not in (OUTPUT, ERRORS) for name in outputs):
        raise ValueError(f"{OUTPUT} or {ERRORS} was expected at outputs")
    if isinstance(document.get("grace_s"), bool) or not isinstance(document.get("grace_s"), (int, float)):
        raise ValueError("a number was expected at grace_s")
    if not isinstance(document.get("step", 0), (str, type(None))):
        raise ValueError("a text or null was expected at step")
    if document.get("step_place", "before") not in STEP_PLACES:
        raise ValueError(f"one of {', '.join(STEP_PLACES)} was expected at step_place")
    if "scanner" not in document or not _is_scanner(document["scanner"]):
        raise ValueError("definitions, labels and options, or null, were expected at scanner")
    if not _is_texts(document.get("objective"), ("metric", "goal")) and document.get("objective") is not None:
        raise ValueError("a metric and a goal, or null, were expected at objective")


def _is_texts(value: object, names: Sequence[str] = ()) -> bool:
    """Whether a value is an object of texts, with these members."""
    return (
        isinstance(value, dict)
        and all(isinstance(one, str) for one in value.values())
        and all(map(value.__contains__, names))
    )


def _is_scanner(value: object) -> bool:
    """Whether a value describes a scanner, or that there is none."""
    if value is None:
        return True
    if not isinstance(value, dict) or not isinstance(value.get("definitions"), list):
        return False
    return (
        all(_is_texts(one, ("Name", "Regex")) for one in value["definitions"])
        and _is_texts(value.get("labels"))
        and _are_options(value.get("options"))
    )


def _are_options(value: object) -> bool:
    """Whether a value holds options of a scanner; which values they may have, the scanner says."""
    if not isinstance(value, dict) or not value.keys() <= {*_OPTIONS, _MOST_BYTES}:
        return False
    size = value.get(_MOST_BYTES, 0)
    texts = {name: one for name, one in value.items() if name != _MOST_BYTES}
    return isinstance(size, int) and not isinstance(size, bool) and _is_texts(texts)


def _is_process(value: object) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("pid"), int)
        and isinstance(value.get("start"), int)
        and all(isinstance(value.get(name), str) for name in ("host", "boot", "pids"))
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
            record = parsed(file.read(MOST_BYTES), folder)
    except FileNotFoundError as error:
        raise SourceError(f"{folder} is not the folder of a job: it has no {RECORD}", path=folder) from error
    except (OSError, ValueError, RecursionError) as error:
        raise SourceError(f"cannot read {path}", path=path, cause=error) from error
    if record is None:
        raise SourceError(f"{path} is not the record of a job that metricscan run started", path=path)
    return record
