"""Random cases of the whole grammar, engine beside oracle, until so many pairs of record and definition were compared.

    python fuzz/differential.py --cases 1000000 --seed 1

A difference is made smaller and printed; exit code 1. The same seed makes the same cases.
"""

from __future__ import annotations

import argparse
import functools
import random
import sys
import time
import warnings
from typing import TYPE_CHECKING

from targets import TARGETS, grammar

from metricscan.errors import DefinitionWarning

if TYPE_CHECKING:
    from collections.abc import Callable

# Compiling costs more than matching: a pattern is worth many records.
CASE_BYTES, MOST_RECORDS = 2_000, 60


def smaller(target: Callable[[bytes], int], data: bytes, error: AssertionError) -> tuple[bytes, AssertionError]:
    """The shortest, then lowest bytes that still differ, as far as taking away and lowering leads."""
    step = max(1, len(data) // 2)
    while step:
        at = 0
        while at < len(data):
            for attempt in (data[:at] + data[at + step :], data[:at] + bytes(step) + data[at + step :]):
                if attempt == data or len(attempt) > len(data):
                    continue
                try:
                    target(attempt)
                except AssertionError as found:
                    data, error = attempt, found
                    break
            else:
                at += step
        step //= 2
    return data, error


def main() -> int:
    """Run, and say what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--cases", type=int, default=1_000_000, help="pairs of record and definition decided by the core"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--most", type=int, default=5, help="differences to show before it stops")
    parser.add_argument("--target", choices=sorted(TARGETS), default="grammar")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", DefinitionWarning)
    target = TARGETS[arguments.target]
    if target is grammar:
        target = functools.partial(grammar, most_records=MOST_RECORDS)
    source = random.Random(arguments.seed)
    started = time.monotonic()
    compared = strings = differences = 0
    while compared < arguments.cases and differences < arguments.most:
        data = source.randbytes(source.randrange(8, CASE_BYTES))
        strings += 1
        try:
            compared += target(data)
        except AssertionError as error:
            differences += 1
            data, error = smaller(target, data, error)
            print(f"{error}\n  bytes    {data.hex()}\n", flush=True)
    took = time.monotonic() - started
    print(
        f"{compared:,} comparisons over {strings:,} cases in {took:,.0f} s (seed {arguments.seed}): {differences} differences"
    )
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
