"""Write the figures of a record where they are shown: ``python benchmarks/figures.py RECORD.csv``.

That draws ``benchmarks/record/speed.svg``, and writes the tables of ``README.md`` and ``docs/speed.md``: what stands between
the comment ``figures: RECORD`` and the next comment. A test compares all three with the record that they name.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import chart
import measure

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROWS = {"every": "every line", "tenth": "one in ten", "hundredth": "one in a hundred"}
COLUMNS = (
    "metricscan",
    "hyperscan+re",
    "polars",
    "pcre2-text",
    "rust-text",
    "regex-text",
    "re-text",
    "chimera",
    "pcre2 in C++",
)
PIPELINES = ("metricscan", "polars", "duckdb", "pyarrow")
COUNT = 4
ROOM = re.compile(r"<!-- figures: (?P<record>\S+) -->\n.*?\n<!-- end of figures -->", re.DOTALL)
CHART = "benchmarks/record/speed.svg"


def _of(record: Iterable[measure.Measurement], part: str) -> dict[str, dict[str, float]]:
    """Speeds per engine, per workload."""
    found: dict[str, dict[str, float]] = {workload: {} for workload in ROWS}
    for m in record:
        if m.part == part and m.definitions == COUNT and m.workload in ROWS:
            found[m.workload][m.engine] = m.figure
    return {workload: engines for workload, engines in found.items() if engines}


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    heads = list(head)
    yield f"| {' | '.join(heads)} |"
    yield "|---" * len(heads) + "|"
    yield from (f"| {' | '.join(row)} |" for row in rows)


def _name(engine: str) -> str:
    return {"regex-text": "`regex`", "re-text": "`re`", "hyperscan+re": "Hyperscan + `re`"}.get(
        engine, chart.NAMES[engine]
    )


def short(record: list[measure.Measurement]) -> str:
    """Return the table of the README: ours beside the best of the others, in memory and to Parquet."""
    engines, pipelines = _of(record, "engines"), _of(record, "pipelines")
    head = ["lines with four metrics", "values in memory, one thread", "the best other engine"]
    if pipelines:
        head += ["log to Parquet, two threads", "the best other pipeline"]
    rows = []
    for workload, speeds in engines.items():
        row = [ROWS[workload]]
        for of in (speeds, pipelines.get(workload, {})) if pipelines else (speeds,):
            # what one cannot install is no other engine; what bounds all of them is none either
            others = {engine: of[engine] for engine in of.keys() & chart.NAMES.keys() - {"metricscan", "pcre2 in C++"}}
            best = max(others, key=others.__getitem__, default=None)
            row += ["", ""] if best is None else [f"{of['metricscan']:,.0f}", f"{others[best]:,.0f} ({_name(best)})"]
        rows.append(row)
    return "\n".join(_table(head, rows))


def long(record: list[measure.Measurement]) -> str:
    """Return the tables of docs/speed.md, and what bounds every engine on that machine."""
    engines, pipelines = _of(record, "engines"), _of(record, "pipelines")
    memory = sorted(round(speeds["read memory"], -2) for speeds in engines.values())
    lines = sorted(round(speeds["wc -l"], -2) for speeds in engines.values())
    columns = [engine for engine in COLUMNS if all(engine in speeds for speeds in engines.values())]
    parts = [
        f"Its memory is read at {memory[0]:,.0f} to {memory[-1]:,.0f} MB/s; `wc -l` runs at {lines[0]:,.0f} to {lines[-1]:,.0f}.",
        "",
        *_table(
            ["lines with four metrics", *map(_name, columns)],
            (
                [ROWS[workload], *(f"{speeds[engine]:,.0f}" for engine in columns)]
                for workload, speeds in engines.items()
            ),
        ),
    ]
    if pipelines:
        columns = [engine for engine in PIPELINES if all(engine in speeds for speeds in pipelines.values())]
        parts += [
            "",
            "From a log to a Parquet file for each metric, on two threads, in memory and without sync, in MB/s of log. The",
            "others write value and line, metricscan also offset and start:",
            "",
            *_table(
                ["lines with four metrics", *map(_name, columns)],
                (
                    [ROWS[workload], *(f"{speeds[engine]:,.0f}" for engine in columns)]
                    for workload, speeds in pipelines.items()
                ),
            ),
        ]
    return "\n".join(parts)


TARGETS = {"README.md": short, "docs/speed.md": long}


def shown(page: str, text: str, path: Path) -> str:
    """Return the text of a page with the figures of a record, whose place in the project it names."""
    name = path.resolve().relative_to(measure.ROOT).as_posix()
    figures = TARGETS[page](measure.read_record(path))
    new, count = ROOM.subn(lambda _: f"<!-- figures: {name} -->\n\n{figures}\n\n<!-- end of figures -->", text)
    if count != 1:
        raise SystemExit(f"{page}: {count} places for figures, expected one")
    return new


def main(path: Path) -> None:
    """Write the pages and the chart."""
    for page in TARGETS:
        target = measure.ROOT / page
        target.write_text(shown(page, target.read_text(encoding="utf-8"), path), encoding="utf-8")
    (measure.ROOT / CHART).write_text(chart.draw(measure.read_record(path), COUNT), encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python benchmarks/figures.py RECORD.csv")
    main(Path(sys.argv[1]))
