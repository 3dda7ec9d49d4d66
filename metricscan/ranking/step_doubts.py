"""Doubts that follow from steps and values alone: restarts, incomplete runs, missing or shared steps, placeholders."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from metricscan.logs.natural import natural
from metricscan.ranking.deciding_row import FOUND
from metricscan.ranking.step_facts import RESTARTED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
    returns: Returns, restarts: Restarts, deciding: Callable[[int], int | None], stream: Callable[[int], str]
) -> Iterator[Found]:
    """Jobs that were restarted, and those whose last run is incomplete.

    Parameters
    ----------
    returns : Returns
    restarts : {"keep", "purge", "split"}
        As :class:`Objective` takes it; with "keep" a restart is a doubt.
    deciding : callable
        Returns the number of the stream of a job's deciding row.
    stream : callable
        Returns the name of a stream.
    """
    by_job: dict[int, list[int]] = {}
    for at in np.flatnonzero((returns.shape == RESTARTED) | returns.is_incomplete).tolist():
        by_job.setdefault(int(returns.job[at]), []).append(at)
    for job, some in by_job.items():
        own = deciding(job)
        some.sort(key=lambda at: (returns.stream[at] != own, natural(stream(int(returns.stream[at])))))
        restarted = [at for at in some if returns.shape[at] == RESTARTED and restarts == "keep"]
        if restarted:
            at, times = restarted[0], int(returns.times[restarted].sum())
            text = f"the step goes back from {returns.before[at]:g} to {returns.step[at]:g}"
            text += f", the last of {times:,} times" if times > 1 else ""
            text += f", in {len(restarted):,} streams" if len(restarted) > 1 else ""
            yield Found(
                job, "restarted", f"{text}: a run that was resumed, or several runs in one log", _place(returns, at)
            )
        for last in [at for at in some if returns.is_incomplete[at]][:1]:
            message = (
                f"its last run ended at step {returns.last[last]:g}, and one before it reached {returns.most[last]:g}"
            )
            yield Found(job, "incomplete", message, _place(returns, last))


def _place(returns: Returns, at: int) -> tuple[int, int, int, int]:
    return int(returns.stream[at]), int(returns.part[at]), int(returns.line[at]), int(returns.offset[at])


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
    for number in np.flatnonzero(several | late):
        at = int(number)
        job, count = int(outcomes.job[at]), int(rows[at])
        if lacking[at] == count:
            none = f"no {name} was found in it" if not step_rows[at] else f"no {name} belongs to them"
            message = f"none of its {count:,} rows has a step: {none}" if count > 1 else f"its row has no step: {none}"
            yield Found(job, "step-missing", message)
        elif late[at]:
            message = (
                f"{int(lacking[at]):,} of its {count:,} rows have no step; {name} may match only some of the steps"
            )
            yield Found(job, "step-missing", message)
        elif shared[at]:
            message = (
                f"{count:,} rows of {metric} share {int(step_rows[at]):,} of {name}; the {which} of each step counts"
            )
            yield Found(job, "step-missing", message)
        else:
            few, all_steps = int(outcomes.several_runs[at]), int(outcomes.step_runs[at])
            steps_with = f"{few:,} of {all_steps:,} steps have" if all_steps > 1 else "its only step has"
            message = f"{steps_with} several values; the {which} of each counts"
            yield Found(job, "values-per-step", message)


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
