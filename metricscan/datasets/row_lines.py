"""Write rows as lines of CSV or JSON: texts are escaped here, once each; the lines are put together in C."""

from __future__ import annotations

from json.encoder import encode_basestring_ascii
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pyarrow as pa

from metricscan.datasets._row_text import RowText
from metricscan.datasets.csv_guard import guarded
from metricscan.datasets.parked_file import ParkedFile
from metricscan.scanning.schema import NO_TIME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from metricscan.datasets.rows import Array

# A piece that was just made is written from the cache: of buffers of 64 KiB to 8 MiB those of 256 KiB and 1 MiB were the fastest.
_BUFFER_BYTES = 1 << 20
# Buffers that no file uses now: there may be ten thousand files, of which few are written at a time.
_spare: list[bytearray] = []
_MOST_SPARE = 4
# Smaller batches are joined first: one costs some 40 microseconds, and copying a row 10 ns.
_FEW_ROWS = 4096

#: Texts as :class:`RowText` takes them: per row the number of its text; the texts, escaped; the places where they begin.
Texts: TypeAlias = "tuple[Array, bytes, Array]"


def csv_cell(text: str) -> str:
    """The text as a cell of CSV. Texts are quoted, as Arrow's writer does it, so an empty text differs from no text.

    >>> print(csv_cell("loss"), csv_cell('a "b", c'))
    "loss" "a ""b"", c"
    """
    return '"' + text.replace('"', '""') + '"'


def guarded_csv_cell(text: str) -> str:
    """The text as a cell of CSV that no spreadsheet runs."""
    return csv_cell(guarded(text))


class RowLines:
    """Makes lines of CSV or JSON of rows.

    Parameters
    ----------
    json : bool
        Whether the lines are JSON; else they are CSV.
    guard : bool
        Whether texts in CSV that a spreadsheet would run have a ``'`` before them.
    """

    def __init__(self, *, json: bool, guard: bool = False) -> None:
        self.json = json
        self._escape: Callable[[str], str] = (
            encode_basestring_ascii if json else guarded_csv_cell if guard else csv_cell
        )
        self._buffer: bytearray | None = None

    def header(self, names: Sequence[str]) -> bytes:
        """The line with the names of the columns; nothing for JSON."""
        return b"" if self.json else (",".join(names) + "\n").encode()

    def of_batch(self, batch: pa.RecordBatch) -> Iterator[memoryview]:
        """The rows of a batch with the columns of a dataset's file as text. Each piece is valid until the next one."""
        job, stream, part, metric, value, line, offset, start, time = batch.columns
        is_text = pa.types.is_string(value.type)
        return self.pieces(
            RowText(
                self.json,
                self._of_column(job),
                self._of_column(stream),
                part.to_numpy(),
                self._of_column(metric),
                self._of_column(value.dictionary_encode()) if is_text else None,
                None if is_text else value.to_numpy(),
                line.to_numpy(),
                offset.to_numpy(),
                start.to_numpy(),
                None if time.null_count == len(time) else time.cast(pa.int64()).fill_null(NO_TIME).to_numpy(),
                NO_TIME,
            )
        )

    def pieces(self, rows: RowText) -> Iterator[memoryview]:
        """The rows as text. Each piece is valid until the next one."""
        if self._buffer is None:
            try:
                self._buffer = _spare.pop()
            except IndexError:
                self._buffer = bytearray(_BUFFER_BYTES)
        while not rows.is_done:
            size = rows.put(self._buffer)
            if size:
                yield memoryview(self._buffer)[:size]
            else:
                # names have no bound: one row did not fit
                self._buffer = bytearray(2 * len(self._buffer))

    def give_buffer(self) -> None:
        """Let others have the buffer; no piece is used any more."""
        buffer, self._buffer = self._buffer, None
        if buffer is not None and len(_spare) < _MOST_SPARE:
            _spare.append(buffer)

    def texts(self, codes: Array, names: Sequence[str]) -> Texts:
        """The rows' numbers, int32, and the texts that they number, escaped."""
        texts = [self._escape(name).encode() for name in names]
        ends = np.zeros(len(texts) + 1, np.int64)
        np.cumsum([len(text) for text in texts], out=ends[1:])
        return codes, b"".join(texts), ends

    def _of_column(self, column: pa.DictionaryArray) -> Texts:
        """The rows' numbers, and the texts that occur, escaped."""
        codes, names = column.indices.to_numpy(), column.dictionary
        if len(names) > 1:
            is_used = np.zeros(len(names), bool)
            is_used[codes] = True
            used = np.flatnonzero(is_used)
            if len(used) < len(names):
                codes = (np.cumsum(is_used, dtype=np.int32) - 1)[codes]
                names = names.take(pa.array(used))
        return self.texts(codes, names.to_pylist())


class RowLinesWriter:
    """A file of rows, as lines of CSV or JSON; see :class:`metricscan.datasets.formats.Writer`.

    With ``guard``, texts that a spreadsheet would run are written with a ``'`` before them.
    """

    def __init__(self, path: str, schema: pa.Schema, *, json: bool, guard: bool = False) -> None:
        self._lines = RowLines(json=json, guard=guard)
        self._file = ParkedFile(path)
        self._file.write(self._lines.header(schema.names))

    def write(self, table: pa.Table) -> None:
        """Add the rows of a table with the file's schema."""
        if table.num_rows < _FEW_ROWS * table.column(0).num_chunks:
            table = table.unify_dictionaries().combine_chunks()
        for batch in table.to_batches():
            for piece in self._lines.of_batch(batch):
                self._file.write(piece)
        self._lines.give_buffer()

    def park(self) -> None:
        """Close the descriptor until more is written."""
        self._file.park()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    abandon = close
