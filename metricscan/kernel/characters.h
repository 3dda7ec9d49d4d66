/* Characters in bytes, as Python's "utf-8" with "surrogateescape" reads them, and sets of characters, as re tests them.
 *
 * Each byte that is part of no character stands for the lone surrogate U+DC00 + byte. So the character at a place does not depend
 * on the bytes before it, and text can be walked from any boundary in either direction.
 */
#ifndef METRICSCAN_CHARACTERS_H
#define METRICSCAN_CHARACTERS_H

#include <Python.h>
#include <stdint.h>
#include <string.h>

/* What is known of a record's bytes. */
enum { MS_ASCII, MS_UTF8, MS_BYTES };

/* A set is a row of integers, written by patterns/classes.py: how to fold a character, then items, which are tried in turn. */
enum { MS_FOLD_NOT, MS_FOLD_ASCII, MS_FOLD_UNICODE };
enum {
    MS_SET_END,         /* no item has decided */
    MS_SET_RANGE,       /* first, last */
    MS_SET_CATEGORY,    /* which, 1: its complement, 1: among ASCII only */
    MS_SET_NEGATE,      /* the answer is inverted from here on */
    MS_SET_RANGE_FOLDED /* first, last: the character or its upper case */
};
enum { MS_DIGIT, MS_SPACE, MS_WORD };

static inline int ms_continues(uint8_t c) { return (c & 0xC0) == 0x80; }

/* The character at p[at] and its size; at < n. */
static inline int64_t ms_decode(const uint8_t *p, int64_t n, int64_t at, uint32_t *character) {
    uint8_t c = p[at];
    *character = c;
    if (c < 0x80) return 1;
    *character = 0xDC00u + c;
    if (c < 0xC2 || c > 0xF4 || at + 1 >= n || !ms_continues(p[at + 1])) return 1;
    uint8_t second = p[at + 1];
    if (c < 0xE0) {
        *character = (uint32_t)(c & 0x1F) << 6 | (second & 0x3F);
        return 2;
    }
    if (at + 2 >= n || !ms_continues(p[at + 2])) return 1;
    if (c < 0xF0) {
        if ((c == 0xE0 && second < 0xA0) || (c == 0xED && second > 0x9F)) return 1;
        *character = (uint32_t)(c & 0x0F) << 12 | (uint32_t)(second & 0x3F) << 6 | (p[at + 2] & 0x3F);
        return 3;
    }
    if (at + 3 >= n || !ms_continues(p[at + 3])) return 1;
    if ((c == 0xF0 && second < 0x90) || (c == 0xF4 && second > 0x8F)) return 1;
    *character = (uint32_t)(c & 0x07) << 18 | (uint32_t)(second & 0x3F) << 12 | (uint32_t)(p[at + 2] & 0x3F) << 6
                 | (p[at + 3] & 0x3F);
    return 4;
}

/* The size of the character at p[at], a boundary; kind is what is known of the bytes. */
static inline int64_t ms_size_at(const uint8_t *p, int64_t n, int64_t at, int kind) {
    uint8_t c = p[at];
    if (c < 0x80) return 1;
    if (kind == MS_UTF8) return c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
    uint32_t character;
    return ms_decode(p, n, at, &character);
}

/* Where the character starts that ends at p[at]; at > 0, a boundary. */
static inline int64_t ms_before(const uint8_t *p, int64_t n, int64_t at, int kind) {
    if (p[at - 1] < 0x80 || kind == MS_ASCII) return at - 1;
    for (int64_t size = 1; size <= 4 && size <= at; size++) {
        if (ms_continues(p[at - size])) continue;
        uint32_t character;
        return ms_decode(p, n, at - size, &character) == size ? at - size : at - 1;
    }
    return at - 1;
}

/* Whether p[at] lies inside a character; kind is not MS_ASCII. */
static inline int ms_inside(const uint8_t *p, int64_t n, int64_t at, int kind) {
    if (at >= n || !ms_continues(p[at])) return 0;
    if (kind == MS_UTF8) return 1;
    for (int64_t back = 1; back <= 3 && back <= at; back++) {
        if (ms_continues(p[at - back])) continue;
        uint32_t character;
        return ms_decode(p, n, at - back, &character) > back;
    }
    return 0;
}

static inline int ms_is_ascii(const uint8_t *p, int64_t n) {
    uint8_t seen = 0;
    for (int64_t i = 0; i < n; i++) seen |= p[i];
    return seen < 0x80;
}

/* Whether the bytes are what Python's strict UTF-8 decoder takes. */
static inline int ms_is_utf8(const uint8_t *p, int64_t n) {
    for (int64_t i = 0; i < n;) {
        uint32_t character;
        uint64_t eight;
        /* text with other characters is mostly ASCII, too */
        if (i + 8 <= n) {
            memcpy(&eight, p + i, 8);
            if ((eight & 0x8080808080808080ull) == 0) {
                i += 8;
                continue;
            }
        }
        int64_t size = ms_decode(p, n, i, &character);
        if (size == 1 && character >= 0x80) return 0;
        i += size;
    }
    return 1;
}

/* The interpreter's own tables: pure look-ups, which need no GIL. */
static inline int ms_in_category(int32_t category, int ascii_only, uint32_t c) {
    if (ascii_only && c >= 0x80) return 0;
    switch (category) {
    case MS_DIGIT: return Py_UNICODE_ISDECIMAL(c) != 0;
    case MS_SPACE: return Py_UNICODE_ISSPACE(c) != 0;
    default: return c == '_' || Py_UNICODE_ISALNUM(c);
    }
}

static inline uint32_t ms_folded(int32_t fold, uint32_t c) {
    if (fold == MS_FOLD_NOT || (fold == MS_FOLD_ASCII && c >= 0x80)) return c;
    return (uint32_t)Py_UNICODE_TOLOWER(c);
}

static int ms_in_set(const int32_t *set, uint32_t character) {
    uint32_t c = ms_folded(set[0], character);
    int answer = 1;
    for (set++;;) {
        switch (set[0]) {
        case MS_SET_RANGE:
            if ((uint32_t)set[1] <= c && c <= (uint32_t)set[2]) return answer;
            set += 3;
            continue;
        case MS_SET_CATEGORY:
            if (ms_in_category(set[1], set[3], c) != set[2]) return answer;
            set += 4;
            continue;
        case MS_SET_NEGATE:
            answer = !answer;
            set++;
            continue;
        case MS_SET_RANGE_FOLDED: {
            uint32_t upper = (uint32_t)Py_UNICODE_TOUPPER(c);
            if (((uint32_t)set[1] <= c && c <= (uint32_t)set[2]) || ((uint32_t)set[1] <= upper && upper <= (uint32_t)set[2]))
                return answer;
            set += 3;
            continue;
        }
        default: return !answer;
        }
    }
}

#endif
