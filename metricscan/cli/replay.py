"""``metricscan replay``: read many logs, write tables and rank the jobs."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from metricscan.cli import documents
from metricscan.cli.counts import print_counts, print_missing, print_silent
from metricscan.cli.fail_on import Failing, fail_on_option, failures
from metricscan.cli.gate import Gate, gate_options, print_verdicts
from metricscan.cli.goal import Goal, at_best_option, goal_options, no_objective_for
from metricscan.cli.grouping import GroupOptions, JobGroups, group_options
from metricscan.cli.options import (
    Reading,
    Wanted,
    compiled,
    job_option,
    jobs_file_option,
    json_option,
    no_csv_guard_option,
    no_sync_option,
    reading_options,
    threads_option,
    wanted_options,
)
from metricscan.cli.output import (
    EXIT_ERROR,
    EXIT_FAILED,
    EXIT_NOTHING_FOUND,
    complain,
    open_console,
    print_notices,
)
from metricscan.cli.progress import ProgressBar
from metricscan.cli.ranking_table import metrics_of_columns, print_ranking
from metricscan.cli.rankings import print_at_best, print_best, print_doubts, print_no_best
from metricscan.cli.terminal import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metricscan.definitions.objective import Objective
    from metricscan.fleet.engines import EngineName
    from metricscan.logs.job import Notice
    from metricscan.ranking.gate import Verdict
    from metricscan.replaying.missing import Missing
    from metricscan.replaying.outcome import Replay
    from metricscan.scanning.scanner import Scanner


@click.command(short_help="Read the logs of many jobs, and rank the jobs.")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@wanted_options
@reading_options
@goal_options
@at_best_option
@group_options
@click.option(
    "--block",
    metavar="REGEX",
    help="The records that separate blocks, for --step-place block, which it implies beside --step.  "
    "[default: lines of -, = or +]",
)
@click.option(
    "--parameter",
    "parameters",
    metavar="NAME=REGEX|printed",
    multiple=True,
    help="A hyperparameter in the logs: the first text that the regex captures in a job; or printed, for what programs print at "
    "the beginning (Namespace(..), args: {..}, configurations of Hugging Face and Hydra). Can be repeated.",
)
@click.option(
    "--run-start",
    metavar="REGEX",
    help="The records that begin a run or a fold, for --restarts; beside --step it implies --restarts split.",
)
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
@no_sync_option
@no_csv_guard_option
@click.option(
    "--engine",
    type=click.Choice(["ray", "dask", "daft", "spark", "duckdb", "polars"]),
    help="What spreads the logs over machines, or processes; all must see the logs, and DIR, under the same paths.",
)
@click.option("--address", metavar="URL", help="With --engine: where it runs.  [default: started on this machine]")
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
@fail_on_option
@gate_options
@json_option
@threads_option
def replay(
    paths: tuple[str, ...],
    wanted: Wanted,
    reading: Reading,
    goal: Goal,
    at_best: tuple[str, ...],
    grouped: GroupOptions,
    block: str | None,
    parameters: tuple[str, ...],
    run_start: str | None,
    job: str,
    jobs_file: str | None,
    out: str | None,
    format_: str | None,
    overwrite: bool,
    no_sync: bool,
    no_csv_guard: bool,
    engine: EngineName | None,
    address: str | None,
    tuning_job: str | None,
    describe: bool,
    float32: bool,
    fail_on: tuple[Failing, ...],
    gate: Gate,
    print_json: bool,
    threads: int | None,
) -> int:
    """Read the logs of many jobs, and rank the jobs.

    PATH is a log (plain or compressed), a folder, an archive (tar, zip), a glob, or - for standard input. Exit code 0; 1 if
    no job can win; 2 for wrong usage or an unreadable log; 3 for what --fail-on and --fail-if name.
    """
    grouping = grouped.grouping
    goal.check_columns(print_json=print_json)
    if describe and tuning_job is None:
        raise click.UsageError("--describe needs --tuning-job FILE")
    if float32 and not describe:
        raise click.UsageError("--float32 needs --describe")
    if describe and grouping is not None:
        raise click.UsageError("--describe prints what the service would, which knows no groups of jobs")
    if describe and goal.given:
        raise click.UsageError(
            f"--describe uses the objective of the request, as the service does; it excludes {goal.given[0]}"
        )
    if address is not None and engine is None:
        raise click.UsageError("--address needs --engine")
    if out is None and (overwrite or no_sync or format_ is not None):
        raise click.UsageError(
            f"{'--overwrite' if overwrite else '--no-sync' if no_sync else '--format'} needs --out DIR"
        )
    if no_csv_guard and format_ != "csv":
        raise click.UsageError("--no-csv-guard needs --format csv")
    from metricscan.errors import OptionError
    from metricscan.ranking.gate import metrics_of
    from metricscan.replaying.replay import replay as run

    request = None
    keeps_blocks = block is not None or goal.step_place == "block"
    if goal.step is not None and goal.step_place is None and block is not None:
        goal = goal._replace(step_place="block")
    if goal.step is not None and goal.restarts is None and run_start is not None:
        goal = goal._replace(restarts="split")
    if tuning_job is None:
        if goal.given == ["--step-place"] and keeps_blocks:
            # the separators are kept in the dataset, for rank and plot
            goal = goal._replace(step_place=None)
        objective = goal.objective()
        scanner = compiled(wanted, reading, None if objective is None else objective.metrics[0])
    else:
        if wanted.definitions or wanted.metrics or wanted.labels:
            raise click.UsageError("--tuning-job provides the definitions; it excludes --definitions, -m and --label")
        from metricscan.cli.tuning import requested

        request, scanner = requested(tuning_job, wanted.algorithm, **reading.of_scanner)
        objective = goal.objective(request.objective)
    goal.check_ranked(objective)
    if objective is None and grouping is not None:
        raise no_objective_for("groups of jobs")
    if objective is None and at_best:
        raise no_objective_for("--at-best")
    metrics = [name for name in scanner.metrics if name not in scanner.labels]
    failing = gate.conditions(metrics)
    if objective is None and failing:
        raise no_objective_for("--fail-if")
    others: tuple[str, ...] = at_best
    if objective is not None:
        others = (*at_best, *metrics_of(failing, objective), *metrics_of_columns(goal.columns, metrics, objective))
    how: dict[str, Any] = {
        "objective": objective,
        **goal.conditions,
        "at_best": others,
        "job": job,
        "jobs": jobs_file,
        "include": reading.include,
        "exclude": reading.exclude,
        "follow_links": reading.follow_links,
        "max_decompressed": reading.max_decompressed,
        "input_format": reading.input_format,
        "block": keeps_blocks if block is None else block,
        "run_start": run_start,
        "out": out,
        "format": format_ or "parquet",
        "overwrite": overwrite,
        "sync": not no_sync,
        "csv_guard": not no_csv_guard,
    }
    keep = describe or grouped.needs_rows(scanner.metrics)
    if engine is not None:
        alone = {
            "--threads": threads,
            "--parameter": parameters,
            "--describe": describe,
            "--over NAME of a label or metric": keep,
        }
        refused = next((name for name, given in alone.items() if given), None)
        if refused is not None:
            raise click.UsageError(f"--engine excludes {refused}, which needs the rows or the logs on this machine")
        from metricscan.fleet import replay_on

        result = replay_on(engine, paths, scanner, address=address, **how)
    else:
        with ProgressBar() as bar:
            report = bar.show if bar.shown else None
            result = run(paths, scanner, **how, threads=threads, parameters=parameters, keep=keep, progress=report)
    for error in result.errors:
        complain(error)
    print_notices(result.notices)
    verdicts: Sequence[Verdict] = ()
    notices: list[Notice] = []
    if failing and objective is not None and result.ranking is not None:
        verdicts, notices = gate.verdicts(
            failing, "the replay", result.ranking, objective, is_grouped=grouping is not None, **goal.conditions
        )
    groups, is_wrong = None, False
    if objective is not None and result.ranking is not None and not describe:
        try:
            groups = JobGroups.of(result, result.ranking, objective, grouping, **goal.conditions)
        except OptionError as error:
            # which hyperparameters there are is known only now; the ranking is printed all the same
            complain(error)
            is_wrong = True
    if request is not None and describe:
        from metricscan.cli.tuning import print_description

        print_description(request, result, float32=float32)
    elif print_json:
        _print_json(result, scanner, objective, out, goal, reading.input_format, groups, verdicts, notices)
    else:
        click.echo(one_line(str(result.survey)), err=True)
        if result.jobs:
            is_wrong |= not _print_replay(result, scanner, objective, goal, reading.input_format, groups)
        if out is not None:
            click.echo(f"written: {one_line(str(out))}", err=True)
    of_best = () if result.best is None else result.best.doubts
    failed = list(failures(fail_on, result.stats.metrics, of_best, [] if groups is None else groups.doubts))
    for sentence in failed:
        complain(sentence)
    if result.errors or is_wrong:
        return EXIT_ERROR
    if print_verdicts(verdicts) or failed:
        return EXIT_FAILED
    return EXIT_NOTHING_FOUND if objective is not None and result.best is None else 0


def _print_replay(
    result: Replay,
    scanner: Scanner,
    objective: Objective | None,
    goal: Goal,
    input_format: str,
    groups: JobGroups | None,
) -> bool:
    """Print the outcome; returns whether all columns that were asked for exist."""
    is_whole = True
    console = open_console()
    if objective is not None and groups is not None:
        groups.print_to(console, objective, goal.top)
    if objective is not None and result.ranking is not None:
        best = result.best
        if best is None:
            print_no_best(console, objective, result.ranking, completed_only=bool(goal.completed_only))
        else:
            print_best(console, objective, best.job, best.value, f"{best.path}:{best.line}", best.hyperparameters)
            print_at_best(console, objective, result.ranking["step"][0].as_py(), best.at_best)
            print_doubts(console, best.doubts)
        if result.ranking.num_rows:
            is_whole = print_ranking(console, result.ranking, objective, goal, result.jobs)
    print_counts(console, result.stats)
    if objective is not None and all(result.stats.metrics[name].rows for name in objective.metrics):
        # otherwise all jobs are missing, and the reason is that the definition found nothing
        print_missing(console, _missing(result, scanner, objective, input_format), objective.metric)
    paths = list(dict.fromkeys(log.path for one in result.jobs for log in one.logs))
    wanted = None if objective is None else objective.metrics[0]
    print_silent(console, scanner, result.stats, paths, input_format, wanted)
    return is_whole


def _missing(result: Replay, scanner: Scanner, objective: Objective | None, input_format: str) -> list[Missing]:
    """Why jobs are missing in the ranking."""
    from metricscan.replaying.missing import why_missing

    if objective is None or objective.is_formula or result.ranking is None:
        return []
    return why_missing(scanner, result.ranking, result.jobs, objective.metric, input_format, result.stats)


def _print_json(
    result: Replay,
    scanner: Scanner,
    objective: Objective | None,
    out: str | None,
    goal: Goal,
    input_format: str,
    groups: JobGroups | None,
    verdicts: Sequence[Verdict],
    of_gate: Sequence[Notice],
) -> None:
    documents.print_document(
        {
            "objective": None if objective is None else asdict(objective),
            **documents.conditions(goal.conditions),
            "best": None if result.best is None else documents.winner(**result.best._asdict()),
            "ranking": None if result.ranking is None else documents.ranked(goal.cut(result.ranking)),
            "missing": [one._asdict() for one in _missing(result, scanner, objective, input_format)],
            "metrics": {name: documents.counts(metric) for name, metric in result.stats.metrics.items()},
            **({} if groups is None else {"groups": groups.as_documents()}),
            **({"fail_if": [one._asdict() for one in verdicts]} if verdicts else {}),
            **documents.totals(
                result.survey,
                result.stats,
                result.errors,
                [*result.notices, *of_gate, *([] if groups is None else groups.notices)],
            ),
            "out": out,
        }
    )
