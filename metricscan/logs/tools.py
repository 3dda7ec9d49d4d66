"""Files that tools write about themselves, which are no logs of the program. The option ``include`` overrules this."""

from __future__ import annotations

import fnmatch
import functools
import os
import re
from typing import TYPE_CHECKING

from metricscan.logs.compression import SUFFIX_PATTERN as _PACKED
from metricscan.logs.job import Notice

if TYPE_CHECKING:
    from collections.abc import Iterable

if TYPE_CHECKING:
    from collections.abc import Callable

#: A part of a regex that matches the name of a run's folder of W&B; the last one is that of a copy of the newest run.
WANDB_RUN = r"(?:(?:offline-)?run-\d{8}_\d{6}-[^/]+|latest-run)"

# By a text in the folder's path, with / behind it: a regex for a file's absolute path. The text is tested once per folder.
_BY_FOLDER = (
    # W&B: what its client and its service did, and what it notes of the code
    ("/wandb/", rf".*/wandb/debug[^/]*\.log{_PACKED}"),
    ("/logs/", rf".*/{WANDB_RUN}/logs/debug[^/]*\.log{_PACKED}"),
    ("/files/", rf".*/{WANDB_RUN}/files/(?:diff\.patch|(?:code|media)/.+)"),
    # Ray: what the processes of a session say of themselves; workers print for the program
    (
        "/session_",
        r".*/session_\d{4}(?:[_-]\d\d){5}_\d+_\d+/(?:[^/]+|logs/(?!(?:worker|job-driver)-)[^/]+|logs/(?:export_)?events/.+)",
    ),
    # NNI: its manager's and its tuner's logs
    ("/log/", r".*/log/(?:nnimanager|dispatcher)\.log|.*/nni-experiments/[^/]+/log/[^/]+"),
    # Syne Tune: a trial's checkpoints
    ("/checkpoints/", r".*-\d{4}(?:-\d\d){5}-\d{3}/\d+/checkpoints/.+"),
    # MLflow: a file for each parameter, metric and tag of a run or a model
    ("/params/", r".*/(?:m-)?[0-9a-f]{32}/params/.+"),
    ("/metrics/", r".*/(?:m-)?[0-9a-f]{32}/metrics/.+"),
    ("/tags/", r".*/(?:m-)?[0-9a-f]{32}/tags/.+"),
    # Metaflow: what it notes of a task's attempts, and what the tasks hand on
    (
        "/.metaflow/",
        r".*/\.metaflow/[^/]+/latest_run|.*/\d+\.(?:runtime|task_begin|task_end|DONE\.lock|(?:attempt|data)\.json)",
    ),
    ("/data/", r".*/\.metaflow/[^/]+/data/[0-9a-f]{2}/[0-9a-f]{40}(?:_meta)?"),
    # Azure ML: its own processes
    (
        "/system_logs/",
        r".*/system_logs/(?:(?:cs|data|hosttools|metrics|snapshot)_capability|execution-wrapper|lifecycler)/.+",
    ),
    ("/azureml-logs/", r".*/azureml-logs/(?!70_driver_log)[^/]+"),
    ("/azureml/", r".*/logs/azureml/.+"),
    # Airflow: its own processes
    ("/dag_processor_manager/", r".*/dag_processor_manager/dag_processor_manager\.log"),
    ("/scheduler/", r".*/scheduler/(?:\d{4}-\d\d-\d\d|latest)/.+\.log"),
    ("/dag_processor/", r".*/dag_processor/(?:\d{4}-\d\d-\d\d|latest)/.+\.log"),
    # Guild: of a run's folder .guild, its output alone is a log; runs in its trash were deleted
    ("/trash/runs/", r".*/trash/runs/[0-9a-f]{32}/.+"),
    ("/import-flags/", r".*/cache/import-flags/[0-9a-f]{32}"),
    ("/.guild/", rf".*/\.guild/(?!output{_PACKED}$)[^/]+"),
)
# Most folders are none of these, which is seen fast. Guild and MLflow name runs by digests.
_FOLDERS = frozenset(["ml", *(text.split("/")[-2] for text, _ in _BY_FOLDER if text.endswith("/"))])
_DIGEST_LENGTH = 32
# Where a tool keeps what a run printed, the other files of the run are copies of it, or of the project, or results: a regex for a
# file's absolute path, and the print-out beside which this is so.
_SAVED_BY_WANDB = rf"(?P<run>.*/{WANDB_RUN})/files/(?!output\.log).+"
_SAVED_BY_GUILD = r"(?P<run>.*/[0-9a-f]{32})/(?!\.guild/).+"
# of a job that metricscan ran: what it was given, and what it made
_SAVED_BY_RUN = r"(?P<run>.*)/ml/(?:code|input|model|output)/.+"
_SAVED = (
    (_SAVED_BY_WANDB, "files/output.log"),
    (_SAVED_BY_GUILD, ".guild/output"),
    (_SAVED_BY_RUN, "output.log"),
)
#: What the paths of such print-outs end with.
PRINT_OUTS = tuple(f"/{print_out}" for _, print_out in _SAVED)
_MAY_BE_SAVED = rf".*/(?:{WANDB_RUN}/files|[0-9a-f]{{32}}|ml/(?:code|input|model|output))/.*"
# By the file's name: a regex for the folder's absolute path.
_BY_NAME = {
    # Ray: a trial's traceback
    "error.txt": r".*/[^/]*(?:[0-9a-f]{5,8}_\d{5}|[0-9a-f]{8}_\d+)[^/]*",
    # Syne Tune: when a trial ended or was stopped
    "end": r".*/\d+",
    "stop": r".*/\d+",
    # Guild
    "run-status": r".*/locks",
}


def is_of_tool(folder: str, name: str, is_file: Callable[[str], bool] = os.path.isfile) -> bool:
    """Whether a file is one that a tool wrote about itself.

    Parameters
    ----------
    folder : str
        The absolute path of the file's folder.
    name : str
        The file's name.
    is_file : callable
        Whether an absolute path is that of a file.
    """
    by_name = _BY_NAME.get(name)
    if by_name is not None and _compiled(by_name).fullmatch(folder):
        return True
    patterns, may_be_saved = _patterns_in(folder)
    if not patterns and not may_be_saved:
        return False
    place = f"{folder}/{name}"
    return any(pattern.fullmatch(place) for pattern in patterns) or (may_be_saved and _is_saved(place, is_file))


def notice_of_tools(paths: Iterable[str], include: Iterable[str]) -> Notice | None:
    """The notice about files that tools wrote about themselves, which ``include`` took by the names of their folders."""
    # a glob such as debug*.log asks for them
    names = [last for pattern in include if (last := pattern.rpartition("/")[2]).strip("*?")]
    taken = [path for path in paths if not any(fnmatch.fnmatchcase(os.path.basename(path), name) for name in names)]
    if not taken:
        return None
    count = f"{len(taken):,} log{' is' if len(taken) == 1 else 's are'}"
    return Notice(
        f"{count} what a tool wrote about itself, for example {taken[0]}: include took it by its folder", taken[0]
    )


def _is_saved(place: str, is_file: Callable[[str], bool]) -> bool:
    return any(
        (match := _compiled(pattern).fullmatch(place)) is not None and is_file(f"{match['run']}/{print_out}")
        for pattern, print_out in _SAVED
    )


# the files of a folder are asked for one after the other
@functools.lru_cache(maxsize=16)
def _patterns_in(folder: str) -> tuple[tuple[re.Pattern[str], ...], bool]:
    parts = folder.split("/")
    if _FOLDERS.isdisjoint(parts) and "/session_" not in folder and _DIGEST_LENGTH not in map(len, parts):
        return (), False
    within = f"{folder}/"
    patterns = tuple(_compiled(pattern) for text, pattern in _BY_FOLDER if text in within)
    return patterns, _compiled(_MAY_BE_SAVED).fullmatch(within) is not None


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """A regex for a path, compiled when the first path needs it: a run meets few tools."""
    return re.compile(pattern, re.DOTALL)
