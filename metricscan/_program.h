/* The matcher of general patterns: a backtracking machine over a program that _program.py writes.
 *
 * It takes the alternatives of a pattern in the order in which Python's re does, so its first success is re's match. What
 * keeps it from exploding is that a state (place in the program, place in the record) that has failed fails again, whatever
 * led there: nothing that it decides depends on a capture, and loops whose body might be empty never come here. Failed
 * states are kept over all attempts and all matches in a record:
 *
 *  - of a loop over one class (most of what logs need) as the interval of ends from which the rest of the pattern failed;
 *  - of a choice as a bit each, once a record has proved to be expensive.
 *
 * And there is a budget of steps for a record, a multiple of its length, so that nothing depends on a clock.
 */
#ifndef METRICSCAN_PROGRAM_H
#define METRICSCAN_PROGRAM_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
    MS_MATCH,       /* */
    MS_BYTE,        /* byte */
    MS_STRING,      /* offset in the pool, length */
    MS_CLASS,       /* table */
    MS_RUN,         /* kind, table, least, most (-1: no limit), byte that must follow (-1: unknown), number, takes all */
    MS_SPLIT,       /* tried first, tried second, number */
    MS_JUMP,        /* target */
    MS_SAVE,        /* 0: the value starts here, 1: it ends here */
    MS_BEGIN,       /* */
    MS_END,         /* */
    MS_BOUNDARY,    /* 1: a word boundary, 0: none; 1: words are ASCII's; 1: none is found in an empty record */
    MS_LOOK         /* 1: ahead, 0: behind; 1: must match, 0: must not; length; that many tables */
};
enum { MS_RUN_SIZE = 8, MS_SPLIT_SIZE = 4 };
enum { MS_GREEDY, MS_LAZY, MS_POSSESSIVE };
enum { MS_STOP, MS_MEMBER, MS_UNDECIDED };      /* entries of a class's table of bytes */
enum { MS_FOUND = 1, MS_NONE = 0, MS_ASK = -1, MS_OVER_BUDGET = -2, MS_NO_MEMORY = -3 };

typedef struct {
    const int32_t *code;
    const uint8_t *pool;
    const uint8_t *tables;      /* 256 entries each */
    const uint8_t *first;       /* 256 entries: may a match start with this byte; NULL if it may be empty */
    int32_t runs;
    int32_t splits;
    int32_t at_start;           /* it matches at the record's start or not at all */
    int32_t words;              /* table of \w among ASCII, for boundaries; -1: none needed */
} ms_program;

typedef struct {
    int32_t kind;               /* of an alternative: MS_SPLIT, MS_SAVE, or MS_RUN */
    int32_t pc;
    int64_t pos;
    int64_t low;                /* of a run: the least end (greedy), the limit (lazy) */
    int64_t other;              /* of a run: the end where it stopped (greedy), the first end tried (lazy) */
} ms_frame;

typedef struct {
    int64_t scan_from, scan_stop;   /* the class was found to hold in between */
    int64_t fail_low, fail_high;    /* going on from an end in between fails */
} ms_run;

typedef struct {
    ms_frame *frames;
    size_t frames_capacity;
    ms_run *runs;
    size_t runs_capacity;
    uint64_t *bits;
    size_t bits_capacity;
    int memo;
    int64_t steps, patience, budget;
} ms_matcher;

#define MS_MOST_FRAMES ((size_t)1 << 24)
#define MS_MOST_MEMO_BYTES ((size_t)1 << 26)
/* Steps that a record may take for each of its bytes; what logs hold takes a handful. */
#define MS_STEPS_A_BYTE 256
#define MS_FREE_STEPS 65536
/* Until a record has taken more than this, remembering its choices is not worth clearing the memory for it. Other values are
 * for the tests. */
#ifndef MS_PATIENCE
#define MS_PATIENCE 512
#define MS_PATIENCE_A_BYTE 4
#endif

static void ms_matcher_clear(ms_matcher *m) {
    free(m->frames);
    free(m->runs);
    free(m->bits);
    memset(m, 0, sizeof *m);
}

/* Begin with a record of n bytes. */
static int ms_matcher_start(ms_matcher *m, const ms_program *q, int64_t n) {
    if (m->runs_capacity < (size_t)q->runs) {
        ms_run *grown = (ms_run *)realloc(m->runs, (size_t)q->runs * sizeof(ms_run));
        if (grown == NULL) return MS_NO_MEMORY;
        m->runs = grown;
        m->runs_capacity = (size_t)q->runs;
    }
    for (int32_t i = 0; i < q->runs; i++) m->runs[i] = (ms_run){0, -1, 0, -1};
    m->memo = 0;
    m->steps = 0;
    m->patience = MS_PATIENCE + MS_PATIENCE_A_BYTE * n;
    m->budget = MS_FREE_STEPS + MS_STEPS_A_BYTE * n;
    return MS_FOUND;
}

/* From here on failed choices are remembered, if there is memory to do so. */
static void ms_start_memo(ms_matcher *m, const ms_program *q, int64_t n) {
    size_t words = ((size_t)q->splits * ((size_t)n + 1) + 63) / 64;
    m->patience = INT64_MAX;
    if (q->splits == 0 || words * 8 > MS_MOST_MEMO_BYTES) return;
    if (m->bits_capacity < words) {
        uint64_t *grown = (uint64_t *)realloc(m->bits, words * 8);
        if (grown == NULL) return;
        m->bits = grown;
        m->bits_capacity = words;
    }
    memset(m->bits, 0, words * 8);
    m->memo = 1;
}

static inline int64_t ms_character(uint8_t lead) { return lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4; }
static inline int ms_inside_character(uint8_t c) { return (c & 0xC0) == 0x80; }

/* Whether the bytes are what Python's strict UTF-8 decoder takes. */
static int ms_is_utf8(const uint8_t *p, int64_t n) {
    int64_t i = 0;
    while (i < n) {
        uint8_t c = p[i];
        if (c < 0x80) {
            i++;
            continue;
        }
        int64_t size = ms_character(c);
        if (c < 0xC2 || c > 0xF4 || i + size > n) return 0;
        for (int64_t j = 1; j < size; j++)
            if (!ms_inside_character(p[i + j])) return 0;
        if ((c == 0xE0 && p[i + 1] < 0xA0) || (c == 0xED && p[i + 1] > 0x9F) || (c == 0xF0 && p[i + 1] < 0x90)
            || (c == 0xF4 && p[i + 1] > 0x8F))
            return 0;
        i += size;
    }
    return 1;
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

/* Going on fails from every end in [low, high]. Intervals are joined where they overlap, not where they only touch: a lazy
 * run may walk from any end of its interval to any later one, and where two touch, the byte between may stop it. */
static inline void ms_note_failed(ms_run *run, int64_t low, int64_t high) {
    if (run->fail_low <= run->fail_high && low <= run->fail_high && high >= run->fail_low) {
        if (low < run->fail_low) run->fail_low = low;
        if (high > run->fail_high) run->fail_high = high;
    } else {
        run->fail_low = low;
        run->fail_high = high;
    }
}

/* The largest end in [low, at] from which going on is not known to fail, or low - 1. */
static inline int64_t ms_end_before(const uint8_t *p, int64_t n, const ms_run *run, int64_t low, int64_t at, int32_t following,
                                    int wide) {
    while (at >= low) {
        if (at >= run->fail_low && at <= run->fail_high) {
            at = run->fail_low - 1;
        } else if (following >= 0 && (at >= n || p[at] != following)) {
            at--;
        } else if (wide && at < n && ms_inside_character(p[at])) {
            at--;
        } else {
            return at;
        }
    }
    return low - 1;
}

/* Try to match at start. nonempty: an empty match does not count. */
static int ms_attempt(const ms_program *q, ms_matcher *m, const uint8_t *p, int64_t n, int wide, int64_t start, int nonempty,
                      int64_t *match_end, int64_t *value) {
    const int32_t *code = q->code;
    int32_t pc = 0;
    int64_t pos = start;
    size_t depth = 0;
    int status;
    value[0] = value[1] = -1;
    for (;;) {
        const int32_t *op = code + pc;
        switch (op[0]) {
        case MS_BYTE:
            if (pos >= n || p[pos] != op[1]) goto fail;
            pos++;
            pc += 2;
            continue;
        case MS_STRING:
            if (n - pos < op[2] || memcmp(p + pos, q->pool + op[1], (size_t)op[2]) != 0) goto fail;
            pos += op[2];
            pc += 3;
            continue;
        case MS_CLASS: {
            if (pos >= n) goto fail;
            uint8_t takes = q->tables[op[1] * 256 + p[pos]];
            if (takes != MS_MEMBER) {
                if (takes == MS_UNDECIDED) return MS_ASK;
                goto fail;
            }
            pos += wide ? ms_character(p[pos]) : 1;
            pc += 2;
            continue;
        }
        case MS_RUN: {
            const uint8_t *table = q->tables + op[2] * 256;
            ms_run *run = &m->runs[op[6]];
            int64_t least = op[3], most = op[4], stop, low = pos;
            if (wide && (least > 1 || most >= 0 || op[1] == MS_LAZY)) {
                /* characters count: walk them one by one */
                int64_t count = 0;
                for (stop = pos; stop < n && (most < 0 || count < most); count++) {
                    uint8_t takes = table[p[stop]];
                    if (takes == MS_UNDECIDED) return MS_ASK;
                    if (takes != MS_MEMBER) break;
                    stop += ms_character(p[stop]);
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
                } else if (op[1] == MS_LAZY && most < 0) {
                    /* it goes as far as it must */
                    stop = pos;
                    while (stop - pos < least && stop < n && table[p[stop]] == MS_MEMBER) stop++;
                    if (stop - pos < least) {
                        if (stop < n && table[p[stop]] == MS_UNDECIDED) return MS_ASK;
                        goto fail;
                    }
                    stop = n;
                } else {
                    stop = pos;
                    while (stop < limit && table[p[stop]] == MS_MEMBER) stop++;
                    if (stop < limit && table[p[stop]] == MS_UNDECIDED) return MS_ASK;
                    m->steps += (stop - pos) >> 3;
                    if (most < 0) {
                        run->scan_from = pos;
                        run->scan_stop = stop;
                    }
                }
                if (stop - pos < least) goto fail;
                low = pos + least;
                if (wide && least == 1) {
                    low = pos + ms_character(p[pos]);
                    if (low > stop) goto fail;
                }
            }
            if (op[1] == MS_POSSESSIVE) {
                pos = stop;
                pc += MS_RUN_SIZE;
                continue;
            }
            if (op[1] == MS_GREEDY) {
                int64_t end = ms_end_before(p, n, run, low, stop, op[5], wide);
                if (end < low) {
                    ms_note_failed(run, low, stop);
                    goto fail;
                }
                status = ms_push(m, &depth, MS_RUN, pc, end, low, stop);
                if (status < 0) return status;
                pos = end;
            } else {
                status = ms_push(m, &depth, MS_RUN, pc, low, stop, low);
                if (status < 0) return status;
                pos = low;
                /* one that is known to fail, or is not followed by the right byte, is left at once */
                if ((pos >= run->fail_low && pos <= run->fail_high) || (op[5] >= 0 && (pos >= n || p[pos] != op[5]))) goto fail;
            }
            pc += MS_RUN_SIZE;
            continue;
        }
        case MS_SPLIT:
            m->steps++;
            if (m->memo) {
                size_t bit = (size_t)op[3] * ((size_t)n + 1) + (size_t)pos;
                if (m->bits[bit >> 6] >> (bit & 63) & 1) goto fail;
                m->bits[bit >> 6] |= (uint64_t)1 << (bit & 63);
            }
            status = ms_push(m, &depth, MS_SPLIT, op[2], pos, 0, 0);
            if (status < 0) return status;
            pc = op[1];
            continue;
        case MS_JUMP:
            pc = op[1];
            continue;
        case MS_SAVE:
            if (depth) {
                status = ms_push(m, &depth, MS_SAVE, op[1], value[op[1]], 0, 0);
                if (status < 0) return status;
            }
            value[op[1]] = pos;
            pc += 2;
            continue;
        case MS_BEGIN:
            if (pos != 0) goto fail;
            pc++;
            continue;
        case MS_END:
            if (pos != n) goto fail;
            pc++;
            continue;
        case MS_BOUNDARY: {
            const uint8_t *words = q->tables + q->words * 256;
            int before = 0, after = 0;
            if (pos > 0) {
                if (p[pos - 1] >= 0x80 && !op[2]) return MS_ASK;
                before = words[p[pos - 1]] == MS_MEMBER;
            }
            if (pos < n) {
                if (p[pos] >= 0x80 && !op[2]) return MS_ASK;
                after = words[p[pos]] == MS_MEMBER;
            }
            if ((before != after) != op[1] || (n == 0 && op[3])) goto fail;
            pc += 4;
            continue;
        }
        case MS_LOOK: {
            int64_t at = pos;
            int holds = 1;
            for (int32_t i = 0; i < op[3] && holds; i++) {
                /* behind, the tables come from right to left */
                if (op[1] ? at >= n : at <= 0) {
                    holds = 0;
                    break;
                }
                if (!op[1]) {
                    at--;
                    while (wide && at > 0 && ms_inside_character(p[at])) at--;
                }
                uint8_t takes = q->tables[op[4 + i] * 256 + p[at]];
                if (takes == MS_UNDECIDED) return MS_ASK;
                holds = takes == MS_MEMBER;
                if (op[1]) at += wide ? ms_character(p[at]) : 1;
            }
            if (holds != op[2]) goto fail;
            pc += 4 + op[3];
            continue;
        }
        default: /* MS_MATCH */
            if (nonempty && pos == start) goto fail;
            *match_end = pos;
            if (m->memo) {
                /* what was chosen at this place has not failed */
                for (int32_t i = 0; i < q->splits; i++) {
                    size_t bit = (size_t)i * ((size_t)n + 1) + (size_t)pos;
                    m->bits[bit >> 6] &= ~((uint64_t)1 << (bit & 63));
                }
            }
            return MS_FOUND;
        }
    fail:
        if (++m->steps > m->patience) {
            ms_start_memo(m, q, n);
        }
        if (m->steps > m->budget) return MS_OVER_BUDGET;
        if (depth == 0) return MS_NONE;
        ms_frame *frame = &m->frames[depth - 1];
        if (frame->kind == MS_SPLIT) {
            pc = frame->pc;
            pos = frame->pos;
            depth--;
            continue;
        }
        if (frame->kind == MS_SAVE) {
            value[frame->pc] = frame->pos;
            depth--;
            goto fail;
        }
        op = code + frame->pc;
        ms_run *run = &m->runs[op[6]];
        if (op[1] == MS_GREEDY) {
            ms_note_failed(run, frame->pos, frame->other);
            pos = ms_end_before(p, n, run, frame->low, frame->pos - 1, op[5], wide);
            m->steps += (frame->pos - pos) >> 5;
            if (pos < frame->low) {
                ms_note_failed(run, frame->low, frame->other);
                depth--;
                goto fail;
            }
        } else {
            const uint8_t *table = q->tables + op[2] * 256;
            int64_t limit = frame->low;
            ms_note_failed(run, frame->other, frame->pos);
            pos = frame->pos;
            for (;;) {
                if (pos >= run->fail_low && pos < run->fail_high && run->fail_high <= limit) {
                    /* every byte up to there was walked before */
                    pos = run->fail_high;
                }
                if (pos >= limit) {
                    pos = -1;
                    break;
                }
                uint8_t takes = table[p[pos]];
                if (takes != MS_MEMBER) {
                    if (takes == MS_UNDECIDED) return MS_ASK;
                    pos = -1;
                    break;
                }
                pos += wide ? ms_character(p[pos]) : 1;
                if (op[5] < 0 || (pos < n && p[pos] == op[5])) break;
            }
            if (pos < 0) {
                depth--;
                goto fail;
            }
            m->steps += (pos - frame->pos) >> 3;
        }
        frame->pos = pos;
        pc = frame->pc + MS_RUN_SIZE;
    }
}

/* The first match that starts at or behind `from`: what re's search gives. nonempty: not an empty one at `from`. */
static int ms_search(const ms_program *q, ms_matcher *m, const uint8_t *p, int64_t n, int wide, int64_t from, int nonempty,
                     int64_t *match_start, int64_t *match_end, int64_t *value) {
    for (int64_t start = from; start <= n; start++) {
        if (q->first != NULL) {
            while (start < n && !q->first[p[start]]) start++;
            if (start == n) return MS_NONE;
        }
        if (wide && start < n && ms_inside_character(p[start])) continue;
        if (q->at_start && start > 0) return MS_NONE;
        int status = ms_attempt(q, m, p, n, wide, start, nonempty && start == from, match_end, value);
        if (status != MS_NONE) {
            *match_start = start;
            return status;
        }
    }
    return MS_NONE;
}

#endif
