# A part of _core.pyx: where a stream stands, so that another stream, perhaps of another process, can go on from there.

#: What may still come of the beginning where a stream begins later: nothing.
PAST_BEGINNING = MS_PAST_BEGINNING


def standing(Stream stream not None):
    """Return where a stream stands, between two records: its place in the input, what holds on, and its counts.

    Returns
    -------
    tuple
        Offset of the first byte of the record that has not ended; newlines before it; records that have ended; the stream's first
        offset; what may still come of the beginning; whether a ``\\n`` that comes next belongs to the last record; the counts of
        each pattern that has some, as ``(pattern, rows, unparsed, failed, timeouts, over_budget, samples, newest row or None)``.

    Raises
    ------
    RuntimeError
        The stream holds rows: they would be missing where it goes on.
    """
    stream.check_idle()
    if stream.filled() or stream.scan.n_batches:
        raise RuntimeError("the stream holds rows that were not taken, and its state does not hold them: take them first")
    counted = [(pattern, *counts, stream.latest(pattern)) for pattern, counts in stream.counted()]
    return (
        stream.scan.offset, stream.scan.line, stream.scan.records, stream.first_offset, stream.carry.beginning,
        stream.carry.skip_lf, counted,
    )


def stand(
    Stream stream not None, int64_t offset, int64_t line, int64_t records, int64_t first_offset, int beginning, bint skip_lf,
    list counted,
):
    """Put a fresh stream where another one stood, as ``standing`` returned it."""
    cdef ms_state *state
    stream.restart(offset)
    stream.scan.line, stream.scan.records, stream.first_offset = line, records, first_offset
    stream.carry.beginning, stream.carry.skip_lf = beginning, skip_lf
    for pattern, rows, unparsed, failed, timeouts, over_budget, samples, newest in counted:
        state = stream.state(pattern)
        state.handed, state.unparsed, state.failed = rows, unparsed, failed
        state.timeouts, state.over_budget = timeouts, over_budget
        if samples:
            stream.samples[pattern] = [tuple(sample) for sample in samples]
            state.samples = len(samples)
        if newest is not None:
            state.last_value, state.last_line, state.last_offset, state.last_start, time = newest
            state.last_time = MS_NO_TIME if time is None else time


def unended(Stream stream not None):
    """Return what is known of the record that has not ended, as ``(bytes, newlines before it, time of the last chunk or None)``."""
    stream.check_idle()
    return (
        PyBytes_FromStringAndSize(<const char *>stream.carry.bytes, stream.carry.length), stream.scan.line,
        None if stream.time == MS_NO_TIME else stream.time,
    )
