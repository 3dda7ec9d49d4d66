"""Compressed logs: which compression a file's first bytes show, and gzip decompressed piece by piece."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metricscan.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_GZIP = b"\x1f\x8b\x08"
# The magic bytes of the compressions that are recognised, but not supported.
UNSUPPORTED = (
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"PK\x03\x04", "zip"),
)
#: :func:`compression` needs this many bytes.
MAGIC_BYTES = 10
#: The first three bytes of each magic, concatenated. A file that starts with none of them is not compressed.
MAGIC_PREFIXES = b"".join(magic[:3] for magic in (_GZIP, *(magic for magic, _ in UNSUPPORTED)))
_FIRST_BYTES = frozenset({_GZIP[:1], *(magic[:1] for magic, _ in UNSUPPORTED)})


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
    for magic, name in UNSUPPORTED:
        if head.startswith(magic) and (name != "bzip2" or head[4:10] == b"1AY&SY"):
            return name
    return None


def check_compression(kind: str | None, name: str) -> None:
    """Raise a SourceError for a compression other than gzip.

    Parameters
    ----------
    kind : str or None
        The result of :func:`compression`.
    name : str
        The name of the input, for the message.
    """
    if kind is not None and kind != "gzip":
        raise SourceError(
            f"{name} is compressed with {kind}; plain text and gzip are read",
            path=name,
            offset=0,
            hint="decompress it first, or pipe it in: zstdcat, bzcat, xzcat or lz4cat FILE | metricscan replay -",
        )


def inflate(read: Callable[[int], bytes], head: bytes, name: str, chunk_bytes: int) -> Iterator[bytes]:
    """Decompress gzip, one member after another.

    Parameters
    ----------
    read : callable
        Called with a number of bytes; returns at most as many compressed bytes, and empty bytes at the end.
    head : bytes
        Compressed bytes that were read before.
    name : str
        The name of the input, for errors.
    chunk_bytes : int
        The largest piece to yield, but for the end of a member, which may be larger.

    Raises
    ------
    SourceError
        The gzip is damaged or truncated. All that could be decompressed is yielded first.
    """
    import zlib

    offset = 0
    raw = head
    member = zlib.decompressobj(wbits=31)
    reason: BaseException | None = None
    try:
        while True:
            if not raw:
                raw = read(chunk_bytes)
                if not raw:
                    break
            if member.eof:
                raw = raw.lstrip(b"\0")  # padding between members, which gzip allows
                if not raw:
                    continue
                member = zlib.decompressobj(wbits=31)
            piece = member.decompress(raw, chunk_bytes)
            raw = member.unused_data if member.eof else member.unconsumed_tail
            if piece:
                offset += len(piece)
                yield piece
    except SourceError:
        # the error's message has the place already
        raise
    except (OSError, zlib.error) as error:
        reason = error
    if reason is None:
        # the bytes that the decompressor still holds
        piece = member.flush()
        if piece:
            offset += len(piece)
            yield piece
        if member.eof:
            return
        reason = EOFError("the gzip stream ends before its end marker")
    raise SourceError(
        f"{name}: damaged or truncated gzip after byte {offset} of its content", path=name, offset=offset, cause=reason
    ) from reason
