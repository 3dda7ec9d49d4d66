"""The answers that the service would give about a tuning job, in the service's shapes, made from a replay of its logs."""

from __future__ import annotations

import base64
import datetime as dt
import math
import os
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, cast

from metricscan.errors import OptionError, nearest
from metricscan.logs.natural import natural
from metricscan.replaying.replay import replay as run_replay
from metricscan.sagemaker.checking import OBJECTIVE_HYPERPARAMETER
from metricscan.sagemaker.latest import Final, finals_of, moment
from metricscan.sagemaker.model import ALIAS, check, pruned, shapes
from metricscan.sagemaker.names import legal_names
from metricscan.sagemaker.request import TuningRequest, load_request
from metricscan.sagemaker.scanners import scanner_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from metricscan.replaying.outcome import Replay
    from metricscan.scanning.options import Ansi, Escape, Matches, Newline, Untamed

ARN = "arn:aws:sagemaker:local:000000000000:"
_MOST_DEFINITIONS = 40
_MOST_HYPERPARAMETERS = 100
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_COUNTERS = {"Completed": "Completed", "InProgress": "InProgress", "Failed": "NonRetryableError", "Stopped": "Stopped"}
_SECONDARY = {"Completed": "Completed", "InProgress": "Training", "Failed": "Failed", "Stopped": "Stopped"}
_OF_DEFINITION = (
    "RoleArn",
    "InputDataConfig",
    "OutputDataConfig",
    "ResourceConfig",
    "VpcConfig",
    "StoppingCondition",
    "EnableNetworkIsolation",
    "EnableInterContainerTrafficEncryption",
    "EnableManagedSpotTraining",
    "CheckpointConfig",
    "RetryStrategy",
    "Environment",
)


Status = Literal["Completed", "Failed", "Stopped", "InProgress"]


@dataclass(frozen=True)
class TrainingJob:
    """A training job, as its logs describe it.

    Attributes
    ----------
    name : str
        A unique name that the service accepts.
    original : str
        Its name in the replay.
    definition : int
        Index of its training job definition in the request.
    status : {"Completed", "Failed", "Stopped", "InProgress"}
        Completed if no jobs file gives a status; Failed if its word is not known.
    hyperparameters : dict of str to str
        All known hyperparameters.
    started, ended : datetime
        Times of its first and last log event, in UTC; if events have no times, the times at which its files were last
        modified; if it has no log, the first and last time of the other jobs.
    finals : dict of str to Final
        The final value of each metric by its name: the latest that the job logged (API Reference,
        FinalHyperParameterTuningJobObjectiveMetric).
    """

    name: str
    original: str
    definition: int
    status: Status
    hyperparameters: dict[str, str]
    started: dt.datetime
    ended: dt.datetime
    finals: dict[str, Final]


class TuningJob:
    """A tuning job whose answers are made from logs; :func:`replay` makes it, or it is made from a replay with rows.

    The answers have the shapes of the Amazon SageMaker API Reference; datetimes are in UTC.

    Parameters
    ----------
    request : TuningRequest
    replay : Replay
        A replay made with ``keep=True`` by a scanner of the request's :attr:`~TuningRequest.metrics`.
    float32 : bool
        Whether to round values to 32 bits, as the service does.
    definitions : mapping of str to str, optional
        For a request with several training job definitions: the name of the definition of each job. By default the
        definition whose name is part of the path of the job's log, else the only one whose objective the job has logged.

    Attributes
    ----------
    jobs : tuple of TrainingJob
        In natural order of their names.

    Raises
    ------
    OptionError
        ``definitions`` names a definition that the request does not have.
    """

    def __init__(
        self,
        request: TuningRequest,
        replay: Replay,
        *,
        float32: bool = False,
        definitions: Mapping[str, str] | None = None,
    ) -> None:
        self.request = request
        self.replay = replay
        self.float32 = float32
        finals: dict[str, dict[str, Final]] = {}
        for label in replay:
            for job_name, final in finals_of(replay[label], replay.superseded):
                finals.setdefault(job_name, {})[label] = final
        names = legal_names(job.name for job in replay.jobs)
        known = {one.name: number for number, one in enumerate(request.definitions)}
        given = dict(definitions or {})
        unknown = [f"{of}: {name}" for of, name in given.items() if name not in known]
        if unknown:
            raise OptionError(f"definitions that the request does not have: {', '.join(unknown)}")
        jobs = []
        for job, span in zip(replay.jobs, replay.spans, strict=True):
            logged = finals.get(job.name, {})
            wanted = given.get(job.name, given.get(names[job.name]))
            number = (
                known[wanted] if wanted is not None else self._definition_of([log.path for log in job.logs], logged)
            )
            started, ended = _span(span, [log.path for log in job.logs])
            of_definition = {
                metric.name: logged[label]
                for metric in request.definitions[number].metrics
                if (label := request.label(number, metric.name)) in logged
            }
            jobs.append(
                TrainingJob(
                    names[job.name],
                    job.name,
                    number,
                    _status(job.status),
                    job.hyperparameters,
                    started,
                    ended,
                    of_definition,
                )
            )
        logged_jobs = {job.name for job in replay.jobs if job.logs}
        times = [time for one in jobs if one.original in logged_jobs for time in (one.started, one.ended)]
        if times:
            first, last = min(times), max(times)
            jobs = [one if one.original in logged_jobs else replace(one, started=first, ended=last) for one in jobs]
        self.jobs = tuple(sorted(jobs, key=lambda one: natural(one.name)))

    def _definition_of(self, paths: list[str], logged: Mapping[str, Final]) -> int:
        definitions = self.request.definitions
        for number, one in enumerate(definitions):
            if one.name is not None and any(one.name in re.split(r"[/\\]", path) for path in paths):
                return number
        having = [
            number
            for number, one in enumerate(definitions)
            if one.metrics and self.request.label(number, one.objective.metric) in logged
        ]
        return having[0] if len(having) == 1 else 0

    # ---- the objective

    def objective(self, job: TrainingJob) -> float | None:
        """The final value of a job's objective; None if the job has logged none, or if that value is not finite."""
        final = job.finals.get(self.request.definitions[job.definition].objective.metric)
        return None if final is None or not math.isfinite(final.value) else self._number(final.value)

    def best(self, definition: str | None = None) -> TrainingJob | None:
        """The completed job with the best objective, of all jobs or of one training job definition.

        None if there is no such job, or if the jobs have different objectives.
        """
        entrants = [
            job
            for job in self.jobs
            if job.status == "Completed"
            and self.objective(job) is not None
            and (definition is None or self.request.definitions[job.definition].name == definition)
        ]
        objectives = {self.request.definitions[job.definition].objective for job in entrants}
        if len(objectives) != 1:
            return None
        sign = 1.0 if objectives.pop().goal == "Minimize" else -1.0
        return min(entrants, key=lambda job: sign * (self.objective(job) or 0.0))

    def original(self, name: str) -> str:
        """The name in the replay of the training job that has this name in the answers."""
        return self._job(name).original

    def _job(self, name: str) -> TrainingJob:
        for one in self.jobs:
            if name in (one.name, one.original):
                return one
        meant = nearest(name, [one.name for one in self.jobs])
        raise OptionError(
            f"there is no training job {name!r}", hint=None if meant is None else f"did you mean {meant!r}?"
        )

    def _number(self, value: float) -> float:
        if not self.float32:
            return value
        import numpy as np

        with np.errstate(over="ignore"):
            narrow = float(np.float32(value))
        return narrow if math.isfinite(narrow) else value

    def __repr__(self) -> str:
        best = "" if self.replay.best is None else f", best {self.replay.best.job}"
        return f"<TuningJob {self.request.name}: {len(self.jobs)} training jobs{best}>"

    # ---- answers

    def describe(self) -> dict[str, Any]:
        """The answer of DescribeHyperParameterTuningJob, with datetimes; :func:`as_json` turns them into text."""
        document = self.request.document
        running = any(job.status == "InProgress" for job in self.jobs)
        now = max((job.ended for job in self.jobs), default=_EPOCH)
        answer: dict[str, Any] = {
            "HyperParameterTuningJobName": self.request.name,
            "HyperParameterTuningJobArn": f"{ARN}hyper-parameter-tuning-job/{self.request.name}",
            "HyperParameterTuningJobConfig": document["HyperParameterTuningJobConfig"],
        }
        described = [self._definition(number) for number in range(len(self.request.definitions))]
        if "TrainingJobDefinitions" in document:
            answer["TrainingJobDefinitions"] = described
        else:
            answer["TrainingJobDefinition"] = described[0]
        answer["HyperParameterTuningJobStatus"] = "InProgress" if running else "Completed"
        answer["CreationTime"] = min((job.started for job in self.jobs), default=_EPOCH)
        if not running:
            answer["HyperParameterTuningEndTime"] = now
        answer["LastModifiedTime"] = now
        counters = dict.fromkeys(("Completed", "InProgress", "RetryableError", "NonRetryableError", "Stopped"), 0)
        objectives = dict.fromkeys(("Succeeded", "Pending", "Failed"), 0)
        for job in self.jobs:
            counters[_COUNTERS[job.status]] += 1
            objectives[self._objective_status(job)] += 1
        answer["TrainingJobStatusCounters"] = counters
        answer["ObjectiveStatusCounters"] = objectives
        best = self.best()
        if best is not None:
            answer["BestTrainingJob"] = self._summary(best)
        for member in ("WarmStartConfig", "Autotune"):
            if member in document:
                answer[member] = document[member]
        result: dict[str, Any] = pruned("DescribeHyperParameterTuningJobResponse", answer)
        return result

    def list_training_jobs(
        self,
        *,
        sort_by: Literal["Name", "CreationTime", "Status", "FinalObjectiveMetricValue"] = "Name",
        sort_order: Literal["Ascending", "Descending"] = "Ascending",
        status_equals: str | None = None,
        max_results: int = 10,
        next_token: str | None = None,
    ) -> dict[str, Any]:
        """The answer of ListTrainingJobsForHyperParameterTuningJob.

        Parameters
        ----------
        sort_by : {"Name", "CreationTime", "Status", "FinalObjectiveMetricValue"}
            Under FinalObjectiveMetricValue, jobs without a final objective are not listed, as in the API Reference.
        sort_order : {"Ascending", "Descending"}
        status_equals : str, optional
            List only jobs with this status.
        max_results : int
            Most jobs in one answer, 1 to 100.
        next_token : str, optional
            The NextToken of the previous answer to the same call.

        Raises
        ------
        OptionError
            The service does not accept a value, or the token belongs to another call.
        """
        asked = {
            "SortBy": sort_by,
            "SortOrder": sort_order,
            "StatusEquals": status_equals,
            "MaxResults": max_results,
            "NextToken": next_token,
        }
        members = shapes()["ListTrainingJobsForHyperParameterTuningJobRequest"]["members"]
        errors = [
            error
            for member, value in asked.items()
            if value is not None
            for error in check(members[member], value, member)[0]
        ]
        if errors:
            raise OptionError("; ".join(map(str, errors)))
        listed = [job for job in self.jobs if status_equals in (None, job.status)]
        if sort_by == "FinalObjectiveMetricValue":
            listed = [job for job in listed if self.objective(job) is not None]
        keys = {
            "Name": lambda job: natural(job.name),
            "CreationTime": lambda job: job.started,
            "Status": lambda job: job.status,
            "FinalObjectiveMetricValue": self.objective,
        }
        listed.sort(key=keys[sort_by], reverse=sort_order == "Descending")
        question = f"{self.request.name}\0{sort_by}\0{sort_order}\0{status_equals}"
        start = _position(next_token, question)
        page = listed[start : start + max_results]
        answer: dict[str, Any] = {"TrainingJobSummaries": [self._summary(job) for job in page]}
        if start + max_results < len(listed):
            answer["NextToken"] = _token(start + max_results, question)
        return answer

    def describe_training_job(self, name: str) -> dict[str, Any]:
        """The answer of DescribeTrainingJob about one job, by its name in the answers or in the replay.

        Raises
        ------
        OptionError
            No job has this name.
        """
        job = self._job(name)
        definition = self.request.definitions[job.definition]
        document = self._definition(job.definition)
        output = definition.document["OutputDataConfig"]["S3OutputPath"].rstrip("/")
        hyperparameters = {**job.hyperparameters, **document.get("StaticHyperParameters", {})}
        specification = {
            **document["AlgorithmSpecification"],
            "EnableSageMakerMetricsTimeSeries": bool(definition.metrics),
        }
        answer: dict[str, Any] = {
            "TrainingJobName": job.name,
            "TrainingJobArn": f"{ARN}training-job/{job.name}",
            "TuningJobArn": f"{ARN}hyper-parameter-tuning-job/{self.request.name}",
            "ModelArtifacts": {"S3ModelArtifacts": f"{output}/{job.name}/output/model.tar.gz"},
            "TrainingJobStatus": job.status,
            "SecondaryStatus": _SECONDARY[job.status],
            "HyperParameters": _legal(hyperparameters),
            "AlgorithmSpecification": specification,
            **{member: document[member] for member in _OF_DEFINITION if member in document},
            **self._times(job),
            "LastModifiedTime": job.ended,
            "FinalMetricDataList": self._final_metrics(job),
        }
        return answer

    # ---- parts of answers

    def _times(self, job: TrainingJob) -> dict[str, dt.datetime]:
        times = {"CreationTime": job.started, "TrainingStartTime": job.started}
        return times if job.status == "InProgress" else {**times, "TrainingEndTime": job.ended}

    def _objective_status(self, job: TrainingJob) -> str:
        if job.status == "InProgress":
            return "Pending"
        return "Failed" if job.status == "Failed" or self.objective(job) is None else "Succeeded"

    def _summary(self, job: TrainingJob) -> dict[str, Any]:
        definition = self.request.definitions[job.definition]
        summary: dict[str, Any] = {} if definition.name is None else {"TrainingJobDefinitionName": definition.name}
        summary |= {
            "TrainingJobName": job.name,
            "TrainingJobArn": f"{ARN}training-job/{job.name}",
            "TuningJobName": self.request.name,
            **self._times(job),
            "TrainingJobStatus": job.status,
            "TunedHyperParameters": _legal(
                {name: job.hyperparameters[name] for name in definition.tuned if name in job.hyperparameters}
            ),
        }
        value = self.objective(job)
        if value is not None:
            summary["FinalHyperParameterTuningJobObjectiveMetric"] = {
                "Type": definition.objective.goal,
                "MetricName": definition.objective.metric,
                "Value": value,
            }
        summary["ObjectiveStatus"] = self._objective_status(job)
        return summary

    def _definition(self, number: int) -> dict[str, Any]:
        """A training job definition as Describe shows it: with the objective's alias, and the hyperparameter that names it."""
        one = self.request.definitions[number]
        document: dict[str, Any] = pruned("HyperParameterTrainingJobDefinition", one.document)
        metrics = [{"Name": metric.name, "Regex": metric.regex} for metric in one.metrics]
        regex = next((metric.regex for metric in one.metrics if metric.name == one.objective.metric), None)
        if regex is not None and one.objective.metric != ALIAS and len(metrics) < _MOST_DEFINITIONS:
            metrics.append({"Name": ALIAS, "Regex": regex})
        document["AlgorithmSpecification"] = {**document["AlgorithmSpecification"], "MetricDefinitions": metrics}
        static = document.get("StaticHyperParameters", {})
        if len(static) < _MOST_HYPERPARAMETERS:
            document["StaticHyperParameters"] = {OBJECTIVE_HYPERPARAMETER: one.objective.metric, **static}
        return document

    def _final_metrics(self, job: TrainingJob) -> list[dict[str, Any]]:
        objective = self.request.definitions[job.definition].objective.metric
        finals = {name: final for name, final in job.finals.items() if math.isfinite(final.value)}
        names = [objective] if objective in finals else []
        names += [name for name in finals if name != objective]
        entries = [
            {
                "MetricName": name,
                "Value": self._number(finals[name].value),
                "Timestamp": finals[name].time or job.ended,
            }
            for name in names[:_MOST_DEFINITIONS]
        ]
        if objective in finals and objective != ALIAS and len(entries) < _MOST_DEFINITIONS:
            entries.append({**entries[0], "MetricName": ALIAS})
        return entries


def replay(
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    request: TuningRequest | str | os.PathLike[str] | Mapping[str, Any],
    *,
    float32: bool = False,
    definitions: Mapping[str, str] | None = None,
    newline: Newline | None = None,
    matches: Matches = "all",
    escape: Escape = "none",
    ansi: Ansi = "keep",
    untamed: Untamed = "warn",
    **options: Any,
) -> TuningJob:
    """Read the logs of a tuning job, and make the answers of the service from them.

    Parameters
    ----------
    paths : path or iterable of path
        As :func:`metricscan.replay` takes them.
    request : TuningRequest, path or mapping
        A request, or what :func:`load_request` takes.
    float32, definitions
        See :class:`TuningJob`.
    newline, matches, escape, ansi, untamed
        See :class:`metricscan.Scanner`.
    **options
        ``jobs``, ``job``, ``include``, ``exclude``, ``input_format``, ``threads``, ``on_error``, ``out`` and more, as
        :func:`metricscan.replay` takes them.

    Raises
    ------
    RequestError
        The request has errors.
    DefinitionError
        Under ``untamed="refuse"``: all regexes that are not ReDoS-safe.
    OptionError
        The request has no metric definitions, and its algorithm is not known.

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
    >>> job = replay(log, request)
    >>> job.best().name, job.objective(job.best())
    ('trial-1', 2.0)
    >>> job.describe()["BestTrainingJob"]["FinalHyperParameterTuningJobObjectiveMetric"]
    {'Type': 'Minimize', 'MetricName': 'loss', 'Value': 2.0}
    """
    loaded = request if isinstance(request, TuningRequest) else load_request(request)
    scanner = scanner_of(loaded, newline=newline, matches=matches, escape=escape, ansi=ansi, untamed=untamed)
    result = run_replay(paths, scanner, objective=loaded.objective, **{**options, "keep": True})
    return TuningJob(loaded, result, float32=float32, definitions=definitions)


def as_json(answer: Any) -> Any:
    """A copy of an answer with its datetimes as text (ISO 8601), ready for JSON.

    Examples
    --------
    >>> as_json({"CreationTime": dt.datetime(2026, 3, 1, tzinfo=dt.UTC), "Values": [1.5]})
    {'CreationTime': '2026-03-01T00:00:00+00:00', 'Values': [1.5]}
    """
    if isinstance(answer, dict):
        return {key: as_json(value) for key, value in answer.items()}
    if isinstance(answer, list):
        return [as_json(item) for item in answer]
    return answer.isoformat() if isinstance(answer, dt.datetime) else answer


def _legal(hyperparameters: Mapping[str, str]) -> dict[str, str]:
    """The hyperparameters that the service accepts: legal names and values, at most 100."""
    kept = {
        name: value
        for name, value in hyperparameters.items()
        if not check("HyperParameterKey", name)[0] and not check("HyperParameterValue", value)[0]
    }
    return dict(list(kept.items())[:_MOST_HYPERPARAMETERS])


def _status(status: str | None) -> Status:
    if status is None:
        return "Completed"
    return cast("Status", status) if status in _COUNTERS else "Failed"


def _span(span: tuple[int, int] | None, paths: Iterable[str]) -> tuple[dt.datetime, dt.datetime]:
    if span is not None:
        return moment(span[0]), moment(span[1])
    written = [os.stat(path).st_mtime for path in paths if os.path.exists(path)]
    times = [dt.datetime.fromtimestamp(time, dt.UTC) for time in written] or [dt.datetime.now(dt.UTC)]
    return min(times), max(times)


def _token(position: int, question: str) -> str:
    return base64.urlsafe_b64encode(f"{position}\0{question}".encode()).decode()


def _position(token: str | None, question: str) -> int:
    if token is None:
        return 0
    try:
        position, _, asked = base64.urlsafe_b64decode(token.encode()).decode().partition("\0")
        if asked == question and int(position) >= 0:
            return int(position)
    except ValueError:
        pass
    raise OptionError(f"next_token={token!r}: the token of an answer to the same call was expected")
