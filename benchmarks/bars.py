"""What the project asks of itself, and what a record says of it: ``python benchmarks/bars.py RECORD.csv``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import measure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

PEERS = (
    "re-lines", "re-text", "regex-text", "re2-text", "pcre2-text", "rust-text", "hyperscan+re", "chimera", "polars", "duckdb",
    "pyarrow", "ripgrep -P", "mtail",
)  # fmt: skip
BOTH = ("tenth", "hundredth")


class Bar(NamedTuple):
    """A figure that a record gives, and what it should be: at least, or at most, a bound."""

    title: str
    figure: Callable[[Record], float]
    least: float | None = None
    most: float | None = None


class Record:
    """The figures of a record, by what they are of."""

    def __init__(self, measurements: Iterable[measure.Measurement]) -> None:
        self.all = list(measurements)
        self.figures = {m.key: m.figure for m in self.all}

    def __call__(
        self, part: str, workload: str, definitions: int, engine: str = "metricscan", threads: int = 1
    ) -> float:
        """Return one figure; KeyError if it was not measured."""
        return self.figures[part, workload, definitions, engine, threads]

    def best_peer(self, workload: str, definitions: int) -> float:
        """Return the speed of the fastest peer."""
        return max(self.figures[key] for key in self.figures if self._is_peer(key, workload, definitions))

    @staticmethod
    def _is_peer(key: tuple[str, str, int, str, int], workload: str, definitions: int) -> bool:
        part, of, count, engine, _ = key
        return part == "engines" and (of, count) == (workload, definitions) and engine in PEERS

    def best_pipeline(self, workload: str) -> float:
        """Return the speed of the fastest pipeline from a log to Parquet that is not ours."""
        others = (m for m in self.all if m.part == "pipelines" and m.engine != "metricscan")
        return max(m.figure for m in others if m.workload == workload)

    def least_real(self) -> float:
        """Return ours over ``regex`` by record on the log where that is least."""
        logs = {m.workload for m in self.all if m.part == "real"} - {"all"}
        ours = {m.workload: m.figure for m in self.all if m.part == "real" and m.engine == "metricscan"}
        others = {m.workload: m.figure for m in self.all if m.part == "real" and m.engine == "regex by record"}
        return min(ours[log] / others[log] for log in logs)


def _bars() -> Iterator[Bar]:
    for count, bounds in {4: (16, 11, 4), 40: (22, 13, 4.5)}.items():
        for name, bound in zip(("every", "tenth", "hundredth"), bounds, strict=True):
            yield Bar(
                f"{name}, {count} definitions, over the best peer",
                lambda r, name=name, count=count: r("engines", name, count) / r.best_peer(name, count),
                least=bound,
            )
    for name, bound in (("every", 0.15), ("tenth", 0.35), ("hundredth", 0.55)):
        yield Bar(
            f"{name}, of the speed of reading memory",
            lambda r, name=name: r("engines", name, 4) / r("engines", name, 4, "read memory"),
            least=bound,
        )
    for name, bound in (("every", 5), ("tenth", 6)):
        yield Bar(
            f"{name}, to Parquet on two threads, over the best pipeline",
            lambda r, name=name: r("pipelines", name, 4, threads=2) / r.best_pipeline(name),
            least=bound,
        )
    for name in BOTH:
        for count, bound in ((400, 1.3), (5000, 2.0)):
            yield Bar(
                f"{name}, time of {count:,} definitions over 4",
                lambda r, name=name, count=count: (
                    r("definitions", name, 0, "metricscan, 4") / r("definitions", name, 0, f"metricscan, {count}")
                ),
                most=bound,
            )
    for name in ("every", "tenth", "hundredth"):
        for engine, source in (("metricscan", "memory"), ("metricscan-file", "a file")):
            yield Bar(
                f"{name}, two threads over one, from {source}",
                lambda r, name=name, engine=engine: r("threads", name, 4, engine, 2) / r("threads", name, 4, engine),
                least=1.8,
            )
    for threads, bound in ((1, 0.6), (2, 1.0)):
        yield Bar(
            f"hundredth, from a file, of wc -l, {threads} thread{'s' if threads > 1 else ''}",
            lambda r, threads=threads: (
                r("threads", "hundredth", 4, "metricscan-file", threads) / r("threads", "hundredth", 4, "wc -l")
            ),
            least=bound,
        )
    real = "all real logs"
    yield Bar("real logs, MB/s", lambda r: r("gigabyte", real, 0), least=300)
    yield Bar(
        "real logs, two threads over one",
        lambda r: r("gigabyte", real, 0, threads=2) / r("gigabyte", real, 0),
        least=1.8,
    )
    for engine, bound in (("regex by record", 20), ("re by record", 100)):
        yield Bar(
            f"real logs, over {engine}",
            lambda r, engine=engine: r("real", "all", 0) / r("real", "all", 0, engine),
            least=bound,
        )
    yield Bar("the real log where that is least, over regex by record", Record.least_real, least=5)
    for count, bound in ((4, 15_000), (40, 8_000)):
        yield Bar(
            f"small files a second on two threads, {count} definitions",
            lambda r, count=count: r("files", "20 KB, one in ten", count, threads=2),
            least=bound,
        )
    for title, bound in (("no match", 1.5), ("four matches", 2.5)):
        yield Bar(
            f"feeding 200 bytes, {title}, microseconds",
            lambda r, title=title: r("feed", "chunks of 200 bytes", 4, f"metricscan, {title}"),
            most=bound,
        )
    yield Bar(
        "import, over an empty interpreter",
        lambda r: r("start", "a process", 0, "metricscan, import") / r("start", "a process", 0, "python -c pass"),
        most=3,
    )
    yield Bar(
        "compiling 1,000 definitions, over re.compile",
        lambda r: r("start", "compile", 1000) / r("start", "compile", 1000, "re.compile"),
        most=1.3,
    )
    yield Bar("peak memory, MB", lambda r: r("memory", "tenth, to Parquet", 4, "metricscan, peak"), most=300)


def report(measurements: Iterable[measure.Measurement]) -> list[str]:
    """Say of each bar that was measured how it stands."""
    record = Record(measurements)
    lines = []
    for bar in _bars():
        try:
            figure = bar.figure(record)
        except (KeyError, ValueError):
            continue
        passed = figure >= bar.least if bar.least is not None else figure <= (bar.most or 0.0)
        word, bound = ("at least", bar.least) if bar.least is not None else ("at most", bar.most)
        lines.append(f"  {'yes' if passed else 'NO ':4}{bar.title:58} {figure:10,.2f}   {word} {bound:,g}")
    return lines


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python benchmarks/bars.py RECORD.csv")
    print("\n".join(report(measure.read_record(Path(sys.argv[1])))))
