"""The rows of a metric over many jobs as numpy columns, with numbers for the names of jobs and streams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metricscan.errors import OptionError
from metricscan.scanning.schema import NO_TIME

if TYPE_CHECKING:
    from collections.abc import Sequence

Array = np.ndarray[Any, np.dtype[Any]]


class Rows(NamedTuple):
    """Columns of equal length.

    Attributes
    ----------
    job, stream : int array
        The numbers of the job and the stream.
    value : float64 array
    line, offset, start : int64 array
        Line from 1; bytes of the decompressed input at which the record and the value start.
    time : int64 array or None
        Microseconds since the epoch, ``NO_TIME`` for rows without a time; None if no row has one.
    step : float64 array or None
        The training step in force, NaN for rows before the first one; None if steps were not asked for.
    part : int array or None
        The number of the piece of a rotated stream in which the row stands; None if all rows stand in the first one.
    run : int array or None
        The number of the run in its stream, the first 0, if the ranking splits streams into runs; -1 for a row that does not
        count because a later run replaced it. None: all rows are of one run.
    """

    job: Array
    stream: Array
    value: Array
    line: Array
    offset: Array
    start: Array
    time: Array | None
    step: Array | None = None
    part: Array | None = None
    run: Array | None = None

    def take(self, which: Any) -> Rows:
        """Some of the rows, by a slice (zero-copy), or by indices or a mask (a copy)."""
        return Rows(*(None if column is None else column[which] for column in self))  # type: ignore[arg-type]

    @classmethod
    def of(cls, job: Array, stream: Array, batch: pa.RecordBatch | pa.Table) -> Rows:
        """The rows of a batch or table with the columns of one log; zero-copy where the memory allows it.

        The value of a row of a label is 0.
        """
        line, offset, start = (_numpy(batch.column(name)) for name in ("line", "offset", "start"))
        is_text = pa.types.is_string(batch.schema.field("value").type)
        value = np.zeros(len(start)) if is_text else _numpy(batch.column("value"))
        return cls(job, stream, value, line, offset, start, _times(batch.column("time")), part=_parts(batch))

    @classmethod
    def joined(cls, parts: Sequence[Rows]) -> Rows:
        """The rows of all parts, one after the other; a copy if there are several parts."""
        if len(parts) == 1:
            return parts[0]
        if not parts:
            integers = np.empty(0, dtype=np.int64)
            return cls(integers, integers, np.empty(0), integers, integers, integers, None)
        columns: list[Array | None] = [
            np.concatenate(column) for column in zip(*(part[:6] for part in parts), strict=True)
        ]
        fillers: tuple[tuple[Any, list[Array | None]], ...] = (
            (NO_TIME, [part.time for part in parts]),
            (np.nan, [part.step for part in parts]),
            (np.int32(0), [part.part for part in parts]),
            (np.int32(0), [part.run for part in parts]),
        )
        for filler, column in fillers:
            if all(one is None for one in column):
                columns.append(None)
                continue
            filled = [
                np.full(len(part.job), filler) if one is None else one for part, one in zip(parts, column, strict=True)
            ]
            columns.append(np.concatenate(filled))
        return cls(*columns)  # type: ignore[arg-type]


def codes_of(column: pa.ChunkedArray | pa.Array, name: str) -> tuple[pa.Array, Array]:
    """The names in a column's dictionary, and for each row the number of its name; zero-copy for a single dictionary.

    A name may occur in no row. A name that is twice in the dictionary has two numbers.

    Parameters
    ----------
    column : pyarrow.ChunkedArray or pyarrow.Array
        Of strings, or of a dictionary of strings.
    name : str
        The column's name, for the error.

    Raises
    ------
    OptionError
        A row has no name.
    """
    if column.null_count:
        raise OptionError(f"{name!r} is null in {column.null_count:,} rows; a name was expected in each")
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    if isinstance(column, pa.ChunkedArray):
        # this unifies dictionaries, too; ``unify_dictionaries`` takes a minute for 400 chunks that share 400,000 names
        column = column.combine_chunks()
        if isinstance(column, pa.ChunkedArray):  # older versions of pyarrow keep the wrapping
            column = column.chunk(0) if column.num_chunks else pa.array([], column.type)
    return column.dictionary.cast(pa.string()), _numpy(column.indices)


def used_codes_of(column: pa.Array, name: str) -> tuple[pa.Array, Array]:
    """The distinct names that occur in a column, and for each row the number of its name."""
    names, codes = codes_of(column, name)
    present = _present(names, codes)
    if not present.all():
        codes = (np.cumsum(present) - 1)[codes]
        names = names.filter(pa.array(present))
    distinct = pc.unique(names)
    return distinct, codes if len(distinct) == len(names) else _renumbered(names, codes, distinct)


def numbered(columns: Sequence[tuple[pa.Array, Array]], others: pa.Array) -> tuple[pa.Array, list[Array]]:
    """Number the names of several columns by one common set: all names that occur in a column, and ``others``.

    Hashing a million names takes longer than ranking as many jobs. If all columns have the same dictionary, as those of a
    replay have, their numbers are kept.

    Parameters
    ----------
    columns : sequence of (pyarrow.Array, int array)
        Per column its names, and the number of each row's name, as :func:`codes_of` gives them.
    others : pyarrow.Array
        Names that are in the set even if they occur in no row; they come first.

    Returns
    -------
    names : pyarrow.Array
    numbers : list of int array
        Per column the number of each row's name.
    """
    names = columns[0][0] if columns else others
    found = [codes for _, codes in columns]
    if not all(some.equals(names) for some in (*(some for some, _ in columns), others) if len(some)) or (
        not len(others) and len(pc.unique(names)) < len(names)
    ):
        names = pc.unique(pa.concat_arrays([others, *(some for some, _ in columns)]))
        found = [_renumbered(some, codes, names) for some, codes in columns]
    present = np.zeros(len(names), dtype=bool)
    present[: len(others)] = True
    for codes in found:
        present[codes] = True
    if not present.all():
        found = [(np.cumsum(present) - 1)[codes] for codes in found]
        names = names.filter(pa.array(present))
    return names, found


def _renumbered(some: pa.Array, codes: Array, names: pa.Array) -> Array:
    numbers = pc.index_in(some, names).to_numpy(zero_copy_only=False)
    return numbers[codes]  # type: ignore[no-any-return]


def _present(names: pa.Array, codes: Array) -> Array:
    present = np.zeros(len(names), dtype=bool)
    present[codes] = True
    return present


def _numpy(column: Any) -> Array:
    if isinstance(column, pa.ChunkedArray):
        # to_numpy copies even a single chunk
        column = column.chunk(0) if column.num_chunks == 1 else column
    if isinstance(column, pa.Array) and not column.null_count:
        return column.to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]
    return column.to_numpy()  # type: ignore[no-any-return]


def _parts(batch: pa.RecordBatch | pa.Table) -> Array | None:
    """The numbers of the pieces; None if all are 0, or there is no such column, as in datasets of earlier versions."""
    if "part" not in batch.schema.names:
        return None
    column = batch.column("part")
    parts = _numpy(column.fill_null(0) if column.null_count else column)
    return parts if parts.any() else None


def _times(column: Any) -> Array | None:
    if column.null_count == len(column):
        return None
    micros = column.cast(pa.timestamp("us", "UTC")) if column.type != pa.timestamp("us", "UTC") else column
    return _numpy(micros.cast(pa.int64()).fill_null(NO_TIME))
