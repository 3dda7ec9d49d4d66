/* The columns that a pattern's rows are written to. They grow by doubling, up to the size of a batch, and are set aside or handed over
 * as they are.
 */
#ifndef METRICSCAN_COLUMNS_H
#define METRICSCAN_COLUMNS_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "arrow.h"
#include "memory.h"
#include "pass.h"
#include "tables.h"

/* With at most this many patterns, columns with MS_SOME_ROWS rows become full slabs at once. */
enum { MS_FEW_PATTERNS = 32 };

/* Move the rows to columns with this room. Returns -1 if there is no memory; everything is as before then.
 *
 * Columns and patterns are staggered by odd numbers of cache lines: sixteen columns that advance at the same place of their pages
 * would compete for the eight ways of one cache set. */
static int ms_lay_out(ms_state *state, int64_t room, int32_t pattern) {
    const size_t stride = (((size_t)room * 8 + 63) & ~(size_t)63) + 5 * 64;
    const size_t shift = room >= 4096 ? (size_t)(pattern * 21 % 64) * 64 : 0;
    const size_t columns = state->time == NULL ? 4 : 5;
    const size_t held = (size_t)state->rows * 8;
    char *slab;
    /* All full slabs have one size, so any pattern can reuse a slab that another one gave back. */
    if (room == MS_SLAB_ROWS && columns == 4) slab = (char *)ms_take_memory(stride * columns + 64 * 64, 1);
    else slab = (char *)ms_take_memory(stride * columns + shift, 0);
    if (slab == NULL) return -1;
    char *const at = slab + shift;
    if (state->slab != NULL) {
        memcpy(at, state->value, held);
        memcpy(at + stride, state->line, held);
        memcpy(at + 2 * stride, state->offset, held);
        memcpy(at + 3 * stride, state->start, held);
        if (state->time != NULL) memcpy(at + 4 * stride, state->time, (size_t)state->timed * 8);
        ms_give_memory(state->slab);
    }
    state->slab = slab;
    state->shared = 0;
    state->value = (double *)at;
    state->line = (int64_t *)(at + stride);
    state->offset = (int64_t *)(at + 2 * stride);
    state->start = (int64_t *)(at + 3 * stride);
    if (state->time != NULL) state->time = (int64_t *)(at + 4 * stride);
    state->room = room;
    state->fast_room = state->examined ? 0 : room;
    return 0;
}

/* Copy the newest row, which is asked for even after its columns have been handed over. */
static inline void ms_note_last(ms_state *state) {
    const int64_t row = state->rows - 1;
    if (row < 0) return;
    state->last_value = state->value[row];
    state->last_line = state->line[row];
    state->last_offset = state->offset[row];
    state->last_start = state->start[row];
    state->last_time = state->time != NULL ? state->time[row] : MS_NO_TIME;
}

/* Forget the rows: they belong to another holder from now on. */
static void ms_let_go(ms_state *state) {
    ms_note_last(state);
    state->handed += state->rows;
    state->slab = NULL;
    state->shared = 0;
    state->value = NULL;
    state->line = state->offset = state->start = state->time = NULL;
    state->rows = state->room = state->fast_room = state->timed = state->region_mark = 0;
}

/* Make the rows a batch of their own; the next row begins new columns. Returns -1 if there is no memory; everything is as before then. */
static int ms_set_aside(ms_scan *scan, ms_state *state) {
    if (scan->n_batches == scan->batches_capacity) {
        const int64_t capacity = scan->batches_capacity ? scan->batches_capacity * 2 : 16;
        ms_batch *grown = (ms_batch *)realloc(scan->batches, (size_t)capacity * sizeof(ms_batch));
        if (grown == NULL) return -1;
        scan->batches = grown;
        scan->batches_capacity = capacity;
    }
    scan->batches[scan->n_batches++] = (ms_batch){
        .pattern = (int32_t)(state - scan->states),
        .rows = state->rows,
        .slab = state->slab,
        .value = state->value,
        .line = state->line,
        .offset = state->offset,
        .start = state->start,
    };
    ms_let_go(state);
    state->next_room = MS_SLAB_ROWS;
    return 0;
}

static int ms_never_taken_back(const ms_scan *scan, const ms_state *state) {
    const ms_pattern *q = &scan->tables->patterns[state - scan->states];
    return q->strategy == MS_STRATEGY_SPAN && !q->counted;
}

/* Make room for at least one row more. Columns grow nowhere else. Returns -1 if there is no memory; the columns are as before then. */
static int ms_grow_columns(ms_scan *scan, ms_state *state) {
    if (scan->row_limit >= 0 && state->rows >= scan->row_limit) {
        scan->no_memory = 1;
        return -1;
    }
    if (state->rows >= MS_SLAB_ROWS || (state->shared && state->rows)) {
        /* The row count must not restart while something refers to it: notes, rows that are taken back if Python has to decide the
         * record, and rows that get their places once their region is scanned. */
        if (scan->in_batches && !scan->rewritten && scan->n_notes == 0 && scan->n_misses == 0 &&
            (state->record != scan->serial || ms_never_taken_back(scan, state))) {
            if (ms_set_aside(scan, state) < 0) {
                scan->no_memory = 1;
                return -1;
            }
        } else if (state->rows >= MS_SLAB_ROWS) {
            scan->overgrown = 1;
        }
    }
    int64_t room = state->room == 0 ? state->next_room : state->room * 2;
    if (room < MS_FIRST_ROWS) room = MS_FIRST_ROWS;
    if (state->rows < MS_SLAB_ROWS &&
        (state->shared || room > MS_SLAB_ROWS / 2 ||
         (scan->in_batches && room > MS_SOME_ROWS && scan->tables->n_patterns <= MS_FEW_PATTERNS)))
        room = MS_SLAB_ROWS;
    if (room > ((int64_t)1 << 56) || ms_lay_out(state, room, (int32_t)(state - scan->states)) < 0) {
        scan->no_memory = 1;
        return -1;
    }
    return 0;
}

__attribute__((always_inline)) static inline int ms_append_row(ms_scan *scan, ms_state *state, double value, int64_t line, int64_t offset, int64_t start) {
    if (state->rows == state->room && ms_grow_columns(scan, state) < 0) return -1;
    const int64_t row = state->rows;
    state->value[row] = value;
    state->line[row] = line;
    state->offset[row] = offset;
    state->start[row] = start;
    state->rows = row + 1;
    return 0;
}

/* ---- once per call */

/* Rows without a time get this one. The first time ever makes a fifth column, where earlier rows have none. Returns -1 if there is no
 * memory. */
static int ms_write_times(ms_scan *scan, int64_t time) {
    for (int32_t i = 0; i < scan->tables->n_patterns; i++) {
        ms_state *state = &scan->states[i];
        if (state->rows == 0) continue;
        if (state->time == NULL) {
            /* Any address but NULL makes ms_lay_out add a fifth column. */
            state->time = state->start;
            if (ms_lay_out(state, state->room, i) < 0) {
                state->time = NULL;
                return -1;
            }
            for (int64_t row = 0; row < state->timed; row++) state->time[row] = MS_NO_TIME;
        }
        for (int64_t row = state->timed; row < state->rows; row++) state->time[row] = time;
        state->timed = state->rows;
    }
    return 0;
}

/* Rows get times from now on; the present rows have none. */
static void ms_begin_times(ms_scan *scan) {
    for (int32_t i = 0; i < scan->tables->n_patterns; i++) scan->states[i].timed = scan->states[i].rows;
    scan->in_batches = 0;
}

/* Set every batch aside that has outgrown its size. Returns -1 if there is no memory. */
static int ms_set_overgrown_aside(ms_scan *scan) {
    scan->overgrown = 0;
    for (int32_t i = 0; i < scan->tables->n_patterns; i++)
        if (scan->states[i].rows >= MS_SLAB_ROWS && ms_set_aside(scan, &scan->states[i]) < 0) return -1;
    return 0;
}

/* Prepare to hand the rows over. If the rest of a slab is worth keeping, returns 1: the rows are a slice of it. Otherwise returns 0; rows
 * that would leave too much memory idle for as long as they live have moved, if there was memory to move to. */
static int ms_is_slice(ms_state *state, int finished, int32_t pattern) {
    const int64_t used = (state->rows + 7) & ~(int64_t)7;
    if (!finished && state->time == NULL && (state->shared || state->room == MS_SLAB_ROWS) && state->room - used >= MS_LEAST_ROOM)
        return 1;
    if (state->rows + state->rows / 4 < state->room) (void)ms_lay_out(state, state->rows, pattern);
    return 0;
}

/* The rows have been handed over. The next rows of a slice go behind them, on a cache line of their own. */
static void ms_hand_over(ms_state *state, int slice) {
    const int64_t rows = state->rows, used = (rows + 7) & ~(int64_t)7;
    if (slice) {
        ms_share_memory(state->slab);
        ms_note_last(state);
        state->shared = 1;
        state->value += used;
        state->line += used;
        state->offset += used;
        state->start += used;
        state->handed += rows;
        state->room -= used;
        state->fast_room = state->examined ? 0 : state->room;
        state->rows = state->timed = 0;
    } else {
        ms_let_go(state);
        state->next_room = rows < MS_SLAB_ROWS ? rows : MS_SLAB_ROWS;
    }
}

/* ---- rows that were handed over */

/* Copy all columns of a batch. In each of the two batches the columns lie a stride of bytes apart. */
static void ms_copy_columns(char *to, size_t to_stride, const char *from, size_t from_stride, int64_t rows) {
    for (size_t column = 0; column < MS_COLUMNS; column++) memcpy(to + column * to_stride, from + column * from_stride, (size_t)rows * 8);
}

static void ms_add_lines(int64_t *line, int64_t rows, int64_t number) {
    for (int64_t row = 0; row < rows; row++) line[row] += number;
}

/* ---- the stream as a whole */

/* Reset all counts, and begin at this offset of the input. Returns -1 if a pattern holds rows. */
static int ms_restart(ms_scan *scan, int64_t offset) {
    for (int32_t i = 0; i < scan->tables->n_patterns; i++)
        if (scan->states[i].rows) return -1;
    for (int32_t i = 0; i < scan->tables->n_patterns; i++) {
        ms_state *state = &scan->states[i];
        state->handed = state->unparsed = state->failed = state->timeouts = state->over_budget = state->samples = 0;
        state->unit = 0;
        state->examined = (uint8_t)(scan->tables->patterns[i].is_label || scan->tables->patterns[i].is_companion);
        state->fast_room = state->examined ? 0 : state->room;
        memset(state->sampled, 0, sizeof state->sampled);
    }
    scan->offset = offset;
    scan->line = scan->records = scan->cut_off = scan->too_long = 0;
    scan->unterminated = 0;
    scan->n_open = 0;
    return 0;
}

/* Give back the memory that no row lies in. */
static void ms_drop_scratch(ms_scan *scan) {
    ms_matcher_clear(&scan->matcher);
    free(scan->notes);
    free(scan->misses);
    free(scan->open);
    scan->notes = NULL;
    scan->misses = NULL;
    scan->open = NULL;
    scan->n_open = scan->open_capacity = 0;
    scan->n_notes = scan->notes_capacity = scan->n_misses = scan->misses_capacity = 0;
    for (int i = 0; i < 2; i++) ms_rewriting_clear(&scan->regions[i].rewriting);
}

/* Give back all memory. The number of patterns is the caller's: a garbage collection may have taken the tables away already. */
static void ms_scan_clear(ms_scan *scan, int32_t n_patterns) {
    ms_drop_scratch(scan);
    for (int32_t i = 0; scan->states != NULL && i < n_patterns; i++) ms_give_memory(scan->states[i].slab);
    for (int64_t i = 0; i < scan->n_batches; i++) ms_give_memory(scan->batches[i].slab);
    for (int32_t i = 0; scan->texts != NULL && i < n_patterns; i++) ms_texts_clear(&scan->texts[i]);
    free(scan->texts);
    free(scan->states);
    free(scan->batches);
    free(scan->pending);
}

#endif
