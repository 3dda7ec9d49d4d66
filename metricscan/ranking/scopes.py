"""The job that each scope would choose, and the regret of that choice under the objective's own scope."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from metricscan.ranking.ranking import check_metric, rank
from metricscan.ranking.tables import opened_tables

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping, Sequence

    from metricscan.definitions.objective import Objective
    from metricscan.ranking.ranking import Known

SCOPES = ("last", "first", "min", "max", "mean", "last-5", "last-10")
#: One row per scope: its ``best`` job (of ``tied`` jobs, the first in natural order of names) and that job's ``value``; the
#: ``rank`` and ``own_value`` of that job under the objective's own scope; and ``regret``, the difference between ``own_value``
#: and the best value under that scope, 0 or greater.
SCHEMA = pa.schema(
    [
        pa.field("scope", pa.string(), nullable=False),
        pa.field("best", pa.string()),
        pa.field("value", pa.float64()),
        pa.field("tied", pa.int64()),
        pa.field("rank", pa.int64()),
        pa.field("own_value", pa.float64()),
        pa.field("regret", pa.float64()),
    ]
)


def compare_scopes(
    tables: Mapping[str, pa.Table] | str | os.PathLike[str],
    objective: Objective,
    *,
    scopes: Sequence[str] = SCOPES,
    jobs: Iterable[Known] | None = None,
    completed_only: bool = False,
    min_step: float | None = None,
    exclude_doubts: str | Sequence[str] = (),
) -> pa.Table:
    """Find the best job under each of several scopes.

    Parameters
    ----------
    tables, jobs, completed_only, min_step, exclude_doubts
        As :func:`rank` takes them.
    objective : Objective
        Its own scope comes first; the other scopes are compared with it.
    scopes : sequence of str

    Returns
    -------
    pyarrow.Table
        One row per scope: scope, best (string), value (float64) and tied (int64, jobs that share the first rank); rank
        (int64), own_value and regret (float64) of the best job under the objective's own scope. Null if there is no best
        job, or if that job has no rank under the objective's own scope.

    Raises
    ------
    OptionError
        As :func:`rank`, or a scope is not valid.
    SourceError
        The dataset cannot be read.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from metricscan import Objective
    >>> rows = {"job": ["a", "a", "b"], "stream": ["out"] * 3, "value": [1.0, 3.0, 2.5], "line": [1, 2, 1],
    ...         "offset": [0, 9, 0], "start": [4, 13, 4], "time": pa.nulls(3, pa.timestamp("us", "UTC"))}
    >>> found = compare_scopes({"loss": pa.table(rows)}, Objective("loss", "Minimize"), scopes=["min"])
    >>> found.select(["scope", "best", "value", "rank", "regret"]).to_pylist()[1]
    {'scope': 'min', 'best': 'a', 'value': 1.0, 'rank': 2, 'regret': 0.5}
    """
    tables = opened_tables(tables)
    check_metric(objective, list(tables), getattr(tables, "labels", ()))
    scopes = [scopes] if isinstance(scopes, str) else scopes
    if jobs is not None:
        jobs = list(jobs)
    objectives = [objective.under(scope) for scope in dict.fromkeys([objective.scope, *scopes])]

    def ranked(one: Objective) -> pa.Table:
        return rank(
            tables, one, jobs=jobs, completed_only=completed_only, min_step=min_step, exclude_doubts=exclude_doubts
        )

    own = ranked(objective)
    rows = []
    for one in objectives:
        table = own if one == objective else ranked(one)
        row = dict.fromkeys(SCHEMA.names)
        row["scope"] = one.scope
        rows.append(row)
        if not table.num_rows or not table["rank"][0].is_valid:
            continue
        row |= {"best": table["job"][0].as_py(), "value": table["value"][0].as_py(), "tied": table["tied"][0].as_py()}
        place = own.slice(pc.index(own["job"], row["best"]).as_py(), 1)
        row |= {"rank": place["rank"][0].as_py(), "own_value": place["value"][0].as_py()}
        if row["rank"] is not None:
            values = place["value"][0].as_py(), own["value"][0].as_py()
            row["regret"] = _regret(*values, objective.target)
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def _regret(value: float, best: float, target: float | None) -> float:
    """How much worse a value is than the best one: of the decimal numbers that they are written as, so that 0.3 - 0.1 is 0.2."""
    one, other = (Decimal(repr(number)) for number in (value, best))
    if target is not None:
        one, other = (abs(number - Decimal(repr(target))) for number in (one, other))
    return float(abs(one - other))
