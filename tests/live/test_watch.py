"""Which logs are followed, and whose they are."""

import os

import pytest

from metricscan import Scanner
from metricscan.errors import OptionError
from metricscan.live.follower import Follower
from metricscan.live.watch import LogName, NewLog, Watch


def make(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("loss=1\n")


def names(found):
    return [tuple(one.name) for one in found]


def test_jobs_are_named_as_by_replay(logs):
    make(logs, "deep/trial_1/stdout", "deep/trial_2/stdout")
    watch = Watch([logs])
    assert names(watch.look()) == [("trial_1", "stdout"), ("trial_2", "stdout")]
    make(logs, "deep/trial_3/stdout")
    assert names(watch.look()) == [("trial_3", "stdout")]
    assert watch.look() == []


def test_the_first_job_is_named_by_the_given_folder(logs):
    make(logs, "trial_1/train.log")
    watch = Watch([logs])
    assert names(watch.look()) == [("trial_1/train", "train.log")]
    make(logs, "trial_2/train.log")
    assert names(watch.look()) == [("trial_2/train", "train.log")]


def test_known_logs_keep_their_names(logs):
    make(logs, "a.log")
    known = {str(logs / "a.log"): LogName("mine", "stdout")}
    watch = Watch([logs], known)
    assert watch.look() == []
    make(logs, "mine.log")
    (new,) = watch.look()
    assert new.name == LogName("mine", "mine.log")


def test_a_name_is_not_given_twice(logs):
    make(logs, "b/train.log")
    watch = Watch([logs], {"/elsewhere/train.log": LogName("b/train", "train.log")})
    (new,) = watch.look()
    assert new.name == LogName("b/train", "train.log (2)")


def test_attempts_are_streams(logs):
    make(logs, "run/attempt_0/0/stdout.log", "run/attempt_1/0/stdout.log")
    found = names(Watch([logs]).look())
    assert [stream for _, stream in found] == ["attempt_0/0/stdout.log", "attempt_1/0/stdout.log"]
    assert len({job for job, _ in found}) == 1


def test_pieces_are_no_logs_of_their_own(logs):
    make(logs, "train.log", "train.log.1", "train.log.2.gz")
    watch = Watch([logs])
    assert [one.path for one in watch.look()] == [str(logs / "train.log")]
    # between the rename and the new file
    os.rename(logs / "train.log", logs / "train.log.3")
    assert watch.look() == []


def test_a_log_goes_on_under_the_name_that_its_piece_had(logs):
    make(logs, "train.log.1")
    watch = Watch([logs])
    (piece,) = watch.look()
    make(logs, "train.log")
    assert watch.look() == [NewLog(str(logs / "train.log"), piece.name, str(logs / "train.log.1"))]
    assert watch.look() == []


def test_a_file_that_is_read_under_another_name_is_not_new(logs):
    make(logs, "train.log")
    watch = Watch([logs])
    watch.look()
    os.rename(logs / "train.log", logs / "before.log")
    found = os.stat(logs / "before.log")
    asked = []

    def is_followed(path, key):
        asked.append(path)
        return key == (found.st_dev, found.st_ino)

    assert watch.look(is_followed) == []
    # it is not asked for again as long as the file is the same
    assert watch.look(is_followed) == watch.look() == []
    assert asked == [str(logs / "before.log")]
    # one file with an inode of its own, and one that may get that of the file that is removed
    make(logs, "new")
    os.unlink(logs / "before.log")
    os.rename(logs / "new", logs / "before.log")
    make(logs, "other.log")
    assert {one.path for one in watch.look()} == {str(logs / "other.log"), str(logs / "before.log")}


@pytest.mark.parametrize(
    ("before", "after", "is_new"),
    [
        ("loss=1\n", "loss=2\n", True),
        ("loss=1\n", "loss=1\nloss=2\n", True),
        ("loss=1\n" * 1000, "loss=1\n" * 999 + "loss=2\n", True),
        ("loss=1\n" * 1000, "loss=1\n" * 500, True),
        ("loss=1\n" * 1000, "loss=1\n" * 1001, False),
    ],
)
@pytest.mark.parametrize("is_seen", [True, False])
def test_a_new_file_with_the_inode_of_one_that_was_read_under_another_name(logs, before, after, is_new, is_seen):
    (logs / "train.log").write_text(before)
    watch = Watch([logs])
    with Follower(Scanner(["loss=loss=([0-9]+)"]), rotate_wait=0) as follower:
        (new,) = watch.look(follower.has_read())
        follower.add(new.path, new.name)
        assert [rows["loss"].num_rows for found in follower.poll() for _, rows, *_ in found.files]
        os.rename(logs / "train.log", logs / "before.log")
        if is_seen:
            assert watch.look(follower.has_read()) == []
        # nobody writes to it, so that it is closed
        assert [found.files for found in follower.poll()]
        assert watch.look(follower.has_read()) == []
        # in place, as a file system does that uses inodes again
        (logs / "before.log").write_text(after)
        assert [one.path for one in watch.look(follower.has_read())] == [str(logs / "before.log")] * is_new


def test_what_appears_later(logs):
    watch = Watch([logs / "new", logs / "*.out", logs / "a.txt"])
    assert watch.look() == []
    make(logs, "new/x.log", "1.out", "a.txt", "other.log")
    assert {one.path for one in watch.look()} == {str(logs / one) for one in ("new/x.log", "1.out", "a.txt")}
    assert watch.covers(str(logs / "new" / "gone.log"))
    assert watch.covers(str(logs / "2.out"))
    assert not watch.covers(str(logs / "other.log"))


def test_archives_are_not_followed(logs):
    import tarfile

    make(logs, "a.log")
    with tarfile.open(logs / "old.tar", "w") as archive:
        archive.add(logs / "a.log", "b.log")
    watch = Watch([logs, logs / "old.tar"])
    assert [one.path for one in watch.look()] == [str(logs / "a.log")]
    said = [one.message for one in watch.new_notices(has_logs=True)]
    assert f"{logs / 'old.tar'} is an archive, which does not grow: it is not followed" in said
    assert watch.new_notices(has_logs=True) == []


@pytest.mark.parametrize("paths", [[], ["-"], ["a.log", "s3://bucket/logs"], ["https://host/train.log"]])
def test_paths_that_cannot_be_followed(paths):
    with pytest.raises(OptionError):
        Watch(paths)
