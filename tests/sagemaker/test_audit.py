"""Audits: each verdict on a log that earns it, and the way of reading that explains what was reported."""

import json
import os
from types import SimpleNamespace

import numpy as np
import pytest
from support.exports import at, filtered, got
from support.requests import METRICS, REQUEST, changed

import metricscan
from metricscan.cli import main
from metricscan.sagemaker import audit, auditing
from metricscan.scanning import deferred

DESCRIBED = {key: value for key, value in REQUEST.items() if key != "Tags"} | {
    "HyperParameterTuningJobArn": "arn:aws:sagemaker:eu-west-1:000000000000:hyper-parameter-tuning-job/gan-tuning",
    "HyperParameterTuningJobStatus": "Completed",
    "CreationTime": "2026-03-01T10:00:00+00:00",
    "TrainingJobStatusCounters": {"Completed": 1},
    "ObjectiveStatusCounters": {"Succeeded": 1},
}


def summary(name, value=None, **members):
    one = {
        "TrainingJobName": name,
        "TrainingJobArn": f"arn:aws:sagemaker:eu-west-1:000000000000:training-job/{name}",
        "CreationTime": "2026-03-01T10:00:00+00:00",
        "TrainingJobStatus": "Completed",
        "TunedHyperParameters": {},
        "ObjectiveStatus": "Failed" if value is None else "Succeeded",
        **members,
    }
    if value is not None:
        one["FinalHyperParameterTuningJobObjectiveMetric"] = {"MetricName": "loss", "Value": value}
    return one


def listed(*summaries):
    return {"TrainingJobSummaries": list(summaries)}


def narrow(value):
    return float(np.float32(value))


@pytest.fixture
def logs(tmp_path):
    folder = tmp_path / "logs"
    texts = {
        "equal": "Loss = 2.0;\nLoss = 1.19876;\n",
        "match": "Loss = 5.0;\nx\nLoss = 1.0; Loss = 2.0;\n",
        "scope": "Loss = 3.0;\nLoss = 0.25;\nLoss = 4.0;\n",
        "between": "Loss = 3.0;\nLoss = 3.5;\nLoss = 2.0;\nLoss = 9;\nLoss = 4.0;\n",
        "nan": "Loss = 1.0;\nLoss = nan;\n",
        "text": "header\nLoss = none;\n",
        "absent": "Loss = 1.0;\n",
        "nothing": "no metric\n",
        "unreported": "Loss = 1.0;\n",
        "both": "Loss = nan;\n",
    }
    for name, text in texts.items():
        path = folder / name / "algo-1-1"
        path.parent.mkdir(parents=True)
        path.write_text(text)
    for stream, value in ((1, "7.0"), (2, "6.0")):
        path = folder / "stream" / f"algo-{stream}-1"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"Loss = {value};\n")
    return folder


CASES = [
    # job, reported, verdict, stream, line, offset, note
    ("equal", narrow(1.19876), "equal", "algo-1-1", 2, 12, ""),
    ("match", 1.0, "other match", "algo-1-1", 3, 14, ""),
    ("stream", 7.0, "other stream", "algo-1-1", 1, 0, ""),
    ("scope", 0.25, "other scope", "algo-1-1", 2, 12, "min"),
    ("between", 3.5, "other scope", "algo-1-1", 2, 12, "a value between"),
    ("nan", 2.0, "not a number", "algo-1-1", 2, 12, "nan"),
    ("text", 2.0, "not a number", "algo-1-1", 2, 7, "'none'"),
    ("absent", 2.0, "absent", "algo-1-1", 1, 0, ""),
    ("nothing", 2.0, "absent", None, None, None, "the log has no value"),
    ("nothing", None, "equal", None, None, None, "neither has a value"),
    ("both", None, "equal", "algo-1-1", 1, 0, "neither has a finite value"),
    ("unreported", None, "unreported", "algo-1-1", 1, 0, ""),
    ("gone", 2.0, "no log", None, None, None, ""),
]


@pytest.mark.parametrize(("job", "reported", "verdict", "stream", "line", "offset", "note"), CASES)
def test_verdicts(logs, job, reported, verdict, stream, line, offset, note):
    result = audit(logs, DESCRIBED, jobs=listed(summary(job, reported)))
    (found,) = result.findings
    assert (found.job, found.metric, found.reported) == (job, "loss", reported)
    assert (found.verdict, found.stream, found.line, found.offset, found.note) == (verdict, stream, line, offset, note)
    assert found.path == (None if stream is None else str(logs / job / stream))
    assert result.agrees == (verdict == "equal")
    if offset is not None:
        assert (logs / job / stream).read_bytes()[offset:].startswith(b"Loss = ")


def test_the_reading_that_explains_most(logs):
    jobs = listed(summary("match", 1.0), summary("equal", 1.19876), summary("absent", 1.0))
    result = audit(logs, DESCRIBED, jobs=jobs)
    assert result.reported == 3
    best = result.policies[0]
    assert (best.matches, best.newline, best.escape, best.scope, best.explained) == (
        "first",
        "universal",
        "none",
        "last",
        3,
    )
    asked = next(
        one for one in result.policies if (one.matches, one.newline, one.scope) == ("all", "universal", "last")
    )
    assert asked.explained == 2
    agreeing = audit(logs, DESCRIBED, jobs=jobs, matches="first")
    assert agreeing.agrees
    assert agreeing.policies[0].matches == "first"


def test_escaping_that_explains(tmp_path):
    (tmp_path / "job.log").write_bytes(b"a\tvalue:1\rvalue:2\n")
    metrics = [{"Name": "loss", "Regex": "#011value:([0-9])"}]
    described = json.loads(json.dumps(DESCRIBED))
    described["TrainingJobDefinition"]["AlgorithmSpecification"]["MetricDefinitions"] = metrics
    result = audit(tmp_path, described, jobs=[summary("job", 1.0)])
    assert [one.verdict for one in result.findings] == ["absent"]
    assert str(result.policies[0]) == "matches=all newline=lf escape=syslog scope=last"
    assert audit(tmp_path, described, jobs=[summary("job", 1.0)], escape="syslog", newline="lf").agrees


def test_colours_are_stripped_for_every_reading(tmp_path):
    (tmp_path / "colour").mkdir()
    (tmp_path / "colour" / "algo-1-1").write_text("Loss = 1.\x1b[1m5\x1b[0m;\n")
    reported = listed(summary("colour", 1.5))
    assert not audit(tmp_path, DESCRIBED, jobs=reported).agrees
    result = audit(tmp_path, DESCRIBED, jobs=reported, ansi="strip")
    assert result.agrees
    assert {policy.explained for policy in result.policies if policy.escape == "none"} == {1}


def test_escaped_logs_end_at_newlines_alone(tmp_path):
    (tmp_path / "job").mkdir()
    (tmp_path / "job" / "algo-1-1").write_text("Loss = 1.5;\n")
    result = audit(tmp_path, DESCRIBED, jobs=listed(summary("job", 1.5)), escape="syslog")
    assert result.agrees
    assert result.policies[0].newline == "lf"


def test_exports_by_time(tmp_path):
    path = tmp_path / "events.json"
    path.write_bytes(
        filtered(("a/algo-1-1", 9, "Loss = 1.0;"), ("a/algo-2-1", 3, "Loss = 2.0;"), ("b/algo-1-1", 0, "Loss = 5;"))
    )
    result = audit(path, DESCRIBED, jobs=[listed(summary("a", 1.0)), listed(summary("b", 5.0))])
    assert result.agrees
    assert [one.stream for one in result.findings] == ["algo-1-1", "algo-1-1"]


def test_every_metric_of_a_described_training_job(logs):
    described = summary("absent") | {
        "FinalMetricDataList": [
            {"MetricName": "loss", "Value": 1.0},
            {"MetricName": "ObjectiveMetric", "Value": 1.0},
            {"MetricName": "ganloss", "Value": 0.5},
            {"MetricName": "unknown", "Value": 0.5},
        ]
    }
    result = audit(logs, DESCRIBED, jobs=described)
    assert [(one.metric, one.verdict) for one in result.findings] == [("loss", "equal"), ("ganloss", "absent")]


def test_the_best_job_of_the_description_alone(logs):
    result = audit(logs, DESCRIBED | {"BestTrainingJob": summary("equal", narrow(1.19876))})
    assert result.agrees
    with pytest.raises(metricscan.OptionError, match="nothing was reported"):
        audit(logs, DESCRIBED)


def test_rows_that_answers_name_are_found_again(tmp_path):
    for number in range(3):
        (tmp_path / f"trial_{number}.json").write_bytes(
            got((0, "Loss = 9;"), (1, f"Loss = {number + 0.1}; GAN_loss=0.3;"))
        )
    job = metricscan.sagemaker.replay(tmp_path, REQUEST, float32=True)
    assert job.jobs[0].started == at(0)
    jobs = [job.describe_training_job(one.name) for one in job.jobs]
    result = audit(tmp_path, job.describe(), jobs=jobs)
    assert len(result.findings) == 6
    assert result.agrees


def test_on_the_command_line(tmp_path, logs, capsys):
    described, jobs = tmp_path / "describe.json", tmp_path / "list.json"
    described.write_text(json.dumps(DESCRIBED))
    jobs.write_text(json.dumps(listed(summary("equal", narrow(1.19876)))))
    arguments = ["audit", str(logs), "--tuning-job", str(described), "--jobs", str(jobs)]
    assert main(arguments) == 0
    capsys.readouterr()
    jobs.write_text(json.dumps(listed(summary("equal", narrow(1.19876)), summary("match", 1.0))))
    assert main(arguments) == 1
    out = capsys.readouterr().out
    place = f"{logs / 'match' / 'algo-1-1'}:3 (byte 14)"
    assert "other match" in out
    assert place in out
    assert "  2  matches=first newline=universal escape=none scope=last" in out
    assert main([*arguments, "--matches", "first", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["agrees"]
    assert [one["verdict"] for one in document["findings"]] == ["equal", "equal"]
    assert main([*arguments, "--matches", "first", "--ansi", "strip", "--untamed", "allow", "--threads", "2"]) == 0
    assert main([*arguments[:-2]]) == 2
    assert main(["audit", str(logs / "none"), "--tuning-job", str(described), "--jobs", str(jobs)]) == 2
    jobs.write_text(json.dumps(listed(summary("of no log", 1.0))))
    capsys.readouterr()
    assert main(arguments) == 1
    out = capsys.readouterr().out
    assert out.splitlines()[-1].startswith("The logs belong to these jobs: ")
    assert out.splitlines()[-1].endswith("; --job changes which logs form one job")
    assert "equal" in out.splitlines()[-1]
    # no way of reading explains what is not there
    assert "Ways of reading" not in out
    assert main([*arguments, "--job", "dir"]) == 1
    jobs.write_text("{")
    assert main(arguments) == 2


def test_what_can_be_read_but_once_is_not_audited(tmp_path, monkeypatch):
    """The other ways of reading would find nothing there, and explain nothing."""
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    for path in ("-", "pipe"):
        with pytest.raises(
            metricscan.OptionError, match=f"^{path} can be read only once; .*\nhint: save it to a file$"
        ):
            audit(path, DESCRIBED, jobs=listed(summary("stdin", 1.0)))


# ---- jobs that failed, and what was reported in other forms


@pytest.mark.parametrize("reported", [None, 2.0, 9.0])
def test_a_job_that_failed_is_no_mismatch(tmp_path, reported):
    (tmp_path / "job.log").write_text("Loss = 3;\nLoss = 2;\n")
    jobs = listed(summary("job", reported, TrainingJobStatus="Failed"))
    result = audit(tmp_path, DESCRIBED, jobs=jobs)
    (finding,) = result.findings
    assert (finding.verdict, finding.note) == {
        None: ("failed", "unreported"),
        2.0: ("equal", ""),
        9.0: ("failed", "absent"),
    }[reported]
    assert (finding.reported, finding.logged) == (reported, 2.0)
    assert (result.agrees, result.reported) == (True, 0)
    stopped = audit(tmp_path, DESCRIBED, jobs=listed(summary("job", reported, TrainingJobStatus="Stopped")))
    assert stopped.agrees == (reported == 2.0)


FRAMES = {
    "sdk.csv": ",lr,TrainingJobName,TrainingJobStatus,FinalObjectiveValue,TrainingElapsedTimeSeconds\n"
    "0,0.1,t-1,Completed,0.1,60.0\n1,0.2,t-2,Completed,9.5,61.0\n2,0.3,t-3,Completed,,60.0\n3,0.4,t-4,Failed,,1.0\n"
    "4,0.5,t-5,InProgress,,1.0\n",
    "optuna.csv": ",number,value,params_lr,state\n0,1,0.1,0.1,COMPLETE\n1,2,9.5,0.2,COMPLETE\n2,3,,0.3,COMPLETE\n"
    "3,4,,0.4,FAIL\n4,5,,0.5,RUNNING\n",
    "list.json": json.dumps({"data": [
        {"training_job_name": "t-1", "training_job_status": "Completed", "FinalHyperParameterTuningJobObjectiveMetric":
         {"metricName": "loss", "value": 0.1}},
        {"training_job_name": "t-2", "training_job_status": "Completed", "final_metric_data_list":
         [{"MetricName": "loss", "Value": 9.5}]},
        {"training_job_name": "t-3", "training_job_status": "Completed", "ObjectiveStatus": "Failed"},
        {"training_job_name": "t-4", "training_job_status": "Failed", "ObjectiveStatus": "Failed"},
    ]}),
}  # fmt: skip


@pytest.mark.parametrize("name", FRAMES)
def test_an_audit_takes_the_jobs_files_of_a_replay(tmp_path, name):
    for number in range(1, 6):
        (tmp_path / "logs").mkdir(exist_ok=True)
        (tmp_path / "logs" / f"t-{number}.log").write_text(f"Loss = 0.{number};\n")
    (tmp_path / name).write_text(FRAMES[name])
    result = audit(tmp_path / "logs", DESCRIBED, jobs=tmp_path / name)
    verdicts = [(finding.reported, finding.logged, finding.verdict) for finding in result.findings]
    assert verdicts == [
        (0.1, 0.1, "equal"),
        (9.5, 0.2, "absent"),
        (None, 0.3, "unreported"),
        (None, 0.4, "failed"),
    ]
    assert result.reported == 2
    found = metricscan.replay(tmp_path / "logs", metricscan.Scanner(["loss=Loss = (.*?);"]), jobs=tmp_path / name)
    assert [(job.name, job.status) for job in found.jobs][:4] == [
        ("t-1", "Completed"),
        ("t-2", "Completed"),
        ("t-3", "Completed"),
        ("t-4", "Failed"),
    ]


def test_the_description_of_one_training_job_is_all_an_audit_needs(tmp_path, capsys):
    (tmp_path / "logs" / "t-1").mkdir(parents=True)
    (tmp_path / "logs" / "t-1" / "algo-1-1").write_text("acc: 0.5;\nLoss = 2;\n")
    definitions = [{"Name": "acc", "Regex": "acc: (.*?);"}, {"Name": "loss", "Regex": "Loss = (.*?);"}]
    described = {
        "TrainingJobName": "t-1",
        "TrainingJobStatus": "Completed",
        "HyperParameters": {"_tuning_objective_metric": '"loss"', "lr": "0.1"},
        "AlgorithmSpecification": {
            "TrainingImage": "i:1",
            "MetricDefinitions": [*definitions, {"Name": "ObjectiveMetric", "Regex": "Loss = (.*?);"}],
        },
        "FinalMetricDataList": [
            {"MetricName": "ObjectiveMetric", "Value": 2.0},
            {"MetricName": "acc", "Value": 0.5},
        ],
    }
    path = tmp_path / "job.json"
    path.write_text(json.dumps({"data": described}))
    for source in (described, path):
        result = audit(tmp_path / "logs", source)
        assert [(one.job, one.metric, one.verdict) for one in result.findings] == [
            ("t-1", "loss", "equal"),
            ("t-1", "acc", "equal"),
        ]
    assert main(["audit", str(tmp_path / "logs"), "--tuning-job", str(path)]) == 0
    capsys.readouterr()
    wrong = described | {"AlgorithmSpecification": [1]}
    with pytest.raises(metricscan.sagemaker.RequestError, match="AlgorithmSpecification: an object was expected"):
        audit(tmp_path / "logs", wrong)


def test_rows_that_are_invalid_are_one_error(tmp_path):
    (tmp_path / "a.log").write_text("Loss = 1;\n")
    (tmp_path / "jobs.json").write_text('[{"TrainingJobName": "a", "TrainingJobStatus": 3}]')
    with pytest.raises(metricscan.SourceError, match=r"errors in the jobs file .*\n  \[0\]: TrainingJobStatus is 3"):
        audit(tmp_path, DESCRIBED, jobs=tmp_path / "jobs.json")
    with pytest.raises(metricscan.OptionError, match=r"jobs: \[0\]: TrainingJobStatus is 3"):
        audit(tmp_path, DESCRIBED, jobs=[{"TrainingJobName": "a", "TrainingJobStatus": 3}])


def test_all_readings_have_the_time_of_regex_together(tmp_path, monkeypatch):
    for name in "abc":
        (tmp_path / f"{name}.log").write_text("Lose = 1;\n" * 4)
    searched = []

    def thread_time():
        searched.append(len(searched) // 2)
        return float(len(searched))

    monkeypatch.setattr(deferred, "time", SimpleNamespace(thread_time=thread_time))
    monkeypatch.setattr(deferred, "REGEX_S_A_BYTE", 0.0)
    monkeypatch.setattr(auditing, "REGEX_SHARED_S", 5.0)
    request = changed({METRICS: [{"Name": "loss", "Regex": r"\p{L}oss = (.*?);"}]}, DESCRIBED)
    result = audit(tmp_path, request, jobs=listed(*(summary(name, 1.0) for name in "abc")), untamed="allow")
    assert {one.verdict for one in result.findings} == {"absent"}
    # each search takes a second: a replay alone would have taken five, and there are several
    assert len(searched) // 2 == 5
