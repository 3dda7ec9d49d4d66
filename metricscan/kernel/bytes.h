/* Raw bytes: functions that search for one or two bytes, count them and the records that they end, load them and compare them. */
#ifndef METRICSCAN_BYTES_H
#define METRICSCAN_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "simd_levels.h"

/* ---- finding one of two bytes: terminators and the bytes that end a run. If a == b, they search for one byte. */

#ifdef MS_X86
static inline uint32_t ms_either16(const uint8_t *p, uint8_t a, uint8_t b) {
    __m128i v = _mm_loadu_si128((const __m128i *)p);
    return (uint32_t)_mm_movemask_epi8(
        _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8((char)a)), _mm_cmpeq_epi8(v, _mm_set1_epi8((char)b))));
}
#define MS_EITHER_SHIFT 0
#elif defined(MS_NEON)
static inline uint64_t ms_either16(const uint8_t *p, uint8_t a, uint8_t b) {
    uint8x16_t v = vld1q_u8(p);
    uint8x16_t hit = vorrq_u8(vceqq_u8(v, vdupq_n_u8(a)), vceqq_u8(v, vdupq_n_u8(b)));
    return vget_lane_u64(vreinterpret_u64_u8(vshrn_n_u16(vreinterpretq_u16_u8(hit), 4)), 0) & 0x8888888888888888ull;
}
#define MS_EITHER_SHIFT 2
#endif

/* Return a mask: bit i is set if p[i] == a or b, for i < n <= 64. */
static inline uint64_t ms_mark(const uint8_t *p, size_t n, uint8_t a, uint8_t b) {
    uint64_t marks = 0;
    size_t i = 0;
#ifdef MS_X86
    for (; i + 16 <= n; i += 16) marks |= (uint64_t)ms_either16(p + i, a, b) << i;
#elif defined(MS_NEON)
    if (n == 64) {
        const uint8_t weights[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
        const uint8x16_t weight = vld1q_u8(weights), first = vdupq_n_u8(a), second = vdupq_n_u8(b);
        uint8x16_t sums[4];
        for (int k = 0; k < 4; k++) {
            uint8x16_t v = vld1q_u8(p + 16 * k);
            sums[k] = vandq_u8(vorrq_u8(vceqq_u8(v, first), vceqq_u8(v, second)), weight);
        }
        /* Adding neighbours three times packs eight bits into each byte. */
        uint8x16_t sum = vpaddq_u8(vpaddq_u8(sums[0], sums[1]), vpaddq_u8(sums[2], sums[3]));
        return vgetq_lane_u64(vreinterpretq_u64_u8(vpaddq_u8(sum, sum)), 0);
    }
#endif
    for (; i < n; i++) marks |= (uint64_t)((p[i] == a) | (p[i] == b)) << i;
    return marks;
}

/* Return the first i in [from, to) with p[i] == a or b, or `to`. */
static inline size_t ms_find_either(const uint8_t *p, size_t from, size_t to, uint8_t a, uint8_t b) {
#ifdef MS_EITHER_SHIFT
    for (; from + 16 <= to; from += 16) {
        uint64_t hits = ms_either16(p + from, a, b);
        if (hits) return from + ((size_t)__builtin_ctzll(hits) >> MS_EITHER_SHIFT);
    }
#endif
    for (; from < to; from++)
        if (p[from] == a || p[from] == b) return from;
    return to;
}

/* ms_find_either as a call that is not inlined, for callers that rarely need it. */
__attribute__((noinline)) static size_t ms_find_far(const uint8_t *p, size_t from, size_t to, uint8_t a, uint8_t b) {
    return ms_find_either(p, from, to, a, b);
}

/* Return one past the last i in [from, to) with p[i] == a or b, or `from`: with terminators, the record that holds `to` starts there. */
static inline size_t ms_after_last_either(const uint8_t *p, size_t from, size_t to, uint8_t a, uint8_t b) {
#ifdef MS_EITHER_SHIFT
    for (; from + 16 <= to; to -= 16) {
        uint64_t hits = ms_either16(p + to - 16, a, b);
        if (hits) return to - 16 + ((size_t)(63 - __builtin_clzll(hits)) >> MS_EITHER_SHIFT) + 1;
    }
#endif
    for (; to > from; to--)
        if (p[to - 1] == a || p[to - 1] == b) return to;
    return from;
}

/* As ms_find_either, for one byte that is expected within sixteen bytes, which takes one load and no loop. n >= to bytes are
 * readable. */
static inline size_t ms_find_near(const uint8_t *p, size_t from, size_t to, size_t n, uint8_t x) {
#ifdef MS_EITHER_SHIFT
    if (from + 16 <= n) {
        uint64_t hits = ms_either16(p + from, x, x);
        if (hits) {
            size_t at = from + ((size_t)__builtin_ctzll(hits) >> MS_EITHER_SHIFT);
            return at < to ? at : to;
        }
        from = from + 16 < to ? from + 16 : to;
    }
#endif
    (void)n;
    return ms_find_either(p, from, to, x, x);
}

/* Return the first i in [from, to - length] with the needle at i, or `to`. The needle is not empty. */
static inline size_t ms_find(const uint8_t *p, size_t from, size_t to, const uint8_t *needle, size_t length) {
    if (length == 1) return ms_find_either(p, from, to, needle[0], needle[0]);
    while (from + length <= to) {
        size_t last = to - length + 1;
        size_t at = ms_find_either(p, from, last, needle[0], needle[0]);
        if (at == last) return to;
        if (memcmp(p + at + 1, needle + 1, length - 1) == 0) return at;
        from = at + 1;
    }
    return to;
}

/* ---- counting */

static size_t ms_count_byte_portable(const uint8_t *p, size_t n, uint8_t x) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++) count += p[i] == x;
    return count;
}

#ifdef MS_X86
MS_TARGET(MS_AVX2_TARGET)
__attribute__((always_inline)) static inline __m256i ms_next_avx2(const uint8_t *p, __m256i *least) {
    const __m256i bytes = _mm256_loadu_si256((const __m256i *)p);
    *least = _mm256_min_epu8(*least, bytes);
    return bytes;
}

/* Count with byte-wide counters, which are summed before they can overflow: three instructions for 32 bytes, and a fourth where
 * `least` is used, which gets the least bytes. n is at least 32. */
MS_TARGET(MS_AVX2_TARGET)
__attribute__((always_inline)) static inline size_t ms_count_least_avx2(const uint8_t *p, size_t n, uint8_t x, __m256i *least) {
    const __m256i needle = _mm256_set1_epi8((char)x), zero = _mm256_setzero_si256();
    __m256i total = zero, low = _mm256_loadu_si256((const __m256i *)(p + n - 32));
    size_t i = 0;
    while (i + 128 <= n) {
        __m256i a = zero, b = zero, c = zero, d = zero;
        for (int rounds = 0; rounds < 255 && i + 128 <= n; rounds++, i += 128) {
            a = _mm256_sub_epi8(a, _mm256_cmpeq_epi8(ms_next_avx2(p + i, &low), needle));
            b = _mm256_sub_epi8(b, _mm256_cmpeq_epi8(ms_next_avx2(p + i + 32, &low), needle));
            c = _mm256_sub_epi8(c, _mm256_cmpeq_epi8(ms_next_avx2(p + i + 64, &low), needle));
            d = _mm256_sub_epi8(d, _mm256_cmpeq_epi8(ms_next_avx2(p + i + 96, &low), needle));
        }
        total = _mm256_add_epi64(total, _mm256_add_epi64(_mm256_add_epi64(_mm256_sad_epu8(a, zero), _mm256_sad_epu8(b, zero)),
                                                         _mm256_add_epi64(_mm256_sad_epu8(c, zero), _mm256_sad_epu8(d, zero))));
    }
    __m256i rest = zero;
    for (; i + 32 <= n; i += 32)
        rest = _mm256_sub_epi8(rest, _mm256_cmpeq_epi8(ms_next_avx2(p + i, &low), needle));
    total = _mm256_add_epi64(total, _mm256_sad_epu8(rest, zero));
    uint64_t lanes[4];
    _mm256_storeu_si256((__m256i *)lanes, total);
    size_t count = (size_t)(lanes[0] + lanes[1] + lanes[2] + lanes[3]);
    if (i < n) {
        /* The last bytes are the end of a whole vector; its other bytes have been counted. */
        uint32_t last = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)(p + n - 32)), needle));
        count += (size_t)__builtin_popcount(last >> (32 - (n - i)));
    }
    *least = low;
    return count;
}

MS_TARGET(MS_AVX2_TARGET)
static size_t ms_count_byte_avx2(const uint8_t *p, size_t n, uint8_t x) {
    __m256i least;
    return ms_count_least_avx2(p, n, x, &least);
}

MS_TARGET(MS_AVX2_TARGET)
static size_t ms_count_byte_and_nul_avx2(const uint8_t *p, size_t n, uint8_t x, int *has_nul) {
    __m256i least;
    const size_t count = ms_count_least_avx2(p, n, x, &least);
    *has_nul = _mm256_movemask_epi8(_mm256_cmpeq_epi8(least, _mm256_setzero_si256())) != 0;
    return count;
}
#endif

static inline size_t ms_count_byte(int level, const uint8_t *p, size_t n, uint8_t x) {
#ifdef MS_X86
    if (level >= MS_AVX2 && n >= 32) return ms_count_byte_avx2(p, n, x);
#endif
    (void)level;
    return ms_count_byte_portable(p, n, x);
}

/* As ms_count_byte; *has_nul gets whether one of the bytes is NUL. */
static inline size_t ms_count_byte_and_nul(int level, const uint8_t *p, size_t n, uint8_t x, int *has_nul) {
#ifdef MS_X86
    if (level >= MS_AVX2 && n >= 32) return ms_count_byte_and_nul_avx2(p, n, x, has_nul);
#endif
    *has_nul = n > 0 && memchr(p, 0, n) != NULL;
    return ms_count_byte(level, p, n, x);
}

/* Count the bits that are set. Where the instruction may be missing, the builtin would call the compiler's library. */
static inline size_t ms_count_bits(uint64_t x) {
    x -= x >> 1 & 0x5555555555555555ull;
    x = (x & 0x3333333333333333ull) + (x >> 2 & 0x3333333333333333ull);
    return (size_t)(((x + (x >> 4)) & 0x0F0F0F0F0F0F0F0Full) * 0x0101010101010101ull >> 56);
}

/* How many of the n bytes at p are a \r with a \n behind it; p[n] is readable. A byte counts a run of 240, so that compilers use
 * vectors. */
static size_t ms_count_pairs(const uint8_t *p, size_t n) {
    size_t count = 0;
    for (size_t i = 0; i < n;) {
        const size_t stop = n - i > 240 ? i + 240 : n;
        uint8_t some = 0;
        for (; i < stop; i++) some += (uint8_t)((p[i] == '\r') & (p[i + 1] == '\n'));
        count += some;
    }
    return count;
}

/* The terminators of records: \n; \n, \r\n and \r; or each \n and each \r on its own. */
enum { MS_LF, MS_UNIVERSAL, MS_EACH };

/* Records that end in [from, to) of a buffer of n bytes, lf of them with a \n. A \r\n counts where its \n lies, so that the
 * counts of pieces add up. */
static inline size_t ms_records(int level, const uint8_t *p, size_t from, size_t to, size_t n, int terminators, size_t lf) {
    size_t records = lf;
    if (terminators != MS_LF && memchr(p + from, '\r', to - from) != NULL) {
        records += ms_count_byte(level, p + from, to - from, '\r');
        if (terminators == MS_UNIVERSAL) records -= ms_count_pairs(p + from, (to < n ? to : n - 1) - from);
    }
    return records;
}

/* ---- loads */

/* Load the eight bytes at p[at...], in the order of memory. Bytes outside [0, n) read as 0. */
static inline uint64_t ms_load8(const uint8_t *p, ptrdiff_t at, size_t n) {
    uint64_t x = 0;
    if (at >= 0 && (size_t)at + 8 <= n) {
        memcpy(&x, p + at, 8);
        return x;
    }
    uint8_t bytes[8] = {0};
    for (int i = 0; i < 8; i++)
        if (at + i >= 0 && (size_t)(at + i) < n) bytes[i] = p[at + i];
    memcpy(&x, bytes, 8);
    return x;
}

static inline uint32_t ms_load2(const uint8_t *p) {
    uint16_t x;
    memcpy(&x, p, 2);
    return x;
}

static inline uint64_t ms_word8(const uint8_t *p) {
    uint64_t x;
    memcpy(&x, p, 8);
    return x;
}

/* ---- the beginning of a source: NULs, a byte-order mark of UTF-8, and NULs; they belong to no record */

enum { MS_MARK_BYTES = 3 };
static const uint8_t ms_utf8_mark[MS_MARK_BYTES] = {0xEF, 0xBB, 0xBF};

/* Return how many NULs stand at the front of n bytes. */
static size_t ms_nuls(const uint8_t *p, size_t n) {
    size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        uint64_t some = 0;
        for (size_t k = 0; k < 64; k += 8) some |= ms_word8(p + i + k);
        if (some) break;
    }
    while (i < n && p[i] == 0) i++;
    return i;
}

/* Return the length of the beginning of a source whose n bytes lie together. */
static inline size_t ms_beginning(const uint8_t *p, size_t n) {
    const size_t i = ms_nuls(p, n);
    if (n - i < MS_MARK_BYTES || memcmp(p + i, ms_utf8_mark, MS_MARK_BYTES) != 0) return i;
    return i + MS_MARK_BYTES + ms_nuls(p + i + MS_MARK_BYTES, n - i - MS_MARK_BYTES);
}

/* ---- comparison */

/* Return whether two texts are equal. It is inline because a call of memcmp costs more than the comparison of a literal. */
static inline int ms_equal(const uint8_t *a, const uint8_t *b, size_t n) {
    uint64_t x, y;
    if (n < 8) {
        for (size_t i = 0; i < n; i++)
            if (a[i] != b[i]) return 0;
        return 1;
    }
    for (size_t i = 0; i + 8 < n; i += 8) {
        memcpy(&x, a + i, 8);
        memcpy(&y, b + i, 8);
        if (x != y) return 0;
    }
    memcpy(&x, a + n - 8, 8);
    memcpy(&y, b + n - 8, 8);
    return x == y;
}

#endif
