"""Counts of a scan: its rows, and the texts and records that should have given a row and did not."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias, get_args

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_SAMPLES = 5
#: Of a row: line, offset and start.
PLACE = struct.Struct("=3q")


class Sample(NamedTuple):
    """A text that gave no row: what was captured (at most 200 characters), and line and offset of its record."""

    text: str
    line: int
    offset: int


SuspectKind: TypeAlias = Literal["near-miss", "cut-value", "unterminated", "cut-line", "unit"]


class Suspect(NamedTuple):
    """A text that may not be what the definition made of it, and its place.

    Attributes
    ----------
    kind : {"near-miss", "cut-value", "unterminated", "cut-line", "unit"}
    text : str
        What stands there, at most 200 characters: of a near miss all that the definition would match, of a cut line the rest of
        the value, with which the next record begins, else the value with what it is a part of; empty for a value without a unit
        where others have one.
    path : str
    line, offset, start : int
        Line and offset of the record; where the text, or the value in it, starts.
    """

    kind: SuspectKind
    text: str
    path: str
    line: int
    offset: int
    start: int


def some_of_each_kind(suspects: Iterable[Suspect]) -> list[Suspect]:
    """The first suspects of each kind, at most five."""
    kept: dict[str, list[Suspect]] = {kind: [] for kind in get_args(SuspectKind)}
    for suspect in suspects:
        of_kind = kept[suspect.kind]
        if len(of_kind) < MAX_SAMPLES:
            of_kind.append(suspect)
    return [suspect for of_kind in kept.values() for suspect in of_kind]


class MetricStats:
    """Counts of one metric.

    Attributes
    ----------
    rows : int
        Values found.
    unparsed : int
        Captures that ``float()`` refuses.
    failed : int
        Records on which ``re`` itself raised.
    timeouts : int
        Records on which ``regex`` ran out of time; only patterns that ``re`` refuses are left to it.
    over_budget : int
        Records on which the pattern used up its budget of steps.
    samples : list of Sample
        The first of the texts that gave no row, at most five.
    near_misses : int
        Records that do not match, and would if the value were of another kind, such as nan. This count and those that follow are
        made by ``replay`` and ``check``; a scan does not look for suspects.
    cut_values : int
        Values that end, or begin, within a longer number or a word.
    unterminated : int
        Values that end where a log ends, without a terminator: their ends may be missing.
    cut_lines : int
        Records that end within or right before a value whose rest begins the next record.
    suspects : list of Suspect
        The first of these texts, at most five of each kind.
    units : dict of str to Suspect
        The first value with each unit, in the order of the logs; the empty unit stands for none. More than one: they differ.
    """

    __slots__ = (
        "_first_value",
        "_units",
        "cut_lines",
        "cut_values",
        "failed",
        "near_misses",
        "over_budget",
        "rows",
        "samples",
        "suspects",
        "timeouts",
        "unparsed",
        "unterminated",
    )

    def __init__(
        self,
        rows: int = 0,
        unparsed: int = 0,
        failed: int = 0,
        timeouts: int = 0,
        over_budget: int = 0,
        samples: Iterable[Sample] = (),
    ) -> None:
        self.rows = rows
        self.unparsed = unparsed
        self.failed = failed
        self.timeouts = timeouts
        self.over_budget = over_budget
        self.samples = list(samples)
        self.near_misses = self.cut_values = self.unterminated = self.cut_lines = 0
        self.suspects: list[Suspect] = []
        self._units: dict[str, Suspect] = {}
        # a path, and line, offset and start as bytes: where no value has a unit, which is so in most logs
        self._first_value: tuple[str, bytes] | None = None

    @property
    def units(self) -> dict[str, Suspect]:
        """The first value with each unit."""
        if self._first_value is not None:
            path, place = self._first_value
            self.units = {"": Suspect("unit", "", path, *PLACE.unpack_from(place))}
        return self._units

    @units.setter
    def units(self, units: dict[str, Suspect]) -> None:
        self._units, self._first_value = units, None

    def set_first_value(self, path: str, place: bytes) -> None:
        """Say that no value has a unit, and where the first one stands: in this log; line, offset and start begin the bytes."""
        self._first_value = path, place

    def counts(self) -> dict[str, int]:
        """All counts, without samples."""
        scanned = ("rows", "unparsed", "failed", "timeouts", "over_budget")
        watched = ("near_misses", "cut_values", "unterminated", "cut_lines")
        return {kind: getattr(self, kind) for kind in (*scanned, *watched)}

    def merge(self, other: MetricStats) -> None:
        """Add the counts of a later part of the input, or of another input."""
        self.rows += other.rows
        self.unparsed += other.unparsed
        self.failed += other.failed
        self.timeouts += other.timeouts
        self.over_budget += other.over_budget
        self.samples = (self.samples + other.samples)[:MAX_SAMPLES]
        self.near_misses += other.near_misses
        self.cut_values += other.cut_values
        self.unterminated += other.unterminated
        self.cut_lines += other.cut_lines
        if other.suspects:
            self.suspects = some_of_each_kind(self.suspects + other.suspects)
        is_known = other._first_value is not None and (self._first_value is not None or "" in self._units)
        if not is_known and other.units:
            self.units = {**self.units, **{unit: one for unit, one in other.units.items() if unit not in self.units}}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, MetricStats):
            return NotImplemented
        names = (*(name for name in self.__slots__ if name[0] != "_"), "units")
        return all(getattr(self, name) == getattr(other, name) for name in names)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        counts = ", ".join(f"{name}={getattr(self, name)!r}" for name in ("rows", "unparsed", "failed", "timeouts"))
        return f"MetricStats({counts}, over_budget={self.over_budget!r}, samples={self.samples!r})"


class ScanStats:
    """Counts of a scan.

    Attributes
    ----------
    bytes : int
        Bytes of decompressed input.
    records : int
        Records that have ended.
    cut_off : int
        Records that give no row because a read error or damaged compression cut them off. They are not among ``records``.
    too_long : int
        Records of more than ``max_record_bytes``, which give no row. They are among ``records``.
    metrics : dict of str to MetricStats
        Every defined metric is a key.
    undecoded : int
        Units of UTF-16 or UTF-32 that are invalid; the patterns see U+FFFD in their place.
    undecoded_at : int or None
        The place of the first of them, in the first source that holds one.
    without_message : int
        Events of exports in JSON that have no message, and so no record.
    """

    __slots__ = ("bytes", "cut_off", "metrics", "records", "too_long", "undecoded", "undecoded_at", "without_message")

    def __init__(
        self,
        bytes: int = 0,  # noqa: A002
        records: int = 0,
        metrics: dict[str, MetricStats] | None = None,
        cut_off: int = 0,
        too_long: int = 0,
    ) -> None:
        self.bytes = bytes
        self.records = records
        self.cut_off = cut_off
        self.too_long = too_long
        self.undecoded = 0
        self.undecoded_at: int | None = None
        self.without_message = 0
        self.metrics = {} if metrics is None else metrics

    def merge(self, other: ScanStats) -> None:
        """Add the counts of a later part of the input, or of another input."""
        self.bytes += other.bytes
        self.records += other.records
        self.cut_off += other.cut_off
        self.too_long += other.too_long
        self.undecoded += other.undecoded
        self.without_message += other.without_message
        if self.undecoded_at is None:
            self.undecoded_at = other.undecoded_at
        for name, counts in other.metrics.items():
            own = self.metrics.get(name)
            if own is None:
                own = self.metrics[name] = MetricStats()
            own.merge(counts)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ScanStats):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        counts = f"bytes={self.bytes}, records={self.records}, cut_off={self.cut_off}"
        counts += f", too_long={self.too_long}" if self.too_long else ""
        return f"ScanStats({counts}, metrics={self.metrics!r})"
