"""Groups of jobs, one job after the other: equal hyperparameters by exact fractions, statistics by the standard library."""

import statistics
from fractions import Fraction

from support import ranking_oracle


def value_of(text):
    """A number exactly, else the text."""
    try:
        return Fraction(text)
    except ValueError:
        return text


def groups(ranking, parameters, *, over=(), by=(), value="mean", goal="Minimize", parents=None):
    """The groups of a ranking, best first, as (rank, jobs that count, all jobs, numbers); and the jobs that are in none.

    ``ranking`` are rows with job, rank and value; ``parameters`` those of each job; ``parents`` says which units are of one job.
    """
    found, apart = [], []
    for row in ranking:
        own = parameters[row["job"]]
        if parents is not None:
            key = parents[row["job"]]
        elif all(name in own for name in (*over, *by)):
            key = {name: value_of(text) for name, text in own.items() if (name in by if by else name not in over)}
        else:
            apart.append(row["job"])
            continue
        for other, members in found:
            if other == key:
                members.append(row)
                break
        else:
            found.append((key, [row]))
    result = []
    for _, members in found:
        counting = [row for row in members if row["rank"] is not None]
        values = [row["value"] for row in counting]
        numbers = None
        if values:
            best, worst = (min, max) if goal == "Minimize" else (max, min)
            winner = next(row["job"] for row in counting if row["value"] == best(values))
            numbers = {
                "mean": ranking_oracle.mean(values),
                "median": statistics.median(values),
                "std": statistics.stdev(values) if len(values) > 1 else None,
                "best": best(values),
                "worst": worst(values),
                "best_job": winner,
            }
        result.append((sorted(row["job"] for row in counting), sorted(row["job"] for row in members), numbers))
    deciding = [numbers[value] for _, _, numbers in result if numbers]

    def rank(numbers):
        better = (lambda one: one < numbers[value]) if goal == "Minimize" else (lambda one: one > numbers[value])
        return 1 + sum(map(better, deciding))

    ranked = [(None if numbers is None else rank(numbers), *one, numbers) for *one, numbers in result]
    return sorted(ranked, key=lambda one: (one[0] is None, one[0] or 0, one[2])), sorted(apart)
