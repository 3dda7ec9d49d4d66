"""``metricscan check``: what each definition captures in a log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from metricscan.cli import documents
from metricscan.cli.counts import print_counts, print_silent, reasons_of
from metricscan.cli.fix import better_regexes, print_fixed, write_fixed
from metricscan.cli.options import (
    Reading,
    Wanted,
    compiled,
    json_option,
    reading_options,
    threads_option,
    wanted_options,
)
from metricscan.cli.output import (
    EXIT_ERROR,
    EXIT_NOTHING_FOUND,
    complain,
    open_console,
    print_notices,
)
from metricscan.cli.terminal import one_line
from metricscan.reports.names import named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from metricscan.definitions.definition import MetricDefinition
    from metricscan.definitions.lint import Finding
    from metricscan.replaying.check import Hit
    from metricscan.scanning.stats import ScanStats

_HITS_SHOWN = 20


@click.command(short_help="Show what each definition captures in a log, and why one captures nothing.")
@click.argument("paths", metavar="LOG...", nargs=-1, required=True)
@wanted_options
@reading_options
@click.option("--fix", is_flag=True, help="Print the definitions with better regexes, as a diff.")
@click.option(
    "-o", "--out", metavar="FILE", help="With --fix: write them, in the format of the one file of definitions."
)
@click.option("--overwrite", is_flag=True, help="Replace an existing FILE.")
@json_option
@threads_option
def check(
    paths: tuple[str, ...],
    wanted: Wanted,
    reading: Reading,
    fix: bool,
    out: str | None,
    overwrite: bool,
    print_json: bool,
    threads: int | None,
) -> int:
    """Show what each definition captures in a log, why one captures nothing, and where one is probably a mistake.

    LOG is a file (plain or compressed), a folder, an archive (tar, zip), a glob, or - for standard input. Exit code 0 if
    every definition captures something, 1 if one does not, 2 for wrong usage or an unreadable log.
    """
    if out is not None and not fix:
        raise click.UsageError("--out FILE needs --fix")
    if overwrite and out is None:
        raise click.UsageError("--overwrite needs --out FILE")
    scanner = compiled(wanted, reading)
    from metricscan.logs.job import Notice
    from metricscan.logs.survey import survey
    from metricscan.replaying.check import first_hits
    from metricscan.replaying.lint_log import lint_log
    from metricscan.replaying.outcome import undecoded_notices
    from metricscan.replaying.second_start import second_start_notices
    from metricscan.replaying.step_shapes import StepShapes

    found = survey(
        paths,
        job="file",
        include=reading.include,
        exclude=reading.exclude,
        input_format=reading.input_format,
        follow_links=reading.follow_links,
        max_decompressed=reading.max_decompressed,
    )
    # an export of several streams is one log here
    logs = list(dict.fromkeys(log.path for one in found.jobs for log in one.logs))
    shapes = StepShapes(name for name in scanner.metrics if name not in scanner.labels)
    how: dict[str, Any] = {"max_decompressed": reading.max_decompressed, "shapes": shapes}
    hits, stats, errors = first_hits(scanner, logs, _HITS_SHOWN, reading.input_format, threads, **how)
    errors = [*found.errors, *errors]
    for error in errors:
        complain(error)
    notices = [*found.notices, *undecoded_notices([(None, stats)]), *map(Notice, shapes.messages())]
    notices += second_start_notices(scanner, logs, reading.input_format)
    print_notices(notices)
    findings = lint_log(scanner, logs, reading.input_format)
    better = better_regexes(findings)
    if print_json:
        reasons = reasons_of(scanner, stats, logs, reading.input_format)
        metrics = {
            one.name: {
                "regex": one.regex,
                **documents.counts(stats.metrics[one.name]),
                "hits": [hit._asdict() | {"number": documents.number(hit.number)} for hit in hits[one.name]],
                "findings": [finding._asdict() for finding in findings.get(one.name, ())],
                "better": better.get(one.name),
                "reasons": reasons.get(one.name, ()),
            }
            for one in scanner.definitions
        }
        documents.print_document({"metrics": metrics, **documents.totals(found, stats, errors, notices)})
    elif logs:
        console = open_console()
        for one in scanner.definitions:
            _print_hits(console, one, hits[one.name], stats, many=len(logs) > 1, is_label=one.name in scanner.labels)
        print_counts(console, stats)
        print_silent(console, scanner, stats, logs, reading.input_format)
        # last, where no matches scroll it away
        for one in scanner.definitions:
            _print_findings(console, one.name, findings.get(one.name, ()))
    if fix:
        if not print_json:
            print_fixed(scanner, wanted, better)
        if out is not None:
            write_fixed(scanner, wanted, better, out, overwrite=overwrite)
    silent = any(not counts.rows for counts in stats.metrics.values())
    return EXIT_ERROR if errors else EXIT_NOTHING_FOUND if silent else 0


def _print_findings(console: Console, name: str, findings: Sequence[Finding]) -> None:
    if not findings:
        return
    console.print(f"advice about {name}", style="bold", soft_wrap=True)
    for finding in findings:
        console.print(f"  lint {finding.code}: {finding.reason}", soft_wrap=True)
    # one regex for all that it mends
    for better in dict.fromkeys(finding.suggestion for finding in findings if finding.suggestion is not None):
        console.print(f"       better {better}", soft_wrap=True)


def _print_hits(
    console: Console, one: MetricDefinition, hits: Sequence[Hit], stats: ScanStats, *, many: bool, is_label: bool
) -> None:
    from rich.text import Text

    from metricscan.logs.members import counted

    rows = stats.metrics[one.name].rows
    title = Text.assemble((named(one.name), "bold"), f"  {one_line(one.regex)}  ", (counted(rows, "row"), "bold"))
    console.print(title, soft_wrap=True)
    for hit in hits:
        place = f"{hit.path}:{hit.line}" if many else str(hit.line)
        line = Text(f"  {one_line(place):>6}  ")
        line.append(hit.before)
        refused = hit.number is None and not is_label
        line.append(hit.value, "bold red" if refused else "bold green")
        line.append(hit.after)
        line.append(f"  {hit.value!r}" if is_label else "  not a number" if refused else f"  {hit.number!r}", "dim")
        console.print(line, soft_wrap=True)
    more = rows - (len(hits) if is_label else sum(hit.number is not None for hit in hits))
    if more:
        console.print(f"  .. {more:,} more")
