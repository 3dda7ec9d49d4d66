"""The README: its commands and its code run, on logs as it speaks of, and say what it says of them."""

import gzip
import io
import json
import re
import shlex
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from metricscan import sagemaker
from metricscan.cli import main

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
CODE = [block for language, block in BLOCKS if language == "python"]
COMMANDS = [line for _, block in BLOCKS for line in block.splitlines() if line.startswith("metricscan ")]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The files that the README names, in the current folder."""
    lines = "".join(
        f"[rank{rank}]: epoch={epoch} rank={rank} GAN_loss=0.5; Loss = {epoch + rank}.5; \n"
        for epoch in (1, 2)
        for rank in (0, 1)
    )
    lines += "[2]\ttrain-rmse:2.5\tvalidation-rmse:1.5\nvalid_loss=0.25;\n"
    for name in ("logs/trial_1/stdout", "logs/trial_3/stdout", "logs/trial_10/stdout", "job.log"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(lines)
    (tmp_path / "huge.log.gz").write_bytes(gzip.compress(lines.encode()))
    definitions = [{"Name": "loss", "Regex": "Loss = (.*?);"}]
    (tmp_path / "definitions.json").write_text(json.dumps(definitions))
    shutil.copy(ROOT / "data" / "sagemaker" / "request.json", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_code_runs(folder):
    names = {"process": SimpleNamespace(stdout=io.BytesIO(b"Loss = 0.5;\n"))}
    for number, block in enumerate(CODE):
        exec(compile(block, f"README.md, Python block {number}", "exec"), names)
    assert names["result"]["loss"]["value"].to_pylist() == [1.5, 2.5, 2.5, 3.5]
    assert names["replay"].best.job == "trial_1"
    assert set(names["replay"].curve("loss", "epoch", worker="rank")["rank"].to_pylist()) == {"rank0", "rank1"}
    assert names["stream"].latest["loss"].value == 0.5
    assert names["job"].describe_training_job("trial-1")["TrainingJobName"] == "trial-1"


@pytest.mark.slow
def test_the_commands_run(folder, capsys):
    job = sagemaker.replay("logs/", "request.json")
    for name, answer in (("describe.json", job.describe()), ("list.json", job.list_training_jobs())):
        (folder / name).write_text(json.dumps(sagemaker.as_json(answer)))
    assert len(COMMANDS) == 7
    for command in COMMANDS:
        arguments = shlex.split(command, comments=True)
        assert main(arguments[1:]) == 0, (command, capsys.readouterr())
    assert (folder / "loss.html").stat().st_size


def test_every_link_leads_somewhere():
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", TEXT) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
