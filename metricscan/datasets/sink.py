"""Write a dataset: a folder per metric, the ranking and the manifest, in Parquet, Arrow IPC, CSV or JSON lines.

All files are written into a folder beside the target, which takes the target's place when it is complete. Files whose name
starts with ``_`` are not part of the rows; readers of datasets ignore them.
"""

from __future__ import annotations

import contextlib
import os
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa

from metricscan.datasets import formats
from metricscan.datasets.folder_names import folder_names
from metricscan.datasets.formats import check_format
from metricscan.datasets.manifest import write as write_manifest
from metricscan.datasets.place import Place
from metricscan.datasets.schema import LABEL_SCHEMA, SCHEMA
from metricscan.datasets.writing import WriterThreads
from metricscan.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType

# Rows held over all metrics. With few metrics each one fills whole row groups before this limit is reached.
_HELD_ROWS = 524_288
# So many of them are written at least once that many are held: of few metrics one group, of ten thousand the largest few hundred.
_FREED_ROWS = 32_768
#: Of more metrics than this the files are open only while they are written to.
MOST_OPEN = 128


def _write_and_park(writer: formats.Writer, table: pa.Table) -> None:
    writer.write(table)
    writer.park()


class Sink:
    """Writes a dataset; a context manager.

    If its block ends by an error, or without :meth:`finish`, no file is left, and a dataset that was there before is kept.

    Parameters
    ----------
    path : path
        Folder of the dataset. It must be empty or not exist, unless it is a dataset and nothing else, and ``overwrite`` is set.
    metrics : sequence of str
    format : {"parquet", "arrow", "csv", "jsonl"}
    overwrite : bool
    labels : sequence of str
        The metrics whose values are text.
    threads : int
        How many threads write; 1: the caller's own. A failed write is raised by a later call, at the latest by :meth:`finish`.
    sync : bool
        Whether the files must be on the disk before the dataset has its name.
    csv_guard : bool
        Whether texts in CSV that a spreadsheet would take for formulas have a ``'`` before them.

    Attributes
    ----------
    path : str
    format : str
    folder : str
        The folder in which the dataset is written, beside its final place.

    Raises
    ------
    OptionError
        The format is unknown, or the folder must not be overwritten.
    SourceError
        The folder cannot be written.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        metrics: Iterable[str],
        *,
        format: str = "parquet",  # noqa: A002
        overwrite: bool = False,
        labels: Iterable[str] = (),
        threads: int = 1,
        sync: bool = True,
        csv_guard: bool = True,
    ) -> None:
        check_format(format)
        self.format = format
        self._csv_guard = csv_guard and format == "csv"
        self._metrics = tuple(metrics)
        self._labels = frozenset(labels)
        self._folders = folder_names(self._metrics)
        self._parks = len(self._metrics) > MOST_OPEN
        self._writers: dict[str, formats.Writer] = {}
        self._held: dict[str, list[pa.RecordBatch]] = {}
        self._rows_of: dict[str, int] = {}
        self._held_rows = 0
        self._adopted: set[str] = set()
        try:
            self._place = Place(path, overwrite=overwrite, sync=sync)
        except OSError as error:
            raise SourceError(f"cannot write {os.fspath(path)}", path=os.fspath(path), cause=error) from error
        self.path = self._place.path
        self.folder = self._place.folder
        self._threads = WriterThreads(threads) if threads > 1 else None

    def write(self, metric: str, batch: pa.RecordBatch) -> None:
        """Add rows of a metric, with the columns of ``SCHEMA``; of a label, with those of ``LABEL_SCHEMA``. Keeps a reference."""
        if batch.num_rows == 0:
            return
        self._held.setdefault(metric, []).append(batch)
        rows = self._rows_of[metric] = self._rows_of.get(metric, 0) + batch.num_rows
        self._held_rows += batch.num_rows
        if rows >= formats.GROUP_ROWS:
            self._flush(metric)
        elif self._held_rows >= _HELD_ROWS:
            for largest in sorted(self._rows_of, key=self._rows_of.__getitem__, reverse=True):
                if self._held_rows <= _HELD_ROWS - _FREED_ROWS:
                    break
                self._flush(largest)

    def _flush(self, metric: str) -> None:
        held = self._held.pop(metric, [])
        self._rows_of.pop(metric, None)
        schema = LABEL_SCHEMA if metric in self._labels else SCHEMA
        table = pa.Table.from_batches(held, schema=schema)
        self._held_rows -= table.num_rows
        try:
            writer = self._writers.get(metric)
            if writer is None:
                folder = os.path.join(self.folder, self._folders[metric])
                os.mkdir(folder)
                path = os.path.join(folder, f"part-0.{self.format}")
                writer = self._writers[metric] = self._writer(path, schema)
            write = partial(_write_and_park, writer) if self._parks else writer.write
            if self._threads is None:
                write(table)
            else:
                self._threads.add(metric, partial(write, table))
        except OSError as error:
            raise SourceError(f"cannot write {self.path}", path=self.path, cause=error) from error

    def _writer(self, path: str, schema: pa.Schema) -> formats.Writer:
        return formats.writer_of(self.format, path, schema, csv_guard=self._csv_guard, parks=self._parks)

    def adopt(self, metric: str, path: str, number: int) -> None:
        """Take a file with rows of a metric that another process wrote below :attr:`folder`.

        Parameters
        ----------
        metric : str
        path : str
            A file of the dataset's format.
        number : int
            Its place among the files of the metric.

        Raises
        ------
        SourceError
            The file is not there.
        """
        try:
            folder = os.path.join(self.folder, self._folders[metric])
            os.makedirs(folder, exist_ok=True)
            os.rename(path, os.path.join(folder, f"part-{number}.{self.format}"))
        except OSError as error:
            message = f"cannot take {path}, which a worker wrote"
            hint = "all machines must see the output folder under one path"
            raise SourceError(message, path=path, cause=error, hint=hint) from error
        self._adopted.add(metric)

    def finish(self, ranking: pa.Table | None, manifest: Mapping[str, Any]) -> None:
        """Write the rows that are held, the ranking and the manifest, and let the folder take its place.

        Parameters
        ----------
        ranking : pyarrow.Table or None
        manifest : mapping
            As :func:`metricscan.datasets.manifest.contents` gives it.

        Raises
        ------
        SourceError
            A file cannot be written.
        """
        for metric in self._metrics:
            # a metric without rows gets an empty file
            if metric not in self._adopted:
                self._flush(metric)
        try:
            if self._threads is not None:
                self._threads.finish()
            for written in self._writers.values():
                written.close()
            if ranking is not None:
                place = os.path.join(self.folder, f"_ranking.{self.format}")
                writer = self._writer(place, ranking.schema)
                writer.write(ranking)
                writer.close()
            if self._csv_guard:
                manifest = {**manifest, "csv_guard": True}
            write_manifest(self.folder, manifest, format=self.format, folders=self._folders)
            self._place.take()
        except OSError as error:
            raise SourceError(f"cannot write {self.path}", path=self.path, cause=error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._threads is not None:
            self._threads.stop()
        for writer in self._writers.values():
            # closing flushes, which fails again on a full disk
            with contextlib.suppress(OSError):
                writer.abandon()
        self._place.leave()
