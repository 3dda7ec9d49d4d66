"""The output of a job, read as it is written: its bytes to whoever shows them, its rows to the job's journal."""

from __future__ import annotations

import os
import time
from functools import partial
from typing import TYPE_CHECKING, Self

from metricscan.datasets.journal import Journal
from metricscan.datasets.journal_format import FollowedFile
from metricscan.live.followed import Lost, Trouble
from metricscan.live.reading import LogReader
from metricscan.logs.job import Notice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import pyarrow as pa

    from metricscan.errors import SourceError
    from metricscan.live.followed import Event
    from metricscan.live.reading import PartRows
    from metricscan.scanning.scanner import Scanner

_CHUNK_BYTES = 1 << 18


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
        self._on_data, self._on_rows, self._on_notice = on_data, on_rows, on_notice
        self._paths = [os.path.join(folder, name) for name in names]
        self._names = [(job, name) for name in names]
        self._journal: Journal | None = None
        self._readers: list[LogReader] = []
        self._at = [0] * len(names)
        if scanner is None:
            return
        self._journal = Journal.open(journal, scanner, on_wait=on_wait)
        try:
            checkpoints = self._journal.checkpoints()
            for number, name in enumerate(names):
                known = {one.part: state for one, state in checkpoints.items() if (one.job, one.stream) == (job, name)}
                hands_on = None if on_data is None else partial(on_data, number)
                self._readers.append(
                    LogReader(
                        self._paths[number],
                        scanner,
                        known,
                        on_event=partial(self._event, self._paths[number]),
                        on_data=hands_on,
                        detects=False,
                    )
                )
        except BaseException:
            self.close()
            raise
        if self._journal.cut is not None:
            self._notify(str(self._journal.cut), journal)

    def _notify(self, message: str, path: str) -> None:
        if self._on_notice is not None:
            self._on_notice(Notice(message, path))

    def _event(self, path: str, event: Event) -> None:
        if isinstance(event, Trouble):
            self._notify(f"{event.reason}; it is tried again", event.path)
        elif isinstance(event, Lost):
            self._notify(f"{path} was {event.reason}: what stood from byte {event.offset} on may be lost", path)

    def poll(self) -> bool:
        """Read what is new, and commit the rows when that is due; return whether there was something new."""
        if self._journal is None:
            return sum(map(self._hand_on, range(len(self._paths)))) > 0
        is_new = False
        for number, reader in enumerate(self._readers):
            for found in reader.poll():
                is_new = True
                self._append(number, found)
        if self._journal.due is not None and time.monotonic() >= self._journal.due:
            self._journal.commit()
        return is_new

    def _hand_on(self, number: int) -> bool:
        """Hand on the new bytes of a file of which nothing is kept."""
        is_new = False
        try:
            with open(self._paths[number], "rb", buffering=0) as file:
                while data := os.pread(file.fileno(), _CHUNK_BYTES, self._at[number]):
                    is_new = True
                    self._at[number] += len(data)
                    if self._on_data is not None:
                        self._on_data(number, data)
        except FileNotFoundError:
            return False
        return is_new

    def _append(self, number: int, found: Iterable[PartRows]) -> None:
        assert self._journal is not None
        job, stream = self._names[number]
        for one in found:
            file = FollowedFile(job, stream, one.part, self._paths[number])
            self._journal.append(file, one.rows, one.checkpoint, replaces=one.replaces)
            if self._on_rows is not None and one.rows:
                self._on_rows(number, one.rows)

    def finish(self) -> None:
        """Take all that is there: nobody writes any more, so that the last record needs no end."""
        while self.poll():
            continue
        for number, reader in enumerate(self._readers):
            self._append(number, reader.flush())
        if self._journal is not None:
            self._journal.commit()

    def close(self) -> None:
        """Close the files; commit what was read."""
        for reader in self._readers:
            reader.close()
        journal, self._journal = self._journal, None
        if journal is not None:
            journal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
