"""Deciding for many jobs while their rows come in, job after job, with no more in memory than the jobs at hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from metricscan.datasets.rows import Rows
from metricscan.ranking.deciding import NOTHING, Outcomes, decide, thin
from metricscan.ranking.steps import steps_back, with_steps

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    from metricscan.datasets.rows import Array
    from metricscan.definitions.objective import Objective
    from metricscan.ranking.deciding import Dropped

# Rows that are worth a decision: enough that numpy's overhead is nothing, few enough to be little memory.
PIECE_ROWS = 1 << 19


class Judge:
    """The objective of jobs whose rows come in the order of the jobs.

    Parameters
    ----------
    objective : Objective
    streams : callable
        The names of the streams, by number, as far as they are known.

    Of a job so long that it fills the memory alone, rows that can decide nothing any more are dropped; not so where a step
    belongs to each row, which may come later: then all rows of the job at hand are kept until it is over.
    """

    def __init__(self, objective: Objective, streams: Callable[[], pa.Array]) -> None:
        self._objective = objective
        self._streams = streams
        self._rows: list[Rows] = []
        self._steps: list[Rows] = []
        self._held = 0
        self._limit = PIECE_ROWS
        self._dropped: Dropped = NOTHING
        self._decided: list[Outcomes] = []
        self._went_back: list[Array] = []
        #: The job of each step that goes back, once all is decided.
        self.went_back: Array = np.empty(0, dtype=np.int64)

    def add(self, rows: Rows) -> None:
        """Take rows of the objective; no job of them comes before one that was there already."""
        if not len(rows.job):
            return
        self._rows.append(rows)
        self._held += len(rows.job)
        if self._objective.step is None and self._held >= self._limit:
            self.settle(int(rows.job[-1]))

    def add_steps(self, steps: Rows) -> None:
        """Take rows of the step."""
        if len(steps.job):
            self._steps.append(steps)
            self._held += len(steps.job)

    @property
    def is_full(self) -> bool:
        """Whether it is time to :meth:`settle`, where a step belongs to the rows."""
        return self._held >= self._limit

    def settle(self, job: int) -> None:
        """Decide for all jobs before this one; their rows and steps have all been given."""
        rows = Rows.joined(self._rows)
        cut = int(np.searchsorted(rows.job, job))
        over, rest = rows.take(slice(cut)), rows.take(slice(cut, None))
        steps = Rows.joined(self._steps)
        cut = int(np.searchsorted(steps.job, job))
        over_steps, rest_steps = steps.take(slice(cut)), steps.take(slice(cut, None))
        self._went_back.append(steps_back(over_steps))
        if len(over.job):
            if self._objective.step is not None:
                over = with_steps(over, over_steps)
            self._decided.append(decide(over, self._objective, self._streams, self._dropped))
            self._dropped = NOTHING
        if len(rest.job) >= PIECE_ROWS and self._objective.step is None:
            rest, self._dropped = thin(rest, self._objective, self._dropped)
        self._rows, self._steps = [_own(rest)], [_own(rest_steps)]
        self._held = len(rest.job) + len(rest_steps.job)
        # what had to be kept is not looked at again for every few rows more
        self._limit = max(PIECE_ROWS, 2 * self._held)

    def finish(self) -> Outcomes:
        """Decide for the jobs that are left, and return what was decided, in the order of the jobs."""
        self.settle(np.iinfo(np.int64).max)
        self.went_back = np.concatenate(self._went_back)
        if not self._decided:
            nothing = Rows.joined([])._replace(step=np.empty(0))
            return decide(nothing, self._objective, self._streams)
        return Outcomes(*map(np.concatenate, zip(*self._decided, strict=True)))


def _own(rows: Rows) -> Rows:
    """The rows in memory of their own, so that what they were cut from can go."""
    return Rows(*(None if column is None else column.copy() for column in rows))  # type: ignore[arg-type]
