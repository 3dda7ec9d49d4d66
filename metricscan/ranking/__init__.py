"""From rows to results: the deciding row of each job, rankings, curves and data frames.

- ``tables``: the input of all of them. ``row_order``: the order in which rows count. ``steps``: the step of each row;
  ``stepless``: how many rows have none; ``step_facts``: what steps tell of a job; ``mentions``: lower steps that
  only mention one; ``runs``: the runs of a stream; ``stepped``: rows with both, and so which rows count.
- ``deciding_row``: the deciding row of each job; ``in_pieces``: the same while rows arrive; ``per_step``: the one value of a
  step that counts; ``smoothing``: smoothed curves; ``sums``: exact means.
- ``formulas``: the rows of an objective that is a formula, by ``evaluation``; ``gate``: conditions by which a build fails.
- ``at_best``: other metrics at the deciding row; ``deciding``: all of what decides jobs.
- ``doubts``: why a value may not be what it seems; ``step_doubts``: those that follow from steps; ``conditions``: of a rank.
- ``attempts``: the rows of last attempts; ``copies``: jobs with the same log.
- ``ranking``: the jobs in order; ``scopes``: the winner under each scope.
- ``groups``: jobs that differ only in a seed, or have equal hyperparameters, as groups; ``folds``: jobs split by a label.
- ``wide``: metrics side by side; ``frames``: the tables of the SageMaker SDK.
"""

from __future__ import annotations


def __getattr__(name: str) -> object:
    # ``metricscan.ranking`` was a module in earlier versions; its names are still available here
    from importlib import import_module

    ranking = import_module(f"{__name__}.ranking")
    return getattr(ranking if hasattr(ranking, name) else import_module(f"{__name__}.tables"), name)
