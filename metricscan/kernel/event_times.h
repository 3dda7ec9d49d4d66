/* The times of events: milliseconds since the epoch, or dates. */
#ifndef METRICSCAN_EVENT_TIMES_H
#define METRICSCAN_EVENT_TIMES_H

#include "event_decoder.h"

static inline int me_digits(const uint8_t *at, int count, int64_t *number) {
    int64_t value = 0;
    for (int i = 0; i < count; i++) {
        unsigned digit = (unsigned)at[i] - '0';
        if (digit > 9) return 0;
        value = value * 10 + digit;
    }
    *number = value;
    return 1;
}

static inline int me_are_thirteen_digits(const uint8_t *at) {
    const uint64_t high = 0xF0F0F0F0F0F0F0F0ULL, zeros = 0x3030303030303030ULL, six = 0x0606060606060606ULL;
    uint64_t first, last;
    memcpy(&first, at, 8);
    memcpy(&last, at + 5, 8);
    /* the upper half of a digit is 3, and still is when six are added; a byte that carries into the next fails by its own half */
    return (first & high) == zeros && (last & high) == zeros && ((first + six) & high) == zeros && ((last + six) & high) == zeros;
}

/* Return the number that thirteen digits spell. */
static inline int64_t me_read_thirteen_digits(const uint8_t *at) {
    int64_t value = 0;
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    /* Two words are joined to pairs, fours and eights: the first eight digits, and the last five behind three zeros. */
    uint64_t part[2];
    memcpy(&part[0], at, 8);
    memcpy(&part[1], at + 5, 8);
    part[0] -= 0x3030303030303030ULL;
    part[1] = (part[1] - 0x3030303030303030ULL) & 0xFFFFFFFFFF000000ULL;
    for (int i = 0; i < 2; i++) {
        uint64_t x = part[i];
        x = (x * 10 + (x >> 8)) & 0x00FF00FF00FF00FFULL;
        x = (x * 100 + (x >> 16)) & 0x0000FFFF0000FFFFULL;
        part[i] = (x * 10000 + (x >> 32)) & 0xFFFFFFFFULL;
    }
    value = (int64_t)(part[0] * 100000 + part[1]);
#else
    for (int i = 0; i < 13; i++) value = value * 10 + (at[i] - '0');
#endif
    return value;
}

/* Days since 1970-01-01 in the proleptic Gregorian calendar; returns 0 if there is no such day. */
static int me_days(int64_t year, int64_t month, int64_t day, int64_t *days) {
    static const uint8_t length[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (year < 1 || month < 1 || month > 12 || day < 1) return 0;
    int leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (day > length[month - 1] + (leap && month == 2)) return 0;
    int64_t y = year - (month <= 2);
    int64_t era = y / 400;
    int64_t of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    *days = era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
    return 1;
}

/* `YYYY-MM-DDTHH:MM:SS[.fraction]Z`, or with a blank for T and without Z: UTC either way. Returns its length, or 0. */
static int64_t me_date(me_decoder *d, const uint8_t *at, int64_t room, int64_t *micros) {
    int64_t year, month, day, hour, minute, second, days;
    if (room < 19) return 0;
    if (memcmp(d->minute, at, 16)) {
        if (!me_digits(at, 4, &year) || at[4] != '-' || !me_digits(at + 5, 2, &month) || at[7] != '-'
            || !me_digits(at + 8, 2, &day) || (at[10] != 'T' && at[10] != ' ') || !me_digits(at + 11, 2, &hour)
            || at[13] != ':' || !me_digits(at + 14, 2, &minute))
            return 0;
        if (!me_days(year, month, day, &days) || hour > 23 || minute > 59) return 0;
        memcpy(d->minute, at, 16);
        d->minute_micros = (days * 86400 + hour * 3600 + minute * 60) * 1000000;
    }
    if (at[16] != ':' || !me_digits(at + 17, 2, &second) || second > 60) return 0;
    int64_t length = 19, fraction = 0, unit = 100000;
    if (room > 20 && at[19] == '.' && at[20] >= '0' && at[20] <= '9') {
        for (length = 20; length < room && at[length] >= '0' && at[length] <= '9'; length++) {
            fraction += (at[length] - '0') * unit;
            unit /= 10;
        }
    }
    *micros = d->minute_micros + second * 1000000 + fraction;
    if (length < room && at[length] == 'Z') length++;
    return length;
}

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
/* me_moment for the usual case: the date and the minute are the cached ones, and a fraction and Z follow. Returns 0 in any other case.
   32 bytes can be read. */
static inline int64_t me_usual_moment(const me_decoder *d, const uint8_t *at, int64_t *micros) {
    static const int64_t UNITS[7] = {0, 100000, 10000, 1000, 100, 10, 1};
    const uint64_t high = 0xF0F0F0F0F0F0F0F0ULL, zeros = 0x3030303030303030ULL, six = 0x0606060606060606ULL;
    uint64_t x, y;
    const unsigned tens = (unsigned)at[17] - '0', ones = (unsigned)at[18] - '0';
    memcpy(&x, at, 8);
    memcpy(&y, d->minute, 8);
    uint64_t differ = x ^ y;
    memcpy(&x, at + 8, 8);
    memcpy(&y, d->minute + 8, 8);
    differ |= x ^ y;
    if (differ || at[10] != 'T' || at[16] != ':' || tens > 5 || ones > 9 || at[19] != '.') return 0;
    /* up to eight digits at once: those in front move to the end of the word, behind zeros */
    memcpy(&x, at + 20, 8);
    const uint64_t other = ((x & high) ^ zeros) | ((((x & 0x7F7F7F7F7F7F7F7FULL) + six) & high) ^ zeros);
    const int digits = other ? __builtin_ctzll(other) / 8 : 8;
    if (digits == 0) return 0;
    x = (x - zeros) << (8 * (8 - digits));
    x = (x * 10 + (x >> 8)) & 0x00FF00FF00FF00FFULL;
    x = (x * 100 + (x >> 16)) & 0x0000FFFF0000FFFFULL;
    const int64_t fraction = (int64_t)((x * 10000 + (x >> 32)) & 0xFFFFFFFFULL);
    int64_t length = 20 + digits;
    if (digits == 8)
        while (length < 31 && at[length] >= '0' && at[length] <= '9') length++;
    if (at[length] != 'Z') return 0;
    *micros = d->minute_micros + (tens * 10 + ones) * 1000000LL
              + (digits <= 6 ? fraction * UNITS[digits] : digits == 7 ? fraction / 10 : fraction / 100);
    return length + 1;
}
#endif

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
/* Return whether a time in the cached minute stands here, `YYYY-MM-DDTHH:MM:SS.mmmZ`, and read it. 24 bytes can be read. The eight bytes
   behind the minute are compared as one word: each must be that of `:00.000Z`, or for a digit exceed it by at most 9, for the first
   digit of the seconds by at most 5. */
static inline int me_millisecond(const me_decoder *d, const uint8_t *at, int64_t *micros) {
    uint64_t x, y, differ, rest;
    memcpy(&x, at, 8);
    memcpy(&y, d->minute, 8);
    differ = x ^ y;
    memcpy(&x, at + 8, 8);
    memcpy(&y, d->minute + 8, 8);
    differ |= x ^ y;
    memcpy(&rest, at + 16, 8);
    rest ^= 0x5A3030302E30303AULL;
    /* What is added carries into the top bit of a byte that exceeds its bound. */
    differ |= (rest | ((rest & 0x7F7F7F7F7F7F7F7FULL) + 0x7F7676767F767A7FULL)) & 0x8080808080808080ULL;
    if (differ || at[10] != 'T') return 0;
    const int64_t seconds = (int64_t)((rest >> 8 & 0xFF) * 10 + (rest >> 16 & 0xFF));
    const int64_t thousandths = (int64_t)((rest >> 32 & 0xFF) * 100 + (rest >> 40 & 0xFF) * 10 + (rest >> 48 & 0xFF));
    *micros = d->minute_micros + seconds * 1000000 + thousandths * 1000;
    return 1;
}
#endif

/* A time of a container's log: `YYYY-MM-DDTHH:MM:SS[.fraction]` and Z or an offset such as +08:00 (RFC 3339). Returns its length, or 0. */
static inline int64_t me_moment(me_decoder *d, const uint8_t *at, int64_t room, int64_t *micros) {
    int64_t hours, minutes;
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    const int64_t usual = room >= 32 ? me_usual_moment(d, at, micros) : 0;
    if (usual) return usual;
#endif
    const int64_t length = me_date(d, at, room, micros);
    if (!length || at[10] != 'T' || at[17] > '5') return 0;
    if (at[length - 1] == 'Z') return length;
    if (room - length < 6 || (at[length] != '+' && at[length] != '-') || !me_digits(at + length + 1, 2, &hours)
        || at[length + 3] != ':' || !me_digits(at + length + 4, 2, &minutes) || hours > 23 || minutes > 59)
        return 0;
    const int64_t offset = (hours * 60 + minutes) * 60000000;
    *micros += at[length] == '+' ? -offset : offset;
    if (*micros < ME_FIRST_MS * 1000 || *micros >= (ME_LAST_MS + 1) * 1000) return 0;
    return length + 6;
}

/* Read milliseconds since the epoch, or a date; returns 0 if the text is neither. */
static int me_time(me_decoder *d, const uint8_t *at, int64_t length, int64_t *micros) {
    int64_t i = 0, value = 0;
    /* From one event to the next, mostly only the last three of the thirteen digits change. */
    if (length == 13 && !memcmp(at, d->second, 10)) {
        if (!me_digits(at + 10, 3, &value)) return 0;
        *micros = d->second_micros + value * 1000;
        return 1;
    }
    int negative = length > 0 && at[0] == '-';
    for (i = negative; i < length && i < 17 && at[i] >= '0' && at[i] <= '9'; i++) value = value * 10 + (at[i] - '0');
    if (i == length && i > negative) {
        if (negative) value = -value;
        if (value > ME_LAST_MS || value < ME_FIRST_MS) return 0;
        *micros = value * 1000;
        if (length == 13 && !negative) {
            memcpy(d->second, at, 10);
            d->second_micros = value / 1000 * 1000000;
        }
        return 1;
    }
    return length > 0 && me_date(d, at, length, micros) == length;
}

#endif
