"""Writes metricscan/sagemaker/model.json: what botocore's service model says of the shapes that are used. Needs botocore."""

import json
from pathlib import Path

from botocore.loaders import Loader

TARGET = Path(__file__).resolve().parents[2] / "metricscan" / "sagemaker" / "model.json"
ROOTS = (
    "CreateHyperParameterTuningJobRequest",
    "DescribeHyperParameterTuningJobResponse",
    "ListTrainingJobsForHyperParameterTuningJobRequest",
    "ListTrainingJobsForHyperParameterTuningJobResponse",
    "FinalMetricDataList",
    "TrainingEnvironmentMap",
    "HyperParameters",
)
# Grows with every season: a list of today would refuse what is right tomorrow.
OPEN = {"TrainingInstanceType": r"ml\..+"}


def reduced(name, shape):
    """A shape without its documentation, its names as references."""
    if name in OPEN:
        return {"type": "string", "pattern": OPEN[name]}
    kept = {key: shape[key] for key in ("type", "min", "max", "pattern", "enum", "required") if key in shape}
    for key in ("member", "key", "value"):
        if key in shape:
            kept[key] = shape[key]["shape"]
    if "members" in shape:
        kept["members"] = {member: target["shape"] for member, target in shape["members"].items()}
    return kept


def collected(shapes):
    """All shapes that the roots lead to."""
    found = {}
    waiting = list(ROOTS)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found[name] = shape = reduced(name, shapes[name])
        waiting += [shape[key] for key in ("member", "key", "value") if key in shape]
        waiting += shape.get("members", {}).values()
    return dict(sorted(found.items()))


if __name__ == "__main__":
    shapes = collected(Loader().load_service_model("sagemaker", "service-2")["shapes"])
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(shape)}" for name, shape in shapes.items())
    TARGET.write_text("{\n" + lines + "\n}\n", encoding="utf-8")
