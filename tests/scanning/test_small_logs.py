"""Small logs that are scanned together: each has the rows and counts that it has alone; and when they are scanned one by one."""

import gzip
import os
import zipfile
from itertools import accumulate
from unittest import mock

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.feeding import expected, rows_of

import metricscan
from metricscan import Scanner, _core
from metricscan.logs import formats
from metricscan.logs._reading import (
    FLAG_BINARY,
    FLAG_EXPORT,
    FLAG_MARKED,
    FLAG_PACKED,
    FLAG_UTF16,
    first_shows,
    look_at,
    put_together,
    read_together,
)
from metricscan.logs.compression import MAGIC_PREFIXES, UNSUPPORTED, compression
from metricscan.replaying import schedule
from metricscan.scanning import small_logs
from metricscan.scanning.schema import BATCH_ROWS
from metricscan.scanning.small_logs import Together, scan_contents, scan_together

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
    b"\0",
    b"\xef\xbb\xbf",
]
BEGINNINGS = st.sampled_from([b"", b"", b"\xef\xbb\xbf", b"\0", bytes(90) + b"\xef\xbb\xbf\0", b"\0\xef\xbb"])
CONTENTS = st.lists(
    st.builds(bytes.__add__, BEGINNINGS, st.lists(st.sampled_from(PIECES), max_size=8).map(b"".join)),
    min_size=1,
    max_size=6,
)


def written(folder, contents):
    paths = [folder / f"{number}.log" for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    return [str(path) for path in paths]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@given(contents=CONTENTS, piece_bytes=st.sampled_from([1, 20, 1 << 18]))
def test_each_log_has_what_it_has_alone(tmp_path_factory, options, contents, piece_bytes):
    folder = tmp_path_factory.mktemp("logs")
    with mock.patch.object(small_logs, "PIECE_BYTES", piece_bytes):
        together = scan_together(Scanner(DEFINITIONS, **options).plan, written(folder, contents))
    assert isinstance(together, Together)
    alone = [expected(DEFINITIONS, content, **options) for content in contents]
    assert together.sizes.tolist() == [one["bytes"] for one in alone]
    assert together.records.tolist() == [one["records"] for one in alone]
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
    assert scan_together(scanner.plan, [good, bad]) is not None
    (tmp_path / "1.log").write_bytes(gzip.compress(b"loss=2;\n"))
    assert scan_together(scanner.plan, [good, bad]) is None
    (tmp_path / "1.log").write_bytes(b"x" * (2 << 20))
    assert scan_together(scanner.plan, [good, bad]) is None
    (tmp_path / "1.log").unlink()
    assert scan_together(scanner.plan, [good, bad]) is None
    assert scan_together(scanner.plan, [good, str(tmp_path)]) is None
    assert scan_together(scanner.plan, [good, "a\0b"]) is None


OTHER_ENCODINGS = [
    ("loss=2;\n" * 20).encode("utf-16-le"),
    b"loss=2;\n" * 3 + ("loss=2;\n" * 20).encode("utf-16-be"),
    b"\0\0" + ("loss=2;\n" * 20).encode("utf-16-be"),
    b"x" * 5000 + b"\n" + ("loss=2;\n" * 20).encode("utf-16-le"),
    "\ufeffloss=2;\n".encode("utf-16-le"),
    ("loss=2;\n" * 2).encode("utf-32-be"),
]


@pytest.mark.parametrize("content", OTHER_ENCODINGS, ids=lambda content: str(content[:12]))
def test_logs_in_another_encoding_are_left_to_a_scan_of_their_own(tmp_path, content):
    contents = [b"loss=1;\n\0", content, b"loss=3;\n"]
    paths = written(tmp_path, contents)
    plan = Scanner(DEFINITIONS).plan
    assert scan_together(plan, paths) is None
    assert scan_contents(plan, paths, contents) is None
    assert scan_contents(plan, paths[::2], contents[::2]) is not None
    with zipfile.ZipFile(tmp_path / "logs.zip", "w") as archive:
        for path in paths:
            archive.write(path, os.path.basename(path))
    inside, outside = (
        metricscan.replay(found, Scanner(DEFINITIONS)) for found in (tmp_path / "logs.zip", [*map(str, paths)])
    )
    assert [len(inside.errors), inside["loss"].num_rows] == [len(outside.errors), outside["loss"].num_rows]
    assert inside["loss"]["value"].to_pylist() == outside["loss"]["value"].to_pylist()


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
    monkeypatch.setattr(schedule, "GROUP_BYTES", 200)
    in_small_groups = everything()
    monkeypatch.setattr(schedule, "MOST_BYTES", -1)
    assert together == in_small_groups == everything()


def test_many_rows_come_in_several_batches(tmp_path):
    text = b"".join(b"loss=%d;" % (number % 10) for number in range(12_000))
    paths = written(tmp_path, [text] * 12)
    together = scan_together(Scanner(DEFINITIONS[:1]).plan, paths)
    assert isinstance(together, Together)
    assert [batch.num_rows <= BATCH_ROWS for _, batch, _ in together.batches] == [True] * len(together.batches)
    assert len(together.batches) > 1
    assert sum(counts for *_, counts in together.batches).tolist() == [12_000] * 12
    starts = np.concatenate([batch.column("start").to_numpy() for _, batch, _ in together.batches])
    assert starts.tolist() == [5 + 7 * number for number in range(12_000)] * 12


# ---- reading


def read(paths, buffer, **options):
    options = {"enough": 1 << 20, "universal": True, **options}
    found = read_together(paths, buffer, MAGIC_PREFIXES, **options)
    if all(os.path.isfile(path) for path in paths):
        # contents are placed as files are
        contents = []
        for path in paths:
            with open(path, "rb") as file:
                contents.append(file.read())
        placed = bytearray(len(buffer))
        assert put_together(contents, placed, MAGIC_PREFIXES, **options) == found
        length = np.frombuffer(found or b"", np.int64).reshape(-1, 7)[:, 0].sum()
        assert placed[:length] == buffer[:length]
    return None if found is None else [tuple(file) for file in np.frombuffer(found, np.int64).reshape(-1, 7).tolist()]


def test_files_lie_one_behind_the_other(tmp_path):
    paths = [os.fsencode(path) for path in written(tmp_path, [b"a\rb", b"", b"\nc\r", b"\n\n"])]
    buffer = bytearray(64)
    files = [(4, 3, 0, 1, 2, 0, 2), (0, 0, 0, 0, 0, 0, -1), (4, 3, 0, 2, 2, 0, -1), (2, 2, 0, 2, 2, 0, -1)]
    assert read(paths, buffer) == files
    assert buffer[:10] == b"a\rb\n\nc\r\n\n\n"
    files = read(paths, buffer, universal=False)
    assert [file[4] for file in files] == [1, 0, 2, 2]
    # where the record begins that no terminator ends
    assert [file[6] for file in files] == [0, -1, 1, -1]
    assert read(paths, bytearray(8)) is None
    assert read([], buffer) == []
    with pytest.raises(BufferError):
        read(paths, b"read-only")


def test_files_lie_in_the_buffer_without_their_beginnings(tmp_path):
    mark = b"\xef\xbb\xbf"
    contents = [mark + b"a\n", bytes(70) + mark + b"\0b", mark + b"\0", bytes(9), mark + mark, b"\0{}", b"c"]
    paths = [os.fsencode(path) for path in written(tmp_path, contents)]
    buffer = bytearray(128)
    assert read(paths, buffer) == [
        (2, 5, 3, 1, 1, 0, -1),
        (2, 75, 74, 1, 1, 0, 0),
        (0, 4, 4, 0, 0, 0, -1),
        (0, 9, 9, 0, 0, 0, -1),
        (4, 6, 3, 1, 1, 0, 0),
        (3, 3, 1, 1, 1, 0, 0),
        (2, 1, 0, 1, 1, 0, 0),
    ]
    assert buffer[:13] == b"a\nb\n" + mark + b"\n{}\nc\n"


def test_enough_is_read_at_once(tmp_path):
    paths = [os.fsencode(path) for path in written(tmp_path, [b"a\n", b"bb\n", b"", b"c\n"])]
    buffer = bytearray(64)
    assert [size for _, size, *_ in read(paths, buffer, enough=3)] == [2, 3]
    assert buffer[:5] == b"a\nbb\n"
    buffer = bytearray(64)
    assert [size for _, size, *_ in read(paths, buffer, enough=3, first=2)] == [0, 2]
    assert buffer[:5] == b"c\n\0\0\0"
    assert read(paths, buffer, enough=3, first=4) == []


@pytest.mark.parametrize("level", _core.SIMD_LEVELS)
def test_files_are_counted_at_every_level(tmp_path, level):
    """Counts are those of any level, for files whose length fills no vector, and whose counts fill more than a byte."""
    texts = [(b"a\r\n" * 50 + b"\n\r" * 60)[:size] for size in range(260)]
    texts += [b"\n" * 128 * 300, b"x\r\n" * 20_000 + b"\n" * 77]
    paths = [os.fsencode(path) for path in written(tmp_path, texts)]
    for universal in (True, False):
        found = read(paths, bytearray(1 << 20), universal=universal, level=level)
        for text, (_, size, _, newlines, records, *_) in zip(texts, found, strict=True):
            text += b"" if text.endswith(b"\n") or not text else b"\n"
            assert (size, newlines) in ((len(text), text.count(b"\n")), (len(text) - 1, text.count(b"\n")))
            ended = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if universal else text
            assert records == ended.count(b"\n")
    with pytest.raises(ValueError, match="SIMD level 'sse9' is not available here"):
        read(paths, bytearray(1 << 20), level="sse9")


@pytest.mark.parametrize("level", _core.SIMD_LEVELS)
def test_nuls_are_seen_wherever_they_stand_at_every_level(tmp_path, level):
    wide = "loss\n".encode("utf-16-le")
    texts = [b"." * before + b"\n" + wide + b"." * behind for before in range(0, 300, 7) for behind in range(0, 140, 9)]
    texts += [b"." * size + b"\0" for size in range(140)]
    files = read([os.fsencode(path) for path in written(tmp_path, texts)], bytearray(1 << 20), level=level)
    assert [bool(file[5] & FLAG_UTF16) for file in files] == [wide in text for text in texts]


def test_looks(tmp_path):
    contents = {
        b"loss=1\n": 0,
        b"": 0,
        b"a\0b": 0,
        bytes(range(256)): FLAG_BINARY,
        b"\n" * 8192 + bytes(range(256)): 0,
        b"\0" * 9000: FLAG_BINARY,
        b"\0" * 9000 + b"loss=1\n": 0,
        b"\0" * 9000 + bytes(range(256)): FLAG_BINARY,
        "loss=1\n".encode("utf-16"): FLAG_MARKED,
        "loss=1\r\n".encode("utf-16-be"): FLAG_UTF16,
        b"BZh9": FLAG_PACKED,
        gzip.compress(b"a"): FLAG_PACKED | FLAG_BINARY,
        b'{"events": []}': FLAG_EXPORT,
    }
    paths = written(tmp_path, contents)
    statuses = [os.stat(path) for path in paths]
    looks = look_at([*map(os.fsencode, [*paths, f"{tmp_path}/gone", "a\0b", tmp_path])], MAGIC_PREFIXES)
    assert looks == [
        *((one.st_dev, one.st_ino, one.st_size, shown) for one, shown in zip(statuses, contents.values(), strict=True)),
        *(None, None, None),
    ]


# Parts of what exports and compressed files begin with, so that some examples are some, and many nearly.
HEADS = st.lists(
    st.sampled_from(
        [
            b"\xef\xbb\xbf",
            b" ",
            b"\t",
            b"\x1c",
            b"\xc2\x85",
            b"\n",
            b"\r",
            b"\r\n",
            b"[",
            b"{",
            b'"',
            b",",
            b"\0",
            b"x",
            b"-",
        ]
        + [b'"events": [', b'{"events": [{', b'[{"message":', b"2026-03-01T10:00:00.000Z", b"2026-03-01T10:00:00,000"]
        + [
            b'{"log":"',
            b'a","stream":"stdout","time":"2026-03-01T10:00:00Z"}',
            b'"message":"a"}',
            b'{"timestamp":1772359200000,',
        ]
        + [
            b"2026-03-01T10:00:00.123456+00:00",
            b" stdout F",
            b" ",
            b"a/algo-1-1 ",
            b" stderr P:x ",
            b"EVENTS\t1772359200000\t",
        ]
        + [b"timestamp", b"message", b"@Timestamp", b'"@message"', b'"time"stamp', b"timestamp,message"]
        + [name.encode() for name in sorted(formats._COLUMNS)]
        + [b"\x1f\x8b\x08", b"BZh91AY&SY", *(magic for magic, _ in UNSUPPORTED)]
    )
    | st.binary(max_size=3),
    max_size=8,
).map(b"".join)


@settings(max_examples=1000)
@given(HEADS)
def test_no_export_and_nothing_compressed_is_taken_for_plain_text(head):
    shown = first_shows(head, MAGIC_PREFIXES)
    for path in ("", "a/000000.gz"):
        if formats.detect(head, path) != "plain":
            assert shown & FLAG_EXPORT
    if compression(head) is not None:
        assert shown & FLAG_PACKED
    assert b"\0" in head or not shown & FLAG_BINARY


@pytest.mark.parametrize(
    "head",
    [
        b"loss=1\n",
        b"[INFO] step, 1\n",
        b"{'lr': 1}",
        b"Processing\n",
        b"(a)",
        b"2026-03-01 10:00:00,123 INFO a\n",
        b"BZhang\n",
    ],
)
def test_usual_beginnings_need_no_second_look(head):
    assert first_shows(head, MAGIC_PREFIXES) == (FLAG_PACKED if head.startswith(b"BZh") else 0)


def test_no_more_is_read_than_identifies_an_export():
    header = b"timestamp,message" + b" " * 5000 + b"1"
    assert formats.detect(header[: formats.HEAD_BYTES]) == "cloudwatch-csv"
    assert first_shows(header, MAGIC_PREFIXES) == FLAG_EXPORT
