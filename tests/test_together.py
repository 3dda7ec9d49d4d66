"""Small logs that are scanned together: of each the rows and counts that it has alone, and what makes a group fall apart."""

import gzip
import os
from itertools import accumulate

import pyarrow as pa
import pytest
from feeding import expected, rows_of
from hypothesis import given
from hypothesis import strategies as st

import metricscan
from metricscan import Scanner, _replay
from metricscan._reading import read_together
from metricscan._together import Together, scan_together

DEFINITIONS = [
    {"Name": "loss", "Regex": "loss=(.*?);"},
    {"Name": "again", "Regex": "loss=(.*?);"},
    {"Name": "end", "Regex": r"(\d+)\s*$"},
    {"Name": "start", "Regex": r"^#?0?\d*=?(\S*)"},
    {"Name": "back", "Regex": r"(\d)\1"},
]
OPTIONS = [
    {},
    {"newline": "lf"},
    {"escape": "syslog"},
    {"ansi": "strip"},
    {"newline": "lf", "ansi": "strip", "matches": "first"},
    {"matches": "last"},
]
PIECES = [
    b"loss=1.5;",
    b"loss=x;",
    b"loss=",
    b";",
    b"22",
    b"7",
    b" ",
    b"\n",
    b"\r",
    b"\r\n",
    b"\x1b[1m",
    b"\x1b",
    b"\x1b]0;",
    b"\xff",
    b"\t",
]
CONTENTS = st.lists(st.lists(st.sampled_from(PIECES), max_size=8).map(b"".join), min_size=1, max_size=6)


def written(folder, contents):
    paths = [folder / f"{number}.log" for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    return [str(path) for path in paths]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@given(contents=CONTENTS)
def test_each_log_has_what_it_has_alone(tmp_path_factory, options, contents):
    folder = tmp_path_factory.mktemp("logs")
    together = scan_together(Scanner(DEFINITIONS, **options), written(folder, contents))
    assert isinstance(together, Together)
    alone = [expected(DEFINITIONS, content, **options) for content in contents]
    assert together.sizes == [(one["bytes"], one["records"]) for one in alone]
    assert together.stats.bytes == sum(map(len, contents))
    assert together.stats.records == sum(one["records"] for one in alone)
    found = {name: [[] for _ in contents] for name in together.stats.metrics}
    for name, batch, counts in together.batches:
        assert counts.sum() == batch.num_rows
        batch.validate(full=True)
        table = pa.Table.from_batches([batch])
        for log, (end, count) in enumerate(zip(accumulate(counts.tolist()), counts.tolist(), strict=True)):
            found[name][log] += rows_of(table.slice(end - count, count))
    for name, counts in together.stats.metrics.items():
        logs = [one[f"metric {name}"] for one in alone]
        assert found[name] == [log["rows"] for log in logs]
        assert counts.unparsed == sum(log["unparsed"] for log in logs)
        assert list(map(tuple, counts.samples)) == [sample for log in logs for sample in log["samples"]][:5]


def test_a_log_that_is_not_what_it_seemed_is_left_to_a_scan_of_its_own(tmp_path):
    scanner = Scanner(DEFINITIONS)
    good, bad = written(tmp_path, [b"loss=1;\n", b"loss=2;\n"])
    assert scan_together(scanner, [good, bad]) is not None
    (tmp_path / "1.log").write_bytes(gzip.compress(b"loss=2;\n"))
    assert scan_together(scanner, [good, bad]) is None
    (tmp_path / "1.log").write_bytes(b"x" * (2 << 20))
    assert scan_together(scanner, [good, bad]) is None
    (tmp_path / "1.log").unlink()
    assert scan_together(scanner, [good, bad]) is None
    assert scan_together(scanner, [good, str(tmp_path)]) is None
    assert scan_together(scanner, [good, "a\0b"]) is None


def test_a_group_with_a_log_of_another_kind_is_replayed_one_by_one(tmp_path):
    written(tmp_path, [b"loss=1;\n", b"loss=2;\n", b"loss=3;"])
    with gzip.open(tmp_path / "1.log", "wb") as file:
        file.write(b"\nloss=2;\n")
    os.symlink("nowhere", tmp_path / "gone.log")
    result = metricscan.replay([tmp_path, tmp_path / "gone.log"], Scanner(DEFINITIONS), threads=2)
    columns = zip(*(result["loss"][name].to_pylist() for name in ("job", "value", "line", "offset")), strict=True)
    assert list(columns) == [("0", 1.0, 1, 0), ("1", 2.0, 2, 1), ("2", 3.0, 1, 0)]
    assert [error.path for error in result.errors] == [str(tmp_path / "gone.log")]


@pytest.mark.parametrize("threads", [1, 2])
def test_grouping_changes_nothing_in_a_replay(tmp_path, monkeypatch, threads):
    contents = [b"loss=%d;\nloss=x;\n" % number * (number % 7) + b"loss=0;" * (number % 3) for number in range(100)]
    written(tmp_path, contents)
    scanner = Scanner(DEFINITIONS)

    def everything():
        result = metricscan.replay(
            tmp_path, scanner, objective=metricscan.Objective("loss", "Minimize"), threads=threads
        )
        tables = {name: repr(table.to_pylist()) for name, table in result.items()}
        return tables, repr(result.ranking.to_pylist()), result.stats, result.jobs

    together = everything()
    monkeypatch.setattr(_replay, "GROUP_BYTES", 200)
    in_small_groups = everything()
    monkeypatch.setattr(_replay, "MOST_BYTES", -1)
    assert together == in_small_groups == everything()


def test_files_lie_one_behind_the_other(tmp_path):
    paths = [os.fsencode(path) for path in written(tmp_path, [b"a\rb", b"", b"\nc\r", b"\n\n"])]
    buffer = bytearray(64)
    files = read_together(paths, buffer, universal=True)
    assert files == [(0, 4, 3, 1, 2), (4, 4, 0, 0, 0), (4, 8, 3, 2, 2), (8, 10, 2, 2, 2)]
    assert buffer[:10] == b"a\rb\n\nc\r\n\n\n"
    assert [records for *_, records in read_together(paths, buffer, universal=False)] == [1, 0, 2, 2]
    assert read_together(paths, bytearray(8), universal=True) is None
    assert read_together([], buffer, universal=True) == []
    with pytest.raises(BufferError):
        read_together(paths, b"read-only", universal=True)
