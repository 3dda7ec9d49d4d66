"""What decided a job, as one element of a column: the outcome, what its steps say, other metrics' values there, counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metricscan.ranking.at_best import Found
from metricscan.ranking.copies import SAMPLES
from metricscan.ranking.deciding_row import Outcomes, Places
from metricscan.ranking.step_facts import Returns, StepFacts
from metricscan.ranking.stepless import StepCounts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metricscan.datasets.rows import Array
    from metricscan.ranking.in_pieces import PiecewiseDecider

_FLOATS = frozenset({"value", "step", "last", "before", "least", "most"})
_FLAGS = frozenset({"there", "same_step", "is_incomplete"})
_STREAMS = frozenset({"stream", "first_stream"})


def _struct(fields: Sequence[str], nested: dict[str, pa.DataType] | None = None) -> pa.DataType:
    """The type of the columns of one of the ranking's tuples but that of the job; numbers of streams become names."""

    def type_of(name: str) -> pa.DataType:
        if name in (nested or {}):
            return (nested or {})[name]
        if name in _STREAMS:
            return pa.string()
        return pa.float64() if name in _FLOATS else pa.bool_() if name in _FLAGS else pa.int64()

    return pa.struct([pa.field(name, type_of(name)) for name in fields if name != "job"])


_PLACES = pa.list_(_struct(Places._fields))
_OUTCOME = _struct(Outcomes._fields, {"samples": pa.list_(pa.float64()), "left_out": _PLACES})
_STEPS = _struct(StepFacts._fields, {"returns": pa.list_(_struct(Returns._fields))})
_FOUND = _struct(Found._fields)
#: A job without a row of the objective has no ``outcome``, one without a row of the step no ``steps``. ``found`` has an element
#: per metric that is looked up, if there is an outcome.
DECIDED = pa.struct(
    [
        pa.field("outcome", pa.list_(_OUTCOME)),
        pa.field("steps", pa.list_(_STEPS)),
        pa.field("found", pa.list_(_FOUND)),
        pa.field("counts", pa.list_(pa.int64())),
    ]
)


# ---- one job


def of_decider(decider: PiecewiseDecider, streams: Sequence[str]) -> dict[str, Any]:
    """What a decider found that got the rows of one job, as one element of the column."""
    outcomes, facts = decider.finish(), decider.step_facts
    has_one = bool(len(outcomes.job))
    outcome = []
    if has_one:
        (one,) = _elements(outcomes, streams, {"samples", "left_out"})
        samples = outcomes.samples[0].tolist()
        outcome.append(one | {"samples": samples, "left_out": list(_elements(outcomes.left_out, streams))})
    steps = []
    if facts is not None and len(facts.job):
        (one,) = _elements(facts, streams, {"returns"})
        steps.append(one | {"returns": list(_elements(facts.returns, streams))})
    found = [one for some in decider.at_best.values() for one in _elements(some, streams)] if has_one else []
    return {"outcome": outcome, "steps": steps, "found": found, "counts": list(decider.step_counts)}


def _elements(
    columns: Any, streams: Sequence[str], but: set[str] | frozenset[str] = frozenset()
) -> list[dict[str, Any]]:
    names = [name for name in columns._fields if name not in but and name != "job"]
    lists = [getattr(columns, name).tolist() for name in names]
    # where a number has no meaning it may be past the end
    lists = [
        [streams[one] if 0 <= one < len(streams) else None for one in some] if name in _STREAMS else some
        for name, some in zip(names, lists, strict=True)
    ]
    return [dict(zip(names, some, strict=True)) for some in zip(*lists, strict=True)]


# ---- all jobs


class AllDecided(NamedTuple):
    """What decided all jobs, in the shape in which one machine has it.

    Attributes
    ----------
    outcomes : Outcomes
    step_facts : StepFacts or None
        None if the objective has no step.
    at_best : dict of str to Found
    step_counts : StepCounts
    """

    outcomes: Outcomes
    step_facts: StepFacts | None
    at_best: dict[str, Found]
    step_counts: StepCounts

    def finish(self) -> Outcomes:
        """The outcomes."""
        return self.outcomes


def joined_outcomes(
    column: pa.ListArray, jobs: Array, streams: pa.Array, at_best: Sequence[str], *, stepped: bool
) -> AllDecided:
    """Put together what decided jobs.

    Parameters
    ----------
    column : pyarrow.ListArray of DECIDED
        One element for each job.
    jobs : int64 array
        The numbers of the jobs, in ascending order.
    streams : pyarrow.Array of string
        The names of the streams, by number.
    at_best : sequence of str
        The metrics that were looked up.
    stepped : bool
        Whether the objective has a step.
    """
    decided = column.flatten()
    parts = {name: decided.field(name) for name in ("outcome", "steps", "found", "counts")}
    has_outcome = np.repeat(jobs, _lengths(parts["outcome"]))
    own = parts["outcome"].flatten()
    left_out = own.field("left_out")
    samples = own.field("samples").flatten().to_numpy(zero_copy_only=False).reshape(len(has_outcome), SAMPLES)
    outcomes = Outcomes._make(
        [
            has_outcome,
            *(_column(own, name, streams) for name in Outcomes._fields[1:-2]),
            samples,
            _tuple(Places, np.repeat(has_outcome, _lengths(left_out)), left_out.flatten(), streams),
        ]
    )
    steps = None
    if stepped:
        with_steps = np.repeat(jobs, _lengths(parts["steps"]))
        of_steps = parts["steps"].flatten()
        returns = of_steps.field("returns")
        back = _tuple(Returns, np.repeat(with_steps, _lengths(returns)), returns.flatten(), streams)
        facts = (_column(of_steps, name, streams) for name in StepFacts._fields[1:-1])
        steps = StepFacts._make([with_steps, *facts, back])
    found = parts["found"].flatten()
    looked_up = {
        name: Found(*(_column(found, field, streams)[at :: len(at_best)] for field in Found._fields))
        for at, name in enumerate(at_best)
    }
    counts = parts["counts"].flatten().to_numpy(zero_copy_only=False).reshape(len(jobs), len(StepCounts._fields))
    total = StepCounts._make(counts.sum(axis=0).tolist())
    return AllDecided(outcomes, steps, looked_up, total)


def _lengths(lists: pa.ListArray) -> Array:
    return pc.list_value_length(lists).to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]


def _tuple(kind: Any, jobs: Array, structs: pa.StructArray, streams: pa.Array) -> Any:
    return kind._make([jobs, *(_column(structs, name, streams) for name in kind._fields[1:])])


def _column(structs: pa.StructArray, name: str, streams: pa.Array) -> Array:
    column = structs.field(name)
    if name in _STREAMS:
        column = pc.fill_null(pc.index_in(column, streams), 0).cast(pa.int64())
    array: Array = column.to_numpy(zero_copy_only=False)
    return array.astype(np.float64) if name in _FLOATS else array
