"""Files that are never incomplete."""

from __future__ import annotations

import contextlib
import os
import secrets

from metricscan.definitions.paths import check_path
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
        check_path(path)
        with open(partial, "wb") as file:
            file.write(content)
        os.replace(partial, path)
    except OSError as error:
        with contextlib.suppress(OSError, ValueError):
            os.unlink(partial)
        raise SourceError(f"cannot write {path}", path=path, cause=error) from error
