"""Many small logs scanned as one input: they share the cost of a scan and of its tables; afterwards each gets its rows.

The logs lie one after the other in one buffer, each without the NULs and the byte-order mark that it may begin with, and each
ended by a terminator, so no record reaches from one into the next.
A row's offset tells which log it is from; offsets, starts and lines are then counted from that log's beginning.
"""

from __future__ import annotations

import os
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from metricscan.logs._reading import FLAG_AGAIN, FLAG_CRASH, FLAG_MARKED, FLAG_UTF16, put_together, read_together
from metricscan.logs.compression import MAGIC_PREFIXES, compression
from metricscan.logs.formats import HEAD_BYTES
from metricscan.logs.formats import detect as format_of
from metricscan.logs.tails import TAIL_BYTES, crash_of
from metricscan.scanning.arrow import from_columns, in_pieces
from metricscan.scanning.schema import BATCH_ROWS
from metricscan.scanning.suspects import UNTERMINATED, Suspects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pyarrow as pa

    from metricscan import _core
    from metricscan.logs.crashes import Crash
    from metricscan.scanning.plan import Plan
    from metricscan.scanning.stats import ScanStats
    from metricscan.scanning.suspects import LogSuspects

# This much is read at once, and scanned while it lies in the processor's cache.
PIECE_BYTES = 512 * 1024
# The files of a group, of 20 KB each for example, share the cost of a table, half a millisecond. Up to two groups per thread
# wait in memory.
GROUP_BYTES = 8 * 1024 * 1024
LEAST_GROUP_BYTES = 1024 * 1024
# A larger log is scanned alone.
MOST_BYTES = 128 * 1024

Counts = np.ndarray[Any, np.dtype[np.int64]]

_local = threading.local()


class Together(NamedTuple):
    """What several logs held.

    Attributes
    ----------
    batches : list of (metric, rows, int64 array)
        Rows in the order of the logs, and how many of them each log has.
    stats : ScanStats
        Over all logs; places of samples are those in their logs.
    sizes, records : int64 array
        Per log, its bytes and its number of records.
    crashes : dict of int to Crash
        By the number of the log, the crash with which it ends.
    suspects : dict of int to LogSuspects
        By the number of the log, what a watching plan finds; only logs with suspects are keys.
    unended : bool array
        Per log, whether it ends without a line end.
    again : dict of int to (bytes or None)
        By the numbers of the logs whose first line stands in them again, their text; None where the text has not the places of
        the log, as it begins with what belongs to no record.
    """

    batches: list[tuple[str, pa.RecordBatch, Counts]]
    stats: ScanStats
    sizes: Counts
    records: Counts
    crashes: dict[int, Crash]
    suspects: dict[int, LogSuspects]
    unended: np.ndarray[Any, np.dtype[np.bool_]]
    again: dict[int, bytes | None]


def scan_together(plan: Plan, paths: Sequence[str], *, detect: bool = False) -> Together | None:
    """Scan small plain files.

    Parameters
    ----------
    plan : Plan
    paths : sequence of str
        Files of at most ``MOST_BYTES`` bytes; at least one.
    detect : bool
        Whether to look for exports among them.

    Returns
    -------
    Together or None
        Columns are shifted in place, and batches made of them without a copy. None if one of the files must be scanned alone:
        it is unreadable, compressed, in UTF-16 or UTF-32, has grown or (with ``detect``) is an export.
    """
    return _together(plan, partial(read_together, [*map(os.fsencode, paths)]), paths, detect=detect)


def scan_contents(
    plan: Plan, names: Sequence[str], contents: Sequence[bytes], *, detect: bool = False
) -> Together | None:
    """Scan the contents of small files with these names, as :func:`scan_together` scans files."""
    return _together(plan, partial(put_together, [*contents]), names, detect=detect)


def _together(
    plan: Plan, read_into: Callable[..., bytes | None], names: Sequence[str], *, detect: bool
) -> Together | None:
    core = plan.new_stream(at_beginning=False, in_batches=True)
    read: list[Counts] = []
    columns: list[tuple[int, _core.Columns]] = []
    crashes: dict[int, Crash] = {}
    again: dict[int, bytes | None] = {}
    first = 0
    # by the number of a log that ends without a terminator, its last record
    unended: dict[int, bytes] | None = {} if plan.companions else None
    while first < len(names):
        piece = _fed(core, read_into, names, first, universal=plan.universal, detect=detect, unended=unended)
        if piece is None:
            return None
        read.append(piece)
        crashes.update(_crashes(piece, first))
        again.update(_texts_again(piece, first))
        first += len(piece)
        columns += core.take_full()
    core.finish()
    columns += core.take()
    length, sizes, beginnings, newlines, records, _, last_records = np.concatenate(read).T
    ends, lines = length.cumsum(), newlines.cumsum()
    # where each log would begin in the buffer, if its beginning were there too
    begins, lines_before = ends - length - beginnings, lines - newlines
    assert (core.newlines, core.records) == (lines[-1], records.sum())

    def place(line: int, offset: int) -> tuple[int, int]:
        log = int(np.searchsorted(ends, offset, side="right"))
        return line - int(lines_before[log]), offset - int(begins[log])

    stats = plan.stats_of(core, place)
    stats.bytes = int(sizes.sum())

    suspects = Suspects(plan, names) if plan.companions else None
    # where the last records lie in the buffer, and the logs that have rows in them
    last_offsets = ends - length + last_records
    with_last_rows: set[int] = set()
    batches = []
    for pattern, rows in columns:
        _, line, offset, start, *_ = np.asarray(rows)
        some = 0 if suspects is None else suspects.wanted(pattern, len(offset))
        if suspects is not None and some:
            # places in the buffer are unique; those in the logs are not
            logs = np.searchsorted(ends, offset[:some], side="right")
            in_logs = np.asarray(rows)[:4, :some].copy()
            in_logs[1] -= lines_before[logs]
            in_logs[2:] -= begins[logs]
            if suspects.takes(pattern, in_logs, logs, start[:some].copy()):
                continue
        rows_up_to = np.searchsorted(offset, ends)
        counts = np.diff(rows_up_to, prepend=0)
        if unended:
            logs = np.flatnonzero(counts)
            with_last_rows.update(logs[offset[rows_up_to[logs] - 1] == last_offsets[logs]].tolist())
        before = np.repeat(begins, counts)
        offset -= before
        start -= before
        line -= np.repeat(lines_before, counts)
        batch = from_columns(rows)
        for number, part in enumerate(in_pieces(batch)):
            counts = np.diff(np.clip(rows_up_to - number * BATCH_ROWS, 0, part.num_rows), prepend=0)
            batches += [(name, part, counts) for name in plan.names[pattern]]
    if suspects is None or unended is None:
        return Together(batches, stats, sizes, records, crashes, {}, last_records >= 0, again)
    suspects.add_samples(
        core.suspects, lambda line, offset, start: _in_log(line, offset, start, ends, lines_before, begins)
    )
    suspects.end_stream()
    rescan = _LastRecords(plan)
    for log in sorted(with_last_rows & unended.keys()):
        rescan.scan(log, unended[log], int(newlines[log]), int(beginnings[log] + last_records[log]))
    rescan.give(suspects)
    suspects.write_to(stats)
    return Together(batches, stats, sizes, records, crashes, suspects.by_part(), last_records >= 0, again)


def _in_log(
    line: int, offset: int, start: int, ends: Counts, lines_before: Counts, begins: Counts
) -> tuple[int, int, int, int]:
    log = int(np.searchsorted(ends, offset, side="right"))
    return log, line - int(lines_before[log]), offset - int(begins[log]), start - int(begins[log])


class _LastRecords:
    """Looks for values that end where a log ends without a terminator.

    In the buffer each log ends with one. So the last record of such a log is scanned again, alone, if it has rows.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._core = plan.new_stream(at_beginning=False)
        self._found: list[tuple[int, Any, int]] = []
        self._samples: list[tuple[_core._Suspect, tuple[int, int, int, int]]] = []

    def scan(self, log: int, record: bytes, line: int, offset: int) -> None:
        """Scan the last record of a log, whose line and offset in the log these are."""
        core = self._core
        core.restart(offset)
        core.feed(record)
        core.finish()
        for pattern, columns in core.take():
            if pattern in self._plan.companions:
                rows = np.asarray(columns)[:4]
                rows = rows[:, rows[0] & 0xFF == UNTERMINATED]
                rows[1] = line
                self._found.append((pattern, rows, log))
        self._samples += [(sample, (log, line, *sample[4:])) for sample in core.suspects if sample[1] == UNTERMINATED]

    def give(self, suspects: Suspects) -> None:
        """Hand over what was found."""
        for pattern, rows, log in self._found:
            suspects.takes(pattern, rows, np.full(rows.shape[1], log))
        for sample, place in self._samples:
            suspects.add_samples([sample], lambda *_, place=place: place)


def _crashes(files: Counts, first: int) -> Iterator[tuple[int, Crash]]:
    """The logs of the piece in the buffer that end with a crash, by their numbers; ``files`` as :func:`_fed` gives it."""
    ends = files[:, 0].cumsum()
    for number in np.flatnonzero(files[:, 5] & FLAG_CRASH).tolist():
        length, size, beginning, newlines, *_ = files[number].tolist()
        added = length - (size - beginning)
        end = int(ends[number]) - added
        tail = bytes(_local.buffer[max(int(ends[number]) - length, end - TAIL_BYTES) : end])
        crash = crash_of(tail, size - len(tail), newlines - added)
        if crash is not None:
            yield first + number, crash


def _texts_again(files: Counts, first: int) -> Iterator[tuple[int, bytes | None]]:
    """The logs of the piece in the buffer whose first line stands in them again; ``files`` as :func:`_fed` gives it.

    Their text is copied while it is here: to open 165 of 2,000 files of 20 KB once more took a third of their replay.
    """
    ends = files[:, 0].cumsum()
    for number in np.flatnonzero(files[:, 5] & FLAG_AGAIN).tolist():
        length, size, beginning, *_ = files[number].tolist()
        start = int(ends[number]) - length
        yield first + number, None if beginning else bytes(_local.buffer[start : start + size])


def _fed(
    core: Any,
    read_into: Callable[..., bytes | None],
    names: Sequence[str],
    first: int,
    *,
    universal: bool,
    detect: bool,
    unended: dict[int, bytes] | None,
) -> Counts | None:
    """Feed a piece of files to the stream, from number ``first`` on.

    The answer has a row per file, int64: bytes in the buffer, size, bytes of the beginning, newlines, records, what its first
    and its last bytes show, and where its last record begins if no terminator ends it, else -1. ``unended`` gets such records.
    It is None if one of the files must be scanned alone.
    """
    buffer = getattr(_local, "buffer", None)
    room = PIECE_BYTES + MOST_BYTES + 1
    if buffer is None or len(buffer) != room:
        buffer = _local.buffer = memoryview(bytearray(room))
    read = read_into(buffer, MAGIC_PREFIXES, first=first, enough=PIECE_BYTES, universal=universal, again=True)
    if read is None:
        return None
    files = np.frombuffer(read, np.int64).reshape(-1, 7)
    ends = files[:, 0].cumsum()
    for number in np.flatnonzero(files[:, 5] & ~(FLAG_CRASH | FLAG_AGAIN)).tolist():
        if files[number, 5] & (FLAG_MARKED | FLAG_UTF16):
            return None
        # the very first bytes suggest a compressed file or an export; more bytes decide
        length, size, beginning, *_ = files[number].tolist()
        head = buffer[int(ends[number]) - length :][: min(size - beginning, HEAD_BYTES)].tobytes()
        if compression(head) or (detect and format_of(head, names[first + number]) != "plain"):
            return None
    if unended is not None:
        some = np.flatnonzero(files[:, 6] >= 0)
        stops = ends[some] - 1
        starts = ends[some] - files[some, 0] + files[some, 6]
        for number, start, stop in zip(some.tolist(), starts.tolist(), stops.tolist(), strict=True):
            unended[first + number] = bytes(buffer[start:stop])
        # no record of a log goes on in the next log
        core.set_joints(core.bytes + ends - files[:, 0])
    core.feed(buffer[: int(ends[-1])])
    return files
