"""Exit codes, errors, and tables for a terminal or a pipe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from metricscan.cli.terminal import message_lines, one_line, spell_all
from metricscan.errors import MetricscanError

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence

    from rich.console import Console
    from rich.table import Table

    from metricscan.logs.job import Notice


EXIT_NOTHING_FOUND = 1
EXIT_DIFFERENT = 1
EXIT_ERROR = 2
EXIT_FAILED = 3
# as of timeout and env: not the command, but who was to run it
EXIT_NOT_RUN = 125
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143
# Columns of text are folded to this many characters, and no fewer.
_LEAST_WIDTH = 10
# rich takes a tenth of a millisecond per cell
_MOST_LAID_OUT = 1_000
# Of the notices of a journal.
_MOST_NOTICES = 10


def complain(error: BaseException | str) -> None:
    """Print an error on stderr."""
    text = error.message if isinstance(error, MetricscanError) else str(error)
    for name in ("path", "source", "filename"):
        path = getattr(error, name, None)
        if isinstance(path, str) and not path.isprintable():
            text = text.replace(path, one_line(path))
    click.echo(f"metricscan: {message_lines(text)}", err=True)
    hint = getattr(error, "hint", None)
    if isinstance(hint, str):
        click.echo(f"hint: {one_line(hint)}", err=True)


def print_notices(notices: Iterable[Notice]) -> None:
    """Print on stderr what was decided about the logs and may not be what was meant."""
    for notice in notices:
        click.echo(f"notice: {one_line(notice.message)}", err=True)


def print_some_notices(notices: Sequence[Notice]) -> None:
    """Print the first of what may be many notices, and how many more there are."""
    print_notices(notices[:_MOST_NOTICES])
    if len(notices) > _MOST_NOTICES:
        click.echo(f"notice: and {len(notices) - _MOST_NOTICES:,} more; --json lists all", err=True)


def open_console(*, err: bool = False) -> Console:
    """Open a console that prints names literally, and wraps and cuts nothing in a pipe."""
    from rich.console import Console

    class LineConsole(Console):
        """Prints a str as one line, whatever names it holds."""

        def render_str(self, text: str, **options: Any) -> Any:
            return super().render_str(one_line(text), **options)

    # no markup and no emoji: a metric may be called loss[red] or a:100:b
    console = LineConsole(stderr=err, highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        # a pipe has no width
        console.width = 10_000
    spell_all(console)
    return console


def literal(text: str) -> Any:
    """A cell or a line that prints this text literally, as one line."""
    from rich.text import Text

    return Text(one_line(text))


def new_table(*headers: str, numbers: Container[str | None] = ()) -> Table:
    """A table with these columns, for :func:`print_table`; the columns in ``numbers`` are aligned right and never folded."""
    from rich.table import Table

    table = Table(box=None, header_style="bold")
    for header in headers:
        if header in numbers:
            table.add_column(literal(header), justify="right", no_wrap=True, overflow="fold")
        else:
            table.add_column(literal(header), overflow="fold")
    return table


def print_table(console: Console, table: Table) -> None:
    """Print a table. In a narrow terminal texts are folded; nothing is cut, and numbers stay whole."""
    from rich.cells import cell_len

    if table.row_count > _MOST_LAID_OUT:
        _print_lines(table)
        return
    needed = 0
    for column in table.columns:
        width = max(cell_len(str(cell)) for cell in (column.header, *column.cells))
        needed += 2 + (width if column.no_wrap else min(width, _LEAST_WIDTH))
    width = console.width
    # a table that is still too wide is wrapped by the terminal
    console.width = max(width, needed)
    console.print(table)
    console.width = width


def _print_lines(table: Table) -> None:
    """Print a table of very many rows, one line each: texts are not folded, and the terminal wraps what is too wide."""
    from rich.cells import cell_len

    columns = []
    for column in table.columns:
        texts = [one_line(str(cell)) for cell in (column.header, *column.cells)]
        widths = [cell_len(text) for text in texts]
        width = max(widths)
        blanks = [" " * (width - one) for one in widths]
        if column.justify == "right":
            columns.append([blank + text for blank, text in zip(blanks, texts, strict=True)])
        else:
            columns.append([text + blank for blank, text in zip(blanks, texts, strict=True)])
    click.echo("\n".join(f" {'  '.join(cells)}".rstrip() for cells in zip(*columns, strict=True)))
