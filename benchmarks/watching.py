"""What it costs to look for suspects: scans that watch beside scans that do not, of synthetic logs and of the real ones.

The time is the sum over the logs of each one's fastest round, by processor time, the kinds of scan taking turns. With
``--count`` it is instructions instead, those of one scan after a first one, under valgrind's callgrind, which knows no AVX-512.
The real logs lie in the folder that ``METRICSCAN_CORPORA`` names; those in which a suspect is found have a row of their own.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from inputs import corpora

import metricscan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

NOTHING, SOMETHING = "real, nothing found", "real, something found"
_DENSITIES = ("every", "tenth", "hundredth")
# a function of Python's C API that nothing else calls: callgrind counts while it runs, and writes the count down at its end
_COUNTED = "PyNumber_MatrixMultiply"


class Log(NamedTuple):
    """A log, its scanner, and the row of the table to which it counts."""

    row: str
    name: str
    scanner: metricscan.Scanner
    data: bytes


def logs(size_bytes: int) -> list[Log]:
    """The logs of all rows of the table."""
    found = []
    for name in _DENSITIES:
        made = corpora.workload(name, size_bytes)
        found.append(Log(name, name, metricscan.Scanner(made.definitions), made.data))
    if "METRICSCAN_CORPORA" in os.environ:
        folder = Path(os.environ["METRICSCAN_CORPORA"]) / "corpora"
        for line in (folder / "manifest.jsonl").read_text().splitlines():
            entry = json.loads(line)
            log = Log(
                "",
                entry["file"],
                metricscan.Scanner(entry["definitions"]),
                (folder / "logs" / entry["file"]).read_bytes(),
            )
            found.append(log._replace(row=SOMETHING if has_suspects(log) else NOTHING))
    return found


def has_suspects(log: Log) -> bool:
    """Whether a suspect is found in a log; where all values of a metric have one unit, that is none."""
    with log.scanner.watching_batches(log.data) as running:
        for _ in running:
            pass
    return bool(running.found_suspects()) or any(len(one.units) > 1 for one in running.stats.metrics.values())


def scan(log: Log, *, watches: bool) -> None:
    """Scan a log, and ask for what was counted, as a replay does for each log."""
    with log.scanner.watching_batches(log.data) if watches else log.scanner.batches(log.data) as running:
        for _ in running:
            pass
    _ = running.stats
    running.found_suspects()


def times(some: list[Log], rounds: int) -> list[tuple[int, int]]:
    """Per log the processor time in nanoseconds of the fastest rounds, without and with watching."""
    best = [[sys.maxsize, sys.maxsize] for _ in some]
    for turn in range(rounds):
        for log, fastest in zip(some, best, strict=True):
            for watches in (turn % 2 == 0, turn % 2 == 1):
                begin = time.process_time_ns()
                scan(log, watches=watches)
                fastest[watches] = min(fastest[watches], time.process_time_ns() - begin)
    return [(plain, watching) for plain, watching in best]


class _Counter:
    """Runs what is to be counted within the function that callgrind counts."""

    def __matmul__(self, work: Callable[[], None]) -> None:
        work()


def run_counted(some: Iterable[Log]) -> None:
    """Scan each log within the function that callgrind counts, without watching and then with it; and print its row and name."""
    counter = _Counter()
    for log in some:
        for watches in (False, True):
            scan(log, watches=watches)
            counter @ (lambda log=log, watches=watches: scan(log, watches=watches))
        print(log.row, log.name, sep="\t", flush=True)


def counts(size_bytes: int) -> list[tuple[str, str, int, int]]:
    """Per log its row, its name, and the instructions of a scan, without and with watching."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["valgrind", "--tool=callgrind", "--collect-atstart=no"]
        command += [f"--toggle-collect={_COUNTED}", f"--dump-after={_COUNTED}", f"--callgrind-out-file={folder}/out"]
        command += [sys.executable, __file__, "--bytes", str(size_bytes), "--counted"]
        env = {**os.environ, "PYTHONHASHSEED": "0"}
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        names = [line.split("\t") for line in done.stdout.splitlines()]
        found = []
        for number in range(1, 2 * len(names) + 1):
            total = re.search(r"^totals: ([0-9]+)", (Path(folder) / f"out.{number}").read_text(), re.MULTILINE)
            assert total is not None
            found.append(int(total[1]))
    return [(row, name, *found[2 * at : 2 * at + 2]) for at, (row, name) in enumerate(names)]


def shown(name: str, plain: int, watching: int) -> str:
    """A line of the table."""
    return f"{name:>24} {plain:>14,} {watching:>14,} {100 * (watching - plain) / plain:+.2f} %"


def main() -> None:
    """Print the table, or scan only."""
    reading = argparse.ArgumentParser(description=__doc__)
    reading.add_argument("--rounds", type=int, default=30)
    reading.add_argument("--bytes", type=int, default=4 << 20)
    reading.add_argument("--count", action="store_true")
    reading.add_argument("--each", action="store_true", help="print a line for each log, too")
    reading.add_argument("--counted", action="store_true", help="what --count runs under callgrind")
    asked = reading.parse_args()
    warnings.simplefilter("ignore")
    if asked.count:
        found = counts(asked.bytes)
    else:
        some = logs(asked.bytes)
        gc.collect()
        gc.disable()
        if asked.counted:
            run_counted(some)
            return
        timed = zip(some, times(some, asked.rounds), strict=True)
        found = [(log.row, log.name, *both) for log, both in timed]
    for row in dict.fromkeys(one[0] for one in found):
        of_row = [one for one in found if one[0] == row]
        for _, name, plain, watching in of_row if asked.each and len(of_row) > 1 else ():
            print(shown(name[:24], plain, watching))
        print(shown(row, sum(one[2] for one in of_row), sum(one[3] for one in of_row)))


if __name__ == "__main__":
    main()
