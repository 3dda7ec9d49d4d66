"""``metricscan extract``: the rows of logs on standard output, as they are found."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any

import click

from metricscan.cli.counts import print_silent, print_troubles
from metricscan.cli.options import (
    Reading,
    Wanted,
    compiled,
    job_option,
    no_csv_guard_option,
    reading_options,
    threads_option,
    wanted_options,
)
from metricscan.cli.output import EXIT_ERROR, EXIT_NOTHING_FOUND, complain, open_console, print_notices

if TYPE_CHECKING:
    from metricscan.cli.row_output import RowOutput
    from metricscan.replaying.run import Run


@click.command(short_help="Print the rows of logs as they are found.")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@wanted_options
@reading_options
@job_option
@click.option(
    "--step",
    metavar="NAME",
    help="The metric that counts the steps: each row has the one in its record, else the last one before it in its stream.",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(["table", "csv", "jsonl"]),
    help="What to print.  [default: table on a terminal, else csv]",
)
@click.option(
    "--json", "print_json", is_flag=True, help="Print each row as one line of JSON: the same as --format jsonl."
)
@no_csv_guard_option
@threads_option
def extract(
    paths: tuple[str, ...],
    wanted: Wanted,
    reading: Reading,
    job: str,
    step: str | None,
    format_: str | None,
    print_json: bool,
    no_csv_guard: bool,
    threads: int | None,
) -> int:
    """Print the rows of logs as they are found.

    PATH is a log (plain or compressed), a folder, an archive (tar, zip), a glob, or - for standard input, whose rows are printed
    as soon as their lines have ended. Rows come in the order of the logs, with the columns that the files of a dataset have; the
    table leaves some out. Matches that gave no row, near misses and errors are counted on stderr at the end, also after Ctrl-C.
    Exit code 0; 1 if there is no row; 2 for wrong usage or an unreadable log; 130 or 143 after Ctrl-C or SIGTERM.
    """
    if print_json and format_ not in (None, "jsonl"):
        raise click.UsageError(f"--json and --format {format_} exclude each other")
    format_ = "jsonl" if print_json else format_ or ("table" if sys.stdout.isatty() else "csv")
    if no_csv_guard and format_ != "csv":
        raise click.UsageError("--no-csv-guard needs --format csv")
    from metricscan.replaying.extract import extracted, step_name
    from metricscan.replaying.replay import prepared

    scanner = compiled(wanted, reading)
    step = step_name(step, scanner.metrics, scanner.labels)
    run = prepared(
        paths,
        scanner,
        threads=threads,
        job=job,
        include=reading.include,
        exclude=reading.exclude,
        input_format=reading.input_format,
        follow_links=reading.follow_links,
        max_decompressed=reading.max_decompressed,
        in_order=True,
    )
    output = _output(format_, run, has_steps=step is not None, guard=not no_csv_guard)
    output.begin()
    is_interrupted = False
    try:
        with contextlib.closing(extracted(run, step)) as found:
            for rows in found:
                output.show(rows)
    except KeyboardInterrupt:
        is_interrupted = True
    result = run.result(None, None)
    for error in result.errors:
        complain(error)
    print_notices(result.notices)
    console = open_console(err=True)
    print_troubles(console, result.stats)
    if is_interrupted:
        # so ends who reads a pipe that goes on; what the rest of the logs holds is not known
        raise KeyboardInterrupt
    if result.jobs:
        logs = list(dict.fromkeys(log.path for one in result.jobs for log in one.logs))
        print_silent(console, scanner, result.stats, logs, reading.input_format)
    if result.errors:
        return EXIT_ERROR
    return 0 if any(counts.rows for counts in result.stats.metrics.values()) else EXIT_NOTHING_FOUND


def _output(format_: str, run: Run, *, has_steps: bool, guard: bool) -> RowOutput:
    from metricscan.cli.row_output import LinesOutput, TableOutput

    metrics = run.scanner.metrics
    if format_ != "table":
        return LinesOutput(metrics, json=format_ == "jsonl", guard=guard, has_steps=has_steps)
    names: dict[str, Any] = {"jobs": run.job_names.to_pylist(), "streams": run.stream_names.to_pylist()}
    has_streams = any(len({log.stream for log in one.logs}) > 1 for one in run.found.jobs)
    return TableOutput(metrics, **names, has_streams=has_streams, has_steps=has_steps)
