"""Whether the metrics of some logs that seem to count steps go back, as after a restart or with each fold."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from metricscan.datasets.rows import Rows
from metricscan.ranking.step_facts import StepFacts, step_facts
from metricscan.ranking.stepless import StepCounts

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow as pa

# The last word of a name, before a word such as number: global_step, eval:epoch, epoch_num; not step_avg_ms, batch_loss.
_COUNTS = re.compile(
    r"(?:^|[\W_]|(?<=[a-z])(?=[A-Z]))(?i:steps?|epochs?|iters?|iterations?|rounds?|batch|updates?|episodes?)"
    r"(?:[\W_]*(?i:num|number|idx|index|count))?$"
)


def seems_to_count(name: str) -> bool:
    """Whether a metric counts steps, by its name.

    >>> [seems_to_count(name) for name in ("epoch", "global_step", "trainEpoch", "step_time", "batch_loss", "overstep")]
    [True, True, True, False, False, False]
    """
    return _COUNTS.search(name) is not None


class StepShapes:
    """Collects what steps look like, log by log.

    Parameters
    ----------
    names : iterable of str
        The metrics; those that seem to count steps are examined.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._rows: dict[str, list[Rows]] = {name: [] for name in names if seems_to_count(name)}
        self._facts: dict[str, list[StepFacts]] = {name: [] for name in self._rows}
        self._logs = 0

    def add(self, name: str, batch: pa.RecordBatch) -> None:
        """Add rows of a metric in the current log."""
        if name in self._rows:
            numbers = np.full(batch.num_rows, self._logs)
            self._rows[name].append(Rows.of(numbers, np.zeros_like(numbers), batch))

    def end_log(self) -> None:
        """Go on to the next log."""
        for name, rows in self._rows.items():
            self._facts[name].append(step_facts(Rows.joined(rows)))
            rows.clear()
        self._logs += 1

    def messages(self) -> list[str]:
        """What a reader should know about the metrics that go back, in sentences."""
        found = []
        for name, facts in self._facts.items():
            if facts:
                found += StepCounts.of_facts(StepFacts.joined(facts)).messages_of_returns(name)
        return found
