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
        self.t.terminators = MS_UNIVERSAL if universal else MS_LF
        self.t.drop_cr = not universal and not syslog
        if syslog or strip:
            self.t.rewriting = (
                (MS_SYSLOG if syslog else 0) | (MS_STRIP if strip else 0) | (MS_UNIVERSAL_ENDS if universal else 0)
                | (MS_DROP_CR if self.t.drop_cr else 0)
            )
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
                if q.table[byte] != MS_MEMBER and not ms_is_terminator(<uint8_t>byte, self.t.terminators):
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
                not ms_is_terminator(<uint8_t>byte, self.t.terminators)
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
            entry.stop = q.suffix[0]
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
    cdef ms_carry carry
    cdef int64_t first_offset
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
        self.k.states = ms_new_states(engine.t.n_patterns)
        if self.k.states == NULL:
            raise MemoryError
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
        ms_carry_clear(&self.carry)

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
        if self.busy or self.carry.length or self.k.n_batches:
            raise RuntimeError("the stream is in use")
        for i in range(self.n_patterns):
            state = &self.k.states[i]
            if state.rows:
                raise RuntimeError("the stream holds rows")
            state.handed = state.unparsed = state.failed = state.timeouts = state.over_budget = state.samples = 0
        self.samples = {}
        self.carry.skip_lf = self.finished = False
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
            if self.carry.length:
                with nogil:
                    ms_take_region(&self.k, 0, self.carry.bytes, self.carry.length)
                self.k.records += 1
                self.settle()
            self.finished = True
            self.drop_scratch()
        finally:
            self.busy = False

    cdef int drop_scratch(self) except -1:
        cdef int i
        ms_matcher_clear(&self.k.matcher)
        ms_carry_clear(&self.carry)
        free(self.k.notes)
        self.k.notes = NULL
        self.k.n_notes = self.k.notes_capacity = 0
        for i in range(2):
            ms_rewriting_clear(&self.k.regions[i].rewriting)
        return 0

    cdef int scan_piece(self, const uint8_t *p, int64_t n) except -1 nogil:
        cdef int64_t rest = 0
        cdef int status = ms_scan_piece(&self.k, &self.carry, p, n, &rest)
        if status > 0:
            if self.k.n_notes or self.k.no_memory or self.has_times or self.k.overgrown:
                with gil:
                    self.settle()
            status = ms_carry_rest(&self.carry, p + n - rest, rest)
        if status < 0:
            with gil:
                raise MemoryError(f"no memory for a record of {self.carry.wanted} bytes at offset {self.k.offset}")
        return 0

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
                self.append(state, number, note.line, note.offset, ms_input_offset(r, note.position + start))
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
        return self.k.offset - self.first_offset + self.carry.length

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
