"""The step in force where both metrics stand in the same records, in whatever order the streams lie."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from support import ranking_oracle

from metricscan.datasets.rows import Rows
from metricscan.ranking.steps import in_force


def rows_of(places):
    job, offset, start = (np.array(column, dtype=np.int64) for column in zip(*places, strict=True))
    return Rows(job, np.zeros_like(job), start + 0.5, offset + 1, offset, start, None)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.booleans(), st.booleans()), min_size=1, max_size=25),
    st.booleans(),
)
def test_streams_may_be_interleaved(records, grouped):
    if grouped:
        records = sorted(records, key=lambda record: record[0])
    # a record of a job 100 bytes behind its last one, or (rarely) another row of the same record
    values, steps, length = [], [], {}
    for job, again, step_first, extra in records:
        offset = length.get(job, 0)
        if not (again and extra):
            offset += 100
        length[job] = offset
        inside = 10 * sum(one[:2] == (job, offset) for one in values)
        values.append((job, offset, offset + inside + 5))
        steps.append((job, offset, offset + inside + (2 if step_first else 8)))
    found = in_force(rows_of(values), rows_of(steps))
    for (job, offset, start), at in zip(values, found, strict=True):
        row = ranking_oracle.Row("", 0.0, 1, offset, start)
        others = [ranking_oracle.Row("", other[2], 1, *other[1:]) for other in steps if other[0] == job]
        expected = ranking_oracle.step_in_force(row, others)
        assert (None if at < 0 else steps[at][2]) == expected
