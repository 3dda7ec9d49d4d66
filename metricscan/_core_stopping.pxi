# A part of _core.pyx: scans that stop before their input ends, because nobody wants their rows any more or the process is to end.

# In the order of the kernel's numbers.
_MODES = ("nothing", "deadline", "all")
# The key of a thread's stop in its own dictionary.
_STOP = "metricscan.stop"

cdef extern from "Python.h":
    PyObject *PyThreadState_GetDict()


cdef Stop stop_of_thread():
    """Return the stop that this thread has entered, or None."""
    cdef PyObject *own = PyThreadState_GetDict()
    return None if own == NULL else (<dict>own).get(_STOP)


cdef int enter_stop(Stop stop) except -1:
    cdef PyObject *own = PyThreadState_GetDict()
    if own == NULL:
        raise MemoryError
    (<dict>own)[_STOP] = stop
    return 0


cdef class Stop:
    """Stops the scans of other threads: those of the streams that are made while it is entered, in the thread that has entered it.

    A stopped scan raises a KeyboardInterrupt, and its stream is closed.
    """

    cdef ms_flag flag
    cdef Stop before

    def ask(self):
        """Stop the scans, also those that have not begun."""
        ms_set_flag(&self.flag)

    def __enter__(self):
        self.before = stop_of_thread()
        enter_stop(self)
        return self

    def __exit__(self, kind, error, trace):
        enter_stop(self.before)


cdef int look_for_signals(void *stream) noexcept nogil:
    """Run the handlers of signals that have come. Returns whether one of them has raised."""
    if not ms_is_main_thread():
        return False
    with gil:
        try:
            PyErr_CheckSignals()
        except BaseException as error:
            (<Stream>stream).interrupt = error
            return True
    return False


def watch_signals(int descriptor, exit_codes, double grace_s, bytes words):
    """Start a thread that ends the process if it has not ended in time after a signal.

    The thread needs no GIL: a search of ``re`` keeps it from all Python threads, and so from the handlers of signals.

    Parameters
    ----------
    descriptor : int
        What the numbers of signals are read from, as ``signal.set_wakeup_fd`` writes them. At its end the thread ends.
    exit_codes : dict of int to int
        By the number of a signal, the exit code of the process.
    grace_s : float
        How long the process has.
    words : bytes
        What is written to standard error before the process ends.
    """
    cdef int index, failure
    for index in range(MS_WATCHED_SIGNALS):
        ms_set_act(index, -1, 0)
    for index, (number, exit_code) in enumerate(list(exit_codes.items())[:MS_WATCHED_SIGNALS]):
        ms_set_act(index, number, exit_code)
    failure = ms_start_watch(descriptor, <int>(grace_s * 1000), words, len(words))
    if failure:
        raise OSError(failure, strerror(failure).decode())


def end_watch():
    """Wait until the thread of :func:`watch_signals` has ended: its descriptor has come to its end."""
    with nogil:
        ms_end_watch()


def set_watch(str mode):
    """Set what a signal does, and return what it did before.

    mode : {"nothing", "deadline", "all"}
        ``"all"``: it sets the deadline, and stops all scans at once.
    """
    return _MODES[ms_set_mode(_MODES.index(mode))]
