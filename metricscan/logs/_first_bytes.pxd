"""What the first bytes of a file show of its format and its text; for the compiled modules of this room."""

from libc.stdint cimport int64_t, uint8_t
from libc.string cimport memchr, memcmp


cdef enum:
    FIRST_LINES = 8
    LONG_LINE = 4096


cdef inline bint is_blank(uint8_t x) noexcept nogil:
    return x == 32 or 9 <= x <= 13


cdef inline bint is_digit(uint8_t x) noexcept nogil:
    return 48 <= x <= 57


cdef inline int64_t after_blanks(const uint8_t *p, int64_t i, int64_t n) noexcept nogil:
    while i < n and is_blank(p[i]):
        i += 1
    return i


cdef inline int64_t leading_nuls(const uint8_t *p, int64_t n) noexcept nogil:
    cdef int64_t i = 0
    while i < n and p[i] == 0:
        i += 1
    return i


cdef inline bint starts_document(const uint8_t *p, int64_t n) noexcept nogil:
    """Whether the bytes begin a JSON object that has a key, or an array of such objects."""
    cdef int64_t i = after_blanks(p, 0, n)
    if i < n and p[i] == 91:
        i = after_blanks(p, i + 1, n)
    if i == n or p[i] != 123:
        return False
    i = after_blanks(p, i + 1, n)
    return i < n and p[i] == 34


cdef inline bint starts_with_time(const uint8_t *p, int64_t n) noexcept nogil:
    """Whether the bytes begin with a time in the format of exports to S3, or begin as a line of another format with a time."""
    cdef const char *shape = b"0000-00-00T00:00:00"
    cdef int64_t i
    if n < 24:
        return False
    for i in range(19):
        if p[i] != <uint8_t>shape[i] and not (shape[i] == 48 and is_digit(p[i])):
            return False
    if p[19] == 46 and is_digit(p[20]) and is_digit(p[21]) and is_digit(p[22]) and p[23] == 90:
        return True
    i = 19
    while i < n and i < 64 and p[i] != 32:
        i += 1
    if n - i > 8 and (memcmp(p + i, b" stdout ", 8) == 0 or memcmp(p + i, b" stderr ", 8) == 0):
        return True
    # a stream's name behind the time: <job>/algo-1-1772359200
    i += 1
    while i < n and p[i] > 32:
        if n - i > 6 and memcmp(p + i, b"/algo-", 6) == 0:
            return True
        i += 1
    return False


cdef inline bint starts_event_of_container(const uint8_t *p, int64_t n) noexcept nogil:
    """Whether the bytes begin an event as a container's runtime writes it."""
    cdef int64_t i = leading_nuls(p, n)
    p += i
    n -= i
    if n > 8 and p[0] == 123:
        return memcmp(p, b'{"log":"', 8) == 0
    # 2026-03-01T10:00:00.5Z stdout
    if n < 28 or not is_digit(p[0]) or p[4] != 45 or p[10] != 84:
        return False
    i = 19
    while i < n and i < 64 and p[i] != 32:
        i += 1
    return n - i > 8 and (memcmp(p + i, b" stdout ", 8) == 0 or memcmp(p + i, b" stderr ", 8) == 0)


cdef inline bint has_event_of_container(const uint8_t *p, int64_t n) noexcept nogil:
    """Whether one of the first lines behind the first is an event of a container's log: the first one may be damaged."""
    cdef const uint8_t *found
    cdef int64_t i = 0
    for _ in range(FIRST_LINES):
        found = <const uint8_t *>memchr(p + i, 10, <size_t>(n - i))
        if found == NULL:
            break
        i = found - p + 1
        if starts_event_of_container(p + i, n - i):
            return True
    # a line of Docker may be longer than what is examined; a progress bar is no such line
    return i == 0 and n >= LONG_LINE and memchr(p, 13, <size_t>n) == NULL


cdef inline bint starts_with_text(const uint8_t *p, int64_t n) noexcept nogil:
    """Whether the bytes begin as the text output of the AWS command line: with EVENTS or with a token such as b/123."""
    return n > 7 and (memcmp(p, b"EVENTS\t", 7) == 0 or ((p[0] == 98 or p[0] == 102) and p[1] == 47 and is_digit(p[2])))


cdef inline bint starts_refused(const uint8_t *p, int64_t n) noexcept nogil:
    """Whether the bytes begin a binary file that formats.detect knows: of Docker's driver local, systemd or TensorBoard."""
    if n < 36:
        return False
    if p[0] == 0:
        return memcmp(p + 4, b"\n\x06stdout\x10", 9) == 0 or memcmp(p + 4, b"\n\x06stderr\x10", 9) == 0
    return memcmp(p, b"LPKSHHRH", 8) == 0 or memcmp(p + 21, b"\x1a\rbrain.Event:2", 15) == 0


cdef inline bint starts_with_columns(const uint8_t *p, int64_t n) noexcept nogil:
    """Whether the first line lists several names of letters, in quotes or not. Any byte >= 0x80 passes, as blank or letter."""
    cdef int64_t i
    cdef inline bint several = False
    for i in range(n):
        if p[i] == 10:
            break
        if p[i] == 44:
            several = True
        elif not (p[i] <= 34 and p[i] != 33 or 64 <= p[i] <= 90 or 97 <= p[i] <= 122 or p[i] >= 0x80):
            return False
    return several


cdef inline bint is_control(uint8_t x) noexcept nogil:
    """Whether a byte is a control character that logs do not use. They do use the bell, backspaces and escape sequences."""
    return x < 7 or 13 < x < 27 or 27 < x < 32 or x == 127


cdef inline bint is_marked(const uint8_t *p, int64_t n) noexcept nogil:
    """Whether the bytes begin with a mark of UTF-16 or UTF-32."""
    if n >= 2 and (p[0] == 0xFF and p[1] == 0xFE or p[0] == 0xFE and p[1] == 0xFF):
        return True
    return n >= 4 and p[0] == 0 and p[1] == 0 and p[2] == 0xFE and p[3] == 0xFF
