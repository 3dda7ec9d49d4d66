"""Several logs in one file, whose rows are wanted in another order than that of the file.

The file is read from its beginning on. Rows of the log that is asked for are handed on at once; those of later logs are held
until it is their turn. If they take up too much memory, the rows of the last logs are dropped, and the file is read again
when it is their turn. If the file's order is the one that is wanted, nothing is held.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from metricscan.errors import SourceError
    from metricscan.scanning.stats import ScanStats

#: The memory for rows that wait.
HELD_BYTES = 256 * 1024 * 1024
# A batch of fewer rows is held in its serialised form: the objects of a batch take up thousands of bytes.
_SMALL_ROWS = 1024
_OVERHEAD_BYTES = 300

Rows = tuple[str, pa.RecordBatch]


class Ended(NamedTuple):
    """The end of a log.

    Attributes
    ----------
    stats : ScanStats
    failure : SourceError or None
        Why it ended early.
    span : (int, int) or None
        The first and the last time of its events, in microseconds since the epoch.
    is_export : bool
    """

    stats: ScanStats
    failure: SourceError | None = None
    span: tuple[int, int] | None = None
    is_export: bool = False


class HeldRows:
    """The rows that wait, of all files of a replay.

    Parameters
    ----------
    most_bytes : int
    """

    def __init__(self, most_bytes: int = HELD_BYTES) -> None:
        self.bytes = 0
        self._most_bytes = most_bytes
        self._rows: dict[int, list[tuple[str, pa.RecordBatch | bytes]]] = {}
        self._sizes: dict[int, int] = {}
        self._owners: dict[int, SharedFile] = {}
        self._last: list[int] = []
        self._schemas: dict[str, pa.Schema] = {}

    def add(self, number: int, rows: Rows, owner: SharedFile) -> None:
        """Hold rows of a log. If they are too many, those of the last logs are dropped, and their files are told."""
        name, batch = rows
        kept: pa.RecordBatch | bytes = batch
        size = batch.get_total_buffer_size()
        if batch.num_rows < _SMALL_ROWS:
            self._schemas.setdefault(name, batch.schema)
            kept = batch.serialize().to_pybytes()
            size = len(kept)
        if number not in self._rows:
            self._rows[number] = []
            self._sizes[number] = 0
            self._owners[number] = owner
            heapq.heappush(self._last, -number)
        self._rows[number].append((name, kept))
        self._sizes[number] += size + _OVERHEAD_BYTES
        self.bytes += size + _OVERHEAD_BYTES
        while self.bytes > self._most_bytes:
            last = -heapq.heappop(self._last)
            if last in self._rows:
                dropped = self._owners[last]
                self.drop(last)
                dropped.lose_from(last)

    def take(self, number: int) -> Iterator[Rows]:
        """Hand over the rows of a log; each batch is freed when the next is asked for."""
        rows = self._rows.get(number, [])[::-1]
        self.drop(number)
        while rows:
            name, kept = rows.pop()
            yield (
                name,
                kept if isinstance(kept, pa.RecordBatch) else pa.ipc.read_record_batch(kept, self._schemas[name]),
            )

    def drop(self, number: int) -> None:
        """Forget the rows of a log."""
        if number in self._rows:
            self.bytes -= self._sizes.pop(number)
            del self._rows[number], self._owners[number]


class SharedFile:
    """A file that holds several logs of a replay.

    Parameters
    ----------
    numbers : list of int
        The numbers of its logs; they are asked for in ascending order.
    read : callable
        Reads the file from its beginning. Called with ``is_wanted``, which says whether a log's rows are of use; yields the
        number of a log with rows of it, or with its end. What is of no use may be yielded, too.
    held : HeldRows

    Attributes
    ----------
    passes : int
        How often the file was begun.
    """

    def __init__(
        self,
        numbers: list[int],
        read: Callable[[Callable[[int], bool]], Generator[tuple[int, Rows | Ended]]],
        held: HeldRows,
    ) -> None:
        self.passes = 0
        self._numbers = numbers
        self._read = read
        self._held = held
        self._running: Generator[tuple[int, Rows | Ended]] | None = None
        self._ended: dict[int, Ended] = {}
        self._current = numbers[0]
        # logs from this number on are not read in this pass
        self._lost_from: int | None = None

    def is_wanted(self, number: int) -> bool:
        """Whether the rows of a log are of use in this pass."""
        is_lost = self._lost_from is not None and number >= self._lost_from
        return number >= self._current and not is_lost and number not in self._ended

    def lose_from(self, number: int) -> None:
        """Note that the rows of a log were dropped. In this pass, there is no room for those of later logs either."""
        self._lost_from = number
        self._ended.pop(number, None)

    def rows(self, number: int) -> Iterator[Rows]:
        """The rows of a log; then :meth:`end` gives its end."""
        self._current = number
        is_lost = self._lost_from is not None and number >= self._lost_from
        if number not in self._ended and (self._running is None or is_lost):
            self._begin()
        yield from self._held.take(number)
        while number not in self._ended and self._running is not None:
            found = next(self._running, None)
            if found is None:
                self._running = None
                return
            of, what = found
            if not self.is_wanted(of):
                # rows of it may have been dropped before
                continue
            if isinstance(what, Ended):
                self._ended[of] = what
            elif of == number:
                yield what
            else:
                self._held.add(of, what, self)

    def end(self, number: int) -> Ended | None:
        """The end of a log whose rows were asked for; None if the file does not hold it any more."""
        if number == self._numbers[-1]:
            self.close()
        return self._ended.pop(number, None)

    def close(self) -> None:
        """Stop reading."""
        if self._running is not None:
            self._running.close()
            self._running = None

    def _begin(self) -> None:
        self.close()
        for number in self._numbers:
            if number not in self._ended:
                # rows of a pass that ended half-way through this log
                self._held.drop(number)
        self._lost_from = None
        self.passes += 1
        self._running = self._read(self.is_wanted)
