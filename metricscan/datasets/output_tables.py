"""The rows of a job that was run, out of its logs: for where its journal does not hold all of them."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING, Any

from metricscan.datasets.evidence import OF_CRASHES, OF_VALUES
from metricscan.datasets.journal_format import FollowedFile
from metricscan.datasets.journal_tables import labelled
from metricscan.definitions.definition import MetricDefinition
from metricscan.logs.natural import natural_order
from metricscan.scanning.scanner import Scanner

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

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
            "unknown_doubts": [*OF_VALUES, OF_CRASHES],
            "notices": [],
        }

    @cached_property
    def _rows(self) -> list[tuple[FollowedFile, Mapping[str, pa.Table]]]:
        return [(file, self._scanner.scan(file.path)) for file in self._files]

    def batches(self, metrics: Sequence[str]) -> Iterator[tuple[str, pa.RecordBatch]]:
        """The rows of metrics in batches, as those of a journal.

        Raises
        ------
        SourceError
            A log cannot be read.
        """
        for metric in metrics:
            found = [(file, batch) for file, tables in self._rows for batch in tables[metric].to_batches()]
            if found:
                yield metric, labelled(found)
