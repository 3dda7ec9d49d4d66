"""The values of other metrics where a job's value was decided: at the same step, else the nearest before it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from metricscan.datasets.rows import Rows
from metricscan.errors import OptionError, nearest
from metricscan.ranking.deciding_row import MISSING
from metricscan.ranking.row_order import job_order
from metricscan.ranking.steps import in_force
from metricscan.ranking.sums import mean_of_each

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from metricscan.datasets.rows import Array
    from metricscan.definitions.objective import Objective
    from metricscan.ranking.deciding_row import Outcomes

#: What the names of the columns of a ranking begin with: ``at_best.NAME`` is the value, ``at_best.NAME.place`` where it stands.
PREFIX = "at_best."
PLACE = ".place"
#: ``same_step`` is true if the value stands at the step of the deciding row (without a step, in its record), false if it is the
#: nearest one before that row in its stream.
PLACE_TYPE = pa.struct(
    [
        pa.field("same_step", pa.bool_()),
        pa.field("step", pa.float64()),
        pa.field("stream", pa.string()),
        pa.field("part", pa.int32()),
        pa.field("line", pa.int64()),
        pa.field("offset", pa.int64()),
    ]
)


class AtBest(NamedTuple):
    """The value of another metric where a job's value was decided.

    Attributes
    ----------
    value : float
        May be NaN or infinite, if the log says so.
    same_step : bool
        Whether it stands at the step of the deciding row; without a step, in its record. Else it is the nearest one before that
        row in its stream.
    step : float or None
        Its step; None without one.
    stream : str
    part, line, offset : int
        Its place, as that of the deciding row.
    """

    value: float
    same_step: bool
    step: float | None
    stream: str
    part: int
    line: int
    offset: int


class Found(NamedTuple):
    """The values of one metric, one entry per outcome; the other columns mean nothing where ``there`` is false."""

    there: Array  # bool
    value: Array  # float64
    same_step: Array  # bool
    step: Array  # float64, NaN without one
    stream: Array  # int, number of the stream
    part: Array  # int32
    line: Array  # int64
    offset: Array  # int64
    start: Array  # int64


def joined_found(parts: Sequence[Found]) -> Found:
    """The values of all parts, one after the other."""
    if not parts:
        integers = np.empty(0, dtype=np.int64)
        nothing, none = np.empty(0), np.empty(0, dtype=bool)
        return Found(none, nothing, none, nothing, integers, integers.astype(np.int32), integers, integers, integers)
    return Found(*map(np.concatenate, zip(*parts, strict=True)))


def columns_of(
    found: Mapping[str, Found], jobs: Array, index: Array, streams: pa.Array, size: int
) -> dict[str, pa.Array]:
    """The columns of a ranking that say what other metrics are where its jobs were decided.

    Parameters
    ----------
    found : mapping of str to Found
        By metric; one entry per outcome.
    jobs : int array
        The job number of each outcome.
    index : int array
        The job numbers in the order of the ranking.
    streams : pyarrow.Array of string
    size : int
        How many jobs there are.
    """
    columns = {}
    outcome = np.full(size, -1, dtype=np.int64)
    outcome[jobs] = np.arange(len(jobs))
    at = outcome[index]
    for name, one in found.items():
        there = (at >= 0) & np.append(one.there, False)[at]
        some = np.where(there, at, 0)
        if not len(one.value):
            columns[PREFIX + name] = pa.nulls(len(index), pa.float64())
            columns[PREFIX + name + PLACE] = pa.nulls(len(index), PLACE_TYPE)
            continue
        lacking = ~there
        columns[PREFIX + name] = pa.array(one.value[some], mask=lacking)
        # numbers of streams without a meaning could be past the end
        numbers = np.where(there, one.stream[some], 0)
        fields = [
            pa.array(one.same_step[some]),
            pa.array(one.step[some], from_pandas=True),
            streams.take(pa.array(numbers)),
            pa.array(one.part[some].astype(np.int32)),
            pa.array(one.line[some]),
            pa.array(one.offset[some]),
        ]
        columns[PREFIX + name + PLACE] = pa.StructArray.from_arrays(
            fields, fields=list(PLACE_TYPE), mask=pa.array(lacking)
        )
    return columns


def from_row(row: Mapping[str, Any]) -> dict[str, AtBest | None]:
    """The values of other metrics in a row of a ranking, by metric; None for one without a value."""
    return {
        key.removeprefix(PREFIX): None if row[key] is None else AtBest(row[key], **row[key + PLACE])
        for key in row
        if key.startswith(PREFIX) and key + PLACE in row
    }


def checked_names(
    names: str | Iterable[str], metrics: Collection[str], labels: Collection[str] = ()
) -> tuple[str, ...]:
    """The names of metrics to look up, without repetitions.

    Raises
    ------
    OptionError
        One is not a metric, or is a label, or two columns of the ranking would have one name.
    """
    wanted = tuple(dict.fromkeys([names] if isinstance(names, str) else names))
    errors, hints = [], []
    for name in wanted:
        if name in labels:
            errors.append(f"at_best={name!r} is a label: its values are text, numbers were expected")
        elif name not in metrics:
            errors.append(f"at_best={name!r} is not among the metrics: {', '.join(map(repr, metrics))}")
            meant = nearest(name, list(metrics))
            hints += [] if meant is None else [f"did you mean {meant!r}?"]
        elif name + PLACE in wanted:
            errors.append(f"at_best={name!r} and {name + PLACE!r}: their columns would have one name")
    if errors:
        raise OptionError("; ".join(errors), hint=" ".join(hints) or None)
    return wanted


def with_parts(names: tuple[str, ...], objective: Objective) -> tuple[str, ...]:
    """The names, and those of the metrics of a formula, whose values at the best step show how its value came about."""
    return names if objective.formula is None else tuple(dict.fromkeys([*names, *objective.metrics]))


def values_there(outcomes: Outcomes, rows: Rows, objective: Objective, streams: Callable[[], pa.Array]) -> Found:
    """The value of another metric at the deciding row of each job.

    Parameters
    ----------
    outcomes : Outcomes
        In the order of job numbers.
    rows : Rows
        The rows of the metric of these jobs that count, in any order, with their steps and runs if the objective has a step.
        Other jobs may be among them.
    objective : Objective
        Of several values at the step, ``per_step`` decides; under ``all``, the one in the deciding row's record, or the last one
        before it, if it is among them, else the last.
    streams : callable
        Returns the names of the streams by number.

    Returns
    -------
    Found
    """
    count = len(outcomes.job)
    deciding = Rows(
        outcomes.job,
        outcomes.stream,
        outcomes.value,
        outcomes.line,
        outcomes.offset,
        outcomes.start,
        None,
        part=outcomes.part,
    )
    within = None
    if objective.restarts == "split" and rows.run is not None:
        # each run is a part of its own
        within = outcomes.run, rows.run
    near = in_force(deciding, rows, "before", within=within) if count else np.empty(0, dtype=np.int64)
    at = near.copy()
    some = np.flatnonzero(near >= 0)
    parts = np.zeros(len(rows.job), np.int32) if rows.part is None else rows.part
    same = np.zeros(count, dtype=bool)
    # of the same stream, as the step in force is
    same[some] = (rows.offset[near[some]] == outcomes.offset[some]) & (parts[near[some]] == outcomes.part[some])
    values = np.append(rows.value, np.nan)
    value = values[at]
    if objective.step is not None and rows.step is not None and count and len(rows.job):
        there = rows.step[near[some]] == outcomes.step[some]
        keep_near = np.zeros(count, dtype=bool)
        keep_near[some] = there & (objective.per_step == "all")
        job, chosen, made = _at_the_step(outcomes, rows, objective, streams)
        others = ~keep_near[job]
        same |= keep_near
        job, chosen, made = job[others], chosen[others], made[others]
        at[job], same[job], value[job] = chosen, True, made
    there = (at >= 0) & (outcomes.status != MISSING)
    steps = np.full(len(rows.job), np.nan) if rows.step is None else rows.step
    if not len(rows.job):
        nothing = np.zeros(count, dtype=np.int64)
        empty = np.full(count, np.nan)
        return Found(there, empty, same, empty, nothing, nothing.astype(np.int32), nothing, nothing, nothing)
    return Found(
        there, value, same, steps[at], rows.stream[at], parts[at], rows.line[at], rows.offset[at], rows.start[at]
    )


def _at_the_step(
    outcomes: Outcomes, rows: Rows, objective: Objective, streams: Callable[[], pa.Array]
) -> tuple[Array, Array, Array]:
    """For each outcome with values at its step: its number, the row of the value that counts, and that value.

    Values in the stream of the deciding row come before those of other streams of the job.
    """
    if rows.step is None:
        raise AssertionError("the rows need steps")
    number = np.minimum(np.searchsorted(outcomes.job, rows.job), len(outcomes.job) - 1)
    # false for a NaN
    there = (outcomes.job[number] == rows.job) & (rows.step == outcomes.step[number])
    if rows.run is not None:
        there &= rows.run == outcomes.run[number]
    which = np.flatnonzero(there)
    # job by job, in the order in which rows count
    row = which[job_order(rows.take(which), streams)] if which.size else which
    number, stream = number[row], rows.stream[row]
    starts, ends = _runs(number)
    if not len(starts):
        return number, row, rows.value[row]
    own = outcomes.stream[number]
    preferred = np.where(np.logical_or.reduceat(stream == own, starts), own[starts], stream[ends - 1])
    kept = stream == np.repeat(preferred, ends - starts)
    row, number = row[kept], number[kept]
    starts, ends = _runs(number)
    chosen = row[starts if objective.per_step == "first" else ends - 1]
    made = rows.value[chosen]
    if objective.per_step == "mean":
        made = mean_of_each(rows.value[row], starts, ends)
    return number[starts], chosen, made


def _runs(number: Array) -> tuple[Array, Array]:
    """The first and one past the last position of each run of equal numbers."""
    starts = np.flatnonzero(np.concatenate((np.ones(min(len(number), 1), dtype=bool), number[1:] != number[:-1])))
    return starts, np.append(starts[1:], len(number))[: len(starts)]
