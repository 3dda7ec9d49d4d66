"""What the rows of the step say of a job: how far it came, and whether the step goes back, as after a restart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from metricscan.ranking.mentions import is_mention

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metricscan.datasets.rows import Array, Rows
    from metricscan.ranking.mentions import ValuesAtSteps

#: What the steps of a stream that go back look like. RESTARTED: a run that was resumed or started again. AGAIN: regular rounds,
#: such as folds, or the batches of an epoch. MIXED: no order, as where workers write to one log.
RESTARTED, AGAIN, MIXED = 1, 2, 3
# More rounds than this are those of a counter, such as the batch of an epoch: there are not so many runs or folds in a log.
_MOST_RUNS = 20
#: A rise is a jump if it is so many times as large as any other, of which some stand before it and behind it.
JUMP = 10
_LEAST_RISES = 3
_PART = 2.0**-10


class Returns(NamedTuple):
    """The streams whose step goes back, one entry per stream.

    Attributes
    ----------
    job, stream : int array
    shape : int8 array
        RESTARTED, AGAIN or MIXED.
    times : int64 array
        How often it goes back.
    before, step : float64 array
        The step from which, and to which, it goes back last.
    part, line, offset : int array
        The place of that step.
    least, last, most : float64 array
        The first step of the stream, its last one, and the greatest one before the last return.
    is_incomplete : bool array
        Whether the last run began at the first step, and ended before it came half as far as another.
    """

    job: Array
    stream: Array
    shape: Array
    times: Array
    before: Array
    step: Array
    part: Array
    line: Array
    offset: Array
    least: Array
    last: Array
    most: Array
    is_incomplete: Array


class Jumps(NamedTuple):
    """The streams whose step rises by far more at one place than anywhere else, one entry per stream.

    Attributes
    ----------
    job, stream : int array
    before, step : float64 array
        The step from which, and to which, it rises there.
    usual : float64 array
        By how much it rises elsewhere, at most.
    part, line, offset : int array
        The place of that step.
    """

    job: Array
    stream: Array
    before: Array
    step: Array
    usual: Array
    part: Array
    line: Array
    offset: Array


class StepFacts(NamedTuple):
    """What the rows of the step say of jobs, one entry per job that has such rows.

    Attributes
    ----------
    job : int array
    rows, not_finite : int64 array
        The rows of the step, and those that are not finite.
    last : float64 array
        The last step: of each stream the last finite one, and of these the greatest; NaN if there is none.
    back : int64 array
        How often a step is less than the one before it in its stream.
    returns : Returns
        The streams whose step goes back.
    jumps : Jumps
        The streams whose step never goes back, and jumps forward once.
    """

    job: Array
    rows: Array
    not_finite: Array
    last: Array
    back: Array
    returns: Returns
    jumps: Jumps

    @classmethod
    def joined(cls, parts: Sequence[StepFacts]) -> StepFacts:
        """The facts of all parts, one after the other."""
        columns = [np.concatenate(column) for column in zip(*(part[:-2] for part in parts), strict=True)]
        returns = Returns(*map(np.concatenate, zip(*(part.returns for part in parts), strict=True)))
        jumps = Jumps(*map(np.concatenate, zip(*(part.jumps for part in parts), strict=True)))
        return cls._make([*columns, returns, jumps])


def step_facts(steps: Rows, values: Sequence[ValuesAtSteps] = ()) -> StepFacts:
    """The facts that rows of the step tell, which are in any order.

    Parameters
    ----------
    steps : Rows
    values : sequence of ValuesAtSteps
        The values of other metrics there, by which a mention of a step is told from a run that was resumed.
    """
    job, stream, part, start, value = steps.job, steps.stream, steps.part, steps.start, steps.value
    order = placed(steps)
    if order is not None:
        job, stream, start, value = job[order], stream[order], start[order], value[order]
        part = None if part is None else part[order]
    nothing = Returns(*(np.empty(0, dtype=kind) for kind in _KINDS))
    if not len(job):
        none = np.empty(0, np.int64)
        return StepFacts(job, none, none, np.empty(0), none, nothing, _no_jumps())
    # the usual case, steps that are finite and rise, takes few passes over the rows
    new_job = job[1:] != job[:-1]
    starts = np.concatenate(([0], np.flatnonzero(new_job) + 1))
    new_stream = new_job | (stream[1:] != stream[:-1])
    heads = np.concatenate(([0], np.flatnonzero(new_stream) + 1))
    ends = np.append(heads[1:], len(job)) - 1
    back = np.zeros(len(job), dtype=bool)
    np.less(value[1:], value[:-1], out=back[1:])
    back[heads] = False
    finite = np.isfinite(value)
    are_finite = bool(finite.all())
    last = value[ends]
    goes_back = back
    if not are_finite:
        at = np.flatnonzero(finite)
        # a step that is not finite may stand between
        streams, known = _numbers_of(heads, len(job))[at], value[at]
        goes_back = back.copy()
        goes_back[at[1:]] |= (known[1:] < known[:-1]) & (streams[1:] == streams[:-1])
        nearest = np.searchsorted(at, ends, side="right") - 1
        found = nearest >= np.searchsorted(at, heads)
        last = np.where(found, value[at[nearest]] if at.size else np.nan, np.nan)
    firsts = np.searchsorted(ends, starts)
    with np.errstate(invalid="ignore"):
        reached = np.fmax.reduceat(last, firsts)
    returns = nothing
    if goes_back.any():
        number = _numbers_of(heads, len(job))
        involved = np.zeros(int(number[-1]) + 1, dtype=bool)
        involved[number[goes_back]] = True
        some = np.flatnonzero(involved[number] & finite)
        place = some if order is None else order[some]
        if some.size:
            returns = _returns(steps, number[some], place, values)
    not_finite = np.zeros(len(starts), np.int64) if are_finite else np.add.reduceat(~finite, starts, dtype=np.int64)
    times = np.add.reduceat(back, starts, dtype=np.int64) if back.any() else np.zeros(len(starts), np.int64)
    rows = order
    if not are_finite:
        some = np.flatnonzero(finite)
        number, value = _numbers_of(heads, len(job))[some], value[some]
        heads = np.flatnonzero(np.diff(number, prepend=-1))
        rows = some if order is None else order[some]
    jumps = _jumps(steps, value, heads, rows)
    return StepFacts(job[starts], np.diff(starts, append=len(job)), not_finite, reached, times, returns, jumps)


def _numbers_of(heads: Array, size: int) -> Array:
    """The number of the stream of each row, where the streams begin at these rows."""
    return np.repeat(np.arange(len(heads)), np.diff(heads, append=size))


def _jumps(steps: Rows, value: Array, heads: Array, row: Array | None) -> Jumps:
    """Where these finite steps jump, which are in the order of their places; with the first row of each stream.

    ``row`` has the number of each among all rows of the step; None: its place here.
    """
    if len(value) < 2 * _LEAST_RISES:
        return _no_jumps()
    lengths = np.diff(heads, append=len(value))
    rise = np.zeros(len(value))
    with np.errstate(over="ignore"):
        np.subtract(value[1:], value[:-1], out=rise[1:])
        rise[heads] = 0.0
        # the usual case: no rise is small beside the greatest of all streams
        most = rise.max() / JUMP * (1 + 1e-9)
        if not ((rise > 0) & (rise <= most)).any():
            return _no_jumps()
        greatest = np.maximum.reduceat(rise, heads)
        # the mean of the others is at most the greatest of them, but for rounding: few streams are left. Sums of small parts are
        # finite
        first, last = value[heads] * _PART, value[heads + lengths - 1] * _PART
        others, slack = last - first - greatest * _PART, 1e-9 * (np.abs(first) + np.abs(last))
        odd = (lengths > 2 * _LEAST_RISES + 1) & np.isfinite(greatest)
        odd &= greatest * _PART * np.maximum(lengths - 2, 1) >= 0.99 * JUMP * (others - slack)
    if odd.any():
        # a stream whose step goes back has no jump
        odd[odd] = np.minimum.reduceat(np.append(rise, 0.0), _pairs(heads, lengths, odd))[::2] >= 0
    if not odd.any():
        return _no_jumps()
    some = np.flatnonzero(np.repeat(odd, lengths))
    lengths, greatest = lengths[odd], greatest[odd]
    stream = np.repeat(np.arange(len(lengths)), lengths)
    value, row, rise = value[some], some if row is None else row[some], rise[some]
    heads = np.cumsum(lengths) - lengths
    at = np.flatnonzero(rise == np.repeat(greatest, lengths))
    at = at[np.concatenate(([True], stream[at[1:]] != stream[at[:-1]]))]
    rest = rise.copy()
    rest[at] = 0.0
    usual = np.maximum.reduceat(rest, heads)
    rises = np.cumsum(rise > 0)
    before = rises[at] - 1 - rises[heads]
    after: Array = rises[heads + lengths - 1] - rises[at]
    which = (usual > 0) & (greatest >= JUMP * usual) & (before >= _LEAST_RISES) & (after >= _LEAST_RISES)
    at, usual = at[which], usual[which]
    own = row[at]
    part = np.zeros(len(own), np.int32) if steps.part is None else steps.part[own]
    place = (part, steps.line[own], steps.offset[own])
    return Jumps(steps.job[own], steps.stream[own], value[at - 1], value[at], usual, *place)


def _pairs(heads: Array, lengths: Array, which: Array) -> Array:
    """The first row and the one behind the last of these streams, in turn."""
    return np.column_stack((heads[which], (heads + lengths)[which])).ravel()


def _no_jumps() -> Jumps:
    return Jumps(*(np.empty(0, dtype=kind) for kind in _KINDS_OF_JUMPS))


def placed(rows: Rows) -> Array | None:
    """The order of rows by job, stream and place; None if they already are in it."""
    keys = [rows.job, rows.stream, *(() if rows.part is None else (rows.part,)), rows.start]
    goes_back, same = np.zeros(max(len(rows.job) - 1, 0), dtype=bool), None
    for key in keys:
        less = key[1:] < key[:-1]
        goes_back |= less if same is None else same & less
        equal = key[1:] == key[:-1]
        same = equal if same is None else same & equal
    return np.lexsort(keys[::-1]) if goes_back.any() else None


def returning(value: Array, number: Array, row: Array, values: Sequence[ValuesAtSteps]) -> Array:
    """Where the step goes back and goes on from there: the rows with which another run may begin.

    A single lower step is no return if a higher one than before follows it. Nor is it if it is the last row, not the first
    step of the stream, and a mention: so a log tells which step was the best.

    Parameters
    ----------
    value : float64 array
        Finite steps in the order of their places, stream by stream.
    number : int array
        The number of the stream of each.
    row : int array
        The number of each among all rows of the step.
    values : sequence of ValuesAtSteps
        By which :func:`is_mention` decides.

    Returns
    -------
    bool array
    """
    size = len(value)
    found = np.zeros(size, dtype=bool)
    if size < 2:
        return found
    same = number[1:] == number[:-1]
    found[1:] = same & (value[1:] < value[:-1])
    is_last = np.append(~same, True)
    found[1:-1] &= is_last[1:-1] | (value[2:] <= value[:-2])
    single = np.flatnonzero(found & is_last)
    begins = np.flatnonzero(np.concatenate(([True], ~same)))
    single = single[value[single] != value[begins[np.searchsorted(begins, single, side="right") - 1]]]
    if single.size:
        found[single[is_mention(value, number, row, single, values)]] = False
    return found


def _returns(steps: Rows, number: Array, row: Array, values: Sequence[ValuesAtSteps]) -> Returns:
    """What these rows of the step look like, all finite ones of some streams in the order of their places."""
    value = steps.value[row]
    event = returning(value, number, row, values)
    begins = np.concatenate(([True], number[1:] != number[:-1]))
    heads = np.flatnonzero(begins)
    times = np.add.reduceat(event, heads, dtype=np.int64)
    lower, higher = np.zeros(len(value), dtype=bool), np.zeros(len(value), dtype=bool)
    lower[1:], higher[1:] = (value[1:] < value[:-1]) & ~begins[1:], (value[1:] > value[:-1]) & ~begins[1:]
    backs, forwards = (np.add.reduceat(one, heads, dtype=np.int64) for one in (lower, higher))
    # the runs between returns
    run_starts = np.flatnonzero(begins | event)
    first, end = value[run_starts], np.maximum.reduceat(value, run_starts)
    head_runs = np.searchsorted(run_starts, heads)
    last_runs = np.append(head_runs[1:], len(run_starts)) - 1
    is_last = np.zeros(len(run_starts), dtype=bool)
    is_last[last_runs] = True
    counts = last_runs - head_runs + 1
    # rounds: four of five begin and end at the same steps; the last one may be going on
    stream = np.repeat(np.arange(len(heads)), counts)
    middle = head_runs + counts // 2
    usual_first, usual_end = (np.repeat(one[np.lexsort((one, stream))][middle], counts) for one in (first, end))
    examined = ~is_last | (end >= usual_end)
    regular = examined & (first == usual_first) & (end == usual_end)
    rounds, all_rounds = (np.add.reduceat(one, head_runs, dtype=np.int64) for one in (regular, examined))
    again = (times >= 2) & (5 * rounds >= 4 * all_rounds)
    mixed = (forwards < times) | ((times >= 3) & (4 * times > forwards + backs))
    shape = np.where(again, AGAIN, np.where(mixed, MIXED, RESTARTED)).astype(np.int8)
    most = np.maximum.reduceat(np.where(is_last, -np.inf, end), head_runs)
    at = run_starts[last_runs]
    last_end = end[last_runs]
    incomplete = (shape != MIXED) & (times <= _MOST_RUNS) & (first[last_runs] == first[head_runs])
    with np.errstate(over="ignore"):
        incomplete &= 2 * (last_end - first[head_runs]) < most - first[head_runs]
    part = np.zeros(len(at), np.int32) if steps.part is None else steps.part[row[at]]
    columns = (
        *(steps.job[row[heads]], steps.stream[row[heads]], shape, times, value[at - 1], value[at]),
        *(part, steps.line[row[at]], steps.offset[row[at]], first[head_runs], last_end, most, incomplete),
    )
    which = times > 0
    return Returns(*(column[which] for column in columns))


_KINDS: tuple[Any, ...] = (
    *(np.int64, np.int64, np.int8, np.int64, np.float64, np.float64),
    *(np.int32, np.int64, np.int64, np.float64, np.float64, np.float64, np.bool_),
)
_KINDS_OF_JUMPS: tuple[Any, ...] = (
    *(np.int64, np.int64, np.float64, np.float64, np.float64),
    *(np.int32, np.int64, np.int64),
)
