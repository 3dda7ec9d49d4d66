"""A survey of many files, as replay begins with one, by two installations: processor time, least of interleaved rounds.

    benchmarks/folders.py OTHER/.venv/bin/python [--rounds 5] [--files 100000]

Run it with the interpreter of one tree and name that of the other, e.g. the tree before a change. Each survey has a process of
its own, so that none finds the memory of one before it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FOLDERS = {"1,000 folders": 1000, "one folder": 1}


def prepare(top: Path, files: int) -> None:
    """Write as many small logs into 1,000 folders, whose names spell hyperparameters, and into one folder."""
    for shape, folders in FOLDERS.items():
        for folder in range(folders):
            at = top / shape / f"trial_{folder}_lr=0.{folder}"
            at.mkdir(parents=True)
            for number in range(files // folders):
                (at / f"worker_{number}.log").write_bytes(b"loss=0.5\nloss=0.25\n")


def work(folder: str) -> None:
    """The worker: prints the seconds of processor time that a survey took."""
    from metricscan.logs.survey import survey

    started = time.process_time()
    found = survey([folder], input_format="auto")
    seconds = time.process_time() - started
    if found.errors or not found.jobs:
        raise SystemExit(f"{folder}: {found}, {found.errors[:1]}")
    print(seconds)


def main() -> None:
    """Compare two trees."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", help="the interpreter of the other tree")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--files", type=int, default=100_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        prepare(Path(name), options.files)
        for shape in FOLDERS:
            seconds: tuple[list[float], list[float]] = ([], [])
            for number in range(options.rounds):
                # the first of the two alternates
                for which in (0, 1) if number % 2 else (1, 0):
                    command = [(sys.executable, options.other)[which], __file__, "--work", f"{name}/{shape}"]
                    run = subprocess.run(command, check=True, capture_output=True, text=True, cwd=name)
                    seconds[which].append(float(run.stdout))
            mine, others = map(min, seconds)
            print(f"{shape:14} {mine * 1e3:9.0f} ms {others * 1e3:9.0f} ms {mine / others:7.3f}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--work"]:
        work(sys.argv[2])
    else:
        main()
