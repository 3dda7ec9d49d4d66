"""A log, the job that wrote it, and the outcome of a search for logs."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from metricscan.errors import SourceError
    from metricscan.logs.archives import Archive

STDIN = "-"


class Log(NamedTuple):
    """A log of a job: one stream.

    Attributes
    ----------
    path : str
        The file, or ``"-"`` for standard input.
    stream : str
        The stream's name within its job.
    within : str or None
        The name of the stream in an export that holds several; None for any other log.
    part : int
        The number of the piece, where a stream was rotated into several files; the oldest is 0. The pieces of a stream are
        logs of one job with the same stream.
    """

    path: str
    stream: str
    within: str | None = None
    part: int = 0


class Notice(NamedTuple):
    """What a reader of a result should know, though it is no error.

    Attributes
    ----------
    message : str
        A sentence.
    path : str or None
        The file or folder that it is about.
    """

    message: str
    path: str | None = None


@dataclass
class Job:
    """A training job: its logs, its status and its hyperparameters.

    Attributes
    ----------
    name : str
        Unique among the jobs of a replay.
    logs : list of Log
        Its streams, in natural name order.
    status : {"Completed", "Failed", "Stopped", "InProgress", None}
        None if the status is not known.
    hyperparameters : dict of str to str
        Values with the spelling of their source.
    """

    name: str
    logs: list[Log] = field(default_factory=list)
    status: str | None = None
    hyperparameters: dict[str, str] = field(default_factory=dict)


@dataclass(repr=False)
class Survey:
    """The outcome of a search for logs: the jobs under the paths of a replay.

    Attributes
    ----------
    jobs : list of Job
        In natural name order.
    errors : list of SourceError
        Paths that could not be found or read.
    notices : list of Notice
        What was decided about the paths and may not be what was meant.
    skipped_by_name, skipped_binary, skipped_not_regular : int
        Files in folders that were not taken for logs: because of their names; because of their content; because they are not
        regular files, but broken links, pipes, sockets or devices.
    skipped_links : int
        Links that lead to folders outside those given, and were not followed.
    skipped_archives : int
        Archives in folders and in archives, which were not opened.
    sizes : dict of str to int
        Bytes on disk of each log that is a regular file, by path, at the time of the search. Of a log in an archive, about
        the bytes that it takes up there.
    archives : dict of str to Archive
        The archives whose members are logs, by path.
    """

    jobs: list[Job] = field(default_factory=list)
    errors: list[SourceError] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    skipped_by_name: int = 0
    skipped_binary: int = 0
    skipped_not_regular: int = 0
    skipped_links: int = 0
    skipped_archives: int = 0
    sizes: dict[str, int] = field(default_factory=dict, repr=False)
    archives: dict[str, Archive] = field(default_factory=dict, repr=False)

    def __str__(self) -> str:
        logs = sum(len(job.logs) for job in self.jobs)
        text = f"{logs} log{'' if logs == 1 else 's'}"
        kinds = f"{self.skipped_by_name} by name, {self.skipped_binary} binary"
        if self.skipped_not_regular:
            kinds += f", {self.skipped_not_regular} not regular"
        if self.skipped_archives:
            kinds += f", {self.skipped_archives} archive{'' if self.skipped_archives == 1 else 's'}"
        if self.skipped:
            text += f", {self.skipped} skipped ({kinds})"
        if self.skipped_links:
            text += (
                f", {self.skipped_links} link{'' if self.skipped_links == 1 else 's'} to folders elsewhere not followed"
            )
        return text

    def __repr__(self) -> str:
        # a replay may have a million jobs
        return f"<Survey of {self}, {len(self.jobs)} job{'' if len(self.jobs) == 1 else 's'}>"

    @property
    def skipped(self) -> int:
        """How many files in folders were not taken for logs, for any reason."""
        return self.skipped_by_name + self.skipped_binary + self.skipped_not_regular + self.skipped_archives


def is_read_once(path: str) -> bool:
    """Whether a path can be read only once: standard input, a pipe, a socket or a device."""
    if path == STDIN:
        return True
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        # the error is raised when the path is read
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))
