"""One large input on several threads: blocks cut at record ends, scanned side by side, handed on in order.

A block owns the records that start in it, so the rows are those of one pass; only ``line`` depends on what lies before a
block, and the caller adds that when the block's turn comes. Each thread reads its block itself, through a buffer of its
own that stays in its processor's cache.
"""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from metricscan.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from metricscan import _core
    from metricscan.scanner import Scanner
    from metricscan.source import Source

# Big enough that a block's fixed cost (some 50 microseconds) vanishes; small enough that few are in memory at a time.
BLOCK_BYTES = 16 * 1024 * 1024
LEAST_BLOCK_BYTES = 1024 * 1024
FIRST_BLOCK_BYTES = 8 * 1024 * 1024
# A block of which a metric has just more rows than the core's batches hold (57,344) has memory for two of them made present.
# Where every line has four metrics, blocks of 16 MiB took 70,000 page faults for what 53,000 are enough for.
BLOCK_ROWS = 55_000
# Below this one thread is done before a second one has warmed up.
SERIAL_BYTES = 32 * 1024 * 1024
_FIRST_LOOK_BYTES = 4096


def worker_count(threads: int | None, size: int | None) -> int:
    """How many threads scan an input of this size (None: unknown)."""
    if threads is None:
        if size is None or size < SERIAL_BYTES:
            return 1
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if threads < 1:
        raise ValueError(f"threads={threads}: 1 or more was expected")
    return threads


class Block(NamedTuple):
    """A block that was scanned: its stream, finished, and the columns that it has handed over, by pattern."""

    core: _core.Stream
    columns: list[tuple[int, _core._Columns]]
    fault: SourceError | None


def scan_blocks(source: Source, scanner: Scanner, workers: int) -> Iterator[Block]:
    """The blocks of an input in their order; few are in memory at a time.

    The source is one that can be cut: ``whole`` or ``descriptor`` is not None, and its size is known.
    """
    from concurrent.futures import ThreadPoolExecutor

    text = _Text(source, universal=scanner.options["newline"] == "universal")
    small = scanner._chunk_bytes if scanner._chunk_bytes < 65536 else None
    size = small or FIRST_BLOCK_BYTES
    start = 0
    like: _core.Stream | None = None
    with ThreadPoolExecutor(workers, thread_name_prefix="metricscan") as pool:
        running: deque[tuple[int, int, Any]] = deque()
        try:
            while start < text.size or running:
                if start < text.size and len(running) <= workers + 1:
                    # towards the end blocks are shorter, so that the threads end together
                    left = text.size - start
                    stop = start + min(size, max(left // (2 * workers), LEAST_BLOCK_BYTES), left)
                    running.append((start, stop, pool.submit(_scan_block, scanner, text, start, stop, like)))
                    start = stop
                    continue
                begun, ended, future = running.popleft()
                block: Block = future.result()
                like = block.core
                size = small or _next_size(block, ended - begun)
                source.announce(ended)
                yield block
                if block.fault is not None:
                    raise block.fault
        finally:
            for *_, future in running:
                future.cancel()


def _next_size(block: Block, size: int) -> int:
    """How long a block may be that has about as many rows a byte as this one."""
    rows: dict[int, int] = {}
    for pattern, columns in block.columns:
        rows[pattern] = rows.get(pattern, 0) + columns[0]
    most = max(rows.values(), default=0)
    fitting = size * BLOCK_ROWS // most if most else BLOCK_BYTES
    return min(max(fitting, LEAST_BLOCK_BYTES), BLOCK_BYTES)


def _scan_block(scanner: Scanner, text: _Text, start: int, stop: int, like: _core.Stream | None) -> Block:
    fault = None
    columns: list[tuple[int, _core._Columns]] = []
    core = scanner._new_core_stream(start, like)
    try:
        begin = text.record_start(start, stop)
        if begin < stop:
            core = scanner._new_core_stream(begin, like)
            for piece in text.pieces(begin, text.record_start(stop, text.size), scanner._chunk_bytes):
                core.feed(piece)
                _hand_over(core, core.full(), columns)
    except SourceError as error:
        # what came before it counts
        fault = error
    core.finish()
    _hand_over(core, core.filled(), columns)
    return Block(core, columns, fault)


def _hand_over(core: _core.Stream, patterns: list[int], columns: list[tuple[int, _core._Columns]]) -> None:
    for pattern in patterns:
        detached = core.detach(pattern)
        if detached is not None:
            columns.append((pattern, detached))


class _Text:
    """An input that can be read anywhere: memory, or a file."""

    def __init__(self, source: Source, *, universal: bool) -> None:
        self._name = source.name
        self._whole = source.whole
        self._descriptor = source.descriptor
        self._universal = universal
        self.size = source.size or 0

    def pieces(self, begin: int, end: int, size: int) -> Iterator[memoryview]:
        """The bytes from begin to end; a file's lie in one buffer, one after the other."""
        if self._whole is not None:
            for at in range(begin, end, size):
                yield self._whole[at : min(at + size, end)]
            return
        buffer = memoryview(bytearray(min(size, end - begin)))
        at = begin
        while at < end:
            count = self._read(buffer[: min(len(buffer), end - at)], at)
            if count == 0:
                # it has become shorter meanwhile: this is its end
                return
            yield buffer[:count]
            at += count

    def record_start(self, at: int, stop: int) -> int:
        """Where the first record starts at or behind this place; stop if none does before it."""
        if at in (0, self.size):
            return at
        # a record starts behind a terminator, the one just before this place included
        look = at - 1
        size = _FIRST_LOOK_BYTES
        while look < stop:
            piece = b"".join(self.pieces(look, min(look + size, stop), size))
            found = piece.find(b"\n")
            if self._universal:
                cr = piece.find(b"\r", 0, found if found >= 0 else len(piece))
                if cr >= 0:
                    following = piece[cr + 1 : cr + 2] or b"".join(
                        self.pieces(look + cr + 1, min(look + cr + 2, self.size), 1)
                    )
                    found = cr + (following == b"\n")
            if found >= 0:
                return min(look + found + 1, stop)
            if not piece:
                break
            look += len(piece)
            size = min(4 * size, 1 << 20)
        return stop

    def _read(self, buffer: memoryview, at: int) -> int:
        assert self._descriptor is not None
        try:
            return os.preadv(self._descriptor, [buffer], at)
        except OSError as error:
            raise SourceError(
                f"cannot read {self._name} at byte {at}", path=self._name, offset=at, cause=error
            ) from error
