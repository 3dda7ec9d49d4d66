"""Curves as a Vega-Lite specification, with their data, for whoever draws them otherwise."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from metricscan.reports.names import named
from metricscan.reports.packing import number
from metricscan.reports.picture import panels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metricscan.reports.picture import Curves, Picture

SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"
_BEST, _GREY = "#d55e00", "#8d96a0"


def vega_lite(picture: Picture) -> str:
    """The specification as JSON text: all values that have a step, one panel per pair of axes.

    A value that cannot be drawn is null, which leaves a gap. Names of fields are our own, so that a name of a metric or a job is
    a value or a title.
    """
    parts = panels(picture.metrics)
    charts = [_panel(picture, part, is_last=at == len(parts) - 1) for at, part in enumerate(parts)]
    title: dict[str, Any] = {"text": picture.title, "anchor": "start"}
    notes = picture.notes()
    if notes:
        title["subtitle"] = notes
    body: dict[str, Any] = charts[0] if len(charts) == 1 else {"vconcat": charts}
    document = {"$schema": SCHEMA, "title": title, **body}
    return json.dumps(document, ensure_ascii=True, allow_nan=False, separators=(",", ":")) + "\n"


def _panel(picture: Picture, part: Sequence[Curves], *, is_last: bool) -> dict[str, Any]:
    names = ", ".join(named(curves.metric) for curves in part)
    across: dict[str, Any] = {
        "field": "step",
        "type": "quantitative",
        "title": named(picture.across) if is_last else None,
    }
    across["scale"] = {"type": "log"} if picture.log_step else {"zero": False}
    up: dict[str, Any] = {"field": "value", "type": "quantitative", "title": names}
    up["scale"] = {"type": "log"} if picture.log else {"zero": False}
    axes: dict[str, Any] = {"x": across, "y": up}
    if len(part) > 1:
        axes["strokeDash"] = {"field": "metric", "type": "nominal", "title": None}
    layers = [_lines(picture, part, axes)]
    if picture.has_groups:
        layers += _bands(picture, part, axes)
    return {"width": 640, "height": 320, "layer": layers}


def _lines(picture: Picture, part: Sequence[Curves], axes: dict[str, Any]) -> dict[str, Any]:
    """A line per job."""
    values = []
    for curves in part:
        for line in curves.lines:
            row: dict[str, Any] = {"metric": named(curves.metric), "job": named(line.job), "curve": named(line.label)}
            if not picture.has_groups:
                row["best"] = line.job in picture.best
            seen = picture.seen(line.step, line.value).tolist()
            values += [
                {**row, "step": number(step), "value": _or_null(value)}
                for step, value in zip(line.step.tolist(), seen, strict=True)
            ]
    tooltip = [{"field": name, "type": "nominal"} for name in ("curve", "metric")]
    tooltip += [{"field": name, "type": "quantitative"} for name in ("step", "value")]
    encoding = {**axes, "detail": {"field": "curve", "type": "nominal"}, "tooltip": tooltip}
    encoding |= _highlight(picture, is_of_groups=False)
    return {
        "data": {"values": values},
        "mark": {"type": "line", "invalid": "break-paths-show-domains"},
        "encoding": encoding,
    }


def _bands(picture: Picture, part: Sequence[Curves], axes: dict[str, Any]) -> list[dict[str, Any]]:
    """The mean of each group, in a band from its least to its greatest value."""
    values = []
    for curves in part:
        for band in curves.bands:
            row = {"metric": named(curves.metric), "group": named(band.group), "best": band.group in picture.best}
            columns = [band.step, *(picture.seen(band.step, one) for one in (band.mean, band.low, band.high))]
            values += [
                {**row, "step": number(step), "value": _or_null(mean), "low": _or_null(low), "high": _or_null(high)}
                for step, mean, low, high in zip(*(one.tolist() for one in columns), strict=True)
            ]
    detail = {"detail": {"field": "group", "type": "nominal"}}
    area = {"x": axes["x"], "y": {**axes["y"], "field": "low"}, "y2": {"field": "high"}, **detail}
    highlight = _highlight(picture, is_of_groups=True)
    tooltip = [
        {"field": "group", "type": "nominal"},
        *({"field": one, "type": "quantitative"} for one in ("step", "value")),
    ]
    data = {"values": values}
    return [
        {"data": data, "mark": {"type": "area", "opacity": 0.15}, "encoding": {**area, "color": highlight["color"]}},
        {"data": data, "mark": {"type": "line"}, "encoding": {**axes, **detail, **highlight, "tooltip": tooltip}},
    ]


def _highlight(picture: Picture, *, is_of_groups: bool) -> dict[str, Any]:
    """The best in colour and thick, where there are some."""
    if picture.has_groups and not is_of_groups:
        return {"color": {"value": _GREY}, "size": {"value": 0.9}, "opacity": {"value": 0.35}}
    wanted = {"field": "best", "equal": True}
    return {
        "color": {"condition": {"test": wanted, "value": _BEST}, "value": _GREY},
        "size": {"condition": {"test": wanted, "value": 2.4}, "value": 1},
        "opacity": {"condition": {"test": wanted, "value": 1}, "value": 0.6},
    }


def _or_null(value: float) -> float | int | str | None:
    return number(value) if math.isfinite(value) else None
