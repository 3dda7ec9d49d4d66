"""How the commands take an objective, and show a ranking."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import click

from metricscan.cli.options import bundle

if TYPE_CHECKING:
    import pyarrow as pa

    from metricscan.datasets.dataset import Dataset
    from metricscan.definitions.objective import Objective


JOBS_SHOWN = 20


class Goal(NamedTuple):
    """What the best job is, which may be it, and how many are shown, as the options say it."""

    minimize: str | None
    maximize: str | None
    scope: str | None
    step: str | None
    top: int | None
    all_best: bool
    completed_only: bool | None

    def objective(self, noted: Objective | None = None) -> Objective | None:
        """The objective that is described; what is left out is as ``noted``."""
        return objective_of(self.minimize, self.maximize, self.scope, self.step, noted)

    def check_ranked(self, objective: Objective | None) -> None:
        """Raise a UsageError where options say something of a ranking, and there is no objective that gives one."""
        if objective is not None:
            return
        if self.completed_only is not None:
            raise click.UsageError("--completed-only says whom an objective ranks: --minimize or --maximize names it")
        if self.top is not None or self.all_best:
            shown = " and ".join(self.given)
            raise click.UsageError(f"{shown}: jobs of which ranking? --minimize or --maximize names its objective")

    @property
    def given(self) -> list[str]:
        """Those of the options that were given."""
        return [f"--{name.replace('_', '-')}" for name, value in self._asdict().items() if value not in (None, False)]

    def cut(self, ranking: pa.Table, most: int | None = None) -> pa.Table:
        """The jobs that ``--top`` and ``--all-best`` ask for; where neither is given, ``most``, or all."""
        top = most if self.top is None and not self.all_best else self.top
        count = 0 if self.all_best and top is None else ranking.num_rows if top is None else top
        if self.all_best and ranking.num_rows:
            count = max(count, ranking["tied"][0].as_py() or 0)
        # somebody who wants all of them may say so by any number
        return ranking.slice(0, min(count, ranking.num_rows))


#: Adds the options that say what the best job is: ``goal``.
goal_options = bundle(
    "goal",
    Goal,
    click.option("--minimize", metavar="NAME", help="The objective metric; less is better."),
    click.option("--maximize", metavar="NAME", help="The objective metric; more is better."),
    click.option(
        "--scope",
        metavar="SCOPE",
        help="Which rows decide: last, first, min, max, mean, last-N (mean of the last N), "
        "best@K (best at a step of at most K).  [default: last]",
    ),
    click.option("--step", metavar="NAME", help="The metric that counts the steps, such as an epoch."),
    click.option(
        "--top",
        metavar="N",
        type=click.IntRange(min=1),
        help=f"Jobs to show of the ranking.  [default: {JOBS_SHOWN}]",
    ),
    click.option("--all-best", is_flag=True, help="Show every job that shares the first rank, however many."),
    click.option(
        "--completed-only/--no-completed-only",
        default=None,
        help="Give a rank only to jobs whose status is Completed.  [default: no; where the objective is that of a dataset, "
        "as its replay did]",
    ),
)


def completed_only_of(given: bool | None, minimize: str | None, maximize: str | None, noted: Dataset) -> bool:
    """Whether only completed jobs get a rank; what is not said goes with the replay's objective, as its scope does."""
    if given is not None or minimize is not None or maximize is not None or not noted.completed_only:
        return bool(given)
    click.echo("only jobs whose status is Completed have a rank, as in the replay; or --no-completed-only", err=True)
    return True


def objective_of(
    minimize: str | None, maximize: str | None, scope: str | None, step: str | None, noted: Objective | None = None
) -> Objective | None:
    """The objective that the options describe; what they leave out is as ``noted``."""
    from dataclasses import replace

    from metricscan.definitions.objective import Objective

    if minimize is not None and maximize is not None:
        raise click.UsageError("--minimize and --maximize exclude each other")
    if minimize is None and maximize is None:
        if noted is None:
            if scope is not None or step is not None:
                raise click.UsageError(
                    "--scope and --step say how an objective counts: --minimize or --maximize names it"
                )
            return None
        return replace(noted, scope=noted.scope if scope is None else scope, step=noted.step if step is None else step)
    metric, goal = (minimize, "Minimize") if minimize is not None else (maximize, "Maximize")
    return Objective(str(metric), goal, "last" if scope is None else scope, step)
