"""The table of built-in algorithms: each row finds its value in a line as its algorithm writes it, and equals the oracle."""

import json
import re

import pytest
from support import reference
from support.feeding import expected, scanned

import metricscan
from metricscan.sagemaker import algorithm, definitions
from metricscan.sagemaker.algorithms import EVIDENCE, MOST_DEFINITIONS, metric, of_image, request_definitions, table
from metricscan.scanning.scanner import _configured

ROWS = [(one.name, row) for one in table().values() for row in one.metrics]
WITH_REGEX = [pytest.param(name, row, id=f"{name} {row.name}") for name, row in ROWS if row.regex is not None]
# Lines in the shape of each family, the value in place of {}.
LINES = (
    (r"\.\*\\\[\[0-9\]\+\\\]\.\*#011(\S+?):\(", "[17]#011other-rmse:3.5#011{0}:{1}"),
    (r"#quality_metric: (.*?)=\(\\S\+\)", "[03/01/2026 10:00:00 INFO 140000000000000] #quality_metric: {0}={1}"),
    (r"#progress_metric", "[03/01/2026 10:00:00 INFO 140000000000000] #progress_metric: host=algo-1, completed {1} % of epochs"),
    (r"#throughput_metric", "#throughput_metric: host=algo-1, train throughput={1} records/second"),
    (r"\^(\w+)>", "{0}> Name=main_level/agent, Episode=3, Total reward={1}, Steps=200"),
    (r"metrics={'(\w+)'", "metrics={{'{0}': {1}}}"),
    (r"(.*?)\(", "step 3 {0}{1}"),
)  # fmt: skip


def line_for(regex, value):
    for family, line in LINES:
        found = re.match(family, regex)
        if found:
            known = found[1] if found.groups() else ""
            # what a pattern leaves open in the text before its value
            known = (
                known.replace(r"host=\S+", "host=algo-1")
                .replace(r"\S+", "3")
                .replace("\\(", "(")
                .replace("tensor\\", "tensor(")
            )
            return line.format(known, value)
    raise AssertionError(regex)


def test_there_are_as_many_as_are_known():
    assert len(table()) == 34
    assert len(ROWS) == 183
    assert len(WITH_REGEX) == 167
    assert all(row.evidence in EVIDENCE and row.source for _, row in ROWS)
    assert all((row.regex is None) == (row.evidence == "name") for _, row in ROWS)
    names = [(name, row.name) for name, row in ROWS]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(("name", "row"), WITH_REGEX)
def test_every_regex_finds_its_value(name, row):
    line = line_for(row.regex, "0.875").encode()
    (given,) = definitions(name, metrics=[row.name])
    assert given == (row.name, row.regex)
    listed = [{"Name": row.name, "Regex": row.regex}]
    assert [one.value for one in reference.scan(listed, line).metrics[row.name].rows] == [0.875], line
    assert scanned(_configured(listed), line) == expected(listed, line)


def test_every_row_with_a_sample_finds_its_value(facts):
    samples = [
        row for row in json.loads((facts / "builtin_metrics.json").read_text()) if row["sample_log_line_or_null"]
    ]
    checked = 0
    for sample in samples:
        line = sample["sample_log_line_or_null"].encode()
        if sample["regex_or_null"] is None:
            continue
        one = next(one for one in table().values() if one.title == sample["algorithm"])
        row = next(row for row in one.metrics if row.regex == sample["regex_or_null"])
        rows = metricscan.Scanner(definitions(one.name, metrics=[row.name])).scan(line)[row.name]
        listed = [{"Name": row.name, "Regex": row.regex}]
        assert rows.num_rows >= 1, sample
        assert scanned(_configured(listed), line) == expected(listed, line)
        checked += 1
    assert checked >= 15


def test_the_facts_are_all_there(facts):
    """Names, regexes and directions, but where the source is surely wrong."""
    wrong = []
    for fact in json.loads((facts / "builtin_metrics.json").read_text()):
        if fact["metric"] in (None, "ObjectiveMetric"):
            continue
        title = fact["algorithm"].partition(" (Word2Vec")[0].partition(" (supervised")[0]
        key = title.replace("JumpStart ", "jumpstart-").replace(" ", "-") if title.startswith("JumpStart") else title
        row = metric(key, fact["metric"].removesuffix(" (per epoch)"))
        assert row.regex == fact["regex_or_null"]
        if row.direction != fact["direction"]:
            wrong.append((title, row.name, row.direction))
            assert row.note
    assert wrong == [
        ("XGBoost", "validation:interval-regression-accuracy", "Maximize"),
        ("LightGBM", "binary_logloss", "Minimize"),
        ("LightGBM", "multi_logloss", "Minimize"),
        ("CatBoost", "Logloss", "Minimize"),
        ("CatBoost", "MultiClass", "Minimize"),
    ]


def test_the_containers_regexes_take_all_up_to_a_blank():
    """They are as the container's source has them; where another metric follows in the line, they capture no number."""
    for row in algorithm("xgboost").metrics:
        if row.evidence == "container":
            result = metricscan.Scanner(definitions("xgboost", metrics=[row.name])).scan(
                f"[3]#011{row.name.replace(':', '-')}:0.5#011validation-x:1".encode()
            )
            assert result.stats.metrics[row.name].unparsed == 1
            assert row.note


@pytest.mark.slow
@pytest.mark.parametrize("escape", ["none", "syslog"])
def test_on_real_logs_as_the_oracle(corpora, escape):
    logs = sorted((corpora / "logs").glob("sagemaker-*"))
    assert len(logs) >= 5
    regexes = dict.fromkeys(row.regex for _, row in ROWS if row.regex is not None)
    listed = [{"Name": f"m{number}", "Regex": regex} for number, regex in enumerate(regexes)]
    scanner = _configured(listed, escape=escape)
    found = 0
    for log in logs:
        data = log.read_bytes()[:100_000]
        wanted = expected(listed, data, escape=escape)
        assert scanned(scanner, data) == wanted, log.name
        found += sum(len(one["rows"]) for key, one in wanted.items() if key.startswith("metric"))
    assert found > 100


# ---- choosing


def test_metrics_that_share_a_regex():
    assert [one.name for one in definitions("catboost", objective="F1")] == ["F1"]
    with pytest.raises(metricscan.OptionError, match=r"12 metrics of catboost share the regex bestTest = "):
        definitions("catboost")
    with pytest.raises(metricscan.OptionError, match="2 metrics of catboost share"):
        definitions("catboost", metrics=["RMSE", "F1"])
    assert [one.name for one in definitions("catboost", metrics=["RMSE", "F1"], objective="F1")] == ["F1"]


def test_a_request_keeps_forty():
    for one in table().values():
        objectives = [row.name for row in one.metrics if row.regex is not None]
        for objective in objectives:
            kept = request_definitions(one.name, objective)
            assert kept[0].name == objective
            assert len(kept) <= MOST_DEFINITIONS
            assert len({definition.regex for definition in kept}) == len(kept)


def test_by_repository_title_and_image():
    assert algorithm("sagemaker-xgboost") is algorithm("XGBoost") is algorithm("xgboost")
    assert of_image("1.dkr.ecr.x.amazonaws.com/forecasting-deepar:1") == "forecasting-deepar"
    assert of_image("host:5000/team/linear-learner@sha256:0") == "linear-learner"
    assert of_image("my-xgboost:1") is None


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: definitions("xgbost"), "did you mean 'xgboost'"),
        (lambda: definitions("xgboost", metrics=["validation:rsme"]), "did you mean 'validation:rmse'"),
        (lambda: definitions("seq2seq"), "only the names of its metrics"),
        (lambda: definitions("lda", metrics=["test:pwll"]), "is not known, only its name"),
        (lambda: definitions("xgboost", objective="x"), "not one of the 50 known metrics"),
    ],
)
def test_what_is_not_there(call, message):
    with pytest.raises(metricscan.OptionError, match=message):
        call()
