"""Reading a dataset that a replay wrote: its tables, what is known of its jobs, and its rows in bounded memory."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metricscan.datasets.rows import Rows, used_codes_of
from metricscan.datasets.sink import FORMATS, LABEL_SCHEMA, MANIFEST, MANIFEST_VERSION, SCHEMA
from metricscan.definitions.objective import Objective
from metricscan.errors import SourceError
from metricscan.logs.job import Job, Log

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

BATCH_ROWS = 131_072
_COLUMNS = [name for name in SCHEMA.names if name != "metric"]
_ROWS = pa.schema([SCHEMA.field(name) for name in _COLUMNS])
_LABEL_ROWS = pa.schema([LABEL_SCHEMA.field(name) for name in _COLUMNS])
_NUMBERS = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


class JobFacts(NamedTuple):
    """What a dataset says of a job."""

    name: str
    status: str | None
    hyperparameters: Mapping[str, str]


class OutOfOrderError(Exception):
    """Rows do not stand in the order of the jobs, as a replay writes them: somebody else has written here."""


class Dataset(Mapping[str, pa.Table]):
    """A dataset on disk: a mapping from each metric to its table, which is read when it is asked for.

    Parameters
    ----------
    path : path
        The folder that ``replay(..., out=path)`` or ``metricscan replay --out`` wrote.

    Attributes
    ----------
    path : str
    manifest : dict
        What else the replay noted: definitions, options, objective, sources, counts, errors.
    facts : list of JobFacts
        Name, status and hyperparameters of each job, in natural name order; jobs without a row too.
    objective : Objective or None
        By which the replay ranked.
    completed_only : bool
        Whether it gave a rank only to jobs whose status is Completed.
    labels : tuple of str
        Those of the metrics whose values are text.

    Raises
    ------
    SourceError
        It is no dataset, it is one of another version, or a file is missing or cannot be read; the latter also while
        reading.

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
        self.manifest = _read_manifest(self.path)
        self.format: str = self.manifest["format"]
        self._files = _find_files(self.path, self.manifest["metrics"], self.format)
        # an older dataset has no labels, and does not say so; nor whom the replay ranked
        self.labels = tuple(self.manifest.get("labels", ()))
        self.completed_only: bool = self.manifest.get("completed_only", False)
        objective = self.manifest["objective"]
        try:
            self.facts = [
                JobFacts(one["job"], one["status"], one["hyperparameters"]) for one in self.manifest.pop("jobs")
            ]
            self.objective = None if objective is None else Objective(**objective)
        except (KeyError, TypeError, ValueError) as error:
            place = os.path.join(self.path, MANIFEST)
            message = f"{place} is no manifest of a replay: its jobs or its objective are not what they should be"
            raise SourceError(message, path=place, cause=error) from error

    def __getitem__(self, metric: str) -> pa.Table:
        return pa.Table.from_batches(self.batches(metric), schema=_LABEL_ROWS if metric in self.labels else _ROWS)

    def __contains__(self, metric: object) -> bool:
        return metric in self._files

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)

    def __repr__(self) -> str:
        return f"<Dataset {self.path}: {len(self)} metrics, {len(self.facts)} jobs>"

    def batches(self, metric: str) -> Iterator[pa.RecordBatch]:
        """Rows of a metric in batches: job, stream, value, line, offset, start, time.

        Raises
        ------
        SourceError
            A file cannot be read, or there are not as many rows as the replay wrote.
        """
        rows = 0
        schema = LABEL_SCHEMA if metric in self.labels else SCHEMA
        for path in self._files[metric]:
            try:
                for batch in _READERS[self.format](path, schema):
                    if batch.num_rows:
                        rows += batch.num_rows
                        yield _conformed(batch, path, schema)
            except (OSError, ValueError, pa.ArrowException) as error:
                if isinstance(error, SourceError):
                    raise
                raise SourceError(f"cannot read {path}", path=path, cause=error) from error
        expected = self.manifest["counts"].get(metric, {}).get("rows", rows)
        if rows != expected:
            raise SourceError(
                f"{self.path} has {rows:,} rows of {metric!r}; {expected:,} were written", path=self.path, hint=_HINT
            )

    @cached_property
    def jobs(self) -> list[Job]:
        """The jobs with their logs, as the replay had them."""
        jobs = {one.name: Job(one.name, [], one.status, dict(one.hyperparameters)) for one in self.facts}
        for source in self.manifest["sources"]:
            jobs[source["job"]].logs.append(Log(source["path"], source["stream"]))
        return list(jobs.values())

    @cached_property
    def names(self) -> pa.Array:
        """The names of the jobs."""
        return pa.array([one.name for one in self.facts], pa.string())

    def rows(self, metric: str, streams: StreamNumbers) -> Iterator[Rows]:
        """Rows of a metric with the numbers of their jobs, in batches, in the order of the jobs.

        Raises
        ------
        OutOfOrderError
            They are not in the order of the jobs.
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
        """The numbers of jobs that come at or after a position; looked for near it first."""
        width = 2 * len(names) + 1024
        while True:
            found = pc.index_in(names, self.names.slice(position, width))
            if not found.null_count:
                return found.to_numpy().astype(np.int64) + position  # type: ignore[no-any-return]
            if position + width >= len(self.names):
                raise OutOfOrderError
            width *= 4


class StreamNumbers:
    """A number for each stream's name, in the order in which they come."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._names = pa.array([], pa.string())

    def of(self, column: pa.Array) -> np.ndarray[Any, np.dtype[np.int64]]:
        """The number of each row's stream."""
        used, codes = used_codes_of(column, "stream")
        numbers = self._numbers
        return np.array([numbers.setdefault(name, len(numbers)) for name in used.to_pylist()], dtype=np.int64)[codes]

    def names(self) -> pa.Array:
        """The names by number."""
        if len(self._names) < len(self._numbers):
            self._names = pa.array(list(self._numbers), pa.string())
        return self._names


_HINT = "a replay writes all files of a dataset at once; run it again"


def _read_manifest(path: str) -> dict[str, Any]:
    place = os.path.join(path, MANIFEST)
    try:
        with open(place, encoding="utf-8") as file:
            manifest: dict[str, Any] = json.load(file)
    except FileNotFoundError as error:
        hint = "replay --out DIR writes one"
        if not os.path.exists(path):
            raise SourceError(f"cannot open {path}", path=path, cause=error, hint=hint) from None
        raise SourceError(f"{path} is no dataset: it has no {MANIFEST}", path=path, hint=hint) from None
    except (OSError, ValueError, RecursionError) as error:
        raise SourceError(f"cannot read {place}", path=place, cause=error) from error
    version = manifest.get("format_version") if isinstance(manifest, dict) else None
    if version != MANIFEST_VERSION:
        raise SourceError(
            f"{place} is of format version {version!r}; {MANIFEST_VERSION} was expected", path=place, hint=_HINT
        )
    expected = {"format": str, "metrics": dict, "jobs": list, "sources": list, "counts": dict}
    faults = [key for key, kind in expected.items() if not isinstance(manifest.get(key), kind)]
    if not isinstance(manifest.get("labels", {}), dict):
        faults.append("labels")
    if not isinstance(manifest.get("completed_only", False), bool):
        faults.append("completed_only")
    errors = manifest.get("errors", [])
    if not isinstance(errors, list) or not all(isinstance(one, dict) and "message" in one for one in errors):
        faults.append("errors")
    if manifest.get("format") not in FORMATS:
        faults.append("format")
    if faults or "objective" not in manifest:
        names = ", ".join(dict.fromkeys(faults)) or "objective"
        raise SourceError(
            f"{place} is no manifest of a replay: {names} is missing, or not what it should be", path=place
        )
    return manifest


def _find_files(path: str, folders: Mapping[str, str], format_: str) -> dict[str, list[str]]:
    from metricscan.logs.natural import natural

    files: dict[str, list[str]] = {}
    missing = []
    for metric, folder in folders.items():
        at = os.path.join(path, folder)
        try:
            names = sorted(
                (one for one in os.listdir(at) if one.endswith(f".{format_}") and one[0] not in "._"), key=natural
            )
        except OSError:
            names = []
        if not names:
            missing.append(os.path.join(at, f"part-0.{format_}"))
        files[metric] = [os.path.join(at, name) for name in names]
    if missing:
        raise SourceError(f"{path} has files missing: {', '.join(missing)}", path=missing[0], hint=_HINT)
    return files


def _conformed(batch: pa.RecordBatch, path: str, schema: pa.Schema) -> pa.RecordBatch:
    """The columns of rows, in their types."""
    missing = [name for name in _COLUMNS if name not in batch.schema.names]
    if missing:
        raise SourceError(f"{path} has no column {', '.join(missing)}", path=path)
    columns = []
    for name in _COLUMNS:
        column, wanted = batch.column(name), schema.field(name).type
        if column.type != wanted:
            column = column.dictionary_encode() if pa.types.is_string(column.type) else column
            column = column.cast(wanted) if column.type != wanted else column
        columns.append(column)
    return pa.RecordBatch.from_arrays(columns, schema=_LABEL_ROWS if schema is LABEL_SCHEMA else _ROWS)


# ---- formats


def _parquet(path: str, _: pa.Schema) -> Iterator[pa.RecordBatch]:
    import pyarrow.parquet as pq

    # read, not mapped: pages of a mapped file would count as memory of ours
    with pq.ParquetFile(path, memory_map=False, pre_buffer=False) as file:
        yield from file.iter_batches(BATCH_ROWS, columns=_COLUMNS)


def _arrow(path: str, _: pa.Schema) -> Iterator[pa.RecordBatch]:
    with pa.OSFile(path) as source, pa.ipc.open_file(source) as file:
        for number in range(file.num_record_batches):
            yield file.get_batch(number)


def _csv(path: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    import pyarrow.csv as pc

    plain = {field.name: pa.string() if pa.types.is_dictionary(field.type) else field.type for field in schema}
    convert = pc.ConvertOptions(column_types=plain, null_values=[""], strings_can_be_null=False)
    # as the sink writes it: a name may hold a newline
    yield from pc.open_csv(path, parse_options=pc.ParseOptions(newlines_in_values=True), convert_options=convert)


def _json_lines(path: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    from itertools import islice

    with open(path, encoding="utf-8") as file:
        while lines := list(islice(file, BATCH_ROWS)):
            rows = [json.loads(line) for line in lines]
            columns: list[Sequence[Any]] = [[row[name] for row in rows] for name in schema.names]
            place = schema.names.index("value")
            if schema is SCHEMA:
                columns[place] = [_NUMBERS.get(one, one) for one in columns[place]]
            arrays = []
            for field, column in zip(schema, columns, strict=True):
                if pa.types.is_dictionary(field.type):
                    arrays.append(pa.array(column, pa.string()).dictionary_encode())
                elif pa.types.is_timestamp(field.type):
                    arrays.append(pa.array(column, pa.string()).cast(field.type))
                else:
                    arrays.append(pa.array(column, field.type))
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)


_READERS: dict[str, Callable[[str, pa.Schema], Iterator[pa.RecordBatch]]] = {
    "parquet": _parquet,
    "arrow": _arrow,
    "csv": _csv,
    "jsonl": _json_lines,
}
