"""Files that are never incomplete."""

from __future__ import annotations

import os
import secrets

from metricscan.errors import SourceError


def write_whole(path: str, content: bytes) -> None:
    """Write a file beside the target, then rename it, so that the target is never incomplete.

    Raises
    ------
    SourceError
        The file cannot be written.
    """
    partial = f"{path}.{secrets.token_hex(4)}.partial"
    try:
        with open(partial, "wb") as file:
            file.write(content)
        os.replace(partial, path)
    except OSError as error:
        if os.path.exists(partial):
            os.unlink(partial)
        raise SourceError(f"cannot write {path}", path=path, cause=error) from error
