"""PyTorch under a real Hydra sweep: multirun/<date>/<time>/<n>/train.log, with the overrides in .hydra/ beside it."""

import logging
import sys
from dataclasses import dataclass
from pathlib import Path

from data import corpus

HERE = Path(__file__).resolve().parent
SEED = 20
SWEEP = ["lr=1e-3,3e-2,30", "width=8,64"]


@dataclass
class Config:
    lr: float = 1e-3
    width: int = 8
    epochs: int = 60


def train(config: Config) -> None:
    import torch
    from sklearn.datasets import load_diabetes
    from torch.nn.functional import mse_loss

    log = logging.getLogger("train")
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(mode=True)
    x, y = (torch.tensor(column, dtype=torch.float32) for column in load_diabetes(return_X_y=True))
    x, y = x / x.std(0), ((y - y.mean()) / y.std()).unsqueeze(1)
    order = torch.randperm(len(x))
    train_rows, valid_rows = order[:340], order[340:]
    model = torch.nn.Sequential(
        torch.nn.Linear(x.shape[1], config.width), torch.nn.ReLU(), torch.nn.Linear(config.width, 1)
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=config.lr, momentum=0.9)
    log.info("%s", model)
    log.info("%d parameters, lr %.2e", sum(weights.numel() for weights in model.parameters()), config.lr)
    step = 0
    for epoch in range(1, config.epochs + 1):
        for rows in train_rows[torch.randperm(len(train_rows))].split(34):
            loss = mse_loss(model(x[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(model.parameters(), float("inf"))
            optimizer.step()
            step += 1
            if step % 20 == 0:
                log.info("step %6d | loss %.4e | grad norm %.3g", step, loss.item(), norm.item())
        with torch.no_grad():
            valid = mse_loss(model(x[valid_rows]), y[valid_rows]).item()
        log.info("epoch %d/%d: valid_loss=%r", epoch, config.epochs, valid)
    log.info("done")


def sweep() -> None:
    """Run in the child process: Hydra parses the arguments and runs the jobs one after the other."""
    import hydra
    from hydra.core.config_store import ConfigStore

    ConfigStore.instance().store(name="config", node=Config)
    hydra.main(version_base="1.3", config_path=None, config_name="config")(train)()


def make() -> None:
    import os
    import subprocess

    logs = corpus.emptied(HERE / "logs")
    command = [sys.executable, "-m", "data.pytorch.make", "--multirun", "hydra.job.name=train", *SWEEP]
    where = "hydra.sweep.dir=data/pytorch/logs/multirun/${now:%Y-%m-%d}/${now:%H-%M-%S}"
    subprocess.run([*command, where], cwd=HERE.parents[1], env={**os.environ, "HYDRA_FULL_ERROR": "1"}, check=True)
    # remove what Hydra writes about the machine
    for path in [*logs.rglob("hydra.yaml"), *logs.rglob("multirun.yaml")]:
        path.unlink()
    jobs = [corpus.Job(log.parent.name, (str(log.relative_to(HERE)),)) for log in logs.rglob("train.log")]
    corpus.write(HERE, "pytorch", "valid_loss", "Minimize", jobs)


if __name__ == "__main__":
    sweep() if sys.argv[1:] else make()
