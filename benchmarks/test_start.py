"""What comes before the first byte: importing the package, compiling definitions, opening many small files."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from inputs import corpora

import metricscan
from metricscan.patterns import classes, parse


@pytest.mark.parametrize("statement", ["pass", "import metricscan"])
def test_import(benchmark, statement):
    benchmark.group = "a new interpreter"
    command = [sys.executable, "-c", statement]
    benchmark.pedantic(lambda: subprocess.run(command, check=True), rounds=10, warmup_rounds=1)


@pytest.mark.parametrize("count", [4, 1000])
def test_compile(benchmark, count):
    definitions = corpora.definitions(count)
    benchmark.group = f"compile {count} definitions"

    def compile_all() -> int:
        re.purge()
        parse.forget()
        classes.forget()
        return len(metricscan.Scanner(definitions).metrics)

    assert compile_all() == count
    benchmark.pedantic(compile_all, rounds=5, warmup_rounds=1)


@pytest.mark.parametrize("count", [4, 1000])
def test_compile_by_re(benchmark, count):
    definitions = corpora.definitions(count)
    benchmark.group = f"compile {count} definitions"

    def compile_all() -> list[re.Pattern[str]]:
        re.purge()
        return [re.compile(definition["Regex"]) for definition in definitions]

    benchmark.pedantic(compile_all, rounds=5, warmup_rounds=1)


@pytest.mark.parametrize("threads", [1, 2])
def test_small_files(benchmark, make_workload, tmp_path, threads):
    files = 500
    workload, _ = make_workload("tenth", size_bytes=20_000)
    scanner = metricscan.Scanner(workload.definitions)
    for i in range(files):
        (tmp_path / f"trial_{i}.log").write_bytes(workload.data)
    objective = metricscan.Objective("loss", "Minimize")
    benchmark.group = f"replay {files} files of 20 KB"

    def replay() -> int:
        return metricscan.replay([tmp_path], scanner, objective=objective, threads=threads).ranking.num_rows

    assert replay() == files
    benchmark.pedantic(replay, rounds=3, warmup_rounds=1)
