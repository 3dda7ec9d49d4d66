"""Followers with a journal beside the writer's own record; they are killed between polls, and within them."""

import itertools
import os
import random

import pytest
from support.following import JournalFollower
from support.growing import Writer, compare

from metricscan import Dataset, Journal, Scanner
from metricscan.live.follower import Follower
from metricscan.live.watch import LogName


@pytest.mark.parametrize("kills", [0, 0.05], ids=["one follower", "many followers"])
@pytest.mark.parametrize("held_bytes", [1, 1 << 20], ids=["a commit per piece", "a commit per poll"])
@pytest.mark.parametrize("seed", [1, 2, 6, 11])
def test_all_that_is_in_the_file_at_a_poll_is_in_the_journal_once(tmp_path, seed, held_bytes, kills):
    folder = tmp_path / "logs"
    folder.mkdir()
    writer, moments = Writer(folder, seed), random.Random(seed)
    follower = JournalFollower(folder, held_bytes=held_bytes)
    polled = set()
    often = moments.choice([0.05, 0.3, 0.8])
    for _ in range(250):
        writer.step()
        if moments.random() < often:
            # of some polls only the first result is taken
            most = 1 if moments.random() < 0.2 else None
            follower.poll(most)
            if most is None and writer.now.rows:
                polled.add(len(writer.generations) - 1)
        if moments.random() < kills:
            follower.kill()
            follower = JournalFollower(folder, held_bytes=held_bytes)
    writer.end_line()
    for _ in range(5):
        follower.poll()
    follower.kill()
    writer.close()
    found = follower.found
    compare(found, writer, polled)
    assert len(found.rows) > 100


class Behind:
    """A follower of a log of which much is new, and of one with a line."""

    def __init__(self, folder, lines=200, **options):
        self.large, self.small = folder / "large.log", folder / "small.log"
        self.large.write_text("".join(f"row={number}\n" for number in range(lines)))
        self.small.write_text("row=0\n")
        # a result for each line
        pieces = {"held_bytes": 1, "chunk_bytes": len("row=100\n")}
        self.follower = Follower(Scanner(["row=row=([0-9]+)"]), **pieces, **options)
        for path in (self.large, self.small):
            self.follower.add(str(path), LogName(path.stem, path.name))

    def rows(self, found):
        return [
            (one.file.job, value)
            for each in found
            for one in each.files
            for batch in one.rows.values()
            for value in batch["value"].to_pylist()
        ]


def test_a_log_of_which_much_is_new_gives_way_to_others(logs):
    one = Behind(logs)
    with one.follower as follower:
        found = one.rows(follower.poll())
        assert ("small", 0) in found
        assert len(found) < 100
        assert follower.is_behind
        # what is new in the other meanwhile is there before the end, also if nothing tells of the first
        with open(one.small, "a") as file:
            file.write("row=1\n")
        found += one.rows(follower.poll([str(one.small)]))
        assert ("small", 1) in found
        while follower.is_behind:
            found += one.rows(follower.poll([]))
        assert one.rows(follower.poll()) == []
    assert [value for job, value in found if job == "large"] == list(range(200))


@pytest.mark.parametrize("most", [2, 15, 16, 17, 40])
def test_a_caller_may_stop_where_a_log_is_behind(logs, most):
    one = Behind(logs)
    found = []
    with one.follower as follower:
        for _ in range(500):
            some = list(itertools.islice(follower.poll(), most))
            found += one.rows(some)
            if not some:
                break
        assert not follower.is_behind
    assert [value for job, value in found if job == "large"] == list(range(200))
    assert found.count(("small", 0)) == 1


def test_what_is_behind_is_not_flushed_and_is_closed(logs):
    one = Behind(logs, lines=2000)
    with open(one.large, "a") as file:
        file.write("row=7")
    with one.follower as follower:
        found = one.rows(follower.poll())
        # the end of its last record is not read yet
        assert list(follower.finish()) == []
        follower.add(str(one.large) + ".1", LogName("large", "large.log"), goes_on=str(one.large))
        assert not follower.is_behind
    assert 0 < len(found) < 2000


# Value, line, offset and start of a row are its own; job, stream and part are those of its file.
ROW_BYTES = 32


@pytest.mark.parametrize(("files", "rows", "most"), [(1, 1, 54), (1, 10, 17), (1, 100, 12), (50, 1, 41)], ids=str)
def test_a_journal_takes_less_than_twice_the_bytes_of_its_rows(tmp_path, files, rows, most):
    scanner = Scanner(["loss=loss=([0-9.]+)"])
    logs = [tmp_path / f"{number}.log" for number in range(files)]
    for log in logs:
        # rows from within the first 4 KiB on
        log.write_bytes(b"text without a number\n" * 150)
    sizes, commits = [], 40
    with (
        Journal.open(tmp_path / "journal", scanner, commit_interval=None) as journal,
        Follower(scanner, gives_columns=True, watches=True) as follower,
    ):
        for number, log in enumerate(logs):
            follower.add(str(log), LogName(str(number), "stdout"))
        for commit in range(commits):
            for number, log in enumerate(logs):
                with open(log, "ab") as file:
                    file.write(b"".join(b"epoch %d loss=%d.25\n" % (commit, row) for row in range(rows)))
                modified_ns = 1_790_000_000_000_000_000 + commit * 1_000_000_000 + number * 5_000_017
                os.utime(log, ns=(modified_ns, modified_ns))
            for found in follower.poll():
                journal.append_all(
                    (one.file, one.rows, one.checkpoint, one.replaces, one.crash, one.suspects) for one in found.files
                )
            journal.commit()
            sizes.append((tmp_path / "journal" / "000001.segment").stat().st_size)
    assert Dataset(tmp_path / "journal")["loss"].num_rows == files * rows * commits
    # the first one names metrics and files
    per_row = (sizes[-1] - sizes[0]) / (commits - 1) / files / rows
    assert per_row < most < 2 * ROW_BYTES
