"""The objective of a tuning job: which metric decides, in which direction, and by which of a job's rows."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, get_args

from metricscan.definitions.blocks import check_step_place
from metricscan.definitions.formula import Formula, read_formula
from metricscan.errors import OptionError, quoted

GOALS = ("Minimize", "Maximize", "Target")
_GOAL_OF = {goal.casefold(): goal for goal in GOALS}
SCOPES = "last, first, min, max, mean, last-N, best, best@K, best@A..B, ema:W or window:N"
#: Which of several values at one step counts, or that all of them do.
PerStep = Literal["last", "first", "mean", "all"]
PER_STEP: tuple[PerStep, ...] = get_args(PerStep)
#: What becomes of the rows of a stream whose step goes back, as after a restart.
Restarts = Literal["keep", "purge", "split"]
RESTARTS: tuple[Restarts, ...] = get_args(Restarts)
#: What ``duplicates``, the former name of ``per_step``, takes.
Duplicates = PerStep | None
_LAST_N = re.compile(r"last-([1-9][0-9]{0,17})")
_STEP = r"(-?[0-9]+(?:\.[0-9]+)?)"
_BEST_AT = re.compile(rf"best@(?:{_STEP}\.\.)?{_STEP}")
_EMA = re.compile(r"ema:(0?\.[0-9]+|0)")
_WINDOW = re.compile(r"window:([1-9][0-9]{0,17})")


def per_step_of(per_step: PerStep, duplicates: Duplicates) -> PerStep:
    """The one of the two names of an option that was given.

    Raises
    ------
    OptionError
        Both were given, or the value is none of these.
    """
    name, value = ("per_step", per_step) if duplicates is None else ("duplicates", duplicates)
    if duplicates is not None and per_step != "last":
        raise OptionError(f"duplicates={duplicates!r} and per_step={per_step!r}: one of the two names was expected")
    if value not in PER_STEP:
        raise OptionError(f"{name}={quoted(value)}: one of {', '.join(PER_STEP)} was expected")
    return value


class Scope(NamedTuple):
    """Which of a job's rows decides.

    Attributes
    ----------
    kind : {"last", "first", "min", "max", "mean", "last-n", "best", "best@k", "ema", "window"}
    number : float or None
        The n of last-n and window, the k of best@k or the b of best@a..b, the weight of ema.
    low : float or None
        The a of best@a..b.
    """

    kind: str
    number: float | None = None
    low: float | None = None

    @property
    def is_smoothed(self) -> bool:
        """Whether the best value of a smoothed curve decides."""
        return self.kind in ("ema", "window")

    @property
    def is_window(self) -> bool:
        """Whether the value is made of several rows."""
        return self.kind in ("mean", "last-n", "ema", "window")


def parse_scope(text: str) -> Scope:
    """Read a scope.

    Raises
    ------
    OptionError
        The text is no scope.

    Examples
    --------
    >>> parse_scope("last-5"), parse_scope("min")
    (Scope(kind='last-n', number=5, low=None), Scope(kind='min', number=None, low=None))
    """
    if text in ("last", "first", "min", "max", "mean", "best"):
        return Scope(text)
    if isinstance(text, str):
        if match := _LAST_N.fullmatch(text):
            return Scope("last-n", int(match[1]))
        if match := _BEST_AT.fullmatch(text):
            low, high = match.groups()
            if low is None or float(low) <= float(high):
                return Scope("best@k", float(high), None if low is None else float(low))
            raise OptionError(f"scope={quoted(text)}: it ends before it begins", hint=f"best@{high}..{low}")
        # so many nines are read as 1
        if (match := _EMA.fullmatch(text)) and float(match[1]) < 1:
            return Scope("ema", float(match[1]))
        if match := _WINDOW.fullmatch(text):
            return Scope("window", int(match[1]))
    hints = {
        "last|best": "N is a count of rows, from 1; K, A and B are steps: last-5, best@100, best@10..100",
        "ema": "W is the weight of the average so far, at least 0 and less than 1: ema:0.9",
        "window": "N is a count of rows, from 1: window:5",
    }
    raise OptionError(
        f"scope={quoted(text)}: {SCOPES} was expected",
        hint=next((hint for start, hint in hints.items() if re.match(start, str(text))), None),
    )


def is_finite(number: object) -> bool:
    """Whether it is a number that a float can be, and neither infinite nor not a number."""
    # a larger int is no float
    most = sys.float_info.max
    return isinstance(number, (int, float)) and not isinstance(number, bool) and -most <= number <= most


@dataclass(frozen=True)
class Objective:
    """The metric that decides which job is best.

    Parameters
    ----------
    metric : str
        Name of the objective metric, or a formula.
    goal : {"Minimize", "Maximize", "Target"}
        In any case: ``minimize`` becomes ``Minimize``. With ``Target``, the value that is nearest to ``target`` is the best.
    scope : str
        Which of a job's rows decides:

        - ``last`` (what the tuning service does) or ``first``;
        - ``min`` or ``max``: the least or the greatest, whatever the goal; rows that are not finite are skipped;
        - ``mean``, or ``last-N``: the mean of all rows, or of the last N (of all, where there are fewer), as
          ``statistics.fmean`` computes it; over steps the exact mean, rounded once;
        - ``best``: the best by the goal, which is ``min`` or ``max``;
        - ``best@K``: the best by the goal among the rows at a step of at most K; rows that are not finite are skipped.
          ``best@A..B``: among those at a step from A to B;
        - ``ema:W`` or ``window:N``: the best by the goal of the smoothed curve: of the exponential moving averages whose weight
          is W, as TensorBoard draws them, or of the means of N values that follow each other (of all, where there are fewer);
          rows that are not finite are left out.
    step : str, optional
        Name of the metric that counts the steps; ``best@K`` needs it. With a step, every scope goes over one value per step of
        each stream, and N counts steps.
    step_place : {"before", "after", "block"}
        Which step a row has if there is none in its record: the last one before it in its stream; the next one after it; or
        the one in the same block, the last one before the row if there are several, else the first. A block is what stands
        between separators: lines of ``-``, ``=`` or ``+``, or the records that ``replay(.., block=REGEX)`` finds.
    per_step : {"last", "first", "mean", "all"}
        Which value counts if a stream has several at one step: the last or the first one in the order in which rows count, their
        mean (at the place of the last one), or all of them. Rows without a step all count.
    from_step : float, optional
        Rows at a lower step, and those without a step, do not count.
    is_formula : bool
        Whether ``metric`` is a formula of metrics, such as ``val_loss + 0.1*params``. Its metrics are combined at each step of a
        stream; a formula of several metrics needs a step. ``last(params)`` is the last value of a metric in the job, whatever
        its step.
    target : float, optional
        What ``goal="Target"`` needs.
    restarts : {"keep", "purge", "split"}
        What becomes of the rows of a stream whose step goes back: "keep" drops none, so that the last value of each step counts.
        "purge" drops those written before a restart whose step is at or above the one at which the run goes on, as TensorBoard
        does. "split": each run is a part of its stream, whose steps are its own, as folds are.

    Raises
    ------
    OptionError
        The goal, the scope or one of the others is invalid, or one of them needs a step and there is none.

    Examples
    --------
    >>> Objective("loss", "minimize").goal
    'Minimize'
    >>> Objective("accuracy", "Maximize", scope="best@10", step="epoch").scope
    'best@10'
    """

    metric: str
    goal: str
    scope: str = "last"
    step: str | None = None
    step_place: str = "before"
    per_step: PerStep = "last"
    from_step: float | None = None
    is_formula: bool = False
    target: float | None = None
    restarts: Restarts = "keep"

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
            errors.append(f"goal={self.goal!r}: 'Minimize' or 'Maximize' was expected, or 'Target' with target=NUMBER")
        try:
            kind = parse_scope(self.scope).kind
        except OptionError as error:
            errors.append(error.message)
            hint = hint or error.hint
        else:
            if kind == "best@k" and self.step is None:
                errors.append(f"scope={self.scope!r} needs step=NAME (--step NAME), the metric that counts the steps")
        try:
            check_step_place(self.step_place)
        except OptionError as error:
            errors.append(error.message)
        else:
            if self.step_place != "before" and self.step is None:
                errors.append(
                    f"step_place={self.step_place!r} needs step=NAME (--step NAME), the metric that counts the steps"
                )
        if self.per_step not in PER_STEP:
            errors.append(f"per_step={self.per_step!r}: one of {', '.join(PER_STEP)} was expected")
        elif self.per_step != "last" and self.step is None:
            errors.append(f"per_step={self.per_step!r} needs step=NAME (--step NAME), the metric that counts the steps")
        if self.restarts not in RESTARTS:
            errors.append(f"restarts={self.restarts!r}: one of {', '.join(RESTARTS)} was expected")
        elif self.restarts != "keep" and self.step is None:
            errors.append(f"restarts={self.restarts!r} needs step=NAME (--step NAME), the metric that counts the steps")
        if self.from_step is not None:
            if not is_finite(self.from_step):
                errors.append(f"from_step={self.from_step!r}: a number was expected")
            elif self.step is None:
                errors.append(
                    f"from_step={self.from_step!r} needs step=NAME (--step NAME), the metric that counts the steps"
                )
        if (self.target is None) == (self.goal == "Target"):
            what = (
                "needs target=NUMBER" if self.target is None else f"and target={self.target!r}: 'Target' was expected"
            )
            errors.append(f"goal={self.goal!r} {what}")
        elif self.target is not None and not is_finite(self.target):
            errors.append(f"target={self.target!r}: a number was expected")
        if self.is_formula and isinstance(self.metric, str):
            try:
                stepped = read_formula(self.metric).stepped
            except OptionError as error:
                errors.append(error.message)
                hint = hint or error.hint
            else:
                if len(stepped) > 1 and self.step is None:
                    errors.append(
                        f"a formula of {len(stepped)} metrics needs step=NAME (--step NAME), the metric that counts the steps"
                    )
                    hint = (
                        hint
                        or f"last({stepped[-1]}) is the last value of {stepped[-1]!r} in the job, whatever its step"
                    )
                elif len(stepped) > 1 and self.per_step == "all":
                    errors.append(
                        "per_step='all' gives a formula several values at one step; last, first or mean was expected"
                    )
        if errors:
            raise OptionError("; ".join(errors), hint=hint)

    @property
    def formula(self) -> Formula | None:
        """The formula that was read; None if the objective is one metric."""
        return read_formula(self.metric) if self.is_formula else None

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that decide: the objective's, or those of its formula."""
        return read_formula(self.metric).metrics if self.is_formula else (self.metric,)

    def under(self, scope: str) -> Objective:
        """The same objective with another scope."""
        return replace(self, scope=scope)

    def key(self, value: Any) -> Any:
        """What to sort a value, or an array of values, by: the least key is the best."""
        if self.target is not None:
            return abs(value - self.target)
        return value if self.goal == "Minimize" else -value

    def is_better(self, value: float, other: float) -> bool:
        """Whether a finite value beats another."""
        return bool(self.key(value) < self.key(other))
