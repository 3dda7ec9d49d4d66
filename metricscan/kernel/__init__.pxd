"""The kernel's C, declared for Cython: the functions that the face calls, and the fields that it reads or writes.

Names begin with ms_, or with me_ in the decoder of exports (events.h). All headers of the core make one translation unit. Read them
in this order:

1. pass.h and tables.h: what a stream and an engine keep; pieces.h: pieces to whole records; scan.h: the search, block by block.
2. fingerprints.h: the prefilter; records.h: the current record.
3. Four matchers: fast_path.h and fast_path_loop.h; spans.h; chains.h; run_program.h with program.h and matcher.h.
4. matches.h and numbers.h: a match to a value; columns.h and arrow.h: rows, and how they are handed over.
5. resolve.h: deferred records. Before an Engine is used, table_facts.h derives facts of its tables.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t


cdef extern from "kernel/simd_levels.h" nogil:
    enum: MS_PORTABLE, MS_SSSE3, MS_AVX2, MS_AVX512, MS_NEON_LEVEL
    int ms_level_available(int level)

cdef extern from "kernel/fingerprints.h" nogil:
    ctypedef struct ms_fingerprints:
        pass
    ctypedef struct ms_class:
        pass
    void ms_fingerprints_clear(ms_fingerprints *t, int level)
    void ms_fingerprints_add(ms_fingerprints *t, int bucket, int first, int second)
    void ms_class_fill(ms_class *c, const uint8_t *table, int level)

cdef extern from "kernel/stopping.h" nogil:
    enum: MS_WATCHED_SIGNALS, MS_PIECES_A_LOOK
    ctypedef struct ms_flag:
        pass
    ctypedef int (*ms_look)(void *) noexcept
    ctypedef struct ms_stop:
        const ms_flag *flag
        ms_look look
        void *owner
    bint ms_is_main_thread()
    void ms_set_flag(ms_flag *flag)
    bint ms_is_stopped(const ms_stop *stop)
    void ms_set_act(int index, int number, int exit_code)
    int ms_set_mode(int mode)
    int ms_start_watch(int descriptor, int grace_ms, const char *words, size_t length)
    void ms_end_watch()

cdef extern from "kernel/program.h" nogil:
    enum: MS_MEMBER, MS_OPCODES
    const int32_t ms_opcode_size[]
    ctypedef struct ms_program:
        const int32_t *code
        int64_t steps_a_byte
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

cdef extern from "kernel/matcher_state.h" nogil:
    enum: MS_LONGEST_MATCHED
    ctypedef struct ms_matcher:
        const ms_stop *stop

cdef extern from "kernel/tables.h" nogil:
    const uint8_t ms_no_bytes[256]
    enum: MS_STRATEGY_SPAN, MS_STRATEGY_CONFIRM, MS_STRATEGY_PROGRAM
    enum: MS_SHAPE_NO_RUN, MS_SHAPE_LAZY, MS_SHAPE_GREEDY
    enum: MS_MATCHES_ALL, MS_MATCHES_FIRST, MS_MATCHES_LAST
    ctypedef struct ms_step:
        int32_t kind
        int32_t least
        int32_t most
        int32_t length
        const uint8_t *text
    ctypedef struct ms_pattern:
        int32_t strategy
        int32_t shape
        const uint8_t *prefix
        int64_t prefix_length
        const uint8_t *suffix
        int64_t suffix_length
        const uint8_t *table
        const uint8_t *ends
        const int32_t *set
        int64_t run_min
        int64_t run_max
        bint counted
        bint at_start
        bint at_end
        ms_program program
        const ms_step *steps
        bint value_from_run
        int64_t value_from
        bint value_to_run
        int64_t value_to
        bint is_label
        bint has_companion
        bint has_near
        bint has_lead
        int32_t companion
        bint is_companion
        const uint8_t *behind
        const uint8_t *before
        const uint8_t *value_starts
        const uint8_t *own
        const uint8_t *goes_on
        const uint8_t *lead_in
        int64_t lead_in_length
        bint lead_in_blanks
        const uint8_t *lead_out
        int64_t lead_out_length
    ctypedef struct ms_literal:
        const uint8_t *text
        int64_t length
        int64_t place
        int32_t first_use
        int32_t uses
    ctypedef struct ms_entry:
        pass
    ctypedef struct ms_group:
        pass
    ctypedef struct ms_lookup:
        uint16_t *pair_group
        const ms_entry **only
        ms_group *groups
        const ms_entry **heads
    const ms_entry ms_nowhere
    ctypedef struct ms_tables:
        ms_pattern *patterns
        int32_t n_patterns
        ms_fingerprints fingerprints
        ms_lookup find
        ms_entry *entries
        ms_literal *literals
        int32_t *uses
        int32_t *always
        int32_t n_always
        bint has_literals
        int32_t matches
        int32_t level
        ms_class always_first
        const uint8_t *always_table
        bint watching
    void ms_tables_clear(ms_tables *t)

cdef extern from "kernel/table_facts.h" nogil:
    void ms_set_records(ms_tables *t, bint universal, bint syslog, bint strip)
    void ms_finish_span(const ms_tables *t, ms_pattern *q)
    bint ms_is_fast_greedy(const ms_pattern *q)
    bint ms_starts_of_always(const ms_tables *t, uint8_t *table)
    void ms_add_use(ms_tables *t, ms_literal *literal, int32_t pattern)
    int32_t ms_heads_of(int32_t literals)
    ms_group *ms_begin_group(
        ms_tables *t, int32_t index, int bucket, int first, int second, int64_t window, int64_t width, int32_t literals
    )
    void ms_add_entry(ms_tables *t, const ms_group *group, ms_entry *entry, ms_literal *literal, int64_t width)
    void ms_finish_group(ms_tables *t, int32_t index, ms_entry *to, int64_t entries)
    void ms_finish_groups(ms_tables *t, int32_t groups)

cdef extern from "kernel/memory.h" nogil:
    enum: MS_SLAB_ROWS, MS_PIECE_BYTES
    void *ms_take_memory(size_t size, bint full)
    void ms_give_memory(void *columns)
    int ms_holders_of_memory(void *columns)

cdef extern from "kernel/arrow.h" nogil:
    enum: MS_COLUMNS
    struct ArrowArray:
        pass
    int ms_export_columns(ArrowArray *array, void *memory, int64_t rows, char *first, size_t stride)
    void ms_withdraw(ArrowArray *array)

cdef extern from "kernel/texts.h" nogil:
    enum: MS_LABEL_CHARACTERS
    ctypedef struct ms_texts:
        int64_t first
        int64_t count
        const uint8_t *bytes
        const int64_t *ends
    int64_t ms_number_of_text(ms_texts *texts, const uint8_t *text, int64_t n)
    void ms_begin_texts(ms_texts *texts)

cdef extern from "kernel/pass.h" nogil:
    enum: MS_MAX_SAMPLES, MS_SAMPLE_BYTES
    enum: MS_NOTE_DEAD, MS_NOTE_NUMBER, MS_NOTE_REFUSED, MS_NOTE_TRACE, MS_NOTE_SUSPECT
    const int64_t MS_NO_TIME
    ctypedef struct ms_state:
        double *value
        int64_t *line
        int64_t *offset
        int64_t *start
        int64_t rows
        int64_t *time
        char *slab
        int64_t handed
        int64_t unparsed
        int64_t failed
        int64_t timeouts
        int64_t over_budget
        int64_t samples
        double last_value
        int64_t last_line
        int64_t last_offset
        int64_t last_start
        int64_t last_time
        uint64_t unit
        uint8_t examined
        ms_texts *texts
    ctypedef struct ms_region:
        const uint8_t *p
    ctypedef struct ms_note:
        int32_t kind
        int32_t pattern
        int32_t region
        bint follows
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
        int decided
        double number
    ctypedef struct ms_batch:
        int32_t pattern
        int64_t rows
        char *slab
        double *value
        int64_t *line
    ctypedef struct ms_open:
        int64_t line
        int64_t offset
        int64_t start
    ctypedef struct ms_scan:
        ms_open *open
        int64_t n_open
        const ms_tables *tables
        ms_state *states
        ms_texts *texts
        ms_region regions[2]
        ms_note *notes
        int64_t n_notes
        int32_t *pending
        int64_t line
        int64_t offset
        int64_t records
        int64_t cut_off
        int64_t too_long
        ms_batch *batches
        int64_t n_batches
        const int64_t *joints
        int64_t n_joints
        bint in_batches
        bint overgrown
        int64_t row_limit
        bint trace
        ms_matcher matcher
        ms_stop stop
        bint no_memory
        bint is_stopped
    ms_state *ms_new_states(int32_t n)

cdef extern from "kernel/columns.h" nogil:
    void ms_note_last(ms_state *state)
    int ms_append_row(ms_scan *scan, ms_state *state, double value, int64_t line, int64_t offset, int64_t start)
    void ms_begin_times(ms_scan *scan)
    int ms_write_times(ms_scan *scan, int64_t time)
    int ms_set_overgrown_aside(ms_scan *scan)
    bint ms_is_slice(ms_state *state, bint finished, int32_t pattern)
    void ms_hand_over(ms_state *state, bint slice)
    void ms_copy_columns(char *to, size_t to_stride, const char *source, size_t from_stride, int64_t rows)
    void ms_add_lines(int64_t *line, int64_t rows, int64_t number)
    int ms_restart(ms_scan *scan, int64_t offset)
    void ms_drop_scratch(ms_scan *scan)
    void ms_scan_clear(ms_scan *scan, int32_t n_patterns)

cdef extern from "kernel/suspects.h" nogil:
    void ms_examine_all(ms_state *state)
    void ms_examine_deferred(
        ms_scan *scan, int32_t pattern, const ms_note *note, int64_t value_start, int64_t value_end, int64_t place
    )
    void ms_add_deferred_unread(
        ms_scan *scan, int32_t pattern, const ms_note *note, int64_t value_start, int64_t value_end, int64_t place
    )
    void ms_add_deferred_miss(
        ms_scan *scan, int32_t companion, const ms_note *note, int64_t start, int64_t end, int64_t value_start, int64_t value_end, int64_t place
    )

cdef extern from "kernel/cut_lines.h" nogil:
    int ms_keep_open_of(ms_scan *scan, const ms_scan *other, int64_t back)
    void ms_show_next(ms_scan *scan, const uint8_t *p, int64_t n)

cdef extern from "kernel/records.h" nogil:
    int64_t ms_input_offset(ms_region *r, int64_t position)

cdef extern from "kernel/scan.h" nogil:
    void ms_take_region(ms_scan *scan, int region, const uint8_t *p, int64_t n)

cdef extern from "kernel/pieces.h" nogil:
    enum:
        MS_PAST_BEGINNING
        MS_BEFORE_MARK
        MS_MAX_RECORD_BYTES
    ctypedef struct ms_carry:
        uint8_t *bytes
        int64_t length
        int64_t wanted
        int64_t most
        int64_t passed
        int beginning
        bint skip_lf
    void ms_carry_clear(ms_carry *carry)
    int ms_scan_piece(ms_scan *scan, ms_carry *carry, const uint8_t *p, int64_t n, int64_t *rest)
    int ms_carry_rest(ms_carry *carry, const uint8_t *p, int64_t n)
    bint ms_end(ms_scan *scan, ms_carry *carry, bint cut_off)

cdef extern from "kernel/turns.h" nogil:
    enum: MS_TURN_TAKEN, MS_TURN_LATER, MS_TURN_OWN, MS_TURN_FED
    ctypedef struct ms_turns:
        pass
    void ms_turns_init(ms_turns *turns)
    void ms_turns_clear(ms_turns *turns)
    int ms_ask_turn(ms_turns *turns, int feeding, uint32_t *ticket)
    void ms_wait_turn(ms_turns *turns, int feeding, uint32_t ticket)
    void ms_end_turn(ms_turns *turns)

cdef extern from "kernel/resolve.h" nogil:
    ctypedef struct ms_kept_rows:
        int64_t rows
        double *value
    void ms_chain_notes(ms_scan *scan)
    int ms_keep_rows(ms_kept_rows *kept, ms_state *state, int64_t first)
    int ms_append_kept(ms_scan *scan, ms_state *state, ms_kept_rows *kept, int64_t upto)

cdef extern from "kernel/constants.h" nogil:
    enum: MS_CONSTANTS
    ctypedef struct ms_constant:
        const char *name
        int64_t value
    const ms_constant ms_constants[]

cdef extern from "kernel/built.h":
    object ms_built_from(object file)

cdef extern from "<unistd.h>" nogil:
    ssize_t pread(int descriptor, void *buffer, size_t size, int64_t offset)
