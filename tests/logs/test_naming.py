"""Which logs are one job, and the name of each job: by layout, by file names, by the rule that the user gives."""

import gzip
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.folders import LINE, tree
from support.surveys import messages, parameters, told

from metricscan import OptionError
from metricscan.logs.naming import LAYOUTS, _layouts_in
from metricscan.logs.survey import survey

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
    "torchrun": (
        [
            "logs/exp_a1/attempt_0/0/stdout.log",
            "logs/exp_a1/attempt_0/1/stderr.log",
            "logs/none_b2/attempt_0/0/stdout.log",
        ],
        {"exp_a1": ["attempt_0/0/stdout.log", "attempt_0/1/stderr.log"], "none_b2": ["attempt_0/0/stdout.log"]},
    ),
    "torchrun, with roles": (
        ["e/attempt_0/default/0/stdout.log", "e/attempt_0/default/1/stdout.log"],
        {"e": ["attempt_0/default/0/stdout.log", "attempt_0/default/1/stdout.log"]},
    ),
    "Azure ML": (
        [
            "run_1/user_logs/std_log_process_0.txt",
            "run_1/user_logs/std_log_process_1.txt",
            "run_2/artifacts/user_logs/std_log.txt",
            "run_3/azureml-logs/70_driver_log_0.txt",
            "run_3/azureml-logs/70_driver_log_1.txt",
        ],
        {
            "run_1": ["user_logs/std_log_process_0.txt", "user_logs/std_log_process_1.txt"],
            "run_2": ["artifacts/user_logs/std_log.txt"],
            "run_3": ["azureml-logs/70_driver_log_0.txt", "azureml-logs/70_driver_log_1.txt"],
        },
    ),
    "Databricks": (
        [
            "0301-100000-abc1/driver/stdout",
            "0301-100000-abc1/driver/stdout--2026-03-01--10-00",
            "0301-100000-abc1/driver/log4j-active.log",
            "0301-100000-abc1/executor/app-20260301-0000/0/stderr",
            "0301-110000-abc2/driver/stdout",
        ],
        {
            "0301-100000-abc1": [
                "driver/log4j-active.log",
                "driver/stdout",
                "driver/stdout",
                "executor/app-20260301-0000/0/stderr",
            ],
            "0301-110000-abc2": ["driver/stdout"],
        },
    ),
    "PBS and SGE": (
        [
            "fit.o17",
            "fit.e17",
            "fit.sh.o18.1",
            "fit.sh.e18.1",
            "fit.sh.po18.1",
            "fit.o19[2]",
            "fit.e19[2]",
            "fit.o20",
            "fit.o21",
        ],
        {
            "fit.17": ["fit.e17", "fit.o17"],
            "fit.19[2]": ["fit.e19[2]", "fit.o19[2]"],
            "fit.o20": ["fit.o20"],
            "fit.o21": ["fit.o21"],
            "fit.sh.18.1": ["fit.sh.e18.1", "fit.sh.o18.1", "fit.sh.po18.1"],
        },
    ),
    "Metaflow": (
        [
            "F/17/train/2/0.runtime_stdout.log",
            "F/17/train/2/0.runtime_stderr.log",
            "F/17/train/2/1.runtime_stdout.log",
            "F/17/train/3/0.task_stdout.log",
        ],
        {
            "2": ["0.runtime_stderr.log", "1.runtime_stdout.log", "1.runtime_stdout.log"],
            "3": ["0.task_stdout.log"],
        },
    ),
    "Airflow": (
        [
            "dag_id=d/run_id=r1/task_id=fit/attempt=1.log",
            "dag_id=d/run_id=r1/task_id=fit/attempt=2.log",
            "dag_id=d/run_id=r1/task_id=map/map_index=0/attempt=1.log",
        ],
        {"task_id=fit": ["attempt=2.log", "attempt=2.log"], "task_id=map/map_index=0": ["attempt=1.log"]},
    ),
    "SkyPilot": (
        [
            "sky-2026-03-01-10-00-00-123456/run.log",
            "sky-2026-03-01-10-00-00-123456/tasks/run.log",
            "sky-2026-03-01-11-00-00-000001/tasks/run.log",
            "sky-2026-03-01/run.log",
        ],
        {
            "sky-2026-03-01-10-00-00-123456": ["run.log", "tasks/run.log"],
            "sky-2026-03-01-11-00-00-000001": ["tasks/run.log"],
            "sky-2026-03-01/run": ["run.log"],
        },
    ),
    "submitit": (
        ["7_0_log.out", "7_0_log.err", "7_1_log.out", "8_3_0_log.out", "8_4_0_log.out", "9/9_0_log.out"],
        {
            "7": ["7_0_log.err", "7_0_log.out", "7_1_log.out"],
            "8_3": ["8_3_0_log.out"],
            "8_4": ["8_4_0_log.out"],
            "9": ["9_0_log.out"],
        },
    ),
    "DeepSpeed": (
        ["20260301100000_rank0.log", "20260301100000_rank1.log", "20260302100000_rank0.log"],
        {
            "20260301100000": ["20260301100000_rank0.log", "20260301100000_rank1.log"],
            "20260302100000": ["20260302100000_rank0.log"],
        },
    ),
    "NNI": (
        ["trials/aB3/trial.log", "trials/aB3/trial.stderr", "trials/xY9/trial.log", "trials/xY9/stderr"],
        {"aB3": ["trial.log", "trial.stderr"], "xY9": ["stderr", "trial.log"]},
    ),
    "MLflow": (
        [
            f"0/{'ab' * 16}/artifacts/train.log",
            f"0/{'ab' * 16}/artifacts/in/x.txt",
            f"0/{'cd' * 16}/artifacts/train.log",
        ],
        {"ab" * 16: ["artifacts/in/x.txt", "artifacts/train.log"], "cd" * 16: ["artifacts/train.log"]},
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
        # the restarts of a container are parts of one stream
        {"ns_pod-1_uid": ["main/1.log", "main/1.log", "side/0.log"], "ns_pod-2_uid": ["main/0.log"]},
    ),
    "trials with one numbered log each": (
        ["sweep/lr=0.1/0.log", "sweep/lr=0.2/0.log", "other/a/0.log"],
        {"other/a/0": ["0.log"], "sweep/lr=0.1/0": ["0.log"], "sweep/lr=0.2/0": ["0.log"]},
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


def test_pods_of_any_name_have_logs_of_a_container(tmp_path):
    line = "2026-03-01T10:00:00.5Z stdout F loss=1\n"
    files = {f"{name}/0.log": line for name in ("pod-1/main", "pod-1/side", "pod-2/main")}
    found = told(survey([tree(tmp_path, files)], input_format="auto"))
    assert found == {"pod-1": ["main/0.log/stdout", "side/0.log/stdout"], "pod-2": ["main/0.log/stdout"]}


def test_every_layout_is_shown():
    assert {tool for tool, *_ in LAYOUTS} <= set(SHOWN)


# parts of paths: what the layouts' texts are made of, alone and within longer names
TEXTS = sorted({part for _, text, _ in LAYOUTS for part in text.split("/") if part})
PARTS = st.builds("".join, st.lists(st.sampled_from([*TEXTS, "x", "1", ".log"]), min_size=1, max_size=2))


@given(st.lists(PARTS, min_size=1, max_size=5))
@example(["files", "output.log"])
@example(["a", "trials"])
def test_a_folder_leaves_out_no_layout_that_a_path_in_it_may_fit(parts):
    place = "/" + "/".join(parts)
    fitting = [layout for layout in LAYOUTS if layout[1] in place]
    assert [layout for layout in _layouts_in(os.path.dirname(place)) if layout[1] in place] == fitting


@pytest.mark.parametrize("name", SHOWN)
def test_jobs_are_in_natural_order_whatever_is_given_first(tmp_path, name):
    files, expected = SHOWN[name]
    tree(tmp_path, files)
    found = survey([tmp_path / file for file in sorted(files, reverse=True)])
    assert list(told(found)) == list(expected)
    assert told(found) == expected


@pytest.mark.parametrize(
    "name",
    [
        "SageMaker",
        "torchrun",
        "NNI",
        "Ray Tune",
        "Syne Tune",
        "SkyPilot",
        "submitit",
        "DeepSpeed",
        "Hydra",
        "W&B",
        "Guild",
        "MLflow",
        "Kubernetes",
        "Slurm",
    ],
)
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
    tree(tmp_path, {"a.log": None, "a.log.gz": gzip.compress(b"loss=2\n"), "b.log": None})
    assert list(told(survey([tmp_path]))) == ["a.log", "a.log.gz", "b"]


def test_a_number_is_no_suffix(tmp_path):
    tree(tmp_path, ["lr=0.1", "lr=0.2"])
    assert parameters(survey([tmp_path])) == {"lr=0.1": {"lr": "0.1"}, "lr=0.2": {"lr": "0.2"}}


def test_folders_of_the_same_name_are_disambiguated(tmp_path):
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
        # logs with the same content could be copies of each other
        tree(Path(folder), {file: f"loss={number}\n" for number, file in enumerate(files)})
        found = survey([folder], job="dir" if by_folder else "auto")
        told(found)
        paths = [os.path.relpath(log.path, folder) for job in found.jobs for log in job.logs]
        for job in found.jobs:
            assert len({log.stream for log in job.logs}) == len(job.logs)
    assert sorted(paths) == sorted(files)


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


def test_a_regex_that_does_not_compile_is_an_error(tmp_path):
    with pytest.raises(OptionError, match=r"not auto, file or dir, and not a valid regex: .* at position 2"):
        survey([tree(tmp_path, ["a.log"])], job="zq(")


def test_what_include_takes_of_a_run_is_a_stream_of_the_run(tmp_path):
    run = "wandb/run-20260301_100000-abc"
    top = tree(tmp_path, {f"{run}/{name}": LINE for name in ("files/output.log", "logs/debug.log")})
    assert told(survey([top], include="*abc*")) == {"run-20260301_100000-abc": ["files/output.log", "logs/debug.log"]}
