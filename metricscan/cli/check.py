"""``metricscan check``: what each definition captures in a log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from metricscan.cli.options import compiled, scan_options
from metricscan.cli.output import EXIT_NOTHING_FOUND, EXIT_WRONG, complain, open_console, print_counts, print_silent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from metricscan._lint import Finding
    from metricscan.stats import ScanStats

_HITS_SHOWN = 20


@click.command()
@click.argument("paths", metavar="LOG...", nargs=-1, required=True)
@scan_options
def check(
    paths: tuple[str, ...],
    definitions: str | None,
    metrics: tuple[str, ...],
    labels: tuple[str, ...],
    algorithm: str | None,
    newline: str | None,
    matches: str,
    escape: str,
    ansi: str,
    untamed: str,
    input_format: str,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
) -> int:
    """Show what each definition captures in a log, why one captures nothing, and what is probably not meant.

    Exit code 0 if every definition finds something, 1 if some do not, 2 for wrong use or an unreadable log.
    """
    scanner = compiled(definitions, metrics, newline, matches, escape, ansi, untamed, algorithm, labels=labels)
    from metricscan._check import first_hits
    from metricscan._jobs import survey
    from metricscan._lint_log import lint_log

    found = survey(paths, job="file", include=include, exclude=exclude)
    logs = [log.path for one in found.jobs for log in one.logs]
    hits, stats, errors = first_hits(scanner, logs, _HITS_SHOWN, input_format)
    errors = [*found.errors, *errors]
    for error in errors:
        complain(error)
    console = open_console()
    confirmed = lint_log(scanner, logs, input_format)
    for explanation in scanner.explain():
        for name in explanation.names:
            is_label = name in scanner.labels
            _print_hits(console, name, explanation.regex, hits[name], stats, many=len(logs) > 1, is_label=is_label)
            of_log = confirmed.get(name, [])
            codes = [finding.code for finding in of_log]
            _print_findings(console, [*of_log, *(one for one in explanation.lint if one.code not in codes)])
    print_counts(console, stats)
    silent = print_silent(console, scanner, stats, logs, input_format)
    return EXIT_WRONG if errors else EXIT_NOTHING_FOUND if silent else 0


def _print_findings(console: Console, findings: Sequence[Finding]) -> None:
    for finding in findings:
        console.print(f"  lint {finding.code}: {finding.reason}", soft_wrap=True)
        if finding.suggestion is not None:
            console.print(f"       better {finding.suggestion}", soft_wrap=True)


def _print_hits(
    console: Console, name: str, regex: str, hits: Sequence[Any], stats: ScanStats, *, many: bool, is_label: bool
) -> None:
    from rich.text import Text

    rows = stats.metrics[name].rows
    title = Text.assemble((name, "bold"), f"  {regex}  ", (f"{rows:,} rows", "bold"))
    console.print(title, soft_wrap=True)
    for hit in hits:
        place = f"{hit.path}:{hit.line}" if many else str(hit.line)
        line = Text(f"  {place:>6}  ")
        line.append(hit.before)
        refused = hit.number is None and not is_label
        line.append(hit.value, "bold red" if refused else "bold green")
        line.append(hit.after)
        line.append(f"  {hit.value!r}" if is_label else "  no number" if refused else f"  {hit.number!r}", "dim")
        console.print(line, soft_wrap=True)
    more = rows - (len(hits) if is_label else sum(hit.number is not None for hit in hits))
    if more:
        console.print(f"  .. {more:,} more")
