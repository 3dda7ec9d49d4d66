"""Pieces that a second thread makes while the caller uses those before: decompressing and scanning overlap."""

from __future__ import annotations

from collections import deque
from threading import Condition, Thread
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterator

#: A compressed file of fewer bytes is decompressed before a second thread pays.
LEAST_BYTES = 1024 * 1024
# This many pieces wait at most; when half of them are used, a thread makes more.
_MOST_WAITING = 8


class Ahead:
    """Iterator over the pieces of another iterator, which a second thread advances.

    The thread ends when enough pieces wait, and a new one is started when half of them are used; starting one takes some 70
    microseconds. No thread waits for the caller: if the caller abandoned the iterator, such a thread would never end.

    Parameters
    ----------
    pieces : iterator
        Each piece stays valid when the next one is asked for.
    """

    def __init__(self, pieces: Iterator[Any]) -> None:
        self._pieces = pieces
        self._made: deque[Any] = deque()
        self._changed = Condition()
        self._thread: Thread | None = None
        self._runs = False
        # the exception that ends the pieces; StopIteration if all is well
        self._end: BaseException | None = None
        self._closed = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        with self._changed:
            if not self._runs and self._end is None and len(self._made) <= _MOST_WAITING // 2 and not self._start():
                # no thread can be started, for example while the interpreter ends
                return self._made.popleft() if self._made else next(self._pieces)
            while not self._made and self._end is None:
                self._changed.wait()
            if self._made:
                return self._made.popleft()
            assert self._end is not None
            raise self._end

    def _start(self) -> bool:
        if self._closed:
            return False
        self._thread = Thread(target=self._make, name="metricscan")
        self._runs = True
        try:
            self._thread.start()
        except RuntimeError:
            self._thread, self._runs = None, False
        return self._runs

    def _make(self) -> None:
        while True:
            piece, end = None, None
            try:
                piece = next(self._pieces)
            except BaseException as error:
                end = error
            with self._changed:
                if end is None:
                    self._made.append(piece)
                self._end = end
                self._runs = end is None and not self._closed and len(self._made) < _MOST_WAITING
                self._changed.notify()
                if not self._runs:
                    return

    def close(self) -> None:
        """Wait until no thread uses the pieces, and close them."""
        with self._changed:
            self._closed = True
            thread = self._thread
        if thread is not None:
            thread.join()
        close = getattr(self._pieces, "close", None)
        if close is not None:
            close()
