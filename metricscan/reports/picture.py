"""What a plot shows: the curves of one or several metrics, which of them are the best, and what cannot be drawn."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from metricscan.logs.members import counted
from metricscan.reports.names import named

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from metricscan.datasets.rows import Array
    from metricscan.definitions.objective import Objective
    from metricscan.reports.bands import Band

#: What counts the values of a job where there is no step.
ROW = "row of the job"
# The words that name a part of the data: train_loss and val_loss belong together.
_PARTS = re.compile(r"(^|[^a-z])(train(ing)?|valid(ation)?|val|eval(uation)?|test|dev)(?=[^a-z]|$)")


class Line(NamedTuple):
    """The curve of one job, or of one of its workers.

    Attributes
    ----------
    job, label : str
        The label names the worker, too.
    worker : str or None
    step, value : float64 array
        Where there is a step.
    stepless : int
        How many values have none.
    """

    job: str
    label: str
    worker: str | None
    step: Array
    value: Array
    stepless: int


class Curves(NamedTuple):
    """The curves of one metric, and those of groups of jobs."""

    metric: str
    lines: list[Line]
    bands: list[Band]


class Picture(NamedTuple):
    """What a plot shows.

    Attributes
    ----------
    metrics : list of Curves
    title : str
        In characters that can be seen.
    step : str or None
        The metric that counts the steps.
    objective : Objective or None
    best : dict of str to (float or None)
        The best jobs, or groups, with their values.
    group_value : str or None
        Which number of a group ranks it, if there are groups.
    log, log_step : bool
        Whether the axes are logarithmic.
    """

    metrics: list[Curves]
    title: str
    step: str | None
    objective: Objective | None
    best: dict[str, float | None]
    group_value: str | None
    log: bool
    log_step: bool

    @property
    def across(self) -> str:
        """What the horizontal axis counts."""
        return ROW if self.step is None else self.step

    @property
    def has_groups(self) -> bool:
        """Whether groups of jobs are drawn."""
        return self.group_value is not None

    def seen(self, step: Array, value: Array) -> Array:
        """The values that can be drawn; NaN stands for the others."""
        found = np.isfinite(value) & ((value > 0) | (not self.log)) & ((step > 0) | (not self.log_step))
        return np.where(found, value, np.nan)

    def lost(self, curves: Curves) -> list[str]:
        """Which values of a metric are not drawn, in words."""
        lines = curves.lines
        finite = [np.isfinite(line.value) for line in lines]
        counts = {"without a step": sum(line.stepless for line in lines)}
        counts["not finite"] = sum(int((~one).sum()) for one in finite)
        if self.log:
            counts["not positive"] = sum(
                int((line.value[one] <= 0).sum()) for line, one in zip(lines, finite, strict=True)
            )
        if self.log_step:
            counts["at a step that is not positive"] = sum(int((line.step <= 0).sum()) for line in lines)
        return [f"{counted(count, 'value')} {how}" for how, count in counts.items() if count]

    def empty(self, curves: Curves) -> str | None:
        """Why nothing of a metric is drawn; None if something is."""
        if any(bool(np.isfinite(self.seen(line.step, line.value)).any()) for line in curves.lines):
            return None
        name = named(curves.metric)
        if not curves.lines:
            return f"no job has a value of {name}"
        lost = self.lost(curves)
        return f"nothing of {name} can be drawn: {', '.join(lost)}" if lost else f"there is no value of {name}"

    def notes(self) -> list[str]:
        """What is not drawn, in a sentence per metric."""
        found = []
        for curves in self.metrics:
            empty, lost = self.empty(curves), self.lost(curves)
            if empty is not None:
                found.append(empty)
            elif lost:
                found.append(f"not drawn of {named(curves.metric)}: {', '.join(lost)}")
        return found

    def best_title(self) -> str:
        """What the values of the best are."""
        if self.objective is None:
            return ""
        of_groups = f"{self.group_value} " if self.has_groups else ""
        return f"best {of_groups}{named(self.objective.metric)} ({self.objective.scope})"


def panels(metrics: Sequence[Curves]) -> list[list[Curves]]:
    """Metrics that belong on one pair of axes: their names differ only in the part of the data, as train_loss and val_loss."""
    found: dict[str, list[Curves]] = {}
    for number, curves in enumerate(metrics):
        pair = _PARTS.sub(r"\1", curves.metric.lower())
        pair = re.sub(r"[^a-z0-9]+", "", pair) or f" {number}"
        found.setdefault(pair, []).append(curves)
    return list(found.values())


def lines_of(table: pa.Table) -> list[Line]:
    """The curve of each job, or of each worker, from the columns of :func:`metricscan.curve`."""
    names = table.column_names
    workers = names[1 : names.index("step")]
    keys: list[tuple[Any, ...]] = list(zip(*(table[name].to_pylist() for name in ("job", *workers)), strict=True))
    step = table["step"].to_numpy()
    value = table["value"].to_numpy()
    starts = [at for at in range(len(keys)) if at == 0 or keys[at] != keys[at - 1]]
    lines = []
    for start, end in zip(starts, [*starts[1:], len(keys)][: len(starts)], strict=True):
        job, *labels = keys[start]
        # a record that no label names has the worker null
        parts = [
            str(label) if isinstance(label, str) else f"without {name}" if label is None else f"{name} {label:g}"
            for name, label in zip(workers, labels, strict=True)
        ]
        placed = ~np.isnan(step[start:end])
        worker = ", ".join(parts) or None
        label = job if worker is None else f"{job}, {worker}"
        lines.append(Line(job, label, worker, step[start:end][placed], value[start:end][placed], int((~placed).sum())))
    return lines


def short_names(names: Mapping[str, Any] | Sequence[str], most: int = 48) -> dict[str, str]:
    """Each name as a legend has room for; whole where two would look the same."""
    whole = {name: named(name) for name in names}
    half = most // 2
    short = {name: one if len(one) <= most else f"{one[: half - 2]}..{one[-half:]}" for name, one in whole.items()}
    return short if len(set(short.values())) == len(short) else whole
