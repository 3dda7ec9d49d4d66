/* Write numbers as text: integers, and the shortest decimal from which float() reads exactly the same double.
 *
 * Most values of logs have few digits: if v * 10^6 is an integer of at most 15 digits and the quotient by 10^6 is v again, its
 * digits are the only ones of 15 or fewer that read as v, so they are the shortest. All other doubles go through the algorithm
 * "Schubfach" (Raffaello Giulietti, "The Schubfach way to render doubles", 2020), which needs no arithmetic but that of integers.
 */
#ifndef METRICSCAN_NUMBER_TEXT_H
#define METRICSCAN_NUMBER_TEXT_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "numbers.h"

enum {
    MS_FIRST_POWER = -292,
    MS_LAST_POWER = 324,
    MS_POWERS = MS_LAST_POWER - MS_FIRST_POWER + 1,
    MS_NUMBER_ROOM = 32 /* bytes, more than any number takes */
};

/* The 128 leading bits of 10^MS_FIRST_POWER and so on, rounded up: first the high 64, then the low. Set once, before the first use. */
static uint64_t ms_power_bits[MS_POWERS][2];

static const char ms_two_digits[201] =
    "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748495051525354555657585960616263"
    "646566676869707172737475767778798081828384858687888990919293949596979899";

static inline uint64_t ms_high_of_product(uint64_t a, uint64_t b, uint64_t *low) {
#ifdef __SIZEOF_INT128__
    const unsigned __int128 product = (unsigned __int128)a * b;
    *low = (uint64_t)product;
    return (uint64_t)(product >> 64);
#else
    const uint64_t a0 = (uint32_t)a, a1 = a >> 32, b0 = (uint32_t)b, b1 = b >> 32;
    const uint64_t middle = a1 * b0 + (a0 * b0 >> 32), other = a0 * b1 + (uint32_t)middle;
    *low = a * b;
    return a1 * b1 + (middle >> 32) + (other >> 32);
#endif
}

/* floor(g * x / 2^128), with the last bit set if anything was cut off. */
static inline uint64_t ms_round_to_odd(const uint64_t g[2], uint64_t x) {
    uint64_t low, middle, ignored;
    const uint64_t carried = ms_high_of_product(g[1], x, &ignored);
    uint64_t high = ms_high_of_product(g[0], x, &middle);
    low = middle + carried;
    high += low < middle;
    return high | (low > 1);
}

/* Find the shortest decimal of a finite double above 0, the closest one if there are several: digits * 10^*exponent. */
static uint64_t ms_shortest(double value, int *exponent) {
    uint64_t bits, c;
    int q;
    memcpy(&bits, &value, sizeof bits);
    c = bits & ((UINT64_C(1) << 52) - 1);
    q = (int)(bits >> 52 & 0x7ff);
    /* below a power of two doubles lie twice as dense as above it */
    const int is_irregular = c == 0 && q > 1;
    if (q != 0) c |= UINT64_C(1) << 52;
    else q = 1;
    q -= 1075;
    /* logarithms as products with integers: exact for all exponents of doubles */
    const int k = (q * 1262611 - (is_irregular ? 524031 : 0)) >> 22;
    const int h = q + ((-k * 1741647) >> 19) + 1;
    const uint64_t *g = ms_power_bits[-k - MS_FIRST_POWER];
    const uint64_t odd = c & 1;
    const uint64_t lower = ms_round_to_odd(g, (4 * c - 2 + (uint64_t)is_irregular) << h) + odd;
    const uint64_t middle = ms_round_to_odd(g, 4 * c << h);
    const uint64_t upper = ms_round_to_odd(g, (4 * c + 2) << h) - odd;
    const uint64_t s = middle / 4;
    *exponent = k;
    if (s >= 10) {
        const uint64_t tens = s / 10;
        const int below = lower <= 40 * tens, above = 40 * tens + 40 <= upper;
        if (below != above) {
            *exponent = k + 1;
            return tens + (uint64_t)above;
        }
    }
    const int below = lower <= 4 * s, above = 4 * s + 4 <= upper;
    if (below != above) return s + (uint64_t)above;
    const uint64_t half = 4 * s + 2;
    return s + (uint64_t)(middle > half || (middle == half && (s & 1)));
}

static inline int ms_count_digits(uint64_t x) {
    int count = 1;
    for (; x >= 10000; x /= 10000) count += 4;
    return count + (x >= 10) + (x >= 100) + (x >= 1000);
}

/* Write the last `count` digits of x. */
static inline void ms_put_digits(uint8_t *to, uint64_t x, int count) {
    while (count >= 2) {
        const uint64_t rest = x / 100;
        count -= 2;
        memcpy(to + count, ms_two_digits + 2 * (x - 100 * rest), 2);
        x = rest;
    }
    if (count) to[0] = (uint8_t)('0' + x % 10);
}

/* The eight digits of x < 10^8, each in a byte, the first one in the lowest: halves, quarters and eighths at once. */
static inline uint64_t ms_eight_digits(uint32_t x) {
    const uint64_t halves = x / 10000 | (uint64_t)(x % 10000) << 32;
    const uint64_t hundreds = (halves * 10486) >> 20 & UINT64_C(0x0000007F0000007F);
    const uint64_t quarters = hundreds | (halves - 100 * hundreds) << 16;
    const uint64_t tens = (quarters * 103) >> 10 & UINT64_C(0x000F000F000F000F);
    return tens | (quarters - 10 * tens) << 8;
}

/* Write the digits from `skipped` on; eight bytes are written, whatever is skipped. Returns the end. */
static inline uint8_t *ms_put_eight(uint8_t *to, uint64_t digits, int skipped) {
    digits = (digits | UINT64_C(0x3030303030303030)) >> 8 * skipped;
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    digits = __builtin_bswap64(digits);
#endif
    memcpy(to, &digits, 8);
    return to + 8 - skipped;
}

static inline uint8_t *ms_put_up_to_eight(uint8_t *to, uint32_t x) {
    /* whole parts of values, and what stands before the last eight digits of an offset */
    if (x < 10) {
        *to = (uint8_t)('0' + x);
        return to + 1;
    }
    const uint64_t digits = ms_eight_digits(x);
    return ms_put_eight(to, digits, __builtin_ctzll(digits) / 8);
}

static inline uint8_t *ms_put_unsigned(uint8_t *to, uint64_t x) {
    if (x >= UINT64_C(10000000000000000)) {
        const int count = ms_count_digits(x);
        ms_put_digits(to, x, count);
        return to + count;
    }
    if (x < 100000000) return ms_put_up_to_eight(to, (uint32_t)x);
    to = ms_put_up_to_eight(to, (uint32_t)(x / 100000000));
    return ms_put_eight(to, ms_eight_digits((uint32_t)(x % 100000000)), 0);
}

static inline uint8_t *ms_put_integer(uint8_t *to, int64_t value) {
    uint64_t x = (uint64_t)value;
    if (value < 0) {
        *to++ = '-';
        x = -x;
    }
    return ms_put_unsigned(to, x);
}

/* How decimals are laid out: plain from 10^lowest up to 10^highest, else with an exponent of at least so many digits. */
typedef struct {
    int lowest, highest, exponent_digits;
    const char *whole; /* what follows a number without a fraction */
    const char *nan, *inf, *minus_inf;
} ms_layout;

/* As repr() writes floats; what JSON lacks as strings. */
static const ms_layout ms_json_layout = {-4, 16, 2, ".0", "\"NaN\"", "\"Infinity\"", "\"-Infinity\""};
/* As Arrow writes CSV. */
static const ms_layout ms_csv_layout = {-6, 10, 1, "", "nan", "inf", "-inf"};

static inline uint8_t *ms_put_text(uint8_t *to, const char *text) {
    const size_t size = strlen(text);
    memcpy(to, text, size);
    return to + size;
}

/* Write a double; at most MS_NUMBER_ROOM bytes. Returns the end. */
static inline uint8_t *ms_put_double(uint8_t *to, double value, const ms_layout *layout) {
    uint64_t digits;
    int exponent, count;
    if (!isfinite(value))
        return ms_put_text(to, isnan(value) ? layout->nan : value > 0 ? layout->inf : layout->minus_inf);
    if (signbit(value)) {
        *to++ = '-';
        value = -value;
    }
    if (value == 0) {
        *to++ = '0';
        return ms_put_text(to, layout->whole);
    }
    const double scaled = value * 1e6;
    if (MS_ROUNDS_ONCE && scaled < 1e15 && (double)(int64_t)(scaled + 0.5) / 1e6 == value) {
        digits = (uint64_t)(scaled + 0.5);
        exponent = -6;
        if (digits >= 100) {
            /* from 10^-4 to 10^9: plain in each layout */
            const uint32_t fraction = (uint32_t)(digits % 1000000);
            to = ms_put_unsigned(to, digits / 1000000);
            if (fraction == 0) return ms_put_text(to, layout->whole);
            const uint64_t six = ms_eight_digits(fraction);
            *to++ = '.';
            return ms_put_eight(to, six, 2) - __builtin_clzll(six) / 8;
        }
    } else {
        digits = ms_shortest(value, &exponent);
    }
    while (digits % 10 == 0) {
        digits /= 10;
        exponent++;
    }
    count = ms_count_digits(digits);
    const int point = count + exponent; /* the value is 0.DIGITS times 10 to this */
    if (point - 1 < layout->lowest || point - 1 >= layout->highest) {
        /* d.ddde+XX */
        ms_put_digits(to + 1, digits, count);
        to[0] = to[1];
        if (count > 1) to[1] = '.';
        to += count > 1 ? count + 1 : 1;
        *to++ = 'e';
        exponent = point - 1;
        *to++ = exponent < 0 ? '-' : '+';
        if (exponent < 0) exponent = -exponent;
        count = exponent >= 100 ? 3 : exponent >= 10 || layout->exponent_digits == 2 ? 2 : 1;
        ms_put_digits(to, (uint64_t)exponent, count);
        return to + count;
    }
    if (exponent >= 0) {
        ms_put_digits(to, digits, count);
        memset(to + count, '0', (size_t)exponent);
        return ms_put_text(to + point, layout->whole);
    }
    if (point <= 0) {
        memcpy(to, "0.0000000", 9);
        to += 2 - point;
        ms_put_digits(to, digits, count);
        return to + count;
    }
    ms_put_digits(to + 1, digits, count);
    memmove(to, to + 1, (size_t)point);
    to[point] = '.';
    return to + count + 1;
}

/* Write microseconds since 1970 as "2026-01-31 23:59:59.000000Z". Returns the end. */
static inline uint8_t *ms_put_time(uint8_t *to, int64_t micros) {
    int64_t seconds = micros / 1000000, micro = micros % 1000000;
    if (micro < 0) {
        micro += 1000000;
        seconds--;
    }
    int64_t days = seconds / 86400, second = seconds % 86400;
    if (second < 0) {
        second += 86400;
        days--;
    }
    /* years from March on, so that the leap day is the last of its year; 400 years have 146,097 days */
    days += 719468;
    const int64_t era = (days >= 0 ? days : days - 146096) / 146097, day = days - era * 146097;
    const int64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    const int64_t of_year = day - (365 * year + year / 4 - year / 100), month = (5 * of_year + 2) / 153;
    int64_t shown = year + era * 400 + (month >= 10);
    if (shown < 0) {
        *to++ = '-';
        shown = -shown;
    }
    const int width = ms_count_digits((uint64_t)shown);
    ms_put_digits(to, (uint64_t)shown, width < 4 ? 4 : width);
    to += width < 4 ? 4 : width;
    memcpy(to, "-00-00 00:00:00.000000Z", 23);
    ms_put_digits(to + 1, (uint64_t)(month < 10 ? month + 3 : month - 9), 2);
    ms_put_digits(to + 4, (uint64_t)(of_year - (153 * month + 2) / 5 + 1), 2);
    ms_put_digits(to + 7, (uint64_t)(second / 3600), 2);
    ms_put_digits(to + 10, (uint64_t)(second / 60 % 60), 2);
    ms_put_digits(to + 13, (uint64_t)(second % 60), 2);
    ms_put_digits(to + 16, (uint64_t)micro, 6);
    return to + 23;
}

#endif
