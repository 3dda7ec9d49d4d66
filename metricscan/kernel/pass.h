/* The state of a stream while it scans: for each pattern its columns and its place in the record; the regions that are scanned; and notes,
 * which say what Python has to decide.
 */
#ifndef METRICSCAN_PASS_H
#define METRICSCAN_PASS_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fingerprints.h"
#include "program.h"
#include "rewriting.h"
#include "tables.h"
#include "texts.h"

#define MS_NO_TIME INT64_MIN

typedef struct { /* of one pattern in one stream */
    /* The fast path uses these fields; they fill one cache line. */
    _Alignas(64) double *value;
    int64_t *line;
    int64_t *offset;
    int64_t *start;
    int64_t rows;
    int64_t fast_room; /* the fast path writes no further row: room, or 0 if each value is examined */
    /* The end of the last match; no match may start before it. It is ms_region.base plus a position. Such places only grow, so no record
     * and no region has to reset them. */
    int64_t next_start;
    int64_t memo_to; /* memoised: a run that starts at or before this place fails */
    /* The slow path uses the other fields. */
    int64_t *time;   /* NULL until a time was given */
    char *slab;      /* one allocation for all columns, NULL while there are no rows */
    int64_t room;    /* rows that there is memory for */
    int64_t next_room;
    int64_t timed;  /* rows whose time is written */
    int64_t handed; /* rows that left by detach, or were set aside */
    int64_t unparsed;
    int64_t failed;
    int64_t timeouts;
    int64_t over_budget;
    int64_t samples;
    /* Within the current record. Valid while record == ms_region.serial. */
    int64_t record;
    int64_t row_mark; /* these marks say what to go back to if Python has to decide the record after all */
    int64_t note_mark;
    int64_t region_mark; /* rows that came before this region, if it was rewritten or the patterns have companions */
    int64_t unparsed_mark;
    int64_t samples_mark;
    int64_t last_note; /* while notes are chained */
    int64_t missed;     /* the serial number of the last record in which a candidate has not matched */
    int64_t barren;     /* no value that the pattern does not take begins before this place, as next_start (suspects.h) */
    uint64_t unit;      /* that of the last value (suspects.h) */
    /* bytes, so that a state takes five cache lines */
    uint8_t sampled[10]; /* of a companion: its samples, by kind */
    uint8_t examined;    /* each value is examined; so are those of labels and companions */
    uint8_t shared;      /* the slab begins with rows that were handed over */
    uint8_t closed;      /* no further candidate of this record matters */
    uint8_t pending;
    int64_t pending_start;
    int64_t pending_end;
    int64_t pending_run;
    /* the newest row, once its columns have been handed over */
    double last_value;
    int64_t last_line;
    int64_t last_offset;
    int64_t last_start;
    int64_t last_time;
    ms_texts *texts; /* of a label */
} ms_state;
_Static_assert(sizeof(ms_state) <= 320, "a stream of 40 metrics is to take less than 16 KB");

typedef struct { /* whole records that lie together in memory */
    const uint8_t *p;
    int64_t n;
    const uint8_t *source; /* p as it lies in the input */
    int64_t offset;        /* of p[0] in the input */
    int64_t base;          /* bytes of earlier regions, as the patterns saw them */
    int drop_cr;
    int terminators; /* MS_EACH: rewriting has left no \r\n; what looks like one is two terminators */
    int rewritten;
    ms_rewriting rewriting; /* what p is when the input had to be rewritten */
    /* the current record: that of the newest candidate */
    int64_t serial;
    int64_t record;
    int64_t end;     /* of its content */
    int64_t next;    /* its terminator, or n */
    int64_t counted; /* newlines before this place (record, once there is one) are in line */
    int64_t line;
    int64_t row_line; /* the places that its rows name, where the input was not rewritten */
    int64_t row_offset;
    int32_t kind; /* MS_ASCII, MS_UTF8 or MS_BYTES; -1: not known yet */
    /* The block that is being searched: where it starts, and in which line; its newlines, NULL where no block is searched; its terminators,
     * and whether newlines are the only ones; and where the record starts that holds its first byte. */
    int64_t block;
    int64_t block_line;
    const ms_newlines *newlines;
    const uint64_t *ends;
    int only_newlines;
    size_t words;
    int64_t open;
} ms_region;

/* Allocate the states of this many patterns; free() releases them. Returns NULL if there is no memory. */
static ms_state *ms_new_states(int32_t n) {
    const size_t size = (size_t)(n ? n : 1) * sizeof(ms_state);
    ms_state *states = (ms_state *)aligned_alloc(_Alignof(ms_state), size);
    if (states == NULL) return NULL;
    memset(states, 0, size);
    for (int32_t i = 0; i < n; i++) states[i].last_time = MS_NO_TIME;
    return states;
}

/* The kinds of notes. */
enum { MS_NOTE_DEAD, MS_NOTE_RECORD, MS_NOTE_NUMBER, MS_NOTE_REFUSED, MS_NOTE_TRACE, MS_NOTE_SUSPECT };
/* For each pattern so many unparsed texts are kept as samples, and at most so many bytes of each. */
enum { MS_MAX_SAMPLES = 5, MS_SAMPLE_BYTES = 200 };

typedef struct {
    int32_t kind;
    int32_t pattern;
    int32_t region;
    int follows;       /* it is not the pattern's first one */
    int64_t following; /* the pattern's next one, or -1 */
    int64_t row; /* the rows of the pattern before which its own belong */
    const uint8_t *text;
    int64_t length;
    int64_t line;
    int64_t offset;
    int64_t start;
    int64_t position; /* of the record in its region */
    int64_t match_start;
    int64_t match_end;
    int64_t value_start;
    int64_t value_end;
    int64_t end;  /* of the record, as in ms_region; from the record's start */
    int64_t next;
    int decided; /* of a trace, whether `number` is the value; of a suspect, its kind; of a number, whether its unit is a new one */
    double number;
} ms_note;

typedef struct { /* a pattern's columns that were full and set aside */
    int32_t pattern;
    int64_t rows;
    char *slab;
    double *value;
    int64_t *line;
    int64_t *offset;
    int64_t *start;
} ms_batch;

typedef struct { /* a record in which a candidate did not match */
    int32_t pattern; /* -1: it matched after all */
    int64_t serial;
    int64_t record;
    int64_t end;
    int64_t next;
    int64_t line;
    int64_t offset;
    int is_found; /* by a literal of the companion */
} ms_miss;

enum { MS_NUMBER_BYTES = 40 }; /* of a number beside a value, or of a value that is cut, at most so many bytes are looked at */

/* What happens to a match before its row is written: nothing; its neighbours are looked at; it is no usual one (ms_put_unusual). */
enum { MS_UNEXAMINED, MS_WATCHED, MS_UNUSUAL };

typedef struct { /* a value that ends the last record of a region (cut_lines.h) */
    int32_t pattern;
    int32_t kind;
    int64_t length;
    int64_t line;
    int64_t offset;
    int64_t start;
    uint8_t value[MS_NUMBER_BYTES];
} ms_open;

typedef struct {
    const ms_tables *tables;
    ms_state *states;
    ms_texts *texts; /* of each pattern; NULL if none is a label */
    ms_region regions[2]; /* the record that began in earlier bytes, and the records that lie in the caller's */
    ms_note *notes;
    int64_t n_notes;
    int64_t notes_capacity;
    ms_matcher matcher;
    int32_t *pending; /* patterns with a pending match in the current record (matches="last") */
    int32_t n_pending;
    int64_t serial;
    int64_t base;
    int64_t line;   /* newlines before the next region */
    int64_t offset; /* of the next region */
    int64_t records;
    int64_t cut_off; /* records that damage of the input has cut off: 0 or 1 */
    int64_t too_long; /* records that were too long */
    ms_batch *batches;
    int64_t n_batches;
    int64_t batches_capacity;
    ms_miss *misses;
    int64_t n_misses;
    int64_t misses_capacity;
    ms_open *open;
    int64_t n_open;
    int64_t open_capacity;
    const int64_t *joints; /* the offsets at which parts of the input begin that have nothing to do with what precedes, in order */
    int64_t n_joints;
    int in_batches;    /* full columns are set aside */
    int rewritten;     /* the region being scanned was */
    int unterminated;  /* the region being scanned is a last record without a terminator */
    int overgrown;     /* some columns have outgrown a batch where they could not be set aside */
    int64_t row_limit; /* tests: growing past it fails as memory would */
    int trace;
    int examined; /* MS_UNEXAMINED, ... */
    ms_stop stop;      /* says whether the scan is to stop */
    int no_memory;     /* the scan has ended early: there was no memory, or */
    int is_stopped;    /* it was stopped */
} ms_scan;

/* Add a note of a pattern. Returns NULL if there is no memory. */
static ms_note *ms_add_note(ms_scan *scan, int kind, int32_t pattern) {
    if (scan->n_notes == scan->notes_capacity) {
        const int64_t capacity = scan->notes_capacity ? scan->notes_capacity * 2 : 16;
        ms_note *grown = (ms_note *)realloc(scan->notes, (size_t)capacity * sizeof(ms_note));
        if (grown == NULL) {
            scan->no_memory = 1;
            return NULL;
        }
        scan->notes = grown;
        scan->notes_capacity = capacity;
    }
    ms_note *note = &scan->notes[scan->n_notes++];
    memset(note, 0, sizeof *note);
    note->kind = kind;
    note->pattern = pattern;
    note->row = scan->states[pattern].rows;
    return note;
}

#endif
