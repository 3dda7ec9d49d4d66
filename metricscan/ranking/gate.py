"""Conditions on the best job by which a build fails: ``acc < baseline - 0.5%``."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, NamedTuple

from metricscan.definitions.formula import read_condition
from metricscan.definitions.paths import read_whole
from metricscan.errors import OptionError, SourceError
from metricscan.ranking.evaluation import evaluate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from metricscan.definitions.formula import Formula, Step
    from metricscan.definitions.objective import Objective


class BestJob(NamedTuple):
    """The best job of a ranking, as far as conditions ask for it.

    Attributes
    ----------
    source : str
        Where the ranking comes from.
    job : str or None
        None if no job has a rank.
    values : mapping of str to float
        The value of the objective, and those of other metrics where it was decided.
    before : mapping of str to (float or None)
        The metrics among them whose value is not of that step but the nearest before it, with its step.
    """

    source: str
    job: str | None
    values: Mapping[str, float]
    before: Mapping[str, float | None]


class Verdict(NamedTuple):
    """What became of one condition.

    Attributes
    ----------
    condition : str
    failed : bool
        Whether the condition holds, by which a build is to fail; or cannot be decided, as a value is missing or not finite.
    sentence : str
        Why, with the numbers.
    """

    condition: str
    failed: bool
    sentence: str


def read_conditions(texts: Sequence[str], metrics: Sequence[str]) -> list[Formula]:
    """The conditions, if all of them are valid and name metrics that exist.

    Raises
    ------
    OptionError
        One is not; the message gives the place.
    """
    found = [read_condition(text) for text in texts]
    for condition in found:
        condition.check(metrics)
        if any(step.kind == "last" for step in condition.program):
            raise OptionError(
                f"{condition.text!r}: last(NAME) is for objectives; a condition takes values of the best job"
            )
    return found


def metrics_of(conditions: Sequence[Formula], objective: Objective) -> list[str]:
    """The metrics whose values are needed where the best job was decided."""
    names = dict.fromkeys(name for condition in conditions for name in condition.metrics)
    return [name for name in names if name != objective.metric]


def best_job(source: str, ranking: pa.Table, objective: Objective) -> BestJob:
    """The best job of a ranking with the columns of ``at_best``."""
    from metricscan.ranking.at_best import from_row

    first = ranking.slice(0, 1).to_pylist()
    if not first or first[0]["rank"] is None:
        return BestJob(source, None, {}, {})
    there = {name: one for name, one in from_row(first[0]).items() if one is not None}
    values = {name: one.value for name, one in there.items()} | {objective.metric: first[0]["value"]}
    before = {name: one.step for name, one in there.items() if not one.same_step and name != objective.metric}
    return BestJob(source, first[0]["job"], values, before)


def number_given(text: str) -> float | None:
    """The number that a baseline is, if it is one.

    Raises
    ------
    OptionError
        It is not finite.
    """
    try:
        number = float(text)
    except ValueError:
        return None
    if not math.isfinite(number):
        raise OptionError(f"the baseline {text!r} is not finite; a number, a dataset or a JSON file was expected")
    return number


def read_document(path: str, objective: Objective) -> tuple[BestJob, list[str]]:
    """The best job of a file that ``--json`` of rank or replay printed, and what to know about it.

    Raises
    ------
    SourceError
        The file cannot be read, or is none.
    """
    hint = "metricscan rank DIR --json > FILE writes one"
    try:
        document = json.loads(read_whole(path).decode("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise SourceError(f"cannot read the baseline {path}", path=path, cause=error, hint=hint) from error
    try:
        other, best = document["objective"], document["best"]
        metric = other["metric"]
        differing = [
            f"{name} {other[name]!r}, not {value!r}"
            for name, value in (("goal", objective.goal), ("scope", objective.scope), ("step", objective.step))
            if other[name] != value
        ]
        found = BestJob(path, None, {}, {})
        if best is not None:
            there = {name: one for name, one in best.get("at_best", {}).items() if one is not None}
            values = {name: float(one["value"]) for name, one in there.items()} | {metric: float(best["value"])}
            found = BestJob(path, str(best["job"]), values, {})
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        message = f"the baseline {path} is no ranking as rank and replay print it with --json"
        raise SourceError(message, path=path, hint=hint) from error
    return found, [f"the baseline {path} was ranked with {', '.join(differing)}"] if differing else []


def verdicts(conditions: Sequence[Formula], best: BestJob, baseline: BestJob | float | None) -> list[Verdict]:
    """What becomes of each condition.

    Parameters
    ----------
    conditions : sequence of Formula
    best : BestJob
    baseline : BestJob, float or None
        A number is the baseline of any metric.

    Raises
    ------
    OptionError
        A condition needs a baseline and there is none, or the baseline has no best job or tells nothing of the metric.
    """
    return [_verdict(condition, best, baseline) for condition in conditions]


def _verdict(condition: Formula, best: BestJob, baseline: BestJob | float | None) -> Verdict:
    text = condition.text
    compared = dict.fromkeys(step.name or condition.metrics[0] for step in condition.program if step.kind == "baseline")
    baselines = {name: _baseline(name, baseline) for name in compared}
    if best.job is None:
        return Verdict(text, True, f"{text!r} cannot be decided: no job of {best.source} has a rank")
    missing = [name for name in condition.metrics if name not in best.values]
    if missing:
        named = ", ".join(map(repr, missing))
        return Verdict(text, True, f"{text!r} cannot be decided: {best.job} has no {named} where it is best")
    said = []
    for name in condition.metrics:
        marked = name in best.before
        at = best.before.get(name)
        where = (
            ""
            if not marked
            else ", from before its best row"
            if at is None
            else f", from step {at:g}, before its best one"
        )
        said.append(f"{name} of {best.job} is {best.values[name]!r}{where}")
    for name, value in baselines.items():
        of = f" of {name}" if len(baselines) > 1 else ""
        whose = f" ({baseline.job} of {baseline.source})" if isinstance(baseline, BestJob) else ""
        said.append(f"the baseline{of} is {value!r}{whose}")
    numbers = [*(best.values[name] for name in condition.metrics), *baselines.values()]

    def value_of(step: Step) -> float:
        return baselines[step.name or condition.metrics[0]] if step.kind == "baseline" else best.values[step.name]

    left, right = (float(evaluate(side, value_of)) for side in condition.sides())
    if not all(map(math.isfinite, [*numbers, left, right])):
        return Verdict(text, True, f"{text!r} cannot be decided: {', '.join(said)}")
    failed = bool(evaluate(condition.program, value_of))
    # as short as the two can be told apart
    shown = [f"{side:.6g}" for side in (left, right)]
    shown = shown if shown[0] != shown[1] or left == right else [repr(left), repr(right)]
    reached = f" {condition.program[-1].name} ".join(shown)
    return Verdict(text, failed, f"{text!r} {'holds' if failed else 'does not hold'}, {reached}: {', '.join(said)}")


def _baseline(metric: str, baseline: BestJob | float | None) -> float:
    if isinstance(baseline, float):
        return baseline
    if baseline is None:
        raise OptionError(
            "a condition compares with a baseline, and there is none", hint="--baseline DIR, FILE or NUMBER"
        )
    if baseline.job is None:
        raise OptionError(f"no job of the baseline {baseline.source} has a rank")
    if metric not in baseline.values:
        known = ", ".join(map(repr, baseline.values))
        raise OptionError(
            f"the baseline {baseline.source} tells nothing of {metric!r}: it has {known} of its best job",
            hint=f"rank it by {metric!r}, or with --at-best {metric}",
        )
    return baseline.values[metric]
