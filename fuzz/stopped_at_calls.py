"""Overwrites of a dataset that get a signal at each system call that changes files: the old one or the new one is there.

    python fuzz/stopped_at_calls.py [--signals KILL,INT] [--of-writes 1]

By strace, the n-th call of a kind gets the signal as it enters the kernel, for each kind and n that an overwrite has. Exit code 1
if a dataset is missing, mixed or damaged, or if something is left behind after the next run.
"""

from __future__ import annotations

import argparse
import collections
import itertools
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support.overwrites import value_of, write

KINDS = "mkdir,rename,renameat2,fsync,fdatasync,syncfs,unlink,unlinkat,rmdir,ftruncate,write,pwrite64,writev,flock"
_PROGRAM = """
import signal, sys
sys.path.insert(0, sys.argv[1])
from support.overwrites import write
write(sys.argv[3], 0.0)
print("begins", flush=True)
# in the background a shell lets its commands ignore SIGINT
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.default_int_handler)
write(sys.argv[2], float(sys.argv[4]))
"""


def traced(path: Path, other: Path, value: float, *options: str) -> tuple[int, str]:
    """Run an overwrite under strace; its exit status, and what strace wrote."""
    told = other.with_name("trace")
    # the first writing must have the calls that it had when they were counted
    shutil.rmtree(other, ignore_errors=True)
    command = ["strace", "-f", "-qq", "-o", str(told), *options]
    program = [sys.executable, "-B", "-c", _PROGRAM, str(Path(__file__).resolve().parents[1] / "tests")]
    arguments = [*command, *program, path, other, str(value)]
    found = subprocess.run(arguments, check=False, capture_output=True, timeout=120)  # noqa: S603
    return found.returncode, told.read_text(errors="replace")


def calls(trace: str) -> tuple[dict[str, int], dict[str, int]]:
    """By kind, how many calls a trace has before the overwrite begins, and in all."""
    counts: collections.Counter[str] = collections.Counter()
    before: dict[str, int] = {}
    for line in trace.splitlines():
        found = re.match(r"\d+ +(\w+)\(", line)
        if found is None:
            continue
        counts[found[1]] += 1
        if '"begins' in line:
            before = dict(counts)
    return before, dict(counts)


def main() -> int:
    """Signal an overwrite at each call."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--signals", default="KILL,INT")
    parser.add_argument("--of-writes", type=int, default=1, metavar="N", help="of the calls of write, each N-th")
    given = parser.parse_args()
    outcomes: collections.Counter[str] = collections.Counter()
    with tempfile.TemporaryDirectory() as parent:
        (Path(parent) / "in").mkdir()
        path, other = Path(parent) / "in" / "out", Path(parent) / "other"
        write(path, 0.0)
        _, trace = traced(path, other, 1.0, "-e", f"trace={KINDS}")
        before, counts = calls(trace)
        if value_of(path) != 1.0 or not before:
            print("the overwrite does not work under strace", file=sys.stderr)
            return 1
        last = value = 1.0
        for kind, count in sorted(counts.items()):
            step = given.of_writes if kind == "write" else 1
            places = range(before.get(kind, 0) + 1, count + 1, step)
            for number, name in itertools.product(places, given.signals.split(",")):
                # what the one before left behind would be removed first, by other calls
                write(path, last)
                value += 1
                inject = f"inject={kind}:signal=SIG{name}:when={number}"
                status, _ = traced(path, other, value, "-e", f"trace={kind}", "-e", inject)
                found = value_of(path)
                if found not in (last, value) or (status == 0 and found != value):
                    print(f"{name} at {kind} {number}: {found} is there; {last} or {value} was expected")
                    return 1
                which, how = "new" if found == value else "old", "ended" if status == 0 else "stopped"
                outcomes[f"{name}: {which} dataset, {how}"] += 1
                last = found
        write(path, -1.0)
        if os.listdir(path.parent) != ["out"] or value_of(path) != -1.0:
            print(f"left: {os.listdir(path.parent)}", file=sys.stderr)
            return 1
    for what, times in sorted(outcomes.items()):
        print(f"{times:6} {what}")
    overwrite = {kind: count - before.get(kind, 0) for kind, count in sorted(counts.items())}
    listed = ", ".join(f"{count} {kind}" for kind, count in overwrite.items() if count)
    print(f"{sum(overwrite.values())} calls ({listed}): no dataset was lost or mixed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
