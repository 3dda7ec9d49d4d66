"""NULs and a byte-order mark at the beginning of a source, where the cases of the kernel do not reach."""

import io
import json
import os

import pytest
from support.feeding import Dribble, expected, scanned

import metricscan
from metricscan import Scanner
from metricscan.scanning import threaded

MARK = b"\xef\xbb\xbf"
DEFINITIONS = [{"Name": "loss", "Regex": r"^loss=(\S+)"}]
SCANNER = Scanner(DEFINITIONS)
LOG = b"loss=1\r\nloss=2\nloss=3"


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize(
    "beginning", [MARK, bytes(9000), bytes(4096) + MARK + bytes(5000)], ids=["mark", "nuls", "both"]
)
def test_every_form_of_a_source(tmp_path, monkeypatch, beginning, threads):
    monkeypatch.setattr(threaded, "LEAST_BLOCK_BYTES", 200)
    monkeypatch.setattr(threaded, "BLOCK_BYTES", 1000)
    data = beginning + LOG
    wanted = expected(DEFINITIONS, data)
    assert wanted["metric loss"]["rows"][0][1:] == (1, len(beginning), len(beginning) + 5)
    path = tmp_path / "a.log"
    path.write_bytes(data)
    chunks = [data[at : at + 2] for at in range(0, len(data), 2)]
    for source in (path, data, bytearray(data), io.BytesIO(data), Dribble(data), iter(chunks)):
        assert scanned(SCANNER, source, threads) == wanted


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("text", [LOG, MARK + LOG, bytes(5000) + MARK + LOG, b"", b"\n", bytes(3)])
def test_a_sparse_file_that_begins_with_a_hole(tmp_path, monkeypatch, threads, text):
    monkeypatch.setattr(threaded, "LEAST_BLOCK_BYTES", 500)
    monkeypatch.setattr(threaded, "BLOCK_BYTES", 1 << 20)
    path = tmp_path / "a.log"
    hole = 3 << 20
    with path.open("wb") as file:
        file.truncate(hole)
        file.seek(hole)
        file.write(text)
    assert scanned(SCANNER, path, threads) == expected(DEFINITIONS, bytes(hole) + text)


@pytest.mark.skipif(not hasattr(os, "SEEK_DATA"), reason="the system does not say where holes end")
def test_a_hole_is_not_read(tmp_path):
    path = tmp_path / "a.log"
    size = 1 << 40
    try:
        with path.open("wb") as file:
            file.truncate(size)
            file.seek(size)
            file.write(LOG)
    except OSError:
        pytest.skip("the file system holds no file of this size")
    with path.open("rb") as file:
        if threaded._hole_end(file.fileno()) == 0:
            pytest.skip("the file system has no holes")
    result = SCANNER.scan(path, threads=2)
    assert result["loss"]["offset"].to_pylist() == [size, size + 8, size + 15]
    assert result["loss"]["line"].to_pylist() == [1, 2, 3]
    assert (result.stats.bytes, result.stats.records) == (size + len(LOG), 3)


def test_a_stream_counts_what_it_was_fed():
    stream = SCANNER.stream()
    seen = []
    for chunk in (b"\0", b"\0\xef", b"\xbb", b"\xbf", b"\0loss=1", b"\n"):
        stream.feed(chunk)
        seen.append((stream.stats.bytes, stream.stats.records))
    assert seen == [(1, 0), (3, 0), (4, 0), (5, 0), (12, 0), (13, 1)]
    assert stream.latest["loss"][:4] == (1.0, 1, 6, 11)


def test_labels_are_found_behind_a_mark():
    scanner = Scanner(DEFINITIONS, labels={"worker": r"^\[(\w+)\]"})
    assert scanner.scan(MARK + b"[w1] loss=1\n")["worker"]["value"].to_pylist() == ["w1"]


def test_a_record_that_is_looked_at_alone_is_no_source():
    scanner = Scanner([{"Name": "all", "Regex": "(?s)^(.*)$"}])
    for record in (MARK + b"a", b"\0\0a", b"\0" + MARK):
        assert scanner.find(record)[0].text == record.decode()


def exported(*messages):
    return json.dumps({"events": [{"timestamp": 1, "message": message} for message in messages]}).encode()


def test_the_text_of_an_export_is_no_source():
    scanner = Scanner([{"Name": "m", "Regex": "^\ufeffm=(.)"}, {"Name": "n", "Regex": r"^\x00n=(.)"}])
    export = exported("\ufeffm=1", "\0n=2")
    for mark in (b"", MARK):
        result = scanner.scan(mark + export, input_format="cloudwatch-json")
        assert result["m"]["value"].to_pylist() == [1.0]
        assert result["n"]["value"].to_pylist() == [2.0]
    result = scanner.scan(exported("\0n=2"), input_format="cloudwatch-json")
    assert result["n"]["value"].to_pylist() == [2.0]


def test_small_logs_have_beginnings_of_their_own(tmp_path):
    beginnings = [MARK, b"", bytes(40), bytes(3) + MARK + b"\0", MARK + MARK]
    for number, beginning in enumerate(beginnings):
        (tmp_path / f"{number}.log").write_bytes(beginning + b"loss=%d\nloss=x\n" % number)
    result = metricscan.replay([tmp_path / f"{number}.log" for number in range(5)], SCANNER)
    table = result["loss"]
    assert table["value"].to_pylist() == [0.0, 1.0, 2.0, 3.0]
    assert table["line"].to_pylist() == [1, 1, 1, 1]
    assert table["offset"].to_pylist() == [3, 0, 40, 7]
    assert table["start"].to_pylist() == [8, 5, 45, 12]
    assert result.stats.records == 10
    assert result.stats.bytes == sum(map(len, beginnings)) + 14 * 5
    samples = [tuple(sample) for sample in result.stats.metrics["loss"].samples]
    assert samples == [("x", 2, len(beginning) + 7) for beginning in beginnings]
