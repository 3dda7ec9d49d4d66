"""Fleets of the size that engines are for: 2,000 logs on each of them, and a log of 4 GiB in ranges."""

import random
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from support.fleet import SCANNER, batches, mixed, paths_in, said, same_dataset, same_result

from metricscan import Objective, Scanner, rank, replay
from metricscan.fleet import decide, in_ranges, list_logs, rank_partials, replay_on, scan_batch, tasks_of
from metricscan.fleet.engines import ENGINES, engine_of
from metricscan.fleet.ranges import with_lines

pytestmark = [pytest.mark.integration, pytest.mark.filterwarnings("ignore")]
BEST = Objective("loss", "Minimize", "best@6", step="step")
SCOPES = [
    *(Objective("loss", "Minimize", scope) for scope in ("last", "first", "min", "max", "mean", "last-5", "best")),
    *(Objective("loss", "Maximize", scope, step="step") for scope in ("ema:0.6", "window:3", "best@2..9", "mean")),
    Objective("loss", "Minimize", "mean", step="step", restarts="split"),
]


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    return mixed(tmp_path_factory.mktemp("many"), 2000, 1300)


@pytest.fixture(scope="module")
def on_one_machine(many, tmp_path_factory):
    out = tmp_path_factory.mktemp("alone") / "out"
    found = replay(paths_in(many), SCANNER, objective=BEST, out=out)
    assert sum(len(job.logs) for job in found.jobs) >= 2000
    return found, out


def again(name, work, tasks):
    """An engine that gets its tasks in any order, and some of them twice."""
    rng = random.Random(7)
    given = [*tasks, *rng.sample(tasks, len(tasks) // 4)]
    rng.shuffle(given)
    return engine_of(name)(work, given)


@pytest.mark.parametrize("name", ENGINES)
def test_every_engine_finds_what_one_machine_finds(many, on_one_machine, tmp_path, name):
    pytest.importorskip({"spark": "pyspark", "dask": "distributed"}.get(name, name))
    wanted, dataset = on_one_machine
    found = replay_on(partial(again, name), paths_in(many), SCANNER, objective=BEST, out=tmp_path / "out", task_logs=60)
    same_result(found, wanted)
    same_dataset(tmp_path / "out", dataset)
    for objective in SCOPES:
        assert said(rank(tmp_path / "out", objective)) == said(rank(dataset, objective))


def test_a_node_that_is_lost_midway_changes_no_scope(many, on_one_machine, tmp_path):
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    wanted, dataset = on_one_machine
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    node = cluster.add_node(num_cpus=1)
    done = []

    def losing(work, tasks):
        for at, one in enumerate(again("ray", work, tasks)):
            if at == len(tasks) // 2:
                cluster.remove_node(node)
            done.append(at)
            yield one

    try:
        ray.init(address=cluster.address, log_to_driver=False)
        found = replay_on(losing, paths_in(many), SCANNER, objective=BEST, out=tmp_path / "out", task_logs=60)
        assert len(cluster.list_all_nodes()) == 1
    finally:
        ray.shutdown()
        cluster.shutdown()
    same_result(found, wanted)
    same_dataset(tmp_path / "out", dataset)
    for objective in SCOPES:
        assert said(rank(tmp_path / "out", objective)) == said(rank(dataset, objective))


def test_every_scope_of_shuffled_and_repeated_batches(many, on_one_machine):
    rng = random.Random(8)
    scans = [
        scan_batch(one, SCANNER)
        for one in batches(list_logs(paths_in(many)), rng, partial(tasks_of, most_bytes=40_000))
    ]
    for objective in SCOPES:
        wanted = replay(paths_in(many), SCANNER, objective=objective)
        assert said(rank_partials([decide(one, objective) for one in scans], jobs=wanted.jobs)) == said(wanted.ranking)


def test_a_log_of_4_gib_in_64_ranges_is_the_whole(tmp_path):
    log = tmp_path / "large.log"
    noise = b"".join(b"noise %d of a training that prints a lot of text\n" % number for number in range(1000))
    with log.open("wb") as file:
        for number in range((4 << 30) // len(noise) + 1):
            file.write(noise)
            file.write(b"loss=%d.25 at step %d\n" % (number % 97, number))
    scanner = Scanner([r"loss=loss=([0-9.]+)", r"step=step (\d+)"])
    logs = list_logs(log)
    assert logs["size"].to_pylist()[0] > 4 << 30
    rows = in_ranges(logs, -(-logs["size"].to_pylist()[0] // 64))
    assert rows.num_rows == 64
    parts = [scan_batch(rows.slice(at, 1), scanner) for at in random.Random(9).sample(range(64), 64)]
    found = with_lines(pa.concat_tables(parts))
    whole = scanner.scan(log)
    for name in scanner.metrics:
        own = found.filter(pc.and_(pc.equal(found["metric"], name), pc.equal(found["kind"], "value")))
        for column in ("value", "line", "offset", "start"):
            assert own[column].combine_chunks().equals(whole[name][column].combine_chunks())
