"""The rows of a job that was run, out of its logs: for where its journal does not hold all of them."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from metricscan.datasets.evidence import Evidence, LogEvidence, Unit
from metricscan.datasets.journal_state import FollowedFile
from metricscan.datasets.journal_tables import labelled
from metricscan.definitions.definition import MetricDefinition
from metricscan.logs.natural import natural_order
from metricscan.scanning.scanner import Scanner

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

    from metricscan.logs.job_record import JobRecord


class OutputTables:
    """The rows in the logs of one job, up to their ends when rows are first asked for; they are held in memory.

    Parameters
    ----------
    folder : str
        That of the job.
    record : JobRecord
        It has a scanner.

    Attributes
    ----------
    metrics, labels : tuple of str
    """

    def __init__(self, folder: str, record: JobRecord) -> None:
        reads = record.document["scanner"]
        definitions = [MetricDefinition(one["Name"], one["Regex"]) for one in reads["definitions"]]
        self._scanner = Scanner(definitions, labels=reads["labels"], untamed="allow", **reads["options"])
        self._reads = reads
        names = record.document["outputs"]
        self._files = [
            FollowedFile(record.job, names[at], 0, os.path.join(folder, names[at])) for at in natural_order(names)
        ]
        self.metrics: tuple[str, ...] = tuple(self._scanner.metrics)
        self.labels: tuple[str, ...] = tuple(self._scanner.labels)

    def are_there(self) -> bool:
        """Whether the logs can be read."""
        return all(os.path.isfile(file.path) and os.access(file.path, os.R_OK) for file in self._files)

    def document(self) -> dict[str, Any]:
        """What is known besides the rows, as in the manifest of a journal."""
        return {
            **self._reads,
            "sources": [file._asdict() for file in self._files],
            "unknown_doubts": [],
            "notices": [],
        }

    @cached_property
    def _scans(self) -> list[_Scan]:
        return [_scan(self._scanner, file) for file in self._files]

    def evidence(self) -> Evidence:
        """What the scan noted of the logs besides their rows.

        Raises
        ------
        SourceError
            A log cannot be read.
        """
        found = Evidence()
        for one in self._scans:
            found.add(*one.file.key, one.noted)
        of_all = {name: self.units(name) for name in self.metrics}
        found.units = {name: units for name, units in of_all.items() if any(unit.unit for unit in units)}
        return found

    def units(self, metric: str) -> list[Unit]:
        """The distinct units of a metric."""
        found: dict[str, Unit] = {}
        for one in self._scans:
            for unit in one.units.get(metric, ()):
                found.setdefault(unit.unit, unit)
        return [*found.values()]

    def batches(self, metrics: Sequence[str]) -> Iterator[tuple[str, pa.RecordBatch]]:
        """The rows of metrics in batches, as those of a journal.

        Raises
        ------
        SourceError
            A log cannot be read.
        """
        for metric in metrics:
            found = [(one.file, batch) for one in self._scans for batch in one.batches.get(metric, ())]
            if found:
                yield metric, labelled(found)


class _Scan(NamedTuple):
    """What a log holds."""

    file: FollowedFile
    batches: dict[str, list[pa.RecordBatch]]
    noted: LogEvidence
    units: dict[str, list[Unit]]


def _scan(scanner: Scanner, file: FollowedFile) -> _Scan:
    batches: dict[str, list[pa.RecordBatch]] = {}
    last_row = -1
    with scanner.watching_batches(file.path) as running:
        for name, batch in running:
            batches.setdefault(name, []).append(batch)
            last_row = max(last_row, batch["offset"][-1].as_py())
    crash = running.crash()
    if crash is not None and crash.after is not None and last_row >= crash.after:
        crash = None
    units = {
        name: [Unit(unit, first.text, first.path, first.line, first.offset) for unit, first in counts.units.items()]
        for name, counts in running.stats.metrics.items()
    }
    suspects = running.found_suspects()
    return _Scan(file, batches, LogEvidence(file.path, crash, suspects), units)
