"""Followers as they are used, with a journal, beside the writer of :mod:`support.growing`.

``python -m support.following FOLDER`` follows FOLDER/train.log into FOLDER.journal until it is killed, or FOLDER.done exists.
"""

import pathlib
import re
import sys

import metricscan
from metricscan import Journal, JournalReader, Scanner
from metricscan.live.followed import Lost
from metricscan.live.follower import Follower
from metricscan.live.watch import LogName

NAME = LogName("train", "train.log")
_LOST = re.compile(r".* was (?P<reason>.*): of part (?P<part>\d+), .*; it was seen with (?P<seen>\d+) bytes")
_OFFSET = re.compile(r"byte (\d+) may|bytes from (\d+) on may")


def scanner_of_rows():
    return Scanner(["row=row=([0-9]+)"])


class JournalFound:
    """What is in the journal of a follower, as ``compare`` takes it."""

    def __init__(self, path):
        self.rows, self.lost = [], []
        for batch in JournalReader(path).read_from(batch_rows=1):
            gone = {(one.file.part, one.offset) for one in batch.replaced}
            self.rows = [row for row in self.rows if row[:2] not in gone]
            for row in batch.rows["row"].to_pylist() if batch.rows else ():
                assert (row["job"], row["stream"]) == NAME
                self.rows.append((row["part"], row["offset"], f"row={row['value']:.0f}"))
        for notice in metricscan.Dataset(path).manifest["notices"]:
            # what a kill left of a commit holds no row of a file: it is read again
            if not notice["message"].endswith("were no whole commit, and were cut"):
                self.lost.append(lost_of(notice["message"]))


def lost_of(message):
    """The window that a notice tells of."""
    match, offset = _LOST.fullmatch(message), _OFFSET.search(message)
    assert match, message
    return Lost(int(match["part"]), int(offset[1] or offset[2]), int(match["seen"]), match["reason"])


class JournalFollower:
    """A follower of FOLDER/train.log with a journal, commit by commit; closing it without a commit is a kill."""

    def __init__(self, folder, scanner=None, **options):
        folder = pathlib.Path(folder)
        scanner = scanner or scanner_of_rows()
        self.path = str(folder.with_suffix(".journal"))
        self.journal = Journal.open(self.path, scanner, commit_interval=None)
        self.notices = []
        known = self.journal.checkpoints()
        self.follower = Follower(
            scanner,
            known,
            **{"rotate_wait": 0, "chunk_bytes": 4096, "on_notice": self.notices.append, **options},
        )
        if not known:
            self.follower.add(str(folder / "train.log"), NAME)

    def poll(self, most=None):
        """One poll to the end of all logs, of which at most so many results are taken; and their commit."""
        count = 0
        while True:
            for found in self.follower.poll():
                self.take_in(found)
                count += 1
                if count == most:
                    break
            if count == most or not self.follower.is_behind:
                break
        self.journal.commit()

    def take_in(self, found):
        entries = ((one.file, one.rows, one.checkpoint, one.replaces, one.crash) for one in found.files)
        self.journal.append_all(entries, found.lost)

    def poll_and_kill(self):
        self.poll()
        self.kill()

    def finish(self):
        for found in self.follower.finish():
            self.take_in(found)
        self.journal.commit()

    def kill(self):
        self.follower.close()
        self.journal.abandon()

    @property
    def found(self):
        return JournalFound(self.path)


def main(folder):
    """Follow until killed, or done."""
    folder = pathlib.Path(folder)
    following = metricscan.follow(
        folder,
        scanner_of_rows(),
        out=folder.with_suffix(".journal"),
        until=f"file:{folder.with_suffix('.done')}",
        poll_interval=0.002,
        commit_interval=0.01,
        rotate_wait=0.2,
    )
    with following:
        for _ in following:
            pass


if __name__ == "__main__":
    main(sys.argv[1])
