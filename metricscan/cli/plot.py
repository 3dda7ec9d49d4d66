"""``metricscan plot``: draw the curves of a dataset."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, cast

import click

from metricscan.cli.goal import completed_only_of, no_objective_for, objective_of, restarts_option, step_place_option
from metricscan.cli.grouping import GroupOptions, group_options
from metricscan.cli.output import print_notices
from metricscan.cli.terminal import one_line

if TYPE_CHECKING:
    from metricscan.definitions.blocks import StepPlace
    from metricscan.definitions.objective import PerStep, Restarts


@click.command(short_help="Draw the curves of metrics from a dataset that replay --out wrote.")
@click.argument("dataset", metavar="DIR")
@click.option(
    "--metric", "metrics", metavar="NAME", multiple=True, required=True, help="The metric to draw. Can be repeated."
)
@click.option("-o", "--out", metavar="FILE", required=True, help="The picture to write.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["png", "svg", "html", "json"]),
    help="What to write; json is a Vega-Lite specification with the data.  [default: what the name of the file ends in]",
)
@click.option(
    "--job",
    "jobs",
    metavar="NAME",
    multiple=True,
    help="Draw this job alone, or those that fit a pattern such as 'trial_1*'. Can be repeated.",
)
@click.option("--title", metavar="TEXT", help="The title of the picture.  [default: the metrics]")
@click.option(
    "--step",
    metavar="NAME",
    help="The metric that counts the steps, such as an epoch.  [default: each value is a step]",
)
@click.option(
    "--worker",
    "workers",
    metavar="NAME",
    multiple=True,
    help="What distinguishes the workers of a job: stream, a label, or a metric that captures their number. Can be repeated.",
)
@click.option(
    "--carry",
    metavar="NAME",
    multiple=True,
    help="A worker that holds for the records that follow, too, such as a phase that the log names once. Can be repeated.",
)
@step_place_option
@click.option(
    "--per-step",
    "--duplicates",
    "per_step",
    type=click.Choice(["last", "first", "mean", "all"]),
    default="last",
    show_default=True,
    help="Which of several values at one step to draw.",
)
@restarts_option
@click.option("--log", "log_scale", is_flag=True, help="Use a logarithmic axis for the values.")
@click.option("--log-step", is_flag=True, help="Use a logarithmic axis for the steps.")
@click.option("--minimize", metavar="NAME", help="Highlight the best job by this metric; lower is better.")
@click.option("--maximize", metavar="NAME", help="Highlight the best job by this metric; higher is better.")
@click.option("--scope", metavar="SCOPE", help="Which rows of a job decide, as in rank.  [default: last]")
@click.option(
    "--completed-only/--no-completed-only",
    default=None,
    help="Highlight only a job whose status is Completed.  [default: as in rank]",
)
@group_options
def plot(
    dataset: str,
    metrics: tuple[str, ...],
    out: str,
    format_: str | None,
    jobs: tuple[str, ...],
    title: str | None,
    step: str | None,
    workers: tuple[str, ...],
    carry: tuple[str, ...],
    step_place: StepPlace | None,
    per_step: PerStep,
    restarts: Restarts | None,
    log_scale: bool,
    log_step: bool,
    minimize: str | None,
    maximize: str | None,
    scope: str | None,
    completed_only: bool | None,
    grouped: GroupOptions,
) -> int:
    """Draw the curves of metrics, one per job, from a dataset that replay --out wrote.

    DIR may also be a journal, or a folder of jobs that run started. The best of these jobs is highlighted, by the objective
    of the replay or by another. With --over, --group-by or --group-name, each group of jobs has a curve, the mean of its
    jobs, in a band from their least to their greatest value. PNG and SVG need matplotlib: pip install 'metricscan[plot]'.
    HTML needs Bokeh: pip install 'metricscan[report]'.
    """
    from metricscan.datasets.dataset import Dataset
    from metricscan.definitions.objective import Objective
    from metricscan.logs.job import Notice
    from metricscan.ranking.ranking import ranked
    from metricscan.reports.plot import plot as draw

    grouping = grouped.grouping
    opened = Dataset(dataset)
    wanted = step if scope is not None and scope.startswith("best@") else None
    objective = objective_of(minimize, maximize, scope, wanted, opened.objective, step_place if wanted else None)
    for option, value in (("--step-place", step_place), ("--restarts", restarts)):
        if value is not None and step is None:
            raise click.UsageError(f"{option} needs --step NAME")
    if objective is None and completed_only is not None:
        raise no_objective_for("--completed-only")
    # as in the replay, if it had this step
    noted = opened.objective if opened.objective is not None and opened.objective.step == step else None
    if step_place is None:
        step_place = "before" if noted is None else cast("StepPlace", noted.step_place)
    if restarts is None:
        restarts = "keep" if noted is None else noted.restarts
    conditions: dict[str, Any] = {}
    if objective is not None:
        conditions["completed_only"] = completed_only_of(completed_only, minimize, maximize, opened)
        if minimize is None and maximize is None:
            # as in the replay
            conditions |= {"min_step": opened.min_step, "exclude_doubts": opened.exclude_doubts}
    if jobs and grouping is not None:
        raise click.UsageError("--job draws jobs, and a group is drawn with all of its jobs; give one of them")
    # of fonts and caches: who draws curves can do nothing about them
    logging.getLogger("matplotlib").setLevel(logging.CRITICAL)
    notes = draw(
        opened,
        metrics,
        out,
        format=format_,
        jobs=jobs,
        title=title,
        step=step,
        objective=objective,
        **conditions,
        worker=(*workers, *(name for name in carry if name not in workers)),
        carry=carry,
        step_place=step_place,
        per_step=per_step,
        restarts=restarts,
        log=log_scale,
        log_step=log_step,
        **({} if grouping is None else grouping.options),
    )
    if step is not None:
        for metric in metrics:
            steps = Objective(metric, "Minimize", step=step, step_place=step_place, restarts=restarts)
            print_notices(Notice(message) for message in ranked(opened, steps)[1].messages(steps))
    print_notices(map(Notice, notes))
    click.echo(f"written: {one_line(str(out))}", err=True)
    return 0
