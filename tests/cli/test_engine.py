"""A replay on an engine: the command says and writes what it does without one."""

import json

import pytest
from support.folders import tree

import metricscan

pytest.importorskip("duckdb")


@pytest.fixture
def logs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tree(tmp_path / "logs", {f"{name}.log": f"step=1\nloss={at}.5\nloss=1,5\n" for at, name in enumerate("abc")})


COMMAND = [
    "replay",
    "logs",
    "-m",
    r"loss=loss=([0-9.]+)",
    "-m",
    r"step=step=(\d+)",
    "--minimize",
    "loss",
    "--step",
    "step",
]


def test_the_output_and_the_dataset_are_the_same(run, logs):
    alone, out, _ = run(*COMMAND, "--out", "one", "--json")
    code, found, _ = run(*COMMAND, "--out", "fleet", "--json", "--engine", "duckdb")
    assert code == alone == 0
    documents = [json.loads(one) for one in (out, found)]
    assert [one.pop("out") for one in documents] == ["one", "fleet"]
    assert documents[0] == documents[1]
    tables = [metricscan.Dataset(name)["loss"] for name in ("one", "fleet")]
    assert tables[0].to_pylist() == tables[1].to_pylist()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--address", "auto"], "--address needs --engine"),
        (["--engine", "duckdb", "--threads", "2"], "--engine excludes --threads"),
        (["--engine", "duckdb", "--parameter", "printed"], "--engine excludes --parameter"),
        (["--engine", "duckdb", "--over", "step"], "--engine excludes --over NAME of a label or metric"),
        (["--engine", "duckdb", "--address", "x"], "duckdb runs on one machine"),
        (["--engine", "hadoop"], "'hadoop' is not one of 'ray', 'dask', 'daft', 'spark', 'duckdb', 'polars'"),
    ],
)
def test_wrong_options(run, logs, options, message):
    code, _, complaint = run(*COMMAND, *options)
    assert code == 2
    assert message in " ".join(complaint.split())
