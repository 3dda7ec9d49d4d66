"""Natural order of names: keys of bytes that compare like those of ``natural.natural``, at a tenth of their cost."""

from libc.stdint cimport uint8_t
from libc.stdlib cimport free, malloc

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.unicode cimport PyUnicode_AsUTF8AndSize

cdef enum:
    MOST_DIGITS = 254  # a key spells the length of a number in one byte


cdef inline bint is_digit(char x) noexcept nogil:
    return 48 <= x <= 57


cdef Py_ssize_t write_key(const char *name, Py_ssize_t size, uint8_t *key) noexcept nogil:
    """Write a name's key, which takes at most four bytes per character and one more. Returns -1 if a number is too long.

    A character is written as itself plus 2; a number as 1, its count of digits plus 1, its digits. So a number comes before
    any character and after the end, and a longer number after a shorter one. Then come a 0, which is less than all of these,
    and the name itself, for names that differ in leading zeros alone.
    """
    cdef Py_ssize_t i = 0, end, at = 0
    while i < size:
        if not is_digit(name[i]):
            key[at] = <uint8_t>name[i] + 2
            at += 1
            i += 1
            continue
        while i < size and name[i] == 48:
            i += 1
        end = i
        while end < size and is_digit(name[end]):
            end += 1
        if end - i >= MOST_DIGITS:
            return -1
        key[at] = 1
        key[at + 1] = <uint8_t>(end - i + 1)
        at += 2
        while i < end:
            key[at] = <uint8_t>name[i]
            at += 1
            i += 1
    key[at] = 0
    at += 1
    for i in range(size):
        key[at] = <uint8_t>name[i]
        at += 1
    return at


def natural_keys(list names not None):
    """Return keys to sort names by. None if a name is not ASCII (it may hold any digit of Unicode), or a number is too long.

    Parameters
    ----------
    names : list of str

    Returns
    -------
    list of bytes, or None
    """
    cdef Py_ssize_t size, written, room = 0
    cdef const char *text
    cdef uint8_t *key = NULL
    cdef str name
    cdef list keys = []
    try:
        for name in names:
            if not name.isascii():
                return None
            text = PyUnicode_AsUTF8AndSize(name, &size)
            if 4 * size + 1 > room:
                free(key)
                room = max(4 * size + 1, 1024)
                key = <uint8_t *>malloc(<size_t>room)
                if key == NULL:
                    raise MemoryError
            written = write_key(text, size, key)
            if written < 0:
                return None
            keys.append(PyBytes_FromStringAndSize(<char *>key, written))
        return keys
    finally:
        free(key)


cdef extern from "kernel/built.h":
    object ms_built_from(object file)

#: The sources of this module and their digests. In a checkout whose sources differ from these the import ends here.
BUILT_FROM = ms_built_from(__file__)
