"""Whether a file in a folder or in an archive is a log by its content."""

from __future__ import annotations

import os
from typing import TypeAlias

from metricscan.errors import SourceError
from metricscan.logs._reading import FLAG_BINARY, FLAG_EXPORT, FLAG_PACKED, first_shows
from metricscan.logs.compression import MAGIC_PREFIXES, UNSUPPORTED, compression
from metricscan.logs.formats import HEAD_BYTES as FORMAT_HEAD_BYTES
from metricscan.logs.formats import detect, is_refused_log
from metricscan.logs.small_contents import first_bytes
from metricscan.logs.source import open_source

_Look: TypeAlias = tuple[int, int, int, int]

#: The first kilobytes of a file show whether it is text (a log) or binary (a checkpoint).
HEAD_BYTES = 8192
_END_OF_ZIP_BYTES = 22
#: The compressions that are not decompressed.
NOT_READ = frozenset(name for _, name in UNSUPPORTED)


def is_binary(path: str, look: _Look | None) -> tuple[bool, _Look | None]:
    """Whether the first bytes are no text; and what ``look_at`` would give for the text of a compressed file, else ``look``.

    A file that cannot be read is not binary: the scan reports the error.
    """
    if look is None:
        return False, None
    shown = look[-1]
    if not shown & FLAG_PACKED and not (shown & FLAG_BINARY and shown & FLAG_EXPORT):
        return bool(shown & FLAG_BINARY), look
    try:
        with open(path, "rb", buffering=0) as file:
            head = file.read(HEAD_BYTES)
    except OSError:
        return False, look
    kind = compression(head)
    if kind is not None and kind not in NOT_READ:
        text = first_bytes(kind, head, path, HEAD_BYTES, whole=len(head) < HEAD_BYTES)
        if text is not None and b"\0" not in text:
            shown = first_shows(text, MAGIC_PREFIXES)
            return is_binary_text(path, kind, text), (*look[:3], shown)
        try:
            with open_source(path, chunk_bytes=HEAD_BYTES) as opened:
                head = opened.peek(HEAD_BYTES)
                if len(head) == HEAD_BYTES and not head.strip(b"\0"):
                    # bytes among which there are NULs are looked at more closely
                    head = b"\0\0" + opened.peek_behind_nuls(HEAD_BYTES)[1]
        except SourceError:
            return False, look
    return is_binary_text(path, kind, head), look


def ends_as_zip(path: str) -> bool:
    """Whether a file ends with the end of a zip's directory, without a comment."""
    try:
        with open(path, "rb", buffering=0) as file:
            file.seek(-_END_OF_ZIP_BYTES, os.SEEK_END)
            return (file.read(_END_OF_ZIP_BYTES) or b"").startswith(b"PK\5\6")
    except OSError:
        return False


def is_export(path: str) -> bool:
    """Whether a file holds exported log events."""
    try:
        with open_source(path) as opened:
            return detect(opened.peek(FORMAT_HEAD_BYTES), path) != "plain"
    except SourceError:
        return False


def is_binary_text(path: str, kind: str | None, head: bytes) -> bool:
    """Whether the first bytes, decompressed, are no text, or a file in an unsupported compression has not the name of a log."""
    if kind in NOT_READ:
        # a log in an unsupported compression is an error; it is not skipped
        name = os.path.basename(path)
        names = (name, os.path.splitext(name)[0])
        return not any(one.endswith((".log", ".txt", ".out", ".err")) for one in names)
    shown = first_shows(head, b"")
    # some binary files are refused by the name of their format
    return bool(shown & FLAG_BINARY) and not (shown & FLAG_EXPORT and is_refused_log(head[:FORMAT_HEAD_BYTES]))
