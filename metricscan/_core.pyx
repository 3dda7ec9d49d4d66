"""The face of the kernel: the C in kernel/ does what is done per record, per candidate and per row.

The core knows bytes, integers and doubles, and of Arrow how memory is handed over. Definitions, files and jobs live in Python
above it. An ``Engine`` holds the compiled tables and never changes, so that any number of threads may share it. A ``Stream`` is
one pass over one input: bytes are fed in pieces of any size, rows gather in plain C columns, and ``detach`` hands their memory
over as ``Columns``.

Each call of ``feed`` has three stages. *Scan* runs without the GIL over all whole records: it searches them for the patterns'
literals, matches in place, reads numbers and appends rows. What only Python can decide is noted, with the row before which it
belongs. *Resolve* takes the GIL and decides the notes; their rows are merged into place. *Carry* copies the unfinished record
at the end for the next call.
"""

import builtins

from cpython.buffer cimport (
    PyBUF_ANY_CONTIGUOUS, PyBUF_C_CONTIGUOUS, PyBUF_F_CONTIGUOUS, PyBUF_FORMAT, PyBUF_SIMPLE, PyBUF_STRIDES, PyBUF_WRITABLE,
    PyBUF_WRITE, PyBuffer_Release, PyObject_GetBuffer,
)
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_CheckSignals
from cpython.memoryview cimport PyMemoryView_FromMemory
from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.errno cimport EINTR, errno
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t, uintptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport strerror

from metricscan.kernel cimport *  # its names begin with ms_ or MS_

_LEVELS = {"neon": MS_NEON_LEVEL, "avx512": MS_AVX512, "avx2": MS_AVX2, "ssse3": MS_SSSE3, "portable": MS_PORTABLE}
#: The SIMD levels of this processor, the best one first.
SIMD_LEVELS = tuple(name for name, level in _LEVELS.items() if ms_level_available(level))
#: Rows of a full batch.
SLAB_ROWS = MS_SLAB_ROWS
#: The numbers that Python and the kernel share, by the kernel's names.
CONSTANTS = {ms_constants[index].name.decode(): ms_constants[index].value for index in range(MS_CONSTANTS)}
OPCODE_SIZES = [ms_opcode_size[opcode] for opcode in range(MS_OPCODES)]

# Python's float(), called directly. Cython's own code for `float(text)` accepts texts that float() refuses: "\x1finf\xa0".
cdef object python_float = builtins.float


# ---- Engine: the compiled tables

include "_core_engine.pxi"


# ---- Columns: rows that were handed over

include "_core_columns.pxi"


# ---- Turn: threads that use a stream one after the other

include "_core_turns.pxi"


# ---- Stop: scans that end before their input does

include "_core_stopping.pxi"


# ---- Stream: one pass over one input

cdef class Stream:
    """One pass over one input.

    Parameters
    ----------
    engine : Engine
    confirm : callable
        ``confirm(pattern, record)`` decides a record in Python: a list of ``(match_start, match_end, value_start,
        value_end, text)`` in bytes of the record (text None: the value group took no part), or ``FAILED`` or ``TIMED_OUT``.
    at_beginning : bool
        Whether what will be fed is a source from its beginning: NULs and a byte-order mark there belong to no record.
    in_batches : bool
        Set columns aside for ``take_full`` once they hold a full batch; otherwise they grow until they are detached.
    trace : bool
        Keep matches instead of rows (``traced``).
    row_limit : int
        Tests only: growing a column past this many rows fails as if there were no memory. -1: no limit.

    A stream serves one thread at a time. ``feed`` takes a ``Turn``; other methods of a stream that several threads use are called
    within one. Elsewhere what cannot be done while the stream is being fed raises a RuntimeError.
    """

    cdef ms_scan scan
    cdef Engine engine
    cdef object confirm
    cdef int32_t n_patterns
    cdef dict samples
    cdef readonly list traced
    cdef readonly list suspects  # samples: (companion, kind, text, line, offset, start)
    cdef ms_carry carry
    cdef object joints
    cdef ms_turns turns
    cdef Stop stop
    cdef object interrupt  # what a handler of signals raised
    cdef int64_t first_offset
    cdef bint busy
    cdef bint finished
    cdef bint has_times
    cdef int64_t time
    cdef int64_t until_look  # pieces; over all calls, because a look takes as long as two lines that are fed alone

    def __cinit__(
        self, Engine engine, confirm, *, bint at_beginning=True, bint in_batches=False, bint trace=False,
        int64_t row_limit=-1,
    ):
        cdef int32_t i
        ms_turns_init(&self.turns)
        self.engine = engine
        self.confirm = confirm
        self.stop = stop_of_thread()
        if self.stop is not None:
            self.scan.stop.flag = &self.stop.flag
        self.scan.stop.look, self.scan.stop.owner = look_for_signals, <void *>self
        self.scan.matcher.stop = &self.scan.stop
        self.samples = {}
        self.suspects = []
        self.traced = []
        self.time = MS_NO_TIME
        self.carry.beginning = MS_BEFORE_MARK if at_beginning else MS_PAST_BEGINNING
        self.carry.most = engine.max_record_bytes
        self.scan.tables = &engine.t
        self.scan.in_batches = in_batches
        self.scan.trace = trace
        self.scan.row_limit = row_limit
        self.n_patterns = engine.t.n_patterns
        self.scan.states = ms_new_states(engine.t.n_patterns)
        if self.scan.states == NULL:
            raise MemoryError
        for i in range(engine.t.n_patterns):
            self.scan.states[i].examined = engine.t.patterns[i].is_label or engine.t.patterns[i].is_companion
            if engine.t.patterns[i].is_label:
                if self.scan.texts == NULL:
                    self.scan.texts = <ms_texts *>zeroed(engine.t.n_patterns, sizeof(ms_texts))
                self.scan.states[i].texts = &self.scan.texts[i]
        if engine.t.matches == MS_MATCHES_LAST:
            self.scan.pending = <int32_t *>zeroed(engine.t.n_patterns, sizeof(int32_t))

    def __dealloc__(self):
        ms_scan_clear(&self.scan, self.n_patterns)
        ms_carry_clear(&self.carry)
        ms_turns_clear(&self.turns)

    def feed(self, data, int64_t time=MS_NO_TIME):
        """Scan a piece of the input, which is any contiguous buffer of bytes. The stream does not keep the buffer.

        time : microseconds since the epoch, for the rows whose records end in this piece.
        """
        take_turn(&self.turns, True)
        try:
            self.scan_buffer(data, time)
        finally:
            ms_end_turn(&self.turns)

    def feed_in_turn(self, data, int64_t time=MS_NO_TIME):
        """Do what ``feed`` does, within a ``Turn`` of this thread."""
        self.scan_buffer(data, time)

    cdef int scan_buffer(self, data, int64_t time) except -1:
        cdef Py_buffer view
        self.begin()
        if PyBytes_CheckExact(data):
            # without a view: of a chunk of one line that would be 2 % of the cost
            return self.scan_chunk(<const uint8_t *>PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data), time)
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        try:
            return self.scan_chunk(<const uint8_t *>view.buf, view.len, time)
        finally:
            PyBuffer_Release(&view)

    cdef inline int scan_chunk(self, const uint8_t *p, int64_t n, int64_t time) except -1:
        self.busy = True
        try:
            self.time = time
            if time != MS_NO_TIME and not self.has_times:
                self.has_times = True
                ms_begin_times(&self.scan)
            with nogil:
                self.scan_pieces(p, n)
        finally:
            self.busy = False
        return 0

    def feed_file(self, int descriptor, int64_t begin, int64_t end, buffer):
        """Scan these bytes of a file, or those up to its end. They are read piece by piece into the buffer.

        The GIL is released throughout, except while records are resolved, so parallel threads do not wait for each other.

        Raises
        ------
        OSError
            A read failed; the bytes before it have been scanned.
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
        return self.check_idle()

    cdef int check_idle(self) except -1:
        """Rows cannot be handed over while a thread without the GIL writes more of them."""
        if self.busy:
            raise RuntimeError("the stream is being fed by another thread")
        return 0

    cdef int scan_pieces(self, const uint8_t *p, int64_t n) except -1 nogil:
        cdef int64_t size, rest = 0
        cdef int status
        while n > 0:
            if self.until_look == 0:
                self.until_look = MS_PIECES_A_LOOK
                if ms_is_stopped(&self.scan.stop):
                    with gil:
                        self.stopped()
            self.until_look -= 1
            size = min(n, MS_PIECE_BYTES)
            status = ms_scan_piece(&self.scan, &self.carry, p, size, &rest)
            p += size
            n -= size
            if status > 0:
                if self.scan.n_notes or self.scan.no_memory or self.has_times or self.scan.overgrown:
                    with gil:
                        self.resolve()
                status = ms_carry_rest(&self.carry, p - rest, rest)
            if status < 0:
                with gil:
                    raise MemoryError(f"no memory for a record of {self.carry.wanted} bytes at offset {self.scan.offset}")
        return 0

    def restart(self, int64_t offset, bint at_beginning=False):
        """Begin another part of the input, in the same memory. The stream must hold no rows and no unfinished record."""
        if self.busy or self.carry.length or self.carry.passed or self.scan.n_batches or ms_restart(&self.scan, offset) < 0:
            raise RuntimeError("the stream is in use, or holds rows")
        self.samples = {}
        self.suspects = []
        self.carry.beginning = MS_BEFORE_MARK if at_beginning else MS_PAST_BEGINNING
        self.carry.skip_lf = self.finished = False
        self.first_offset = offset

    def set_joints(self, offsets):
        """Say where parts of the input begin that have nothing to do with what precedes them, before they are fed.

        offsets : int64 array in ascending order; the stream keeps it.
        """
        cdef const int64_t[::1] places = offsets
        self.joints = offsets
        self.scan.joints = &places[0] if places.shape[0] else NULL
        self.scan.n_joints = places.shape[0]

    def show_next(self, data):
        """Show the bytes with which the input goes on, without scanning them: they may be the rest of the last record's value."""
        cdef Py_buffer view
        self.begin()
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        try:
            ms_show_next(&self.scan, <const uint8_t *>view.buf, view.len)
            self.resolve()
        finally:
            PyBuffer_Release(&view)

    def set_unit(self, int32_t pattern, uint64_t unit):
        """Say which unit the last value of a watched pattern had, where another stream stood: others are looked for."""
        cdef ms_state *state = self.state(pattern)
        ms_examine_all(state)
        state.unit = unit

    def keep_open_of(self, Stream other not None, int64_t back=0):
        """Take over which values at the end of another stream may go on in the next record; both are of one engine.

        Their places are those of the other less ``back``.
        """
        if other.engine is not self.engine:
            raise ValueError("the streams are of different engines")
        if ms_keep_open_of(&self.scan, &other.scan, back) < 0:
            raise MemoryError

    def finish(self, bint cut_off=False):
        """Scan the last record, if it has no terminator, or count it as cut off. The stream is closed afterwards."""
        cdef bint scanned
        if self.finished:
            return
        self.begin()
        self.busy = True
        try:
            with nogil:
                scanned = ms_end(&self.scan, &self.carry, cut_off)
            if scanned:
                self.resolve()
            self.finished = True
            ms_drop_scratch(&self.scan)
            ms_carry_clear(&self.carry)
        finally:
            self.busy = False

    # -- resolve: what only Python can decide

    cdef int out_of_memory(self, str what) except -1:
        """Close the stream, because some of its rows could not be stored."""
        self.scan.no_memory = False
        self.finished = True
        raise MemoryError(f"no memory for the {what} before offset {self.scan.offset}")

    cdef int stopped(self) except -1:
        """Close the stream, because its scan was stopped."""
        self.scan.no_memory = self.scan.is_stopped = False
        self.finished = True
        interrupt, self.interrupt = self.interrupt, None
        raise KeyboardInterrupt if interrupt is None else interrupt

    cdef int resolve(self) except -1:
        cdef int64_t i, n
        if self.scan.is_stopped:
            self.stopped()
        if self.scan.no_memory:
            self.out_of_memory("rows found")
        if self.scan.n_notes:
            ms_chain_notes(&self.scan)
            n = self.scan.n_notes
            for i in range(n):
                if self.scan.notes[i].kind != MS_NOTE_DEAD and not self.scan.notes[i].follows:
                    self.resolve_pattern(self.scan.notes[i].pattern, i)
            # deciding records may have added samples of suspects
            for i in range(n, self.scan.n_notes):
                self.decide(self.scan.notes[i].pattern, NULL, i)
            self.scan.n_notes = 0
        if self.has_times and ms_write_times(&self.scan, self.time) < 0:
            self.out_of_memory("times of rows")
        if self.scan.overgrown and self.scan.in_batches and ms_set_overgrown_aside(&self.scan) < 0:
            self.out_of_memory("rows found")
        return 0

    cdef int resolve_pattern(self, int32_t pattern, int64_t index) except -1:
        """Decide a pattern's notes, and merge their rows with those that the scan appended."""
        cdef ms_state *state = &self.scan.states[pattern]
        cdef int64_t first = self.scan.notes[index].row
        cdef ms_kept_rows kept
        if ms_keep_rows(&kept, state, first) < 0:
            raise MemoryError
        try:
            while index >= 0:
                if ms_append_kept(&self.scan, state, &kept, self.scan.notes[index].row - first) < 0:
                    self.out_of_memory("rows found")
                self.decide(pattern, state, index)
                index = self.scan.notes[index].following
            if ms_append_kept(&self.scan, state, &kept, kept.rows) < 0:
                self.out_of_memory("rows found")
        finally:
            free(kept.value)
        return 0

    cdef int decide(self, int32_t pattern, ms_state *state, int64_t index) except -1:
        # a copy: what is decided here may add notes
        cdef ms_note copied = self.scan.notes[index]
        cdef const ms_note *note = &copied
        if note.kind == MS_NOTE_SUSPECT:
            text = decoded(note.text, note.length)[:MS_SAMPLE_BYTES]
            self.suspects.append((pattern, note.decided, text, note.line, note.offset, note.start))
        elif note.kind == MS_NOTE_REFUSED:
            # The scan has counted the text as unparsed already; only the sample is missing.
            self.sample(pattern, state, decoded(note.text, min(note.length, MS_SAMPLE_BYTES * 4)), note)
        elif note.kind == MS_NOTE_NUMBER:
            if self.put_text(pattern, state, decoded(note.text, note.length), note, note.start):
                ms_examine_deferred(&self.scan, pattern, note, note.value_start, note.value_end, note.start)
            else:
                ms_add_deferred_unread(&self.scan, pattern, note, note.value_start, note.value_end, note.start)
        elif note.kind == MS_NOTE_TRACE:
            value = result = None
            if note.value_start >= 0:
                value = PyBytes_FromStringAndSize(<const char *>note.text, note.length)
                result = note.number if note.decided else read_number(value.decode("utf-8", "surrogateescape"))
            whole = PyBytes_FromStringAndSize(
                <const char *>self.scan.regions[note.region].p + note.position + note.match_start,
                note.match_end - note.match_start,
            )
            self.traced.append(
                (pattern, note.match_start, note.match_end, whole, note.value_start, note.value_end, value, result)
            )
        else:
            self.decide_record(pattern, state, note)
        return 0

    cdef int decide_record(self, int32_t pattern, ms_state *state, const ms_note *note) except -1:
        cdef int64_t start
        record = PyBytes_FromStringAndSize(<const char *>note.text, note.length)
        matches = self.confirm(pattern, record)
        if matches is FAILED or matches is TIMED_OUT:
            if matches is FAILED:
                state.failed += 1
            else:
                state.timeouts += 1
            self.sample(pattern, state, record[: MS_SAMPLE_BYTES * 4].decode("utf-8", "surrogateescape"), note)
            return 0
        cdef const ms_pattern *q = &self.engine.t.patterns[pattern]
        if q.is_companion:
            self.put_near_miss(pattern, note, matches)
            return 0
        if q.has_near and not matches:
            self.put_near_miss(q.companion, note, self.confirm(q.companion, record))
        for match_start, match_end, value_start, value_end, text in matches:
            if self.scan.trace:
                self.traced.append((
                    pattern, match_start, match_end, record[match_start:match_end], value_start, value_end,
                    None if text is None else record[value_start:value_end], None if text is None else read_number(text),
                ))
            elif text is not None:
                start = value_start
                start = ms_input_offset(&self.scan.regions[note.region], note.position + start)
                if self.put_text(pattern, state, text, note, start):
                    ms_examine_deferred(&self.scan, pattern, note, value_start, value_end, start)
                else:
                    ms_add_deferred_unread(&self.scan, pattern, note, value_start, value_end, start)
        return 0

    cdef int put_near_miss(self, int32_t companion, const ms_note *note, matches) except -1:
        """Note a near miss in a record that Python decides; matches are those of the companion."""
        cdef int64_t start, end, value_start, value_end, place
        if matches is not FAILED and matches is not TIMED_OUT and matches:
            start, end, value_start, value_end, _ = matches[0]
            place = ms_input_offset(&self.scan.regions[note.region], note.position + start)
            ms_add_deferred_miss(&self.scan, companion, note, start, end, value_start, value_end, place)
        return 0

    cdef int put_text(self, int32_t pattern, ms_state *state, text, const ms_note *note, int64_t start) except -1:
        """Append a row with the value that Python reads from the text, and return 1; or count the text as unparsed."""
        cdef double number
        try:
            number = self.number_of_text(pattern, text) if self.engine.t.patterns[pattern].is_label else python_float(text)
        except ValueError:
            state.unparsed += 1
            self.sample(pattern, state, text, note)
            return 0
        if ms_append_row(&self.scan, state, number, note.line, note.offset, start) < 0:
            self.out_of_memory("rows found")
        return 1

    cdef int64_t number_of_text(self, int32_t pattern, str text) except -1:
        """The number of a label's text. Raises a ValueError if the text is too long."""
        if len(text) > MS_LABEL_CHARACTERS:
            raise ValueError
        cdef bytes encoded = text.encode("utf-8", "surrogateescape")
        cdef int64_t number = ms_number_of_text(&self.scan.texts[pattern], encoded, len(encoded))
        if number < 0:
            self.out_of_memory("texts found")
        return number

    cdef int sample(self, int32_t pattern, ms_state *state, str text, const ms_note *note) except -1:
        """Keep the text if there are fewer than MS_MAX_SAMPLES samples. The scan counts only those that it refuses itself."""
        kept = self.samples.setdefault(pattern, [])
        if len(kept) < MS_MAX_SAMPLES:
            kept.append((text[:MS_SAMPLE_BYTES], note.line, note.offset))
            state.samples = max(state.samples, <int64_t>len(kept))
        return 0

    # -- what was found

    def take_full(self):
        """Hand over the full batches, as a list of pairs of pattern and ``Columns``. It is O(1) if there are none."""
        cdef int64_t i
        cdef int32_t index
        self.check_idle()
        taken = []
        for i in range(self.scan.n_batches):
            # An earlier call took the batches before this one, and then ran out of memory.
            if self.scan.batches[i].slab != NULL:
                taken.append((self.scan.batches[i].pattern, columns_of_batch(&self.scan.batches[i])))
        self.scan.n_batches = 0
        if self.scan.overgrown:
            self.scan.overgrown = False
            taken += [(index, self.detach(index)) for index in self.filled() if self.scan.states[index].rows >= MS_SLAB_ROWS]
        return taken

    def take(self):
        """Hand over all rows, as ``take_full`` does."""
        return self.take_full() + [(pattern, self.detach(pattern)) for pattern in self.filled()]

    def filled(self):
        """Return the indices of the patterns that hold rows."""
        cdef int32_t i
        self.check_idle()
        return [i for i in range(self.engine.t.n_patterns) if self.scan.states[i].rows]

    def places(self, int32_t pattern, int64_t first):
        """Return writable views of line, offset and start, from row `first` on. They are valid until the stream is used again."""
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

    def times(self, int32_t pattern, int64_t first):
        """Return a writable view of the times, from row `first` on, or None if there are none; it is valid as `places` are."""
        cdef ms_state *state = self.state(pattern)
        if not 0 <= first <= state.rows:
            raise IndexError(f"row {first}, one of 0..{state.rows} was expected")
        if state.time == NULL or first == state.rows:
            return None
        return PyMemoryView_FromMemory(<char *>(state.time + first), (state.rows - first) * 8, PyBUF_WRITE)

    def detach(self, int32_t pattern):
        """Hand over a pattern's rows without a copy: return their ``Columns``, or None if there are none.

        Batches that were set aside hold earlier rows: see ``take_full``.
        """
        cdef ms_state *state = self.state(pattern)
        cdef bint is_slice
        self.check_idle()
        if state.rows == 0:
            return None
        is_slice = ms_is_slice(state, self.finished, pattern)
        columns = columns_of(state.slab, state.rows, state.value, state.line, state.time != NULL)
        ms_hand_over(state, is_slice)
        return columns

    cdef ms_texts *texts_of(self, int32_t pattern) except NULL:
        self.state(pattern)
        if self.scan.texts == NULL:
            raise IndexError(f"pattern {pattern} is no label")
        return &self.scan.texts[pattern]

    cdef ms_state *state(self, int32_t pattern) except NULL:
        if not 0 <= pattern < self.engine.t.n_patterns:
            raise IndexError(f"pattern {pattern}, one of 0..{self.engine.t.n_patterns - 1} was expected")
        return &self.scan.states[pattern]

    def texts(self, int32_t pattern):
        """Return a label's texts: the number of the first one, and all of them in order. Bytes that are no UTF-8 are escaped."""
        cdef const ms_texts *texts = self.texts_of(pattern)
        return texts.first, [self.text_at(pattern, i) for i in range(texts.count)]

    def count_texts(self, int32_t pattern):
        """Return how many texts of a label the stream keeps."""
        return self.texts_of(pattern).count

    def begin_texts(self, int32_t pattern):
        """Forget the texts of a label; numbers go on. No row that the stream holds may have one of them."""
        ms_begin_texts(self.texts_of(pattern))

    @property
    def has_full(self):
        """Whether full batches are set aside."""
        return self.scan.n_batches > 0

    def text(self, int32_t pattern, int64_t number):
        """Return the text of a label that has this number, or None if it was handed over."""
        cdef const ms_texts *texts = self.texts_of(pattern)
        return self.text_at(pattern, number - texts.first) if 0 <= number - texts.first < texts.count else None

    cdef str text_at(self, int32_t pattern, int64_t index):
        cdef const ms_texts *texts = self.texts_of(pattern)
        cdef int64_t begin = texts.ends[index]
        # a table's strings are valid UTF-8: other bytes are shown as escapes
        return PyUnicode_DecodeUTF8(<const char *>texts.bytes + begin, texts.ends[index + 1] - begin, "backslashreplace")

    def latest(self, int32_t pattern):
        """Return the newest row, handed over or not, as ``(value, line, offset, start, time)``, or None."""
        cdef ms_state *state = self.state(pattern)
        if state.rows + state.handed == 0:
            return None
        ms_note_last(state)
        return (
            state.last_value, state.last_line, state.last_offset, state.last_start,
            None if state.last_time == MS_NO_TIME else state.last_time,
        )

    def counts(self, int32_t pattern):
        """Return ``(rows, unparsed, failed, timeouts, over_budget, samples)`` so far."""
        cdef ms_state *state = self.state(pattern)
        return (
            state.rows + state.handed, state.unparsed, state.failed, state.timeouts, state.over_budget,
            list(self.samples.get(pattern, ())),
        )

    def counted(self):
        """Return pairs of pattern and counts, for the patterns whose counts are not all zero."""
        cdef int32_t i
        cdef const ms_state *state
        found = []
        for i in range(self.n_patterns):
            state = &self.scan.states[i]
            if state.rows + state.handed + state.unparsed + state.failed + state.timeouts + state.over_budget:
                found.append((i, self.counts(i)))
        return found

    @property
    def has_samples(self):
        """Whether any pattern has samples."""
        return bool(self.samples)

    @property
    def newlines(self):
        return self.scan.line

    def open_places(self):
        """Return line, offset and start of the values that end the last record, and may go on in the next one."""
        cdef int64_t i
        return [(self.scan.open[i].line, self.scan.open[i].offset, self.scan.open[i].start) for i in range(self.scan.n_open)]

    @property
    def unended_at(self):
        """The offset of the first byte of the record that has not ended."""
        return self.scan.offset

    @property
    def unended_bytes(self):
        """How many bytes of that record were fed."""
        return self.carry.length + self.carry.passed

    @property
    def records(self):
        """The number of records that have ended."""
        return self.scan.records

    @property
    def cut_off(self):
        """The number of records that damage has cut off."""
        return self.scan.cut_off

    @property
    def too_long(self):
        """The number of records, among those that have ended, that were too long and give no rows."""
        return self.scan.too_long

    @property
    def bytes(self):
        """The number of bytes that were fed."""
        return self.scan.offset - self.first_offset + self.carry.length + self.carry.passed

    @property
    def closed(self):
        return self.finished


# ---- where a stream stands

include "_core_state.pxi"


class _Failure(str):
    __repr__ = str.__str__


#: ``confirm`` returns one of these in place of matches if it could not decide the record.
FAILED, TIMED_OUT = _Failure("FAILED"), _Failure("TIMED_OUT")


cdef str decoded(const uint8_t *text, int64_t length):
    return PyUnicode_DecodeUTF8(<const char *>text, length, "surrogateescape")


cdef object read_number(str text):
    try:
        return python_float(text)
    except ValueError:
        return None


#: The sources of this module and their digests. The import fails here if the sources beside the module differ.
BUILT_FROM = ms_built_from(__file__)
