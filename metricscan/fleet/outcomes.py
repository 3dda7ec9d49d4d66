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
    from metricscan.ranking.deciding import Decided

#: The columns of numbers that are no integers, those of flags, and those of numbers of streams.
FLOATS = frozenset({"value", "step", "last", "before", "least", "most", "usual"})
FLAGS = frozenset({"there", "same_step", "is_incomplete"})
STREAMS = frozenset({"stream", "first_stream"})


def _tuples_in(kind: Any) -> dict[str, Any]:
    """The columns of one of the ranking's tuples that are tuples of columns themselves: several entries for a job."""
    names = {name: getattr(given, "__forward_arg__", given) for name, given in kind.__annotations__.items()}
    return {name: getattr(sys.modules[kind.__module__], one) for name, one in names.items() if one != "Array"}


#: The tuples in tuples.
OF_OUTCOME, OF_STEPS = _tuples_in(Outcomes), _tuples_in(StepFacts)


def _struct(kind: Any, nested: Mapping[str, Any] = MappingProxyType({})) -> pa.DataType:
    """The type of the columns of one of the ranking's tuples but that of the job; numbers of streams become names."""

    def type_of(name: str) -> pa.DataType:
        if name in nested:
            return pa.list_(_struct(nested[name]))
        if name in STREAMS:
            return pa.string()
        if name == "samples":
            return pa.list_(pa.float64())
        return pa.float64() if name in FLOATS else pa.bool_() if name in FLAGS else pa.int64()

    return pa.struct([pa.field(name, type_of(name)) for name in kind._fields if name != "job"])


_OUTCOME, _STEPS, _FOUND = _struct(Outcomes, OF_OUTCOME), _struct(StepFacts, OF_STEPS), _struct(Found)
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
#: What decided no job.
NOTHING = pa.array([], pa.list_(DECIDED))


# ---- some jobs


def as_column(found: Decided, jobs: int, streams: pa.Array) -> pa.Array:
    """What decided some jobs, as a column with one element for each.

    Parameters
    ----------
    found : Decided
        With an array of counts, one for each job.
    jobs : int
        How many there are; they are numbered from 0.
    streams : pyarrow.Array of string
        The names of the streams, by number.
    """
    outcomes, own = found.outcomes, found.outcomes.job
    # an element per metric that is looked up, outcome by outcome
    looked_up = pa.concat_arrays([pa.array([], _FOUND), *(_structs(one, _FOUND, streams) for one in found.at_best)])
    turn = np.arange(len(looked_up)).reshape(len(found.at_best), len(own)).T.ravel()
    numbers = np.column_stack([np.broadcast_to(np.asarray(one, np.int64), jobs) for one in found.counts])
    steps = pa.array([], _STEPS) if found.facts is None else _structs(found.facts, _STEPS, streams, OF_STEPS)
    fields = [
        _lists(_structs(outcomes, _OUTCOME, streams, OF_OUTCOME), own, jobs),
        _lists(steps, own[:0] if found.facts is None else found.facts.job, jobs),
        _lists(looked_up.take(pa.array(turn)), np.repeat(own, len(found.at_best)), jobs),
        _lists(pa.array(numbers.ravel()), np.repeat(np.arange(jobs), numbers.shape[1]), jobs),
    ]
    return _lists(pa.StructArray.from_arrays(fields, fields=list(DECIDED)), np.arange(jobs), jobs)


def _structs(
    columns: Any, kind: pa.StructType, streams: pa.Array, nested: Mapping[str, Any] = MappingProxyType({})
) -> pa.StructArray:
    """The entries of columns; with nested ones there is at most one for a job."""
    size = len(columns[0])
    fields = []
    for field in kind:
        column = getattr(columns, field.name)
        if field.name in nested:
            of_entry = np.searchsorted(columns.job, column.job)
            order = np.argsort(of_entry, kind="stable")
            entries = _structs(column, field.type.value_type, streams).take(pa.array(order))
            fields.append(_lists(entries, of_entry[order], size))
        elif field.name == "samples":
            fields.append(_lists(pa.array(column.ravel()), np.repeat(np.arange(size), SAMPLES), size))
        elif field.name in STREAMS:
            # where a number has no meaning it may be past the end
            has_name = (column >= 0) & (column < len(streams))
            fields.append(streams.take(pa.array(column.astype(np.int64), mask=~has_name)))
        else:
            fields.append(pa.array(column, field.type))
    return pa.StructArray.from_arrays(fields, fields=list(kind))


def _lists(elements: pa.Array, owner: Array, size: int) -> pa.ListArray:
    """Lists of elements, given the number of the list of each in ascending order."""
    offsets = np.searchsorted(owner, np.arange(size + 1)).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), elements)


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
    outcomes = _joined(Outcomes, OF_OUTCOME, jobs, parts["outcome"], streams)
    steps = _joined(StepFacts, OF_STEPS, jobs, parts["steps"], streams) if stepped else None
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
    if name in STREAMS:
        column = pc.fill_null(pc.index_in(column, streams), 0).cast(pa.int64())
    array: Array = column.to_numpy(zero_copy_only=False)
    return array.astype(np.float64) if name in FLOATS else array
