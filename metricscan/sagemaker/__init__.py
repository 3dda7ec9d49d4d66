"""SageMaker's automatic model tuning, offline: its requests in, its answers out.

- ``request``: a tuning request or what Describe answered, checked whole; ``_model``: the service's limits.
- ``algorithms``: the metrics of built-in algorithms.
- ``answers``: what the service would answer about a tuning job, from a replay of its logs; ``names``: legal names.
- ``_audit``: whether the logs say what the service reported.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from metricscan.sagemaker._audit import Audit, Finding, audit
    from metricscan.sagemaker.algorithms import Algorithm, AlgorithmMetric, algorithm, definitions
    from metricscan.sagemaker.answers import TrainingJob, TuningJob, as_json, replay
    from metricscan.sagemaker.errors import RequestError, RequestFault, RequestWarning
    from metricscan.sagemaker.request import TrainingDefinition, TuningRequest, load_request

_HOME = {
    "Algorithm": "algorithms",
    "AlgorithmMetric": "algorithms",
    "Audit": "_audit",
    "Finding": "_audit",
    "RequestError": "errors",
    "RequestFault": "errors",
    "RequestWarning": "errors",
    "TrainingDefinition": "request",
    "TrainingJob": "answers",
    "TuningJob": "answers",
    "TuningRequest": "request",
    "algorithm": "algorithms",
    "as_json": "answers",
    "audit": "_audit",
    "definitions": "algorithms",
    "load_request": "request",
    "replay": "answers",
}

__all__ = [
    "Algorithm",
    "AlgorithmMetric",
    "Audit",
    "Finding",
    "RequestError",
    "RequestFault",
    "RequestWarning",
    "TrainingDefinition",
    "TrainingJob",
    "TuningJob",
    "TuningRequest",
    "algorithm",
    "as_json",
    "audit",
    "definitions",
    "load_request",
    "replay",
]


def __getattr__(name: str) -> object:
    from importlib import import_module

    home = _HOME.get(name)
    if home is None:
        # with the module, so that Python can say which name may have been meant
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name, obj=import_module(__name__))
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
