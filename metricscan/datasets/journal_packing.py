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
#: How many numbers are known of the place of a file's last rows.
PLACE = 3


class Packer(bytearray):
    """Bytes to which numbers, texts and columns are added."""

    def number(self, number: int) -> None:
        """Add a number of at least 0: seven bits per byte, the lowest first."""
        while number >= 0x80:
            self.append(number & 0x7F | 0x80)
            number >>= 7
        self.append(number)

    def signed(self, number: int) -> None:
        """Add a number: one near 0 is short, whatever its sign."""
        self.number(number << 1 if number >= 0 else (-number << 1) - 1)

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
        self.signed(low)
        width = 0 if not most else 1 if most < 1 << 8 else 2 if most < 1 << 16 else 4 if most < 1 << 32 else 8
        self.append(width)
        if width:
            # differences of int64 may need 64 bits: unsigned numbers wrap around to the right ones
            self += (column.view(np.uint64) - np.uint64(low & _MASK)).astype(f"<u{width}").tobytes()


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

    def signed(self) -> int:
        """Read a number of any sign."""
        coded = self.number()
        return -((coded + 1) >> 1) if coded & 1 else coded >> 1

    def next_bytes(self, size: int) -> bytes:
        """Read so many bytes."""
        found = self.data[self.at : self.at + size]
        if len(found) < size:
            raise ValueError("bytes are missing")
        self.at += size
        return found

    def blob(self) -> bytes:
        """Read bytes, behind their length."""
        return self.next_bytes(self.number())

    def text(self) -> str:
        """Read a text."""
        return self.blob().decode("utf-8", "surrogatepass")

    def integers(self, into: array[int], rows: int) -> None:
        """Read a column of int64, and add it to others."""
        low = self.signed()
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


def pack_rows(
    out: Packer, metric: int, batch: pa.RecordBatch, number_of: Callable[[str], int], places: array[int], file: int
) -> None:
    """Add the rows of a batch with the columns of one log.

    Parameters
    ----------
    out : Packer
    metric : int
        Its number.
    batch : pyarrow.RecordBatch
        At least one row, of the schema of one log or that of a label.
    number_of : callable
        Gives the number of a label's text.
    places : array of int
        By file, ``PLACE`` numbers: line and offset of the first row of what was added last, and the last time.
    file : int
    """
    value, line, offset, start, time = batch.columns
    rows = len(value)
    has_times = time.null_count < rows
    at = PLACE * file
    first_line, first_offset = line[0].as_py(), offset[0].as_py()
    out.number(metric)
    out.number(rows << 1 | has_times)
    out.signed(first_line - places[at])
    out.signed(first_offset - places[at + 1])
    places[at], places[at + 1] = first_line, first_offset
    is_text = pa.types.is_string(value.type)
    if rows == 1:
        one = value[0].as_py()
        if is_text:
            out.number(number_of(one))
        else:
            out += _VALUE.pack(one)
        out.signed(start[0].as_py() - first_offset)
        if has_times:
            micros = time[0].value
            out.signed(micros - places[at + 2])
            places[at + 2] = micros
        return
    body = Packer()
    if is_text:
        texts = value.dictionary_encode()
        numbers = np.array([number_of(text) for text in texts.dictionary.to_pylist()], np.int64)
        body.integers(numbers[texts.indices.to_numpy()])
    else:
        body += value.to_numpy().astype("<f8", copy=False).tobytes()
    offsets = offset.to_numpy()
    # differences of int64 may need 64 bits: they wrap around, and back when they are read
    body.integers(line.to_numpy() - np.int64(first_line))
    body.integers(offsets - np.int64(first_offset))
    body.integers(start.to_numpy() - offsets)
    if has_times:
        body.integers(pc.fill_null(time.cast(pa.int64()), NO_TIME).to_numpy())
    out.blob(body)


def unpack_rows(data: Unpacker, file: int, places: array[int], into: Columns | None, texts: list[str] | None) -> int:
    """Read rows, and add them to others of their metric; return how many they are.

    Parameters
    ----------
    data : Unpacker
        Behind the number of their metric.
    file : int
        The number of their file.
    places : array of int
        As for :func:`pack_rows`.
    into : Columns or None
        None: they are passed over.
    texts : list of str or None
        The texts by number, if the metric is a label.
    """
    counted = data.number()
    rows, has_times = counted >> 1, counted & 1
    at = PLACE * file
    line = places[at] = places[at] + data.signed()
    offset = places[at + 1] = places[at + 1] + data.signed()
    if rows == 1:
        if texts is not None:
            text = texts[data.number()]
        else:
            value = data.next_bytes(8)
        start = offset + data.signed()
        time = NO_TIME
        if has_times:
            time = places[at + 2] = places[at + 2] + data.signed()
        if into is not None:
            if texts is not None:
                into.texts.append(text)
            else:
                into.value.frombytes(value)
            into.file.append(file)
            into.line.append(line)
            into.offset.append(offset)
            into.start.append(start)
            into.time.append(time)
        return 1
    size = data.number()
    if into is None:
        data.at += size
        return rows
    if texts is not None:
        numbers: array[int] = array("q")
        data.integers(numbers, rows)
        into.texts.extend([texts[number] for number in numbers])
    else:
        into.value.frombytes(data.next_bytes(8 * rows))
    first = len(into.offset)
    for column in (into.line, into.offset, into.start):
        data.integers(column, rows)
    into.file.extend([file] * rows)
    lines, offsets, starts = (np.frombuffer(one, np.int64)[first:] for one in (into.line, into.offset, into.start))
    lines += np.int64(line)
    offsets += np.int64(offset)
    starts += offsets
    # an array whose memory is exported cannot grow
    del lines, offsets, starts
    if has_times:
        data.integers(into.time, rows)
    else:
        into.time.extend([NO_TIME] * rows)
    return rows
