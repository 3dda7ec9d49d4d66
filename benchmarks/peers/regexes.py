"""Peers that are regex engines: ``re`` and ``regex``, RE2, PCRE2, Rust's, Hyperscan and its Chimera."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from peers.answers import Found, literal_of
from peers.engine import Engine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

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


class Pcre2Text(WholeText):
    """PCRE2 with its JIT, through the faster of the two wrappers (pypcre and pcre2), over the whole text."""

    name = "pcre2-text"
    package = "pypcre"

    def compile(self, regex: bytes) -> Callable[[bytes], Iterable[Any]]:
        """Return the module's ``finditer`` for one regex."""
        import pcre

        pattern = pcre.compile(regex)
        assert pattern.jit
        finditer: Callable[[bytes], Iterable[Any]] = pattern.finditer
        return finditer


class RustText(WholeText):
    """Rust's regex, through the fastest of its wrappers (rurex, regex-rust and rure), over the whole text."""

    name = "rust-text"
    package = "rurex"

    def compile(self, regex: bytes) -> Callable[[bytes], Iterable[Any]]:
        """Return the module's ``finditer`` for one regex."""
        import rurex

        finditer: Callable[[bytes], Iterable[Any]] = rurex.compile(regex).finditer
        return finditer


class Pcre2Loop(Engine):
    """PCRE2 with its JIT in a loop of C++: nothing that one can install, but what a rival could build of it."""

    name = "pcre2 in C++"
    carriage_returns = True
    source = Path(__file__).with_name("pcre2_loop.cc")

    def absent(self) -> str | None:
        """Return why it cannot run here, or None."""
        if shutil.which("c++") is None:
            return "there is no command c++"
        header = subprocess.run(
            ["c++", "-E", "-x", "c++", "-DPCRE2_CODE_UNIT_WIDTH=8", "-include", "pcre2.h", "/dev/null"],
            check=False,
            capture_output=True,
        )
        return "there is no pcre2.h (apt-get install libpcre2-dev)" if header.returncode else None

    def version(self) -> str:
        """Return the version of the library."""
        version = ctypes.create_string_buffer(64)
        ctypes.CDLL("libpcre2-8.so.0").pcre2_config_8(11, version)  # PCRE2_CONFIG_VERSION
        return version.value.decode().split()[0]

    def prepare(self, workload: Workload, path: Path) -> Callable[[], Found]:
        """Compile the loop; time it, with the compilation of the regexes, which takes microseconds."""
        import numpy as np

        library = path.with_suffix(".so")
        subprocess.run(
            ["c++", "-O3", "-march=native", "-std=c++17", "-shared", "-fPIC", "-o", library, self.source, "-lpcre2-8"],
            check=True,
        )
        loop = ctypes.CDLL(str(library)).extract
        loop.restype = ctypes.c_int64
        loop.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p]
        patterns = [(d["Name"], d["Regex"].encode()) for d in workload.definitions]
        data = workload.data

        def extract() -> Found:
            found = Found({}, {})
            for name, regex in patterns:
                # memory that is not written is not there
                values, lines = np.empty(len(data) // 2 + 1), np.empty(len(data) // 2 + 1, np.int64)
                rows = loop(regex, data, len(data), values.ctypes.data, lines.ctypes.data)
                if rows < 0:
                    raise ValueError(f"{regex!r} cannot be compiled, or captures what is no number")
                found.values[name], found.lines[name] = values[:rows], lines[:rows]
            return found

        return extract


class Chimera(Engine):
    """Chimera: Hyperscan finds where PCRE may match, PCRE (without a JIT) what it captures; all definitions in one pass."""

    name = "chimera"
    package = "hyperscan"
    carriage_returns = True

    def prepare(self, workload: Workload, path: Path) -> Callable[[], Found]:
        """Compile once; time the pass, and what makes numbers of the captures."""
        import hyperscan

        database = hyperscan.Database(mode=hyperscan.CH_MODE_GROUPS, chimera=True)
        names = [d["Name"] for d in workload.definitions]
        database.compile(
            expressions=[d["Regex"].encode() for d in workload.definitions],
            ids=list(range(len(names))),
            flags=[0] * len(names),
        )
        data = workload.data

        def extract() -> Found:
            values: list[list[float]] = [[] for _ in names]
            lines: list[list[int]] = [[] for _ in names]
            line, counted = 1, 0

            def at_match(
                index: int, start: int, end: int, flags: int, captured: list[tuple[int, int, int]], context: object
            ) -> None:
                nonlocal line, counted
                line += data.count(b"\n", counted, start)
                counted = start
                _, first, last = captured[1]
                values[index].append(float(data[first:last]))
                lines[index].append(line)

            database.scan(data, match_event_handler=at_match)
            return Found(dict(zip(names, values, strict=True)), dict(zip(names, lines, strict=True)))

        return extract


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
