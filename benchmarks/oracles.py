"""The tests' naive reader, which every benchmark is held to: on what it can read in a second or two."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from measure import ROOT, WrongAnswerError

if TYPE_CHECKING:
    from inputs.corpora import Workload
    from peers.answers import Expected

CHECKED_BYTES = 256 << 10


def reference() -> Any:
    """Return the module ``tests/support/reference.py``."""
    folder = str(Path(ROOT, "tests"))
    if folder not in sys.path:
        sys.path.append(folder)
    from support import reference as module

    return module


def rows(definitions: list[dict[str, str]], data: bytes) -> int:
    """Count the rows that the naive reader finds."""
    return sum(len(metric.rows) for metric in reference().scan(definitions, data).metrics.values())


def check(workload: Workload, expected: Expected) -> None:
    """Hold the fast oracle of a workload to the naive reader, on the workload's beginning."""
    end = workload.data.find(b"\n", CHECKED_BYTES) + 1 or len(workload.data)
    right = reference().scan(workload.definitions, workload.data[:end])
    found = expected.up_to(end)
    for name, metric in right.metrics.items():
        wanted = [(row.value, row.line, row.offset, row.start) for row in metric.rows]
        columns = (column[name] for column in found)
        if list(zip(*columns, strict=True)) != wanted:
            raise WrongAnswerError(f"the oracle of {workload.name} is wrong about {name}")
