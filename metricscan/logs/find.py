"""From paths to logs, and from logs to the jobs that wrote them, with what is known of those jobs."""

from __future__ import annotations

import csv
import fnmatch
import glob
import io
import json
import os
import re
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from metricscan.errors import OptionError, SourceError
from metricscan.logs._reading import FLAG_EXPORT, FLAG_NUL, FLAG_PACKED, look_at
from metricscan.logs.exports import HEAD_BYTES as EXPORT_HEAD_BYTES
from metricscan.logs.exports import detect, format_of, stream_names
from metricscan.logs.natural import natural_order
from metricscan.logs.source import MAGIC_BYTES, MAGIC_PREFIXES, compression, open_source

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

STDIN = "-"
# A log shows in its first kilobytes that it is text; a checkpoint that it is not.
HEAD_BYTES = 8192
MOST_PARAMETER_BYTES = 1 << 20

# Files that lie among logs and are none, by their names. With --include the user says what is one.
_NO_LOG_SUFFIXES = """
    json jsonl yaml yml toml ini cfg conf xml html htm css js md rst tex pdf svg png jpg jpeg gif webp mp4 csv tsv
    parquet arrow feather orc npy npz mat h5 hdf5 pkl pickle joblib pt pth ckpt safetensors onnx pb tflite bin model
    py pyc pyx pyi ipynb c h cc cpp cu so o a rs go java jar sh bash zsh ps1 bat lock tar tgz zip whl 7z rar db sqlite
"""
_NO_LOGS = frozenset(_NO_LOG_SUFFIXES.split())
_NO_LOG_NAME = re.compile(
    r".*\.tfevents\..*|requirements.*\.txt|Makefile|Dockerfile|LICENSE.*|README.*|aws-logs-write-test", re.DOTALL
)

# Where usual tools put logs: a text that the path must hold, which is looked for first and fast; the folder that is a job,
# and the log's name within it. The first that fits.
LAYOUTS = tuple(
    (tool, text, re.compile(pattern, re.DOTALL))
    for tool, text, pattern in (
        ("SageMaker", "/algo-", r"(?P<job>.*/[^/]+)/(?P<stream>algo-\d+-\d+(?:\.[^/]*)?)"),
        # the export to S3 writes a stream's name with - for /, and the stream in parts
        ("SageMaker", "-algo-", r"(?P<job>.*/[^/]+)-(?P<stream>algo-\d+-\d+/[^/]+)"),
        ("Ray Tune", "/std", r"(?P<job>.*/[^/]+)/(?P<stream>(?:stdout|stderr)(?:\.(?:log|txt))?(?:\.gz)?)"),
        ("Syne Tune", "/std.", r"(?P<job>.*/[^/]+)/(?P<stream>std\.(?:out|err)(?:\.gz)?)"),
        ("Hydra", "/multirun/", r"(?P<job>.*/multirun/[^/]+/[^/]+/\d+)/(?P<stream>[^/]+\.log(?:\.gz)?)"),
        ("Hydra", "/outputs/", r"(?P<job>.*/outputs/\d{4}-\d\d-\d\d/\d\d-\d\d-\d\d)/(?P<stream>[^/]+\.log(?:\.gz)?)"),
        ("W&B", "/files/output.log", r"(?P<job>.*/(?:offline-)?run-[^/]+)/(?P<stream>files/output\.log(?:\.gz)?)"),
        ("Guild", "/.guild/output", r"(?P<job>.*/runs/[^/]+)/(?P<stream>\.guild/output(?:\.gz)?)"),
        ("Kubernetes", "_", r"(?P<job>.*/[^/_]+_[^/_]+_[^/_]+)/(?P<stream>[^/]+/\d+\.log(?:\.[^/]*)?)"),
    )
)
# <pod>/<container>/0.log with any name of a pod; numbered logs of trials look the same, unless 0 is alone.
_FIRST_OF_CONTAINER = re.compile(r"(?P<job>.*/[^/]+)/(?P<stream>[^/]+/0\.log(?:\.gz)?)", re.DOTALL)
_NUMBERED = re.compile(r"\d+\.log(?:\.gz)?")
_OUT_OR_ERR = re.compile(r"(?P<stem>.+)\.(?:out|err)(?:\.gz)?", re.DOTALL)
_HIDDEN_BUT_LOGS = re.compile(r"\.guild")

_PARAMETER_FILES = ("hyperparameters.json", "input/config/hyperparameters.json", "params.json")
_LOG_SUFFIX = re.compile(r"\.(?:log|txt|out|err)$")
_OVERRIDES_FILE = ".hydra/overrides.yaml"
_DATASET_FILE = "_manifest.json"  # as the sink calls it
_PARAMETER_PART = re.compile(r"(?:^|[,/_])([A-Za-z][\w.\-]*?)=([^=,/]*?)(?=$|[,/]|_[A-Za-z][\w.\-]*=)")

STATUSES = {
    "Completed": ("completed", "complete", "succeeded", "success", "finished", "done", "terminated"),
    "Failed": ("failed", "fail", "error", "crashed"),
    "Stopped": ("stopped", "stopping", "killed", "cancelled", "canceled", "pruned", "paused"),
    "InProgress": ("inprogress", "in_progress", "running", "pending", "created"),
}
_STATUS_OF = {word: status for status, words in STATUSES.items() for word in words}


class Log(NamedTuple):
    """A log of a job: where it lies, the name of the stream that it is, and what an export of several streams calls it."""

    path: str
    stream: str
    within: str | None = None


@dataclass
class Job:
    """A training job, as its logs and its scheduler know it.

    Attributes
    ----------
    name : str
        Unique among the jobs of a replay.
    logs : list of Log
        Its streams, in natural name order.
    status : {"Completed", "Failed", "Stopped", "InProgress", None}
        None where nobody said.
    hyperparameters : dict of str to str
        As they were written.
    """

    name: str
    logs: list[Log] = field(default_factory=list)
    status: str | None = None
    hyperparameters: dict[str, str] = field(default_factory=dict)


@dataclass(repr=False)
class Survey:
    """What lies under the paths of a replay.

    Attributes
    ----------
    jobs : list of Job
        In natural name order.
    errors : list of SourceError
        What could not be found or read.
    skipped_by_name, skipped_binary, skipped_not_regular : int
        What lies in folders and was taken for no log: by its name; by its content; because it is no regular file, but a link
        that leads nowhere, a pipe, a socket or a device.
    sizes : dict of str to int
        Bytes on disk of the logs that are regular files, by path, as they were found.
    """

    jobs: list[Job] = field(default_factory=list)
    errors: list[SourceError] = field(default_factory=list)
    skipped_by_name: int = 0
    skipped_binary: int = 0
    skipped_not_regular: int = 0
    sizes: dict[str, int] = field(default_factory=dict, repr=False)

    def __str__(self) -> str:
        logs = sum(len(job.logs) for job in self.jobs)
        text = f"{logs} log{'' if logs == 1 else 's'}"
        kinds = f"{self.skipped_by_name} by name, {self.skipped_binary} binary"
        if self.skipped_not_regular:
            kinds += f", {self.skipped_not_regular} no regular file{'' if self.skipped_not_regular == 1 else 's'}"
        return f"{text}, {self.skipped} skipped ({kinds})" if self.skipped else text

    def __repr__(self) -> str:
        # a replay may have a million jobs
        return f"<Survey of {self}, {len(self.jobs)} job{'' if len(self.jobs) == 1 else 's'}>"

    @property
    def skipped(self) -> int:
        """What was taken for no log, for any reason."""
        return self.skipped_by_name + self.skipped_binary + self.skipped_not_regular


def survey(
    paths: Iterable[str | os.PathLike[str]],
    *,
    job: str = "auto",
    jobs_file: str | os.PathLike[str] | None = None,
    include: str | Sequence[str] = (),
    exclude: str | Sequence[str] = (),
    input_format: str = "plain",
) -> Survey:
    """Find the logs, and tell the jobs apart.

    Parameters
    ----------
    paths : iterable of path
        Files (always taken), folders (searched), globs, or ``"-"`` for standard input.
    job : "auto", "file", "dir" or a regex
        What is one job: by the layouts of usual tools; each file; each folder; or what the regex's group ``job`` (else its
        first, else the whole match) finds in the path.
    jobs_file : path, optional
        CSV or JSON lines with ``job`` or ``path``, ``status``, ``hyperparameters``.
    include, exclude : glob or sequence of glob
        Names, or paths within the folder, of the files to take from folders.
    input_format : str
        What the logs are; of exports, events that name their stream are told apart by it.

    Raises
    ------
    OptionError
        The regex does not compile.
    SourceError
        The jobs file is unreadable, or speaks of jobs that are not there.
    """
    found = Survey()
    logs = _Search(found, include, exclude, exports=input_format == "auto").find(paths)
    facts = [] if jobs_file is None else _read_jobs_file(os.fspath(jobs_file))
    keys = _Keys(list(_told_apart(logs, input_format)), job, found)
    keys.place(facts)
    found.jobs = keys.jobs()
    for one, folder in zip(found.jobs, keys.folders, strict=True):
        if folder is not None or "=" in one.name:
            _add_hyperparameters(one, folder, found)
    if facts:
        _add_facts(found.jobs, facts, jobs_file)
    return found


def is_read_once(path: str) -> bool:
    """Whether who reads it again finds nothing, or waits for ever: standard input, a pipe with or without a name."""
    if path == STDIN:
        return True
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        # who reads it says so
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


# ---- finding logs


class _Search:
    """One walk over all paths; each real file is taken once."""

    def __init__(
        self, found: Survey, include: str | Sequence[str], exclude: str | Sequence[str], *, exports: bool
    ) -> None:
        self.found = found
        self.exports = exports
        # a str is one glob, not one a letter
        self.include, self.exclude = ([one] if isinstance(one, str) else list(one) for one in (include, exclude))
        self.seen: set[tuple[int, int]] = set()
        self.walked: set[tuple[int, int]] = set()
        self.met = 0
        # what each one's first bytes show; None where nobody has looked
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
                # `logs/**` names folders beside what is in them
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
            if os.path.isfile(os.path.join(folder, _DATASET_FILE)):
                hint = "it is a dataset that replay wrote: rank reads it"
            elif found.skipped_by_name > by_name and (self.include or self.exclude):
                hint = "none of its files is let through by include and exclude"
                if not self.include:
                    hint = "by its name nothing there is taken for a log, or exclude passes it over; include says what is one"
            elif found.skipped_by_name > by_name:
                hint = "by its name nothing there is taken for a log; include says what is one"
            elif found.skipped > skipped:
                hint = "what is there is binary, or no regular file"
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
            # a link back, or a folder given twice: its logs are there
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
        name = entry.name.removesuffix(".gz")
        if self.exports and name.endswith((".json", ".csv")) and _is_export(entry.path):
            return True
        _, dot, suffix = name.rpartition(".")
        return not (dot and suffix in _NO_LOGS) and _NO_LOG_NAME.fullmatch(name) is None


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        # a link to itself, for one
        return False


def _is_regular(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False


def _fits(name: str, within: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(name, pattern) or fnmatch.fnmatchcase(within, pattern)


def _is_binary(entry: os.DirEntry[str], look: tuple[int, int, int, int] | None) -> bool:
    """A NUL early in the content. What cannot be read is none: the scan says why."""
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
    kind = compression(head[:MAGIC_BYTES])
    if kind == "gzip":
        import zlib

        try:
            head = zlib.decompressobj(wbits=31).decompress(head, HEAD_BYTES)
        except zlib.error:
            return False
    elif kind is not None:
        # a log that is compressed in a way we do not read is an error, not something to pass over
        names = (entry.name, os.path.splitext(entry.name)[0])
        return not any(one.endswith((".log", ".txt", ".out", ".err")) for one in names)
    return b"\0" in head


def _is_export(path: str) -> bool:
    """Whether a file holds log events, whatever its name says."""
    try:
        with open_source(path) as opened:
            return detect(opened.peek(EXPORT_HEAD_BYTES)) != "plain"
    except SourceError:
        return False


def _told_apart(logs: dict[str, int | None], input_format: str) -> Iterator[tuple[str, str | None]]:
    """The logs, each once for every stream that it holds and names; None names the one stream of a log of another kind."""
    if input_format == "auto":
        unseen = [path for path, shown in logs.items() if shown is None and path != STDIN and os.path.isfile(path)]
        looks = look_at([*map(os.fsencode, unseen)], MAGIC_PREFIXES)
        logs = logs | {path: None if look is None else look[-1] for path, look in zip(unseen, looks, strict=True)}
    for path, shown in logs.items():
        if shown is not None and not shown & (FLAG_PACKED | FLAG_EXPORT) and input_format == "auto":
            yield path, None
        else:
            yield from ((path, name) for name in _streams_in(path, input_format))


def _streams_in(path: str, input_format: str) -> list[str | None]:
    """The streams that an export names, ``""`` for events that name none; of any other log the one that it is, None."""
    if input_format == "plain" or path == STDIN or not os.path.isfile(path):
        return [None]
    try:
        with open_source(path) as opened:
            format_ = format_of(opened, input_format)
            names = stream_names(opened, format_) if format_.startswith("cloudwatch") else []
    except SourceError:
        # who reads it says so
        return [None]
    return [None] if names in ([], [""]) else [*names]


# ---- telling jobs apart


class _Keys:
    """The job that each log belongs to: the folder or file that it is named by."""

    def __init__(self, logs: list[tuple[str, str | None]], rule: str, found: Survey) -> None:
        self.logs = [path for path, _ in logs]
        self.within = [name for _, name in logs]
        self.files = _places(self.logs)
        self.places = [
            # where the stream would lie, had it been exported by itself
            file if not name else f"{os.path.dirname(file)}/{name}" if "/" in name else f"{file}/{name}"
            for file, name in zip(self.files, self.within, strict=True)
        ]
        self.split = [_split(place) for place in self.places]
        self.found = found
        self.folders: list[str | None] = []
        if rule == "auto":
            keys = self._by_layout()
        elif rule == "file":
            keys = [(file, None) for file in self.files]
        elif rule == "dir":
            keys = [(file if file == STDIN else os.path.dirname(file), None) for file in self.files]
        else:
            keys = self._by_regex(rule)
        self.keys = keys

    def _by_layout(self) -> list[_Key | None]:
        numbered: dict[str, int] = {}
        stems: dict[str, set[str]] = {}
        pairs: dict[str, str] = {}
        for place, (folder, name) in zip(self.places, self.split, strict=True):
            if _NUMBERED.fullmatch(name):
                numbered[folder] = numbered.get(folder, 0) + 1
            if (".out" in name or ".err" in name) and (pair := _OUT_OR_ERR.fullmatch(place)):
                pairs[place] = pair["stem"]
                stems.setdefault(pair["stem"], set()).add(place)
        keys: list[_Key | None] = []
        for file, place, (folder, _) in zip(self.files, self.places, self.split, strict=True):
            match = None
            for _, text, layout in LAYOUTS:
                if text in place and (match := layout.fullmatch(place)) is not None:
                    break
            if match is None and numbered.get(folder) == 1:
                match = _FIRST_OF_CONTAINER.fullmatch(place)
            if match is not None:
                keys.append((match["job"], None))
                continue
            stem = pairs.get(place)
            if stem is not None and len(stems[stem]) > 1:
                # as Slurm writes them: train-17.out and train-17.err
                keys.append((stem, None))
            else:
                keys.append((file, None))
        return keys

    def _by_regex(self, rule: str) -> list[_Key | None]:
        pattern = job_pattern(rule)
        keys: list[_Key | None] = []
        for path, place in zip(self.logs, self.places, strict=True):
            match = pattern.search(place)
            group = "job" if "job" in pattern.groupindex else 1 if pattern.groups else 0
            if match is None or not match[group]:
                keys.append(None)
                self.found.errors.append(SourceError(f"the job regex {rule!r} finds no job in {path}", path=path))
            else:
                keys.append((None, match[group]))
        return keys

    def place(self, facts: Sequence[_Fact]) -> None:
        """Logs under a path that the jobs file names belong to the job it gives."""
        placed = [(fact.place, fact.job) for fact in facts if fact.place is not None and fact.job is not None]
        if not placed:
            return
        for index, place in enumerate(self.places):
            fitting = [(len(at), name) for at, name in placed if place == at or place.startswith(at.rstrip("/") + "/")]
            if fitting:
                self.keys[index] = (None, max(fitting)[1])

    def jobs(self) -> list[Job]:
        """The jobs, named and in order; ``folders`` says beside which file or folder each one's facts lie."""
        # numbers and not lists: of many logs, as many lists and tuples keep the garbage collector busy
        numbers: dict[_Key, int] = {}
        job_of = [-1 if key is None else numbers.setdefault(key, len(numbers)) for key in self.keys]
        order = sorted(range(len(job_of)), key=job_of.__getitem__)
        jobs: list[Job] = []
        folders: list[str | None] = []
        firsts: list[str] = []
        are_files: list[bool] = []
        end = job_of.count(-1)
        for folder, given in numbers:
            begin = end
            while end < len(order) and job_of[order[end]] == len(jobs):
                end += 1
            group = order[begin:end]
            first = self.places[group[0]]
            if folder is not None and folder != first:
                root = folder
            elif len(group) == 1:
                root = self.split[group[0]][0]
            else:
                root = _common_folder([self.places[index] for index in group])
            logs = [Log(self.logs[index], self._stream(index, root), self.within[index]) for index in group]
            if len(logs) > 1:
                logs = _told_by_number(logs)
                logs = [logs[index] for index in natural_order([log.stream for log in logs])]
            jobs.append(Job("", logs))
            # beside a log that is a job of its own lies nothing that is the job's alone
            folders.append(None if first in (STDIN, folder) else folder or root)
            firsts.append(first)
            is_file = folder == first or (len(group) > 1 and any(self.places[index] == folder for index in group))
            are_files.append(is_file and given is None and folder != STDIN)
        names = _names([*numbers], firsts, are_files)
        for job, name in zip(jobs, names, strict=True):
            job.name = name
        order = natural_order(names)
        self.folders = [folders[index] for index in order]
        return [jobs[index] for index in order]

    def _stream(self, index: int, root: str) -> str:
        place = self.places[index]
        if place == STDIN:
            return "stdin"
        if place.startswith(root) and place[len(root) : len(root) + 1] in ("/", "-"):
            # behind a job's folder, or behind its name where that is part of a folder's
            return _as_text(place[len(root) + 1 :])
        return _as_text(self.split[index][1])


def _told_by_number(logs: Sequence[Log]) -> list[Log]:
    """The logs of a job, with a number behind the names of streams of exports that are called the same."""
    told: list[Log] = []
    for log in logs:
        same = sum(other.stream.partition(" (")[0] == log.stream for other in told) if log.within else 0
        told.append(log._replace(stream=f"{log.stream} ({same + 1})") if same else log)
    return told


def _split(path: str) -> tuple[str, str]:
    """As os.path.split, in half its time for usual paths."""
    folder, _, name = path.rpartition("/")
    return (folder, name) if folder and folder[-1] != "/" and os.sep == "/" else os.path.split(path)


def job_pattern(rule: str) -> re.Pattern[str]:
    """The regex that a rule for jobs is, where it is none of the words.

    Raises
    ------
    OptionError
        It does not compile, or is no text.
    """
    if not isinstance(rule, str):
        raise OptionError(f"job={rule!r}: 'auto', 'file', 'dir' or a regex was expected")
    try:
        return re.compile(rule)
    except (re.error, RecursionError, OverflowError) as error:
        at = getattr(error, "pos", None)
        place = "" if at is None else f" at position {at}"
        reason = getattr(error, "msg", None) or error
        raise OptionError(f"job={rule!r} is none of auto, file and dir, and no regex: {reason}{place}") from None


def _places(logs: Sequence[str]) -> list[str]:
    """The absolute paths of logs; of logs in one folder the folder's path is found out once."""
    folders: dict[str, str] = {}
    places = []
    for path in logs:
        if path == STDIN:
            places.append(path)
            continue
        folder, name = _split(path)
        at = folders.get(folder)
        if at is None:
            at = folders[folder] = os.path.join(os.path.abspath(folder), "").replace(os.sep, "/")
        places.append(at + name)
    return places


# What names a job: a folder, or the log itself; or the name.
_Key = tuple[str | None, str | None]


def _as_text(path: str) -> str:
    r"""A path as text that every table takes: bytes that are no UTF-8 are spelled out, as ``\xe9``."""
    return path if path.isascii() else path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _common_folder(places: Sequence[str]) -> str:
    folders = {_split(place)[0] for place in places if place != STDIN}
    return os.path.commonpath(folders) if folders else ""


def _names(keys: Sequence[_Key], firsts: Sequence[str], are_files: Sequence[bool]) -> list[str]:
    """A unique name for each job: as given, or its path relative to the common folder, without what all share at its end.

    ``firsts`` are the places of the first logs, ``are_files`` says whose log itself is what names it.
    """
    common = _common_folder([folder for folder, name in keys if name is None and folder not in (None, STDIN)])
    full = []
    for (folder, name), first in zip(keys, firsts, strict=True):
        if name is not None:
            full.append(name)
        elif folder is None or folder == STDIN:
            full.append("stdin")
        else:
            relative = folder[len(common) :].lstrip("/") if common else folder
            full.append(relative or os.path.basename(folder) or first)
    files = [index for index, is_file in enumerate(are_files) if is_file]
    short = list(full)
    for index in files:
        if short[index].endswith(".gz") and len(short[index]) > len(".gz"):
            short[index] = short[index][: -len(".gz")]
    while files:
        suffix = os.path.splitext(short[files[0]])[1]
        if not re.fullmatch(r"\.[A-Za-z][A-Za-z0-9]*", suffix):
            break
        if any(os.path.splitext(short[index])[1] != suffix for index in files):
            break
        for index in files:
            short[index] = short[index][: -len(suffix)]
    return _unique([*map(_as_text, full)], [*map(_as_text, short)], [name is not None for _, name in keys])


def _unique(full: list[str], short: list[str], given: list[bool]) -> list[str]:
    """The short names, the full ones where short ones are equal, numbered ones where those are; given names stay."""
    counts: dict[str, int] = {}
    for name in short:
        counts[name] = counts.get(name, 0) + 1
    names: list[str] = []
    taken = {name for name, stays in zip(short, given, strict=True) if counts[name] == 1 or stays}
    for long, name, stays in zip(full, short, given, strict=True):
        if counts[name] > 1 and not stays:
            name = long
            number = 2
            while name in taken:
                name = f"{long} ({number})"
                number += 1
            taken.add(name)
        names.append(name)
    return names


# ---- what is known of a job


def _add_hyperparameters(job: Job, folder: str | None, found: Survey) -> None:
    for key, value in _PARAMETER_PART.findall(_LOG_SUFFIX.sub("", job.name)) if "=" in job.name else ():
        job.hyperparameters[re.sub(r"^.*_\d+_", "", key)] = re.sub(r"_\d{4}-\d\d-\d\d.*", "", value)
    if folder is None or not os.path.isdir(folder):
        return
    for name in _PARAMETER_FILES:
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            job.hyperparameters.update(_reported(_read_parameters, path, found))
    path = os.path.join(folder, _OVERRIDES_FILE)
    if os.path.isfile(path):
        job.hyperparameters.update(_reported(_read_overrides, path, found))


def _reported(read: Any, path: str, found: Survey) -> dict[str, str]:
    """What the file says; what is wrong with it goes to the errors."""
    try:
        if os.path.getsize(path) > MOST_PARAMETER_BYTES:
            raise ValueError(f"{os.path.getsize(path)} bytes are too many for hyperparameters")
        result: dict[str, str] = read(path)
    except (OSError, ValueError, RecursionError) as error:
        found.errors.append(SourceError(f"cannot read the hyperparameters in {path}", path=path, cause=error))
        return {}
    return result


def _read_parameters(path: str) -> dict[str, str]:
    with open(path, encoding="utf-8") as file:
        return parameters_of(file.read())


def _read_overrides(path: str) -> dict[str, str]:
    import yaml

    with open(path, encoding="utf-8") as file:
        try:
            overrides = yaml.safe_load(file) or []
        except yaml.YAMLError as error:
            raise ValueError(f"not YAML: {error}") from None
    if not isinstance(overrides, list):
        raise ValueError(f"a list of KEY=VALUE was expected, not {type(overrides).__name__}")
    pairs = (str(override).partition("=") for override in overrides)
    return {key.lstrip("+~"): value for key, equals, value in pairs if equals}


def parameters_of(text: str) -> dict[str, str]:
    """Hyperparameters from a JSON object, as text: strings and numbers as they are spelled, all else as JSON.

    >>> parameters_of('{"lr": 3e-4, "solver": "adam", "layers": [64, 64], "amsgrad": false}')
    {'lr': '3e-4', 'solver': 'adam', 'layers': '[64, 64]', 'amsgrad': 'false'}
    """
    parameters = json.loads(text)
    if not isinstance(parameters, dict):
        raise ValueError(f"an object was expected, not {type(parameters).__name__}")
    spelled = json.loads(text, parse_float=str, parse_int=str)
    return {
        key: spelled[key] if isinstance(spelled[key], str) else json.dumps(value) for key, value in parameters.items()
    }


# ---- the jobs file


def add_facts(jobs: Sequence[Job], path: str | os.PathLike[str]) -> None:
    """Add to jobs that are known what a jobs file says of them.

    Raises
    ------
    SourceError
        It is unreadable, names a job twice, or one that is not there.
    """
    _add_facts(jobs, _read_jobs_file(os.fspath(path)), path)


class _Fact(NamedTuple):
    line: int
    job: str | None
    place: str | None
    status: str | None
    hyperparameters: dict[str, str]


def _read_jobs_file(path: str) -> list[_Fact]:
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"cannot read the jobs file {path}", path=path, cause=error) from error
    faults: list[str] = []
    rows: list[tuple[int, dict[str, Any]]] = []
    if text.lstrip().startswith("["):
        faults.append("a JSON list where JSON lines were expected, an object a line")
    elif text.lstrip().startswith("{"):
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip():
                try:
                    row = json.loads(line)
                except (ValueError, RecursionError) as error:
                    reason = f"{error.msg}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else error
                    faults.append(f"line {number}: not JSON: {reason}")
                else:
                    if isinstance(row, dict) and isinstance(row.get("hyperparameters"), dict):
                        row["hyperparameters"] = _object_in(line)
                    rows.append((number, row))
    else:
        reader = csv.DictReader(io.StringIO(text, newline=""))
        try:
            columns = reader.fieldnames or ()
            if columns and not {"job", "path"} & set(columns):
                shown = ", ".join(columns)[:80]
                faults.append(f"line {reader.line_num}: the columns are {shown}; one called job or path was expected")
            else:
                rows.extend((reader.line_num, row) for row in reader)
        except csv.Error as error:
            faults.append(f"line {reader.line_num}: not CSV: {error}")
    facts = []
    for number, row in rows:
        try:
            facts.append(_fact(number, row, os.path.dirname(os.path.abspath(path))))
        except ValueError as error:
            faults.append(f"line {number}: {error}")
    first: dict[tuple[str | None, str | None], int] = {}
    for fact in facts:
        key = (fact.job, fact.place) if fact.job is None else (fact.job, None)
        if first.setdefault(key, fact.line) != fact.line:
            faults.append(f"line {fact.line}: {fact.job or fact.place} stands in line {first[key]} already")
    if faults:
        raise SourceError(f"faults in the jobs file {path}\n  " + "\n  ".join(faults), path=path)
    return facts


def _object_in(line: str) -> str:
    """The text of a JSON line's hyperparameters, with its numbers as they are spelled."""
    key = re.search(r'"hyperparameters"\s*:\s*(?=\{)', line)
    if key is None:
        return json.dumps(json.loads(line)["hyperparameters"])
    return line[key.end() : json.JSONDecoder().raw_decode(line, key.end())[1]]


def _fact(number: int, row: Any, folder: str) -> _Fact:
    if not isinstance(row, dict):
        raise ValueError("an object was expected")
    unknown = [str(key) for key in row if key not in ("job", "path", "status", "hyperparameters")]
    if unknown:
        raise ValueError(f"unknown columns {', '.join(unknown)}; job, path, status and hyperparameters were expected")
    # an empty cell says nothing; 0 is a name
    given = (row.get(key) for key in ("job", "path", "status", "hyperparameters"))
    job, path, status, parameters = (None if value == "" else value for value in given)
    if job is None and path is None:
        raise ValueError("neither job nor path is there")
    if status is not None:
        word = str(status).strip().lower().replace(" ", "").replace("-", "_")
        if word not in _STATUS_OF:
            raise ValueError(f"status {status!r}; one of {', '.join(STATUSES)} was expected")
        status = _STATUS_OF[word]
    try:
        parameters = parameters_of(parameters or "{}")
    except (TypeError, ValueError) as error:
        raise ValueError(f"hyperparameters are no JSON object: {error}") from None
    place = None if path is None else os.path.normpath(os.path.join(folder, str(path))).replace(os.sep, "/")
    return _Fact(number, None if job is None else str(job), place, status, parameters)


def _add_facts(jobs: Sequence[Job], facts: Sequence[_Fact], jobs_file: Any) -> None:
    by_name = {job.name: job for job in jobs}
    missing = []
    for fact in facts:
        if fact.job is not None:
            wanted = fact.job
            meant = [by_name[wanted]] if wanted in by_name else []
        else:
            wanted = str(fact.place)
            meant = [job for job in jobs if any(_under(log.path, wanted) for log in job.logs)]
        if not meant:
            missing.append(f"line {fact.line}: {wanted}")
        for job in meant:
            job.status = fact.status
            job.hyperparameters.update(fact.hyperparameters)
    if missing:
        names = ", ".join(job.name for job in jobs[:5]) + (", .." if len(jobs) > 5 else "")
        raise SourceError(
            f"the jobs file {os.fspath(jobs_file)} names jobs of which there is no log\n  " + "\n  ".join(missing),
            path=os.fspath(jobs_file),
            hint=f"the jobs found are {names}" if jobs else None,
        )


def _under(path: str, place: str) -> bool:
    at = os.path.abspath(path).replace(os.sep, "/")
    return at == place or at.startswith(place.rstrip("/") + "/")
