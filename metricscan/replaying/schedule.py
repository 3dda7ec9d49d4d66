"""The schedule of the scans: the order of the logs, groups of small logs, and threads."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from metricscan import _core
from metricscan.logs.job import STDIN
from metricscan.scanning.small_logs import GROUP_BYTES, LEAST_GROUP_BYTES, MOST_BYTES
from metricscan.scanning.threaded import worker_count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from metricscan.errors import SourceError
    from metricscan.replaying.log_scan import LogScanner, Scanned
    from metricscan.replaying.progress import ProgressCounter

# Logs up to this size are scanned side by side, one per thread; larger ones one after the other, each on all threads.
SMALL_BYTES = 8 << 20


class Schedule:
    """Iterable over the logs with their batches, in order, for any number of threads.

    Parameters
    ----------
    scans : LogScanner
        Scans a log or a group of logs.
    sizes : mapping of str to int
        Bytes on disk of the logs that are regular files, by path.
    progress : ProgressCounter
    on_error : callable
        Called with the error of a log, before its batches are yielded.
    """

    def __init__(
        self,
        scans: LogScanner,
        sizes: Mapping[str, int],
        progress: ProgressCounter,
        on_error: Callable[[SourceError], object],
    ) -> None:
        self._scans = scans
        self._logs = scans.logs
        self._sizes = sizes
        self._progress = progress
        self._on_error = on_error

    def __iter__(self) -> Iterator[Scanned]:
        threads, total_bytes = self._scans.threads, self._progress.total_bytes
        workers = worker_count(threads, None if threads else total_bytes)
        if threads is None and len(self._logs) > 1:
            # several logs are worth all threads, even if they are small
            workers = worker_count(None, 1 << 40)
        groups = list(self._groups(workers, total_bytes))
        small = [group for group in groups if self._is_small(group[0])]
        if workers == 1 or len(small) < 2:
            for group in groups:
                if len(group) > 1:
                    yield from self._reported(self._scans.group(group))
                else:
                    yield self._scans.now(group[0])
            return
        from concurrent.futures import ThreadPoolExecutor

        unwanted = _core.Stop()
        with ThreadPoolExecutor(workers, thread_name_prefix="metricscan", initializer=unwanted.__enter__) as pool:
            ahead = iter(small)
            running: deque[Any] = deque()
            try:
                for group in groups:
                    if not self._is_small(group[0]):
                        yield self._scans.now(group[0])
                        continue
                    while len(running) < 2 * workers and (following := next(ahead, None)) is not None:
                        running.append(pool.submit(self._scans.group, following))
                    yield from self._reported(running.popleft().result())
            finally:
                unwanted.ask()
                for future in running:
                    future.cancel()

    def _groups(self, workers: int, total_bytes: int) -> Iterator[range]:
        """The numbers of the logs in order; consecutive logs that are small enough to be scanned as one form a group."""
        # several groups per thread, so that all threads end at about the same time
        most_bytes = min(GROUP_BYTES, max(LEAST_GROUP_BYTES, total_bytes // (8 * workers)))
        can_be_text = self._scans.input_format in ("auto", "plain")
        first = held = 0
        home: str | None = None
        for number, log in enumerate(self._logs):
            before = home
            home, size = self._scans.home(number, self._sizes.get(log.path, MOST_BYTES + 1))
            together = size <= MOST_BYTES and can_be_text and home is not None
            if first < number and (not together or home != before or held + size > most_bytes):
                yield range(first, number)
                first, held = number, 0
            if together:
                held += size + 1
            else:
                yield range(number, number + 1)
                first = number + 1
        if first < len(self._logs):
            yield range(first, len(self._logs))

    def _is_small(self, number: int) -> bool:
        log = self._logs[number]
        is_read_here = log.path == STDIN or self._scans.is_shared(number)
        return not is_read_here and self._sizes.get(log.path, 0) <= SMALL_BYTES

    def _reported(self, scans: list[tuple[Scanned, SourceError | None]]) -> Iterator[Scanned]:
        for scanned, error in scans:
            if error is not None:
                self._on_error(error)
            yield scanned
            if self._progress.is_reported:
                for log in self._logs[scanned.logs.start : scanned.logs.stop]:
                    self._progress.done(log)
