"""The survey that a user asks for: each file under some paths, why it is a log or none, and what its first bytes show."""

from __future__ import annotations

import codecs
import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from metricscan.errors import AllFaults, SourceError
from metricscan.logs import survey as without_details
from metricscan.logs.archives import member_of
from metricscan.logs.by_content import HEAD_BYTES
from metricscan.logs.compression import MAX_DECOMPRESSED, compression
from metricscan.logs.find import DATASET_MANIFEST
from metricscan.logs.formats import format_of
from metricscan.logs.job import STDIN, SurveyedFile, is_read_once
from metricscan.logs.naming import absolute
from metricscan.logs.source import open_source, source_of_member

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from metricscan.logs.find import Decision
    from metricscan.logs.job import Log, Survey

# That of UTF-32-LE begins with that of UTF-16-LE.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def survey(
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    job: str = "auto",
    jobs: str | os.PathLike[str] | None = None,
    include: str | Sequence[str] = (),
    exclude: str | Sequence[str] = (),
    input_format: str = "auto",
    follow_links: bool = False,
    max_decompressed: int = MAX_DECOMPRESSED,
) -> Survey:
    """Say what :func:`metricscan.replay` would read under some paths, and why, without scanning a log.

    Parameters
    ----------
    paths : path or iterable of path
        Files, folders (searched for logs), globs, or ``"-"`` for standard input, which is not read.
    job : "auto", "file", "dir" or a regex
        What one job is, as in ``replay``.
    jobs : path, optional
        What is known about jobs, as in ``replay``.
    include, exclude : glob or sequence of glob
        Which files of a folder are logs.
    input_format : {"auto", "plain", "cloudwatch-json", "cloudwatch-csv", "s3-export", "docker-json", "cri"}
        The format of the logs. ``"auto"`` detects the format of each log by its first bytes. An export is read to its end, for
        the streams that its events name.
    follow_links : bool
        Whether to search the folders outside those given to which links in them lead.
    max_decompressed : int
        The most bytes that an archive, or a compressed log, is decompressed to.

    Returns
    -------
    Survey
        Its ``files`` lists each file that was met, ``jobs`` each job with its hyperparameters and where they come from.

    Raises
    ------
    OptionError
        Invalid values of options; the message names all errors.
    SourceError
        The jobs file cannot be read or is invalid. Other errors are in the survey.
    TypeError
        The paths are of another type.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> logs = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (logs / "lr=0.1.log").write_text("loss=0.5\\n"), (logs / "model.pt").write_bytes(bytes(9))
    >>> found = survey(logs)
    >>> [(os.path.basename(file.path), file.taken, file.why) for file in found.files]
    [('lr=0.1.log', True, 'by-name'), ('model.pt', False, 'by-name')]
    >>> found.jobs[0].hyperparameters, found.jobs[0].parameter_sources
    ({'lr': '0.1'}, {'lr': 'name'})
    """
    paths = without_details.given_paths(paths)
    with AllFaults() as faults:
        without_details.check_options(
            faults, job=job, jobs=jobs, input_format=input_format, max_decompressed=max_decompressed
        )
    decisions: dict[str, Decision] = {}
    found = without_details.survey(
        paths,
        job=job,
        jobs_file=jobs,
        include=include,
        exclude=exclude,
        input_format=input_format,
        follow_links=follow_links,
        max_decompressed=max_decompressed,
        decisions=decisions,
    )
    found.files = _files(decisions, found, input_format)
    return found


def _files(decisions: dict[str, Decision], found: Survey, input_format: str) -> list[SurveyedFile]:
    streams: dict[str, list[tuple[str, Log]]] = {}
    for job in found.jobs:
        for log in job.logs:
            streams.setdefault(log.path, []).append((job.name, log))
    datasets = {
        os.path.dirname(path)
        for path, decision in decisions.items()
        if decision.why == "by-name" and os.path.basename(path) == DATASET_MANIFEST
    }
    facts = {source for job in found.jobs for source in (*job.parameter_sources.values(), job.status_source)}
    files = []
    for path, (taken, why, same_as) in decisions.items():
        if not taken:
            if why == "by-name" and datasets and _lies_in(path, datasets):
                why = "dataset"
            elif not facts.isdisjoint((path, absolute(path))):
                why = "facts"
            files.append(_with_sizes(SurveyedFile(path, taken, why, same_as, _size(path)), found))
            continue
        shown = _shown(path, input_format, found)
        file = SurveyedFile(path, taken, why, same_as, found.sizes.get(path), **shown._asdict())
        file = _with_sizes(file, found)
        logs = streams.get(path, ())
        files += [
            file._replace(job=job, stream=log.stream, part=log.part, superseded=log.superseded) for job, log in logs
        ] or [file]
    return files


def _with_sizes(file: SurveyedFile, found: Survey) -> SurveyedFile:
    """A file with its size if it is a member of an archive."""
    member = member_of(file.path, found.archives)
    if member is None or member[1] not in member[0].members:
        return file
    archive, name = member
    return file._replace(size=archive.members[name].size, stored=archive.bytes_stored(name))


def _lies_in(path: str, folders: set[str]) -> bool:
    folder = os.path.dirname(path)
    while folder not in folders:
        folder, below = os.path.dirname(folder), folder
        if folder == below:
            return False
    return True


def _size(path: str) -> int | None:
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


class _Shown(NamedTuple):
    """What a log's first bytes show."""

    format: str | None = None
    compression: str | None = None
    encoding: str | None = None


def _shown(path: str, input_format: str, found: Survey) -> _Shown:
    """What a log's first bytes show. What can be read only once is left to the scan.

    If the log cannot be read, the survey gets the error that a scan would meet.
    """
    if path == STDIN or is_read_once(path):
        return _Shown()
    member = member_of(path, found.archives)
    if member is not None:
        archive, name = member
        if not archive.reads_at_places:
            # reading it would read all that stands before it in the archive
            return _Shown()
    head = None if member is not None else _first_bytes(path)
    kind = None if head is None else compression(head)
    try:
        with open_source(path) if member is None else source_of_member(archive.open(name)) as opened:
            format_ = format_of(opened, input_format)
            if head is None or kind is not None:
                head = opened.peek(HEAD_BYTES)
    except SourceError as error:
        found.errors.append(error)
        return _Shown(compression=kind)
    return _Shown(format_, kind, encoding_of(head) if opened.decoder is None else opened.decoder.encoding.codec)


def _first_bytes(path: str) -> bytes | None:
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read(HEAD_BYTES)
    except OSError:
        return None


def encoding_of(head: bytes) -> str | None:
    r"""The encoding of a text by its first bytes: that of its mark, else ASCII or UTF-8, else ``"unknown"``.

    It is None if there are none.

    >>> encoding_of(b"loss=0.5"), encoding_of(b"\xff\xfel\0"), encoding_of(b"\xe9t\xe9")
    ('ascii', 'utf-16-le', 'unknown')
    """
    if not head:
        return None
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    if b"\0" in head.lstrip(b"\0"):
        return "unknown"
    if head.isascii():
        return "ascii"
    try:
        # a character may be cut at the end
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return "unknown"
    return "utf-8"
