"""A log that ends with one row at a lower step: a run that was resumed and broke off, or a line that tells the best epoch."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import ranking_oracle
from support.ranking_oracle import Row

import metricscan
from metricscan import Objective, Scanner, rank
from metricscan.ranking.mentions import ValuesAtSteps, is_mention

SCANNER = Scanner([r"loss=loss (\S+)", r"acc=acc (\S+)", r"epoch=[Ee]poch (\S+)", r"best=best (\S+)"])
CURVE = "".join(f"epoch {epoch} loss {loss}\n" for epoch, loss in [(1, 0.9), (2, 0.3121), (3, 0.5), (4, 0.1)])


def replayed(folder, text, **options):
    (folder / "a.log").write_text(text)
    objective = Objective("loss", "Minimize", options.pop("scope", "min"), "epoch", restarts="purge", **options)
    return metricscan.replay(folder, SCANNER, objective=objective, out=folder / "out", overwrite=True)


@pytest.mark.parametrize(
    ("end", "value"),
    [
        pytest.param("epoch 2 loss 0.31\nepoch 3 loss 0.4\n", 0.31, id="goes on"),
        pytest.param("epoch 2 loss 0.35\n", 0.35, id="one row, another value"),
        pytest.param("resumed\nEpoch 2\nloss 0.35\n", 0.35, id="in records of their own"),
        pytest.param("epoch 2.5 loss 0.35\n", 0.3121, id="a step that it did not have"),
        pytest.param("epoch 2 loss nan\n", 0.9, id="not a number"),
        pytest.param("Epoch 2 is the best: loss 0.3121\n", 0.1, id="mentions it"),
        pytest.param("Epoch 2 is the best: loss 0.312\n", 0.1, id="mentions it, rounded"),
        pytest.param("Epoch 2 is the best: loss 0.31\n", 0.1, id="mentions it, rounded more"),
        pytest.param("Epoch 2 is the best: loss 0.3\n", 0.3, id="too few digits"),
        pytest.param("Epoch 2 is the best\n", 0.1, id="without a value"),
        pytest.param("Epoch 2 is the best: acc 0.9\n", 0.1, id="with a value of another metric"),
    ],
)
def test_purge_where_one_row_follows(tmp_path, end, value):
    result = replayed(tmp_path, CURVE + end)
    assert result.best.value == value
    # what purge drops is what keep doubts
    kept = Objective("loss", "Minimize", "min", "epoch")
    doubts = [row["doubts"] for row in result.rank(kept).to_pylist()]
    assert ("restarted" in [one["kind"] for some in doubts for one in some]) == (value != 0.1)
    assert rank(tmp_path / "out", kept).equals(result.rank(kept))


floats = st.sampled_from([0.3, 0.31, 0.312, 0.3121, 0.5, 12.0, 12.4, 0.0, -0.31, float("nan"), float("inf")])
logs = st.lists(st.tuples(st.integers(1, 4), st.lists(floats, max_size=3), st.lists(floats, max_size=1)), min_size=2)


@given(st.lists(logs, min_size=1, max_size=4))
def test_a_naive_oracle_tells_the_same(streams):
    steps, rows = [], ([], [])
    for number, log in enumerate(streams):
        for start, (step, *values) in enumerate(log):
            for own, some in zip(rows, values, strict=True):
                own += [(len(steps), number, value) for value in some]
            steps.append((number, start, float(step)))
    number, start, step = (np.array(column) for column in zip(*steps, strict=True))
    last = np.flatnonzero(np.append(number[1:] != number[:-1], True))
    values = [
        ValuesAtSteps(np.array([value for *_, value in own], float), np.array([at for at, *_ in own], int))
        for own in rows
    ]
    found = is_mention(step, number, np.arange(len(steps)), last, values)
    for stream, told in enumerate(found.tolist()):
        of_stream = [Row("", value, 1, 0, at) for one, at, value in steps if one == stream]
        metrics = [
            [Row("", value, 1, 0, 0, step_at=(0, steps[at][1])) for at, one, value in some if one == stream]
            for some in rows
        ]
        assert told != ranking_oracle.is_resumed(of_stream, *metrics)
