"""Which processes hold a file open for writing, as far as ``/proc`` shows it."""

from __future__ import annotations

import os

_ACCESS = os.O_RDONLY | os.O_WRONLY | os.O_RDWR


def has_writer(device: int, inode: int) -> bool:
    """Whether a process that can be looked into holds a file open for writing.

    Parameters
    ----------
    device, inode : int
        Of the file.
    """
    try:
        processes = [name for name in os.listdir("/proc") if name.isdecimal()]
    except OSError:
        return False
    for process in processes:
        folder = f"/proc/{process}/fd"
        try:
            descriptors = os.listdir(folder)
        except OSError:
            # it has ended, or belongs to another user
            continue
        for descriptor in descriptors:
            try:
                found = os.stat(f"{folder}/{descriptor}")
                if (found.st_dev, found.st_ino) == (device, inode) and _writes(process, descriptor):
                    return True
            except OSError:
                continue
    return False


def _writes(process: str, descriptor: str) -> bool:
    with open(f"/proc/{process}/fdinfo/{descriptor}", encoding="ascii") as file:
        for line in file:
            name, _, value = line.partition(":")
            if name == "flags":
                return int(value, 8) & _ACCESS != os.O_RDONLY
    return False
