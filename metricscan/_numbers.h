/* Reading a captured text as Python's float() would, where that can be decided without rounding twice.
 *
 * Digits go into a 64-bit integer. While it stays at or below 2^53 and the power of ten within 10^22, both are exact
 * doubles and one multiplication or division rounds once: Clinger's fast path, the same bits as float(). Everything else
 * that float() might accept is left to float() itself: there is no second opinion on rounding.
 */
#ifndef METRICSCAN_NUMBERS_H
#define METRICSCAN_NUMBERS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    MS_NUMBER = 0,  /* *value is what float() gives */
    MS_UNSURE = 1,  /* float() must decide */
    MS_REFUSED = 2  /* float() refuses this text */
};

static const double ms_powers_of_ten[23] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                            1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* ASCII bytes that no text accepted by float() contains: all but blanks, digits, signs, '.', '_', and the letters of
 * "nan", "infinity" and "e". Bytes >= 0x80 may be digits or blanks of Unicode. */
static int ms_never_in_a_number(uint8_t c) {
    if (c >= 0x80 || c <= 0x20) return 0;
    if (c >= '0' && c <= '9') return 0;
    if (c == '+' || c == '-' || c == '.' || c == '_') return 0;
    switch (c | 0x20) {
    case 'e': case 'n': case 'a': case 'i': case 'f': case 't': case 'y': return 0;
    default: return 1;
    }
}

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

/* The number that the first n (1-8) bytes of a word of digits (each less '0') spell. */
static inline uint64_t ms_aligned_digits(uint64_t word, size_t n) {
    word <<= (8 - n) * 8;
    word = (word & 0x0F0F0F0F0F0F0F0Full) * 2561 >> 8;
    word = (word & 0x00FF00FF00FF00FFull) * 6553601 >> 16;
    return (word & 0x0000FFFF0000FFFFull) * 42949672960001ull >> 32;
}
#endif

/* Append the digits at s to *mantissa; returns where they end. *count grows by how many there were. limit: what may be
 * read, at or behind end. Eight bytes a step (a number of a log has one to eight digits before or after its point). */
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
        /* past 19 digits the integer would overflow: the caller sees the count and leaves the text to float() */
        if (*count < 19) *mantissa = *mantissa * 10 + (uint64_t)(*s - '0');
        *count += 1;
        s++;
    }
    return s;
}

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
        if (exponent < -22 || exponent > 22) return MS_UNSURE;
        result = exponent < 0 ? result / ms_powers_of_ten[-exponent] : result * ms_powers_of_ten[exponent];
    }
    *value = negative ? -result : result;
    return MS_NUMBER;
}

/* What logs print is mostly [-]whole[.fraction]; [s, end) is the text, [s, limit) may be read. 1 and the value if it is
 * that, with at most fifteen digits; 0 says nothing.
 *
 * Up to eight characters take one word: the point is cut out of it, and one conversion does for all digits. Up to eight
 * digits on either side take two. No loop in either; fifteen digits stay below 2^53 and 10^8 below 10^22, so the division is
 * Clinger's. A third of the instructions of the general reader. */
static inline int ms_short_number(const uint8_t *s, const uint8_t *end, const uint8_t *limit, double *value) {
#ifdef MS_SWAR
    if (s >= end || limit - end < 8) return 0;
    const uint8_t *p = s + (*s == '-');
    size_t n = (size_t)(end - p), whole, fraction;
    uint64_t word, rest, mantissa;
    memcpy(&word, p, 8);
    word ^= 0x3030303030303030ull;
    /* the high bit of each byte that is no digit */
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

#if defined(__SSE2__) && defined(__x86_64__)
#include <emmintrin.h>

/* Sixteen bytes from place n on have their last n bytes set. */
static const uint8_t ms_last_bytes[32] = {0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,
                                          255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255};

/* The same with up to fifteen digits around one point, and in half the instructions: all sixteen bytes before `end`, which must
 * be there to be read, become digits at once. What stands before the text is masked, what stands before the point moves up by a
 * byte, and three multiplications join neighbours: digits to pairs, pairs to fours, fours to eights. */
static inline int ms_short_number_vector(const uint8_t *s, const uint8_t *end, double *value) {
    size_t n = (size_t)(end - s), fraction = 0;
    if (n - 1 > 15) return 0;
    __m128i digits = _mm_sub_epi8(_mm_loadu_si128((const __m128i *)(end - 16)), _mm_set1_epi8('0'));
    const uint32_t are = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(digits, _mm_set1_epi8(9)), digits));
    /* bit i: s[i] is no digit */
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

/* [s, end) is the text, [s, limit) may be read. */
static inline int ms_number(const uint8_t *s, const uint8_t *end, const uint8_t *limit, double *value) {
    if (ms_short_number(s, end, limit, value)) return MS_NUMBER;
    return ms_number_general(s, end, limit, value);
}

#endif
