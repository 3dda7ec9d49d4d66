/* Turn a match into a row, or into a note for Python. */
#ifndef METRICSCAN_MATCHES_H
#define METRICSCAN_MATCHES_H

#include <stdint.h>

#include "columns.h"
#include "cut_lines.h"
#include "numbers.h"
#include "pass.h"
#include "records.h"
#include "suspects.h"
#include "tables.h"

/* Drop the rows, notes and counts of this pattern in the current record, and search it no further. */
static void ms_take_back(ms_scan *scan, int32_t pattern) {
    ms_state *state = &scan->states[pattern];
    for (int64_t i = state->note_mark; i < scan->n_notes; i++)
        if (scan->notes[i].pattern == pattern) scan->notes[i].kind = MS_NOTE_DEAD;
    state->rows = state->row_mark;
    state->unparsed = state->unparsed_mark;
    state->samples = state->samples_mark;
    state->pending = 0;
    state->closed = 1;
}

/* Leave this pattern's matches of the current record to Python. */
static void ms_defer_record(ms_scan *scan, ms_region *r, int32_t pattern) {
    ms_take_back(scan, pattern);
    ms_note *note = ms_add_note(scan, MS_NOTE_RECORD, pattern);
    if (note == NULL) return;
    ms_note_record(scan, r, note);
    note->text = r->p + r->record;
    note->length = r->end - r->record;
}

/* Note what a value's neighbours tell. */
static void ms_look_at_value(ms_scan *scan, ms_region *r, const ms_pattern *q, ms_state *state, int64_t start, int64_t stop) {
    if (ms_needs_look(scan, q, state, r, start, stop)) ms_examine_value(scan, r, q, state, start, stop);
    if (stop == r->end && ms_may_be_cut(r->p + r->record, r->p + r->end, r->p + r->next, r->p + r->n))
        ms_check_cut(scan, r, (int32_t)(q - scan->tables->patterns), MS_CUT_LINE, start, stop);
}

/* Return whether a number in a watching scan, with its neighbours, is nothing but a row. Its record has a terminator; behind one no
 * value begins within a word. */
__attribute__((always_inline)) static inline int ms_is_usual(const ms_region *r, const ms_pattern *q, const ms_state *state, int64_t start, int64_t stop) {
    const uint8_t *const p = r->p;
    if (state->examined || (start > 0 && q->before[p[start - 1]])) return 0;
    const uint8_t behind = q->behind[p[stop]];
    if (!behind || (r->n - stop > 1 && !(behind & ms_beside[p[stop + 1]]))) return 1;
    return !ms_is_looked_at(r, q->behind, p + stop);
}

static void ms_put_label(ms_scan *scan, ms_region *r, int32_t pattern, int64_t start, int64_t stop) {
    const int64_t number = ms_number_of_text(&scan->texts[pattern], r->p + start, stop - start);
    if (number < 0) scan->no_memory = 1;
    else ms_append_row(scan, &scan->states[pattern], (double)number, r->row_line, r->row_offset, r->offset + start);
}

/* Put a match that is no usual number, is traced, or is that of a companion or a label. */
__attribute__((noinline)) static void ms_put_unusual(ms_scan *scan, ms_region *r, int32_t pattern, int64_t start, int64_t end,
                                                     int64_t value_start, int64_t value_end, int status, double value) {
    const ms_pattern *q = &scan->tables->patterns[pattern];
    ms_state *state = &scan->states[pattern];
    if (q->is_companion) {
        ms_add_suspect(scan, r, pattern, MS_NEAR_MISS, (uint64_t)ms_says_not_finite(r->p, value_start, value_end), start, start, end);
        return;
    }
    if (q->is_label && !scan->trace) {
        if (value_end - value_start <= MS_LABEL_CHARACTERS) {
            ms_put_label(scan, r, pattern, value_start, value_end);
            return;
        }
        status = MS_UNSURE;
    }
    if (q->has_companion && status == MS_NUMBER) ms_look_at_value(scan, r, q, state, value_start, value_end);
    const int is_other_unit = q->has_companion && status == MS_UNSURE && ms_expect_unit(r, q, state, value_start, value_end);
    if (status == MS_NUMBER && !scan->trace) {
        ms_append_row(scan, state, value, r->row_line, r->row_offset, r->offset + value_start);
        return;
    }
    if (q->has_lead) ms_forget_miss(scan, r, pattern);
    if (status == MS_REFUSED && !scan->trace) {
        state->unparsed++;
        if (q->has_companion) ms_add_unread(scan, r, q->companion, value_start, value_end);
        if (state->samples >= MS_MAX_SAMPLES) return;
        state->samples++;
    }
    ms_note *note =
        ms_add_note(scan, scan->trace ? MS_NOTE_TRACE : status == MS_REFUSED ? MS_NOTE_REFUSED : MS_NOTE_NUMBER, pattern);
    if (note == NULL) return;
    ms_note_record(scan, r, note);
    note->text = r->p + value_start;
    note->length = value_end - value_start;
    note->start = ms_input_offset(r, value_start);
    note->match_start = start - r->record;
    note->match_end = end - r->record;
    note->value_start = value_start - r->record;
    note->value_end = value_end - r->record;
    note->decided = scan->trace ? status == MS_NUMBER : is_other_unit;
    note->number = value;
}

/* Read the value of a match and append its row. `q` and `state` are those of the pattern. */
__attribute__((always_inline)) static inline void ms_put_value(ms_scan *scan, ms_region *r, const ms_pattern *q, ms_state *state, int32_t pattern,
                                                              int64_t start, int64_t end, int64_t value_start, int64_t value_end) {
    double value = 0.0;
    const int status = ms_number(r->p + value_start, r->p + value_end, r->p + r->n, &value);
    if (status == MS_NUMBER && (scan->examined == MS_UNEXAMINED ? !state->examined
                                                                : scan->examined == MS_WATCHED && ms_is_usual(r, q, state, value_start, value_end)))
        ms_append_row(scan, state, value, r->row_line, r->row_offset, r->offset + value_start);
    else ms_put_unusual(scan, r, pattern, start, end, value_start, value_end, status, value);
}

/* ms_put_value for a span, whose value lies at known distances from the match's start or the run's end. */
static inline void ms_put_match(ms_scan *scan, ms_region *r, int32_t pattern, int64_t start, int64_t end, int64_t run_end) {
    const ms_pattern *q = &scan->tables->patterns[pattern];
    ms_put_value(scan, r, q, &scan->states[pattern], pattern, start, end, q->value_from + (q->value_from_run ? run_end : start),
                 q->value_to + (q->value_to_run ? run_end : start));
}

/* The current record has ended: report the last match of each pattern in it. */
static void ms_flush_pending(ms_scan *scan, ms_region *r) {
    for (int32_t i = 0; i < scan->n_pending; i++) {
        const int32_t pattern = scan->pending[i];
        ms_state *state = &scan->states[pattern];
        if (state->pending && state->record == r->serial) {
            state->pending = 0;
            ms_put_match(scan, r, pattern, state->pending_start, state->pending_end, state->pending_run);
        }
    }
    scan->n_pending = 0;
}

#endif
