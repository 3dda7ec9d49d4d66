"""A training loop in NumPy with tqdm's bars, in the layout of Ray Tune: <trial>/stdout, <trial>/stderr, params.json."""

import json
import sys
from pathlib import Path
from typing import Any

from data import corpus

HERE = Path(__file__).resolve().parent
SEED = 20
EPOCHS = 12
# trials 2 and 10 have equal hyperparameters, as a random search may draw them, so that they tie exactly
JOBS = {
    1: {"lr": 0.03, "momentum": 0.0, "batch": 32},
    2: {"lr": 0.3, "momentum": 0.9, "batch": 32},
    3: {"lr": 0.3, "momentum": 0.0, "batch": 64},
    4: {"lr": 1e305, "momentum": 0.9, "batch": 32},
    5: {"lr": 0.1, "momentum": 0.9, "batch": 4096},
    10: {"lr": 0.3, "momentum": 0.9, "batch": 32},
}


def train(given: dict[str, Any]) -> None:
    import numpy
    from sklearn.datasets import load_digits
    from tqdm import tqdm

    numpy.seterr(all="ignore")  # their text holds the paths of this machine
    random = numpy.random.default_rng(SEED)
    x, y = load_digits(return_X_y=True)
    order = random.permutation(len(x))
    x, y = x[order] / 16, numpy.eye(10)[y[order]]
    x, y, x_valid, y_valid = x[:1344], y[:1344], x[1344:], y[1344:]
    batch = given["batch"]
    if batch > len(x):
        print(f"batch of {batch} from {len(x)} examples", file=sys.stderr)
        sys.exit(1)
    weights, velocity = numpy.zeros((64, 10)), numpy.zeros((64, 10))

    def probabilities(rows: Any) -> Any:
        scores = rows @ weights
        scores = numpy.exp(scores - scores.max(1, keepdims=True))
        return scores / scores.sum(1, keepdims=True)

    for epoch in range(1, EPOCHS + 1):
        order = random.permutation(len(x))
        with tqdm(range(len(x) // batch), desc=f"Epoch {epoch}/{EPOCHS}", miniters=3, mininterval=0) as bar:
            for step in bar:
                rows = order[step * batch : (step + 1) * batch]
                guess = probabilities(x[rows])
                loss = -numpy.log((guess * y[rows]).sum(1)).mean()
                velocity = given["momentum"] * velocity - given["lr"] * x[rows].T @ (guess - y[rows]) / batch
                weights = weights + velocity
                bar.set_postfix(loss=loss, refresh=False)
        guess = probabilities(x_valid)
        loss = -numpy.log((guess * y_valid).sum(1)).mean()
        accuracy = (guess.argmax(1) == y_valid.argmax(1)).mean()
        print(f"epoch {epoch} val_loss {loss:.6f} val_acc {accuracy:.2%}")


def make() -> None:
    logs = corpus.emptied(HERE / "logs")
    jobs = []
    for number, given in JOBS.items():
        name = f"trial_{number}"
        folder = logs / name
        corpus.train("tqdm", given, folder / "stdout", folder / "stderr")
        (folder / "params.json").write_text(json.dumps(given) + "\n")
        jobs.append(corpus.Job(name, (f"logs/{name}/stderr", f"logs/{name}/stdout")))
    corpus.write(HERE, "tqdm", "val_loss", "Minimize", jobs)


def main(arguments: list[str]) -> Any:
    return train(json.loads(arguments[0])) if arguments else make()


if __name__ == "__main__":
    main(sys.argv[1:])
