"""What decides jobs whose rows are at hand: the steps of their rows, formulas, deciding rows, other metrics' values there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from metricscan.ranking.at_best import Found, values_there
from metricscan.ranking.deciding_row import NOTHING, decide
from metricscan.ranking.formulas import combined, with_several_values
from metricscan.ranking.runs import that_count
from metricscan.ranking.same_streams import SameStreams
from metricscan.ranking.stepless import StepCounts, jobs_of_streams, step_counts
from metricscan.ranking.stepped import Stepped

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
    count: Callable[[Array], Any] = len,
    *,
    has_logs: bool = True,
) -> Decided:
    """Decide jobs. Of streams of a job that are the same log twice, one counts.

    Parameters
    ----------
    objective : Objective
    at_best : sequence of str
        The metrics whose values are looked up at the deciding rows.
    rows : mapping of str to Rows
        All rows of the jobs, of each metric that :func:`metrics_read` names.
    steps, blocks : Rows or None
        Those of the step and of the separators of blocks, if the objective asks for them.
    streams, dropped, suspected, has_logs
        As :func:`decide` takes them.
    run_starts : Rows or None
        The places at which runs begin; None if steps that go back begin them.
    count : callable
        As :class:`~metricscan.ranking.stepless.StepCounts` takes it.
    """
    found = None if steps is None else Stepped(objective, rows, steps, blocks, run_starts)

    def stepped(name: str) -> Rows:
        return rows[name] if found is None else found.of(name)

    formula = objective.formula
    apart = np.zeros(0, np.int64)
    if formula is None:
        given = stepped(objective.metric)
        of_metrics = [given]
    else:
        parts = {name: stepped(name) for name in formula.metrics}
        of_metrics = [parts[name] for name in formula.stepped]
        given, apart = combined(formula, parts, objective, streams)
    outcomes = decide(given, objective, streams, dropped, suspected, has_logs=has_logs)
    if (outcomes.streams > 1).any():
        own, *others = (rows[name] for name in metrics_read(objective, at_best))
        same = SameStreams(outcomes, own, [*others, *([] if steps is None else [steps])], streams)
        if same:
            again = decided(
                objective,
                at_best,
                {name: same.without(one) for name, one in rows.items()},
                None if steps is None else same.without(steps),
                None if blocks is None else same.without(blocks),
                streams,
                dropped,
                suspected,
                None if run_starts is None else same.without(run_starts),
                count,
                has_logs=has_logs,
            )
            copied = same.counts(again.outcomes.job)
            return again._replace(outcomes=again.outcomes._replace(copied_streams=copied))
    if len(of_metrics) > 1:
        outcomes = with_several_values(outcomes, of_metrics, streams)
    counts = StepCounts(apart=count(apart))
    if steps is not None and found is not None:
        counts = counts.plus(StepCounts.of_facts(found.facts, count))
        for one in of_metrics:
            counted = step_counts(one, steps, objective.step_place, blocks, count)
            if not np.any(counted.stepless):
                # other jobs may have rows without a step
                with_rows = np.repeat(outcomes.job, outcomes.streams) if one is given else jobs_of_streams(one)
                counted = counted._replace(streams=count(with_rows))
            counts = counts.plus(counted)
    there = tuple(values_there(outcomes, that_count(stepped(name)), objective, streams) for name in at_best)
    return Decided(outcomes, there, counts, None if found is None else found.facts)
