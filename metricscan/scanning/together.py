"""Many small logs scanned as one input: the cost of a scan and of its tables is shared, and the rows are told apart after.

The logs lie one behind the other in one buffer, each ended by a terminator, so no record reaches from one into the next.
A row's offset says which log it is from; offsets, starts and lines are then counted from that log's beginning.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from metricscan.logs._reading import read_together
from metricscan.logs.compression import MAGIC_BYTES, MAGIC_PREFIXES, compression
from metricscan.logs.exports import HEAD_BYTES
from metricscan.logs.exports import detect as format_of
from metricscan.scanning.arrow import BATCH_ROWS, from_columns, in_pieces
from metricscan.scanning.stats import Sample

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from metricscan import _core
    from metricscan.scanning.scanner import Scanner
    from metricscan.scanning.stats import ScanStats

# Read at once, and scanned while it lies in the processor's cache.
PIECE_BYTES = 512 * 1024
# Files of 20 KB that fit in it share what a table costs, half a millisecond; two groups a thread may wait in memory.
GROUP_BYTES = 8 * 1024 * 1024
LEAST_GROUP_BYTES = 1024 * 1024
# A log beyond this size is worth a scan of its own.
MOST_BYTES = 128 * 1024

Counts = np.ndarray[Any, np.dtype[np.int64]]

_local = threading.local()


class Together(NamedTuple):
    """What several logs held.

    Attributes
    ----------
    batches : list of (metric, rows, how many of them each log has)
        Rows in the order of the logs.
    stats : ScanStats
        Over all of them.
    sizes, records : int64 array
        Of each log.
    """

    batches: list[tuple[str, pa.RecordBatch, Counts]]
    stats: ScanStats
    sizes: Counts
    records: Counts


def scan_together(scanner: Scanner, paths: Sequence[str], *, detect: bool = False) -> Together | None:
    """Scan small plain files; None if one of them is not what it seemed: unreadable, compressed, grown or (detect) an export."""
    names = [*map(os.fsencode, paths)]
    core = scanner._new_core_stream(in_batches=True)
    read: list[Counts] = []
    columns: list[tuple[int, _core.Columns]] = []
    first = 0
    while first < len(names):
        piece = _fed(core, names, first, universal=scanner.options["newline"] == "universal", detect=detect)
        if piece is None:
            return None
        read.append(piece)
        first += len(piece)
        columns += core.take_full()
    core.finish()
    columns += core.take()
    length, sizes, newlines, records, _ = np.concatenate(read).T
    ends, lines = length.cumsum(), newlines.cumsum()
    begins, lines_before = ends - length, lines - newlines
    assert (core.newlines, core.records) == (lines[-1], records.sum())

    stats = scanner._stats(core)
    stats.bytes = int(sizes.sum())
    for metric in stats.metrics.values():
        for index, (text, sample_line, sample_offset) in enumerate(metric.samples):
            log = int(np.searchsorted(ends, sample_offset, side="right"))
            place = sample_line - int(lines_before[log]), sample_offset - int(begins[log])
            metric.samples[index] = Sample(text, *place)

    batches = []
    for pattern, rows in columns:
        _, line, offset, start, *_ = np.asarray(rows)
        rows_up_to = np.searchsorted(offset, ends)
        counts = np.diff(rows_up_to, prepend=0)
        before = np.repeat(begins, counts)
        offset -= before
        start -= before
        line -= np.repeat(lines_before, counts)
        batch = from_columns(rows)
        for number, part in enumerate(in_pieces(batch)):
            counts = np.diff(np.clip(rows_up_to - number * BATCH_ROWS, 0, part.num_rows), prepend=0)
            batches += [(name, part, counts) for name in scanner._plan.names[pattern]]
    return Together(batches, stats, sizes, records)


def _fed(core: Any, names: list[bytes], first: int, *, universal: bool, detect: bool) -> Counts | None:
    """Feed some more files to the stream; the columns of :func:`read_together`, or None if one is not what it seemed."""
    buffer = getattr(_local, "buffer", None)
    room = PIECE_BYTES + MOST_BYTES + 1
    if buffer is None or len(buffer) != room:
        buffer = _local.buffer = memoryview(bytearray(room))
    read = read_together(names, buffer, MAGIC_PREFIXES, first=first, enough=PIECE_BYTES, universal=universal)
    if read is None:
        return None
    files = np.frombuffer(read, np.int64).reshape(-1, 5)
    ends = files[:, 0].cumsum()
    for number in np.flatnonzero(files[:, 4]).tolist():
        # the first bytes only suggest it
        head = buffer[int(ends[number] - files[number, 0]) :][: min(int(files[number, 1]), HEAD_BYTES)].tobytes()
        if compression(head[:MAGIC_BYTES]) or (detect and format_of(head) != "plain"):
            return None
    core.feed(buffer[: int(ends[-1])])
    return files
