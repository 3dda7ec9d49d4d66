"""Fuzzed readers of documents and files: whatever the bytes are, they give a result or an error of metricscan's.

A target returns 1 for bytes that could be read, and 0 for those that gave an error. Any other exception is a finding.
"""

from __future__ import annotations

import functools
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from metricscan import Dataset, FollowedFile, Journal, Scanner, compact, load_definitions, replay
from metricscan.datasets.formats import FORMATS
from metricscan.errors import MetricscanError, SourceError
from metricscan.logs.jobs_file import read_jobs_file

if TYPE_CHECKING:
    from collections.abc import Callable

EXPORT_FORMATS = ("cloudwatch-json", "cloudwatch-csv", "s3-export", "docker-json", "cri")
SUFFIXES = (".json", ".yaml", ".py", ".csv", ".jsonl", ".ipynb", ".tsv", "")
ARCHIVES = (".tar", ".tar.gz", ".zip", ".tar.zst", ".tar.xz", ".tar.bz2", ".log.gz", ".log.zst", ".log.lz4", ".log.xz")


@functools.cache
def _scanner() -> Scanner:
    return Scanner(["loss=loss=([0-9.]+)"])


@functools.cache
def _folders() -> Path:
    """A journal, and a dataset of each format, to be damaged."""
    folder = Path(tempfile.mkdtemp(prefix="metricscan-fuzz-"))
    with Journal.open(folder / "journal", _scanner()) as journal, _scanner().stream() as stream:
        stream.feed(b"loss=0.5\nloss=0.25\n")
        journal.append(FollowedFile("a", "stdout", 0, "a.log"), stream.take(), b"19")
    for kind in FORMATS:
        compact(folder / "journal", folder / kind, format=kind, sync=False)
    return folder


def _read(data: bytes, suffix: str, read: Callable[[Path], object]) -> int:
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder, f"input{suffix}")
        path.write_bytes(data)
        try:
            read(path)
        except MetricscanError as error:
            str(error)
            return 0
    return 1


def definitions(data: bytes) -> int:
    """A file of metric definitions; its first byte chooses the suffix."""
    return _read(data[1:], SUFFIXES[data[0] % len(SUFFIXES)] if data else "", load_definitions)


def jobs(data: bytes) -> int:
    """A jobs file; its first byte chooses the suffix."""
    return _read(data[1:], SUFFIXES[data[0] % len(SUFFIXES)] if data else "", lambda path: read_jobs_file(str(path)))


def archive(data: bytes) -> int:
    """An archive or a compressed log; its first byte chooses the suffix."""
    suffix = ARCHIVES[data[0] % len(ARCHIVES)] if data else ".tar"
    return _read(
        data[1:], suffix, lambda path: replay(path, _scanner(), threads=1, max_decompressed=1 << 24, on_error="raise")
    )


def export(data: bytes) -> int:
    """An export or a container's log; its first byte chooses the format. However it is cut, its rows are the same."""
    kind = EXPORT_FORMATS[data[0] % len(EXPORT_FORMATS)] if data else EXPORT_FORMATS[0]
    data = data[1:]
    outcomes = []
    for source in (data, [data[at : at + 7] for at in range(0, len(data), 7)]):
        try:
            outcomes.append((_scanner().scan(source, input_format=kind)["loss"].to_pylist(), None))
        except SourceError as error:
            if "UTF-" in error.message:
                # another encoding is guessed by as many bytes as are there at first
                return 0
            outcomes.append((error.partial["loss"].to_pylist(), error.offset))
    if outcomes[0] != outcomes[1]:
        raise AssertionError(f"{kind}: whole {outcomes[0]}, in pieces {outcomes[1]}")
    return int(outcomes[0][1] is None)


def _damaged(data: bytes, folder: Path) -> int:
    """Copy a folder, put bytes into one of its files as the first ones say, and read it."""
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place, "copy")
        shutil.copytree(folder, copy)
        files = sorted(path for path in copy.rglob("*") if path.is_file() and path.name != ".lock")
        file = files[data[0] % len(files)]
        content = file.read_bytes()
        at = int.from_bytes(data[1:3], "little") % (len(content) + 1)
        put = data[4:]
        # in the place of as many bytes, between others, or in the place of all that follow
        file.write_bytes(content[:at] + put + (content[at + len(put) :], content[at:], b"")[data[3] % 3])
        try:
            dataset = Dataset(copy)
            for metric in dataset:
                for batch in dataset.batches(metric):
                    batch.to_pylist()
            list(dataset.jobs)
        except MetricscanError as error:
            str(error)
            return 0
    return 1


def journal(data: bytes) -> int:
    """A journal of which some bytes are others."""
    return _damaged(data, _folders() / "journal") if len(data) > 4 else 0


def dataset(data: bytes) -> int:
    """A dataset of which some bytes are others; the first byte chooses the format."""
    return _damaged(data[1:], _folders() / FORMATS[data[0] % len(FORMATS)]) if len(data) > 5 else 0


READERS = {
    "definitions": definitions,
    "jobs": jobs,
    "archive": archive,
    "export": export,
    "journal": journal,
    "dataset": dataset,
}
