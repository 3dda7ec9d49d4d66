"""Definitions and a log: every way of asking the engine, beside the oracle."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from support import reference
from support.deadline import TooSlow, cpu_limit
from support.feeding import bits, expected, scanned, streamed

from metricscan.patterns.dialect import compile_regex
from metricscan.patterns.safety import may_explode
from metricscan.patterns.tree import Tree
from metricscan.scanning.scanner import _configured

# ``re`` is given this much for all of a case; then the case is none.
ORACLE_CPU_S = 0.5


class Difference(AssertionError):
    """The engine and the oracle do not say the same."""

    def __init__(self, case: tuple[Any, ...], how: str, wanted: Any, found: Any) -> None:
        regexes, log, options, cuts = case
        super().__init__(
            f"{how}\n  regex    {', '.join(map(ascii, regexes))}\n  log      {log!r}\n  options  {options} cut at {cuts}"
            f"\n  expected {wanted!r}\n  got      {found!r}"
        )
        self.how = how
        self.wanted = wanted
        self.found = found


def compare(regexes: Sequence[str], log: bytes, cuts: Sequence[int] = (), **options: Any) -> int:
    """How many pairs of record and definition the core decided and the oracle agreed to; none if one was over budget.

    Raises
    ------
    Difference
        They do not agree.
    TooSlow
        The oracle takes too long to know.
    """
    case = (regexes, log, options, tuple(cuts))
    definitions = [{"Name": f"m{number}", "Regex": regex} for number, regex in enumerate(regexes)]
    compiled = [(definition["Name"], reference.compiled(definition["Regex"])) for definition in definitions]
    newline = reference.effective_newline(options.get("newline"), options.get("escape", "none"))
    records = list(reference.records(log, newline, options.get("escape", "none")))
    with cpu_limit(ORACLE_CPU_S):
        wanted = expected(definitions, log, **options)
        matches = [
            [_found(name, pattern, content, options) for name, pattern in compiled]
            for _, _, content in records
            if not content.endswith(b"\r")
        ]
    scanner = _configured(definitions, **options)
    counts = scanner.scan(log).stats.metrics
    over = [name for name, one in counts.items() if one.over_budget]
    if over:
        # what depends on captured text may be exponential, and re may be quicker than a step is long; nothing else may
        wild = {name: may_explode(tree_of(regex)) for name, regex in zip(counts, regexes, strict=True)}
        if not all(wild[name] for name in over):
            raise Difference(case, "scan", "no record over budget", over)
        return 0
    for (_, _, content), some in zip(
        (record for record in records if not record[2].endswith(b"\r")), matches, strict=True
    ):
        if any(one is None for one in some):
            # re itself fails
            continue
        right = [match for one in some for match in one or ()]
        found = [_comparable(match) for match in scanner.find(content + b"\n")]
        if found != right:
            raise Difference(case, f"find({content!r})", right, found)
    ways = {
        "scan": lambda: scanned(scanner, log),
        "stream": lambda: streamed(scanner, cut(log, cuts), take_often=bool(len(cuts) & 1)),
    }
    for how, ask in ways.items():
        try:
            found = ask()
        except AssertionError as error:
            raise Difference(case, how, wanted, str(error)) from error
        if found != wanted:
            raise Difference(case, how, wanted, found)
    native = sum(one.engine == "core" for one in scanner.plan.explanations)
    return native * len(records)


def tree_of(regex: str) -> Tree:
    """The tree as the package has it."""
    tree = compile_regex(regex).tree
    return Tree(tree, tree.state.flags)


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    """The data in pieces."""
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def _found(name: str, pattern: Any, content: bytes, options: dict[str, Any]) -> list[Any] | None:
    seen, _ = reference.as_seen(content, 0, options.get("escape", "none"), options.get("ansi", "keep"))
    try:
        return [_comparable(match) for match in reference.find(name, pattern, seen, options.get("matches", "all"))]
    except (RuntimeError, SystemError):
        return None


def _comparable(match: Any) -> tuple[Any, ...]:
    return (*match[:5], None if match[5] is None else bits(match[5]))


__all__ = ["Difference", "TooSlow", "compare", "cut"]
