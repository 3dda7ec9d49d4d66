"""What it costs to look for suspects: scans that watch beside scans that do not, of synthetic logs and of the real ones.

The time is the sum over the logs of each one's fastest round, by processor time, the kinds of scan taking turns. With
``--count`` it is instructions instead, those of one more round under valgrind's callgrind, which knows no AVX-512. The real
logs lie in the folder that ``METRICSCAN_CORPORA`` names.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import re
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from inputs import corpora

import metricscan

if TYPE_CHECKING:
    from collections.abc import Sequence

#: A scanner and a log.
Log = tuple[metricscan.Scanner, bytes]


def logs_of(name: str, size_bytes: int) -> list[Log]:
    """The logs of one row of the table."""
    if name != "real":
        made = corpora.workload(name, size_bytes)
        return [(metricscan.Scanner(made.definitions), made.data)]
    folder = Path(os.environ["METRICSCAN_CORPORA"]) / "corpora"
    entries = map(json.loads, (folder / "manifest.jsonl").read_text().splitlines())
    return [
        (metricscan.Scanner(entry["definitions"]), (folder / "logs" / entry["file"]).read_bytes()) for entry in entries
    ]


def scan(log: Log, *, watches: bool) -> int:
    """Scan a log, and return the processor time in nanoseconds."""
    scanner, data = log
    begin = time.process_time_ns()
    with scanner.watching_batches(data) if watches else scanner.batches(data) as running:
        for _ in running:
            pass
    return time.process_time_ns() - begin


def times(logs: Sequence[Log], rounds: int) -> tuple[int, int]:
    """The sums of the fastest rounds, without and with watching."""
    best = {(log, watches): sys.maxsize for log in range(len(logs)) for watches in (False, True)}
    for turn in range(rounds):
        for number, log in enumerate(logs):
            for watches in (turn % 2 == 0, turn % 2 == 1):
                best[number, watches] = min(best[number, watches], scan(log, watches=watches))
    plain, watching = (sum(best[number, watches] for number in range(len(logs))) for watches in (False, True))
    return plain, watching


def instructions(name: str, size_bytes: int) -> tuple[int, int]:
    """The instructions of one more round, without and with watching."""
    counts = []
    for watches in (0, 1):
        of_rounds = []
        for rounds in (1, 2):
            command = [sys.executable, __file__, "--only", name, "--bytes", str(size_bytes)]
            command += ["--rounds", str(rounds), "--watches", str(watches)]
            counted = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *command]
            env = {**os.environ, "PYTHONHASHSEED": "0"}
            done = subprocess.run(counted, env=env, capture_output=True, text=True, check=True)
            found = re.search(r"Collected : ([0-9]+)", done.stderr)
            assert found is not None, done.stderr
            of_rounds.append(int(found[1]))
        counts.append(of_rounds[1] - of_rounds[0])
    return counts[0], counts[1]


def main() -> None:
    """Print the table, or scan only."""
    reading = argparse.ArgumentParser(description=__doc__)
    reading.add_argument("--rounds", type=int, default=30)
    reading.add_argument("--bytes", type=int, default=4 << 20)
    reading.add_argument("--count", action="store_true")
    reading.add_argument("--only", choices=("every", "tenth", "hundredth", "real"))
    reading.add_argument("--watches", type=int, choices=(0, 1), help="only scan, for --count")
    asked = reading.parse_args()
    warnings.simplefilter("ignore")
    names = ["every", "tenth", "hundredth", *(["real"] if "METRICSCAN_CORPORA" in os.environ else [])]
    for name in [asked.only] if asked.only else names:
        if asked.count:
            plain, watching = instructions(name, asked.bytes)
        else:
            logs = logs_of(name, asked.bytes)
            gc.collect()
            gc.disable()
            if asked.watches is not None:
                for _ in range(asked.rounds):
                    for log in logs:
                        scan(log, watches=bool(asked.watches))
                continue
            plain, watching = times(logs, asked.rounds)
        print(f"{name:>10} {plain:>14,} {watching:>14,} {100 * (watching - plain) / plain:+.2f} %")


if __name__ == "__main__":
    main()
