"""Peers that are regex engines: ``re`` and ``regex``, RE2, Hyperscan."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from peers.answers import Found, literal_of
from peers.engine import Engine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from inputs.corpora import Workload


class ReLines(Engine):
    """``re``, line by line: what a script does."""

    name = "re-lines"
    carriage_returns = True
    limit_bytes = 4 << 20

    def prepare(self, workload: Workload, path: Path) -> Callable[[], Found]:
        """Compile once; time the loop."""
        patterns = [(d["Name"], re.compile(d["Regex"].encode()).finditer) for d in workload.definitions]
        data = workload.data

        def extract() -> Found:
            values: dict[str, list[float]] = {name: [] for name, _ in patterns}
            lines: dict[str, list[int]] = {name: [] for name, _ in patterns}
            line = 1
            for record in data.splitlines(keepends=True):
                for name, finditer in patterns:
                    for match in finditer(record):
                        values[name].append(float(match[1]))
                        lines[name].append(line)
                line += record.endswith(b"\n")
            return Found(values, lines)

        return extract


class WholeText(Engine):
    """A regex module over the whole text, definition by definition, the newlines between two matches counted."""

    carriage_returns = True

    def compile(self, regex: bytes) -> Callable[[bytes], Iterable[Any]]:
        """Return the module's ``finditer`` for one regex."""
        raise NotImplementedError

    def prepare(self, workload: Workload, path: Path) -> Callable[[], Found]:
        """Compile once; time the search."""
        patterns = [(d["Name"], self.compile(d["Regex"].encode())) for d in workload.definitions]
        data = workload.data

        def extract() -> Found:
            found = Found({}, {})
            for name, finditer in patterns:
                values: list[float] = []
                lines: list[int] = []
                line, counted = 1, 0
                for match in finditer(data):
                    at = match.start(1)
                    line += data.count(b"\n", counted, at)
                    counted = at
                    values.append(float(match[1]))
                    lines.append(line)
                found.values[name] = values
                found.lines[name] = lines
            return found

        return extract


class ReText(WholeText):
    """``re`` over the whole text."""

    name = "re-text"

    def compile(self, regex: bytes) -> Callable[[bytes], Iterable[Any]]:
        """Return the module's ``finditer`` for one regex."""
        return re.compile(regex).finditer


class RegexText(WholeText):
    """``regex`` over the whole text."""

    name = "regex-text"
    package = "regex"

    def compile(self, regex: bytes) -> Callable[[bytes], Iterable[Any]]:
        """Return the module's ``finditer`` for one regex."""
        import regex as regex_module

        return regex_module.compile(regex).finditer


class Re2Text(WholeText):
    """RE2, through google's own wrapper, over the whole text."""

    name = "re2-text"
    package = "google-re2"

    def compile(self, regex: bytes) -> Callable[[bytes], Iterable[Any]]:
        """Return the module's ``finditer`` for one regex."""
        import re2

        finditer: Callable[[bytes], Iterable[Any]] = re2.compile(regex).finditer
        return finditer


class Hyperscan(Engine):
    """Hyperscan for all the literals in one pass, ``re`` for the capture at each place that it reports."""

    name = "hyperscan+re"
    package = "hyperscan"
    carriage_returns = True

    def prepare(self, workload: Workload, path: Path) -> Callable[[], Found]:
        """Compile once; time the search and the captures."""
        import hyperscan

        database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        literals = [literal_of(d["Regex"]).encode() for d in workload.definitions]
        database.compile(
            expressions=[re.escape(literal) for literal in literals],
            ids=list(range(len(literals))),
            elements=len(literals),
            flags=[hyperscan.HS_FLAG_SOM_LEFTMOST] * len(literals),
        )
        patterns = [(d["Name"], re.compile(d["Regex"].encode()).match) for d in workload.definitions]
        data = workload.data

        def extract() -> Found:
            values: list[list[float]] = [[] for _ in patterns]
            lines: list[list[int]] = [[] for _ in patterns]
            ends = [0] * len(patterns)
            line, counted = 1, 0

            def at_literal(index: int, start: int, end: int, flags: int, context: object) -> None:
                nonlocal line, counted
                match = patterns[index][1](data, start) if start >= ends[index] else None
                if match is not None:
                    ends[index] = match.end()
                    line += data.count(b"\n", counted, start)
                    counted = start
                    values[index].append(float(match[1]))
                    lines[index].append(line)

            database.scan(data, match_event_handler=at_literal)
            names = [name for name, _ in patterns]
            return Found(dict(zip(names, values, strict=True)), dict(zip(names, lines, strict=True)))

        return extract
