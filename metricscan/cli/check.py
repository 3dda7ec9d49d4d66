"""``metricscan check``: what each definition captures in a log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from metricscan.cli import documents
from metricscan.cli.counts import print_counts, print_silent, reasons_of
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

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from metricscan.definitions.definition import MetricDefinition
    from metricscan.definitions.lint import Finding
    from metricscan.replaying.check import Hit
    from metricscan.scanning.scanner import Scanner
    from metricscan.scanning.stats import ScanStats

_HITS_SHOWN = 20


@click.command(short_help="Show what each definition captures in a log, and why one captures nothing.")
@click.argument("paths", metavar="LOG...", nargs=-1, required=True)
@wanted_options
@reading_options
@json_option
@threads_option
def check(paths: tuple[str, ...], wanted: Wanted, reading: Reading, print_json: bool, threads: int | None) -> int:
    """Show what each definition captures in a log, why one captures nothing, and where one is probably a mistake.

    LOG is a file (plain or compressed), a folder, an archive (tar, zip), a glob, or - for standard input. Exit code 0 if
    every definition captures something, 1 if one does not, 2 for wrong usage or an unreadable log.
    """
    scanner = compiled(wanted, reading)
    from metricscan.logs.survey import survey
    from metricscan.replaying.check import first_hits
    from metricscan.replaying.lint_log import lint_log
    from metricscan.replaying.outcome import undecoded_notices

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
    hits, stats, errors = first_hits(
        scanner, logs, _HITS_SHOWN, reading.input_format, threads, max_decompressed=reading.max_decompressed
    )
    errors = [*found.errors, *errors]
    for error in errors:
        complain(error)
    notices = [*found.notices, *undecoded_notices([(None, stats)])]
    print_notices(notices)
    findings = _findings(scanner, lint_log(scanner, logs, reading.input_format))
    if print_json:
        reasons = reasons_of(scanner, stats, logs, reading.input_format)
        metrics = {
            one.name: {
                "regex": one.regex,
                **documents.counts(stats.metrics[one.name]),
                "hits": [hit._asdict() | {"number": documents.number(hit.number)} for hit in hits[one.name]],
                "findings": [finding._asdict() for finding in findings[one.name]],
                "reasons": reasons.get(one.name, ()),
            }
            for one in scanner.definitions
        }
        documents.print_document({"metrics": metrics, **documents.totals(found, stats, errors, notices)})
    elif logs:
        console = open_console()
        for one in scanner.definitions:
            _print_hits(console, one, hits[one.name], stats, many=len(logs) > 1, is_label=one.name in scanner.labels)
            _print_findings(console, findings[one.name])
        print_counts(console, stats)
        print_silent(console, scanner, stats, logs, reading.input_format)
    silent = any(not counts.rows for counts in stats.metrics.values())
    return EXIT_ERROR if errors else EXIT_NOTHING_FOUND if silent else 0


def _findings(scanner: Scanner, confirmed: Mapping[str, Sequence[Finding]]) -> dict[str, list[Finding]]:
    """The findings of each definition: first those that the log confirms, then those that the regex alone shows."""
    found = {}
    for explanation in scanner.explain():
        for name in explanation.names:
            of_log = confirmed.get(name, ())
            codes = [finding.code for finding in of_log]
            found[name] = [*of_log, *(one for one in explanation.lint if one.code not in codes)]
    return found


def _print_findings(console: Console, findings: Sequence[Finding]) -> None:
    for finding in findings:
        console.print(f"  lint {finding.code}: {finding.reason}", soft_wrap=True)
        if finding.suggestion is not None:
            console.print(f"       better {finding.suggestion}", soft_wrap=True)


def _print_hits(
    console: Console, one: MetricDefinition, hits: Sequence[Hit], stats: ScanStats, *, many: bool, is_label: bool
) -> None:
    from rich.text import Text

    rows = stats.metrics[one.name].rows
    title = Text.assemble((one_line(one.name), "bold"), f"  {one_line(one.regex)}  ", (f"{rows:,} rows", "bold"))
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
