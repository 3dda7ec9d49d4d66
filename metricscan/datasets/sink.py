"""Datasets on disk: a folder a metric, the ranking, and a manifest, in Parquet, Arrow IPC, CSV or JSON lines.

Everything is written into a folder beside the target, which takes the target's name when it is whole. Files whose name
starts with ``_`` are no part of the rows; readers of datasets pass over them.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import secrets
import shutil
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
import pyarrow as pa

from metricscan.errors import OptionError, SourceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType

FORMATS = ("parquet", "arrow", "csv", "jsonl")
MANIFEST = "_manifest.json"
MANIFEST_VERSION = 1

_NAMES = pa.dictionary(pa.int32(), pa.string())
#: Rows as they are written.
SCHEMA = pa.schema(
    [
        pa.field("job", _NAMES, nullable=False),
        pa.field("stream", _NAMES, nullable=False),
        pa.field("metric", _NAMES, nullable=False),
        pa.field("value", pa.float64(), nullable=False),
        pa.field("line", pa.int64(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("start", pa.int64(), nullable=False),
        pa.field("time", pa.timestamp("us", tz="UTC")),
    ]
)
#: Rows of a label: ``value`` is text.
LABEL_SCHEMA = SCHEMA.set(3, pa.field("value", pa.string(), nullable=False))
# As many rows as make a good row group, as long as few metrics share the memory.
_GROUP_ROWS = 131_072
_HELD_ROWS = 524_288


def folder_name(metric: str) -> str:
    """The name of a metric's folder: percent-encoded where a path, or a reader of datasets, would mistake it.

    >>> folder_name("validation:auc"), folder_name("a/b"), folder_name(".."), folder_name("_loss")
    ('validation%3Aauc', 'a%2Fb', '%2E.', '%5Floss')
    """
    from urllib.parse import quote

    name = quote(metric, safe=" +-._,()[]{}@!$&'~^")
    if name[0] in "._~":
        name = f"%{ord(name[0]):02X}{name[1:]}"
    if len(name) > 200:
        # a file system takes 255 bytes
        import hashlib

        name = f"{name[:180].rstrip('%')}~{hashlib.sha256(metric.encode()).hexdigest()[:16]}"
    return name


def metric_name(folder: str) -> str:
    """The metric whose folder this is; the inverse of :func:`folder_name` for names that were not cut.

    >>> metric_name("validation%3Aauc")
    'validation:auc'
    """
    from urllib.parse import unquote

    return unquote(folder)


def check_format(format: str) -> None:  # noqa: A002
    """Raise an OptionError if a dataset has no such format."""
    if format not in FORMATS:
        raise OptionError(f"format={format!r}: one of {', '.join(FORMATS)} was expected")


class Sink:
    """A dataset in the making; a context manager. Leaving it without :meth:`finish`, or by an error, leaves nothing.

    Parameters
    ----------
    path : path
        Folder of the dataset. It may not hold anything yet, unless it is a dataset and ``overwrite`` is set.
    metrics : sequence of str
    format : {"parquet", "arrow", "csv", "jsonl"}
    overwrite : bool
    labels : sequence of str
        Those of the metrics whose values are text.

    Raises
    ------
    OptionError
        Another format, or a folder that is not to be overwritten.
    SourceError
        It cannot be written.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        metrics: Iterable[str],
        *,
        format: str = "parquet",  # noqa: A002
        overwrite: bool = False,
        labels: Iterable[str] = (),
    ) -> None:
        check_format(format)
        # behind a link, so that what is replaced is the folder and not the link
        self.path = os.path.realpath(path)
        self.format = format
        self._metrics = tuple(metrics)
        self._labels = frozenset(labels)
        self._overwrite = overwrite
        self._writers: dict[str, _Writer] = {}
        self._held: dict[str, list[pa.RecordBatch]] = {}
        self._held_rows = 0
        self._check_target()
        try:
            parent = os.path.dirname(self.path)
            os.makedirs(parent, exist_ok=True)
            # hidden, and of a name that nobody else takes
            self._folder = os.path.join(parent, f".{os.path.basename(self.path)}.{secrets.token_hex(4)}.partial")
            os.mkdir(self._folder)
        except OSError as error:
            raise SourceError(f"cannot write {self.path}", path=self.path, cause=error) from error

    def _check_target(self) -> None:
        if not os.path.lexists(self.path):
            return
        if not os.path.isdir(self.path):
            raise OptionError(f"{self.path} is a file; a folder was expected for the dataset")
        if not os.listdir(self.path):
            return
        if not os.path.isfile(os.path.join(self.path, MANIFEST)):
            # what we have not written we do not remove
            raise OptionError(f"{self.path} is not empty, and no dataset: it has no {MANIFEST}; it is not overwritten")
        if not self._overwrite:
            raise OptionError(
                f"{self.path} is not empty", hint="overwrite (--overwrite) replaces a dataset that is there"
            )

    def write(self, metric: str, batch: pa.RecordBatch) -> None:
        """Add rows of a metric, in the columns of ``SCHEMA``, or of a label, in those of ``LABEL_SCHEMA``."""
        if batch.num_rows == 0:
            return
        held = self._held.setdefault(metric, [])
        held.append(batch)
        self._held_rows += batch.num_rows
        if sum(one.num_rows for one in held) >= _GROUP_ROWS:
            self._flush(metric)
        elif self._held_rows >= _HELD_ROWS:
            self._flush(max(self._held, key=lambda name: sum(one.num_rows for one in self._held[name])))

    def _flush(self, metric: str) -> None:
        held = self._held.pop(metric, [])
        schema = LABEL_SCHEMA if metric in self._labels else SCHEMA
        table = pa.Table.from_batches(held, schema=schema)
        self._held_rows -= table.num_rows
        try:
            writer = self._writers.get(metric)
            if writer is None:
                folder = os.path.join(self._folder, folder_name(metric))
                os.mkdir(folder)
                path = os.path.join(folder, f"part-0.{self.format}")
                writer = self._writers[metric] = _WRITERS[self.format](path, schema)
            writer.write(table)
        except OSError as error:
            raise SourceError(f"cannot write {self.path}", path=self.path, cause=error) from error

    def finish(self, ranking: pa.Table | None, manifest: Mapping[str, Any]) -> None:
        """Write what is held, the ranking and the manifest, and give the folder its name."""
        for metric in self._metrics:
            # a metric without rows has a file that says so
            self._flush(metric)
        try:
            for written in self._writers.values():
                written.close()
            if ranking is not None:
                writer = _WRITERS[self.format](os.path.join(self._folder, f"_ranking.{self.format}"), ranking.schema)
                writer.write(ranking)
                writer.close()
            folders = {metric: folder_name(metric) for metric in self._metrics}
            document = {"format_version": MANIFEST_VERSION, "format": self.format, "metrics": folders, **manifest}
            with open(os.path.join(self._folder, MANIFEST), "w", encoding="utf-8") as file:
                json.dump(document, file, indent=2, ensure_ascii=True)
                file.write("\n")
            self._take_place()
        except OSError as error:
            raise SourceError(f"cannot write {self.path}", path=self.path, cause=error) from error

    def _take_place(self) -> None:
        if os.path.isdir(self.path) and os.listdir(self.path):
            self._check_target()
            old = self._folder[: -len(".partial")] + ".old"
            os.rename(self.path, old)
            try:
                os.rename(self._folder, self.path)
            except OSError:
                os.rename(old, self.path)
                raise
            shutil.rmtree(old, ignore_errors=True)
        else:
            # an empty folder is replaced
            os.rename(self._folder, self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for writer in self._writers.values():
            # a disk that was full is full still
            with contextlib.suppress(OSError):
                writer.abandon()
        shutil.rmtree(self._folder, ignore_errors=True)


# ---- formats


class _Writer(Protocol):
    def __init__(self, path: str, schema: pa.Schema) -> None: ...
    def write(self, table: pa.Table) -> None: ...
    def close(self) -> None: ...
    def abandon(self) -> None: ...


class _ParquetWriter:
    def __init__(self, path: str, schema: pa.Schema) -> None:
        import pyarrow.parquet as pq

        names = [field.name for field in schema if pa.types.is_dictionary(field.type)]
        if schema is LABEL_SCHEMA:
            names.append("value")
        # values hardly repeat, places do not at all: a dictionary of them costs time and gains nothing
        self._writer = pq.ParquetWriter(
            path, schema, compression="zstd", compression_level=1, use_dictionary=names, write_page_index=True
        )

    def write(self, table: pa.Table) -> None:
        if table.num_rows:
            self._writer.write_table(_with_used_names(table), row_group_size=_GROUP_ROWS)

    def close(self) -> None:
        self._writer.close()

    abandon = close


def _with_used_names(table: pa.Table) -> pa.Table:
    """The table with no name in its dictionaries that it does not use.

    Each row group would write the whole dictionary: with a million jobs that is a second for every 131,072 rows.
    """
    for number, field in enumerate(table.schema):
        if not pa.types.is_dictionary(field.type):
            continue
        chunks = table.column(number).chunks
        names = chunks[0].dictionary
        if any(_addresses(chunk.dictionary) != _addresses(names) for chunk in chunks):
            continue
        codes = np.concatenate([chunk.indices.to_numpy() for chunk in chunks])
        used = np.unique(codes)
        if len(used) == len(names):
            continue
        column = pa.DictionaryArray.from_arrays(
            pa.array(np.searchsorted(used, codes), field.type.index_type), names.take(pa.array(used))
        )
        table = table.set_column(number, field, column)
    return table


def _addresses(names: pa.Array) -> list[int | None]:
    """Where an array lies in memory: equal for arrays that are one."""
    return [names.offset, len(names), *(buffer and buffer.address for buffer in names.buffers())]


class _ArrowWriter:
    def __init__(self, path: str, schema: pa.Schema) -> None:
        self._file = pa.OSFile(path, "wb")
        # every batch has the same dictionaries, but each file writes them once only if they are one object
        self._writer = pa.ipc.new_file(self._file, schema, options=pa.ipc.IpcWriteOptions(unify_dictionaries=True))

    def write(self, table: pa.Table) -> None:
        self._writer.write_table(table)

    def close(self) -> None:
        self._writer.close()
        self._file.close()

    def abandon(self) -> None:
        self._file.close()


class _CsvWriter:
    """NaN and infinities as ``nan``, ``inf`` and ``-inf``; null as nothing; a map as a JSON object."""

    def __init__(self, path: str, schema: pa.Schema) -> None:
        self._file = pa.OSFile(path, "wb")
        self._file.write((",".join(schema.names) + "\n").encode())

    def write(self, table: pa.Table) -> None:
        import pyarrow.csv as pc

        if table.num_rows:
            columns = [_as_csv(table.column(name)) for name in table.schema.names]
            plain = pa.table(columns, names=table.schema.names)
            pc.write_csv(plain, self._file, pc.WriteOptions(include_header=False, quoting_style="needed"))

    def close(self) -> None:
        self._file.close()

    abandon = close


def _as_csv(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_dictionary(column.type):
        return column.cast(pa.string())
    if pa.types.is_map(column.type):
        return pa.chunked_array(
            [[None if item is None else json.dumps(dict(item)) for item in column.to_pylist()]], pa.string()
        )
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.string())
    return column


class _JsonLinesWriter:
    """An object a line; NaN and infinities, which JSON has not, as the strings ``"NaN"``, ``"Infinity"``, ``"-Infinity"``."""

    def __init__(self, path: str, schema: pa.Schema) -> None:
        self._file = open(path, "w", encoding="utf-8")  # noqa: SIM115 - closed by close
        self._keys = [json.dumps(name) for name in schema.names]

    def write(self, table: pa.Table) -> None:
        for batch in table.to_batches(max_chunksize=65_536):
            columns = [_as_json(column) for column in batch.columns]
            rows = zip(*columns, strict=True)
            self._file.writelines(
                "{" + ", ".join([f"{key}: {value}" for key, value in zip(self._keys, row, strict=True)]) + "}\n"
                for row in rows
            )

    def close(self) -> None:
        self._file.close()

    abandon = close


def _as_json(column: pa.Array) -> list[str]:
    if pa.types.is_dictionary(column.type):
        texts = [json.dumps(name) for name in column.dictionary.to_pylist()]
        return ["null" if index is None else texts[index] for index in column.indices.to_pylist()]
    if pa.types.is_floating(column.type):
        return [json_number(value) for value in column.to_pylist()]
    if pa.types.is_integer(column.type):
        return ["null" if value is None else str(value) for value in column.to_pylist()]
    if pa.types.is_map(column.type):
        return ["null" if item is None else json.dumps(dict(item)) for item in column.to_pylist()]
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.string())
    return [json.dumps(value) for value in column.to_pylist()]


def json_number(value: float | None) -> str:
    """A number as JSON text that brings it back.

    >>> json_number(0.1), json_number(float("nan")), json_number(float("-inf"))
    ('0.1', '"NaN"', '"-Infinity"')
    """
    if value is None:
        return "null"
    if math.isfinite(value):
        return repr(value)
    return '"NaN"' if math.isnan(value) else '"Infinity"' if value > 0 else '"-Infinity"'


_WRITERS: dict[str, type[_Writer]] = {
    "parquet": _ParquetWriter,
    "arrow": _ArrowWriter,
    "csv": _CsvWriter,
    "jsonl": _JsonLinesWriter,
}
