/* The search for many literals at once: positions where one may stand.
 *
 * It follows the idea of Hyperscan's "Teddy": it searches for a two-byte fingerprint of each literal, 64 positions a step, by
 * table look-ups. A position is a candidate when the byte there and the byte after it agree with one of eight buckets. This is
 * a prefilter: a candidate may hold no literal, but no literal is lost. The caller verifies the candidates.
 *
 * The level (simd_levels.h) is chosen when the tables are built.
 */
#ifndef METRICSCAN_FINGERPRINTS_H
#define METRICSCAN_FINGERPRINTS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "byte_classes.h"
#include "bytes.h"
#include "simd_levels.h"

/* ---- blocks and their marks */

/* A block is searched first and matched then, so it has to stay in the first-level cache together with the positions found in it (4 bytes
 * each). MS_SOME_POSITIONS are tried at a time, because a candidate takes 16 bytes, and a thread may have little stack. */
#ifdef MS_SMALL /* In checked builds every test meets the edges of both. */
#define MS_BLOCK 128
#define MS_SOME_POSITIONS 16
#else
#define MS_BLOCK 4096
#define MS_SOME_POSITIONS 512
#endif
/* Marks of a block: bit i of word w stands for byte 64 w + i. The place behind the block has a word too. The eight words before and
 * behind a place may be read at once; those before the first word are zero. */
#define MS_BLOCK_WORDS (MS_BLOCK / 64 + 9)
typedef struct {
    uint64_t none[8];
    uint64_t words[MS_BLOCK_WORDS];
} ms_marks;

/* The newlines of a block; before[w] of them lie in earlier words. */
typedef struct {
    ms_marks marks;
    uint16_t before[MS_BLOCK_WORDS];
    size_t count;
    int returns; /* the block holds a \r, too */
} ms_newlines;

/* Mark the bytes that are a or b, for n <= MS_BLOCK. */
static void ms_mark_block(const uint8_t *p, size_t n, uint8_t a, uint8_t b, uint64_t *marks) {
    for (size_t i = 0; i < n; i += 64) marks[i / 64] = ms_mark(p + i, n - i < 64 ? n - i : 64, a, b);
}

static inline void ms_note_newlines(ms_newlines *lines, size_t word, uint64_t marks, size_t count) {
    lines->marks.words[word] = marks;
    lines->before[word] = (uint16_t)lines->count;
    lines->count += count;
}

/* Mark the newlines from `from` on, which is a multiple of 64. */
static void ms_mark_newlines(ms_newlines *lines, const uint8_t *p, size_t from, size_t n) {
    for (size_t i = from; i < n; i += 64) {
        uint64_t newlines = ms_mark(p + i, n - i < 64 ? n - i : 64, '\n', '\n');
        ms_note_newlines(lines, i / 64, newlines, ms_count_bits(newlines));
    }
}

/* Return the last marked place before `at`, or MS_BLOCK. */
static inline size_t ms_marked_before(const uint64_t *marks, size_t at) {
    size_t word = at / 64;
    uint64_t bits = marks[word] & (((uint64_t)1 << at % 64) - 1);
    while (bits == 0) {
        if (word == 0) return MS_BLOCK;
        bits = marks[--word];
    }
    return word * 64 + 63 - (size_t)__builtin_clzll(bits);
}

/* Return the first marked place at or behind `at`, or MS_BLOCK. */
static inline size_t ms_marked_from(const uint64_t *marks, size_t at, size_t words) {
    size_t word = at / 64;
    uint64_t bits = marks[word] >> at % 64 << at % 64;
    while (bits == 0) {
        if (++word >= words) return MS_BLOCK;
        bits = marks[word];
    }
    return word * 64 + (size_t)__builtin_ctzll(bits);
}

/* ---- fingerprints */

/* Fingerprint tables. Bit b of byte[place][x]: bucket b has a fingerprint with byte x at this place. A bucket with several
 * fingerprints also agrees with their mixtures. The nibble tables hold the same for the low and the high half of the byte, and
 * agree with mixtures of halves too. */
typedef struct {
    uint8_t low[2][16];
    uint8_t high[2][16];
    uint8_t byte[2][256];
    int ascii;       /* no fingerprint has a byte >= 0x80: the low nibble needs no masking */
    int ascii_first; /* no fingerprint begins with such a byte */
    int level;
} ms_fingerprints;

static void ms_fingerprints_clear(ms_fingerprints *t, int level) {
    memset(t, 0, sizeof *t);
    t->ascii = t->ascii_first = 1;
    t->level = level;
}

/* Add a fingerprint of two bytes; second < 0: of one byte, behind which any may follow (or the input's end, which reads as 0). */
static void ms_fingerprints_add(ms_fingerprints *t, int bucket, int first, int second) {
    uint8_t bit = (uint8_t)(1u << bucket);
    t->low[0][first & 15] |= bit;
    t->high[0][first >> 4] |= bit;
    t->byte[0][first] |= bit;
    if (first >= 0x80 || second >= 0x80) t->ascii = 0;
    if (first >= 0x80) t->ascii_first = 0;
    if (second < 0) {
        /* any byte follows, and those >= 0x80 need the masked look-up */
        t->ascii = 0;
        for (int i = 0; i < 16; i++) {
            t->low[1][i] |= bit;
            t->high[1][i] |= bit;
        }
        for (int i = 0; i < 256; i++) t->byte[1][i] |= bit;
    } else {
        t->low[1][second & 15] |= bit;
        t->high[1][second >> 4] |= bit;
        t->byte[1][second] |= bit;
    }
}

/* ---- positions: out[] gets every i in [0, n) whose bytes i, i+1 agree with a bucket; returns how many. readable >= n bytes may be
 * read from p; the byte after the last readable one counts as 0. out has room for n entries. The newlines in [0, n) are marked in
 * the same pass. n is at most MS_BLOCK. */

static size_t ms_positions_portable(const ms_fingerprints *t, const uint8_t *p, size_t from, size_t n, size_t readable,
                                    uint32_t *out) {
    size_t found = 0;
    for (size_t i = from; i < n; i++) {
        uint8_t next = i + 1 < readable ? p[i + 1] : 0;
        /* The loop is branch-free: where hits are frequent, a store and an addition per byte cost less than a mispredicted branch. */
        out[found] = (uint32_t)i;
        found += (t->byte[0][p[i]] & t->byte[1][next]) != 0;
    }
    return found;
}

#ifdef MS_X86
/* The hardware prefetcher stops at the edge of a page, and while candidates are matched between two blocks. A software prefetch half a
 * page ahead raised the throughput of a log without metrics from 6.2 to 9.4 GB/s, and of a log with metrics in one line of ten from 2.4
 * to 3.5 (one thread, a Sapphire Rapids whose memory reads at 15 GB/s). Other distances from 1 to 16 KiB gain less. */
#define MS_AHEAD 2048

#define MS_AVX2_BUCKETS(masked, v, w)                                                                                  \
    _mm256_and_si256(                                                                                                  \
        _mm256_and_si256(_mm256_shuffle_epi8(low0, (masked) ? _mm256_and_si256(v, nibble) : (v)),                      \
                         _mm256_shuffle_epi8(high0, _mm256_and_si256(_mm256_srli_epi16(v, 4), nibble))),               \
        _mm256_and_si256(_mm256_shuffle_epi8(low1, (masked) ? _mm256_and_si256(w, nibble) : (w)),                      \
                         _mm256_shuffle_epi8(high1, _mm256_and_si256(_mm256_srli_epi16(w, 4), nibble))))

/* The loop does not branch on whether there is a hit: if one place in a few hundred is a hit, such a branch is mispredicted at each hit.
 * The loop always writes the first two hits of 64 places, even if there are fewer. It marks newlines instead of counting them, so records
 * are found without reading the text again. Compared with a loop that branched and counted, on an EPYC (Zen 3) from memory, whole
 * scans changed from 4.1 to 5.2 GB/s with metrics in one line of ten, from 1.6 to 1.8 with metrics in every line, and from 10.3 to 9.9
 * without any. */
#define MS_AVX2_MASK(first, second)                                                                                    \
    ((uint64_t)(uint32_t)_mm256_movemask_epi8(first) | (uint64_t)(uint32_t)_mm256_movemask_epi8(second) << 32)

#define MS_AVX2_LOOP(masked)                                                                                           \
    for (; i + 64 <= limit; i += 64) {                                                                                 \
        const uint8_t *const at = p + i;                                                                               \
        _mm_prefetch((const char *)(at + MS_AHEAD), _MM_HINT_T0);                                                      \
        const __m256i v0 = _mm256_loadu_si256((const __m256i *)at);                                                    \
        const __m256i v1 = _mm256_loadu_si256((const __m256i *)(at + 32));                                             \
        const __m256i w0 = _mm256_loadu_si256((const __m256i *)(at + 1));                                              \
        const __m256i w1 = _mm256_loadu_si256((const __m256i *)(at + 33));                                             \
        const uint64_t newlines = MS_AVX2_MASK(_mm256_cmpeq_epi8(v0, newline), _mm256_cmpeq_epi8(v1, newline));        \
        *marks++ = newlines;                                                                                           \
        *before++ = (uint16_t)passed;                                                                                  \
        passed += (uint32_t)_mm_popcnt_u64(newlines);                                                                  \
        const __m256i r0 = MS_AVX2_BUCKETS(masked, v0, w0);                                                            \
        const __m256i r1 = MS_AVX2_BUCKETS(masked, v1, w1);                                                            \
        uint64_t hits = ~MS_AVX2_MASK(_mm256_cmpeq_epi8(r0, zero), _mm256_cmpeq_epi8(r1, zero));                       \
        const uint32_t count = (uint32_t)_mm_popcnt_u64(hits);                                                         \
        /* There is room for both: out[] holds at most i positions so far. */                                        \
        next[0] = (uint32_t)i + (uint32_t)_tzcnt_u64(hits);                                                            \
        hits = _blsr_u64(hits);                                                                                        \
        next[1] = (uint32_t)i + (uint32_t)_tzcnt_u64(hits);                                                            \
        if (__builtin_expect(count > 2, 0)) {                                                                          \
            uint32_t *more = next + 2;                                                                                 \
            for (hits = _blsr_u64(hits); hits; hits = _blsr_u64(hits))                                                 \
                *more++ = (uint32_t)i + (uint32_t)_tzcnt_u64(hits);                                                    \
        }                                                                                                              \
        next += count;                                                                                                 \
    }

MS_TARGET(MS_AVX2_TARGET)
static size_t ms_positions_avx2(const ms_fingerprints *t, const uint8_t *p, size_t n, size_t readable,
                                uint32_t *restrict out, ms_newlines *restrict lines) {
    const __m256i newline = _mm256_set1_epi8('\n');
    const __m256i nibble = _mm256_set1_epi8(15), zero = _mm256_setzero_si256();
    const __m256i low0 = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)t->low[0]));
    const __m256i high0 = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)t->high[0]));
    const __m256i low1 = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)t->low[1]));
    const __m256i high1 = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)t->high[1]));
    const size_t limit = n < readable ? n : n - 1;
    size_t i = 0;
    uint32_t passed = 0, *next = out;
    uint64_t *marks = lines->marks.words;
    uint16_t *before = lines->before;
    /* pshufb takes the low four bits by itself and answers 0 for a byte >= 0x80: with fingerprints that are all ASCII
     * two masks a vector fall away. */
    if (t->ascii) {
        MS_AVX2_LOOP(0)
    } else {
        MS_AVX2_LOOP(1)
    }
    lines->count = passed;
    ms_mark_newlines(lines, p, i, n);
    return (size_t)(next - out) + ms_positions_portable(t, p, i, n, readable, next);
}

#ifdef MS_AVX512_TARGET
/* A loop that is as fast as memory prefetches earlier, and into the second-level cache, because the block, its positions and the columns'
 * ends fill the first-level cache. Compared with the distance above, on Zen 4, throughput rises from 13.9 to 14.8 GB/s with metrics in one
 * line of a hundred, from 7.8 to 8.6 in one of ten, and from 2.8 to 3.0 in every line. Distances from 4 to 16 KiB give the same. The AVX2
 * loop would lose a tenth. */
#define MS_FAR_AHEAD 6144

/* If no fingerprint begins with a byte outside ASCII, one look-up of 128 entries classifies a byte, so there are no mixtures of nibbles.
 * The look-up takes a byte's low seven bits. The first byte's high bit is masked out; the second's is not, which may give candidates that
 * hold no literal. AVX-512 compares into masks, which are the marks. The loop takes 38 instructions for 64 bytes (gcc 12). */
MS_TARGET(MS_AVX512_TARGET)
static size_t ms_positions_avx512(const ms_fingerprints *t, const uint8_t *p, size_t n, size_t readable, uint32_t *restrict out,
                                  ms_newlines *restrict lines) {
    const __m512i newline = _mm512_set1_epi8('\n'), back = _mm512_set1_epi8('\r'), outside = _mm512_set1_epi8((char)0x80);
    const __m512i low0 = _mm512_loadu_si512(t->byte[0]), high0 = _mm512_loadu_si512(t->byte[0] + 64);
    const __m512i low1 = _mm512_or_si512(_mm512_loadu_si512(t->byte[1]), _mm512_loadu_si512(t->byte[1] + 128));
    const __m512i high1 = _mm512_or_si512(_mm512_loadu_si512(t->byte[1] + 64), _mm512_loadu_si512(t->byte[1] + 192));
    const size_t limit = n < readable ? n : n - 1;
    size_t i = 0;
    uint32_t passed = 0, *next = out;
    uint64_t *marks = lines->marks.words;
    uint16_t *before = lines->before;
    __mmask64 returns = 0;
    for (; i + 64 <= limit; i += 64) {
        const uint8_t *const at = p + i;
        _mm_prefetch((const char *)(at + MS_FAR_AHEAD), _MM_HINT_T1);
        const __m512i v = _mm512_loadu_si512(at), w = _mm512_loadu_si512(at + 1);
        const uint64_t newlines = _cvtmask64_u64(_mm512_cmpeq_epi8_mask(v, newline));
        returns = _kor_mask64(returns, _mm512_cmpeq_epi8_mask(v, back));
        *marks++ = newlines;
        *before++ = (uint16_t)passed;
        passed += (uint32_t)_mm_popcnt_u64(newlines);
        uint64_t hits = _cvtmask64_u64(_mm512_mask_test_epi8_mask(_mm512_testn_epi8_mask(v, outside), _mm512_permutex2var_epi8(low0, v, high0),
                                                                  _mm512_permutex2var_epi8(low1, w, high1)));
        const uint32_t count = (uint32_t)_mm_popcnt_u64(hits);
        next[0] = (uint32_t)i + (uint32_t)_tzcnt_u64(hits);
        hits = _blsr_u64(hits);
        next[1] = (uint32_t)i + (uint32_t)_tzcnt_u64(hits);
        if (__builtin_expect(count > 2, 0)) {
            uint32_t *more = next + 2;
            for (hits = _blsr_u64(hits); hits; hits = _blsr_u64(hits)) *more++ = (uint32_t)i + (uint32_t)_tzcnt_u64(hits);
        }
        next += count;
    }
    lines->count = passed;
    lines->returns = _cvtmask64_u64(returns) != 0 || (i < n && memchr(p + i, '\r', n - i) != NULL);
    ms_mark_newlines(lines, p, i, n);
    return (size_t)(next - out) + ms_positions_portable(t, p, i, n, readable, next);
}
#endif

MS_TARGET("ssse3")
static size_t ms_positions_ssse3(const ms_fingerprints *t, const uint8_t *p, size_t n, size_t readable, uint32_t *out) {
    const __m128i nibble = _mm_set1_epi8(15), zero = _mm_setzero_si128();
    const __m128i low0 = _mm_loadu_si128((const __m128i *)t->low[0]);
    const __m128i high0 = _mm_loadu_si128((const __m128i *)t->high[0]);
    const __m128i low1 = _mm_loadu_si128((const __m128i *)t->low[1]);
    const __m128i high1 = _mm_loadu_si128((const __m128i *)t->high[1]);
    const size_t limit = n < readable ? n : n - 1;
    size_t i = 0, found = 0;
    for (; i + 16 <= limit; i += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(p + i));
        __m128i w = _mm_loadu_si128((const __m128i *)(p + i + 1));
        __m128i r = _mm_and_si128(
            _mm_and_si128(_mm_shuffle_epi8(low0, _mm_and_si128(v, nibble)),
                          _mm_shuffle_epi8(high0, _mm_and_si128(_mm_srli_epi16(v, 4), nibble))),
            _mm_and_si128(_mm_shuffle_epi8(low1, _mm_and_si128(w, nibble)),
                          _mm_shuffle_epi8(high1, _mm_and_si128(_mm_srli_epi16(w, 4), nibble))));
        uint32_t hits = 0xFFFFu & ~(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(r, zero));
        for (; hits; hits &= hits - 1) out[found++] = (uint32_t)(i + (size_t)__builtin_ctz(hits));
    }
    return found + ms_positions_portable(t, p, i, n, readable, out + found);
}
#endif

#ifdef MS_NEON
static size_t ms_positions_neon(const ms_fingerprints *t, const uint8_t *p, size_t n, size_t readable, uint32_t *out) {
    const uint8x16_t nibble = vdupq_n_u8(15);
    const uint8x16_t low0 = vld1q_u8(t->low[0]), high0 = vld1q_u8(t->high[0]);
    const uint8x16_t low1 = vld1q_u8(t->low[1]), high1 = vld1q_u8(t->high[1]);
    const size_t limit = n < readable ? n : n - 1;
    size_t i = 0, found = 0;
    for (; i + 16 <= limit; i += 16) {
        uint8x16_t v = vld1q_u8(p + i), w = vld1q_u8(p + i + 1);
        uint8x16_t r = vandq_u8(
            vandq_u8(vqtbl1q_u8(low0, vandq_u8(v, nibble)), vqtbl1q_u8(high0, vshrq_n_u8(v, 4))),
            vandq_u8(vqtbl1q_u8(low1, vandq_u8(w, nibble)), vqtbl1q_u8(high1, vshrq_n_u8(w, 4))));
        /* four bits a byte: NEON has no movemask, narrowing by four is its cheapest stand-in */
        uint8x16_t some = vtstq_u8(r, r);
        uint64_t hits = vget_lane_u64(vreinterpret_u64_u8(vshrn_n_u16(vreinterpretq_u16_u8(some), 4)), 0);
        hits &= 0x8888888888888888ull;
        for (; hits; hits &= hits - 1) out[found++] = (uint32_t)(i + ((size_t)__builtin_ctzll(hits) >> 2));
    }
    return found + ms_positions_portable(t, p, i, n, readable, out + found);
}
#endif

static size_t ms_positions(const ms_fingerprints *t, const uint8_t *p, size_t n, size_t readable, uint32_t *out,
                           ms_newlines *lines) {
    lines->count = 0;
#ifdef MS_AVX512_TARGET
    if (t->level == MS_AVX512 && t->ascii_first) return ms_positions_avx512(t, p, n, readable, out, lines);
#endif
#ifdef MS_X86
    if (t->level >= MS_AVX2) {
        const size_t found = ms_positions_avx2(t, p, n, readable, out, lines);
        lines->returns = memchr(p, '\r', n) != NULL;
        return found;
    }
#endif
    ms_mark_newlines(lines, p, 0, n);
    lines->returns = memchr(p, '\r', n) != NULL;
#ifdef MS_X86
    if (t->level == MS_SSSE3) return ms_positions_ssse3(t, p, n, readable, out);
#endif
#ifdef MS_NEON
    if (t->level == MS_NEON_LEVEL) return ms_positions_neon(t, p, n, readable, out);
#endif
    return ms_positions_portable(t, p, 0, n, readable, out);
}

/* The head of a window's chain in a hash table of mask + 1 heads. */
static inline uint32_t ms_slot(uint64_t window, uint32_t mask) {
    return (uint32_t)((window * 0x9E3779B97F4A7C15ull) >> 32) & mask;
}

#endif
