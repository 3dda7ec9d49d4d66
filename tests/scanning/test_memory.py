"""Memory: what batches and tables hold, for how long, how much it may be, and what happens when there is none."""

import gc
import pickle
import subprocess
import sys

import numpy as np
import pytest
from support.feeding import rows_of, scanned

from metricscan import (
    Scanner,
    _core,
)
from metricscan.scanning import threaded
from metricscan.scanning.plan import Plan
from metricscan.scanning.scanner import _configured

LOSS = ["loss=loss=([0-9.]+)"]
LOG = b"loss=0.5 acc=x\nloss=0.25 acc=0.75;\n\nother\n"


# ---- batches


def test_a_batch_has_at_most_65536_rows():
    log = b"a=1 b=x\n" * 150_000
    running = Scanner(["a=a=(.)", "b=b=(.)", "c=a=(.)"]).batches(log)
    sizes = {"a": [], "b": [], "c": []}
    starts = []
    for name, batch in running:
        sizes[name].append(batch.num_rows)
        if name == "a":
            starts += batch["start"].to_pylist()
    assert sizes["a"] == sizes["c"]
    assert sizes["b"] == []
    assert sum(sizes["a"]) == 150_000
    assert len(sizes["a"]) > 2
    assert max(sizes["a"]) <= 65_536
    assert starts == list(range(2, len(log), 8))
    assert running.stats.metrics["a"].rows == 150_000


def test_a_chunk_with_more_rows_than_a_batch():
    log = b"1" * 200_000
    sizes = [batch.num_rows for _, batch in _configured(["d=[0-9]"], chunk_bytes=1 << 20).batches(log)]
    assert sizes == [65_536, 65_536, 65_536, 200_000 - 3 * 65_536]


@pytest.mark.parametrize("threads", [1, 2])
def test_the_counts_of_batches_grow_with_them(threads):
    log = b"loss=1\nloss=1.2.3\n" * 300_000
    size = len(log) // 300_000
    with _configured(LOSS, chunk_bytes=100_000).batches(log, threads=threads) as running:
        assert running.stats.records == 0
        next(running)
        counts = running.stats.metrics["loss"]
        assert running.stats.bytes < len(log)
        next(running)
        assert counts.rows <= running.stats.metrics["loss"].rows < 300_000
        assert counts.unparsed > 0
    # who stops early knows what was read
    assert running.stats is running.stats
    assert 0 < running.stats.bytes < len(log)
    assert abs(running.stats.bytes - size * running.stats.metrics["loss"].rows) <= size


def test_the_counts_of_an_export_s_batches_grow_with_them():
    log = b'{"events": [' + b",".join([b'{"timestamp": 1700000000000, "message": "loss=1"}'] * 200_000) + b"]}"
    running = Scanner(LOSS).batches(log, input_format="auto")
    next(running)
    assert 65_536 <= running.stats.metrics["loss"].rows < 200_000
    assert 65_536 <= running.stats.records < 200_000
    running.close()
    assert running.stats.records < 200_000


def test_batches_come_before_the_source_is_at_its_end():
    read = []

    def chunks():
        for number in range(100):
            read.append(number)
            yield b"a=1\n" * 10_000

    running = Scanner(["a=a=(.)"]).batches(chunks())
    name, batch = next(running)
    first = len(read)
    assert name == "a"
    assert first <= 7  # of 10,000 rows each
    assert batch.num_rows <= 65_536
    running.close()
    assert len(read) == first
    with pytest.raises(StopIteration):
        next(running)


BOUNDED = """
import resource
import sys
from metricscan.scanning.scanner import _configured

threads, path = int(sys.argv[1]), sys.argv[2]
lines = b"".join(b"step %d loss=%d.25;\\n" % (number, number) for number in range(5000))
scanner = _configured(["loss=loss=(.*?);", "step=(?i)STEP (9)"], chunk_bytes=60_000)

def source(count):
    if path == "chunks":
        return (lines for _ in range(count))
    with open(path, "wb") as file:
        file.writelines(lines for _ in range(count))
    return path

def used(count):
    running = scanner.batches(source(count), threads=threads)
    assert sum(batch.num_rows for name, batch in running if name == "loss") == count * 5000
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

first = used(60)
print(used(460) - first)
"""


@pytest.mark.slow
@pytest.mark.parametrize("form", ["chunks", "file"])
@pytest.mark.parametrize("threads", [1, 2])
def test_memory_is_bounded(tmp_path, threads, form):
    path = "chunks" if form == "chunks" else str(tmp_path / "long.log")
    command = [sys.executable, "-c", BOUNDED, str(threads), path]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    unit = 1 if sys.platform == "darwin" else 1024
    # the input grew by 40 MB and its rows by 64 MB
    assert int(run.stdout) * unit < 16 * 1024 * 1024


# ---- memory of tables


def test_tables_are_the_columns_of_the_core():
    core = _core.Stream(Scanner(LOSS).plan.engine, None)
    core.feed(b"loss=1\nloss=2\n")
    columns = core.detach(0)
    from metricscan.scanning.arrow import from_columns

    batch = from_columns(columns)
    for name, column in zip(["value", "line", "offset", "start"], np.asarray(columns), strict=True):
        buffer = batch[name].buffers()[1]
        assert buffer.address == column.__array_interface__["data"][0]
        assert not buffer.is_mutable
    assert core.detach(0) is None


def test_tables_outlive_their_scanner():
    scanner = Scanner(LOSS)
    stream = scanner.stream()
    stream.feed(b"loss=1\nloss=2\n")
    tables = [scanner.scan(b"loss=%d\n" % number * 1000)["loss"] for number in range(20)]
    taken = stream.take()["loss"]
    view = taken["value"].slice(1)
    del scanner, stream, taken
    gc.collect()
    assert [table["value"].to_pylist() for table in tables] == [[float(number)] * 1000 for number in range(20)]
    assert view.to_pylist() == [2.0]


def test_a_table_is_made_once():
    result = Scanner(LOSS).scan(LOG)
    assert result["loss"] is result["loss"]


# ---- out of memory


def test_rows_that_do_not_fit_are_an_error_and_close_the_stream():
    plan = Scanner(LOSS).plan
    core = _core.Stream(plan.engine, plan.resolver, row_limit=100)
    core.feed(b"loss=1\n" * 60)
    with pytest.raises(MemoryError, match="no memory for the rows found before offset"):
        core.feed(b"loss=1\n" * 100)
    assert core.closed
    with pytest.raises(ValueError, match="closed"):
        core.feed(b"loss=1\n")
    core.finish()
    columns = core.detach(0)
    # rows that there was room for are whole
    assert 60 <= columns.rows <= 200
    assert (np.asarray(columns)[0].view(np.float64) == 1).all()


@pytest.mark.parametrize("regex", ["(?i)LOSS=([0-9.]+)", "loss=(.*) *$"])
def test_rows_decided_by_python_that_do_not_fit(regex):
    plan = Scanner([f"loss={regex}"]).plan
    core = _core.Stream(plan.engine, plan.resolver, row_limit=0)
    with pytest.raises(MemoryError, match="no memory"):
        core.feed(b"loss=0.12345678901234567\n" * 3)
    assert core.closed
    assert core.detach(0) is None


def test_a_scanner_works_after_a_stream_of_it_failed():
    scanner = Scanner(LOSS)
    failed = _core.Stream(scanner.plan.engine, scanner.plan.resolver, row_limit=0)
    with pytest.raises(MemoryError):
        failed.feed(b"loss=1\n")
    assert scanner.scan(LOG)["loss"]["value"].to_pylist() == [0.5, 0.25]


def test_a_scan_without_memory_raises(monkeypatch):
    def limited(plan, *, in_batches=False):
        return _core.Stream(plan.engine, plan.resolver, in_batches=in_batches, row_limit=0)

    monkeypatch.setattr(Plan, "new_stream", limited)
    scanner = Scanner(LOSS)
    for threads in (1, 2):
        with pytest.raises(MemoryError):
            scanner.scan(LOG, threads=threads)
    stream = scanner.stream()
    with pytest.raises(MemoryError):
        stream.feed(b"loss=1\n")
    assert stream.closed
    assert stream.take() == {}
    assert stream.latest["loss"] is None


# ---- size


def test_a_line_of_a_hundred_megabytes():
    piece = b"x" * (1 << 20)

    def chunks():
        yield b"first=1\nloss=1;"
        for _ in range(100):
            yield piece
        yield b" loss=2;"

    definitions = ["loss=loss=(.*?);", "first=first=(\\d)", "last=loss=([0-9]);$", "none=none=(.*?);"]
    result = Scanner(definitions, max_record_bytes=1 << 30).scan(chunks())
    end = 8 + 7 + 100 * (1 << 20)
    assert result["loss"]["value"].to_pylist() == [1.0, 2.0]
    assert result["loss"]["start"].to_pylist() == [8 + 5, end + 6]
    assert result["loss"]["offset"].to_pylist() == [8, 8]
    assert rows_of(result["last"]) == [((2.0).hex(), 2, 8, end + 6)]
    assert (result.stats.records, result.stats.bytes) == (2, end + 8)


def test_a_huge_line_is_not_searched_anew_with_every_piece(monkeypatch):
    examined = 0
    read = threaded._Text._bytes

    def counting(text, at, size):
        nonlocal examined
        piece = read(text, at, size)
        examined += len(piece)
        return piece

    monkeypatch.setattr(threaded._Text, "_bytes", counting)
    scanner = _configured(LOSS, chunk_bytes=1000)
    assert scanned(scanner, b"x" * 500_000, threads=2)["records"] == 1
    assert 0 < examined <= 4 * 500_000


def test_a_result_is_pickled_with_its_stats():
    result = Scanner(LOSS).scan(b"loss=1\nloss=1.2.3\n")
    copy = pickle.loads(pickle.dumps(result))
    assert copy.stats == result.stats == Scanner(LOSS).scan(b"loss=1\nloss=1.2.3\n", threads=2).stats
    assert copy["loss"] == result["loss"]
    assert (copy.stats.records, copy.stats.metrics["loss"].unparsed) == (2, 1)
