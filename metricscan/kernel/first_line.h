/* Whether the first line of a log stands in it again, as where a program was started twice with one file. Times and numbers of processes
 * may differ. A quick look: logs in which it does are examined by replaying/second_start.py. */
#ifndef METRICSCAN_FIRST_LINE_H
#define METRICSCAN_FIRST_LINE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "bytes.h"
#include "simd_levels.h"

enum {
    MS_LINE_BYTES = 512,  /* what is compared of a line */
    MS_FIRST_LINES = 20,  /* the first line with letters is looked for among so many that are not empty */
    MS_LEAST_LETTERS = 4, /* a line with fewer is a rule, a number or a prompt */
    MS_MOST_AGAIN = 20,   /* what comes back more often is no start: there are not so many runs in a log */
    MS_MOST_LOOKED_AT = 2000,
    MS_LINE_BLOCK = 128 /* places that a loop without a branch examines, so that the compiler makes vector instructions of it */
};

/* The first line, and how often it was found again. */
typedef struct {
    size_t start, end;              /* where it stands, up to MS_LINE_BYTES of it */
    size_t masked_bytes;            /* 0: there is no such line */
    size_t key, key_bytes;          /* the longest part of it that does not vary: where it begins in the line, and its length */
    size_t looked_at, again;        /* places at which the key stands, and those of them at which the line does */
    uint8_t masked[MS_LINE_BYTES];  /* the line, with a NUL for each part that varies */
    uint8_t line[MS_LINE_BYTES];
} ms_first_line;

static inline int ms_is_digit(uint8_t c) { return (uint8_t)(c - '0') < 10; }
static inline int ms_is_letter(uint8_t c) { return (uint8_t)((c | 32) - 'a') < 26; }
static inline int ms_is_of_word(uint8_t c) { return ms_is_digit(c) | ms_is_letter(c) | (c == '_'); }
static inline int ms_is_of_hex(uint8_t c) { return ms_is_digit(c) | ((uint8_t)((c | 32) - 'a') < 6); }
static inline int ms_is_blank(uint8_t c) { return (c == ' ') | ((uint8_t)(c - 9) < 5); }

static inline size_t ms_digits(const uint8_t *p, size_t n, size_t most) {
    size_t i = 0;
    while (i < n && i < most && ms_is_digit(p[i])) i++;
    return i;
}

/* The bytes of a time at p, such as 1:02:03,456; 0 if there is none. */
static size_t ms_time_of_day(const uint8_t *p, size_t n) {
    size_t i = ms_digits(p, n, 2);
    if (!i) return 0;
    if (i == n || p[i] != ':') i = 1;
    if (n < i + 3 || p[i] != ':' || !ms_is_digit(p[i + 1]) || !ms_is_digit(p[i + 2])) return 0;
    i += 3;
    if (n >= i + 3 && p[i] == ':' && ms_is_digit(p[i + 1]) && ms_is_digit(p[i + 2])) i += 3;
    if (n >= i + 2 && (p[i] == '.' || p[i] == ',') && ms_is_digit(p[i + 1])) i += 1 + ms_digits(p + i + 1, n - i - 1, n);
    return i;
}

static size_t ms_three_letters_of(const uint8_t *p, size_t n, const char *names) {
    if (n < 3) return 0;
    for (; *names; names += 3)
        if (memcmp(p, names, 3) == 0) return 3;
    return 0;
}

/* The bytes of the part at line[i] that differs between two starts of a program: a date, a time, an address, a number of four digits or
 * more, a day, a number behind pid; 0 if none begins there. */
static size_t ms_varies(const uint8_t *line, size_t n, size_t i) {
    const uint8_t *p = line + i, c = p[0];
    n -= i;
    if (ms_is_digit(c)) {
        const size_t digits = ms_digits(p, n, n);
        if (digits >= 4 && n >= 10 && (p[4] == '-' || p[4] == '/') && ms_is_digit(p[5]) && ms_is_digit(p[6]) &&
            (p[7] == '-' || p[7] == '/') && ms_is_digit(p[8]) && ms_is_digit(p[9]))
            return 10;
        const size_t time = ms_time_of_day(p, n);
        if (time) return time;
        if (c == '0' && n >= 3 && p[1] == 'x' && ms_is_of_hex(p[2])) {
            size_t end = 3;
            while (end < n && ms_is_of_hex(p[end])) end++;
            return end;
        }
        return digits >= 4 ? digits : 0;
    }
    if (!ms_is_letter(c)) return 0;
    const int begins = i == 0 || !ms_is_of_word(line[i - 1]);
    if (begins && ms_three_letters_of(p, n, "MonTueWedThuFriSatSun") && (n == 3 || !ms_is_of_word(p[3]))) return 3;
    if (begins && n >= 6 && ms_three_letters_of(p, n, "JanFebMarAprMayJunJulAugSepOctNovDec") && p[3] == ' ' &&
        (p[4] == ' ' || ms_is_digit(p[4])) && ms_is_digit(p[5]))
        return 6;
    if (n >= 5 && (p[0] | 32) == 'p' && (p[1] | 32) == 'i' && (p[2] | 32) == 'd' && (p[3] == '=' || p[3] == ':' || p[3] == ' ') &&
        ms_is_digit(p[4]))
        return 4 + ms_digits(p + 4, n - 4, n);
    return 0;
}

/* Write a line of at most MS_LINE_BYTES, without the blanks around it and with a NUL for each part that varies, to `masked`; return its
 * length. `letters` gets the letters that do not vary, `key` and `key_bytes` the longest part that does not. */
static size_t ms_mask_line(const uint8_t *line, size_t n, uint8_t *masked, size_t *letters, size_t *key, size_t *key_bytes) {
    size_t size = 0, begun = 0, i = 0;
    *letters = *key = *key_bytes = 0;
    while (n && ms_is_blank(line[n - 1])) n--;
    while (i < n && ms_is_blank(line[i])) i++;
    begun = i;
    for (;;) {
        const size_t varying = i < n ? ms_varies(line, n, i) : 0;
        if (i == n || varying) {
            if (i - begun > *key_bytes) {
                *key = begun;
                *key_bytes = i - begun;
            }
            if (i == n) return size;
            masked[size++] = 0;
            begun = i += varying;
        } else {
            *letters += (size_t)ms_is_letter(line[i]);
            masked[size++] = line[i++];
        }
    }
}

/* Where the line at p ends: at a line end, or after n bytes. */
static size_t ms_line_length(const uint8_t *p, size_t n) {
    size_t i = 0;
    while (i < n && p[i] != '\n' && p[i] != '\r') i++;
    return i;
}

/* Find the first line with letters. */
static void ms_find_first_line(ms_first_line *first, const uint8_t *p, size_t n) {
    size_t at = ms_beginning(p, n), letters;
    memset(first, 0, sizeof *first);
    for (int lines = 0; lines < MS_FIRST_LINES; lines++) {
        while (at < n && (p[at] == '\n' || p[at] == '\r')) at++;
        if (at == n) return;
        const size_t length = ms_line_length(p + at, n - at < MS_LINE_BYTES ? n - at : MS_LINE_BYTES);
        const size_t size = ms_mask_line(p + at, length, first->masked, &letters, &first->key, &first->key_bytes);
        if (letters >= MS_LEAST_LETTERS) {
            first->start = at;
            first->end = at + length;
            first->masked_bytes = size;
            memcpy(first->line, p + at, length);
            return;
        }
        at += length;
        while (at < n && p[at] != '\n' && p[at] != '\r') at++;
    }
}

/* Is the line at p, of which n bytes are known, the first one again? */
static int ms_is_first_line(const ms_first_line *first, const uint8_t *p, size_t n) {
    uint8_t masked[MS_LINE_BYTES];
    size_t letters, key, key_bytes;
    const size_t most = n < MS_LINE_BYTES ? n : MS_LINE_BYTES, length = ms_line_length(p, most);
    size_t size = ms_mask_line(p, length, masked, &letters, &key, &key_bytes), wanted = first->masked_bytes;
    if (length == MS_LINE_BYTES || first->end - first->start == MS_LINE_BYTES) {
        /* a part that varies may be cut where the lines are */
        size = wanted = (size < wanted ? size : wanted) - (size < wanted ? size : wanted) / 8;
    }
    return size == wanted && memcmp(masked, first->masked, size) == 0;
}

/* The first place from `at` on, before n, at which the key may stand; n if there is none. */
__attribute__((always_inline)) static inline size_t ms_next_key(const ms_first_line *first, const uint8_t *p, size_t at, size_t n) {
    const uint8_t *key = first->line + first->key;
    const size_t size = first->key_bytes, middle = size / 2, last = size - 1;
    const uint8_t a = key[0], b = key[middle], c = key[last];
    uint8_t here[MS_LINE_BLOCK];
    if (n < size) return n;
    const size_t stop = n - last;
    for (; at + MS_LINE_BLOCK <= stop; at += MS_LINE_BLOCK) {
        uint8_t any = 0;
        const uint8_t *block = p + at;
        for (int i = 0; i < MS_LINE_BLOCK; i++)
            any |= here[i] = (uint8_t)((block[i] == a) & (block[middle + (size_t)i] == b) & (block[last + (size_t)i] == c));
        if (!any) continue;
        for (int i = 0; i < MS_LINE_BLOCK; i++)
            if (here[i] && memcmp(block + i, key, size) == 0) return at + (size_t)i;
    }
    for (; at < stop; at++)
        if (p[at] == a && memcmp(p + at, key, size) == 0) return at;
    return n;
}

/* Where the next line begins that is the first one again, and whose key stands at or behind `at`; n if there is none. `end` gets where
 * it ends. The text p of n bytes begins with a line if `begins`; else its first line is not looked at. The line at its end is, if `ends`
 * or if all is known of it that is compared. */
__attribute__((always_inline)) static inline size_t ms_next_again(ms_first_line *first, const uint8_t *p, size_t at, size_t n, int begins,
                                                                  int ends, size_t *end) {
    while (first->looked_at < MS_MOST_LOOKED_AT && (at = ms_next_key(first, p, at, n)) < n) {
        const size_t least = at > MS_LINE_BYTES ? at - MS_LINE_BYTES : 0;
        size_t begin = at;
        while (begin > least && p[begin - 1] != '\n' && p[begin - 1] != '\r') begin--;
        const size_t length = ms_line_length(p + begin, n - begin);
        first->looked_at++;
        /* a key is no line end */
        at = begin + length;
        if (begin == 0 ? !begins : (p[begin - 1] != '\n' && p[begin - 1] != '\r')) continue;
        if (at == n && length < MS_LINE_BYTES && !ends) continue;
        if (ms_is_first_line(first, p + begin, length)) {
            first->again++;
            *end = at;
            return begin;
        }
    }
    return n;
}

#ifdef MS_X86
MS_TARGET(MS_AVX2_TARGET)
static size_t ms_next_again_avx2(ms_first_line *first, const uint8_t *p, size_t at, size_t n, int begins, int ends, size_t *end) {
    return ms_next_again(first, p, at, n, begins, ends, end);
}
#endif

static size_t ms_next_first_line(int level, ms_first_line *first, const uint8_t *p, size_t at, size_t n, int begins, int ends, size_t *end) {
#ifdef MS_X86
    if (level >= MS_AVX2) return ms_next_again_avx2(first, p, at, n, begins, ends, end);
#endif
    (void)level;
    return ms_next_again(first, p, at, n, begins, ends, end);
}

/* May the log go on with lines that are the first one again? */
static inline int ms_may_come_again(const ms_first_line *first) {
    return first->masked_bytes && first->looked_at < MS_MOST_LOOKED_AT && first->again <= MS_MOST_AGAIN;
}

/* Count the lines of a text that are the first one again; as ms_next_first_line. */
static void ms_count_again(int level, ms_first_line *first, const uint8_t *p, size_t at, size_t n, int begins, int ends) {
    while (at < n && ms_may_come_again(first)) at = ms_next_first_line(level, first, p, at, n, begins, ends, &at) < n ? at : n;
}

/* Does the first line of a whole log stand in it again, at a few places? */
static int ms_has_first_line_again(int level, const uint8_t *p, size_t n) {
    ms_first_line first;
    ms_find_first_line(&first, p, n);
    ms_count_again(level, &first, p, first.end, n, 1, 1);
    return ms_may_come_again(&first) && first.again;
}

#endif
