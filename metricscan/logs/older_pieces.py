"""Older pieces of a rotated log that were not asked for: its path was given, or a glob names it alone."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from metricscan.logs.job import Notice
from metricscan.logs.links import is_link
from metricscan.logs.rotation import pieces_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def notice_of_older_pieces(given: Iterable[str], left_out: Iterable[str], logs: Mapping[str, object]) -> Notice | None:
    """The notice about older pieces that are not read, of logs that are; None if there are none.

    Parameters
    ----------
    given : iterable of str
        The paths of files that were given, or that a glob found. Their folders are listed.
    left_out : iterable of str
        The paths of files in folders that ``include`` leaves out.
    logs : mapping of str
        The logs by path.
    """
    absolute = {os.path.abspath(path): path for path in logs}
    others = {os.path.abspath(path): path for path in left_out}
    for folder in dict.fromkeys(os.path.dirname(path) for path in given):
        others |= _others_in(folder, absolute)
    if not others:
        return None
    folders = {os.path.dirname(path) for path in others}
    beside = {path: shown for path, shown in absolute.items() if os.path.dirname(path) in folders}
    pieces = pieces_of(beside | others, [])
    older: dict[str, list[str]] = {}
    for path, piece in pieces.items():
        if path in others and piece.base in absolute and not _is_same(path, piece.base):
            older.setdefault(absolute[piece.base], []).append(others[path])
    if not older:
        return None
    log, missing = next(iter(older.items()))
    count = f"{len(missing):,} older piece{'' if len(missing) == 1 else 's'}"
    more = f", and {len(older) - 1:,} more logs have some" if len(older) > 1 else ""
    return Notice(
        f"{log} was rotated, and {count} of it, for example {missing[0]}, {'is' if len(missing) == 1 else 'are'} not read"
        f"{more}; give the folder, or a glob such as {os.path.basename(log)}*",
        log,
    )


def _others_in(folder: str, logs: Mapping[str, str]) -> dict[str, str]:
    """The files in a folder that are no logs of the search."""
    try:
        with os.scandir(folder or os.curdir) as entries:
            # a link leads to a file that is a piece under its own name
            return {
                path: os.path.join(folder, entry.name)
                for entry in entries
                if (path := os.path.abspath(os.path.join(folder, entry.name))) not in logs
                and entry.is_file(follow_symlinks=False)
            }
    except OSError:
        return {}


def _is_same(path: str, base: str) -> bool:
    """Whether the log is a link to this piece."""
    return is_link(base) and os.path.samefile(path, base)
