"""Rows of a dataset as lines of CSV or JSON, without the GIL."""

cimport cython
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.string cimport memset

cdef extern from "kernel/row_text.h" nogil:
    ctypedef struct ms_text_column:
        const int32_t *numbers
        const uint8_t *bytes
        const int64_t *ends
    ctypedef struct ms_row_columns:
        ms_text_column job, stream, metric, text
        const int32_t *part
        const double *value
        const int64_t *line
        const int64_t *offset
        const int64_t *start
        const int64_t *time
        const double *step
        int64_t no_time
        int is_json
    ctypedef struct ms_layout:
        pass
    enum:
        MS_FIRST_POWER, MS_POWERS, MS_NUMBER_ROOM
    uint64_t ms_power_bits[MS_POWERS][2]
    const ms_layout ms_json_layout, ms_csv_layout
    size_t ms_put_rows(const ms_row_columns *columns, size_t *row, size_t end, uint8_t *out, size_t room)
    uint8_t *ms_put_double(uint8_t *to, double value, const ms_layout *layout)


cdef _fill_powers():
    for i in range(MS_POWERS):
        exponent = MS_FIRST_POWER + i
        if exponent >= 0:
            power = 10**exponent
            shift = power.bit_length() - 128
            bits = -(-power >> shift) if shift > 0 else power << -shift
        else:
            # the quotient has 128 bits; it is never exact
            power = 10**-exponent
            bits = (1 << (127 + power.bit_length())) // power + 1
        ms_power_bits[i][0] = bits >> 64
        ms_power_bits[i][1] = bits & 0xFFFFFFFFFFFFFFFF

_fill_powers()


@cython.final
cdef class RowText:
    """The rows of a table as text, piece by piece.

    Parameters
    ----------
    json : bool
        Whether the lines are JSON; else they are CSV.
    job, stream, metric, text : (int32 array, bytes, int64 array)
        A column of texts: per row the number of its text; the texts, escaped, one behind the other; the place at which each of
        them begins, and where the last one ends. ``text`` has the values of labels, and is None without a label; a row with a
        negative number in it has a number in ``value``.
    part : int32 array
    value : float64 array or None
        None if all rows are of labels.
    line, offset, start : int64 array
    time : int64 array or None
        Microseconds since the epoch; None if no row has a time.
    no_time : int
        The integer of a row without a time.
    step : float64 array, optional
        The steps of the rows, NaN for a row without one. Without it the lines have no such cell.
    """

    cdef ms_row_columns _columns
    cdef tuple _held
    cdef size_t _row, _rows

    def __init__(
        self,
        bint json,
        job,
        stream,
        const int32_t[::1] part,
        metric,
        text,
        value,
        const int64_t[::1] line,
        const int64_t[::1] offset,
        const int64_t[::1] start,
        time,
        int64_t no_time,
        step=None,
    ):
        cdef const double[::1] values
        cdef const double[::1] steps
        cdef const int64_t[::1] times
        memset(&self._columns, 0, sizeof(ms_row_columns))
        self._row = 0
        self._rows = <size_t>line.shape[0]
        # the memory of all columns is held as long as this object lives
        self._held = (job, stream, part, metric, text, value, line, offset, start, time, step)
        if not part.shape[0] == line.shape[0] == offset.shape[0] == start.shape[0]:
            raise ValueError("columns of equal length were expected")
        if self._rows == 0:
            return
        self._columns.is_json = json
        self._take(&self._columns.job, job)
        self._take(&self._columns.stream, stream)
        self._take(&self._columns.metric, metric)
        if text is not None:
            self._take(&self._columns.text, text)
        if value is not None:
            values = value
            if values.shape[0] != line.shape[0]:
                raise ValueError("columns of equal length were expected")
            self._columns.value = &values[0]
        elif text is None or not self._has_all_texts():
            raise ValueError("a value or a text was expected for each row")
        if step is not None:
            steps = step
            if steps.shape[0] != line.shape[0]:
                raise ValueError("columns of equal length were expected")
            self._columns.step = &steps[0]
        self._columns.part = &part[0]
        self._columns.line = &line[0]
        self._columns.offset = &offset[0]
        self._columns.start = &start[0]
        self._columns.no_time = no_time
        if time is not None:
            times = time
            if times.shape[0] != line.shape[0]:
                raise ValueError("columns of equal length were expected")
            self._columns.time = &times[0]

    cdef bint _has_all_texts(self) noexcept:
        cdef size_t row
        for row in range(self._rows):
            if self._columns.text.numbers[row] < 0:
                return False
        return True

    cdef int _take(self, ms_text_column *column, tuple given) except -1:
        cdef const int32_t[::1] numbers = given[0]
        cdef bytes texts = given[1]
        cdef const int64_t[::1] ends = given[2]
        if numbers.shape[0] != <Py_ssize_t>self._rows:
            raise ValueError("columns of equal length were expected")
        column.numbers = &numbers[0]
        column.bytes = <const uint8_t *>texts
        column.ends = &ends[0]
        return 0

    def put(self, uint8_t[::1] buffer not None):
        """Write the next rows, as many as the buffer holds; the GIL is released meanwhile.

        Returns
        -------
        int
            The bytes written. 0 if all rows are written, or if not one fits.
        """
        cdef size_t written = 0
        if self._row < self._rows and buffer.shape[0]:
            with nogil:
                written = ms_put_rows(&self._columns, &self._row, self._rows, &buffer[0], <size_t>buffer.shape[0])
        return written

    @property
    def is_done(self):
        """Whether all rows are written."""
        return self._row == self._rows


def number_text(double value, bint json):
    """The text of one number, as it stands in a row; for tests."""
    cdef uint8_t text[MS_NUMBER_ROOM]
    cdef uint8_t *end = ms_put_double(text, value, &ms_json_layout if json else &ms_csv_layout)
    return (<char *>text)[:end - text].decode("ascii")


cdef extern from "kernel/built.h":
    object ms_built_from(object file)

#: The sources of this module and their digests. In a checkout whose sources differ from these the import ends here.
BUILT_FROM = ms_built_from(__file__)
