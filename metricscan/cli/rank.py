"""``metricscan rank``: rank the jobs of a dataset under any objective and scope, without reading the logs again."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from metricscan.cli import documents
from metricscan.cli.fail_on import Failing, counts_in, fail_on_option, failures
from metricscan.cli.gate import Gate, gate_options, print_verdicts
from metricscan.cli.goal import Goal, at_best_option, goal_options
from metricscan.cli.grouping import GroupOptions, JobGroups, group_options
from metricscan.cli.job_table import Column, print_jobs
from metricscan.cli.options import jobs_file_option, json_option
from metricscan.cli.output import (
    EXIT_ERROR,
    EXIT_FAILED,
    EXIT_NOTHING_FOUND,
    complain,
    open_console,
    print_notices,
    print_some_notices,
)
from metricscan.cli.ranking_table import metrics_of_columns, print_ranking
from metricscan.cli.rankings import (
    is_computed,
    print_at_best,
    print_best,
    print_doubts,
    print_no_best,
    text_of,
)
from metricscan.reports.names import named

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    from rich.console import Console

    from metricscan.datasets.dataset import Dataset
    from metricscan.definitions.objective import Objective
    from metricscan.ranking.gate import Verdict


@click.command(short_help="Rank the jobs of a dataset that replay --out wrote.")
@click.argument("dataset", metavar="DIR")
@goal_options
@at_best_option
@group_options
@gate_options
@fail_on_option
@jobs_file_option
@click.option(
    "--scopes",
    is_flag=True,
    help="Show which job would win under each scope, and its regret: how much worse its value under the objective's own "
    "scope is than the best one.",
)
@json_option
def rank(
    dataset: str,
    goal: Goal,
    at_best: tuple[str, ...],
    grouped: GroupOptions,
    gate: Gate,
    fail_on: tuple[Failing, ...],
    jobs_file: str | None,
    scopes: bool,
    print_json: bool,
) -> int:
    """Rank the jobs of a dataset that replay --out wrote.

    DIR may also be a journal, or a folder of jobs that run started. Without --minimize or --maximize, the objective is that
    of the replay, with its scope and what it asked of jobs (--completed-only, --min-step, --exclude-doubts), unless other
    options replace them. Errors of the replay are printed again. Exit code 0; 1 if no job can win; 2 for wrong usage or an
    unreadable dataset; 3 for what --fail-on and --fail-if name.
    """
    from metricscan.datasets.dataset import Dataset
    from metricscan.logs.job import Notice
    from metricscan.logs.jobs_file import add_facts
    from metricscan.ranking import ranking
    from metricscan.ranking.at_best import from_row
    from metricscan.ranking.copies import messages_of_copies
    from metricscan.ranking.doubts import from_struct
    from metricscan.ranking.gate import metrics_of
    from metricscan.ranking.scopes import compare_scopes
    from metricscan.ranking.unknown_doubts import messages_of_unknown

    grouping = grouped.grouping
    goal.check_columns(print_json=print_json)
    opened = Dataset(dataset)
    objective = goal.objective(opened.objective)
    if objective is None:
        raise click.UsageError("no objective: give --minimize NAME or --maximize NAME; the replay had none")
    metrics = [name for name in opened if name not in opened.labels]
    failing = gate.conditions(metrics)
    others = (*at_best, *metrics_of(failing, objective), *metrics_of_columns(goal.columns, metrics, objective))
    counts = counts_in(opened, fail_on) if fail_on else {}
    jobs = None
    notices: list[Notice] = []
    if jobs_file is not None:
        jobs, notices = add_facts(opened.jobs, jobs_file)
        print_notices(notices)
    if opened.manifest.get("is_followed"):
        # a replay has printed its own
        of_journal = [Notice(**one) for one in opened.manifest["notices"]]
        print_some_notices(of_journal)
        notices += of_journal
    errors = opened.manifest.get("errors", [])
    if errors:
        more = f" and {len(errors) - 1:,} more" if len(errors) > 1 else ""
        complain(f"the replay could not read all of its input: {errors[0]['message']}{more}")
    conditions = goal.conditions_after(opened)
    found, steps = ranking.ranked(opened, objective, jobs=jobs, at_best=others, **conditions)
    messages = (
        *messages_of_unknown(opened.evidence, objective),
        *steps.messages(objective),
        *messages_of_copies(found),
    )
    of_ranking = list(map(Notice, messages))
    print_notices(of_ranking)
    notices += of_ranking
    groups = JobGroups.of(opened, found, objective, grouping, jobs=jobs, **conditions)
    verdicts, of_gate = gate.verdicts(failing, dataset, found, objective, is_grouped=grouping is not None, **conditions)
    notices += of_gate
    compared = compare_scopes(opened, objective, jobs=jobs, **conditions) if scopes else None
    won = bool(found.num_rows) and found["rank"][0].is_valid
    best = _winner(opened, found) if won else None
    of_best = [] if best is None else list(map(from_struct, best["doubts"]))
    failed = list(failures(fail_on, counts, of_best, [] if groups is None else groups.doubts))
    if print_json:
        document: dict[str, Any] = {
            "objective": asdict(objective),
            **documents.conditions(conditions),
            "best": best,
            "ranking": documents.ranked(goal.cut(found)),
            "errors": errors,
            "notices": [notice._asdict() for notice in notices],
        }
        if verdicts:
            document["fail_if"] = [one._asdict() for one in verdicts]
        if groups is not None:
            document["groups"] = groups.as_documents()
            document["notices"] += [notice._asdict() for notice in groups.notices]
        if compared is not None:
            keys = ("value", "own_value", "regret")
            document["scopes"] = [
                row | {key: documents.number(row[key]) for key in keys} for row in compared.to_pylist()
            ]
        documents.print_document(document)
        return _exit_code(failed, verdicts, won=won)
    console = open_console()
    if groups is not None:
        groups.print_to(console, objective, goal.top)
    if best is not None:
        place = f"{best['path'] or best['stream']}:{best['line']}"
        print_best(console, objective, best["job"], best["value"], place, best["hyperparameters"])
        first = found.slice(0, 1).to_pylist()[0]
        print_at_best(console, objective, first["step"], from_row(first))
        print_doubts(console, map(from_struct, best["doubts"]))
    else:
        print_no_best(console, objective, found, completed_only=conditions["completed_only"])
    is_whole = print_ranking(console, found, objective, goal, opened.jobs)
    if compared is not None:
        _print_scopes(console, compared, objective)
    if not is_whole:
        return EXIT_ERROR
    return _exit_code(failed, verdicts, won=won)


def _exit_code(failed: Sequence[str], verdicts: Sequence[Verdict], *, won: bool) -> int:
    """The exit code of a rank; what failed is said."""
    for sentence in failed:
        complain(sentence)
    if print_verdicts(verdicts) or failed:
        return EXIT_FAILED
    return 0 if won else EXIT_NOTHING_FOUND


def _winner(dataset: Dataset, found: pa.Table) -> dict[str, Any]:
    from metricscan.ranking.at_best import from_row
    from metricscan.ranking.doubts import from_struct
    from metricscan.ranking.ranking import log_of

    first = found.slice(0, 1).to_pylist()[0]
    job = next(one for one in dataset.jobs if one.name == first["job"])
    log = log_of(job.logs, first)
    path = None if log is None else log.path
    place = {key: first[key] for key in ("stream", "part", "line", "offset")}
    # from the ranking, not from the dataset: the jobs file may have replaced them
    doubts = map(from_struct, first["doubts"])
    parameters = dict(first["hyperparameters"])
    return documents.winner(
        job.name, first["value"], path, **place, hyperparameters=parameters, doubts=doubts, at_best=from_row(first)
    )


def _print_scopes(console: Console, compared: pa.Table, objective: Objective) -> None:
    own = objective.scope
    rows = compared.to_pylist()
    by_scope = [is_computed(objective.under(row["scope"])) for row in rows]
    by_own = is_computed(objective)

    def texts(key: str, computed: Sequence[bool]) -> list[str]:
        pairs = zip(rows, computed, strict=True)
        return ["" if row[key] is None else text_of(row[key], is_computed=is_one) for row, is_one in pairs]

    columns = [
        Column("scope", [row["scope"] for row in rows], least=24),
        Column("best job", ["none" if row["best"] is None else named(row["best"]) for row in rows], least=24),
        Column("value", texts("value", by_scope), is_number=True),
        Column("tied", [str(row["tied"]) for row in rows], is_number=True, importance=2),
        Column(
            f"rank by {own}",
            ["" if row["rank"] is None else str(row["rank"]) for row in rows],
            is_number=True,
            importance=1,
        ),
        Column(f"value by {own}", texts("own_value", [by_own] * len(rows)), is_number=True, importance=1),
        Column("regret", texts("regret", [True] * len(rows)), is_number=True),
    ]
    console.print()
    print_jobs(console, columns)
