"""Scan a batch of logs into one table; what an engine calls on its workers."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metricscan import __version__
from metricscan.errors import OptionError, SourceError, check_kind
from metricscan.fleet.found import facts_table, log_note
from metricscan.fleet.ranges import scan_range
from metricscan.fleet.rows import LogNames, Scan, merged_rows
from metricscan.fleet.tables import LOGS, SCANNED, conformed, joined
from metricscan.logs.archives import kind_of, read_archive
from metricscan.logs.compression import MAX_DECOMPRESSED
from metricscan.logs.job import Log, Piece
from metricscan.logs.source import open_source
from metricscan.replaying.log_scan import LogScanner
from metricscan.replaying.progress import ProgressCounter
from metricscan.replaying.schedule import Schedule
from metricscan.replaying.second_start import Restarts
from metricscan.scanning.scanner import Scanner
from metricscan.scanning.small_logs import MOST_BYTES

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping, Sequence

    from metricscan.logs.archives import Archive
    from metricscan.logs.source import Source
    from metricscan.scanning.options import InputFormat


def scan_batch(
    logs: pa.Table | pa.RecordBatch,
    scanner: Scanner,
    *,
    input_format: InputFormat = "auto",
    max_decompressed: int = MAX_DECOMPRESSED,
) -> pa.Table:
    """Scan logs, on one thread and without state that outlives the call.

    Parameters
    ----------
    logs : pyarrow.Table or pyarrow.RecordBatch
        A row per log, as :func:`list_logs` gives it, or with the column ``path`` alone: then each path is a job, named by it. A
        column ``bytes`` (binary) holds the content of the logs, where an engine has read them; paths then are names. With the
        columns ``start`` and ``end``, a row is a range of bytes of a large plain log, as :func:`in_ranges` gives it: it has the
        records that begin in it.
    scanner : Scanner
        It can be pickled, so that engines can send it to their workers.
    input_format : str
    max_decompressed : int

    Returns
    -------
    pyarrow.Table
        With :data:`metricscan.fleet.tables.SCANNED`: ``number``, ``job``, ``stream``, ``part``, ``kind``, ``metric``, ``value``,
        ``text``, ``line``, ``offset``, ``start``, ``time``, ``note``. The ``kind`` is ``"value"``, ``"label"``, ``"log"``,
        ``"counts"``, ``"error"``, ``"crash"``, ``"suspects"`` or ``"restart"``.
        The ``text`` of an error says why a log cannot be read; the rows
        before the error are there.

    Raises
    ------
    OptionError
        A column is missing or of another type, a log is there twice, or a log shares a file with logs that are not in the batch.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from metricscan import Scanner
    >>> log = pathlib.Path(tempfile.mkdtemp()) / "a.log"
    >>> _ = log.write_text("loss=0.5\\nloss=0.25\\n")
    >>> found = scan_batch(pa.table({"path": [str(log)]}), Scanner(["loss=loss=([0-9.]+)"]))
    >>> found.filter(pa.compute.field("kind") == "value").select(["metric", "value", "line"]).to_pylist()
    [{'metric': 'loss', 'value': 0.5, 'line': 1}, {'metric': 'loss', 'value': 0.25, 'line': 2}]
    """
    return scan_of(logs, scanner, input_format=input_format, max_decompressed=max_decompressed).as_table()


def scan_of(
    logs: pa.Table | pa.RecordBatch,
    scanner: Scanner,
    *,
    input_format: InputFormat,
    max_decompressed: int,
    wanted: Container[str] | None = None,
) -> Scan:
    """Scan logs as :func:`scan_batch` does, and leave the rows of each metric in a table of their own.

    ``wanted`` are the metrics whose rows are of use; None: all.
    """
    check_kind(scanner, Scanner)
    listed, contents = _listed(logs)
    rows = listed.to_pylist()
    common = {
        "version": __version__,
        "scanner": scanner.fingerprint,
        "metrics": scanner.metrics,
        "labels": scanner.labels,
    }
    whole = [(row, content) for row, content in zip(rows, contents, strict=True) if row["start"] is None]
    found = list(_scanned(whole, scanner, common, input_format, max_decompressed, wanted))
    found += [scan_range(row, scanner, common, input_format) for row in rows if row["start"] is not None]
    return Scan(merged_rows(one.rows for one in found), joined((one.facts for one in found), SCANNED))


class _Scans(LogScanner):
    """Scans the logs of a batch; those that do not follow each other in the order of a replay are not scanned as one."""

    def __init__(
        self,
        rows: Sequence[Mapping[str, Any]],
        contents: Mapping[str, bytes],
        scanner: Scanner,
        logs: Sequence[Log],
        *given: Any,
        **how: Any,
    ) -> None:
        self._contents = contents
        numbers = [row["number"] for row in rows]
        breaks = [
            before is None or after is None or after != before + 1
            for before, after in zip([None, *numbers[:-1]], numbers, strict=True)
        ]
        self._stretch = np.cumsum(breaks).tolist()
        super().__init__(scanner, logs, *given, **how)

    def home(self, number: int, size: int) -> tuple[str | None, int]:
        if self.logs[number].path in self._contents:
            return None, size
        home, size = super().home(number, size)
        return (None if home is None else f"{self._stretch[number]}:{home}"), size

    def _open(self, path: str) -> Source:
        content = self._contents.get(path)
        if content is None:
            return super()._open(path)
        return open_source(_Content(content, path), max_decompressed=self._max_decompressed)


class _Content(io.BytesIO):
    """The content of a log that an engine has read."""

    def __init__(self, content: bytes, name: str) -> None:
        super().__init__(content)
        self.name = name


def _scanned(
    given: Sequence[tuple[dict[str, Any], bytes | None]],
    scanner: Scanner,
    common: Mapping[str, Any],
    input_format: InputFormat,
    max_decompressed: int,
    wanted: Container[str] | None,
) -> Iterator[Scan]:
    """What was found in whole logs, scan by scan."""
    if not given:
        return
    rows = [row for row, _ in given]
    logs = [Log(row["path"], row["stream"], row["within"], row["part"], row["superseded"]) for row in rows]
    contents = {row["path"]: content for row, content in given if content is not None}
    archives, failures = _archives(rows, max_decompressed)
    noted: list[SourceError] = list(failures)
    sizes = {row["path"]: row["size"] if row["size"] is not None else MOST_BYTES + 1 for row in rows}
    counter = ProgressCounter(sizes, len(logs))
    scans = _Scans(
        rows,
        contents,
        scanner,
        logs,
        counter,
        noted.append,
        archives,
        {row["path"]: Piece(row["piece_of"], row["piece"], row["piece_follows"]) for row in rows if row["piece_of"]},
        threads=1,
        input_format=input_format,
        max_decompressed=max_decompressed,
    )
    labels, names, restarts = frozenset(scanner.labels), LogNames(rows), Restarts(scanner)
    for unit in Schedule(scans, sizes, counter, noted.append):
        of = rows[unit.logs.start : unit.logs.stop]
        batches = [(name, batch, np.asarray(counts)) for name, batch, counts in unit.batches]
        for name, batch, counts in batches:
            restarts.add(name, unit.logs, counts, batch)
        tables = [
            {name: names.rows(unit.logs.start, batch, counts)}
            for name, batch, counts in batches
            if wanted is None or name in wanted
        ]
        stats, read = unit.counted()
        notes = [
            log_note(
                log,
                *counts,
                scans.spans.get(scans.logs[number]),
                is_export=scans.logs[number] in scans.spans,
                is_unended=number in scans.unended,
            )
            for log, number, counts in zip(of, unit.logs, read, strict=True)
        ]
        suspects = {at: scans.suspects.pop(number, {}) for at, number in enumerate(unit.logs)}
        crashes = {at: crash for at, number in enumerate(unit.logs) if (crash := scans.crashes.pop(number, None))}
        for at, crash in list(crashes.items()):
            last = _last_row(at, [(batch, counts) for name, batch, counts in batches if name not in labels])
            if crash.after is not None and last >= crash.after:
                # the program went on
                del crashes[at]
        again = {number - unit.logs.start: one for number, one in restarts.end_logs(unit.logs, scans).items()}
        facts = facts_table(of, notes, crashes, suspects, again, stats, noted, common)
        yield Scan(merged_rows(tables), facts)
        noted.clear()


def _last_row(at: int, batches: Sequence[tuple[pa.RecordBatch, Any]]) -> int:
    """The offset of the last row of one of the logs, whose batches have so many rows of each; -1 without one."""
    last = -1
    for batch, counts in batches:
        if counts[at]:
            last = max(last, batch.column("offset")[int(counts[: at + 1].sum()) - 1].as_py())
    return last


def _archives(rows: Sequence[Mapping[str, Any]], max_decompressed: int) -> tuple[dict[str, Archive], list[SourceError]]:
    """The archives in which logs lie, listed again; and why some of them cannot be read."""
    archives, failures = {}, []
    for path in dict.fromkeys(row["file"] for row in rows if row["is_archived"]):
        try:
            kind = kind_of(path)
            if kind is not None:
                archives[path] = read_archive(path, *kind, look=lambda *_: None, max_decompressed=max_decompressed)
        except SourceError as error:
            failures.append(error)
    return archives, failures


def _listed(logs: pa.Table | pa.RecordBatch) -> tuple[pa.Table, list[bytes | None]]:
    """All columns of logs, of which some may be missing, in the order of numbers; and their contents.

    Raises
    ------
    OptionError
        The table is invalid.
    """
    if isinstance(logs, pa.RecordBatch):
        logs = pa.Table.from_batches([logs])
    if not isinstance(logs, pa.Table):
        raise TypeError(f"a table of logs was expected, not {type(logs).__name__}")
    if "path" not in logs.column_names:
        raise OptionError("the table of logs has no column path")
    size = logs.num_rows
    fillers: dict[str, Any] = {
        "job": logs["path"],
        "stream": logs["path"],
        "job_logs": pa.array(np.ones(size, np.int64)),
        "part": pa.array(np.zeros(size, np.int32)),
        "file_logs": pa.array(np.ones(size, np.int64)),
        **{key: pa.array(np.zeros(size, bool)) for key in ("superseded", "is_followed", "is_archived")},
    }
    columns = {
        field.name: logs[field.name]
        if field.name in logs.column_names
        else fillers.get(field.name, pa.nulls(size, field.type))
        for field in LOGS
    }
    listed = conformed(pa.table(columns), LOGS, "the table of logs")
    if "number" in logs.column_names:
        order = pc.sort_indices(listed, [("number", "ascending"), ("start", "ascending")])
        listed, logs = listed.take(order), logs.take(order)
    contents = logs["bytes"].to_pylist() if "bytes" in logs.column_names else [None] * size
    _check(listed)
    return listed, contents


def _check(listed: pa.Table) -> None:
    for name in ("path", "job", "stream", "part", "job_logs", "superseded", "is_followed", "is_archived"):
        if listed[name].null_count:
            raise OptionError(f"the column {name} of the table of logs is null in {listed[name].null_count:,} rows")
    keys = listed.group_by(["job", "stream", "part", "start"]).aggregate([([], "count_all")])
    twice = keys.filter(pc.greater(keys["count_all"], 1))
    if twice.num_rows:
        one = twice.slice(0, 1).to_pylist()[0]
        raise OptionError(f"stream {one['stream']!r} of job {one['job']!r} is twice in the table of logs")
    shared = listed.filter(pc.is_valid(listed["file"])).group_by("file")
    for row in shared.aggregate([([], "count_all"), ("file_logs", "max")]).to_pylist():
        if row["count_all"] < row["file_logs_max"]:
            raise OptionError(
                f"{row['file']} holds {row['file_logs_max']:,} logs, of which the batch has {row['count_all']:,}",
                hint="put the logs of one file into one batch; tasks_of does",
            )
