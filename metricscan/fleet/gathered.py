"""Partial rankings of all jobs, in the terms of a replay, and in memory that is small beside theirs.

They are kept as they came, packed, until all are there. Then one after the other is taken apart into columns of numbers, and let
go.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metricscan.datasets.evidence import Evidence, LogEvidence
from metricscan.datasets.rows import codes_of
from metricscan.errors import OptionError
from metricscan.fleet import facts
from metricscan.fleet.counted import Counted
from metricscan.fleet.outcomes import AllDecided, joined_outcomes
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
    path, within : pyarrow.ChunkedArray of string
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
    path: pa.ChunkedArray
    within: pa.ChunkedArray


class Gathered:
    """Partial rankings, in the terms of a replay.

    Parameters
    ----------
    partials : iterable of pyarrow.Table, or of bytes
        As :func:`decide` and :func:`merge_partials` give them, or packed. Tables that are in memory anyway, in a list, are used
        as they are; others are packed.

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
        parts = _held(partials)
        self.asked: tuple[Objective | None, tuple[str, ...]] | None = _asked_of(parts)
        _merge_those_that_share_jobs(parts)
        taken = _Taken(self.asked)
        for at, part in enumerate(parts):
            if part is not None:
                taken.add(_table(part))
                parts[at] = None
        self.names, self.streams = pa.concat_arrays([pa.array([], pa.string()), *taken.names]), taken.sorted_streams()
        self.heads, self.spans = taken.heads()
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
        self._stream_numbers = taken.stream_numbers()

    def decided(self, names: pa.Array) -> AllDecided:
        """What decided the jobs, by their numbers in ``names``. To be called once."""
        objective, at_best = self.asked or (None, ())
        stepped = objective is not None and objective.step is not None
        numbers = pc.index_in(self.names, names).to_numpy(zero_copy_only=False)
        parts, self._decided = self._decided, []
        return AllDecided.joined(parts, numbers, self._stream_numbers, at_best, stepped=stepped)

    def logs(self) -> Mapping[str, Sequence[Log]]:
        """The logs of each job, in the order of a replay."""
        return _LogsOfJobs(self.names, self.streams, self.heads)

    def _evidence(self, taken: _Taken) -> Evidence:
        found = Evidence()
        order = sorted(taken.crashes.keys() | taken.suspects.keys())
        for place in order:
            path, key = taken.noted[place]
            found.add(*key, LogEvidence(path, taken.crashes.get(place), taken.suspects.get(place, {})))
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


def _held(partials: Iterable[pa.Table | bytes]) -> list[pa.Table | bytes | None]:
    """The partial rankings; those that nobody else holds are packed."""
    is_held = isinstance(partials, (list, tuple))
    parts: list[pa.Table | bytes | None] = []
    for one in partials:
        if not isinstance(one, bytes):
            one = conformed(one, PARTIAL, "the partial ranking")
            one = one if is_held else packed(one)
        parts.append(one)
    return parts


def _table(part: pa.Table | bytes) -> pa.Table:
    return unpacked(part) if isinstance(part, bytes) else part


def _asked_of(parts: Sequence[pa.Table | bytes | None]) -> tuple[Objective | None, tuple[str, ...]] | None:
    distinct: dict[str, pa.Table] = {}
    for part in parts:
        if part is not None:
            table = _table(part)
            own = table.filter(pc.equal(table["kind"], "objective")).slice(0, 1)
            distinct.update((note, own) for note in own["note"].to_pylist())
    return asked_of([*distinct.values()])


def _merge_those_that_share_jobs(parts: list[pa.Table | bytes | None]) -> None:
    """Merge the partial rankings that have logs of one job, because its logs were scanned apart or one of them twice."""
    columns = []
    for part in parts:
        table = PARTIAL.empty_table() if part is None else _table(part)
        columns.append(pc.unique(table.filter(pc.equal(table["kind"], "log"))["job"]))
    sizes = [len(one) for one in columns]
    names, codes = codes_of(pa.chunked_array(columns, pa.string()), "job")
    if len(names) == sum(sizes):
        return
    owners = np.repeat(np.arange(len(parts)), sizes)
    order = np.argsort(codes, kind="stable")
    shared = np.flatnonzero(codes[order][1:] == codes[order][:-1])
    above = list(range(len(parts)))

    def top(at: int) -> int:
        while above[at] != at:
            above[at] = above[above[at]]
            at = above[at]
        return at

    for one, other in set(zip(owners[order][shared].tolist(), owners[order][shared + 1].tolist(), strict=True)):
        first, second = sorted((top(one), top(other)))
        above[second] = first
    together: dict[int, list[int]] = {}
    for at in range(len(parts)):
        together.setdefault(top(at), []).append(at)
    for first, members in together.items():
        if len(members) > 1:
            merged = merge_partials(*(_table(part) for at in members if (part := parts[at]) is not None))
            for at in members:
                parts[at] = None
            parts[first] = packed(merged)


# ---- taking them apart


class _Taken:
    """What was taken out of partial rankings that share no job; places are those in the order of a replay."""

    def __init__(self, asked: tuple[Objective | None, tuple[str, ...]] | None) -> None:
        self._objective, self._at_best = asked or (None, ())
        self.names: list[pa.Array] = []
        self._streams: list[pa.Array] = []
        self._jobs = self._stream_count = 0
        self._heads: list[tuple[Any, ...]] = []
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
        self.decided: list[AllDecided] = []

    def add(self, table: pa.Table) -> None:
        """Take a partial ranking apart."""
        of_kind = {kind: table.filter(pc.equal(table["kind"], kind)) for kind in _TAKEN}
        heads = of_kind["log"]
        jobs, job_codes = codes_of(heads["job"], "job")
        streams, stream_codes = codes_of(heads["stream"], "stream")
        own_paths, paths = self._add_heads(heads, job_codes + self._jobs, stream_codes + self._stream_count), {}
        if of_kind["crash"].num_rows or of_kind["suspects"].num_rows:
            keys = zip(*(heads[name].to_pylist() for name in ("job", "stream", "part")), strict=True)
            paths = dict(zip(keys, own_paths, strict=True))
        for row, document in _noted(of_kind["crash"]):
            self.crashes[self._note(row, paths)] = Crash(**document)
        for row, document in _noted(of_kind["suspects"]):
            self.suspects.setdefault(self._note(row, paths), {})[row["metric"]] = facts.FoundSuspects(document)
        for row, document in _noted(of_kind["counts"]):
            self._count(_place(row), document)
        for row, document in _noted(of_kind["error"]):
            self.errors.append((_place(row), len(self.errors), facts.to_error(document)))
        for row, document in _noted(of_kind["files"]):
            for name, path in document.items():
                self.files.append((_place(row), len(self.files), (row["number"], name, path)))
        outcomes = of_kind["outcome"]
        if outcomes.num_rows:
            numbers = pc.index_in(outcomes["job"], jobs).to_numpy().astype(np.int64) + self._jobs
            order = np.argsort(numbers)
            column = pa.concat_arrays(outcomes["decided"].chunks).take(pa.array(order))
            stepped = self._objective is not None and self._objective.step is not None
            found = joined_outcomes(column, numbers[order], streams, self._at_best, stepped=stepped)
            self.decided.append(found.renumbered(self._stream_count))
        self.names.append(jobs)
        self._streams.append(streams)
        self._jobs += len(jobs)
        self._stream_count += len(streams)

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
        self._heads.append(
            (
                pc.fill_null(heads["number"], -1).to_numpy(),
                *(jobs.astype(np.int32), streams.astype(np.int32), heads["part"].to_numpy()),
                *(np.array(columns[name], kind) for name, kind in _OF_NOTE.items()),
                pc.is_valid(heads["since"]).to_numpy(),
                *(pa.array(columns[name], pa.string()) for name in ("path", "within")),
            )
        )
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

    def sorted_streams(self) -> pa.Array:
        """The names of all streams."""
        names = pc.unique(pa.concat_arrays([pa.array([], pa.string()), *self._streams]))
        return names.take(pc.sort_indices(names))

    def stream_numbers(self) -> Array:
        """By the numbers that streams had here, those that they have among all."""
        names = pa.concat_arrays([pa.array([], pa.string()), *self._streams])
        return pc.index_in(names, self.sorted_streams()).to_numpy(zero_copy_only=False).astype(np.int64)  # type: ignore[no-any-return]

    def heads(self) -> tuple[Heads, dict[int, tuple[int, int] | None]]:
        """All logs in the order of a replay, and the spans of exports by their places among them. To be called once."""
        parts, self._heads = self._heads, []
        if not parts:
            integers, flags, texts = np.empty(0, np.int64), np.empty(0, bool), pa.chunked_array([], pa.string())
            numbers_of = (integers, integers, integers, integers, integers, integers, integers)
            return Heads(*numbers_of, flags, flags, flags, flags, texts, texts), {}
        columns = [list(column) for column in zip(*parts, strict=True)]
        del parts
        number = np.concatenate(columns[0])
        if number.min(initial=0) >= 0:
            order = np.argsort(number, kind="stable")
        else:
            order = self._order(number, *(np.concatenate(columns[at]) for at in (1, 2, 3)))
        found: list[Any] = []
        numbers = self.stream_numbers()
        for name, column in zip(Heads._fields, columns, strict=True):
            if name in ("path", "within"):
                one = pa.chunked_array(column, pa.string()).take(pa.array(order))
            else:
                one = np.concatenate(column)[order]
            found.append(numbers[one].astype(np.int32) if name == "stream" else one)
            column.clear()
        places = np.empty(len(order), np.int64)
        places[order] = np.arange(len(order))
        return Heads(*found), {int(places[at]): span for at, span in self._spans}

    def _order(self, number: Array, job: Array, stream: Array, part: Array) -> Array:
        """The order of a replay for logs of which some have no number: by their names, behind the others."""
        jobs, streams = (pa.concat_arrays(names) for names in (self.names, self._streams))
        columns = {
            "number": pa.array(number, mask=number < 0),
            "job": jobs.take(pa.array(job)),
            "stream": streams.take(pa.array(stream)),
            "part": part,
        }
        keys = [(name, "ascending") for name in columns]
        return pc.sort_indices(pa.table(columns), keys).to_numpy()  # type: ignore[no-any-return]


_TAKEN = ("log", "counts", "error", "crash", "suspects", "files", "outcome")
_OF_NOTE = {
    "job_logs": np.int32,
    "bytes": np.int64,
    "records": np.int64,
    "superseded": bool,
    "is_export": bool,
    "is_unended": bool,
}


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

    def __init__(self, names: pa.Array, streams: pa.Array, heads: Heads) -> None:
        self._names, self._streams, self._heads = names, streams, heads
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
        path, within = heads.path[at].as_py(), heads.within[at].as_py()
        return Log(path, stream, within, int(heads.part[at]), bool(heads.superseded[at]))
