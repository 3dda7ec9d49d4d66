"""Jobs in order of the objective: finite values first, then ``not_finite``, then ``missing``; none is dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import pyarrow as pa

from metricscan.errors import OptionError
from metricscan.objective import Objective, Outcome, Standing, decide, natural, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

#: A row a job. ``rank`` is null for a job that cannot win; ``stream``, ``line`` and ``offset`` are those of the deciding
#: row; ``rows`` counts the objective's rows; where ``streams`` is more than 1, several streams carried the objective.
SCHEMA = pa.schema(
    [
        pa.field("rank", pa.int64()),
        pa.field("job", pa.string(), nullable=False),
        pa.field("value", pa.float64()),
        pa.field("objective_status", pa.string(), nullable=False),
        pa.field("job_status", pa.string()),
        pa.field("rows", pa.int64(), nullable=False),
        pa.field("stream", pa.string()),
        pa.field("line", pa.int64()),
        pa.field("offset", pa.int64()),
        pa.field("hyperparameters", pa.map_(pa.string(), pa.string())),
        pa.field("streams", pa.int64(), nullable=False),
    ]
)
FAILED = "Failed"
_GROUPS = {"found": 0, "not_finite": 2, "missing": 3}


class Entrant(NamedTuple):
    """A job as it enters the ranking."""

    job: str
    outcome: Outcome
    status: str | None
    hyperparameters: Mapping[str, str]


def order(entrants: Iterable[Entrant], objective: Objective) -> pa.Table:
    """Rank the jobs.

    Jobs with a finite value come first, best first; ties share a rank (1, 1, 3) and stand in natural name order. A job
    that failed has no rank: it follows the others with a finite value. Then come ``not_finite``, then ``missing``.
    """
    sign = 1.0 if objective.goal == "Minimize" else -1.0
    keyed = []
    for entrant in entrants:
        status, place, *_ = entrant.outcome
        group = _GROUPS[status] + (status == "found" and entrant.status == FAILED)
        key = sign * place.value if place is not None and status == "found" else 0.0
        keyed.append((group, key, natural(entrant.job), entrant))
    keyed.sort(key=lambda item: item[:3])
    columns: dict[str, list[Any]] = {name: [] for name in SCHEMA.names}
    rank, rank_key = None, None
    for position, (group, key, _, entrant) in enumerate(keyed, 1):
        if group == 0 and key != rank_key:
            rank, rank_key = position, key
        status, place, stream, rows, streams = entrant.outcome
        columns["rank"].append(rank if group == 0 else None)
        columns["job"].append(entrant.job)
        columns["value"].append(None if place is None else place.value)
        columns["objective_status"].append(status)
        columns["job_status"].append(entrant.status)
        columns["rows"].append(rows)
        columns["stream"].append(stream)
        columns["line"].append(None if place is None else place.line)
        columns["offset"].append(None if place is None else place.offset)
        columns["hyperparameters"].append(list(entrant.hyperparameters.items()))
        columns["streams"].append(streams)
    return pa.table(columns, schema=SCHEMA)


class Known(Protocol):
    """A job of which more is known than its rows."""

    name: str
    status: str | None
    hyperparameters: dict[str, str]


def rank(tables: Mapping[str, pa.Table], objective: Objective, *, jobs: Iterable[Known] | None = None) -> pa.Table:
    """Rank the jobs of tables that a replay gave, without reading a log again.

    Parameters
    ----------
    tables : mapping of str to pyarrow.Table
        Per metric its rows over all jobs: ``job``, ``stream``, ``value``, ``line``, ``offset``, ``start``, ``time``, in
        stream order; a :class:`Replay` is one. Every job that occurs in any of them is ranked.
    objective : Objective
    jobs : iterable of Job, optional
        Jobs that are ranked even without a row, with their status and hyperparameters; by default the tables' ``jobs``, if
        they have that attribute.

    Returns
    -------
    pyarrow.Table
        A row a job: rank, job, value, objective_status, job_status, rows, stream, line, offset, hyperparameters, streams.

    Raises
    ------
    OptionError
        The objective metric is none of the tables'.

    Examples
    --------
    >>> import pyarrow as pa
    >>> rows = {"job": ["a", "a", "b"], "stream": ["out"] * 3, "value": [3.0, 2.0, 1.0], "line": [1, 2, 1],
    ...         "offset": [0, 9, 0], "start": [4, 13, 4], "time": pa.nulls(3, pa.timestamp("us", "UTC"))}
    >>> rank({"loss": pa.table(rows)}, Objective("loss", "Minimize")).select(["rank", "job", "value"]).to_pylist()
    [{'rank': 1, 'job': 'b', 'value': 1.0}, {'rank': 2, 'job': 'a', 'value': 2.0}]
    """
    check_metric(objective, list(tables))
    known = {job.name: job for job in (getattr(tables, "jobs", ()) if jobs is None else jobs)}
    standings: dict[str, dict[str, Standing]] = {name: {} for name in known}
    for name, table in tables.items():
        for one, stream, rows in _streams(table):
            streams = standings.setdefault(one, {})
            if name == objective.metric:
                streams.setdefault(stream, Standing()).add(rows)
    entrants = []
    for name, streams in standings.items():
        job = known.get(name)
        facts = (None, {}) if job is None else (job.status, job.hyperparameters)
        entrants.append(Entrant(name, decide(streams), *facts))
    return order(entrants, objective)


def check_metric(objective: Objective, names: Sequence[str]) -> None:
    """Raise an OptionError if no metric has the objective's name."""
    if objective.metric not in names:
        meant = nearest(objective.metric, names)
        raise OptionError(
            f"the objective metric {objective.metric!r} is not among the metrics: {', '.join(map(repr, names))}",
            hint=None if meant is None else f"did you mean {meant!r}?",
        )


def _streams(table: pa.Table) -> Iterable[tuple[str, str, pa.Table]]:
    """The parts of a table that belong to one stream; a stream may come in several parts."""
    import numpy as np

    if table.num_rows == 0:
        return
    names = []
    changes = np.zeros(table.num_rows, dtype=bool)
    changes[0] = True
    for column in ("job", "stream"):
        values = table.column(column)
        if not pa.types.is_dictionary(values.type):
            values = values.dictionary_encode()
        values = values.unify_dictionaries().combine_chunks()
        codes = values.indices.to_numpy(zero_copy_only=False)
        changes[1:] |= codes[1:] != codes[:-1]
        names.append((values.dictionary, codes))
    starts = np.flatnonzero(changes).tolist()
    for start, end in zip(starts, [*starts[1:], table.num_rows], strict=True):
        job, stream = (dictionary[int(codes[start])].as_py() for dictionary, codes in names)
        yield job, stream, table.slice(start, end - start)
