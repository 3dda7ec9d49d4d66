"""How fast a whole log is read: every engine on every workload, and ours as definitions grow."""

from __future__ import annotations

import pytest
from inputs import corpora
from peers import answers, engines, floors

# Side by side all engines read the same bytes, few enough for the slowest.
SHARED_BYTES = 4 << 20


def _time(benchmark, engine, workload, expected, path) -> None:
    call = engine.prepare(workload, path)
    assert answers.difference(call(), expected) is None
    benchmark.extra_info.update(bytes=len(workload.data), rows=expected.row_count)
    benchmark.pedantic(call, rounds=5, warmup_rounds=1)


@pytest.mark.parametrize("engine", engines.ENGINES, ids=lambda engine: engine.name)
@pytest.mark.parametrize("name", corpora.WORKLOADS)
def test_engine(benchmark, make_workload, tmp_path, name, engine):
    workload, expected = make_workload(name, size_bytes=SHARED_BYTES)
    reason = engine.absent() or engine.declines(workload)
    if reason:
        pytest.skip(reason)
    benchmark.group = f"{name}, {len(workload.definitions)} definitions"
    path = tmp_path / "job.log"
    path.write_bytes(workload.data)
    _time(benchmark, engine, workload, expected, path)


@pytest.mark.parametrize("count", [4, 40, 400, 1000])
@pytest.mark.parametrize("name", ["every", "tenth", "hundredth"])
def test_definition_count(benchmark, make_workload, tmp_path, name, count):
    workload, expected = make_workload(name)
    workload = workload._replace(definitions=corpora.definitions(count))
    names = [definition["Name"] for definition in workload.definitions]
    expected = answers.Expected(*({name: column.get(name, ()) for name in names} for column in expected))
    benchmark.group = f"{name}, as definitions grow"
    _time(benchmark, engines.Metricscan(), workload, expected, tmp_path)


def test_read_memory(benchmark, make_workload):
    workload, _ = make_workload("tenth")
    benchmark.group = "floors"
    benchmark.extra_info["bytes"] = len(workload.data)
    benchmark.pedantic(floors.read_all(workload.data), rounds=5, warmup_rounds=1)


def test_count_newlines(benchmark, make_workload, tmp_path):
    workload, _ = make_workload("tenth")
    path = tmp_path / "job.log"
    path.write_bytes(workload.data)
    benchmark.group = "floors"
    benchmark.extra_info["bytes"] = len(workload.data)
    benchmark.pedantic(floors.count_newlines(path), rounds=5, warmup_rounds=1)
