"""Globs of paths, as the standard library's but for ``**``: it ends where links lead in circles, and in deep folders."""

from __future__ import annotations

import glob
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def paths_of(pattern: str, *, follow_links: bool = False) -> list[str]:
    """The paths that fit a glob. ``**`` stands for a folder, all folders within, and at the end of the glob the files in them.

    It passes over hidden names, as in the standard library. Links to folders are followed only if asked, and no folder is
    searched twice: with two links to a folder above them, the standard library's search takes 2 to the power of 40 steps.
    """
    parts = pattern.split(os.sep)
    if "**" not in parts:
        return glob.glob(pattern)
    at = parts.index("**")
    found: dict[str, None] = {}
    # a link in front of ** was named, and is followed
    for top in glob.glob(os.sep.join([*parts[:at], ""])) if at else [""]:
        for path, is_folder in _within(top, follow_links=follow_links):
            if at == len(parts) - 1:
                found[path] = None
            elif is_folder:
                rest = os.sep.join(parts[at + 1 :])
                inner = paths_of(os.path.join(glob.escape(path), rest), follow_links=follow_links)
                found |= dict.fromkeys(inner)
    return [*found]


def _within(top: str, *, follow_links: bool) -> Iterator[tuple[str, bool]]:
    """The folder, and all files and folders within, each with whether it is a folder to search."""
    folders = [top]
    searched: set[tuple[int, int]] = set()
    while folders:
        folder = folders.pop()
        yield folder, True
        try:
            status = os.stat(folder or os.curdir)
            if (status.st_dev, status.st_ino) in searched:
                continue
            searched.add((status.st_dev, status.st_ino))
            with os.scandir(folder or os.curdir) as entries:
                names = [
                    (entry.name, entry.is_dir(follow_symlinks=follow_links))
                    for entry in entries
                    if not entry.name.startswith(".")
                ]
        except OSError:
            # as in the standard library: what cannot be read fits nothing
            continue
        for name, is_folder in names:
            path = os.path.join(folder, name)
            if is_folder:
                folders.append(path)
            else:
                yield path, False
