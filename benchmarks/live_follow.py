"""What it costs to follow logs that grow, and how soon their rows come.

    benchmarks/live_follow.py cost [--files 1000] [--seconds 20]     processor time of a follower with a journal
    benchmarks/live_follow.py latency [--seconds 10] [--no-inotify]  from a line to its row, in process and in the journal
    benchmarks/live_follow.py large [--gib 10]                       bytes that are read of a large file behind its checkpoint
    benchmarks/live_follow.py bytes [--commits 2000]                 bytes of a journal per row, by how many rows a commit has
    benchmarks/live_follow.py opening [--commits 1000000]            time to open and to read a journal of so many commits

A process of its own writes the lines; the value of each is the time at which it was written.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from unittest import mock

import metricscan
from metricscan.datasets import journal_disk
from metricscan.live import follow as follow_module
from metricscan.live.follower import Follower
from metricscan.live.watch import LogName

SCANNER = metricscan.Scanner(["written=written=([0-9.]+)"])


def write(folder: Path, files: int, seconds: float, interval: float) -> None:
    """The writer: a line to each file each interval, at evenly spread times."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    opened = [open(folder / f"trial_{number}.log", "ab", buffering=0) for number in range(files)]  # noqa: SIM115
    begin, written = time.time(), 0
    while time.time() < begin + seconds:
        due = begin + written * interval / files
        time.sleep(max(0.0, due - time.time()))
        opened[written % files].write(b"epoch %d written=%.6f and more text\n" % (written, time.time()))
        written += 1
    print(written)


def started(folder: Path, files: int, seconds: float, interval: float) -> subprocess.Popen[str]:
    """A writer in a process of its own, whose files are there."""
    for number in range(files):
        (folder / f"trial_{number}.log").write_bytes(b"a line of text without a metric\n" * 100)
    command = [sys.executable, __file__, "--write", str(folder), str(files), str(seconds), str(interval)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def cost(files: int, seconds: float) -> None:
    """The processor time of a follower of so many files, each of which gets a line a second."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "logs")
        folder.mkdir()
        writer = started(folder, files, seconds + 15, 1.0)
        following = metricscan.follow(folder, SCANNER, out=Path(name, "journal"))
        used = elapsed = 0.0

        def measure() -> None:
            nonlocal used, elapsed
            # all files are open, and everything is imported, before the clock runs
            time.sleep(10)
            used, elapsed = time.process_time(), time.monotonic()
            time.sleep(seconds)
            used, elapsed = time.process_time() - used, time.monotonic() - elapsed
            following.stop()

        threading.Thread(target=measure).start()
        # as the command does that only keeps a journal
        following.run()
        writer.kill()
        writer.wait()
        rows = metricscan.Dataset(Path(name, "journal"))["written"].num_rows
    share = used / elapsed
    print(f"{files:,} files, {rows:,} rows: {share:.1%} of a core, {share / files * 1e6:.0f} us a line")


def latency(seconds: float, *, has_inotify: bool) -> None:
    """From the time at which a line was written to that at which its row is there."""
    for where in ("in process", "in the journal"):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name, "logs")
            folder.mkdir()
            out = Path(name, "journal") if where == "in the journal" else None
            writer = started(folder, 20, seconds + 3, 1.0)
            found: list[float] = []
            with (
                mock.patch.object(follow_module, "_changes", follow_module._changes if has_inotify else lambda: None),
                metricscan.follow(folder, SCANNER, out=out, until=f"pid:{writer.pid}") as batches,
            ):
                for batch in batches:
                    now = time.time()
                    found += [now - value for value in batch.rows["written"]["value"].to_pylist()]
            writer.wait()
            # the first rows wait for imports
            late = sorted(found[60:])
        median, p90 = (late[len(late) * share // 100] * 1000 for share in (50, 90))
        print(f"{where}: {len(late)} rows, median {median:.1f} ms, p90 {p90:.1f} ms, most {late[-1] * 1000:.1f} ms")


def large(gib: int) -> None:
    """How many bytes are read of a large file behind its checkpoint."""

    def read_bytes() -> int:
        with open("/proc/self/io", encoding="ascii") as file:
            return int(file.readline().split()[1])

    with tempfile.TemporaryDirectory() as name:
        path, journal = Path(name, "a.log"), Path(name, "journal")
        with open(path, "wb") as file:
            file.truncate(gib << 30)
        for count in range(3):
            with open(path, "ab") as file:
                file.write(b"\nwritten=1\n")
            before, begin = read_bytes(), time.monotonic()
            rows = sum(
                batch.rows["written"].num_rows
                for batch in metricscan.follow(path, SCANNER, out=journal, until="idle:0")
            )
            what = "the whole file" if not count else "a line more"
            print(f"{what}: {rows} row, {read_bytes() - before:,} bytes read, {time.monotonic() - begin:.2f} s")


# Value, line, offset and start: what a row has of its own, besides the job, the stream and the part that are those of its file.
ROW_BYTES = 32


def bytes_of_rows(commits: int) -> None:
    """How many bytes of a journal a row takes, with its share of a commit."""
    for files, rows in ((1, 1), (1, 10), (1, 100), (200, 1)):
        with tempfile.TemporaryDirectory() as name:
            logs = [Path(name, f"trial_{number}.log") for number in range(files)]
            for log in logs:
                # behind the first 4 KiB, as nearly all lines are
                log.write_bytes(b"a line of text without a metric\n" * 300)
            journal = Path(name, "journal")
            opened = [open(log, "ab", buffering=0) for log in logs]  # noqa: SIM115
            sizes = []
            with (
                metricscan.Journal.open(journal, SCANNER, commit_interval=None) as written,
                Follower(SCANNER, gives_columns=True, watches=True) as follower,
            ):
                for number, log in enumerate(logs):
                    follower.add(str(log), LogName(f"trial_{number}", "stdout"))
                for commit in range(commits // files):
                    for number, file in enumerate(opened):
                        lines = (
                            b"epoch %d written=%.6f and more text\n" % (commit * rows + row, time.time())
                            for row in range(rows)
                        )
                        file.write(b"".join(lines))
                        # as the lines of a job come: a commit has the time of its last one
                        at = 1_790_000_000_000_000_000 + commit * 1_000_000_000 + number * 5_000_017
                        os.utime(file.fileno(), ns=(at, at))
                    for found in follower.poll():
                        written.append_all(
                            (one.file, one.rows, one.checkpoint, one.replaces, one.crash, one.suspects)
                            for one in found.files
                        )
                    written.commit()
                    sizes.append(sum(one.stat().st_size for one in journal.glob("*.segment")))
            for file in opened:
                file.close()
            # the first commit names the files
            per_row = (sizes[-1] - sizes[0]) / (len(sizes) - 1) / files / rows
            what = f"{files} files, a row of each" if files > 1 else f"{rows} rows of a log" if rows > 1 else "1 row"
            print(f"a commit of {what}: {per_row:.1f} bytes a row, {per_row / ROW_BYTES:.2f} times its own")


def opening(commits: int) -> None:
    """How long it takes to open a journal of many commits for reading and for writing, and to read it."""
    with tempfile.TemporaryDirectory() as name:
        journal, row = Path(name, "journal"), {"written": SCANNER.scan(b"written=1.5\n")["written"].to_batches()[0]}
        with (
            mock.patch.object(journal_disk, "sync"),
            metricscan.Journal.open(journal, SCANNER, commit_interval=None) as written,
        ):
            for number in range(commits):
                file = metricscan.FollowedFile(f"trial_{number % 100}", "stdout", 0, "logs")
                written.append(file, row, b"%020d" % number)
                written.commit()
        size = sum(one.stat().st_size for one in journal.glob("*.segment"))
        print(f"{commits:,} commits, {size:,} bytes")
        for what, call in (
            ("to open it as a dataset", lambda: metricscan.Dataset(journal)),
            ("to open it for writing", lambda: metricscan.Journal.open(journal, SCANNER).close()),
            ("to read all rows", lambda: metricscan.Dataset(journal)["written"].num_rows),
        ):
            took = []
            for _ in range(3):
                begin = time.perf_counter()
                call()
                took.append(time.perf_counter() - begin)
            print(f"{what}: {min(took):.3f} s")


def main() -> None:
    """Run one of the measurements."""
    if sys.argv[1:2] == ["--write"]:
        write(Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]), float(sys.argv[5]))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["cost", "latency", "large", "bytes", "opening"])
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--gib", type=int, default=10)
    parser.add_argument("--commits", type=int)
    parser.add_argument("--no-inotify", action="store_true")
    options = parser.parse_args()
    if options.what == "cost":
        cost(options.files, options.seconds)
    elif options.what == "latency":
        latency(options.seconds, has_inotify=not options.no_inotify)
    elif options.what == "bytes":
        bytes_of_rows(options.commits or 2000)
    elif options.what == "opening":
        opening(options.commits or 1_000_000)
    else:
        large(options.gib)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    main()
