"""metricscan: read metrics out of training logs.

The folders, each of which imports only from those before it:

- ``errors``: what can go wrong.
- ``patterns``: from a regex to facts about it, and to code for the native matcher.
- ``definitions``: what a person writes, and advice about it.
- ``kernel`` and ``_core``: the compiled scan. It knows bytes, integers and doubles.
- ``logs``: where logs lie, whose they are, and what bytes they hold.
- ``scanning``: definitions compiled once, applied to inputs and live streams.
- ``datasets``: rows over many jobs, in tables and on disk.
- ``ranking``: from rows to the best job, to curves and data frames.
- ``replaying``: many logs at once.
- ``sagemaker``: tuning requests, answers in the service's shapes, audits.
- ``reports``: pictures, and pages about rankings.
- ``fleet``: the same on many machines, by tables that an engine moves.
- ``cli``: the command.

Importing the package is cheap: a name is loaded when it is first used.
"""

from __future__ import annotations

import sys
from types import ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

    from metricscan.datasets.compact import compact
    from metricscan.datasets.dataset import Dataset
    from metricscan.datasets.journal import Journal
    from metricscan.datasets.journal_reader import JournalReader
    from metricscan.datasets.journal_state import FollowedFile
    from metricscan.definitions.definition import MetricDefinition, load_definitions
    from metricscan.definitions.objective import Objective
    from metricscan.errors import (
        DefinitionError,
        DefinitionWarning,
        DoubtWarning,
        Fault,
        MetricscanError,
        OptionError,
        SourceError,
    )
    from metricscan.live.follow import Following, follow
    from metricscan.live.run import JobWarning, run
    from metricscan.live.running import JobRow, RunningJob, attach
    from metricscan.logs.details import survey
    from metricscan.logs.job import Survey, SurveyedFile
    from metricscan.logs.job_record import JobRecord
    from metricscan.ranking.frames import job_frame, metric_frame
    from metricscan.ranking.groups import rank_groups
    from metricscan.ranking.ranking import rank
    from metricscan.ranking.scopes import compare_scopes
    from metricscan.ranking.wide import curve, wide
    from metricscan.replaying.diff import Difference, diff
    from metricscan.replaying.outcome import Replay
    from metricscan.replaying.replay import replay
    from metricscan.reports.plot import plot
    from metricscan.reports.report import report
    from metricscan.scanning.plan import Explanation
    from metricscan.scanning.result import LiveRow, Match, Row, ScanResult, Taken
    from metricscan.scanning.scanner import Scanner
    from metricscan.scanning.stats import MetricStats, Sample, ScanStats
    from metricscan.scanning.stream import Stream

__version__ = "0.1.0"

_HOME = {
    "Dataset": "datasets.dataset",
    "DefinitionError": "errors",
    "DefinitionWarning": "errors",
    "Difference": "replaying.diff",
    "DoubtWarning": "errors",
    "Explanation": "scanning.plan",
    "Fault": "errors",
    "FollowedFile": "datasets.journal_state",
    "Following": "live.follow",
    "JobRecord": "logs.job_record",
    "JobRow": "live.running",
    "JobWarning": "live.run",
    "Journal": "datasets.journal",
    "JournalReader": "datasets.journal_reader",
    "LiveRow": "scanning.result",
    "Match": "scanning.result",
    "MetricDefinition": "definitions.definition",
    "MetricStats": "scanning.stats",
    "MetricscanError": "errors",
    "Objective": "definitions.objective",
    "OptionError": "errors",
    "Replay": "replaying.outcome",
    "Row": "scanning.result",
    "RunningJob": "live.running",
    "Sample": "scanning.stats",
    "ScanResult": "scanning.result",
    "ScanStats": "scanning.stats",
    "Scanner": "scanning.scanner",
    "SourceError": "errors",
    "Stream": "scanning.stream",
    "Survey": "logs.job",
    "SurveyedFile": "logs.job",
    "Taken": "scanning.result",
    "attach": "live.running",
    "compact": "datasets.compact",
    "compare_scopes": "ranking.scopes",
    "curve": "ranking.wide",
    "diff": "replaying.diff",
    "follow": "live.follow",
    "job_frame": "ranking.frames",
    "load_definitions": "definitions.definition",
    "metric_frame": "ranking.frames",
    "plot": "reports.plot",
    "rank": "ranking.ranking",
    "rank_groups": "ranking.groups",
    "replay": "replaying.replay",
    "report": "reports.report",
    "run": "live.run",
    "survey": "logs.details",
    "wide": "ranking.wide",
}

# Modules of the time before there were folders, and the modules that have their names now. Code that imports them, and
# pickles that name them, go on working.
_FORMER = {
    "_jobs": ("logs.job",),
    "_lint": ("definitions.lint",),
    "_plan": ("scanning.plan",),
    "_replay": ("replaying.outcome",),
    "batch": ("scanning.arrow", "scanning.schema"),
    "dataset": ("datasets.dataset", "datasets.formats", "datasets.manifest"),
    "definition": ("definitions.definition",),
    "objective": ("definitions.objective", "logs.natural", "errors"),
    "scanner": (
        "scanning.scanner",
        "scanning.result",
        "scanning.stream",
        "scanning.batches",
        "scanning.options",
        "scanning.labels",
        "scanning.stats",
    ),
    "sink": ("datasets.sink", "datasets.formats", "datasets.manifest", "datasets.schema"),
    "source": ("logs.source", "logs.compression"),
    "stats": ("scanning.stats",),
}

__all__ = [
    "Dataset",
    "DefinitionError",
    "DefinitionWarning",
    "Difference",
    "DoubtWarning",
    "Explanation",
    "Fault",
    "FollowedFile",
    "Following",
    "JobRecord",
    "JobRow",
    "JobWarning",
    "Journal",
    "JournalReader",
    "LiveRow",
    "Match",
    "MetricDefinition",
    "MetricStats",
    "MetricscanError",
    "Objective",
    "OptionError",
    "Replay",
    "Row",
    "RunningJob",
    "Sample",
    "ScanResult",
    "ScanStats",
    "Scanner",
    "SourceError",
    "Stream",
    "Survey",
    "SurveyedFile",
    "Taken",
    "attach",
    "compact",
    "compare_scopes",
    "curve",
    "diff",
    "follow",
    "job_frame",
    "load_definitions",
    "metric_frame",
    "plot",
    "rank",
    "rank_groups",
    "replay",
    "report",
    "run",
    "survey",
    "wide",
]


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name in _FORMER:
        return import_module(f"{__name__}.{name}")
    if name == "_core":
        return _refused_if_old(import_module(f"{__name__}._core"))
    home = _HOME.get(name)
    if home is None:
        # with the module, so that Python can say which name may have been meant
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name, obj=import_module(__name__))
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def _refused_if_old(core: ModuleType) -> ModuleType:
    """Refuse a core that was built before it knew its sources; a later one refuses itself beside other sources."""
    if not hasattr(core, "BUILT_FROM"):
        del sys.modules[core.__name__], globals()["_core"]
        raise ImportError(
            f"{core.__file__} was built for an older version; build it again with `make build` or `pip install -e .`",
            name=core.__name__,
            path=core.__file__,
        )
    return core


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})


class _FormerModule(ModuleType):
    """A module under its former name: each name is looked up where it is now."""

    def __getattr__(self, name: str) -> object:
        from importlib import import_module

        for home in _FORMER[self.__name__.rpartition(".")[2]]:
            module = import_module(f"{__name__}.{home}")
            if hasattr(module, name):
                return getattr(module, name)
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}", name=name, obj=self)


class _FormerModules:
    """Finds modules under their former names; asked only where no finder before it knows the name."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        package, _, module = name.partition(".")
        if package != __name__ or module not in _FORMER:
            return None
        from importlib.machinery import ModuleSpec

        return ModuleSpec(name, _FormerModules)  # type: ignore[arg-type]  # its static methods are a loader's

    @staticmethod
    def create_module(spec: ModuleSpec) -> ModuleType:
        return _FormerModule(spec.name, f"A former name of {', '.join(_FORMER[spec.name.rpartition('.')[2]])}.")

    @staticmethod
    def exec_module(module: ModuleType) -> None:
        """Do nothing: the names are looked up when they are asked for."""


class _UnbuiltModules:
    """Says what to do about a compiled module whose source is here and which no finder before it has found."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> None:
        package, _, module = name.partition(".")
        if package != __name__ or not module:
            return
        import os

        folder = __path__[0]
        if os.path.isfile(os.path.join(folder, *module.split(".")) + ".pyx"):
            # no ModuleNotFoundError: `from package import module` would replace it by its own error
            raise ImportError(
                f"No module named {name!r}: {folder} holds sources that are not built; run Python from another folder, "
                "to use the installed metricscan, or build the sources with `make build`",
                name=name,
            )


sys.meta_path += [_FormerModules, _UnbuiltModules]
