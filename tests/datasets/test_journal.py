"""A journal: what is committed is there, once, whatever is written in whatever portions; one writer; what it costs."""

import errno
import fcntl
import os
import subprocess
import sys
from array import array
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.journals import OTHER_SCANNER, SCANNER, batch, file, one_row, rows_of, values_of

from metricscan import Dataset, Objective, OptionError, SourceError, compact, rank, survey
from metricscan.datasets import journal as journals
from metricscan.datasets import journal_lock
from metricscan.datasets._packing import pack_difference, pack_row, unpack_difference
from metricscan.datasets.evidence import OF_LOGS, OF_STARTS, OF_VALUES
from metricscan.datasets.journal import Journal
from metricscan.datasets.journal_lock import is_being_written
from metricscan.datasets.journal_packing import PLACE, Columns, Packer, Unpacker, pack_rows, unpack_rows
from metricscan.logs.crashes import Crash
from metricscan.logs.job import Notice
from metricscan.ranking.doubts import KINDS

INT64 = st.integers(-(2**63) + 1, 2**63 - 1)
PLACES = st.integers(0, 2**62)
TIMES = st.none() | st.integers(-(2**55), 2**55)
FLOATS = st.floats(width=64)


# ---- packing


@given(st.integers(0, 2**70), st.binary(), st.text(st.characters()))
def test_numbers_and_texts_are_read_as_written(number, data, text):
    out = Packer()
    out.number(number)
    out.blob(data)
    out.text(text)
    read = Unpacker(bytes(out))
    assert (read.number(), read.blob(), read.text(), read.at) == (number, data, text, len(out))


def drawn_rows(value):
    return st.lists(st.tuples(value, PLACES, PLACES, PLACES, TIMES), min_size=1, max_size=40)


def drawn_batches(value):
    return st.lists(drawn_rows(value) | drawn_rows(value).map(lambda rows: rows[:1]), min_size=1, max_size=4)


@given(drawn_batches(FLOATS) | drawn_batches(st.text(max_size=5)), st.integers(0, 3), st.booleans())
def test_rows_are_read_as_written(batches, number, passes_over):
    texts = []

    def number_of(text):
        if text not in texts:
            texts.append(text)
        return texts.index(text)

    is_label = isinstance(batches[0][0][0], str)
    columns = Columns()
    before, after = (array("q", bytes(8 * 4 * PLACE)) for _ in range(2))
    expected = []
    for at, some in enumerate(batches):
        out = Packer()
        pack_rows(out, 300, batch(some), number_of, before, number)
        data = Unpacker(bytes(out))
        assert data.number() == 300
        # what is passed over does not change what follows
        is_wanted = not passes_over or at % 2 == 0
        into = columns if is_wanted else None
        assert unpack_rows(data, number, after, into, texts if is_label else None) == len(some)
        assert data.at == len(out)
        expected += some if is_wanted else []
    assert before == after
    values = columns.texts if is_label else list(columns.value)
    assert list(map(repr, values)) == [repr(row[0]) for row in expected]
    assert list(columns.line) == [row[1] for row in expected]
    assert list(columns.offset) == [row[2] for row in expected]
    assert list(columns.start) == [row[3] for row in expected]
    assert list(columns.time) == [-(2**63) if row[4] is None else row[4] for row in expected]
    assert set(columns.file) <= {number}


@given(st.lists(st.tuples(FLOATS, PLACES, PLACES, PLACES), min_size=1, max_size=3), st.integers(0, 10**6))
def test_the_columns_of_one_row_are_packed_as_a_batch_of_one_row(rows, metric):
    places, of_batches = (array("q", bytes(8 * 2 * PLACE)) for _ in range(2))
    for value, line, offset, start in rows:
        columns = np.array([[np.float64(value).view(np.int64)], [line], [offset], [start]], np.int64)
        packed, of_batch = Packer(), Packer()
        pack_row(packed, metric, columns, places, 1)
        pack_rows(of_batch, metric, batch([(value, line, offset, start, None)]), lambda text: 0, of_batches, 1)
        assert packed == of_batch
        assert places == of_batches


@pytest.mark.parametrize("shape", [(4, 2), (5, 1), (4, 0), (3, 1), (4,)])
def test_other_columns_are_not_packed(shape):
    places = array("q", bytes(8 * PLACE))
    with pytest.raises(ValueError, match="one row without a time"):
        pack_row(bytearray(), 0, np.zeros(shape, np.int64), places, 0)
    one = np.zeros((4, 1), np.int64)
    with pytest.raises(TypeError, match="bytearray"):
        pack_row([], 0, one, places, 0)
    for file_number in (-1, 1):
        with pytest.raises(ValueError, match="no place of the file"):
            pack_row(bytearray(), 0, one, places, file_number)
    with pytest.raises(TypeError, match="int64"):
        pack_row(bytearray(), 0, one, array("i", [0] * PLACE), 0)


@given(st.lists(st.binary(max_size=3) | st.binary(min_size=200, max_size=203), max_size=6), st.data())
def test_what_differs_between_two_texts(parts, data):
    before = b"".join(parts)
    text = b"".join(data.draw(st.permutations(parts))) + data.draw(st.binary(max_size=3))
    out = Packer(b"xy")
    pack_difference(out, text, before)
    packed = bytes(out)
    assert unpack_difference(packed + b"z", 2, before) == (text, len(packed))
    changed = sum(one != other for one, other in zip(text, before, strict=False)) + max(len(text) - len(before), 0)
    if len(text) == len(before):
        # what is the same is not repeated, but for single bytes
        assert len(packed) <= 2 + 2 + 4 * changed + 4
    for size in range(2, len(packed)):
        with pytest.raises(ValueError, match=r"cut off|are not there|was expected"):
            unpack_difference(packed[:size], 2, before)


@given(st.binary(max_size=40), st.binary(max_size=40), st.integers(0, 50))
def test_any_bytes_as_a_difference_are_a_text_or_an_error(data, before, at):
    try:
        text, end = unpack_difference(data, at, before)
    except ValueError:
        return
    assert at < end <= len(data)
    assert len(text) <= len(before) + len(data)


def test_a_few_changed_bytes_take_a_few_bytes():
    before = bytes(range(60))
    for changes, size in (([], 1), ([50], 4), ([5, 6], 4), ([5, 7], 5), ([5, 9], 5), (range(10, 40), 33)):
        text = bytearray(before)
        for at in changes:
            text[at] ^= 255
        out = Packer()
        pack_difference(out, bytes(text), before)
        assert len(out) == size, changes
        assert unpack_difference(bytes(out), 0, before) == (bytes(text), size)


# ---- what is committed


APPENDS = st.lists(
    st.tuples(
        st.sampled_from("abc"),  # the job
        st.integers(0, 1),  # the part
        st.sampled_from(["loss", "who"]),
        st.integers(0, 3),  # rows
        st.binary(max_size=6) | st.none(),  # the checkpoint
        st.booleans(),  # whether the last record of this file is replaced
        st.sampled_from(["", "commit", "open"]),
    ),
    max_size=30,
)


@given(APPENDS)
def test_any_appends_commits_and_openings(appends):
    import tempfile

    expected, checkpoints, places = {}, {}, {}
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "journal")
        options = {"commit_interval": None, "segment_commits": 3}
        journal = Journal.open(path, SCANNER, **options)
        for job, part, metric, count, checkpoint, replaces, then in appends:
            one = file(job, part=part)
            last = places.get(one, 0)
            if replaces:
                for rows in expected.values():
                    rows[one.key] = [row for row in rows.get(one.key, []) if row[2] != last]
            else:
                places[one] = last = last + 10
            rows = [
                (f"t{last + at}" if metric == "who" else float(at), last, last, last + at, None) for at in range(count)
            ]
            expected.setdefault(metric, {}).setdefault(one.key, []).extend(rows)
            if checkpoint is not None:
                checkpoints[one] = checkpoint
            journal.append(one, {metric: batch(rows)}, checkpoint, replaces=[last] if replaces else [])
            if then:
                journal.commit()
            if then == "open":
                journal.close()
                journal = Journal.open(path, SCANNER, **options)
        journal.close()
        assert journal.checkpoints() == checkpoints
        found = rows_of(path)
        assert found == {
            metric: kept
            for metric, rows in expected.items()
            if (kept := {key: some for key, some in rows.items() if some})
        }
        with Journal.open(path, SCANNER) as journal:
            assert journal.checkpoints() == checkpoints
            assert journal.cut is None


CRASH = Crash("traceback", "ValueError: é", 3, 17, None)


@pytest.mark.parametrize("segment_commits", [1, 100])
def test_the_crash_with_which_a_file_ends(tmp_path, segment_commits):
    path = tmp_path / "journal"
    said = [
        (file("a", part=0), CRASH),
        # not the last part
        (file("a", part=1), False),
        (file("b"), None),
        (file("b"), CRASH),
        (file("c"), CRASH),
        (file("c"), None),
        (file("c"), CRASH._replace(after=20)),
        (file("d"), CRASH),
        (file("d"), False),
    ]
    with Journal.open(path, SCANNER, commit_interval=None, segment_commits=segment_commits) as journal:
        for one, crash in said:
            journal.append(one, {"loss": one_row(1)}, b"x", crash=crash)
            journal.commit()
    with Journal.open(path, SCANNER, commit_interval=None) as journal:
        journal.append(file("a", part=1), {"loss": one_row(2)}, b"y")
    for opened in (Dataset(path), Dataset(compact(path))):
        assert {key[0]: noted.crash for key, noted in opened.evidence.logs.items()} == {
            "b": CRASH,
            "c": CRASH._replace(after=20),
        }
        assert opened.evidence.unknown == (*OF_VALUES, OF_STARTS) == tuple(opened.manifest["unknown_doubts"])
        assert len(opened["loss"]) == len(said) + 1
    with Journal.open(path, SCANNER) as journal:
        # of one it is not known
        journal.append(file("e"), {"loss": one_row(1)}, b"x")
    assert Dataset(path).evidence.unknown == OF_LOGS


def test_doubts_that_a_journal_does_not_know_are_kinds_of_doubts():
    assert {*OF_LOGS} < set(KINDS)


def test_what_is_not_committed_is_not_there(tmp_path):
    path = tmp_path / "journal"
    clock = SimpleNamespace(now=0.0)
    journal = Journal.open(path, SCANNER, commit_interval=0.2, clock=lambda: clock.now)
    assert journal.due is None
    journal.append(file("a"), {"loss": one_row(0)}, b"0")
    assert journal.due == 0.2
    assert values_of(path) == {}
    assert journal.checkpoints() == {}
    clock.now = 0.1
    journal.append(file("a"), {"loss": one_row(1)}, b"1")
    assert values_of(path) == {}
    clock.now = 0.25
    journal.append(file("a"), {"loss": one_row(2)}, b"2")
    assert values_of(path) == {"a": [0.0, 1.0, 2.0]}
    assert journal.due is None
    assert journal.checkpoints() == {file("a"): b"2"}
    journal.append(file("a"), {"loss": one_row(3)}, b"3")
    with pytest.raises(RuntimeError), journal:
        raise RuntimeError
    assert values_of(path) == {"a": [0.0, 1.0, 2.0]}
    with pytest.raises(ValueError, match="the journal is closed"):
        journal.commit()


def test_a_journal_is_a_dataset(tmp_path):
    path = tmp_path / "journal"
    with Journal.open(path, SCANNER) as journal, SCANNER.stream() as stream:
        stream.feed(b"who=w loss=0.5 acc=1\nloss=0.25\n", 1_700_000_000.000_001)
        journal.append(file("trial_10"), stream.take())
        journal.append(file("trial_2"), {"loss": one_row(3)})
        journal.note(Notice("12 bytes were lost", "logs/x"))
    dataset = Dataset(path)
    assert list(dataset) == ["loss", "acc", "who"]
    assert dataset.labels == ("who",)
    assert [one.name for one in dataset.facts] == ["trial_2", "trial_10"]
    assert dataset["who"]["value"].to_pylist() == ["w"]
    assert [log.path for job in dataset.jobs for log in job.logs] == ["logs/trial_2.stdout.0", "logs/trial_10.stdout.0"]
    assert dataset.manifest["notices"] == [{"message": "12 bytes were lost", "path": "logs/x"}]
    ranked = rank(path, Objective("loss", "Minimize"))
    assert ranked.select(["job", "value"]).to_pylist() == [
        {"job": "trial_10", "value": 0.25},
        {"job": "trial_2", "value": 3.0},
    ]
    assert dataset["loss"]["time"][2].as_py().microsecond == 1


def test_a_dataset_holds_what_was_committed_when_it_was_opened(tmp_path):
    path = tmp_path / "journal"
    with Journal.open(path, SCANNER, segment_commits=2) as journal:
        for number in range(3):
            journal.append(file("a"), {"loss": one_row(number)})
            journal.commit()
        dataset = Dataset(path)
        for number in range(3, 9):
            journal.append(file(f"a{number}"), {"loss": one_row(number)})
            journal.commit()
        assert dataset["loss"]["value"].to_pylist() == [0, 1, 2]
        assert Dataset(path)["loss"].num_rows == 9
        with pytest.raises(KeyError):
            dataset["nothing"]


def test_a_search_takes_no_file_of_a_journal_for_a_log(tmp_path):
    with Journal.open(tmp_path / "journal", SCANNER) as journal:
        journal.append(file("a"), {"loss": one_row(0)})
    (tmp_path / "a.log").write_text("loss=1\n")
    found = survey(tmp_path)
    assert [one.path for one in found.files if one.taken] == [str(tmp_path / "a.log")]


# ---- one writer, and the right one


def test_there_is_one_writer(tmp_path):
    path = str(tmp_path / "journal")
    with Journal.open(path, SCANNER):
        with pytest.raises(SourceError) as error:
            Journal.open(path, SCANNER)
        assert error.value.message == f"{path} is being written by process {os.getpid()}"
        code = (
            f"import sys; sys.path.insert(0, {os.path.dirname(os.path.dirname(__file__))!r})\n"
            "from support.journals import SCANNER; from metricscan.datasets.journal import Journal\n"
            f"Journal.open({path!r}, SCANNER)"
        )
        run = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
        assert f"is being written by process {os.getpid()}" in run.stderr
        assert Dataset(path)["loss"].num_rows == 0
    Journal.open(path, SCANNER).close()


def test_a_look_at_who_writes_keeps_no_writer_away(tmp_path, monkeypatch):
    path = str(tmp_path / "journal")
    assert not is_being_written(path)
    with Journal.open(path, SCANNER):
        assert is_being_written(path)
    assert not is_being_written(path)
    with open(tmp_path / "journal" / ".lock") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        # others may look as well
        assert not is_being_written(path)
        waits = []

        def sleep(seconds):
            waits.append(seconds)
            fcntl.flock(looking, fcntl.LOCK_UN)

        monkeypatch.setattr(journal_lock, "time", SimpleNamespace(sleep=sleep))
        Journal.open(path, SCANNER).close()
        assert len(waits) == 1


def test_other_definitions(tmp_path):
    path = tmp_path / "journal"
    Journal.open(path, SCANNER).close()
    with pytest.raises(OptionError, match="is a journal of other definitions or options"):
        Journal.open(path, OTHER_SCANNER)
    with Journal.open(path, SCANNER):
        pass


def test_other_files(tmp_path):
    (tmp_path / "important").write_text("x")
    with pytest.raises(OptionError, match=r"is not empty and not a journal: it has no journal\.json"):
        Journal.open(tmp_path, SCANNER)
    assert os.listdir(tmp_path) == ["important"]
    with pytest.raises(SourceError, match="cannot write"):
        Journal.open(tmp_path / "important", SCANNER)


def test_rows_of_another_kind_are_refused(tmp_path):
    with Journal.open(tmp_path / "journal", SCANNER) as journal:
        with pytest.raises(TypeError, match="the rows of 'loss' have the schema"):
            journal.append(file("a"), {"loss": pa.record_batch({"value": [1.0]})})
        with pytest.raises(ValueError, match="numbers of at least 0 were expected"):
            journal.append(file("a"), {}, replaces=[-1])
        with pytest.raises(ValueError, match="part -1"):
            journal.append(file("a", part=-1), {})


# ---- no room


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_it_waits_where_there_is_no_room(tmp_path, monkeypatch, number):
    path = tmp_path / "journal"
    said = []
    monkeypatch.setattr(journals, "_RETRY_S", 0.0)
    pwrite = os.pwrite
    fails = [True] * 3

    def full(*arguments):
        if fails:
            fails.pop()
            raise OSError(number, os.strerror(number))
        return pwrite(*arguments)

    with Journal.open(path, SCANNER, on_wait=said.append) as journal:
        journal.append(file("a"), {"loss": one_row(0)}, b"0")
        monkeypatch.setattr(os, "pwrite", full)
        journal.commit()
        monkeypatch.undo()
        assert len(said) == 3
        assert str(said[0]) == f"cannot write {path}/000001.segment: {os.strerror(number)}"
        journal.append(file("a"), {"loss": one_row(1)}, b"1")
    assert values_of(path) == {"a": [0.0, 1.0]}


# ---- what it costs


def test_rows_take_less_than_their_own_size(tmp_path):
    path = tmp_path / "journal"
    with Journal.open(path, SCANNER, commit_interval=None) as journal:
        journal.append(file("a"), {"loss": one_row(0)}, b"c" * 150)
        journal.commit()
        before = os.path.getsize(path / "000001.segment")
        rows = [(0.1 * at, 1000 + at, 90_000 + 80 * at, 90_040 + 80 * at, None) for at in range(1000)]
        journal.append(file("a"), {"loss": batch(rows)}, b"c" * 148 + b"99")
        journal.commit()
        usual = os.path.getsize(path / "000001.segment")
        assert usual - before < 40 * len(rows) / 2
        for number in range(1000, 1100):
            journal.append(file("a"), {"loss": one_row(number)}, b"c" * 140 + b"%010d" % number)
            journal.commit()
        # a row has 40 bytes
        assert os.path.getsize(path / "000001.segment") - usual < 100 * 2 * 40


def test_the_last_segment_alone_is_read_to_open_a_journal(tmp_path):
    path = tmp_path / "journal"
    with Journal.open(path, SCANNER, commit_interval=None, segment_commits=4) as journal:
        for number in range(10):
            journal.append(
                file(f"a{number % 3}"), {"loss": one_row(number), "who": batch([(str(number), 1, 1, 1, None)])}
            )
            journal.commit()
    assert sorted(os.listdir(path)) == [
        ".lock",
        "000001.segment",
        "000002.segment",
        "000003.segment",
        "journal.json",
    ]
    (path / "000001.segment").chmod(0)
    (path / "000001.segment").write_bytes(b"") if os.geteuid() == 0 else None
    Journal.open(path, SCANNER).close()
    dataset = Dataset(path)
    assert len(dataset.facts) == 3
    with pytest.raises(SourceError):
        dataset["loss"]
