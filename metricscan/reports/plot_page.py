"""Curves as a page: the frame, the script and the chart library of the report, with its curves alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from metricscan.logs.members import counted
from metricscan.reports.names import named
from metricscan.reports.packing import coded, numbers, packed
from metricscan.reports.page import page_html
from metricscan.reports.thinning import thinned

if TYPE_CHECKING:
    from metricscan.reports.bands import Band
    from metricscan.reports.picture import Curves, Picture

#: The points of a curve, at most.
MOST_POINTS = 2_000


def plot_page(picture: Picture) -> bytes:
    """The page, which holds its data and loads nothing.

    Raises
    ------
    OptionError
        Bokeh is not installed.
    """
    names = dict.fromkeys(line.job for curves in picture.metrics for line in curves.lines)
    # the best first, as in a ranking
    ordered = sorted(names, key=lambda name: name not in picture.best)
    place = {name: at for at, name in enumerate(ordered)}
    ranks = [1 if name in picture.best and not picture.has_groups else None for name in ordered]
    count = len(ordered)
    nothing: dict[str, Any] = coded([None] * count)
    curves = [_entry(one, place, has_step=picture.step is not None) for one in picture.metrics]
    notes = _notes(picture)
    if any(one["points"][0] > one["points"][1] for one in curves):
        notes.append(f"Long curves are thinned to at most {MOST_POINTS:,} points.")
    data: dict[str, Any] = {
        "kind": "plot",
        "title": picture.title,
        "step_name": picture.step,
        "log": picture.log,
        "log_step": picture.log_step,
        "objective": None if picture.objective is None else _objective(picture),
        "jobs": {
            "count": count,
            "listed": count,
            "ranked": sum(one is not None for one in ranks),
            "name": ordered,
            "rank": ranks,
            "tied": [len(picture.best) if one else None for one in ranks],
            "value": numbers(picture.best.get(name) for name in ordered),
            "step": None,
            "rows": [0] * count,
            "not_finite": [0] * count,
            "status": nothing,
            "job_status": nothing,
            "doubts": nothing,
            "stream": nothing,
            "line": [None] * count,
        },
        "parameters": [],
        "others": [],
        "curves": curves,
        "bands": [_band(one.metric, band, picture) for one in picture.metrics for band in one.bands],
        "notes": notes,
    }
    return page_html(data).encode("utf-8")


def _notes(picture: Picture) -> list[str]:
    """What the page could not count itself: what it does not hold."""
    notes = []
    for curves in picture.metrics:
        empty, stepless = picture.empty(curves), sum(line.stepless for line in curves.lines)
        if empty is not None:
            notes.append(f"{empty[0].upper()}{empty[1:]}.")
        elif stepless:
            notes.append(f"Not drawn of {named(curves.metric)}: {counted(stepless, 'value')} without a step.")
    return notes


def _objective(picture: Picture) -> dict[str, Any]:
    objective = picture.objective
    assert objective is not None
    return {
        "metric": objective.metric,
        "metrics": list(objective.metrics),
        "step": picture.step,
        "scope": objective.scope,
    }


def _entry(curves: Curves, place: dict[str, int], *, has_step: bool) -> dict[str, Any]:
    """The curves of a metric, as the page of a report has them."""
    lines = sorted(curves.lines, key=lambda line: place[line.job])
    kept = [thinned(line.value, MOST_POINTS) for line in lines]
    sizes = [len(one) for one in kept]
    starts = (np.cumsum(sizes, dtype=np.int64) - np.array(sizes, dtype=np.int64)).tolist()
    step = np.concatenate([np.empty(0), *(line.step[at] for line, at in zip(lines, kept, strict=True))])
    row = np.concatenate([np.empty(0), *(at + 1.0 for at in kept)])
    value = np.concatenate([np.empty(0), *(line.value[at] for line, at in zip(lines, kept, strict=True))])
    workers = [line.worker for line in lines]
    return {
        "metric": curves.metric,
        "jobs": len(place),
        "points": [sum(len(line.value) for line in lines), len(value)],
        "job": [place[line.job] for line in lines],
        "worker": workers if any(one is not None for one in workers) else None,
        "length": [len(line.value) for line in lines],
        "size": sizes,
        "step": packed(step, starts) if has_step else None,
        "row": packed(row if has_step else step, starts),
        "time": None,
        "value": numbers(value.tolist()),
    }


def _band(metric: str, band: Band, picture: Picture) -> dict[str, Any]:
    columns = {"step": band.step, "mean": band.mean, "low": band.low, "high": band.high}
    return {
        "metric": metric,
        "group": band.group,
        "best": band.group in picture.best,
        "value": None if (value := picture.best.get(band.group)) is None else numbers([value])[0],
        **{name: numbers(one.tolist()) for name, one in columns.items()},
    }
