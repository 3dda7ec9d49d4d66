/* The state of the matcher: the stack of frames to backtrack to, the places (captures and loops), the memoised failures, and the budget. */
#ifndef METRICSCAN_MATCHER_STATE_H
#define METRICSCAN_MATCHER_STATE_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "program.h"

enum { MS_FOUND = 1, MS_NONE = 0, MS_OVER_BUDGET = -2, MS_NO_MEMORY = -3 };

/* Marks a part of ms_attempt that is a function of its own for the reader's sake. The compiler must inline it. */
#define MS_PART static inline __attribute__((always_inline))

typedef struct {
    int32_t kind;               /* what backtracking does here: MS_SPLIT, MS_SAVE, MS_RUN, MS_ROUND, MS_GROUP, MS_FAILED */
    int32_t pc;                 /* the place in the code, or the slot or loop to restore */
    int64_t pos;                /* the place in the record, or the value to restore */
    int64_t low;                /* of a run: the smallest end (greedy) or the limit (lazy); of a branch: its memo bit, or -1; of
                                 * a group: the frame of the group around it */
    int64_t other;              /* of a run: the end where it stopped (greedy), the first end tried (lazy) */
} ms_frame;
enum { MS_FAILED = -1 };        /* a frame's kind: if backtracking reaches it, both alternatives have failed */

typedef struct {
    int64_t scan_from, scan_stop;   /* the class takes all characters of this interval */
    int64_t fail_low, fail_high;    /* the rest of the pattern fails from every end in this interval */
} ms_run;

typedef struct {
    ms_frame *frames;
    size_t frames_capacity;
    ms_run *runs;
    size_t runs_capacity;
    int64_t *places;            /* the slots, then for each loop the place where its round began */
    size_t places_capacity;
    uint64_t *bits;
    size_t bits_capacity;
    int memo;
    int64_t steps, patience, budget;
} ms_matcher;

#define MS_MOST_FRAMES ((size_t)1 << 22) /* 128 MB */
#define MS_MOST_MEMO_BYTES ((size_t)1 << 26)
/* A record may take this many steps per byte. In the logs that were measured no record takes eight. */
#ifndef MS_STEPS_A_BYTE
#define MS_STEPS_A_BYTE 64
#define MS_FREE_STEPS 65536
#endif
/* Branches are memoised once a record has taken more steps than this. For a cheaper record, clearing the memory would cost more than
 * the memo saves. Only tests use other values. */
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

/* Prepare the matcher for a record of n bytes. Returns MS_FOUND or MS_NO_MEMORY. */
__attribute__((always_inline)) static inline int ms_matcher_start(ms_matcher *m, const ms_program *q, int64_t n) {
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

/* Memoise failed branches from here on, if there is memory for it. */
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

/* Push a frame. Returns MS_FOUND, or MS_OVER_BUDGET or MS_NO_MEMORY, which are negative. */
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

/* Set a place (of a slot or a loop), and push a frame that restores its old value. */
static inline int ms_set_place(ms_matcher *m, size_t *depth, int32_t kind, int32_t place, int64_t value) {
    int status = MS_FOUND;
    if (*depth) status = ms_push(m, depth, kind, place, m->places[place], 0, 0);
    m->places[place] = value;
    return status;
}

#endif
