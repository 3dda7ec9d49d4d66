"""metricscan and its peers, each doing the same job: bytes in memory to float values per definition, on one thread.

Every peer is written the way an expert in it would, and of the formulations that were tried the fastest is kept. What
an engine finds is compared with the oracle before its time counts. A peer whose package is not installed is named as
absent, never an error: ``pip install google-re2 polars duckdb hyperscan`` and ``apt-get install ripgrep mtail`` bring
them all.
"""

from __future__ import annotations

import importlib.metadata
import io
import json
import os
import re
import shutil
import subprocess
import threading
from abc import ABC, abstractmethod
from array import array
from bisect import bisect_left
from typing import TYPE_CHECKING, Any, NamedTuple

import measure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from corpora import Workload

# Polars reads this once, at its import. Set it to another number beforehand for another comparison.
os.environ.setdefault("POLARS_MAX_THREADS", "1")


class Found(NamedTuple):
    """What an engine found: per metric one column, of any array type that numpy can read."""

    values: dict[str, Any]
    lines: dict[str, Any]
    offsets: dict[str, Any] | None = None
    """Byte offset of each row's record; ours alone gives these and `starts`."""
    starts: dict[str, Any] | None = None
    counts: dict[str, int] | None = None
    """How many rows there were, from an engine that keeps only the last value of each metric."""


class Expected(NamedTuple):
    """The right answer: per metric parallel columns, in stream order."""

    values: dict[str, array[float]]
    lines: dict[str, array[int]]
    offsets: dict[str, array[int]]
    starts: dict[str, array[int]]

    def up_to(self, end: int) -> Expected:
        """Return the rows of the records that begin before the byte offset `end`."""
        kept = {name: bisect_left(offsets, end) for name, offsets in self.offsets.items()}
        return Expected(*({name: rows[: kept[name]] for name, rows in column.items()} for column in self))

    def over(self, names: Iterable[str]) -> Expected:
        """Return the same for more metrics, of which no row is there."""
        listed = list(names)
        return Expected(*({name: column.get(name, array("d")) for name in listed} for column in self))

    @property
    def row_count(self) -> int:
        """Rows of all metrics together."""
        return sum(map(len, self.values.values()))


def literal_of(regex: str) -> str:
    """Return the text that the regex starts with: what a user of a peer would filter lines by."""
    match = re.match(r"(?:[^\\.^$*+?{}\[\]|()](?![*+?{]))+", regex)
    if match is None:
        raise ValueError(f"{regex} starts with no literal")
    return match[0]


def oracle(workload: Workload) -> Expected:
    """Find the rows as the contract says: ``re.finditer`` on every record, decoded, for every definition.

    A record that holds none of a definition's literal is not tried, which saves minutes and cannot change the answer.
    """
    expected = Expected(*({d["Name"]: array(kind) for d in workload.definitions} for kind in "dqqq"))
    patterns = [
        (definition["Name"], literal_of(definition["Regex"]).encode(), re.compile(definition["Regex"]))
        for definition in workload.definitions
    ]
    offset, line = 0, 1
    for raw in workload.data.splitlines(keepends=True):  # of bytes: \n, \r\n and \r alone end a line
        record = raw.rstrip(b"\r\n")
        for name, literal, pattern in patterns:
            if literal not in record:
                continue
            text = record.decode("utf-8", "surrogateescape")
            for match in pattern.finditer(text):
                expected.values[name].append(float(match[1]))
                expected.lines[name].append(line)
                expected.offsets[name].append(offset)
                before = text[: match.start(1)].encode("utf-8", "surrogateescape")
                expected.starts[name].append(offset + len(before))
        offset += len(raw)
        line += raw.endswith(b"\n")
    return expected


def difference(found: Found, expected: Expected) -> str | None:
    """Say where what was found differs from the oracle, or None: every row of every column is compared."""
    import numpy as np

    if found.counts is not None:
        for name, right in expected.values.items():
            if found.counts[name] != len(right):
                return f"{name}: {found.counts[name]} rows, expected {len(right)}"
            if len(right) and found.values[name] != [right[-1]]:
                return f"{name}: the last value is {found.values[name][0]!r}, expected {right[-1]!r}"
        return None
    for title, found_columns, expected_columns in zip(Expected._fields, found[:4], expected, strict=True):
        if found_columns is None:
            continue
        for name, right in expected_columns.items():
            column = found_columns[name]
            rows = column.to_numpy() if hasattr(column, "to_numpy") else np.asarray(column)
            if len(rows) != len(right):
                return f"{name}: {len(rows)} {title}, expected {len(right)}"
            if not np.array_equal(rows, np.asarray(right)):
                first = int(np.flatnonzero(rows != np.asarray(right))[0])
                return f"{name}: {title} differ from row {first} on: {rows[first]!r}, expected {right[first]!r}"
    return None


class Engine(ABC):
    """One way to do the job."""

    name: str
    package: str | None = None
    """The distribution that must be installed, beside metricscan's own dependencies."""
    carriage_returns = False
    """Whether it can read records that end in ``\\r`` and more than one match in a line."""
    limit_bytes: int | None = 16 << 20
    """How much of a workload the engine is given, None for all; its speed is that on the prefix."""

    def absent(self) -> str | None:
        """Return why the engine cannot run here, or None."""
        if self.package is not None:
            try:
                importlib.metadata.version(self.package)
            except importlib.metadata.PackageNotFoundError:
                return f"{self.package} is not installed"
        return None

    def version(self) -> str:
        """Return the version of what it runs on."""
        return measure.version(self.package)

    def declines(self, workload: Workload) -> str | None:
        """Return why the engine cannot do this workload, or None."""
        if workload.carriage_returns and not self.carriage_returns:
            return "reads lines, the first match of each"
        return None

    @abstractmethod
    def prepare(self, workload: Workload, path: Path) -> Callable[[], Found]:
        """Compile what can be compiled once, and return the call to be timed.

        Parameters
        ----------
        workload : Workload
            The input, in memory.
        path : Path
            A file with the same bytes, for engines that read files alone.
        """


class Metricscan(Engine):
    """Ours: values, lines, offsets and starts as Arrow tables, from memory."""

    name = "metricscan"
    package = "metricscan"
    carriage_returns = True
    limit_bytes = None

    def absent(self) -> str | None:
        """Return why it cannot be imported, or None: a checkout that was built in place needs no installation."""
        try:
            import metricscan._core  # noqa: F401
        except ImportError as error:
            return f"not built: {error}"
        return None

    def prepare(self, workload: Workload, path: Path) -> Callable[[], Found]:
        """Compile once; time the scan."""
        import metricscan

        scanner = metricscan.Scanner(workload.definitions)
        source = self.source(workload, path)

        def extract() -> Found:
            tables = scanner.scan(source, threads=1)
            columns = ("value", "line", "offset", "start")
            return Found(*({name: tables[name][column] for name in scanner.metrics} for column in columns))

        return extract

    def source(self, workload: Workload, path: Path) -> bytes | Path:
        """Return what is scanned."""
        return workload.data


class MetricscanFile(Metricscan):
    """Ours, from a file in the page cache."""

    name = "metricscan-file"

    def source(self, workload: Workload, path: Path) -> bytes | Path:
        """Return what is scanned."""
        return path


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


class Polars(Engine):
    """Polars: lines as a string column, kept by literal, then ``str.extract`` and a cast."""

    name = "polars"
    package = "polars"

    def prepare(self, workload: Workload, path: Path) -> Callable[[], Found]:
        """Build the expressions; time the split into lines and all after it."""
        import polars as pl

        line = pl.col("line")
        literals = [literal_of(d["Regex"]) for d in workload.definitions]
        # one search for each literal beats one for all of them while they are few
        if len(literals) <= 8:
            candidate = pl.any_horizontal([line.str.contains(literal, literal=True) for literal in literals])
        else:
            candidate = line.str.contains_any(literals)
        columns = [line.str.extract(d["Regex"], 1).cast(pl.Float64).alias(d["Name"]) for d in workload.definitions]
        data = workload.data

        def extract() -> Found:
            # read_csv with a separator that does not occur splits lines faster than read_lines does
            frame = pl.read_csv(
                io.BytesIO(data), has_header=False, separator="\x01", quote_char=None,
                schema={"line": pl.String}, row_index_name="row", row_index_offset=1,
            )  # fmt: skip
            wide = frame.filter(candidate).select("row", *columns)
            tables = {d["Name"]: wide.select("row", d["Name"]).drop_nulls() for d in workload.definitions}
            return Found(
                {name: table[name] for name, table in tables.items()},
                {name: table["row"] for name, table in tables.items()},
            )

        return extract


def _arrow_lines(data: bytes) -> Any:
    """Split into a string column, the fastest of the ways pyarrow has."""
    import pyarrow as pa
    from pyarrow import csv

    return csv.read_csv(
        pa.BufferReader(data),
        csv.ReadOptions(column_names=["line"], use_threads=False, block_size=1 << 20),
        csv.ParseOptions(delimiter="\x01", quote_char=False, ignore_empty_lines=False),
        csv.ConvertOptions(column_types={"line": pa.string()}),
    )


class DuckDB(Engine):
    """DuckDB: SQL over the lines, ``regexp_extract`` where ``contains`` holds."""

    name = "duckdb"
    package = "duckdb"

    def prepare(self, workload: Workload, path: Path) -> Callable[[], Found]:
        """Write the query; time the split into lines and all after it."""
        import duckdb

        connection = duckdb.connect()
        connection.execute("set threads = 1")

        def quoted(text: str) -> str:
            return "'" + text.replace("'", "''") + "'"

        names = [d["Name"] for d in workload.definitions]
        columns = ", ".join(
            f"try_cast(nullif(regexp_extract(line, {quoted(d['Regex'])}, 1), '') as double) as v{i}"
            for i, d in enumerate(workload.definitions)
        )
        candidate = " or ".join(f"contains(line, {quoted(literal_of(d['Regex']))})" for d in workload.definitions)
        query = f"select n, {columns} from (select row_number() over () as n, line from log) where {candidate}"
        data = workload.data

        def extract() -> Found:
            connection.register("log", _arrow_lines(data))
            wide = connection.sql(query).to_arrow_table()
            values: dict[str, Any] = {}
            lines: dict[str, Any] = {}
            for i, name in enumerate(names):
                kept = wide["n"].filter(wide[f"v{i}"].is_valid())
                values[name] = wide[f"v{i}"].drop_null()
                lines[name] = kept
            return Found(values, lines)

        return extract


class PyArrow(Engine):
    """``pyarrow.compute``: ``match_substring``, then ``extract_regex`` on what is left."""

    name = "pyarrow"
    package = "pyarrow"
    limit_bytes = 4 << 20

    def prepare(self, workload: Workload, path: Path) -> Callable[[], Found]:
        """Time the split into lines and all after it."""
        import pyarrow as pa
        import pyarrow.compute as pc

        data = workload.data

        def extract() -> Found:
            column = _arrow_lines(data)["line"]
            found = Found({}, {})
            for definition in workload.definitions:
                candidate = pc.match_substring(column, literal_of(definition["Regex"]))
                fields = pc.extract_regex(column.filter(candidate), definition["Regex"].replace("(", "(?P<v>", 1))
                texts = pc.struct_field(fields, "v")
                valid = texts.is_valid()
                row = pc.add(pc.indices_nonzero(candidate), 1)
                found.values[definition["Name"]] = texts.drop_null().cast(pa.float64())
                found.lines[definition["Name"]] = row.filter(pa.array(valid.to_numpy(zero_copy_only=False)))
            return found

        return extract


class Command(Engine):
    """A program of the system that reads a file."""

    command: str

    def absent(self) -> str | None:
        """Return why it cannot run here, or None."""
        return None if shutil.which(self.command) else f"there is no command {self.command}"

    def version(self) -> str:
        """Return what the program says of itself."""
        said = subprocess.run([self.command, "--version"], check=True, capture_output=True, text=True).stdout
        match = re.search(r"\d+\.\S+", said)
        return match[0] if match else ""

    def own_file(self, workload: Workload, path: Path) -> Path:
        """Return a file with just the bytes of the workload."""
        own = path.with_suffix(f".{self.command}.log")
        own.write_bytes(workload.data)
        return own


class Ripgrep(Command):
    """``rg -P`` (PCRE2, compiled): a process a definition, which prints lines and values; they are read as float here."""

    name = "ripgrep -P"
    command = "rg"
    limit_bytes = 64 << 20

    def declines(self, workload: Workload) -> str | None:
        """Return why the engine cannot do this workload, or None."""
        many = "a process a definition: not for so many" if len(workload.definitions) > 8 else None
        return super().declines(workload) or many

    def prepare(self, workload: Workload, path: Path) -> Callable[[], Found]:
        """Write the file; time the processes, and what makes numbers of their output."""
        file = self.own_file(workload, path)
        base = ["rg", "-j1", "-P", "-a", "-on", "--no-filename", "--no-config", "-r", "$1", "-e"]

        def extract() -> Found:
            found = Found({}, {})
            for definition in workload.definitions:
                run = subprocess.run([*base, definition["Regex"], file], stdout=subprocess.PIPE, check=False)
                pairs = [row.split(b":", 1) for row in run.stdout.split(b"\n")[:-1]]
                found.values[definition["Name"]] = [float(value) for _, value in pairs]
                found.lines[definition["Name"]] = [int(line) for line, _ in pairs]
            return found

        return extract


class Mtail(Command):
    """mtail, once over a file: it counts rows and keeps the last value of each metric, no others."""

    name = "mtail"
    command = "mtail"
    limit_bytes = 8 << 20

    def prepare(self, workload: Workload, path: Path) -> Callable[[], Found]:
        """Write the program; time the process."""
        file = self.own_file(workload, path)
        folder = path.with_suffix(".mtail")
        folder.mkdir(exist_ok=True)
        names = [d["Name"] for d in workload.definitions]
        program = "".join(
            f"gauge v{i}\ncounter n{i}\n/{d['Regex'].replace('(', '(?P<v>', 1)}/ {{\n  v{i} = float($v)\n  n{i}++\n}}\n"
            for i, d in enumerate(workload.definitions)
        )
        (folder / "metrics.mtail").write_text(program)
        command = ["mtail", "--one_shot", "--progs", folder, "--logs", file]
        environment = {**os.environ, "GOMAXPROCS": "1"}

        def extract() -> Found:
            run = subprocess.run(
                command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
            )
            metrics = json.loads(run.stdout)
            # a metric that was never set has no label values
            last = {
                key: values[0]["LabelValues"][0]["Value"]["Value"]
                for key, values in metrics.items()
                if "LabelValues" in values[0]
            }
            counts = {name: last.get(f"n{i}", 0) for i, name in enumerate(names)}
            lasts = {name: [last[f"v{i}"]] for i, name in enumerate(names) if counts[name]}
            return Found(lasts, {}, counts=counts)

        return extract


PEERS: tuple[Engine, ...] = (
    ReLines(), ReText(), RegexText(), Re2Text(), Hyperscan(), Polars(), DuckDB(), PyArrow(), Ripgrep(), Mtail(),
)  # fmt: skip
ENGINES: tuple[Engine, ...] = (Metricscan(), MetricscanFile(), *PEERS)


def read_all(data: bytes) -> Callable[[], Any]:
    """Return a call that reads every byte once and does nothing else: the ceiling of any engine in memory."""
    import numpy as np

    return np.frombuffer(data, np.uint8).max


def read_all_by_two(data: bytes) -> Callable[[], Any]:
    """Return a call that reads one half of the bytes while another thread reads the other: what two threads get from memory."""
    import numpy as np

    halves = np.array_split(np.frombuffer(data, np.uint8), 2)

    def both() -> None:
        other = threading.Thread(target=halves[1].max)
        other.start()
        halves[0].max()
        other.join()

    return both


def count_newlines(path: Path) -> Callable[[], Any]:
    """Return a call of ``wc -l`` on a file: the simplest thing that reads lines."""
    return lambda: subprocess.run(["wc", "-l", path], check=True, stdout=subprocess.DEVNULL)
