"""``metricscan check --fix``: the diff that it prints, and the file that it writes."""

import json

import pytest
from support.folders import tree

from metricscan import load_definitions

LOG = "step 1 score=1.5e-05 gain(dB): 3\nstep 2 score=0.5 gain(dB): 4\n"
YAML = "# ours\n- Name: score  # the higher the better\n  Regex: score=([0-9.]+)\n- Name: step\n  Regex: step (\\d+)\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tree(tmp_path, {"a.log": LOG, "d.yaml": YAML}))
    return tmp_path


def test_the_diff_is_for_the_file(run, folder):
    code, out, err = run("check", "a.log", "-d", "d.yaml", "--fix")
    assert (code, err) == (0, "")
    before, _, diff = out.partition("--- d.yaml\n")
    assert "lint cut-number" in before
    lines = diff.splitlines()
    assert lines[:5] == [
        "+++ d.yaml",
        "@@ -1,5 +1,5 @@",
        " # ours",
        " - Name: score  # the higher the better",
        "-  Regex: score=([0-9.]+)",
    ]
    assert lines[5].startswith("+  Regex: 'score=([-+]?")
    assert lines[6:] == [" - Name: step", r"   Regex: step (\d+)"]
    assert (folder / "d.yaml").read_text() == YAML


def test_definitions_of_the_options(run, folder):
    _, out, _ = run("check", "a.log", "-m", "gain=gain(dB): ([0-9.]+)", "-m", r"step=step (\d+)", "--fix")
    assert r"-gain=gain(dB): ([0-9.]+)" in out.splitlines()
    assert any(line.startswith(r"+gain=gain\(dB\): (?P<value>") for line in out.splitlines())
    _, out, _ = run("check", "a.log", "-m", r"step=step (\d+)", "--fix")
    assert out.splitlines()[-1] == "no definition has a better regex"


def test_the_file_keeps_its_format(run, folder):
    code, _, err = run("check", "a.log", "-d", "d.yaml", "--fix", "-o", "better.yaml")
    assert (code, err) == (0, "")
    text = (folder / "better.yaml").read_text()
    assert text.startswith("# ours\n- Name: score  # the higher the better\n  Regex: 'score=(")
    code, out, _ = run("check", "a.log", "-d", "better.yaml", "--fix")
    assert code == 0
    assert out.splitlines()[1].endswith("  1.5e-05")
    assert out.splitlines()[-1] == "no definition has a better regex"


def test_several_sources_become_one_list(run, folder):
    run(
        "check",
        "a.log",
        "-d",
        "d.yaml",
        "-m",
        "gain=gain(dB): ([0-9.]+)",
        "--label",
        r"w=^(step)",
        "--fix",
        "-o",
        "all.json",
    )
    names = [one["Name"] for one in json.loads((folder / "all.json").read_text())]
    assert names == ["score", "step", "gain"]
    assert load_definitions("all.json")[0].regex.startswith("score=([-+]?")


def test_the_input_is_replaced_only_if_that_is_asked_for(run, folder):
    code, _, err = run("check", "a.log", "-d", "d.yaml", "--fix", "-o", "d.yaml")
    assert (code, err) == (
        2,
        "metricscan: d.yaml exists already\nhint: use --overwrite (overwrite=True) to replace it\n",
    )
    assert (folder / "d.yaml").read_text() == YAML
    code, _, _ = run("check", "a.log", "-d", "d.yaml", "--fix", "-o", "d.yaml", "--overwrite")
    assert code == 0
    assert "score=([-+]?" in (folder / "d.yaml").read_text()
    code, _, err = run("check", "a.log", "-d", "d.yaml", "--fix", "-o", "missing/d.yaml")
    assert code == 2
    assert err.startswith("metricscan: cannot write missing/d.yaml")


def test_what_cannot_keep_its_format_is_said(run, folder):
    (folder / "d.py").write_text("d = [{'Name': 'score', 'Regex': 'score=' '([0-9.]+)'}]\n")
    code, _, err = run("check", "a.log", "-d", "d.py", "--fix", "-o", "x.json")
    assert (code, err) == (0, "notice: x.json is a list in JSON: d.py could not be changed in place\n")
    assert json.loads((folder / "x.json").read_text())[0]["Name"] == "score"


@pytest.mark.parametrize(
    ("options", "message"), [(["-o", "x"], "--out FILE needs --fix"), (["--fix", "--overwrite"], "--overwrite needs")]
)
def test_options_that_do_not_fit(run, folder, options, message):
    code, _, err = run("check", "a.log", "-d", "d.yaml", *options)
    assert code == 2
    assert message in err


def test_json_holds_the_better_regex(run, folder):
    _, out, _ = run("check", "a.log", "-d", "d.yaml", "--fix", "--json")
    metrics = json.loads(out)["metrics"]
    assert metrics["score"]["better"].startswith("score=([-+]?")
    assert metrics["step"]["better"] is None


def test_names_do_not_steer_the_terminal(run, folder):
    _, out, _ = run("check", "a.log", "-m", "\x1b[31mred=score=([0-9.]+)", "--fix")
    assert "\x1b" not in out
    assert r"-\x1b[31mred=score=([0-9.]+)" in out.splitlines()
