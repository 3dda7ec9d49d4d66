"""Run a training job with its environment and hyperparameters, and read its output while it runs."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import signal
import warnings
from typing import TYPE_CHECKING, Any

from metricscan.definitions.blocks import check_step_place
from metricscan.errors import AllFaults, OptionError, SourceError, quoted
from metricscan.live import job_folder
from metricscan.live.blocks import with_separators
from metricscan.live.hyperparameters import ARGUMENTS, handed
from metricscan.live.job_environment import LOG_LEVEL, masked, masked_command, own_variables
from metricscan.live.processes import JOB_DIR, JOB_ID
from metricscan.logs.job_record import ERRORS, OUTPUT, RECORD
from metricscan.sagemaker.algorithms import definitions as built_in
from metricscan.sagemaker.checking import OBJECTIVE_HYPERPARAMETER
from metricscan.scanning.scanner import Scanner

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pyarrow as pa

    from metricscan.definitions.blocks import StepPlace
    from metricscan.live.hyperparameters import Arguments, Handed
    from metricscan.live.running import RunningJob
    from metricscan.logs.job import Notice
from metricscan.sagemaker.checking import TrainingDefinition

#: So long a job has from SIGTERM to SIGKILL, as in the service (API Reference, StopTrainingJob).
GRACE_S = 120.0
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*([smhd]?)")
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


class JobWarning(UserWarning):
    """What is probably not meant so in the environment or the hyperparameters of a job."""


def run(
    command: Sequence[str],
    definitions: Any = None,
    *,
    labels: Any = (),
    step: str | None = None,
    step_place: StepPlace = "before",
    block: str | bool = False,
    tuning_job: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    training_definition: str | None = None,
    algorithm: str | None = None,
    environment: Mapping[str, str] | None = None,
    hyperparameters: Mapping[str, Any] | None = None,
    channels: Mapping[str, str] | None = None,
    args: Arguments | None = None,
    job: str | None = None,
    out: str | os.PathLike[str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    stdin: int | None = None,
    separate_stderr: bool = False,
    line_buffered: bool = False,
    grace: float = GRACE_S,
    max_runtime: float | None = None,
    max_silence: float | None = None,
    prestop_signal: str | None = None,
    on_output: Callable[[int, bytes], object] | None = None,
    on_rows: Callable[[Mapping[str, pa.RecordBatch]], object] | None = None,
    on_notice: Callable[[Notice], object] | None = None,
    on_wait: Callable[[SourceError], object] | None = None,
    **options: Any,
) -> RunningJob:
    """Start a training job, and read the metrics that it prints.

    The output of the job goes to a file in the job's folder, and a small process of its own waits for the job. So the job goes on
    if this process is killed; :func:`attach` goes on reading it.

    Parameters
    ----------
    command : sequence of str
    definitions : Scanner, list or path, optional
        What to find; with ``tuning_job`` by default the metrics of the request.
    labels : mapping or list
        As for :class:`Scanner`.
    step : str, optional
        The name of the metric that counts the steps.
    step_place : {"before", "after", "block"}
        Which step a row has without one in its own record, as :class:`Objective` takes it.
    block : str or bool
        The regex of the records that separate blocks, or whether to find lines of ``-``, ``=`` or ``+``; ``step_place="block"``
        implies that. They are kept in the journal, so that :func:`rank` may take the steps of blocks.
    tuning_job : path or mapping, optional
        A tuning request. The job gets its environment, its static hyperparameters and the name of its objective.
    training_definition : str, optional
        The name of the request's training job definition, if it has several.
    algorithm : str, optional
        The built-in algorithm of SageMaker whose metrics to find, if the request defines none or there is none.
    environment : mapping of str to str, optional
        Variables to set. They overrule those of the request, and these the inherited ones. ``PYTHONUNBUFFERED`` is set to 1,
        unless it is set already.
    hyperparameters : mapping, optional
        Values that are not texts are written as JSON. They overrule those of the request.
    channels : mapping of str to path, optional
        Data by the names of channels, with ``args="sagemaker"``.
    args : {"flags", "sagemaker", "hydra", "none"}, optional
        How the command gets its hyperparameters: ``--name value``; as SageMaker's toolkit hands them over, with its folders and
        variables; ``name=value``; not at all. The default is ``"sagemaker"`` with a request or an algorithm, else ``"flags"``.
    job : str, optional
        The name of the job; by default that of its folder.
    out : path, optional
        The job's folder, which holds no other job; by default ``runs/NAME`` of a job with a name, else a new one in ``runs/``.
    cwd : path, optional
        Where the command runs.
    stdin : int, optional
        A descriptor, the command's standard input; by default it is empty.
    separate_stderr : bool
        Whether standard error goes to a file of its own. A step of one file does not hold for rows of the other.
    line_buffered : bool
        Whether to run the command under ``stdbuf -oL``: programs in C write to a file in blocks otherwise.
    grace : float
        Seconds from SIGTERM to SIGKILL.
    max_runtime, max_silence : float, optional
        Seconds after which the job is stopped: since its start, since its last output.
    prestop_signal : str, optional
        A signal to send before SIGTERM, and how many seconds before: ``"USR2@30"``.
    on_output : callable, optional
        Called with 0, or 1 for a separate standard error, and the new bytes.
    on_rows : callable, optional
        Called with the rows that were found, by metric, as :meth:`Stream.take` gives them.
    on_notice : callable, optional
        Called with what a reader should know.
    on_wait : callable, optional
        Called with the error while the disk has no room for the rows.
    **options
        ``newline``, ``matches``, ``escape``, ``ansi``, ``untamed`` and ``max_record_bytes``, as :class:`Scanner` takes them.

    Returns
    -------
    RunningJob
        It yields rows, and ``wait()`` reads the job to its end.

    Raises
    ------
    OptionError
        An option is invalid, the command cannot be found, or the folder holds another job.
    SourceError
        The folder cannot be written.
    DefinitionError, RequestError
        The definitions, or the request, are invalid.

    Examples
    --------
    >>> import tempfile
    >>> folder = f"{tempfile.mkdtemp()}/trial_1"
    >>> with run(["sh", "-c", "echo loss=$2", "train"], ["loss=loss=([0-9.]+)"], hyperparameters={"lr": 0.1}, out=folder) as job:
    ...     [(row.metric, row.value) for row in job], job.record.status
    ([('loss', 0.1)], 'Completed')
    """
    if not os.path.exists("/proc/self/stat"):
        raise OptionError("jobs are run on Linux alone: who descends from whom is read from /proc")
    if isinstance(command, str | bytes):
        raise OptionError(
            f"command={quoted(command)}: a list of words was expected",
            hint='["python", "train.py"], or ["sh", "-c", "..."] for the shell',
        )
    words = [os.fspath(word) for word in command]
    request = None if tuning_job is None else requested(tuning_job, training_definition, algorithm)
    style: Arguments = args or ("flags" if request is None and algorithm is None else "sagemaker")
    prestop = _prestop(prestop_signal)
    with AllFaults() as errors:
        if job == "":
            errors.note("job='': a name was expected")
        if out is not None and not os.fspath(out):
            errors.note("out='': a folder was expected")
        if not words:
            errors.note("the command is empty")
        if style not in ARGUMENTS:
            errors.note(f"args={args!r}: {', '.join(ARGUMENTS)} was expected")
        if training_definition is not None and tuning_job is None:
            errors.note("training_definition needs tuning_job")
        errors.of(check_step_place, step_place)
        for name, seconds in (("grace", grace), ("max_runtime", max_runtime), ("max_silence", max_silence)):
            least_is_fine = name == "grace" and seconds == 0
            if seconds is not None and not (0 < seconds < float("inf") or least_is_fine):
                errors.note(f"{name}={seconds}: a positive number of seconds was expected")
        if prestop is not None and max_runtime is not None and prestop[1] >= max_runtime:
            errors.note(f"prestop_signal={prestop_signal!r}: less than max_runtime={max_runtime:g} was expected")
    place = _absolute(os.curdir if cwd is None else cwd)
    if not os.path.isdir(place):
        raise OptionError(f"cwd={place}: there is no such folder")
    if line_buffered:
        words = ["stdbuf", "-oL", *words]
    if definitions is None and request is None and algorithm is not None:
        definitions = built_in(algorithm)
    scanner = _scanner(definitions, labels, request, options)
    if block is not False or step_place == "block":
        scanner = _with_block(scanner, True if block is False else block)
    if step is None and step_place != "before":
        raise OptionError(f"step_place={step_place!r} needs step=NAME, the metric that counts the steps")
    if step is not None and (scanner is None or step not in scanner.metrics or step in scanner.labels):
        raise OptionError(f"step={step!r}: no metric has this name")
    parameters = _parameters(request, hyperparameters)
    own = own_variables(
        os.environ, {} if request is None else request.environment, environment or {}, reserved=(JOB_DIR, JOB_ID)
    )
    for warning in own.warnings:
        warnings.warn(warning, JobWarning, stacklevel=2)
    with job_folder.turn_to_name() if out is None else contextlib.nullcontext():
        if out is None:
            out = job_folder.free_folder(words) if job is None else job_folder.named_folder(job)
        folder = _absolute(out)
        name = os.path.basename(folder) if job is None else job
        gives = handed(folder, name, words, parameters, channels or {}, style, own.values.get(LOG_LEVEL))
        # as long as a pid may be another process's, this text shows whose it is
        job_id = secrets.token_hex(16)
        whole = {**os.environ, **gives.environment, **own.values, JOB_DIR: folder, JOB_ID: job_id}
        argv = [*words, *gives.arguments]
        job_folder.check_command(argv, whole, place)
        outputs = [OUTPUT, ERRORS] if separate_stderr else [OUTPUT]
        record = job_folder.new_record(
            name,
            job_id,
            {
                "folder": folder,
                "command": masked_command(argv),
                "cwd": place,
                "environment": masked({**_recorded(gives), **own.values, JOB_DIR: folder}, are_variables=True),
                "hyperparameters": masked(parameters),
                "args": style,
                "outputs": outputs,
                "scanner": _described(scanner),
                "step": step,
                "step_place": step_place,
                "objective": None if request is None else _described_objective(request),
                "grace_s": grace,
                "max_runtime_s": max_runtime,
                "max_silence_s": max_silence,
            },
        )
        made = job_folder.claim(folder, record)
    try:
        job_folder.write_files(folder, gives)
        task = {
            "folder": folder,
            "record_name": RECORD,
            "outputs": outputs,
            "argv": argv,
            "environment": whole,
            "cwd": place,
            "failure": gives.failure,
            "grace_s": grace,
            "max_runtime_s": max_runtime,
            "max_silence_s": max_silence,
            "prestop": prestop,
            "record": record,
        }
        job_folder.start(task, stdin=stdin)
    except BaseException:
        job_folder.give_up(folder, made, outputs)
        raise
    # The job runs by now: what reads it, and pyarrow, are loaded meanwhile.
    from metricscan.live.running import RunningJob

    try:
        return RunningJob(folder, on_output=on_output, on_rows=on_rows, on_notice=on_notice, on_wait=on_wait)
    except SourceError as error:
        error.hint = error.hint or f"the job goes on; attach() or metricscan run --attach {folder} reads it"
        raise


def _absolute(path: str | os.PathLike[str]) -> str:
    try:
        return os.path.abspath(path)
    except FileNotFoundError:
        raise OptionError(f"{os.fspath(path)}: the current folder was removed") from None


def duration_s(text: str) -> float:
    """Read a duration: a number of seconds, or with s, m, h or d behind it.

    Raises
    ------
    OptionError
        It is none.

    Examples
    --------
    >>> duration_s("90"), duration_s("1.5h"), duration_s("30m")
    (90.0, 5400.0, 1800.0)
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise OptionError(f"{quoted(text)} is no duration: a number of seconds, or 30s, 30m, 2h or 1d was expected")
    return float(match[1]) * _UNITS[match[2]]


def _prestop(text: str | None) -> tuple[int, float] | None:
    """The number of a signal, and how many seconds before SIGTERM it is sent."""
    if text is None:
        return None
    name, at, before = text.partition("@")
    number = getattr(signal, f"SIG{name.upper().removeprefix('SIG')}", None)
    if not at or not isinstance(number, signal.Signals):
        raise OptionError(f"prestop_signal={quoted(text)}: a signal and a duration were expected, such as USR2@30")
    return int(number), duration_s(before)


def requested(
    source: str | os.PathLike[str] | Mapping[str, Any], name: str | None, algorithm: str | None
) -> TrainingDefinition:
    """The training job definition of a request with this name, or its only one.

    Raises
    ------
    OptionError
        There is no such one, or several.
    RequestError, SourceError
        The request is invalid, or cannot be read.
    """
    from metricscan.sagemaker.request import load_request

    request = load_request(source, algorithm=algorithm)
    found = [one for one in request.definitions if name is None or one.name == name]
    if len(found) == 1:
        return found[0]
    names = ", ".join(str(one.name) for one in request.definitions)
    if not found:
        raise OptionError(f"training_definition={name!r}: the request has no such one, but {names}")
    raise OptionError(f"the request has {len(found)} training job definitions, {names}: name one")


def _scanner(
    definitions: Any, labels: Any, requested: TrainingDefinition | None, options: Mapping[str, Any]
) -> Scanner | None:
    if isinstance(definitions, Scanner):
        if labels or options:
            raise OptionError(f"{', '.join(options) or 'labels'}: the scanner has its own")
        return definitions
    if definitions is None and requested is not None and requested.metrics:
        # the request has told what is suspicious about them
        definitions = requested.metrics
    if definitions is None:
        if labels:
            raise OptionError("labels need definitions")
        return None
    return Scanner(definitions, labels=labels, **options)


def _with_block(scanner: Scanner | None, block: str | bool) -> Scanner:
    """The scanner that also finds the separators of blocks."""
    if scanner is None:
        raise OptionError("the separators of blocks need definitions")
    return with_separators(scanner, block)


def _recorded(gives: Handed) -> dict[str, str]:
    """What is recorded of the variables that hand over hyperparameters: those that follow from them are not."""
    return {name: value for name, value in gives.environment.items() if not name.startswith("SM_")}


def _described(scanner: Scanner | None) -> dict[str, Any] | None:
    """What makes the scanner again."""
    if scanner is None:
        return None
    labels = frozenset(scanner.labels)
    return {
        "definitions": [
            {"Name": one.name, "Regex": one.regex} for one in scanner.definitions if one.name not in labels
        ],
        "labels": {one.name: one.regex for one in scanner.definitions if one.name in labels},
        "options": {**scanner.options, "max_record_bytes": scanner.max_record_bytes},
    }


def _described_objective(requested: TrainingDefinition) -> dict[str, str]:
    return {"metric": requested.objective.metric, "goal": requested.objective.goal}


def _parameters(requested: TrainingDefinition | None, given: Mapping[str, Any] | None) -> dict[str, str]:
    """The hyperparameters of a job, as the service hands them over: texts."""
    own = {str(name): value if isinstance(value, str) else json.dumps(value) for name, value in (given or {}).items()}
    with AllFaults() as errors:
        for name, value in own.items():
            if "\0" in name + value or not name:
                errors.note(f"hyperparameter {name!r}: a name, and no NUL in it or in the value, was expected")
    if requested is None:
        return own
    missing = [name for name in requested.tuned if name not in own]
    if missing:
        warnings.warn(
            f"the request tunes {', '.join(missing)}: the job gets no value of {'it' if len(missing) == 1 else 'these'}",
            JobWarning,
            stacklevel=3,
        )
    objective = {OBJECTIVE_HYPERPARAMETER: requested.objective.metric}
    return {**objective, **requested.static_hyperparameters, **own}
