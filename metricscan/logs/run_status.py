"""How a run ended, as the tool that started it noted it in a file."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from metricscan.definitions.pasted import text_of
from metricscan.errors import SourceError
from metricscan.logs.compression import SUFFIX_PATTERN as _PACKED
from metricscan.logs.parameters import MOST_BYTES, of_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable

    from metricscan.logs.file_tree import FileTree
    from metricscan.logs.job import Survey

_LOG_OF_SUBMITIT = re.compile(rf"(?P<task>.*/\d+(?:_\d+)?_\d+_)log\.(?:out|err){_PACKED}", re.DOTALL)
# The words of a pickled tuple's first item. Nothing is unpickled: that would run code of the file.
_PICKLED = {b"\x8c\x07success\x94": "Completed", b"\x8c\x05error\x94": "Failed"}
_PICKLE_HEAD = re.compile(rb"\x80[\x04\x05]\x95.{8}(\x8c.[a-z]+\x94)", re.DOTALL)
_IN_MLFLOW = {"1": "InProgress", "2": "InProgress", "3": "Completed", "4": "Failed", "5": "Stopped"}
_RAY_TRIAL_ID = re.compile(r"(?:^|_)([0-9a-f]{5,8}_\d{5}|[0-9a-f]{8})(?=_|$)")
_IN_RAY = {
    "TERMINATED": "Completed",
    "ERROR": "Failed",
    "PAUSED": "Stopped",
    "RUNNING": "InProgress",
    "PENDING": "InProgress",
}
_LOG_OF_METAFLOW = re.compile(
    rf"(?P<attempt>.*/(?P<number>\d+)\.)(?:runtime|task)_std(?:out|err)\.log{_PACKED}", re.DOTALL
)
_LOG_OF_AIRFLOW = re.compile(r".*/attempt=(?P<number>\d+)\.log", re.DOTALL)
_END_IN_AIRFLOW = re.compile(rb"Task exited with return code (-?\d+)|Marking task as ([A-Z_]+)")
_IN_AIRFLOW = {b"SUCCESS": "Completed", b"FAILED": "Failed", b"UP_FOR_RETRY": "Failed", b"SKIPPED": "Stopped"}
# Airflow prints two tracebacks behind the word for a failed task.
_AIRFLOW_END_BYTES = 64 << 10
# A state has some kilobytes per trial.
_MOST_STATE_BYTES = 1 << 28


def status_of_guild(files: FileTree, path: str, found: Survey) -> str | None:
    """The status in Guild's file with the exit status; None while the run goes on."""
    try:
        return "Failed" if int(text_of(files.first_bytes(path, 100))) else "Completed"
    except FileNotFoundError:
        return None
    except (OSError, ValueError, SourceError) as error:
        found.errors.append(SourceError(f"cannot read the exit status in {path}", path=path, cause=error))
        return None


def status_of_mlflow(files: FileTree, path: str, found: Survey) -> str | None:
    """The status in the file that MLflow keeps of a run."""
    try:
        return _IN_MLFLOW.get(
            of_yaml(text_of(files.read(path, MOST_BYTES, "what MLflow keeps of a run"))).get("status", "")
        )
    except (OSError, ValueError, RecursionError, SourceError) as error:
        found.errors.append(SourceError(f"cannot read the status in {path}", path=path, cause=error))
        return None


def status_of_submitit(files: FileTree, logs: Iterable[str], found: Survey) -> tuple[str | None, str]:
    """The status of a job of submitit, and the file that gives it.

    Each task leaves a result when it ends. One that failed decides; a job is complete when all of its tasks are.
    """
    results = {match["task"] + "result.pkl": None for log in logs if (match := _LOG_OF_SUBMITIT.fullmatch(log))}
    statuses: list[str | None] = []
    for path in results:
        try:
            head = _PICKLE_HEAD.match(files.first_bytes(path, 64))
        except FileNotFoundError:
            statuses.append(None)
            continue
        except (OSError, SourceError) as error:
            found.errors.append(SourceError(f"cannot read the result in {path}", path=path, cause=error))
            statuses.append(None)
            continue
        status = None if head is None else _PICKLED.get(head[1])
        if status == "Failed":
            return status, path
        statuses.append(status)
    return ("Completed" if statuses and None not in statuses else None), next(iter(results), "")


def status_of_metaflow(files: FileTree, logs: Iterable[str], found: Survey) -> tuple[str | None, str]:
    """The status of a task of Metaflow, and the file that gives it: that of its last attempt.

    ``N.runtime`` says how an attempt ended. Where it is missing, a failed attempt is known by the last line of its errors.
    """
    matches = [match for log in logs if (match := _LOG_OF_METAFLOW.fullmatch(log))]
    if not matches:
        return None, ""
    attempt = max(matches, key=lambda match: int(match["number"]))["attempt"]
    path = f"{attempt}runtime"
    try:
        ended = json.loads(text_of(files.first_bytes(path, 10_000)))
        if ended["success"]:
            return "Completed", path
        return ("Stopped" if ended.get("killed") else "Failed"), path
    except FileNotFoundError:
        pass
    except (OSError, ValueError, LookupError, TypeError, RecursionError, SourceError) as error:
        found.errors.append(SourceError(f"cannot read the status in {path}", path=path, cause=error))
        return None, ""
    path = f"{attempt}runtime_stderr.log"
    return ("Failed" if _end_of(files, path, 200).rstrip().endswith(b"Task failed.") else None), path


def status_of_airflow(files: FileTree, logs: Iterable[str]) -> tuple[str | None, str]:
    """The status of a task of Airflow, and the log that gives it: the end of that of its last attempt."""
    matches = [match for log in logs if (match := _LOG_OF_AIRFLOW.fullmatch(log))]
    if not matches:
        return None, ""
    path = max(matches, key=lambda match: int(match["number"]))[0]
    ends = [*_END_IN_AIRFLOW.finditer(_end_of(files, path, _AIRFLOW_END_BYTES))]
    if not ends:
        return None, path
    code, word = ends[-1].groups()
    if code is not None:
        words = [end[2] for end in ends if end[2] is not None]
        # a task that was skipped exits with 0, too
        return "Failed" if int(code) else _IN_AIRFLOW.get(words[-1] if words else b"", "Completed"), path
    return _IN_AIRFLOW.get(word), path


def is_json_of_airflow(files: FileTree, path: str) -> bool:
    """Whether a task's log has a JSON object per line, as Airflow 3 writes it."""
    try:
        begin = files.first_bytes(path, 1 << 16).partition(b"\n")[0]
    except (OSError, SourceError):
        return False
    return begin.startswith(b"{") and b'"timestamp":' in begin and b'"event":' in begin


def _end_of(files: FileTree, path: str, size: int) -> bytes:
    """The last bytes of a log; nothing if it cannot be read, which the scan reports."""
    try:
        return files.last_bytes(path, size)
    except (OSError, SourceError):
        return b""


def status_of_ray(files: FileTree, experiment: str, trial: str, found: Survey) -> tuple[str | None, str]:
    """The status of a trial in the state that Ray Tune keeps of an experiment, and the file that gives it.

    ``experiment`` is the folder of the experiment, ``trial`` the name of the trial's folder. A trial's own file
    ``error.txt`` says less: it stays when a further attempt succeeds.
    """
    trial_id = _RAY_TRIAL_ID.search(trial)
    if trial_id is None:
        return None, ""
    try:
        path = files.derived(_latest_state, experiment)
        if path is None:
            return None, ""
        statuses = files.derived(_statuses_in_ray, path)
    except OSError:
        # no such folder: the trials were copied without the experiment
        return None, ""
    if isinstance(statuses, Exception):
        if all(error.path != path for error in found.errors):
            found.errors.append(SourceError(f"cannot read the statuses in {path}", path=path, cause=statuses))
        return None, ""
    return _IN_RAY.get(statuses.get(trial_id[1], "")), path


def _latest_state(files: FileTree, experiment: str) -> str | None:
    """The newest state in a folder: their names end in the time at which the experiment began, or went on."""
    names = [
        name for name in files.names(experiment) if name.startswith("experiment_state-") and name.endswith(".json")
    ]
    return f"{experiment}/{max(names)}" if names else None


def _statuses_in_ray(files: FileTree, path: str) -> dict[str, str] | Exception:
    """The status of each trial by its id; what is wrong with a file that cannot be read."""
    try:
        state = json.loads(text_of(files.read(path, _MOST_STATE_BYTES, "a state")))
        trials = [json.loads(one[0]) for one in state["trial_data"]]
        return {str(one["trial_id"]): str(one["status"]) for one in trials}
    except (OSError, ValueError, RecursionError, SourceError) as error:
        return error
    except (LookupError, TypeError):
        return ValueError("a list of trials with trial_id and status was expected at trial_data")
