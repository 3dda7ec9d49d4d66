# A part of _core.pyx: rows that a stream has handed over.

cdef class Columns:
    """Rows of one pattern that a stream handed over.

    The object shares the memory of the rows with other holders; the last one frees it. It is a two-dimensional buffer: one row
    each for value (doubles, seen as integers), line, offset, start and, if there are any, times. It is writable until ``export``.

    Attributes
    ----------
    rows : int
    has_times : bool
    texts : object
        Texts that the caller has set, to stand in place of the values; None by default.
    """

    cdef readonly int64_t rows
    cdef readonly bint has_times
    cdef public object texts
    cdef void *memory
    cdef char *first            # the first column; the others follow at equal strides
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
        view.format = <char *>b"q" if flags & PyBUF_FORMAT else NULL
        view.shape = self.shape
        view.strides = self.strides
        view.suboffsets = NULL
        view.internal = NULL

    def export(self):
        """Return the address of an ``ArrowArray`` of these rows, which an Arrow library can import. It is a further holder.

        It is a struct array: value, line, offset, start, and a column of nulls. Until it is imported it lives as long as this
        object, and the next call of ``export`` releases it. The caller exports and imports on one thread.
        """
        ms_withdraw(&self.exported)
        if ms_export_columns(&self.exported, self.memory, self.rows, self.first, <size_t>self.strides[0]) < 0:
            raise MemoryError(f"no memory to hand over {self.rows} rows")
        self.was_exported = True
        return <uintptr_t>&self.exported

    def add_lines(self, int64_t number):
        """Add a number to the line of every row. The rows must not be exported yet."""
        if self.was_exported:
            raise BufferError("what was exported is read-only")
        with nogil:
            ms_add_lines(<int64_t *>(self.first + self.strides[0]), self.rows, number)

    cdef bytes first_places(self, int64_t most):
        """Return line, offset and start of each of the first rows, at most so many, as int64 in one bytes object."""
        cdef int64_t rows = min(most, self.rows), row
        cdef bytes places = PyBytes_FromStringAndSize(NULL, rows * 3 * sizeof(int64_t))
        cdef int64_t *to = <int64_t *>PyBytes_AS_STRING(places)
        cdef char *line = self.first + self.strides[0]
        for row in range(rows):
            to[0] = (<int64_t *>line)[row]
            to[1] = (<int64_t *>(line + self.strides[0]))[row]
            to[2] = (<int64_t *>(line + 2 * self.strides[0]))[row]
            to += 3
        return places

    @property
    def holders(self):
        """Tests only: the number of holders of the memory, this object among them."""
        return ms_holders_of_memory(self.memory)


cdef class FirstPlaces:
    """The places of the first rows of some patterns, out of what a stream hands over.

    Parameters
    ----------
    patterns : frozenset of int
    most : int
        So many rows of each are kept.
    hidden : int
        The patterns from this one on have no name.

    Attributes
    ----------
    places : dict
        By pattern line, offset and start of each of its first rows, as int64 in one bytes object.
    """

    cdef frozenset patterns
    cdef int64_t most
    cdef int32_t hidden
    cdef readonly dict places

    def __cinit__(self, frozenset patterns not None, int64_t most, int32_t hidden):
        self.patterns = patterns
        self.most = most
        self.hidden = hidden
        self.places = {}

    def add(self, list taken not None):
        """Take note of rows that were handed over, which are pairs of pattern and ``Columns``; return whether hidden ones are among them.

        In Python a small log's rows took a third of the time of its scan.
        """
        cdef bint has_hidden = False
        cdef Py_ssize_t kept
        cdef Columns columns
        for pattern, columns in taken:
            if pattern >= self.hidden:
                has_hidden = True
            elif pattern in self.patterns:
                before = self.places.get(pattern)
                if before is None:
                    self.places[pattern] = columns.first_places(self.most)
                    continue
                kept = len(<bytes>before) // (3 * sizeof(int64_t))
                if kept < self.most:
                    self.places[pattern] = <bytes>before + columns.first_places(self.most - kept)
        return has_hidden

    def take(self):
        """Return the places, and forget them."""
        places = self.places
        self.places = {}
        return places


cdef Columns columns_of(void *memory, int64_t rows, void *first, void *second, bint has_times):
    """Make Columns, which become a holder of the memory. The first two columns determine the stride: see ms_lay_out."""
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


cdef Columns columns_of_batch(ms_batch *batch):
    columns = columns_of(batch.slab, batch.rows, batch.value, batch.line, False)
    batch.slab = NULL
    return columns


def joined(list parts not None):
    """Copy the rows of several batches, none of which has times, into one batch.

    A scanning thread does this between two blocks. With numpy's arrays it took ten times as long.
    """
    cdef int64_t rows = 0
    cdef Py_ssize_t stride
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
        ms_copy_columns(to, <size_t>stride, part.first, <size_t>part.strides[0], part.rows)
        to += part.rows * 8
    return columns_of(memory, rows, memory, memory + stride, False)
