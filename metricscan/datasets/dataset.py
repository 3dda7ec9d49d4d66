"""Read a dataset that a replay wrote, or a journal: its tables, the facts of its jobs, and its rows in bounded memory."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metricscan.datasets import manifest as manifests
from metricscan.datasets.csv_guard import unguarded
from metricscan.datasets.formats import READERS
from metricscan.datasets.journal_format import is_journal
from metricscan.datasets.journal_tables import JournalTables
from metricscan.datasets.manifest import REPLAY_AGAIN
from metricscan.datasets.place import recover
from metricscan.datasets.rows import Rows, used_codes_of
from metricscan.datasets.runs import RunTables, are_runs
from metricscan.datasets.schema import LABEL_SCHEMA, LABEL_TABLE_SCHEMA, SCHEMA, TABLE_SCHEMA
from metricscan.definitions.paths import check_path
from metricscan.errors import SourceError

if TYPE_CHECKING:
    from metricscan.datasets.evidence import Evidence
    from metricscan.logs.job import Job


class OutOfOrderError(Exception):
    """Rows are not in the order of the jobs: another program than replay wrote or changed the dataset."""


class Dataset(Mapping[str, pa.Table]):
    """A dataset on disk: a mapping from each metric to its table, which is read when it is asked for.

    Parameters
    ----------
    path : path
        The folder that ``replay(..., out=path)`` or ``metricscan replay --out`` wrote, or a journal, or a folder of jobs that
        ``metricscan run`` started, which have journals. Of journals the rows are those of their commits until now; the writers
        may go on.

    Attributes
    ----------
    path : str
    manifest : dict
        What else the replay noted: definitions, options, objective, sources, counts, errors.
    facts : list of JobFacts
        Name, status and hyperparameters of each job, in natural name order; jobs without a row too.
    objective : Objective or None
        The objective of the replay.
    completed_only : bool
        Whether the replay gave a rank only to jobs whose status is Completed.
    min_step : float or None
        The least last step that the replay asked for.
    exclude_doubts : tuple of str
        The kinds of doubts with which the replay gave a job no rank.
    evidence : Evidence
        What the replay noted of logs besides their rows; doubts are found by it. Of a log and metric with more than 1,000 values
        that are cut, the first and the last 500 are known.
    labels : tuple of str
        The metrics whose values are text.

    Raises
    ------
    SourceError
        The folder is not a dataset, or one of another version, or a file is missing or cannot be read. A file that cannot be
        read raises also when rows are asked for.

    Examples
    --------
    >>> import tempfile
    >>> from metricscan import Scanner, replay
    >>> folder = tempfile.mkdtemp()
    >>> with open(f"{folder}/a.log", "w") as log:
    ...     _ = log.write("loss=0.5\\nloss=0.25\\n")
    >>> _ = replay(f"{folder}/a.log", Scanner(["loss=loss=([0-9.]+)"]), out=f"{folder}/out")
    >>> Dataset(f"{folder}/out")["loss"]["value"].to_pylist()
    [0.5, 0.25]
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self._journal: JournalTables | RunTables | None = None
        try:
            check_path(self.path)
        except OSError as error:
            raise SourceError(f"cannot open {self.path}", path=self.path, cause=error) from error
        recover(self.path)
        if is_journal(self.path):
            self._journal = JournalTables(self.path)
        elif not os.path.exists(os.path.join(self.path, manifests.MANIFEST)) and are_runs(self.path):
            self._journal = RunTables(self.path)
        self._manifest = manifests.read(self.path) if self._journal is None else self._journal.manifest()
        self.manifest = self._manifest.document
        self.facts = self._manifest.facts
        self.objective = self._manifest.objective
        self.labels = self._manifest.labels
        self.completed_only = self._manifest.completed_only
        self.min_step = self._manifest.min_step
        self.exclude_doubts = self._manifest.exclude_doubts
        self.format: str = self.manifest["format"]
        self._files: dict[str, list[str]] = (
            _find_files(self.path, self.manifest["metrics"], self.format)
            if self._journal is None
            else {metric: [] for metric in self._journal.metrics}
        )

    def __getitem__(self, metric: str) -> pa.Table:
        return pa.Table.from_batches(
            self.batches(metric), schema=LABEL_TABLE_SCHEMA if metric in self.labels else TABLE_SCHEMA
        )

    def __contains__(self, metric: object) -> bool:
        return metric in self._files

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)

    def __repr__(self) -> str:
        return f"<Dataset {self.path}: {len(self)} metrics, {len(self.facts)} jobs>"

    def batches(self, metric: str) -> Iterator[pa.RecordBatch]:
        """Rows of a metric in batches of at most 131,072: job, stream, part, value, line, offset, start, time.

        Of a journal, all rows of the metric are held in memory.

        The names are dictionaries of int32 to string, ``part`` is int32, ``value`` is float64 (string for a label), ``line``,
        ``offset`` and ``start`` are int64, ``time`` is in microseconds, UTC. ``part`` is 0 in datasets of earlier versions.

        Raises
        ------
        SourceError
            A file cannot be read, or the dataset does not have as many rows as the replay wrote.
        """
        if self._journal is not None:
            if metric not in self._files:
                raise KeyError(metric)
            for _, batch in self._journal.batches([metric]):
                yield batch
            return
        rows = 0
        schema = LABEL_SCHEMA if metric in self.labels else SCHEMA
        for path in self._files[metric]:
            try:
                for batch in READERS[self.format](path, schema):
                    if batch.num_rows:
                        rows += batch.num_rows
                        conformed = _conformed(batch, path, schema)
                        yield unguarded(conformed) if self._manifest.csv_guard else conformed
            # the files may hold anything
            except (
                OSError,
                LookupError,
                TypeError,
                ValueError,
                ArithmeticError,
                RecursionError,
                pa.ArrowException,
            ) as error:
                if isinstance(error, SourceError):
                    raise
                raise SourceError(f"cannot read {path}", path=path, cause=error) from error
        expected = self._manifest.rows_written(metric)
        if expected is not None and rows != expected:
            message = f"{self.path} has {rows:,} rows of {metric!r}; {expected:,} were written"
            raise SourceError(message, path=self.path, hint=REPLAY_AGAIN)

    @cached_property
    def evidence(self) -> Evidence:
        """What the replay noted of logs besides their rows; of a journal, what its writer did."""
        return self._manifest.evidence if self._journal is None else self._journal.evidence()

    @cached_property
    def superseded(self) -> dict[tuple[str, str], int]:
        """By job and stream, how many of its first parts later attempts superseded; only such streams are keys."""
        return self._manifest.superseded()

    @cached_property
    def jobs(self) -> list[Job]:
        """The jobs of the replay with their logs."""
        try:
            return self._manifest.jobs()
        except (LookupError, TypeError, ValueError) as error:
            place = os.path.join(self.path, manifests.MANIFEST)
            raise SourceError(
                f"{place} names a job of a source that it does not describe", path=place, cause=error
            ) from error

    @cached_property
    def names(self) -> pa.Array:
        """The names of the jobs, in natural name order."""
        return pa.array([one.name for one in self.facts], pa.string())

    def rows(self, metric: str, streams: StreamNumbers) -> Iterator[Rows]:
        """Rows of a metric as numpy columns in batches, in the order of the jobs; zero-copy where the memory allows it.

        Parameters
        ----------
        metric : str
        streams : StreamNumbers
            Numbers the streams; shared by all metrics that are read together.

        Raises
        ------
        OutOfOrderError
            The rows are not in the order of the jobs.
        """
        position = 0
        for batch in self.batches(metric):
            used, codes = used_codes_of(batch.column("job"), "job")
            numbers = self._numbers(used, position)[codes]
            if (numbers[1:] < numbers[:-1]).any():
                raise OutOfOrderError(metric)
            position = int(numbers[-1])
            yield Rows.of(numbers, streams.of(batch.column("stream")), batch)

    def _numbers(self, names: pa.Array, position: int) -> np.ndarray[Any, np.dtype[np.int64]]:
        """The numbers of jobs, which are at least ``position``; the search starts there and widens."""
        width = 2 * len(names) + 1024
        while True:
            found = pc.index_in(names, self.names.slice(position, width))
            if not found.null_count:
                return found.to_numpy().astype(np.int64) + position  # type: ignore[no-any-return]
            if position + width >= len(self.names):
                raise OutOfOrderError
            width *= 4


class StreamNumbers:
    """A number for each stream's name, in the order of appearance."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._names = pa.array([], pa.string())

    def of(self, column: pa.Array) -> np.ndarray[Any, np.dtype[np.int64]]:
        """The number of each row's stream, int64."""
        used, codes = used_codes_of(column, "stream")
        numbers = self._numbers
        return np.array([numbers.setdefault(name, len(numbers)) for name in used.to_pylist()], dtype=np.int64)[codes]

    def names(self) -> pa.Array:
        """The names, by number."""
        if len(self._names) < len(self._numbers):
            self._names = pa.array(list(self._numbers), pa.string())
        return self._names


def _find_files(path: str, folders: Mapping[str, str], format_: str) -> dict[str, list[str]]:
    from metricscan.logs.natural import natural

    files: dict[str, list[str]] = {}
    missing = []
    inside = os.path.join(os.path.realpath(path), "")
    for metric, folder in folders.items():
        at = os.path.join(path, folder)
        _check_inside(at, inside, path)
        try:
            names = sorted(
                (one for one in os.listdir(at) if one.endswith(f".{format_}") and one[0] not in "._"), key=natural
            )
        except OSError:
            names = []
        if not names:
            missing.append(os.path.join(at, f"part-0.{format_}"))
        files[metric] = [os.path.join(at, name) for name in names]
        for file in files[metric]:
            _check_inside(file, inside, path)
    if missing:
        raise SourceError(f"{path} lacks files: {', '.join(missing)}", path=missing[0], hint=REPLAY_AGAIN)
    return files


def _check_inside(at: str, inside: str, path: str) -> None:
    """Raise an error for a link that leads out of the folder of the dataset."""
    if os.path.islink(at) and not os.path.realpath(at).startswith(inside):
        raise SourceError(f"{at} leads out of {path}; the files of a dataset are in its folder", path=at)


def _validate(column: pa.Array) -> None:
    """Raise a ValueError or an ArrowInvalid unless texts are UTF-8 and within their memory; the files may be damaged.

    Numbers can hold anything; of those that are looked up the greatest is compared, which takes a twentieth of a full validation.
    """
    column.validate()
    if pa.types.is_string(column.type):
        column.validate(full=True)
    elif pa.types.is_dictionary(column.type):
        column.dictionary.validate(full=True)
        codes = column.indices.drop_null() if column.null_count else column.indices
        # a negative one is a great one without its sign
        if (
            len(codes)
            and codes.type.bit_width == 32
            and codes.to_numpy().view(np.uint32).max() >= len(column.dictionary)
        ):
            raise ValueError("a row has the number of no name")


def _conformed(batch: pa.RecordBatch, path: str, schema: pa.Schema) -> pa.RecordBatch:
    """The columns of a table, cast to their types; zero-copy for those that have them."""
    if "part" not in batch.schema.names:
        # a dataset of an earlier version
        batch = batch.append_column("part", pa.array(np.zeros(batch.num_rows, np.int32)))
    missing = [name for name in TABLE_SCHEMA.names if name not in batch.schema.names]
    if missing:
        raise SourceError(f"{path} has no column {', '.join(missing)}", path=path)
    twice = [name for name in TABLE_SCHEMA.names if batch.schema.names.count(name) > 1]
    if twice:
        raise SourceError(f"{path} has more than one column {', '.join(twice)}", path=path)
    columns = []
    for name in TABLE_SCHEMA.names:
        column, wanted = batch.column(name), schema.field(name).type
        _validate(column)
        if column.type != wanted:
            column = column.dictionary_encode() if pa.types.is_string(column.type) else column
            column = column.cast(wanted) if column.type != wanted else column
        columns.append(column)
    return pa.RecordBatch.from_arrays(columns, schema=LABEL_TABLE_SCHEMA if schema is LABEL_SCHEMA else TABLE_SCHEMA)
