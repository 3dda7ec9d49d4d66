"""A replay whose logs are read by the workers of an engine: the same result, and the same dataset, in several files."""

from __future__ import annotations

import os
import shutil
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.compute as pc

from metricscan.datasets.formats import check_format
from metricscan.datasets.manifest import Entries
from metricscan.datasets.place import TASKS
from metricscan.datasets.sink import Sink
from metricscan.errors import MetricscanError, OptionError, SourceError
from metricscan.fleet.engines import Engine, engine_of
from metricscan.fleet.gathered import Gathered
from metricscan.fleet.listing import TASK_BYTES, TASK_LOGS, logs_of, tasks_of
from metricscan.fleet.regex_time import TimeOfWorkers
from metricscan.fleet.work import Work, error_in, tasks_as_bytes
from metricscan.replaying.replay import prepared
from metricscan.scanning.deferred import REGEX_SHARED_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from metricscan.replaying.outcome import Replay
    from metricscan.replaying.run import Deciding, Run
    from metricscan.scanning.scanner import Scanner

# What needs the rows, or the reading of logs, on this machine.
_REFUSED = ("threads", "progress", "keep", "parameters")


def replay_on(
    engine: str | Engine,
    paths: Any,
    scanner: Scanner,
    *,
    address: str | None = None,
    out: str | os.PathLike[str] | None = None,
    format: str = "parquet",  # noqa: A002
    overwrite: bool = False,
    sync: bool = True,
    csv_guard: bool = True,
    task_bytes: int = TASK_BYTES,
    task_logs: int = TASK_LOGS,
    **options: Any,
) -> Replay:
    """Read the logs of many training jobs on the workers of an engine, and rank the jobs.

    Parameters
    ----------
    engine : {"ray", "dask", "daft", "spark", "duckdb", "polars"} or callable
        A callable gets the work and the tasks, and yields what the work gives for each task, in any order.
    paths, scanner, out, format, overwrite, sync, csv_guard
        As :func:`metricscan.replay` takes them. All machines must see the logs, and ``out``, under the same paths.
    address : str, optional
        Where the engine runs; by default it is started on this machine.
    task_bytes, task_logs : int
        How much of the logs one task reads, as :func:`tasks_of` takes them.
    **options
        The other options of :func:`metricscan.replay`, but ``threads``, ``progress``, ``keep`` and ``parameters``.

    Returns
    -------
    Replay
        Equal to that of :func:`metricscan.replay` with ``keep=False``.

    Raises
    ------
    OptionError
        An option is invalid or needs one machine, the engine is not installed, or a worker has another version of metricscan.
    SourceError
        A file cannot be written, or the engine lost a task. Then there is no dataset, or the one that was there before.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from metricscan import Objective, Scanner
    >>> logs = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (logs / "a.log").write_text("loss=0.5\\n"), (logs / "b.log").write_text("loss=0.25\\n")
    >>> alone = lambda work, tasks: map(work, tasks)
    >>> replay_on(alone, logs, Scanner(["loss=loss=([0-9.]+)"]), objective=Objective("loss", "Minimize")).best.job
    'b'
    """
    refused = [name for name in _REFUSED if options.get(name)]
    if refused:
        raise OptionError(f"{', '.join(refused)}: not with an engine; replay on one machine takes it")
    run_tasks = engine if callable(engine) else engine_of(engine, address)
    check_format(format)
    taken = {name: value for name, value in options.items() if name not in _REFUSED}
    run = prepared(paths, scanner, out=out, format=format, **taken)
    logs = logs_of(run.found)
    tasks = tasks_as_bytes(tasks_of(logs, most_bytes=task_bytes, most_logs=task_logs))
    with _regex_time(run.scanner, len(tasks)) as time:
        work = Work(run.scanner, run.objective, run.at_best, run.input_format, run.max_decompressed, regex_time=time)
        if out is None:
            return _result(run, _gathered(run_tasks, work, tasks, logs.num_rows))
        with Sink(
            out,
            run.scanner.metrics,
            format=format,
            overwrite=overwrite,
            labels=run.scanner.labels,
            sync=sync,
            csv_guard=csv_guard,
        ) as target:
            try:
                os.mkdir(os.path.join(target.folder, TASKS))
            except OSError as error:
                raise SourceError(f"cannot write {target.path}", path=target.path, cause=error) from error
            gathered = _gathered(
                run_tasks, replace(work, folder=target.folder, format=format, csv_guard=csv_guard), tasks, logs.num_rows
            )
            result = _result(run, gathered)
            for number, metric, path in gathered.files:
                target.adopt(metric, path, number)
            # attempts that still run write into a folder that is no part of the dataset
            over = f"{target.folder}.{TASKS}"
            os.rename(os.path.join(target.folder, TASKS), over)
            shutil.rmtree(over, ignore_errors=True)
            target.finish(result.ranking, run.manifest())
        return result


def _regex_time(scanner: Scanner, tasks: int) -> AbstractContextManager[TimeOfWorkers | None]:
    """What all tasks have together; nothing where no regex needs it."""
    uses_regex = scanner.plan.resolver.has_regex
    return TimeOfWorkers(REGEX_SHARED_S, tasks) if uses_regex else nullcontext()


def _gathered(run_tasks: Engine, work: Work, tasks: list[bytes], logs: int) -> Gathered:
    """What the workers found.

    Raises
    ------
    SourceError
        Tasks were lost.
    """
    gathered = Gathered(_partials(run_tasks, work, tasks))
    found = len(gathered.heads.job)
    if found != logs:
        raise SourceError(f"the engine gave back {found:,} of {logs:,} logs: tasks were lost", path=work.folder or "")
    return gathered


def _partials(run_tasks: Engine, work: Work, tasks: list[bytes]) -> Iterator[bytes]:
    try:
        for partial in run_tasks(work, tasks):
            failure = error_in(partial)
            if failure is not None:
                raise failure
            yield partial
    except (MetricscanError, KeyboardInterrupt):
        raise
    except Exception as error:
        own = cause_in(error)
        if own is not None:
            raise own from error
        if "metricscan" in str(error) and "No module named" in str(error):
            raise OptionError(
                "a worker of the engine has no metricscan", hint=f"install metricscan {work.version} on all machines"
            ) from error
        raise SourceError("a task of the engine failed", path=work.folder or "", cause=error) from error


def cause_in(error: BaseException | None) -> MetricscanError | None:
    """The error of this package that an engine has wrapped."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        if isinstance(one, MetricscanError):
            return one
        seen.add(id(one))
        waiting += [one.__cause__, one.__context__, getattr(one, "cause", None)]
    return None


def _result(run: Run, gathered: Gathered) -> Replay:
    """The result of a replay whose logs were scanned elsewhere."""
    run.errors += gathered.errors
    if run.raise_errors and run.errors:
        raise run.errors[0]
    run.stats.merge(gathered.stats)
    run.undecoded += gathered.undecoded
    run.evidence.logs.update(gathered.evidence.logs)
    heads = gathered.heads

    def source(number: int) -> dict[str, Any]:
        return run.source(number, int(heads.bytes[number]), int(heads.records[number]))

    run.sources = Entries(len(heads.job), source)
    run.scans.unended.update(np.flatnonzero(heads.is_unended).tolist())
    run.scans.spans.update((run.logs[number], span) for number, span in gathered.spans.items())
    # without a log there is nothing to decide, which the decider of one machine knows, too
    has_decided = run.objective is not None and bool(len(heads.job))
    decider: Deciding | None = run.decider
    if has_decided:
        decider = gathered.decided(pc.index_in(gathered.names, run.job_names).to_numpy(zero_copy_only=False))
    return run.result(None, decider)
