/* The matcher of general patterns: a backtracking machine over a program that patterns/program.py writes.
 *
 * It takes the alternatives of a pattern in the order in which Python's re does, so its first success is re's match. What
 * keeps it from exploding is that a state (place in the program, place in the record) that has failed fails again, whatever
 * led there: nothing that a pure program decides depends on a capture, and of a loop whose body may be empty the state says
 * whether the round under way has moved. Failed states are kept over all attempts and all matches in a record:
 *
 *  - of a loop over one class (most of what logs need) as the interval of ends from which the rest of the pattern failed;
 *  - of a choice as a bit each, once a record has proved to be expensive. A choice has failed when its second way has; what
 *    an atomic group or a lookaround cuts off has not, and is not remembered.
 *
 * Programs that look at captured text, or count the rounds of a loop, are not pure: nothing is remembered of them.
 *
 * Where the next byte decides how far a run goes, or which way of a choice can lead on, there is nothing to come back to and
 * nothing to remember: such a run costs its bytes. So does one that is short, which is walked anew from each place.
 *
 * And there is a budget of steps for a record, a multiple of its length, so that nothing depends on a clock.
 */
#ifndef METRICSCAN_PROGRAM_H
#define METRICSCAN_PROGRAM_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "characters.h"
#include "fingerprints.h"

enum {
    MS_MATCH,       /* */
    MS_BYTE,        /* byte */
    MS_STRING,      /* offset in the pool, length */
    MS_CLASS,       /* class */
    MS_RUN,         /* kind, class, least, most (-1: no limit), byte that must follow (-1: unknown), number, takes all,
                     * class whose table leaves all outside ASCII undecided */
    MS_SPLIT,       /* tried first, tried second, number, how many loops around it may have empty rounds, table of ways (-1:
                     * none), ways at the record's end, those loops */
    MS_JUMP,        /* target */
    MS_SAVE,        /* slot: the place is kept in it */
    MS_BEGIN,       /* */
    MS_END,         /* */
    MS_BOUNDARY,    /* 1: a word boundary, 0: none; 1: words are ASCII's; 1: none is found in an empty record */
    MS_LOOK,        /* 1: ahead, 0: behind; 1: must match, 0: must not; length; that many classes */
    MS_ENTER,       /* loop: no round has begun */
    MS_CHECK,       /* loop, target: there if the last round has not moved (-1: fail) */
    MS_ROUND,       /* loop: a round begins here */
    MS_COUNT,       /* loop, least, most (-1: no limit), kind, target: out. Decides on a further round, and begins it */
    MS_MORE,        /* loop, most, target: a lazy loop's further round, which begins at the target */
    MS_GROUP,       /* kind, characters to go back, target: behind its end. What follows is decided for itself */
    MS_END_GROUP,   /* */
    MS_SAME,        /* slot, fold: what the slot and the next one hold stands here once more */
    MS_IF,          /* slot, target: there unless the slot and the next one hold something */
    /* runs as above that can only end where their class or their limit ends them: what follows takes no byte of the class */
    MS_FIXED,
    MS_MAYBE,       /* of at most one character */
    MS_REST,        /* to the record's end */
    MS_KEEP         /* as MS_SAVE, where every match comes by: there is nothing to undo */
};
enum { MS_RUN_SIZE = 9, MS_SPLIT_SIZE = 7, MS_COUNT_SIZE = 6 };
/* A run that can only end in one place is walked anew, rather than remembered, if it is no longer than this. */
enum { MS_SHORT_RUN = 16 };
enum { MS_GREEDY, MS_LAZY, MS_POSSESSIVE };
enum { MS_ANYWHERE, MS_AT_TEXT, MS_BEFORE_TEXT, MS_AT_ONCE, MS_BEFORE_END };   /* where a match can start */
enum { MS_ATOMIC, MS_MUST, MS_MUST_NOT };       /* kinds of a group */
enum { MS_STOP, MS_MEMBER, MS_UNDECIDED };      /* entries of a class's table of bytes */
enum { MS_FOUND = 1, MS_NONE = 0, MS_OVER_BUDGET = -2, MS_NO_MEMORY = -3 };

typedef struct {
    const int32_t *code;
    const uint8_t *pool;
    const uint8_t *tables;      /* 256 entries a class */
    const int32_t *sets;        /* a class's set, for characters that its table leaves undecided */
    const int32_t *set_at;      /* where in sets a class's is */
    const uint8_t *first;       /* 256 entries: may a match start with this byte; NULL if it may be empty */
    const uint8_t *last;        /* 256 entries: may the record's last byte be this one; NULL if it may end anywhere, or be empty */
    int32_t only_run;           /* it is one greedy run without a limit, of one character at least, and all of it the value */
    int64_t width;              /* no match is shorter than this */
    ms_class first_class;       /* the same bytes as first, for the search */
    const uint8_t *ways;        /* 256 entries a table: bit 0, a choice's first way may go on with this byte, bit 1, its second */
    int32_t lead;               /* MS_AT_TEXT: where this text stands; MS_BEFORE_TEXT: at the first byte of a run of a class
                                 * that ends where it stands (MS_BEFORE_END: at the record's end); MS_AT_ONCE: where the search begins, or not at all */
    int32_t lead_class;
    const uint8_t *lead_text;
    int64_t lead_length;
    int32_t lead_ascii;         /* in records of ASCII alone; in others, anywhere */
    int32_t runs;
    int32_t splits;             /* bits that the choices need at a place */
    int32_t loops;
    int32_t slots;              /* 0 and 1: the value */
    int32_t at_start;           /* it matches at the record's start or not at all */
    int32_t words;              /* table of \\w among ASCII, for boundaries; -1: none needed */
    int32_t pure;
} ms_program;

typedef struct {
    int32_t kind;               /* of what is undone or tried here: MS_SPLIT, MS_SAVE, MS_RUN, MS_ROUND, MS_GROUP, MS_FAILED */
    int32_t pc;                 /* or the slot, or the loop */
    int64_t pos;                /* or what the slot or the loop held */
    int64_t low;                /* of a run: the least end (greedy), the limit (lazy); of a choice: its bit, or -1; of a group:
                                 * the group around it */
    int64_t other;              /* of a run: the end where it stopped (greedy), the first end tried (lazy) */
} ms_frame;
enum { MS_FAILED = -1 };        /* a frame's kind: when it is reached, the choice has failed */

typedef struct {
    int64_t scan_from, scan_stop;   /* the class was found to hold in between */
    int64_t fail_low, fail_high;    /* going on from an end in between fails */
} ms_run;

typedef struct {
    ms_frame *frames;
    size_t frames_capacity;
    ms_run *runs;
    size_t runs_capacity;
    int64_t *places;            /* the slots, then of each loop where its round began */
    size_t places_capacity;
    uint64_t *bits;
    size_t bits_capacity;
    int memo;
    int64_t steps, patience, budget;
} ms_matcher;

#define MS_MOST_FRAMES ((size_t)1 << 22) /* 128 MB */
#define MS_MOST_MEMO_BYTES ((size_t)1 << 26)
/* Steps that a record may take for each of its bytes; no record of the logs that we measured takes eight. */
#ifndef MS_STEPS_A_BYTE
#define MS_STEPS_A_BYTE 64
#define MS_FREE_STEPS 65536
#endif
/* Until a record has taken more than this, remembering its choices is not worth clearing the memory for it. Other values are
 * for the tests. */
#ifndef MS_PATIENCE
#define MS_PATIENCE 512
#define MS_PATIENCE_A_BYTE 4
#endif

static void ms_matcher_clear(ms_matcher *m) {
    free(m->frames);
    free(m->runs);
    free(m->places);
    free(m->bits);
    memset(m, 0, sizeof *m);
}

/* Begin with a record of n bytes. */
static int ms_matcher_start(ms_matcher *m, const ms_program *q, int64_t n) {
    size_t places = (size_t)q->slots + (size_t)q->loops;
    if (m->runs_capacity < (size_t)q->runs) {
        ms_run *grown = (ms_run *)realloc(m->runs, (size_t)q->runs * sizeof(ms_run));
        if (grown == NULL) return MS_NO_MEMORY;
        m->runs = grown;
        m->runs_capacity = (size_t)q->runs;
    }
    if (m->places_capacity < places) {
        int64_t *grown = (int64_t *)realloc(m->places, places * sizeof(int64_t));
        if (grown == NULL) return MS_NO_MEMORY;
        m->places = grown;
        m->places_capacity = places;
    }
    for (int32_t i = 0; i < q->runs; i++) m->runs[i] = (ms_run){0, -1, 0, -1};
    m->memo = 0;
    m->steps = 0;
    m->patience = q->pure && q->splits ? MS_PATIENCE + MS_PATIENCE_A_BYTE * n : INT64_MAX;
    m->budget = MS_FREE_STEPS + MS_STEPS_A_BYTE * n;
    return MS_FOUND;
}

/* From here on failed choices are remembered, if there is memory to do so. */
static void ms_start_memo(ms_matcher *m, const ms_program *q, int64_t n) {
    size_t words = ((size_t)q->splits * ((size_t)n + 1) + 63) / 64;
    m->patience = INT64_MAX;
    if (words * 8 > MS_MOST_MEMO_BYTES) return;
    if (m->bits_capacity < words) {
        uint64_t *grown = (uint64_t *)realloc(m->bits, words * 8);
        if (grown == NULL) return;
        m->bits = grown;
        m->bits_capacity = words;
    }
    memset(m->bits, 0, words * 8);
    m->memo = 1;
}

static inline int ms_push(ms_matcher *m, size_t *depth, int32_t kind, int32_t pc, int64_t pos, int64_t low, int64_t other) {
    if (*depth == m->frames_capacity) {
        size_t capacity = m->frames_capacity ? m->frames_capacity * 2 : 64;
        if (capacity > MS_MOST_FRAMES) return MS_OVER_BUDGET;
        ms_frame *grown = (ms_frame *)realloc(m->frames, capacity * sizeof(ms_frame));
        if (grown == NULL) return MS_NO_MEMORY;
        m->frames = grown;
        m->frames_capacity = capacity;
    }
    m->frames[(*depth)++] = (ms_frame){kind, pc, pos, low, other};
    return MS_FOUND;
}

/* Keep a place, and what it takes to undo that. */
static inline int ms_set_place(ms_matcher *m, size_t *depth, int32_t kind, int32_t place, int64_t value) {
    int status = MS_FOUND;
    if (*depth) status = ms_push(m, depth, kind, place, m->places[place], 0, 0);
    m->places[place] = value;
    return status;
}

/* Whether a class takes the character at p[at], at < n, and its size. */
static inline int ms_takes(const ms_program *q, int32_t class_, const uint8_t *p, int64_t n, int64_t at, int kind, int64_t *size) {
    uint8_t takes = q->tables[class_ * 256 + p[at]];
    if (takes == MS_UNDECIDED) {
        uint32_t character;
        *size = ms_decode(p, n, at, &character);
        return ms_in_set(q->sets + q->set_at[class_], character);
    }
    *size = kind == MS_ASCII ? 1 : ms_size_at(p, n, at, kind);
    return takes == MS_MEMBER;
}

static inline int ms_is_word(const uint8_t *words, int ascii_only, uint8_t lead, uint32_t character) {
    return lead < 0x80 ? words[lead] == MS_MEMBER : ms_in_category(MS_WORD, ascii_only, character);
}

/* Going on fails from every end in [low, high]. Intervals are joined where they overlap, and those of a greedy run where they
 * touch: a lazy run may walk from any end of its interval to any later one, and between two the byte may stop it. */
static inline void ms_note_failed(const ms_program *q, ms_run *run, int64_t low, int64_t high, int64_t touch) {
    if (!q->pure) return;
    if (run->fail_low <= run->fail_high && low <= run->fail_high + touch && high >= run->fail_low - touch) {
        if (low < run->fail_low) run->fail_low = low;
        if (high > run->fail_high) run->fail_high = high;
    } else {
        run->fail_low = low;
        run->fail_high = high;
    }
}

/* The largest end in [low, at] from which going on is not known to fail, or low - 1. Where the byte that must follow is known,
 * ends are found by it, sixteen bytes at a time. */
static inline int64_t ms_end_before(const uint8_t *p, int64_t n, const ms_run *run, int64_t low, int64_t at, int32_t following,
                                    int kind) {
    while (at >= low) {
        if (at >= run->fail_low && at <= run->fail_high) {
            at = run->fail_low - 1;
        } else if (following >= 0) {
            int64_t from = run->fail_high >= low && run->fail_high < at ? run->fail_high + 1 : low;
            int64_t behind = (int64_t)ms_after_last_either(p, (size_t)from, (size_t)(at < n ? at + 1 : n), (uint8_t)following,
                                                           (uint8_t)following);
            if (behind > from) return behind - 1;
            at = from - 1;
        } else if (kind != MS_ASCII && ms_inside(p, n, at, kind)) {
            at--;
        } else {
            return at;
        }
    }
    return low - 1;
}

/* Whether the text of a group stands at pos, and where it ends. */
static int ms_same(const uint8_t *p, int64_t n, int kind, int64_t from, int64_t to, int32_t fold, int64_t *pos) {
    int64_t at = *pos;
    if (fold == MS_FOLD_NOT && kind != MS_BYTES) {
        if (n - at < to - from || memcmp(p + from, p + at, (size_t)(to - from)) != 0) return 0;
        *pos = at + (to - from);
        return 1;
    }
    while (from < to) {
        uint32_t one, other;
        if (at >= n) return 0;
        from += ms_decode(p, n, from, &one);
        at += ms_decode(p, n, at, &other);
        if (ms_folded(fold, one) != ms_folded(fold, other)) return 0;
    }
    *pos = at;
    return 1;
}

/* Try to match at start. kind: what the bytes are; nonempty: an empty match does not count. */
static int ms_attempt(const ms_program *q, ms_matcher *m, const uint8_t *p, int64_t n, int kind, int64_t start, int nonempty,
                      int64_t *match_end) {
    const int32_t *code = q->code, *op = code;
    int64_t *places = m->places;
    int64_t pos = start, size;
    int64_t group = -1;         /* the frame of the innermost group that is being decided */
    size_t depth = 0;
    int32_t sort;
    int status;
    places[0] = places[1] = -1;
    for (int32_t i = 2; i < q->slots; i++) places[i] = -1;
    for (;;) {
        switch (op[0]) {
        case MS_BYTE:
            if (pos >= n || p[pos] != op[1]) goto fail;
            pos++;
            op += 2;
            continue;
        case MS_STRING:
            if (n - pos < op[2] || !ms_equal(p + pos, q->pool + op[1], (size_t)op[2])) goto fail;
            pos += op[2];
            op += 3;
            continue;
        case MS_CLASS:
            if (pos >= n || !ms_takes(q, op[1], p, n, pos, kind, &size)) goto fail;
            pos += size;
            op += 2;
            continue;
        case MS_REST:
            if (n - pos < op[3]) goto fail;
            pos = n;
            op += MS_RUN_SIZE;
            continue;
        case MS_MAYBE:
            if (pos < n) {
                uint8_t takes = q->tables[op[8] * 256 + p[pos]];
                if (takes == MS_UNDECIDED) {
                    sort = op[1];
                    goto run;
                }
                pos += takes;
            }
            op += MS_RUN_SIZE;
            continue;
        case MS_FIXED: {
            const uint8_t *table = q->tables + op[8] * 256;
            int64_t most = op[4] >= 0 && op[4] < n - pos ? op[4] : n - pos, at = pos;
            int64_t limit = pos + (most < MS_SHORT_RUN ? most : MS_SHORT_RUN);
            while (at < limit && table[p[at]] == MS_MEMBER) at++;
            if (at == limit ? most > MS_SHORT_RUN : table[p[at]] == MS_UNDECIDED) {
                sort = kind == MS_ASCII ? MS_POSSESSIVE : op[1];
                goto run;
            }
            if (at - pos < op[3]) goto fail;
            pos = at;
            op += MS_RUN_SIZE;
            continue;
        }
        case MS_RUN:
            sort = op[1];
            if (sort == MS_GREEDY && op[8] >= 0 && op[5] < 0) {
                /* short runs are not remembered as walked, and those that took no more than they must are no choice */
                const uint8_t *table = q->tables + op[8] * 256;
                int64_t limit = op[4] >= 0 && op[4] < n - pos ? pos + op[4] : n, at = pos;
                int64_t near = limit - pos < MS_SHORT_RUN ? limit : pos + MS_SHORT_RUN;
                const ms_run *run = &m->runs[op[6]];
                while (at < near && table[p[at]] == MS_MEMBER) at++;
                if ((at == limit || (at < near && table[p[at]] == MS_STOP)) && (at < run->fail_low || at > run->fail_high)) {
                    int64_t low = pos + op[3];
                    if (at < low) goto fail;
                    if (at > low) {
                        status = ms_push(m, &depth, MS_RUN, (int32_t)(op - code), at, low, at);
                        if (status < 0) return status;
                    }
                    pos = at;
                    op += MS_RUN_SIZE;
                    continue;
                }
            }
        run: {
            const uint8_t *table = q->tables + op[2] * 256;
            ms_run *run = &m->runs[op[6]];
            int64_t least = op[3], most = op[4], stop, low = pos;
            if (kind != MS_ASCII && (least > 1 || most >= 0)) {
                /* characters count: walk them one by one */
                int64_t count = 0;
                for (stop = pos; stop < n && (most < 0 || count < most); count++) {
                    if (!ms_takes(q, op[2], p, n, stop, kind, &size)) break;
                    stop += size;
                    if (count + 1 == least) low = stop;
                }
                m->steps += (stop - pos) >> 3;
                if (count < least) goto fail;
            } else {
                int64_t limit = most >= 0 && most < n - pos ? pos + most : n;
                if (most < 0 && pos >= run->scan_from && pos <= run->scan_stop) {
                    stop = run->scan_stop;
                } else if (op[7]) {
                    stop = limit;
                } else if (sort == MS_LAZY && most < 0 && kind == MS_ASCII) {
                    /* it goes as far as it must */
                    stop = pos;
                    while (stop - pos < least && stop < n && table[p[stop]] == MS_MEMBER) stop++;
                    if (stop - pos < least) goto fail;
                    stop = n;
                } else {
                    /* runs that start further and further left, as those behind a greedy run do, meet what was walked */
                    int64_t walked = most < 0 && pos < run->scan_from && run->scan_from <= run->scan_stop ? run->scan_from : limit;
                    stop = pos;
                    for (;;) {
                        while (stop < walked && table[p[stop]] == MS_MEMBER) stop++;
                        if (stop >= walked || table[p[stop]] == MS_STOP || !ms_takes(q, op[2], p, n, stop, kind, &size)) break;
                        stop += size;
                    }
                    m->steps += (stop - pos) >> 3;
                    if (stop == walked && walked < limit) stop = run->scan_stop;
                    if (most < 0) {
                        run->scan_from = pos;
                        run->scan_stop = stop;
                    }
                }
                if (stop - pos < least) goto fail;
                low = pos + least;
                if (kind != MS_ASCII && least == 1) {
                    low = pos + ms_size_at(p, n, pos, kind);
                    if (low > stop) goto fail;
                }
            }
            if (sort == MS_POSSESSIVE) {
                pos = stop;
                op += MS_RUN_SIZE;
                continue;
            }
            if (sort == MS_GREEDY) {
                int64_t end = ms_end_before(p, n, run, low, stop, op[5], kind);
                if (end < low) {
                    ms_note_failed(q, run, low, stop, 1);
                    goto fail;
                }
                status = ms_push(m, &depth, MS_RUN, (int32_t)(op - code), end, low, stop);
                if (status < 0) return status;
                pos = end;
            } else {
                status = ms_push(m, &depth, MS_RUN, (int32_t)(op - code), low, stop, low);
                if (status < 0) return status;
                pos = low;
                /* one that is known to fail, or is not followed by the right byte, is left at once */
                if ((pos >= run->fail_low && pos <= run->fail_high) || (op[5] >= 0 && (pos >= n || p[pos] != op[5]))) goto fail;
            }
            op += MS_RUN_SIZE;
            continue;
        }
        case MS_SPLIT: {
            int64_t bit = -1;
            m->steps++;
            if (m->memo) {
                int32_t state = op[3];
                for (int32_t i = 0; i < op[4]; i++) state += (int32_t)(places[op[MS_SPLIT_SIZE + i]] != pos) << i;
                bit = (int64_t)state * (n + 1) + pos;
                if (m->bits[bit >> 6] >> (bit & 63) & 1) goto fail;
            } else if (op[5] >= 0) {
                /* while nothing need be remembered of it, a choice between one way is none */
                int32_t ways = pos < n ? q->ways[op[5] * 256 + p[pos]] : op[6];
                if (ways == 0) goto fail;
                if (ways != 3) {
                    op = code + op[ways];
                    continue;
                }
            }
            status = ms_push(m, &depth, MS_SPLIT, op[2], pos, bit, 0);
            if (status < 0) return status;
            op = code + op[1];
            continue;
        }
        case MS_JUMP:
            op = code + op[1];
            continue;
        case MS_SAVE:
            status = ms_set_place(m, &depth, MS_SAVE, op[1], pos);
            if (status < 0) return status;
            op += 2;
            continue;
        case MS_KEEP:
            places[op[1]] = pos;
            op += 2;
            continue;
        case MS_BEGIN:
            if (pos != 0) goto fail;
            op++;
            continue;
        case MS_END:
            if (pos != n) goto fail;
            op++;
            continue;
        case MS_BOUNDARY: {
            const uint8_t *words = q->tables + q->words * 256;
            int before = 0, after = 0;
            uint32_t character = 0;
            if (pos > 0) {
                int64_t at = p[pos - 1] < 0x80 ? pos - 1 : ms_before(p, n, pos, kind);
                if (p[at] >= 0x80) ms_decode(p, n, at, &character);
                before = ms_is_word(words, op[2], p[at], character);
            }
            if (pos < n) {
                if (p[pos] >= 0x80) ms_decode(p, n, pos, &character);
                after = ms_is_word(words, op[2], p[pos], character);
            }
            if ((before != after) != op[1] || (n == 0 && op[3])) goto fail;
            op += 4;
            continue;
        }
        case MS_LOOK: {
            int64_t at = pos;
            int holds = 1;
            for (int32_t i = 0; i < op[3] && holds; i++) {
                /* behind, the classes come from right to left */
                if (op[1] ? at >= n : at <= 0) {
                    holds = 0;
                    break;
                }
                if (!op[1]) at = ms_before(p, n, at, kind);
                holds = ms_takes(q, op[4 + i], p, n, at, kind, &size);
                if (op[1]) at += size;
            }
            if (holds != op[2]) goto fail;
            op += 4 + op[3];
            continue;
        }
        case MS_ENTER:
            status = ms_set_place(m, &depth, MS_ROUND, op[1], -1);
            if (status < 0) return status;
            op += 2;
            continue;
        case MS_CHECK:
            if (places[op[1]] != pos) {
                op += 3;
                continue;
            }
            if (op[2] < 0) goto fail;
            op = code + op[2];
            continue;
        case MS_ROUND:
            status = ms_set_place(m, &depth, MS_ROUND, op[1], pos);
            if (status < 0) return status;
            op += 2;
            continue;
        case MS_COUNT: {
            /* the rounds behind us are one less than this place says: it was entered with -1 */
            int64_t count = places[op[1] + 1] + 1;
            m->steps++;
            if (count >= op[2]) {
                if (op[4] == MS_LAZY) {
                    status = ms_push(m, &depth, MS_SPLIT, (int32_t)(op - code) + MS_COUNT_SIZE, pos, -1, 0);
                    if (status < 0) return status;
                    op = code + op[5];
                    continue;
                }
                if ((op[3] >= 0 && count >= op[3]) || places[op[1]] == pos) {
                    op = code + op[5];
                    continue;
                }
                status = ms_push(m, &depth, MS_SPLIT, op[5], pos, -1, 0);
                if (status < 0) return status;
                status = ms_set_place(m, &depth, MS_ROUND, op[1], pos);
                if (status < 0) return status;
            }
            status = ms_set_place(m, &depth, MS_ROUND, op[1] + 1, count);
            if (status < 0) return status;
            op += MS_COUNT_SIZE + 4;
            continue;
        }
        case MS_MORE: {
            int64_t count = places[op[1] + 1] + 1;
            if ((op[2] >= 0 && count >= op[2]) || places[op[1]] == pos) goto fail;
            status = ms_set_place(m, &depth, MS_ROUND, op[1], pos);
            if (status < 0) return status;
            status = ms_set_place(m, &depth, MS_ROUND, op[1] + 1, count);
            if (status < 0) return status;
            op = code + op[3];
            continue;
        }
        case MS_GROUP: {
            int64_t at = pos;
            int32_t back = op[2];
            for (; back > 0 && at > 0; back--) at = ms_before(p, n, at, kind);
            if (back > 0) {
                /* there is not so much behind */
                if (op[1] != MS_MUST_NOT) goto fail;
                op = code + op[3];
                continue;
            }
            m->steps++;
            status = ms_push(m, &depth, MS_GROUP, (int32_t)(op - code), pos, group, 0);
            if (status < 0) return status;
            group = (int64_t)depth - 1;
            pos = at;
            op += 4;
            continue;
        }
        case MS_END_GROUP: {
            ms_frame decided = m->frames[group];
            int32_t sort = code[decided.pc + 1];
            m->steps += ((int64_t)depth - group) >> 3;
            if (sort == MS_MUST_NOT) {
                while ((int64_t)--depth > group) {
                    ms_frame *frame = &m->frames[depth];
                    if (frame->kind == MS_SAVE || frame->kind == MS_ROUND) places[frame->pc] = frame->pos;
                }
                group = decided.low;
                goto fail;
            }
            /* no other way through the group is tried; what it captured can still be undone. Its loops are done with. */
            size_t kept = (size_t)group;
            for (size_t i = kept + 1; i < depth; i++)
                if (m->frames[i].kind == MS_SAVE) m->frames[kept++] = m->frames[i];
            depth = kept;
            group = decided.low;
            if (sort == MS_MUST) pos = decided.pos;
            op++;
            continue;
        }
        case MS_SAME: {
            int64_t from = places[op[1]], to = places[op[1] + 1];
            if (from < 0 || to < from) goto fail;
            m->steps += (to - from) >> 3;
            if (!ms_same(p, n, kind, from, to, op[2], &pos)) goto fail;
            op += 3;
            continue;
        }
        case MS_IF:
            op = places[op[1]] < 0 || places[op[1] + 1] < places[op[1]] ? code + op[2] : op + 3;
            continue;
        case MS_MATCH:
            if (nonempty && pos == start) goto fail;
            *match_end = pos;
            return MS_FOUND;
        default: __builtin_unreachable();
        }
    fail:
        if (++m->steps > m->patience) ms_start_memo(m, q, n);
        if (m->steps > m->budget) return MS_OVER_BUDGET;
        if (depth == 0) return MS_NONE;
        ms_frame *frame = &m->frames[depth - 1];
        switch (frame->kind) {
        case MS_SPLIT:
            op = code + frame->pc;
            pos = frame->pos;
            if (frame->low >= 0)
                frame->kind = MS_FAILED;
            else
                depth--;
            continue;
        case MS_FAILED:
            m->bits[frame->low >> 6] |= (uint64_t)1 << (frame->low & 63);
            depth--;
            goto fail;
        case MS_SAVE:
        case MS_ROUND:
            places[frame->pc] = frame->pos;
            depth--;
            goto fail;
        case MS_GROUP:
            group = frame->low;
            pos = frame->pos;
            op = code + code[frame->pc + 3];
            depth--;
            if (code[frame->pc + 1] == MS_MUST_NOT) continue;
            goto fail;
        default: break;
        }
        op = code + frame->pc;
        ms_run *run = &m->runs[op[6]];
        if (op[1] == MS_GREEDY) {
            ms_note_failed(q, run, frame->pos, frame->other, 1);
            pos = ms_end_before(p, n, run, frame->low, frame->pos - 1, op[5], kind);
            m->steps += (frame->pos - pos) >> 5;
            if (pos < frame->low) {
                ms_note_failed(q, run, frame->low, frame->other, 1);
                depth--;
                goto fail;
            }
        } else {
            int64_t limit = frame->low, walked = 0;
            ms_note_failed(q, run, frame->other, frame->pos, 0);
            pos = frame->pos;
            if (op[7] && op[5] >= 0) {
                /* nothing stops it but its limit: on to the next place where the byte that must follow stands */
                int64_t known = pos >= run->fail_low && pos < run->fail_high && run->fail_high <= limit ? run->fail_high : pos;
                int64_t to = limit < n ? limit + 1 : n;
                pos = known < to ? (int64_t)ms_find_either(p, (size_t)known + 1, (size_t)to, (uint8_t)op[5], (uint8_t)op[5]) : to;
                walked = pos - known;
                if (pos >= to) {
                    /* the byte stands nowhere, for runs that start further on either; looking for it costs next to nothing */
                    ms_note_failed(q, run, frame->other, limit, 0);
                    walked >>= 5;
                    pos = -1;
                }
            } else for (;;) {
                if (pos >= run->fail_low && pos < run->fail_high && run->fail_high <= limit) {
                    /* every byte up to there was walked before */
                    pos = run->fail_high;
                }
                if (pos >= limit || !ms_takes(q, op[2], p, n, pos, kind, &size)) {
                    ms_note_failed(q, run, frame->other, pos, 0);
                    pos = -1;
                    break;
                }
                pos += size;
                walked += size;
                if (op[5] < 0 || (pos < n && p[pos] == op[5])) break;
            }
            m->steps += walked >> 3;
            if (pos < 0) {
                depth--;
                goto fail;
            }
        }
        frame->pos = pos;
        op = code + frame->pc + MS_RUN_SIZE;
    }
}

/* The next place at or behind `at` where a match can start, n + 1 if there is none; lower places before `from` are past. */
static inline int64_t ms_next_start(const ms_program *q, const uint8_t *p, int64_t n, int kind, int64_t from, int64_t at,
                                    int64_t *text) {
    int32_t lead = q->lead;
    const uint8_t *table = q->tables + q->lead_class * 256;
    /* which characters the class takes must be known from their bytes */
    if (kind != MS_ASCII && q->lead_ascii) lead = MS_ANYWHERE;
    switch (lead) {
    case MS_AT_TEXT:
        if (at < *text) at = *text;
        at = (int64_t)ms_find(p, (size_t)at, (size_t)n, q->lead_text, (size_t)q->lead_length);
        return at < n ? at : n + 1;
    case MS_BEFORE_TEXT:
        /* The class does not take the text's first byte: from each place of its run a match would go on from this text, so
         * what fails from the first fails from all. */
        at = (int64_t)ms_find(p, (size_t)*text, (size_t)n, q->lead_text, (size_t)q->lead_length);
        if (at >= n) return n + 1;
        *text = at + 1;
        while (at > from && table[p[at - 1]] == MS_MEMBER) at--;
        return at;
    case MS_BEFORE_END:
        /* likewise, from the record's end */
        if (*text > n) return n + 1;
        *text = n + 1;
        at = n;
        while (at > from && table[p[at - 1]] == MS_MEMBER) at--;
        return at;
    case MS_AT_ONCE: return at == from ? at : n + 1;
    default:
        for (; at <= n; at++) {
            if (q->first != NULL) {
                at = (int64_t)ms_find_class(&q->first_class, q->first, p, (size_t)at, (size_t)n);
                if (at == n) return n + 1;
            }
            if (kind == MS_ASCII || !ms_inside(p, n, at, kind)) return at;
        }
        return at;
    }
}

/* ms_search for a pattern that is one run, in a record of ASCII. */
static inline int ms_search_run(const ms_program *q, ms_matcher *m, const uint8_t *p, int64_t n, int64_t from,
                                int64_t *match_start, int64_t *match_end) {
    int64_t start = (int64_t)ms_find_class(&q->first_class, q->first, p, (size_t)from, (size_t)n), end = start + 1;
    if (start == n) return MS_NONE;
    while (end < n && q->first[p[end]]) end++;
    *match_start = m->places[0] = start;
    *match_end = m->places[1] = end;
    return MS_FOUND;
}

/* The first match that starts at or behind `from`: what re's search gives. text: where the text of MS_AT_TEXT and
 * MS_BEFORE_TEXT may first stand, at or behind `from`; nonempty: not an empty one at `from`. What was captured lies in the
 * matcher's places, -1 where nothing was. */
static int ms_search(const ms_program *q, ms_matcher *m, const uint8_t *p, int64_t n, int kind, int64_t from, int64_t text,
                     int nonempty, int64_t *match_start, int64_t *match_end) {
    if (q->last != NULL && (n == 0 || !q->last[p[n - 1]])) return MS_NONE;
    if (q->only_run && kind == MS_ASCII) return ms_search_run(q, m, p, n, from, match_start, match_end);
    for (int64_t start = from;; start++) {
        start = ms_next_start(q, p, n, kind, from, start, &text);
        if (start > n - q->width || (q->at_start && start > 0)) return MS_NONE;
        int status = ms_attempt(q, m, p, n, kind, start, nonempty && start == from, match_end);
        if (status != MS_NONE) {
            *match_start = start;
            return status;
        }
    }
}

#endif
