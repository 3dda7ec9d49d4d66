/* Cut lines: a record ends within or right before a value, and the next record begins with the rest. A program that prints what one read of a
 * pipe returned, such as SageMaker's toolkit, ends a line wherever the read ended.
 *
 * The rest is told from a normal beginning by what is around it: the record before it does not begin with a digit, both parts are one number,
 * and behind it stands what the regex says, or nothing, or another field with a name.
 */
#ifndef METRICSCAN_CUT_LINES_H
#define METRICSCAN_CUT_LINES_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "columns.h"
#include "pass.h"
#include "records.h"
#include "rewriting.h"
#include "suspects.h"
#include "tables.h"

/* Return how many bytes of the next record are the rest of a number that begins with this value, which may be empty; or 0. */
static int64_t ms_rest_of_number(const uint8_t *value, int64_t length, const uint8_t *next, int64_t n) {
    uint8_t joined[2 * MS_NUMBER_BYTES];
    const int64_t taken = n < MS_NUMBER_BYTES ? n : MS_NUMBER_BYTES, end = length + taken;
    memcpy(joined, value, (size_t)length);
    memcpy(joined + length, next, (size_t)taken);
    const int64_t first = end > 0 && (joined[0] == '-' || joined[0] == '+');
    int64_t at = ms_behind_digits(joined, first, end), digits = at - first;
    if (at < end && joined[at] == '.') {
        const int64_t point = at++;
        at = ms_behind_digits(joined, at, end);
        digits += at - point - 1;
    }
    if (digits == 0) return 0;
    if (at < end && (joined[at] | 0x20) == 'e') {
        const int64_t exponent = at + 1 + (at + 1 < end && (joined[at + 1] == '-' || joined[at + 1] == '+'));
        const int64_t behind = ms_behind_digits(joined, exponent, end);
        if (behind > exponent) at = behind;
    }
    return at > length ? at - length : 0;
}

static inline int ms_is_between_fields(uint8_t byte) { return byte == '\t' || (byte && strchr(" ,;)]}%|\"'", byte) != NULL); }

/* Return whether a number of which this is the rest of the record may end here: nothing follows but closing signs, or another field with a
 * name, as in 0.5<tab>acc:0.25. */
static int ms_may_end_number(const uint8_t *p, int64_t n) {
    int64_t at = 0;
    for (;;) {
        if (at < n && ms_is_between_fields(p[at])) at++;
        else if (at + 4 <= n && memcmp(p + at, "#011", 4) == 0) at += 4; /* a tab, as the service's logs show it */
        else break;
    }
    if (at == n) return 1;
    const int64_t name = at;
    if (at == 0 || !(ms_is_letter(p[at]) || p[at] == '_')) return 0;
    while (at < n && at - name < MS_NUMBER_BYTES && (ms_is_letter(p[at]) || ms_is_digit(p[at]) || memchr("_-./@", p[at], 5) != NULL)) at++;
    if (at < n && (p[at] == '"' || p[at] == '\'')) at++;
    return at < n && (p[at] == ':' || p[at] == '=');
}

/* Return how many bytes at the beginning of a record are the rest of this value, or 0. */
static int64_t ms_rest_of_value(const ms_pattern *q, const uint8_t *value, int64_t length, const uint8_t *next, int64_t n) {
    const int64_t rest = ms_rest_of_number(value, length, next, n);
    if (rest == 0) return 0;
    if (q->lead_out_length) return n - rest >= q->lead_out_length && memcmp(next + rest, q->lead_out, (size_t)q->lead_out_length) == 0 ? rest : 0;
    return ms_may_end_number(next + rest, n - rest) ? rest : 0;
}

/* Return whether a part of the input begins at this offset, so that no record goes on there. */
static int ms_is_joint(const ms_scan *scan, int64_t offset) {
    int64_t low = 0, high = scan->n_joints;
    while (low < high) {
        const int64_t middle = (low + high) / 2;
        if (scan->joints[middle] < offset) low = middle + 1;
        else high = middle;
    }
    return low < scan->n_joints && scan->joints[low] == offset;
}

/* The last record of the region ends in a value: keep it until the next record is known. */
static void ms_keep_open(ms_scan *scan, ms_region *r, int32_t pattern, int kind, int64_t start, int64_t stop) {
    if (scan->n_open == scan->open_capacity) {
        const int64_t capacity = scan->open_capacity ? scan->open_capacity * 2 : 8;
        ms_open *grown = (ms_open *)realloc(scan->open, (size_t)capacity * sizeof(ms_open));
        if (grown == NULL) {
            scan->no_memory = 1;
            return;
        }
        scan->open = grown;
        scan->open_capacity = capacity;
    }
    ms_open *open = &scan->open[scan->n_open++];
    *open = (ms_open){pattern, kind, stop - start, r->row_line, ms_record_offset(r, r->record), ms_input_offset(r, start), {0}};
    memcpy(open->value, r->p + start, (size_t)open->length);
}

/* Keep open what another scan by the same tables keeps open, since this one goes on where it stands: at places that lie so far before those
 * of the other. */
static int ms_keep_open_of(ms_scan *scan, const ms_scan *other, int64_t back) {
    if (other->n_open > scan->open_capacity) {
        ms_open *grown = (ms_open *)realloc(scan->open, (size_t)other->n_open * sizeof(ms_open));
        if (grown == NULL) return -1;
        scan->open = grown;
        scan->open_capacity = other->n_open;
    }
    if (other->n_open) memcpy(scan->open, other->open, (size_t)other->n_open * sizeof(ms_open));
    scan->n_open = other->n_open;
    for (int64_t i = 0; i < scan->n_open; i++) {
        scan->open[i].offset -= back;
        scan->open[i].start -= back;
    }
    return 0;
}

/* The value in [start, stop), which may be empty, ends the current record: note it if the next record begins with the rest. */
static void ms_check_cut(ms_scan *scan, ms_region *r, int32_t pattern, int kind, int64_t start, int64_t stop) {
    const ms_pattern *q = &scan->tables->patterns[pattern];
    int64_t at = r->record;
    while (at < start && (r->p[at] == ' ' || r->p[at] == '\t')) at++;
    if (scan->unterminated || ms_is_digit(r->p[at]) || stop - start > MS_NUMBER_BYTES) return;
    const int64_t next = ms_behind_terminator(r->p, r->next, r->n, r->terminators);
    if (next >= r->n) {
        ms_keep_open(scan, r, pattern, kind, start, stop);
        return;
    }
    int64_t end = ms_terminator_from(r->p, next, r->n, ms_second_terminator(r->terminators));
    if (r->drop_cr && end > next && r->p[end - 1] == '\r') end--;
    const int64_t rest = ms_rest_of_value(q, r->p + start, stop - start, r->p + next, end - next);
    if (rest && !(scan->n_joints && ms_is_joint(scan, ms_input_offset(r, next))))
        ms_add_suspect(scan, r, q->companion, kind, 0, start, next, next + rest);
}

/* These bytes of the input follow the records that were kept open: note those of which they begin with the rest. */
__attribute__((noinline)) static void ms_close_open(ms_scan *scan, const uint8_t *p, int64_t n, int terminators, int drop_cr) {
    int64_t end = ms_terminator_from(p, 0, n, ms_second_terminator(terminators));
    if (drop_cr && end > 0 && p[end - 1] == '\r') end--;
    const int64_t count = scan->n_open;
    scan->n_open = 0;
    if (scan->n_joints && ms_is_joint(scan, scan->offset)) return;
    for (int64_t i = 0; i < count; i++) {
        const ms_open *open = &scan->open[i];
        const ms_pattern *q = &scan->tables->patterns[open->pattern];
        const int64_t rest = ms_rest_of_value(q, open->value, open->length, p, end);
        if (rest == 0) continue;
        ms_region record = {.p = p, .n = n, .end = end, .row_line = open->line, .row_offset = open->offset, .offset = open->start};
        ms_add_suspect(scan, &record, q->companion, open->kind, 0, 0, 0, rest);
    }
}

/* ms_close_open for a stream that gets no more bytes, such as that of a block of a larger input. */
static void ms_show_next(ms_scan *scan, const uint8_t *p, int64_t n) {
    const ms_tables *const t = scan->tables;
    scan->n_notes = 0;
    if (scan->n_open == 0) return;
    int terminators = t->terminators, drop_cr = t->drop_cr;
    if (t->rewriting && ms_needs_rewriting(t->rewriting, p, n)) {
        ms_rewriting *const rewriting = &scan->regions[0].rewriting;
        n = ms_rewrite(rewriting, t->rewriting, p, n);
        if (n < 0) {
            scan->no_memory = 1;
            return;
        }
        p = rewriting->text;
        drop_cr = 0;
        if (terminators == MS_UNIVERSAL) terminators = MS_EACH;
    }
    ms_close_open(scan, p, n, terminators, drop_cr);
}

/* Return where the value begins in which a record without a match ends, as in "loss=" or "loss=0."; or -1. */
static int64_t ms_value_at_end(const ms_pattern *q, const uint8_t *p, int64_t from, int64_t end) {
    if (q->lead_in_length == 0) return -1;
    for (int64_t at = end; end - at <= MS_NUMBER_BYTES; at--) {
        int64_t text = at;
        if (q->lead_in_blanks)
            while (text > from && (p[text - 1] == ' ' || p[text - 1] == '\t')) text--;
        if (text - q->lead_in_length < from) return -1;
        if (memcmp(p + text - q->lead_in_length, q->lead_in, (size_t)q->lead_in_length) == 0) return at;
        if (!(ms_is_digit(p[at - 1]) || memchr(".eE+-", p[at - 1], 5) != NULL)) return -1;
    }
    return -1;
}

#endif
