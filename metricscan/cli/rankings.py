"""A ranking and its winner, as text."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from metricscan.cli.goal import JOBS_SHOWN
from metricscan.cli.output import literal, new_table, print_table
from metricscan.reports.names import named

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    import pyarrow as pa
    from rich.console import Console

    from metricscan.cli.goal import Goal
    from metricscan.definitions.objective import Objective
    from metricscan.logs.job import Job
    from metricscan.ranking.at_best import AtBest
    from metricscan.ranking.doubts import Doubt


def text_of(value: float, *, is_computed: bool) -> str:
    """A value: as the log has it, or, if it was computed, without the last two digits, which are no more than rounding."""
    return repr(float(f"{value:.15g}")) if is_computed else repr(value)


def is_computed(objective: Objective) -> bool:
    """Whether the values of jobs are not those of rows."""
    from metricscan.definitions.objective import parse_scope

    return objective.is_formula or _are_means(objective) or parse_scope(objective.scope).is_window


def _are_means(objective: Objective) -> bool:
    return objective.step is not None and objective.per_step == "mean"


def print_best(
    console: Console, objective: Objective, job: str, value: float, place: str, hyperparameters: Mapping[str, str]
) -> None:
    """Print the winner in one line."""
    parameters = "".join(f", {key}={value}" for key, value in hyperparameters.items())
    text = f"Best: {named(job)}, {_named(objective)} {text_of(value, is_computed=is_computed(objective))} at {place}{parameters}"
    console.print(text, style="bold", soft_wrap=True)


def print_at_best(
    console: Console, objective: Objective, step: float | None, there: Mapping[str, AtBest | None]
) -> None:
    """Print the values of other metrics where the winner's value was decided, in one line."""
    if not there:
        return
    where = "in its record" if step is None else f"at step {step:g}"
    texts = [f"{name} {'none' if one is None else _there(one, objective)}" for name, one in there.items()]
    console.print(f"  {where}: {', '.join(texts)}", soft_wrap=True)


def _there(found: AtBest | None, objective: Objective) -> str:
    """A value where another one was decided, marked if it is not of that step."""
    if found is None:
        return ""
    value = text_of(found.value, is_computed=_are_means(objective))
    if found.same_step:
        return value
    at = f"line {found.line:,}" if found.step is None else f"step {found.step:g}"
    return f"{value} (before, {at})"


def print_doubts(console: Console, doubts: Iterable[Doubt]) -> None:
    """Print the doubts of the winner, one line each."""
    for doubt in doubts:
        place = doubt.path or ""
        place += (
            f":{doubt.line}"
            if doubt.line is not None
            else f", byte {doubt.offset:,}"
            if doubt.offset is not None
            else ""
        )
        console.print(f"  doubt {doubt.kind}: {doubt.message}{f' ({place})' if place else ''}", soft_wrap=True)


def kinds_in(doubts: Iterable[Mapping[str, Any]]) -> str:
    """The kinds of doubts, in a short form for a cell."""
    return ", ".join(dict.fromkeys(doubt["kind"] for doubt in doubts))


def print_no_best(console: Console, objective: Objective, ranking: pa.Table, *, completed_only: bool) -> None:
    """Print that no job won, and why."""
    import pyarrow.compute as pc

    wanted = _named(objective)
    found = ranking.filter(pc.equal(ranking["objective_status"], "found"))
    conditions = {
        "copy": "has the log of another job",
        "below_min_step": "is below --min-step",
        "excluded": "has a doubt that --exclude-doubts names",
    }
    unfulfilled = [text for status, text in conditions.items() if status in ranking["objective_status"].to_pylist()]
    reason = f"no job has a finite {wanted}"
    if found.num_rows:
        others = [status for status in dict.fromkeys(found["job_status"].to_pylist()) if status != "Failed"]
        reason = f"all jobs with a finite {wanted} failed"
        if completed_only:
            reason = f"no job with a finite {wanted} is Completed"
        elif others:
            reason += f", or have a status that is not known: {', '.join(map(repr, others[:5]))}"
    elif unfulfilled:
        reason = f"each job with a finite {wanted} {', or '.join(unfulfilled)}"
    console.print(f"Best: none; {reason}")


def _named(objective: Objective) -> str:
    how = [objective.scope] if objective.scope != "last" else []
    how += [f"nearest to {objective.target:g}"] if objective.target is not None else []
    return f"{objective.metric} ({', '.join(how)})" if how else objective.metric


def print_ranking(console: Console, ranking: pa.Table, objective: Objective, goal: Goal, jobs: Iterable[Job]) -> None:
    """Print one row per job. The jobs have the logs that the rows come from."""
    from metricscan.logs.members import counted
    from metricscan.ranking.at_best import PLACE, PREFIX, from_row

    title = _named(objective)
    columns = ["rank", "job", title, "status", "rows", "place"]
    if objective.step is not None:
        columns.insert(3, objective.step)
    others = [name.removeprefix(PREFIX) for name in ranking.column_names if name.startswith(PREFIX)]
    # the step has a column of its own
    others = [name for name in others if PREFIX + name + PLACE in ranking.column_names and name != objective.step]
    place = columns.index(title) + (1 if objective.step is None else 2)
    columns[place:place] = others
    shown = goal.cut(ranking, JOBS_SHOWN)
    # those of the winner stand below it, with what they say
    has_doubts = any(shown["doubts"].to_pylist()[1 if shown["rank"][0].is_valid else 0 :]) if shown.num_rows else False
    if has_doubts:
        columns.append("doubts")
    has_parameters = any(shown["hyperparameters"].to_pylist())
    if has_parameters:
        columns.append("hyperparameters")
    table = new_table(*columns, numbers=("rank", title, "rows", objective.step, *others))
    computed = is_computed(objective)
    pieces = _pieces(jobs, set(shown["job"].to_pylist()))
    for row in shown.to_pylist():
        status = row["objective_status"] + (f", {row['job_status']}" if row["job_status"] else "")
        piece = (row["part"] or 0) - (row["run"] or 0)
        stream = pieces.get((row["job"], row["stream"], piece), row["stream"])
        where = "" if stream is None else f"{named(stream)}:{row['line']}"
        if row["run"] is not None:
            where += f", run {row['run']}"
        if row["streams"] > 1:
            where += f" ({objective.scope} of {row['streams']} streams)"
        rows = f"{row['rows']:,}" + (f" ({row['not_finite']:,} not finite)" if row["not_finite"] else "")
        cells = [
            "" if row["rank"] is None else str(row["rank"]) + ("=" if (row["tied"] or 1) > 1 else ""),
            named(row["job"]),
            "" if row["value"] is None else text_of(row["value"], is_computed=computed),
            status,
            rows,
            where,
        ]
        if has_doubts:
            cells.append(kinds_in(row["doubts"]))
        if has_parameters:
            cells.append(" ".join(f"{key}={value}" for key, value in row["hyperparameters"]))
        if objective.step is not None:
            cells.insert(3, "" if row["step"] is None else f"{row['step']:g}")
        # behind the rank, the job, the value and its step
        there = from_row(row)
        cells[place:place] = [_there(there[name], objective) for name in others]
        table.add_row(*map(literal, cells))
    print_table(console, table)
    if shown.num_rows < ranking.num_rows:
        console.print(f"  .. {counted(ranking.num_rows - shown.num_rows, 'more job')}; --top N shows N")


def _pieces(jobs: Iterable[Job], names: Collection[str]) -> dict[tuple[str, str, int], str]:
    """The name of each piece of the rotated streams of some jobs, by job, stream and part."""
    pieces = {}
    for job in jobs:
        rotated = {log.stream for log in job.logs if log.part} if job.name in names else ()
        for log in job.logs if rotated else ():
            if log.stream in rotated:
                # the stream of a container's log has a name behind that of the file
                within = "" if log.within is None else log.stream[log.stream.rfind(log.within) :]
                folder, slash, _ = log.stream.removesuffix(f"/{within}" if within else "").rpartition("/")
                behind = f"/{within}" if within else ""
                pieces[job.name, log.stream, log.part] = folder + slash + os.path.basename(log.path) + behind
    return pieces
