"""The two things that a journal packs for each line of each log: a row, and where a checkpoint differs from the one before."""

from cpython.buffer cimport PyBUF_STRIDES, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_GET_SIZE, PyByteArray_Resize
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcpy

cdef enum:
    NUMBER_BYTES = 10  # of the longest number
    COLUMNS = 4  # value, line, offset and start


cdef Py_ssize_t put_number(uint8_t *to, uint64_t number) noexcept nogil:
    """Write a number as Packer.number does; return how many bytes it takes."""
    cdef Py_ssize_t size = 0
    while number >= 0x80:
        to[size] = <uint8_t>(number & 0x7F | 0x80)
        number >>= 7
        size += 1
    to[size] = <uint8_t>number
    return size + 1


cdef Py_ssize_t put_column(uint8_t *to, int64_t number) noexcept nogil:
    """Write a column of one number as Packer.one_integer does."""
    cdef Py_ssize_t size = put_number(to, (<uint64_t>number << 1) ^ <uint64_t>(number >> 63))
    to[size] = 0
    return size + 1


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


def pack_row(out, uint64_t metric, columns):
    """Add one row without a time, behind the number of its metric: as a Packer adds a batch of one row.

    Raises
    ------
    ValueError
        The columns have another number of rows, or times.
    """
    cdef Py_buffer view
    cdef const char *at
    cdef int64_t row[COLUMNS]
    cdef uint8_t body[1 + 8 + 3 * (NUMBER_BYTES + 1)]
    cdef uint8_t head[3 * NUMBER_BYTES]
    cdef Py_ssize_t size = 0
    cdef Py_ssize_t head_size
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
    body[0] = 0
    size += put_word(body + size, <uint64_t>row[0])
    size += put_column(body + size, row[1])
    size += put_column(body + size, row[2])
    size += put_column(body + size, row[3] - row[2])
    head_size = put_number(head, metric)
    head_size += put_number(head + head_size, 1)
    head_size += put_number(head + head_size, <uint64_t>size)
    add(out, head, head_size)
    add(out, body, size)


def pack_difference(out, bytes text not None, bytes before not None):
    """Add what differs between two texts: how much they have in common at their beginnings and at their ends, and the rest."""
    cdef const char *one = PyBytes_AS_STRING(text)
    cdef const char *other = PyBytes_AS_STRING(before)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(text)
    cdef Py_ssize_t before_size = PyBytes_GET_SIZE(before)
    cdef Py_ssize_t least = min(size, before_size)
    cdef Py_ssize_t same = 0
    cdef Py_ssize_t ends = 0
    cdef uint8_t head[3 * NUMBER_BYTES]
    cdef Py_ssize_t head_size
    while same < least and one[same] == other[same]:
        same += 1
    while ends < least - same and one[size - 1 - ends] == other[before_size - 1 - ends]:
        ends += 1
    head_size = put_number(head, <uint64_t>same)
    head_size += put_number(head + head_size, <uint64_t>ends)
    head_size += put_number(head + head_size, <uint64_t>(size - same - ends))
    add(out, head, head_size)
    add(out, one + same, size - same - ends)


cdef extern from "kernel/built.h":
    object ms_built_from(object file)

#: The sources of this module and their digests. In a checkout whose sources differ from these the import ends here.
BUILT_FROM = ms_built_from(__file__)
