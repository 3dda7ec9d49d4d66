"""The newest values of jobs, on a terminal, while they come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from metricscan.cli.output import literal, new_table, open_console
from metricscan.reports.names import named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from metricscan.datasets.journal_reader import JournalBatch


class LiveTable:
    """A table of the newest value of each metric per job; a context manager, which shows it.

    Parameters
    ----------
    step : str or None
        The metric that counts the steps, if rows have some: beside each value stands its step.
    metrics : sequence of str
    """

    def __init__(self, step: str | None, metrics: Sequence[str]) -> None:
        self._step = step
        self._metrics = [name for name in metrics if name != step]
        #: By job, the newest values with their steps, by metric; the job that changed last comes last.
        self._jobs: dict[str, dict[str, str]] = {}
        self._live: Any = None

    def __enter__(self) -> Self:
        from rich.live import Live

        console = open_console()
        self._console = console
        self._live = Live(self._table(), console=console, auto_refresh=False, vertical_overflow="crop")
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, batch: JournalBatch) -> None:
        """Take in the rows of a batch."""
        if self._step is None:
            for name, rows in batch.rows.items():
                jobs, values = rows.column("job").to_pylist(), rows.column("value").to_pylist()
                # only the last row of each job is to be seen
                for job, value in dict(zip(jobs, values, strict=True)).items():
                    self._take(job, name, value, None)
        for file, row in batch.live:
            self._take(file.job, row.metric, row.value, row.step)
        self._live.update(self._table(), refresh=True)

    def _take(self, job: str, metric: str, value: Any, step: float | None) -> None:
        values = self._jobs.pop(job, {})
        shown = value if isinstance(value, str) else f"{value:.6g}"
        values[metric] = shown if step is None else f"{shown} @ {step:.12g}"
        self._jobs[job] = values

    def _table(self) -> Table:
        table = new_table("job", *self._metrics, numbers=self._metrics)
        # those that changed last, as many as the terminal has lines
        most = max(1, self._console.height - 2)
        for job, values in list(self._jobs.items())[-most:]:
            table.add_row(literal(named(job)), *(literal(values.get(name, "")) for name in self._metrics))
        return table
