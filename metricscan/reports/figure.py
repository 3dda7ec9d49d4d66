"""Curves drawn by matplotlib, as PNG or SVG."""

from __future__ import annotations

import html
import io
import re
import warnings
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from metricscan.errors import OptionError
from metricscan.logs.members import counted
from metricscan.reports.bands import draw_band
from metricscan.reports.names import named
from metricscan.reports.picture import panels, short_names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from metricscan.datasets.rows import Array
    from metricscan.reports.picture import Curves, Picture

# The best job has the first colour; jobs that tie with it have the next ones. Colour-blind people can distinguish all of them.
COLOURS = ("#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00")
_GREY, _SOFT, _GRID = "#8d96a0", "#57606a", "#e8eaed"
_DASHES: tuple[Any, ...] = ("solid", (0, (5, 2)), (0, (1.5, 1.5)), (0, (7, 2, 1.5, 2)))
# Fonts that have what the default one lacks, where they are installed.
_FALLBACKS = (
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Source Han Sans",
    "Hiragino Sans",
    "Microsoft YaHei",
    "Malgun Gothic",
    "WenQuanYi Zen Hei",
    "IPAGothic",
    "Droid Sans Fallback",
    "Arial Unicode MS",
    "Noto Sans Symbols2",
    "Noto Emoji",
)


def drawing(picture: Picture, kind: str) -> bytes:
    """The picture as PNG or SVG.

    Raises
    ------
    OptionError
        matplotlib is not installed.
    """
    with warnings.catch_warnings():
        # of fonts, scales and layouts: the reader of a picture can do nothing about them
        warnings.simplefilter("ignore")
        try:
            import matplotlib as mpl
        except ImportError as error:
            raise OptionError("plotting needs matplotlib", hint="pip install 'metricscan[plot]'") from error
        # equal data give equal bytes
        settings: Any = {"svg.hashsalt": picture.title, "svg.fonttype": "path"}
        # a name is no formula
        settings["text.parse_math"] = False
        settings["font.family"] = ["DejaVu Sans", *_fallbacks()]
        settings["font.size"] = 10
        with mpl.rc_context(settings):
            figure, titles = _figure(picture)
            content = io.BytesIO()
            if kind == "png":
                figure.savefig(content, format="png", dpi=150)
                return content.getvalue()
            figure.savefig(content, format="svg", metadata={"Date": None, "Title": picture.title})
            return _with_titles(content.getvalue().decode("utf-8"), titles).encode("utf-8")


@cache
def _fallbacks() -> tuple[str, ...]:
    from matplotlib.font_manager import fontManager

    there = {entry.name for entry in fontManager.ttflist}
    return tuple(name for name in _FALLBACKS if name in there)


@cache
def _characters() -> frozenset[int]:
    """The characters that the fonts have."""
    from matplotlib import ft2font
    from matplotlib.font_manager import findfont

    found: set[int] = set()
    for name in ("DejaVu Sans", *_fallbacks()):
        found |= set(ft2font.FT2Font(findfont(name)).get_charmap())
    return frozenset(found)


def _shown(name: str) -> str:
    """A name as it is drawn."""
    return _drawable(named(name))


def _drawable(text: str) -> str:
    """Text in characters that the fonts have: two names that lack different ones would look the same."""
    known = _characters()
    return "".join(one if ord(one) in known else _spelled(ord(one)) for one in text)


def _spelled(code: int) -> str:
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _figure(picture: Picture) -> tuple[Any, dict[str, str]]:
    """The figure, and what the lines in it are called."""
    from matplotlib.figure import Figure

    parts = panels(picture.metrics)
    figure = Figure(figsize=(8, 4.8 if len(parts) == 1 else 1.4 + 2.8 * len(parts)), layout="constrained")
    figure.suptitle(_cut(_drawable(picture.title), 88), x=0.01, ha="left", fontsize=12, fontweight="semibold")
    all_axes = figure.subplots(len(parts), sharex=True, squeeze=False)[:, 0]
    # where more tie than there are colours, one colour stands for all of them
    own = COLOURS if len(picture.best) <= len(COLOURS) else [COLOURS[0]] * len(picture.best)
    of_best = dict(zip(picture.best, own, strict=False))
    titles: dict[str, str] = {}
    for part, axes in zip(parts, all_axes, strict=True):
        for number, curves in enumerate(part):
            _draw(axes, picture, curves, of_best, _DASHES[number % len(_DASHES)], titles)
        _dress(axes, picture, part)
    all_axes[-1].set_xlabel(_cut(_shown(picture.across), 80))
    _ticks(all_axes[-1].xaxis, [line.step for curves in picture.metrics for line in curves.lines], log=picture.log_step)
    _legend(figure, picture, of_best, parts)
    return figure, titles


def _draw(
    axes: Any, picture: Picture, curves: Curves, of_best: Mapping[str, str], dash: Any, titles: dict[str, str]
) -> None:
    """Draw the curves of a metric."""
    highlighted = {} if picture.has_groups else of_best
    others = sum(line.job not in highlighted for line in curves.lines)
    crowd = max(0.3, min(0.8, 12 / max(others, 1))) * (0.5 if picture.has_groups else 1.0)
    for line in curves.lines:
        value = picture.seen(line.step, line.value)
        colour = highlighted.get(line.job)
        # a point between two gaps gives no line, and would be invisible without a marker
        alone = np.isfinite(value) & ~_near(np.isfinite(value))
        marks: Any = {"marker": "o", "markersize": 3.0 if colour is None else 5.0}
        marks["markevery"] = np.flatnonzero(alone).tolist()
        (drawn,) = axes.plot(
            line.step,
            value,
            color=colour or _GREY,
            linewidth=0.9 if colour is None else 2.2,
            linestyle=dash,
            alpha=crowd if colour is None else 1.0,
            zorder=2 if colour is None else 3,
            solid_joinstyle="round",
            **(marks if alone.any() else {}),
        )
        name = f"job-{len(titles)}"
        drawn.set_gid(name)
        titles[name] = named(line.label)
    for band in curves.bands:
        name = f"group-{len(titles)}"
        draw_band(
            axes,
            name,
            band,
            of_best.get(band.group, _GREY),
            highlighted=band.group in of_best,
            log=picture.log,
            dash=dash,
        )
        titles[name] = named(band.group)


def _dress(axes: Any, picture: Picture, part: Sequence[Curves]) -> None:
    names = [_cut(_shown(curves.metric), 40 // len(part) + 8) for curves in part]
    axes.set_ylabel(", ".join(names))
    if picture.log:
        axes.set_yscale("log")
    if picture.log_step:
        axes.set_xscale("log")
    _ticks(axes.yaxis, [line.value for curves in part for line in curves.lines], log=picture.log)
    axes.grid(visible=True, color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color("#c4cad1")
    axes.tick_params(which="both", color="#c4cad1", labelcolor=_SOFT)
    empty = [text for curves in part if (text := picture.empty(curves)) is not None]
    lost = [(curves, picture.lost(curves)) for curves in part if picture.empty(curves) is None]
    notes = [
        f"not drawn{f' of {named(curves.metric)}' if len(part) > 1 else ''}: {', '.join(texts)}"
        for curves, texts in lost
        if texts
    ]
    if len(empty) == len(part):
        text = _wrapped("\n".join(empty))
        axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=_SOFT)
        axes.set(xticks=[], yticks=[])
        axes.minorticks_off()
    else:
        notes += empty
    if notes:
        axes.set_title(_wrapped("; ".join(notes)), loc="left", fontsize="small", color=_SOFT)


def _ticks(axis: Any, values: Sequence[Array], *, log: bool) -> None:
    """Labels that are plain numbers, on a logarithmic axis too."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    axis.set_major_formatter(FuncFormatter(lambda value, _: _plain(value)))
    if not log:
        whole = all(bool((one[np.isfinite(one)] == np.floor(one[np.isfinite(one)])).all()) for one in values)
        axis.set_major_locator(MaxNLocator(nbins=8, integer=whole, steps=[1, 2, 2.5, 5, 10]))
        return
    positive = np.concatenate([np.ones(0), *(one[np.isfinite(one) & (one > 0)] for one in values)])
    decades = np.log10(positive.max() / positive.min()) if len(positive) else 1.0
    if decades < 0.5:
        # a tenth of a decade holds no round number of a logarithmic axis
        axis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]))
    else:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if decades < 3 else (1,), numticks=12))
    axis.set_minor_formatter(NullFormatter())


def _plain(value: float) -> str:
    """A number as people write it.

    >>> _plain(1e-05), _plain(0.30000000000000004), _plain(20000.0)
    ('0.00001', '0.3', '20,000')
    """
    if 1e-6 <= abs(value) < 1:
        text = f"{value:.12f}".rstrip("0")
        return text if float(text) == float(f"{value:.6g}") else f"{value:.12g}"
    return f"{value:,.12g}"


def _legend(figure: Any, picture: Picture, of_best: Mapping[str, str], parts: Sequence[Sequence[Curves]]) -> None:
    from matplotlib.lines import Line2D

    handles = []
    if len(of_best) > len(COLOURS):
        what = "group" if picture.has_groups else "job"
        values = set(picture.best.values())
        shared = values.pop() if len(values) == 1 else None
        label = f"{counted(len(of_best), what)} that tie" + ("" if shared is None else f": {shared:.6g}")
        handles.append(Line2D([], [], color=COLOURS[0], linewidth=2.2, label=label))
    else:
        short = short_names(picture.best)
        for name, value in picture.best.items():
            label = _drawable(short[name]) + ("" if value is None else f": {value:.6g}")
            handles.append(Line2D([], [], color=of_best[name], linewidth=2.2, label=label))
    bands = {band.group for curves in picture.metrics for band in curves.bands}
    plain = len(bands - set(of_best))
    if plain:
        handles.append(
            Line2D([], [], color=_GREY, linewidth=1.2, label=counted(plain, "other group" if handles else "group"))
        )
    jobs = {line.job for curves in picture.metrics for line in curves.lines}
    others = len(jobs) if picture.has_groups else len(jobs - set(of_best))
    if others:
        what = "other job" if handles and not picture.has_groups else "job"
        handles.append(Line2D([], [], color=_GREY, linewidth=0.9, label=counted(others, what)))
    for part in parts:
        for number, curves in enumerate(part if len(part) > 1 else ()):
            label = _cut(_shown(curves.metric), 40)
            handles.append(
                Line2D([], [], color=_SOFT, linewidth=1.4, linestyle=_DASHES[number % len(_DASHES)], label=label)
            )
    if not handles:
        return
    longest = max(len(str(one.get_label())) for one in handles)
    figure.legend(
        handles=handles,
        title=_cut(_drawable(picture.best_title()), 80) if picture.best and picture.objective is not None else None,
        loc="outside lower left",
        ncols=min(len(handles), max(1, 96 // (longest + 8))),
        frameon=False,
        fontsize="small",
        title_fontsize="small",
        alignment="left",
    )


def _near(finite: Array) -> Array:
    """Whether a neighbour of each point is finite."""
    near = np.zeros(len(finite), dtype=bool)
    near[1:] |= finite[:-1]
    near[:-1] |= finite[1:]
    return near


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most // 2 - 2]}..{text[-(most - most // 2) :]}"


def _wrapped(text: str) -> str:
    import textwrap

    return "\n".join(textwrap.fill(_drawable(line), 100) for line in text.split("\n"))


def _with_titles(svg: str, titles: Mapping[str, str]) -> str:
    """The drawing with a title for each line, which viewers show under the pointer."""

    def title(match: re.Match[str]) -> str:
        return f"{match[0]}<title>{html.escape(titles[match[1]])}</title>"

    return re.sub(r'<g id="((?:job|group)-\d+)">', title, svg)
