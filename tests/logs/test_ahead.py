"""Pieces that a second thread makes: the same ones, the same error, and no thread that waits for the caller."""

import gzip
import itertools
import threading

import numpy as np
import pytest

import metricscan
from metricscan import Scanner, SourceError
from metricscan.logs import ahead, source
from metricscan.logs.ahead import Ahead
from metricscan.scanning import threaded

SCANNER = Scanner(["a=a=([0-9.]+)"])


def helpers():
    return [thread for thread in threading.enumerate() if thread.name == "metricscan"]


@pytest.fixture
def log(tmp_path):
    """A log that is compressed to more than the bytes for which a second thread pays."""
    noise = np.random.default_rng(3)
    text = b"".join(b"a=%d %s\n" % (row, noise.bytes(25).hex().encode()) for row in range(50_000))
    path = tmp_path / "log"
    path.write_bytes(gzip.compress(text, 1))
    assert path.stat().st_size > ahead.LEAST_BYTES
    return path


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 100])
def test_the_pieces_are_those_of_the_iterator(count):
    pieces = Ahead(iter(range(count)))
    assert list(pieces) == list(range(count))
    assert list(pieces) == []
    pieces.close()


def test_the_error_comes_after_the_pieces_before_it_and_again():
    def failing():
        yield from range(20)
        raise SourceError("damaged", path="x")

    pieces = Ahead(failing())
    assert list(itertools.islice(pieces, 20)) == list(range(20))
    for _ in range(2):
        with pytest.raises(SourceError, match="damaged"):
            next(pieces)


def test_a_bounded_number_of_pieces_waits_and_no_thread():
    made = itertools.count()
    pieces = Ahead(made)
    assert next(pieces) == 0
    for thread in helpers():
        thread.join()
    # it stopped by itself
    assert helpers() == []
    assert 1 < next(made) < 20
    pieces.close()


def test_closing_ends_the_thread_and_closes_the_pieces():
    closed = []

    def endless():
        try:
            while True:
                yield 1
        finally:
            closed.append(True)

    pieces = Ahead(endless())
    next(pieces)
    pieces.close()
    assert closed == [True]
    assert helpers() == []


def test_where_no_thread_starts_the_caller_makes_the_pieces(monkeypatch):
    def refuse(self):
        raise RuntimeError("can't start new thread")

    pieces = Ahead(iter(range(30)))
    first = [next(pieces) for _ in range(3)]
    for thread in helpers():
        thread.join()
    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert first + list(pieces) == list(range(30))


@pytest.mark.parametrize("threads", [None, 1, 2])
def test_the_rows_do_not_depend_on_the_second_thread(log, monkeypatch, threads):
    started = []
    monkeypatch.setattr(source, "Ahead", lambda pieces: started.append(threads) or Ahead(pieces))
    monkeypatch.setattr(threaded, "has_several", lambda asked: asked != 1)
    result = SCANNER.scan(log, threads=threads)
    assert started == ([] if threads == 1 else [threads])
    assert result["a"]["value"].to_pylist() == list(range(50_000))
    log.write_bytes(log.read_bytes()[:-2000])
    with pytest.raises(SourceError, match="truncated gzip") as caught:
        SCANNER.scan(log, threads=threads)
    with pytest.raises(SourceError) as alone:
        SCANNER.scan(log, threads=1)
    assert caught.value.offset == alone.value.offset
    assert caught.value.partial["a"].equals(alone.value.partial["a"])
    assert helpers() == []


def test_progress_is_reported_on_the_callers_thread(log):
    threads = []
    result = metricscan.replay(
        log, SCANNER, threads=2, progress=lambda progress: threads.append((threading.current_thread(), progress.bytes))
    )
    assert {thread for thread, _ in threads} == {threading.current_thread()}
    assert [read for _, read in threads] == sorted(read for _, read in threads)
    assert not result.errors


def test_a_scan_that_is_abandoned_leaves_no_thread(log):
    with SCANNER.batches(log, threads=2) as running:
        next(running)
    assert helpers() == []
