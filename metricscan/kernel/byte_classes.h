/* Classes of bytes, and a vectorised search for the bytes of a class. */
#ifndef METRICSCAN_BYTE_CLASSES_H
#define METRICSCAN_BYTE_CLASSES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "simd_levels.h"

/* Nibble tables: eight sets of low nibbles, and for each high nibble a mask of the sets that belong to it. Two look-ups classify a byte.
 * This is exact if at most eight sets are needed; otherwise the level is MS_PORTABLE. */
typedef struct {
    uint8_t low[16];
    uint8_t high[16];
    int level;
} ms_class;

static void ms_class_fill(ms_class *c, const uint8_t *table, int level) {
    uint16_t sets[8];
    int count = 0;
    memset(c, 0, sizeof *c);
    c->level = MS_PORTABLE;
    for (int high = 0; high < 16; high++) {
        uint16_t set = 0;
        for (int low = 0; low < 16; low++) set |= (uint16_t)((table[high * 16 + low] != 0) << low);
        if (set == 0) continue;
        int known = 0;
        while (known < count && sets[known] != set) known++;
        if (known == 8) return;
        if (known == count) sets[count++] = set;
        c->high[high] = (uint8_t)(1u << known);
        for (int low = 0; low < 16; low++)
            if (set >> low & 1) c->low[low] |= (uint8_t)(1u << known);
    }
    c->level = level;
}

#ifdef MS_X86
MS_TARGET(MS_AVX2_TARGET)
static size_t ms_find_class_avx2(const ms_class *c, const uint8_t *p, size_t from, size_t to, size_t *left) {
    const __m256i nibble = _mm256_set1_epi8(15), zero = _mm256_setzero_si256();
    const __m256i low = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)c->low));
    const __m256i high = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)c->high));
    for (; from + 32 <= to; from += 32) {
        __m256i v = _mm256_loadu_si256((const __m256i *)(p + from));
        __m256i r = _mm256_and_si256(_mm256_shuffle_epi8(low, _mm256_and_si256(v, nibble)),
                                     _mm256_shuffle_epi8(high, _mm256_and_si256(_mm256_srli_epi16(v, 4), nibble)));
        uint32_t none = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(r, zero));
        if (~none) return from + (size_t)__builtin_ctz(~none);
    }
    *left = from;
    return to;
}

MS_TARGET("ssse3")
static size_t ms_find_class_ssse3(const ms_class *c, const uint8_t *p, size_t from, size_t to, size_t *left) {
    const __m128i nibble = _mm_set1_epi8(15), zero = _mm_setzero_si128();
    const __m128i low = _mm_loadu_si128((const __m128i *)c->low), high = _mm_loadu_si128((const __m128i *)c->high);
    for (; from + 16 <= to; from += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(p + from));
        __m128i r = _mm_and_si128(_mm_shuffle_epi8(low, _mm_and_si128(v, nibble)),
                                  _mm_shuffle_epi8(high, _mm_and_si128(_mm_srli_epi16(v, 4), nibble)));
        uint32_t some = 0xFFFFu & ~(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(r, zero));
        if (some) return from + (size_t)__builtin_ctz(some);
    }
    *left = from;
    return to;
}
#elif defined(MS_NEON)
static size_t ms_find_class_neon(const ms_class *c, const uint8_t *p, size_t from, size_t to, size_t *left) {
    const uint8x16_t nibble = vdupq_n_u8(15), low = vld1q_u8(c->low), high = vld1q_u8(c->high);
    for (; from + 16 <= to; from += 16) {
        uint8x16_t v = vld1q_u8(p + from);
        uint8x16_t r = vtstq_u8(vqtbl1q_u8(low, vandq_u8(v, nibble)), vqtbl1q_u8(high, vshrq_n_u8(v, 4)));
        uint64_t some = vget_lane_u64(vreinterpret_u64_u8(vshrn_n_u16(vreinterpretq_u16_u8(r), 4)), 0);
        if (some) return from + ((size_t)__builtin_ctzll(some) >> 2);
    }
    *left = from;
    return to;
}
#endif

/* Return the first i in [from, to) with p[i] in the class, or `to`. The class holds the bytes whose entry in the table is not 0. */
static inline size_t ms_find_class(const ms_class *c, const uint8_t *table, const uint8_t *p, size_t from, size_t to) {
    /* The first eight bytes are tested before the vector tables are loaded. */
    size_t near = to - from > 8 ? from + 8 : to;
    for (; from < near; from++)
        if (table[p[from]]) return from;
    if (to - from >= 16) {
        size_t left = to, at = to;
#ifdef MS_X86
        if (c->level >= MS_AVX2 && to - from >= 32) at = ms_find_class_avx2(c, p, from, to, &left);
        else if (c->level >= MS_SSSE3) at = ms_find_class_ssse3(c, p, from, to, &left);
        else left = from;
#elif defined(MS_NEON)
        if (c->level == MS_NEON_LEVEL) at = ms_find_class_neon(c, p, from, to, &left);
        else left = from;
#else
        left = from;
#endif
        if (at != to) return at;
        from = left;
    }
    for (; from < to; from++)
        if (table[p[from]]) return from;
    return to;
}

/* ms_find_class as a call that is not inlined, for callers that rarely need it. */
__attribute__((noinline)) static size_t ms_find_class_far(const ms_class *c, const uint8_t *table, const uint8_t *p, size_t from, size_t to) {
    return ms_find_class(c, table, p, from, to);
}

#endif
