/* What the core keeps of a scan, and the quick path over it: literals told apart, the commonest patterns decided where their
 * literal is found, their numbers read and their rows written, without a call a match.
 *
 * The loop itself stands in decide_loop.h and is compiled twice: for any processor, and for those with AVX2 and the bit
 * instructions that came with it. Both write the same rows.
 */
#ifndef METRICSCAN_QUICK_H
#define METRICSCAN_QUICK_H

#include "fingerprints.h"
#include "numbers.h"
#include "program.h"
#include "rewriting.h"

/* ---- the compiled tables */

enum {
    MS_NOT_QUICK = 0,
    MS_QUICK_LAZY = 1,   /* literal, (.*?), one byte */
    MS_QUICK_GREEDY = 2, /* [^] literal, a class's run as the value, nothing or a literal that stops it */
    MS_QUICK_CHAIN = 3   /* literal, then steps that need no backtracking */
};

/* The steps of a chain (patterns/chain.py). */
enum {
    MS_STEP_TEXT,
    MS_STEP_RUN,
    MS_STEP_DECIMAL,
    MS_STEP_OPTIONAL,
    MS_STEP_EITHER,
    MS_STEP_DONE,
    MS_STEP_OPEN,
    MS_STEP_CLOSE
}; /* any other: the end */
typedef struct {
    int32_t kind;
    int32_t least; /* or, of OPTIONAL and EITHER, where to go on if what follows fails; of DONE, where to go on */
    int32_t most;
    int32_t length;
    const uint8_t *text; /* or a table of bytes */
} ms_step;

typedef struct {
    const uint8_t *text;
    int64_t length;
    int64_t place; /* of the fingerprint in the literal */
    int in_window; /* its group's window holds all of it: nothing is left to compare */
    int32_t first_use;
    int32_t uses;
} ms_literal;

typedef struct ms_entry {
    uint64_t window;
    const ms_literal *literal;
    const struct ms_entry *following;
    /* Its first and its last eight bytes, at places relative to the fingerprint; a mask of 0 says nothing: they lie too far from it,
     * or other literals have the same window */
    int64_t head_place;
    int64_t tail_place;
    uint64_t mask;
    uint64_t head;
    uint64_t tail;
    /* quick: that is all of the literal, which has one plain pattern, of a shape that logs are full of; and no other literal of the
     * group has its window */
    int32_t quick;
    int32_t pattern;
    size_t state;       /* of the pattern: where it lies behind the first one, in bytes */
    int64_t from_place; /* of the literal's end, where the run starts */
    uint8_t stop[16]; /* MS_QUICK_LAZY: what ends the run, sixteen times */
    int at_start;     /* MS_QUICK_GREEDY, and what follows */
    int64_t length;
    int64_t least;
    const uint8_t *table;
    const uint8_t *ends; /* the bytes that may end the run, those that are no members, as a table */
    ms_class stops;      /* and as a class */
    const uint8_t *suffix;
    int64_t suffix_length;
    const ms_step *steps; /* MS_QUICK_CHAIN */
} ms_entry;

typedef struct { /* literals that share a fingerprint */
    int64_t window; /* the bytes that tell them apart start here, relative to the fingerprint */
    int near;       /* they lie within sixteen bytes of it */
    uint64_t mask;
    const ms_entry *only; /* the entry of its one literal, or NULL */
    int32_t heads;
    uint32_t head_mask;
} ms_group;

typedef struct {
    uint16_t *pair_group;   /* fingerprint of two bytes -> group + 1 */
    const ms_entry **only;  /* group + 1 -> the entry of its one literal, or ms_unknown; 0 -> ms_nowhere */
    ms_group *groups;
    const ms_entry **heads; /* chains of entries, by the hash of their window */
} ms_lookup;

/* Stand for one of several literals, for none, and for whatever is too near to a region's end. No two are alike, or a linker might make
 * them one. */
static const ms_entry ms_unknown = {0}, ms_nowhere = {.mask = ~(uint64_t)0, .tail = 1}, ms_at_edge = {.pattern = -1};

/* ---- one pass */

typedef struct { /* of one pattern in one stream; what the quick path needs comes first, on one cache line */
    double *value;
    int64_t *line;
    int64_t *offset;
    int64_t *start;
    int64_t rows;
    int64_t room; /* rows that there is memory for */
    /* ms_region.base + a position: such places only grow, so they need no reset at a record or a region. No match may start before
     * the end of the last one */
    int64_t next_start;
    int64_t memo_to; /* a run that starts at or before this place fails: it has been walked */
    int64_t *time;   /* NULL until a time was given */
    char *slab;      /* one allocation for all columns, NULL while there are no rows */
    int shared;      /* the slab begins with rows that were handed over */
    int64_t next_room;
    int64_t timed;  /* rows whose time is written */
    int64_t handed; /* rows that left by detach, or were set aside */
    int64_t unparsed;
    int64_t failed;
    int64_t timeouts;
    int64_t over_budget;
    int64_t samples;
    /* within the current record; valid while record == ms_region.serial */
    int64_t record;
    int64_t row_mark; /* what to go back to if the record must be decided by Python after all */
    int64_t note_mark;
    int64_t region_mark; /* rows that came before this region, if it was rewritten */
    int64_t unparsed_mark;
    int64_t samples_mark;
    int closed; /* no further candidate of this record matters */
    int pending;
    int64_t pending_start;
    int64_t pending_end;
    int64_t pending_run;
    /* the newest of those */
    double last_value;
    int64_t last_line;
    int64_t last_offset;
    int64_t last_start;
    int64_t last_time;
} ms_state;

typedef struct { /* whole records that lie together in memory */
    const uint8_t *p;
    int64_t n;
    const uint8_t *source; /* p as it lies in the input */
    int64_t offset;        /* of p[0] in the input */
    int64_t base;          /* bytes of earlier regions, as the patterns saw them */
    int drop_cr;
    int terminators; /* MS_EACH: rewriting has left no \r\n, what looks like one are two */
    int rewritten;
    ms_rewriting rewriting; /* what p is when the input had to be rewritten */
    /* the record of the newest candidate */
    int64_t serial;
    int64_t record;
    int64_t end;     /* of its content */
    int64_t next;    /* its terminator, or n */
    int64_t counted; /* newlines before this place (record, once there is one) are in line */
    int64_t line;
    int64_t row_line; /* what a row of it says, where the input is as it was */
    int64_t row_offset;
    int32_t kind; /* MS_ASCII, MS_UTF8 or MS_BYTES; -1: not known yet */
    /* the block being searched: where it starts, and in which line; its newlines, NULL where no block is searched; what ends a
     * record there, and whether that is newlines alone; and where the record starts that holds its first byte */
    int64_t block;
    int64_t block_line;
    const ms_newlines *newlines;
    const uint64_t *ends;
    int only_newlines;
    size_t words;
    int64_t open;
} ms_region;

/* The current record's place is known: what follows from it. */
static inline void ms_open_record(ms_region *r, int64_t *serial) {
    r->end = r->next - (r->drop_cr && r->next > r->record && r->p[r->next - 1] == '\r');
    r->kind = -1;
    r->row_line = r->line + 1;
    r->row_offset = r->offset + r->record;
    r->serial = ++*serial;
}

/* A place that holds a literal, or one of several, or that is too near to an edge to be looked at here. */
typedef struct {
    const uint8_t *position; /* of the fingerprint */
    const ms_entry *entry;
} ms_candidate;

/* What the quick path leaves to its caller: a match whose row is not written, or, with a pattern of -1, a position. */
typedef struct {
    int32_t pattern;
    int64_t start;
    int64_t end;
    int64_t value_start;
    int64_t value_end;
} ms_left;

/* Follow a chain from behind its literal: 1 if it matches, and where its value and the match end; 0 if not; -1 if a table leaves a byte
 * undecided. Where an optional part or one of several ways fails, it is gone on from where that began; they do not nest. */
__attribute__((noinline)) static int ms_follow(const ms_step *steps, const uint8_t *at, const uint8_t *end, const uint8_t **value,
                                               const uint8_t **value_end, const uint8_t **after) {
    const ms_step *step = steps, *other = NULL;
    const uint8_t *from = at, *p;
    for (;;) {
        const uint8_t *const table = step->text;
        switch (step->kind) {
        case MS_STEP_TEXT:
            if (end - at < step->length || !ms_equal(at, step->text, (size_t)step->length)) goto fail;
            at += step->length;
            break;
        case MS_STEP_RUN:
            p = step->most >= 0 && end - at > step->most ? at + step->most : end;
            from = at;
            while (at < p && table[*at] == MS_MEMBER) at++;
            if (at < p && table[*at] == MS_UNDECIDED) return -1;
            if (at - from < step->least) goto fail;
            break;
        case MS_STEP_DECIMAL:
            from = at;
            while (at < end && table[*at] == MS_MEMBER) at++;
            p = at;
            if (p < end && *p == '.') {
                p++;
                while (p < end && table[*p] == MS_MEMBER) p++;
            }
            if ((at < end && table[*at] == MS_UNDECIDED) || (p < end && table[*p] == MS_UNDECIDED)) return -1;
            /* a point counts where a digit follows */
            if (p > at + 1) at = p;
            if (at == from) goto fail;
            break;
        case MS_STEP_OPTIONAL:
        case MS_STEP_EITHER:
            other = steps + step->least;
            *after = at;
            break;
        case MS_STEP_DONE:
            other = NULL;
            step = steps + step->least;
            continue;
        case MS_STEP_OPEN: *value = at; break;
        case MS_STEP_CLOSE: *value_end = at; break;
        default: *after = at; return 1;
        }
        step++;
        continue;
    fail:
        if (other == NULL) return 0;
        step = other;
        at = *after;
        other = NULL;
    }
}

#define MS_QUICK(name) name##_anywhere
#define MS_QUICK_TARGET
#define MS_WIDE 0
#include "decide_loop.h"
#undef MS_QUICK
#undef MS_QUICK_TARGET
#undef MS_WIDE
#ifdef MS_X86
#define MS_QUICK(name) name##_wide
#define MS_QUICK_TARGET MS_TARGET(MS_AVX2_TARGET)
#define MS_WIDE 1
#include "decide_loop.h"
#undef MS_QUICK
#undef MS_QUICK_TARGET
#undef MS_WIDE
#endif

/* Where the record starts and ends that holds this position of the block being searched. */
static inline void ms_find_record_in_block(ms_region *r, int64_t position) { ms_find_record_in_block_anywhere(r, position); }

/* Of the positions found in the block being searched, those that hold the literal of their fingerprint; returns how many. */
static inline size_t ms_candidates(int level, const ms_lookup *find, const ms_region *r, const uint32_t *positions, size_t found,
                                   ms_candidate *candidates) {
#ifdef MS_X86
    if (level >= MS_AVX2) return ms_candidates_wide(find, r, positions, found, candidates);
#endif
    return ms_candidates_anywhere(find, r, positions, found, candidates);
}

/* Decide candidates, from one up to another; returns the first that is left to the caller, or the last one. The serial of the newest
 * record is counted on. */
static inline const ms_candidate *ms_decide(int level, ms_region *r, ms_state *states, int64_t *serial,
                                            const ms_candidate *from, const ms_candidate *to, ms_left *left) {
#ifdef MS_X86
    if (level >= MS_AVX2) return ms_decide_wide(level, r, states, serial, from, to, left);
#endif
    return ms_decide_anywhere(level, r, states, serial, from, to, left);
}

#endif
