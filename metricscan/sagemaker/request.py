"""A tuning request: its metrics and its objective, read from a file or a dict and checked."""

from __future__ import annotations

import copy
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metricscan.definitions.definition import MetricDefinition
from metricscan.sagemaker import algorithms
from metricscan.sagemaker.checking import Checked, TrainingDefinition
from metricscan.sagemaker.documents import read_document
from metricscan.sagemaker.errors import RequestError, RequestFault, RequestWarning
from metricscan.sagemaker.spelling import as_in_model, holders

if TYPE_CHECKING:
    from metricscan.definitions.objective import Objective


@dataclass(frozen=True)
class TuningRequest:
    """A checked CreateHyperParameterTuningJob request or answer of DescribeHyperParameterTuningJob.

    Made by :func:`load_request`.

    Attributes
    ----------
    name : str
        HyperParameterTuningJobName.
    definitions : tuple of TrainingDefinition
        The TrainingJobDefinition, or the TrainingJobDefinitions.
    document : dict
        The request, normalised: environments as maps of strings.
    described : bool
        Whether the document is an answer of Describe.
    warnings : tuple of RequestFault
        What was accepted, but probably does not do what its author intended.
    """

    name: str
    definitions: tuple[TrainingDefinition, ...]
    document: dict[str, Any]
    described: bool
    warnings: tuple[RequestFault, ...]

    @property
    def objective(self) -> Objective | None:
        """The objective, if all training job definitions have the same; else None."""
        objectives = {one.objective for one in self.definitions}
        return next(iter(objectives)) if len(objectives) == 1 else None

    @property
    def metrics(self) -> tuple[MetricDefinition, ...]:
        """The metrics of all training job definitions, as one list for a scanner; each is named by its :meth:`label`."""
        found: dict[str, MetricDefinition] = {}
        for number, one in enumerate(self.definitions):
            for metric in one.metrics:
                label = self.label(number, metric.name)
                found.setdefault(label, MetricDefinition(label, metric.regex))
        return tuple(found.values())

    def label(self, number: int, name: str) -> str:
        """The name in :attr:`metrics` of a metric of one training job definition.

        The label is the metric's name; if an earlier definition has another regex for that name, the definition's name
        follows in parentheses.

        Parameters
        ----------
        number : int
            Index of the training job definition in :attr:`definitions`.
        name : str
            Name of the metric.

        Raises
        ------
        KeyError
            The definition has no such metric.
        """
        for one in self.definitions[: number + 1]:
            first = next((metric.regex for metric in one.metrics if metric.name == name), None)
            if first is not None:
                own = next(metric.regex for metric in self.definitions[number].metrics if metric.name == name)
                return name if own == first else f"{name} ({self.definitions[number].name or number})"
        raise KeyError(name)


def load_request(source: str | os.PathLike[str] | Mapping[str, Any], *, algorithm: str | None = None) -> TuningRequest:
    """Read and check a tuning request.

    Parameters
    ----------
    source : path or mapping
        A CreateHyperParameterTuningJob request, or the answer of DescribeHyperParameterTuningJob, as a dict (it is copied) or
        the path of a JSON or YAML file; a str is always a path. It may lie within other objects, as in a state machine or a
        manifest; its members may be spelled in camelCase or snake_case, and commas after last items are ignored.
    algorithm : str, optional
        The built-in algorithm whose metrics to use if the request defines none and its image does not identify one.

    Raises
    ------
    RequestError
        All errors together: violations of the service model (API Reference, CreateHyperParameterTuningJob), an objective
        that is not among the metrics, regexes that do not compile, contradictions. Its ``warnings`` are the texts of the
        warnings.
    SourceError
        The file cannot be read, or is not UTF-8.

    Warns
    -----
    RequestWarning
        Unknown members; an environment that is a list or holds numbers; an unknown image without metric definitions.

    Examples
    --------
    >>> request = load_request({
    ...     "HyperParameterTuningJobName": "gan",
    ...     "HyperParameterTuningJobConfig": {
    ...         "Strategy": "Random",
    ...         "ResourceLimits": {"MaxNumberOfTrainingJobs": 4, "MaxParallelTrainingJobs": 2},
    ...         "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
    ...     },
    ...     "TrainingJobDefinition": {
    ...         "AlgorithmSpecification": {
    ...             "TrainingImage": "000000000000.dkr.ecr.eu-west-1.amazonaws.com/gan:1",
    ...             "TrainingInputMode": "File",
    ...             "MetricDefinitions": [{"Name": "loss", "Regex": "Loss = (.*?);"}],
    ...         },
    ...         "RoleArn": "arn:aws:iam::000000000000:role/tuning",
    ...         "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
    ...         "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
    ...         "Environment": {"SM_LOG_LEVEL": "10"},
    ...     },
    ... })
    >>> request.metrics, request.objective.goal
    ((MetricDefinition(name='loss', regex='Loss = (.*?);'),), 'Minimize')
    """
    path = None
    read: list[str] = []
    if isinstance(source, (str, os.PathLike)):
        path = os.fsdecode(source)
        source, read = read_document(path, "the tuning request")
    if not isinstance(source, Mapping):
        given = "null" if source is None else f"a {type(source).__name__}"
        error = RequestFault("", f"{given} where the request, an object, was expected")
        raise RequestError((error,), source=path)
    if algorithm is not None:
        algorithms.algorithm(algorithm)
    try:
        checked = Checked(_request_in(source, path), algorithm)
    except RecursionError:
        raise RequestError((RequestFault("", "it is nested too deeply"),), source=path) from None
    checked.warned[:0] = [RequestFault("", warning) for warning in read]
    if checked.errors:
        raise RequestError(tuple(checked.errors), source=path, warnings=tuple(map(str, checked.warned)))
    for one in checked.warned:
        warnings.warn(str(one), RequestWarning, stacklevel=2)
    return TuningRequest(
        checked.document["HyperParameterTuningJobName"],
        tuple(checked.definitions),
        checked.document,
        checked.described,
        tuple(checked.warned),
    )


def _request_in(document: Mapping[str, Any], path: str | None) -> dict[str, Any]:
    """A copy of the request in a document, with the members' names of the model."""
    found = list(holders(document, "HyperParameterTuningJobConfig"))
    if len(found) > 1:
        places = ", ".join(place for place, _ in found[:5])
        raise RequestError((RequestFault("", f"{len(found)} requests, {places}; one was expected"),), source=path)
    given = found[0][1] if found else document
    shape = "DescribeHyperParameterTuningJobResponse"
    errors: list[RequestFault] = []
    # its members are those of the request, and more
    request = as_in_model("CreateHyperParameterTuningJobRequest", as_in_model(shape, given, errors), [])
    if errors:
        raise RequestError(tuple(errors), source=path)
    return copy.deepcopy({key: value for key, value in request.items() if key != "ResponseMetadata"})
