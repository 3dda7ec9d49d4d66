"""Thinned curves: which points stay."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metricscan.reports.thinning import LEAST, buckets, thinned

VALUES = st.lists(st.floats(allow_nan=True, allow_infinity=True, width=32), max_size=300)


@given(VALUES, st.integers(LEAST, 60))
def test_what_stays_is_in_order_and_no_more_than_asked_for(values, most):
    kept = thinned(np.array(values, dtype=float), most)
    assert len(kept) <= most
    assert (np.diff(kept) > 0).all()
    if len(values) <= most:
        assert kept.tolist() == list(range(len(values)))
    else:
        assert kept[0] == 0
        assert kept[-1] == len(values) - 1


@given(VALUES.filter(lambda values: len(values) > LEAST), st.integers(LEAST, 60))
def test_each_bucket_keeps_its_least_and_greatest_value_and_its_first_gap(values, most):
    value = np.array(values, dtype=float)
    kept = set(thinned(value, most).tolist())
    if len(value) <= most:
        return
    bucket = buckets(value, most)
    assert bucket[0] == 0
    assert set(np.diff(bucket).tolist()) <= {0, 1}
    counts = np.bincount(bucket)
    assert counts.max() - counts.min() <= 1
    for number in range(int(bucket[-1]) + 1):
        own = [at + 1 for at in range(len(bucket)) if bucket[at] == number]
        finite = [at for at in own if np.isfinite(value[at])]
        gaps = [at for at in own if not np.isfinite(value[at])]
        left = [at for at in own if at in kept]
        if finite:
            assert min(value[at] for at in left if at in finite) == min(value[at] for at in finite)
            assert max(value[at] for at in left if at in finite) == max(value[at] for at in finite)
        if gaps:
            assert gaps[0] in kept
        assert len(left) <= 3


@pytest.mark.parametrize("most", [LEAST, 6, 100, 2000])
def test_a_long_curve_uses_most_of_what_it_may(most):
    value = np.random.default_rng(1).normal(size=10_000)
    assert most - 3 <= len(thinned(value, most)) <= most
