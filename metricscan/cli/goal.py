"""The options that describe an objective and its ranking."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import click

from metricscan.cli.options import bundle
from metricscan.cli.terminal import one_line

if TYPE_CHECKING:
    import pyarrow as pa

    from metricscan.datasets.dataset import Dataset
    from metricscan.definitions.objective import Objective, PerStep, Restarts


JOBS_SHOWN = 20


class Goal(NamedTuple):
    """The objective, which jobs may win, and how many jobs to show, from the options."""

    minimize: str | None
    maximize: str | None
    formula: str | None
    direction: str | None
    target: float | None
    scope: str | None
    step: str | None
    step_place: str | None
    top: int | None
    per_step: PerStep | None
    restarts: Restarts | None
    from_step: float | None
    all_best: bool
    completed_only: bool | None
    min_step: float | None
    exclude_doubts: tuple[str, ...]
    columns: tuple[str, ...]

    def objective(self, noted: Objective | None = None) -> Objective | None:
        """The objective that the options describe; what they omit is taken from ``noted``, the objective of a replay."""
        rest: dict[str, Any] = {"per_step": self.per_step, "from_step": self.from_step, "restarts": self.restarts}
        where = (self.scope, self.step, noted, self.step_place)
        if self.formula is not None:
            return self._of_formula(objective_of(self.formula, None, *where, **rest))
        for name, value in (("--goal", self.direction), ("--target", self.target)):
            if value is not None:
                raise click.UsageError(f"{name} needs --objective FORMULA, which may be the name of a metric")
        return objective_of(self.minimize, self.maximize, *where, **rest)

    def _of_formula(self, found: Objective | None) -> Objective | None:
        """The objective of a formula, from the one that ``--minimize`` with the same options would describe."""
        from dataclasses import replace

        from metricscan.definitions.formula import read_formula

        if self.minimize is not None or self.maximize is not None:
            raise click.UsageError("give --objective, --minimize or --maximize, not several")
        if (self.direction is None) == (self.target is None):
            raise click.UsageError("--objective needs --goal minimize, --goal maximize or --target NUMBER")
        if found is None or self.formula is None:
            return found
        formula = read_formula(self.formula)
        return replace(
            found,
            metric=formula.metrics[0] if formula.is_name else formula.text,
            goal=self.direction or "Target",
            target=self.target,
            is_formula=not formula.is_name,
        )

    @property
    def is_of_replay(self) -> bool:
        """Whether no option names another objective than that of a replay."""
        return self.minimize is None and self.maximize is None and self.formula is None

    def check_ranked(self, objective: Objective | None) -> None:
        """Raise a UsageError if options describe a ranking and there is no objective."""
        if objective is not None:
            return
        if self.given or self.completed_only is not None:
            raise no_objective_for(*(self.given or ["--no-completed-only"]))

    def check_columns(self, *, print_json: bool) -> None:
        """Raise a UsageError if columns are chosen and no table is printed."""
        if self.columns and print_json:
            raise click.UsageError("--columns is for the table; --json has all columns")

    @property
    def given(self) -> list[str]:
        """The names of the options that were given."""
        names = {"formula": "objective", "direction": "goal"}
        given = [
            name for name, value in self._asdict().items() if value is not None and value is not False and value != ()
        ]
        return [f"--{names.get(name, name).replace('_', '-')}" for name in given]

    @property
    def excluded(self) -> tuple[str, ...]:
        """The kinds of doubts that ``--exclude-doubts`` names."""
        return tuple(kind.strip() for given in self.exclude_doubts for kind in given.split(","))

    @property
    def conditions(self) -> dict[str, Any]:
        """What a job must fulfil to get a rank, as arguments of ``replay`` and ``rank``."""
        return {
            "completed_only": bool(self.completed_only),
            "min_step": self.min_step,
            "exclude_doubts": self.excluded,
        }

    def conditions_after(self, noted: Dataset) -> dict[str, Any]:
        """The same for a dataset; with its own objective, what the options omit is as in its replay."""
        found = self.conditions
        found["completed_only"] = completed_only_of(
            self.completed_only, self.minimize or self.formula, self.maximize, noted
        )
        if not self.is_of_replay:
            return found
        if self.min_step is None and noted.min_step is not None:
            found["min_step"] = noted.min_step
            click.echo(f"jobs whose last step is below {noted.min_step:g} have no rank, as in the replay", err=True)
        if not self.exclude_doubts and noted.exclude_doubts:
            found["exclude_doubts"] = noted.exclude_doubts
            kinds = one_line(", ".join(noted.exclude_doubts))
            click.echo(f"jobs with these doubts have no rank, as in the replay: {kinds}", err=True)
        return found

    def cut(self, ranking: pa.Table, most: int | None = None) -> pa.Table:
        """The rows that ``--top`` and ``--all-best`` select; without both, the first ``most`` rows, or all."""
        top = most if self.top is None and not self.all_best else self.top
        count = 0 if self.all_best and top is None else ranking.num_rows if top is None else top
        if self.all_best and ranking.num_rows:
            count = max(count, ranking["tied"][0].as_py() or 0)
        # --top may be greater than the number of jobs
        return ranking.slice(0, min(count, ranking.num_rows))


restarts_option = click.option(
    "--restarts",
    type=click.Choice(["keep", "purge", "split"]),
    help="Where the step goes back: keep all rows, so that the last value of each step counts; purge what was written before "
    "at the steps from there on, as TensorBoard does; or split, so that each run is a part with steps of its own.  "
    "[default: keep; with the objective of a dataset, as in its replay]",
)
step_place_option = click.option(
    "--step-place",
    type=click.Choice(["before", "after", "block"]),
    help="Which step a row has if its record has none: the last one before it in its stream, the next one after it, or the one "
    "in the same block, between lines of -, = or +.  [default: before]",
)

#: Of what reads logs while they grow: its rows may be ranked later.
live_block_option = click.option(
    "--block",
    metavar="REGEX",
    help="The records that separate blocks, for --step-place block, which it implies beside --step. They are kept for rank and "
    "plot.  [default: lines of -, = or +]",
)

per_step_option = click.option(
    "--per-step",
    type=click.Choice(["last", "first", "mean", "all"]),
    help="Which of several values of a stream at one step counts: the last, the first, their mean, or all.  [default: last]",
)


def _names(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for value in values for name in split_names(value))


def split_names(text: str) -> list[str]:
    """The names in a list with commas; a backslash before a comma makes it a part of the name."""
    names = [name.strip().replace("\\,", ",") for name in re.split(r"(?<!\\),", text)]
    return [name for name in names if name]


#: Adds the option; the command gets the names as ``at_best``.
at_best_option = click.option(
    "--at-best",
    metavar="NAME,...",
    multiple=True,
    callback=_names,
    help="Show the values of other metrics where the value of a job was decided: at its step, else the nearest before it. "
    "Can be repeated.",
)

#: Adds the options of an objective and its ranking; the command gets them as ``goal``.
goal_options = bundle(
    "goal",
    Goal,
    click.option("--minimize", metavar="NAME", help="The objective metric; lower is better."),
    click.option("--maximize", metavar="NAME", help="The objective metric; higher is better."),
    click.option(
        "--objective",
        "formula",
        metavar="FORMULA",
        help="A formula of metrics instead, such as 'val_loss + 0.1*params', whose values are combined at each step; with "
        "--goal or --target.",
    ),
    click.option(
        "--goal",
        "direction",
        type=click.Choice(["minimize", "maximize"], case_sensitive=False),
        help="Whether lower or higher is better, for --objective.",
    ),
    click.option(
        "--target", metavar="NUMBER", type=float, help="The nearest value to this one is the best, for --objective."
    ),
    click.option(
        "--scope",
        metavar="SCOPE",
        help="Which rows of a job decide: last, first, min, max, mean, last-N (mean of the last N), best (by the goal), "
        "best@K (at a step of at most K), best@A..B, ema:W or window:N (the best of the smoothed curve).  [default: last]",
    ),
    click.option(
        "--step",
        metavar="NAME",
        help="The metric that counts the steps, such as an epoch; then one value per step counts, and N counts steps.",
    ),
    step_place_option,
    per_step_option,
    restarts_option,
    click.option(
        "--from-step", metavar="A", type=float, help="Rows at a lower step, and those without a step, do not count."
    ),
    click.option(
        "--top",
        metavar="N",
        type=click.IntRange(min=1),
        help=f"Number of jobs to show.  [default: {JOBS_SHOWN}]",
    ),
    click.option("--all-best", is_flag=True, help="Show all jobs that share the first rank."),
    click.option(
        "--completed-only/--no-completed-only",
        default=None,
        help="Rank only jobs whose status is Completed.  [default: no; with the objective of a dataset, "
        "as in its replay]",
    ),
    click.option(
        "--min-step",
        metavar="N",
        type=float,
        help="Rank only jobs whose last step is at least N; it needs --step.",
    ),
    click.option(
        "--exclude-doubts",
        metavar="KIND,...",
        multiple=True,
        help="Rank only jobs without these doubts, such as crashed,behind. Can be repeated.",
    ),
    click.option(
        "--columns",
        metavar="NAME,...",
        multiple=True,
        callback=_names,
        help="The columns of the ranking, in this order: rank, job, value, step, status, rows, place, doubts, at-best, "
        "hyperparameters, and names of metrics and hyperparameters (metric:NAME, parameter:NAME).  [default: those that fit]",
    ),
)


def no_objective_for(*options: str) -> click.UsageError:
    """The error for options that need an objective."""
    return click.UsageError(f"no objective for {' and '.join(options)}: give --minimize NAME or --maximize NAME")


def completed_only_of(given: bool | None, minimize: str | None, maximize: str | None, noted: Dataset) -> bool:
    """Whether only completed jobs get a rank; without the option as in the replay, if its objective is used."""
    if given is not None or minimize is not None or maximize is not None or not noted.completed_only:
        return bool(given)
    click.echo(
        "only jobs whose status is Completed have a rank, as in the replay; --no-completed-only turns this off",
        err=True,
    )
    return True


def objective_of(
    minimize: str | None,
    maximize: str | None,
    scope: str | None,
    step: str | None,
    noted: Objective | None = None,
    step_place: str | None = None,
    per_step: PerStep | None = None,
    from_step: float | None = None,
    restarts: Restarts | None = None,
) -> Objective | None:
    """The objective that the options describe; what they omit is taken from ``noted``."""
    from dataclasses import replace

    from metricscan.definitions.objective import Objective

    if minimize is not None and maximize is not None:
        raise click.UsageError("give --minimize or --maximize, not both")
    of_steps = {"step": step, "step_place": step_place, "per_step": per_step, "from_step": from_step}
    rest = {"scope": scope, **of_steps, "restarts": restarts}
    given: dict[str, Any] = {name: value for name, value in rest.items() if value is not None}
    if minimize is None and maximize is None:
        if noted is None:
            if given:
                raise no_objective_for(*(f"--{name.replace('_', '-')}" for name in given))
            return None
        return replace(noted, **given)
    metric = maximize if minimize is None else minimize
    goal: Literal["Minimize", "Maximize"] = "Maximize" if minimize is None else "Minimize"
    return Objective(str(metric), goal, **given)
