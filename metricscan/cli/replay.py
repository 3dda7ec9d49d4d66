"""``metricscan replay``: many logs to tables and a ranking."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from metricscan.cli.options import compiled, scan_options
from metricscan.cli.output import (
    EXIT_NOTHING_FOUND,
    EXIT_WRONG,
    ProgressBar,
    complain,
    open_console,
    print_counts,
    print_silent,
)
from metricscan.cli.ranks import (
    as_json,
    cut,
    objective_of,
    objective_options,
    print_best,
    print_no_best,
    print_ranking,
)

if TYPE_CHECKING:
    from metricscan._replay import Replay
    from metricscan.objective import Objective
    from metricscan.scanner import Scanner


@click.command()
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@scan_options
@objective_options
@click.option(
    "--job", metavar="RULE", default="auto", show_default=True, help="What one job is: auto, file, dir, or a REGEX."
)
@click.option("--jobs", "jobs_file", metavar="FILE", help="CSV or JSON lines: job or path, status, hyperparameters.")
@click.option("-o", "--out", metavar="DIR", help="Write a dataset: a folder a metric, the ranking, a manifest.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["parquet", "arrow", "csv", "jsonl"]),
    default="parquet",
    show_default=True,
    help="Format of the dataset.",
)
@click.option("--overwrite", is_flag=True, help="Replace the dataset that is there.")
@click.option(
    "--tuning-job",
    metavar="FILE",
    help="A CreateHyperParameterTuningJob request, or what Describe answered: definitions and objective are its.",
)
@click.option(
    "--describe",
    is_flag=True,
    help="With --tuning-job: print what DescribeHyperParameterTuningJob would answer, as JSON.",
)
@click.option("--float32", is_flag=True, help="With --describe: values as the service keeps them, in 32 bits.")
@click.option("--json", "print_json", is_flag=True, help="Print the outcome as JSON.")
@click.option("--threads", metavar="N", type=click.IntRange(min=1), help="Threads.  [default: one a core]")
def replay(
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
    minimize: str | None,
    maximize: str | None,
    scope: str | None,
    step: str | None,
    top: int | None,
    all_best: bool,
    job: str,
    jobs_file: str | None,
    out: str | None,
    format_: str,
    overwrite: bool,
    tuning_job: str | None,
    describe: bool,
    float32: bool,
    print_json: bool,
    threads: int | None,
) -> int:
    """Read the logs of many jobs, and rank the jobs.

    A PATH is a log (gzip is read), a folder, a glob, or - for standard input. Exit code 0; 1 if no job has the objective;
    2 for wrong use, or if a log could not be read.
    """
    if describe and tuning_job is None:
        raise click.UsageError("--describe needs --tuning-job FILE")
    if float32 and not describe:
        raise click.UsageError("--float32 needs --describe")
    from metricscan._replay import replay as run

    request = None
    if tuning_job is None:
        objective = objective_of(minimize, maximize, scope, step)
        name = None if objective is None else objective.metric
        scanner = compiled(definitions, metrics, newline, matches, escape, ansi, untamed, algorithm, name, labels)
    else:
        if definitions is not None or metrics or labels:
            raise click.UsageError("--tuning-job brings its own definitions; --definitions, -m and --label exclude it")
        from metricscan.cli.tuning import requested

        request, scanner = requested(
            tuning_job, algorithm, newline=newline, matches=matches, escape=escape, ansi=ansi, untamed=untamed
        )
        objective = objective_of(minimize, maximize, scope, step, request.objective)
    with ProgressBar() as bar:
        result = run(
            paths,
            scanner,
            objective=objective,
            threads=threads,
            job=job,
            jobs=jobs_file,
            include=include,
            exclude=exclude,
            input_format=input_format,
            keep=describe,
            out=out,
            format=format_,
            overwrite=overwrite,
            progress=bar.show if bar.shown else None,
        )
    for error in result.errors:
        complain(error)
    if request is not None and describe:
        from metricscan.cli.tuning import print_description

        print_description(request, result, float32=float32)
    elif print_json:
        _print_json(result, out, top, all_best=all_best)
    else:
        click.echo(str(result.survey), err=True)
        _print_replay(result, scanner, objective, top, input_format, all_best=all_best)
        if out is not None:
            click.echo(f"written: {out}", err=True)
    if result.errors:
        return EXIT_WRONG
    return EXIT_NOTHING_FOUND if objective is not None and result.best is None else 0


def _print_replay(
    result: Replay, scanner: Scanner, objective: Objective | None, top: int | None, input_format: str, *, all_best: bool
) -> None:
    console = open_console()
    if objective is not None and result.ranking is not None:
        best = result.best
        if best is None:
            print_no_best(console, objective)
        else:
            print_best(console, objective, best.job, best.value, f"{best.path}:{best.line}", best.hyperparameters)
        if result.ranking.num_rows:
            print_ranking(console, result.ranking, objective, top, all_best=all_best)
    print_counts(console, result.stats)
    paths = list(dict.fromkeys(log.path for one in result.jobs for log in one.logs))
    print_silent(console, scanner, result.stats, paths, input_format)


def _print_json(result: Replay, out: str | None, top: int | None, *, all_best: bool) -> None:
    """One JSON object; NaN and infinities as the strings that the datasets use."""
    import json

    ranking = None
    if result.ranking is not None:
        ranking = as_json(cut(result.ranking, top, all_best=all_best))
    best = (
        None if result.best is None else {**result.best._asdict(), "hyperparameters": dict(result.best.hyperparameters)}
    )
    document = {
        "best": best,
        "ranking": ranking,
        "metrics": {
            name: {
                **{kind: getattr(counts, kind) for kind in ("rows", "unparsed", "failed", "timeouts", "over_budget")},
                "samples": [sample._asdict() for sample in counts.samples],
            }
            for name, counts in result.stats.metrics.items()
        },
        "logs": sum(len(one.logs) for one in result.jobs),
        "skipped": {"by_name": result.survey.skipped_by_name, "binary": result.survey.skipped_binary},
        "bytes": result.stats.bytes,
        "records": result.stats.records,
        "out": out,
        "errors": [{"path": error.path, "offset": error.offset, "message": str(error)} for error in result.errors],
    }
    click.echo(json.dumps(document, indent=2))
