"""The examples run, and what they say is true."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

import metricscan

FOLDER = Path(__file__).resolve().parents[2] / "examples"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="installed, not checked out")


@pytest.fixture(scope="module")
def pareto():
    pytest.importorskip("optuna")
    spec = importlib.util.spec_from_file_location("pareto", FOLDER / "pareto.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def dominated(one, other):
    """Whether the other is at least as good in all, and better in one; less is better."""
    return all(b <= a for a, b in zip(one, other, strict=True)) and one != other


def test_the_front_is_that_of_all_pairs(pareto, tmp_path):
    pareto.write_logs(tmp_path)
    lines = {path.stem: path.read_text().splitlines() for path in tmp_path.iterdir()}
    points = {}
    for job, some in lines.items():
        rows = [dict(pair.split("=") for pair in line.split()) for line in some]
        if max(float(row["memory_mb"]) for row in rows) <= pareto.MOST_MEMORY_MB:
            latency = [float(row["latency_ms"]) for row in rows[-3:]]
            points[job] = [float(rows[-1]["val_loss"]), sum(latency) / 3]
    assert 0 < len(points) < len(lines)
    expected = {job for job, point in points.items() if not any(dominated(point, other) for other in points.values())}
    found = pareto.front(metricscan.replay(tmp_path, pareto.SCANNER))
    assert {job for job, _ in found} == expected
    for job, values in found:
        assert values == pytest.approx(points[job], rel=1e-12)


def test_jobs_that_cannot_win_are_no_trials(pareto, tmp_path):
    line = "epoch=1 val_loss={} latency_ms={} memory_mb={}\n"
    for name, values in {"a": (1, 1, 1), "b": ("nan", 0, 1), "c": (0, 0, 2000), "failed": (0, 0, 1)}.items():
        (tmp_path / f"{name}.log").write_text(line.format(*values))
    (tmp_path / "d.log").write_text("epoch=1 val_loss=0\n")
    (tmp_path / "jobs.json").write_text(json.dumps({"job": "failed", "status": "Failed"}))
    replay = metricscan.replay(tmp_path, pareto.SCANNER, jobs=tmp_path / "jobs.json")
    assert pareto.front(replay) == [("a", [1.0, 1.0])]


@pytest.mark.slow
def test_it_runs_as_it_stands():
    pytest.importorskip("optuna")
    run = subprocess.run([sys.executable, FOLDER / "pareto.py"], check=True, capture_output=True, text=True)
    assert "of 20 jobs are on the Pareto front, within 1000 MB" in run.stdout
