"""The progress bar of a replay, on a terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Self

from metricscan.cli.output import open_console

if TYPE_CHECKING:
    from metricscan.replaying.progress import Progress


class ProgressBar:
    """A bar with MB/s on a terminal; nothing in a pipe."""

    def __init__(self) -> None:
        self.shown = sys.stderr.isatty()
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Self:
        if self.shown:
            from rich import progress

            self._bar = progress.Progress(
                progress.TextColumn("{task.description}"),
                progress.BarColumn(),
                progress.DownloadColumn(),
                progress.TransferSpeedColumn(),
                progress.TimeRemainingColumn(),
                console=open_console(err=True),
                transient=True,
            )
            self._task = self._bar.add_task("reading", total=None)
            self._bar.start()
        return self

    def show(self, progress: Progress) -> None:
        """Move the bar."""
        self._bar.update(
            self._task,
            description=f"{progress.logs:,} of {progress.total_logs:,} logs",
            completed=progress.bytes,
            total=progress.total_bytes or None,
        )

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
