"""The command run in this process, and logs to run it on."""

import pytest
from support.folders import tree

from metricscan.cli import main


@pytest.fixture(autouse=True)
def in_a_pipe(monkeypatch):
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def run(capsys):
    """The command's exit code, output and complaints."""

    def run(*arguments):
        code = main([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def trials(tmp_path, monkeypatch):
    """Logs in the current folder, so that paths are short."""
    monkeypatch.chdir(tmp_path)
    files = {
        "logs/trial_7/stdout": "loss=0.5\n" + "noise\n" * 10_410 + "loss=0.0312 acc=0.5\n",
        "logs/trial_7/params.json": '{"lr": 3e-4, "units": 64}',
        "logs/trial_10/stdout": "loss=0.0625\nacc=x\n",
        "logs/trial_2/stdout": "loss=nan\n",
        "logs/trial_3/stdout": "nothing\n",
    }
    tree(tmp_path, files)
    return "logs"


@pytest.fixture
def log(tmp_path, monkeypatch):
    """A function that writes one log, and gives its path."""
    monkeypatch.chdir(tmp_path)

    def write(content):
        tree(tmp_path, {"a.log": content})
        return "a.log"

    return write


@pytest.fixture
def logs(request, tmp_path, monkeypatch):
    """The module's LOGS, by name, in a folder of the current one."""
    monkeypatch.chdir(tmp_path)
    tree(tmp_path, {f"logs/{name}.log": text for name, text in request.module.LOGS.items()})
    return "logs"


@pytest.fixture
def written(request, run, logs):
    """A dataset of these logs, by the module's DEFINITIONS and OBJECTIVE."""
    assert run("replay", logs, *request.module.DEFINITIONS, *request.module.OBJECTIVE, "--out", "out")[0] == 0
    return "out"
