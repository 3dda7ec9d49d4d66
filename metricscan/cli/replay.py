"""``metricscan replay``: read many logs, write tables and rank the jobs."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from metricscan.cli import documents
from metricscan.cli.counts import print_counts, print_silent
from metricscan.cli.goal import Goal, goal_options
from metricscan.cli.options import (
    Reading,
    Wanted,
    compiled,
    job_option,
    jobs_file_option,
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
from metricscan.cli.progress import ProgressBar
from metricscan.cli.rankings import print_best, print_no_best, print_ranking
from metricscan.cli.terminal import one_line

if TYPE_CHECKING:
    from metricscan.definitions.objective import Objective
    from metricscan.replaying.outcome import Replay
    from metricscan.scanning.scanner import Scanner


@click.command(short_help="Read the logs of many jobs, and rank the jobs.")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@wanted_options
@reading_options
@goal_options
@job_option
@jobs_file_option
@click.option("-o", "--out", metavar="DIR", help="Write a dataset: one folder per metric, the ranking and a manifest.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["parquet", "arrow", "csv", "jsonl"]),
    help="Format of the dataset.  [default: parquet]",
)
@click.option("--overwrite", is_flag=True, help="Replace an existing dataset.")
@click.option(
    "--tuning-job",
    metavar="FILE",
    help="A CreateHyperParameterTuningJob request, or the answer of Describe; it provides definitions and objective.",
)
@click.option(
    "--describe",
    is_flag=True,
    help="With --tuning-job: print what DescribeHyperParameterTuningJob would answer, as JSON.",
)
@click.option("--float32", is_flag=True, help="With --describe: round values to 32 bits, as the service does.")
@json_option
@threads_option
def replay(
    paths: tuple[str, ...],
    wanted: Wanted,
    reading: Reading,
    goal: Goal,
    job: str,
    jobs_file: str | None,
    out: str | None,
    format_: str | None,
    overwrite: bool,
    tuning_job: str | None,
    describe: bool,
    float32: bool,
    print_json: bool,
    threads: int | None,
) -> int:
    """Read the logs of many jobs, and rank the jobs.

    PATH is a log (plain or compressed), a folder, an archive (tar, zip), a glob, or - for standard input. Exit code 0; 1 if
    no job can win; 2 for wrong usage or an unreadable log.
    """
    if describe and tuning_job is None:
        raise click.UsageError("--describe needs --tuning-job FILE")
    if float32 and not describe:
        raise click.UsageError("--float32 needs --describe")
    if describe and goal.given:
        raise click.UsageError(
            f"--describe uses the objective of the request, as the service does; it excludes {goal.given[0]}"
        )
    if out is None and (overwrite or format_ is not None):
        raise click.UsageError(f"{'--overwrite' if overwrite else '--format'} needs --out DIR")
    from metricscan.replaying.replay import replay as run

    request = None
    if tuning_job is None:
        objective = goal.objective()
        scanner = compiled(wanted, reading, None if objective is None else objective.metric)
    else:
        if wanted.definitions or wanted.metrics or wanted.labels:
            raise click.UsageError("--tuning-job provides the definitions; it excludes --definitions, -m and --label")
        from metricscan.cli.tuning import requested

        request, scanner = requested(tuning_job, wanted.algorithm, **reading.of_scanner)
        objective = goal.objective(request.objective)
    goal.check_ranked(objective)
    with ProgressBar() as bar:
        result = run(
            paths,
            scanner,
            objective=objective,
            completed_only=bool(goal.completed_only),
            threads=threads,
            job=job,
            jobs=jobs_file,
            include=reading.include,
            exclude=reading.exclude,
            follow_links=reading.follow_links,
            max_decompressed=reading.max_decompressed,
            input_format=reading.input_format,
            keep=describe,
            out=out,
            format=format_ or "parquet",
            overwrite=overwrite,
            progress=bar.show if bar.shown else None,
        )
    for error in result.errors:
        complain(error)
    print_notices(result.notices)
    if request is not None and describe:
        from metricscan.cli.tuning import print_description

        print_description(request, result, float32=float32)
    elif print_json:
        _print_json(result, objective, out, goal)
    else:
        click.echo(one_line(str(result.survey)), err=True)
        if result.jobs:
            _print_replay(result, scanner, objective, goal, reading.input_format)
        if out is not None:
            click.echo(f"written: {one_line(str(out))}", err=True)
    if result.errors:
        return EXIT_ERROR
    return EXIT_NOTHING_FOUND if objective is not None and result.best is None else 0


def _print_replay(result: Replay, scanner: Scanner, objective: Objective | None, goal: Goal, input_format: str) -> None:
    console = open_console()
    if objective is not None and result.ranking is not None:
        best = result.best
        if best is None:
            print_no_best(console, objective, result.ranking, completed_only=bool(goal.completed_only))
        else:
            print_best(console, objective, best.job, best.value, f"{best.path}:{best.line}", best.hyperparameters)
        if result.ranking.num_rows:
            print_ranking(console, result.ranking, objective, goal, result.jobs)
    print_counts(console, result.stats)
    paths = list(dict.fromkeys(log.path for one in result.jobs for log in one.logs))
    wanted = None if objective is None else objective.metric
    print_silent(console, scanner, result.stats, paths, input_format, wanted)


def _print_json(result: Replay, objective: Objective | None, out: str | None, goal: Goal) -> None:
    documents.print_document(
        {
            "objective": None if objective is None else asdict(objective),
            "completed_only": bool(goal.completed_only),
            "best": None if result.best is None else documents.winner(**result.best._asdict()),
            "ranking": None if result.ranking is None else documents.ranked(goal.cut(result.ranking)),
            "metrics": {name: documents.counts(metric) for name, metric in result.stats.metrics.items()},
            **documents.totals(result.survey, result.stats, result.errors, result.notices),
            "out": out,
        }
    )
