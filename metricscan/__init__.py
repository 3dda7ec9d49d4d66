"""metricscan: read metrics out of training logs.

The map of the package, from the bottom up:

- ``errors``, ``definition``: the faults there are, and what a metric definition is.
- ``source``: a path, bytes, a file object or chunks, as pieces of bytes; ``_framing``: exported log events in them.
- ``_pattern``, ``_program``, ``_fingerprints``, ``_plan``: what a regex demands, and the cheapest exact way to decide it.
- ``_tame``, ``_lint``: what may run away in a regex, and what is probably not meant in it.
- ``_core``: the hot loop; ``_confirm``: the records it leaves to ``re``; ``_labels``: text instead of numbers.
- ``batch``, ``stats``: what comes out.
- ``scanner``: definitions compiled once, applied to inputs and live streams.
- ``objective``, ``ranking``, ``_replay``, ``sink``, ``dataset``: many logs, the best job, datasets.
- ``_wide``, ``_frames``, ``_plot``: the rows by step, in the shapes that others know, and as pictures.
- ``sagemaker``: tuning requests, answers in the service's shapes, audits.
- ``cli``: the command.

Importing the package is cheap: a name is loaded when it is first used.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from metricscan._frames import job_frame, metric_frame
    from metricscan._plan import Explanation
    from metricscan._plot import plot
    from metricscan._replay import Replay, replay
    from metricscan._scopes import compare_scopes
    from metricscan._wide import curve, wide
    from metricscan.dataset import Dataset
    from metricscan.definition import MetricDefinition, load_definitions
    from metricscan.errors import (
        DefinitionError,
        DefinitionWarning,
        Fault,
        MetricscanError,
        OptionError,
        SourceError,
    )
    from metricscan.objective import Objective
    from metricscan.ranking import rank
    from metricscan.scanner import Match, Row, Scanner, ScanResult, Stream
    from metricscan.stats import MetricStats, Sample, ScanStats

__version__ = "0.1.0"

_HOME = {
    "Dataset": "dataset",
    "DefinitionError": "errors",
    "DefinitionWarning": "errors",
    "Explanation": "_plan",
    "Fault": "errors",
    "Match": "scanner",
    "MetricDefinition": "definition",
    "MetricStats": "stats",
    "MetricscanError": "errors",
    "Objective": "objective",
    "OptionError": "errors",
    "Replay": "_replay",
    "Row": "scanner",
    "Sample": "stats",
    "ScanResult": "scanner",
    "ScanStats": "stats",
    "Scanner": "scanner",
    "SourceError": "errors",
    "Stream": "scanner",
    "compare_scopes": "_scopes",
    "curve": "_wide",
    "job_frame": "_frames",
    "load_definitions": "definition",
    "metric_frame": "_frames",
    "plot": "_plot",
    "rank": "ranking",
    "replay": "_replay",
    "wide": "_wide",
}

__all__ = [
    "Dataset",
    "DefinitionError",
    "DefinitionWarning",
    "Explanation",
    "Fault",
    "Match",
    "MetricDefinition",
    "MetricStats",
    "MetricscanError",
    "Objective",
    "OptionError",
    "Replay",
    "Row",
    "Sample",
    "ScanResult",
    "ScanStats",
    "Scanner",
    "SourceError",
    "Stream",
    "compare_scopes",
    "curve",
    "job_frame",
    "load_definitions",
    "metric_frame",
    "plot",
    "rank",
    "replay",
    "wide",
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
