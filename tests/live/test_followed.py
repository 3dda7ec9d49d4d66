"""One log that is followed, through what trackers of other tools are reported to lose or to double."""

import gzip
import os
import shutil

import pytest
from support.growing import Follower

from metricscan.errors import SourceError
from metricscan.live.followed import Began, Data, Ended, FollowedLog, Lost, Trouble
from metricscan.live.identity import Checkpoint, Reach

HEADER = b"# the same first line\n" * 100


@pytest.fixture
def folder(tmp_path):
    found = tmp_path / "logs"
    found.mkdir()
    return found


@pytest.fixture
def log(folder):
    return folder / "train.log"


@pytest.fixture
def follow(folder):
    """Begins a follower; the one before is killed: what it did not commit is gone."""
    followers = []

    def begin(**options):
        if followers:
            followers[-1].log.close()
        followers.append(Follower(folder, **{"rotate_wait": 0, **options}))
        return followers[-1]

    yield begin
    followers[-1].log.close()


def append(path, data):
    with open(path, "ab", buffering=0) as file:
        file.write(data)


def texts(follower):
    return [text for _, _, text in follower.found.rows]


def parts(follower):
    return [(part, text) for part, _, text in follower.found.rows]


def test_each_line_comes_once(log, follow):
    follower = follow()
    assert follower.poll() == []
    append(log, b"a=1\nb")
    follower.poll()
    append(log, b"=2\n")
    follower.poll()
    assert follower.poll() == []
    assert follower.found.rows == [(0, 0, "a=1"), (0, 4, "b=2")]


def test_an_unended_line_at_a_kill_comes_once(log, follow):
    # Fluent Bit advances its offset when it reads
    append(log, b"a=1\nb=")
    follow().poll()
    append(log, b"2\n")
    follower = follow()
    follower.poll()
    assert follower.found.rows == [(0, 0, "a=1"), (0, 4, "b=2")]


def test_a_renamed_file_is_read_on_beside_the_new_one(log, follow):
    follower = follow(rotate_wait=60)
    with open(log, "ab", buffering=0) as writer:
        writer.write(b"a=1\n")
        follower.poll()
        log.rename(f"{log}.1")
        append(log, b"b=1\n")
        follower.poll()
        writer.write(b"a=2\n")
        follow_again = follower.poll()
    assert not any(isinstance(event, Ended) for event in follow_again)
    follower.poll()
    assert parts(follower) == [(0, "a=1"), (1, "b=1"), (0, "a=2")]
    assert follower.found.lost == []


def test_a_renamed_file_ends_when_its_writer_is_gone(log, folder, follow):
    now = [0.0]
    follower = follow(rotate_wait=60, clock=lambda: now[0])
    writer = open(log, "ab", buffering=0)  # noqa: SIM115
    writer.write(b"a=1\n")
    follower.poll()
    log.rename(f"{log}.1")
    append(log, b"b=1\n")
    follower.poll()
    writer.write(b"last")
    writer.close()
    now[0] += 2
    assert Ended(0, is_cut=False) in follower.poll()
    assert texts(follower) == ["a=1", "b=1", "last"]


def test_a_renamed_file_whose_writer_is_not_seen_ends_after_the_wait(log, follow):
    now = [0.0]
    follower = follow(rotate_wait=60, clock=lambda: now[0])
    append(log, b"a=1\n")
    follower.poll()
    log.rename(f"{log}.1")
    for seconds in (1, 30, 28):
        now[0] += seconds
        assert follower.poll() == []
    append(f"{log}.1", b"a=2\n")
    now[0] += 59
    follower.poll()
    now[0] += 59
    assert follower.poll() == []
    now[0] += 2
    assert follower.poll() == [Ended(0, is_cut=False)]
    assert texts(follower) == ["a=1", "a=2"]


def test_renames_while_nobody_follows(log, follow):
    append(log, b"a=1\n")
    follow().poll()
    append(log, b"a=2\n")
    log.rename(f"{log}.2")
    append(f"{log}.1", b"b=1\n")
    append(log, b"c=1\n")
    follower = follow()
    follower.poll()
    assert parts(follower) == [(0, "a=1"), (0, "a=2"), (1, "b=1"), (2, "c=1")]


@pytest.mark.parametrize("more", [b"", b"a=3\na=4\n"])
def test_a_piece_that_was_compressed_is_not_read_again(log, follow, more):
    append(log, HEADER + b"a=1\na=2\n")
    follow().poll()
    append(log, more)
    with gzip.open(f"{log}.1.gz", "wb") as packed:
        packed.write(log.read_bytes())
    log.unlink()
    append(log, HEADER + b"b=1\n")
    follower = follow()
    follower.poll()
    expected = [b"a=1", b"a=2", *more.split(), b"b=1"]
    assert [text.encode() for text in texts(follower) if text[0] != "#"] == expected
    assert texts(follower).count("# the same first line") == 200
    assert follower.found.lost == []


def test_a_piece_that_is_being_compressed_is_read_once_it_is_whole(log, follow):
    append(log, b"a=1\n")
    follow().poll()
    append(log, b"a=2\n")
    packed = gzip.compress(log.read_bytes())
    log.unlink()
    append(f"{log}.1.gz", packed)
    follower = follow()
    follower.poll()
    assert parts(follower) == [(0, "a=1"), (0, "a=2")]


def test_truncation_is_a_new_part_and_a_window(log, follow):
    follower = follow()
    append(log, b"a=1\na=2\na")
    follower.poll()
    os.truncate(log, 0)
    append(log, b"b=1\n")
    events = follower.poll()
    assert events == [Lost(0, 8, 9, "truncated"), Ended(0, is_cut=True), Began(1, str(log)), Data(1, 0, b"b=1\n")]
    assert parts(follower) == [(0, "a=1"), (0, "a=2"), (1, "b=1")]


@pytest.mark.parametrize("is_killed", [False, True])
@pytest.mark.parametrize("header", [b"", HEADER], ids=["no header", "equal first kilobytes"])
def test_truncate_and_regrow_between_polls(log, follow, header, is_killed):
    # OpenTelemetry stops for good, promtail reads on in the middle of the new content
    follower = follow()
    append(log, header + b"a=1\n")
    follower.poll()
    if is_killed:
        follower = follow()
    os.truncate(log, 0)
    append(log, header + b"b=1\nb=2\nb=3\n")
    follower.poll()
    found = [(part, text) for part, text in parts(follower) if text[0] != "#"]
    assert found == [(0, "a=1"), (1, "b=1"), (1, "b=2"), (1, "b=3")]
    assert [(one.part, one.offset) for one in follower.found.lost] == [(0, len(header) + 4)]


@pytest.mark.parametrize("content", [b"", b"b=1\n", b"a=1\n"], ids=["empty", "others", "its own beginning"])
def test_a_checkpoint_behind_the_end_of_the_file(log, follow, content):
    # Vector gives nothing more, Fluent Bit does so after a rotation
    append(log, HEADER + b"a=1\na=2\n")
    follow().poll()
    follower = follow()
    os.truncate(log, 0)
    append(log, content)
    follower.poll()
    append(log, b"c=1\n")
    follower = follow()
    follower.poll()
    found = [(part, text) for part, text in parts(follower) if text[0] != "#"]
    assert found == [(0, "a=1"), (0, "a=2"), *((1, line.decode()) for line in content.split()), (1, "c=1")]
    assert [(one.part, one.offset) for one in follower.found.lost] == [(0, len(HEADER) + 8)]


def test_a_removed_last_line_does_not_begin_anew(log, follow):
    # the price of OpenTelemetry's fix
    follower = follow()
    append(log, b"a=1\na=2\na=3")
    follower.poll()
    os.truncate(log, 8)
    append(log, b"a=4\n")
    follower.poll()
    assert parts(follower) == [(0, "a=1"), (0, "a=2"), (0, "a=4")]
    assert follower.found.lost == [Lost(0, 8, 11, "truncated")]


@pytest.mark.parametrize("is_killed", [False, True])
def test_copytruncate_reads_the_rest_in_the_copy(log, follow, is_killed):
    # Filebeat reads the whole copy again
    follower = follow()
    append(log, b"a=1\n")
    follower.poll()
    if is_killed:
        follower = follow()
    append(log, b"a=2\na")
    shutil.copyfile(log, f"{log}.1")
    os.truncate(log, 0)
    append(log, b"=3\nb=1\n")
    follower.poll()
    # the line that was cut between the two files is in neither
    assert parts(follower) == [(0, "a=1"), (0, "a=2"), (1, "=3"), (1, "b=1")]
    assert [(one.part, one.offset) for one in follower.found.lost] == [(0, 9)]


def test_a_new_file_with_the_inode_of_a_removed_one(log, follow):
    # Filebeat skips what it holds
    append(log, b"a=1\na=2\n")
    before = os.stat(log).st_ino
    follow().poll()
    for content in (b"b=1\n", b"c=1\nc=2\nc=3\n"):
        follow().log.close()
        log.unlink()
        append(log, content)
        follow().poll()
    follower = follow()
    assert texts(follower) == ["a=1", "a=2", "b=1", "c=1", "c=2", "c=3"]
    assert len(follower.found.lost) == 2
    if os.stat(log).st_ino != before:
        pytest.skip("the file system did not use the inode again")


def test_a_file_that_an_editor_saved_goes_on(log, folder, follow):
    for is_killed in (False, True):
        follower = follow()
        append(log, b"a=%d\n" % is_killed)
        follower.poll()
        if is_killed:
            follower = follow()
        shutil.copyfile(log, folder / "new")
        append(folder / "new", b"more=%d\n" % is_killed)
        (folder / "new").rename(log)
        follower.poll()
    assert parts(follower) == [(0, "a=0"), (0, "more=0"), (0, "a=1"), (0, "more=1")]
    assert follower.found.lost == []


def test_a_truncated_file_that_an_editor_saved_and_that_was_compressed(log, folder, follow):
    follower = follow()
    append(log, b"a=1\n")
    follower.poll()
    # all of it between two polls
    shutil.copyfile(log, f"{log}.2")
    os.truncate(log, 0)
    append(log, b"b=1\n")
    with gzip.open(f"{log}.1.gz", "wb") as packed:
        packed.write(b"b=1\nb=2\n")
    append(folder / "new", b"c=1\n")
    (folder / "new").rename(log)
    for _ in range(3):
        follower.poll()
    assert parts(follower) == [(0, "a=1"), (1, "b=1"), (1, "b=2"), (2, "c=1")]


def test_an_empty_file_and_a_link(log, folder, follow):
    target = folder / "run-1.out"
    target.touch()
    log.symlink_to(target)
    follower = follow()
    assert follower.poll() == [Began(0, str(log))]
    append(target, b"a=1\n")
    follower.poll()
    log.unlink()
    append(folder / "run-2.out", b"b=1\n")
    log.symlink_to(folder / "run-2.out")
    follower.poll()
    assert parts(follower) == [(0, "a=1"), (1, "b=1")]


def test_a_file_that_was_renamed_and_got_its_name_back(log, follow):
    follower = follow()
    append(log, b"a=1\n")
    follower.poll()
    log.rename(f"{log}.moved")
    follower.poll()
    os.rename(f"{log}.moved", log)
    append(log, b"a=2\n")
    follower.poll()
    assert parts(follower) == [(0, "a=1"), (0, "a=2")]


def test_what_is_no_file_is_said_once(log, follow):
    follower = follow()
    log.mkdir()
    for _ in range(3):
        follower.poll()
    assert [type(trouble) for trouble in follower.troubles] == [Trouble]
    assert "is a folder: a file that grows was expected" in str(follower.troubles[0].error)
    log.rmdir()
    os.mkfifo(log)
    follower.poll()
    assert isinstance(follower.troubles[1].error, SourceError)
    log.unlink()
    append(log, b"a=1\n")
    follower.poll()
    assert texts(follower) == ["a=1"]


def test_a_line_of_any_length(log, follow):
    # Fluent Bit drops the file, or reads it again
    append(log, b"a" * 1_000_000)
    follower = follow()
    follower.poll()
    append(log, b"\nb\n")
    follower = follow()
    follower.poll()
    assert [len(text) for text in texts(follower)] == [1_000_000, 1]


def test_only_new_bytes_of_a_large_file_are_read(log, monkeypatch):
    size = 10 << 30
    with open(log, "wb") as file:
        file.truncate(size)
    found = os.stat(log)
    reach = Reach(size, bytes(4096), bytes(4096), 0)
    checkpoint = Checkpoint.of(reach, device=found.st_dev, inode=found.st_ino, seen_bytes=size)
    append(log, b"a=1\n")
    sizes = []
    pread = os.pread
    monkeypatch.setattr(os, "pread", lambda *given: sizes.append(len(pread(*given))) or pread(*given))
    with FollowedLog(str(log), {0: checkpoint}) as followed:
        assert list(followed.poll()) == [Data(0, size, b"a=1\n")]
        assert sum(sizes) < 10 * 4096
        sizes.clear()
        assert list(followed.poll()) == []
        assert sizes == []
        append(log, b"a=2\n")
        assert list(followed.poll()) == [Data(0, size + 4, b"a=2\n")]
        assert sizes == [4, 4096, 4096]


def test_became_rows_wants_an_offset_that_was_read(log):
    log.write_bytes(b"a=1\nb=1\n")
    with FollowedLog(str(log)) as followed:
        for event in followed.poll():
            if isinstance(event, Data):
                followed.became_rows(event.part, 8)
        with pytest.raises(ValueError, match="offset 3"):
            followed.became_rows(0, 3)
