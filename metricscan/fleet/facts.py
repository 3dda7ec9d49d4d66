"""What a scan knows of logs besides their rows, as JSON that gives back equal objects in another process."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from metricscan.errors import SourceError
from metricscan.scanning.dropped import Dropped
from metricscan.scanning.stats import MetricStats, Sample, ScanStats, Suspect
from metricscan.scanning.suspects import MOST_CUT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from metricscan.datasets.evidence import SuspectsOfMetric
    from metricscan.datasets.rows import Array


def dumped(document: Mapping[str, Any]) -> str:
    """The text of a note."""
    # names and samples may hold lone surrogates, which only escapes can carry
    return json.dumps(document, ensure_ascii=True, separators=(",", ":"))


# ---- counts


def of_stats(stats: ScanStats) -> dict[str, Any]:
    """The counts of a scan; metrics of which there is nothing to say are left out."""
    nothing = MetricStats()
    return {
        "bytes": stats.bytes,
        "records": stats.records,
        "cut_off": stats.cut_off,
        "too_long": stats.too_long,
        "undecoded": stats.undecoded,
        "undecoded_at": stats.undecoded_at,
        "without_message": stats.without_message,
        "metrics": {name: _of_metric(one) for name, one in stats.metrics.items() if one != nothing},
    }


def to_stats(document: Mapping[str, Any]) -> ScanStats:
    """The counts that :func:`of_stats` described."""
    stats = ScanStats(
        document["bytes"], document["records"], cut_off=document["cut_off"], too_long=document["too_long"]
    )
    stats.undecoded, stats.undecoded_at = document["undecoded"], document["undecoded_at"]
    stats.without_message = document["without_message"]
    stats.metrics = {name: _to_metric(one) for name, one in document["metrics"].items()}
    return stats


def moved(stats: ScanStats, lines: int) -> ScanStats:
    """The counts of a part of a log before which so many lines stand."""
    for one in stats.metrics.values():
        one.samples = [sample._replace(line=sample.line + lines) for sample in one.samples]
        one.suspects = [suspect._replace(line=suspect.line + lines) for suspect in one.suspects]
        one.units = {unit: suspect._replace(line=suspect.line + lines) for unit, suspect in one.units.items()}
    return stats


def _of_metric(one: MetricStats) -> dict[str, Any]:
    return {
        "counts": one.counts(),
        "samples": one.samples,
        "suspects": one.suspects,
        "units": one.units,
    }


def _to_metric(document: Mapping[str, Any]) -> MetricStats:
    counts = document["counts"]
    stats = MetricStats(samples=[Sample(*one) for one in document["samples"]])
    for kind, count in counts.items():
        setattr(stats, kind, count)
    stats.suspects = [Suspect(*one) for one in document["suspects"]]
    stats.units = {unit: Suspect(*one) for unit, one in document["units"].items()}
    return stats


# ---- errors


def of_error(error: SourceError) -> dict[str, Any]:
    """An error without its cause, whose reason is part of the message."""
    return {"message": error.message, "path": error.path, "offset": error.offset, "hint": error.hint}


def to_error(document: Mapping[str, Any]) -> SourceError:
    """The error that :func:`of_error` described."""
    return SourceError(**document)


# ---- suspects


class FoundSuspects:
    """The suspects of one metric in one log, as a scan of another process noted them; see ``SuspectsOfMetric``."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        near, line, dropped = document["last_near_miss"], document["last_cut_line"], document["dropped"]
        self.last_near_miss: tuple[int, int] | None = None if near is None else (near[0], near[1])
        self.is_not_finite: bool = document["is_not_finite"]
        self.last_cut_line: tuple[int, int] | None = None if line is None else (line[0], line[1])
        self.unterminated_start: int | None = document["unterminated_start"]
        self.cut_starts: Array = np.array(document["cut_starts"], np.int64)
        self.cut_line_starts: Array = np.array(document["cut_line_starts"], np.int64)
        self.dropped: Dropped | None = None
        if dropped is not None:
            self.dropped = Dropped._make(tuple(one) if isinstance(one, list) else one for one in dropped)
        self._cut_behind: bool = document["cut_behind"]

    def moved(self, lines: int) -> FoundSuspects:
        """Those of a part of a log before which so many lines stand; changes and returns this object."""
        self.last_near_miss, self.last_cut_line = (
            None if place is None else (place[0] + lines, place[1])
            for place in (self.last_near_miss, self.last_cut_line)
        )
        if self.dropped is not None:
            first, last = ((line + lines, offset) for line, offset in (self.dropped.first, self.dropped.last))
            self.dropped = self.dropped._replace(first=first, last=last)
        return self

    def plus(self, later: FoundSuspects) -> FoundSuspects:
        """Add those of the next part of the log; changes and returns this object."""
        if later.last_near_miss is not None:
            self.last_near_miss, self.is_not_finite = later.last_near_miss, later.is_not_finite
        self.last_cut_line = later.last_cut_line or self.last_cut_line
        if later.unterminated_start is not None:
            self.unterminated_start = later.unterminated_start
        if not self._cut_behind:
            kept = np.union1d(self.cut_starts, later.cut_starts)
            self._cut_behind = later._cut_behind or len(kept) >= MOST_CUT
            self.cut_starts = kept[:MOST_CUT]
        self.cut_line_starts = np.union1d(self.cut_line_starts, later.cut_line_starts)[:MOST_CUT]
        if later.dropped is not None:
            self.dropped = later.dropped if self.dropped is None else self.dropped.plus(later.dropped)
        return self

    def is_cut(self, start: int) -> bool:
        """Whether the value that starts here is cut; of too many to keep, all behind the last one that is kept are."""
        at = int(np.searchsorted(self.cut_starts, start))
        is_kept = at < len(self.cut_starts) and int(self.cut_starts[at]) == start
        return is_kept or (self._cut_behind and at == len(self.cut_starts))


def of_suspects(one: SuspectsOfMetric) -> dict[str, Any]:
    """The suspects of one metric in one log."""
    return {
        "last_near_miss": one.last_near_miss,
        "is_not_finite": one.is_not_finite,
        "last_cut_line": one.last_cut_line,
        "unterminated_start": one.unterminated_start,
        "cut_starts": one.cut_starts.tolist(),
        "cut_line_starts": one.cut_line_starts.tolist(),
        "dropped": one.dropped,
        # no value starts there
        "cut_behind": one.is_cut(np.iinfo(np.int64).max),
    }
