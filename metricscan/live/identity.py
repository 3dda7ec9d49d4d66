"""Is a file still the one that was read? Its device and inode do not tell: a new file may get the inode of a removed one.

What tells is content: the first and the last 4 KiB of what was read, and for a compressed copy the CRC-32 of all of it.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterable, Iterator  # noqa: TC003 - typing.get_type_hints looks them up
from dataclasses import dataclass
from typing import NamedTuple, Self

from metricscan.live._digest import digest

WINDOW_BYTES = 4096
# Nearly all that is another behind each line stands together, so that a journal, which writes what has changed, writes little.
# Version, what shows that it is a checkpoint, whether it is finished, offset, by how much more was seen, CRC, digest of the tail;
# at its end device, inode and digest of the head, or zeros where that is the tail.
_FRONT = struct.Struct("<B3sBQQI8s")
_IDENTITY = struct.Struct("<QQ8s")
_VERSION = 3
_MARK = b"msc"
_NO_DIGEST = bytes(8)
# Version 2 had digests of 16 bytes, of which the first 8 are those of now, and a CRC; version 1 had other digests.
_VERSION_2 = 2
_FIXED_2 = struct.Struct("<BBQQQQI16s16s")
_CRC_2 = struct.Struct("<I")
_MASK = 2**64 - 1


def content_digest(data: bytes) -> bytes:
    """A digest of 64 bits: that two contents have the same by chance happens once in 2^64 comparisons."""
    return digest(data)[:8]


class Reach(NamedTuple):
    """The content of a file up to an offset.

    Attributes
    ----------
    offset : int
        How many bytes it is, decompressed.
    head, tail : bytes
        Its first and its last 4 KiB, or all of it.
    crc : int
        Its CRC-32.
    """

    offset: int = 0
    head: bytes = b""
    tail: bytes = b""
    crc: int = 0

    def after(self, data: bytes | memoryview) -> Reach:
        """The content with the bytes that follow."""
        size = len(data)
        if not size:
            return self
        if len(self.head) == WINDOW_BYTES and size < WINDOW_BYTES:
            return Reach(self.offset + size, self.head, self.tail[size:] + data, zlib.crc32(data, self.crc))
        missing = WINDOW_BYTES - len(self.head)
        head = self.head + bytes(data[:missing]) if missing else self.head
        tail = bytes(data[-WINDOW_BYTES:]) if size >= WINDOW_BYTES else (self.tail + bytes(data))[-WINDOW_BYTES:]
        return Reach(self.offset + size, head, tail, zlib.crc32(data, self.crc))

    def is_in(self, descriptor: int) -> bool:
        """Whether an open file begins with this content, as far as its first and last 4 KiB tell.

        Raises
        ------
        OSError
            The file cannot be read.
        """
        # The end first: a file that was truncated is too short for it, or holds other bytes there.
        if read_at(descriptor, len(self.tail), self.offset - len(self.tail)) != self.tail:
            return False
        return self.offset <= WINDOW_BYTES or read_at(descriptor, WINDOW_BYTES, 0) == self.head


class FileStatus(NamedTuple):
    """What shows, without a look into a file, that it did not change."""

    device: int
    inode: int
    size_bytes: int
    modified_ns: int

    @classmethod
    def of(cls, path: str) -> Self | None:
        """That of the file at a path; None if there is none, or it cannot be asked for."""
        try:
            found = os.stat(path)
        except OSError:
            return None
        return cls(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)

    def is_at(self, path: str) -> bool:
        """Whether the file at a path has this status."""
        return FileStatus.of(path) == self


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Up to where a file was turned into rows, and what distinguishes it from others.

    Attributes
    ----------
    device, inode : int
        Of the open file.
    offset : int
        The first byte of the record that is not in rows yet.
    seen_bytes : int
        The greatest size of the file that was seen.
    crc : int
        The CRC-32 of the bytes before ``offset``.
    head, tail : bytes
        Digests of the first and of the last 4 KiB before ``offset``, or of all bytes before it.
    is_finished : bool
        Nothing more is read: the file was read to its end, and nobody writes to it; or it was truncated.
    state : bytes
        What goes on at ``offset``: the state of a stream.

    Examples
    --------
    >>> checkpoint = Checkpoint.of(Reach().after(b"loss=0.5\\n"), device=1, inode=2, seen_bytes=12)
    >>> Checkpoint.unpack(checkpoint.pack()) == checkpoint
    True
    """

    device: int
    inode: int
    offset: int
    seen_bytes: int
    crc: int
    head: bytes
    tail: bytes
    is_finished: bool = False
    state: bytes = b""

    @classmethod
    def of(
        cls,
        reach: Reach,
        *,
        device: int,
        inode: int,
        seen_bytes: int,
        is_finished: bool = False,
        state: bytes = b"",
    ) -> Self:
        """The checkpoint at the end of a content."""
        head, tail = content_digest(reach.head), content_digest(reach.tail)
        return cls(device, inode, reach.offset, seen_bytes, reach.crc, head, tail, is_finished, state)

    @property
    def key(self) -> tuple[int, int]:
        """Device and inode."""
        return self.device, self.inode

    def pack(self) -> bytes:
        """As bytes. A journal, which holds them, notices damage."""
        return packed(
            self.is_finished,
            self.offset,
            self.seen_bytes,
            self.crc,
            self.tail,
            self.state,
            packed_identity(self.device, self.inode, self.offset, self.head),
        )

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """From the bytes of :meth:`pack`.

        Raises
        ------
        ValueError
            The bytes are none, or of a version that is not known.
        """
        if data[:1] and data[0] == _VERSION_2:
            return cls._unpack_2(data)
        if data[:1] and data[0] != _VERSION:
            raise ValueError(f"a checkpoint of version {data[0]}: version {_VERSION} was expected")
        if len(data) < _FRONT.size + _IDENTITY.size or data[1:4] != _MARK:
            raise ValueError(f"a checkpoint of {len(data)} bytes is damaged")
        _, _, is_finished, offset, more, crc, tail = _FRONT.unpack_from(data)
        device, inode, head = _IDENTITY.unpack(data[-_IDENTITY.size :])
        if offset < WINDOW_BYTES:
            head = tail
        state = data[_FRONT.size : -_IDENTITY.size]
        return cls(device, inode, offset, offset + more & _MASK, crc, head, tail, bool(is_finished), state)

    @classmethod
    def _unpack_2(cls, data: bytes) -> Self:
        body = data[: -_CRC_2.size]
        if len(body) < _FIXED_2.size or _CRC_2.unpack(data[-_CRC_2.size :])[0] != zlib.crc32(body):
            raise ValueError(f"a checkpoint of {len(data)} bytes is damaged")
        _, is_finished, device, inode, offset, seen_bytes, crc, head, tail = _FIXED_2.unpack_from(body)
        state = body[_FIXED_2.size :]
        return cls(device, inode, offset, seen_bytes, crc, head[:8], tail[:8], bool(is_finished), state)

    def reach_in(self, descriptor: int) -> Reach | None:
        """The content up to the checkpoint, if an open file begins with it; else None.

        Raises
        ------
        OSError
            The file cannot be read.
        """
        size = min(WINDOW_BYTES, self.offset)
        tail = read_at(descriptor, size, self.offset - size)
        head = read_at(descriptor, size, 0)
        if len(tail) < size or (content_digest(head), content_digest(tail)) != (self.head, self.tail):
            return None
        return Reach(self.offset, head, tail, self.crc)

    def ends(self, reach: Reach) -> bool:
        """Whether a content is exactly that up to the checkpoint."""
        return (reach.offset, reach.crc, content_digest(reach.tail)) == (self.offset, self.crc, self.tail)

    def content_behind(self, pieces: Iterable[bytes]) -> tuple[Reach, Iterator[bytes]] | None:
        """The content up to the checkpoint and the pieces behind it, if the pieces of a content begin with it; else None.

        Parameters
        ----------
        pieces : iterable of bytes
            They are read up to the checkpoint, or to the first 4 KiB if these differ.
        """
        reach = Reach()
        iterator = iter(pieces)
        rest = b""
        is_head_known = not self.offset
        while reach.offset < self.offset:
            piece = next(iterator, b"")
            if not piece:
                return None
            missing = self.offset - reach.offset
            reach, rest = reach.after(piece[:missing]), piece[missing:]
            if not is_head_known and len(reach.head) == min(WINDOW_BYTES, self.offset):
                is_head_known = True
                if content_digest(reach.head) != self.head:
                    return None
        if not self.ends(reach):
            return None
        return reach, _behind(rest, iterator)


def packed(
    is_finished: bool, offset: int, seen_bytes: int, crc: int, tail: bytes, state: bytes, identity: bytes
) -> bytes:
    """As :meth:`Checkpoint.pack`; ``identity`` is that of :func:`packed_identity`."""
    more = seen_bytes - offset & _MASK
    return _FRONT.pack(_VERSION, _MARK, is_finished, offset, more, crc, tail) + state + identity


def packed_identity(device: int, inode: int, offset: int, head: bytes) -> bytes:
    """What a checkpoint ends with: it stays the same while a file grows."""
    return _IDENTITY.pack(device, inode, head if offset >= WINDOW_BYTES else _NO_DIGEST)


def _behind(rest: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    if rest:
        yield rest
    yield from pieces


def read_at(descriptor: int, size: int, offset: int) -> bytes:
    """Read so many bytes of a file at a place, or up to its end.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    data = b""
    # a read may give less than there is
    while len(data) < size and (more := os.pread(descriptor, size - len(data), offset + len(data))):
        data += more
    return data
