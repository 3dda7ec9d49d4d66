"""Trainings of real libraries under ``metricscan run``: their metrics are read, and none of their processes is left."""

import json
import math
import sys

import pytest
from support.jobs import DEADLINE_S, alive, job_processes, until

import metricscan
from metricscan.live import processes

pytestmark = pytest.mark.integration
NUMBER = r"([-+0-9.e]+)"


@pytest.fixture
def script(tmp_path):
    """Writes a training script; the command that runs it."""

    def write(text):
        (tmp_path / "train.py").write_text(text)
        return [sys.executable, str(tmp_path / "train.py")]

    return write


def values(folder, definitions, metric):
    """The values in the journal, which are those of the log."""
    found = metricscan.Dataset(folder / "journal")[metric]["value"].to_pylist()
    assert found == metricscan.Scanner(definitions).scan(str(folder / "output.log"))[metric]["value"].to_pylist()
    return found


SKLEARN = """
import argparse
import numpy as np
from sklearn.datasets import make_classification
from sklearn.linear_model import SGDClassifier
parser = argparse.ArgumentParser()
parser.add_argument("--alpha", type=float)
parser.add_argument("--epochs", type=int)
given = parser.parse_args()
x, y = make_classification(400, random_state=1)
model = SGDClassifier(alpha=given.alpha, random_state=1)
for epoch in range(given.epochs):
    model.partial_fit(x, y, classes=np.unique(y))
    print(f"epoch {epoch} accuracy={model.score(x, y):.4f}")
"""


def test_scikit_learn(folder, script):
    pytest.importorskip("sklearn")
    definitions = [f"accuracy=accuracy={NUMBER}", r"epoch=epoch (\d+)"]
    given = {"alpha": 1e-3, "epochs": 5}
    with metricscan.run(script(SKLEARN), definitions, step="epoch", hyperparameters=given, out=folder) as job:
        record = job.wait(timeout=DEADLINE_S)
    assert (record.status, record.hyperparameters) == ("Completed", {"alpha": "0.001", "epochs": "5"})
    assert len(values(folder, definitions, "accuracy")) == 5
    assert job.latest["accuracy"].step == 4
    assert job.latest["accuracy"].value > 0.7


XGBOOST = """
import argparse
import numpy as np
import xgboost
parser = argparse.ArgumentParser()
parser.add_argument("--max_depth", type=int)
given = parser.parse_args()
source = np.random.default_rng(1)
x = source.normal(size=(500, 4))
data = xgboost.DMatrix(x, label=x[:, 0] * 2)
xgboost.train({"max_depth": given.max_depth, "nthread": 1}, data, 20, evals=[(data, "train"), (data, "validation")])
"""


def test_xgboost(folder, script):
    pytest.importorskip("xgboost")
    scanner = metricscan.Scanner(
        metricscan.sagemaker.definitions("xgboost", objective="validation:rmse"), escape="syslog"
    )
    with metricscan.run(
        script(XGBOOST), scanner, args="sagemaker", hyperparameters={"max_depth": 3}, out=folder
    ) as job:
        assert job.wait(timeout=DEADLINE_S).status == "Completed"
    found = metricscan.Dataset(folder / "journal")["validation:rmse"]["value"].to_pylist()
    assert len(found) == 20
    assert found == sorted(found, reverse=True)


PYTORCH = """
import argparse
import torch
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float)
given = parser.parse_args()
torch.manual_seed(1)
torch.set_num_threads(1)
x = torch.randn(200, 3)
y = x @ torch.tensor([[1.0], [2.0], [-1.0]])
model = torch.nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=given.lr)
for epoch in range(10):
    loss = torch.nn.functional.mse_loss(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"epoch {epoch} loss={loss.item():.6f}")
"""


def test_pytorch(folder, script):
    pytest.importorskip("torch")
    definitions = [f"loss=loss={NUMBER}", r"epoch=epoch (\d+)"]
    with metricscan.run(script(PYTORCH), definitions, step="epoch", hyperparameters={"lr": 0.1}, out=folder) as job:
        assert job.wait(timeout=DEADLINE_S).status == "Completed"
    found = values(folder, definitions, "loss")
    assert len(found) == 10
    assert found[-1] < found[0]
    assert math.isfinite(found[-1])


# each worker has a session of its own
TORCHRUN = """
import os, time
import torch.distributed as distributed
distributed.init_process_group("gloo")
rank = distributed.get_rank()
import torch
epoch = 0
while True:
    value = torch.tensor([1.0 / (epoch + 1)])
    distributed.all_reduce(value)
    print(f"[rank{rank}] epoch {epoch} loss={value.item() / 2:.4f}", flush=True)
    epoch += 1
    time.sleep(0.05)
"""


def test_two_workers_under_torchrun(folder, script):
    pytest.importorskip("torch")
    python, name = script(TORCHRUN)
    command = [python, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", name]
    with metricscan.run(
        command, [f"loss=loss={NUMBER}"], labels={"worker": r"^\[(rank\d+)\]"}, out=folder, grace=15
    ) as job:
        until(lambda: job.poll() and job.rows > 20, "rows of both workers", 120)
        pids = job_processes(folder)
        # the agent and its two workers
        assert len(pids) >= 3
        record = job.stop()
    assert record.status == "Stopped"
    assert set(metricscan.Dataset(folder / "journal")["worker"]["value"].to_pylist()) == {"rank0", "rank1"}
    assert alive(folder) == set()
    assert [stat.pid for stat in processes.all_processes() if stat.pid in pids and not stat.has_ended] == []


def test_hydra_reads_its_arguments(folder, script, tmp_path):
    pytest.importorskip("hydra")
    text = """
import hydra, json
@hydra.main(version_base=None, config_path=None)
def main(config):
    print("got", json.dumps({name: config[name] for name in config}))
main()
"""
    given = {"text": "it's a \\\\ \\' text, = [x]", "lr": "0.1", "empty": "", "path": "a/b-c", "end": "b\\"}
    python, name = script(text)
    command = [python, name, f"hydra.run.dir={tmp_path}/hydra"]
    with metricscan.run(
        command, args="hydra", hyperparameters={f"+{name}": value for name, value in given.items()}, out=folder
    ) as job:
        assert job.wait(timeout=DEADLINE_S).status == "Completed", (folder / "output.log").read_text()
    (line,) = [one for one in (folder / "output.log").read_text().splitlines() if one.startswith("got ")]
    assert json.loads(line[4:]) == {**given, "lr": 0.1}
