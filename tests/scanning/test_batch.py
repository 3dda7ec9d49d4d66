"""Batches that lie in the core's memory: what they hold, and who keeps the memory for how long."""

import ctypes
import gc
import io
import pickle
import threading

import numpy as np
import pyarrow as pa
import pytest

from metricscan import Scanner, _core
from metricscan.scanning.arrow import from_columns, in_pieces, joined
from metricscan.scanning.schema import BATCH_ROWS, SCHEMA, TIME

PLAN = Scanner(["loss=loss=(.*?);"]).plan
ROWS = _core.SLAB_ROWS


def log(first, stop):
    return b"".join(b"loss=%d; it\n" % number for number in range(first, stop))


def stream(*, in_batches=False):
    return _core.Stream(PLAN.engine, PLAN.resolver, in_batches=in_batches)


def columns_of(rows):
    core = stream()
    core.feed(log(0, rows))
    return core.detach(0)


def values(batch):
    return batch["value"].to_pylist()


class ArrowArray(ctypes.Structure):
    """As the C data interface has it."""


RELEASE = ctypes.CFUNCTYPE(None, ctypes.POINTER(ArrowArray))
ArrowArray._fields_ = [
    ("length", ctypes.c_int64),
    ("null_count", ctypes.c_int64),
    ("offset", ctypes.c_int64),
    ("n_buffers", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("buffers", ctypes.POINTER(ctypes.c_void_p)),
    ("children", ctypes.POINTER(ctypes.POINTER(ArrowArray))),
    ("dictionary", ctypes.c_void_p),
    ("release", ctypes.c_void_p),
    ("private_data", ctypes.c_void_p),
]


def moved(array):
    """The array in a place of its own; its old place no longer owns it."""
    own = ArrowArray.from_buffer_copy(array)
    array.release = None
    return own


def release(array):
    """Call the array's callback, without the GIL."""
    RELEASE(array.release)(ctypes.byref(array))


# ---- what they hold


@pytest.mark.parametrize("rows", [1, 7, 8, ROWS, BATCH_ROWS, BATCH_ROWS + 1, 2 * BATCH_ROWS + 3])
def test_a_batch_is_what_arrow_makes_of_the_same_columns(rows):
    columns = columns_of(rows)
    value, *places = np.asarray(columns).copy()
    batch = from_columns(columns)
    batch.validate(full=True)
    assert batch.schema.equals(SCHEMA, check_metadata=True)
    wanted = [pa.array(value.view(np.float64)), *map(pa.array, places), pa.nulls(rows, TIME)]
    assert batch.equals(pa.RecordBatch.from_arrays(wanted, schema=SCHEMA))
    assert [column.null_count for column in batch.columns] == [0, 0, 0, 0, rows]
    assert value.view(np.float64).tolist() == [*range(rows)]
    assert [piece.num_rows for piece in in_pieces(batch)] == [
        min(BATCH_ROWS, rows - first) for first in range(0, rows, BATCH_ROWS)
    ]


def test_a_batch_with_times_is_what_arrow_makes_of_the_same_columns():
    core = stream()
    core.feed(log(0, 3))
    core.feed(log(3, 5), 7)
    columns = core.detach(0)
    assert columns.has_times
    value, *places, _ = np.asarray(columns).copy()
    batch = from_columns(columns)
    batch.validate(full=True)
    wanted = [pa.array(value.view(np.float64)), *map(pa.array, places), pa.array([None] * 3 + [7] * 2, TIME)]
    assert batch.equals(pa.RecordBatch.from_arrays(wanted, schema=SCHEMA))
    given = from_columns(columns, np.array([1, 2, -(2**63), 4, 5]))
    assert given["time"].cast(pa.int64()).to_pylist() == [1, 2, None, 4, 5]
    assert given.columns[:4] == batch.columns[:4]


def test_nothing_is_copied():
    columns = columns_of(100)
    addresses = [column.__array_interface__["data"][0] for column in np.asarray(columns)]
    batch = from_columns(columns)
    assert [column.buffers()[1].address for column in batch.columns[:4]] == addresses
    # one column of nulls serves all of few rows
    other = from_columns(columns_of(5))
    assert batch["time"].buffers()[1].address == other["time"].buffers()[1].address
    assert not any(buffer.is_mutable for column in batch.columns for buffer in column.buffers() if buffer)


def test_rows_that_were_joined_are_a_batch():
    parts = [columns_of(rows) for rows in (3, 9, 1)]
    batch = from_columns(joined(parts))
    batch.validate(full=True)
    assert values(batch) == [*range(3), *range(9), 0]
    assert [columns.holders for columns in parts] == [1, 1, 1]
    assert joined(parts[:1]) is parts[0]


@pytest.mark.parametrize("rows", [5, BATCH_ROWS + 1])
def test_batches_go_through_pickle_and_ipc(rows):
    batch = from_columns(columns_of(rows)).slice(2)
    assert pickle.loads(pickle.dumps(batch)).equals(batch)
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, SCHEMA) as writer:
        writer.write_batch(batch)
    assert pa.ipc.open_stream(sink.getvalue()).read_all().to_batches()[0].equals(batch)


def test_columns_are_written_to_until_they_are_exported():
    columns = columns_of(3)
    line = np.asarray(columns)[1]
    line += 10
    columns.add_lines(100)
    batch = from_columns(columns)
    assert batch["line"].to_pylist() == [111, 112, 113]
    assert not np.asarray(columns).flags.writeable
    with pytest.raises(BufferError, match="read-only"):
        columns.add_lines(1)
    strides, writable = 0x18, 0x01
    view = ctypes.create_string_buffer(200)
    with pytest.raises(BufferError, match="read-only"):
        ctypes.pythonapi.PyObject_GetBuffer(ctypes.py_object(columns), view, strides | writable)
    with pytest.raises(BufferError, match="strides"):
        stream().feed(columns)
    with pytest.raises(BufferError, match="strides"):
        pa.py_buffer(columns)  # asks for what is contiguous


def test_columns_that_no_stream_made_are_empty():
    columns = _core.Columns()
    assert (columns.rows, columns.holders) == (0, 0)
    assert from_columns(columns).num_rows == 0


def test_columns_are_not_pickled():
    with pytest.raises(TypeError, match="pickle"):
        pickle.dumps(columns_of(3))


# ---- who keeps the memory


def test_memory_is_held_by_what_lies_in_it():
    columns = columns_of(10)
    assert columns.holders == 1
    batches = [from_columns(columns), from_columns(columns)]
    assert columns.holders == 3
    del batches[0]
    assert columns.holders == 2
    part = batches.pop()["start"].slice(4, 2)
    gc.collect()
    assert columns.holders == 2
    assert part.to_pylist() == [49, 60]
    del part
    assert columns.holders == 1


def test_a_batch_outlives_all_that_made_it():
    scanner = Scanner(["loss=loss=(.*?);"])
    live = scanner.stream()
    live.feed(log(0, 10))
    batch = live.take()["loss"]
    table = scanner.scan(log(0, 3 * ROWS))["loss"]
    column = table["value"].slice(ROWS - 2, 4)
    del scanner, live, table
    gc.collect()
    # whatever was given back too early is written over
    others = [columns_of(rows) for rows in [10, ROWS] * 5]
    assert values(batch) == [*range(10)]
    assert column.to_pylist() == [*range(ROWS - 2, ROWS + 2)]
    assert {columns.holders for columns in others} == {1}


def test_a_stream_writes_on_behind_batches_and_keeps_them():
    core = stream(in_batches=True)
    few = ROWS // 4
    core.feed(log(0, few))
    ((_, first),) = core.take()
    # the stream is the other one
    assert first.holders == 2
    batch = from_columns(first)
    core.feed(log(few, 2 * few))
    ((_, second),) = core.take()
    assert first.holders == second.holders == 4
    del core, first
    gc.collect()
    assert second.holders == 2
    assert values(batch) == [*range(few)]
    del batch
    assert second.holders == 1
    assert values(from_columns(second)) == [*range(few, 2 * few)]


def test_batches_may_go_before_the_stream_does():
    core = stream(in_batches=True)
    few = ROWS // 4
    for first in range(0, 10 * ROWS, few):
        core.feed(log(first, first + few))
        ((_, columns),) = core.take()
        batch = from_columns(columns)
        assert values(batch) == [*range(first, first + few)]
        del columns, batch


@pytest.mark.parametrize(
    "schema",
    [
        # of another layout: a buffer too few
        pa.schema([*list(SCHEMA)[:3], pa.field("start", pa.string()), SCHEMA.field("time")]),
        # a column too many
        pa.schema([*SCHEMA, pa.field("more", pa.int64())]),
    ],
)
def test_an_import_that_fails_half_way_gives_the_memory_back(schema):
    columns = columns_of(10)
    with pytest.raises(pa.ArrowInvalid):
        pa.RecordBatch._import_from_c(columns.export(), schema)
    assert columns.holders == 1
    batch = from_columns(columns)
    assert values(batch) == [*range(10)]
    assert columns.holders == 2


def test_an_export_that_is_never_taken_is_freed_with_the_columns():
    core = stream(in_batches=True)
    core.feed(log(0, ROWS // 4))
    ((_, columns),) = core.take()
    assert columns.holders == 2
    assert columns.export() == columns.export()
    assert columns.holders == 3
    core.feed(log(0, ROWS // 4))
    ((_, other),) = core.take()
    del columns
    assert other.holders == 2


def test_memory_is_given_back_by_any_thread_without_the_interpreter():
    columns = columns_of(10)
    own = [moved(ArrowArray.from_address(columns.export())) for _ in range(50)]
    assert columns.holders == 51
    threads = [threading.Thread(target=lambda part=own[n::5]: [*map(release, part)]) for n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert columns.holders == 1
    assert {array.release for array in own} == {None}


@pytest.mark.parametrize("rows", [10, BATCH_ROWS + 1])
def test_a_column_may_be_moved_out(rows):
    columns = columns_of(rows)
    array = moved(ArrowArray.from_address(columns.export()))
    line, time = (moved(array.children[child].contents) for child in (1, 4))
    release(array)
    # what the columns need is there as long as one of them is
    assert columns.holders == 2
    release(time)
    assert columns.holders == 2
    imported = pa.Array._import_from_c(ctypes.addressof(line), pa.int64())
    assert imported.to_pylist() == [*range(1, rows + 1)]
    assert columns.holders == 2
    del imported
    assert columns.holders == 1


def test_batches_of_one_memory_dropped_by_many_threads():
    core = stream(in_batches=True)
    few = ROWS // 4
    core.feed(log(0, few))
    ((_, first),) = core.take()
    core.feed(log(few, 2 * few))
    ((_, second),) = core.take()

    def come_and_go(columns):
        for _ in range(300):
            batch = from_columns(columns)
            rest = batch.slice(few - 3)
            del batch
            assert rest.num_rows == 3

    threads = [threading.Thread(target=come_and_go, args=(columns,)) for columns in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    del core
    assert first.holders == second.holders == 2
