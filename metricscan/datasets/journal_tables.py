"""A journal as tables: the rows of each metric in the order of the jobs, up to the last commit when it was opened."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from metricscan.datasets.evidence import OF_CRASHES, OF_STARTS, OF_VALUES, Evidence, LogEvidence
from metricscan.datasets.journal_format import Segment, last_segment, read_description
from metricscan.datasets.journal_jobs import NAME, read_jobs
from metricscan.datasets.journal_packing import Columns
from metricscan.datasets.journal_state import SUSPECTS, State
from metricscan.datasets.journal_suspects import by_file, has_units, names_of_suspects, suspects_by_file, units
from metricscan.datasets.manifest import JobFacts, Manifest
from metricscan.datasets.schema import LABEL_TABLE_SCHEMA, TABLE_SCHEMA
from metricscan.errors import SourceError
from metricscan.logs.job import Notice
from metricscan.scanning.schema import LABEL_SCHEMA as BATCH_LABEL_SCHEMA
from metricscan.scanning.schema import NO_TIME, TIME

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from metricscan.datasets.evidence import Unit
    from metricscan.datasets.journal_commit import Replaced
    from metricscan.datasets.journal_state import FollowedFile
    from metricscan.datasets.journal_suspects import FileColumns
    from metricscan.datasets.rows import Array

_BATCH_ROWS = 131_072
# Rows of several metrics that are read in one pass over the segments: some 60 bytes each.
PASS_ROWS = 1 << 22


class JournalTables:
    """The rows of a journal up to its last whole commit at this time; the writer may go on.

    Parameters
    ----------
    path : str
        Folder of the journal.

    Attributes
    ----------
    metrics : tuple of str
    labels : tuple of str
        The metrics whose values are text.

    Raises
    ------
    SourceError
        The folder is no journal, it is damaged, or it cannot be read.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._description = read_description(path)
        document = self._description.document
        self._last = last_segment(path)
        self._end = 0
        self._state = State()
        self._of_end: list[Notice] = []
        if self._last:
            segment = self._segment(self._last)
            for _ in segment.commits():
                pass
            self._end = segment.end
            self._state = segment.state
            if segment.size > segment.end:
                message = (
                    f"{segment.size - segment.end:,} bytes behind byte {segment.end} of {segment.path} are no whole commit: "
                    "one is being written, or the end was cut off or damaged"
                )
                self._of_end = [Notice(message, segment.path)]
        self.metrics: tuple[str, ...] = tuple(
            dict.fromkeys([*document["metrics"], *(one for one in self._state.metrics if not one.startswith(SUSPECTS))])
        )
        self.labels: tuple[str, ...] = tuple(document["labels"])
        self._order = _Order(self._state.files)

    def _segment(self, number: int) -> Segment:
        return Segment(self.path, number, self._description, is_last=number == self._last)

    def manifest(self) -> Manifest:
        """What the journal says besides its rows, as the manifest of a dataset."""
        names = self._order.jobs
        document: dict[str, Any] = {
            **self._description.document,
            "format": "journal",
            "is_followed": True,
            "objective": None,
            "sources": self._sources(),
            "unknown_doubts": self._unknown(),
            "counts": {},
            "errors": [],
            "notices": [notice._asdict() for notice in [*self._state.notices, *self._of_end]],
        }
        known = self._hyperparameters()
        return Manifest(document, [JobFacts(name, None, known.get(name, {})) for name in names], None, Evidence())

    def _hyperparameters(self) -> dict[str, dict[str, str]]:
        try:
            return read_jobs(self.path)[0]
        except OSError as error:
            place = os.path.join(self.path, NAME)
            raise SourceError(f"cannot read {place}", path=place, cause=error) from error

    def _sources(self) -> list[dict[str, Any]]:
        """The files in their order."""
        return [file._asdict() for file in self._order.files]

    def _unknown(self) -> list[str]:
        """The kinds of doubts of which it is not known whether the rows raise them."""
        crashes = dict(zip(self._state.files, self._state.crashes, strict=True))
        knows_crashes = None not in {file.key[:2]: crashes[file] for file in self._order.files}.values()
        return [
            *([] if all(self._state.watched) else OF_VALUES),
            *([] if knows_crashes else [OF_CRASHES]),
            # nothing notes whether the first lines of a log stand in it again
            *([OF_STARTS] if self._state.files else []),
        ]

    def evidence(self) -> Evidence:
        """What was noted of the files besides their rows. Where values of some are suspect, all segments are read.

        Raises
        ------
        SourceError
            A segment is damaged, or cannot be read.
        """
        found = Evidence()
        found.unknown = tuple(self._unknown())
        suspects = self._suspects
        noted = suspects_by_file(suspects)
        last = {file.key[:2]: file for file in self._order.files}
        for number, file in self._numbered():
            # what follows in the next part shows that a program went on
            crash = self._state.crashes[number] if last[file.key[:2]] == file else None
            found.add(*file.key, LogEvidence(file.path, crash or None, noted.get(number, {})))
        found.units = {metric: self.units(metric) for metric, files in suspects.items() if has_units(files.values())}
        return found

    def units(self, metric: str) -> list[Unit]:
        """The distinct units of a metric, as far as its rows are known to have one; all segments are read."""
        values = self._by_file([metric]).get(metric, {})
        return units(self._suspects.get(metric, {}), values, self._numbered())

    def _numbered(self) -> list[tuple[int, FollowedFile]]:
        return [(number, self._state.files[number]) for number in self._order.numbers]

    @cached_property
    def _suspects(self) -> dict[str, dict[int, FileColumns]]:
        """By metric and the number of the file."""
        found = self._by_file(names_of_suspects(self._state))
        return {name.removeprefix(SUSPECTS): files for name, files in found.items()}

    def _by_file(self, names: Collection[str]) -> dict[str, dict[int, FileColumns]]:
        """The rows of metrics, or suspects, by the number of their file."""
        if not names:
            return {}
        found: dict[str, dict[int, FileColumns]] = {}
        for name, rows, kept in self._read(list(names)):
            if not len(rows):
                found[name] = {}
                continue
            file, value, line, offset, start = (
                np.frombuffer(column, np.int64) if kept is None else np.frombuffer(column, np.int64)[kept]
                for column in (rows.file, rows.value, rows.line, rows.offset, rows.start)
            )
            found[name] = by_file(file, (value, line, offset, start))
        return found

    def passes(self) -> Iterator[list[str]]:
        """The metrics, in groups whose rows fit in memory together."""
        group: list[str] = []
        held = 0
        for name in self.metrics:
            number = self._state.metrics.get(name)
            rows = 0 if number is None else self._state.rows[number]
            if group and held + rows > PASS_ROWS:
                yield group
                group, held = [], 0
            group.append(name)
            held += rows
        if group:
            yield group

    def batches(self, metrics: Sequence[str]) -> Iterator[tuple[str, pa.RecordBatch]]:
        """The rows of metrics in batches of at most 131,072, metric after metric, each in the order of jobs, streams and parts.

        All rows of these metrics are held in memory.

        Raises
        ------
        SourceError
            A segment is damaged, or cannot be read.
        """
        for name, found, kept in self._read(metrics):
            for batch in self._order.batches(found, kept, is_label=name in self.labels):
                yield name, batch

    def _read(self, metrics: Sequence[str]) -> Iterator[tuple[str, Columns, Array | None]]:
        """The rows of metrics in the order in which they were written, and which of them were not replaced; None for all."""
        columns = {name: Columns() for name in metrics}
        marks: list[tuple[Replaced, dict[str, int]]] = []

        def note(replaced: Replaced) -> None:
            marks.append((replaced, {name: len(one) for name, one in columns.items()}))

        for number in range(1, self._last + 1):
            segment = self._segment(number)
            for _ in segment.commits(columns.get, note):
                if number == self._last and segment.end >= self._end:
                    break
            if number == self._last and segment.end != self._end:
                message = f"{segment.path} was cut while it was read"
                raise SourceError(
                    message, path=segment.path, hint="the writer was started again; read the journal again"
                )
        for name in metrics:
            found = columns.pop(name)
            yield name, found, _without(found, [(gone, at[name]) for gone, at in marks])


def _without(rows: Columns, gone: Sequence[tuple[Replaced, int]]) -> Array | None:
    """The indices of the rows that were not replaced; None for all. Of each replaced record, how many rows were there before."""
    if not gone or not len(rows):
        return None
    kept = np.ones(len(rows), bool)
    file, offset = np.frombuffer(rows.file, np.int64), np.frombuffer(rows.offset, np.int64)
    for record, before in gone:
        kept[:before] &= (file[:before] != record.file) | (offset[:before] != record.offset)
    return np.flatnonzero(kept)


class _Order:
    """The order of a journal's files in tables: by job and stream, in natural order, and part."""

    def __init__(self, files: Sequence[FollowedFile]) -> None:
        from metricscan.logs.natural import natural

        order = sorted(
            range(len(files)), key=lambda at: (natural(files[at].job), natural(files[at].stream), files[at].part)
        )
        #: The numbers of the files in this order.
        self.numbers = order
        self.files = [files[at] for at in order]
        self.jobs = list(dict.fromkeys(file.job for file in self.files))
        # by number of the file, its place in this order
        self._rank = np.argsort(np.array(order, np.int64))

    def batches(self, rows: Columns, kept: Array | None, *, is_label: bool) -> Iterator[pa.RecordBatch]:
        """The rows in this order, in batches."""
        if len(rows):
            rank = self._rank[np.frombuffer(rows.file, np.int64)]
            start = np.frombuffer(rows.start, np.int64)
            which = np.arange(len(rank)) if kept is None else kept
            which = which[np.lexsort((start[which], rank[which]))]
            yield from table_batches(rows, rank, which, self.files, is_label=is_label)


def table_batches(
    rows: Columns,
    file: Array,
    which: Array,
    files: Sequence[FollowedFile],
    *,
    is_label: bool,
    size: int = _BATCH_ROWS,
) -> Iterator[pa.RecordBatch]:
    """Rows as batches with the columns of a dataset's tables; a copy.

    Parameters
    ----------
    rows : Columns
    file : int array
        Per row the number of its file in ``files``.
    which : int array
        The indices of the rows that are wanted, in order.
    files : sequence of FollowedFile
    is_label : bool
    size : int
        The most rows of a batch.
    """
    jobs, of_job = _numbered([one.job for one in files])
    streams, of_stream = _numbered([one.stream for one in files])
    parts = np.array([one.part for one in files], np.int32)
    texts = pa.array(rows.texts, pa.string()) if is_label else None
    value = np.frombuffer(rows.value, np.float64)
    places = [np.frombuffer(column, np.int64) for column in (rows.line, rows.offset, rows.start)]
    time = np.frombuffer(rows.time, np.int64)
    for at in range(0, len(which), size):
        some = which[at : at + size]
        of, micros = file[some], time[some]
        columns = [
            pa.DictionaryArray.from_arrays(pa.array(of_job[of]), jobs),
            pa.DictionaryArray.from_arrays(pa.array(of_stream[of]), streams),
            pa.array(parts[of]),
            pa.array(value[some]) if texts is None else texts.take(pa.array(some)),
            *(pa.array(column[some]) for column in places),
            pa.array(micros, mask=micros == NO_TIME).cast(TIME),
        ]
        yield pa.RecordBatch.from_arrays(columns, schema=LABEL_TABLE_SCHEMA if is_label else TABLE_SCHEMA)


def labelled(batches: Sequence[tuple[FollowedFile, pa.RecordBatch]]) -> pa.RecordBatch:
    """The rows of one metric in several files as a batch with the columns of a dataset's tables, in this order.

    Parameters
    ----------
    batches : sequence of (FollowedFile, pyarrow.RecordBatch)
        As :meth:`Stream.take` gives them.
    """
    jobs, of_job = _numbered([file.job for file, _ in batches])
    streams, of_stream = _numbered([file.stream for file, _ in batches])
    parts = np.array([file.part for file, _ in batches], np.int32)
    counts = [batch.num_rows for _, batch in batches]
    first = batches[0][1]
    if len(batches) == 1:
        columns = first.columns
    else:
        columns = [pa.concat_arrays([batch.column(at) for _, batch in batches]) for at in range(first.num_columns)]
    own = [
        pa.DictionaryArray.from_arrays(pa.array(np.repeat(of_job, counts)), jobs),
        pa.DictionaryArray.from_arrays(pa.array(np.repeat(of_stream, counts)), streams),
        pa.array(np.repeat(parts, counts)),
    ]
    schema = LABEL_TABLE_SCHEMA if first.schema == BATCH_LABEL_SCHEMA else TABLE_SCHEMA
    return pa.RecordBatch.from_arrays([*own, *columns], schema=schema)


def _numbered(names: Sequence[str]) -> tuple[pa.Array, Array]:
    """The distinct names, and for each name its number."""
    numbers: dict[str, int] = {}
    codes = np.array([numbers.setdefault(name, len(numbers)) for name in names], np.int32)
    return pa.array(list(numbers), pa.string()), codes
