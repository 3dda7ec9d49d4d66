"""The two data frames of the SageMaker Python SDK: the metrics of a job over time, and the jobs of a tuning job."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metricscan.datasets.rows import Rows, used_codes_of
from metricscan.errors import OptionError, nearest
from metricscan.ranking.row_order import job_order
from metricscan.ranking.tables import checked, is_label, opened_tables
from metricscan.scanning.schema import NO_TIME

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

#: The columns of the SDK's ``TrainingJobAnalytics.dataframe()``; ``timestamp`` is in seconds since the metric's first value.
METRIC_SCHEMA = pa.schema([("timestamp", pa.float64()), ("metric_name", pa.string()), ("value", pa.float64())])
_TIME = pa.timestamp("ns", "UTC")
#: The columns of the SDK's ``HyperparameterTuningJobAnalytics.dataframe()`` after the hyperparameters.
JOB_SCHEMA = pa.schema(
    [
        ("TrainingJobName", pa.string()),
        ("TrainingJobStatus", pa.string()),
        ("FinalObjectiveValue", pa.float64()),
        ("TrainingStartTime", _TIME),
        ("TrainingEndTime", _TIME),
        ("TrainingElapsedTimeSeconds", pa.float64()),
    ]
)


def metric_frame(tables: Mapping[str, pa.Table] | str | os.PathLike[str], job: str | None = None) -> pa.Table:
    """Make the SDK's data frame of a training job: every value of all its metrics, without labels.

    Parameters
    ----------
    tables : mapping of str to pyarrow.Table, or path
        Tables of a replay, a dataset, or the path of one.
    job : str, optional
        Name of the job; may be omitted if there is only one.

    Returns
    -------
    pyarrow.Table
        Columns timestamp (float64, seconds since the metric's first value; null if the row has no time), metric_name
        (string) and value (float64). Metrics follow each other; the rows of each are in the order of time, else of streams
        and lines. ``.to_pandas()`` gives float64, object, float64.

    Raises
    ------
    OptionError
        There is no such job, or there are several and ``job`` is omitted.

    Examples
    --------
    >>> from metricscan import Scanner, replay
    >>> import pathlib, tempfile
    >>> log = pathlib.Path(tempfile.mkdtemp()) / "a.log"
    >>> _ = log.write_text("loss=3\\nloss=2\\n")
    >>> metric_frame(replay(log, Scanner(["loss=loss=(.)"]))).to_pylist()[1]
    {'timestamp': None, 'metric_name': 'loss', 'value': 2.0}
    """
    opened = opened_tables(tables)
    found = {name: checked(table, name) for name, table in opened.items()}
    job = _only(job, found)
    parts = []
    for name, table in found.items():
        own = table.filter(pc.equal(table.column("job").cast(pa.string()), job))
        if not own.num_rows or is_label(own):
            continue
        rows = _in_order(own)
        seconds = pa.nulls(own.num_rows, pa.float64())
        if rows.time is not None:
            timed = rows.time != NO_TIME
            first = rows.time[timed].min()
            seconds = pa.array((rows.time - first) / 1e6, mask=~timed)
        parts.append(pa.table([seconds, [name] * own.num_rows, rows.value], schema=METRIC_SCHEMA))
    return pa.concat_tables(parts) if parts else METRIC_SCHEMA.empty_table()


def job_frame(ranking: pa.Table, tables: Mapping[str, pa.Table] | str | os.PathLike[str] | None = None) -> pa.Table:
    """Make the SDK's data frame of a tuning job: a ranking with one row per job.

    Parameters
    ----------
    ranking : pyarrow.Table
        The result of :func:`rank`.
    tables : mapping of str to pyarrow.Table, or path, optional
        The ranked tables, or a dataset: the first and last time of a job's rows are its start and end.

    Returns
    -------
    pyarrow.Table
        One column per hyperparameter (float64 if all its values are numbers, else string), then TrainingJobName,
        TrainingJobStatus (string), FinalObjectiveValue (float64), TrainingStartTime, TrainingEndTime (timestamp[ns, UTC])
        and TrainingElapsedTimeSeconds (float64); rows in the order of the ranking. What is not known is null. One of these
        columns replaces a hyperparameter of the same name, as in the SDK.

    Examples
    --------
    >>> from metricscan import Objective, Scanner, replay
    >>> import pathlib, tempfile
    >>> log = pathlib.Path(tempfile.mkdtemp()) / "lr=0.1.log"
    >>> _ = log.write_text("loss=3\\nloss=2\\n")
    >>> found = replay(log, Scanner(["loss=loss=(.)"]), objective=Objective("loss", "Minimize"))
    >>> job_frame(found.ranking).select(["TrainingJobName", "FinalObjectiveValue"]).to_pylist()
    [{'TrainingJobName': 'lr=0.1', 'FinalObjectiveValue': 2.0}]
    """
    opened = {} if tables is None else opened_tables(tables)
    jobs = ranking["job"].to_pylist()
    starts, ends = _times(opened, jobs)
    columns: dict[str, Any] = _hyperparameters(ranking["hyperparameters"].to_pylist())
    elapsed = [
        None if start is None or end is None else (end - start) / 1e6 for start, end in zip(starts, ends, strict=True)
    ]
    own = [
        ranking["job"],
        ranking["job_status"],
        ranking["value"],
        pa.array(starts, pa.timestamp("us", "UTC")).cast(_TIME),
        pa.array(ends, pa.timestamp("us", "UTC")).cast(_TIME),
        pa.array(elapsed, pa.float64()),
    ]
    for field, column in zip(JOB_SCHEMA, own, strict=True):
        columns.pop(field.name, None)
        columns[field.name] = column
    return pa.table(columns)


def _in_order(table: pa.Table) -> Rows:
    """The rows of one job in the order in which they count."""
    streams, codes = used_codes_of(table.column("stream"), "stream")
    rows = Rows.of(np.zeros(table.num_rows, dtype=np.int64), codes, table)
    return rows.take(job_order(rows, lambda: streams))


def _only(job: str | None, tables: Mapping[str, pa.Table]) -> str:
    names: dict[str, None] = {}
    for table in tables.values():
        names.update(dict.fromkeys(pc.unique(table.column("job").cast(pa.string())).to_pylist()))
    if job is None and len(names) == 1:
        return next(iter(names))
    if job is not None and job in names:
        return job
    some = ", ".join(map(repr, list(names)[:5])) + (", .." if len(names) > 5 else "")
    if job is None:
        raise OptionError(f"there are {len(names)} jobs with rows; the name of one was expected: {some}")
    meant = nearest(job, names)
    hint = None if meant is None else f"did you mean {meant!r}?"
    raise OptionError(f"the job {job!r} has no rows; there are {len(names)} jobs: {some}", hint=hint)


def _times(tables: Mapping[str, pa.Table], jobs: Sequence[str]) -> tuple[list[int | None], list[int | None]]:
    """The first and the last time of each job, in microseconds."""
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    for table in tables.values():
        if table["time"].null_count == table.num_rows:
            continue
        plain = pa.table({"job": table["job"].cast(pa.string()), "time": table["time"].cast(pa.int64())})
        for row in plain.group_by("job").aggregate([("time", "min"), ("time", "max")]).to_pylist():
            if row["time_min"] is not None:
                first[row["job"]] = min(row["time_min"], first.get(row["job"], row["time_min"]))
                last[row["job"]] = max(row["time_max"], last.get(row["job"], row["time_max"]))
    return [first.get(job) for job in jobs], [last.get(job) for job in jobs]


def _hyperparameters(rows: Sequence[Sequence[tuple[str, str]] | None]) -> dict[str, pa.Array]:
    given = [dict(row or ()) for row in rows]
    columns = {}
    for key in dict.fromkeys(key for row in given for key in row):
        texts = [row.get(key) for row in given]
        numbers = [None if text is None else _number(text) for text in texts]
        if any(number is None and text is not None for number, text in zip(numbers, texts, strict=True)):
            columns[key] = pa.array(texts, pa.string())
        else:
            columns[key] = pa.array(numbers, pa.float64())
    return columns


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    # float() also reads 1_000, which no other tool reads as a number
    return number if "_" not in text or math.isnan(number) else None
