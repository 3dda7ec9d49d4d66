"""End to end: a log to a Parquet file for each metric, ours and pipelines of Polars, DuckDB and pyarrow, each checked first."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from measure import Contender, Measurement, WrongAnswerError, line, measurement, version
from parts import versus
from peers import answers, pipelines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WORKLOADS = ("every", "tenth")
THREADS = 2
MEMORY = Path("/dev/shm")


def run(rounds: int, folder: Path, size_bytes: int, say: Callable[[str], None]) -> Iterator[Measurement]:
    """Time the pipelines in turn; input and datasets lie in memory where the system has a folder for that."""
    for name in WORKLOADS:
        workload, expected = versus.made(name, size_bytes)
        say(f"{name}: {len(workload.data) / 1e6:.0f} MB to Parquet on {THREADS} threads")
        with contextlib.ExitStack() as stack:
            where = MEMORY if os.access(MEMORY, os.W_OK) else folder
            place = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=where, prefix="metricscan-bench-")))
            log = place / "log"
            log.write_bytes(workload.data)
            processes = {}
            for engine in pipelines.PIPELINES:
                if engine != "metricscan" and not version(engine):
                    say(f"  {engine} left out: it is not installed")
                    continue
                command = [sys.executable, pipelines.__file__, engine, log, place / engine]
                process = subprocess.Popen(
                    [*command, json.dumps(workload.definitions), str(THREADS)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
                processes[engine] = stack.enter_context(process)
                _timed(process)
                wrong = answers.difference(_written(engine, place / engine, list(expected.values)), expected)
                if wrong is not None:
                    raise WrongAnswerError(f"{engine} to Parquet on {name}: {wrong}")
            times: dict[str, list[float]] = {engine: [] for engine in processes}
            for _ in range(rounds):
                for engine, process in processes.items():
                    times[engine].append(_timed(process))
        found = []
        for engine, seconds in times.items():
            about = Contender(engine, version(engine), len(workload.data), expected.row_count, lambda: None, THREADS)
            found.append(measurement(about, seconds, part="pipelines", workload=name, definitions=4))
            say(line(found[-1]))
        yield from found
        mine, *peers = found
        if peers:
            best = max(peers, key=lambda m: m.figure)
            say(f"  metricscan: {mine.figure / best.figure:.1f}x the best pipeline ({best.engine})")


def _timed(process: subprocess.Popen[str]) -> float:
    """Let a process write its dataset, and return the seconds that it took."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return float(process.stdout.readline())


def _written(engine: str, folder: Path, metrics: list[str]) -> answers.Found:
    """Read a dataset that a pipeline wrote."""
    from pyarrow import parquet

    import metricscan

    if engine == "metricscan":
        dataset = metricscan.Dataset(folder)
        tables = {name: dataset[name] for name in metrics}
    else:
        tables = {name: parquet.read_table(folder / f"{name}.parquet") for name in metrics}
    columns = ("value", "line", "offset", "start") if engine == "metricscan" else ("value", "line")
    return answers.Found(*({name: table[column] for name, table in tables.items()} for column in columns))
