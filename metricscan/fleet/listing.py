"""List logs as a table that an engine can distribute, and put them together to tasks that hold whole jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metricscan.errors import OptionError
from metricscan.fleet.tables import LOGS, conformed
from metricscan.logs.archives import member_of
from metricscan.logs.formats import CONTAINER_STREAMS
from metricscan.logs.job import is_read_once
from metricscan.logs.survey import given_paths, survey

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence

    from metricscan.datasets.rows import Array
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
    logs = conformed(logs, LOGS, "the table of logs").combine_chunks()
    number = pc.fill_null(logs["number"], -1).to_numpy()
    if not (number[1:] > number[:-1]).all():
        logs = logs.sort_by("number").combine_chunks()
    if not logs.num_rows:
        return []
    group, is_shared = _together(logs)
    # group by group, in the order of their first logs
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    counts = np.diff(np.append(starts, len(order)))
    sizes = np.add.reduceat(pc.fill_null(logs["size"], 0).to_numpy()[order], starts)
    found = [order[begin : begin + count] for begin, count in zip(starts[is_shared], counts[is_shared], strict=True)]
    # other jobs may lie between those that share a file: these are not put into one task with it
    alone = np.flatnonzero(~is_shared)
    ends = np.cumsum(counts[alone]), np.cumsum(sizes[alone])
    begin = 0
    while begin < len(alone):
        limits = zip(ends, (most_logs, most_bytes), strict=True)
        before = [int(end[begin - 1]) if begin else 0 for end in ends]
        within = (int(np.searchsorted(end, at + most, "right")) for (end, most), at in zip(limits, before, strict=True))
        end = max(begin + 1, min(within))
        found.append(np.concatenate([order[starts[at] : starts[at] + counts[at]] for at in alone[begin:end]]))
        begin = end
    return [_rows(logs, np.sort(members)) for members in sorted(found, key=lambda members: int(members.min()))]


def _rows(logs: pa.Table, members: Array) -> pa.Table:
    """The rows at these places; zero-copy if they follow each other."""
    first, last = int(members[0]), int(members[-1])
    return logs.slice(first, len(members)) if last - first + 1 == len(members) else logs.take(pa.array(members))


def _together(logs: pa.Table) -> tuple[Array, Array]:
    """For each row the number of the rows that belong in one task with it, and for each number whether they share files.

    The numbers are in the order of the first rows.
    """
    jobs, files = (logs[name].combine_chunks().dictionary_encode() for name in ("job", "file"))
    group = jobs.indices.to_numpy().astype(np.int64)
    shares = np.zeros(len(jobs.dictionary), dtype=bool)
    with_file = np.flatnonzero(pc.is_valid(files.indices).to_numpy(zero_copy_only=False))
    if with_file.size:
        above = list(range(len(shares)))

        def top(at: int) -> int:
            while above[at] != at:
                above[at] = above[above[at]]
                at = above[at]
            return at

        first_of: dict[int, int] = {}
        for job, file in zip(
            group[with_file].tolist(), files.indices.take(pa.array(with_file)).to_pylist(), strict=True
        ):
            first, second = sorted((top(job), top(first_of.setdefault(file, job))))
            above[second] = first
        shares[group[with_file]] = True
        tops = np.array([top(at) for at in range(len(above))], np.int64)
        kept, number = np.unique(tops, return_inverse=True)
        shares = np.bincount(number[shares], minlength=len(kept)) > 0
        group = number[group]
    return group, shares
