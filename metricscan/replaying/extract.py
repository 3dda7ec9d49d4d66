"""The rows of many logs as they are found: all metrics together, in the order of the logs, in bounded memory."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

from metricscan.datasets.rows import Rows
from metricscan.ranking.steps import in_force
from metricscan.scanning.in_order import ALL_METRICS, Merging
from metricscan.scanning.schema import NO_TIME

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from metricscan.datasets.rows import Array
    from metricscan.replaying.log_scan import Scanned
    from metricscan.replaying.run import Run


class ExtractedRows(NamedTuple):
    """Rows of one log, or of logs that follow each other, in order.

    Attributes
    ----------
    job, stream, metric : int32 array
        For each row the number of its name among ``jobs``, ``streams`` and the metrics.
    jobs, streams : list of str
    part : int32 array
    value : float64 array
        0 for the row of a label.
    text : pyarrow.Array or None
        The texts of labels, null for other rows; None if there is no row of a label.
    line, offset, start : int64 array
    time : int64 array or None
        Microseconds since the epoch, ``NO_TIME`` for a row without a time; None if no row has one.
    step : float64 array or None
        NaN for a row without a step; None if steps were not asked for.
    """

    job: Array
    stream: Array
    metric: Array
    jobs: list[str]
    streams: list[str]
    part: Array
    value: Array
    text: pa.Array | None
    line: Array
    offset: Array
    start: Array
    time: Array | None
    step: Array | None


def extracted(run: Run, step: str | None = None) -> Generator[ExtractedRows]:
    """Scan all logs of a run, and give their rows as they are found; afterwards ``run`` has the counts.

    So it has where the scan is interrupted, or the generator closed: those of what was scanned.

    Parameters
    ----------
    run : Run
        One that finds rows in order.
    step : str, optional
        The metric that counts the steps: each row gets the step in its own record, else the last one before it in its stream.
    """
    merging = Merging(run.scanner.metrics)
    steps = None if step is None else _Steps(run.scanner.metrics.index(step))
    for scanned in run.schedule:
        try:
            for batch, logs in _in_order(scanned, merging):
                rows = _rows_of(run, batch, logs)
                yield rows if steps is None else rows._replace(step=steps.of(rows, logs, run))
        finally:
            if isinstance(scanned.batches, Generator):
                scanned.batches.close()
            run.count(scanned.logs, scanned.counted)


def _in_order(scanned: Scanned, merging: Merging) -> Iterator[tuple[pa.RecordBatch, Array]]:
    """The rows of logs that were scanned as one, each with the number of its log."""
    numbers = np.arange(scanned.logs.start, scanned.logs.stop, dtype=np.int32)
    apart: list[tuple[str, pa.RecordBatch]] = []
    logs: list[Array] = []
    for name, batch, rows in scanned.batches:
        of_rows = np.repeat(numbers, rows)
        if name == ALL_METRICS:
            yield batch, of_rows
        else:
            apart.append((name, batch))
            logs.append(of_rows)
    if apart:
        merged, order = merging.merged(apart, logs)
        of_rows = np.concatenate(logs)
        yield merged, of_rows if order is None else of_rows[order]


def _rows_of(run: Run, batch: pa.RecordBatch, logs: Array) -> ExtractedRows:
    job, jobs = _names(run.job_numbers, run.job_names, logs)
    stream, streams = _names(run.stream_numbers, run.stream_names, logs)
    text, time = batch.column("text"), batch.column("time")
    line, offset, start = (batch.column(name).to_numpy() for name in ("line", "offset", "start"))
    return ExtractedRows(
        job,
        stream,
        batch.column("metric").to_numpy(),
        jobs,
        streams,
        run.part_numbers[logs],
        batch.column("value").to_numpy(),
        None if text.null_count == len(text) else text,
        line,
        offset,
        start,
        None if time.null_count == len(time) else time.cast(pa.int64()).fill_null(NO_TIME).to_numpy(),
        None,
    )


def _names(numbers: Array, names: pa.Array, logs: Array) -> tuple[Array, list[str]]:
    """The names that occur, and for each row the number of its name among them, int32."""
    first, last = int(logs[0]), int(logs[-1])
    if first == last:
        return np.zeros(len(logs), np.int32), [names[int(numbers[first])].as_py()]
    used, codes = np.unique(numbers[first : last + 1], return_inverse=True)
    return codes.astype(np.int32)[logs - first], names.take(pa.array(used)).to_pylist()


class _Steps:
    """The step of each row, from rows that come in the order of the logs."""

    def __init__(self, metric: int) -> None:
        self._metric = metric
        # the last step so far
        self._last: Rows | None = None

    def of(self, rows: ExtractedRows, logs: Array, run: Run) -> Array:
        """The steps of rows; NaN for a row without one."""
        job, stream = run.job_numbers[logs], run.stream_numbers[logs]
        # places from 1 on: 0 is that of the step which was in force before
        offset, start = rows.offset + 1, rows.start + 1
        all_rows = Rows(job, stream, rows.value, rows.line, offset, start, None, part=rows.part)
        steps = all_rows.take(np.flatnonzero(rows.metric == self._metric))
        if self._last is not None:
            steps = Rows.joined([self._last, steps])
        found = in_force(all_rows, steps)
        if len(steps.job):
            before = np.zeros(1, np.int64)
            self._last = steps.take(slice(-1, None))._replace(offset=before, start=before)
        return np.where(found < 0, np.nan, steps.value[found] if len(steps.job) else np.nan)


def step_name(step: str | None, metrics: Sequence[str], labels: Sequence[str]) -> str | None:
    """The name of the metric that counts the steps.

    Raises
    ------
    OptionError
        It is not among the metrics, or is a label.
    """
    from metricscan.scanning.stream_rows import checked

    return checked(metrics, labels, step, "before", (), carry=False).step
