"""Logs read record by record, as a script with ``re`` or ``regex`` does: real logs, and the line shapes of ``data/``.

Each log is repeated to 8 MB for ours; the two scripts get it once, and are judged by their speed on that. In the total every
log weighs the same.
"""

from __future__ import annotations

import itertools
import re
import time
import warnings
from typing import TYPE_CHECKING, Any

import oracles
from measure import Contender, Measurement, WrongAnswerError, line, measurement, race, version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from inputs.logs import Log


REPEATED_BYTES = 8 << 20
CHECKED_BYTES = 128 << 10


def by_record(module: Any, log: Log, data: bytes) -> Callable[[], int]:
    """A script's loop: every record decoded, every definition's matches read as float. It counts its rows."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patterns = [module.compile(one["Regex"]) for one in log.definitions]
    groups = [pattern.groupindex.get("value", 1 if pattern.groups else 0) for pattern in patterns]

    def extract() -> int:
        values: list[list[float]] = [[] for _ in patterns]
        for raw in data.splitlines():
            record = raw.decode("utf-8", "surrogateescape")
            for pattern, group, column in zip(patterns, groups, values, strict=True):
                for match in pattern.finditer(record):
                    text = match[group]
                    if text is not None:
                        try:
                            column.append(float(text))
                        except ValueError:
                            continue
        return sum(map(len, values))

    return extract


def contenders(log: Log, say: Callable[[str], None]) -> list[Contender]:
    """Prepare ours and the two scripts for a log; the rows of all are checked."""
    import regex

    scanner = log.scanner()
    data, times = log.repeated(REPEATED_BYTES)
    result = scanner.scan(data, threads=1)
    rows = sum(counts.rows for counts in result.stats.metrics.values())
    right = log.rows
    if right is None:
        beginning = log.beginning(CHECKED_BYTES)
        counted = oracles.reference().scan(log.definitions, beginning, **log.options)
        right = sum(len(metric.rows) for metric in counted.metrics.values())
        found = sum(counts.rows for counts in scanner.scan(beginning).stats.metrics.values())
    else:
        right, found = right * times, rows
    if found != right:
        raise WrongAnswerError(f"metricscan on {log.name}: {found} rows, expected {right}")
    ready = [Contender("metricscan", version("metricscan"), len(data), rows, lambda: scanner.scan(data, threads=1))]
    if log.options:
        # records as the patterns see them are ours alone
        return ready
    right = rows // times
    for name, module in (("regex by record", regex), ("re by record", re)):
        call = by_record(module, log, log.text)
        found = call()
        if found != right and module is re:
            raise WrongAnswerError(f"{name} on {log.name}: {found} rows, expected {right}")
        if found != right:
            # it is not re: where they differ, that is its answer
            say(f"  {name} finds {found:,} rows in {log.name}, not {right:,}")
        ready.append(
            Contender(name, version("regex") if module is regex else version(None), len(log.text), found, call)
        )
    return ready


def run(part: str, logs: list[Log], rounds: int, say: Callable[[str], None]) -> Iterator[Measurement]:
    """Race the three on each log, and sum up."""
    if not logs:
        say("  left out: no real logs; METRICSCAN_CORPORA names the folder that has them")
        return
    totals: dict[str, list[tuple[int, float, int]]] = {}
    ratios = []
    for log in logs:
        found = race(contenders(log, say), rounds, part, log.name, len(log.definitions))
        yield from found
        for m in found:
            totals.setdefault(m.engine, []).append((m.amount, m.median_s, m.rows))
        speeds = {m.engine: m.figure for m in found}
        others = {name: speeds["metricscan"] / speed for name, speed in speeds.items() if name != "metricscan"}
        if others:
            ratios.append((others["regex by record"], log.name))
        beside = ", ".join(f"{ratio:,.0f}x {name}" for name, ratio in others.items())
        say(f"  {log.name:50} {len(log.definitions):3} definitions {speeds['metricscan']:7,.0f} MB/s  {beside}")
    total = {}
    for engine, parts in totals.items():
        # as if each log had the same size, whatever was timed of it
        seconds = sum(taken / amount for amount, taken, _ in parts) * REPEATED_BYTES
        whole = Contender(engine, "", REPEATED_BYTES * len(parts), sum(rows for *_, rows in parts), lambda: None)
        total[engine] = measurement(whole, [seconds], part=part, workload="all", definitions=0)
        yield total[engine]
        say(line(total[engine]))
    if part == "real":
        ours = sum(taken / amount for amount, taken, _ in totals["metricscan"])
        for name in ("regex by record", "re by record"):
            say(f"  in total {sum(taken / amount for amount, taken, _ in totals[name]) / ours:,.0f}x {name}")
        say(f"  least beside regex: {min(ratios)[0]:.1f}x on {min(ratios)[1]}")


def gigabyte(logs: list[Log], rounds: int, size_bytes: int, say: Callable[[str], None]) -> Iterator[Measurement]:
    """All real logs repeated to a size together, one after the other, on one thread and on two."""
    if not logs:
        say("  left out: no real logs")
        return
    times: dict[int, list[list[float]]] = {1: [], 2: []}
    total = rows = 0
    for log in logs:
        scanner = log.scanner()
        data, repeats = log.repeated(size_bytes // len(logs))
        counted = sum(counts.rows for counts in scanner.scan(data, threads=2).stats.metrics.values())
        if log.rows is not None and counted != log.rows * repeats:
            raise WrongAnswerError(f"metricscan on {log.name}: {counted} rows, expected {log.rows * repeats}")
        for taken in times.values():
            taken.append([])
        for _, threads in itertools.product(range(rounds), times):
            start = time.perf_counter()
            result = scanner.scan(data, threads=threads)
            times[threads][-1].append(time.perf_counter() - start)
            del result
        total += len(data)
        rows += counted
    for threads, taken in times.items():
        seconds = [sum(one) for one in zip(*taken, strict=True)]
        whole = Contender("metricscan", version("metricscan"), total, rows, lambda: None, threads)
        m = measurement(whole, seconds, part="gigabyte", workload="all real logs", definitions=0)
        yield m
        say(line(m))
