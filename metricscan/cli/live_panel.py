"""What a job does, in the last lines of a terminal, under the job's own output."""

from __future__ import annotations

import math
import os
import sys
import time
from collections import deque
from typing import TYPE_CHECKING

from metricscan.cli.terminal import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from metricscan.live.running import RunningJob

_MOST_METRICS = 6
_BARS = "▁▂▃▄▅▆▇█"
_VALUES_SHOWN = 24
_INTERVAL_S = 0.25
# A smaller terminal is left to the job.
_LEAST_ROWS, _LEAST_COLUMNS = 12, 40


class LivePanel:
    """Lines that stay at the bottom of the terminal: the job's output scrolls in the lines above.

    Nothing is drawn unless standard output and standard error are one terminal.
    """

    def __init__(self) -> None:
        self.shown = os.isatty(1) and os.isatty(2) and os.environ.get("TERM", "dumb") != "dumb"
        self._has_bars = (sys.stderr.encoding or "").lower().startswith("utf")
        self._size = (0, 0)
        self._height = 0
        self._drawn_at = 0.0
        self._values: dict[str, deque[float]] = {}

    def add(self, found: Mapping[str, pa.RecordBatch]) -> None:
        """Take the newest values."""
        if not self.shown:
            return
        for metric, batch in found.items():
            kept = self._values.setdefault(metric, deque(maxlen=_VALUES_SHOWN))
            for value in batch["value"].slice(max(batch.num_rows - _VALUES_SHOWN, 0)).to_pylist():
                if isinstance(value, float):
                    kept.append(value)

    def draw(self, job: RunningJob, started: float) -> None:
        """Draw the lines again, if that is due."""
        moment = time.monotonic()
        if not self.shown or moment - self._drawn_at < _INTERVAL_S:
            return
        self._drawn_at = moment
        size = tuple(os.get_terminal_size(2))
        if size[0] < _LEAST_COLUMNS or size[1] < _LEAST_ROWS:
            self.end()
            return
        lines = self._lines(job, time.monotonic() - started)
        if size != self._size or len(lines) != self._height:
            self.end()
            self._begin(size, len(lines))
        columns, rows = size
        text = ["\x1b7"]
        for number, line in enumerate(lines):
            text.append(f"\x1b[{rows - len(lines) + number + 1};1H\x1b[2K{line[: columns - 1]}")
        text.append("\x1b8")
        _write("".join(text))

    def _begin(self, size: tuple[int, ...], height: int) -> None:
        """Keep the last lines of the terminal; what stands there scrolls up."""
        rows = size[1]
        self._size, self._height = (size[0], size[1]), height
        _write("\n" * height + f"\x1b[{height}A\x1b7\x1b[1;{rows - height}r\x1b8")

    def end(self) -> None:
        """Give the lines back."""
        if self._height:
            rows = self._size[1]
            clear = "".join(f"\x1b[{rows - number};1H\x1b[2K" for number in range(self._height))
            _write(f"\x1b7{clear}\x1b[r\x1b8")
            self._size, self._height = (0, 0), 0

    def _lines(self, job: RunningJob, elapsed_s: float) -> list[str]:
        names = [name for name in job.latest if name in self._values][:_MOST_METRICS]
        width = max(map(len, map(one_line, names)), default=0)
        lines = [f"── {one_line(job.name)}  {elapsed(elapsed_s)}  {job.rows:,} rows"]
        for name in names:
            row = job.latest[name]
            step = "" if row.step is None else f"step {row.step:g}"
            bars = self._bars(self._values[name]) if self._has_bars else ""
            lines.append(f"{one_line(name):{width}}  {row.value:<12.6g} {step:<12} {bars}")
        hidden = len(job.latest) - len(names)
        if hidden > 0:
            lines[0] += f"  ({hidden} more metrics)"
        return lines if self._has_bars else [line.replace("─", "-") for line in lines]

    @staticmethod
    def _bars(values: deque[float]) -> str:
        finite = [value for value in values if math.isfinite(value)]
        if not finite:
            return ""
        low, high = min(finite), max(finite)
        scale = (len(_BARS) - 1) / (high - low) if 0 < high - low < math.inf else 0.0
        return "".join(_BARS[round((value - low) * scale)] if math.isfinite(value) else "×" for value in values)


def elapsed(seconds: float) -> str:
    """A duration for people.

    >>> elapsed(1.96), elapsed(59.96), elapsed(75), elapsed(7384)
    ('2.0 s', '1 m 00 s', '1 m 15 s', '2 h 03 m')
    """
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} m {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} m"


def _write(text: str) -> None:
    sys.stderr.flush()
    os.write(2, text.encode(sys.stderr.encoding or "ascii", "replace"))
