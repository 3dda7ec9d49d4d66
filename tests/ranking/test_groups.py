"""Groups of jobs: which jobs are one, their numbers beside a naive oracle, folds within a log, and what is said of them."""

import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import groups_oracle, ranking_oracle
from support.folders import tree
from support.ranking_oracle import Row

import metricscan
from metricscan import Objective, OptionError, Scanner, rank_groups
from metricscan.definitions.objective import RESTARTS
from metricscan.ranking.groups import SCHEMA, _deviations, notices_of

SCANNER = Scanner([r"loss=loss=(\S+)", r"epoch=epoch=(\d+)"], labels={"fold": r"fold=(\S+)"})
MIN = Objective("loss", "Minimize")
NUMBERS = ("mean", "median", "std", "best", "worst", "best_job")


def replayed(folder, logs):
    """A replay of logs by name, and the dataset that it wrote."""
    tree(folder, {f"logs/{name}.log": text for name, text in logs.items()})
    return metricscan.replay(folder / "logs", SCANNER, out=folder / "out", overwrite=True), folder / "out"


def said(table, *columns):
    return [tuple(row.values()) for row in table.select(columns).to_pylist()]


SEEDS = {
    "lr=0.1,seed=1": "loss=0.5",
    "lr=0.10,seed=2": "loss=0.25",
    "lr=1e-1,seed=3": "loss=0.75",
    "lr=0.2,seed=1": "loss=0.125",
    "lr=0.2,seed=2": "loss=0.875",
    "lr=0.2,seed=3": "loss=nan",
    "lr=0.3,seed=1": "nothing",
    "other": "loss=0",
}


def test_one_lucky_seed_does_not_win(tmp_path):
    for tables in replayed(tmp_path, SEEDS):
        found = rank_groups(tables, MIN, over="seed")
        assert found.schema.equals(SCHEMA)
        assert said(found, "rank", "group", "n", "jobs", "mean", "median", "best", "worst", "best_job", "tied") == [
            (1, "lr=0.1", 3, 3, 0.5, 0.5, 0.25, 0.75, "lr=0.10,seed=2", 2),
            (1, "lr=0.2", 2, 3, 0.5, 0.5, 0.125, 0.875, "lr=0.2,seed=1", 2),
            (None, "lr=0.3", 0, 1, None, None, None, None, None, None),
        ]
        assert found["parameters"].to_pylist()[0] == [("lr", "0.1")]
        assert found["std"].to_pylist() == [0.25, pytest.approx(math.sqrt(2 * 0.375**2)), None]
        assert notices_of(found) == [
            "1 job belongs to no group: they have no 'seed'",
            "1 of 3 groups has one job, and no spread",
        ]
        worst = rank_groups(tables, MIN, over="seed", group_value="worst")
        assert said(worst, "rank", "group", "value") == [
            (1, "lr=0.1", 0.75),
            (2, "lr=0.2", 0.875),
            (None, "lr=0.3", None),
        ]
        best = rank_groups(tables, MIN, group_by="lr", group_value="best")
        assert said(best, "rank", "group", "value")[:2] == [(1, "lr=0.2", 0.125), (2, "lr=0.1", 0.25)]
        assert notices_of(best)[-1] == "the best group has 3 jobs, of which only 2 have a rank and count"


def test_jobs_are_grouped_by_a_regex_on_their_names(tmp_path):
    replay, _ = replayed(tmp_path, {"exp_a_1": "loss=1", "exp_a_2": "loss=3", "exp_b_1": "loss=1", "x": "loss=0"})
    for regex in (r"exp_(\w)_", r"(?:ex)(p)_(?P<group>\w)_"):
        found = rank_groups(replay, MIN, group_name=regex)
        assert said(found, "rank", "group", "mean", "n") == [(1, "b", 1.0, 1), (2, "a", 2.0, 2)]
    assert notices_of(rank_groups(replay, MIN, group_name="exp_.")) == [
        "1 job belongs to no group: the regex 'exp_.' finds nothing in their names",
        "1 of 2 groups has one job, and no spread",
    ]


def test_only_hyperparameters_that_differ_name_a_group(tmp_path):
    logs = {f"bs=32,lr={lr},seed={seed}": f"loss={lr}" for lr in (1, 2) for seed in (1, 2)}
    replay, _ = replayed(tmp_path, logs)
    assert rank_groups(replay, MIN, over="seed")["group"].to_pylist() == ["lr=1", "lr=2"]
    assert rank_groups(replay, MIN, over=["seed", "lr"])["group"].to_pylist() == ["bs=32"]
    assert rank_groups(replay, MIN, group_by=["lr", "bs"])["group"].to_pylist() == ["lr=1 bs=32", "lr=2 bs=32"]
    assert rank_groups(replay, MIN, over=["seed", "lr", "bs"])["group"].to_pylist() == ["all jobs"]


def test_a_run_that_is_there_twice_is_said(tmp_path):
    logs = {"a/lr=1,seed=1": "loss=1", "b/lr=1,seed=01": "loss=1", "b/lr=1,seed=2": "loss=2"}
    replay, _ = replayed(tmp_path, logs)
    found = rank_groups(replay, MIN, over="seed")
    assert said(found, "group", "n") == [("lr=1", 3)]
    assert notices_of(found) == ["the group 'lr=1' has several jobs with seed=01: each of them counts"]


def test_a_hyperparameter_that_each_job_has_of_its_own_is_said(tmp_path):
    logs = {f"dir=run{seed}{lr},lr={lr},seed={seed}": "loss=1" for lr in (1, 2) for seed in (1, 2)}
    replay, _ = replayed(tmp_path, logs)
    assert notices_of(rank_groups(replay, MIN, over="seed")) == [
        (
            "4 of 4 groups have one job, and no spread: each job has its own 'dir'; "
            "--over seed,dir (over=['seed', 'dir']) leaves that out, too"
        )
    ]
    assert notices_of(rank_groups(replay, MIN, over=["seed", "dir"])) == []


def test_options_that_make_no_groups(tmp_path):
    replay, _ = replayed(tmp_path, SEEDS)
    for options, message in [
        ({}, "one of over, group_by and group_name was expected, not none"),
        ({"over": "seed", "group_by": "lr"}, "one of over, group_by and group_name was expected, not 2 of them"),
        ({"over": ["seed", ""]}, "over='': a name was expected"),
        ({"group_name": "("}, r"group_name='\(' is not a valid regex"),
        ({"group_name": "(" * 5_000}, r"\(5,000 characters\) is not a valid regex: its groups are nested too deeply"),
        ({"group_name": "a{99999999999}"}, "is not a valid regex: the repetition number is too large"),
        ({"group_name": 1}, "group_name=1: a regex was expected"),
        ({"over": "seed", "group_value": "max"}, "group_value='max': one of mean, median, worst, best was expected"),
        (
            {"over": "seeds"},
            r"no job has the hyperparameter 'seeds': they have 'lr', 'seed'\nhint: did you mean 'seed'\?",
        ),
    ]:
        with pytest.raises(OptionError, match=message):
            rank_groups(replay, MIN, **options)
    alone, _ = replayed(tmp_path / "other", {"a": "loss=1"})
    with pytest.raises(OptionError, match="no job has the hyperparameter 'seed': no job has any\nhint: --jobs FILE"):
        rank_groups(alone, MIN, over="seed")
    logged, _ = replayed(tmp_path / "third", {"fold=1,a=1": "fold=1 loss=1"})
    with pytest.raises(OptionError, match="'fold' is a hyperparameter of jobs and a metric or label of their logs"):
        rank_groups(logged, MIN, over="fold")


def test_folds_within_a_log(tmp_path):
    """The last value of each fold, not the last value of the log."""
    folds = "loss=9\nfold=1\nloss=5\nloss=1\nfold=2 loss=3\nfold=3\nloss=4\nloss={}\n"
    logs = {"lr=1": folds.format(5), "lr=2": folds.format(2), "lr=3": "loss=0\n"}
    for tables in replayed(tmp_path, logs):
        found = rank_groups(tables, MIN, over="fold")
        assert said(found, "rank", "group", "n", "mean", "best_job") == [
            (1, "lr=2", 3, 2.0, "lr=2 [fold=1]"),
            (2, "lr=1", 3, 3.0, "lr=1 [fold=1]"),
        ]
        assert notices_of(found) == [
            "1 job has no 'fold' in the logs, and belongs to no group",
            "3 of 13 rows of 'loss' stand before the first 'fold', and do not count",
        ]


def test_folds_and_jobs_at_once(tmp_path):
    log = "fold=1 loss={}\nfold=2 loss={}\n"
    logs = {f"lr={lr},seed={seed}": log.format(lr + seed, lr) for lr in (1, 2) for seed in (1, 3)}
    for tables in replayed(tmp_path, logs):
        found = rank_groups(tables, MIN, over=["seed", "fold"])
        assert said(found, "group", "n", "mean") == [("lr=1", 4, 2.0), ("lr=2", 4, 3.0)]
        assert notices_of(found) == []


def test_a_metric_may_be_the_number_of_a_fold(tmp_path):
    scanner = Scanner([r"loss=loss=(\S+)", r"k=fold=(\S+)"])
    tree(tmp_path, {"logs/a.log": "fold=1 loss=1\nfold=1.5 loss=2\n"})
    found = rank_groups(metricscan.replay(tmp_path / "logs", scanner), MIN, over="k")
    assert said(found, "group", "n", "worst", "best_job") == [("a", 2, 2.0, "a [k=1]")]


def test_the_doubts_of_a_group_are_those_of_its_jobs_that_count(tmp_path):
    lost, fine, gone = "loss=2\nloss=nan\n", "loss=2\n", "loss=nan\n"
    logs = {"lr=1,seed=1": lost, "lr=1,seed=2": fine, "lr=1,seed=3": gone, "lr=2,seed=1": fine, "lr=3,seed=1": lost}
    for tables in replayed(tmp_path, logs):
        objective = Objective("loss", "Minimize", "best")
        found = rank_groups(tables, objective, over="seed")
        doubts = {row["group"]: row["doubts"] for row in found.to_pylist()}
        assert {name: [(one["job"], one["kind"], one["line"]) for one in some] for name, some in doubts.items()} == {
            "lr=1": [("lr=1,seed=1", "diverged", 2)],
            "lr=2": [],
            "lr=3": [("lr=3,seed=1", "diverged", 2)],
        }
        without = rank_groups(tables, objective, over="seed", exclude_doubts="diverged")
        assert said(without, "group", "n", "doubts")[-1] == ("lr=3", 0, [])


def test_doubts_hold_for_folds_too(tmp_path):
    logs = {"a": "fold=1 loss=1\nfold=2 loss=2", "b": "fold=1 loss=3\nfold=2 loss=4\n"}
    for tables in replayed(tmp_path, logs):
        found = rank_groups(tables, MIN, over="fold", exclude_doubts="unterminated")
        assert said(found, "group", "n", "jobs") == [("a", 1, 2), ("b", 2, 2)]


# ---- beside a naive oracle

texts = st.sampled_from(["1", "01", "1.0", "1e0", "2", "0.1", "0.10", "a", "A", "nan", "inf", ""])
parameters = st.dictionaries(st.sampled_from(["lr", "seed", "bs"]), texts)
values = st.sampled_from([1.0, 2.0, 0.1, 0.2, 0.3, -1.5, math.nan, math.inf]) | st.floats(-1e300, 1e300)
several = st.lists(values, max_size=2)
given_jobs = st.lists(st.tuples(parameters, several, st.sampled_from([None, "Completed", "Failed"])), max_size=9)


class Job:
    def __init__(self, name, status, hyperparameters):
        self.name, self.status, self.hyperparameters = name, status, hyperparameters


@given(
    given_jobs,
    st.sampled_from([{"over": ["seed"]}, {"over": ["seed", "lr"]}, {"by": ["lr"]}, {"by": ["bs", "lr"]}]),
    st.sampled_from(["Minimize", "Maximize"]),
    st.sampled_from(["mean", "median", "worst", "best"]),
)
def test_a_naive_oracle_finds_the_same_groups(jobs, how, goal, value):
    names = [f"job_{number}" for number in range(len(jobs))]
    rows = {
        name: [Row("out", value, line, line, line) for line, value in enumerate(some)]
        for name, (_, some, _) in zip(names, jobs, strict=True)
    }
    statuses = {name: status for name, (_, _, status) in zip(names, jobs, strict=True) if status}
    own = {name: given for name, (given, _, _) in zip(names, jobs, strict=True)}
    ranking = ranking_oracle.rank(rows, goal, "best", statuses)
    expected, apart = groups_oracle.groups(ranking, own, value=value, goal=goal, **how)
    known = [Job(name, statuses.get(name), own[name]) for name in names]
    objective = Objective("loss", goal, "best")
    wanted = [name for some in how.values() for name in some]
    if not all(any(name in one for one in own.values()) for name in wanted):
        with pytest.raises(OptionError, match="no job has the hyperparameter"):
            rank_groups({"loss": table_of(rows)}, objective, jobs=known, **as_options(how))
        return
    found = rank_groups({"loss": table_of(rows)}, objective, jobs=known, group_value=value, **as_options(how))
    check(found, expected, {row["job"]: row["doubts"] for row in ranking})
    assert sum(found["jobs"].to_pylist()) == len(names) - len(apart)
    assert any("no group" in one for one in notices_of(found)) == bool(apart)


def as_options(how):
    return {"group_by" if name == "by" else name: some for name, some in how.items()}


def check(found, expected, kinds=None):
    rows = found.to_pylist()
    assert len(rows) == len(expected)
    for row in rows:
        doubts = sorted((one["job"], one["kind"]) for one in row["doubts"])
        rivals = [one for one in expected if one[0] == row["rank"] and len(one[2]) == row["jobs"]]
        same = [
            one
            for one in rivals
            if len(one[1]) == row["n"]
            and (one[3] is None or all(close(one[3][key], row[key], key) for key in NUMBERS))
            and (kinds is None or doubts == sorted((job, kind) for job in one[1] for kind in kinds[job]))
        ]
        assert same, (row, rivals)
        expected.remove(same[0])


def close(value, other, key):
    if key == "std" and value is not None and other is not None:
        return math.isclose(value, other, rel_tol=1e-9, abs_tol=1e-300)
    return value == other


def table_of(rows):
    import pyarrow as pa

    flat = [(name, row) for name, some in rows.items() for row in some]
    columns = {
        "job": pa.array([name for name, _ in flat], pa.string()),
        "stream": pa.array([row.stream for _, row in flat], pa.string()),
        "value": pa.array([row.value for _, row in flat], pa.float64()),
        **{name: pa.array([getattr(row, name) for _, row in flat], pa.int64()) for name in ("line", "offset", "start")},
        "time": pa.nulls(len(flat), pa.timestamp("us", "UTC")),
    }
    return pa.table(columns)


events = st.lists(
    st.sampled_from(
        ["fold=1 ", "fold=2 ", "loss=1 ", "loss=0.5 ", "loss=nan ", "epoch=1 ", "epoch=2 ", "\n", "\n", "\n"]
    ),
    max_size=16,
)


@given(
    st.dictionaries(st.sampled_from(["a", "b"]), events, min_size=1),
    st.sampled_from(["last", "min", "mean", "best@1"]),
    st.sampled_from(RESTARTS),
)
def test_a_naive_oracle_splits_folds_the_same(tmp_path_factory, logs, scope, restarts):
    replay, dataset = replayed(tmp_path_factory.mktemp("folds"), {name: "".join(some) for name, some in logs.items()})
    objective = Objective("loss", "Minimize", scope, "epoch", restarts=restarts)
    found = {name: rows_of(replay[name]) for name in ("loss", "epoch", "fold")}
    units, steps_of, parents = {}, {}, {}
    for name in logs:
        own = {metric: [row for job, row in rows if job == name] for metric, rows in found.items()}
        fold = {}
        for metric in ("loss", "epoch"):
            for row in own[metric]:
                fold[metric, row.start] = ranking_oracle.label_in_force(row, own["fold"], own[metric], carried=True)
        for value in {one for one in fold.values() if one is not None}:
            steps = [row for row in own["epoch"] if fold["epoch", row.start] == value]
            unit = f"{name} [fold={value}]"
            parents[unit], steps_of[unit] = name, steps
            rows = [row for row in own["loss"] if fold["loss", row.start] == value]
            units[unit] = ranking_oracle.joined({"loss": rows}, steps, ["loss"], restarts)["loss"]
    expected, _ = groups_oracle.groups(
        ranking_oracle.rank(units, "Minimize", scope, steps=steps_of), {unit: {} for unit in units}, parents=parents
    )
    for tables in (replay, dataset):
        check(rank_groups(tables, objective, over="fold"), list(expected))


def test_runs_of_folds_by_their_records(tmp_path):
    # both folds are trained in turn, and again from a checkpoint, before which the program says that it starts
    text = "fold=1 epoch=1 loss=1\nfold=2 epoch=1 loss=2\nfold=1 epoch=2 loss=3\nfold=2 epoch=2 loss=4\nstart\n"
    tree(tmp_path / "logs", {"a.log": text + "fold=1 epoch=2 loss=5\nfold=2 epoch=2 loss=6\n", "b.log": text})
    result = metricscan.replay(tmp_path / "logs", SCANNER, run_start="^start$", out=tmp_path / "out")
    for tables in (result, tmp_path / "out"):
        for restarts, expected in (("purge", [1.5, 1.5]), ("split", [1.5, 1.5])):
            objective = Objective("loss", "Minimize", "min", "epoch", restarts=restarts)
            assert rank_groups(tables, objective, over="fold")["value"].to_pylist() == expected
        objective = Objective("loss", "Minimize", "mean", "epoch", per_step="all", restarts="purge")
        groups = rank_groups(tables, objective, over="fold").to_pylist()
        assert [(row["group"], row["value"]) for row in groups] == [("b", 2.5), ("a", 3.5)]


def rows_of(table):
    return [
        (row["job"], Row(row["stream"], row["value"], row["line"], row["offset"], row["start"]))
        for row in table.to_pylist()
    ]


def test_the_spread_of_values_that_hardly_differ():
    value = np.array([1.7203309913453884e16, 1.7203309913453884e16, 1.7203309913452332e16])
    (found,) = _deviations(value, np.array([1.7203309913453366e16]), np.array([0]), np.array([3])).tolist()
    # the mean lies a third beside a float
    assert close(found, statistics.stdev(value.tolist()), "std")
