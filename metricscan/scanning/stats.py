"""Counts of a scan: its rows, and the texts and records that should have given a row and did not."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_SAMPLES = 5


class Sample(NamedTuple):
    """A text that gave no row: what was captured (at most 200 characters), and line and offset of its record."""

    text: str
    line: int
    offset: int


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
    """

    __slots__ = ("failed", "over_budget", "rows", "samples", "timeouts", "unparsed")

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

    def merge(self, other: MetricStats) -> None:
        """Add the counts of a later part of the input, or of another input."""
        self.rows += other.rows
        self.unparsed += other.unparsed
        self.failed += other.failed
        self.timeouts += other.timeouts
        self.over_budget += other.over_budget
        self.samples = (self.samples + other.samples)[:MAX_SAMPLES]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, MetricStats):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

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
    metrics : dict of str to MetricStats
        Every defined metric is a key.
    undecoded : int
        Units of UTF-16 or UTF-32 that are invalid; the patterns see U+FFFD in their place.
    undecoded_at : int or None
        The place of the first of them, in the first source that holds one.
    """

    __slots__ = ("bytes", "cut_off", "metrics", "records", "undecoded", "undecoded_at")

    def __init__(
        self,
        bytes: int = 0,  # noqa: A002
        records: int = 0,
        metrics: dict[str, MetricStats] | None = None,
        cut_off: int = 0,
    ) -> None:
        self.bytes = bytes
        self.records = records
        self.cut_off = cut_off
        self.undecoded = 0
        self.undecoded_at: int | None = None
        self.metrics = {} if metrics is None else metrics

    def merge(self, other: ScanStats) -> None:
        """Add the counts of a later part of the input, or of another input."""
        self.bytes += other.bytes
        self.records += other.records
        self.cut_off += other.cut_off
        self.undecoded += other.undecoded
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
        return f"ScanStats({counts}, metrics={self.metrics!r})"
