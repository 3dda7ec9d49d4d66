"""Compare two records of ``run.py``: what got slower, what faster, beyond the spread of both.

Speeds are read relative to "read memory" of the same record, so that two runs of one machine in different moods can be
compared; the exit code is 1 when one of our engines got slower by more than a tenth and by more than the spread.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

TOLERANCE = 0.10

Key = tuple[str, str, str]


def load(path: Path) -> dict[Key, tuple[float, float]]:
    """Return per (workload, definitions, engine) the speed as a share of reading memory, and the relative spread."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    floor = {(r["workload"], r["definitions"]): float(r["mb_per_s"]) for r in rows if r["engine"] == "read memory"}
    return {
        (r["workload"], r["definitions"], r["engine"]): (
            float(r["mb_per_s"]) / floor[r["workload"], r["definitions"]],
            float(r["mad_s"]) / float(r["median_s"]),
        )
        for r in rows
        if r["engine"] != "read memory"
    }


def main(old_path: str, new_path: str) -> int:
    """Print one line per pair that both records have."""
    old, new = load(Path(old_path)), load(Path(new_path))
    worse = 0
    for key in sorted(old.keys() & new.keys()):
        ratio = new[key][0] / old[key][0]
        margin = max(TOLERANCE, 3 * (old[key][1] + new[key][1]))
        verdict = "slower" if ratio < 1 - margin else "faster" if ratio > 1 + margin else ""
        worse += verdict == "slower" and key[2].startswith("metricscan")
        workload, definitions, engine = key
        print(f"{workload:10} {definitions:>5} {engine:16} {ratio:6.2f}x {verdict}")
    for title, only in (("only in the old record", old.keys() - new.keys()), ("new", new.keys() - old.keys())):
        for key in sorted(only):
            print(f"{' '.join(key)}: {title}")
    return 1 if worse else 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python benchmarks/compare.py OLD.csv NEW.csv")
    sys.exit(main(sys.argv[1], sys.argv[2]))
