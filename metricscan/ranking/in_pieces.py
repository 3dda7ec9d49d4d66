"""The deciding rows of many jobs, found while rows arrive, job after job; only the rows of the current jobs are in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from metricscan.datasets.rows import Rows
from metricscan.definitions.objective import parse_scope
from metricscan.ranking.at_best import joined_found
from metricscan.ranking.deciding import decided, metrics_read
from metricscan.ranking.deciding_row import NOTHING, Outcomes, decide, drop_undecidable
from metricscan.ranking.step_facts import StepFacts, step_facts
from metricscan.ranking.stepless import StepCounts, repeated_counts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pyarrow as pa

    from metricscan.datasets.rows import Array
    from metricscan.definitions.objective import Objective
    from metricscan.ranking.at_best import Found
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
    at_best : sequence of str
        The metrics whose values are looked up at the deciding rows; their rows are kept until the job ends.

    Notes
    -----
    Rows that can no longer decide are dropped from a job that is very long. If the objective has a step, the step of a row
    may arrive later than the row; under a smoothed scope each row counts: then all rows of the current job are kept until the
    job ends.
    """

    def __init__(
        self,
        objective: Objective,
        streams: Callable[[], pa.Array],
        suspected: Callable[[], Array] | None = None,
        at_best: Sequence[str] = (),
    ) -> None:
        self._objective = objective
        smoothed = parse_scope(objective.scope).is_smoothed
        self._may_drop = objective.step is None and not smoothed and objective.formula is None
        self._streams = streams
        self._suspected = suspected
        self._at_best = tuple(at_best)
        #: The metric of which :meth:`add` takes rows, and the others besides the step, whose rows are wanted, too.
        self.metric, *others = metrics_read(objective, at_best)
        self.others: list[str] = others
        self._other_rows: dict[str, list[Rows]] = {name: [] for name in self.others}
        self._found: list[tuple[Found, ...]] = []
        self._last_row: Rows | None = None
        self._rows: list[Rows] = []
        self._steps: list[Rows] = []
        self._blocks: list[Rows] = []
        # None: steps that go back begin the runs
        self._run_starts: list[Rows] | None = None
        self._held = 0
        self._limit = PIECE_ROWS
        self._dropped: Dropped = NOTHING
        self._decided: list[Outcomes] = []
        #: How many rows have a step, and how many would have one from another place.
        self.step_counts = StepCounts()
        self._facts: list[StepFacts] = []
        #: What the rows of the step say, after :meth:`finish`; None without a step.
        self.step_facts: StepFacts | None = None

    def add(self, rows: Rows) -> None:
        """Add rows of :attr:`metric`. No job may come before a job whose rows were already added."""
        if not len(rows.job):
            return
        self.step_counts = self.step_counts.plus(repeated_counts(rows, self._objective, self._last_row))
        self._last_row = _own(rows.take(slice(-1, None)))
        self._rows.append(rows)
        self._held += len(rows.job)
        if self._may_drop and not self.others and self._held >= self._limit:
            self.decide_before(int(rows.job[-1]))

    def add_steps(self, steps: Rows) -> None:
        """Add rows of the step, by the same rule."""
        if len(steps.job):
            self._steps.append(steps)
            self._held += len(steps.job)

    def add_other(self, name: str, rows: Rows) -> None:
        """Add rows of one of the :attr:`others`, by the same rule."""
        if len(rows.job):
            self._other_rows[name].append(rows)
            self._held += len(rows.job)

    def add_blocks(self, blocks: Rows) -> None:
        """Add separators of blocks, by the same rule."""
        if len(blocks.job):
            self._blocks.append(blocks)
            self._held += len(blocks.job)

    def has_run_starts(self) -> None:
        """Say that records begin the runs, even if no such record is ever added."""
        if self._run_starts is None:
            self._run_starts = []

    def add_run_starts(self, starts: Rows) -> None:
        """Add places at which runs begin, by the same rule."""
        self.has_run_starts()
        if self._run_starts is not None and len(starts.job):
            self._run_starts.append(starts)
            self._held += len(starts.job)

    @property
    def is_full(self) -> bool:
        """Whether the caller should call :meth:`decide_before` to free memory; used if rows of several metrics are wanted."""
        return self._held >= self._limit

    def decide_before(self, job: int) -> None:
        """Decide for all jobs before this one; all their rows, steps and separators must have been added."""
        over, rest = _cut(self._rows, job)
        over_steps, rest_steps = _cut(self._steps, job)
        over_blocks, rest_blocks = _cut(self._blocks, job)
        over_starts, rest_starts = _cut(self._run_starts or [], job)
        cut = {name: _cut(rows, job) for name, rows in self._other_rows.items()}
        stepped = self._objective.step is not None
        if len(over.job) or len(over_steps.job):
            found = decided(
                self._objective,
                self._at_best,
                {self.metric: over} | {name: before for name, (before, _) in cut.items()},
                over_steps if stepped else None,
                over_blocks if stepped else None,
                self._streams,
                self._dropped,
                self._suspected,
                over_starts if stepped and self._run_starts is not None else None,
            )
            self._decided.append(found.outcomes)
            self._found.append(found.at_best)
            self.step_counts = self.step_counts.plus(found.counts)
            self._facts += [] if found.facts is None else [found.facts]
            self._dropped = NOTHING
        if len(rest.job) >= PIECE_ROWS and self._may_drop:
            rest, self._dropped = drop_undecidable(rest, self._objective, self._dropped)
        self._rows, self._steps, self._blocks = [_own(rest)], [_own(rest_steps)], [_own(rest_blocks)]
        self._run_starts = None if self._run_starts is None else [_own(rest_starts)]
        self._other_rows = {name: [_own(behind)] for name, (_, behind) in cut.items()}
        others = sum(len(behind.job) for _, behind in cut.values())
        self._held = len(rest.job) + len(rest_steps.job) + len(rest_blocks.job) + len(rest_starts.job) + others
        # so that the kept rows are not examined again whenever a few rows arrive
        self._limit = max(PIECE_ROWS, 2 * self._held)

    @property
    def at_best(self) -> dict[str, Found]:
        """The values of other metrics at the deciding rows, after :meth:`finish`; one entry per outcome."""
        return {name: joined_found([some[at] for some in self._found]) for at, name in enumerate(self._at_best)}

    def finish(self) -> Outcomes:
        """Decide for the remaining jobs, and return the outcomes of all jobs, in their order."""
        self.decide_before(np.iinfo(np.int64).max)
        if self._objective.step is not None:
            self.step_facts = StepFacts.joined(self._facts or [step_facts(Rows.joined([]))])
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
