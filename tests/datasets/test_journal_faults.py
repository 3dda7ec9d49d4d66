"""Journals beside faults: each operation fails once, the process dies at each, the files are cut or changed at every byte."""

import errno
import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.faults import KINDS, Faults
from support.journals import SCANNER, batch, file, one_row, rows_of, values_of

from metricscan import Dataset, OptionError, SourceError
from metricscan.datasets.journal import Journal
from metricscan.datasets.journal_format import END, FRAME_HEADER_BYTES, Segment, framed, read_description, segment_path
from metricscan.errors import MetricscanError

JOBS = ("a", "b", "c")
ROWS = 4
HYPERPARAMETERS = {"a": {"lr": "0.1"}, "b": {"seed": "3"}}
EXPECTED = {job: [float(number) for number in range(ROWS)] for job in JOBS}


def go_on(path):
    """Add the rows that are missing, as a follower does: it begins at the checkpoints, and goes on after an error."""
    with Journal.open(path, SCANNER, commit_interval=None, segment_commits=2) as journal:
        places = {job: int(journal.checkpoints().get(file(job), b"0")) for job in JOBS}
        for number in range(ROWS):
            for job in JOBS:
                if number >= places[job]:
                    journal.append(file(job), {"loss": one_row(number)}, b"%d" % (number + 1))
            # as `run` and `follow` say what they find beside the logs, again and again
            if number % 3 == 0:
                journal.note_hyperparameters({"a": {"lr": "0.1"}, "b": {"seed": str(number)}})
            try:
                journal.commit()
            except SourceError:
                journal.commit()


def hyperparameters_of(path):
    return {one.name: one.hyperparameters for one in Dataset(path).facts if one.hyperparameters}


def run_through(path, faults):
    """Run until it works; where the process dies or gives up, another begins."""
    for _ in range(3):
        done = False
        with faults.injected():
            try:
                go_on(path)
                done = True
            except SourceError:
                continue
        if done:
            return
    raise AssertionError("it never got through")


def counted(tmp_path):
    faults = Faults(tmp_path)
    run_through(tmp_path / "counted", faults)
    assert values_of(tmp_path / "counted") == EXPECTED
    return len(faults.operations)


FAST = ("ENOSPC", "EIO late", "short", "torn")
SLOW = [pytest.param(kind, marks=pytest.mark.slow) for kind in ("EIO", "EINTR", "killed", "killed late")]


def test_all_kinds_are_tried():
    assert {*FAST, *(one.values[0] for one in SLOW)} == set(KINDS)


@pytest.mark.parametrize("kind", [*FAST, *SLOW])
def test_each_operation_fails_once(tmp_path, kind):
    hits = set()
    for at in range(counted(tmp_path)):
        path = tmp_path / f"{kind}-{at}"
        faults = Faults(path, at, kind)
        run_through(path, faults)
        assert values_of(path) == EXPECTED, (at, faults.operations[at])
        assert hyperparameters_of(path) == HYPERPARAMETERS, (at, faults.operations[at])
        if faults.hit:
            hits.add(faults.operations[at])
        shutil.rmtree(path)
    assert {"pwrite"} <= hits
    if kind not in ("short", "torn"):
        assert {"open", "fdatasync", "fsync"} <= hits


def test_hyperparameters_that_change_while_they_cannot_be_written(tmp_path, monkeypatch):
    path, jobs = tmp_path / "journal", tmp_path / "journal" / "jobs.jsonl"

    def failing(_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with Journal.open(path, SCANNER, commit_interval=None) as journal:
        for job in "ab":
            journal.append(file(job), {"loss": one_row(0)})
        journal.commit()
        journal.note_hyperparameters({"a": {"x": "1" * 100}, "b": {"x": "1"}})
        with monkeypatch.context() as patched:
            patched.setattr(os, "fdatasync", failing)
            with pytest.raises(SourceError, match="Input/output error"):
                journal.commit()
        # what was written is there: the line of b would follow the one that replaces it
        _, line = jobs.read_bytes().splitlines(keepends=True)
        journal.note_hyperparameters({"a": {"x": "1" * (100 - len(line))}, "b": {"x": "2"}})
        journal.commit()
        assert line not in jobs.read_bytes()
    assert hyperparameters_of(path) == {"a": {"x": "1" * (100 - len(line))}, "b": {"x": "2"}}


def test_the_name_of_the_file_of_jobs_is_on_the_disk_after_a_second_try(tmp_path):
    path = tmp_path / "journal"
    with Journal.open(path, SCANNER, commit_interval=None) as journal:
        journal.append(file("a"), {"loss": one_row(0)})
        journal.note_hyperparameters({"a": {"x": "1"}})
        with pytest.raises(SourceError), Faults(path, 1).injected():
            journal.commit()
        assert (path / "jobs.jsonl").exists()
        with Faults(path).injected() as faults:
            journal.commit()
    assert faults.operations[:5] == ["open", "pwrite", "fdatasync", "open", "fsync"]


def test_the_name_of_a_segment_is_on_the_disk_before_its_rows(tmp_path):
    faults = Faults(tmp_path)
    run_through(tmp_path / "journal", faults)
    places = [at for at, name in enumerate(faults.operations) if name == "replace"]
    # the description, and two segments of two commits
    assert len(places) == 3
    for at in places:
        assert faults.operations[at - 2 : at + 3] == ["fdatasync", "fsync", "replace", "open", "fsync"]


@pytest.mark.parametrize("kind", ["EIO", "EINTR", "short"])
def test_each_operation_of_a_reader_fails_once(tmp_path, kind):
    path = tmp_path / "journal"
    go_on(path)
    faults = Faults(path)
    with faults.injected():
        values_of(path)
    for at in range(len(faults.operations)):
        with Faults(path, at, kind).injected():
            if kind == "EIO":
                with pytest.raises(SourceError, match="cannot read"):
                    values_of(path)
            else:
                assert values_of(path) == EXPECTED


# ---- files that are cut or changed


@pytest.fixture
def small(tmp_path):
    """A journal of two segments, and the rows after each number of commits."""
    path = tmp_path / "journal"
    after = [{}]
    with Journal.open(path, SCANNER, commit_interval=None, segment_commits=2) as journal:
        for number in range(4):
            rows = {"loss": one_row(number), "who": batch([(f"w{number}", 1 + number, 100 * number, 100 * number, 7)])}
            journal.append(file("a"), rows, b"%d" % number, replaces=[100] if number == 3 else [])
            journal.commit()
            after.append(rows_of(path))
    assert [len(one.get("loss", {}).get(file("a").key, ())) for one in after] == [0, 1, 2, 3, 3]
    return path, after


def with_content(path, name, content):
    (path / name).write_bytes(content)
    (path / ".lock").unlink(missing_ok=True)


def rows_or_error(path):
    """What a journal holds, and the error; one of them is None."""
    try:
        return rows_of(path), None
    except SourceError as error:
        return None, error


def test_the_last_segment_is_cut_at_every_byte(small):
    path, after = small
    whole = (path / "000002.segment").read_bytes()
    seen = []
    for size in range(len(whole)):
        with_content(path, "000002.segment", whole[:size])
        found, error = rows_or_error(path)
        if error is not None:
            assert str(error) == f"{path}/000002.segment is damaged: its header is not whole"
            with pytest.raises(SourceError, match="its header is not whole"):
                Journal.open(path, SCANNER)
            seen.append(None)
            continue
        commits = after.index(found)
        with Journal.open(path, SCANNER, commit_interval=None) as journal:
            assert journal.checkpoints() == {file("a"): b"%d" % (commits - 1)}
            if journal.cut is None:
                assert size == os.path.getsize(path / "000002.segment")
            else:
                assert journal.cut == (f"{path}/000002.segment", size - journal.cut.size_bytes, journal.cut.size_bytes)
                assert str(journal.cut).endswith("were no whole commit, and were cut")
            journal.append(file("z"), {"loss": one_row(0)})
        assert rows_of(path)["loss"].pop(file("z").key)
        seen.append(commits)
    # first the header, then longer and longer prefixes
    assert list(dict.fromkeys(seen)) == [None, 2, 3]


def test_an_earlier_segment_is_cut_at_every_byte(small):
    path, _ = small
    whole = (path / "000001.segment").read_bytes()
    for size in range(len(whole)):
        with_content(path, "000001.segment", whole[:size])
        with pytest.raises(SourceError, match=r"000001\.segment is damaged") as error:
            rows_of(path)
        assert error.value.offset is not None


@pytest.mark.parametrize("name", ["000001.segment", "000002.segment", "journal.json"])
@pytest.mark.parametrize("bits", [1, pytest.param(8, marks=pytest.mark.slow)])
def test_every_flipped_bit_is_noticed(small, name, bits):
    path, after = small
    whole = (path / name).read_bytes()
    kept = set()
    for place in range(len(whole)):
        for bit in range(8) if bits == 8 else [place % 8]:
            changed = bytearray(whole)
            changed[place] ^= 1 << bit
            with_content(path, name, bytes(changed))
            found, error = rows_or_error(path)
            if error is not None:
                assert error.path == f"{path}/{name}"
                continue
            # the last frame may be one that was being written
            assert found in (after[3], after[4])
            kept.add(place)
    # all bytes of the last frame, and no other
    assert kept == (set(range(min(kept), len(whole))) if name == "000002.segment" else set())


def test_zeros_and_garbage_behind_the_last_commit_are_cut(small):
    path, after = small
    whole = (path / "000002.segment").read_bytes()
    for garbage in (bytes(5000), whole[-40:], random.Random(1).randbytes(70_000), b"\xa7M" * 1000):
        with_content(path, "000002.segment", whole + garbage)
        assert rows_of(path) == after[-1]
        (notice,) = Dataset(path).manifest["notices"]
        begin = f"{len(garbage):,} bytes behind byte {len(whole)} of {path}/000002.segment are no whole commit"
        assert notice["message"].startswith(begin)
        with Journal.open(path, SCANNER) as journal:
            # the reader's words change nothing
            assert Dataset(path).manifest["notices"] == []
            assert journal.cut is not None
            assert journal.cut.size_bytes == len(garbage)
        assert (path / "000002.segment").read_bytes().startswith(whole)
        # who reads it from now on is told, too
        (notice,) = Dataset(path).manifest["notices"]
        assert notice["message"] == str(journal.cut)


def test_a_complete_segment_counts_its_commits(small):
    path, _ = small
    whole = (path / "000001.segment").read_bytes()
    segment = Segment(str(path), 1, read_description(str(path)), is_last=False)
    assert len(list(segment.commits())) == 2
    end = len(whole) - FRAME_HEADER_BYTES - 2
    assert whole[end:] == framed(bytes([END, 2]), segment.salt, end)
    with_content(path, "000001.segment", whole[:end] + framed(bytes([END, 3]), segment.salt, end))
    with pytest.raises(SourceError, match="its end does not count 2 commits"):
        rows_of(path)


def test_a_missing_segment(small):
    path, _ = small
    (path / "000001.segment").unlink()
    with pytest.raises(SourceError, match=r"lacks 000001\.segment; it has segments up to 000002"):
        Dataset(path)
    with pytest.raises(SourceError, match="lacks"):
        Journal.open(path, SCANNER)


def test_a_segment_of_another_journal_or_place(small, tmp_path):
    path, _ = small
    other = tmp_path / "other"
    go_on(other)
    shutil.copy(segment_path(other, 1), segment_path(path, 3))
    with pytest.raises(SourceError, match=r"000003\.segment is of another journal"):
        Dataset(path)
    shutil.copy(segment_path(path, 1), segment_path(path, 3))
    with pytest.raises(SourceError, match=r"000003\.segment is segment 1; 3 was expected"):
        Journal.open(path, SCANNER)


def test_a_newer_version(small):
    path, _ = small
    whole = (path / "000002.segment").read_bytes()
    with_content(path, "000002.segment", whole[:8] + b"\x04" + whole[9:])
    with pytest.raises(
        SourceError,
        match=r"has format version 4; at most 3 was expected\nhint: a newer version of metricscan wrote it",
    ):
        Dataset(path)
    document = json.loads((path / "journal.json").read_text())
    (path / "journal.json").write_text(json.dumps({**document, "format_version": 4}))
    with pytest.raises(SourceError, match="has format version 4; at most 3 was expected"):
        Journal.open(path, SCANNER)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"digest": 1}', "\xff", "[" * 100_000])
def test_a_description_that_is_none(small, text):
    path, _ = small
    (path / "journal.json").write_bytes(text.encode("latin-1"))
    for call in (lambda: Dataset(path), lambda: Journal.open(path, SCANNER)):
        with pytest.raises(MetricscanError, match=r"journal\.json"):
            call()


def test_a_journal_that_cannot_be_written(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(SourceError, match="cannot write"):
        Journal.open(blocked / "journal", SCANNER)
    with pytest.raises((SourceError, OptionError)):
        Journal.open("/proc/journal", SCANNER)


# ---- processes that are killed


@pytest.mark.slow
def test_a_killed_writer_loses_and_doubles_nothing():
    script = Path(__file__).resolve().parents[2] / "fuzz" / "killed_writers.py"
    run = subprocess.run([sys.executable, script, "--kills", "10"], check=False, capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.startswith("10 kills, ")
