"""What a scan noted of logs besides their rows, and may be a reason to doubt a job: crashes, suspects, second starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from metricscan.scanning.dropped import Dropped

if TYPE_CHECKING:
    from collections.abc import Mapping

    from metricscan.datasets.rows import Array
    from metricscan.logs.crashes import Crash

#: The doubts that what a scan notes of values raises, a crash, and a second start of a program that no step shows.
OF_VALUES = ("near-miss-after", "cut-value", "unterminated", "cut-line", "dropped-lines")
OF_CRASHES = "crashed"
OF_STARTS = "restarted"
#: All doubts that may not be known.
OF_LOGS = (*OF_VALUES, OF_CRASHES, OF_STARTS)

# The manifest keeps the places of so many cut values of a log and metric: the first half of them and the last.
_MOST_STARTS = 1_000


class SuspectsOfMetric(Protocol):
    """What a log holds of a metric that its rows do not show."""

    @property
    def last_near_miss(self) -> tuple[int, int] | None:
        """Line and offset of the last record that would give a row if the value could be any text that stands for a number."""

    @property
    def is_not_finite(self) -> bool:
        """Whether that record says nan or inf."""

    @property
    def cut_starts(self) -> Array:
        """The starts of the values that are only a part of what stands there, in ascending order; int64."""

    @property
    def unterminated_start(self) -> int | None:
        """The start of the value that touches the end of a log without a final terminator."""

    @property
    def dropped(self) -> Dropped | None:
        """The lines of the metric that the log does not hold, as far as it says so."""

    @property
    def last_cut_line(self) -> tuple[int, int] | None:
        """Line and offset of the last record that ends within or right before a value whose rest begins the next record."""

    @property
    def cut_line_starts(self) -> Array:
        """The starts of the values with which such records end, in ascending order; int64."""

    def is_cut(self, start: int) -> bool:
        """Whether the value that starts here is only a part of what stands there; also where not all such places are kept."""


class NotedSuspects(NamedTuple):
    """The suspects of a metric as a manifest keeps them; see :class:`SuspectsOfMetric`."""

    last_near_miss: tuple[int, int] | None = None
    cut_starts: Array = np.empty(0, dtype=np.int64)
    unterminated_start: int | None = None
    dropped: Dropped | None = None
    last_cut_line: tuple[int, int] | None = None
    cut_line_starts: Array = np.empty(0, dtype=np.int64)
    is_not_finite: bool = False

    def is_cut(self, start: int) -> bool:
        """Whether the value that starts here is among those that are cut."""
        at = int(np.searchsorted(self.cut_starts, start))
        return at < len(self.cut_starts) and int(self.cut_starts[at]) == start


class Unit(NamedTuple):
    """What stands behind values of a metric, the first value with it, and its place."""

    unit: str
    text: str
    path: str
    line: int
    offset: int


class Restart(NamedTuple):
    """A place at which the program of a log seems to have been started again, though no step says so.

    Attributes
    ----------
    metric : str or None
        The metric whose values stand before it and behind it; None: any.
    message : str
        What shows it.
    line, offset : int or None
        The record there; None if the log has no such places.
    """

    metric: str | None
    message: str
    line: int | None
    offset: int | None


class LogEvidence(NamedTuple):
    """What was noted of one log.

    Attributes
    ----------
    path : str
    crash : Crash or None
        The crash with which the log ends. Of a rotated stream only its last piece has one.
    suspects : mapping of str to SuspectsOfMetric
        By metric; those of which there is something to say.
    restarts : tuple of Restart
        At most one for each metric, and one for counters.
    """

    path: str
    crash: Crash | None
    suspects: Mapping[str, SuspectsOfMetric]
    restarts: tuple[Restart, ...] = ()


class Evidence:
    """What was noted of all logs of which there is something to say.

    Attributes
    ----------
    logs : dict of (str, str, int) to LogEvidence
        By job, stream and part.
    units : dict of str to list of Unit
        By metric, the distinct units of its values. One unit is no reason for a doubt, several are.
    unknown : tuple of str
        The kinds of doubts that may be missing: of some logs it was not noted what raises them.
    """

    def __init__(self) -> None:
        self.unknown: tuple[str, ...] = ()
        self.logs: dict[tuple[str, str, int], LogEvidence] = {}
        self.units: dict[str, list[Unit]] = {}

    def add(self, job: str, stream: str, part: int, noted: LogEvidence) -> None:
        """Note what there is to say of a log; nothing if that is nothing."""
        if noted.crash is not None or noted.suspects or noted.restarts:
            self.logs[job, stream, part] = noted

    # ---- in a manifest

    def of_source(self, job: str, stream: str, part: int) -> dict[str, Any]:
        """What the manifest says of a log besides its counts."""
        noted = self.logs.get((job, stream, part))
        if noted is None:
            return {}
        entry: dict[str, Any] = {}
        if noted.crash is not None:
            entry["crash"] = noted.crash._asdict()
        if noted.suspects:
            entry["suspects"] = {name: _as_json(one) for name, one in noted.suspects.items()}
        if noted.restarts:
            entry["restarts"] = [one._asdict() for one in noted.restarts]
        return entry

    def of_units(self) -> dict[str, list[dict[str, Any]]]:
        """What the manifest says of units."""
        return {name: [unit._asdict() for unit in units] for name, units in self.units.items()}

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Evidence:
        """The evidence in a manifest. That of an earlier version has none.

        Raises
        ------
        KeyError, TypeError, ValueError
            The manifest is invalid.
        """
        evidence = cls()
        evidence.unknown = tuple(map(str, document.get("unknown_doubts", ())))
        for source in document["sources"]:
            if "crash" in source or "suspects" in source or "restarts" in source:
                noted = {name: _from_json(one) for name, one in source.get("suspects", {}).items()}
                crash = _crash(source["crash"]) if "crash" in source else None
                restarts = tuple(Restart(**one) for one in source.get("restarts", ()))
                log = LogEvidence(source["path"], crash, noted, restarts)
                evidence.add(source["job"], source["stream"], source.get("part", 0), log)
        evidence.units = {
            name: [Unit(**unit) for unit in units] for name, units in dict(document.get("units", {})).items()
        }
        return evidence


def _crash(entry: Mapping[str, Any]) -> Crash:
    from metricscan.logs.crashes import Crash

    return Crash(**entry)


def _as_json(suspects: SuspectsOfMetric) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "last_near_miss": suspects.last_near_miss,
        "cut_starts": _some(suspects.cut_starts),
        "unterminated_start": suspects.unterminated_start,
        **({"is_not_finite": True} if suspects.is_not_finite else {}),
        **({} if suspects.dropped is None else {"dropped": suspects.dropped._asdict()}),
    }
    if suspects.last_cut_line is not None:
        entry["last_cut_line"] = suspects.last_cut_line
        entry["cut_line_starts"] = _some(suspects.cut_line_starts)
    return entry


def _some(starts: Array) -> list[int]:
    """All starts, or the first ones and the last ones."""
    if len(starts) > _MOST_STARTS:
        starts = np.concatenate((starts[: _MOST_STARTS // 2], starts[-(_MOST_STARTS // 2) :]))
    found: list[int] = starts.tolist()
    return found


def _from_json(entry: Mapping[str, Any]) -> NotedSuspects:
    near, unterminated, line = entry["last_near_miss"], entry["unterminated_start"], entry.get("last_cut_line")
    return NotedSuspects(
        None if near is None else (int(near[0]), int(near[1])),
        np.array(entry["cut_starts"], dtype=np.int64),
        None if unterminated is None else int(unterminated),
        _dropped(entry["dropped"]) if "dropped" in entry else None,
        None if line is None else (int(line[0]), int(line[1])),
        np.array(entry.get("cut_line_starts", ()), dtype=np.int64),
        bool(entry.get("is_not_finite", False)),
    )


def _dropped(entry: Mapping[str, Any]) -> Dropped:
    (line, offset), (last_line, last_offset) = entry["first"], entry["last"]
    first, last = (int(line), int(offset)), (int(last_line), int(last_offset))
    return Dropped(int(entry["lines"]), int(entry["records"]), first, last, str(entry["writer"]), str(entry["remedy"]))
