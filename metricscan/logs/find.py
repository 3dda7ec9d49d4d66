"""Where logs lie: the walk through folders, what is taken for a log, and the streams that an export holds."""

from __future__ import annotations

import fnmatch
import glob
import os
import re
import stat
from typing import TYPE_CHECKING

from metricscan.errors import SourceError
from metricscan.logs._reading import FLAG_EXPORT, FLAG_NUL, FLAG_PACKED, look_at
from metricscan.logs.compression import MAGIC_PREFIXES, UNSUPPORTED, compression, without_suffix
from metricscan.logs.exports import HEAD_BYTES as EXPORT_HEAD_BYTES
from metricscan.logs.exports import detect, format_of, stream_names
from metricscan.logs.job import STDIN
from metricscan.logs.natural import natural_order
from metricscan.logs.source import open_source

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from metricscan.logs.job import Survey

#: A folder with this file is a dataset, not a folder of logs.
DATASET_MANIFEST = "_manifest.json"
# The first kilobytes of a file show whether it is text (a log) or binary (a checkpoint).
HEAD_BYTES = 8192

# Names of files that lie among logs but are not logs. The option include overrules this.
_NO_LOG_SUFFIXES = """
    json jsonl yaml yml toml ini cfg conf xml html htm css js md rst tex pdf svg png jpg jpeg gif webp mp4 csv tsv
    parquet arrow feather orc npy npz mat h5 hdf5 pkl pickle joblib pt pth ckpt safetensors onnx pb tflite bin model
    py pyc pyx pyi ipynb c h cc cpp cu so o a rs go java jar sh bash zsh ps1 bat lock tar tgz zip whl 7z rar db sqlite
    tbz tbz2 txz tzst
"""
_NO_LOGS = frozenset(_NO_LOG_SUFFIXES.split())
_NO_LOG_NAME = re.compile(
    r".*\.tfevents\..*|requirements.*\.txt|Makefile|Dockerfile|LICENSE.*|README.*|aws-logs-write-test", re.DOTALL
)
_NOT_READ = frozenset(name for _, name in UNSUPPORTED)
_HIDDEN_BUT_LOGS = re.compile(r"\.guild")


def find_logs(
    paths: Iterable[str | os.PathLike[str]],
    found: Survey,
    *,
    include: str | Sequence[str] = (),
    exclude: str | Sequence[str] = (),
    exports: bool,
) -> dict[str, int | None]:
    """Find the logs under paths, each real file once.

    Parameters
    ----------
    paths : iterable of path
        Files (always taken), folders (searched), globs, or ``"-"`` for standard input.
    found : Survey
        Gets the errors, the counts of files that were skipped, and the sizes.
    include, exclude : glob or sequence of glob
        Names, or paths within the folder, of the files to take from folders.
    exports : bool
        Whether a JSON or CSV file that holds log events is a log.

    Returns
    -------
    dict of str to (int or None)
        The paths in the order in which they were found, each with the flags that ``look_at`` gave for its first bytes; None
        if the file was not opened.
    """
    return _Search(found, include, exclude, exports=exports).find(paths)


class _Search:
    """One walk over all paths."""

    def __init__(
        self, found: Survey, include: str | Sequence[str], exclude: str | Sequence[str], *, exports: bool
    ) -> None:
        self.found = found
        self.exports = exports
        # a str is one glob, not one glob per letter
        self.include, self.exclude = ([one] if isinstance(one, str) else list(one) for one in (include, exclude))
        self.seen: set[tuple[int, int]] = set()
        self.walked: set[tuple[int, int]] = set()
        self.met = 0
        # per path the flags of its first bytes; None if it was not opened
        self.logs: dict[str, int | None] = {}

    def find(self, paths: Iterable[str | os.PathLike[str]]) -> dict[str, int | None]:
        for given in paths:
            path = os.fsdecode(given)
            if path == STDIN:
                self.logs[STDIN] = None
            elif os.path.isdir(path):
                self._folder(path)
            elif os.path.lexists(path):
                self._take(path)
            elif glob.has_magic(path):
                self._glob(path)
            else:
                cause = FileNotFoundError(2, os.strerror(2))
                self.found.errors.append(SourceError(f"cannot open {path}", path=path, cause=cause))
        return self.logs

    def _glob(self, pattern: str) -> None:
        matches = glob.glob(pattern, recursive=True)
        if not matches:
            self.found.errors.append(SourceError(f"nothing matches {pattern}", path=pattern))
        for match in (matches[index] for index in natural_order(matches)):
            if os.path.isdir(match):
                # `logs/**` matches folders as well as the files in them
                if not pattern.endswith("**"):
                    self._folder(match)
            else:
                self._take(match)

    def _take(self, path: str, look: tuple[int, int, int, int] | None = None) -> None:
        self.met += 1
        shown = None
        if look is None:
            try:
                status = os.stat(path)
            except OSError as error:
                self.found.errors.append(SourceError(f"cannot open {path}", path=path, cause=error))
                return
            device, inode = status.st_dev, status.st_ino
            size = status.st_size if stat.S_ISREG(status.st_mode) else -1
        else:
            device, inode, size, shown = look
        key = (device, inode)
        if key not in self.seen:
            self.seen.add(key)
            self.logs[path] = shown
            if size >= 0:
                self.found.sizes[path] = size

    def _folder(self, folder: str) -> None:
        found = self.found
        met, errors, by_name, skipped = self.met, len(found.errors), found.skipped_by_name, found.skipped
        self._walk(folder, folder)
        if self.met == met and len(found.errors) == errors:
            hint = None
            if os.path.isfile(os.path.join(folder, DATASET_MANIFEST)):
                hint = "it is a dataset that replay wrote; rank reads it"
            elif found.skipped_by_name > by_name and (self.include or self.exclude):
                hint = "include and exclude leave out all of its files"
                if not self.include:
                    hint = "no file has the name of a log that exclude leaves in; include overrules the names"
            elif found.skipped_by_name > by_name:
                hint = "no file has the name of a log; include overrules the names"
            elif found.skipped > skipped:
                hint = "its files are binary or not regular"
            found.errors.append(SourceError(f"no logs in {folder}", path=folder, hint=hint))

    def _walk(self, folder: str, top: str) -> None:
        try:
            status = os.stat(folder)
            entries = [*os.scandir(folder)]
        except OSError as error:
            self.found.errors.append(SourceError(f"cannot read the folder {folder}", path=folder, cause=error))
            return
        key = (status.st_dev, status.st_ino)
        if key in self.walked:
            # a link to a parent, or a folder given twice: its logs have been found
            self.met += 1
            return
        self.walked.add(key)
        entries = [entries[index] for index in natural_order([entry.name for entry in entries])]
        logs = [entry.path for entry in entries if _is_regular(entry) and self._is_log_by_name(entry, top)]
        looks = dict(zip(logs, look_at([*map(os.fsencode, logs)], MAGIC_PREFIXES), strict=True))
        for entry in entries:
            if _is_folder(entry):
                if not entry.name.startswith(".") or _HIDDEN_BUT_LOGS.fullmatch(entry.name):
                    self._walk(entry.path, top)
            elif not _is_regular(entry):
                self.found.skipped_not_regular += 1
            elif entry.path not in looks:
                self.found.skipped_by_name += 1
            elif _is_binary(entry, looks[entry.path]):
                self.found.skipped_binary += 1
            else:
                self._take(entry.path, looks[entry.path])

    def _is_log_by_name(self, entry: os.DirEntry[str], top: str) -> bool:
        if self.include or self.exclude:
            within = os.path.relpath(entry.path, top)
            if any(_fits(entry.name, within, pattern) for pattern in self.exclude):
                return False
            if self.include:
                return any(_fits(entry.name, within, pattern) for pattern in self.include)
        if entry.name.startswith("."):
            return False
        name = without_suffix(entry.name)
        if self.exports and name.endswith((".json", ".csv")) and _is_export(entry.path):
            return True
        _, dot, suffix = name.rpartition(".")
        return not (dot and suffix in _NO_LOGS) and _NO_LOG_NAME.fullmatch(name) is None


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        # for example a link to itself
        return False


def _is_regular(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False


def _fits(name: str, within: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(name, pattern) or fnmatch.fnmatchcase(within, pattern)


def _is_binary(entry: os.DirEntry[str], look: tuple[int, int, int, int] | None) -> bool:
    """Whether the content has a NUL early. A file that cannot be read is not binary: the scan reports the error."""
    if look is None:
        return False
    shown = look[-1]
    if not shown & FLAG_PACKED:
        return bool(shown & FLAG_NUL)
    try:
        with open(entry.path, "rb", buffering=0) as file:
            head = file.read(HEAD_BYTES)
    except OSError:
        return False
    kind = compression(head)
    if kind in _NOT_READ:
        # a log in an unsupported compression is an error; it is not skipped
        names = (entry.name, os.path.splitext(entry.name)[0])
        return not any(one.endswith((".log", ".txt", ".out", ".err")) for one in names)
    if kind is not None:
        try:
            with open_source(entry.path, chunk_bytes=HEAD_BYTES) as opened:
                head = opened.peek(HEAD_BYTES)
        except SourceError:
            return False
    return b"\0" in head


def _is_export(path: str) -> bool:
    """Whether a file holds exported log events."""
    try:
        with open_source(path) as opened:
            return detect(opened.peek(EXPORT_HEAD_BYTES)) != "plain"
    except SourceError:
        return False


def streams_of(logs: Mapping[str, int | None], input_format: str) -> Iterator[tuple[str, str | None]]:
    """The path of each log with the name of each stream in it.

    An export gives one pair for each stream that its events name (``""`` for events that name none). Any other log gives
    one pair with None.
    """
    if input_format == "auto":
        unseen = [path for path, shown in logs.items() if shown is None and path != STDIN and os.path.isfile(path)]
        looks = look_at([*map(os.fsencode, unseen)], MAGIC_PREFIXES)
        logs = {**logs, **{path: None if look is None else look[-1] for path, look in zip(unseen, looks, strict=True)}}
    for path, shown in logs.items():
        if shown is not None and not shown & (FLAG_PACKED | FLAG_EXPORT) and input_format == "auto":
            yield path, None
        else:
            yield from ((path, name) for name in _streams_in(path, input_format))


def _streams_in(path: str, input_format: str) -> list[str | None]:
    """The streams of one log, as :func:`streams_of` gives them."""
    if input_format == "plain" or path == STDIN or not os.path.isfile(path):
        return [None]
    try:
        with open_source(path) as opened:
            format_ = format_of(opened, input_format)
            names = stream_names(opened, format_) if format_.startswith("cloudwatch") else []
    except SourceError:
        # the scan reports the error
        return [None]
    return [None] if names in ([], [""]) else [*names]
