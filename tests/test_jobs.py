"""From paths to logs to jobs: what is found, whose it is, what its job is called, and what is known of it."""

import gzip
import json
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import metricscan
from metricscan import OptionError, SourceError
from metricscan.logs.facts import STATUSES, parameters_of
from metricscan.logs.naming import LAYOUTS
from metricscan.logs.survey import survey

LINE = "loss=1\n"


def tree(folder, files):
    """Files, by their path within the folder: text, bytes or None for a usual log."""
    for name, content in files.items() if isinstance(files, dict) else dict.fromkeys(files).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else (LINE if content is None else content).encode())
    return folder


def told(found):
    """The streams of each job; nothing went wrong."""
    assert [str(error) for error in found.errors] == []
    names = [job.name for job in found.jobs]
    assert len(set(names)) == len(names)
    return {job.name: [log.stream for log in job.logs] for job in found.jobs}


def parameters(found):
    return {job.name: job.hyperparameters for job in found.jobs}


def messages(found):
    return [str(error) for error in found.errors]


# ---- layouts

SHOWN = {
    "SageMaker": (
        ["job-001/algo-1-1795537611", "job-001/algo-2-1795537611", "job-002/algo-1-1795537474.log"],
        {"job-001": ["algo-1-1795537611", "algo-2-1795537611"], "job-002": ["algo-1-1795537474.log"]},
    ),
    "Ray Tune": (
        ["trial_10/stdout", "trial_2/stdout", "trial_2/stderr", "trial_3/stdout.txt", "trial_4/stdout.log"],
        {
            "trial_2": ["stderr", "stdout"],
            "trial_3": ["stdout.txt"],
            "trial_4": ["stdout.log"],
            "trial_10": ["stdout"],
        },
    ),
    "Syne Tune": (
        ["0/std.out", "0/std.err", "1/std.out", "10/std.out"],
        {"0": ["std.err", "std.out"], "1": ["std.out"], "10": ["std.out"]},
    ),
    "Hydra": (
        [
            "multirun/2024-05-01/12-00-00/0/train.log",
            "multirun/2024-05-01/12-00-00/1/train.log",
            "multirun/2024-05-01/12-00-00/1/other.log",
        ],
        {"0": ["train.log"], "1": ["other.log", "train.log"]},
    ),
    "Hydra, single runs": (
        ["outputs/2024-05-01/12-00-00/train.log", "outputs/2024-05-02/13-00-00/train.log"],
        {"2024-05-01/12-00-00": ["train.log"], "2024-05-02/13-00-00": ["train.log"]},
    ),
    "W&B": (
        ["run-20240501_120000-abc/files/output.log", "offline-run-20240501_120000-def/files/output.log"],
        {"offline-run-20240501_120000-def": ["files/output.log"], "run-20240501_120000-abc": ["files/output.log"]},
    ),
    "Guild": (
        ["runs/aa11/.guild/output", "runs/bb22/.guild/output"],
        {"aa11": [".guild/output"], "bb22": [".guild/output"]},
    ),
    "Kubernetes": (
        ["ns_pod-1_uid/main/0.log", "ns_pod-1_uid/main/1.log", "ns_pod-1_uid/side/0.log", "ns_pod-2_uid/main/0.log"],
        {"ns_pod-1_uid": ["main/0.log", "main/1.log", "side/0.log"], "ns_pod-2_uid": ["main/0.log"]},
    ),
    "Kubernetes, pods of any name": (
        ["pod-1/main/0.log", "pod-1/side/0.log", "pod-2/main/0.log"],
        {"pod-1": ["main/0.log", "side/0.log"], "pod-2": ["main/0.log"]},
    ),
    "Slurm": (
        ["train-17.out", "train-17.err", "train-18.out", "train-18.err"],
        {"train-17": ["train-17.err", "train-17.out"], "train-18": ["train-18.err", "train-18.out"]},
    ),
    "Slurm, without errors": (
        ["train-17.out", "train-18.out"],
        {"train-17": ["train-17.out"], "train-18": ["train-18.out"]},
    ),
    "trials by number": (["0.log", "1.log", "10.log"], {"0": ["0.log"], "1": ["1.log"], "10": ["10.log"]}),
    "trials by number, in a folder": (
        ["a/0.log", "a/1.log", "b/0.log", "b/1.log"],
        {"a/0": ["0.log"], "a/1": ["1.log"], "b/0": ["0.log"], "b/1": ["1.log"]},
    ),
    "a file each": (["a.log", "b.txt", "c"], {"a.log": ["a.log"], "b.txt": ["b.txt"], "c": ["c"]}),
    "files that share their end": (["a.log", "sub/b.log"], {"a": ["a.log"], "sub/b": ["b.log"]}),
}


@pytest.mark.parametrize("name", SHOWN)
def test_layout(tmp_path, name):
    files, expected = SHOWN[name]
    assert told(survey([tree(tmp_path, files)])) == expected


def test_every_layout_is_shown():
    assert {tool for tool, *_ in LAYOUTS} <= set(SHOWN)


@pytest.mark.parametrize("name", SHOWN)
def test_jobs_are_in_natural_order_whatever_is_given_first(tmp_path, name):
    files, expected = SHOWN[name]
    tree(tmp_path, files)
    found = survey([tmp_path / file for file in sorted(files, reverse=True)])
    assert list(told(found)) == list(expected)
    assert told(found) == expected


@pytest.mark.parametrize("name", ["SageMaker", "Ray Tune", "Syne Tune", "Hydra", "W&B", "Kubernetes", "Slurm"])
def test_a_compressed_log_belongs_to_its_job_all_the_same(tmp_path, name):
    files, expected = SHOWN[name]
    tree(tmp_path, {f"{file}.gz": gzip.compress(LINE.encode()) for file in files})
    found = told(survey([tmp_path]))
    assert {job: [stream.removesuffix(".gz") for stream in streams] for job, streams in found.items()} == expected


def test_a_folder_may_be_given_from_within(tmp_path, monkeypatch):
    tree(tmp_path, ["trial_1/stdout", "trial_2/stdout"])
    monkeypatch.chdir(tmp_path / "trial_1")
    assert told(survey(["."])) == {"trial_1": ["stdout"]}
    assert told(survey(["stdout", "../trial_2"])) == {"trial_1": ["stdout"], "trial_2": ["stdout"]}


# ---- names


def test_names_of_files_alone(tmp_path):
    tree(tmp_path, ["train.log", "x/plain"])
    assert list(told(survey([tmp_path / "train.log"]))) == ["train"]
    assert list(told(survey([tmp_path / "x" / "plain"]))) == ["plain"]


def test_a_compressed_file_has_the_name_of_its_content(tmp_path):
    tree(tmp_path, {"a.log.gz": gzip.compress(b"loss=1\n"), "b.log": None})
    assert told(survey([tmp_path])) == {"a": ["a.log.gz"], "b": ["b.log"]}


def test_names_that_would_be_the_same_stay_long(tmp_path):
    tree(tmp_path, {"a.log": None, "a.log.gz": gzip.compress(b"loss=1\n"), "b.log": None})
    assert list(told(survey([tmp_path]))) == ["a.log", "a.log.gz", "b"]


def test_a_number_is_no_suffix(tmp_path):
    tree(tmp_path, ["lr=0.1", "lr=0.2"])
    assert parameters(survey([tmp_path])) == {"lr=0.1": {"lr": "0.1"}, "lr=0.2": {"lr": "0.2"}}


def test_folders_of_the_same_name_are_told_apart(tmp_path):
    tree(tmp_path, ["x/trial_1/stdout", "y/trial_1/stdout"])
    assert list(told(survey([tmp_path / "x", tmp_path / "y"]))) == ["x/trial_1", "y/trial_1"]


part = st.sampled_from(
    ["a", "b", "a.log", "b.log", "a.out", "a.err", "a.log.gz", "0.log", "1.log", "stdout", "x (2)", "x"]
)


@settings(max_examples=40)
@given(st.sets(st.lists(part, min_size=1, max_size=3).map("/".join), min_size=1, max_size=8), st.booleans())
def test_names_are_unique_and_no_log_is_lost(files, by_folder):
    files = [file for file in files if not any(other.startswith(file + "/") for other in files)]
    with tempfile.TemporaryDirectory() as folder:
        tree(Path(folder), files)
        found = survey([folder], job="dir" if by_folder else "auto")
        told(found)
        paths = [os.path.relpath(log.path, folder) for job in found.jobs for log in job.logs]
        for job in found.jobs:
            assert len({log.stream for log in job.logs}) == len(job.logs)
    assert sorted(paths) == sorted(files)


# ---- what is found


def test_standard_input_is_a_job(tmp_path):
    assert told(survey(["-"])) == told(survey(["-", "-"])) == {"stdin": ["stdin"]}
    tree(tmp_path, ["a.log", "stdin"])
    assert list(told(survey(["-", tmp_path / "a.log"]))) == ["a", "stdin"]
    assert len(told(survey(["-", tmp_path / "stdin"]))) == 2


def test_a_file_that_is_named_is_read_whatever_it_is(tmp_path):
    tree(tmp_path, {"model.bin": b"\0\0", "notes.json": None, ".hidden": None})
    found = survey([tmp_path / name for name in ("model.bin", "notes.json", ".hidden")])
    assert len(told(found)) == 3
    assert (found.skipped_by_name, found.skipped_binary) == (0, 0)


def test_what_is_no_log_is_passed_over_and_counted(tmp_path):
    tree(
        tmp_path,
        {
            "a.log": None,
            "no_suffix": None,
            "config.json": None,
            "model.pt": None,
            "metrics.csv.gz": gzip.compress(b"1\n"),
            "events.out.tfevents.1795537611.host": None,
            ".hidden": None,
            "requirements-dev.txt": None,
            "README.md": None,
            "core": b"text first \0 and then not",
            "core.gz": gzip.compress(b"\0" * 100),
            ".git/a.log": None,
        },
    )
    found = survey([tmp_path])
    assert list(told(found)) == ["a.log", "no_suffix"]
    assert (found.skipped_by_name, found.skipped_binary) == (7, 2)
    assert str(found) == "2 logs, 9 skipped (7 by name, 2 binary)"


def test_a_nul_that_comes_late_is_no_reason_to_pass_a_log_over(tmp_path):
    tree(tmp_path, {"a.log": b"loss=1\n" * 2000 + b"\0", "b.log": b""})
    found = survey([tmp_path])
    assert list(told(found)) == ["a", "b"]
    assert str(found) == "2 logs"
    assert str(survey([tmp_path / "b.log"])) == "1 log"


def test_a_log_in_a_compression_that_is_not_read_is_not_passed_over(tmp_path):
    tree(tmp_path, {"a.log.zst": b"\x28\xb5\x2f\xfd rest", "weights.zst": b"\x28\xb5\x2f\xfd rest"})
    found = survey([tmp_path])
    assert [Path(log.path).name for job in found.jobs for log in job.logs] == ["a.log.zst"]
    assert found.skipped_binary == 1


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        ((), ("*err",), ["trial_1/a.json", "trial_1/stdout", "trial_2/stdout"]),
        (("*.json",), (), ["trial_1/a.json"]),
        (("trial_1/*",), ("stderr",), ["trial_1/a.json", "trial_1/stdout"]),
        (("std*", "*.json"), ("trial_2/*", "*.json"), ["trial_1/stderr", "trial_1/stdout"]),
    ],
)
def test_include_and_exclude(tmp_path, include, exclude, expected):
    tree(tmp_path, ["trial_1/stdout", "trial_1/stderr", "trial_1/a.json", "trial_2/stdout"])
    found = survey([tmp_path], include=include, exclude=exclude)
    taken = [Path(log.path).relative_to(tmp_path).as_posix() for job in found.jobs for log in job.logs]
    if not include:
        expected = [name for name in expected if not name.endswith(".json")]
    assert sorted(taken) == expected
    assert found.skipped_by_name == 4 - len(expected)


def test_include_takes_no_binary(tmp_path):
    tree(tmp_path, {"a.bin": b"\0", "b.bin": None})
    found = survey([tmp_path], include=["*.bin"])
    assert list(told(found)) == ["b"]
    assert found.skipped_binary == 1


def test_a_log_is_read_once(tmp_path):
    tree(tmp_path, ["a.log", "sub/b.log"])
    (tmp_path / "same.log").symlink_to(tmp_path / "a.log")
    paths = [
        tmp_path,
        tmp_path / "a.log",
        tmp_path,
        str(tmp_path / "sub"),
        tmp_path / "same.log",
        tmp_path / "sub" / "*",
    ]
    found = survey(paths)
    assert list(told(found)) == ["a", "sub/b"]


def test_links_that_go_round_end(tmp_path):
    tree(tmp_path, ["a/x.log", "b/y.log"])
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "b" / "other").symlink_to(tmp_path / "a")
    found = told(survey([tmp_path]))
    assert len(found) == 2


def test_a_link_to_itself_stops_nothing(tmp_path):
    tree(tmp_path, ["x.log"])
    (tmp_path / "loop.log").symlink_to(tmp_path / "loop.log")
    (tmp_path / "dangling.log").symlink_to(tmp_path / "nowhere")
    assert [job.name for job in survey([tmp_path]).jobs] == ["x"]


def test_a_pipe_among_logs_is_not_waited_for(tmp_path):
    tree(tmp_path, ["x.log"])
    os.mkfifo(tmp_path / "pipe.log")
    found = survey([tmp_path])
    assert list(told(found)) == ["x"]
    assert (found.skipped_by_name, found.skipped_not_regular) == (0, 1)
    assert str(found) == "1 log, 1 skipped (0 by name, 0 binary, 1 not regular)"


def test_what_is_skipped_for_what_it_is(tmp_path):
    tree(tmp_path, ["x.log", "x.json"])
    (tmp_path / "gone.log").symlink_to("nowhere")
    (tmp_path / "circle.log").symlink_to("circle.log")
    os.mkfifo(tmp_path / "pipe")
    found = survey([tmp_path])
    assert list(told(found)) == ["x"]
    assert str(found) == "1 log, 4 skipped (1 by name, 0 binary, 3 not regular)"
    assert repr(found) == f"<Survey of {found}, 1 job>"


def test_a_folder_without_logs_says_what_is_there(tmp_path):
    def hint(folder):
        (error,) = survey([folder]).errors
        assert error.message == f"no logs in {folder}"
        return error.hint

    for name in ("nothing", "named", "other", "dataset"):
        (tmp_path / name).mkdir()
    (tmp_path / "named" / "a.json").write_text("{}")
    (tmp_path / "other" / "a.log").write_bytes(b"\0")
    (tmp_path / "other" / "link").symlink_to("nowhere")
    log = tmp_path / "a.log"
    log.write_text("loss=1\n")
    metricscan.replay(log, metricscan.Scanner(["loss=loss=(.)"]), out=tmp_path / "dataset")
    assert hint(tmp_path / "nothing") is None
    assert hint(tmp_path / "named") == "no file has the name of a log; include overrules the names"
    (error,) = survey([tmp_path / "named"], include="*.log").errors
    assert error.hint == "include and exclude leave out all of its files"
    (error,) = survey([tmp_path / "named"], exclude="a.*").errors
    assert error.hint == ("no file has the name of a log that exclude leaves in; include overrules the names")
    assert hint(tmp_path / "other") == "its files are binary or not regular"
    assert hint(tmp_path / "dataset") == "it is a dataset that replay wrote; rank reads it"


def test_one_glob_may_stand_by_itself(tmp_path):
    tree(tmp_path, ["a.log", "b.txt"])
    assert list(told(survey([tmp_path], include="*.log"))) == ["a"]
    assert list(told(survey([tmp_path], exclude="*.log"))) == ["b"]


def test_globs(tmp_path):
    tree(tmp_path, ["t/trial_10/stdout", "t/trial_2/stdout", "t/trial_2/stderr", "t/[1].log"])
    assert told(survey([tmp_path / "t" / "*" / "stdout"])) == {"trial_2": ["stdout"], "trial_10": ["stdout"]}
    assert list(told(survey([tmp_path / "t" / "trial_*"]))) == ["trial_2", "trial_10"]
    assert list(told(survey([f"{tmp_path}/**/stderr"]))) == ["trial_2"]
    assert len(told(survey([f"{tmp_path}/t/**"]))) == 3
    # a name that is there is no glob
    assert list(told(survey([tmp_path / "t" / "[1].log"]))) == ["[1]"]


# ---- what is not found


def test_what_is_missing_is_an_error_and_the_rest_is_found(tmp_path):
    tree(tmp_path, ["a.log"])
    (tmp_path / "empty").mkdir()
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    found = survey([tmp_path / name for name in ("b.log", "*.txt", "empty", "dangling", "a.log")])
    assert [job.name for job in found.jobs] == ["a"]
    assert [Path(error.path).name for error in found.errors] == ["b.log", "*.txt", "empty", "dangling"]
    assert messages(found) == [
        f"cannot open {tmp_path}/b.log: No such file or directory",
        f"nothing matches {tmp_path}/*.txt",
        f"no logs in {tmp_path}/empty",
        f"cannot open {tmp_path}/dangling: No such file or directory",
    ]


def test_a_folder_of_other_files_says_so(tmp_path):
    found = survey([tree(tmp_path, ["metrics.csv"])])
    assert messages(found) == [
        f"no logs in {tmp_path}\nhint: no file has the name of a log; include overrules the names"
    ]
    assert list(told(survey([tmp_path], include=["*.csv"]))) == ["metrics"]


# ---- hyperparameters


@pytest.mark.parametrize("file", ["hyperparameters.json", "input/config/hyperparameters.json", "params.json"])
def test_hyperparameters_lie_beside_the_logs(tmp_path, file):
    text = '{"lr": 3e-4, "units": 064, "x": 1}'.replace("064", "64.0")
    tree(tmp_path, {"trial_1/stdout": None, f"trial_1/{file}": text, "trial_2/stdout": None})
    assert parameters(survey([tmp_path])) == {"trial_1": {"lr": "3e-4", "units": "64.0", "x": "1"}, "trial_2": {}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", {}),
        ('{"a": 1e-05, "b": 1E3, "c": -0.0, "d": 10000000000000000000001}',
         {"a": "1e-05", "b": "1E3", "c": "-0.0", "d": "10000000000000000000001"}),
        ('{"a": "auto", "b": "1.50", "c": ""}', {"a": "auto", "b": "1.50", "c": ""}),
        ('{"a": true, "b": null, "c": [1, "x"], "d": {"e": 1}}',
         {"a": "true", "b": "null", "c": '[1, "x"]', "d": '{"e": 1}'}),
        ('{"é": "ü"}', {"é": "ü"}),
    ],
)  # fmt: skip
def test_hyperparameters_are_spelled_as_they_were(text, expected):
    assert parameters_of(text) == expected


def test_overrides_of_hydra(tmp_path):
    text = "- lr=3e-4\n- +model.units=64\n- ++opt=adam\n- ~debug\n- 'note=a=b'\n"
    tree(tmp_path, {"multirun/d/t/0/train.log": None, "multirun/d/t/0/.hydra/overrides.yaml": text})
    assert parameters(survey([tmp_path])) == {"0": {"lr": "3e-4", "model.units": "64", "opt": "adam", "note": "a=b"}}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lr=0.1_leaves=31.log", {"lr": "0.1", "leaves": "31"}),
        ("lr=3e-4,units=064.txt", {"lr": "3e-4", "units": "064"}),
        ("train_7f3a2_00001_1_lr=0.01,batch_size=64_2024-05-01_12-00-00/stdout", {"lr": "0.01", "batch_size": "64"}),
        ("batch_size=64_opt.name=adam/stdout", {"batch_size": "64", "opt.name": "adam"}),
        ("lr=1e-3/units=64/stdout", {"lr": "1e-3", "units": "64"}),
        ("trial_1/stdout", {}),
    ],
)
def test_hyperparameters_in_names(tmp_path, name, expected):
    tree(tmp_path, [name, "other/trial/stdout"])
    (found,) = (job.hyperparameters for job in survey([tmp_path]).jobs if job.name != "other/trial")
    assert found == expected


def test_a_file_says_more_than_a_name(tmp_path):
    tree(tmp_path, {"lr=1/stdout": None, "lr=1/params.json": '{"lr": 1.0}', "lr=2/stdout": None})
    assert parameters(survey([tmp_path])) == {"lr=1": {"lr": "1.0"}, "lr=2": {"lr": "2"}}


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("params.json", b"{", "Expecting property name"),
        ("params.json", b"", "Expecting value"),
        ("params.json", b"[1]", "an object was expected, not list"),
        ("params.json", b'{"a": "\xff"}', "can't decode byte 0xff"),
        ("params.json", b"[" * 100_000, "recursion"),
        ("params.json", b" " * ((1 << 20) + 1), "1048577 bytes; a file of hyperparameters has at most 1048576"),
        (".hydra/overrides.yaml", b"a: 1\n", "a list of KEY=VALUE was expected, not dict"),
        (".hydra/overrides.yaml", b"- 'a", "not YAML"),
    ],
)
def test_malformed_hyperparameters_are_errors(tmp_path, file, content, reason):
    tree(tmp_path, {"trial_1/stdout": None, f"trial_1/{file}": content, "trial_2/stdout": None})
    found = survey([tmp_path])
    assert [job.name for job in found.jobs] == ["trial_1", "trial_2"]
    (error,) = found.errors
    assert isinstance(error, SourceError)
    assert error.path == str(tmp_path / "trial_1" / file)
    assert reason in str(error)


# ---- the rule that the user gives


def test_each_file_or_each_folder_is_a_job(tmp_path):
    tree(tmp_path, ["trial_1/stdout", "trial_1/stderr", "trial_2/stdout"])
    expected = {"trial_1/stderr": ["stderr"], "trial_1/stdout": ["stdout"], "trial_2/stdout": ["stdout"]}
    assert told(survey([tmp_path], job="file")) == expected
    tree(tmp_path, ["trial_1/x.log"])
    assert told(survey([tmp_path], job="dir")) == {"trial_1": ["stderr", "stdout", "x.log"], "trial_2": ["stdout"]}


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (r"zq(?P<job>\d+)", {"1": ["a/zq1.log", "b/zq1.log"], "2": ["zq2.log"]}),
        (r"/([ab])/", {"a": ["zq1.log", "zq2.log"], "b": ["zq1.log"]}),
        (r"zq\d", {"zq1": ["a/zq1.log", "b/zq1.log"], "zq2": ["zq2.log"]}),
        (r"(.)/zq(?P<job>\d)", {"1": ["a/zq1.log", "b/zq1.log"], "2": ["zq2.log"]}),
    ],
    ids=["named", "first group", "whole match", "named, among others"],
)
def test_a_regex_finds_the_job(tmp_path, rule, expected):
    assert told(survey([tree(tmp_path, ["a/zq1.log", "a/zq2.log", "b/zq1.log"])], job=rule)) == expected


def test_a_log_in_which_the_regex_finds_no_job_is_an_error(tmp_path):
    tree(tmp_path, ["zq1.log", "other.log", "zq.log"])
    found = survey([tmp_path], job=r"zq(\d*)\.")
    assert [job.name for job in found.jobs] == ["1"]
    assert [Path(error.path).name for error in found.errors] == ["other.log", "zq.log"]
    assert messages(found)[0] == rf"the job regex 'zq(\\d*)\\.' finds no job in {tmp_path}/other.log"


def test_a_regex_that_does_not_compile_is_a_fault(tmp_path):
    with pytest.raises(OptionError, match=r"not auto, file or dir, and not a valid regex: .* at position 2"):
        survey([tree(tmp_path, ["a.log"])], job="zq(")


# ---- the jobs file


@pytest.fixture
def trials(tmp_path):
    return tree(tmp_path / "logs", ["trial_1/stdout", "trial_1/stderr", "trial_2/stdout", "trial_10/stdout"])


def known(folder, text, name="jobs.csv", **options):
    path = folder.parent / name
    path.write_text(text)
    return {job.name: (job.status, job.hyperparameters) for job in survey([folder], jobs_file=path, **options).jobs}


def test_a_jobs_file_in_csv(trials):
    text = 'job,status,hyperparameters\r\ntrial_10,completed,"{""lr"": 3e-4, ""n"": 64}"\r\ntrial_2,,\r\n\r\n'
    expected = {"trial_1": (None, {}), "trial_2": (None, {}), "trial_10": ("Completed", {"lr": "3e-4", "n": "64"})}
    assert known(trials, text) == expected


def test_a_jobs_file_in_json_lines(trials):
    text = (
        '{"job": "trial_10", "status": "failed", "hyperparameters": {"lr": 3e-4, "x": [1]}}\n\n'
        '{"hyperparameters": "{\\"lr\\": 1e-5}", "job": "trial_2"}\n{"job": "trial_1", "hyperparameters": null}'
    )
    expected = {"trial_1": (None, {}), "trial_2": (None, {"lr": "1e-5"})}
    expected["trial_10"] = ("Failed", {"lr": "3e-4", "x": "[1]"})
    assert known(trials, text, "jobs.jsonl") == expected


def test_a_byte_order_mark_is_no_part_of_a_column(trials):
    assert known(trials, "\ufeffjob,status\ntrial_1,done\n")["trial_1"] == ("Completed", {})


def test_a_path_says_which_job_is_meant(trials):
    text = "path,status\nlogs/trial_1,failed\nlogs/trial_2/stdout,stopped\n"
    found = known(trials, text)
    assert {name: status for name, (status, _) in found.items()} == {
        "trial_1": "Failed",
        "trial_2": "Stopped",
        "trial_10": None,
    }


def test_a_path_with_a_job_names_it(trials):
    text = "path,job,status\nlogs/trial_1,best,done\nlogs/trial_2/stdout,other,failed\n"
    found = known(trials, text)
    assert found == {"best": ("Completed", {}), "other": ("Failed", {}), "trial_10": (None, {})}


def test_the_longest_path_decides(trials):
    text = "path,job\nlogs,rest\nlogs/trial_1,one\n"
    assert list(known(trials, text)) == ["one", "rest"]


def test_a_name_that_the_file_gives_is_no_other_jobs(trials):
    text = '{"path": "logs/trial_2", "job": "trial_1", "status": "failed"}\n'
    path = trials.parent / "jobs.jsonl"
    path.write_text(text)
    jobs = {job.name: job for job in survey([trials], jobs_file=path).jobs}
    assert jobs["trial_1"].logs[0].path == str(trials / "trial_2" / "stdout")
    assert [name for name, job in jobs.items() if job.status == "Failed"] == ["trial_1"]


def test_a_path_is_absolute_or_relative_to_the_file(trials, monkeypatch):
    monkeypatch.chdir(trials / "trial_1")
    text = f"path,status\n{trials}/trial_1,failed\n./logs//trial_2/../trial_2,failed\n"
    assert [status for status, _ in known(trials, text).values()] == ["Failed", "Failed", None]


def test_a_file_says_more_than_what_lies_beside_the_logs(trials):
    tree(trials, {"trial_1/params.json": '{"lr": 1, "n": 2}'})
    text = 'job,hyperparameters\ntrial_1,"{""lr"": 1.5}"\n'
    assert known(trials, text)["trial_1"] == (None, {"lr": "1.5", "n": "2"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,status\n", "line 1: the columns are name, status; one called job or path was expected"),
        ("trial_1\n", "line 1: the columns are trial_1; one called job or path was expected"),
        ('[{"job": "trial_1"}]', "a JSON list; JSON lines were expected, one object per line"),
        ('\n [\n  {"job": "trial_1"}\n]', "a JSON list; JSON lines were expected, one object per line"),
    ],
)
def test_what_is_no_jobs_file_is_not_taken_for_an_empty_one(trials, text, message):
    with pytest.raises(SourceError, match="errors in the jobs file") as caught:
        known(trials, text)
    assert str(caught.value).splitlines()[1:] == [f"  {message}"]


@pytest.mark.parametrize("status", STATUSES)
def test_statuses_are_known_in_other_spellings(trials, status):
    for word in [status, *STATUSES[status], status.upper(), f" {status} "]:
        text = json.dumps({"job": "trial_1", "status": word})
        assert known(trials, text, "jobs.jsonl")["trial_1"][0] == status
    assert known(trials, "job,status\ntrial_1,In Progress\n")["trial_1"][0] == "InProgress"
    assert known(trials, "job,status\ntrial_1,in-progress\n")["trial_1"][0] == "InProgress"


def test_a_job_may_be_a_number(tmp_path):
    folder = tree(tmp_path / "logs", ["0/std.out", "1/std.out"])
    text = '{"job": 1, "status": "done"}\n{"job": 0, "status": "failed"}\n'
    assert known(folder, text, "jobs.jsonl") == {"0": ("Failed", {}), "1": ("Completed", {})}


def test_a_line_of_json_ends_at_a_newline_alone(tmp_path):
    name = "a\u2028b\x85c"
    folder = tree(tmp_path / "logs", [f"{name}/stdout", "d/stdout"])
    text = json.dumps({"job": name, "status": "done"}, ensure_ascii=False) + "\n"
    assert known(folder, text, "jobs.jsonl")[name] == ("Completed", {})


def faults(trials, text, name="jobs.csv"):
    with pytest.raises(SourceError) as caught:
        known(trials, text, name)
    assert caught.value.path == str(trials.parent / name)
    return str(caught.value)


def test_all_faults_of_a_jobs_file_come_together(trials):
    text = (
        '{"job": "trial_1", "status": "dead"}\n'
        '{"job": "trial_2"}\n'
        "[1]\n"
        '{"job": \n'
        '{"status": "done"}\n'
        '{"job": "trial_2", "status": "done"}\n'
        '{"job": "trial_10", "score": 1, "seed": 2}\n'
        '{"job": "trial_10", "hyperparameters": [1]}\n'
        '{"job": "trial_10", "hyperparameters": "{"}\n'
    )
    message = faults(trials, text, "jobs.jsonl")
    reason = "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"
    lines = [line.strip() for line in message.splitlines()]
    assert lines[0] == f"errors in the jobs file {trials.parent}/jobs.jsonl"
    assert sorted(lines[1:]) == [
        "line 1: status 'dead'; one of Completed, Failed, Stopped, InProgress was expected",
        "line 3: an object was expected",
        "line 4: not JSON: Expecting value, column 9",
        "line 5: job or path is missing",
        "line 6: trial_2 is already in line 2",
        "line 7: unknown columns score, seed; job, path, status and hyperparameters were expected",
        "line 8: hyperparameters are not a JSON object: the JSON object must be str, bytes or bytearray, not list",
        f"line 9: hyperparameters are not a JSON object: {reason}",
    ]


def test_faults_of_csv_have_their_lines(trials):
    text = 'job,status\ntrial_1,"done"\ntrial_2,dead\ntrial_2,done,more\n,done\n'
    message = faults(trials, text)
    assert [line.split(":")[0].strip() for line in message.splitlines()[1:]] == ["line 3", "line 4", "line 5"]


def test_a_quote_that_is_never_closed_is_a_fault(trials):
    message = faults(trials, 'job,status\ntrial_1,"done\n' + "trial_2,done\n" * 20_000)
    assert "errors in the jobs file" in message


def test_jobs_of_which_there_is_no_log_are_faults(trials):
    message = faults(trials, "job,path,status\ntrial_3,,done\n,logs/trial_4,done\ntrial_1,,done\n")
    assert message.splitlines() == [
        f"the jobs file {trials.parent}/jobs.csv names jobs that have no log",
        "  line 2: trial_3",
        f"  line 3: {trials}/trial_4",
        "hint: the jobs found are trial_1, trial_2, trial_10",
    ]


def test_a_jobs_file_that_cannot_be_read(trials):
    with pytest.raises(SourceError, match=r"cannot read the jobs file .*: No such file") as caught:
        survey([trials], jobs_file=trials.parent / "none.csv")
    assert caught.value.path == str(trials.parent / "none.csv")
    (trials.parent / "jobs.csv").write_bytes(b"job\n\xff\n")
    with pytest.raises(SourceError, match="can't decode byte 0xff"):
        survey([trials], jobs_file=trials.parent / "jobs.csv")
