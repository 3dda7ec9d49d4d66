"""``metricscan report``: write a page about a ranking, from a dataset or from logs."""

from __future__ import annotations

import contextlib
import os
import tempfile
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from metricscan.cli.goal import Goal, goal_options
from metricscan.cli.options import (
    Finding,
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
    from collections.abc import Callable


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
@click.option(
    "--live", is_flag=True, help="Serve the page on this machine while the jobs go on; it shows new rows as they come."
)
@click.option("--port", metavar="N", type=click.IntRange(0, 65535), help="With --live: the port.  [default: any]")
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
    live: bool,
    port: int | None,
    threads: int | None,
) -> int:
    """Write a page about a dataset, a journal, or logs.

    PATH is a dataset that replay --out wrote, a journal, or a folder of jobs that run started. With definitions (-m, -d) it is
    what replay takes: logs, folders, archives. The page is one file that loads nothing. This command needs Bokeh:
    pip install 'metricscan[report]'. Exit code 0; 1 if no job can win; 2 for wrong usage or input that cannot be read.

    With --live the page is served under an address that only whoever reads it here knows, until Ctrl-C.
    """
    for option, value in (
        ("--top", goal.top),
        ("--all-best", goal.all_best or None),
        ("--columns", goal.columns or None),
    ):
        if value is not None:
            raise click.UsageError(f"{option} is for tables; the page lists all jobs")
    if (out is None) != live:
        raise click.UsageError("give --out FILE, the page to write, or --live" + (", not both" if live else ""))
    if port is not None and not live:
        raise click.UsageError("--port needs --live")
    how: dict[str, Any] = {
        "worker": (*workers, *(name for name in carry if name not in workers)),
        "carry": carry,
        "title": title,
        "logs": not no_logs,
    }
    if wanted.definitions or wanted.metrics or wanted.algorithm is not None:
        replaying = {"job": job, "jobs": jobs_file, "threads": threads}
        gather = _of_logs(paths, wanted, reading, goal, replaying, how, shows_progress=not live)
    else:
        gather = _of_dataset(paths, goal, jobs_file, how, waits=live)
    if out is None:
        return _serve(gather, paths, port or 0)
    from metricscan.reports.page import page_html
    from metricscan.reports.writing import write_whole

    data = gather()
    write_whole(out, page_html(data).encode("utf-8"))
    click.echo(f"written: {one_line(out)}", err=True)
    if data["errors"]:
        more = f" and {data['error_count'] - 1:,} more" if data["error_count"] > 1 else ""
        complain(f"not all of the input could be read: {data['errors'][0]['message']}{more}")
        return EXIT_ERROR
    return EXIT_NOTHING_FOUND if data["objective"] is not None and data["winner"] is None else 0


def _serve(gather: Callable[[], dict[str, Any]], paths: tuple[str, ...], port: int) -> int:
    """Serve the page until an interrupt."""
    from metricscan.reports.live_page import LivePage, state_of

    with LivePage(gather, state=lambda: state_of(paths), port=port) as page:
        click.echo(page.url)
        click.echo("the page is served on this machine until Ctrl-C; who has its address can see it", err=True)
        with contextlib.suppress(KeyboardInterrupt):
            page.serve()
    return 0


def _of_dataset(
    paths: tuple[str, ...], goal: Goal, jobs_file: str | None, how: dict[str, Any], *, waits: bool
) -> Callable[[], dict[str, Any]]:
    """What gathers the data of a page of a dataset; of a folder that is still empty, if ``waits``, that there is nothing yet."""
    from metricscan.datasets.dataset import Dataset
    from metricscan.logs.jobs_file import add_facts
    from metricscan.reports.page_data import page_data

    if len(paths) > 1:
        raise click.UsageError("one dataset was expected; for logs, give definitions: -m NAME=REGEX or -d FILE")
    given = click.get_current_context()
    for name in (*Reading._fields, "labels", "job", "threads"):
        if given.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            option = "--label" if name == "labels" else f"--{name.replace('_', '-')}"
            raise click.UsageError(f"{option} is for logs, which need definitions: -m NAME=REGEX or -d FILE")
    is_prepared = False

    def prepare() -> None:
        nonlocal is_prepared
        first = Dataset(paths[0])
        how["objective"] = objective = goal.objective(first.objective)
        goal.check_ranked(objective)
        if objective is not None:
            how.update(goal.conditions_after(first))
        if jobs_file is not None:
            how["jobs"], notices = add_facts(first.jobs, jobs_file)
            print_notices(notices)
        is_prepared = True

    def gather() -> dict[str, Any]:
        if not is_prepared:
            if _is_empty(paths[0]):
                data = page_data({}, title=how["title"] or paths[0], source=paths[0])
                return {**data, "notes": [f"{paths[0]} holds nothing yet. Its jobs appear here as they come."]}
            prepare()
        return page_data(Dataset(paths[0]), **how)

    if not (waits and _is_empty(paths[0])):
        prepare()
    return gather


def _is_empty(path: str) -> bool:
    """Whether this is a folder without anything in it."""
    try:
        return not os.listdir(path)
    except OSError:
        return False


def _of_logs(
    paths: tuple[str, ...],
    wanted: Wanted,
    reading: Reading,
    goal: Goal,
    replaying: dict[str, Any],
    how: dict[str, Any],
    *,
    shows_progress: bool,
) -> Callable[[], dict[str, Any]]:
    """What gathers the data of a page of logs: by a dataset, which is removed; the rows do not have to fit in memory."""
    from metricscan.datasets.dataset import Dataset
    from metricscan.replaying.replay import replay
    from metricscan.reports.page_data import page_data

    objective = goal.objective()
    goal.check_ranked(objective)
    scanner = compiled(wanted, reading, None if objective is None else objective.metrics[0])
    if how["title"] is None and objective is not None:
        how["title"] = f"{objective.metric} · {paths[0]}"
    finding = {name: getattr(reading, name) for name in Finding._fields}

    def gather() -> dict[str, Any]:
        with tempfile.TemporaryDirectory(prefix="metricscan-") as folder, ProgressBar() as bar:
            result = replay(
                paths,
                scanner,
                objective=objective,
                **goal.conditions,
                **replaying,
                **finding,
                out=f"{folder}/rows",
                keep=False,
                progress=bar.show if bar.shown and shows_progress else None,
            )
            if shows_progress:
                print_notices(result.notices)
            return page_data(Dataset(f"{folder}/rows"), **how, source=", ".join(paths), stats=result.stats)

    return gather
