"""Many scans and live streams, one after another and on several threads: memory and descriptors stay as they are.

    python fuzz/steady.py --rounds 100000 --threads 32

Each round scans a small log (as bytes, as a file, with a definition that Python decides) and feeds a stream, cut anywhere. Exit
code 1 if a row is wrong, if memory has grown by more than 16 MiB since the first tenth of the rounds, or if a further
descriptor is open.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import sys
import tempfile
import threading
import time

from metricscan import Scanner

LOG = b"".join(b"epoch=%d loss=%d.5 name=x%d\n" % (number, number, number) for number in range(40))
EXPECTED = [number + 0.5 for number in range(40)]
GROWN_BYTES = 16 << 20


def memory_bytes() -> int:
    """What this process holds in memory."""
    gc.collect()
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def one_round(scanner: Scanner, path: str, choices: random.Random) -> bool:
    """Scan and stream once; whether all rows are right."""
    of_bytes = scanner.scan(LOG)["loss"]["value"].to_pylist()
    of_file = scanner.scan(path)["loss"]["value"].to_pylist()
    cut = choices.randrange(len(LOG))
    with scanner.stream() as stream:
        stream.feed(LOG[:cut])
        batches = [stream.take().get("loss")]
        stream.feed(LOG[cut:])
        batches.append(stream.take().get("loss"))
    taken = [value for batch in batches if batch is not None for value in batch["value"].to_pylist()]
    return of_bytes == of_file == taken == EXPECTED


def main() -> int:
    """Run the rounds, and compare what the process holds."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=100_000)
    parser.add_argument("--threads", type=int, default=32)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    scanner = Scanner(
        ["loss=loss=([0-9.]+)", r"epoch=(?<=\s|^)epoch=(\d+)"], labels={"name": r"name=(\w+)"}, untamed="allow"
    )
    wrong: list[int] = []
    with tempfile.NamedTemporaryFile() as file:
        file.write(LOG)
        file.flush()

        def work(number: int, rounds: int) -> None:
            choices = random.Random(given.seed * 1_000_003 + number)
            right = 0
            try:
                for _ in range(rounds):
                    right += one_round(scanner, file.name, choices)
            finally:
                # a round that raises is wrong, too
                wrong.append(rounds - right)

        def run(rounds: int) -> tuple[int, int]:
            share = max(1, rounds // given.threads)
            threads = [threading.Thread(target=work, args=(number, share)) for number in range(given.threads)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            return memory_bytes(), len(os.listdir("/proc/self/fd"))

        began = time.monotonic()
        memory, descriptors = run(given.rounds // 10)
        after, open_after = run(given.rounds - given.rounds // 10)
    grown = after - memory
    print(
        f"{given.rounds:,} rounds on {given.threads} threads in {time.monotonic() - began:.0f} s: {2 * given.rounds:,} scans, "
        f"{given.rounds:,} streams, {sum(wrong)} wrong; memory {after / 2**20:.1f} MiB, grown by {grown / 2**20:.2f} MiB; "
        f"descriptors {descriptors} then {open_after}"
    )
    return 1 if any(wrong) or grown > GROWN_BYTES or open_after > descriptors else 0


if __name__ == "__main__":
    sys.exit(main())
