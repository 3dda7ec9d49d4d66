"""The metrics of SageMaker's built-in algorithms: their regexes, which direction is better, and how each is known.

The table is ``algorithms.json``, a metric a line. The service publishes few of these regexes; ``evidence`` says what each
row stands on, and where a source is surely wrong (a loss to maximise), the row does right and its ``note`` says so.
"""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any, NamedTuple

from metricscan.definitions.definition import MetricDefinition
from metricscan.errors import OptionError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: As many metric definitions does the service keep for a tuning job.
MOST_DEFINITIONS = 40

#: What a row of the table stands on, surest first.
EVIDENCE = {
    "described": "the regex stands in an answer of the service's Describe",
    "documented": "the regex stands in the developer guide",
    "container": "the regex stands in the source of the algorithm's container",
    "sdk": "the regex is a default of the SageMaker Python SDK",
    "specification": "the regex stands in the model's JumpStart specification",
    "console": "the regex stands in public code that was copied from the console",
    "provider": "the regex stands in an acceptance test of Terraform's provider",
    "log line": "the regex is ours, made for a log line of the algorithm",
    "family": "the regex is ours, made as those of the algorithm's other metrics",
    "name": "the name is known, the regex is not",
}


class AlgorithmMetric(NamedTuple):
    """A metric of a built-in algorithm.

    Attributes
    ----------
    name : str
    direction : {"Minimize", "Maximize", None}
        Which is better; None for what is no objective.
    regex : str or None
        None where it is not known.
    evidence : str
        A key of :data:`EVIDENCE`.
    source : str
        Where it was read.
    note : str or None
        What is to be known beside that.
    """

    name: str
    direction: str | None
    regex: str | None
    evidence: str
    source: str
    note: str | None = None


class Algorithm(NamedTuple):
    """A built-in algorithm.

    Attributes
    ----------
    name : str
        As ``--algorithm`` takes it.
    title : str
    repositories : tuple of str
        Names of its image's repository, by which a request is recognised.
    metrics : tuple of AlgorithmMetric
    """

    name: str
    title: str
    repositories: tuple[str, ...]
    metrics: tuple[AlgorithmMetric, ...]


@functools.cache
def table() -> Mapping[str, Algorithm]:
    """All algorithms by name."""
    from importlib.resources import files

    listed = json.loads(files(__package__).joinpath("algorithms.json").read_text(encoding="utf-8"))
    return {
        name: Algorithm(
            name,
            one["title"],
            tuple(one["repositories"]),
            tuple(AlgorithmMetric(**metric) for metric in one["metrics"]),
        )
        for name, one in listed.items()
    }


def algorithm(name: str) -> Algorithm:
    """An algorithm by its name, its image's repository, or its title.

    Raises
    ------
    OptionError
        There is none.

    Examples
    --------
    >>> algorithm("sagemaker-xgboost").name
    'xgboost'
    """
    if not isinstance(name, str):
        raise TypeError(f"the name of an algorithm was expected, not {type(name).__name__}")
    wanted = name.lower()
    for one in table().values():
        if wanted in (one.name, one.title.lower(), *one.repositories):
            return one
    meant = nearest(wanted, table())
    raise OptionError(
        f"algorithm {name!r} is none of {', '.join(table())}",
        hint=None if meant is None else f"did you mean {meant!r}?",
    )


def metric(name: str, metric_name: str) -> AlgorithmMetric:
    """A metric of an algorithm.

    Raises
    ------
    OptionError
        The algorithm or the metric is not in the table.
    """
    one = algorithm(name)
    for row in one.metrics:
        if row.name == metric_name:
            return row
    names = [row.name for row in one.metrics]
    meant = nearest(metric_name, names)
    raise OptionError(
        f"{metric_name!r} is none of the {len(names)} metrics that are known of {one.name}",
        hint=None if meant is None else f"did you mean {meant!r}?",
    )


def definitions(
    name: str, metrics: Iterable[str] | None = None, *, objective: str | None = None
) -> tuple[MetricDefinition, ...]:
    """The metric definitions of a built-in algorithm.

    Parameters
    ----------
    name : str
        The algorithm.
    metrics : iterable of str, optional
        Which of its metrics; by default all whose regex is known.
    objective : str, optional
        Of metrics that share a regex (all of CatBoost's do: its log names none), the one that the regex stands for.

    Raises
    ------
    OptionError
        The algorithm or a metric is not in the table; a regex is not known; metrics that share a regex, and no objective
        that says which of them it stands for.

    Examples
    --------
    >>> definitions("lightgbm", metrics=["auc"])
    (MetricDefinition(name='auc', regex='auc: ([0-9\\\\.]+)'),)
    >>> definitions("catboost", objective="RMSE")
    (MetricDefinition(name='RMSE', regex='bestTest = ([0-9\\\\.]+)'),)
    """
    one = algorithm(name)
    if objective is not None:
        _with_regex(one, metric(name, objective))
    if metrics is None:
        rows = [row for row in one.metrics if row.regex is not None]
        if not rows:
            raise OptionError(
                f"of the metrics of {one.name} the names are known ({', '.join(row.name for row in one.metrics)}), "
                "the regexes are not",
                hint="give metric definitions",
            )
    else:
        rows = [_with_regex(one, metric(name, wanted)) for wanted in dict.fromkeys(metrics)]
    sharing: dict[str, list[str]] = {}
    for row in rows:
        sharing.setdefault(str(row.regex), []).append(row.name)
    kept = []
    for regex, names in sharing.items():
        if len(names) > 1 and objective is None:
            raise OptionError(
                f"{len(names)} metrics of {one.name} share the regex {regex}: {', '.join(names)}",
                hint="name the one that the job was told to report, as its objective or as the only metric",
            )
        if len(names) == 1 or objective in names:
            kept.append(MetricDefinition(str(objective) if len(names) > 1 else names[0], regex))
    return tuple(kept)


def request_definitions(name: str, objective: str) -> tuple[MetricDefinition, ...]:
    """The metric definitions of a tuning job of the algorithm: at most 40, the objective's among them."""
    found = definitions(name, objective=objective)
    own = tuple(one for one in found if one.name == objective)
    return (own + tuple(one for one in found if one.name != objective))[:MOST_DEFINITIONS]


def of_image(image: str) -> str | None:
    """The algorithm of a training image, by the name of its repository; None if that is not known.

    >>> of_image("683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1")
    'xgboost'
    """
    repository = image.partition("@")[0].rpartition("/")[2].partition(":")[0]
    return next((one.name for one in table().values() if repository in one.repositories), None)


def of_specification(specification: Mapping[str, Any]) -> str | None:
    """The algorithm that an AlgorithmSpecification names, by TrainingImage or AlgorithmName."""
    image = specification.get("TrainingImage")
    if isinstance(image, str):
        return of_image(image)
    name = specification.get("AlgorithmName")
    return of_image(name) or (name if name in table() else None) if isinstance(name, str) else None


def _with_regex(one: Algorithm, row: AlgorithmMetric) -> AlgorithmMetric:
    if row.regex is None:
        raise OptionError(
            f"the regex of {one.name}'s metric {row.name!r} is not known, only its name",
            hint="give its metric definition",
        )
    return row
