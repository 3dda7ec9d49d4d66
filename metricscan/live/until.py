"""When to stop following: ``idle:SECONDS``, ``pid:NUMBER``, ``file:PATH``."""

from __future__ import annotations

import os
import select
from typing import Self

from metricscan.errors import OptionError, quoted

# Whether there is a file, or a process is there, is looked at so often.
_LOOK_S = 0.1
_EXPECTED = "idle:SECONDS, pid:NUMBER or file:PATH was expected"


class Until:
    """A condition at which following ends: what was written before it was met is still read.

    Parameters
    ----------
    text : str
        ``"idle:S"``: nothing was added to any log for S seconds. ``"pid:N"``: the process N has ended. ``"file:P"``: there is a
        file P.

    Attributes
    ----------
    descriptor : int or None
        Becomes readable when the condition is met, where the system offers that.

    Raises
    ------
    OptionError
        The text is none of these.

    Examples
    --------
    >>> with Until("idle:30") as until:
    ...     until.is_met(idle_s=29.0), until.is_met(idle_s=30.0)
    (False, True)
    """

    def __init__(self, text: str) -> None:
        kind, colon, value = str(text).partition(":")
        self.text = text
        self.descriptor: int | None = None
        self._idle_s: float | None = None
        self._pid: int | None = None
        self._path: str | None = None
        if kind == "idle" and colon:
            self._idle_s = _seconds(value, text)
        elif kind == "pid" and value.isascii() and value.isdecimal() and 0 < int(value) < 2**31:
            self._pid = int(value)
            self.descriptor = _descriptor_of(self._pid)
        elif kind == "file" and value:
            self._path = value
        else:
            raise OptionError(f"until={quoted(text)}: {_EXPECTED}")

    def is_met(self, idle_s: float) -> bool:
        """Whether the condition is met; ``idle_s`` is for how long nothing was added to any log."""
        if self._idle_s is not None:
            return idle_s >= self._idle_s
        if self._path is not None:
            return os.path.lexists(self._path)
        if self.descriptor is not None:
            return bool(select.select([self.descriptor], [], [], 0)[0])
        assert self._pid is not None
        return not _is_running(self._pid)

    def next_look(self, idle_s: float) -> float | None:
        """In how many seconds to look whether it is met; None if the descriptor tells."""
        if self._idle_s is not None:
            return max(0.0, self._idle_s - idle_s)
        return None if self.descriptor is not None else _LOOK_S

    def close(self) -> None:
        """Close the descriptor."""
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _seconds(value: str, text: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise OptionError(f"until={quoted(text)}: {_EXPECTED}")
    return seconds


def _descriptor_of(pid: int) -> int | None:
    """A descriptor that is readable once the process has ended; another process may get its number then."""
    if not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:
        # there is no such process any more, or the system is too old
        return None


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
