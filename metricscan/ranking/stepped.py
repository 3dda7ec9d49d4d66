"""The rows of metrics with their steps and the runs of these: by them, all that ranks decides which rows count."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from metricscan.ranking.mentions import ValuesAtSteps
from metricscan.ranking.runs import runs_between, runs_of_steps, with_steps
from metricscan.ranking.step_facts import step_facts
from metricscan.ranking.steps import in_force

if TYPE_CHECKING:
    from collections.abc import Mapping

    from metricscan.datasets.rows import Array, Rows
    from metricscan.definitions.objective import Objective


class Stepped:
    """Gives rows their steps and runs.

    Parameters
    ----------
    objective : Objective
        With a step.
    rows : mapping of str to Rows
        All rows of some jobs, of the metrics that decide and of others.
    steps : Rows
        Those of the step.
    blocks : Rows or None
        The separators of blocks, if the objective asks for them.
    run_starts : Rows or None
        The places at which runs begin; None if steps that go back begin them.
    """

    def __init__(
        self,
        objective: Objective,
        rows: Mapping[str, Rows],
        steps: Rows,
        blocks: Rows | None = None,
        run_starts: Rows | None = None,
    ) -> None:
        self._objective = objective
        self._rows = {**rows, str(objective.step): steps}
        self._steps, self._blocks, self._run_starts = steps, blocks, run_starts
        self._at: dict[str, Array] = {}
        self._found: dict[str, Rows] = {}
        values = [ValuesAtSteps(self._rows[name].value, self._in_force(name)) for name in objective.metrics]
        #: What the steps say.
        self.facts = step_facts(steps, values)
        self._runs: Array | None = None
        if objective.restarts != "keep":
            first_of_run = None if run_starts is None else runs_between(steps, run_starts)
            self._runs = runs_of_steps(steps, objective.restarts, first_of_run, values)

    def of(self, name: str) -> Rows:
        """The rows of a metric, each with its step and its run; a run below 0 was replaced."""
        if name not in self._found:
            self._found[name] = self._with_steps(self._rows[name], self._in_force(name))
        return self._found[name]

    def run_of(self, rows: Rows) -> Array:
        """The run in which each of some other rows stands, where runs are split."""
        run = self._with_steps(rows, np.full(len(rows.job), -1)).run
        if run is None:
            raise AssertionError("there are no runs")
        return run

    def _with_steps(self, rows: Rows, at: Array) -> Rows:
        return with_steps(rows, self._steps, at, self._runs, self._objective.restarts, self._run_starts)

    def _in_force(self, name: str) -> Array:
        if name not in self._at:
            rows, place, within = self._rows[name], self._objective.step_place, None
            if self._objective.restarts == "split" and self._run_starts is not None:
                # the steps of a run are its own
                within = runs_between(rows, self._run_starts), runs_between(self._steps, self._run_starts)
            self._at[name] = in_force(rows, self._steps, place, within=within, blocks=self._blocks)
        return self._at[name]
