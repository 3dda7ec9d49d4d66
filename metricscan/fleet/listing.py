"""List logs as a table that an engine can distribute, and put them together to tasks that hold whole jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from metricscan.errors import OptionError
from metricscan.fleet.tables import LOGS, conformed
from metricscan.logs.archives import member_of
from metricscan.logs.formats import CONTAINER_STREAMS
from metricscan.logs.job import is_read_once
from metricscan.logs.survey import given_paths, survey

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence

    from metricscan.logs.job import Log, Survey

#: About how many bytes of logs a task reads: enough to outweigh what an engine needs to start it (some milliseconds).
TASK_BYTES = 256 << 20
#: A task has at most so many logs, so that its table and what is known of each log stay small.
TASK_LOGS = 10_000


def list_logs(
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    job: str = "auto",
    jobs: str | os.PathLike[str] | None = None,
    include: str | Sequence[str] = (),
    exclude: str | Sequence[str] = (),
    input_format: str = "auto",
    follow_links: bool = False,
) -> pa.Table:
    """Find the logs under some paths, and the jobs that wrote them, as ``replay`` does.

    Parameters
    ----------
    paths, job, jobs, include, exclude, input_format, follow_links
        As :func:`metricscan.replay` takes them.

    Returns
    -------
    pyarrow.Table
        A row per log, with :data:`metricscan.fleet.tables.LOGS`.

    Raises
    ------
    OptionError
        A log can be read only once, such as standard input: no other machine can read it.
    SourceError
        A path cannot be found or read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> logs = pathlib.Path(tempfile.mkdtemp())
    >>> _ = [(logs / f"{name}.log").write_text("loss=1\\n") for name in "ab"]
    >>> list_logs(logs).select(["number", "job", "job_logs", "stream"]).to_pylist()[1]
    {'number': 1, 'job': 'b', 'job_logs': 1, 'stream': 'b.log'}
    """
    found = survey(
        given_paths(paths),
        job=job,
        jobs_file=jobs,
        include=include,
        exclude=exclude,
        input_format=input_format,
        follow_links=follow_links,
    )
    if found.errors:
        raise found.errors[0]
    return logs_of(found)


def logs_of(found: Survey) -> pa.Table:
    """The logs of a survey, in the order of a replay.

    Raises
    ------
    OptionError
        A log can be read only once, or its path is not UTF-8.
    """
    rows = [(one, log) for one in found.jobs for log in one.logs]
    once = next((log.path for _, log in rows if log.path not in found.sizes and is_read_once(log.path)), None)
    if once is not None:
        raise OptionError(f"{once!r} can be read only once, so no other machine can read it")
    files: list[str | None] = []
    archived = []
    for _, log in rows:
        member = member_of(log.path, found.archives)
        archived.append(member is not None)
        files.append(_file_of(log, found) if member is None else member[0].path)
    shares: dict[str, int] = {}
    for file in files:
        if file is not None:
            shares[file] = shares.get(file, 0) + 1
    following = [*rows[1:], (None, None)][: len(rows)]
    pieces = [found.pieces.get(log.path) for _, log in rows]
    columns = {
        "number": range(len(rows)),
        "job": (one.name for one, _ in rows),
        "job_logs": (len(one.logs) for one, _ in rows),
        "path": (log.path for _, log in rows),
        "stream": (log.stream for _, log in rows),
        "within": (log.within for _, log in rows),
        "part": (log.part for _, log in rows),
        "superseded": (log.superseded for _, log in rows),
        "is_followed": (
            one is other and log.stream == (None if later is None else later.stream)
            for (one, log), (other, later) in zip(rows, following, strict=True)
        ),
        "is_archived": archived,
        "file": files,
        "file_logs": (1 if file is None else shares[file] for file in files),
        "size": (found.sizes.get(log.path, 0) for _, log in rows),
        "piece_of": (None if one is None else one.base for one in pieces),
        "piece": (None if one is None else one.part for one in pieces),
        "piece_follows": (None if one is None else one.follows for one in pieces),
        "start": (None for _ in rows),
        "end": (None for _ in rows),
    }
    try:
        return pa.table([pa.array(list(columns[field.name]), field.type) for field in LOGS], schema=LOGS)
    except UnicodeEncodeError as error:
        raise OptionError(f"a path or the name of a job is not UTF-8: {error.object!r}; engines need text") from error


def _file_of(log: Log, found: Survey) -> str | None:
    """The file that a log shares with others; the current one for the pieces of a container's log, whose messages go on."""
    if log.within is None:
        return None
    piece = found.pieces.get(log.path) if log.within in CONTAINER_STREAMS else None
    return log.path if piece is None else piece.base


def tasks_of(logs: pa.Table, *, most_bytes: int = TASK_BYTES, most_logs: int = TASK_LOGS) -> list[pa.Table]:
    """Cut a list of logs into tasks, each of which holds all logs of its jobs, and all logs of the files that they share.

    Parameters
    ----------
    logs : pyarrow.Table
        As :func:`list_logs` gives it.
    most_bytes, most_logs : int
        A task is not made larger than this if it can be avoided: a job or a shared file may be.

    Returns
    -------
    list of pyarrow.Table
        Their logs are in ascending order of numbers.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = [(folder / f"{name}.log").write_text("loss=1\\n") for name in "abc"]
    >>> [task["job"].to_pylist() for task in tasks_of(list_logs(folder), most_logs=2)]
    [['a', 'b'], ['c']]
    """
    logs = conformed(logs, LOGS, "the table of logs").combine_chunks().sort_by("number")
    together = _together(logs["job"].to_pylist(), logs["file"].to_pylist())
    sizes = logs["size"].to_pylist()
    found: list[list[int]] = []
    open_: list[int] = []
    held = 0
    for members, is_alone in together:
        size = sum(sizes[at] for at in members)
        if is_alone:
            # other jobs may lie between those that share a file: these are not put into one task with it
            found.append(members)
            continue
        if open_ and (held + size > most_bytes or len(open_) + len(members) > most_logs):
            found.append(open_)
            open_, held = [], 0
        open_ = open_ + members if open_ else members
        held += size
    if open_:
        found.append(open_)
    return [logs.take(pa.array(members, pa.int64())) for members in sorted(found)]


def _together(jobs: Sequence[str], files: Sequence[str | None]) -> list[tuple[list[int], bool]]:
    """The rows that belong in one task, and whether they share files with other jobs."""
    parents: dict[tuple[str, str], tuple[str, str]] = {}

    def top(key: tuple[str, str]) -> tuple[str, str]:
        parents.setdefault(key, key)
        while parents[key] != key:
            parents[key] = parents[parents[key]]
            key = parents[key]
        return key

    for job, file in zip(jobs, files, strict=True):
        if file is not None:
            parents[top(("file", file))] = top(("job", job))
    found: dict[tuple[str, str], list[int]] = {}
    shared = set()
    for at, (job, file) in enumerate(zip(jobs, files, strict=True)):
        key = top(("job", job))
        found.setdefault(key, []).append(at)
        if file is not None:
            shared.add(key)
    return [(members, key in shared) for key, members in found.items()]
