"""``metricscan follow``: the rows of logs that grow, as JSON lines, as a live table, or into a journal."""

from __future__ import annotations

import contextlib
import re
import resource
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any, TypeVar

import click

from metricscan.cli.counts import print_troubles
from metricscan.cli.goal import live_block_option, step_place_option
from metricscan.cli.live_table import LiveTable
from metricscan.cli.options import (
    FollowReading,
    Wanted,
    compiled,
    follow_reading_options,
    job_option,
    wanted_options,
)
from metricscan.cli.output import EXIT_ERROR, EXIT_INTERRUPTED, EXIT_TERMINATED, complain, open_console, print_notices
from metricscan.cli.stopping import finishing_first
from metricscan.cli.terminal import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from metricscan.datasets.journal_reader import JournalBatch
    from metricscan.definitions.blocks import StepPlace
    from metricscan.errors import SourceError
    from metricscan.live.follow import Following
    from metricscan.logs.job import Notice


# an argument of the library in its errors
_ARGUMENT = re.compile(r"(?<![\w'\"-])(block|carry|job|step|step_place|worker)=(?!=)")
_Command = TypeVar("_Command", bound="Callable[..., Any]")


def _seconds(name: str, default: float | None, text: str) -> Callable[[_Command], _Command]:
    return click.option(
        name,
        metavar="SECONDS",
        type=click.FloatRange(min=0, max=1e9),
        default=default,
        show_default=default is not None,
        help=text,
    )


@click.command(short_help="Follow logs that grow, and hand on each row once.")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@wanted_options
@follow_reading_options
@job_option
@click.option(
    "--step",
    metavar="NAME",
    help="The metric that counts the steps: each row shows the one that belongs to it. Its own rows and those of labels are not "
    "printed.",
)
@step_place_option
@live_block_option
@click.option(
    "--worker",
    "workers",
    metavar="NAME",
    multiple=True,
    help="A label, or a metric that captures a number, which distinguishes the workers of a job: each row shows its own, and "
    "has the step of its own. Can be repeated.",
)
@click.option(
    "--carry",
    metavar="NAME",
    multiple=True,
    help="A worker that holds for the records that follow, too, such as a phase that the log names once. Can be repeated.",
)
@click.option("-o", "--out", metavar="DIR", help="A journal: begin it, or go on where its rows end.")
@click.option("--json", "print_json", is_flag=True, help="Print each row as one line of JSON.")
@click.option(
    "--until",
    metavar="CONDITION",
    multiple=True,
    help="End once nothing was added for S seconds (idle:S), the process N has ended (pid:N), or there is a file P (file:P). The "
    "last line of each log then counts as ended. Can be repeated: the first one ends it.",
)
@_seconds(
    "--flush-after",
    None,
    "A line without an end counts as ended after this time. If it goes on, its rows are replaced.",
)
@_seconds(
    "--rotate-wait",
    60.0,
    "A log that was renamed is read on until nobody writes to it, or else until it has not changed for so long.",
)
@_seconds("--commit-interval", 0.2, "With --out: rows are on the disk after this time.")
@_seconds(
    "--poll-interval",
    None,
    "Time between two looks at all logs.  [default: 0.1; 1 where the system tells which logs change: those are looked at once]",
)
def follow(
    paths: tuple[str, ...],
    wanted: Wanted,
    reading: FollowReading,
    job: str,
    step: str | None,
    step_place: StepPlace | None,
    block: str | None,
    workers: tuple[str, ...],
    carry: tuple[str, ...],
    out: str | None,
    print_json: bool,
    until: tuple[str, ...],
    flush_after: float | None,
    rotate_wait: float,
    commit_interval: float,
    poll_interval: float | None,
) -> int:
    """Follow logs that grow, and hand on each row once.

    PATH is a log, a folder or a glob; it need not exist yet, and logs that appear later are followed, too. Rows are printed as
    JSON lines (--json), shown as a table on a terminal, or go into a journal (--out), from which another call goes on:
    whatever is killed, and whatever happens to the files, each row that was in a log at a look is in the journal once. Losses
    are said on stderr. Exit code 0; 2 for wrong usage, a log of a format that is not read, or that cannot be read whole,
    or a journal that cannot be written; 130 or 143 after an interrupt or SIGTERM, once what was read is committed.
    """
    if not print_json and out is None and not sys.stdout.isatty():
        raise click.UsageError("the output is no terminal: --json prints the rows, --out DIR keeps them")
    from metricscan.live.follow import follow as start

    _open_as_many_as_allowed()
    scanner = compiled(wanted, reading)
    if step_place is None:
        step_place = "before" if block is None or step is None else "block"
    separators: str | bool = block or step_place == "block"
    if step is None and step_place == "block":
        # the separators are kept, for rank and plot
        step_place = "before"
    table = LiveTable(step, scanner.metrics) if not print_json and sys.stdout.isatty() else None
    with _in_words_of_options(out):
        following = start(
            paths,
            scanner,
            out=out,
            until=until,
            poll_interval=poll_interval,
            commit_interval=commit_interval,
            rotate_wait=rotate_wait,
            flush_after=flush_after,
            step=step,
            step_place=step_place,
            block=separators,
            worker=workers,
            carry=carry,
            job=job,
            include=reading.include,
            exclude=reading.exclude,
            input_format=reading.input_format,
            follow_links=reading.follow_links,
            on_notice=_say,
            on_wait=_Waiting(),
        )
    signals: list[int] = []
    shown = contextlib.nullcontext() if table is None else table
    with _stopping(following, signals), finishing_first(), _in_words_of_options(out), following, shown:
        if not print_json and table is None:
            following.run()
        for batch in following:
            if print_json:
                print_rows(batch, step=step, workers=workers)
            elif table is not None:
                table.show(batch)
    print_troubles(open_console(err=True), following.stats)
    for error in following.errors:
        complain(error)
    if out is not None:
        going_on = "the same command goes on there" if signals or not until else "rank and plot read it"
        click.echo(f"written: {one_line(out)}; {going_on}", err=True)
    if signals:
        return EXIT_TERMINATED if signals[0] == signal.SIGTERM else EXIT_INTERRUPTED
    return EXIT_ERROR if following.errors else 0


@contextlib.contextmanager
def _in_words_of_options(out: str | None) -> Iterator[None]:
    """Tell in the words of the command what is wrong, and that a journal was begun with another step metric."""
    from shlex import quote

    from metricscan.errors import OptionError
    from metricscan.scanning.stream_state import JoinedOtherwiseError

    try:
        yield
    except OptionError as error:
        other = error.__cause__
        if not isinstance(other, JoinedOtherwiseError) or not other.has_step_alone:
            error.message = _ARGUMENT.sub(lambda found: f"--{found[1].replace('_', '-')}=", error.message)
            raise
        begun, now = (
            ("without --step", "without it") if other.step is None else (f"with --step {quote(other.step)}",) * 2
        )
        raise OptionError(
            f"the journal {out} was begun {begun}", hint=f"go on {now}, or begin another journal with another --out"
        ) from error


def _open_as_many_as_allowed() -> None:
    """Let the process hold open as many files as it may ask for: of logs beyond that the files are opened at each change."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def print_rows(batch: JournalBatch, *, step: str | None, workers: Sequence[str] = ()) -> None:
    """Print the rows of a batch, one JSON object a line, and the records that they replace.

    With a step metric or workers these are the rows of numbers, each with its step and its workers, not those of the metrics that
    give them and of labels.
    """
    import json

    from metricscan.datasets.formats import json_number
    from metricscan.definitions.blocks import BLOCK

    lines = []
    for record in batch.replaced:
        job, stream, part, _ = record.file
        document = {"replaced": {"job": job, "stream": stream, "part": part, "offset": record.offset}}
        lines.append(json.dumps(document))
    rows: list[tuple[Any, ...]]
    if step is not None or workers:
        rows = [(row.metric, *file.key, *row[1:6], row.step, row.workers) for file, row in batch.live]
    else:
        tables = [(name, found) for name, found in batch.rows.items() if name != BLOCK]
        rows = [(name, *row.values(), None, ()) for name, found in tables for row in found.to_pylist()]
    for metric, job, stream, part, value, line, offset, start, time, in_force, own in rows:
        shown = json.dumps(value) if isinstance(value, str) else json_number(value)
        when = "" if time is None else f', "time": {json.dumps(time.isoformat())}'
        at = "" if in_force is None else f', "step": {json_number(in_force)}'
        if workers:
            texts = (json.dumps(one) if one is None or isinstance(one, str) else json_number(one) for one in own)
            values = (f"{json.dumps(name)}: {text}" for name, text in zip(workers, texts, strict=True))
            at += f', "workers": {{{", ".join(values)}}}'
        lines.append(
            f'{{"job": {json.dumps(job)}, "stream": {json.dumps(stream)}, "part": {part}, "metric": {json.dumps(metric)}, '
            f'"value": {shown}, "line": {line}, "offset": {offset}, "start": {start}{when}{at}}}'
        )
    if lines:
        click.echo("\n".join(lines))
        sys.stdout.flush()


def _say(notice: Notice) -> None:
    print_notices([notice])


class _Waiting:
    """Says that the disk has no room: once, until it is said for another reason."""

    def __init__(self) -> None:
        self._said: str | None = None

    def __call__(self, error: SourceError) -> None:
        if error.message != self._said:
            self._said = error.message
            complain(f"{error.message}; waiting, and trying again each second")


@contextlib.contextmanager
def _stopping(following: Following, signals: list[int]) -> Iterator[None]:
    """Let the first interrupt or SIGTERM end the following, after a commit; the second one ends the process at once."""

    def stop(number: int, _: object) -> None:
        signals.append(number)
        following.stop()
        if len(signals) > 1:
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
