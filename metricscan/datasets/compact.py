"""Write the rows of a journal as a dataset, which is smaller, and faster to read."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pyarrow as pa

from metricscan.datasets.journal_tables import JournalTables
from metricscan.datasets.schema import LABEL_SCHEMA, SCHEMA
from metricscan.datasets.sink import Sink
from metricscan.definitions.paths import check_path
from metricscan.errors import OptionError, SourceError

if TYPE_CHECKING:
    from typing import Literal


def compact(
    path: str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    *,
    format: Literal["parquet", "arrow", "csv", "jsonl"] = "parquet",  # noqa: A002
    overwrite: bool = False,
    sync: bool = True,
    csv_guard: bool = True,
) -> str:
    """Write the rows of a journal as a dataset.

    The dataset has its name only when it is complete, and the journal stays as it is. What is committed meanwhile is not in it.

    Parameters
    ----------
    path : path
        Folder of the journal.
    out : path, optional
        Folder of the dataset; by default beside the journal, with ``-dataset`` behind its name.
    format : {"parquet", "arrow", "csv", "jsonl"}
    overwrite : bool
        Whether a dataset may be replaced.
    sync : bool
        Whether the dataset has its name only when its files are on the disk.
    csv_guard : bool
        As :func:`metricscan.replay` takes it.

    Returns
    -------
    str
        The folder of the dataset.

    Raises
    ------
    OptionError
        The folder of the dataset holds other files, or a dataset and ``overwrite`` is not set.
    SourceError
        The journal is damaged or cannot be read, or the dataset cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from metricscan import Dataset, FollowedFile, Journal, Scanner, compact
    >>> scanner = Scanner(["loss=loss=([0-9.]+)"])
    >>> path = f"{tempfile.mkdtemp()}/journal"
    >>> with Journal.open(path, scanner) as journal, scanner.stream() as stream:
    ...     stream.feed(b"loss=0.5\\n")
    ...     journal.append(FollowedFile("trial_1", "stdout", 0, "logs/trial_1.log"), stream.take())
    >>> Dataset(compact(path))["loss"].equals(Dataset(path)["loss"])
    True
    """
    folder = os.fspath(path)
    target = f"{folder.rstrip(os.sep)}-dataset" if out is None else os.fspath(out)
    for path, what in ((folder, "read"), (target, "write")):
        try:
            check_path(path)
        except OSError as error:
            raise SourceError(f"cannot {what} {path}", path=path, cause=error) from error
    if os.path.realpath(target) == os.path.realpath(folder):
        raise OptionError(f"{target} is the journal itself; another folder was expected for the dataset")
    tables = JournalTables(folder)
    manifest = tables.manifest()
    rows = dict.fromkeys(tables.metrics, 0)
    with Sink(
        target,
        tables.metrics,
        format=format,
        overwrite=overwrite,
        labels=tables.labels,
        sync=sync,
        csv_guard=csv_guard,
    ) as sink:
        for group in tables.passes():
            for name, batch in tables.batches(group):
                rows[name] += batch.num_rows
                sink.write(name, _with_metric(batch, name, LABEL_SCHEMA if name in tables.labels else SCHEMA))
        noted = {
            key: value for key, value in manifest.document.items() if key not in ("format", "format_version", "metrics")
        }
        counts = {name: {"rows": count} for name, count in rows.items()}
        evidence = tables.evidence()
        noted["sources"] = [
            source | evidence.of_source(source["job"], source["stream"], source["part"]) for source in noted["sources"]
        ]
        noted["units"] = evidence.of_units()
        jobs = [one._asdict() for one in manifest.facts]
        noted["jobs"] = [{"job": one.pop("name"), **one} for one in jobs]
        sink.finish(None, {**noted, "counts": counts})
    return target


def _with_metric(batch: pa.RecordBatch, name: str, schema: pa.Schema) -> pa.RecordBatch:
    metric = pa.DictionaryArray.from_arrays(pa.array([0] * batch.num_rows, pa.int32()), pa.array([name], pa.string()))
    return pa.RecordBatch.from_arrays([*batch.columns[:3], metric, *batch.columns[3:]], schema=schema)
