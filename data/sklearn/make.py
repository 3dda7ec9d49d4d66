"""scikit-learn's progress output and the report lines of Syne Tune, in the layout of its local backend: <trial>/std.out."""

import csv
import json
import math
import sys
from pathlib import Path
from typing import Any

from data import corpus

HERE = Path(__file__).resolve().parent
SEED = 20
# the scheduler sets the status: trial 3 reported its best value, but failed to save its model
JOBS = [
    ("completed", {"hidden": 4, "lr": 0.01, "solver": "adam"}),
    ("completed", {"hidden": 16, "lr": 0.01, "solver": "adam"}),
    ("completed", {"hidden": 64, "lr": 0.001, "solver": "adam"}),
    ("failed", {"hidden": 64, "lr": 0.01, "solver": "adam", "save": "s3"}),
    ("failed", {"hidden": 64, "lr": 1e10, "solver": "sgd"}),
    ("stopped", {"hidden": 64, "lr": 0.01, "solver": "sgd", "epochs": 12}),
]


def train(given: dict[str, Any]) -> None:
    import warnings

    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split
    from sklearn.neural_network import MLPClassifier
    from syne_tune import Reporter

    warnings.simplefilter("ignore")  # their text holds the paths of this machine
    x, y = load_digits(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(x / 16, y, random_state=SEED, stratify=y)
    model = MLPClassifier(
        (given["hidden"],),
        solver=given["solver"],
        learning_rate_init=given["lr"],
        max_iter=given.get("epochs", 40),
        early_stopping=True,
        n_iter_no_change=40,
        verbose=True,
        random_state=SEED,
    )
    report = Reporter()
    model.fit(x_train, y_train)
    if not math.isfinite(model.loss_):
        sys.exit(f"error: the loss is {model.loss_}")
    for epoch, (loss, accuracy) in enumerate(zip(model.loss_curve_, model.validation_scores_, strict=True), 1):
        if epoch % 10 == 0:
            report(epoch=epoch, loss=loss, accuracy=accuracy)
    report(epoch=model.n_iter_, loss=model.loss_, accuracy=model.score(x_test, y_test))
    if given.get("save") == "s3":
        sys.exit("error: could not save the model: no credentials")


def make() -> None:
    logs = corpus.emptied(HERE / "logs")
    jobs = []
    for trial, (status, given) in enumerate(JOBS):
        folder = logs / str(trial)
        corpus.train("sklearn", given, folder / "std.out", folder / "std.err")
        (folder / "config.json").write_text(json.dumps(given) + "\n")
        jobs.append(corpus.Job(str(trial), (f"logs/{trial}/std.err", f"logs/{trial}/std.out"), status.capitalize()))
    with (HERE / "jobs.csv").open("w", newline="") as out:
        rows = csv.writer(out, lineterminator="\n")
        rows.writerow(["job", "status", "hyperparameters"])
        rows.writerows([str(trial), status, json.dumps(given)] for trial, (status, given) in enumerate(JOBS))
    corpus.write(HERE, "sklearn", "accuracy", "Maximize", jobs, jobs_file="jobs.csv")


def main(arguments: list[str]) -> Any:
    return train(json.loads(arguments[0])) if arguments else make()


if __name__ == "__main__":
    main(sys.argv[1:])
