"""The ranking as the contract defines it: one job after the other, one comparison after the other."""

import functools
import math
import statistics
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


def in_order(rows):
    """Rows of a job, which are given in any order."""
    if all(row.time is not None for row in rows):
        return sorted(rows, key=lambda row: (row.time, natural(row.stream), row.part, row.start))
    return sorted(rows, key=lambda row: (natural(row.stream), row.part, row.start))


def mean(values):
    finite = [value for value in values if math.isfinite(value)]
    if len(finite) < len(values):
        return sum(value for value in values if not math.isfinite(value))
    # as statistics.fmean, which gives up where a sum on the way is too large
    total = sum(map(Fraction, values))
    try:
        return float(total) / len(values)
    except OverflowError:
        return float(total / len(values))


def outcome(rows, goal, scope):
    """(status, value, deciding row) of a job."""
    rows = in_order(rows)
    if not rows:
        return "missing", None, None
    if scope == "last":
        window, decide = rows[-1:], mean_of_one
    elif scope == "first":
        window, decide = rows[:1], mean_of_one
    elif scope == "mean":
        window, decide = rows, mean
    elif scope.startswith("last-"):
        window, decide = rows[-int(scope[5:]) :], mean
    else:
        window, least = rows, scope == "min"
        if scope.startswith("best@"):
            window = [row for row in rows if row.step is not None and row.step <= float(scope[5:])]
        if scope.startswith("best"):
            least = goal == "Minimize"
        finite = [row for row in window if math.isfinite(row.value)]
        if finite:
            best = (min if least else max)(row.value for row in finite)
            row = next(row for row in finite if row.value == best)
            return "found", row.value, row
        if window:
            return "not_finite", window[-1].value, window[-1]
        return "missing", None, None
    finite = all(math.isfinite(row.value) for row in window)
    return "found" if finite else "not_finite", decide([row.value for row in window]), window[-1]


def mean_of_one(values):
    return values[0]


def window(rows, goal, scope):
    """The rows of which the value of a job is made."""
    status, _, row = outcome(rows, goal, scope)
    if status == "missing":
        return []
    if scope == "mean":
        return rows
    return in_order(rows)[-int(scope[5:]) :] if scope.startswith("last-") else [row]


def rank(jobs, goal, scope, statuses=None, *, steps=None, cut=(), completed_only=False, min_step=None, exclude=()):
    """Rows of the ranking: ``jobs`` maps each name to its rows, and ``steps`` to those of the step.

    ``cut`` are the values that are not whole, by job, stream, part and start.
    """
    statuses = statuses or {}
    outcomes = {name: outcome(rows, goal, scope) for name, rows in jobs.items()}
    last_steps = {name: last_step((steps or {}).get(name, [])) for name in jobs}
    slow = behind(last_steps, statuses) if steps is not None else set()
    doubts = {
        name: [
            kind
            for kind, holds in (
                ("cut-value", any((name, row.stream, row.part, row.start) in cut for row in window(rows, goal, scope))),
                ("behind", name in slow),
                ("several-streams", len({row.stream for row in rows}) > 1),
            )
            if holds
        ]
        for name, rows in jobs.items()
    }

    def shown(name):
        status = outcomes[name][0]
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
        _, value, row = outcomes[name]
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
                "part": row and row.part,
                "line": row and row.line,
                "offset": row and row.offset,
                "step": row and row.step,
                "stepless": sum(row.step is None or math.isnan(row.step) for row in jobs[name]),
                "streams": len({row.stream for row in jobs[name]}),
                "not_finite": sum(not math.isfinite(row.value) for row in jobs[name]),
                "tied": sum(rival == value for rival in rivals) if placed else None,
            }
        )
    return result
