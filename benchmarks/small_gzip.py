"""Time replays of many small ``.gz`` logs beside their inflation, and beside the replay of the same logs plain, in turn.

    python benchmarks/small_gzip.py [FILES] [ROUNDS] [BYTES]

The figures are processor time on one thread: least of the rounds, a file. Logs lie in memory where the system has a folder for
that, and have one line in ten with four metrics. Both replays must find the same rows.
"""

from __future__ import annotations

import gzip
import os
import sys
import tempfile
import time
from pathlib import Path

from inputs import corpora
from isal import isal_zlib

import metricscan

MEMORY = "/dev/shm"


def main() -> None:
    """Print a line per task."""
    count, rounds, size = [*map(int, sys.argv[1:]), *(3000, 7, 20_000)[len(sys.argv) - 1 :]]
    workload = corpora.workload("tenth", min(count * size + (1 << 20), 64 << 20))
    scanner = metricscan.Scanner(workload.definitions)
    with tempfile.TemporaryDirectory(dir=MEMORY if os.access(MEMORY, os.W_OK) else None) as folder:
        plain, packed = Path(folder, "plain"), Path(folder, "packed")
        plain.mkdir()
        packed.mkdir()
        for number in range(count):
            start = workload.data.find(b"\n", number * size % (len(workload.data) - 2 * size)) + 1
            text = workload.data[start : start + size]
            (plain / f"trial_{number}.log").write_bytes(text)
            (packed / f"trial_{number}.log.gz").write_bytes(gzip.compress(text, 6))
        paths = sorted(packed.iterdir())
        tasks = {
            "inflated": lambda: [isal_zlib.decompress(path.read_bytes(), 31) for path in paths],
            "replayed": lambda: metricscan.replay(packed, scanner, threads=1, keep=False),
            "replayed, plain": lambda: metricscan.replay(plain, scanner, threads=1, keep=False),
        }
        found = [metricscan.replay(each, scanner) for each in (plain, packed)]
        for metric in scanner.metrics:
            one, other = (result[metric].drop_columns(["job", "stream"]) for result in found)
            assert one.equals(other), metric
        least = dict.fromkeys(tasks, float("inf"))
        for _ in range(rounds):
            for name, run in tasks.items():
                begin = time.process_time()
                run()
                least[name] = min(least[name], time.process_time() - begin)
    for name, seconds in least.items():
        print(f"{name:16} {seconds / count * 1e6:8.1f} us a file {least['inflated'] / seconds:6.2f} of inflation")


if __name__ == "__main__":
    main()
