"""Draw the speeds of a record as an SVG: a panel a workload, a bar an engine.

``python benchmarks/chart.py RECORD.csv`` writes ``benchmarks/record/speed.svg``, which the README shows.
"""

from __future__ import annotations

import argparse
from html import escape
from pathlib import Path

import measure

TARGET = measure.ROOT / "benchmarks" / "record" / "speed.svg"
PANELS = {
    "every": "every line has four metrics",
    "tenth": "one line in ten",
    "hundredth": "one line in a hundred",
}
NAMES = {
    "metricscan": "metricscan",
    "re-lines": "re, line by line",
    "re-text": "re",
    "regex-text": "regex",
    "re2-text": "RE2",
    "hyperscan+re": "Hyperscan + re",
    "polars": "Polars",
    "duckdb": "DuckDB",
    "pyarrow": "pyarrow.compute",
    "ripgrep -P": "ripgrep -P",
    "mtail": "mtail",
}
WIDTH, PANEL, ROW, LABEL, TOP = 840, 270, 17, 105, 50
STYLE = """
  text { font: 11px -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #57606a }
  .title { font-size: 13px; font-weight: 600 }
  .bar { fill: #8c959f } .ours { fill: #1a7f37 } text.ours { font-weight: 600 }
  @media (prefers-color-scheme: dark) { text { fill: #9da7b1 } .bar { fill: #6e7681 } .ours { fill: #3fb950 } }
"""


def draw(record: list[measure.Measurement], count: int) -> str:
    """Return the SVG of the engines' speeds with so many definitions."""
    columns = []
    for workload in PANELS:
        rows = [m for m in record if (m.workload, m.definitions) == (workload, count) and m.engine in NAMES]
        rows = [m for m in rows if m.part in ("engines", "many")]
        if not any(m.engine == "metricscan" for m in rows):
            raise SystemExit(f"the record has no measurement of metricscan on {workload} with {count} definitions")
        columns.append(sorted(rows, key=lambda m: -m.figure))
    height = TOP + ROW * max(map(len, columns)) + 12
    title = f"MB/s from bytes to float values, one thread, {count} definitions"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}">',
        f"<style>{STYLE}</style>",
        f'<text x="0" y="14" class="title">{escape(title)}</text>',
    ]
    for number, (heading, rows) in enumerate(zip(PANELS.values(), columns, strict=True)):
        left = number * (PANEL + 15)
        parts.append(f'<text x="{left + LABEL}" y="38">{escape(heading)}</text>')
        room = PANEL - LABEL - 42
        for place, m in enumerate(rows):
            y = TOP + place * ROW
            kind = "ours" if m.engine == "metricscan" else "bar"
            ours = ' class="ours"' if m.engine == "metricscan" else ""
            length = max(1.0, room * m.figure / rows[0].figure)
            parts += [
                f'<text x="{left + LABEL - 6}" y="{y + 10}" text-anchor="end"{ours}>{escape(NAMES[m.engine])}</text>',
                f'<rect x="{left + LABEL}" y="{y}" width="{length:.1f}" height="12" rx="2" class="{kind}"/>',
                f'<text x="{left + LABEL + length + 4:.1f}" y="{y + 10}"{ours}>{m.figure:,.0f}</text>',
            ]
    return "\n".join([*parts, "</svg>", ""])


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("record", type=Path)
    parser.add_argument("--definitions", type=int, default=4)
    parser.add_argument("--out", type=Path, default=TARGET)
    options = parser.parse_args()
    options.out.write_text(draw(measure.read_record(options.record), options.definitions))
    print(f"drawn in {options.out}")


if __name__ == "__main__":
    main()
