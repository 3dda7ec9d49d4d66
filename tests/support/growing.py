"""A log that grows and suffers all that happens to logs, its writer's own record, and a follower that can be killed.

A row is a line ``row=N``, with N unique. The writer's record, the oracle, says for each row in which generation of the file and
at which offset it was written, and how each generation ended.
"""

from __future__ import annotations

import gzip
import json
import os
import pathlib
import random
import shutil
import zlib
from dataclasses import dataclass, field

from metricscan.live.followed import Began, Data, Ended, FollowedLog, Lost, Trouble
from metricscan.live.identity import Checkpoint

HEADER = b"# the same first line in each file\n"


@dataclass
class Generation:
    """What was written to one file since it was empty: (row, offset of its line), and whether bytes of it were destroyed."""

    rows: list[tuple[int, int]] = field(default_factory=list)
    size: int = 0
    is_destroyed: bool = False
    is_rewritten: bool = False
    #: The row whose line has no end yet.
    unended: tuple[int, int, bytes] | None = None


class Writer:
    """Appends rows to FOLDER/train.log, and renames, truncates, copies, replaces and compresses it at random."""

    def __init__(self, folder, seed=0, keeps=6):
        self.folder = pathlib.Path(folder)
        self.path = self.folder / "train.log"
        self.random = random.Random(seed)
        self.generations = []
        self.keeps = keeps
        #: Rows that were added between a copy and the truncation.
        self.not_copied = set()
        self._row = 0
        self._file = None
        #: By path, the number of the generation that lies there.
        self.pieces = {}
        self._open()

    def _open(self):
        self._file = open(self.path, "ab", buffering=0)  # noqa: SIM115
        self._begin()

    def _begin(self):
        self.generations.append(Generation())
        self.pieces[self.path] = len(self.generations) - 1
        if self.random.random() < 0.5:
            self._write(HEADER)

    def close(self):
        self._file.close()

    @property
    def now(self):
        return self.generations[-1]

    def _write(self, data):
        written = self._file.write(data)
        assert written == len(data)
        self.now.size += written

    # ---- appending

    def append(self, count=1):
        for _ in range(count):
            self.end_line()
            self._row += 1
            self.now.rows.append((self._row, self.now.size))
            self._write(b"row=%d\n" % self._row)

    def append_a_part(self):
        """The beginning of a line."""
        self.end_line()
        self._row += 1
        line = b"row=%d\n" % self._row
        cut = self.random.randrange(1, len(line))
        self.now.unended = self._row, self.now.size, line[cut:]
        self._write(line[:cut])

    def end_line(self):
        if self.now.unended is not None:
            row, offset, rest = self.now.unended
            self.now.unended = None
            self._write(rest)
            self.now.rows.append((row, offset))

    def append_much(self):
        self.append(self.random.randrange(200, 2000))

    # ---- what happens to logs

    def _shift(self):
        """train.log.1 becomes train.log.2, and so on; the oldest is removed."""
        numbers = sorted((self._number(path) for path in self.pieces if path != self.path), reverse=True)
        for number in numbers:
            for suffix in ("", ".gz"):
                path = self.folder / f"train.log.{number}{suffix}"
                if path not in self.pieces:
                    continue
                generation = self.pieces.pop(path)
                if number >= self.keeps:
                    path.unlink()
                    self.generations[generation].is_destroyed = True
                else:
                    target = self.folder / f"train.log.{number + 1}{suffix}"
                    path.rename(target)
                    self.pieces[target] = generation

    @staticmethod
    def _number(path):
        return int(path.name.removesuffix(".gz").rpartition(".")[2])

    def rotate(self):
        self.end_line()
        self._shift()
        first = self.folder / "train.log.1"
        self.path.rename(first)
        self.pieces[first] = self.pieces.pop(self.path)
        for _ in range(self.random.randrange(3)):
            # the writer holds it still
            self.append()
        self._file.close()
        self._open()

    def copytruncate(self):
        self.end_line()
        self._shift()
        first = self.folder / "train.log.1"
        shutil.copyfile(self.path, first)
        self.pieces[first] = self.pieces[self.path]
        if self.random.random() < 0.5:
            before = self._row
            self.append(self.random.randrange(1, 3))
            self.not_copied.update(range(before + 1, self._row + 1))
        self._truncate()

    def _truncate(self):
        self.now.is_destroyed = True
        self.now.unended = None
        os.ftruncate(self._file.fileno(), 0)
        self._begin()

    def truncate(self):
        self._truncate()

    def truncate_and_regrow(self):
        size = self.now.size
        self._truncate()
        while self.now.size <= size:
            self.append(20)

    def replace(self):
        """Another file gets the name; the old one is gone."""
        self.end_line()
        self.now.is_destroyed = True
        self._file.close()
        new = self.folder / "new"
        self._file = open(new, "ab", buffering=0)  # noqa: SIM115
        new.rename(self.path)
        self._begin()

    def rewrite(self):
        """As an editor saves it: a new file with the content of the old one, and more."""
        self.end_line()
        new = self.folder / "new"
        shutil.copyfile(self.path, new)
        self._file.close()
        self._file = open(new, "ab", buffering=0)  # noqa: SIM115
        new.rename(self.path)
        self.now.is_rewritten = True
        self.append()

    def remove(self):
        """Remove it, and begin another, which may get its inode."""
        self.end_line()
        self.now.is_destroyed = True
        self._file.close()
        self.path.unlink()
        self._open()

    def compress(self):
        plain = [path for path in self.pieces if path != self.path and path.suffix != ".gz"]
        if not plain:
            return
        path = self.random.choice(plain)
        target = path.with_name(path.name + ".gz")
        with open(path, "rb") as source, gzip.open(target, "wb") as packed:
            shutil.copyfileobj(source, packed)
        path.unlink()
        self.pieces[target] = self.pieces.pop(path)

    def step(self):
        """Something at random; most often an append."""
        often = [self.append] * 24 + [self.append_a_part] * 6 + [self.append_much] * 2
        often *= 3
        seldom = [self.rotate] * 4 + [self.compress] * 4 + [self.copytruncate, self.truncate, self.truncate_and_regrow]
        self.random.choice([*often, *seldom, self.replace, self.rewrite, self.remove])()


# ---- the follower


class Found:
    """What a follower found, commit by commit. A commit that was cut by a kill is none."""

    def __init__(self, path):
        self.path = path
        #: (part, offset, text)
        self.rows = []
        self.lost = []
        #: By part, where its file was when it was opened.
        self.began = {}
        self.checkpoints = {}
        end = 0
        data = path.read_bytes() if path.exists() else b""
        while len(data) >= end + 8:
            size, crc = (int.from_bytes(data[at : at + 4], "little") for at in (end, end + 4))
            body = data[end + 8 : end + 8 + size]
            if len(body) < size or zlib.crc32(body) != crc:
                break
            end += 8 + size
            self._apply(json.loads(body))
        if len(data) > end:
            os.truncate(path, end)

    def _apply(self, commit):
        self.rows += [tuple(row) for row in commit["rows"]]
        self.lost += [Lost(*one) for one in commit["lost"]]
        self.began |= {int(part): path for part, path in commit["began"].items()}
        for part, packed in commit["checkpoints"].items():
            self.checkpoints[int(part)] = Checkpoint.unpack(bytes.fromhex(packed))

    def commit(self, rows, lost, began, checkpoints):
        commit = {
            "rows": rows,
            "lost": lost,
            "began": began,
            "checkpoints": {part: one.pack().hex() for part, one in checkpoints.items()},
        }
        body = json.dumps(commit).encode()
        with open(self.path, "ab", buffering=0) as file:
            file.write(len(body).to_bytes(4, "little") + zlib.crc32(body).to_bytes(4, "little") + body)
        self._apply(commit)


class Follower:
    """Cuts the new bytes of a log into lines, and commits them with the checkpoints that they reach."""

    def __init__(self, folder, *, rotate_wait=0.2, **options):
        folder = pathlib.Path(folder)
        self.found = Found(folder.with_suffix(".found"))
        self.log = FollowedLog(
            str(folder / "train.log"), self.found.checkpoints, rotate_wait=rotate_wait, chunk_bytes=4096, **options
        )
        self.troubles = []
        #: By part, where the bytes that were seen end, and the line that has not ended.
        self._unended = {}

    def poll(self):
        """One poll, and its commit; returns its events."""
        events, rows, lost, began = [], [], [], {}
        for event in self.log.poll():
            events.append(event)
            if isinstance(event, Data):
                end, line = self._unended.get(event.part, (event.offset, b""))
                if end != event.offset:
                    line = b""
                begin = event.offset - len(line)
                *lines, rest = (line + event.data).split(b"\n")
                for one in lines:
                    rows.append((event.part, begin, one.decode()))
                    begin += len(one) + 1
                self._unended[event.part] = event.offset + len(event.data), rest
                if lines:
                    self.log.became_rows(event.part, begin)
            elif isinstance(event, Ended):
                end, line = self._unended.pop(event.part, (0, b""))
                if line and not event.is_cut:
                    rows.append((event.part, end - len(line), line.decode()))
            elif isinstance(event, Lost):
                lost.append(event)
            elif isinstance(event, Began):
                began[event.part] = event.path
            elif isinstance(event, Trouble):
                self.troubles.append(event)
        checkpoints = self.log.changed_checkpoints()
        if rows or lost or checkpoints:
            self.found.commit(rows, lost, began, checkpoints)
        return events


def compare(found, writer, polled=None):
    """Assert that what was found is what was written, but for what was destroyed and reported.

    Parameters
    ----------
    found : Found
    writer : Writer
    polled : set of int, optional
        The generations that had rows, and the name of the log, during a poll. Others may be missing.

    Returns
    -------
    tuple of int
        How many rows were lost, and how many generations no poll saw.
    """
    written = {row: (number, offset) for number, one in enumerate(writer.generations) for row, offset in one.rows}
    unended = {one.unended[0] for one in writer.generations if one.unended is not None}
    seen = set()
    generation_of, ends = {}, {}
    for part, offset, text in found.rows:
        assert ends.get(part, -1) < offset, f"part {part}: {text!r} at {offset} comes again, or late"
        ends[part] = offset
        if text == HEADER.decode().rstrip():
            continue
        assert text.startswith("row="), (part, offset, text)
        row = int(text[4:])
        assert row not in seen, f"{text} was found twice"
        assert row in written, f"{text} was never written so"
        seen.add(row)
        generation, place = written[row]
        assert place == offset, f"{text} was found at {offset}, and written at {place}"
        assert generation_of.setdefault(part, generation) == generation, f"part {part} has rows of two generations"
    part_of = {generation: part for part, generation in generation_of.items()}
    assert len(part_of) == len(generation_of), "a generation is in two parts"
    for one in found.lost:
        generation = generation_of.get(one.part)
        if generation is not None:
            # The inode of a removed file may be that of the file that has its name now. For all that can be known, it was
            # copied and truncated: something may have been added in between, behind the end of the copy.
            # Where nothing was in rows, the part begins anew.
            is_empty = not one.offset or one.offset == writer.generations[generation].size
            assert is_empty or writer.generations[generation].is_destroyed, (
                f"{one} of generation {generation}, which is there"
            )
    missing = sorted(set(written) - seen - unended)
    unseen = set()
    for row in missing:
        generation, offset = written[row]
        if generation not in part_of:
            unseen.add(generation)
            continue
        assert writer.generations[generation].is_destroyed, f"row {row} of generation {generation} is missing"
        windows = [one for one in found.lost if one.part == part_of[generation]]
        # Who first saw the copy cannot know what was added between it and the truncation; nor can who never saw the file
        # that an editor saved, and that was replaced in turn.
        is_unknown = row in writer.not_copied or writer.generations[generation].is_rewritten
        is_reported = any(one.offset <= offset for one in windows)
        assert is_reported or is_unknown, f"row {row} at {offset} is missing; windows: {windows}"
    assert polled is None or not unseen & polled, f"generations {unseen & polled} are missing"
    return len(missing), len(unseen)
