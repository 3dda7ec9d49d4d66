"""What a journal asks of the file system: writes that are on the disk when they return, and files that appear at once."""

from __future__ import annotations

import contextlib
import errno
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_READ_BYTES = 1 << 24


def _whole(call: Callable[..., Any], *arguments: Any) -> Any:
    """Call again what a signal interrupted."""
    while True:
        try:
            return call(*arguments)
        except InterruptedError:
            continue


def write_at(descriptor: int, data: bytes, offset: int) -> None:
    """Write bytes at a place, and return when they are on the disk.

    What an earlier call has written there in part is written again: after an error of a sync, nobody knows what of it is on
    the disk.

    Raises
    ------
    OSError
        The bytes may be there, in part or not at all.
    """
    left = memoryview(data)
    while left:
        written = _whole(os.pwrite, descriptor, left, offset)
        left = left[written:]
        offset += written
    sync(descriptor)


def opened(path: str) -> int:
    """A descriptor of a file to which is written; it is made if there is none."""
    descriptor: int = _whole(os.open, path, os.O_RDWR | os.O_CREAT, 0o666)
    return descriptor


def cut(descriptor: int, size_bytes: int) -> None:
    """Cut a file that is longer."""
    if os.fstat(descriptor).st_size > size_bytes:
        _whole(os.ftruncate, descriptor, size_bytes)


def sync(descriptor: int) -> None:
    """Return when what was written to a file is on the disk."""
    _whole(os.fdatasync, descriptor)


def sync_folder(path: str) -> None:
    """Return when the names in a folder are on the disk."""
    descriptor = _whole(os.open, path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _whole(os.fsync, descriptor)
    finally:
        os.close(descriptor)


def write_file(path: str, data: bytes) -> None:
    """Write a file that has its name only when it is on the disk as a whole; a file of that name is replaced."""
    beside = f"{path}.new"
    descriptor = _whole(os.open, beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    try:
        write_at(descriptor, data, 0)
        _whole(os.fsync, descriptor)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(beside)
        raise
    finally:
        os.close(descriptor)
    _whole(os.replace, beside, path)
    sync_folder(os.path.dirname(path) or ".")


def read_file(path: str, begin: int = 0, *, synced: bool = False) -> bytes:
    """Read a file from a place to its end, as far as it is written now.

    Parameters
    ----------
    path : str
    begin : int
    synced : bool
        Whether what is read must be on the disk, so that no crash of the machine takes it back.
    """
    descriptor = _whole(os.open, path, os.O_RDONLY)
    try:
        pieces = []
        while piece := _whole(os.pread, descriptor, _READ_BYTES, begin):
            pieces.append(piece)
            begin += len(piece)
        if synced and pieces:
            try:
                sync(descriptor)
            except OSError as error:
                # a read-only file system has nothing to sync
                if error.errno not in (errno.EROFS, errno.EINVAL):
                    raise
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)
    finally:
        os.close(descriptor)
