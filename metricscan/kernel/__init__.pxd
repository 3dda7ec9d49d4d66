"""The kernel's C, declared for Cython: the functions that the face calls, and of structs the fields that it reads or writes."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t


cdef extern from "kernel/characters.h" nogil:
    enum: MS_ASCII, MS_UTF8, MS_BYTES
    bint ms_is_ascii(const uint8_t *p, int64_t n)
    bint ms_is_utf8(const uint8_t *p, int64_t n)
    int64_t ms_decode(const uint8_t *p, int64_t n, int64_t at, uint32_t *character)
    bint ms_in_set(const int32_t *set, uint32_t character)

cdef extern from "kernel/memory.h" nogil:
    enum: MS_FIRST_ROWS, MS_SOME_ROWS, MS_SLAB_ROWS, MS_LEAST_ROOM, MS_PIECE_BYTES
    void *ms_take_memory(size_t size, bint full)
    void ms_share_memory(void *columns)
    void ms_give_memory(void *columns)
    int ms_holders_of_memory(void *columns)

cdef extern from "kernel/arrow.h" nogil:
    enum: MS_COLUMNS
    struct ArrowArray:
        pass
    int ms_export_columns(ArrowArray *array, void *memory, int64_t rows, char *first, size_t stride)
    void ms_withdraw(ArrowArray *array)

cdef extern from "kernel/levels.h" nogil:
    enum: MS_PORTABLE, MS_SSSE3, MS_AVX2, MS_AVX512, MS_NEON_LEVEL
    int ms_level_available(int level)

cdef extern from "kernel/fingerprints.h" nogil:
    enum: MS_LF, MS_UNIVERSAL, MS_EACH
    enum: MS_BLOCK, MS_BLOCK_WORDS, MS_SOME_POSITIONS
    ctypedef struct ms_fingerprints:
        pass
    ctypedef struct ms_class:
        pass
    size_t ms_find_class(const ms_class *c, const uint8_t *table, const uint8_t *p, size_t start, size_t to)
    void ms_class_fill(ms_class *c, const uint8_t *table, int level)
    void ms_fingerprints_clear(ms_fingerprints *t, int level)
    void ms_fingerprints_add(ms_fingerprints *t, int bucket, int first, int second)
    ctypedef struct ms_marks:
        uint64_t none[8]
        uint64_t words[MS_BLOCK_WORDS]
    ctypedef struct ms_newlines:
        ms_marks marks
        size_t count
        bint returns
    size_t ms_positions(
        const ms_fingerprints *t, const uint8_t *p, size_t n, size_t readable, uint32_t *out, ms_newlines *lines
    )
    void ms_mark_block(const uint8_t *p, size_t n, uint8_t a, uint8_t b, uint64_t *marks)
    size_t ms_marked_before(const uint64_t *marks, size_t at)
    size_t ms_find_either(const uint8_t *p, size_t start, size_t to, uint8_t a, uint8_t b)
    size_t ms_after_last_either(const uint8_t *p, size_t start, size_t to, uint8_t a, uint8_t b)
    size_t ms_find_near(const uint8_t *p, size_t start, size_t to, size_t n, uint8_t x)
    size_t ms_find(const uint8_t *p, size_t start, size_t to, const uint8_t *needle, size_t length)
    size_t ms_count_byte(int level, const uint8_t *p, size_t n, uint8_t x)
    size_t ms_records(int level, const uint8_t *p, size_t start, size_t to, size_t n, int terminators, size_t lf)
    int ms_equal(const uint8_t *a, const uint8_t *b, size_t n)
    uint32_t ms_load2(const uint8_t *p)
    uint32_t ms_slot(uint64_t window, uint32_t mask)
    uint64_t ms_load8(const uint8_t *p, ptrdiff_t at, size_t n)

cdef extern from "kernel/rewriting.h" nogil:
    enum: MS_SYSLOG, MS_STRIP, MS_UNIVERSAL_ENDS, MS_DROP_CR
    ctypedef struct ms_rewriting:
        uint8_t *text
    void ms_rewriting_clear(ms_rewriting *w)
    bint ms_needs_rewriting(int how, const uint8_t *p, int64_t n)
    int64_t ms_rewrite(ms_rewriting *w, int how, const uint8_t *p, int64_t n)
    int64_t ms_input_place(ms_rewriting *w, int64_t output)

cdef extern from "kernel/program.h" nogil:
    enum: MS_FOUND, MS_NONE, MS_OVER_BUDGET, MS_NO_MEMORY
    enum: MS_STOP, MS_MEMBER, MS_UNDECIDED
    ctypedef struct ms_program:
        const int32_t *code
        const uint8_t *pool
        const uint8_t *tables
        const int32_t *sets
        const int32_t *set_at
        const uint8_t *first
        ms_class first_class
        const uint8_t *last
        int32_t only_run
        int64_t width
        const uint8_t *ways
        int32_t lead
        int32_t lead_class
        const uint8_t *lead_text
        int64_t lead_length
        int32_t lead_ascii
        int32_t runs
        int32_t splits
        int32_t loops
        int32_t slots
        int32_t at_start
        int32_t words
        int32_t pure
    ctypedef struct ms_matcher:
        int64_t *places
    void ms_matcher_clear(ms_matcher *m)
    int ms_matcher_start(ms_matcher *m, const ms_program *q, int64_t n)
    int ms_search(
        const ms_program *q, ms_matcher *m, const uint8_t *p, int64_t n, int kind, int64_t start, int64_t text,
        bint nonempty, int64_t *match_start, int64_t *match_end
    )

cdef extern from "kernel/numbers.h" nogil:
    enum: MS_NUMBER, MS_UNSURE, MS_REFUSED
    int ms_number(const uint8_t *s, const uint8_t *end, const uint8_t *limit, double *value)

cdef extern from "kernel/tables.h" nogil:
    enum: MS_STRATEGY_SPAN, MS_STRATEGY_CONFIRM, MS_STRATEGY_PROGRAM
    enum: MS_SHAPE_NO_RUN, MS_SHAPE_LAZY, MS_SHAPE_GREEDY
    enum: MS_NOT_PLAIN, MS_PLAIN, MS_PLAIN_LAZY_TO_BYTE
    enum: MS_MATCHES_ALL, MS_MATCHES_FIRST, MS_MATCHES_LAST
    enum: MS_SEARCH_SIMD, MS_SEARCH_NAIVE, MS_SEARCH_EVERY
    enum: MS_QUICK_LAZY, MS_QUICK_GREEDY, MS_QUICK_CHAIN
    ctypedef struct ms_step:
        int32_t kind
        int32_t least
        int32_t most
        int32_t length
        const uint8_t *text
    ctypedef struct ms_literal:
        const uint8_t *text
        int64_t length
        int64_t place
        bint in_window
        int32_t first_use
        int32_t uses
    ctypedef struct ms_entry:
        uint64_t window
        const ms_literal *literal
        const ms_entry *following
        int32_t quick
        int32_t pattern
        size_t state
        int64_t head_place
        int64_t tail_place
        int64_t from_place
        uint64_t mask
        uint64_t head
        uint64_t tail
        uint8_t stop
        bint at_start
        int64_t length
        int64_t least
        const uint8_t *table
        const uint8_t *ends
        ms_class stops
        const uint8_t *suffix
        int64_t suffix_length
        const ms_step *steps
    ctypedef struct ms_group:
        int64_t window
        bint near
        uint64_t mask
        const ms_entry *only
        int32_t heads
        uint32_t head_mask
    ctypedef struct ms_lookup:
        uint16_t *pair_group
        const ms_entry **only
        ms_group *groups
        const ms_entry **heads
    const ms_entry ms_unknown, ms_nowhere
    ctypedef struct ms_pattern:
        int32_t strategy
        int32_t shape
        const uint8_t *prefix
        int64_t prefix_length
        const uint8_t *suffix
        int64_t suffix_length
        const uint8_t *table
        const int32_t *set
        int64_t run_min
        int64_t run_max
        bint any_byte
        bint suffix_stops
        bint counted
        bint at_start
        bint at_end
        int32_t plain
        ms_program program
        const ms_step *steps
        bint found_by_lead
        bint value_from_run
        int64_t value_from
        bint value_to_run
        int64_t value_to
    ctypedef struct ms_tables:
        ms_pattern *patterns
        int32_t n_patterns
        ms_fingerprints fingerprints
        ms_lookup find
        uint16_t one_group[256]
        ms_entry *entries
        ms_literal *literals
        int32_t *uses
        int32_t *always
        int32_t n_always
        bint has_literals
        bint has_single_bytes
        int32_t matches
        int32_t search
        int32_t level
        int terminators
        bint drop_cr
        int rewriting
        ms_class always_first
        const uint8_t *always_table

cdef extern from "kernel/pass.h" nogil:
    enum: MS_MAX_SAMPLES, MS_SAMPLE_BYTES
    enum: MS_NOTE_DEAD, MS_NOTE_RECORD, MS_NOTE_NUMBER, MS_NOTE_REFUSED, MS_NOTE_TRACE
    const int64_t MS_NO_TIME
    ctypedef struct ms_state:
        double *value
        int64_t *line
        int64_t *offset
        int64_t *start
        int64_t rows
        int64_t room
        int64_t next_start
        int64_t memo_to
        int64_t *time
        char *slab
        bint shared
        int64_t next_room
        int64_t timed
        int64_t handed
        int64_t unparsed
        int64_t failed
        int64_t timeouts
        int64_t over_budget
        int64_t samples
        int64_t record
        int64_t row_mark
        int64_t note_mark
        int64_t region_mark
        int64_t unparsed_mark
        int64_t samples_mark
        bint closed
        bint pending
        int64_t pending_start
        int64_t pending_end
        int64_t pending_run
        double last_value
        int64_t last_line
        int64_t last_offset
        int64_t last_start
        int64_t last_time
    ctypedef struct ms_region:
        const uint8_t *p
        int64_t n
        const uint8_t *source
        int64_t offset
        int64_t base
        bint drop_cr
        int32_t terminators
        bint rewritten
        ms_rewriting rewriting
        int64_t serial
        int64_t record
        int64_t end
        int64_t next
        int64_t counted
        int64_t line
        int32_t kind
        int64_t block
        int64_t block_line
        const ms_newlines *newlines
        const uint64_t *ends
        bint only_newlines
        size_t words
        int64_t open
    ctypedef struct ms_batch:
        int32_t pattern
        int64_t rows
        char *slab
        double *value
        int64_t *line
        int64_t *offset
        int64_t *start
    ctypedef struct ms_note:
        int32_t kind
        int32_t pattern
        int32_t region
        int64_t following
        int64_t row
        const uint8_t *text
        int64_t length
        int64_t line
        int64_t offset
        int64_t start
        int64_t position
        int64_t match_start
        int64_t match_end
        int64_t value_start
        int64_t value_end
        bint decided
        double number
    ctypedef struct ms_scan:
        const ms_tables *tables
        ms_state *states
        ms_region regions[2]
        ms_note *notes
        int64_t n_notes
        int64_t notes_capacity
        ms_matcher matcher
        int32_t *pending
        int32_t n_pending
        int64_t serial
        int64_t base
        int64_t line
        int64_t offset
        int64_t records
        ms_batch *batches
        int64_t n_batches
        int64_t batches_capacity
        bint in_batches
        bint rewritten
        bint overgrown
        int64_t row_limit
        bint trace
        bint noted
        bint no_memory
    ms_state *ms_new_states(int32_t n)
    ms_note *ms_add_note(ms_scan *scan, int kind, int32_t pattern)

cdef extern from "kernel/columns.h" nogil:
    int ms_lay_out(ms_state *state, int64_t room, int32_t pattern)
    void ms_note_last(ms_state *state)
    void ms_let_go(ms_state *state)
    int ms_set_aside(ms_scan *scan, ms_state *state)
    int ms_append_row(ms_scan *scan, ms_state *state, double value, int64_t line, int64_t offset, int64_t start)

cdef extern from "kernel/records.h" nogil:
    bint ms_is_terminator(uint8_t byte, int terminators)
    int64_t ms_input_offset(ms_region *r, int64_t position)

cdef extern from "kernel/scan.h" nogil:
    void ms_take_region(ms_scan *scan, int region, const uint8_t *p, int64_t n)

cdef extern from "kernel/pieces.h" nogil:
    ctypedef struct ms_carry:
        uint8_t *bytes
        int64_t length
        int64_t wanted
        bint skip_lf
    void ms_carry_clear(ms_carry *carry)
    int ms_scan_piece(ms_scan *scan, ms_carry *carry, const uint8_t *p, int64_t n, int64_t *rest)
    int ms_carry_rest(ms_carry *carry, const uint8_t *p, int64_t n)
