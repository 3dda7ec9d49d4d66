"""Many small files opened and read in one call without the GIL.

Two threads that open, read and close 20 KB files from Python are slower than one: each of the three calls releases the GIL,
and then waits for the other thread to release it.
"""

from libc.errno cimport EINTR, errno
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memchr, memcmp, memmove
from posix.stat cimport S_ISREG, fstat, struct_stat

from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_FromStringAndSize


cdef extern from "<fcntl.h>" nogil:
    int O_RDONLY, O_CLOEXEC
    int posix_open "open"(const char *path, int flags)

cdef extern from "kernel/simd_levels.h" nogil:
    int MS_NO_LEVEL
    int ms_level_named(const char *name)

cdef extern from "kernel/bytes.h" nogil:
    enum:
        MS_LF
        MS_UNIVERSAL
    size_t ms_beginning(const uint8_t *p, size_t n)
    size_t ms_count_byte(int level, const uint8_t *p, size_t n, uint8_t x)
    size_t ms_records(int level, const uint8_t *p, size_t start, size_t to, size_t n, int terminators, size_t lf)

cdef extern from "kernel/crash_marks.h" nogil:
    enum:
        MS_TAIL_BYTES
    bint ms_may_show_crash(const uint8_t *p, size_t n)

cdef extern from "<unistd.h>" nogil:
    ssize_t posix_read "read"(int descriptor, void *buffer, size_t size)
    int posix_close "close"(int descriptor)


cdef enum:
    LOOK_BYTES = 8192  # the part of a file that shows whether it is text
    EXPORT_BYTES = 4096  # the part that exports.detect looks at
    PREFIX_BYTES = 2  # of a compression's magic

cdef enum:
    HAS_NUL = 1
    PACKED = 2
    EXPORT = 4
    CRASH = 8

#: What a file's first bytes show: a NUL; perhaps a compression; perhaps an export of log events. What its last bytes show:
#: perhaps a crash.
FLAG_NUL, FLAG_PACKED, FLAG_EXPORT, FLAG_CRASH = HAS_NUL, PACKED, EXPORT, CRASH

#: The part of a log's end that is examined for a crash.
TAIL_BYTES = MS_TAIL_BYTES


def may_show_crash(const uint8_t[::1] tail not None):
    """Whether the end of a log may show a crash; if not, it does not."""
    return len(tail) > 0 and ms_may_show_crash(&tail[0], <size_t>len(tail))


# ---- what first bytes show


cdef inline bint is_blank(uint8_t x) noexcept nogil:
    return x == 32 or 9 <= x <= 13


cdef inline bint is_digit(uint8_t x) noexcept nogil:
    return 48 <= x <= 57


cdef inline int64_t after_blanks(const uint8_t *p, int64_t i, int64_t n) noexcept nogil:
    while i < n and is_blank(p[i]):
        i += 1
    return i


cdef bint starts_document(const uint8_t *p, int64_t n) noexcept nogil:
    """Whether the bytes begin a JSON object that has a key, or an array of such objects."""
    cdef int64_t i = after_blanks(p, 0, n)
    if i < n and p[i] == 91:
        i = after_blanks(p, i + 1, n)
    if i == n or p[i] != 123:
        return False
    i = after_blanks(p, i + 1, n)
    return i < n and p[i] == 34


cdef bint starts_with_time(const uint8_t *p, int64_t n) noexcept nogil:
    """Whether the bytes begin with a time in the format of exports to S3."""
    cdef const char *shape = b"0000-00-00T00:00:00.000Z"
    cdef int64_t i
    if n < 24:
        return False
    for i in range(24):
        if p[i] != <uint8_t>shape[i] and not (shape[i] == 48 and is_digit(p[i])):
            return False
    return True


cdef bint starts_with_columns(const uint8_t *p, int64_t n) noexcept nogil:
    """Whether the first line lists several names of letters, in quotes or not. Any byte >= 0x80 passes, as blank or letter."""
    cdef int64_t i
    cdef bint several = False
    for i in range(n):
        if p[i] == 10:
            break
        if p[i] == 44:
            several = True
        elif not (p[i] <= 34 and p[i] != 33 or 64 <= p[i] <= 90 or 97 <= p[i] <= 122 or p[i] >= 0x80):
            return False
    return several


cdef int shown_by(const uint8_t *p, int64_t n, const uint8_t *magic, int64_t magic_bytes) noexcept nogil:
    """Flags of what a file with these first bytes may be. magic: the prefixes of the magic numbers of all compressions."""
    cdef int shown = 0
    cdef int64_t i
    if n >= PREFIX_BYTES:
        for i in range(magic_bytes // PREFIX_BYTES):
            if memcmp(p, magic + PREFIX_BYTES * i, PREFIX_BYTES) == 0:
                shown = PACKED
    if n > EXPORT_BYTES:
        n = EXPORT_BYTES
    if n >= 3 and p[0] == 0xEF and p[1] == 0xBB and p[2] == 0xBF:
        p += 3
        n -= 3
    if starts_document(p, n) or starts_with_time(p, n) or starts_with_columns(p, n):
        shown |= EXPORT
    return shown


def first_shows(bytes head not None, bytes magic not None):
    """Return what the first bytes of a file show, in the form of :func:`look_at`."""
    return look_of(head, len(head), magic, len(magic))


# ---- looking at files


cdef const char *c_path(bytes path) except? NULL:
    """Return the path's bytes without a copy, or NULL if the path contains a NUL, which would cut it short."""
    if b"\0" in path:
        return NULL
    return path


cdef inline int opened(const char *path) noexcept nogil:
    return posix_open(path, O_RDONLY | O_CLOEXEC) if path != NULL else -1


cdef struct Look:
    const char *path
    bint found
    int64_t device
    uint64_t inode
    int64_t size  # -1: no regular file
    int shown


cdef int look_of(const uint8_t *p, int64_t n, const uint8_t *magic, int64_t magic_bytes) noexcept nogil:
    if n > LOOK_BYTES:
        n = LOOK_BYTES
    if n == 0:
        return 0
    return shown_by(p, n, magic, magic_bytes) | (HAS_NUL if memchr(p, 0, <size_t>n) != NULL else 0)


cdef bint look(Look *one, uint8_t *head, const uint8_t *magic, int64_t magic_bytes) noexcept nogil:
    cdef int descriptor = opened(one.path)
    cdef struct_stat status
    cdef ssize_t count = -1
    if descriptor < 0:
        return False
    if fstat(descriptor, &status) == 0:
        count = posix_read(descriptor, head, LOOK_BYTES)
        while count < 0 and errno == EINTR:
            count = posix_read(descriptor, head, LOOK_BYTES)
    posix_close(descriptor)
    if count < 0:
        return False
    one.device = <int64_t>status.st_dev
    one.inode = <uint64_t>status.st_ino
    one.size = <int64_t>status.st_size if S_ISREG(status.st_mode) else -1
    one.shown = look_of(head, count, magic, magic_bytes)
    return True


def look_at(list paths not None, bytes magic not None):
    """Look at the first 8 KiB of files.

    Parameters
    ----------
    paths : list of bytes
    magic : bytes
        The first two bytes of each compression's magic, one behind the other.

    Returns
    -------
    list of tuple, or None
        Per file ``(device, inode, size, shown)``: the size is -1 for what is no regular file, ``shown`` a sum of flags: 0
        for plain text. None for a file that cannot be read.
    """
    cdef Py_ssize_t i, count = len(paths)
    cdef const uint8_t *magic_at = magic
    cdef int64_t magic_bytes = len(magic)
    cdef Look *looks = <Look *>malloc(<size_t>max(count, 1) * sizeof(Look))
    cdef uint8_t *head = <uint8_t *>malloc(LOOK_BYTES)
    try:
        if looks == NULL or head == NULL:
            raise MemoryError
        for i in range(count):
            looks[i].path = c_path(paths[i])
        with nogil:
            for i in range(count):
                looks[i].found = look(&looks[i], head, magic_at, magic_bytes)
        return [
            (looks[i].device, looks[i].inode, looks[i].size, looks[i].shown) if looks[i].found else None
            for i in range(count)
        ]
    finally:
        free(looks)
        free(head)


# ---- reading files


cdef struct Part:
    int64_t length  # without the beginning, with the terminator that is put behind it
    int64_t size
    int64_t beginning  # NULs and a byte-order mark, which belong to no record
    int64_t newlines
    int64_t records
    int64_t shown


cdef bint read_part(Part *part, const char *path, uint8_t *at, int64_t room) noexcept nogil:
    """Read a file to its end. Returns False if that fails, or if the file does not fit into the room."""
    cdef int descriptor = opened(path)
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


cdef void measure(int level, Part *part, uint8_t *at, bint universal) noexcept nogil:
    """Drop the file's beginning; count its newlines and records; end the last record if the file does not."""
    cdef size_t lf, n
    part.beginning = <int64_t>ms_beginning(at, <size_t>part.size)
    part.length = part.size - part.beginning
    if part.beginning > 0:
        memmove(at, at + part.beginning, <size_t>part.length)
    if part.length > 0 and at[part.length - 1] != 10:
        # a \r too: the next file's first \n would belong to it
        at[part.length] = 10
        part.length += 1
    n = <size_t>part.length
    lf = ms_count_byte(level, at, n, 10)
    part.newlines = <int64_t>lf
    part.records = <int64_t>ms_records(level, at, 0, n, n, MS_UNIVERSAL if universal else MS_LF, lf)


def read_together(
    list paths not None, buffer, bytes magic not None, *, Py_ssize_t first=0, int64_t enough, bint universal,
    str level="auto"
):
    """Read files into a buffer, one behind the other, each without its beginning.

    Parameters
    ----------
    paths : list of bytes
    buffer : writable buffer of bytes
    magic : bytes
        As for :func:`look_at`.
    first : int
        The first file to read.
    enough : int
        Once this many bytes are read, no further file is begun.
    universal : bool
        Whether ``\\r`` ends a record, as ``\\n`` does.
    level : str
        The SIMD level, one of ``_core.SIMD_LEVELS``; "auto" is the best.

    Returns
    -------
    bytes, or None
        Of each file that was read six int64: the bytes that it takes up in the buffer, with the ``\\n`` that is put behind
        it where it does not end with one; its own size; the bytes of its beginning, NULs and a byte-order mark, which are not
        in the buffer; the newlines and the records in it; and what its first bytes show (:func:`look_at`) and its last
        (``FLAG_CRASH``). None if a file cannot be read, or does not fit.
    """
    cdef Py_ssize_t i = first, count = len(paths)
    cdef int simd = ms_level_named(level.encode())
    cdef Py_buffer view
    cdef int64_t at = 0
    cdef bint whole = True
    cdef const uint8_t *magic_at = magic
    cdef int64_t magic_bytes = len(magic)
    cdef Part *parts = <Part *>malloc(<size_t>max(count, 1) * sizeof(Part))
    cdef const char **names = <const char **>malloc(<size_t>max(count, 1) * sizeof(char *))
    try:
        if simd == MS_NO_LEVEL:
            raise ValueError(f"SIMD level {level!r} is not available here")
        if parts == NULL or names == NULL:
            raise MemoryError
        for i in range(first, count):
            names[i] = c_path(paths[i])
        PyObject_GetBuffer(buffer, &view, PyBUF_WRITABLE)
        try:
            with nogil:
                i = first
                while i < count and at < enough:
                    # one byte is kept for the terminator
                    whole = read_part(&parts[i], names[i], <uint8_t *>view.buf + at, view.len - at - 1)
                    if not whole:
                        break
                    parts[i].shown = shown_by(<uint8_t *>view.buf + at, parts[i].size, magic_at, magic_bytes)
                    if ms_may_show_crash(<uint8_t *>view.buf + at, <size_t>parts[i].size):
                        parts[i].shown |= CRASH
                    measure(simd, &parts[i], <uint8_t *>view.buf + at, universal)
                    at += parts[i].length
                    i += 1
        finally:
            PyBuffer_Release(&view)
        return PyBytes_FromStringAndSize(<char *>(parts + first), (i - first) * <Py_ssize_t>sizeof(Part)) if whole else None
    finally:
        free(parts)
        free(names)


cdef extern from "kernel/built.h":
    object ms_built_from(object file)

#: The sources of this module and their digests. In a checkout whose sources differ from these the import ends here.
BUILT_FROM = ms_built_from(__file__)
