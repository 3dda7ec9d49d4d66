"""The outcome of a replay: the tables of many logs, the ranking, the best job, and what could not be read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from metricscan.datasets.manifest import Entries
from metricscan.definitions.blocks import BLOCK
from metricscan.errors import OptionError
from metricscan.logs.attempts import superseded_parts
from metricscan.logs.job import Notice
from metricscan.ranking import ranking
from metricscan.ranking.doubts import Doubt, from_struct
from metricscan.ranking.frames import job_frame, metric_frame
from metricscan.ranking.wide import curve, wide

if TYPE_CHECKING:
    from collections.abc import Callable

    from metricscan.datasets.evidence import Evidence
    from metricscan.definitions.blocks import StepPlace
    from metricscan.definitions.objective import Duplicates, Objective, PerStep, Restarts
    from metricscan.errors import SourceError
    from metricscan.logs.job import Survey
    from metricscan.ranking.at_best import AtBest
    from metricscan.scanning.stats import ScanStats


class Best(NamedTuple):
    """The best job: its value, and the place of the row that decided.

    Attributes
    ----------
    job : str
    value : float
    path : str
        The log of the deciding row.
    stream : str
    line, offset : int
        The row's line, from 1, and the byte of the decompressed log at which its record starts.
    hyperparameters : mapping of str to str
    part : int
        The number of the piece, if the stream was rotated into several files or its job was tried several times; ``path`` is
        that of the piece.
    doubts : tuple of Doubt
        Reasons to doubt the value: ``kind``, ``message`` and place of each.
    at_best : mapping of str to (AtBest or None)
        The values of the other metrics that were asked for, where this value was decided: ``value``, ``same_step`` and place of
        each; None for one without a value.
    """

    job: str
    value: float
    path: str
    stream: str
    line: int
    offset: int
    hyperparameters: Mapping[str, str]
    part: int = 0
    doubts: tuple[Doubt, ...] = ()
    at_best: Mapping[str, AtBest | None] = {}


class Replay(Mapping[str, pa.Table]):
    """The outcome of a replay: a mapping from every defined metric to the table of its rows over all jobs.

    A table has the columns job, stream (dictionaries of int32 to string), part (int32, the piece of a rotated stream, the
    oldest 0), value (float64; string for the scanner's labels), line, offset, start (int64) and time (microseconds, UTC).
    Rows are ordered by job, stream, part and place.

    Attributes
    ----------
    ranking : pyarrow.Table or None
        The result of :func:`metricscan.rank` for the objective; None without an objective.
    best : Best or None
        None without an objective, or if no job has a rank.
    jobs : tuple of Job
        In natural name order, with their logs, status and hyperparameters.
    errors : tuple of SourceError
        What could not be found or read. The rows before an error are kept.
    notices : tuple of Notice
        What was decided about the logs and may not be what was meant.
    stats : ScanStats
        Counts over all logs.
    survey : Survey
        What was found under the paths, and what was skipped.
    spans : tuple of ((int, int) or None)
        Per job the first and the last time of its events, in microseconds since the epoch; None if no time is known.
    superseded : dict of (str, str) to int
        By job and stream, how many of its first parts are of attempts that later ones superseded. Their rows are in the tables,
        and :func:`metricscan.rank`, ``wide`` and ``curve`` leave them out. Only such streams are keys.
    evidence : Evidence or None
        What the scan noted of logs besides their rows; :func:`metricscan.rank` finds doubts by it.
    """

    def __init__(
        self,
        tables: Mapping[str, pa.Table] | None,
        order: pa.Table | None,
        best: Best | None,
        errors: Sequence[SourceError],
        stats: ScanStats,
        found: Survey,
        spans: Sequence[tuple[int, int] | None] | None = None,
        notices: Sequence[Notice] = (),
        evidence: Evidence | None = None,
    ) -> None:
        #: Reads the logs again for the separators of blocks; set by the replay.
        self._find_blocks: Callable[[], pa.Table] | None = None
        #: What the manifest of a dataset would note; set by the replay.
        self._noted: Callable[[], dict[str, Any]] | None = None
        self._blocks: pa.Table | None = None
        self.evidence = evidence
        self.spans = (None,) * len(found.jobs) if spans is None else tuple(spans)
        self._tables = tables
        self.ranking = order
        self.best = best
        self.jobs = tuple(found.jobs)
        self.errors = tuple(errors)
        self.notices = tuple(notices)
        self.stats = stats
        self.survey = found

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """What the manifest of a dataset notes: definitions, options, objective, counts. Empty if it is not known."""
        noted = {} if self._noted is None else self._noted()
        return {key: list(value) if isinstance(value, Entries) else value for key, value in noted.items()}

    @cached_property
    def superseded(self) -> dict[tuple[str, str], int]:
        """By job and stream, how many of its first parts later attempts superseded."""
        return superseded_parts(self.jobs)

    @property
    def doubts(self) -> dict[str, tuple[Doubt, ...]]:
        """The reasons to doubt the values of jobs, by job; jobs without doubts are no keys. Empty without an objective."""
        if self.ranking is None:
            return {}
        found = self.ranking.select(["job", "doubts"]).filter(
            pc.greater(pc.list_value_length(self.ranking["doubts"]), 0)
        )
        return {row["job"]: tuple(map(from_struct, row["doubts"])) for row in found.to_pylist()}

    def rank(
        self,
        objective: Objective,
        *,
        completed_only: bool = False,
        min_step: float | None = None,
        exclude_doubts: str | Sequence[str] = (),
        at_best: str | Sequence[str] = (),
    ) -> pa.Table:
        """Rank the jobs by any objective and scope, from the rows that were kept; see :func:`metricscan.rank`.

        Raises
        ------
        LookupError
            The rows were not kept. If a dataset was written, ``metricscan.rank(path, objective)`` ranks it.
        """
        conditions: Any = {"completed_only": completed_only, "min_step": min_step, "exclude_doubts": exclude_doubts}
        return ranking.rank(self, objective, at_best=at_best, **conditions)

    def wide(
        self,
        step: str | None,
        metrics: Sequence[str] | None = None,
        *,
        worker: str | Sequence[str] = (),
        carry: bool | str | Sequence[str] = False,
        step_place: StepPlace = "before",
        per_step: PerStep = "last",
        restarts: Restarts = "keep",
        duplicates: Duplicates = None,
    ) -> pa.Table:
        """Put the values of metrics side by side, one row per step; see :func:`metricscan.wide`."""
        how: Any = {"step_place": step_place, "per_step": per_step, "restarts": restarts, "duplicates": duplicates}
        return wide(self, step, metrics, worker=worker, carry=carry, **how)

    def curve(
        self,
        metric: str,
        step: str | None = None,
        *,
        worker: str | Sequence[str] = (),
        carry: bool | str | Sequence[str] = False,
        step_place: StepPlace = "before",
        per_step: PerStep = "last",
        restarts: Restarts = "keep",
        duplicates: Duplicates = None,
    ) -> pa.Table:
        """Give the values of one metric by step, job by job; see :func:`metricscan.curve`."""
        how: Any = {"step_place": step_place, "per_step": per_step, "restarts": restarts, "duplicates": duplicates}
        return curve(self, metric, step, worker=worker, carry=carry, **how)

    def blocks(self) -> pa.Table:
        """Give the separators of blocks, as rows of a label; what separates them is what the replay was told, or the usual lines.

        A replay that was not told to find them reads the logs again, once.

        Raises
        ------
        SourceError
            The logs have changed since.
        OptionError
            A log was standard input.
        LookupError
            The rows were not kept.
        """
        if BLOCK in self.stats.metrics or self._tables is None or self._find_blocks is None:
            return self[BLOCK]
        if self._blocks is None:
            self._blocks = self._find_blocks()
        return self._blocks

    def metric_frame(self, job: str | None = None) -> pa.Table:
        """Give all metrics of a job with the columns of the SDK's training job frame; see :func:`metricscan.metric_frame`."""
        return metric_frame(self, job)

    def job_frame(self, objective: Objective | None = None) -> pa.Table:
        """Give the jobs with the columns of the SDK's tuning job frame; see :func:`metricscan.job_frame`.

        Raises
        ------
        OptionError
            The replay had no objective, and none is given.
        """
        if objective is not None:
            return job_frame(self.rank(objective), self)
        if self.ranking is None:
            raise OptionError("the replay had no objective; one was expected")
        return job_frame(self.ranking, self._tables)

    def __getitem__(self, name: str) -> pa.Table:
        if self._tables is None:
            if name not in self.stats.metrics and name != BLOCK:
                raise KeyError(name)
            raise LookupError("the rows were not kept: the replay was run with keep=False")
        return self._tables[name]

    def __contains__(self, name: object) -> bool:
        return name in self.stats.metrics

    def __iter__(self) -> Iterator[str]:
        return iter(self.stats.metrics)

    def __len__(self) -> int:
        return len(self.stats.metrics)

    def __repr__(self) -> str:
        best = "" if self.best is None else f", best {self.best.job}"
        return f"<Replay of {self.survey}, {len(self.jobs)} jobs{best}, {len(self.errors)} errors>"


def undecoded_notices(counted: Iterable[tuple[str | None, ScanStats]]) -> list[Notice]:
    """At most one notice: which logs hold invalid units of UTF-16 or UTF-32, by path and counts; None for all logs."""
    some = [(path, stats.undecoded_at) for path, stats in counted if stats.undecoded]
    if not some:
        return []
    path, at = some[0]
    where = f"the first at byte {at}" + ("" if path is None else f" of {path}")
    logs = f"{len(some)} log{'' if len(some) == 1 else 's'} in UTF-16 or UTF-32"
    return [Notice(f"{logs if path is not None else 'logs in UTF-16 or UTF-32'}: units are invalid, {where}", path)]
