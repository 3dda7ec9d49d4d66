"""The hot loop: records, literal search, spans, programs (their matcher is in kernel/program.h), number reading, columns.

It knows bytes, integers and doubles, and of Arrow how memory is handed over; definitions, files and jobs live in Python
above it. One ``Engine`` holds the compiled tables and never changes, so any number of threads may share it. A ``Stream``
is one pass over one input: bytes are fed in pieces of any size, rows pile up in plain C columns, and ``detach`` hands their
memory over.

Each call of ``feed`` has three stages. *ms_scan* runs without the GIL over all whole records: it searches the buffer for
every pattern's literals, matches in place, reads numbers and appends rows. What only Python can decide is noted, with
the row before which it belongs. *Settle* takes the GIL and decides the notes, merging their rows into place. *Keep*
copies the unfinished record at the end for the next call.
"""

import builtins

from cpython.buffer cimport (
    PyBUF_ANY_CONTIGUOUS, PyBUF_C_CONTIGUOUS, PyBUF_F_CONTIGUOUS, PyBUF_FORMAT, PyBUF_SIMPLE, PyBUF_STRIDES, PyBUF_WRITABLE,
    PyBUF_WRITE, PyBuffer_Release, PyObject_GetBuffer,
)
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.memoryview cimport PyMemoryView_FromMemory
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.errno cimport EINTR, errno
from libc.stdint cimport INT64_MIN, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t, uintptr_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memchr, memcmp, memcpy, memset, strerror

from metricscan.kernel cimport *


cdef extern from "<unistd.h>" nogil:
    ssize_t pread(int descriptor, void *buffer, size_t size, int64_t offset)

_LEVEL_NAMES = {MS_PORTABLE: "portable", MS_SSSE3: "ssse3", MS_AVX2: "avx2", MS_AVX512: "avx512", MS_NEON_LEVEL: "neon"}
SIMD_LEVELS = tuple(name for level, name in sorted(_LEVEL_NAMES.items(), reverse=True) if ms_level_available(level))

#: Rows of a full batch.
SLAB_ROWS = MS_SLAB_ROWS

# The interpreter's own. What Cython makes of `float(text)` strips blanks that float() refuses: "\x1finf\xa0".
cdef object python_float = builtins.float


# ---- the compiled tables

cdef int64_t input_offset(ms_region *r, int64_t position) noexcept nogil:
    """Where in the input the byte at this position of the region comes from."""
    return r.offset + (ms_input_place(&r.rewriting, position) if r.rewritten else position)


cdef int64_t record_offset(ms_region *r, int64_t record) noexcept nogil:
    """Where in the input the record at this position starts: behind its predecessor, whatever was removed at its front."""
    cdef int64_t before
    if record == 0 or not r.rewritten:
        return r.offset + record
    before = ms_input_place(&r.rewriting, record - 1)
    # the place of a \n whose \r was dropped is that of the \r
    return r.offset + before + (2 if r.source[before] == 13 and r.p[record - 1] == 10 else 1)


cdef void place_rows(ms_scan *k, ms_region *r) noexcept nogil:
    """Say of the rows that came from a rewritten region where in the input they stood."""
    cdef int32_t pattern
    cdef int64_t row, offset, last = -1, placed = 0
    cdef ms_state *state
    for pattern in range(k.tables.n_patterns):
        state = &k.states[pattern]
        for row in range(state.region_mark, state.rows):
            offset = state.offset[row] - r.offset
            if offset != last:
                last = offset
                placed = record_offset(r, offset)
            state.offset[row] = placed
            state.start[row] = input_offset(r, state.start[row] - r.offset)


# ---- framing

cdef bint flush_pending(ms_scan *k, ms_region *r, int32_t region) noexcept nogil:
    cdef int32_t i, pattern
    cdef ms_state *state
    for i in range(k.n_pending):
        pattern = k.pending[i]
        state = &k.states[pattern]
        if state.pending and state.record == r.serial:
            state.pending = False
            put_match(k, r, region, pattern, state.pending_start, state.pending_end, state.pending_run)
    k.n_pending = 0
    return True


cdef inline void find_record(ms_scan *k, ms_region *r, int64_t position) noexcept nogil:
    """Where the record starts and ends that holds this position, which lies behind the last record."""
    cdef uint8_t second = k.tables.second_terminator
    cdef int64_t record = <int64_t>ms_after_last_either(r.p, <size_t>(r.next + 1), <size_t>position, 10, second)
    if r.next >= 0 and record == r.next + 1:
        r.line += r.p[r.next] == 10         # the record after the last one
    else:
        r.line += <int64_t>ms_count_byte(k.tables.level, r.p + r.counted, <size_t>(record - r.counted), 10)
    r.counted = r.record = record
    r.next = <int64_t>ms_find_either(r.p, <size_t>position, <size_t>r.n, 10, second)


cdef void enter_record(ms_scan *k, ms_region *r, int32_t region, int64_t position) noexcept nogil:
    """Make the record that holds this position the current one. Positions never go back to an earlier record."""
    if k.n_pending:
        flush_pending(k, r, region)
    if position == r.next:
        # of a literal that holds a terminator: nothing has it, nor does what follows here, an empty record
        r.record = position
    elif r.newlines != NULL:
        ms_find_record_in_block(r, position)
    else:
        find_record(k, r, position)
    ms_open_record(r, &k.serial)


cdef inline int record_kind(ms_region *r) noexcept nogil:
    if r.kind < 0:
        if ms_is_ascii(r.p + r.record, r.end - r.record):
            r.kind = MS_ASCII
        else:
            r.kind = MS_UTF8 if ms_is_utf8(r.p + r.record, r.end - r.record) else MS_BYTES
    return r.kind


cdef inline void open_state(ms_scan *k, ms_region *r, ms_state *state) noexcept nogil:
    state.record = r.serial
    state.row_mark = state.rows
    state.note_mark = k.n_notes
    state.unparsed_mark = state.unparsed
    state.samples_mark = state.samples
    state.closed = False
    state.pending = False


# ---- matching

cdef void take_back(ms_scan *k, int32_t pattern) noexcept nogil:
    """What the current record has given this pattern is as if it had not been found, and no more is looked for."""
    cdef ms_state *state = &k.states[pattern]
    cdef int64_t i
    for i in range(state.note_mark, k.n_notes):
        if k.notes[i].pattern == pattern:
            k.notes[i].kind = MS_NOTE_DEAD
    state.rows = state.row_mark
    state.unparsed = state.unparsed_mark
    state.samples = state.samples_mark
    state.pending = False
    state.closed = True


cdef void defer_record(ms_scan *k, ms_region *r, int32_t region, int32_t pattern) noexcept nogil:
    """Leave this pattern's matches of the current record to Python."""
    take_back(k, pattern)
    cdef ms_note *note = ms_add_note(k, MS_NOTE_RECORD, pattern)
    if note == NULL:
        return
    note.region = region
    note.text = r.p + r.record
    note.length = r.end - r.record
    note.position = r.record
    note.line = r.line + 1
    note.offset = record_offset(r, r.record)


cdef inline void put_match(
    ms_scan *k, ms_region *r, int32_t region, int32_t pattern, int64_t start, int64_t end, int64_t run_end
) noexcept nogil:
    """Read the value of a match and append its row."""
    cdef const ms_pattern *q = &k.tables.patterns[pattern]
    put_value(
        k, r, region, pattern, start, end, q.value_from + (run_end if q.value_from_run else start),
        q.value_to + (run_end if q.value_to_run else start),
    )


cdef inline void put_value(
    ms_scan *k, ms_region *r, int32_t region, int32_t pattern, int64_t start, int64_t end, int64_t value_start, int64_t value_end
) noexcept nogil:
    cdef double value = 0.0
    cdef int status = ms_number(r.p + value_start, r.p + value_end, r.p + r.n, &value)
    if status == MS_NUMBER and not k.noted:
        ms_append_row(k, &k.states[pattern], value, r.line + 1, r.offset + r.record, r.offset + value_start)
    else:
        put_unusual(k, r, region, pattern, start, end, value_start, value_end, status, value)


cdef void put_unusual(
    ms_scan *k, ms_region *r, int32_t region, int32_t pattern, int64_t start, int64_t end,
    int64_t value_start, int64_t value_end, int status, double value,
) noexcept nogil:
    """A match that is no plain number, or traced: note it."""
    cdef ms_state *state = &k.states[pattern]
    cdef ms_note *note
    if status == MS_REFUSED and not k.trace:
        state.unparsed += 1
        if state.samples >= MS_MAX_SAMPLES:
            return
        state.samples += 1
    note = ms_add_note(k, MS_NOTE_TRACE if k.trace else MS_NOTE_REFUSED if status == MS_REFUSED else MS_NOTE_NUMBER, pattern)
    if note == NULL:
        return
    note.region = region
    note.text = r.p + value_start
    note.length = value_end - value_start
    note.line = r.line + 1
    note.offset = record_offset(r, r.record)
    note.start = input_offset(r, value_start)
    note.position = r.record
    note.match_start = start - r.record
    note.match_end = end - r.record
    note.value_start = value_start - r.record
    note.value_end = value_end - r.record
    note.decided = status == MS_NUMBER
    note.number = value


cdef void run_program(ms_scan *k, ms_region *r, int32_t region, int32_t pattern, int64_t text) noexcept nogil:
    """Find all matches of a pattern in the current record. What its program looks for first is at `text` or later."""
    cdef const ms_program *program = &k.tables.patterns[pattern].program
    cdef ms_state *state = &k.states[pattern]
    cdef const uint8_t *p = r.p + r.record
    cdef int64_t n = r.end - r.record, start = 0, end = 0, from_ = 0
    cdef int64_t last_start = -1, last_end = 0
    cdef int64_t last_value[2]
    cdef int kind = record_kind(r)
    cdef bint nonempty = False
    cdef int status
    cdef ms_note *note
    state.closed = True
    # a literal with a terminator in it may start before
    text = text - r.record if text > r.record else 0
    status = ms_matcher_start(&k.matcher, program, n)
    while status == MS_FOUND:
        status = ms_search(program, &k.matcher, p, n, kind, from_, text, nonempty, &start, &end)
        if status != MS_FOUND:
            break
        if k.tables.matches == MS_MATCHES_LAST:
            last_start, last_end = start, end
            last_value[0], last_value[1] = k.matcher.places[0], k.matcher.places[1]
        else:
            put_program_match(k, r, region, pattern, start, end, k.matcher.places)
            if k.tables.matches == MS_MATCHES_FIRST:
                return
        from_ = text = end
        nonempty = end == start
        if from_ > n - program.width:
            break
    if status == MS_NO_MEMORY:
        k.no_memory = True
    elif status == MS_OVER_BUDGET:
        take_back(k, pattern)
        state.over_budget += 1
        if state.samples < MS_MAX_SAMPLES:
            state.samples += 1
            note = ms_add_note(k, MS_NOTE_REFUSED, pattern)
            if note != NULL:
                note.region = region
                note.text = p
                note.length = n
                note.line = r.line + 1
                note.offset = record_offset(r, r.record)
    elif last_start >= 0:
        put_program_match(k, r, region, pattern, last_start, last_end, last_value)


cdef inline void put_program_match(
    ms_scan *k, ms_region *r, int32_t region, int32_t pattern, int64_t start, int64_t end, const int64_t *value
) noexcept nogil:
    cdef ms_note *note
    if value[0] >= 0 and value[1] >= 0:
        put_value(
            k, r, region, pattern, r.record + start, r.record + end, r.record + value[0], r.record + value[1]
        )
    elif k.trace:
        # the value's group took no part
        note = ms_add_note(k, MS_NOTE_TRACE, pattern)
        if note != NULL:
            note.region = region
            note.position = r.record
            note.match_start = start
            note.match_end = end
            note.value_start = note.value_end = -1


cdef inline bint takes_character(
    const ms_pattern *q, const uint8_t *p, int64_t end, int64_t at, int64_t *after
) noexcept nogil:
    """Whether the run takes the character at `at` < end; where the next one starts."""
    cdef uint32_t character
    after[0] = at + 1
    if q.table[p[at]] != MS_UNDECIDED:
        return q.table[p[at]] == MS_MEMBER
    after[0] = at + ms_decode(p, end, at, &character)
    return ms_in_set(q.set, character)


cdef inline int64_t run_stop(
    const ms_pattern *q, const uint8_t *p, int64_t at, int64_t limit, int64_t end
) noexcept nogil:
    """The first place in [at, limit) that the run does not take, else limit or, inside a character, one past it."""
    cdef int64_t after
    if q.any_byte:
        return limit
    while True:
        while at < limit and q.table[p[at]] == MS_MEMBER:
            at += 1
        if at >= limit or q.table[p[at]] == MS_STOP or not takes_character(q, p, end, at, &after):
            return at
        at = after


cdef inline bint match_span(
    const ms_pattern *q, ms_state *state, const ms_region *r, int64_t start, int64_t *match_end, int64_t *run_end
) noexcept nogil:
    """Whether the pattern matches at start.

    Every branch walks a run once a record: a run that failed, or whose suffix has no later occurrence, is remembered
    in memo_to, and a candidate inside it fails at once. So a record costs its length, however many candidates it has.
    """
    cdef const uint8_t *p = r.p
    cdef int64_t end = r.end
    cdef int64_t from_ = start + q.prefix_length
    cdef int64_t low = from_ + q.run_min
    cdef int64_t limit = end, at, stop, after
    cdef int64_t length = q.suffix_length
    if q.at_start and start != r.record:
        return 0
    if from_ > end or r.base + from_ <= state.memo_to or low > end:
        return 0
    if q.run_max >= 0 and from_ + q.run_max < end:
        limit = from_ + q.run_max
    if q.shape == MS_SHAPE_NO_RUN:
        if q.at_end and from_ != end:
            return 0
        at = from_
    elif q.at_end:
        at = end - length
        if at < low or at > limit or memcmp(p + at, q.suffix, length) != 0:
            return 0
        stop = run_stop(q, p, from_, at, end)
        if stop < at:
            if q.run_max < 0:
                state.memo_to = r.base + stop
            return 0
    elif length == 0:
        if q.shape == MS_SHAPE_LAZY:
            limit = low
        at = run_stop(q, p, from_, limit, end)
        if at < low:
            if q.run_max < 0:
                state.memo_to = r.base + at
            return 0
    elif q.shape == MS_SHAPE_LAZY:
        if q.any_byte and q.run_max < 0:
            if length == 1:
                at = <int64_t>ms_find_near(p, <size_t>low, <size_t>end, <size_t>r.n, q.suffix[0])
            else:
                at = <int64_t>ms_find(p, <size_t>low, <size_t>end, q.suffix, <size_t>length)
            if at == end:
                state.memo_to = r.base + end
                return 0
        else:
            at = from_
            while True:
                if (
                    at >= low and at + length <= end and p[at] == q.suffix[0]
                    and memcmp(p + at, q.suffix, length) == 0
                ):
                    break
                if at >= limit or not takes_character(q, p, end, at, &after):
                    if q.run_max < 0:
                        state.memo_to = r.base + at
                    return 0
                at = after
    else:
        stop = run_stop(q, p, from_, limit, end)
        if q.run_max < 0:
            state.memo_to = r.base + stop
        at = stop
        while True:
            if at < low:
                return 0
            if at + length <= end and p[at] == q.suffix[0] and memcmp(p + at, q.suffix, length) == 0:
                break
            if q.suffix_stops:
                return 0
            at -= 1
    run_end[0] = at
    match_end[0] = at + length
    return 1


cdef inline void try_candidate(ms_scan *k, ms_region *r, int32_t region, int32_t pattern, int64_t start) noexcept nogil:
    cdef const ms_pattern *q = &k.tables.patterns[pattern]
    cdef ms_state *state = &k.states[pattern]
    cdef int64_t match_end = 0, run_end = 0
    if state.record != r.serial:
        open_state(k, r, state)
    if state.closed:
        return
    if q.strategy == MS_STRATEGY_CONFIRM:
        defer_record(k, r, region, pattern)
        return
    if q.strategy == MS_STRATEGY_PROGRAM:
        # a chain's last match may go over this place
        if q.steps == NULL or r.base + start >= state.next_start:
            run_program(k, r, region, pattern, start if q.found_by_lead else r.record)
        return
    if r.base + start < state.next_start:
        return
    if q.counted and record_kind(r) != MS_ASCII:
        run_program(k, r, region, pattern, r.record)
        return
    if not match_span(q, state, r, start, &match_end, &run_end):
        return
    state.next_start = r.base + match_end
    if k.tables.matches == MS_MATCHES_LAST:
        if not state.pending:
            k.pending[k.n_pending] = pattern
            k.n_pending += 1
        state.pending = True
        state.pending_start = start
        state.pending_end = match_end
        state.pending_run = run_end
        return
    if k.tables.matches == MS_MATCHES_FIRST:
        state.closed = True
    put_match(k, r, region, pattern, start, match_end, run_end)


cdef inline void try_plain(
    ms_scan *k, ms_region *r, int32_t region, const ms_pattern *q, int32_t pattern, int64_t start
) noexcept nogil:
    """A candidate of a pattern that never needs Python for a match: no record-wise state, nothing to take back."""
    cdef ms_state *state = &k.states[pattern]
    cdef int64_t match_end = 0, run_end = 0
    if r.base + start < state.next_start:
        return
    if q.plain == MS_PLAIN_LAZY_TO_BYTE:
        match_end = start + q.prefix_length
        if match_end >= r.end or r.base + match_end <= state.memo_to:
            return
        run_end = <int64_t>ms_find_near(r.p, <size_t>match_end, <size_t>r.end, <size_t>r.n, q.suffix[0])
        if run_end == r.end:
            state.memo_to = r.base + r.end
            return
        match_end = run_end + 1
    elif not match_span(q, state, r, start, &match_end, &run_end):
        return
    state.next_start = r.base + match_end
    put_match(k, r, region, pattern, start, match_end, run_end)


cdef void try_group(
    ms_scan *k, ms_region *r, int32_t region, const ms_group *group, int64_t position
) noexcept nogil:
    """Verify the literals that share the fingerprint at this position, and try the patterns of those that are there."""
    cdef const ms_tables *t = k.tables
    cdef uint64_t window = ms_load8(r.p, position + group.window, <size_t>r.n) & group.mask
    cdef const ms_entry *entry = group.only
    cdef const ms_literal *literal
    cdef int64_t start
    cdef int32_t i, pattern
    if entry == NULL:
        entry = t.find.heads[group.heads + <int32_t>ms_slot(window, group.head_mask)]
    while entry != NULL:
        literal = entry.literal
        if entry.window != window:
            entry = entry.following
            continue
        entry = entry.following
        start = position - literal.place
        if start < 0 or start + literal.length > r.n:
            continue
        if not literal.in_window and not ms_equal(r.p + start, literal.text, <size_t>literal.length):
            continue
        if position >= r.next:
            enter_record(k, r, region, position)
        for i in range(literal.first_use, literal.first_use + literal.uses):
            pattern = t.uses[i]
            if t.patterns[pattern].plain:
                try_plain(k, r, region, &t.patterns[pattern], pattern, start)
            else:
                try_candidate(k, r, region, pattern, start)


cdef void try_position(ms_scan *k, ms_region *r, int32_t region, int64_t position) noexcept nogil:
    """Try whatever has its fingerprint at this position."""
    cdef const ms_tables *t = k.tables
    cdef uint8_t pair[2]
    cdef uint32_t group
    pair[0] = r.p[position]
    pair[1] = r.p[position + 1] if position + 1 < r.n else 0
    group = t.find.pair_group[ms_load2(pair)]
    if group:
        try_group(k, r, region, &t.find.groups[group - 1], position)
    if t.has_single_bytes:
        group = t.one_group[pair[0]]
        if group:
            try_group(k, r, region, &t.find.groups[group - 1], position)


cdef void try_positions(ms_scan *k, ms_region *r, int32_t region, const uint32_t *positions, size_t found) noexcept nogil:
    """Try positions of a block, ``MS_SOME_POSITIONS`` at most: the quick path, and what it leaves."""
    cdef const ms_tables *t = k.tables
    cdef ms_candidate candidates[MS_SOME_POSITIONS]
    cdef const ms_candidate *candidate = candidates
    cdef const ms_candidate *to
    cdef size_t i
    cdef ms_left left
    if t.has_single_bytes or k.noted:
        for i in range(found):
            try_position(k, r, region, r.block + positions[i])
        return
    to = candidates + ms_candidates(t.level, &t.find, r, positions, found, candidates)
    while True:
        candidate = ms_decide(t.level, r, k.states, &k.serial, candidate, to, &left)
        if candidate == to:
            return
        if left.pattern < 0:
            try_position(k, r, region, candidate.position - r.p)
        else:
            put_value(k, r, region, left.pattern, left.start, left.end, left.value_start, left.value_end)
        candidate += 1


cdef void scan_literals(ms_scan *k, ms_region *r, int32_t region) noexcept nogil:
    cdef const ms_tables *t = k.tables
    cdef int64_t block = 0, length
    cdef size_t found, tried, last = MS_BLOCK
    cdef bint returns
    cdef ms_newlines lines
    cdef ms_marks ends
    cdef uint32_t positions[MS_BLOCK]
    memset(lines.marks.none, 0, sizeof(lines.marks.none))
    memset(ends.none, 0, sizeof(ends.none))
    while block < r.n and not k.no_memory:
        length = r.n - block
        if length > MS_BLOCK:
            length = MS_BLOCK
        if t.has_literals:
            found = ms_positions(&t.fingerprints, r.p + block, <size_t>length, <size_t>(r.n - block), positions, &lines)
        else:
            found = 0
            lines.count = ms_count_byte(t.level, r.p + block, <size_t>length, 10)
            # now that the block is near: of the passes the search is the one that asks for memory ahead
            lines.returns = memchr(r.p + block, 13, <size_t>length) != NULL
        returns = r.terminators != MS_LF and lines.returns
        if t.has_literals:
            r.newlines = &lines
            r.ends = lines.marks.words
            r.only_newlines = not returns
            if returns:
                ms_mark_block(r.p + block, <size_t>length, 10, 13, ends.words)
                r.ends = ends.words
            r.block = block
            r.block_line = k.line
            r.words = <size_t>(length + 63) // 64
            tried = 0
            while tried < found:
                try_positions(k, r, region, positions + tried, min(found - tried, <size_t>MS_SOME_POSITIONS))
                tried += MS_SOME_POSITIONS
            last = ms_marked_before(r.ends, <size_t>length)
            if last != MS_BLOCK:
                r.open = block + <int64_t>last + 1
        k.line += <int64_t>lines.count
        k.records += <int64_t>(
            ms_records(t.level, r.p, <size_t>block, <size_t>(block + length), <size_t>r.n, r.terminators, lines.count)
            if returns else lines.count
        )
        block += length
    r.newlines = NULL
    if k.n_pending:
        flush_pending(k, r, region)


cdef bint may_match(const ms_program *program, const ms_region *r) noexcept nogil:
    """Whether the current record begins and ends as one with a match does."""
    if program.first == NULL:
        return True
    if r.end == r.record:
        return False
    if program.last != NULL and not program.last[r.p[r.end - 1]]:
        return False
    return not program.at_start or program.first[r.p[r.record]]


cdef void scan_every_record(ms_scan *k, ms_region *r, int32_t region) noexcept nogil:
    """The patterns without a literal: each record is a candidate. (And, for the tests, every pattern.)"""
    cdef const ms_tables *t = k.tables
    cdef const ms_pattern *q
    cdef int64_t position = 0, at
    cdef int32_t i, pattern
    r.next = -1
    while not k.no_memory:
        if t.always_table != NULL:
            position = <int64_t>ms_find_class(&t.always_first, t.always_table, r.p, <size_t>position, <size_t>r.n)
            if position == r.n:
                break
        enter_record(k, r, region, position)
        for i in range(t.n_always):
            pattern = t.always[i]
            q = &t.patterns[pattern]
            if q.strategy == MS_STRATEGY_PROGRAM and not may_match(&q.program, r):
                continue
            if q.strategy != MS_STRATEGY_SPAN:
                try_candidate(k, r, region, pattern, r.record)
                continue
            at = r.record
            while at + q.prefix_length <= r.end:
                if memcmp(r.p + at, q.prefix, <size_t>q.prefix_length) == 0:
                    try_candidate(k, r, region, pattern, at)
                at += 1
        position = r.next + 1
        if r.terminators == MS_UNIVERSAL and position < r.n and r.p[r.next] == 13 and r.p[position] == 10:
            position += 1
        r.next = position - 1
        if position >= r.n:
            break
    if k.n_pending:
        flush_pending(k, r, region)


cdef void scan_region(ms_scan *k, int32_t region) noexcept nogil:
    """Scan the region's records: one at least, and where nothing of it was left by rewriting, that one is empty."""
    cdef ms_region *r = &k.regions[region]
    cdef int64_t line = k.line
    r.serial = 0
    r.next = -1
    r.open = 0
    scan_literals(k, r, region)
    if k.tables.n_always:
        r.serial = 0
        r.counted = 0
        r.line = line
        scan_every_record(k, r, region)


cdef void take_region(ms_scan *k, int32_t region, const uint8_t *p, int64_t n) noexcept nogil:
    """Scan whole records that lie at p, then advance past them."""
    cdef ms_region *r = &k.regions[region]
    cdef const ms_tables *t = k.tables
    cdef int32_t pattern
    r.p = p
    r.n = n
    r.source = p
    r.offset = k.offset
    r.drop_cr = t.drop_cr
    r.terminators = MS_UNIVERSAL if t.universal else MS_LF
    r.rewritten = t.rewriting and ms_needs_rewriting(t.rewriting, p, n)
    if r.rewritten:
        r.n = ms_rewrite(&r.rewriting, t.rewriting, p, n)
        if r.n < 0:
            k.no_memory = True
            return
        r.p = r.rewriting.text
        r.drop_cr = False
        if t.universal:
            r.terminators = MS_EACH
        for pattern in range(t.n_patterns):
            k.states[pattern].region_mark = k.states[pattern].rows
    k.noted = k.trace
    r.base = k.base
    k.rewritten = r.rewritten
    scan_region(k, region)
    if r.rewritten:
        place_rows(k, r)
    k.base += r.n
    k.offset += n


# ---- the surface

cdef class Engine:
    """The compiled tables of a plan: immutable, shared by streams and threads.

    Parameters
    ----------
    patterns : list of tuple
        Per pattern ``(MS_STRATEGY_CONFIRM,)``, ``(MS_STRATEGY_PROGRAM, steps of its _chain.Chain or None, *_program.Program)`` or
        ``(MS_STRATEGY_SPAN, *_pattern.Span, _program.Program or None)``; the program takes the records that a counting span cannot.
    literals : list of tuple
        ``(text, place, patterns)``: the bytes, where in them the fingerprint lies, the patterns it makes a candidate.
    groups : list of tuple
        ``(first, second, bucket, window, width, literals)``: a fingerprint (second -1: one byte), its bucket of eight,
        the window that tells its literals apart (start relative to the fingerprint, 0-8 bytes), their indices.
    always : list of int
        Patterns without a literal.
    """

    cdef ms_tables t
    cdef list keep
    cdef dict ends              # tables of runs -> tables of what may end them

    def __cinit__(
        self, list patterns, list literals, list groups, list always, *,
        bint universal, bint syslog, bint strip, int matches, int search, str level,
    ):
        cdef ms_pattern *q
        cdef ms_literal *literal
        cdef ms_group *group
        cdef int32_t i, use, entry, head, heads, byte, index
        cdef uint64_t window
        cdef const uint8_t *pointer
        self.keep = []
        self.ends = {}
        levels = {name: number for number, name in _LEVEL_NAMES.items()}
        if level == "auto":
            level = SIMD_LEVELS[0]
        if level not in SIMD_LEVELS:
            raise ValueError(f"SIMD level {level!r} is not available here, one of {SIMD_LEVELS} was expected")
        self.t.level = levels[level]
        self.t.universal = universal
        self.t.drop_cr = not universal and not syslog
        if syslog or strip:
            self.t.rewriting = (
                (MS_SYSLOG if syslog else 0) | (MS_STRIP if strip else 0) | (MS_UNIVERSAL_ENDS if universal else 0)
                | (MS_DROP_CR if self.t.drop_cr else 0)
            )
        self.t.second_terminator = 13 if universal else 10
        self.t.matches = matches
        self.t.search = search
        self.t.n_patterns = <int32_t>len(patterns)
        self.t.patterns = <ms_pattern *>zeroed(len(patterns), sizeof(ms_pattern))
        for i in range(self.t.n_patterns):
            q = &self.t.patterns[i]
            fields = patterns[i]
            q.strategy = MS_STRATEGY_CONFIRM if search == MS_SEARCH_EVERY else fields[0]
            if q.strategy == MS_STRATEGY_CONFIRM:
                continue
            if q.strategy == MS_STRATEGY_PROGRAM:
                self.take_program(&q.program, fields[2:])
                if fields[1] is not None and matches == MS_MATCHES_ALL:
                    q.steps = self.held_steps(fields[1])
                continue
            (
                prefix, q.shape, table, characters, q.run_min, q.run_max, suffix, q.at_start, q.at_end, q.counted,
                q.value_from_run, q.value_from, q.value_to_run, q.value_to, program,
            ) = fields[1:]
            if len(table) != 256:
                raise ValueError("a run's table has 256 entries")
            q.prefix = self.held(prefix)
            q.prefix_length = len(prefix)
            q.table = self.held(table)
            q.set = <const int32_t *>self.held(characters)
            q.suffix = self.held(suffix)
            q.suffix_length = len(suffix)
            if program is not None:
                self.take_program(&q.program, program)
            q.any_byte = True
            for byte in range(256):
                if q.table[byte] != MS_MEMBER and byte != 10 and not (universal and byte == 13):
                    q.any_byte = False
            q.suffix_stops = q.suffix_length > 0 and q.table[q.suffix[0]] == MS_STOP
            if matches == MS_MATCHES_ALL and not q.counted:
                q.plain = MS_PLAIN
                if (
                    q.shape == MS_SHAPE_LAZY and q.any_byte and q.run_min == 0 and q.run_max < 0
                    and q.suffix_length == 1 and not q.at_start and not q.at_end
                ):
                    q.plain = MS_PLAIN_LAZY_TO_BYTE
        if search != MS_SEARCH_SIMD:
            literals, groups, always = [], [], list(range(len(patterns)))
        self.t.n_always = <int32_t>len(always)
        self.t.always = <int32_t *>zeroed(len(always), sizeof(int32_t))
        for i in range(self.t.n_always):
            self.t.always[i] = always[i]
        if all(
            self.t.patterns[index].strategy == MS_STRATEGY_PROGRAM and self.t.patterns[index].program.first != NULL for index in always
        ):
            # a terminator is in no record
            self.t.always_table = self.held(bytes(
                byte != 10 and not (universal and byte == 13)
                and any(self.t.patterns[index].program.first[byte] for index in always)
                for byte in range(256)
            ))
            ms_class_fill(&self.t.always_first, self.t.always_table, self.t.level)

        self.t.literals = <ms_literal *>zeroed(len(literals), sizeof(ms_literal))
        self.t.uses = <int32_t *>zeroed(sum(len(uses) for _, _, uses in literals), sizeof(int32_t))
        use = 0
        counts = {}
        for i, (text, place, uses) in enumerate(literals):
            literal = &self.t.literals[i]
            literal.text = self.held(text)
            literal.length = len(text)
            literal.place = place
            literal.first_use = use
            literal.uses = <int32_t>len(uses)
            for pattern in uses:
                self.t.uses[use] = pattern
                use += 1
                q = &self.t.patterns[pattern]
                counts[pattern] = counts.get(pattern, 0) + 1
                q.found_by_lead = (
                    q.strategy == MS_STRATEGY_PROGRAM and counts[pattern] == 1 and q.program.lead_length == len(text)
                    and memcmp(q.program.lead_text, literal.text, len(text)) == 0
                )

        if len(groups) > 0xFFFE:
            raise ValueError(f"{len(groups)} fingerprints, at most 65534 were expected")
        ms_fingerprints_clear(&self.t.fingerprints, self.t.level)
        self.t.has_literals = len(groups) > 0
        self.t.find.pair_group = <uint16_t *>zeroed(65536, sizeof(uint16_t))
        self.t.find.groups = <ms_group *>zeroed(len(groups), sizeof(ms_group))
        self.t.find.only = <const ms_entry **>zeroed(len(groups) + 1, sizeof(ms_entry *))
        self.t.entries = <ms_entry *>zeroed(sum(len(members) for *_, members in groups), sizeof(ms_entry))
        sizes = [1 if len(members) == 1 else 1 << (2 * len(members) - 1).bit_length() for *_, members in groups]
        self.t.find.heads = <const ms_entry **>zeroed(sum(sizes), sizeof(ms_entry *))
        self.t.find.only[0] = &ms_nowhere
        for i in range(len(groups)):
            self.t.find.only[i + 1] = &ms_unknown
        entry = heads = 0
        for i, (first, second, bucket, start, width, members) in enumerate(groups):
            group = &self.t.find.groups[i]
            ms_fingerprints_add(&self.t.fingerprints, bucket, first, second)
            if second < 0:
                self.t.one_group[first] = <uint16_t>(i + 1)
                self.t.has_single_bytes = True
            else:
                pair = bytes((first, second))
                self.t.find.pair_group[ms_load2(pair)] = <uint16_t>(i + 1)
            group.window = start
            group.near = -16 <= start <= 8
            mask = b"\xff" * width + b"\0" * (8 - width)
            pointer = mask
            memcpy(&group.mask, pointer, 8)
            group.heads = heads
            group.head_mask = <uint32_t>(sizes[i] - 1)
            heads += <int32_t>sizes[i]
            windows = {}
            for member in members:
                literal = &self.t.literals[member]
                literal.in_window = literal.place + start <= 0 and literal.place + start + width >= literal.length
                window = ms_load8(literal.text, literal.place + start, <size_t>literal.length) & group.mask
                head = group.heads + <int32_t>ms_slot(window, group.head_mask)
                self.t.entries[entry].window = window
                self.t.entries[entry].literal = literal
                self.t.entries[entry].following = self.t.find.heads[head]
                self.t.find.heads[head] = &self.t.entries[entry]
                if len(members) == 1:
                    group.only = self.t.find.only[i + 1] = &self.t.entries[entry]
                windows[window] = windows.get(window, 0) + 1
                entry += 1
            for index in range(entry - <int32_t>len(members), entry):
                if windows[self.t.entries[index].window] == 1:
                    self.describe(&self.t.entries[index])
                    self.make_quick(&self.t.entries[index])

    cdef int take_program(self, ms_program *program, fields) except -1:
        code, pool, tables, sets, set_at, first, last, program.only_run, program.width, ways = fields[:10]
        program.lead, program.lead_class, lead_text, program.lead_ascii = fields[10:14]
        program.code = <const int32_t *>self.held(code)
        program.pool = self.held(pool)
        program.tables = self.held(tables)
        program.sets = <const int32_t *>self.held(sets)
        program.set_at = <const int32_t *>self.held(set_at)
        program.first = self.held(first) if first else NULL
        if first:
            ms_class_fill(&program.first_class, program.first, self.t.level)
        program.last = self.held(last) if last else NULL
        program.ways = self.held(ways)
        program.lead_text = self.held(lead_text)
        program.lead_length = len(lead_text)
        (
            program.runs, program.splits, program.loops, program.slots, program.at_start, program.words, program.pure,
        ) = fields[14:]
        return 0

    cdef int describe(self, ms_entry *entry) except -1:
        """How to see by two looks at eight bytes whether the literal is there, or at least may be.

        Not for one of several with the same window, which are all to be tried.
        """
        cdef const ms_literal *literal = entry.literal
        cdef int64_t size = min(8, literal.length)
        if literal.place > 16 or literal.length - literal.place > 24:
            return 0
        mask = b"\xff" * size + b"\0" * (8 - size)
        memcpy(&entry.mask, <const char *>mask, 8)
        entry.head_place = -literal.place
        entry.tail_place = literal.length - literal.place - size
        entry.head = ms_load8(literal.text, 0, <size_t>literal.length) & entry.mask
        entry.tail = ms_load8(literal.text, literal.length - size, <size_t>literal.length) & entry.mask
        return 0

    cdef int make_quick(self, ms_entry *entry) except -1:
        """Fill in what the quick path needs, if the literal is of the kind that it knows."""
        cdef const ms_literal *literal = entry.literal
        cdef const ms_pattern *q
        if literal.uses != 1 or literal.length > 16:
            return 0
        q = &self.t.patterns[self.t.uses[literal.first_use]]
        if q.steps != NULL and q.found_by_lead:
            entry.quick = MS_QUICK_CHAIN
            entry.steps = q.steps
            self.place(entry)
            return 0
        if q.prefix_length != literal.length:
            return 0
        if q.value_from_run or q.value_from != literal.length or not q.value_to_run or q.value_to != 0:
            return 0            # the value is not just the run
        if q.plain == MS_PLAIN_LAZY_TO_BYTE:
            entry.quick = MS_QUICK_LAZY
        elif (
            q.plain == MS_PLAIN and q.shape == MS_SHAPE_GREEDY and q.run_min <= 1 and q.run_max < 0 and not q.at_end
            and (q.suffix_length == 0 or q.suffix_stops)
        ):
            entry.quick = MS_QUICK_GREEDY
        else:
            return 0
        self.place(entry)
        entry.at_start = q.at_start
        if q.suffix_length:
            memset(entry.stop, q.suffix[0], sizeof(entry.stop))
        entry.suffix = q.suffix
        entry.suffix_length = q.suffix_length
        entry.least = q.run_min
        entry.table = q.table
        if entry.quick == MS_QUICK_GREEDY:
            table = q.table[:256]
            if table not in self.ends:
                self.ends[table] = bytes(byte != MS_MEMBER for byte in table)
            entry.ends = <bytes>self.ends[table]
            ms_class_fill(&entry.stops, entry.ends, self.t.level)
        return 0

    cdef void place(self, ms_entry *entry) noexcept:
        cdef const ms_literal *literal = entry.literal
        entry.pattern = self.t.uses[literal.first_use]
        entry.state = entry.pattern * sizeof(ms_state)
        entry.length = literal.length
        entry.from_place = literal.length - literal.place

    cdef const ms_step *held_steps(self, steps) except NULL:
        """The steps of a chain; they live as long as the engine."""
        cdef bytes memory = bytes(len(steps) * sizeof(ms_step))
        cdef ms_step *step = <ms_step *>self.held(memory)
        for kind, text, least, most in steps:
            step.kind = kind
            step.text = self.held(text)
            step.length = <int32_t>len(text)
            step.least = least
            step.most = most
            step += 1
        return <const ms_step *><const uint8_t *>memory

    cdef const uint8_t *held(self, bytes text) except NULL:
        """The bytes' address; they live as long as the engine."""
        self.keep.append(text)
        return text

    def __dealloc__(self):
        free(self.t.patterns)
        free(self.t.always)
        free(self.t.literals)
        free(self.t.uses)
        free(self.t.find.pair_group)
        free(self.t.find.groups)
        free(self.t.find.only)
        free(self.t.entries)
        free(self.t.find.heads)


cdef void *zeroed(size_t count, size_t size) except NULL:
    cdef void *memory = calloc(count if count else 1, size)
    if memory == NULL:
        raise MemoryError
    return memory


cdef class Columns:
    """Rows of one pattern that a stream handed over: a share in the memory they lie in, given back when the last holder is gone.

    A buffer of two dimensions: a row each for value (doubles, read as integers), line, offset, start and, if there are any,
    times. It can be written to until the rows are exported.

    Attributes
    ----------
    rows : int
    has_times : bool
    texts : object
        What somebody has put there in place of the values; None.
    """

    cdef readonly int64_t rows
    cdef readonly bint has_times
    cdef public object texts
    cdef void *memory
    cdef char *first            # column; the others follow
    cdef Py_ssize_t shape[2]
    cdef Py_ssize_t strides[2]
    cdef bint was_exported
    cdef ArrowArray exported

    def __dealloc__(self):
        ms_withdraw(&self.exported)
        ms_give_memory(self.memory)

    def __getbuffer__(self, Py_buffer *view, int flags):
        cdef int contiguous = PyBUF_ANY_CONTIGUOUS | PyBUF_C_CONTIGUOUS | PyBUF_F_CONTIGUOUS
        if flags & contiguous != PyBUF_STRIDES:
            raise BufferError("columns lie apart: strides are needed")
        if flags & PyBUF_WRITABLE and self.was_exported:
            raise BufferError("what was exported is read-only")
        view.obj = self
        view.buf = self.first
        view.len = self.shape[0] * self.shape[1] * 8
        view.itemsize = 8
        view.readonly = self.was_exported
        view.ndim = 2
        view.format = NULL
        if flags & PyBUF_FORMAT:
            view.format = b"q"
        view.shape = self.shape
        view.strides = self.strides
        view.suboffsets = NULL
        view.internal = NULL

    def export(self):
        """Address of an ``ArrowArray`` of these rows, with a share of its own in the memory, for whoever imports it.

        It is a struct array: value, line, offset, start, and a column of nulls. Until it is imported it lives as long as this
        object, and the next call takes it back; one thread does both.
        """
        ms_withdraw(&self.exported)
        if ms_export_columns(&self.exported, self.memory, self.rows, self.first, <size_t>self.strides[0]) < 0:
            raise MemoryError(f"no memory to hand over {self.rows} rows")
        self.was_exported = True
        return <uintptr_t>&self.exported

    def add_lines(self, int64_t number):
        """Add to every line, before the rows are exported."""
        cdef int64_t *line = <int64_t *>(self.first + self.strides[0])
        cdef int64_t i
        if self.was_exported:
            raise BufferError("what was exported is read-only")
        with nogil:
            for i in range(self.rows):
                line[i] += number

    @property
    def holders(self):
        """Tests only: how many share the memory, this object among them."""
        return ms_holders_of_memory(self.memory)


cdef Columns columns_of(void *memory, int64_t rows, void *first, void *second, bint has_times):
    """Columns that take over a share in the memory; where the first two lie tells where the others do: see ``lay_out``."""
    cdef Columns columns = Columns.__new__(Columns)
    columns.rows = rows
    columns.has_times = has_times
    columns.memory = memory
    columns.first = <char *>first
    columns.shape[0] = MS_COLUMNS + has_times
    columns.shape[1] = rows
    columns.strides[0] = <char *>second - <char *>first
    columns.strides[1] = 8
    return columns


def joined(list parts not None):
    """The rows of several batches, none of which has times, as those of one: a copy.

    (By numpy's arrays it takes ten times as long, and a thread that scans does this between two blocks.)
    """
    cdef int64_t rows = 0
    cdef Py_ssize_t stride
    cdef int column
    cdef char *memory
    cdef char *to
    cdef Columns part
    for part in parts:
        if part.has_times:
            raise ValueError("rows with times cannot be joined")
        rows += part.rows
    stride = (rows * 8 + 63) & ~<Py_ssize_t>63
    memory = <char *>ms_take_memory(<size_t>stride * MS_COLUMNS, False)
    if memory == NULL:
        raise MemoryError(f"no memory to join {rows} rows")
    to = memory
    for part in parts:
        for column in range(MS_COLUMNS):
            memcpy(to + column * stride, part.first + column * part.strides[0], <size_t>part.rows * 8)
        to += part.rows * 8
    return columns_of(memory, rows, memory, memory + stride, False)


cdef class Stream:
    """One pass over one input.

    Parameters
    ----------
    engine : Engine
    confirm : callable
        ``confirm(pattern, record)`` decides a record in Python: a list of ``(match_start, match_end, value_start,
        value_end, text)`` in bytes of the record (text None: the value group took no part), or the number of the
        fault, ``FAILED`` or ``TIMED_OUT``.
    offset : int
        Offset of the first byte that will be fed.
    in_batches : bool
        Set columns aside once they hold a batch's rows, for ``take_full``; otherwise they grow until they are detached.
    trace : bool
        Keep matches instead of rows (``traced``).
    row_limit : int
        Tests only: growing a column past this many rows fails as memory would. -1: no limit.

    A stream serves one thread at a time; a second one that feeds meanwhile gets a RuntimeError.
    """

    cdef ms_scan k
    cdef Engine engine
    cdef object confirm
    cdef int32_t n_patterns
    cdef dict samples
    cdef list traced_matches
    cdef uint8_t *carry
    cdef int64_t carry_length
    cdef int64_t carry_capacity
    cdef int64_t first_offset
    cdef bint skip_lf
    cdef bint busy
    cdef bint finished
    cdef bint has_times
    cdef int64_t time

    def __cinit__(
        self, Engine engine, confirm, *, int64_t offset=0, bint in_batches=False, bint trace=False, int64_t row_limit=-1
    ):
        cdef int32_t i
        self.engine = engine
        self.confirm = confirm
        self.samples = {}
        self.traced_matches = []
        self.time = MS_NO_TIME
        self.first_offset = offset
        self.k.offset = offset
        self.k.tables = &engine.t
        self.k.in_batches = in_batches
        self.k.trace = trace
        self.k.row_limit = row_limit
        self.n_patterns = engine.t.n_patterns
        self.k.states = <ms_state *>zeroed(engine.t.n_patterns, sizeof(ms_state))
        for i in range(engine.t.n_patterns):
            self.k.states[i].last_time = MS_NO_TIME
        if engine.t.matches == MS_MATCHES_LAST:
            self.k.pending = <int32_t *>zeroed(engine.t.n_patterns, sizeof(int32_t))

    def __dealloc__(self):
        cdef int32_t i
        cdef int64_t chunk
        cdef ms_state *state
        if self.k.states != NULL:
            # not the engine's count: a garbage collection may have taken the engine away already
            for i in range(self.n_patterns):
                state = &self.k.states[i]
                ms_give_memory(state.slab)
        for chunk in range(self.k.n_batches):
            ms_give_memory(self.k.batches[chunk].slab)
        free(self.k.batches)
        ms_matcher_clear(&self.k.matcher)
        free(self.k.states)
        free(self.k.notes)
        free(self.k.pending)
        for i in range(2):
            ms_rewriting_clear(&self.k.regions[i].rewriting)
        free(self.carry)

    def feed(self, data, int64_t time=MS_NO_TIME):
        """Scan a piece of the input; any contiguous buffer of bytes. The buffer is not kept.

        time : microseconds since the epoch, of the rows whose records end in this piece.
        """
        cdef Py_buffer view
        cdef int32_t pattern
        self.begin()
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        self.busy = True
        try:
            self.time = time
            if time != MS_NO_TIME and not self.has_times:
                self.has_times = True
                self.k.in_batches = False
                for pattern in range(self.engine.t.n_patterns):
                    # what was found before the first time has none
                    self.k.states[pattern].timed = self.k.states[pattern].rows
            with nogil:
                self.scan_pieces(<const uint8_t *>view.buf, view.len)
        finally:
            self.busy = False
            PyBuffer_Release(&view)

    def feed_file(self, int descriptor, int64_t begin, int64_t end, buffer):
        """Scan these bytes of a file, read piece by piece into the buffer; to the file's end if that comes first.

        Python is not asked in between, so threads that scan side by side do not wait for each other.

        Raises
        ------
        OSError
            A read failed; all before it has been scanned.
        """
        cdef Py_buffer view
        cdef ssize_t count = 0
        cdef int failure = 0
        self.begin()
        PyObject_GetBuffer(buffer, &view, PyBUF_WRITABLE)
        self.busy = True
        try:
            with nogil:
                while begin < end:
                    count = pread(descriptor, view.buf, <size_t>min(view.len, end - begin), begin)
                    if count <= 0:
                        if count < 0 and errno == EINTR:
                            continue
                        failure = errno if count < 0 else 0
                        break
                    self.scan_pieces(<const uint8_t *>view.buf, count)
                    begin += count
        finally:
            self.busy = False
            PyBuffer_Release(&view)
        if failure:
            raise OSError(failure, strerror(failure).decode())

    cdef int begin(self) except -1:
        if self.finished:
            raise ValueError("the stream is closed")
        if self.busy:
            raise RuntimeError("the stream is being fed by another thread")
        return 0

    cdef int scan_pieces(self, const uint8_t *p, int64_t n) except -1 nogil:
        cdef int64_t size
        while n > 0:
            size = min(n, MS_PIECE_BYTES)
            self.scan_piece(p, size)
            p += size
            n -= size
        return 0

    def restart(self, int64_t offset):
        """Begin another part of the input, at this offset; the memory for rows is kept. Nothing may be held of the last one."""
        cdef int32_t i
        cdef ms_state *state
        if self.busy or self.carry_length or self.k.n_batches:
            raise RuntimeError("the stream is in use")
        for i in range(self.n_patterns):
            state = &self.k.states[i]
            if state.rows:
                raise RuntimeError("the stream holds rows")
            state.handed = state.unparsed = state.failed = state.timeouts = state.over_budget = state.samples = 0
        self.samples = {}
        self.skip_lf = self.finished = False
        self.first_offset = self.k.offset = offset
        self.k.line = self.k.records = 0

    def finish(self):
        """Scan the record without a terminator, if there is one. Nothing can be fed afterwards."""
        if self.finished:
            return
        if self.busy:
            raise RuntimeError("the stream is being fed by another thread")
        self.busy = True
        try:
            self.k.n_notes = 0
            if self.carry_length:
                with nogil:
                    take_region(&self.k, 0, self.carry, self.carry_length)
                self.k.records += 1
                self.settle()
            self.finished = True
            self.drop_scratch()
        finally:
            self.busy = False

    cdef int drop_scratch(self) except -1:
        cdef int i
        ms_matcher_clear(&self.k.matcher)
        free(self.carry)
        self.carry = NULL
        self.carry_length = self.carry_capacity = 0
        free(self.k.notes)
        self.k.notes = NULL
        self.k.n_notes = self.k.notes_capacity = 0
        for i in range(2):
            ms_rewriting_clear(&self.k.regions[i].rewriting)
        return 0

    cdef int keep_bytes(self, const uint8_t *p, int64_t n) except -1 nogil:
        """Append to the carried record, doubling, so that a long record fed in small pieces costs its length."""
        cdef int64_t capacity
        cdef void *grown
        if n == 0:
            return 0
        if self.carry_length + n > self.carry_capacity:
            capacity = max(self.carry_length + n, 2 * self.carry_capacity, 256)
            grown = realloc(self.carry, <size_t>capacity)
            if grown == NULL:
                with gil:
                    raise MemoryError(f"no memory for a record of {capacity} bytes at offset {self.k.offset}")
            self.carry = <uint8_t *>grown
            self.carry_capacity = capacity
        memcpy(self.carry + self.carry_length, p, <size_t>n)
        self.carry_length += n
        return 0

    cdef int scan_piece(self, const uint8_t *p, int64_t n) except -1 nogil:
        cdef uint8_t second = self.engine.t.second_terminator
        cdef int64_t first, last
        if n > 0 and self.skip_lf:
            # the \n that belongs to the \r which ended the last record
            self.skip_lf = False
            if p[0] == 10:
                self.k.line += 1
                self.k.offset += 1
                p += 1
                n -= 1
        if n == 0:
            return 0
        last = <int64_t>ms_after_last_either(p, 0, <size_t>n, 10, second)
        if last == 0:
            return self.keep_bytes(p, n)
        self.skip_lf = last == n and p[n - 1] == 13 and self.engine.t.universal
        first = 0
        if self.carry_length:
            first = <int64_t>ms_find_either(p, 0, <size_t>n, 10, second) + 1
            if self.engine.t.universal and p[first - 1] == 13 and first < n and p[first] == 10:
                first += 1
            self.keep_bytes(p, first)
        self.k.n_notes = 0
        if self.carry_length:
            take_region(&self.k, 0, self.carry, self.carry_length)
        if last > first:
            take_region(&self.k, 1, p + first, last - first)
        if self.k.n_notes or self.k.no_memory or self.has_times or self.k.overgrown:
            with gil:
                self.settle()
        self.carry_length = 0
        if self.carry_capacity > (1 << 20):
            # one huge record must not cost its size for the rest of the input
            free(self.carry)
            self.carry = NULL
            self.carry_capacity = 0
        return self.keep_bytes(p + last, n - last)

    # -- settle: what only Python can decide

    cdef int settle(self) except -1:
        cdef int64_t i, count = self.k.n_notes
        cdef int32_t pattern
        if self.k.no_memory:
            self.k.no_memory = False
            self.finished = True
            raise MemoryError(f"no memory for the rows found before offset {self.k.offset}")
        if count:
            # the notes lie in stream order; chain those of each pattern
            order = {}
            for i in range(count):
                self.k.notes[i].following = -1
                if self.k.notes[i].kind == MS_NOTE_DEAD:
                    continue
                pattern = self.k.notes[i].pattern
                before = order.get(pattern)
                if before is None:
                    order[pattern] = [i, i]
                else:
                    self.k.notes[<int64_t>before[1]].following = i
                    before[1] = i
            for pattern, (start, _) in order.items():
                self.settle_pattern(pattern, start)
            self.k.n_notes = 0
        if self.has_times:
            self.write_times()
        if self.k.overgrown and self.k.in_batches:
            self.k.overgrown = False
            for pattern in range(self.n_patterns):
                if self.k.states[pattern].rows >= MS_SLAB_ROWS and ms_set_aside(&self.k, &self.k.states[pattern]) < 0:
                    self.finished = True
                    raise MemoryError(f"no memory for the rows found before offset {self.k.offset}")
        return 0

    cdef int settle_pattern(self, int32_t pattern, int64_t index) except -1:
        """Decide a pattern's notes and merge their rows with those that the scan appended."""
        cdef ms_state *state = &self.k.states[pattern]
        cdef int64_t first = self.k.notes[index].row
        cdef int64_t kept = state.rows - first, taken = 0, upto
        cdef double *value = NULL
        cdef int64_t *rest = NULL
        if kept:
            value = <double *>zeroed(<size_t>kept, 8)
            try:
                rest = <int64_t *>zeroed(<size_t>kept * 3, 8)
            except MemoryError:
                free(value)
                raise
            memcpy(value, state.value + first, <size_t>kept * 8)
            memcpy(rest, state.line + first, <size_t>kept * 8)
            memcpy(rest + kept, state.offset + first, <size_t>kept * 8)
            memcpy(rest + 2 * kept, state.start + first, <size_t>kept * 8)
            state.rows = first
        try:
            while index >= 0:
                upto = self.k.notes[index].row - first
                while taken < upto:
                    self.append(state, value[taken], rest[taken], rest[kept + taken], rest[2 * kept + taken])
                    taken += 1
                self.decide(pattern, state, index)
                index = self.k.notes[index].following
            while taken < kept:
                self.append(state, value[taken], rest[taken], rest[kept + taken], rest[2 * kept + taken])
                taken += 1
        finally:
            free(value)
            free(rest)
        return 0

    cdef int append(self, ms_state *state, double value, int64_t line, int64_t offset, int64_t start) except -1:
        if ms_append_row(&self.k, state, value, line, offset, start) < 0:
            self.k.no_memory = False
            self.finished = True
            raise MemoryError(f"no memory for the rows found before offset {self.k.offset}")
        return 0

    cdef int decide(self, int32_t pattern, ms_state *state, int64_t index) except -1:
        cdef ms_note *note = &self.k.notes[index]
        cdef double number
        if note.kind == MS_NOTE_REFUSED:
            # counted by the scan; only its text is still wanted
            self.sample(pattern, state, decoded(note.text, min(note.length, MS_SAMPLE_BYTES * 4)), note)
        elif note.kind == MS_NOTE_NUMBER:
            text = decoded(note.text, note.length)
            try:
                number = python_float(text)
            except ValueError:
                state.unparsed += 1
                self.sample(pattern, state, text, note)
            else:
                self.append(state, number, note.line, note.offset, note.start)
        elif note.kind == MS_NOTE_TRACE and note.value_start < 0:
            record = PyBytes_FromStringAndSize(
                <const char *>self.k.regions[note.region].p + note.position + note.match_start,
                note.match_end - note.match_start,
            )
            self.traced_matches.append((pattern, note.match_start, note.match_end, record, -1, -1, None, None))
        elif note.kind == MS_NOTE_TRACE:
            value = PyBytes_FromStringAndSize(<const char *>note.text, note.length)
            result = note.number if note.decided else read_number(value.decode("utf-8", "surrogateescape"))
            whole = PyBytes_FromStringAndSize(
                <const char *>self.k.regions[note.region].p + note.position + note.match_start,
                note.match_end - note.match_start,
            )
            self.traced_matches.append(
                (pattern, note.match_start, note.match_end, whole, note.value_start, note.value_end, value, result)
            )
        else:
            self.decide_record(pattern, state, index)
        return 0

    cdef int decide_record(self, int32_t pattern, ms_state *state, int64_t index) except -1:
        cdef ms_note *note = &self.k.notes[index]
        cdef ms_region *r = &self.k.regions[note.region]
        cdef int64_t start
        cdef double number
        record = PyBytes_FromStringAndSize(<const char *>note.text, note.length)
        matches = self.confirm(pattern, record)
        if matches is FAILED or matches is TIMED_OUT:
            if matches is FAILED:
                state.failed += 1
            else:
                state.timeouts += 1
            self.sample(pattern, state, record[: MS_SAMPLE_BYTES * 4].decode("utf-8", "surrogateescape"), note)
            return 0
        for match_start, match_end, value_start, value_end, text in matches:
            if self.k.trace:
                self.traced_matches.append((
                    pattern, match_start, match_end, record[match_start:match_end], value_start, value_end,
                    None if text is None else record[value_start:value_end], None if text is None else read_number(text),
                ))
                continue
            if text is None:
                continue
            start = value_start
            try:
                number = python_float(text)
            except ValueError:
                state.unparsed += 1
                self.sample(pattern, state, text, note)
            else:
                self.append(state, number, note.line, note.offset, input_offset(r, note.position + start))
        return 0

    cdef int sample(self, int32_t pattern, ms_state *state, str text, const ms_note *note) except -1:
        """Keep the text if it is among the first. The scan counts only the texts that it refuses itself: others come between."""
        kept = self.samples.setdefault(pattern, [])
        if len(kept) < MS_MAX_SAMPLES:
            kept.append((text[:MS_SAMPLE_BYTES], note.line, note.offset))
            state.samples = max(state.samples, <int64_t>len(kept))
        return 0

    cdef int write_times(self) except -1:
        cdef int32_t i
        cdef int64_t row
        cdef ms_state *state
        for i in range(self.engine.t.n_patterns):
            state = &self.k.states[i]
            if state.rows == 0:
                continue
            if state.time == NULL:
                # a place beyond the columns that are there, so that they are laid out anew with one more
                state.time = state.start
                if ms_lay_out(state, state.room, i) < 0:
                    state.time = NULL
                    self.finished = True
                    raise MemoryError(f"no memory for the times of rows before offset {self.k.offset}")
                for row in range(state.timed):
                    state.time[row] = MS_NO_TIME
            for row in range(state.timed, state.rows):
                state.time[row] = self.time
            state.timed = state.rows
        return 0

    # -- what was found

    def take_full(self):
        """Hand over the batches that are full: a list of pattern and ``Columns``.

        O(1) where there is none.
        """
        cdef int64_t i
        cdef int32_t pattern
        taken = []
        for i in range(self.k.n_batches):
            # a call that ran out of memory has taken those before
            if self.k.batches[i].slab != NULL:
                taken.append((self.k.batches[i].pattern, self.columns_of_chunk(&self.k.batches[i])))
        self.k.n_batches = 0
        if self.k.overgrown:
            self.k.overgrown = False
            taken += [(pattern, self.detach(pattern)) for pattern in self.filled() if self.k.states[pattern].rows >= MS_SLAB_ROWS]
        return taken

    cdef Columns columns_of_chunk(self, ms_batch *chunk):
        columns = columns_of(chunk.slab, chunk.rows, chunk.value, chunk.line, False)
        chunk.slab = NULL
        return columns

    def take(self):
        """Hand over all rows, as ``take_full`` does."""
        return self.take_full() + [(pattern, self.detach(pattern)) for pattern in self.filled()]

    def filled(self):
        """Indices of the patterns that hold rows."""
        cdef int32_t i
        return [i for i in range(self.engine.t.n_patterns) if self.k.states[i].rows]

    def places(self, int32_t pattern, int64_t first):
        """Line, offset and start of the rows held from this one on, to be written over, until the stream is used again."""
        cdef ms_state *state = self.state(pattern)
        if not 0 <= first <= state.rows:
            raise IndexError(f"row {first}, one of 0..{state.rows} was expected")
        cdef Py_ssize_t size = (state.rows - first) * 8
        if size == 0:
            return None
        return (
            PyMemoryView_FromMemory(<char *>(state.line + first), size, PyBUF_WRITE),
            PyMemoryView_FromMemory(<char *>(state.offset + first), size, PyBUF_WRITE),
            PyMemoryView_FromMemory(<char *>(state.start + first), size, PyBUF_WRITE),
        )

    def detach(self, int32_t pattern):
        """Hand a pattern's rows over, zero-copy: their ``Columns``, or None if there are none.

        Batches that were set aside come before them: see ``take_full``.
        """
        cdef ms_state *state = self.state(pattern)
        cdef int64_t rows = state.rows
        cdef int64_t used = (rows + 7) & ~<int64_t>7
        if rows == 0:
            return None
        slices = (
            not self.finished and state.time == NULL and (state.shared or state.room == MS_SLAB_ROWS)
            and state.room - used >= MS_LEAST_ROOM
        )
        if not slices and rows + rows // 4 < state.room:
            # too much would lie idle for as long as the batch lives; if there is no memory to move to, so be it
            ms_lay_out(state, rows, pattern)
        columns = columns_of(state.slab, rows, state.value, state.line, state.time != NULL)
        if slices:
            # the next rows go behind these, on a cache line of their own
            ms_share_memory(state.slab)
            ms_note_last(state)
            state.shared = True
            state.value += used
            state.line += used
            state.offset += used
            state.start += used
            state.handed += rows
            state.room -= used
            state.rows = state.timed = 0
        else:
            ms_let_go(state)
            state.next_room = min(rows, MS_SLAB_ROWS)
        return columns

    cdef ms_state *state(self, int32_t pattern) except NULL:
        if not 0 <= pattern < self.engine.t.n_patterns:
            raise IndexError(f"pattern {pattern}, one of 0..{self.engine.t.n_patterns - 1} was expected")
        return &self.k.states[pattern]

    def latest(self, int32_t pattern):
        """The newest row, handed over or not: ``(value, line, offset, start, time)``, or None."""
        cdef ms_state *state = self.state(pattern)
        if state.rows + state.handed == 0:
            return None
        ms_note_last(state)
        return (
            state.last_value, state.last_line, state.last_offset, state.last_start,
            None if state.last_time == MS_NO_TIME else state.last_time,
        )

    def counts(self, int32_t pattern):
        """``(rows, unparsed, failed, timeouts, over_budget, samples)`` so far."""
        cdef ms_state *state = self.state(pattern)
        return (
            state.rows + state.handed, state.unparsed, state.failed, state.timeouts, state.over_budget,
            list(self.samples.get(pattern, ())),
        )

    def counted(self):
        """Pattern and counts of all patterns of which anything was found."""
        cdef int32_t i
        cdef const ms_state *state
        found = []
        for i in range(self.n_patterns):
            state = &self.k.states[i]
            if state.rows + state.handed + state.unparsed + state.failed + state.timeouts + state.over_budget:
                found.append((i, self.counts(i)))
        return found

    @property
    def has_samples(self):
        """Whether any pattern has one."""
        return bool(self.samples)

    @property
    def traced(self):
        return self.traced_matches

    @property
    def newlines(self):
        return self.k.line

    @property
    def records(self):
        """Records that have ended."""
        return self.k.records

    @property
    def bytes(self):
        """Bytes fed."""
        return self.k.offset - self.first_offset + self.carry_length

    @property
    def closed(self):
        return self.finished


class _Fault:
    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return self.name


FAILED = _Fault("FAILED")
TIMED_OUT = _Fault("TIMED_OUT")


cdef str decoded(const uint8_t *text, int64_t length):
    return PyUnicode_DecodeUTF8(<const char *>text, length, "surrogateescape")


cdef object read_number(str text):
    try:
        return python_float(text)
    except ValueError:
        return None
