"""SageMaker's automatic model tuning without SageMaker: check its requests, and answer them from logs.

- ``request``: a tuning request, or the answer of Describe; ``documents`` reads its JSON, ``checking`` checks it, and
  ``model`` holds the limits that the service sets.
- ``algorithms``: the metrics of the built-in algorithms.
- ``answers``: what the service would answer about a tuning job, made from a replay of its logs; ``scanners``, ``latest``
  and ``names`` are its parts: the scanner of a request, the final value of a metric, valid names of jobs.
- ``auditing``: whether logs contain the values that the service reported; ``reported`` reads these values.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from metricscan.sagemaker.algorithms import Algorithm, AlgorithmMetric, algorithm, definitions
    from metricscan.sagemaker.answers import TrainingJob, TuningJob, as_json, replay
    from metricscan.sagemaker.auditing import Audit, Finding, audit
    from metricscan.sagemaker.checking import TrainingDefinition
    from metricscan.sagemaker.errors import RequestError, RequestFault, RequestWarning
    from metricscan.sagemaker.request import TuningRequest, load_request

_HOME = {
    "Algorithm": "algorithms",
    "AlgorithmMetric": "algorithms",
    "Audit": "auditing",
    "Finding": "auditing",
    "RequestError": "errors",
    "RequestFault": "errors",
    "RequestWarning": "errors",
    "TrainingDefinition": "checking",
    "TrainingJob": "answers",
    "TuningJob": "answers",
    "TuningRequest": "request",
    "algorithm": "algorithms",
    "as_json": "answers",
    "audit": "auditing",
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
        # the error holds the module, so that Python can suggest a similar name
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name, obj=import_module(__name__))
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
