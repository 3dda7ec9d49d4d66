"""The newest values of jobs, on a terminal, while they come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from metricscan.cli.job_table import Column, table_text
from metricscan.cli.output import open_console
from metricscan.reports.names import named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.text import Text

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

    def _table(self) -> Text:
        # those that changed last, as many as the terminal has lines
        most = max(1, self._console.height - 2)
        shown = list(self._jobs.items())[-most:]
        columns = [Column("job", [named(job) for job, _ in shown], least=24)]
        for number, name in enumerate(self._metrics):
            texts = [values.get(name, "") for _, values in shown]
            columns.append(Column(name, texts, is_number=True, importance=number))
        return table_text(self._console, columns)
