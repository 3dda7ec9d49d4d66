"""Two objectives and a constraint over existing logs: the Pareto front, computed by Optuna.

metricscan reads the logs and ranks the jobs by one metric at a time. Optuna finds the best jobs by several metrics: its
trials are made from the rankings of metricscan. Run it as::

    python examples/pareto.py [FOLDER]

FOLDER holds logs with lines such as ``epoch=3 val_loss=0.21 latency_ms=12.5 memory_mb=830``. Without FOLDER, the example
generates some.
"""

from __future__ import annotations

import random
import sys
import tempfile
from pathlib import Path

import optuna

import metricscan
from metricscan import Objective, Scanner

SCANNER = Scanner(
    [
        r"val_loss=val_loss=(\S+)",
        r"latency_ms=latency_ms=(\S+)",
        r"memory_mb=memory_mb=(\S+)",
    ]
)
#: Each objective has its own scope: the final loss, and the mean latency of the last three epochs; the limit is on the peak
#: of memory.
OBJECTIVES = [
    Objective("val_loss", "Minimize"),
    Objective("latency_ms", "Minimize", scope="last-3"),
]
LIMIT = Objective("memory_mb", "Minimize", scope="max")
MOST_MEMORY_MB = 1000.0


def study_of(replay: metricscan.Replay) -> optuna.Study:
    """The jobs as trials of a study: jobs that have all values and have not failed."""
    rankings = [replay.rank(objective) for objective in [*OBJECTIVES, LIMIT]]
    values = [
        {row["job"]: row["value"] for row in ranking.to_pylist() if row["rank"] is not None} for ranking in rankings
    ]
    study = optuna.create_study(directions=[objective.goal.lower() for objective in OBJECTIVES])
    for job in replay.jobs:
        if all(job.name in value for value in values):
            *wanted, memory = (value[job.name] for value in values)
            study.add_trial(
                optuna.trial.create_trial(
                    values=wanted,
                    user_attrs={"job": job.name, "hyperparameters": job.hyperparameters},
                    # a value of at most 0 is feasible
                    constraints={LIMIT.metric: memory - MOST_MEMORY_MB},
                )
            )
    return study


def front(replay: metricscan.Replay) -> list[tuple[str, list[float]]]:
    """The feasible jobs that no other feasible job dominates, lowest loss first."""
    best = study_of(replay).best_trials
    return sorted(((trial.user_attrs["job"], trial.values) for trial in best), key=lambda one: one[1])


def write_logs(folder: Path) -> None:
    """Generate the logs of twenty jobs: larger models are better and slower, and need more memory."""
    numbers = random.Random(5)
    for job in range(20):
        size = numbers.uniform(1, 16)
        lines = [
            f"epoch={epoch} val_loss={1 / size + 1 / epoch + numbers.uniform(0, 0.1):.4f} "
            f"latency_ms={size * numbers.uniform(2, 3):.2f} memory_mb={80 * size + numbers.uniform(0, 50):.0f}"
            for epoch in range(1, 11)
        ]
        (folder / f"trial_{job}_size={size:.3f}.log").write_text("\n".join(lines) + "\n", encoding="utf-8")


def main(arguments: list[str]) -> None:
    """Print the Pareto front."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with tempfile.TemporaryDirectory() as made_up:
        folder = Path(arguments[0]) if arguments else Path(made_up)
        if not arguments:
            write_logs(folder)
        replay = metricscan.replay(folder, SCANNER)
        jobs = front(replay)
    print(f"{len(jobs)} of {len(replay.jobs)} jobs are on the Pareto front, within {MOST_MEMORY_MB:g} MB")
    for job, values in jobs:
        named = (f"{one.metric} {value:.6g}" for one, value in zip(OBJECTIVES, values, strict=True))
        print(f"  {job}: {', '.join(named)}")


if __name__ == "__main__":
    main(sys.argv[1:])
