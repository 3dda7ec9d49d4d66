"""What a terminal gets to see of files, jobs, metrics and logs whose names and text would command it."""

import io

import pytest

from metricscan.cli import main
from metricscan.cli.output import open_console
from metricscan.cli.terminal import spelled

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


@pytest.mark.filterwarnings("ignore:Glyph .* missing")
def test_ranks_of_a_dataset_and_plots(folder, capsys):
    assert main(["replay", "logs", *METRIC, f"--minimize=loss{RED}", "--out=tables"]) == 0
    assert main(["rank", "tables", "--scopes"]) == 0
    assert main(["plot", "tables", "--metric", f"loss{RED}", "-o", f"a{RED}.html"]) == 0
    out, err = capsys.readouterr()
    assert "trial_\\x1b[31m1" in out
    assert "trial_2\\u202e" in out
    assert "\x1b" not in out + err
    assert "\u202e" not in out + err


def test_styles_stay():
    console = open_console()
    console.file = io.StringIO()
    console._color_system, console._force_terminal = 1, True
    console.print(RED, style="bold")
    assert console.file.getvalue() == "\x1b[1m\\x1b[31m\x1b[0m\n"


def test_bytes_and_lines_stay():
    assert spelled("a\nb\tc\udce9 é") == "a\nb\tc\udce9 é"
    assert spelled("\x07\x7f\x9b\u2028") == "\\x07\\x7f\\x9b\\u2028"
