"""The tail of a log: its last bytes, which may show that its program crashed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metricscan.logs._reading import TAIL_BYTES, may_show_crash

if TYPE_CHECKING:
    from metricscan.logs.crashes import Crash

__all__ = ["TAIL_BYTES", "crash_of", "joined_tail", "may_show_crash_behind"]

# No text that the quick look searches for is longer (kernel/crash_marks.h).
_MARK_BYTES = 16


def joined_tail(tail: bytes, piece: bytes | memoryview) -> bytes:
    """The last :data:`TAIL_BYTES` bytes of a text of which a tail and the next piece are known."""
    if len(piece) >= TAIL_BYTES:
        return bytes(piece[-TAIL_BYTES:])
    return (tail + bytes(piece))[-TAIL_BYTES:]


def may_show_crash_behind(tail: bytes, new_bytes: int | None) -> bool:
    """Whether the end of a text may show a crash, where it did not without its last bytes; None: that is not known.

    A text that grows by lines is examined line by line so, and not 4 KiB for each.
    """
    return may_show_crash(tail if new_bytes is None or new_bytes < 0 else tail[-(new_bytes + _MARK_BYTES) :])


def crash_of(tail: bytes, offset: int | None = None, newlines: int | None = None) -> Crash | None:
    """As :func:`metricscan.logs.crashes.crash_at_end`, whose regexes are compiled only if the tail may show a crash."""
    if not may_show_crash(tail):
        return None
    from metricscan.logs.crashes import crash_at_end

    return crash_at_end(tail, offset, newlines)
