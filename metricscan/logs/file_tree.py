"""The files beside logs: those of the disk, and the members of the archives that a search listed, as one tree."""

from __future__ import annotations

import hashlib
import os
from bisect import bisect_left
from collections import OrderedDict
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from metricscan.logs.archives import Archive

_T = TypeVar("_T")
# Jobs of one experiment ask for the same file one after the other.
_MOST_DERIVED = 8
# The one that is fastest where the processor has instructions for it.
_DIGEST = "sha256"


class FileTree:
    """Files by their paths. What follows the path of an archive is text: its ``..`` leads nowhere.

    Parameters
    ----------
    archives : mapping of str to Archive
        By their paths.
    """

    def __init__(self, archives: Mapping[str, Archive]) -> None:
        by_place = {os.path.abspath(path).replace(os.sep, "/"): archive for path, archive in archives.items()}
        self._archives = {**archives, **by_place}
        self._names: dict[str, list[str]] = {}
        self._digests: dict[str, dict[str, bytes]] = {}
        self._derived: OrderedDict[tuple[object, str], object] = OrderedDict()

    def _member(self, path: str) -> tuple[Archive, str] | None:
        """The archive in which a path lies, and what follows; ``""`` of the archive itself."""
        if not self._archives:
            return None
        at = len(path)
        while at > 0:
            archive = self._archives.get(path[:at])
            if archive is not None:
                return archive, path[at + 1 :]
            at = path.rfind("/", 0, at)
        return None

    def archive_of(self, path: str) -> Archive | None:
        """The archive in which a path lies; None of a path on disk."""
        member = self._member(path)
        return None if member is None else member[0]

    def is_in_archive(self, path: str) -> bool:
        """Whether a path is that of an archive, or leads into one."""
        return self._member(path) is not None

    def is_file(self, path: str) -> bool:
        """Whether a path is that of a regular file, or of a link to one."""
        member = self._member(path)
        if member is None:
            return os.path.isfile(path)
        archive, name = member
        return name in archive.members

    def is_folder(self, path: str) -> bool:
        """Whether a path is that of a folder. An archive is one."""
        member = self._member(path)
        if member is None:
            return os.path.isdir(path)
        return not member[1] or next(self._in_archive(*member), None) is not None

    def exists(self, path: str) -> bool:
        """Whether a path is that of anything."""
        if not self._archives:
            # access takes half the time of isdir
            return os.access(path, os.F_OK)
        return self.is_file(path) or self.is_folder(path) or (self._member(path) is None and os.access(path, os.F_OK))

    def size(self, path: str) -> int:
        """Bytes of a file.

        Raises
        ------
        OSError
            There is no such file.
        """
        member = self._member(path)
        if member is None:
            return os.path.getsize(path)
        archive, name = member
        if name not in archive.members:
            raise FileNotFoundError(2, os.strerror(2))
        return int(archive.members[name].size)

    def sizes(self, on_disk: Mapping[str, int]) -> dict[str, int]:
        """The sizes of files, given those of the files on disk: of members of archives that of their content."""
        sizes = {}
        for path, size in on_disk.items():
            member = self._member(path)
            sizes[path] = size if member is None else int(member[0].members[member[1]].size)
        return sizes

    def names(self, folder: str) -> list[str]:
        """The names of the files in a folder, in any order; of a folder on disk also those of its folders.

        Raises
        ------
        OSError
            There is no such folder.
        """
        member = self._member(folder)
        if member is None:
            return os.listdir(folder)
        if not self.is_folder(folder):
            raise FileNotFoundError(2, os.strerror(2))
        return [name for name in self._in_archive(*member) if "/" not in name]

    def within(self, folder: str) -> Iterator[str]:
        """The paths of the regular files in a folder and in those within, relative to it: the folder's own ones first."""
        member = self._member(folder)
        if member is not None:
            yield from sorted(self._in_archive(*member), key=_as_walked)
            return
        for at, folders, names in os.walk(folder):
            folders.sort()
            for name in sorted(names):
                path = f"{at}/{name}"
                if os.path.isfile(path):
                    yield path[len(folder) + 1 :]

    def _in_archive(self, archive: Archive, folder: str) -> Iterator[str]:
        """The names of the members in a folder and in those within, relative to it."""
        names = self._names.get(archive.path)
        if names is None:
            names = self._names[archive.path] = sorted(archive.members)
        prefix = f"{folder}/" if folder else ""
        at = bisect_left(names, prefix)
        while at < len(names) and names[at].startswith(prefix):
            yield names[at][len(prefix) :]
            at += 1

    def read(self, path: str, most: int, what: str) -> bytes:
        """The content of a file, which is ``what``, for errors.

        Raises
        ------
        OSError
            It cannot be read.
        ValueError
            It has more than ``most`` bytes.
        SourceError
            It lies in an archive that is damaged or was changed, or in which it was not kept.
        """
        size = self.size(path)
        if size > most:
            raise ValueError(f"{size} bytes; {what} has at most {most}")
        return self.first_bytes(path, most)

    def first_bytes(self, path: str, size: int) -> bytes:
        """The first bytes of a file; raises as :meth:`read` does."""
        member = self._member(path)
        if member is None:
            with open(path, "rb") as file:
                return file.read(size)
        archive, name = member
        if name not in archive.members:
            raise FileNotFoundError(2, os.strerror(2))
        return archive.content_of(name, size)

    def last_bytes(self, path: str, size: int) -> bytes:
        """The last bytes of a file; raises as :meth:`read` does."""
        member = self._member(path)
        if member is None:
            with open(path, "rb") as file:
                file.seek(0, os.SEEK_END)
                file.seek(max(file.tell() - size, 0))
                return file.read(size)
        archive, name = member
        if name not in archive.members:
            raise FileNotFoundError(2, os.strerror(2))
        return archive.end_of(name, size)

    def digest(self, path: str) -> bytes:
        """A digest of a file's content; raises as :meth:`read` does.

        The members of an archive that must be read from its beginning on are read once, all of them.
        """
        member = self._member(path)
        if member is None:
            with open(path, "rb", buffering=0) as file:
                return hashlib.file_digest(file, _DIGEST).digest()
        archive, name = member
        if name not in archive.members:
            raise FileNotFoundError(2, os.strerror(2))
        digests = self._digests.setdefault(archive.path, {})
        if name not in digests:
            digests.update(archive.digests(name, _DIGEST))
        return digests[name]

    def derived(self, make: Callable[[FileTree, str], _T], path: str) -> _T:
        """What a function makes of this tree and a path. The last results are remembered."""
        key = (make, path)
        if key not in self._derived:
            self._derived[key] = make(self, path)
            if len(self._derived) > _MOST_DERIVED:
                self._derived.popitem(last=False)
        self._derived.move_to_end(key)
        result: _T = self._derived[key]  # type: ignore[assignment]
        return result


def _as_walked(path: str) -> list[tuple[bool, str]]:
    """The key by which paths are in the order in which a walk meets them: the files of a folder, then what its folders hold."""
    *folders, name = path.split("/")
    return [*((True, folder) for folder in folders), (False, name)]
