/* Read a captured text as Python's float() does, if one rounding suffices.
 *
 * The digits are collected in a 64-bit integer. If it is at most 2^53 and the power of ten at most 10^22, both are exact doubles, and
 * one multiplication or division rounds once. This is Clinger's fast path, and gives the same bits as float(). All other text that
 * float() might accept is left to float() itself, so there is one implementation of rounding.
 */
#ifndef METRICSCAN_NUMBERS_H
#define METRICSCAN_NUMBERS_H

#include <float.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "simd_levels.h"

/* On processors that compute with wider doubles than they store, such as the x87, a result is rounded twice: float() reads such texts. */
#if FLT_EVAL_METHOD == 0 || FLT_EVAL_METHOD == 1
#define MS_ROUNDS_ONCE 1
#else
#define MS_ROUNDS_ONCE 0
#endif

enum {
    MS_NUMBER = 0,  /* *value is what float() gives */
    MS_UNSURE = 1,  /* float() must decide */
    MS_REFUSED = 2  /* float() refuses this text */
};

static const double ms_powers_of_ten[23] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                            1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* Return whether no text that float() accepts contains this byte. float() accepts blanks, digits, signs, '.', '_', and the letters of
 * "nan", "infinity" and "e". Bytes >= 0x80 may belong to digits or blanks of Unicode. */
static int ms_never_in_a_number(uint8_t c) {
    if (c >= 0x80 || c <= 0x20) return 0;
    if (c >= '0' && c <= '9') return 0;
    if (c == '+' || c == '-' || c == '.' || c == '_') return 0;
    switch (c | 0x20) {
    case 'e': case 'n': case 'a': case 'i': case 'f': case 't': case 'y': return 0;
    default: return 1;
    }
}

/* Classify a text that is no plain number: MS_REFUSED if it is empty or holds a byte that float() never accepts, else MS_UNSURE. */
static int ms_refused_or_unsure(const uint8_t *s, const uint8_t *end) {
    if (s == end) return MS_REFUSED;
    for (; s < end; s++)
        if (ms_never_in_a_number(*s)) return MS_REFUSED;
    return MS_UNSURE;
}

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define MS_SWAR 1
#endif

#ifdef MS_SWAR
static const uint32_t ms_whole_powers[9] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};

/* Return the number that the first n (1-8) bytes of a word spell. Each byte is a digit less '0'. */
static inline uint64_t ms_aligned_digits(uint64_t word, size_t n) {
    word <<= (8 - n) * 8;
    word = (word & 0x0F0F0F0F0F0F0F0Full) * 2561 >> 8;
    word = (word & 0x00FF00FF00FF00FFull) * 6553601 >> 16;
    return (word & 0x0000FFFF0000FFFFull) * 42949672960001ull >> 32;
}
#endif

/* Append the digits at s to *mantissa, add their number to *count, and return where they end. Bytes before `limit`, which lies at or
 * behind `end`, may be read. Each step takes eight bytes: numbers in logs have one to eight digits before or after the point. */
static inline const uint8_t *ms_digits(const uint8_t *s, const uint8_t *end, const uint8_t *limit, uint64_t *mantissa,
                                       int *count) {
#ifdef MS_SWAR
    while (limit - s >= 8 && s < end && *count <= 16) {
        uint64_t word;
        memcpy(&word, s, 8);
        word ^= 0x3030303030303030ull;
        uint64_t other = ((word + 0x7676767676767676ull) | word) & 0x8080808080808080ull;
        int digits = other ? __builtin_ctzll(other) >> 3 : 8;
        if (digits > end - s) digits = (int)(end - s);
        if (digits == 0) return s;
        *mantissa = *mantissa * ms_whole_powers[digits] + ms_aligned_digits(word, (size_t)digits);
        *count += digits;
        s += digits;
        if (digits < 8) return s;
    }
#else
    (void)limit;
#endif
    while (s < end && (uint8_t)(*s - '0') < 10) {
        /* More than 19 digits would overflow the integer. The caller sees the count, and leaves the text to float(). */
        if (*count < 19) *mantissa = *mantissa * 10 + (uint64_t)(*s - '0');
        *count += 1;
        s++;
    }
    return s;
}

/* Return whether the text is this word, in any case. */
static int ms_word(const uint8_t *s, const uint8_t *end, const char *word) {
    size_t length = strlen(word);
    if ((size_t)(end - s) != length) return 0;
    for (size_t i = 0; i < length; i++)
        if ((s[i] | 0x20) != (uint8_t)word[i]) return 0;
    return 1;
}

static double ms_from_bits(uint64_t bits) {
    double value;
    memcpy(&value, &bits, 8);
    return value;
}

/* The reader for all texts: [s, end) is the text, [s, limit) may be read. Returns MS_NUMBER and the value, MS_UNSURE or MS_REFUSED. */
__attribute__((noinline)) static int ms_number_general(const uint8_t *s, const uint8_t *end, const uint8_t *limit, double *value) {
    const uint8_t *text = s;
    const uint8_t *text_end = end;
    while (s < end && (*s == ' ' || *s == '\t')) s++;
    while (end > s && (end[-1] == ' ' || end[-1] == '\t')) end--;
    int negative = 0;
    if (s < end && (*s == '-' || *s == '+')) negative = *s++ == '-';
    const uint8_t *body = s;

    uint64_t mantissa = 0;
    int whole = 0, digits, exponent = 0;
    s = ms_digits(s, end, limit, &mantissa, &whole);
    digits = whole;
    if (s < end && *s == '.') {
        s = ms_digits(s + 1, end, limit, &mantissa, &digits);
        exponent = whole - digits;
    }
    if (digits == 0) {
        if (s == body && ms_word(s, end, "nan")) {
            *value = ms_from_bits(0x7FF8000000000000ull | (uint64_t)negative << 63);
            return MS_NUMBER;
        }
        if (s == body && (ms_word(s, end, "inf") || ms_word(s, end, "infinity"))) {
            *value = ms_from_bits(0x7FF0000000000000ull | (uint64_t)negative << 63);
            return MS_NUMBER;
        }
        return ms_refused_or_unsure(text, text_end);
    }
    if (s < end && (*s | 0x20) == 'e') {
        const uint8_t *e = s + 1;
        int minus = 0, power = 0;
        if (e < end && (*e == '-' || *e == '+')) minus = *e++ == '-';
        if (e == end || (uint8_t)(*e - '0') >= 10) return ms_refused_or_unsure(text, text_end);
        for (; e < end && (uint8_t)(*e - '0') < 10; e++)
            if (power < 100000) power = power * 10 + (*e - '0');
        exponent += minus ? -power : power;
        s = e;
    }
    if (s != end) return ms_refused_or_unsure(text, text_end);
    if (digits > 19 || mantissa > (1ull << 53)) return MS_UNSURE;
    double result = (double)(int64_t)mantissa;
    if (mantissa != 0 && exponent != 0) {
        if (!MS_ROUNDS_ONCE || exponent < -22 || exponent > 22) return MS_UNSURE;
        result = exponent < 0 ? result / ms_powers_of_ten[-exponent] : result * ms_powers_of_ten[exponent];
    }
    *value = negative ? -result : result;
    return MS_NUMBER;
}

/* The reader for [-]whole[.fraction] with at most fifteen digits, the form of most numbers in logs. [s, end) is the text, [s, limit)
 * may be read. Returns 1 and the value if the text has this form; 0 leaves the text to ms_number_general.
 *
 * A text of up to eight characters fits into one word: the reader cuts the point out of it, and converts all digits at once. A text
 * with up to eight digits on each side of the point takes two words. Neither case has a loop. Fifteen digits stay below 2^53, and 10^8
 * below 10^22, so the division is that of Clinger's fast path. This reader takes a third of the instructions of ms_number_general. */
__attribute__((always_inline)) static inline int ms_short_number(const uint8_t *s, const uint8_t *end, const uint8_t *limit, double *value) {
#if defined(MS_SWAR) && MS_ROUNDS_ONCE
    if (s >= end || limit - end < 8) return 0;
    const uint8_t *p = s + (*s == '-');
    size_t n = (size_t)(end - p), whole, fraction;
    uint64_t word, rest, mantissa;
    memcpy(&word, p, 8);
    word ^= 0x3030303030303030ull;
    /* Each byte that is no digit gets its high bit set. */
    uint64_t other = ((word + 0x7676767676767676ull) | word) & 0x8080808080808080ull;
    if (n <= 8) {
        if (n == 0) return 0;
        other <<= (8 - n) * 8;
        if (other == 0) {
            double result = (double)(int64_t)ms_aligned_digits(word, n);
            *value = *s == '-' ? -result : result;
            return 1;
        }
        other >>= (8 - n) * 8;
        whole = (size_t)__builtin_ctzll(other) >> 3;
        if (n == 1 || (other & (other - 1)) != 0 || p[whole] != '.') return 0;
        uint64_t before = ((uint64_t)1 << whole * 8) - 1;
        mantissa = ms_aligned_digits((word & before) | (word >> 8 & ~before), n - 1);
        fraction = n - 1 - whole;
    } else {
        if (other == 0) return 0;
        whole = (size_t)__builtin_ctzll(other) >> 3;
        fraction = n - whole - 1;
        if (whole == 0 || fraction > 8 || p[whole] != '.') return 0;
        mantissa = ms_aligned_digits(word, whole);
        memcpy(&rest, p + whole + 1, 8);
        rest ^= 0x3030303030303030ull;
        other = ((rest + 0x7676767676767676ull) | rest) & 0x8080808080808080ull;
        if (other << (8 - fraction) * 8) return 0;
        mantissa = mantissa * ms_whole_powers[fraction] + ms_aligned_digits(rest, fraction);
    }
    double result = (double)(int64_t)mantissa / ms_powers_of_ten[fraction];
    *value = *s == '-' ? -result : result;
    return 1;
#else
    (void)s, (void)end, (void)limit, (void)value;
    return 0;
#endif
}

#ifdef MS_X86
/* A sliding mask: of the sixteen bytes that begin at place n, the last n are set. */
static const uint8_t ms_last_bytes[32] = {0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,
                                          255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255};

/* ms_short_number with SSE2, in half the instructions: up to fifteen digits around one point. The sixteen bytes before `end`, which must
 * be readable, are converted to digits at once. A mask clears the bytes before the text, the bytes before the point move up by one
 * byte, and three multiplications join neighbours: digits to pairs, pairs to fours, fours to eights. */
static inline int ms_short_number_vector(const uint8_t *s, const uint8_t *end, double *value) {
    size_t n = (size_t)(end - s), fraction = 0;
    if (n - 1 > 15) return 0;
    __m128i digits = _mm_sub_epi8(_mm_loadu_si128((const __m128i *)(end - 16)), _mm_set1_epi8('0'));
    const uint32_t are = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(digits, _mm_set1_epi8(9)), digits));
    /* Bit i is set if s[i] is no digit. */
    uint32_t other = ~are << 16 >> (32 - n);
    const uint32_t minus = *s == '-';
    other ^= minus;
    if (other) {
        const size_t point = (size_t)__builtin_ctz(other);
        if ((other & (other - 1)) != 0 || s[point] != '.') return 0;
        fraction = n - 1 - point;
        n--;
        const __m128i behind = _mm_loadu_si128((const __m128i *)(ms_last_bytes + fraction));
        digits = _mm_or_si128(_mm_and_si128(behind, digits), _mm_andnot_si128(behind, _mm_slli_si128(digits, 1)));
    }
    n -= minus;
    if (n - 1 > 14) return 0;
    digits = _mm_and_si128(digits, _mm_loadu_si128((const __m128i *)(ms_last_bytes + n)));
    const __m128i pairs = _mm_add_epi16(_mm_mullo_epi16(_mm_and_si128(digits, _mm_set1_epi16(255)), _mm_set1_epi16(10)),
                                        _mm_srli_epi16(digits, 8));
    const __m128i fours = _mm_madd_epi16(pairs, _mm_set1_epi32(100 | 1 << 16));
    const __m128i eights = _mm_madd_epi16(_mm_packs_epi32(fours, fours), _mm_set1_epi32(10000 | 1 << 16));
    const uint64_t both = (uint64_t)_mm_cvtsi128_si64(eights);
    const double result = (double)(int64_t)((uint32_t)both * (uint64_t)100000000 + (both >> 32)) / ms_powers_of_ten[fraction];
    *value = minus ? -result : result;
    return 1;
}
#define MS_VECTOR_NUMBERS 1
#else
#define MS_VECTOR_NUMBERS 0
static inline int ms_short_number_vector(const uint8_t *s, const uint8_t *end, double *value) {
    (void)s, (void)end, (void)value;
    return 0;
}
#endif

#ifdef MS_X86
/* Shuffle masks. Entry 16 n + p serves a text of n characters with its point at place p; p == n means that it has no point. The mask
 * moves the digits to the end of sixteen bytes, drops the point, and clears the bytes in front (by indices with their high bit set). */
#define MS_DIGIT(n, p, i) (uint8_t)((i) + (n) - 16 - ((p) < (n) && (i) <= 16 - ((n) - (p))))
#define MS_DIGITS(n, p)                                                                                                          \
    {MS_DIGIT(n, p, 0),  MS_DIGIT(n, p, 1),  MS_DIGIT(n, p, 2),  MS_DIGIT(n, p, 3), MS_DIGIT(n, p, 4),  MS_DIGIT(n, p, 5),       \
     MS_DIGIT(n, p, 6),  MS_DIGIT(n, p, 7),  MS_DIGIT(n, p, 8),  MS_DIGIT(n, p, 9), MS_DIGIT(n, p, 10), MS_DIGIT(n, p, 11),      \
     MS_DIGIT(n, p, 12), MS_DIGIT(n, p, 13), MS_DIGIT(n, p, 14), MS_DIGIT(n, p, 15)}
#define MS_POINTS(n)                                                                                                             \
    MS_DIGITS(n, 0), MS_DIGITS(n, 1), MS_DIGITS(n, 2), MS_DIGITS(n, 3), MS_DIGITS(n, 4), MS_DIGITS(n, 5), MS_DIGITS(n, 6),         \
        MS_DIGITS(n, 7), MS_DIGITS(n, 8), MS_DIGITS(n, 9), MS_DIGITS(n, 10), MS_DIGITS(n, 11), MS_DIGITS(n, 12),                 \
        MS_DIGITS(n, 13), MS_DIGITS(n, 14), MS_DIGITS(n, 15)
/* Divisors. Entry 256 minus + 16 n + p divides the digits of such a text; minus is 1 if the text begins with a minus. Its divisor is then
 * negative, so that -0 keeps its sign. The divisor is 1 where the point would stand behind the text. */
#define MS_POWER(sign, n, p) sign(double)((n) > (p) ? MS_POWER_OF_TEN((n) - (p) - 1) : 1)
#define MS_POWER_OF_TEN(k)                                                                                                       \
    ((k) == 0 ? 1ll : (k) == 1 ? 10ll : (k) == 2 ? 100ll : (k) == 3 ? 1000ll : (k) == 4 ? 10000ll : (k) == 5 ? 100000ll          \
     : (k) == 6 ? 1000000ll : (k) == 7 ? 10000000ll : (k) == 8 ? 100000000ll : (k) == 9 ? 1000000000ll                           \
     : (k) == 10 ? 10000000000ll : (k) == 11 ? 100000000000ll : (k) == 12 ? 1000000000000ll : (k) == 13 ? 10000000000000ll       \
     : 100000000000000ll)
#define MS_POWERS(sign, n)                                                                                                       \
    MS_POWER(sign, n, 0), MS_POWER(sign, n, 1), MS_POWER(sign, n, 2), MS_POWER(sign, n, 3), MS_POWER(sign, n, 4),                \
        MS_POWER(sign, n, 5), MS_POWER(sign, n, 6), MS_POWER(sign, n, 7), MS_POWER(sign, n, 8), MS_POWER(sign, n, 9),            \
        MS_POWER(sign, n, 10), MS_POWER(sign, n, 11), MS_POWER(sign, n, 12), MS_POWER(sign, n, 13), MS_POWER(sign, n, 14),       \
        MS_POWER(sign, n, 15)
#define MS_FOR_SIZES(of, ...)                                                                                                    \
    of(__VA_ARGS__ 0), of(__VA_ARGS__ 1), of(__VA_ARGS__ 2), of(__VA_ARGS__ 3), of(__VA_ARGS__ 4), of(__VA_ARGS__ 5),            \
        of(__VA_ARGS__ 6), of(__VA_ARGS__ 7), of(__VA_ARGS__ 8), of(__VA_ARGS__ 9), of(__VA_ARGS__ 10), of(__VA_ARGS__ 11),      \
        of(__VA_ARGS__ 12), of(__VA_ARGS__ 13), of(__VA_ARGS__ 14), of(__VA_ARGS__ 15)

static const struct {
    uint8_t places[256][16];
    double powers[512];
} ms_shapes = {{MS_FOR_SIZES(MS_POINTS, )}, {MS_FOR_SIZES(MS_POWERS, +,), MS_FOR_SIZES(MS_POWERS, -,)}};

/* The constants of ms_short_number_wide, which a loop keeps in registers. Without MS_OPAQUE the compiler would rebuild each of them for
 * every number, with three instructions. */
typedef struct {
    __m128i zero, nine, point, tens, hundreds, thousands;
    __m128d parts;
} ms_number_constants;

#define MS_OPAQUE(x) __asm__("" : "+x"(x))
MS_TARGET(MS_AVX2_TARGET)
static inline ms_number_constants ms_number_constants_made(void) {
    ms_number_constants c = {_mm_set1_epi8('0'),          _mm_set1_epi8(9),              _mm_set1_epi8('.'),
                             _mm_set1_epi16(10 | 1 << 8), _mm_set1_epi32(100 | 1 << 16), _mm_set1_epi32(10000 | 1 << 16),
                             _mm_setr_pd(1e8, 1.0)};
    MS_OPAQUE(c.zero);
    MS_OPAQUE(c.nine);
    MS_OPAQUE(c.point);
    MS_OPAQUE(c.tens);
    MS_OPAQUE(c.hundreds);
    MS_OPAQUE(c.thousands);
    MS_OPAQUE(c.parts);
    return c;
}

/* ms_short_number with AVX2: it reads a text of up to fifteen characters, the minus included. `text` holds the sixteen bytes from s on, and
 * the text is the first n of them. */
MS_TARGET(MS_AVX2_TARGET)
static inline int ms_short_number_wide(const ms_number_constants *c, __m128i text, const uint8_t *s, size_t n, double *value) {
    if (n > 15) return 0;
    __m128i digits = _mm_sub_epi8(text, c->zero);
    const __m128i are = _mm_cmpeq_epi8(_mm_min_epu8(digits, c->nine), digits);
    const uint32_t places = _bzhi_u32((uint32_t)_mm_movemask_epi8(are), (uint32_t)n);
    const size_t minus = *s == '-';
    if (places == 0) return 0;
    /* Bit i is set if s[i] is neither a digit nor the minus. Bit n, the place behind the text, is set too. */
    const uint32_t others = (places ^ (((uint32_t)2 << n) - 1)) & ~(uint32_t)minus;
    const size_t point = _tzcnt_u32(others);
    const uint32_t points = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(text, c->point)) | (uint32_t)1 << n;
    if (_blsr_u32(_blsr_u32(others)) != 0 || (points >> point & 1) == 0) return 0;
    /* The index 16 n + point, times eight: the offset of the divisor. */
    const size_t shape = n * 128 + point * 8;
    /* A byte that is no digit becomes a leading 0. */
    digits = _mm_shuffle_epi8(_mm_and_si128(digits, are), _mm_loadu_si128((const __m128i *)((const char *)ms_shapes.places + shape * 2)));
    const __m128i fours = _mm_madd_epi16(_mm_maddubs_epi16(digits, c->tens), c->hundreds);
    const __m128i eights = _mm_madd_epi16(_mm_packus_epi32(fours, fours), c->thousands);
    /* The sum high half * 10^8 + low half is exact. */
    const __m128d halves = _mm_mul_pd(_mm_cvtepi32_pd(eights), c->parts);
    *value = _mm_cvtsd_f64(_mm_hadd_pd(halves, halves)) / *(const double *)((const char *)ms_shapes.powers + minus * 2048 + shape);
    return 1;
}
#endif

/* Read a number: [s, end) is the text, [s, limit) may be read. Returns MS_NUMBER and the value, MS_UNSURE or MS_REFUSED. */
__attribute__((always_inline)) static inline int ms_number(const uint8_t *s, const uint8_t *end, const uint8_t *limit, double *value) {
    if (ms_short_number(s, end, limit, value)) return MS_NUMBER;
    return ms_number_general(s, end, limit, value);
}

#endif
