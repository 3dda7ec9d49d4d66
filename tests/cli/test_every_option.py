"""Every option and argument of every command, as the parser lists them, with values that nobody means."""

import contextlib
import json
import os
import shutil

import click
import pytest
from support.jobs import none_left

from metricscan.cli import command, main

LOSS = ["-m", r"loss=loss=([0-9.]+)"]
#: What each command needs to get to its work: then it succeeds.
BASES = {
    "algorithms": [],
    "audit": ["logs", "--tuning-job", "described.json"],
    "check": ["logs", *LOSS],
    "compact": ["journal", "-o", "made"],
    "diff": ["table", "table"],
    "extract": ["logs", *LOSS],
    "follow": ["logs", *LOSS, "--json", "--until", "idle:0"],
    "plot": ["table", "--metric", "loss", "-o", "plot.svg"],
    "rank": ["table", "--minimize", "loss"],
    "replay": ["logs", *LOSS],
    "report": ["table", "-o", "report.html"],
    "run": LOSS,
    "stop": ["job"],
    "survey": ["logs"],
}
#: Behind the options.
COMMAND_OF = {"run": ["--", "true"]}
HOSTILE = {
    "empty": "",
    "escapes": "x\x1b[2J\n\u202eFAKE\r\x9b2K\u2028FAKE",
    "no text": os.fsdecode(b"a\xff=\xfe"),
    "long": "x=" + "(" * 5_000,
    "digits": "1" + "0" * 5_000,
    "negative": "-1",
    "nan": "nan",
}
#: More than an error needs that repeats a value in words of its own and where it stands.
MOST_TOLD = 60_000
DESCRIBED = {
    "TrainingJobName": "trial_1",
    "TrainingJobStatus": "Completed",
    "AlgorithmSpecification": {"MetricDefinitions": [{"Name": "loss", "Regex": "loss=([0-9.]+)"}]},
    "FinalMetricDataList": [{"MetricName": "loss", "Value": 0.5}],
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    (folder / "logs").mkdir()
    (folder / "logs" / "trial_1.log").write_text("epoch=1 loss=0.5\n")
    (folder / "described.json").write_text(json.dumps(DESCRIBED))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["replay", "logs", *LOSS, "--minimize", "loss", "-o", "table"]) == 0
        assert main(["follow", "logs", *LOSS, "-o", "journal", "--until", "idle:0"]) == 0
        assert main(["run", *LOSS, "--out", "job", "--", "true"]) == 0
    return folder


@pytest.fixture
def folder(made, tmp_path, monkeypatch):
    folder = tmp_path / "here"
    shutil.copytree(made, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("NO_COLOR", "1")
    with none_left(folder / "runs"):
        yield folder


@contextlib.contextmanager
def children_unheard():
    """What processes that a command starts print goes nowhere: a shell prints bytes of names as they are.

    Not a fixture: pytest redirects descriptor 2 anew between the setup and the call of a test.
    """
    before = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)


def parameters(name):
    """An argument per parameter: with each value that it takes; a flag alone."""
    for one in command.commands[name].params:
        if isinstance(one, click.Argument):
            yield from ((value,) for value in HOSTILE.values())
        elif one.is_flag:
            yield from ((option,) for option in (*one.opts, *one.secondary_opts) if option != "--help")
        else:
            # on one word: a value may begin with a dash
            yield from ((f"{one.opts[-1]}={value}",) for value in HOSTILE.values())


def test_every_command_has_a_base():
    assert set(BASES) == set(command.commands)


@pytest.mark.parametrize("name", BASES)
def test_no_option_ends_in_a_traceback(name, folder, capsys):
    for given in ((), *parameters(name)):
        # or the next one would fail early: it is there already
        shutil.rmtree("made", ignore_errors=True)
        arguments = [name, *BASES[name], *given, *COMMAND_OF.get(name, ())]
        # an exception here is the traceback of the command
        with children_unheard():
            code = main(arguments)
        out, err = capsys.readouterr()
        assert code == 0 or given, err
        assert code in ((0, 125, 126, 127) if name == "run" else (0, 1, 2, 3)), (arguments, err)
        assert "Traceback" not in out + err, arguments
        assert err or code in (0, 1), arguments
        assert len(err) < MOST_TOLD, arguments
        for text in (out, err):
            assert all(one.isprintable() or one in "\n\t" for one in text), (arguments, text)
            assert not [line for line in text.splitlines() if line.startswith("FAKE")], (arguments, text)


@pytest.mark.parametrize("name", BASES)
def test_what_is_no_option(name, capsys):
    for value in HOSTILE.values():
        assert main([name, *BASES[name], f"--no-such-option={value}"]) == (125 if name == "run" else 2)
        out, err = capsys.readouterr()
        assert out == ""
        assert "no-such-option" in err
        assert all(one.isprintable() or one == "\n" for one in err)


def test_more_groups_than_64_bits_count(folder, capsys):
    assert main(["rank", "table", "--minimize", "loss", "--group-name", "trial", "--top", "9" * 20]) == 0
    assert "trial" in capsys.readouterr().out
