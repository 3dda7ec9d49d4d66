"""A folder of runs as one dataset: the journals of the jobs in it, with what their records say."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from metricscan.datasets.evidence import Evidence
from metricscan.datasets.journal_format import is_journal
from metricscan.datasets.journal_tables import JournalTables
from metricscan.datasets.manifest import JobFacts, Manifest
from metricscan.definitions.objective import Objective
from metricscan.errors import OptionError, SourceError
from metricscan.logs.job_record import JOURNAL, JobRecord, is_job_folder, read_record
from metricscan.logs.natural import natural_order

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def are_runs(path: str) -> bool:
    """Whether a folder holds jobs that ``metricscan run`` started."""
    return next(_folders(path), None) is not None


def _folders(path: str) -> Iterator[str]:
    """The names of the folders that are those of jobs."""
    try:
        names = os.listdir(path)
    except OSError:
        return
    yield from (name for name in names if is_job_folder(os.path.join(path, name)))


class RunTables:
    """The rows of the jobs in a folder, up to the last commits of their journals at this time.

    Parameters
    ----------
    path : str

    Attributes
    ----------
    metrics, labels : tuple of str
        Those of all jobs.

    Raises
    ------
    SourceError
        A journal or a record cannot be read, or the journal of a job that has ended does not hold all of its rows.
    OptionError
        Two jobs define a metric differently.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        names = [*_folders(path)]
        self._names = [names[at] for at in natural_order(names)]
        self._records = {name: read_record(os.path.join(path, name)) for name in self._names}
        self._tables: dict[str, JournalTables] = {}
        for name, record in self._records.items():
            journal = os.path.join(path, name, JOURNAL)
            if record.document.get("scanner") is not None and is_journal(journal):
                self._tables[name] = JournalTables(journal)
        behind = [name for name in self._tables if _is_behind(self._records[name])]
        if behind:
            places = ", ".join(behind[:5])
            jobs = "1 job" if len(behind) == 1 else f"{len(behind)} jobs"
            raise SourceError(
                f"the journals of {jobs} in {path} do not hold all of their rows, though these ended: {places}",
                path=os.path.join(path, behind[0]),
                hint=f"metricscan run --attach {os.path.join(path, behind[0])} reads the rest; replay reads the logs",
            )
        _check_definitions(path, self._records)
        self.metrics: tuple[str, ...] = tuple(
            dict.fromkeys(metric for one in self._tables.values() for metric in one.metrics)
        )
        self.labels: tuple[str, ...] = tuple(
            dict.fromkeys(label for one in self._tables.values() for label in one.labels)
        )

    def manifest(self) -> Manifest:
        """What the records and journals say besides the rows, as the manifest of a dataset."""
        documents = {name: one.manifest().document for name, one in self._tables.items()}
        notices = [notice for one in documents.values() for notice in one["notices"]]
        without = [name for name in self._names if name not in self._tables]
        if without:
            is_one = len(without) == 1
            which = (
                "1 job was run without definitions, so it has"
                if is_one
                else (f"{len(without)} jobs were run without definitions, so they have")
            )
            its = "its log" if is_one else "their logs"
            message = f"{which} no rows here: {', '.join(without[:5])}; replay reads {its}"
            notices.append({"message": message, "path": self.path})
        first: dict[str, Any] = next(iter(documents.values()), {})
        objectives = [record.document.get("objective") for record in self._records.values()]
        objective = objectives[0] if all(one == objectives[0] for one in objectives) else None
        document = {
            **first,
            "format": "journal",
            "metrics": list(self.metrics),
            "labels": list(self.labels),
            "sources": [{**source, "job": name} for name, one in documents.items() for source in one["sources"]],
            "counts": {},
            "errors": [],
            "notices": notices,
        }
        facts = [JobFacts(name, record.status, record.hyperparameters) for name, record in self._records.items()]
        return Manifest(
            document,
            facts,
            None if objective is None else Objective(objective["metric"], objective["goal"]),
            Evidence(),
        )

    def batches(self, metrics: Sequence[str]) -> Iterator[tuple[str, pa.RecordBatch]]:
        """The rows of metrics in batches, metric after metric, each in the order of the jobs.

        Raises
        ------
        SourceError
            A journal is damaged, or cannot be read.
        """
        for metric in metrics:
            for name, tables in self._tables.items():
                if metric in tables.metrics:
                    for _, batch in tables.batches([metric]):
                        yield metric, _of_job(batch, name)


def _is_behind(record: JobRecord) -> bool:
    return record.status != "InProgress" and not record.document.get("is_read")


def _check_definitions(path: str, records: dict[str, JobRecord]) -> None:
    known: dict[str, tuple[str, str]] = {}
    for name, record in records.items():
        scanner = record.document.get("scanner") or {"definitions": [], "labels": {}}
        for metric, regex in [
            *((one["Name"], one["Regex"]) for one in scanner["definitions"]),
            *scanner["labels"].items(),
        ]:
            other, before = known.setdefault(metric, (name, regex))
            if before != regex:
                raise OptionError(
                    f"{metric!r} has another regex in {other} than in {name}, in {path}: their values cannot be compared",
                    hint="replay reads the logs of all of them by one regex",
                )


def _of_job(batch: pa.RecordBatch, name: str) -> pa.RecordBatch:
    """The batch under the name of the job's folder."""
    at = batch.schema.get_field_index("job")
    codes = batch.column(at).indices
    column = pa.DictionaryArray.from_arrays(pa.array([0] * len(codes), codes.type), pa.array([name], pa.string()))
    return batch.set_column(at, batch.schema.field(at), column)
