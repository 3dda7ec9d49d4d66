"""The order of jobs: the rules as cases, a naive oracle on random jobs, and ranking again what a replay found."""

import json
import math
import tomllib
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import ranking_oracle
from support.ranking_oracle import Row

import metricscan
from metricscan import Objective, OptionError, Scanner
from metricscan.datasets.evidence import Evidence, LogEvidence, NotedSuspects
from metricscan.datasets.rows import Rows
from metricscan.definitions.blocks import BLOCK, STEP_PLACES
from metricscan.definitions.objective import PER_STEP, RESTARTS
from metricscan.logs.job import Log
from metricscan.logs.natural import natural, natural_ranks
from metricscan.ranking import in_pieces as pieces
from metricscan.ranking import ranking
from metricscan.ranking.conditions import Conditions
from metricscan.ranking.ranking import SCHEMA, rank
from metricscan.ranking.sums import means
from metricscan.ranking.suspected import suspected_jobs

NO_CONDITIONS = Conditions()
NAN, INF = math.nan, math.inf
MIN, MAX = Objective("loss", "Minimize"), Objective("loss", "Maximize")
DEFINITIONS = [r"loss=loss=(\S+)", r"acc=acc=(\S+)"]
GOALS = {"min": "Minimize", "max": "Maximize"}
# Columns that the oracle gives; it knows no hyperparameters. Of doubts it gives the kinds.
COLUMNS = [name for name in SCHEMA.names if name != "hyperparameters"]


def test_what_is_no_objective_and_no_table():
    rows = {"job": ["a"], "stream": ["out"], "value": [3.0], "line": [1], "offset": [0], "start": [4]}
    table = pa.table(rows | {"time": pa.nulls(1, pa.timestamp("us", "UTC"))})
    with pytest.raises(TypeError, match="an Objective was expected, not str"):
        metricscan.rank({"loss": table}, "loss")
    objective = Objective("loss", "Minimize")
    with pytest.raises(TypeError, match="a mapping of tables, or the path of a dataset was expected, not Table"):
        metricscan.rank(table, objective)
    with pytest.raises(TypeError, match=r"the table of 'loss' is a DataFrame; a pyarrow.Table was expected"):
        metricscan.rank({"loss": table.to_pandas()}, objective)


# ---- jobs in every shape that the ranking takes


def table_of(rows):
    """A table of (job, Row)."""
    columns = {
        "job": [job for job, _ in rows],
        "stream": [row.stream for _, row in rows],
        **{name: [getattr(row, name) for _, row in rows] for name in ("value", "line", "offset", "start")},
    }
    if any(row.part for _, row in rows):
        columns["part"] = [row.part for _, row in rows]
    times = pa.array([row.time for _, row in rows], pa.int64()).cast(pa.timestamp("us", "UTC"))
    types = [pa.string(), pa.string(), pa.float64(), pa.int64(), pa.int64(), pa.int64(), pa.int32()]
    arrays = [pa.array(column, kind) for column, kind in zip(columns.values(), types, strict=False)]
    return pa.table([*arrays, times], names=[*columns, "time"])


def as_it_is(jobs):
    return [(name, row) for name, rows in jobs.items() for row in rows]


def interleaved(jobs):
    """The rows of all jobs in turn."""
    longest = max(map(len, jobs.values()), default=0)
    return [(name, rows[at]) for at in range(longest) for name, rows in jobs.items() if at < len(rows)]


def in_replay_order(jobs):
    named = [(name, row) for name in sorted(jobs, key=natural) for row in jobs[name]]
    return sorted(named, key=lambda one: (natural(one[0]), natural(one[1].stream), one[1].part))


def shuffled(jobs):
    """Rows as an engine may put them: with the last ones of each job first, and jobs in turn."""
    return interleaved({name: rows[1::2][::-1] + rows[::2] for name, rows in jobs.items()})


def known(jobs, statuses):
    return [SimpleNamespace(name=name, status=statuses.get(name), hyperparameters={}) for name in jobs]


class Tables(dict):
    """Tables with what a scan noted beside them."""

    evidence = None


def from_tables(arrange, jobs, steps, blocks, objective, statuses, conditions, evidence):
    tables = Tables(loss=table_of(arrange(jobs)), epoch=table_of(arrange(steps)))
    tables[BLOCK] = table_of(arrange(blocks))
    tables.evidence = evidence
    return rank(tables, objective, jobs=known(jobs, statuses), **conditions._asdict())


def in_pieces(size, batch, jobs, steps, blocks, objective, statuses, conditions, evidence, turned=False):
    """As a replay without kept rows decides: in batches, every few rows; the rows of a log may be turned around."""
    names = pa.array(sorted(jobs, key=natural), pa.string())
    streams = sorted({row.stream for some in (jobs, steps, blocks) for rows in some.values() for row in rows})
    numbers = {name: number for number, name in enumerate(names.to_pylist())}

    def batches(some):
        logs = {}
        for name, row in in_replay_order(some):
            logs.setdefault((numbers[name], row.stream, row.part), []).append((name, row))
        for (number, stream, _), rows in logs.items():
            if turned:
                rows.reverse()
            for at in range(0, len(rows), batch):
                table = table_of(rows[at : at + batch])
                same = np.full(table.num_rows, 1)
                yield number, Rows.of(same * number, same * streams.index(stream), table)

    with mock.patch.object(pieces, "PIECE_ROWS", size):
        suspected = suspected_jobs(evidence, [objective.metric], names)
        decider = pieces.PiecewiseDecider(objective, lambda: pa.array(streams, pa.string()), suspected)
        left = [(*one, decider.add_steps) for one in batches(steps)] if objective.step is not None else []
        left += [(*one, decider.add_blocks) for one in batches(blocks)] if objective.step_place == "block" else []
        left.sort(key=lambda one: one[0])
        for number, rows in batches(jobs):
            if decider.is_full:
                decider.decide_before(number)
            while left and left[0][0] <= number:
                _, more, add = left.pop(0)
                add(more)
            decider.add(rows)
        for _, more, add in left:
            add(more)
        facts = {one.name: one for one in known(jobs, statuses)}
        found = decider.finish()
    return ranking.order(
        found,
        objective,
        names,
        pa.array(streams, pa.string()),
        facts,
        decider.step_facts,
        conditions,
        evidence=evidence,
    )


WAYS = {
    "table": lambda *args: from_tables(as_it_is, *args),
    "interleaved": lambda *args: from_tables(interleaved, *args),
    "shuffled": lambda *args: from_tables(shuffled, *args),
    "replay order": lambda *args: from_tables(in_replay_order, *args),
    "row by row": lambda *args: in_pieces(1, 1, *args),
    "in pieces": lambda *args: in_pieces(3, 2, *args),
    "at once": lambda *args: in_pieces(1 << 20, 4, *args),
    "turned around": lambda *args: in_pieces(1, 2, *args, turned=True),
}


def cut_evidence(cut):
    """What a scan notes of values that are not whole, by job, stream, part and start."""
    evidence = Evidence()
    starts = {}
    for name, stream, part, start in sorted(cut):
        starts.setdefault((name, stream, part), []).append(start)
    for (name, stream, part), some in starts.items():
        suspects = {"loss": NotedSuspects(cut_starts=np.array(some))}
        evidence.add(name, stream, part, LogEvidence(f"{name}/{stream}", None, suspects))
    return evidence


def check(jobs, steps, objective, statuses, conditions=NO_CONDITIONS, cut=(), blocks=None):
    """The oracle's ranking, which every way gives."""
    blocks = blocks or {}
    how = (["loss"], objective.restarts, objective.step_place)
    joined = {
        name: ranking_oracle.joined({"loss": rows}, steps.get(name, []), *how, blocks.get(name, []))["loss"]
        for name, rows in jobs.items()
    }
    expected = ranking_oracle.rank(
        joined,
        objective.goal,
        objective.scope,
        statuses,
        steps=None if objective.step is None else steps,
        per_step=objective.per_step,
        from_step=objective.from_step,
        restarts=objective.restarts,
        cut=cut,
        completed_only=conditions.completed_only,
        min_step=conditions.min_step,
        exclude=conditions.exclude_doubts,
    )
    for row in expected:
        row["steps_back"] = None if objective.step is None else ranking_oracle.steps_back(steps.get(row["job"], []))
        row["stepless"] = None if objective.step is None else row["stepless"]
        if objective.step is None or row["step"] is None or math.isnan(row["step"]):
            row["step"] = None
    for way, ranked in WAYS.items():
        table = ranked(jobs, steps, blocks, objective, statuses, conditions, cut_evidence(cut))
        assert table.schema.equals(SCHEMA)
        found = table.select(COLUMNS).to_pylist()
        for row in found:
            row["doubts"] = [doubt["kind"] for doubt in row["doubts"]]
        assert repr(found) == repr([{name: row[name] for name in COLUMNS} for row in expected]), way
    return expected


# ---- the rules, as cases


def read_cases():
    for path in sorted((Path(__file__).resolve().parents[1] / "cases" / "ranking").glob("*.toml")):
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        for case in document["case"]:
            case.setdefault("scope", document.get("scope"))
            case.setdefault("stepped", document.get("stepped", False))
            assert case.keys() & GOALS.keys(), case["name"]
            for goal in sorted(GOALS.keys() & case.keys()):
                yield pytest.param(case, goal, id=f"{path.stem}/{case['scope']}/{case['name']}/{goal}")


def placed(rows, kind):
    """Rows and steps of a job as a case writes them."""
    given = [row if isinstance(row, dict) else {"v": row} for row in rows]
    found, steps = [], []
    for line, row in enumerate(given, 1):
        assert row.keys() <= {"v", "s", "t", "e", "p"}
        stream, time, part = row.get("s", "out"), row.get("t"), row.get("p", 0)
        found.append(Row(stream, row["v"], line, 10 * line, 10 * line + 5, time, part=part))
        if "e" in row:
            # behind the value: a step wins wherever it stands in the record
            steps.append(Row(stream, float(row["e"]), line, 10 * line, 10 * line + 7, time, part=part))
    return found if kind == "rows" else steps


def said(row, mentions):
    """A place of the ranking as a case writes it, as far as it mentions it."""
    parts = [str(row["rank"] or "-"), row["job"], repr(row["value"])]
    if row["objective_status"] != "found":
        parts.append(row["objective_status"])
    parts += [row["job_status"]] if row["job_status"] else []
    if ":" in mentions:
        piece = f"/{row['part']}" if row["part"] else ""
        parts.append(f"{row['stream']}{piece}:{row['line']}")
    if "streams" in mentions:
        parts.append(f"{row['streams']}streams")
    if (row["tied"] or 0) > 1:
        parts.append("tied")
    parts += [doubt for doubt in row["doubts"] if doubt in mentions]
    return " ".join(parts)


@pytest.mark.parametrize(("case", "goal"), list(read_cases()))
def test_the_rules(case, goal):
    jobs = {name: placed(rows, "rows") for name, rows in case["jobs"].items()}
    steps = {name: placed(rows, "steps") for name, rows in case["jobs"].items()}
    keys = ("completed_only", "min_step", "exclude_doubts")
    conditions = Conditions.checked(None, *(case.get(key, getattr(NO_CONDITIONS, key)) for key in keys))
    step = "epoch" if case["scope"].startswith("best@") or case["stepped"] else None
    options = {key: case[key] for key in ("per_step", "from_step", "restarts") if key in case}
    objective = Objective("loss", GOALS[goal], case["scope"], step, **options)
    found = check(jobs, steps, objective, case.get("status", {}), conditions)
    assert [said(row, line) for row, line in zip(found, case[goal], strict=True)] == case[goal]


# ---- a naive oracle, on anything

names = st.sampled_from(["a", "b", "trial_2", "trial_10", "trial_02", "z"])
values = st.sampled_from([1.0, 2.0, 0.1, 0.2, 0.3, -0.0, 0.0, 1e308, 5e-324, NAN, INF, -INF]) | st.floats()
# a value, a step or a separator of blocks
kinds = st.sampled_from(["row", "row", "step", "step", "block"])
records = st.lists(st.lists(st.tuples(kinds, values, st.integers(0, 4)), max_size=4), max_size=5)
# few are rotated; pieces come in any order
places = st.tuples(names, st.sampled_from(["out", "rank_2", "rank_10"]), st.sampled_from([0, 0, 0, 1, 2]))
logs = st.dictionaries(places, records, max_size=8)
scopes = st.sampled_from(
    [
        *("last", "first", "min", "max", "mean", "last-1", "last-2", "last-3"),
        *(
            "best",
            "best@1",
            "best@2.5",
            "best@1..2",
            "best@-1..0.5",
            "ema:0.5",
            "ema:0.9",
            "window:1",
            "window:2",
            "window:3",
        ),
    ]
)
statuses = st.dictionaries(names, st.sampled_from(["Completed", "Failed", "Stopped", "InProgress", "odd"]))


def jobs_of(logs, timed):
    """Rows, steps and separators, as they stand in the records of logs; few times, so that they tie."""
    found = {"row": {}, "step": {}, "block": {}}
    for (name, stream, part), log in logs.items():
        for line, record in enumerate(log, 1):
            for column, (kind, value, number) in enumerate(record):
                value = float(number) if kind == "step" and number < 4 else value
                time = number if timed else None
                row = Row(stream, value, line, 100 * line, 100 * line + column, time, part=part)
                found[kind].setdefault(name, []).append(row)
    # every job that is in a table is ranked
    return {name: found["row"].get(name, []) for some in found.values() for name in some}, found["step"], found["block"]


@given(
    logs,
    st.sampled_from(["Minimize", "Maximize"]),
    scopes,
    statuses,
    st.booleans(),
    st.booleans(),
    st.sampled_from(STEP_PLACES),
    st.sampled_from([None, None, 1, 2.5]),
    st.sampled_from(PER_STEP),
    st.sampled_from([None, None, None, 0, 1.5]),
    st.sampled_from(RESTARTS),
    st.sets(st.sampled_from(["cut-value", "behind", "several-streams"])),
    st.randoms(use_true_random=False),
)
def test_a_naive_oracle_ranks_the_same(
    logs, goal, scope, statuses, timed, completed_only, place, min_step, per_step, from_step, restarts, kinds, random
):
    jobs, steps, blocks = jobs_of(logs, timed)
    others = (min_step, from_step, per_step, restarts) != (None, None, "last", "keep")
    is_stepped = scope.startswith("best@") or timed or others
    step = "epoch" if is_stepped else None
    statuses = {name: status for name, status in statuses.items() if name in jobs}
    # where rows of several streams are ordered by time, those of a window are not known
    rows = [] if timed else [(name, row.stream, row.part, row.start) for name, some in jobs.items() for row in some]
    cut = {row for row in rows if random.random() < 0.2}
    conditions = Conditions(completed_only, min_step, tuple(kinds))
    objective = Objective(
        "loss", goal, scope, step, place if step else "before", per_step, from_step, restarts=restarts
    )
    check(jobs, steps, objective, statuses, conditions, cut, blocks)


finite = st.floats(allow_nan=False, allow_infinity=False)
# their means lie in the middle between two doubles now and then
near_one = st.integers(-(1 << 53), 1 << 53).map(lambda number: number * 2.0**-53)


@given(st.lists(st.lists(finite, min_size=1, max_size=40) | st.lists(near_one, min_size=1, max_size=40), min_size=1))
def test_means_are_those_of_exact_sums(segments):
    flat = np.array([value for segment in segments for value in segment])
    counts = np.array([len(segment) for segment in segments])
    for exact in (False, True):
        found = means(flat, np.cumsum(counts) - counts, counts, exact=exact).tolist()
        assert list(map(repr, found)) == [repr(ranking_oracle.mean(segment, exact=exact)) for segment in segments]


@given(st.lists(st.text("019a_ \x00\x01é٣²", max_size=6), unique=True))
def test_natural_order_of_many_names(names):
    ranks = natural_ranks(pa.array(names, pa.string())).tolist()
    found = [name for _, name in sorted(zip(ranks, names, strict=True))]
    assert found == sorted(names, key=natural) == sorted(names, key=ranking_oracle.natural)


def test_no_jobs_give_an_empty_table():
    table = rank({"loss": table_of([])}, MIN)
    assert table.schema.equals(SCHEMA)
    assert table.num_rows == 0


def test_a_row_says_what_is_known_of_the_job():
    rows = {"loss": table_of([("a", Row("stdout", 1.5, 3, 20, 25)), ("c", Row("stdout", INF, 3, 20, 25))])}
    facts = [
        SimpleNamespace(name="a", status="Stopped", hyperparameters={"lr": "3e-4", "units": "64"}),
        SimpleNamespace(name="b", status=None, hyperparameters={}),
    ]
    place = {
        "stream": "stdout",
        "part": 0,
        "run": None,
        "line": 3,
        "offset": 20,
        "step": None,
        "steps_back": None,
        "stepless": None,
        "doubts": [],
    }
    nowhere = dict.fromkeys(place) | {"doubts": []}
    assert rank(rows, MIN, jobs=facts).to_pylist() == [
        {
            "rank": 1,
            "job": "a",
            "value": 1.5,
            "objective_status": "found",
            "job_status": "Stopped",
            "rows": 1,
            "hyperparameters": [("lr", "3e-4"), ("units", "64")],
            "streams": 1,
            "not_finite": 0,
            "tied": 1,
            **place,
        },
        {
            "rank": None,
            "job": "c",
            "value": INF,
            "objective_status": "not_finite",
            "job_status": None,
            "rows": 1,
            "hyperparameters": [],
            "streams": 1,
            "not_finite": 1,
            "tied": None,
            **place,
        },
        {
            "rank": None,
            "job": "b",
            "value": None,
            "objective_status": "missing",
            "job_status": None,
            "rows": 0,
            "hyperparameters": [],
            "streams": 0,
            "not_finite": 0,
            "tied": None,
            **nowhere,
        },
    ]


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
        SimpleNamespace(
            name=one["job"],
            status=one["status"],
            hyperparameters=one["hyperparameters"],
            logs=[
                Log(source["path"], source["stream"]) for source in manifest["sources"] if source["job"] == one["job"]
            ],
        )
        for one in manifest["jobs"]
    ]
    assert repr(rank(found, MIN, jobs=known).to_pylist()) == repr(result.ranking.to_pylist())


# ---- faults


def test_an_unknown_objective_metric_is_an_error_with_the_nearest_name():
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
