"""Rows without a step: how many there are, and whether another place of the step would give them one."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from metricscan.ranking.steps import with_steps

if TYPE_CHECKING:
    from metricscan.datasets.rows import Array, Rows
    from metricscan.definitions.objective import Objective


class StepCounts(NamedTuple):
    """Counts over the rows of a metric whose steps were asked for.

    Attributes
    ----------
    rows, stepless : int
        All rows, and those without a step.
    streams : int
        The streams that have rows and steps.
    late : int
        Those of them whose first rows stand before the first step.
    ended : int
        Those of them whose last rows stand behind the last step.
    separators : int
        The separators of blocks.
    """

    rows: int = 0
    stepless: int = 0
    streams: int = 0
    late: int = 0
    ended: int = 0
    separators: int = 0

    def plus(self, other: StepCounts) -> StepCounts:
        """The counts over the rows of both."""
        return StepCounts(*map(sum, zip(self, other, strict=True)))

    def messages(self, objective: Objective) -> list[str]:
        """What a reader of the ranking should know about the steps, in sentences."""
        found = []
        place, step = objective.step_place, objective.step
        if self.stepless:
            where = {"before": "before them", "after": "behind them", "block": "in their block"}[place]
            text = f"{self.stepless:,} of {self.rows:,} rows of {objective.metric!r} have no step: "
            if place == "before" and self.is_late:
                text += (
                    f"each stream begins with rows before its first {step!r}, and ends with a step. Where the step stands behind "
                    "its rows, --step-place after (step_place='after') gives each row its own; where both stand between lines "
                    "such as ---, --step-place block does"
                )
            else:
                text += (
                    f"no {step!r} stands {where} in the stream" if place != "block" else f"no {step!r} stands {where}"
                )
            found.append(text)
        if place == "block" and self.rows and not self.separators:
            found.append(
                "no separator of blocks was found: each stream is one block; --block REGEX says what separates them"
            )
        return found

    @property
    def is_late(self) -> bool:
        """Whether steps stand behind their rows, as far as can be seen: each row has the step of the rows before it."""
        # a log that was cut off may end before its step
        return 0 < self.streams == self.late and 2 * self.ended < self.streams


def step_counts(rows: Rows, steps: Rows, place: str, blocks: Rows | None = None) -> StepCounts:
    """Count the rows, which have their steps, and, if a row has none under "before", the streams."""
    lacking = np.isnan(rows.step) if rows.step is not None else np.zeros(0, dtype=bool)
    counts = StepCounts(len(rows.job), int(lacking.sum()), separators=0 if blocks is None else len(blocks.job))
    if place != "before" or not counts.stepless or not len(steps.job):
        return counts
    size = max(int(rows.stream.max()), int(steps.stream.max())) + 1
    stream = rows.job.astype(np.int64) * size + rows.stream
    stepped = np.isin(stream, np.unique(steps.job.astype(np.int64) * size + steps.stream))
    after = with_steps(rows, steps, "after").step
    return counts._replace(
        streams=_distinct(stream[stepped]),
        late=_distinct(stream[stepped & lacking]),
        ended=0 if after is None else _distinct(stream[stepped & np.isnan(after)]),
    )


def _distinct(numbers: Array) -> int:
    return len(np.unique(numbers))
