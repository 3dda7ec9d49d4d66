"""Tuning requests: every limit at it and beyond it, every contradiction, and all errors of a request in one exception."""

import json
import re
import warnings

import pytest
import yaml
from support.requests import CONFIG, DEFINITION, METRICS, REQUEST, Missing, changed, faults, metrics, with_several

import metricscan
from metricscan.sagemaker import RequestError, RequestWarning, load_request


def warned(source):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        request = load_request(source)
    assert [str(one.message) for one in caught] == [str(one) for one in request.warnings]
    return request, [str(one.message) for one in caught]


# ---- what a good request says


def test_the_documentations_definitions_objective_and_environment():
    request = load_request(REQUEST)
    assert request.name == "gan-tuning"
    assert [tuple(metric) for metric in request.metrics] == [
        ("ganloss", "GAN_loss=(.*?);"),
        ("disc-combined", "disc-combined=(.*?);"),
        ("discloss", "disc_train_loss=(.*?);"),
        ("loss", "Loss = (.*?);"),
    ]
    assert request.objective == metricscan.Objective("loss", "Minimize")
    (definition,) = request.definitions
    assert definition.environment == {"SM_LOG_LEVEL": "10"}
    assert definition.tuned == ("layers", "lr", "optimizer")
    assert definition.static_hyperparameters == {"epochs": "20"}
    assert not request.described
    assert not request.warnings


def test_the_documentations_environment_is_a_list_with_a_number():
    request, texts = warned(changed({f"{DEFINITION}.Environment": [{"SM_LOG_LEVEL": 10}]}))
    assert request.definitions[0].environment == {"SM_LOG_LEVEL": "10"}
    assert request.document[DEFINITION]["Environment"] == {"SM_LOG_LEVEL": "10"}
    assert len(texts) == 2
    assert all(text.startswith("TrainingJobDefinition.Environment") for text in texts)
    assert REQUEST[DEFINITION]["Environment"] == {"SM_LOG_LEVEL": "10"}, "the caller's own is left alone"


def test_an_environment_list_that_says_two_things():
    assert faults({f"{DEFINITION}.Environment": [{"A": "1"}, {"A": "2"}]}) == [f"{DEFINITION}.Environment"]
    assert faults({f"{DEFINITION}.Environment": [{"A": "1"}, {"A": "1", "B": "2"}]}) == []


def test_a_file_with_trailing_commas(tmp_path):
    path = tmp_path / "request.json"
    text = json.dumps(REQUEST, indent=1)
    path.write_text(re.sub(r"(?<=[\]}\"])(?=\s*[\]}])", ",", text), encoding="utf-8-sig")
    with pytest.raises(json.JSONDecodeError):
        json.loads(path.read_text("utf-8-sig"))
    assert load_request(path).document == REQUEST
    assert load_request(str(path)).metrics == load_request(REQUEST).metrics


def respelled(value, spell):
    if isinstance(value, dict):
        # the keys of these maps are the user's
        return {
            spell(key): inner if key in ("Environment", "StaticHyperParameters") else respelled(inner, spell)
            for key, inner in value.items()
        }
    return [respelled(item, spell) for item in value] if isinstance(value, list) else value


def camel(key):
    return key[0].lower() + key[1:]


def snake(key):
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key).lower()


@pytest.mark.parametrize("spell", [camel, snake, str.upper])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda request: request,
        lambda request: {"Type": "Task", "Resource": "arn:aws:states:::sagemaker", "Parameters": request},
        lambda request: {
            "apiVersion": "v1",
            "kind": "HyperParameterTuningJob",
            "metadata": {"name": "a"},
            "spec": request,
        },
        lambda request: {"States": {"Train": {"Next": "End"}, "Tune": {"Parameters": request}}},
        lambda request: {"status": 200, "data": [request]},
    ],
)
@pytest.mark.parametrize("suffix", ["json", "yaml"])
def test_a_request_within_other_objects_and_in_other_spellings(tmp_path, spell, wrap, suffix):
    document = wrap(respelled(REQUEST, spell))
    path = tmp_path / f"request.{suffix}"
    path.write_text(json.dumps(document) if suffix == "json" else yaml.safe_dump(document))
    for source in (document, path):
        request, texts = warned(source)
        assert (request.document, texts) == (REQUEST, [])


def test_a_request_is_one():
    with pytest.raises(
        RequestError, match=r"2 requests, \[0\], \[1\]; one was expected|2 requests, a, b; one was expected"
    ):
        load_request({"a": REQUEST, "b": REQUEST})
    twice = REQUEST | {"hyperParameterTuningJobName": "other"}
    with pytest.raises(RequestError, match="HyperParameterTuningJobName: is given twice, as HyperParam"):
        load_request(twice)


def test_an_answer_without_the_counters_of_its_jobs():
    answer = changed({"Tags": Missing}) | {
        "HyperParameterTuningJobStatus": "Completed",
        "BestTrainingJob": {"TrainingJobName": "a"},
    }
    request, texts = warned(answer)
    assert (request.described, texts) == (True, [])
    # what it holds is checked, and what a request needs is needed
    assert faults({"HyperParameterTuningJobStatus": "Odd"}, answer) == ["HyperParameterTuningJobStatus"]
    assert faults({f"{CONFIG}.Strategy": Missing}, answer) == [f"{CONFIG}.Strategy"]


def test_an_answer_that_python_printed(tmp_path):
    answer = changed({"Tags": Missing}) | {"CreationTime": "@", "HyperParameterTuningJobStatus": "Completed"}
    path = tmp_path / "answer.json"
    path.write_text(repr(answer).replace("'@'", "datetime.datetime(2026, 3, 1, 10, 0, tzinfo=tzlocal())"))
    assert load_request(path).document == answer | {"CreationTime": "2026-03-01T10:00:00"}


def test_warnings_come_with_the_errors_that_follow_them():
    with pytest.raises(RequestError) as caught:
        load_request(changed({f"{DEFINITION}.Environment": [{"A": 1}], f"{CONFIG}.Strategy": "Odd"}))
    assert len(caught.value.faults) == 1
    assert [text.partition(":")[0] for text in caught.value.warnings] == [
        "TrainingJobDefinition.Environment",
        "TrainingJobDefinition.Environment['A']",
    ]


def test_a_request_that_is_cut_anywhere_gives_one_error(tmp_path):
    path = tmp_path / "request.json"
    small = {"HyperParameterTuningJobName": "é", CONFIG: {"Strategy": "Grid"}}
    for text in (json.dumps(small, indent=1), repr(small)):
        for cut in range(len(text)):
            path.write_text(text[:cut])
            with pytest.raises(RequestError, match=r"line \d+, column \d+: not (JSON|Python)") as caught:
                load_request(path)
            assert len(caught.value.faults) == 1


def test_the_documentations_gap_is_named(tmp_path):
    path = tmp_path / "request.json"
    path.write_text('{\n   "HyperParameterTuningJobConfig": { \n   ...,\n   }\n   "TrainingJobDefinition": {}\n}')
    with pytest.raises(RequestError, match=r"line 3, column 4: \.\.\. marks text that the documentation omits"):
        load_request(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1]", "a list where the request, an object, was expected"),
        ("null", "null where the request"),
        ('{"a": }', r"line 1, column 7: not JSON: Expecting value"),
        ('{"Regex": "(\\S+)"}', r"line 1, column 13: \\S is no JSON string escape\n +hint: write \\\\S"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_no_request(tmp_path, text, message):
    path = tmp_path / "request.json"
    path.write_text(text)
    with pytest.raises(RequestError, match=message) as caught:
        load_request(path)
    assert caught.value.source == str(path)


@pytest.mark.parametrize("depth", [50, 900])
def test_a_member_that_is_nested_deeply(depth):
    deep = 1
    for _ in range(depth):
        deep = {"a": deep}
    with (
        pytest.warns(RequestWarning, match="Odd: is not a member")
        if depth < 100
        else pytest.raises(RequestError, match="nested")
    ):
        load_request(REQUEST | {"Odd": deep})
    with pytest.raises(metricscan.DefinitionError, match="a dict where a list"):
        metricscan.load_definitions({"a": deep})


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(metricscan.SourceError, match="cannot read the tuning request"):
        load_request(tmp_path / "none.json")
    (tmp_path / "latin.json").write_bytes(b'{"a": "\xe9"}')
    with pytest.raises(metricscan.SourceError, match="not UTF-8") as caught:
        load_request(tmp_path / "latin.json")
    assert caught.value.offset == 7


def test_as_python_prints_it(tmp_path):
    path = tmp_path / "request.json"
    path.write_text(repr(REQUEST))
    assert load_request(path).document == REQUEST


# ---- contradictions


@pytest.mark.parametrize(
    ("changes", "paths"),
    [
        ({DEFINITION: Missing}, [""]),
        ({"TrainingJobDefinitions": with_several()["TrainingJobDefinitions"]}, [""]),
        ({f"{CONFIG}.HyperParameterTuningJobObjective": Missing}, [f"{CONFIG}.HyperParameterTuningJobObjective"]),
        (
            {f"{DEFINITION}.TuningObjective": {"Type": "Maximize", "MetricName": "loss"}},
            [f"{DEFINITION}.TuningObjective"],
        ),
        ({f"{METRICS}[0].Name": "loss"}, [f"{METRICS}[3]"]),
        ({f"{METRICS}[1].Regex": "("}, [f"{METRICS}[1]"]),
        (
            {f"{CONFIG}.ParameterRanges.IntegerParameterRanges[0].Name": "lr"},
            [f"{CONFIG}.ParameterRanges.ContinuousParameterRanges[0].Name"],
        ),
        ({f"{CONFIG}.Strategy": None}, [f"{CONFIG}.Strategy"]),
        ({CONFIG: "x"}, [CONFIG, f"{CONFIG}.HyperParameterTuningJobObjective"]),
        ({METRICS: "x"}, [METRICS]),
    ],
)
def test_contradictions(changes, paths):
    assert faults(changes) == paths


def test_each_of_several_definitions():
    request = load_request(with_several())
    assert [one.objective for one in request.definitions] == [
        metricscan.Objective("loss", "Minimize"),
        metricscan.Objective("accuracy", "Maximize"),
    ]
    assert request.objective is None
    assert [metric.name for metric in request.metrics][-2:] == ["accuracy", "loss (classifier)"]
    assert request.label(0, "loss") == "loss"
    assert request.label(1, "loss") == "loss (classifier)"
    assert len({metric.name for metric in request.metrics}) == len(request.metrics) == 6
    metricscan.Scanner(request.metrics)
    base = with_several()
    first, second = (f"TrainingJobDefinitions[{n}]" for n in range(2))
    assert faults({f"{first}.TuningObjective": Missing}, base) == [f"{first}.TuningObjective"]
    assert faults({f"{second}.DefinitionName": "gan"}, base) == [f"{second}.DefinitionName"]
    assert faults({f"{second}.TuningObjective.MetricName": "acc"}, base) == [f"{second}.TuningObjective.MetricName"]


def test_an_objective_that_is_not_among_the_metrics():
    with pytest.raises(RequestError) as caught:
        load_request(changed({f"{CONFIG}.HyperParameterTuningJobObjective.MetricName": "disc-loss"}))
    (fault,) = caught.value.faults
    assert fault.path == f"{CONFIG}.HyperParameterTuningJobObjective.MetricName"
    assert fault.message.startswith("the objective metric 'disc-loss' is not among the metric definitions: 'ganloss', ")
    assert fault.hint == "did you mean 'discloss'?"


def test_ten_errors_give_ten():
    found = faults(
        {
            "HyperParameterTuningJobName": "a_b",
            f"{CONFIG}.Strategy": "bayesian",
            f"{CONFIG}.ResourceLimits.MaxRuntimeInSeconds": 1,
            f"{CONFIG}.RandomSeed": -1,
            f"{CONFIG}.ParameterRanges.IntegerParameterRanges[0].MaxValue": "0",
            f"{METRICS}[0].Regex": "(",
            f"{METRICS}[1].Name": "n" * 256,
            f"{DEFINITION}.RoleArn": "admin",
            f"{DEFINITION}.Environment": {"1-bad": "x"},
            f"{CONFIG}.HyperParameterTuningJobObjective.MetricName": "los",
        }
    )
    assert len(found) == len(set(found)) == 10


def test_unknown_members_warn():
    _, texts = warned(changed({f"{CONFIG}.RandomSed": 1, f"{DEFINITION}.Colour": "red"}))
    assert texts == [
        f"{CONFIG}.RandomSed: is not a member that the service defines; it is ignored\n    hint: did you mean RandomSeed?",
        f"{DEFINITION}.Colour: is not a member that the service defines; it is ignored",
    ]


# ---- the service's habits

ALIAS = {"Name": "ObjectiveMetric", "Regex": "Loss = (.*?);"}
DESCRIBED = {key: value for key, value in REQUEST.items() if key != "Tags"} | {
    "HyperParameterTuningJobArn": "arn:aws:sagemaker:eu-west-1:000000000000:hyper-parameter-tuning-job/gan-tuning",
    "HyperParameterTuningJobStatus": "Completed",
    "CreationTime": "2026-03-01T10:00:00+00:00",
    "TrainingJobStatusCounters": {"Completed": 1},
    "ObjectiveStatusCounters": {"Succeeded": 1},
    "ResponseMetadata": {"HTTPStatusCode": 200},
}


def test_a_described_job():
    request, texts = warned(changed({METRICS: [*metrics(40), ALIAS]}, DESCRIBED))
    assert request.described
    assert texts == []
    assert len(request.metrics) == 40
    assert "ObjectiveMetric" not in [metric.name for metric in request.metrics]
    assert faults({METRICS: [*metrics(41), ALIAS]}, DESCRIBED) == [METRICS]
    assert faults({"CreationTime": "yesterday"}, DESCRIBED) == ["CreationTime"]


def test_the_alias_with_another_regex_warns():
    request, texts = warned(changed({METRICS: [ALIAS | {"Regex": "GAN_loss=(.*?);"}, *metrics(3)]}))
    assert [text.split(":")[0] for text in texts] == [f"{METRICS}[0]"]
    assert len(request.metrics) == 3


def test_an_objective_of_that_name_is_a_metric():
    changes = {METRICS: [ALIAS], f"{CONFIG}.HyperParameterTuningJobObjective.MetricName": "ObjectiveMetric"}
    assert [metric.name for metric in load_request(changed(changes)).metrics] == ["ObjectiveMetric"]


@pytest.mark.parametrize(("value", "warns"), [("loss", 0), ('"loss"', 0), ("ObjectiveMetric", 0), ("ganloss", 1)])
def test_the_objectives_hyperparameter(value, warns):
    _, texts = warned(changed({f"{DEFINITION}.StaticHyperParameters": {"_tuning_objective_metric": value}}))
    assert len(texts) == warns


# ---- built-in algorithms


def built_in(image, objective, goal="Minimize"):
    return changed(
        {
            METRICS: Missing,
            f"{DEFINITION}.AlgorithmSpecification.TrainingImage": image,
            f"{CONFIG}.HyperParameterTuningJobObjective": {"Type": goal, "MetricName": objective},
        }
    )


def test_an_image_selects_the_table():
    image = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
    request = load_request(built_in(image, "train:auc", "Maximize"))
    assert request.definitions[0].algorithm == "xgboost"
    assert len(request.metrics) == 40
    assert request.metrics[0].name == "train:auc"
    with pytest.raises(RequestError, match=r"'validation:rmsee' is not one of the 50 known metrics") as caught:
        load_request(built_in(image, "validation:rmsee"))
    assert caught.value.faults[0].hint == "did you mean 'validation:rmse'?"


def test_an_unknown_image_without_definitions_warns():
    request, texts = warned(built_in("gan:1", "loss"))
    assert request.metrics == ()
    assert len(texts) == 1
    assert "not a known built-in algorithm" in texts[0]
    assert (
        load_request(built_in("gan:1", "auc", "Maximize"), algorithm="lightgbm").definitions[0].algorithm == "lightgbm"
    )
    with pytest.raises(metricscan.OptionError, match="did you mean 'lightgbm'"):
        load_request(built_in("gan:1", "auc"), algorithm="lightgm")


def test_a_direction_that_surprises_warns():
    _, texts = warned(built_in("x/xgboost:1", "validation:logloss", "Maximize"))
    assert texts == [
        f"{CONFIG}.HyperParameterTuningJobObjective.MetricName: Maximize 'validation:logloss': Minimize was expected"
    ]
