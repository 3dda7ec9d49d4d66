"""Partial rankings of all jobs, in the terms of a replay, and in memory that is small beside theirs.

They are kept as they came, packed and past some megabytes on disk, until all are there. Then one after the other is taken apart
into columns of numbers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metricscan.datasets.evidence import Evidence, LogEvidence, Restart
from metricscan.datasets.rows import codes_of
from metricscan.errors import OptionError
from metricscan.fleet import facts
from metricscan.fleet.columns import Column, PutAway, Spill, Texts, renumbered, taken
from metricscan.fleet.counted import Counted
from metricscan.fleet.decided import GrowingDecided
from metricscan.fleet.partials import PARTIAL, asked_of, check_scan, merge_partials
from metricscan.fleet.tables import conformed, packed, unpacked
from metricscan.logs.crashes import Crash
from metricscan.logs.job import Log
from metricscan.replaying.run import units_of
from metricscan.scanning.stats import ScanStats

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from metricscan.datasets.rows import Array
    from metricscan.definitions.objective import Objective
    from metricscan.errors import SourceError
    from metricscan.fleet.counted import Place
    from metricscan.fleet.outcomes import AllDecided

_NOTED = ("number", "job", "stream", "part", "metric", "since", "note")


class Heads(NamedTuple):
    """What is known of the logs that were scanned, one entry per log.

    Attributes
    ----------
    number : int64 array
        The place in the order of a replay; -1 if it is not known.
    job, stream : int array
        The numbers of the job and the stream, among :attr:`Gathered.names` and :attr:`Gathered.streams`.
    part : int32 array
    job_logs : int32 array
        How many logs the job has.
    bytes, records : int64 array
        The decompressed bytes, and the records.
    superseded, is_export, is_unended, is_range : bool array
        As :func:`metricscan.fleet.found.log_note` gives them; whether it is a range of a log whose other ranges are missing.
    item : int64 array
        The number under which its path was put away.
    """

    number: Array
    job: Array
    stream: Array
    part: Array
    job_logs: Array
    bytes: Array
    records: Array
    superseded: Array
    is_export: Array
    is_unended: Array
    is_range: Array
    item: Array


class Gathered:
    """Partial rankings, in the terms of a replay.

    Parameters
    ----------
    partials : iterable of pyarrow.Table, or of bytes
        As :func:`decide` and :func:`merge_partials` give them, or packed. Those in a list are in memory anyway, and are used as
        they are; others are packed and put away.

    Attributes
    ----------
    asked : (Objective or None, tuple of str) or None
        The objective, and the metrics that were looked up; None if there is not one log.
    names, streams : pyarrow.Array of string
        The names of the jobs, in no order, and those of the streams, sorted.
    heads : Heads
        What is known of each log, in the order of a replay.
    spans : dict of int to (int, int) or None
        The first and the last time of the events of each export, by its place among the logs.
    stats : ScanStats
        Over all logs.
    undecoded : list of (str, ScanStats)
        The logs that hold invalid units, by path.
    scan : dict or None
        What the counts say of the scan: ``version``, ``scanner`` and ``metrics``; None without a log.
    errors : list of SourceError
    evidence : Evidence
        What the scans noted besides rows.
    files : list of (int, str, str)
        The files that tasks have written: the number of the first log in it, the metric, and the path of each.

    Raises
    ------
    OptionError
        The workers had different versions or definitions, they were asked for different objectives, or logs are missing.
    SourceError
        A log was read twice, and had changed in between.
    """

    def __init__(self, partials: Iterable[pa.Table | bytes]) -> None:
        held = _Held(partials)
        self.asked: tuple[Objective | None, tuple[str, ...]] | None = held.asked()
        held.merge_those_that_share_jobs()
        taken = _Taken(self.asked)
        for table in held.tables():
            taken.add(table)
        self.names, self.streams, self._stream_numbers = taken.names.array(), *taken.sorted_streams()
        self.heads, self.spans = taken.heads(self.names, self._stream_numbers)
        self._check_logs()
        self.scan: dict[str, Any] | None = taken.scan
        if self.scan is not None and self.asked is not None:
            check_scan(self.scan, *self.asked)
        self.stats = taken.counted.stats()
        self.undecoded: list[tuple[str, ScanStats]] = taken.in_order(taken.undecoded)
        self.errors: list[SourceError] = taken.in_order(taken.errors)
        self.files: list[tuple[int, str, str]] = taken.in_order(taken.files)
        self.evidence = self._evidence(taken)
        self._decided = taken.decided
        self._paths = taken.paths

    def decided(self, numbers: Array) -> AllDecided:
        """What decided the jobs, given the final number of each of :attr:`names`. To be called once."""
        return self._decided.joined(numbers, self._stream_numbers)

    def logs(self) -> Mapping[str, Sequence[Log]]:
        """The logs of each job, in the order of a replay."""
        return _LogsOfJobs(self.names, self.streams, self.heads, self._paths)

    def _evidence(self, taken: _Taken) -> Evidence:
        found = Evidence()
        order = sorted(taken.crashes.keys() | taken.suspects.keys() | taken.restarts.keys())
        for place in order:
            path, key = taken.noted[place]
            crash, restarts = taken.crashes.get(place), tuple(taken.restarts.get(place, ()))
            found.add(*key, LogEvidence(path, crash, taken.suspects.get(place, {}), restarts))
        found.units = units_of(self.stats)
        return found

    def _check_logs(self) -> None:
        heads = self.heads
        there = np.bincount(heads.job[~heads.is_range], minlength=len(self.names))[heads.job]
        lacking = np.flatnonzero(there != heads.job_logs)
        if lacking.size:
            at = int(lacking[0])
            wanted, found = int(heads.job_logs[at]), int(there[at])
            raise OptionError(
                f"job {self.names[int(heads.job[at])].as_py()!r} has {wanted:,} log{'' if wanted == 1 else 's'}, of which "
                f"{found:,} {'was' if found == 1 else 'were'} scanned to the end: partial rankings are missing"
            )


# ---- holding partial rankings


class _Held:
    """Partial rankings until all are there."""

    def __init__(self, partials: Iterable[pa.Table | bytes]) -> None:
        is_held = isinstance(partials, (list, tuple))
        self._spill = Spill()
        # what is in memory anyway, or a place and a size
        self._parts: list[pa.Table | bytes | tuple[int, int] | None] = []
        self._asked: dict[str, pa.Table] = {}
        # per part and job the hash of the name: where two are equal by chance, two parts are merged for nothing
        self._hashes, self._owners = Column(np.int64), Column(np.int32)
        for one in partials:
            part = one if isinstance(one, bytes) else conformed(one, PARTIAL, "the partial ranking")
            self._note(unpacked(part) if isinstance(part, bytes) else part)
            self._parts.append(part if is_held else self._put_away(part))

    def _note(self, table: pa.Table) -> None:
        kinds = table["kind"]
        own = table.filter(pc.equal(kinds, "objective")).slice(0, 1)
        self._asked.update((note, own) for note in own["note"].to_pylist())
        names = pc.unique(table.filter(pc.equal(kinds, "log"))["job"]).to_pylist()
        self._hashes.add(np.fromiter(map(hash, names), np.int64, len(names)))
        self._owners.add(np.full(len(names), len(self._parts), np.int32))

    def _put_away(self, part: pa.Table | bytes) -> tuple[int, int]:
        data = part if isinstance(part, bytes) else packed(part)
        return self._spill.add(data), len(data)

    def _table(self, at: int) -> pa.Table:
        part = self._parts[at]
        part = self._spill.read(*part) if isinstance(part, tuple) else part
        return unpacked(part) if isinstance(part, bytes) else part

    def asked(self) -> tuple[Objective | None, tuple[str, ...]] | None:
        """What :func:`metricscan.fleet.partials.asked_of` gives."""
        return asked_of([*self._asked.values()])

    def tables(self) -> Iterator[pa.Table]:
        """All of them, one after the other, which are let go."""
        for at, part in enumerate(self._parts):
            if part is not None:
                yield self._table(at)
                self._parts[at] = None

    def merge_those_that_share_jobs(self) -> None:
        """Merge the partial rankings that have logs of one job, because its logs were scanned apart or one of them twice."""
        hashes, owners = self._hashes.array(), self._owners.array()
        order = np.argsort(hashes, kind="stable")
        shared = np.flatnonzero(hashes[order[1:]] == hashes[order[:-1]])
        above = list(range(len(self._parts)))

        def top(at: int) -> int:
            while above[at] != at:
                above[at] = above[above[at]]
                at = above[at]
            return at

        pairs = owners[order[shared]].tolist(), owners[order[shared + 1]].tolist()
        for one, other in set(zip(*pairs, strict=True)):
            first, second = sorted((top(one), top(other)))
            above[second] = first
        together: dict[int, list[int]] = {}
        for at in range(len(self._parts)):
            together.setdefault(top(at), []).append(at)
        for first, members in together.items():
            if len(members) > 1:
                merged = merge_partials(*map(self._table, members))
                for at in members:
                    self._parts[at] = None
                self._parts[first] = self._put_away(merged)


# ---- taking them apart


class _Taken:
    """What was taken out of partial rankings that share no job; places are those in the order of a replay."""

    def __init__(self, asked: tuple[Objective | None, tuple[str, ...]] | None) -> None:
        objective, at_best = asked or (None, ())
        stepped = objective is not None and objective.step is not None
        self.decided = GrowingDecided(at_best, stepped=stepped)
        self.names, self._streams = Texts(), Texts()
        self.paths = PutAway()
        self._heads = {name: Column(kind) for name, kind in _OF_HEAD.items()}
        self._spans: list[tuple[int, tuple[int, int] | None]] = []
        self._head_count = 0
        self.counted = Counted()
        self.scan: dict[str, Any] | None = None
        self.undecoded: list[tuple[Place, int, Any]] = []
        self.errors: list[tuple[Place, int, Any]] = []
        self.files: list[tuple[Place, int, Any]] = []
        self.noted: dict[Place, tuple[str, tuple[str, str, int]]] = {}
        self.crashes: dict[Place, Crash] = {}
        self.suspects: dict[Place, dict[str, facts.FoundSuspects]] = {}
        self.restarts: dict[Place, list[Restart]] = {}

    def add(self, table: pa.Table) -> None:
        """Take a partial ranking apart."""
        of_kind = {kind: table.filter(pc.equal(table["kind"], kind)) for kind in _TAKEN}
        heads = of_kind["log"]
        jobs, job_codes = codes_of(heads["job"], "job")
        streams, stream_codes = codes_of(heads["stream"], "stream")
        own_paths, paths = self._add_heads(heads, job_codes + len(self.names), stream_codes + len(self._streams)), {}
        if any(of_kind[kind].num_rows for kind in ("crash", "suspects", "restart")):
            keys = zip(*(heads[name].to_pylist() for name in ("job", "stream", "part")), strict=True)
            paths = dict(zip(keys, own_paths, strict=True))
        for row, document in _noted(of_kind["crash"]):
            self.crashes[self._note(row, paths)] = Crash(**document)
        for row, document in _noted(of_kind["suspects"]):
            self.suspects.setdefault(self._note(row, paths), {})[row["metric"]] = facts.FoundSuspects(document)
        for row, document in _noted(of_kind["restart"]):
            self.restarts.setdefault(self._note(row, paths), []).append(Restart(**document))
        for row, document in _noted(of_kind["counts"]):
            self._count(_place(row), document)
        for row, document in _noted(of_kind["error"]):
            self.errors.append((_place(row), len(self.errors), facts.to_error(document)))
        for row, document in _noted(of_kind["files"]):
            for name, path in document.items():
                self.files.append((_place(row), len(self.files), (row["number"], name, path)))
        outcomes = of_kind["outcome"]
        if outcomes.num_rows:
            numbers = pc.index_in(outcomes["job"], jobs).to_numpy().astype(np.int64) + len(self.names)
            order = np.argsort(numbers)
            column = pa.concat_arrays(outcomes["decided"].chunks).take(pa.array(order))
            self.decided.add(column, numbers[order], streams, len(self._streams))
        self.names.add(jobs)
        self._streams.add(streams)

    def _add_heads(self, heads: pa.Table, jobs: Array, streams: Array) -> list[str]:
        """Take the logs; returns the path of each."""
        columns: dict[str, list[Any]] = {name: [] for name in (*_OF_NOTE, "path", "within")}
        for note in heads["note"].to_pylist():
            document = json.loads(note)
            for name, column in columns.items():
                column.append(document[name])
            if document["is_export"]:
                span = document["span"]
                at = self._head_count + len(columns["path"]) - 1
                self._spans.append((at, None if span is None else (span[0], span[1])))
        self._head_count += heads.num_rows
        self.paths.add([json.dumps(one).encode() for one in zip(columns["path"], columns["within"], strict=True)])
        own: dict[str, Any] = {
            "number": pc.fill_null(heads["number"], -1).to_numpy(),
            "job": jobs,
            "stream": streams,
            "part": heads["part"].to_numpy(),
            "is_range": pc.is_valid(heads["since"]).to_numpy(),
        }
        for name, kept in self._heads.items():
            kept.add(own[name] if name in own else np.array(columns[name], _OF_HEAD[name]))
        return columns["path"]

    def _note(self, row: Mapping[str, Any], paths: Mapping[tuple[str, str, int], str]) -> Place:
        place, key = _place(row), (row["job"], row["stream"], row["part"])
        self.noted[place] = paths[key], key
        return place

    def _count(self, place: Place, document: dict[str, Any]) -> None:
        self.scan = document if self.scan is None else self.scan
        _check_same(self.scan, document)
        stats = facts.to_stats(document["stats"])
        if stats.undecoded:
            own = ScanStats(stats.bytes, stats.records)
            own.undecoded, own.undecoded_at = stats.undecoded, stats.undecoded_at
            self.undecoded.append((place, 0, (document["path"], own)))
        self.counted.add(place, stats)

    @staticmethod
    def in_order(placed: list[tuple[Place, int, Any]]) -> list[Any]:
        """What was taken, in the order of its places."""
        return [one for *_, one in sorted(placed, key=lambda one: one[:2])]

    def sorted_streams(self) -> tuple[pa.Array, Array]:
        """The names of all streams, and by the numbers that streams had here those that they have among these."""
        given = self._streams.array()
        names = pc.unique(given)
        names = names.take(pc.sort_indices(names))
        return names, pc.index_in(given, names).to_numpy(zero_copy_only=False).astype(np.int64)

    def heads(self, jobs: pa.Array, streams: Array) -> tuple[Heads, dict[int, tuple[int, int] | None]]:
        """All logs in the order of a replay, and the spans of exports by their places among them. To be called once.

        Parameters
        ----------
        jobs : pyarrow.Array of string
            The names of the jobs.
        streams : int64 array
            The final numbers of the streams.
        """
        columns = {name: column.array() for name, column in self._heads.items()}
        self._heads.clear()
        number = columns["number"]
        if number.min(initial=0) < 0:
            order = self._order(number, jobs, *(columns[name] for name in ("job", "stream", "part")))
        elif (number[1:] >= number[:-1]).all():
            order = np.arange(len(number))
        else:
            order = np.argsort(number, kind="stable")
        columns["stream"] = renumbered(columns["stream"], streams).astype(np.int32, copy=False)
        columns["item"] = np.arange(len(order))
        found = [taken(columns.pop(name), order) for name in Heads._fields]
        spans = {}
        if self._spans:
            places = np.empty(len(order), np.int64)
            places[order] = np.arange(len(order))
            spans = {int(places[at]): span for at, span in self._spans}
        return Heads._make(found), spans

    def _order(self, number: Array, jobs: pa.Array, job: Array, stream: Array, part: Array) -> Array:
        """The order of a replay for logs of which some have no number: by their names, behind the others."""
        columns = {
            "number": pa.array(number, mask=number < 0),
            "job": jobs.take(pa.array(job)),
            "stream": self._streams.array().take(pa.array(stream)),
            "part": pa.array(part),
        }
        keys = [(name, "ascending") for name in columns]
        return pc.sort_indices(pa.table(columns), keys).to_numpy()  # type: ignore[no-any-return]


_TAKEN = ("log", "counts", "error", "crash", "suspects", "restart", "files", "outcome")
# What is kept of a log, and what of it stands in its note.
_OF_HEAD = {
    "number": np.int64,
    "job": np.int32,
    "stream": np.int32,
    "part": np.int32,
    "job_logs": np.int32,
    "bytes": np.int64,
    "records": np.int64,
    "superseded": bool,
    "is_export": bool,
    "is_unended": bool,
    "is_range": bool,
}
_OF_NOTE = ("job_logs", "bytes", "records", "superseded", "is_export", "is_unended")


def _noted(rows: pa.Table) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for row in rows.select(_NOTED).to_pylist():
        yield row, json.loads(row.pop("note"))


def _place(row: Mapping[str, Any]) -> Place:
    """The place of a log, or of a scan that begins with it, in the order of a replay."""
    number, since = row["number"], row["since"]
    return number is None, number or 0, row["job"], row["stream"], row["part"], since is None, since or 0


def _check_same(scan: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    for what, name in (("version", "version of metricscan"), ("scanner", "definitions or options")):
        if scan[what] != other[what]:
            raise OptionError(
                f"workers scanned with different {name}: {scan[what]} for {scan['path']}, {other[what]} for {other['path']}"
            )


# ---- the logs of jobs


class _LogsOfJobs(Mapping[str, "Sequence[Log]"]):
    """The logs of each job, made when they are asked for: as objects, those of a million jobs take a gigabyte."""

    def __init__(self, names: pa.Array, streams: pa.Array, heads: Heads, paths: PutAway) -> None:
        self._names, self._streams, self._heads, self._paths = names, streams, heads, paths
        self._by_job = np.argsort(heads.job, kind="stable")
        self._ends = np.cumsum(np.bincount(heads.job, minlength=len(names)))
        # eight bytes a name, where a dict takes more than a hundred
        hashes = np.fromiter((hash(name.as_py()) for name in names), np.int64, len(names))
        self._order = np.argsort(hashes, kind="stable")
        self._hashes = hashes[self._order]

    def __getitem__(self, name: str) -> Sequence[Log]:
        key = hash(name)
        at = int(np.searchsorted(self._hashes, key))
        while at < len(self._hashes) and self._hashes[at] == key:
            job = int(self._order[at])
            if self._names[job].as_py() == name:
                end = int(self._ends[job])
                begin = int(self._ends[job - 1]) if job else 0
                return [self._log(int(one)) for one in self._by_job[begin:end]]
            at += 1
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names.to_pylist())

    def __len__(self) -> int:
        return len(self._names)

    def _log(self, at: int) -> Log:
        heads = self._heads
        stream = self._streams[int(heads.stream[at])].as_py()
        path, within = json.loads(self._paths[int(heads.item[at])])
        return Log(path, stream, within, int(heads.part[at]), bool(heads.superseded[at]))
