"""Rows as they are found are those of a replay, in the order of the logs, with the step that is in force."""

import gzip
import io
import math
import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.exports import filtered
from support.folders import tree

from metricscan import Scanner, replay
from metricscan.replaying.extract import extracted
from metricscan.replaying.replay import prepared
from metricscan.scanning.scanner import _rebuild
from metricscan.scanning.schema import NO_TIME

DEFINITIONS = ["loss=loss=([0-9.]+)", "acc=acc=([0-9.]+)", "epoch=epoch=([0-9n]+|nan)", "again=loss=([0-9.]+)"]
LABELS = {"worker": r"\[(\w*)\]"}
SCANNER = Scanner(DEFINITIONS, labels=LABELS)
WORDS = [
    "loss=0.5",
    "loss=.",
    "acc=1",
    "acc=0.25",
    "epoch=1",
    "epoch=2",
    "epoch=nan",
    "[a]",
    "[]",
    "nothing",
    "\n",
    "\r\n",
    "\n",
]
TEXTS = st.lists(st.sampled_from(WORDS), max_size=60).map(" ".join)


def in_pieces_of(size):
    """The scanner, which reads pieces of this size."""
    return (
        SCANNER
        if size is None
        else _rebuild(SCANNER.definitions, SCANNER.options, {"chunk_bytes": size}, SCANNER.labels)
    )


def found(run, step=None):
    """The rows one by one: job, stream, part, metric, value, line, offset, start, time, and the step."""
    rows = []
    for some in extracted(run, step):
        size = len(some.line)
        text = [None] * size if some.text is None else some.text.to_pylist()
        time = [NO_TIME] * size if some.time is None else some.time.tolist()
        steps = [None] * size if some.step is None else some.step.tolist()
        for at in range(size):
            value = some.value[at].item() if text[at] is None else text[at]
            place = some.part[at].item(), some.line[at].item(), some.offset[at].item(), some.start[at].item()
            names = some.jobs[some.job[at]], some.streams[some.stream[at]], run.scanner.metrics[some.metric[at]]
            rows.append((*names, place, value, time[at], steps[at]))
    return rows


def replayed(result):
    """The same rows of a replay, without steps."""
    rows = []
    for metric, table in result.items():
        columns = table.set_column(8 - 1, "time", table["time"].cast("int64")).to_pylist()
        for row in columns:
            place = row["part"], row["line"], row["offset"], row["start"]
            time = NO_TIME if row["time"] is None else row["time"]
            rows.append((row["job"], row["stream"], metric, place, row["value"], time, None))
    return rows


def spelled(rows):
    """Rows that can be sorted and compared: NaN equals itself."""
    return sorted(map(repr, rows))


def check(paths, scanner=SCANNER, **how):
    run = prepared(paths, scanner, in_order=True, **how)
    rows = found(run)
    result = replay(paths, scanner, **how)
    assert spelled(rows) == spelled(replayed(result))
    logs = [(job.name, log.stream, log.part) for job in result.jobs for log in job.logs]
    order = [(logs.index((row[0], row[1], row[3][0])), row[3][3]) for row in rows]
    assert order == sorted(order)
    ended = run.result(None, None)
    assert (ended.stats, ended.errors, ended.notices) == (result.stats, result.errors, result.notices)
    return rows


@given(
    texts=st.lists(TEXTS, min_size=1, max_size=4), threads=st.sampled_from([1, 2]), piece=st.sampled_from([None, 7, 64])
)
def test_the_rows_of_texts(texts, threads, piece, tmp_path_factory):
    folder = tree(tmp_path_factory.mktemp("logs"), {f"{number}.log": text for number, text in enumerate(texts)})
    scanner = in_pieces_of(piece)
    check(folder, scanner, threads=threads)
    check(folder / "0.log", scanner, threads=threads)


@pytest.mark.parametrize("name", ["a.log.gz", "utf16.log", "a.tar.gz"])
def test_the_rows_of_other_inputs(name, tmp_path):
    import tarfile

    text = "".join(f"[w{number % 3}] epoch={number // 4} loss=0.{number} acc=1 loss=2\n" for number in range(5000))
    if name == "utf16.log":
        (tmp_path / name).write_bytes(text.encode("utf-16"))
    elif name == "a.log.gz":
        (tmp_path / name).write_bytes(gzip.compress(text.encode()))
    else:
        with tarfile.open(tmp_path / name, "w:gz") as archive:
            for member in ("b/2.log", "b/1.log"):
                info = tarfile.TarInfo(member)
                info.size = len(text)
                archive.addfile(info, io.BytesIO(text.encode()))
    assert len(check(tmp_path / name)) >= 5000 * 7


def test_the_rows_of_an_export_of_several_streams(tmp_path):
    events = [
        (f"job-{number % 3}/algo-1-1", number, f"loss={number} acc=1 [a]\nepoch={number}") for number in range(200)
    ]
    (tmp_path / "export.json").write_bytes(filtered(*events))
    rows = check(tmp_path / "export.json")
    assert len({row[0] for row in rows}) == 3
    assert NO_TIME not in {row[5] for row in rows}


def test_the_rows_of_a_rotated_log(tmp_path):
    tree(tmp_path, {"a.log": "loss=3 acc=1\n", "a.log.1": "loss=2\n", "a.log.2": "epoch=1 acc=0\n"})
    assert [row[3][0] for row in check(tmp_path)] == [0, 0, 1, 1, 2, 2, 2]


def step_by_hand(text, rows):
    """The step of each row of a log, looked for in its lines."""
    last, steps = None, {}
    for number, line in enumerate(text.split("\n"), 1):
        own = [(match.start(1), match[1]) for match in re.finditer("epoch=([0-9n]+|nan)", line)]
        own = [(at, float(value)) for at, value in own if value == "nan" or value.isdigit()]
        steps[number] = last, own
        last = own[-1][1] if own else last
    found = []
    for *_, (_, line, offset, start), _, _, _ in rows:
        before, own = steps[line]
        held = [value for at, value in own if at <= start - offset] or [value for _, value in own[:1]]
        found.append(held[-1] if held else before)
    return [math.nan if one is None else one for one in found]


@given(texts=st.lists(TEXTS, min_size=1, max_size=3), piece=st.sampled_from([None, 7, 64]))
def test_each_row_has_its_step(texts, piece, tmp_path_factory):
    texts = [text.replace("\r", "") for text in texts]
    folder = tree(tmp_path_factory.mktemp("logs"), {f"{number}.log": text for number, text in enumerate(texts)})
    scanner = in_pieces_of(piece)
    for number, text in enumerate(texts):
        rows = found(prepared(folder / f"{number}.log", scanner, in_order=True), "epoch")
        np.testing.assert_array_equal([row[-1] for row in rows], step_by_hand(text, rows))
    together = found(prepared(folder, scanner, in_order=True), "epoch")
    alone = [
        row[3:]
        for number in range(len(texts))
        for row in found(prepared(folder / f"{number}.log", scanner, in_order=True), "epoch")
    ]
    assert list(map(repr, (row[3:] for row in together))) == list(map(repr, alone))


def test_a_step_goes_on_in_the_next_piece_of_a_rotated_log(tmp_path):
    tree(tmp_path, {"a.log": "loss=3\n", "a.log.1": "epoch=7\nloss=2\n", "b.log": "loss=1\n"})
    rows = found(prepared(tmp_path, SCANNER, in_order=True), "epoch")
    assert [(row[2], row[-1]) for row in rows if row[0].startswith("a")] == [
        ("epoch", 7.0),
        ("loss", 7.0),
        ("again", 7.0),
        ("loss", 7.0),
        ("again", 7.0),
    ]
    assert all(math.isnan(row[-1]) for row in rows if row[0].startswith("b"))


class Slow(io.RawIOBase):
    """A pipe that gives one chunk at a time, and notes what was printed when the next one was asked for."""

    def __init__(self, chunks):
        self.chunks = list(chunks)

    def read1(self, size):
        return self.chunks.pop(0) if self.chunks else b""


DOCKER = b'{"log":"loss=1\\n","stream":"stdout","time":"2026-03-01T10:00:00.5Z"}\n'


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (b"loss=1\n", b"loss=2\n"),
        (b"\n", b"loss=1\nloss=2\n"),
        (b"[INFO] loss=1\n", b"loss=2\n"),
        (b'{"loss": "loss=1"}\n', b"loss=2\n"),
        (b"\xef\xbb\xbfloss=1\n", b"loss=2\n"),
        (b" 1% loss=1\r", b" 2% loss=2\r "),
        (DOCKER, DOCKER),
        (b"2026-03-01T10:00:00.5Z stdout F loss=1\n", b"2026-03-01T10:00:00.5Z stdout F loss=1\n"),
    ],
)
def test_rows_of_a_pipe_are_there_when_their_line_has_ended(first, second, monkeypatch):
    pipe = Slow([first, second, b"loss=9"])
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=pipe))
    left = []
    for rows in extracted(prepared("-", Scanner(["loss=loss=([0-9.]+)"]), in_order=True)):
        left += [len(pipe.chunks)] * len(rows.line)
    # after the first row at most two chunks have been read
    assert left[0] >= 1
    assert left[0] == 2 or first.strip() == b"" or first.endswith(b"\r")


def test_a_pipe_with_an_export_in_many_lines_waits_for_what_it_is(monkeypatch):
    monkeypatch.setattr(
        sys,
        "stdin",
        SimpleNamespace(buffer=Slow([b"{\n", b' "events": [\n', b'{"timestamp": 1, "message": "loss=1"}]}\n'])),
    )
    (rows,) = extracted(prepared("-", Scanner(["loss=loss=([0-9.]+)"]), in_order=True))
    assert rows.time.tolist() == [1000]
