"""LightGBM, logs in one folder, named by their hyperparameters; one is compressed afterwards."""

import gzip
import json
import sys
from pathlib import Path
from typing import Any

from data import corpus

HERE = Path(__file__).resolve().parent
SEED = 20
ROUNDS = 50
JOBS = [
    {"lr": 0.05, "leaves": 4},
    {"lr": 0.1, "leaves": 7},
    {"lr": 0.1, "leaves": 31},
    {"lr": 0.1, "leaves": 1},
    {"lr": 20, "leaves": 7},
]
COMPRESSED = {"lr": 0.1, "leaves": 7}


def train(given: dict[str, Any]) -> None:
    import lightgbm
    from sklearn.datasets import load_diabetes
    from sklearn.model_selection import train_test_split

    x, y = load_diabetes(return_X_y=True)
    x_train, x_valid, y_train, y_valid = train_test_split(x, y, random_state=SEED)
    train_set = lightgbm.Dataset(x_train, y_train)
    parameters = {
        "objective": "poisson",
        "metric": ["poisson", "l2"],
        "learning_rate": given["lr"],
        "num_leaves": given["leaves"],
        "num_threads": 1,
        "deterministic": True,
        "seed": SEED,
        "verbosity": 2,
    }
    try:
        booster = lightgbm.train(
            parameters,
            train_set,
            ROUNDS,
            [train_set, lightgbm.Dataset(x_valid, y_valid, reference=train_set)],
            valid_names=["train", "valid"],
            callbacks=[lightgbm.log_evaluation(1), lightgbm.early_stopping(40, min_delta=0.1)],
        )
    except lightgbm.basic.LightGBMError:
        sys.exit("training failed")
    print(f"best iteration {booster.best_iteration} of {booster.current_iteration()}")


def make() -> None:
    logs = corpus.emptied(HERE / "logs")
    jobs = []
    for given in JOBS:
        name = "_".join(f"{key}={value}" for key, value in given.items())
        log = logs / f"{name}.log"
        corpus.train("lightgbm", given, log)
        if given == COMPRESSED:
            plain, log = log, logs / f"{name}.log.gz"
            log.write_bytes(gzip.compress(plain.read_bytes(), mtime=0))
            plain.unlink()
        jobs.append(corpus.Job(name, (str(log.relative_to(HERE)),)))
    corpus.write(HERE, "lightgbm", "valid_l2", "Minimize", jobs)


def main(arguments: list[str]) -> Any:
    return train(json.loads(arguments[0])) if arguments else make()


if __name__ == "__main__":
    main(sys.argv[1:])
