"""The order of jobs: the rules as cases, a naive oracle on random jobs, and ranking again what a replay found."""

import functools
import json
import math
from types import SimpleNamespace

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import metricscan
from metricscan import Objective, OptionError, Scanner
from metricscan.objective import Outcome, Place
from metricscan.ranking import SCHEMA, Entrant, order, rank

NAN, INF = math.nan, math.inf
MIN, MAX = Objective("loss", "Minimize"), Objective("loss", "Maximize")
DEFINITIONS = [r"loss=loss=(\S+)", r"acc=acc=(\S+)"]


def entrant(job, value, status=None, **hyperparameters):
    """A job with one row; None is no row."""
    if value is None:
        return Entrant(job, Outcome("missing", None, None, 0, 0), status, hyperparameters)
    kind = "found" if math.isfinite(value) else "not_finite"
    return Entrant(job, Outcome(kind, Place(value, 3, 20, 25, None), "stdout", 1, 1), status, hyperparameters)


def ranked(jobs, objective=MIN):
    """``rank job`` of each place; a job is NAME: value, or NAME: (value, status)."""
    entrants = [entrant(name, *(facts if isinstance(facts, tuple) else (facts,))) for name, facts in jobs.items()]
    return [f"{row['rank'] or '-'} {row['job']}" for row in order(entrants, objective).to_pylist()]


# ---- the rules


@pytest.mark.parametrize(
    ("jobs", "minimized", "maximized"),
    [
        pytest.param({}, [], [], id="no jobs"),
        pytest.param({"a": 1.0}, ["1 a"], ["1 a"], id="one job"),
        pytest.param({"a": 2.0, "b": 1.0, "c": 3.0}, ["1 b", "2 a", "3 c"], ["1 c", "2 a", "3 b"], id="finite"),
        pytest.param({"a": -2.0, "b": 1.0, "c": 0.0}, ["1 a", "2 c", "3 b"], ["1 b", "2 c", "3 a"], id="negative"),
        pytest.param({"a": NAN, "b": 1.0}, ["1 b", "- a"], ["1 b", "- a"], id="NaN never wins"),
        pytest.param({"a": INF, "b": 1.0}, ["1 b", "- a"], ["1 b", "- a"], id="infinity never wins"),
        pytest.param({"a": -INF, "b": 1.0}, ["1 b", "- a"], ["1 b", "- a"], id="minus infinity never wins"),
        pytest.param(
            {"d": None, "c": NAN, "b": -INF, "a": 1e308},
            ["1 a", "- b", "- c", "- d"],
            ["1 a", "- b", "- c", "- d"],
            id="missing after not finite",
        ),
        pytest.param({"a": None, "b": None}, ["- a", "- b"], ["- a", "- b"], id="nobody wins"),
        pytest.param({"t10": NAN, "t9": NAN}, ["- t9", "- t10"], ["- t9", "- t10"], id="not finite by name"),
        pytest.param(
            {"trial_10": 1.0, "trial_2": 1.0, "trial_3": 2.0},
            ["1 trial_2", "1 trial_10", "3 trial_3"],
            ["1 trial_3", "2 trial_2", "2 trial_10"],
            id="ties in natural order",
        ),
        pytest.param(
            {"a": 1.0, "b": 2.0, "c": 2.0, "d": 2.0, "e": 3.0},
            ["1 a", "2 b", "2 c", "2 d", "5 e"],
            ["1 e", "2 b", "2 c", "2 d", "5 a"],
            id="a tie of three",
        ),
        pytest.param({"b": 0.0, "a": -0.0}, ["1 a", "1 b"], ["1 a", "1 b"], id="zeros tie"),
        pytest.param(
            {"a": 0.1 + 0.2, "b": 0.3}, ["1 b", "2 a"], ["1 a", "2 b"], id="a difference in the last bit is no tie"
        ),
        pytest.param(
            {"best": (1.0, "Failed"), "good": (2.0, "Completed"), "worst": (3.0, "Failed")},
            ["1 good", "- best", "- worst"],
            ["1 good", "- worst", "- best"],
            id="failed never wins",
        ),
        pytest.param({"a": (1.0, "Failed")}, ["- a"], ["- a"], id="failed does not win alone"),
        pytest.param(
            {"a": (1.0, "Failed"), "b": NAN, "c": None, "d": (NAN, "Failed"), "e": (None, "Failed")},
            ["- a", "- b", "- d", "- c", "- e"],
            ["- a", "- b", "- d", "- c", "- e"],
            id="failed before not finite before missing",
        ),
        pytest.param(
            {"a": (1.0, "Failed"), "b": 1.0, "c": 2.0},
            ["1 b", "2 c", "- a"],
            ["1 c", "2 b", "- a"],
            id="failed takes no rank from others",
        ),
        pytest.param(
            {"a": (1.0, "Stopped"), "b": (2.0, "Completed")},
            ["1 a", "2 b"],
            ["1 b", "2 a"],
            id="stopped may win",
        ),
        pytest.param({"a": (1.0, "InProgress"), "b": 2.0}, ["1 a", "2 b"], ["1 b", "2 a"], id="still running may lead"),
    ],
)
def test_the_order(jobs, minimized, maximized):
    assert ranked(jobs) == ranked(dict(reversed(jobs.items()))) == minimized
    assert ranked(jobs, MAX) == ranked(dict(reversed(jobs.items())), MAX) == maximized


def test_a_row_says_what_is_known_of_the_job():
    table = order([entrant("a", 1.5, "Stopped", lr="3e-4", units="64"), entrant("b", None), entrant("c", INF)], MIN)
    assert table.schema.equals(SCHEMA)
    assert table.to_pylist() == [
        {
            "rank": 1,
            "job": "a",
            "value": 1.5,
            "objective_status": "found",
            "job_status": "Stopped",
            "rows": 1,
            "stream": "stdout",
            "line": 3,
            "offset": 20,
            "hyperparameters": [("lr", "3e-4"), ("units", "64")],
            "streams": 1,
        },
        {
            "rank": None,
            "job": "c",
            "value": INF,
            "objective_status": "not_finite",
            "job_status": None,
            "rows": 1,
            "stream": "stdout",
            "line": 3,
            "offset": 20,
            "hyperparameters": [],
            "streams": 1,
        },
        {
            "rank": None,
            "job": "b",
            "value": None,
            "objective_status": "missing",
            "job_status": None,
            "rows": 0,
            "stream": None,
            "line": None,
            "offset": None,
            "hyperparameters": [],
            "streams": 0,
        },
    ]


def test_no_jobs_give_an_empty_table():
    assert order([], MIN).schema.equals(SCHEMA)
    assert order([], MIN).num_rows == 0


values = st.one_of(st.none(), st.floats(), st.sampled_from([1.0, 2.0, -0.0, 0.0, NAN, INF, -INF]))
statuses = st.sampled_from([None, "Completed", "Failed", "Stopped", "InProgress"])
jobs = st.dictionaries(st.text("ab019", min_size=1, max_size=4), st.tuples(values, statuses), max_size=12)


def naive(jobs, objective):
    """The rules of the contract, one comparison after the other."""

    def pieces(name):
        """Numbers before text, a part before what continues it."""
        parts = "".join(one if one.isdigit() else f" {one} " for one in name).split()
        return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts]

    def before(one, other):
        (name, (value, status)), (name_2, (value_2, status_2)) = one, other
        place, place_2 = group(value, status), group(value_2, status_2)
        if place != place_2:
            return place - place_2
        if place <= 1 and value != value_2:
            return -1 if objective.is_better(value, value_2) else 1
        if pieces(name) != pieces(name_2):
            return -1 if pieces(name) < pieces(name_2) else 1
        return -1 if name < name_2 else 1

    def group(value, status):
        if value is None:
            return 3
        if not math.isfinite(value):
            return 2
        return 1 if status == "Failed" else 0

    winners = [value for value, status in jobs.values() if group(value, status) == 0]
    result = []
    for name, (value, status) in sorted(jobs.items(), key=functools.cmp_to_key(before)):
        better = sum(objective.is_better(other, value) for other in winners) if group(value, status) == 0 else None
        result.append((None if better is None else better + 1, name))
    return result


@given(jobs, st.sampled_from([MIN, MAX]))
def test_a_naive_oracle_ranks_the_same(jobs, objective):
    table = order([entrant(name, *facts) for name, facts in jobs.items()], objective)
    assert list(zip(table["rank"].to_pylist(), table["job"].to_pylist(), strict=True)) == naive(jobs, objective)
    assert repr(dict(zip(table["job"].to_pylist(), table["value"].to_pylist(), strict=True))) == repr(
        {name: jobs[name][0] for name in table["job"].to_pylist()}
    )


# ---- ranking tables


def write_logs(folder, logs):
    for name, text in logs.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.fixture
def logs(tmp_path):
    texts = {
        "trial_1/stdout": "loss=3\nloss=2\nacc=0.5\n",
        "trial_2/stdout": "loss=1\nloss=nan\nacc=0.25\n",
        "trial_3/stdout": "acc=0.75\n",
        "trial_3/stderr": "loss=1\n",
        "trial_10/stdout": "loss=1\n",
        "trial_11/stdout": "nothing\n",
        "trial_12/stdout": "loss=9\n",
        "trial_12/stderr": "loss=8\n",
    }
    return write_logs(tmp_path / "logs", texts)


def test_ranks_of_a_replay(logs):
    result = metricscan.replay(logs, Scanner(DEFINITIONS), objective=MIN)
    found = result.ranking.select(["rank", "job", "value", "stream", "streams", "rows"]).to_pylist()
    assert [tuple(row.values()) for row in found[:4]] == [
        (1, "trial_3", 1.0, "stderr", 1, 1),
        (1, "trial_10", 1.0, "stdout", 1, 1),
        (3, "trial_1", 2.0, "stdout", 1, 2),
        (4, "trial_12", 9.0, "stdout", 2, 2),
    ]
    assert [row["job"] for row in found[4:]] == ["trial_2", "trial_11"]
    assert result.best.job == "trial_3"


@pytest.mark.parametrize("metric", ["loss", "acc"])
@pytest.mark.parametrize("goal", ["Minimize", "Maximize"])
def test_ranking_a_replay_again_gives_the_same(logs, tmp_path, metric, goal):
    facts = tmp_path / "jobs.jsonl"
    facts.write_text('{"job": "trial_10", "status": "failed", "hyperparameters": {"lr": 3e-4}}\n')
    objective = Objective(metric, goal)
    result = metricscan.replay(logs, Scanner(DEFINITIONS), objective=objective, jobs=facts)
    assert repr(rank(result, objective).to_pylist()) == repr(result.ranking.to_pylist())
    unranked = metricscan.replay(logs, Scanner(DEFINITIONS), jobs=facts)
    assert unranked.ranking is None
    assert repr(metricscan.rank(unranked, objective).to_pylist()) == repr(result.ranking.to_pylist())


def tables(**columns):
    columns = {"offset": 0, "start": 0, "time": None, **columns}
    count = len(columns["value"])
    filled = {name: column if isinstance(column, list) else [column] * count for name, column in columns.items()}
    filled["time"] = pa.array(filled["time"], pa.timestamp("us", "UTC"))
    return {"loss": pa.table(filled)}


def test_jobs_without_an_objective_row_are_ranked_too():
    found = tables(job=["a"], stream=["out"], value=[1.0], line=[1])
    found["acc"] = tables(job=["b"], stream=["out"], value=[1.0], line=[1])["loss"]
    known = SimpleNamespace(name="c", status="Stopped", hyperparameters={"lr": "1"})
    table = rank(found, MIN, jobs=[known])
    assert table.select(["rank", "job", "objective_status", "job_status"]).to_pylist() == [
        {"rank": 1, "job": "a", "objective_status": "found", "job_status": None},
        {"rank": None, "job": "b", "objective_status": "missing", "job_status": None},
        {"rank": None, "job": "c", "objective_status": "missing", "job_status": "Stopped"},
    ]
    assert table["hyperparameters"].to_pylist()[2] == [("lr", "1")]


def test_a_stream_may_come_in_several_parts():
    found = tables(
        job=["a", "b", "a", "b"], stream=["out"] * 4, value=[4.0, 3.0, 1.0, 2.0], line=[1, 1, 2, 2], offset=[0, 0, 9, 9]
    )
    table = rank(found, MIN)
    assert table.select(["rank", "job", "value", "rows", "line", "offset", "streams"]).to_pylist() == [
        {"rank": 1, "job": "a", "value": 1.0, "rows": 2, "line": 2, "offset": 9, "streams": 1},
        {"rank": 2, "job": "b", "value": 2.0, "rows": 2, "line": 2, "offset": 9, "streams": 1},
    ]


def test_the_newest_row_of_a_table_with_times_decides():
    found = tables(
        job=["a"] * 3, stream=["rank_1", "rank_1", "rank_0"], value=[1.0, 2.0, 3.0], line=[1, 2, 1], time=[10, 20, 30]
    )
    row = rank(found, MIN).to_pylist()[0]
    assert (row["value"], row["stream"], row["streams"], row["rows"]) == (3.0, "rank_0", 2, 3)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "job_10"]),
            st.sampled_from(["x", "y_10", "y_9"]),
            st.sampled_from([1.0, 2.0, NAN]),
        ),
        max_size=20,
    ),
    st.integers(0, 20),
)
def test_dictionaries_and_chunks_rank_as_plain_strings_do(some, cut):
    columns = [list(column) for column in zip(*some, strict=True)] if some else [[], [], []]
    job, stream, value = (
        pa.array(column, kind) for column, kind in zip(columns, (pa.string(), pa.string(), pa.float64()), strict=True)
    )
    numbers = pa.array(range(len(some)), pa.int64())
    rest = dict.fromkeys(("line", "offset", "start"), numbers)
    rest["time"] = pa.nulls(len(some), pa.timestamp("us", "UTC"))
    plain = pa.table({"job": job, "stream": stream, "value": value, **rest})
    chunks = [
        pa.table(
            {"job": part["job"].dictionary_encode(), "stream": part["stream"].dictionary_encode()}
            | {name: part[name] for name in plain.schema.names[2:]}
        )
        for part in (plain.slice(0, cut), plain.slice(cut))
    ]
    expected = repr(rank({"loss": plain}, MIN).to_pylist())
    assert repr(rank({"loss": pa.concat_tables(chunks)}, MIN).to_pylist()) == expected


def test_a_dataset_that_was_read_back_ranks_the_same(logs, tmp_path):
    import pyarrow.parquet as pq

    result = metricscan.replay(logs, Scanner(DEFINITIONS), objective=MIN, out=tmp_path / "out")
    found = {name: pq.read_table(tmp_path / "out" / name / "part-0.parquet") for name in ("loss", "acc")}
    manifest = json.loads((tmp_path / "out" / "_manifest.json").read_text())
    known = [
        SimpleNamespace(name=one["job"], status=one["status"], hyperparameters=one["hyperparameters"])
        for one in manifest["jobs"]
    ]
    assert repr(rank(found, MIN, jobs=known).to_pylist()) == repr(result.ranking.to_pylist())


# ---- faults


def test_an_unknown_objective_metric_is_a_fault_with_the_nearest_name():
    found = {**tables(job=["a"], stream=["out"], value=[1.0], line=[1])}
    with pytest.raises(OptionError, match="the objective metric 'los' is not among the metrics: 'loss'") as caught:
        rank(found, Objective("los", "Minimize"))
    assert caught.value.hint == "did you mean 'loss'?"
    with pytest.raises(OptionError) as caught:
        rank(found, Objective("throughput", "Minimize"))
    assert caught.value.hint is None


def test_a_replay_refuses_an_unknown_objective_before_it_reads(tmp_path):
    with pytest.raises(OptionError, match="hint: did you mean 'loss'"):
        metricscan.replay(tmp_path / "not there", Scanner(DEFINITIONS), objective=Objective("Loss", "Minimize"))
