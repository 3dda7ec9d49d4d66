"""``metricscan rank``: the ranking of a dataset under any objective and scope, without reading a log again."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from metricscan.cli.output import EXIT_NOTHING_FOUND, literal, open_console
from metricscan.cli.ranks import (
    as_json,
    cut,
    number,
    objective_of,
    objective_options,
    print_best,
    print_no_best,
    print_ranking,
)

if TYPE_CHECKING:
    import pyarrow as pa
    from rich.console import Console

    from metricscan.dataset import Dataset
    from metricscan.objective import Objective


@click.command()
@click.argument("dataset", metavar="DIR")
@objective_options
@click.option("--jobs", "jobs_file", metavar="FILE", help="CSV or JSON lines: job or path, status, hyperparameters.")
@click.option("--completed-only", is_flag=True, help="Give a rank only to jobs whose status is Completed.")
@click.option("--scopes", is_flag=True, help="Show which job would win under each scope, and how far apart they are.")
@click.option("--json", "print_json", is_flag=True, help="Print the outcome as JSON.")
def rank(
    dataset: str,
    minimize: str | None,
    maximize: str | None,
    scope: str | None,
    step: str | None,
    top: int | None,
    all_best: bool,
    jobs_file: str | None,
    completed_only: bool,
    scopes: bool,
    print_json: bool,
) -> int:
    """Rank the jobs of a dataset that replay --out wrote.

    Without --minimize or --maximize by the objective that the replay had. Exit code 0; 1 if no job can win; 2 for wrong
    use, or if the dataset cannot be read.
    """
    from metricscan import ranking
    from metricscan._jobs import add_facts
    from metricscan._scopes import compare_scopes
    from metricscan.dataset import Dataset

    opened = Dataset(dataset)
    objective = objective_of(minimize, maximize, scope, step, opened.objective)
    if objective is None:
        raise click.UsageError("no objective: give --minimize NAME or --maximize NAME; the replay had none")
    jobs = None
    if jobs_file is not None:
        jobs = opened.jobs
        add_facts(jobs, jobs_file)
    found = ranking.rank(opened, objective, jobs=jobs, completed_only=completed_only)
    compared = compare_scopes(opened, objective, jobs=jobs, completed_only=completed_only) if scopes else None
    won = bool(found.num_rows) and found["rank"][0].is_valid
    if print_json:
        ranked = as_json(cut(found, top, all_best=all_best))
        document: dict[str, Any] = {"objective": asdict(objective), "ranking": ranked}
        if compared is not None:
            keys = ("value", "own_value", "regret")
            document["scopes"] = [row | {key: number(row[key]) for key in keys} for row in compared.to_pylist()]
        click.echo(json.dumps(document, indent=2))
        return 0 if won else EXIT_NOTHING_FOUND
    console = open_console()
    if won:
        _print_winner(console, opened, found, objective)
    else:
        print_no_best(console, objective)
    print_ranking(console, found, objective, top, all_best=all_best)
    if compared is not None:
        _print_scopes(console, compared, objective)
    return 0 if won else EXIT_NOTHING_FOUND


def _print_winner(console: Console, dataset: Dataset, found: pa.Table, objective: Objective) -> None:
    first = found.slice(0, 1).to_pylist()[0]
    job = next(one for one in dataset.jobs if one.name == first["job"])
    path = next((log.path for log in job.logs if log.stream == first["stream"]), first["stream"])
    print_best(console, objective, job.name, first["value"], f"{path}:{first['line']}", job.hyperparameters)


def _print_scopes(console: Console, compared: pa.Table, objective: Objective) -> None:
    from rich.table import Table

    own = objective.scope
    table = Table("scope", "best job", "value", "tied", f"rank by {own}", f"value by {own}", "regret", box=None)
    table.header_style = "bold"
    for column in table.columns[2:]:
        column.justify = "right"
    for row in compared.to_pylist():
        cells = ["" if row[key] is None else str(row[key]) for key in compared.schema.names]
        if row["best"] is None:
            cells[1] = "none"
        table.add_row(*map(literal, cells))
    console.print()
    console.print(table)
