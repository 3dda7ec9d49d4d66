"""One log that is followed: the new bytes of its file, and of the files that its content moves to."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from metricscan.live.file_events import Began, Data, Ended, Lost, Trouble
from metricscan.live.file_part import FilePart
from metricscan.live.identity import WINDOW_BYTES, Checkpoint, FileStatus, Reach
from metricscan.live.pieces import (
    OpenFile,
    Recognised,
    behind,
    is_copied,
    is_known,
    open_file,
    pieces_beside,
    recognise,
)
from metricscan.live.writers import has_writer
from metricscan.logs.compression import MAGIC_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from metricscan.live.file_events import Event

_CHUNK_BYTES = 1 << 18
# A look at all descriptors of all processes takes milliseconds.
_WRITERS_INTERVAL_S = 1.0
_NOTHING = Reach()


class FollowedLog:
    """A log that grows, and may be renamed, copied, truncated, replaced and compressed.

    Each of the files that had its name in turn is a part. A part is read on under whatever name it has.

    Parameters
    ----------
    path : str
    checkpoints : mapping of int to Checkpoint
        Those of an earlier follower, by part. Reading goes on there.
    rotate_wait : float
        A file that was renamed is read on until nobody writes to it. If that cannot be known, until it has not changed for so
        many seconds.
    clock : callable
        Gives the time in seconds.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "train.log")
    >>> _ = path.write_bytes(b"loss=0.5\\nlo")
    >>> with FollowedLog(str(path)) as log:
    ...     for event in log.poll():
    ...         if isinstance(event, Data):
    ...             print(event)
    ...             log.became_rows(event.part, 9)
    ...     checkpoints = log.checkpoints()
    Data(part=0, offset=0, data=b'loss=0.5\\nlo')
    >>> with FollowedLog(str(path), checkpoints) as log:
    ...     print(*log.poll())
    Data(part=0, offset=9, data=b'lo')
    """

    def __init__(
        self,
        path: str,
        checkpoints: Mapping[int, Checkpoint] | None = None,
        *,
        rotate_wait: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
        chunk_bytes: int = _CHUNK_BYTES,
    ) -> None:
        self.path = os.path.abspath(path)
        self._rotate_wait = rotate_wait
        self._clock = clock
        self._chunk_bytes = chunk_bytes
        self._checkpoints = dict(checkpoints or {})
        self._parts: dict[int, FilePart] = {}
        self._is_begun = False
        self._changed: set[int] = set()
        self._trouble: str | None = None
        #: The status of a compressed file at the log's own path that was read to its end.
        self._read_at_path: FileStatus | None = None

    # ---- what the caller says

    def became_rows(self, part: int, offset: int) -> None:
        """Say that all records before an offset are in rows. To be called while the caller has the bytes of the part.

        Parameters
        ----------
        part : int
        offset : int
            The first byte of the record that has not ended: in the bytes that the caller has, or where it was before.

        Raises
        ------
        ValueError
            The offset lies elsewhere.
        """
        one = self._parts[part]
        if one.read.offset <= offset:
            one.ended_bytes = offset - one.read.offset
        elif offset != one.in_rows.offset:
            raise ValueError(
                f"part {part} is in rows up to byte {one.in_rows.offset} and read up to {one.read.offset}: offset {offset}"
            )
        self._changed.add(part)

    def became_rows_since(self, part: int, offset: int) -> None:
        """Say that all records before an offset are in rows, when the bytes of the part were handled before."""
        one = self._parts[part]
        for data in one.file.between(one.in_rows.offset, offset):
            one.in_rows = one.in_rows.after(data)
        self._changed.add(part)

    def keep_state(self, part: int, state: bytes) -> None:
        """Say what the checkpoint of a part is to hold for whoever goes on there."""
        self._parts[part].state = state
        self._changed.add(part)

    def state_of(self, part: int) -> bytes:
        """What the checkpoint of a part holds; empty if nothing was said."""
        return self._parts[part].state

    def changed_parts(self) -> frozenset[int]:
        """The parts whose checkpoints changed since the last call of :meth:`changed_checkpoints`."""
        return frozenset(self._changed)

    def settled(self) -> FileStatus | None:
        """What the file of the log's name was when all of it was read; None if a poll may find more, whatever it is now.

        As long as the name leads to a file with this status, there is nothing new.
        """
        parts = self._open_parts()
        if len(parts) != 1 or self._trouble is not None:
            return None
        (part,) = parts
        if part.seen is None or part.file.compression is not None:
            return None
        return FileStatus(part.device, part.inode, *part.seen)

    def file_of(self, part: int) -> OpenFile | None:
        """The open file of a part; None if it has ended."""
        return next((one.file for one in self._open_parts() if one.number == part), None)

    def read_of(self, part: int) -> Reach:
        """What was read of a part, also if it has ended."""
        return self._parts[part].read

    def open_files(self) -> list[tuple[int, int]]:
        """Device and inode of each file that is open as a part."""
        return [part.key for part in self._open_parts()]

    def checkpoints(self) -> dict[int, Checkpoint]:
        """The checkpoint of each part."""
        return {**self._checkpoints, **{number: part.checkpoint() for number, part in self._parts.items()}}

    def changed_checkpoints(self) -> dict[int, Checkpoint]:
        """The checkpoints that changed since the last call."""
        changed, self._changed = self._changed, set()
        return {number: one for number, one in self.checkpoints().items() if number in changed}

    def close(self) -> None:
        """Close the files."""
        for part in self._parts.values():
            if not part.is_finished:
                part.file.close()
        self._parts = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- polls

    def poll(self) -> Iterator[Event]:
        """Read what is new. The caller has handled an event when it takes the next."""
        if not self._is_begun:
            self._is_begun = True
            yield from self._take_up()
        # the parts before the newest are still written to, perhaps
        for part in self._open_parts():
            yield from self._read_on(part)
        try:
            found = os.stat(self.path)
        except OSError as error:
            yield from self._say(None if isinstance(error, FileNotFoundError) else error)
            found = None
        at_path = None if found is None else (found.st_dev, found.st_ino)
        is_open = at_path is None or any(part.key == at_path for part in self._open_parts())
        if found is not None and not is_open and _status(found) != self._read_at_path:
            yield from self._open_new()
        for part in self._open_parts():
            if part.file.compression is None and part.key != at_path:
                yield from self._end_if_done(part)

    # ---- in place of a poll, where a file has only grown

    def grown(self, found: FileStatus) -> Data | None:
        """The new bytes of a log that was :meth:`settled`, if it has only grown since, up to where its status says.

        None if more happened, or may have: a poll finds that, since nothing is changed here. The caller calls :meth:`took` when
        it has handled the bytes.
        """
        if self._changed or self._trouble is not None:
            return None
        # most often there is one, whose search would take as long as its test
        parts = [*self._parts.values()] if len(self._parts) == 1 else self._open_parts()
        if len(parts) != 1:
            return None
        (part,) = parts
        device, inode, size, _ = found
        offset, head, tail, _ = part.read
        is_file = part.device == device and part.inode == inode and part.seen is not None and not part.is_finished
        if not is_file or part.file.compression is not None or not offset < size <= offset + self._chunk_bytes:
            return None
        if offset < MAGIC_BYTES and not part.in_rows.offset:
            # it may turn out to be compressed
            return None
        descriptor = part.file.descriptor
        try:
            data = os.pread(descriptor, size - offset, offset)
            # as in a poll: only when the data was read; a read that gives less than there is is left to a poll
            if len(data) < size - offset or os.pread(descriptor, len(tail), offset - len(tail)) != tail:
                return None
            if offset > WINDOW_BYTES and os.pread(descriptor, WINDOW_BYTES, 0) != head:
                return None
        except OSError:
            return None
        return Data(part.number, offset, data)

    def took(self, new: Data, ended: int, found: FileStatus, state: bytes) -> bytes:
        """Say that the bytes of :meth:`grown` were handled; return the checkpoint, which holds a state, packed.

        Parameters
        ----------
        new : Data
        ended : int
            As :meth:`became_rows` takes it.
        found : FileStatus
            That for which they were new.
        state : bytes
        """
        part = self._parts[new.part]
        part.changed_at = self._clock()
        part.seen_bytes = max(part.seen_bytes, found.size_bytes)
        part.ended_bytes = ended - new.offset if ended >= new.offset else None
        part.advance(new.data)
        part.seen = found.size_bytes, found.modified_ns
        part.state = state
        return part.packed_checkpoint()

    def _open_parts(self) -> list[FilePart]:
        return [part for part in self._parts.values() if not part.is_finished]

    def _newest(self) -> FilePart | None:
        return self._parts[max(self._parts)] if self._parts else None

    def _last_number(self) -> int:
        return max([-1, *self._parts, *self._checkpoints])

    def _take_up(self) -> Iterator[Event]:
        """Go on at the checkpoints of an earlier follower."""
        beside = pieces_beside(self.path)
        if not self._checkpoints:
            yield from self._open_all([*beside, self.path])
            return
        newest = max(self._checkpoints)
        for number, checkpoint in sorted(self._checkpoints.items()):
            if checkpoint.is_finished:
                continue
            paths = [*beside, self.path] if number == newest else beside
            found = recognise(checkpoint, paths, self._others(number), self.path)
            if found is None:
                yield from self._give_up(number, checkpoint)
            else:
                yield from self._resume(number, checkpoint, found)
        yield from self._open_new()

    def _others(self, number: int) -> list[Checkpoint]:
        return [one for other, one in self._reached().items() if other != number]

    def _reached(self) -> dict[int, Checkpoint]:
        """The checkpoint of each part, up to where it was read."""
        return self.checkpoints() | {part.number: part.checkpoint(part.read) for part in self._open_parts()}

    def _resume(self, number: int, checkpoint: Checkpoint, found: Recognised) -> Iterator[Event]:
        self._add(number, found.file, found.reach, checkpoint)
        part = self._parts[number]
        size = found.file.found.st_size
        if found.file.key != checkpoint.key and self._is_at_path(checkpoint.key):
            # its file was copied and truncated
            yield from self._read_to_end(part)
            yield Lost(number, part.read.offset, part.seen_bytes, "truncated")
            yield from self._end(part, is_cut=True)
            return
        if found.file.compression is None and size < checkpoint.seen_bytes:
            yield Lost(number, checkpoint.offset, checkpoint.seen_bytes, "truncated")
            part.seen_bytes = size
        yield from self._read_on(part)

    def _is_at_path(self, key: tuple[int, int]) -> bool:
        try:
            found = os.stat(self.path)
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == key

    def _give_up(self, number: int, checkpoint: Checkpoint) -> Iterator[Event]:
        yield Lost(number, checkpoint.offset, checkpoint.seen_bytes, "truncated, replaced or removed")
        yield Ended(number, is_cut=True)
        self._checkpoints[number] = replace(checkpoint, is_finished=True)
        self._changed.add(number)

    def _begin(
        self, number: int, file: OpenFile, reach: Reach = _NOTHING, checkpoint: Checkpoint | None = None
    ) -> Iterator[Event]:
        self._add(number, file, reach, checkpoint)
        if checkpoint is None:
            yield Began(number, file.path)
        yield from self._read_on(self._parts[number])

    def _add(self, number: int, file: OpenFile, reach: Reach, checkpoint: Checkpoint | None = None) -> None:
        seen_bytes = reach.offset if checkpoint is None else checkpoint.seen_bytes
        state = b"" if checkpoint is None else checkpoint.state
        self._parts[number] = FilePart(number, file, reach, seen_bytes, self._clock(), state)
        self._changed.add(number)

    def _open_new(self) -> Iterator[Event]:
        """The name of the log leads to another file: open it, and those that had the name in between."""
        newest = self._newest()
        if newest is not None and not newest.is_finished:
            # all of it, so that a file that goes on with its content is recognised
            yield from self._read_on(newest)
        if newest is not None and not newest.is_finished:
            if self._is_at_path(newest.key):
                return
            yield from self._find_rewritten(newest)
        pieces = behind(self._reached().values(), pieces_beside(self.path)) if self._last_number() >= 0 else []
        yield from self._open_all([*pieces, self.path])

    def _find_rewritten(self, part: FilePart) -> Iterator[Event]:
        """Of a part whose file was removed: read on in the piece that goes on with its content, if there is one."""
        if part.file.compression is not None or os.fstat(part.file.descriptor).st_nlink:
            return
        found = recognise(part.checkpoint(part.read), pieces_beside(self.path), self._others(part.number))
        if found is None:
            return
        if found.file.compression is None and found.file.found.st_size == part.read.offset:
            found.file.close()
            return
        part.go_on_in(found.file)
        yield from self._read_on(part)

    def _goes_on_in(self, file: OpenFile) -> FilePart | None:
        """The part whose file was removed, if this file goes on with its content, as when an editor saved it."""
        for part in reversed(self._open_parts()):
            if part.read.offset and part.file.compression is None:
                found = os.fstat(part.file.descriptor)
                if not found.st_nlink and found.st_size == part.read.offset and part.is_begun_by(file):
                    return part
        return None

    def _open_all(self, paths: list[str]) -> Iterator[Event]:
        for path in paths:
            try:
                file = open_file(path)
            except FileNotFoundError:
                continue
            except OSError as error:
                yield from self._say(error, path)
                continue
            if any(part.key == file.key for part in self._open_parts()):
                file.close()
                continue
            if (path != self.path or file.compression is not None) and self._is_known_piece(file):
                if path == self.path:
                    self._read_at_path = _status(file.found)
                file.close()
                continue
            removed = self._goes_on_in(file)
            if removed is not None:
                removed.go_on_in(file)
                yield from self._read_on(removed)
                continue
            number, reach, checkpoint = self._last_number() + 1, Reach(), None
            last = self.checkpoints().get(number - 1)
            # a file that was renamed, and got its name back; or a compressed one of which there is more now
            is_packed = path == self.path and file.compression is not None
            is_same = last is not None and (last.key == file.key or is_packed)
            # every plain file begins with nothing, but a compressed one that held nothing does not begin a part at each start
            if last is not None and last.is_finished and (last.offset or file.compression is not None) and is_same:
                held = _held(last, file)
                if held is not None:
                    number, reach, checkpoint = number - 1, held, last
            yield from self._begin(number, file, reach, checkpoint)
            yield from self._say(None)

    def _is_known_piece(self, file: OpenFile) -> bool:
        """Whether a piece holds what a part or the log's own file holds, as copies do."""
        try:
            if is_known(file, self._reached().values()):
                return True
        except OSError:
            # It is opened, and the error is said there.
            return False
        return file.compression is None and is_copied(file, self.path)

    def _say(self, error: OSError | None, path: str | None = None) -> Iterator[Event]:
        """Say an error once, until it is another."""
        text = None if error is None else f"{path}: {error}"
        if error is not None and text != self._trouble:
            yield Trouble(self.path if path is None else path, error)
        self._trouble = text

    # ---- one part

    def _read_on(self, part: FilePart) -> Iterator[Event]:
        if part.file.compression is not None:
            yield from self._read_compressed(part)
            return
        descriptor = part.file.descriptor
        try:
            found = os.fstat(descriptor)
            if part.seen == (found.st_size, found.st_mtime_ns):
                return
            if part.shows_late_that_it_is_compressed():
                yield from self._read_compressed(part)
                return
            while True:
                data = b""
                if found.st_size > part.read.offset:
                    data = os.pread(descriptor, self._chunk_bytes, part.read.offset)
                # Only now: if the content before is still that which was read, so was the file when the data was read.
                if found.st_size < part.read.offset or not part.read.is_in(descriptor):
                    yield from self._truncated(part)
                    return
                part.seen_bytes = max(part.seen_bytes, found.st_size)
                if not data:
                    break
                part.changed_at = self._clock()
                yield from self._hand_on(part, data)
                if part.read.offset >= found.st_size:
                    break
            part.seen = found.st_size, found.st_mtime_ns
        except OSError as error:
            yield from self._say(error, part.file.path)

    def _hand_on(self, part: FilePart, data: bytes) -> Iterator[Event]:
        part.ended_bytes, part.is_handed_on = None, True
        part.seen_bytes = max(part.seen_bytes, part.read.offset + len(data))
        yield Data(part.number, part.read.offset, data)
        part.advance(data)
        self._changed.add(part.number)

    def _truncated(self, part: FilePart) -> Iterator[Event]:
        """The file does not hold any more what was read of it."""
        descriptor = part.file.descriptor
        if part.in_rows.offset and part.in_rows.is_in(descriptor):
            # only its last record, which had not ended, is gone
            yield Lost(part.number, part.in_rows.offset, part.seen_bytes, "truncated")
            part.read = part.in_rows
            part.seen_bytes = part.read.offset
            self._changed.add(part.number)
            yield from self._read_on(part)
            return
        beside = pieces_beside(self.path)
        copy = None
        if part.read.offset:
            copy = recognise(part.checkpoint(part.read), beside, self._others(part.number))
        if copy is None and not part.in_rows.offset:
            yield Lost(part.number, 0, part.seen_bytes, "truncated")
            part.read, part.seen_bytes = Reach(), 0
            self._changed.add(part.number)
            yield from self._read_on(part)
            return
        file = part.file
        if copy is not None:
            # The copy has what was written before it was made.
            part.file = copy.file
            yield from self._read_to_end(part)
        yield Lost(part.number, (part.in_rows if copy is None else part.read).offset, part.seen_bytes, "truncated")
        # The writer goes on with its last record in the truncated file.
        yield from self._end(part, is_cut=True, closes=copy is not None)
        file = file._replace(found=os.fstat(descriptor))
        is_at_path = self._is_at_path(file.key)
        if not is_at_path:
            # renamed or removed since; what it holds now is older than what was put in its place
            yield from self._begin(self._last_number() + 1, file)
        if copy is not None:
            yield from self._open_all(beside[copy.at + 1 :])
        if is_at_path:
            yield from self._begin(self._last_number() + 1, file)

    def _read_to_end(self, part: FilePart) -> Iterator[Event]:
        """Read a copy of the part."""
        try:
            if part.file.compression is None:
                while data := os.pread(part.file.descriptor, self._chunk_bytes, part.read.offset):
                    yield from self._hand_on(part, data)
                return
            found = part.checkpoint(part.read).content_behind(part.file.content())
            for data in found[1] if found is not None else ():
                yield from self._hand_on(part, data)
        except OSError as error:
            yield from self._say(error, part.file.path)

    def _read_compressed(self, part: FilePart) -> Iterator[Event]:
        """Read a compressed piece to its end; if it has none yet, again when it has changed."""
        file = part.file
        found = os.fstat(file.descriptor)
        now = self._clock()
        if part.seen == (found.st_size, found.st_mtime_ns):
            if now - part.changed_at >= self._rotate_wait:
                self._note_read(file, found)
                yield Lost(part.number, part.in_rows.offset, part.seen_bytes, "damaged")
                yield from self._end(part, is_cut=True)
            return
        part.seen, part.changed_at = (found.st_size, found.st_mtime_ns), now
        try:
            behind = part.checkpoint(part.read).content_behind(file.content())
            for data in behind[1] if behind is not None else ():
                yield from self._hand_on(part, data)
        except OSError as error:
            yield from self._say(error, file.path)
            return
        is_whole = behind is not None and part.read.offset >= part.seen_bytes
        if not is_whole:
            yield Lost(part.number, part.in_rows.offset, part.seen_bytes, "replaced")
        self._note_read(file, found)
        yield from self._end(part, is_cut=not is_whole)

    def _note_read(self, file: OpenFile, found: os.stat_result) -> None:
        """Note that a compressed file was read: it is not opened again as long as it has this status."""
        if file.path == self.path:
            self._read_at_path = _status(found)

    def _end_if_done(self, part: FilePart) -> Iterator[Event]:
        """End a part whose file lost its name, if nobody writes to it any more."""
        now = self._clock()
        is_silent = now - part.changed_at >= self._rotate_wait
        if not is_silent:
            if now - part.looked_for_writers_at < _WRITERS_INTERVAL_S:
                return
            part.looked_for_writers_at = now
            writer = has_writer(part.device, part.inode)
            part.had_writer = part.had_writer or writer
            is_unlinked = not os.fstat(part.file.descriptor).st_nlink
            # A writer on another machine, in a container or of another user is not to be seen here: that there is none is
            # believed if there was one.
            if writer or not (is_unlinked or part.had_writer):
                return
        # what was written before the writer closed it
        yield from self._read_on(part)
        if not part.is_finished and part.seen is not None and part.read.offset == part.seen[0]:
            yield from self._end(part, is_cut=False)

    def _end(self, part: FilePart, *, is_cut: bool, closes: bool = True) -> Iterator[Event]:
        yield Ended(part.number, is_cut)
        # A copy of the whole is known by its length.
        part.in_rows = part.read
        part.is_finished = True
        if part.is_handed_on:
            # the caller says what it is now
            part.state = b""
        self._changed.add(part.number)
        if closes:
            part.file.close()


def _held(checkpoint: Checkpoint, file: OpenFile) -> Reach | None:
    try:
        if file.compression is None:
            return checkpoint.reach_in(file.descriptor)
        found = checkpoint.content_behind(file.content())
        return None if found is None else found[0]
    except OSError:
        return None


def _status(found: os.stat_result) -> FileStatus:
    return FileStatus(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
