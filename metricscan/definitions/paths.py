"""Paths that are no files to read: those that no file can have, and devices that may give bytes for ever."""

from __future__ import annotations

import errno
import os
import stat
from typing import Any

#: What an error says of a device.
IS_DEVICE = "is a device, which may never end"


def check_path(path: str | os.PathLike[str]) -> None:
    """Raise an OSError if no file can have this path. Python's own errors are none, so they pass by those who handle these.

    Raises
    ------
    OSError
        The path holds a NUL, or a lone surrogate that stands for no byte.
    """
    text = os.fspath(path)
    try:
        has_nul = b"\0" in os.fsencode(text)
    except UnicodeEncodeError as error:
        character = error.object[error.start]
        raise OSError(errno.EINVAL, f"no path holds the character {character!a}") from None
    if has_nul:
        raise OSError(errno.EINVAL, "no path holds a NUL")


def may_be_endless(file: Any) -> bool:
    """Whether an open file is a device that may give bytes for ever, such as /dev/zero: any but a terminal and /dev/null."""
    try:
        status = os.fstat(file.fileno())
    except (AttributeError, OSError, ValueError):
        # it is none of the system's
        return False
    return (
        stat.S_ISCHR(status.st_mode) and status.st_rdev != os.stat(os.devnull).st_rdev and not os.isatty(file.fileno())
    )


def read_whole(path: str) -> bytes:
    """The bytes of a document.

    Raises
    ------
    OSError
        It cannot be read, or is a device.
    ValueError
        No file can have this path.
    """
    with open(path, "rb") as file:
        if may_be_endless(file):
            raise OSError(errno.EINVAL, f"it {IS_DEVICE}")
        return file.read()
