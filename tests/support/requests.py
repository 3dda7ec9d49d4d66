"""A tuning request that says everything, and ways of changing it: for the tests of ``metricscan.sagemaker``."""

import copy
import re
import warnings
from typing import Any

from metricscan.sagemaker import RequestError, RequestWarning, load_request

# The definitions and the environment are those of the documentation's pages; the rest is ours.
REQUEST: dict[str, Any] = {
    "HyperParameterTuningJobName": "gan-tuning",
    "HyperParameterTuningJobConfig": {
        "Strategy": "Bayesian",
        "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
        "ResourceLimits": {
            "MaxNumberOfTrainingJobs": 20,
            "MaxParallelTrainingJobs": 3,
            "MaxRuntimeInSeconds": 86400,
        },
        "ParameterRanges": {
            "IntegerParameterRanges": [{"Name": "layers", "MinValue": "1", "MaxValue": "8", "ScalingType": "Auto"}],
            "ContinuousParameterRanges": [
                {"Name": "lr", "MinValue": "1e-5", "MaxValue": "0.1", "ScalingType": "Logarithmic"}
            ],
            "CategoricalParameterRanges": [{"Name": "optimizer", "Values": ["adam", "sgd"]}],
        },
        "TrainingJobEarlyStoppingType": "Auto",
        "TuningJobCompletionCriteria": {
            "TargetObjectiveMetricValue": 0.1,
            "BestObjectiveNotImproving": {"MaxNumberOfTrainingJobsNotImproving": 3},
            "ConvergenceDetected": {"CompleteOnConvergence": "Enabled"},
        },
        "RandomSeed": 7,
    },
    "TrainingJobDefinition": {
        "StaticHyperParameters": {"epochs": "20"},
        "AlgorithmSpecification": {
            "TrainingImage": "000000000000.dkr.ecr.eu-west-1.amazonaws.com/gan:1",
            "TrainingInputMode": "File",
            "MetricDefinitions": [
                {"Name": "ganloss", "Regex": "GAN_loss=(.*?);"},
                {"Name": "disc-combined", "Regex": "disc-combined=(.*?);"},
                {"Name": "discloss", "Regex": "disc_train_loss=(.*?);"},
                {"Name": "loss", "Regex": "Loss = (.*?);"},
            ],
        },
        "RoleArn": "arn:aws:iam::000000000000:role/tuning",
        "InputDataConfig": [
            {
                "ChannelName": "train",
                "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://bucket/train"}},
            }
        ],
        "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
        "ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 10},
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
        "RetryStrategy": {"MaximumRetryAttempts": 1},
        "Environment": {"SM_LOG_LEVEL": "10"},
    },
    "WarmStartConfig": {
        "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": "gan-before"}],
        "WarmStartType": "TransferLearning",
    },
    "Tags": [{"Key": "team", "Value": "vision"}],
}
CONFIG = "HyperParameterTuningJobConfig"
DEFINITION = "TrainingJobDefinition"
METRICS = f"{DEFINITION}.AlgorithmSpecification.MetricDefinitions"


class Missing:
    """In place of a value: the member is removed."""


def changed(changes: dict[str, Any], base: dict[str, Any] = REQUEST) -> dict[str, Any]:
    """A copy of the request with other values at some paths, as faults spell them."""
    request = copy.deepcopy(base)
    for path, value in changes.items():
        *steps, last = [int(step) if step.isdigit() else step for step in re.findall(r"\w+", path)]
        target: Any = request
        for step in steps:
            target = target[step] if isinstance(step, int) else target.setdefault(step, {})
        if value is Missing:
            del target[last]
        else:
            target[last] = copy.deepcopy(value)
    return request


def with_several(**changes: Any) -> dict[str, Any]:
    """A request of two training job definitions, each with an objective and metrics of its own."""
    request = copy.deepcopy(REQUEST)
    first = request.pop(DEFINITION)
    request[CONFIG].pop("HyperParameterTuningJobObjective")
    first["HyperParameterRanges"] = request[CONFIG].pop("ParameterRanges")
    second = copy.deepcopy(first)
    first |= {"DefinitionName": "gan", "TuningObjective": {"Type": "Minimize", "MetricName": "loss"}}
    second |= {"DefinitionName": "classifier", "TuningObjective": {"Type": "Maximize", "MetricName": "accuracy"}}
    second["AlgorithmSpecification"]["MetricDefinitions"] = [
        {"Name": "accuracy", "Regex": "acc=([0-9.]+)"},
        {"Name": "loss", "Regex": "loss: ([0-9.]+)"},
    ]
    request["TrainingJobDefinitions"] = [first, second]
    return changed(changes, request)


def faults(changes: dict[str, Any], base: dict[str, Any] = REQUEST) -> list[str]:
    """The paths of the errors in a changed request."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RequestWarning)
        try:
            load_request(changed(changes, base))
        except RequestError as error:
            return [fault.path for fault in error.faults]
    return []


def metrics(count: int) -> list[dict[str, str]]:
    """Metric definitions, among them that of the objective."""
    return [{"Name": "loss", "Regex": "Loss = (.*?);"}] + [
        {"Name": f"m{n}", "Regex": f"m{n}=(.)"} for n in range(count - 1)
    ]
