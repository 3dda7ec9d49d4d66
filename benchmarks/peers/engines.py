"""metricscan and its peers, each doing the same job: bytes in memory to float values per definition, on one thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peers.answers import Found
from peers.commands import Mtail, Ripgrep
from peers.engine import Engine
from peers.regexes import Chimera, Hyperscan, Pcre2Loop, Pcre2Text, Re2Text, RegexText, ReLines, ReText, RustText
from peers.tables import DuckDB, Polars, PyArrow

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from inputs.corpora import Workload


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


PEERS: tuple[Engine, ...] = (
    ReLines(), ReText(), RegexText(), Re2Text(), Pcre2Text(), RustText(), Hyperscan(), Chimera(), Polars(), DuckDB(), PyArrow(),
    Ripgrep(), Mtail(),
)  # fmt: skip
ENGINES: tuple[Engine, ...] = (Metricscan(), MetricscanFile(), *PEERS, Pcre2Loop())
