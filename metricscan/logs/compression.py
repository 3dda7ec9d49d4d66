"""Compressed logs: which compression a file's first bytes show, and its content decompressed piece by piece."""

from __future__ import annotations

import importlib
import re
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from metricscan.errors import OptionError, SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: What the name of a compressed log ends with. Names group logs into jobs; only the content says how a log is compressed.
SUFFIXES = (".gz", ".zst", ".xz", ".bz2", ".lz4")
#: A part of a regex that matches such a suffix, or nothing.
SUFFIX_PATTERN = r"(?:\.(?:gz|zst|xz|bz2|lz4))?"

# The first bytes of what is decompressed. bzip2 goes on with the magic of a block, or of the end of the stream.
_MAGICS = (
    (b"\x1f\x8b\x08", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x04\x22\x4d\x18", "lz4"),
    *((b"BZh%d" % level + block, "bzip2") for level in range(1, 10) for block in (b"1AY&SY", b"\x17rE8P\x90")),
    # a frame that zstd skips; pzstd writes one before each frame of data
    *((bytes([first]) + b"\x2a\x4d\x18", "zstd") for first in range(0x50, 0x60)),
)
#: The first bytes of archives whose members are compressed; the second is that of an empty one, the third of a part of one.
_ARCHIVES = ((b"PK\x03\x04", "zip"), (b"PK\x05\x06", "zip"), (b"PK\x07\x08", "zip"))
#: The first bytes of the compressions that are recognised, but not decompressed. More bytes than these must fit.
UNSUPPORTED = (
    (b"\x02\x21\x4c\x18", "the legacy format of lz4"),
    (b"\x5d\x00\x00", "lzma"),
    (b"\x1f\x9d", "compress (.Z)"),
    *((bytes([0x78, level]), "zlib") for level in (0x01, 0x5E, 0x9C, 0xDA)),
)
_HINTS = {
    "the legacy format of lz4": "lz4 -dc FILE",
    "lzma": "xz --format=lzma -dc FILE",
    "compress (.Z)": "gzip -dc FILE",
    "zlib": "pigz -dc < FILE",
}
MAGIC_BYTES = 14
# Whether bytes are a zlib stream takes more of them.
_ZLIB_BYTES = 512
#: The first two bytes of each magic, concatenated. A file that starts with none of them is not compressed.
MAGIC_PREFIXES = b"".join(sorted({magic[:2] for magic, _ in (*_MAGICS, *_ARCHIVES, *UNSUPPORTED)}))
_PREFIXES = frozenset(MAGIC_PREFIXES[at : at + 2] for at in range(0, len(MAGIC_PREFIXES), 2))
_CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
# Compressed bytes that are read at once: the rest of them is copied at each end of a member.
_READ_BYTES = 64 * 1024
# xz -9 needs 65 MiB to decompress; a file may ask for up to 4 GiB.
_XZ_MEMORY = 256 * 1024 * 1024
_READ_ERRORS = (OSError, EOFError)
# How much of a compressed member is kept, to decompress it again if it is truncated.
_KEPT_BYTES = 8 * 1024 * 1024
#: What a file may decompress to, unless the caller gives another bound.
MAX_DECOMPRESSED = 64 << 30


def wanted_bytes(head: bytes) -> int:
    """How many first bytes :func:`compression` needs of an input that begins with these.

    It is few where they suffice: a pipe may give its next bytes much later.
    """
    if len(head) < 2 or head[:2] not in _PREFIXES:
        return 2
    return _ZLIB_BYTES if head[0] == 0x78 else MAGIC_BYTES


def compression(head: bytes) -> str | None:
    """The compression that a file's first bytes show: ``"gzip"``, another one's name, ``"zip"`` of an archive, or None.

    Parameters
    ----------
    head : bytes
        At least as many bytes as :func:`wanted_bytes` says, or the whole file.

    >>> compression(bytes.fromhex("1f8b08"))
    'gzip'
    >>> compression(b"epoch 1 loss=0.5") is None
    True
    """
    if head[:2] not in _PREFIXES:
        return None
    # a file may be cut off within its magic, but BZh9 may be a text
    cut = head if len(head) >= (3 if _CONTROLS.search(head) or not head.isascii() else 5) else None
    for magic, name in (*_MAGICS, *_ARCHIVES):
        if head.startswith(magic) or (cut is not None and magic.startswith(cut)):
            return name
    for magic, name in UNSUPPORTED:
        if head.startswith(magic) and (name not in _FITS or _FITS[name](head)):
            return name
    return None


def _fits_lzma(head: bytes) -> bool:
    """The size of the dictionary, the size of the content, and the zero with which the coded bytes begin."""
    if len(head) < 14:
        return False
    dictionary, content = int.from_bytes(head[1:5], "little"), int.from_bytes(head[5:13], "little")
    # a power of two, perhaps with its half, as xz and file(1) expect
    largest = 1 << max(dictionary.bit_length() - 1, 12)
    return (
        dictionary in (largest, largest | largest >> 1) and (content == 2**64 - 1 or content < 2**38) and head[13] == 0
    )


def _fits_compress(head: bytes) -> bool:
    """The greatest length of a code, 9 to 16 bits, and two bits that are not used."""
    return len(head) >= 3 and 9 <= head[2] & 0x1F <= 16 and not head[2] & 0x60


def _fits_zlib(head: bytes) -> bool:
    """No text of any encoding, and deflated data. ``x^`` and ``x\\xda`` may be the beginning of a text."""
    import zlib

    head = head[:_ZLIB_BYTES]
    if _CONTROLS.search(head, 2) is None:
        return False
    if len(head) >= 7 and head[2] in (0, 1):
        # a stored block: its length, the complement of the length, and perhaps a text
        return int.from_bytes(head[3:5], "little") ^ int.from_bytes(head[5:7], "little") == 0xFFFF
    try:
        head.decode()
    except UnicodeDecodeError as error:
        # the last character may be cut off
        if error.start > len(head) - 4 and error.reason == "unexpected end of data":
            return False
    else:
        return False
    try:
        return bool(zlib.decompressobj().decompress(head)) or len(head) < _ZLIB_BYTES
    except zlib.error:
        return False


_FITS = {"lzma": _fits_lzma, "compress (.Z)": _fits_compress, "zlib": _fits_zlib}


class Codec(NamedTuple):
    """A compression that is decompressed.

    Attributes
    ----------
    kind : str
        Its name, as :func:`compression` gives it.
    new : callable
        Makes a decompressor of one member, with the interface of ``bz2.BZ2Decompressor``.
    errors : tuple of type
        What the decompressor raises for damaged data, and reading raises.
    thorough : callable or None
        If the decompressor holds back bytes at the end of truncated data: makes a slower one that does not, with the
        interface of ``zlib.decompressobj()``.
    """

    kind: str
    new: Callable[[], Any]
    errors: tuple[type[BaseException], ...]
    thorough: Callable[[], Any] | None = None


def _gzip() -> Codec:
    library = importlib.import_module("isal.igzip_lib")

    def thorough() -> Any:
        import zlib

        return zlib.decompressobj(wbits=31)

    errors = (*_READ_ERRORS, library.IsalError)
    return Codec("gzip", lambda: library.IgzipDecompressor(flag=library.DECOMP_GZIP), errors, thorough)


def _deflate() -> Codec:
    library = importlib.import_module("isal.igzip_lib")
    return Codec(
        "deflate", lambda: library.IgzipDecompressor(flag=library.DECOMP_DEFLATE), (*_READ_ERRORS, library.IsalError)
    )


def _zstd() -> Codec:
    library = importlib.import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")
    return Codec("zstd", library.ZstdDecompressor, (*_READ_ERRORS, library.ZstdError))


def _xz() -> Codec:
    library = importlib.import_module("lzma")
    return Codec(
        "xz", lambda: library.LZMADecompressor(library.FORMAT_XZ, _XZ_MEMORY), (*_READ_ERRORS, library.LZMAError)
    )


def _bzip2() -> Codec:
    return Codec("bzip2", importlib.import_module("bz2").BZ2Decompressor, _READ_ERRORS)


def _lz4() -> Codec:
    return Codec("lz4", importlib.import_module("lz4.frame").LZ4FrameDecompressor, (*_READ_ERRORS, RuntimeError))


# What makes each codec, and the package that holds its library; those of the standard library come with Python.
_CODECS: dict[str, tuple[Callable[[], Codec], str | None]] = {
    "gzip": (_gzip, "isal"),
    # of members of zip archives
    "deflate": (_deflate, "isal"),
    "zstd": (_zstd, None if sys.version_info >= (3, 14) else "backports.zstd"),
    "xz": (_xz, None),
    "bzip2": (_bzip2, None),
    "lz4": (_lz4, "lz4"),
}


def codec_of(kind: str, name: str) -> Codec:
    """The codec of a compression; its library is imported now.

    Parameters
    ----------
    kind : str
        The result of :func:`compression`.
    name : str
        The name of the input, for errors.

    Raises
    ------
    SourceError
        The compression is not supported, or its library is not installed.
    """
    if kind not in _CODECS:
        raise SourceError(
            f"{name} is compressed with {kind}; plain text, gzip, zstd, xz, bzip2 and lz4 are read",
            path=name,
            offset=0,
            hint=f"decompress it first, or pipe it in: {_HINTS[kind]} | metricscan replay -",
        )
    make, package = _CODECS[kind]
    try:
        return make()
    except ImportError as error:
        raise SourceError(
            f"{name} is compressed with {kind}, and the library that decompresses it cannot be imported",
            path=name,
            offset=0,
            cause=error,
            hint=f"pip install {package}" if package else f"this Python was built without {kind}; use one that has it",
        ) from error


def decompress(codec: Codec, read: Callable[[int], bytes], head: bytes, name: str, chunk_bytes: int) -> Iterator[bytes]:
    """Decompress an input, one member (gzip), stream (xz, bzip2) or frame (zstd, lz4) after another.

    NULs behind a member are padding. Other bytes behind it that are no member are damage.

    Parameters
    ----------
    codec : Codec
    read : callable
        Called with a number of bytes; returns at most as many compressed bytes, and empty bytes at the end.
    head : bytes
        Compressed bytes that were read before.
    name : str
        The name of the input, for errors.
    chunk_bytes : int
        The largest piece to yield.

    Raises
    ------
    SourceError
        The data is damaged or truncated. What was decompressed before is yielded first.
    """
    offset = 0
    raw = head
    member = codec.new()
    kept = _Kept(offset)
    ended = False
    reason: BaseException
    try:
        while True:
            if member.eof:
                raw = raw.lstrip(b"\0")
                if not raw:
                    raw = b"" if ended else read(_READ_BYTES)
                    if not raw:
                        return
                    continue
                member = codec.new()
                kept = _Kept(offset)
            if codec.thorough is not None:
                kept.add(raw)
            piece = member.decompress(raw, chunk_bytes)
            if piece:
                offset += len(piece)
                yield piece
            if member.eof:
                raw = member.unused_data or b""
            elif ended:
                if not piece:
                    reason = EOFError(f"the {codec.kind} stream ends before its end marker")
                    if codec.thorough is not None:
                        for piece in kept.content(codec.thorough(), offset, chunk_bytes):
                            offset += len(piece)
                            yield piece
                    break
            elif piece and not member.needs_input:
                raw = b""
            else:
                # at the end of the input, what the decompressor still holds is asked for
                raw = read(_READ_BYTES)
                ended = not raw
    except SourceError:
        # the error's message has the place already
        raise
    except codec.errors as error:
        reason = error
    raise SourceError(
        f"{name}: damaged or truncated {codec.kind} after byte {offset} of its content",
        path=name,
        offset=offset,
        cause=reason,
    ) from reason


class _Kept:
    """The compressed bytes of a member, as long as they are few.

    isal reads up to three symbols by one look-up. If the bits of the third one are missing, it holds back the others.

    Parameters
    ----------
    start : int
        The offset in the decompressed input at which the content of the member begins.
    """

    def __init__(self, start: int) -> None:
        self._start = start
        self._parts: list[bytes] = []
        self._room = _KEPT_BYTES

    def add(self, raw: bytes) -> None:
        """Keep these bytes, or forget all of the member if they become too many."""
        self._room -= len(raw)
        if self._room < 0:
            self._parts.clear()
        else:
            self._parts.append(raw)

    def content(self, member: Any, offset: int, chunk_bytes: int) -> Iterator[bytes]:
        """The member's content from an offset of the decompressed input on, by another decompressor."""
        import zlib

        at = self._start
        for raw in self._parts:
            rest, is_full = raw, False
            while rest or is_full:
                try:
                    piece = member.decompress(rest, chunk_bytes)
                except zlib.error:
                    return
                rest, is_full = member.unconsumed_tail, len(piece) == chunk_bytes
                at += len(piece)
                if at > offset:
                    yield piece[offset - at :]
                    offset = at


def check_max_decompressed(max_decompressed: int) -> None:
    """Raise an OptionError unless ``max_decompressed`` is a whole number of bytes, 1 or more."""
    if isinstance(max_decompressed, bool) or not hasattr(max_decompressed, "__index__") or max_decompressed < 1:
        raise OptionError(f"max_decompressed={max_decompressed!r}: a whole number of bytes, 1 or more was expected")


def bounded(pieces: Iterator[Any], most_bytes: int, name: str) -> Iterator[Any]:
    """Yield pieces up to this many bytes; further bytes are an error.

    Raises
    ------
    SourceError
        There are more bytes. Those before are yielded first.
    """
    left = most_bytes
    for piece in pieces:
        left -= len(piece)
        if left < 0:
            yield piece[:left]
            raise past_bound(name, most_bytes, most_bytes)
        yield piece


def past_bound(name: str, most_bytes: int, offset: int | None) -> SourceError:
    """The error of a file that decompresses to more bytes than are allowed."""
    return SourceError(
        f"{name} decompresses to more than max_decompressed, {most_bytes:,} bytes; the rest is not read",
        path=name,
        offset=offset,
        hint="if that is its true size, give a greater one: max_decompressed=, --max-decompressed SIZE",
    )


def without_suffix(name: str) -> str:
    """A name without the suffix of a compression.

    >>> without_suffix("train.log.zst"), without_suffix(".gz")
    ('train.log', '.gz')
    """
    # one call for the usual name, which has none
    if name.endswith(SUFFIXES):
        for suffix in SUFFIXES:
            if name.endswith(suffix) and len(name) > len(suffix):
                return name[: -len(suffix)]
    return name
