"""Where bytes come from: a path, bytes, a binary file object, or an iterable of chunks.

A source yields pieces of any size, in order. Files are read into one buffer that is used again for each piece, small
enough to stay in the processor's cache while it is scanned; whoever iterates must be done with a piece before asking
for the next. gzip is recognised by its content and decompressed on the way; another compression is an error that
names it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from metricscan.errors import SourceError

if TYPE_CHECKING:
    from types import TracebackType

CHUNK_BYTES = 256 * 1024
# What lies in memory is handed on in larger slices: one takes a microsecond, and the core cuts them itself.
SLICE_BYTES = 1024 * 1024
PIPE_BYTES = 1024 * 1024  # what Linux allows everybody
_GZIP = b"\x1f\x8b\x08"
_COMPRESSIONS = (
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"PK\x03\x04", "zip"),
)
MAGIC_BYTES = 10
#: The first three bytes of each magic, one behind the other: what starts with none of them is not compressed.
MAGIC_PREFIXES = b"".join(magic[:3] for magic in (_GZIP, *(magic for magic, _ in _COMPRESSIONS)))
_FIRST_BYTES = frozenset({_GZIP[:1], *(magic[:1] for magic, _ in _COMPRESSIONS)})


def compression(head: bytes) -> str | None:
    """The compression that a file's first ten bytes show: ``"gzip"``, another one's name, or None.

    >>> compression(bytes.fromhex("1f8b08"))
    'gzip'
    >>> compression(b"epoch 1 loss=0.5") is None
    True
    """
    if head[:1] not in _FIRST_BYTES:
        return None
    if head.startswith(_GZIP):
        return "gzip"
    for magic, name in _COMPRESSIONS:
        if head.startswith(magic) and (name != "bzip2" or head[4:10] == b"1AY&SY"):
            return name
    return None


class Source:
    """An opened input: iterate over its pieces, and close it (it is a context manager).

    Attributes
    ----------
    name : str
        The path, or a word for what has none.
    whole : memoryview or None
        All of it, where it lies in memory already.
    size : int or None
        Bytes on disk or in memory, where known; of a compressed file, its compressed size.
    descriptor : int or None
        Of a plain file, which can be read anywhere.
    """

    def __init__(self, name: str, pieces: Iterator[Any], *, whole: memoryview | None, size: int | None) -> None:
        self.name = name
        self.whole = whole
        self.size = size
        self.descriptor: int | None = None
        self._pieces = pieces
        self._file: BinaryIO | None = None
        self._on_piece: Callable[[int], object] | None = None

    def __iter__(self) -> Iterator[Any]:
        return self._pieces

    def peek(self, size: int) -> bytes:
        """The first bytes, as many as there are up to this size; they are still read afterwards."""
        if self.whole is not None:
            return bytes(self.whole[:size])
        held: list[bytes] = []
        length = 0
        rest = self._pieces
        try:
            for piece in self._pieces:
                # the buffer behind it may be used again
                held.append(bytes(piece))
                length += len(piece)
                if length >= size:
                    break
        except SourceError as error:
            # it is raised when its turn comes
            rest = _raising(error)
        self._pieces = chain(held, rest)
        return b"".join(held)[:size]

    def watch(self, on_piece: Callable[[int], object]) -> None:
        """Have each piece announced before it is handed on, with how far into the file, as it lies on disk, it was read."""
        pieces = self._pieces

        def announced() -> Iterator[Any]:
            read = 0
            for piece in pieces:
                read += len(piece)
                self.announce(read if self._file is None or not self._file.seekable() else self._file.tell())
                yield piece

        self._pieces = announced()
        self._on_piece = on_piece

    def announce(self, position: int) -> None:
        """Tell whoever watches how far the input was read."""
        if self._on_piece is not None:
            self._on_piece(position)

    def close(self) -> None:
        """Close what this source has opened itself; a file object that was passed in stays open."""
        if self._file is not None:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_source(source: Any, *, chunk_bytes: int = CHUNK_BYTES) -> Source:
    """Open a path (a str is always one), bytes-like, a binary file object, or an iterable of bytes-like chunks.

    Raises
    ------
    SourceError
        A path that cannot be opened, or a compression that is not read.
    TypeError
        Anything else: text, for one.
    """
    if isinstance(source, Source):
        return source
    if isinstance(source, (str, os.PathLike)):
        return _open_path(os.fspath(source), chunk_bytes)
    view = _as_bytes(source)
    if view is not None:
        return Source("<bytes>", _slices(view, chunk_bytes), whole=view, size=view.nbytes)
    if hasattr(source, "read"):
        name = str(getattr(source, "name", "<file object>"))
        return Source(name, _read_object(source, name, chunk_bytes), whole=None, size=None)
    if isinstance(source, Iterable):
        return Source("<chunks>", _from_chunks(source, chunk_bytes), whole=None, size=None)
    raise TypeError(
        f"a source is a path, bytes-like, a binary file object or an iterable of bytes-like chunks, "
        f"not {type(source).__name__}"
    )


def _raising(error: SourceError) -> Iterator[Any]:
    raise error
    yield


def _as_bytes(source: Any) -> memoryview | None:
    try:
        view = memoryview(source)
    except (TypeError, ValueError):
        # numpy raises the latter for what has no bytes to show, such as dates
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
    """Let a pipe hold more at a time, where the system can: a twelfth of the waits, and a quarter less time to read it."""
    try:
        descriptor = file.fileno()
        if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            import fcntl

            if fcntl.fcntl(descriptor, fcntl.F_GETPIPE_SZ) < PIPE_BYTES:
                fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    except (AttributeError, TypeError, OSError, ValueError, ImportError):
        # it has no descriptor, is closed, or the system knows no such thing: it is read as it is
        return


def _read_object(file: Any, name: str, chunk_bytes: int) -> Iterator[Any]:
    """What a file object holds; gzip is recognised as it is in a file that is named: `metricscan replay - < a.log.gz`."""
    _widen(file)
    pieces = _pieces_of(file, name, chunk_bytes)
    head: Any = b""
    try:
        for piece in pieces:
            # mostly one piece is enough, and is not copied
            head = head + bytes(piece) if head else piece
            if len(head) >= MAGIC_BYTES:
                break
    except SourceError as error:
        # what came before it is handed on first
        pieces = _raising(error)
    kind = compression(bytes(head[:MAGIC_BYTES]))
    if kind == "gzip":
        yield from _inflate(lambda _: bytes(next(pieces, b"")), bytes(head), name, chunk_bytes)
        return
    _check_compression(kind, name)
    if head:
        yield head
    yield from pieces


def _pieces_of(file: Any, name: str, chunk_bytes: int) -> Iterator[Any]:
    offset = 0
    # of a pipe what is there, not until the chunk is full
    read = getattr(file, "read1", file.read)
    while True:
        try:
            piece = read(chunk_bytes)
        except OSError as error:
            raise SourceError(f"cannot read {name}", path=name, offset=offset, cause=error) from error
        if isinstance(piece, str):
            raise TypeError(f'{name} is a text file; open it in binary mode ("rb"), or pass its path or its .buffer')
        if not piece:
            # None: a non-blocking file with nothing to read yet; a scan reads to the end, so this is the end
            return
        offset += len(piece)
        yield piece


def _open_path(path: str | bytes, chunk_bytes: int) -> Source:
    name = os.fsdecode(path)
    try:
        file = open(path, "rb", buffering=0)  # noqa: SIM115 - the source owns it until it is closed
    except (OSError, ValueError) as error:
        raise SourceError(f"cannot open {name}", path=name, offset=None, cause=error) from error
    is_file = False
    try:
        # a pipe's first bytes may come in dribs
        head = b""
        while len(head) < MAGIC_BYTES:
            more = file.read(MAGIC_BYTES - len(head))
            if not more:
                break
            head += more
        kind = compression(head)
        status = os.fstat(file.fileno())
        is_file = stat.S_ISREG(status.st_mode)
        size = status.st_size
    except OSError as error:
        file.close()
        raise SourceError(f"cannot read {name}", path=name, offset=0, cause=error) from error
    try:
        _check_compression(kind, name)
    except SourceError:
        file.close()
        raise
    pieces = (
        _inflate(file.read, head, name, chunk_bytes) if kind == "gzip" else _read_file(file, head, name, chunk_bytes)
    )
    opened = Source(name, pieces, whole=None, size=size)
    opened._file = file
    if is_file and kind is None and hasattr(os, "pread"):
        opened.descriptor = file.fileno()
    return opened


def _check_compression(kind: str | None, name: str) -> None:
    """Raise a SourceError for what is compressed otherwise than by gzip."""
    if kind is not None and kind != "gzip":
        raise SourceError(
            f"{name} is compressed with {kind}; plain text and gzip are read",
            path=name,
            offset=0,
            hint="decompress it first, or pipe it in: zstdcat, bzcat, xzcat or lz4cat FILE | metricscan replay -",
        )


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


def _inflate(read: Callable[[int], bytes], head: bytes, name: str, chunk_bytes: int) -> Iterator[bytes]:
    """gzip, one member after another; what could be decompressed is yielded before a fault is raised."""
    import zlib

    offset = 0
    raw = head
    member = zlib.decompressobj(wbits=31)
    fault: BaseException | None = None
    try:
        while True:
            if not raw:
                raw = read(chunk_bytes)
                if not raw:
                    break
            if member.eof:
                raw = raw.lstrip(b"\0")  # padding between members, as gzip itself allows
                if not raw:
                    continue
                member = zlib.decompressobj(wbits=31)
            piece = member.decompress(raw, chunk_bytes)
            raw = member.unused_data if member.eof else member.unconsumed_tail
            if piece:
                offset += len(piece)
                yield piece
    except SourceError:
        # that says where already
        raise
    except (OSError, zlib.error) as error:
        fault = error
    if fault is None:
        # what the decompressor still holds
        piece = member.flush()
        if piece:
            offset += len(piece)
            yield piece
        if member.eof:
            return
        fault = EOFError("the gzip stream ends before its end marker")
    raise SourceError(
        f"{name}: damaged or truncated gzip after byte {offset} of its content", path=name, offset=offset, cause=fault
    ) from fault
