"""Which files are binary and no logs, and which texts hold NULs and are."""

import gzip
import os
from pathlib import Path

import pytest
from support.archives import tarred, zipped
from support.folders import tree
from support.surveys import told

from metricscan import Scanner, replay
from metricscan.logs import _natural
from metricscan.logs.survey import survey


def test_a_nul_that_comes_late_is_no_reason_to_pass_a_log_over(tmp_path):
    tree(tmp_path, {"a.log": b"loss=1\n" * 2000 + b"\0", "b.log": b""})
    found = survey([tmp_path])
    assert list(told(found)) == ["a", "b"]
    assert str(found) == "2 logs"
    assert str(survey([tmp_path / "b.log"])) == "1 log"


def test_a_log_in_a_compression_that_is_not_read_is_not_passed_over(tmp_path):
    packed = b"\x1f\x9d\x90 rest"
    tree(tmp_path, {"a.log.Z": packed, "weights.Z": packed})
    found = survey([tmp_path])
    assert [Path(log.path).name for job in found.jobs for log in job.logs] == ["a.log.Z"]
    assert found.skipped_binary == 1


def test_include_takes_no_binary(tmp_path):
    tree(tmp_path, {"a.bin": b"\0", "b.bin": None})
    found = survey([tmp_path], include=["*.bin"])
    assert list(told(found)) == ["b"]
    assert found.skipped_binary == 1


def tfrecord(data):
    return len(data).to_bytes(8, "little") + b"\x9a\x03\xf1\x8c" + data + b"\x11\x22\x33\x44"


def binaries(folder):
    """Small files of the kinds that lie beside logs, written by the libraries that write such files."""
    import pickle
    import sqlite3

    import numpy as np
    import pyarrow as pa
    from PIL import Image
    from pyarrow import feather, parquet

    table = pa.table({"loss": [0.5, 0.25], "name": ["a", "b"]})
    parquet.write_table(table, folder / "table.parquet")
    feather.write_feather(table, folder / "table.feather")
    np.save(folder / "array.npy", np.arange(300))
    np.arange(300, dtype=np.int16).tofile(folder / "words")
    np.arange(300, dtype=np.float64).tofile(folder / "doubles")
    np.savez(folder / "array.npz", np.zeros(3))
    Image.new("RGB", (9, 9)).save(folder / "a.png")
    Image.new("RGB", (9, 9)).save(folder / "a.ico")
    Image.new("RGB", (9, 9)).save(folder / "a.bmp")
    (folder / "pickle").write_bytes(pickle.dumps({"loss": [0.5] * 9, "text": "loss=1\n" * 100}))
    with sqlite3.connect(folder / "rows") as connection:
        connection.execute("create table rows (loss real)")
    connection.close()
    (folder / "events").write_bytes(tfrecord(b"\x09\0\0\x80\xd9\x93\x18\xda\x41\x1a\x0dbrain.Event:2") * 20)
    header = b'{"weight": {"dtype": "F32", "shape": [2]}}'
    (folder / "weights").write_bytes(len(header).to_bytes(8, "little") + header + bytes(8))
    (folder / "module").write_bytes(Path(_natural.__file__).read_bytes()[:9000])


def test_binary_files_are_passed_over(tmp_path):
    binaries(tmp_path)
    count = len(os.listdir(tmp_path))
    tree(tmp_path, {"a.log": b"loss=1\n"})
    found = survey([tmp_path], include="*")
    assert list(told(found)) == ["a"]
    # the archive among them is opened, and holds no log
    assert found.skipped_binary == count - 1


def test_a_text_with_some_nuls_is_a_log(tmp_path):
    texts = {
        "stray.log": b"Epoch 1 loss=0.5\0\n" * 20,
        "ends.log": b"loss=5\0\n" * 20,
        "one.log": b"a\0b",
        "truncated.log": b"\0" * 5000 + b"loss=0.5\n",
        "powerless.log": b"loss=0.5\n" * 9 + b"\0" * 5000,
        "progress.log": b"1/9 [===>]" + b"\x08" * 300 + b"\0\n",
        "colours.log": b"\x1b[1mloss=0.5\x1b[0m\0\n" * 9,
    }
    tree(tmp_path, texts)
    assert survey([tmp_path]).skipped == 0


def test_behind_a_hole_the_text_decides(tmp_path):
    for name, text in {"text.log": b"loss=0.5\n" * 9, "binary.log": bytes(range(256)), "empty.log": b""}.items():
        with open(tmp_path / name, "wb") as file:
            file.truncate(50_000_000)
            file.seek(0, 2)
            file.write(text)
    with open(tmp_path / "written.log", "wb") as file:
        file.write(bytes(100_000) + b"loss=0.5\n")
    found = survey([tmp_path])
    assert list(told(found)) == ["text", "written"]
    assert found.skipped_binary == 2


def test_a_compressed_text_with_some_nuls_is_a_log(tmp_path):
    tree(tmp_path, {"a.log.gz": gzip.compress(b"loss=1\0\n" * 20), "b.log.gz": gzip.compress(bytes(range(256)))})
    found = survey([tmp_path])
    assert (len(found.jobs), found.skipped_binary) == (1, 1)


@pytest.mark.parametrize("nuls", [8191, 8192, 70_000])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_nuls_at_the_beginning_do_not_make_a_log_binary(tmp_path, nuls, pack):
    """A file that was truncated while its writer went on; in a folder, in archives, compressed or not."""
    data = pack(bytes(nuls) + b"loss=1\n" * 3)
    files = {"a.log": data, "b.log": pack(bytes(nuls) + b"\1\2\3\4" * 40)}
    for number, packed in enumerate((tarred(files), gzip.compress(tarred(files)), zipped(files))):
        path = tmp_path / f"{number}.archive"
        path.write_bytes(packed)
        found = survey([path])
        assert (list(told(found)), found.skipped_binary) == (["a"], 1)
    found = survey([tree(tmp_path / "logs", files)])
    assert (list(told(found)), found.skipped_binary) == (["a"], 1)
    assert replay(tmp_path / "logs", Scanner(["loss=loss=(.)"]))["loss"].num_rows == 3


@pytest.mark.parametrize("program", [b"\x7fELF" + bytes(5000), b"MZ" + bytes(9000), b"#!/bin/sh\n"])
def test_a_zip_that_extracts_itself_is_named(tmp_path, program):
    path = tmp_path / "logs"
    path.write_bytes(program + zipped({"a.log": b"loss=1\n"}))
    (error,) = survey([path]).errors
    assert "is a zip behind a program" in str(error)
    assert "zip -J" in error.hint
