"""The service's limits: a request or an answer at each limit is taken, one beyond it is an error."""

import re

import pytest
from support.requests import CONFIG, DEFINITION, METRICS, REQUEST, Missing, faults, metrics, with_several

from metricscan.sagemaker.model import check, shapes


def ranges(*counts):
    kinds = ("Integer", "Continuous", "Categorical")
    result = {}
    for kind, count in zip(kinds, counts, strict=True):
        ends = {"Values": ["a"]} if kind == "Categorical" else {"MinValue": "1", "MaxValue": "2"}
        result[f"{kind}ParameterRanges"] = [{"Name": f"{kind}{n}", **ends} for n in range(count)]
    return result


def one_range(kind, **ends):
    return {f"{kind}ParameterRanges": [{"Name": "x", "MinValue": "1", "MaxValue": "2", **ends}]}


def hyperband(low, high):
    return {
        f"{CONFIG}.Strategy": "Hyperband",
        f"{CONFIG}.TrainingJobEarlyStoppingType": "Off",
        f"{CONFIG}.StrategyConfig": {"HyperbandStrategyConfig": {"MinResource": low, "MaxResource": high}},
    }


def without_most(static):
    """Hyperband with static hyperparameters in place of MaxResource."""
    changes = {f"{CONFIG}.Strategy": "Hyperband", f"{CONFIG}.TrainingJobEarlyStoppingType": "Off"}
    return changes | {f"{DEFINITION}.StaticHyperParameters": static}


def grid(*values, most=Missing):
    listed = [{"Name": f"c{number}", "Values": one} for number, one in enumerate(values)]
    changes = {f"{CONFIG}.Strategy": "Grid", f"{CONFIG}.ParameterRanges": {"CategoricalParameterRanges": listed}}
    return changes | {f"{CONFIG}.ResourceLimits.MaxNumberOfTrainingJobs": most}


def static(count):
    return {f"h{n}": "1" for n in range(count)}


def named(name):
    """The objective's metric under another name."""
    return {f"{METRICS}[3].Name": name, f"{CONFIG}.HyperParameterTuningJobObjective.MetricName": name}


LIMITS = [
    # what is changed, at the limit, beyond it
    ("MetricDefinitionList max", {METRICS: metrics(40)}, {METRICS: metrics(41)}),
    ("MetricName min", named("l"), {f"{METRICS}[0].Name": ""}),
    ("MetricName max", named("l" * 255), {f"{METRICS}[0].Name": "l" * 256}),
    ("MetricName pattern", named("a b:/(é"), {f"{METRICS}[0].Name": "a\nb"}),
    ("MetricRegex min", {f"{METRICS}[0].Regex": "a"}, {f"{METRICS}[0].Regex": ""}),
    ("MetricRegex max", {f"{METRICS}[0].Regex": "a" * 500}, {f"{METRICS}[0].Regex": "a" * 501}),
    ("MetricRegex pattern", {f"{METRICS}[0].Regex": "a\\nb"}, {f"{METRICS}[0].Regex": "a\nb"}),
    (
        "objective type",
        {f"{CONFIG}.HyperParameterTuningJobObjective.Type": "Maximize"},
        {f"{CONFIG}.HyperParameterTuningJobObjective.Type": "maximize"},
    ),
    ("Strategy", grid(["a", "b"], ["c"], most=2), {f"{CONFIG}.Strategy": "grid"}),
    ("Grid without a number of jobs", grid(["a"], ["b", "c"]), grid(["a"], most=3)),
    (
        "Grid counts distinct values",
        grid(["a", "b", "a"], ["c", "d"], most=4),
        grid(["a", "b", "a"], ["c", "d"], most=6),
    ),
    ("Grid and integers", grid(["a"]), grid(["a"]) | {f"{CONFIG}.ParameterRanges": one_range("Integer")}),
    ("Grid and numbers", grid(["a"]), grid(["a"]) | {f"{CONFIG}.ParameterRanges": one_range("Continuous")}),
    *(
        (f"Hyperband infers MaxResource from {name}", without_most({name: "20000"}), without_most({name: "20001"}))
        for name in ("epochs", "numepochs", "n-epochs", "n_epochs", "num_epochs")
    ),
    ("Hyperband without MaxResource", without_most({"epochs": '"7"'}), without_most({"epoch": "7"})),
    ("Hyperband with epochs that are no number", without_most({"epochs": "7"}), without_most({"epochs": "7.5"})),
    ("Strategy required", {f"{CONFIG}.Strategy": "Random"}, {f"{CONFIG}.Strategy": Missing}),
    ("ResourceLimits required", {}, {f"{CONFIG}.ResourceLimits": Missing}),
    ("RandomSeed min", {f"{CONFIG}.RandomSeed": 0}, {f"{CONFIG}.RandomSeed": -1}),
    ("Hyperband MinResource min", hyperband(1, 1), hyperband(0, 1)),
    (
        "Hyperband MaxResource min",
        hyperband(1, 1),
        hyperband(1, 0) | {f"{CONFIG}.StrategyConfig.HyperbandStrategyConfig": {"MaxResource": 0}},
    ),
    ("Hyperband MaxResource max", hyperband(1, 20_000), hyperband(1, 20_001)),
    ("Hyperband order", hyperband(3, 3), hyperband(4, 3)),
    ("Hyperband stops itself", hyperband(1, 3), hyperband(1, 3) | {f"{CONFIG}.TrainingJobEarlyStoppingType": "Auto"}),
    ("StrategyConfig", hyperband(1, 3), hyperband(1, 3) | {f"{CONFIG}.Strategy": "Random"}),
    *(
        (
            f"{limit}",
            {f"{CONFIG}.ResourceLimits.{limit}": at},
            {f"{CONFIG}.ResourceLimits.{limit}": beyond},
        )
        for limit, at, beyond in [
            ("MaxParallelTrainingJobs", 1, 0),
            ("MaxParallelTrainingJobs", 1, Missing),
            ("MaxNumberOfTrainingJobs", 1, 0),
            ("MaxRuntimeInSeconds", 120, 119),
            ("MaxRuntimeInSeconds", 15_768_000, 15_768_001),
        ]
    ),
    (
        "TrainingJobEarlyStoppingType",
        {f"{CONFIG}.TrainingJobEarlyStoppingType": "Off"},
        {f"{CONFIG}.TrainingJobEarlyStoppingType": "OFF"},
    ),
    *(
        (
            criterion,
            {f"{CONFIG}.TuningJobCompletionCriteria.{criterion}": at},
            {f"{CONFIG}.TuningJobCompletionCriteria.{criterion}": beyond},
        )
        for criterion, at, beyond in [
            ("BestObjectiveNotImproving.MaxNumberOfTrainingJobsNotImproving", 3, 2),
            ("ConvergenceDetected.CompleteOnConvergence", "Disabled", "Off"),
            ("TargetObjectiveMetricValue", -1, "0.1"),
            ("TargetObjectiveMetricValue", 1.5, float("nan")),
        ]
    ),
    (
        "Integer ranges",
        {f"{CONFIG}.ParameterRanges": ranges(30, 0, 0)},
        {f"{CONFIG}.ParameterRanges": ranges(31, 0, 0)},
    ),
    (
        "Continuous ranges",
        {f"{CONFIG}.ParameterRanges": ranges(0, 30, 0)},
        {f"{CONFIG}.ParameterRanges": ranges(0, 31, 0)},
    ),
    (
        "Categorical ranges",
        {f"{CONFIG}.ParameterRanges": ranges(0, 0, 30)},
        {f"{CONFIG}.ParameterRanges": ranges(0, 0, 31)},
    ),
    (
        "ranges in sum",
        {f"{CONFIG}.ParameterRanges": ranges(10, 10, 10)},
        {f"{CONFIG}.ParameterRanges": ranges(10, 10, 11)},
    ),
    *(
        (
            f"categorical values {count}",
            {f"{CONFIG}.ParameterRanges.CategoricalParameterRanges[0].Values": [str(n) for n in range(at)]},
            {f"{CONFIG}.ParameterRanges.CategoricalParameterRanges[0].Values": [str(n) for n in range(count)]},
        )
        for at, count in [(1, 0), (30, 31)]
    ),
    *(
        (
            "AutoParameters",
            {f"{CONFIG}.ParameterRanges.AutoParameters": [{"Name": f"a{n}", "ValueHint": "1"} for n in range(at)]},
            {f"{CONFIG}.ParameterRanges.AutoParameters": [{"Name": f"a{n}", "ValueHint": "1"} for n in range(count)]},
        )
        for at, count in [(100, 101)]
    ),
    (
        "range values are strings",
        {f"{CONFIG}.ParameterRanges": one_range("Integer", MaxValue="9")},
        {f"{CONFIG}.ParameterRanges": one_range("Integer", MaxValue=9)},
    ),
    (
        "range name",
        {f"{CONFIG}.ParameterRanges": one_range("Integer", Name="n" * 256)},
        {f"{CONFIG}.ParameterRanges": one_range("Integer", Name="n" * 257)},
    ),
    (
        "range value",
        {f"{CONFIG}.ParameterRanges": one_range("Continuous", MaxValue="2".zfill(256))},
        {f"{CONFIG}.ParameterRanges": one_range("Continuous", MaxValue="2".zfill(257))},
    ),
    (
        "range order",
        {f"{CONFIG}.ParameterRanges": one_range("Continuous", MinValue="2")},
        {f"{CONFIG}.ParameterRanges": one_range("Continuous", MinValue="2.1")},
    ),
    (
        "range numbers",
        {f"{CONFIG}.ParameterRanges": one_range("Continuous", MinValue="0.5")},
        {f"{CONFIG}.ParameterRanges": one_range("Integer", MinValue="0.5")},
    ),
    (
        "range scaling",
        {f"{CONFIG}.ParameterRanges": one_range("Integer", ScalingType="Logarithmic")},
        {f"{CONFIG}.ParameterRanges": one_range("Integer", ScalingType="Log")},
    ),
    *(
        (
            f"{kind} {scaling} of {good}",
            {f"{CONFIG}.ParameterRanges": one_range(kind, ScalingType=scaling, MinValue=good[0], MaxValue=good[1])},
            {f"{CONFIG}.ParameterRanges": one_range(kind, ScalingType=scaling, MinValue=bad[0], MaxValue=bad[1])},
        )
        for kind, scaling, good, bad in [
            ("Integer", "Logarithmic", ("1", "8"), ("0", "8")),
            ("Continuous", "Logarithmic", ("1e-300", "1"), ("0.0", "1")),
            ("Continuous", "Logarithmic", ("1e-300", "1"), ("-1", "1")),
            ("Continuous", "ReverseLogarithmic", ("0", "0.999"), ("0", "1")),
            ("Continuous", "ReverseLogarithmic", ("0.5", "0.999"), ("-0.1", "0.5")),
            ("Integer", "ReverseLogarithmic", ("0", "0"), ("1", "8")),
        ]
    ),
    (
        "tuned and static",
        {f"{DEFINITION}.StaticHyperParameters": {"e": "1"}},
        {f"{DEFINITION}.StaticHyperParameters": {"lr": "1"}},
    ),
    *(
        (f"{member} required", {}, {f"{DEFINITION}.{member}": Missing})
        for member in ("AlgorithmSpecification", "RoleArn", "OutputDataConfig", "StoppingCondition")
    ),
    ("DefinitionName max", {f"{DEFINITION}.DefinitionName": "d" * 64}, {f"{DEFINITION}.DefinitionName": "d" * 65}),
    ("DefinitionName min", {f"{DEFINITION}.DefinitionName": "d"}, {f"{DEFINITION}.DefinitionName": ""}),
    ("DefinitionName pattern", {f"{DEFINITION}.DefinitionName": "a-b"}, {f"{DEFINITION}.DefinitionName": "a_b"}),
    (
        "TrainingInputMode",
        {f"{DEFINITION}.AlgorithmSpecification.TrainingInputMode": "FastFile"},
        {f"{DEFINITION}.AlgorithmSpecification.TrainingInputMode": Missing},
    ),
    ("image or name", {}, {f"{DEFINITION}.AlgorithmSpecification.AlgorithmName": "gan"}),
    ("an image or a name", {}, {f"{DEFINITION}.AlgorithmSpecification.TrainingImage": Missing}),
    ("Environment count", {f"{DEFINITION}.Environment": static(48)}, {f"{DEFINITION}.Environment": static(49)}),
    ("Environment key", {f"{DEFINITION}.Environment": {"k" * 512: ""}}, {f"{DEFINITION}.Environment": {"k" * 513: ""}}),
    (
        "Environment key pattern",
        {f"{DEFINITION}.Environment": {"_a1": ""}},
        {f"{DEFINITION}.Environment": {"1-bad": ""}},
    ),
    (
        "Environment value",
        {f"{DEFINITION}.Environment": {"k": "\n" * 512}},
        {f"{DEFINITION}.Environment": {"k": "v" * 513}},
    ),
    (
        "Environment value type",
        {f"{DEFINITION}.Environment": {"k": "true"}},
        {f"{DEFINITION}.Environment": {"k": True}},
    ),
    (
        "HyperParameters count",
        {f"{DEFINITION}.StaticHyperParameters": static(100)},
        {f"{DEFINITION}.StaticHyperParameters": static(101)},
    ),
    (
        "HyperParameters key",
        {f"{DEFINITION}.StaticHyperParameters": {"k" * 256: ""}},
        {f"{DEFINITION}.StaticHyperParameters": {"k" * 257: ""}},
    ),
    (
        "HyperParameters value",
        {f"{DEFINITION}.StaticHyperParameters": {"k": "v" * 2500}},
        {f"{DEFINITION}.StaticHyperParameters": {"k": "v" * 2501}},
    ),
    ("tuning job name max", {"HyperParameterTuningJobName": "t" * 32}, {"HyperParameterTuningJobName": "t" * 33}),
    ("tuning job name min", {"HyperParameterTuningJobName": "t"}, {"HyperParameterTuningJobName": ""}),
    ("tuning job name pattern", {"HyperParameterTuningJobName": "a-1"}, {"HyperParameterTuningJobName": "a-"}),
    ("tuning job name required", {}, {"HyperParameterTuningJobName": Missing}),
    *(
        (
            f"warm start parents {count}",
            {
                "WarmStartConfig.ParentHyperParameterTuningJobs": [
                    {"HyperParameterTuningJobName": f"p{n}"} for n in range(at)
                ]
            },
            {
                "WarmStartConfig.ParentHyperParameterTuningJobs": [
                    {"HyperParameterTuningJobName": f"p{n}"} for n in range(count)
                ]
            },
        )
        for at, count in [(1, 0), (5, 6)]
    ),
    (
        "WarmStartType",
        {"WarmStartConfig.WarmStartType": "IdenticalDataAndAlgorithm"},
        {"WarmStartConfig.WarmStartType": "Identical"},
    ),
    ("tag key", {"Tags": [{"Key": "über k:1", "Value": ""}]}, {"Tags": [{"Key": "a*b", "Value": ""}]}),
    (
        "retries",
        {f"{DEFINITION}.RetryStrategy.MaximumRetryAttempts": 30},
        {f"{DEFINITION}.RetryStrategy.MaximumRetryAttempts": 31},
    ),
    (
        "instances",
        {f"{DEFINITION}.ResourceConfig.InstanceType": "ml.x99.huge"},
        {f"{DEFINITION}.ResourceConfig.InstanceType": "m5.xlarge"},
    ),
]


@pytest.mark.parametrize(("at", "beyond"), [pytest.param(*limit[1:], id=limit[0]) for limit in LIMITS])
def test_limits(at, beyond):
    assert faults(at) == []
    assert len(faults(beyond)) == 1


@pytest.mark.parametrize(
    "name", ["Grid and integers", "Hyperband without MaxResource", "Integer ReverseLogarithmic of ('0', '0')"]
)
def test_what_the_service_has_accepted_is_not_checked_against_its_pages(name):
    (beyond,) = [beyond for what, _, beyond in LIMITS if what == name]
    assert faults(beyond) != []
    assert faults(beyond, REQUEST | {"HyperParameterTuningJobStatus": "Completed"}) == []


@pytest.mark.parametrize("count", [1, 10])
def test_up_to_ten_definitions(count):
    base = with_several()
    several = [base["TrainingJobDefinitions"][0] | {"DefinitionName": f"d{n}"} for n in range(count)]
    assert faults({"TrainingJobDefinitions": several}, base) == []
    more = [*several, several[0] | {"DefinitionName": "last"}] if count == 10 else []
    assert faults({"TrainingJobDefinitions": more}, base) == ["TrainingJobDefinitions"]


def test_forty_eight_variables_over_all_definitions():
    base = with_several()
    at = [f"TrainingJobDefinitions[{n}].Environment" for n in range(2)]
    assert faults({at[0]: static(24), at[1]: static(24)}, base) == []
    assert faults({at[0]: static(24), at[1]: static(25)}, base) == ["TrainingJobDefinitions"]


@pytest.mark.parametrize(
    ("shape", "at", "beyond"),
    [
        ("TrainingEnvironmentMap", static(100), static(101)),
        ("TrainingEnvironmentMap", {"k" * 512: "v" * 512}, {"k": "v" * 513}),
        ("FinalMetricDataList", [{"MetricName": "m"}] * 40, [{"MetricName": "m"}] * 41),
        ("TrainingJobName", "t" * 63, "t" * 64),
        ("TrainingJobName", "a-1", "-a"),
        (
            "TrainingJobArn",
            "arn:aws:sagemaker:local:000000000000:training-job/a",
            "arn:aws:sagemaker:local:1:training-job/a",
        ),
        ("ObjectiveStatus", "Pending", "pending"),
        ("TrainingJobStatus", "Deleting", "DeleteFailed"),
        ("HyperParameterTuningJobStatus", "DeleteFailed", "Failing"),
        ("TrainingJobSortByOptions", "FinalObjectiveMetricValue", "Value"),
        ("SortOrder", "Descending", "Down"),
        ("MaxResults", 100, 101),
        ("MaxResults", 1, 0),
        ("TrainingJobStatusCounter", 0, -1),
    ],
)
def test_limits_of_the_answers(shape, at, beyond):
    assert check(shape, at) == ([], [])
    assert len(check(shape, beyond)[0]) == 1


def test_the_model_is_botocores():
    loaders = pytest.importorskip("botocore.loaders")
    theirs = loaders.Loader().load_service_model("sagemaker", "service-2")["shapes"]
    for name, shape in shapes().items():
        if name == "TrainingInstanceType":
            assert all(re.fullmatch(shape["pattern"], choice) for choice in theirs[name]["enum"])
            continue
        for key in ("type", "min", "max", "pattern", "enum", "required"):
            assert shape.get(key) == theirs[name].get(key), f"{name}.{key}"
        for key in ("member", "key", "value"):
            assert shape.get(key) == theirs[name].get(key, {}).get("shape"), f"{name}.{key}"
        members = {member: target["shape"] for member, target in theirs[name].get("members", {}).items()}
        assert shape.get("members", {}) == members, name
