"""The winner of a ranking, as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metricscan.reports.names import named

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pyarrow as pa
    from rich.console import Console

    from metricscan.definitions.objective import Objective
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
    shown = text_of(value, is_computed=is_computed(objective))
    text = f"Best: {named(job)}, {objective_name(objective)} {shown} at {place}{parameters}"
    console.print(text, style="bold", soft_wrap=True)


def print_at_best(
    console: Console, objective: Objective, step: float | None, there: Mapping[str, AtBest | None]
) -> None:
    """Print the values of other metrics where the winner's value was decided, in one line."""
    if not there:
        return
    where = "in its record" if step is None else f"at step {step:g}"
    texts = [f"{name} {'none' if one is None else text_there(one, objective)}" for name, one in there.items()]
    console.print(f"  {where}: {', '.join(texts)}", soft_wrap=True)


def text_there(found: AtBest | None, objective: Objective) -> str:
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

    wanted = objective_name(objective)
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


def objective_name(objective: Objective) -> str:
    """The objective in a short form: its metric, and its scope unless that is the last row."""
    how = [objective.scope] if objective.scope != "last" else []
    how += [f"nearest to {objective.target:g}"] if objective.target is not None else []
    return f"{objective.metric} ({', '.join(how)})" if how else objective.metric
