"""zip: its members, and the bytes of each. ``zipfile`` reads the directory at the end."""

from __future__ import annotations

import os
import stat
import struct
import zipfile
import zlib
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from metricscan.errors import SourceError
from metricscan.logs.compression import codec_of, decompress
from metricscan.logs.tars import as_name

if TYPE_CHECKING:
    from collections.abc import Iterator

# The methods that are decompressed, and the names of others.
_CODECS = {8: "deflate", 12: "bzip2", 93: "zstd", 95: "xz"}
_OTHERS = {1: "shrink", 6: "implode", 9: "deflate64", 14: "lzma", 96: "jpeg", 97: "wavpack", 98: "ppmd", 99: "AES"}
_ENCRYPTED = 1
_LOCAL = struct.Struct("<4s22xHH")


class ZipMember(NamedTuple):
    """A file in a zip.

    Attributes
    ----------
    offset : int
        Where its local header begins.
    packed, size : int
        Bytes of its data in the zip, and of its content.
    method : int
        How it is compressed; 0 if it is not.
    crc : int
        The checksum of its content.
    """

    offset: int
    packed: int
    size: int
    method: int
    crc: int


class Found(NamedTuple):
    """What a zip's directory lists.

    Attributes
    ----------
    members : list of (str, ZipMember)
    not_regular : int
        Links and other entries that are not regular files.
    unreadable : dict of str to list of str
        The names of members that cannot be read, by the reason.
    """

    members: list[tuple[str, ZipMember]]
    not_regular: int
    unreadable: dict[str, list[str]]


def members(file: BinaryIO, path: str) -> Found:
    """Read the directory of a zip.

    Parameters
    ----------
    file : binary file
    path : str
        The zip, for errors.

    Raises
    ------
    SourceError
        The zip is damaged or truncated, or entries of it overlap.
    """
    size = os.fstat(file.fileno()).st_size
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.filelist
            directory = archive.start_dir
    except Exception as error:
        # hostile directories make zipfile raise errors of many types
        raise SourceError(
            f"{path}: damaged or truncated zip: no valid directory of its members at its end, byte {size}",
            path=path,
            offset=size,
            cause=error,
        ) from error
    _check_places(entries, directory, path)
    found = Found([], 0, {})
    not_regular = 0
    for entry in entries:
        name = entry.filename
        if entry.create_system == 0 and "/" not in name:
            # some programs on Windows write its separator
            name = name.replace("\\", "/")
        kind = stat.S_IFMT(entry.external_attr >> 16) if entry.create_system == 3 else 0
        name, is_folder = as_name(name), name.endswith("/")
        if is_folder or kind == stat.S_IFDIR or not name:
            continue
        if kind not in (0, stat.S_IFREG):
            not_regular += 1
        elif entry.flag_bits & _ENCRYPTED:
            found.unreadable.setdefault("encrypted", []).append(name)
        elif entry.compress_type and entry.compress_type not in _CODECS:
            method = _OTHERS.get(entry.compress_type, f"method {entry.compress_type}")
            found.unreadable.setdefault(f"compressed with {method}", []).append(name)
        else:
            place = (entry.header_offset, entry.compress_size, entry.file_size, entry.compress_type, entry.CRC)
            found.members.append((name, ZipMember(*place)))
    return found._replace(not_regular=not_regular)


def _check_places(entries: list[zipfile.ZipInfo], directory: int, path: str) -> None:
    """Raise a SourceError if the data of two entries overlap: few bytes would be many members."""
    end, before = 0, ""
    for entry in sorted(entries, key=lambda entry: entry.header_offset):
        if entry.header_offset < end:
            raise SourceError(
                f"{path}: damaged zip: the members {before} and {entry.filename} overlap",
                path=path,
                offset=entry.header_offset,
            )
        end, before = entry.header_offset + _LOCAL.size + entry.compress_size, entry.filename
    if end > directory:
        raise SourceError(
            f"{path}: damaged zip: the member {before} reaches into the directory", path=path, offset=directory
        )


def content(file: BinaryIO, member: ZipMember, path: str, chunk_bytes: int) -> Iterator[bytes]:
    """The content of a member, in pieces.

    Parameters
    ----------
    file : binary file
    member : ZipMember
    path : str
        The member's path, for errors.
    chunk_bytes : int
        The largest piece to yield.

    Raises
    ------
    SourceError
        The data is damaged. What was decompressed before is yielded first.
    """
    done, crc = 0, 0
    try:
        descriptor = file.fileno()
        header = os.pread(descriptor, _LOCAL.size, member.offset)
        if len(header) < _LOCAL.size or header[:4] != b"PK\3\4":
            raise _damaged(path, 0, "there is no header where the directory says")
        _, name_bytes, extra_bytes = _LOCAL.unpack(header)
        at = member.offset + _LOCAL.size + name_bytes + extra_bytes
        end = at + member.packed

        def read(size: int) -> bytes:
            nonlocal at
            piece = os.pread(descriptor, min(size, end - at), at)
            at += len(piece)
            return piece

        if member.method:
            pieces = decompress(codec_of(_CODECS[member.method], path), read, b"", path, chunk_bytes)
        else:
            pieces = iter(lambda: read(chunk_bytes), b"")
        for piece in pieces:
            if done + len(piece) > member.size:
                raise _damaged(path, done, f"its content is longer than {member.size} bytes, the size in the directory")
            done += len(piece)
            crc = zlib.crc32(piece, crc)
            yield piece
    except SourceError:
        raise
    except OSError as error:
        raise SourceError(f"cannot read {path} at byte {done}", path=path, offset=done, cause=error) from error
    if done < member.size:
        raise _damaged(path, done, f"its content has {done} bytes, {member.size} by the directory")
    if crc != member.crc:
        raise _damaged(path, done, "its checksum is another one in the directory")


def _damaged(path: str, offset: int, reason: str) -> SourceError:
    return SourceError(f"{path}: damaged zip: {reason}", path=path, offset=offset)
