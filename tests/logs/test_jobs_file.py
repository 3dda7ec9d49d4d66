"""The jobs file: statuses and hyperparameters that a user gives."""

import json

import pytest
from support.folders import tree

from metricscan import SourceError
from metricscan.logs.jobs_file import STATUSES
from metricscan.logs.survey import survey


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


def test_all_errors_of_a_jobs_file_come_together(trials):
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


def test_errors_of_csv_have_their_lines(trials):
    text = 'job,status\ntrial_1,"done"\ntrial_2,dead\ntrial_2,done,more\n,done\n'
    message = faults(trials, text)
    assert [line.split(":")[0].strip() for line in message.splitlines()[1:]] == ["line 3", "line 4", "line 5"]


def test_a_quote_that_is_never_closed_is_an_error(trials):
    message = faults(trials, 'job,status\ntrial_1,"done\n' + "trial_2,done\n" * 20_000)
    assert "errors in the jobs file" in message


def test_jobs_of_which_there_is_no_log_are_errors(trials):
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
