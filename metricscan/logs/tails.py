"""The tail of a log: its last bytes, which may show that its program crashed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metricscan.logs._reading import TAIL_BYTES, may_show_crash

if TYPE_CHECKING:
    from metricscan.logs.crashes import Crash

__all__ = ["TAIL_BYTES", "crash_of", "joined_tail"]


def joined_tail(tail: bytes, piece: bytes | memoryview) -> bytes:
    """The last :data:`TAIL_BYTES` bytes of a text of which a tail and the next piece are known."""
    if len(piece) >= TAIL_BYTES:
        return bytes(piece[-TAIL_BYTES:])
    return (tail + bytes(piece))[-TAIL_BYTES:]


def crash_of(tail: bytes, offset: int | None = None, newlines: int | None = None) -> Crash | None:
    """As :func:`metricscan.logs.crashes.crash_at_end`, whose regexes are compiled only if the tail may show a crash."""
    if not may_show_crash(tail):
        return None
    from metricscan.logs.crashes import crash_at_end

    return crash_at_end(tail, offset, newlines)
