"""What decides jobs whose rows are at hand: the steps of their rows, formulas, deciding rows, other metrics' values there."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

from metricscan.ranking.at_best import Found, values_there
from metricscan.ranking.deciding_row import NOTHING, decide
from metricscan.ranking.formulas import combined, with_several_values
from metricscan.ranking.mentions import ValuesAtSteps
from metricscan.ranking.runs import runs_between, runs_of_steps, that_count, with_steps
from metricscan.ranking.step_facts import step_facts
from metricscan.ranking.stepless import StepCounts, step_counts
from metricscan.ranking.steps import in_force

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pyarrow as pa

    from metricscan.datasets.rows import Array, Rows
    from metricscan.definitions.objective import Objective
    from metricscan.ranking.deciding_row import Dropped, Outcomes
    from metricscan.ranking.step_facts import StepFacts


class Decided(NamedTuple):
    """What decided some jobs.

    Attributes
    ----------
    outcomes : Outcomes
    at_best : tuple of Found
        The values of the other metrics there, in the order in which they were asked for.
    counts : StepCounts
    facts : StepFacts or None
        What the rows of the step say; None without a step.
    """

    outcomes: Outcomes
    at_best: tuple[Found, ...]
    counts: StepCounts
    facts: StepFacts | None


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
    at: dict[str, Array] = {}
    facts = runs = None
    if steps is not None:
        rows = rows if objective.step is None else {**rows, objective.step: steps}
        wanted = dict.fromkeys([*objective.metrics, *at_best])
        at = {name: in_force(rows[name], steps, place, blocks=blocks) for name in wanted}
        values = [ValuesAtSteps(rows[name].value, at[name]) for name in objective.metrics]
        facts = step_facts(steps, values)
        if restarts != "keep":
            first_of_run = None if run_starts is None else runs_between(steps, run_starts)
            runs = runs_of_steps(steps, restarts, first_of_run, values)

    @functools.cache
    def stepped(name: str) -> Rows:
        own = rows[name]
        return own if steps is None else with_steps(own, steps, at[name], runs, restarts, run_starts)

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
    if steps is not None and facts is not None:
        counts = counts.plus(StepCounts.of_facts(facts))
        for one in of_metrics:
            found = step_counts(one, steps, place, blocks)
            if not found.stepless and one is given:
                found = found._replace(streams=int(outcomes.streams.sum()))
            counts = counts.plus(found)
    there = tuple(values_there(outcomes, that_count(stepped(name)), objective, streams) for name in at_best)
    return Decided(outcomes, there, counts, facts)
