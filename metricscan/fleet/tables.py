"""The tables that engines move between machines: logs, what a scan found in them, and partial rankings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import pyarrow as pa

from metricscan.errors import OptionError
from metricscan.scanning import schema

if TYPE_CHECKING:
    from collections.abc import Iterable

#: A row per log. ``number`` is its place in the order of a replay, ``job_logs`` how many logs its job has. ``file`` is the file
#: that it shares with other logs and that must be read from its beginning on, or the archive in which it lies, ``file_logs`` how
#: many logs are in that file; logs of one file belong in one batch. The pieces of a rotated container's log count as one file.
#: ``is_followed`` says that a later piece of its stream follows. Of a piece of a rotated log, ``piece_of`` is the path of the
#: current file, ``piece`` its number, and ``piece_follows`` whether nothing is missing before it. ``start`` and ``end`` are the
#: bytes of a range of a log; null for all of it.
LOGS = pa.schema(
    [
        pa.field("number", pa.int64()),
        pa.field("job", pa.string()),
        pa.field("job_logs", pa.int64()),
        pa.field("path", pa.string()),
        pa.field("stream", pa.string()),
        pa.field("within", pa.string()),
        pa.field("part", pa.int32()),
        pa.field("superseded", pa.bool_()),
        pa.field("is_followed", pa.bool_()),
        pa.field("is_archived", pa.bool_()),
        pa.field("file", pa.string()),
        pa.field("file_logs", pa.int64()),
        pa.field("size", pa.int64()),
        pa.field("piece_of", pa.string()),
        pa.field("piece", pa.int32()),
        pa.field("piece_follows", pa.bool_()),
        pa.field("start", pa.int64()),
        pa.field("end", pa.int64()),
    ]
)

#: What a row of a scan is: a value of a metric, or the text of a label; what is known of one log that was read; the counts of
#: one log, or of several that were scanned as one; an error; the crash with which a log ends; what is suspicious about a metric
#: in a log; where its program was started again.
#: Partial rankings have three more: what was asked for, what decided a job, and the files that a task has written.
Kind: TypeAlias = Literal[
    "value", "label", "log", "counts", "error", "crash", "suspects", "restart", "objective", "outcome", "files"
]

#: What a scan gives. ``note`` is JSON; values and labels have none. ``since`` is the byte at which a range of a log begins, null
#: for a whole log; the lines of its rows count from the first record of the range on.
SCANNED = pa.schema(
    [
        pa.field("number", pa.int64()),
        pa.field("job", pa.string()),
        pa.field("stream", pa.string()),
        pa.field("part", pa.int32()),
        pa.field("kind", pa.string()),
        pa.field("metric", pa.string()),
        pa.field("value", pa.float64()),
        pa.field("text", pa.string()),
        pa.field("line", pa.int64()),
        pa.field("offset", pa.int64()),
        pa.field("start", pa.int64()),
        pa.field("time", schema.SCHEMA.field("time").type),
        # the notes of ten million logs are more than a column of string can hold
        pa.field("note", pa.large_string()),
        pa.field("since", pa.int64()),
    ]
)


def conformed(table: pa.Table | pa.RecordBatch, wanted: pa.Schema, what: str) -> pa.Table:
    """The columns of a schema in its order and types; engines reorder columns, and widen their types.

    Raises
    ------
    OptionError
        A column is missing, or cannot be cast.
    """
    if isinstance(table, pa.RecordBatch):
        table = pa.Table.from_batches([table])
    if not isinstance(table, pa.Table):
        raise TypeError(f"{what}: a pyarrow.Table was expected, not {type(table).__name__}")
    missing = [name for name in wanted.names if name not in table.column_names]
    if missing:
        raise OptionError(f"{what} has no column {', '.join(missing)}")
    try:
        return table.select(wanted.names).cast(wanted)
    except (pa.ArrowException, ValueError) as error:
        raise OptionError(f"{what} has columns of other types than {', '.join(wanted.names)}: {error}") from error


def joined(tables: Iterable[pa.Table], wanted: pa.Schema) -> pa.Table:
    """All rows of tables of one schema."""
    return pa.concat_tables([wanted.empty_table(), *tables])


def packed(table: pa.Table) -> bytes:
    """A table as bytes: a fifth of it, for most columns of most tables say little."""
    with pa.BufferOutputStream() as out:
        with pa.ipc.new_stream(out, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
            writer.write_table(table)
        return out.getvalue().to_pybytes()  # type: ignore[no-any-return]


def unpacked(data: bytes) -> pa.Table:
    """The table of :func:`packed` bytes."""
    return pa.ipc.open_stream(data).read_all()
