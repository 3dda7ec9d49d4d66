/* Records: where they end, which one is the current one, what its bytes are, and which places its rows name. */
#ifndef METRICSCAN_RECORDS_H
#define METRICSCAN_RECORDS_H

#include <stddef.h>
#include <stdint.h>

#include "characters.h"
#include "fingerprints.h"
#include "pass.h"
#include "rewriting.h"
#include "tables.h"

/* ---- where a record ends */

/* The byte that ends a record beside \n: \r, or \n again where it alone does, so that one search fits all. */
static inline uint8_t ms_second_terminator(int terminators) { return terminators == MS_LF ? '\n' : '\r'; }

static inline int ms_is_terminator(uint8_t byte, int terminators) {
    return byte == '\n' || byte == ms_second_terminator(terminators);
}

/* The first terminator in [from, to), else to. */
static inline int64_t ms_terminator_from(const uint8_t *p, int64_t from, int64_t to, uint8_t second) {
    return (int64_t)ms_find_either(p, (size_t)from, (size_t)to, '\n', second);
}

/* One past the last terminator in [from, to), else from: where the record starts that holds `to`. */
static inline int64_t ms_record_start(const uint8_t *p, int64_t from, int64_t to, uint8_t second) {
    return (int64_t)ms_after_last_either(p, (size_t)from, (size_t)to, '\n', second);
}

/* Where the record starts that follows the terminator at this place of n bytes. \r\n is one terminator. */
static inline int64_t ms_behind_terminator(const uint8_t *p, int64_t at, int64_t n, int terminators) {
    return at + 1 + (terminators == MS_UNIVERSAL && at + 1 < n && p[at] == '\r' && p[at + 1] == '\n');
}

/* Where the content of the current record ends. */
static inline int64_t ms_content_end(const ms_region *r) {
    return r->next - (r->drop_cr && r->next > r->record && r->p[r->next - 1] == '\r');
}

/* ---- the places that rows name */

/* Where in the input the byte at this position of the region comes from. */
static int64_t ms_input_offset(ms_region *r, int64_t position) {
    return r->offset + (r->rewritten ? ms_input_place(&r->rewriting, position) : position);
}

/* Where in the input the record at this position starts: behind its predecessor, whatever was removed at its front. */
static int64_t ms_record_offset(ms_region *r, int64_t record) {
    if (record == 0 || !r->rewritten) return r->offset + record;
    const int64_t before = ms_input_place(&r->rewriting, record - 1);
    /* the place of a \n whose \r was dropped is that of the \r */
    return r->offset + before + (r->source[before] == '\r' && r->p[record - 1] == '\n' ? 2 : 1);
}

/* The place of the current record is known: set what follows from it. A row of a rewritten region has these places until its region
 * has been scanned: ms_place_rows. */
static inline void ms_open_record(ms_region *r, int64_t *serial) {
    r->end = ms_content_end(r);
    r->kind = -1;
    r->row_line = r->line + 1;
    r->row_offset = r->offset + r->record;
    r->serial = ++*serial;
}

/* A note names the current record. */
static inline void ms_note_record(const ms_scan *scan, ms_region *r, ms_note *note) {
    note->region = (int32_t)(r - scan->regions);
    note->position = r->record;
    note->line = r->row_line;
    note->offset = ms_record_offset(r, r->record);
}

/* Give the rows of a rewritten region the places where they stood in the input. */
static void ms_place_rows(ms_scan *scan, ms_region *r) {
    int64_t last = -1, placed = 0;
    for (int32_t pattern = 0; pattern < scan->tables->n_patterns; pattern++) {
        ms_state *state = &scan->states[pattern];
        for (int64_t row = state->region_mark; row < state->rows; row++) {
            const int64_t record = state->offset[row] - r->offset;
            if (record != last) {
                last = record;
                placed = ms_record_offset(r, record);
            }
            state->offset[row] = placed;
            state->start[row] = ms_input_offset(r, state->start[row] - r->offset);
        }
    }
}

/* ---- the current record */

#define MS_AT_LEVEL(name) name##_anywhere
#define MS_LEVEL_TARGET
#define MS_WIDE 0
#include "records_in_block.h"
#undef MS_AT_LEVEL
#undef MS_LEVEL_TARGET
#undef MS_WIDE
#ifdef MS_X86
#define MS_AT_LEVEL(name) name##_wide
#define MS_LEVEL_TARGET MS_TARGET(MS_AVX2_TARGET)
#define MS_WIDE 1
#include "records_in_block.h"
#undef MS_AT_LEVEL
#undef MS_LEVEL_TARGET
#undef MS_WIDE
#endif

/* Where the record starts and ends that holds this position, which lies behind the last record. */
static inline void ms_find_record(const ms_scan *scan, ms_region *r, int64_t position) {
    const uint8_t second = ms_second_terminator(r->terminators);
    const int64_t record = ms_record_start(r->p, r->next + 1, position, second);
    if (r->next >= 0 && record == r->next + 1) r->line += r->p[r->next] == '\n'; /* the record after the last one */
    else r->line += (int64_t)ms_count_byte(scan->tables->level, r->p + r->counted, (size_t)(record - r->counted), '\n');
    r->counted = r->record = record;
    r->next = ms_terminator_from(r->p, position, r->n, second);
}

/* Make the record that holds this position the current one. Positions never go back to an earlier record. */
static inline void ms_enter_record(ms_scan *scan, ms_region *r, int64_t position) {
    if (r->newlines != NULL || position == r->next) {
        ms_enter_record_in_block_anywhere(r, position, &scan->serial);
    } else {
        ms_find_record(scan, r, position);
        ms_open_record(r, &scan->serial);
    }
}

static inline int ms_record_kind(ms_region *r) {
    if (r->kind < 0) {
        const uint8_t *const p = r->p + r->record;
        const int64_t n = r->end - r->record;
        r->kind = ms_is_ascii(p, n) ? MS_ASCII : ms_is_utf8(p, n) ? MS_UTF8 : MS_BYTES;
    }
    return r->kind;
}

/* The first candidate of a pattern in the current record: mark what to go back to. */
static inline void ms_open_state(const ms_scan *scan, const ms_region *r, ms_state *state) {
    state->record = r->serial;
    state->row_mark = state->rows;
    state->note_mark = scan->n_notes;
    state->unparsed_mark = state->unparsed;
    state->samples_mark = state->samples;
    state->closed = 0;
    state->pending = 0;
}

#endif
