"""Readers of a journal: each row once from any cursor, while it is written, beside what a dataset holds."""

import os
import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.journals import SCANNER, batch, file, one_row, rows_of

from metricscan import FollowedFile, Journal, JournalReader, OptionError, SourceError
from metricscan.datasets.journal_format import Segment


class Consumer:
    """Keeps the rows of batches, as an application does."""

    def __init__(self):
        self.rows = []
        self.cursor = None

    def take(self, batches, most=None):
        for number, one in enumerate(batches):
            for record in one.replaced:
                key = (*record.file.key, record.offset)
                self.rows = [row for row in self.rows if row[1:5] != key]
            for name, rows in one.rows.items():
                for row in rows.to_pylist():
                    self.rows.append(
                        (name, row["job"], row["stream"], row["part"], row["offset"], row["value"], row["start"])
                    )
            self.cursor = one.cursor
            if number + 1 == most:
                break


def held(path):
    found = []
    for metric, files in rows_of(path).items():
        for key, rows in files.items():
            found += [(metric, *key, offset, value, start) for value, _, offset, start, _ in rows]
    return sorted(found)


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["append", "append", "commit", "replace", "open", "read", "read some", "new reader"]),
        st.sampled_from("ab"),
        st.integers(1, 3),
    ),
    max_size=40,
)


@given(ACTIONS)
def test_each_row_is_read_once(actions):
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "journal")
        options = {"commit_interval": None, "segment_commits": 3}
        journal = Journal.open(path, SCANNER, **options)
        reader, consumer, place = JournalReader(path), Consumer(), 0
        for action, job, count in actions:
            if action in ("append", "replace"):
                place += action == "append"
                rows = batch([(float(place), place, place, place * 10 + at, None) for at in range(count)])
                journal.append(
                    file(job), {"loss": rows}, b"%d" % place, replaces=[place] if action == "replace" else []
                )
            elif action == "commit":
                journal.commit()
            elif action == "open":
                journal.close()
                journal = Journal.open(path, SCANNER, **options)
            elif action == "new reader":
                reader = JournalReader(path)
            else:
                consumer.take(
                    reader.read_from(consumer.cursor, batch_rows=count), count if action == "read some" else None
                )
        journal.close()
        consumer.take(reader.read_from(consumer.cursor))
        if consumer.cursor is None:
            assert not consumer.rows
        assert sorted(consumer.rows) == held(path)


def test_rows_and_replacements_of_one_commit(tmp_path):
    path = tmp_path / "journal"
    with Journal.open(path, SCANNER, commit_interval=None) as journal:
        journal.append(file("a"), {"loss": one_row(0)})
        journal.commit()
        journal.append(file("a"), {"loss": one_row(1)})
        journal.append(file("b"), {"loss": one_row(1)})
        journal.append(file("a"), {"loss": batch([(7.0, 2, 100, 105, None)])}, replaces=[100])
    consumer = Consumer()
    consumer.take(JournalReader(path).read_from())
    assert sorted(consumer.rows) == held(path)
    assert sorted(row[5] for row in consumer.rows) == [0, 1, 7]


def test_a_reader_goes_on_where_its_caller_stopped(tmp_path):
    path = tmp_path / "journal"
    with Journal.open(path, SCANNER, commit_interval=None) as journal:
        for number, replaces in enumerate(([], [0], [100], [])):
            journal.append(file("a"), {"loss": one_row(number)}, replaces=replaces)
            journal.commit()
    for batch_rows in (1, 2, 100):
        for most in (1, 2, 3):
            reader, consumer = JournalReader(path), Consumer()
            for _ in range(4):
                consumer.take(reader.read_from(consumer.cursor, batch_rows=batch_rows), most)
            assert sorted(consumer.rows) == held(path)


def test_a_batch_has_the_columns_of_tables(tmp_path):
    path = tmp_path / "journal"
    with Journal.open(path, SCANNER) as journal:
        journal.append(FollowedFile("a", "err", 2, "x"), {"who": batch([("w", 1, 2, 3, 4)]), "acc": batch([])})
    (one,) = JournalReader(path).read_from()
    assert list(one.rows) == ["who"]
    (row,) = one.rows["who"].to_pylist()
    assert row.pop("time").microsecond == 4
    assert row == {"job": "a", "stream": "err", "part": 2, "value": "w", "line": 1, "offset": 2, "start": 3}


def test_a_reader_sees_a_commit_that_is_whole(tmp_path):
    path = tmp_path / "journal"
    with Journal.open(path, SCANNER, commit_interval=None) as journal:
        journal.append(file("a"), {"loss": one_row(0)})
        journal.commit()
        reader = JournalReader(path)
        (first,) = reader.read_from()
        journal.append(file("a"), {"loss": one_row(1)})
        journal.commit()
    segment = path / "000001.segment"
    whole = segment.read_bytes()
    segment.write_bytes(whole[:-1])
    assert list(reader.read_from(first.cursor)) == []
    # what was not whole may become something else
    with Journal.open(path, SCANNER) as journal:
        assert journal.cut is not None
        journal.append(file("b"), {"acc": one_row(5)})
    (second,) = reader.read_from(first.cursor)
    assert list(second.rows) == ["acc"]


def test_cursors_of_nothing(tmp_path):
    path, other = tmp_path / "journal", tmp_path / "other"
    for one in (path, other):
        with Journal.open(one, SCANNER) as journal:
            journal.append(file("a"), {"loss": one_row(0)})
    (one,) = JournalReader(other).read_from()
    (own,) = JournalReader(path).read_from()
    reader = JournalReader(path)
    for cursor in ("", "x", "1-2-3", 7, "2" + own.cursor[1:], one.cursor):
        with pytest.raises(OptionError, match="cursor"):
            list(reader.read_from(cursor))
    with pytest.raises(OptionError, match="batch_rows=0: 1 or more was expected"):
        list(reader.read_from(batch_rows=0))
    parts = own.cursor.split("-")
    for at, text in ((2, "2"), (2, "0"), (3, "0"), (4, "9999"), (5, "00000000")):
        gone = "-".join([*parts[:at], text, *parts[at + 1 :]])
        with pytest.raises(SourceError, match="does not hold the commit of the cursor"):
            list(reader.read_from(gone))
    with pytest.raises(SourceError, match="is not a journal"):
        JournalReader(tmp_path)


def test_the_rows_of_a_transaction_are_there_once(tmp_path):
    path = tmp_path / "journal"
    database = sqlite3.connect(":memory:", isolation_level=None)
    database.execute("create table loss (job, value)")
    database.execute("create table place (cursor)")

    def take(fails):
        (cursor,) = database.execute("select max(cursor) from place").fetchone()
        for one in JournalReader(path).read_from(cursor, batch_rows=1):
            with database:
                database.execute("begin")
                rows = one.rows["loss"].select(["job", "value"]).to_pylist()
                database.executemany("insert into loss values (:job, :value)", rows)
                if fails and one.rows["loss"]["value"][0].as_py() == fails:
                    raise RuntimeError
                database.execute("delete from place")
                database.execute("insert into place values (?)", (one.cursor,))

    with Journal.open(path, SCANNER, commit_interval=None, segment_commits=2) as journal:
        for number in range(6):
            journal.append(file("a"), {"loss": one_row(number)})
            journal.commit()
            if number in (2, 4):
                with pytest.raises(RuntimeError):
                    take(fails=float(number))
    take(fails=None)
    assert database.execute("select value from loss").fetchall() == [(float(number),) for number in range(6)]


def test_the_end_of_a_journal(tmp_path):
    path = tmp_path / "journal"
    with Journal.open(path, SCANNER, segment_commits=2) as journal:
        reader = JournalReader(path)
        assert (reader.end(), reader.cursor) == (None, None)
        for number in range(5):
            journal.append(file("a"), {"loss": one_row(number)})
            journal.commit()
            end = reader.end()
            assert end == reader.cursor == [one.cursor for one in JournalReader(path).read_from(batch_rows=1)][-1]
            assert list(reader.read_from(end)) == []
        journal.append(file("a"), {"loss": one_row(5)})
        journal.commit()
        (found,) = reader.read_from(end)
        assert found.rows["loss"]["value"].to_pylist() == [5]


def test_commits_without_rows_are_not_read_again(tmp_path, monkeypatch):
    path = tmp_path / "journal"
    places = []
    refresh = Segment.refresh
    monkeypatch.setattr(Segment, "refresh", lambda one: places.append(one.end) or refresh(one))
    with Journal.open(path, SCANNER) as journal:
        journal.append(file("a"), {"loss": one_row(0)})
        journal.commit()
        reader = JournalReader(path)
        (batch_,) = reader.read_from()
        for number in range(5):
            journal.append(file("a"), {}, b"%d" % number)
            journal.commit()
            # at the cursor of the last rows, and where the reader stands
            cursor = batch_.cursor if number % 2 else reader.cursor
            places.clear()
            assert list(reader.read_from(cursor)) == []
            assert min(places) > 0
        assert reader.cursor != batch_.cursor
        journal.append(file("a"), {"loss": one_row(1)})
        journal.commit()
        assert [one.rows["loss"]["value"].to_pylist() for one in JournalReader(path).read_from(reader.cursor)] == [[1]]
