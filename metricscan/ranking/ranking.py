"""Jobs in the order of the objective: finite values first, then ``not_finite``, then ``missing``; no job is dropped."""

from __future__ import annotations

import warnings
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metricscan.datasets.dataset import Dataset, OutOfOrderError, StreamNumbers
from metricscan.datasets.rows import Rows, codes_of, numbered
from metricscan.definitions.blocks import BLOCK, RUN
from metricscan.definitions.objective import Objective
from metricscan.errors import DoubtWarning, OptionError, check_kind, nearest, quoted
from metricscan.logs.natural import natural_ranks
from metricscan.ranking.at_best import checked_names, columns_of, with_parts
from metricscan.ranking.attempts import LastAttempts, superseded_in
from metricscan.ranking.conditions import NO_CONDITIONS, Conditions
from metricscan.ranking.copies import copies
from metricscan.ranking.deciding import decided, metrics_read
from metricscan.ranking.deciding_row import FOUND, MISSING, Outcomes
from metricscan.ranking.doubts import TYPE as DOUBTS_TYPE
from metricscan.ranking.doubts import doubts_of_jobs
from metricscan.ranking.in_pieces import PiecewiseDecider
from metricscan.ranking.stepless import repeated_counts
from metricscan.ranking.suspected import suspected_jobs
from metricscan.ranking.tables import blocks_of, checked, numeric, opened_tables
from metricscan.ranking.unknown_doubts import unknown_kinds

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from metricscan.datasets.evidence import Evidence
    from metricscan.datasets.rows import Array
    from metricscan.logs.job import Log
    from metricscan.ranking.at_best import Found
    from metricscan.ranking.doubts import Doubts
    from metricscan.ranking.step_facts import StepFacts
    from metricscan.ranking.stepless import StepCounts

#: One row per job. ``rank`` is null for a job that cannot win. ``stream``, ``part``, ``line``, ``offset`` and ``step`` are
#: those of the deciding row (for a mean, the last row of its window). ``rows`` counts the rows of the objective, ``not_finite``
#: those that are NaN or infinite, ``streams`` the streams that hold the objective, ``tied`` the jobs that share the rank,
#: including this one. ``steps_back`` counts how often the step went back, as it does when a job is resumed; ``stepless`` counts
#: the rows without a step. If the objective has no step, ``step`` and these two are null. If the objective splits streams into
#: runs, ``run`` is the number of the deciding row's run in its stream, the first 0, and each run is a ``part``: the number of its
#: piece and that of the run, added; else ``run`` is null. ``doubts`` are the
#: reasons to doubt the value (:class:`~metricscan.ranking.doubts.Doubt`).
SCHEMA = pa.schema(
    [
        pa.field("rank", pa.int64()),
        pa.field("job", pa.string(), nullable=False),
        pa.field("value", pa.float64()),
        pa.field("objective_status", pa.string(), nullable=False),
        pa.field("job_status", pa.string()),
        pa.field("rows", pa.int64(), nullable=False),
        pa.field("stream", pa.string()),
        pa.field("part", pa.int32()),
        pa.field("run", pa.int32()),
        pa.field("line", pa.int64()),
        pa.field("offset", pa.int64()),
        pa.field("hyperparameters", pa.map_(pa.string(), pa.string())),
        pa.field("streams", pa.int64(), nullable=False),
        pa.field("not_finite", pa.int64(), nullable=False),
        pa.field("tied", pa.int64()),
        pa.field("step", pa.float64()),
        pa.field("steps_back", pa.int64()),
        pa.field("stepless", pa.int64()),
        pa.field("doubts", DOUBTS_TYPE, nullable=False),
    ]
)
COMPLETED = "Completed"
# A job with any other status, known or not, cannot win; one without a status can.
_ABLE_TO_WIN = pa.array([COMPLETED, "Stopped", "InProgress"])
# A finite value that has no rank because the user set a condition, and rows without a step where one is needed; beside the
# statuses of outcomes.
_BELOW_MIN_STEP, _EXCLUDED, _NO_STEP, _COPY = 3, 4, 5, 6
_STATUS_NAMES = pa.array(["found", "not_finite", "missing", "below_min_step", "excluded", "no_step", "copy"])
_PAST_ALL = np.iinfo(np.int64).max
# Groups in the order: 0 found, 1 found but without a rank, 2 not finite, 3 missing.
_GROUPS = np.array([0, 2, 3])


class Known(Protocol):
    """What the ranking needs to know of a job besides its rows."""

    @property
    def name(self) -> str:
        """The job's name."""

    @property
    def status(self) -> str | None:
        """Completed, Failed, Stopped or InProgress; None, or a word that is none of these."""

    @property
    def hyperparameters(self) -> Mapping[str, str]:
        """Names and values, as text."""


def rank(
    tables: Mapping[str, pa.Table] | str | os.PathLike[str],
    objective: Objective,
    *,
    jobs: Iterable[Known] | None = None,
    completed_only: bool = False,
    min_step: float | None = None,
    exclude_doubts: str | Sequence[str] = (),
    at_best: str | Sequence[str] = (),
) -> pa.Table:
    """Rank the jobs of a replay's tables, or of a dataset that it wrote, without reading the logs again.

    Parameters
    ----------
    tables : mapping of str to pyarrow.Table, or path
        For each metric, the rows of all jobs with the columns ``job``, ``stream``, ``value``, ``line``, ``offset``,
        ``start`` and ``time``, such as a :class:`Replay`; rows may be in any order. A column ``part`` gives the piece of a
        rotated stream; without it there is one piece. Every job that occurs in a table is ranked. A dataset,
        or its path, is read piece by piece: memory grows with the number of jobs, not with their rows.
    objective : Objective
    jobs : iterable of Job, optional
        Jobs to rank even if they have no row, with their status and hyperparameters; by default ``tables.jobs``, if that
        attribute exists.
    completed_only : bool
        Whether to rank only jobs whose status is Completed.
    min_step : float, optional
        A job whose last step is below it, or that has no step, gets no rank. The objective must have a step.
    exclude_doubts : str or sequence of str
        Kinds of doubts; a job that has one of them gets no rank. Where it is not known which jobs have it, as of a journal whose
        writer did not note it, a :class:`DoubtWarning` says so.
    at_best : str or sequence of str
        Other metrics whose values at the deciding rows are wanted.

    Returns
    -------
    pyarrow.Table
        One row per job: rank, job, value, objective_status, job_status, rows, stream, part, run, line, offset, hyperparameters,
        streams, not_finite, tied, step, steps_back, stepless, doubts; ``metricscan.ranking.SCHEMA`` has their types and
        meaning. Jobs with a finite value come first, best first; ties share a rank (1, 1, 3) and are in natural order of
        names. A job that failed, whose status is a word that is not known, or that does not fulfil a condition
        (``below_min_step``, ``excluded``), or whose log is that of another job (``copy``), has no rank; it follows the other jobs
        with a finite value. Then come
        ``not_finite``, then ``missing``; among these is ``no_step``, a job of whose rows none has the step that the objective
        needs. The table is a copy.

        For each metric NAME of ``at_best``, there are two more columns. ``at_best.NAME`` (float64) is its value at the step of
        the deciding row: of several in the row's stream as ``per_step`` says, else one in another stream of the job. Where
        there is none (or no step), it is the value in the row's record, else the nearest one before it in its stream.
        ``at_best.NAME.place`` (struct) says which of the two it is (``same_step``), and has its step, stream, part, line and
        offset. Both are null if there is no such value.

    Raises
    ------
    OptionError
        The tables do not hold the objective metric, its step, or the separators of the blocks that it asks for; a metric is a
        label; a column is missing, or there twice; or a condition is invalid.
    SourceError
        The dataset cannot be read.

    Examples
    --------
    >>> import pyarrow as pa
    >>> rows = {"job": ["a", "a", "b"], "stream": ["out"] * 3, "value": [3.0, 2.0, 2.5], "line": [1, 2, 1],
    ...         "offset": [0, 9, 0], "start": [4, 13, 4], "time": pa.nulls(3, pa.timestamp("us", "UTC"))}
    >>> rank({"loss": pa.table(rows)}, Objective("loss", "Minimize")).select(["rank", "job", "value"]).to_pylist()
    [{'rank': 1, 'job': 'a', 'value': 2.0}, {'rank': 2, 'job': 'b', 'value': 2.5}]
    >>> rank({"loss": pa.table(rows)}, Objective("loss", "Minimize", scope="first"))["job"].to_pylist()
    ['b', 'a']
    """
    conditions: Any = {"completed_only": completed_only, "min_step": min_step, "exclude_doubts": exclude_doubts}
    return ranked(tables, objective, jobs=jobs, at_best=at_best, **conditions)[0]


def ranked(
    tables: Mapping[str, pa.Table] | str | os.PathLike[str],
    objective: Objective,
    *,
    jobs: Iterable[Known] | None = None,
    completed_only: bool = False,
    min_step: float | None = None,
    exclude_doubts: str | Sequence[str] = (),
    at_best: str | Sequence[str] = (),
) -> tuple[pa.Table, StepCounts]:
    """The result of :func:`rank`, and how many rows have a step."""
    tables = opened_tables(tables)
    check_metric(objective, list(tables), getattr(tables, "labels", ()))
    at_best = checked_names(at_best, [name for name in tables if name != BLOCK], getattr(tables, "labels", ()))
    at_best = with_parts(at_best, objective)
    conditions = Conditions.checked(objective, completed_only, min_step, exclude_doubts)
    if jobs is None:
        jobs = tables.facts if isinstance(tables, Dataset) else getattr(tables, "jobs", ())
    facts = {job.name: job for job in _checked_jobs(jobs)}
    evidence = getattr(tables, "evidence", None)
    if evidence is not None and (
        unknown := [one for one in unknown_kinds(evidence, objective) if one in conditions.exclude_doubts]
    ):
        warnings.warn(
            f"exclude_doubts: of {', '.join(unknown)} it is not known which jobs have it; replay the logs",
            DoubtWarning,
            stacklevel=3,
        )

    def logs() -> dict[str, Sequence[Log]]:
        known = getattr(tables, "jobs", None) or facts.values()
        return {one.name: getattr(one, "logs", ()) for one in known}

    if isinstance(tables, Dataset):
        try:
            outcomes, streams, decider = _decided_in_pieces(tables, objective, at_best)
        except OutOfOrderError:
            pass
        else:
            names = pc.unique(pa.concat_arrays([tables.names, pa.array(facts, pa.string())]))
            found = order(
                outcomes,
                objective,
                names,
                streams,
                facts,
                decider.step_facts,
                conditions,
                evidence=evidence,
                logs=logs,
                at_best=decider.at_best,
            )
            return found, decider.step_counts
    given = {name: checked(table, name) for name, table in tables.items()}
    read = metrics_read(objective, at_best)
    wanted = [*read, *([] if objective.step is None else [objective.step])]
    for name in wanted:
        numeric(given[name], name)
    if objective.step_place == "block":
        given[BLOCK] = blocks_of(tables)
        wanted.append(BLOCK)
    by_records = objective.restarts != "keep" and RUN in given
    if by_records:
        wanted.append(RUN)
    columns = [codes_of(table.column("job"), "job") for table in given.values()]
    names, numbers = numbered(columns, pa.array(facts, pa.string()))
    jobs_of = dict(zip(given, numbers, strict=True))
    streams, streams_of = numbered(
        [codes_of(given[name].column("stream"), "stream") for name in wanted], pa.array([], pa.string())
    )
    last_attempts = LastAttempts(superseded_in(tables, facts.values()), names)
    rows, *others = (
        last_attempts.of(Rows.of(jobs_of[name], stream, given[name]), streams)
        for name, stream in zip(wanted, streams_of, strict=True)
    )
    rows_of = dict(zip(read, [rows, *others], strict=False))
    behind = others[len(read) - 1 :]
    run_starts = behind.pop() if by_records else None
    steps, blocks = (*behind, None, None)[:2]
    suspected = suspected_jobs(evidence, objective.metrics, names)
    has_logs = any(getattr(one, "logs", ()) for one in (*facts.values(), *getattr(tables, "jobs", ())))
    result = decided(
        objective,
        at_best,
        rows_of,
        steps,
        blocks,
        lambda: streams,
        suspected=suspected,
        run_starts=run_starts,
        has_logs=has_logs,
    )
    counts = result.counts.plus(repeated_counts(rows, objective))
    found = order(
        result.outcomes,
        objective,
        names,
        streams,
        facts,
        result.facts,
        conditions,
        evidence=evidence,
        logs=logs,
        at_best=dict(zip(at_best, result.at_best, strict=True)),
    )
    return found, counts


def order(
    outcomes: Outcomes,
    objective: Objective,
    names: pa.Array,
    streams: pa.Array,
    facts: Mapping[str, Known],
    steps: StepFacts | None = None,
    conditions: Conditions = NO_CONDITIONS,
    *,
    evidence: Evidence | None = None,
    logs: Callable[[], Mapping[str, Sequence[Log]]] = dict,
    at_best: Mapping[str, Found] | None = None,
) -> pa.Table:
    """Put the jobs in order, including jobs without an outcome.

    Parameters
    ----------
    outcomes : Outcomes
    objective : Objective
    names, streams : pyarrow.Array of string
        Names of the jobs and the streams, by number.
    facts : mapping of str to Job
        Status and hyperparameters by name of the job.
    steps : StepFacts, optional
        What the rows of the step say.
    conditions : Conditions
    evidence : Evidence, optional
        What the scan noted besides the rows.
    logs : callable
        Returns the logs of jobs by name; called only if a doubt needs a path.
    at_best : mapping of str to Found, optional
        The values of other metrics, one entry per outcome.

    Returns
    -------
    pyarrow.Table
        With :data:`SCHEMA`, and the columns of ``at_best``.
    """
    status = _spread(outcomes.status, outcomes.job, len(names), MISSING)
    value = _spread(outcomes.value, outcomes.job, len(names), 0.0)
    known = [facts.get(name) for name in names.to_pylist()] if facts else []
    job_status = pa.nulls(len(names), pa.string())
    if known:
        job_status = pa.array([None if one is None else one.status for one in known], pa.string())
    cannot_win, stopped, running = _by_status(job_status if known else None, len(names), conditions)
    reached = np.full(len(names), np.nan)
    if steps is not None:
        reached[steps.job] = steps.last
    twice = copies(
        outcomes,
        names,
        cannot_win,
        streams,
        logs,
        lambda name: one.hyperparameters if (one := facts.get(name)) is not None else {},
    )
    doubts = doubts_of_jobs(
        outcomes,
        objective,
        names,
        streams,
        steps,
        twice,
        evidence=evidence,
        reached=reached,
        stopped=stopped,
        running=running,
        logs=logs,
        parts=at_best,
    )
    shown = _with_conditions(status, conditions, reached, doubts)
    for one in twice:
        shown[one.job] = _COPY if status[one.job] == FOUND else status[one.job]
    group = _GROUPS[status] + ((status == FOUND) & (cannot_win | (shown != FOUND)))
    # 0.0 and -0.0 tie
    key = np.where(status == FOUND, objective.key(value), 0.0) + 0.0
    index = np.lexsort((key, group))
    run, tied = _ties(index, group, key, names)
    unranked = _mask(group[index] > 0)
    ranks = np.flatnonzero(np.concatenate((np.ones(min(len(run), 1), dtype=bool), run[1:] != run[:-1])))[run] + 1
    lacking = _mask(status[index] == MISSING)
    if objective.step is not None:
        no_step = (outcomes.status == MISSING) & (outcomes.rows > 0) & (outcomes.stepless == outcomes.rows)
        shown[outcomes.job[no_step]] = _NO_STEP

    def column(name: str, filler: Any = 0) -> Array:
        return _spread(getattr(outcomes, name), outcomes.job, len(names), filler)[index]

    if any(one is not None and one.hyperparameters for one in known):
        # without known hyperparameters the map is empty, not null
        parameters = pa.array(
            [[] if (one := known[at]) is None else list(one.hyperparameters.items()) for at in index.tolist()],
            SCHEMA.field("hyperparameters").type,
        )
    else:
        nothing = pa.array([], pa.string())
        parameters = pa.MapArray.from_arrays(pa.array(np.zeros(len(names) + 1, dtype=np.int32)), nothing, nothing)
    # each run is a part: in the same or a later piece of the stream, so the sum tells them apart
    parts = np.zeros(len(index), dtype=np.int32)
    for name in ("part", "run"):
        if getattr(outcomes, name).any():
            parts = (parts + column(name)).astype(np.int32, copy=False)
    runs = steps_there = None
    if objective.restarts == "split":
        runs = pa.array(column("run"), pa.int32(), mask=lacking)
    if objective.step is not None:
        there = column("step", np.nan)
        steps_there = pa.array(there if lacking is None else np.where(lacking, np.nan, there), from_pandas=True)
    columns = {
        "rank": pa.array(ranks, pa.int64(), mask=unranked),
        "job": names.take(pa.array(index)),
        "value": pa.array(value[index], mask=lacking),
        "objective_status": _STATUS_NAMES.take(pa.array(shown[index])),
        "job_status": job_status.take(pa.array(index)),
        "rows": column("rows"),
        "stream": streams.take(pa.array(column("stream"), mask=lacking)),
        "part": pa.array(parts, mask=lacking),
        "run": pa.nulls(len(index), pa.int32()) if runs is None else runs,
        "line": pa.array(column("line"), pa.int64(), mask=lacking),
        "offset": pa.array(column("offset"), pa.int64(), mask=lacking),
        "hyperparameters": parameters,
        "streams": column("streams"),
        "not_finite": column("not_finite"),
        "tied": pa.array(tied, pa.int64(), mask=unranked),
        "step": pa.nulls(len(index), pa.float64()) if steps_there is None else steps_there,
        "steps_back": _steps_back(steps, index, stepped=objective.step is not None),
        "stepless": pa.nulls(len(index), pa.int64()) if objective.step is None else column("stepless"),
        "doubts": doubts.as_column(index),
    }
    table = pa.table(columns, schema=SCHEMA)
    for name, values in columns_of(at_best or {}, outcomes.job, index, streams, len(names)).items():
        table = table.append_column(name, values)
    return table


def log_of(logs: Iterable[Log], row: Mapping[str, Any]) -> Log | None:
    """The log of the deciding row of a row of the ranking, among the logs of the job."""
    piece = None if row["part"] is None else row["part"] - (row["run"] or 0)
    return next((log for log in logs if (log.stream, log.part) == (row["stream"], piece)), None)


def _checked_jobs(jobs: Iterable[Known]) -> Iterator[Known]:
    for job in jobs:
        if not isinstance(getattr(job, "name", None), str):
            raise TypeError(f"jobs: a job with a name was expected, not {type(job).__name__}")
        yield job


def check_metric(objective: Objective, names: Sequence[str], labels: Sequence[str] = ()) -> None:
    """Raise an OptionError if the objective or its step is not a metric, or is a label."""
    check_kind(objective, Objective)
    errors, hints = [], []
    formula = objective.formula
    of_objective = [("objective", name) for name in objective.metrics]
    if formula is not None and set(objective.metrics) - {*names}:
        formula.check([name for name in names if name not in labels and name != BLOCK])
    for what, name in (*of_objective, ("step", objective.step)):
        if name in labels:
            errors.append(f"the {what} metric {quoted(name)} is a label: its values are text, numbers were expected")
            continue
        if name is None or name in names:
            continue
        errors.append(f"the {what} metric {quoted(name)} is not among the metrics: {', '.join(map(repr, names))}")
        meant = nearest(name, names)
        if meant is not None:
            hints.append(f"did you mean {meant!r}?")
    if errors:
        raise OptionError("; ".join(errors), hint=" ".join(hints) or None)


def _with_conditions(status: Array, conditions: Conditions, reached: Array, doubts: Doubts) -> Array:
    """The statuses of the jobs, where those with a finite value have another if they do not fulfil a condition."""
    shown = status.copy()
    excluded = doubts.jobs_with(conditions.exclude_doubts)
    shown[excluded] = np.where(status[excluded] == FOUND, _EXCLUDED, status[excluded])
    if conditions.min_step is not None:
        # the comparison is false for a job without a step
        shown[(status == FOUND) & ~(reached >= conditions.min_step)] = _BELOW_MIN_STEP
    return shown


def _by_status(job_status: pa.Array | None, size: int, conditions: Conditions) -> tuple[Array, Array, Array]:
    """Which jobs cannot win because of their status, which were stopped, and which are in progress; None: no status is known."""
    if job_status is None:
        return np.full(size, conditions.completed_only), np.zeros(size, dtype=bool), np.zeros(size, dtype=bool)
    barred = pc.and_(pc.is_valid(job_status), pc.invert(pc.is_in(job_status, _ABLE_TO_WIN)))
    if conditions.completed_only:
        barred = pc.fill_null(pc.not_equal(job_status, COMPLETED), True)
    stopped, running = (pc.fill_null(pc.equal(job_status, word), False) for word in ("Stopped", "InProgress"))
    cannot_win, are_stopped, are_running = (one.to_numpy(zero_copy_only=False) for one in (barred, stopped, running))
    return cannot_win, are_stopped, are_running


def _mask(which: Array) -> Array | None:
    """Which values are null, for pyarrow; None if none is, which costs nothing for a million jobs."""
    return which if which.any() else None


def _steps_back(steps: StepFacts | None, index: Array, *, stepped: bool) -> pa.Array:
    if not stepped or steps is None:
        return pa.nulls(len(index), pa.int64())
    return pa.array(_spread(steps.back, steps.job, len(index), 0)[index], pa.int64())


def _decided_in_pieces(
    dataset: Dataset, objective: Objective, at_best: Sequence[str]
) -> tuple[Outcomes, pa.Array, PiecewiseDecider]:
    streams = StreamNumbers()
    suspected = suspected_jobs(dataset.evidence, objective.metrics, dataset.names)
    decider = PiecewiseDecider(objective, streams.names, suspected, at_best)
    last_attempts = LastAttempts(dataset.superseded, dataset.names)

    def counting(add: Callable[[Rows], None]) -> Callable[[Rows], None]:
        return lambda rows: add(last_attempts.of(rows, streams.names()))

    others = [
        _Ahead(dataset.rows(name, streams), counting(partial(decider.add_other, name))) for name in decider.others
    ]
    if objective.step is not None:
        others.append(_Ahead(dataset.rows(objective.step, streams), counting(decider.add_steps)))
    if objective.step_place == "block":
        blocks_of(dataset)
        others.append(_Ahead(dataset.rows(BLOCK, streams), counting(decider.add_blocks)))
    if objective.restarts != "keep" and RUN in dataset:
        decider.has_run_starts()
        others.append(_Ahead(dataset.rows(RUN, streams), counting(decider.add_run_starts)))
    for rows in dataset.rows(decider.metric, streams):
        last = int(rows.job[-1])
        for other in others:
            other.read_over(last)
        decider.add(last_attempts.of(rows, streams.names()))
        if decider.is_full:
            decider.decide_before(last)
    # steps and separators of jobs after the last row of the objective
    while others and (behind := min(others, key=lambda other: other.job)).job < _PAST_ALL:
        behind.read_on()
        decider.decide_before(min(other.job for other in others))
    return decider.finish(), streams.names(), decider


class _Ahead:
    """Rows of a second metric, read until they are past a job of the first one."""

    def __init__(self, rows: Iterator[Rows], add: Callable[[Rows], None]) -> None:
        self._rows = rows
        self._add = add
        self.job = -1  #: of the last row that was read; past all jobs at the end

    def read_on(self) -> bool:
        """Read some more rows; False if there are none."""
        more = next(self._rows, None)
        if more is None:
            self.job = _PAST_ALL
            return False
        self._add(more)
        self.job = int(more.job[-1])
        return True

    def read_over(self, job: int) -> None:
        """Read on until all rows of this job are read."""
        while self.job <= job and self.read_on():
            pass


def _spread(values: Array, at: Array, size: int, filler: Any) -> Array:
    if len(at) == size:
        # each job has rows, and they are in the order of their numbers
        return values
    column = np.full(size, filler, dtype=values.dtype)
    column[at] = values
    return column


def _ties(index: Array, group: Array, key: Array, names: pa.Array) -> tuple[Array, Array]:
    """Put tied jobs in natural order of names, in place; return the number of each job's tie, and its size."""
    group, key = group[index], key[index]
    same = np.zeros(len(index), dtype=bool)
    same[1:] = (group[1:] == group[:-1]) & (key[1:] == key[:-1])
    run = np.cumsum(~same) - 1
    members = np.flatnonzero(same | np.append(same[1:], False)[: len(same)])
    if members.size:
        tied = index[members]
        index[members] = tied[np.lexsort((natural_ranks(names.take(pa.array(tied))), run[members]))]
    return run, np.bincount(run, minlength=1)[run] if len(run) else run
