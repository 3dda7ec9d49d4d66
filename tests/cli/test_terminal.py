"""What a terminal gets to see of files, jobs, metrics and logs whose names and text would command it."""

import io
import json
from pathlib import Path

import pytest
from support.folders import tree

from metricscan.cli import main
from metricscan.cli.output import open_console
from metricscan.cli.terminal import message_lines, one_line, spelled

RED = "\x1b[31m"
LOG = f"loss=1;{RED}red\nloss={RED}2;\n"
METRIC = [f"-mloss{RED}=loss=(.*?);", f"-mnone{RED}=zzz\x1b"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    logs = tmp_path / "logs"
    logs.mkdir()
    for name in (f"trial_{RED}1", "trial_2\u202e"):
        (logs / f"{name}.log").write_text(LOG)
    (logs / f"other{RED}.bin").write_bytes(b"\0")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "command",
    [
        ["replay", "logs", *METRIC, f"--minimize=loss{RED}", f"--out=tables{RED}"],
        ["check", "logs", *METRIC],
        ["check", "logs/*1.log", *METRIC],
        ["survey", "logs"],
        ["survey", "logs", "--job", f"{RED}(x)"],
        ["check", "logs", f"-mbad{RED}=("],
        ["check", f"logs/none{RED}", "-ma=b"],
        ["replay", "logs", *METRIC, f"--minimize=no{RED}"],
        ["replay", "logs", *METRIC, f"--scope={RED}", f"--minimize=loss{RED}"],
        ["replay", "logs", *METRIC, "--jobs", f"none{RED}"],
        ["replay", "logs", f"-mslow{RED}=(?a:\\w)(?:a+)+b"],
    ],
)
def test_nothing_commands_the_terminal(command, folder, capsys):
    main(command)
    out, err = capsys.readouterr()
    assert "\\x1b[31m" in out + err
    for text in (out, err):
        assert all(character.isprintable() or character in "\n\t" for character in text), repr(text)


def test_ranks_of_a_dataset_and_plots(folder, capsys):
    assert main(["replay", "logs", *METRIC, f"--minimize=loss{RED}", "--out=tables"]) == 0
    assert main(["rank", "tables", "--scopes"]) == 0
    assert main(["plot", "tables", "--metric", f"loss{RED}", "-o", f"a{RED}.html"]) == 0
    out, err = capsys.readouterr()
    assert "trial_\\x1b[31m1" in out
    assert "trial_2\\u202e" in out
    assert "\x1b" not in out + err
    assert "\u202e" not in out + err


FAKE = "x\nFAKE\r\tFAKE\x1b[2J"


@pytest.fixture
def forged(tmp_path, monkeypatch):
    """Logs, jobs and metrics whose names would begin lines of their own."""
    monkeypatch.chdir(tmp_path)
    tree(
        tmp_path,
        {
            f"logs/{FAKE}.log": "loss=1\nloss=\x1b[2Jx\n",
            "logs/b.log": "loss=2\n",
            f"logs/{FAKE}.log.gz": b"\x1f\x8b\x08 cut",
            f"jobs{FAKE}.jsonl": json.dumps({"job": FAKE, "status": FAKE, FAKE: FAKE})
            + "\n"
            + json.dumps({"job": f"gone{FAKE}"}),
            f"wrong{FAKE}.jsonl": f'{{"job": {json.dumps(FAKE)}, "status": 3, {json.dumps(FAKE)}: 1, {json.dumps(FAKE)}: 2}}',
            f"twice{FAKE}.jsonl": json.dumps({"job": FAKE}) + "\n" + json.dumps({"job": FAKE}),
            f"d{FAKE}.json": json.dumps([{"Name": FAKE, "Regex": f"({FAKE}"}, {"Name": FAKE, FAKE: "("}]),
            f"d{FAKE}.py": "metric_definitions = [{'Name': 'a', 'Regex': '\\d('}]",
            f"request{FAKE}.json": json.dumps({"HyperParameterTuningJobName": FAKE, FAKE: FAKE}),
        },
    )


@pytest.mark.parametrize(
    "command",
    [
        ["replay", "logs", f"-m{FAKE}=loss=(.*)", f"--minimize={FAKE}", f"--jobs=jobs{FAKE}.jsonl", f"--out=out{FAKE}"],
        ["replay", "logs", "-mloss=loss=(.*)", f"-m{FAKE}=zzz", "--minimize=loss"],
        ["replay", "logs", "-mloss=loss=(.*)", "--minimize=loss", f"--jobs=wrong{FAKE}.jsonl"],
        ["replay", "logs", "-mloss=loss=(.*)", "--minimize=loss", f"--jobs=twice{FAKE}.jsonl"],
        ["replay", "logs", "-mloss=loss=(.*)", "--minimize=loss", f"--jobs=none{FAKE}"],
        ["replay", "logs", f"-d=d{FAKE}.json"],
        ["replay", "logs", f"-dd{FAKE}.json"],
        ["check", "logs", f"-dd{FAKE}.py"],
        ["check", "logs", f"-dnone{FAKE}"],
        ["check", "logs", f"-m{FAKE}=loss=(.*)", f"-mb{FAKE}={FAKE}"],
        ["replay", "logs", f"--tuning-job=request{FAKE}.json"],
        ["replay", f"none{FAKE}", "-mloss=loss=(.*)"],
        ["replay", "logs", "-mloss=loss=(.*)", f"--{FAKE}"],
        ["replay", "logs", "-mloss=loss=(.*)", f"--scope={FAKE}", "--minimize=loss"],
        ["replay", "logs", "-mloss=loss=(.*)", f"--job=({FAKE}"],
        ["replay", "logs", "-mloss=loss=(.*)", f"--job=({FAKE})"],
        [FAKE],
        ["rank", f"none{FAKE}", "--minimize=loss"],
        ["algorithms", FAKE],
    ],
)
def test_no_name_begins_a_line(command, forged, capsys):
    assert main(command) in (0, 1, 2)
    out, err = capsys.readouterr()
    assert "FAKE" in out + err or "-d=" in command[2]
    for text in (out, err):
        assert all(character.isprintable() or character == "\n" for character in text), repr(text)
        assert not [line for line in text.splitlines() if line.lstrip().startswith("FAKE")], text


def test_no_name_begins_a_line_of_a_dataset_or_an_audit(forged, capsys):
    assert (
        main(["replay", "logs/b.log", f"logs/{FAKE}.log", f"-m{FAKE}=loss=(.*)", f"--minimize={FAKE}", "--out=out"])
        == 0
    )
    assert main(["rank", "out", "--scopes", f"--jobs=jobs{FAKE}.jsonl"]) == 0
    described = {
        "TrainingJobName": FAKE,
        "AlgorithmSpecification": {"MetricDefinitions": [{"Name": FAKE, "Regex": "loss=(.*)"}]},
        "FinalMetricDataList": [{"MetricName": FAKE, "Value": 9}],
    }
    Path("job.json").write_text(json.dumps(described))
    assert main(["audit", f"logs/{FAKE}.log", "logs/b.log", "--tuning-job=job.json"]) == 1
    out, err = capsys.readouterr()
    assert out.count("FAKE") > 5
    for text in (out, err):
        assert all(character.isprintable() or character == "\n" for character in text), repr(text)
        assert not [line for line in text.splitlines() if line.lstrip().startswith("FAKE")], text


def test_styles_stay():
    console = open_console()
    console.file = io.StringIO()
    console._color_system, console._force_terminal = 1, True
    console.print(RED, style="bold")
    assert console.file.getvalue() == "\x1b[1m\\x1b[31m\x1b[0m\n"


def test_bytes_and_lines_stay():
    assert spelled("a\nb\tc\udce9 é") == "a\nb\tc\udce9 é"
    assert spelled("\x07\x7f\u009b\u2028") == "\\x07\\x7f\\u009b\\u2028"
    assert one_line("a\nb\tc\udce9 \x07") == "a\\nb\\tc\udce9 \\x07"
    assert message_lines("a\nb\n  c") == "a\n  b\n  c"
