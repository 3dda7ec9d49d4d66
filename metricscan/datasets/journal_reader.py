"""Read a journal commit after commit, from a cursor on, while it is written."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from metricscan.datasets.journal_format import Segment, last_segment, read_description
from metricscan.datasets.journal_packing import Columns
from metricscan.datasets.journal_state import SUSPECTS
from metricscan.datasets.journal_tables import table_batches
from metricscan.errors import OptionError, SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pyarrow as pa

    from metricscan.datasets.journal_commit import Replaced
    from metricscan.datasets.journal_state import FollowedFile, State
    from metricscan.scanning.result import LiveRow


class ReplacedRecord(NamedTuple):
    """A record whose rows of before count no more.

    Attributes
    ----------
    file : FollowedFile
    offset : int
        Of the record, as in its rows.
    """

    file: FollowedFile
    offset: int


class JournalBatch(NamedTuple):
    """The rows of one or more commits.

    Attributes
    ----------
    cursor : str or None
        The place in the journal behind these rows; None where rows come without a journal.
    rows : mapping of str to pyarrow.RecordBatch
        By metric, with the columns of a dataset's tables, in the order in which they were written; metrics with rows alone.
    replaced : tuple of ReplacedRecord
        To be done before ``rows`` are added: the rows of these records that earlier batches brought are to be dropped.
    live : tuple of (FollowedFile, LiveRow)
        Where :func:`metricscan.follow` was asked for steps or workers, the rows one by one with those that belong to them. A row
        that waits for its step comes with a later batch.
    """

    cursor: str | None
    rows: Mapping[str, pa.RecordBatch]
    replaced: tuple[ReplacedRecord, ...]
    live: tuple[tuple[FollowedFile, LiveRow], ...] = ()


class JournalReader:
    """Reads a journal in the order in which it is written.

    Parameters
    ----------
    path : path
        Folder of the journal. It may be written at the same time, and the writer never waits for a reader.

    Raises
    ------
    SourceError
        The folder is no journal, or its description cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> from metricscan import FollowedFile, Journal, JournalReader, Scanner
    >>> scanner = Scanner(["loss=loss=([0-9.]+)"])
    >>> path = f"{tempfile.mkdtemp()}/journal"
    >>> file = FollowedFile("trial_1", "stdout", 0, "logs/trial_1.log")
    >>> with Journal.open(path, scanner) as journal, scanner.stream() as stream:
    ...     for line in (b"loss=0.5\\n", b"loss=0.25\\n"):
    ...         stream.feed(line)
    ...         journal.append(file, stream.take())
    ...         journal.commit()
    >>> first, second = JournalReader(path).read_from(batch_rows=1)
    >>> [batch.rows["loss"]["value"].to_pylist() for batch in JournalReader(path).read_from(first.cursor)]
    [[0.25]]
    >>> list(JournalReader(path).read_from(second.cursor))
    []
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self._description = read_description(self.path)
        self._segment: Segment | None = None
        # where the last commit that was handed out begins
        self._begin = 0
        # the place behind the last rows that were handed out, and that where this reader stands: no rows lie between them
        self._handed: str | None = None
        self._standing: str | None = None

    @property
    def cursor(self) -> str | None:
        """The place up to which all was handed out; None before the first commit."""
        return self._standing

    def end(self) -> str | None:
        """Go to the end; return the cursor behind the last commit that is written now. None if there is none.

        Raises
        ------
        SourceError
            The journal is damaged or cannot be read.
        """
        self._stand(None)
        last = last_segment(self.path)
        for number in range(last, 0, -1):
            segment = self._opened(number, last)
            for self._begin in segment.commits():
                pass
            if segment.commits_read:
                self._stand(self._place(segment))
                return self._standing
        self._segment = None
        return None

    def _stand(self, cursor: str | None) -> None:
        self._handed = self._standing = cursor

    def read_from(self, cursor: str | None = None, *, batch_rows: int = 65_536) -> Iterator[JournalBatch]:
        """Read the commits behind a cursor, up to the last one that is written now.

        Rows are handed out only when they are on the disk: no crash of the machine takes them back. So who stores ``cursor`` in
        the transaction that stores the rows, and goes on at the stored cursor, gets each row exactly once.

        Parameters
        ----------
        cursor : str or None
            The ``cursor`` of a batch of this journal; None for its beginning. To go on where this reader stands is cheap; else
            the segment of the cursor is read from its beginning.
        batch_rows : int
            Commits are joined until they have so many rows, or there are no more. A commit is never cut.

        Yields
        ------
        JournalBatch

        Raises
        ------
        OptionError
            The cursor is none of this journal.
        SourceError
            The journal is damaged or cannot be read, or the commit of the cursor is gone.
        """
        if batch_rows < 1:
            raise OptionError(f"batch_rows={batch_rows}: 1 or more was expected")
        if cursor is None or cursor not in (self._handed, self._standing):
            self._seek(cursor)
        is_new = False
        while True:
            # in this order: if another segment follows now, this one is complete
            last = last_segment(self.path)
            if self._segment is None:
                if not last:
                    return
                segment, is_new = self._opened(1, last), True
            else:
                segment = self._segment
            segment.is_last = segment.number == last
            if not is_new:
                segment.refresh()
            yield from self._batches(segment, batch_rows)
            last = last_segment(self.path)
            if not segment.is_complete or segment.number == last:
                return
            is_new = True
            self._opened(segment.number + 1, last)

    def _batches(self, segment: Segment, batch_rows: int) -> Iterator[JournalBatch]:
        # a commit is read into columns of its own: one that replaces rows must not join those that it replaces
        own: dict[str, Columns] = {}
        replaced: list[Replaced] = []
        joined: dict[str, Columns] = {}
        gone: list[Replaced] = []
        held = 0
        reached = ""

        def wanted(name: str) -> Columns | None:
            if name.startswith(SUSPECTS):
                return None
            return own.setdefault(name, Columns())

        def replace(record: Replaced) -> None:
            replaced.append(record)
            for some in own.values():
                some.drop(record.file, record.offset)

        for begin in segment.commits(wanted, replace):
            if held and replaced:
                # this reader stands behind the next commit already
                self._stand(None)
                yield self._batch(segment.state, joined, gone, reached)
                joined, gone, held = {}, [], 0
            gone += replaced
            for name, some in own.items():
                if not len(some):
                    continue
                joined.setdefault(name, Columns()).extend(some)
                held += len(some)
            own.clear()
            replaced.clear()
            self._begin = begin
            reached = self._place(segment)
            if held >= batch_rows:
                self._stand(reached)
                yield self._batch(segment.state, joined, gone, reached)
                joined, gone, held = {}, [], 0
        if held or gone:
            self._stand(reached)
            yield self._batch(segment.state, joined, gone, reached)
        elif reached:
            # of commits without rows nothing is handed out
            self._standing = reached

    def _batch(self, state: State, columns: dict[str, Columns], gone: list[Replaced], cursor: str) -> JournalBatch:
        rows: dict[str, pa.RecordBatch] = {}
        for name, found in columns.items():
            used, codes = np.unique(np.frombuffer(found.file, np.int64), return_inverse=True)
            files = [state.files[number] for number in used.tolist()]
            is_label = state.labels[state.metrics[name]]
            all_rows = np.arange(len(codes))
            rows[name] = next(table_batches(found, codes, all_rows, files, is_label=is_label, size=len(codes)))
        return JournalBatch(cursor, rows, tuple(ReplacedRecord(state.files[one.file], one.offset) for one in gone))

    # ---- cursors

    def _place(self, segment: Segment) -> str:
        digest = self._description.digest[:4].hex()
        return f"1-{digest}-{segment.number}-{self._begin}-{segment.end}-{segment.check_of(self._begin):08x}"

    def _opened(self, number: int, last: int) -> Segment:
        self._segment = Segment(self.path, number, self._description, is_last=number == last, synced=True)
        return self._segment

    def _seek(self, cursor: str | None) -> None:
        """Stand behind the commit of a cursor."""
        self._segment = None
        self._stand(None)
        if cursor is None:
            return
        try:
            version, digest, *places, _ = cursor.split("-")
            number, begin, end = map(int, places)
        except (AttributeError, ValueError):
            raise OptionError(f"{cursor!r} is not the cursor of a batch") from None
        if version != "1" or digest != self._description.digest[:4].hex():
            raise OptionError(f"the cursor {cursor!r} is of another journal than {self.path}")
        last = last_segment(self.path)
        if 1 <= number <= last:
            segment = self._opened(number, last)
            for at in segment.commits():
                if segment.end >= end:
                    self._begin = at
                    if (at, segment.end) == (begin, end) and self._place(segment) == cursor:
                        self._stand(cursor)
                        return
                    break
        self._segment = None
        raise SourceError(
            f"{self.path} does not hold the commit of the cursor {cursor!r} any more",
            path=self.path,
            hint="its end was damaged or cut after it was read; read from the beginning",
        )
