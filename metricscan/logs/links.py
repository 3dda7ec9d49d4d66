"""Links: those that a search met, and which of a file's paths is its real one."""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING, NamedTuple

from metricscan.logs.job import Notice
from metricscan.logs.naming import absolute
from metricscan.logs.tars import MOST_HOPS

if TYPE_CHECKING:
    from collections.abc import Sequence


class Link(NamedTuple):
    """A link in a folder that was searched.

    Attributes
    ----------
    path : str
    within : str
        The path for the globs, of a link to a folder with ``/`` behind it.
    top : str
        The given folder in which it lies.
    """

    path: str
    within: str
    top: str


def is_link(path: str) -> bool:
    """Whether a path, with or without a separator at its end, is that of a link."""
    return os.path.islink(path.rstrip(os.sep))


def broken_to(path: str) -> str | None:
    """Where a link leads whose file does not exist; None if it exists, or is no link."""
    try:
        return None if os.path.exists(path) else os.readlink(path)
    except OSError:
        return None


def notice_of_broken(links: Sequence[str]) -> Notice | None:
    """The notice about broken links that have the names of logs; None if there are none."""
    if not links:
        return None
    if len(links) == 1:
        return Notice(f"{links[0]} is a broken link to {broken_to(links[0])}", links[0])
    return Notice(f"{len(links):,} links are broken, for example {links[0]} to {broken_to(links[0])}", links[0])


def hops(link: Link) -> int:
    """How many links lead on from a link."""
    path = link.path
    for hops in range(MOST_HOPS):
        try:
            path = os.path.join(os.path.dirname(path), os.readlink(path))
        except OSError:
            return hops
    return MOST_HOPS


def beside(folder: str) -> str:
    """The path of a folder; if it is a link to a folder beside it, the path of that one, whose name is the job's."""
    bare = folder.rstrip(os.sep)
    if not os.path.islink(bare):
        return folder
    parent, _ = os.path.split(bare)
    at, name = os.path.split(os.path.realpath(bare))
    return os.path.join(parent, name) if at == os.path.realpath(parent or os.curdir) else folder


def real_parts(path: str) -> int:
    """How many parts of a path, from its end, are those of its real path. Fewer lead through links."""
    parts = zip(
        reversed(absolute(path).split("/")), reversed(absolute(os.path.realpath(path)).split("/")), strict=False
    )
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], parts))
