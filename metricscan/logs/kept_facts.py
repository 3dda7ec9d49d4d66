"""What is kept of a compressed tar when it is listed: the files in which tools write facts about jobs, and ends of some logs.

Such a tar is read from its beginning on. To read a file in it again would mean to decompress all that stands before it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from metricscan.logs.parameters import MOST_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from metricscan.logs.member_file import MemberFile

# Small files; those that hold facts about all jobs; and those whose first bytes say enough.
_SMALL = (
    r"(?:params|hyperparameters|config|job)\.json|(?:hparams|config|overrides|meta)\.yaml|parameter\.cfg|\d+\.runtime"
    r"|\.guild/attrs/(?:flags|exit_status)|[0-9a-f]{32}/params/.+"
)
_FACTS = re.compile(
    rf"(?:.*/)?(?:(?P<small>{_SMALL})|nni\.sqlite|experiment_state-[^/]*\.json|(?P<head>[^/]*_result\.pkl))", re.DOTALL
)
_HEAD_BYTES = 64
# Logs whose last bytes say how a run ended.
_ENDS = re.compile(r"(?:.*/)?(?:attempt=\d+|\d+\.runtime_stderr)\.log", re.DOTALL)
_END_BYTES = 64 * 1024
# What a file takes up in memory besides its content.
_OVERHEAD_BYTES = 256


def may_hold_facts(name: str) -> bool:
    """Whether a member has a name that tools give to files with facts about jobs.

    >>> may_hold_facts("run/.hydra/config.yaml"), may_hold_facts("run/train.log")
    (True, False)
    """
    return _FACTS.fullmatch(name) is not None


class KeptFacts:
    """The content of some members, by their names.

    Parameters
    ----------
    most : int
        The most bytes to keep.

    Attributes
    ----------
    content : dict of str to bytes
        Of a log, its last bytes; of a file whose first bytes say enough, those.
    bytes : int
        What it takes up in memory.
    left_out : dict of str to None
        The names of files that were not kept because they would have taken up more.
    """

    def __init__(self, most: int) -> None:
        self.content: dict[str, bytes] = {}
        self.bytes = 0
        self.left_out: dict[str, None] = {}
        self._most = most
        # of the log that is being read, its name and its last bytes
        self._log: str | None = None
        self._end = b""

    def begin(self, name: str, size: int, file: MemberFile) -> None:
        """Keep a member's content if it may hold facts. All of it can still be read."""
        # of several members with one name the last one counts
        before = self.content.pop(name, None)
        if before is not None:
            self.bytes -= len(before) + _OVERHEAD_BYTES
        self.left_out.pop(name, None)
        self._log = None
        facts = _FACTS.fullmatch(name)
        if facts is None:
            if _ENDS.fullmatch(name):
                self._log, self._end = name, b""
                file.pieces = self._noted(file.pieces)
            return
        if facts["small"] is not None and size > MOST_BYTES:
            # who reads it sees that it is too large
            return
        if facts["head"] is not None:
            size = min(size, _HEAD_BYTES)
        if self._has_room(name, size):
            content = file.peek(size)[:size]
            if len(content) == size:
                self._add(name, content)

    def end(self, file: MemberFile) -> None:
        """Read a log to its end, whose last bytes are kept.

        Raises
        ------
        SourceError
            The archive is damaged or truncated.
        """
        if self._log is None:
            return
        for _ in file.pieces:
            pass
        if self._has_room(self._log, len(self._end)):
            self._add(self._log, self._end)

    def _noted(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self._end = (self._end + piece[-_END_BYTES:])[-_END_BYTES:]
            yield piece

    def _has_room(self, name: str, size: int) -> bool:
        has_room = self.bytes + size + _OVERHEAD_BYTES <= self._most
        if not has_room:
            self.left_out[name] = None
        return has_room

    def _add(self, name: str, content: bytes) -> None:
        self.content[name] = content
        self.bytes += len(content) + _OVERHEAD_BYTES
