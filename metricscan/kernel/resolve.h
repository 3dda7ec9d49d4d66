/* Resolve deferred records: a pattern's notes are decided in turn, and their rows are merged with those that the scan has appended. */
#ifndef METRICSCAN_RESOLVE_H
#define METRICSCAN_RESOLVE_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "columns.h"
#include "pass.h"

/* Link the notes of each pattern in a list. All notes lie in stream order. */
static void ms_chain_notes(ms_scan *scan) {
    for (int64_t i = 0; i < scan->n_notes; i++) scan->states[scan->notes[i].pattern].last_note = -1;
    for (int64_t i = 0; i < scan->n_notes; i++) {
        ms_note *note = &scan->notes[i];
        note->following = -1;
        if (note->kind == MS_NOTE_DEAD) continue;
        int64_t *last = &scan->states[note->pattern].last_note;
        note->follows = *last >= 0;
        if (note->follows) scan->notes[*last].following = i;
        *last = i;
    }
}

/* Rows that the scan has appended behind a pattern's first note. */
typedef struct {
    int64_t rows;
    int64_t taken; /* how many of them are back in the columns */
    double *value;
    int64_t *line; /* the lines of all rows, then their offsets, then their starts */
} ms_kept_rows;

/* Move the rows from this one on aside. Returns -1 if there is no memory; the columns are as before then. */
static int ms_keep_rows(ms_kept_rows *kept, ms_state *state, int64_t first) {
    const size_t rows = (size_t)(state->rows - first), size = rows * 8;
    *kept = (ms_kept_rows){.rows = (int64_t)rows};
    if (rows == 0) return 0;
    kept->value = (double *)malloc(size * 4);
    if (kept->value == NULL) return -1;
    kept->line = (int64_t *)(kept->value + rows);
    memcpy(kept->value, state->value + first, size);
    memcpy(kept->line, state->line + first, size);
    memcpy(kept->line + rows, state->offset + first, size);
    memcpy(kept->line + 2 * rows, state->start + first, size);
    state->rows = first;
    return 0;
}

/* Append kept rows again, up to this one. Returns -1 if there is no memory. */
static int ms_append_kept(ms_scan *scan, ms_state *state, ms_kept_rows *kept, int64_t upto) {
    for (; kept->taken < upto; kept->taken++) {
        const int64_t *line = kept->line + kept->taken;
        if (ms_append_row(scan, state, kept->value[kept->taken], line[0], line[kept->rows], line[2 * kept->rows]) < 0) return -1;
    }
    return 0;
}

#endif
