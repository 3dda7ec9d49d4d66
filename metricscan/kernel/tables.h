/* The compiled tables of a plan: patterns, the literals that make a record a candidate, and what finds those literals. They never
 * change once they are built, so that any number of threads may share them.
 *
 * The whole kernel behind Engine and Stream is one translation unit. It has to be: ms_unknown and the other special entries are recognised by
 * their addresses, and each unit that includes this header would have its own.
 */
#ifndef METRICSCAN_TABLES_H
#define METRICSCAN_TABLES_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "fingerprints.h"
#include "program.h"

/* ---- patterns */

/* A table of no bytes. */
static const uint8_t ms_no_bytes[256] = {0};
/* Which of the bits of ms_pattern.behind this byte fulfils if it comes next: with 1 any does; with 2 a digit; with 4 one with which a record
 * may begin that goes on with a number, or the second byte of a terminator; with 8, behind a blank, a digit, % or the sign of a
 * multiplication, as in 1 234.5, 50 % and 1.5 x 10^-5; with 16, behind a point, a digit or #, and with 32, behind #, a letter, as in 1.#INF;
 * with 64, behind the sign of a multiplication, what a power of ten begins with, or the second byte of that sign, as in 1.5*10^-5 and
 * 1.5*^-5; with 128, behind ESC, the bracket of a colour. */
static const uint8_t ms_beside[256] = {
    [0 ... 9] = 1, ['\n'] = 5, [11 ... '"'] = 1, ['#'] = 17, ['$'] = 1, ['%'] = 9, ['&' ... ')'] = 1, ['*'] = 9, ['+'] = 5, [','] = 1, ['-'] = 5,
    ['.'] = 5, ['/'] = 1, ['0'] = 31, ['1'] = 95, ['2' ... '9'] = 31, [':' ... 'D'] = 1, ['E'] = 5, ['F' ... 'H'] = 1, ['I'] = 33,
    ['J' ... 'P'] = 1, ['Q'] = 33, ['R'] = 1, ['S'] = 33, ['T' ... 'Z'] = 1, ['['] = 129, ['\\' ... ']'] = 1, ['^'] = 65, ['_' ... 'd'] = 1, ['e'] = 5, ['f' ... 'w'] = 1,
    ['x'] = 9, ['y' ... 0x96] = 1, [0x97] = 65, [0x98 ... 0xC1] = 1, [0xC2 ... 0xC3] = 9, [0xC4 ... 255] = 1,
};

/* Return whether a number or unit may go on at this place, before `end`; `behind` as in ms_pattern. */
static inline int ms_may_go_on(const uint8_t *behind, const uint8_t *at, const uint8_t *end) {
    return at < end && (behind[*at] & ms_beside[at + 1 < end ? at[1] : 0] & ~4) != 0;
}

/* Return whether a number, a unit or, behind a terminator, a record may go on with two bytes behind a value. */
static inline int ms_may_look(const uint8_t *behind, const uint8_t *stop) { return behind[*stop] & ms_beside[stop[1]]; }

/* How a pattern is matched: in place, by Python, or by a program that runs over the record. */
enum { MS_STRATEGY_SPAN, MS_STRATEGY_CONFIRM, MS_STRATEGY_PROGRAM };
/* What follows the literal of a span. */
enum { MS_SHAPE_NO_RUN, MS_SHAPE_LAZY, MS_SHAPE_GREEDY };
/* Plain spans never need Python to find a match, and report all matches. The most frequent shape is tested first. */
enum {
    MS_NOT_PLAIN,
    MS_PLAIN,
    MS_PLAIN_LAZY_TO_BYTE /* literal, (.*?), one byte */
};
/* Which matches of a record count. */
enum { MS_MATCHES_ALL, MS_MATCHES_FIRST, MS_MATCHES_LAST };

/* The steps of a chain, a one-pass pattern (patterns/chain.py). */
enum {
    MS_STEP_TEXT,
    MS_STEP_RUN,
    MS_STEP_DECIMAL,
    MS_STEP_OPTIONAL,
    MS_STEP_EITHER,
    MS_STEP_DONE,
    MS_STEP_OPEN,
    MS_STEP_CLOSE,
    MS_STEP_END
};
typedef struct {
    int32_t kind;
    int32_t least; /* of OPTIONAL and EITHER: the step to continue at if what follows fails; of DONE: the step to continue at */
    int32_t most;
    int32_t length;
    const uint8_t *text; /* or a table of bytes */
} ms_step;

typedef struct {
    int32_t strategy;
    int32_t shape;
    const uint8_t *prefix;
    int64_t prefix_length;
    const uint8_t *suffix;
    int64_t suffix_length;
    const uint8_t *table; /* 256 entries: may the run take this byte */
    const uint8_t *ends;  /* 256 entries: may this byte end a greedy run */
    const int32_t *set;   /* decides the characters that the table leaves undecided */
    int64_t run_min;
    int64_t run_max;  /* -1: no limit */
    int any_byte;     /* the run takes every byte of a record: only the suffix and the record's end stop it */
    int suffix_stops; /* the suffix's first byte is no member: a greedy run can end at one place only */
    int counted;      /* bytes and characters may differ in number: the program decides records that are not ASCII */
    int at_start;
    int at_end;
    int32_t plain;
    ms_program program;
    const ms_step *steps; /* of a chain that begins with its one literal, or NULL */
    int32_t literals;     /* the number of its literals, each of which makes a record a candidate */
    int found_by_lead;    /* its one literal is the text that the program looks for first */
    int value_from_run;   /* the value starts (ends) relative to the run's end, else to the match's start */
    int64_t value_from;
    int value_to_run;
    int64_t value_to;
    int is_label; /* its values are numbers of texts (texts.h) */
    /* Suspects (suspects.h). */
    int has_companion;
    int has_near; /* the companion has a program: it is run where the pattern has not matched */
    int has_lead; /* so it has, or the regex says what precedes the value: a record may be cut behind that (cut_lines.h) */
    int32_t companion; /* of a companion: the pattern that it watches */
    int is_companion;
    const uint8_t *behind;       /* 256 entries: may a longer number or a unit go on with this byte: always (1), or with some bytes behind it
                                  * (ms_beside); none does if the pattern fixes what follows. A terminator has 4: where it ends the record,
                                  * the next one may go on */
    const uint8_t *before;       /* 256 entries: may a word or number that goes on with the value end with this byte; all zero if the
                                  * pattern fixes what precedes */
    const uint8_t *value_starts; /* 256 entries: may any kind of value begin with this byte */
    const uint8_t *own;          /* 256 entries: each text of these bytes is a value of the pattern */
    const uint8_t *goes_on;      /* 256 entries: may any kind of value go on with this byte behind bytes of `own`; 2: before one of
                                  * 0-9_,. only; 3: before a digit or a sign only; 4: before % only; 5: before a letter, a digit or
                                  * a sign only */
    const uint8_t *lead_in;      /* the text that stands right before the value, where the regex says so */
    int64_t lead_in_length;
    int lead_in_blanks; /* blanks may follow it */
    int is_led_in;      /* it is the pattern's one literal, and no blanks may follow it */
    const uint8_t *lead_out;     /* the text that stands right behind the value, where the regex says so */
    int64_t lead_out_length;
    int is_led_out; /* it is the pattern's one literal */
} ms_pattern;

/* ---- literals */

/* Buckets of fingerprints, and the bytes around a fingerprint, at most, that distinguish the literals that share it. */
enum { MS_BUCKETS = 8, MS_WINDOW = 8 };

typedef struct {
    const uint8_t *text;
    int64_t length;
    int64_t place; /* of the fingerprint in the literal */
    int in_window; /* its group's window covers the whole literal, so nothing else is compared */
    int32_t first_use;
    int32_t uses;
} ms_literal;

/* How the fast path matches the pattern of a literal. */
enum {
    MS_NOT_FAST = 0,
    MS_FAST_LAZY = 1,   /* literal, (.*?), one byte */
    MS_FAST_GREEDY = 2, /* [^] literal, a class's run as the value, nothing or a literal that stops it */
    MS_FAST_CHAIN = 3   /* literal, then steps that need no backtracking */
};

typedef struct ms_entry {
    uint64_t window;
    const ms_literal *literal;
    const struct ms_entry *following;
    /* The literal's first and last eight bytes, at places relative to the fingerprint. If the mask is 0, every position passes the
     * comparison: the bytes lie too far from the fingerprint, or other literals have the same window. */
    int64_t head_place;
    int64_t tail_place;
    uint64_t mask;
    uint64_t head;
    uint64_t tail;
    /* If this is not MS_NOT_FAST: these bytes cover the whole literal, no other literal of the group has its window, and the literal has
     * one pattern, whose shape is frequent in logs. */
    int32_t fast;
    int32_t pattern;
    size_t state;       /* of the pattern: its distance from the first one, in bytes */
    int64_t from_place; /* of the literal's end, where the run starts */
    uint8_t stop;       /* MS_FAST_LAZY: the byte that ends the run */
    int at_start;       /* MS_FAST_GREEDY, and what follows */
    int64_t length;
    int64_t least;
    const uint8_t *table;
    const uint8_t *ends; /* the bytes that may end the run because they are no members, as a table */
    ms_class stops;      /* and as a class */
    const uint8_t *suffix;
    int64_t suffix_length;
    const ms_step *steps; /* MS_FAST_CHAIN */
    const uint8_t *behind; /* as in ms_pattern */
    const uint8_t *before;
    const uint8_t *value_starts;
    const uint8_t *goes_on;
    int has_lead;
    int is_nested; /* MS_FAST_GREEDY: the run may take the literal, so that a candidate may stand in another one's run */
} ms_entry;

typedef struct { /* literals that share a fingerprint */
    int64_t window; /* the bytes that distinguish them start here, relative to the fingerprint */
    int near;       /* these bytes lie within sixteen bytes of it */
    uint64_t mask;
    const ms_entry *only; /* the entry of its one literal, or NULL */
    int32_t heads;
    uint32_t head_mask;
} ms_group;

typedef struct {
    uint16_t *pair_group;   /* fingerprint of two bytes -> group + 1 */
    const ms_entry **only;  /* group + 1 -> the entry of its one literal, or ms_unknown; 0 -> ms_nowhere; of a fingerprint that begins with
                             * one of a single byte, ms_at_edge: the slow path tries both */
    ms_group *groups;
    const ms_entry **heads; /* chains of entries, by the hash of their window */
} ms_lookup;

/* Special entries: any of several literals; no literal; a position too near to a region's edge. Each has a content of its own, because a
 * linker might merge equal ones. */
static const ms_entry ms_unknown = {0}, ms_nowhere = {.mask = ~(uint64_t)0, .tail = 1}, ms_at_edge = {.pattern = -1};

/* ---- all of it */

typedef struct {
    ms_pattern *patterns;
    int32_t n_patterns;
    ms_fingerprints fingerprints;
    ms_lookup find; /* fingerprints of two bytes -> groups -> entries */
    uint16_t one_group[256];
    ms_entry *entries;
    ms_literal *literals;
    int32_t *uses;
    int32_t *always; /* patterns that are tried on every record */
    int32_t n_always;
    int watching; /* patterns have companions */
    int has_literals;
    int has_single_bytes; /* fingerprints of one byte */
    uint32_t one_byte;    /* then, what stands in find.pair_group for two bytes of which the first is one */
    int32_t matches;
    int32_t level;
    int terminators;             /* MS_LF or MS_UNIVERSAL */
    int drop_cr;                 /* newline="lf" without escape: one \r at a record's end is not part of it */
    int rewriting;               /* how, or 0 */
    ms_class always_first;       /* of patterns that are tried on every record: the bytes with which a match starts */
    const uint8_t *always_table; /* the same as a table, or NULL if one of them may match anywhere */
} ms_tables;

static void ms_tables_clear(ms_tables *t) {
    free(t->patterns);
    free(t->always);
    free(t->literals);
    free(t->uses);
    free(t->entries);
    free(t->find.pair_group);
    free(t->find.groups);
    free(t->find.only);
    free(t->find.heads);
}

#endif
