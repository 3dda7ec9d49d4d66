/* Spans: a literal, one run of a byte class, then a literal or the record's end, matched in place. */
#ifndef METRICSCAN_SPANS_H
#define METRICSCAN_SPANS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "characters.h"
#include "fingerprints.h"
#include "pass.h"
#include "program.h"
#include "tables.h"

/* Find the end of a run that every byte but one belongs to, by far the most frequent kind of run. Returns where that byte stands, or a
 * place at or behind `end` if there is none in [from, end). `readable` bytes may be read at `from`; the byte is expected among the first
 * sixteen. With a constant of sixteen the compiler removes the test of `readable`. */
static inline const uint8_t *ms_run_to_byte(const uint8_t *from, const uint8_t *end, int64_t readable, uint8_t byte) {
    size_t seen = 0;
#ifdef MS_EITHER_SHIFT
    if (readable >= 16) {
        const uint64_t hits = ms_either16(from, byte, byte);
        if (__builtin_expect(hits != 0, 1)) return from + ((size_t)__builtin_ctzll(hits) >> MS_EITHER_SHIFT);
        seen = 16;
    }
#endif
    (void)readable;
    return from + (ptrdiff_t)seen < end ? from + ms_find_far(from, seen, (size_t)(end - from), byte, byte) : end;
}

/* ms_run_to_byte in a region, from a place of the current record on. A run without an end is memoised. */
static inline int ms_match_to_byte(ms_state *state, const ms_region *r, int64_t from, uint8_t byte, int64_t *run_end) {
    *run_end = ms_run_to_byte(r->p + from, r->p + r->end, r->n - from, byte) - r->p;
    if (*run_end < r->end) return 1;
    state->memo_to = r->base + r->end;
    return 0;
}

/* Return whether the run takes the character at `at` < end, whose first byte the table leaves undecided, and set where the next character
 * starts. The function is not inlined, so the loops over the table keep their registers. */
__attribute__((noinline)) static int ms_takes_undecided(const ms_pattern *q, const uint8_t *p, int64_t end, int64_t at,
                                                        int64_t *after) {
    uint32_t character;
    *after = at + ms_decode(p, end, at, &character);
    return ms_in_set(q->set, character);
}

/* Return the first place in [at, limit) that the run does not take, or limit, or one past limit if that lies inside a character. */
static inline int64_t ms_run_stop(const ms_pattern *q, const uint8_t *p, int64_t at, int64_t limit, int64_t end) {
    const uint8_t *const table = q->table;
    int64_t after;
    if (q->any_byte) return limit;
    for (;; at = after) {
        while (at < limit && table[p[at]] == MS_MEMBER) at++;
        if (at >= limit || table[p[at]] == MS_STOP || !ms_takes_undecided(q, p, end, at, &after)) return at;
    }
}

/* Return whether the pattern's suffix stands at `at`. */
static inline int ms_is_suffix(const ms_pattern *q, const uint8_t *p, int64_t at, int64_t end) {
    return at + q->suffix_length <= end && p[at] == q->suffix[0] && memcmp(p + at, q->suffix, (size_t)q->suffix_length) == 0;
}

/* Return whether the pattern matches at start.
 *
 * Every branch walks a run once per record: a run that failed, or whose suffix has no later occurrence, is memoised in memo_to, and a
 * candidate inside it fails at once. So the cost of a record is linear in its length, however many candidates it has. */
__attribute__((noinline)) static int ms_match_span(const ms_pattern *q, ms_state *state, const ms_region *r, int64_t start, int64_t *match_end,
                                int64_t *run_end) {
    const uint8_t *const p = r->p;
    const int64_t end = r->end, from = start + q->prefix_length, low = from + q->run_min, length = q->suffix_length;
    int64_t limit = end, at, stop, after;
    if (q->at_start && start != r->record) return 0;
    if (from > end || r->base + from <= state->memo_to || low > end) return 0;
    if (q->run_max >= 0 && from + q->run_max < end) limit = from + q->run_max;
    if (q->shape == MS_SHAPE_NO_RUN) {
        if (q->at_end && from != end) return 0;
        at = from;
    } else if (q->at_end) {
        at = end - length;
        if (at < low || at > limit || memcmp(p + at, q->suffix, (size_t)length) != 0) return 0;
        stop = ms_run_stop(q, p, from, at, end);
        if (stop < at) {
            if (q->run_max < 0) state->memo_to = r->base + stop;
            return 0;
        }
    } else if (length == 0) {
        if (q->shape == MS_SHAPE_LAZY) limit = low;
        at = ms_run_stop(q, p, from, limit, end);
        if (at < low) {
            if (q->run_max < 0) state->memo_to = r->base + at;
            return 0;
        }
    } else if (q->shape == MS_SHAPE_LAZY) {
        if (q->any_byte && q->run_max < 0) {
            if (length == 1) {
                if (!ms_match_to_byte(state, r, low, q->suffix[0], &at)) return 0;
            } else {
                at = (int64_t)ms_find(p, (size_t)low, (size_t)end, q->suffix, (size_t)length);
                if (at == end) {
                    state->memo_to = r->base + end;
                    return 0;
                }
            }
        } else {
            at = from;
            while (!(at >= low && ms_is_suffix(q, p, at, end))) {
                const uint8_t takes = at < limit ? q->table[p[at]] : MS_STOP;
                after = at + 1;
                if (takes == MS_STOP || (takes == MS_UNDECIDED && !ms_takes_undecided(q, p, end, at, &after))) {
                    if (q->run_max < 0) state->memo_to = r->base + at;
                    return 0;
                }
                at = after;
            }
        }
    } else {
        stop = ms_run_stop(q, p, from, limit, end);
        if (q->run_max < 0) state->memo_to = r->base + stop;
        at = stop;
        for (;;) {
            if (at < low) return 0;
            if (ms_is_suffix(q, p, at, end)) break;
            if (q->suffix_stops) return 0;
            at--;
        }
    }
    *run_end = at;
    *match_end = at + length;
    return 1;
}

#endif
