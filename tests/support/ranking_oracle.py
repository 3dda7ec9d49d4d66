"""The ranking as the contract defines it: one job after the other, one comparison after the other."""

import functools
import itertools
import math
import statistics
import sys
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple


class Row(NamedTuple):
    stream: str
    value: float
    line: int
    offset: int
    start: int
    time: int | None = None
    step: float | None = None
    part: int = 0
    run: int = 0
    #: The place of the row of the step that it has, by part and start.
    step_at: tuple[int, int] | None = None


def natural(name):
    """Numbers before text, a part before what continues it."""
    parts = "".join(one if one.isdecimal() else f"\n{one}\n" for one in name).split("\n")
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part], name


def block(row, separators):
    """The number of the row's block in its stream; the record of a separator belongs to the block that it begins."""
    return sum((one.part, one.offset) <= (row.part, row.offset) for one in separators)


def step_in_force(row, steps, place="before", separators=()):
    """Of the row's record, the last step up to the row, else the first.

    Else, in any piece: the last before the record; the first behind it; or of the row's block, the last before, else the first.
    """
    record = (row.part, row.offset)
    in_record = [step for step in steps if (step.part, step.offset) == record]
    before = [step for step in in_record if step.start <= row.start]
    earlier = [step for step in steps if (step.part, step.offset) < record]
    if before:
        return max(before, key=lambda step: step.start).value
    if in_record:
        return min(in_record, key=lambda step: step.start).value
    later = [step for step in steps if (step.part, step.offset) > record]
    if place == "block":
        own = block(row, separators)
        earlier, later = ([step for step in some if block(step, separators) == own] for some in (earlier, later))
    if earlier and place != "after":
        return max(earlier, key=lambda step: (step.part, step.start)).value
    if later and place != "before":
        return min(later, key=lambda step: (step.part, step.start)).value
    return None


def label_in_force(row, labels, rows, *, carried):
    """The label of a row among rows of its metric; all are of one stream.

    Of the row's record, the last label up to the row, else the first, unless that is the last one before another row. Else, if
    it is carried, the last before the record.
    """
    record = (row.part, row.offset)
    labels = sorted(labels, key=lambda label: (label.part, label.start))
    own = [label for label in labels if (label.part, label.offset) == record]

    def last_up_to(one):
        return next((label for label in reversed(own) if label.start <= one.start), None)

    others = [last_up_to(one) for one in rows if (one.part, one.offset) == record]
    earlier = [label for label in labels if (label.part, label.offset) < record]
    if last_up_to(row) is not None:
        return last_up_to(row).value
    if own and own[0] not in others:
        return own[0].value
    return earlier[-1].value if earlier and carried else None


def steps_back(steps):
    """How often the step of a stream goes back."""
    last, count = {}, 0
    for step in sorted(steps, key=lambda step: (step.part, step.start)):
        count += step.stream in last and step.value < last[step.stream]
        last[step.stream] = step.value
    return count


def by_stream(steps, rows=()):
    """For each stream its finite steps, in the order of their places; and whether a run of one row that was resumed ends it."""
    found = {}
    for step in sorted(steps, key=lambda step: (step.part, step.start)):
        if math.isfinite(step.value):
            found.setdefault(step.stream, []).append(step)
    return {
        stream: ([step.value for step in some], is_resumed(some, [row for row in rows if row.stream == stream]))
        for stream, some in found.items()
    }


def is_resumed(steps, *metrics):
    """Whether the last step of a stream, lower than the one before it, is that of a run, and mentions no earlier step.

    The metrics are the rows of each of those that decide in the stream. A run has values of its own: at a step that the stream
    did not have, or at one at which it had only others.
    """

    def values_at(some, rows):
        places = {(step.part, step.start) for step in some}
        return [row.value for row in rows if row.step_at in places]

    before = [step for step in steps[:-1] if step.value == steps[-1].value]
    if not before:
        return any(values_at(steps[-1:], rows) for rows in metrics)
    pairs = [(values_at(steps[-1:], rows), values_at(before, rows)) for rows in metrics]
    compared = [(value, other) for own, earlier in pairs for value in own for other in earlier]
    return bool(compared) and not any(itertools.starmap(may_be_same, compared))


def may_be_same(value, other):
    """Whether a value is another one, or what that is when it is rounded to as many digits, of which there are at least two."""
    if value == other or (math.isnan(value) and math.isnan(other)):
        return True
    if not (math.isfinite(value) and math.isfinite(other) and value):
        return False
    for decimals in range(9):
        digits = Fraction(repr(value)) * 10**decimals
        if digits.denominator == 1 and abs(digits) >= 10:
            slack = Fraction(1, 2 * 10**decimals) * (1 + Fraction(1, 10**9))
            return abs(Fraction(value) - Fraction(other)) <= slack
    return False


def runs_of(values, *, resumed=False):
    """The steps of a stream, cut where they go back and go on from there.

    A single lower step is none of these places if a higher one than before follows. Nor is it if it ends the stream elsewhere
    than at its first step, unless a run was resumed there.
    """
    runs = []
    for at, value in enumerate(values):
        goes_back = at > 0 and value < values[at - 1]
        if goes_back and at + 1 < len(values):
            goes_back = values[at + 1] <= values[at - 1]
        elif goes_back:
            goes_back = resumed or value == values[0]
        if goes_back or not runs:
            runs.append([])
        runs[-1].append(value)
    return runs


def shape_of(values, resumed):
    """What the steps of a stream look like, which are given in order; there is at least one."""
    runs = runs_of(values, resumed=resumed)
    times = len(runs) - 1
    changes = [after - before for before, after in itertools.pairwise(values)]
    up, down = sum(change > 0 for change in changes), sum(change < 0 for change in changes)
    ends = [max(run) for run in runs]
    usual = (sorted(run[0] for run in runs)[len(runs) // 2], sorted(ends)[len(runs) // 2])
    rounds = [(run[0], end) for run, end in zip(runs, ends, strict=True)]
    if ends[-1] < usual[1]:
        rounds.pop()
    if times >= 2 and 5 * rounds.count(usual) >= 4 * len(rounds):
        return "again"
    if times and (up < times or (times >= 3 and 4 * times > up + down)):
        return "mixed"
    return "restarted" if times else "forward"


def is_incomplete(values, resumed):
    """Whether the last of several runs began at the first step, and ended before it came half as far as another."""
    runs = runs_of(values, resumed=resumed)
    if len(runs) < 2 or shape_of(values, resumed) == "mixed" or len(runs) > 21 or runs[-1][0] != runs[0][0]:
        return False
    begin = runs[0][0]
    return 2 * (max(runs[-1]) - begin) < max(map(max, runs[:-1])) - begin


def jumps(values):
    """Whether steps that never go back rise ten times as much at one place as elsewhere, and three times before and behind it."""
    rises = [after - before for before, after in itertools.pairwise(values) if after != before]
    if len(rises) < 7 or min(rises) < 0:
        return False
    at = rises.index(max(rises))
    others = rises[:at] + rises[at + 1 :]
    return math.isfinite(rises[at]) and rises[at] >= 10 * max(others) and 3 <= at <= len(rises) - 4


def runs_of_values(rows):
    """The values of the rows that follow each other with one step; a bar that is redrawn on its line has one value, the last."""
    runs = []
    last = None
    for row in in_order(rows):
        if last is None or not has_step(row) or (last.stream, last.step) != (row.stream, row.step):
            if has_step(row):
                runs.append([row.value])
        elif last.line == row.line and last.offset != row.offset:
            runs[-1][-1] = row.value
        else:
            runs[-1].append(row.value)
        last = row
    return runs


def doubt_of_steps(rows, steps, per_step):
    """The doubt about the steps of a job's values, if there is one: "step-missing" or "values-per-step"."""
    lacking, runs = sum(not has_step(row) for row in rows), runs_of_values(rows)
    varied = sum(any(repr(one + 0.0) != repr(other + 0.0) for one, other in itertools.pairwise(run)) for run in runs)
    if rows and (lacking == len(rows) or (lacking > 1 and 10 * lacking >= len(rows))):
        return "step-missing"
    if varied and 5 * varied >= 4 * len(runs) and per_step in ("last", "first"):
        return "step-missing" if len(rows) >= 10 * len(steps) else "values-per-step"
    return None


def last_step(steps):
    """The last step of a job: of each stream the last finite one, and of these the greatest."""
    last = {}
    for step in sorted(steps, key=lambda step: (step.part, step.start)):
        if math.isfinite(step.value):
            last[step.stream] = step.value
    return max(last.values(), default=None)


def behind(last_steps, statuses):
    """The jobs whose last step is below half of the median last step of those that were not stopped."""
    counting = [step for name, step in last_steps.items() if step is not None and statuses.get(name) != "Stopped"]
    if not counting or statistics.median(counting) <= 0:
        return set()
    half = statistics.median(counting) / 2
    return {name for name, step in last_steps.items() if step is not None and step < half}


def has_diverged(rows):
    """Whether the last value of a stream is not finite; these rows count, and are in order."""
    last = {row.stream: row.value for row in rows}
    return not all(map(math.isfinite, last.values()))


def is_sentinel(value, values):
    """Whether the value of a job probably stands for a missing one; ``values`` are those of all jobs."""
    size = abs(value)
    if size < 1e9:
        return False
    largest = (sys.float_info.max, 2.0**128 - 2.0**104, 3.4028235e38, 3.402823e38)
    digits = set(str(Decimal(repr(size)).normalize().as_tuple().digits)) - set("(), ")
    count = len(Decimal(repr(size)).normalize().as_tuple().digits)
    round_number = (
        count == 1 or digits == {"9"} or size in (2.0**31 - 1, 2.0**31, 2.0**32 - 1, 2.0**32, 2.0**63, 2.0**64)
    )
    return size in largest or (round_number and sum(value == other for other in values) > 1)


def in_order(rows):
    """Rows of a job, which are given in any order."""
    if all(row.time is not None for row in rows):
        return sorted(rows, key=lambda row: (row.time, natural(row.stream), row.part, row.start))
    return sorted(rows, key=lambda row: (natural(row.stream), row.part, row.start))


def mean(values, *, exact=False):
    finite = [value for value in values if math.isfinite(value)]
    if len(finite) < len(values):
        return sum(value for value in values if not math.isfinite(value))
    total = sum(map(Fraction, values))
    if exact:
        return float(total / len(values))
    # as statistics.fmean, which gives up where a sum on the way is too large
    try:
        return float(total) / len(values)
    except OverflowError:
        return float(total / len(values))


def step_row_in_force(row, steps, place="before", separators=()):
    """The row of the step whose value :func:`step_in_force` gives; None if there is none."""
    numbered = [step._replace(value=at) for at, step in enumerate(steps)]
    at = step_in_force(row, numbered, place, separators)
    return None if at is None else steps[at]


def run_between(row, starts):
    """The run of a row by the records of its stream that begin runs; what stands before them belongs to the first one."""
    return max(
        len({(one.part, one.offset) for one in starts if (one.part, one.offset) <= (row.part, row.offset)}) - 1, 0
    )


def run_by_records(row, step, steps, starts, restarts):
    """The run of a row, whose step is that of this row of the step, by the records that begin runs."""
    if restarts == "split":
        return run_between(row, starts)
    if step is None or restarts == "keep" or not math.isfinite(step.value):
        return 0
    firsts = {}
    for one in sorted(steps, key=lambda one: (one.part, one.start)):
        if math.isfinite(one.value):
            firsts.setdefault(run_between(one, starts), one.value)
    own = run_between(step, starts)
    return -1 if any(step.value >= first for run, first in firsts.items() if run > own) else 0


def joined(metrics, steps, deciding, restarts="keep", place="before", separators=()):
    """The rows of the metrics of a job, by name, each with its step and its run; the names of those that decide are given."""
    found = {name: [] for name in metrics}
    for stream in {row.stream for rows in metrics.values() for row in rows}:
        own, apart = ([one for one in some if one.stream == stream] for some in (steps, separators))
        for name, rows in metrics.items():
            for row in rows:
                if row.stream == stream:
                    step = step_row_in_force(row, own, place, apart)
                    at = None if step is None else (step.part, step.start)
                    found[name].append(row._replace(step=None if step is None else step.value, step_at=at))
        values = [[row for row in found[name] if row.stream == stream] for name in deciding]
        for rows in found.values():
            for number, row in enumerate(rows):
                if row.stream == stream:
                    rows[number] = row._replace(run=run_of(row, own, restarts, values))
    return found


def run_of(row, steps, restarts, metrics):
    """The run of a row by the steps of its stream; -1 if a later run replaced it. ``metrics`` are the rows of those that decide.

    A row without a step belongs to the run in which it stands.
    """
    step = next((one for one in steps if (one.part, one.start) == row.step_at), None)
    if step is None and restarts == "split":
        step = step_row_in_force(row, steps)
    if restarts == "keep" or step is None:
        return 0
    ordered = sorted(steps, key=lambda one: (one.part, one.start))
    finite = [one for one in ordered if math.isfinite(one.value)]
    resumed = bool(finite) and is_resumed(finite, *metrics)
    runs = runs_of([one.value for one in finite], resumed=resumed)
    lengths = list(itertools.accumulate(map(len, runs)))
    if restarts == "purge":
        if not math.isfinite(step.value):
            return 0
        own = sum(end <= finite.index(step) for end in lengths)
        return -1 if any(step.value >= run[0] for run in runs[own + 1 :]) else 0
    before = [one for one in finite if (one.part, one.start) <= (step.part, step.start)]
    return sum(end <= len(before) - 1 for end in lengths) if before else 0


def has_step(row):
    return row.step is not None and not math.isnan(row.step)


def counting(rows, per_step="last", from_step=None):
    """The rows that count, in order: with a step, one of each step of a stream."""
    rows = in_order(rows)
    if from_step is not None:
        rows = [row for row in rows if has_step(row) and row.step >= from_step]
    rows = [row for row in rows if row.run >= 0]
    if per_step == "all":
        return rows
    kept = []
    for row in rows:
        same = [other for other in rows if (other.stream, other.run, other.step) == (row.stream, row.run, row.step)]
        if not has_step(row) or len(same) == 1:
            kept.append(row)
        elif per_step == "mean" and row is same[-1]:
            kept.append(row._replace(value=mean([other.value for other in same])))
        elif row is same[0 if per_step == "first" else -1] and per_step != "mean":
            kept.append(row)
    return kept


def smoothed(rows, scope, exact):
    """The values of the smoothed curve: (value, row, the rows of which it is made); rows are finite."""
    kind, number = scope.split(":")
    if kind == "window":
        size = min(int(number), len(rows))
        return (
            [(mean([row.value for row in some], exact=exact), some[-1], some) for some in windows(rows, size)]
            if rows
            else []
        )
    weight, fresh = float(number), 1 - float(number)
    last, total, found = 0.0, 0.0, []
    for at, row in enumerate(rows):
        last = last * weight + row.value * fresh
        total = total * weight + fresh
        found.append((last / total, row, rows[: at + 1]))
    return found


def windows(rows, size):
    return [rows[at : at + size] for at in range(len(rows) - size + 1)]


def outcome(rows, goal, scope, *, exact=False):
    """(status, value, deciding row, the rows of which the value is made) of a job, of whose rows these count."""
    if not rows:
        return "missing", None, None, []
    least = scope == "min" or (scope != "max" and goal == "Minimize")
    if scope == "last":
        window, decide = rows[-1:], mean_of_one
    elif scope == "first":
        window, decide = rows[:1], mean_of_one
    elif scope == "mean":
        window, decide = rows, functools.partial(mean, exact=exact)
    elif scope.startswith("last-"):
        window, decide = rows[-int(scope[5:]) :], functools.partial(mean, exact=exact)
    elif ":" in scope:
        made = smoothed([row for row in rows if math.isfinite(row.value)], scope, exact)
        made = [one for one in made if math.isfinite(one[0])]
        if not made:
            return "not_finite", rows[-1].value, rows[-1], rows[-1:]
        value, row, window = (min if least else max)(made, key=lambda one: one[0])
        return "found", value, row, window
    else:
        window = rows
        if scope.startswith("best@"):
            low, _, high = scope[5:].rpartition("..")
            window = [row for row in rows if has_step(row) and float(low or -math.inf) <= row.step <= float(high)]
        finite = [row for row in window if math.isfinite(row.value)]
        if finite:
            row = (min if least else max)(finite, key=lambda row: row.value)
            return "found", row.value, row, [row]
        if window:
            return "not_finite", window[-1].value, window[-1], window[-1:]
        return "missing", None, None, []
    finite = all(math.isfinite(row.value) for row in window)
    return "found" if finite else "not_finite", decide([row.value for row in window]), window[-1], window


def mean_of_one(values):
    return values[0]


def rank(
    jobs,
    goal,
    scope,
    statuses=None,
    *,
    steps=None,
    per_step="last",
    from_step=None,
    restarts="keep",
    cut=(),
    completed_only=False,
    min_step=None,
    exclude=(),
):
    """Rows of the ranking: ``jobs`` maps each name to its rows, and ``steps`` to those of the step.

    ``cut`` are the values that are not whole, by job, stream, part and start.
    """
    statuses = statuses or {}
    per_step = "all" if steps is None else per_step
    of_jobs = {name: counting(rows, per_step, from_step) for name, rows in jobs.items()}
    outcomes = {name: outcome(rows, goal, scope, exact=steps is not None) for name, rows in of_jobs.items()}
    of_step = {name: (steps or {}).get(name, []) for name in jobs}
    finite = [value for status, value, *_ in outcomes.values() if status == "found"]
    last_steps = {name: last_step(of_step[name]) for name in jobs}
    streams = {name: by_stream(of_step[name], jobs[name]) for name in jobs}
    shapes = {name: {shape_of(*one) for one in streams[name].values()} for name in jobs}
    slow = behind(last_steps, statuses) if steps is not None else set()
    doubts = {
        name: [
            kind
            for kind, holds in (
                ("diverged", outcomes[name][0] == "found" and has_diverged(of_jobs[name])),
                ("cut-value", any((name, row.stream, row.part, row.start) in cut for row in outcomes[name][3])),
                ("behind", name in slow),
                ("several-streams", len({row.stream for row in rows}) > 1),
                (
                    "restarted",
                    ("restarted" in shapes[name] and restarts == "keep")
                    or any(jumps(values) for values, _ in streams[name].values()),
                ),
                ("incomplete", any(is_incomplete(*one) for one in streams[name].values())),
                (
                    "values-per-step",
                    steps is not None and doubt_of_steps(rows, of_step[name], per_step) == "values-per-step",
                ),
                ("step-missing", steps is not None and doubt_of_steps(rows, of_step[name], per_step) == "step-missing"),
                ("sentinel", outcomes[name][0] == "found" and is_sentinel(outcomes[name][1], finite)),
                ("running", outcomes[name][0] != "missing" and statuses.get(name) == "InProgress"),
            )
            if holds
        ]
        for name, rows in jobs.items()
    }

    def shown(name):
        status = outcomes[name][0]
        if status == "missing" and steps is not None and jobs[name] and not any(map(has_step, jobs[name])):
            return "no_step"
        if status == "found" and min_step is not None and (last_steps[name] is None or last_steps[name] < min_step):
            return "below_min_step"
        return "excluded" if status == "found" and set(doubts[name]) & set(exclude) else status

    def group(name):
        status = outcomes[name][0]
        if status != "found":
            return {"not_finite": 2, "missing": 3}[status]
        if shown(name) != "found":
            return 1
        if completed_only:
            return int(statuses.get(name) != "Completed")
        return int(statuses.get(name) not in (None, "Completed", "Stopped", "InProgress"))

    def better(value, other):
        return value < other if goal == "Minimize" else value > other

    def before(one, other):
        if group(one) != group(other):
            return group(one) - group(other)
        value, value_2 = outcomes[one][1], outcomes[other][1]
        if group(one) <= 1 and value != value_2:
            return -1 if better(value, value_2) else 1
        return -1 if natural(one) < natural(other) else 1

    rivals = [outcomes[name][1] for name in jobs if group(name) == 0]
    result = []
    for name in sorted(jobs, key=functools.cmp_to_key(before)):
        _, value, row, _ = outcomes[name]
        placed = group(name) == 0
        result.append(
            {
                "rank": 1 + sum(better(rival, value) for rival in rivals) if placed else None,
                "job": name,
                "value": value,
                "objective_status": shown(name),
                "doubts": doubts[name],
                "job_status": statuses.get(name),
                "rows": len(jobs[name]),
                "stream": row and row.stream,
                "part": row and row.part + max(row.run, 0),
                "run": row and max(row.run, 0) if restarts == "split" else None,
                "line": row and row.line,
                "offset": row and row.offset,
                "step": row and row.step,
                "stepless": sum(not has_step(row) for row in jobs[name]),
                "streams": len({row.stream for row in jobs[name]}),
                "not_finite": sum(not math.isfinite(row.value) for row in jobs[name]),
                "tied": sum(rival == value for rival in rivals) if placed else None,
            }
        )
    return result


def without_copies(rows):
    """The rows of one job, by metric, without streams that are others over again; by the first metric it is ranked.

    Of streams with the same values at the same places, but for a distance that is the same for all, the first by name counts.
    They are compared if the first metric has five rows of three values, in one piece.
    """
    own = next(iter(rows.values()))
    kept = []
    for stream in sorted({row.stream for row in own}, key=natural):
        if not any(_is_copy(rows, stream, other) for other in kept):
            kept.append(stream)
    gone = {row.stream for row in own} - set(kept)
    return {name: [row for row in some if row.stream not in gone] for name, some in rows.items()}


def _is_copy(rows, stream, other):
    def of(name, which):
        return sorted((row.part, row.start, repr(row.value)) for row in rows[name] if row.stream == which)

    own, others = (of(next(iter(rows)), which) for which in (stream, other))
    if len(own) < 5 or len({value for *_, value in own}) < 3 or any(part for part, *_ in own + others) or not others:
        return False
    shift = own[0][1] - others[0][1]
    return all(of(name, stream) == [(part, at + shift, value) for part, at, value in of(name, other)] for name in rows)
