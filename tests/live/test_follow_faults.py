"""Following where the system fails: each read and write once, a full disk, unreadable files, journals of other versions."""

import errno
import os

import pytest
from support.faults import KINDS, Faults
from support.following import JournalFollower, JournalFound, scanner_of_rows

from metricscan import Dataset, Journal, OptionError, Scanner, SourceError, follow
from metricscan.datasets import journal_disk
from metricscan.live.identity import Checkpoint
from metricscan.live.reading_state import State

SCANNER = Scanner(["loss=loss=([0-9.]+)", "epoch=epoch=([0-9]+)"])


def append(path, text):
    with open(path, "ab", buffering=0) as file:
        file.write(text.encode())


EXPECTED = [(0, 0, "row=1"), (0, 6, "row=2"), (0, 12, "row=3"), (0, 18, "row=4")] + [
    (1, 6 * number, f"row={number + 5}") for number in range(3)
]


def followed_with(folder, faults):
    """The rows after a history in which a fault happens; whoever dies or gives up is begun anew, as a user would do."""
    log = folder / "train.log"
    steps = [
        lambda: append(log, "row=1\nrow=2\nro"),
        lambda: append(log, "w=3\nrow=4\n"),
        lambda: os.rename(log, f"{log}.1"),
        lambda: append(log, "row=5\n"),
        lambda: append(log, "row=6\nrow=7\n"),
    ]
    follower = None
    for step in steps:
        step()
        done = False
        with faults.injected():
            try:
                follower = follower or JournalFollower(folder)
                follower.poll()
                done = True
            except SourceError:
                if follower is not None:
                    follower.kill()
        if not done:
            # it gave up, or died; the fault is over
            follower = JournalFollower(folder)
            follower.poll()
    for _ in range(3):
        follower.poll()
    follower.kill()
    return JournalFound(folder.with_suffix(".journal"))


def operations(tmp_path):
    folder = tmp_path / "counted"
    folder.mkdir()
    faults = Faults(tmp_path)
    assert followed_with(folder, faults).rows == EXPECTED
    return len(faults.operations)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_each_operation_fails_once(tmp_path, kind):
    hits = 0
    for at in range(operations(tmp_path)):
        folder = tmp_path / f"logs-{at}"
        folder.mkdir()
        faults = Faults(tmp_path, at, kind)
        found = followed_with(folder, faults)
        hits += faults.hit
        assert (found.rows, found.lost) == (EXPECTED, []), (at, faults.operations[at])
    assert hits


# ---- the disk


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_it_waits_for_room_and_goes_on(tmp_path, monkeypatch, number):
    append(tmp_path / "a.log", "loss=1\n")
    said, write_at = [], journal_disk.write_at

    def full(*arguments):
        if len(said) < 2:
            raise OSError(number, os.strerror(number))
        return write_at(*arguments)

    following = follow(tmp_path / "a.log", SCANNER, out=tmp_path / "journal", until="idle:0", on_wait=said.append)
    monkeypatch.setattr(journal_disk, "write_at", full)
    monkeypatch.setattr("metricscan.datasets.journal._RETRY_S", 0)
    (batch,) = following
    assert batch.rows["loss"]["value"].to_pylist() == [1]
    assert [os.strerror(number) in error.message for error in said] == [True, True]


def test_a_wait_for_room_ends_when_it_is_stopped(tmp_path, monkeypatch):
    append(tmp_path / "a.log", "loss=1\n")
    with monkeypatch.context() as patched:

        def full(*_):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        following = follow(
            tmp_path / "a.log", SCANNER, out=tmp_path / "journal", until="idle:0", on_wait=lambda _: following.stop()
        )
        patched.setattr(journal_disk, "write_at", full)
        patched.setattr("metricscan.datasets.journal._RETRY_S", 0)
        with pytest.raises(SourceError, match="No space left"):
            list(following)
    # nothing was lost
    (batch,) = follow(tmp_path / "a.log", SCANNER, out=tmp_path / "journal", until="idle:0")
    assert batch.rows["loss"]["value"].to_pylist() == [1]


def test_without_room_and_without_on_wait_it_is_an_error(tmp_path, monkeypatch):
    append(tmp_path / "a.log", "loss=1\n")

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    following = follow(tmp_path / "a.log", SCANNER, out=tmp_path / "journal", until="idle:0")
    monkeypatch.setattr(journal_disk, "write_at", full)
    with pytest.raises(SourceError, match="No space left"):
        list(following)


# ---- files


def test_a_file_that_vanishes_and_becomes_a_folder(tmp_path):
    log, said = tmp_path / "a.log", []
    append(log, "loss=1\n")
    with follow(log, SCANNER, poll_interval=0.01, on_notice=said.append) as following:
        next(following)
        log.unlink()
        log.mkdir()
        other = tmp_path / "b"
        while not said:
            # each turn of the loop ends with a batch
            append(other, "")
            following._loop._waker.wake()
            list(following._loop._follower.poll())
        log.rmdir()
        append(log, "loss=2\n")
        assert next(following).rows["loss"].select(["value", "part"]).to_pylist() == [{"value": 2, "part": 1}]
    assert [one.message for one in said] == [
        f"{log} is a folder: a file that grows was expected",
        f"{log} is another file now: its part 1 begins",
    ]


def test_a_file_that_cannot_be_read_for_a_while(tmp_path, monkeypatch):
    log, said = tmp_path / "train.log", []
    append(log, "row=1\n")
    follower = JournalFollower(tmp_path, on_notice=said.append)
    follower.poll()
    with monkeypatch.context() as patched:

        def failing(*_):
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        patched.setattr(os, "pread", failing)
        append(log, "row=2\n")
        for _ in range(3):
            follower.poll()
    append(log, "row=3\n")
    follower.poll()
    follower.kill()
    assert [text for *_, text in follower.found.rows] == ["row=1", "row=2", "row=3"]
    assert [one.message for one in said] == [f"cannot read {log}: Input/output error"]


def test_the_file_at_the_name_changes_while_it_is_opened(tmp_path, monkeypatch):
    # pygtail keeps the inode of one file with the offset of another
    log = tmp_path / "train.log"
    append(log, "row=1\nrow=2\n")
    follower = JournalFollower(tmp_path)
    opened, done = os.open, []

    def replaced(path, *arguments, **options):
        if str(path) == str(log) and not done:
            done.append(1)
            os.rename(log, f"{log}.1")
            append(log, "row=3\n")
        return opened(path, *arguments, **options)

    monkeypatch.setattr(os, "open", replaced)
    for _ in range(3):
        follower.poll()
    follower.kill()
    assert done
    # the piece is older than the part that was read first: its rows are not lost, but reported by nobody
    assert [text for *_, text in follower.found.rows if text == "row=3"] == ["row=3"]


# ---- the journal


def test_only_new_bytes_of_a_large_file_are_read(tmp_path, monkeypatch):
    size, log = 10 << 30, tmp_path / "train.log"
    with open(log, "wb") as file:
        file.truncate(size)
    # NULs at the beginning belong to no record
    append(log, "\nrow=1\n")
    found = os.stat(log)
    with open(log, "rb") as file:
        head = file.read(4096)
        file.seek(size + 7 - 4096)
        tail = file.read()
    from metricscan.live.identity import Reach

    state = State(False, 0, 0, 2).packed() + scanner_of_rows().stream(offset=size + 7, line=3).state()
    checkpoint = Checkpoint.of(
        Reach(size + 7, head, tail, 0),
        device=found.st_dev,
        inode=found.st_ino,
        seen_bytes=size + 7,
        state=state,
    )
    from support.following import NAME

    from metricscan import FollowedFile

    with Journal.open(tmp_path.with_suffix(".journal"), scanner_of_rows()) as journal:
        journal.append(FollowedFile(*NAME, 0, str(log)), {}, checkpoint.pack())
    append(log, "row=2\n")
    sizes, pread = [], os.pread
    monkeypatch.setattr(os, "pread", lambda *given: sizes.append(len(data := pread(*given))) or data)
    follower = JournalFollower(tmp_path)
    follower.poll()
    assert sum(sizes) < 10 * 4096
    append(log, "row=3\n")
    sizes.clear()
    follower.poll()
    assert sizes == [6, 4096, 4096]
    sizes.clear()
    follower.poll()
    assert sizes == []
    follower.kill()
    assert follower.found.rows == [(0, size + 7, "row=2"), (0, size + 13, "row=3")]


def test_a_file_that_did_not_change_is_not_opened(tmp_path, monkeypatch):
    log = tmp_path / "train.log"
    append(log, "row=1\n")
    JournalFollower(tmp_path).poll_and_kill()
    opened = []
    open_ = os.open
    monkeypatch.setattr(os, "open", lambda path, *rest, **more: opened.append(str(path)) or open_(path, *rest, **more))
    JournalFollower(tmp_path).poll_and_kill()
    assert str(log) not in opened
    append(log, "row=2\n")
    JournalFollower(tmp_path).poll_and_kill()
    assert str(log) in opened


def test_more_logs_than_files_may_be_open(tmp_path):
    from metricscan.live.follower import Follower
    from metricscan.live.watch import LogName

    logs = [tmp_path / f"{number}.log" for number in range(10)]
    with Follower(SCANNER, most_open=3) as follower:
        for log in logs:
            follower.add(str(log), LogName(log.stem, "out"))
        for number in range(4):
            for log in logs:
                append(log, f"loss={number}\nlo" if number % 2 else f"loss={number}\n")
            values = [
                value
                for found in follower.poll()
                for file in found.files
                if "loss" in file.rows
                for value in file.rows["loss"]["value"].to_pylist()
            ]
            assert values == [number] * 10
            assert follower._open <= (3 if number % 2 == 0 else 10)
            for log in logs:
                if number % 2:
                    append(log, "\n")


@pytest.mark.parametrize(
    ("checkpoint", "message"),
    [(b"\xff newer", "a checkpoint of version 255"), (b"", "is damaged")],
)
def test_a_checkpoint_that_cannot_be_read(tmp_path, checkpoint, message):
    from metricscan import FollowedFile

    log = str(tmp_path / "a.log")
    with Journal.open(tmp_path / "journal", SCANNER) as journal:
        journal.append(FollowedFile("a", "a.log", 0, log), {}, checkpoint)
    with pytest.raises(SourceError, match=message):
        follow(log, SCANNER, out=tmp_path / "journal")


def test_the_rows_of_another_step(tmp_path):
    append(tmp_path / "a.log", "loss=1\n")
    list(follow(tmp_path / "a.log", SCANNER, out=tmp_path / "journal", until="idle:0", step="epoch"))
    append(tmp_path / "a.log", "loss=2\n")
    with pytest.raises(OptionError, match=r"a\.log end: state: it was made by a stream with step='epoch'"):
        list(follow(tmp_path / "a.log", SCANNER, out=tmp_path / "journal", until="idle:0"))
    assert Dataset(tmp_path / "journal")["loss"].num_rows == 1
