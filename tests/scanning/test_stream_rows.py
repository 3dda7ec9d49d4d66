"""The rows of a live stream with their steps and workers: those that the ranking's join finds in the finished tables."""

import math
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import metricscan
from metricscan import OptionError, Scanner
from metricscan.datasets.rows import Rows
from metricscan.definitions.blocks import BLOCK, separators
from metricscan.ranking.steps import in_force

DEFINITIONS = ["epoch=epoch=(nan|[0-9]+)", "loss=loss=([0-9.]+)", "acc=acc=([0-9]+)", "again=loss=([0-9.]+)"]
DEFINITIONS += ["number=#(nan|[0-9])", "before=(?<=(.)) z", "ahead=y(?=.*?([0-9]))"]
LABELS = {"worker": r"\[(\w)\]", "net": r"<(\w)>"}
SCANNER = Scanner(DEFINITIONS, labels=LABELS, untamed="allow").with_block(separators(True))
PLACES = ["before", "after", "block"]
WORKERS = [(), ("worker",), ("net",), ("worker", "net"), ("number",), ("number", "worker")]


def none_if_nan(value):
    return None if isinstance(value, float) and math.isnan(value) else value


def joined_by_ranking(log, step, place, workers, carried):
    """Of each row of each metric its step and workers, as the ranking finds them in the tables of the whole log."""
    tables = SCANNER.scan(log)

    def rows_of(name):
        nothing = np.zeros(tables[name].num_rows, dtype=np.int64)
        return Rows.of(nothing, nothing, tables[name])

    def workers_of(rows):
        columns = []
        for name in workers:
            values = [*map(none_if_nan, tables[name]["value"].to_pylist()), None]
            at = in_force(rows, rows_of(name), "carried" if name in carried else "record")
            columns.append([values[one] for one in at])
        return list(zip(*columns, strict=True)) if workers else [()] * len(rows.job)

    def apart(found):
        return [tuple(one for name, one in zip(workers, each, strict=True) if name not in carried) for each in found]

    expected = {}
    steps = rows_of(step)
    groups = {}
    of_steps = np.array([groups.setdefault(one, len(groups)) for one in apart(workers_of(steps))], dtype=np.int64)
    for name in SCANNER.metrics:
        if name in (step, BLOCK, *LABELS, *workers):
            continue
        rows = rows_of(name)
        found = workers_of(rows)
        own = np.array([groups.setdefault(one, len(groups)) for one in apart(found)], dtype=np.int64)
        at = in_force(
            rows, steps, place, within=(own, of_steps) if len(own) and len(of_steps) else None, blocks=rows_of(BLOCK)
        )
        values = [*map(none_if_nan, steps.value.tolist()), None]
        expected[name] = [
            (repr(value), line, offset, start, values[one], each)
            for value, line, offset, start, one, each in zip(
                *(column.tolist() for column in (rows.value, rows.line, rows.offset, rows.start, at)),
                found,
                strict=True,
            )
        ]
    return expected


def streamed(log, cuts, *, go_on=False, flush=False, **options):
    """The rows that come of the log in chunks."""
    stream = SCANNER.stream(**options)
    rows, fed = [], 0
    for cut in (*cuts, len(log)):
        stream.feed(log[fed : max(cut, fed)])
        fed = max(cut, fed)
        if flush:
            stream.flush()
        taken = stream.take()
        rows = [row for row in rows if row.offset not in taken.replaces]
        rows += taken.rows
        if go_on:
            stream = SCANNER.stream(state=stream.state(), **options)
            fed = stream.resume_offset
    stream.feed(log[fed:])
    stream.close()
    taken = stream.take()
    return [row for row in rows if row.offset not in taken.replaces] + taken.rows


def by_metric(rows):
    found = {}
    for row in sorted(rows, key=lambda row: row.start):
        found.setdefault(row.metric, []).append((repr(row.value), *row[2:5], row.step, row.workers))
    return found


def check(log, cuts, step_place, workers, carried):
    options = {"step": "epoch", "step_place": step_place, "worker": workers, "carry": carried}
    expected = joined_by_ranking(log, "epoch", step_place, workers, carried)
    for rows in expected.values():
        # rows come in the order of the log; those of a lookahead are put into it
        rows.sort(key=lambda row: row[3])
    expected = {name: rows for name, rows in expected.items() if rows}
    rows = streamed(log, [], **options)
    assert by_metric(rows) == expected
    # the order in which the rows come does not depend on the chunks
    for how in ({}, {"go_on": True}):
        assert repr(streamed(log, cuts, **how, **options)) == repr(rows)
    assert by_metric(streamed(log, cuts, flush=True, **options)) == expected
    assert by_metric(streamed(log, cuts, flush=True, go_on=True, **options)) == expected


PARTS = [
    b"epoch=1",
    b"epoch=2",
    b"epoch=nan",
    b"loss=1",
    b"loss=2",
    b"acc=3",
    b" z",
    b"y",
    b" ",
    b"\n",
    b"\n",
    b"\r\n",
    b"\r",
]
PARTS += [b"\n---\n", b"[a]", b"[b]", b"<c>", b"<d>", b"#1", b"#2", b"#nan"]


@given(
    st.lists(st.sampled_from(PARTS), max_size=40)
    .map(b"".join)
    .flatmap(lambda log: st.tuples(st.just(log), st.lists(st.integers(0, len(log)), max_size=6).map(sorted))),
    st.sampled_from(PLACES),
    st.sampled_from(WORKERS).flatmap(
        lambda workers: st.tuples(st.just(workers), st.lists(st.sampled_from([*workers] or ["x"]), unique=True))
    ),
)
def test_the_join_is_that_of_the_ranking(log_and_cuts, place, by):
    workers, carried = by
    check(*log_and_cuts, place, workers, carried if workers else ())


LOG = b"""epoch=1 loss=1
acc=5
loss=2 epoch=2 loss=3
[a] loss=1 epoch=3[b] loss=2 epoch=4
---
loss=7
acc=1
epoch=9 acc=2
---
loss=5
"""


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("place", PLACES)
def test_behind_every_byte(place, workers):
    check(LOG, range(len(LOG) + 1), place, workers, ())


@pytest.mark.parametrize("place", ["before", "after"])
def test_the_curves_of_a_replay_have_the_same_steps(tmp_path, place):
    log = LOG.replace(b"acc=1\n", b"[a] acc=1\n") * 3
    (tmp_path / "a.log").write_bytes(log)
    scanner = Scanner(DEFINITIONS[:3], labels={"worker": LABELS["worker"]})
    replay = metricscan.replay(tmp_path / "a.log", scanner)
    with scanner.stream(step="epoch", step_place=place, worker="worker") as stream:
        stream.feed(log)
    rows = stream.rows()
    for metric in ("loss", "acc"):
        found = sorted((row.step or -1, row.workers[0] or "", row.value) for row in rows if row.metric == metric)
        curve = metricscan.curve(replay, metric, "epoch", worker="worker", step_place=place, per_step="all")
        assert found == sorted((row["step"] or -1, row["worker"] or "", row["value"]) for row in curve.to_pylist())


# ---- when rows come


def test_values_of_one_record_have_one_step():
    stream = Scanner(DEFINITIONS[:3]).stream(step="epoch")
    stream.feed(b"epoch=1 loss=1\nepoch=2 loss=2 acc=1\nepoch=3\n")
    assert [(row.metric, row.value, row.step) for row in stream.rows()] == [
        ("loss", 1.0, 1.0),
        ("loss", 2.0, 2.0),
        ("acc", 1.0, 2.0),
    ]
    stream.feed(b"loss=3\n")
    assert [(row.value, row.step) for row in stream.rows()] == [(3.0, 3.0)]
    assert stream.rows() == []


def test_a_row_waits_for_the_step_behind_it():
    with Scanner(DEFINITIONS[:3]).stream(step="epoch", step_place="after") as stream:
        stream.feed(b"loss=1\nacc=2\nloss=3\n")
        assert stream.take().rows == []
        stream.feed(b"loss=4 epoch=1\n")
        assert [(row.metric, row.value, row.step) for row in stream.rows()] == [
            ("loss", 1.0, 1.0),
            ("acc", 2.0, 1.0),
            ("loss", 3.0, 1.0),
            ("loss", 4.0, 1.0),
        ]
        stream.feed(b"loss=5\n")
        assert stream.rows() == []
    assert [(row.value, row.step) for row in stream.rows()] == [(5.0, None)]
    assert stream.rows() == []


def test_a_row_waits_for_the_step_or_the_end_of_its_block():
    stream = SCANNER.stream(step="epoch", step_place="block")
    for text, found in [
        (b"epoch=1\n---\nloss=1\n", []),
        (b"epoch=2\n", [(1.0, 2.0)]),
        (b"loss=2\n", [(2.0, 2.0)]),
        (b"---\nloss=3\n", []),
        (b"---\n", [(3.0, None)]),
        (b"loss=4 epoch=5\n", [(4.0, 5.0)]),
    ]:
        stream.feed(text)
        assert [(row.value, row.step) for row in stream.rows() if row.metric == "loss"] == found


def test_rows_without_a_step_have_their_times():
    stream = Scanner(DEFINITIONS[:2]).stream()
    stream.feed(b"loss=1 epoch=2\n", 1)
    stream.feed(b"loss=3\n")
    first, second, third = stream.rows()
    second_past = datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert (first.metric, first.value, first.time, first.step, first.workers) == ("loss", 1.0, second_past, None, ())
    assert (second.metric, second.value, third.time) == ("epoch", 2.0, None)


def test_times_and_values_wait_through_a_state():
    options = {"step": "epoch", "step_place": "after", "worker": ("worker", "number")}
    stream = SCANNER.stream(**options)
    stream.feed(b"[a] #1 loss=0.1\n", 1.5)
    stream.feed(b"[b] acc=7\n")
    assert stream.rows() == []
    stream = SCANNER.stream(state=stream.state(), **options)
    stream.feed(b"[b] epoch=3\n[a] #1 epoch=4\n")
    (acc, loss, again) = stream.rows()
    assert (acc.metric, acc.step, acc.workers, acc.time) == ("acc", 3.0, ("b", None), None)
    assert loss == again._replace(metric="loss")
    assert (loss.value, loss.step, loss.workers) == (0.1, 4.0, ("a", 1.0))
    assert loss.time == datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC)


def test_rows_of_a_flush_do_not_release_others():
    stream = Scanner(DEFINITIONS[:2]).stream(step="epoch", step_place="after")
    stream.feed(b"loss=1\nloss=2 epoch=1")
    stream.flush()
    assert [(row.value, row.step) for row in stream.take().rows] == [(2.0, 1.0)]
    stream.feed(b"2\n")
    taken = stream.take()
    assert ([(row.value, row.step) for row in taken.rows], taken.replaces) == ([(1.0, 12.0), (2.0, 12.0)], (7,))
    with pytest.raises(RuntimeError, match=r"take\(\) says which rows are replaced"):
        stream.rows()


# ---- options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"step": "epok"}, "the step metric 'epok' is not among the metrics: .*\n.*did you mean 'epoch'"),
        ({"step": "worker"}, "'worker' is a label"),
        ({"step": "epoch", "step_place": "behind"}, "step_place='behind': one of before, after, block"),
        ({"step_place": "after"}, "step_place='after' needs step=NAME"),
        ({"worker": "rank"}, "the worker 'rank' is not among"),
        ({"worker": ["net", "net"]}, "the worker 'net' is given twice"),
        ({"worker": "net", "carry": "worker"}, "carry='worker': one of the workers was expected"),
        ({"carry": "net"}, "carry='net': one of the workers was expected"),
    ],
)
def test_an_invalid_option_is_one_clear_error(options, message):
    with pytest.raises(OptionError, match=message):
        SCANNER.stream(**options)


def test_blocks_need_their_separators():
    with pytest.raises(OptionError, match=r"a label '\(block\)'"):
        Scanner(DEFINITIONS[:2]).stream(step="epoch", step_place="block")


def test_a_state_is_of_one_join():
    state = SCANNER.stream(step="epoch", worker="net", carry=True).state()
    SCANNER.stream(state=state, step="epoch", worker=["net"], carry=["net"])
    for options in ({}, {"step": "loss"}, {"step": "epoch"}, {"step": "epoch", "worker": "net"}):
        with pytest.raises(
            OptionError, match=r"it was made by a stream with step='epoch', .*worker=.'net'., carry=.'net'."
        ):
            SCANNER.stream(state=state, **options)
    with pytest.raises(OptionError, match="it was made by a stream with step=None"):
        SCANNER.stream(state=SCANNER.stream().state(), step="epoch")
