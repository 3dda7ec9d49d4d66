"""What is kept of each of millions of logs: columns that grow batch by batch, and bytes that are read again rarely, on disk."""

from __future__ import annotations

import tempfile
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from metricscan.errors import OptionError, SourceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metricscan.datasets.rows import Array

#: So many bytes of what is put away stay in memory.
IN_MEMORY = 16 << 20
#: So many bytes a column of string can hold.
MOST_TEXT = (1 << 31) - 1


class Column:
    """Numbers of one type, in one piece of memory; as long as all are equal they take none.

    Batches that are kept as they came hold on to what was allocated around them.

    Parameters
    ----------
    kind : numpy type
    """

    def __init__(self, kind: Any) -> None:
        self._type = np.dtype(kind)
        self._bytes = bytearray()
        self._size = 0
        self._same: bytes | None = None

    def add(self, values: Array) -> None:
        """Add values behind the others."""
        values = np.ascontiguousarray(values, self._type)
        if not len(values):
            return
        if not self._size:
            self._same = values[:1].tobytes()
        size, self._size = self._size, self._size + len(values)
        data = values.view(np.uint8)
        if self._same is not None:
            # bit for bit: NaN equals NaN, and -0.0 is not 0.0
            if (data.reshape(len(values), -1) == np.frombuffer(self._same, np.uint8)).all():
                return
            self._bytes += self._same * size
            self._same = None
        self._bytes += data.data

    def array(self) -> Array:
        """All values. Nothing can be added afterwards, and equal ones cannot be written to."""
        if self._same is not None:
            return np.broadcast_to(np.frombuffer(self._same, self._type), self._size)
        return np.frombuffer(self._bytes, self._type)


def is_one_value(column: Array) -> bool:
    """Whether a column is a value that takes memory once, as :meth:`Column.array` gives it."""
    return column.ndim == 1 and column.strides == (0,)


def taken(column: Array, order: Array) -> Array:
    """The values of a column at these places; a value that takes memory once stays so."""
    return np.broadcast_to(column[:1], len(order)) if is_one_value(column) and len(column) else column[order]


def renumbered(column: Array, numbers: Array) -> Array:
    """The numbers that stand in the place of others; a value that takes memory once stays so."""
    if is_one_value(column) and len(column):
        return np.broadcast_to(numbers[column[:1]], len(column))
    return numbers[column]


class Texts:
    """Texts in one piece of memory."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._sizes = Column(np.int32)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, texts: pa.Array) -> None:
        """Add an array of string, none of which is null, behind the others."""
        if not len(texts):
            return
        _, offsets, data = texts.buffers()
        ends = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1]
        self._count += len(texts)
        self._sizes.add(np.diff(ends))
        if ends[-1] > ends[0]:
            self._bytes += memoryview(data)[int(ends[0]) : int(ends[-1])]

    def array(self) -> pa.Array:
        """All texts. Nothing can be added afterwards.

        Raises
        ------
        OptionError
            They take more than the 2 GiB that a column of string can hold.
        """
        if len(self._bytes) > MOST_TEXT:
            raise OptionError(
                f"the names of {self._count:,} jobs or streams take more than 2 GiB",
                hint="rank the jobs of some folders at a time",
            )
        ends = np.zeros(self._count + 1, np.int32)
        np.cumsum(self._sizes.array(), out=ends[1:])
        return pa.StringArray.from_buffers(self._count, pa.py_buffer(ends), pa.py_buffer(self._bytes))


class Spill:
    """Bytes that were put away: in a file without a name, in the folder for temporary files, if they are many."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115
        self._size = 0
        weakref.finalize(self, self._file.close)

    def add(self, data: bytes | memoryview) -> int:
        """Put bytes away; gives back their place.

        Raises
        ------
        SourceError
            The file cannot be written.
        """
        place = self._size
        try:
            self._file.seek(place)
            self._file.write(data)
        except OSError as error:
            folder = tempfile.gettempdir()
            message = f"cannot write a temporary file in {folder}"
            raise SourceError(message, path=folder, cause=error, hint="TMPDIR names another folder") from error
        self._size += len(data)
        return place

    def read(self, place: int, size: int) -> bytes:
        """The bytes at a place."""
        self._file.seek(place)
        return self._file.read(size)


class PutAway:
    """Pieces of bytes that were put away, and are looked up one by one."""

    def __init__(self) -> None:
        self._spill = Spill()
        self._sizes = Column(np.int32)
        self._ends: Array | None = None

    def add(self, items: Sequence[bytes]) -> None:
        """Put items away behind the others."""
        self._sizes.add(np.fromiter(map(len, items), np.int32, len(items)))
        self._spill.add(b"".join(items))

    def __getitem__(self, at: int) -> bytes:
        """The item with this number. Nothing can be added afterwards."""
        if self._ends is None:
            self._ends = np.cumsum(self._sizes.array(), dtype=np.int64)
        end = int(self._ends[at])
        begin = int(self._ends[at - 1]) if at else 0
        return self._spill.read(begin, end - begin)
