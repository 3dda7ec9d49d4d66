"""From paths to jobs: find the logs, assign them to jobs, and add the known facts about the jobs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from metricscan.logs.facts import add_own_facts, apply_facts, read_jobs_file
from metricscan.logs.find import find_logs, streams_of
from metricscan.logs.job import Survey
from metricscan.logs.naming import JobKeys, absolute, is_within
from metricscan.logs.parameters import parameters_in_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def survey(
    paths: Iterable[str | os.PathLike[str]],
    *,
    job: str = "auto",
    jobs_file: str | os.PathLike[str] | None = None,
    include: str | Sequence[str] = (),
    exclude: str | Sequence[str] = (),
    input_format: str = "plain",
    follow_links: bool = False,
) -> Survey:
    """Find the logs under some paths, and the jobs that wrote them.

    Parameters
    ----------
    paths : iterable of path
        Files (always taken), folders (searched), globs, or ``"-"`` for standard input.
    job : "auto", "file", "dir" or a regex
        What one job is: decided by the layouts of usual tools; each file; each folder; or the text that the regex's group
        ``job`` (else its first group, else the whole match) finds in a log's path.
    jobs_file : path, optional
        CSV or JSON lines with the columns ``job`` or ``path``, ``status``, ``hyperparameters``.
    include, exclude : glob or sequence of glob
        Names, or paths within the folder, of the files to take from folders.
    input_format : str
        The format of the logs. The events of an export are assigned to the streams that they name.
    follow_links : bool
        Whether to search the folders outside those given to which links in them lead.

    Raises
    ------
    OptionError
        The regex does not compile.
    SourceError
        The jobs file cannot be read, is invalid, or names jobs that are not there. Other errors are in the survey.
    """
    found = Survey()
    given = [os.fsdecode(path) for path in paths]
    logs = find_logs(
        given, found, include=include, exclude=exclude, exports=input_format == "auto", follow_links=follow_links
    )
    facts = [] if jobs_file is None else read_jobs_file(os.fspath(jobs_file))
    keys = JobKeys(list(streams_of(logs, input_format, found.notices)), job, found)
    keys.place([(fact.place, fact.job) for fact in facts if fact.place is not None and fact.job is not None])
    found.jobs = keys.jobs()
    shared = parameters_in_name(_below(keys.common, given)) if "=" in keys.common else {}
    for one, folder, by_path in zip(found.jobs, keys.folders, keys.by_path, strict=True):
        if shared and by_path:
            one.hyperparameters.update(shared)
        if folder is not None or "=" in one.name:
            add_own_facts(one, folder, found)
    if jobs_file is not None:
        apply_facts(found.jobs, facts, jobs_file)
    return found


def _below(common: str, paths: Sequence[str]) -> str:
    """The part of the folder that all jobs share that begins with the name of a given folder.

    What lies above was not given: the names of those folders say where somebody keeps the logs.
    """
    tops = [top for top in map(absolute, paths) if is_within(common, top) and os.path.isdir(top)]
    return common[len(os.path.dirname(min(tops, key=len))) :] if tops else os.path.basename(common)
