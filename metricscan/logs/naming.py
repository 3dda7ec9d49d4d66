"""How a job gets its name: the layouts of usual tools, the rules of ``job=``, and what makes names unique."""

from __future__ import annotations

import functools
import os
import re
from typing import TYPE_CHECKING, TypeAlias

from metricscan.errors import OptionError, SourceError, quoted
from metricscan.logs.attempts import attempt_in, ordered_attempts
from metricscan.logs.compression import SUFFIX_PATTERN as _PACKED
from metricscan.logs.compression import without_suffix
from metricscan.logs.formats import CONTAINER_STREAMS
from metricscan.logs.job import STDIN, Job, Log
from metricscan.logs.job_record import ERRORS, OUTPUT, RECORD
from metricscan.logs.natural import natural_order
from metricscan.logs.rotation import pieces_of
from metricscan.logs.tools import WANDB_RUN

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from metricscan.logs.attempts import Attempt
    from metricscan.logs.file_tree import FileTree
    from metricscan.logs.job import Survey

# Where usual tools put logs; the first layout that fits a path decides. A layout is the tool's name; a text that each such
# path contains, which is tested first because that is fast; and a regex with the job's folder and the log's name in it, and
# the number of the attempt where the tool tries a job again.
LAYOUTS = (
    ("SageMaker", "/algo-", r"(?P<job>.*/[^/]+)/(?P<stream>algo-\d+-\d+(?:\.[^/]*)?)"),
    # the export to S3 writes a stream's name with - in place of /, and splits the stream into parts
    ("SageMaker", "-algo-", r"(?P<job>.*/[^/]+)-(?P<stream>algo-\d+-\d+/[^/]+)"),
    # each restart is an attempt, each rank has a folder; some versions have a folder of the role between them
    (
        "torchrun",
        "/attempt_",
        rf"(?P<job>.*/[^/]+)/(?P<stream>attempt_(?P<attempt>\d+)/(?:[^/]+/)?\d+/std(?:out|err)\.log{_PACKED})",
    ),
    # NNI 3 writes trial.*, NNI 2 trial.log, stdout and stderr
    (
        "NNI",
        "/trials/",
        rf"(?P<job>.*/trials/[^/]+)/(?P<stream>(?:trial\.(?:log|stdout|stderr)|stdout|stderr){_PACKED})",
    ),
    # <cluster>/driver and <cluster>/executor/<application>/<number>
    (
        "Databricks",
        "/driver/",
        r"(?P<job>.*/\d{4}-\d{6}-[0-9a-z]+)/(?P<stream>driver/(?:std(?:out|err)|log4j-)[^/]*)",
    ),
    (
        "Databricks",
        "/executor/",
        r"(?P<job>.*/\d{4}-\d{6}-[0-9a-z]+)/(?P<stream>executor/[^/]+/\d+/(?:std(?:out|err)|log4j-)[^/]*)",
    ),
    ("Ray Tune", "/std", rf"(?P<job>.*/[^/]+)/(?P<stream>(?:stdout|stderr)(?:\.(?:log|txt))?{_PACKED})"),
    ("Syne Tune", "/std.", rf"(?P<job>.*/[^/]+)/(?P<stream>std\.(?:out|err){_PACKED})"),
    # RUN/STEP/TASK/<attempt>.runtime_stdout.log, of the process that ran the task, and task_stdout.log, of the task elsewhere
    (
        "Metaflow",
        "_std",
        rf"(?P<job>.*/[^/]+/[^/]+/[^/]+)/(?P<stream>(?P<attempt>\d+)\.(?:runtime|task)_std(?:out|err)\.log{_PACKED})",
    ),
    # dag_id=../run_id=../task_id=../attempt=1.log, or with map_index=.. before the attempt
    (
        "Airflow",
        "/attempt=",
        rf"(?P<job>.*/[^/]+)/(?P<stream>attempt=(?P<attempt>\d+)\.log(?:\.trigger\.\d+\.log)?{_PACKED})",
    ),
    # sky-<time>/run.log, and tasks/ with what each node printed; a task that is launched again has a folder of its own
    (
        "SkyPilot",
        "/sky-",
        rf"(?P<job>.*/sky-\d{{4}}(?:-\d\d){{5}}-\d{{6}})/(?P<stream>(?:tasks/)?[^/]+\.log{_PACKED})",
    ),
    # <job>_<rank>_log.out, where the job may be one of an array, <array>_<number>; the folder may have the job's name
    ("submitit", "_log.", rf"(?P<job>.*/(?P<id>\d+(?:_\d+)?))/(?P<stream>(?P=id)_\d+_log\.(?:out|err){_PACKED})"),
    ("submitit", "_log.", rf"(?P<job>.*/\d+(?:_\d+)?)_\d+_log\.(?:out|err){_PACKED}"),
    # a log per rank, in newer and older versions; downloaded, they lie in a folder artifacts
    (
        "Azure ML",
        "/user_logs/",
        rf"(?P<job>.*/(?!artifacts/)[^/]+)/(?P<stream>(?:artifacts/)?user_logs/std_log(?:_process_\d+)?\.txt{_PACKED})",
    ),
    (
        "Azure ML",
        "/azureml-logs/",
        rf"(?P<job>.*/(?!artifacts/)[^/]+)/(?P<stream>(?:artifacts/)?azureml-logs/70_driver_log(?:_\d+)?\.txt{_PACKED})",
    ),
    # <time>_rank<rank>.log, where each rank has a log
    ("DeepSpeed", "_rank", rf"(?P<job>.*/\d{{14}})_rank\d+\.log{_PACKED}"),
    ("Hydra", "/multirun/", rf"(?P<job>.*/multirun/[^/]+/[^/]+/\d+)/(?P<stream>[^/]+\.log{_PACKED})"),
    (
        "Hydra",
        "/outputs/",
        rf"(?P<job>.*/outputs/\d\d\d\d-\d\d-\d\d/\d\d-\d\d-\d\d)/(?P<stream>[^/]+\.log{_PACKED})",
    ),
    (
        "W&B",
        "/files/output.log",
        rf"(?P<job>.*/(?:(?:offline-)?run-[^/]+|latest-run))/(?P<stream>files/output\.log{_PACKED})",
    ),
    # logs that the program saved with a run whose print-out was not kept
    ("W&B", "/files/", rf"(?P<job>.*/{WANDB_RUN})/(?P<stream>files/.+)"),
    # what the client did; only include takes it
    ("W&B", "/logs/", rf"(?P<job>.*/{WANDB_RUN})/(?P<stream>logs/.+)"),
    ("Guild", "/.guild/output", rf"(?P<job>.*/[^/]+)/(?P<stream>\.guild/output{_PACKED})"),
    ("MLflow", "/artifacts/", r"(?P<job>.*/[0-9a-f]{32})/(?P<stream>artifacts/.+)"),
    ("Kubernetes", "_", r"(?P<job>.*/[^/_]+_[^/_]+_[^/_]+)/(?P<stream>[^/]+/(?P<attempt>\d+)\.log(?:\.[^/]*)?)"),
)
_Layout: TypeAlias = tuple[str, str, str]


def _folder_named_in(text: str) -> str | None:
    """The name of the folder that a layout's text holds whole."""
    return text.split("/")[1] if text.count("/") > 1 else None


# The folders that the layouts name, and the layouts that name none: paths in all other folders fit these alone.
_NAMED_FOLDERS = frozenset(name for _, text, _ in LAYOUTS if (name := _folder_named_in(text)) is not None)
_ANYWHERE = tuple(layout for layout in LAYOUTS if _folder_named_in(layout[1]) is None)
# A run's folder is known by what a tool wrote into it, whatever its name: its logs are streams of one job.
_LIGHTNING = re.compile(r".*/version_\d+", re.DOTALL)
# <pod>/<container>/0.log where the pod has any name, if a container's runtime wrote it: logs of trials have such names, too.
_FIRST_OF_CONTAINER = re.compile(rf"(?P<job>.*/[^/]+)/(?P<stream>[^/]+/0\.log{_PACKED})", re.DOTALL)
_NUMBERED = re.compile(rf"\d+\.log{_PACKED}")
_OUT_OR_ERR = re.compile(rf"(?P<stem>.+)\.(?:out|err){_PACKED}", re.DOTALL)
# PBS and SGE: <name>.o<job> and <name>.e<job>, of an array with the number of the task behind it
_OUT_OR_ERR_OF_PBS = re.compile(rf"(?P<stem>.+\.)p?[oe](?P<job>\d+(?:[.-]\d+|\[\d+\])?){_PACKED}", re.DOTALL)

# What identifies a job: the path of its folder or of its one log, or else the name that a rule or a jobs file gave it.
_Key = tuple[str | None, str | None]


class JobKeys:
    """Which job each log belongs to.

    Parameters
    ----------
    logs : list of (str, str or None)
        The path of each log, and the stream within an export, as :func:`metricscan.logs.streams.streams_of` gives them.
    rule : "auto", "file", "dir" or a regex
        As for :func:`metricscan.logs.survey.survey`.
    found : Survey
        Gets an error for each log in whose path the regex finds no job, and notices about rotated logs.
    tree : FileTree
        The files beside the logs.
    apart : collection of str
        Absolute paths of files that are not pieces of a rotated log, whatever their names.
    named_from : str, optional
        The absolute path of a folder, by which jobs in it are named though they share a folder further down.

    Attributes
    ----------
    folders : list of (str or None)
        Once :meth:`jobs` was called, per job the folder or file beside which the job's facts lie.
    common : str
        Once :meth:`jobs` was called, the folder from which jobs are named by their paths: the one that they share, unless
        ``named_from`` is given; ``""`` if there is none.
    by_path : list of bool
        Once :meth:`jobs` was called, whether each job is named by its path.

    Raises
    ------
    OptionError
        The rule is an invalid regex.
    """

    def __init__(
        self,
        logs: list[tuple[str, str | None]],
        rule: str,
        found: Survey,
        tree: FileTree,
        apart: Collection[str] = (),
        named_from: str | None = None,
    ) -> None:
        self._named_from = named_from
        self.logs = [path for path, _ in logs]
        self.within = [name for _, name in logs]
        self.files = _places(self.logs, found.archives)
        self.parts = [0] * len(self.files)
        links = {absolute(link): absolute(path) for link, path in found.links.items()}
        pieces = pieces_of(dict(zip(self.files, self.logs, strict=True)), found.notices, apart, links)
        if pieces:
            found.pieces = {
                path: pieces[file] for file, path in zip(self.files, self.logs, strict=True) if file in pieces
            }
            # all pieces of a stream have the place of its current file, which decides about them under every rule
            self.parts = [pieces[file].part if file in pieces else 0 for file in self.files]
            self.files = [pieces[file].base if file in pieces else file for file in self.files]
        # where the stream would lie if it had been exported alone; and what decides the job: both streams of a container's log
        # belong to the job of the file
        self.places = self.deciding = self.files
        if any(self.within):
            self.places = [
                file if not name else f"{os.path.dirname(file)}/{name}" if "/" in name else f"{file}/{name}"
                for file, name in zip(self.files, self.within, strict=True)
            ]
            self.deciding = [
                file if name in CONTAINER_STREAMS else place
                for file, place, name in zip(self.files, self.places, self.within, strict=True)
            ]
        self.split = [_split(place) for place in self.places]
        self.found = found
        self._tree = tree
        self.folders: list[str | None] = []
        self.common = ""
        self.by_path: list[bool] = []
        # by the number of the log
        self.attempts: dict[int, Attempt] = {}
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
        deciding = self.split if self.deciding is self.places else [_split(place) for place in self.deciding]
        numbered: dict[str, int] = {}
        stems: dict[str, set[str]] = {}
        pairs: dict[str, str] = {}
        for place, (folder, name) in dict(zip(self.deciding, deciding, strict=True)).items():
            if _NUMBERED.fullmatch(name):
                numbered[folder] = numbered.get(folder, 0) + 1
            if (".o" in name or ".e" in name or ".p" in name) and (stem := _stem_of(place)) is not None:
                pairs[place] = stem
                stems.setdefault(stem, set()).add(place)
        keys: list[_Key | None] = []
        of_guild: set[str] = set()
        are_runs: dict[str, bool] = {}
        layouts: dict[str, tuple[_Layout, ...]] = {}
        for index, (file, place, within) in enumerate(zip(self.files, self.deciding, self.within, strict=True)):
            folder, name = deciding[index]
            match = None
            possible = layouts.get(folder)
            if possible is None:
                possible = layouts[folder] = _layouts_in(folder)
            for tool, text, layout in possible:
                if text in place and (match := _compiled(layout).fullmatch(place)) is not None:
                    if tool == "Guild":
                        of_guild.add(match["job"])
                    break
            if match is None and within in CONTAINER_STREAMS and numbered.get(folder) == 1:
                match = _FIRST_OF_CONTAINER.fullmatch(place)
            if match is not None:
                keys.append((match["job"], None))
                self._note_attempt(index, match)
                continue
            if name.endswith(".log") or ".log." in name:
                is_run = are_runs.get(folder)
                if is_run is None:
                    is_run = are_runs[folder] = _is_run(folder, name, self._tree)
                if is_run:
                    keys.append((folder, None))
                    continue
            own = pairs.get(place)
            if own is not None and len(stems[own]) > 1:
                # Slurm writes train-17.out and train-17.err
                keys.append((own, None))
            else:
                keys.append((file, None))
        return [_in_run(key, of_guild) for key in keys] if of_guild else keys

    def _by_regex(self, rule: str) -> list[_Key | None]:
        pattern = job_pattern(rule)
        keys: list[_Key | None] = []
        for index, (path, place) in enumerate(zip(self.logs, self.deciding, strict=True)):
            match = pattern.search(place)
            group = "job" if "job" in pattern.groupindex else 1 if pattern.groups else 0
            if match is None or not match[group]:
                keys.append(None)
                self.found.errors.append(SourceError(f"the job regex {quoted(rule)} finds no job in {path}", path=path))
            else:
                keys.append((None, match[group]))
                self._note_attempt(index, match)
        return keys

    def _note_attempt(self, index: int, match: re.Match[str]) -> None:
        attempt = attempt_in(match)
        if attempt is not None:
            self.attempts[index] = attempt

    def _join_attempts(self, group: Sequence[int]) -> set[int]:
        """Make the logs of several attempts parts of one stream, with the place of the last; return those that do not count."""
        streams, superseded = ordered_attempts(group, self.attempts, self.within, self.parts)
        for own in streams:
            last = own[-1]
            for part, index in enumerate(own):
                self.parts[index] = part
                for column in (self.files, self.places, self.deciding):
                    column[index] = column[last]
                self.split[index] = self.split[last]
        return superseded

    def place(self, placed: Sequence[tuple[str, str]]) -> None:
        """Assign the logs under each path to the job given with it. The longest path decides."""
        if not placed:
            return
        for index, place in enumerate(self.places):
            fitting = [(len(at), name) for at, name in placed if is_within(place, at)]
            if fitting:
                self.keys[index] = (None, max(fitting)[1])

    def jobs(self) -> list[Job]:
        """The jobs with their names and logs, in natural name order. Sets ``folders``."""
        # numbers, not a list per job: many lists and tuples keep the garbage collector busy
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
            superseded = self._join_attempts(group) if self.attempts and len(group) > 1 else set()
            if len(group) > 1:
                # the oldest piece of a stream first
                group.sort(key=self.parts.__getitem__)
            first = self.deciding[group[0]]
            # the pieces of a rotated log have one place
            place = self.places[group[0]]
            is_one_place = len(group) == 1 or all(self.places[index] == place for index in group)
            if folder is not None and folder != first:
                root = folder
            elif is_one_place:
                root = self.split[group[0]][0]
            else:
                root = _common_folder([self.places[index] for index in group])
            logs = [
                Log(
                    self.logs[index],
                    self._stream(index, root),
                    self.within[index],
                    self.parts[index],
                    index in superseded,
                )
                for index in group
            ]
            if len(logs) > 1 and any(log.within for log in logs):
                logs = _with_distinct_streams(logs, [self.files[index] for index in group])
            if not is_one_place:
                logs = [logs[index] for index in natural_order([log.stream for log in logs])]
            jobs.append(Job("", logs))
            # a log that is itself the job has no folder that belongs to this job alone
            folders.append(None if first in (STDIN, folder) else folder or root)
            firsts.append(first)
            is_file = folder == first or (len(group) > 1 and any(self.places[index] == folder for index in group))
            are_files.append(is_file and given is None and folder != STDIN)
        self.common = _common_folder([key for key, given in numbers if given is None and key not in (None, STDIN)])
        if self._named_from is not None and is_within(self.common, self._named_from):
            self.common = self._named_from
        names = _names([*numbers], firsts, are_files, self.common)
        for job, name in zip(jobs, names, strict=True):
            job.name = name
        order = natural_order(names)
        self.folders = [folders[index] for index in order]
        by_path = [given is None and key != STDIN for key, given in numbers]
        self.by_path = [by_path[index] for index in order]
        return [jobs[index] for index in order]

    def _stream(self, index: int, root: str) -> str:
        place = self.places[index]
        if place == STDIN:
            return "stdin"
        if place.startswith(root) and place[len(root) : len(root) + 1] in ("/", "-"):
            # what follows the job's folder, or the job's name where that is a part of a folder's name
            return _as_text(place[len(root) + 1 :])
        return _as_text(self.split[index][1])


def _stem_of(place: str) -> str | None:
    """What the paths of a job's standard output and standard error share, of a log with a usual name for one of them."""
    if (match := _OUT_OR_ERR.fullmatch(place)) is not None:
        return match["stem"]
    match = _OUT_OR_ERR_OF_PBS.fullmatch(place)
    return None if match is None else match["stem"] + match["job"]


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """The regex of a layout, compiled when the first path needs it: a run meets few of the tools."""
    return re.compile(pattern, re.DOTALL)


def _layouts_in(folder: str) -> tuple[_Layout, ...]:
    """The layouts whose text a path in this folder may contain: in the folder's path, in the name, or across both."""
    # one lookup for most folders: to test each text in each folder was 18 % of a survey of 4,000 folders with one log each
    names = _NAMED_FOLDERS.intersection(folder.split("/"))
    if not names:
        return _ANYWHERE
    return tuple(layout for layout in LAYOUTS if (name := _folder_named_in(layout[1])) is None or name in names)


def _is_run(folder: str, name: str, tree: FileTree) -> bool:
    """Whether a folder is that of a run of Hydra, Lightning or ``metricscan run``: its logs are streams of one job.

    ``name`` is that of the first log in it.
    """
    if name in (OUTPUT, ERRORS) and tree.is_file(f"{folder}/{RECORD}"):
        return True
    if tree.exists(f"{folder}/.hydra"):
        return True
    return "/version_" in folder and bool(_LIGHTNING.fullmatch(folder)) and tree.is_file(f"{folder}/hparams.yaml")


def _in_run(key: _Key | None, runs: set[str]) -> _Key | None:
    """The key of the run in whose folder a job lies; the job's own key if it lies in none."""
    run = None if key is None else key[0]
    while run is not None and run not in runs:
        above = os.path.dirname(run)
        run = None if above == run else above
    return key if run is None else (run, None)


def _with_distinct_streams(logs: Sequence[Log], files: Sequence[str]) -> list[Log]:
    """The logs of a job. Streams of exports that have the same name get a number appended to it.

    ``files`` are the paths of the logs; the pieces of a rotated one have the same path, and the same streams.
    """
    distinct: list[Log] = []
    names: dict[tuple[str, str | None], str] = {}
    for log, file in zip(logs, files, strict=True):
        key = (file, log.within)
        if key not in names:
            same = sum(other.partition(" (")[0] == log.stream for other in names.values()) if log.within else 0
            names[key] = f"{log.stream} ({same + 1})" if same else log.stream
        distinct.append(log._replace(stream=names[key]) if log.stream != names[key] else log)
    return distinct


def absolute(path: str) -> str:
    """The absolute path, normalised, with ``/`` between its parts on every system."""
    return os.path.abspath(path).replace(os.sep, "/")


def is_within(place: str, folder: str) -> bool:
    """Whether an absolute path is that of a folder or file, or lies in the folder."""
    return place == folder or place.startswith(folder.rstrip("/") + "/")


def _split(path: str) -> tuple[str, str]:
    """The same as ``os.path.split``, in half the time for usual paths."""
    folder, _, name = path.rpartition("/")
    return (folder, name) if folder and folder[-1] != "/" and os.sep == "/" else os.path.split(path)


def job_pattern(rule: str) -> re.Pattern[str]:
    """Compile a rule for jobs that is a regex.

    Raises
    ------
    OptionError
        The rule does not compile, or is not a str.
    """
    if not isinstance(rule, str):
        raise OptionError(f"job={quoted(rule)}: 'auto', 'file', 'dir' or a regex was expected")
    try:
        return re.compile(rule)
    except (re.error, RecursionError, OverflowError) as error:
        at = getattr(error, "pos", None)
        place = "" if at is None else f" at position {at}"
        reason = getattr(error, "msg", None) or error
        raise OptionError(
            f"job={quoted(rule)} is not auto, file or dir, and not a valid regex: {reason}{place}"
        ) from None


def _places(logs: Sequence[str], archives: Mapping[str, object]) -> list[str]:
    """The absolute paths of logs. ``os.path.abspath`` is called once per folder.

    What follows the path of an archive is text: its ``..`` leads nowhere.
    """
    folders: dict[str, str] = {}
    places = []
    for path in logs:
        if path == STDIN:
            places.append(path)
            continue
        folder, name = _split(path)
        at = folders.get(folder)
        if at is None:
            real = folder
            while real and archives and real not in archives:
                real = real.rpartition("/")[0]
            inner = folder[len(real) :] if real else ""
            at = os.path.abspath(real or folder).replace(os.sep, "/") + inner
            at = folders[folder] = os.path.join(at, "")
        places.append(at + name)
    return places


def _as_text(path: str) -> str:
    r"""A path as text that every table can hold: bytes that are not UTF-8 are written as ``\xe9``."""
    return path if path.isascii() else path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _common_folder(places: Sequence[str]) -> str:
    folders = {_split(place)[0] for place in places if place != STDIN}
    return os.path.commonpath(folders) if folders else ""


def _names(keys: Sequence[_Key], firsts: Sequence[str], are_files: Sequence[bool], common: str) -> list[str]:
    """A unique name for each job: the given one, or its path relative to the common folder, without a suffix that all share.

    ``firsts`` are the places of the jobs' first logs. ``are_files`` is true for a job that is named by its log.
    """
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
        short[index] = without_suffix(short[index])
    while files:
        suffix = os.path.splitext(short[files[0]])[1]
        if not re.fullmatch(r"\.[A-Za-z][A-Za-z0-9]*", suffix):
            break
        if not all(_has_extension(short[index], suffix) for index in files):
            break
        for index in files:
            short[index] = short[index][: -len(suffix)]
    if not "".join(full).isascii():
        full, short = [*map(_as_text, full)], [*map(_as_text, short)]
    return _unique(full, short, [name is not None for _, name in keys])


def _has_extension(name: str, extension: str) -> bool:
    """Whether ``os.path.splitext`` finds this extension, in a third of its time."""
    if not name.endswith(extension):
        return False
    before = name[-len(extension) - 1 : -len(extension)]
    return before not in ("", ".", "/") or os.path.splitext(name)[1] == extension


def _unique(full: list[str], short: list[str], given: list[bool]) -> list[str]:
    """The short names; full names where short ones are equal; numbered names where full ones are. Given names stay."""
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
