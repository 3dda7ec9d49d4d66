"""What the benchmarks keep and report; no time is measured here."""

import re
import sys
from pathlib import Path

import pytest
from support.feeding import expected

from metricscan import Scanner

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path.insert(0, str(FOLDER))

import bars  # noqa: E402
import chart  # noqa: E402
import compare  # noqa: E402
import figures  # noqa: E402
import measure  # noqa: E402
import oracles  # noqa: E402
from inputs import corpora, logs  # noqa: E402
from parts import pipelines  # noqa: E402
from peers import answers, engines, regexes  # noqa: E402


def test_the_table_of_contents_names_every_file_and_no_other():
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    contents = text[text.index("| file |") :].partition("\n\n")[0]
    named = {name for name in re.findall(r"`([^`]+)`", contents) if name.endswith(".py")}
    there = {path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.py")}
    assert named == there


def test_the_commands_are_files():
    commands = re.findall(r"python benchmarks/(\S+)", (FOLDER / "README.md").read_text(encoding="utf-8"))
    assert len(commands) > 5
    assert [name for name in commands if not (FOLDER / name).is_file()] == []


def measured(engine, seconds, unit="MB/s", workload="every", part="engines"):
    contender = measure.Contender(engine, "1", 1_000_000, 7, lambda: None, 1, unit)
    return measure.measurement(contender, seconds, part=part, workload=workload, definitions=4)


def written(folder, *measurements):
    return str(measure.write_record(measurements, folder, "machine", "about"))


def test_a_record_is_read_as_it_was_written(tmp_path):
    rows = [measured("metricscan", [0.5, 0.25, 1.0]), measured("feed", [2e-3], "us")]
    assert measure.read_record(tmp_path / written(tmp_path, *rows)) == rows
    assert rows[0].median_s == 0.5
    assert (rows[0].figure, rows[0].mad_s, rows[0].min_s, rows[1].figure) == (2.0, 0.25, 0.25, 0.002)


def test_the_comparison_says_what_got_slower(tmp_path, capsys):
    memory = measured("read memory", [0.1])
    old = written(tmp_path / "old", memory, measured("metricscan", [0.5]), measured("metricscan, feed", [1e-3], "us"))
    same = written(
        tmp_path / "same", memory, measured("metricscan", [0.52]), measured("metricscan, feed", [1e-3], "us")
    )
    slow = written(tmp_path / "slow", memory, measured("metricscan", [0.8]), measured("metricscan, feed", [5e-4], "us"))
    assert compare.main(old, same) == 0
    assert compare.main(old, slow) == 1
    said = [line.split()[-1] for line in capsys.readouterr().out.splitlines() if "metricscan" in line]
    assert said == ["0.96x", "1.00x", "slower", "faster"]
    # a machine that does everything at half the speed has changed nothing
    halved = [measured("read memory", [0.2]), measured("metricscan", [1.0]), measured("metricscan, feed", [2e-3], "us")]
    assert compare.main(old, written(tmp_path / "halved", *halved)) == 0


def test_bars_are_read_from_a_record():
    peers = [measured("polars", [2.0]), measured("regex-text", [4.0])]
    lines = bars.report([measured("metricscan", [0.1]), measured("read memory", [0.02]), *peers])
    assert [line.split()[0] for line in lines] == ["yes", "yes"]
    assert "over the best peer" in lines[0]
    assert "20.00   at least 16" in lines[0]
    assert "0.20   at least 0.15" in lines[1]


def test_records_that_were_kept_can_be_read_and_drawn():
    kept = sorted(FOLDER.glob("record/*/*.csv"))
    assert kept
    for path in kept:
        assert any(m.engine == "metricscan" for m in measure.read_record(path))
    assert ">metricscan</text>" in chart.draw(measure.read_record(kept[0]), 4)


def test_the_documents_show_what_the_record_that_they_name_holds():
    records = set()
    for page in figures.TARGETS:
        text = (figures.measure.ROOT / page).read_text(encoding="utf-8")
        (name,) = figures.ROOM.findall(text)
        assert figures.shown(page, text, figures.measure.ROOT / name) == text, f"python benchmarks/figures.py {name}"
        records.add(name)
    (name,) = records  # one record for all of them
    assert (
        chart.draw(measure.read_record(figures.measure.ROOT / name), 4) == (FOLDER / "record" / "speed.svg").read_text()
    )


def test_figures_are_those_of_the_record_and_the_best_peer_is_one_that_exists():
    record = [
        measured(engine, [seconds], workload=workload)
        for workload in figures.ROWS
        for engine, seconds in (
            ("metricscan", 0.001), ("read memory", 0.0001), ("wc -l", 0.0002), ("polars", 0.02), ("re-text", 0.01),
            ("pcre2 in C++", 0.002),
        )
    ]  # fmt: skip
    assert "| every line | 1,000 | 100 (`re`) |" in figures.short(record)
    assert "| lines with four metrics | metricscan | Polars | `re` | PCRE2 in C++ |" in figures.long(record)
    assert "| one in ten | 1,000 | 50 | 100 | 500 |" in figures.long(record)
    assert "Parquet" not in figures.short(record) + figures.long(record) + chart.draw(record, 4)
    record += [
        measured("metricscan", [0.0025], workload="every", part="pipelines"),
        measured("duckdb", [0.025], workload="every", part="pipelines"),
    ]
    assert "| every line | 1,000 | 100 (`re`) | 400 | 40 (DuckDB) |" in figures.short(record)
    assert "| one in ten | 1,000 | 100 (`re`) |  |  |" in figures.short(record)
    assert "| every line | 400 | 40 |" in figures.long(record)
    assert "to a Parquet file" in chart.draw(record, 4)


@pytest.mark.parametrize("engine", engines.ENGINES, ids=lambda engine: engine.name)
def test_engines_that_are_installed_find_what_is_right(engine, tmp_path):
    workload = corpora.workload("tenth", 20_000)
    if (reason := engine.absent() or engine.declines(workload)) is not None:
        pytest.skip(reason)
    (tmp_path / "log").write_bytes(workload.data)
    call = engine.prepare(workload, tmp_path / "log")
    assert answers.difference(call(), answers.oracle(workload)) is None


@pytest.mark.slow
def test_pipelines_that_are_installed_write_what_is_right(tmp_path):
    said = []
    found = list(pipelines.run(1, tmp_path, 20_000, said.append))  # a wrong answer raises
    assert [m.workload for m in found if m.engine == "metricscan"] == list(pipelines.WORKLOADS)
    assert {(m.part, m.definitions, m.threads, m.unit) for m in found} == {("pipelines", 4, 2, "MB/s")}
    assert len(found) + sum("left out" in line for line in said) == 8


@pytest.mark.parametrize("name", corpora.WORKLOADS)
def test_workloads_come_from_their_seed_and_their_oracle_is_right(name):
    workload = corpora.workload(name, 20_000)
    assert workload == corpora.workload(name, 20_000)
    right = answers.oracle(workload)
    oracles.check(workload, right)
    assert answers.difference(engines.Metricscan().prepare(workload, FOLDER)(), right) is None
    assert answers.difference(regexes.ReLines().prepare(workload, FOLDER)(), right) is None
    assert (right.row_count == 0) == (name in ("never", "decoys"))


def test_shapes_of_data_are_logs_that_their_definitions_read():
    for log in logs.shapes():
        part = log.beginning(4000)
        stats = Scanner(log.definitions, **log.options).scan(part).stats
        found = {name: counts.rows for name, counts in stats.metrics.items()}
        wanted = expected(log.definitions, part, **log.options)
        assert found == {name: len(wanted[f"metric {name}"]["rows"]) for name in found}
        assert any(found.values()), log.name
