"""Timing, and what is kept of it: calls run in turn, round after round; a line a measurement; where and with what."""

from __future__ import annotations

import csv
import datetime as dt
import gc
import importlib.metadata
import os
import platform
import re
import shutil
import statistics
import subprocess
import sysconfig
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ROOT = Path(__file__).resolve().parent.parent
# In these units more is better; in all others (us, ms, MB) less is.
RATES = ("MB/s", "files/s", "jobs/s")


class WrongAnswerError(Exception):
    """What was found is not what the oracle finds: its speed means nothing."""


class Measurement(NamedTuple):
    """One line of a record."""

    part: str
    workload: str
    definitions: int
    engine: str
    version: str
    threads: int
    amount: int
    """How much one call works through: bytes, files, chunks, jobs; 1 where it is one thing."""
    rows: int
    rounds: int
    median_s: float
    mad_s: float
    min_s: float
    figure: float
    """What it comes to at the median, in `unit`."""
    unit: str

    @property
    def key(self) -> tuple[str, str, int, str, int]:
        """What tells it apart from the others of a record."""
        return self.part, self.workload, self.definitions, self.engine, self.threads


class Contender(NamedTuple):
    """One call to be timed, ready to run."""

    engine: str
    version: str
    amount: int
    rows: int
    call: Callable[[], Any]
    threads: int = 1
    unit: str = "MB/s"


def race(ready: Sequence[Contender], rounds: int, part: str, workload: str, definitions: int) -> list[Measurement]:
    """Time the contenders in turn, `rounds` times over, so that a slow minute of the machine falls on all of them."""
    times: list[list[float]] = [[] for _ in ready]
    for _ in range(rounds):
        for contender, seconds in zip(ready, times, strict=True):
            gc.collect()
            gc.disable()  # to the peers' advantage: they make millions of objects
            start = time.perf_counter()
            result = contender.call()
            seconds.append(time.perf_counter() - start)
            gc.enable()
            del result
    return [
        measurement(c, seconds, part=part, workload=workload, definitions=definitions)
        for c, seconds in zip(ready, times, strict=True)
    ]


def measurement(c: Contender, seconds: Sequence[float], *, part: str, workload: str, definitions: int) -> Measurement:
    """Sum up the rounds of one contender."""
    median = statistics.median(seconds)
    spread = statistics.median(abs(one - median) for one in seconds)
    return Measurement(
        part, workload, definitions, c.engine, c.version, c.threads, c.amount, c.rows, len(seconds),
        median, spread, min(seconds), figure(c.unit, c.amount, median), c.unit,
    )  # fmt: skip


def figure(unit: str, amount: int, seconds: float) -> float:
    """What an amount in a time comes to."""
    if unit == "MB/s":
        return amount / seconds / 1e6
    if unit in RATES:
        return amount / seconds
    return seconds / amount * {"us": 1e6, "ms": 1e3}[unit]


def line(m: Measurement) -> str:
    """One measurement as it is printed."""
    spread = f"±{m.mad_s / m.median_s:5.1%}" if m.median_s else ""
    number = f"{m.figure:12,.0f}" if m.figure >= 100 else f"{m.figure:12,.2f}"
    threads = f"{m.threads} threads" if m.threads > 1 else ""
    return f"  {m.engine:18} {number} {m.unit:7} {spread:7} {m.rows:11,} rows  {m.version:14} {threads}".rstrip()


def version(package: str | None) -> str:
    """Return the version of an installed distribution, or Python's for what comes with it."""
    if package is None:
        return platform.python_version()
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


# ---- where, and with what


def revision() -> str:
    """Return the short revision of the work tree, marked where it holds uncommitted changes."""
    try:
        short = _output("git", "-C", str(ROOT), "rev-parse", "--short", "HEAD")
        return short + ("-dirty" if _output("git", "-C", str(ROOT), "status", "--porcelain", "metricscan") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def cpu_model() -> str:
    """Return the processor's name."""
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else platform.processor() or platform.machine()


def machine_name() -> str:
    """Return the folder of this machine's records."""
    return re.sub(r"[^a-z0-9]+", "-", cpu_model().lower()).strip("-")


def machine() -> str:
    """Describe what the figures depend on: processor, kernel, interpreter, compiler, load."""
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    built_by = _output(compiler, "--version").splitlines()[0] if shutil.which(compiler) else "unknown"
    return (
        f"processor  {cpu_model()}, {os.cpu_count()} cores, {platform.machine()}\n"
        f"system     {platform.system()} {platform.release()}\n"
        f"python     {platform.python_implementation()} {platform.python_version()}\n"
        f"compiler   {built_by}\n"
        f"load       {os.getloadavg()[0]:.1f} at the start\n"
    )


# ---- records


def write_record(measurements: Sequence[Measurement], folder: Path, name: str, about: str) -> Path:
    """Write ``<folder>/<machine>/<date>-<revision>.csv``, and what it was measured on beside it."""
    target = folder / name
    target.mkdir(parents=True, exist_ok=True)
    path = target / f"{dt.datetime.now(dt.UTC):%Y-%m-%d}-{revision()}.csv"
    path.with_suffix(".txt").write_text(about)
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Measurement._fields)
        for m in measurements:
            writer.writerow([f"{value:.6g}" if isinstance(value, float) else value for value in m])
    return path


def read_record(path: Path) -> list[Measurement]:
    """Read what :func:`write_record` wrote; records of before there were parts too."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [
        Measurement(
            row.get("part", "engines"),
            row["workload"],
            int(row["definitions"]),
            row["engine"],
            row["version"],
            int(row.get("threads", 1)),
            int(row["amount"] if "amount" in row else row["bytes"]),
            int(row["rows"]),
            int(row["rounds"]),
            float(row["median_s"]),
            float(row["mad_s"]),
            float(row["min_s"]),
            float(row["figure"] if "figure" in row else row["mb_per_s"]),
            row.get("unit", "MB/s"),
        )
        for row in rows
    ]
