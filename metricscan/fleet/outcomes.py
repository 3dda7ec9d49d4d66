"""What decided a job, as one element of a column: the outcome, what its steps say, other metrics' values there, counts."""

from __future__ import annotations

import sys
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metricscan.ranking.at_best import Found
from metricscan.ranking.copies import SAMPLES
from metricscan.ranking.deciding_row import Outcomes
from metricscan.ranking.step_facts import StepFacts
from metricscan.ranking.stepless import StepCounts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from metricscan.datasets.rows import Array
    from metricscan.ranking.in_pieces import PiecewiseDecider

_FLOATS = frozenset({"value", "step", "last", "before", "least", "most", "usual"})
_FLAGS = frozenset({"there", "same_step", "is_incomplete"})
_STREAMS = frozenset({"stream", "first_stream"})


def _tuples_in(kind: Any) -> dict[str, Any]:
    """The columns of one of the ranking's tuples that are tuples of columns themselves: several entries for a job."""
    names = {name: getattr(given, "__forward_arg__", given) for name, given in kind.__annotations__.items()}
    return {name: getattr(sys.modules[kind.__module__], one) for name, one in names.items() if one != "Array"}


_OF_OUTCOME, _OF_STEPS = _tuples_in(Outcomes), _tuples_in(StepFacts)


def _struct(kind: Any, nested: Mapping[str, Any] = MappingProxyType({})) -> pa.DataType:
    """The type of the columns of one of the ranking's tuples but that of the job; numbers of streams become names."""

    def type_of(name: str) -> pa.DataType:
        if name in nested:
            return pa.list_(_struct(nested[name]))
        if name in _STREAMS:
            return pa.string()
        if name == "samples":
            return pa.list_(pa.float64())
        return pa.float64() if name in _FLOATS else pa.bool_() if name in _FLAGS else pa.int64()

    return pa.struct([pa.field(name, type_of(name)) for name in kind._fields if name != "job"])


_OUTCOME, _STEPS, _FOUND = _struct(Outcomes, _OF_OUTCOME), _struct(StepFacts, _OF_STEPS), _struct(Found)
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
    outcome = _elements(outcomes, streams, _OF_OUTCOME)
    steps = [] if facts is None else _elements(facts, streams, _OF_STEPS)
    found = [one for some in decider.at_best.values() for one in _elements(some, streams)] if has_one else []
    return {"outcome": outcome, "steps": steps, "found": found, "counts": list(decider.step_counts)}


def _elements(
    columns: Any, streams: Sequence[str], nested: Mapping[str, Any] = MappingProxyType({})
) -> list[dict[str, Any]]:
    """The entries of columns; with nested ones there is at most one."""
    names = [name for name in columns._fields if name not in nested and name != "job"]
    lists = [getattr(columns, name).tolist() for name in names]
    # where a number has no meaning it may be past the end
    lists = [
        [streams[one] if 0 <= one < len(streams) else None for one in some] if name in _STREAMS else some
        for name, some in zip(names, lists, strict=True)
    ]
    found = [dict(zip(names, some, strict=True)) for some in zip(*lists, strict=True)]
    for one in found if nested else ():
        one.update((name, _elements(getattr(columns, name), streams)) for name in nested)
    return found


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
    outcomes = _joined(Outcomes, _OF_OUTCOME, jobs, parts["outcome"], streams)
    steps = _joined(StepFacts, _OF_STEPS, jobs, parts["steps"], streams) if stepped else None
    found = parts["found"].flatten()
    looked_up = {
        name: Found(*(_column(found, field, streams)[at :: len(at_best)] for field in Found._fields))
        for at, name in enumerate(at_best)
    }
    counts = parts["counts"].flatten().to_numpy(zero_copy_only=False).reshape(len(jobs), len(StepCounts._fields))
    total = StepCounts._make(counts.sum(axis=0).tolist())
    return AllDecided(outcomes, steps, looked_up, total)


def _joined(kind: Any, nested: Mapping[str, Any], jobs: Array, lists: pa.ListArray, streams: pa.Array) -> Any:
    """One of the ranking's tuples over jobs, of lists with what each of them has."""
    own = np.repeat(jobs, pc.list_value_length(lists).to_numpy(zero_copy_only=False))
    structs = lists.flatten()
    columns = [
        _joined(nested[name], {}, own, structs.field(name), streams)
        if name in nested
        else _column(structs, name, streams)
        for name in kind._fields[1:]
    ]
    return kind._make([own, *columns])


def _column(structs: pa.StructArray, name: str, streams: pa.Array) -> Array:
    column = structs.field(name)
    if name == "samples":
        return column.flatten().to_numpy(zero_copy_only=False).reshape(len(structs), SAMPLES)  # type: ignore[no-any-return]
    if name in _STREAMS:
        column = pc.fill_null(pc.index_in(column, streams), 0).cast(pa.int64())
    array: Array = column.to_numpy(zero_copy_only=False)
    return array.astype(np.float64) if name in _FLOATS else array
