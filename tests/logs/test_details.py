"""The survey that a user asks for: why each file is a log or none, what its first bytes show, whose it is."""

import builtins
import codecs
import gzip
import json
import os
import typing

import pytest
from support.folders import tree

import metricscan
from metricscan.logs import find, job
from metricscan.logs.details import encoding_of

EVENTS = json.dumps({"events": [{"timestamp": 1772359200000, "message": "loss=1", "logStreamName": "t/algo-1-1"}]})


def decided(found, folder):
    """Per path within the folder: whether it is a log, and why."""
    return {os.path.relpath(file.path, folder): (file.taken, file.why) for file in found.files}


def file_of(found, name):
    (file,) = (file for file in found.files if file.path.endswith(name))
    return file


def test_why_each_file_is_a_log_or_none(tmp_path):
    tree(
        tmp_path,
        {
            "x/a.log": None,
            "x/notes": None,
            "x/events.json": EVENTS,
            "x/config.json": "{}",
            "x/.hidden.log": None,
            "x/.kept/b.log": None,
            "x/weights": b"\0\1",
            "trial/stdout": None,
            "trial/params.json": '{"lr": 1}',
            "run/.guild/output": None,
            "run/.guild/opref": None,
            "run/.guild/attrs/exit_status": "0\n",
            "latest/.guild/output": None,
            "elsewhere/e.log": None,
        },
    )
    os.mkfifo(tmp_path / "x" / "pipe")
    for at, target in {"x/gone": "nowhere", "x/z": "../trial", "x/up": "../elsewhere", "x/l.log": "a.log"}.items():
        (tmp_path / at).symlink_to(target)
    os.link(tmp_path / "x" / "a.log", tmp_path / "x" / "same.log")
    found = metricscan.survey([tmp_path / name for name in ("x", "trial", "run", "latest")])
    assert decided(found, tmp_path) == {
        "x/a.log": (True, "by-name"),
        "x/notes": (True, "by-name"),
        "x/events.json": (True, "by-content"),
        "x/config.json": (False, "by-name"),
        "x/.hidden.log": (False, "hidden"),
        "x/.kept": (False, "hidden"),
        "x/weights": (False, "binary"),
        "x/pipe": (False, "not-regular"),
        "x/gone": (False, "broken-link"),
        "x/z": (False, "link"),
        "x/up": (False, "elsewhere"),
        "x/l.log": (False, "link"),
        "x/same.log": (False, "same-file"),
        "trial/stdout": (True, "by-name"),
        "trial/params.json": (False, "facts"),
        "run/.guild/output": (True, "by-name"),
        "run/.guild/opref": (False, "of-tool"),
        "run/.guild/attrs": (False, "of-tool"),
        "latest/.guild/output": (False, "copy"),
    }
    same_as = {os.path.relpath(file.path, tmp_path): file.same_as for file in found.files if file.same_as}
    assert same_as == {
        "x/gone": "nowhere",
        "x/z": f"{tmp_path}/trial",
        "x/l.log": f"{tmp_path}/x/a.log",
        "x/same.log": f"{tmp_path}/x/a.log",
        "latest/.guild/output": f"{tmp_path}/run/.guild/output",
    }
    assert found.errors == []
    # as in a replay
    assert (found.skipped, found.skipped_links, found.skipped_copies) == (7, 1, 1)


def test_given_files_and_globs_of_files(tmp_path):
    tree(tmp_path, {"a.log": None, "b.json": "{}", "c.log": None, "d.txt": None})
    found = metricscan.survey(tmp_path / "b.json")
    assert decided(found, tmp_path) == {"b.json": (True, "given")}
    found = metricscan.survey(tmp_path, include=["*.json", "*.log"], exclude="c.*")
    assert decided(found, tmp_path) == {
        "a.log": (True, "included"),
        "b.json": (True, "included"),
        "c.log": (False, "excluded"),
        "d.txt": (False, "not-included"),
    }
    (file,) = metricscan.survey("-").files
    assert file[:3] == ("-", True, "given")
    assert (file.job, file.stream, file.format) == ("stdin", "stdin", None)


def test_a_hidden_folder_that_is_given_too(tmp_path):
    tree(tmp_path, ["a.log", ".kept/b.log"])
    for paths in ([tmp_path, tmp_path / ".kept"], [tmp_path / ".kept", tmp_path]):
        found = metricscan.survey(paths)
        assert decided(found, tmp_path) == {"a.log": (True, "by-name"), ".kept/b.log": (True, "by-name")}
        assert found.notices == []


def test_the_reasons_are_those_that_are_named():
    text = job.SurveyedFile.__doc__
    assert [why for why in typing.get_args(job.Why) if f'``"{why}"``' not in text] == []


def test_files_of_a_dataset(tmp_path):
    tree(tmp_path, ["logs/a.log"])
    out = tmp_path / "logs" / "tables"
    metricscan.replay(tmp_path / "logs", metricscan.Scanner(["loss=loss=(.)"]), out=out)
    found = metricscan.survey(tmp_path / "logs")
    assert {file.why for file in found.files if not file.taken} == {"dataset"}
    assert [file.path for file in found.files if file.taken] == [f"{tmp_path}/logs/a.log"]


def test_what_first_bytes_show(tmp_path):
    tree(
        tmp_path,
        {
            "ascii.log": "loss=1\n",
            "empty.log": b"",
            "utf8.log": "größe 1\n",
            "mark.log": codecs.BOM_UTF8 + b"loss=1\n",
            "latin.log": "größe".encode("latin-1"),
            "packed.log": gzip.compress("é".encode()),
            "export.log": EVENTS,
            "old.log": b"\x1f\x9d\x90 rest",
        },
    )
    found = metricscan.survey(tmp_path)
    shown = {os.path.basename(file.path): (file.format, file.compression, file.encoding) for file in found.files}
    assert shown == {
        "ascii.log": ("plain", None, "ascii"),
        "empty.log": ("plain", None, None),
        "utf8.log": ("plain", None, "utf-8"),
        "mark.log": ("plain", None, "utf-8-sig"),
        "latin.log": ("plain", None, "unknown"),
        "packed.log": ("plain", "gzip", "utf-8"),
        "export.log": ("cloudwatch-json", None, "ascii"),
        "old.log": (None, "compress (.Z)", None),
    }
    # as a scan would meet it
    assert [error.path for error in found.errors] == [f"{tmp_path}/old.log"]
    assert file_of(found, "utf8.log").size == len("größe 1\n".encode())
    assert file_of(metricscan.survey(tmp_path, input_format="plain"), "export.log").format == "plain"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_marks_name_encodings(encoding):
    assert encoding_of("\ufeffloss=0.5".encode(encoding)) == encoding


def test_a_character_that_is_cut_and_bytes_that_are_no_text():
    assert encoding_of("aé".encode()[:-1]) == "utf-8"
    assert encoding_of(b"\0\0loss=1") == "ascii"
    assert encoding_of(b"a\0b") == "unknown"


def test_an_export_has_a_file_per_stream(tmp_path):
    events = [{"timestamp": 1, "message": "loss=1", "logStreamName": f"{job}/algo-1-1"} for job in ("t1", "t2")]
    tree(tmp_path, {"all.json": json.dumps({"events": events}), "b.log": None})
    found = metricscan.survey(tmp_path)
    assert [(os.path.basename(file.path), file.job, file.stream) for file in found.files] == [
        ("all.json", "t1", "algo-1-1"),
        ("all.json", "t2", "algo-1-1"),
        ("b.log", "b", "b.log"),
    ]


def test_jobs_and_where_their_facts_come_from(tmp_path):
    tree(
        tmp_path,
        {
            "logs/seed=3/stdout": None,
            "logs/seed=3/params.json": '{"lr": 3e-4, "units": 64}',
            "logs/seed=4/stdout": None,
            "jobs.csv": 'job,status,hyperparameters\nseed=3,failed,"{""units"": 32}"\n',
        },
    )
    first, second = metricscan.survey(tmp_path / "logs", jobs=tmp_path / "jobs.csv").jobs
    assert (first.status, first.status_source) == ("Failed", f"{tmp_path}/jobs.csv")
    assert first.hyperparameters == {"seed": "3", "lr": "3e-4", "units": "32"}
    assert first.parameter_sources == {
        "seed": "name",
        "lr": f"{tmp_path}/logs/seed=3/params.json",
        "units": f"{tmp_path}/jobs.csv",
    }
    assert (second.status, second.status_source, second.parameter_sources) == (None, None, {"seed": "name"})


def test_a_log_that_cannot_be_opened(tmp_path, monkeypatch):
    tree(tmp_path, ["a.log", "b.log"])
    # root may read any file
    look_at, open_ = find.look_at, builtins.open
    closed = f"{tmp_path}/b.log"

    def refusing(path, *arguments, **options):
        if path == closed:
            raise PermissionError(13, "Permission denied")
        return open_(path, *arguments, **options)

    monkeypatch.setattr(
        find,
        "look_at",
        lambda paths, magic: [
            None if os.fsdecode(path) == closed else look
            for path, look in zip(paths, look_at(paths, magic), strict=True)
        ],
    )
    monkeypatch.setattr(builtins, "open", refusing)
    found = metricscan.survey(tmp_path)
    assert decided(found, tmp_path) == {"a.log": (True, "by-name"), "b.log": (True, "by-name")}
    assert [str(error) for error in found.errors] == [f"cannot open {closed}: Permission denied"]


def test_a_log_without_a_job(tmp_path):
    found = metricscan.survey(tree(tmp_path, ["a.log", "trial_1.log"]), job=r"(trial_\d+)")
    assert [(file.job, file.stream) for file in found.files] == [(None, None), ("trial_1", "trial_1.log")]
    assert len(found.errors) == 1


def test_a_pipe_that_is_given_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (file,) = metricscan.survey(tmp_path / "pipe").files
    assert (file.taken, file.why, file.size, file.format) == (True, "given", None, None)


def test_wrong_options_are_named_together(tmp_path):
    with pytest.raises(metricscan.OptionError) as raised:
        metricscan.survey(tmp_path, job="(", jobs=3, input_format="csv")
    assert all(name in str(raised.value) for name in ("job='('", "jobs=3", "input_format='csv'"))
    for paths in (b"logs", 3):
        with pytest.raises(TypeError, match="a path or an iterable of paths was expected"):
            metricscan.survey(paths)


def test_a_replay_lists_no_files(tmp_path):
    found = metricscan.replay(tree(tmp_path, ["a.log"]), metricscan.Scanner(["loss=loss=(.)"])).survey
    assert isinstance(found, metricscan.Survey)
    assert found.files == []
