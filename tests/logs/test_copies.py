"""Copies of runs and logs, named like links to them: they are left out, and the reader of a result is told."""

import bz2
import gzip
import lzma
from pathlib import Path

import pytest
from support.folders import tree
from support.surveys import notices, told

from metricscan.logs.survey import survey


@pytest.mark.parametrize("name", ["latest-run", "latest", "last", "best", "Current", "LATEST_RUN", "newest-trial"])
def test_a_copied_folder_is_no_second_job(tmp_path, monkeypatch, name):
    tree(tmp_path, {"run-1/a.log": "loss=1\n", "run-2/a.log": "loss=2\n", f"{name}/a.log": "loss=2\n"})
    expected = {"run-1/a": ["a.log"], "run-2/a": ["a.log"]}
    for paths in ([tmp_path], [tmp_path / "run-1", tmp_path / name, tmp_path / "run-2"], [tmp_path / "*"]):
        found = survey(paths)
        assert told(found) == expected
        assert found.skipped_copies == 1
        assert str(found) == "2 logs, 1 copy left out"
        assert notices(found) == [
            f"{tmp_path}/{name} is a copy of {tmp_path}/run-2 and was left out; give its path alone to read it"
        ]
    assert set(found.sizes) == {log.path for job in found.jobs for log in job.logs}
    assert list(told(survey([tmp_path / name]))) == ["a"]
    monkeypatch.chdir(tmp_path)
    for paths in (["."], ["run-1", name, "run-2/"], [name + "/", "run-2", "run-1"]):
        assert told(survey(paths)) == expected
    # what is left of the copy if its sibling is left out
    assert len(told(survey([tmp_path], exclude="run-2/*"))) == 2
    assert len(told(survey([tmp_path / name / "a.log", tmp_path]))) == 3


@pytest.mark.parametrize(
    "files",
    [
        {"latest/a.log": "loss=1\n", "run-1/a.log": "loss=2\n"},
        {"latest/a.log": "loss=1\n", "run-1/a.log": "loss=1\nloss=2\n"},
        {"latest/a.log": "loss=1\n", "run-1/b.log": "loss=1\n"},
        {"latest/a.log": "loss=1\n", "run-1/a.log": "loss=1\n", "run-1/b.log": "loss=1\n"},
        {"latest/a.log": "loss=1\n", "latest/b.log": "loss=3\n", "run-1/a.log": "loss=1\n"},
        {"latest/a.log": "", "run-1/a.log": ""},
        {"latest/a.log": "start\n", "run-1/a.log": "start\n", "run-2/a.log": "start\n"},
        {"latest/a.log": "loss=1\n", "latest-run/a.log": "loss=1\n"},
        {"x/latest/a.log": "loss=1\n", "run-1/a.log": "loss=1\n"},
        {"newer/a.log": "loss=1\n", "run-1/a.log": "loss=1\n"},
        {"latest.log": "loss=1\n", "run.txt": "loss=1\n"},
        {"latest.log": "loss=1\n", "run.log": "loss=2\n"},
    ],
    ids=" ".join,
)
def test_what_is_no_copy(tmp_path, files):
    found = survey([tree(tmp_path, files)])
    assert len(told(found)) == len(files)
    assert (found.skipped_copies, found.notices) == (0, [])


def test_copies_of_logs_and_of_deep_folders(tmp_path):
    files = {"in/stdout": "loss=1\n", "in/deep/x.log": "", "w.log": "loss=2\n"}
    tree(tmp_path, {f"{run}/{name}": text for run in ("exp/run-3", "exp/latest") for name, text in files.items()})
    tree(tmp_path, {"one.log": "loss=3\n", "two.log": "loss=4\n", "last.log": "loss=4\n"})
    found = survey([tmp_path])
    assert {Path(log.path).relative_to(tmp_path).as_posix() for job in found.jobs for log in job.logs} == {
        *(f"exp/run-3/{name}" for name in files),
        "one.log",
        "two.log",
    }
    assert notices(found) == [
        (
            "2 folders or logs are copies of others beside them and were left out, for example "
            f"{tmp_path}/last.log of {tmp_path}/two.log; give the path of one alone to read it"
        )
    ]
    assert len(told(survey([tmp_path / name for name in ("one.log", "two.log", "last.log")]))) == 3


def test_a_copy_of_a_run_of_wandb(tmp_path):
    """The names of W&B's own logs say what they are only in the folder of a run."""
    for name in ("run-20260302_100000-def2", "latest-run"):
        tree(tmp_path / "wandb" / name, {"files/output.log": None, "logs/debug.log": "start\n"})
    found = survey([tmp_path / "wandb"])
    assert told(found) == {"run-20260302_100000-def2": ["files/output.log"]}
    assert found.skipped_copies == 1


def test_large_logs_are_compared_at_both_ends(tmp_path, monkeypatch):
    monkeypatch.setattr("metricscan.logs.copies._COMPARED_BYTES", 64)
    monkeypatch.setattr("metricscan.logs.copies._PIECE_BYTES", 7)
    text = "loss=1\n" * 50
    tree(tmp_path, {"run-1/a.log": text, "latest/a.log": text})
    assert survey([tmp_path]).skipped_copies == 1
    for at in (0, 31, len(text) - 32, len(text) - 1):
        changed = f"{text[:at]}x{text[at + 1 :]}"
        assert survey([tree(tmp_path, {"latest/a.log": changed})]).skipped_copies == 0


@pytest.mark.parametrize(("suffix", "packed"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)])
def test_a_compressed_copy_beside_its_log(tmp_path, suffix, packed):
    tree(
        tmp_path,
        {"train.log": "loss=1\n", "other.log": "loss=2\n", "grown.log": "loss=1\nloss=2\n", "x/train.log": "loss=1\n"},
    )
    for name, text in {"train": "loss=1\n", "other": "loss=1\n", "grown": "loss=1\n", "alone": "loss=1\n"}.items():
        (tmp_path / f"{name}.log{suffix}").write_bytes(packed(text.encode()))
    (tmp_path / "x" / f"train.log{suffix}").write_bytes(packed(b"loss=1\n")[:-4])
    found = survey([tmp_path])
    left = {"train.log", "other.log", "grown.log", "alone.log" + suffix, "other.log" + suffix, "grown.log" + suffix}
    assert {Path(path).name for path in found.sizes if "/x/" not in path} == left
    # what cannot be read to its end is no copy
    assert f"{tmp_path}/x/train.log{suffix}" in found.sizes
    path = f"{tmp_path}/train.log{suffix}"
    assert found.skipped_copies == 1
    assert f"{path} is a copy of {tmp_path}/train.log and was left out; give its path alone to read it" in notices(
        found
    )
    assert path in survey([tmp_path, path]).sizes
