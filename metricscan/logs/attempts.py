"""Attempts: a job that was tried again has logs of each attempt, and the last attempt counts.

The attempts of a stream are its parts, the oldest first, as the pieces of a rotated log are. Unlike those they are not one run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from metricscan.logs.job import Notice

if TYPE_CHECKING:
    import re
    from collections.abc import Iterable, Mapping, Sequence

    from metricscan.logs.job import Job

#: The group of a job's pattern that holds the number of the attempt.
GROUP = "attempt"


class Attempt(NamedTuple):
    """The attempt that a log is of, by the log's path.

    Attributes
    ----------
    before : str
        What precedes the number. Attempts with the same text before their number follow each other: the last one supersedes
        the others.
    number : int
    behind : str
        What follows the number. Logs that differ in the number alone are parts of one stream.
    """

    before: str
    number: int
    behind: str


def attempt_in(match: re.Match[str]) -> Attempt | None:
    """The attempt in a path that a job's pattern matches; None if the pattern has no such group, or it holds no number."""
    if GROUP not in match.re.groupindex or not (match[GROUP] or "").isdecimal():
        return None
    begin, end = match.span(GROUP)
    return Attempt(match.string[:begin], int(match[GROUP]), match.string[end:])


def ordered_attempts(
    group: Sequence[int], attempts: Mapping[int, Attempt], within: Sequence[str | None], parts: Sequence[int]
) -> tuple[list[list[int]], set[int]]:
    """Put the logs of one job in the order of their attempts.

    Parameters
    ----------
    group : sequence of int
        The numbers of the job's logs.
    attempts : mapping of int to Attempt
        By the number of the log; others are of no attempt.
    within : sequence of (str or None)
        Per log, the stream in an export.
    parts : sequence of int
        Per log, the number of the piece of a log that was rotated.

    Returns
    -------
    streams : list of list of int
        The logs of each stream that several attempts wrote, the oldest first.
    superseded : set of int
        The logs of attempts that later ones superseded.

    Examples
    --------
    >>> logs = ["0.out", "1.out", "0.err"]
    >>> ordered_attempts(range(3), {at: Attempt("", int(log[0]), log[1:]) for at, log in enumerate(logs)}, [None] * 3, [0] * 3)
    ([[0, 1]], {0, 2})
    """
    last: dict[str, int] = {}
    streams: dict[tuple[str, str, str | None], list[int]] = {}
    tried = [index for index in group if index in attempts]
    for index in tried:
        one = attempts[index]
        last[one.before] = max(one.number, last.get(one.before, 0))
        streams.setdefault((one.before, one.behind, within[index]), []).append(index)
    several = [own for own in streams.values() if len({attempts[index].number for index in own}) > 1]
    for own in several:
        own.sort(key=lambda index: (attempts[index].number, parts[index]))
    return several, {index for index in tried if attempts[index].number < last[attempts[index].before]}


def superseded_parts(jobs: Iterable[Job]) -> dict[tuple[str, str], int]:
    """By job and stream, how many of the stream's first parts later attempts superseded; only such streams are keys."""
    found: dict[tuple[str, str], int] = {}
    for job in jobs:
        for log in job.logs:
            if log.superseded:
                key = job.name, log.stream
                found[key] = max(log.part + 1, found.get(key, 0))
    return found


def notice_of_attempts(jobs: Iterable[Job]) -> Notice | None:
    """The notice that jobs have several attempts; None if none has."""
    tried = [job for job in jobs if any(log.superseded for log in job.logs)]
    if not tried:
        return None
    first = next(log for log in tried[0].logs if log.superseded)
    count = "1 job was" if len(tried) == 1 else f"{len(tried):,} jobs were"
    which = tried[0].name if len(tried) == 1 else f"for example {tried[0].name}"
    return Notice(
        f"{count} tried several times ({which}): the last attempt of each counts, rows of earlier ones decide nothing",
        first.path,
    )
