"""Doubts that follow from steps and values alone: restarts, incomplete runs, missing or shared steps, placeholders."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from metricscan.logs.natural import natural
from metricscan.ranking.deciding_row import FOUND
from metricscan.ranking.step_facts import RESTARTED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from metricscan.definitions.objective import Objective, Restarts
    from metricscan.ranking.deciding_row import Outcomes
    from metricscan.ranking.step_facts import Returns, StepFacts

#: The kinds of these doubts, in the order in which those of a job are listed.
StepDoubtKind = Literal["restarted", "incomplete", "values-per-step", "step-missing", "sentinel"]
# From this many rows per row of the step on, the step is taken to be missing, not shared by a few values.
_FAR_FEWER = 10
# A placeholder is at least this large.
_LEAST_SENTINEL = 1e9
_FLOAT32_MAX = float(2**128 - 2**104)
_MAXIMA = frozenset({sys.float_info.max, _FLOAT32_MAX, 3.4028235e38, 3.402823e38})
_INTEGER_MAXIMA = frozenset(float(2**bits - less) for bits in (31, 32, 63, 64) for less in (0, 1))


class Found(NamedTuple):
    """A doubt about a job: its place is a row of the step, or, without one, the deciding row."""

    job: int
    kind: StepDoubtKind
    message: str
    place: tuple[int, int, int, int] | None = None  # stream, part, line, offset


def of_returns(
    returns: Returns, restarts: Restarts, deciding: Callable[[int], int | None], streams: Sequence[str]
) -> Iterator[Found]:
    """Jobs that were restarted, and those whose last run is incomplete.

    Parameters
    ----------
    returns : Returns
    restarts : {"keep", "purge", "split"}
        As :class:`Objective` takes it; with "keep" a restart is a doubt.
    deciding : callable
        Returns the number of the stream of a job's deciding row.
    streams : sequence of str
        The names of the streams, by number.
    """
    some = np.flatnonzero((returns.shape == RESTARTED) | returns.is_incomplete)
    by_job: dict[int, list[_Return]] = {}
    # as Python's own numbers: a million of numpy's take four times as long
    for one in map(_Return._make, zip(*(column[some].tolist() for column in returns), strict=True)):
        by_job.setdefault(one.job, []).append(one)
    for job, found in by_job.items():
        if len(found) > 1:
            own = deciding(job)
            found.sort(key=lambda one: (one.stream != own, natural(streams[one.stream])))
        restarted = [one for one in found if one.shape == RESTARTED and restarts == "keep"]
        if restarted:
            first, times = restarted[0], sum(one.times for one in restarted)
            text = f"the step goes back from {first.before:g} to {first.step:g}"
            text += f", the last of {times:,} times" if times > 1 else ""
            text += f", in {len(restarted):,} streams" if len(restarted) > 1 else ""
            yield Found(job, "restarted", f"{text}: a run that was resumed, or several runs in one log", first.place)
        for one in [one for one in found if one.is_incomplete][:1]:
            message = f"its last run ended at step {one.last:g}, and one before it reached {one.most:g}"
            yield Found(job, "incomplete", message, one.place)


class _Return(NamedTuple):
    """One entry of :class:`Returns`."""

    job: int
    stream: int
    shape: int
    times: int
    before: float
    step: float
    part: int
    line: int
    offset: int
    least: float
    last: float
    most: float
    is_incomplete: bool

    @property
    def place(self) -> tuple[int, int, int, int]:
        return self.stream, self.part, self.line, self.offset


def of_values(outcomes: Outcomes, steps: StepFacts, objective: Objective) -> Iterator[Found]:
    """Jobs with several values at nearly every step, and those of whose rows many have no step of their own."""
    step_rows = np.zeros(len(outcomes.job), dtype=np.int64)
    if len(steps.job):
        entry = np.minimum(np.searchsorted(steps.job, outcomes.job), len(steps.job) - 1)
        step_rows = np.where(steps.job[entry] == outcomes.job, steps.rows[entry], 0)
    rows, lacking = outcomes.rows, outcomes.stepless
    # four of five: the first step may stand in a sanity check, and the last may be cut
    several = (outcomes.several_runs > 0) & (5 * outcomes.several_runs >= 4 * outcomes.step_runs)
    several &= objective.per_step in ("last", "first")
    shared = several & (rows >= _FAR_FEWER * step_rows)
    late = (lacking > 1) & (10 * lacking >= rows)
    late |= (lacking == rows) & (rows > 0)
    name, metric, which = repr(objective.step), repr(objective.metric), objective.per_step
    some = np.flatnonzero(several | late)
    columns = (outcomes.job, rows, lacking, step_rows, late, shared, outcomes.several_runs, outcomes.step_runs)
    for job, count, without, own, is_late, is_shared, few, all_steps in zip(
        *(column[some].tolist() for column in columns), strict=True
    ):
        if without == count:
            none = f"no {name} was found in it" if not own else f"no {name} belongs to them"
            message = f"none of its {count:,} rows has a step: {none}" if count > 1 else f"its row has no step: {none}"
            yield Found(job, "step-missing", message)
        elif is_late:
            message = f"{without:,} of its {count:,} rows have no step; {name} may match only some of the steps"
            yield Found(job, "step-missing", message)
        elif is_shared:
            message = f"{count:,} rows of {metric} share {own:,} of {name}; the {which} of each step counts"
            yield Found(job, "step-missing", message)
        else:
            steps_with = f"{few:,} of {all_steps:,} steps have" if all_steps > 1 else "its only step has"
            yield Found(job, "values-per-step", f"{steps_with} several values; the {which} of each counts")


def of_sentinels(outcomes: Outcomes) -> Iterator[Found]:
    """Jobs whose value probably stands for a missing one: a maximum of a type, or a round large number that several jobs have."""
    large = np.flatnonzero((outcomes.status == FOUND) & (np.abs(outcomes.value) >= _LEAST_SENTINEL))
    if not large.size:
        return
    values, codes, counts = np.unique(outcomes.value[large], return_inverse=True, return_counts=True)
    odd = np.array([_is_sentinel(value, count) for value, count in zip(values.tolist(), counts.tolist(), strict=True)])
    for at in large[odd[codes]].tolist():
        value = float(outcomes.value[at])
        jobs = int(counts[np.searchsorted(values, value)])
        message = (
            f"{value!r} is the value of {jobs:,} job{'' if jobs == 1 else 's'}, and probably stands for a missing one"
        )
        yield Found(int(outcomes.job[at]), "sentinel", message)


def _is_sentinel(value: float, jobs: int) -> bool:
    size = abs(value)
    if size in _MAXIMA:
        return True
    digits = repr(size).partition("e")[0].replace(".", "").rstrip("0")
    return jobs > 1 and (len(digits) == 1 or set(digits) == {"9"} or size in _INTEGER_MAXIMA)
