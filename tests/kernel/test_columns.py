"""Columns of more rows than a batch holds: set aside, handed over in slices of one slab; no row is lost or moved."""

from itertools import chain

import numpy as np
import pyarrow as pa
import pytest

from metricscan import Scanner, _core
from metricscan.scanning import arrow

ROWS = _core.SLAB_ROWS
SHAPES = {
    "quick": "loss=(.*?);",
    "plain": "loss=([0-9]+);",
    "program": "(?:loss|less)=([0-9]+);",
    "python": "(?i)loss=([0-9]+)(?:;|x)*+",
}


def log(first, stop):
    return b"".join(b"loss=%d; it\n" % number for number in range(first, stop))


def values(columns):
    return np.asarray(columns)[0].view(np.float64).astype(int).tolist()


def lines(columns):
    return np.asarray(columns)[1].tolist()


def stream(*regexes, in_batches=True, **options):
    plan = Scanner([{"Name": f"m{i}", "Regex": regex} for i, regex in enumerate(regexes)], **options).plan
    return _core.Stream(plan.engine, plan.resolver, in_batches=in_batches)


def whole(taken, pattern=0):
    """Values and lines of a pattern, and how many rows each batch has."""
    batches = [columns for number, columns in taken if number == pattern]
    joined = [list(chain.from_iterable(map(part, batches))) for part in (values, lines)]
    return *joined, [columns.rows for columns in batches]


@pytest.mark.parametrize("pieces", [1, 7])
@pytest.mark.parametrize("matches", ["all", "first", "last"])
@pytest.mark.parametrize("shape", SHAPES)
def test_full_columns_are_set_aside(shape, matches, pieces):
    count = 3 * ROWS + 10
    core = stream(SHAPES[shape], matches=matches)
    data = log(0, count)
    taken = []
    for at in range(0, len(data), -(-len(data) // pieces)):
        core.feed(data[at : at + -(-len(data) // pieces)])
        taken += core.take_full()
        # what is left is no whole batch
        assert core.counts(0)[0] - sum(columns.rows for _, columns in taken) < 2 * ROWS
    core.finish()
    taken += core.take()
    found, found_lines, sizes = whole(taken)
    assert found == list(range(count))
    assert found_lines == list(range(1, count + 1))
    assert len(sizes) > 1
    if shape in ("quick", "plain"):
        assert sizes == [ROWS, ROWS, ROWS, 10]


def test_without_batches_columns_grow_to_any_length():
    core = stream(SHAPES["quick"], in_batches=False)
    core.feed(log(0, 3 * ROWS))
    core.finish()
    assert whole(core.take()) == (list(range(3 * ROWS)), list(range(1, 3 * ROWS + 1)), [3 * ROWS])


def test_a_pattern_that_python_decides_does_not_keep_others_from_their_batches():
    core = stream(SHAPES["quick"], "(it)$|(?:[a-z]x)*+y")
    data = log(0, 3 * ROWS)
    sizes = []
    for at in range(0, len(data), 50_000):
        core.feed(data[at : at + 50_000])
        sizes += [columns.rows for pattern, columns in core.take_full() if pattern == 0]
        # a batch, and the rows of a piece
        assert core.counts(0)[0] - sum(sizes) < ROWS + 5000
    assert len(sizes) == 2
    core.finish()
    assert sum(sizes) + sum(columns.rows for pattern, columns in core.take() if pattern == 0) == 3 * ROWS


def test_rows_taken_from_a_full_slab_are_slices_of_it():
    core = stream(SHAPES["quick"])
    few, more = ROWS // 4, ROWS // 3
    core.feed(log(0, few))
    first = core.take()
    core.feed(log(few, more))
    second = core.take()
    address = [np.asarray(taken[0][1]).__array_interface__["data"][0] for taken in (first, second)]
    # on a cache line of their own
    assert address[1] - address[0] == -(-few // 8) * 8 * 8
    # the second ones are written behind the first, which stay as they are
    assert whole(first + second)[0] == list(range(more))
    del first
    core.feed(log(more, more + ROWS))
    core.finish()
    third = core.take()
    assert whole(second + third)[0] == list(range(few, more + ROWS))
    assert whole(second + third)[1] == list(range(few + 1, more + ROWS + 1))
    assert len(third) == 2


def test_a_stream_that_starts_again_counts_anew():
    core = stream(SHAPES["quick"])
    few = ROWS // 4
    core.feed(log(0, few) + b"loss=1.2.3;\n")
    taken = core.take()
    core.finish()
    assert core.counts(0)[:2] == (few, 1)
    core.restart(1000)
    assert core.counts(0) == (0, 0, 0, 0, 0, [])
    assert (core.newlines, core.records, core.bytes) == (0, 0, 0)
    assert core.counted() == []
    core.feed(b"loss=7;\nloss=8;")
    core.finish()
    ((_, columns),) = core.take()
    assert (values(columns), lines(columns)) == ([7, 8], [1, 2])
    assert np.asarray(columns)[2:].tolist() == [[1000, 1008], [1005, 1013]]
    assert core.counted() == [(0, (2, 0, 0, 0, 0, []))]
    assert whole(taken)[0] == list(range(few))


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_rows_beyond_four_gigabytes_have_their_places(shape):
    core = stream(shape)
    core.restart(2**32 - 100)
    core.feed(log(10, 60))
    columns = core.detach(0)
    offsets = range(2**32 - 100, 2**32 - 100 + 50 * 12, 12)
    assert values(columns) == list(range(10, 60))
    assert np.asarray(columns)[2:].tolist() == [list(offsets), [offset + 5 for offset in offsets]]


def test_a_stream_does_not_start_again_over_what_it_holds():
    core = stream(SHAPES["quick"])
    core.feed(b"loss=7;\nlo")
    with pytest.raises(RuntimeError, match="in use"):
        core.restart(0)
    core.finish()
    with pytest.raises(RuntimeError, match="holds rows"):
        core.restart(0)


def test_times_are_given_to_rows_of_a_stream_in_batches_too():
    core = stream(SHAPES["quick"])
    core.feed(log(0, 10))
    core.feed(log(10, ROWS + 10), 5)
    ((_, columns),) = core.take()
    times = np.asarray(columns)[4]
    assert values(columns) == list(range(ROWS + 10))
    assert (times[:10] == -(2**63)).all()
    assert (times[10:] == 5).all()


def part(first, rows, texts=None):
    """Rows of values and lines from a number on, as a stream hands them over."""
    core = stream(SHAPES["quick"], in_batches=False)
    core.feed(log(first, first + rows))
    columns = core.detach(0)
    columns.add_lines(first)
    columns.texts = texts
    return columns


def test_small_batches_are_gathered():
    few = arrow.FEW_ROWS
    gathering = arrow.Gathering()
    parts = [part(0, 5), part(5, few - 6), part(few - 1, 3)]
    apart = np.concatenate([np.asarray(columns) for columns in parts], axis=1)
    assert gathering.add(parts[0]) == []
    assert gathering.add(parts[1]) == []
    (whole,) = gathering.add(parts[2])
    assert whole.rows == few + 2
    assert values(whole) == [*range(few + 2)]
    assert (np.asarray(whole) == apart).all()
    assert gathering.take() == []
    # a large one drives out what is before it
    assert gathering.add(part(0, 5)) == []
    large = part(5, few)
    before, after = gathering.add(large)
    assert (before.rows, after) == (5, large)
    gathering.add(part(0, 7))
    assert [columns.rows for columns in gathering.take()] == [7]


def test_small_batches_of_text_are_gathered():
    gathering = arrow.Gathering()
    assert gathering.add(part(0, 2, pa.array(["a", "b"]))) == gathering.add(part(2, 1, pa.array(["c"]))) == []
    (columns,) = gathering.take()
    assert (columns.rows, columns.texts.to_pylist()) == (3, ["a", "b", "c"])
    assert arrow.from_columns(columns)["value"].to_pylist() == ["a", "b", "c"]


def test_rows_with_times_are_not_joined():
    core = stream(SHAPES["quick"], in_batches=False)
    core.feed(log(0, 5), 1)
    with pytest.raises(ValueError, match="times"):
        _core.joined([part(0, 5), core.detach(0)])


def test_a_scan_on_two_threads_hands_over_few_batches(tmp_path):
    path = tmp_path / "job.log"
    path.write_bytes((log(0, 10) + b"nothing\n" * 200_000) * 30)
    tables = Scanner(["loss=loss=(.*?);"]).scan(path, threads=2)
    assert tables["loss"]["value"].to_pylist() == [*range(10)] * 30
    assert tables["loss"]["value"].num_chunks == 1


@pytest.mark.parametrize("options", [{"ansi": "strip"}, {"escape": "syslog"}])
@pytest.mark.parametrize("shape", ["quick", "plain", "program"])
def test_rows_of_rewritten_text_have_their_places_in_every_batch(shape, options):
    # so many rows of one piece that a batch is full amid it
    line = b"\x1b[0m\tloss=1; " * 9000 + b"\n"
    data = line * 10
    starts = [at + 10 for at in range(0, len(line) - 1, 13)]
    core = stream(SHAPES[shape], **options)
    core.feed(data)
    core.finish()
    batches = [columns for _, columns in core.take()]
    assert len(batches) > 1
    offset, start = np.concatenate([np.asarray(columns) for columns in batches], axis=1)[2:]
    assert offset.tolist() == [number * len(line) for number in range(10) for _ in starts]
    assert start.tolist() == [number * len(line) + at for number in range(10) for at in starts]


@pytest.mark.parametrize("rows", [ROWS // 2 + 100, ROWS // 2 + 1, ROWS - ROWS // 4, 5])
def test_times_after_rows_without_that_were_taken(rows):
    core = stream(SHAPES["quick"], in_batches=False)
    core.feed(log(0, rows))
    # no record ends with the first time
    core.feed(b"lo", 1)
    assert whole(core.take())[0] == list(range(rows))
    core.feed(b"ss=7;\nloss=8;\n", 2)
    ((_, columns),) = core.take()
    assert values(columns) == [7, 8]
    assert np.asarray(columns)[4].tolist() == [2, 2]


@pytest.mark.parametrize("chunk_bytes", [1, 7, 64, 4096])
@pytest.mark.parametrize("most", [1, 3, 64])
def test_the_places_of_the_first_rows_are_kept_whatever_the_pieces(chunk_bytes, most):
    data = b"".join(b"loss=%d; acc=%d; seed=%d;\n" % (at, at, at) for at in range(90))
    core = stream("loss=([0-9]+);", "acc=([0-9]+);", "seed=([0-9]+);", "lr=([0-9]+);")
    first = _core.FirstPlaces(frozenset([0, 1, 3]), most, 2)
    expected = {pattern: [] for pattern in range(3)}
    for at in range(0, len(data), chunk_bytes):
        core.feed(data[at : at + chunk_bytes])
        taken = core.take()
        for pattern, columns in taken:
            expected[pattern] += np.asarray(columns)[1:4].T.tolist()
        assert first.add(taken) == any(pattern >= 2 for pattern, _ in taken)
    found = {
        pattern: np.frombuffer(places, np.int64).reshape(-1, 3).tolist() for pattern, places in first.take().items()
    }
    assert found == {pattern: expected[pattern][:most] for pattern in (0, 1)}
    assert first.take() == {}
