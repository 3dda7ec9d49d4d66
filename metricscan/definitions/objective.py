"""The objective of a tuning job: which metric decides, in which direction, and by which of a job's rows."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from metricscan.definitions.blocks import check_step_place
from metricscan.errors import OptionError

GOALS = ("Minimize", "Maximize")
_GOAL_OF = {goal.casefold(): goal for goal in GOALS}
SCOPES = "last, first, min, max, mean, last-N, best or best@K"
_LAST_N = re.compile(r"last-([1-9][0-9]{0,17})")
_BEST_AT = re.compile(r"best@(-?[0-9]+(?:\.[0-9]+)?)")


class Scope(NamedTuple):
    """Which of a job's rows decides.

    Attributes
    ----------
    kind : {"last", "first", "min", "max", "mean", "last-n", "best", "best@k"}
    number : float or None
        The n of last-n, the k of best@k.
    """

    kind: str
    number: float | None = None


def parse_scope(text: str) -> Scope:
    """Read a scope.

    Raises
    ------
    OptionError
        The text is no scope.

    Examples
    --------
    >>> parse_scope("last-5"), parse_scope("min")
    (Scope(kind='last-n', number=5), Scope(kind='min', number=None))
    """
    if text in ("last", "first", "min", "max", "mean", "best"):
        return Scope(text)
    if isinstance(text, str):
        if match := _LAST_N.fullmatch(text):
            return Scope("last-n", int(match[1]))
        if match := _BEST_AT.fullmatch(text):
            return Scope("best@k", float(match[1]))
    raise OptionError(
        f"scope={text!r}: {SCOPES} was expected",
        hint="N is a count of rows, from 1; K is a step: last-5, best@100"
        if re.match("last|best", str(text))
        else None,
    )


@dataclass(frozen=True)
class Objective:
    """The metric that decides which job is best.

    Parameters
    ----------
    metric : str
        Name of the objective metric.
    goal : {"Minimize", "Maximize"}
        In any case: ``minimize`` becomes ``Minimize``.
    scope : str
        Which of a job's rows decides:

        - ``last`` (what the tuning service does) or ``first``;
        - ``min`` or ``max``: the least or the greatest, whatever the goal; rows that are not finite are skipped;
        - ``mean``, or ``last-N``: the mean of all rows, or of the last N (of all, where there are fewer), as
          ``statistics.fmean`` computes it;
        - ``best``: the best by the goal, which is ``min`` or ``max``;
        - ``best@K``: the best by the goal among the rows at a step of at most K; rows that are not finite are skipped.
    step : str, optional
        Name of the metric that counts the steps; ``best@K`` needs it.
    step_place : {"before", "after", "block"}
        Which step a row has if there is none in its record: the last one before it in its stream; the next one after it; or
        the one in the same block, the last one before the row if there are several, else the first. A block is what stands
        between separators: lines of ``-``, ``=`` or ``+``, or the records that ``replay(.., block=REGEX)`` finds.

    Raises
    ------
    OptionError
        The goal, the scope or the place of the step is none of these, or it or ``best@K`` has no step.

    Examples
    --------
    >>> Objective("loss", "Minimize")
    Objective(metric='loss', goal='Minimize', scope='last', step=None, step_place='before')
    >>> Objective("accuracy", "Maximize", scope="best@10", step="epoch").scope
    'best@10'
    """

    metric: str
    goal: str
    scope: str = "last"
    step: str | None = None
    step_place: str = "before"

    def __post_init__(self) -> None:
        errors, hint = [], None
        if not isinstance(self.metric, str) or not self.metric:
            errors.append(f"metric={self.metric!r}: the name of a metric was expected")
        if self.step is not None and (not isinstance(self.step, str) or not self.step):
            errors.append(f"step={self.step!r}: the name of a metric was expected")
        given = str(self.goal).casefold()
        if given in _GOAL_OF:
            object.__setattr__(self, "goal", _GOAL_OF[given])
        else:
            meant = [goal for goal in GOALS if given == goal[:3].casefold()]
            hint = f"did you mean {meant[0]!r}?" if meant else None
            errors.append(f"goal={self.goal!r}: 'Minimize' or 'Maximize' was expected")
        try:
            kind = parse_scope(self.scope).kind
        except OptionError as error:
            errors.append(error.message)
            hint = hint or error.hint
        else:
            if kind == "best@k" and self.step is None:
                errors.append(f"scope={self.scope!r} needs step=NAME, the metric that counts the steps")
        try:
            check_step_place(self.step_place)
        except OptionError as error:
            errors.append(error.message)
        else:
            if self.step_place != "before" and self.step is None:
                errors.append(f"step_place={self.step_place!r} needs step=NAME, the metric that counts the steps")
        if errors:
            raise OptionError("; ".join(errors), hint=hint)

    def under(self, scope: str) -> Objective:
        """The same objective with another scope."""
        return replace(self, scope=scope)

    def key(self, value: Any) -> Any:
        """What to sort a value, or an array of values, by: the least key is the best."""
        return value if self.goal == "Minimize" else -value

    def is_better(self, value: float, other: float) -> bool:
        """Whether a finite value beats another."""
        return bool(self.key(value) < self.key(other))
