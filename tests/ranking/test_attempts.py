"""Which rows are of last attempts, beside one comparison after the other."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from metricscan.datasets.rows import Rows
from metricscan.ranking.attempts import LastAttempts

JOBS, STREAMS = ["a", "b", "c"], ["err", "out", "x"]
ROW = st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 3))


def rows_of(rows, *, with_parts):
    job, stream, part = (np.array([row[at] for row in rows], np.int64) for at in range(3))
    value = np.arange(len(rows), dtype=np.float64)
    zeros = np.zeros(len(rows), np.int64)
    return Rows(job, stream, value, zeros, zeros, zeros, None, part=part if with_parts else None)


@given(
    st.lists(ROW, max_size=30),
    st.dictionaries(
        st.tuples(st.sampled_from([*JOBS, "none"]), st.sampled_from([*STREAMS, "none"])), st.integers(1, 4)
    ),
    st.booleans(),
)
def test_rows_of_superseded_parts_are_left_out(rows, superseded, with_parts):
    last = LastAttempts(superseded, pa.array(JOBS))
    found = last.of(rows_of(rows, with_parts=with_parts), pa.array(STREAMS)).value.tolist()
    assert found == [
        at
        for at, (job, stream, part) in enumerate(rows)
        if (part if with_parts else 0) >= superseded.get((JOBS[job], STREAMS[stream]), 0)
    ]


def test_streams_that_are_met_later_have_numbers_of_their_own():
    last = LastAttempts({("b", "out"): 1}, pa.array(JOBS))
    rows = rows_of([(1, 0, 0), (1, 1, 0), (1, 1, 1)], with_parts=True)
    assert last.of(rows.take([0]), pa.array(["err"])).value.tolist() == [0]
    assert last.of(rows, pa.array(["err", "out"])).value.tolist() == [0, 2]
