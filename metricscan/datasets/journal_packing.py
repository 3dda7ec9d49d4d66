"""How a journal packs numbers, texts and columns of rows into bytes, and reads them again."""

from __future__ import annotations

from array import array
from struct import Struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metricscan.scanning.schema import NO_TIME

if TYPE_CHECKING:
    from collections.abc import Callable

_MASK = 2**64 - 1
_VALUE = Struct("<d")


class Packer(bytearray):
    """Bytes to which numbers, texts and columns are added."""

    def number(self, number: int) -> None:
        """Add a number of at least 0: seven bits per byte, the lowest first."""
        while number >= 0x80:
            self.append(number & 0x7F | 0x80)
            number >>= 7
        self.append(number)

    def blob(self, data: bytes | bytearray) -> None:
        """Add bytes, behind their length."""
        self.number(len(data))
        self += data

    def text(self, text: str) -> None:
        """Add a text. Names of files may hold bytes that are no UTF-8."""
        self.blob(text.encode("utf-8", "surrogatepass"))

    def integers(self, column: Any) -> None:
        """Add a column of int64: its least value, then what each value has more, in as few bytes as the largest takes."""
        low = int(column.min())
        most = int(column.max()) - low
        # zigzag: numbers near 0 are short, whatever their sign
        self.number(low << 1 if low >= 0 else (-low << 1) - 1)
        width = 0 if not most else 1 if most < 1 << 8 else 2 if most < 1 << 16 else 4 if most < 1 << 32 else 8
        self.append(width)
        if width:
            # differences of int64 may need 64 bits: unsigned numbers wrap around to the right ones
            self += (column.view(np.uint64) - np.uint64(low & _MASK)).astype(f"<u{width}").tobytes()

    def one_integer(self, number: int) -> None:
        """Add a column of one number, as :meth:`integers` does."""
        self.number(number << 1 if number >= 0 else (-number << 1) - 1)
        self.append(0)


class Unpacker:
    """Reads what a :class:`Packer` wrote.

    Each method raises an IndexError or a ValueError if the bytes end too early.
    """

    __slots__ = ("at", "data")

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data = data
        self.at = at

    def number(self) -> int:
        """Read a number."""
        data, at = self.data, self.at
        found = data[at]
        at += 1
        if found >= 0x80:
            found &= 0x7F
            shift = 7
            while True:
                byte = data[at]
                at += 1
                found |= (byte & 0x7F) << shift
                if byte < 0x80:
                    break
                shift += 7
        self.at = at
        return found

    def blob(self) -> bytes:
        """Read bytes."""
        size = self.number()
        found = self.data[self.at : self.at + size]
        if len(found) < size:
            raise ValueError("bytes are missing")
        self.at += size
        return found

    def text(self) -> str:
        """Read a text."""
        return self.blob().decode("utf-8", "surrogatepass")

    def integers(self, into: array[int], rows: int) -> None:
        """Read a column of int64, and add it to others."""
        coded = self.number()
        low = -((coded + 1) >> 1) if coded & 1 else coded >> 1
        width = self.data[self.at]
        self.at += 1
        if not width:
            into.extend([low] * rows) if rows > 1 else into.append(low)
            return
        more = np.frombuffer(self.data, f"<u{width}", rows, self.at)
        self.at += rows * width
        into.frombytes((more.astype(np.uint64) + np.uint64(low & _MASK)).tobytes())


class Columns:
    """Rows of one metric, in the order in which they were written.

    Attributes
    ----------
    file : array of int
        The number of each row's file.
    value : array of float
        Empty for a label.
    texts : list of str
        The values of a label.
    line, offset, start, time : array of int
        ``time`` is in microseconds since the epoch, or ``NO_TIME``.
    """

    __slots__ = ("file", "line", "offset", "start", "texts", "time", "value")

    def __init__(self) -> None:
        self.file: array[int] = array("q")
        self.value: array[float] = array("d")
        self.texts: list[str] = []
        self.line: array[int] = array("q")
        self.offset: array[int] = array("q")
        self.start: array[int] = array("q")
        self.time: array[int] = array("q")

    def __len__(self) -> int:
        return len(self.file)

    def extend(self, others: Columns) -> None:
        """Add other rows behind these."""
        for name in self.__slots__:
            getattr(self, name).extend(getattr(others, name))

    def drop(self, file: int, offset: int) -> None:
        """Remove the rows of a record."""
        for at in range(len(self) - 1, -1, -1):
            if self.file[at] == file and self.offset[at] == offset:
                for name in self.__slots__:
                    column = getattr(self, name)
                    # of values and texts one is empty
                    if column:
                        del column[at]


def pack_rows(out: Packer, batch: pa.RecordBatch, number_of: Callable[[str], int]) -> None:
    """Add the rows of a batch with the columns of one log.

    Parameters
    ----------
    out : Packer
    batch : pyarrow.RecordBatch
        At least one row, of the schema of one log or that of a label.
    number_of : callable
        Gives the number of a label's text.
    """
    value, line, offset, start, time = batch.columns
    if len(value) == 1 and time.null_count:
        _pack_row(out, value[0].as_py(), line[0].as_py(), offset[0].as_py(), start[0].as_py(), number_of)
        return
    offsets = offset.to_numpy()
    has_times = time.null_count < len(time)
    out.append(has_times)
    if pa.types.is_string(value.type):
        texts = value.dictionary_encode()
        numbers = np.array([number_of(text) for text in texts.dictionary.to_pylist()], np.int64)
        out.integers(numbers[texts.indices.to_numpy()])
    else:
        out += value.to_numpy().astype("<f8", copy=False).tobytes()
    out.integers(line.to_numpy())
    out.integers(offsets)
    out.integers(start.to_numpy() - offsets)
    if has_times:
        out.integers(pc.fill_null(time.cast(pa.int64()), NO_TIME).to_numpy())


def _pack_row(
    out: Packer, value: float | str, line: int, offset: int, start: int, number_of: Callable[[str], int]
) -> None:
    """Add one row without a time, as :func:`pack_rows` does, in a fifth of the time: a log that grows has one row at a time."""
    out.append(False)
    if isinstance(value, str):
        out.one_integer(number_of(value))
    else:
        out += _VALUE.pack(value)
    out.one_integer(line)
    out.one_integer(offset)
    out.one_integer(start - offset)


def unpack_rows(data: Unpacker, file: int, rows: int, into: Columns, texts: list[str] | None) -> None:
    """Read rows, and add them to others of their metric.

    Parameters
    ----------
    data : Unpacker
    file : int
        The number of their file.
    rows : int
    into : Columns
    texts : list of str or None
        The texts by number, if the metric is a label.
    """
    has_times = data.data[data.at]
    data.at += 1
    if texts is not None:
        numbers: array[int] = array("q")
        data.integers(numbers, rows)
        into.texts.extend([texts[number] for number in numbers])
    else:
        stop = data.at + 8 * rows
        values = data.data[data.at : stop]
        if len(values) < 8 * rows:
            raise ValueError("values are missing")
        into.value.frombytes(values)
        data.at = stop
    first = len(into.offset)
    data.integers(into.line, rows)
    data.integers(into.offset, rows)
    data.integers(into.start, rows)
    if rows == 1:
        into.file.append(file)
        into.start[first] += into.offset[first]
    else:
        into.file.extend([file] * rows)
        starts = np.frombuffer(into.start, np.int64)
        starts[first:] += np.frombuffer(into.offset, np.int64)[first:]
        # an array whose memory is exported cannot grow
        del starts
    if has_times:
        data.integers(into.time, rows)
    else:
        into.time.extend([NO_TIME] * rows)
