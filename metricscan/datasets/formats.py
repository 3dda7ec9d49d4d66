"""The formats of a dataset's files: how each is written, and how it is read."""

from __future__ import annotations

import json
import math
import os
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa

from metricscan.datasets.csv_guard import guarded
from metricscan.datasets.parked_file import ParkedFile
from metricscan.datasets.row_lines import RowLinesWriter
from metricscan.datasets.schema import LABEL_SCHEMA, SCHEMA, TABLE_SCHEMA
from metricscan.datasets.sparse_file import SparseFile
from metricscan.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

FORMATS = ("parquet", "arrow", "csv", "jsonl")
#: Rows of a row group: enough that its overhead is small, few enough that writing it needs little memory.
GROUP_ROWS = 131_072
#: Rows that are read at once.
BATCH_ROWS = 131_072
# Those of JSON lines: each is a map in memory until its batch is made.
_JSON_ROWS = 16_384
_NUMBERS = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


def check_format(format: str) -> None:  # noqa: A002
    """Raise an OptionError if a dataset has no such format."""
    if format not in FORMATS:
        raise OptionError(f"format={format!r}: one of {', '.join(FORMATS)} was expected")


def _opened(path: str, mode: str) -> pa.OSFile:
    """A file for pyarrow, which encodes a text as UTF-8 and so fails at a name that is not UTF-8."""
    return pa.OSFile(os.fsencode(path), mode)


# ---- writing


class Writer(Protocol):
    """A file that is written table by table. Each method may raise an OSError."""

    def __init__(self, path: str, schema: pa.Schema) -> None: ...

    def write(self, table: pa.Table) -> None:
        """Add the rows of a table with the file's schema."""

    def park(self) -> None:
        """Close the descriptor until more is written: a process may have some hundred of them. Not all formats need one."""

    def close(self) -> None:
        """Complete the file."""

    def abandon(self) -> None:
        """Close the file without completing it."""


_PLACES = ("line", "offset", "start")
# The columns that are not compressed: differences of places gain 2 %, and the metric is one name in each file.
_PLAIN = (*_PLACES, "metric")
# of rows, and of rows of a label
_ENCODINGS = (
    dict.fromkeys(_PLACES, "DELTA_BINARY_PACKED") | {"value": "BYTE_STREAM_SPLIT"},
    dict.fromkeys(_PLACES, "DELTA_BINARY_PACKED"),
)


class _ParquetWriter:
    def __init__(self, path: str, schema: pa.Schema, *, parks: bool = False) -> None:
        import pyarrow.parquet as pq

        names = [field.name for field in schema if pa.types.is_dictionary(field.type)]
        of_rows, of_label = _is_of_rows(schema), schema.equals(LABEL_SCHEMA)
        if of_label:
            names.append("value")
        # Values rarely repeat and places never do: a dictionary of them costs time and saves nothing. Places rise, so their
        # differences are small, and zstd gains 2 % more on them for a third of the time. The bytes of values lie apart,
        # first those that differ little. Beside plain columns under zstd: half of the time, 0.62 of the size. Parts are long
        # runs of one number, which zstd packs as well as a dictionary, in 1.5 ns a row where that takes 4.
        # a file of pyarrow cannot be closed and go on, but is written to without the GIL
        self._parked = ParkedFile(path) if parks else None
        self._file = _opened(path, "wb") if self._parked is None else pa.PythonFile(self._parked, mode="w")
        self._writer = pq.ParquetWriter(
            self._file,
            schema,
            compression={name: "none" if of_rows and name in _PLAIN else "zstd" for name in schema.names},
            compression_level={name: 1 for name in schema.names if not (of_rows and name in _PLAIN)},
            use_dictionary=names,
            column_encoding=_ENCODINGS[of_label] if of_rows else None,
            # streams, parts and metrics are few: their least and greatest ones help no reader, and take a fifth of the time
            write_statistics=[name for name in schema.names if not (of_rows and name in ("stream", "part", "metric"))],
            write_batch_size=16384,
            write_page_index=True,
        )

    def write(self, table: pa.Table) -> None:
        if table.num_rows:
            self._writer.write_table(_with_used_names(table), row_group_size=GROUP_ROWS)

    def park(self) -> None:
        if self._parked is not None:
            self._parked.park()

    def close(self) -> None:
        try:
            self._writer.close()
        finally:
            (self._file if self._parked is None else self._parked).close()

    abandon = close


def _with_used_names(table: pa.Table) -> pa.Table:
    """The table with dictionaries reduced to the names that occur; zero-copy if all do.

    Each row group would write the whole dictionary: with a million jobs that takes a second for every 131,072 rows.
    """
    for number, field in enumerate(table.schema):
        if not pa.types.is_dictionary(field.type):
            continue
        chunks = table.column(number).chunks
        names = chunks[0].dictionary
        if len(names) == 1:
            continue
        if any(_addresses(chunk.dictionary) != _addresses(names) for chunk in chunks):
            continue
        codes = np.concatenate([chunk.indices.to_numpy() for chunk in chunks])
        # not by np.unique, which sorts: that took as long as half of the writing
        is_used = np.zeros(len(names), bool)
        is_used[codes] = True
        used = np.flatnonzero(is_used)
        if len(used) == len(names):
            continue
        column = pa.DictionaryArray.from_arrays(
            pa.array((np.cumsum(is_used) - 1)[codes], field.type.index_type), names.take(pa.array(used))
        )
        table = table.set_column(number, field, column)
    return table


def _addresses(names: pa.Array) -> list[int | None]:
    """Offset, length and buffer addresses of an array. Arrays that share their memory have equal ones."""
    return [names.offset, len(names), *(buffer and buffer.address for buffer in names.buffers())]


class _ArrowWriter:
    def __init__(self, path: str, schema: pa.Schema) -> None:
        self._file = SparseFile(path)
        # all batches have equal dictionaries, but the file writes them only once if they are unified
        options = pa.ipc.IpcWriteOptions(unify_dictionaries=True)
        self._writer = pa.ipc.new_file(pa.PythonFile(self._file, mode="w"), schema, options=options)

    def write(self, table: pa.Table) -> None:
        self._writer.write_table(table)

    def park(self) -> None:
        self._file.park()

    def close(self) -> None:
        self._writer.close()
        self._file.close()

    def abandon(self) -> None:
        self._file.abandon()


class _TableAsCsv:
    """Any table but that of rows.

    NaN and infinities are ``nan``, ``inf`` and ``-inf``, null is an empty cell; a map, a list and a struct are JSON.
    """

    def __init__(self, path: str, schema: pa.Schema, *, guard: bool = False) -> None:
        self._guard = guard
        self._file = _opened(path, "wb")
        self._file.write((",".join(schema.names) + "\n").encode())

    def write(self, table: pa.Table) -> None:
        import pyarrow.csv as pc

        if table.num_rows:
            columns = [self._cells(table.column(name)) for name in table.schema.names]
            plain = pa.table(columns, names=table.schema.names)
            pc.write_csv(plain, self._file, pc.WriteOptions(include_header=False, quoting_style="needed"))

    def _cells(self, column: pa.ChunkedArray) -> pa.ChunkedArray:
        column = _as_csv(column)
        if self._guard and pa.types.is_string(column.type):
            texts = [None if text is None else guarded(text) for text in column.to_pylist()]
            return pa.chunked_array([pa.array(texts, pa.string())])
        return column

    def park(self) -> None:
        """Keep the file open: there is one such table in a dataset."""

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
    if pa.types.is_list(column.type) or pa.types.is_struct(column.type):
        return pa.chunked_array(
            [[None if item is None else json.dumps(item) for item in column.to_pylist()]], pa.string()
        )
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.string())
    return column


class _TableAsJsonLines:
    """Any table but that of rows: one object per line.

    NaN and infinities, which JSON lacks, are strings: ``"NaN"``, ``"Infinity"``, ``"-Infinity"``.
    """

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

    def park(self) -> None:
        """Keep the file open: there is one such table in a dataset."""

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
    """A number as JSON text from which exactly the same number can be read.

    >>> json_number(0.1), json_number(float("nan")), json_number(float("-inf"))
    ('0.1', '"NaN"', '"-Infinity"')
    """
    if value is None:
        return "null"
    if math.isfinite(value):
        return repr(value)
    return '"NaN"' if math.isnan(value) else '"Infinity"' if value > 0 else '"-Infinity"'


def _csv(path: str, schema: pa.Schema, *, guard: bool = False) -> Writer:
    if _is_of_rows(schema):
        return RowLinesWriter(path, schema, json=False, guard=guard)
    return _TableAsCsv(path, schema, guard=guard)


def _json_lines(path: str, schema: pa.Schema) -> Writer:
    return RowLinesWriter(path, schema, json=True) if _is_of_rows(schema) else _TableAsJsonLines(path, schema)


def _is_of_rows(schema: pa.Schema) -> bool:
    return schema.equals(SCHEMA) or schema.equals(LABEL_SCHEMA)  # type: ignore[no-any-return]


WRITERS: dict[str, Callable[[str, pa.Schema], Writer]] = {
    "parquet": _ParquetWriter,
    "arrow": _ArrowWriter,
    "csv": _csv,
    "jsonl": _json_lines,
}


def writer_of(
    format: str,  # noqa: A002
    path: str,
    schema: pa.Schema,
    *,
    csv_guard: bool,
    parks: bool = False,
) -> Writer:
    """A file of a dataset.

    With ``csv_guard``, texts in CSV that a spreadsheet would run have a ``'`` before them. With ``parks``, the writer's ``park``
    closes the descriptor.
    """
    if format == "parquet":
        return _ParquetWriter(path, schema, parks=parks)
    return _csv(path, schema, guard=True) if format == "csv" and csv_guard else WRITERS[format](path, schema)


# ---- reading


def _read_parquet(path: str, _: pa.Schema) -> Iterator[pa.RecordBatch]:
    import pyarrow.parquet as pq

    # not mapped: the pages of a mapped file would count as memory of this process
    with _opened(path, "rb") as source, pq.ParquetFile(source, pre_buffer=False) as file:
        yield from file.iter_batches(BATCH_ROWS, columns=TABLE_SCHEMA.names)


def _read_arrow(path: str, _: pa.Schema) -> Iterator[pa.RecordBatch]:
    with _opened(path, "rb") as source, pa.ipc.open_file(source) as file:
        for number in range(file.num_record_batches):
            yield file.get_batch(number)


def _read_csv(path: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    import pyarrow.csv as pc

    plain = {field.name: pa.string() if pa.types.is_dictionary(field.type) else field.type for field in schema}
    convert = pc.ConvertOptions(column_types=plain, null_values=[""], strings_can_be_null=False)
    # the name of a job or metric may hold a newline
    parse = pc.ParseOptions(newlines_in_values=True)
    with _opened(path, "rb") as source:
        yield from pc.open_csv(source, parse_options=parse, convert_options=convert)


def _read_json_lines(path: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    from itertools import islice

    with open(path, encoding="utf-8") as file:
        while lines := list(islice(file, _JSON_ROWS)):
            rows = _objects(lines)
            if any("part" not in row for row in rows):
                # earlier versions wrote no parts
                rows = [{"part": 0, **row} for row in rows]
            columns: list[Sequence[Any]] = [*zip(*map(itemgetter(*schema.names), rows), strict=True)]
            place = schema.names.index("value")
            if schema is SCHEMA:
                columns[place] = [_NUMBERS.get(one, one) if type(one) is str else one for one in columns[place]]
            arrays = []
            for field, column in zip(schema, columns, strict=True):
                if pa.types.is_dictionary(field.type):
                    arrays.append(pa.array(column, pa.string()).dictionary_encode())
                elif pa.types.is_timestamp(field.type):
                    arrays.append(pa.array(column, pa.string()).cast(field.type))
                else:
                    arrays.append(pa.array(column, field.type))
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _objects(lines: list[str]) -> list[Any]:
    """The JSON value of each line.

    Raises
    ------
    ValueError
        A line is no JSON.
    """
    try:
        # at once, in two thirds of the time of one by one; and each name of a column is one text in memory
        rows: list[Any] = json.loads(f"[{','.join(lines)}]")
    except ValueError:
        rows = []
    # values could reach over lines
    return rows if len(rows) == len(lines) else [json.loads(line) for line in lines]


READERS: dict[str, Callable[[str, pa.Schema], Iterator[pa.RecordBatch]]] = {
    "parquet": _read_parquet,
    "arrow": _read_arrow,
    "csv": _read_csv,
    "jsonl": _read_json_lines,
}
