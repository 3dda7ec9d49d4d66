"""The jobs of a page: one column per fact, in the order of the ranking."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metricscan.logs.natural import natural_order
from metricscan.ranking.at_best import PLACE, PREFIX
from metricscan.ranking.doubts import KINDS
from metricscan.ranking.ranking import SCHEMA
from metricscan.reports.packing import coded, numbers
from metricscan.reports.wording import DOUBTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from metricscan.ranking.ranking import Known

#: A page lists so many jobs, the first ones of the ranking.
MOST_JOBS = 100_000
#: Hyperparameters that differ between jobs, at most; a page with more columns is of no use.
MOST_PARAMETERS = 200
#: Doubts whose messages stand on the page; of the others only the kinds do.
MOST_DOUBTS = 2_000
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)


def unranked(names: Iterable[str], jobs: Iterable[Known]) -> pa.Table:
    """Jobs without an objective, in natural order of names, with the columns of a ranking."""
    facts = {one.name: one for one in jobs}
    known = list(dict.fromkeys([*facts, *names]))
    known = [known[at] for at in natural_order(known)]
    columns = {
        "job": pa.array(known, pa.string()),
        "job_status": pa.array([None if one not in facts else facts[one].status for one in known], pa.string()),
        "hyperparameters": pa.array(
            [[] if one not in facts else list(facts[one].hyperparameters.items()) for one in known],
            SCHEMA.field("hyperparameters").type,
        ),
        "doubts": pa.array([[]] * len(known), SCHEMA.field("doubts").type),
    }
    nothing = {field.name: pa.nulls(len(known), field.type) for field in SCHEMA if field.name not in columns}
    return pa.table({name: (columns | nothing)[name] for name in SCHEMA.names})


def job_columns(ranking: pa.Table) -> dict[str, Any]:
    """The columns of the page's table but for the hyperparameters and other metrics.

    Texts that repeat stand once (:func:`metricscan.reports.packing.coded`).
    """
    shown = ranking.slice(0, MOST_JOBS)
    kinds = [
        ", ".join(dict.fromkeys(one["kind"] for one in some)) or None if some else None
        for some in shown["doubts"].to_pylist()
    ]
    return {
        "count": ranking.num_rows,
        "listed": shown.num_rows,
        "ranked": ranking.num_rows - ranking["rank"].null_count,
        "name": shown["job"].to_pylist(),
        "rank": shown["rank"].to_pylist(),
        "tied": shown["tied"].to_pylist(),
        "value": numbers(shown["value"].to_pylist()),
        "step": numbers(shown["step"].to_pylist()) if shown["step"].null_count < shown.num_rows else None,
        "rows": shown["rows"].to_pylist(),
        "not_finite": shown["not_finite"].to_pylist(),
        "status": coded(shown["objective_status"].to_pylist()),
        "job_status": coded(shown["job_status"].to_pylist()),
        "doubts": coded(kinds),
        "stream": coded(shown["stream"].to_pylist()),
        "line": shown["line"].to_pylist(),
    }


def parameter_columns(ranking: pa.Table) -> tuple[list[dict[str, Any]], dict[str, str], int]:
    """The hyperparameters: the columns of those that differ, the values of those that do not, and how many columns there are not.

    A column is ``name``, ``is_number`` (whether all its values are numbers) and its coded texts.
    """
    shown = ranking.slice(0, MOST_JOBS)["hyperparameters"].to_pylist()
    given = [dict(one or ()) for one in shown]
    names = dict.fromkeys(name for one in given for name in one)
    columns: list[dict[str, Any]] = []
    same: dict[str, str] = {}
    left_out = 0
    for name in names:
        texts = [one.get(name) for one in given]
        distinct = set(texts)
        if len(distinct) == 1 and len(texts) > 1:
            same[name] = str(texts[0])
        elif len(columns) == MOST_PARAMETERS:
            left_out += 1
        else:
            are_numbers = all(text is None or _NUMBER.fullmatch(text) for text in distinct)
            columns.append({"name": name, "is_number": are_numbers, **coded(texts)})
    return columns, same, left_out


def other_columns(ranking: pa.Table) -> list[dict[str, Any]]:
    """The values of other metrics where each job was decided."""
    shown = ranking.slice(0, MOST_JOBS)
    names = [name.removeprefix(PREFIX) for name in ranking.column_names if name.startswith(PREFIX)]
    names = [name for name in names if PREFIX + name + PLACE in ranking.column_names]
    return [{"metric": name, "value": numbers(shown[PREFIX + name].to_pylist())} for name in names]


def doubts_of(ranking: pa.Table) -> dict[str, Any]:
    """The doubts: how many jobs have one of each kind, what the kind means, and those of the first jobs."""
    column = ranking["doubts"].combine_chunks()
    column = column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
    job = pc.list_parent_indices(column).to_numpy(zero_copy_only=False).astype(np.int64)
    structs = pc.list_flatten(column)
    kind = np.array(structs.field("kind").to_pylist(), dtype=object) if len(structs) else np.empty(0, dtype=object)
    counts = [(one, len(np.unique(job[kind == one]))) for one in KINDS]
    first = structs.slice(0, MOST_DOUBTS).to_pylist()
    return {
        "kinds": [{"kind": one, "jobs": count, "meaning": DOUBTS[one]} for one, count in counts if count],
        "count": len(structs),
        "of": [{"job": at, **one} for at, one in zip(job[:MOST_DOUBTS].tolist(), first, strict=True)],
    }


def meanings(statuses: Mapping[str, str], columns: Mapping[str, Any]) -> dict[str, str]:
    """What the statuses that occur mean."""
    return {one: statuses[one] for one in columns["status"]["texts"]}
