"""The values that the service reported, read from its answers and from tables made of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from metricscan.sagemaker.model import ALIAS
from metricscan.sagemaker.spelling import plain

if TYPE_CHECKING:
    from metricscan.logs.jobs_file import Fact
    from metricscan.sagemaker.request import TuningRequest


class Report(NamedTuple):
    """One value that the service reported.

    ``fact`` is the number of the fact that reports it. ``label`` is the name of the metric in the request's scanner; ``value``
    is None where the service says that the job has no objective value. ``failed`` is whether it says that the job failed.
    """

    fact: int
    job: str
    metric: str
    label: str
    value: float | None
    failed: bool


def reported_values(request: TuningRequest, facts: Sequence[Fact], names: Sequence[str]) -> Iterator[Report]:
    """Each value that the facts report of a job's metric, once; ``names`` are those of the facts' jobs."""
    numbers = {one.name: number for number, one in enumerate(request.definitions)}
    seen = set()
    for at, (fact, name) in enumerate(zip(facts, names, strict=True)):
        one = _members(fact.row.cells)
        number = numbers.get(one.get("trainingjobdefinitionname"), 0)
        definition = request.definitions[number]
        objective = definition.objective.metric
        known = {metric.name for metric in definition.metrics}
        failed = fact.status == "Failed"
        values = _values(one, objective)
        for metric, value in values:
            if metric == ALIAS and ALIAS not in known:
                metric = objective
            if metric in known and (name, metric) not in seen:
                seen.add((name, metric))
                yield Report(at, name, metric, request.label(number, metric), value, failed)
        without = one.get("objectivestatus") == "Failed" or _lacks_value(one, fact.status)
        if without and not values and objective in known and (name, objective) not in seen:
            seen.add((name, objective))
            yield Report(at, name, objective, request.label(number, objective), None, failed)


def _values(one: Mapping[str, Any], objective: str) -> list[tuple[str, float]]:
    """The metrics and values in an answer about a training job, or in a row of a table."""
    found = []
    final = one.get("finalhyperparametertuningjobobjectivemetric")
    listed = one.get("finalmetricdatalist")
    for value in [final, *(listed if isinstance(listed, list) else ())]:
        members = _members(value) if isinstance(value, Mapping) else {}
        name, number = members.get("metricname"), _number(members.get("value"))
        if isinstance(name, str) and number is not None:
            found.append((name, number))
    number = _number(one.get(_objective_column(one)))
    if number is not None:
        found.append((objective, number))
    return found


def _objective_column(one: Mapping[str, Any]) -> str:
    """The column of a table that holds the final objective: in the SDK's frame, or in Optuna's."""
    return "value" if "number" in one and "state" in one else "finalobjectivevalue"


def _lacks_value(one: Mapping[str, Any], status: str | None) -> bool:
    """Whether a row of a table says that a job that ended has no value."""
    column = _objective_column(one)
    return column in one and _number(one[column]) is None and status in ("Completed", "Failed", "Stopped")


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _members(cells: Mapping[str, Any]) -> dict[str, Any]:
    return {plain(key): value for key, value in cells.items()}
