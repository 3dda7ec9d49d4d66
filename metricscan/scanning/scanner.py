"""Scanner: definitions, compiled once, applied to any number of inputs."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, get_args

from metricscan.definitions.blocks import StepPlace  # noqa: TC001 - typing.get_type_hints looks it up
from metricscan.definitions.definition import MetricDefinition, load_definitions, read_with
from metricscan.definitions.lint import lint
from metricscan.errors import DefinitionError, DefinitionWarning, Fault, OptionError, SourceError
from metricscan.logs.compression import MAX_DECOMPRESSED
from metricscan.logs.source import CHUNK_BYTES
from metricscan.scanning import plan as plans
from metricscan.scanning import stream_state
from metricscan.scanning.batches import Batches
from metricscan.scanning.options import (  # typing.get_type_hints looks most of them up
    MAX_RECORD_BYTES,
    Ansi,
    Escape,
    InputFormat,
    Matches,
    Newline,
    Untamed,
    check_max_record_bytes,
    checked,
)
from metricscan.scanning.result import Match, ScanResult
from metricscan.scanning.stream import Stream

if TYPE_CHECKING:
    import pyarrow as pa

    from metricscan.scanning.deferred import RegexTime
    from metricscan.scanning.plan import Decision, Explanations, Plan

# a stream is told its format: the first bytes may not have arrived
_LIVE_FORMATS = tuple(one for one in get_args(InputFormat) if one != "auto")


class Scanner:
    """Metric definitions, compiled: immutable, shareable between threads, picklable.

    Parameters
    ----------
    definitions : list or path
        ``{"Name": .., "Regex": ..}`` dicts, :class:`MetricDefinition` or ``"NAME=REGEX"`` strings; or the path of a JSON
        or YAML file that holds such a list.
    labels : mapping of str to str, or list
        Names and regexes, or a list like that of the definitions: what distinguishes the workers of one job. The text that
        a label captures is kept, and not read as a number. The tables of labels follow those of the metrics; their
        ``value`` is a string.
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
    max_record_bytes : int
        Records of more bytes than this give no rows, are counted (``stats.too_long``) and are not held in memory: 64 MiB by
        default, at least 256 KiB.
    untamed : {"warn", "refuse", "allow"}
        What to do with a pattern that the core does not decide and that is not provably ReDoS-safe: nothing bounds the time
        that ``re`` may take for one record. ``explain()`` names these patterns.

    Attributes
    ----------
    definitions : tuple of MetricDefinition
        Those of the labels come last.
    metrics, labels : tuple of str
        The names of all definitions, and those of the labels among them.
    options : dict of str to str
        ``newline``, ``matches``, ``escape`` and ``ansi``, with the defaults filled in.
    fingerprint : str
        SHA-256 of what determines the rows: equal scanners have the same one, in every process.
    plan : Plan
        What the definitions were compiled to; for this package alone.

    Raises
    ------
    DefinitionError
        All errors of the definitions together; under ``untamed="refuse"`` also all untamed patterns. It is a ValueError too.
    OptionError
        An option has an invalid value. It is a ValueError too.

    Examples
    --------
    >>> scanner = Scanner([{"Name": "loss", "Regex": "Loss = (.*?);"}])
    >>> result = scanner.scan(b"Loss = 16.020744;  Iteration 0\\nLoss = 12.5;  Iteration 1\\n")
    >>> result["loss"]["value"].to_pylist()
    [16.020744, 12.5]
    >>> result["loss"]["line"].to_pylist()
    [1, 2]
    >>> scanner = Scanner(["loss=loss=([0-9.]+)"], labels={"worker": r"\\[(rank[0-9]+)\\]:"})
    >>> scanner.scan(b"[rank0]: loss=2\\n[rank1]: loss=3\\n")["worker"]["value"].to_pylist()
    ['rank0', 'rank1']
    """

    __slots__ = (
        "_chunk_bytes",
        "_given",
        "_internal",
        "_watching",
        "definitions",
        "fingerprint",
        "labels",
        "metrics",
        "options",
        "plan",
    )

    definitions: tuple[MetricDefinition, ...]
    metrics: tuple[str, ...]
    labels: tuple[str, ...]
    options: dict[str, str]
    fingerprint: str
    plan: Plan

    def __init__(
        self,
        definitions: Any,
        *,
        labels: Any = (),
        newline: Newline | None = None,
        matches: Matches = "all",
        escape: Escape = "none",
        ansi: Ansi = "keep",
        untamed: Untamed = "warn",
        max_record_bytes: int = MAX_RECORD_BYTES,
    ) -> None:
        internal = _internal_of(max_record_bytes)
        given: dict[str, str | None] = {"newline": newline, "matches": matches, "escape": escape, "ansi": ansi}
        labels = () if labels is None else list(labels) if isinstance(labels, Iterator) else labels
        try:
            loaded, decisions, suspicions = read_with(definitions, plans.decide, labels)
        except DefinitionError as error:
            try:
                checked({**given, "untamed": untamed})
            except OptionError as wrong:
                options = Fault(None, None, None, None, f"the options beside them: {wrong.message}")
                faults = (*error.faults, options)
                raise DefinitionError(faults, source=error.source, warnings=error.warnings) from None
            raise
        checked({**given, "untamed": untamed})
        for suspicion in suspicions:
            warnings.warn(suspicion, DefinitionWarning, stacklevel=2)
        names = [one.name for one in loaded[len(loaded) - len(labels) :]]
        self._set_up(loaded, decisions, given, internal, names)
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
        options = checked(given)
        self.definitions = definitions
        self.metrics = tuple(definition.name for definition in definitions)
        self.labels = tuple(labels)
        self.options = options
        described: dict[str, Any] = {"definitions": [[d.name, d.regex] for d in definitions], "options": options}
        if labels:
            described["labels"] = self.labels
        if "max_record_bytes" in internal:
            described["max_record_bytes"] = internal["max_record_bytes"]
        self.fingerprint = hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()
        self._given = given
        self._internal = internal
        settings: dict[str, Any] = {**options, **internal}
        self._chunk_bytes = int(settings.pop("chunk_bytes", CHUNK_BYTES))
        self.plan = plans.build(definitions, decisions, self.labels, **settings)
        self._watching: Plan | None = None

    @property
    def max_record_bytes(self) -> int:
        """The longest record that is matched."""
        return int(self._internal.get("max_record_bytes", MAX_RECORD_BYTES))

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

    def scan(
        self,
        source: Any,
        threads: int | None = None,
        *,
        input_format: InputFormat = "plain",
        max_decompressed: int = MAX_DECOMPRESSED,
    ) -> ScanResult:
        """Scan an input to its end.

        Parameters
        ----------
        source : path, bytes-like, binary file object, or iterable of bytes-like chunks
            A str is always a path. Paths and file objects are decompressed (gzip, zstd, xz, bzip2, lz4). A path may lead into
            an archive: ``logs.tar.gz/job_a/train.log``.
        threads : int, optional
            How many threads share the work; by default one for inputs below 32 MiB, else one per core. The rows do not
            depend on it. Only bytes and plain files are shared. A large compressed file takes two threads, unless
            ``threads=1``: one decompresses, one scans. A pipe and chunks take one.
        input_format : {"plain", "auto", "cloudwatch-json", "cloudwatch-csv", "s3-export", "docker-json", "cri"}
            What the input is: text, an export of log events, or a container's log. The messages of events are scanned as
            text; each event gives its rows their ``time``, and their places are those in the export. ``"auto"``: what the
            first bytes show, and for an export to S3 also the path.
        max_decompressed : int
            The most bytes that a compressed input is decompressed to; more are an error. 64 GiB by default.

        Returns
        -------
        ScanResult
            A table per metric: value float64, line int64, offset int64, start int64, time timestamp[us, UTC]. The
            tables keep the columns that the scan wrote; nothing is copied.

        Raises
        ------
        SourceError
            The input cannot be read, or is an archive of several logs; its ``partial`` holds the result up to there. A record
            that the error cut off gives no row, and is counted (``stats.cut_off``).
        TypeError
            The source is text.
        """
        found: dict[str, list[pa.RecordBatch]] = {}
        running = self.batches(source, threads, input_format=input_format, max_decompressed=max_decompressed)

        def result() -> ScanResult:
            # one empty tuple for all metrics without a row: a small input holds few of thousands of metrics
            return ScanResult({**dict.fromkeys(self.metrics, ()), **found}, running.counting, self.labels)

        try:
            for name, batch in running:
                found.setdefault(name, []).append(batch)
        except SourceError as error:
            error.partial = result()
            raise
        return result()

    def batches(
        self,
        source: Any,
        threads: int | None = 1,
        *,
        input_format: InputFormat = "plain",
        max_decompressed: int = MAX_DECOMPRESSED,
    ) -> Batches:
        """Scan an input piece by piece: memory stays bounded, whatever its size.

        Yields ``(name, pyarrow.RecordBatch)``: a metric's batch as soon as it is full (some 65,000 rows), the rest at the end.
        A metric's batches come in the order of the input. The iterator has ``stats``, complete when it is exhausted. A caller
        that stops before that must close it, or use it in a ``with``.

        Raises
        ------
        SourceError
            After the batches of everything before the error.
        """
        return Batches(
            self.plan,
            source,
            threads,
            input_format,
            chunk_bytes=self._chunk_bytes,
            max_decompressed=max_decompressed,
        )

    @property
    def watching_plan(self) -> Plan:
        """The plan of the same definitions that finds suspects too; for this package alone. It is made when first asked for."""
        if self._watching is None:
            settings: dict[str, Any] = {**self.options, **self._internal}
            settings.pop("chunk_bytes", None)
            self._watching = plans.build(
                self.definitions, self.plan.decided, self.labels, watch_beside=self.plan, **settings
            ).sharing_regex_time(self.plan.resolver.shared)
        return self._watching

    def sharing_regex_time(self, time: RegexTime | None) -> Scanner:
        """A scanner whose scans, and those of the scanners that are made from it, have this time of ``regex`` together."""
        if time is None:
            return self
        other = Scanner.__new__(Scanner)
        for name in Scanner.__slots__:
            setattr(other, name, getattr(self, name))
        other.plan, other._watching = self.plan.sharing_regex_time(time), None
        return other

    def _rebuilt(self, definitions: tuple[MetricDefinition, ...], *given: Any) -> Scanner:
        return _rebuild(definitions, *given).sharing_regex_time(self.plan.resolver.shared)

    def watching_batches(
        self,
        source: Any,
        threads: int | None = 1,
        *,
        input_format: InputFormat = "plain",
        max_decompressed: int = MAX_DECOMPRESSED,
        between: tuple[int, int | None] | None = None,
        in_order: bool = False,
        again: bool = False,
        plan: Plan | None = None,
    ) -> Batches:
        """Scan an input, or a range of its bytes, as :meth:`batches` does, and look for suspects; for this package alone."""
        use = plan or self.watching_plan
        sizes = {"chunk_bytes": self._chunk_bytes, "max_decompressed": max_decompressed}
        return Batches(use, source, threads, input_format, between=between, in_order=in_order, again=again, **sizes)

    # ---- one input, as it arrives

    def stream(
        self,
        *,
        state: bytes | None = None,
        offset: int = 0,
        line: int = 1,
        format: InputFormat = "plain",  # noqa: A002
        step: str | None = None,
        step_place: StepPlace = "before",
        worker: str | Sequence[str] = (),
        carry: bool | str | Sequence[str] = False,
    ) -> Stream:
        """Open a live stream: feed it chunks as they arrive, take rows when you like.

        Parameters
        ----------
        state : bytes, optional
            What :meth:`Stream.state` returned, in this process or another: the stream goes on from there. It must be fed from its
            ``resume_offset`` on.
        offset : int
            Where in a log the stream begins. The places of its rows are those in the whole log. A record begins there: the rest
            of one that began before counts as a record, and behind a ``\\r`` a ``\\n`` ends an empty record. NULs and
            byte-order marks belong to no record only at offset 0.
        line : int
            The line of that record, from 1.
        format : {"plain", "cloudwatch-json", "cloudwatch-csv", "s3-export", "docker-json", "cri"}
            What the log is: text, an export of log events, or a container's log, as :meth:`scan` takes it. It goes on from a
            state alone.
        step : str, optional
            The metric that counts the steps, for :meth:`Stream.rows`.
        step_place : {"before", "after", "block"}
            Which step a row has without one in its own record, as :class:`Objective` takes it. "block" needs a scanner that
            finds the separators.
        worker : str or sequence of str
            The labels or metrics that distinguish the workers of the job, as :func:`wide` takes them: each has steps of its own.
        carry : bool, str or sequence of str
            Which workers, or whether all of them, hold also for the records that follow, until the next match.

        Raises
        ------
        OptionError
            The state is damaged, or was made by another version, or by a scanner of other definitions or options, or of a stream
            with another step or other workers; offset and line contradict each other or the state; a metric does not exist.

        Examples
        --------
        >>> scanner = Scanner(["loss=loss=([0-9.]+)"])
        >>> stream = scanner.stream()
        >>> stream.feed(b"loss=1\\nlo")
        >>> rows, state = stream.take(), stream.state()
        >>> stream = scanner.stream(state=state)
        >>> stream.resume_offset
        7
        >>> stream.feed(b"loss=2\\n")
        >>> stream.latest["loss"]
        Row(value=2.0, line=2, offset=7, start=12, time=None)
        >>> with scanner.stream(offset=7, line=2) as stream:
        ...     stream.feed(b"loss=2")
        >>> stream.latest["loss"]
        Row(value=2.0, line=2, offset=7, start=12, time=None)
        """
        return self._stream(None, state, offset, line, format, step, step_place, worker, carry)

    def watching_stream(
        self,
        format: InputFormat = "plain",  # noqa: A002
        *,
        state: bytes | None = None,
        offset: int = 0,
        line: int = 1,
        step: str | None = None,
        step_place: StepPlace = "before",
        worker: str | Sequence[str] = (),
        carry: bool | str | Sequence[str] = False,
    ) -> Stream:
        """Open a stream as :meth:`stream` does, and look for suspects; for this package alone."""
        return self._stream(self.watching_plan, state, offset, line, format, step, step_place, worker, carry)

    def _stream(
        self,
        watching: Plan | None,
        state: bytes | None,
        offset: int,
        line: int,
        format_: InputFormat,
        step: str | None,
        step_place: StepPlace,
        worker: str | Sequence[str],
        carry: bool | str | Sequence[str],
    ) -> Stream:
        joining = None
        if step is not None or worker or carry or step_place != "before":
            from metricscan.scanning import stream_rows

            joining = stream_rows.checked(self.metrics, self.labels, step, step_place, worker, carry)
        if format_ not in _LIVE_FORMATS:
            raise OptionError(f"format={format_!r}: {' or '.join(map(repr, _LIVE_FORMATS))} was expected")
        if state is None:
            standing = stream_state.begun(offset, line)
            if standing is not None and format_ != "plain":
                raise OptionError(
                    f"offset={offset!r}, format={format_!r}: within such a log a stream begins by a state alone"
                )
            return Stream(self, standing, joining, format_, watching)
        if (offset, line) != (0, 1):
            raise OptionError(f"offset={offset!r}, line={line!r}: the state says where the stream begins")
        with stream_state.reading():
            standing = stream_state.read(state, self.fingerprint, format_, joining)
            return Stream(self, standing, joining, format_, watching)

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
        core = self.plan.new_stream(at_beginning=False, trace=True)
        core.feed(data)
        if not data:
            # an empty record has no bytes to feed, but a lone terminator ends one
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
            for start, end, text, value_start, value_end, value, number in by_pattern.get(self.plan.patterns[name], ())
        ]

    def explain(self) -> Explanations:
        """How each pattern is decided, its searched literals, why cheaper strategies were declined, and likely mistakes.

        >>> print(Scanner(["loss=loss: ([0-9.]+),"]).explain())
        loss: loss: ([0-9.]+),
          strategy  span, decided by core
          searched  'loss: '
          lint      no-sign-or-exponent: 1.5e-05 is not found; -1.5 is not found
          better    loss: ([-+]?(?:[0-9]+\\.?[0-9]*(?:[eE][-+]?[0-9]+)?|\\.[0-9]+(?:[eE][-+]?[0-9]+)?|[Nn]a[Nn]\\b|[Ii]nf(?:inity)?\\b)),
        """  # noqa: E501
        regexes = [definition.regex for definition in self.definitions]
        return plans.Explanations(
            one
            if one.names[0] in self.labels
            else one._replace(
                lint=lint(one.names[0], one.regex, regexes), budget=self.plan.decided[one.regex].may_exceed(one.regex)
            )
            for one in self.plan.explanations
        )

    # ---- the same definitions with other options

    def with_options(
        self, definitions: Sequence[MetricDefinition], options: dict[str, str], *, most_record_bytes: int | None = None
    ) -> Scanner:
        """A scanner of some of these definitions under other options, for records up to a length. All are known to be valid."""
        labels = [one.name for one in definitions if one.name in self.labels]
        kept = {name: value for name, value in self._internal.items() if name == "max_record_bytes"}
        if most_record_bytes is not None:
            kept["max_record_bytes"] = min(kept.get("max_record_bytes", MAX_RECORD_BYTES), most_record_bytes)
        return self._rebuilt(tuple(definitions), {**options}, kept, labels)

    def with_labels(self, labels: Any) -> Scanner:
        """A scanner that has some labels more.

        Parameters
        ----------
        labels : mapping of str to str, or list
            As the scanner takes them.

        Raises
        ------
        DefinitionError
            They are invalid, or have the name of another definition.
        """
        metrics = [one for one in self.definitions if one.name not in self.labels]
        own = [one for one in self.definitions if one.name in self.labels]
        added = [MetricDefinition(*one) for one in labels.items()] if hasattr(labels, "items") else list(labels)
        loaded, _, suspicions = read_with(metrics, plans.decide, [*own, *added])
        for suspicion in suspicions:
            warnings.warn(suspicion, DefinitionWarning, stacklevel=3)
        names = [one.name for one in loaded[len(metrics) :]]
        alone = _rebuild(loaded[len(metrics) + len(own) :], self._given, {}, names[len(own) :])
        report_untamed(alone, refuse=False)
        return self._rebuilt(loaded, self._given, self._internal, names)

    def with_block(self, separators: MetricDefinition) -> Scanner:
        """A scanner that also finds the separators of blocks, or the records that begin runs, as rows of a label.

        The definition is known to be valid.

        Raises
        ------
        OptionError
            A definition has the same name.
        """
        if separators.name in self.metrics:
            raise OptionError(f"a definition is called {separators.name!r}: another table has this name")
        return self._rebuilt(
            (*self.definitions, separators), self._given, self._internal, (*self.labels, separators.name)
        )


def report_untamed(scanner: Scanner, *, refuse: bool) -> None:
    """Warn of the patterns that are not provably ReDoS-safe, or raise a DefinitionError that names them all.

    A warning points at the code that called the caller.
    """
    doubts = {
        name: f"`{one.engine}` runs this regex {plans.bound_of(one.engine)}, and it is not ReDoS-safe: {one.untamed}"
        for one in scanner.plan.explanations
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


def _internal_of(max_record_bytes: int) -> dict[str, Any]:
    check_max_record_bytes(max_record_bytes)
    return {} if max_record_bytes == MAX_RECORD_BYTES else {"max_record_bytes": int(max_record_bytes)}


def of_checked(
    definitions: Sequence[MetricDefinition],
    *,
    untamed: str,
    max_record_bytes: int = MAX_RECORD_BYTES,
    **options: str | None,
) -> Scanner:
    """A scanner of definitions whose suspicious regexes were reported already; the caller reports the untamed ones."""
    loaded, decisions, _ = read_with(definitions, plans.decide)
    given = {"newline": None, "matches": "all", "escape": "none", "ansi": "keep", **options}
    checked({**given, "untamed": untamed})
    scanner = Scanner.__new__(Scanner)
    scanner._set_up(loaded, decisions, given, _internal_of(max_record_bytes))
    return scanner


def _configured(definitions: Any, **settings: Any) -> Scanner:
    """A scanner with settings of the engine that change no row, for tests and benchmarks.

    Beside the public options: ``search`` ("simd"; "naive": no prefilter; "every": every record is deferred), ``simd`` (a
    level, or "auto") and ``chunk_bytes`` (the size of the pieces that files are read in and bytes are cut into).
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
