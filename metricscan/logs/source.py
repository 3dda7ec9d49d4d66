"""Where bytes come from: a path, bytes, a binary file object, or an iterable of chunks.

A source yields pieces of any size, in order. Files are read into one buffer that is used again for each piece, small
enough to stay in the processor's cache while it is scanned. The caller must be done with a piece before it asks for the
next. gzip, zstd, xz, bzip2 and lz4 are recognised by their content and decompressed on the way; another compression is an
error that names it. So is an archive: it holds several logs. A path that leads into one, such as
``logs.tar.gz/job_a/train.log``, is that of a log.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from metricscan.definitions.paths import IS_DEVICE, may_be_endless
from metricscan.errors import SourceError
from metricscan.logs import encodings
from metricscan.logs._reading import FIRST_BYTES, WHOLE_BYTES, begins_plain, has_utf16_in_places
from metricscan.logs.ahead import LEAST_BYTES, Ahead
from metricscan.logs.archives import HEAD_BYTES as ARCHIVE_HEAD_BYTES
from metricscan.logs.archives import open_member
from metricscan.logs.compression import (
    MAX_DECOMPRESSED,
    bounded,
    codec_of,
    compression,
    decompress,
    wanted_bytes,
)
from metricscan.logs.member_file import MemberFile
from metricscan.logs.tars import is_tar

if TYPE_CHECKING:
    from types import TracebackType

CHUNK_BYTES = 256 * 1024
# Slices of memory are larger: making one takes a microsecond, and the core cuts them itself.
SLICE_BYTES = 1024 * 1024
# How many NULs at the beginning of a file may precede a mark.
_MOST_NULS = 16 * 1024 * 1024
# behind NULs, so many bytes tell the mark of UTF-16 from that of UTF-32
_BEHIND_MARK = 8
_FIRST_OF_MARKS = (b"", b"\xef", b"\xfe", b"\xff")
PIPE_BYTES = 1024 * 1024  # the most that Linux allows without privileges

#: How many NULs at the beginning may precede what shows the kind of an input.
MOST_NULS = 16 * 1024 * 1024


class Source:
    """An opened input: an iterator over its pieces, and a context manager that closes it.

    Pieces are bytes-like. Those of a plain file are views of one buffer: a view is valid until the next piece is asked for.

    Attributes
    ----------
    name : str
        The path, or a word in brackets for an input without one.
    whole : memoryview or None
        The whole input, if it lies in memory already; zero-copy for contiguous memory.
    size : int or None
        Bytes on disk or in memory, if known; of a compressed file, its compressed size.
    descriptor : int or None
        The file descriptor of a plain file, which can be read at any offset.
    decoder : Decoder or None
        What decodes an input that begins with a mark of UTF-16 or UTF-32: then the pieces are its text, and ``whole`` and
        ``descriptor`` are None. It is known once the source is settled.
    is_packed : bool
        Whether it is a file that is decompressed, and large enough for a second thread.
    """

    def __init__(self, name: str, pieces: Iterator[Any], *, whole: memoryview | None, size: int | None) -> None:
        self.name = name
        self.whole = whole
        self.size = size
        self.descriptor: int | None = None
        self.is_packed = False
        self._pieces = pieces
        self._file: BinaryIO | MemberFile | None = None
        self._ahead: Ahead | None = None
        self._on_piece: Callable[[int], object] | None = None
        self.decoder: encodings.Decoder | None = None
        self._is_settled = False

    def __iter__(self) -> Iterator[Any]:
        self.settle()
        return self._pieces

    def as_it_lies(self) -> Iterator[Any]:
        """The pieces, neither decoded nor watched for another encoding. They can be asked for only first."""
        assert not self._is_settled
        self._is_settled = True
        return self._pieces

    def settle(self) -> None:
        """Find out by the first bytes whether the pieces are to be decoded. It waits for a pipe."""
        if self._is_settled:
            return
        self._is_settled = True
        size = 0 if self.whole is None and self.descriptor is None else self.size or 0
        is_small = 0 < size <= WHOLE_BYTES
        searched = size if is_small else FIRST_BYTES
        if self.whole is None:
            try:
                first = next(self._pieces, None)
            except SourceError as error:
                self._pieces = _raising(error)
                return
            if first is None:
                return
            self._pieces = chain((first,), self._pieces)
        else:
            first = self.whole
        is_plain = begins_plain(first, searched)
        if first[:1] == b"\0" and self._decode_behind_nuls(first):
            return
        if not is_plain and self._decode():
            return
        unmarked = None if is_plain else encodings.of_utf32(bytes(first[:FIRST_BYTES]), self.name)
        if unmarked is not None:
            self._pieces = _raising(unmarked)
            self.whole = self.descriptor = None
            return
        is_suspect = size > searched and self._has_utf16_in_places(size)
        if is_suspect or not size or not is_plain or len(first) < searched:
            self._pieces = encodings.watched(self._pieces, self.name, whole=is_suspect or is_small, ends=not size)
        if is_suspect:
            self.whole = self.descriptor = None

    def _decode(self) -> bool:
        """Decode the pieces if they begin with a mark. Says whether they do."""
        held: list[Any] = []
        head = b""
        rest = self._pieces
        try:
            for piece in self._pieces:
                head += bytes(piece[: encodings.MARK_BYTES])
                if not encodings.may_begin_mark(head):
                    # it is no copy: the next one is asked for after it was yielded
                    held.append(piece)
                    break
                held.append(bytes(piece))
        except SourceError as error:
            # the error is raised after the pieces before it
            rest = _raising(error)
        self._pieces = chain(held, rest)
        encoding = encodings.marked(head)
        if encoding is None:
            return False
        self._decode_from(encoding, len(encoding.mark))
        return True

    def _decode_behind_nuls(self, first: Any) -> bool:
        """Decode the pieces if they begin with NULs and a mark, as where a file was truncated while its writer went on."""
        head = bytes(first)
        rest = head.lstrip(b"\0")
        nuls = len(head) - len(rest)
        if self.whole is None and self.descriptor is None:
            nuls, rest = self._behind_nuls()
        while not rest and self.descriptor is not None and nuls < _MOST_NULS:
            try:
                head = os.pread(self.descriptor, CHUNK_BYTES, nuls)
            except OSError:
                break
            rest = head.lstrip(b"\0")
            nuls += len(head) - len(rest)
            if not head:
                break
        encoding = encodings.marked_behind_nuls(rest[:8], nuls)
        if encoding is None:
            return False
        # the mark of UTF-32BE begins with two NULs
        begin = nuls + len(encoding.mark) - (2 if encoding.name == "UTF-32BE" else 0)
        self._decode_from(encoding, begin)
        return True

    def _behind_nuls(self) -> tuple[int, bytes]:
        """How many NULs the pieces begin with, and what follows, as far as it shows a mark. The pieces are still yielded."""
        held: list[bytes] = []
        rest, length, others = b"", 0, self._pieces
        try:
            while len(rest) < _BEHIND_MARK and length < _MOST_NULS and rest[:1] in _FIRST_OF_MARKS:
                held.append(bytes(next(others)))
                length += len(held[-1])
                rest = (rest + held[-1]).lstrip(b"\0")
        except StopIteration:
            pass
        except SourceError as error:
            # the error is raised after the pieces before it
            others = _raising(error)
        self._pieces = chain(held, others)
        return length - len(rest), rest

    def _decode_from(self, encoding: encodings.Encoding, begin: int) -> None:
        self.decoder = encodings.Decoder(encoding, begin)
        self._pieces = encodings.decoded(self._pieces, self.decoder, self.name)
        self.whole = self.descriptor = None

    def _has_utf16_in_places(self, size: int) -> bool:
        return has_utf16_in_places(self.whole, -1 if self.descriptor is None else self.descriptor, size)

    def can_be_cut(self) -> bool:
        """Whether parts of the input can be read on their own: it is in memory or a plain file, and begins as plain text."""
        # a file of size 0 may have content: those of /proc do
        if not self.size or (self.whole is None and self.descriptor is None):
            return False
        self.settle()
        if self.whole is not None:
            return begins_plain(self.whole, WHOLE_BYTES)
        try:
            return self.descriptor is not None and begins_plain(os.pread(self.descriptor, WHOLE_BYTES, 0), WHOLE_BYTES)
        except OSError:
            # the scan reports the error where it meets it
            return False

    def to_source(self, *places: Any) -> None:
        """Replace places in the text of the pieces by those in the input, in arrays of int64."""
        if self.decoder is not None:
            for one in places:
                self.decoder.to_source(one)

    def place(self, at: int) -> int:
        """The place in the input of a place in the text of the pieces."""
        return at if self.decoder is None else self.decoder.place(at)

    def peek(self, size: int, is_enough: Callable[[bytes], bool] | None = None) -> bytes:
        """A copy of the first bytes, at most ``size``. Iteration still yields them, and raises the error behind them.

        Once ``is_enough`` says so of those that are there, no more are waited for.
        """
        try:
            return self.peek_or_raise(size, is_enough)
        except SourceError:
            return b""

    def peek_or_raise(self, size: int, is_enough: Callable[[bytes], bool] | None = None) -> bytes:
        """As :meth:`peek`, but if there is an error instead of a first byte, it is raised. Iteration raises it again."""
        self.settle()
        return self._peek_at_pieces(size, is_enough)

    def peek_behind_nuls(self, size: int) -> tuple[int, bytes]:
        """How many NULs the input begins with, and the first bytes behind them, as :meth:`peek` gives them.

        Behind more NULs than ``MOST_NULS`` nothing is looked for. A file that was truncated while its writer went on has some.
        """
        head = self.peek(size)
        looked_at = size
        while len(head) == looked_at <= MOST_NULS and not head.strip(b"\0"):
            looked_at *= 8
            head = self.peek(looked_at)
        nuls = len(head) - len(head.lstrip(b"\0"))
        return nuls, self.peek(nuls + size)[nuls:] if nuls else head

    def _peek_at_pieces(self, size: int, is_enough: Callable[[bytes], bool] | None = None) -> bytes:
        """A copy of the first bytes of the pieces, decoded if the source is settled and begins with a mark."""
        if self.whole is not None:
            return bytes(self.whole[:size])
        held: list[bytes] = []
        length = 0
        rest = self._pieces
        try:
            for piece in self._pieces:
                # copied, because the buffer that it is a view of may be used again
                held.append(bytes(piece))
                length += len(piece)
                if length >= size or (is_enough is not None and is_enough(b"".join(held))):
                    break
        except SourceError as error:
            # the error is raised after the pieces before it
            rest = _raising(error)
            if not length:
                self._pieces = _raising(error)
                raise
        self._pieces = chain(held, rest)
        return b"".join(held)[:size]

    def watch(self, on_piece: Callable[[int], object]) -> None:
        """Call ``on_piece`` before each piece is yielded, with the position in bytes up to which the file on disk was read."""
        pieces = self._pieces

        def announced() -> Iterator[Any]:
            read = 0
            for piece in pieces:
                read += len(piece)
                file = self._file
                if file is None or isinstance(file, MemberFile) or not file.seekable():
                    self.announce(read)
                else:
                    self.announce(file.tell())
                yield piece

        self._pieces = announced()
        self._on_piece = on_piece

    def announce(self, position: int) -> None:
        """Call the function given to :meth:`watch` with the position up to which the input was read."""
        if self._on_piece is not None:
            self._on_piece(position)

    def read_ahead(self) -> None:
        """Let a second thread decompress while the caller uses the pieces before."""
        if self.is_packed and self._ahead is None:
            self._pieces = self._ahead = Ahead(self._pieces)

    def close(self) -> None:
        """Close the file if this source opened it. A file object that was passed in stays open."""
        if self._ahead is not None:
            self._ahead.close()
        if self._file is not None:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_source(source: Any, *, chunk_bytes: int = CHUNK_BYTES, max_decompressed: int = MAX_DECOMPRESSED) -> Source:
    """Open an input.

    Parameters
    ----------
    source : path, bytes-like, binary file object, or iterable of bytes-like
        A str is always a path. A :class:`Source` is returned as it is.
    chunk_bytes : int
        The largest piece to read. The result of a scan does not depend on it.
    max_decompressed : int
        The most bytes that a file is decompressed to.

    Raises
    ------
    SourceError
        The path cannot be opened, or it is an archive. Its compression is not supported, or the library that decompresses it
        is not installed.
    TypeError
        The source is of another type, for example a text file.
    """
    if isinstance(source, Source):
        return source
    if isinstance(source, (str, os.PathLike)):
        return _open_path(os.fspath(source), chunk_bytes, max_decompressed)
    view = _as_bytes(source)
    if view is not None:
        return Source("<bytes>", _slices(view, chunk_bytes), whole=view, size=view.nbytes)
    if hasattr(source, "read"):
        name = str(getattr(source, "name", "<file object>"))
        if may_be_endless(source):
            raise _is_device(name)
        return Source(name, _read_object(source, name, chunk_bytes, max_decompressed), whole=None, size=None)
    if isinstance(source, Iterable):
        return Source("<chunks>", _from_chunks(source, chunk_bytes), whole=None, size=None)
    raise TypeError(
        f"a source is a path, bytes-like, a binary file object or an iterable of bytes-like chunks, "
        f"not {type(source).__name__}"
    )


def source_of_member(
    member: MemberFile, *, chunk_bytes: int = CHUNK_BYTES, max_decompressed: int = MAX_DECOMPRESSED
) -> Source:
    """The source of a member of an archive. It owns the member's file."""
    opened = open_source(member, chunk_bytes=chunk_bytes, max_decompressed=max_decompressed)
    opened._file = member
    opened.is_packed = member.packed >= LEAST_BYTES
    return opened


def _raising(error: SourceError) -> Iterator[Any]:
    raise error
    yield


def _as_bytes(source: Any) -> memoryview | None:
    try:
        view = memoryview(source)
    except (TypeError, ValueError):
        # numpy raises ValueError for arrays that export no buffer, such as dates
        return None
    return view.cast("B") if view.c_contiguous and view.nbytes else memoryview(view.tobytes())


def _slices(view: memoryview, chunk_bytes: int) -> Iterator[memoryview]:
    if chunk_bytes == CHUNK_BYTES:
        chunk_bytes = SLICE_BYTES
    for start in range(0, view.nbytes, chunk_bytes):
        yield view[start : start + chunk_bytes]


def _from_chunks(chunks: Iterable[Any], chunk_bytes: int) -> Iterator[memoryview]:
    for number, chunk in enumerate(chunks):
        view = None if isinstance(chunk, str) else _as_bytes(chunk)
        if view is None:
            raise TypeError(f"chunk {number} of the source is {type(chunk).__name__}, bytes-like was expected")
        yield from _slices(view, chunk_bytes)


def _widen(file: Any) -> None:
    """Enlarge the buffer of a pipe, if the system can: reading it then waits a twelfth as often and takes a quarter less time."""
    try:
        descriptor = file.fileno()
        if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            import fcntl

            if fcntl.fcntl(descriptor, fcntl.F_GETPIPE_SZ) < PIPE_BYTES:
                fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    except (AttributeError, TypeError, OSError, ValueError, ImportError):
        # the file has no descriptor or is closed, or the system has no such call: the pipe stays as it is
        return


class IsArchive(SourceError):
    """An archive is given where one log is expected."""


def _is_archive(name: str, kind: str, *, is_path: bool) -> IsArchive:
    if is_path:
        hint = f"replay reads all of its logs; {name}/MEMBER is one of them"
    else:
        hint = "save it to a file, and give replay the file's path"
    return IsArchive(f"{name} is an archive ({kind}), not one log", path=name, offset=0, hint=hint)


def _raw_head(opened: Source) -> bytes:
    """The first bytes of a decompressed input as they lie, enough for the header of a tar."""
    try:
        return opened._peek_at_pieces(ARCHIVE_HEAD_BYTES)
    except SourceError:
        return b""


def _read_object(file: Any, name: str, chunk_bytes: int, max_decompressed: int) -> Iterator[Any]:
    """The pieces of a file object. Compressed ones are decompressed as for a path: `metricscan replay - < a.log.gz`."""
    _widen(file)
    pieces = _pieces_of(file, name, chunk_bytes)
    head: Any = b""
    try:
        for piece in pieces:
            # one piece is usually enough, and then it is not copied
            head = head + bytes(piece) if head else piece
            # no text holds a NUL; a tar's first header does
            wanted = ARCHIVE_HEAD_BYTES if b"\0" in bytes(head[:ARCHIVE_HEAD_BYTES]) else wanted_bytes(bytes(head[:2]))
            if len(head) >= wanted:
                break
    except SourceError as error:
        # the bytes before the error are yielded first
        pieces = _raising(error)
    kind = compression(bytes(head[: wanted_bytes(bytes(head[:2]))]))
    if kind == "zip" or is_tar(bytes(head[:ARCHIVE_HEAD_BYTES])):
        raise _is_archive(name, kind or "tar", is_path=False)
    if kind is not None:
        codec = codec_of(kind, name)
        unpacked = decompress(codec, lambda _: bytes(next(pieces, b"")), bytes(head), name, chunk_bytes)
        content = Source(name, bounded(unpacked, max_decompressed, name), whole=None, size=None)
        if is_tar(raw_head := _raw_head(content)):
            raise _is_archive(name, f"tar, compressed with {kind}", is_path=False)
        if (inner := compression(raw_head)) is not None:
            raise _is_packed_twice(name, kind, inner)
        yield from content.as_it_lies()
        return
    if head:
        yield head
    yield from pieces


def _is_packed_twice(name: str, kind: str, inner: str) -> SourceError:
    return SourceError(
        f"{name} is {inner}, compressed once more with {kind}",
        path=name,
        offset=0,
        hint="decompress it once; what it then holds is read",
    )


def _pieces_of(file: Any, name: str, chunk_bytes: int) -> Iterator[Any]:
    offset = 0
    # read1 returns what a pipe holds; read would wait until the chunk is full
    read = getattr(file, "read1", file.read)
    while True:
        try:
            piece = read(chunk_bytes)
        except SourceError:
            # a member of an archive: the message has the place already
            raise
        except OSError as error:
            raise SourceError(f"cannot read {name}", path=name, offset=offset, cause=error) from error
        if isinstance(piece, str):
            raise TypeError(f'{name} is a text file; open it in binary mode ("rb"), or pass its path or its .buffer')
        if not piece:
            # None comes from a non-blocking file that has no bytes yet; a scan does not wait for more
            return
        offset += len(piece)
        yield piece


def _is_device(name: str) -> SourceError:
    return SourceError(f"{name} {IS_DEVICE}", path=name, offset=0, hint="head -c takes so many bytes of it")


def _open_path(path: str | bytes, chunk_bytes: int, max_decompressed: int) -> Source:
    name = os.fsdecode(path)
    try:
        file = open(path, "rb", buffering=0)  # noqa: SIM115 - the source owns it until it is closed
    except (OSError, ValueError) as error:
        member = open_member(name)
        if member is not None:
            return source_of_member(member, chunk_bytes=chunk_bytes, max_decompressed=max_decompressed)
        raise SourceError(f"cannot open {name}", path=name, offset=None, cause=error) from error
    is_file = False
    try:
        status = os.fstat(file.fileno())
        is_file = stat.S_ISREG(status.st_mode)
        if may_be_endless(file):
            file.close()
            raise _is_device(name)
        size = status.st_size
        head = file.read(ARCHIVE_HEAD_BYTES) if is_file else b""
        # a pipe may give its first bytes one by one
        while len(head) < wanted_bytes(head):
            more = file.read(wanted_bytes(head) - len(head))
            if not more:
                break
            head += more
        kind = compression(head)
    except SourceError:
        raise
    except OSError as error:
        file.close()
        raise SourceError(f"cannot read {name}", path=name, offset=0, cause=error) from error
    try:
        if kind == "zip" or is_tar(head):
            raise _is_archive(name, kind or "tar", is_path=True)
        codec = None if kind is None else codec_of(kind, name)
    except SourceError:
        file.close()
        raise
    pieces: Iterator[Any]
    if codec is None:
        pieces = _read_file(file, head, name, chunk_bytes)
    else:
        pieces = bounded(decompress(codec, file.read, head, name, chunk_bytes), max_decompressed, name)
    opened = Source(name, pieces, whole=None, size=size)
    opened._file = file
    if codec is not None:
        assert kind is not None
        if is_tar(raw_head := _raw_head(opened)):
            file.close()
            raise _is_archive(name, f"tar, compressed with {kind}", is_path=True)
        if (inner := compression(raw_head)) is not None:
            file.close()
            raise _is_packed_twice(name, kind, inner)
        opened.is_packed = is_file and size >= LEAST_BYTES
    elif is_file and hasattr(os, "pread"):
        opened.descriptor = file.fileno()
    return opened


def _read_file(file: Any, head: bytes, name: str, chunk_bytes: int) -> Iterator[memoryview]:
    buffer = bytearray(max(chunk_bytes, len(head)))
    view = memoryview(buffer)
    buffer[: len(head)] = head
    filled, offset = len(head), 0
    while True:
        try:
            more = file.readinto(view[filled:]) if filled < len(buffer) else 0
        except OSError as error:
            if filled:
                yield view[:filled]
            raise SourceError(
                f"cannot read {name} at byte {offset + filled}", path=name, offset=offset + filled, cause=error
            ) from error
        filled += more or 0
        if not filled:
            return
        yield view[:filled]
        offset += filled
        filled = 0
