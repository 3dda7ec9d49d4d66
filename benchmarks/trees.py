"""Two installations of metricscan beside each other: the same work in two processes, round by round, minima compared.

    benchmarks/trees.py OTHER/.venv/bin/python [--rounds 9] [--mib 64] [--threads 1] [--folder /dev/shm]
        [--parts "every,parquet every,..."]

Run it with the interpreter of one tree and name that of the other, e.g. the tree before a change. Each round runs every
part once in each process; the ratios are this tree's least time by the other's, on the clock and of the processor, which tells
the same of a machine that others use too. Medians of equal builds differ by up to 3 %, minima by less. A part such as ``parquet
tenth`` is a replay that writes a dataset, without sync: give it a folder in memory.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

FEED_BYTES = 200
FORMATS = ("parquet", "arrow", "csv", "jsonl")
# glibc's malloc gives memory back and takes it again in some layouts of the heap and not in others: two processes of equal code
# took 25,358 and 37,728 page faults, and 36 and 40 ms, for the same scans. It keeps its memory here.
KEEP_MEMORY = {
    "MALLOC_TRIM_THRESHOLD_": "2000000000",
    "MALLOC_MMAP_THRESHOLD_": "2000000000",
    "MALLOC_TOP_PAD_": "200000000",
}


def prepare(folder: Path, mib: int) -> None:
    """Write the inputs: synthetic logs, small files, and real logs where METRICSCAN_CORPORA names them."""
    from inputs import corpora

    for name in ("every", "tenth", "hundredth"):
        made = corpora.workload(name, mib << 20, 4)
        (folder / f"{name}.log").write_bytes(made.data)
    (folder / "definitions.json").write_text(json.dumps(corpora.definitions(4)), encoding="utf-8")
    small = folder / "small"
    small.mkdir()
    text = (folder / "tenth.log").read_bytes()
    for number in range(2000):
        start = text.find(b"\n", number * 20_000) + 1
        (small / f"trial_{number}.log").write_bytes(text[start : start + 20_000])


def parts(folder: Path, threads: int) -> dict[str, Any]:
    """Each part's name and what it runs."""
    import metricscan

    definitions = json.loads((folder / "definitions.json").read_text(encoding="utf-8"))
    scanner = metricscan.Scanner(definitions)
    found: dict[str, Any] = {}
    for name in ("every", "tenth", "hundredth"):
        text = (folder / f"{name}.log").read_bytes()
        found[name] = functools.partial(scanner.scan, text, threads=threads)
    corpus = os.environ.get("METRICSCAN_CORPORA")
    if corpus:
        root = Path(corpus) / "corpora"
        logs = [json.loads(line) for line in (root / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]
        ready = [
            (
                metricscan.Scanner(one["definitions"], untamed="allow"),
                (root / "logs" / Path(one["file"]).name).read_bytes(),
            )
            for one in logs
        ]
        found["real logs"] = lambda: [own.scan(text, threads=threads) for own, text in ready]
    found["small files"] = lambda: metricscan.replay([str(folder / "small")], scanner, threads=threads)
    fed = (folder / "every.log").read_bytes()[: 4 << 20]
    chunks = [fed[at : at + FEED_BYTES] for at in range(0, len(fed), FEED_BYTES)]

    def feed() -> None:
        with scanner.stream() as stream:
            for chunk in chunks:
                stream.feed(chunk)
            stream.take()

    found["feed"] = feed
    for kind in FORMATS:
        for name in ("every", "tenth"):
            found[f"{kind} {name}"] = functools.partial(
                metricscan.replay, folder / f"{name}.log", scanner,
                out=folder / f"out-{os.getpid()}", format=kind, threads=threads, keep=False, sync=False, overwrite=True,
            )  # fmt: skip
    return found


def work(folder: Path, threads: int) -> None:
    """The worker: runs a part for each line of its input, and answers with the seconds that it took, and the processor did."""
    ready = parts(folder, threads)
    print(json.dumps(list(ready)), flush=True)
    for line in sys.stdin:
        run = ready[line.strip()]
        started, started_cpu = time.perf_counter(), time.process_time()
        run()
        print(time.perf_counter() - started, time.process_time() - started_cpu, flush=True)


def main() -> None:
    """Compare two trees."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", help="the interpreter of the other tree")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--mib", type=int, default=64)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--folder", help="where input and datasets lie")
    parser.add_argument("--parts", help="some of them, with commas between")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        prepare(folder, options.mib)
        environment = {**os.environ, **KEEP_MEMORY}
        workers = [
            subprocess.Popen(
                [python, __file__, "--work", name, str(options.threads)],
                stdin=-1,
                stdout=-1,
                text=True,
                cwd=name,
                env=environment,
            )
            for python in (sys.executable, options.other)
        ]
        names, _ = (json.loads(worker.stdout.readline()) for worker in workers)  # type: ignore[union-attr]
        if options.parts:
            names = [part for part in names if part in options.parts.split(",")]
        least: dict[tuple[str, int], list[float]] = {}
        for number in range(options.rounds + 1):
            for part in names:
                # the first of the two alternates
                for which in (0, 1) if number % 2 else (1, 0):
                    print(part, file=workers[which].stdin, flush=True)
                    seconds = [*map(float, workers[which].stdout.readline().split())]  # type: ignore[union-attr]
                    if number:
                        least[part, which] = [*map(min, seconds, least.get((part, which), seconds))]
        for part in names:
            (mine, mine_cpu), (others, others_cpu) = least[part, 0], least[part, 1]
            text = f"{part:14} {mine * 1e3:9.2f} ms {others * 1e3:9.2f} ms {mine / others:7.3f}"
            print(
                f"{text}   processor {mine_cpu * 1e3:9.2f} ms {others_cpu * 1e3:9.2f} ms {mine_cpu / others_cpu:7.3f}"
            )
        for worker in workers:
            worker.stdin.close()  # type: ignore[union-attr]
            worker.wait()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--work"]:
        work(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
