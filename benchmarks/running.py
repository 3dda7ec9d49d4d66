"""What ``metricscan run`` costs beside ``> file``: a program in C that prints 200,000 lines a second, and one as fast as it can.

    python benchmarks/running.py --seconds 5 --rounds 3

Both are run in turn, and the least wall time of each counts. Each row that the program printed is looked for in the journal.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from metricscan import Dataset

PROGRAM = r"""
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
/* prints so many lines, so many a second (0: as fast as it can), and flushes a hundred times a second */
int main(int argc, char **argv) {
    long lines = atol(argv[1]), rate = atol(argv[2]), each = rate ? rate / 100 : 20000;
    struct timespec begin, now;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (long i = 0; i < lines; i++) {
        printf("2026-03-01 12:00:00 INFO step %ld loss=%.6f lr=0.0003\n", i, 1.0 / (i + 1));
        if (i % each == each - 1) {
            fflush(stdout);
            if (rate) {
                double due = (i + 1.0) / rate;
                clock_gettime(CLOCK_MONOTONIC, &now);
                double left = due - (now.tv_sec - begin.tv_sec) - (now.tv_nsec - begin.tv_nsec) / 1e9;
                if (left > 0) {
                    struct timespec pause = {(time_t)left, (long)((left - (time_t)left) * 1e9)};
                    nanosleep(&pause, NULL);
                }
            }
        }
    }
    return 0;
}
"""


def measured(command: list[str], output: int) -> tuple[float, float]:
    """Wall and CPU seconds of a command with all that it waits for."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.perf_counter()
    subprocess.run(command, stdout=output, stderr=subprocess.DEVNULL, check=True)
    wall = time.perf_counter() - begin
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def compare(folder: Path, lines: int, rate: int, rounds: int) -> None:
    """Print what the program costs alone and under ``metricscan run``."""
    program = [str(folder / "program"), str(lines), str(rate)]
    alone: list[tuple[float, float]] = []
    run: list[tuple[float, float]] = []
    for number in range(rounds):
        with open(folder / "alone.log", "wb") as file:
            alone.append(measured(program, file.fileno()))
        job = folder / f"job-{rate}-{number}"
        command = [sys.executable, "-m", "metricscan", "run", "-m", r"loss=loss=(\S+)", "-o", str(job), "--", *program]
        with open(os.devnull, "wb") as nothing:
            run.append(measured(command, nothing.fileno()))
        found = Dataset(job / "journal")["loss"].num_rows
        if found != lines:
            raise AssertionError(f"{found} rows of {lines}")
        if (job / "output.log").read_bytes() != (folder / "alone.log").read_bytes():
            raise AssertionError("the output differs")
    wall, wall_run = min(alone)[0], min(run)[0]
    cpu = min(one for _, one in run)
    print(
        f"{lines:,} lines at {f'{rate:,}/s' if rate else 'full speed'}: {wall:.3f} s > file, {wall_run:.3f} s under run "
        f"({wall_run / wall - 1:+.1%}, {lines / wall_run:,.0f} lines/s), {cpu:.3f} s of CPU in all; no row lost"
    )


def main() -> None:
    """Compile the program, and compare."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent)
        (folder / "program.c").write_text(PROGRAM)
        subprocess.run(["cc", "-O2", "-o", folder / "program", folder / "program.c"], check=True)
        compare(folder, int(given.seconds * 200_000), 200_000, given.rounds)
        compare(folder, int(given.seconds * 1_000_000), 0, given.rounds)


if __name__ == "__main__":
    main()
