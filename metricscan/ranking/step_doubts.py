"""Doubts that follow from steps and values alone: restarts, incomplete runs, missing or shared steps, placeholders."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import pyarrow as pa

from metricscan.logs.natural import natural
from metricscan.ranking.deciding_row import FOUND
from metricscan.ranking.step_facts import RESTARTED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from metricscan.datasets.rows import Array
    from metricscan.definitions.objective import Objective, Restarts
    from metricscan.ranking.deciding_row import Outcomes
    from metricscan.ranking.step_facts import Jumps, Returns, StepFacts

#: The kinds of these doubts, in the order in which those of a job are listed.
StepDoubtKind = Literal["diverged", "restarted", "incomplete", "values-per-step", "step-missing", "sentinel"]
# From this many rows per row of the step on, the step is taken to be missing, not shared by a few values.
_FAR_FEWER = 10
# A placeholder is at least this large.
_LEAST_SENTINEL = 1e9
_FLOAT32_MAX = float(2**128 - 2**104)
_MAXIMA = frozenset({sys.float_info.max, _FLOAT32_MAX, 3.4028235e38, 3.402823e38})
_INTEGER_MAXIMA = frozenset(float(2**bits - less) for bits in (31, 32, 63, 64) for less in (0, 1))


class Found(NamedTuple):
    """Doubts of one kind about several jobs, as columns: a million jobs may have them."""

    kind: StepDoubtKind
    job: Array
    message: pa.Array  # of string
    #: The stream, part, line and offset of a row of the step; None: the deciding row.
    place: tuple[Array, Array, Array, Array] | None = None


def of_returns(returns: Returns, restarts: Restarts, deciding: Array, streams: Sequence[str]) -> Iterator[Found]:
    """Jobs that were restarted, and those whose last run is incomplete.

    Parameters
    ----------
    returns : Returns
    restarts : {"keep", "purge", "split"}
        As :class:`Objective` takes it; with "keep" a restart is a doubt.
    deciding : int array
        The number of the stream of each job's deciding row, by the job's number.
    streams : sequence of str
        The names of the streams, by number.
    """
    some = np.flatnonzero((returns.shape == RESTARTED) | returns.is_incomplete)
    is_restarted = (returns.shape == RESTARTED) & (restarts == "keep")
    several = np.bincount(returns.job[some], minlength=len(deciding))[returns.job] > 1
    which = {
        "restarted": some[(is_restarted & ~several)[some]],
        "incomplete": some[(returns.is_incomplete & ~several)[some]],
    }
    times, goes_back_in = returns.times.copy(), np.ones(len(returns.job), dtype=np.int64)
    by_job: dict[int, list[int]] = {}
    for entry in some[several[some]].tolist():
        by_job.setdefault(int(returns.job[entry]), []).append(entry)
    chosen: dict[str, list[int]] = {"restarted": [], "incomplete": []}
    for job, entries in by_job.items():
        own = int(deciding[job])
        names = (int(returns.stream[entry]) for entry in entries)
        keys = {entry: (name != own, natural(streams[name])) for entry, name in zip(entries, names, strict=True)}
        entries.sort(key=keys.__getitem__)
        restarted = [entry for entry in entries if is_restarted[entry]]
        if restarted:
            times[restarted[0]], goes_back_in[restarted[0]] = returns.times[restarted].sum(), len(restarted)
        chosen["restarted"] += restarted[:1]
        chosen["incomplete"] += [entry for entry in entries if returns.is_incomplete[entry]][:1]
    for kind in ("restarted", "incomplete"):
        at = np.concatenate((which[kind], np.array(chosen[kind], dtype=np.int64)))
        if kind == "restarted":
            message = _messages(went_back, returns.before[at], returns.step[at], times[at], goes_back_in[at])
        else:
            message = _messages(_incomplete, returns.last[at], returns.most[at])
        place = (returns.stream[at], returns.part[at], returns.line[at], returns.offset[at])
        yield Found(kind, returns.job[at], message, place)


def of_jumps(jumps: Jumps, returns: Returns, restarts: Restarts) -> Iterator[Found]:
    """Jobs whose step jumps forward; not those that are told to be restarted anyway."""
    told = returns.job[(returns.shape == RESTARTED) & (restarts == "keep")]
    at = np.flatnonzero(~np.isin(jumps.job, told))
    # the first stream of each job; the jobs are in order
    at = at[np.concatenate((np.ones(min(len(at), 1), dtype=bool), jumps.job[at[1:]] != jumps.job[at[:-1]]))]
    message = _messages(jumped, jumps.before[at], jumps.step[at], jumps.usual[at])
    place = (jumps.stream[at], jumps.part[at], jumps.line[at], jumps.offset[at])
    yield Found("restarted", jumps.job[at], message, place)


def jumped(before: float, step: float, usual: float, counter: str = "the step") -> str:
    """What is said of a counter that jumps forward."""
    text = f"{counter} jumps from {before:g} to {step:g}, and rises by at most {usual:g} elsewhere"
    return f"{text}: a run that was resumed, or lines that are missing"


def went_back(before: float, step: float, times: int, streams: int, counter: str = "the step") -> str:
    """What is said of a counter that goes back so many times."""
    text = f"{counter} goes back from {before:g} to {step:g}"
    text += f", the last of {times:,} times" if times > 1 else ""
    text += f", in {streams:,} streams" if streams > 1 else ""
    return f"{text}: a run that was resumed, or several runs in one log"


def _incomplete(last: float, most: float) -> str:
    return f"its last run ended at step {last:g}, and one before it reached {most:g}"


def _messages(text: Callable[..., str], *columns: Array) -> pa.Array:
    """The message of each entry, made of the numbers that these columns have there.

    Each message is written once: a million equal ones take 0.1 s instead of 1.5 s.
    """
    codes = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        encoded = pa.array(column).dictionary_encode()
        # exact: both factors are at most the number of entries
        both = pa.array(codes * max(len(encoded.dictionary), 1) + encoded.indices.to_numpy()).dictionary_encode()
        codes = both.indices.to_numpy().astype(np.int64)
    distinct, first = np.unique(codes, return_index=True)
    written = map(text, *(column[first].tolist() for column in columns))
    # codes are numbered from 0 without gaps
    return pa.array(list(written) if len(distinct) else [], pa.string()).take(pa.array(codes))


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

    def none_has(count: int, own: int) -> str:
        none = f"no {name} was found in it" if not own else f"no {name} belongs to them"
        return f"none of its {count:,} rows has a step: {none}" if count > 1 else f"its row has no step: {none}"

    def some_have(count: int, without: int) -> str:
        return f"{without:,} of its {count:,} rows have no step; {name} may match only some of the steps"

    def share(count: int, own: int) -> str:
        return f"{count:,} rows of {metric} share {own:,} of {name}; the {which} of each step counts"

    def have_several(few: int, all_steps: int) -> str:
        steps_with = f"{few:,} of {all_steps:,} steps have" if all_steps > 1 else "its only step has"
        return f"{steps_with} several values; the {which} of each counts"

    without = (several | late) & (lacking == rows)
    late &= ~without
    shared &= ~without & ~late
    several &= ~without & ~late & ~shared
    kinds: tuple[tuple[StepDoubtKind, Array, Callable[..., str], tuple[Array, Array]], ...] = (
        ("step-missing", without, none_has, (rows, step_rows)),
        ("step-missing", late, some_have, (rows, lacking)),
        ("step-missing", shared, share, (rows, step_rows)),
        ("values-per-step", several, have_several, (outcomes.several_runs, outcomes.step_runs)),
    )
    for kind, concerned, text, columns in kinds:
        some = np.flatnonzero(concerned)
        yield Found(kind, outcomes.job[some], _messages(text, *(column[some] for column in columns)))


def of_divergences(outcomes: Outcomes, metric: str) -> Iterator[Found]:
    """Jobs with a value of which a stream ends with one that is not finite; the deciding row's stream comes first."""
    ends = outcomes.ends
    lost = np.flatnonzero(~np.isfinite(ends.value))
    if not lost.size:
        return
    at = np.searchsorted(outcomes.job, ends.job[lost])
    lost, at = lost[outcomes.status[at] == FOUND], at[outcomes.status[at] == FOUND]
    is_other = ends.stream[lost] != outcomes.stream[at]
    lost = lost[np.lexsort((is_other, ends.job[lost]))]
    lost = lost[np.diff(ends.job[lost], prepend=-1) > 0]
    place = ends.stream[lost], ends.part[lost], ends.line[lost], ends.offset[lost]

    def ended(value: float) -> str:
        return f"its last {metric} is {value!r}: the job has diverged"

    yield Found("diverged", ends.job[lost], pa.array([*map(ended, ends.value[lost].tolist())], pa.string()), place)


def of_sentinels(outcomes: Outcomes) -> Iterator[Found]:
    """Jobs whose value probably stands for a missing one: a maximum of a type, or a round large number that several jobs have."""
    large = np.flatnonzero((outcomes.status == FOUND) & (np.abs(outcomes.value) >= _LEAST_SENTINEL))
    if not large.size:
        return
    values, codes, counts = np.unique(outcomes.value[large], return_inverse=True, return_counts=True)
    odd = np.array([_is_sentinel(value, count) for value, count in zip(values.tolist(), counts.tolist(), strict=True)])
    some = odd[codes]
    yield Found("sentinel", outcomes.job[large[some]], _messages(_sentinel, values[codes[some]], counts[codes[some]]))


def _sentinel(value: float, jobs: int) -> str:
    return f"{value!r} is the value of {jobs:,} job{'' if jobs == 1 else 's'}, and probably stands for a missing one"


def _is_sentinel(value: float, jobs: int) -> bool:
    size = abs(value)
    if size in _MAXIMA:
        return True
    digits = repr(size).partition("e")[0].replace(".", "").rstrip("0")
    return jobs > 1 and (len(digits) == 1 or set(digits) == {"9"} or size in _INTEGER_MAXIMA)
