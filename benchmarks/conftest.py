"""Inputs that the suites share: each is made once a session."""

from __future__ import annotations

import functools
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from inputs import corpora
from peers import answers

SIZE_BYTES = 16 << 20


@functools.cache
def made(name: str, definition_count: int, size_bytes: int) -> tuple[corpora.Workload, answers.Expected]:
    """Return a workload and its right answer."""
    workload = corpora.workload(name, size_bytes, definition_count)
    return workload, answers.oracle(workload)


@pytest.fixture(scope="session")
def make_workload():
    """Give the suites ``make_workload(name, definition_count=4, size_bytes=SIZE_BYTES)``."""

    def make(
        name: str, definition_count: int = 4, size_bytes: int = SIZE_BYTES
    ) -> tuple[corpora.Workload, answers.Expected]:
        return made(name, definition_count, size_bytes)

    return make
