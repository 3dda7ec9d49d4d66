"""What a job does, in the last lines of a terminal, under the job's own output."""

from __future__ import annotations

import math
import os
import sys
import time
from typing import TYPE_CHECKING

from metricscan.cli.terminal import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from metricscan.cli.live_curve import Curve
    from metricscan.live.running import RunningJob

# As many metrics are shown as have room in a quarter of the lines, but these at least, as long as half is the job's.
_LEAST_METRICS = 6
_BARS = "▁▂▃▄▅▆▇█"
_MOST_BARS = 60
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
        self._curves: dict[str, Curve] = {}

    def add(self, found: Mapping[str, pa.RecordBatch]) -> None:
        """Take the newest values."""
        if not self.shown:
            return
        # numpy is loaded when the job runs
        from metricscan.cli.live_curve import Curve
        from metricscan.scanning.schema import SCHEMA

        for metric, batch in found.items():
            # a label has texts, and no curve
            if batch.schema == SCHEMA:
                values = batch["value"].to_numpy(zero_copy_only=False)
                self._curves.setdefault(metric, Curve()).add(values)

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
        lines = self._lines(job, time.monotonic() - started, *size)
        if size != self._size or len(lines) != self._height:
            self.end()
            self._begin(size, len(lines))
        rows = size[1]
        text = ["\x1b7"]
        for number, line in enumerate(lines):
            text.append(f"\x1b[{rows - len(lines) + number + 1};1H\x1b[2K{line}")
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

    def _lines(self, job: RunningJob, elapsed_s: float, columns: int, rows: int) -> list[str]:
        # names may have characters that are two columns wide
        from rich.cells import cell_len, set_cell_size

        found = [name for name in job.latest if name in self._curves and name != job.step]
        names = found[: min(max(_LEAST_METRICS, rows // 4), rows // 2 - 1)]
        spelled = [one_line(name) for name in names]
        width = min(max(map(cell_len, spelled), default=0), columns // 3)
        facts = [elapsed(elapsed_s), f"{job.rows:,} rows"]
        counted = None if job.step is None else job.latest.get(job.step)
        if counted is not None:
            facts.append(f"{one_line(str(job.step))} {counted.value:.12g}")
        hidden = len(found) - len(names)
        if hidden:
            facts.append(f"{hidden} more metric{'s' if hidden > 1 else ''}")
        said = "  ".join(facts)
        title = _shortened(one_line(job.name), columns - len(said) - len("──   ") - 1)
        lines = [f"── {title}  {said}"]
        for name, text in zip(names, spelled, strict=True):
            row = job.latest[name]
            step = "" if row.step is None else f"step {row.step:.12g}"
            line = f"{set_cell_size(_shortened(text, width), width)}  {row.value:<12.6g} {step:<12} "
            lines.append(line)
            room = min(columns - 1 - cell_len(line), _MOST_BARS)
            if self._has_bars and room > 0:
                lines[-1] += self._bars(self._curves[name].points(room))
        if not self._has_bars:
            lines = [line.replace("─", "-") for line in lines]
        return [line if cell_len(line) < columns else set_cell_size(line, columns - 1) for line in lines]

    @staticmethod
    def _bars(values: Sequence[float]) -> str:
        finite = [value for value in values if math.isfinite(value)]
        if not finite:
            return "×" * len(values)
        low, high = min(finite), max(finite)
        scale = (len(_BARS) - 1) / (high - low) if 0 < high - low < math.inf else 0.0
        return "".join(_BARS[round((value - low) * scale)] if math.isfinite(value) else "×" for value in values)


def _shortened(text: str, columns: int) -> str:
    """The text, or as much of its beginning and its end as has room.

    >>> _shortened("validation:accuracy", 12), _shortened("loss", 12)
    ('valida…uracy', 'loss')
    """
    from rich.cells import cell_len

    if cell_len(text) <= columns:
        return text
    # of names that are much alike the ends are different as often as the beginnings
    half = max(columns - 1, 0)
    while half and cell_len(shown := f"{text[: half - half // 2]}…{text[len(text) - half // 2 :]}") > columns:
        half -= 1
    return shown if half else ""


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
