"""Compare two records of ``run.py``: what got slower, what faster, beyond the spread of both.

Speeds are read relative to "read memory" of the same record, so that two runs of one machine in different moods can be
compared. The exit code is 1 when something of ours got slower by more than a tenth and by more than the spread.
"""

from __future__ import annotations

import sys
from pathlib import Path

import measure

TOLERANCE = 0.10
MOST_SPREAD = 0.5


def mood(record: list[measure.Measurement]) -> float:
    """How fast the machine read memory, in bytes a second: the median over the record."""
    speeds = sorted(m.amount / m.median_s for m in record if m.engine == "read memory")
    return speeds[len(speeds) // 2] if speeds else 1.0


def main(old_path: str, new_path: str) -> int:
    """Print one line per measurement that both records have."""
    before, after = measure.read_record(Path(old_path)), measure.read_record(Path(new_path))
    # of two moods the faster one makes everything faster
    moods = mood(after) / mood(before)
    old, new = ({m.key: m for m in record} for record in (before, after))
    worse = 0
    print(f"memory is read at {moods:.2f} times the speed of the old record; speeds are compared relative to that")
    for key in sorted(old.keys() & new.keys()):
        one, two = old[key], new[key]
        if "read memory" in key:
            continue
        ratio = two.figure / one.figure
        if one.unit == "MB":
            pass  # memory has no mood
        elif one.unit in measure.RATES:
            ratio /= moods
        else:
            ratio *= moods
        better = ratio if one.unit in measure.RATES else 1 / ratio
        spread = sum(m.mad_s / m.median_s if m.median_s else 0.0 for m in (one, two))
        margin = max(TOLERANCE, min(3 * spread, MOST_SPREAD))
        verdict = "slower" if better < 1 - margin else "faster" if better > 1 + margin else ""
        if one.unit == "MB":
            verdict = {"slower": "larger", "faster": "smaller"}.get(verdict, "")
        worse += verdict in ("slower", "larger") and key[3].startswith("metricscan")
        part, workload, definitions, engine, threads = key
        print(f"{part:11} {workload:24} {definitions:>5} {engine:18} {threads:>2} {better:6.2f}x {verdict}")
    for title, only in (("only in the old record", old.keys() - new.keys()), ("new", new.keys() - old.keys())):
        for key in sorted(only):
            print(f"{' '.join(map(str, key))}: {title}")
    return 1 if worse else 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python benchmarks/compare.py OLD.csv NEW.csv")
    sys.exit(main(sys.argv[1], sys.argv[2]))
