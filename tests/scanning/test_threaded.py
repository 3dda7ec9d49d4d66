"""Blocks of one large input: cut where records start, shorter towards the end; they change no row."""

import copy
import os
import subprocess
import sys
import threading

import pytest
from support.feeding import scanned

from metricscan import Scanner, SourceError
from metricscan.scanning import threaded

SCANNER = Scanner([r"loss=loss=(\S+)", r"acc=acc=([0-9.]+)"])
NOTHING = b"a line of a log without a metric in it\n" * 500
DENSE = b"loss=0.5\r\nloss=x\nacc=1 acc=2\r" * 800


@pytest.fixture
def blocks(monkeypatch):
    """Blocks so short that some kilobytes are many; which were scanned is noted."""
    cuts = []
    monkeypatch.setattr(threaded, "LEAST_BLOCK_BYTES", 200)
    monkeypatch.setattr(threaded, "BLOCK_BYTES", 4000)
    scan = threaded._Stream.scan

    def noted(stream, start, stop):
        cuts.append((start, stop))
        return scan(stream, start, stop)

    monkeypatch.setattr(threaded._Stream, "scan", noted)
    return cuts


@pytest.mark.parametrize("threads", [2, 3])
@pytest.mark.parametrize("from_file", [False, True])
def test_blocks_cover_the_input_and_change_no_row(blocks, tmp_path, threads, from_file):
    data = NOTHING + DENSE + NOTHING + b"loss=7 " * 900 + b"\n" + DENSE
    source = data
    if from_file:
        source = tmp_path / "job.log"
        source.write_bytes(data)
    assert scanned(SCANNER, source, threads) == scanned(SCANNER, source, 1)
    cuts = sorted(blocks)
    assert [start for start, _ in cuts] == [0, *(stop for _, stop in cuts[:-1])]
    assert cuts[-1][1] == len(data)
    sizes = [stop - start for start, stop in cuts]
    assert sizes[0] == max(sizes) == 4000
    assert sizes[-2] < 400
    assert min(sizes[:-1]) >= 200


def test_a_file_that_became_shorter_ends_where_it_ends(blocks, tmp_path, monkeypatch):
    path = tmp_path / "job.log"
    path.write_bytes(DENSE)
    kept = DENSE[: DENSE.index(b"acc", 9000) + 2]
    monkeypatch.setattr(threaded._Stream, "__init__", _shortening(path, len(kept), threaded._Stream.__init__))
    assert scanned(SCANNER, path, 2) == scanned(SCANNER, kept, 1)
    assert max(stop for _, stop in blocks) == len(DENSE)


def _shortening(path, size, then):
    def init(self, *arguments):
        with path.open("r+b") as file:
            file.truncate(size)
        then(self, *arguments)

    return init


def test_an_unreadable_log_is_reported_with_its_place_after_the_rows_before_it(blocks, tmp_path, monkeypatch):
    path = tmp_path / "job.log"
    path.write_bytes(DENSE)
    readable = 10_000
    feed = threaded._Text.feed

    def failing(text, core, begin, end, *buffer):
        feed(text, core, begin, min(end, max(begin, readable)), *buffer)
        if end > readable:
            broken = copy.copy(text)
            # no descriptor that could be read
            broken.descriptor = 10**6
            feed(broken, core, max(begin, readable), end, *buffer)

    monkeypatch.setattr(threaded._Text, "feed", failing)
    with pytest.raises(
        SourceError, match=rf"cannot read {path} at byte {readable}: .*[Bb]ad file descriptor"
    ) as caught:
        SCANNER.scan(path, threads=2)
    assert caught.value.offset == readable
    before = SCANNER.scan(DENSE[: max(DENSE.rfind(end, 0, readable) for end in (b"\n", b"\r")) + 1])
    stats = caught.value.partial.stats
    assert (stats.bytes, stats.records, stats.cut_off) == (readable, before.stats.records, 1)
    assert stats.metrics == before.stats.metrics
    assert all(caught.value.partial[name].equals(before[name]) for name in SCANNER.metrics)


def test_what_fails_on_another_thread_is_raised_on_the_caller_s(blocks, monkeypatch):
    scan = threaded._Stream.scan
    taken = threading.Event()

    def failing(stream, start, stop):
        if threading.current_thread() is not threading.main_thread():
            taken.set()
            raise MemoryError("no more")
        assert taken.wait(60)
        return scan(stream, start, stop)

    monkeypatch.setattr(threaded._Stream, "scan", failing)
    with pytest.raises(MemoryError, match="no more"):
        SCANNER.scan(NOTHING + DENSE, threads=2)


@pytest.mark.parametrize("threads", [2, 3])
def test_batches_that_are_closed_early_leave_no_thread(blocks, threads):
    before = threading.active_count()
    batches = SCANNER.batches((DENSE + NOTHING) * 20, threads=threads)
    next(batches)
    assert threading.active_count() < before + threads
    batches.close()
    assert threading.active_count() == before
    # nor is all of it scanned by threads that run ahead
    assert len(blocks) < 60


LEFT_HALF_WAY = """
from metricscan import Scanner
from metricscan.scanning import threaded

threaded.LEAST_BLOCK_BYTES, threaded.BLOCK_BYTES = 200, 4000

def use():
    for _ in Scanner([r"loss=loss=(\\S+)"]).batches(b"loss=1\\n" * 50_000, threads=3):
        raise ValueError("what the caller makes of a batch")

use()
"""


@pytest.mark.slow
def test_the_interpreter_ends_though_batches_were_left_half_way():
    # the exception's traceback keeps them until the end
    ran = subprocess.run([sys.executable, "-c", LEFT_HALF_WAY], capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 1
    assert "what the caller makes of a batch" in ran.stderr


AFTER_THE_MAIN_THREAD = """
import sys
import threading

from metricscan import Scanner
from metricscan.scanning import threaded

threaded.LEAST_BLOCK_BYTES, threaded.BLOCK_BYTES = 200, 4000

def use():
    batches = Scanner([r"loss=loss=(\\S+)"]).batches(b"loss=1\\n" * 50_000, threads=3)
    rows = next(batches)[1].num_rows if sys.argv[1] == "amid" else 0
    begun.set()
    threading.main_thread().join()
    print(rows + sum(batch.num_rows for _, batch in batches))

begun = threading.Event()
threading.Thread(target=use).start()
begun.wait()
"""


@pytest.mark.slow
@pytest.mark.parametrize("when", ["amid", "before"])
def test_the_main_thread_may_end_before_a_scan_does(when):
    ran = subprocess.run(
        [sys.executable, "-c", AFTER_THE_MAIN_THREAD, when], capture_output=True, text=True, check=False, timeout=60
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "50000\n", "")


@pytest.mark.parametrize("threads", [2, 3, 5])
def test_more_threads_than_blocks(blocks, threads):
    for data in (b"", b"loss=1", DENSE[:150], DENSE[:700]):
        assert scanned(SCANNER, data, threads) == scanned(SCANNER, data, 1)


def test_threads_that_overtake_each_other_lose_no_block(monkeypatch):
    monkeypatch.setattr(threaded, "BLOCK_BYTES", 120)
    monkeypatch.setattr(threaded, "LEAST_BLOCK_BYTES", 100)
    data = b"".join(b"loss=%d\n" % row for row in range(60))
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for round_ in range(100):
            found = SCANNER.scan(data, threads=2 + round_ % 3)["loss"]
            assert found["value"].to_pylist() == [*range(60)]
            assert found["line"].to_pylist() == [*range(1, 61)]
    finally:
        sys.setswitchinterval(interval)


def test_no_thread_is_started_when_all_blocks_are_taken():
    cuts = threaded._Cuts(10, 1000, 2, 300)
    assert cuts.take() == (0, 10, 310)
    assert cuts.give_back()
    while cuts.take() is not None:
        pass
    assert not cuts.has_after(4)
    assert not cuts.give_back()


def test_as_many_threads_as_there_are_blocks_are_enough(blocks):
    before = threading.active_count()
    batches = SCANNER.batches(DENSE, threads=10**12)
    next(batches)
    assert threading.active_count() - before < len(DENSE) / 200 + 1
    batches.close()
    assert scanned(SCANNER, DENSE, 10**12) == scanned(SCANNER, DENSE, 1)


@pytest.mark.skipif(not os.path.exists("/proc/version"), reason="no /proc")
def test_a_file_of_no_size_that_holds_something():
    results = [SCANNER.scan("/proc/version", threads=threads) for threads in (1, 2)]
    assert [result.stats.records for result in results] == [1, 1]
