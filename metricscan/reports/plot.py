"""Curves as a picture: all jobs thin and grey, the best in colour. The extra ``plot`` installs matplotlib, which draws them."""

from __future__ import annotations

import html
import io
import os
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from metricscan.errors import OptionError
from metricscan.ranking.groups import Grouping, assigned, rank_groups
from metricscan.ranking.ranking import rank
from metricscan.ranking.tables import opened_tables
from metricscan.ranking.wide import curve
from metricscan.reports.bands import bands_of, draw_band
from metricscan.reports.names import named
from metricscan.reports.writing import write_whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pyarrow as pa

    from metricscan.datasets.rows import Array
    from metricscan.definitions.blocks import StepPlace
    from metricscan.definitions.objective import Duplicates, Objective, PerStep, Restarts
    from metricscan.ranking.groups import GroupValue
    from metricscan.reports.bands import Band

FORMATS = ("png", "svg", "html")
# The best job has the first colour; jobs that tie with it have the next ones. Colour-blind people can distinguish all of them.
_COLOURS = ("#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00")
_GREY = "#9aa0a6"


class _Line(NamedTuple):
    job: str
    label: str
    step: Array
    value: Array
    stepless: int  # number of values without a step


def plot(
    tables: Mapping[str, pa.Table] | str | os.PathLike[str],
    metric: str,
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
    over: str | Sequence[str] = (),
    group_by: str | Sequence[str] = (),
    group_name: str | None = None,
    group_value: GroupValue = "mean",
) -> None:
    """Draw the curves of a metric, one per job, and write the picture.

    Parameters
    ----------
    tables, metric, step, worker, carry, step_place, per_step, restarts, duplicates
        As :func:`curve` takes them.
    path : path
        Ends in .png, .svg or .html. The HTML page contains the drawing and loads nothing; under the pointer, a line shows
        the name of its job. The file appears only when it is complete.
    objective : Objective, optional
        Highlights the best jobs by this objective; of a tie, the first five.
    completed_only : bool
        Whether only jobs whose status is Completed can be best.
    min_step, exclude_doubts
        Which jobs can be best, as :func:`rank` takes them.
    log : bool
        Whether the axis of values is logarithmic; values that are not positive cannot be drawn on it, and the title counts
        them.
    over, group_by, group_name, group_value
        Groups of jobs, as :func:`rank_groups` takes them: each has a curve, the mean of its jobs at each step at which one of
        them has a value, and a band from the least to the greatest of these values. The curves of the jobs are thin. The best
        groups are highlighted; without an objective, the first five.

    Raises
    ------
    OptionError
        A metric does not exist, the kind of picture is unknown, or matplotlib is not installed.
    SourceError
        The dataset cannot be read, or the picture cannot be written.

    Examples
    --------
    >>> from metricscan import Scanner, replay
    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "a.log").write_text("loss=3\\nloss=2\\n")
    >>> plot(replay(folder, Scanner(["loss=loss=(.)"])), "loss", folder / "loss.svg")
    >>> (folder / "loss.svg").read_text().startswith("<?xml")
    True
    """
    kind = os.path.splitext(os.fspath(path))[1].lower().removeprefix(".")
    if kind not in FORMATS:
        raise OptionError(f"{os.fspath(path)}: a name that ends in .png, .svg or .html was expected")
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise OptionError("plotting needs matplotlib", hint="pip install 'metricscan[plot]'") from error
    opened = opened_tables(tables)
    how: dict[str, Any] = {"carry": carry, "step_place": step_place, "per_step": per_step, "restarts": restarts}
    how["duplicates"] = duplicates
    conditions: Any = {"completed_only": completed_only, "min_step": min_step, "exclude_doubts": exclude_doubts}
    grouping = None
    bands: list[Band] = []
    best: dict[str, float | None] = {}
    if over or group_by or group_name is not None:
        grouping = Grouping.checked(over, group_by, group_name, group_value)
        lines, bands = _grouped(opened, metric, step, grouping, worker, how)
        best = dict.fromkeys([band.group for band in bands[: len(_COLOURS)]])
        if objective is not None:
            best = _best(rank_groups(opened, objective, **grouping.options, **conditions), "group")
    else:
        lines = _lines(curve(opened, metric, step, worker=worker, **how))
        if objective is not None:
            best = _best(rank(opened, objective, **conditions), "job")
    # equal data give equal bytes
    settings: Any = {"svg.hashsalt": named(metric), "svg.fonttype": "path"}
    # a name is no formula
    settings["text.parse_math"] = False
    with mpl.rc_context(settings):
        figure = _figure(lines, bands, metric, step, objective, best, log=log, grouping=grouping)
        picture = io.BytesIO()
        if kind == "png":
            figure.savefig(picture, format="png", dpi=150)
            content = picture.getvalue()
        else:
            figure.savefig(picture, format="svg", metadata={"Date": None, "Title": named(metric)})
            titles = {f"job-{number}": named(line.label) for number, line in enumerate(lines)}
            titles |= {f"group-{number}": named(band.group) for number, band in enumerate(bands)}
            content = _named(picture.getvalue().decode("utf-8"), titles).encode("utf-8")
    if kind == "html":
        content = _page(content.decode("utf-8"), named(metric)).encode("utf-8")
    write_whole(os.fspath(path), content)


def _lines(table: pa.Table) -> list[_Line]:
    """The curve of each job, or of each worker, by step."""
    names = table.column_names
    workers = names[1 : names.index("step")]
    keys: list[tuple[Any, ...]] = list(zip(*(table[name].to_pylist() for name in ("job", *workers)), strict=True))
    step = table["step"].to_numpy()
    value = table["value"].to_numpy()
    starts = [at for at in range(len(keys)) if at == 0 or keys[at] != keys[at - 1]]
    lines = []
    for start, end in zip(starts, [*starts[1:], len(keys)][: len(starts)], strict=True):
        job, *labels = keys[start]
        parts = (
            str(label) if isinstance(label, str) else f"{name} {label:g}"
            for name, label in zip(workers, labels, strict=True)
        )
        placed = ~np.isnan(step[start:end])
        label = ", ".join([job, *parts])
        lines.append(_Line(job, label, step[start:end][placed], value[start:end][placed], int((~placed).sum())))
    return lines


def _grouped(
    tables: Mapping[str, pa.Table],
    metric: str,
    step: str | None,
    grouping: Grouping,
    worker: str | Sequence[str],
    how: Mapping[str, Any],
) -> tuple[list[_Line], list[Band]]:
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
    lines = _lines(table)
    return lines, bands_of(((line.job, line.step, line.value) for line in lines), group_of)


def _best(ranking: pa.Table, what: str) -> dict[str, float | None]:
    """The best jobs or groups with their values."""
    first = ranking.slice(0, len(_COLOURS)).select(["rank", what, "value"]).to_pylist()
    return {row[what]: row["value"] for row in first if row["rank"] == 1}


def _figure(
    lines: Sequence[_Line],
    bands: Sequence[Band],
    metric: str,
    step: str | None,
    objective: Objective | None,
    best: Mapping[str, float | None],
    *,
    log: bool,
    grouping: Grouping | None,
) -> Any:
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    colours = dict(zip(best, _COLOURS, strict=False))
    highlighted = {} if bands else colours
    others = [line for line in lines if line.job not in highlighted]
    crowd = max(0.3, min(0.8, 12 / max(len(others), 1))) * (0.5 if bands else 1.0)
    for number, line in enumerate(lines):
        value = np.where(np.isfinite(line.value) & ((line.value > 0) | (not log)), line.value, np.nan)
        colour = highlighted.get(line.job)
        # a point between two gaps gives no line, and would be invisible without a marker
        alone = np.isfinite(value) & ~_near(np.isfinite(value))
        marks: Any = {
            "marker": "o",
            "markersize": 3.0 if colour is None else 5.0,
            "markevery": np.flatnonzero(alone).tolist(),
        }
        (drawn,) = axes.plot(
            line.step,
            value,
            color=colour or _GREY,
            linewidth=0.9 if colour is None else 2.2,
            alpha=crowd if colour is None else 1.0,
            zorder=2 if colour is None else 3,
            solid_joinstyle="round",
            **(marks if alone.any() else {}),
        )
        drawn.set_gid(f"job-{number}")
    for number, band in enumerate(bands):
        draw_band(axes, number, band, colours.get(band.group, _GREY), highlighted=band.group in colours, log=log)
    short = _short(best)
    handles = [
        Line2D(
            [], [], color=colours[name], linewidth=2.2, label=short[name] + ("" if value is None else f": {value:.6g}")
        )
        for name, value in best.items()
    ]
    plain = [band for band in bands if band.group not in best]
    if plain:
        text = f"{len(plain):,} other group{'' if len(plain) == 1 else 's'}"
        handles.append(Line2D([], [], color=_GREY, linewidth=1.2, label=text))
    if others:
        text = f"{len(others):,} {'other ' if best and not bands else ''}{'job' if len(others) == 1 else 'jobs'}"
        handles.append(Line2D([], [], color=_GREY, linewidth=0.9, label=text))
    if handles:
        of_groups = "" if grouping is None else f"{grouping.value} "
        title = None if objective is None else f"best {of_groups}{named(objective.metric)} ({objective.scope})"
        axes.legend(
            handles=handles, title=title if best else None, frameon=False, fontsize="small", title_fontsize="small"
        )
    stepless = sum(line.stepless for line in lines)
    unseen = sum(int((~np.isfinite(line.value)).sum()) for line in lines)
    negative = sum(int((np.isfinite(line.value) & (line.value <= 0)).sum()) for line in lines) if log else 0
    notes = [f"{stepless:,} values without a step"] if stepless else []
    notes += [f"{unseen:,} values not finite"] if unseen else []
    notes += [f"{negative:,} values not positive"] if negative else []
    axes.set_title(
        named(metric) + (f"   (not drawn: {', '.join(notes)})" if notes else ""),
        loc="left",
        fontsize="medium",
    )
    axes.set_xlabel("value" if step is None else named(step))
    if log:
        axes.set_yscale("log")
    axes.xaxis.set_major_locator(MaxNLocator(integer=_are_whole(lines)))
    axes.grid(visible=True, color="#e8eaed", linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    if not any(len(line.step) for line in lines):
        axes.text(0.5, 0.5, "no values at a step", transform=axes.transAxes, ha="center", color=_GREY)
    return figure


def _near(finite: Array) -> Array:
    """Whether a neighbour of each point is finite."""
    near = np.zeros(len(finite), dtype=bool)
    near[1:] |= finite[:-1]
    near[:-1] |= finite[1:]
    return near


def _are_whole(lines: Sequence[_Line]) -> bool:
    return all(bool((line.step == np.floor(line.step)).all()) for line in lines)


def _short(names: Iterable[str]) -> dict[str, str]:
    """Each name as a legend has room for; whole where two would look the same."""
    whole = {name: named(name) for name in names}
    short = {name: one if len(one) <= 48 else f"{one[:22]}..{one[-24:]}" for name, one in whole.items()}
    return short if len(set(short.values())) == len(short) else whole


def _named(svg: str, titles: Mapping[str, str]) -> str:
    """The drawing with a title for each line, which viewers show under the pointer."""

    def title(match: re.Match[str]) -> str:
        return f"{match[0]}<title>{html.escape(titles[match[1]])}</title>"

    return re.sub(r'<g id="((?:job|group)-\d+)">', title, svg)


def _page(svg: str, metric: str) -> str:
    drawing = svg[svg.index("<svg") :]
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{html.escape(metric)}</title>
<style>
body {{ margin: 1rem; background: #fff; }}
svg {{ display: block; width: 100%; height: auto; max-height: 95vh; }}
g[id^="job-"] path, g[id^="group-"] path {{ pointer-events: stroke; }}
g[id^="job-"]:hover path, g[id^="group-"]:hover path {{
  stroke: #202124 !important; stroke-opacity: 1 !important; stroke-width: 2.5 !important;
}}
</style>
</head>
<body>
{drawing}</body>
</html>
"""
