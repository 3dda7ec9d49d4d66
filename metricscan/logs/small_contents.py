"""The contents of small files, compressed or not, each in one piece: a reader of pieces costs more than they do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metricscan.errors import SourceError
from metricscan.logs.compression import codec_of, compression
from metricscan.logs.tars import is_tar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def runs_of(
    paths: Sequence[str], first: int, most_bytes: int, run_bytes: int
) -> Iterator[tuple[range, list[bytes] | None]]:
    """Small files in their order, in runs that can be read as one, each with its contents.

    Parameters
    ----------
    paths : sequence of str
    first : int
        The number of the first of them.
    most_bytes : int
        The most bytes that a file has as it lies, and decompressed.
    run_bytes : int
        The most bytes that the contents of a run have.

    Yields
    ------
    range, (list of bytes or None)
        The numbers of the files of a run. None instead of contents: each must be read alone, or none is compressed.
    """
    begin, contents, are_packed, held = first, list[bytes](), False, 0
    for number, path in enumerate(paths, first):
        content, is_packed = _content_of(path, most_bytes)
        if content is None or held + len(content) > run_bytes:
            if begin < number:
                yield range(begin, number), contents if are_packed else None
            begin, contents, are_packed, held = number, [], False, 0
        if content is None:
            yield range(number, number + 1), None
            begin = number + 1
        else:
            contents.append(content)
            held += len(content)
            are_packed |= is_packed
    if contents:
        yield range(begin, first + len(paths)), contents if are_packed else None


def _content_of(path: str, most_bytes: int) -> tuple[bytes | None, bool]:
    """The content of a file, and whether it is compressed; None if it must be read in pieces."""
    try:
        with open(path, "rb", buffering=0) as file:
            data = file.read(most_bytes + 1)
            if len(data) > most_bytes or file.read(1):
                return None, False
    except (OSError, ValueError):
        return None, False
    kind = compression(data)
    if kind is None:
        return data, False
    text = first_bytes(kind, data, path, most_bytes + 1, whole=True)
    return (None if text is None or len(text) > most_bytes else text), True


def first_bytes(kind: str, data: bytes, path: str, size: int, *, whole: bool) -> bytes | None:
    """The first bytes of a compressed file's content, by one call.

    Parameters
    ----------
    kind : str
        Its compression.
    data : bytes
        The file's first bytes, as it lies.
    path : str
    size : int
        How many bytes of the content are wanted.
    whole : bool
        Whether ``data`` is the whole file.

    Returns
    -------
    bytes or None
        None if one call gives neither so many bytes nor the whole content, as of several members or of damaged data; or if
        the content is a tar, or compressed once more.
    """
    try:
        codec = codec_of(kind, path)
    except SourceError:
        return None
    try:
        member = codec.new()
        text: bytes = member.decompress(data, size)
    except codec.errors:
        return None
    is_all = whole and bool(member.eof) and not (member.unused_data or b"").strip(b"\0")
    if len(text) < size and not is_all:
        return None
    return None if is_tar(text) or compression(text) is not None else text
