"""Answers about a tuning job: what they say, and that they keep to the service's model in every member."""

import datetime as dt
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
from support.exports import at, got
from support.requests import CONFIG, DEFINITION, METRICS, REQUEST, Missing, changed, with_several

import metricscan
from metricscan import sagemaker
from metricscan.cli import main
from metricscan.sagemaker.names import legal_names

SHAPES = pytest.importorskip("botocore.loaders").Loader().load_service_model("sagemaker", "service-2")["shapes"]


def walk(name, value, path="answer"):
    """Hold a value to botocore's model: type, required, enum, min, max and pattern."""
    shape = SHAPES[name]
    kind = shape["type"]
    if kind == "structure":
        assert isinstance(value, dict), path
        assert set(shape.get("required", ())) <= set(value), path
        for member, item in value.items():
            assert member in shape["members"], f"{path}.{member}"
            walk(shape["members"][member]["shape"], item, f"{path}.{member}")
        return
    if kind == "list":
        assert isinstance(value, list), path
        sized(shape, len(value), path)
        for index, item in enumerate(value):
            walk(shape["member"]["shape"], item, f"{path}[{index}]")
    elif kind == "map":
        assert isinstance(value, dict), path
        sized(shape, len(value), path)
        for key, item in value.items():
            walk(shape["key"]["shape"], key, f"{path} key")
            walk(shape["value"]["shape"], item, f"{path}[{key}]")
    elif kind == "string":
        assert isinstance(value, str), path
        sized(shape, len(value), path)
        assert value in shape.get("enum", [value]), f"{path}: {value}"
        # the instance's type and the tags have patterns of another dialect, or none
        if r"\p" not in shape.get("pattern", ""):
            assert re.fullmatch(shape.get("pattern", r"[\s\S]*"), value), f"{path}: {value}"
    elif kind in ("integer", "long"):
        assert type(value) is int, path
        sized(shape, value, path)
    elif kind in ("float", "double"):
        assert type(value) in (int, float), path
        assert np.isfinite(value), path
    elif kind == "boolean":
        assert type(value) is bool, path
    else:
        assert kind == "timestamp"
        assert isinstance(value, dt.datetime), path
        assert value.tzinfo is not None, path


def sized(shape, size, path):
    assert size >= shape.get("min", size), path
    assert size <= shape.get("max", size), path


def check_all(job):
    """Every answer that there is, held to the model; the descriptions by name."""
    walk("DescribeHyperParameterTuningJobResponse", job.describe())
    for sort_by in ("Name", "CreationTime", "Status", "FinalObjectiveMetricValue"):
        for sort_order in ("Ascending", "Descending"):
            answer = job.list_training_jobs(sort_by=sort_by, sort_order=sort_order, max_results=2)
            walk("ListTrainingJobsForHyperParameterTuningJobResponse", answer)
    described = {one.name: job.describe_training_job(one.name) for one in job.jobs}
    for answer in described.values():
        walk("DescribeTrainingJobResponse", answer)
    json.dumps(sagemaker.as_json([job.describe(), *described.values()]), allow_nan=False)
    return described


def line(loss, ganloss="0.5"):
    return f"GAN_loss={ganloss}; disc-combined=0.1; disc_train_loss=0.2;  Loss = {loss};  Iteration 0"


JOBS = {
    # lines, status, hyperparameters
    "trial_1/lr=0.1": ([line("3.5"), line("2.123456789")], "Completed", {"lr": "0.1", "layers": "2", "seed": "1"}),
    "trial_2/lr=0.2": ([line("1.25"), line("nan")], "Completed", {"lr": "0.2"}),
    "trial_3/lr=0.3": ([line("0.5")], "Failed", {"lr": "0.3"}),
    "trial_4/lr=0.4": ([line("1.5")], "Stopped", {"lr": "0.4"}),
    "trial_5/lr=0.5": (["nothing"], None, {"lr": "0.5"}),
    "trial_6/lr=0.6": ([line("2.0"), line("2.75")], None, {"lr": "0.6", "optimizer": "sgd"}),
    "trial_10/lr=1": ([line("9.0")], "InProgress", {"lr": "1"}),
}


@pytest.fixture
def folder(tmp_path):
    logs = tmp_path / "logs"
    facts = []
    for number, (name, (lines, status, hyperparameters)) in enumerate(JOBS.items()):
        path = logs / name / "algo-1-1.json"
        path.parent.mkdir(parents=True)
        path.write_bytes(got(*((100 * number + second, text) for second, text in enumerate(lines))))
        facts.append({"path": str(path), "status": status or "", "hyperparameters": hyperparameters})
    (tmp_path / "jobs.jsonl").write_text("\n".join(map(json.dumps, facts)))
    return logs


@pytest.fixture
def job(folder):
    return sagemaker.replay(folder, REQUEST, jobs=folder.parent / "jobs.jsonl", job="dir", include=["*.json"])


def test_every_answer_keeps_to_the_model(job):
    described = check_all(job)
    assert len(described) == len(JOBS)


def test_describe(job):
    answer = job.describe()
    assert answer["HyperParameterTuningJobName"] == "gan-tuning"
    assert answer["HyperParameterTuningJobArn"].startswith(
        "arn:aws:sagemaker:local:000000000000:hyper-parameter-tuning-job/"
    )
    assert answer["HyperParameterTuningJobConfig"] == REQUEST[CONFIG]
    assert answer["HyperParameterTuningJobStatus"] == "InProgress"
    assert "HyperParameterTuningEndTime" not in answer
    assert answer["CreationTime"] == at(0)
    assert answer["LastModifiedTime"] == at(600)
    assert answer["TrainingJobStatusCounters"] == {
        "Completed": 4, "InProgress": 1, "RetryableError": 0, "NonRetryableError": 1, "Stopped": 1,
    }  # fmt: skip
    assert answer["ObjectiveStatusCounters"] == {"Succeeded": 3, "Pending": 1, "Failed": 3}
    best = answer["BestTrainingJob"]
    # the failed job has less, and the stopped one: they are not the best training job
    assert best["FinalHyperParameterTuningJobObjectiveMetric"] == {
        "Type": "Minimize", "MetricName": "loss", "Value": 2.123456789,
    }  # fmt: skip
    assert job.original(best["TrainingJobName"]) == "trial_1/lr=0.1"
    assert best["TunedHyperParameters"] == {"lr": "0.1", "layers": "2"}
    assert (best["TrainingStartTime"], best["TrainingEndTime"]) == (at(0), at(1))
    definition = answer["TrainingJobDefinition"]
    assert definition["AlgorithmSpecification"]["MetricDefinitions"][-1] == {
        "Name": "ObjectiveMetric",
        "Regex": "Loss = (.*?);",
    }
    assert definition["StaticHyperParameters"] == {"epochs": "20", "_tuning_objective_metric": "loss"}
    assert definition["Environment"] == {"SM_LOG_LEVEL": "10"}
    # what was described can be asked again
    assert sagemaker.load_request(sagemaker.as_json(answer)).metrics == job.request.metrics


def test_a_job_is_described(job):
    assert re.fullmatch(r"<TuningJob [\w-]+: \d+ training jobs, best .+>", repr(job))
    answer = job.describe_training_job("trial_6/lr=0.6")
    assert answer == job.describe_training_job(answer["TrainingJobName"])
    assert answer["FinalMetricDataList"] == [
        {"MetricName": "loss", "Value": 2.75, "Timestamp": at(501)},
        {"MetricName": "ganloss", "Value": 0.5, "Timestamp": at(501)},
        {"MetricName": "disc-combined", "Value": 0.1, "Timestamp": at(501)},
        {"MetricName": "discloss", "Value": 0.2, "Timestamp": at(501)},
        {"MetricName": "ObjectiveMetric", "Value": 2.75, "Timestamp": at(501)},
    ]
    assert answer["HyperParameters"] == {
        "lr": "0.6",
        "optimizer": "sgd",
        "epochs": "20",
        "_tuning_objective_metric": "loss",
    }
    assert answer["ModelArtifacts"] == {
        "S3ModelArtifacts": f"s3://bucket/out/{answer['TrainingJobName']}/output/model.tar.gz"
    }
    not_finite = job.describe_training_job("trial_2/lr=0.2")
    assert [one["MetricName"] for one in not_finite["FinalMetricDataList"]] == ["ganloss", "disc-combined", "discloss"]
    with pytest.raises(metricscan.OptionError, match="there is no training job 'trial-6-lr-0-7'\nhint: did you mean"):
        job.describe_training_job("trial-6-lr-0-7")


def names(answer):
    return [one["TrainingJobName"] for one in answer["TrainingJobSummaries"]]


def test_listing_sorts_and_filters(job):
    first = job.list_training_jobs()
    expected = [(1, "0-1"), (2, "0-2"), (3, "0-3"), (4, "0-4"), (5, "0-5"), (6, "0-6"), (10, "1")]
    assert names(first) == [f"trial-{number}-lr-{lr}" for number, lr in expected]
    by_value = job.list_training_jobs(sort_by="FinalObjectiveMetricValue")
    values = [one["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] for one in by_value["TrainingJobSummaries"]]
    assert values == [0.5, 1.5, 2.123456789, 2.75, 9.0]
    descending = job.list_training_jobs(sort_by="FinalObjectiveMetricValue", sort_order="Descending")
    assert names(descending) == names(by_value)[::-1]
    assert names(job.list_training_jobs(sort_by="CreationTime", sort_order="Descending")) == names(first)[::-1]
    assert names(job.list_training_jobs(status_equals="Failed")) == ["trial-3-lr-0-3"]
    statuses = [one["TrainingJobStatus"] for one in job.list_training_jobs(sort_by="Status")["TrainingJobSummaries"]]
    assert statuses == sorted(statuses)
    objective = {one["TrainingJobName"]: one["ObjectiveStatus"] for one in first["TrainingJobSummaries"]}
    assert list(objective.values()) == ["Succeeded", "Failed", "Failed", "Succeeded", "Failed", "Succeeded", "Pending"]


def test_pages(job):
    found, token, pages = [], None, 0
    while True:
        answer = job.list_training_jobs(sort_by="CreationTime", max_results=3, next_token=token)
        found += names(answer)
        pages += 1
        token = answer.get("NextToken")
        if token is None:
            break
    assert pages == 3
    assert found == names(job.list_training_jobs(sort_by="CreationTime"))
    token = job.list_training_jobs(max_results=3)["NextToken"]
    for wrong in ({"next_token": token, "sort_by": "Status"}, {"next_token": "?"}, {"next_token": "AAAA"}):
        with pytest.raises(metricscan.OptionError, match="an answer to the same call"):
            job.list_training_jobs(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [{"sort_by": "Value"}, {"sort_order": "Up"}, {"max_results": 0}, {"max_results": 101}, {"status_equals": "Done"}],
)
def test_questions_that_the_service_does_not_take(job, wrong):
    with pytest.raises(metricscan.OptionError):
        job.list_training_jobs(**wrong)


def test_values_of_32_bits(folder):
    job = sagemaker.replay(folder, REQUEST, float32=True, job="dir", include=["*.json"])
    assert job.objective(job._job("trial_1/lr=0.1")) == float(np.float32(2.123456789)) != 2.123456789
    check_all(job)


def test_without_anything_known(tmp_path):
    (tmp_path / "a.log").write_text(line("1e300") + "\n")
    os.utime(tmp_path / "a.log", (1_772_359_200, 1_772_359_200))
    job = sagemaker.replay(tmp_path, REQUEST, float32=True)
    (answer,) = check_all(job).values()
    assert answer["TrainingEndTime"] == at(0)
    assert answer["FinalMetricDataList"][0] == {"MetricName": "loss", "Value": 1e300, "Timestamp": at(0)}
    empty = sagemaker.replay(tmp_path / "none", REQUEST)
    check_all(empty)
    assert empty.best() is None
    assert "BestTrainingJob" not in empty.describe()


def test_jobs_of_which_only_a_jobs_file_knows(tmp_path):
    (tmp_path / "logs").mkdir()
    for number in (1, 2):
        (tmp_path / "logs" / f"t-{number}.log").write_text(f"Loss = 0.{number};\n")
    (tmp_path / "jobs.csv").write_text("job,status\nt-1,odd\nt-2,done\nt-3,failed\nt-4,stopped\n")
    job = sagemaker.replay(tmp_path / "logs", REQUEST, jobs=tmp_path / "jobs.csv")
    assert {one.name: one.status for one in job.jobs} == {
        "t-1": "Failed",
        "t-2": "Completed",
        "t-3": "Failed",
        "t-4": "Stopped",
    }
    walk("DescribeHyperParameterTuningJobResponse", job.describe())
    assert job.best().name == "t-2"
    assert job.describe()["ObjectiveStatusCounters"] == {"Succeeded": 1, "Pending": 0, "Failed": 3}
    # a job without a log has no times of its own
    logged = [one for one in job.jobs if one.name in ("t-1", "t-2")]
    first, last = min(one.started for one in logged), max(one.ended for one in logged)
    assert {(one.started, one.ended) for one in job.jobs if one not in logged} == {(first, last)}


def test_jobs_tie_in_name_order(tmp_path):
    for name in ("trial_10", "trial_9"):
        (tmp_path / f"{name}.log").write_text(line("1.0"))
    assert sagemaker.replay(tmp_path, REQUEST).best().original == "trial_9"


def test_forty_metrics_and_a_built_in_algorithm(tmp_path):
    metrics = [{"Name": "loss", "Regex": "Loss = (.*?);"}] + [
        {"Name": f"m{n}", "Regex": f"m{n}=(.)"} for n in range(39)
    ]
    (tmp_path / "a.log").write_text(line("1.0") + " ".join(f"m{n}=1" for n in range(39)))
    described = check_all(sagemaker.replay(tmp_path, changed({METRICS: metrics})))
    assert len(described["a"]["FinalMetricDataList"]) == 40
    xgboost = changed(
        {
            METRICS: Missing,
            f"{DEFINITION}.AlgorithmSpecification.TrainingImage": "1.dkr.ecr.x.amazonaws.com/xgboost:1",
            f"{CONFIG}.HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "validation:auc"},
        }
    )
    (tmp_path / "a.log").write_text("[0]\ttrain-auc:0.5\tvalidation-auc:0.75\n")
    job = sagemaker.replay(tmp_path, xgboost, escape="syslog")
    check_all(job)
    assert job.objective(job.best()) == 0.75


def test_several_definitions(tmp_path):
    for name, text in {
        "gan/a.log": line("1.0"),
        "classifier/b.log": "acc=0.5 loss: 9",
        "other/c.log": "acc=0.75 loss: 8",
        "other/d.log": "nothing",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    job = sagemaker.replay(tmp_path, with_several())
    described = check_all(job)
    assert {one.original: one.definition for one in job.jobs} == {
        "gan/a": 0,
        "classifier/b": 1,
        "other/c": 1,
        "other/d": 0,
    }
    assert job.best() is None
    assert "BestTrainingJob" not in job.describe()
    assert job.best("gan").original == "gan/a"
    assert job.best("classifier").original == "other/c"
    finals = {one["MetricName"]: one["Value"] for one in described["classifier-b"]["FinalMetricDataList"]}
    assert finals == {"accuracy": 0.5, "loss": 9.0, "ObjectiveMetric": 0.5}
    given = sagemaker.replay(tmp_path, with_several(), definitions={"other/d": "classifier", "other-c": "gan"})
    assert {one.original: one.definition for one in given.jobs} == {
        "gan/a": 0,
        "classifier/b": 1,
        "other/c": 0,
        "other/d": 1,
    }
    with pytest.raises(metricscan.OptionError, match="definitions that the request does not have: other/d: x"):
        sagemaker.replay(tmp_path, with_several(), definitions={"other/d": "x"})


def test_the_example():
    folder = Path(__file__).resolve().parents[2] / "data" / "sagemaker"
    job = sagemaker.replay(folder / "events.json", folder / "request.json")
    assert [one.name.rpartition("-")[0] for one in job.jobs] == [f"line-fit-00{number}" for number in (1, 2, 3, 4)]
    assert job.best() is job.jobs[2]
    assert job.objective(job.jobs[2]) == 0.00805638
    assert [one["ObjectiveStatus"] for one in job.list_training_jobs()["TrainingJobSummaries"]] == ["Succeeded"] * 4
    check_all(job)


def test_names_are_legal_and_unique():
    given = ["a", "a/", "/a", "a" * 64, "a" * 63, "a" * 65, "é/ü", "--", "a-", "job", "x_1", "x.1", "x-1"]
    found = legal_names(given)
    assert list(found) == given
    assert len(set(found.values())) == len(given)
    assert all(re.fullmatch("[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}", name) for name in found.values())
    assert found["a"] == "a"
    assert found["job"] == "job"
    assert found["x-1"] == "x-1"


def test_a_value_of_an_earlier_attempt_is_not_final(tmp_path):
    for attempt, text in enumerate(["Loss = 0.1;\n", "the node was lost\n"]):
        path = tmp_path / "logs" / "ns_pod-a_1234" / "train" / f"{attempt}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    job = sagemaker.replay(tmp_path / "logs", changed({}))
    assert job.replay.ranking["objective_status"].to_pylist() == ["missing"]
    assert [job.objective(one) for one in job.jobs] == [None]
    assert job.best() is None


# ---- on the command line


def test_describe_on_the_command_line(tmp_path, folder, capsys):
    request = tmp_path / "request.json"
    request.write_text(json.dumps(changed({f"{DEFINITION}.Environment": [{"SM_LOG_LEVEL": 10}]})))
    arguments = ["replay", str(folder), "--tuning-job", str(request), "--job", "dir", "--include", "*.json"]
    assert main([*arguments, "--describe", "--float32"]) == 0
    captured = capsys.readouterr()
    answer = json.loads(captured.out)
    assert answer["TrainingJobDefinition"]["Environment"] == {"SM_LOG_LEVEL": "10"}
    assert answer["BestTrainingJob"]["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] == 0.5
    assert captured.err.count("warning: TrainingJobDefinition.Environment") == 2
    dt.datetime.fromisoformat(answer["CreationTime"])
    assert "at_best" not in answer
    assert main([*arguments, "--describe", "--at-best", "loss"]) == 0
    there = json.loads(capsys.readouterr().out).pop("at_best")
    assert (there["loss"]["value"], there["loss"]["same_step"]) == (0.5, True)
    assert main(arguments) == 0
    assert "Best: trial_3/lr=0.3, loss 0.5" in capsys.readouterr().out
    assert main([*arguments, "--scope", "min"]) == 0
    assert ", loss (min) " in capsys.readouterr().out
    for wrong in (["replay", "x", "--describe", "-m", "a=b"], [*arguments, "-m", "a=b"], [*arguments, "--float32"]):
        assert main(wrong) == 2
    capsys.readouterr()
    for ranked in (
        ["--maximize", "loss"],
        ["--scope", "min"],
        ["--step", "loss"],
        ["--top", "1"],
        ["--completed-only"],
    ):
        assert main([*arguments, "--describe", *ranked]) == 2
        assert f"--describe uses the objective of the request, as the service does; it excludes {ranked[0]}" in (
            capsys.readouterr().err
        )
    request.write_text("{}")
    capsys.readouterr()
    assert main(arguments) == 2
    assert "HyperParameterTuningJobName: is missing" in capsys.readouterr().err


def test_patterns_of_a_request_that_are_not_provably_linear(tmp_path, folder, capsys):
    untamed = changed({f"{METRICS}[3].Regex": r"(?a:\w)(?:a+)+$|Loss = (.*?);"})
    with pytest.warns(
        metricscan.DefinitionWarning, match="definition 'loss': `re` runs this regex with no bound"
    ) as caught:
        sagemaker.replay(folder, untamed, job="dir", include=["*.json"])
    assert len(caught) == 1
    with pytest.raises(metricscan.DefinitionError, match="with no bound"):
        sagemaker.replay(folder, untamed, untamed="refuse")
    request = tmp_path / "request.json"
    request.write_text(json.dumps(untamed))
    arguments = ["replay", str(folder), "--tuning-job", str(request), "--job", "dir", "--include", "*.json"]
    assert main(arguments) == 0
    assert "warning: definition 'loss': `re` runs this regex with no bound" in capsys.readouterr().err
    assert main([*arguments, "--untamed", "allow"]) == 0
    assert "with no bound" not in capsys.readouterr().err
    assert main([*arguments, "--untamed", "refuse"]) == 2
    assert "definition 3 'loss': `re` runs this regex with no bound" in capsys.readouterr().err


def test_algorithms_on_the_command_line(tmp_path, capsys):
    assert main(["algorithms"]) == 0
    assert "forecasting-deepar" in capsys.readouterr().out
    assert main(["algorithms", "lightgbm"]) == 0
    assert "binary_logloss: documented as Maximize; it is a loss" in capsys.readouterr().out
    assert main(["algorithms", "lightgbm", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["lightgbm"]["metrics"][0]["regex"] == r"rmse: ([0-9\.]+)"
    assert main(["algorithms", "lightgm"]) == 2
    assert "did you mean 'lightgbm'" in capsys.readouterr().err
    log = tmp_path / "a.log"
    log.write_text("[1]\tvalid_0's rmse: 0.5\nbestTest = 0.25\n")
    assert main(["replay", str(log), "--algorithm", "lightgbm", "--minimize", "rmse"]) == 0
    assert main(["replay", str(log), "--algorithm", "catboost", "--maximize", "F1"]) == 0
    assert "Best: a, F1 0.25" in capsys.readouterr().out
    assert main(["replay", str(log), "--algorithm", "catboost"]) == 2
    assert main(["check", str(log), "--algorithm", "lightgbm"]) == 1
    assert "rmse: 0.5" in capsys.readouterr().out
