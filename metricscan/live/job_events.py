"""What is told to others about a job: a command for each event, and a file that Prometheus reads."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from metricscan.definitions.formula import read_condition
from metricscan.errors import OptionError, SourceError, quoted
from metricscan.logs.job_record import UNKNOWN
from metricscan.logs.natural import natural
from metricscan.ranking.evaluation import evaluate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pyarrow as pa

    from metricscan.definitions.formula import Formula, Step
    from metricscan.live.running import RunningJob
    from metricscan.logs.job_record import JobRecord

_OF_STATUS = {"Completed": "done", "Failed": "failed", "Stopped": "stopped", UNKNOWN: "failed"}
# So long an event's command may run after the job has ended.
_WAIT_S = 60.0
_POLL_S = 0.05
_INTERVAL_S = 5.0
_STATUSES = ("InProgress", "Completed", "Failed", "Stopped", UNKNOWN)


class Threshold:
    """A condition on the values of a job, which is told once.

    Parameters
    ----------
    text : str
        A comparison, such as ``val_loss < 0.1``. Each value counts where it names one metric, else the newest of each.
    metrics : sequence of str

    Raises
    ------
    OptionError
        It is no comparison, or names a metric that there is not.
    """

    def __init__(self, text: str, metrics: Sequence[str]) -> None:
        self.condition: Formula = read_condition(text)
        self.condition.check(metrics)
        if any(step.kind in ("last", "baseline") for step in self.condition.program):
            raise OptionError(f"threshold {quoted(text)}: numbers and metrics of the job were expected")
        self.is_passed = False
        self._newest: dict[str, float] = {}

    def add(self, found: Mapping[str, pa.RecordBatch]) -> bool:
        """Take new rows; return whether the condition holds for the first time."""
        names = self.condition.metrics
        new = {
            name: batch["value"].to_numpy(zero_copy_only=False)
            for name, batch in found.items()
            if name in names and batch.num_rows
        }
        if self.is_passed or not new:
            return False
        if len(names) == 1:
            holds = self._holds(lambda _: new[names[0]])
        else:
            self._newest |= {name: values[-1] for name, values in new.items()}
            holds = len(self._newest) == len(names) and self._holds(lambda step: np.float64(self._newest[step.name]))
        self.is_passed = holds
        return holds

    def _holds(self, values: Callable[[Step], Any]) -> bool:
        left, right = (np.asarray(evaluate(side, values)) for side in self.condition.sides())
        with np.errstate(all="ignore"):
            are_finite = np.isfinite(left) & np.isfinite(right)
        return bool(np.any(np.asarray(evaluate(self.condition.program, values)) & are_finite))


class EventCommand:
    """Runs a command for each event of a job, with the job's record as JSON on its standard input.

    Parameters
    ----------
    command : str
        For the shell. ``METRICSCAN_EVENT`` is the event: done, failed, stopped or threshold.
    on_failure : callable
        Called with a sentence if the command fails.
    output : int
        The descriptor to which the command writes.
    """

    def __init__(self, command: str, on_failure: Callable[[str], object], output: int) -> None:
        self.command = command
        self._on_failure = on_failure
        self._output = output
        self._running: list[tuple[str, subprocess.Popen[bytes]]] = []

    def ended(self, job: RunningJob, is_waited_for: Callable[[], bool] = lambda: True) -> None:
        """Tell how the job ended, and wait for all commands, as long as these are waited for, but a minute."""
        self.tell(_OF_STATUS[job.record.status], job)
        end = time.monotonic() + _WAIT_S
        while self._running and time.monotonic() < end and is_waited_for():
            self.poll()
            time.sleep(_POLL_S)
        why = f"killed after {_WAIT_S:g} s" if is_waited_for() else "interrupted"
        for event, process in self._running:
            # it leads a group of its own
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            self._on_failure(f"the command for the event {event!r} was {why}")

    def tell(self, event: str, job: RunningJob, **more: Any) -> None:
        """Start the command for an event."""
        document = {
            "event": event,
            **job.record.document,
            "status": job.record.status,
            "latest": {name: row._asdict() for name, row in job.latest.items()},
            "rows": job.rows,
            **more,
        }
        document.pop("scanner", None)
        with tempfile.TemporaryFile() as file:
            file.write(json.dumps(document).encode() + b"\n")
            file.seek(0)
            process = subprocess.Popen(  # noqa: S602 - the user's command, for the shell
                self.command,
                shell=True,
                stdin=file,
                stdout=self._output,
                stderr=self._output,
                env={**os.environ, "METRICSCAN_EVENT": event},
                start_new_session=True,
            )
        self._running.append((event, process))

    def poll(self) -> None:
        """See which commands have ended."""
        for event, process in [*self._running]:
            code = process.poll()
            if code is not None:
                self._running.remove((event, process))
            if code:
                self._on_failure(f"the command for the event {event!r} ended with exit code {code}")


class MetricsFile:
    """A file with the newest values of a job, for the textfile collector of Prometheus' node exporter.

    Parameters
    ----------
    path : str
        Written again every few seconds, whole or not at all.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._written_at: float | None = None

    def write(self, job: RunningJob, *, is_last: bool = False) -> None:
        """Write the file, if that is due.

        Raises
        ------
        SourceError
            It cannot be written.
        """
        moment = time.monotonic()
        if not is_last and self._written_at is not None and moment - self._written_at < _INTERVAL_S:
            return
        self._written_at = moment
        folder, name = os.path.split(os.path.abspath(self.path))
        # the collector reads *.prom alone
        new = os.path.join(folder, f".{name}.{os.getpid()}")
        try:
            with open(new, "w", encoding="utf-8") as file:
                file.write(exposition(job.record, job))
            os.replace(new, self.path)
        except OSError as error:
            raise SourceError(f"cannot write {self.path}", path=self.path, cause=error) from error


def exposition(record: JobRecord, job: RunningJob) -> str:
    """The newest values of a job in Prometheus' text format."""
    label = f'job_name="{_escaped(job.name)}"'
    lines = [
        "# HELP metricscan_metric The newest value of a metric that the job printed.",
        "# TYPE metricscan_metric gauge",
        *(
            f'metricscan_metric{{{label},metric="{_escaped(name)}"}} {_number(row.value)}'
            for name, row in sorted(job.latest.items(), key=lambda item: natural(item[0]))
            if not isinstance(row.value, str)
        ),
        "# HELP metricscan_rows How many values were found since reading began.",
        "# TYPE metricscan_rows gauge",
        f"metricscan_rows{{{label}}} {job.rows}",
        "# HELP metricscan_job_status Which status the job has.",
        "# TYPE metricscan_job_status gauge",
        *(f'metricscan_job_status{{{label},status="{status}"}} {int(status == record.status)}' for status in _STATUSES),
    ]
    if record.exit_code is not None:
        lines += [
            "# HELP metricscan_job_exit_code The exit code of the job's command.",
            "# TYPE metricscan_job_exit_code gauge",
            f"metricscan_job_exit_code{{{label}}} {record.exit_code}",
        ]
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    if value != value:
        return "NaN"
    return {float("inf"): "+Inf", float("-inf"): "-Inf"}.get(value, repr(value))
