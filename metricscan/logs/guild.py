"""What Guild copied into the folder of a run: the project's files, and data that the run needs."""

from __future__ import annotations

import shlex

_MOST_BYTES = 1 << 22


def files_copied_by_guild(run: str) -> frozenset[str]:
    """The paths, within a run's folder, of the files that were there before the run began.

    Guild copies the project's text files into each run, logs of earlier runs among them. Its manifest names them, one in each
    line: a letter for the kind, the path, a digest, and where it came from, quoted as for a shell. Without a manifest there are
    none: it comes only with the first copied file.
    """
    try:
        with open(f"{run}/.guild/manifest", encoding="utf-8", errors="surrogateescape") as file:
            text = file.read(_MOST_BYTES)
    except OSError:
        return frozenset()
    copied = set()
    for line in text.splitlines():
        try:
            parts = shlex.split(line)
        except ValueError:
            continue
        copied.update(parts[1:2])
    return frozenset(copied)
