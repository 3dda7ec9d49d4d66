"""The curve of a metric in as few points as can be drawn."""

import math

import numpy as np
import pytest

from metricscan.cli.live_curve import Curve


def expected(values, count):
    means = []
    for at in range(0, len(values), count):
        finite = [value for value in values[at : at + count] if math.isfinite(value)]
        means.append(sum(finite) / len(finite) if finite else math.nan)
    return means


@pytest.mark.parametrize("seed", range(20))
def test_points_are_means_however_the_values_come(seed):
    source = np.random.default_rng(seed)
    values = source.normal(size=int(source.integers(1, 20_000)))
    values[source.random(len(values)) < 0.1] = source.choice([math.nan, math.inf, -math.inf])
    curve, at = Curve(), 0
    while at < len(values):
        size = int(source.choice([1, 3, 700, 5000]))
        curve.add(values[at : at + size])
        at += size
    per_point = 1
    while len(values) // per_point >= 512:
        per_point *= 2
    if per_point <= 2:
        # means of means of as many values: the same but for rounding, and for points with values that are not finite
        assert np.allclose(curve.points(10_000), expected(values, per_point), equal_nan=True)
    points = curve.points(60)
    assert 30 <= len(points) <= 60 or len(points) == len(values) < 60
    finite = values[np.isfinite(values)]
    assert all(finite.min() <= point <= finite.max() for point in points if math.isfinite(point))


def test_a_curve_of_many_values_is_that_of_the_whole_job():
    curve = Curve()
    for at in range(0, 1_000_000, 10_000):
        curve.add(np.arange(at, at + 10_000, dtype=float))
    points = np.array(curve.points(50))
    assert points[0] < 20_000
    assert points[-1] > 950_000
    assert (np.diff(points) > 0).all()
