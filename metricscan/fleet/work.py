"""What one task of a replay on an engine does: scan logs, write their rows, and give back what is known of their jobs."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metricscan import __version__
from metricscan.datasets import formats
from metricscan.datasets.folder_names import folder_names
from metricscan.datasets.place import TASKS
from metricscan.datasets.schema import LABEL_SCHEMA, SCHEMA
from metricscan.errors import OptionError, SourceError
from metricscan.fleet import facts
from metricscan.fleet.partials import PARTIAL, decide_scan, needed_for
from metricscan.fleet.scanned import scan_of
from metricscan.fleet.tables import LOGS, packed, unpacked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from metricscan.definitions.objective import Objective
    from metricscan.errors import MetricscanError
    from metricscan.scanning.deferred import RegexTime
    from metricscan.scanning.options import InputFormat
    from metricscan.scanning.scanner import Scanner

# No packed table begins so.
_ERROR = b"metricscan error "


@dataclass(frozen=True)
class Work:
    """A task's work, which engines send to their workers. It takes and gives bytes, which no engine changes.

    Attributes
    ----------
    scanner : Scanner
    objective : Objective or None
    at_best : tuple of str
    input_format : str
    max_decompressed : int
    folder : str or None
        Where the rows are written; None: nowhere.
    format : str
        Of the files.
    csv_guard : bool
        Whether texts in CSV that a spreadsheet would run are changed.
    version : str
        The version of metricscan of whoever made it.
    working_folder : str
        That of whoever made it, from which relative paths lead.
    regex_time : RegexTime or None
        What the logs of all tasks have together; None where no regex needs it.
    """

    scanner: Scanner
    objective: Objective | None
    at_best: tuple[str, ...]
    input_format: InputFormat
    max_decompressed: int
    folder: str | None = None
    format: str = "parquet"
    csv_guard: bool = True
    version: str = __version__
    working_folder: str = field(default_factory=os.getcwd)
    regex_time: RegexTime | None = None

    def __call__(self, task: bytes) -> bytes:
        """Do a task, given as :func:`packed` logs; gives back a packed partial ranking, or what :func:`error_in` understands.

        It is an error if this machine has another version of metricscan, if paths of logs are relative and lead elsewhere here,
        or if the rows cannot be written.
        """
        try:
            return self._partial(task)
        except (OptionError, SourceError) as error:
            # of an error that is raised, most engines give back only a text with a traceback
            hint = {"message": error.message, "hint": error.hint}
            noted = facts.of_error(error) if isinstance(error, SourceError) else hint
            return _ERROR + facts.dumped(noted).encode()

    def _partial(self, task: bytes) -> bytes:
        if self.version != __version__:
            raise OptionError(
                f"{os.uname().nodename} has metricscan {__version__}; {self.version} was expected",
                hint="install one version on all machines",
            )
        logs = unpacked(task)
        relative = next((path for path in logs["path"].to_pylist() if not os.path.isabs(path)), None)
        if relative is not None and os.getcwd() != self.working_folder:
            raise OptionError(
                f"{os.uname().nodename} works in {os.getcwd()}, and {relative} is a path in {self.working_folder}",
                hint="give absolute paths",
            )
        scan = scan_of(
            logs,
            self.scanner.sharing_regex_time(self.regex_time),
            input_format=self.input_format,
            max_decompressed=self.max_decompressed,
            wanted=needed_for(self.objective, self.at_best) if self.folder is None else None,
        )
        written = [] if self.folder is None else list(self._written(scan.rows, logs, self.folder))
        partial = decide_scan(scan, self.objective, self.at_best)
        return packed(pa.concat_tables([partial, pa.Table.from_pylist(written, schema=PARTIAL)]))

    def _written(self, rows: dict[str, pa.Table], logs: pa.Table, folder: str) -> Iterator[dict[str, Any]]:
        """Write the rows of each stretch of logs that follow each other; yields a row that names the files of each."""
        numbers = logs["number"].to_numpy()
        stretches = np.split(np.arange(len(numbers)), np.flatnonzero(np.diff(numbers) != 1) + 1)
        # attempts of one task do not know of each other: each has names of its own, and the manifest's author takes one
        own = os.path.join(folder, TASKS, secrets.token_hex(8))
        try:
            os.mkdir(own)
            for stretch in stretches:
                head = logs.slice(int(stretch[0]), 1).select(["number", "job", "stream", "part"]).to_pylist()[0]
                some = rows
                if len(stretches) > 1:
                    some = {
                        name: _between(table, numbers[stretch[0]], numbers[stretch[-1]]) for name, table in rows.items()
                    }
                files = dict(self._files(some, os.path.join(own, str(head["number"]))))
                yield head | {"kind": "files", "note": facts.dumped(files)}
        except OSError as error:
            message = f"cannot write {own}"
            hint = "all machines must see the output folder under one path" if not os.path.isdir(folder) else None
            raise SourceError(message, path=own, cause=error, hint=hint) from error

    def _files(self, rows: dict[str, pa.Table], folder: str) -> Iterator[tuple[str, str]]:
        """Write the rows of each metric; yields its name and the path of its file."""
        os.mkdir(folder)
        labels = frozenset(self.scanner.labels)
        names = folder_names(self.scanner.metrics)
        for name, table in rows.items():
            if not table.num_rows:
                continue
            schema = LABEL_SCHEMA if name in labels else SCHEMA
            codes = pa.array(np.zeros(table.num_rows, np.int32))
            metric = pa.DictionaryArray.from_arrays(codes, pa.array([name], pa.string()))
            columns = [metric if key == "metric" else table[key] for key in schema.names]
            path = os.path.join(folder, f"{names[name]}.{self.format}")
            writer = formats.writer_of(self.format, path, schema, csv_guard=self.csv_guard)
            try:
                writer.write(pa.table(columns, schema=schema))
                writer.close()
            except BaseException:
                writer.abandon()
                raise
            yield name, path


def _between(rows: pa.Table, first: int, last: int) -> pa.Table:
    """The rows of the logs from one number to another."""
    return rows.filter(pc.and_(pc.greater_equal(rows["number"], first), pc.less_equal(rows["number"], last)))


def error_in(partial: bytes) -> MetricscanError | None:
    """The error that a task gave back in the place of a partial ranking."""
    if not partial.startswith(_ERROR):
        return None
    noted = json.loads(partial[len(_ERROR) :])
    return SourceError(**noted) if "path" in noted else OptionError(noted["message"], hint=noted["hint"])


def tasks_as_bytes(tasks: list[pa.Table]) -> list[bytes]:
    """Tasks as an engine gets them."""
    return [packed(task.select(LOGS.names)) for task in tasks]
