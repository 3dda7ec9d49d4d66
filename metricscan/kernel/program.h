/* The program of a general pattern, which patterns/program.py writes: code, the data that its instructions refer to, and facts about it. */
#ifndef METRICSCAN_PROGRAM_H
#define METRICSCAN_PROGRAM_H

#include <stdint.h>

#include "byte_classes.h"

/* An instruction is an opcode and its operands, each of 32 bits. The structs below name the operands. */
enum {
    MS_MATCH,
    MS_BYTE,
    MS_STRING,
    MS_CLASS,
    MS_RUN,
    MS_SPLIT,
    MS_JUMP,
    MS_SAVE,        /* capture: store the place in the slot */
    MS_BEGIN,
    MS_END,
    MS_BOUNDARY,
    MS_LOOK,
    MS_ENTER,       /* enter the loop: no round has begun */
    MS_CHECK,       /* go to the target if the loop's last round has not moved */
    MS_ROUND,       /* begin a round of the loop */
    MS_COUNT,       /* a counted loop: leave it, or begin a further round; an MS_MORE follows */
    MS_MORE,        /* a further round of a lazy counted loop */
    MS_GROUP,       /* open a group that is matched on its own: a lookaround or an atomic group */
    MS_END_GROUP,
    MS_SAME,        /* backreference: the text between the slot and the next one repeats here */
    MS_IF,          /* go to the target unless the group of the slot and the next one has matched */
    /* Runs with a single possible end, at a byte outside the class or at the limit, because the rest of the pattern cannot begin with a
     * byte of the class. */
    MS_FIXED,
    MS_MAYBE,       /* of at most one character */
    MS_REST,        /* to the record's end */
    MS_KEEP,        /* as MS_SAVE, at a place that every match passes: it pushes no frame */
    MS_CHARGE       /* count steps for the instructions before this one, which count none */
};
enum { MS_OPCODES = MS_CHARGE + 1 };

typedef struct { int32_t op; } ms_op_alone;
typedef struct { int32_t op, byte; } ms_op_byte;
typedef struct { int32_t op, offset, length; } ms_op_string;        /* offset in the pool */
typedef struct { int32_t op, class_; } ms_op_class;
typedef struct {
    int32_t op, kind, class_, least, most;  /* most: -1 without a limit */
    int32_t following;      /* the byte that must follow, -1: unknown */
    int32_t number;
    int32_t takes_all;
    int32_t decided;        /* a class whose table leaves all outside ASCII undecided, or -1 */
} ms_op_run;
typedef struct {
    int32_t op, first, second;  /* the alternatives, in the order in which they are tried */
    int32_t number, n_loops;    /* n_loops: how many loops around it may have empty rounds */
    int32_t ways, ways_at_end;  /* tables of possible alternatives, by the next byte (-1: none) and at the end */
    int32_t loops[];            /* those loops */
} ms_op_split;
typedef struct { int32_t op, target; } ms_op_jump;
typedef struct { int32_t op, slot; } ms_op_save;
typedef struct { int32_t op, steps; } ms_op_charge;
typedef struct {
    int32_t op, is;             /* 1: \b, 0: \B */
    int32_t ascii;              /* only ASCII characters are word characters */
    int32_t none_in_empty;      /* the assertion fails in an empty record */
} ms_op_boundary;
typedef struct {
    int32_t op, ahead;          /* 1: ahead, 0: behind */
    int32_t must;               /* 1: must match, 0: must not */
    int32_t length;
    int32_t classes[];
} ms_op_look;
typedef struct { int32_t op, loop; } ms_op_loop;
typedef struct { int32_t op, loop, target; } ms_op_check;           /* target -1: fail */
typedef struct { int32_t op, loop, least, most, kind, out; } ms_op_count;  /* most: -1 without a limit */
typedef struct { int32_t op, loop, most, target; } ms_op_more;      /* the round begins at the target */
typedef struct { int32_t op, kind, back, behind; } ms_op_group;     /* back: a lookbehind's characters; behind: the place behind its end */
typedef struct { int32_t op, slot, fold; } ms_op_same;
typedef struct { int32_t op, slot, target; } ms_op_if;

/* The size of each instruction in integers. For MS_SPLIT and MS_LOOK it excludes the list at their end. */
#define MS_SIZE_OF(instruction) ((int32_t)(sizeof(instruction) / sizeof(int32_t)))
static const int32_t ms_opcode_size[MS_OPCODES] = {
    [MS_MATCH] = MS_SIZE_OF(ms_op_alone),
    [MS_BYTE] = MS_SIZE_OF(ms_op_byte),
    [MS_STRING] = MS_SIZE_OF(ms_op_string),
    [MS_CLASS] = MS_SIZE_OF(ms_op_class),
    [MS_RUN] = MS_SIZE_OF(ms_op_run),
    [MS_SPLIT] = MS_SIZE_OF(ms_op_split),
    [MS_JUMP] = MS_SIZE_OF(ms_op_jump),
    [MS_SAVE] = MS_SIZE_OF(ms_op_save),
    [MS_BEGIN] = MS_SIZE_OF(ms_op_alone),
    [MS_END] = MS_SIZE_OF(ms_op_alone),
    [MS_BOUNDARY] = MS_SIZE_OF(ms_op_boundary),
    [MS_LOOK] = MS_SIZE_OF(ms_op_look),
    [MS_ENTER] = MS_SIZE_OF(ms_op_loop),
    [MS_CHECK] = MS_SIZE_OF(ms_op_check),
    [MS_ROUND] = MS_SIZE_OF(ms_op_loop),
    [MS_COUNT] = MS_SIZE_OF(ms_op_count),
    [MS_MORE] = MS_SIZE_OF(ms_op_more),
    [MS_GROUP] = MS_SIZE_OF(ms_op_group),
    [MS_END_GROUP] = MS_SIZE_OF(ms_op_alone),
    [MS_SAME] = MS_SIZE_OF(ms_op_same),
    [MS_IF] = MS_SIZE_OF(ms_op_if),
    [MS_FIXED] = MS_SIZE_OF(ms_op_run),
    [MS_MAYBE] = MS_SIZE_OF(ms_op_run),
    [MS_REST] = MS_SIZE_OF(ms_op_run),
    [MS_KEEP] = MS_SIZE_OF(ms_op_save),
    [MS_CHARGE] = MS_SIZE_OF(ms_op_charge),
};

enum { MS_GREEDY, MS_LAZY, MS_POSSESSIVE };
enum { MS_ANYWHERE, MS_AT_TEXT, MS_BEFORE_TEXT, MS_AT_ONCE, MS_BEFORE_END };   /* where a match can start */
enum { MS_ATOMIC, MS_MUST, MS_MUST_NOT };       /* kinds of a group */
enum { MS_STOP, MS_MEMBER, MS_UNDECIDED };      /* entries of a class's table of bytes */

typedef struct {
    const int32_t *code;
    int64_t steps_a_byte;       /* the budget of a record grows by so many steps with each byte */
    const uint8_t *pool;
    const uint8_t *tables;      /* 256 entries a class */
    const int32_t *sets;        /* a class's set, for characters that its table leaves undecided */
    const int32_t *set_at;      /* for each class, where its set begins in sets */
    const uint8_t *first;       /* 256 entries: whether a match may start with this byte; NULL if a match may be empty */
    const uint8_t *last;        /* 256 entries: whether a matching record may end with this byte; NULL: any may */
    int32_t only_run;           /* the pattern is one greedy run of one or more characters, which is the value */
    int64_t width;              /* no match is shorter than this */
    ms_class first_class;       /* the same bytes as first, for the search */
    const uint8_t *ways;        /* tables of 256 entries: bit 0: the first alternative can continue with this byte; bit 1: the second can */
    int32_t lead;               /* where a match can start. MS_AT_TEXT: where lead_text stands; MS_BEFORE_TEXT: at the first byte
                                 * of a run of lead_class that ends where it stands (MS_BEFORE_END: at the record's end);
                                 * MS_AT_ONCE: where the search begins */
    int32_t lead_class;
    const uint8_t *lead_text;
    int64_t lead_length;
    int32_t lead_ascii;         /* lead is valid in ASCII records only; in others a match can start anywhere */
    int32_t runs;
    int32_t splits;             /* the memo bits that all branches need per place */
    int32_t loops;
    int32_t slots;              /* 0 and 1: the value */
    int32_t at_start;           /* a match can start only at the record's start */
    int32_t words;              /* the class table of \w among ASCII, for boundaries; -1: none is needed */
    int32_t pure;               /* the program neither reads captured text nor counts rounds, so failures can be memoised */
} ms_program;

/* Files that include program.h get the matcher, too. */
#include "matcher.h"

#endif
