"""Many small files opened and read in one call without the GIL.

Two threads that open, read and close 20 KB files from Python are slower than one: each of the three calls releases the GIL,
and then waits for the other thread to release it.
"""

from libc.errno cimport EINTR, errno
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memchr, memcmp, memcpy, memmove
from posix.stat cimport S_ISREG, fstat, struct_stat

from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_FromStringAndSize

from metricscan.logs._first_bytes cimport (
    has_event_of_container, is_control, is_marked, leading_nuls, starts_document, starts_refused, starts_with_columns,
    starts_with_text, starts_with_time,
)


cdef extern from "<fcntl.h>" nogil:
    int O_RDONLY, O_CLOEXEC
    int posix_open "open"(const char *path, int flags)

cdef extern from "kernel/simd_levels.h" nogil:
    int MS_NO_LEVEL, MS_PORTABLE
    int ms_level_named(const char *name)

cdef extern from "kernel/bytes.h" nogil:
    enum:
        MS_LF
        MS_UNIVERSAL
    size_t ms_beginning(const uint8_t *p, size_t n)
    size_t ms_after_last_either(const uint8_t *p, size_t start, size_t to, uint8_t a, uint8_t b)
    size_t ms_count_byte_and_nul(int level, const uint8_t *p, size_t n, uint8_t x, bint *has_nul)
    size_t ms_records(int level, const uint8_t *p, size_t start, size_t to, size_t n, int terminators, size_t lf)

cdef extern from "kernel/crash_marks.h" nogil:
    enum:
        MS_TAIL_BYTES
    bint ms_may_show_crash(int level, const uint8_t *p, size_t n)

cdef extern from "kernel/first_line.h" nogil:
    bint ms_has_first_line_again(int level, const uint8_t *p, size_t n)

cdef extern from "<unistd.h>" nogil:
    ssize_t posix_read "read"(int descriptor, void *buffer, size_t size)
    ssize_t posix_pread "pread"(int descriptor, void *buffer, size_t size, int64_t at)
    int64_t posix_lseek "lseek"(int descriptor, int64_t at, int whence)
    int posix_close "close"(int descriptor)

cdef extern from * nogil:
    """
    #ifdef SEEK_DATA
    #define METRICSCAN_SEEK_DATA SEEK_DATA
    #else
    #define METRICSCAN_SEEK_DATA (-1)
    #endif
    """
    int METRICSCAN_SEEK_DATA  # -1 where the system cannot say where a hole ends


cdef enum:
    LOOK_BYTES = 8192  # the part of a file that shows whether it is text
    EXPORT_BYTES = 4096  # the part that formats.detect looks at
    PREFIX_BYTES = 2  # of a compression's magic
    WHOLE = 131072  # a plain source that is no larger is searched for UTF-16;
    FIRST = 32768  # a larger one in so many first bytes,
    PLACE = 128  # and further on in so many bytes at each place: one per mebibyte, at most MOST_PLACES, and its end
    SPACING = 1048576
    MOST_PLACES = 32
    MOST_LOOKS = 512  # looks behind the NULs with which a file begins, a hole apart: 4 MiB of them
    UTF16_UNITS = 8  # characters of ASCII in a row that show UTF-16;
    UTF16_LINE = 3  # fewer, if they are a whole line,
    UTF16_MARKED = 2  # or follow a mark
    UTF32_UNITS = 4  # characters of ASCII at the beginning that show UTF-32
    UTF16_BEGINNING = 256  # in so many first bytes the characters may all lie outside ASCII
    GLANCE_BYTES = 512  # they show of most binary files that they are
    LEAST_NULS = 4  # so many runs of NULs may be in any text
    TAR_BYTES = 512  # of a tar's header
    LEAST_TAR_BYTES = 108  # with the mode, which follows the name

cdef enum:
    BINARY = 1
    PACKED = 2
    EXPORT = 4
    MARKED = 8
    UTF16 = 16
    TAR = 128
    CRASH = 256
    AGAIN = 512

#: The size up to which a plain source is searched for UTF-16; how many first bytes of a larger one are; and how many bytes are
#: looked at in each place further on.
WHOLE_BYTES, FIRST_BYTES, PLACE_BYTES = WHOLE, FIRST, PLACE

#: What a file's first bytes show: no text; perhaps a compression; perhaps a format that is not plain text; a mark of UTF-16 or
#: UTF-32; text in UTF-16 without a mark; perhaps a tar.
FLAG_BINARY, FLAG_PACKED, FLAG_EXPORT, FLAG_MARKED, FLAG_UTF16, FLAG_TAR = BINARY, PACKED, EXPORT, MARKED, UTF16, TAR
#: What its last bytes show: perhaps a crash.
FLAG_CRASH = CRASH
#: What all of it shows: its first line stands in it again.
FLAG_AGAIN = AGAIN

#: The part of a log's end that is examined for a crash.
TAIL_BYTES = MS_TAIL_BYTES

include "_kinds_of_text.pxi"


# ---- what first bytes show


cdef int shown_by(const uint8_t *p, int64_t n, const uint8_t *magic, int64_t magic_bytes) noexcept nogil:
    """Flags of what a file with these first bytes may be. magic: the prefixes of the magic numbers of all compressions."""
    cdef int shown = 0
    cdef int64_t i
    if n >= PREFIX_BYTES:
        for i in range(magic_bytes // PREFIX_BYTES):
            if memcmp(p, magic + PREFIX_BYTES * i, PREFIX_BYTES) == 0:
                shown = PACKED
    # NULs may precede a mark: a file that was truncated while its writer went on
    i = leading_nuls(p, n)
    if is_marked(p, n) or is_marked(p + i, n - i):
        shown |= MARKED
    # a tar begins with a name; NULs fill up its header
    if not shown and n >= LEAST_TAR_BYTES and p[0] != 0 and memchr(p, 0, <size_t>min(n, <int64_t>TAR_BYTES)) != NULL:
        shown = TAR
    if starts_refused(p, n):
        return shown | EXPORT
    # NULs and a byte order mark at the beginning belong to no record
    if n - i >= 3 and p[i] == 0xEF and p[i + 1] == 0xBB and p[i + 2] == 0xBF:
        i += 3
        i += leading_nuls(p + i, n - i)
    p += i
    n -= i
    if n > EXPORT_BYTES:
        n = EXPORT_BYTES
    if starts_document(p, n) or starts_with_time(p, n) or starts_with_columns(p, n) or starts_with_text(p, n):
        shown |= EXPORT
    elif has_event_of_container(p, n):
        shown |= EXPORT
    return shown


def may_show_crash(const uint8_t[::1] tail not None):
    """Whether the end of a log may show a crash; if not, it does not."""
    return len(tail) > 0 and ms_may_show_crash(MS_PORTABLE, &tail[0], <size_t>len(tail))


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
    cdef int shown
    cdef int64_t nuls
    if n > LOOK_BYTES:
        n = LOOK_BYTES
    if n == 0:
        return 0
    shown = shown_by(p, n, magic, magic_bytes)
    if not shown & MARKED and is_utf32(p, n):
        shown |= UTF16
    elif not shown & MARKED and memchr(p, 0, <size_t>n) != NULL:
        # a file that was truncated while its writer went on begins with NULs
        nuls = leading_nuls(p, n)
        if nuls == 1:
            # the first half of a character in UTF-16
            nuls = 0
        shown |= BINARY if has_magic(p, n) else text_of(p + nuls, n - nuls, n < LOOK_BYTES)
    return shown


cdef int look_behind_nuls(int descriptor, uint8_t *head, const uint8_t *magic, int64_t magic_bytes) noexcept nogil:
    """The kind of text behind more NULs than the first read gave."""
    cdef int64_t at = LOOK_BYTES, data, nuls
    cdef int shown
    cdef ssize_t count
    for _ in range(MOST_LOOKS):
        data = posix_lseek(descriptor, at, METRICSCAN_SEEK_DATA) if METRICSCAN_SEEK_DATA >= 0 else at
        if data > at:
            at = data
        count = posix_pread(descriptor, head, LOOK_BYTES, at)
        if count <= 0:
            break
        nuls = leading_nuls(head, count)
        if nuls < count:
            shown = shown_by(head + nuls, count - nuls, magic, magic_bytes)
            if shown & MARKED:
                return MARKED
            return text_of(head + nuls, count - nuls, count < LOOK_BYTES) | shown & EXPORT
        at += count
    return BINARY


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
    if count >= 0:
        one.shown = look_of(head, count, magic, magic_bytes)
        if one.shown == BINARY and count == LOOK_BYTES and leading_nuls(head, count) == count:
            one.shown = look_behind_nuls(descriptor, head, magic, magic_bytes)
    posix_close(descriptor)
    if count < 0:
        return False
    one.device = <int64_t>status.st_dev
    one.inode = <uint64_t>status.st_ino
    one.size = <int64_t>status.st_size if S_ISREG(status.st_mode) else -1
    return True


cdef bint may_become_mark(const uint8_t *p, int64_t n) noexcept nogil:
    """Whether few bytes may be the beginning of a mark."""
    return n == 0 or n == 1 and (p[0] >= 0xFE or p[0] == 0) or n < 4 and p[0] == 0 and p[1] == 0


def begins_plain(data, int64_t size):
    """Return whether data begins with no mark, and no UTF-16 lies among so many first bytes, nor may begin there.

    No says only that more must be known.
    """
    cdef Py_buffer view
    cdef const uint8_t *p
    cdef int64_t n, end
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    try:
        p, n = <const uint8_t *>view.buf, view.len
        if n > size:
            n = size
        if n >= 4 and leading_nuls(p, n) == n:
            # a file that was truncated while its writer went on: this may go on for a terabyte, a hole in the file
            return True
        if n and p[0] == 0 and is_marked(p + leading_nuls(p, n), n - leading_nuls(p, n)):
            return False
        if may_become_mark(p, n) or is_marked(p, n) or is_utf32(p, n):
            return False
        return first_of_utf16(p, n, &end) < 0 and end == n
    finally:
        PyBuffer_Release(&view)


def has_utf16_in_places(data, int descriptor, int64_t size):
    """Return whether places of data, or of a file if data is None, hold UTF-16. What cannot be read holds none."""
    cdef Py_buffer view
    cdef uint8_t place[PLACE]
    cdef const uint8_t *p = place
    cdef int64_t at = 0, end, n, spacing = max(<int64_t>SPACING, size // MOST_PLACES)
    cdef bint found = False, has_data = data is not None
    if has_data:
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    try:
        with nogil:
            while at < size and not found:
                at = min(at + spacing, size)
                n = min(at, <int64_t>PLACE)
                if has_data:
                    p = <const uint8_t *>view.buf + at - n
                else:
                    n = posix_pread(descriptor, place, <size_t>n, at - n)
                found = n > 0 and first_of_utf16(p, n, &end, at == size) >= 0
        return found
    finally:
        if has_data:
            PyBuffer_Release(&view)


def begins_utf32(const uint8_t[::1] head not None):
    """Whether bytes begin as a text in UTF-32 without a mark."""
    return len(head) > 0 and is_utf32(&head[0], len(head))


def utf16_at(data, bint is_all=False):
    """Search bytes for a text in UTF-16. ``is_all``: nothing follows them.

    Returns
    -------
    (int, int)
        Where the first of several NULs stands that have one other byte between them, or -1; and where fewer of them begin that
        may go on behind the data, or the length of the data.
    """
    cdef Py_buffer view
    cdef int64_t first, end
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    try:
        with nogil:
            first = first_of_utf16(<const uint8_t *>view.buf, view.len, &end, is_all)
        return first, end
    finally:
        PyBuffer_Release(&view)


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
    int64_t unended  # where the last record begins if no terminator ends it; else -1


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


cdef bint holds_utf16(const uint8_t *p, int64_t n) noexcept nogil:
    """Whether text in UTF-16 or UTF-32 without a mark lies in a whole file that holds NULs."""
    cdef int64_t end
    return first_of_utf16(p, n, &end, True) >= 0 or is_utf32(p, n)


cdef void examine(
    int level, Part *part, uint8_t *at, const uint8_t *magic, int64_t magic_bytes, bint universal, bint again
) noexcept nogil:
    """Note what the file shows, and drop its beginning; count its newlines and records; end the last record if it does not."""
    cdef size_t lf, n
    cdef bint has_nul
    part.shown = shown_by(at, part.size, magic, magic_bytes)
    if ms_may_show_crash(level, at, <size_t>part.size):
        part.shown |= CRASH
    part.beginning = <int64_t>ms_beginning(at, <size_t>part.size)
    part.length = part.size - part.beginning
    if again and ms_has_first_line_again(level, at + part.beginning, <size_t>part.length):
        part.shown |= AGAIN
    if part.beginning > 0:
        if holds_utf16(at, part.size):
            part.shown |= UTF16
        memmove(at, at + part.beginning, <size_t>part.length)
    part.unended = -1
    if part.length > 0 and at[part.length - 1] != 10:
        if not universal or at[part.length - 1] != 13:
            part.unended = <int64_t>ms_after_last_either(at, 0, <size_t>part.length, 10, 13 if universal else 10)
        # a \r too: the next file's first \n would belong to it
        at[part.length] = 10
        part.length += 1
    n = <size_t>part.length
    lf = ms_count_byte_and_nul(level, at, n, 10, &has_nul)
    if has_nul and part.beginning == 0 and holds_utf16(at, part.size):
        part.shown |= UTF16
    part.newlines = <int64_t>lf
    part.records = <int64_t>ms_records(level, at, 0, n, n, MS_UNIVERSAL if universal else MS_LF, lf)


def read_together(
    list paths not None, buffer, bytes magic not None, *, Py_ssize_t first=0, int64_t enough, bint universal,
    bint again=False, str level="auto"
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
    again : bool
        Whether to look for the first line of each file in the rest of it.
    level : str
        The SIMD level, one of ``_core.SIMD_LEVELS``; "auto" is the best.

    Returns
    -------
    bytes, or None
        Of each file that was read seven int64: the bytes that it takes up in the buffer, with the ``\\n`` that is put behind
        it where it does not end with one; its own size; the bytes of its beginning, NULs and a byte-order mark, which are not
        in the buffer; the newlines and the records in it; what it shows: as :func:`look_at`, but not whether it is binary,
        and ``FLAG_UTF16`` also for UTF-16 that begins anywhere in it, and ``FLAG_CRASH`` by its end, ``FLAG_AGAIN`` by all
        of it; and where in the buffer,
        counted from its first byte there, its last record begins if the file has no terminator behind it, else -1. None if a
        file cannot be read, or does not fit.
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
                    examine(simd, &parts[i], <uint8_t *>view.buf + at, magic_at, magic_bytes, universal, again)
                    at += parts[i].length
                    i += 1
        finally:
            PyBuffer_Release(&view)
        return PyBytes_FromStringAndSize(<char *>(parts + first), (i - first) * <Py_ssize_t>sizeof(Part)) if whole else None
    finally:
        free(parts)
        free(names)


def put_together(
    list contents not None, buffer, bytes magic not None, *, Py_ssize_t first=0, int64_t enough, bint universal,
    bint again=False, str level="auto"
):
    """Put the contents of files into a buffer, one behind the other. As :func:`read_together`, but they are bytes."""
    cdef Py_ssize_t i = first, count = len(contents)
    cdef int simd = ms_level_named(level.encode())
    cdef Py_buffer view
    cdef int64_t at = 0
    cdef bint whole = True
    cdef bytes content
    cdef const uint8_t *content_at
    cdef uint8_t *start
    cdef const uint8_t *magic_at = magic
    cdef int64_t magic_bytes = len(magic)
    cdef Part *parts = <Part *>malloc(<size_t>max(count, 1) * sizeof(Part))
    try:
        if simd == MS_NO_LEVEL:
            raise ValueError(f"SIMD level {level!r} is not available here")
        if parts == NULL:
            raise MemoryError
        PyObject_GetBuffer(buffer, &view, PyBUF_WRITABLE)
        try:
            while i < count and at < enough:
                content = contents[i]
                content_at = content
                start = <uint8_t *>view.buf + at
                parts[i].size = len(content)
                # one byte is kept for the terminator
                whole = parts[i].size <= view.len - at - 1
                if not whole:
                    break
                memcpy(start, content_at, <size_t>parts[i].size)
                examine(simd, &parts[i], start, magic_at, magic_bytes, universal, again)
                at += parts[i].length
                i += 1
        finally:
            PyBuffer_Release(&view)
        return PyBytes_FromStringAndSize(<char *>(parts + first), (i - first) * <Py_ssize_t>sizeof(Part)) if whole else None
    finally:
        free(parts)


cdef extern from "kernel/built.h":
    object ms_built_from(object file)

#: The sources of this module and their digests. In a checkout whose sources differ from these the import ends here.
BUILT_FROM = ms_built_from(__file__)
