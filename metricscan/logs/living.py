"""Whether a process that was recorded is alive. A pid alone does not say: the system gives it to another process."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# Of /proc/PID/stat, behind the name: the state, the parent, and the start in clock ticks since the boot.
_STATE, _PARENT, _GROUP, _START = 0, 1, 2, 19


class Stat:
    """What ``/proc`` says of a process.

    Attributes
    ----------
    pid, parent, group : int
    start : int
        Clock ticks from the boot to its start: with the pid, it distinguishes the process from all others.
    state : str
        ``Z`` of a zombie, which has ended and was not waited for.
    """

    __slots__ = ("group", "parent", "pid", "start", "state")

    def __init__(self, pid: int, text: str) -> None:
        # the name, in parentheses, may hold anything
        fields = text[text.rindex(")") + 2 :].split()
        self.pid = pid
        self.state = fields[_STATE]
        self.parent = int(fields[_PARENT])
        self.group = int(fields[_GROUP])
        self.start = int(fields[_START])

    @property
    def key(self) -> tuple[int, int]:
        """Pid and start."""
        return self.pid, self.start

    @property
    def has_ended(self) -> bool:
        """Whether it is a zombie, or being removed."""
        return self.state in "ZXx"


def stat_of(pid: int) -> Stat | None:
    """What ``/proc`` says of a process; None if there is none."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return Stat(pid, file.read())
    except (OSError, ValueError, IndexError):
        return None


def identity(pid: int) -> dict[str, Any]:
    """What distinguishes a process of this machine from all others, for a record that others read later."""
    stat = stat_of(pid)
    return {"pid": pid, "start": None if stat is None else stat.start, **_machine()}


def is_alive(recorded: Mapping[str, Any]) -> bool | None:
    """Whether a process is alive; None if that cannot be known from here, as on another machine.

    Parameters
    ----------
    recorded : mapping
        What :func:`identity` gave. Another process with the pid is not the process; a zombie is not alive.
    """
    here = _machine()
    if recorded.get("boot") != here["boot"]:
        # the machine was started again since, or it is another machine
        return False if recorded.get("host") == here["host"] and here["boot"] else None
    if recorded.get("pids") != here["pids"]:
        # a container has pids of its own
        return None
    stat = stat_of(int(recorded["pid"]))
    return stat is not None and stat.start == recorded.get("start") and not stat.has_ended


def works_in(pid: int, folder: str) -> bool | None:
    """Whether a process works in a folder; None if that cannot be known, as of another user's process."""
    try:
        return os.path.samefile(f"/proc/{pid}/cwd", folder)
    except OSError:
        return None


def _machine() -> dict[str, str]:
    """The boot of this machine, its name, and the namespace of its pids."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            boot = file.read().strip()
        pids = os.readlink("/proc/self/ns/pid")
    except OSError:
        boot = pids = ""
    return {"host": os.uname().nodename, "boot": boot, "pids": pids}
