"""The metrics of SageMaker's built-in algorithms: name, regex, better direction, and the evidence for each.

The table is ``algorithms.json``, one metric per line. The service publishes few of these regexes, so each row names its
``evidence``. Where a source contains an obvious error (a loss to be maximised), the row corrects it and its ``note`` says so.
"""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from metricscan.definitions.definition import MetricDefinition
from metricscan.errors import OptionError, nearest, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: The most metric definitions of a tuning job (API Reference, HyperParameterAlgorithmSpecification).
MOST_DEFINITIONS = 40

#: The kinds of evidence for a row of the table, the strongest first.
EVIDENCE = {
    "described": "the regex is in an answer of the service's Describe",
    "documented": "the regex is in the developer guide",
    "container": "the regex is in the source code of the algorithm's container",
    "sdk": "the regex is a default of the SageMaker Python SDK",
    "specification": "the regex is in the model's JumpStart specification",
    "console": "the regex is in public code that was copied from the console",
    "provider": "the regex is in an acceptance test of Terraform's AWS provider",
    "log line": "metricscan wrote the regex for a log line of the algorithm",
    "family": "metricscan wrote the regex like those of the algorithm's other metrics",
    "name": "only the name is known, not the regex",
}


class AlgorithmMetric(NamedTuple):
    """A metric of a built-in algorithm.

    Attributes
    ----------
    name : str
    direction : {"Minimize", "Maximize", None}
        The better direction; None for a metric that is not an objective.
    regex : str or None
        None if it is not known.
    evidence : str
        A key of :data:`EVIDENCE`.
    source : str
        The document or repository that the row comes from.
    note : str or None
        A remark about the metric.
    """

    name: str
    direction: Literal["Minimize", "Maximize"] | None
    regex: str | None
    evidence: str
    source: str
    note: str | None = None


class Algorithm(NamedTuple):
    """A built-in algorithm.

    Attributes
    ----------
    name : str
        The name that ``--algorithm`` takes.
    title : str
    repositories : tuple of str
        Repositories of its training image, which identify the algorithm of a request.
    metrics : tuple of AlgorithmMetric
    """

    name: str
    title: str
    repositories: tuple[str, ...]
    metrics: tuple[AlgorithmMetric, ...]


@functools.cache
def table() -> Mapping[str, Algorithm]:
    """All algorithms by name, read once."""
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
    """Look up an algorithm by its name, a repository of its image, or its title, in any case.

    Raises
    ------
    OptionError
        No algorithm has this name.

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
    asked = "" if meant is None else f"did you mean {meant!r}? "
    raise OptionError(f"there is no algorithm {quoted(name)}", hint=f"{asked}the names are {', '.join(table())}")


def metric(name: str, metric_name: str) -> AlgorithmMetric:
    """Look up a metric of an algorithm.

    Raises
    ------
    OptionError
        The algorithm or the metric is not in the table.

    Examples
    --------
    >>> metric("xgboost", "validation:rmse").direction
    'Minimize'
    """
    one = algorithm(name)
    for row in one.metrics:
        if row.name == metric_name:
            return row
    names = [row.name for row in one.metrics]
    meant = nearest(metric_name, names)
    raise OptionError(
        f"{metric_name!r} is not one of the {len(names)} known metrics of {one.name}",
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
        Names of its metrics; by default all whose regex is known.
    objective : str, optional
        Among metrics that share a regex, the one whose values it captures. All metrics of CatBoost share one, since its log
        does not name the metric.

    Raises
    ------
    OptionError
        The algorithm or a metric is not in the table; a regex is not known; or metrics share a regex and no objective
        selects one of them.

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
                f"the regexes of {one.name} are not known, only the names of its metrics: "
                + ", ".join(row.name for row in one.metrics),
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
                hint="name the metric that the job was configured to report, as the objective or as the only metric",
            )
        if len(names) == 1 or objective in names:
            kept.append(MetricDefinition(str(objective) if len(names) > 1 else names[0], regex))
    return tuple(kept)


def request_definitions(name: str, objective: str) -> tuple[MetricDefinition, ...]:
    """The metric definitions of a tuning job of the algorithm: at most 40, the objective's first.

    Raises
    ------
    OptionError
        As :func:`definitions`.

    Examples
    --------
    >>> [one.name for one in request_definitions("lightgbm", "auc")][:2]
    ['auc', 'rmse']
    """
    found = definitions(name, objective=objective)
    own = tuple(one for one in found if one.name == objective)
    return (own + tuple(one for one in found if one.name != objective))[:MOST_DEFINITIONS]


def of_image(image: str) -> str | None:
    """The algorithm of a training image, from the name of its repository; None if the repository is not known.

    >>> of_image("683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1")
    'xgboost'
    """
    repository = image.partition("@")[0].rpartition("/")[2].partition(":")[0]
    return next((one.name for one in table().values() if repository in one.repositories), None)


def of_specification(specification: Mapping[str, Any]) -> str | None:
    """The algorithm of an AlgorithmSpecification, from its TrainingImage or AlgorithmName; None if it is not known."""
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
