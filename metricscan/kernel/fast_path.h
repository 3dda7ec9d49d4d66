/* The fast path. At the places that the literal search has found it verifies literals, decides the most frequent shapes of patterns, reads
 * their numbers and writes their rows, without a call per match.
 *
 * The loop stands in fast_path_loop.h and is compiled twice: for any processor, and for those with AVX2 and the bit instructions that came
 * with it. Both write the same rows.
 */
#ifndef METRICSCAN_FAST_PATH_H
#define METRICSCAN_FAST_PATH_H

#include "chains.h"
#include "fingerprints.h"
#include "numbers.h"
#include "pass.h"
#include "records.h"
#include "spans.h"
#include "tables.h"

/* A place that holds a literal, or one of several, or that is too near to the region's edge to be looked at by the fast path. */
typedef struct {
    const uint8_t *position; /* of the fingerprint */
    const ms_entry *entry;
} ms_candidate;

/* What the fast path leaves to its caller: a match whose row it has not written or, with a pattern of -1, a position. */
typedef struct {
    int32_t pattern;
    int64_t start;
    int64_t end;
    int64_t value_start;
    int64_t value_end;
} ms_left;

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

/* The candidates among the positions found in the block that is being searched: those that hold the literal of their fingerprint. Returns
 * how many. */
static inline size_t ms_candidates(int level, const ms_lookup *find, const ms_region *r, const uint32_t *positions, size_t found,
                                   ms_candidate *candidates) {
#ifdef MS_X86
    if (level >= MS_AVX2) return ms_candidates_wide(find, r, positions, found, candidates);
#endif
    return ms_candidates_anywhere(find, r, positions, found, candidates);
}

/* Decide candidates, from one up to another. Returns the first one that is left to the caller, or `to`. Each new record takes the next
 * serial. */
static inline const ms_candidate *ms_decide(int level, ms_region *r, ms_state *states, int64_t *serial,
                                            const ms_candidate *from, const ms_candidate *to, ms_left *left) {
#ifdef MS_X86
    if (level >= MS_AVX2) return ms_decide_wide(level, r, states, serial, from, to, left);
#endif
    return ms_decide_anywhere(level, r, states, serial, from, to, left);
}

#endif
