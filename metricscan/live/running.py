"""A job that runs: its rows as they come, its record, and what is asked of it."""

from __future__ import annotations

import asyncio
import math
import os
import time
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from metricscan.datasets.journal_format import is_journal
from metricscan.definitions.blocks import BLOCK
from metricscan.definitions.definition import MetricDefinition
from metricscan.errors import SourceError
from metricscan.live import job_folder
from metricscan.live.job_output import JobOutput
from metricscan.logs.job_record import JOURNAL, UNKNOWN
from metricscan.scanning.scanner import Scanner

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping

    import pyarrow as pa

    from metricscan.definitions.blocks import StepPlace
    from metricscan.live.job_steps import JobSteps
    from metricscan.logs.job import Notice
    from metricscan.logs.job_record import JobRecord
    from metricscan.scanning.stats import ScanStats

_POLL_S = 0.02
# How often is looked whether the job runs.
_CHECK_S = 0.1
# Rows that nobody has taken; older ones are in the journal alone.
_MOST_HELD_ROWS = 100_000


class JobRow(NamedTuple):
    """A value that a job printed.

    Attributes
    ----------
    metric : str
    value : float or str
        A text if the metric is a label.
    line, offset, start : int
        Its place in the job's output, as in every table.
    step : float or None
        The value of the metric that counts the steps, if one was named: that of the same record, else the one that
        ``step_place`` says.
    """

    metric: str
    value: float | str
    line: int
    offset: int
    start: int
    step: float | None = None


class RunningJob:
    """A job that was started, and is read while it runs. Made by :func:`metricscan.run` and :func:`attach`.

    Iterating gives rows as they come, and ends with the job; so does ``async for``. Leaving its ``with`` block stops reading, and
    leaves the job running: :meth:`stop` stops it.

    Attributes
    ----------
    folder, name : str
    scanner : Scanner or None
    latest : dict of str to JobRow
        The newest row of each metric that has one; without a step as long as that stands behind it.
    rows : int
        How many rows were found.
    """

    def __init__(
        self,
        folder: str,
        *,
        on_output: Callable[[int, bytes], object] | None = None,
        on_rows: Callable[[Mapping[str, pa.RecordBatch]], object] | None = None,
        on_notice: Callable[[Notice], object] | None = None,
        on_wait: Callable[[SourceError], object] | None = None,
    ) -> None:
        self.folder = folder
        record = job_folder.current(folder)
        self.name = record.job
        reads = record.document["scanner"]
        self.scanner = None
        if reads is not None:
            definitions = [MetricDefinition(one["Name"], one["Regex"]) for one in reads["definitions"]]
            self.scanner = Scanner(definitions, labels=reads["labels"], untamed="allow", **reads["options"])
        self.latest: dict[str, JobRow] = {}
        self.rows = 0
        self.step: str | None = record.document["step"]
        # by the number of the file
        self._steps: list[JobSteps] = []
        self._held: deque[_Held] = deque()
        self._held_rows = 0
        self._on_rows = on_rows
        self._record = record
        self._is_done = False
        self._checked_at = 0.0
        self._output = JobOutput(
            folder,
            record.job,
            record.document["outputs"],
            self.scanner,
            os.path.join(folder, JOURNAL),
            on_data=on_output,
            on_rows=self._add,
            on_notice=on_notice,
            on_wait=on_wait,
        )
        if self.step is not None:
            try:
                self._steps = self._begun_steps(self.step, record.document.get("step_place") or "before")
            except BaseException:
                self._output.close()
                raise

    def _begun_steps(self, step: str, place: StepPlace) -> list[JobSteps]:
        """What gives the rows of each file their steps, from where those in the journal end."""
        # numpy is loaded only where there are steps
        from metricscan.datasets.journal_tables import JournalTables
        from metricscan.live.job_steps import JobSteps, step_in_force

        path = os.path.join(self.folder, JOURNAL)
        tables = JournalTables(path) if is_journal(path) else None
        begun = []
        for name in self._record.document["outputs"]:
            counting = [one for one in (step, BLOCK) if tables is not None and one in tables.metrics]
            rows = () if tables is None else tables.batches(counting)
            begun.append(JobSteps(step, place, step_in_force(rows, step, place, name)))
        return begun

    def _add(self, number: int, found: Mapping[str, pa.RecordBatch]) -> None:
        # the separators of blocks are no values
        shown = {metric: batch for metric, batch in found.items() if metric != BLOCK and batch.num_rows}
        self.rows += sum(batch.num_rows for batch in shown.values())
        # whether or not they wait for their steps
        self.latest.update((metric, _newest(_Held(shown, {}), metric)) for metric in shown)
        held = [_Held(*one) for one in self._steps[number].add(found)] if self._steps else [_Held(shown, {})]
        self._hold(held)
        if self._on_rows is not None and shown:
            self._on_rows(shown)

    def _hold(self, held: Iterable[_Held]) -> None:
        """Keep rows until they are taken."""
        for one in held:
            for metric in one.found:
                row, shown = _newest(one, metric), self.latest[metric]
                if (row.line, row.offset, row.start) == (shown.line, shown.offset, shown.start):
                    self.latest[metric] = row
            self._held.append(one)
            self._held_rows += one.count
        while self._held_rows > _MOST_HELD_ROWS and len(self._held) > 1:
            self._held_rows -= self._held.popleft().count

    # ---- reading

    @property
    def record(self) -> JobRecord:
        """What is known of the job now."""
        if not self._is_done:
            self._record = job_folder.current(self.folder)
        return self._record

    @property
    def stats(self) -> ScanStats:
        """Counts of what was read. Those of an earlier reader, where this one goes on, may be missing."""
        return self._output.stats

    @property
    def is_done(self) -> bool:
        """Whether the job has ended, and all of its output was read."""
        return self._is_done

    @property
    def is_supervised(self) -> bool:
        """Whether the process that waits for the command may be alive."""
        return job_folder.is_supervised(self.folder, self.record)

    def poll(self) -> bool:
        """Read what is new; return False once the job has ended and all was read.

        Raises
        ------
        SourceError
            The journal or the record cannot be written.
        """
        if self._is_done:
            return False
        moment = time.monotonic()
        runs = True
        if moment - self._checked_at >= _CHECK_S:
            # before the output is read: what an ended job wrote is all there then
            self._checked_at = moment
            try:
                runs = job_folder.is_running(self.folder, self.record)
            except SourceError as error:
                raise job_folder.lost(self.folder, self._record, error) from error
        if runs:
            self._output.poll()
            return True
        self._output.finish()
        self._output.close()
        for steps in self._steps:
            self._hold(_Held(*one) for one in steps.end())
        if self.record.status == UNKNOWN:
            self._record = job_folder.note_unknown(self.folder, self._record)
        if not self._record.document.get("is_read"):
            self._record = job_folder.note_read(self.folder, self._record)
        self._is_done = True
        return False

    def take(self) -> list[JobRow]:
        """The rows since the last call, in the order of their places; of very many the last ones.

        A row whose step stands behind it comes once that step was read, or its block or the job has ended.
        """
        held, self._held, self._held_rows = self._held, deque(), 0
        rows: list[JobRow] = []
        for one in held:
            # those of one file, from its front to its end
            rows += sorted((row for metric in one.found for row in one.rows(metric)), key=lambda row: row.start)
        return rows

    def __iter__(self) -> Iterator[JobRow]:
        while True:
            runs = self.poll()
            rows = self.take()
            yield from rows
            if not runs:
                return
            if not rows:
                time.sleep(_POLL_S)

    async def __aiter__(self) -> AsyncIterator[JobRow]:
        while True:
            # a commit waits for the disk
            runs = await asyncio.to_thread(self.poll)
            rows = self.take()
            for row in rows:
                yield row
            if not runs:
                return
            if not rows:
                await asyncio.sleep(_POLL_S)

    def wait(self, timeout: float | None = None) -> JobRecord:
        """Read the job to its end.

        Parameters
        ----------
        timeout : float, optional
            The most seconds to wait.

        Raises
        ------
        TimeoutError
            The job still runs.
        """
        end = None if timeout is None else time.monotonic() + timeout
        while self.poll():
            if end is not None and time.monotonic() > end:
                raise TimeoutError(f"{self.name} still runs after {timeout:g} s")
            time.sleep(_POLL_S)
        return self._record

    async def finished(self) -> JobRecord:
        """Read the job to its end, in an event loop."""
        while await asyncio.to_thread(self.poll):
            await asyncio.sleep(_POLL_S)
        return self._record

    # ---- what is asked of the job

    def stop(self, reason: str = "stop()") -> JobRecord:
        """Stop the job as ``metricscan stop`` does, and read it to its end.

        Parameters
        ----------
        reason : str
            What the record says about why.
        """
        job_folder.stop(self.folder, reason=reason, on_wait=self.poll)
        return self.wait()

    def send_signal(self, number: int) -> bool:
        """Send a signal to the job's supervisor, which forwards it; False if there is no supervisor any more.

        SIGTERM stops the job. A second SIGTERM or SIGINT kills it.
        """
        return job_folder.signal_supervisor(self.record, self.folder, number)

    def close(self) -> None:
        """Stop reading. The job goes on."""
        self._output.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<RunningJob {self.name}: {self._record.status}, {self.rows} rows>"


def attach(
    folder: str | os.PathLike[str],
    *,
    on_output: Callable[[int, bytes], object] | None = None,
    on_rows: Callable[[Mapping[str, pa.RecordBatch]], object] | None = None,
    on_notice: Callable[[Notice], object] | None = None,
    on_wait: Callable[[SourceError], object] | None = None,
) -> RunningJob:
    """Go on reading a job whose reader ended, or was killed.

    Parameters
    ----------
    folder : path
        The folder of the job.
    on_output, on_rows, on_notice, on_wait : callable, optional
        As for :func:`metricscan.run`.

    Raises
    ------
    SourceError
        The folder is not that of a job, or another process reads it.

    Examples
    --------
    >>> import tempfile
    >>> from metricscan import run
    >>> folder = f"{tempfile.mkdtemp()}/trial_1"
    >>> with run(["sh", "-c", "echo loss=0.5; echo loss=0.25"], ["loss=loss=([0-9.]+)"], out=folder):
    ...     pass
    >>> with attach(folder) as job:
    ...     job.wait().status, job.latest["loss"].value
    ('Completed', 0.25)
    """
    return RunningJob(
        os.path.abspath(folder), on_output=on_output, on_rows=on_rows, on_notice=on_notice, on_wait=on_wait
    )


class _Held:
    """Rows of one file that were found together, with the steps that are known of them."""

    def __init__(self, found: Mapping[str, pa.RecordBatch], steps: Mapping[str, Any]) -> None:
        self.found = found
        self.count = sum(batch.num_rows for batch in found.values())
        self._steps = steps

    def rows(self, metric: str, begin: int = 0) -> list[JobRow]:
        """The rows of a metric."""
        batch = self.found[metric].slice(begin)
        columns = (batch[name].to_pylist() for name in ("value", "line", "offset", "start"))
        if metric not in self._steps:
            return [JobRow(metric, *row) for row in zip(*columns, strict=True)]
        steps = (None if math.isnan(step) else step for step in self._steps[metric][begin:].tolist())
        return [JobRow(metric, *row) for row in zip(*columns, steps, strict=True)]


def _newest(held: _Held, metric: str) -> JobRow:
    (row,) = held.rows(metric, held.found[metric].num_rows - 1)
    return row
