"""Files whose long zeros are holes: they read as what was written, and errors of the disk are raised."""

import errno
import os

import pyarrow as pa
import pytest

from metricscan.datasets import sparse_file
from metricscan.datasets.parked_file import ParkedFile
from metricscan.datasets.sparse_file import SparseFile

ZEROS = bytes(200_000)
PIECES = {
    "nothing": [],
    "bytes": [b"ab", b"", b"c"],
    "zeros": [ZEROS],
    "zeros between": [b"a", ZEROS, b"b"],
    "zeros at the end": [b"a", ZEROS],
    "zeros behind zeros": [ZEROS, ZEROS, b"a", ZEROS],
    "few zeros": [b"a", bytes(100), b"b", bytes(100)],
    "a byte behind zeros": [ZEROS + b"\1", b"a"],
    "a byte among zeros": [ZEROS + b"\1" + ZEROS],
    "many": [bytes([number % 251]) * 7 for number in range(3000)],
    "large": [bytes(range(256)) * 40_000, b"a", bytes(range(256)) * 40_000],
}


def written(path, pieces):
    file = SparseFile(os.fspath(path))
    for number, piece in enumerate(pieces):
        assert file.write(pa.py_buffer(piece) if number % 2 == 0 else piece) == len(piece)
    assert file.tell() == sum(map(len, pieces))
    file.close()
    file.close()
    assert file.closed
    return path.read_bytes()


@pytest.mark.parametrize("pieces", PIECES.values(), ids=PIECES)
def test_a_file_holds_what_was_written(tmp_path, pieces):
    assert written(tmp_path / "file", pieces) == b"".join(pieces)


@pytest.mark.parametrize("pieces", PIECES.values(), ids=PIECES)
def test_a_file_that_is_parked_goes_on(tmp_path, pieces):
    file, plain = SparseFile(os.fspath(tmp_path / "sparse")), ParkedFile(os.fspath(tmp_path / "plain"))
    opened = len(os.listdir("/dev/fd"))
    for piece in pieces:
        assert file.write(pa.py_buffer(piece)) == plain.write(piece) == len(piece)
        file.park()
        plain.park()
        file.park()
    assert len(os.listdir("/dev/fd")) == opened - (2 if pieces else 0)
    for one in (file, plain):
        assert one.tell() == sum(map(len, pieces))
        one.close()
        one.close()
    assert (tmp_path / "sparse").read_bytes() == (tmp_path / "plain").read_bytes() == b"".join(pieces)
    with pytest.raises(ValueError, match="is closed"):
        plain.write(b"more")


def test_the_descriptor_takes_a_part_at_a_time(tmp_path, monkeypatch):
    writev = os.writev

    def little(descriptor, buffers):
        return writev(descriptor, [memoryview(buffers[0])[: max(1, len(buffers[0]) // 2)]])

    monkeypatch.setattr(os, "writev", little)
    pieces = [b"abcdefg", b"h" * 1000, ZEROS, b"i" * 3, b"jklmnop"]
    assert written(tmp_path / "file", pieces) == b"".join(pieces)


def test_zeros_take_no_room(tmp_path):
    (tmp_path / "whole").write_bytes(bytes(8 << 20))
    with open(tmp_path / "hole", "wb") as file:
        file.truncate(8 << 20)
    if (tmp_path / "hole").stat().st_blocks >= (tmp_path / "whole").stat().st_blocks:
        pytest.skip("the file system has no holes")
    assert written(tmp_path / "file", [b"a", bytes(8 << 20), b"b"]) == b"a" + bytes(8 << 20) + b"b"
    assert (tmp_path / "file").stat().st_blocks < 1 << 8


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
@pytest.mark.parametrize("pieces", [[b"a"], [b"a", ZEROS, b"b"], [b"a" * (8 << 20)]], ids=["few", "hole", "large"])
def test_a_full_disk_is_an_error(pieces):
    file = SparseFile("/dev/full")
    with pytest.raises(OSError, match="No space left") as raised:  # noqa: PT012 - by a write or by the end
        for piece in pieces:
            file.write(piece)
        file.close()
    assert raised.value.errno == errno.ENOSPC
    file.abandon()
    assert file.closed


def test_an_abandoned_file_gets_nothing_more(tmp_path):
    file = SparseFile(os.fspath(tmp_path / "file"))
    file.write(b"abc")
    file.abandon()
    file.close()
    assert (tmp_path / "file").read_bytes() == b""


def test_an_arrow_file_is_what_pyarrow_writes_without_holes(tmp_path):
    schema = pa.schema(
        [("zero", pa.int64()), ("value", pa.float64()), ("name", pa.dictionary(pa.int32(), pa.string()))]
    )
    rows = 50_000
    names = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), ["a"])
    table = pa.table([pa.array([0] * rows), pa.array([float(i) for i in range(rows)]), names], schema=schema)
    for name, opened in (
        ("sparse", lambda path: pa.PythonFile(SparseFile(path), mode="w")),
        ("plain", lambda path: pa.OSFile(path, "wb")),
    ):
        with opened(os.fspath(tmp_path / name)) as file, pa.ipc.new_file(file, schema) as writer:
            writer.write_table(table)
            writer.write_table(table)
    assert (tmp_path / "sparse").read_bytes() == (tmp_path / "plain").read_bytes()
    assert 4 * rows > sparse_file._LEAST_HOLE
