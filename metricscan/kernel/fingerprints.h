/* The searches over raw bytes: many literals at once, record terminators, newline counts.
 *
 * The literal search follows the idea of Hyperscan's "Teddy": of every literal only a two-byte fingerprint is looked
 * for, 64 positions a step, by table look-ups. A position survives when the byte there and the byte after it agree with one of
 * eight buckets. That may be wrong in one direction only: a position that survives may hold no
 * literal, a literal is never lost. Whoever reads the positions verifies them.
 *
 * Every search exists for several levels (levels.h). The level is chosen when the tables are built, from what the machine can
 * do, and all levels give the same rows: the tests run each of them.
 */
#ifndef METRICSCAN_LITERALS_H
#define METRICSCAN_LITERALS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "levels.h"

/* Fingerprint tables. Bit b of byte[place][x] says: bucket b has a fingerprint with byte x at this place; where a bucket has
 * several, it also answers for their mixtures. The nibble tables hold the same for the low and the high half of the byte, and
 * answer for mixtures of halves too. */
typedef struct {
    uint8_t low[2][16];
    uint8_t high[2][16];
    uint8_t byte[2][256];
    int ascii;       /* no fingerprint has a byte >= 0x80: the low nibble needs no masking */
    int ascii_first; /* none has one as its first byte */
    int level;
} ms_fingerprints;

static void ms_fingerprints_clear(ms_fingerprints *t, int level) {
    memset(t, 0, sizeof *t);
    t->ascii = t->ascii_first = 1;
    t->level = level;
}

/* A fingerprint of two bytes; second < 0: of one, any byte may follow (the end of the input too, which reads as 0). */
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

/* ---- counting a byte */

static size_t ms_count_byte_portable(const uint8_t *p, size_t n, uint8_t x) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++) count += p[i] == x;
    return count;
}

#ifdef MS_X86
/* Byte-wide counters, summed before they can overflow: three instructions for 32 bytes. n is at least 32. */
MS_TARGET(MS_AVX2_TARGET)
static size_t ms_count_byte_avx2(const uint8_t *p, size_t n, uint8_t x) {
    const __m256i needle = _mm256_set1_epi8((char)x), zero = _mm256_setzero_si256();
    __m256i total = zero;
    size_t i = 0;
    while (i + 128 <= n) {
        __m256i a = zero, b = zero, c = zero, d = zero;
        for (int rounds = 0; rounds < 255 && i + 128 <= n; rounds++, i += 128) {
            a = _mm256_sub_epi8(a, _mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)(p + i)), needle));
            b = _mm256_sub_epi8(b, _mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)(p + i + 32)), needle));
            c = _mm256_sub_epi8(c, _mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)(p + i + 64)), needle));
            d = _mm256_sub_epi8(d, _mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)(p + i + 96)), needle));
        }
        total = _mm256_add_epi64(total, _mm256_add_epi64(_mm256_add_epi64(_mm256_sad_epu8(a, zero), _mm256_sad_epu8(b, zero)),
                                                         _mm256_add_epi64(_mm256_sad_epu8(c, zero), _mm256_sad_epu8(d, zero))));
    }
    __m256i rest = zero;
    for (; i + 32 <= n; i += 32)
        rest = _mm256_sub_epi8(rest, _mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)(p + i)), needle));
    total = _mm256_add_epi64(total, _mm256_sad_epu8(rest, zero));
    uint64_t lanes[4];
    _mm256_storeu_si256((__m256i *)lanes, total);
    size_t count = (size_t)(lanes[0] + lanes[1] + lanes[2] + lanes[3]);
    if (i < n) {
        /* the last bytes as the end of a whole vector, whose others have been counted */
        uint32_t last = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)(p + n - 32)), needle));
        count += (size_t)__builtin_popcount(last >> (32 - (n - i)));
    }
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

/* ---- one or two bytes: terminators and the bytes that end a run. Both baselines (SSE2 on x86-64, NEON on aarch64) have
 * them, so they need no run-time choice; where a == b one byte is looked for. */

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

/* Bit i: p[i] == a or b, for i < n <= 64. */
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
        /* eight bits a byte by adding neighbours three times */
        uint8x16_t sum = vpaddq_u8(vpaddq_u8(sums[0], sums[1]), vpaddq_u8(sums[2], sums[3]));
        return vgetq_lane_u64(vreinterpretq_u64_u8(vpaddq_u8(sum, sum)), 0);
    }
#endif
    for (; i < n; i++) marks |= (uint64_t)((p[i] == a) | (p[i] == b)) << i;
    return marks;
}

/* The same for n <= MS_BLOCK bytes, a word of marks for 64 of them. */
static void ms_mark_block(const uint8_t *p, size_t n, uint8_t a, uint8_t b, uint64_t *marks) {
    for (size_t i = 0; i < n; i += 64) marks[i / 64] = ms_mark(p + i, n - i < 64 ? n - i : 64, a, b);
}

/* ---- positions: out[] gets every i in [0, n) whose bytes i, i+1 agree with a bucket. readable >= n bytes may be read
 * from p; the byte after the last readable one counts as 0. out has room for n entries. Returns how many. The newlines in
 * [0, n) are marked on the way. n is at most MS_BLOCK. */

/* Searching and matching go over the same block one after the other: it has to stay in the first-level cache beside the
 * positions found in it (4 bytes each). MS_SOME_POSITIONS are tried at a time: a candidate takes 16 bytes, and a thread may have
 * little stack. */
#ifdef MS_SMALL /* so that whatever is tested meets the edges of both */
#define MS_BLOCK 128
#define MS_SOME_POSITIONS 16
#else
#define MS_BLOCK 4096
#define MS_SOME_POSITIONS 512
#endif
/* Marks of a block: bit i of word w says something of byte 64 w + i. The place behind the block has a word too, and eight words
 * before and behind a place may be looked at at once; those in front are zero. */
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
    int returns; /* there is a \r in the block, too */
} ms_newlines;

/* The builtin is a call of the compiler's library where the instruction may be missing. */
static inline size_t ms_count_bits(uint64_t x) {
    x -= x >> 1 & 0x5555555555555555ull;
    x = (x & 0x3333333333333333ull) + (x >> 2 & 0x3333333333333333ull);
    return (size_t)(((x + (x >> 4)) & 0x0F0F0F0F0F0F0F0Full) * 0x0101010101010101ull >> 56);
}

static inline void ms_note_newlines(ms_newlines *lines, size_t word, uint64_t marks, size_t count) {
    lines->marks.words[word] = marks;
    lines->before[word] = (uint16_t)lines->count;
    lines->count += count;
}

/* Mark those from a multiple of 64 on. */
static void ms_mark_newlines(ms_newlines *lines, const uint8_t *p, size_t from, size_t n) {
    for (size_t i = from; i < n; i += 64) {
        uint64_t newlines = ms_mark(p + i, n - i < 64 ? n - i : 64, '\n', '\n');
        ms_note_newlines(lines, i / 64, newlines, ms_count_bits(newlines));
    }
}

static size_t ms_positions_portable(const ms_fingerprints *t, const uint8_t *p, size_t from, size_t n, size_t readable,
                                    uint32_t *out) {
    size_t found = 0;
    for (size_t i = from; i < n; i++) {
        uint8_t next = i + 1 < readable ? p[i + 1] : 0;
        /* branch-free: a store and an addition a byte beat a mispredicted branch where hits are frequent */
        out[found] = (uint32_t)i;
        found += (t->byte[0][p[i]] & t->byte[1][next]) != 0;
    }
    return found;
}

#ifdef MS_X86
/* The processor fetches ahead by itself, but not over the edge of a page, nor across the work that candidates make between
 * two blocks: asking half a page ahead took a log without metrics from 6.2 to 9.4 GB/s, one with one line in ten from 2.4 to
 * 3.5 (one thread, a Sapphire Rapids whose memory reads at 15 GB/s). Other distances from 1 to 16 KiB gain less. */
#define MS_AHEAD 2048

#define MS_AVX2_BUCKETS(masked, v, w)                                                                                  \
    _mm256_and_si256(                                                                                                  \
        _mm256_and_si256(_mm256_shuffle_epi8(low0, (masked) ? _mm256_and_si256(v, nibble) : (v)),                      \
                         _mm256_shuffle_epi8(high0, _mm256_and_si256(_mm256_srli_epi16(v, 4), nibble))),               \
        _mm256_and_si256(_mm256_shuffle_epi8(low1, (masked) ? _mm256_and_si256(w, nibble) : (w)),                      \
                         _mm256_shuffle_epi8(high1, _mm256_and_si256(_mm256_srli_epi16(w, 4), nibble))))

/* No branch asks whether there is a hit: where one place in a few hundred has one, it would be mispredicted each time. The
 * first two places of 64 are written whether they are there or not, and newlines are marked rather than counted, so that
 * records are found without a second look at the text. Beside a loop that branched and counted, on an EPYC (Zen 3) from
 * memory: whole scans of logs with metrics in one line of ten 4.1 -> 5.2 GB/s, in every line 1.6 -> 1.8, without any 10.3 ->
 * 9.9. */
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
        /* there is room for both: no more than i positions are there so far */                                        \
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
/* A loop that is as fast as memory asks earlier, and for the second-level cache: in the first there is no room beside the block, its
 * positions and the columns' ends. Beside the distance above (Zen 4, one line in a hundred, one in ten, every line): 13.9 -> 14.8,
 * 7.8 -> 8.6, 2.8 -> 3.0 GB/s; from 4 to 16 KiB ahead all do alike. The AVX2 loop loses a tenth by it. */
#define MS_FAR_AHEAD 6144

/* Where no fingerprint begins with a byte outside ASCII, one look-up of 128 entries decides a byte: no halves, no mixtures of
 * them. It takes a byte's low seven bits; the first byte is masked for that, the second may be wrong in the one direction. Marks
 * come as masks, without a detour. 38 instructions for 64 bytes (gcc 12). */
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

/* ---- marks of a block: where before, and where at or behind a place a byte is marked; MS_BLOCK if nowhere. */

static inline size_t ms_marked_before(const uint64_t *marks, size_t at) {
    size_t word = at / 64;
    uint64_t bits = marks[word] & (((uint64_t)1 << at % 64) - 1);
    while (bits == 0) {
        if (word == 0) return MS_BLOCK;
        bits = marks[--word];
    }
    return word * 64 + 63 - (size_t)__builtin_clzll(bits);
}

static inline size_t ms_marked_from(const uint64_t *marks, size_t at, size_t words) {
    size_t word = at / 64;
    uint64_t bits = marks[word] >> at % 64 << at % 64;
    while (bits == 0) {
        if (++word >= words) return MS_BLOCK;
        bits = marks[word];
    }
    return word * 64 + (size_t)__builtin_ctzll(bits);
}

/* First i in [from, to) with p[i] == a or b, else to. */
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

/* The same as a call, where it is rarely needed. */
__attribute__((noinline)) static size_t ms_find_far(const uint8_t *p, size_t from, size_t to, uint8_t a, uint8_t b) {
    return ms_find_either(p, from, to, a, b);
}

/* One past the last i in [from, to) with p[i] == a or b, else from: where the record that holds position `to` starts. */
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

/* As ms_find_either for one byte that is expected within sixteen, with n >= to readable: one load and no loop then. */
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

/* ---- a class of bytes: eight sets of low halves, and which of them goes with each high half, so that two look-ups decide a
 * byte. Exact, where there are no more than eight such sets; level is MS_PORTABLE where there are. */
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

/* First i in [from, to) with p[i] in the class, which is the bytes whose entry in the table is not 0; else to. */
static inline size_t ms_find_class(const ms_class *c, const uint8_t *table, const uint8_t *p, size_t from, size_t to) {
    /* near ones are found before a vector's tables are loaded */
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

/* The same as a call, where it is rarely needed. */
__attribute__((noinline)) static size_t ms_find_class_far(const ms_class *c, const uint8_t *table, const uint8_t *p, size_t from, size_t to) {
    return ms_find_class(c, table, p, from, to);
}

/* First i in [from, to] - length with the needle at i, else to. The needle is not empty. */
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

/* ---- counts */

/* How many of the n bytes at p are a \r with a \n behind it; p[n] is readable. In runs that a byte can count, so that
   compilers use vectors. */
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

/* What ends a record: \n; \n, \r\n and \r; or each \n and each \r on its own. */
enum { MS_LF, MS_UNIVERSAL, MS_EACH };

/* Records that end in [from, to) of a buffer of n bytes, lf of them with a \n. A \r\n counts where its \n lies, so that
   pieces add up. */
static inline size_t ms_records(int level, const uint8_t *p, size_t from, size_t to, size_t n, int terminators, size_t lf) {
    size_t records = lf;
    if (terminators != MS_LF && memchr(p + from, '\r', to - from) != NULL) {
        records += ms_count_byte(level, p + from, to - from, '\r');
        if (terminators == MS_UNIVERSAL) records -= ms_count_pairs(p + from, (to < n ? to : n - 1) - from);
    }
    return records;
}

/* Eight bytes at p[at...], as they lie; those outside [0, n) read as 0. */
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

/* Equality in place: a call of memcmp costs more than the comparison of a literal. */
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

/* Where in a hash table of mask + 1 heads the chain of this window starts. */
static inline uint32_t ms_slot(uint64_t window, uint32_t mask) {
    return (uint32_t)((window * 0x9E3779B97F4A7C15ull) >> 32) & mask;
}

#endif
