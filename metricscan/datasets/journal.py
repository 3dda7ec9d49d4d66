"""Write a journal: rows of many files that grow, and the checkpoints that they reach, in one commit."""

from __future__ import annotations

import contextlib
import errno
import os
import time
import zlib
from typing import TYPE_CHECKING, NamedTuple, Self

from metricscan._core import Columns
from metricscan.datasets import journal_disk as disk
from metricscan.datasets._packing import pack_difference, pack_row
from metricscan.datasets.journal_commit import COMMIT, COMMIT_WITHOUT_NEWS, METRICS_SHIFT, REPLACES
from metricscan.datasets.journal_format import (
    DOCUMENT,
    END,
    Description,
    Segment,
    framed,
    is_journal,
    last_segment,
    read_description,
    segment_header,
    segment_path,
    write_description,
)
from metricscan.datasets.journal_jobs import KnownJobs
from metricscan.datasets.journal_lock import LOCK, locked
from metricscan.datasets.journal_packing import Packer, pack_rows
from metricscan.datasets.journal_state import (
    HAS_CHECKPOINT,
    HAS_CRASH,
    IS_WATCHED,
    SUSPECTS,
    FollowedFile,
    State,
    crash_text,
)
from metricscan.definitions.paths import check_path
from metricscan.errors import OptionError, SourceError
from metricscan.logs.job import Notice
from metricscan.scanning.schema import LABEL_SCHEMA, SCHEMA

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType
    from typing import Literal, TypeAlias

    import pyarrow as pa

    from metricscan.logs.crashes import Crash
    from metricscan.scanning.scanner import Scanner

    # By metric, a batch; or the columns of one row without a time, which are packed in a tenth of the time.
    Rows: TypeAlias = Mapping[str, pa.RecordBatch | Columns]

# A segment is whole after so many bytes or commits. Its frames are read one by one when the journal is opened: 5 us each.
_SEGMENT_BYTES = 1 << 25
_SEGMENT_COMMITS = 16_384
# Rows that are held before a commit.
_HELD_ROWS = 262_144
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
_RETRY_S = 1.0


class Cut(NamedTuple):
    """The end of a journal that was no whole commit, and was cut when the journal was opened.

    Attributes
    ----------
    path : str
        The segment.
    offset : int
        Where its last whole commit ends.
    size_bytes : int
        How many bytes stood behind it.
    """

    path: str
    offset: int
    size_bytes: int

    def __str__(self) -> str:
        return f"{self.size_bytes:,} bytes behind byte {self.offset} of {self.path} were no whole commit, and were cut"


class _Entry(NamedTuple):
    """What is added about a file at once."""

    file: FollowedFile
    rows: Rows
    checkpoint: bytes | None
    replaces: tuple[int, ...]
    crash: Crash | Literal[False] | None
    suspects: Rows | None


class Journal:
    """The writer of a journal; a context manager, which commits at its end unless an error ends its block.

    A journal holds rows and checkpoints. A checkpoint says up to where a file was read. Both are added by :meth:`append` and
    written by :meth:`commit`: at once, and they are on the disk when it returns. So who opens the journal after a crash and goes
    on at its checkpoints loses no row, and gets none twice.

    There is one writer at a time, and any number of readers (:class:`JournalReader`, and :class:`Dataset`).

    Attributes
    ----------
    path : str
    cut : Cut or None
        What was cut when the journal was opened.
    due : float or None
        The time by ``clock`` at which what was appended is to be committed; None if there is nothing.
    held_rows : int
        How many rows were appended since the last commit.

    Examples
    --------
    >>> import tempfile
    >>> from metricscan import Dataset, Scanner
    >>> scanner = Scanner(["loss=loss=([0-9.]+)"])
    >>> path = f"{tempfile.mkdtemp()}/journal"
    >>> file = FollowedFile("trial_1", "stdout", 0, "logs/trial_1.log")
    >>> with Journal.open(path, scanner) as journal, scanner.stream() as stream:
    ...     stream.feed(b"loss=0.5\\nloss=0.25\\n")
    ...     journal.append(file, stream.take(), b"read up to byte 19")
    >>> Dataset(path)["loss"]["value"].to_pylist()
    [0.5, 0.25]
    >>> with Journal.open(path, scanner) as journal:
    ...     journal.checkpoints()[file]
    b'read up to byte 19'
    """

    def __init__(
        self,
        path: str,
        lock: int,
        description: Description,
        *,
        commit_interval: float | None,
        clock: Callable[[], float],
        on_wait: Callable[[SourceError], object] | None,
        segment_bytes: int,
        segment_commits: int,
    ) -> None:
        self.path = path
        self.cut: Cut | None = None
        self.due: float | None = None
        self._lock = lock
        self._description = description
        self._interval = commit_interval
        self._clock = clock
        self._on_wait = on_wait
        self._segment_bytes = segment_bytes
        self._segment_commits = segment_commits
        self._entries: list[_Entry] = []
        self._notices: list[Notice] = []
        self._jobs = KnownJobs(path)
        self.held_rows = 0
        # a frame that is not known to be on the disk; it goes there before anything else
        self._unwritten = b""
        self._descriptor = -1
        self._number = 0
        self._first = self._end = self._commits = self._salt = 0
        self._state = State()
        self._numbers: dict[tuple[str, str, int], int] = {}
        self._texts: dict[str, int] = {}
        self._committed: dict[FollowedFile, bytes] = {}
        self._uncommitted: dict[FollowedFile, bytes] = {}
        #: Whether the current segment has its end.
        self._is_complete = True
        #: Whether commits may follow in it: it has the version of now.
        self._is_current = True

    # ---- opening

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        scanner: Scanner,
        *,
        commit_interval: float | None = 0.2,
        clock: Callable[[], float] = time.monotonic,
        on_wait: Callable[[SourceError], object] | None = None,
        segment_bytes: int = _SEGMENT_BYTES,
        segment_commits: int = _SEGMENT_COMMITS,
    ) -> Self:
        """Open a journal to go on with it; where there is none, begin one.

        What follows the last whole commit is cut, and ``cut`` says how much that was.

        Parameters
        ----------
        path : path
            Folder of the journal.
        scanner : Scanner
            Its definitions and options must be those of the journal.
        commit_interval : float or None
            :meth:`append` commits once the first of what it holds is so many seconds old. None: only :meth:`commit` does.
        clock : callable
            Gives the time in seconds.
        on_wait : callable, optional
            Called with the error each time the disk has no room, or is read-only; the commit is tried again after a second.
            Without it the commit raises the error.
        segment_bytes, segment_commits : int
            After so many bytes or commits a new segment begins.

        Raises
        ------
        OptionError
            The folder holds other files, or a journal of other definitions or options.
        SourceError
            Another process writes the journal, it is damaged, or it cannot be read or written.
        """
        folder = os.fspath(path)
        try:
            check_path(folder)
            os.makedirs(folder, exist_ok=True)
            others = set() if is_journal(folder) else {*os.listdir(folder)} - {LOCK, f"{DOCUMENT}.new"}
            if others:
                raise OptionError(f"{folder} is not empty and not a journal: it has no {DOCUMENT}")
            lock = locked(folder)
        except OSError as error:
            if isinstance(error, SourceError):
                raise
            raise SourceError(f"cannot write {folder}", path=folder, cause=error) from error
        try:
            if not is_journal(folder):
                write_description(folder, scanner)
            disk.sync_folder(os.path.dirname(os.path.abspath(folder)))
            description = read_description(folder)
            if description.fingerprint != scanner.fingerprint:
                raise OptionError(
                    f"{folder} is a journal of other definitions or options",
                    hint="take the definitions and options that its journal.json names, or begin another journal",
                )
            journal = cls(
                folder,
                lock,
                description,
                commit_interval=commit_interval,
                clock=clock,
                on_wait=on_wait,
                segment_bytes=segment_bytes,
                segment_commits=segment_commits,
            )
            journal._recover()
            if journal.cut is not None:
                # with the next commit: who reads the journal later is to know it, too
                journal._notices.append(Notice(str(journal.cut), journal.cut.path))
        except BaseException as error:
            os.close(lock)
            if isinstance(error, OSError) and not isinstance(error, SourceError):
                raise SourceError(f"cannot write {folder}", path=folder, cause=error) from error
            raise
        return journal

    def _recover(self) -> None:
        """Go on behind the last whole commit."""
        number = last_segment(self.path)
        if not number:
            return
        segment = Segment(self.path, number, self._description, is_last=True)
        commits = sum(1 for _ in segment.commits())
        if segment.size > segment.end:
            self.cut = Cut(segment.path, segment.end, segment.size - segment.end)
        self._take_over(number, segment.state, segment.first, segment.salt)
        self._end, self._commits, self._is_complete = segment.end, commits, segment.is_complete
        self._is_current = segment.is_current
        self._texts = {text: at for at, text in enumerate(self._state.texts)}
        self._numbers = {file.key: at for at, file in enumerate(self._state.files)}
        self._committed = {
            file: checkpoint
            for file, checkpoint in zip(self._state.files, self._state.checkpoints, strict=True)
            if checkpoint is not None
        }
        self._descriptor = os.open(segment.path, os.O_RDWR)
        if self.cut is not None:
            disk.cut(self._descriptor, segment.end)
        # the writer before may have been killed before it synced the file, or its name
        disk.sync(self._descriptor)
        disk.sync_folder(self.path)

    def _take_over(self, number: int, state: State, first: int, salt: int) -> None:
        self._number, self._state, self._first, self._salt = number, state, first, salt

    # ---- adding

    def append(
        self,
        file: FollowedFile,
        rows: Rows,
        checkpoint: bytes | None = None,
        *,
        replaces: Iterable[int] = (),
        crash: Crash | Literal[False] | None = None,
        suspects: Rows | None = None,
    ) -> None:
        """Add rows of a file, and the checkpoint that they reach. Keeps references until they are committed.

        Parameters
        ----------
        file : FollowedFile
            Job, stream and part distinguish it; the path that is named first stays.
        rows : mapping of str to pyarrow.RecordBatch
            By metric, as :meth:`Stream.take` gives them.
        checkpoint : bytes or None
            What :meth:`checkpoints` gives after this commit. None: that of before.
        replaces : iterable of int
            Offsets of records. Their rows of this file that were added before count no more.
        crash : Crash, False or None
            The crash with which the file ends now, as far as it was read; False if it ends with none. None: what was said
            before, or that it is not known.
        suspects : mapping of str to rows, optional
            What :func:`metricscan.follow` notes of values that may not be what the log says; for this package alone. None: of
            values of this file that is not known.

        Raises
        ------
        SourceError
            A commit was due and failed; what was added is kept, and :meth:`commit` tries again.
        """
        self._add(file, rows, checkpoint, tuple(replaces), crash, suspects)
        self._added()

    def append_all(
        self,
        entries: Iterable[
            tuple[FollowedFile, Rows, bytes | None, tuple[int, ...]]
            | tuple[FollowedFile, Rows, bytes | None, tuple[int, ...], Crash | Literal[False] | None, Rows | None]
        ],
        notices: Iterable[Notice] = (),
    ) -> None:
        """Add rows of several files, and notices, which are in one commit: no commit comes between them.

        Each entry is what :meth:`append` takes: file, rows, checkpoint, replaced records and, if known, crash and suspects.
        """
        self._notices += notices
        for entry in entries:
            self._add(*entry)
        if self._entries or self._notices:
            self._added()

    def _add(
        self,
        file: FollowedFile,
        rows: Rows,
        checkpoint: bytes | None,
        gone: tuple[int, ...],
        crash: Crash | Literal[False] | None = None,
        suspects: Rows | None = None,
    ) -> None:
        added = 0
        if file.part < 0 or (gone and min(gone) < 0):
            raise ValueError(f"part {file.part}, replaces={gone}: numbers of at least 0 were expected")
        for metric, batch in rows.items():
            if isinstance(batch, Columns):
                added += 1
                continue
            if batch.schema not in (SCHEMA, LABEL_SCHEMA):
                raise TypeError(
                    f"the rows of {metric!r} have the schema {batch.schema}; that of a stream's rows was expected"
                )
            added += batch.num_rows
        self._entries.append(_Entry(file, rows, checkpoint, gone, crash, suspects))
        self.held_rows += added

    def note(self, notice: Notice) -> None:
        """Add what a reader should know, such as bytes that were lost; it is among the notices of the dataset."""
        self._notices.append(notice)
        self._added()

    def note_hyperparameters(self, jobs: Mapping[str, Mapping[str, str]]) -> None:
        """Say which hyperparameters jobs have, by name; those that were said before stay unless they are said anew.

        They are written with the next commit.
        """
        for job, hyperparameters in jobs.items():
            self._jobs.note(job, hyperparameters)

    def _added(self) -> None:
        if self._interval is not None:
            now = self._clock()
            if self.due is None:
                self.due = now + self._interval
            if now >= self.due or self.held_rows >= _HELD_ROWS:
                self.commit()
        elif self.held_rows >= _HELD_ROWS:
            self.commit()

    def checkpoints(self) -> dict[FollowedFile, bytes]:
        """The last checkpoint of each file that is on the disk; a copy."""
        return dict(self._committed)

    def commit(self) -> None:
        """Write what was added. When this returns, it is on the disk.

        Raises
        ------
        SourceError
            It could not be written. It is kept; another call tries again, and a journal that is opened again holds all of it or
            nothing.
        """
        if self._lock < 0:
            raise ValueError("the journal is closed")
        while True:
            try:
                self._commit()
            except OSError as error:
                place = segment_path(self.path, max(self._number, 1))
                failure = SourceError(f"cannot write {place}", path=place, cause=error)
                if self._on_wait is None or error.errno not in _NO_ROOM:
                    raise failure from error
                self._on_wait(failure)
                time.sleep(_RETRY_S)
            else:
                return

    def _commit(self) -> None:
        self._jobs.write()
        self._write_pending()
        if not self._entries and not self._notices:
            return
        if self._is_complete or not self._is_current or self._is_full():
            self._roll()
        try:
            self._unwritten = framed(self._packed(), self._salt, self._end)
        except BaseException:
            # a part of it may have its numbers by now; what is on the disk is whole
            self._release()
            raise
        self._entries, self._notices, self.held_rows, self.due = [], [], 0, None
        self._write_pending()

    def _write_pending(self) -> None:
        """Write the frame that is not known to be on the disk."""
        if self._unwritten:
            disk.write_at(self._descriptor, self._unwritten, self._end)
            self._end += len(self._unwritten)
            self._commits += 1
            self._unwritten = b""
            self._committed |= self._uncommitted
            self._uncommitted = {}

    def _packed(self) -> Packer:
        """The commit of all that was added."""
        state = self._state
        since = state.counts()
        state.notices += self._notices
        body = Packer()
        for file, rows, checkpoint, replaces, crash, suspects in self._entries:
            number = self._numbers.get(file[:3])
            if number is None:
                number = self._numbers[file.key] = state.add_file(file)
            if suspects:
                rows = {**rows, **{SUSPECTS + name: one for name, one in suspects.items()}}
            batches = [one for one in rows.items() if isinstance(one[1], Columns) or one[1].num_rows]
            body.number(number)
            body.number(
                (HAS_CHECKPOINT if checkpoint is not None else 0)
                | (HAS_CRASH if crash is not None else 0)
                | (IS_WATCHED if suspects is not None else 0)
                | (REPLACES if replaces else 0)
                | len(batches) << METRICS_SHIFT
            )
            if suspects is None:
                state.watched[number] = False
            if checkpoint is not None:
                pack_difference(body, checkpoint, state.checkpoints[number] or b"")
                state.checkpoints[number] = checkpoint
                self._uncommitted[state.files[number]] = checkpoint
            if crash is not None:
                state.crashes[number] = crash
                body.text(crash_text(crash))
            if replaces:
                body.number(len(replaces))
                for offset in replaces:
                    body.number(offset)
            for name, one in batches:
                self._pack_batch(body, name, one, number)
        if state.counts() == since:
            out = Packer([COMMIT_WITHOUT_NEWS])
        else:
            out = Packer([COMMIT])
            state.pack_news(out, since)
        out += body
        return out

    def _pack_batch(self, out: Packer, name: str, batch: pa.RecordBatch | Columns, file: int) -> None:
        state = self._state
        metric = state.metrics.get(name)
        if metric is None:
            is_label = not isinstance(batch, Columns) and batch.schema == LABEL_SCHEMA
            metric = state.add_metric(name, is_label=is_label)
        if isinstance(batch, Columns):
            state.rows[metric] += 1
            pack_row(out, metric, batch, state.places, file)
            return
        state.rows[metric] += batch.num_rows
        pack_rows(out, metric, batch, self._text_number, state.places, file)

    def _text_number(self, text: str) -> int:
        number = self._texts.get(text)
        if number is None:
            number = self._texts[text] = len(self._state.texts)
            self._state.texts.append(text)
        return number

    # ---- segments

    def _is_full(self) -> bool:
        # the header states all files; where it is long, so is the segment
        return self._commits >= self._segment_commits or self._end - self._first >= max(
            self._segment_bytes, self._first
        )

    def _roll(self) -> None:
        """Complete the segment, and begin the next one. Where a step fails, another call takes it again."""
        if not self._is_complete:
            end = Packer([END])
            end.number(self._commits)
            disk.write_at(self._descriptor, framed(end, self._salt, self._end), self._end)
            self._is_complete = True
        number = self._number + 1
        header = segment_header(self._description, number, self._state)
        place = segment_path(self.path, number)
        disk.write_file(place, header)
        descriptor = os.open(place, os.O_RDWR)
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = descriptor
        self._take_over(number, self._state, len(header), zlib.crc32(header))
        self._state.begin_segment()
        self._texts = {}
        self._end, self._commits, self._is_complete, self._is_current = len(header), 0, False, True

    # ---- the end

    def close(self) -> None:
        """Commit, and let another process write the journal.

        Raises
        ------
        SourceError
            The commit failed. The journal is closed all the same.
        """
        try:
            if self._lock >= 0:
                self.commit()
        finally:
            self._release()

    def abandon(self) -> None:
        """Let another process write the journal, without a commit of what was added. It may be called again."""
        self._release()

    def _release(self) -> None:
        for descriptor in (self._descriptor, self._lock):
            if descriptor >= 0:
                with contextlib.suppress(OSError):
                    os.close(descriptor)
        self._descriptor = self._lock = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._release()

    def __repr__(self) -> str:
        return f"<Journal {self.path}: {len(self._state.files)} files, segment {self._number}>"
