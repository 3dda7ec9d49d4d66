"""What decided all jobs, gathered part by part in columns of few bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from metricscan.fleet.columns import Column, Spill, renumbered, taken
from metricscan.fleet.outcomes import (
    FLAGS,
    FLOATS,
    NOTHING,
    OF_OUTCOME,
    OF_STEPS,
    STREAMS,
    AllDecided,
    joined_outcomes,
)
from metricscan.ranking.at_best import Found
from metricscan.ranking.copies import ENDS, SAMPLES, keys_of, those_with_equal
from metricscan.ranking.deciding_row import Outcomes
from metricscan.ranking.step_facts import StepFacts
from metricscan.ranking.stepless import StepCounts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from metricscan.datasets.rows import Array

# As the ranking has them; other columns of numbers have eight bytes.
_SMALL = {
    "job": np.int32,
    "status": np.int8,
    "shape": np.int8,
    "part": np.int32,
    "first_part": np.int32,
    "run": np.int32,
}


class GrowingDecided:
    """What decided jobs, part by part.

    Parameters
    ----------
    at_best : sequence of str
        The metrics that were looked up.
    stepped : bool
        Whether the objective has a step.
    """

    def __init__(self, at_best: Sequence[str], *, stepped: bool) -> None:
        self._at_best, self._stepped = tuple(at_best), stepped
        self._outcomes, self._steps = _Growing(Outcomes, OF_OUTCOME), _Growing(StepFacts, OF_STEPS)
        self._found = {name: _Growing(Found) for name in self._at_best}
        self._samples = _Samples()
        self._counts = StepCounts()

    def add(self, decided: pa.ListArray, jobs: Array, streams: pa.Array, first_stream: int) -> None:
        """Add what decided some jobs.

        Parameters
        ----------
        decided : pyarrow.ListArray of DECIDED
        jobs : int64 array
            The numbers of the jobs, in ascending order.
        streams : pyarrow.Array of string
            The names of the streams, numbered from ``first_stream`` on.
        """
        found = joined_outcomes(decided, jobs, streams, self._at_best, stepped=self._stepped)
        self._outcomes.add(found.outcomes, first_stream)
        self._samples.add(found.outcomes)
        if found.step_facts is not None:
            self._steps.add(found.step_facts, first_stream)
        for name, one in found.at_best.items():
            self._found[name].add(one, first_stream)
        self._counts = self._counts.plus(found.step_counts)

    def joined(self, jobs: Array, streams: Array) -> AllDecided:
        """All of it, given the final numbers of jobs and streams by those that they were added with. To be called once."""
        if not self._outcomes.size:
            self.add(NOTHING, np.empty(0, np.int64), pa.array([], pa.string()), 0)
        order = self._outcomes.order(jobs)
        samples = self._samples.array(order)
        return AllDecided(
            self._outcomes.joined(jobs, streams, order, samples),
            self._steps.joined(jobs, streams, self._steps.order(jobs)) if self._stepped else None,
            {name: one.joined(jobs, streams, order) for name, one in self._found.items()},
            self._counts,
        )


class _Growing:
    """One of the ranking's tuples of columns, with the tuples in it."""

    def __init__(self, kind: Any, nested: Mapping[str, Any] | None = None) -> None:
        self._kind = kind
        self.size = 0
        self._nested = {name: _Growing(one) for name, one in (nested or {}).items()}
        self._columns = {
            name: Column(_SMALL.get(name, np.float64 if name in FLOATS else np.bool_ if name in FLAGS else np.int64))
            for name in kind._fields
            if name not in self._nested and name != "samples"
        }

    def add(self, found: Any, first_stream: int) -> None:
        """Add columns; streams are numbered from this number on."""
        self.size += len(found[0])
        for name, one in self._nested.items():
            one.add(getattr(found, name), first_stream)
        for name, column in self._columns.items():
            values = getattr(found, name)
            column.add(values + first_stream if name in STREAMS else values)

    def order(self, jobs: Array) -> Array | None:
        """The order of the final numbers of the jobs; None if it is that in which they were added."""
        numbers = jobs[self._columns["job"].array()]
        return None if (numbers[1:] >= numbers[:-1]).all() else np.argsort(numbers, kind="stable")

    def joined(self, jobs: Array, streams: Array, order: Array | None, samples: Array | None = None) -> Any:
        """All columns in an order, with final numbers; they are let go here one by one."""
        found = []
        for name in self._kind._fields:
            if name in self._nested:
                one = self._nested[name]
                found.append(one.joined(jobs, streams, one.order(jobs)))
            elif name == "samples":
                found.append(samples)
            else:
                column = self._columns.pop(name).array()
                column = jobs[column] if name == "job" else renumbered(column, streams) if name in STREAMS else column
                found.append(column if order is None else taken(column, order))
        return self._kind._make(found)


class _Samples:
    """What jobs are compared by, put away: only jobs that may be equal need it, and these are known when all are there."""

    def __init__(self) -> None:
        self._size = 0
        self._keys = Column(np.uint64)
        self._is_kept = Column(np.bool_)
        self._spill = Spill()

    def add(self, outcomes: Outcomes) -> None:
        """Add the samples of some jobs."""
        is_kept = ~np.isnan(outcomes.samples[:, 0])
        samples = np.ascontiguousarray(outcomes.samples[is_kept], np.float64)
        self._size += len(is_kept)
        self._is_kept.add(is_kept)
        self._keys.add(keys_of(outcomes.rows[is_kept], *(samples[:, at] for at in ENDS)))
        self._spill.add(samples.tobytes())

    def array(self, order: Array | None) -> Array:
        """The samples of all jobs; NaN for those that are like no other."""
        # memory that nobody writes to is none
        found: Array = np.zeros((SAMPLES, self._size)).T
        found[:, 0] = np.nan
        some = those_with_equal(self._keys.array())
        if some.size:
            at = np.flatnonzero(self._is_kept.array())[some]
            if order is not None:
                places = np.empty(len(order), np.int64)
                places[order] = np.arange(len(order))
                at = places[at]
            size = SAMPLES * 8
            breaks = np.flatnonzero(np.diff(some) != 1) + 1
            for stretch, to in zip(np.split(some, breaks), np.split(at, breaks), strict=True):
                data = self._spill.read(int(stretch[0]) * size, len(stretch) * size)
                found[to] = np.frombuffer(data).reshape(-1, SAMPLES)
        return found
