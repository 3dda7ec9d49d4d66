/* The state of the matcher: frames to go back to, places, what is remembered of failures, and the budget of steps. */
#ifndef METRICSCAN_MATCHER_STATE_H
#define METRICSCAN_MATCHER_STATE_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "program.h"

enum { MS_FOUND = 1, MS_NONE = 0, MS_OVER_BUDGET = -2, MS_NO_MEMORY = -3 };

/* A part of one function, cut out for the reader: the compiler is to see the whole. */
#define MS_PART static inline __attribute__((always_inline))

typedef struct {
    int32_t kind;               /* what is undone or tried here: MS_SPLIT, MS_SAVE, MS_RUN, MS_ROUND, MS_GROUP, MS_FAILED */
    int32_t pc;                 /* the place in the code; or the slot, or the loop */
    int64_t pos;                /* the place in the record; or what the slot or the loop held */
    int64_t low;                /* of a run: the least end (greedy), the limit (lazy); of a choice: its bit, or -1; of a group:
                                 * the group around it */
    int64_t other;              /* of a run: the end where it stopped (greedy), the first end tried (lazy) */
} ms_frame;
enum { MS_FAILED = -1 };        /* a frame's kind: when the frame is reached, the choice has failed */

typedef struct {
    int64_t scan_from, scan_stop;   /* the class takes all in between */
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
/* Steps that a record may take for each of its bytes; no record of the logs that were measured takes eight. */
#ifndef MS_STEPS_A_BYTE
#define MS_STEPS_A_BYTE 64
#define MS_FREE_STEPS 65536
#endif
/* Until a record has taken more steps than this, remembering its choices is not worth clearing the memory for it. Other values
 * are for the tests. */
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

/* Set a place (a slot, or a loop's), and keep the one before to undo that. */
static inline int ms_set_place(ms_matcher *m, size_t *depth, int32_t kind, int32_t place, int64_t value) {
    int status = MS_FOUND;
    if (*depth) status = ms_push(m, depth, kind, place, m->places[place], 0, 0);
    m->places[place] = value;
    return status;
}

#endif
