"""Hidden folders that are not searched: whether one holds files that look like logs."""

from __future__ import annotations

import os
import re
from itertools import islice
from typing import TYPE_CHECKING

from metricscan.logs.compression import SUFFIX_PATTERN as _PACKED
from metricscan.logs.job import Notice

if TYPE_CHECKING:
    from collections.abc import Sequence

# What version control, environments, editors and caches keep; runs do not lie there.
_NO_RUNS = re.compile(
    r"\.(?:git|hg|svn|bzr|jj|venv|virtualenv|env|tox|nox|eggs|conda|mamba|pyenv|npm|yarn|nvm|cargo|rustup|gradle|m2|"
    r"cache|config|local|mozilla|thumbnails|Trash.*|.*[-_]?cache(?:s|__)?|ipynb_checkpoints|jupyter|ipython|"
    r"idea|vscode|vscode-server|vs|fleet|cursor|emacs\.d|vim|snapshot|snapshots|zfs|hydra|terraform|docker|ssh|gnupg|aws)"
)
# Only names that little else has: a README without a suffix is no sign of a run.
_LIKE_A_LOG = re.compile(
    rf"(?:.*\.(?:log|out|err)|.*[._-]?(?:stdout|stderr)(?:\.txt)?)(?:[.-]\d[^/]*?)?{_PACKED}", re.DOTALL
)
# Names alone are looked at, and no more than these.
_MOST_FOLDERS = 200
_MOST_NAMES = 20_000
_DEPTH = 5


def looks_like_a_log(name: str) -> bool:
    """Whether a file's name is one that little but logs has."""
    return _LIKE_A_LOG.fullmatch(name) is not None


def may_hold_runs(name: str) -> bool:
    """Whether a hidden folder of this name may be one of runs."""
    return _NO_RUNS.fullmatch(name) is None


def notice_of_hidden(folders: Sequence[str]) -> Notice | None:
    """The notice about those of the hidden folders that hold files that look like logs; None if there is none.

    Parameters
    ----------
    folders : sequence of path
        The hidden folders that were not searched. Only names in them are read, of a bounded number of files.
    """
    holding = []
    left = _MOST_NAMES
    looked_at = 0
    for folder in folders:
        if not may_hold_runs(os.path.basename(folder)):
            continue
        if looked_at == _MOST_FOLDERS or left <= 0:
            break
        looked_at += 1
        log, left = _log_in(folder, left)
        if log is not None:
            holding.append((folder, log))
    return notice_of_holding(holding) if holding else None


def notice_of_holding(holding: Sequence[tuple[str, str]]) -> Notice:
    """The notice about hidden folders, each with a file in it that looks like a log."""
    folder, log = holding[0]
    if len(holding) == 1:
        text = (
            f"the hidden folder {folder} holds files that look like logs, for example {log}; give its path to read it"
        )
    else:
        text = (
            f"{len(holding)} hidden folders hold files that look like logs, for example {log}; "
            "give the path of such a folder to read it"
        )
    return Notice(text, folder)


def _log_in(folder: str, left: int) -> tuple[str | None, int]:
    """The first file that looks like a log, and how many names may still be looked at."""
    folders = [(folder, _DEPTH)]
    while folders and left > 0:
        path, depth = folders.pop()
        try:
            with os.scandir(path) as entries:
                names = sorted(islice(entries, left), key=lambda entry: entry.name)
        except OSError:
            continue
        left -= len(names)
        inner = []
        for entry in names:
            try:
                if entry.is_file(follow_symlinks=False):
                    if looks_like_a_log(entry.name):
                        return entry.path, left
                elif depth > 1 and entry.is_dir(follow_symlinks=False) and may_hold_runs(entry.name):
                    inner.append((entry.path, depth - 1))
            except OSError:
                continue
        folders += reversed(inner)
    return None, left
