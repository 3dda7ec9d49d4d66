"""The counts of scans that come in any order, and their first examples in the order of a replay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from metricscan.scanning.stats import MAX_SAMPLES, ScanStats, some_of_each_kind

if TYPE_CHECKING:
    from metricscan.scanning.stats import Sample, Suspect

#: Where a scan stands in the order of a replay.
Place: TypeAlias = tuple[Any, ...]
# So many examples are held before those that are not among the first are dropped.
_MOST_HELD = 64


class Counted:
    """Adds up the counts of scans, whatever order they come in.

    Of millions of scans it keeps what one of them has: sums, and of examples those that are first by the places of their scans.
    """

    def __init__(self) -> None:
        self._total = ScanStats()
        self._samples: dict[str, list[tuple[Place, int, Sample]]] = {}
        self._suspects: dict[tuple[str, str], list[tuple[Place, int, Suspect]]] = {}
        self._units: dict[str, dict[str, tuple[Place, int, Suspect]]] = {}
        self._undecoded: tuple[Place, int | None] | None = None

    def add(self, place: Place, stats: ScanStats) -> None:
        """Add the counts of a scan, and take its examples; no two scans have one place."""
        for name, one in stats.metrics.items():
            for at, sample in enumerate(one.samples):
                _keep(self._samples.setdefault(name, []), (place, at, sample))
            for at, suspect in enumerate(one.suspects):
                _keep(self._suspects.setdefault((name, suspect.kind), []), (place, at, suspect))
            units = self._units.setdefault(name, {}) if one.units else {}
            for at, (unit, suspect) in enumerate(one.units.items()):
                if unit not in units or (place, at) < units[unit][:2]:
                    units[unit] = place, at, suspect
            one.samples, one.suspects, one.units = [], [], {}
        if stats.undecoded_at is not None and (self._undecoded is None or place < self._undecoded[0]):
            self._undecoded = place, stats.undecoded_at
        stats.undecoded_at = None
        self._total.merge(stats)

    def stats(self) -> ScanStats:
        """The counts of all scans, as if they had been merged in the order of their places."""
        found = ScanStats()
        found.merge(self._total)
        for name, samples in self._samples.items():
            found.metrics[name].samples = _first(samples)
        for name, one in found.metrics.items():
            of_metric = [suspects for (metric, _), suspects in self._suspects.items() if metric == name]
            one.suspects = some_of_each_kind(suspect for suspects in of_metric for suspect in _first(suspects))
            units = sorted((*first[:2], unit, first[2]) for unit, first in self._units.get(name, {}).items())
            one.units = {unit: suspect for *_, unit, suspect in units}
        found.undecoded_at = None if self._undecoded is None else self._undecoded[1]
        return found


def _keep(held: list[tuple[Place, int, Any]], one: tuple[Place, int, Any]) -> None:
    held.append(one)
    if len(held) > _MOST_HELD:
        held.sort()
        del held[MAX_SAMPLES:]


def _first(held: list[tuple[Place, int, Any]]) -> list[Any]:
    return [one for *_, one in sorted(held)[:MAX_SAMPLES]]
