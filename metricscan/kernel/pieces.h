/* Turn the pieces that a caller feeds, of any size, into whole records: an unfinished record at a piece's end is carried to the next. */
#ifndef METRICSCAN_PIECES_H
#define METRICSCAN_PIECES_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pass.h"
#include "records.h"
#include "scan.h"

typedef struct { /* the record that began in earlier pieces */
    uint8_t *bytes;
    int64_t length;
    int64_t capacity;
    int64_t wanted; /* the capacity whose allocation failed */
    int skip_lf;    /* the last record ended with a \r: a \n that comes next belongs to it */
} ms_carry;

static void ms_carry_clear(ms_carry *carry) {
    free(carry->bytes);
    carry->bytes = NULL;
    carry->length = carry->capacity = 0;
}

/* Append to the carried record. The memory doubles, so that a long record fed in small pieces costs its length. Returns -1 if there is
 * no memory. */
static int ms_carry_bytes(ms_carry *carry, const uint8_t *p, int64_t n) {
    if (n == 0) return 0;
    if (carry->length + n > carry->capacity) {
        int64_t capacity = carry->length + n;
        if (capacity < 2 * carry->capacity) capacity = 2 * carry->capacity;
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

/* Scan the records that end in a piece. Returns 0 if none does; else 1, and how many bytes at the piece's end are left for
 * ms_carry_rest; -1 if there is no memory to carry the bytes. Notes point into the carried record and the piece. */
static int ms_scan_piece(ms_scan *scan, ms_carry *carry, const uint8_t *p, int64_t n, int64_t *rest) {
    const int terminators = scan->tables->terminators;
    const uint8_t second = ms_second_terminator(terminators);
    if (n > 0 && carry->skip_lf) {
        carry->skip_lf = 0;
        if (*p == '\n') {
            scan->line++;
            scan->offset++;
            p++;
            n--;
        }
    }
    if (n == 0) return 0;
    const int64_t last = ms_record_start(p, 0, n, second);
    if (last == 0) return ms_carry_bytes(carry, p, n);
    carry->skip_lf = last == n && p[n - 1] == '\r' && terminators == MS_UNIVERSAL;
    int64_t first = 0;
    if (carry->length) {
        first = ms_behind_terminator(p, ms_terminator_from(p, 0, n, second), n, terminators);
        if (ms_carry_bytes(carry, p, first) < 0) return -1;
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

#endif
