"""Counters of steps or epochs that go back or jump within a log: as doubts about jobs whose objective has no step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from metricscan.datasets.evidence import Restart
from metricscan.datasets.rows import Rows
from metricscan.ranking.step_doubts import jumped, went_back
from metricscan.ranking.step_facts import JUMP, RESTARTED, step_facts
from metricscan.replaying.step_shapes import seems_to_count

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pyarrow as pa

    from metricscan.datasets.rows import Array

# Of a log that has more rows of a counter, these are examined: so the memory is bounded.
_MOST_ROWS = 1_000_000
# What goes back more often counts the batches of an epoch, say: there are not so many runs in a log.
_MOST_RETURNS = 20


class Counters:
    """Collects the rows of metrics that seem to count steps, some logs at a time.

    Parameters
    ----------
    names : iterable of str
        The metrics.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._batches: dict[str, list[tuple[range, Sequence[int] | Array, pa.RecordBatch]]] = {
            name: [] for name in names if seems_to_count(name)
        }
        self._sizes = dict.fromkeys(self._batches, 0)

    def add(self, name: str, logs: range, rows: Sequence[int] | Array, batch: pa.RecordBatch) -> None:
        """Add rows of a metric, of which each log has so many."""
        if name in self._batches and self._sizes[name] < _MOST_ROWS:
            if len(logs) == 1:
                batch = batch.slice(0, _MOST_ROWS - self._sizes[name])
                rows = [batch.num_rows]
            self._batches[name].append((logs, rows, batch))
            self._sizes[name] += batch.num_rows

    def end_logs(self) -> dict[int, tuple[Restart, ...]]:
        """By the number of a log, where a counter goes back as after a restart, or jumps; begins with the next logs."""
        found: dict[int, tuple[Restart, ...]] = {}
        for name, batches in self._batches.items():
            if self._sizes[name] > 1 and _may_tell(batches):
                for log, one in _restarts(name, batches):
                    found.setdefault(log, (one,))
            batches.clear()
            self._sizes[name] = 0
        return found


def _may_tell(batches: Sequence[tuple[range, Sequence[int] | Array, pa.RecordBatch]]) -> bool:
    """Whether a counter goes back or jumps. Of the usual log this takes a tenth of the time in which it is examined."""
    value = np.concatenate([batch.column("value").to_numpy() for *_, batch in batches])
    with np.errstate(invalid="ignore", over="ignore"):
        rise = np.diff(value)
    is_alone = len(batches[0][0]) == 1
    if not is_alone:
        rise[np.diff(_numbers(batches)) != 0] = 0.0
    least, most = rise.min(), rise.max()
    if not least >= 0 or most == np.inf:
        return not is_alone or not np.count_nonzero(rise < 0) > _MOST_RETURNS
    # a jump is ten times as large as any other rise
    if is_alone:
        return len(rise) > 1 and bool(most >= JUMP * np.partition(rise, -2)[-2] > 0)
    return bool(((rise > 0) & (rise <= most / JUMP * (1 + 1e-9))).any())


def _numbers(batches: Sequence[tuple[range, Sequence[int] | Array, pa.RecordBatch]]) -> Array:
    """The number of the log of each row."""
    return np.concatenate([np.repeat(np.arange(logs.start, logs.stop), rows) for logs, rows, _ in batches])


def _restarts(
    name: str, batches: Sequence[tuple[range, Sequence[int] | Array, pa.RecordBatch]]
) -> Iterable[tuple[int, Restart]]:
    numbers = _numbers(batches)
    ends = np.cumsum([batch.num_rows for *_, batch in batches]).tolist()
    rows = [
        Rows.of(numbers[end - batch.num_rows : end], np.zeros(batch.num_rows, np.int64), batch)
        for end, (*_, batch) in zip(ends, batches, strict=True)
    ]
    facts = step_facts(Rows.joined(rows))
    some, jumps = facts.returns, facts.jumps
    back = facts.back[np.searchsorted(facts.job, some.job)]
    for at in np.flatnonzero((some.shape == RESTARTED) & (back <= _MOST_RETURNS)).tolist():
        message = went_back(some.before[at], some.step[at], int(some.times[at]), 1, name)
        yield int(some.job[at]), Restart(None, message, int(some.line[at]), int(some.offset[at]))
    for at in range(len(jumps.job)):
        message = jumped(jumps.before[at], jumps.step[at], jumps.usual[at], name)
        yield int(jumps.job[at]), Restart(None, message, int(jumps.line[at]), int(jumps.offset[at]))
