"""Exported log events to plain text: the envelopes of CloudWatch Logs, as ``kernel/events_json.h`` reads them."""

from cpython.buffer cimport PyBUF_CONTIG, PyBUF_READ, PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.memoryview cimport PyMemoryView_FromMemory
from libc.stdint cimport int64_t, uint8_t
from libc.string cimport memcpy, memset


cdef extern from "kernel/levels.h" nogil:
    int MS_NO_LEVEL
    int ms_level_named(const char *name)


cdef extern from "kernel/events_json.h" nogil:
    int64_t ME_NO_TIME
    int ME_JSON, ME_CSV, ME_S3, ME_MEMORY

    ctypedef struct me_run:
        int64_t out, in_ "in", in_line, out_line

    ctypedef struct me_event:
        int64_t out, time, stream

    ctypedef struct me_stream:
        int64_t first, last, count, name_at, name_length

    ctypedef struct me_unframer:
        int format, level
        int64_t columns, time_column, message_column, stream_column
        uint8_t *text
        int64_t text_length, text_base, text_line
        me_run *runs
        int64_t n_runs
        me_event *events
        int64_t n_events
        me_stream *streams
        int64_t n_streams, streams_capacity
        uint8_t *names
        int64_t base, line
        uint8_t *minute
        int64_t minute_micros
        uint8_t *second
        const char *error
        int64_t error_at

    int me_grow(void **memory, int64_t *capacity, int64_t wanted, size_t size)
    int me_feed(me_unframer *u, const uint8_t *data, int64_t n, int final, int64_t *consumed)
    void me_translate(
        const me_unframer *u, int64_t rows, int64_t *line, int64_t *offset, int64_t *start, int64_t *time, int64_t *stream
    )
    void me_clear(me_unframer *u)


NO_TIME = ME_NO_TIME
_FORMATS = {"cloudwatch-json": ME_JSON, "cloudwatch-csv": ME_CSV, "s3-export": ME_S3}


cdef class Unframer:
    """One export, given piece by piece.

    Parameters
    ----------
    format : str
    columns : (count, time, message, stream)
        Of CSV: how many columns there are, and which is which; -1 for none.
    offset, line : int
        Where in the input the first byte stands that will be given, and how many newlines come before it.
    level : str
        The SIMD level, one of ``_core.SIMD_LEVELS``; "auto" is the best.
    """

    cdef me_unframer u

    def __cinit__(self, str format, *, tuple columns=(0, -1, -1, -1), int64_t offset=0, int64_t line=0, str level="auto"):
        self.u.format = _FORMATS[format]
        self.u.level = ms_level_named(level.encode())
        if self.u.level == MS_NO_LEVEL:
            raise ValueError(f"SIMD level {level!r} is not available here")
        self.u.columns, self.u.time_column, self.u.message_column, self.u.stream_column = columns
        self.u.base = offset
        self.u.line = line + 1
        self.u.text_line = 1
        if me_grow(<void **>&self.u.streams, &self.u.streams_capacity, 1, sizeof(me_stream)):
            raise MemoryError()
        memset(self.u.streams, 0, sizeof(me_stream))
        self.u.streams[0].first = self.u.streams[0].last = ME_NO_TIME
        self.u.n_streams = 1
        # what the caches may well be asked for: the epoch
        memcpy(self.u.minute, b"1970-01-01T00:00", 16)
        memcpy(self.u.second, b"0000000000", 10)

    def __dealloc__(self):
        me_clear(&self.u)

    def feed(self, data, bint final):
        """Take the whole events at the start of the data, and say how many bytes they were.

        The rest is to be given again, with more behind it; ``final``: there is no more. Text and places of before are gone.
        """
        cdef Py_buffer view
        cdef int64_t consumed = 0
        cdef int outcome
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        try:
            with nogil:
                outcome = me_feed(&self.u, <const uint8_t *>view.buf, view.len, final, &consumed)
        finally:
            PyBuffer_Release(&view)
        if outcome == ME_MEMORY:
            raise MemoryError("an export's events")
        return consumed

    @property
    def text(self):
        """The messages of the events that the last call took, each with a newline at its end. Valid until the next call."""
        if self.u.text_length == 0:
            return memoryview(b"")
        return PyMemoryView_FromMemory(<char *>self.u.text, self.u.text_length, PyBUF_READ)

    @property
    def error(self):
        """What the export stumbled over, and at which byte of the input; None if nothing."""
        if self.u.error == NULL:
            return None
        return self.u.error.decode("ascii"), self.u.error_at

    @property
    def offset(self):
        """Up to which byte of the input events were taken."""
        return self.u.base

    @property
    def streams(self):
        """Per stream its name in bytes (None for events that name none), its first and last time or None, its events."""
        result = []
        cdef int64_t i
        cdef me_stream *one
        for i in range(self.u.n_streams):
            one = &self.u.streams[i]
            name = None if i == 0 else <bytes>self.u.names[one.name_at:one.name_at + one.name_length]
            result.append((name, None if one.first == ME_NO_TIME else (one.first, one.last), one.count))
        return result

    def translate(self, line, offset, start, time, stream):
        """Change places of rows in the text to those in the input, and fill in their times and streams: five arrays of int64.

        The rows must lie in the text of the last call.
        """
        cdef Py_buffer views[5]
        cdef int64_t rows
        cdef int taken = 0
        try:
            for array in (line, offset, start, time, stream):
                PyObject_GetBuffer(array, &views[taken], PyBUF_CONTIG)
                taken += 1
            rows = views[0].len // 8
            if min([views[i].len for i in range(5)]) < rows * 8:
                raise ValueError("arrays of one length were expected")
            if rows and not (self.u.n_runs and self.u.n_events):
                raise ValueError("rows of a text without events")
            with nogil:
                me_translate(
                    &self.u, rows, <int64_t *>views[0].buf, <int64_t *>views[1].buf, <int64_t *>views[2].buf,
                    <int64_t *>views[3].buf, <int64_t *>views[4].buf,
                )
        finally:
            for i in range(taken):
                PyBuffer_Release(&views[i])

    def in_text(self, int64_t offset):
        """Where in the text of the last call a byte of the input stands, from the start of that text; None if not there."""
        cdef int64_t low = 0, high = self.u.n_runs, middle, at
        while low < high:
            middle = (low + high) // 2
            if self.u.runs[middle].in_ <= offset:
                low = middle + 1
            else:
                high = middle
        if low == 0:
            return None
        at = self.u.runs[low - 1].out + (offset - self.u.runs[low - 1].in_)
        end = self.u.runs[low].out if low < self.u.n_runs else self.u.text_base + self.u.text_length
        return at - self.u.text_base if at < end else None
