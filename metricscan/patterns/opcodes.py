"""The numbers that Python and the kernel share: opcodes and their sizes, kinds, steps.

A name here is that of the kernel's enum without ``MS_``: in kernel/program.h, kernel/characters.h and kernel/tables.h, whose
comments explain each number. tests/kernel/test_constants.py compares all of them.
"""

from __future__ import annotations

# ---- programs (kernel/program.h)

MATCH, BYTE, STRING, CLASS, RUN, SPLIT, JUMP, SAVE, BEGIN, END, BOUNDARY, LOOK = range(12)
ENTER, CHECK, ROUND, COUNT, MORE, GROUP, END_GROUP, SAME, IF = range(12, 21)
FIXED, MAYBE, REST, KEEP, CHARGE = range(21, 26)

RUN_SIZE, SPLIT_SIZE, COUNT_SIZE = 9, 7, 6
#: How many words an instruction has, its opcode included.
SIZES = {
    MATCH: 1,
    BYTE: 2,
    STRING: 3,
    CLASS: 2,
    RUN: RUN_SIZE,
    FIXED: RUN_SIZE,
    MAYBE: RUN_SIZE,
    REST: RUN_SIZE,
    SPLIT: SPLIT_SIZE,  # and one for each loop
    JUMP: 2,
    SAVE: 2,
    KEEP: 2,
    CHARGE: 2,
    BEGIN: 1,
    END: 1,
    BOUNDARY: 4,
    LOOK: 4,  # and one for each class
    ENTER: 2,
    CHECK: 3,
    ROUND: 2,
    COUNT: COUNT_SIZE,
    MORE: 4,
    GROUP: 4,
    END_GROUP: 1,
    SAME: 3,
    IF: 3,
}
#: The opcode of a run, and those that replace it where the next byte decides how far it goes.
RUNS = (RUN, FIXED, MAYBE, REST)

# kinds of repeats
GREEDY, LAZY, POSSESSIVE = range(3)
# kinds of groups that match without regard to what follows: atomic, positive and negative lookaround
ATOMIC, MUST, MUST_NOT = range(3)
# where a match can start
ANYWHERE, AT_TEXT, BEFORE_TEXT, AT_ONCE, BEFORE_END = range(5)
# entries of a class's table of bytes
STOP, MEMBER, UNDECIDED = range(3)

# ---- sets of characters (kernel/characters.h)

# how a character is folded before the items are tried, and the items
FOLD_NOT, FOLD_ASCII, FOLD_UNICODE = range(3)
SET_END, SET_RANGE, SET_CATEGORY, SET_NEGATE, SET_RANGE_FOLDED = range(5)
DIGIT, SPACE, WORD = range(3)

# ---- steps of a chain (kernel/tables.h)

STEP_TEXT, STEP_RUN, STEP_DECIMAL, STEP_OPTIONAL, STEP_EITHER, STEP_DONE, STEP_OPEN, STEP_CLOSE, STEP_END = range(9)

# ---- the budget of steps (kernel/matcher_state.h)

FREE_STEPS = 65_536
STEPS_A_BYTE = 64
MOST_STEPS = 1 << 27
MOST_MEMO_BYTES = 1 << 26
MOST_FRAMES = 1 << 24
