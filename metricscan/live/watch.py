"""Which logs are followed: those under some paths, also those that appear later. Each keeps the name that it got first."""

from __future__ import annotations

import os
import re
from fnmatch import fnmatch
from glob import has_magic
from typing import TYPE_CHECKING, Any, NamedTuple

from metricscan.errors import OptionError, SourceError
from metricscan.live.identity import FileStatus
from metricscan.logs.formats import (
    CONTAINER_FORMATS,
    CONTAINER_STREAMS,
    EXPORT_FORMATS,
    HEAD_BYTES,
    STREAM_FORMATS,
    format_of,
    is_format_shown,
)
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
_MAY_HAVE_STREAMS = re.compile(rf"{_OF_POD.pattern}|\.(?:json|csv)\Z")
# An address such as s3://bucket/logs. Paths need not exist yet, so it would be waited for.
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
# in the place of those that an export will name
_SOME_STREAM = ["job/stream"]


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
    streams : mapping of str to LogName or None
        Of a container's log or an export, the names of its streams.
    """

    path: str
    name: LogName
    goes_on: str | None = None
    streams: Mapping[str, LogName] | None = None


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
        Whether containers' logs and exports are detected: the jobs and the names of their streams are those of a replay.
    streams : mapping of str to mapping of str to LogName, optional
        By absolute path, the streams of containers' logs and of exports of an earlier follower. New logs do not get their names.

    Attributes
    ----------
    hyperparameters : dict of str to dict
        By job, those that the last search found, as a survey does.

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
        streams: Mapping[str, Mapping[str, LogName]] | None = None,
    ) -> None:
        self.paths = [os.fsdecode(path) for path in paths]
        if STDIN in self.paths:
            raise OptionError("standard input is no file: what it holds cannot be read again", hint="scan reads it")
        if not self.paths:
            raise OptionError("no paths: files, folders or globs were expected")
        for path in self.paths:
            if _ADDRESS.match(path) and not os.path.lexists(path):
                raise OptionError(
                    f"{path} is the address of something elsewhere: files, folders or globs were expected"
                )
        #: None once they were given out.
        self._notices: list[Notice] | None = []
        self._known = dict(known or {})
        #: By path, the streams of exports that were found.
        self._exports = {
            path: dict(named) for path, named in (streams or {}).items() if not named.keys() <= {*CONTAINER_STREAMS}
        }
        self._names = {*self._known.values(), *(name for named in (streams or {}).values() for name in named.values())}
        self._settings: dict[str, Any] = {
            "job": job,
            "include": include,
            "exclude": exclude,
            "follow_links": follow_links,
        }
        self.hyperparameters: dict[str, dict[str, str]] = {}
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
        # of several pieces the first one
        places_of = dict(zip(reversed(bases), reversed(logs), strict=True))
        formats: dict[str, str | None] = {}
        goes_on: dict[str, str] = {}
        for (_, log), base in zip(logs, bases, strict=True):
            if base in formats or base in self._known or self._is_renamed(base, is_followed):
                continue
            older = [one for one in self._known if one in pieces and pieces[one].base == base]
            formats[base] = "plain"
            if older:
                goes_on[base] = max(older, key=lambda one: pieces[one].part)
            elif self._detects:
                formats[base] = _format_at(log.path)
        # what a container or an export holds decides its job; it has no row yet
        waiting = [base for base, format_ in formats.items() if format_ is None and _MAY_HAVE_STREAMS.search(base)]
        decoded: _Decoded | None = None
        if formats and (waiting or self._exports or not {*formats.values()}.isdisjoint(STREAM_FORMATS)):
            decoded = self._decoded({base: _SOME_STREAM for base in waiting if not _OF_POD.search(base)})
        for base, format_ in formats.items():
            job, log = places_of[base]
            before = goes_on.get(base)
            if base in waiting:
                continue
            if before is None and decoded is not None:
                if format_ in CONTAINER_FORMATS and base in decoded.containers:
                    new[base] = self._named_container(base, decoded.containers[base])
                    self._known[base] = new[base].name
                    continue
                if format_ in EXPORT_FORMATS and base in decoded.exports:
                    new[base] = self._named_export(base, decoded.exports[base])
                    self._known[base] = new[base].name
                    continue
            stream, of_job = log.stream, job.name
            if len(of_stream[job.name, stream]) > 1:
                # logs of several attempts have the stream of the last one
                stream = "/".join(base.split("/")[-stream.count("/") - 1 :])
            elif decoded is not None and decoded.exports and base in decoded.texts:
                # exports beside it have jobs that decide how this one is called
                of_job, stream = decoded.texts[base]
            name = self._known[before] if before is not None else self._distinct(of_job, stream)
            new[base] = NewLog(base, name, before)
        for one in new.values():
            self._known[one.path] = one.name
            self._names.add(one.name)
        self.hyperparameters = {
            self._known[base].job: job.hyperparameters
            for (job, _), base in zip(logs, bases, strict=True)
            if job.hyperparameters and base in self._known
        }
        return list(new.values())

    def streams_of(self, path: str, of_export: Iterable[str] | None = None) -> Mapping[str, LogName]:
        """The names of the streams of a log that was found before they showed.

        Parameters
        ----------
        path : str
        of_export : iterable of str, optional
            The streams of an export that have no name yet; None for a container's log.
        """
        name = self._known[path]
        if of_export is None:
            container = self._decoded().containers.get(path)
            return {} if container is None else self._named_streams(name, _Container(name.job, container.prefix))
        named = self._exports.setdefault(path, {})
        # it is not read again: its streams are known
        found = self._decoded({path: [*named, *of_export]}).exports.get(path, {})
        new = {
            within: self._distinct(*found.get(within, (name.job, f"{name.stream}/{within}" if within else name.stream)))
            for within in of_export
        }
        named.update(new)
        return new

    def _decoded(self, streams: Mapping[str, list[str]] | None = None) -> _Decoded:
        """The logs as a replay finds them that detects their formats, by the paths of their current files."""
        known = {path: [*named] for path, named in self._exports.items()} | dict(streams or {})
        found = survey(
            self.paths, **self._settings, named_from=self._named_from, input_format="auto", known_streams=known
        )
        logs = [(job, log) for job in found.jobs for log in job.logs]
        places = [absolute(log.path) for _, log in logs]
        pieces = pieces_of({one: one for one in [*places, *self._known]}, [])
        decoded = _Decoded({}, {}, {})
        for (job, log), place in zip(logs, places, strict=True):
            base = pieces[place].base if place in pieces else place
            if log.within in CONTAINER_STREAMS:
                prefix = log.stream.removesuffix(log.within).rstrip("/")
                if prefix:
                    # logs of several attempts have the stream of the last one
                    prefix = "/".join(base.split("/")[-prefix.count("/") - 1 :])
                decoded.containers[base] = _Container(job.name, prefix)
            elif log.within is None:
                decoded.texts[base] = LogName(job.name, log.stream)
            else:
                decoded.exports.setdefault(base, {})[log.within] = LogName(job.name, log.stream)
        return decoded

    def _named_export(self, path: str, found: Mapping[str, LogName]) -> NewLog:
        """An export: its streams are those of its jobs, and it is a stream without rows of the first job."""
        streams = {within: self._distinct(*name) for within, name in found.items()}
        self._exports[path] = dict(streams)
        return NewLog(path, self._distinct(min(streams.values()).job, os.path.basename(path)), streams=streams)

    def _named_container(self, path: str, found: _Container) -> NewLog:
        name = self._distinct(found.job, found.prefix or os.path.basename(path))
        return NewLog(path, name, streams=self._named_streams(name, found))

    def _named_streams(self, name: LogName, found: _Container) -> dict[str, LogName]:
        """The names of a container's streams, which no other log has."""
        streams = {one: LogName(name.job, one) for one in CONTAINER_STREAMS}
        if found.prefix or not self._names.isdisjoint(streams.values()):
            streams = {one: LogName(name.job, f"{name.stream}/{one}") for one in CONTAINER_STREAMS}
        self._names.update(streams.values())
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

    def _searched(self) -> Survey:
        format_ = "auto" if self._detects else "plain"
        return survey(
            self.paths, **self._settings, named_from=self._named_from, input_format=format_, reads_streams=False
        )

    def _survey(self) -> Survey:
        found = self._searched()
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
                found = self._searched()
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


class _Decoded(NamedTuple):
    """What a replay that detects formats finds, by path."""

    containers: dict[str, _Container]
    exports: dict[str, dict[str, LogName]]
    texts: dict[str, LogName]


def _format_at(path: str) -> str | None:
    """The format of the log at a path; None while its first line is not whole, or if it cannot be read."""
    if not os.path.isfile(path):
        # to open a named pipe would wait for its writer
        return None
    try:
        with open_source(path) as opened:
            head = opened.peek(HEAD_BYTES)
            if len(head) < HEAD_BYTES and not is_format_shown(head, path):
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
