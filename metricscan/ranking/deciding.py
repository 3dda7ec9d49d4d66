"""What decides jobs whose rows are at hand: the steps of their rows, formulas, deciding rows, other metrics' values there."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

from metricscan.ranking.at_best import Found, values_there
from metricscan.ranking.deciding_row import NOTHING, decide
from metricscan.ranking.formulas import combined, with_several_values
from metricscan.ranking.runs import runs_between, runs_of_steps
from metricscan.ranking.stepless import StepCounts, step_counts
from metricscan.ranking.steps import with_steps

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pyarrow as pa

    from metricscan.datasets.rows import Array, Rows
    from metricscan.definitions.objective import Objective
    from metricscan.ranking.deciding_row import Dropped, Outcomes


class Decided(NamedTuple):
    """What decided some jobs.

    Attributes
    ----------
    outcomes : Outcomes
    at_best : tuple of Found
        The values of the other metrics there, in the order in which they were asked for.
    counts : StepCounts
    """

    outcomes: Outcomes
    at_best: tuple[Found, ...]
    counts: StepCounts


def metrics_read(objective: Objective, at_best: Sequence[str]) -> list[str]:
    """The metrics whose rows decide and are looked up, besides the step; the first one is of the objective."""
    names = dict.fromkeys([*objective.metrics, *at_best])
    return [name for name in names if name != objective.step or name == objective.metrics[0]]


def decided(
    objective: Objective,
    at_best: Sequence[str],
    rows: Mapping[str, Rows],
    steps: Rows | None,
    blocks: Rows | None,
    streams: Callable[[], pa.Array],
    dropped: Dropped = NOTHING,
    suspected: Callable[[], Array] | None = None,
    run_starts: Rows | None = None,
) -> Decided:
    """Decide jobs.

    Parameters
    ----------
    objective : Objective
    at_best : sequence of str
        The metrics whose values are looked up at the deciding rows.
    rows : mapping of str to Rows
        All rows of the jobs, of each metric that :func:`metrics_read` names.
    steps, blocks : Rows or None
        Those of the step and of the separators of blocks, if the objective asks for them.
    streams, dropped, suspected
        As :func:`decide` takes them.
    run_starts : Rows or None
        The places at which runs begin; None if steps that go back begin them.
    """
    place, restarts = objective.step_place, objective.restarts
    runs = None
    if steps is not None and restarts != "keep":
        runs = runs_of_steps(steps, restarts, None if run_starts is None else runs_between(steps, run_starts))

    @functools.cache
    def stepped(name: str) -> Rows:
        own = steps if name == objective.step and steps is not None else rows[name]
        if steps is None:
            return own
        found = with_steps(own, steps, place, blocks, runs)
        if restarts == "split" and run_starts is not None:
            # also of rows without a step
            found = found._replace(run=runs_between(own, run_starts))
        return found

    formula = objective.formula
    apart = 0
    if formula is None:
        given = stepped(objective.metric)
        of_metrics = [given]
    else:
        parts = {name: stepped(name) for name in formula.metrics}
        of_metrics = [parts[name] for name in formula.stepped]
        given, apart = combined(formula, parts, objective, streams)
    outcomes = decide(given, objective, streams, dropped, suspected)
    if len(of_metrics) > 1:
        outcomes = with_several_values(outcomes, of_metrics, streams)
    counts = StepCounts(apart=apart)
    if steps is not None:
        for one in of_metrics:
            found = step_counts(one, steps, place, blocks)
            if not found.stepless and one is given:
                found = found._replace(streams=int(outcomes.streams.sum()))
            counts = counts.plus(found)
    there = tuple(values_there(outcomes, stepped(name), objective, streams) for name in at_best)
    return Decided(outcomes, there, counts)
