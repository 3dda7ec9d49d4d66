/* Turn the pieces that a caller feeds, of any size, into whole records: the beginning of a source is passed over, and an unfinished record
 * at a piece's end is carried to the next. */
#ifndef METRICSCAN_PIECES_H
#define METRICSCAN_PIECES_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pass.h"
#include "records.h"
#include "scan.h"

/* By default, longer records are too long. */
enum { MS_MAX_RECORD_BYTES = 1 << 26 };

/* What may still come of the beginning of a source: nothing; NULs and a byte-order mark, of which the carried bytes may be a part; NULs. */
enum { MS_PAST_BEGINNING, MS_BEFORE_MARK, MS_BEHIND_MARK };

typedef struct { /* the record that began in earlier pieces */
    uint8_t *bytes;
    int64_t length;
    int64_t capacity;
    int64_t wanted; /* the capacity whose allocation failed */
    int64_t most;   /* a record of more bytes than this, its terminator excluded, is too long; at least MS_PIECE_BYTES */
    int64_t passed; /* how many bytes of a record that is too long were passed over; 0: there is none */
    int beginning;  /* MS_PAST_BEGINNING, ... */
    int skip_lf;    /* the last record ended with a \r: a \n that comes next belongs to it */
} ms_carry;

static void ms_carry_clear(ms_carry *carry) {
    free(carry->bytes);
    carry->bytes = NULL;
    carry->length = carry->capacity = 0;
}

/* The carried record, of which n more bytes were found, is too long: forget its bytes. */
static void ms_pass_long(ms_scan *scan, ms_carry *carry, int64_t n) {
    carry->passed = carry->length + n;
    ms_carry_clear(carry);
    scan->n_open = 0; /* What follows a record that is too long is no rest of a value before it. */
}

/* The record that is too long has ended, and is counted. */
static void ms_count_long(ms_scan *scan, ms_carry *carry) {
    scan->offset += carry->passed;
    carry->passed = 0;
    scan->records++;
    scan->too_long++;
}

/* Pass over what belongs to a record that is too long. Returns how many of the n bytes it is, with its terminator. */
static int64_t ms_pass_rest_of_long(ms_scan *scan, ms_carry *carry, const uint8_t *p, int64_t n) {
    const int terminators = scan->tables->terminators;
    const int64_t end = ms_terminator_from(p, 0, n, ms_second_terminator(terminators));
    const int64_t behind = end == n ? n : ms_behind_terminator(p, end, n, terminators);
    carry->passed += behind;
    if (end == n) return n;
    scan->line += p[behind - 1] == '\n';
    carry->skip_lf = behind == n && p[n - 1] == '\r' && terminators == MS_UNIVERSAL;
    ms_count_long(scan, carry);
    return behind;
}

/* Append to the carried record. The memory doubles, so that a long record fed in small pieces costs its length. Returns -1 if there is
 * no memory. */
static int ms_carry_bytes(ms_carry *carry, const uint8_t *p, int64_t n) {
    if (n == 0) return 0;
    if (carry->length + n > carry->capacity) {
        int64_t capacity = carry->length + n;
        const int64_t doubled = 2 * carry->capacity < carry->most + 2 ? 2 * carry->capacity : carry->most + 2;
        if (capacity < doubled) capacity = doubled;
        if (capacity < 256) capacity = 256;
        uint8_t *grown = (uint8_t *)realloc(carry->bytes, (size_t)capacity);
        if (grown == NULL) {
            carry->wanted = capacity;
            return -1;
        }
        carry->bytes = grown;
        carry->capacity = capacity;
    }
    memcpy(carry->bytes + carry->length, p, (size_t)n);
    carry->length += n;
    return 0;
}

/* Pass over what belongs to the beginning of the source. Returns how many of the n bytes it is; -1 if there is no memory to carry a part of
 * a byte-order mark. */
__attribute__((noinline)) static int64_t ms_pass_beginning(ms_scan *scan, ms_carry *carry, const uint8_t *p, int64_t n) {
    int64_t at = 0;
    while (carry->beginning != MS_PAST_BEGINNING) {
        if (carry->length == 0) {
            const int64_t nuls = (int64_t)ms_nuls(p + at, (size_t)(n - at));
            scan->offset += nuls;
            at += nuls;
        }
        if (at == n) break;
        if (carry->beginning == MS_BEFORE_MARK && p[at] == ms_utf8_mark[carry->length]) {
            if (ms_carry_bytes(carry, p + at, 1) < 0) return -1;
            at++;
            if (carry->length < MS_MARK_BYTES) continue;
            carry->beginning = MS_BEHIND_MARK;
            carry->length = 0;
            scan->offset += MS_MARK_BYTES;
        } else {
            carry->beginning = MS_PAST_BEGINNING; /* What looked like a mark is carried, as the front of the first record. */
        }
    }
    return at;
}

/* Scan the records that end in a piece. Returns 0 if none does; else 1, and how many bytes at the piece's end are left for
 * ms_carry_rest; -1 if there is no memory to carry the bytes. Notes point into the carried record and the piece. */
static int ms_scan_piece(ms_scan *scan, ms_carry *carry, const uint8_t *p, int64_t n, int64_t *rest) {
    const int terminators = scan->tables->terminators;
    const uint8_t second = ms_second_terminator(terminators);
    if (carry->beginning != MS_PAST_BEGINNING) {
        const int64_t passed = ms_pass_beginning(scan, carry, p, n);
        if (passed < 0) return -1;
        p += passed;
        n -= passed;
    }
    if (n > 0 && carry->skip_lf) {
        carry->skip_lf = 0;
        if (*p == '\n') {
            scan->line++;
            scan->offset++;
            p++;
            n--;
        }
    }
    if (n > 0 && carry->passed) {
        const int64_t passed = ms_pass_rest_of_long(scan, carry, p, n);
        p += passed;
        n -= passed;
    }
    if (n == 0) return 0;
    const int64_t last = ms_record_start(p, 0, n, second);
    if (last == 0) {
        if (carry->length + n <= carry->most) return ms_carry_bytes(carry, p, n);
        ms_pass_long(scan, carry, n);
        return 0;
    }
    carry->skip_lf = last == n && p[n - 1] == '\r' && terminators == MS_UNIVERSAL;
    int64_t first = 0;
    if (carry->length) {
        const int64_t end = ms_terminator_from(p, 0, n, second);
        if (carry->length + end <= carry->most) {
            first = ms_behind_terminator(p, end, n, terminators);
            if (ms_carry_bytes(carry, p, first) < 0) return -1;
        } else {
            const int skip_lf = carry->skip_lf;
            ms_pass_long(scan, carry, 0);
            first = ms_pass_rest_of_long(scan, carry, p, n);
            carry->skip_lf = skip_lf;
        }
    }
    scan->n_notes = 0;
    if (carry->length) ms_take_region(scan, 0, carry->bytes, carry->length);
    if (last > first) ms_take_region(scan, 1, p + first, last - first);
    *rest = n - last;
    return 1;
}

/* When the notes are decided: carry these bytes, the unfinished record, in place of the last one. Returns -1 if there is no memory. */
static int ms_carry_rest(ms_carry *carry, const uint8_t *p, int64_t n) {
    carry->length = 0;
    if (carry->capacity > 1 << 20) ms_carry_clear(carry); /* One huge record must not hold its memory for the rest of the input. */
    return ms_carry_bytes(carry, p, n);
}

/* The input has ended: scan the last record if no terminator has ended it. If damage has cut it off, it is counted instead. Returns whether
 * a record was scanned. */
static int ms_end(ms_scan *scan, ms_carry *carry, int cut_off) {
    const int64_t n = carry->length;
    scan->n_notes = 0;
    if (carry->passed && !cut_off) ms_count_long(scan, carry);
    if (n + carry->passed == 0) return 0;
    if (cut_off) {
        scan->offset += n + carry->passed;
        carry->length = carry->passed = 0;
        scan->cut_off++;
        return 0;
    }
    scan->unterminated = 1;
    ms_take_region(scan, 0, carry->bytes, n);
    scan->records++;
    return 1;
}

#endif
