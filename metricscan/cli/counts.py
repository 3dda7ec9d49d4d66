"""Print the counts of a scan, and why a definition found nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metricscan.cli.output import literal, new_table, print_table
from metricscan.cli.terminal import one_line
from metricscan.reports.names import named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from metricscan.replaying.missing import Missing
    from metricscan.scanning.scanner import Scanner
    from metricscan.scanning.stats import MetricStats, ScanStats, Suspect

# A built-in algorithm has dozens of metrics, and a log holds a few of them.
_SILENT_SHOWN = 5
# Units that are shown of one metric.
_UNITS_SHOWN = 3


def print_counts(console: Console, stats: ScanStats) -> None:
    """Print one line per metric: its rows, and the matches that gave none."""
    from metricscan.logs.members import counted

    kinds = ["rows", "unparsed"]
    kinds += [
        kind
        for kind in ("failed", "timeouts", "over_budget")
        if any(getattr(one, kind) for one in stats.metrics.values())
    ]
    table = new_table("metric", *kinds, "unparsed text", numbers=kinds)
    shown = {name: counts for name, counts in stats.metrics.items() if any(getattr(counts, kind) for kind in kinds)}
    if len(stats.metrics) - len(shown) <= _SILENT_SHOWN:
        shown = stats.metrics
    for name, counts in shown.items():
        texts = ", ".join(list(dict.fromkeys(repr(sample.text[:20]) for sample in counts.samples))[:3])
        table.add_row(literal(named(name)), *(f"{getattr(counts, kind):,}" for kind in kinds), literal(texts))
    print_table(console, table)
    if len(shown) < len(stats.metrics):
        console.print(f"  .. {counted(len(stats.metrics) - len(shown), 'more metric')} without rows")
    console.print(f"{counted(stats.records, 'record')}, {counted(stats.bytes, 'byte')}")
    _print_lost(console, stats)


def print_troubles(console: Console, stats: ScanStats) -> None:
    """Print what gave no row, and what is suspicious: nothing if there is nothing of the kind."""
    kinds = (
        ("unparsed", "value that is not a number", "values that are not numbers"),
        ("failed", "record in which the search failed", "records in which the search failed"),
        ("timeouts", "record whose search took too long", "records whose search took too long"),
        ("over_budget", "record that exceeds the budget", "records that exceed the budget"),
    )
    for name, counts in stats.metrics.items():
        for kind, one, several in kinds:
            count = getattr(counts, kind)
            if not count:
                continue
            sample = counts.samples[0] if kind == "unparsed" and counts.samples else None
            example = "" if sample is None else f", for example {sample.text!r}"
            console.print(
                literal(f"{name}: {count:,} {one if count == 1 else several}: no rows{example}"), soft_wrap=True
            )
    _print_lost(console, stats)


def _print_lost(console: Console, stats: ScanStats) -> None:
    from metricscan.logs.members import counted

    if stats.cut_off:
        more = "record was" if stats.cut_off == 1 else "records were"
        console.print(
            f"{stats.cut_off:,} more {more} cut off by a read error, damaged compression or a missing fragment: no rows"
        )
    if stats.too_long:
        console.print(f"{counted(stats.too_long, 'record')} of more than --max-record-bytes: no rows")
    if stats.without_message:
        console.print(f"{counted(stats.without_message, 'event')} of exports without a message: no rows")
    for name, counts in stats.metrics.items():
        for line in suspicions(counts):
            console.print(literal(f"{name}: {line}"), soft_wrap=True)


def suspicions(counts: MetricStats) -> list[str]:
    """What is suspicious about a metric, a line for each kind, with an example: it ends with path and line."""
    kinds = (
        ("near-miss", counts.near_misses, "near miss", "near misses"),
        ("cut-value", counts.cut_values, "value that is cut", "values that are cut"),
        ("cut-line", counts.cut_lines, "line that is cut at a value", "lines that are cut at a value"),
        ("unterminated", counts.unterminated, "value at the very end of a log", "values at the very ends of logs"),
    )
    lines = []
    for kind, count, one, several in kinds:
        example = next((suspect for suspect in counts.suspects if suspect.kind == kind), None)
        if count and example is not None:
            before = "the next line begins with " if kind == "cut-line" else ""
            lines.append(f"{count:,} {one if count == 1 else several}, for example {before}{_shown(example)}")
    if len(counts.units) > 1:
        units = list(counts.units.items())
        shown = ", ".join(
            _shown(suspect) if suspect.text else f"none ({_place(suspect)})" for _, suspect in units[:_UNITS_SHOWN]
        )
        lines.append(f"the units of its values differ: {shown}{', ..' if units[_UNITS_SHOWN:] else ''}")
    return lines


def _shown(suspect: Suspect) -> str:
    return f"{suspect.text!r} ({_place(suspect)})"


def _place(suspect: Suspect) -> str:
    return f"{one_line(suspect.path)}:{suspect.line}"


def reasons_of(
    scanner: Scanner, stats: ScanStats, paths: Sequence[str], input_format: str = "plain"
) -> dict[str, tuple[str, ...]]:
    """Why definitions found nothing, by name, first those that other options would cure; empty if nothing was read."""
    from metricscan.replaying.diagnosis import diagnose

    if not stats.records:
        return {}
    found = sorted(diagnose(scanner, stats, paths, input_format), key=lambda one: not one.is_curable)
    return {one.metric: one.reasons for one in found}


def print_missing(console: Console, missing: Sequence[Missing], metric: str) -> None:
    """Print why jobs have no row of the objective, one line per reason."""
    for one in missing[:_SILENT_SHOWN]:
        count = len(one.jobs)
        names = ", ".join(one.jobs[:3]) + (", .." if count > 3 else "")
        jobs = f"{names} has" if count == 1 else f"{count:,} jobs ({names}) have"
        sample = f": {one.sample}" if one.sample else ""
        console.print(f"{jobs} no {metric}: {one.reason}{sample}", soft_wrap=True)
    if missing[_SILENT_SHOWN:]:
        more = sum(len(one.jobs) for one in missing[_SILENT_SHOWN:])
        console.print(f"{more:,} more jobs have no {metric}, for other reasons")


def print_silent(
    console: Console,
    scanner: Scanner,
    stats: ScanStats,
    paths: Sequence[str],
    input_format: str = "plain",
    objective: str | None = None,
) -> None:
    """Print why each definition found nothing, the objective's first."""
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
