"""tar: its members, and the bytes of each, read from a file, from memory or from pieces that are decompressed.

``tarfile`` reads the headers. What it reads for one header is bounded, and the records of extended headers are checked before:
a header may claim any size.
"""

from __future__ import annotations

import io
import os
import re
import tarfile
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from metricscan.errors import SourceError
from metricscan.logs.compression import compression

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK_BYTES = 512
#: As many links, one leading to the next, as Linux follows.
MOST_HOPS = 40
_CHUNK_BYTES = 256 * 1024
# The most that the headers of one member take up. A path of 4,096 bytes and some attributes need a few thousand.
_HEADER_BYTES = 1024 * 1024
_EXTENDED = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE)
# A name that NULs fill up, and the digits of the mode.
_BEGINNING = re.compile(rb"[^\0]{1,100}\0*[0-7 ]{6,7}[\0 ]", re.DOTALL)
_ZEROS = bytes(_CHUNK_BYTES)


def is_tar(head: bytes) -> bool:
    """Whether a file that begins with these bytes is a tar archive.

    Parameters
    ----------
    head : bytes
        The first 512 bytes, or the whole file if it is shorter.

    >>> is_tar(tarfile.TarInfo("a.log").tobuf())
    True
    >>> is_tar(b"epoch 1 loss=0.5")
    False
    """
    if b"\0" not in head:
        return False
    if head[257:262] == b"ustar":
        return True
    if len(head) < 262:
        # perhaps cut off
        name = head[:100]
        return len(head) >= 108 and name.rstrip(b"\0").find(b"\0") < 0 and bool(_BEGINNING.fullmatch(head[:108]))
    if len(head) < BLOCK_BYTES or not head[0] or compression(head) is not None:
        # with one of 1,500 times in its head, a gzip of blanks has the checksum of a tar
        return False
    try:
        tarfile.TarInfo.frombuf(head[:BLOCK_BYTES], "utf-8", "surrogateescape")
    except (tarfile.HeaderError, ValueError):
        return False
    return True


class TarMember(NamedTuple):
    """A file in a tar.

    Attributes
    ----------
    offset : int
        Where its data begins in the tar.
    size : int
        The size of its content.
    runs : tuple of (int, int) or None
        Of a sparse file the offset and the size of each run of data; between them are NULs.
    """

    offset: int
    size: int
    runs: tuple[tuple[int, int], ...] | None = None

    @property
    def stored(self) -> int:
        """Bytes of its data in the tar."""
        return self.size if self.runs is None else sum(size for _, size in self.runs)


class Bytes:
    """The bytes of a tar, read forwards."""

    def __init__(self) -> None:
        self.position = 0
        self.kept: bytes | None = None

    def take(self, size: int) -> bytes:
        """The next bytes, at most so many; none at the end."""
        raise NotImplementedError

    def skip_to(self, offset: int) -> bool:
        """Go forwards to an offset; False if the end lies before it."""
        raise NotImplementedError

    def close(self) -> None:
        """Free what reads the bytes."""

    def exactly(self, size: int) -> bytes:
        """So many bytes, or fewer at the end."""
        parts = []
        while size and (part := self.take(size)):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def drain(self) -> bool:
        """Go to the end, and return whether anything but NULs was there."""
        more = False
        while piece := self.take(_CHUNK_BYTES):
            more = more or bool(piece.strip(b"\0"))
        return more


class InFile(Bytes):
    """The bytes of a file on disk."""

    def __init__(self, file: BinaryIO, path: str) -> None:
        super().__init__()
        self._file = file
        self._path = path
        self._size = os.fstat(file.fileno()).st_size

    def take(self, size: int) -> bytes:
        """Read the next bytes."""
        try:
            piece = os.pread(self._file.fileno(), size, self.position)
        except OSError as error:
            at = self.position
            raise SourceError(
                f"cannot read {self._path} at byte {at}", path=self._path, offset=at, cause=error
            ) from error
        self.position += len(piece)
        return piece

    def skip_to(self, offset: int) -> bool:
        """Go to an offset."""
        self.position = offset
        return offset <= self._size


class InMemory(Bytes):
    """The bytes of a tar in memory."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self._content = content

    def take(self, size: int) -> bytes:
        """Copy the next bytes."""
        piece = self._content[self.position : self.position + size]
        self.position += len(piece)
        return piece

    def skip_to(self, offset: int) -> bool:
        """Go to an offset."""
        self.position = offset
        return offset <= len(self._content)


class InPieces(Bytes):
    """The bytes of pieces.

    Parameters
    ----------
    pieces : iterator of bytes
    keep : int
        ``kept`` holds all bytes up to the position, unless they are more than these.
    """

    def __init__(self, pieces: Any, keep: int = 0) -> None:
        super().__init__()
        self._pieces = pieces
        self._piece = b""
        self._at = 0
        self._keep = keep
        self._parts: list[bytes] = []
        self._error: SourceError | None = None

    def take(self, size: int) -> bytes:
        """Take the next bytes."""
        if self._at == len(self._piece):
            self._next()
        taken = self._piece[self._at : self._at + size]
        self._at += len(taken)
        self.position += len(taken)
        return taken

    def _next(self) -> None:
        if self._error is not None:
            raise self._error
        try:
            self._piece, self._at = next(self._pieces, b""), 0
        except SourceError as error:
            # a reader of a member may have met it before
            self._error = error
            raise
        if self._keep:
            self._keep -= len(self._piece)
            self._parts.append(self._piece)
            if self._keep <= 0:
                self._keep, self._parts = 0, []

    def skip_to(self, offset: int) -> bool:
        """Go forwards to an offset."""
        while self.position < offset:
            left = len(self._piece) - self._at
            if not left:
                self._next()
                if not self._piece:
                    return False
                continue
            step = min(left, offset - self.position)
            self._at += step
            self.position += step
        return True

    def drain(self) -> bool:
        """Go to the end."""
        more = super().drain()
        self.kept = b"".join(self._parts) if self._keep else None
        return more

    def close(self) -> None:
        """Close the pieces."""
        close = getattr(self._pieces, "close", None)
        if close is not None:
            close()


class _Headers:
    """What ``tarfile`` reads headers from: bounded, and with valid records in extended headers."""

    def __init__(self, stream: Bytes) -> None:
        self._stream = stream
        self._left = 0
        self._is_extended = False

    def next(self, block: bytes) -> None:
        """Begin with another member, whose first block was read."""
        self._left = _HEADER_BYTES
        self._block = block

    def tell(self) -> int:
        return self._stream.position - len(self._block)

    def read(self, size: int) -> bytes:
        self._left -= size
        if size < 0 or self._left < 0:
            raise tarfile.HeaderError(f"a header of more than {_HEADER_BYTES} bytes")
        data, self._block = self._block, b""
        data += self._stream.exactly(size - len(data))
        if len(data) < size:
            raise EOFError("the archive ends within a header")
        if self._is_extended:
            _check_records(data)
            self._is_extended = False
        elif size == BLOCK_BYTES:
            self._is_extended = data[156:157] in _EXTENDED
        return data


def _check_records(data: bytes) -> None:
    """Raise a HeaderError unless each record of an extended header ends where its length says.

    ``tarfile`` may search the whole header once per record.
    """
    at = 0
    while at < len(data) and data[at]:
        length, blank, _ = data[at : at + 20].partition(b" ")
        end = at + int(length) if blank and length.isdigit() else 0
        if end <= at or data[end - 1 : end] != b"\n" or b"=" not in data[at:end]:
            raise tarfile.HeaderError("an invalid record in an extended header")
        at = end


class Walk:
    """Iterator over the files in a tar, from its beginning to its end: their names and members.

    When the next one is asked for, any part of the last one's data may have been read.

    Parameters
    ----------
    stream : Bytes
    path : str
        The archive, for errors.

    Attributes
    ----------
    not_regular : int
        Devices and pipes that were met, and links that lead out of the tar.
    links : dict of str to str
        The names of links, each with the name to which it leads in the tar.
    within : str or None
        The member whose data is read or passed over.
    """

    def __init__(self, stream: Bytes, path: str) -> None:
        self.not_regular = 0
        self.links: dict[str, str] = {}
        self.within: str | None = None
        self._stream = stream
        self._path = path

    def __iter__(self) -> Iterator[tuple[str, TarMember]]:
        stream = self._stream
        tar = tarfile.TarFile(fileobj=io.BytesIO(bytes(2 * BLOCK_BYTES)), encoding="utf-8", errors="surrogateescape")
        headers = _Headers(stream)
        tar.fileobj = headers  # type: ignore[assignment]
        at = 0
        while True:
            if not stream.skip_to(at):
                raise self._truncated("within the padding of a member")
            block = stream.exactly(BLOCK_BYTES)
            if len(block) == BLOCK_BYTES and not block.strip(b"\0"):
                return
            if len(block) < BLOCK_BYTES:
                raise self._truncated("within a header" if block else "without its end marker")
            headers.next(block)
            try:
                info = tarfile.TarInfo.fromtarfile(tar)
            except SourceError:
                raise
            except EOFError:
                raise self._truncated("within a header") from None
            except Exception as error:
                # hostile headers make tarfile raise errors of many types
                raise self._damaged(at, error) from error
            end, after = tar.offset, stream.position
            if end < after:
                raise self._damaged(at, tarfile.HeaderError("a negative size"))
            name = as_name(info.name)
            if info.issym() or info.islnk():
                to = linked_name(name, info.linkname, is_hard=info.islnk())
                if name and to is not None:
                    self.links[name] = to
                else:
                    self.not_regular += 1
            elif not info.isreg():
                self.not_regular += not info.isdir()
            elif name:
                member = self._member(info, at)
                self.within = name
                yield name, member
                if not stream.skip_to(member.offset + member.stored):
                    raise truncated_in(self._path, name)
                self.within = None
            at = end

    def _member(self, info: tarfile.TarInfo, at: int) -> TarMember:
        runs = None
        if info.issparse():
            listed: Any = info.sparse or ()
            runs = tuple((offset, size) for offset, size in listed if size)
            end = 0
            for offset, size in runs:
                if offset < end or size < 0:
                    raise self._damaged(at, tarfile.HeaderError("runs of a sparse file that overlap"))
                end = offset + size
            if end > info.size:
                raise self._damaged(at, tarfile.HeaderError("a sparse file that is longer than its size"))
        if info.size < 0:
            raise self._damaged(at, tarfile.HeaderError("a negative size"))
        return TarMember(info.offset_data, info.size, runs)

    def _truncated(self, where: str) -> SourceError:
        at = self._stream.position
        return SourceError(f"{self._path}: truncated tar: it ends at byte {at}, {where}", path=self._path, offset=at)

    def _damaged(self, at: int, reason: Exception) -> SourceError:
        message = f"{self._path}: damaged tar: no valid header at byte {at}; members behind it are not read"
        return SourceError(message, path=self._path, offset=at, cause=reason)


def truncated_in(archive: str, name: str, offset: int | None = None) -> SourceError:
    """The error of a tar that ends within a member's data."""
    after = "" if offset is None else f" after byte {offset} of its content"
    return SourceError(
        f"{archive}: truncated tar: it ends within the member {name}{after}", path=f"{archive}/{name}", offset=offset
    )


def located(message: str, error: SourceError, path: str, offset: int) -> SourceError:
    """An error with another message, which includes the cause, and another place."""
    found = SourceError(message, path=path, offset=offset, hint=error.hint)
    found.cause = error.cause
    return found


def as_name(name: str) -> str:
    """A member's name as the path within a folder: without ``/`` at its ends, empty parts and ``.``.

    >>> as_name("./job_a//train.log"), as_name("/var/log/a.log"), as_name("../a.log")
    ('job_a/train.log', 'var/log/a.log', '../a.log')
    """
    return "/".join(part for part in name.split("/") if part not in ("", "."))


def linked_name(name: str, target: str, *, is_hard: bool) -> str | None:
    """The name in the tar to which a link with this name leads; None if it leads out of the tar.

    >>> linked_name("a/latest.log", "../b/train.log", is_hard=False), linked_name("a/b.log", "a/c.log", is_hard=True)
    ('b/train.log', 'a/c.log')
    >>> linked_name("a/b.log", "/etc/passwd", is_hard=False) is linked_name("b.log", "../c.log", is_hard=False) is None
    True
    """
    parts = [] if is_hard else name.split("/")[:-1]
    if not is_hard and target.startswith("/"):
        return None
    for part in target.split("/"):
        if part == "..":
            if not parts or parts[-1] == "..":
                return None
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def content(stream: Bytes, member: TarMember, path: str, archive: str) -> Iterator[bytes]:
    """The content of a member, in pieces.

    Parameters
    ----------
    stream : Bytes
        Not behind the member's data.
    member : TarMember
    path : str
        The member's path, for errors.
    archive : str
        The archive's path.

    Raises
    ------
    SourceError
        The tar is damaged or truncated. What lies before is yielded first.
    """
    done = 0
    try:
        stream.skip_to(member.offset)
        for offset, size in ((0, member.size),) if member.runs is None else member.runs:
            for hole in _zeros(offset - done):
                yield hole
                done += len(hole)
            end = done + size
            while done < end:
                piece = stream.take(min(end - done, _CHUNK_BYTES))
                if not piece:
                    raise truncated_in(archive, path[len(archive) + 1 :], done)
                done += len(piece)
                yield piece
        yield from _zeros(member.size - done)
    except SourceError as error:
        if error.path == path:
            raise
        message = f"{error.message}, within the member {path[len(archive) + 1 :]} after byte {done} of it"
        raise located(message, error, path, done) from error.cause


def _zeros(size: int) -> Iterator[bytes]:
    while size > 0:
        yield _ZEROS[:size]
        size -= _CHUNK_BYTES
