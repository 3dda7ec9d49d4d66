"""Jobs of ``metricscan run``, killed at random moments: the reader, the command, the supervisor, or several of them.

    python fuzz/killed_runs.py --kills 300 --seed 1

After each kill the job is attached to until it has ended. Exit code 1 if a row is lost or doubled, if the status or the exit code
is wrong, if the training did not go on though only others were killed, or if a process is left.
"""

from __future__ import annotations

import argparse
import collections
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support.killed_runs import killed


def main() -> int:
    """Kill jobs, and count what became of them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    counts: collections.Counter[tuple[str, str]] = collections.Counter()
    rows = readers = failed = 0
    for number in range(given.kills):
        seed = given.seed * 1_000_003 + number
        with tempfile.TemporaryDirectory() as parent:
            try:
                outcome = killed(Path(parent, "job"), seed)
            except AssertionError as error:
                failed += 1
                print(f"seed {seed}: {error}")
                continue
        counts[outcome.victims, f"{outcome.status} {outcome.exit_code}"] += 1
        rows += outcome.rows
        readers += outcome.readers
    for (victims, status), count in sorted(counts.items()):
        print(f"{count:4}  {victims:24} {status}")
    print(f"{given.kills} kills, {readers} readers, {rows} rows, {failed} failures")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
