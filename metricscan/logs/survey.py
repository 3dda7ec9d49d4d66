"""From paths to jobs: find the logs, assign them to jobs, and add the known facts about the jobs."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from metricscan.logs.archives import NotKept
from metricscan.logs.attempts import notice_of_attempts
from metricscan.logs.compression import MAX_DECOMPRESSED, check_max_decompressed
from metricscan.logs.facts import add_own_facts
from metricscan.logs.file_tree import FileTree
from metricscan.logs.find import find_logs
from metricscan.logs.formats import check_format
from metricscan.logs.job import FROM_NAME, Survey
from metricscan.logs.naming import JobKeys, absolute, is_within, job_pattern
from metricscan.logs.parameters import parameters_in_name
from metricscan.logs.streams import streams_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from metricscan.errors import AllFaults
    from metricscan.logs.find import Decision
    from metricscan.logs.jobs_file import Fact


def given_paths(paths: Any) -> Iterable[str | os.PathLike[str]]:
    """The paths that a user gave, one or several.

    Raises
    ------
    TypeError
        They are of another type.
    """
    if isinstance(paths, (str, os.PathLike)):
        return [paths]
    if isinstance(paths, (bytes, bytearray)) or not isinstance(paths, Iterable):
        raise TypeError(f"a path or an iterable of paths was expected, not {type(paths).__name__}")
    return paths


def check_options(faults: AllFaults, *, job: Any, jobs: Any, input_format: str, max_decompressed: int) -> None:
    """Check the options that say what a log and a job is."""
    if job not in ("auto", "file", "dir"):
        faults.of(job_pattern, job)
    if jobs is not None and not isinstance(jobs, (str, os.PathLike)):
        faults.note(f"jobs={jobs!r:.80}: the path of a file was expected")
    faults.of(check_format, input_format)
    faults.of(check_max_decompressed, max_decompressed)


def survey(
    paths: Iterable[str | os.PathLike[str]],
    *,
    job: str = "auto",
    jobs_file: str | os.PathLike[str] | None = None,
    include: str | Sequence[str] = (),
    exclude: str | Sequence[str] = (),
    input_format: str = "plain",
    follow_links: bool = False,
    decisions: dict[str, Decision] | None = None,
    max_decompressed: int = MAX_DECOMPRESSED,
    named_from: str | None = None,
    known_streams: Mapping[str, Sequence[str]] | None = None,
    reads_streams: bool = True,
) -> Survey:
    """Find the logs under some paths, and the jobs that wrote them.

    Parameters
    ----------
    paths : iterable of path
        Files (always taken), folders (searched), globs, or ``"-"`` for standard input.
    job : "auto", "file", "dir" or a regex
        What one job is: decided by the layouts of usual tools; each file; each folder; or the text that the regex's group
        ``job`` (else its first group, else the whole match) finds in a log's path. A number in the regex's group ``attempt``
        tells the attempts of a job apart, of which the last counts.
    jobs_file : path, optional
        What is known about jobs: CSV, JSON lines or a JSON list, or a document of a tool, see
        :mod:`metricscan.logs.jobs_file`. A job in it that has no log is in the survey.
    include, exclude : glob or sequence of glob
        Names, or paths within the folder, of the files to take from folders.
    input_format : str
        The format of the logs. The events of an export are assigned to the streams that they name.
    follow_links : bool
        Whether to search the folders outside those given to which links in them lead.
    decisions : dict, optional
        Gets each path that was met, and what was decided about it.
    max_decompressed : int
        The most bytes that an archive, or a compressed log, is decompressed to.
    named_from : str, optional
        A folder. Jobs that lie in it are named by their paths within, though they share a folder further down.
    known_streams : mapping of str to sequence of str, optional
        By absolute path, the streams of exports, which are not read to know them.
    reads_streams : bool
        Whether the formats of logs are detected, and their streams told apart; otherwise each log is one, though folders are
        searched for exports.

    Raises
    ------
    OptionError
        The regex does not compile.
    SourceError
        The jobs file cannot be read, or is invalid. Other errors are in the survey.
    """
    found = Survey()
    given = [os.fsdecode(path) for path in paths]
    logs = find_logs(
        given,
        found,
        include=include,
        exclude=exclude,
        input_format=input_format,
        follow_links=follow_links,
        decisions=decisions,
        max_decompressed=max_decompressed,
    )
    facts: list[Fact] = []
    if jobs_file is not None:
        # most surveys have none, and the readers of documents of tools take 8 % of the import
        from metricscan.logs.jobs_file import apply_facts, read_jobs_file

        facts = read_jobs_file(os.fspath(jobs_file))
    placed = [(fact.place, fact.name) for fact in facts if fact.place is not None and fact.renames]
    tree = FileTree(found.archives)
    keys = JobKeys(
        list(
            streams_of(logs, input_format if reads_streams else "plain", found.archives, found.notices, known_streams)
        ),
        job,
        found,
        tree,
        [place for place, _ in placed],
        None if named_from is None else absolute(named_from),
    )
    keys.place(placed)
    found.jobs = keys.jobs()
    tried_again = notice_of_attempts(found.jobs) if keys.attempts else None
    if tried_again is not None:
        found.notices.append(tried_again)
    shared = parameters_in_name(_below(keys.common, given, tree)) if "=" in keys.common else {}
    for one, folder, by_path in zip(found.jobs, keys.folders, keys.by_path, strict=True):
        if shared and by_path:
            one.add_parameters(shared, FROM_NAME)
        if folder is not None or "=" in one.name:
            add_own_facts(one, folder, found, tree)
    # of files that an archive did not keep, one error says how many they are
    found.errors = [error for error in found.errors if not isinstance(error.cause, NotKept)]
    for archive in found.archives.values():
        archive.forget_facts()
    if jobs_file is not None:
        found.jobs, notices = apply_facts(found.jobs, facts, jobs_file)
        found.notices += notices
    return found


def _below(common: str, paths: Sequence[str], tree: FileTree) -> str:
    """The part of the folder that all jobs share that begins with the name of a given folder or archive.

    What lies above was not given: the names of those folders say where somebody keeps the logs.
    """
    tops = [top for path in paths if is_within(common, top := absolute(path)) and tree.is_folder(path)]
    return common[len(os.path.dirname(min(tops, key=len))) :] if tops else os.path.basename(common)
