/* The fast path. At each place that the literal search has found it verifies the literal, matches the most frequent shapes of patterns,
 * reads their numbers and writes their rows, without a call per match.
 *
 * The loop stands in fast_path_loop.h. It is compiled for any processor, and for processors with AVX2 and the bit instructions that came
 * with it (BMI); for each of them once for scans that watch, and once for those that do not. All write the same rows.
 */
#ifndef METRICSCAN_FAST_PATH_H
#define METRICSCAN_FAST_PATH_H

#include "chains.h"
#include "fingerprints.h"
#include "numbers.h"
#include "pass.h"
#include "records.h"
#include "spans.h"
#include "suspects.h"
#include "tables.h"

/* A place where a literal was verified, where one of several literals may stand, or which is too near to the region's edge for the fast
 * path. */
typedef struct {
    const uint8_t *position; /* where the fingerprint stands */
    const ms_entry *entry;
} ms_candidate;

/* What the fast path leaves to its caller: a match whose row is not written yet or, in place of the pattern, a candidate that is not matched
 * yet, or one that does not match and whose pattern has a companion. */
enum { MS_LEFT_CANDIDATE = -1, MS_LEFT_MISS = -2 };
typedef struct {
    int32_t pattern;
    int64_t start;
    int64_t end;
    int64_t value_start;
    int64_t value_end;
} ms_left;

/* Append the row of a label if its text has a number. Returns 0 if the row is left to the caller. With a label on every line, to leave the
 * fast path for each row took as long as all else that a line with four metrics costs. */
static inline int ms_put_known_text(ms_state *state, const uint8_t *from, const uint8_t *stop, int64_t line, int64_t offset, int64_t start) {
    const int64_t row = state->rows;
    if (state->texts == NULL || row >= state->room) return 0;
    const int64_t number = ms_known_text(state->texts, from, stop - from);
    if (number < 0) return 0;
    state->value[row] = (double)number;
    state->line[row] = line;
    state->offset[row] = offset;
    state->start[row] = start;
    state->rows = row + 1;
    return 1;
}

#define MS_AT_LEVEL(name) name##_anywhere
#define MS_LEVEL_TARGET
#define MS_WIDE 0
#include "fast_path_loop.h"
#undef MS_AT_LEVEL
#undef MS_LEVEL_TARGET
#undef MS_WIDE
#ifdef MS_X86
#define MS_AT_LEVEL(name) name##_wide
#define MS_LEVEL_TARGET MS_TARGET(MS_AVX2_TARGET)
#define MS_WIDE 1
#include "fast_path_loop.h"
#undef MS_AT_LEVEL
#undef MS_LEVEL_TARGET
#undef MS_WIDE
#endif

/* Write the candidates among the positions found in the block that is being searched: those that hold the literal of their fingerprint.
 * Returns how many there are. */
static inline size_t ms_candidates(int level, const ms_lookup *find, const ms_region *r, const uint32_t *positions, size_t found,
                                   ms_candidate *candidates) {
#ifdef MS_X86
    if (level >= MS_AVX2) return ms_candidates_wide(find, r, positions, found, candidates);
#endif
    return ms_candidates_anywhere(find, r, positions, found, candidates);
}

/* Match the candidates in [from, to) in their order. Returns the first candidate that is left to the caller, or `to`. Each new record takes
 * the next serial number. */
static inline const ms_candidate *ms_decide(int level, int watching, ms_region *r, ms_state *states, int64_t *serial,
                                            const ms_candidate *from, const ms_candidate *to, ms_left *left) {
#ifdef MS_X86
    if (level >= MS_AVX2)
        return watching ? ms_decide_watching_wide(level, r, states, serial, from, to, left) : ms_decide_wide(level, r, states, serial, from, to, left);
#endif
    if (watching) return ms_decide_watching_anywhere(level, r, states, serial, from, to, left);
    return ms_decide_anywhere(level, r, states, serial, from, to, left);
}

#endif
