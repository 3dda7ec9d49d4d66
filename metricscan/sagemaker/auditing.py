"""Compare logs with the values that the service reported, and find the way of reading that explains these values.

The service does not document which match of a line counts, what ends a line, or whether control characters are escaped.
The values that it reported about known logs are evidence, which an audit counts.
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from metricscan.definitions.definition import load_definitions
from metricscan.definitions.objective import Objective
from metricscan.errors import OptionError, SourceError
from metricscan.logs.job import is_read_once
from metricscan.logs.job_rows import rows_of
from metricscan.logs.jobs_file import fact_of, jobs_of_facts, read_jobs_file
from metricscan.replaying.replay import replay
from metricscan.sagemaker import algorithms
from metricscan.sagemaker.checking import OBJECTIVE_HYPERPARAMETER, TrainingDefinition
from metricscan.sagemaker.documents import read_document
from metricscan.sagemaker.errors import RequestError, RequestFault, RequestWarning
from metricscan.sagemaker.latest import latest, streams_of
from metricscan.sagemaker.model import ALIAS, is_alias
from metricscan.sagemaker.names import legal_names
from metricscan.sagemaker.reported import Report, reported_values
from metricscan.sagemaker.request import TuningRequest, load_request
from metricscan.sagemaker.scanners import scanner_of
from metricscan.sagemaker.spelling import as_in_model, holders, plain
from metricscan.scanning.deferred import REGEX_SHARED_S, RegexTime
from metricscan.scanning.options import MAX_RECORD_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pyarrow as pa

    from metricscan.definitions.definition import MetricDefinition
    from metricscan.logs.job import Job, Log
    from metricscan.logs.jobs_file import Fact
    from metricscan.replaying.outcome import Replay
    from metricscan.scanning.options import Ansi, Escape, Matches, Newline, Untamed
    from metricscan.scanning.scanner import Scanner

Verdict = Literal[
    "equal", "failed", "other match", "other stream", "other scope", "not a number", "absent", "no log", "unreported"
]
Scope = Literal["last", "first", "min", "max"]
#: The results of comparing a reported value with the log. All but ``equal`` and ``failed`` are mismatches.
VERDICTS: dict[Verdict, str] = {
    "equal": "the reported value is the final value in the log, rounded to 32 bits",
    "failed": "the job failed: what the service reports of it need not be the final value in the log",
    "other match": "the reported value is that of another match in the same record",
    "other stream": "the reported value is the last one of another stream of the job",
    "other scope": "the reported value is another one of the job: the first, the least, the greatest, or one between",
    "not a number": "the log has no finite number",
    "absent": "no value of the job is the reported one",
    "no log": "the job has no log",
    "unreported": "the log has a final value, but the service reported that there is none",
}
SCOPES: tuple[Scope, ...] = ("last", "first", "min", "max")
_READINGS = tuple(
    {"matches": matches, "newline": newline, "escape": escape}
    for escape, newline in (("none", "universal"), ("none", "lf"), ("syslog", "lf"))
    for matches in ("all", "first", "last")
)


class Finding(NamedTuple):
    """One reported value, compared with the log of its job.

    Attributes
    ----------
    job, metric : str
    reported : float or None
        None if the service reported that the job has no objective value.
    logged : float or None
        The final value in the log, read with the given options; None if the log has none.
    verdict : str
        A key of :data:`VERDICTS`, which explains it.
    path, stream : str or None
    line, offset : int or None
        Place of the reported value in the log; if the log does not contain it, place of the final value. ``line`` counts from
        1; ``offset`` is in bytes, of the record's first byte.
    note : str
        Details: the scope, or the text that is not a number.
    """

    job: str
    metric: str
    reported: float | None
    logged: float | None
    verdict: Verdict
    path: str | None = None
    stream: str | None = None
    line: int | None = None
    offset: int | None = None
    note: str = ""


class Policy(NamedTuple):
    """A way of reading logs, and the number of reported values that it explains."""

    matches: str
    newline: str
    escape: str
    scope: Scope
    explained: int

    def __str__(self) -> str:
        return f"matches={self.matches} newline={self.newline} escape={self.escape} scope={self.scope}"


class Audit(NamedTuple):
    """The result of an audit.

    Attributes
    ----------
    findings : tuple of Finding
    policies : tuple of Policy
        Ordered by the number of values that they explain; of equal ones, the scope ``last``, which the service documents,
        and the given options come first.
    reported : int
        Number of values that the service reported about jobs with a log that did not fail.
    errors : tuple of SourceError
        Logs that could not be read.
    jobs : tuple of str
        The names of the jobs that have logs.
    """

    findings: tuple[Finding, ...]
    policies: tuple[Policy, ...]
    reported: int
    errors: tuple[SourceError, ...]
    jobs: tuple[str, ...] = ()

    @property
    def agrees(self) -> bool:
        """Whether every reported value is the final value in its log, but for jobs that failed."""
        return all(one.verdict in ("equal", "failed") for one in self.findings)


def audit(
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    request: TuningRequest | str | os.PathLike[str] | Mapping[str, Any],
    *,
    jobs: str | os.PathLike[str] | Mapping[str, Any] | Sequence[Any] | None = None,
    newline: Newline | None = None,
    matches: Matches = "all",
    escape: Escape = "none",
    ansi: Ansi = "keep",
    untamed: Untamed = "warn",
    max_record_bytes: int = MAX_RECORD_BYTES,
    **options: Any,
) -> Audit:
    """Compare logs with the values that the service reported about them.

    Parameters
    ----------
    paths : path or iterable of path
        As :func:`metricscan.replay` takes them. Each log is read several times.
    request : TuningRequest, path or mapping
        The answer of DescribeHyperParameterTuningJob: its definitions, and the value of its best job. Or that of
        DescribeTrainingJob about one job: its definitions and its values.
    jobs : path, mapping or list, optional
        The answer of ListTrainingJobsForHyperParameterTuningJob, or of DescribeTrainingJob about one or several jobs; or any
        file that the ``jobs`` of :func:`metricscan.replay` may be, such as the SDK's frame of a tuning job, whose
        FinalObjectiveValue is compared. What says no value of a job is not compared.
    newline, matches, escape
        How to read the logs, as :class:`metricscan.Scanner` takes them; the other ways are tried as well.
    ansi, untamed, max_record_bytes
        See :class:`metricscan.Scanner`.
    **options
        ``job``, ``include``, ``exclude``, ``input_format``, ``threads``, as :func:`metricscan.replay` takes them.

    Raises
    ------
    OptionError
        The documents report no value, or a log can be read only once: standard input, a pipe.
    SourceError
        The file of jobs cannot be read, or rows of it are invalid.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> request = {
    ...     "HyperParameterTuningJobName": "gan",
    ...     "HyperParameterTuningJobConfig": {
    ...         "Strategy": "Random",
    ...         "ResourceLimits": {"MaxParallelTrainingJobs": 1},
    ...         "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
    ...     },
    ...     "TrainingJobDefinition": {
    ...         "AlgorithmSpecification": {
    ...             "TrainingImage": "gan:1",
    ...             "TrainingInputMode": "File",
    ...             "MetricDefinitions": [{"Name": "loss", "Regex": "Loss = (.*?);"}],
    ...         },
    ...         "RoleArn": "arn:aws:iam::000000000000:role/tuning",
    ...         "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
    ...         "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
    ...     },
    ... }
    >>> log = pathlib.Path(tempfile.mkdtemp()) / "trial-1.log"
    >>> _ = log.write_text("Loss = 3;\\nLoss = 2;\\n")
    >>> reported = {
    ...     "TrainingJobName": "trial-1",
    ...     "FinalMetricDataList": [{"MetricName": "loss", "Value": 3.0}],
    ... }
    >>> result = audit(log, request, jobs=reported)
    >>> [(one.verdict, one.reported, one.logged) for one in result.findings], result.agrees
    ([('other scope', 3.0, 2.0)], False)
    >>> result.policies[0].scope
    'first'
    """
    loaded = request if isinstance(request, TuningRequest) else load_audited(request)
    facts = _facts(jobs) + _facts(_reporting(loaded.document))
    if isinstance(paths, (str, os.PathLike)):
        paths = [paths]
    paths = list(paths)
    if not any(reported_values(loaded, facts, [fact.name for fact in facts])):
        raise OptionError(
            "nothing was reported: neither the tuning job nor the list holds a training job with a value",
            hint="give the answer of DescribeHyperParameterTuningJob or ListTrainingJobsForHyperParameterTuningJob",
        )
    _check_read_again(map(os.fsdecode, paths))
    newline = newline or ("lf" if escape == "syslog" else "universal")
    asked: dict[str, str] = {"matches": matches, "newline": newline, "escape": escape}
    others: dict[str, Any] = {"ansi": ansi, "max_record_bytes": max_record_bytes}
    # the logs are read again and again
    time = RegexTime(REGEX_SHARED_S)
    scanner = scanner_of(loaded, **asked, **others, untamed=untamed).sharing_regex_time(time)
    result = replay(paths, scanner, **options)
    # a glob may have found a pipe
    _check_read_again(log.path for job in result.jobs for log in job.logs)
    parts = _parts(result)
    names, matched = _matched(facts, result.jobs)
    reports = list(reported_values(loaded, facts, names))
    findings = tuple(_finding(report, matched.get(report.fact), parts, result, scanner, options) for report in reports)
    values = [one for one in reports if one.value is not None and one.fact in matched and not one.failed]
    policies = []
    for reading in [asked, *(one for one in _READINGS if one != asked)]:
        read = parts
        if reading != asked:
            other = scanner_of(loaded, **reading, **others, untamed="allow").sharing_regex_time(time)
            read = _parts(replay(paths, other, **options))
        for scope in SCOPES:
            explained = sum(
                _same(report.value, _scoped(read.get((matched[report.fact].name, report.label), {}), scope))
                for report in values
            )
            policies.append(Policy(**reading, scope=scope, explained=explained))
    policies.sort(key=lambda one: (-one.explained, one.scope != "last"))
    return Audit(findings, tuple(policies), len(values), result.errors, tuple(job.name for job in result.jobs))


def _check_read_again(paths: Iterable[str]) -> None:
    """Raise an OptionError for a log that can be read only once: a second reading would find nothing."""
    for path in paths:
        if is_read_once(path):
            raise OptionError(
                f"{path} can be read only once; an audit reads each log several times", hint="save it to a file"
            )


def load_audited(source: str | os.PathLike[str] | Mapping[str, Any], *, algorithm: str | None = None) -> TuningRequest:
    """Read what an audit takes for a request: what :func:`load_request` reads, or an answer of DescribeTrainingJob.

    Of the answer about one training job, the metric definitions are read, and the values are compared.
    """
    path: str | None = None
    read: list[str] = []
    document: Any = source
    if isinstance(source, (str, os.PathLike)):
        path = os.fsdecode(source)
        document, read = read_document(path, "the tuning request")
    described = [one for _, one in holders(document, "TrainingJobName")]
    if any(holders(document, "HyperParameterTuningJobConfig")) or len(described) != 1:
        return load_request(source, algorithm=algorithm)
    for warning in read:
        warnings.warn(warning, RequestWarning, stacklevel=2)
    answer = {plain(key): value for key, value in described[0].items()}
    errors: list[RequestFault] = []
    shape, given = "HyperParameterAlgorithmSpecification", answer.get("algorithmspecification", {})
    specification = as_in_model(shape, given, errors, "AlgorithmSpecification")
    if not isinstance(specification, Mapping):
        errors.append(RequestFault("AlgorithmSpecification", "an object was expected"))
    if not isinstance(answer["trainingjobname"], str):
        errors.append(RequestFault("TrainingJobName", "a string was expected"))
    if errors:
        raise RequestError(tuple(errors), source=path, document="the answer about a training job")
    listed = specification.get("MetricDefinitions")
    own = [one for one in listed if not is_alias(one)] if isinstance(listed, list) else listed
    built_in = None if own else algorithms.of_specification(specification) or algorithm
    objective = _objective_of(answer)
    metrics: tuple[MetricDefinition, ...] = ()
    if own:
        metrics = load_definitions(own)
    elif built_in is not None:
        metrics = algorithms.definitions(built_in, objective=objective)
    names = [metric.name for metric in metrics]
    # an audit does not rank, so the goal does not matter
    chosen = Objective(objective if objective in names else next(iter(names), ALIAS), "Minimize")
    definition = TrainingDefinition(None, chosen, metrics, {}, {}, (), built_in, dict(described[0]))
    return TuningRequest(answer["trainingjobname"], (definition,), dict(described[0]), True, ())


def _objective_of(answer: Mapping[str, Any]) -> str | None:
    """The objective that the tuning job told a training job."""
    parameters = answer.get("hyperparameters")
    name = parameters.get(OBJECTIVE_HYPERPARAMETER) if isinstance(parameters, Mapping) else None
    return name.strip('"') if isinstance(name, str) else None


def _reporting(document: Mapping[str, Any]) -> list[Any]:
    """What a document reports of training jobs: itself, if it describes one; else its best job."""
    is_of_job = any(plain(key) == "trainingjobname" for key in document)
    return [document if is_of_job else document.get("BestTrainingJob")]


def _facts(jobs: Any) -> list[Fact]:
    """The facts in a jobs file, or in documents."""
    if isinstance(jobs, (str, os.PathLike)):
        return read_jobs_file(os.fsdecode(jobs))
    facts, errors = [], []
    for row in rows_of(jobs):
        try:
            fact = fact_of(row)
        except ValueError as error:
            errors.append(f"{row.where}: {error}")
        else:
            if fact is not None:
                facts.append(fact)
    if errors:
        raise OptionError(f"jobs: {'; '.join(errors)}")
    return facts


def _matched(facts: Sequence[Fact], jobs: Sequence[Job]) -> tuple[list[str], dict[int, Job]]:
    """The name of the job that each fact is about, and the job by the fact's number: also by its legal name."""
    fitting, errors = jobs_of_facts(jobs, facts)
    if errors:
        raise OptionError(f"jobs: {'; '.join(errors)}")
    legal = {name: job for job, name in zip(jobs, legal_names(job.name for job in jobs).values(), strict=True)}
    matched = {}
    for at, (name, found) in enumerate(fitting):
        if len(found) == 1:
            matched[at] = found[0]
        elif not found and name in legal:
            matched[at] = legal[name]
    return [name for name, _ in fitting], matched


# ---- the values in the logs

_Parts = dict[tuple[str, str], dict[str, "pa.Table"]]


def _parts(result: Replay) -> _Parts:
    """The rows of each job and metric, by stream."""
    parts: _Parts = {}
    for label in result:
        for job, stream, rows in streams_of(result[label]):
            parts.setdefault((job, label), {})[stream] = rows
    return parts


def _same(reported: float | None, value: float | None) -> bool:
    """Whether two numbers are equal when rounded to 32 bits, as the service keeps them."""
    import numpy as np

    if reported is None or value is None:
        return False
    with np.errstate(over="ignore"):
        return bool(np.float32(reported) == np.float32(value))


def _scoped(streams: Mapping[str, pa.Table], scope: Scope) -> float | None:
    if not streams:
        return None
    if scope == "last":
        place = latest(streams)
        return None if place is None else place.value
    values = [value for rows in streams.values() for value in rows.column("value").to_pylist()]
    if scope == "first":
        return float(values[0])
    finite = [value for value in values if math.isfinite(value)]
    return (min if scope == "min" else max)(finite) if finite else None


def _finding(
    report: Report, job: Job | None, parts: _Parts, result: Replay, scanner: Scanner, options: Mapping[str, Any]
) -> Finding:
    finding = _compared(report, job, parts, result, scanner, options)
    if not report.failed or finding.verdict in ("equal", "no log"):
        return finding
    return finding._replace(verdict="failed", note=", ".join(filter(None, (finding.verdict, finding.note))))


def _compared(
    report: Report, job: Job | None, parts: _Parts, result: Replay, scanner: Scanner, options: Mapping[str, Any]
) -> Finding:
    if job is None:
        return Finding(report.job, report.metric, report.value, None, "no log")
    paths = {(log.stream, log.part): log.path for log in job.logs}
    streams = parts.get((job.name, report.label), {})
    place = latest(streams)
    stream = None if place is None else place.stream

    def found(verdict: Verdict, at_stream: str | None, row: Mapping[str, Any], note: str = "") -> Finding:
        logged = None if place is None else place.value
        where = None if at_stream is None else paths.get((at_stream, row.get("part", 0)))
        places = (where, at_stream, row.get("line"), row.get("offset"))
        return Finding(report.job, report.metric, report.value, logged, verdict, *places, note)

    if place is None:
        refused = _refused(job, report.label, scanner, options)
        if report.value is None:
            return found("equal", None, {}, "neither has a value")
        if refused is None:
            return found("absent", None, {}, "the log has no value")
        log, sample = refused
        at = {"line": sample.line, "offset": sample.offset, "part": log.part}
        return found("not a number", log.stream, at, f"{sample.text[:40]!r}")
    last = {"line": place.line, "offset": place.offset, "part": place.part}
    if report.value is None:
        if math.isfinite(place.value):
            return found("unreported", stream, last)
        return found("equal", stream, last, "neither has a finite value")
    if _same(report.value, place.value):
        return found("equal", stream, last)
    rows = [(name, row) for name, table in streams.items() for row in table.to_pylist()]
    having = [(name, row) for name, row in rows if _same(report.value, row["value"])]
    for name, row in having:
        if name == stream and (row["part"], row["offset"]) == (place.part, place.offset):
            return found("other match", name, row)
    for name, row in having:
        if name != stream and row == streams[name].slice(streams[name].num_rows - 1).to_pylist()[0]:
            return found("other stream", name, row)
    if having:
        scopes = [scope for scope in SCOPES if scope != "last" and _same(report.value, _scoped(streams, scope))]
        name, row = having[-1]
        return found("other scope", name, row, ", ".join(scopes) or "a value between")
    if not math.isfinite(place.value):
        return found("not a number", stream, last, repr(place.value))
    return found("absent", stream, last)


def _refused(job: Job, label: str, scanner: Scanner, options: Mapping[str, Any]) -> tuple[Log, Any] | None:
    """The first text that the metric's regex captured in the job's logs and that is not a number, with its log."""
    for log in job.logs:
        try:
            running = scanner.batches(log.path, input_format=options.get("input_format", "auto"))
            for _ in running:
                pass
        except SourceError:
            continue
        counts = running.stats.metrics[label]
        # a record that could not be decided is a sample, too
        if counts.unparsed and counts.samples:
            return log, counts.samples[0]
    return None
