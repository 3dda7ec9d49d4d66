"""What an engine of the benchmarks is: what it needs, how much it is given, and the call to be timed.

Every peer is written the way an expert in it would, and of the formulations that were tried the fastest is kept. What
an engine finds is compared with the oracle before its time counts. A peer whose package is not installed is reported as
absent, never an error: ``pip install google-re2 polars duckdb hyperscan pypcre rurex`` and ``apt-get install ripgrep mtail
libpcre2-dev`` install them all.
"""

from __future__ import annotations

import importlib.metadata
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import measure

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from inputs.corpora import Workload
    from peers.answers import Found


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
