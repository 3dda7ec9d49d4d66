/* What stands beside a value in its record: whether the number goes on there, whether the value begins within a word, and its unit. */
#ifndef METRICSCAN_BESIDE_VALUES_H
#define METRICSCAN_BESIDE_VALUES_H

#include <stdint.h>
#include <string.h>

#include "pass.h"
#include "tables.h"

/* Why a row of a companion is there. */
enum {
    MS_NEAR_MISS = 1,    /* the record holds the pattern with another kind of value */
    MS_LONGER = 2,       /* the number goes on behind the value */
    MS_THOUSANDS = 3,    /* so it does, with a comma and three digits */
    MS_DECIMAL_COMMA = 4,
    MS_IN_WORD = 5,      /* the value begins within a word or number */
    MS_UNIT = 6,         /* another unit than that of the value before */
    MS_UNTERMINATED = 7, /* the value ends where the input ends, without a terminator */
    MS_CUT_LINE = 8,     /* the record ends within the value, and the next one begins with the rest (cut_lines.h) */
    MS_CUT_MISS = 9,     /* so it does, or right before the value, and has no match */
    MS_UNREAD = 10       /* the value is a text that stands for one, and no number */
};
enum {
    MS_UNIT_BYTES = 7 /* at most so many bytes of a unit are compared */
};

static inline int ms_is_digit(uint8_t byte) { return (uint8_t)(byte - '0') < 10; }
static inline int ms_is_letter(uint8_t byte) { return (uint8_t)((byte | 0x20) - 'a') < 26; }

/* Return the first place in [at, end) that holds no digit, or end. */
static inline int64_t ms_behind_digits(const uint8_t *p, int64_t at, int64_t end) {
    while (at < end && ms_is_digit(p[at])) at++;
    return at;
}

/* Return whether a comma separates two fields: it has no blank beside it, no key follows it as in a=1,b=2, and it is not the one of a time
 * such as 12:30:05,123. There is a byte on both sides of it. */
static int ms_is_separator(const ms_region *r, int64_t at) {
    const uint8_t *const p = r->p;
    if (p[at + 1] == ' ' || p[at - 1] == ' ') return 0;
    if (at - 3 >= r->record && p[at - 3] == ':' && ms_behind_digits(p, at - 2, at) == at && ms_behind_digits(p, at + 1, r->end) == at + 4) return 0;
    int64_t key = at + 1;
    while (key < r->end && (ms_is_letter(p[key]) || p[key] == '_' || (key > at + 1 && ms_is_digit(p[key])))) key++;
    return !(key > at + 1 && key < r->end && (p[key] == ':' || p[key] == '='));
}

/* Return where the number ends whose first digits, which begin at `first`, end at this comma, and whose groups of digits are separated by
 * commas; or 0. As in 1,234,567 or, with groups of two digits, in 12,34,567. */
static int64_t ms_behind_groups(const uint8_t *p, int64_t first, int64_t comma, int64_t end) {
    const int64_t second = ms_behind_digits(p, comma + 1, end) - comma;
    int64_t at = comma;
    if (comma == first || comma - first > 3 || (second != 4 && second != 3)) return 0;
    if (second == 3) {
        if (comma - first > 2) return 0;
        while (at + 3 < end && p[at] == ',' && ms_behind_digits(p, at + 1, end) == at + 3) at += 3;
        if (at + 3 >= end || p[at] != ',' || ms_behind_digits(p, at + 1, end) != at + 4) return 0;
        at += 4;
        return at + 1 < end && p[at] == ',' && ms_is_digit(p[at + 1]) ? 0 : at;
    }
    while (at + 3 < end && p[at] == ',' && ms_behind_digits(p, at + 1, end) == at + 4) at += 4;
    return at;
}

/* Return where the number ends that holds this comma, if it stands behind a name, as in tokens=1,234 and acc: 0,75; or 0. */
static int64_t ms_behind_named(const ms_region *r, int64_t comma) {
    const uint8_t *const p = r->p;
    int64_t first = comma, name;
    while (first > r->record && ms_is_digit(p[first - 1])) first--;
    name = first;
    if (name > r->record && (p[name - 1] == '-' || p[name - 1] == '+')) name--;
    while (name > r->record && (p[name - 1] == ' ' || p[name - 1] == '\t')) name--;
    if (name - 2 < r->record || (p[name - 1] != '=' && p[name - 1] != ':') || ms_is_digit(p[name - 2])) return 0;
    const int64_t groups = ms_behind_groups(p, first, comma, r->end);
    if (groups || first == comma) return groups;
    const int64_t behind = ms_behind_digits(p, comma + 1, r->end);
    if (behind == comma + 1) return 0;
    return behind + 1 < r->end && (p[behind] == ',' || p[behind] == '.') && ms_is_digit(p[behind + 1]) ? 0 : behind;
}

/* Return whether the record separates its fields by commas, those in [from, to) and in named numbers aside. */
static int ms_is_separated_by_commas(const ms_region *r, int64_t from, int64_t to) {
    for (int64_t at = r->record + 1; at + 1 < r->end; at++) {
        if (at == from) at = to;
        if (at + 1 >= r->end || r->p[at] != ',' || !ms_is_separator(r, at)) continue;
        const int64_t behind = ms_behind_named(r, at);
        if (behind == 0) return 1;
        at = behind - 1;
    }
    return 0;
}

/* Return the length of a sign that separates groups of three digits and is neither a comma nor a point nor a plain blank, or 0: an
 * apostrophe, straight or curved, or a blank at which no line is broken. */
static inline int64_t ms_group_sign(const uint8_t *p, int64_t at, int64_t end) {
    if (p[at] == '\'') return 1;
    if (p[at] == 0xC2) return at + 1 < end && p[at + 1] == 0xA0 ? 2 : 0;
    if (p[at] != 0xE2 || at + 2 >= end || p[at + 1] != 0x80) return 0;
    return p[at + 2] == 0x99 || p[at + 2] == 0xAF || p[at + 2] == 0x89 ? 3 : 0;
}

/* Return where the number ends that begins at this digit, and whose groups of three digits are separated by points, as in 1.234,5 and
 * 1.234.567; or 0 if it may be a decimal fraction, a version or an address. */
static int64_t ms_behind_dotted(const ms_region *r, int64_t first) {
    const uint8_t *const p = r->p;
    const int64_t end = r->end;
    int64_t at = ms_behind_digits(p, first, end), groups = 1;
    if (at == first || at - first > 3 || p[first] == '0') return 0;
    for (; at < end && p[at] == '.' && ms_behind_digits(p, at + 1, end) == at + 4; at += 4) groups++;
    if (groups == 1 || (at + 1 < end && p[at] == '.' && ms_is_digit(p[at + 1]))) return 0;
    if (at + 1 >= end || p[at] != ',' || !ms_is_digit(p[at + 1])) return groups == 3 || groups > 4 ? at : 0;
    const int64_t behind = ms_behind_digits(p, at + 1, end);
    if (behind + 1 < end && p[behind] == '.' && ms_is_digit(p[behind + 1])) return 0;
    /* (1.234,5) may be a pair */
    if (first > r->record && p[first - 1] && strchr("([{,", p[first - 1])) return 0;
    return ms_is_separated_by_commas(r, at, behind) ? 0 : behind;
}

/* Return whether a record goes on behind a number with a sign that ends it, or with another field that has a name. */
static int ms_is_field_end(const uint8_t *p, int64_t at, int64_t end) {
    while (at < end && (p[at] == ' ' || p[at] == '\t' || p[at] == '%')) at++;
    if (at == end || (p[at] && strchr(",;|)]}", p[at]))) return 1;
    const int64_t name = at;
    while (at < end && (ms_is_letter(p[at]) || p[at] == '_' || (at > name && (ms_is_digit(p[at]) || p[at] == '/' || p[at] == '-')))) at++;
    return at > name && at < end && (p[at] == ':' || p[at] == '=');
}

/* Return whether a value of up to three digits that a blank follows is the beginning of a number with blanks between its groups, as in
 * loss: 1 234.5. The number stands behind a name, and is the last or before another name: other values in a row may be columns. */
static int ms_is_spaced(const ms_region *r, int64_t first, int64_t stop) {
    const uint8_t *const p = r->p;
    const int64_t end = r->end;
    int64_t at = stop, groups = 0, name = first;
    if (stop - first > 3 || p[first] == '0' || ms_behind_digits(p, first, stop) != stop) return 0;
    while (name > r->record && (p[name - 1] == ' ' || p[name - 1] == '\t' || p[name - 1] == '-' || p[name - 1] == '+')) name--;
    if (name == r->record || !(p[name - 1] == '=' || p[name - 1] == ':')) return 0;
    if (name - 2 >= r->record && ms_is_digit(p[name - 2])) return 0; /* a time */
    for (; at < end && p[at] == ' ' && ms_behind_digits(p, at + 1, end) == at + 4; at += 4) groups++;
    if (groups == 0) return 0;
    if (at + 1 < end && (p[at] == '.' || p[at] == ',') && ms_is_digit(p[at + 1])) {
        at = ms_behind_digits(p, at + 1, end);
        if (at + 1 < end && p[at] == '.' && ms_is_digit(p[at + 1])) return 0;
    } else if (groups == 1) {
        /* 640 640 is a pair. A name may follow another number: epoch: 1 100 loss: 0.5. */
        if (stop - first == 3 && memcmp(p + first, p + stop + 1, 3) == 0) return 0;
        return at == end || (p[at] && strchr(",;|)]}", p[at]) != NULL);
    }
    return ms_is_field_end(p, at, end);
}

/* Return whether a power of ten follows a number, with blanks around the sign before it: 1.5 x 10^-5. */
static int ms_is_spaced_power(const uint8_t *p, int64_t stop, int64_t end) {
    int64_t at = stop + 1;
    if (at >= end) return 0;
    if (p[at] == 'x' || p[at] == '*') at++;
    else if (p[at] == 0xC2 || p[at] == 0xC3) at += at + 1 < end && p[at + 1] == (p[at] == 0xC2 ? 0xB7 : 0x97) ? 2 : 0;
    if (at == stop + 1 || end - at < 5 || memcmp(p + at, " 10", 3) != 0) return 0;
    at += 3;
    if (p[at] >= 0x80) return 1; /* a raised sign or digit */
    if (p[at] == '^') at++;
    else if (p[at] == '*' && p[at + 1] == '*') at += 2;
    else return 0;
    return at < end && (ms_is_digit(p[at]) || (p[at] == '-' && at + 1 < end && ms_is_digit(p[at + 1])));
}

/* Return where the sequences end that stand at this place and set colours, as in ESC [ 1 ; 3 1 m, also as syslog writes them. */
static int64_t ms_behind_colours(const uint8_t *p, int64_t at, int64_t end) {
    for (;;) {
        int64_t next = at;
        if (end - at > 2 && p[at] == 0x1B && p[at + 1] == '[') next = at + 2;
        else if (end - at > 5 && memcmp(p + at, "#033[", 5) == 0) next = at + 5;
        else return at;
        while (next < end && (ms_is_digit(p[next]) || p[next] == ';')) next++;
        if (next == end || p[next] != 'm') return at;
        at = next + 1;
    }
}

/* Return where the sequences begin that set colours and end before this place. */
static int64_t ms_before_colours(const ms_region *r, int64_t at) {
    const uint8_t *const p = r->p;
    for (;;) {
        int64_t first = at - 1;
        if (first <= r->record || p[first] != 'm') return at;
        while (first > r->record && at - first < MS_NUMBER_BYTES && (ms_is_digit(p[first - 1]) || p[first - 1] == ';')) first--;
        if (first - 2 < r->record || p[first - 1] != '[') return at;
        if (p[first - 2] == 0x1B) at = first - 2;
        else if (first - 5 >= r->record && memcmp(p + first - 5, "#033", 4) == 0) at = first - 5;
        else return at;
    }
}

/* Return whether a number goes on at this place, behind a colour that begins within it. */
static int ms_is_coloured_rest(const uint8_t *p, int64_t at, int64_t end) {
    if (at >= end) return 0;
    if (ms_is_digit(p[at])) return 1;
    const uint8_t more = at + 1 < end ? p[at + 1] : 0;
    if (p[at] == '.') return ms_is_digit(more);
    return (p[at] | 0x20) == 'e' && (ms_is_digit(more) || ((more == '-' || more == '+') && at + 2 < end && ms_is_digit(p[at + 2])));
}

/* Return whether a number goes on with an exponent or, behind 0x, in hexadecimal digits. */
static int ms_is_exponent(const ms_region *r, int64_t start, int64_t stop) {
    const uint8_t *const p = r->p;
    const int64_t end = r->end;
    const int64_t sign = stop + 1 < end && (p[stop + 1] == '-' || p[stop + 1] == '+');
    const int64_t digits = stop + 1 + sign, behind = ms_behind_digits(p, digits, end);
    const int is_whole = memchr(p + start, '.', (size_t)(stop - start)) == NULL;
    int64_t at = stop + 1;
    switch (p[stop]) {
    case 'e': case 'E': break;
    /* Fortran's double precision. 1d12h is a duration. */
    case 'd': case 'D':
        if (!sign && (is_whole || behind - digits < 2)) return 0;
        break;
    /* Julia's single precision. 0.5f0 is 0.5, and 1.5f32 names a type. */
    case 'f':
        if (!sign && (behind - digits != 1 || p[digits] == '0')) return 0;
        break;
    case 'x': case 'X':
        if (stop - start == 1 && p[start] == '0') return at < end && (ms_is_digit(p[at]) || (uint8_t)((p[at] | 0x20) - 'a') < 6);
        return end - at > 2 && memcmp(p + at, "10^", 3) == 0;
    case '*':
        if (end - at > 1 && p[at] == '^') return ms_is_digit(p[at + 1]) || p[at + 1] == '-';
        return end - at > 3 && memcmp(p + at, "10", 2) == 0 && (p[at + 2] == '^' || memcmp(p + at + 2, "**", 2) == 0);
    case 0xC2: case 0xC3: /* a point in the middle, or a cross */
        return end - at > 3 && p[at] == (p[stop] == 0xC2 ? 0xB7 : 0x97) && memcmp(p + at + 1, "10", 2) == 0 && !ms_is_digit(p[at + 3]);
    default: return 0;
    }
    return behind > digits && !(behind < end && (ms_is_letter(p[behind]) || p[behind] == '_'));
}

/* Return whether at this place stands what Microsoft's C library prints behind the point of a number that is not finite: 1.#INF. */
static int ms_is_hash_word(const uint8_t *p, int64_t at, int64_t end) {
    if (end - at < 4 || p[at] != '#') return 0;
    return memcmp(p + at + 1, "INF", 3) == 0 || memcmp(p + at + 1, "IND", 3) == 0 || memcmp(p + at + 1, "QNA", 3) == 0 || memcmp(p + at + 1, "SNA", 3) == 0;
}

/* Return whether a value is a part of a format specification, as in {loss:.4f} and %.4f. There is a byte behind it in its record. */
static int ms_is_format(const ms_region *r, int64_t start, int64_t stop) {
    const uint8_t *const p = r->p;
    if (!p[stop] || !strchr("eEfFgG", p[stop])) return 0;
    const uint8_t more = stop + 1 < r->end ? p[stop + 1] : 0;
    return more == '}' || (start > r->record && p[start - 1] == '%' && !ms_is_letter(more));
}

/* Return the kind of a value that ends within a number, or 0. There is a byte behind it in its record. */
static int ms_kind_behind(const ms_region *r, int64_t start, int64_t stop) {
    const uint8_t *const p = r->p;
    const int64_t end = r->end;
    const uint8_t next = p[stop], more = stop + 1 < end ? p[stop + 1] : 0;
    if (start >= stop || !(ms_is_digit(p[stop - 1]) || p[stop - 1] == '.')) return 0;
    if (ms_is_digit(next) || ms_is_format(r, start, stop)) return MS_LONGER;
    const int64_t first = start + (p[start] == '-' || p[start] == '+');
    if (next == 0x1B || next == '#') {
        const int64_t behind = ms_behind_colours(p, stop, end);
        if (behind > stop) return ms_is_coloured_rest(p, behind, end) ? MS_LONGER : 0;
    }
    if (next == ' ') return ms_is_spaced(r, first, stop) ? MS_THOUSANDS : ms_is_spaced_power(p, stop, end) ? MS_LONGER : 0;
    const int64_t sign = ms_group_sign(p, stop, end);
    if (sign)
        return stop - first <= 3 && ms_behind_digits(p, first, stop) == stop && ms_behind_digits(p, stop + sign, end) == stop + sign + 3 ? MS_THOUSANDS : 0;
    if (ms_is_letter(next) || next == '*' || next == 0xC2 || next == 0xC3) return ms_is_exponent(r, start, stop) ? MS_LONGER : 0;
    if (ms_is_hash_word(p, next == '.' ? stop + 1 : stop, end)) return p[stop - 1] == (next == '.' ? '1' : '.') ? MS_LONGER : 0;
    if (!ms_is_digit(more)) return 0;
    if (next == '_') return MS_LONGER;
    if (next != '.' && next != ':' && next != ',') return 0;
    if (next != ':' && ms_behind_dotted(r, first) > stop) return MS_THOUSANDS;
    /* 0.5.1 and 1e5:3 are no numbers. */
    if (ms_behind_digits(p, first, stop) != stop) return 0;
    const int64_t behind = ms_behind_digits(p, stop + 1, end);
    if (next == ':') return MS_LONGER;
    /* 1.2.3 is a version or a date. */
    if (next == '.') return behind + 1 < end && p[behind] == '.' && ms_is_digit(p[behind + 1]) ? 0 : MS_LONGER;
    if (first > r->record && p[first - 1] == ',') return 0;
    const int64_t groups = ms_behind_groups(p, first, stop, end);
    if (groups) return ms_is_separated_by_commas(r, stop, groups) ? 0 : MS_THOUSANDS;
    return ms_is_separated_by_commas(r, stop, behind) ? 0 : MS_DECIMAL_COMMA;
}

/* Return whether what ends before this place is a minus sign, and no dash of a word, a range or a date. */
static int ms_is_minus(const ms_region *r, int64_t at) {
    const uint8_t *const p = r->p;
    if (p[at - 1] == '-')
        at--;
    else if (at - 3 >= r->record && p[at - 3] == 0xE2 && ((p[at - 2] == 0x88 && p[at - 1] == 0x92) || (p[at - 2] == 0x80 && (uint8_t)(p[at - 1] - 0x90) < 4)))
        at -= 3;
    else
        return 0;
    return at == r->record || (p[at - 1] && strchr(" \t:=([{,;|'\"", p[at - 1]) != NULL);
}

/* Return whether the bytes before this place begin the sequence of a terminal, as in ESC [ 1 ; 3 1 m, also as syslog writes it. */
static int ms_is_in_sequence(const ms_region *r, int64_t at) {
    const uint8_t *const p = r->p;
    const int64_t least = at - MS_NUMBER_BYTES > r->record ? at - MS_NUMBER_BYTES : r->record;
    while (at > least && (ms_is_digit(p[at - 1]) || p[at - 1] == ';')) at--;
    if (at - 2 < r->record || p[at - 1] != '[') return 0;
    return p[at - 2] == 0x1B || (at - 5 >= r->record && memcmp(p + at - 5, "#033", 4) == 0);
}

/* Return whether a value that begins here begins within a word, a number or the sequence of a terminal, or behind its sign. There is a byte
 * before it in its record. */
static int ms_is_in_word(const ms_region *r, int64_t start, int64_t stop) {
    const uint8_t *const p = r->p;
    const uint8_t before = p[start - 1];
    if (start >= stop || !(ms_is_digit(p[start]) || p[start] == '.')) return 0;
    const int64_t colours = ms_before_colours(r, start);
    if (colours < start) {
        if (colours == r->record) return 0;
        return ms_is_digit(p[colours - 1]) || (p[colours - 1] == '.' && colours - 2 >= r->record && ms_is_digit(p[colours - 2])) || ms_is_minus(r, colours);
    }
    if (ms_is_letter(before) || ms_is_digit(before) || before == '_') return 1;
    if (ms_is_minus(r, start)) return 1;
    if (before == '[' || before == ';') return ms_is_in_sequence(r, start);
    if (start - 2 < r->record) return 0;
    for (int64_t at = start - 1; at > r->record && at >= start - 3; at--)
        if (ms_group_sign(p, at, start) == start - at) return ms_is_digit(p[at - 1]) && ms_behind_digits(p, start, r->end) == start + 3;
    const uint8_t earlier = p[start - 2];
    if (before == '-' || before == '+') /* 1e-05 */
        return (earlier | 0x20) == 'e' && start - 3 >= r->record && (ms_is_digit(p[start - 3]) || p[start - 3] == '.');
    if (!ms_is_digit(earlier)) return 0;
    if (before != ',') return before == '.';
    /* 1,234.5 or 12,5, but no time before a number, as in 00:12,3.4 */
    int64_t from = start - 1;
    while (from > r->record && (ms_is_digit(p[from - 1]) || p[from - 1] == ',')) from--;
    if (from > r->record && (ms_is_letter(p[from - 1]) || memchr(":._/", p[from - 1], 4) != NULL)) return 0;
    return !ms_is_separated_by_commas(r, from, ms_behind_digits(p, start, r->end));
}

/* Return whether a blank before a per cent sign stands here, which no name follows as in a format specification. */
static inline int ms_is_spaced_percent(const uint8_t *p, int64_t at, int64_t end) {
    if (at + 1 >= end || p[at] != ' ' || p[at + 1] != '%') return 0;
    return at + 2 == end || !(ms_is_letter(p[at + 2]) || ms_is_digit(p[at + 2]) || p[at + 2] == '.');
}

/* Return whether the sign for per mille or for per ten thousand stands here. */
static inline int ms_is_per_mille(const uint8_t *p, int64_t at, int64_t end) {
    return at + 2 < end && p[at] == 0xE2 && p[at + 1] == 0x80 && (p[at + 2] == 0xB0 || p[at + 2] == 0xB1);
}

/* Return the unit right behind a value: a letter, %, the sign for per mille, micro or degree, and what follows; a blank may precede the %.
 * 0 if there is none. */
static inline uint64_t ms_unit_at(const uint8_t *p, int64_t at, int64_t end) {
    uint64_t unit = 0;
    if (at + 1 < end && p[at] == 0xC2 && p[at + 1] == 0xA0) at += 2;
    else if (at < end && p[at] == ' ') return ms_is_spaced_percent(p, at, end) ? '%' : 0;
    for (int64_t i = 0; i < MS_UNIT_BYTES && at + i < end; i++) {
        const uint8_t byte = p[at + i];
        if (!(ms_is_letter(byte) || byte == '%' || byte == 0xC2 || (i && (byte >= 0x80 || byte == '/')) || ms_is_per_mille(p, at + i, end))) break;
        unit |= (uint64_t)byte << 8 * i;
    }
    return unit;
}

#endif
