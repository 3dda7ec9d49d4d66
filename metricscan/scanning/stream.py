"""A live input: chunks as they arrive, rows when the caller takes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime  # noqa: TC003 - typing.get_type_hints looks it up
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeAlias

from metricscan import _core
from metricscan.logs import encodings
from metricscan.scanning import stream_state
from metricscan.scanning.options import datetime_of, microseconds
from metricscan.scanning.plan import Plan
from metricscan.scanning.result import LiveRow, Row, Taken

if TYPE_CHECKING:
    from types import TracebackType

    import pyarrow as pa

    from metricscan.errors import SourceError
    from metricscan.logs.growing_export import GrowingExport
    from metricscan.scanning.decoded import DecodedRows
    from metricscan.scanning.stats import ScanStats
    from metricscan.scanning.stream_exported import ExportedRows
    from metricscan.scanning.stream_flush import Flushes
    from metricscan.scanning.stream_rows import Joining, LiveRows
    from metricscan.scanning.stream_state import Standing
    from metricscan.scanning.stream_suspects import HiddenRows, SuspectRows


_Columns: TypeAlias = "list[tuple[int, _core.Columns]]"


class HasPlan(Protocol):
    """A scanner."""

    plan: Plan


class Stream:
    """A live input: one job's stdout or stderr, fed as it arrives.

    Made by :meth:`Scanner.stream`; any number of streams share a scanner. One thread feeds a stream, and any thread may use it
    meanwhile: ``latest``, ``stats``, ``take`` and ``close`` wait for the feed in progress.

    Attributes
    ----------
    latest : mapping of str to Row or None
        The newest row of each metric, taken or not, among the records that have ended.

    Examples
    --------
    >>> from metricscan import Scanner
    >>> with Scanner(["loss=loss=([0-9.]+)"]).stream() as stream:
    ...     stream.feed(b"loss=0.5\\nlo")
    ...     stream.feed(b"ss=0.25\\n")
    ...     stream.latest["loss"].value
    0.25
    """

    __slots__ = (
        "_beginning",
        "_core",
        "_decoded",
        "_exported",
        "_fingerprint",
        "_flushes",
        "_hidden",
        "_input",
        "_plan",
        "_steps",
        "_time",
        "latest",
    )

    def __init__(
        self,
        scanner: HasPlan | Plan,
        standing: Standing | None = None,
        joining: Joining | None = None,
        format: str = "plain",  # noqa: A002
        watching: Plan | None = None,
    ) -> None:
        plan = watching or (scanner if isinstance(scanner, Plan) else scanner.plan)
        self._plan = plan
        # the first message of an export may begin with what is a mark elsewhere
        self._core = plan.new_stream() if format == "plain" else plan.new_stream(at_beginning=False)
        # bytes that may be a part of a mark; None once it is known whether there is one
        self._beginning: bytes | None = b""
        self._time: int | None = None
        self._decoded: DecodedRows | None = None
        # What takes the chunks; once the beginning is past, the core, unless the stream is decoded. A test for the beginning
        # would be 2 % of the cost of a chunk of one line.
        self._input: _Beginning | DecodedRows | ExportedRows | _core.Stream = _Beginning(self)
        self._exported: ExportedRows | None = None
        self._fingerprint: str = getattr(scanner, "fingerprint", "")
        self._flushes: Flushes | None = None
        self._hidden: HiddenRows | None = None
        if watching is not None:
            from metricscan.scanning.stream_suspects import HiddenRows

            self._hidden = HiddenRows(plan)
        self._steps: LiveRows | None = None
        if joining is not None:
            from metricscan.scanning.stream_rows import LiveRows

            self._steps = LiveRows(plan, joining)
        if standing is not None:
            stream_state.put(self._core, standing, plan)
            if standing.decoded is not None:
                from metricscan.scanning.decoded import DecodedRows

                self._decoded = DecodedRows.going_on(plan, self._core, standing.decoded)
            if standing.is_decided:
                self._beginning, self._input = None, self._decoded or self._core
            if standing.given is not None:
                self._new_flushes(standing.given)
            if self._steps is not None and standing.rows is not None:
                self._steps.restore(standing.rows)
        if format != "plain":
            self._export(format, None if standing is None else standing.exported)
        self.latest: Mapping[str, Row | None] = _Latest(plan, self._core)

    def _export(self, format_: str, state: list[Any] | None) -> None:
        from metricscan.logs.growing_export import GrowingExport
        from metricscan.scanning.stream_exported import ExportedRows

        level = self._plan.level
        reader = GrowingExport(format_, level) if state is None else GrowingExport.going_on(format_, state[1], level)
        self._beginning, self._exported = None, ExportedRows(self._plan, self._core, reader)
        self._input = self._exported

    def feed(self, chunk: Any, time: datetime | float | None = None) -> None:
        """Scan a chunk; it may end anywhere, also within a record or a character.

        A stream that begins with a mark of UTF-16 or UTF-32 is decoded. Of an export or a container's log the messages of the
        events that are whole are scanned.

        Parameters
        ----------
        chunk : bytes-like
            The stream keeps no reference to it; it copies an unfinished record at its end.
        time : datetime with a time zone, or seconds since the epoch, optional
            When the chunk arrived: the ``time`` of the rows whose records end in it. The last record, if no terminator
            ends it, gets the time of the last chunk. Events have times of their own.

        Raises
        ------
        TypeError
            The chunk is text, or the time is neither.
        ValueError
            The stream is closed, or the time has no time zone.
        RuntimeError
            Another thread feeds the stream, or the call comes out of a feed of the same thread, as from a signal handler.
        SourceError
            An export cannot be read on. The rows before the error are there.
        """
        if time is None:
            self._input.feed(chunk)
        else:
            self._input.feed(chunk, microseconds(time))

    def _feed_beginning(self, chunk: Any, micros: int | None) -> None:
        with _core.Turn(self._core, feeding=True):
            if self._beginning is not None:
                chunk = self._begin(chunk, micros)
            if self._decoded is not None:
                self._decoded.feed_in_turn(chunk, micros)
            elif micros is None:
                self._core.feed_in_turn(chunk)
            else:
                self._core.feed_in_turn(chunk, micros)
            if self._beginning is None:
                self._input = self._decoded or self._core

    def _begin(self, chunk: Any, micros: int | None) -> Any:
        """The chunk, with the bytes that were held before it, without a mark; empty if more bytes must decide."""
        try:
            view = memoryview(chunk)
        except TypeError:
            # the core says what is wrong with it
            return chunk
        view = view.cast("B") if view.c_contiguous and view.nbytes else memoryview(view.tobytes())
        assert self._beginning is not None
        head = self._beginning + bytes(view[: encodings.MARK_BYTES])
        if encodings.may_begin_mark(head) and not self.closed:
            self._beginning, self._time = head, micros
            return b""
        data = self._beginning + bytes(view) if self._beginning else chunk
        self._beginning = None
        encoding = encodings.marked(head)
        if encoding is None:
            return data
        self._decode(encoding)
        return memoryview(data).cast("B")[len(encoding.mark) :]

    def _decode(self, encoding: encodings.Encoding) -> None:
        from metricscan.scanning.decoded import DecodedRows

        decoder = encodings.Decoder(encoding, len(encoding.mark), ends_at_change=False)
        self._decoded = DecodedRows(self._plan, self._core, decoder)

    def take(self) -> Taken:
        """The rows found since the last take: a batch for each metric that has some, zero-copy.

        After a :meth:`flush` it also gives the rows of the record that has not ended. Once that record has ended, or is flushed
        again because it goes on, ``replaces`` names its offset: its rows that were given before count no more. What is taken may
        hold no row then, and is true all the same.
        """
        with _core.Turn(self._core):
            taken = (self._decoded or self._exported or self._core).take()
            streams = {} if self._exported is None else self._exported.streams
            unended, replaces = ([], ()) if self._flushes is None else self._flushes.take(*self._reached())
            if self._hidden is not None:
                self._hidden.note_units(taken)
                taken, unended = self._hidden.take_from(taken, streams), self._hidden.take_from(unended)
            rows = self._rows_of(taken, unended, streams)
        batches = _batches(self._plan, [*taken, *unended])
        of_rows = {name: streams[self._plan.patterns[name]] for name in batches} if streams else {}
        return Taken(batches, replaces, rows, of_rows)

    def _rows_of(
        self, taken: _Columns, unended: _Columns, streams: dict[int, list[str]]
    ) -> Callable[[], list[LiveRow]]:
        if self._steps is None:
            return partial(_without_steps, self._plan, [*taken, *unended], streams)
        rows = self._steps.add(taken, streams) + self._steps.unended(unended)
        if self.closed:
            rows += self._steps.end()
        return lambda: rows

    def rows(self) -> list[LiveRow]:
        """The rows since the last take, one by one, with the step and the workers that belong to each.

        They are taken: :meth:`take` gives the same rows as batches, and these as its ``rows``. They come record by record, those
        of a record in the order of their places. A row whose step stands behind it comes once that step was read, or its block
        has ended; the rest when the stream is closed.

        Raises
        ------
        RuntimeError
            The stream was flushed: only :meth:`take` says which rows are replaced.

        Examples
        --------
        >>> from metricscan import Scanner
        >>> stream = Scanner(["epoch=epoch ([0-9]+)", "loss=loss=([0-9.]+)"]).stream(step="epoch", step_place="after")
        >>> stream.feed(b"loss=0.5\\n")
        >>> stream.rows()
        []
        >>> stream.feed(b"end of epoch 1\\n")
        >>> [(row.metric, row.value, row.step) for row in stream.rows()]
        [('loss', 0.5, 1.0)]
        """
        if self._flushes is not None:
            raise RuntimeError("the stream was flushed: take() says which rows are replaced, and has these as its rows")
        return self.take().rows

    # ---- the record that has not ended

    @property
    def latest_partial(self) -> dict[str, Row | None]:
        """The newest row of each metric in the record that has not ended, if it ended here. Each access scans that record."""
        from metricscan.scanning.stream_flush import scanned

        with _core.Turn(self._core):
            if self.closed or self._beginning is not None or self._exported is not None:
                return dict.fromkeys(self._plan.metrics)
            return dict(_Latest(self._plan, scanned(self._plan, self._core, self._decoded)))

    def flush(self) -> None:
        """Let the next :meth:`take` give the rows of the record that has not ended, as if it ended here.

        For a record whose end may not come for long, such as a bar that is redrawn without one. If the record goes on, its rows
        are replaced: see :meth:`take`. In ``latest`` and ``stats`` are the records that have ended alone. A flush of a stream of
        up to three bytes that may belong to a byte-order mark gives nothing; nor does one of an export or a container's log, of
        which a message is whole or not there yet.
        """
        with _core.Turn(self._core):
            if not self.closed and self._beginning is None and self._exported is None:
                flushes = self._flushes or self._new_flushes()
                flushes.flush(self._plan, self._core, self._decoded, self._fed)

    def _new_flushes(self, given: int | None = None) -> Flushes:
        from metricscan.scanning.stream_flush import Flushes

        self._flushes = Flushes(given)
        return self._flushes

    @property
    def _fed(self) -> int:
        """A number that grows with each byte that is fed."""
        return self._core.bytes if self._decoded is None else self._decoded.read

    def _reached(self) -> tuple[int, int | None]:
        return self._fed, None if self.closed else self._resume_offset()

    def _resume_offset(self) -> int:
        return (self._decoded or self._exported or self._core).unended_at

    @property
    def stats(self) -> ScanStats:
        """Counts so far."""
        with _core.Turn(self._core):
            reading = self._decoded or self._exported
            if reading is not None:
                return reading.stats()
            stats = self._plan.stats_of(self._core)
            stats.bytes += len(self._beginning or b"")
            return stats

    @property
    def resume_offset(self) -> int:
        """The offset of the first byte of the record that has not ended: where feeding goes on after :meth:`state`.

        Of an export or a container's log it is that of the first event of which something was not scanned. Where several streams
        lie in one log, rows behind that offset may have been taken; they do not come again.
        """
        with _core.Turn(self._core):
            return self._resume_offset()

    def state(self) -> bytes:
        """Where the stream stands, as bytes, for ``Scanner.stream(state=...)`` in any process.

        The new stream goes on with the record that has not ended: it must be fed from ``resume_offset`` on, and its rows, lines,
        places and counts are those of a stream that was never interrupted. ``latest`` holds the rows that it held. Rows of that
        record that a flush has given are replaced as they would have been.

        Raises
        ------
        RuntimeError
            The stream holds rows that were not taken, or another call of this thread uses it.
        ValueError
            The stream is closed.
        """
        with _core.Turn(self._core):
            if self.closed:
                raise ValueError("the stream is closed: nothing goes on")
            given = None
            if self._flushes is not None:
                if self._flushes.holds_rows(self._fed):
                    raise RuntimeError("the stream holds rows of a flush that were not taken: take them first")
                given = self._flushes.given
            return stream_state.packed(
                self._core,
                self._fingerprint,
                self._plan,
                self._exported,
                is_decided=self._beginning is None,
                given=given,
                rows=None if self._steps is None else self._steps.state(),
                decoded=None if self._decoded is None else self._decoded.state(),
            )

    @property
    def closed(self) -> bool:
        """Whether the stream is closed: nothing more can be fed."""
        return self._core.closed

    def close(self) -> None:
        """Scan the last record, if no terminator ended it. ``take`` and ``latest`` stay valid."""
        with _core.Turn(self._core):
            if not self.closed:
                self._close()

    def _close(self) -> None:
        rest = b""
        encoding = encodings.marked(self._beginning or b"")
        if encoding is not None:
            rest = (self._beginning or b"")[len(encoding.mark) :]
            self._decode(encoding)
        elif self._beginning:
            # no mark after all
            self._core.feed_in_turn(self._beginning, *([] if self._time is None else [self._time]))
        self._beginning = None
        if self._decoded is not None:
            self._decoded.finish(rest, self._time)
        elif self._exported is not None:
            self._exported.finish()
        else:
            self._core.finish()

    @property
    def error(self) -> SourceError | None:
        """What of an export or a container's log could not be read; None if there is nothing.

        Damaged places of a container's log are passed over, and the error names the first. Where reading an export stopped, or
        the log ends within an event once the stream is closed, it says so.
        """
        with _core.Turn(self._core):
            return None if self._exported is None else self._exported.error

    @property
    def is_decoded(self) -> bool:
        """Whether the stream is text in UTF-16 or UTF-32."""
        return self._decoded is not None

    @property
    def export(self) -> GrowingExport | None:
        """What decodes an export or a container's log; None where the stream is plain text."""
        return None if self._exported is None else self._exported.reader

    def __repr__(self) -> str:
        stats = self.stats
        rows = sum(one.rows for one in stats.metrics.values())
        state = ", closed" if self.closed else ""
        return f"<Stream: {stats.bytes} bytes, {stats.records} records, {rows} rows{state}>"

    def __reduce_ex__(self, _: Any) -> Any:
        # a copy would share the memory that both write to
        raise TypeError("a stream can be neither copied nor pickled; its scanner can, and gives as many as are wanted")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def taken_columns(stream: Stream) -> dict[str, _core.Columns] | dict[str, pa.RecordBatch] | None:
    """What :meth:`Stream.take` gives, in half its time where each metric has one row at most: as columns, not as batches.

    None, and nothing is taken, if the rows of the stream may be replaced, have steps or workers, or are decoded.
    """
    if stream._flushes or stream._steps or stream._decoded or stream._exported:
        return None
    plan, hidden = stream._plan, stream._hidden
    with _core.Turn(stream._core):
        taken = stream._core.take()
        if hidden is not None and taken:
            hidden.note_units(taken)
            taken = hidden.take_from(taken)
    found = {}
    for pattern, columns in taken:
        if columns.rows != 1 or columns.has_times or columns.texts is not None:
            return _batches(plan, taken)
        for name in plan.names[pattern]:
            found[name] = columns
    return found


def taken_suspects(stream: Stream) -> dict[str, SuspectRows]:
    """The suspects that were taken with rows of a stream that watches, since the last call: by stream of a log, and by metric."""
    return {} if stream._hidden is None else stream._hidden.take()


def units_of(stream: Stream) -> dict[int, int]:
    """By pattern, the unit of the last value, for :func:`set_units`; of patterns whose values had one."""
    return {} if stream._hidden is None else stream._hidden.units


def tail_of(stream: Stream) -> bytes:
    """The last 4 KiB of the text of an export or a container's log; empty if it is not looked for suspects."""
    return b"" if stream._exported is None else stream._exported.tail


def begin_behind(stream: Stream, before: Stream) -> None:
    """Say what stands before a stream that goes on: another one ends there, and its last value may go on."""
    stream._core.keep_open_of(before._core)


def begin_behind_events(stream: Stream, before: tuple[Stream, bytes], offset: int) -> None:
    """As :func:`begin_behind`, for an export or a container's log that goes on at an offset.

    ``before`` is another stream, which took the events before that, and the bytes that it was given; they end there.
    """
    scratch, data = before
    if stream._exported is not None and scratch._exported is not None:
        stream._exported.begin_behind(scratch._exported, data, offset)


def set_units(stream: Stream, units: Mapping[int, int]) -> None:
    """Say which units the last values had where a stream goes on."""
    if stream._hidden is not None:
        stream._hidden.units.update(units)
        for pattern, unit in units.items():
            stream._core.set_unit(pattern, unit)


def _batches(plan: Plan, taken: _Columns) -> dict[str, pa.RecordBatch]:
    """The rows by metric, in the order of the metrics."""
    from metricscan.scanning.arrow import appended, from_columns

    found: dict[str, pa.RecordBatch] = {}
    for pattern, columns in taken:
        batch = from_columns(columns)
        for name in plan.names[pattern]:
            found[name] = appended(found[name], batch) if name in found else batch
    return {name: found[name] for name in plan.metrics if name in found}


def _without_steps(plan: Plan, taken: _Columns, streams: dict[int, list[str]]) -> list[LiveRow]:
    from metricscan.scanning.stream_rows import NOTHING, LiveRows

    return LiveRows(plan, NOTHING).add(taken, streams)


class _Beginning:
    """Takes the chunks of a stream until it is known whether it begins with a mark."""

    __slots__ = ("_stream",)

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def feed(self, chunk: Any, micros: int | None = None) -> None:
        self._stream._feed_beginning(chunk, micros)


class _Latest(Mapping[str, "Row | None"]):
    """The newest row of each metric, read from the core when it is asked for."""

    __slots__ = ("_core", "_plan")

    def __init__(self, plan: Plan, core: _core.Stream) -> None:
        self._plan = plan
        self._core = core

    def __getitem__(self, name: str) -> Row | None:
        pattern = self._plan.patterns[name]
        with _core.Turn(self._core):
            row = self._core.latest(pattern)
        if row is None:
            return None
        value, line, offset, start, micros = row
        return Row(value, line, offset, start, None if micros is None else datetime_of(micros))

    def __iter__(self) -> Iterator[str]:
        return iter(self._plan.metrics)

    def __len__(self) -> int:
        return len(self._plan.metrics)

    def __repr__(self) -> str:
        return repr(dict(self))
