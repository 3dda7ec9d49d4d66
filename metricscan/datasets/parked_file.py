"""A file whose descriptor is open only while it is needed: one process may write more files than it may hold open."""

from __future__ import annotations

import os
from typing import Any


class ParkedFile:
    """A new file, which can be closed and goes on where it ended, for the writers of pyarrow (``pa.PythonFile``) and of lines.

    Parameters
    ----------
    path : str

    Raises
    ------
    OSError
        By any method: the file cannot be written.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        self._position = 0
        self.closed = False

    def write(self, data: Any) -> int:
        """Add bytes."""
        if self.closed:
            raise ValueError(f"{self._path} is closed")
        if self._descriptor < 0:
            self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        left = view = memoryview(data).cast("B")
        while len(left):
            left = left[os.write(self._descriptor, left) :]
        self._position += len(view)
        return len(view)

    def park(self) -> None:
        """Close the descriptor until more is written."""
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)

    def tell(self) -> int:
        """How many bytes the file has."""
        return self._position

    def flush(self) -> None:
        """Do nothing: the writers of pyarrow flush after each batch."""

    def readable(self) -> bool:
        """False."""
        return False

    def writable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """False."""
        return False

    def close(self) -> None:
        """Close the file."""
        self.closed = True
        self.park()
