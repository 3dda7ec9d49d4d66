"""Pictures of curves: what is drawn, read out of the drawing; and what cannot be drawn."""

import html
import itertools
import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from unittest import mock

import numpy as np
import pytest
from support.pages import data_of

import metricscan
from metricscan import Objective, OptionError, Scanner, SourceError, curve, plot, replay
from metricscan.cli import main
from metricscan.reports.bands import bands_of
from metricscan.reports.packing import unpacked
from metricscan.reports.picture import Curves, panels
from metricscan.reports.plot import FORMATS
from metricscan.reports.plot_page import MOST_POINTS

SCANNER = Scanner([r"epoch=epoch=(\d+)", r"loss=loss=(\S+)", r"rank=rank(\d+)\]"])
MIN = Objective("loss", "Minimize")
BEST = "#d55e00"
GREY = "#8d96a0"


@pytest.fixture
def found(tmp_path):
    logs = {
        "trial_1.log": "epoch=1 loss=3\nepoch=2 loss=2\nepoch=3 loss=1\n",
        "trial_2.log": "loss=9\nepoch=1 loss=4\nepoch=2 loss=nan\nepoch=3 loss=3\n",
        "trial_10.log": "epoch=1 loss=5\nepoch=2 loss=0\nepoch=3 loss=-2\n",
        "a <b> & $c$.log": "epoch=2 loss=1\n",
        "empty.log": "x\n",
    }
    (tmp_path / "logs").mkdir()
    for name, text in logs.items():
        (tmp_path / "logs" / name).write_text(text)
    return replay(tmp_path / "logs", SCANNER, objective=MIN, out=tmp_path / "out")


def drawn(path):
    """Name, colour and count of points (moves and lines of the path) of each curve of a drawing."""
    text = path.read_text(encoding="utf-8")
    root = ET.fromstring(text[text.index("<svg") : text.index("</svg>") + 6])
    space = {"svg": "http://www.w3.org/2000/svg"}
    curves = {}
    for group in root.iter("{http://www.w3.org/2000/svg}g"):
        if re.fullmatch(r"job-\d+", group.get("id", "")):
            name = group.find("svg:title", space).text
            if name in curves:
                continue  # of another metric
            paths = [one for one in group.findall("svg:path", space) if "fill: none" in one.get("style", "")]
            colour = re.search(r"stroke: (#\w+)", " ".join(one.get("style") for one in paths) or "stroke: #none")[1]
            curves[name] = (colour, sum(len(re.findall(r"[ML]", one.get("d"))) for one in paths))
    return curves


def steps_of(entry):
    """The steps of each curve of a page."""
    starts = np.cumsum([0, *entry["size"]]).tolist()
    steps = unpacked(entry["step"], starts[:-1])
    return [steps[start:end] for start, end in itertools.pairwise(starts)]


def test_a_curve_a_job_the_best_in_colour(found, tmp_path):
    plot(found, "loss", tmp_path / "p.svg", step="epoch", objective=MIN)
    curves = drawn(tmp_path / "p.svg")
    assert list(curves) == ["a <b> & $c$", "trial_1", "trial_2", "trial_10"]
    assert curves["trial_10"] == (BEST, 3)
    assert curves["trial_1"] == (GREY, 3)
    # nan leaves a gap: two points, no line between them
    assert "not drawn" not in curves


def test_ties_each_have_a_colour(found, tmp_path):
    plot(found, "loss", tmp_path / "p.svg", objective=Objective("loss", "Minimize", "min"))
    (tmp_path / "logs" / "trial_11.log").write_text("epoch=1 loss=-2\nepoch=2 loss=-2\n")
    again = replay(tmp_path / "logs", SCANNER)
    plot(again, "loss", tmp_path / "p.svg", objective=MIN)
    curves = drawn(tmp_path / "p.svg")
    assert [name for name, (colour, _) in curves.items() if colour != GREY and colour != "#none"] == [
        "trial_10",
        "trial_11",
    ]


def test_without_an_objective_none_stands_out(found, tmp_path):
    plot(found, "epoch", tmp_path / "p.svg")
    assert {colour for colour, _ in drawn(tmp_path / "p.svg").values()} <= {GREY, "#none"}


@pytest.mark.parametrize("log", [False, True])
def test_what_is_not_drawn_is_counted(found, tmp_path, log):
    notes = plot(found, "loss", tmp_path / "p.svg", step="epoch", log=log)
    positive = ", 2 values not positive" if log else ""
    assert notes == [f"not drawn of loss: 1 value without a step, 1 value not finite{positive}"]
    assert f"not drawn: 1 value without a step, 1 value not finite{positive}" in texts(tmp_path / "p.svg")


def test_rows_that_no_label_names_have_a_curve(tmp_path):
    (tmp_path / "a.log").write_text("epoch=1 loss=0.5\n[rank1] epoch=1 loss=0.4\n")
    plot(replay(tmp_path / "a.log", SCANNER), "loss", tmp_path / "p.json", step="epoch", worker="rank")
    text = (tmp_path / "p.json").read_text(encoding="utf-8")
    assert "a, without rank" in text
    assert "a, rank 1" in text


def test_workers_have_curves_of_their_own(tmp_path):
    (tmp_path / "a.log").write_text("rank0] epoch=1 loss=3\nrank1] epoch=1 loss=2\n")
    plot(replay(tmp_path / "a.log", SCANNER), "loss", tmp_path / "p.svg", step="epoch", worker="rank")
    assert list(drawn(tmp_path / "p.svg")) == ["a, rank 0", "a, rank 1"]


def test_a_page_holds_its_data_and_loads_nothing(found, tmp_path):
    plot(found, "loss", tmp_path / "p.html", step="epoch", objective=MIN)
    text = (tmp_path / "p.html").read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>")
    assert "default-src 'none'" in text
    data = data_of(text)
    assert data["jobs"]["name"] == ["trial_10", "a <b> & $c$", "trial_1", "trial_2"]
    assert data["jobs"]["rank"] == [1, None, None, None]
    (entry,) = data["curves"]
    assert steps_of(entry) == [[1, 2, 3], [2], [1, 2, 3], [1, 2, 3]]
    assert entry["value"] == [5, 0, -2, 1, 3, 2, 1, 4, "NaN", 3]
    assert data["notes"] == ["Not drawn of loss: 1 value without a step."]
    assert data["step_name"] == "epoch"


def test_a_page_thins_long_curves_and_says_so(tmp_path):
    (tmp_path / "a.log").write_text("".join(f"loss={number % 97}\n" for number in range(MOST_POINTS + 500)))
    plot(replay(tmp_path / "a.log", SCANNER), "loss", tmp_path / "p.html")
    data = data_of((tmp_path / "p.html").read_text(encoding="utf-8"))
    assert data["curves"][0]["points"][0] == MOST_POINTS + 500
    assert len(data["curves"][0]["value"]) <= MOST_POINTS
    assert data["notes"] == ["Long curves are thinned to at most 2,000 points."]


def test_without_bokeh_there_is_no_page(found, tmp_path):
    from metricscan.reports import page

    page._library.cache_clear()
    with mock.patch("importlib.util.find_spec", return_value=None), pytest.raises(OptionError, match="needs bokeh"):
        plot(found, "loss", tmp_path / "p.html")
    assert not (tmp_path / "p.html").exists()


# ---- a Vega-Lite specification


def specified(path):
    document = json.loads(path.read_text())
    assert document["$schema"] == "https://vega.github.io/schema/vega-lite/v5.json"
    charts = document.get("vconcat", [document])
    for chart in charts:
        for layer in chart["layer"]:
            assert {"data", "mark", "encoding"} == set(layer)
            assert layer["mark"]["type"] in ("line", "area")
            channels = {"x", "y", "y2", "color", "size", "opacity", "detail", "strokeDash", "tooltip"}
            assert {"x", "y"} <= set(layer["encoding"]) <= channels
            for name, channel in layer["encoding"].items():
                kinds = [
                    one["type"]
                    for one in (channel if name == "tooltip" else [channel])
                    if "field" in one and name != "y2"
                ]
                assert set(kinds) <= {"quantitative", "nominal"}
            rows = layer["data"]["values"]
            # a field that is drawn is in the data, under a name of ours
            fields = {one["field"] for one in layer["encoding"].values() if "field" in one}
            assert fields <= {"step", "value", "low", "high", "curve", "metric", "group", "job"}
            assert all(fields <= row.keys() for row in rows)
    return document, charts


def test_a_specification_has_the_values_of_the_curves(found, tmp_path):
    plot(found, ["loss", "epoch"], tmp_path / "p.json", step="epoch", objective=MIN, title="a title")
    document, charts = specified(tmp_path / "p.json")
    assert document["title"]["text"] == "a title"
    assert document["title"]["subtitle"] == ["not drawn of loss: 1 value without a step, 1 value not finite"]
    rows = charts[0]["layer"][0]["data"]["values"]
    wanted = [row for row in curve(found, "loss", "epoch").to_pylist() if row["step"] is not None]
    assert [(row["job"], row["step"], row["value"]) for row in rows] == [
        (row["job"], row["step"], row["value"] if np.isfinite(row["value"]) else None) for row in wanted
    ]
    assert {row["job"] for row in rows if row["best"]} == {"trial_10"}
    encoding = charts[0]["layer"][0]["encoding"]
    assert (encoding["x"]["title"], encoding["y"]["title"]) == (None, "loss")
    assert charts[1]["layer"][0]["encoding"]["x"]["title"] == "epoch"
    assert encoding["y"]["scale"] == {"zero": False}


def test_a_specification_with_logarithmic_axes_groups_and_a_pair(seeds, tmp_path):
    plot(seeds, "loss", tmp_path / "p.json", step="epoch", over="seed", objective=MIN, log=True, log_step=True)
    _, (chart,) = specified(tmp_path / "p.json")
    lines, areas, means = (layer["data"]["values"] for layer in chart["layer"])
    assert len(lines) == 12
    assert {(row["group"], row["best"]) for row in means} == {("lr=1", True), ("lr=2", False)}
    assert areas == means
    assert all(row["low"] <= row["value"] <= row["high"] for row in means)
    encoding = chart["layer"][0]["encoding"]
    assert (encoding["x"]["scale"], encoding["y"]["scale"]) == ({"type": "log"}, {"type": "log"})


# ---- several metrics, jobs, titles, axes


@pytest.fixture
def pairs(tmp_path):
    scanner = Scanner([r"epoch=epoch=(\d+)", r"train_loss=train=(\S+)", r"val_loss=val=(\S+)", r"acc=acc=(\S+)"])
    (tmp_path / "logs").mkdir()
    for number in range(3):
        lines = "".join(
            f"epoch={epoch} train={10.0**-epoch * 3} val={number + epoch} acc=0.{epoch}\n" for epoch in range(1, 6)
        )
        (tmp_path / "logs" / f"trial_{number}.log").write_text(lines)
    return replay(tmp_path / "logs", scanner, out=tmp_path / "out")


def texts(path):
    """The texts of a drawing: matplotlib writes each in a comment before its outlines."""
    return [
        html.unescape(one).strip() for one in re.findall(r"<!-- (.*?) -->", path.read_text(encoding="utf-8"), re.DOTALL)
    ]


def test_metrics_that_belong_together_share_axes(pairs, tmp_path):
    names = ["train_loss", "val_loss", "acc"]
    plot(pairs, names, tmp_path / "p.svg", step="epoch", objective=Objective("val_loss", "Minimize"))
    found = texts(tmp_path / "p.svg")
    assert {"train_loss, val_loss", "acc", "epoch", "train_loss, val_loss, acc by epoch"} <= set(found)
    assert {"trial_0: 5", "2 other jobs", "best val_loss (last)", "train_loss", "val_loss"} <= set(found)
    assert "value" not in found
    assert [[one.metric for one in panel] for panel in panels([Curves(name, [], []) for name in names])] == [
        ["train_loss", "val_loss"],
        ["acc"],
    ]
    assert len(panels([Curves(name, [], []) for name in ("val", "test", "train/acc", "acc")])) == 3


def test_without_a_step_the_axis_counts_rows(pairs, tmp_path):
    plot(pairs, "acc", tmp_path / "p.svg", title="a <b> $x$ title")
    assert {"row of the job", "acc", "a <b> $x$ title", "3 jobs"} <= set(texts(tmp_path / "p.svg"))


def test_logarithmic_axes_have_plain_numbers(pairs, tmp_path):
    plot(pairs, "train_loss", tmp_path / "p.svg", step="epoch", log=True, log_step=True)
    found = texts(tmp_path / "p.svg")
    assert {"0.1", "0.01", "0.001", "0.0001", "1", "2", "5"} <= set(found)
    assert not [text for text in found if "$" in text or "^" in text]
    (tmp_path / "a.log").write_text("loss=1.01\nloss=1.02\nloss=1.04\n")
    plot(replay(tmp_path / "a.log", SCANNER), "loss", tmp_path / "p.svg", log=True)
    assert {"1.01", "1.02", "1.03", "1.04"} <= set(texts(tmp_path / "p.svg"))


def test_large_and_small_values_have_no_offset(tmp_path):
    (tmp_path / "a.log").write_text("loss=20000001\nloss=20000002\n")
    plot(replay(tmp_path / "a.log", SCANNER), "loss", tmp_path / "p.svg")
    assert {"20,000,001", "20,000,002"} <= set(texts(tmp_path / "p.svg"))


def test_some_jobs_and_their_best(pairs, tmp_path):
    objective = Objective("val_loss", "Minimize")
    plot(pairs, "acc", tmp_path / "p.svg", objective=objective, jobs=["trial_[12]"])
    assert {name: colour for name, (colour, _) in drawn(tmp_path / "p.svg").items()} == {
        "trial_1": BEST,
        "trial_2": GREY,
    }
    plot(pairs, "acc", tmp_path / "p.svg", jobs="trial_2")
    assert list(drawn(tmp_path / "p.svg")) == ["trial_2"]
    with pytest.raises(OptionError, match=r"no job is called 'trial_7'; there are 'trial_0', 'trial_1', 'trial_2'"):
        plot(pairs, "acc", tmp_path / "p.svg", jobs="trial_7")
    with pytest.raises(OptionError, match="not both"):
        plot(pairs, "acc", tmp_path / "p.svg", jobs="trial_2", group_name="trial")


def test_all_that_tie_are_highlighted(tmp_path):
    for number in range(8):
        (tmp_path / f"trial_{number}.log").write_text(f"loss={max(number - 6, 0)}\n" * 2)
    plot(replay(tmp_path, SCANNER), "loss", tmp_path / "p.svg", objective=MIN)
    assert sorted(colour for colour, _ in drawn(tmp_path / "p.svg").values()) == [GREY] + [BEST] * 7
    assert {"7 jobs that tie: 0", "1 other job"} <= set(texts(tmp_path / "p.svg"))


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ("x\n", {}, "no job has a value of loss"),
        ("loss=nan\nloss=inf\n", {}, "nothing of loss can be drawn: 2 values not finite"),
        ("loss=-1\n", {"log": True}, "nothing of loss can be drawn: 1 value not positive"),
        ("loss=1\n", {"step": "epoch"}, "nothing of loss can be drawn: 1 value without a step"),
    ],
)
@pytest.mark.parametrize("kind", ["svg", "html", "json"])
def test_an_empty_picture_says_why(tmp_path, text, options, said, kind):
    (tmp_path / "a.log").write_text(text)
    out = tmp_path / f"p.{kind}"
    assert plot(replay(tmp_path / "a.log", SCANNER), "loss", out, **options) == [said]
    written = out.read_text(encoding="utf-8")
    if kind == "svg":
        assert said in texts(out)
    elif kind == "html":
        assert data_of(written)["notes"] == [f"{said[0].upper()}{said[1:]}."]
    else:
        assert json.loads(written)["title"]["subtitle"] == [said]


def test_the_library_says_nothing(tmp_path):
    """Not of fonts that lack a character, of axes without a positive value, or of a legend that is too large."""
    (tmp_path / "a\u540d\U0001f600.log").write_text("loss=-1\n")
    (tmp_path / "b\u0378.log").write_text("loss=nan\n")
    (tmp_path / ("c" * 200 + ".log")).write_text("loss=-1\n")
    found = replay(tmp_path, SCANNER, out=tmp_path / "out")
    assert len(found.jobs) == 3
    command = [sys.executable, "-W", "always", "-m", "metricscan", "plot", str(tmp_path / "out"), "--metric", "loss"]
    for options in (["-o", "p.png", "--log"], ["-o", "p.svg", "--minimize", "loss", "--title", "\u540d"]):
        environment = {**os.environ, "MPLCONFIGDIR": "/proc/none", "PYTHONWARNINGS": "always"}
        ran = subprocess.run(
            [*command, *options], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        )
        assert [line for line in ran.stderr.splitlines() if not line.startswith(("notice: ", "written: "))] == []


def test_names_that_the_font_lacks_stay_distinct(tmp_path):
    for name in ("a\u0378", "a\u0379"):
        (tmp_path / f"{name}.log").write_text("loss=1\n")
    plot(replay(tmp_path, SCANNER), "loss", tmp_path / "p.svg", objective=MIN)
    assert {"a\\u0378: 1", "a\\u0379: 1"} <= set(texts(tmp_path / "p.svg"))


@pytest.mark.parametrize("kind", FORMATS)
def test_a_format_that_the_name_does_not_say(found, tmp_path, kind):
    plot(found, "loss", tmp_path / "picture", format=kind)
    content = (tmp_path / "picture").read_bytes()
    assert content.startswith({"png": b"\x89PNG", "svg": b"<?xml", "html": b"<!DOCTYPE", "json": b"{"}[kind])
    with pytest.raises(OptionError, match=r"format='pdf': one of png, svg, html, json was expected"):
        plot(found, "loss", tmp_path / "p", format="pdf")


def test_no_metric(found, tmp_path):
    with pytest.raises(OptionError, match="no metric to draw"):
        plot(found, [], tmp_path / "p.svg")


def test_a_png(found, tmp_path):
    plot(tmp_path / "out", "loss", tmp_path / "p.PNG", objective=MIN)
    content = (tmp_path / "p.PNG").read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert [path.name for path in tmp_path.iterdir() if "partial" in path.name] == []


def test_the_same_data_give_the_same_bytes(found, tmp_path):
    for name in ("a.svg", "b.svg"):
        plot(found, "loss", tmp_path / name, objective=MIN)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_nothing_to_draw(tmp_path):
    (tmp_path / "a.log").write_text("x\n")
    plot(replay(tmp_path / "a.log", SCANNER), "loss", tmp_path / "p.svg", objective=MIN, log=True)
    assert drawn(tmp_path / "p.svg") == {}


# ---- the command


def test_the_command(found, tmp_path, capsys):
    out = tmp_path / "p.svg"
    assert main(["plot", str(tmp_path / "out"), "--metric", "loss", "--step", "epoch", "-o", str(out)]) == 0
    notices = [
        "notice: 1 of 11 rows of 'loss' have no step: no 'epoch' stands before them in the stream",
        "notice: not drawn of loss: 1 value without a step, 1 value not finite",
    ]
    assert capsys.readouterr() == ("", "\n".join([*notices, f"written: {out}\n"]))
    # by the replay's objective
    assert drawn(out)["trial_10"][0] == BEST
    main(["plot", str(tmp_path / "out"), "--metric", "loss", "--maximize", "epoch", "--log", "-o", str(out)])
    assert drawn(out)["trial_1"][0] == BEST
    options = [
        "--metric",
        "epoch",
        "--job",
        "trial_1*",
        "--title",
        "Sweep",
        "--format",
        "svg",
        "-o",
        str(tmp_path / "x"),
    ]
    assert main(["plot", str(tmp_path / "out"), "--metric", "loss", *options]) == 0
    assert list(drawn(tmp_path / "x")) == ["trial_1", "trial_10"]
    assert "Sweep" in texts(tmp_path / "x")
    arguments = ["--step", "epoch", "--scope", "best@1", "-o", str(out)]
    assert main(["plot", str(tmp_path / "out"), "--metric", "loss", *arguments]) == 0
    assert drawn(out)["trial_1"][0] == BEST


def test_the_best_job_is_one_that_the_replay_ranked(tmp_path, found, capsys):
    (tmp_path / "jobs.csv").write_text("job,status\ntrial_1,completed\n")
    folder, out = str(tmp_path / "out"), str(tmp_path / "p.svg")
    replay(
        tmp_path, SCANNER, objective=MIN, jobs=tmp_path / "jobs.csv", completed_only=True, out=folder, overwrite=True
    )
    for options, best in (((), "trial_1"), (["--no-completed-only"], "trial_10"), (["--minimize", "loss"], "trial_10")):
        assert main(["plot", folder, "--metric", "loss", "-o", out, *options]) == 0
        assert [name for name, (colour, *_) in drawn(tmp_path / "p.svg").items() if colour == BEST] == [best]
    replay(tmp_path / "logs", SCANNER, out=folder, overwrite=True)
    assert main(["plot", folder, "--metric", "loss", "-o", out, "--completed-only"]) == 2
    assert "no objective for --completed-only" in capsys.readouterr().err


def test_steps_behind_their_rows_and_a_phase_that_is_carried(tmp_path, capsys):
    (tmp_path / "a.log").write_text("phase=x\nloss=1\nepoch=1\nloss=2\nphase=y\nloss=3\nepoch=2\n")
    scanner = Scanner([r"loss=loss=(\S+)", r"epoch=epoch=(\d+)"], labels={"phase": r"phase=(\S+)"})
    out, picture = str(tmp_path / "out"), tmp_path / "p.svg"
    replay(tmp_path / "a.log", scanner, out=out)
    arguments = ["plot", out, "--metric", "loss", "--step", "epoch", "-o", str(picture)]
    assert main([*arguments, "--step-place", "after", "--carry", "phase"]) == 0
    assert "<title>a, x</title>" in picture.read_text()
    assert "<title>a, y</title>" in picture.read_text()
    assert capsys.readouterr().err == f"written: {picture}\n"
    assert main(arguments) == 0
    assert "1 of 3 rows of 'loss' have no step" in capsys.readouterr().err
    assert main([*arguments, "--worker", "phase"]) == 2
    assert "--carry phase" in capsys.readouterr().err
    assert main([*arguments, "--step-place", "block"]) == 2
    assert "replay the logs again with block=True (--step-place block)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--metric", "los", "-o", "p.svg"], "the metric 'los' is not among the metrics"),
        (["--metric", "loss", "-o", "p.pdf"], "p.pdf: a name that ends in .png, .svg, .html or .json was expected"),
        (["--metric", "loss", "-o", "gone/p.svg"], "cannot write gone/p.svg: No such file or directory"),
        (["--metric", "loss", "-o", "p.svg", "--step-place", "after"], "--step-place needs --step NAME"),
        (["--metric", "loss", "-o", "p.svg", "--scope", "beste"], "scope='beste'"),
        (["--metric", "loss", "-o", "p.svg", "--job", "x"], "no job is called 'x'; there are 'a <b> & $c$', "),
        (["--metric", "loss", "-o", "p.svg", "--job", "x", "--over", "seed"], "--job draws jobs"),
    ],
)
def test_wrong_use(found, tmp_path, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert main(["plot", "out", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "p.svg").exists()


def test_without_matplotlib(found, tmp_path):
    with mock.patch.dict("sys.modules", {"matplotlib": None}), pytest.raises(OptionError) as caught:
        plot(found, "loss", tmp_path / "p.svg")
    assert str(caught.value) == "plotting needs matplotlib\nhint: pip install 'metricscan[plot]'"


def test_a_dataset_that_is_not_there(tmp_path):
    with pytest.raises(SourceError, match="cannot open"):
        metricscan.plot(tmp_path / "gone", "loss", tmp_path / "p.svg")


# ---- groups


def groups_drawn(path):
    """Name and colour of the mean of each group, and the number of bands."""
    text = path.read_text(encoding="utf-8")
    root = ET.fromstring(text[text.index("<svg") : text.index("</svg>") + 6])
    space = {"svg": "http://www.w3.org/2000/svg"}
    groups, bands = {}, 0
    for one in root.iter("{http://www.w3.org/2000/svg}g"):
        bands += one.get("id", "").startswith("band-")
        if re.fullmatch(r"group-\d+", one.get("id", "")):
            style = " ".join(path.get("style", "") for path in one.findall("svg:path", space))
            groups[one.find("svg:title", space).text] = re.search(r"stroke: (#\w+)", style)[1]
    return groups, bands


@pytest.fixture
def seeds(tmp_path):
    scanner = Scanner([r"epoch=epoch=(\d+)", r"loss=loss=(\S+)"], labels={"fold": r"fold=(\S+)"})
    (tmp_path / "logs").mkdir()
    for lr in (1, 2):
        for seed in (1, 2, 3):
            folds = "".join(
                f"fold={fold}\nepoch=1 loss={lr + seed}\nepoch=2 loss={lr * seed + fold}\n" for fold in (1, 2)
            )
            (tmp_path / "logs" / f"lr={lr},seed={seed}.log").write_text(f"loss=99\n{folds}")
    return replay(tmp_path / "logs", scanner, out=tmp_path / "out")


def test_a_band_per_group_the_best_in_colour(seeds, tmp_path):
    for tables in (seeds, tmp_path / "out"):
        plot(tables, "loss", tmp_path / "p.svg", step="epoch", over="seed", objective=MIN)
        assert groups_drawn(tmp_path / "p.svg") == ({"lr=1": BEST, "lr=2": GREY}, 2)
        assert len(drawn(tmp_path / "p.svg")) == 6


def test_groups_by_names_and_without_an_objective(seeds, tmp_path):
    plot(seeds, "loss", tmp_path / "p.svg", step="epoch", group_name="seed=.", log=True)
    groups, bands = groups_drawn(tmp_path / "p.svg")
    assert (list(groups), bands) == (["seed=1", "seed=2", "seed=3"], 3)
    assert len(set(groups.values())) == 3


def test_a_band_over_the_folds_of_a_job(seeds, tmp_path):
    plot(seeds, "loss", tmp_path / "p.svg", step="epoch", over="fold")
    groups, _ = groups_drawn(tmp_path / "p.svg")
    assert len(groups) == 6
    # what stands before the first fold is no curve
    assert sorted(drawn(tmp_path / "p.svg"))[:2] == ["lr=1,seed=1, 1", "lr=1,seed=1, 2"]
    assert (
        main(["plot", str(tmp_path / "out"), "--metric", "loss", "-o", str(tmp_path / "q.svg"), "--over", "fold"]) == 0
    )
    assert len(groups_drawn(tmp_path / "q.svg")[0]) == 6


def test_the_mean_and_the_band_at_each_step():
    curves = [
        ("a", np.array([1.0, 2.0, 3.0]), np.array([1.0, 4.0, np.nan])),
        ("b", np.array([2.0, 4.0]), np.array([2.0, 7.0])),
        ("c", np.array([1.0]), np.array([5.0])),
    ]
    (band,) = bands_of(curves, {"a": "g", "b": "g", "c": None})
    assert [column.tolist() for column in band[2:]] == [[1, 2, 4], [1, 3, 7], [1, 2, 7], [1, 4, 7]]
    assert (band.group, band.lines) == ("g", 2)
    (empty,) = bands_of([("a", np.array([1.0]), np.array([np.nan]))], {"a": "g"})
    assert len(empty.step) == 0
