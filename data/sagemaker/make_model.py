"""Write metricscan/sagemaker/model.json: the used shapes of botocore's service model. This script needs botocore."""

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
# AWS adds instance types often: a fixed list would reject new ones.
OPEN = {"TrainingInstanceType": r"ml\..+"}


def reduced(name, shape):
    """A shape without its documentation; other shapes are referred to by name."""
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
    """All shapes that the roots refer to, directly or indirectly."""
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
