"""The values of a formula: per job, stream and step one row, from the values that its metrics have there."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from metricscan.datasets.rows import Rows
from metricscan.ranking.evaluation import evaluate
from metricscan.ranking.per_step import one_per_step, several_values
from metricscan.ranking.row_order import ordered
from metricscan.ranking.runs import that_count

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pyarrow as pa

    from metricscan.datasets.rows import Array
    from metricscan.definitions.formula import Formula, Step
    from metricscan.definitions.objective import Objective
    from metricscan.ranking.deciding_row import Outcomes


class Combined(NamedTuple):
    """The rows of a formula.

    Attributes
    ----------
    rows : Rows
        At the place of the last of the values of which each is made.
    apart : int array
        The jobs that have rows of all its metrics, and no step that these share, so that the formula has no value.
    """

    rows: Rows
    apart: Array


def combined(
    formula: Formula, given: Mapping[str, Rows], objective: Objective, streams: Callable[[], pa.Array]
) -> Combined:
    """The rows of a formula: one for each step of a stream at which each of its metrics has a value.

    Parameters
    ----------
    formula : Formula
    given : mapping of str to Rows
        The rows of its metrics, with their steps if the objective has a step.
    objective : Objective
        If a metric has several values at a step, ``per_step`` decides.
    streams : callable
        Returns the names of the streams by number.

    Notes
    -----
    A formula of one metric has a row for each row of it, and needs no step. ``last(NAME)`` is the last value of the metric in
    the job that counts, in the order in which rows count; a formula of nothing else has one row a job.
    """
    counting = {name: that_count(given[name]) for name in formula.metrics}
    lasts = {step.name: _lasts(counting[step.name], streams) for step in formula.program if step.kind == "last"}
    size = 1 + max(int(given[name].job.max(initial=-1)) for name in formula.metrics)
    whole = np.logical_and.reduce([_have(rows, size) for rows in counting.values()])
    names = formula.stepped
    if not names:
        rows, values = _of_lasts(lasts, whole), {}
    elif len(names) == 1:
        rows = given[names[0]]
        values = {names[0]: rows.value}
    else:
        kept = [_kept(given[name], objective, streams) for name in names]
        rows, columns = _joined(kept)
        values = dict(zip(names, columns, strict=True))
    for last in lasts.values():
        some = _have(last, size)[rows.job]
        if not some.all():
            rows, values = rows.take(some), {name: column[some] for name, column in values.items()}

    def value_of(step: Step) -> Array:
        if step.kind == "metric":
            return values[step.name]
        last = lasts[step.name]
        return last.value[np.searchsorted(last.job, rows.job)]

    found = evaluate(formula.program, value_of) if len(rows.job) else np.empty(0)
    return Combined(
        rows._replace(value=np.asarray(found, dtype=np.float64)),
        np.flatnonzero(whole & ~_have(rows, size)),
    )


def _lasts(rows: Rows, streams: Callable[[], pa.Array]) -> Rows:
    """The last row of each job, in the order in which rows count."""
    order = ordered(rows, streams, untimed=False)
    at = order.ends - 1
    return rows.take(at if order.row_at is None else order.row_at[at])


def with_several_values(outcomes: Outcomes, parts: Sequence[Rows], streams: Callable[[], pa.Array]) -> Outcomes:
    """The outcomes of a formula, with the counts of steps that have several values, of the metric that has the most of them.

    Parameters
    ----------
    outcomes : Outcomes
        In the order of job numbers.
    parts : sequence of Rows
        The rows of its metrics, with their steps.
    streams : callable
    """
    runs, several = outcomes.step_runs, outcomes.several_runs
    for part in parts:
        if not len(part.job) or not len(outcomes.job):
            continue
        order = ordered(part, streams, untimed=False)
        rows = part if order.row_at is None else part.take(order.row_at)
        if rows.step is None:
            raise AssertionError("a formula of several metrics needs the steps of their rows")
        columns = (rows.value, rows.step, rows.stream, rows.line, rows.offset)
        found = several_values(*columns, order.starts, order.ends)
        job = rows.job[order.starts]
        at = np.minimum(np.searchsorted(job, outcomes.job), len(job) - 1)
        more = (job[at] == outcomes.job) & (found[1][at] > several)
        runs, several = np.where(more, found[0][at], runs), np.where(more, found[1][at], several)
    return outcomes._replace(step_runs=runs, several_runs=several)


def _have(rows: Rows, size: int) -> Array:
    """Whether each of the jobs has a row. Ten million rows take 0.1 s, and 0.7 s by ``unique``."""
    have = np.zeros(size, dtype=bool)
    have[rows.job] = True
    return have


def _of_lasts(lasts: Mapping[str, Rows], whole: Array) -> Rows:
    """One row for each of these jobs, at the place of the first of its metrics."""
    first = next(iter(lasts.values()))
    return first.take(whole[first.job])


def _kept(rows: Rows, objective: Objective, streams: Callable[[], pa.Array]) -> Rows:
    """One row for each step of a stream; rows without a step are left out."""
    if rows.step is None:
        raise AssertionError("a formula of several metrics needs the steps of their rows")
    lacking = np.isnan(rows.step)
    if lacking.any():
        rows = rows.take(~lacking)
    order = ordered(rows, streams, untimed=False)
    if order.row_at is not None:
        rows = rows.take(order.row_at)
    if rows.step is None or not len(rows.job):
        return rows
    kept = one_per_step(rows.value, rows.step, rows.stream, rows.run, order.starts, order.ends, objective.per_step)
    return rows._replace(value=kept.value) if kept.at is None else rows.take(kept.at)._replace(value=kept.value)


def _joined(parts: Sequence[Rows]) -> tuple[Rows, list[Array]]:
    """The rows at the steps that all parts have, each the last of them in its stream; and the values of each part there."""
    first = parts[0]
    if all(_are_steps_the_same(first, part) for part in parts[1:]):
        # the most frequent case, all in one line or block: to rank ten million rows takes half of the time
        return _latest(parts), [part.value for part in parts]
    every = Rows.joined([part._replace(run=_whole(part.run, part), part=_whole(part.part, part)) for part in parts])
    if every.step is None or every.run is None or every.part is None:
        raise AssertionError("joined rows have steps")
    which = np.repeat(np.arange(len(parts)), [len(part.job) for part in parts])
    keys = (every.job, every.stream, every.run, every.step)
    order = np.lexsort((which, *keys[::-1]))
    begins = np.ones(len(order), dtype=bool)
    if len(order):
        begins[1:] = np.logical_or.reduce([key[order][1:] != key[order][:-1] for key in keys])
    starts = np.flatnonzero(begins)
    counts = np.diff(np.append(starts, len(order)))
    shared = starts[counts == len(parts)]
    index = order[shared[:, None] + np.arange(len(parts))]
    part, start = every.part[index].astype(np.int64), every.start[index]
    last = np.argmax(part * (int(start.max(initial=0)) + 1) + start, axis=1) if len(shared) else shared
    place = index[np.arange(len(shared)), last]
    return every.take(place), [every.value[index[:, number]] for number in range(len(parts))]


def _are_steps_the_same(one: Rows, other: Rows) -> bool:
    """Whether both have rows of the same streams and steps, in the same order."""
    if len(one.job) != len(other.job) or one.step is None or other.step is None:
        return False
    runs = all(rows.run is None for rows in (one, other))
    return runs and all(
        np.array_equal(*pair) for pair in ((one.job, other.job), (one.stream, other.stream), (one.step, other.step))
    )


def _latest(parts: Sequence[Rows]) -> Rows:
    """Of the rows at each position, the one that stands last in its stream."""
    latest = parts[0]
    for other in parts[1:]:
        later = other.start > latest.start
        if latest.part is not None or other.part is not None:
            own, its = _whole(latest.part, latest), _whole(other.part, other)
            later = (its > own) | ((its == own) & later)
        if later.all():
            latest = other
        elif later.any():
            size = len(latest.job)
            latest = Rows.joined([latest, other]).take(np.arange(size) + np.where(later, size, 0))
    return latest


def _whole(column: Array | None, rows: Rows) -> Array:
    return np.zeros(len(rows.job), dtype=np.int32) if column is None else column
