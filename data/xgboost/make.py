"""XGBoost, as a SageMaker job runs it: hyperparameters are strings, and the log is <job>/algo-1-<time>."""

import hashlib
import json
import logging
import sys
from pathlib import Path
from typing import Any

from data import corpus

HERE = Path(__file__).resolve().parent
SEED = 20
STARTED = 1795537200
JOBS = [
    {"eta": "0.3", "max_depth": "6", "num_round": "150"},
    {"eta": "0.1", "max_depth": "3", "num_round": "150"},
    {"eta": "0.05", "max_depth": "2", "num_round": "150"},
    {"eta": "0.1", "max_depth": "auto", "num_round": "150"},
    {"eta": "1e15", "max_depth": "3", "num_round": "150"},
]


def train(given: dict[str, str]) -> None:
    import xgboost
    from sklearn.datasets import load_diabetes
    from sklearn.model_selection import train_test_split

    logging.basicConfig(
        stream=sys.stdout,
        level=logging.INFO,
        format="[%(asctime)s:%(levelname)s] %(message)s",
        datefmt="%Y-%m-%d:%H:%M:%S",
    )
    logging.info("Running standalone xgboost training.")
    try:
        rounds, eta, depth = int(given["num_round"]), float(given["eta"]), int(given["max_depth"])
    except ValueError as error:
        logging.error("Customer Error: Hyperparameter max_depth: %s", error)  # noqa: TRY400 - no paths in the log
        sys.exit(1)
    x, y = load_diabetes(return_X_y=True)
    x_train, x_validation, y_train, y_validation = train_test_split(x, y, random_state=SEED)
    logging.info("Train matrix has %d rows and %d columns", *x_train.shape)
    logging.info("Validation matrix has %d rows", len(x_validation))
    train_matrix = xgboost.DMatrix(x_train, y_train)
    xgboost.train(
        {
            "objective": "reg:squarederror",
            "eval_metric": ["rmse", "mae"],
            "eta": eta,
            "max_depth": depth,
            "seed": SEED,
            "nthread": 1,
        },
        train_matrix,
        rounds,
        evals=[(train_matrix, "train"), (xgboost.DMatrix(x_validation, y_validation), "validation")],
    )
    logging.info("Model saved to model/xgboost-model")


def make() -> None:
    corpus.emptied(HERE / "logs")
    jobs = []
    for number, given in enumerate(JOBS, 1):
        text = json.dumps(given)
        name = f"diabetes-261124-1600-{number:03}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
        folder = HERE / "logs" / name
        log = folder / f"algo-1-{STARTED + 137 * number}"
        corpus.train("xgboost", given, log)
        (folder / "hyperparameters.json").write_text(text + "\n")
        jobs.append(corpus.Job(name, (str(log.relative_to(HERE)),)))
    corpus.write(HERE, "xgboost", "validation:rmse", "Minimize", jobs)
    corpus.write(HERE, "xgboost-builtin", "validation:rmse", "Minimize", jobs, escape="syslog")


def main(arguments: list[str]) -> Any:
    return train(json.loads(arguments[0])) if arguments else make()


if __name__ == "__main__":
    main(sys.argv[1:])
