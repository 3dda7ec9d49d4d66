"""``metricscan diff``: what differs between two datasets, or between two lists of definitions on the same logs."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from metricscan.cli import documents
from metricscan.cli.goal import objective_of
from metricscan.cli.options import Reading, job_option, json_option, printed_warnings, reading_options, threads_option
from metricscan.cli.output import EXIT_DIFFERENT, EXIT_ERROR, complain, print_notices
from metricscan.cli.terminal import one_line
from metricscan.reports.names import named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metricscan.datasets.row_difference import JobDifference, MetricDifference, RowSample
    from metricscan.definitions.objective import Objective
    from metricscan.ranking.ranking_difference import Place, RankingDifference
    from metricscan.replaying.diff import Difference

# Jobs that are shown of a metric, and of the ranking.
_MOST_JOBS = 10
_MOST_TEXT = 60


@click.command(short_help="Show what differs between two datasets, or between two lists of definitions.")
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@click.option(
    "--on",
    metavar="PATH",
    multiple=True,
    help="Logs, as replay takes them: then A and B are files of definitions, or one NAME=REGEX each. Can be repeated.",
)
@click.option("--minimize", metavar="NAME", help="Compare the rankings by this metric; lower is better.")
@click.option("--maximize", metavar="NAME", help="Compare the rankings by this metric; higher is better.")
@click.option("--scope", metavar="SCOPE", help="Which rows of a job decide, as in rank.")
@click.option("--step", metavar="NAME", help="The metric that counts the steps, as in rank.")
@reading_options
@job_option
@json_option
@threads_option
def diff(
    a: str,
    b: str,
    on: tuple[str, ...],
    minimize: str | None,
    maximize: str | None,
    scope: str | None,
    step: str | None,
    reading: Reading,
    job: str,
    print_json: bool,
    threads: int | None,
) -> int:
    """Show what differs between two datasets, or between two lists of definitions.

    A and B are folders that replay --out wrote, journals, or folders of jobs that run started. A row is the same in both if
    metric, job, stream, part and record are; then the values are compared. Won rows are in B alone, lost ones in A alone.
    Rankings are compared if both have an objective, or one is given. Exit code 0 if nothing differs; 1 if something does; 2
    for wrong usage, or what cannot be read.
    """
    from metricscan.errors import DefinitionWarning
    from metricscan.replaying import diff as diffs

    objective: Objective | tuple[Objective | None, Objective | None] | None
    if on:
        objective = objective_of(minimize, maximize, scope, step)
        with printed_warnings(DefinitionWarning):
            scanners = [_scanner(given, reading) for given in (a, b)]
        how: dict[str, Any] = {
            "threads": threads,
            "job": job,
            "include": reading.include,
            "exclude": reading.exclude,
            "input_format": reading.input_format,
            "follow_links": reading.follow_links,
            "max_decompressed": reading.max_decompressed,
        }
        found = diffs.diff(*scanners, on=on, objective=objective, **how)
    else:
        for given in (a, b):
            if os.path.isfile(given):
                raise click.UsageError(
                    f"{given} is a file, and a dataset is a folder; --on LOG compares two lists of definitions"
                )
        from metricscan.datasets.dataset import Dataset

        objective = None
        if any(one is not None for one in (minimize, maximize, scope, step)):
            first, second = (objective_of(minimize, maximize, scope, step, Dataset(one).objective) for one in (a, b))
            objective = first, second
        found = diffs.diff(a, b, objective=objective)
    for error in found.errors:
        complain(error)
    print_notices(found.notices)
    if print_json:
        _print_json(found)
    else:
        _print(found)
    if found.errors:
        return EXIT_ERROR
    return EXIT_DIFFERENT if found.differs else 0


def _scanner(given: str, reading: Reading) -> Any:
    from metricscan.scanning.scanner import Scanner

    is_definition = "=" in given and not os.path.exists(given)
    return Scanner([given] if is_definition else given, **reading.of_scanner)


# ---- as text


def _print(found: Difference) -> None:
    lines: list[str] = []
    for name, metric in found.metrics.items():
        lines += _lines_of(name, metric, found)
    for jobs, which in zip(found.jobs, "AB", strict=True):
        if jobs:
            shown = ", ".join(map(named, jobs[:_MOST_JOBS])) + (", .." if len(jobs) > _MOST_JOBS else "")
            lines.append(f"only in {which}: {'job' if len(jobs) == 1 else f'{len(jobs):,} jobs'} {shown}")
    if found.ranking is not None:
        lines += _ranking_lines(found.ranking)
    if not found.differs:
        lines.append("nothing differs")
    click.echo("\n".join(map(one_line, lines)))


def _lines_of(name: str, metric: MetricDifference, found: Difference) -> list[str]:
    only = "" if metric.only_in is None else f" (only {metric.only_in.upper()} has this metric)"
    lines = [
        f"{named(name)}: {metric.won:,} won, {metric.lost:,} lost, {metric.changed:,} changed, {metric.equal:,} equal{only}"
    ]
    jobs = list(metric.jobs.items())
    for job, difference in jobs[:_MOST_JOBS]:
        counts = [
            f"{count:,} {kind}"
            for kind, count in (("won", difference.won), ("lost", difference.lost), ("changed", difference.changed))
            if count
        ]
        lines.append(f"  {named(job)}: {', '.join(counts)}")
        lines += [f"    {_sample_line(job, sample, found)}" for sample in difference.samples]
        if _is_cut(difference):
            lines.append("    ..")
    if jobs[_MOST_JOBS:]:
        lines.append(f"  {len(jobs) - _MOST_JOBS:,} more jobs; --json has all")
    return lines


def _is_cut(difference: JobDifference) -> bool:
    return difference.won + difference.lost + difference.changed > len(difference.samples)


def _sample_line(job: str, sample: RowSample, found: Difference) -> str:
    path = found.path_of(job, sample) or sample.stream
    values = [_value(value) for value in (sample.a, sample.b) if value is not None]
    return f"{sample.kind:7}  {' -> '.join(values)}  {path}:{sample.line}"


def _value(value: float | str) -> str:
    shown = repr(value) if isinstance(value, str) else repr(value).removesuffix(".0")
    return shown if len(shown) <= _MOST_TEXT else f"{shown[:_MOST_TEXT]}.."


def _ranking_lines(ranking: RankingDifference) -> list[str]:
    lines = []
    first, second = ranking.objectives
    if first != second:
        lines.append(f"objective: {_objective(first)} -> {_objective(second)}")
    if not ranking.jobs:
        lines.append(f"ranking: the places of all jobs are equal, best {_name(ranking.best[0])}")
        return lines
    was, now = map(_name, ranking.best)
    winner = f"the best job is {now}, as before" if was == now else f"the best job was {was} and is {now}"
    lines.append(f"ranking: {winner}; {len(ranking.jobs):,} jobs have another rank or value")
    for job, (a, b) in list(ranking.jobs.items())[:_MOST_JOBS]:
        lines.append(f"  {named(job)}: {_place(a)} -> {_place(b)}")
    if len(ranking.jobs) > _MOST_JOBS:
        lines.append(f"  {len(ranking.jobs) - _MOST_JOBS:,} more jobs; --json has all")
    return lines


def _objective(objective: Objective) -> str:
    step = "" if objective.step is None else f" by {objective.step}"
    return f"{objective.goal.lower()} {objective.metric}, {objective.scope}{step}"


def _name(job: str | None) -> str:
    return "none" if job is None else named(job)


def _place(place: Place | None) -> str:
    if place is None:
        return "not there"
    rank = place.status.replace("_", " ") if place.rank is None else f"rank {place.rank:,}"
    return rank if place.value is None else f"{rank}, {_value(place.value)}"


# ---- as JSON


def _print_json(found: Difference) -> None:
    documents.print_document(
        {
            "differs": found.differs,
            "metrics": {name: _metric_document(metric, found) for name, metric in found.metrics.items()},
            "jobs": {"only_in_a": found.jobs[0], "only_in_b": found.jobs[1]},
            "ranking": None if found.ranking is None else _ranking_document(found.ranking),
            "errors": [{"path": one.path, "offset": one.offset, "message": str(one)} for one in found.errors],
            "notices": [notice._asdict() for notice in found.notices],
        }
    )


def _metric_document(metric: MetricDifference, found: Difference) -> dict[str, Any]:
    counts = {name: getattr(metric, name) for name in ("only_in", "won", "lost", "changed", "equal")}
    jobs = {
        job: {
            "won": one.won,
            "lost": one.lost,
            "changed": one.changed,
            "samples": [_sample_document(job, sample, found) for sample in one.samples],
        }
        for job, one in metric.jobs.items()
    }
    return {**counts, "jobs": jobs}


def _sample_document(job: str, sample: RowSample, found: Difference) -> dict[str, Any]:
    path = found.path_of(job, sample)
    values = {key: _json_value(getattr(sample, key)) for key in ("a", "b")}
    return {"kind": sample.kind, "path": path, **sample._asdict(), **values}


def _json_value(value: float | str | None) -> Any:
    return value if isinstance(value, str) else documents.number(value)


def _ranking_document(ranking: RankingDifference) -> dict[str, Any]:
    def places(pair: Sequence[Place | None]) -> dict[str, Any]:
        return {
            key: None if place is None else {**place._asdict(), "value": documents.number(place.value)}
            for key, place in zip("ab", pair, strict=True)
        }

    return {
        "objective": {key: asdict(one) for key, one in zip("ab", ranking.objectives, strict=True)},
        "best": dict(zip("ab", ranking.best, strict=True)),
        "ranked": dict(zip("ab", ranking.ranked, strict=True)),
        "jobs": {job: places(pair) for job, pair in ranking.jobs.items()},
    }
