"""Scan one large input on several threads: blocks are cut at record ends, scanned in parallel, and handed on in order.

A block owns the records that start in it, so the rows are those of a single pass. Only ``line`` depends on earlier blocks;
the caller adds their newlines when it gets the block. A thread reads and scans a block in one call, through a buffer of its
own, which stays in the cache of its processor. The call holds the GIL only for deferred records.
"""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from queue import SimpleQueue
from threading import Lock, Thread
from typing import TYPE_CHECKING, NamedTuple

from metricscan import _core
from metricscan.errors import SourceError
from metricscan.logs.source import CHUNK_BYTES
from metricscan.scanning.deferred import REGEX_FREE_S, RegexTime

if TYPE_CHECKING:
    from collections.abc import Iterator

    from metricscan.logs._first_line import FirstLine
    from metricscan.logs.source import Source
    from metricscan.scanning.plan import Plan

# Big enough to hide a block's fixed cost (some 100 microseconds, a batch per metric included); small enough that few rows are
# in memory at a time.
BLOCK_BYTES = 16 * 1024 * 1024
LEAST_BLOCK_BYTES = 2 * 1024 * 1024
# An input smaller than this is scanned before a second thread has warmed up.
SERIAL_BYTES = 32 * 1024 * 1024
# How many bytes the search for the start of a record reads first.
_FIRST_LOOK_BYTES = 4096


def worker_count(threads: int | None, size: int | None) -> int:
    """How many threads scan an input of ``size`` bytes (None: unknown), where the caller asks for ``threads``.

    Raises
    ------
    ValueError
        ``threads`` is less than 1.
    """
    if threads is None:
        if size is None or size < SERIAL_BYTES:
            return 1
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if threads < 1:
        raise ValueError(f"threads={threads}: 1 or more was expected")
    return threads


def has_several(threads: int | None) -> bool:
    """Whether there is a thread to decompress on while another one scans, where the caller asks for ``threads``."""
    return most_threads(threads) > 1


def most_threads(threads: int | None) -> int:
    """How many threads large work is spread over, where the caller asks for ``threads``; see :func:`worker_count`."""
    return worker_count(threads, SERIAL_BYTES)


class Block(NamedTuple):
    """The outcome of a block. Lines, also those of samples, count from its beginning; ``error`` is why it ended early."""

    stop: int
    columns: list[tuple[int, _core.Columns]]
    counted: list[tuple[int, _core._Counts]]
    bytes: int
    records: int
    cut_off: int
    too_long: int
    newlines: int
    suspects: list[_core._Suspect]
    error: SourceError | None


def scan_blocks(
    source: Source, plan: Plan, workers: int, *, chunk_bytes: int = CHUNK_BYTES, first_line: FirstLine | None = None
) -> Iterator[Block]:
    """Scan an input on several threads, and yield its blocks in order; few are in memory at a time.

    The caller's thread is one of the workers: while the next block in order is not scanned yet, it scans another.

    Parameters
    ----------
    source : Source
        One that can be cut: ``whole`` or ``descriptor`` is not None, and the size is known.
    plan : Plan
    workers : int
        How many threads, at least 2.
    chunk_bytes : int
        A file is read in pieces of at most this size. If it is less than ``CHUNK_BYTES``, as in tests, blocks are as short.
    first_line : FirstLine, optional
        Gets the pieces of the first block, while they are in the cache, if they are those with which the file begins.

    Raises
    ------
    SourceError
        The input cannot be read; raised after the block that ends there.
    """
    text = _Text(source, universal=plan.universal, first_line=first_line)
    pieces = min(chunk_bytes, CHUNK_BYTES)
    most = BLOCK_BYTES if pieces == CHUNK_BYTES else pieces
    # at most one thread per block, even if the caller asks for a million
    workers = max(2, min(workers, text.size // min(most, LEAST_BLOCK_BYTES) + 1))
    cuts = _Cuts(text.first, text.size, workers, most)
    scanned: SimpleQueue[tuple[int, Block | BaseException]] = SimpleQueue()

    plan = plan.sharing_regex_time(RegexTime(REGEX_FREE_S))
    # the streams that no helper thread is using
    with _core.Stop() as unwanted:
        streams = [_Stream(plan, text, pieces) for _ in range(workers - 1)]

    def help_out(stream: _Stream) -> None:
        while (cut := cuts.take()) is not None:
            number, start, stop = cut
            try:
                scanned.put((number, stream.scan(start, stop)))
            except BaseException as error:
                scanned.put((number, error))
                return
        streams.append(stream)

    helpers: list[Thread] = []

    def call_helper() -> None:
        # If the caller is slower than the scan, each block gets a new thread: starting it takes some 70 microseconds, while
        # all threads wait for the caller. Permanent threads would have to wait for work, and be stopped when the interpreter
        # ends.
        helpers[:] = [helper for helper in helpers if helper.is_alive()]
        helper = Thread(target=help_out, args=(streams.pop(),), name="metricscan")
        # starting a thread may fail, for example while the interpreter ends: then the caller's thread scans alone
        with suppress(RuntimeError):
            helper.start()
            helpers.append(helper)

    try:
        for _ in range(workers - 1):
            call_helper()
        own = _Stream(plan, text, pieces)
        waiting: dict[int, Block | BaseException] = {}
        handed = 0
        while cuts.has_after(handed):
            while not scanned.empty():
                waiting.update([scanned.get()])
            if handed not in waiting:
                cut = cuts.take()
                waiting.update([scanned.get()] if cut is None else [(cut[0], own.scan(*cut[1:]))])
                continue
            block = waiting.pop(handed)
            if isinstance(block, BaseException):
                raise block
            source.announce(block.stop)
            yield block
            if block.error is not None:
                raise block.error
            handed += 1
            if cuts.give_back() and streams:
                call_helper()
    finally:
        cuts.close()
        unwanted.ask()
        for helper in helpers:
            helper.join()


def scan_between(
    source: Source, plan: Plan, start: int, stop: int | None, *, chunk_bytes: int = CHUNK_BYTES
) -> Iterator[Block]:
    """Scan the records that start in [start, stop) on this thread, and yield blocks in order.

    Parameters
    ----------
    source, plan, chunk_bytes
        As :func:`scan_blocks` takes them.
    start : int
    stop : int or None
        None: the end of the input.

    Raises
    ------
    SourceError
        The input cannot be read, or ends before ``start``.
    """
    text = _Text(source, universal=plan.universal)
    if start > text.size:
        raise SourceError(
            f"{source.name} has {text.size:,} bytes; a range from byte {start:,} on was expected", path=source.name
        )
    pieces = min(chunk_bytes, CHUNK_BYTES)
    stop = text.size if stop is None else min(stop, text.size)
    at = text.first if start < text.first < stop else start
    stream = _Stream(plan, text, pieces)
    while text.first <= at < stop:
        block = stream.scan(at, min(at + (BLOCK_BYTES if pieces == CHUNK_BYTES else pieces), stop))
        yield block
        if block.error is not None:
            raise block.error
        at = block.stop


class _Cuts:
    """Cuts an input block after block, for any thread that asks, not far ahead of the last block that the caller got.

    No thread waits here for its turn. If the caller abandoned its iterator half-way, such a thread would wait for ever, and so
    would the interpreter, which waits for all threads when it ends.
    """

    def __init__(self, first: int, size: int, workers: int, most: int) -> None:
        self._size = size
        self._workers = workers
        self._most = most
        self._at = first
        self._closed = False
        self._lock = Lock()
        self._ahead = 2 * workers + 1
        self._taken = 0

    def has_after(self, number: int) -> bool:
        """Whether there are more than ``number`` blocks, taken or not."""
        with self._lock:
            return number < self._taken or self._at < self._size

    def take(self) -> tuple[int, int, int] | None:
        """Number, start and stop (bytes) of the next block; None if none is left, or if the caller must get others first."""
        with self._lock:
            if self._closed or self._ahead == 0 or self._at >= self._size:
                return None
            # blocks become shorter towards the end, so that the threads end together
            share = (self._size - self._at) // (2 * self._workers)
            start = self._at
            self._at = min(start + min(self._most, max(share, LEAST_BLOCK_BYTES)), self._size)
            self._ahead -= 1
            self._taken += 1
            return self._taken - 1, start, self._at

    def give_back(self) -> bool:
        """Note that the caller got one more block; return whether a block can be taken now."""
        with self._lock:
            self._ahead += 1
            return self._at < self._size

    def close(self) -> None:
        """Let no thread take another block."""
        self._closed = True


class _Stream:
    """A worker's stream, which scans one block after another."""

    def __init__(self, plan: Plan, text: _Text, pieces: int) -> None:
        self._core = plan.new_stream(in_batches=True)
        self._text = text
        self._watches = bool(plan.companions)
        self._pieces = pieces
        # text in memory is scanned where it lies
        self._buffer = None if text.whole is not None else memoryview(bytearray(pieces))

    def scan(self, start: int, stop: int) -> Block:
        """Scan the records that start in [start, stop)."""
        core, text = self._core, self._text
        is_first = start == text.first
        failed = None
        begin = end = start
        core.restart(start)
        try:
            begin = text.record_start(start, stop)
            core.restart(begin, at_beginning=is_first)
            if begin < stop:
                try:
                    end = text.record_start(stop, text.size)
                except SourceError as error:
                    # the bytes before the error were read, so they can be read again
                    failed, end = error, error.offset or begin
                text.feed(core, begin, end, self._pieces, self._buffer)
        except SourceError as error:
            # the rows before the error are kept
            failed = error
        # rows are taken before the stream is finished: so they use no more memory than they need, and the next block's rows
        # use none of the memory that is left over
        columns = core.take()
        if failed is None and begin < end < text.size and self._watches:
            core.show_next(text.shown(end))
        core.finish(cut_off=failed is not None)
        columns += core.take()
        size = core.bytes + (start if is_first else 0)
        counts = core.records, core.cut_off, core.too_long, core.newlines
        return Block(stop, columns, core.counted(), size, *counts, core.suspects, failed)


class _Text:
    """An input that can be read at any place: memory, or a file.

    Attributes
    ----------
    first : int
        The place from which on it is read: a hole in a sparse file reads as NULs, and NULs before the first record belong to
        no record. It lies before the end, unless there are no bytes.
    """

    def __init__(self, source: Source, *, universal: bool, first_line: FirstLine | None = None) -> None:
        self._name = source.name
        self._first_line = first_line
        self._universal = universal
        self.whole = source.whole
        self.descriptor = source.descriptor
        self.size = source.size or 0
        self.first = 0 if self.descriptor is None else min(_hole_end(self.descriptor), max(self.size - 1, 0))

    def feed(self, core: _core.Stream, begin: int, end: int, pieces: int, buffer: memoryview | None) -> None:
        """Feed a stream the bytes from ``begin`` to ``end``, or to the end of a file that has become shorter meanwhile."""
        if self.whole is not None:
            # the whole block at once, except for tests that ask for pieces
            size = end - begin if pieces == CHUNK_BYTES else pieces
            for at in range(begin, end, size):
                core.feed(self.whole[at : min(at + size, end)])
            return
        assert self.descriptor is not None
        assert buffer is not None
        fed, start = core.bytes, begin
        try:
            if begin == 0 and self._first_line is not None:
                begin = self._feed_beginning(core, end, pieces, self._first_line)
            core.feed_file(self.descriptor, begin, end, buffer)
        except OSError as error:
            raise self._unreadable(start + core.bytes - fed, error) from error

    def _feed_beginning(self, core: _core.Stream, end: int, pieces: int, first_line: FirstLine) -> int:
        """Feed a stream, and the search for the first line, the pieces that both want; return the place behind them."""
        assert self.descriptor is not None
        at = 0
        while at < end and first_line.wanted_from == at:
            piece = os.pread(self.descriptor, min(pieces, end - at), at)
            if not piece:
                break
            first_line.add(piece)
            core.feed(piece)
            at += len(piece)
        return at

    def record_start(self, at: int, stop: int) -> int:
        """The first place from ``at`` on where a record starts; ``stop`` if that is not before ``stop``."""
        if at in (self.first, self.size):
            return at
        # a record starts after a terminator, which may be the byte just before this place
        look = at - 1
        size = _FIRST_LOOK_BYTES
        while look < stop:
            piece = self._bytes(look, min(size, stop - look))
            found = piece.find(b"\n")
            if self._universal:
                cr = piece.find(b"\r", 0, found if found >= 0 else len(piece))
                if cr >= 0:
                    found = cr + ((piece[cr + 1 : cr + 2] or self._bytes(look + cr + 1, 1)) == b"\n")
            if found >= 0:
                return min(look + found + 1, stop)
            if not piece:
                break
            look += len(piece)
            size = min(4 * size, 1 << 20)
        return stop

    def shown(self, at: int) -> bytes:
        """The bytes with which a record begins here."""
        return self._bytes(at, _FIRST_LOOK_BYTES)

    def _bytes(self, at: int, size: int) -> bytes:
        """As many bytes as can be read at once, up to this size; none at the end."""
        if self.whole is not None:
            return bytes(self.whole[at : at + size])
        assert self.descriptor is not None
        try:
            return os.pread(self.descriptor, size, at)
        except OSError as error:
            raise self._unreadable(at, error) from error

    def _unreadable(self, at: int, error: OSError) -> SourceError:
        return SourceError(f"cannot read {self._name} at byte {at}", path=self._name, offset=at, cause=error)


def _hole_end(descriptor: int) -> int:
    """Where the hole ends with which a sparse file begins; 0 if there is none, or if the system does not say."""
    try:
        return os.lseek(descriptor, 0, os.SEEK_DATA)
    except OSError as error:
        # a file that is a hole to its end has no data
        return sys.maxsize if error.errno == errno.ENXIO else 0
    except AttributeError:
        return 0
