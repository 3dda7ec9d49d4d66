"""Several logs in one file: the rows of each job in order, in bounded memory, whatever the order in the file."""

import gzip
import random
import tracemalloc

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.archives import PACK, tarred
from support.exports import filtered
from support.folders import tree

import metricscan
from metricscan import Objective, Scanner
from metricscan.logs import members
from metricscan.replaying import log_scan
from metricscan.replaying.shared_file import Ended, HeldRows, SharedFile
from metricscan.scanning.stats import ScanStats

SCANNER = Scanner(["v=v=([0-9.]+)", "w=w=([0-9.]+)"], labels={"host": r"^(h\d)"})


def batch(*values):
    return pa.RecordBatch.from_pydict({"value": [float(value) for value in values]})


def rows_of(rows):
    return [(name, value) for name, one in rows for value in one["value"].to_pylist()]


@given(data=st.data())
def test_every_log_gets_its_rows_for_any_order_and_any_budget(data):
    count = data.draw(st.integers(1, 6))
    # the file: for each place the log whose rows stand there
    places = data.draw(st.lists(st.integers(0, count - 1), max_size=25))
    order = data.draw(st.permutations(range(count)))
    ends = {number: max([at for at, of in enumerate(places) if of == number], default=-1) for number in order}

    asks = data.draw(st.booleans())

    def read(is_wanted):
        for at, number in enumerate(places):
            if not asks or is_wanted(number):
                yield number, ("m", batch(at))
            for ended in order:
                if ends[ended] == at and (not asks or is_wanted(ended)):
                    yield ended, Ended(ScanStats())
        for ended in order:
            if ends[ended] == -1:
                yield ended, Ended(ScanStats())

    held = HeldRows(data.draw(st.sampled_from([0, 700, 2000, 1 << 20])))
    file = SharedFile(list(range(count)), read, held)
    for number in range(count):
        assert rows_of(file.rows(number)) == [("m", at) for at, of in enumerate(places) if of == number]
        assert file.end(number) is not None
    assert held.bytes == 0
    assert file.passes <= count


def test_a_file_in_the_wanted_order_is_read_once_and_nothing_is_held():
    def read(is_wanted):
        for number in range(1000):
            assert is_wanted(number)
            for _ in range(3):
                yield number, ("m", batch(number))
            yield number, Ended(ScanStats())

    held = HeldRows(0)
    file = SharedFile(list(range(1000)), read, held)
    for number in range(1000):
        assert len(rows_of(file.rows(number))) == 3
        assert held.bytes == 0
        file.end(number)
    assert file.passes == 1


def test_the_file_is_read_again_for_what_was_dropped():
    def read(is_wanted):
        for number in reversed(range(100)):
            if is_wanted(number):
                met.append(number)
                yield number, ("m", batch(number))
                yield number, Ended(ScanStats())

    met = []
    one = len(batch(1).serialize()) + 300
    file = SharedFile(list(range(100)), read, HeldRows(10 * one))
    assert [rows_of(file.rows(number)) for number in range(100) if file.end(number - 1) or True] == [
        [("m", number)] for number in range(100)
    ]
    # each pass reads one log for its turn, and ten that wait
    assert file.passes == 10
    assert len(met) < 100 + sum(range(0, 100, 10))


def test_a_log_that_the_file_does_not_hold_any_more():
    file = SharedFile([0, 1], lambda _: iter([(1, Ended(ScanStats()))]), HeldRows())
    assert rows_of(file.rows(0)) == []
    assert file.end(0) is None
    assert file.end(1) is not None


# ---- in a replay


@pytest.fixture
def streamed(monkeypatch):
    """Compressed tars are read from their beginning on, however small they are."""
    monkeypatch.setattr(members, "HELD_BYTES", 0)


def budget(monkeypatch, size):
    monkeypatch.setattr(log_scan, "HeldRows", lambda: HeldRows(size))


def jobs(count, rows=30):
    source = random.Random(count)
    return {
        f"job_{number}/train.log": b"".join(
            b"h%d v=%d.%d w=%d\n" % (number % 3, number, at, source.randrange(99)) for at in range(rows)
        )
        for number in range(count)
    }


def compared(result):
    return (
        {name: result[name].to_pydict() for name in result},
        result.ranking.to_pylist(),
        {name: one.rows for name, one in result.stats.metrics.items()},
        (result.stats.bytes, result.stats.records),
    )


@pytest.mark.parametrize("kind", PACK)
@pytest.mark.parametrize("most", [0, 5000, 1 << 28])
def test_a_replay_of_a_streamed_archive_equals_that_of_its_folder(tmp_path, monkeypatch, streamed, kind, most):
    budget(monkeypatch, most)
    files = jobs(25)
    names = list(files)
    random.Random(7).shuffle(names)
    objective = Objective("v", "Maximize")
    folder = metricscan.replay(tree(tmp_path / "folder", files), SCANNER, objective=objective)
    (tmp_path / "logs.tar").write_bytes(PACK[kind](tarred({name: files[name] for name in names})))
    for threads in (1, 2):
        result = metricscan.replay(tmp_path / "logs.tar", SCANNER, objective=objective, threads=threads)
        assert compared(result) == compared(folder)
        assert not result.errors


@pytest.mark.parametrize("most", [0, 3000, 1 << 28])
def test_streams_of_exports_wait_within_the_budget(tmp_path, monkeypatch, streamed, most):
    budget(monkeypatch, most)
    events = [(f"job-{at % 7}/algo-{at % 2}-1", at, f"v={at} w=1") for at in range(300)]
    random.Random(1).shuffle(events)
    wanted = {}
    for stream, _, text in events:
        wanted.setdefault(stream, []).append(float(text.split()[0][2:]))
    export = filtered(*events)
    tree(tmp_path, {"a.json": export, "x.tar.gz": gzip.compress(tarred({"n.log": b"v=5\n", "b.json": export}))})
    for path, more in (("a.json", {}), ("x.tar.gz", {"n": [5.0]})):
        result = metricscan.replay(tmp_path / path, SCANNER)
        assert not result.errors
        got = {}
        for row in result["v"].to_pylist():
            name = row["job"] if row["job"] == "n" else f"{row['job']}/{row['stream']}"
            got.setdefault(name, []).append(row["value"])
        assert got == {**wanted, **more}
        assert result.stats.records == 300 + len(more)
        assert len([span for span in result.spans if span is not None]) == 7


def test_an_archive_that_vanishes_is_one_error(tmp_path, streamed):
    path = tmp_path / "logs.tar.gz"
    path.write_bytes(gzip.compress(tarred(jobs(5))))

    def vanish(progress):
        if progress.logs == 1 and path.exists():
            path.unlink()

    tree(tmp_path, {"a.log": "v=1\n"})
    result = metricscan.replay([tmp_path / "a.log", path], SCANNER, progress=vanish)
    assert [error.path for error in result.errors] == [str(path)]


def test_progress_over_an_archive_ends_at_its_size(tmp_path, streamed):
    path = tmp_path / "logs.tar.gz"
    path.write_bytes(gzip.compress(tarred(jobs(9))))
    seen = []
    metricscan.replay(path, SCANNER, progress=seen.append)
    assert [one.logs for one in seen] == list(range(1, 10))
    assert seen[-1].bytes == seen[-1].total_bytes
    # headers and padding are no log
    assert 0.2 * path.stat().st_size < seen[-1].total_bytes <= path.stat().st_size


@pytest.mark.slow
def test_memory_is_bounded_for_any_order(tmp_path, monkeypatch, streamed):
    text = b"".join(b"v=1.%d w=%d\n" % (at, at) for at in range(10_000))
    names = [f"{number:02}.log" for number in range(40)]
    scanner = Scanner(["v=v=([0-9.]+)", "w=w=([0-9.]+)"])
    held = []
    monkeypatch.setattr(
        HeldRows, "take", lambda self, number, take=HeldRows.take: (held.append(self.bytes), take(self, number))[1]
    )

    def peak(order, most):
        budget(monkeypatch, most)
        held.clear()
        path = tmp_path / "logs.tar.gz"
        path.write_bytes(gzip.compress(tarred(dict.fromkeys(order, text)), 1))
        tracemalloc.start()
        try:
            result = metricscan.replay(path, scanner, objective=Objective("v", "Maximize"), keep=False, threads=1)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
            assert result.stats.metrics["v"].rows == 40 * 10_000

    peak(names, 0)
    in_order = peak(names, 0)
    assert set(held) == {0}
    # the rows of a log take up 800 KB; without a bound they would be 32 MB
    reversed_ = peak(names[::-1], 4 << 20)
    assert 2 << 20 < max(held) <= 4 << 20
    assert reversed_ < in_order + (6 << 20)
