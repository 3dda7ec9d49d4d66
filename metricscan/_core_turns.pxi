# A part of _core.pyx: turns, in which threads use a stream one after the other.

cdef inline int take_turn(ms_turns *turns, bint feeding) except -1:
    """Make it this thread's turn, once those of other threads have ended."""
    cdef uint32_t ticket = 0
    cdef int answer = ms_ask_turn(turns, feeding, &ticket)
    return 0 if answer == MS_TURN_TAKEN else wait_for_turn(turns, feeding, answer, ticket)


cdef int wait_for_turn(ms_turns *turns, bint feeding, int answer, uint32_t ticket) except -1:
    if answer == MS_TURN_LATER:
        with nogil:
            ms_wait_turn(turns, feeding, ticket)
    elif answer == MS_TURN_OWN:
        raise RuntimeError("the stream is in use by this thread: what it calls cannot use the stream too")
    elif answer == MS_TURN_FED:
        raise RuntimeError("the stream is being fed by another thread")
    return 0


cdef class Turn:
    """A thread's turn to use a stream, as a context: another thread that asks for one meanwhile waits, without the GIL.

    Raises
    ------
    RuntimeError
        The turn is to feed, and another thread feeds; or it is this thread's turn already, and the call comes out of what the
        thread does in it.
    """

    cdef Stream stream
    cdef bint feeding

    def __cinit__(self, Stream stream not None, *, bint feeding=False):
        self.stream = stream
        self.feeding = feeding

    def __enter__(self):
        take_turn(&self.stream.turns, self.feeding)
        return self

    def __exit__(self, kind, error, trace):
        ms_end_turn(&self.stream.turns)
