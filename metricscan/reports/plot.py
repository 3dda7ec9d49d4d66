"""Curves as a picture: all jobs thin and grey, the best in colour."""

from __future__ import annotations

import fnmatch
import os
from typing import TYPE_CHECKING, Any

from metricscan.errors import OptionError, quoted
from metricscan.ranking.groups import Grouping, assigned, rank_groups
from metricscan.ranking.ranking import rank
from metricscan.ranking.tables import opened_tables
from metricscan.ranking.wide import curve
from metricscan.reports.bands import bands_of
from metricscan.reports.figure import drawing
from metricscan.reports.names import named
from metricscan.reports.picture import Curves, Picture, lines_of
from metricscan.reports.plot_page import plot_page
from metricscan.reports.vega import vega_lite
from metricscan.reports.writing import write_whole

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from metricscan.definitions.blocks import StepPlace
    from metricscan.definitions.objective import Duplicates, Objective, PerStep, Restarts
    from metricscan.ranking.groups import GroupValue
    from metricscan.reports.picture import Line

#: What a picture can be.
FORMATS = ("png", "svg", "html", "json")
# Without an objective, so many groups are highlighted.
_FIRST_GROUPS = 5


def plot(
    tables: Mapping[str, pa.Table] | str | os.PathLike[str],
    metric: str | Sequence[str],
    path: str | os.PathLike[str],
    *,
    step: str | None = None,
    objective: Objective | None = None,
    completed_only: bool = False,
    min_step: float | None = None,
    exclude_doubts: str | Sequence[str] = (),
    worker: str | Sequence[str] = (),
    carry: bool | str | Sequence[str] = False,
    step_place: StepPlace = "before",
    per_step: PerStep = "last",
    restarts: Restarts = "keep",
    duplicates: Duplicates = None,
    log: bool = False,
    log_step: bool = False,
    over: str | Sequence[str] = (),
    group_by: str | Sequence[str] = (),
    group_name: str | None = None,
    group_value: GroupValue = "mean",
    jobs: str | Sequence[str] = (),
    title: str | None = None,
    format: str | None = None,  # noqa: A002
) -> list[str]:
    """Draw the curves of one or several metrics, one per job, and write the picture.

    Parameters
    ----------
    tables, step, worker, carry, step_place, per_step, restarts, duplicates
        As :func:`curve` takes them.
    metric : str or sequence of str
        Each has axes of its own, one below the other; those that differ only in the part of the data, as ``train_loss`` and
        ``val_loss``, share them.
    path : path
        The file to write; it appears only when it is complete.
    objective : Objective, optional
        Highlights the best of the jobs that are drawn, by this objective; all of a tie.
    completed_only : bool
        Whether only jobs whose status is Completed can be best.
    min_step, exclude_doubts
        Which jobs can be best, as :func:`rank` takes them.
    log : bool
        Whether the axis of values is logarithmic; values that are not positive cannot be drawn on it, and are counted in the
        picture.
    log_step : bool
        The same for the axis of steps.
    over, group_by, group_name, group_value
        Groups of jobs, as :func:`rank_groups` takes them: each has a curve, the mean of its jobs at each step at which one of
        them has a value, and a band from the least to the greatest of these values. The curves of the jobs are thin. The best
        groups are highlighted; without an objective, the first five.
    jobs : str or sequence of str
        Draws these jobs alone: names, or patterns with ``*``, ``?`` and ``[...]``.
    title : str, optional
        By default the metrics, and what they are drawn by.
    format : {"png", "svg", "html", "json"}, optional
        By default what the name of the file ends in. ``html`` is a page that holds its data and loads nothing, in which curves
        can be read, marked and zoomed into; ``json`` is a Vega-Lite specification with the data. PNG and SVG need matplotlib,
        which the extra ``plot`` installs, HTML needs Bokeh (``report``).

    Returns
    -------
    list of str
        What is not drawn, in sentences that the picture has, too.

    Raises
    ------
    OptionError
        A metric or a job does not exist, the kind of picture is unknown, or matplotlib or Bokeh is not installed.
    SourceError
        The dataset cannot be read, or the picture cannot be written.

    Examples
    --------
    >>> from metricscan import Scanner, replay
    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "a.log").write_text("loss=3\\nloss=2\\n")
    >>> plot(replay(folder, Scanner(["loss=loss=(.)"])), "loss", folder / "loss.svg")
    []
    >>> (folder / "loss.svg").read_text().startswith("<?xml")
    True
    """
    kind = _kind(path, format)
    metrics = list(dict.fromkeys([metric] if isinstance(metric, str) else metric))
    if not metrics:
        raise OptionError("no metric to draw")
    patterns = [jobs] if isinstance(jobs, str) else list(jobs)
    opened = opened_tables(tables)
    how: dict[str, Any] = {"carry": carry, "step_place": step_place, "per_step": per_step, "restarts": restarts}
    how["duplicates"] = duplicates
    conditions: Any = {"completed_only": completed_only, "min_step": min_step, "exclude_doubts": exclude_doubts}
    grouping = None
    if over or group_by or group_name is not None:
        grouping = Grouping.checked(over, group_by, group_name, group_value)
        if patterns:
            raise OptionError("a group is drawn with all of its jobs; give jobs or what groups them, not both")
        curves = [_grouped(opened, one, step, grouping, worker, how) for one in metrics]
        best: dict[str, float | None] = {}
        if objective is None:
            best = dict.fromkeys([band.group for band in curves[0].bands[:_FIRST_GROUPS]])
        else:
            best = _best(rank_groups(opened, objective, **grouping.options, **conditions), "group", None)
    else:
        curves = [Curves(one, lines_of(curve(opened, one, step, worker=worker, **how)), []) for one in metrics]
        chosen = _chosen(opened, curves, patterns)
        if chosen is not None:
            curves = [one._replace(lines=[line for line in one.lines if line.job in chosen]) for one in curves]
        best = {} if objective is None else _best(rank(opened, objective, **conditions), "job", chosen)
    across = "" if step is None else f" by {named(step)}"
    picture = Picture(
        metrics=curves,
        title=f"{', '.join(map(named, metrics))}{across}" if title is None else named(title),
        step=step,
        objective=objective,
        best=best,
        group_value=None if grouping is None else grouping.value,
        log=log,
        log_step=log_step,
    )
    if kind == "json":
        content = vega_lite(picture).encode("ascii")
    else:
        content = plot_page(picture) if kind == "html" else drawing(picture, kind)
    write_whole(os.fspath(path), content)
    return picture.notes()


def _kind(path: str | os.PathLike[str], given: str | None) -> str:
    name = os.fspath(path)
    if given is not None:
        if given not in FORMATS:
            raise OptionError(f"format={given!r}: one of {', '.join(FORMATS)} was expected")
        return given
    kind = os.path.splitext(name)[1].lower().removeprefix(".")
    if kind not in FORMATS:
        raise OptionError(
            f"{name}: a name that ends in .png, .svg, .html or .json was expected", hint="or give the format (--format)"
        )
    return kind


def _grouped(
    tables: Mapping[str, pa.Table],
    metric: str,
    step: str | None,
    grouping: Grouping,
    worker: str | Sequence[str],
    how: Mapping[str, Any],
) -> Curves:
    """The curve of each job, or of each fold of it, and the bands of their groups."""
    names = [one.name for one in getattr(tables, "jobs", ())] or curve(tables, metric, step)["job"].unique().to_pylist()
    group_of, labels = assigned(tables, grouping, names, how["restarts"])
    # the curves of runs are apart already
    labels = tuple(label for label in labels if label in tables)
    workers = [worker] if isinstance(worker, str) else list(worker)
    carry = how["carry"]
    carried = [carry] if isinstance(carry, str) else workers if carry is True else list(carry or ())
    with_labels = {"worker": [*workers, *(one for one in labels if one not in workers)], "carry": [*carried, *labels]}
    table = curve(tables, metric, step, **{**how, **with_labels})
    for label in labels:
        # what stands before the first fold belongs to none
        table = table.filter(table[label].is_valid())
    lines: list[Line] = lines_of(table)
    return Curves(metric, lines, bands_of(((line.job, line.step, line.value) for line in lines), group_of))


def _chosen(tables: Mapping[str, pa.Table], curves: Sequence[Curves], patterns: Sequence[str]) -> set[str] | None:
    """The jobs that are drawn; None for all.

    Raises
    ------
    OptionError
        A pattern fits no job.
    """
    if not patterns:
        return None
    names = {one.name for one in getattr(tables, "jobs", ())} | {line.job for one in curves for line in one.lines}
    found: set[str] = set()
    for pattern in patterns:
        fitting = {pattern} if pattern in names else {name for name in names if fnmatch.fnmatchcase(name, pattern)}
        if not fitting:
            some = ", ".join(map(repr, sorted(names)[:5])) + (", .." if len(names) > 5 else "")
            raise OptionError(f"no job is called {quoted(pattern)}; there are {some}" if names else "there are no jobs")
        found |= fitting
    return found


def _best(ranking: pa.Table, what: str, chosen: set[str] | None) -> dict[str, float | None]:
    """The best jobs or groups of those that are drawn, with their values."""
    rows = ranking.select(["rank", what, "value"]).to_pylist()
    drawn = [row for row in rows if row["rank"] is not None and (chosen is None or row[what] in chosen)]
    return {row[what]: row["value"] for row in drawn if row["rank"] == drawn[0]["rank"]}
