"""A log, the job that wrote it, and the outcome of a search for logs."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from metricscan.errors import SourceError
    from metricscan.logs.archives import Archive

STDIN = "-"

#: Why a file is a log: it was given; its name is not that of another kind of file; it holds log events; include names it.
#: Why a file is none: its name; include does not name it, or exclude does; its name begins with a dot; a tool wrote it about
#: itself; it belongs to a dataset; it gave facts about a job; its content is binary; it is an archive in a folder or in an
#: archive, which is not opened; it is a pipe, say; it is a broken link; it is
#: a link to what is searched, or to a folder elsewhere; it was found under another path; it is a copy of what lies beside it.
Why: TypeAlias = Literal[
    "given",
    "by-name",
    "by-content",
    "included",
    "not-included",
    "excluded",
    "hidden",
    "of-tool",
    "dataset",
    "facts",
    "binary",
    "archive",
    "not-regular",
    "broken-link",
    "link",
    "elsewhere",
    "same-file",
    "copy",
]

#: The source of hyperparameters that the name of a folder or log spells.
FROM_NAME = "name"


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
        logs of one job with the same stream. So are the logs of several attempts.
    superseded : bool
        Whether a later attempt superseded the one that wrote the log: its rows are in the tables, and decide nothing.
    """

    path: str
    stream: str
    within: str | None = None
    part: int = 0
    superseded: bool = False


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


class Piece(NamedTuple):
    """A file that is a piece of a rotated log.

    Attributes
    ----------
    base : str
        The path of the stream's current file, which names the stream.
    part : int
        The number of the piece; the oldest is 0.
    follows : bool
        Whether nothing shows that something is missing between the piece before it and this one.
    """

    base: str
    part: int
    follows: bool = False


@dataclass(slots=True)
class Job:
    """A training job: its logs, its status and its hyperparameters.

    Attributes
    ----------
    name : str
        Unique among the jobs of a replay.
    logs : list of Log
        Its streams, in natural name order, of a rotated stream all pieces, the oldest first; none for a job of which only a
        jobs file knows.
    status : {"Completed", "Failed", "Stopped", "InProgress", None} or str
        None if the status is not known. Another word is that of a jobs file; such a job cannot win.
    hyperparameters : dict of str to str
        Values with the spelling of their source.
    parameter_sources : dict of str to str
        Where each hyperparameter comes from: the path of a file, or "name" for the name of a folder or log.
    status_source : str or None
        The path of the file that gave the status.
    """

    name: str
    logs: list[Log] = field(default_factory=list)
    status: str | None = None
    hyperparameters: dict[str, str] = field(default_factory=dict)
    parameter_sources: dict[str, str] = field(default_factory=dict, repr=False, compare=False)
    status_source: str | None = field(default=None, repr=False, compare=False)

    def add_parameters(self, parameters: Mapping[str, str], source: str) -> None:
        """Add hyperparameters, and where they come from. They overrule those of earlier sources."""
        self.hyperparameters.update(parameters)
        for name in parameters:
            self.parameter_sources[name] = source


class SurveyedFile(NamedTuple):
    """A file under the paths of a survey: a log, or why it is none. An export of several streams has one for each.

    Attributes
    ----------
    path : str
        A folder that was not searched ends with ``/``.
    taken : bool
        Whether it is a log.
    why : str
        Of a log ``"given"``, ``"by-name"``, ``"by-content"`` (a JSON or CSV file that holds log events) or ``"included"``. Of
        any other file ``"by-name"``, ``"not-included"``, ``"excluded"``, ``"hidden"``, ``"of-tool"`` (a tool wrote it about
        itself), ``"dataset"`` (of replay's), ``"facts"`` (hyperparameters or a status were read from it), ``"binary"``,
        ``"archive"`` (it was not opened), ``"not-regular"``, ``"broken-link"``, ``"link"`` (to what is searched),
        ``"elsewhere"`` (a link to a folder that is not searched), ``"same-file"`` or ``"copy"``.
    same_as : str or None
        The path under which a link, the same file or a copy is a log; of a broken link where it leads.
    size : int or None
        Bytes of a regular file; of a member of an archive, once it is extracted. A compressed log is not decompressed for it.
    job, stream : str or None
        Of a log.
    part : int
        Of a log, the number of its piece or attempt.
    superseded : bool
        Of a log, whether a later attempt superseded the one that wrote it.
    format, compression, encoding : str or None
        Of a log, what its first bytes show. The format is ``"plain"``, or that of an export. The encoding is ``"ascii"``,
        ``"utf-8"``, ``"utf-8-sig"`` (with a mark), ``"utf-16-le"`` or another one that a mark names, or ``"unknown"``. None if
        the log was not opened, or is not compressed, or is empty.
    stored : int or None
        Of a member of an archive, the bytes of the archive that it takes up. None in a compressed tar, whose members are
        compressed together.
    """

    path: str
    taken: bool
    why: Why
    same_as: str | None = None
    size: int | None = None
    job: str | None = None
    stream: str | None = None
    part: int = 0
    format: str | None = None
    compression: str | None = None
    encoding: str | None = None
    superseded: bool = False
    stored: int | None = None


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
    skipped_copies : int
        Folders and logs with the content of one beside them, under a name such as ``latest-run``, and archives whose logs were
        found extracted beside them.
    skipped_names : int
        Further names of logs: hard and symbolic links to a file that was found under another name.
    files : list of SurveyedFile
        Each file under the paths, in the order in which they were found. Only ``metricscan.survey`` lists them.
    skipped_archives : int
        Archives in folders and in archives, which were not opened.
    sizes : dict of str to int
        Bytes on disk of each log that is a regular file, by path, at the time of the search. Of a log in an archive, about
        the bytes that it takes up there.
    archives : dict of str to Archive
        The archives whose members are logs, by path.
    links : dict of str to str
        The paths of links that were met, each with that of the log to which it leads.
    pieces : dict of str to Piece
        By the paths of the logs that are pieces of rotated ones, the stream and the number of each.
    """

    jobs: list[Job] = field(default_factory=list)
    errors: list[SourceError] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    skipped_by_name: int = 0
    skipped_binary: int = 0
    skipped_not_regular: int = 0
    skipped_links: int = 0
    skipped_copies: int = 0
    skipped_names: int = 0
    files: list[SurveyedFile] = field(default_factory=list, repr=False)
    skipped_archives: int = 0
    sizes: dict[str, int] = field(default_factory=dict, repr=False)
    archives: dict[str, Archive] = field(default_factory=dict, repr=False)
    links: dict[str, str] = field(default_factory=dict, repr=False)
    pieces: dict[str, Piece] = field(default_factory=dict, repr=False)

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
        if self.skipped_copies:
            text += f", {self.skipped_copies} cop{'y' if self.skipped_copies == 1 else 'ies'} left out"
        if self.skipped_names:
            text += f", {self.skipped_names} further name{'' if self.skipped_names == 1 else 's'} of logs"
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
