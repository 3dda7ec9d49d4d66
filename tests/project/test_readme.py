"""README and docs/: their commands and their code run, on logs as they speak of, and say what they say of them."""

import gzip
import html
import importlib.util
import io
import json
import re
import shlex
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

import metricscan
from metricscan import sagemaker
from metricscan.cli import main

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
REFERENCE = sorted((ROOT / "docs").glob("*.md"))
OTHERS = [ROOT / name for name in ("ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")]


def blocks_of(page, language):
    text = page.read_text(encoding="utf-8")
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [block for word, block in found if word == language]


def commands_of(page):
    return [line for block in blocks_of(page, "") for line in block.splitlines() if line.startswith("metricscan ")]


def run_code(page):
    """Run a page's Python blocks, one after the other; their names."""
    names = {"process": SimpleNamespace(stdout=io.BytesIO(b"Loss = 0.5;\n"))}
    for number, block in enumerate(blocks_of(page, "python")):
        exec(compile(block, f"{page.name}, Python block {number}", "exec"), names)
    return names


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
        if path.name == "stdout":
            seed = path.parent.name.removeprefix("trial_")
            path.with_name("params.json").write_text(json.dumps({"lr": 0.1, "seed": int(seed)}))
    (tmp_path / "huge.log.gz").write_bytes(gzip.compress(lines.encode()))
    (tmp_path / "train.py").write_text("print('epoch 1 Loss = 0.5;')\n")
    definitions = [{"Name": "loss", "Regex": "Loss = (.*?);"}]
    (tmp_path / "definitions.json").write_text(json.dumps(definitions))
    shutil.copy(ROOT / "data" / "sagemaker" / "request.json", tmp_path)
    (tmp_path / "data").symlink_to(ROOT / "data")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_code_of_the_readme_runs(folder):
    names = run_code(README)
    assert names["scanner"].scan("job.log")["loss"]["value"].to_pylist() == [1.5, 2.5, 2.5, 3.5]
    assert names["replay"].best.job == "trial_1"


def test_the_code_of_the_reference_runs(folder, capsys):
    names = run_code(ROOT / "docs" / "python.md")
    assert names["result"]["loss"]["value"].to_pylist() == [1.5, 2.5, 2.5, 3.5]
    assert names["replay"].best.job == "trial_1"
    assert set(names["replay"].curve("loss", "epoch", worker="rank")["rank"].to_pylist()) == {"rank0", "rank1"}
    assert names["stream"].latest["loss"].value == 0.5
    assert (names["first"].resume_offset, names["second"].latest["loss"].value) == (12, 0.25)
    assert "loss" in capsys.readouterr().out


def test_the_code_about_sagemaker_runs(folder):
    names = run_code(ROOT / "docs" / "sagemaker.md")
    assert names["job"].describe_training_job("trial-1")["TrainingJobName"] == "trial-1"


def test_the_code_about_live_data_runs(folder, capsys):
    names = run_code(ROOT / "docs" / "live.md")
    assert "trial_10 stdout 0 4 3.5\n" in capsys.readouterr().out
    assert metricscan.Dataset("followed")["loss"].num_rows == 12
    # the reader goes on at its cursor
    exec(blocks_of(ROOT / "docs" / "live.md", "python")[-1], names)
    found = names["database"].execute("select job, offset, value from loss").fetchall()
    names["database"].close()
    assert (names["docker"].latest["loss"].value, names["docker"].error) == (0.5, None)
    assert names["steps"].latest["loss"].value == 0.25
    assert (names["taken"]["loss"]["value"].to_pylist(), names["taken"].replaces) == ([0.25], (11,))
    assert found == [("trial_1", 0, 0.5), ("trial_1", 12, 0.25)]


def test_the_code_about_fleets_runs(folder):
    names = run_code(ROOT / "docs" / "fleet.md")
    replay = metricscan.replay("logs/", names["scanner"], objective=names["objective"])
    assert names["replay"].ranking.equals(replay.ranking)
    assert names["fleet"].rank_partials(names["partials"], jobs=replay.jobs).equals(replay.ranking)
    facts = ["hyperparameters", "job_status"]
    assert names["ranking"].drop_columns(facts).equals(replay.ranking.drop_columns(facts))


def test_the_code_about_running_jobs_runs(folder, capsys):
    names = run_code(ROOT / "docs" / "run.md")
    assert capsys.readouterr().out == "epoch 1.0 1.0\nloss 0.5 1.0\nepoch 2.0 2.0\nloss 0.25 2.0\n"
    assert names["job"].record.status == "Completed"
    assert names["job"].latest["loss"].value == 0.25


@pytest.mark.parametrize(("language", "found"), [("json", [0.5, 0.25]), ("yaml", [0.5, 0.25, 0.125])])
def test_the_definitions_of_the_reference_are_read(folder, language, found):
    (block,) = blocks_of(ROOT / "docs" / "command-line.md", language)
    (folder / f"definitions.{language}").write_text(block)
    scanner = metricscan.Scanner(f"definitions.{language}")
    result = scanner.scan(b"Loss = 0.5; val_loss 0.25 {'eval_loss': 0.125}\n")
    assert [result[name]["value"].to_pylist() for name in result] == [[value] for value in found]


def test_no_code_is_forgotten():
    assert [page.name for page in REFERENCE if blocks_of(page, "python")] == [
        "fleet.md",
        "live.md",
        "python.md",
        "run.md",
        "sagemaker.md",
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "count"),
    [
        ("README.md", 8),
        ("docs/command-line.md", 19),
        ("docs/report.md", 4),
        ("docs/sagemaker.md", 3),
        ("docs/run.md", 6),
    ],
)
def test_the_commands_run(page, count, folder, capsys):
    job = sagemaker.replay("logs/", "request.json")
    scanner = metricscan.Scanner("definitions.json")
    metricscan.Journal.open("journal", scanner).close()
    for name, answer in (("describe.json", job.describe()), ("list.json", job.list_training_jobs())):
        (folder / name).write_text(json.dumps(sagemaker.as_json(answer)))
    commands = commands_of(ROOT / page)
    assert len(commands) == count
    for command in commands:
        arguments = shlex.split(command, comments=True)
        assert main(arguments[1:]) == 0, (command, capsys.readouterr())
    assert (folder / "loss.html").exists() == (page == "docs/command-line.md")


def test_every_command_is_run_by_the_test_above():
    assert sum(len(commands_of(page)) for page in [README, *REFERENCE, *OTHERS]) == 8 + 19 + 4 + 3 + 6


def test_the_picture_shows_what_its_command_prints():
    path = ROOT / "docs" / "picture.py"
    spec = importlib.util.spec_from_file_location("picture", path)
    picture = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(picture)
    assert picture.COMMAND in commands_of(README)

    def words(svg):
        return html.unescape(re.sub(r"<style>.*?</style>|<[^>]*>", " ", svg, flags=re.DOTALL)).split()

    drawn = picture.PICTURE.read_text(encoding="utf-8")
    assert words(drawn) == words(picture.draw(picture.printed()))
    assert "://" not in drawn.replace("http://www.w3.org/2000/svg", "")


@pytest.mark.parametrize("page", [README, *REFERENCE, *OTHERS], ids=lambda page: page.name)
def test_every_link_leads_somewhere(page):
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_index_names_every_page():
    assert {page.name for page in REFERENCE} - {"README.md"} <= set(
        re.findall(r"\]\(([^)#]+)\)", (ROOT / "docs" / "README.md").read_text(encoding="utf-8"))
    )


def test_every_target_that_is_named_is_one():
    made = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    for page in [README, *REFERENCE, *OTHERS]:
        text = page.read_text(encoding="utf-8")
        named = re.findall(r"`make (\w+)`", text) + [
            word for block in blocks_of(page, "") for word in re.findall(r"^make (\w+)", block, re.MULTILINE)
        ]
        assert set(named) <= set(made), page.name
    assert {"demo", "test"} <= set(re.findall(r"^make (\w+)", README.read_text(encoding="utf-8"), re.MULTILINE))
