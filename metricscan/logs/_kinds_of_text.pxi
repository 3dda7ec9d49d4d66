# Whether bytes are text, and in which encoding; included by _reading.pyx.

# The beginnings of binary files, each behind its length. Only files that hold a NUL are compared with them.
cdef bytes _BINARIES = b"".join(
    bytes([len(magic)]) + magic
    for magic in (
        b"\x89PNG", b"GIF8", b"\xff\xd8\xff", b"RIFF", b"II*\0", b"MM\0*", b"%PDF", b"\x7fELF", b"MZ", b"\xcf\xfa\xed\xfe",
        b"\xca\xfe\xba\xbe", b"\0asm", b"PK\x03\x04", b"7z\xbc\xaf", b"SQLite format 3\0", b"\x93NUMPY", b"\x89HDF", b"CDF\x01",
        b"PAR1", b"ARROW1", b"FEA1", b"ORC", b"Obj\x01", b"GGUF", b"CBM1", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05",
        b"!<arch>", b"\x1a\x01", b"\x1e\x02",
        b"\0\0\x01\0", b"\0\x01\0\0", b"\xd0\xcf\x11\xe0", b"ElfFile\0", b"PMDM", b"LPKSHHRH",
        b":W&B",
    )
)
cdef const uint8_t *BINARIES = _BINARIES
cdef int64_t BINARIES_BYTES = len(_BINARIES)


cdef bint begins_line(const uint8_t *p, int64_t at) noexcept nogil:
    return at == 0 or p[at - 1] == 10


cdef bint follows_mark(const uint8_t *p, int64_t at, uint8_t first, uint8_t second) noexcept nogil:
    return at >= 2 and p[at - 2] == first and p[at - 1] == second


cdef bint are_of_line(const uint8_t *p, int64_t n, int64_t first, int64_t last, int count) noexcept nogil:
    """Whether a few NULs, at every second byte from first to last, are those of a line in UTF-16, or of text behind a mark."""
    cdef int64_t at = first - 1
    cdef bint begins
    if at >= 0 and p[at] and not is_control(p[at]):
        # little-endian: the NUL is the second byte of a character
        if count >= UTF16_MARKED and follows_mark(p, at, 0xFF, 0xFE):
            return True
        begins = begins_line(p, at) and at > 0
        if count >= UTF16_LINE and begins and p[last - 1] == 10:
            return True
    if count >= UTF16_MARKED and follows_mark(p, first, 0xFE, 0xFF):
        return True
    begins = begins_line(p, first) and first > 0
    return count >= UTF16_LINE and begins and last + 1 < n and p[last + 1] == 10


cdef int64_t first_of_utf16(const uint8_t *p, int64_t n, int64_t *end, bint is_all=False) noexcept nogil:
    """Return where the first of UTF16_UNITS NULs stands that have one other byte of a text between them; -1 if none do.

    Fewer suffice if they are a whole line of a text in UTF-8, or follow a mark. is_all: nothing follows the bytes.
    end: where NULs begin that may go on behind the bytes; n if none do.
    """
    cdef int64_t i = 0, first = 0, last = 0
    cdef int count = 0
    cdef const uint8_t *found
    end[0] = n
    while i < n:
        found = <const uint8_t *>memchr(p + i, 0, <size_t>(n - i))
        if found == NULL:
            break
        i = found - p
        if count and i == last + 2 and not is_control(p[i - 1]):
            count += 1
        else:
            if count >= UTF16_MARKED and are_of_line(p, n, first, last, count):
                return first
            first = i
            count = 1
        if count == UTF16_UNITS:
            return first
        last = i
        i += 1
    if count >= UTF16_MARKED and (is_all or last < n - 2) and are_of_line(p, n, first, last, count):
        return first
    if count and last >= n - 2:
        end[0] = first - 1 if first > 0 and not is_control(p[first - 1]) else first
    return -1


cdef bint has_magic(const uint8_t *p, int64_t n) noexcept nogil:
    """Whether the bytes begin as those of a known format do."""
    cdef int64_t at = 0, length
    while at < BINARIES_BYTES:
        length = BINARIES[at]
        if n >= length and memcmp(p, BINARIES + at + 1, <size_t>length) == 0:
            return True
        at += 1 + length
    # the length of a record, as TFRecord and safetensors have it; a tar's first member
    if n >= 16 and p[0] and p[5] == 0 and p[6] == 0 and p[7] == 0:
        return True
    return n >= 262 and memcmp(p + 257, b"ustar", 5) == 0


cdef bint is_utf32(const uint8_t *p, int64_t n) noexcept nogil:
    """Whether the bytes begin as a text in UTF-32 without a mark: as ASCII, each character with three NULs."""
    cdef int64_t i, place
    if n < 4 * UTF32_UNITS:
        return False
    place = 0 if p[0] else 3
    for i in range(4 * UTF32_UNITS):
        if (p[i] != 0) != (i % 4 == place) or (p[i] and (is_control(p[i]) or p[i] >= 0x80)):
            return False
    return True


cdef bint is_binary(
    const uint8_t *p, int64_t n, int most_controls=33, int most_runs=5, bint with_utf16=False
) noexcept nogil:
    """Whether bytes among which there are NULs are no text: control characters or runs of NULs are more than one in so many.

    with_utf16: NULs at every second byte count as one run.
    """
    cdef int64_t i, others = 0, controls = 0, runs = 0
    for i in range(n):
        if p[i]:
            others += 1
            controls += is_control(p[i])
        elif (i == 0 or p[i - 1]) and not (with_utf16 and i > 1 and p[i - 2] == 0):
            runs += 1
    # among random bytes, 9 % are such controls; a C program may end each line with a NUL
    return controls * most_controls > others or (runs > LEAST_NULS and runs * most_runs > others) or others == 0


cdef bint looks_binary(const uint8_t *p, int64_t n) noexcept nogil:
    """Whether few bytes are clearly no text, so that no more need to be looked at."""
    cdef int64_t end
    return n > GLANCE_BYTES and is_binary(p, GLANCE_BYTES, 12, 3) and first_of_utf16(p, GLANCE_BYTES, &end) < 0


cdef bint is_utf16(const uint8_t *p, int64_t n) noexcept nogil:
    """Whether bytes, every second of which begins as NUL, go on as a text in UTF-16."""
    cdef int64_t i, good = 0, bad = 0
    for i in range(0, n - 1, 2):
        if p[i] == 0:
            if p[i + 1] == 0 or is_control(p[i + 1]):
                bad += 1
            else:
                good += 1
    return bad * 10 <= good and good * 8 >= n


cdef int text_of(const uint8_t *p, int64_t n, bint is_all) noexcept nogil:
    """The flag that says which kind of text bytes are that hold NULs. is_all: nothing follows them."""
    cdef int64_t end, first
    if not has_magic(p, n) and not looks_binary(p, n):
        first = first_of_utf16(p, n, &end, is_all)
        if first >= 0 and (first < UTF16_BEGINNING or not is_binary(p, first - 1)):
            if is_utf16(p + first, n - first) or not is_binary(p, n, 33, 5, True):
                return UTF16
        if not is_binary(p, n):
            return 0
    return BINARY
