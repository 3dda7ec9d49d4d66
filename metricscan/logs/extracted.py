"""Archives whose content lies beside them, extracted, and is searched too: each log would count twice."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from metricscan.logs.compression import without_suffix
from metricscan.logs.copies import Copy, have_same_bytes
from metricscan.logs.job import Notice

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from metricscan.logs.archives import Archive
    from metricscan.logs.file_tree import FileTree


def extracted_beside(
    archives: Mapping[str, Archive], sizes: Mapping[str, int], tree: FileTree
) -> tuple[list[Copy], list[Notice]]:
    """Which archives hold the logs of a folder that is searched, too.

    An archive is extracted into the folder in which it lies, or into one of its own name beside it. If all of its logs that were
    found are there, with the same bytes, the archive is a copy. If only some are, or their bytes differ, a notice says so.

    Parameters
    ----------
    archives : mapping of str to Archive
        Those that were searched, by their paths.
    sizes : mapping of path to int
        Bytes of each log that was found; of a log in an archive, those of its content.
    tree : FileTree
        The files of the disk and of the archives.

    Returns
    -------
    copies : list of Copy
        The archives that are copies.
    notices : list of Notice
        One for each archive, whether it is a copy or not.
    """
    members: dict[str, list[str]] = {path: [] for path in archives}
    files: dict[str, str] = {}
    for path in sizes:
        archive = tree.archive_of(path)
        if archive is None:
            files[os.path.abspath(path)] = path
        else:
            members[archive.path].append(path[len(archive.path) + 1 :])
    copies, notices = [], []
    for path, names in members.items():
        found = max((_found_in(folder, names, files) for folder in _folders_of(path)), key=len, default={})
        if not found:
            continue
        name, file = next(iter(found.items()))
        folder = file[: -len(name) - 1] or os.curdir
        # what is told is the folder that holds all of them: the one above may hold much else
        within = os.path.commonpath([os.path.dirname(name) for name in found])
        shown = os.path.join(folder, within) if within and folder != os.curdir else within or folder
        is_copy = len(found) == len(names) and all(
            sizes[f"{path}/{name}"] == sizes[file] and have_same_bytes(f"{path}/{name}", file, sizes[file], tree)
            for name, file in found.items()
        )
        if is_copy:
            copies.append(Copy(path, folder, [f"{path}/{name}" for name in names]))
            message = f"{path} holds the same logs as {shown}, which is read; the archive was left out"
        else:
            message = (
                f"{path} and {shown} have {len(found):,} log{'' if len(found) == 1 else 's'} of the same name, for example "
                f"{name}, but not the same content; both are read, so that a job may count twice; give one of them alone"
            )
        notices.append(Notice(message, path))
    return copies, notices


def _folders_of(archive: str) -> Iterator[str]:
    """The absolute paths of the folders into which programs extract an archive."""
    folder, name = os.path.split(os.path.abspath(archive))
    yield folder
    stem = without_suffix(name)
    for suffix in (".tar", ".tgz", ".tbz", ".tbz2", ".txz", ".tzst", ".zip"):
        stem = stem.removesuffix(suffix)
    if stem != name:
        yield os.path.join(folder, stem)


def _found_in(folder: str, names: list[str], files: Mapping[str, str]) -> dict[str, str]:
    """The names of an archive's logs that were found in a folder, too, and the path of each there."""
    return {name: files[at] for name in names if (at := f"{folder}/{name}") in files}
