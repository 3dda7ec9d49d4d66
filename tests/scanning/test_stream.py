"""The live stream: rows as they arrive, with the time of their chunk."""

import copy
import os
import pickle
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pytest
from support.feeding import rows_of

import metricscan
from metricscan import Row, Scanner
from metricscan.scanning.schema import SCHEMA

NOON = datetime(2024, 5, 1, 12, 0, tzinfo=UTC)
LOSS = ["loss=loss=([0-9.]+)"]


def test_a_stream_is_shown_and_is_not_copied():
    stream = Scanner(LOSS).stream()
    stream.feed(b"loss=1\nloss=2")
    assert repr(stream) == "<Stream: 13 bytes, 1 records, 1 rows>"
    stream.close()
    assert repr(stream) == "<Stream: 13 bytes, 2 records, 2 rows, closed>"
    for act in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="a stream can be neither copied nor pickled"):
            act(stream)


def values(batches, name="loss"):
    return batches[name]["value"].to_pylist() if name in batches else []


def times(batches, name="loss"):
    return batches[name]["time"].to_pylist()


# ---- rows


def test_take_gives_the_rows_since_the_last_take():
    stream = Scanner(["loss=loss=([0-9.]+)", "acc=acc=([0-9.]+)"]).stream()
    assert stream.take() == {}
    stream.feed(b"loss=1\nloss=2\nacc=3\nlo")
    first = stream.take()
    assert list(first) == ["loss", "acc"]
    assert rows_of(first["loss"]) == [((1.0).hex(), 1, 0, 5), ((2.0).hex(), 2, 7, 12)]
    assert stream.take() == {}
    stream.feed(b"ss=4\n")
    assert rows_of(stream.take()["loss"]) == [((4.0).hex(), 4, 20, 25)]
    # what was taken is not written to again
    assert values(first) == [1.0, 2.0]


def test_a_batch_has_the_schema_of_every_table():
    stream = Scanner(LOSS).stream()
    stream.feed(b"loss=1\n")
    (batch,) = stream.take().values()
    assert isinstance(batch, pa.RecordBatch)
    assert batch.schema.equals(SCHEMA, check_metadata=True)
    stream.feed(b"loss=1\n", time=0)
    assert stream.take()["loss"].schema.equals(SCHEMA, check_metadata=True)


def test_take_is_valid_after_close():
    stream = Scanner(LOSS).stream()
    stream.feed(b"loss=1\nloss=2")
    assert stream.stats.records == 1
    stream.close()
    assert values(stream.take()) == [1.0, 2.0]
    assert stream.take() == {}
    assert stream.latest["loss"].value == 2.0


def test_metrics_of_one_regex_share_a_batch():
    stream = Scanner(["b=x=(.)", "a=x=(.)"]).stream()
    stream.feed(b"x=1\n")
    taken = stream.take()
    assert list(taken) == ["b", "a"]
    assert taken["a"]["value"].buffers()[1].address == taken["b"]["value"].buffers()[1].address
    assert stream.latest["a"] == stream.latest["b"] == Row(1.0, 1, 0, 2, None)


def test_many_rows_are_one_batch():
    stream = Scanner(LOSS).stream()
    for _ in range(3):
        stream.feed(b"loss=1\n" * 50_000)
    assert stream.take()["loss"].num_rows == 150_000
    stream.feed(b"loss=2\n")
    assert rows_of(stream.take()["loss"]) == [((2.0).hex(), 150_001, 1_050_000, 1_050_005)]


# ---- latest


def test_latest_is_the_newest_row_taken_or_not():
    stream = Scanner(["loss=loss=([0-9.]+)", "acc=acc=([0-9.]+)"]).stream()
    assert dict(stream.latest) == {"loss": None, "acc": None}
    stream.feed(b"loss=1 loss=2\n")
    assert stream.latest["loss"] == Row(2.0, 1, 0, 12, None)
    stream.take()
    assert stream.latest["loss"] == Row(2.0, 1, 0, 12, None)
    stream.feed(b"x\nloss=3\n", time=NOON)
    assert stream.latest["loss"] == Row(3.0, 3, 16, 21, NOON)
    assert stream.latest["acc"] is None
    assert list(stream.latest) == ["loss", "acc"]
    assert len(stream.latest) == 2
    assert repr(stream.latest).startswith("{'loss': Row(value=3.0")
    with pytest.raises(KeyError):
        stream.latest["other"]


def test_an_unfinished_record_is_no_row_yet():
    stream = Scanner(LOSS).stream()
    stream.feed(b"loss=1")
    assert stream.latest["loss"] is None
    stream.feed(b"2\n")
    assert stream.latest["loss"].value == 12.0


# ---- a \r, live


def test_a_cr_ends_its_record_at_once():
    stream = Scanner(LOSS).stream()
    stream.feed(b"loss=1\r")
    assert values(stream.take()) == [1.0]
    assert stream.stats.records == 1
    stream.feed(b"\n")
    assert stream.stats.records == 1
    stream.feed(b"loss=2\r")
    stream.feed(b"\r")
    stream.feed(b"\nloss=3\n")
    assert rows_of(stream.take()["loss"]) == [((2.0).hex(), 2, 8, 13), ((3.0).hex(), 3, 17, 22)]
    assert stream.stats.records == 4
    assert stream.stats.bytes == 24


def test_a_cr_ends_nothing_in_lf_mode():
    stream = Scanner(LOSS, newline="lf").stream()
    stream.feed(b"loss=1\r")
    assert stream.stats.records == 0
    stream.feed(b"\n")
    assert rows_of(stream.take()["loss"]) == [((1.0).hex(), 1, 0, 5)]


def test_an_empty_chunk_between_cr_and_lf():
    stream = Scanner(["m=^()$"]).stream()
    for chunk in (b"\r", b"", b"\n", b"\n"):
        stream.feed(chunk)
    assert stream.stats.records == 2
    assert stream.stats.metrics["m"].unparsed == 2


# ---- time


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        (NOON, NOON),
        (NOON.astimezone(timezone(timedelta(hours=5, minutes=30))), NOON),
        (NOON.timestamp(), NOON),
        (int(NOON.timestamp()), NOON),
        (0, datetime(1970, 1, 1, tzinfo=UTC)),
        (-1.5, datetime(1969, 12, 31, 23, 59, 58, 500_000, tzinfo=UTC)),
        (1e-6, datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=UTC)),
        (datetime(1900, 1, 1, tzinfo=UTC), datetime(1900, 1, 1, tzinfo=UTC)),
        (datetime.max.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)),
    ],
)
def test_a_row_has_the_time_of_its_chunk(time, expected):
    stream = Scanner(LOSS).stream()
    stream.feed(b"loss=1\n", time)
    assert stream.latest["loss"].time == expected
    taken = stream.take()
    assert times(taken) == [expected]
    assert stream.latest["loss"].time == expected


def test_the_record_ends_in_the_chunk_that_gives_its_time():
    with Scanner(LOSS).stream() as stream:
        stream.feed(b"loss=1\nloss=2", time=1)
        stream.feed(b"2\nloss=3", time=2)
        stream.feed(b"3", time=3)
    assert [time.second for time in times(stream.take())] == [1, 2, 3]


def test_without_a_time_there_is_none():
    stream = Scanner(["loss=loss=([0-9.]+)", "acc=acc=([0-9.]+)"]).stream()
    stream.feed(b"loss=1\nacc=1\n")
    stream.feed(b"loss=2\n", time=2)
    stream.feed(b"loss=3\n")
    stream.feed(b"loss=4\nacc=4\n", time=4)
    taken = stream.take()
    assert [time and time.second for time in times(taken)] == [None, 2, None, 4]
    assert [time and time.second for time in times(taken, "acc")] == [None, 4]
    assert taken["loss"]["time"].null_count == 2
    stream.feed(b"loss=5\n")
    assert times(stream.take()) == [None]


def test_times_follow_rows_that_python_decided():
    stream = Scanner(["m=(?i)m=(.*)", "n=n=(.*?);"]).stream()
    for second in range(1, 200):
        stream.feed(b"M=%d\nn=0.12345678901234567;n=1;\n" % second, time=second)
    taken = stream.take()
    assert values(taken, "m") == list(range(1, 200))
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert times(taken, "m") == [epoch + timedelta(seconds=second) for second in range(1, 200)]
    assert values(taken, "n") == [0.12345678901234567, 1.0] * 199
    assert times(taken, "n") == [epoch + timedelta(seconds=second // 2) for second in range(2, 400)]


def test_a_naive_datetime_is_refused():
    stream = Scanner(LOSS).stream()
    with pytest.raises(ValueError, match="time zone"):
        stream.feed(b"loss=1\n", time=datetime(2024, 5, 1))
    assert stream.stats.bytes == 0


@pytest.mark.parametrize("time", ["2024-05-01T12:00:00Z", True, NOON.date(), [1]])
def test_what_is_no_time_is_a_type_error(time):
    stream = Scanner(LOSS).stream()
    with pytest.raises(TypeError, match="a time is"):
        stream.feed(b"loss=1\n", time=time)
    assert stream.stats.bytes == 0


@pytest.mark.parametrize("time", [NOON.timestamp() * 1000, 1e300, float("inf"), float("nan"), -1e12])
def test_a_time_that_no_datetime_can_hold_is_refused(time):
    # milliseconds, say: refused where they come in, not where they are read
    stream = Scanner(LOSS).stream()
    with pytest.raises((ValueError, OverflowError)):
        stream.feed(b"loss=1\n", time=time)
    assert stream.stats.bytes == 0


# ---- closing


def test_feeding_a_closed_stream_is_an_error():
    stream = Scanner(LOSS).stream()
    assert not stream.closed
    stream.close()
    assert stream.closed
    with pytest.raises(ValueError, match="closed"):
        stream.feed(b"loss=1\n")
    stream.close()
    assert stream.stats.records == 0


def test_the_context_manager_closes_also_on_an_error():
    with Scanner(LOSS).stream() as stream:
        stream.feed(b"loss=1")
    assert stream.closed
    assert values(stream.take()) == [1.0]
    with pytest.raises(KeyError, match="mine"), Scanner(LOSS).stream() as stream:
        raise KeyError("mine")
    assert stream.closed


# ---- chunks


@pytest.mark.parametrize("chunk", ["loss=1\n", None, 1, ["loss=1\n"]])
def test_what_is_no_bytes_is_a_type_error(chunk):
    stream = Scanner(LOSS).stream()
    with pytest.raises(TypeError):
        stream.feed(chunk)
    assert not stream.closed
    stream.feed(b"loss=2\n")
    assert values(stream.take()) == [2.0]


def test_chunks_may_be_any_buffer_and_are_not_kept():
    stream = Scanner(LOSS).stream()
    chunk = bytearray(b"loss=1\nloss=")
    stream.feed(chunk)
    chunk[:] = b"x" * 100
    stream.feed(memoryview(b"..2\n..")[2:4])
    stream.feed(pa.py_buffer(b"loss=3\n"))
    assert values(stream.take()) == [1.0, 2.0, 3.0]


# ---- stats


def test_stats_count_so_far():
    stream = Scanner([*LOSS, "word=loss=(.*?);"]).stream()
    stream.feed(b"loss=1;\nloss=x;\nloss=2")
    stats = stream.stats
    assert (stats.bytes, stats.records) == (22, 2)
    assert {name: (counts.rows, counts.unparsed) for name, counts in stats.metrics.items()} == {
        "loss": (1, 0),
        "word": (1, 1),
    }
    assert stats.metrics["word"].samples == [("x", 2, 8)]
    stream.take()
    assert stream.stats == stats
    stream.feed(b";\n")
    assert stats.records == 2, "stats are a copy"
    assert stream.stats.metrics["word"].rows == 2


# ---- memory

# Orchestrators hold thousands of streams. The memory is C's, which tracemalloc does not see: resident pages are counted.
MANY_STREAMS = """
import os
from metricscan import Scanner

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

def use(stream):
    for _ in range(3):
        stream.feed(line)
        stream.feed(b"unfinished")
        stream.take()
        stream.feed(b"\\n")

scanner = Scanner([f"m{i}=m{i}=([0-9.]+);" for i in range(40)])
line = b" ".join(b"m%d=%d.5;" % (i, i) for i in range(40)) + b"\\n"
held = [scanner.stream() for _ in range(200)]
for stream in held:
    use(stream)
before = resident()
# so many that a huge page more or less, 2 MiB, is 262 bytes a stream
streams = [scanner.stream() for _ in range(8000)]
print((resident() - before) / 8000)
for stream in streams:
    use(stream)
print((resident() - before) / 8000)
assert all(stream.latest["m39"].value == 39.5 for stream in streams)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc to see resident memory")
@pytest.mark.skipif(
    "asan" in os.environ.get("LD_PRELOAD", ""), reason="the sanitiser pads and keeps what was allocated"
)
@pytest.mark.slow
def test_a_stream_of_forty_metrics_takes_less_than_16_kilobytes():
    run = subprocess.run([sys.executable, "-c", MANY_STREAMS], check=True, capture_output=True, text=True)
    fresh, used = map(float, run.stdout.split())
    assert 0 < fresh < 16 * 1024
    # once its rows are taken a stream holds no more than before
    assert 0 < used < 16 * 1024


# As little as musl gives a thread.
SMALL_STACK = """
import threading
from metricscan import Scanner

scanner = Scanner(["a=a=(.*?);", "b=b=([0-9]+)(?:;|,)"])
scanner.scan(b"")
stream = scanner.stream()
threading.stack_size(128 * 1024)
thread = threading.Thread(target=stream.feed, args=[b"a=1; b=2;\\n" * 10_000])
thread.start()
thread.join()
print(*(counts.rows for counts in stream.stats.metrics.values()))
"""


@pytest.mark.skipif("asan" in os.environ.get("LD_PRELOAD", ""), reason="the sanitiser pads what lies on the stack")
def test_a_small_stack_is_enough():
    run = subprocess.run([sys.executable, "-c", SMALL_STACK], check=True, capture_output=True, text=True)
    assert run.stdout.split() == ["10000", "10000"]


# The collector clears what an object refers to before the object itself goes: a stream that asks its engine how much
# there is to free asks None.
CYCLES = """
import gc
from metricscan import Scanner, SourceError

class File:
    def read(self, size):
        raise OSError("mine")

def failed():
    try:
        scanner.scan(File())
    except SourceError as error:
        return error

scanner = Scanner(["a=a=(.)"])
for _ in range(300):
    assert failed().partial["a"].num_rows == 0
    gc.collect()
"""


@pytest.mark.slow
def test_streams_in_cycles_are_collected():
    run = subprocess.run([sys.executable, "-c", CYCLES], check=False, capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")


def test_a_stream_can_be_made_of_its_scanner():
    stream = metricscan.Stream(Scanner(["loss=loss=([0-9.]+)"]))
    stream.feed(b"loss=0.5\n")
    assert stream.latest["loss"].value == 0.5
