"""Draw the speeds of a record as an SVG: a panel a workload, a bar an engine; below them the ways from a log to Parquet."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import measure

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
    "pcre2-text": "PCRE2",
    "rust-text": "Rust's regex",
    "hyperscan+re": "Hyperscan + re",
    "chimera": "Chimera",
    "polars": "Polars",
    "duckdb": "DuckDB",
    "pyarrow": "pyarrow.compute",
    "ripgrep -P": "ripgrep -P",
    "mtail": "mtail",
    "pcre2 in C++": "PCRE2 in C++",
}
WIDTH, PANEL, ROW, LABEL, TOP = 840, 270, 17, 105, 50
STYLE = """
  text { font: 11px -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #57606a }
  .title { font-size: 13px; font-weight: 600 }
  .bar { fill: #8c959f } .ours { fill: #1a7f37 } text.ours { font-weight: 600 }
  @media (prefers-color-scheme: dark) { text { fill: #9da7b1 } .bar { fill: #6e7681 } .ours { fill: #3fb950 } }
"""


def draw(record: list[measure.Measurement], count: int) -> str:
    """Return the SVG of the engines' speeds with so many definitions, and of the pipelines' if the record has them."""
    engines = [m for m in record if m.part in ("engines", "many") and m.definitions == count]
    for workload in PANELS:
        if not any(m.engine == "metricscan" for m in engines if m.workload == workload):
            raise SystemExit(f"the record has no measurement of metricscan on {workload} with {count} definitions")
    parts, top = [], 0
    for title, measured in (
        (f"MB/s from bytes to float values, one thread, {count} definitions", engines),
        (
            "MB/s from a log to a Parquet file for each metric, two threads",
            [m for m in record if m.part == "pipelines"],
        ),
    ):
        if measured:
            drawn, height = _panels(title, measured, top)
            parts += drawn
            top += height
    title = "the speed of metricscan and its peers"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" role="img" aria-label="{title}">',
            f"<style>{STYLE}</style>",
            *parts,
            "</svg>",
            "",
        ]
    )


def _panels(title: str, measured: list[measure.Measurement], top: int) -> tuple[list[str], int]:
    """Return a title and the panels below it, and how high they are together."""
    parts = [f'<text x="0" y="{top + 14}" class="title">{escape(title)}</text>']
    most = 0
    for number, (workload, heading) in enumerate(PANELS.items()):
        rows = [m for m in measured if m.workload == workload and m.engine in NAMES]
        if not rows:
            continue
        rows.sort(key=lambda m: -m.figure)
        most = max(most, len(rows))
        left = number * (PANEL + 15)
        parts.append(f'<text x="{left + LABEL}" y="{top + 38}">{escape(heading)}</text>')
        room = PANEL - LABEL - 42
        for place, m in enumerate(rows):
            y = top + TOP + place * ROW
            kind = "ours" if m.engine == "metricscan" else "bar"
            ours = ' class="ours"' if m.engine == "metricscan" else ""
            length = max(1.0, room * m.figure / rows[0].figure)
            parts += [
                f'<text x="{left + LABEL - 6}" y="{y + 10}" text-anchor="end"{ours}>{escape(NAMES[m.engine])}</text>',
                f'<rect x="{left + LABEL}" y="{y}" width="{length:.1f}" height="12" rx="2" class="{kind}"/>',
                f'<text x="{left + LABEL + length + 4:.1f}" y="{y + 10}"{ours}>{m.figure:,.0f}</text>',
            ]
    return parts, TOP + ROW * most + 12
