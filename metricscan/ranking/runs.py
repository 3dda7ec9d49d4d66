"""The runs of a stream whose step goes back: which rows a later run replaced, and the run of each row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from metricscan.ranking.step_facts import placed, returning
from metricscan.ranking.steps import in_force

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metricscan.datasets.rows import Array, Rows
    from metricscan.definitions.objective import Restarts
    from metricscan.ranking.mentions import ValuesAtSteps

#: The run of a row that a later run replaced.
REPLACED = -1


def that_count(rows: Rows) -> Rows:
    """The rows without those that a later run replaced."""
    return rows if rows.run is None or not (rows.run < 0).any() else rows.take(rows.run >= 0)


def with_steps(
    rows: Rows,
    steps: Rows,
    at: Array,
    runs: Array | None = None,
    restarts: Restarts = "keep",
    run_starts: Rows | None = None,
) -> Rows:
    """The rows with their steps, NaN for a row without one; and with their runs.

    Parameters
    ----------
    rows, steps : Rows
        Both number jobs and streams in the same way.
    at : int array
        For each row the row of the step, as :func:`in_force` gives it.
    runs : int array, optional
        The run of each row of the step, as :func:`runs_of_steps` gives it.
    restarts : {"keep", "purge", "split"}
        As :class:`Objective` takes it. With "split", a row without a step belongs to the run in which it stands.
    run_starts : Rows, optional
        The places at which runs begin.

    Returns
    -------
    Rows
        The columns of ``rows`` (no copy), ``step`` (float64), and ``run`` if runs are given.
    """
    stepped = rows._replace(step=np.append(steps.value, np.nan)[at])
    if runs is None:
        return stepped
    if restarts == "split" and run_starts is not None:
        return stepped._replace(run=runs_between(rows, run_starts))
    known = np.append(runs, np.int32(0))
    run = known[at]
    lacking = at < 0
    if restarts == "split" and lacking.any():
        run[lacking] = known[in_force(rows.take(lacking), steps)]
    return stepped._replace(run=run)


def runs_of_steps(
    steps: Rows, restarts: Restarts, first_of_run: Array | None = None, values: Sequence[ValuesAtSteps] = ()
) -> Array:
    """The run of each row of the step.

    Parameters
    ----------
    steps : Rows
        In any order.
    restarts : {"purge", "split"}
        "purge": ``REPLACED`` for a step that is at or above the first step of a later run of its stream, as TensorBoard drops
        it; else 0. "split": the number of the run in its stream, the first 0.
    first_of_run : int array, optional
        The number of the run of each row, if something else than a step that goes back begins the runs.
    values : sequence of ValuesAtSteps
        The values at the steps, as :func:`returning` takes them.

    Returns
    -------
    int32 array
        As long as ``steps``.
    """
    size = len(steps.job)
    found = np.zeros(size, dtype=np.int32)
    finite = np.flatnonzero(np.isfinite(steps.value))
    if not finite.size:
        return found
    some = steps.take(finite)
    order = placed(some)
    if order is not None:
        finite, some = finite[order], some.take(order)
    begins = np.ones(len(finite), dtype=bool)
    begins[1:] = (some.job[1:] != some.job[:-1]) | (some.stream[1:] != some.stream[:-1])
    stream = np.cumsum(begins) - 1
    if first_of_run is None:
        event = returning(some.value, stream, finite, values)
    else:
        given = first_of_run[finite]
        event = np.zeros(len(finite), dtype=bool)
        event[1:] = ~begins[1:] & (given[1:] != given[:-1])
    if not event.any() and first_of_run is None:
        return found
    run_starts = np.flatnonzero(begins | event)
    run = np.cumsum(begins | event) - 1
    if restarts == "purge":
        least = _least_later(some.value[run_starts], stream[run_starts])
        found[finite] = np.where(some.value >= least[run], REPLACED, 0)
        return found
    if first_of_run is not None:
        return first_of_run.astype(np.int32)
    heads = np.flatnonzero(begins)
    numbers = run - run[heads][stream]
    found[finite] = numbers
    if len(finite) < size:
        # a step that is not finite belongs to the run in which it stands
        found = _carried(steps, found)
    return found


def runs_between(rows: Rows, starts: Rows) -> Array:
    """The number of the run of each row in its stream, as int32.

    A record that begins a run belongs to it. What stands before the first one belongs to the first run, 0.
    """
    order = placed(starts)
    ordered = starts if order is None else starts.take(order)
    found = in_force(rows, ordered, "before")
    begins, fresh = np.ones(len(ordered.job), dtype=bool), np.ones(len(ordered.job), dtype=bool)
    begins[1:] = (ordered.job[1:] != ordered.job[:-1]) | (ordered.stream[1:] != ordered.stream[:-1])
    # a regex may match several times in a record
    fresh[1:] = begins[1:] | (ordered.offset[1:] != ordered.offset[:-1])
    if ordered.part is not None:
        fresh[1:] |= ordered.part[1:] != ordered.part[:-1]
    number = np.cumsum(fresh)
    heads = np.flatnonzero(begins)
    in_stream = number - number[heads][np.cumsum(begins) - 1] if len(heads) else number
    return np.append(in_stream, 0)[found].astype(np.int32)


def _least_later(first: Array, stream: Array) -> Array:
    """For each run the least first step of a later run of its stream; infinite for the last one."""
    least = np.full(len(first), np.inf)
    same = stream[1:] == stream[:-1]
    least[:-1] = np.where(same, first[1:], np.inf)
    reach = 1
    # each round looks twice as far ahead
    while reach < len(first):
        ahead = np.where(stream[reach:] == stream[:-reach], least[reach:], np.inf)
        if not np.isfinite(ahead).any():
            break
        least[:-reach] = np.minimum(least[:-reach], ahead)
        reach *= 2
    return least


def _carried(steps: Rows, runs: Array) -> Array:
    order = placed(steps)
    at = np.arange(len(runs)) if order is None else order
    finite = np.isfinite(steps.value[at])
    begins = np.ones(len(at), dtype=bool)
    begins[1:] = (steps.job[at][1:] != steps.job[at][:-1]) | (steps.stream[at][1:] != steps.stream[at][:-1])
    # the last finite one at or before each row; run 0 before the first one of a stream
    last = np.maximum.accumulate(np.where(finite | begins, np.arange(len(at)), 0))
    found = runs.copy()
    found[at] = np.where(finite[last], runs[at[last]], 0)
    return found
