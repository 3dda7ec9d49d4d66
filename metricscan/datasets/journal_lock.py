"""Who writes a journal: the holder of the lock on a file in it. The system frees it when its holder ends or is killed."""

from __future__ import annotations

import contextlib
import errno
import os
import time

from metricscan.errors import SourceError

# hidden, so that no search takes it for a log
LOCK = ".lock"
_HELD = (errno.EWOULDBLOCK, errno.EACCES)
_POLL_S = 0.001


def locked(folder: str) -> int:
    """The descriptor of the lock file, locked.

    Raises
    ------
    SourceError
        Another one holds the lock.
    OSError
        There can be no lock.
    """
    import fcntl

    descriptor = os.open(os.path.join(folder, LOCK), os.O_RDWR | os.O_CREAT, 0o666)
    try:
        while not _try(descriptor, fcntl.LOCK_EX):
            if not _try(descriptor, fcntl.LOCK_SH):
                raise _is_held(folder, os.pread(descriptor, 20, 0))
            # someone looks at this moment whether the lock is held
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            time.sleep(_POLL_S)
    except BaseException:
        os.close(descriptor)
        raise
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def is_being_written(folder: str) -> bool:
    """Whether a process holds the lock of a journal.

    The pid in the file does not tell: another process may have it by now, its process may have closed the journal, and a copy of
    the folder names it, too.
    """
    import fcntl

    try:
        descriptor = os.open(os.path.join(folder, LOCK), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        # many can look at once
        return not _try(descriptor, fcntl.LOCK_SH)
    except OSError:
        # a file system without locks holds no journal that is written
        return False
    finally:
        os.close(descriptor)


def _try(descriptor: int, kind: int) -> bool:
    """Lock a file, unless another one holds a lock that forbids it."""
    import fcntl

    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in _HELD:
            raise
        return False
    return True


def _is_held(folder: str, pid: bytes) -> SourceError:
    holder = pid.decode("ascii", "replace").strip()
    who = f"process {holder}" if holder.isdigit() else "another process"
    hint = "a journal has one writer at a time; readers need no lock"
    return SourceError(f"{folder} is being written by {who}", path=folder, hint=hint)
