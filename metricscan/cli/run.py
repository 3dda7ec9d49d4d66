"""``metricscan run``: a training job with its environment and hyperparameters, read while it runs."""

from __future__ import annotations

import contextlib
import os
import re
import select
import time
from typing import TYPE_CHECKING, Any

import click

from metricscan.cli.counts import print_silent, print_troubles
from metricscan.cli.goal import live_block_option, step_place_option
from metricscan.cli.job_signals import Forwarder, ReadingStopped
from metricscan.cli.live_panel import LivePanel, elapsed
from metricscan.cli.options import (
    Matching,
    compiled,
    matching_options,
    print_warning,
    printed_warnings,
    wanted_options,
)
from metricscan.cli.output import EXIT_NOT_RUN, complain, open_console, print_notices
from metricscan.cli.stopping import taking_its_time
from metricscan.cli.terminal import one_line
from metricscan.errors import SourceError
from metricscan.reports.names import named

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from metricscan.cli.options import Wanted
    from metricscan.live.job_events import EventCommand, MetricsFile, Threshold
    from metricscan.live.running import RunningJob
    from metricscan.logs.job_record import JobRecord
    from metricscan.scanning.scanner import Scanner

_POLL_S = 0.02
EXIT_LIMIT = 124
# Options that say what the reader does, and not how the job runs.
_OF_READER = ("attach", "stopped_exit_code", "on_event", "threshold", "metrics_file")
# an argument of the library in its errors
_ARGUMENT = re.compile(
    r"(?<![\w'\"-])(args|block|grace|job|max_runtime|max_silence|out|prestop_signal|step|step_place|training_definition)=(?!=)"
)
# Options of commands that read the rows later, and the commands that have them.
_OF_READERS = {
    **dict.fromkeys(("--worker", "--carry"), "plot and report"),
    **dict.fromkeys(
        ("--minimize", "--maximize", "--objective", "--scope", "--per-step", "--restarts", "--at-best", "--over"),
        "rank",
    ),
}


class _RunCommand(click.Command):
    """A command whose wrong usage has the exit code of what is not run."""

    def make_context(self, *arguments: Any, **options: Any) -> click.Context:
        with _not_run():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: click.Context) -> Any:
        with _not_run():
            return super().invoke(ctx)


@contextlib.contextmanager
def _not_run() -> Iterator[None]:
    try:
        yield
    except click.ClickException as error:
        failure = error
        if isinstance(error, click.NoSuchOption) and error.option_name in _OF_READERS:
            failure = click.UsageError(
                f"run has no {error.option_name}: the job's journal keeps the rows of all metrics and labels; give "
                f"it to {_OF_READERS[error.option_name]} when they are read",
                error.ctx,
            )
        failure.exit_code = EXIT_NOT_RUN  # type: ignore[misc]  # declared for the class, read from the instance
        raise failure from None


def duration(text: str) -> float:
    """Read a duration, as seconds.

    >>> duration("30m")
    1800.0
    """
    from metricscan.errors import OptionError
    from metricscan.live.run import duration_s

    try:
        return duration_s(text)
    except OptionError as error:
        raise click.BadParameter(error.message) from None


@click.command(
    cls=_RunCommand,
    short_help="Run a training job, and read its metrics while it runs.",
    # what follows the command is the command's
    context_settings={"allow_interspersed_args": False},
)
@click.argument("command", metavar="-- COMMAND...", nargs=-1, type=click.UNPROCESSED)
@wanted_options
@matching_options
@click.option("--step", metavar="NAME", help="The metric that counts the steps.")
@step_place_option
@live_block_option
@click.option("--tuning-job", metavar="FILE", help="A tuning request: metrics, environment, static hyperparameters.")
@click.option(
    "--training-definition", metavar="NAME", help="Which training job definition of the request, if it has several."
)
@click.option("--env", metavar="NAME=VALUE", multiple=True, help="An environment variable of the job. Can be repeated.")
@click.option("--hyperparameter", metavar="NAME=VALUE", multiple=True, help="A hyperparameter. Can be repeated.")
@click.option(
    "--channel", metavar="NAME=PATH", multiple=True, help="Data of the job, under --args sagemaker. Can be repeated."
)
@click.option(
    "--args",
    "style",
    type=click.Choice(["flags", "sagemaker", "hydra", "none"]),
    help="How the command gets its hyperparameters: --name value; as SageMaker's toolkit does it, with its folders and "
    "variables; name=value; not at all.  [default: flags; sagemaker with --tuning-job or --algorithm]",
)
@click.option(
    "--job",
    metavar="NAME",
    help="Name of the job, in its record and its journal. Commands that read a folder of jobs, such as rank runs/, name each "
    "job by its folder.  [default: that of its folder]",
)
@click.option(
    "-o",
    "--out",
    metavar="DIR",
    help="Folder of the job.  [default: runs/NAME with --job NAME, else a new one in runs/]",
)
@click.option("--attach", metavar="DIR", help="Go on reading the job in this folder; no command is given.")
@click.option("--separate-stderr", is_flag=True, help="Keep standard error apart; steps do not hold across the two.")
@click.option(
    "--line-buffered", is_flag=True, help="Run the command under stdbuf -oL: programs in C write in blocks otherwise."
)
@click.option(
    "--grace", metavar="TIME", type=duration, default="120s", show_default=True, help="Time from SIGTERM to SIGKILL."
)
@click.option("--max-runtime", metavar="TIME", type=duration, help="Stop the job after so long: 90, 30m, 2h.")
@click.option("--max-silence", metavar="TIME", type=duration, help="Stop the job if it writes nothing for so long.")
@click.option("--prestop-signal", metavar="SIGNAL@TIME", help="A signal to send so long before SIGTERM: USR2@30.")
@click.option(
    "--stopped-exit-code",
    metavar="N",
    type=click.IntRange(0, 255),
    default=EXIT_LIMIT,
    show_default=True,
    help="The exit code if a limit stopped the job.",
)
@click.option(
    "--on-event",
    metavar="COMMAND",
    help="A command for the shell, run at the job's end and when a threshold is passed.",
)
@click.option(
    "--threshold", metavar="CONDITION", multiple=True, help="For --on-event: 'val_loss < 0.1'. Can be repeated."
)
@click.option(
    "--metrics-file", metavar="FILE", help="Keep the newest values in a file for Prometheus' textfile collector."
)
def run(
    command: tuple[str, ...],
    wanted: Wanted,
    matching: Matching,
    attach: str | None,
    stopped_exit_code: int,
    on_event: str | None,
    threshold: tuple[str, ...],
    metrics_file: str | None,
    **given: Any,
) -> int:
    """Run a training job, pass on what it prints, and read its metrics while it runs.

    The output goes to output.log in the job's folder, and a process of its own waits for the job: if this command is killed, the
    job goes on, and --attach goes on reading it. metricscan stop DIR stops it, and metricscan rank runs/ ranks the jobs in a
    folder. Exit code: that of the command; 128 and its number if a signal ended it; 124 if a limit did; 125 if metricscan could
    not do its part; 126 or 127 if the command cannot be started.

    \b
    metricscan run -m 'loss=Loss = (.*?);' --hyperparameter lr=0.1 -- python3 train.py
    metricscan run -d definitions.json --max-runtime 2h -o runs/trial_2 -- python3 train.py
    """
    from metricscan.errors import MetricscanError
    from metricscan.live.job_folder import CommandError

    if threshold and on_event is None:
        raise click.UsageError("--threshold needs --on-event COMMAND")
    if given["training_definition"] is not None and given["tuning_job"] is None and attach is None:
        raise click.UsageError("--training-definition needs --tuning-job FILE")
    forwarder = Forwarder()
    shown = _Shown(forwarder)
    job: RunningJob | None = None
    try:
        with forwarder, taking_its_time():
            if attach is not None:
                from metricscan.live.running import attach as go_on

                _check_attached(command)
                job = go_on(attach, **shown.callbacks)
                shown.told = _told(_metrics(job.scanner), on_event, threshold, metrics_file)
            else:
                scanner = _scanner(command, wanted, matching, given)
                names = _metrics(scanner)
                if threshold and given["tuning_job"] is not None:
                    names = _requested_metrics(given["tuning_job"], wanted.algorithm, given["training_definition"])
                # an invalid condition is told before anything runs
                shown.told = _told(names, on_event, threshold, metrics_file)
                job = _started(command, scanner, wanted, matching, shown, given)
            try:
                # a built-in algorithm has dozens of metrics, and a log holds a few of them
                _read(job, forwarder, shown, is_whole=attach is None and wanted.algorithm is None)
            finally:
                job.close()
    except CommandError as error:
        complain(error)
        return error.exit_code
    except ReadingStopped:
        assert job is not None
        if job.is_done:
            return _exit_code(job.record, stopped_exit_code)
        folder = one_line(job.folder)
        click.echo("metricscan: interrupted: not all of the job's output was read", err=True)
        click.echo(f"hint: metricscan run --attach {folder} reads it on", err=True)
        return EXIT_NOT_RUN
    except MetricscanError as error:
        for warning in getattr(error, "warnings", ()):
            print_warning(str(warning))
        complain(error)
        if job is not None and error.hint is None and (state := _unread(job)) is not None:
            click.echo(f"hint: {state}; metricscan run --attach {one_line(job.folder)} reads it on", err=True)
        return EXIT_NOT_RUN
    except BrokenPipeError:
        raise
    except OSError as error:
        # such as too many open files
        complain(error)
        return EXIT_NOT_RUN
    return _exit_code(job.record, stopped_exit_code)


def _unread(job: RunningJob) -> str | None:
    """What is to be said of a job that was not read to its end."""
    from metricscan.errors import MetricscanError

    try:
        record = job.record
    except MetricscanError:
        # its record is gone, which may be the error that was told
        return None
    if record.status == "InProgress":
        return "the job goes on"
    return None if record.document.get("is_read") else "not all of the job's output was read"


def _check_attached(command: tuple[str, ...]) -> None:
    """Refuse what describes a new job beside ``--attach``."""
    context = click.get_current_context()
    given = [
        option.opts[-1]
        for option in context.command.params
        if isinstance(option, click.Option)
        and option.name not in _OF_READER
        and context.get_parameter_source(option.name or "") is click.core.ParameterSource.COMMANDLINE
    ]
    if command:
        raise click.UsageError("--attach takes no command")
    if given:
        raise click.UsageError(f"{', '.join(given)}: --attach goes on with a job that has its options")


def _scanner(command: tuple[str, ...], wanted: Wanted, matching: Matching, given: dict[str, Any]) -> Scanner | None:
    """The scanner that the options describe; None if the request describes it, or nothing is to be found."""
    if not command:
        raise click.UsageError(
            "a command was expected behind the options: metricscan run -m NAME=REGEX -- python train.py"
        )
    if given["tuning_job"] is not None:
        if wanted.definitions or wanted.metrics:
            raise click.UsageError("--tuning-job brings its own metrics: give no other definitions")
        return None
    if wanted.definitions or wanted.metrics or wanted.algorithm is not None:
        return compiled(wanted, matching)
    if wanted.labels:
        raise click.UsageError("--label needs metric definitions")
    return None


def _metrics(scanner: Scanner | None) -> list[str]:
    return [] if scanner is None else [name for name in scanner.metrics if name not in scanner.labels]


def _requested_metrics(tuning_job: str, algorithm: str | None, definition: str | None) -> list[str]:
    """The metrics of a request, whose warnings are printed when the job is started."""
    import warnings

    from metricscan.live.run import requested

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [one.name for one in requested(tuning_job, definition, algorithm).metrics]


def _started(
    command: tuple[str, ...],
    scanner: Scanner | None,
    wanted: Wanted,
    matching: Matching,
    shown: _Shown,
    given: dict[str, Any],
) -> RunningJob:
    """Start the job that the options describe."""
    from metricscan.errors import DefinitionWarning
    from metricscan.live import run as library
    from metricscan.live.job_environment import assignments

    style, tuning_job = given.pop("style"), given.pop("tuning_job")
    block, step_place = given.pop("block"), given.pop("step_place")
    if step_place is None:
        step_place = "before" if block is None or given["step"] is None else "block"
    if step_place == "block" and given["step"] is None:
        # the separators are kept, for rank and plot
        step_place, block = "before", True if block is None else block
    with printed_warnings(DefinitionWarning, *_warnings_of(tuning_job)), _in_words_of_options():
        job = library.run(
            command,
            scanner,
            labels=wanted.labels if scanner is None else (),
            tuning_job=tuning_job,
            algorithm=wanted.algorithm,
            environment=assignments(given.pop("env"), "--env"),
            hyperparameters=assignments(given.pop("hyperparameter"), "--hyperparameter"),
            channels=assignments(given.pop("channel"), "--channel"),
            args=style,
            step_place=step_place,
            block=False if block is None else block,
            stdin=None if os.isatty(0) else 0,
            **given,
            **(matching.of_scanner if scanner is None and tuning_job is not None else {}),
            **shown.callbacks,
        )
    click.echo(f"metricscan: job {named(job.name)} in {one_line(os.path.relpath(job.folder))}", err=True)
    return job


@contextlib.contextmanager
def _in_words_of_options() -> Iterator[None]:
    """Tell what is wrong with an argument of the library by the name of its option."""
    from metricscan.errors import OptionError

    try:
        yield
    except OptionError as error:
        error.message = _ARGUMENT.sub(lambda found: f"--{found[1].replace('_', '-')}=", error.message)
        raise


def _warnings_of(tuning_job: str | None) -> list[type[Warning]]:
    from metricscan.live.run import JobWarning

    if tuning_job is None:
        return [JobWarning]
    from metricscan.sagemaker import RequestWarning

    return [JobWarning, RequestWarning]


def _read(job: RunningJob, forwarder: Forwarder, shown: _Shown, *, is_whole: bool) -> None:
    """Read the job to its end.

    Parameters
    ----------
    job, forwarder, shown
    is_whole : bool
        Whether this process reads the job from its beginning on, with definitions that all are to find something.
    """
    forwarder.job = job
    told = shown.told
    assert told is not None
    started = time.monotonic() - (job.record.seconds or 0.0)
    try:
        while job.poll():
            forwarder.polls += 1
            forwarder.stop_orphans()
            told.poll(job)
            shown.panel.draw(job, started)
            time.sleep(_POLL_S)
    finally:
        shown.panel.end()
    # Whoever read our words may be gone; the exit code says the rest.
    with contextlib.suppress(BrokenPipeError):
        forwarder.is_telling = True
        told.ended(job, lambda: forwarder.is_waited_for)
        forwarder.is_telling = False
        _print_end(job, is_whole=is_whole)


def _print_end(job: RunningJob, *, is_whole: bool) -> None:
    """Say how a job ended, and why a definition found nothing, if all of its output was read here."""
    record = job.record
    why = record.stopped_by or (record.failure_reason or "").strip().rpartition("\n")[2]
    text = f"metricscan: {named(job.name)}: {record.status}"
    if record.seconds is not None:
        text += f" after {elapsed(record.seconds)}"
    if record.exit_code:
        text += f", exit code {record.exit_code}"
    if why:
        text += f": {one_line(why)}"
    click.echo(text, err=True)
    left = record.document.get("left_running")
    if left:
        click.echo(
            f"notice: the command left {left} process{'es' if left > 1 else ''} running, which metricscan ended",
            err=True,
        )
    for name, row in job.latest.items():
        if name == job.step:
            # each value has its own beside it
            continue
        step = "" if row.step is None else f" at step {row.step:.12g}"
        click.echo(f"  {named(name)} {one_line(str(row.value))}{step}", err=True)
    console = open_console(err=True)
    print_troubles(console, job.stats)
    if is_whole and job.scanner is not None and job.stats.records:
        outputs = [os.path.join(job.folder, name) for name in record.document["outputs"]]
        print_silent(console, job.scanner, job.stats, outputs)


def _exit_code(record: JobRecord, stopped_exit_code: int) -> int:
    if record.document.get("was_limit"):
        return stopped_exit_code
    return EXIT_NOT_RUN if record.exit_code is None else record.exit_code


class _Shown:
    """What is shown of a job: its own output, and a panel."""

    def __init__(self, forwarder: Forwarder) -> None:
        self._forwarder = forwarder
        self.panel = LivePanel()
        self.told: _Told | None = None
        self._closed: set[int] = set()
        self._is_waiting = False

    @property
    def callbacks(self) -> dict[str, Any]:
        """What a job is to call."""
        return {
            "on_output": self.pass_on,
            "on_rows": self.add,
            "on_notice": lambda notice: self.say(lambda: print_notices([notice])),
            "on_wait": self.waits,
        }

    def pass_on(self, number: int, data: bytes) -> None:
        """Write the job's bytes as they are."""
        self._forwarder.is_passing_on = True
        try:
            self._write(number + 1, data)
        finally:
            self._forwarder.is_passing_on = False
            self._forwarder.polls += 1

    def _write(self, descriptor: int, data: bytes) -> None:
        rest = memoryview(data)
        while rest and descriptor not in self._closed:
            try:
                rest = rest[os.write(descriptor, rest) :]
            except BlockingIOError:
                select.select([], [descriptor], [])
            except OSError as error:
                # The job goes on, and so does the reading of its metrics.
                self._closed.add(descriptor)
                if not isinstance(error, BrokenPipeError):
                    self.panel.end()
                    complain(f"cannot pass on what the job writes: {error.strerror}")

    def add(self, found: Any) -> None:
        """Take new rows."""
        self.panel.add(found)
        if self.told is not None:
            self.told.add(found)

    def say(self, print_it: Callable[[], object]) -> None:
        """Print something of our own."""
        self.panel.end()
        print_it()

    def waits(self, error: BaseException) -> None:
        """Say once that there is no room for the journal; a signal ends the wait, once the job has ended."""
        if self._forwarder.asked_for_end:
            raise error
        if not self._is_waiting:
            self._is_waiting = True
            self.say(lambda: complain(f"{error}; metricscan waits for room, and the job goes on"))


class _Told:
    """What is told to others: events, and the file of metrics."""

    def __init__(self, events: EventCommand | None, thresholds: list[Threshold], metrics: MetricsFile | None) -> None:
        self._events = events
        self._thresholds = thresholds
        self._metrics = metrics
        self._passed: list[str] = []
        self._failed = ""

    def add(self, found: Any) -> None:
        """Take new rows."""
        self._passed += [one.condition.text for one in self._thresholds if one.add(found)]

    def poll(self, job: RunningJob) -> None:
        """Tell what is new."""
        if self._events is not None:
            passed, self._passed = self._passed, []
            for text in passed:
                self._events.tell("threshold", job, threshold=text)
            self._events.poll()
        self._write(job)

    def _write(self, job: RunningJob, *, is_last: bool = False) -> None:
        """Write the file of metrics. If that fails, the job is read all the same."""
        if self._metrics is None:
            return
        try:
            self._metrics.write(job, is_last=is_last)
        except SourceError as error:
            if str(error) != self._failed:
                complain(error)
            self._failed = str(error)

    def ended(self, job: RunningJob, is_waited_for: Callable[[], bool]) -> None:
        """Tell how the job ended."""
        self.poll(job)
        self._write(job, is_last=True)
        if self._events is not None:
            self._events.ended(job, is_waited_for)


def _told(metrics: list[str], on_event: str | None, thresholds: tuple[str, ...], metrics_file: str | None) -> _Told:
    if on_event is None and metrics_file is None:
        return _Told(None, [], None)
    from metricscan.live.job_events import EventCommand, MetricsFile, Threshold

    return _Told(
        None if on_event is None else EventCommand(on_event, complain, 2),
        [Threshold(text, metrics) for text in thresholds],
        None if metrics_file is None else MetricsFile(metrics_file),
    )
