"""Find logs: the walk through folders, which files count as logs, and the streams that an export holds."""

from __future__ import annotations

import fnmatch
import glob
import os
import re
import stat
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from metricscan.errors import SourceError
from metricscan.logs._reading import FLAG_BINARY, FLAG_PACKED, FLAG_TAR, look_at
from metricscan.logs.by_content import ends_as_zip, is_binary, is_export
from metricscan.logs.compression import MAGIC_PREFIXES, MAX_DECOMPRESSED, without_suffix
from metricscan.logs.copies import (
    FIRST_LETTERS,
    Copy,
    compressed_beside,
    copies_among,
    is_like_a_link,
    notice_of_copies,
)
from metricscan.logs.extracted import extracted_beside
from metricscan.logs.file_tree import FileTree
from metricscan.logs.globs import paths_of
from metricscan.logs.hidden import looks_like_a_log, notice_of_hidden
from metricscan.logs.job import STDIN
from metricscan.logs.links import Link, beside, broken_to, hops, is_link, notice_of_broken, real_parts
from metricscan.logs.members import ArchiveSearch, fits
from metricscan.logs.naming import absolute, is_within
from metricscan.logs.natural import natural_order
from metricscan.logs.no_logs import is_named_like_an_archive, is_of_no_log
from metricscan.logs.older_pieces import notice_of_older_pieces
from metricscan.logs.tools import is_of_tool, notice_of_tools

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from metricscan.logs.job import Survey, Why

#: A folder with this file is a dataset, not a folder of logs.
DATASET_MANIFEST = "_manifest.json"

_HIDDEN_BUT_LOGS = re.compile(r"\.guild")
# Guild keeps a run's attributes and sources in folders of .guild, and all runs in the folder runs of another .guild.
_FOLDERS_OF_GUILD = frozenset(["runs"])


def find_logs(
    paths: Iterable[str | os.PathLike[str]],
    found: Survey,
    *,
    include: str | Sequence[str] = (),
    exclude: str | Sequence[str] = (),
    input_format: str = "plain",
    follow_links: bool = False,
    decisions: dict[str, Decision] | None = None,
    max_decompressed: int = MAX_DECOMPRESSED,
) -> dict[str, int | None]:
    """Find the logs under paths, each real file once.

    Parameters
    ----------
    paths : iterable of path
        Files (always taken), folders and archives (searched), members of archives and folders in them, globs, or ``"-"`` for
        standard input.
    found : Survey
        Gets the errors, the counts of files that were skipped, the sizes, and the archives.
    include, exclude : glob or sequence of glob
        Names, or paths within the folder, of the files to take from folders.
    input_format : str
        With ``"auto"``, a JSON or CSV file that holds log events is a log.
    follow_links : bool
        Whether to search the folders outside those given to which links in them lead.
    decisions : dict, optional
        Gets each path that was met, and what was decided about it.
    max_decompressed : int
        The most bytes that an archive is decompressed to.

    Returns
    -------
    dict of str to (int or None)
        The paths in the order in which they were found, each with the flags that ``look_at`` gave for its first bytes, or
        for those of its decompressed text; None if the file was not opened.
    """
    search = _Search(
        found,
        include,
        exclude,
        decisions,
        input_format=input_format,
        follow_links=follow_links,
        max_decompressed=max_decompressed,
    )
    return search.find(paths)


class Decision(NamedTuple):
    """What was decided about a path: whether it is a log, why, and the path of what it equals."""

    taken: bool
    why: Why
    same_as: str | None = None


# A folder to search: its path, its path for the globs, its absolute path, and the path for the globs that it had before.
_Place: TypeAlias = tuple[str, str, str, str | None]


class _Search:
    """One walk over all paths. Links are followed last, so that a file that has two paths is found under its real one."""

    def __init__(
        self,
        found: Survey,
        include: str | Sequence[str],
        exclude: str | Sequence[str],
        decisions: dict[str, Decision] | None,
        *,
        input_format: str,
        follow_links: bool,
        max_decompressed: int,
    ) -> None:
        self.found = found
        self.decisions = decisions
        self.follow_links = follow_links
        # the files that were given, and the real paths of the folders that were
        self.given: set[str] = set()
        self.tops: list[str] = []
        self.exports = input_format == "auto"
        # a str is one glob, not one glob per letter
        self.include, self.exclude = ([one] if isinstance(one, str) else list(one) for one in (include, exclude))
        # by device and inode: the path under which a file was found; a folder's path, and its path for the globs
        self.seen: dict[tuple[int, int], str] = {}
        self.walked: dict[tuple[int, int], tuple[str, str]] = {}
        self.folder_links: list[Link] = []
        self.file_links: list[Link] = []
        # links to what does not exist: their number, and those that have the name of a log
        self.broken = 0
        self.broken_logs: list[str] = []
        # what include left out
        self.left_out: list[str] = []
        # what include took though a tool wrote it about itself
        self.of_tools: list[str] = []
        # hidden folders that were not searched, and folders and logs with names that tools give to links
        self.hidden: list[str] = []
        self.like_links: list[str] = []
        # the folder under which the search is at work, and per such folder how many logs were met in it
        self.top = ""
        self.met: dict[str, int] = {}
        # per path the flags of its first bytes; None if it was not opened
        self.logs: dict[str, int | None] = {}
        self.archives = ArchiveSearch(self, input_format=input_format, max_decompressed=max_decompressed)

    def find(self, paths: Iterable[str | os.PathLike[str]]) -> dict[str, int | None]:
        given = [os.fsdecode(path) for path in paths]
        empty: list[tuple[str, str | None]] = []
        for path in sorted(given, key=is_link):
            if path == STDIN:
                self.logs[STDIN] = None
                self.decide(STDIN, taken=True, why="given")
            elif os.path.isdir(path):
                empty += self._folder(path)
            elif os.path.lexists(path):
                self._take_given(path)
            elif self.archives.take_within(path):
                continue
            elif glob.has_magic(path):
                empty += self._glob(path)
            else:
                cause = FileNotFoundError(2, os.strerror(2))
                self.found.errors.append(SourceError(f"cannot open {path}", path=path, cause=cause))
        self._follow()
        self._leave_out_copies()
        self._mention_hidden()
        notices = (
            notice_of_broken(self.broken_logs),
            notice_of_tools([path for path in dict.fromkeys(self.of_tools) if path in self.logs], self.include),
            notice_of_older_pieces(self.given, self.left_out, self.logs) if self.given or self.left_out else None,
        )
        self.found.notices += [notice for notice in notices if notice is not None]
        for folder, hint in empty:
            if not self.met.get(folder):
                unfollowed = (
                    self.found.skipped_links and "links in it lead to folders elsewhere; follow_links searches those"
                )
                self.report_no_logs(folder, unfollowed or hint)
        self.archives.report_unopened()
        return self.logs

    def _glob(self, pattern: str) -> list[tuple[str, str | None]]:
        matches = paths_of(pattern, follow_links=self.follow_links)
        if not matches:
            self.found.errors.append(SourceError(f"nothing matches {pattern}", path=pattern))
        empty: list[tuple[str, str | None]] = []
        for match in sorted((matches[index] for index in natural_order(matches)), key=is_link):
            if os.path.isdir(match):
                # `logs/**` matches folders as well as the files in them
                if not pattern.endswith("**"):
                    empty += self._folder(match)
            else:
                self._take_given(match)
        return empty

    def _take_given(self, path: str) -> None:
        """Take a file that was given; of an archive its members."""
        look = look_at([os.fsencode(path)], MAGIC_PREFIXES)[0] if os.path.isfile(path) else None
        if look is not None and self.archives.take(path, look):
            return
        if look is not None and is_named_like_an_archive(path) and not look[-1] & FLAG_PACKED:
            message = f"{path} has the name of an archive, but does not begin as one"
            hint = "an empty tar holds no logs; zip -J takes the program off a zip that extracts itself"
            self.found.errors.append(SourceError(message, path=path, offset=0, hint=hint))
            return
        if look is not None and look[-1] & (FLAG_BINARY | FLAG_TAR) and ends_as_zip(path):
            message = f"{path} is a zip behind a program that extracts it"
            hint = "zip -J takes the program off; then the zip is read"
            self.found.errors.append(SourceError(message, path=path, offset=0, hint=hint))
            return
        self._take(path, look, given=True)

    def _take(self, path: str, look: tuple[int, int, int, int] | None = None, *, given: bool = False) -> None:
        self.met[self.top] = self.met.get(self.top, 0) + 1
        shown = None
        if given:
            self.given.add(path)
        if look is None:
            try:
                status = os.stat(path)
            except OSError as error:
                to = broken_to(path)
                broken = "" if to is None else f", a broken link to {to}"
                self.found.errors.append(SourceError(f"cannot open {path}{broken}", path=path, cause=error))
                return
            device, inode = status.st_dev, status.st_ino
            size = status.st_size if stat.S_ISREG(status.st_mode) else -1
        else:
            device, inode, size, shown = look
        other = self.seen.setdefault((device, inode), path)
        if other is not path:
            if other == path:
                return
            if real_parts(path) <= real_parts(other):
                if os.path.islink(path):
                    self.found.links[path] = other
                self.decide(path, taken=False, why="same-file", same_as=other)
                return
            # a glob or a shell gave the path through a link first
            self.seen[device, inode] = path
            del self.logs[other]
            self.found.sizes.pop(other, None)
            if os.path.islink(other):
                self.found.links[other] = path
            self.decide(other, taken=False, why="same-file", same_as=path)
        self.logs[path] = shown
        if self.decisions is not None:
            self.decide(path, taken=True, why="given" if given else self.why_log(path))
        if size >= 0:
            self.found.sizes[path] = size

    def decide(self, path: str, *, taken: bool, why: Why, same_as: str | None = None) -> None:
        if why == "same-file" or (why == "link" and same_as is not None and not path.endswith("/")):
            self.found.skipped_names += 1
        if self.decisions is not None:
            self.decisions[path] = Decision(taken, why, same_as)

    def _folder(self, path: str) -> list[tuple[str, str | None]]:
        """Search a given folder. If there is no log, that is an error; where links may still give some, it is returned."""
        found = self.found
        folder = beside(path)
        met, errors, by_name, skipped = self.met.get(folder), len(found.errors), found.skipped_by_name, found.skipped
        broken = self.broken
        links = len(self.folder_links) + len(self.file_links)
        self.top = folder
        self.tops.append(absolute(os.path.realpath(folder)))
        if is_like_a_link(os.path.basename(folder.rstrip(os.sep))):
            self.like_links.append(folder.rstrip(os.sep))
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
                if found.skipped - skipped == self.broken - broken:
                    hint = "it holds nothing but broken links"
                    if self.broken_logs:
                        hint += f", for example {self.broken_logs[-1]} to {broken_to(self.broken_logs[-1])}"
            if len(self.folder_links) + len(self.file_links) > links:
                return [(folder, hint)]
            self.report_no_logs(folder, hint)
        return []

    def report_no_logs(self, folder: str, hint: str | None) -> None:
        self.found.errors.append(SourceError(f"no logs in {folder}", path=folder, hint=hint))

    def _walk(self, folder: str, within: str, place: str, real: str | None = None) -> None:
        """Find the logs in a folder and in those within, as :meth:`_in_folder` does in one of them."""
        # no recursion: folders may lie in each other more deeply than Python calls
        searches = [self._in_folder(folder, within, place, real)]
        while searches:
            inner = next(searches[-1], None)
            if inner is None:
                searches.pop()
            else:
                searches.append(self._in_folder(*inner))

    def _in_folder(self, folder: str, within: str, place: str, real: str | None) -> Iterator[_Place]:
        """Find the logs in one folder. Each folder in it is yielded where its turn has come.

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
        names = [entry.name for entry in entries]
        entries = [entries[index] for index in natural_order(names)]
        links = {entry.name for entry in entries if entry.is_symlink()}
        paths = (within,) if real is None else (within, real)
        if real is None and not FIRST_LETTERS.isdisjoint([name[:4] for name in names]):
            self.like_links += [
                entry.path for entry in entries if entry.name not in links and is_like_a_link(entry.name)
            ]
        passed_over: dict[str, Why] = {}
        logs = []
        for entry in entries:
            if entry.name not in links and _is_regular(entry):
                why = self.why_no_log(entry.name, paths, place, partial(is_export, entry.path))
                if why is None:
                    logs.append(entry.path)
                    if self.include and is_of_tool(place, entry.name):
                        self.of_tools.append(entry.path)
                elif real is None:
                    if why == "not-included":
                        self.left_out.append(entry.path)
                    passed_over[entry.path] = why
        looks = dict(zip(logs, look_at([*map(os.fsencode, logs)], MAGIC_PREFIXES), strict=True))
        for entry in entries:
            if entry.path in looks:
                look = looks[entry.path]
                # the first bytes of most files are those of plain text
                if look is not None and look[-1]:
                    if self.archives.take(entry.path, look, within + entry.name):
                        continue
                    binary, look = is_binary(entry.path, look)
                    if binary:
                        if real is None:
                            self.found.skipped_binary += 1
                            self.decide(entry.path, taken=False, why="binary")
                        continue
                self._take(entry.path, look)
            elif _is_folder(entry):
                if not self.is_searched(entry.name, place):
                    if real is None:
                        self._pass_over_folder(entry, place)
                elif entry.name not in links:
                    inner = None if real is None else f"{real}{entry.name}/"
                    yield entry.path, f"{within}{entry.name}/", f"{place}/{entry.name}", inner
                elif real is None:
                    self.folder_links.append(Link(entry.path, f"{within}{entry.name}/", self.top))
            elif real is not None:
                # counted before
                continue
            elif not _is_regular(entry):
                self.found.skipped_not_regular += 1
                to = broken_to(entry.path) if entry.name in links else None
                self.decide(entry.path, taken=False, why="not-regular" if to is None else "broken-link", same_as=to)
                if to is not None:
                    self.broken += 1
                    why = self.why_no_log(entry.name, paths, place, partial(is_export, entry.path))
                    if looks_like_a_log(entry.name) and why is None:
                        self.broken_logs.append(entry.path)
            elif entry.name not in links and self.is_archive_by_name(entry.name, within):
                self.archives.pass_over(entry.path)
            else:
                why = passed_over.get(entry.path) or self.why_no_log(
                    entry.name, paths, place, partial(is_export, entry.path)
                )
                if why is None:
                    self.file_links.append(Link(entry.path, within + entry.name, self.top))
                else:
                    self.found.skipped_by_name += 1
                    self.decide(entry.path, taken=False, why=why)

    def is_searched(self, name: str, place: str) -> bool:
        """Whether a folder in the folder with the absolute path ``place`` is searched."""
        if place.endswith("/.guild") and not self.include:
            return name in _FOLDERS_OF_GUILD
        return not name.startswith(".") or _HIDDEN_BUT_LOGS.fullmatch(name) is not None

    def _pass_over_folder(self, entry: os.DirEntry[str], place: str) -> None:
        of_tool = place.endswith("/.guild")
        if not of_tool and not entry.is_symlink():
            self.hidden.append(entry.path)
        self.decide(entry.path + "/", taken=False, why="of-tool" if of_tool else "hidden")

    def _mention_hidden(self) -> None:
        hidden = []
        for folder in self.hidden:
            if self._walked_at(folder) is None:
                hidden.append(folder)
            elif self.decisions is not None:
                # it was given, too, or a link led to it
                del self.decisions[folder + "/"]
        notice = notice_of_hidden(hidden)
        if notice is not None:
            self.found.notices.append(notice)

    def _leave_out_copies(self) -> None:
        """Take back the logs of copies, and say so."""
        self._leave_out(compressed_beside(self.found.sizes, self.given), told=True)
        if not self.like_links and not self.found.archives:
            return
        tree = FileTree(self.found.archives)
        sizes = tree.sizes(self.found.sizes) if self.found.archives else self.found.sizes
        if self.found.archives:
            extracted, notices = extracted_beside(self.found.archives, sizes, tree)
            self.found.notices += notices
            self._leave_out(extracted)
        # a file that was given is read, whatever it is
        copies = [copy for copy in copies_among(self.like_links, sizes, tree) if self.given.isdisjoint(copy.logs)]
        self._leave_out(copies, told=True)

    def _leave_out(self, copies: Sequence[Copy], *, told: bool = False) -> None:
        for copy in copies:
            for path in copy.logs:
                del self.logs[path], self.found.sizes[path]
                self.decide(path, taken=False, why="copy", same_as=copy.original + path[len(copy.path) :])
        self.found.skipped_copies += len(copies)
        if told and copies:
            self.found.notices.append(notice_of_copies(copies))

    def _follow(self) -> None:
        """Follow the links that were found: those to folders, then those to files."""
        while self.folder_links:
            links, self.folder_links = self.folder_links, []
            for link in links:
                self._follow_to_folder(link)
        places: dict[str, tuple[str, str] | None] = {}
        # a link to a link yields its name to that one
        for link in sorted(self.file_links, key=hops):
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
                    self.found.links[link.path] = path
                    self.met[self.top] = self.met.get(self.top, 0) + 1
                    self.decide(link.path, taken=False, why="link", same_as=path)
                    continue
                if not self.include or self._is_left_out(name, place[1] + name):
                    self.decide(link.path, taken=False, why="link")
                    continue
            (look,) = look_at([os.fsencode(path)], MAGIC_PREFIXES)
            if look is not None and self.archives.take(path, look, link.within):
                continue
            binary, look = is_binary(path, look)
            if binary:
                self.found.skipped_binary += 1
                self.decide(path, taken=False, why="binary")
            else:
                self._take(path, look)

    def _walked_at(self, folder: str) -> tuple[str, str] | None:
        """The path of a folder that was searched, and its path for the globs."""
        try:
            status = os.stat(folder)
        except OSError:
            return None
        return self.walked.get((status.st_dev, status.st_ino))

    def _follow_to_folder(self, link: Link) -> None:
        self.top = link.top
        walked = self._walked_at(link.path)
        if walked is None:
            real_path = absolute(os.path.realpath(link.path))
            # a hidden folder, for example, is searched only through a link
            if self.follow_links or any(is_within(real_path, top) for top in self.tops):
                self._walk(link.path, link.within, real_path)
            else:
                self.found.skipped_links += 1
                self.decide(link.path + "/", taken=False, why="elsewhere")
            return
        folder, real = walked
        self.decide(link.path + "/", taken=False, why="link", same_as=folder)
        if any(_reaches(pattern, link.within) for pattern in self.include):
            self._walk(folder, link.within, absolute(folder), real)
        if not self.met.get(self.top):
            self.met[self.top] = sum(path.startswith(os.path.join(folder, "")) for path in self.logs)

    def _is_left_out(self, name: str, within: str) -> bool:
        return any(fits(name, within, pattern) for pattern in self.exclude)

    def is_archive_by_name(self, name: str, folder: str) -> bool:
        """Whether a file that is no log by its name is an archive by it, and no glob leaves it out."""
        if self.include or name.startswith(".") or self._is_left_out(name, folder + name):
            return False
        return is_named_like_an_archive(name)

    def why_no_log(
        self,
        name: str,
        folders: tuple[str, ...],
        place: str,
        is_export: Callable[[], bool],
        include: Sequence[str] | None = None,
        is_file: Callable[[str], bool] = os.path.isfile,
    ) -> Why | None:
        """Why a file is no log, if its name, or its paths for the globs, say so."""
        include = self.include if include is None else include
        if self.exclude and any(self._is_left_out(name, folder + name) for folder in folders):
            return "excluded"
        if include:
            asked = any(fits(name, folder + name, pattern) for folder in folders for pattern in include)
            return None if asked else "not-included"
        if name.startswith("."):
            return "hidden"
        if is_of_tool(place, name, is_file):
            return "of-tool"
        name = without_suffix(name)
        if self.exports and name.endswith((".json", ".csv")) and is_export():
            return None
        return "by-name" if is_of_no_log(name) else None

    def why_log(self, path: str) -> Why:
        """Why a file in a folder is a log."""
        if self.include:
            return "included"
        return "by-content" if is_of_no_log(without_suffix(os.path.basename(path))) else "by-name"


def _reaches(pattern: str, within: str) -> bool:
    """Whether a glob may ask for files by the path of a folder. A glob of names alone, such as ``*.log``, does not."""
    literal, *rest = re.split(r"[*?\[]", pattern, maxsplit=1)
    if rest and rest[0].strip("*?") and fnmatch.fnmatchcase(within.rstrip("/"), pattern):
        # *latest-run* asks for what lies in a folder of this name
        return True
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
