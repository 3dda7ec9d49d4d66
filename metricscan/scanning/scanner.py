"""Scanner: definitions, compiled once, applied to any number of inputs."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from metricscan import _core
from metricscan.definitions.definition import MetricDefinition, load_definitions, read_with
from metricscan.definitions.lint import lint
from metricscan.errors import DefinitionError, DefinitionWarning, Fault, OptionError, SourceError
from metricscan.logs.source import CHUNK_BYTES, open_source
from metricscan.scanning import plan as plans
from metricscan.scanning.labels import LabelStream
from metricscan.scanning.stats import MetricStats, Sample, ScanStats

if TYPE_CHECKING:
    from types import TracebackType

    import pyarrow as pa

    from metricscan.logs.exports import ExportReader
    from metricscan.scanning.exported import Rows
    from metricscan.scanning.plan import Decision, Explanations, Plan

_CHOICES = {
    "newline": ("universal", "lf"),
    "matches": ("all", "first", "last"),
    "escape": ("none", "syslog"),
    "ansi": ("keep", "strip"),
    "untamed": ("warn", "refuse", "allow"),
}
# of a result, in a notebook or a message
_METRICS_SHOWN = 10
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FIRST_TIME, _LAST_TIME = ((time.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND for time in (datetime.min, datetime.max))


class Row(NamedTuple):
    """One extracted value: what was read, and where it stood in the input. ``value`` is a float, but a str for a label."""

    value: Any
    line: int
    offset: int
    start: int
    time: datetime | None


class Match(NamedTuple):
    """One match of one definition in one record.

    ``span`` and ``value_span`` are bytes of the record, as the patterns see it (escaped or stripped, if the scanner does
    that). ``value_text`` is None where the value group took no part, ``number`` where ``float()`` refuses the text.
    """

    name: str
    text: str
    span: tuple[int, int]
    value_text: str | None
    value_span: tuple[int, int] | None
    number: float | None


class ScanResult(Mapping[str, "pa.Table"]):
    """The rows of one input: a mapping from every defined metric to its table.

    Attributes
    ----------
    stats : ScanStats
    """

    def __init__(
        self,
        batches: dict[str, Sequence[pa.RecordBatch]],
        stats: ScanStats | Callable[[], ScanStats],
        labels: Sequence[str] = (),
    ) -> None:
        self._batches = batches
        self._labels = tuple(labels)
        self._tables: dict[str, pa.Table] = {}
        self._stats = stats

    @property
    def stats(self) -> ScanStats:
        """Counts of the scan."""
        if not isinstance(self._stats, ScanStats):
            # put together when somebody asks: of thousands of metrics they take longer than a scan
            self._stats = self._stats()
        return self._stats

    def __reduce__(self) -> tuple[Any, ...]:
        return ScanResult, (self._batches, self.stats, self._labels)

    def __getitem__(self, name: str) -> pa.Table:
        table = self._tables.get(name)
        if table is None:
            import pyarrow as pa

            from metricscan.scanning.arrow import LABEL_SCHEMA, SCHEMA

            schema = LABEL_SCHEMA if name in self._labels else SCHEMA
            table = self._tables[name] = pa.Table.from_batches(self._batches[name], schema=schema)
        return table

    def __iter__(self) -> Iterator[str]:
        return iter(self._batches)

    def __len__(self) -> int:
        return len(self._batches)

    def __repr__(self) -> str:
        metrics = self.stats.metrics.items()
        rows = ", ".join(f"{name}: {counts.rows} rows" for name, counts in islice(metrics, _METRICS_SHOWN))
        more = f", and {len(metrics) - _METRICS_SHOWN} more metrics" if len(metrics) > _METRICS_SHOWN else ""
        return f"<ScanResult of {self.stats.records} records; {rows}{more}>"


class Scanner:
    """Metric definitions, compiled: immutable, shareable between threads, picklable.

    Parameters
    ----------
    definitions : list or path
        ``{"Name": .., "Regex": ..}`` dicts, :class:`MetricDefinition` or ``"NAME=REGEX"`` strings; or the path of a JSON
        or YAML file that holds such a list.
    labels : mapping of str to str, or list
        Names and regexes, or a list like that of the definitions: what tells the workers of one job apart. The text that
        one captures is kept, and not read as a number. Their tables stand behind the metrics'; ``value`` is a string there.
    newline : {"universal", "lf"}
        What ends a record: ``\\n``, ``\\r\\n`` and ``\\r``, or ``\\n`` alone (one ``\\r`` at a record's end is then not part
        of it). The default is ``"universal"``, and ``\\n`` alone under ``escape="syslog"``.
    matches : {"all", "first", "last"}
        Which of a pattern's matches in a record count.
    escape : {"none", "syslog"}
        ``"syslog"``: control characters are written as ``#`` and three octal digits before matching, as the tuning
        service's logs have them (TAB is ``#011``).
    ansi : {"keep", "strip"}
        ``"strip"``: terminal escape sequences (CSI and OSC) are removed before matching.
    untamed : {"warn", "refuse", "allow"}
        What to do with a pattern that the core does not decide and that is not provably tame: ``re`` has no bound on the time
        it may take over one record. ``explain()`` names them.

    Raises
    ------
    DefinitionError
        All faults of the definitions together. It is a ValueError too. Under ``untamed="refuse"`` also all untamed patterns.
    OptionError
        An option with a value it does not have. It is a ValueError too.

    Examples
    --------
    >>> scanner = Scanner([{"Name": "loss", "Regex": "Loss = (.*?);"}])
    >>> result = scanner.scan(b"Loss = 16.020744;  Iteration 0\\nLoss = 12.5;  Iteration 1\\n")
    >>> result["loss"]["value"].to_pylist()
    [16.020744, 12.5]
    >>> result["loss"]["line"].to_pylist()
    [1, 2]
    >>> scanner = Scanner(["loss=loss=([0-9.]+)"], labels={"worker": r"^\\[(rank[0-9]+)\\]:"})
    >>> scanner.scan(b"[rank0]: loss=2\\n[rank1]: loss=3\\n")["worker"]["value"].to_pylist()
    ['rank0', 'rank1']
    """

    __slots__ = (
        "_chunk_bytes",
        "_given",
        "_internal",
        "_plan",
        "definitions",
        "fingerprint",
        "labels",
        "metrics",
        "options",
    )

    definitions: tuple[MetricDefinition, ...]
    metrics: tuple[str, ...]
    labels: tuple[str, ...]
    options: dict[str, str]
    fingerprint: str
    _plan: Plan

    def __init__(
        self,
        definitions: Any,
        *,
        labels: Any = (),
        newline: str | None = None,
        matches: str = "all",
        escape: str = "none",
        ansi: str = "keep",
        untamed: str = "warn",
    ) -> None:
        given = {"newline": newline, "matches": matches, "escape": escape, "ansi": ansi}
        labels = () if labels is None else list(labels) if isinstance(labels, Iterator) else labels
        try:
            loaded, decisions, suspicions = read_with(definitions, plans.decide, labels)
        except DefinitionError as error:
            try:
                _checked({**given, "untamed": untamed})
            except OptionError as wrong:
                options = Fault(None, None, None, None, f"the options beside them: {wrong.message}")
                raise DefinitionError((*error.faults, options), source=error.source) from None
            raise
        _checked({**given, "untamed": untamed})
        for suspicion in suspicions:
            warnings.warn(suspicion, DefinitionWarning, stacklevel=2)
        names = [one.name for one in loaded[len(loaded) - len(labels) :]]
        self._set_up(loaded, decisions, given, {}, names)
        if untamed != "allow":
            report_untamed(self, refuse=untamed == "refuse")

    def _set_up(
        self,
        definitions: tuple[MetricDefinition, ...],
        decisions: dict[str, Decision],
        given: dict[str, str | None],
        internal: dict[str, Any],
        labels: Sequence[str] = (),
    ) -> None:
        options = _checked(given)
        self.definitions = definitions
        self.metrics = tuple(definition.name for definition in definitions)
        self.labels = tuple(labels)
        self.options = options
        described: dict[str, Any] = {"definitions": [[d.name, d.regex] for d in definitions], "options": options}
        if labels:
            described["labels"] = self.labels
        self.fingerprint = hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()
        self._given = given
        self._internal = internal
        internal = dict(internal)
        self._chunk_bytes = int(internal.pop("chunk_bytes", CHUNK_BYTES))
        self._plan = plans.build(definitions, decisions, self.labels, **options, **internal)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.definitions, self._given, self._internal, self.labels)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Scanner):
            return NotImplemented
        return self.fingerprint == other.fingerprint

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __repr__(self) -> str:
        options = "".join(f", {name}={value!r}" for name, value in self._given.items() if value is not None)
        count = len(self.definitions)
        return f"<Scanner of {count} definition{'' if count == 1 else 's'}{options}>"

    # ---- one input, read to its end

    def scan(self, source: Any, threads: int | None = None, *, input_format: str = "plain") -> ScanResult:
        """Scan an input to its end.

        Parameters
        ----------
        source : path, bytes-like, binary file object, or iterable of bytes-like chunks
            A str is always a path. gzip is read from paths and file objects.
        threads : int, optional
            How many threads share the work; by default one for inputs below 32 MiB, else one a core. The rows are the
            same for every number. Only bytes and plain files are shared: a pipe, gzip and chunks take one thread.
        input_format : {"plain", "auto", "cloudwatch-json", "cloudwatch-csv", "s3-export"}
            What the input is: text, or the events of an export, whose messages are the text and give the rows their
            ``time``; ``"auto"``: whichever of them its first bytes show. Places are those in the export.

        Returns
        -------
        ScanResult
            A table per metric: value float64, line int64, offset int64, start int64, time timestamp[us, UTC]. The
            tables keep the columns that the scan wrote; nothing is copied.

        Raises
        ------
        SourceError
            The input cannot be read; its ``partial`` holds the result up to there.
        TypeError
            The source is text.
        """
        found: dict[str, list[pa.RecordBatch]] = {}
        running = self.batches(source, threads=threads, input_format=input_format)

        def result() -> ScanResult:
            # one empty tuple for all that have none: of thousands of metrics a small input holds few
            return ScanResult({**dict.fromkeys(self.metrics, ()), **found}, running._stats, self.labels)

        try:
            for name, batch in running:
                found.setdefault(name, []).append(batch)
        except SourceError as error:
            error.partial = result()
            raise
        return result()

    def batches(self, source: Any, threads: int | None = 1, *, input_format: str = "plain") -> Batches:
        """Scan an input piece by piece: memory stays bounded, whatever its size.

        Yields ``(name, pyarrow.RecordBatch)``, a metric's batch as soon as it is full (some 65,000 rows) and the rest at the end;
        a metric's batches come in stream order. The iterator has ``stats``, complete when it is exhausted; who stops before
        that closes it, or takes it in a ``with``.

        Raises
        ------
        SourceError
            After the batches of everything before the fault.
        """
        return Batches(self, source, threads, input_format)

    # ---- one input, as it arrives

    def stream(self) -> Stream:
        """Open a live stream: feed it chunks as they arrive, take rows when you like."""
        return Stream(self)

    # ---- one record

    def find(self, record: Any) -> list[Match]:
        """Every match of every definition in one record, by the path that a scan takes.

        Parameters
        ----------
        record : bytes-like or str
            One record; a terminator at its end is ignored.

        Returns
        -------
        list of Match
            In the order of the definitions, each definition's matches from left to right.

        Raises
        ------
        ValueError
            The text holds more than one record.

        Examples
        --------
        >>> Scanner(["loss=loss=([0-9.]+)"]).find(b"step 7 loss=0.25 ok")
        [Match(name='loss', text='loss=0.25', span=(7, 16), value_text='0.25', value_span=(12, 16), number=0.25)]
        """
        data = record.encode("utf-8", "surrogateescape") if isinstance(record, str) else bytes(memoryview(record))
        core = _core.Stream(self._plan.engine, self._plan.confirm, trace=True)
        core.feed(data)
        if not data:
            # an empty record has no bytes to feed; a lone terminator is one
            core.feed(b"\n")
        core.finish()
        if core.records > 1:
            raise ValueError(f"find takes one record, this text holds {core.records}")
        by_pattern: dict[int, list[tuple[Any, ...]]] = {}
        for pattern, *rest in core.traced:
            by_pattern.setdefault(pattern, []).append(tuple(rest))
        return [
            Match(
                name,
                text.decode("utf-8", "surrogateescape"),
                (start, end),
                None if value is None else value.decode("utf-8", "surrogateescape"),
                None if value is None else (value_start, value_end),
                number,
            )
            for name in self.metrics
            for start, end, text, value_start, value_end, value, number in by_pattern.get(self._plan.patterns[name], ())
        ]

    def explain(self) -> Explanations:
        """How each pattern is decided, what is searched for, why cheaper strategies were declined, and what is not meant.

        >>> print(Scanner(["loss=loss: ([0-9.]+),"]).explain())
        loss: loss: ([0-9.]+),
          strategy  span, decided by core
          searched  'loss: '
          lint      no-sign-or-exponent: 1.5e-05 is not found; -1.5 is not found
          better    loss: ([-+]?(?:[0-9]+\\.?[0-9]*|\\.[0-9]+)(?:[eE][-+]?[0-9]+)?),
        """
        regexes = [definition.regex for definition in self.definitions]
        return plans.Explanations(
            one if one.names[0] in self.labels else one._replace(lint=lint(one.names[0], one.regex, regexes))
            for one in self._plan.explanations
        )

    # ---- what scans and streams share

    def with_options(self, definitions: Sequence[MetricDefinition], options: dict[str, str]) -> Scanner:
        """A scanner of some of these definitions, which are known to be right, under other options."""
        labels = [one.name for one in definitions if one.name in self.labels]
        return _rebuild(tuple(definitions), {**options}, {}, labels)

    def _no_stats(self) -> ScanStats:
        return ScanStats(metrics={name: MetricStats() for name in self.metrics})

    def _stats(self, core: _core.Stream) -> ScanStats:
        stats = self._no_stats()
        stats.bytes, stats.records = core.bytes, core.records
        self._add_counts(stats, core.counted())
        return stats

    def _add_counts(self, stats: ScanStats, counted: list[tuple[int, _core._Counts]], lines: int = 0) -> None:
        """Add what a part of the input gave, before which there are so many newlines."""
        for pattern, (rows, unparsed, failed, timeouts, over_budget, samples) in counted:
            kept = [Sample(text, line + lines, offset) for text, line, offset in samples]
            for name in self._plan.names[pattern]:
                stats.metrics[name].merge(MetricStats(rows, unparsed, failed, timeouts, over_budget, kept))

    def _new_core_stream(self, *, in_batches: bool = False) -> _core.Stream:
        plan = self._plan
        if plan.labels:
            return LabelStream(plan.engine, plan.confirm, plan.labels)
        return _core.Stream(plan.engine, plan.confirm, in_batches=in_batches)


class Batches(Iterator[tuple[str, "pa.RecordBatch"]]):
    """Iterator over ``(name, RecordBatch)``; ``stats`` counts what has been scanned so far.

    Attributes
    ----------
    stats : ScanStats
    frames : ExportReader or None
        Of an export: its streams and their times.
    """

    def __init__(self, scanner: Scanner, source: Any, threads: int | None, input_format: str = "plain") -> None:
        from metricscan.scanning import blocks

        check_threads(threads)
        self._scanner = scanner
        self._opened = open_source(source, chunk_bytes=scanner._chunk_bytes)
        self._stats: ScanStats | Callable[[], ScanStats] = scanner._no_stats
        self.frames: ExportReader | None = None
        workers = blocks.worker_count(threads, self._opened.size)
        # a file of no size may hold something all the same: those of /proc do
        can_be_cut = bool(self._opened.size) and (self._opened.whole is not None or self._opened.descriptor is not None)
        self._running: Generator[tuple[Any, ...]]
        if input_format != "plain":
            from metricscan.logs import exports

            try:
                format_ = exports.format_of(self._opened, input_format)
            except BaseException:
                self._opened.close()
                raise
            if format_ != "plain":
                self.frames = exports.ExportReader(self._opened, format_)
        if self.frames is not None:
            self._running = self.numbered(self.frames)
        else:
            self._running = self._many_blocks(workers) if workers > 1 and can_be_cut else self._one_stream()

    @property
    def stats(self) -> ScanStats:
        """Counts of what has been scanned so far."""
        if isinstance(self._stats, ScanStats):
            return self._stats
        stats = self._stats()
        if self._running.gi_frame is None:  # type: ignore[attr-defined]
            # it is over: they grow no more
            self._stats = stats
        return stats

    def __iter__(self) -> Batches:
        return self

    def __next__(self) -> tuple[str, pa.RecordBatch]:
        name, batch, *_ = next(self._running)
        return name, batch

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Batches of {self._opened.name}>"

    def close(self) -> None:
        """Stop early and close what was opened."""
        self._running.close()
        self._opened.close()

    def numbered(self, frames: ExportReader) -> Generator[tuple[str, pa.RecordBatch, Any]]:
        """The batches of an export, each with an array: the number of each row's stream among ``frames.stream_names``."""
        from metricscan.scanning.arrow import BATCH_ROWS
        from metricscan.scanning.exported import Rows, place

        core = self._scanner._new_core_stream()
        patterns = {pattern: Rows() for pattern in self._scanner._plan.patterns.values()}
        samples: dict[str, list[Sample]] = {name: [] for name in self._scanner.metrics}

        def counted() -> ScanStats:
            stats = self._scanner._stats(core)
            stats.bytes = frames.read
            for name, found in samples.items():
                stats.metrics[name].samples = list(found)
            return stats

        self._stats = counted
        with self._opened:
            for events in frames:
                # a piece's text ends with a record, so all its rows are there when it has been fed
                core.feed(events.text)
                filled = core.filled()
                for pattern in filled:
                    patterns[pattern].note(core, pattern, events)
                for pattern, (*_, kept) in core.counted() if core.has_samples else ():
                    for name in self._scanner._plan.names[pattern]:
                        found = samples[name]
                        for text, line, offset in kept[len(found) :]:
                            found.append(Sample(text, *place(events, line, offset)))
                for pattern in filled:
                    if patterns[pattern].count >= BATCH_ROWS:
                        yield from self._numbered(core, pattern, patterns[pattern])
        core.finish()
        self._stats = counted()
        for pattern, rows in patterns.items():
            if rows.count:
                yield from self._numbered(core, pattern, rows)
        if frames.error is not None:
            raise frames.error

    def _numbered(self, core: _core.Stream, pattern: int, rows: Rows) -> Iterator[tuple[str, pa.RecordBatch, Any]]:
        from metricscan.scanning.arrow import BATCH_ROWS, in_pieces

        batch, numbers = rows.take(core, pattern)
        for index, piece in enumerate(in_pieces(batch)):
            for name in self._scanner._plan.names[pattern]:
                yield name, piece, numbers[index * BATCH_ROWS : index * BATCH_ROWS + piece.num_rows]

    def _one_stream(self) -> Generator[tuple[str, pa.RecordBatch]]:
        core = self._scanner._new_core_stream(in_batches=True)
        self._stats = partial(self._scanner._stats, core)
        fault: SourceError | None = None
        with self._opened:
            try:
                for piece in self._opened:
                    core.feed(piece)
                    for pattern, columns in core.take_full():
                        yield from self._named(pattern, columns)
            except SourceError as error:
                fault = error
            core.finish()
        for pattern, columns in core.take():
            yield from self._named(pattern, columns)
        if fault is not None:
            raise fault

    def _many_blocks(self, workers: int) -> Generator[tuple[str, pa.RecordBatch]]:
        from metricscan.scanning import blocks
        from metricscan.scanning.arrow import Gathering

        fault: SourceError | None = None
        lines = 0
        gathering: dict[int, Gathering] = {}
        self._stats = stats = self._scanner._no_stats()
        with self._opened:
            try:
                for block in blocks.scan_blocks(self._opened, self._scanner, workers):
                    stats.bytes += block.bytes
                    stats.records += block.records
                    self._scanner._add_counts(stats, block.counted, lines)
                    for pattern, columns in block.columns:
                        columns.add_lines(lines)
                        for gathered in gathering.setdefault(pattern, Gathering()).add(columns):
                            yield from self._named(pattern, gathered)
                    lines += block.newlines
            except SourceError as error:
                fault = error
            for pattern, rest in gathering.items():
                for gathered in rest.take():
                    yield from self._named(pattern, gathered)
        if fault is not None:
            raise fault

    def _named(self, pattern: int, columns: _core.Columns) -> Iterator[tuple[str, pa.RecordBatch]]:
        from metricscan.scanning.arrow import from_columns, in_pieces

        for piece in in_pieces(from_columns(columns)):
            for name in self._scanner._plan.names[pattern]:
                yield name, piece


class Stream:
    """A live input: one job's stdout or stderr, fed as it arrives.

    Made by :meth:`Scanner.stream`. One thread at a time may use a stream; any number of streams share a scanner.

    Attributes
    ----------
    latest : mapping of str to Row or None
        The newest row of each metric, taken or not.

    Examples
    --------
    >>> with Scanner(["loss=loss=([0-9.]+)"]).stream() as stream:
    ...     stream.feed(b"loss=0.5\\nlo")
    ...     stream.feed(b"ss=0.25\\n")
    ...     stream.latest["loss"].value
    0.25
    """

    __slots__ = ("_core", "_scanner", "latest")

    def __init__(self, scanner: Scanner) -> None:
        self._scanner = scanner
        self._core = scanner._new_core_stream()
        self.latest: Mapping[str, Row | None] = _Latest(scanner, self._core)

    def feed(self, chunk: Any, time: datetime | float | None = None) -> None:
        """Scan a chunk; it may end anywhere, also within a record or a character.

        Parameters
        ----------
        chunk : bytes-like
            Not kept.
        time : datetime with a time zone, or seconds since the epoch, optional
            When the chunk arrived: the ``time`` of the rows whose records end in it. The last record, if no terminator
            ends it, gets the time of the last chunk.

        Raises
        ------
        TypeError
            The chunk is text, or the time is neither.
        ValueError
            The stream is closed, or the time has no time zone.
        """
        if time is None:
            self._core.feed(chunk)
        else:
            self._core.feed(chunk, _micros(time))

    def take(self) -> dict[str, pa.RecordBatch]:
        """The rows found since the last take: a batch for each metric that has some, zero-copy."""
        from metricscan.scanning.arrow import from_columns

        batches = {}
        for pattern in self._core.filled():
            columns = self._core.detach(pattern)
            if columns is not None:
                batch = from_columns(columns)
                batches.update(dict.fromkeys(self._scanner._plan.names[pattern], batch))
        return {name: batches[name] for name in self._scanner.metrics if name in batches}

    @property
    def stats(self) -> ScanStats:
        """Counts so far."""
        return self._scanner._stats(self._core)

    @property
    def closed(self) -> bool:
        """No more can be fed."""
        return self._core.closed

    def close(self) -> None:
        """Scan the last record, if no terminator ended it. ``take`` and ``latest`` stay valid."""
        self._core.finish()

    def __repr__(self) -> str:
        rows = sum(one.rows for one in self.stats.metrics.values())
        state = ", closed" if self.closed else ""
        return f"<Stream: {self._core.bytes} bytes, {self._core.records} records, {rows} rows{state}>"

    def __reduce_ex__(self, _: Any) -> Any:
        # a copy would share the memory that both write to
        raise TypeError("a stream can be neither copied nor pickled; its scanner can, and gives as many as are wanted")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Latest(Mapping[str, "Row | None"]):
    __slots__ = ("_core", "_scanner")

    def __init__(self, scanner: Scanner, core: _core.Stream) -> None:
        self._scanner = scanner
        self._core = core

    def __getitem__(self, name: str) -> Row | None:
        row = self._core.latest(self._scanner._plan.patterns[name])
        if row is None:
            return None
        value, line, offset, start, micros = row
        return Row(value, line, offset, start, None if micros is None else _EPOCH + timedelta(microseconds=micros))

    def __iter__(self) -> Iterator[str]:
        return iter(self._scanner.metrics)

    def __len__(self) -> int:
        return len(self._scanner.metrics)

    def __repr__(self) -> str:
        return repr(dict(self))


def _micros(time: Any) -> int:
    if isinstance(time, datetime):
        if time.tzinfo is None:
            raise ValueError(f"the time {time.isoformat()} has no time zone")
        return (time - _EPOCH) // _MICROSECOND
    if isinstance(time, (int, float)) and not isinstance(time, bool):
        micros = round(time * 1_000_000)
        if not _FIRST_TIME <= micros <= _LAST_TIME:
            raise ValueError(f"{time!r} seconds since the epoch lie outside the years 1 to 9999; are they seconds?")
        return micros
    raise TypeError(f"a time is a datetime or seconds since the epoch, not {type(time).__name__}")


def _checked(given: dict[str, str | None]) -> dict[str, str]:
    """The options with their defaults filled in; all faults in one error."""
    faults = []
    for name, value in given.items():
        if value is None and name == "newline":
            continue
        if value not in _CHOICES[name]:
            expected = " or ".join(map(repr, _CHOICES[name]))
            faults.append(f"{name}={value!r}: {expected} was expected")
    if given["escape"] == "syslog" and given["newline"] == "universal":
        faults.append(
            "newline='universal' with escape='syslog': escaped logs write \\r as #015, so \\n alone ends a record there"
        )
    if faults:
        raise OptionError("; ".join(faults))
    options = {name: str(value) for name, value in given.items()}
    if given["newline"] is None:
        options["newline"] = "lf" if given["escape"] == "syslog" else "universal"
    return options


def check_threads(threads: int | None) -> None:
    """Raise an OptionError if as many threads cannot be: None leaves it to the size of the input."""
    if threads is None:
        return
    if isinstance(threads, bool) or not hasattr(threads, "__index__") or threads < 1:
        raise OptionError(f"threads={threads!r}: a whole number, 1 or more was expected")


def report_untamed(scanner: Scanner, *, refuse: bool) -> None:
    """Warn of the patterns that are not tame, or raise; it warns whoever calls the caller."""
    doubts = {
        name: f"{one.engine} decides it and {plans.bound_of(one.engine)}, and it is not provably tame: {one.untamed}"
        for one in scanner._plan.explanations
        if one.untamed is not None
        for name in one.names
    }
    first_label = len(scanner.definitions) - len(scanner.labels)
    faults = [
        Fault(index, one.name, one.regex, None, doubts[one.name])
        if index < first_label
        else Fault(index - first_label, one.name, one.regex, None, doubts[one.name], kind="label")
        for index, one in enumerate(scanner.definitions)
        if one.name in doubts
    ]
    if refuse and faults:
        raise DefinitionError(tuple(faults))
    for fault in faults:
        message = f"{fault.kind} {fault.name!r}: {fault.message}: {str(fault.pattern)[:200]}"
        warnings.warn(message, DefinitionWarning, stacklevel=3)


def of_checked(definitions: Sequence[MetricDefinition], *, untamed: str, **options: str | None) -> Scanner:
    """A scanner of definitions whose suspicious regexes have been told of already; whoever calls reports the untamed."""
    loaded, decisions, _ = read_with(definitions, plans.decide)
    given = {"newline": None, "matches": "all", "escape": "none", "ansi": "keep", **options}
    _checked({**given, "untamed": untamed})
    scanner = Scanner.__new__(Scanner)
    scanner._set_up(loaded, decisions, given, {})
    return scanner


def _configured(definitions: Any, **settings: Any) -> Scanner:
    """A scanner with settings of the engine that change no row: for the tests and benchmarks.

    ``search`` ("simd", "naive": no prefilter, "every": every record to confirm), ``simd`` (a level, or "auto") and
    ``chunk_bytes`` (the pieces that files are read in and bytes are cut into), beside the public options.
    """
    internal: dict[str, Any] = {
        name: settings.pop(name) for name in ("search", "simd", "chunk_bytes") if name in settings
    }
    given = {"newline": None, "matches": "all", "escape": "none", "ansi": "keep", **settings}
    return _rebuild(load_definitions(definitions), given, internal)


def _rebuild(
    definitions: tuple[MetricDefinition, ...],
    given: dict[str, str | None],
    internal: dict[str, Any],
    labels: Sequence[str] = (),
) -> Scanner:
    scanner = Scanner.__new__(Scanner)
    scanner._set_up(definitions, {}, given, internal, labels)
    return scanner
