"""One run of everything: ours and every peer on every workload, each answer checked first; kept as a record if asked.

Parts: engines (all engines on synthetic logs), many (the same with 40 definitions), pipelines (a log to Parquet, beside
other tools), shapes and real (logs read record by record), gigabyte (all real logs), definitions,
threads, files, feed, start, ranking, memory (ours alone, beside what bounds it).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import bars
import measure
from inputs import corpora, logs
from parts import ours, pipelines, records, versus
from peers import engines

PARTS = (
    "engines", "many", "pipelines", "shapes", "real", "gigabyte", "definitions", "threads", "files", "feed", "start",
    "ranking", "memory",
)  # fmt: skip


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default=",".join(PARTS), help="which parts, by default all")
    parser.add_argument("--rounds", type=int, default=5, help="how often each call is timed")
    parser.add_argument(
        "--scale", type=float, default=1.0, help="of all sizes: 0.1 is a quick look, whose figures are not kept"
    )
    parser.add_argument("--workloads", default=",".join(corpora.WORKLOADS), help="of the part engines")
    parser.add_argument("--engines", help="names, such as metricscan,polars; default all that are installed")
    parser.add_argument("--record", type=Path, metavar="FOLDER", help="keep the figures under this folder")
    parser.add_argument("--machine", default=measure.machine_name(), help="the folder of this machine's records")
    options = parser.parse_args()
    wanted = set(options.engines.split(",")) if options.engines else None
    parts = options.parts.split(",")
    unknown = (wanted or set()) - {engine.name for engine in engines.ENGINES}
    unknown |= (set(options.workloads.split(",")) - set(corpora.WORKLOADS)) | (set(parts) - set(PARTS))
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")

    about = measure.machine()
    print(about)
    measured: list[measure.Measurement] = []
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="metricscan-bench-") as folder:
        for part in parts:
            start = time.perf_counter()
            print(f"== {part}", flush=True)
            try:
                for one in _part(part, options, wanted, Path(folder)):
                    measured.append(one)
                    sys.stdout.flush()
            except measure.WrongAnswerError as error:
                print(f"wrong answer: {error}", file=sys.stderr)
                return 1
            print(f"   ({time.perf_counter() - start:.0f} s)\n", flush=True)
    print("== what is asked for", *bars.report(measured), sep="\n")
    print(f"all in {time.perf_counter() - began:.0f} s")
    if options.record:
        print(f"recorded in {measure.write_record(measured, options.record, options.machine, about)}")
    return 0


def _part(part: str, options: argparse.Namespace, wanted: set[str] | None, folder: Path):
    rounds, scale = options.rounds, options.scale
    size = int(scale * (64 << 20))
    match part:
        case "engines":
            return versus.run(options.workloads.split(","), [4], rounds, wanted, folder, print, size)
        case "many":
            return versus.run(["every", "tenth", "hundredth"], [40], min(rounds, 3), wanted, folder, print, size // 2)
        case "pipelines":
            return pipelines.run(rounds, folder, size, print)
        case "shapes":
            return records.run(part, logs.shapes(), min(rounds, 3), print)
        case "real":
            return records.run(part, logs.real_once(), min(rounds, 3), print)
        case "gigabyte":
            return records.gigabyte(logs.real_once(), min(rounds, 3), int(scale * 1e9), print)
        case "definitions":
            return ours.definitions(rounds, size // 2, print)
        case "threads":
            return ours.threads(2 * rounds, 2 * size, folder, print)
        case "files":
            return ours.small_files(rounds, int(scale * 10_000), folder, print)
        case "feed":
            return ours.feed(2 * rounds, print)
        case "start":
            return ours.start(rounds, print)
        case "ranking":
            return ours.ranking(rounds, int(scale * 1_000_000), 10, print)
        case _:
            return ours.memory(scale * 8, print)


if __name__ == "__main__":
    raise SystemExit(main())
