"""What a dataset asks of the file system besides writing its files: locks, syncs, the swap of two folders, removal."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import stat
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# A sync of the whole file system also waits for what others wrote.
_MOST_SYNCED = 32
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
# of a system, a file system or a sandbox that cannot swap two folders
_NO_EXCHANGE = (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EXDEV, errno.EPERM)
# of what cannot be synced, such as a folder on some network file systems
_NO_SYNC = (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF)
#: Of a file system that cannot lock a folder, as some in a network.
NO_LOCKS = (errno.ENOLCK, errno.EBADF, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS)


class NoExchange(Exception):
    """The file system cannot swap two folders in one step."""


def lock(folder: str) -> int:
    """Lock a folder against all other processes, until the descriptor is closed or the process ends.

    Raises
    ------
    BlockingIOError
        Another process has locked it.
    OSError
        The folder is not there, or its file system has no locks.
    """
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def exchange(one: str, other: str) -> None:
    """Swap the names of two folders, in one step.

    Raises
    ------
    NoExchange
        The system cannot, and nothing has changed.
    """
    call = _system_call("renameat2")
    if call is None:
        raise NoExchange
    if call(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), ctypes.c_uint(_RENAME_EXCHANGE)):
        number = ctypes.get_errno()
        if number in _NO_EXCHANGE:
            raise NoExchange
        raise OSError(number, os.strerror(number), other)


@cache
def _system_call(name: str) -> ctypes._NamedFuncPointer | None:
    """A function of the C library; None if it has none of this name."""
    try:
        return getattr(ctypes.CDLL(None, use_errno=True), name, None)
    except (OSError, TypeError):
        # no such library, as on Windows
        return None


def sync_tree(folder: str) -> None:
    """Return when a folder and all that is in it are on the disk."""
    files = sum(1 for _ in files_under(folder))
    if files > _MOST_SYNCED and sync_file_system(folder):
        return
    for path, is_folder in files_under(folder):
        sync(path, is_folder=is_folder)
    sync(folder, is_folder=True)


def sync(path: str, *, is_folder: bool) -> None:
    """Return when a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY | (os.O_DIRECTORY if is_folder else 0))
    try:
        os.fsync(descriptor)
    except OSError as error:
        if not is_folder or error.errno not in _NO_SYNC:
            raise
    finally:
        os.close(descriptor)


def sync_file_system(path: str) -> bool:
    """Return when all that was written to a file system is on the disk; False if the system cannot say so."""
    call = _system_call("syncfs")
    if call is None:
        return False
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if call(descriptor) == 0:
            return True
        number = ctypes.get_errno()
        if number in _NO_SYNC:
            return False
        raise OSError(number, os.strerror(number), path)
    finally:
        os.close(descriptor)


def files_under(folder: str) -> Iterator[tuple[str, bool]]:
    """All paths under a folder, and whether each is a folder; one that is comes behind what is in it. Links are not followed."""
    try:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    for entry in found:
        is_folder = entry.is_dir(follow_symlinks=False)
        if is_folder:
            yield from files_under(entry.path)
        yield entry.path, is_folder


def remove(paths: Iterator[tuple[str, bool]]) -> None:
    """Remove files, and folders that are then empty. What cannot be removed stays."""
    for path, is_folder in paths:
        with contextlib.suppress(OSError):
            (os.rmdir if is_folder else os.unlink)(path)


def identity(path: str) -> tuple[int, int] | None:
    """What a folder is, whatever its name; None if there is none."""
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISDIR(found.st_mode) else None
