"""Rows without a step: how many there are, and whether another place of the step would give them one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from metricscan.datasets.rows import Rows
from metricscan.definitions.objective import parse_scope
from metricscan.ranking.step_facts import AGAIN, MIXED, RESTARTED, placed
from metricscan.ranking.steps import in_force

if TYPE_CHECKING:
    from collections.abc import Callable

    from metricscan.datasets.rows import Array
    from metricscan.definitions.objective import Objective
    from metricscan.ranking.step_facts import StepFacts


# One row of so many that repeats a value is worth telling.
_REPEATED = 10


class StepCounts(NamedTuple):
    """Counts over the rows of a metric whose steps were asked for.

    What makes them takes a function ``count`` of an array with the number of a job for each thing to count. It is ``len``; one
    that gives an array, with an element per job, makes the counts such arrays, which can be added and taken apart again.

    Attributes
    ----------
    rows, stepless : int
        All rows, and those without a step.
    streams : int
        The streams that have rows and steps.
    late : int
        Those of them whose first rows stand before the first step.
    ended : int
        Those of them whose last rows stand behind the last step.
    separators : int
        The separators of blocks.
    jobs : int
        The jobs that have rows of the step.
    restarted, again, mixed : int
        Those of them whose step goes back: as after a restart; in regular rounds; without an order.
    not_finite : int
        The rows of the step that are not finite.
    apart : int
        The jobs in which the metrics of a formula share no step.
    elsewhere : int
        The jobs that have a row without a step in a stream that has no step, and steps in other streams.
    repeated : int
        The rows that repeat the value before them in their stream, if there is no step and several rows make a value.
    at_nan : int
        The rows without a step that stand at one which is no number.
    """

    rows: int = 0
    stepless: int = 0
    streams: int = 0
    late: int = 0
    ended: int = 0
    separators: int = 0
    jobs: int = 0
    restarted: int = 0
    again: int = 0
    mixed: int = 0
    not_finite: int = 0
    apart: int = 0
    elsewhere: int = 0
    repeated: int = 0
    at_nan: int = 0

    @classmethod
    def of_facts(cls, facts: StepFacts, count: Callable[[Array], Any] = len) -> StepCounts:
        """The counts that the rows of the step tell."""
        returns = facts.returns
        shapes = {shape: count(_changes(returns.job[returns.shape == shape])) for shape in (RESTARTED, AGAIN, MIXED)}
        return cls(
            jobs=count(facts.job),
            restarted=shapes[RESTARTED],
            again=shapes[AGAIN],
            mixed=shapes[MIXED],
            not_finite=count(np.repeat(facts.job, facts.not_finite)),
        )

    def plus(self, other: StepCounts) -> StepCounts:
        """The counts over the rows of both."""
        return StepCounts(*map(sum, zip(self, other, strict=True)))

    def messages(self, objective: Objective) -> list[str]:
        """What a reader of the ranking should know about the steps, in sentences."""
        found = []
        if self.apart:
            names = " and ".join(map(repr, objective.metrics))
            jobs = f"in {self.apart:,} job{'' if self.apart == 1 else 's'}"
            text = f"{jobs} {names} share no step of a stream, so {objective.metric!r} has no value: "
            found.append(f"{text}last(NAME) in the formula takes the last value of a metric, whatever its step")
        place, step = objective.step_place, objective.step
        if self.repeated > 1 and _REPEATED * self.repeated >= self.rows:
            found.append(
                f"{self.repeated:,} of {self.rows:,} rows of {objective.metric!r} repeat the value before them, as a redrawn bar "
                f"does, and all of them count under {objective.scope}; with --step NAME (step=NAME) each step counts once"
            )
        if self.stepless > self.at_nan:
            where = {"before": "before them", "after": "behind them", "block": "in their block"}[place]
            text = f"{self.stepless - self.at_nan:,} of {self.rows:,} rows of {objective.metric!r} have no step: "
            if place == "before" and self.is_late:
                text += (
                    f"each stream begins with rows before its first {step!r}, and ends with a step. Where the step stands behind "
                    "its rows, --step-place after (step_place='after') gives each row its own; where both stand between lines "
                    "such as ---, --step-place block (step_place='block') does"
                )
            else:
                text += (
                    f"no {step!r} stands {where} in the stream" if place != "block" else f"no {step!r} stands {where}"
                )
            if self.elsewhere:
                jobs = f"{self.elsewhere:,} job{'' if self.elsewhere == 1 else 's'}"
                text += (
                    f". In {jobs} {step!r} stands in another stream, such as the standard error, and a row has a step of its own "
                    "stream alone; print both to one stream, or, where they share a container's log, read that as it is, as one "
                    "stream, by --input-format plain (input_format='plain')"
                )
            found.append(text)
        if place == "block" and self.rows and not self.separators:
            found.append(
                "no separator of blocks was found: each stream is one block; --block REGEX (block=) says what separates them"
            )
        if self.not_finite:
            values = "value is" if self.not_finite == 1 else "values are"
            found.append(f"{self.not_finite:,} of the step's {values} not finite; rows at NaN have no step")
        return [*found, *(self.messages_of_returns(step) if objective.restarts == "keep" else ())]

    def messages_of_returns(self, step: str | None) -> list[str]:
        """What a reader should know about steps that go back, in sentences."""
        rounds = (
            ", in regular rounds: folds, or a counter that begins again, such as the batch of an epoch? One value of each step "
            "counts, so that of the last round; --restarts split (restarts='split') keeps the rounds apart, --per-step all "
            "(per_step='all') takes all values"
        )
        remedy = (
            "--restarts purge (restarts='purge') drops the rows that a restart replaced, --restarts split (restarts='split') "
            "keeps the runs apart"
        )
        looks = (
            (self.restarted, ": several runs in one log, or runs that were resumed? " + remedy),
            (self.again, rounds),
            (self.mixed, ", without an order: several workers in one log, or a metric that does not count steps?"),
        )
        jobs = f"{self.jobs:,} job{'' if self.jobs == 1 else 's'}"
        return [f"the step {step!r} goes back in {count:,} of {jobs}{look}" for count, look in looks if count]

    @property
    def is_late(self) -> bool:
        """Whether steps stand behind their rows, as far as can be seen: each row has the step of the rows before it."""
        # a log that was cut off may end before its step
        return 0 < self.streams == self.late and 2 * self.ended < self.streams


def step_counts(
    rows: Rows, steps: Rows, place: str, blocks: Rows | None = None, count: Callable[[Array], Any] = len
) -> StepCounts:
    """Count the rows, which have their steps, and, if a row has none under "before", the streams."""
    lacking = np.isnan(rows.step) if rows.step is not None else np.zeros(len(rows.job), dtype=bool)
    none = rows.job[:0]
    counts = StepCounts(
        count(rows.job),
        count(rows.job[lacking] if lacking.any() else none),
        separators=count(none if blocks is None else blocks.job),
    )
    if not lacking.any() or not len(steps.job):
        return counts
    if np.isnan(steps.value).any():
        # these have a step, which is no number
        at_nan = lacking & (in_force(rows, steps, place, blocks=blocks) >= 0)
        lacking = lacking & ~at_nan
        counts = counts._replace(at_nan=count(rows.job[at_nan]))
    size = max(int(rows.stream.max()), int(steps.stream.max())) + 1
    stream = rows.job.astype(np.int64) * size + rows.stream
    stepped = np.isin(stream, np.unique(steps.job.astype(np.int64) * size + steps.stream))
    apart = np.unique(rows.job[lacking & ~stepped])
    counts = counts._replace(elsewhere=count(apart[np.isin(apart, steps.job)]))
    if place != "before":
        return counts
    after = in_force(rows, steps, "after")
    return counts._replace(
        streams=count(np.unique(stream[stepped]) // size),
        late=count(np.unique(stream[stepped & lacking]) // size),
        ended=count(np.unique(stream[stepped & (after < 0)]) // size),
    )


def jobs_of_streams(rows: Rows) -> Array:
    """The number of the job of each stream that has rows."""
    size = int(rows.stream.max(initial=0)) + 1
    stream = rows.job.astype(np.int64) * size + rows.stream
    is_ascending = bool((stream[1:] >= stream[:-1]).all())
    distinct: Array = (_changes(stream) if is_ascending else np.unique(stream)) // size
    return distinct


def _changes(ascending: Array) -> Array:
    """The distinct numbers; of a million they take 0.01 s, and 0.4 s by ``unique``."""
    begins = np.ones(len(ascending), dtype=bool)
    begins[1:] = ascending[1:] != ascending[:-1]
    return ascending[begins]


def repeated_counts(
    rows: Rows, objective: Objective, before: Rows | None = None, count: Callable[[Array], Any] = len
) -> StepCounts:
    """Count the rows that repeat the value before them, if that matters; ``before`` is the row before the first one."""
    if objective.step is not None or objective.formula is not None or not parse_scope(objective.scope).is_window:
        return StepCounts()
    some = rows if before is None else Rows.joined([before, rows])
    order = placed(some)
    if order is not None:
        some = some.take(order)
    same = (some.job[1:] == some.job[:-1]) & (some.stream[1:] == some.stream[:-1]) & (some.value[1:] == some.value[:-1])
    return StepCounts(rows=count(rows.job), repeated=count(some.job[1:][same]))
