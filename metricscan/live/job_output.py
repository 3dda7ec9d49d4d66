"""The output of a job, read as it is written: its bytes to whoever shows them, its rows to the job's journal."""

from __future__ import annotations

import os
import time
from bisect import bisect_left
from functools import partial
from typing import TYPE_CHECKING, Self

from metricscan.datasets.journal import Journal
from metricscan.datasets.journal_format import DOCUMENT, is_journal
from metricscan.datasets.journal_lock import LOCK, is_being_written
from metricscan.datasets.journal_state import FollowedFile
from metricscan.errors import SourceError
from metricscan.live.file_events import Lost, Trouble
from metricscan.live.identity import Checkpoint
from metricscan.live.reading import LogReader
from metricscan.live.supervisor import NO_ROOM
from metricscan.logs.job import Notice
from metricscan.scanning.stats import ScanStats

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import pyarrow as pa

    from metricscan.live.file_events import Event
    from metricscan.live.part_rows import PartRows
    from metricscan.scanning.scanner import Scanner

_CHUNK_BYTES = 1 << 18
_POLL_S = 0.02
# How often is looked whether the journal lies where it was, and is tried whether there is room for one.
_CHECK_S = 0.1
_RETRY_S = 1.0


class JobOutput:
    """Reads the files to which a job writes.

    Parameters
    ----------
    folder, job : str
    names : sequence of str
        Those of the files.
    scanner : Scanner or None
        None: there is nothing to find, and all bytes are handed on each time.
    journal : str
        The path of the journal, in which reading goes on.
    on_data : callable, optional
        Called with the number of the file and its new bytes.
    on_rows : callable, optional
        Called with the number of the file and the rows that were found in it, by metric.
    on_notice : callable, optional
        Called with what a reader should know.
    on_wait : callable, optional
        Called with the error each time that the disk has no room for the journal.

    Raises
    ------
    SourceError
        Another process reads the job, or the journal cannot be opened.
    """

    def __init__(
        self,
        folder: str,
        job: str,
        names: Sequence[str],
        scanner: Scanner | None,
        journal: str,
        *,
        on_data: Callable[[int, bytes], object] | None = None,
        on_rows: Callable[[int, Mapping[str, pa.RecordBatch]], object] | None = None,
        on_notice: Callable[[Notice], object] | None = None,
        on_wait: Callable[[SourceError], object] | None = None,
    ) -> None:
        self._on_data, self._on_rows, self._on_notice, self._on_wait = on_data, on_rows, on_notice, on_wait
        self._paths = [os.path.join(folder, name) for name in names]
        self._names = [(job, name) for name in names]
        self._scanner = scanner
        self._path = journal
        self._journal: Journal | None = None
        self._readers: list[LogReader] = []
        self._counted = ScanStats()
        #: What the journal is known by, as long as it lies where it was.
        self._place: tuple[tuple[int, int], ...] | None = None
        self._tried_at = self._checked_at = -_RETRY_S
        # by the number of the file: where the next bytes begin, up to where bytes were handed on, and up to where rows, in a part
        self._at, self._handed = [0] * len(names), [0] * len(names)
        self._rows_to = [(0, 0)] * len(names)
        if scanner is not None:
            try:
                self._open(scanner)
            except SourceError as error:
                # the job goes on meanwhile, and whoever polls waits
                if error.errno not in NO_ROOM:
                    raise
                if on_wait is not None:
                    on_wait(error)

    @property
    def stats(self) -> ScanStats:
        """Counts of what was read. Those of an earlier reader, where this one goes on, may be missing."""
        if not self._readers:
            return self._counted
        stats = ScanStats()
        for reader in self._readers:
            stats.merge(reader.stats)
        return stats

    # ---- the journal

    def _open(self, scanner: Scanner) -> None:
        """Open the journal, and go on where its rows end."""
        self._tried_at = time.monotonic()
        try:
            self._journal = Journal.open(self._path, scanner, on_wait=self._on_wait)
        except SourceError as error:
            if is_being_written(self._path):
                error.hint = f"it reads the job already; tail -f {self._paths[0]} shows the output beside it"
            raise
        self._place = _place_of(self._path)
        try:
            checkpoints = self._journal.checkpoints()
            for number, (job, name) in enumerate(self._names):
                known = {one.part: state for one, state in checkpoints.items() if (one.job, one.stream) == (job, name)}
                self._at[number] = Checkpoint.unpack(known[max(known)]).offset if known else 0
                self._readers.append(
                    LogReader(
                        self._paths[number],
                        scanner,
                        known,
                        on_event=partial(self._event, self._paths[number]),
                        on_data=None if self._on_data is None else partial(self._pass_on, number),
                        detects=False,
                        watches=True,
                    )
                )
        except BaseException:
            self.close()
            raise
        if self._journal.cut is not None:
            self._notify(str(self._journal.cut), self._path)

    def _is_open(self, scanner: Scanner) -> bool:
        """Whether there is a journal to write to: where there was no room for one, it is tried again."""
        if self._journal is None and time.monotonic() - self._tried_at >= _RETRY_S:
            try:
                self._open(scanner)
            except SourceError as error:
                if self._on_wait is None or error.errno not in NO_ROOM:
                    raise
                self._on_wait(error)
        return self._journal is not None

    def _is_lost(self) -> bool:
        """Whether the journal that is written is no longer the one at its path: then another one is begun."""
        self._checked_at = time.monotonic()
        if self._journal is None or _place_of(self._path) == self._place:
            return False
        self._let_go()
        if os.path.isdir(self._path):
            # perhaps it is just being removed, file by file
            time.sleep(_CHECK_S)
        if os.path.isdir(self._path) and not is_journal(self._path):
            message = f"files of {self._path} were removed while it was written"
            hint = f"the job goes on; attach() or metricscan run --attach reads it once {self._path} is removed, too"
            raise SourceError(message, path=self._path, hint=hint)
        self._tried_at = -_RETRY_S
        self._notify(
            f"{self._path} was removed or moved while it was written: it is begun anew, with all rows", self._path
        )
        return True

    def _let_go(self) -> None:
        """Close the files, without a commit."""
        self._counted = self.stats
        for reader in self._readers:
            reader.close()
        if self._journal is not None:
            self._journal.abandon()
        self._journal, self._readers = None, []

    def _notify(self, message: str, path: str) -> None:
        if self._on_notice is not None:
            self._on_notice(Notice(message, path))

    def _event(self, path: str, event: Event) -> None:
        if isinstance(event, Trouble):
            self._notify(f"{event.reason}; it is tried again", event.path)
        elif isinstance(event, Lost):
            self._notify(f"{path} was {event.reason}: what stood from byte {event.offset} on may be lost", path)

    # ---- reading

    def poll(self) -> bool:
        """Read what is new, and commit the rows when that is due; return whether there was something new."""
        if self._scanner is None:
            return sum(map(self._hand_on, range(len(self._paths)))) > 0
        if time.monotonic() - self._checked_at >= _CHECK_S:
            self._is_lost()
        if not self._is_open(self._scanner):
            return False
        assert self._journal is not None
        is_new = False
        try:
            for number, reader in enumerate(self._readers):
                for found in reader.poll():
                    is_new = True
                    self._append(number, found)
            if self._journal.due is not None and time.monotonic() >= self._journal.due:
                self._journal.commit()
        except SourceError:
            if not self._is_lost():
                raise
        return is_new

    def _hand_on(self, number: int) -> bool:
        """Hand on the new bytes of a file of which nothing is kept."""
        is_new = False
        try:
            with open(self._paths[number], "rb", buffering=0) as file:
                while data := os.pread(file.fileno(), _CHUNK_BYTES, self._at[number]):
                    is_new = True
                    self._pass_on(number, data)
        except FileNotFoundError:
            return False
        return is_new

    def _pass_on(self, number: int, data: bytes) -> None:
        """Hand on the bytes that come next, but those that were handed on before the journal was begun anew."""
        new = data[max(self._handed[number] - self._at[number], 0) :]
        self._at[number] += len(data)
        if new:
            self._handed[number] = self._at[number]
            if self._on_data is not None:
                self._on_data(number, new)

    def _append(self, number: int, found: Iterable[PartRows]) -> None:
        assert self._journal is not None
        job, stream = self._names[number]
        for one in found:
            file = FollowedFile(job, stream, one.part, self._paths[number])
            self._journal.append(
                file, one.rows, one.checkpoint, replaces=one.replaces, crash=one.crash, suspects=one.suspects
            )
            rows = self._new_rows(number, one)
            if self._on_rows is not None and rows:
                self._on_rows(number, rows)

    def _new_rows(self, number: int, found: PartRows) -> dict[str, pa.RecordBatch]:
        """The rows that were not handed on before the journal was begun anew. The rows of a record come together."""
        part, before = self._rows_to[number]
        new = {}
        for name, rows in found.rows.items():
            offsets, at = rows["offset"], 0
            if found.part == part and rows.num_rows and offsets[0].as_py() < before:
                at = bisect_left(offsets, before, key=lambda one: one.as_py())
            if at < rows.num_rows:
                new[name] = rows.slice(at)
                self._rows_to[number] = max(self._rows_to[number], (found.part, offsets[-1].as_py() + 1))
        return new

    def finish(self) -> None:
        """Take all that is there: nobody writes any more, so that the last record needs no end."""
        if self._scanner is None:
            self.poll()
            return
        is_whole = False
        while not is_whole:
            while self.poll():
                continue
            if not self._is_open(self._scanner):
                # there is no room for the journal
                time.sleep(_POLL_S)
                continue
            assert self._journal is not None
            try:
                for number, reader in enumerate(self._readers):
                    self._append(number, reader.flush())
                self._journal.commit()
            except SourceError:
                if not self._is_lost():
                    raise
            else:
                is_whole = not self._is_lost()

    def close(self) -> None:
        """Close the files; commit what was read."""
        try:
            # where the folder was moved, whoever goes on there reads again what is not committed
            if self._journal is not None and _place_of(self._path) == self._place:
                self._journal.commit()
        finally:
            self._let_go()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _place_of(path: str) -> tuple[tuple[int, int], ...] | None:
    """What the journal at a path is known by: its files that are never replaced; None if one is not there."""
    try:
        return tuple(
            (status.st_dev, status.st_ino) for name in (DOCUMENT, LOCK) for status in [os.stat(f"{path}/{name}")]
        )
    except OSError:
        return None
