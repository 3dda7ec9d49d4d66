"""Findings about definitions that need a log: numbers that were cut, matches in longer names, prefixes, escape sequences."""

from __future__ import annotations

import re
from collections import defaultdict
from re import _constants as sre  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any, NamedTuple

from metricscan.definitions.definition import MetricDefinition
from metricscan.definitions.lint import Finding
from metricscan.definitions.regex_parts import NUMBER, RegexParts, kept, leading_literal, parts_of, standing_alone
from metricscan.logs.exports import text_head
from metricscan.logs.job import is_read_once

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from metricscan.scanning.scanner import Scanner

# Bytes that are read of each log: findings occur early in it.
MOST_BYTES = 16 << 20
_MOST_ROWS = 100_000

# Colours: escape sequences of terminals, and how the service's logs write them.
_ESCAPES = r"(?:\x1b\[[0-9;]*m|#033\[[0-9;]*m|#015)*"
_ENDS_IN_ESCAPE = re.compile(_ESCAPES.removesuffix("*").encode() + rb"\Z")
_LONGEST_ESCAPE = 40
_NUMBER = re.compile(NUMBER.encode())
# float() accepts underscores between digits: 1_000
_GOES_ON = re.compile(rb"_[0-9]")
_NUMBER_AND_ESCAPE = re.compile(rf"{NUMBER}(?:\x1b\[|#0[0-3][0-7])")
# No digits: a digit right before a name usually belongs to something else.
_IN_NAME = re.compile(rb"[A-Za-z_/.-]")
# The prefixes that launchers and loggers put before a line: [1,0]<stdout>:, [rank0]:, (Worker pid=7), 0:, algo-1|, a time.
_PREFIX = re.compile(
    rb"(?:\[[^\[\]]{0,80}\](?:<std(?:out|err)>)?:?|\([^()]{0,80}\)|\w*\d+[\w.-]*\s*[:|]|[\w.-]*-\d+\s*[:|]"
    rb"|\d{4}-\d\d-\d\d[T ][\d:.,Z+-]+|\x1b\[[0-9;]*m|#033\[[0-9;]*m|\s)+"
)


class _Row(NamedTuple):
    value: float
    line: int
    offset: int  # of the record
    start: int  # of the value


def lint_log(scanner: Scanner, paths: Iterable[str], input_format: str = "plain") -> dict[str, list[Finding]]:
    """Give the findings about each metric that some logs confirm.

    Parameters
    ----------
    scanner : Scanner
    paths : iterable of path
        The first 16 MiB of each are read again. Logs that can be read only once, or not at all, are skipped.
    input_format : str
        The format of the logs, as for :func:`metricscan.replay`. Of exports the text of the messages is read.

    Returns
    -------
    dict of str to list of Finding
        By metric, without metrics that have no finding.
    """
    plain = scanner.options["escape"] == "none" and scanner.options["ansi"] == "keep"
    read = {one.name: parts_of(one.regex) for one in scanner.definitions if one.name not in scanner.labels}
    known = {name: definition for name, definition in read.items() if definition is not None}
    counts: dict[str, _Counts] = defaultdict(_Counts)
    for data, of_messages in _texts(paths, input_format):
        rows, samples = _scanned(scanner, data)
        for name, definition in known.items():
            if plain:
                counts[name].look_at(definition, data, rows[name], of_messages)
            counts[name].escaped += sum(_NUMBER_AND_ESCAPE.match(text) is not None for text in samples[name])
        for kind, variants in (("past", _without_start(known)), ("between", _over_escapes(known))):
            if not variants:
                continue
            others = [MetricDefinition(name, regex) for name, regex in variants.items()]
            found, _ = _scanned(scanner.with_options(others, scanner.options), data)
            for name in variants:
                seen = {row.start for row in rows[name]}
                more = [row for row in found[name] if row.start not in seen]
                stands = _stands_behind_prefix if kind == "past" else _stands_behind_escape
                counts[name].note(kind, [row for row in more if stands(known[name], data, row)], of_messages)
    findings = {name: counts[name].findings(definition) for name, definition in known.items()}
    return {name: some for name, some in findings.items() if some}


class _Counts:
    """Counts of one metric over all logs."""

    def __init__(self) -> None:
        self.rows = 0
        self.cut = 0
        self.first_cut: tuple[str, float, str] | None = None
        self.inside = 0
        self.longer = ""
        self.escaped = 0
        self.more = {"past": 0, "between": 0}
        self.lines: dict[str, str] = {}

    def look_at(self, definition: RegexParts, data: bytes, rows: list[_Row], of_messages: str) -> None:
        if not rows:
            return
        # the literal occurs in the records, so a lone surrogate in it is a byte that is not UTF-8
        literal = leading_literal(definition)[0].encode("utf-8", "surrogateescape")
        self.rows += len(rows)
        for row in rows:
            whole = _NUMBER.match(data, row.start)
            if (
                whole is not None
                and row.value == row.value
                and float(whole[0]) != row.value
                and _GOES_ON.match(data, whole.end()) is None
            ):
                self.cut += 1
                self.first_cut = self.first_cut or (whole[0].decode(), row.value, f"line {row.line}{of_messages}")
            at = data.rfind(literal, row.offset, row.start) if literal else -1
            if at > row.offset and _IN_NAME.match(data, at - 1):
                self.inside += 1
                if not self.longer:
                    name = re.search(rb"[\w/.-]*\Z", data[max(row.offset, at - 60) : at])
                    self.longer = ((name[0] if name else b"") + literal).decode("utf-8", "replace").rstrip(" =:'\"")

    def note(self, kind: str, more: list[_Row], of_messages: str) -> None:
        self.more[kind] += len(more)
        if more:
            self.lines.setdefault(kind, f"line {more[0].line}{of_messages}")

    def findings(self, definition: RegexParts) -> list[Finding]:
        found = []
        if self.first_cut is not None:
            whole, value, line = self.first_cut
            reason = f"{_of(self.cut, self.rows)} were cut: {whole} is read as {value!r} in {line}"
            found.append(Finding("cut-number", reason, kept(definition, definition.with_body(NUMBER))))
        if 0 < self.inside < self.rows:
            reason = f"{_of(self.inside, self.rows)} belong to {self.longer!r} or another longer name"
            better = kept(definition, standing_alone(definition))
            found.append(Finding("inside-longer-name", reason, better))
        if self.more["past"]:
            reason = f"^ excludes {self.more['past']:,} more: a prefix stands before them, as in {self.lines['past']}"
            found.append(Finding("start-behind-prefix", reason, _without_start({"": definition}).get("")))
        if self.more["between"]:
            reason = f"escape sequences before the value exclude {self.more['between']:,} more, as in {self.lines['between']}"
            found.append(Finding("escapes-between", reason, _over_escapes({"": definition}).get("")))
        if self.escaped:
            reason = "its value includes the escape sequences behind the number"
            found.append(Finding("escapes-in-value", reason, kept(definition, definition.with_body(NUMBER))))
        return found


def _of(some: int, every: int) -> str:
    return f"{some:,} of {every:,} values"


def _texts(paths: Iterable[str], input_format: str) -> Iterator[tuple[bytes, str]]:
    """The text of each log, and `` of the messages`` if lines are those of an export's messages, not of the log."""
    for path in paths:
        if is_read_once(path):
            continue
        data, format_ = text_head(path, input_format, MOST_BYTES)
        yield data, "" if format_ == "plain" else " of the messages"


def _scanned(scanner: Scanner, data: bytes) -> tuple[dict[str, list[_Row]], dict[str, list[str]]]:
    result = scanner.scan(data, threads=1)
    rows = {}
    for name, table in result.items():
        columns: Any = [table[key][:_MOST_ROWS].to_pylist() for key in ("value", "line", "offset", "start")]
        rows[name] = [_Row(*row) for row in zip(*columns, strict=True)]
    return rows, {name: [sample.text for sample in one.samples] for name, one in result.stats.metrics.items()}


def _without_start(definitions: dict[str, RegexParts]) -> dict[str, str]:
    """The regexes that start with ``^``, without it."""
    found = {}
    for name, definition in definitions.items():
        flags = re.match(r"\(\?[aimsu]+\)", definition.regex)
        at = flags.end() if flags else 0
        if definition.regex.startswith("^", at) and definition.items[0] == (sre.AT, sre.AT_BEGINNING):
            found[name] = definition.regex[:at] + definition.regex[at + 1 :]
    return found


def _over_escapes(definitions: dict[str, RegexParts]) -> dict[str, str]:
    """The regexes, changed to allow escape sequences before the group of the value."""
    found = {}
    for name, definition in definitions.items():
        better = definition.with_body(NUMBER, _ESCAPES) if definition.group else None
        if better is not None and kept(definition, better):
            found[name] = better
    return found


def _stands_behind_prefix(definition: RegexParts, data: bytes, row: _Row) -> bool:
    """Whether only prefixes of launchers and loggers precede the match in its record."""
    literal = ""
    for op, av in definition.items[1:]:
        if op is not sre.LITERAL:
            break
        literal += chr(av)
    at = data.find(literal.encode("utf-8", "surrogatepass"), row.offset, row.start) if literal else -1
    return at > row.offset and _PREFIX.fullmatch(data, row.offset, at) is not None


def _stands_behind_escape(definition: RegexParts, data: bytes, row: _Row) -> bool:
    return _ENDS_IN_ESCAPE.search(data[max(row.offset, row.start - _LONGEST_ESCAPE) : row.start]) is not None
