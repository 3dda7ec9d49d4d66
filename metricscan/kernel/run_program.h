/* Run a pattern's program over the current record. */
#ifndef METRICSCAN_RUN_PROGRAM_H
#define METRICSCAN_RUN_PROGRAM_H

#include <stdint.h>

#include "matches.h"
#include "pass.h"
#include "program.h"
#include "records.h"
#include "tables.h"

/* Report a match at these places of the record; value: the places of its value. */
__attribute__((always_inline)) static inline void ms_put_program_match(ms_scan *scan, ms_region *r, const ms_pattern *q, ms_state *state, int32_t pattern,
                                                                      int64_t start, int64_t end, const int64_t *value) {
    if (value[0] >= 0 && value[1] >= 0) {
        ms_put_value(scan, r, q, state, pattern, r->record + start, r->record + end, r->record + value[0], r->record + value[1]);
    } else if (scan->trace) {
        /* The group of the value took no part in the match. */
        ms_note *note = ms_add_note(scan, MS_NOTE_TRACE, pattern);
        if (note == NULL) return;
        ms_note_record(scan, r, note);
        note->match_start = start;
        note->match_end = end;
        note->value_start = note->value_end = -1;
    }
}

/* Find all matches of a pattern in the current record. The text that its program searches for first stands at `text` or later. */
__attribute__((noinline)) static void ms_run_program(ms_scan *scan, ms_region *r, int32_t pattern, int64_t text) {
    const ms_pattern *const q = &scan->tables->patterns[pattern];
    const ms_program *const program = &q->program;
    ms_state *state = &scan->states[pattern];
    const uint8_t *const p = r->p + r->record;
    const int64_t n = r->end - r->record;
    const int kind = ms_record_kind(r);
    /* A record has one near miss. */
    const int32_t matches = q->is_companion ? MS_MATCHES_FIRST : scan->tables->matches;
    int64_t start = 0, end = 0, from = 0, last_start = -1, last_end = 0, last_value[2] = {-1, -1};
    int nonempty = 0;
    if (scan->no_memory) return;
    state->closed = 1;
    /* A literal that contains a terminator may start before the record. */
    text = text > r->record ? text - r->record : 0;
    int status = n > MS_LONGEST_MATCHED ? MS_OVER_BUDGET : ms_matcher_start(&scan->matcher, program, n);
    while (status == MS_FOUND) {
        status = ms_search(program, &scan->matcher, p, n, kind, from, text, nonempty, &start, &end);
        if (status != MS_FOUND) break;
        const int64_t *value = scan->matcher.places;
        if (matches == MS_MATCHES_LAST) {
            last_start = start;
            last_end = end;
            last_value[0] = value[0];
            last_value[1] = value[1];
        } else {
            ms_put_program_match(scan, r, q, state, pattern, start, end, value);
            if (matches == MS_MATCHES_FIRST) return;
        }
        from = text = end;
        nonempty = end == start;
        if (from > n - program->width) break;
    }
    if (status == MS_NO_MEMORY) {
        scan->no_memory = 1;
    } else if (status == MS_STOPPED) {
        scan->no_memory = scan->is_stopped = 1;
    } else if (status == MS_OVER_BUDGET) {
        ms_take_back(scan, pattern);
        if (q->has_lead) ms_forget_miss(scan, r, pattern);
        state->over_budget++;
        if (state->samples >= MS_MAX_SAMPLES) return;
        state->samples++;
        ms_note *note = ms_add_note(scan, MS_NOTE_REFUSED, pattern);
        if (note == NULL) return;
        ms_note_record(scan, r, note);
        note->text = p;
        note->length = n;
    } else if (last_start >= 0) {
        ms_put_program_match(scan, r, q, state, pattern, last_start, last_end, last_value);
    }
}

/* Return whether the first and the last byte of the current record allow a match. */
static int ms_may_match(const ms_program *program, const ms_region *r) {
    if (program->first == NULL) return 1;
    if (r->end == r->record) return 0;
    if (program->last != NULL && !program->last[r->p[r->end - 1]]) return 0;
    return !program->at_start || program->first[r->p[r->record]];
}

#endif
