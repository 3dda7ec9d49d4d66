"""The time of ``regex`` that the workers of an engine have together: a number in a file of the machine where the replay began."""

from __future__ import annotations

import fcntl
import os
import struct
import tempfile
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from metricscan.scanning.deferred import REGEX_FREE_S, RegexTime

if TYPE_CHECKING:
    from types import TracebackType

_NUMBER = struct.Struct("<d")


class TimeOfWorkers(RegexTime):
    """The time of ``regex`` that the workers of a replay have together. A context manager, which removes its file.

    Pickled, and unpickled where the file cannot be seen, it is a share of it for one task, though at least what one log has.

    Parameters
    ----------
    total_s : float
    tasks : int
        Among how many tasks it is shared where the file cannot be seen.
    """

    __slots__ = ("_descriptor", "_path", "_share_s")

    def __init__(self, total_s: float, tasks: int) -> None:
        descriptor, path = tempfile.mkstemp(prefix="metricscan-time-")
        os.pwrite(descriptor, _NUMBER.pack(total_s), 0)
        self._set(descriptor, path, max(REGEX_FREE_S, total_s / max(tasks, 1)))

    def _set(self, descriptor: int, path: str, share_s: float) -> None:
        super().__init__(0.0)
        self._descriptor, self._path, self._share_s = descriptor, path, share_s

    @property
    def left_s(self) -> float:
        """How much is left."""
        (left_s,) = _NUMBER.unpack(os.pread(self._descriptor, _NUMBER.size, 0))
        return float(left_s)

    def take(self, wanted_s: float) -> float:
        """Take so much, or what is left of it."""
        with self._lock:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX)
            try:
                left_s = self.left_s
                taken = max(0.0, min(wanted_s, left_s))
                os.pwrite(self._descriptor, _NUMBER.pack(left_s - taken), 0)
            finally:
                fcntl.lockf(self._descriptor, fcntl.LOCK_UN)
        return taken

    def __reduce__(self) -> tuple[Any, ...]:
        return _on_worker, (self._path, self._share_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            os.unlink(self._path)

    def __del__(self) -> None:
        if hasattr(self, "_descriptor"):
            os.close(self._descriptor)


def _on_worker(path: str, share_s: float) -> RegexTime:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        # another machine, a container with a folder of its own for temporary files, or a replay that is over
        return RegexTime(share_s)
    time = TimeOfWorkers.__new__(TimeOfWorkers)
    time._set(descriptor, path, share_s)
    return time
