"""A digest of the bytes by which a file is recognised: 128 bits, in a tenth of the time of a cryptographic hash."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>

    enum { MS_DIGEST_BYTES = 16 };
    /* The first hexadecimal digits of pi, made odd. */
    #define MS_K0 UINT64_C(0x243f6a8885a308d3)
    #define MS_K1 UINT64_C(0x13198a2e03707345)
    #define MS_K2 UINT64_C(0xa4093822299f31d1)
    #define MS_K3 UINT64_C(0x082efa98ec4e6c89)

    static uint64_t ms_word(const uint8_t *p) {
        uint64_t word;
        memcpy(&word, p, 8);
    #if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        word = __builtin_bswap64(word);
    #endif
        return word;
    }

    static void ms_put_word(uint8_t *p, uint64_t word) {
    #if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        word = __builtin_bswap64(word);
    #endif
        memcpy(p, &word, 8);
    }

    /* Both halves of the product: each bit of the result depends on all bits of both. */
    static uint64_t ms_folded(uint64_t a, uint64_t b) {
        const unsigned __int128 product = (unsigned __int128)a * b;
        return (uint64_t)product ^ (uint64_t)(product >> 64);
    }

    /* Two lanes of 64 bits, which begin otherwise, and take the two words of a pair in the other order. */
    static void ms_digest_of(const uint8_t *p, size_t n, uint8_t *out) {
        uint64_t x = MS_K0 ^ n, y = MS_K1 ^ n;
        uint8_t last[16] = {0};
        size_t at = 0;
        for (; at + 16 <= n; at += 16) {
            const uint64_t one = ms_word(p + at), two = ms_word(p + at + 8);
            x = ms_folded(x ^ one, MS_K2 ^ two) + one;
            y = ms_folded(y ^ two, MS_K3 ^ one) + two;
        }
        memcpy(last, p + at, n - at);
        const uint64_t one = ms_word(last), two = ms_word(last + 8);
        x = ms_folded(x ^ one, MS_K2 ^ two) + one;
        y = ms_folded(y ^ two, MS_K3 ^ one) + two;
        ms_put_word(out, ms_folded(x ^ MS_K1, y ^ MS_K3));
        ms_put_word(out + 8, ms_folded(y ^ MS_K0, x ^ MS_K2) + x);
    }
    """
    enum:
        MS_DIGEST_BYTES
    void ms_digest_of(const uint8_t *p, size_t n, uint8_t *out) nogil


def digest(data):
    """Return the digest of bytes: 16 bytes, the same on all machines.

    It distinguishes contents that differ by chance. It is no protection from a writer who wants two contents to have one digest.
    """
    cdef Py_buffer view
    cdef uint8_t out[16]
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    ms_digest_of(<const uint8_t *>view.buf, <size_t>view.len, out)
    PyBuffer_Release(&view)
    return PyBytes_FromStringAndSize(<const char *>out, MS_DIGEST_BYTES)


cdef extern from "kernel/built.h":
    object ms_built_from(object file)

#: The sources of this module and their digests. In a checkout whose sources differ from these the import ends here.
BUILT_FROM = ms_built_from(__file__)
