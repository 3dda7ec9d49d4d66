"""Which logs are followed: those under some paths, also those that appear later. Each keeps the name that it got first."""

from __future__ import annotations

import os
import re
from fnmatch import fnmatch
from glob import has_magic
from typing import TYPE_CHECKING, Any, NamedTuple

from metricscan.errors import OptionError, SourceError
from metricscan.live.identity import FileStatus
from metricscan.logs.formats import CONTAINER_FORMATS, CONTAINER_STREAMS, HEAD_BYTES, format_of
from metricscan.logs.job import STDIN, Notice
from metricscan.logs.naming import absolute, is_within
from metricscan.logs.rotation import pieces_of
from metricscan.logs.source import open_source
from metricscan.logs.survey import survey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from metricscan.logs.job import Survey

# Kubernetes writes what a container prints to NAMESPACE_POD_UID/CONTAINER/<restarts>.log
_OF_POD = re.compile(r"/pods/[^/]+/[^/]+/\d+\.log\Z")


class LogName(NamedTuple):
    """What distinguishes a followed log: its job, and its stream in it."""

    job: str
    stream: str


class NewLog(NamedTuple):
    """A log that was found.

    Attributes
    ----------
    path : str
        Absolute; of a log that was rotated, that of the current file.
    name : LogName
    goes_on : str or None
        The path of a followed log whose file was rotated away from this path: it goes on here.
    streams : mapping of str to str or None
        Of a container's log, the names of its streams in the job.
    """

    path: str
    name: LogName
    goes_on: str | None = None
    streams: Mapping[str, str] | None = None


class Watch:
    """Finds logs as :func:`metricscan.survey` does, again and again.

    A job keeps the name that it got first: which other logs there are later decides nothing.

    Parameters
    ----------
    paths : iterable of path
        Files, folders and globs. They need not exist yet.
    known : mapping of str to LogName
        Logs of an earlier follower, by absolute path.
    job : str
        As for :func:`metricscan.survey`.
    include, exclude : sequence of str
    follow_links : bool
    detects : bool
        Whether containers' logs are detected: the job of one, and the names of its streams, are those of a replay.
    taken : iterable of LogName
        Further names that new logs do not get: those of containers' streams.

    Raises
    ------
    OptionError
        The paths are none that can be followed.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> watch = Watch([folder])
    >>> (folder / "trial_1").mkdir(), (folder / "trial_1" / "train.log").touch()
    (None, None)
    >>> [log.name for log in watch.look()], watch.look()
    ([LogName(job='trial_1/train', stream='train.log')], [])
    """

    def __init__(
        self,
        paths: Iterable[str | os.PathLike[str]],
        known: Mapping[str, LogName] | None = None,
        *,
        job: str = "auto",
        include: str | Sequence[str] = (),
        exclude: str | Sequence[str] = (),
        follow_links: bool = False,
        detects: bool = True,
        taken: Iterable[LogName] = (),
    ) -> None:
        self.paths = [os.fsdecode(path) for path in paths]
        if STDIN in self.paths:
            raise OptionError("standard input is no file: what it holds cannot be read again", hint="scan reads it")
        if not self.paths:
            raise OptionError("no paths: files, folders or globs were expected")
        #: None once they were given out.
        self._notices: list[Notice] | None = []
        self._known = dict(known or {})
        self._names = {*self._known.values(), *taken}
        self._settings: dict[str, Any] = {
            "job": job,
            "include": include,
            "exclude": exclude,
            "follow_links": follow_links,
        }
        #: Files that are, or were, read under another name; each as it was when that was last found.
        self._renamed: dict[str, FileStatus] = {}
        self._is_first = True
        self._detects = detects
        self._named_from: str | None = None

    def look(self, is_followed: Callable[[str, tuple[int, int]], bool] | None = None) -> list[NewLog]:
        """Find the logs that were not known.

        Parameters
        ----------
        is_followed : callable, optional
            Whether the file at a path, of a device and an inode, is that of a followed log, under whatever name:
            :meth:`Follower.has_read` gives it.
        """
        found = self._survey()
        logs = [(job, log) for job in found.jobs for log in job.logs if not _is_in(log.path, found)]
        places = [absolute(log.path) for _, log in logs]
        pieces = pieces_of({one: one for one in [*places, *self._known]}, [])
        bases = [pieces[place].base if place in pieces else place for place in places]
        of_stream: dict[tuple[str, str], set[str]] = {}
        for (job, log), base in zip(logs, bases, strict=True):
            of_stream.setdefault((job.name, log.stream), set()).add(base)
        new: dict[str, NewLog] = {}
        containers: dict[str, _Container] | None = None
        for (job, log), base in zip(logs, bases, strict=True):
            if base in new or base in self._known or self._is_renamed(base, is_followed):
                continue
            older = [one for one in self._known if one in pieces and pieces[one].base == base]
            goes_on = max(older, key=lambda one: pieces[one].part) if older else None
            if self._detects and goes_on is None:
                format_ = _format_at(log.path)
                if format_ is None and _OF_POD.search(base):
                    # what a container wrote decides its job
                    continue
                if format_ in CONTAINER_FORMATS:
                    containers = self._containers() if containers is None else containers
                    if base in containers:
                        new[base] = self._named_container(base, containers[base])
                        self._known[base] = new[base].name
                        continue
            stream = log.stream
            if len(of_stream[job.name, stream]) > 1:
                # logs of several attempts have the stream of the last one
                stream = "/".join(base.split("/")[-stream.count("/") - 1 :])
            name = self._known[goes_on] if goes_on is not None else self._distinct(job.name, stream)
            new[base] = NewLog(base, name, goes_on)
        for one in new.values():
            self._known[one.path] = one.name
            self._names.add(one.name)
        return list(new.values())

    def streams_of(self, path: str) -> Mapping[str, str]:
        """The names of the streams of a container's log that was found before it showed what it is."""
        found = self._containers().get(path)
        if found is None:
            return {}
        name = self._known[path]
        return self._named_streams(name, _Container(name.job, found.prefix))

    def _containers(self) -> dict[str, _Container]:
        """The containers' logs, by the paths of their current files."""
        found = survey(self.paths, **self._settings, named_from=self._named_from, input_format="auto")
        logs = [(job, log) for job in found.jobs for log in job.logs if log.within in CONTAINER_STREAMS]
        places = [absolute(log.path) for _, log in logs]
        pieces = pieces_of({one: one for one in [*places, *self._known]}, [])
        containers: dict[str, _Container] = {}
        for (job, log), place in zip(logs, places, strict=True):
            base = pieces[place].base if place in pieces else place
            prefix = log.stream.removesuffix(log.within or "").rstrip("/")
            if prefix:
                # logs of several attempts have the stream of the last one
                prefix = "/".join(base.split("/")[-prefix.count("/") - 1 :])
            containers[base] = _Container(job.name, prefix)
        return containers

    def _named_container(self, path: str, found: _Container) -> NewLog:
        name = self._distinct(found.job, found.prefix or os.path.basename(path))
        return NewLog(path, name, streams=self._named_streams(name, found))

    def _named_streams(self, name: LogName, found: _Container) -> dict[str, str]:
        """The names of a container's streams, which no other log has."""
        streams = {one: one for one in CONTAINER_STREAMS}
        if found.prefix or any(LogName(name.job, one) in self._names for one in CONTAINER_STREAMS):
            streams = {one: f"{name.stream}/{one}" for one in CONTAINER_STREAMS}
        self._names.update(LogName(name.job, one) for one in streams.values())
        return streams

    def covers(self, path: str) -> bool:
        """Whether an absolute path is among those that are watched, or lies in a folder that is, though nothing may be there."""
        for one in self.paths:
            place = absolute(one)
            if is_within(path, place) or (has_magic(one) and fnmatch(path, place)):
                return True
        return False

    def new_notices(self, *, has_logs: bool) -> list[Notice]:
        """What the first search said, once; and that nothing is there yet, if no log is followed."""
        notices, self._notices = self._notices, None
        if notices is None:
            return []
        if not has_logs:
            notices.append(Notice(f"no logs yet in {', '.join(self.paths)}: they are followed when they appear"))
        return notices

    def folders(self) -> set[str]:
        """The folders in which logs lie, or may appear: up to those that were given."""
        tops = set()
        for path in self.paths:
            place = absolute(path)
            tops.add(place if os.path.isdir(place) else os.path.dirname(place))
        found = set(tops)
        for path in self._known:
            folder = os.path.dirname(path)
            while folder not in found and any(is_within(folder, top) for top in tops):
                found.add(folder)
                folder = os.path.dirname(folder)
        return found

    def _survey(self) -> Survey:
        found = survey(self.paths, **self._settings, named_from=self._named_from)
        if self._is_first:
            self._notices = [
                *found.notices,
                *(Notice(error.message, error.path) for error in found.errors if _is_lasting(error)),
                *(
                    Notice(f"{one} is an archive, which does not grow: it is not followed", one)
                    for one in found.archives
                ),
            ]
            self._is_first = False
            if len(found.jobs) < 2 and len(self.paths) == 1 and os.path.isdir(self.paths[0]):
                # The one job that is there first shares no folder with others yet.
                self._named_from = self.paths[0]
                found = survey(self.paths, **self._settings, named_from=self._named_from)
        return found

    def _is_renamed(self, path: str, is_followed: Callable[[str, tuple[int, int]], bool] | None) -> bool:
        # A new file may have the inode of one that was removed: only an unchanged one is known without a look into it.
        if path in self._renamed and self._renamed[path].is_at(path):
            return True
        self._renamed.pop(path, None)
        found = FileStatus.of(path)
        if found is None or is_followed is None or not is_followed(path, (found.device, found.inode)):
            return False
        self._renamed[path] = found
        return True

    def _distinct(self, job: str, stream: str) -> LogName:
        """A name that no other log has."""
        name = LogName(job, stream)
        number = 2
        while name in self._names:
            name = LogName(job, f"{stream} ({number})")
            number += 1
        self._names.add(name)
        return name


class _Container(NamedTuple):
    """The job of a container's log, and what stands before the names of its streams in it."""

    job: str
    prefix: str


def _format_at(path: str) -> str | None:
    """The format of the log at a path; None while its first line is not whole, or if it cannot be read."""
    try:
        with open_source(path) as opened:
            head = opened.peek(HEAD_BYTES)
            if len(head) < HEAD_BYTES and b"\n" not in head:
                return None
            return format_of(opened, "auto")
    except SourceError:
        return None


def _is_in(path: str, found: Survey) -> bool:
    """Whether a log is a member of an archive: archives do not grow."""
    return any(path.startswith(f"{archive}/") for archive in found.archives)


def _is_lasting(error: SourceError) -> bool:
    """Whether an error of a search is more than that nothing is there yet."""
    return error.cause is not None and not isinstance(error.cause, FileNotFoundError)
