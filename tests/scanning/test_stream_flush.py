"""Rows of a record that has not ended: shown apart, given out by a flush, and replaced when the record goes on."""

from datetime import UTC, datetime

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.encodings import ENCODINGS, written
from support.feeding import rows_of
from support.reference import scan

from metricscan import Dataset, FollowedFile, Journal, Row, Scanner
from metricscan.logs.encodings import marked, may_begin_mark
from metricscan.scanning.schema import SCHEMA

DEFINITIONS = [
    {"Name": "loss", "Regex": "loss=([0-9.]+)"},
    {"Name": "re", "Regex": "(?<=(?:s|ss))=([0-9.]+)"},
    {"Name": "acc", "Regex": "acc=([0-9]+);"},
    {"Name": "again", "Regex": "loss=([0-9.]+)"},
]
SCANNERS = {newline: Scanner(DEFINITIONS, newline=newline, untamed="allow") for newline in ("universal", "lf")}
LOSS = ["loss=loss=([0-9.]+)"]


def rows_by_oracle(log, newline="universal"):
    metrics = scan(DEFINITIONS, log, newline=newline).metrics
    return {name: [(row.value.hex(), *row[1:]) for row in metric.rows] for name, metric in metrics.items()}


class Store:
    """What a consumer has who drops the rows of each record that is replaced."""

    def __init__(self):
        self.rows = {definition["Name"]: [] for definition in DEFINITIONS}

    def add(self, taken):
        assert len(set(taken.replaces)) == len(taken.replaces)
        for offset in taken.replaces:
            assert any(row[2] == offset for rows in self.rows.values() for row in rows), "nothing is replaced"
        for name, rows in self.rows.items():
            rows[:] = [row for row in rows if row[2] not in taken.replaces]
            if name in taken:
                batch = taken[name]
                assert batch.schema.equals(SCHEMA, check_metadata=True)
                batch.validate(full=True)
                rows += rows_of(batch)


def check(scanner, newline, log, steps):
    """Feed the log in the chunks that the steps say, with a flush, a take or another process behind each."""
    store, stream, fed = Store(), scanner.stream(), 0
    for chunk, act in steps:
        start, fed = fed, min(fed + chunk, len(log))
        stream.feed(log[start:fed])
        part = rows_by_oracle(log[:fed], newline)
        where = None if may_begin_mark(log[:fed]) else stream.resume_offset
        partial = {name: [row for row in rows if row[2] == where] for name, rows in part.items()}
        ended = {name: [row for row in rows if row not in partial[name]] for name, rows in part.items()}
        newest = {name: (rows or [None])[-1] for name, rows in partial.items()}
        assert {name: row and (row.value.hex(), *row[1:4]) for name, row in stream.latest_partial.items()} == newest
        if "f" in act:
            stream.flush()
        if "t" in act or "s" in act:
            store.add(stream.take())
            if "f" in act and where is not None:
                assert store.rows == part
        if "s" in act:
            stream = scanner.stream(state=stream.state())
            fed = stream.resume_offset
        newest = {name: (rows or [None])[-1] for name, rows in ended.items()}
        assert {name: row and (row.value.hex(), *row[1:4]) for name, row in stream.latest.items()} == newest
        assert {name: one.rows for name, one in stream.stats.metrics.items()} == {
            name: len(rows) for name, rows in ended.items()
        }
    stream.feed(log[fed:])
    stream.close()
    store.add(stream.take())
    assert store.rows == rows_by_oracle(log, newline)
    assert (stream.take(), stream.take().replaces) == ({}, ())
    assert set(stream.latest_partial.values()) == {None}


PARTS = [
    b"loss=",
    b"acc=",
    b"1",
    b"2.5",
    b";",
    b" ",
    b"\r",
    b"\n",
    b"x",
    b"\0",
    b"\xef\xbb\xbf",
    b"\xc3\xa9",
    b"\xff\xfe",
]
STEPS = st.lists(st.tuples(st.integers(0, 12), st.sampled_from(["", "f", "t", "ft", "s", "fs"])), max_size=12)


@given(st.lists(st.sampled_from(PARTS), max_size=30).map(b"".join), STEPS, st.sampled_from([*SCANNERS]))
def test_with_their_replacements_the_rows_are_those_without_a_flush(log, steps, newline):
    if marked(log) is None:
        check(SCANNERS[newline], newline, log, steps)


TEXTS = st.lists(
    st.sampled_from(["loss=", "acc=", "1", "2.5", ";", " ", "\r", "\n", "é", "\U0001f600", "\0"]), max_size=20
)


@given(TEXTS.map("".join), st.sampled_from(ENCODINGS), STEPS)
def test_and_so_are_those_of_decoded_streams(text, encoding, steps):
    check(SCANNERS["universal"], "universal", written(text, encoding), steps)


@pytest.mark.parametrize("act", ["f", "ft", "fs"])
@pytest.mark.parametrize("newline", SCANNERS)
@pytest.mark.parametrize(
    "log",
    [
        b"loss=1 acc=2;\nloss=12.5 acc=3;\r\nx\rloss=1",
        b"\xef\xbb\xbfloss=1\n\xef\xbb",
        b"\0\0loss=1\rloss=2\r\n\r\n",
        b"loss=1" + b" " * 300 + b"loss=2\n",
    ],
)
def test_a_flush_behind_every_byte(log, newline, act):
    check(SCANNERS[newline], newline, log, [(1, act)] * len(log))


def test_a_flush_gives_the_rows_of_the_unended_record_once():
    stream = Scanner(LOSS).stream()
    stream.feed(b"loss=1\nloss=2")
    assert stream.latest_partial == {"loss": Row(2.0, 2, 7, 12, None)}
    stream.flush()
    taken = stream.take()
    assert (taken["loss"]["value"].to_pylist(), taken.replaces) == ([1.0, 2.0], ())
    assert stream.latest["loss"].value == 1.0
    stream.flush()
    assert not stream.take()
    stream.feed(b"5")
    assert not stream.take()
    stream.flush()
    taken = stream.take()
    assert (taken["loss"]["value"].to_pylist(), taken.replaces) == ([25.0], (7,))
    stream.feed(b"\nloss=3")
    taken = stream.take()
    assert (taken["loss"]["value"].to_pylist(), taken.replaces) == ([25.0], (7,))
    stream.close()
    taken = stream.take()
    assert (taken["loss"]["value"].to_pylist(), taken.replaces) == ([3.0], ())


@pytest.mark.parametrize("rest", [b"x\n", b"x"])
def test_rows_that_are_gone_are_replaced_by_none(rest):
    stream = Scanner(["acc=acc=([0-9]+)$"]).stream()
    stream.feed(b"acc=1")
    stream.flush()
    assert stream.take()["acc"]["value"].to_pylist() == [1.0]
    stream.feed(rest)
    stream.flush()
    taken = stream.take()
    assert taken
    assert (dict(taken), taken.replaces) == ({}, (0,))
    assert not stream.take()


def test_what_was_flushed_and_went_on_before_it_was_taken_is_no_row():
    stream = Scanner(LOSS).stream()
    stream.feed(b"loss=1")
    stream.flush()
    stream.feed(b"2")
    assert not stream.take()
    stream.feed(b"\n")
    taken = stream.take()
    assert (taken["loss"]["value"].to_pylist(), taken.replaces) == ([12.0], ())


def test_a_closed_stream_has_nothing_to_flush():
    stream = Scanner(LOSS).stream()
    stream.feed(b"loss=1")
    stream.flush()
    stream.close()
    stream.flush()
    taken = stream.take()
    assert (taken["loss"]["value"].to_pylist(), taken.replaces) == ([1.0], ())
    assert stream.latest_partial == {"loss": None}


def test_rows_of_a_flush_have_the_time_of_the_last_chunk():
    stream = Scanner(LOSS).stream()
    stream.feed(b"loss=1\nlo", 1)
    stream.feed(b"ss=2", 2)
    stream.flush()
    assert [time.second for time in stream.take()["loss"]["time"].to_pylist()] == [1, 2]
    assert stream.latest_partial["loss"].time == datetime(1970, 1, 1, 0, 0, 2, tzinfo=UTC)


def test_labels_are_flushed():
    stream = Scanner(LOSS, labels={"worker": r"\[(rank[0-9]+)"}).stream()
    stream.feed(b"[rank1] loss=1\n[rank2")
    stream.flush()
    taken = stream.take()
    assert taken["worker"]["value"].to_pylist() == ["rank1", "rank2"]
    assert stream.latest_partial["worker"].value == "rank2"
    stream.feed(b"5]\n")
    taken = stream.take()
    assert (taken["worker"]["value"].to_pylist(), taken.replaces) == (["rank25"], (15,))


@pytest.mark.parametrize("encoding", ENCODINGS, ids=lambda one: one.codec)
def test_decoded_streams_are_flushed(encoding):
    log = written("loss=1é\nx\U0001f600 loss=2 acc=3;\r\nloss=4", encoding)
    whole = SCANNERS["universal"].scan(log)
    for cut in range(4, len(log) + 1):
        part = SCANNERS["universal"].scan(log[:cut])
        store, stream = Store(), SCANNERS["universal"].stream()
        stream.feed(log[:cut])
        stream.flush()
        store.add(stream.take())
        assert store.rows == {name: rows_of(part[name]) for name in part}
        stream.feed(log[cut:])
        stream.close()
        store.add(stream.take())
        assert store.rows == {name: rows_of(whole[name]) for name in whole}
        assert stream.stats == whole.stats


def test_rows_that_were_not_taken_are_no_part_of_a_state():
    stream = Scanner(LOSS).stream()
    stream.feed(b"loss=1")
    stream.flush()
    with pytest.raises(RuntimeError, match="rows of a flush that were not taken: take them first"):
        stream.state()
    stream.take()
    stream.state()


def test_a_journal_takes_the_replacements(tmp_path):
    scanner, file = Scanner(LOSS), FollowedFile(job="a", stream="stdout", part=0, path="a/stdout")
    log = b"loss=1\nloss=2.5\nloss=3"
    stream = scanner.stream()
    with Journal.open(tmp_path / "journal", scanner) as journal:
        for at in range(len(log)):
            stream.feed(log[at : at + 1])
            stream.flush()
            if taken := stream.take():
                journal.append(file, taken, stream.state(), replaces=taken.replaces)
        journal.commit()
        (state,) = journal.checkpoints().values()
    stream = scanner.stream(state=state)
    with Journal.open(tmp_path / "journal", scanner) as journal:
        stream.feed(log[stream.resume_offset :] + b"0\n")
        taken = stream.take()
        journal.append(file, taken, stream.state(), replaces=taken.replaces)
    table = Dataset(tmp_path / "journal")["loss"]
    assert isinstance(table, pa.Table)
    assert rows_of(table.sort_by("start")) == rows_of(scanner.scan(log + b"0\n")["loss"])
