"""The values that the service reported, read from its answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from metricscan.sagemaker.model import ALIAS

if TYPE_CHECKING:
    from metricscan.sagemaker.request import TuningRequest


class Report(NamedTuple):
    """One value that the service reported.

    ``label`` is the name of the metric in the request's scanner; ``value`` is None where the service says that the job has
    no objective value.
    """

    job: str
    metric: str
    label: str
    value: float | None


def reported_values(request: TuningRequest, jobs: Any) -> Iterator[Report]:
    """Each value that the documents report of a job's metric, once; the list of jobs comes before the tuning job."""
    numbers = {one.name: number for number, one in enumerate(request.definitions)}
    seen = set()
    for one in [*_summaries(jobs), *_summaries(request.document)]:
        name = one["TrainingJobName"]
        number = numbers.get(one.get("TrainingJobDefinitionName"), 0)
        definition = request.definitions[number]
        known = {metric.name for metric in definition.metrics}
        final = one.get("FinalHyperParameterTuningJobObjectiveMetric")
        values = [final] if isinstance(final, Mapping) else []
        listed = one.get("FinalMetricDataList")
        values += [value for value in listed if isinstance(value, Mapping)] if isinstance(listed, list) else []
        for value in values:
            metric = value.get("MetricName")
            if metric == ALIAS and ALIAS not in known:
                metric = definition.objective.metric
            number_ = value.get("Value")
            if metric in known and isinstance(number_, (int, float)) and (name, metric) not in seen:
                seen.add((name, metric))
                yield Report(name, metric, request.label(number, metric), float(number_))
        objective = definition.objective.metric
        if (
            one.get("ObjectiveStatus") == "Failed"
            and not values
            and objective in known
            and (name, objective) not in seen
        ):
            seen.add((name, objective))
            yield Report(name, objective, request.label(number, objective), None)


def _summaries(document: Any) -> Iterator[Mapping[str, Any]]:
    """The descriptions of training jobs in a document, at any depth of lists and summaries."""
    if isinstance(document, Mapping):
        if isinstance(document.get("TrainingJobName"), str):
            yield document
            return
        for member in ("TrainingJobSummaries", "BestTrainingJob"):
            yield from _summaries(document.get(member))
    elif isinstance(document, list):
        for item in document:
            yield from _summaries(item)
