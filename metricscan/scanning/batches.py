"""One input, read to its end: batches of rows as soon as they are full."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from metricscan.errors import SourceError
from metricscan.logs._first_line import FirstLine
from metricscan.logs.compression import MAX_DECOMPRESSED, check_max_decompressed
from metricscan.logs.source import CHUNK_BYTES, open_source
from metricscan.logs.tails import TAIL_BYTES, crash_of, joined_tail
from metricscan.scanning.options import check_threads
from metricscan.scanning.stats import ScanStats

if TYPE_CHECKING:
    from types import TracebackType

    import pyarrow as pa

    from metricscan import _core
    from metricscan.logs.crashes import Crash
    from metricscan.logs.exports import ExportReader
    from metricscan.logs.source import Source
    from metricscan.scanning.decoded import DecodedRows
    from metricscan.scanning.in_order import Merging
    from metricscan.scanning.options import InputFormat
    from metricscan.scanning.plan import Plan
    from metricscan.scanning.suspects import LogSuspects, Suspects
    from metricscan.scanning.threaded import Block


class Batches(Iterator[tuple[str, "pa.RecordBatch"]]):
    """Iterator over ``(name, RecordBatch)``; ``stats`` counts what has been scanned so far.

    Parameters
    ----------
    plan : Plan
    source, threads, input_format, max_decompressed
        As :meth:`Scanner.scan` takes them.
    chunk_bytes : int
        The size of the pieces in which files are read and bytes are cut.
    between : (int, int or None), optional
        Scan only the records that start in this range of bytes of a plain file; None: to its end. Lines count from the first of
        these records on.
    in_order : bool
        Whether to yield the rows of all metrics together, in the order of the input, under the name ``ALL_METRICS``: those of
        each piece as soon as it is scanned. Then the format of a pipe is decided by its first line, as soon as that is there.

    again : bool
        Whether to look for the first line of the text in the rest of it.

    Attributes
    ----------
    stats : ScanStats
    frames : ExportReader or None
        The reader of an export, which has its streams and their times; None for other inputs.
    counting : ScanStats or callable
        The counts, or a function that puts them together.
    newlines : int
        The line feeds of the text, once the iterator is exhausted.

    Raises
    ------
    SourceError
        The input is not plain text in a file, of which a range could be scanned.
    """

    def __init__(
        self,
        plan: Plan,
        source: Any,
        threads: int | None,
        input_format: InputFormat = "plain",
        *,
        chunk_bytes: int = CHUNK_BYTES,
        max_decompressed: int = MAX_DECOMPRESSED,
        between: tuple[int, int | None] | None = None,
        in_order: bool = False,
        again: bool = False,
    ) -> None:
        from metricscan.scanning import threaded

        check_threads(threads)
        check_max_decompressed(max_decompressed)
        self._plan = plan
        self._chunk_bytes = chunk_bytes
        self._opened = open_source(source, chunk_bytes=chunk_bytes, max_decompressed=max_decompressed)
        if threaded.has_several(threads):
            # before the first bytes are looked at: what is decoded cannot be made ahead
            self._opened.read_ahead()
        self.counting: ScanStats | Callable[[], ScanStats] = plan.new_stats
        self.frames: ExportReader | None = None
        # the end of the text; none if the end could not be read
        self._tail = b""
        self.newlines = 0
        self._first_line = FirstLine() if again else None
        # of a plan that watches: the first rows and, once a suspect is found, what gathers them
        self._first = plan.first_places() if plan.companions else None
        self._suspects: Suspects | None = None
        self._has_ended = False
        self._between = between
        self._merging: Merging | None = None
        if in_order:
            from metricscan.scanning.in_order import Merging

            self._merging = Merging(plan.metrics)
        workers = threaded.worker_count(threads, self._opened.size)
        self._running: Generator[tuple[Any, ...]]
        if input_format != "plain":
            from metricscan.logs import exports, formats

            try:
                format_ = formats.format_of(self._opened, input_format, by_first_line=in_order)
            except BaseException:
                self._opened.close()
                raise
            if format_ != "plain":
                self.frames = exports.ExportReader(self._opened, format_, plan.level, at_once=in_order)
        if between is not None and (self.frames is not None or not self._opened.can_be_cut()):
            self._opened.close()
            kind = "is an export" if self.frames is not None else "is compressed, or not plain text in a file"
            name = self._opened.name
            raise SourceError(f"{name} {kind}: it is scanned as a whole, not by ranges of bytes", path=name)
        if between is not None:
            self._running = self._many_blocks(
                threaded.scan_between(self._opened, plan, *between, chunk_bytes=self._chunk_bytes)
            )
        elif self.frames is not None:
            self._running = self.numbered(self.frames)
        elif workers > 1 and self._opened.can_be_cut():
            self._running = self._many_blocks(
                threaded.scan_blocks(
                    self._opened, plan, workers, chunk_bytes=self._chunk_bytes, first_line=self._first_line
                )
            )
        else:
            self._running = self._one_stream()

    @property
    def stats(self) -> ScanStats:
        """Counts of what has been scanned so far."""
        stats = self.counting if isinstance(self.counting, ScanStats) else self.counting()
        if self._suspects is not None:
            self._suspects.write_to(stats)
        elif self._first is not None and self._has_ended:
            for pattern, places in self._first.places.items():
                for name in self._plan.names[pattern]:
                    stats.metrics[name].set_first_value(self._opened.name, places)
        if self._running.gi_frame is None:  # type: ignore[attr-defined]
            # the scan is over: the counts are final
            self.counting = stats
        return stats

    @property
    def suspects(self) -> Suspects | None:
        """What the plan finds, if it watches; complete when the iterator is exhausted."""
        if self._suspects is None and self._first is not None:
            # in a cold cache, to make it took a tenth of the time of the scan of a small log
            from metricscan.scanning.suspects import Suspects

            self._suspects = Suspects(self._plan, self._opened.name, self._first)
            if self._has_ended:
                self._suspects.end_stream()
        return self._suspects

    def found_suspects(self) -> LogSuspects:
        """The suspects of the input, by metric. To be called after the last batch."""
        return {} if self._suspects is None else self._suspects.of_all()

    def crash(self) -> Crash | None:
        """The crash with which the input ends. To be called after the last batch."""
        if self.frames is not None:
            return crash_of(self._tail)
        if self._opened.decoder is not None:
            # the text has other places than the source
            return crash_of(self._tail, newlines=self.newlines)
        end = self.stats.bytes if self._between is None else self._opened.size or 0
        return crash_of(self._tail, end - len(self._tail), self.newlines)

    def has_first_line_again(self) -> bool:
        """Whether the first line of the text stands in it again. To be called once, after the last batch."""
        return self._first_line is not None and self._first_line.finish()

    @property
    def is_unended(self) -> bool:
        """Whether the input ends without a line end. To be called after the last batch."""
        return bool(self._tail) and not self._tail.endswith((b"\n", b"\r") if self._plan.universal else b"\n")

    def __iter__(self) -> Batches:
        return self

    def __next__(self) -> tuple[str, pa.RecordBatch]:
        name, batch, *_ = next(self._running)
        return name, batch

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Batches of {self._opened.name}>"

    def close(self) -> None:
        """Stop the scan, and close the input if the scan opened it."""
        self._running.close()
        self._opened.close()

    def go_on_from(self, before: Sequence[Batches], *, goes_on: bool) -> None:
        """Say that the input is a piece of a container's log that was rotated. To be called before the first batch.

        ``before`` are the scans of the pieces before it, the nearest first, and ``goes_on`` says whether there is a next one. See
        :meth:`metricscan.logs.exports.ExportReader.go_on_from`.
        """
        from metricscan.logs.exports import STREAMS_OF_PIECE

        assert self.frames is not None
        self.frames.go_on_from(before[0].frames if before else None, goes_on=goes_on)
        if self.suspects is not None:
            names = [one._opened.name for one in (self, *before)]
            self.suspects.set_paths([name for name in names for _ in range(STREAMS_OF_PIECE)])

    def numbered(self, frames: ExportReader) -> Generator[tuple[str, pa.RecordBatch, Any]]:
        """The batches of an export, each with an int64 array: the number of each row's stream in ``frames.stream_names``."""
        from metricscan.scanning.exported import ExportScan
        from metricscan.scanning.schema import BATCH_ROWS

        scan = ExportScan(self._plan, frames, self.suspects, least=BATCH_ROWS if self._merging is None else 1)
        self.counting = scan.stats
        with self._opened:
            for events in frames:
                self._tail = joined_tail(self._tail, events.text)
                if self._first_line is not None:
                    self._first_line.add(events.text)
                yield from self._handed_on(scan.add(events))
        yield from self._handed_on(scan.finish())
        # a snapshot, because the scan keeps a reference to the input
        self.counting = scan.stats()
        if frames.error is not None:
            self._tail = b""
            raise frames.error

    def _one_stream(self) -> Generator[tuple[str, pa.RecordBatch]]:
        pieces = iter(self._opened)
        decoder = self._opened.decoder
        core = self._plan.new_stream(in_batches=decoder is None)
        self.counting = partial(self._plan.stats_of, core)
        decoded: DecodedRows | None = None
        if decoder is not None:
            from metricscan.scanning.decoded import DecodedRows

            decoded = DecodedRows(self._plan, core, decoder)
            self.counting = decoded.stats
        rows = core if decoded is None else decoded
        take = rows.take_full if self._merging is None else rows.take
        failed: SourceError | None = None
        can_be_read_again = decoder is None and (self._opened.whole is not None or self._opened.descriptor is not None)
        with self._opened:
            try:
                for piece in pieces:
                    if not can_be_read_again:
                        self._tail = joined_tail(self._tail, piece)
                    if self._first_line is not None:
                        self._first_line.add(piece)
                    core.feed(piece)
                    if decoded is not None:
                        decoded.move(piece)
                    yield from self._handed_on(self._named(take()))
            except SourceError as error:
                failed = error
            if can_be_read_again:
                self._tail = _end_of(self._opened, core.bytes)
            core.finish(cut_off=failed is not None)
            self.newlines = core.newlines
        if decoded is not None:
            decoded.move(b"")
        yield from self._handed_on(self._named(rows.take()))
        if self._suspects is not None:
            self._suspects.add_samples(core.suspects if decoded is None else decoded.suspects)
            self._suspects.end_stream()
        self._has_ended = True
        if failed is not None:
            self._tail = b""
            raise failed

    def _many_blocks(self, blocks: Iterator[Block]) -> Generator[tuple[str, pa.RecordBatch]]:
        from metricscan.scanning.arrow import Gathering

        failed: SourceError | None = None
        lines = 0
        gathering: dict[int, Gathering] = {}
        self.counting = stats = self._plan.new_stats()

        def place(line: int, offset: int) -> tuple[int, int]:
            """Places in a block have final offsets; their lines count from the block's beginning."""
            return line + lines, offset

        def part_place(line: int, offset: int, start: int) -> tuple[int, int, int, int]:
            return 0, line + lines, offset, start

        with self._opened:
            try:
                for block in blocks:
                    stats.bytes += block.bytes
                    stats.records += block.records
                    stats.cut_off += block.cut_off
                    stats.too_long += block.too_long
                    self._plan.add_counts(stats, block.counted, place)
                    for _, columns in block.columns:
                        columns.add_lines(lines)
                    taken = self._visible(block.columns)
                    if self._merging is not None:
                        yield from self._handed_on(one for rows in taken for one in self._batches_of(*rows))
                    for pattern, columns in taken if self._merging is None else ():
                        for gathered in gathering.setdefault(pattern, Gathering()).add(columns):
                            yield from self._batches_of(pattern, gathered)
                    if self.suspects is not None:
                        self.suspects.add_samples(block.suspects, part_place)
                        self.suspects.end_stream()
                    lines += block.newlines
            except SourceError as error:
                failed = error
            else:
                self.newlines = lines
                if self._between is None:
                    self._tail = _end_of(self._opened, stats.bytes)
                    self._look_for_first_line()
                elif self._between[1] is None:
                    self._tail = _end_of(self._opened, self._opened.size or 0)
            for pattern, rest in gathering.items():
                for gathered in rest.take():
                    yield from self._batches_of(pattern, gathered)
        if failed is not None:
            raise failed

    def _look_for_first_line(self) -> None:
        """Look for the first line in what several threads have read, behind the first block."""
        if self._first_line is None:
            return
        whole, size = self._opened.whole, self._opened.size or 0
        while (at := self._first_line.wanted_from) is not None and at < size:
            end = min(at + CHUNK_BYTES, size)
            piece = _read_again(self._opened, at, end) if whole is None else whole[at:end]
            if not len(piece):
                break
            self._first_line.add(piece)

    def _handed_on(self, found: Iterator[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
        """Batches as they were found, or those of all metrics as one."""
        return found if self._merging is None else self._merging.of_input(found)

    def _named(self, taken: list[tuple[int, _core.Columns]]) -> Iterator[tuple[str, pa.RecordBatch]]:
        for pattern, columns in self._visible(taken):
            yield from self._batches_of(pattern, columns)

    def _visible(self, taken: list[tuple[int, _core.Columns]]) -> list[tuple[int, _core.Columns]]:
        """Take rows that left a stream if they are those of hidden patterns, and return the others."""
        if self._first is None or not self._first.add(taken):
            return taken
        assert self.suspects is not None
        return [one for one in taken if not self.suspects.takes_hidden(*one)]

    def _batches_of(self, pattern: int, columns: _core.Columns) -> Iterator[tuple[str, pa.RecordBatch]]:
        """The rows of a pattern as batches, once for each metric that shares it; zero-copy."""
        from metricscan.scanning.arrow import from_columns, in_pieces

        for piece in in_pieces(from_columns(columns)):
            for name in self._plan.names[pattern]:
                yield name, piece


def _end_of(source: Source, size: int) -> bytes:
    """The last bytes of what was read of a source that can be read again; nothing if they cannot be read."""
    begin = max(size - TAIL_BYTES, 0)
    return _read_again(source, begin, size) if source.whole is None else bytes(source.whole[begin:size])


def _read_again(source: Source, begin: int, end: int) -> bytes:
    """The bytes in a range of a file; nothing if they cannot be read."""
    assert source.descriptor is not None
    try:
        return os.pread(source.descriptor, end - begin, begin)
    except OSError:
        return b""
