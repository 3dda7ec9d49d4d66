"""Rows of one job apart by a label of its log, such as the number of a fold, or by run: each counts as a job of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

from metricscan.datasets.dataset import Dataset
from metricscan.datasets.evidence import Evidence
from metricscan.datasets.rows import Rows, codes_of, numbered, used_codes_of
from metricscan.definitions.blocks import BLOCK, RUN
from metricscan.errors import OptionError
from metricscan.ranking.attempts import LastAttempts, superseded_in
from metricscan.ranking.stepped import Stepped
from metricscan.ranking.steps import in_force
from metricscan.ranking.tables import blocks_of, checked, is_label

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from metricscan.datasets.rows import Array
    from metricscan.definitions.objective import Objective, Restarts
    from metricscan.logs.job import Log
    from metricscan.ranking.ranking import Known


#: What distinguishes runs, as a label does folds.
_RUN = "run"


class Fold(NamedTuple):
    """What counts as a job: the rows of a job at one value of each label, or of one run."""

    name: str
    status: str | None
    hyperparameters: Mapping[str, str]
    logs: Sequence[Log]


class SplitTables(dict[str, pa.Table]):
    """Tables whose jobs are folds, and what the scan noted of their logs."""

    evidence: Evidence | None = None


class Split(NamedTuple):
    """Tables in which each value of a label is a job.

    Attributes
    ----------
    tables : mapping of str to pyarrow.Table
        Of the objective, its step, the separators of blocks and the places at which runs begin.
    folds : list of Fold
    parents : dict of str to str
        The name of the job by that of the fold.
    notices : list of str
        What was left out.
    objective : Objective
        By which they are ranked: a run is not split again.
    """

    tables: SplitTables
    folds: list[Fold]
    parents: dict[str, str]
    notices: list[str]
    objective: Objective


def labels_among(
    names: Sequence[str],
    parameters: Iterable[Mapping[str, str]],
    tables: Mapping[str, pa.Table] | None,
    restarts: Restarts = "keep",
) -> list[str]:
    """Those of the names that are labels or metrics of the logs, and no hyperparameters of a job.

    Where runs are split, ``run`` is one of them, if nothing else has that name.

    Raises
    ------
    OptionError
        A name is both; or ``run`` is given with others.
    """
    known = {name for own in parameters for name in own}
    logged = [name for name in names if tables is not None and name in tables and name not in (BLOCK, RUN)]
    if restarts == "split" and _RUN in names and _RUN not in known and tables is not None and _RUN not in tables:
        if logged:
            raise OptionError(f"{_RUN!r} and {', '.join(map(repr, logged))}: runs or labels were expected, not both")
        return [_RUN]
    both = [name for name in logged if name in known]
    if both:
        raise OptionError(
            f"{', '.join(map(repr, both))} is a hyperparameter of jobs and a metric or label of their logs; one was expected",
            hint="give the metric or label another name",
        )
    return logged


def split_by_labels(
    tables: Mapping[str, pa.Table], objective: Objective, labels: Sequence[str], jobs: Iterable[Known] | None
) -> Split:
    """Split the rows of each job by the last labels before them, in their record or in earlier ones of their stream; or by run.

    Parameters
    ----------
    tables : mapping of str to pyarrow.Table
    objective : Objective
    labels : sequence of str
        Labels or metrics among the tables, or ``run``.
    jobs : iterable of Job, or None
        As :func:`rank` takes them.

    Raises
    ------
    OptionError
        A column is missing, or the separators of blocks.
    SourceError
        The dataset cannot be read.
    """
    if jobs is None:
        jobs = tables.jobs if isinstance(tables, Dataset) else getattr(tables, "jobs", ())
    facts: dict[str, Known] = {one.name: one for one in jobs}
    wanted = [*objective.metrics, *([] if objective.step is None else [objective.step])]
    by_run = _RUN in labels and _RUN not in tables
    given = {name: checked(tables[name], name) for name in dict.fromkeys([*wanted, *([] if by_run else labels)])}
    if objective.step_place == "block":
        given[BLOCK] = blocks_of(tables)
        wanted.append(BLOCK)
    if objective.restarts != "keep" and RUN in tables:
        given[RUN] = checked(tables[RUN], RUN)
    nothing = pa.array([], pa.string())
    columns = [codes_of(table.column("job"), "job") for table in given.values()]
    names, job_numbers = numbered(columns, pa.array(facts, pa.string()))
    streams, stream_numbers = numbered(
        [codes_of(table.column("stream"), "stream") for table in given.values()], nothing
    )
    rows = {
        name: Rows.of(job, stream, table)
        for (name, table), job, stream in zip(given.items(), job_numbers, stream_numbers, strict=True)
    }
    last_attempts = LastAttempts(superseded_in(tables, facts.values()), names)
    for name, every_row in rows.items():
        at = last_attempts.of(every_row._replace(line=np.arange(len(every_row.job))), streams).line
        if len(at) < len(every_row.job):
            rows[name], given[name] = every_row.take(at), given[name].take(pa.array(at))
    if by_run:
        found: dict[str, tuple[Sequence[str], Array]] = {}
        keys = _runs(rows, objective, dict.fromkeys(wanted))
    else:
        found = {name: _texts(given[name]) for name in labels}
        # of each row the number of its job, and behind it that of each label's text; -1 without one
        keys = {
            name: _keys(rows[name], [(rows[one], found[one][1]) for one in labels]) for name in dict.fromkeys(wanted)
        }
    whole: dict[str, Array] = {name: np.all(key >= 0, axis=0) for name, key in keys.items()}
    every = np.concatenate([keys[name][:, whole[name]] for name in keys], axis=1)
    distinct, codes = np.unique(every, axis=1, return_inverse=True)
    codes = codes.reshape(-1)
    folds, parents = [], {}
    job_names = names.to_pylist()
    for column in distinct.T.tolist():
        job = job_names[column[0]]
        own = {
            name: found[name][0][number] if name in found else str(number)
            for name, number in zip(labels, column[1:], strict=True)
        }
        fold = f"{job} [{', '.join(f'{name}={text}' for name, text in own.items())}]"
        known = facts.get(job)
        parameters = {} if known is None else dict(known.hyperparameters)
        status = None if known is None else known.status
        folds.append(Fold(fold, status, parameters | own, getattr(known, "logs", ())))
        parents[fold] = job
    fold_names = pa.array([one.name for one in folds], pa.string())
    split = SplitTables()
    begin = 0
    for name, kept in whole.items():
        table = given[name].filter(pa.array(kept))
        own_codes = codes[begin : begin + table.num_rows].astype(np.int32)
        begin += table.num_rows
        split[name] = _with_jobs(table, own_codes, fold_names)
    if RUN in given and not by_run:
        split[RUN] = _of_each_fold(given[RUN], rows[RUN].job, distinct[0], fold_names)
    split.evidence = _evidence(getattr(tables, "evidence", None), parents)
    notices = _left_out(whole, objective, labels, job_names, parents)
    return Split(split, folds, parents, notices, replace(objective, restarts="keep") if by_run else objective)


def _with_jobs(table: pa.Table, codes: Array, names: pa.Array) -> pa.Table:
    column = pa.DictionaryArray.from_arrays(pa.array(codes), names)
    return table.set_column(table.schema.get_field_index("job"), "job", column)


def _of_each_fold(run_starts: pa.Table, job: Array, job_of_fold: Array, names: pa.Array) -> pa.Table:
    """The places at which runs begin, once for each fold of their job: a run begins in all folds of a stream."""
    order = np.argsort(job, kind="stable")
    begin, end = (np.searchsorted(job[order], job_of_fold, side=side) for side in ("left", "right"))
    counts = end - begin
    offsets = np.cumsum(counts) - counts
    at = np.repeat(begin - offsets, counts) + np.arange(int(counts.sum()))
    folds = np.repeat(np.arange(len(names)), counts).astype(np.int32)
    return _with_jobs(run_starts.take(pa.array(order[at])), folds, names)


def _texts(table: pa.Table) -> tuple[list[str], Array]:
    """The distinct texts of a label, or numbers of a metric as texts, and for each row the number of its text."""
    if is_label(table):
        texts, codes = used_codes_of(table.column("value"), "value")
        return texts.to_pylist(), codes
    values, codes = np.unique(table.column("value").to_numpy(), return_inverse=True)
    return [str(int(one)) if one.is_integer() else repr(one) for one in values.tolist()], codes.reshape(-1)


def _runs(rows: Mapping[str, Rows], objective: Objective, wanted: Iterable[str]) -> dict[str, Array]:
    """Of each row the number of its job, and behind it that of its run."""
    if objective.step is None:
        raise AssertionError("runs are split by steps")
    stepped = Stepped(objective, rows, rows[objective.step], rows.get(BLOCK), rows.get(RUN))
    runs = {name: stepped.run_of(rows[name]) if name == BLOCK else stepped.of(name).run for name in wanted}
    return {name: np.array([rows[name].job.astype(np.int64), run]) for name, run in runs.items()}


def _keys(rows: Rows, labels: Sequence[tuple[Rows, Array]]) -> Array:
    columns = [rows.job.astype(np.int64)]
    for label, codes in labels:
        at = in_force(rows, label, "carried")
        columns.append(np.append(codes, -1)[at])
    return np.array(columns)


def _evidence(noted: Evidence | None, parents: Mapping[str, str]) -> Evidence | None:
    """What was noted of logs, for each fold in them."""
    if noted is None:
        return None
    folds: dict[str, list[str]] = {}
    for fold, job in parents.items():
        folds.setdefault(job, []).append(fold)
    evidence = Evidence()
    evidence.units = noted.units
    for (job, stream, part), one in noted.logs.items():
        for fold in folds.get(job, ()):
            evidence.add(fold, stream, part, one)
    return evidence


def _left_out(
    whole: Mapping[str, Array],
    objective: Objective,
    labels: Sequence[str],
    names: Sequence[str],
    parents: Mapping[str, str],
) -> list[str]:
    """What is not among the folds, in sentences."""
    notices = []
    named = " or ".join(map(repr, labels))
    apart = len(names) - len(set(parents.values()))
    if apart:
        verbs = ("has", "belongs") if apart == 1 else ("have", "belong")
        jobs = f"{apart:,} job{'' if apart == 1 else 's'}"
        notices.append(f"{jobs} {verbs[0]} no {named} in the logs, and {verbs[1]} to no group")
    for metric in objective.metrics:
        rows = whole[metric]
        lost = int((~rows).sum())
        if lost:
            where = f"stand before the first {named}, and do not count"
            notices.append(f"{lost:,} of {len(rows):,} rows of {metric!r} {where}")
    return notices
