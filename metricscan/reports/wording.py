"""What the page says in words: the rule that decides, what a doubt means, what a count counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metricscan.definitions.objective import parse_scope

if TYPE_CHECKING:
    from collections.abc import Mapping

    from metricscan.definitions.objective import Objective
    from metricscan.ranking.doubts import DoubtKind

#: What each kind of doubt means for who reads the ranking.
DOUBTS: Mapping[DoubtKind, str] = {
    "near-miss-after": "A later record looks like a value that the definition does not take, such as nan. The job may have "
    "gone on to a value that does not count here.",
    "diverged": "A log of the job ends as nan or inf. The value is one from before the job diverged.",
    "cut-value": "The value is only a part of the number in the log, or values of this metric have different units. The number "
    "may be wrong by powers of ten.",
    "unterminated": "The log ends right behind the value. The program may have been killed while it wrote the number.",
    "cut-line": "A line ends within a value, and the next line begins with the rest. The number may be incomplete.",
    "behind": "The job came less than half as far as most. Its value is one of an early step.",
    "crashed": "A log of the job ends in a crash. What the job would have reached is not known.",
    "dropped-lines": "The log says that lines are missing in it. One of them may hold a later or a better value.",
    "copy": "Another job has the same log. One of the two counts.",
    "several-streams": "Several logs of the job have values of the objective. The value is that of one of them.",
    "restarted": "The step goes back, as after a restart. Values from before it and behind it stand in one log.",
    "incomplete": "The last of several runs in the log came less than half as far as another.",
    "values-per-step": "Most steps have several different values, and one of each counts: two test sets under one name, say.",
    "step-missing": "Many values have no step of their own, so the step at which the value stands may be wrong.",
    "sentinel": "The value looks like a stand-in for a missing one, such as the greatest number of a type.",
    "running": "The job is in progress. Its value is the one that it has now.",
}

#: What the counts of a metric count, in the order in which the page shows them.
COUNTS: Mapping[str, tuple[str, str]] = {
    "rows": ("values", "values that were found"),
    "near_misses": ("near misses", "records that would match if the value were of another kind, such as nan"),
    "unparsed": ("unparsed", "captured texts that are no number"),
    "cut_values": ("cut values", "values that are a part of a longer number or word"),
    "cut_lines": ("cut lines", "records that end within a value whose rest begins the next record"),
    "unterminated": ("unterminated", "values that touch the end of a log"),
    "failed": ("failed", "records on which the regex raised an error"),
    "timeouts": ("timeouts", "records on which the regex ran out of time"),
    "over_budget": ("over budget", "records on which the regex used up its steps"),
}

#: Why a job has no rank.
STATUSES: Mapping[str, str] = {
    "found": "has a value",
    "not_finite": "its value is not finite",
    "missing": "has no value of the objective",
    "below_min_step": "its last step is below the least one that was asked for",
    "excluded": "has a doubt that was excluded",
    "no_step": "none of its values has the step that the objective needs",
    "copy": "has the same log as another job",
}


def rule_of(objective: Objective, conditions: Mapping[str, Any]) -> list[str]:
    """Say in sentences which job wins.

    Examples
    --------
    >>> from metricscan import Objective
    >>> rule_of(Objective("loss", "Minimize"), {})
    ['The lowest loss wins. Of each job, the last value counts.']
    """
    if objective.target is not None:
        wins = f"The {objective.metric} nearest to {objective.target:g} wins."
    else:
        wins = f"The {'lowest' if objective.goal == 'Minimize' else 'highest'} {objective.metric} wins."
    sentences = [f"{wins} Of each job, {_of_scope(objective.scope)} counts."]
    if objective.step is not None:
        of_several = {
            "last": "of several values of a log at one step, the last one counts",
            "first": "of several values of a log at one step, the first one counts",
            "mean": "several values of a log at one step count as their mean",
            "all": "all values at a step count",
        }[objective.per_step]
        sentences.append(f"Steps are counted by {objective.step}; {of_several}.")
        if objective.from_step is not None:
            sentences.append(f"Values below step {objective.from_step:g} do not count.")
        if objective.restarts != "keep":
            what = "replaces what was written before it" if objective.restarts == "purge" else "begins a run of its own"
            sentences.append(f"Where the step goes back, a restart {what}.")
    if conditions.get("completed_only"):
        sentences.append("Only jobs whose status is Completed have a rank.")
    if conditions.get("min_step") is not None:
        sentences.append(f"Only jobs whose last step is at least {conditions['min_step']:g} have a rank.")
    if conditions.get("exclude_doubts"):
        kinds = conditions["exclude_doubts"]
        sentences.append(
            f"Jobs with these doubts have no rank: {kinds if isinstance(kinds, str) else ', '.join(kinds)}."
        )
    return sentences


def _of_scope(text: str) -> str:
    scope = parse_scope(text)
    if scope.kind == "best@k":
        where = f"at a step of at most {scope.number:g}"
        if scope.low is not None:
            where = f"at a step from {scope.low:g} to {scope.number:g}"
        return f"the best value {where}"
    return {
        "last": "the last value",
        "first": "the first value",
        "min": "the least value",
        "max": "the greatest value",
        "mean": "the mean of all values",
        "last-n": f"the mean of the last {scope.number} values",
        "best": "the best value",
        "ema": f"the best value of the curve, smoothed with weight {scope.number},",
        "window": f"the best mean of {scope.number} values that follow each other",
    }[scope.kind]
