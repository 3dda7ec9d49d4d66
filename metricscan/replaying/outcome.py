"""The outcome of a replay: the tables of many logs, the ranking, the best job, and what could not be read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa

from metricscan.errors import OptionError
from metricscan.logs.job import Notice
from metricscan.ranking import ranking
from metricscan.ranking.frames import job_frame, metric_frame
from metricscan.ranking.wide import Duplicates, curve, wide

if TYPE_CHECKING:
    from metricscan.definitions.objective import Objective
    from metricscan.errors import SourceError
    from metricscan.logs.job import Survey
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
        The number of the piece, if the stream was rotated into several files; ``path`` is that of the piece.
    """

    job: str
    value: float
    path: str
    stream: str
    line: int
    offset: int
    hyperparameters: Mapping[str, str]
    part: int = 0


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
    ) -> None:
        self.spans = (None,) * len(found.jobs) if spans is None else tuple(spans)
        self._tables = tables
        self.ranking = order
        self.best = best
        self.jobs = tuple(found.jobs)
        self.errors = tuple(errors)
        self.notices = tuple(notices)
        self.stats = stats
        self.survey = found

    def rank(self, objective: Objective, *, completed_only: bool = False) -> pa.Table:
        """Rank the jobs by any objective and scope, from the rows that were kept; see :func:`metricscan.rank`.

        Raises
        ------
        LookupError
            The rows were not kept. If a dataset was written, ``metricscan.rank(path, objective)`` ranks it.
        """
        return ranking.rank(self, objective, completed_only=completed_only)

    def wide(
        self,
        step: str | None,
        metrics: Sequence[str] | None = None,
        *,
        worker: str | Sequence[str] = (),
        duplicates: Duplicates = "last",
    ) -> pa.Table:
        """Put the values of metrics side by side, one row per step; see :func:`metricscan.wide`."""
        return wide(self, step, metrics, worker=worker, duplicates=duplicates)

    def curve(
        self, metric: str, step: str | None = None, *, worker: str | Sequence[str] = (), duplicates: Duplicates = "last"
    ) -> pa.Table:
        """Give the values of one metric by step, job by job; see :func:`metricscan.curve`."""
        return curve(self, metric, step, worker=worker, duplicates=duplicates)

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
            if name not in self.stats.metrics:
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
