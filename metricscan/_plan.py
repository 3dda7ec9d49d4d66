"""From definitions to the core's tables: one pattern per distinct regex, the cheapest strategy that is exact for it.

Strategies, cheapest first: *span* matches in place in the core; *program* runs the core's matcher on each candidate
record; *confirm* lets ``re`` (or ``regex``, for what ``re`` refuses) decide it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from metricscan import _core, _fingerprints, _pattern, _program, _tame
from metricscan._confirm import Confirm
from metricscan._dialect import compile_regex, in_words_of_re, value_group

if TYPE_CHECKING:
    import re
    from collections.abc import Sequence

    from metricscan._lint import Finding
    from metricscan.definition import MetricDefinition

_SPAN, _CONFIRM, _PROGRAM = 0, 1, 2
_STRATEGIES = {_SPAN: "span", _PROGRAM: "program", _CONFIRM: "confirm"}
_SHAPES = {None: 0, "lazy": 1, "greedy": 2}
_MATCHES = {"all": 0, "first": 1, "last": 2}
_SEARCHES = {"simd": 0, "naive": 1, "every": 2}


class Explanation(NamedTuple):
    """How one pattern is decided, and why not more cheaply.

    Attributes
    ----------
    names : tuple of str
        The metrics that share the regex; they share its work.
    regex : str
    strategy : {"span", "program", "confirm"}
    engine : str
        What decides a match: ``"core"``, ``"re"`` or ``"regex"``. Under ``"core"`` a record whose bytes alone do not
        settle the match (a class such as ``\\S`` that meets a character outside ASCII) is still decided by ``re``.
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
            lines.append(f"  untamed   {self.engine} knows no bound, and {self.untamed}")
        for finding in self.lint:
            lines.append(f"  lint      {finding.code}: {finding.reason}")
            if finding.suggestion is not None:
                lines.append(f"  better    {finding.suggestion}")
        return "\n".join(lines)


class Explanations(tuple[Explanation, ...]):
    """The explanations of a scanner, in the order of the definitions; ``str()`` lays them out."""

    __slots__ = ()

    def __str__(self) -> str:
        return "\n".join(map(str, self))


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
    """

    engine: _core.Engine
    confirm: Confirm
    names: tuple[tuple[str, ...], ...]
    patterns: dict[str, int]
    explanations: Explanations


def build(
    definitions: Sequence[MetricDefinition],
    *,
    newline: str,
    matches: str,
    escape: str,
    ansi: str,
    search: str = "simd",
    simd: str = "auto",
) -> Plan:
    """Dedupe by regex, choose a strategy for each pattern, and compile the search.

    The definitions are valid: their regexes compile.
    """
    names: dict[str, list[str]] = {}
    for definition in definitions:
        names.setdefault(definition.regex, []).append(definition.name)
    lf_records = newline == "lf" or escape == "syslog"

    rows: list[tuple[object, ...]] = []
    deciders: list[tuple[str, re.Pattern[str], int]] = []
    explanations = []
    users: dict[bytes, list[int]] = {}
    always = []
    for index, (regex, sharers) in enumerate(names.items()):
        dialect = compile_regex(regex)
        group = value_group(dialect.compiled)
        deciders.append((dialect.engine, dialect.compiled, group))
        row, literals, declined = _facts(regex, dialect.engine, group, lf_records=lf_records)
        rows.append(row)
        for literal in literals:
            users.setdefault(literal, []).append(index)
        if not literals:
            always.append(index)
        explanations.append(
            Explanation(
                tuple(sharers),
                regex,
                _STRATEGIES[row[0]],
                dialect.engine if row[0] == _CONFIRM else "core",
                tuple(literal.decode() for literal in literals),
                declined,
                _doubt(regex, dialect.engine) if row[0] == _CONFIRM else None,
            )
        )
    texts = list(users)
    chosen = _fingerprints.choose(texts)
    engine = _core.Engine(
        rows,
        [(text, chosen.places[index], users[text]) for index, text in enumerate(texts)],
        list(chosen.groups),
        always,
        universal=not lf_records,
        syslog=escape == "syslog",
        strip=ansi == "strip",
        matches=_MATCHES[matches],
        search=_SEARCHES[search],
        level=simd,
    )
    return Plan(
        engine,
        Confirm(deciders, matches),
        tuple(map(tuple, names.values())),
        {name: index for index, sharers in enumerate(names.values()) for name in sharers},
        Explanations(explanations),
    )


def _doubt(regex: str, engine: str) -> str | None:
    """Why backtracking might run away with it, as far as its syntax says."""
    try:
        # in words that re knows, the repeats of a pattern of regex are the same, its classes are not
        tree = _pattern.parse(regex if engine == "re" else in_words_of_re(regex))
    except RecursionError:
        return _pattern.TOO_DEEP
    return _tame.doubt(tree, classes_known=engine == "re")


_Row = tuple[Any, ...]


def _facts(
    regex: str, engine: str, group: int, *, lf_records: bool
) -> tuple[_Row, tuple[bytes, ...], tuple[tuple[str, str], ...]]:
    """The core's row for a pattern, the literals to search for, and why the cheaper strategies were declined."""
    if engine != "re":
        return (_CONFIRM,), (), (("span", "only regex takes the pattern"), ("program", "only regex takes the pattern"))
    try:
        tree = _pattern.parse(regex)
    except RecursionError:
        # it was compiled where the stack was shorter
        return (_CONFIRM,), (), (("span", _pattern.TOO_DEEP), ("program", _pattern.TOO_DEEP))
    span = _pattern.span(tree, group, lf_records=lf_records)
    if not isinstance(span, str):
        return _row(span), (span.prefix,), ()
    literals = _pattern.best_set(list(_pattern.required_literals(tree))) or ()
    program = _program.compile_program(tree, group)
    if isinstance(program, str):
        return (_CONFIRM,), literals, (("span", span), ("program", program))
    return (_PROGRAM, *program), literals, (("span", span),)


def _row(span: _pattern.Span) -> tuple[object, ...]:
    return (
        _SPAN,
        _SHAPES[span.run],
        span.prefix,
        span.table,
        span.run_min,
        span.run_max,
        span.suffix,
        span.at_start,
        span.at_end,
        span.counted,
        span.value_from_run,
        span.value_from,
        span.value_to_run,
        span.value_to,
    )
