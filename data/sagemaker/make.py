"""Write request.json and events.json: a tuning job, and the log events of its training jobs as filter-log-events prints them.

The training is real but small: gradient descent for a line through points, with the standard library only.
"""

import json
import random
from pathlib import Path

HERE = Path(__file__).resolve().parent
START_MS = 1_772_359_200_000  # 2026-03-01T10:00:00Z

REQUEST = {
    "HyperParameterTuningJobName": "line-fit",
    "HyperParameterTuningJobConfig": {
        "Strategy": "Random",
        "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "valid_loss"},
        "ResourceLimits": {"MaxNumberOfTrainingJobs": 4, "MaxParallelTrainingJobs": 2},
        "ParameterRanges": {
            "ContinuousParameterRanges": [
                {"Name": "lr", "MinValue": "0.001", "MaxValue": "1.0", "ScalingType": "Logarithmic"}
            ]
        },
    },
    "TrainingJobDefinition": {
        "StaticHyperParameters": {"epochs": "12"},
        "AlgorithmSpecification": {
            "TrainingImage": "000000000000.dkr.ecr.eu-west-1.amazonaws.com/line-fit:1",
            "TrainingInputMode": "File",
            "MetricDefinitions": [
                {"Name": "train_loss", "Regex": "train_loss=(.*?);"},
                {"Name": "valid_loss", "Regex": "valid_loss=(.*?);"},
            ],
        },
        "RoleArn": "arn:aws:iam::000000000000:role/tuning",
        "OutputDataConfig": {"S3OutputPath": "s3://bucket/line-fit"},
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        "Environment": {"SM_LOG_LEVEL": "20"},
    },
}


def points(count, seed):
    draw = random.Random(seed)
    return [(x, 3 * x - 1 + draw.gauss(0, 0.1)) for x in (draw.uniform(-1, 1) for _ in range(count))]


def loss(data, slope, height):
    return sum((slope * x + height - y) ** 2 for x, y in data) / len(data)


def lines(lr, epochs=12):
    """The lines that a training job prints, each with its time in milliseconds."""
    train, valid = points(64, 1), points(32, 2)
    slope = height = 0.0
    yield 0, f"Training with lr={lr} on {len(train)} points"
    for epoch in range(1, epochs + 1):
        errors = [(slope * x + height - y, x) for x, y in train]
        slope -= lr * sum(2 * error * x for error, x in errors) / len(train)
        height -= lr * sum(2 * error for error, _ in errors) / len(train)
        text = (
            f"epoch {epoch}\ttrain_loss={loss(train, slope, height):.6g}; valid_loss={loss(valid, slope, height):.6g};"
        )
        yield 1500 * epoch, text


def events():
    for number, lr in enumerate((0.01, 0.1, 0.6, 1.2), 1):
        stream = f"line-fit-{number:03d}-{number * 7919:08x}/algo-1-{START_MS // 1000 + 60 * number}"
        for after_ms, message in lines(lr):
            time_ms = START_MS + 60_000 * number + after_ms
            yield {
                "logStreamName": stream,
                "timestamp": time_ms,
                "message": message,
                "ingestionTime": time_ms + 137,
                "eventId": f"{time_ms:056d}",
            }


if __name__ == "__main__":
    (HERE / "request.json").write_text(json.dumps(REQUEST, indent=4) + "\n", encoding="utf-8")
    listed = sorted(events(), key=lambda event: event["timestamp"])
    (HERE / "events.json").write_text(json.dumps({"events": listed, "searchedLogStreams": []}, indent=4) + "\n")
