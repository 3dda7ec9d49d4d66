"""The jobs file: what a user knows about jobs besides their logs, status and hyperparameters."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from metricscan.logs.job import Job, Notice
from metricscan.logs.job_rows import (
    JOB_COLUMNS,
    PARAMETER_COLUMNS,
    PLACE_COLUMNS,
    STATUS_COLUMNS,
    WEAK_JOB_COLUMNS,
    JobRow,
    errors_in,
    plain,
    read_rows,
)
from metricscan.logs.naming import absolute
from metricscan.logs.natural import natural_order
from metricscan.logs.parameters import as_text, parameters_of, value_as_text
from metricscan.logs.statuses import STATUSES, status_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

_NAMES = (*JOB_COLUMNS, *WEAK_JOB_COLUMNS)
# Columns whose names begin so are hyperparameters, and no other column is one.
_PREFIXES = ("config/", "params.", "params/", "config.", "hyperparameters.", "hyperparameters/", "hparams.", "hparams/")
_OF_OPTUNA = "params_"
# What the tuning service reports about a training job besides its hyperparameters, in its documents and in the SDK's frame.
_REPORTED = frozenset(
    (
        *("trainingjobarn", "tuningjobname", "tuningjobarn", "trainingjobdefinitionname", "objectivestatus"),
        *("creationtime", "trainingstarttime", "trainingendtime", "trainingelapsedtimeseconds", "lastmodifiedtime"),
        *("finalobjectivevalue", "finalhyperparametertuningjobobjectivemetric", "finalmetricdatalist"),
        *("secondarystatus", "failurereason"),
    )
)
# The number of a trial, alone or behind a word: 3, trial_3, slurm-17_2.
_NUMBERED = re.compile(r"(?:[^\W\d_]+[-_ ]?)?0*([0-9]+(?:_[0-9]+)*)")
# Slurm's accounting has a row per step of a job.
_STEP_OF_SLURM = re.compile(r"\d+(?:_\d+)?\.(?:batch|extern|\d+)")


class Fact(NamedTuple):
    """What a jobs file says of one job.

    Attributes
    ----------
    where : str
        The place in the file, for messages.
    names : dict of str to str
        The names of the job, by column, the likeliest first.
    place : str or None
        The absolute path under which the job's logs lie. Either a name or a place is given.
    renames : bool
        Whether the logs under the place get the job's name.
    status : str or None
        Completed, Failed, Stopped or InProgress; or the word of the file, if it is not known.
    hyperparameters : dict of str to str
    row : JobRow
    """

    where: str
    names: dict[str, str]
    place: str | None
    renames: bool
    status: str | None
    hyperparameters: dict[str, str]
    row: JobRow

    @property
    def name(self) -> str:
        """The likeliest name."""
        return next(iter(self.names.values())) if self.names else os.path.basename(self.place or "")


def read_jobs_file(path: str) -> list[Fact]:
    """Read the facts in a jobs file.

    Raises
    ------
    SourceError
        It cannot be read, or rows of it are invalid; the message names all of those.
    """
    facts = []
    errors: list[str] = []
    folder = os.path.dirname(os.path.abspath(path))
    for row in read_rows(path):
        if isinstance(row, str):
            errors.append(row)
            continue
        try:
            fact = fact_of(row, folder)
        except ValueError as error:
            errors.append(f"{row.where}: {error}")
        except RecursionError:
            errors.append(f"{row.where}: a value is nested too deeply")
        else:
            if fact is not None:
                facts.append(fact)
    if len({len(fact.names) for fact in facts}) < 2:
        errors += _twice(facts)
    if errors:
        raise errors_in(path, errors)
    return facts


def _twice(facts: Iterable[Fact]) -> list[str]:
    """An error for each fact about a job that an earlier one is about, if a job has one name."""
    first: dict[tuple[bool, str], Fact] = {}
    errors = []
    for fact in facts:
        if len(fact.names) < 2:
            key = (bool(fact.names), fact.name if fact.names else str(fact.place))
            earlier = first.setdefault(key, fact)
            if earlier is not fact and not _is_repeated(earlier, fact):
                errors.append(f"{fact.where}: {_shown(key[1])} is already in {earlier.where}")
    return errors


def _is_repeated(one: Fact, other: Fact) -> bool:
    """Whether two answers of the service say the same of a job, as those of List and of Describe do."""
    return one.status == other.status and all("trainingjobarn" in map(plain, fact.row.cells) for fact in (one, other))


# ---- one row


def fact_of(row: JobRow, folder: str = "") -> Fact | None:
    """The fact in a row; None for a row that is about a part of a job.

    Parameters
    ----------
    row : JobRow
    folder : str
        The folder to which paths are relative.

    Raises
    ------
    ValueError
        The row is invalid.
    """
    columns: dict[str, str] = {}
    for key in map(str, row.cells):
        if columns.setdefault(plain(key), key) != key and plain(key) in (*_NAMES, *PLACE_COLUMNS, *STATUS_COLUMNS):
            raise ValueError(f"{key} and {columns[plain(key)]} both name the same")
    given = {name: row.cells[key] for name, key in columns.items() if row.cells[key] not in (None, "")}
    names = {name: value_as_text(given[name]) for name in _NAMES if _is_name(given.get(name))}
    if _STEP_OF_SLURM.fullmatch(names.get("jobid", "")):
        return None
    places = [name for name in PLACE_COLUMNS if isinstance(given.get(name), str)]
    if not names and not places:
        odd = next((name for name in (*_NAMES, *PLACE_COLUMNS) if name in given), None)
        if odd is not None:
            raise ValueError(f"{columns[odd]} is {given[odd]!r:.60}; a word or a whole number was expected")
        raise ValueError("job or path is missing")
    status = None
    for name in STATUS_COLUMNS:
        if name in given and status is None:
            word = given[name]
            if not isinstance(word, str):
                raise ValueError(f"{columns[name]} is {word!r:.60}; a word was expected, as {', '.join(STATUSES)}")
            status = status_of(word) or as_text(word.strip())
    return Fact(
        row.where,
        names,
        absolute(os.path.join(folder, given[places[0]])) if places else None,
        bool(names) and places[:1] == ["path"],
        status or None,
        _hyperparameters(row, columns, given),
        row,
    )


def _is_name(value: Any) -> bool:
    return isinstance(value, (str, int)) and not isinstance(value, bool)


def _hyperparameters(row: JobRow, columns: Mapping[str, str], given: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    taken = {*_NAMES, *PLACE_COLUMNS, *STATUS_COLUMNS}
    for name in PARAMETER_COLUMNS:
        value = given.get(name)
        is_object = isinstance(value, dict)
        if name == "hyperparameters" or is_object or (isinstance(value, str) and value.lstrip()[:1] == "{"):
            taken.add(name)
            if value is None:
                continue
            if is_object:
                found.update({as_text(str(key)): value_as_text(inner) for key, inner in value.items()})
            elif not isinstance(value, str):
                kind = "a list" if isinstance(value, list) else value_as_text(value)[:40]
                raise ValueError(f"{columns[name]} is {kind}; a JSON object was expected")
            else:
                try:
                    found.update(parameters_of(value))
                except (ValueError, RecursionError) as error:
                    raise ValueError(f"{columns[name]} is not a JSON object: {error}") from None
    keys = [str(key) for key in row.cells]
    prefixes: tuple[str, ...] = _PREFIXES if any(key.startswith(_PREFIXES) for key in keys) else ()
    if "number" in columns and ("state" in columns or "value" in columns or "values0" in columns):
        prefixes += (_OF_OPTUNA,)
    is_answer = "trainingjobarn" in columns and not row.is_table
    for key in keys:
        value = row.cells[key]
        if value is None or value == "" or value != value:
            continue
        if prefixes:
            prefix = next((prefix for prefix in prefixes if key.startswith(prefix)), None)
            if prefix is not None:
                found[as_text(key[len(prefix) :])] = value_as_text(value)
        elif not is_answer and plain(key) not in taken and plain(key) not in _REPORTED:
            found[as_text(key)] = value_as_text(value)
    return found


# ---- facts and jobs


def apply_facts(
    jobs: Sequence[Job], facts: Sequence[Fact], jobs_file: str | os.PathLike[str]
) -> tuple[list[Job], list[Notice]]:
    """Set the statuses of jobs and update their hyperparameters.

    Returns
    -------
    jobs : list of Job
        Those given and, for facts about others, jobs without a log, in natural name order.
    notices : list of Notice

    Raises
    ------
    SourceError
        A fact fits several jobs, or several facts are about one.
    """
    path = os.fspath(jobs_file)
    fitting, errors = jobs_of_facts(jobs, facts)
    first: dict[int, Fact] = {}
    added: dict[str, Job] = {}
    without: dict[str, None] = {}
    for fact, (name, meant) in zip(facts, fitting, strict=True):
        if not meant:
            without[name] = None
            meant = [added.setdefault(name, Job(name))]
        if len(meant) == 1 and fact.names:
            earlier = first.setdefault(id(meant[0]), fact)
            if earlier is not fact and not _is_repeated(earlier, fact):
                errors.append(f"{fact.where}: {_shown(meant[0].name)} is already in {earlier.where}")
        for job in meant:
            # a file without statuses leaves those that are known
            if fact.status is not None:
                job.status, job.status_source = fact.status, path
            job.add_parameters(fact.hyperparameters, path)
    if errors:
        raise errors_in(path, errors)
    everyone = [*jobs, *added.values()]
    everyone = [everyone[index] for index in natural_order([job.name for job in everyone])]
    return everyone, _notices(path, facts, [job.name for job in jobs], [*without], len(facts) - len(without))


def jobs_of_facts(jobs: Sequence[Job], facts: Sequence[Fact]) -> tuple[list[tuple[str, list[Job]]], list[str]]:
    """The name and the jobs that each fact is about, and an error for each that fits several jobs.

    A fact with a name is about the job that has this name. Else about the one the last part of whose name it is, or the last
    part of whose name is a word with this number (``3`` is ``trial_3``), or the only one in a folder of this name (``run`` is
    ``run/train``). A fact with a place is about the jobs whose logs lie there.
    """
    known = _Known(jobs, facts)
    name_of = known.chosen(facts)
    found: list[tuple[str, list[Job]]] = []
    errors = []
    for fact in facts:
        name = name_of(fact)
        meant = [] if fact.renames else known.under(fact)
        if not meant and name is not None:
            meant = known.named(name)
            if len(meant) > 1:
                errors.append(
                    f"{fact.where}: {_shown(name)} fits {len(meant)} jobs, {_listed(job.name for job in meant)}"
                )
        found.append((name or as_text(fact.name), meant))
    return found, errors


def add_facts(jobs: Sequence[Job], path: str | os.PathLike[str]) -> tuple[list[Job], list[Notice]]:
    """Set the statuses of jobs and update their hyperparameters from a jobs file; see :func:`apply_facts`.

    Raises
    ------
    SourceError
        The file cannot be read, or rows of it are invalid.
    """
    return apply_facts(jobs, read_jobs_file(os.fspath(path)), path)


class _Known:
    """The jobs that are known, by what a jobs file may call them."""

    def __init__(self, jobs: Sequence[Job], facts: Sequence[Fact]) -> None:
        # the jobs with logs under each place that a fact names
        self.places: dict[str, dict[int, Job]] = {fact.place: {} for fact in facts if fact.place is not None}
        if self.places:
            for job in jobs:
                for log in job.logs:
                    place = absolute(log.path)
                    while True:
                        if place in self.places:
                            self.places[place][id(job)] = job
                        above = place.rpartition("/")[0] or "/"
                        if above == place:
                            break
                        place = above
        # by the name; by the last part of the name; by the number of the last part
        self.exact = {job.name: [job] for job in jobs}
        self.last: dict[str, list[Job]] = {}
        self.numbers: dict[str, list[Job]] = {}
        # by each folder of the name; not the jobs that other facts name in full
        self.folders: dict[str, list[Job]] = {}
        names = {name for fact in facts for name in fact.names.values()}
        for job in jobs:
            if job.name not in names:
                folder = job.name.rpartition("/")[0]
                while folder:
                    self.folders.setdefault(folder, []).append(job)
                    folder = folder.rpartition("/")[0]
            last = job.name.rpartition("/")[2]
            self.last.setdefault(last, []).append(job)
            number = _NUMBERED.fullmatch(last)
            if number is not None:
                self.numbers.setdefault(number[1], []).append(job)

    def named(self, name: str) -> list[Job]:
        """The jobs that a name fits: one, if it is a job's name; else by the last part of the name, the number or the folder."""
        name = name.rstrip("/") or name
        found = self.exact.get(name) or self.last.get(name)
        if (
            found is None
            and (number := _NUMBERED.fullmatch(name)) is not None
            and number[1] == (name.lstrip("0") or "0")
        ):
            found = self.numbers.get(number[1])
        return found or self.folders.get(name, [])

    def under(self, fact: Fact) -> list[Job]:
        """The jobs whose logs lie under a place; or the job that the last part of the place names, if the logs were moved."""
        if fact.place is None:
            return []
        last = as_text(os.path.basename(fact.place))
        return (
            [*self.places[fact.place].values()] or ([] if fact.names else self.named(last)) or self.exact.get(last, [])
        )

    def chosen(self, facts: Sequence[Fact]) -> Callable[[Fact], str | None]:
        """Which of its names each fact goes by: that of the column which fits the most jobs."""
        columns = [*dict.fromkeys(column for fact in facts for column in fact.names)]
        if len(columns) > 1:
            fits = {
                column: len(
                    {id(job) for fact in facts if column in fact.names for job in self.named(fact.names[column])}
                )
                for column in columns
            }
            columns.sort(key=lambda column: -fits[column])
        return lambda fact: next((fact.names[column] for column in columns if column in fact.names), None)


def _shown(name: str) -> str:
    return name if name.isprintable() else repr(name)


def _listed(names: Iterable[str], most: int = 5) -> str:
    listed = list(names)
    return ", ".join(map(_shown, listed[:most])) + (", .." if len(listed) > most else "")


def _notices(
    path: str, facts: Sequence[Fact], found: Sequence[str], without: Sequence[str], matched: int
) -> list[Notice]:
    notices = []
    if not facts:
        notices.append(Notice(f"{path} names no job", path))
    odd = [fact for fact in facts if fact.status is not None and fact.status not in STATUSES]
    if odd:
        count = "1 job has" if len(odd) == 1 else f"{len(odd):,} jobs have"
        words = _listed(dict.fromkeys(repr(str(fact.status)) for fact in odd))
        example = f"{odd[0].where}, {_shown(odd[0].name)}"
        message = f"{count} a status in {path} that is not known, {words} ({example}); no such job wins"
        notices.append(Notice(message, path))
    if without and not matched and found:
        notices.append(
            Notice(
                f"no job in {path} has a log: it names {_listed(without)}; the logs are those of {_listed(found)}, of which it "
                "says nothing",
                path,
            )
        )
    elif without:
        count = "1 job" if len(without) == 1 else f"{len(without):,} jobs"
        notices.append(Notice(f"{count} in {path} without a log, ranked as missing: {_listed(without)}", path))
    return notices
