"""Overwrites of one dataset, killed or signalled at random moments: the old dataset or the new one is there, whole.

    python fuzz/killed_overwrites.py --kills 1000 --signals 1000 --seed 1

``--command`` stops ``metricscan replay --out --overwrite``, from the finding of logs to the last line, not the writing alone.
``--renames`` swaps by two renames and a recovery, as where the system cannot swap two folders. Exit code 1 if a dataset is
missing, mixed or damaged, or if something is left behind after the next run.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import os
import random
import signal
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support.overwrites import METRICS, by_renames, value_of, write

from metricscan.cli import main as command

if TYPE_CHECKING:
    from collections.abc import Callable


def replayed(path: Path, value: float) -> int:
    """Overwrite the dataset by the command, which reads two logs of a job that hold the value; its exit code."""
    logs = path.with_name("logs")
    logs.mkdir(exist_ok=True)
    for name, metrics in (("stdout", METRICS[::2]), ("stderr", METRICS[1::2])):
        (logs / f"{name}.log").write_text("".join(f"{metric}={value}\n" for metric in metrics))
    definitions = [word for metric in METRICS for word in ("--metric", f"{metric}={metric}=([0-9.-]+)")]
    arguments = ["replay", str(logs), *definitions, "--minimize", "loss", "--out", str(path), "--overwrite"]
    with (
        open(os.devnull, "w", encoding="utf-8") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        return command(arguments)


def written(path: Path, value: float) -> int:
    """Overwrite the dataset without the command; 0."""
    write(path, value)
    return 0


def stopped(
    overwrite: Callable[[Path, float], int], path: Path, value: float, after_s: float, number: int, *, renames: bool
) -> int:
    """Begin an overwrite, and send it a signal so long after; the status with which it ended."""
    # a signal that came before the child is ready would send it on as if it were this process
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    process = os.fork()
    if not process:
        code = 1
        try:
            signal.signal(signal.SIGTERM, signal.default_int_handler)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            if renames:
                by_renames()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM))
            code = overwrite(path, value)
        except KeyboardInterrupt:
            code = 130
        finally:
            os._exit(code)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM))
    time.sleep(after_s)
    os.kill(process, number)
    return os.waitpid(process, 0)[1]


def main() -> int:
    """Kill and signal as many overwrites as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--signals", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--command", action="store_true")
    parser.add_argument("--renames", action="store_true")
    given = parser.parse_args()
    overwrite = replayed if given.command else written
    # Arrow's threads wait for work, and hold no lock, while this process forks
    warnings.simplefilter("ignore", DeprecationWarning)
    moments = random.Random(given.seed)
    counts: collections.Counter[str] = collections.Counter()
    with tempfile.TemporaryDirectory() as parent:
        path = Path(parent, "out")
        overwrite(path, 0.0)
        # the first one has imported what the others use
        began = time.monotonic()
        overwrite(path, 0.0)
        beside = set(os.listdir(parent)) - {"out"}
        longest_s = 1.2 * (time.monotonic() - began)
        last = 0.0
        for attempt in range(given.kills + given.signals):
            number = signal.SIGKILL if attempt < given.kills else moments.choice([signal.SIGINT, signal.SIGTERM])
            value = float(attempt + 1)
            began = time.monotonic()
            status = stopped(overwrite, path, value, moments.random() * longest_s, number, renames=given.renames)
            left = len(set(os.listdir(parent)) - beside) - path.exists()
            found = value_of(path)
            if found not in (last, value) or (status == 0 and found != value):
                print(
                    f"attempt {attempt} of seed {given.seed}: {found} is there; {last} or {value} was expected",
                    file=sys.stderr,
                )
                return 1
            outcome = "new" if found == value else "old"
            counts[
                f"{signal.Signals(number).name}: {outcome} dataset, {'ended before' if status == 0 else 'stopped'}"
            ] += 1
            counts["folders left by the stopped run, which the next one removed"] += left
            last = found
        overwrite(path, -1.0)
        if set(os.listdir(parent)) != beside | {"out"} or value_of(path) != -1.0:
            print(f"left: {os.listdir(parent)}", file=sys.stderr)
            return 1
    for what, count in sorted(counts.items()):
        print(f"{count:6} {what}")
    print(f"{given.kills} kills, {given.signals} signals, {len(METRICS)} metrics: no dataset was lost or mixed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
