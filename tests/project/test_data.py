"""The logs in ``data/``: every line of every STEM.expected.jsonl, by the oracle and by the engine, and every ranking."""

import importlib.util
import json
import math
from pathlib import Path

import pytest

import metricscan
from metricscan import Objective, Scanner

DATA = Path(__file__).resolve().parents[2] / "data"
SETS = sorted(path.with_name(path.name.removesuffix(".expected.jsonl")) for path in DATA.glob("*/*.expected.jsonl"))
each_set = pytest.mark.parametrize("stem", SETS, ids=lambda path: path.name)


def load_corpus():
    spec = importlib.util.spec_from_file_location("corpus", DATA / "corpus.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


corpus = load_corpus()


def expected_of(stem):
    return [json.loads(line) for line in stem.with_name(stem.name + ".expected.jsonl").read_text().splitlines()]


def objective_of(stem):
    return json.loads(stem.with_name(stem.name + ".objective.json").read_text())


def definitions_file(stem):
    (path,) = stem.parent.glob(f"{stem.name}.definitions.*")
    return path


def logs_of(stem):
    """What a user would name: the folder of the logs, or the only one."""
    folder = stem.parent / "logs"
    return folder if folder.is_dir() else stem.parent / "gan.log"


def noted(log, metric, newline, table, unparsed):
    """A line of STEM.expected.jsonl, from a table."""
    values, lines, offsets, starts = (table[name].to_pylist() for name in ("value", "line", "offset", "start"))
    return {
        "log": log,
        "metric": metric,
        "newline": newline,
        "count": len(values),
        "unparsed": unparsed,
        "first": repr(values[0]) if values else None,
        "last": repr(values[-1]) if values else None,
        "last_line": lines[-1] if lines else None,
        "values": corpus.digest("d", [math.nan if math.isnan(value) else value for value in values]),
        "lines": corpus.digest("q", lines),
        "offsets": corpus.digest("q", offsets),
        "starts": corpus.digest("q", starts),
    }


def test_there_are_sets():
    assert len(SETS) == len(list(DATA.glob("*/*.objective.json"))) >= 9


@each_set
def test_the_oracle_gives_what_is_expected(stem):
    expected = expected_of(stem)
    options = objective_of(stem)["options"]
    logs = dict.fromkeys(line["log"] for line in expected)
    assert [line for log in logs for line in corpus.read(stem.parent, stem.name, log, options)] == expected


@each_set
def test_the_engine_gives_what_is_expected(stem):
    expected = expected_of(stem)
    options = objective_of(stem)["options"]
    found = []
    for log, newline in dict.fromkeys((line["log"], line["newline"]) for line in expected):
        result = Scanner(definitions_file(stem), newline=newline, **options).scan(stem.parent / log)
        found += [
            noted(log, name, newline, table, result.stats.metrics[name].unparsed) for name, table in result.items()
        ]
    assert found == expected


@each_set
def test_every_log_is_found_and_nothing_else(stem):
    found = metricscan.replay(logs_of(stem), Scanner(definitions_file(stem)))
    logs = [Path(log.path).relative_to(stem.parent).as_posix() for job in found.jobs for log in job.logs]
    assert sorted(logs) == sorted({line["log"] for line in expected_of(stem)})
    assert found.errors == ()


@pytest.mark.parametrize("threads", [1, 2, None])
@each_set
def test_the_replay_gives_the_ranking(stem, threads):
    expected = objective_of(stem)
    result = metricscan.replay(
        logs_of(stem),
        Scanner(definitions_file(stem), **expected["options"]),
        objective=Objective(expected["metric"], expected["goal"], expected["scope"]),
        jobs=expected["jobs"] and stem.parent / expected["jobs"],
        threads=threads,
    )
    paths = {(job.name, log.stream): log.path for job in result.jobs for log in job.logs}
    found = []
    for row in result.ranking.to_pylist():
        path = paths.get((row["job"], row["stream"]))
        found.append(
            {
                "rank": row["rank"],
                "job": row["job"],
                "value": None if row["value"] is None else repr(row["value"]),
                "objective_status": row["objective_status"],
                "job_status": row["job_status"] and row["job_status"].lower(),
                "log": path and Path(path).relative_to(stem.parent).as_posix(),
                "line": row["line"],
            }
        )
    for row in expected["ranking"]:
        row["job_status"] = row["job_status"] and row["job_status"].lower()
    assert found == expected["ranking"]
    first = expected["ranking"][0]
    assert (result.best.job, repr(result.best.value), result.best.line) == (first["job"], first["value"], first["line"])


def test_hyperparameters_are_found_where_each_tool_leaves_them():
    def parameters(name):
        stem = next(stem for stem in SETS if stem.name == name)
        jobs = objective_of(stem)["jobs"]
        result = metricscan.replay(
            logs_of(stem), Scanner(definitions_file(stem)), jobs=jobs and stem.parent / jobs, job="auto"
        )
        return {job.name: job.hyperparameters for job in result.jobs}

    assert parameters("lightgbm")["lr=0.1_leaves=31"] == {"lr": "0.1", "leaves": "31"}
    assert parameters("keras")["eb42e1bc2684c3e6c88bdb80184787f5"] == {"optimizer": "sgd", "lr": "1e+30", "units": "32"}
    assert parameters("sklearn")["4"] == {"hidden": "64", "lr": "10000000000.0", "solver": "sgd"}
    assert all(parameters(name) for name in ("xgboost", "pytorch", "tqdm"))


def test_the_line_of_the_documentation():
    result = Scanner(DATA / "gan" / "gan.definitions.json").scan(DATA / "gan" / "gan.log")
    values = {name: table["value"].to_pylist() for name, table in result.items()}
    assert values == {"ganloss": [0.138318], "disc-combined": [0.0], "discloss": [1.374587], "loss": [16.020744]}


def test_the_data_is_small():
    files = [path for path in DATA.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert sum(path.stat().st_size for path in files) <= 2_000_000
