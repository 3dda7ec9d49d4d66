"""Run the readers' targets over random changes of their kept corpus for a time, without libFuzzer.

    python fuzz/random_readers.py --seconds 600 --seed 1 [TARGET...]

Exit code 1 at the first finding, which is printed.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
import traceback
from pathlib import Path

from readers import READERS

KEPT = Path(__file__).parent / "corpus"


def changed(source: random.Random, kept: list[bytes]) -> bytes:
    """A kept case with one to four changes."""
    data = bytearray(source.choice(kept))
    for _ in range(source.randint(1, 4)):
        at = source.randrange(len(data) + 1)
        kind = source.randrange(5)
        if kind == 0:
            del data[at : at + source.randint(1, 8)]
        elif kind == 1:
            data[at : at + 1] = bytes([source.randrange(256)])
        elif kind == 2:
            other = source.choice(kept)
            start = source.randrange(len(other) + 1)
            data[at:at] = other[start : start + source.randint(1, 16)]
        elif kind == 3:
            data[at:at] = source.choice(
                [b"\0", b"\xff", b"\\", b'"', b"{", b"[", b"\n", b"9" * 30, b"\\ud800", b"null", b"'", b"-"]
            )
        else:
            del data[at:]
    return bytes(data)


def main() -> int:
    """Run, and count."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    names = given.targets or sorted(READERS)
    for name in names:
        kept = [path.read_bytes() for path in sorted((KEPT / name).iterdir())]
        source = random.Random(f"{name} {given.seed}")
        end = time.monotonic() + given.seconds / len(names)
        cases = read = 0
        while time.monotonic() < end:
            data = changed(source, kept)
            cases += 1
            try:
                read += READERS[name](data)
            except Exception:
                traceback.print_exc()
                print(f"{name}: {data.hex()}")
                return 1
        print(f"{name}: {cases:,} cases, {read:,} read, {cases - read:,} errors of metricscan", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
