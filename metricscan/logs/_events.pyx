"""Decode exports of CloudWatch Logs and containers' logs to plain text, by the decoders of ``kernel/events.h``."""

from cpython.buffer cimport PyBUF_CONTIG, PyBUF_READ, PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.memoryview cimport PyMemoryView_FromMemory
from libc.stdint cimport INT64_MAX, int64_t, uint8_t
from libc.string cimport memcpy, memset


cdef extern from "kernel/simd_levels.h" nogil:
    int MS_NO_LEVEL
    int ms_level_named(const char *name)


cdef extern from "kernel/events.h" nogil:
    int64_t ME_NO_TIME
    int64_t ME_MOST_HELD
    int ME_JSON, ME_CSV, ME_S3, ME_DOCKER, ME_CRI, ME_NO_MEMORY, ME_KINDS

    ctypedef struct me_stream:
        int64_t first, last, count, name_at, name_length

    ctypedef struct me_held:
        int64_t n_runs

    ctypedef struct me_decoder:
        int format, level
        me_held *held
        int expect, depth, key, has_events, is_control, has_event, has_unnamed
        uint8_t *stack
        int64_t time, payload_stream
        int64_t columns, time_column, message_column, stream_column
        uint8_t *text
        int64_t text_length, text_base, text_line
        int64_t n_runs
        me_stream *streams
        int64_t n_streams, streams_capacity
        uint8_t *names
        int64_t base, line
        uint8_t *minute
        int64_t minute_micros
        uint8_t *second
        int64_t most_held, cut_off
        int64_t bad, bad_at, without_message
        const char *bad_because
        int goes_on
        const char *error
        int64_t error_at

    int me_grow(void **memory, int64_t *capacity, int64_t wanted, size_t size)
    int me_feed(me_decoder *d, const uint8_t *data, int64_t n, int final, int64_t *consumed)
    void me_translate(
        const me_decoder *d, int64_t rows, int64_t *line, int64_t *offset, int64_t *start, int64_t *time, int64_t *stream
    )
    int64_t me_in_text(const me_decoder *d, int64_t in_)
    int64_t me_resume_at(const me_decoder *d, int64_t *line)
    int64_t me_stream_of(me_decoder *d, const uint8_t *name, int64_t length)
    void me_drop_text(me_decoder *d)
    bint me_goes_on(const me_decoder *d, const me_held *held)
    void me_pass_over(me_decoder *d, int64_t size, int64_t lines)
    int me_take_over(me_decoder *d, me_decoder *before)
    int64_t me_held_from(const me_decoder *d)
    void me_clear(me_decoder *d)


NO_TIME = ME_NO_TIME
_FORMATS = {"cloudwatch-json": ME_JSON, "cloudwatch-csv": ME_CSV, "s3-export": ME_S3, "docker-json": ME_DOCKER, "cri": ME_CRI}


cdef class Decoder:
    """One export, given piece by piece.

    Parameters
    ----------
    format : str
    columns : (count, time, message, stream)
        Of CSV: how many columns there are, and where these three stand; -1 for none.
    offset, line : int
        The offset in the input of the first byte that will be given, and the number of newlines before it.
    level : str
        The SIMD level, one of ``_core.SIMD_LEVELS``; "auto" is the best.
    most_held : int
        The most bytes of a message in fragments that are held for one stream; more are an error.
    goes_on : bool
        Whether a container's log goes on in another input: of a message that goes on there, the fragments stay held.
    """

    cdef me_decoder d

    def __cinit__(
        self, str format, *, tuple columns=(0, -1, -1, -1), int64_t offset=0, int64_t line=0, str level="auto",
        int64_t most_held=ME_MOST_HELD, bint goes_on=False
    ):
        self.d.format = _FORMATS[format]
        self.d.level = ms_level_named(level.encode())
        if self.d.level == MS_NO_LEVEL:
            raise ValueError(f"SIMD level {level!r} is not available here")
        self.d.columns, self.d.time_column, self.d.message_column, self.d.stream_column = columns
        self.d.base = offset
        self.d.most_held = most_held
        self.d.goes_on = goes_on
        self.d.line = line + 1
        self.d.text_line = 1
        if me_grow(<void **>&self.d.streams, &self.d.streams_capacity, 1, sizeof(me_stream)):
            raise MemoryError()
        memset(self.d.streams, 0, sizeof(me_stream))
        self.d.streams[0].first = self.d.streams[0].last = ME_NO_TIME
        self.d.n_streams = 1
        # The caches must hold valid times: they begin with the epoch.
        memcpy(self.d.minute, b"1970-01-01T00:00", 16)
        memcpy(self.d.second, b"0000000000", 10)

    def __dealloc__(self):
        me_clear(&self.d)

    def feed(self, data, bint final):
        """Decode the whole events at the start of the data; returns how many bytes they were.

        The caller gives the rest again, with more behind it; ``final``: there is no more. The text and the places of the call
        before are no longer valid.
        """
        cdef Py_buffer view
        cdef int64_t consumed = 0
        cdef int outcome
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        try:
            with nogil:
                outcome = me_feed(&self.d, <const uint8_t *>view.buf, view.len, final, &consumed)
        finally:
            PyBuffer_Release(&view)
        if outcome == ME_NO_MEMORY:
            raise MemoryError("an export's events")
        return consumed

    def pass_over(self, int64_t size, int64_t lines):
        """Go on behind bytes of a container's log that are no event; the error is forgotten.

        ``size`` bytes behind those that were taken are skipped, with ``lines`` newlines in them. Messages that are not whole
        are given up.
        """
        me_pass_over(&self.d, size, lines)

    def take_over(self, Decoder before):
        """Take over the fragments that another decoder holds at the end of its input, which goes on at the beginning of this one.

        To be called before the first bytes are given. Places and lines in the input before are counted back from its end: the
        places of rows in it are negative, and their lines less than 1.
        """
        if me_take_over(&self.d, &before.d):
            raise MemoryError("an export's events")

    @property
    def held_from(self):
        """The place of the first fragment of messages that are not whole, though they may have been given up; None if all are."""
        cdef int64_t place = me_held_from(&self.d)
        return None if place == INT64_MAX else place

    def going_on(self):
        """Return the streams, as numbers of kinds, of which a message goes on behind the input if this is its end."""
        return [
            kind for kind in range(ME_KINDS)
            if self.d.held[kind].n_runs < 0 or (self.d.held[kind].n_runs > 0 and me_goes_on(&self.d, &self.d.held[kind]))
        ]

    def drop_text(self):
        """Forget the text of the last call, as if its events gave none. Fragments that are held stay."""
        me_drop_text(&self.d)

    def resume_at(self):
        """Return ``(offset, line)``: a decoder that is given the input from there on holds the same fragments as this one.

        The line is the number of newlines before that offset.
        """
        cdef int64_t line, offset = me_resume_at(&self.d, &line)
        return offset, line - 1

    def standing(self):
        """Return what ``stand`` takes: where the decoder stands between two events, without what it holds of fragments."""
        cdef me_stream *payload = &self.d.streams[self.d.payload_stream]
        name = None
        if self.d.payload_stream:
            name = (<bytes>self.d.names[payload.name_at:payload.name_at + payload.name_length]).decode("latin-1")
        brackets = (<bytes>self.d.stack[:self.d.depth]).decode("latin-1")
        return (
            self.d.base, self.d.line, self.d.expect, self.d.key, brackets, self.d.has_events, self.d.is_control, name,
            self.d.has_event, self.d.has_unnamed, self.d.time,
            [kind for kind in range(ME_KINDS) if self.d.held[kind].n_runs < 0],
        )

    def stand(
        self, int64_t offset, int64_t line, int expect, int key, str stack, int has_events, int is_control, str payload,
        int has_event, int has_unnamed, int64_t time, list given_up,
    ):
        """Go on where another decoder stood, as its ``standing`` said. What is held of fragments stays."""
        cdef bytes brackets = stack.encode("latin-1"), name
        cdef int kind
        self.d.base, self.d.line, self.d.error = offset, line, NULL
        self.d.expect, self.d.key, self.d.depth = expect, key, <int>len(brackets)
        memcpy(self.d.stack, <const uint8_t *>brackets, len(brackets))
        self.d.has_events, self.d.is_control = has_events, is_control
        self.d.has_event, self.d.has_unnamed, self.d.time = has_event, has_unnamed, time
        if payload is not None:
            name = payload.encode("latin-1")
            self.d.payload_stream = me_stream_of(&self.d, <const uint8_t *>name, len(name))
            if self.d.payload_stream < 0:
                self.d.payload_stream = 0
                raise MemoryError()
        for kind in given_up:
            self.d.held[kind].n_runs = -1

    @property
    def text(self):
        """The messages of the events that the last call took, each with a newline at its end. Valid until the next call."""
        if self.d.text_length == 0:
            return memoryview(b"")
        return PyMemoryView_FromMemory(<char *>self.d.text, self.d.text_length, PyBUF_READ)

    @property
    def error(self):
        """The error in the export, and its offset in the input; None if there is none."""
        if self.d.error == NULL:
            return None
        return self.d.error.decode("ascii"), self.d.error_at

    @property
    def cut_off(self):
        """How many messages of a container's log lack their last fragment at its end, and so their last record."""
        return self.d.cut_off

    def take_dropped(self):
        """Return what of JSON and CSV was dropped since this was called last, and forget it.

        Returns
        -------
        (int, int, str, int)
            How many events were invalid; where the first one is, and why; how many events had no message.
        """
        because = self.d.bad_because.decode("ascii") if self.d.bad else ""
        dropped = self.d.bad, self.d.bad_at, because, self.d.without_message
        self.d.bad = self.d.bad_at = self.d.without_message = 0
        return dropped

    @property
    def offset(self):
        """The offset in the input up to which events were taken."""
        return self.d.base

    @property
    def newlines(self):
        """The number of newlines up to there."""
        return self.d.line - 1

    @property
    def streams(self):
        """Per stream its name in bytes (None if events name none), its first and last time or None, its number of events."""
        result = []
        cdef int64_t i
        cdef me_stream *one
        for i in range(self.d.n_streams):
            one = &self.d.streams[i]
            name = None if i == 0 else <bytes>self.d.names[one.name_at:one.name_at + one.name_length]
            result.append((name, None if one.first == ME_NO_TIME else (one.first, one.last), one.count))
        return result

    def translate(self, line, offset, start, time, stream):
        """Replace places of rows in the text by those in the input, and fill in times and streams: five arrays of int64.

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
            if rows and not self.d.n_runs:
                raise ValueError("rows of a text without events")
            with nogil:
                me_translate(
                    &self.d, rows, <int64_t *>views[0].buf, <int64_t *>views[1].buf, <int64_t *>views[2].buf,
                    <int64_t *>views[3].buf, <int64_t *>views[4].buf,
                )
        finally:
            for i in range(taken):
                PyBuffer_Release(&views[i])

    def in_text(self, int64_t offset):
        """Map an input offset to its place in the text of the last call. None if that byte is not part of the text."""
        cdef int64_t place = me_in_text(&self.d, offset)
        return None if place < 0 else place


cdef extern from "kernel/built.h":
    object ms_built_from(object file)

#: The sources of this module and their digests. In a checkout whose sources differ from these the import ends here.
BUILT_FROM = ms_built_from(__file__)
