"""From definitions to the core's tables: one pattern per distinct regex, with the cheapest strategy that is exact for it.

Strategies, cheapest first: *span* matches in place in the core; *program* runs the core's matcher on each candidate
record; *confirm* defers each candidate record to ``re`` (or to ``regex``, for what ``re`` refuses).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from metricscan import _core
from metricscan.definitions.blocks import BLOCK, RUN
from metricscan.patterns import fingerprints, safety
from metricscan.patterns.budget import may_exceed
from metricscan.patterns.chain import chain as chain_of
from metricscan.patterns.dialect import Dialect, compile_quietly, read_regex, value_group
from metricscan.patterns.literals import best_set, required_literals
from metricscan.patterns.program import compile_program
from metricscan.patterns.span import Span
from metricscan.patterns.span import span as span_of
from metricscan.patterns.tree import Tree
from metricscan.scanning.companions import add_companions
from metricscan.scanning.deferred import NO_GROUP, Resolver
from metricscan.scanning.dropped import LITERALS as DROPPING
from metricscan.scanning.dropped import DroppedLines
from metricscan.scanning.labels import LabelStream
from metricscan.scanning.options import MAX_RECORD_BYTES
from metricscan.scanning.stats import MetricStats, Sample, ScanStats
from metricscan.scanning.tables import Needle, Pattern

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from metricscan.definitions.definition import MetricDefinition
    from metricscan.definitions.lint import Finding
    from metricscan.scanning.deferred import Found, RegexTime
    from metricscan.scanning.options import Ansi, Escape, Matches, Newline


#: The first row without a unit is looked for among so many rows; those before it are cut values.
FIRST_ROWS = 64


class Explanation(NamedTuple):
    """How one pattern is decided, and why cheaper strategies were declined.

    Attributes
    ----------
    names : tuple of str
        The metrics that share the regex; they share its work.
    regex : str
    strategy : {"span", "program", "confirm"}
    engine : str
        What decides a match: ``"core"``, ``"re"`` or ``"regex"``.
    literals : tuple of str
        A record is a candidate if it holds one of these. Empty: every record is a candidate.
    declined : tuple of (str, str)
        The cheaper strategies and the reason each was declined.
    untamed : str or None
        Why the pattern is not provably ReDoS-safe; None if it is, or if the core decides it.
    lint : tuple of Finding
        What in the regex is probably a mistake: a code, the reason, and a better regex or None.
    budget : str or None
        Which records may take more steps than their budget has, and so give no row; None: none that a scan takes by default.
    """

    names: tuple[str, ...]
    regex: str
    strategy: str
    engine: str
    literals: tuple[str, ...]
    declined: tuple[tuple[str, str], ...]
    untamed: str | None = None
    lint: tuple[Finding, ...] = ()
    budget: str | None = None

    def __str__(self) -> str:
        lines = [f"{', '.join(self.names)}: {self.regex}", f"  strategy  {self.strategy}, decided by {self.engine}"]
        if self.literals:
            lines.append("  searched  " + " | ".join(map(repr, self.literals)))
        else:
            lines.append("  searched  nothing: it has no literal, so every record is tried")
        lines += [f"  not {strategy:<8}{reason}" for strategy, reason in self.declined]
        if self.untamed is not None:
            lines.append(f"  untamed   {self.engine} runs it {bound_of(self.engine)}, and {self.untamed}")
        if self.budget is not None:
            lines.append(f"  budget    records that may exceed it: {self.budget}")
        for finding in self.lint:
            lines.append(f"  lint      {finding.code}: {finding.reason}")
        # one regex for all that it mends
        better = dict.fromkeys(finding.suggestion for finding in self.lint if finding.suggestion is not None)
        lines += [f"  better    {suggestion}" for suggestion in better]
        return "\n".join(lines)


def bound_of(engine: str) -> str:
    """How the time that an engine may take for one record is bounded, as a part of a sentence."""
    return "with no bound but a clock" if engine == "regex" else "with no bound on its time"


class Explanations(tuple[Explanation, ...]):
    """The explanations of a scanner, in the order of the definitions. Their text is the report that a person reads."""

    __slots__ = ()

    def __str__(self) -> str:
        return "\n".join(map(str, self))

    __repr__ = __str__


class Decision(NamedTuple):
    """How a pattern is decided, as far as that depends on its text alone.

    Attributes
    ----------
    engine : {"re", "regex"}
    compiled : re.Pattern, regex.Pattern or None
        None if the core decides it.
    group : int
        The group that holds the value.
    row : Pattern
        The pattern's entry in the core's tables.
    literals : tuple of bytes
    declined : tuple of (str, str)
    doubt : str or None
        Why it is not provably ReDoS-safe; None if it is, or if the core decides it.
    """

    engine: str
    compiled: Any
    group: int
    row: Pattern
    literals: tuple[bytes, ...]
    declined: tuple[tuple[str, str], ...]
    doubt: str | None

    def may_exceed(self, regex: str) -> str | None:
        """Which records may exceed the budget of steps of its program; the regex is its own."""
        if self.row.program is None:
            return None
        tree = read_regex(regex).tree
        return may_exceed(Tree(tree, tree.state.flags), self.row.program)


Search = Literal["simd", "naive", "every"]
Place: TypeAlias = "Callable[[int, int], tuple[int, int]]"


class Plan(NamedTuple):
    """Definitions compiled for the core.

    Every kind of scan uses a plan: it makes the core's streams, and turns their counts into statistics.

    Attributes
    ----------
    engine : _core.Engine
    resolver : Resolver
        Resolves the records that the core defers.
    names : tuple of tuple of str
        Per pattern, the metrics that share it.
    patterns : dict of str to int
        Per metric, its pattern.
    explanations : Explanations
    labels : tuple of int
        The patterns whose values are text.
    metrics : tuple of str
        All metrics, labels included, in the order of the definitions.
    universal : bool
        Whether ``\\r`` ends a record too.
    decided : dict of str to Decision
        By regex, how the patterns of metrics are decided; for another plan of the same definitions.
    companions : dict of int to int
        The pattern that each companion watches; empty unless the plan watches.
    with_units : frozenset of int
        The watched patterns that leave open what follows the value.
    dropping : int or None
        The hidden pattern of the records that say how many lines are missing; None unless the plan watches.
    dropped : DroppedLines or None
        What decides them.
    level : str
        The SIMD level that was asked for; "auto" is the best.
    """

    engine: _core.Engine
    resolver: Resolver
    names: tuple[tuple[str, ...], ...]
    patterns: dict[str, int]
    explanations: Explanations
    labels: tuple[int, ...]
    metrics: tuple[str, ...]
    universal: bool
    level: str
    decided: Mapping[str, Decision]
    companions: dict[int, int]
    with_units: frozenset[int]
    dropping: int | None
    dropped: DroppedLines | None

    def new_stream(self, *, at_beginning: bool = True, in_batches: bool = False, trace: bool = False) -> _core.Stream:
        """A stream of the core.

        Parameters
        ----------
        at_beginning : bool
            Whether what will be fed is a source from its beginning: NULs and a byte-order mark there belong to no record.
        in_batches : bool
            Whether full batches of rows are set aside for ``take_full`` while the stream runs.
        trace : bool
            Whether the stream notes each match in ``traced``. Only the notes can be used then: labels give no rows.
        """
        resolver = self.resolver.fresh()
        if self.labels and not trace:
            labels = self.labels
            return LabelStream(self.engine, resolver, labels, at_beginning=at_beginning, in_batches=in_batches)
        return _core.Stream(self.engine, resolver, at_beginning=at_beginning, in_batches=in_batches, trace=trace)

    def first_places(self) -> _core.FirstPlaces:
        """What keeps the first rows of the metrics whose values may have units."""
        # hidden are the companions, and the pattern of records that say that lines are missing
        return _core.FirstPlaces(self.with_units, FIRST_ROWS, len(self.names) - len(self.companions) - 1)

    def sharing_regex_time(self, time: RegexTime | None) -> Plan:
        """A plan whose streams have this CPU time of ``regex`` together, if they share none already."""
        return self._replace(resolver=self.resolver.sharing(time))

    def new_stats(self) -> ScanStats:
        """Empty statistics, in which every metric is a key."""
        return ScanStats(metrics={name: MetricStats() for name in self.metrics})

    def stats_of(self, core: _core.Stream, place: Place | None = None) -> ScanStats:
        """What a stream has counted so far; ``place`` as :meth:`add_counts` takes it."""
        stats = self.new_stats()
        stats.bytes, stats.records, stats.cut_off = core.bytes, core.records, core.cut_off
        stats.too_long = core.too_long
        self.add_counts(stats, core.counted(), place)
        return stats

    def add_counts(
        self, stats: ScanStats, counted: Iterable[tuple[int, _core._Counts]], place: Place | None = None
    ) -> None:
        """Add the counts of a part of the input to the statistics.

        Parameters
        ----------
        stats : ScanStats
            Changed in place; ``bytes``, ``records``, ``cut_off`` and ``too_long`` are left to the caller.
        counted : iterable of (pattern, counts)
            As ``core.counted()`` gives it.
        place : callable, optional
            Converts a sample's line and offset in the fed bytes to those in the input, where they differ.
        """
        for pattern, (rows, unparsed, failed, timeouts, over_budget, samples) in counted:
            if place is None:
                kept = [Sample(*sample) for sample in samples]
            else:
                kept = [Sample(text, *place(line, offset)) for text, line, offset in samples]
            for name in self.names[pattern]:
                stats.metrics[name].merge(MetricStats(rows, unparsed, failed, timeouts, over_budget, kept))


def build(
    definitions: Sequence[MetricDefinition],
    decisions: Mapping[str, Decision],
    labels: Sequence[str] = (),
    *,
    newline: Newline,
    matches: Matches,
    escape: Escape,
    ansi: Ansi,
    search: Search = "simd",
    simd: str = "auto",
    max_record_bytes: int = MAX_RECORD_BYTES,
    watch_beside: Plan | None = None,
) -> Plan:
    """Merge definitions of the same regex, choose a strategy for each pattern, and compile the search.

    Parameters
    ----------
    definitions : sequence of MetricDefinition
        They are valid: their regexes compile.
    decisions : mapping of str to Decision
        By regex, the results of :func:`decide` that are known already; not used for labels.
    labels : sequence of str
        The names of the definitions that are labels.
    newline, matches, escape, ansi, max_record_bytes
        The options of the scanner, checked.
    search, simd : str
        Settings of the engine that change no row: ``"naive"`` has no prefilter, ``"every"`` defers every record; a SIMD level.
    watch_beside : Plan, optional
        A plan of the same definitions. The patterns of metrics get companions, whose rows are suspects: values that may not be
        what the log says. Records that say that lines are missing are found, too.
    """
    names: dict[tuple[str, str], list[str]] = {}
    for definition in definitions:
        kind = "metric" if definition.name not in labels else "block" if definition.name in (BLOCK, RUN) else "label"
        names.setdefault((definition.regex, kind), []).append(definition.name)

    rows: list[Pattern] = []
    deciders: dict[int, tuple[str, re.Pattern[str], int]] = {}
    explanations = []
    users: dict[bytes, list[int]] = {}
    always = []
    decided = {key: decisions[key[0]] for key in names if key[1] == "metric" and key[0] in decisions}
    if len(decided) < len(names):
        for regex, kind in names:
            if (regex, kind) not in decided:
                decision = decide(read_regex(regex), block=kind == "block")
                if kind == "block":
                    decision = decision._replace(group=NO_GROUP)
                decided[regex, kind] = decision._replace(row=decision.row._replace(is_label=kind != "metric"))
    for index, (key, sharers) in enumerate(names.items()):
        regex = key[0]
        engine_name, compiled, group, row, literals, declined, doubt = decided[key]
        if compiled is None and search == "every":
            compiled = compile_quietly(regex)
        if compiled is not None:
            deciders[index] = engine_name, compiled, group
        rows.append(row)
        for literal in literals:
            users.setdefault(literal, []).append(index)
        if not literals:
            always.append(index)
        explanations.append(
            Explanation(
                tuple(sharers),
                regex,
                row.strategy,
                engine_name if row.strategy == "confirm" else "core",
                tuple(literal.decode() for literal in literals),
                declined,
                doubt,
            )
        )
    # a record that was rewritten is rewritten again where it is scanned alone
    named = () if always or escape != "none" or ansi != "keep" else tuple(users)
    companions: dict[int, int] = {}
    dropped: DroppedLines | None = None
    dropping: int | None = None
    others: dict[int, Callable[[bytes], list[Found]]] = {}
    if watch_beside is not None:
        companions = add_companions(rows, deciders, list(names), users, always, search)
        named = () if always else named
        dropping, dropped = len(rows), DroppedLines(partial(watch_beside.new_stream, at_beginning=False), named)
        others[dropping] = dropped.find
        rows.append(Pattern("confirm"))
        for literal in DROPPING:
            users.setdefault(literal, []).append(dropping)
    texts = list(users)
    hidden = {index for index, text in enumerate(texts) if min(users[text]) >= len(names)}
    chosen = fingerprints.choose(texts, hidden)
    engine = _core.Engine(
        rows,
        [Needle(text, chosen.places[index], users[text]) for index, text in enumerate(texts)],
        list(chosen.groups),
        always,
        universal=newline == "universal" and escape != "syslog",
        syslog=escape == "syslog",
        strip=ansi == "strip",
        matches=matches,
        search=search,
        level=simd,
        max_record_bytes=max_record_bytes,
    )
    return Plan(
        engine,
        Resolver(deciders, matches, frozenset(companions), others),
        (*map(tuple, names.values()), *[()] * (len(rows) - len(names))),
        {name: index for index, sharers in enumerate(names.values()) for name in sharers},
        Explanations(explanations),
        tuple(index for index, (_, kind) in enumerate(names) if kind != "metric"),
        tuple(definition.name for definition in definitions),
        newline == "universal",
        simd,
        {regex: decision for (regex, kind), decision in decided.items() if kind == "metric"},
        companions,
        frozenset(index for index, row in enumerate(rows) if row.watch is not None and row.watch.has_units),
        dropping,
        dropped,
    )


def decide(dialect: Dialect, *, block: bool = False) -> Decision:
    """Choose the cheapest strategy that is exact for a pattern. What separates blocks is deferred: it counts once a record."""
    group = value_group(dialect)
    tree = Tree(dialect.tree, dialect.tree.state.flags)

    def decision(row: Pattern, literals: tuple[bytes, ...], **declined: str) -> Decision:
        compiled = doubt = None
        if row.strategy == "confirm":
            compiled = dialect.with_code().compiled
            doubt = safety.doubt(tree, classes_known=dialect.engine == "re")
        return Decision(dialect.engine, compiled, group, row, literals, tuple(declined.items()), doubt)

    if dialect.engine != "re":
        reason = "only regex takes the pattern"
        return decision(Pattern("confirm"), (), span=reason, program=reason)
    if block:
        reason = "what separates blocks counts once a record"
        return decision(Pattern("confirm"), _literals(tree), span=reason, program=reason)
    span = span_of(tree, group)
    if not isinstance(span, str) and _is_found_by_its_end(span):
        span = "what follows its run is rarer than what stands before it"
    if not isinstance(span, str):
        # a counted span is exact only where each character is one byte; the same pattern as a program handles other records
        program = compile_program(tree, group) if span.counted else None
        if not isinstance(program, str):
            return decision(Pattern("span", span, program), (span.prefix,))
        span = "it counts characters"
    literals = _literals(tree)
    program = compile_program(tree, group)
    if isinstance(program, str):
        return decision(Pattern("confirm"), literals, span=span, program=program)
    chain = chain_of(tree, group)
    if chain is not None and not _is_rarer(literals, chain.prefix):
        return decision(Pattern("program", None, program, chain.steps), (chain.prefix,), span=span)
    return decision(Pattern("program", None, program), literals, span=span)


# A literal whose fingerprint matches at more than this share of a log's places is worth avoiding, if another literal is
# rarer by the factor _RARER.
_FREQUENT = 1e-2
_RARER = 8


def _is_found_by_its_end(span: Span) -> bool:
    r"""Whether a span such as `` (\d+) words/s`` is found with less work by the text after its run.

    A span is tried wherever its prefix occurs: at every blank here. As a program it is tried only in records with its suffix.
    """
    if not span.suffix or not fingerprints.is_above(span.prefix, _FREQUENT):
        return False
    return fingerprints.is_above(span.prefix, _RARER * fingerprints.weight(span.suffix))


def _is_rarer(literals: tuple[bytes, ...], prefix: bytes) -> bool:
    """Whether a program searched for by these literals has far fewer candidates than a chain searched for by its prefix."""
    if not fingerprints.is_above(prefix, _FREQUENT):
        return False
    return fingerprints.is_above(prefix, _RARER * sum(map(fingerprints.weight, literals)))


def _literals(tree: Tree) -> tuple[bytes, ...]:
    return best_set(list(required_literals(tree))) or ()
