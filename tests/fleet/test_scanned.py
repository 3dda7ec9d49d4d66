"""Batches of logs: what an engine may give, and what is refused."""

import gzip
import multiprocessing
import pickle
import random
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from support.fleet import SCANNER, batches, mixed, paths_in, said
from support.folders import tree

from metricscan import Objective, OptionError, SourceError, replay
from metricscan.fleet import decide, list_logs, merge_partials, rank_partials, scan_batch, tasks_of
from metricscan.fleet.tables import LOGS, SCANNED


def values(scan):
    found = scan.filter(pc.equal(scan["kind"], "value"))
    return [tuple(row.values()) for row in found.select(["job", "metric", "value", "line"]).to_pylist()]


# ---- scanning


def test_a_table_of_paths_is_enough(tmp_path):
    tree(tmp_path, {"a.log": "loss=1\nloss=2\n", "b.log.gz": gzip.compress(b"loss=3\n")})
    paths = [str(tmp_path / name) for name in ("a.log", "b.log.gz")]
    scan = scan_batch(pa.table({"path": paths}), SCANNER)
    assert scan.schema == SCANNED
    assert values(scan) == [(paths[0], "loss", 1.0, 1), (paths[0], "loss", 2.0, 2), (paths[1], "loss", 3.0, 1)]
    found = rank_partials(decide(scan, Objective("loss", "Maximize")))
    assert found["job"].to_pylist() == paths[::-1]


def test_paths_may_be_in_several_batches(tmp_path):
    paths = [str(tmp_path / f"{name}.log") for name in "abc"]
    tree(tmp_path, {f"{name}.log": f"loss={at}\n" for at, name in enumerate("abc")})
    objective = Objective("loss", "Minimize")
    some = [decide(scan_batch(pa.table({"path": one}), SCANNER), objective) for one in (paths[:2], paths[1:])]
    found = rank_partials(some)
    assert found["job"].to_pylist() == paths
    assert said(merge_partials(*some)) == said(merge_partials(*some[::-1]))


def test_an_engine_may_have_read_the_bytes(tmp_path):
    contents = {"s3://logs/a.log": b"loss=1\n", "s3://logs/b.log.gz": gzip.compress(b"loss=2\n")[:-9]}
    table = pa.table({"path": list(contents), "bytes": list(contents.values())})
    for batch in (table, table.to_batches()[0]):
        scan = scan_batch(batch, SCANNER)
        assert values(scan)[0] == ("s3://logs/a.log", "loss", 1.0, 1)
        errors = scan.filter(pc.equal(scan["kind"], "error"))
        assert errors["job"].to_pylist() == ["s3://logs/b.log.gz"]
        assert errors["text"].to_pylist()[0].startswith("s3://logs/b.log.gz: damaged or truncated gzip")


def test_labels_are_rows_with_a_text(tmp_path):
    tree(tmp_path, {"a.log": "[rank0] loss=1\n"})
    scan = scan_batch(list_logs(tmp_path), SCANNER)
    (label,) = scan.filter(pc.equal(scan["kind"], "label")).to_pylist()
    assert (label["metric"], label["text"], label["value"], label["start"]) == ("worker", "rank0", None, 1)


def test_columns_may_be_in_another_order_and_of_wider_types(tmp_path):
    tree(tmp_path, {"a.log": "loss=1\n", "b.log": "loss=2\n"})
    logs = list_logs(tmp_path)
    changed = logs.select(logs.column_names[::-1])
    at = changed.column_names.index("part")
    changed = changed.set_column(at, "part", changed["part"].cast(pa.int64()))
    at = changed.column_names.index("path")
    changed = changed.set_column(at, "path", changed["path"].cast(pa.large_string()))
    assert scan_batch(changed, SCANNER).equals(scan_batch(logs, SCANNER))


def test_the_order_of_the_batch_does_not_matter(tmp_path):
    tree(tmp_path, {f"{name}.log": f"loss={at}\n" for at, name in enumerate("abcd")})
    logs = list_logs(tmp_path)
    assert scan_batch(logs.take([2, 0, 3, 1]), SCANNER).equals(scan_batch(logs, SCANNER))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"paths": ["a"]}, "the table of logs has no column path"),
        ({"path": ["a", None]}, "the column path of the table of logs is null in 1 rows"),
        ({"path": ["a", "a"]}, "stream 'a' of job 'a' is twice in the table of logs"),
        ({"path": ["a"], "part": ["x"]}, "the table of logs has columns of other types than"),
    ],
)
def test_invalid_tables_are_refused(table, message):
    with pytest.raises(OptionError, match=message):
        scan_batch(pa.table(table), SCANNER)
    with pytest.raises(TypeError, match="a table of logs was expected, not dict"):
        scan_batch(table, SCANNER)


def test_logs_of_one_file_belong_in_one_batch(tmp_path):
    logs = list_logs(paths_in(mixed(tmp_path, 3, 12)))
    shared = logs.filter(pc.greater(logs["file_logs"], 1))
    assert shared.num_rows > 2
    with pytest.raises(OptionError, match=r"holds \d+ logs, of which the batch has 1"):
        scan_batch(shared.slice(0, 1), SCANNER)


def test_processes_that_repeat_their_tasks_rank_as_one_machine(tmp_path):
    rng = random.Random(5)
    paths = paths_in(mixed(tmp_path, 5, 24))
    objective = Objective("loss", "Minimize", "best@4", step="step")
    wanted = replay(paths, SCANNER, objective=objective)
    scan = partial(scan_batch, scanner=SCANNER)
    assert pickle.loads(pickle.dumps(scan)).keywords["scanner"] == SCANNER
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("forkserver")) as pool:
        scans = list(pool.map(scan, batches(list_logs(paths), rng, tasks_of)))
        partials = list(pool.map(partial(decide, objective=objective), scans))
    merged = merge_partials(*partials)
    assert said(rank_partials(merged, jobs=wanted.jobs)) == said(wanted.ranking)


# ---- listing and tasks


def test_tasks_hold_whole_jobs_and_whole_files(tmp_path):
    logs = list_logs(paths_in(mixed(tmp_path, 7, 30)))
    for most_logs in (1, 3, 1000):
        tasks = tasks_of(logs, most_logs=most_logs)
        numbers = sorted(number for task in tasks for number in task["number"].to_pylist())
        assert numbers == logs["number"].to_pylist()
        for name, count in (("job", "job_logs"), ("file", "file_logs")):
            of_task = [set(task[name].to_pylist()) - {None} for task in tasks]
            assert sum(map(len, of_task)) == len(set().union(*of_task))
            for task in tasks:
                for row in task.group_by(name).aggregate([([], "count_all"), (count, "max")]).to_pylist():
                    assert row[name] is None or row["count_all"] == row[f"{count}_max"]
        assert all(task["number"].to_pylist() == sorted(task["number"].to_pylist()) for task in tasks)


def test_tasks_are_cut_by_bytes_and_by_logs(tmp_path):
    tree(tmp_path, {f"{at:02}.log": "loss=1\n" * 10 for at in range(10)})
    logs = list_logs(tmp_path)
    assert [task.num_rows for task in tasks_of(logs, most_logs=4)] == [4, 4, 2]
    assert [task.num_rows for task in tasks_of(logs, most_bytes=210)] == [3, 3, 3, 1]
    assert [task.num_rows for task in tasks_of(logs, most_bytes=1)] == [1] * 10
    assert tasks_of(logs.slice(0, 0)) == []


def test_a_listing_has_its_schema(tmp_path):
    tree(tmp_path, {"a.log": "loss=1\n"})
    assert list_logs(tmp_path).schema == LOGS
    with pytest.raises(SourceError, match="cannot open"):
        list_logs(tmp_path / "b")


def test_what_only_one_machine_can_read_is_refused(tmp_path):
    with pytest.raises(OptionError, match="'-' can be read only once, so no other machine can read it"):
        list_logs("-")


def test_a_path_that_is_not_text_is_refused(tmp_path):
    (tmp_path / "a\udcff.log").write_text("loss=1\n")
    (tmp_path / "b.log").write_text("loss=1\n")
    with pytest.raises(OptionError, match=r"is not UTF-8: .*; engines need text"):
        list_logs(tmp_path)
