"""Many small files read in one call without the GIL: opening them one by one from Python, threads wait for each other.

Two threads that open, read and close 20 KB files from Python are slower than one: each of the three calls gives the GIL
away, and must have it back from the other.
"""

from libc.errno cimport EINTR, errno
from libc.stdint cimport int64_t, uint8_t
from libc.stdlib cimport free, malloc

from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer


cdef extern from "<fcntl.h>" nogil:
    int O_RDONLY, O_CLOEXEC
    int posix_open "open"(const char *path, int flags)

cdef extern from "_literals.h" nogil:
    enum:
        MS_PORTABLE
        MS_LF
        MS_UNIVERSAL
    size_t ms_count_byte(int level, const uint8_t *p, size_t n, uint8_t x)
    size_t ms_records(int level, const uint8_t *p, size_t start, size_t to, size_t n, int terminators, size_t lf)

cdef extern from "<unistd.h>" nogil:
    ssize_t posix_read "read"(int descriptor, void *buffer, size_t size)
    int posix_close "close"(int descriptor)


cdef struct Part:
    const char *path
    int64_t begin
    int64_t end
    int64_t size
    int64_t newlines
    int64_t records


cdef bint read_part(Part *part, uint8_t *at, int64_t room) noexcept nogil:
    """Read a file to its end; False if that fails, or if it does not end within the room."""
    cdef int descriptor = posix_open(part.path, O_RDONLY | O_CLOEXEC)
    cdef ssize_t count
    if descriptor < 0:
        return False
    part.size = 0
    while True:
        # a read of no bytes would look like the end
        count = posix_read(descriptor, at + part.size, <size_t>(room - part.size)) if part.size < room else -1
        if count > 0:
            part.size += count
        elif count == 0 or part.size >= room or errno != EINTR:
            break
    posix_close(descriptor)
    return count == 0


cdef int64_t terminated(Part *part, uint8_t *at, bint universal) noexcept nogil:
    """Count the file's newlines and records; end the last record if the file does not. How many bytes it takes up now."""
    cdef int64_t size = part.size
    cdef size_t lf, n
    if size > 0 and at[size - 1] != 10:
        # a \r too: the next file's first \n would belong to it
        at[size] = 10
        size += 1
    n = <size_t>size
    lf = ms_count_byte(MS_PORTABLE, at, n, 10)
    part.newlines = <int64_t>lf
    part.records = <int64_t>ms_records(MS_PORTABLE, at, 0, n, n, MS_UNIVERSAL if universal else MS_LF, lf)
    return size


def read_together(list paths, buffer, *, bint universal):
    """Read files into a buffer, one behind the other.

    Parameters
    ----------
    paths : list of bytes
    buffer : writable buffer of bytes
    universal : bool
        Whether ``\\r`` ends a record, as ``\\n`` does.

    Returns
    -------
    list of tuple, or None
        Per file ``(begin, end, size, newlines, records)``: where it lies, with the ``\\n`` that is put behind it where it
        does not end with one; its own size; and what lies between begin and end. The next file begins at the end.
        None if a file cannot be read, or if they do not all fit.
    """
    cdef Py_ssize_t i, count = len(paths)
    cdef Py_buffer view
    cdef int64_t at = 0
    cdef bint whole = True
    cdef Part *parts = <Part *>malloc(<size_t>max(count, 1) * sizeof(Part))
    if parts == NULL:
        raise MemoryError
    try:
        for i in range(count):
            if b"\0" in paths[i]:
                return None
            parts[i].path = paths[i]
        PyObject_GetBuffer(buffer, &view, PyBUF_WRITABLE)
        try:
            with nogil:
                for i in range(count):
                    parts[i].begin = at
                    # one byte is kept for the terminator
                    whole = read_part(&parts[i], <uint8_t *>view.buf + at, view.len - at - 1)
                    if not whole:
                        break
                    at += terminated(&parts[i], <uint8_t *>view.buf + at, universal)
                    parts[i].end = at
        finally:
            PyBuffer_Release(&view)
        if not whole:
            return None
        return [
            (parts[i].begin, parts[i].end, parts[i].size, parts[i].newlines, parts[i].records) for i in range(count)
        ]
    finally:
        free(parts)
