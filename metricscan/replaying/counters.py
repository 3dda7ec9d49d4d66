"""Counters of steps or epochs that go back or jump within a log: as doubts about jobs whose objective has no step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from metricscan.datasets.evidence import Restart
from metricscan.datasets.rows import Rows
from metricscan.ranking.step_doubts import jumped, went_back
from metricscan.ranking.step_facts import RESTARTED, step_facts
from metricscan.replaying.step_shapes import seems_to_count

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pyarrow as pa

    from metricscan.datasets.rows import Array

# Of a log that has more rows of a counter, these are examined: so the memory is bounded.
_MOST_ROWS = 1_000_000


class Counters:
    """Collects the rows of metrics that seem to count steps, some logs at a time.

    Parameters
    ----------
    names : iterable of str
        The metrics.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._rows: dict[str, list[Rows]] = {name: [] for name in names if seems_to_count(name)}
        self._sizes = dict.fromkeys(self._rows, 0)

    def add(self, name: str, logs: range, rows: Sequence[int] | Array, batch: pa.RecordBatch) -> None:
        """Add rows of a metric, of which each log has so many."""
        if name in self._rows and self._sizes[name] < _MOST_ROWS:
            numbers = np.repeat(np.arange(logs.start, logs.stop), rows)
            self._rows[name].append(Rows.of(numbers, np.zeros_like(numbers), batch))
            self._sizes[name] += batch.num_rows

    def end_logs(self) -> dict[int, tuple[Restart, ...]]:
        """By the number of a log, where a counter goes back as after a restart, or jumps; begins with the next logs."""
        found: dict[int, tuple[Restart, ...]] = {}
        for name, rows in self._rows.items():
            for log, one in _restarts(name, rows) if rows else ():
                found.setdefault(log, (one,))
            rows.clear()
            self._sizes[name] = 0
        return found


def _restarts(name: str, rows: Sequence[Rows]) -> Iterable[tuple[int, Restart]]:
    facts = step_facts(Rows.joined(rows))
    some, jumps = facts.returns, facts.jumps
    for at in np.flatnonzero(some.shape == RESTARTED).tolist():
        message = went_back(some.before[at], some.step[at], int(some.times[at]), 1, name)
        yield int(some.job[at]), Restart(None, message, int(some.line[at]), int(some.offset[at]))
    for at in range(len(jumps.job)):
        message = jumped(jumps.before[at], jumps.step[at], jumps.usual[at], name)
        yield int(jumps.job[at]), Restart(None, message, int(jumps.line[at]), int(jumps.offset[at]))
