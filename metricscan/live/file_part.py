"""A part of a followed log whose file is open."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from metricscan.live.identity import (
    WINDOW_BYTES,
    Checkpoint,
    Reach,
    content_digest,
    packed,
    packed_identity,
    read_at,
)
from metricscan.logs.compression import MAGIC_BYTES, compression

if TYPE_CHECKING:
    from metricscan.live.pieces import OpenFile


class FilePart:
    """A part that is read: its file, and how far it was read.

    Attributes
    ----------
    number : int
    file : OpenFile
    device, inode : int
    read, in_rows : Reach
        What was read, and how much of it is in rows.
    seen_bytes : int
        The greatest size of the file that was seen.
    state : bytes
        What its checkpoint is to hold.
    is_finished : bool
        Whether it has ended, and its file is closed.
    seen : tuple of (int, int) or None
        Size and time of the file when all of it was read.
    changed_at : float
        When something of it was last read.
    had_writer : bool
        Whether a process was seen that could write to it.
    looked_for_writers_at : float
    ended_bytes : int or None
        How much of the bytes that the caller has now is in rows.
    is_handed_on : bool
        Whether the caller got bytes of it.
    """

    def __init__(
        self, number: int, file: OpenFile, reach: Reach, seen_bytes: int, now: float, state: bytes = b""
    ) -> None:
        self.number = number
        self.file = file
        self.device, self.inode = file.key
        self.read = self.in_rows = reach
        self.seen_bytes = seen_bytes
        self.state = state
        self.is_finished = False
        self.seen: tuple[int, int] | None = None
        self.changed_at = now
        self.had_writer = False
        self.looked_for_writers_at = -inf
        self.ended_bytes: int | None = None
        self.is_handed_on = False
        #: What the checkpoint before ended with, and the first bytes for which that is; most often they are still the same.
        self._head: bytes | None = None
        self._identity = b""

    @property
    def key(self) -> tuple[int, int]:
        """Device and inode."""
        return self.device, self.inode

    def go_on_in(self, file: OpenFile) -> None:
        """Read on in another file, which holds what was read."""
        self.file.close()
        self.file = file
        self.device, self.inode = file.key
        self.seen = None
        self._head = None

    def shows_late_that_it_is_compressed(self) -> bool:
        """Whether a file that was opened before it held much turns out to be compressed; it is read anew then.

        Raises
        ------
        OSError
            It cannot be read.
        """
        if self.in_rows.offset or self.read.offset >= MAGIC_BYTES:
            return False
        kind = compression(read_at(self.file.descriptor, MAGIC_BYTES, 0))
        if kind is None:
            return False
        self.file = self.file._replace(compression=kind)
        self.read, self.seen_bytes = Reach(), 0
        return True

    def advance(self, data: bytes) -> None:
        """Bytes were read behind what was read before; ``ended_bytes`` says what of them is in rows."""
        if self.ended_bytes is None:
            self.read = self.read.after(data)
        elif self.ended_bytes == len(data):
            self.read = self.in_rows = self.read.after(data)
        else:
            self.in_rows = self.read.after(data[: self.ended_bytes])
            self.read = self.in_rows.after(data[self.ended_bytes :])

    def is_begun_by(self, file: OpenFile) -> bool:
        """Whether a file begins with what was read."""
        try:
            if file.compression is None:
                return self.read.is_in(file.descriptor)
            return self.checkpoint(self.read).content_behind(file.content()) is not None
        except OSError:
            # of a damaged or unreadable file it is not known what it holds
            return False

    def packed_checkpoint(self) -> bytes:
        """The checkpoint where its rows end, packed."""
        offset, head, tail, crc = self.in_rows
        if head is not self._head:
            self._head = head
            digest = content_digest(head) if offset >= WINDOW_BYTES else b""
            self._identity = packed_identity(self.device, self.inode, offset, digest)
        return packed(self.is_finished, offset, self.seen_bytes, crc, content_digest(tail), self.state, self._identity)

    def checkpoint(self, reach: Reach | None = None) -> Checkpoint:
        """The checkpoint where its rows end, or another content does."""
        return Checkpoint.of(
            self.in_rows if reach is None else reach,
            device=self.device,
            inode=self.inode,
            seen_bytes=self.seen_bytes,
            is_finished=self.is_finished,
            state=self.state,
        )
