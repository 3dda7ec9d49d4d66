/* Records: find where they start and end, track the current one, classify its bytes, and compute the places that its rows name. */
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

/* Return the second byte that ends a record. It is \r or, where only \n ends records, \n again, so that one search for two bytes serves
 * both cases. */
static inline uint8_t ms_second_terminator(int terminators) { return terminators == MS_LF ? '\n' : '\r'; }

static inline int ms_is_terminator(uint8_t byte, int terminators) {
    return byte == '\n' || byte == ms_second_terminator(terminators);
}

/* Return the first terminator in [from, to), or `to` if there is none. */
static inline int64_t ms_terminator_from(const uint8_t *p, int64_t from, int64_t to, uint8_t second) {
    return (int64_t)ms_find_either(p, (size_t)from, (size_t)to, '\n', second);
}

/* Return where the record that holds `to` starts: one past the last terminator in [from, to), or `from` if there is none. */
static inline int64_t ms_record_start(const uint8_t *p, int64_t from, int64_t to, uint8_t second) {
    return (int64_t)ms_after_last_either(p, (size_t)from, (size_t)to, '\n', second);
}

/* Return where the next record starts, behind the terminator at this place. \r\n is one terminator. */
static inline int64_t ms_behind_terminator(const uint8_t *p, int64_t at, int64_t n, int terminators) {
    return at + 1 + (terminators == MS_UNIVERSAL && at + 1 < n && p[at] == '\r' && p[at + 1] == '\n');
}

/* Return where the content of the current record ends: at its terminator, or before a \r that belongs to it. */
static inline int64_t ms_content_end(const ms_region *r) {
    return r->next - (r->drop_cr && r->next > r->record && r->p[r->next - 1] == '\r');
}

/* ---- the places that rows name */

/* Return the input offset of the byte at this position of the region. */
static int64_t ms_input_offset(ms_region *r, int64_t position) {
    return r->offset + (r->rewritten ? ms_input_place(&r->rewriting, position) : position);
}

/* Return the input offset of the record at this position. It starts behind the terminator of the previous record, so bytes that rewriting
 * removed at its front count as part of it. */
static int64_t ms_record_offset(ms_region *r, int64_t record) {
    if (record == 0 || !r->rewritten) return r->offset + record;
    const int64_t before = ms_input_place(&r->rewriting, record - 1);
    /* If rewriting has dropped the \r of a \r\n, the \n has the place of the \r. */
    return r->offset + before + (r->source[before] == '\r' && r->p[record - 1] == '\n' ? 2 : 1);
}

/* Set the fields of the current record that follow from its place. In a rewritten region its rows keep these places until the whole region
 * has been scanned; ms_place_rows replaces them then. */
static inline void ms_open_record(ms_region *r, int64_t *serial) {
    r->end = ms_content_end(r);
    r->kind = -1;
    r->row_line = r->line + 1;
    r->row_offset = r->offset + r->record;
    r->serial = ++*serial;
}

/* Make a note refer to the current record. */
static inline void ms_note_record(const ms_scan *scan, ms_region *r, ms_note *note) {
    note->region = (int32_t)(r - scan->regions);
    note->position = r->record;
    note->line = r->row_line;
    note->offset = ms_record_offset(r, r->record);
    note->end = r->end - r->record;
    note->next = r->next - r->record;
}

/* Replace the places of a rewritten region's rows by their places in the input. */
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

/* Find the start, the end and the line of the record that holds this position. The position lies behind the last record. */
static inline void ms_find_record(const ms_scan *scan, ms_region *r, int64_t position) {
    const uint8_t second = ms_second_terminator(r->terminators);
    const int64_t record = ms_record_start(r->p, r->next + 1, position, second);
    if (r->next >= 0 && record == r->next + 1) r->line += r->p[r->next] == '\n'; /* It directly follows the last record. */
    else r->line += (int64_t)ms_count_byte(scan->tables->level, r->p + r->counted, (size_t)(record - r->counted), '\n');
    r->counted = r->record = record;
    r->next = ms_terminator_from(r->p, position, r->n, second);
}

/* Make the record that holds this position the current one. The caller never returns to an earlier record. */
static inline void ms_enter_record(ms_scan *scan, ms_region *r, int64_t position) {
    if (r->newlines != NULL || position == r->next) {
        ms_enter_record_in_block_anywhere(r, position, &scan->serial);
    } else {
        ms_find_record(scan, r, position);
        ms_open_record(r, &scan->serial);
    }
}

/* Return whether the current record is MS_ASCII, MS_UTF8 or MS_BYTES; the first call per record determines it. */
static inline int ms_record_kind(ms_region *r) {
    if (r->kind < 0) {
        const uint8_t *const p = r->p + r->record;
        const int64_t n = r->end - r->record;
        r->kind = ms_is_ascii(p, n) ? MS_ASCII : ms_is_utf8(p, n) ? MS_UTF8 : MS_BYTES;
    }
    return r->kind;
}

/* Prepare a pattern's state for its first candidate in the current record: the marks allow the record's rows, notes and counts to be taken
 * back. */
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
