"""Copies of a run's folder or log under a name that says which run is the newest or the best; and compressed copies of logs.

Tools keep a link such as ``latest-run`` beside the folders of the runs. Where links were copied as what they lead to, as some
storage does, that name is a folder of its own with the content of one of its siblings.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, NamedTuple

from metricscan.errors import SourceError
from metricscan.logs.compression import without_suffix
from metricscan.logs.job import Notice
from metricscan.logs.source import open_source

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
    from io import FileIO

    from metricscan.logs.file_tree import FileTree

#: The first letters of the names that ``is_like_a_link`` knows: a test that is fast.
FIRST_LETTERS = frozenset(
    case(word[:4])
    for word in ("latest", "last", "newest", "current", "best")
    for case in (str.lower, str.title, str.upper)
)
_LIKE_A_LINK = re.compile(
    r"(?:latest|last|newest|current|best)(?:[-_. ]?(?:run|trial|job|experiment|version|log))?", re.IGNORECASE
)
# Of a larger log, half of this many bytes are compared at its beginning and at its end.
_COMPARED_BYTES = 256 * 1024 * 1024
_PIECE_BYTES = 1024 * 1024


def is_like_a_link(name: str) -> bool:
    """Whether a folder or a log has a name that tools give to a link.

    >>> is_like_a_link("latest-run"), is_like_a_link("latest.log"), is_like_a_link("latest-run-2")
    (True, True, False)
    """
    return _LIKE_A_LINK.fullmatch(name) is not None or _LIKE_A_LINK.fullmatch(name.partition(".")[0]) is not None


class Copy(NamedTuple):
    """A folder or a log that is a copy of a sibling.

    Attributes
    ----------
    path, original : str
        The copy, and the sibling.
    logs : list of str
        The paths of the copy's logs.
    """

    path: str
    original: str
    logs: list[str]


def copies_among(named: Iterable[str], sizes: Mapping[str, int], tree: FileTree) -> list[Copy]:
    """Which folders and logs are copies of a sibling.

    A folder is a copy if all of its logs lie in a sibling, too, with the same names and bytes, and the sibling has no others.
    If that is so for several siblings, the logs do not say which run it was: it is no copy. Empty logs prove nothing.

    Parameters
    ----------
    named : iterable of path
        The folders and logs with names that tools give to links.
    sizes : mapping of path to int
        Bytes of each log that was found; of a log in an archive, those of its content.
    tree : FileTree
        The files of the disk and of the archives.

    Returns
    -------
    list of Copy
    """
    named = dict.fromkeys(named)
    files = {path: sizes[path] for path in named if path in sizes}
    folders = [path for path in named if path not in files]
    return [*(_of_files(files, sizes, tree) if files else ()), *(_of_folders(folders, sizes, tree) if folders else ())]


def compressed_beside(sizes: Mapping[str, int], given: Container[str]) -> list[Copy]:
    """The logs that lie compressed beside themselves, as ``gzip -k`` leaves them: the compressed one is the copy.

    Parameters
    ----------
    sizes : mapping of path to int
        Bytes of each log that was found; those in archives have none beside them.
    given : container of path
        What is no copy, because it was given.
    """
    found = []
    for path in sizes:
        original = without_suffix(path)
        if original != path and sizes.get(original) and path not in given and _unpacks_to(path, original):
            found.append(Copy(path, original, [path]))
    return found


def notice_of_copies(copies: Sequence[Copy]) -> Notice:
    """The notice about copies that were left out."""
    copy, original, _ = copies[0]
    if len(copies) == 1:
        return Notice(f"{copy} is a copy of {original} and was left out; give its path alone to read it", copy)
    return Notice(
        f"{len(copies)} folders or logs are copies of others beside them and were left out, for example {copy} of "
        f"{original}; give the path of one alone to read it",
        copy,
    )


def _of_files(files: Mapping[str, int], sizes: Mapping[str, int], tree: FileTree) -> Iterator[Copy]:
    wanted = {size for size in files.values() if size}
    places = {(os.path.dirname(path), _endings(path), size) for path, size in files.items()}
    siblings: dict[tuple[str, str, int], list[str]] = {}
    for path, size in sizes.items():
        if size in wanted and path not in files:
            place = (os.path.dirname(path), _endings(path), size)
            if place in places:
                siblings.setdefault(place, []).append(path)
    for path, size in files.items():
        same = _first_two(
            other
            for other in siblings.get((os.path.dirname(path), _endings(path), size), ())
            if have_same_bytes(path, other, size, tree)
        )
        if len(same) == 1:
            yield Copy(path, same[0], [path])


def _endings(path: str) -> str:
    """The last suffix of a file and that of its compression, say ``log.gz``."""
    return ".".join(os.path.basename(path).split(".")[1:][-2:])


def _of_folders(folders: Sequence[str], sizes: Mapping[str, int], tree: FileTree) -> Iterator[Copy]:
    parents = {os.path.dirname(folder) for folder in folders}
    # per parent its folders, and of each the sizes of its logs by their paths within
    siblings: dict[str, dict[str, dict[str, int]]] = {parent: {} for parent in parents}
    around: dict[str, list[tuple[str, str]]] = {}
    for path, size in sizes.items():
        folder = os.path.dirname(path)
        if folder not in around:
            around[folder] = [*_folders_around(folder, parents)]
        for parent, sibling in around[folder]:
            siblings[parent].setdefault(sibling, {})[path[len(sibling) :]] = size
    names = set(folders)
    for folder in folders:
        beside = siblings[os.path.dirname(folder)]
        logs = beside.get(folder, {})
        same = _first_two(
            other
            for other, others in beside.items()
            if other not in names and _holds_the_same(folder, logs, other, others, tree)
        )
        if len(same) == 1:
            yield Copy(folder, same[0], [folder + within for within in logs])


def _folders_around(folder: str, parents: set[str]) -> Iterable[tuple[str, str]]:
    """The folders that lie in one of the parents and hold this folder, or are it, each with its parent."""
    at = folder
    while True:
        parent, name = os.path.split(at)
        if not name:
            return
        if parent in parents:
            yield parent, at
        at = parent


def _first_two(paths: Iterable[str]) -> list[str]:
    """The first two of some paths, which cost much to find."""
    first: list[str] = []
    for path in paths:
        first.append(path)
        if len(first) == 2:
            break
    return first


def _holds_the_same(
    folder: str, logs: Mapping[str, int], other: str, others: Mapping[str, int], tree: FileTree
) -> bool:
    if not any(others.values()) or any(logs.get(within) != size for within, size in others.items()):
        return False
    try:
        # what is a log may depend on the folder's name: the sibling's own copy need not have been taken for one
        if any(tree.size(other + within) != size for within, size in logs.items() if within not in others):
            return False
    except OSError:
        return False
    return all(have_same_bytes(folder + within, other + within, size, tree) for within, size in logs.items())


def _unpacks_to(path: str, other: str) -> bool:
    """Whether a log has the content of another one, once it is decompressed. A file that cannot be read has not."""
    try:
        with open_source(path) as source, open(other, "rb", buffering=0) as file:
            for piece in source.as_it_lies():
                if _read(file, len(piece)) != piece:
                    return False
            return not file.read(1)
    except (OSError, SourceError):
        return False


def have_same_bytes(path: str, other: str, size: int, tree: FileTree) -> bool:
    """Whether two files of the same size have the same content. A file that cannot be read has not."""
    if tree.is_in_archive(path) or tree.is_in_archive(other):
        try:
            return tree.digest(path) == tree.digest(other)
        except (OSError, SourceError):
            return False
    half = _COMPARED_BYTES // 2
    parts = [(0, size)] if size <= _COMPARED_BYTES else [(0, half), (size - half, size)]
    try:
        with open(path, "rb", buffering=0) as one, open(other, "rb", buffering=0) as two:
            for begin, end in parts:
                one.seek(begin)
                two.seek(begin)
                while begin < end:
                    size = min(_PIECE_BYTES, end - begin)
                    piece = _read(one, size)
                    if len(piece) < size or piece != _read(two, size):
                        return False
                    begin += size
    except OSError:
        return False
    return True


def _read(file: FileIO, size: int) -> bytes:
    """Read a number of bytes, or less at the end of the file. One read may give less before."""
    piece = file.read(size) or b""
    while len(piece) < size and (more := file.read(size - len(piece))):
        piece += more
    return piece
