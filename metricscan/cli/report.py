"""``metricscan report``: write a page about a ranking, from a dataset or from logs."""

from __future__ import annotations

import contextlib
import tempfile
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from metricscan.cli.goal import Goal, goal_options
from metricscan.cli.options import (
    Reading,
    Wanted,
    compiled,
    job_option,
    jobs_file_option,
    reading_options,
    threads_option,
    wanted_options,
)
from metricscan.cli.output import EXIT_ERROR, EXIT_NOTHING_FOUND, complain, print_notices
from metricscan.cli.progress import ProgressBar
from metricscan.cli.terminal import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from metricscan.datasets.dataset import Dataset


@click.command(short_help="Write a page about a dataset or logs: winner, ranking, curves, doubts.")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@click.option("-o", "--out", metavar="FILE", help="The page to write, such as report.html.")
@wanted_options
@reading_options
@goal_options
@job_option
@jobs_file_option
@click.option(
    "--worker",
    "workers",
    metavar="NAME",
    multiple=True,
    help="What distinguishes the workers of a job, each of which gets a curve: stream, a label, or a metric that captures "
    "their number. Can be repeated.",
)
@click.option(
    "--carry",
    metavar="NAME",
    multiple=True,
    help="A worker that holds for the records that follow, too, such as a phase that the log names once. Can be repeated.",
)
@click.option("--title", metavar="TEXT", help="The title of the page.")
@click.option("--no-logs", is_flag=True, help="Show no lines of the logs on the page.")
@threads_option
def report(
    paths: tuple[str, ...],
    out: str | None,
    wanted: Wanted,
    reading: Reading,
    goal: Goal,
    job: str,
    jobs_file: str | None,
    workers: tuple[str, ...],
    carry: tuple[str, ...],
    title: str | None,
    no_logs: bool,
    threads: int | None,
) -> int:
    """Write a page about a dataset, a journal, or logs.

    PATH is a dataset that replay --out wrote, a journal, or a folder of jobs that run started. With definitions (-m, -d) it is
    what replay takes: logs, folders, archives. The page is one file that loads nothing. This command needs Bokeh:
    pip install 'metricscan[report]'. Exit code 0; 1 if no job can win; 2 for wrong usage or input that cannot be read.
    """
    for option, value in (("--top", goal.top), ("--all-best", goal.all_best or None)):
        if value is not None:
            raise click.UsageError(f"{option} is for tables; the page lists all jobs")
    if out is None:
        raise click.UsageError("give --out FILE, the page to write")
    from metricscan.reports.page import page_html
    from metricscan.reports.page_data import page_data
    from metricscan.reports.writing import write_whole

    how: dict[str, Any] = {
        "worker": (*workers, *(name for name in carry if name not in workers)),
        "carry": carry,
        "title": title,
        "logs": not no_logs,
    }
    with contextlib.ExitStack() as stack:
        if wanted.definitions or wanted.metrics or wanted.algorithm is not None:
            found = stack.enter_context(_replayed(paths, wanted, reading, goal, job, jobs_file, threads, how))
        else:
            found = _opened(paths, goal, jobs_file, how)
        data = page_data(found, **how)
    write_whole(out, page_html(data).encode("utf-8"))
    click.echo(f"written: {one_line(out)}", err=True)
    if data["errors"]:
        more = f" and {data['error_count'] - 1:,} more" if data["error_count"] > 1 else ""
        complain(f"not all of the input could be read: {data['errors'][0]['message']}{more}")
        return EXIT_ERROR
    return EXIT_NOTHING_FOUND if data["objective"] is not None and data["winner"] is None else 0


def _opened(paths: tuple[str, ...], goal: Goal, jobs_file: str | None, how: dict[str, Any]) -> Dataset:
    """The dataset at the path; what the page is to be made with is added to ``how``."""
    from metricscan.datasets.dataset import Dataset
    from metricscan.logs.jobs_file import add_facts

    if len(paths) > 1:
        raise click.UsageError("one dataset was expected; for logs, give definitions: -m NAME=REGEX or -d FILE")
    given = click.get_current_context()
    for name in (*Reading._fields, "labels", "job", "threads"):
        if given.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            option = "--label" if name == "labels" else f"--{name.replace('_', '-')}"
            raise click.UsageError(f"{option} is for logs, which need definitions: -m NAME=REGEX or -d FILE")
    dataset = Dataset(paths[0])
    how["objective"] = objective = goal.objective(dataset.objective)
    goal.check_ranked(objective)
    if objective is not None:
        how |= goal.conditions_after(dataset)
    if jobs_file is not None:
        how["jobs"], notices = add_facts(dataset.jobs, jobs_file)
        print_notices(notices)
    return dataset


@contextlib.contextmanager
def _replayed(
    paths: tuple[str, ...],
    wanted: Wanted,
    reading: Reading,
    goal: Goal,
    job: str,
    jobs_file: str | None,
    threads: int | None,
    how: dict[str, Any],
) -> Iterator[Dataset]:
    """A dataset of the logs, which lasts as long as the block: rows of any number do not have to fit in memory."""
    from metricscan.datasets.dataset import Dataset
    from metricscan.replaying.replay import replay

    objective = goal.objective()
    goal.check_ranked(objective)
    scanner = compiled(wanted, reading, None if objective is None else objective.metrics[0])
    with tempfile.TemporaryDirectory(prefix="metricscan-") as folder, ProgressBar() as bar:
        result = replay(
            paths,
            scanner,
            objective=objective,
            **goal.conditions,
            job=job,
            jobs=jobs_file,
            include=reading.include,
            exclude=reading.exclude,
            follow_links=reading.follow_links,
            max_decompressed=reading.max_decompressed,
            input_format=reading.input_format,
            out=f"{folder}/rows",
            keep=False,
            threads=threads,
            progress=bar.show if bar.shown else None,
        )
        print_notices(result.notices)
        how |= {"source": ", ".join(paths), "stats": result.stats}
        if how["title"] is None and objective is not None:
            how["title"] = f"{objective.metric} · {paths[0]}"
        yield Dataset(f"{folder}/rows")
