"""Hyperparameters from the text of logs: those that labels with the role of a parameter capture, and those that programs print.

What a name spells is overruled by what a log prints, that by files of tools, those by a label, and all by a jobs file.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from metricscan.errors import OptionError
from metricscan.logs.job import FROM_NAME, Notice
from metricscan.logs.printed import FROM_LOG, PRINTED, printed_by

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pyarrow as pa

    from metricscan.datasets.rows import Array
    from metricscan.logs.job import Job, Survey


class _Conflict(NamedTuple):
    job: str
    value: str
    source: str
    other: str
    other_source: str


class LogParameters:
    """Gathers the hyperparameters of one replay.

    Parameters
    ----------
    found : Survey
        Its jobs get the hyperparameters.
    labels : sequence of str
        The labels that capture parameters; their names are the parameters'.
    jobs_file : path, optional
        What it says overrules the logs.
    """

    def __init__(
        self, found: Survey, labels: tuple[str, ...] = (), jobs_file: str | os.PathLike[str] | None = None
    ) -> None:
        self._found = found
        self._jobs_file = None if jobs_file is None else os.fspath(jobs_file)
        self.labels = frozenset(labels)
        # per label and job the first text; the jobs that have another one, with it
        self._texts: dict[str, dict[int, str]] = {name: {} for name in labels}
        self._others: dict[str, dict[int, str]] = {name: {} for name in labels}
        self._conflicts: dict[str, list[_Conflict]] = {}

    def add_printed(self, input_format: str) -> None:
        """Read the beginnings of the logs."""
        unread = 0
        for job in self._found.jobs:
            printed, is_unread = printed_by(job, self._found.archives, input_format)
            unread += is_unread
            self._give(job, printed, over=(FROM_NAME,))
        if unread:
            jobs = f"{unread:,} job{'' if unread == 1 else 's'}"
            text = "are read once, or share a file"
            self._found.notices.append(
                Notice(f"what the logs of {jobs} print was not read for hyperparameters: they {text}")
            )

    def note(self, name: str, jobs: Array, texts: pa.Array, counting: Array | None) -> None:
        """Note the rows of a label: per row the number of its job and its text, in the order of the jobs."""
        if counting is not None:
            jobs, texts = jobs[counting], texts.filter(counting)
        if not len(jobs):
            return
        firsts = np.flatnonzero(np.diff(jobs, prepend=jobs[0] - 1))
        codes = texts.dictionary_encode()
        numbers = codes.indices.to_numpy()
        names = codes.dictionary
        own, others = self._texts[name], self._others[name]
        for begin, end in zip(firsts.tolist(), [*firsts[1:].tolist(), len(jobs)], strict=True):
            job = int(jobs[begin])
            first = own.setdefault(job, names[int(numbers[begin])].as_py())
            for number in np.unique(numbers[begin:end]).tolist() if job not in others else ():
                text = names[number].as_py()
                if not _are_equal(text, first):
                    others[job] = text
                    break

    def finish(self) -> list[Notice]:
        """Give the jobs what the labels captured, and tell what differs."""
        notices = []
        for name, texts in self._texts.items():
            for number, text in texts.items():
                self._give(self._found.jobs[number], {name: text}, over=None)
            having = sum(bool(one.logs) for one in self._found.jobs)
            if len(texts) < having:
                which = f"logs of {having - len(texts):,} of {_jobs(having)}" if texts else "logs"
                notices.append(Notice(f"the {which} have no match of the parameter {name!r}"))
            changing = self._others[name]
            if changing:
                number, other = next(iter(changing.items()))
                notices.append(
                    Notice(
                        f"the parameter {name!r} has several values in {_jobs(len(changing))}, for example in "
                        f"{self._found.jobs[number].name}: {texts[number]!r} and {other!r}; the first one counts"
                    )
                )
        notices += self._of_conflicts()
        return notices

    def _give(self, job: Job, parameters: Mapping[str, str], *, over: tuple[str, ...] | None) -> None:
        """Add parameters from the log; ``over`` are the sources that they overrule, None for all but the jobs file."""
        for name, value in parameters.items():
            there, source = job.hyperparameters.get(name), job.parameter_sources.get(name, FROM_NAME)
            if there is None:
                job.add_parameters({name: value}, FROM_LOG)
                continue
            wins = source != self._jobs_file if over is None else source in over
            if not _are_equal(there, value):
                won, lost = ((value, FROM_LOG), (there, source))[:: 1 if wins else -1]
                self._conflicts.setdefault(name, []).append(_Conflict(job.name, *won, *lost))
            if wins:
                job.add_parameters({name: value}, FROM_LOG)

    def _of_conflicts(self) -> Iterator[Notice]:
        for name, some in self._conflicts.items():
            one = some[0]
            places = {FROM_NAME: "in the name", FROM_LOG: "in the log"}
            first, second = (places.get(source, f"in {source}") for source in (one.source, one.other_source))
            yield Notice(
                f"the hyperparameter {name!r} of {_jobs(len(some))} differs between its sources, for example of {one.job}: "
                f"{one.value!r} {first}, which counts, and {one.other!r} {second}"
            )


def checked_parameters(parameters: Any) -> tuple[list[Any] | Mapping[str, str], bool]:
    """The definitions among the parameters, and whether what programs print shall be read.

    Raises
    ------
    OptionError
        They are of another type.
    """
    if isinstance(parameters, str):
        parameters = [parameters]
    if hasattr(parameters, "items"):
        return parameters, False
    try:
        given = list(parameters)
    except TypeError:
        message = f"parameters={parameters!r:.80}: a list of NAME=REGEX or 'printed', or a mapping was expected"
        raise OptionError(message) from None
    wanted = [one for one in given if one != PRINTED]
    return wanted, len(wanted) < len(given)


def _are_equal(one: str, other: str) -> bool:
    """Whether two texts spell one value: 1e-3 and 0.001, True and true."""
    if one == other or one.casefold() == other.casefold():
        return True
    try:
        return float(one) == float(other)
    except ValueError:
        return False


def _jobs(count: int) -> str:
    return f"{count:,} job{'' if count == 1 else 's'}"
