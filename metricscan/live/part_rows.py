"""What was read of a part of a log that grows: its rows, and the checkpoint that they reach."""

from __future__ import annotations

from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, NamedTuple

from metricscan.scanning.result import Taken

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from metricscan.datasets.journal import Rows
    from metricscan.datasets.journal_state import FollowedFile
    from metricscan.logs.crashes import Crash
    from metricscan.logs.job import Notice
    from metricscan.scanning.result import LiveRow


class PartRows(NamedTuple):
    """New rows of a part of a log, and the checkpoint that they reach.

    Attributes
    ----------
    part : int
    rows : dict of str to pyarrow.RecordBatch
        By metric, as :meth:`Stream.take` gives them.
    replaces : tuple of int
        Offsets of records. Their rows that came before count no more.
    checkpoint : bytes
    taken : tuple of Taken
        What the streams gave: their ``rows`` are the rows one by one, with their steps.
    format : str
        ``"plain"``, or that of a container's log or an export: ``taken`` says of which of its streams the rows are.
    streams : frozenset of str
        Of an export the streams that were named so far, whether they have rows or not.
    crash : Crash, False or None
        The crash with which its text ends now; False if it ends with none; None if that is as before, or not known.
    suspects : mapping of str to rows, or None
        By metric, what was found of values that may not be what the log says; None if it is not looked for.
    """

    part: int
    rows: dict[str, pa.RecordBatch]
    replaces: tuple[int, ...]
    checkpoint: bytes
    taken: tuple[Taken, ...] = ()
    format: str = "plain"
    streams: frozenset[str] = frozenset()
    crash: Crash | Literal[False] | None = None
    suspects: Rows | None = None
    suspects_apart: Mapping[str, Rows] = MappingProxyType({})

    def of_streams(self, *, has_live_rows: bool) -> dict[str, PartRows]:
        """The rows of each stream of a container or an export apart, without a checkpoint; ``""`` is that of rows without one."""
        found: dict[str, list[Taken]] = {}
        for one in self.taken:
            by_stream = one.by_stream
            of_rows = {row.stream for row in one.rows} if has_live_rows else set()
            for stream in sorted({*by_stream, *of_rows}):
                rows = partial(_rows_of, one, stream)
                found.setdefault(stream, []).append(Taken(by_stream.get(stream, {}), (), rows, {}))
        for stream in self.suspects_apart:
            found.setdefault(stream, [])
        none: Rows | None = None if self.suspects is None else {}
        return {
            stream: part_rows(self.part, taken, b"")._replace(suspects=self.suspects_apart.get(stream, none))
            for stream, taken in found.items()
        }


class GrownRows(NamedTuple):
    """New rows of a part whose file has only grown; as :class:`PartRows`, but ``rows`` may be columns, which a journal takes."""

    part: int
    rows: Rows
    replaces: tuple[int, ...]
    checkpoint: bytes
    taken: tuple[Taken, ...]
    crash: Crash | Literal[False] | None
    suspects: Rows | None


class FileRows(NamedTuple):
    """New rows of a followed file, and the checkpoint that they reach; as :meth:`Journal.append` takes them.

    Attributes
    ----------
    file : FollowedFile
    rows : mapping of str to pyarrow.RecordBatch
        Or columns of one row, if they were asked for.
    replaces : tuple of int
    checkpoint : bytes
        That of a stream of a container's log or of an export begins with ``OF_STREAM``: the file of the log has it.
    taken : tuple of Taken
        What the streams gave.
    crash : Crash, False or None
    suspects : mapping of str to rows, or None
        Both as :meth:`Journal.append` takes them.
    """

    file: FollowedFile
    rows: Rows
    replaces: tuple[int, ...]
    checkpoint: bytes
    taken: tuple[Taken, ...] = ()
    crash: Crash | Literal[False] | None = None
    suspects: Rows | None = None

    @property
    def live_rows(self) -> list[LiveRow]:
        """The rows one by one, each with the step that belongs to it."""
        return [row for one in self.taken for row in one.rows]


class Found(NamedTuple):
    """What a poll found in one log. All of it is to be committed at once.

    Attributes
    ----------
    files : list of FileRows
        One per part, and of a container's log one per stream that has rows.
    lost : list of Notice
        The windows of bytes that may have been lost.
    """

    files: list[FileRows]
    lost: list[Notice]


def _rows_of(taken: Taken, stream: str) -> list[LiveRow]:
    return [row for row in taken.rows if row.stream == stream]


def part_rows(number: int, taken: list[Taken], checkpoint: bytes, *, format_: str = "plain") -> PartRows:
    """The rows of several takes of a part together."""
    if len(taken) == 1:
        return PartRows(number, taken[0], taken[0].replaces, checkpoint, tuple(taken), format_)
    batches: dict[str, list[pa.RecordBatch]] = {}
    for one in taken:
        for name, batch in one.items():
            batches.setdefault(name, []).append(batch)
    replaces = tuple(offset for one in taken for offset in one.replaces)
    rows = {name: _joined(some) for name, some in batches.items()}
    return PartRows(number, rows, replaces, checkpoint, tuple(taken), format_)


def _joined(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    if len(batches) == 1:
        return batches[0]
    import pyarrow as pa

    return pa.Table.from_batches(batches).combine_chunks().to_batches()[0]
