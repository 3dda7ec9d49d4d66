"""Time every engine side by side in one run: interleaved rounds, medians, each engine's answer checked first.

All workloads, 4 definitions and 128 MiB by default; ``--record benchmarks/record`` keeps the figures in
``<machine>/<date>-<revision>.csv``.
"""

from __future__ import annotations

import argparse
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
import sys
import sysconfig
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import corpora
import engines

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parent.parent


class Measurement(NamedTuple):
    """One line of a record."""

    workload: str
    definitions: int
    engine: str
    version: str
    bytes: int
    rows: int
    rounds: int
    median_s: float
    mad_s: float
    min_s: float

    @property
    def mb_per_s(self) -> float:
        """Speed at the median; a MB is 10**6 bytes."""
        return self.bytes / self.median_s / 1e6


class Contender(NamedTuple):
    """One call to be timed, ready to run."""

    engine: str
    version: str
    bytes: int
    rows: int
    call: Callable[[], Any]


class WrongAnswerError(Exception):
    """An engine did not find what the oracle finds: its speed means nothing."""


def contenders(
    workload: corpora.Workload, wanted: set[str] | None, path: Path, say: Callable[[str], None]
) -> list[Contender]:
    """Prepare the engines for a workload, and check the answer of each; the floors come first."""
    expected = engines.oracle(workload)
    size = len(workload.data)
    ready = [
        Contender("read memory", "", size, 0, engines.read_all(workload.data)),
        Contender("wc -l", "", size, 0, engines.count_newlines(path)),
    ]
    for engine in engines.ENGINES:
        if wanted is not None and engine.name not in wanted:
            continue
        reason = engine.absent() or engine.declines(workload)
        if reason is not None:
            say(f"  {engine.name} left out: {reason}")
            continue
        limit = engine.limit_bytes
        part = workload if limit is None or limit >= size else corpora.prefix(workload, limit)
        right = expected if part is workload else expected.up_to(len(part.data))
        call = engine.prepare(part, path)
        wrong = engines.difference(call(), right)
        if wrong is not None:
            raise WrongAnswerError(f"{engine.name} on {workload.name}: {wrong}")
        ready.append(Contender(engine.name, version(engine.package), len(part.data), right.row_count, call))
    return ready


def version(package: str | None) -> str:
    """Return the version of an installed distribution, or Python's for what comes with it."""
    if package is None:
        return platform.python_version()
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def race(ready: list[Contender], rounds: int) -> list[list[float]]:
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
    return times


def measure(
    workload: corpora.Workload, rounds: int, wanted: set[str] | None, folder: Path, say: Callable[[str], None]
) -> list[Measurement]:
    """Write the workload to a file as well, and race all engines on it."""
    path = folder / f"{workload.name}.log"
    path.write_bytes(workload.data)
    try:
        ready = contenders(workload, wanted, path, say)
        times = race(ready, rounds)
    finally:
        path.unlink()
    return [
        Measurement(
            workload.name, len(workload.definitions), c.engine, c.version, c.bytes, c.rows, rounds,
            median := statistics.median(seconds), statistics.median(abs(s - median) for s in seconds), min(seconds),
        )
        for c, seconds in zip(ready, times, strict=True)
    ]  # fmt: skip


def report(measurements: list[Measurement], say: Callable[[str], None]) -> None:
    """Print one workload's speeds, and what ours is beside the floors and the peers."""
    speed = {m.engine: m.mb_per_s for m in measurements}
    peers = {m.engine: m.mb_per_s for m in measurements if m.engine in {peer.name for peer in engines.PEERS}}
    for m in measurements:
        say(f"  {m.engine:16} {m.mb_per_s:9,.0f} MB/s  ±{m.mad_s / m.median_s:5.1%}  {m.rows:9,} rows  {m.version}")
    ours = speed.get("metricscan")
    if ours is None:
        return
    parts = [f"{ours / speed['read memory']:.2f} of reading memory", f"{ours / speed['wc -l']:.2f} of wc -l"]
    if peers:
        best = max(peers, key=peers.__getitem__)
        parts += [f"{ours / peers[best]:.1f}x the best peer ({best})"]
        parts += [f"{ours / peers[name]:.0f}x {name}" for name in ("regex-text", "polars") if name in peers]
    say("  metricscan: " + ", ".join(parts))


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


def machine() -> str:
    """Describe what the figures depend on: processor, kernel, interpreter, compiler, the peers' threads."""
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    built_by = _output(compiler, "--version").splitlines()[0] if shutil.which(compiler) else "unknown"
    return (
        f"processor  {cpu_model()}, {os.cpu_count()} cores, {platform.machine()}\n"
        f"system     {platform.system()} {platform.release()}\n"
        f"python     {platform.python_implementation()} {platform.python_version()}\n"
        f"compiler   {built_by}\n"
        f"peers      one thread each (Polars: {os.environ['POLARS_MAX_THREADS']})\n"
    )


def record(measurements: list[Measurement], folder: Path, name: str) -> Path:
    """Write ``<folder>/<machine>/<date>-<revision>.csv``, and ``machine.txt`` beside it."""
    target = folder / name
    target.mkdir(parents=True, exist_ok=True)
    (target / "machine.txt").write_text(machine())
    path = target / f"{dt.datetime.now(dt.UTC):%Y-%m-%d}-{revision()}.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*Measurement._fields, "mb_per_s"])
        for m in measurements:
            exact = (f"{value:.6f}" if isinstance(value, float) else value for value in m)
            writer.writerow([*exact, f"{m.mb_per_s:.1f}"])
    return path


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", type=int, default=128, help="size of each workload")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workloads", default=",".join(corpora.WORKLOADS))
    parser.add_argument("--definitions", default="4", help="counts, such as 4,40")
    parser.add_argument("--engines", help="names, such as metricscan,polars; default all that are installed")
    parser.add_argument("--record", type=Path, metavar="FOLDER", help="keep the figures under this folder")
    parser.add_argument("--machine", default=re.sub(r"[^a-z0-9]+", "-", cpu_model().lower()).strip("-"))
    options = parser.parse_args()
    wanted = set(options.engines.split(",")) if options.engines else None
    unknown = (wanted or set()) - {engine.name for engine in engines.ENGINES}
    unknown |= set(options.workloads.split(",")) - set(corpora.WORKLOADS)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")

    print(machine())
    measurements: list[Measurement] = []
    with tempfile.TemporaryDirectory(prefix="metricscan-bench-") as folder:
        for count in map(int, options.definitions.split(",")):
            for name in options.workloads.split(","):
                if name == "progress" and measurements and any(m.workload == name for m in measurements):
                    continue  # it has its own two definitions, whatever the count
                workload = corpora.workload(name, options.mib << 20, count)
                print(f"{name}: {len(workload.data) / 1e6:.0f} MB, {len(workload.definitions)} definitions", flush=True)
                try:
                    found = measure(workload, options.rounds, wanted, Path(folder), print)
                except WrongAnswerError as error:
                    print(f"wrong answer: {error}", file=sys.stderr)
                    return 1
                report(found, print)
                print(flush=True)
                measurements += found
    if options.record:
        print(f"recorded in {record(measurements, options.record, options.machine)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
