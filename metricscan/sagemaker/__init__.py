"""SageMaker's automatic model tuning, offline: its requests in, its answers out.

- ``request``: a tuning request or what Describe answered, checked whole; ``_model``: the service's limits.
- ``algorithms``: the metrics of built-in algorithms.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from metricscan.sagemaker.algorithms import Algorithm, AlgorithmMetric, algorithm, definitions
    from metricscan.sagemaker.errors import RequestError, RequestFault, RequestWarning
    from metricscan.sagemaker.request import TrainingDefinition, TuningRequest, load_request

_HOME = {
    "Algorithm": "algorithms",
    "AlgorithmMetric": "algorithms",
    "RequestError": "errors",
    "RequestFault": "errors",
    "RequestWarning": "errors",
    "TrainingDefinition": "request",
    "TuningRequest": "request",
    "algorithm": "algorithms",
    "definitions": "algorithms",
    "load_request": "request",
}

__all__ = [
    "Algorithm",
    "AlgorithmMetric",
    "RequestError",
    "RequestFault",
    "RequestWarning",
    "TrainingDefinition",
    "TuningRequest",
    "algorithm",
    "definitions",
    "load_request",
]


def __getattr__(name: str) -> object:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
