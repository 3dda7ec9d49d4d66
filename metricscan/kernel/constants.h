/* The numbers that the kernel shares with Python, by their names: tests compare each with what Python holds. */
#ifndef METRICSCAN_CONSTANTS_H
#define METRICSCAN_CONSTANTS_H

#include <stdint.h>

#include "arrow.h"
#include "characters.h"
#include "memory.h"
#include "pass.h"
#include "program.h"
#include "suspects.h"
#include "tables.h"

typedef struct {
    const char *name;
    int64_t value;
} ms_constant;

/* clang-format off */
#define MS_SHARED(name) {#name, name}
static const ms_constant ms_constants[] = {
    /* programs: opcodes, kinds of runs and groups, where a match can start */
    MS_SHARED(MS_MATCH), MS_SHARED(MS_BYTE), MS_SHARED(MS_STRING), MS_SHARED(MS_CLASS), MS_SHARED(MS_RUN), MS_SHARED(MS_SPLIT),
    MS_SHARED(MS_JUMP), MS_SHARED(MS_SAVE), MS_SHARED(MS_BEGIN), MS_SHARED(MS_END), MS_SHARED(MS_BOUNDARY), MS_SHARED(MS_LOOK),
    MS_SHARED(MS_ENTER), MS_SHARED(MS_CHECK), MS_SHARED(MS_ROUND), MS_SHARED(MS_COUNT), MS_SHARED(MS_MORE), MS_SHARED(MS_GROUP),
    MS_SHARED(MS_END_GROUP), MS_SHARED(MS_SAME), MS_SHARED(MS_IF), MS_SHARED(MS_FIXED), MS_SHARED(MS_MAYBE), MS_SHARED(MS_REST),
    MS_SHARED(MS_KEEP),
    MS_SHARED(MS_GREEDY), MS_SHARED(MS_LAZY), MS_SHARED(MS_POSSESSIVE),
    MS_SHARED(MS_ATOMIC), MS_SHARED(MS_MUST), MS_SHARED(MS_MUST_NOT),
    MS_SHARED(MS_ANYWHERE), MS_SHARED(MS_AT_TEXT), MS_SHARED(MS_BEFORE_TEXT), MS_SHARED(MS_AT_ONCE), MS_SHARED(MS_BEFORE_END),
    /* classes of characters: entries of a table of bytes; how a set folds, its items, its categories */
    MS_SHARED(MS_STOP), MS_SHARED(MS_MEMBER), MS_SHARED(MS_UNDECIDED),
    MS_SHARED(MS_FOLD_NOT), MS_SHARED(MS_FOLD_ASCII), MS_SHARED(MS_FOLD_UNICODE),
    MS_SHARED(MS_SET_END), MS_SHARED(MS_SET_RANGE), MS_SHARED(MS_SET_CATEGORY), MS_SHARED(MS_SET_NEGATE),
    MS_SHARED(MS_SET_RANGE_FOLDED),
    MS_SHARED(MS_DIGIT), MS_SHARED(MS_SPACE), MS_SHARED(MS_WORD),
    /* steps of chains */
    MS_SHARED(MS_STEP_TEXT), MS_SHARED(MS_STEP_RUN), MS_SHARED(MS_STEP_DECIMAL), MS_SHARED(MS_STEP_OPTIONAL),
    MS_SHARED(MS_STEP_EITHER), MS_SHARED(MS_STEP_DONE), MS_SHARED(MS_STEP_OPEN), MS_SHARED(MS_STEP_CLOSE), MS_SHARED(MS_STEP_END),
    /* the search */
    MS_SHARED(MS_BUCKETS), MS_SHARED(MS_WINDOW),
    /* rows and samples */
    MS_SHARED(MS_NO_TIME), MS_SHARED(MS_COLUMNS), MS_SHARED(MS_FIELDS), MS_SHARED(MS_BATCH_ROWS), MS_SHARED(MS_SLAB_ROWS),
    MS_SHARED(MS_MAX_SAMPLES), MS_SHARED(MS_SAMPLE_BYTES),
    /* suspects */
    MS_SHARED(MS_NEAR_MISS), MS_SHARED(MS_LONGER), MS_SHARED(MS_THOUSANDS), MS_SHARED(MS_DECIMAL_COMMA), MS_SHARED(MS_IN_WORD),
    MS_SHARED(MS_UNIT), MS_SHARED(MS_UNTERMINATED), MS_SHARED(MS_CUT_LINE), MS_SHARED(MS_CUT_MISS),
};
#undef MS_SHARED
/* clang-format on */
enum { MS_CONSTANTS = sizeof ms_constants / sizeof *ms_constants };

#endif
