"""Suspects: records and values that may not be what the log says, as a watching plan finds them.

The core writes them to the rows of companions (kernel/suspects.h). Here they are counted, and reduced to what is kept of a log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from metricscan import _core
from metricscan.scanning.plan import FIRST_ROWS
from metricscan.scanning.stats import PLACE, Suspect, SuspectKind, some_of_each_kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from metricscan.scanning.dropped import Dropped
    from metricscan.scanning.plan import Plan
    from metricscan.scanning.stats import ScanStats

#: The number of an input; line, offset and start in it.
_Place: TypeAlias = tuple[int, int, int, int]
Array = np.ndarray[Any, np.dtype[np.int64]]

_CORE = _core.CONSTANTS
NEAR_MISS, UNIT, UNTERMINATED = _CORE["MS_NEAR_MISS"], _CORE["MS_UNIT"], _CORE["MS_UNTERMINATED"]
# A text that stands for a value, captured and no number: counted as unparsed, and as a place as a near miss.
UNREAD = _CORE["MS_UNREAD"]
CUT_LINE = (_CORE["MS_CUT_LINE"], _CORE["MS_CUT_MISS"])
CUT_BEHIND = tuple(_CORE[name] for name in ("MS_LONGER", "MS_THOUSANDS", "MS_DECIMAL_COMMA"))
CUT = (*CUT_BEHIND, _CORE["MS_IN_WORD"])
_MOST_KINDS = 16


def _are(kinds: tuple[int, ...]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """By kind, whether it is one of these. To index it takes a microsecond; ``np.isin`` takes twenty."""
    return np.array([kind in kinds for kind in range(_MOST_KINDS)])


_ARE_CUT, _ARE_CUT_LINES = _are(CUT), _are(CUT_LINE)
#: By kind, whether more of the number stands behind the value.
ARE_CUT_BEHIND = _are(CUT_BEHIND)
_NO_STARTS = np.empty(0, np.int64)
_KINDS: dict[int, SuspectKind] = {
    NEAR_MISS: "near-miss",
    **dict.fromkeys(CUT, "cut-value"),
    UNTERMINATED: "unterminated",
    **dict.fromkeys(CUT_LINE, "cut-line"),
}
#: Of a log and a metric, the places of so many cut values, and of so many values in cut lines, are kept.
MOST_CUT = 65_536
#: So many units of a metric are told apart.
MOST_UNITS = 16


class MetricSuspects:
    """The suspects of one metric in one log.

    Attributes
    ----------
    last_near_miss : (int, int) or None
        Line and offset of the last record that is a near miss, or of which a value stands for one and is no number.
    is_not_finite : bool
        Whether that record says nan or inf.
    last_cut_line : (int, int) or None
        Line and offset of the last record that ends within or right before a value whose rest begins the next record.
    unterminated_start : int or None
        The start of the value that ends where the log ends, without a terminator.
    dropped : Dropped or None
        The lines that would have given a row, or may have, and are not in the log, as far as the log says so.
    """

    __slots__ = (
        "_cut",
        "_cut_lines",
        "_is_full",
        "dropped",
        "is_not_finite",
        "last_cut_line",
        "last_near_miss",
        "unterminated_start",
    )

    def __init__(self) -> None:
        self.last_near_miss: tuple[int, int] | None = None
        self.is_not_finite = False
        self.last_cut_line: tuple[int, int] | None = None
        self._cut_lines = _NO_STARTS
        self.unterminated_start: int | None = None
        self.dropped: Dropped | None = None
        self._cut: list[Array] = []
        self._is_full = False

    @property
    def cut_starts(self) -> Array:
        """The starts of the values that are cut, in order; the first ``MOST_CUT`` of them."""
        if len(self._cut) != 1:
            self._cut = [np.unique(np.concatenate([_NO_STARTS, *self._cut]))]
        return self._cut[0]

    @property
    def cut_line_starts(self) -> Array:
        """The starts of the values with which cut lines end, in order; the first ``MOST_CUT`` of them."""
        return self._cut_lines

    def is_cut(self, start: int) -> bool:
        """Whether the value that starts here is cut. If there are too many to keep, all behind the last one that is kept are."""
        starts = self.cut_starts
        at = int(np.searchsorted(starts, start))
        return (at < len(starts) and int(starts[at]) == start) or (self._is_full and at == len(starts))

    def add(self, bits: Array, line: Array, offset: Array, start: Array) -> None:
        """Add rows of a companion."""
        kinds = bits & 0xFF
        near, lines = np.flatnonzero((kinds == NEAR_MISS) | (kinds == UNREAD)), np.flatnonzero(_ARE_CUT_LINES[kinds])
        if len(near):
            last = _last(near, offset)
            self._add_near_miss((int(line[last]), int(offset[last])), is_not_finite=bool(bits[last] >> 8))
        if len(lines):
            last = _last(lines, offset)
            self.last_cut_line = _later(self.last_cut_line, (int(line[last]), int(offset[last])))
            self._add_cut_lines(start[lines])
        self._add_cut(start[_ARE_CUT[kinds]])
        ended = np.flatnonzero(kinds == UNTERMINATED)
        if len(ended):
            self.unterminated_start = int(start[ended[-1]])

    def add_dropped(self, dropped: Dropped | None) -> None:
        """Add lines that are not in the log."""
        if dropped is not None:
            self.dropped = dropped if self.dropped is None else self.dropped.plus(dropped)

    def merge(self, other: MetricSuspects) -> None:
        """Add those of another part of the same input."""
        if other.last_near_miss is not None:
            self._add_near_miss(other.last_near_miss, is_not_finite=other.is_not_finite)
        self.last_cut_line = _later(self.last_cut_line, other.last_cut_line)
        self._add_cut_lines(other.cut_line_starts)
        self._add_cut(other.cut_starts)
        self._is_full |= other._is_full
        self.add_dropped(other.dropped)
        if other.unterminated_start is not None:
            self.unterminated_start = other.unterminated_start

    def _add_near_miss(self, place: tuple[int, int], *, is_not_finite: bool) -> None:
        """Note the last near miss of a part of the input."""
        if self.last_near_miss is None or place[1] >= self.last_near_miss[1]:
            self.last_near_miss, self.is_not_finite = place, is_not_finite

    def _add_cut_lines(self, starts: Array) -> None:
        self._cut_lines = np.unique(np.concatenate((self._cut_lines, starts)))[:MOST_CUT]

    def _add_cut(self, starts: Array) -> None:
        if len(starts) == 0 or self._is_full:
            return
        self._cut.append(np.unique(starts))
        if sum(map(len, self._cut)) >= MOST_CUT:
            kept = self.cut_starts
            self._is_full = len(kept) >= MOST_CUT
            self._cut = [kept[:MOST_CUT].copy()]


#: By metric; only metrics with suspects are keys.
LogSuspects: TypeAlias = "Mapping[str, MetricSuspects]"


def merged(one: LogSuspects, other: LogSuspects) -> LogSuspects:
    """The suspects of two parts of one input."""
    both = dict(one)
    for name, suspects in other.items():
        if name in both:
            both[name].merge(suspects)
        else:
            both[name] = suspects
    return both


class Suspects:
    """Gathers the suspects of one input, or of several that are scanned as one.

    Parameters
    ----------
    plan : Plan
        One that watches.
    paths : str, or sequence of str
        The name of the input, or of each.
    first : FirstPlaces, optional
        Has been told all rows that left streams so far, and will be; else all rows come by :meth:`takes`.
    """

    def __init__(self, plan: Plan, paths: str | Sequence[str], first: _core.FirstPlaces | None = None) -> None:
        self._plan = plan
        self._paths = paths
        self._parts: dict[int, dict[int, MetricSuspects]] = {}
        # per pattern: near misses, cut values, unterminated values, cut lines
        self._counts: dict[int, list[int]] = {}
        self._samples: dict[int, list[tuple[_Place, Suspect]]] = {}
        self._units: dict[int, dict[str, Suspect]] = {}
        # per pattern whose first streams had values without a unit alone: their first places, not yet in _units
        self._without_unit: dict[int, bytes] = {}
        self._texts: dict[tuple[int, _Place], str] = {}
        # of the stream that is being scanned, per pattern: the first rows, the first values that
        # are cut behind, the first place of each unit
        self._first: dict[int, _FirstRows] = {}
        self._first_places = first
        self._cut: dict[int, set[int]] = {}
        self._events: dict[int, dict[int, tuple[int, _Place]]] = {}

    def set_paths(self, paths: Sequence[str]) -> None:
        """Say the names of the inputs, by their numbers."""
        self._paths = paths

    def wanted(self, pattern: int, rows: int) -> int:
        """How many of so many rows that left a stream :meth:`takes` looks at, from the first on."""
        if pattern in self._plan.companions or pattern == self._plan.dropping:
            return rows
        if pattern in self._plan.with_units and not self._has_first(pattern):
            return min(rows, FIRST_ROWS)
        return 0

    def _has_first(self, pattern: int) -> bool:
        return pattern in self._first and self._first[pattern].are_all

    def takes(self, pattern: int, rows: Any, parts: Array, order: Array | None = None) -> bool:
        """Take rows of several inputs if they are those of a hidden pattern, and return whether they are.

        Parameters
        ----------
        pattern : int
        rows : Columns or array
            Values (as integers), lines, offsets and starts.
        parts : int64 array
            For each row, the number of the input that it is from.
        order : int64 array, optional
            The starts of the rows in the stream, if ``rows`` has those in their inputs.
        """
        if self.takes_hidden(pattern, rows, parts, order):
            return True
        if pattern in self._plan.with_units and not self._has_first(pattern):
            self._first.setdefault(pattern, _FirstRows()).add(rows, parts, order)
        return False

    def takes_hidden(self, pattern: int, rows: Any, parts: Array | None = None, order: Array | None = None) -> bool:
        """Do what :meth:`takes` does, but take no note of the first rows of other patterns."""
        watched = self._plan.companions.get(pattern)
        if watched is None:
            if pattern != self._plan.dropping:
                return False
            self._take_dropped(np.asarray(rows), parts)
            return True
        bits, line, offset, start, *_ = np.asarray(rows)
        kinds = bits & 0xFF
        order = start if order is None else order
        counts = self._counts.setdefault(watched, [0, 0, 0, 0])
        of_kind = np.bincount(kinds, minlength=_MOST_KINDS).tolist()
        counts[0] += of_kind[NEAR_MISS]
        if any(of_kind[kind] for kind in CUT):
            counts[1] += len(np.unique(order[_ARE_CUT[kinds]]))
            without_unit = order[ARE_CUT_BEHIND[kinds]]
            cut = self._cut.setdefault(watched, set())
            if len(cut) < FIRST_ROWS:
                # those of the first rows are among the first ones
                cut.update(without_unit[:FIRST_ROWS].tolist())
        counts[2] += of_kind[UNTERMINATED]
        counts[3] += sum(of_kind[kind] for kind in CUT_LINE)
        if of_kind[UNIT]:
            # those of numbers that Python has read stand behind later ones
            events = np.flatnonzero(kinds == UNIT)
            events = events[np.argsort(order[events], kind="stable")]
            units, at = np.unique(bits[events], return_index=True)
            each = events[at]
            first = self._events.setdefault(watched, {})
            places = _places(line[each], offset[each], start[each], _some(parts, each), order[each])
            for unit, place in zip(units.tolist(), places, strict=True):
                first[unit] = min(place, first.get(unit, place))
        if of_kind[UNIT] < len(kinds):
            others = kinds != UNIT
            for part in (0,) if parts is None else np.unique(parts[others]).tolist():
                of_part = others if parts is None else others & (parts == part)
                own = self._parts.setdefault(part, {}).setdefault(watched, MetricSuspects())
                own.add(bits[of_part], line[of_part], offset[of_part], start[of_part])
        return True

    def _take_dropped(self, rows: Array, parts: Array | None) -> None:
        """Take rows of the records that say that lines are missing."""
        assert self._plan.dropped is not None
        metrics = self._plan.companions.values()
        for part in (0,) if parts is None else np.unique(parts).tolist():
            found = self._plan.dropped.of_rows(rows if parts is None else rows[:, parts == part])
            for pattern, dropped in found.items():
                for one in metrics if pattern < 0 else (pattern,) if pattern in metrics else ():
                    self._parts.setdefault(part, {}).setdefault(one, MetricSuspects()).add_dropped(dropped)

    def add_samples(
        self, samples: Iterable[_core._Suspect], place: Callable[[int, int, int], _Place] | None = None
    ) -> None:
        """Add the samples of a stream.

        Parameters
        ----------
        samples : iterable of (companion, kind, text, line, offset, start)
        place : callable, optional
            Converts line, offset and start in the fed bytes to the number of the input and those in it, where they differ.
        """
        for companion, kind, text, line, offset, start in samples:
            where = (0, line, offset, start) if place is None else place(line, offset, start)
            watched = self._plan.companions[companion]
            if kind == UNIT:
                self._texts[watched, where] = text
            else:
                self._samples.setdefault(watched, []).append((where, self._suspect(_KINDS[kind], text, where)))

    def end_stream(self) -> None:
        """Note that the next rows and samples are those of another stream, whose inputs follow or are later parts of this one."""
        without_unit = {} if self._first_places is None else self._first_places.take()
        if not (self._first or self._cut or self._events or self._units or self._without_unit):
            # in most logs nothing else is found
            self._without_unit = without_unit
            return
        first = {watched: rows.whole(self._cut.get(watched, set())) for watched, rows in self._first.items()}
        for watched, places in without_unit.items():
            if watched in self._cut or watched in self._events or watched in self._units:
                first[watched] = _first_whole(places, self._cut.get(watched, set()))
            else:
                self._without_unit.setdefault(watched, places)
        for watched in sorted(first.keys() | self._events.keys()):
            self._note_units(watched, first.get(watched))
        for noted in (self._first, self._cut, self._events, self._texts):
            noted.clear()

    def _note_units(self, watched: int, first: tuple[int, _Place] | None) -> None:
        """Note the units of a pattern in a stream, whose first value that is not cut is given."""
        found: list[tuple[str, tuple[int, _Place]]] = [] if first is None else [("", first)]
        if watched in self._events:
            places: dict[str, tuple[int, _Place]] = {}
            for bits, place in self._events[watched].items():
                # bytes that are no UTF-8 are shown alike
                text = unit_text(bits)
                places[text] = min(place, places.get(text, place))
            # rows before the first event have no unit
            if first is not None and first < min(places.values()):
                places[""] = first
            found = sorted(places.items(), key=lambda unit_place: unit_place[1])
        units = self._units_of(watched)
        for unit, (_, where) in found:
            if unit not in units and len(units) < MOST_UNITS:
                # of a value without a unit there is a text only where the unit changes within a stream
                sample = self._texts.get((watched, where), unit) if unit else ""
                units[unit] = self._suspect("unit", sample, where)

    def _units_of(self, watched: int) -> dict[str, Suspect]:
        units = self._units.setdefault(watched, {})
        places = self._without_unit.pop(watched, None)
        if places is not None:
            units[""] = self._first_without_unit(places)
        return units

    def _first_without_unit(self, places: bytes) -> Suspect:
        return self._suspect("unit", "", (0, *PLACE.unpack_from(places)))

    def of(self, part: int) -> LogSuspects:
        """The suspects of one input."""
        names = self._plan.names
        return {name: own for pattern, own in self._parts.get(part, {}).items() for name in names[pattern]}

    def of_all(self) -> LogSuspects:
        """The suspects of all inputs, as of one."""
        if len(self._parts) > 1:
            first, *others = self._parts.values()
            for other in others:
                for pattern, suspects in other.items():
                    first.setdefault(pattern, MetricSuspects()).merge(suspects)
            self._parts = {0: first}
        return self.of(next(iter(self._parts), 0))

    def by_part(self) -> dict[int, LogSuspects]:
        """The suspects of each input that has some, by its number."""
        return {part: self.of(part) for part in self._parts}

    def write_to(self, stats: ScanStats) -> None:
        """Set the counts of suspects and their samples in the statistics of the scan."""
        names = self._plan.names
        for pattern in self._counts.keys() | self._units.keys():
            counts = self._counts.get(pattern, (0, 0, 0, 0))
            # those of one kind of the core are in order
            samples = sorted(self._samples.get(pattern, ()), key=lambda place_suspect: place_suspect[0])
            units = self._units_of(pattern)
            for name in names[pattern]:
                metric = stats.metrics[name]
                metric.near_misses, metric.cut_values, metric.unterminated, metric.cut_lines = counts
                metric.suspects = some_of_each_kind(suspect for _, suspect in samples)
                metric.units = dict(units)
        for pattern, places in self._without_unit.items():
            first = self._first_without_unit(places)
            for name in names[pattern]:
                stats.metrics[name].units = {"": first}

    def _suspect(self, kind: SuspectKind, text: str, where: _Place) -> Suspect:
        part, *place = where
        return Suspect(kind, text, self._paths if isinstance(self._paths, str) else self._paths[part], *place)


def _last(rows: Array, offset: Array) -> int:
    """Which of these rows has the last place; of several in one record the last one."""
    return int(rows[len(rows) - 1 - int(np.argmax(offset[rows][::-1]))])


def _later(one: tuple[int, int] | None, other: tuple[int, int] | None) -> tuple[int, int] | None:
    """The later one of two places, each a line and an offset."""
    return max((place for place in (one, other) if place is not None), key=lambda place: place[1], default=None)


def _some(values: Array | None, some: Any) -> Array | None:
    return None if values is None else values[some]


class _FirstRows:
    """The first rows of a pattern in a stream of several inputs, of which the first one that is not cut is wanted."""

    def __init__(self) -> None:
        self.are_all = False
        self._rows = 0
        # of each piece, for each row: order in the stream, number of the input, line, offset and start
        self._pieces: list[Array] = []

    def add(self, rows: Any, parts: Array, order: Array | None) -> None:
        """Add the next rows of the stream; those beyond ``FIRST_ROWS`` are of no use."""
        most = FIRST_ROWS - self._rows
        line, offset, start = np.asarray(rows)[1:4, :most]
        self._pieces.append(np.array([start if order is None else order[:most], parts[:most], line, offset, start]))
        self._rows += len(line)
        self.are_all = self._rows >= FIRST_ROWS

    def whole(self, cut: AbstractSet[int]) -> tuple[int, _Place] | None:
        """The first one that is not cut, by its order in the stream, with its place."""
        for piece in self._pieces:
            orders = piece[0].tolist()
            at = next((at for at, order in enumerate(orders) if order not in cut), None)
            if at is not None:
                order, number, line, offset, start = piece[:, at].tolist()
                return order, (number, line, offset, start)
        return None


def _first_whole(places: bytes, cut: AbstractSet[int]) -> tuple[int, _Place] | None:
    """The first row of one input that is not cut, by its start, with its place."""
    rows = PLACE.iter_unpack(places)
    return next(((start, (0, line, offset, start)) for line, offset, start in rows if start not in cut), None)


def _places(
    line: Array, offset: Array, start: Array, parts: Array | None, order: Array | None
) -> list[tuple[int, _Place]]:
    """Per row its order in the stream and its place."""
    numbers = [0] * len(line) if parts is None else parts.tolist()
    places = zip(numbers, line.tolist(), offset.tolist(), start.tolist(), strict=True)
    return list(zip((start if order is None else order).tolist(), places, strict=True))


def unit_text(bits: int) -> str:
    """The unit in the value of a companion's row."""
    return ((bits & (1 << 64) - 1) >> 8).to_bytes(7, "little").rstrip(b"\0").decode("utf-8", "replace")
