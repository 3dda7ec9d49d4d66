"""Time scans of a log whose every line has four metrics and a worker's label, with the label and without it, in turn.

    python benchmarks/labels.py [MIB] [ROUNDS]

The last column is the speed as a part of that without a label. The texts found are compared with those of `re` first.
"""

import random
import re
import sys
import time

import metricscan

METRICS = [f"{name}={name}=(.*?);" for name in ("loss", "acc", "lr", "time")]
LABELS = (r"\[rank(\d+)\]", r"\[(rank\d+)\]", r"\[(.*?)\]")


def main() -> None:
    """Print a line per label."""
    mib, rounds = [*map(int, sys.argv[1:]), *(32, 9)[len(sys.argv) - 1 :]]
    source = random.Random(1)
    lines = [
        f"[rank{source.randrange(8)}]: epoch {at // 100} train loss={source.random():.4f}; acc={source.random():.4f}; "
        f"lr={source.random() / 100:.6f}; time={source.random():.3f};\n"
        for at in range(10_000)
    ]
    text = "".join(lines)
    data = text.encode() * max(1, (mib << 20) // len(text))
    scanners = {"no label": metricscan.Scanner(METRICS)}
    for label in LABELS:
        scanners[label] = metricscan.Scanner(METRICS, labels={"worker": label})
        assert scanners[label].scan(text.encode())["worker"]["value"].to_pylist() == re.findall(label, text)
    least: dict[str, float] = {}
    for _ in range(rounds):
        for name, scanner in scanners.items():
            begin = time.process_time()
            scanner.scan(data, threads=1)
            least[name] = min(least.get(name, float("inf")), time.process_time() - begin)
    for name, seconds in least.items():
        print(f"{name:16} {len(data) / seconds / 1e6:8,.0f} MB/s {least['no label'] / seconds:6.2f}")


if __name__ == "__main__":
    main()
