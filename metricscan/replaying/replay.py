"""Read many logs at once: their jobs, their rows in one table per metric, and the best job."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any

from metricscan.datasets import sink
from metricscan.datasets.formats import check_format as check_dataset_format
from metricscan.definitions.blocks import BLOCK, run_starts, separators
from metricscan.errors import AllFaults, OptionError, SourceError
from metricscan.logs.compression import MAX_DECOMPRESSED
from metricscan.logs.job import STDIN
from metricscan.logs.survey import check_options, given_paths, survey
from metricscan.ranking import ranking
from metricscan.ranking.at_best import checked_names, with_parts
from metricscan.ranking.conditions import NO_CONDITIONS, Conditions
from metricscan.replaying.log_parameters import LogParameters, checked_parameters
from metricscan.replaying.run import Run
from metricscan.scanning.options import check_threads
from metricscan.scanning.scanner import Scanner, report_untamed
from metricscan.scanning.threaded import most_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import pyarrow as pa

    from metricscan.definitions.objective import Objective
    from metricscan.logs.job import Survey
    from metricscan.replaying.outcome import Replay
    from metricscan.replaying.progress import Progress
    from metricscan.scanning.options import InputFormat
    from metricscan.scanning.stats import ScanStats


def replay(
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    scanner: Scanner,
    *,
    objective: Objective | None = None,
    completed_only: bool = False,
    min_step: float | None = None,
    exclude_doubts: str | Sequence[str] = (),
    at_best: str | Sequence[str] = (),
    on_error: str = "collect",
    threads: int | None = None,
    job: str = "auto",
    jobs: str | os.PathLike[str] | None = None,
    include: str | Sequence[str] = (),
    exclude: str | Sequence[str] = (),
    input_format: InputFormat = "auto",
    block: str | bool = False,
    parameters: Any = (),
    run_start: str | None = None,
    follow_links: bool = False,
    max_decompressed: int = MAX_DECOMPRESSED,
    keep: bool = True,
    out: str | os.PathLike[str] | None = None,
    format: str = "parquet",  # noqa: A002
    overwrite: bool = False,
    sync: bool = True,
    csv_guard: bool = True,
    progress: Callable[[Progress], object] | None = None,
) -> Replay:
    """Read the logs of many training jobs, and rank the jobs.

    Parameters
    ----------
    paths : path or iterable of path
        Files, folders and archives (searched for logs), globs, or ``"-"`` for standard input. Archives are tar, also
        compressed, and zip; ``logs.tar.gz/job_a`` is a folder in one.
    scanner : Scanner
    objective : Objective, optional
    completed_only : bool
        Whether only jobs whose status is Completed get a rank.
    min_step : float, optional
        A job whose last step is below it, or that has no step, gets no rank. The objective must have a step.
    exclude_doubts : str or sequence of str
        Kinds of doubts, such as ``"crashed"``; a job that has one of them gets no rank.
    at_best : str or sequence of str
        Other metrics whose values at the deciding rows are columns of the ranking, and in ``best.at_best``; see :func:`rank`.
    on_error : {"collect", "raise"}
        What happens with a log that cannot be read: the error is added to ``errors`` and the other logs are read, or the error
        is raised.
    threads : int, optional
        By default one per core. The result does not depend on it.
    job : "auto", "file", "dir" or a regex
        What one job is: decided by the layouts of usual tools; each file; each folder; or the text that the regex's group
        ``job`` (else its first group, else the whole match) finds in a log's path. Its group ``attempt``, if it has one, is the
        number of the attempt: the last attempt of a job counts.
    jobs : path, optional
        What is known about jobs: a table (CSV), JSON lines or JSON with the columns job or path, status and hyperparameters, or
        a document of a tuning tool. Other columns are hyperparameters. A job in it that has no log is ranked as missing.
    include, exclude : glob or sequence of glob
        Which files of a folder are logs. Archives in folders are opened only if ``include`` names them.
    input_format : {"auto", "plain", "cloudwatch-json", "cloudwatch-csv", "s3-export", "docker-json", "cri"}
        The format of the logs: text, exports of log events, or containers' logs. Rows of the last two get a ``time``.
        ``"auto"`` detects the format of each log by its first bytes, an export to S3 also by its path. Events are assigned to
        the streams that they name: one export may hold the streams of many jobs.
    block : str or bool
        Whether to keep the places of the separators of blocks, for ``step_place="block"``: True for the lines of ``-``, ``=``
        or ``+`` that :class:`Objective` tells of, or the regex of other records. They are the table ``(block)`` of the result
        and of the dataset. An objective that asks for blocks asks for them too.
    parameters : list, or mapping of str to str
        Hyperparameters in the text of the logs: definitions of labels (``r"lr=lr=(\\S+?),"``, or names and regexes), whose first
        match in a job's logs is the hyperparameter of that name; and ``"printed"``, for what programs print at the beginning:
        ``Namespace(lr=0.1)``, ``args: {..}``, the arguments of Hugging Face's Trainer and Hydra's configuration. Where sources
        differ, a notice says which counts.
    run_start : str, optional
        A regex; each record that it matches begins a run, or a fold, of its stream. Their places are the table ``(run)`` of the
        result and of the dataset. ``restarts="purge"`` and ``"split"`` go by them, and not by steps that go back.
    follow_links : bool
        Whether to search the folders outside those given to which links in them lead.
    max_decompressed : int
        The most bytes that a compressed log, or an archive in total, is decompressed to; more are an error. 64 GiB by default.
    keep : bool
        Whether to keep the rows in memory. With ``keep=False``, memory is bounded for any input, also with ``out``. If the
        objective has a step, or with ``at_best``, the bound is the rows of these metrics and of separators in one job.
    out : path, optional
        Folder of a dataset to write: a folder per metric, the ranking and a manifest.
    format : {"parquet", "arrow", "csv", "jsonl"}
    overwrite : bool
        Whether ``out`` may replace a dataset that is there; a folder that holds another file, too, is not replaced.
    sync : bool
        Whether the dataset has its name only when its files are on the disk, so that a crash of the machine leaves it whole, too.
    csv_guard : bool
        With ``format="csv"``: whether names and labels that a spreadsheet would take for formulas have a ``'`` before them: those
        that begin with ``=``, ``+``, ``-``, ``@``, a tab or a line end and are no number. ``Dataset`` gives them back unchanged.
    progress : callable, optional
        Called with a ``Progress`` (path, bytes, total_bytes, logs, total_logs) for each piece that is read of a large log, and
        after each log.

    Returns
    -------
    Replay

    Raises
    ------
    OptionError
        Invalid values of options, or an objective that is not among the metrics; the message names all errors.
    SourceError
        With ``on_error="raise"``, the first error. In any case if the output cannot be written or the jobs file is invalid.
    TypeError
        The scanner or the paths are of another type.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from metricscan import Objective
    >>> logs = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (logs / "a.log").write_text("loss=0.5\\n"), (logs / "b.log").write_text("loss=0.25\\n")
    >>> result = replay(logs, Scanner(["loss=loss=([0-9.]+)"]), objective=Objective("loss", "Minimize"))
    >>> result.best.job, result.best.value
    ('b', 0.25)
    >>> result["loss"].select(["job", "value", "line"]).to_pylist()
    [{'job': 'a', 'value': 0.5, 'line': 1}, {'job': 'b', 'value': 0.25, 'line': 1}]
    """
    run = prepared(
        paths,
        scanner,
        objective=objective,
        completed_only=completed_only,
        min_step=min_step,
        exclude_doubts=exclude_doubts,
        at_best=at_best,
        on_error=on_error,
        threads=threads,
        job=job,
        jobs=jobs,
        include=include,
        exclude=exclude,
        input_format=input_format,
        block=block,
        parameters=parameters,
        run_start=run_start,
        follow_links=follow_links,
        max_decompressed=max_decompressed,
        out=out,
        format=format,
        progress=progress,
    )
    if out is None:
        result = run.over_all_logs(keep=keep, target=None)
    else:
        with sink.Sink(
            out,
            run.scanner.metrics,
            format=format,
            overwrite=overwrite,
            labels=run.scanner.labels,
            threads=most_threads(threads),
            sync=sync,
            csv_guard=csv_guard,
        ) as target:
            result = run.over_all_logs(keep=keep, target=target)
            target.finish(result.ranking, run.manifest())
    result._noted = run.manifest
    result._find_blocks = partial(
        find_blocks, run.scanner, run.found, result.stats, threads=threads, input_format=input_format
    )
    return result


def prepared(
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    scanner: Scanner,
    *,
    objective: Objective | None = None,
    completed_only: bool = False,
    min_step: float | None = None,
    exclude_doubts: str | Sequence[str] = (),
    at_best: str | Sequence[str] = (),
    on_error: str = "collect",
    threads: int | None = None,
    job: str = "auto",
    jobs: str | os.PathLike[str] | None = None,
    include: str | Sequence[str] = (),
    exclude: str | Sequence[str] = (),
    input_format: InputFormat = "auto",
    block: str | bool = False,
    parameters: Any = (),
    run_start: str | None = None,
    follow_links: bool = False,
    max_decompressed: int = MAX_DECOMPRESSED,
    out: str | os.PathLike[str] | None = None,
    format: str = "parquet",  # noqa: A002
    progress: Callable[[Progress], object] | None = None,
    in_order: bool = False,
) -> Run:
    """Check the options of a replay, find its logs and jobs, and return what scans them.

    Parameters and errors are those of :func:`replay`; ``in_order`` is one of :class:`Run`.
    """
    if not isinstance(scanner, Scanner):
        raise TypeError(
            f"a Scanner was expected, not {type(scanner).__name__}: Scanner(definitions) makes one, also of a file's path"
        )
    paths = given_paths(paths)
    with AllFaults() as faults:
        if on_error not in ("collect", "raise"):
            faults.note(f"on_error={on_error!r}: 'collect' or 'raise' was expected")
        if objective is not None:
            faults.of(ranking.check_metric, objective, scanner.metrics, scanner.labels)
        faults.of(Conditions.checked, objective, completed_only, min_step, exclude_doubts)
        faults.of(_check_at_best, at_best, objective, scanner)
        faults.of(check_threads, threads)
        check_options(faults, job=job, jobs=jobs, input_format=input_format, max_decompressed=max_decompressed)
        if out is not None and (not isinstance(out, (str, os.PathLike)) or not os.fspath(out)):
            faults.note(f"out={out!r:.80}: the path of a folder was expected")
        if progress is not None and not callable(progress):
            faults.note(f"progress={progress!r:.80}: a callable was expected")
        faults.of(check_dataset_format, format)
        faults.of(_check_block, block)
        faults.of(checked_parameters, parameters)
        if run_start is not None:
            faults.of(run_starts, run_start)
    wanted, is_printed = checked_parameters(parameters)
    before = scanner.labels
    if wanted:
        scanner = scanner.with_labels(wanted)
    given = scanner
    if block is not False or (objective is not None and objective.step_place == "block"):
        scanner = scanner.with_block(separators(block or True))
        if block is not True and block is not False:
            report_untamed(scanner.with_options((), scanner.options).with_block(separators(block)), refuse=False)
    if run_start is not None:
        scanner = scanner.with_block(run_starts(run_start))
        report_untamed(scanner.with_options((), scanner.options).with_block(run_starts(run_start)), refuse=False)
    found = survey(
        paths,
        job=job,
        jobs_file=jobs,
        include=include,
        exclude=exclude,
        input_format=input_format,
        follow_links=follow_links,
        max_decompressed=max_decompressed,
    )
    if on_error == "raise" and found.errors:
        raise found.errors[0]
    in_logs = None
    if wanted or is_printed:
        in_logs = LogParameters(found, tuple(name for name in given.labels if name not in before), jobs)
        if is_printed:
            in_logs.add_printed(input_format)
    return Run(
        scanner,
        found,
        objective,
        threads,
        progress,
        conditions=Conditions.checked(objective, completed_only, min_step, exclude_doubts),
        raise_errors=on_error == "raise",
        input_format=input_format,
        max_decompressed=max_decompressed,
        at_best=() if objective is None else with_parts(checked_names(at_best, given.metrics, given.labels), objective),
        parameters=in_logs,
        in_order=in_order,
    )


def find_blocks(
    scanner: Scanner, found: Survey, stats: ScanStats, *, threads: int | None, input_format: InputFormat
) -> pa.Table:
    """Read the logs of a replay again, and find the separators of blocks.

    Parameters
    ----------
    scanner : Scanner
        Of the replay; its options count.
    found : Survey
    stats : ScanStats
        Of the replay.
    threads, input_format
        As :func:`replay` takes them.

    Raises
    ------
    SourceError
        The logs do not have as many bytes and records as before.
    OptionError
        A log is standard input.
    """
    if any(log.path == STDIN for job in found.jobs for log in job.logs):
        raise OptionError(
            "step_place='block' needs the separators of blocks, and standard input can be read only once",
            hint="replay(.., block=True) finds them with the metrics",
        )
    alone = scanner.with_options((), scanner.options).with_block(separators(True))
    run = Run(
        alone, found, None, threads, None, conditions=NO_CONDITIONS, raise_errors=False, input_format=input_format
    )
    again = run.over_all_logs(keep=True, target=None)
    if (again.stats.bytes, again.stats.records) != (stats.bytes, stats.records):
        path = next((log.path for job in found.jobs for log in job.logs), "")
        raise SourceError(
            f"the logs have {again.stats.bytes:,} bytes in {again.stats.records:,} records where the replay read "
            f"{stats.bytes:,} in {stats.records:,}: separators of blocks cannot be found any more",
            path=path,
            hint="replay(.., block=True) finds them with the metrics",
        )
    return again[BLOCK]


def _check_at_best(at_best: str | Sequence[str], objective: Objective | None, scanner: Scanner) -> None:
    if checked_names(at_best, scanner.metrics, scanner.labels) and objective is None:
        raise OptionError(f"at_best={at_best!r} needs an objective, which decides where")


def _check_block(block: object) -> None:
    if block is not False:
        separators(block)
