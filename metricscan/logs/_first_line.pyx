"""The first line of a log, and where it stands in the log again: there a program may have started a second time."""

cimport cython
from libc.stdint cimport int64_t, uint8_t


cdef extern from "kernel/simd_levels.h" nogil:
    int MS_NO_LEVEL
    int ms_level_named(const char *name)

cdef extern from "kernel/first_line.h" nogil:
    enum:
        MS_LINE_BYTES, MS_MOST_AGAIN
    ctypedef struct ms_first_line:
        size_t start, end, masked_bytes, again
    void ms_find_first_line(ms_first_line *first, const uint8_t *p, size_t n)
    size_t ms_line_length(const uint8_t *p, size_t n)
    size_t ms_mask_line(
        const uint8_t *line, size_t n, uint8_t *masked, size_t *letters, size_t *key, size_t *key_bytes
    )
    bint ms_may_come_again(const ms_first_line *first)
    size_t ms_next_first_line(
        int level, ms_first_line *first, const uint8_t *p, size_t at, size_t n, bint begins, bint ends, size_t *end
    )
    void ms_count_again(int level, ms_first_line *first, const uint8_t *p, size_t at, size_t n, bint begins, bint ends)
    bint ms_has_first_line_again(int level, const uint8_t *p, size_t n)


cdef enum:
    FIRST_BYTES_KEPT = 65536  # so much is waited for before the first line is looked for
    MOST_BYTES_LOOKED_AT = 16777216


#: The first line of a log is looked for in so many of its bytes.
AGAIN_BYTES = MOST_BYTES_LOOKED_AT


def masked_line(const uint8_t[::1] line not None):
    """A line without the blanks around it, and with a NUL for each part of it that differs between two starts of a program.

    Such are dates, times, addresses, numbers of four digits or more, names of days, and numbers behind ``pid``. Of a long line
    only the first 512 bytes are given.
    """
    cdef uint8_t masked[MS_LINE_BYTES]
    cdef size_t letters, key, key_bytes, size, n = min(<size_t>len(line), <size_t>MS_LINE_BYTES)
    if n == 0:
        return b""
    size = ms_mask_line(&line[0], n, masked, &letters, &key, &key_bytes)
    return masked[:size]


def first_line_again(const uint8_t[::1] text not None, str level="auto"):
    """Where the first line of a text with some letters begins, and where it stands again.

    Returns
    -------
    (int, list of int) or None
        None if there is no such line. The list is empty if the line stands again at many places.
    """
    cdef ms_first_line first
    cdef int simd = ms_level_named(level.encode())
    cdef size_t n = <size_t>len(text), at, end = 0
    if simd == MS_NO_LEVEL:
        raise ValueError(f"SIMD level {level!r} is not available here")
    if n == 0:
        return None
    ms_find_first_line(&first, &text[0], n)
    if first.masked_bytes == 0:
        return None
    found = []
    end = first.end
    while ms_may_come_again(&first):
        at = ms_next_first_line(simd, &first, &text[0], end, n, True, True, &end)
        if at == n:
            return (first.start, found) if ms_may_come_again(&first) else (first.start, [])
        found.append(at)
    return first.start, []


@cython.final
cdef class FirstLine:
    """Tells whether the first line of a log stands in it again, while pieces of the log are read."""

    cdef ms_first_line first
    cdef int level
    cdef bint begun, over
    cdef bytearray kept  # the beginning, until the first line is looked for; then the last line, if all of it is known
    cdef int64_t taken

    def __init__(self, str level="auto"):
        self.level = ms_level_named(level.encode())
        if self.level == MS_NO_LEVEL:
            raise ValueError(f"SIMD level {level!r} is not available here")
        self.kept = bytearray()

    def add(self, const uint8_t[::1] piece not None):
        """Look at the next piece. It may be overwritten afterwards."""
        cdef const uint8_t *p
        cdef size_t n = <size_t>len(piece), at, line
        if self.over or n == 0:
            return
        p = &piece[0]
        self.taken += <int64_t>n
        if self.taken > MOST_BYTES_LOOKED_AT:
            # the rest of the last piece
            n -= <size_t>min(self.taken - MOST_BYTES_LOOKED_AT, <int64_t>n)
            piece = piece[: <Py_ssize_t>n]
        if not self.begun:
            if self.kept or n < FIRST_BYTES_KEPT:
                self.kept += piece
                if len(self.kept) < FIRST_BYTES_KEPT and self.taken < MOST_BYTES_LOOKED_AT:
                    return
                beginning, self.kept = self.kept, bytearray()
                self.begin(beginning)
            else:
                self.begin(piece)
        elif n:
            line = ms_line_length(p, min(n, <size_t>MS_LINE_BYTES))
            at = line
            if self.kept is not None:
                self.kept += piece[: <Py_ssize_t>line]
                if line == n and len(self.kept) < MS_LINE_BYTES:
                    return
                self.look_at_kept()
                self.kept = None
            with nogil:
                ms_count_again(self.level, &self.first, p, at, n, False, False)
            if line < n:
                self.keep(piece)
        if self.taken >= MOST_BYTES_LOOKED_AT or not ms_may_come_again(&self.first):
            self.over = True
            self.kept = None

    cdef void begin(self, const uint8_t[::1] beginning):
        cdef const uint8_t *p = &beginning[0]
        cdef size_t n = <size_t>len(beginning)
        self.begun = True
        with nogil:
            ms_find_first_line(&self.first, p, n)
            ms_count_again(self.level, &self.first, p, self.first.end, n, True, False)
        self.keep(beginning)

    cdef void keep(self, const uint8_t[::1] piece):
        """Keep the line at the end of a piece, unless so much of it is known that it was compared."""
        cdef size_t n = <size_t>len(piece), begin = n
        while begin > 0 and piece[begin - 1] != 10 and piece[begin - 1] != 13 and n - begin < MS_LINE_BYTES:
            begin -= 1
        self.kept = None if n - begin >= MS_LINE_BYTES else bytearray(piece[<Py_ssize_t>begin :])

    cdef void look_at_kept(self):
        cdef const uint8_t[::1] line = self.kept
        if len(line):
            ms_count_again(self.level, &self.first, &line[0], 0, <size_t>len(line), True, True)

    @property
    def wanted_from(self):
        """The place in the log of the next piece; None if no piece can change the answer."""
        return None if self.over else self.taken

    def finish(self):
        """Whether the first line stands at a few places again. To be called once, behind the last piece."""
        cdef const uint8_t[::1] beginning
        if not self.begun and self.kept:
            beginning = self.kept
            return bool(ms_has_first_line_again(self.level, &beginning[0], <size_t>len(beginning)))
        if self.begun and self.kept:
            self.look_at_kept()
        return bool(self.first.again > 0 and ms_may_come_again(&self.first))


cdef extern from "kernel/built.h":
    object ms_built_from(object file)

#: The sources of this module and their digests. In a checkout whose sources differ from these the import ends here.
BUILT_FROM = ms_built_from(__file__)
