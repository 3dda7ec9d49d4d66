"""Write a dataset: a folder per metric, the ranking and the manifest, in Parquet, Arrow IPC, CSV or JSON lines.

All files are written into a folder beside the target, which is renamed to the target when it is complete. Files whose name
starts with ``_`` are not part of the rows; readers of datasets ignore them.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa

from metricscan.datasets import formats
from metricscan.datasets.formats import check_format
from metricscan.datasets.manifest import MANIFEST
from metricscan.datasets.manifest import write as write_manifest
from metricscan.datasets.schema import LABEL_SCHEMA, SCHEMA
from metricscan.datasets.writing import WriterThreads
from metricscan.errors import OptionError, SourceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType

# Rows held over all metrics. With few metrics each one fills whole row groups before this limit is reached.
_HELD_ROWS = 524_288


def folder_name(metric: str) -> str:
    """The name of a metric's folder: percent-encoded where a path or a reader of datasets would misread a character.

    >>> folder_name("validation:auc"), folder_name("a/b"), folder_name(".."), folder_name("_loss")
    ('validation%3Aauc', 'a%2Fb', '%2E.', '%5Floss')
    """
    from urllib.parse import quote

    name = quote(metric, safe=" +-._,()[]{}@!$&'~^")
    if name[0] in "._~":
        name = f"%{ord(name[0]):02X}{name[1:]}"
    if len(name) > 200:
        # file systems allow 255 bytes
        import hashlib

        name = f"{name[:180].rstrip('%')}~{hashlib.sha256(metric.encode()).hexdigest()[:16]}"
    return name


def metric_name(folder: str) -> str:
    """The metric of a folder: the inverse of :func:`folder_name` for names that were not shortened.

    >>> metric_name("validation%3Aauc")
    'validation:auc'
    """
    from urllib.parse import unquote

    return unquote(folder)


class Sink:
    """Writes a dataset; a context manager.

    If its block ends by an error, or without :meth:`finish`, no file is left, and a dataset that was there before is kept.

    Parameters
    ----------
    path : path
        Folder of the dataset. It must be empty or not exist, unless it is a dataset and ``overwrite`` is set.
    metrics : sequence of str
    format : {"parquet", "arrow", "csv", "jsonl"}
    overwrite : bool
    labels : sequence of str
        The metrics whose values are text.
    threads : int
        How many threads write; 1: the caller's own. A failed write is raised by a later call, at the latest by :meth:`finish`.

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
    ) -> None:
        check_format(format)
        # links are resolved, so that the folder is replaced and not the link
        self.path = os.path.realpath(path)
        self.format = format
        self._metrics = tuple(metrics)
        self._labels = frozenset(labels)
        self._overwrite = overwrite
        self._writers: dict[str, formats.Writer] = {}
        self._held: dict[str, list[pa.RecordBatch]] = {}
        self._held_rows = 0
        self._adopted: set[str] = set()
        self._threads = WriterThreads(threads) if threads > 1 else None
        self._check_target()
        try:
            parent = os.path.dirname(self.path)
            os.makedirs(parent, exist_ok=True)
            # hidden, and with a unique name
            self._folder = os.path.join(parent, f".{os.path.basename(self.path)}.{secrets.token_hex(4)}.partial")
            os.mkdir(self._folder)
        except OSError as error:
            raise SourceError(f"cannot write {self.path}", path=self.path, cause=error) from error

    def _check_target(self) -> None:
        if not os.path.lexists(self.path):
            return
        if not os.path.isdir(self.path):
            raise OptionError(f"{self.path} is a file; a folder was expected for the dataset")
        if not os.listdir(self.path):
            return
        if not os.path.isfile(os.path.join(self.path, MANIFEST)):
            # only a dataset may be overwritten
            raise OptionError(
                f"{self.path} is not empty and not a dataset: it has no {MANIFEST}; it is not overwritten"
            )
        if not self._overwrite:
            raise OptionError(f"{self.path} holds a dataset", hint="use --overwrite (overwrite=True) to replace it")

    def write(self, metric: str, batch: pa.RecordBatch) -> None:
        """Add rows of a metric, with the columns of ``SCHEMA``; of a label, with those of ``LABEL_SCHEMA``. Keeps a reference."""
        if batch.num_rows == 0:
            return
        held = self._held.setdefault(metric, [])
        held.append(batch)
        self._held_rows += batch.num_rows
        if sum(one.num_rows for one in held) >= formats.GROUP_ROWS:
            self._flush(metric)
        elif self._held_rows >= _HELD_ROWS:
            self._flush(max(self._held, key=lambda name: sum(one.num_rows for one in self._held[name])))

    def _flush(self, metric: str) -> None:
        held = self._held.pop(metric, [])
        schema = LABEL_SCHEMA if metric in self._labels else SCHEMA
        table = pa.Table.from_batches(held, schema=schema)
        self._held_rows -= table.num_rows
        try:
            writer = self._writers.get(metric)
            if writer is None:
                folder = os.path.join(self._folder, folder_name(metric))
                os.mkdir(folder)
                path = os.path.join(folder, f"part-0.{self.format}")
                writer = self._writers[metric] = formats.WRITERS[self.format](path, schema)
            if self._threads is None:
                writer.write(table)
            else:
                self._threads.add(metric, partial(writer.write, table))
        except OSError as error:
            raise SourceError(f"cannot write {self.path}", path=self.path, cause=error) from error

    @property
    def folder(self) -> str:
        """The folder in which the dataset is written, beside its final place."""
        return self._folder

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
            folder = os.path.join(self._folder, folder_name(metric))
            os.makedirs(folder, exist_ok=True)
            os.rename(path, os.path.join(folder, f"part-{number}.{self.format}"))
        except OSError as error:
            message = f"cannot take {path}, which a worker wrote"
            hint = "all machines must see the output folder under one path"
            raise SourceError(message, path=path, cause=error, hint=hint) from error
        self._adopted.add(metric)

    def finish(self, ranking: pa.Table | None, manifest: Mapping[str, Any]) -> None:
        """Write the rows that are held, the ranking and the manifest, and rename the folder to its final name.

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
                place = os.path.join(self._folder, f"_ranking.{self.format}")
                writer = formats.WRITERS[self.format](place, ranking.schema)
                writer.write(ranking)
                writer.close()
            folders = {metric: folder_name(metric) for metric in self._metrics}
            write_manifest(self._folder, manifest, format=self.format, folders=folders)
            self._take_place()
        except OSError as error:
            raise SourceError(f"cannot write {self.path}", path=self.path, cause=error) from error

    def _take_place(self) -> None:
        if os.path.isdir(self.path) and os.listdir(self.path):
            self._check_target()
            old = self._folder[: -len(".partial")] + ".old"
            os.rename(self.path, old)
            try:
                os.rename(self._folder, self.path)
            except OSError:
                os.rename(old, self.path)
                raise
            shutil.rmtree(old, ignore_errors=True)
        else:
            # an empty folder is replaced
            os.rename(self._folder, self.path)

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
        shutil.rmtree(self._folder, ignore_errors=True)
