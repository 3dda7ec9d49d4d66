"""Folders of jobs that ``metricscan run`` started: their jobs, streams, facts and statuses; what else lies in them is no log."""

import contextlib
import json
import os
import socket
import subprocess

import pytest
from support.archives import packed
from support.folders import tree
from support.surveys import told

import metricscan
from metricscan import Objective
from metricscan.logs.job_record import ERRORS, OUTPUT, RECORD, parsed
from metricscan.logs.living import identity
from metricscan.logs.survey import survey

SCANNER = metricscan.Scanner(["loss=loss=([0-9.]+)"])


def record(status="Completed", **fields):
    document = {
        "format": "metricscan job",
        "version": 1,
        "job": "a",
        "status": status,
        "exit_code": 0,
        "folder": "/runs/a",
        "outputs": [OUTPUT],
        "grace_s": 1.5,
        "hyperparameters": {"lr": "0.1"},
        "runner": identity(os.getpid()),
        **fields,
    }
    return json.dumps(document)


def job(name, text="loss=0.5\n", **fields):
    """The files of a job."""
    return {
        f"{name}/{OUTPUT}": text,
        f"{name}/{RECORD}": record(**fields),
        f"{name}/ml/input/config/hyperparameters.json": '{"lr": "0.1", "api_key": "hidden"}',
        f"{name}/ml/output/data/predictions.txt": "loss=0\n",
        f"{name}/ml/model/notes": "loss=0\n",
    }


@pytest.fixture
def ended():
    """The identity of a process that has ended."""
    with subprocess.Popen(["sleep", "600"]) as process:
        known = identity(process.pid)
        process.kill()
    return known


@pytest.mark.parametrize("kind", [None, "logs.tar", "logs.tar.gz", "logs.zip"])
def test_a_folder_of_runs_is_a_folder_of_jobs(tmp_path, kind):
    files = {
        **job("runs/a"),
        f"runs/a/{ERRORS}": "warning\n",
        **job("runs/b", status="Failed", hyperparameters={"lr": "0.3", "api_key": "***"}),
        **job("runs/c", status="Stopped"),
        **job("runs/d", status="Unknown"),
    }
    tree(tmp_path, files)
    path = tmp_path / "runs"
    if kind is not None:
        path = tmp_path / kind
        path.write_bytes(packed(tmp_path / "runs", kind))
    found = survey([path])
    assert found.errors == []
    assert told(found) == {"a": [ERRORS, OUTPUT], "b": [OUTPUT], "c": [OUTPUT], "d": [OUTPUT]}
    assert [one.status for one in found.jobs] == ["Completed", "Failed", "Stopped", "Unknown"]
    assert found.jobs[1].hyperparameters == {"lr": "0.3", "api_key": "***"}
    assert found.jobs[1].status_source.endswith("/b/job.json")


def test_a_job_that_runs_may_win_and_an_unknown_one_never_does(tmp_path, ended):
    here = identity(os.getpid())
    files = {
        **job("runs/done", "loss=3\n"),
        **job("runs/running", "loss=2\n", status="InProgress", supervisor=here),
        **job("runs/lost", "loss=1\n", status="InProgress", supervisor=ended),
        **job("runs/unknown", "loss=0.5\n", status="Unknown"),
        **job("runs/failed", "loss=0.25\n", status="Failed"),
    }
    tree(tmp_path, files)
    replay = metricscan.replay(tmp_path / "runs", SCANNER, objective=Objective("loss", "Minimize"))
    ranking = replay.ranking.to_pylist()
    assert [(row["rank"], row["job"], row["job_status"]) for row in ranking] == [
        (1, "running", "InProgress"),
        (2, "done", "Completed"),
        (None, "failed", "Failed"),
        (None, "unknown", "Unknown"),
        (None, "lost", "Unknown"),
    ]
    doubts = {row["job"]: [doubt["kind"] for doubt in row["doubts"]] for row in ranking}
    assert doubts == {"running": ["running"], "done": [], "failed": [], "unknown": [], "lost": []}


def test_of_a_job_on_another_machine_its_record_is_believed(tmp_path, ended):
    elsewhere = {**ended, "host": socket.gethostname() + "-2", "boot": "another"}
    tree(tmp_path, job("a", status="InProgress", supervisor=elsewhere))
    assert [one.status for one in survey([tmp_path]).jobs] == ["InProgress"]
    # the same machine was started again since
    tree(tmp_path, job("a", status="InProgress", supervisor={**ended, "boot": "an earlier one"}))
    assert [one.status for one in survey([tmp_path]).jobs] == ["Unknown"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (record()[:-40], "cannot read the record of the job in"),
        (record(version=2), "a record of version 2: version 1 is the newest that is known"),
        (record(status="Odd"), "the status 'Odd' is none of"),
        (record(hyperparameters=[1]), "an object of texts was expected at hyperparameters"),
        (record(hyperparameters={"a": 1}), "an object of texts was expected at hyperparameters"),
        (record(outputs=["../../secret"]), "output.log or errors.log was expected at outputs"),
        (record(runner=None), "a process was expected at runner"),
        (record(supervisor={"pid": 1}), "a process was expected at supervisor"),
        (record(child=7), "a process was expected at child"),
        (record(exit_code="0"), "a number or null was expected at exit_code"),
        (record(failure_reason=1), "a text or null was expected at failure_reason"),
        (record(job=None), "a text was expected at job"),
        (record(grace_s=None), "a number was expected at grace_s"),
        (record(scanner=[]), "an object or null was expected at scanner"),
    ],
)
def test_a_record_that_cannot_be_read_is_an_error_and_the_log_is_read(tmp_path, text, message):
    tree(tmp_path, {**job("a"), f"a/{RECORD}": text})
    found = survey([tmp_path])
    assert [error.path for error in found.errors] == [str(tmp_path / "a" / RECORD)]
    assert message in str(found.errors[0])
    assert [(one.name, one.status) for one in found.jobs] == [("a", None)]


@pytest.mark.parametrize("junk", [None, True, 1, 1e999, "x", [], [1], {}, {"pid": 1}, {"a": None}])
def test_whatever_a_record_holds_is_a_record_or_an_error(junk):
    whole = json.loads(record(supervisor=identity(os.getpid()), child=None, scanner=None, objective=None, step=None))
    for name in whole:
        if name != "format":
            with contextlib.suppress(ValueError):
                parsed(json.dumps({**whole, name: junk}).encode())
    assert parsed(json.dumps(whole).encode()).status == "Completed"


def test_a_file_of_this_name_may_be_another_tool_s(tmp_path):
    tree(
        tmp_path,
        {"a/output.log": "loss=1\n", "a/job.json": '{"status": "odd"}', "b/output.log": "loss=1\n", "b/job.json": "["},
    )
    found = survey([tmp_path])
    assert found.errors == []
    assert [one.status for one in found.jobs] == [None, None]
    assert parsed(b'{"a": 1}') is None


def test_other_folders_called_ml_hold_logs(tmp_path):
    tree(tmp_path, {"ml/output/a.log": "loss=1\n", "b/ml/model/train.log": "loss=2\n"})
    assert len(survey([tmp_path]).jobs) == 2


def test_include_asks_for_what_lies_in_a_job_s_folder(tmp_path):
    tree(tmp_path, job("a"))
    found = survey([tmp_path], include="predictions.txt")
    assert [os.path.basename(log.path) for one in found.jobs for log in one.logs] == ["predictions.txt"]
