"""``--fail-if`` and ``--baseline``: conditions on the best job by which a build fails."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from metricscan.cli.options import bundle
from metricscan.cli.output import complain, print_notices
from metricscan.cli.terminal import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from metricscan.definitions.formula import Formula
    from metricscan.definitions.objective import Objective
    from metricscan.logs.job import Notice
    from metricscan.ranking.gate import BestJob, Verdict


class Gate(NamedTuple):
    """By which conditions the command fails, from the options."""

    fail_if: tuple[str, ...]
    baseline: str | None

    def conditions(self, metrics: Sequence[str]) -> list[Formula]:
        """The conditions, which name metrics that exist."""
        from metricscan.ranking.gate import read_conditions

        if self.baseline is not None and not self.fail_if:
            raise click.UsageError("--baseline needs --fail-if CONDITION, such as 'acc < baseline - 0.5%'")
        found = read_conditions(self.fail_if, metrics)
        if self.baseline is not None and all(step.kind != "baseline" for one in found for step in one.program):
            raise click.UsageError(
                "--baseline is not used: no --fail-if has 'baseline' in it, as in 'acc < baseline - 0.5%'"
            )
        return found

    def verdicts(
        self,
        conditions: Sequence[Formula],
        source: str,
        ranking: pa.Table,
        objective: Objective,
        *,
        is_grouped: bool,
        **how: Any,
    ) -> tuple[list[Verdict], list[Notice]]:
        """What becomes of the conditions, and what to know about them, which is printed.

        Parameters
        ----------
        conditions : sequence of Formula
        source : str
            Where the ranking comes from.
        ranking : pyarrow.Table
            With the values of the metrics of the conditions at the best step.
        objective : Objective
        is_grouped : bool
            Whether groups of the jobs are ranked, too.
        how
            What a job must fulfil to get a rank, for a baseline that is a dataset.
        """
        from metricscan.logs.job import Notice
        from metricscan.ranking import gate

        notices: list[Notice] = []
        baseline: BestJob | float | None = None
        if self.baseline is not None:
            baseline, notices = self._read_baseline(conditions, objective, how)
        best = gate.best_job(source, ranking, objective)
        if is_grouped and conditions and best.job is not None:
            notices.append(Notice(f"--fail-if looks at the best job, {best.job}, not at the best group"))
        print_notices(notices)
        return gate.verdicts(conditions, best, baseline), notices

    def _read_baseline(
        self, conditions: Sequence[Formula], objective: Objective, how: dict[str, Any]
    ) -> tuple[BestJob | float, list[Notice]]:
        from metricscan.logs.job import Notice
        from metricscan.ranking import gate
        from metricscan.ranking.ranking import rank

        path = str(self.baseline)
        if os.path.isdir(path):
            wanted = gate.metrics_of(conditions, objective)
            return gate.best_job(path, rank(path, objective, at_best=wanted, **how), objective), []
        number = gate.number_given(path)
        if number is not None:
            return number, []
        found, messages = gate.read_document(path, objective)
        return found, list(map(Notice, messages))


#: Adds the options; the command gets them as ``gate``.
gate_options = bundle(
    "gate",
    Gate,
    click.option(
        "--fail-if",
        metavar="CONDITION",
        multiple=True,
        help="Exit with code 3 if the best job fulfils this, such as 'acc < baseline - 0.5%', or has no such value. Can be "
        "repeated.",
    ),
    click.option(
        "--baseline",
        metavar="DIR|FILE|NUMBER",
        help="What 'baseline' stands for in --fail-if: a dataset, ranked in the same way; what --json printed; or a number.",
    ),
)


def print_verdicts(verdicts: Sequence[Verdict]) -> bool:
    """Print a sentence for each condition; returns whether there is one by which the command fails."""
    for one in verdicts:
        if one.failed:
            complain(f"--fail-if {one.sentence}")
        else:
            click.echo(f"passed: --fail-if {one_line(one.sentence)}", err=True)
    return any(one.failed for one in verdicts)
