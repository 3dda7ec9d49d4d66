"""Texts in CSV that a spreadsheet would run: they are changed in the file, said in the manifest, and given back as they were."""

import csv
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metricscan import Dataset, MetricDefinition, Objective, Scanner, rank, replay
from metricscan.datasets.csv_guard import guarded

FORMULAS = [
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "=\n",
    "+x",
    "-lr",
    "'=1",
    "''@a",
    "-nan",
    "+1_0",
    "-1 ",
]
PLAIN = ["loss", "-0.5", "+1", "-1e-5", "'", "'a", "a=b", "0", " =1", "-.5", "é", "1-1", "=", "-", "'-", "\t"]


@pytest.mark.parametrize("text", FORMULAS)
def test_formulas_are_guarded(text):
    assert guarded(text) == f"'{text}"


@pytest.mark.parametrize("text", [*PLAIN, ""])
def test_other_texts_are_not(text):
    assert guarded(text) == text


@given(st.text(st.sampled_from("'=+-@\t\r\na1.é"), max_size=6))
def test_no_guarded_text_is_run(text):
    changed = guarded(text)
    if len(changed) > 1:
        assert not changed.startswith(("=", "@", "\t", "\r", "\n"))
        assert not changed.startswith(("+", "-")) or float(changed) == float(text)


@pytest.fixture
def logs(tmp_path):
    for number, name in enumerate([*FORMULAS, *PLAIN]):
        (tmp_path / "logs" / name).mkdir(parents=True)
        text = f"loss={number} who=[{' '.join(name.splitlines())}]\n"
        (tmp_path / "logs" / name / "stdout").write_text(text)
    return tmp_path / "logs"


SCANNER = Scanner([MetricDefinition("=loss", r"loss=(\d+)")], labels={"@who": r"who=\[(.*?)\]"})


@pytest.mark.parametrize("csv_guard", [True, False])
def test_a_dataset_gives_texts_back_as_they_were(logs, tmp_path, csv_guard):
    out = tmp_path / "out"
    goal = Objective("=loss", "Minimize")
    result = replay(logs, SCANNER, objective=goal, out=out, format="csv", csv_guard=csv_guard)
    dataset = Dataset(out)
    for metric in ("=loss", "@who"):
        assert dataset[metric].to_pylist() == result[metric].to_pylist()
    assert rank(out, goal).to_pylist() == result.ranking.to_pylist()
    assert json.loads((out / "_manifest.json").read_text()).get("csv_guard", False) is csv_guard
    run = []
    for path in out.rglob("*.csv"):
        with open(path, encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                run += [text for text in row.values() if text != guarded(text) and not text.startswith("'")]
    assert (run == []) is csv_guard


def test_other_formats_are_as_they_were(logs, tmp_path):
    replay(logs, SCANNER, out=tmp_path / "out", format="jsonl")
    assert "csv_guard" not in json.loads((tmp_path / "out" / "_manifest.json").read_text())
    with open(tmp_path / "out" / "%3Dloss" / "part-0.jsonl", encoding="utf-8") as file:
        assert {json.loads(line)["job"] for line in file} == {*FORMULAS, *PLAIN}
