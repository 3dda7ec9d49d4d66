"""What an engine finds, what is right, and where the two differ."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from inputs.corpora import Workload


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
