"""A second start of a program in the best job's log, which is said where no step would tell; and logs that only repeat lines."""

import gzip
import json
from pathlib import Path

import pytest
from support.folders import tree

from metricscan import Objective, Scanner, replay
from metricscan.cli import main
from metricscan.replaying.second_start import second_start_notice

REGEX = r"loss=loss=(\S+)"
SCANNER = Scanner([REGEX, r"epoch=epoch (\d+)"])
EPOCHS = "".join(f"epoch {n} loss={1 / n:.3f}\n" for n in range(1, 9))
RUN = f"Namespace(lr=0.1, seed=3)\nusing cuda\n{EPOCHS}"


def timed(run, hour, pid):
    lines = enumerate(run.splitlines())
    return "".join(f"2026-12-0{hour} 0{hour}:{at // 60:02}:{at % 60:02},123 [{pid}] {line}\n" for at, line in lines)


def said(folder, log, step=None):
    result = replay(tree(folder, {"a.log": log}), SCANNER, objective=Objective("loss", "Minimize", "min", step))
    return [one.message for one in result.notices if "the first line of the log" in one.message]


@pytest.mark.parametrize(
    ("log", "line", "values"),
    [
        (RUN + RUN, 11, 8),
        (RUN + "Traceback\n  Killed\n" + RUN, 13, 8),
        (timed(RUN, 1, 4711) + timed(RUN, 2, 80_123), 11, 8),
        # no header but a counter, or a word
        ("".join(f"Epoch {n}/8\nloss={n}\n" for n in (*range(1, 9), *range(1, 4))), 17, 8),
        (f"Starting\n{EPOCHS}Starting\n{EPOCHS}", 10, 8),
        # a broken start
        (RUN[: RUN.index("epoch 3")] + RUN, 5, 2),
        ("\n---\n" + RUN + "\n---\n" + RUN, 15, 8),
    ],
)
def test_a_second_start(tmp_path, log, line, values):
    (message,) = said(tmp_path, log)
    assert message.startswith(
        f"the first line of the log stands again in {tmp_path}/a.log:{line}, behind {values} values of loss: several runs"
    )
    # with a step, its doubt tells
    assert said(tmp_path / "stepped", log, "epoch") == []


def test_more_starts_and_compressed_logs(tmp_path):
    (message,) = said(tmp_path, gzip.compress((RUN * 4).encode()))
    assert "a.log:11 and 2 more, behind 8 values of loss" in message


@pytest.mark.parametrize(
    "log",
    [
        RUN,
        "",
        "---\n" * 5 + "loss=1\n" + "---\nloss=2\n",
        # the lines of a loop
        "train\nloss=1\neval\nacc=2\n" * 3,
        "".join(f"Epoch {n}/8\nloss={n}\n" for n in range(1, 9)),
        "Epoch\nusing cuda\nloss=1\n" * 30,
        # a line of an epoch, and the value itself
        "".join(f"epoch {n} loss={n}\n" for n in range(1, 9)) * 2,
        # nothing was replaced
        f"{RUN}Namespace(lr=0.1, seed=3)\nusing cuda\n",
        f"Namespace(lr=0.1, seed=3)\nusing cuda\n{RUN}",
        # another program
        RUN + RUN.replace("cuda", "cpu"),
        RUN + RUN.replace("seed=3", "seed=4"),
    ],
)
def test_what_is_no_second_start(tmp_path, log):
    assert said(tmp_path, log) == []


def test_check_says_it_of_each_log(tmp_path, capsys):
    folder = tree(tmp_path, {"a.log": RUN + RUN, "b.log": RUN, "c.log": RUN + RUN})
    assert main(["check", str(folder), "-m", REGEX]) == 0
    notices = [line for line in capsys.readouterr().err.splitlines() if "the first line of the log" in line]
    assert [line.split(", behind")[0].rsplit("/", 1)[1] for line in notices] == ["a.log:11", "c.log:11"]


def test_of_the_real_logs_one_holds_three_runs(corpora):
    found = set()
    for line in (corpora / "manifest.jsonl").read_text().splitlines():
        log = json.loads(line)
        scanner = Scanner([{"Name": one["Name"], "Regex": one["Regex"]} for one in log["definitions"]])
        path = str(corpora / "logs" / log["file"])
        found |= {Path(path).name for name in scanner.metrics if second_start_notice(scanner, name, path) is not None}
    assert [name.rpartition("__")[2] for name in found] == [
        "track_10min_16mb_2026-03-19_MixedQuant_Int6Int8_SlidingWindow_train.log"
    ]
