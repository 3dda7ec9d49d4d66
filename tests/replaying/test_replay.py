"""Many logs at once: tables over all jobs, errors beside results, and the same result however it is run."""

import gzip
import io
import math
import os
import sys
from types import SimpleNamespace

import pyarrow as pa
import pytest

import metricscan
from metricscan import MetricStats, Objective, OptionError, Replay, Scanner, ScanStats, SourceError, replay
from metricscan.datasets.schema import TABLE_SCHEMA
from metricscan.replaying import schedule
from metricscan.scanning.scanner import _configured

SCANNER = Scanner([r"loss=loss=(\S+)", r"acc=acc=(\S+)"])
MIN = Objective("loss", "Minimize")
ZSTD = b"\x28\xb5\x2f\xfd rest"
HAS_MEM = os.path.exists("/proc/self/mem")


def tree(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


@pytest.fixture
def logs(tmp_path):
    texts = {
        "trial_10/stdout": "loss=4\nacc=0.5\nloss=3 loss=2\n",
        "trial_2/stdout": "loss=1.5\nacc=x\n",
        "trial_2/stderr": "warning\nacc=0.25\n",
        "trial_3/stdout": "nothing\n",
    }
    return tree(tmp_path / "logs", texts)


def everything(result):
    """All of a result that can be compared; NaN equals itself."""
    tables = {name: repr(table.to_pylist()) for name, table in result.items()}
    ranking = None if result.ranking is None else repr(result.ranking.to_pylist())
    errors = [(error.path, error.offset, str(error)) for error in result.errors]
    return tables, ranking, repr(result.best), errors, result.stats, result.jobs


# ---- tables


def test_rows_come_by_job_stream_and_place(logs):
    result = replay(logs, SCANNER)
    assert list(result) == ["loss", "acc"]
    assert len(result) == 2
    columns = ["job", "stream", "value", "line", "offset", "start", "time"]
    assert {part for name in result for part in result[name]["part"].to_pylist()} == {0}
    rows = {name: [tuple(row[column] for column in columns) for row in result[name].to_pylist()] for name in result}
    assert rows == {
        "loss": [
            ("trial_2", "stdout", 1.5, 1, 0, 5, None),
            ("trial_10", "stdout", 4.0, 1, 0, 5, None),
            ("trial_10", "stdout", 3.0, 3, 15, 20, None),
            ("trial_10", "stdout", 2.0, 3, 15, 27, None),
        ],
        "acc": [
            ("trial_2", "stderr", 0.25, 2, 8, 12, None),
            ("trial_10", "stdout", 0.5, 2, 7, 11, None),
        ],
    }


def test_every_table_has_the_schema(logs):
    names = pa.dictionary(pa.int32(), pa.string())
    kinds = [names, names, pa.int32(), pa.float64(), pa.int64(), pa.int64(), pa.int64(), pa.timestamp("us", "UTC")]
    result = replay(logs, Scanner(["a=loss=(.*)", "b=never=(.*)"]))
    for table in result.values():
        assert table.schema.equals(TABLE_SCHEMA, check_metadata=True)
        assert table.schema.types == kinds
        assert table.schema.names == ["job", "stream", "part", "value", "line", "offset", "start", "time"]
        table.validate(full=True)
    assert result["b"].num_rows == 0


def test_what_a_replay_knows(logs):
    result = replay(str(logs), SCANNER, objective=MIN)
    assert isinstance(result, Replay)
    assert result.best == ("trial_2", 1.5, str(logs / "trial_2" / "stdout"), "stdout", 1, 0, {}, 0, (), {})
    assert [job.name for job in result.jobs] == ["trial_2", "trial_3", "trial_10"]
    assert result.errors == ()
    assert repr(result) == "<Replay of 4 logs, 3 jobs, best trial_2, 0 errors>"
    assert "best" not in repr(replay(logs, SCANNER))


def test_counts_are_those_of_all_logs(logs):
    stats = replay(logs, SCANNER).stats
    assert (stats.bytes, stats.records) == (sum(path.stat().st_size for path in logs.glob("*/*")), 8)
    assert {name: (one.rows, one.unparsed) for name, one in stats.metrics.items()} == {"loss": (4, 0), "acc": (2, 1)}
    assert [tuple(sample) for sample in stats.metrics["acc"].samples] == [("x", 2, 9)]
    merged = ScanStats(metrics={name: MetricStats() for name in SCANNER.metrics})
    for name in ("trial_2/stderr", "trial_2/stdout", "trial_3/stdout", "trial_10/stdout"):
        merged.merge(SCANNER.scan(logs / name).stats)
    assert stats == merged


def test_jobs_without_rows_are_ranked_missing(logs):
    ranking = replay(logs, SCANNER, objective=Objective("acc", "Maximize")).ranking
    found = ranking.select(["rank", "job", "objective_status", "value", "stream", "rows", "streams"]).to_pylist()
    assert [tuple(row.values()) for row in found] == [
        (1, "trial_10", "found", 0.5, "stdout", 1, 1),
        (2, "trial_2", "found", 0.25, "stderr", 1, 1),
        (None, "trial_3", "missing", None, None, 0, 0),
    ]


def test_no_objective_no_ranking(logs):
    result = replay(logs, SCANNER)
    assert (result.ranking, result.best) == (None, None)


def test_a_ranking_without_a_winner(tmp_path):
    logs = tree(tmp_path, {"a.log": "loss=nan\n", "b.log": "acc=1\n"})
    result = replay(logs, SCANNER, objective=MIN)
    assert result.best is None
    assert result.ranking["objective_status"].to_pylist() == ["not_finite", "missing"]
    assert math.isnan(result.ranking["value"][0].as_py())


def test_no_logs_at_all(tmp_path):
    result = replay([], SCANNER, objective=MIN)
    assert (result.ranking.num_rows, result.best, result.errors, result.jobs) == (0, None, (), ())
    assert [table.num_rows for table in result.values()] == [0, 0]
    assert result.stats == ScanStats(metrics={"loss": MetricStats(), "acc": MetricStats()})


def test_standard_input_among_files(logs, monkeypatch):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"loss=0.5\nloss=0.25\n")))
    result = replay(["-", logs], SCANNER, objective=MIN)
    assert (result.best.job, result.best.value, result.best.path, result.best.line) == ("stdin", 0.25, "-", 2)
    assert result["loss"].num_rows == 6


@pytest.mark.skipif(sys.platform != "linux", reason="a file system that takes any bytes for a name")
def test_a_name_that_is_no_utf8_stops_nothing(tmp_path):
    for name in (b"caf\xe9.log", b"plain.log"):
        (tmp_path / os.fsdecode(name)).write_text("loss=1\n")
    result = replay(tmp_path, SCANNER, objective=MIN, out=tmp_path / "out", format="jsonl")
    assert result["loss"].num_rows == 2
    assert result.ranking["rank"].to_pylist() == [1, 1]


# ---- however it is run


@pytest.fixture
def many(tmp_path):
    """More logs than batches are kept apart, and every kind of outcome."""
    texts = {}
    for number in range(700):
        value = "nan" if number % 17 == 0 else "oops" if number % 19 == 0 else f"{(number * 7919) % 1000 / 8}"
        rows = f"loss={value}\n" * (number % 4)
        texts[f"trial_{number}.log"] = f"epoch\r{rows}acc={number}"
    texts["z.log.gz"] = gzip.compress(b"loss=1\n" * 100)
    return tree(tmp_path / "many", texts)


@pytest.mark.slow
def test_threads_do_not_matter(many):
    results = [everything(replay(many, SCANNER, objective=MIN, threads=threads)) for threads in (1, 2, 3, None)]
    assert all(result == results[0] for result in results[1:])


def test_many_logs_give_what_each_gives_alone(many):
    result = replay(many, SCANNER, objective=MIN)
    assert len(result.jobs) == 701
    expected = {name: [] for name in SCANNER.metrics}
    for job in result.jobs:
        (log,) = job.logs
        for name, table in SCANNER.scan(log.path).items():
            expected[name] += [{"job": job.name, "stream": log.stream, "part": 0, **row} for row in table.to_pylist()]
    for name, rows in expected.items():
        assert repr(result[name].to_pylist()) == repr(rows)
        assert result[name].column("value").num_chunks <= 512


@pytest.mark.parametrize("small_bytes", [0, 20, 1000])
def test_large_logs_among_small_ones(tmp_path, monkeypatch, small_bytes):
    texts = {f"{number}.log": "".join(f"loss={line}\r\n" for line in range(number * 10)) for number in range(8)}
    logs = tree(tmp_path, {**texts, "broken.log.zst": ZSTD, "cut.log.gz": gzip.compress(b"loss=1\n" * 99)[:-6]})
    scanner = _configured(SCANNER.definitions, chunk_bytes=64)
    expected = everything(replay(logs, SCANNER, objective=MIN, threads=1))
    monkeypatch.setattr(schedule, "SMALL_BYTES", small_bytes)
    for threads in (1, 2, None):
        assert everything(replay(logs, scanner, objective=MIN, threads=threads)) == expected


@pytest.mark.parametrize("threads", [0, -1])
def test_no_threads_are_an_error(logs, threads):
    with pytest.raises(ValueError, match="1 or more was expected"):
        replay(logs, SCANNER, threads=threads)


# ---- faults


@pytest.fixture
def broken(logs):
    """Beside good logs: one that is missing, one that cannot be decompressed, one that is cut off."""
    cut = gzip.compress("".join(f"loss={number}.5\n" for number in range(10, 5000)).encode())
    tree(logs, {"a.log.zst": ZSTD, "b.log.gz": cut[: len(cut) // 2]})
    return [logs / "gone.log", logs]


@pytest.mark.parametrize("threads", [1, 2])
def test_errors_are_collected_and_the_rest_is_read(broken, threads):
    result = replay(broken, SCANNER, objective=MIN, threads=threads)
    missing, compressed, cut = result.errors
    assert all(isinstance(error, SourceError) for error in result.errors)
    assert "No such file or directory" in str(missing)
    assert "damaged or truncated zstd" in str(compressed)
    assert "damaged or truncated gzip" in str(cut)
    assert cut.path == str(broken[1] / "b.log.gz")
    # trial_2 and the others are read all the same, and so is what came before the cut
    assert result.best.job == "trial_2"
    values = [row["value"] for row in result["loss"].to_pylist() if row["job"] == "b"]
    assert 100 < len(values) < 4990
    assert values == [number + 0.5 for number in range(10, 10 + len(values))]
    assert result.stats.cut_off == 1
    assert cut.offset == result.stats.bytes - sum(path.stat().st_size for path in broken[1].glob("*/*"))
    assert {row["job"]: row["objective_status"] for row in result.ranking.to_pylist()}["a"] == "missing"


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    ("first", "reason"), [("gone.log", "No such file"), ("a.log.zst", "zstd"), ("b.log.gz", "gzip")]
)
def test_errors_are_raised_if_that_is_asked_for(broken, threads, first, reason):
    _, logs = broken
    with pytest.raises(SourceError, match=reason):
        replay([logs / first, logs / "trial_2", logs / "trial_10"], SCANNER, on_error="raise", threads=threads)


@pytest.mark.skipif(not HAS_MEM, reason="a file that can be opened and not read")
@pytest.mark.parametrize("threads", [1, 2])
def test_a_log_that_fails_while_it_is_read(logs, threads):
    result = replay(["/proc/self/mem", logs], SCANNER, threads=threads)
    (error,) = result.errors
    assert error.path == "/proc/self/mem"
    assert error.offset == 0
    assert isinstance(error.cause, OSError)
    assert result.stats.metrics["loss"].rows == 4


def test_a_log_that_vanishes_is_an_error(logs):
    # so long that trial_10 is not read with it
    (logs / "trial_2" / "stdout").write_text("loss=1.5\n" + "x" * schedule.MOST_BYTES)

    def remove(progress):
        (logs / "trial_10" / "stdout").unlink(missing_ok=True)

    result = replay(logs, SCANNER, threads=1, progress=remove)
    assert [error.path for error in result.errors] == [str(logs / "trial_10" / "stdout")]
    assert result["loss"]["job"].to_pylist() == ["trial_2"]


def test_wrong_options_are_errors_before_anything_is_read(tmp_path):
    with pytest.raises(OptionError, match="on_error='ignore': 'collect' or 'raise' was expected"):
        replay(tmp_path / "none", SCANNER, on_error="ignore")
    with pytest.raises(TypeError, match="a Scanner was expected, not list"):
        replay(tmp_path, ["loss=(.*)"])
    with pytest.raises(OptionError, match="not a valid regex"):
        replay(tmp_path, SCANNER, job="(")
    for paths in (None, 5, b"logs"):
        with pytest.raises(TypeError, match=f"a path or an iterable of paths was expected, not {type(paths).__name__}"):
            replay(paths, SCANNER)
    with pytest.raises(TypeError, match="an Objective was expected, not str"):
        replay(tmp_path, SCANNER, objective="loss")


def test_all_errors_of_the_options_come_in_one_error(tmp_path):
    with pytest.raises(OptionError) as caught:
        replay(
            tmp_path / "none",
            SCANNER,
            objective=Objective("lass", "Minimize"),
            on_error="ignore",
            threads=0,
            job="(",
            jobs=[{"job": "a"}],
            out="",
            progress=5,
            input_format="s3",
            format="xlsx",
        )
    faults = caught.value.message.split("; ")
    starts = [
        "on_error=",
        "the objective metric 'lass'",
        "threads=0",
        "job='('",
        "jobs=[",
        "input_format=",
        "out=''",
        "progress=5",
        "format=",
    ]
    assert len(faults) == len(starts)
    assert all(fault.startswith(start) for fault, start in zip(faults, starts, strict=True)), faults
    assert caught.value.hint == "did you mean 'loss'?"
    for job in (5, None):
        with pytest.raises(OptionError, match=f"job={job}: 'auto', 'file', 'dir' or a regex was expected"):
            replay(tmp_path, SCANNER, job=job)


def test_a_wrong_jobs_file_is_always_raised(logs, tmp_path):
    (tmp_path / "jobs.csv").write_text("job,job\n")
    with pytest.raises(SourceError, match="line 1: the column job stands twice"):
        replay(logs, SCANNER, jobs=tmp_path / "jobs.csv", on_error="collect")


# ---- rows that are not kept


def test_rows_that_were_not_kept_cannot_be_read(logs, tmp_path):
    for options in ({}, {"out": tmp_path / "out"}):
        result = replay(logs, SCANNER, objective=MIN, keep=False, **options)
        assert list(result) == ["loss", "acc"]
        assert len(result) == 2
        with pytest.raises(LookupError, match="keep=False") as caught:
            result["loss"]
        assert not isinstance(caught.value, KeyError)
        with pytest.raises(KeyError):
            result["los"]
        assert result.stats.metrics["loss"].rows == 4
        with pytest.raises(LookupError, match="keep=False"):
            metricscan.rank(result, MIN)


def test_a_metric_is_in_a_replay_kept_or_not(logs):
    for keep in (True, False):
        result = replay(logs, SCANNER, keep=keep)
        assert "loss" in result
        assert "los" not in result


def test_the_outcome_is_the_same_kept_or_not(logs, tmp_path):
    kept = replay(logs, SCANNER, objective=MIN)
    loose = replay(logs, SCANNER, objective=MIN, keep=False)
    both = replay(logs, SCANNER, objective=MIN, out=tmp_path / "out")
    for other in (loose, both):
        assert other.best == kept.best
        assert other.ranking.equals(kept.ranking)
        assert other.stats == kept.stats
    assert both["loss"].equals(kept["loss"])


def test_an_unknown_metric_is_a_key_error(logs):
    with pytest.raises(KeyError, match="los"):
        replay(logs, SCANNER)["los"]


# ---- progress


@pytest.mark.parametrize("threads", [1, 2, None])
def test_progress_ends_at_the_total(logs, threads):
    tree(logs, {"large.log": "loss=9\n" * 50_000})
    said = []
    replay(logs, SCANNER, threads=threads, progress=said.append)
    total = sum(path.stat().st_size for path in logs.rglob("*") if path.is_file())
    assert {(one.total_bytes, one.total_logs) for one in said} == {(total, 5)}
    done = [one.bytes for one in said]
    assert done == sorted(done)
    assert (said[-1].bytes, said[-1].logs) == (total, 5)
    assert {one.path for one in said} == {str(path) for path in logs.rglob("*") if path.is_file()}


@pytest.mark.parametrize("threads", [1, 2])
def test_progress_counts_the_logs_that_are_done(logs, threads):
    said = []
    replay(logs, SCANNER, threads=threads, progress=said.append)
    counted = [one.logs for one in said]
    assert counted == sorted(counted)
    assert max(counted) == 4


@pytest.mark.parametrize("threads", [1, 2])
def test_progress_goes_on_past_an_error(broken, threads):
    said = []
    replay(broken, SCANNER, threads=threads, progress=said.append)
    assert (said[-1].bytes, said[-1].logs) == (said[-1].total_bytes, said[-1].total_logs)


def test_an_error_in_progress_is_raised(logs):
    def refuse(progress):
        raise ZeroDivisionError

    for threads in (1, 2):
        with pytest.raises(ZeroDivisionError):
            replay(logs, SCANNER, threads=threads, progress=refuse)
