"""What a journal packs for each line of each log: a row, and where a checkpoint differs from the one before."""

from cpython.buffer cimport PyBUF_STRIDES, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_GET_SIZE, PyByteArray_Resize
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcpy

cdef enum:
    NUMBER_BYTES = 10  # of the longest number
    COLUMNS = 4  # value, line, offset and start
    PLACE = 3  # as in journal_packing
    MOST = 15  # the most that half a byte counts

cdef extern from "Python.h":
    Py_ssize_t PY_SSIZE_T_MAX


cdef Py_ssize_t put_number(uint8_t *to, uint64_t number) noexcept nogil:
    """Write a number as Packer.number does; return how many bytes it takes."""
    cdef Py_ssize_t size = 0
    while number >= 0x80:
        to[size] = <uint8_t>(number & 0x7F | 0x80)
        number >>= 7
        size += 1
    to[size] = <uint8_t>number
    return size + 1


cdef Py_ssize_t put_signed(uint8_t *to, int64_t number) noexcept nogil:
    """Write a number as Packer.signed does."""
    return put_number(to, (<uint64_t>number << 1) ^ <uint64_t>(number >> 63))


cdef int put_word(uint8_t *to, uint64_t word) noexcept nogil:
    """Write the eight bytes of a number, the lowest first."""
    cdef int at
    for at in range(8):
        to[at] = <uint8_t>(word >> (8 * at))
    return 8


cdef int add(object out, const void *data, Py_ssize_t size) except -1:
    # a Packer, which is a subclass
    if not isinstance(out, bytearray):
        raise TypeError(f"a bytearray was expected, not {type(out).__name__}")
    cdef Py_ssize_t before = PyByteArray_GET_SIZE(out)
    PyByteArray_Resize(out, before + size)
    memcpy(PyByteArray_AS_STRING(out) + before, data, <size_t>size)
    return 0


cdef int int64s(object array, Py_buffer *view) except -1:
    """The memory of a writable array of numbers of 64 bits; the caller releases it."""
    PyObject_GetBuffer(array, view, PyBUF_WRITABLE)
    if view.itemsize != 8:
        PyBuffer_Release(view)
        raise TypeError("an array of int64 was expected")
    return 0


def pack_row(out, uint64_t metric, columns, places, Py_ssize_t file):
    """Add one row without a time, as pack_rows adds a batch of one row.

    Raises
    ------
    ValueError
        The columns have another number of rows, or times; or there is no place of the file.
    """
    cdef Py_buffer view
    cdef const char *at
    cdef int64_t *place
    cdef int64_t row[COLUMNS]
    cdef uint8_t body[8 + 5 * NUMBER_BYTES]
    cdef Py_ssize_t size = 0
    cdef int column
    PyObject_GetBuffer(columns, &view, PyBUF_STRIDES)
    if view.ndim == 2 and view.shape[0] == COLUMNS and view.shape[1] == 1 and view.itemsize == 8:
        at = <const char *>view.buf
        for column in range(COLUMNS):
            memcpy(&row[column], at + column * view.strides[0], 8)
        size = 1
    PyBuffer_Release(&view)
    if not size:
        raise ValueError("one row without a time was expected")
    int64s(places, &view)
    if not 0 <= file < view.len // (8 * PLACE):
        PyBuffer_Release(&view)
        raise ValueError(f"there is no place of the file {file}")
    place = <int64_t *>view.buf + PLACE * file
    size = put_number(body, metric)
    size += put_number(body + size, 1 << 1)
    size += put_signed(body + size, row[1] - place[0])
    size += put_signed(body + size, row[2] - place[1])
    place[0] = row[1]
    place[1] = row[2]
    PyBuffer_Release(&view)
    size += put_word(body + size, <uint64_t>row[0])
    size += put_signed(body + size, row[3] - row[2])
    add(out, body, size)


def pack_difference(out, bytes text not None, bytes before not None):
    """Add what differs between two texts.

    First how much they have in common at their ends, and, if their lengths differ, how long the first is. Then, up to there, by
    turns how many bytes are those of the other text at the same place, how many are not, and these: each two counts in one byte,
    or in more if they are 15 or more.
    """
    cdef const char *one = PyBytes_AS_STRING(text)
    cdef const char *other = PyBytes_AS_STRING(before)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(text)
    cdef Py_ssize_t before_size = PyBytes_GET_SIZE(before)
    cdef Py_ssize_t ends = 0
    cdef Py_ssize_t at = 0
    cdef Py_ssize_t same
    cdef Py_ssize_t begin
    cdef Py_ssize_t changed
    cdef uint8_t head[1 + 2 * NUMBER_BYTES]
    cdef Py_ssize_t head_size
    while ends < min(size, before_size) and one[size - 1 - ends] == other[before_size - 1 - ends]:
        ends += 1
    head_size = put_number(head, <uint64_t>ends << 1 | (size != before_size))
    if size != before_size:
        head_size += put_number(head + head_size, <uint64_t>size)
    add(out, head, head_size)
    size -= ends
    before_size -= ends
    while at < size:
        begin = at
        while at < size and at < before_size and one[at] == other[at]:
            at += 1
        same = at - begin
        begin = at
        # one byte that is the same among others costs as much as two counts
        while at < size and (
            at >= before_size
            or one[at] != other[at]
            or (at + 1 < size and (at + 1 >= before_size or one[at + 1] != other[at + 1]))
        ):
            at += 1
        changed = at - begin
        head[0] = <uint8_t>(min(same, MOST) << 4 | min(changed, MOST))
        head_size = 1
        if same >= MOST:
            head_size += put_number(head + head_size, <uint64_t>(same - MOST))
        if changed >= MOST:
            head_size += put_number(head + head_size, <uint64_t>(changed - MOST))
        add(out, head, head_size)
        add(out, one + begin, changed)


cdef struct Reader:
    const uint8_t *data
    Py_ssize_t at
    Py_ssize_t size


cdef Py_ssize_t next_number(Reader *data, Py_ssize_t most) except -1:
    """Read a number that put_number wrote, and that is not larger than it may be."""
    cdef uint64_t number = 0
    cdef uint8_t byte
    cdef int shift = 0
    while True:
        if data.at >= data.size or shift > 56:
            raise ValueError("a number is cut off or too large")
        byte = data.data[data.at]
        data.at += 1
        number |= <uint64_t>(byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
    if number > <uint64_t>most:
        raise ValueError(f"{number}: at most {most} was expected")
    return <Py_ssize_t>number


def unpack_difference(bytes data not None, Py_ssize_t at, bytes before not None):
    """Read what pack_difference wrote at a place; return the text and the place behind.

    Raises
    ------
    ValueError
        It is not whole, or refers to bytes that are not there.
    """
    cdef const uint8_t *other = <const uint8_t *>PyBytes_AS_STRING(before)
    cdef Py_ssize_t before_size = PyBytes_GET_SIZE(before)
    cdef Reader reader
    cdef Py_ssize_t ends
    cdef Py_ssize_t size = before_size
    cdef Py_ssize_t done = 0
    cdef Py_ssize_t same
    cdef Py_ssize_t changed
    cdef uint8_t both
    cdef uint8_t *to
    reader.data = <const uint8_t *>PyBytes_AS_STRING(data)
    reader.size = PyBytes_GET_SIZE(data)
    reader.at = at
    ends = next_number(&reader, PY_SSIZE_T_MAX)
    if ends & 1:
        # nothing of it is in fewer bytes than in one of the two
        size = next_number(&reader, before_size + reader.size)
    ends >>= 1
    if ends > min(size, before_size):
        raise ValueError("a text refers to bytes that are not there")
    text = PyBytes_FromStringAndSize(NULL, size)
    to = <uint8_t *>PyBytes_AS_STRING(text)
    memcpy(to + size - ends, other + before_size - ends, <size_t>ends)
    size -= ends
    before_size -= ends
    while done < size:
        if reader.at >= reader.size:
            raise ValueError("a text is cut off")
        both = reader.data[reader.at]
        reader.at += 1
        same = both >> 4
        changed = both & MOST
        if same == MOST:
            same += next_number(&reader, before_size)
        if changed == MOST:
            changed += next_number(&reader, reader.size)
        # the other text may have ended before, and then nothing is the same
        if (
            not same + changed
            or same > max(before_size - done, 0)
            or same + changed > size - done
            or changed > reader.size - reader.at
        ):
            raise ValueError("a text refers to bytes that are not there")
        if same:
            memcpy(to + done, other + done, <size_t>same)
        memcpy(to + done + same, reader.data + reader.at, <size_t>changed)
        done += same + changed
        reader.at += changed
    return text, reader.at


cdef extern from "kernel/built.h":
    object ms_built_from(object file)

#: The sources of this module and their digests. In a checkout whose sources differ from these the import ends here.
BUILT_FROM = ms_built_from(__file__)
