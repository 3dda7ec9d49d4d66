"""Rows on standard output as they are found: lines of CSV or JSON, or a table for a terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Protocol

import click
import numpy as np
import pyarrow as pa

from metricscan.datasets._row_text import RowText
from metricscan.datasets.row_lines import RowLines
from metricscan.datasets.schema import SCHEMA
from metricscan.reports.names import named
from metricscan.scanning.schema import NO_TIME

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from metricscan.replaying.extract import ExtractedRows

# A column of names is at most so wide, and no narrower than its header; a longer name loses its middle.
_MOST_WIDE = 40
_DIGITS = 8
_TIME_WIDTH = 27


class RowOutput(Protocol):
    """What rows are printed as."""

    def begin(self) -> None:
        """Print what stands before the first row."""

    def show(self, rows: ExtractedRows) -> None:
        """Print rows at once: nothing is held back."""


class LinesOutput:
    """Prints rows as the lines of a dataset's file, with the step as the last cell, if there are steps.

    Parameters
    ----------
    metrics : sequence of str
    json : bool
        Whether the lines are JSON; else they are CSV.
    guard : bool
        Whether texts in CSV that a spreadsheet would run have a ``'`` before them.
    has_steps : bool
    """

    def __init__(self, metrics: Sequence[str], *, json: bool, guard: bool, has_steps: bool) -> None:
        self._lines = RowLines(json=json, guard=guard)
        _, self._metrics, self._metric_ends = self._lines.texts(np.zeros(0, np.int32), metrics)
        self._names = [*SCHEMA.names, *(["step"] if has_steps else [])]
        self._out = sys.stdout.buffer

    def begin(self) -> None:
        """Print the header of CSV."""
        self._out.write(self._lines.header(self._names))
        self._out.flush()

    def show(self, rows: ExtractedRows) -> None:
        """Print rows at once: nothing is held back."""
        text = None
        if rows.text is not None:
            encoded = rows.text.dictionary_encode()
            codes = encoded.indices.fill_null(-1).cast(pa.int32()).to_numpy()
            text = self._lines.texts(codes, encoded.dictionary.to_pylist())
        made = RowText(
            self._lines.json,
            self._lines.texts(rows.job, rows.jobs),
            self._lines.texts(rows.stream, rows.streams),
            rows.part,
            (rows.metric, self._metrics, self._metric_ends),
            text,
            rows.value,
            rows.line,
            rows.offset,
            rows.start,
            rows.time,
            NO_TIME,
            rows.step,
        )
        for piece in self._lines.pieces(made):
            self._out.write(piece)
        self._out.flush()


class TableOutput:
    """Prints rows as a table whose columns are as wide as the names that are known beforehand; values come last.

    Parameters
    ----------
    metrics, jobs, streams : sequence of str
        The names that may occur.
    has_streams : bool
        Whether there is a column of streams.
    has_steps : bool
    """

    def __init__(
        self,
        metrics: Sequence[str],
        jobs: Sequence[str],
        streams: Sequence[str],
        *,
        has_streams: bool,
        has_steps: bool,
    ) -> None:
        self._metrics = _cells("metric", metrics)
        self._job_width = _width("job", jobs)
        self._stream_width = _width("stream", streams) if has_streams else 0
        self._has_steps = has_steps
        # whether the first rows have times
        self._has_times: bool | None = None

    def begin(self) -> None:
        """Print nothing: the first rows show which columns there are."""

    def show(self, rows: ExtractedRows) -> None:
        """Print rows at once: nothing is held back."""
        lines = []
        if self._has_times is None:
            self._has_times = rows.time is not None
            lines.append(self._header())
        jobs = [_cell(name, self._job_width) for name in rows.jobs]
        streams = [_cell(name, self._stream_width) for name in rows.streams] if self._stream_width else []
        columns: list[Iterator[str]] = [
            (jobs[number] for number in rows.job.tolist()),
            *([(streams[number] for number in rows.stream.tolist())] if streams else []),
            (f"{line:>{_DIGITS}}" for line in rows.line.tolist()),
            *([_step_cells(rows)] if self._has_steps else []),
            *([_time_cells(rows)] if self._has_times else []),
            (self._metrics[number] for number in rows.metric.tolist()),
            _value_cells(rows),
        ]
        lines += ["  ".join(cells) for cells in zip(*columns, strict=True)]
        click.echo("\n".join(lines))

    def _header(self) -> str:
        cells = [
            "job".ljust(self._job_width),
            *(["stream".ljust(self._stream_width)] if self._stream_width else []),
            "line".rjust(_DIGITS),
            *(["step".rjust(_DIGITS)] if self._has_steps else []),
            *(["time".ljust(_TIME_WIDTH)] if self._has_times else []),
            "metric".ljust(len(self._metrics[0]) if self._metrics else 0),
            "value",
        ]
        return "  ".join(cells)


def _width(header: str, names: Sequence[str]) -> int:
    from rich.cells import cell_len

    widest = max((cell_len(named(name)) for name in names), default=0)
    return max(len(header), min(widest, _MOST_WIDE))


def _cells(header: str, names: Sequence[str]) -> list[str]:
    width = _width(header, names)
    return [_cell(name, width) for name in names]


def _cell(name: str, width: int) -> str:
    """A name in a cell of this width, without its middle if it is too long."""
    from rich.cells import cell_len, set_cell_size

    shown = named(name)
    if cell_len(shown) > width:
        end = shown
        while cell_len(end) > (width - 2) // 2:
            end = end[1:]
        shown = set_cell_size(shown, width - 2 - cell_len(end)) + ".." + end
    return shown + " " * (width - cell_len(shown))


def _number(value: float) -> str:
    return repr(value).removesuffix(".0")


def _step_cells(rows: ExtractedRows) -> Iterator[str]:
    if rows.step is None:
        return iter([" " * _DIGITS] * len(rows.line))
    return (("" if step != step else _number(step)).rjust(_DIGITS) for step in rows.step.tolist())


def _time_cells(rows: ExtractedRows) -> Iterator[str]:
    if rows.time is None:
        return iter([" " * _TIME_WIDTH] * len(rows.line))
    texts = np.datetime_as_string(rows.time.view("datetime64[us]"), unit="us").tolist()
    known = (rows.time != NO_TIME).tolist()
    return ((f"{text}Z" if is_known else "").ljust(_TIME_WIDTH) for text, is_known in zip(texts, known, strict=True))


def _value_cells(rows: ExtractedRows) -> Iterator[str]:
    values = rows.value.tolist()
    if rows.text is None:
        return map(_number, values)
    texts = rows.text.to_pylist()
    return (_number(value) if text is None else named(text) for value, text in zip(values, texts, strict=True))
