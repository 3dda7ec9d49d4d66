"""Threads that write files while the rows that follow are still being found."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

# Tasks that wait or run, per thread. A task holds a row group of 7 MB.
_MOST_TASKS = 3


class WriterThreads:
    """Runs tasks on threads: those of one file in their order and one at a time, those of several files at once.

    A context manager: at its end no task runs, and those that wait are dropped. After a task has failed no other one is begun.

    Parameters
    ----------
    threads : int
    """

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="metricscan-write")
        self._most = _MOST_TASKS * threads
        self._changed = threading.Condition()
        # per file that has a task which waits or runs: those that wait
        self._waiting: dict[str, deque[Callable[[], None]]] = {}
        self._tasks = 0
        self._failed: BaseException | None = None

    def add(self, file: str, task: Callable[[], None]) -> None:
        """Have a task run. Waits while many tasks wait; raises the error of a task that has failed."""
        with self._changed:
            self._changed.wait_for(lambda: self._tasks < self._most or self._failed is not None)
            if self._failed is not None:
                raise self._failed
            self._tasks += 1
            if file in self._waiting:
                self._waiting[file].append(task)
                return
            self._waiting[file] = deque([task])
        self._pool.submit(self._run, file)

    def finish(self) -> None:
        """Wait until all tasks have run. Raises the error of a task that has failed."""
        with self._changed:
            self._changed.wait_for(lambda: self._tasks == 0 or self._failed is not None)
            if self._failed is not None:
                raise self._failed

    def stop(self) -> None:
        """Drop the tasks that wait, and wait for those that run."""
        with self._changed:
            for waiting in self._waiting.values():
                self._tasks -= len(waiting)
                waiting.clear()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _run(self, file: str) -> None:
        """Run the tasks of a file until none waits."""
        while True:
            with self._changed:
                waiting = self._waiting[file]
                if not waiting or self._failed is not None:
                    del self._waiting[file]
                    return
                task = waiting.popleft()
            try:
                task()
            except BaseException as error:
                # raised where the caller adds the next task, or waits for the last one
                with self._changed:
                    self._failed = self._failed or error
            with self._changed:
                self._tasks -= 1
                self._changed.notify_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
