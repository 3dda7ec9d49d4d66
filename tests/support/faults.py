"""Faults of the file system: one operation under a folder fails, is done in part, or is the last before the process dies.

The operations are those of :mod:`os` that Python code calls by their names in that module, and what a dataset asks of the system
beside them; what C code does is not seen.
"""

import errno
import os
from contextlib import ExitStack, contextmanager
from unittest import mock

from metricscan.datasets import dataset_disk

#: The operations that can fail, and whether their first argument is a descriptor.
OPERATIONS = {
    "open": False,
    "read": True,
    "pread": True,
    "write": True,
    "pwrite": True,
    "fsync": True,
    "fdatasync": True,
    "ftruncate": True,
    "rename": False,
    "replace": False,
    "unlink": False,
    "mkdir": False,
    "rmdir": False,
    "exchange": False,
    "sync_file_system": False,
}
_OF_DATASETS = ("exchange", "sync_file_system")
_READS = ("read", "pread")
_WRITES = ("write", "pwrite")
#: ``late`` kinds are done before they fail: the caller cannot know. ``short`` reads and writes a part, and does not fail. The
#: process dies before the operation (``killed``), in the middle of a write (``torn``), or behind the operation (``killed late``).
KINDS = ("ENOSPC", "EIO", "EINTR", "EIO late", "short", "killed", "torn", "killed late")
#: Python raises an exception for a signal, before the operation or behind it, and the process goes on.
SIGNALS = ("signal", "signal late")


class Killed(BaseException):
    """The process died: nothing that it would still do happens."""


class Faults:
    """Counts the operations on what lies in a folder, and lets one of them fail.

    Parameters
    ----------
    folder : path
    at : int or None
        The number of the operation, from 0; None only counts.
    kind : str
        One of ``KINDS`` or ``SIGNALS``.

    Attributes
    ----------
    operations : list of str
        Those that were called, in order.
    hit : bool
        Whether the fault happened. An operation that cannot fail in this way is done as usual.
    """

    def __init__(self, folder, at=None, kind="EIO"):
        self.folder = os.path.realpath(folder)
        self.at = at
        self.kind = kind
        self.operations = []
        self.hit = False
        self.dead = False

    @contextmanager
    def injected(self):
        """Let the operations of this block fail. A ``Killed`` that leaves it closes all files under the folder."""
        with ExitStack() as patches:
            for name, takes_descriptor in OPERATIONS.items():
                owner = dataset_disk if name in _OF_DATASETS else os
                wrapped = self._wrapped(name, getattr(owner, name), takes_descriptor)
                patches.enter_context(mock.patch.object(owner, name, wrapped))
            try:
                yield self
            except Killed:
                self.dead = False
                for descriptor in self._open():
                    os.close(descriptor)

    def _open(self):
        found = []
        for name in os.listdir("/proc/self/fd"):
            try:
                if self._is_inside(os.readlink(f"/proc/self/fd/{name}")):
                    found.append(int(name))
            except OSError:
                continue
        return found

    def _is_inside(self, path):
        return os.path.realpath(path).startswith(self.folder)

    def _wrapped(self, name, done, takes_descriptor):
        def operation(where, *arguments, **options):
            path = os.readlink(f"/proc/self/fd/{where}") if takes_descriptor else os.fspath(where)
            if not self._is_inside(path):
                return done(where, *arguments, **options)
            if self.dead:
                raise Killed
            number = len(self.operations)
            self.operations.append(name)
            if number != self.at or not self._applies(name):
                return done(where, *arguments, **options)
            self.hit = True
            return self._failed(name, done, where, *arguments, **options)

        return operation

    def _applies(self, name):
        if self.kind in ("short", "torn"):
            return name in _WRITES or (self.kind == "short" and name in _READS)
        if self.kind == "EINTR":
            return name in ("open", "fsync", "fdatasync", "ftruncate", *_READS, *_WRITES)
        if self.kind == "ENOSPC":
            return name not in _READS
        return True

    def _failed(self, name, done, where, *arguments, **options):
        if self.kind in ("short", "torn"):
            part = self._part(name, done, where, *arguments)
            if self.kind == "short":
                return part
        if self.kind in ("EIO late", "killed late", "signal late"):
            result = done(where, *arguments, **options)
            if name == "open":
                os.close(result)
        if self.kind in ("killed", "torn", "killed late"):
            self.dead = True
            raise Killed
        if self.kind in SIGNALS:
            raise KeyboardInterrupt
        if self.kind == "EINTR":
            raise InterruptedError(errno.EINTR, os.strerror(errno.EINTR))
        if self.kind == "ENOSPC" and name in _WRITES:
            # what fits is written, and the rest fails
            self._part(name, done, where, *arguments)
        number = errno.ENOSPC if self.kind == "ENOSPC" else errno.EIO
        raise OSError(number, os.strerror(number))

    def _part(self, name, done, where, what, *place):
        if name in _READS:
            return done(where, max(what // 2, 1), *place)
        return done(where, bytes(what)[: max(len(what) // 2, 1)], *place)
