"""Ranking in the large: a million jobs of ten rows in memory, under every scope; a hundred million rows from a dataset.

The answers are checked first: the winner's value against numpy's, computed from the whole matrix at once. Run as
``ranking.py memory [ROUNDS]`` or ``ranking.py dataset [ROWS_A_JOB]``.
"""

from __future__ import annotations

import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from metricscan import Dataset, Objective, rank
from metricscan.datasets.schema import SCHEMA
from metricscan.datasets.sink import Sink

SCOPES = ["last", "first", "min", "max", "mean", "last-5", "best@5"]
CHUNK_ROWS = 1_000_000


def table(
    jobs: int, rows: int, first_job: int, names: pa.Array, seed: int, *, step: bool, metric: pa.Array
) -> pa.Table:
    """Rows of some jobs, one record each, in the order in which a replay writes them; the step stands after the value."""
    count = jobs * rows
    rng = np.random.default_rng(seed)
    record = np.tile(np.arange(rows), jobs)
    value = record + 1.0 if step else rng.random(count)
    job = np.repeat(np.arange(first_job, first_job + jobs, dtype=np.int32), rows)
    zeros = np.zeros(count, dtype=np.int32)
    columns = [
        pa.DictionaryArray.from_arrays(pa.array(job), names),
        pa.DictionaryArray.from_arrays(pa.array(zeros), pa.array(["stdout"])),
        pa.array(zeros),
        pa.DictionaryArray.from_arrays(pa.array(zeros), metric),
        pa.array(value),
        pa.array(record + 1),
        pa.array(record * 40),
        pa.array(record * 40 + (20 if step else 5)),
        pa.nulls(count, SCHEMA.field("time").type),
    ]
    return pa.table(columns, schema=SCHEMA)


def expected(value: np.ndarray, scope: str) -> float:
    """The best value of all jobs, less being better; a row a job."""
    with np.errstate(all="ignore"):
        each = {
            "last": lambda: value[:, -1],
            "first": lambda: value[:, 0],
            "min": lambda: value.min(axis=1),
            "max": lambda: value.max(axis=1),
            "mean": lambda: value.mean(axis=1),
            "last-5": lambda: value[:, -5:].mean(axis=1),
            "best@5": lambda: value[:, :5].min(axis=1),
        }[scope]()
    return float(each.min())


def in_memory(jobs: int = 1_000_000, rows: int = 10, rounds: int = 5) -> None:
    """Rank tables under every scope: rows in replay order, and the rows of all jobs mixed."""
    names = pa.array([f"experiment/trial_{number}" for number in range(jobs)])
    loss = table(jobs, rows, 0, names, 1, step=False, metric=pa.array(["loss"]))
    epoch = table(jobs, rows, 0, names, 2, step=True, metric=pa.array(["epoch"]))
    value = loss["value"].to_numpy().reshape(jobs, rows)
    mixed = np.arange(jobs * rows).reshape(jobs, rows).T.ravel()
    # ties everywhere: ten values for all jobs, and names that do not come in order
    shuffled = pa.array(np.random.default_rng(3).permutation(names.to_numpy(zero_copy_only=False)))
    tied = pa.DictionaryArray.from_arrays(loss["job"].combine_chunks().indices, shuffled)
    place = loss.schema.get_field_index("value")
    tied_loss = loss.set_column(0, "job", tied).set_column(place, "value", pa.array(np.floor(value.ravel() * 10)))
    shapes = {
        "in order": {"loss": loss, "epoch": epoch},
        "mixed": {"loss": loss.take(mixed), "epoch": epoch.take(mixed)},
        "tied": {"loss": tied_loss, "epoch": epoch.set_column(0, "job", tied)},
    }
    for shape, tables in shapes.items():
        for scope, stepped in [
            *((scope, scope.startswith("best")) for scope in SCOPES),
            ("last", True),
            ("mean", True),
        ]:
            objective = Objective("loss", "Minimize", scope, "epoch" if stepped else None)
            times, cpu = [], []
            for _ in range(rounds):
                begin, begin_cpu = time.perf_counter(), time.process_time()
                found = rank(tables, objective)
                times.append(time.perf_counter() - begin)
                cpu.append(time.process_time() - begin_cpu)
            best = found["value"][0].as_py()
            if shape != "tied" and abs(best - expected(value, scope)) > 1e-12:
                raise SystemExit(f"{scope}: {best!r} is not the best value")
            # the processor's time tells the same of a machine that others use too
            text = f"{statistics.median(times):.2f} s  (least {min(times):.2f})  CPU {statistics.median(cpu):.2f} s"
            print(f"{shape:9} {scope:7} {'per step' if stepped else '':8} {text}", flush=True)


def from_dataset(jobs: int, rows: int, folder: Path) -> None:
    """Rank a dataset in a process of its own, and say what memory that took."""
    names = pa.array([f"experiment/trial_{number}" for number in range(jobs)])
    counts = {"loss": {"rows": jobs * rows}, "epoch": {"rows": jobs * rows}}
    manifest = {
        "jobs": [{"job": name, "status": None, "hyperparameters": {}} for name in names.to_pylist()],
        "sources": [],
        "objective": None,
        "counts": counts,
    }
    best = dict.fromkeys(SCOPES, np.inf)
    each = max(1, CHUNK_ROWS // rows)
    with Sink(folder, ["loss", "epoch"], overwrite=True) as target:
        for first in range(0, jobs, each):
            some = min(each, jobs - first)
            # as a replay has it: names of the jobs at hand
            near = names.slice(first, some)
            for metric in ("loss", "epoch"):
                part = table(some, rows, 0, near, first + 1, step=metric == "epoch", metric=pa.array([metric]))
                if metric == "loss":
                    value = part["value"].to_numpy().reshape(some, rows)
                    best = {scope: min(best[scope], expected(value, scope)) for scope in SCOPES}
                for batch in part.to_batches(max_chunksize=65_536):
                    target.write(metric, batch)
        target.finish(None, manifest)
    print(f"{jobs:,} jobs of {rows:,} rows written", flush=True)
    import subprocess

    for scope in SCOPES:
        code = f"import ranking; ranking.measured({str(folder)!r}, {scope!r}, {best[scope]!r})"
        subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parent)


def measured(folder: str, scope: str, best: float) -> None:
    """Rank once; check and print."""
    begin = time.perf_counter()
    objective = Objective("loss", "Minimize", scope, "epoch" if scope.startswith("best") else None)
    found = rank(Dataset(folder), objective)
    elapsed = time.perf_counter() - begin
    if abs(found["value"][0].as_py() - best) > 1e-12:
        raise SystemExit(f"{scope}: {found['value'][0].as_py()!r} is not the best value, {best!r}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{scope:7} {elapsed:6.1f} s  {peak:,.0f} MiB", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["dataset"]:
        rows = int(sys.argv[2]) if len(sys.argv) > 2 else 100
        with tempfile.TemporaryDirectory() as folder:
            from_dataset(100_000_000 // rows, rows, Path(folder) / "out")
    else:
        in_memory(rounds=int(sys.argv[2]) if len(sys.argv) > 2 else 5)
