"""Replay one large log to Parquet in a process of its own, and report that process's peak resident memory.

The kernel counts what a child held before it became another program: this process therefore stays small, imports
nothing but the standard library, and writes the log in blocks.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from inputs import corpora

# The log is this much text, then the same again until it is long enough: line numbers and offsets go on regardless.
DISTINCT_BYTES = 128 << 20

# per packing: a suffix, and what opens the file to be written
PACKINGS = {
    "gzip": (".gz", "from isal import igzip\nout = igzip.open(sys.argv[2], 'wb', 1)"),
    "zstd": (".zst", "from backports import zstd\nout = zstd.open(sys.argv[2], 'wb', level=1)"),
}


def write_log(path: Path, size_bytes: int, density: float) -> int:
    """Write at least `size_bytes` of log, and return how many it became."""
    distinct = path.with_suffix(".once")
    lines = corpora.log_lines(density, random.Random(f"{corpora.SEED} memory"))
    with distinct.open("wb") as file:
        for block in corpora.blocks(lines, min(DISTINCT_BYTES, size_bytes)):
            file.write(block)
    with path.open("wb") as file:
        while file.tell() < size_bytes:
            with distinct.open("rb") as again:
                shutil.copyfileobj(again, file, 1 << 20)
    distinct.unlink()
    return path.stat().st_size


def pack(path: Path, packing: str) -> Path:
    """Compress a log in a process of its own, and remove it; return the path of the compressed one."""
    suffix, opened = PACKINGS[packing]
    packed = path.with_name(path.name + suffix)
    code = (
        f"import shutil, sys\n{opened}\nwith open(sys.argv[1], 'rb') as log, out: shutil.copyfileobj(log, out, 1 << 20)"
    )
    subprocess.run([sys.executable, "-c", code, path, packed], check=True)
    path.unlink()
    return packed


def run(command: list[str]) -> tuple[int, float, int]:
    """Run a command, and return its exit code, its seconds and its peak resident memory in bytes."""
    start = time.perf_counter()
    process = os.posix_spawn(
        command[0], command, os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    )
    _, status, usage = os.wait4(process, 0)
    unit = 1 if sys.platform == "darwin" else 1024
    return os.waitstatus_to_exitcode(status), time.perf_counter() - start, usage.ru_maxrss * unit


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gib", type=float, default=2.0, help="size of the log")
    parser.add_argument("--density", choices=corpora.DENSITIES, default="tenth")
    parser.add_argument("--format", choices=("parquet", "arrow", "csv", "jsonl"), default="parquet")
    parser.add_argument("--packed", choices=PACKINGS, help="compress the log first")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory(prefix="metricscan-memory-") as folder:
        log = Path(folder, "job.log")
        size = write_log(log, int(options.gib * 2**30), corpora.DENSITIES[options.density])
        if options.packed:
            log = pack(log, options.packed)
        definitions = (f"{d['Name']}={d['Regex']}" for d in corpora.GAN_DEFINITIONS)
        out = Path(folder, "out")
        command = [sys.executable, "-m", "metricscan", "replay", str(log), "--out", str(out)]
        command += ["--format", options.format, "--minimize", "loss"]
        for definition in definitions:
            command += ["-m", definition]
        floor = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        code, seconds, peak = run(command)
        if code != 0:
            print(f"metricscan replay ended with exit code {code}", file=sys.stderr)
            return 1
        rows = sum(counts["rows"] for counts in json.loads((out / "_manifest.json").read_text())["counts"].values())
        written = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
    if options.json:
        print(json.dumps({"bytes": size, "rows": rows, "seconds": seconds, "peak_bytes": peak}))
        return 0
    print(
        f"{size / 2**30:.2f} GiB{f' as {options.packed}' if options.packed else ''}, {options.density} line with four metrics, to"
        f" {options.format}"
        f" ({written / 1e6:.0f} MB): {seconds:.1f} s, {size / seconds / 1e6:.0f} MB/s,"
        f" peak resident memory {peak / 1e6:.0f} MB (this process: {floor / 1e6:.0f} MB)"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
