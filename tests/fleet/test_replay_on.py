"""Replays on engines: the result and the dataset are those of one machine, also if tasks run twice or workers die."""

import errno
import multiprocessing
import os
import random
import shutil
import signal
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

import pyarrow.dataset
import pytest
from support.fleet import SCANNER, mixed, paths_in, same_dataset, same_result
from support.folders import tree

import metricscan
from metricscan import Dataset, Objective, OptionError, Scanner, SourceError, replay
from metricscan.datasets import formats
from metricscan.fleet import replay_on
from metricscan.fleet.engines import engine_of

BEST = Objective("loss", "Minimize", "best@6", step="step")
PYTHON_AND_REST = {"objective": BEST, "at_best": ["acc"], "block": True, "run_start": "^warming up"}


def alone(work, tasks):
    """An engine of one worker, which does one task after the other."""
    return map(work, tasks)


def careless(work, tasks, seed=3):
    """An engine that does tasks in any order, and some twice."""
    rng = random.Random(seed)
    again = [*tasks, *rng.sample(tasks, len(tasks) // 2)]
    rng.shuffle(again)
    return map(work, again)


def in_processes(work, tasks):
    """An engine whose tasks run in other processes, each twice."""
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("forkserver")) as pool:
        yield from pool.map(work, tasks * 2)


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    return mixed(tmp_path_factory.mktemp("mixed"), 11, 36)


@pytest.fixture(scope="module")
def alone_replay(logs, tmp_path_factory):
    out = tmp_path_factory.mktemp("alone") / "out"
    return replay(paths_in(logs), SCANNER, out=out, **PYTHON_AND_REST), out


@pytest.mark.parametrize("engine", [careless, pytest.param(in_processes, marks=pytest.mark.slow)])
@pytest.mark.parametrize("task_logs", [7, 1000])
def test_an_engine_finds_what_one_machine_finds(logs, alone_replay, tmp_path, engine, task_logs):
    wanted, dataset = alone_replay
    out = tmp_path / "out"
    found = replay_on(engine, paths_in(logs), SCANNER, out=out, task_logs=task_logs, **PYTHON_AND_REST)
    same_result(found, wanted)
    same_dataset(out, dataset)
    assert os.listdir(tmp_path) == ["out"]


@pytest.mark.parametrize("format_", ["arrow", "csv", "jsonl"])
def test_every_format_is_written_in_several_files(logs, tmp_path, format_):
    some = sorted((logs).glob("*/train.log*"))
    wanted = replay(some, SCANNER, out=tmp_path / "one", format=format_)
    found = replay_on(careless, some, SCANNER, out=tmp_path / "fleet", format=format_, task_logs=3)
    assert found.ranking is None
    assert found.stats == wanted.stats
    one, fleet = (Dataset(tmp_path / name) for name in ("one", "fleet"))
    assert len(os.listdir(tmp_path / "fleet" / "loss")) > 2
    assert all(repr(one[name].to_pylist()) == repr(fleet[name].to_pylist()) for name in one)


@pytest.mark.parametrize(
    "objective",
    [
        Objective("loss", "Minimize", "mean"),
        Objective("loss", "Minimize", "last-3", step="step"),
        Objective("loss", "Minimize", "mean", step="step", step_place="after", restarts="split"),
        Objective("loss", "Minimize", "ema:0.5", step="step", step_place="block"),
        Objective("loss / last(acc)", "Minimize", is_formula=True),
        Objective("loss - acc", "Minimize", "window:2", step="step", is_formula=True, restarts="purge"),
    ],
    ids=lambda one: one.metric,
)
def test_what_is_counted_of_jobs_adds_up(logs, objective):
    options = {"objective": objective, "block": True, "run_start": "^warming up"}
    wanted = replay(paths_in(logs), SCANNER, **options)
    for task_logs in (5, 1000):
        same_result(replay_on(careless, paths_in(logs), SCANNER, task_logs=task_logs, **options), wanted)


@pytest.mark.parametrize("late", ["ab", "a", "b", ""])
def test_steps_of_a_formula_are_late_only_if_they_are_in_all_jobs(tmp_path, late):
    rows = {True: "loss=1 acc=2\nstep=1\nloss=2 acc=3\nstep=2\n", False: "step=1\nloss=1 acc=2\nstep=2\nloss=2 acc=3\n"}
    tree(tmp_path, {f"{name}.log": rows[name in late] for name in "ab"})
    options = {"objective": Objective("loss - acc", "Minimize", step="step", is_formula=True)}
    wanted = replay(tmp_path, SCANNER, **options)
    assert replay_on(alone, tmp_path, SCANNER, task_logs=1, **options).notices == wanted.notices
    assert any("--step-place after" in one.message for one in wanted.notices) == (late == "ab")


def test_other_readers_see_one_table(logs, alone_replay, tmp_path):
    replay_on(careless, paths_in(logs), SCANNER, out=tmp_path / "out", task_logs=5, **PYTHON_AND_REST)
    found = pyarrow.dataset.dataset(tmp_path / "out" / "loss", format="parquet").count_rows()
    assert found == alone_replay[0].stats.metrics["loss"].rows


def test_without_out_nothing_is_written(logs, alone_replay):
    found = replay_on(careless, paths_in(logs), SCANNER, task_logs=9, **PYTHON_AND_REST)
    same_result(found, alone_replay[0])
    with pytest.raises(LookupError, match="were not kept"):
        found["loss"]


def test_a_metric_without_rows_has_an_empty_file(tmp_path):
    tree(tmp_path, {"logs/a.log": "loss=1\n"})
    replay_on(alone, tmp_path / "logs", SCANNER, out=tmp_path / "out")
    assert Dataset(tmp_path / "out")["acc"].num_rows == 0


def test_no_logs_are_a_dataset_without_rows(tmp_path):
    (tmp_path / "logs").mkdir()
    found = replay_on(alone, tmp_path / "logs", SCANNER, out=tmp_path / "out", objective=BEST)
    assert found.best is None
    assert Dataset(tmp_path / "out")["loss"].num_rows == 0


# ---- what goes wrong


@pytest.fixture
def three(tmp_path):
    return tree(tmp_path / "logs", {f"{name}.log": f"step={at}\nloss={at}\n" for at, name in enumerate("abc")})


def lossy(work, tasks):
    return map(work, tasks[1:])


def killed(work, tasks):
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("forkserver")) as pool:
        yield work(tasks[0])
        list(pool.map(os.kill, [0], [signal.SIGKILL]))


def interrupted(work, tasks):
    yield work(tasks[0])
    raise KeyboardInterrupt


def without_package(work, tasks):
    yield work(tasks[0])
    raise RuntimeError("ModuleNotFoundError: No module named 'metricscan'")


@pytest.mark.parametrize(
    ("engine", "error", "message"),
    [
        (lossy, SourceError, "the engine gave back 2 of 3 logs: tasks were lost"),
        (without_package, OptionError, "a worker of the engine has no metricscan"),
        (interrupted, KeyboardInterrupt, "^$"),
        (lambda work, tasks: [work(b"no table")], SourceError, "a task of the engine failed"),
        (
            lambda work, tasks: map(replace(work, version="9.9"), tasks),
            OptionError,
            "has metricscan .*; 9.9 was expected",
        ),
    ],
)
@pytest.mark.parametrize("overwrite", [False, True])
def test_what_goes_wrong_leaves_no_dataset_or_the_one_before(three, tmp_path, engine, error, message, overwrite):
    out = tmp_path / "out"
    if overwrite:
        replay(three, Scanner(["loss=loss=(.*)"]), out=out)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(error, match=message):
        replay_on(engine, three, SCANNER, objective=BEST, out=out, overwrite=overwrite, task_logs=1)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    "engine",
    [alone, "duckdb", pytest.param("polars", marks=pytest.mark.integration)],
    ids=["alone", "duckdb", "polars"],
)
def test_a_full_disk_is_an_error(three, tmp_path, monkeypatch, engine):
    if isinstance(engine, str):
        pytest.importorskip(engine)

    def full(self, table):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(formats.WRITERS["parquet"], "write", full)
    with pytest.raises(SourceError, match=r"^cannot write .*_tasks.*: No space left on device"):
        replay_on(engine, three, SCANNER, out=tmp_path / "out")
    assert os.listdir(tmp_path) == ["logs"]


def test_a_folder_that_workers_do_not_share_is_an_error(three, tmp_path):
    def elsewhere(work, tasks):
        return map(replace(work, folder=str(tmp_path / "not" / "there")), tasks)

    def removed(work, tasks):
        for task in tasks:
            yield work(task)
        for path in (tmp_path / work.folder / "_tasks").iterdir():
            shutil.rmtree(path)

    for engine, message in ((elsewhere, "cannot write"), (removed, "cannot take")):
        with pytest.raises(SourceError, match=message) as caught:
            replay_on(engine, three, SCANNER, out=tmp_path / "out")
        assert caught.value.hint == "all machines must see the output folder under one path"
    assert os.listdir(tmp_path) == ["logs"]


def test_a_log_that_vanished_is_an_error_of_the_replay(three, tmp_path):
    def late(work, tasks):
        (three / "b.log").unlink()
        return map(work, tasks)

    found = replay_on(late, three, SCANNER, objective=BEST, out=tmp_path / "out", task_logs=1)
    (error,) = found.errors
    assert error.path == str(three / "b.log")
    assert found.ranking["objective_status"].to_pylist() == ["found", "found", "missing"]
    with pytest.raises(SourceError, match="No such file"):
        replay_on(alone, [three, three / "b.log"], SCANNER, on_error="raise")


def test_relative_paths_lead_from_one_folder(three, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = replay_on(alone, "logs", SCANNER, objective=BEST, keep=False, threads=None)
    assert found.best.path == "logs/a.log"

    def elsewhere(work, tasks):
        monkeypatch.chdir(three)
        return map(work, tasks)

    with pytest.raises(OptionError, match=r"works in .*logs, and logs/a\.log is a path in") as caught:
        replay_on(elsewhere, "logs", SCANNER)
    assert caught.value.hint == "give absolute paths"


def test_options_that_need_one_machine_are_refused(three):
    for name, value in {"threads": 2, "keep": True, "progress": print, "parameters": ["printed"]}.items():
        with pytest.raises(OptionError, match=f"{name}: not with an engine"):
            replay_on(alone, three, SCANNER, **{name: value})
    with pytest.raises(OptionError, match="engine='rai': ray, dask, daft, spark, duckdb, polars was expected"):
        replay_on("rai", three, SCANNER)
    with pytest.raises(OptionError, match="polars runs on one machine"):
        replay_on("polars", three, SCANNER, address="1.2.3.4")
    with pytest.raises(OptionError, match="'-' can be read only once"):
        replay_on(alone, "-", SCANNER)


# ---- engines


ENGINES = [
    "ray",
    "duckdb",
    *(pytest.param(name, marks=pytest.mark.integration) for name in ("dask", "daft", "spark", "polars")),
]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("engine", ENGINES)
def test_engines_find_what_one_machine_finds(logs, alone_replay, tmp_path, engine):
    pytest.importorskip({"spark": "pyspark", "dask": "distributed"}.get(engine, engine))
    wanted, dataset = alone_replay
    found = replay_on(engine, paths_in(logs), SCANNER, out=tmp_path / "out", task_logs=12, **PYTHON_AND_REST)
    same_result(found, wanted)
    same_dataset(tmp_path / "out", dataset)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("engine", ENGINES)
def test_an_error_of_a_worker_is_told_as_it_is(three, tmp_path, engine):
    pytest.importorskip({"spark": "pyspark", "dask": "distributed"}.get(engine, engine))

    def elsewhere(work, tasks):
        return engine_of(engine)(replace(work, folder=str(tmp_path / "not" / "there")), tasks)

    with pytest.raises(SourceError, match=r"^cannot write [^\n]*: No such file or directory") as caught:
        replay_on(elsewhere, three, SCANNER, out=tmp_path / "out")
    assert type(caught.value) is SourceError
    assert caught.value.hint == "all machines must see the output folder under one path"
    assert os.listdir(tmp_path) == ["logs"]


@pytest.mark.parametrize(
    ("address", "environment", "expected"),
    [(None, None, "local"), (None, "10.0.0.1:6379", None), ("auto", None, "auto")],
)
def test_ray_is_started_on_this_machine_unless_there_is_an_address(three, monkeypatch, address, environment, expected):
    ray = pytest.importorskip("ray")
    given = []

    def init(**options):
        given.append(options["address"])
        raise ConnectionError("no cluster")

    monkeypatch.setattr(ray, "init", init)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    if environment is not None:
        monkeypatch.setenv("RAY_ADDRESS", environment)
    with pytest.raises(metricscan.MetricscanError, match="no cluster"):
        replay_on("ray", three, SCANNER, address=address)
    assert given == [expected]


@pytest.mark.integration
@pytest.mark.filterwarnings("ignore")
def test_a_node_that_is_lost_midway_changes_nothing(logs, alone_replay, tmp_path):
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    node = cluster.add_node(num_cpus=1)
    try:
        ray.init(address=cluster.address, log_to_driver=False)

        def losing(work, tasks):
            found = iter(engine_of("ray")(work, tasks))
            yield next(found)
            cluster.remove_node(node)
            yield from found

        found = replay_on(losing, paths_in(logs), SCANNER, out=tmp_path / "out", task_logs=3, **PYTHON_AND_REST)
        assert len(cluster.list_all_nodes()) == 1
    finally:
        ray.shutdown()
        cluster.shutdown()
    same_result(found, alone_replay[0])
    same_dataset(tmp_path / "out", alone_replay[1])


def test_an_engine_that_is_not_installed_is_named(three, monkeypatch):
    def missing(name):
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr("metricscan.fleet.engines.importlib.import_module", missing)
    with pytest.raises(OptionError, match=r"ray cannot be imported: No module named 'ray.data'") as caught:
        replay_on("ray", three, SCANNER)
    assert caught.value.hint == "pip install 'metricscan[ray]' installs it"
    assert metricscan.fleet.replay_on is replay_on
