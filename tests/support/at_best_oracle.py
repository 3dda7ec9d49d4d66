"""The value of another metric where a job's value was decided, one row after the other."""

from support.ranking_oracle import has_step, in_order, mean


def near(deciding, rows):
    """Of the row's record, the last row up to it, else the first; else the last one before it. All are of its stream."""
    own = [row for row in rows if row.stream == deciding.stream]
    record = (deciding.part, deciding.offset)
    inside = [row for row in own if (row.part, row.offset) == record]
    before = [row for row in inside if row.start <= deciding.start]
    if before:
        return max(before, key=lambda row: row.start), True
    if inside:
        return min(inside, key=lambda row: row.start), True
    earlier = [row for row in own if (row.part, row.offset) < record]
    return (max(earlier, key=lambda row: (row.part, row.start)), False) if earlier else (None, False)


def at_best(deciding, rows, per_step="last", *, stepped):
    """(value, whether it is of the same step, row); ``rows`` are those of the job, with their steps."""
    if deciding is None:
        return None
    # what a later run replaced counts nowhere; each run is a part of its own
    rows = [row for row in rows if row.run == deciding.run]
    row, is_same = near(deciding, rows)
    there = []
    if stepped and has_step(deciding):
        there = in_order([one for one in rows if one.step == deciding.step])
    if there:
        streams = [one.stream for one in there]
        stream = deciding.stream if deciding.stream in streams else streams[-1]
        there = [one for one in there if one.stream == stream]
        if per_step == "all" and row in there:
            return row.value, True, row
        row = there[0] if per_step == "first" else there[-1]
        return mean([one.value for one in there]) if per_step == "mean" else row.value, True, row
    return None if row is None else (row.value, is_same, row)
