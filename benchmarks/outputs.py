"""Time replays that write datasets beside the scan of the same file, and scans of compressed files beside isal and zstd, in turn.

``scan`` is the time of the scan on the same threads as a part of that of the replay: 1 would be a replay that costs nothing but
the scan. Give it a folder in memory (``--folder /dev/shm``), or the disk is timed. The rows of each dataset are compared first.
"""

from __future__ import annotations

import argparse
import gzip
import shutil
import tempfile
import time
from pathlib import Path

from backports import zstd
from inputs import corpora
from isal import isal_zlib

import metricscan

FORMATS = ("parquet", "arrow", "csv", "jsonl")
READ_BYTES = 64 * 1024


def main() -> None:
    """Print a table per workload."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--folder", help="where input and datasets lie")
    parser.add_argument("workloads", nargs="*", default=["every", "tenth"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for name in options.workloads:
            _one_workload(name, Path(folder), options.mib, options.rounds, options.threads)


def _one_workload(name: str, folder: Path, mib: int, rounds: int, threads: int) -> None:
    log = folder / f"{name}.log"
    workload = corpora.workload(name, min(mib, 64) << 20)
    log.write_bytes(workload.data * max(1, mib // 64))
    scanner = metricscan.Scanner(workload.definitions)
    whole = scanner.scan(log)
    packed = {"gzip": folder / f"{name}.gz", "zstd": folder / f"{name}.zst"}
    packed["gzip"].write_bytes(gzip.compress(log.read_bytes(), 6))
    packed["zstd"].write_bytes(zstd.compress(log.read_bytes(), 3))

    def scan(path: Path) -> None:
        for _ in scanner.batches(path, threads=threads):
            pass

    def write(kind: str) -> None:
        metricscan.replay(log, scanner, out=folder / "out", format=kind, threads=threads, keep=False, sync=False)

    def inflate(path: Path) -> None:
        decompressor = isal_zlib.decompressobj(31) if path.suffix == ".gz" else zstd.ZstdDecompressor()
        with path.open("rb") as file:
            while piece := file.read(READ_BYTES):
                decompressor.decompress(piece)

    tasks = {"scan": lambda: scan(log)} | {kind: lambda kind=kind: write(kind) for kind in FORMATS}
    for kind, path in packed.items():
        tasks[f"{kind} alone"] = lambda path=path: inflate(path)
        tasks[f"scan of {kind}"] = lambda path=path: scan(path)
    for kind in FORMATS:
        write(kind)
        written = metricscan.Dataset(folder / "out")
        for metric in whole:
            assert written[metric]["value"].combine_chunks().equals(whole[metric]["value"].combine_chunks()), (
                kind,
                metric,
            )
        shutil.rmtree(folder / "out")
    best = dict.fromkeys(tasks, float("inf"))
    sizes = {}
    for _ in range(rounds):
        for task, run in tasks.items():
            start = time.perf_counter()
            run()
            best[task] = min(best[task], time.perf_counter() - start)
            if task in FORMATS:
                sizes[task] = sum(path.stat().st_size for path in (folder / "out").rglob("*") if path.is_file())
                shutil.rmtree(folder / "out")
    size = log.stat().st_size
    for task, seconds in best.items():
        packing = task.rpartition(" ")[2]
        beside = "scan" if task in FORMATS else f"{packing} alone" if f"{packing} alone" in best else "scan"
        ratio = "" if task in ("scan", beside) or "alone" in task else f"{best[beside] / seconds:6.3f} of {beside}"
        held = f"{sizes[task] / 1e6:8.1f} MB" if task in sizes else ""
        print(f"{name:10} {task:14}{size / seconds / 1e6:8,.0f} MB/s {ratio:24}{held}")


if __name__ == "__main__":
    main()
