"""Writers of one journal, killed at random moments: each row that was committed is there once, and no row twice.

    python fuzz/killed_writers.py --kills 300 --seed 1

Each writer goes on at the checkpoint that it finds. Exit code 1 if a row is lost, doubled or out of place.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support.journals import SCANNER, file, one_row, values_of

from metricscan import Journal

ROWS = 3


def write(path: str, said: int) -> None:
    """Commit rows for ever, and say after each commit how many there are."""
    with Journal.open(path, SCANNER, commit_interval=None, segment_commits=50) as journal:
        number = int(journal.checkpoints().get(file("a"), b"0"))
        while True:
            for _ in range(ROWS):
                journal.append(file("a"), {"loss": one_row(number)}, b"%d" % (number + 1))
                number += 1
            journal.commit()
            os.write(said, b"%d\n" % number)


def killed(path: str, after_s: float) -> int:
    """Kill a writer so long after its first commit; how many rows it had said were committed."""
    heard, said = os.pipe()
    process = os.fork()
    if not process:
        os.close(heard)
        try:
            write(path, said)
        finally:
            os._exit(1)
    os.close(said)
    with open(heard, "rb") as lines:
        first = lines.readline()
        time.sleep(after_s)
        os.kill(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
        if not os.WIFSIGNALED(status):
            raise AssertionError("the writer ended by itself")
        return int([first, *lines.read().splitlines()][-1])


def main() -> int:
    """Kill as many writers as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    moments = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "journal")
        values: list[float] = []
        behind = 0
        for kill in range(given.kills):
            said = killed(path, moments.random() / 50)
            values = values_of(path)["a"]
            if values != [float(number) for number in range(len(values))] or len(values) < said:
                print(
                    f"kill {kill} of seed {given.seed}: {said} rows were committed, {len(values)} are there",
                    file=sys.stderr,
                )
                return 1
            behind += len(values) > said
    print(f"{given.kills} kills, {len(values)} rows; {behind} times a commit was whole that had not been told")
    return 0


if __name__ == "__main__":
    sys.exit(main())
