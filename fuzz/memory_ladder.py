"""Commands on a ladder of memory limits: whatever is missing, a command ends with a result or an error of its own.

    python fuzz/memory_ladder.py --step 25 [COMMAND...]

The limits (RLIMIT_AS) go from 3,000 MB down to 150 MB, by steps of so many MB below 800. Exit code 1 if a command was ended by a
signal, gave a traceback, or failed and gave no reason.
"""

from __future__ import annotations

import argparse
import collections
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support.limited import commands, run_limited, what_is_wrong, write_dataset, write_logs


def main() -> int:
    """Climb down."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("commands", nargs="*", metavar="COMMAND")
    parser.add_argument("--step", type=int, default=25)
    given = parser.parse_args()
    limits = [3000, 2000, 1500, 1000, *range(800, 149, -given.step)]
    findings = 0
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_logs(folder / "logs")
        write_dataset(folder, folder / "logs")
        for name, arguments in commands(folder, folder / "logs").items():
            if given.commands and name not in given.commands:
                continue
            codes: collections.Counter[int] = collections.Counter()
            for limit in limits:
                code, told = run_limited(arguments, limit)
                codes[code] += 1
                if wrong := what_is_wrong(code, told):
                    findings += 1
                    print(f"{name}, {limit} MB: {wrong}: {told[-600:]}", flush=True)
            print(
                f"{name}: {', '.join(f'exit code {code}: {count}' for code, count in sorted(codes.items()))}",
                flush=True,
            )
    return int(findings > 0)


if __name__ == "__main__":
    sys.exit(main())
