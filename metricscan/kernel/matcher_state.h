/* The state of the matcher: the stack of frames to backtrack to, the places (captures and loops), the memoised failures, and the budget. */
#ifndef METRICSCAN_MATCHER_STATE_H
#define METRICSCAN_MATCHER_STATE_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "program.h"
#include "stopping.h"

enum { MS_FOUND = 1, MS_NONE = 0, MS_OVER_BUDGET = -2, MS_NO_MEMORY = -3, MS_STOPPED = -4 };

/* Marks a part of ms_attempt that is a function of its own for the reader's sake. The compiler must inline it. */
#define MS_PART static inline __attribute__((always_inline))

typedef struct {
    int32_t kind;               /* what backtracking does here: MS_SPLIT, MS_SAVE, MS_RUN, MS_ROUND, MS_GROUP, MS_FAILED */
    int32_t pc;                 /* the place in the code, or the slot or loop to restore */
    int32_t pos;                /* the place in the record, or the value to restore */
    int32_t low;                /* of a run: the smallest end (greedy) or the limit (lazy); of a branch: its memo bit, or -1; of
                                 * a group: the frame of the group around it */
    int32_t other;              /* of a run: the end where it stopped (greedy), the first end tried (lazy) */
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
    int64_t steps;              /* that this record has taken */
    int64_t pause;              /* ms_pause is called past so many steps: the least of the three below, and the next look */
    int64_t patience;           /* branches are memoised past so many steps */
    int64_t budget;             /* the record gives no row past so many steps */
    int64_t looked;             /* the number of steps at the last look whether the scan is to stop; of an earlier record: negative */
    const ms_stop *stop;
} ms_matcher;

/* A record has one frame for each choice that is open. 20 bytes each: 320 MB. */
enum { MS_MOST_FRAMES = 1 << 24 };
/* Places in a record, and the numbers of memo bits, are 32 bits wide in a frame. */
enum { MS_MOST_MEMO_BYTES = 1 << 26 };
enum { MS_LONGEST_MATCHED = INT32_MAX - 1 };
/* The budget of a record: free steps, and steps for each byte, of which there are more the larger the program is (patterns/program_facts.py). In
 * the logs that were measured no record takes eight steps a byte. A step takes up to 7 ns, so no record takes longer than about 1 s. */
enum { MS_STEPS_A_BYTE = 64, MS_FREE_STEPS = 65536, MS_MOST_STEPS = 1 << 27 };
/* After so many steps, some 20 ms, the matcher looks whether the scan is to stop. */
#define MS_STEPS_A_LOOK ((int64_t)1 << 22)
/* Branches are memoised once a record has taken more steps than this. For a cheaper record, clearing the memory would cost more than
 * the memo saves. Only tests use other values. */
#ifndef MS_PATIENCE
#define MS_PATIENCE 512
#define MS_PATIENCE_A_BYTE 4
#endif
/* One step takes as long as the clearing of so many words of the memory. */
#define MS_WORDS_A_STEP 8

static void ms_matcher_clear(ms_matcher *m) {
    free(m->frames);
    free(m->runs);
    free(m->places);
    free(m->bits);
    const ms_stop *stop = m->stop;
    memset(m, 0, sizeof *m);
    m->stop = stop;
}

/* How many words of the memory hold the bits of all branches in a record of n bytes. */
static inline size_t ms_memo_words(const ms_program *q, int64_t n) { return ((size_t)q->splits * ((size_t)n + 1) + 63) / 64; }

/* The budget of a record of n bytes. */
static inline int64_t ms_budget_of(const ms_program *q, int64_t n) {
    const int64_t budget = MS_FREE_STEPS + q->steps_a_byte * n;
    return budget < MS_MOST_STEPS ? budget : MS_MOST_STEPS;
}

static inline void ms_set_pause(ms_matcher *m) {
    m->pause = m->looked + MS_STEPS_A_LOOK;
    if (m->patience < m->pause) m->pause = m->patience;
    if (m->budget < m->pause) m->pause = m->budget;
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
    m->looked -= m->steps;
    m->steps = 0;
    m->patience = INT64_MAX;
    if (q->pure && q->splits) m->patience = MS_PATIENCE + MS_PATIENCE_A_BYTE * n + (int64_t)ms_memo_words(q, n) / MS_WORDS_A_STEP;
    m->budget = ms_budget_of(q, n);
    ms_set_pause(m);
    return MS_FOUND;
}

/* Memoise failed branches from here on, if there is memory for it. */
static void ms_start_memo(ms_matcher *m, const ms_program *q, int64_t n) {
    size_t words = ms_memo_words(q, n);
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

/* Past m->pause: do what is due. Returns MS_FOUND, MS_OVER_BUDGET or MS_STOPPED. */
__attribute__((noinline)) static int ms_pause(ms_matcher *m, const ms_program *q, int64_t n) {
    if (m->steps > m->budget) return MS_OVER_BUDGET;
    if (m->steps > m->patience) ms_start_memo(m, q, n);
    if (m->steps - m->looked > MS_STEPS_A_LOOK) {
        m->looked = m->steps;
        if (ms_is_stopped(m->stop)) return MS_STOPPED;
    }
    ms_set_pause(m);
    return MS_FOUND;
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
    m->frames[(*depth)++] = (ms_frame){kind, pc, (int32_t)pos, (int32_t)low, (int32_t)other};
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
