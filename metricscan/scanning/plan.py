"""From definitions to the core's tables: one pattern per distinct regex, the cheapest strategy that is exact for it.

Strategies, cheapest first: *span* matches in place in the core; *program* runs the core's matcher on each candidate
record; *confirm* lets ``re`` (or ``regex``, for what ``re`` refuses) decide it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from metricscan import _core
from metricscan.patterns import fingerprints, safety
from metricscan.patterns.chain import chain as chain_of
from metricscan.patterns.dialect import Dialect, compile_quietly, read_regex, value_group
from metricscan.patterns.program import compile_program
from metricscan.patterns.span import Span, Tree, best_set, required_literals
from metricscan.patterns.span import span as span_of
from metricscan.scanning.deferred import Confirm
from metricscan.scanning.tables import Needle, Pattern

if TYPE_CHECKING:
    import re
    from collections.abc import Mapping, Sequence

    from metricscan.definitions.definition import MetricDefinition
    from metricscan.definitions.lint import Finding


class Explanation(NamedTuple):
    """How one pattern is decided, and why not more cheaply.

    Attributes
    ----------
    names : tuple of str
        The metrics that share the regex; they share its work.
    regex : str
    strategy : {"span", "program", "confirm"}
    engine : str
        What decides a match: ``"core"``, ``"re"`` or ``"regex"``.
    literals : tuple of str
        One of these must occur in a record for it to be looked at. Empty: every record is.
    declined : tuple of (str, str)
        The cheaper strategies and the reason each was declined.
    untamed : str or None
        Why backtracking might run away with it: of patterns that ``re`` or ``regex`` decides and that are not provably tame.
    lint : tuple of Finding
        What is probably not meant in the regex: a code, the reason, and a better regex or None.
    """

    names: tuple[str, ...]
    regex: str
    strategy: str
    engine: str
    literals: tuple[str, ...]
    declined: tuple[tuple[str, str], ...]
    untamed: str | None = None
    lint: tuple[Finding, ...] = ()

    def __str__(self) -> str:
        lines = [f"{', '.join(self.names)}: {self.regex}", f"  strategy  {self.strategy}, decided by {self.engine}"]
        if self.literals:
            lines.append("  searched  " + " | ".join(map(repr, self.literals)))
        else:
            lines.append("  searched  nothing: it has no literal, so every record is tried")
        lines += [f"  not {strategy:<8}{reason}" for strategy, reason in self.declined]
        if self.untamed is not None:
            lines.append(f"  untamed   {self.engine} {bound_of(self.engine)}, and {self.untamed}")
        for finding in self.lint:
            lines.append(f"  lint      {finding.code}: {finding.reason}")
            if finding.suggestion is not None:
                lines.append(f"  better    {finding.suggestion}")
        return "\n".join(lines)


def bound_of(engine: str) -> str:
    """How the time that an engine may take over a record is bounded."""
    return "is bounded by a clock alone" if engine == "regex" else "knows no bound"


class Explanations(tuple[Explanation, ...]):
    """The explanations of a scanner, in the order of the definitions; printed or shown, they are laid out."""

    __slots__ = ()

    def __str__(self) -> str:
        return "\n".join(map(str, self))

    __repr__ = __str__


class Decision(NamedTuple):
    """What a pattern's text says of how it is decided.

    Attributes
    ----------
    engine : {"re", "regex"}
    compiled : re.Pattern, regex.Pattern or None
        None: the core decides it.
    group : int
        The group that holds the value.
    row : Pattern
        What the core's tables hold of it.
    literals : tuple of bytes
    declined : tuple of (str, str)
    doubt : str or None
        Why it is not provably tame, if the core does not decide it.
    """

    engine: str
    compiled: Any
    group: int
    row: Pattern
    literals: tuple[bytes, ...]
    declined: tuple[tuple[str, str], ...]
    doubt: str | None


class Plan(NamedTuple):
    """What a scanner runs on.

    Attributes
    ----------
    engine : _core.Engine
    confirm : Confirm
    names : tuple of tuple of str
        Per pattern, the metrics that share it.
    patterns : dict of str to int
        Per metric, its pattern.
    explanations : Explanations
    labels : tuple of int
        The patterns whose values are text.
    """

    engine: _core.Engine
    confirm: Confirm
    names: tuple[tuple[str, ...], ...]
    patterns: dict[str, int]
    explanations: Explanations
    labels: tuple[int, ...]


def build(
    definitions: Sequence[MetricDefinition],
    decisions: Mapping[str, Decision],
    labels: Sequence[str] = (),
    *,
    newline: str,
    matches: str,
    escape: str,
    ansi: str,
    search: str = "simd",
    simd: str = "auto",
) -> Plan:
    """Dedupe by regex, choose a strategy for each pattern, and compile the search.

    The definitions are valid: their regexes compile, what has been decided already is in ``decisions``, but for those whose
    names are ``labels``.
    """
    names: dict[tuple[str, bool], list[str]] = {}
    for definition in definitions:
        names.setdefault((definition.regex, definition.name in labels), []).append(definition.name)

    rows: list[Pattern] = []
    deciders: dict[int, tuple[str, re.Pattern[str], int]] = {}
    explanations = []
    users: dict[bytes, list[int]] = {}
    always = []
    decided = {key: decisions[key[0]] for key in names if not key[1] and key[0] in decisions}
    if len(decided) < len(names):
        for regex, is_label in names:
            if (regex, is_label) not in decided:
                decided[regex, is_label] = decide(read_regex(regex), label=is_label)
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
    texts = list(users)
    chosen = fingerprints.choose(texts)
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
    )
    return Plan(
        engine,
        Confirm(deciders, matches),
        tuple(map(tuple, names.values())),
        {name: index for index, sharers in enumerate(names.values()) for name in sharers},
        Explanations(explanations),
        tuple(index for index, (_, is_label) in enumerate(names) if is_label),
    )


def decide(dialect: Dialect, *, label: bool = False) -> Decision:
    """Choose the cheapest strategy that is exact for a pattern; the text of a label is read in Python."""
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
    if label:
        reason = "a label captures text"
        return decision(Pattern("confirm"), _literals(tree), span=reason, program=reason)
    span = span_of(tree, group)
    if not isinstance(span, str) and _is_found_by_its_end(span):
        span = "what follows its run is rarer than what stands before it"
    if not isinstance(span, str):
        # a span that counts bytes is none where characters have several: the same pattern as a program takes those records
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


# Beyond this share of the places of a log a literal's fingerprint is worth avoiding, if another is so much rarer.
_FREQUENT = 1e-2
_RARER = 8


def _is_found_by_its_end(span: Span) -> bool:
    r"""Whether a span such as `` (\d+) words/s`` is better searched for by what follows the run.

    A span is tried at each place of its prefix: at every blank here. As a program it is tried in records with the suffix alone.
    """
    if not span.suffix or not fingerprints.is_above(span.prefix, _FREQUENT):
        return False
    return fingerprints.is_above(span.prefix, _RARER * fingerprints.weight(span.suffix))


def _is_rarer(literals: tuple[bytes, ...], prefix: bytes) -> bool:
    """Whether a program that is found by these has much fewer places to look at than a chain by its prefix."""
    if not fingerprints.is_above(prefix, _FREQUENT):
        return False
    return fingerprints.is_above(prefix, _RARER * sum(map(fingerprints.weight, literals)))


def _literals(tree: Tree) -> tuple[bytes, ...]:
    return best_set(list(required_literals(tree))) or ()
