"""What several commands print, and how they end."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Self

import click

from metricscan.cli.terminal import spell_all, spelled

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from rich.console import Console
    from rich.table import Table

    from metricscan.replaying.replay import Progress
    from metricscan.scanning.scanner import Scanner
    from metricscan.scanning.stats import ScanStats

EXIT_NOTHING_FOUND = 1
EXIT_WRONG = 2
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143
# A built-in algorithm has dozens of metrics, of which a log shows a few.
_SILENT_SHOWN = 5
# Texts are not folded into less.
_LEAST_WIDTH = 10


def complain(error: BaseException | str) -> None:
    """Print an error on stderr."""
    click.echo(f"metricscan: {spelled(str(error))}", err=True)


def open_console(*, err: bool = False) -> Console:
    """Open a console that prints names as they are, and cuts nothing in a pipe."""
    from rich.console import Console

    # names are names: a metric may be called loss[red] or a:100:b
    console = Console(stderr=err, highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        # nobody sees the edge of a pipe: nothing is cut or wrapped there
        console.width = 10_000
    spell_all(console)
    return console


def literal(text: str) -> Any:
    """A cell whose text is nothing but text."""
    from rich.text import Text

    return Text(text)


def new_table(*headers: str, numbers: Container[str | None] = ()) -> Table:
    """A table with these columns, for :func:`print_table`."""
    from rich.table import Table

    table = Table(box=None, header_style="bold")
    for header in headers:
        if header in numbers:
            table.add_column(literal(header), justify="right", no_wrap=True, overflow="fold")
        else:
            table.add_column(literal(header), overflow="fold")
    return table


def print_table(console: Console, table: Table) -> None:
    """Print a table. In a narrow terminal texts are folded; nothing is cut, a number least of all."""
    from rich.cells import cell_len

    needed = 0
    for column in table.columns:
        width = max(cell_len(str(cell)) for cell in (column.header, *column.cells))
        needed += 2 + (width if column.no_wrap else min(width, _LEAST_WIDTH))
    width = console.width
    # where there is no room for that, the terminal breaks the lines
    console.width = max(width, needed)
    console.print(table)
    console.width = width


def print_counts(console: Console, stats: ScanStats) -> None:
    """One line a metric: its rows, and what was counted instead."""
    kinds = ["rows", "unparsed"]
    kinds += [
        kind
        for kind in ("failed", "timeouts", "over_budget")
        if any(getattr(one, kind) for one in stats.metrics.values())
    ]
    table = new_table("metric", *kinds, "refused text", numbers=kinds)
    shown = {name: counts for name, counts in stats.metrics.items() if any(getattr(counts, kind) for kind in kinds)}
    if len(stats.metrics) - len(shown) <= _SILENT_SHOWN:
        shown = stats.metrics
    for name, counts in shown.items():
        texts = ", ".join(list(dict.fromkeys(repr(sample.text[:20]) for sample in counts.samples))[:3])
        table.add_row(literal(name), *(f"{getattr(counts, kind):,}" for kind in kinds), literal(texts))
    print_table(console, table)
    if len(shown) < len(stats.metrics):
        console.print(f"  .. {len(stats.metrics) - len(shown):,} more without a row")
    console.print(f"{stats.records:,} records, {stats.bytes:,} bytes")


def reasons_of(
    scanner: Scanner, stats: ScanStats, paths: Sequence[str], input_format: str = "plain"
) -> dict[str, tuple[str, ...]]:
    """Why definitions found nothing, by their names, first those that would with other options; none where nothing was read."""
    from metricscan.replaying.diagnosis import diagnose

    if not stats.records:
        return {}
    found = sorted(diagnose(scanner, stats, paths, input_format), key=lambda one: not one.is_curable)
    return {one.metric: one.reasons for one in found}


def print_silent(
    console: Console,
    scanner: Scanner,
    stats: ScanStats,
    paths: Sequence[str],
    input_format: str = "plain",
    objective: str | None = None,
) -> None:
    """One line or more for each definition that found nothing, the objective's first."""
    if not stats.records:
        console.print("nothing was found: no record was read")
        return
    silent = sorted(
        reasons_of(scanner, stats, paths, input_format).items(),
        key=lambda metric_reasons: metric_reasons[0] != objective,
    )
    for metric, reasons in silent[:_SILENT_SHOWN]:
        console.print(f"{metric} found nothing: {'; '.join(reasons)}", soft_wrap=True)
    if silent[_SILENT_SHOWN:]:
        more = ", ".join(metric for metric, _ in silent[_SILENT_SHOWN:])
        console.print(f"{len(silent) - _SILENT_SHOWN:,} more found nothing: {more}", soft_wrap=True)


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
