"""Which members of an archive are logs: by the rules for the files of a folder."""

from __future__ import annotations

import fnmatch
import os
import re
from typing import TYPE_CHECKING, NamedTuple, Protocol

from metricscan.errors import SourceError
from metricscan.logs._reading import (
    FLAG_EXPORT,
    FLAG_MARKED,
    FLAG_PACKED,
    FLAG_TAR,
    first_shows,
    look_at,
)
from metricscan.logs.archives import kind_of, place_of, read_archive
from metricscan.logs.by_content import HEAD_BYTES, is_binary_text
from metricscan.logs.compression import MAGIC_PREFIXES, compression
from metricscan.logs.copies import FIRST_LETTERS, is_like_a_link
from metricscan.logs.exports import stream_names
from metricscan.logs.formats import HEAD_BYTES as FORMAT_HEAD_BYTES
from metricscan.logs.formats import REFUSED, detect, format_of
from metricscan.logs.hidden import looks_like_a_log, may_hold_runs, notice_of_holding
from metricscan.logs.job import Notice
from metricscan.logs.kept_facts import may_hold_facts
from metricscan.logs.naming import absolute
from metricscan.logs.source import IsArchive, open_source
from metricscan.logs.tars import is_tar
from metricscan.logs.tools import PRINT_OUTS, is_of_tool

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from metricscan.logs.archives import Archive
    from metricscan.logs.job import Survey, Why
    from metricscan.logs.member_file import MemberFile
    from metricscan.logs.source import Source

#: What the compressed tars of a search, decompressed, may take up together in memory.
HELD_BYTES = 128 * 1024 * 1024
#: What files with facts about jobs may take up together in memory, of those archives that must be read from their beginning on.
KEPT_BYTES = 64 * 1024 * 1024


class Search(Protocol):
    """A search for logs, and its rules for the files of a folder.

    Attributes
    ----------
    found : Survey
    include : list of str
        Globs.
    logs : dict of str to (int or None)
        The logs that were found, as ``find_logs`` returns them.
    top : str
        The given folder that is searched.
    met : dict of str to int
        Per such folder, how many logs were met in it.
    seen : dict of (int, int) to str
        By device and inode, the path under which a file was found.
    given : set of str
        The files that were given.
    like_links : list of str
        Folders and logs with names that tools give to links.
    """

    found: Survey
    include: list[str]
    logs: dict[str, int | None]
    top: str
    met: dict[str, int]
    seen: dict[tuple[int, int], str]
    given: set[str]
    like_links: list[str]

    def is_searched(self, name: str, place: str) -> bool:
        """Whether a folder in the folder with the absolute path ``place`` is searched."""

    def why_no_log(
        self,
        name: str,
        folders: tuple[str, ...],
        place: str,
        is_export: Callable[[], bool],
        include: Sequence[str] | None = None,
        is_file: Callable[[str], bool] = os.path.isfile,
    ) -> Why | None:
        """Why a file is no log, if its name, or its paths for the globs, say so; ``is_file`` tells which files there are."""

    def why_log(self, path: str) -> Why:
        """Why a file that was not given is a log."""

    def decide(self, path: str, *, taken: bool, why: Why, same_as: str | None = None) -> None:
        """Note what was decided about a path, if somebody asks for it."""

    def is_archive_by_name(self, name: str, folder: str) -> bool:
        """Whether a file that is no log by its name is an archive by it."""

    def report_no_logs(self, folder: str, hint: str | None) -> None:
        """Report that there are no logs in a given folder or archive."""


class ArchiveSearch:
    """The archives that a search meets.

    Parameters
    ----------
    search : Search
    input_format : str
    max_decompressed : int
    """

    def __init__(self, search: Search, *, input_format: str, max_decompressed: int) -> None:
        self._search = search
        self._input_format = input_format
        self._max_decompressed = max_decompressed
        self._may_hold = HELD_BYTES
        self._may_keep = KEPT_BYTES
        self._unopened: list[str] = []
        self._nested: list[str] = []
        self._hidden: list[tuple[str, str]] = []

    def pass_over(self, path: str) -> None:
        """Note an archive in a folder, which is not opened unless it is given, too."""
        self._unopened.append(path)

    def report_unopened(self) -> None:
        """Count the archives in folders and in archives that were not opened, and add notices about them.

        Add also the notice about hidden folders in archives.
        """
        if self._hidden:
            self._search.found.notices.append(notice_of_holding(self._hidden))
        opened = {*map(absolute, self._search.found.archives)}
        self._unopened = [path for path in self._unopened if absolute(path) not in opened]
        self._search.found.skipped_archives += len(self._unopened)
        for path in self._unopened:
            self._search.decide(path, taken=False, why="archive")
        if self._nested:
            path = self._nested[0]
            were = "was" if len(self._nested) == 1 else "were"
            message = (
                f"{counted(len(self._nested), 'archive')} in archives {were} not opened, for example {path}; "
                "they are read once they are extracted"
            )
            self._search.found.notices.append(Notice(message, path))
        if not self._unopened:
            return
        path = self._unopened[0]
        name = os.path.basename(path)
        suffix = re.search(r"(?:\.tar)?\.[^.]*\Z", name)
        were = "was" if len(self._unopened) == 1 else "were"
        message = (
            f"{counted(len(self._unopened), 'archive')} in folders {were} not opened, for example {path}; "
            f"--include '*{suffix[0] if suffix else name}' (include=) reads such"
        )
        self._search.found.notices.append(Notice(message, path))

    def take_within(self, path: str) -> bool:
        """Take a given member of an archive, or the members in a given folder of it; False if the path leads into none."""
        try:
            place = place_of(path)
        except SourceError as error:
            self._search.found.errors.append(error)
            return True
        if place is None:
            return False
        look = look_at([os.fsencode(place[0])], MAGIC_PREFIXES)[0]
        return look is not None and self.take(place[0], look, only=place[1])

    def take(self, path: str, look: tuple[int, int, int, int], within: str | None = None, *, only: str = "") -> bool:
        """Take the logs in an archive; False if the file is none.

        Parameters
        ----------
        path : str
        look : tuple
            The result of ``look_at``.
        within : str or None
            Of an archive in a folder, its path for the globs. It is opened only if ``include`` names it.
        only : str
            The member, or the folder in the archive, whose members to take; ``""`` for all.
        """
        search, found = self._search, self._search.found
        if not look[-1] & (FLAG_TAR | FLAG_PACKED) or look[2] < 0:
            return False
        try:
            kind = kind_of(path)
            if kind is None:
                return False
            search.met[search.top] = search.met.get(search.top, 0) + 1
            if within is not None and not search.include:
                self.pass_over(path)
                return True
            if not only and search.seen.setdefault(look[:2], path) != path:
                return True
            members = Members(search, path, within, only, self._input_format, self._max_decompressed)
            archive = read_archive(
                path,
                *kind,
                look=members.look,
                max_decompressed=self._max_decompressed,
                keep=self._may_hold,
                keep_facts=self._may_keep,
            )
            self._may_hold -= len(archive.content or b"")
            self._may_keep -= archive.facts.bytes
        except SourceError:
            # the scan reports it
            return False
        members.take_back_saved()
        known = found.archives.setdefault(path, archive)
        known.streams.update({name: log.streams for name, log in members.logs.items() if log.streams != [None]})
        known.formats.update(
            {name: log.format for name, log in members.logs.items() if log.format not in (None, "plain")}
        )
        report(archive, members, found)
        self._nested += [f"{path}/{name}" for name in members.nested]
        self._hidden += [(f"{path}/{folder}", f"{path}/{log}") for folder, log in members.hidden.items()]
        for link, name in archive.links.items():
            to = f"{path}/{name}" if name in members.logs else None
            if to is not None:
                found.links[f"{path}/{link}"] = to
            search.decide(f"{path}/{link}", taken=False, why="link", same_as=to)
        search.like_links += members.like_links()
        if only in members.logs:
            search.given.add(f"{path}/{only}")
        for name, log in members.logs.items():
            search.logs[f"{path}/{name}"] = log.shown
            search.decide(f"{path}/{name}", taken=True, why="given" if name == only else search.why_log(name))
            found.sizes[f"{path}/{name}"] = archive.bytes_on_disk(name)
        if not members.logs and within is None and archive.error is None and not archive.unreadable:
            hint = "no member has the name of a log; include overrules the names" if members.by_name else None
            search.report_no_logs(f"{path}/{only}" if only else path, hint)
        return True


class Log(NamedTuple):
    """A member that is a log.

    Attributes
    ----------
    shown : int
        The flags of its first bytes, as ``look_at`` gives them.
    format : str or None
        None if it is not known.
    streams : list of (str or None)
        The streams that its events name, if it is an export; else one None.
    """

    shown: int
    format: str | None
    streams: list[str | None]


class Members:
    """The members of one archive that are logs; :meth:`look` is called with each member.

    Parameters
    ----------
    rules : Search
    path : str
        The archive.
    within : str or None
        Of an archive in a folder, its path for the globs.
    only : str
        The member or the folder in the archive to which the search is limited; ``""`` for all.
    input_format : str
    max_decompressed : int

    Attributes
    ----------
    logs : dict of str to Log
        By the names of the members.
    nested : list of str
        The names of members that are archives.
    hidden : dict of str to str
        Hidden folders that were not searched, each with the first member in it that looks like a log.
    by_name, binary : int
        Members that are no logs: because of their names; because of their content.
    """

    def __init__(
        self, rules: Search, path: str, within: str | None, only: str, input_format: str, max_decompressed: int
    ) -> None:
        self.logs: dict[str, Log] = {}
        self.nested: list[str] = []
        self.hidden: dict[str, str] = {}
        self.by_name = 0
        self.binary = 0
        self._rules = rules
        self._path = path
        self._place = absolute(path)
        self._within = "" if within is None else f"{within}/"
        # globs that name the archive say nothing about its members
        base = os.path.basename(path)
        self._include = [one for one in rules.include if not fits(base, base if within is None else within, one)]
        self._only = only
        self._input_format = input_format
        self._max_decompressed = max_decompressed
        self._searched: dict[str, bool] = {"": True}
        # the absolute paths of members that may be what a run printed
        self._print_outs: set[str] = set()

    def look(self, name: str, file: MemberFile) -> None:
        """Decide whether a member is a log."""
        self.logs.pop(name, None)
        if name.endswith(PRINT_OUTS):
            self._print_outs.add(f"{self._place}/{name}")
        if self._only and name != self._only and not name.startswith(self._only + "/"):
            return
        if name != self._only and not self._is_log_by_name(name, self._inner(name), lambda: self._is_export(file)):
            return
        head = file.peek(HEAD_BYTES)
        shown = first_shows(head, MAGIC_PREFIXES)
        kind = compression(head)
        if kind == "zip" or is_tar(head):
            self._pass_over_nested(name)
            return
        packed = None
        if kind is not None:
            opened = self._opened(file)
            try:
                head = opened.peek_or_raise(HEAD_BYTES)
            except IsArchive:
                self._pass_over_nested(name)
                return
            except SourceError:
                # a compression that is not decompressed, or damage
                packed, head = kind, b""
        else:
            opened = self._opened(file)
        if packed is None and len(head) == HEAD_BYTES and not head.strip(b"\0"):
            head = b"\0\0" + opened.peek_behind_nuls(HEAD_BYTES)[1]
        if name != self._only and is_binary_text(name, packed, head):
            self.binary += 1
            self._rules.decide(f"{self._path}/{name}", taken=False, why="binary")
            return
        self.logs[name] = Log(shown, *self._streams(opened, shown))

    def like_links(self) -> list[str]:
        """The paths of the logs, and of the folders with logs in them, with names that tools give to links."""
        found: dict[str, None] = {}
        folders: set[str] = set()
        for name in self.logs:
            at = name
            while at and at not in folders:
                folders.add(at)
                at, _, base = at.rpartition("/")
                if base[:4] in FIRST_LETTERS and is_like_a_link(base):
                    found[f"{self._path}/{at}/{base}" if at else f"{self._path}/{base}"] = None
        return [*found]

    def take_back_saved(self) -> None:
        """Take back the logs that were saved with a run whose print-out was met behind them."""
        if not self._print_outs:
            return
        for name in [*self.logs]:
            folder, _, base = name.rpartition("/")
            is_saved = name != self._only and is_of_tool(f"{self._place}/{folder}", base, self._is_print_out)
            if is_saved and not self._is_log_by_name(name, self._inner(name), lambda: False):
                del self.logs[name]

    def _inner(self, name: str) -> str:
        """A member's path for the globs: that within the folder that was given."""
        return name[len(self._only) + 1 :] if self._only and name != self._only else name

    def _is_print_out(self, place: str) -> bool:
        return place in self._print_outs

    def _pass_over_nested(self, name: str) -> None:
        self.nested.append(name)
        self._rules.decide(f"{self._path}/{name}", taken=False, why="archive")

    def _is_log_by_name(self, name: str, inner: str, is_export: Callable[[], bool]) -> bool:
        folder, _, base = name.rpartition("/")
        if not self._is_searched(folder):
            self._note_hidden(name, folder, base)
            return False
        within = self._within + inner[: len(inner) - len(base)]
        place = f"{self._place}/{folder}" if folder else self._place
        why = self._rules.why_no_log(base, (within,), place, is_export, self._include, self._is_print_out)
        if why is None:
            return True
        if self._rules.is_archive_by_name(base, within):
            self.nested.append(name)
            why = "archive"
        else:
            self.by_name += 1
        self._rules.decide(f"{self._path}/{name}", taken=False, why=why)
        return False

    def _note_hidden(self, name: str, folder: str, base: str) -> None:
        """Note the hidden folder in which a member lies that looks like a log."""
        if not looks_like_a_log(base) or self._rules.include:
            return
        at = ""
        for part in folder.split("/"):
            if part.startswith(".") and not self._is_searched(at + part):
                if may_hold_runs(part):
                    self.hidden.setdefault(at + part, name)
                return
            at += f"{part}/"

    def is_wanted(self, name: str) -> bool:
        """Whether a member that cannot be read would be a log by its name."""
        if self._only and name != self._only and not name.startswith(self._only + "/"):
            return False
        counts = self.by_name, len(self.nested)
        wanted = name == self._only or self._is_log_by_name(name, name, lambda: False)
        self.by_name = counts[0]
        del self.nested[counts[1] :]
        return wanted

    def _is_searched(self, folder: str) -> bool:
        known = self._searched.get(folder)
        if known is None:
            above, _, name = folder.rpartition("/")
            place = f"{self._place}/{above}" if above else self._place
            known = self._is_searched(above) and (
                # `..` is text here, no hidden folder
                name == ".." or f"{self._only}/".startswith(f"{folder}/") or self._rules.is_searched(name, place)
            )
            self._searched[folder] = known
        return known

    def _opened(self, file: MemberFile) -> Source:
        return open_source(file, max_decompressed=self._max_decompressed)

    def _is_export(self, file: MemberFile) -> bool:
        """Whether a member holds exported log events; its first bytes can be read again."""
        head = file.peek(HEAD_BYTES)
        if first_shows(head, MAGIC_PREFIXES) & (FLAG_PACKED | FLAG_MARKED):
            copy = file.copy_of_head()
            head = self._opened(copy).peek(FORMAT_HEAD_BYTES)
        return detect(head[:FORMAT_HEAD_BYTES], file.name) != "plain"

    def _streams(self, opened: Source, shown: int) -> tuple[str | None, list[str | None]]:
        """The format of a member, None if it is not known, and its streams; for those an export is read to its end."""
        if self._input_format == "plain":
            return None, [None]
        if self._input_format == "auto" and not shown & (FLAG_PACKED | FLAG_EXPORT | FLAG_MARKED):
            return "plain", [None]
        format_ = None
        try:
            format_ = format_of(opened, self._input_format)
            has_streams = format_ not in ("plain", "s3-export") and format_ not in REFUSED
            names = stream_names(opened, format_) if has_streams else []
        except SourceError:
            # the scan reports the error
            return format_, [None]
        return format_, [None] if names in ([], [""]) else [*names]


def report(archive: Archive, members: Members, found: Survey) -> None:
    """Add to a survey what is to be said about an archive that was listed."""
    path = archive.path
    left_out = [*archive.facts.left_out]
    if left_out and members.logs:
        found.errors.append(
            SourceError(
                f"{path}: {counted(len(left_out), 'file')} in which tools write hyperparameters or statuses, for example "
                f"{left_out[0]}, would take up too much memory",
                path=path,
                hint="extract the archive and give the folder, or give --jobs (jobs=); a failed run may win",
            )
        )
    if archive.error is not None and archive.error_in not in members.logs:
        # else the scan of that member meets the error
        found.errors.append(archive.error)
    for reason, names in archive.unreadable.items():
        wanted = [name for name in names if members.is_wanted(name) or (members.logs and may_hold_facts(name))]
        if wanted:
            found.errors.append(
                SourceError(
                    f"{path}: {counted(len(wanted), 'member')} cannot be read: {reason}, for example {wanted[0]}",
                    path=path,
                    hint="extract the archive with a program that can, and give the folder",
                )
            )
    duplicates = [name for name in dict.fromkeys(archive.duplicates) if name in members.logs]
    if duplicates:
        found.notices.append(
            Notice(
                f"{path} holds several members of one name ({counted(len(duplicates), 'name')}, for example "
                f"{duplicates[0]}); the last one of each is read, as it is the one that extracting leaves",
                path,
            )
        )
    if archive.is_continued:
        found.notices.append(
            Notice(f"{path} goes on behind its end marker; what follows is not read, though it may be an archive", path)
        )
    found.skipped_by_name += members.by_name
    found.skipped_binary += members.binary
    found.skipped_not_regular += archive.not_regular
    found.skipped_archives += len(members.nested)


def counted(count: int, noun: str) -> str:
    """A number and a noun.

    >>> counted(1, "name"), counted(2000, "name")
    ('1 name', '2,000 names')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def fits(name: str, within: str, pattern: str) -> bool:
    """Whether a glob names a file, by its name or by its path in the folder."""
    return fnmatch.fnmatchcase(name, pattern) or fnmatch.fnmatchcase(within, pattern)
