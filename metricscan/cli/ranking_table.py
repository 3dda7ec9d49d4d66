"""The table of a ranking: which columns it has, and what stands in them."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING, Any

from metricscan.cli.goal import JOBS_SHOWN
from metricscan.cli.job_table import Column, print_jobs
from metricscan.cli.output import complain
from metricscan.cli.rankings import is_computed, kinds_in, objective_name, text_of, text_there
from metricscan.cli.terminal import one_line
from metricscan.reports.names import named

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    import pyarrow as pa
    from rich.console import Console

    from metricscan.cli.goal import Goal
    from metricscan.definitions.objective import Objective
    from metricscan.logs.job import Job

#: What ``--columns`` takes besides names of metrics and hyperparameters.
FIXED = ("rank", "job", "value", "step", "status", "rows", "place", "doubts")
_SEVERAL = ("at-best", "hyperparameters")
_KINDS = ("metric", "parameter")
_MOST_LISTED = 20


def metrics_of_columns(columns: Iterable[str], metrics: Collection[str], objective: Objective) -> list[str]:
    """The metrics that ``--columns`` names, and that are not the objective: their values at best are to be found."""
    found = []
    for text in columns:
        kind, name = _kind_and_name(text)
        is_wanted = kind == "metric" or (kind is None and name not in (*FIXED, *_SEVERAL) and name in metrics)
        if is_wanted and name not in (objective.metric, objective.step):
            found.append(name)
    return found


def _kind_and_name(text: str) -> tuple[str | None, str]:
    kind, colon, name = text.partition(":")
    return (kind, name) if colon and kind in _KINDS else (None, text)


def print_ranking(console: Console, ranking: pa.Table, objective: Objective, goal: Goal, jobs: Iterable[Job]) -> bool:
    """Print one line per job. The jobs have the logs that the rows come from.

    Which hyperparameters there are is known only after the logs were read. So a column that does not exist is told, and the
    ranking is printed with the usual columns.

    Returns
    -------
    bool
        Whether all columns that ``--columns`` names exist.
    """
    from metricscan.logs.members import counted

    shown = goal.cut(ranking, JOBS_SHOWN)
    table = _RankingTable(shown, objective, jobs)
    unknown = table.unknown(goal.columns)
    if unknown is not None:
        complain(unknown)
    if goal.columns and unknown is None:
        print_jobs(console, table.chosen(goal.columns))
    else:
        print_jobs(console, table.usual(), "; --columns NAME,... chooses columns")
        if table.same:
            texts = ", ".join(f"{one_line(name)}={one_line(text)}" for name, text in table.same.items())
            console.print(f"  in {'both' if shown.num_rows == 2 else 'all'} of these jobs: {texts}", soft_wrap=True)
    if shown.num_rows < ranking.num_rows:
        console.print(f"  .. {counted(ranking.num_rows - shown.num_rows, 'more job')}; --top N shows N")
    return unknown is None


class _RankingTable:
    """The columns that a ranking can have.

    Attributes
    ----------
    same : dict of str to str
        The hyperparameters that all its jobs share, if it has several.
    """

    def __init__(self, shown: pa.Table, objective: Objective, jobs: Iterable[Job]) -> None:
        from metricscan.ranking.at_best import PLACE, PREFIX

        self._objective = objective
        self._rows: list[dict[str, Any]] = shown.to_pylist()
        self._pieces = _pieces(jobs, {row["job"] for row in self._rows})
        names = [name.removeprefix(PREFIX) for name in shown.column_names if name.startswith(PREFIX)]
        # the step has a column of its own
        self._others = [
            name for name in names if PREFIX + name + PLACE in shown.column_names and name != objective.step
        ]
        self._parameters = _texts_of(self._rows)
        is_same = len(self._rows) > 1
        self.same = {
            name: texts[0]
            for name, texts in self._parameters.items()
            if is_same and texts[0] is not None and all(text == texts[0] for text in texts)
        }

    def usual(self) -> list[Column]:
        """The columns without ``--columns``."""
        fixed = self._fixed
        names = [name for name in FIXED if name in fixed and name != "doubts"]
        # those of the winner stand below it, with what they say
        if any(row["doubts"] for row in self._rows[1 if self._rows and self._rows[0]["rank"] is not None else 0 :]):
            names.append("doubts")
        columns = [fixed[name] for name in names]
        columns[names.index("status") : names.index("status")] = [self._other(name) for name in self._others]
        return columns + [self._parameter(name) for name in self._parameters if name not in self.same]

    def chosen(self, wanted: Sequence[str]) -> list[Column]:
        """The columns that are asked for, in their order; the first ones are the most important."""
        columns = [column for text in wanted for column in self._named(text) or ()]
        return [column._replace(importance=number) for number, column in enumerate(columns)]

    def unknown(self, wanted: Sequence[str]) -> str | None:
        """The error about the first of these columns that does not exist."""
        missing = next((text for text in wanted if self._named(text) is None), None)
        if missing is None:
            return None
        some = [*self._fixed, "at-best", *self._others, "hyperparameters", *self._parameters]
        more = ", .." if len(some) > _MOST_LISTED else ""
        names = ", ".join(map(one_line, some[:_MOST_LISTED]))
        return f"--columns: no column {one_line(repr(missing))}; there are {names}{more}, and the metrics"

    def _named(self, text: str) -> list[Column] | None:
        kind, name = _kind_and_name(text)
        fixed = self._fixed
        if kind is None and name in fixed:
            return [fixed[name]]
        if kind is None and name == "at-best":
            return [self._other(one) for one in self._others]
        if kind is None and name == "hyperparameters":
            return [self._parameter(one) for one in self._parameters]
        if kind != "parameter" and name == self._objective.metric:
            return [fixed["value"]]
        if kind != "parameter" and name == self._objective.step:
            return [fixed["step"]]
        if kind != "parameter" and name in self._others:
            return [self._other(name)]
        if kind != "metric" and name in self._parameters:
            return [self._parameter(name)]
        return None

    @cached_property
    def _fixed(self) -> dict[str, Column]:
        objective, rows = self._objective, self._rows
        computed = is_computed(objective)
        status = [row["objective_status"] + (f", {row['job_status']}" if row["job_status"] else "") for row in rows]
        values = ["" if row["value"] is None else text_of(row["value"], is_computed=computed) for row in rows]
        columns = {
            "rank": Column("rank", list(map(_rank, rows)), is_number=True),
            "job": Column("job", [named(row["job"]) for row in rows], least=24),
            "value": Column(objective_name(objective), values, is_number=True),
        }
        if objective.step is not None:
            steps = ["" if row["step"] is None else f"{row['step']:g}" for row in rows]
            columns["step"] = Column(objective.step, steps, is_number=True, importance=1)
        # a status that all jobs share tells little
        columns["status"] = Column("status", status, least=16, importance=2 if len(set(status)) > 1 else 5)
        columns["rows"] = Column("rows", list(map(_count, rows)), is_number=True, importance=6)
        columns["place"] = Column("place", list(map(self._place, rows)), least=16, importance=7)
        columns["doubts"] = Column("doubts", [kinds_in(row["doubts"]) for row in rows], importance=3)
        return columns

    def _other(self, name: str) -> Column:
        from metricscan.ranking.at_best import from_row

        texts = [text_there(from_row(row)[name], self._objective) for row in self._rows]
        return Column(name, texts, is_number=True, importance=1)

    def _parameter(self, name: str) -> Column:
        texts = self._parameters[name]
        is_number = all(text is None or _is_number(text) for text in texts)
        return Column(named(name), [text or "" for text in texts], is_number=is_number, importance=4)

    def _place(self, row: Mapping[str, Any]) -> str:
        piece = (row["part"] or 0) - (row["run"] or 0)
        stream = self._pieces.get((row["job"], row["stream"], piece), row["stream"])
        where = "" if stream is None else f"{named(stream)}:{row['line']}"
        if row["run"] is not None:
            where += f", run {row['run']}"
        if row["streams"] > 1:
            where += f" ({self._objective.scope} of {row['streams']} streams)"
        return where


def _rank(row: Mapping[str, Any]) -> str:
    return "" if row["rank"] is None else str(row["rank"]) + ("=" if (row["tied"] or 1) > 1 else "")


def _count(row: Mapping[str, Any]) -> str:
    return f"{row['rows']:,}" + (f" ({row['not_finite']:,} not finite)" if row["not_finite"] else "")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _texts_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[str | None]]:
    """The text of each hyperparameter in each job, None where a job has none of this name."""
    found: dict[str, list[str | None]] = {}
    for at, row in enumerate(rows):
        for name, text in row["hyperparameters"] or ():
            found.setdefault(name, [None] * len(rows))[at] = text
    return found


def _pieces(jobs: Iterable[Job], names: Collection[str]) -> dict[tuple[str, str, int], str]:
    """The name of each piece of the rotated streams of some jobs, by job, stream and part."""
    pieces = {}
    for job in jobs:
        rotated = {log.stream for log in job.logs if log.part} if job.name in names else ()
        for log in job.logs if rotated else ():
            if log.stream in rotated:
                # the stream of a container's log has a name behind that of the file
                within = "" if log.within is None else log.stream[log.stream.rfind(log.within) :]
                folder, slash, _ = log.stream.removesuffix(f"/{within}" if within else "").rpartition("/")
                behind = f"/{within}" if within else ""
                pieces[job.name, log.stream, log.part] = folder + slash + os.path.basename(log.path) + behind
    return pieces
