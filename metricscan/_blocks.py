"""One large input on several threads: blocks cut at record ends, scanned side by side, handed on in order.

A record ends at the same place for every way of cutting, so the rows are those of one pass; only ``line`` depends on
what lies before a block, and the caller adds that when the block's turn comes.
"""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from metricscan import _core
    from metricscan.scanner import Scanner
    from metricscan.source import Source

# Big enough that a block's fixed cost (some 20 microseconds) vanishes, small enough that a few of them fit the cache
# that the cores share.
BLOCK_BYTES = 4 * 1024 * 1024
# Below this one thread is done before a second one has warmed up.
SERIAL_BYTES = 32 * 1024 * 1024


def worker_count(threads: int | None, size: int | None) -> int:
    """How many threads scan an input of this size (None: unknown)."""
    if threads is None:
        if size is None or size < SERIAL_BYTES:
            return 1
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if threads < 1:
        raise ValueError(f"threads={threads}: 1 or more was expected")
    return threads


def scan_blocks(source: Source, scanner: Scanner, workers: int) -> Iterator[_core.Stream]:
    """Finished core streams, one a block, in the order of the input. Few blocks are in memory at a time."""
    from concurrent.futures import ThreadPoolExecutor

    size = max(BLOCK_BYTES if scanner._chunk_bytes >= 65536 else scanner._chunk_bytes, 1)
    universal = scanner.options["newline"] == "universal"
    with ThreadPoolExecutor(workers, thread_name_prefix="metricscan") as pool:
        waiting: deque[Any] = deque()
        try:
            blocks = _blocks(source, size, universal=universal)
            offset = 0
            while True:
                try:
                    block = next(blocks, None)
                except BaseException:
                    # what came before the fault is handed on first
                    while waiting:
                        yield waiting.popleft().result()
                    raise
                if block is None:
                    break
                waiting.append(pool.submit(_scan_block, scanner, block, offset))
                offset += len(block)
                if len(waiting) > 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _scan_block(scanner: Scanner, block: Any, offset: int) -> _core.Stream:
    core = scanner._new_core_stream(offset)
    core.feed(block)
    core.finish()
    return core


def _blocks(source: Source, size: int, *, universal: bool) -> Iterator[Any]:
    """The input in blocks that end where a record does."""
    if source.whole is not None:
        yield from _cut(source.whole, size, universal=universal)
        return
    held = bytearray()
    fault: BaseException | None = None
    try:
        for piece in source:
            held += piece
            if len(held) >= size:
                end = _last_end(held, 0, len(held), universal=universal)
                if end:
                    yield bytes(memoryview(held)[:end])
                    del held[:end]
    except BaseException as error:
        fault = error
    if held and (fault is None or isinstance(fault, Exception)):
        yield bytes(held)
    if fault is not None:
        raise fault


def _cut(view: memoryview, size: int, *, universal: bool) -> Iterator[memoryview]:
    start = 0
    total = view.nbytes
    while start < total:
        stop = start + size
        end = 0
        while stop < total and not end:
            end = _last_end(view, start, stop, universal=universal)
            stop += size
        end = end or total
        yield view[start:end]
        start = end


def _last_end(data: Any, start: int, stop: int, *, universal: bool) -> int:
    """One past the last terminator in [start, stop) that is surely whole there, or 0."""
    # Looked for from the back in growing steps: it is near, unless a record is huge.
    step = 4096
    low = stop
    while low > start:
        low = max(start, low - step)
        step *= 4
        tail = bytes(data[low:stop])
        at = tail.rfind(b"\n")
        if at < 0 and universal:
            # a \r at the very end may be half of a \r\n
            at = tail.rfind(b"\r", 0, len(tail) - 1)
        if at >= 0:
            return low + at + 1
    return 0
