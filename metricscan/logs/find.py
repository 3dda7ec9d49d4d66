"""Find logs: the walk through folders, which files count as logs, and the streams that an export holds."""

from __future__ import annotations

import fnmatch
import glob
import itertools
import os
import re
import stat
from typing import TYPE_CHECKING, NamedTuple

from metricscan.errors import SourceError
from metricscan.logs._reading import FLAG_EXPORT, FLAG_NUL, FLAG_PACKED, look_at
from metricscan.logs.compression import MAGIC_PREFIXES, UNSUPPORTED, compression, without_suffix
from metricscan.logs.compression import SUFFIX_PATTERN as _PACKED
from metricscan.logs.exports import stream_names
from metricscan.logs.formats import HEAD_BYTES as FORMAT_HEAD_BYTES
from metricscan.logs.formats import REFUSED, detect, format_of
from metricscan.logs.job import STDIN, Notice
from metricscan.logs.naming import absolute, is_within
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
    tbz tbz2 txz tzst wandb
"""
_NO_LOGS = frozenset(_NO_LOG_SUFFIXES.split())
_NO_LOG_NAME = re.compile(
    r".*\.tfevents\..*|requirements.*\.txt|Makefile|Dockerfile|LICENSE.*|README.*|aws-logs-write-test", re.DOTALL
)
_NOT_READ = frozenset(name for _, name in UNSUPPORTED)
_HIDDEN_BUT_LOGS = re.compile(r"\.guild")
# Files that tools write about themselves, by their absolute paths. The option include overrules this, too.
_OF_TOOLS = (
    # W&B: what its client and its service did, and what it notes of the code
    (
        "/debug",
        re.compile(r".*/(?:wandb|(?:offline-)?run-\d{8}_\d{6}-[^/]+/logs)/debug[^/]*\.log" + _PACKED, re.DOTALL),
    ),
    ("/files/", re.compile(r".*/(?:offline-)?run-\d{8}_\d{6}-[^/]+/files/diff\.patch", re.DOTALL)),
    # Guild: of a run's folder .guild, its output alone is a log
    ("/.guild/", re.compile(r".*/\.guild/(?!output" + _PACKED + r"$)[^/]+", re.DOTALL)),
)
# Guild keeps a run's attributes and sources in folders of .guild, and all runs in the folder runs of another .guild.
_FOLDERS_OF_GUILD = frozenset(["runs"])


def find_logs(
    paths: Iterable[str | os.PathLike[str]],
    found: Survey,
    *,
    include: str | Sequence[str] = (),
    exclude: str | Sequence[str] = (),
    exports: bool,
    follow_links: bool = False,
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
    follow_links : bool
        Whether to search the folders outside those given to which links in them lead.

    Returns
    -------
    dict of str to (int or None)
        The paths in the order in which they were found, each with the flags that ``look_at`` gave for its first bytes; None
        if the file was not opened.
    """
    return _Search(found, include, exclude, exports=exports, follow_links=follow_links).find(paths)


class _Link(NamedTuple):
    """A link in a folder that was searched.

    Attributes
    ----------
    path : str
    within : str
        The path for the globs, of a link to a folder with ``/`` behind it.
    top : str
        The given folder in which it lies.
    """

    path: str
    within: str
    top: str


class _Search:
    """One walk over all paths. Links are followed last, so that a file that has two paths is found under its real one."""

    def __init__(
        self,
        found: Survey,
        include: str | Sequence[str],
        exclude: str | Sequence[str],
        *,
        exports: bool,
        follow_links: bool,
    ) -> None:
        self.found = found
        self.follow_links = follow_links
        # the real paths of the folders that were given
        self.tops: list[str] = []
        self.exports = exports
        # a str is one glob, not one glob per letter
        self.include, self.exclude = ([one] if isinstance(one, str) else list(one) for one in (include, exclude))
        # by device and inode: the path under which a file was found; a folder's path, and its path for the globs
        self.seen: dict[tuple[int, int], str] = {}
        self.walked: dict[tuple[int, int], tuple[str, str]] = {}
        self.folder_links: list[_Link] = []
        self.file_links: list[_Link] = []
        # the folder under which the search is at work, and per such folder how many logs were met in it
        self.top = ""
        self.met: dict[str, int] = {}
        # per path the flags of its first bytes; None if it was not opened
        self.logs: dict[str, int | None] = {}

    def find(self, paths: Iterable[str | os.PathLike[str]]) -> dict[str, int | None]:
        given = [os.fsdecode(path) for path in paths]
        empty: list[tuple[str, str | None]] = []
        for path in sorted(given, key=_is_link):
            if path == STDIN:
                self.logs[STDIN] = None
            elif os.path.isdir(path):
                empty += self._folder(path)
            elif os.path.lexists(path):
                self._take(path)
            elif glob.has_magic(path):
                empty += self._glob(path)
            else:
                cause = FileNotFoundError(2, os.strerror(2))
                self.found.errors.append(SourceError(f"cannot open {path}", path=path, cause=cause))
        self._follow()
        for folder, hint in empty:
            if not self.met.get(folder):
                unfollowed = (
                    self.found.skipped_links and "links in it lead to folders elsewhere; follow_links searches those"
                )
                self._no_logs(folder, unfollowed or hint)
        return self.logs

    def _glob(self, pattern: str) -> list[tuple[str, str | None]]:
        matches = glob.glob(pattern, recursive=True)
        if not matches:
            self.found.errors.append(SourceError(f"nothing matches {pattern}", path=pattern))
        empty: list[tuple[str, str | None]] = []
        for match in sorted((matches[index] for index in natural_order(matches)), key=_is_link):
            if os.path.isdir(match):
                # `logs/**` matches folders as well as the files in them
                if not pattern.endswith("**"):
                    empty += self._folder(match)
            else:
                self._take(match)
        return empty

    def _take(self, path: str, look: tuple[int, int, int, int] | None = None) -> None:
        self.met[self.top] = self.met.get(self.top, 0) + 1
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
        other = self.seen.setdefault((device, inode), path)
        if other is not path:
            if other == path or _real_parts(path) <= _real_parts(other):
                return
            # a glob or a shell gave the path through a link first
            self.seen[device, inode] = path
            del self.logs[other]
            self.found.sizes.pop(other, None)
        self.logs[path] = shown
        if size >= 0:
            self.found.sizes[path] = size

    def _folder(self, path: str) -> list[tuple[str, str | None]]:
        """Search a given folder. If there is no log, that is an error; where links may still give some, it is returned."""
        found = self.found
        folder = _beside(path)
        met, errors, by_name, skipped = self.met.get(folder), len(found.errors), found.skipped_by_name, found.skipped
        links = len(self.folder_links) + len(self.file_links)
        self.top = folder
        self.tops.append(absolute(os.path.realpath(folder)))
        self._walk(folder, "", absolute(folder))
        if self.met.get(folder) == met and len(found.errors) == errors:
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
            if len(self.folder_links) + len(self.file_links) > links:
                return [(folder, hint)]
            self._no_logs(folder, hint)
        return []

    def _no_logs(self, folder: str, hint: str | None) -> None:
        self.found.errors.append(SourceError(f"no logs in {folder}", path=folder, hint=hint))

    def _walk(self, folder: str, within: str, place: str, real: str | None = None) -> None:
        """Find the logs in a folder.

        ``within`` is the path for the globs, with ``/`` behind it, and ``place`` the absolute path. With ``real``, the path for
        the globs that the folder had before, the walk takes what the globs did not find under that path.
        """
        try:
            status = os.stat(folder)
            entries = [*os.scandir(folder)]
        except OSError as error:
            self.found.errors.append(SourceError(f"cannot read the folder {folder}", path=folder, cause=error))
            return
        if real is None:
            key = (status.st_dev, status.st_ino)
            if key in self.walked:
                # a folder given twice: its logs have been found
                self.met[self.top] = self.met.get(self.top, 0) + 1
                return
            self.walked[key] = (folder, within)
        entries = [entries[index] for index in natural_order([entry.name for entry in entries])]
        links = {entry.name for entry in entries if entry.is_symlink()}
        paths = (within,) if real is None else (within, real)
        logs = [
            entry.path
            for entry in entries
            if entry.name not in links and _is_regular(entry) and self._is_log_by_name(entry, paths, place)
        ]
        looks = dict(zip(logs, look_at([*map(os.fsencode, logs)], MAGIC_PREFIXES), strict=True))
        for entry in entries:
            if _is_folder(entry):
                if not self._is_searched(entry.name, place):
                    continue
                if entry.name not in links:
                    inner = None if real is None else f"{real}{entry.name}/"
                    self._walk(entry.path, f"{within}{entry.name}/", f"{place}/{entry.name}", inner)
                elif real is None:
                    self.folder_links.append(_Link(entry.path, f"{within}{entry.name}/", self.top))
            elif entry.path in looks:
                if not _is_binary(entry.path, looks[entry.path]):
                    self._take(entry.path, looks[entry.path])
                elif real is None:
                    self.found.skipped_binary += 1
            elif real is not None:
                # counted before
                continue
            elif not _is_regular(entry):
                self.found.skipped_not_regular += 1
            elif entry.name in links and self._is_log_by_name(entry, paths, place):
                self.file_links.append(_Link(entry.path, within + entry.name, self.top))
            else:
                self.found.skipped_by_name += 1

    def _is_searched(self, name: str, place: str) -> bool:
        if place.endswith("/.guild") and not self.include:
            return name in _FOLDERS_OF_GUILD
        return not name.startswith(".") or _HIDDEN_BUT_LOGS.fullmatch(name) is not None

    def _follow(self) -> None:
        """Follow the links that were found: those to folders, then those to files."""
        while self.folder_links:
            links, self.folder_links = self.folder_links, []
            for link in links:
                self._follow_to_folder(link)
        places: dict[str, tuple[str, str] | None] = {}
        for link in self.file_links:
            self.top = link.top
            real = os.path.realpath(link.path)
            folder, name = os.path.split(real)
            if folder not in places:
                places[folder] = self._walked_at(folder)
            place = places[folder]
            path = link.path
            if place is not None:
                # the file was met under its real path; a glob may ask for it under this one
                path = os.path.join(place[0], name)
                if path in self.logs:
                    self.met[self.top] = self.met.get(self.top, 0) + 1
                    continue
                if not self.include or self._is_left_out(name, place[1] + name):
                    continue
            (look,) = look_at([os.fsencode(path)], MAGIC_PREFIXES)
            if _is_binary(path, look):
                self.found.skipped_binary += 1
            else:
                self._take(path, look)

    def _walked_at(self, folder: str) -> tuple[str, str] | None:
        """The path of a folder that was searched, and its path for the globs."""
        try:
            status = os.stat(folder)
        except OSError:
            return None
        return self.walked.get((status.st_dev, status.st_ino))

    def _follow_to_folder(self, link: _Link) -> None:
        self.top = link.top
        walked = self._walked_at(link.path)
        if walked is None:
            real_path = absolute(os.path.realpath(link.path))
            # a hidden folder, for example, is searched only through a link
            if self.follow_links or any(is_within(real_path, top) for top in self.tops):
                self._walk(link.path, link.within, real_path)
            else:
                self.found.skipped_links += 1
            return
        folder, real = walked
        if any(_reaches(pattern, link.within) for pattern in self.include):
            self._walk(folder, link.within, absolute(folder), real)
        if not self.met.get(self.top):
            self.met[self.top] = sum(path.startswith(os.path.join(folder, "")) for path in self.logs)

    def _is_left_out(self, name: str, within: str) -> bool:
        return any(_fits(name, within, pattern) for pattern in self.exclude)

    def _is_log_by_name(self, entry: os.DirEntry[str], folders: tuple[str, ...], place: str) -> bool:
        name = entry.name
        if self.exclude and any(self._is_left_out(name, folder + name) for folder in folders):
            return False
        if self.include:
            return any(_fits(name, folder + name, pattern) for folder in folders for pattern in self.include)
        if name.startswith("."):
            return False
        whole = f"{place}/{name}"
        if any(text in whole and tool.fullmatch(whole) for text, tool in _OF_TOOLS):
            return False
        name = without_suffix(name)
        if self.exports and name.endswith((".json", ".csv")) and _is_export(entry.path):
            return True
        _, dot, suffix = name.rpartition(".")
        return not (dot and suffix in _NO_LOGS) and _NO_LOG_NAME.fullmatch(name) is None


def _is_link(path: str) -> bool:
    return os.path.islink(path.rstrip(os.sep))


def _beside(folder: str) -> str:
    """The path of a folder; if it is a link to a folder beside it, the path of that one, whose name is the job's."""
    bare = folder.rstrip(os.sep)
    if not os.path.islink(bare):
        return folder
    parent, _ = os.path.split(bare)
    at, name = os.path.split(os.path.realpath(bare))
    return os.path.join(parent, name) if at == os.path.realpath(parent or os.curdir) else folder


def _real_parts(path: str) -> int:
    """How many parts of a path, from its end, are those of its real path. Fewer lead through links."""
    parts = zip(
        reversed(absolute(path).split("/")), reversed(absolute(os.path.realpath(path)).split("/")), strict=False
    )
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], parts))


def _reaches(pattern: str, within: str) -> bool:
    """Whether a glob may ask for files by the path of a folder. A glob of names alone, such as ``*.log``, does not."""
    literal = re.split(r"[*?\[]", pattern, maxsplit=1)[0]
    return bool("/" in pattern or literal) and (literal.startswith(within) or within.startswith(literal))


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


def _is_binary(path: str, look: tuple[int, int, int, int] | None) -> bool:
    """Whether the first bytes hold a NUL. A file that cannot be read is not binary: the scan reports the error."""
    if look is None:
        return False
    shown = look[-1]
    if not shown & FLAG_PACKED:
        return bool(shown & FLAG_NUL)
    try:
        with open(path, "rb", buffering=0) as file:
            head = file.read(HEAD_BYTES)
    except OSError:
        return False
    kind = compression(head)
    if kind in _NOT_READ:
        # a log in an unsupported compression is an error; it is not skipped
        name = os.path.basename(path)
        names = (name, os.path.splitext(name)[0])
        return not any(one.endswith((".log", ".txt", ".out", ".err")) for one in names)
    if kind is not None:
        try:
            with open_source(path, chunk_bytes=HEAD_BYTES) as opened:
                head = opened.peek(HEAD_BYTES)
        except SourceError:
            return False
    return b"\0" in head


def _is_export(path: str) -> bool:
    """Whether a file holds exported log events."""
    try:
        with open_source(path) as opened:
            return detect(opened.peek(FORMAT_HEAD_BYTES), path) != "plain"
    except SourceError:
        return False


def streams_of(
    logs: Mapping[str, int | None], input_format: str, notices: list[Notice] | None = None
) -> Iterator[tuple[str, str | None]]:
    """The path of each log with the name of each stream in it.

    An export gives one pair for each stream that its events name (``""`` for events that name none), a container's log one for
    its standard output and one for its standard error. Any other log gives one pair with None.

    Parameters
    ----------
    logs : mapping of str to (int or None)
        As :func:`find_logs` gives them.
    input_format : str
    notices : list of Notice, optional
        Gets a notice if formats are detected and differ, once the iterator is at its end.
    """
    if input_format == "auto":
        unseen = [path for path, shown in logs.items() if shown is None and path != STDIN and os.path.isfile(path)]
        looks = look_at([*map(os.fsencode, unseen)], MAGIC_PREFIXES)
        logs = {**logs, **{path: None if look is None else look[-1] for path, look in zip(unseen, looks, strict=True)}}
    # per format that was detected, how many logs have it, and the first of them
    detected: dict[str, tuple[int, str]] = {}
    for path, shown in logs.items():
        if shown is not None and not shown & (FLAG_PACKED | FLAG_EXPORT) and input_format == "auto":
            format_: str | None = "plain"
            streams: list[str | None] = [None]
        else:
            format_, streams = _streams_in(path, input_format)
        if format_ and format_ not in REFUSED:
            count, example = detected.get(format_, (0, path))
            detected[format_] = (count + 1, example)
        yield from ((path, name) for name in streams)
    if notices is not None and input_format == "auto" and len(detected) > 1:
        notices.append(_of_formats(detected))


def _of_formats(detected: Mapping[str, tuple[int, str]]) -> Notice:
    """The notice that logs have different formats.

    It does not say which of them are normal together: if one of a job's logs was taken for another format than the rest, its
    records differ from theirs, and the ranking does not show that.
    """
    most_first = sorted(detected.items(), key=lambda one: -one[1][0])
    listed = ", ".join(
        f"{count} {'is' if count == 1 else 'are'} {format_} ({example})" for format_, (count, example) in most_first
    )
    return Notice(f"the logs have different formats: {listed}; --input-format reads all of them as one", None)


def _streams_in(path: str, input_format: str) -> tuple[str | None, list[str | None]]:
    """The format of one log, None if it is not known, and its streams, as :func:`streams_of` gives them."""
    if input_format == "plain" or path == STDIN or not os.path.isfile(path):
        return None, [None]
    format_ = None
    try:
        with open_source(path) as opened:
            format_ = format_of(opened, input_format)
            has_streams = format_ not in ("plain", "s3-export") and format_ not in REFUSED
            names = stream_names(opened, format_) if has_streams else []
    except SourceError:
        # the scan reports the error
        return format_, [None]
    return format_, [None] if names in ([], [""]) else [*names]
