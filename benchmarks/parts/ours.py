"""metricscan alone, beside what bounds it: many definitions, threads, small files, live streams, start-up, ranking, memory."""

from __future__ import annotations

import functools
import json
import os
import random
import re
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import oracles
from inputs import corpora
from measure import ROOT, Contender, Measurement, WrongAnswerError, line, measurement, race, version
from peers import answers, floors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Say = Callable[[str], None]


def _counted(found: int, right: int, what: str) -> int:
    if found != right:
        raise WrongAnswerError(f"metricscan on {what}: {found} rows, expected {right}")
    return right


@functools.cache
def _made(name: str, size_bytes: int) -> tuple[corpora.Workload, int]:
    workload = corpora.workload(name, size_bytes, 4)
    expected = answers.oracle(workload)
    oracles.check(workload, expected)
    return workload, expected.row_count


def _rows(result: Any) -> int:
    return sum(counts.rows for counts in result.stats.metrics.values())


def _said(found: list[Measurement], say: Say) -> list[Measurement]:
    for m in found:
        say(line(m))
    return found


# ---- definitions

ODD_DEFINITIONS = {
    "one byte each": [{"Name": name, "Regex": rf"{name}([0-9.]+)"} for name in "=:~@"],
    "no literal": [{"Name": "number", "Regex": r"(\d+)$"}, {"Name": "share", "Regex": r"^\s*(\d+)%"}],
}


def definitions(rounds: int, size_bytes: int, say: Say) -> Iterator[Measurement]:
    """Ours with 4 to 5,000 definitions, of which a thousand share a prefix; with one-byte literals; without any."""
    import metricscan

    for name in ("every", "tenth", "hundredth"):
        workload, right = _made(name, size_bytes)
        lists = {str(count): corpora.definitions(count) for count in (4, 40, 400, 1000, 5000)} | ODD_DEFINITIONS
        say(f"{name}: {len(workload.data) / 1e6:.0f} MB")
        ready, part = [], workload.data[: workload.data.find(b"\n", oracles.CHECKED_BYTES // 4) + 1]
        for title, some in lists.items():
            scanner = metricscan.Scanner(some)
            rows = _rows(scanner.scan(workload.data, threads=1))
            if title in ODD_DEFINITIONS:
                _counted(_rows(scanner.scan(part)), oracles.rows(some, part), f"{name}, {title}")
            else:
                _counted(rows, right, f"{name}, {title} definitions")
            label = f"metricscan, {title}"
            ready.append(
                Contender(label, version("metricscan"), len(workload.data), rows, _scan(scanner, workload.data, 1))
            )
        found = race(ready, rounds, "definitions", name, 0)
        yield from _said(found, say)
        few = found[0].median_s
        say("  " + ", ".join(f"{m.engine.partition(', ')[2]}: {m.median_s / few:.2f}x" for m in found[1:]))


def _scan(scanner: Any, source: Any, threads: int) -> Callable[[], Any]:
    return lambda: scanner.scan(source, threads=threads)


# ---- threads, files and pipes


def threads(rounds: int, size_bytes: int, folder: Path, say: Say) -> Iterator[Measurement]:
    """Ours from memory and from a file on one thread and two, and from a pipe, beside reading and counting newlines."""
    import metricscan

    for name in ("every", "tenth", "hundredth"):
        workload, rows = _made(name, size_bytes // 4)
        data, right = workload.data * 4, rows * 4
        path = folder / "threads.log"
        path.write_bytes(data)
        scanner = metricscan.Scanner(workload.definitions)

        def from_pipe(scanner: Any = scanner, path: Path = path) -> Any:
            with subprocess.Popen(["cat", path], stdout=subprocess.PIPE) as process:
                return scanner.scan(process.stdout)

        say(f"{name}: {len(data) / 1e6:.0f} MB")
        for source, count in ((data, 1), (data, 2), (path, 1), (path, 2)):
            _counted(_rows(scanner.scan(source, threads=count)), right, name)
        _counted(_rows(from_pipe()), right, f"{name}, from a pipe")
        ours = version("metricscan")
        ready = [
            Contender("read memory", "", len(data), 0, floors.read_all(data)),
            Contender("wc -l", "", len(data), 0, floors.count_newlines(path)),
            *(Contender("metricscan", ours, len(data), right, _scan(scanner, data, count), count) for count in (1, 2)),
            *(
                Contender("metricscan-file", ours, len(data), right, _scan(scanner, path, count), count)
                for count in (1, 2)
            ),
            Contender("metricscan-pipe", ours, len(data), right, from_pipe),
            Contender("read memory, two threads", "", len(data), 0, floors.read_all_by_two(data), 2),
        ]
        found = race(ready, rounds, "threads", name, 4)
        yield from _said(found, say)
        memory, wc, one, two, file_one, file_two, _, memory_two = (m.median_s for m in found)
        say(
            f"  two threads over one: {one / two:.2f} from memory, {file_one / file_two:.2f} from a file, where reading memory"
            f" has {memory / memory_two:.2f};"
            f" a file beside wc -l: {wc / file_one:.2f}, on two threads {wc / file_two:.2f}"
        )
        path.unlink()


# ---- many small files


def small_files(rounds: int, count: int, folder: Path, say: Say) -> Iterator[Measurement]:
    """Replay of many files of 20 KB, one line in ten with metrics: found, read, scanned, ranked."""
    import metricscan

    whole = corpora.workload("tenth", 400 * 20_000, 4)
    cuts, at = [], 0
    while at < len(whole.data):
        end = whole.data.find(b"\n", at + 20_000) + 1 or len(whole.data)
        cuts.append(whole.data[at:end])
        at = end
    right = [answers.oracle(whole._replace(data=cut)).row_count for cut in cuts]
    logs = folder / "small"
    for i in range(count):
        file = logs / f"{i % 100:02d}" / f"trial_{i}.log"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(cuts[i % len(cuts)])
    rows = sum(right[i % len(cuts)] for i in range(count))
    objective = metricscan.Objective("loss", "Minimize")
    say(f"{count:,} files of 20 KB")
    for definition_count in (4, 40):
        scanner = metricscan.Scanner(corpora.definitions(definition_count))

        def replay(workers: int, scanner: Any = scanner) -> Callable[[], Any]:
            return lambda: metricscan.replay([logs], scanner, objective=objective, threads=workers)

        ready = []
        for workers in (1, 2):
            result = replay(workers)()
            _counted(_rows(result), rows, "small files")
            _counted(result.ranking.num_rows, count, "small files, jobs")
            ready.append(
                Contender("metricscan", version("metricscan"), count, rows, replay(workers), workers, "files/s")
            )
        yield from _said(race(ready, rounds, "files", "20 KB, one in ten", definition_count), say)
    shutil.rmtree(logs)


# ---- live streams


def feed(rounds: int, say: Say) -> Iterator[Measurement]:
    """Feeding chunks of 200 bytes, a line each; rows are taken every thousand chunks."""
    import metricscan

    scanner = metricscan.Scanner(corpora.GAN_DEFINITIONS)
    ready = []
    for title, make in (("no match", corpora.ordinary_line), ("four matches", corpora.gan_line)):
        draw = random.Random(corpora.SEED)
        chunks = [
            (make(draw).encode()[:199].decode(errors="ignore").ljust(199) + "\n").encode()[-200:] for _ in range(10_000)
        ]
        right = oracles.rows(corpora.GAN_DEFINITIONS, b"".join(chunks))

        def feed_all(chunks: list[bytes] = chunks) -> int:
            rows = 0
            with scanner.stream() as stream:
                for number, chunk in enumerate(chunks, 1):
                    stream.feed(chunk)
                    if number % 1000 == 0:
                        rows += sum(batch.num_rows for batch in stream.take().values())
            return rows

        _counted(feed_all(), right, title)
        ready.append(Contender(f"metricscan, {title}", version("metricscan"), len(chunks), right, feed_all, 1, "us"))
    yield from _said(race(ready, rounds, "feed", "chunks of 200 bytes", 4), say)


# ---- start-up


def start(rounds: int, say: Say) -> Iterator[Measurement]:
    """A new interpreter, the package in it, the command's help; definitions compiled, and by ``re`` alone."""
    import metricscan
    from metricscan.patterns import classes, parse

    ours = version("metricscan")

    def process(*arguments: str) -> Callable[[], Any]:
        command = [sys.executable, *arguments]
        return lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=ROOT)

    ready = [
        Contender("python -c pass", version(None), 1, 0, process("-c", "pass"), 1, "ms"),
        Contender("metricscan, import", ours, 1, 0, process("-c", "import metricscan"), 1, "ms"),
        Contender("metricscan --help", ours, 1, 0, process("-m", "metricscan", "--help"), 1, "ms"),
    ]
    found = _said(race(ready, 4 * rounds, "start", "a process", 0), say)
    yield from found
    say(f"  import: {found[1].median_s / found[0].median_s:.2f} of an empty interpreter")
    numbers = [
        {"Name": f"metric_{i:03}", "Regex": rf"metric_{i:03}=([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)"}
        for i in range(1000)
    ]
    for what, some in (
        ("compile", corpora.definitions(4)),
        ("compile", corpora.definitions(1000)),
        ("compile numbers", numbers),
    ):
        count = len(some)

        def by_re(some: list[dict[str, str]] = some) -> Any:
            re.purge()
            return [re.compile(one["Regex"]) for one in some]

        def by_us(some: list[dict[str, str]] = some) -> Any:
            re.purge()
            parse.forget()
            classes.forget()
            return metricscan.Scanner(some)

        _counted(len(by_us().metrics), count, "compilation")
        ready = [
            Contender("re.compile", version(None), 1, 0, by_re, 1, "ms"),
            Contender("metricscan", ours, 1, 0, by_us, 1, "ms"),
        ]
        found = _said(race(ready, 2 * rounds, "start", what, count), say)
        yield from found
        say(f"  {what}, {count} definitions: {found[1].median_s / found[0].median_s:.2f} of re.compile")


# ---- ranking


def ranking(rounds: int, jobs: int, rows_each: int, say: Say) -> Iterator[Measurement]:
    """Rank jobs by their last row, out of one table of all rows; the numbers are drawn, and checked by numpy."""
    import numpy as np
    import pyarrow as pa

    import metricscan

    draw = np.random.default_rng(corpora.SEED)
    size = jobs * rows_each
    values = draw.random(size)
    names = pa.array([f"trial_{i}" for i in range(jobs)])
    numbers = np.repeat(np.arange(jobs, dtype=np.int32), rows_each)
    lines = np.tile(np.arange(1, rows_each + 1, dtype=np.int64), jobs)
    table = pa.table(
        {
            "job": pa.DictionaryArray.from_arrays(pa.array(numbers), names),
            "stream": pa.DictionaryArray.from_arrays(pa.array(np.zeros(size, np.int32)), pa.array(["stdout"])),
            "part": pa.array(np.zeros(size, np.int32)),
            "value": values,
            "line": lines,
            "offset": lines * 100,
            "start": lines * 100 + 6,
            "time": pa.nulls(size, pa.timestamp("us", tz="UTC")),
        }
    )
    objective = metricscan.Objective("loss", "Minimize")
    last = values[rows_each - 1 :: rows_each]

    def rank() -> Any:
        return metricscan.rank({"loss": table}, objective)

    began = time.perf_counter()
    order = rank()
    took = time.perf_counter() - began
    _counted(order.num_rows, jobs, "ranking")
    if order["job"][0].as_py() != f"trial_{int(np.argmin(last))}" or not np.array_equal(order["value"], np.sort(last)):
        raise WrongAnswerError("the ranking is not in the order of the jobs' last values")
    say(f"{jobs:,} jobs, {size:,} rows")
    contender = Contender("metricscan", version("metricscan"), jobs, size, rank, 1, "jobs/s")
    if took > 5.0:
        found = [measurement(contender, [took], part="ranking", workload=f"{size:,} rows", definitions=1)]
    else:
        found = race([contender], rounds, "ranking", f"{size:,} rows", 1)
    yield from _said(found, say)


# ---- memory


def memory(gib: float, say: Say) -> Iterator[Measurement]:
    """Peak resident memory of a process that replays one large log to Parquet."""
    # where every line has four metrics, a quarter of it says as much
    for density, size in (("tenth", gib), ("every", gib / 4)):
        say(f"{density}: {size:g} GiB")
        command = [
            sys.executable,
            ROOT / "benchmarks" / "memory.py",
            "--gib",
            str(size),
            "--density",
            density,
            "--json",
        ]
        facts = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, env=os.environ).stdout)
        contender = Contender("metricscan", version("metricscan"), facts["bytes"], facts["rows"], lambda: None)
        m = measurement(contender, [facts["seconds"]], part="memory", workload=f"{density}, to Parquet", definitions=4)
        peak = m._replace(engine="metricscan, peak", figure=facts["peak_bytes"] / 1e6, unit="MB")
        yield from _said([m, peak], say)
