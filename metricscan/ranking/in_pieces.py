"""The deciding rows of many jobs, found while rows arrive, job after job; only the rows of the current jobs are in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from metricscan.datasets.rows import Rows
from metricscan.definitions.objective import parse_scope
from metricscan.ranking.deciding_row import NOTHING, Outcomes, decide, drop_undecidable
from metricscan.ranking.doubts import Last, last_steps
from metricscan.ranking.stepless import StepCounts, step_counts
from metricscan.ranking.steps import steps_back, with_steps

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    from metricscan.datasets.rows import Array
    from metricscan.definitions.objective import Objective
    from metricscan.ranking.deciding_row import Dropped

# Rows of one decision: enough to make numpy's overhead negligible, few enough to need little memory.
PIECE_ROWS = 1 << 19


class PiecewiseDecider:
    """Decides the objective of jobs whose rows arrive in the order of the jobs.

    Parameters
    ----------
    objective : Objective
    streams : callable
        Returns the names of the streams known so far, by number.
    suspected : callable, optional
        As :func:`decide` takes it; of the jobs whose rows all were added.

    Notes
    -----
    Rows that can no longer decide are dropped from a job that is very long. If the objective has a step, the step of a row
    may arrive later than the row; under a smoothed scope each row counts: then all rows of the current job are kept until the
    job ends.
    """

    def __init__(
        self, objective: Objective, streams: Callable[[], pa.Array], suspected: Callable[[], Array] | None = None
    ) -> None:
        self._objective = objective
        self._may_drop = objective.step is None and not parse_scope(objective.scope).is_smoothed
        self._streams = streams
        self._suspected = suspected
        self._rows: list[Rows] = []
        self._steps: list[Rows] = []
        self._blocks: list[Rows] = []
        self._held = 0
        self._limit = PIECE_ROWS
        self._dropped: Dropped = NOTHING
        self._decided: list[Outcomes] = []
        self._went_back: list[Array] = []
        #: How many rows have a step, and how many would have one from another place.
        self.step_counts = StepCounts()
        self._last_steps: list[Last] = []
        #: The job number of each step that goes back (int64), after :meth:`finish`.
        self.went_back: Array = np.empty(0, dtype=np.int64)
        #: The last step of each job that has a step, after :meth:`finish`.
        self.last_steps = Last(np.empty(0, dtype=np.int64), np.empty(0))

    def add(self, rows: Rows) -> None:
        """Add rows of the objective. No job may come before a job whose rows were already added."""
        if not len(rows.job):
            return
        self._rows.append(rows)
        self._held += len(rows.job)
        if self._may_drop and self._held >= self._limit:
            self.decide_before(int(rows.job[-1]))

    def add_steps(self, steps: Rows) -> None:
        """Add rows of the step, by the same rule."""
        if len(steps.job):
            self._steps.append(steps)
            self._held += len(steps.job)

    def add_blocks(self, blocks: Rows) -> None:
        """Add separators of blocks, by the same rule."""
        if len(blocks.job):
            self._blocks.append(blocks)
            self._held += len(blocks.job)

    @property
    def is_full(self) -> bool:
        """Whether the caller should call :meth:`decide_before` to free memory; used if the objective has a step."""
        return self._held >= self._limit

    def decide_before(self, job: int) -> None:
        """Decide for all jobs before this one; all their rows, steps and separators must have been added."""
        over, rest = _cut(self._rows, job)
        over_steps, rest_steps = _cut(self._steps, job)
        over_blocks, rest_blocks = _cut(self._blocks, job)
        self._went_back.append(steps_back(over_steps))
        self._last_steps.append(last_steps(over_steps))
        if len(over.job):
            if self._objective.step is not None:
                over = with_steps(over, over_steps, self._objective.step_place, over_blocks)
            outcomes = decide(over, self._objective, self._streams, self._dropped, self._suspected)
            self._decided.append(outcomes)
            if self._objective.step is not None:
                counts = step_counts(over, over_steps, self._objective.step_place, over_blocks)
                if not counts.stepless:
                    counts = counts._replace(streams=int(outcomes.streams.sum()))
                self.step_counts = self.step_counts.plus(counts)
            self._dropped = NOTHING
        if len(rest.job) >= PIECE_ROWS and self._may_drop:
            rest, self._dropped = drop_undecidable(rest, self._objective, self._dropped)
        self._rows, self._steps, self._blocks = [_own(rest)], [_own(rest_steps)], [_own(rest_blocks)]
        self._held = len(rest.job) + len(rest_steps.job) + len(rest_blocks.job)
        # so that the kept rows are not examined again whenever a few rows arrive
        self._limit = max(PIECE_ROWS, 2 * self._held)

    def finish(self) -> Outcomes:
        """Decide for the remaining jobs, and return the outcomes of all jobs, in their order."""
        self.decide_before(np.iinfo(np.int64).max)
        self.went_back = np.concatenate(self._went_back)
        self.last_steps = Last(*map(np.concatenate, zip(*self._last_steps, strict=True)))
        if not self._decided:
            nothing = Rows.joined([])._replace(step=np.empty(0))
            return decide(nothing, self._objective, self._streams)
        return Outcomes.joined(self._decided)


def _cut(parts: list[Rows], job: int) -> tuple[Rows, Rows]:
    """The rows of the jobs before this one, and the others."""
    rows = Rows.joined(parts)
    cut = int(np.searchsorted(rows.job, job))
    return rows.take(slice(cut)), rows.take(slice(cut, None))


def _own(rows: Rows) -> Rows:
    """A copy of the rows, so that the array from which they were cut can be freed."""
    return Rows(*(None if column is None else column.copy() for column in rows))  # type: ignore[arg-type]
