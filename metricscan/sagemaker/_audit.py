"""Whether the log says what the service reported; and if not as we read it, how it must be read so that it does.

The service's engine is closed: which match of a line counts, what ends a line, whether control characters are escaped.
What it reported about logs that one has is evidence; an audit weighs it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from metricscan.errors import OptionError, SourceError
from metricscan.logs.job import is_read_once
from metricscan.replaying.replay import replay
from metricscan.sagemaker._latest import latest
from metricscan.sagemaker._model import ALIAS
from metricscan.sagemaker.answers import scanner_of, streams_of
from metricscan.sagemaker.names import legal_names
from metricscan.sagemaker.request import TuningRequest, load_request, read_document

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pyarrow as pa

    from metricscan.logs.job import Job
    from metricscan.replaying.outcome import Replay
    from metricscan.scanning.scanner import Scanner

#: What a reported value can be, beside what the log says. All but ``equal`` and ``not reported`` are mismatches.
VERDICTS = {
    "equal": "the final value in the log is the reported one, as 32 bits",
    "other match": "another match in the same record is",
    "other stream": "the last value of another stream of the job is",
    "other scope": "another value of the job is: the first, the least, the greatest, or one between",
    "not a number": "what the log has is no finite number",
    "absent": "no value of the job is",
    "no log": "there is no log of the job",
    "unreported": "the log has a final value, and the service says that there is none",
}
SCOPES = ("last", "first", "min", "max")
_READINGS = tuple(
    {"matches": matches, "newline": newline, "escape": escape}
    for escape, newline in (("none", "universal"), ("none", "lf"), ("syslog", "lf"))
    for matches in ("all", "first", "last")
)


class Finding(NamedTuple):
    """What the log says of one value that the service reported.

    Attributes
    ----------
    job, metric : str
    reported : float or None
        None where the service says that there is no objective.
    logged : float or None
        The final value of the log, as we read it.
    verdict : str
        A key of :data:`VERDICTS`.
    path, stream : str or None
    line, offset : int or None
        Where the reported value stands; if it is nowhere, where the final one does.
    note : str
        More about it: which scope, what text.
    """

    job: str
    metric: str
    reported: float | None
    logged: float | None
    verdict: str
    path: str | None = None
    stream: str | None = None
    line: int | None = None
    offset: int | None = None
    note: str = ""


class Policy(NamedTuple):
    """A way of reading logs, and how many of the reported values it explains."""

    matches: str
    newline: str
    escape: str
    scope: str
    explained: int

    def __str__(self) -> str:
        return f"matches={self.matches} newline={self.newline} escape={self.escape} scope={self.scope}"


class Audit(NamedTuple):
    """What an audit found.

    Attributes
    ----------
    findings : tuple of Finding
    policies : tuple of Policy
        Those that explain most first; among equals the final value, which is the service's word, and the asked one.
    reported : int
        How many values the service reported, of jobs that have a log.
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
        """Whether the logs say all that was reported."""
        return all(one.verdict == "equal" for one in self.findings)


def audit(
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    request: Any,
    *,
    jobs: Any = None,
    newline: str | None = None,
    matches: str = "all",
    escape: str = "none",
    ansi: str = "keep",
    untamed: str = "warn",
    **options: Any,
) -> Audit:
    """Compare logs with what the service reported about them.

    Parameters
    ----------
    paths : path or iterable of path
        As :func:`metricscan.replay` takes them.
    request : TuningRequest, path or mapping
        What DescribeHyperParameterTuningJob answered: its definitions, and its best job's value.
    jobs : path, mapping or list, optional
        What ListTrainingJobsForHyperParameterTuningJob answered, or DescribeTrainingJob about one or several jobs.
    newline, matches, escape
        How the logs are read; the other ways are tried as well.
    ansi, untamed
        See :class:`metricscan.Scanner`.
    **options
        ``job``, ``include``, ``exclude``, ``input_format``, ``threads``, as :func:`metricscan.replay` takes them.

    Raises
    ------
    OptionError
        Nothing was reported, or a log can be read but once: standard input, a pipe.
    """
    loaded = request if isinstance(request, TuningRequest) else load_request(request)
    if isinstance(jobs, (str, os.PathLike)):
        jobs = read_document(os.fsdecode(jobs), "the list of training jobs")
    if isinstance(paths, (str, os.PathLike)):
        paths = [paths]
    paths = list(paths)
    reports = list(_reports(loaded, jobs))
    if not reports:
        raise OptionError(
            "nothing was reported: neither the tuning job nor the list names a training job with a value",
            hint="give what DescribeHyperParameterTuningJob or ListTrainingJobsForHyperParameterTuningJob answered",
        )
    _check_read_again(map(os.fsdecode, paths))
    newline = newline or ("lf" if escape == "syslog" else "universal")
    asked = {"matches": matches, "newline": newline, "escape": escape}
    scanner = scanner_of(loaded, **asked, ansi=ansi, untamed=untamed)
    result = replay(paths, scanner, **options)
    # a glob may have found one
    _check_read_again(log.path for job in result.jobs for log in job.logs)
    parts = _parts(result)
    matched = _matched(reports, result.jobs)
    findings = tuple(_finding(report, matched.get(report.job), parts, result, scanner, options) for report in reports)
    values = [report for report in reports if report.value is not None and report.job in matched]
    policies = []
    for reading in [asked, *(one for one in _READINGS if one != asked)]:
        read = (
            parts
            if reading == asked
            else _parts(replay(paths, scanner_of(loaded, **reading, ansi=ansi, untamed="allow"), **options))
        )
        for scope in SCOPES:
            explained = sum(
                _same(report.value, _scoped(read.get((matched[report.job].name, report.label), {}), scope))
                for report in values
            )
            policies.append(Policy(**reading, scope=scope, explained=explained))
    policies.sort(key=lambda one: (-one.explained, one.scope != "last"))
    return Audit(findings, tuple(policies), len(values), result.errors, tuple(job.name for job in result.jobs))


def _check_read_again(paths: Iterable[str]) -> None:
    """Raise an OptionError for a log of which the other ways of reading would find nothing."""
    for path in paths:
        if is_read_once(path):
            raise OptionError(
                f"{path} can be read but once; an audit reads each log in several ways", hint="save it to a file"
            )


# ---- what was reported


class _Report(NamedTuple):
    job: str
    metric: str
    label: str
    value: float | None


def _reports(request: TuningRequest, jobs: Any) -> Iterator[_Report]:
    numbers = {one.name: number for number, one in enumerate(request.definitions)}
    seen = set()
    for one in [*_summaries(jobs), *_summaries(request.document)]:
        name = one["TrainingJobName"]
        number = numbers.get(one.get("TrainingJobDefinitionName"), 0)
        definition = request.definitions[number]
        known = {metric.name for metric in definition.metrics}
        final = one.get("FinalHyperParameterTuningJobObjectiveMetric")
        values = [final] if isinstance(final, Mapping) else []
        listed = one.get("FinalMetricDataList")
        values += [value for value in listed if isinstance(value, Mapping)] if isinstance(listed, list) else []
        for value in values:
            metric = value.get("MetricName")
            if metric == ALIAS and ALIAS not in known:
                metric = definition.objective.metric
            number_ = value.get("Value")
            if metric in known and isinstance(number_, (int, float)) and (name, metric) not in seen:
                seen.add((name, metric))
                yield _Report(name, metric, request.label(number, metric), float(number_))
        objective = definition.objective.metric
        if (
            one.get("ObjectiveStatus") == "Failed"
            and not values
            and objective in known
            and (name, objective) not in seen
        ):
            seen.add((name, objective))
            yield _Report(name, objective, request.label(number, objective), None)


def _summaries(document: Any) -> Iterator[Mapping[str, Any]]:
    """Whatever names a training job, however deep."""
    if isinstance(document, Mapping):
        if isinstance(document.get("TrainingJobName"), str):
            yield document
            return
        for member in ("TrainingJobSummaries", "BestTrainingJob"):
            yield from _summaries(document.get(member))
    elif isinstance(document, list):
        for item in document:
            yield from _summaries(item)


def _matched(reports: Iterable[_Report], jobs: Iterable[Job]) -> dict[str, Job]:
    """The job of the logs that each reported name means: of that name, or of a path that ends in it."""
    listed = list(jobs)
    legal = legal_names(job.name for job in listed)
    by_name: dict[str, Job] = {}
    for key in (lambda job: job.name, lambda job: legal[job.name], lambda job: os.path.basename(job.name)):
        for job in listed:
            by_name.setdefault(key(job), job)
    return {report.job: by_name[report.job] for report in reports if report.job in by_name}


# ---- what the logs say

_Parts = dict[tuple[str, str], dict[str, "pa.Table"]]


def _parts(result: Replay) -> _Parts:
    """The rows of each job and metric, by stream."""
    parts: _Parts = {}
    for label in result:
        for job, stream, rows in streams_of(result[label]):
            parts.setdefault((job, label), {})[stream] = rows
    return parts


def _same(reported: float | None, value: float | None) -> bool:
    """Whether two numbers are the same as the service keeps them, in 32 bits."""
    import numpy as np

    if reported is None or value is None:
        return False
    with np.errstate(over="ignore"):
        return bool(np.float32(reported) == np.float32(value))


def _scoped(streams: Mapping[str, pa.Table], scope: str) -> float | None:
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
    report: _Report, job: Job | None, parts: _Parts, result: Replay, scanner: Scanner, options: Mapping[str, Any]
) -> Finding:
    if job is None:
        return Finding(report.job, report.metric, report.value, None, "no log")
    paths = {log.stream: log.path for log in job.logs}
    streams = parts.get((job.name, report.label), {})
    place = latest(streams)
    stream = None if place is None else place.stream

    def found(verdict: str, at_stream: str | None, row: Mapping[str, Any], note: str = "") -> Finding:
        logged = None if place is None else place.value
        where = None if at_stream is None else paths.get(at_stream)
        places = (where, at_stream, row.get("line"), row.get("offset"))
        return Finding(report.job, report.metric, report.value, logged, verdict, *places, note)

    if place is None:
        refused = _refused(job, report.label, scanner, options)
        if report.value is None:
            return found("equal", None, {}, "neither has a value")
        if refused is None:
            return found("absent", None, {}, "the log has no value")
        at_stream, sample = refused
        return found("not a number", at_stream, {"line": sample.line, "offset": sample.offset}, f"{sample.text[:40]!r}")
    last = {"line": place.line, "offset": place.offset}
    if report.value is None:
        if math.isfinite(place.value):
            return found("unreported", stream, last)
        return found("equal", stream, last, "neither has a finite value")
    if _same(report.value, place.value):
        return found("equal", stream, last)
    rows = [(name, row) for name, table in streams.items() for row in table.to_pylist()]
    having = [(name, row) for name, row in rows if _same(report.value, row["value"])]
    for name, row in having:
        if name == stream and row["offset"] == place.offset:
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


def _refused(job: Job, label: str, scanner: Scanner, options: Mapping[str, Any]) -> tuple[str, Any] | None:
    """A text of the job's logs that the metric's regex captured, and that is no number."""
    for log in job.logs:
        try:
            running = scanner.batches(log.path, input_format=options.get("input_format", "auto"))
            for _ in running:
                pass
        except SourceError:
            continue
        samples = running.stats.metrics[label].samples
        if samples:
            return log.stream, samples[0]
    return None
