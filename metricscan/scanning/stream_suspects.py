"""The suspects of a live stream, as rows that a journal keeps.

The rows of a companion are kept as they are: the kind stands in the first byte of the value (kernel/suspects.h). A record that
says that lines are missing becomes a row of each metric that it concerns, of a kind of its own: the number by which the plan
knows these metrics means nothing in another process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from metricscan import _core
from metricscan.scanning.dropped import WRITERS, Dropped
from metricscan.scanning.suspects import ARE_CUT_BEHIND, UNIT, UNTERMINATED, MetricSuspects, unit_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from metricscan.scanning.plan import Plan
    from metricscan.scanning.suspects import Array

#: By metric, rows that a journal takes.
SuspectRows: TypeAlias = "dict[str, pa.RecordBatch | _core.Columns]"

# The kind of a row that says that lines are missing; the core has lower ones.
_DROPPED = 15
# Behind the kind stands the number of the writer, and behind that how many lines are missing.
_WRITER_AT, _LINES_AT = 8, 16


class HiddenRows:
    """The rows of a watching plan's hidden patterns that were taken from a stream, until the caller takes them.

    Attributes
    ----------
    units : dict of int to int
        By pattern, the unit that its last value had, as the core has it; only of patterns whose values had a unit.
    """

    __slots__ = ("_plan", "_taken", "units")

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._taken: list[tuple[int, _core.Columns, list[str]]] = []
        self.units: dict[int, int] = {}

    def take_from(
        self, taken: list[tuple[int, _core.Columns]], streams: Mapping[int, list[str]] | None = None
    ) -> list[tuple[int, _core.Columns]]:
        """Take the hidden rows, and return the others.

        Parameters
        ----------
        taken : list of (pattern, columns)
        streams : mapping of int to list of str, optional
            By pattern the stream of each row, where the log has several.
        """
        names = self._plan.names
        for pattern, _ in taken:
            if not names[pattern]:
                break
        else:
            return taken
        hidden = [one for one in taken if not names[one[0]]]
        self._taken += [(pattern, columns, streams.get(pattern, []) if streams else []) for pattern, columns in hidden]
        return [one for one in taken if names[one[0]]]

    def note_units(self, taken: list[tuple[int, _core.Columns]]) -> None:
        """Note which units the values had in records that have ended."""
        for pattern, columns in taken:
            watched = self._plan.companions.get(pattern)
            if watched is not None:
                bits = np.asarray(columns)[0]
                units = bits[bits & 0xFF == UNIT]
                if len(units):
                    self.units[watched] = (int(units[-1]) & (1 << 64) - 1) >> 8

    def take(self) -> dict[str, SuspectRows]:
        """The rows by the stream of a container's log or an export, ``""`` where the log has one, and by metric."""
        if not self._taken:
            return {}
        taken, self._taken = self._taken, []
        found: dict[str, list[SuspectRows]] = {}
        for pattern, columns, streams in taken:
            for stream in sorted(set(streams)) if streams else ("",):
                some = None if not streams else np.array([one == stream for one in streams])
                found.setdefault(stream, []).append(self._rows(pattern, columns, some))
        return {stream: joined(rows) for stream, rows in found.items()}

    def _rows(self, pattern: int, columns: _core.Columns, some: np.ndarray[Any, Any] | None) -> SuspectRows:
        watched = self._plan.companions.get(pattern)
        if watched is not None and some is None and columns.rows == 1 and not columns.has_times:
            return dict.fromkeys(self._plan.names[watched], columns)
        rows = np.asarray(columns)[:4]
        rows = rows if some is None else rows[:, some]
        if watched is not None:
            return dict.fromkeys(self._plan.names[watched], _batch(rows))
        assert self._plan.dropped is not None
        found: dict[int, list[tuple[int, ...]]] = {}
        metrics = self._plan.companions.values()
        for at in range(rows.shape[1]):
            for of, dropped in self._plan.dropped.of_rows(rows[:, at : at + 1]).items():
                row = _bits_of(dropped), *rows[1:, at].tolist()
                for one in metrics if of < 0 else (of,) if of in metrics else ():
                    found.setdefault(one, []).append(row)
        return {
            name: _batch(np.array(some, np.int64).T) for one, some in found.items() for name in self._plan.names[one]
        }


def _bits_of(dropped: Dropped) -> int:
    writer = next(at for at, one in enumerate(WRITERS) if (one.name, one.remedy) == (dropped.writer, dropped.remedy))
    return dropped.lines << _LINES_AT | writer << _WRITER_AT | _DROPPED


def _batch(rows: Array) -> pa.RecordBatch:
    """Rows of four columns as a batch."""
    import pyarrow as pa

    from metricscan.scanning.schema import SCHEMA, TIME

    bits, *places = (np.ascontiguousarray(column) for column in rows)
    none = pa.nulls(len(bits), TIME)
    return pa.RecordBatch.from_arrays([pa.array(bits.view(np.float64)), *map(pa.array, places), none], schema=SCHEMA)


def joined(several: Sequence[SuspectRows]) -> SuspectRows:
    """The rows of several takes, in their order."""
    if len(several) == 1:
        return several[0]
    from metricscan.scanning.arrow import appended, from_columns

    found: SuspectRows = {}
    for rows in several:
        for name, more in rows.items():
            before = found.get(name)
            if before is None:
                found[name] = more
            else:
                one, other = (
                    from_columns(some) if isinstance(some, _core.Columns) else some for some in (before, more)
                )
                found[name] = appended(one, other)
    return found


def suspects_of(bits: Array, line: Array, offset: Array, start: Array) -> MetricSuspects:
    """The suspects of a metric in one log, out of all their rows."""
    found = MetricSuspects()
    is_dropped = bits & 0xFF == _DROPPED
    if is_dropped.any():
        for at in np.flatnonzero(is_dropped).tolist():
            writer = WRITERS[int(bits[at]) >> _WRITER_AT & 0xFF]
            place = int(line[at]), int(offset[at])
            found.add_dropped(Dropped(int(bits[at]) >> _LINES_AT, 1, place, place, writer.name, writer.remedy))
        bits, line, offset, start = (column[~is_dropped] for column in (bits, line, offset, start))
    found.add(bits, line, offset, start)
    return found


def has_suspects(bits: Array) -> bool:
    """Whether rows say more than units."""
    return bool((bits & 0xFF != UNIT).any())


def first_units(
    suspects: tuple[Array, Array, Array, Array] | None, values: tuple[Array, Array, Array, Array] | None
) -> list[tuple[str, str, int, int]]:
    """The units of a metric's values in one log, each with the first value that has it, its line and its offset.

    Of a value without a unit there is no text. That of another is its number, written as short as it can be, and the unit: how
    the log writes the number is not known.

    Parameters
    ----------
    suspects, values : tuple of arrays, or None
        Bits, lines, offsets and starts of the rows of the companion, and of the metric.
    """
    found: list[tuple[int, str, int, int]] = []
    first = None
    cut: set[int] = set()
    if suspects is not None:
        bits, line, offset, start = suspects
        cut = set(start[ARE_CUT_BEHIND[bits & 0xFF]].tolist())
        # a value at the end of a log has no unit, which a flush does not say
        bits = np.where(bits & 0xFF == UNTERMINATED, UNIT, bits)
        events = np.flatnonzero(bits & 0xFF == UNIT)
        events = events[np.argsort(start[events], kind="stable")]
        _, at = np.unique(bits[events], return_index=True)
        found = [(int(start[one]), unit_text(int(bits[one])), int(line[one]), int(offset[one])) for one in events[at]]
    if values is not None:
        _, line, offset, start = values
        order = np.argsort(start, kind="stable").tolist()
        first = next((one for one in order if int(start[one]) not in cut), None)
        # rows before the first event have no unit
        if first is not None and all(int(start[first]) < place for place, *_ in found):
            found = [one for one in found if one[1]]
            found.append((int(start[first]), "", int(line[first]), int(offset[first])))
    return [(unit, _text_of(at, unit, values), line, offset) for at, unit, line, offset in sorted(found)]


def _text_of(start: int, unit: str, values: tuple[Array, Array, Array, Array] | None) -> str:
    if not unit or values is None:
        return unit
    bits, *_, starts = values
    of_start = bits[starts == start].view(np.float64)
    number = repr(float(of_start[0])).removesuffix(".0") if len(of_start) else ""
    return f"{number}{unit}"
