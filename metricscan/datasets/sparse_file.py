"""A file whose long zeros are holes: what they take is neither copied nor allocated."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pyarrow as pa

from metricscan.datasets.parked_file import ParkedFile

if TYPE_CHECKING:
    from collections.abc import Sequence

# Shorter zeros are written: a hole costs a system call, and takes whole blocks of a file system or none.
_LEAST_HOLE = 16_384
_ZEROS = pa.py_buffer(bytes(65_536))
# What is gathered for one call: bytes, and buffers, of which Linux takes 1,024.
_MOST_BYTES = 4 << 20
_MOST_BUFFERS = 512


class SparseFile(ParkedFile):
    """A parked file for the writers of pyarrow. Buffers are written without a copy, many in one call.

    Of a log's rows, the columns that hold no times and the first job, stream, part and metric are zeros: 20 to 24 of 56 bytes.

    Parameters
    ----------
    path : str

    Raises
    ------
    OSError
        By any method: the file cannot be written. A failed write may be raised by a later call, at the latest by :meth:`close`.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._waiting: list[bytes | pa.Buffer] = []
        self._waiting_bytes = 0
        self._ends_in_hole = False

    def write(self, data: bytes | pa.Buffer) -> int:
        """Add bytes. A buffer is kept until it is written, and must not change."""
        size = len(data)
        if self._descriptor < 0:
            self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CLOEXEC)
            os.lseek(self._descriptor, self._position, os.SEEK_SET)
        self._position += size
        if size >= _LEAST_HOLE and _is_zero(data if isinstance(data, pa.Buffer) else pa.py_buffer(data)):
            self._write_waiting()
            os.lseek(self._descriptor, size, os.SEEK_CUR)
            self._ends_in_hole = True
        else:
            self._waiting.append(data)
            self._waiting_bytes += size
            if self._waiting_bytes >= _MOST_BYTES or len(self._waiting) >= _MOST_BUFFERS:
                self._write_waiting()
        return size

    def _write_waiting(self) -> None:
        waiting: Sequence[bytes | pa.Buffer | memoryview] = self._waiting
        left, self._waiting, self._waiting_bytes = self._waiting_bytes, [], 0
        if left:
            self._ends_in_hole = False
        while left:
            written = os.writev(self._descriptor, waiting)
            left -= written
            if left:
                waiting = _behind(waiting, written)

    def park(self) -> None:
        """Write what is left, and close the descriptor until more is written."""
        if self._descriptor >= 0:
            self._write_waiting()
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)

    def close(self) -> None:
        """Write what is left, and close the file."""
        if self.closed:
            return
        try:
            self._write_waiting()
            if self._ends_in_hole:
                os.truncate(self._path if self._descriptor < 0 else self._descriptor, self._position)
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Close the file without writing what is left."""
        if not self.closed:
            self.closed = True
            self._waiting = []
            if self._descriptor >= 0:
                os.close(self._descriptor)


def _is_zero(data: pa.Buffer) -> bool:
    return all(
        data.slice(at, min(len(_ZEROS), len(data) - at)).equals(_ZEROS.slice(0, min(len(_ZEROS), len(data) - at)))
        for at in range(0, len(data), len(_ZEROS))
    )


def _behind(buffers: Sequence[bytes | pa.Buffer | memoryview], count: int) -> list[memoryview]:
    """What is left of buffers behind so many bytes."""
    left = []
    for buffer in buffers:
        view = memoryview(buffer)
        if count < len(view):
            left.append(view[count:])
        count = max(count - len(view), 0)
    return left
