"""A folder of runs as one dataset: the journals of the jobs in it, with what their records say."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from metricscan.datasets.evidence import OF_LOGS, Evidence, Unit
from metricscan.datasets.journal_format import is_journal
from metricscan.datasets.journal_lock import is_being_written
from metricscan.datasets.journal_tables import JournalTables
from metricscan.datasets.manifest import JobFacts, Manifest
from metricscan.datasets.output_tables import OutputTables
from metricscan.definitions.blocks import BLOCK
from metricscan.definitions.objective import Objective
from metricscan.errors import OptionError
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

    The journal of a job whose reader was killed does not hold all of its rows: those of its logs are taken.

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
        A journal, a record, or the log of a job without a reader cannot be read.
    OptionError
        Two jobs define a metric differently.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        names = [*_folders(path)]
        self._names = [names[at] for at in natural_order(names)]
        self._records = {name: read_record(os.path.join(path, name)) for name in self._names}
        self._tables: dict[str, JournalTables | OutputTables] = {}
        self._notices: list[dict[str, str]] = []
        behind, lost = [], []
        for name, record in self._records.items():
            folder = os.path.join(path, name)
            if record.document.get("scanner") is None:
                continue
            logs = None if _is_whole(folder, record) else OutputTables(folder, record)
            if logs is not None and logs.are_there():
                self._tables[name] = logs
                behind.append(name)
                continue
            if logs is not None and record.status != "InProgress":
                # no value of it can be the last one for certain
                self._records[name] = record._replace(status="Unknown")
                lost.append(name)
            if is_journal(os.path.join(folder, JOURNAL)):
                self._tables[name] = JournalTables(os.path.join(folder, JOURNAL))
        if behind:
            self._note("do not hold all of their rows, so the logs are read instead", behind)
        if lost:
            self._note("do not hold all of their rows, and the logs cannot be read: the status counts as Unknown", lost)
        _check_definitions(path, self._records)
        # where one job has none, its blocks are not known
        all_have_blocks = all(BLOCK in one.labels for one in self._tables.values())
        self.metrics: tuple[str, ...] = tuple(
            dict.fromkeys(
                metric for one in self._tables.values() for metric in one.metrics if metric != BLOCK or all_have_blocks
            )
        )
        self.labels: tuple[str, ...] = tuple(
            label
            for label in dict.fromkeys(label for one in self._tables.values() for label in one.labels)
            if label in self.metrics
        )

    def _note(self, what: str, names: Sequence[str]) -> None:
        jobs = "1 job" if len(names) == 1 else f"{len(names)} jobs"
        places = ", ".join(names[:5])
        self._notices.append({"message": f"the journals of {jobs} {what}: {places}", "path": self.path})

    def manifest(self) -> Manifest:
        """What the records and journals say besides the rows, as the manifest of a dataset."""
        documents = {
            name: one.document() if isinstance(one, OutputTables) else one.manifest().document
            for name, one in self._tables.items()
        }
        notices = [*self._notices, *(notice for one in documents.values() for notice in one["notices"])]
        without = [name for name, record in self._records.items() if record.document.get("scanner") is None]
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
            "is_followed": True,
            "metrics": list(self.metrics),
            "labels": list(self.labels),
            "sources": [{**source, "job": name} for name, one in documents.items() for source in one["sources"]],
            "counts": {},
            "unknown_doubts": [
                kind for kind in OF_LOGS if any(kind in one["unknown_doubts"] for one in documents.values())
            ],
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

    def evidence(self) -> Evidence:
        """What was noted of the jobs' logs besides their rows.

        Raises
        ------
        SourceError
            A journal is damaged, or a log cannot be read.
        """
        found = Evidence()
        unknown: set[str] = set()
        with_units: set[str] = set()
        for name, tables in self._tables.items():
            own = tables.evidence()
            unknown.update(own.unknown)
            for (_, stream, part), noted in own.logs.items():
                found.add(name, stream, part, noted)
            with_units |= own.units.keys()
        # also of jobs whose values have none, which are compared with the others
        for metric in with_units:
            units: dict[str, Unit] = {}
            for tables in self._tables.values():
                for unit in tables.units(metric):
                    units.setdefault(unit.unit, unit)
            found.units[metric] = [*units.values()]
        found.unknown = tuple(kind for kind in OF_LOGS if kind in unknown)
        return found

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


def _is_whole(folder: str, record: JobRecord) -> bool:
    """Whether the journal of a job holds all of its rows, or somebody is adding them."""
    journal = os.path.join(folder, JOURNAL)
    if not is_journal(journal):
        return False
    return is_being_written(journal) if record.status == "InProgress" else bool(record.document.get("is_read"))


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
