"""The options that group jobs, such as those that differ only in a seed, and the groups as text and JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import click

from metricscan.cli import documents
from metricscan.cli.goal import JOBS_SHOWN, split_names
from metricscan.cli.job_table import Column, print_jobs
from metricscan.cli.options import bundle
from metricscan.cli.output import print_notices
from metricscan.cli.rankings import is_computed, text_of
from metricscan.reports.names import named

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence

    import pyarrow as pa
    from rich.console import Console

    from metricscan.definitions.objective import Objective
    from metricscan.logs.job import Notice
    from metricscan.ranking.doubts import Doubt
    from metricscan.ranking.groups import Grouping
    from metricscan.ranking.ranking import Known


class GroupOptions(NamedTuple):
    """Which jobs form a group, from the options."""

    over: tuple[str, ...]
    group_by: tuple[str, ...]
    group_name: str | None
    group_value: str | None

    @property
    def grouping(self) -> Grouping | None:
        """The grouping that the options describe; None if they describe none."""
        from metricscan.ranking.groups import Grouping

        over, by = _names(self.over), _names(self.group_by)
        given = {"--over": bool(over), "--group-by": bool(by), "--group-name": self.group_name is not None}
        some = [name for name, is_given in given.items() if is_given]
        if len(some) > 1:
            raise click.UsageError(f"give one of {', '.join(some)}")
        if not some:
            if self.group_value is not None:
                raise click.UsageError("--group-value needs --over, --group-by or --group-name")
            return None
        return Grouping.checked(over, by, self.group_name, self.group_value or "mean")

    def needs_rows(self, metrics: Container[str]) -> bool:
        """Whether a label or a metric of the logs makes groups, or a run does, so that the rows must be kept."""
        return any(name in metrics or name == "run" for name in _names(self.over))


#: Adds the options that group jobs; the command gets them as ``grouped``.
group_options = bundle(
    "grouped",
    GroupOptions,
    click.option(
        "--over",
        metavar="NAME,...",
        multiple=True,
        help="Group jobs that differ only in these hyperparameters, such as seed, and rank the groups. A label or metric of "
        "the logs, such as a fold, makes each of its values count as a job, and run each run, under --restarts split. "
        "Can be repeated.",
    ),
    click.option(
        "--group-by",
        metavar="NAME,...",
        multiple=True,
        help="Group jobs in which these hyperparameters are equal, and rank the groups. Can be repeated.",
    ),
    click.option(
        "--group-name",
        metavar="REGEX",
        help="Group jobs in whose names the regex (its group, if it has one) finds the same text, and rank the groups.",
    ),
    click.option(
        "--group-value",
        type=click.Choice(["mean", "median", "worst", "best"]),
        help="Which number of a group ranks it.  [default: mean]",
    ),
)


class JobGroups(NamedTuple):
    """The groups of a ranking's jobs.

    Attributes
    ----------
    table : pyarrow.Table
        As :func:`metricscan.rank_groups` returns it.
    grouping : Grouping
    notices : list of Notice
        What to know about them.
    """

    table: pa.Table
    grouping: Grouping
    notices: list[Notice]

    @classmethod
    def of(
        cls,
        tables: Mapping[str, pa.Table],
        ranking: pa.Table,
        objective: Objective,
        grouping: Grouping | None,
        *,
        jobs: Iterable[Known] | None = None,
        **conditions: Any,
    ) -> JobGroups | None:
        """The groups of ranked jobs, whose notices are printed; None without a grouping."""
        from metricscan.logs.job import Notice
        from metricscan.ranking.groups import grouped, notices_of

        if grouping is None:
            return None
        table = grouped(tables, ranking, objective, grouping, jobs=jobs, **conditions)
        notices = list(map(Notice, notices_of(table)))
        print_notices(notices)
        return cls(table, grouping, notices)

    @property
    def doubts(self) -> list[Doubt]:
        """Those of the jobs of the best group."""
        from metricscan.ranking.doubts import Doubt

        first = self.table.slice(0, 1).to_pylist()
        return [Doubt._make(one[name] for name in Doubt._fields) for one in (first[0]["doubts"] if first else ())]

    def as_documents(self) -> list[dict[str, Any]]:
        """The groups as JSON objects, best first."""
        rows: list[dict[str, Any]] = self.table.to_pylist()
        for row in rows:
            row["parameters"] = dict(row["parameters"])
            for key in ("value", "mean", "median", "std", "best", "worst"):
                row[key] = documents.number(row[key])
        return rows

    def print_to(self, console: Console, objective: Objective, top: int | None) -> None:
        """Print the best group in one line, and one row per group."""
        from metricscan.logs.members import counted

        first = self.table.slice(0, 1).to_pylist()
        if first and first[0]["rank"] is not None:
            best = first[0]
            computed = self.grouping.value in ("mean", "median") or is_computed(objective)
            spread = "" if best["std"] is None else f" (std {best['std']:.4g})"
            value = f"{self.grouping.value} {objective.metric} {text_of(best['value'], is_computed=computed)}{spread}"
            count = counted(best["n"], "job")
            text = f"Best group: {named(best['group'])}, {value} of {count}; its best job is {named(best['best_job'])}"
            console.print(text, style="bold", soft_wrap=True)
            for kind, jobs in _by_kind(best["doubts"]).items():
                of_them = ", ".join(jobs[:3]) + (f" and {len(jobs) - 3:,} more" if len(jobs) > 3 else "")
                console.print(f"  doubt {kind}: {len(jobs):,} of {count}: {of_them}", soft_wrap=True)
        else:
            console.print("Best group: none; no group has a job with a rank")
        shown = self.table.slice(0, JOBS_SHOWN if top is None else min(top, self.table.num_rows))
        print_jobs(console, _columns(shown.to_pylist(), objective))
        if shown.num_rows < self.table.num_rows:
            console.print(f"  .. {counted(self.table.num_rows - shown.num_rows, 'more group')}; --top N shows N")
        console.print()


def _columns(rows: Sequence[Mapping[str, Any]], objective: Objective) -> list[Column]:
    """The columns of the table of groups."""
    ranks = ["" if row["rank"] is None else str(row["rank"]) + ("=" if (row["tied"] or 1) > 1 else "") for row in rows]
    counts = [f"{row['n']:,}" + (f" of {row['jobs']:,}" if row["n"] < row["jobs"] else "") for row in rows]
    columns = [
        Column("rank", ranks, is_number=True),
        Column("group", [named(row["group"]) for row in rows], least=24),
        Column("jobs", counts, is_number=True, importance=1),
    ]
    for key in ("mean", "median", "std"):
        texts = ["" if row[key] is None else f"{row[key]:.6g}" for row in rows]
        columns.append(Column(key, texts, is_number=True, importance=1))
    computed = is_computed(objective)
    for key in ("best", "worst"):
        texts = ["" if row[key] is None else text_of(row[key], is_computed=computed) for row in rows]
        columns.append(Column(key, texts, is_number=True, importance=2))
    columns.append(Column("best job", [named(row["best_job"] or "") for row in rows], least=24, importance=4))
    # those of the best group stand above
    if any(row["doubts"] for row in rows[1:]):
        kinds = [", ".join(f"{kind} ({len(jobs):,})" for kind, jobs in _by_kind(row["doubts"]).items()) for row in rows]
        columns.append(Column("doubts", kinds, importance=3))
    return columns


def _by_kind(doubts: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """The jobs that have doubts, by their kind."""
    found: dict[str, list[str]] = {}
    for doubt in doubts:
        jobs = found.setdefault(doubt["kind"], [])
        if doubt["job"] not in jobs[-1:]:
            jobs.append(doubt["job"])
    return found


def _names(given: Iterable[str]) -> list[str]:
    return [name for one in given for name in split_names(one)]
