"""Many small logs scanned as one input: the cost of a scan and of its tables is shared, and the rows are told apart after.

The logs lie one behind the other in one buffer, each ended by a terminator, so no record reaches from one into the next.
A row's offset says which log it is from; offsets, starts and lines are then counted from that log's beginning.
"""

from __future__ import annotations

import os
import threading
from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from metricscan._framing import HEAD_BYTES
from metricscan._framing import detect as format_of
from metricscan._reading import read_together
from metricscan.batch import from_columns
from metricscan.source import MAGIC_BYTES, compression
from metricscan.stats import Sample

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from metricscan.scanner import Scanner
    from metricscan.stats import ScanStats

# Read and scanned while it lies in the processor's cache; the files of 20 KB that fit in it share what a table costs.
GROUP_BYTES = 1024 * 1024
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
    sizes : list of (bytes, records)
        Of each.
    """

    batches: list[tuple[str, pa.RecordBatch, Counts]]
    stats: ScanStats
    sizes: list[tuple[int, int]]


def scan_together(scanner: Scanner, paths: Sequence[str], *, detect: bool = False) -> Together | None:
    """Scan small plain files; None if one of them is not what it seemed: unreadable, compressed, grown or (detect) an export."""
    buffer = getattr(_local, "buffer", None)
    if buffer is None:
        buffer = _local.buffer = memoryview(bytearray(GROUP_BYTES + MOST_BYTES))
    universal = scanner.options["newline"] == "universal"
    files = read_together([os.fsencode(path) for path in paths], buffer, universal=universal)
    if files is None or any(compression(buffer[begin : begin + MAGIC_BYTES].tobytes()) for begin, *_ in files):
        return None
    if detect and any(
        format_of(buffer[begin : min(end, begin + HEAD_BYTES)].tobytes()) != "plain" for begin, end, *_ in files
    ):
        return None
    begins, ends, sizes, newlines, records = map(list, zip(*files, strict=True))
    lines = list(accumulate(newlines, initial=0))
    core = scanner._new_core_stream()
    core.feed(buffer[: ends[-1]])
    core.finish()
    assert (core.newlines, core.records) == (lines.pop(), sum(records))

    stats = scanner._stats(core)
    stats.bytes = sum(sizes)
    for metric in stats.metrics.values():
        for index, (text, sample_line, sample_offset) in enumerate(metric.samples):
            log = bisect_right(begins, sample_offset) - 1
            metric.samples[index] = Sample(text, sample_line - lines[log], sample_offset - begins[log])

    begin_of, end_of, lines_before = np.array(begins), np.array(ends), np.array(lines)
    batches = []
    for pattern in core.filled():
        columns = core.detach(pattern)
        assert columns is not None
        rows, value, line, offset, start, time = columns
        offsets = _integers(offset)
        counts = np.searchsorted(offsets, end_of)
        counts[1:] -= counts[:-1].copy()
        before = np.repeat(begin_of, counts)
        own_lines = _integers(line) - np.repeat(lines_before, counts)
        batch = from_columns(rows, value, own_lines, offsets - before, _integers(start) - before, time)
        batches += [(name, batch, counts) for name in scanner._plan.names[pattern]]
    return Together(batches, stats, list(zip(sizes, records, strict=True)))


def _integers(column: Any) -> Counts:
    return np.frombuffer(column, np.int64)
