"""Wait for the next poll: until its time has come, somebody asks for it, or a descriptor becomes readable."""

from __future__ import annotations

import math
import os
import select
from typing import Self


class Waker:
    """Waits, and can be woken from any thread and from a signal handler.

    Examples
    --------
    >>> with Waker() as waker:
    ...     waker.wake()
    ...     waker.wait(60.0)
    """

    def __init__(self) -> None:
        self._read, self._write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._poll = select.poll()
        self._alone = select.poll()
        for poll in (self._poll, self._alone):
            poll.register(self._read, select.POLLIN)

    def add(self, descriptor: int) -> None:
        """Also end a wait when a descriptor becomes readable."""
        self._poll.register(descriptor, select.POLLIN)

    def wait(self, timeout_s: float, *, alone: bool = False) -> None:
        """Wait for at most so long; ``alone``: whatever the descriptors that were added are."""
        poll = self._alone if alone else self._poll
        # in whole milliseconds, which a shorter time must not become 0 of
        if any(found == self._read for found, _ in poll.poll(math.ceil(max(0.0, timeout_s) * 1000))):
            os.read(self._read, 4096)

    def wake(self) -> None:
        """End the wait that is in progress, or the next one; nothing once it is closed."""
        if self._write < 0:
            return
        try:
            os.write(self._write, b"\0")
        except BlockingIOError:
            # many calls are to be answered by one
            return

    def close(self) -> None:
        """Close the descriptors."""
        read, write, self._read, self._write = self._read, self._write, -1, -1
        os.close(read)
        os.close(write)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
