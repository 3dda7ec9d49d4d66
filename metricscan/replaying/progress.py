"""How far a replay is, counted and reported."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from metricscan.logs.job import STDIN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from metricscan.logs.job import Log


class Progress(NamedTuple):
    """How far a replay is.

    Attributes
    ----------
    path : str
        The log that was read last.
    bytes, total_bytes : int
        Bytes on disk that were read, and of all logs.
    logs, total_logs : int
        Logs that were read to their end, and all logs.
    """

    path: str
    bytes: int
    total_bytes: int
    logs: int
    total_logs: int


class ProgressCounter:
    """Counts what was read, and reports it.

    Parameters
    ----------
    sizes : mapping of str to int
        Bytes on disk of each log, by path; 0 if they are not known.
    total_logs : int
    report : callable, optional
        Called with a :class:`Progress` after each change.
    """

    def __init__(
        self, sizes: Mapping[str, int], total_logs: int, report: Callable[[Progress], object] | None = None
    ) -> None:
        self.total_bytes = sum(sizes.values())
        self._sizes = sizes
        self._total_logs = total_logs
        self._report = report
        self._read_bytes = 0
        self._read_logs = 0

    @property
    def is_reported(self) -> bool:
        """Whether ``report`` was given."""
        return self._report is not None

    def reading(self, log: Log, position: int) -> None:
        """Report that a log was read up to a position in bytes on disk."""
        if self._report is None:
            return
        read = self._read_bytes + position
        if log.path != STDIN:
            # a log that grows does not exceed the total
            read = min(read, self.total_bytes)
        self._report(Progress(log.path, read, self.total_bytes, self._read_logs, self._total_logs))

    def done(self, log: Log) -> None:
        """Count a log that was read to its end, and report it."""
        self._read_bytes += self._sizes[log.path]
        self._read_logs += 1
        self.reading(log, 0)
