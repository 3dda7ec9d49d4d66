"""Follow logs that grow: find them, poll them, and hand on their rows, through a journal or at once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Generator, Iterator  # noqa: TC003 - typing.get_type_hints looks them up
from functools import partial
from threading import Event
from typing import TYPE_CHECKING, Any, Self

from metricscan.datasets.journal import Journal
from metricscan.datasets.journal_reader import JournalBatch, JournalReader, ReplacedRecord
from metricscan.errors import AllFaults, OptionError, quoted
from metricscan.live.blocks import with_separators
from metricscan.live.changes import Changes
from metricscan.live.follower import Follower
from metricscan.live.reading_state import OF_STREAM, stream_in
from metricscan.live.until import Until
from metricscan.live.waking import Waker
from metricscan.live.watch import LogName, Watch
from metricscan.logs.compression import MAX_DECOMPRESSED
from metricscan.logs.formats import check_format
from metricscan.logs.job import Notice
from metricscan.logs.survey import check_options, given_paths
from metricscan.scanning.scanner import Scanner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from types import TracebackType

    import pyarrow as pa

    from metricscan.datasets.journal_state import FollowedFile
    from metricscan.definitions.blocks import StepPlace
    from metricscan.errors import SourceError
    from metricscan.live.part_rows import FileRows, Found
    from metricscan.scanning.result import LiveRow
    from metricscan.scanning.stats import ScanStats

# Rows that are held at most between two commits.
_HELD_ROWS = 131_072
# New logs are searched for so often, and not more than this part of the time.
_SEARCH_INTERVAL_S = 1.0
_SEARCH_SHARE = 0.02
_UNASKED = 4
# A new name in a folder is looked at so soon; not more often than a search may be.
_SEARCH_SOON_S = 0.1
_POLL_INTERVAL_S = 0.1
_POLL_ALL_S = 1.0
_LEAST_PAUSE_S = 0.02
# So often all logs are looked at, at most, once a condition to end is met.
_LAST_POLLS = 4
_END = object()


def follow(
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    scanner: Scanner,
    *,
    out: str | os.PathLike[str] | None = None,
    cursor: str | None = None,
    until: str | Sequence[str] = (),
    poll_interval: float | None = None,
    commit_interval: float = 0.2,
    rotate_wait: float = 60.0,
    flush_after: float | None = None,
    step: str | None = None,
    step_place: StepPlace = "before",
    worker: str | Sequence[str] = (),
    carry: bool | str | Sequence[str] = False,
    block: str | bool = False,
    job: str = "auto",
    include: str | Sequence[str] = (),
    exclude: str | Sequence[str] = (),
    input_format: str = "auto",
    follow_links: bool = False,
    on_notice: Callable[[Notice], object] | None = None,
    on_wait: Callable[[SourceError], object] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Following:
    """Follow logs that grow: each row that is in a file at a poll comes once, whatever happens to the file.

    Parameters
    ----------
    paths : path or iterable of path
        Files, folders and globs. They need not exist yet; logs that appear later are followed, too.
    scanner : Scanner
    out : path, optional
        A journal, which is begun or gone on with: rows that it holds do not come again. Without it all begins anew.
    cursor : str, optional
        With ``out``: that of the last batch that was handled. The batches behind it come first. By default those of this call
        alone come.
    until : str or sequence of str
        When to end: ``"idle:S"``, nothing was added to any log for S seconds; ``"pid:N"``, the process N has ended;
        ``"file:P"``, there is a file P. The last record of each log then counts as ended.
    poll_interval : float, optional
        Seconds between two looks at all logs; by default 0.1. Where the system tells which logs changed, these are looked at
        once, and all of them each second.
    commit_interval : float
        With ``out``: rows are on the disk after so many seconds, and come then.
    rotate_wait : float
        A log that was renamed is read on until nobody writes to it. If that cannot be known, until it has not changed for so
        many seconds.
    flush_after : float, optional
        A record that has not ended, and to which nothing was added for so many seconds, counts as ended. If it goes on all the
        same, its rows are replaced. By default records wait for their ends.
    step, step_place, worker, carry
        As for :meth:`Scanner.stream`: batches hold ``live`` rows, each with the step and the workers that belong to it. A
        journal is gone on with by the same values of these. Batches of before, which a cursor brings, have no such rows.
    block : str or bool
        The regex of the records that separate blocks, or whether to find lines of ``-``, ``=`` or ``+``; ``step_place="block"``
        implies that. They are among the rows, so that :func:`rank` may take the steps of blocks.
    job, include, exclude, follow_links
        Which logs there are, and whose they are, as for :func:`metricscan.replay`. A job keeps the name that it got first.
    input_format : {"auto", "plain"}
        ``"auto"``: text, exports of log events and containers' logs are detected by their first bytes, and formats that a replay
        does not read are refused. ``"plain"``: all are read as text.
    on_notice : callable, optional
        Called with each :class:`Notice`: of bytes that may have been lost, of new generations of a file, of a file that cannot
        be read.
    on_wait : callable, optional
        With ``out``: called once a second with the error while the disk has no room; without it the error is raised.
    clock : callable
        Gives the time in seconds.

    Returns
    -------
    Following
        An iterator, and an asynchronous one, of :class:`JournalBatch`.

    Raises
    ------
    OptionError
        Invalid values of options, or ``out`` is a journal of other definitions or options.
    SourceError
        The journal is being written by another process, is damaged, or cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "trial_1.log").write_text("loss=0.5\\nloss=0.25\\n")
    >>> scanner = Scanner(["loss=loss=([0-9.]+)"])
    >>> for batch in follow(folder, scanner, until="idle:0"):
    ...     print(batch.rows["loss"].select(["job", "value", "line"]).to_pylist())
    [{'job': 'trial_1', 'value': 0.5, 'line': 1}, {'job': 'trial_1', 'value': 0.25, 'line': 2}]
    """
    if not isinstance(scanner, Scanner):
        raise TypeError(
            f"a Scanner was expected, not {type(scanner).__name__}: Scanner(definitions) makes one, also of a file's path"
        )
    conditions = [until] if isinstance(until, str) else list(until)
    if block is not False or step_place == "block":
        scanner = with_separators(scanner, True if block is False else block)
    with AllFaults() as faults:
        check_options(faults, job=job, jobs=None, input_format=input_format, max_decompressed=MAX_DECOMPRESSED)
        for name, value in (
            ("poll_interval", 0.0 if poll_interval is None else poll_interval),
            ("commit_interval", commit_interval),
            ("rotate_wait", rotate_wait),
            ("flush_after", 0.0 if flush_after is None else flush_after),
        ):
            faults.of(_check_seconds, name, value)
        faults.of(check_format, input_format)
        if input_format not in ("auto", "plain"):
            faults.note(f"input_format={input_format!r}: 'auto' or 'plain' was expected, formats are detected")
        faults.of(partial(scanner.stream, step=step, step_place=step_place, worker=worker, carry=carry))
        if cursor is not None and out is None:
            faults.note(f"cursor={cursor!r} is a place in a journal: it needs out")
        for one in conditions:
            faults.of(_check_until, one)
    joining = {"step": step, "step_place": step_place, "worker": worker, "carry": carry}
    watched = [os.fsdecode(path) for path in given_paths(paths)]
    journal = None
    stopped = Event()
    if out is not None:

        def wait_for_room(error: SourceError) -> None:
            if on_wait is None or stopped.is_set():
                raise error
            on_wait(error)

        journal = Journal.open(out, scanner, commit_interval=None, on_wait=wait_for_room, clock=clock)
    try:
        if journal is not None and journal.cut is not None and on_notice is not None:
            on_notice(Notice(str(journal.cut), journal.path))
        known = {} if journal is None else journal.checkpoints()
        names: dict[str, LogName] = {}
        streams: dict[str, dict[str, LogName]] = {}
        for file, checkpoint in known.items():
            if checkpoint.startswith(OF_STREAM):
                within = stream_in(checkpoint, file.stream)
                streams.setdefault(file.path, {})[within] = LogName(file.job, file.stream)
            else:
                names[file.path] = LogName(file.job, file.stream)
        watch = Watch(
            watched,
            names,
            job=job,
            include=include,
            exclude=exclude,
            follow_links=follow_links,
            detects=input_format == "auto",
            streams=streams,
        )
        follower = Follower(
            scanner,
            {file: one for file, one in known.items() if watch.covers(file.path)},
            rotate_wait=rotate_wait,
            flush_after=flush_after,
            clock=clock,
            on_notice=on_notice,
            detects=input_format == "auto",
            stream=joining,
            name_streams=watch.streams_of,
            gives_columns=journal is not None,
            watches=journal is not None,
        )
        loop = _Loop(
            follower,
            watch,
            journal,
            stopped,
            cursor=cursor,
            until=[Until(one) for one in conditions],
            poll_interval=poll_interval,
            commit_interval=commit_interval,
            has_live_rows=step is not None or bool(worker),
            on_notice=on_notice,
            clock=clock,
        )
    except BaseException:
        if journal is not None:
            journal.abandon()
        raise
    return Following(loop)


class _Loop:
    """What a :class:`Following` does. Its generator refers to it: it is closed by whoever drops the following."""

    def __init__(
        self,
        follower: Follower,
        watch: Watch,
        journal: Journal | None,
        stopped: Event,
        *,
        cursor: str | None,
        until: Sequence[Until],
        poll_interval: float | None,
        commit_interval: float,
        has_live_rows: bool,
        on_notice: Callable[[Notice], object] | None,
        clock: Callable[[], float],
    ) -> None:
        self._follower = follower
        self._watch = watch
        self._journal = journal
        self._until = until
        self._changes = _changes()
        self._poll_interval = poll_interval or 0.0
        if poll_interval is None:
            self._poll_interval = _POLL_INTERVAL_S if self._changes is None else _POLL_ALL_S
        self._commit_interval = commit_interval
        self._has_live_rows = has_live_rows
        self._live: list[tuple[FollowedFile, LiveRow]] = []
        self._on_notice = on_notice
        self._clock = clock
        self._reader = None if journal is None else JournalReader(journal.path)
        self._cursor = cursor
        if self._reader is not None and cursor is None:
            self._cursor = self._reader.end()
        self._waker = Waker()
        for one in until:
            if one.descriptor is not None:
                self._waker.add(one.descriptor)
        self._stopped = stopped
        self._is_closed = False
        self._hands_out = True
        self._due: float | None = None
        if self._changes is not None:
            self._waker.add(self._changes.descriptor)
            self._changes.watch(follower.names, watch.folders())
        #: When to look at all logs, and when to search for new ones.
        self._poll_at = self._search_at = self._searched_at = clock()
        self._search_s = 0.0
        self.batches = self._run()

    @property
    def errors(self) -> list[SourceError]:
        return self._follower.errors

    @property
    def stats(self) -> ScanStats:
        return self._follower.stats

    def without_batches(self) -> None:
        """Give no batches where they are in a journal."""
        self._hands_out = self._journal is None

    def stop(self) -> None:
        self._stopped.set()
        self._waker.wake()

    # ---- the loop

    def _run(self) -> Generator[JournalBatch, None, None]:
        try:
            yield from self._loop()
            self.close(commits=True)
        except GeneratorExit:
            # all that was read before the last batch is whole
            self.close(commits=True)
            raise
        finally:
            self.close(commits=False)

    def _loop(self) -> Iterator[JournalBatch]:
        if self._reader is not None:
            yield from self._committed()
        is_last, last_polls = False, 0
        changed: set[str] | None = None
        while not self._stopped.is_set():
            now = self._clock()
            # looked at before the poll, which then sees all that was written before
            is_last = is_last or any(one.is_met(now - self._follower.changed_at) for one in self._until)
            if now >= self._search_at or is_last:
                self._search()
            if now >= self._poll_at or is_last:
                changed = None
            if changed is None:
                self._poll_at = now + self._poll_interval
            is_new = False
            for found in self._follower.poll(changed):
                is_new = True
                yield from self._hand_on(found)
                if self._stopped.is_set():
                    break
            if self._follower.is_behind:
                yield from self._commit_if_due()
                changed = self._wait(now)
                continue
            last_polls += is_last
            # what a poll finds may lead to more, as another file under the name; a log to which others write has no end
            if is_last and (not is_new or last_polls == _LAST_POLLS):
                for found in self._follower.finish(goes_on=self._journal is not None):
                    yield from self._hand_on(found)
                break
            if not is_last:
                yield from self._commit_if_due()
                changed = self._wait(now)
        yield from self._commit()

    def _search(self) -> None:
        begin = self._clock()
        new = self._watch.look(self._follower.has_read())
        for log in new:
            self._follower.add(log.path, log.name, log.goes_on, log.streams)
        if new:
            self._poll_at = begin
        if self._journal is not None:
            self._journal.note_hyperparameters(self._watch.hyperparameters)
        if self._changes is not None:
            self._changes.watch([log.path for log in new], self._watch.folders())
        if self._on_notice is not None:
            for notice in self._watch.new_notices(has_logs=bool(self._follower.names)):
                self._on_notice(notice)
        end = self._clock()
        self._search_s = (end - begin) / _SEARCH_SHARE
        self._searched_at = end
        # where the system tells of new names, few logs are found only by a search that nobody asked for
        usual = self._search_s if self._changes is None else _UNASKED * self._search_s
        self._search_at = end + max(_SEARCH_INTERVAL_S, usual)

    def _wait(self, since: float) -> set[str] | None:
        """Wait until there is something to do; the logs to look at, None for all."""
        now = self._clock()
        idle_s = now - self._follower.changed_at
        looks = [one.next_look(idle_s) for one in self._until]
        at = min(
            self._poll_at,
            self._search_at,
            now + self._follower.flush_interval,
            *([] if self._due is None else [self._due]),
            *(now + look for look in looks if look is not None),
        )
        is_behind = self._follower.is_behind
        if at > now and not is_behind:
            self._waker.wait(at - now)
        if self._changes is None:
            return set()
        # Many lines come at once, or many logs change: they are read together.
        pause = since + _LEAST_PAUSE_S - self._clock()
        if pause > 0 and not is_behind and not self._stopped.is_set():
            self._waker.wait(pause, alone=True)
        changed, is_new = self._changes.take()
        if is_new:
            self._search_at = min(self._search_at, self._searched_at + max(_SEARCH_SOON_S, self._search_s))
        return changed

    def _hand_on(self, found: Found) -> Iterator[JournalBatch]:
        if self._has_live_rows:
            self._live += [(one.file, row) for one in found.files for row in one.live_rows]
        if self._journal is None:
            batch = _batch_of(found.files, self._taken_live())
            if batch is not None:
                yield batch
            return
        self._journal.append_all(
            ((one.file, one.rows, one.checkpoint, one.replaces, one.crash, one.suspects) for one in found.files),
            found.lost,
        )
        if self._due is None:
            self._due = self._clock() + self._commit_interval
        if self._journal.held_rows >= _HELD_ROWS:
            yield from self._commit()

    def _commit_if_due(self) -> Iterator[JournalBatch]:
        if self._due is not None and self._clock() >= self._due:
            yield from self._commit()

    def _commit(self) -> Iterator[JournalBatch]:
        if self._journal is None:
            return
        self._journal.commit()
        self._due = None
        yield from self._committed()

    def _committed(self) -> Iterator[JournalBatch]:
        assert self._reader is not None
        if not self._hands_out:
            return
        for batch in self._reader.read_from(self._cursor):
            self._cursor = batch.cursor
            yield batch._replace(live=self._taken_live())
        self._cursor = self._reader.cursor
        if self._live:
            # the steps of rows that came before
            yield JournalBatch(self._cursor, {}, (), self._taken_live())

    def _taken_live(self) -> tuple[tuple[FollowedFile, LiveRow], ...]:
        live, self._live = tuple(self._live), []
        return live

    # ---- the end

    def close(self, *, commits: bool) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        try:
            if self._journal is not None:
                if commits:
                    self._journal.close()
                else:
                    self._journal.abandon()
        finally:
            self._follower.close()
            for one in self._until:
                one.close()
            if self._changes is not None:
                self._changes.close()
            self._waker.close()


class Following:
    """An iterator, and an asynchronous one, of the rows of logs that grow; made by :func:`metricscan.follow`.

    Each batch is a :class:`JournalBatch`: ``rows`` by metric, with job, stream and part; ``replaced``, the records whose rows of
    before count no more; and with a journal the ``cursor`` behind it. A context manager, which ends the following: rows that were
    read go into the journal unless an error ends its block.
    """

    def __init__(self, loop: _Loop) -> None:
        self._loop = loop

    def __del__(self) -> None:
        # A loop over its batches was left, maybe: another follower may want the journal.
        self.stop()
        # a thread is within it where an event loop was torn down
        with contextlib.suppress(ValueError):
            self.close()

    @property
    def errors(self) -> list[SourceError]:
        """Logs of formats that are refused, and what of a container's log or an export cannot be read."""
        return self._loop.errors

    @property
    def stats(self) -> ScanStats:
        """Counts of what was read so far, such as values that are no numbers; not those of an earlier follower."""
        return self._loop.stats

    def run(self) -> None:
        """Follow to the end. The rows are in the journal alone: to read them back takes time."""
        self._loop.without_batches()
        for _ in self:
            pass

    def stop(self) -> None:
        """End the iteration: what was read is committed and comes. From any thread, and from a signal handler."""
        self._loop.stop()

    def close(self) -> None:
        """End the iteration. What was read goes into the journal; a reader that goes on at a cursor gets it."""
        self._loop.batches.close()
        self._loop.close(commits=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._loop.close(commits=False)
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    # ---- iteration

    def __iter__(self) -> Iterator[JournalBatch]:
        return self

    def __next__(self) -> JournalBatch:
        return next(self._loop.batches)

    def __aiter__(self) -> AsyncIterator[JournalBatch]:
        return self

    async def __anext__(self) -> JournalBatch:
        running = asyncio.get_running_loop().run_in_executor(None, next, self._loop.batches, _END)
        try:
            batch: Any = await asyncio.shield(running)
        except asyncio.CancelledError:
            self.stop()
            await asyncio.wait([running])
            raise
        if batch is _END:
            raise StopAsyncIteration
        found: JournalBatch = batch
        return found


def _changes() -> Changes | None:
    """What tells of changes; None where the system does not."""
    try:
        return Changes()
    except OSError:
        return None


def _batch_of(files: Iterable[FileRows], live: tuple[tuple[FollowedFile, LiveRow], ...]) -> JournalBatch | None:
    """The rows of a poll as a batch; None if there are none."""
    from metricscan.datasets.journal_tables import labelled

    rows: dict[str, list[tuple[Any, pa.RecordBatch]]] = {}
    replaced = []
    for file, found, replaces, *_ in files:
        replaced += [ReplacedRecord(file, offset) for offset in replaces]
        for name, batch in found.items():
            rows.setdefault(name, []).append((file, batch))
    if not rows and not replaced and not live:
        return None
    return JournalBatch(None, {name: labelled(some) for name, some in rows.items()}, tuple(replaced), live)


def _check_seconds(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
        raise OptionError(f"{name}={quoted(value)}: a number of seconds was expected")


def _check_until(text: str) -> None:
    Until(text).close()
