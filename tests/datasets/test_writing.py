"""Threads that write files: order, bounds, errors, and the end."""

import threading
from functools import partial

import pytest

from metricscan import Scanner, SourceError, replay
from metricscan.datasets import formats, writing
from metricscan.datasets.writing import WriterThreads


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_tasks_of_a_file_run_in_order_and_one_at_a_time(threads):
    done = {name: [] for name in "abc"}
    running = dict.fromkeys("abc", 0)
    at_once = []

    def task(name, number):
        running[name] += 1
        at_once.append(running[name])
        done[name].append(number)
        running[name] -= 1

    with WriterThreads(threads) as pool:
        for number in range(300):
            for name in "abc":
                pool.add(name, partial(task, name, number))
        pool.finish()
    assert done == {name: list(range(300)) for name in "abc"}
    assert set(at_once) == {1}


def test_the_caller_waits_while_many_tasks_wait():
    go_on = threading.Event()
    begun = []

    def task():
        begun.append(1)
        go_on.wait()

    def fill():
        for _ in range(10):
            pool.add("file", task)
        pool.finish()

    with WriterThreads(2) as pool:
        caller = threading.Thread(target=fill)
        caller.start()
        caller.join(0.2)
        assert caller.is_alive()
        assert len(begun) <= 1
        assert pool._tasks == writing._MOST_TASKS * 2
        go_on.set()
        caller.join()
    assert len(begun) == 10


def test_tasks_of_several_files_run_at_once():
    together = threading.Barrier(2, timeout=30)
    with WriterThreads(2) as pool:
        for name in "ab":
            pool.add(name, together.wait)
        pool.finish()


def test_an_error_is_raised_later_and_no_task_begins_behind_it():
    done = []

    def fail():
        raise OSError(28, "No space left on device")

    with WriterThreads(2) as pool:
        pool.add("a", fail)
        with pytest.raises(OSError, match="No space"):
            pool.finish()
        with pytest.raises(OSError, match="No space"):
            pool.add("b", partial(done.append, 1))
    assert done == []


def test_what_waits_at_the_end_is_dropped():
    begun, go_on, done = threading.Event(), threading.Event(), []

    def first():
        begun.set()
        go_on.wait()
        done.append("first")

    with WriterThreads(1) as pool:
        pool.add("a", first)
        begun.wait()
        pool.add("a", partial(done.append, "second"))
        pool.add("b", partial(done.append, "third"))
        threading.Timer(0.05, go_on.set).start()
    assert done == ["first"]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("kind", ["parquet", "arrow", "csv", "jsonl"])
def test_a_dataset_is_the_same_however_many_threads_write(kind, threads, tmp_path, monkeypatch):
    # row groups of few rows, so that there are many tasks
    monkeypatch.setattr(formats, "GROUP_ROWS", 50)
    for job in range(40):
        lines = [f"loss={job}.{row} acc=0.{row}\n" for row in range(30)]
        (tmp_path / f"{job}.log").write_text("".join(lines))
    logs = sorted(tmp_path.glob("*.log"))
    scanner = Scanner(["loss=loss=([0-9.]+)", "acc=acc=([0-9.]+)"])
    replay(logs, scanner, out=tmp_path / "out", format=kind, threads=threads)
    kept = replay(logs, scanner)
    for name in ("loss", "acc"):
        (path,) = (tmp_path / "out" / name).iterdir()
        rows = [row for batch in formats.READERS[kind](str(path), formats.SCHEMA) for row in batch.to_pylist()]
        columns = ("job", "value", "line", "offset", "start")
        expected = kept[name].select(columns).to_pylist()
        assert [{column: row[column] for column in columns} for row in rows] == expected


@pytest.mark.parametrize("threads", [1, 2])
def test_a_failed_write_leaves_no_file(threads, tmp_path, monkeypatch):
    def fail(self, table):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(formats.WRITERS["parquet"], "write", fail)
    (tmp_path / "a.log").write_text("loss=1\n")
    with pytest.raises(SourceError, match=r"cannot write .*out: No space left on device"):
        replay(tmp_path / "a.log", Scanner(["loss=loss=(.)"]), out=tmp_path / "out", threads=threads)
    assert [path.name for path in tmp_path.iterdir()] == ["a.log"]
