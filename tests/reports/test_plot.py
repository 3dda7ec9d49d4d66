"""Pictures of curves: what is drawn, read out of the drawing; and what cannot be drawn."""

import re
import xml.etree.ElementTree as ET
from unittest import mock

import numpy as np
import pytest

import metricscan
from metricscan import Objective, OptionError, Scanner, SourceError, plot, replay
from metricscan.cli import main
from metricscan.reports.bands import bands_of

SCANNER = Scanner([r"epoch=epoch=(\d+)", r"loss=loss=(\S+)", r"rank=rank(\d+)\]"])
MIN = Objective("loss", "Minimize")
BEST = "#d55e00"
GREY = "#9aa0a6"


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
            paths = [one for one in group.findall("svg:path", space) if "fill: none" in one.get("style", "")]
            colour = re.search(r"stroke: (#\w+)", " ".join(one.get("style") for one in paths) or "stroke: #none")[1]
            curves[name] = (colour, sum(len(re.findall(r"[ML]", one.get("d"))) for one in paths))
    return curves


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
    with mock.patch("matplotlib.axes.Axes.set_title", autospec=True) as title:
        plot(found, "loss", tmp_path / "p.svg", step="epoch", log=log)
    text = title.call_args.args[1]
    assert text.startswith("loss   (not drawn: 1 values without a step, 1 values not finite")
    assert ("2 values not positive" in text) == log


def test_workers_have_curves_of_their_own(tmp_path):
    (tmp_path / "a.log").write_text("rank0] epoch=1 loss=3\nrank1] epoch=1 loss=2\n")
    plot(replay(tmp_path / "a.log", SCANNER), "loss", tmp_path / "p.svg", step="epoch", worker="rank")
    assert list(drawn(tmp_path / "p.svg")) == ["a, rank 0", "a, rank 1"]


def test_a_page_holds_the_drawing_and_loads_nothing(found, tmp_path):
    plot(found, "loss", tmp_path / "p.html", objective=MIN)
    text = (tmp_path / "p.html").read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>")
    assert list(drawn(tmp_path / "p.html")) == ["a <b> & $c$", "trial_1", "trial_2", "trial_10"]
    assert "<script" not in text
    assert not re.search(r"""(?:src|xlink:href|href)=["'](?!#)""", text)


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
    notice = "notice: 1 of 11 rows of 'loss' have no step: no 'epoch' stands before them in the stream"
    assert capsys.readouterr() == ("", f"{notice}\nwritten: {out}\n")
    # by the replay's objective
    assert drawn(out)["trial_10"][0] == BEST
    main(["plot", str(tmp_path / "out"), "--metric", "loss", "--maximize", "epoch", "--log", "-o", str(out)])
    assert drawn(out)["trial_1"][0] == BEST
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
        (["--metric", "loss", "-o", "p.pdf"], "p.pdf: a name that ends in .png, .svg or .html was expected"),
        (["--metric", "loss", "-o", "gone/p.svg"], "cannot write gone/p.svg: No such file or directory"),
        (["--metric", "loss", "-o", "p.svg", "--step-place", "after"], "--step-place needs --step NAME"),
        (["--metric", "loss", "-o", "p.svg", "--scope", "beste"], "scope='beste'"),
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
