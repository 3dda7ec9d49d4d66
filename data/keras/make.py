"""Keras 3 on PyTorch with its progress bar, as a terminal receives it, in the layout of Guild: runs/<id>/.guild/output."""

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from data import corpus

HERE = Path(__file__).resolve().parent
SEED = 20
JOBS = [
    ("completed", {"optimizer": "sgd", "lr": 0.01, "units": 32}),
    ("completed", {"optimizer": "adam", "lr": 0.003, "units": 32}),
    ("completed", {"optimizer": "adam", "lr": 0.003, "units": 128}),
    ("completed", {"optimizer": "sgd", "lr": 1e30, "units": 32}),
    ("failed", {"optimizer": "lion2", "lr": 0.003, "units": 32}),
]


def train(given: dict[str, Any]) -> None:
    os.environ["KERAS_BACKEND"] = "torch"
    import keras
    import torch
    from sklearn.datasets import load_digits

    keras.utils.set_random_seed(SEED)
    torch.set_num_threads(1)
    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(given["units"], activation="relu"),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.summary()
    try:
        optimizer = keras.optimizers.get({"class_name": given["optimizer"], "config": {"learning_rate": given["lr"]}})
    except ValueError as error:
        sys.exit(f"ValueError: {str(error).splitlines()[0]}")
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x[:1400], y[:1400], epochs=12, batch_size=32, validation_data=(x[1400:], y[1400:]))


def make() -> None:
    logs = corpus.emptied(HERE / "logs")
    jobs = []
    with (HERE / "jobs.jsonl").open("w") as out:
        for status, given in JOBS:
            name = hashlib.md5(json.dumps(given).encode()).hexdigest()
            log = logs / "runs" / name / ".guild" / "output"
            corpus.train_on_terminal("keras", given, log)
            jobs.append(corpus.Job(name, (str(log.relative_to(HERE)),), status.capitalize()))
            out.write(json.dumps({"job": name, "status": status, "hyperparameters": given}) + "\n")
    corpus.write(HERE, "keras", "val_loss", "Minimize", jobs, jobs_file="jobs.jsonl")
    corpus.write(HERE, "keras-stripped", "val_loss", "Minimize", jobs, jobs_file="jobs.jsonl", ansi="strip")


def main(arguments: list[str]) -> Any:
    return train(json.loads(arguments[0])) if arguments else make()


if __name__ == "__main__":
    main(sys.argv[1:])
