"""The ranking of all jobs, from partial rankings: what decided each, and what can only be told of all jobs together."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metricscan.datasets.evidence import Evidence, LogEvidence
from metricscan.errors import OptionError
from metricscan.fleet import facts
from metricscan.fleet.outcomes import joined_outcomes
from metricscan.fleet.partials import PARTIAL, asked_of, check_scan, merge_partials
from metricscan.logs.crashes import Crash
from metricscan.logs.job import Job, Log
from metricscan.logs.natural import natural_ranks
from metricscan.ranking import ranking
from metricscan.ranking.conditions import Conditions
from metricscan.replaying.run import units_of
from metricscan.scanning.stats import ScanStats

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from metricscan.definitions.objective import Objective
    from metricscan.errors import SourceError
    from metricscan.fleet.outcomes import AllDecided
    from metricscan.ranking.ranking import Known


def rank_partials(
    partials: pa.Table | Iterable[pa.Table],
    *,
    jobs: Iterable[Known] | None = None,
    completed_only: bool = False,
    min_step: float | None = None,
    exclude_doubts: str | Sequence[str] = (),
) -> pa.Table:
    """Rank the jobs of partial rankings.

    Parameters
    ----------
    partials : pyarrow.Table, or iterable of pyarrow.Table
        As :func:`decide` and :func:`merge_partials` give them; of several, in any order.
    jobs : iterable of Job, optional
        Jobs to rank even if they have no log, with their status and hyperparameters.
    completed_only, min_step, exclude_doubts
        As :func:`metricscan.rank` takes them.

    Returns
    -------
    pyarrow.Table
        What :func:`metricscan.replay` of all logs on one machine has in ``ranking``, doubts included.

    Raises
    ------
    OptionError
        Logs of a job are missing, workers had other versions or other definitions, the partial rankings were made for different
        objectives, or a condition is invalid.
    SourceError
        A log was read twice, and had changed in between.

    Examples
    --------
    >>> from metricscan import Objective, Scanner
    >>> from metricscan.fleet import decide, scan_batch
    >>> logs = pa.table({"path": ["a", "b"], "bytes": [b"acc=0.5\\nacc=0.7", b"acc=0.6"]})
    >>> partial = decide(scan_batch(logs, Scanner(["acc=acc=([0-9.]+)"])), Objective("acc", "Maximize"))
    >>> rank_partials(partial).select(["rank", "job", "value"]).to_pylist()
    [{'rank': 1, 'job': 'a', 'value': 0.7}, {'rank': 2, 'job': 'b', 'value': 0.6}]
    """
    tables = [partials] if isinstance(partials, (pa.Table, pa.RecordBatch)) else list(partials)
    gathered = Gathered(merge_partials(*tables))
    if gathered.asked is None:
        raise OptionError("there is no partial ranking, so nothing says what the objective is")
    objective, _ = gathered.asked
    if objective is None:
        raise OptionError("the partial rankings were made without an objective")
    conditions = Conditions.checked(objective, completed_only, min_step, exclude_doubts)
    given = {one.name: one for one in jobs or ()}
    own = gathered.jobs()
    names = pa.array(sorted({*given, *(one.name for one in own)}), pa.string())
    names = names.take(pa.array(np.argsort(natural_ranks(names), kind="stable")))
    decided = gathered.decided(names)
    logs = {one.name: one.logs for one in own}
    return ranking.order(
        decided.outcomes,
        objective,
        names,
        gathered.streams,
        {**{one.name: one for one in own}, **given},
        decided.step_facts,
        conditions,
        evidence=gathered.evidence(),
        logs=lambda: logs,
        at_best=decided.at_best,
    )


class Head(NamedTuple):
    """What is known of one log that was scanned; see :func:`metricscan.fleet.found.log_note`."""

    job: str
    stream: str
    part: int
    since: int | None
    path: str
    within: str | None
    superseded: bool
    job_logs: int
    bytes: int
    records: int
    span: tuple[int, int] | None
    is_export: bool
    is_unended: bool

    @property
    def key(self) -> tuple[str, str, int]:
        """Job, stream and part."""
        return self[:3]


class Gathered:
    """A merged partial ranking, in the terms of a replay.

    Parameters
    ----------
    partial : pyarrow.Table
        As :func:`merge_partials` gives it.

    Attributes
    ----------
    asked : (Objective or None, tuple of str) or None
        The objective, and the metrics that were looked up; None if there is not one log.
    heads : list of Head
        What is known of each log, in the order of a replay.
    stats : ScanStats
        Over all logs.
    undecoded : list of (str, ScanStats)
        The logs that hold invalid units, by path.
    errors : list of SourceError

    Raises
    ------
    OptionError
        The workers had different versions or definitions, or logs are missing.
    """

    def __init__(self, partial: pa.Table) -> None:
        self._partial = partial
        self.asked: tuple[Objective | None, tuple[str, ...]] | None = asked_of([partial])
        self.heads = [_head(row, document) for row, document in self._noted("log")]
        self._check_logs()
        self.stats = ScanStats()
        self.undecoded: list[tuple[str, ScanStats]] = []
        scan: dict[str, Any] | None = None
        for _, document in self._noted("counts"):
            scan = document if scan is None else scan
            _check_same(scan, document)
            stats = facts.to_stats(document["stats"])
            self.stats.merge(stats)
            if stats.undecoded:
                self.undecoded.append((document["path"], stats))
        if scan is not None and self.asked is not None:
            check_scan(scan, *self.asked)
        #: What the counts say of the scan: ``version``, ``scanner`` and ``metrics``; None without a log.
        self.scan = scan
        self.errors: list[SourceError] = [facts.to_error(json.loads(note)) for note in self._texts("error")]

    def jobs(self) -> list[Job]:
        """The jobs that have logs, in the order of these; nothing is known of their status."""
        found: dict[str, Job] = {}
        for head in self.heads:
            log = Log(head.path, head.stream, head.within, head.part, head.superseded)
            found.setdefault(head.job, Job(head.job)).logs.append(log)
        return list(found.values())

    @property
    def streams(self) -> pa.Array:
        """The names of the streams, by number."""
        return pa.array(sorted({head.stream for head in self.heads}), pa.string())

    def decided(self, names: pa.Array) -> AllDecided:
        """What decided the jobs, by their numbers in ``names``."""
        objective, at_best = self.asked or (None, ())
        outcomes = self._partial.filter(pc.equal(self._partial["kind"], "outcome"))
        numbers = pc.index_in(outcomes["job"], names).to_numpy().astype(np.int64)
        order = np.argsort(numbers)
        column = pa.concat_arrays([pa.array([], PARTIAL.field("decided").type), *outcomes["decided"].chunks])
        column = column.take(pa.array(order))
        stepped = objective is not None and objective.step is not None
        return joined_outcomes(column, numbers[order], self.streams, at_best, stepped=stepped)

    def evidence(self) -> Evidence:
        """What the scans noted besides rows."""
        found = Evidence()
        paths = {head.key: head.path for head in self.heads}
        crashes = {_key(row): Crash(**document) for row, document in self._noted("crash")}
        suspects: dict[tuple[str, str, int], dict[str, facts.FoundSuspects]] = {}
        for row, document in self._noted("suspects"):
            suspects.setdefault(_key(row), {})[row["metric"]] = facts.FoundSuspects(document)
        some = crashes.keys() | suspects.keys()
        for key, path in paths.items():
            if key in some:
                found.add(*key, LogEvidence(path, crashes.get(key), suspects.get(key, {})))
        found.units = units_of(self.stats)
        return found

    def files(self) -> Iterator[tuple[int, str, str]]:
        """The files that tasks have written: the number of the first log in it, the metric, and the path of each."""
        for row, document in self._noted("files"):
            yield from ((row["number"], name, path) for name, path in document.items())

    def _check_logs(self) -> None:
        counts: dict[str, int] = {}
        for head in self.heads:
            if head.since is None:
                counts[head.job] = counts.get(head.job, 0) + 1
        for head in self.heads:
            there, wanted = counts.get(head.job, 0), head.job_logs
            if there != wanted:
                raise OptionError(
                    f"job {head.job!r} has {wanted:,} log{'' if wanted == 1 else 's'}, of which {there:,} "
                    f"{'was' if there == 1 else 'were'} scanned to the end: partial rankings are missing"
                )

    def _texts(self, kind: str) -> list[str]:
        return self._partial.filter(pc.equal(self._partial["kind"], kind))["note"].to_pylist()  # type: ignore[no-any-return]

    def _noted(self, kind: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        rows = self._partial.filter(pc.equal(self._partial["kind"], kind))
        columns = ["number", "job", "stream", "part", "metric", "since", "note"]
        for batch in rows.select(columns).to_batches(max_chunksize=10_000):
            for row in batch.to_pylist():
                yield row, json.loads(row.pop("note"))


def _head(row: Mapping[str, Any], note: Mapping[str, Any]) -> Head:
    known = {**row, **note, "span": None if note["span"] is None else tuple(note["span"])}
    # of few names, not one per log
    known["stream"] = sys.intern(known["stream"])
    return Head._make(known[name] for name in Head._fields)


def _key(row: Mapping[str, Any]) -> tuple[str, str, int]:
    return row["job"], row["stream"], row["part"]


def _check_same(scan: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    for what, name in (("version", "version of metricscan"), ("scanner", "definitions or options")):
        if scan[what] != other[what]:
            raise OptionError(
                f"workers scanned with different {name}: {scan[what]} for {scan['path']}, {other[what]} for {other['path']}"
            )
