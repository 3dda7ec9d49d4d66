"""Inputs of every form; and what is reported of those that cannot be read."""

import array
import errno
import fcntl
import gzip
import io
import lzma
import os
import pickle
import re
import threading
import zlib

import numpy as np
import pytest

from metricscan import Scanner, SourceError
from metricscan.logs.compression import compression
from metricscan.logs.source import CHUNK_BYTES, open_source
from metricscan.scanning.scanner import _configured

LOG = b"".join(b"step %d a=%d.5 b=x\r\n" % (number, number) for number in range(2_000))
SCANNER = Scanner(["a=a=([0-9.]+)"])
ROWS = [number + 0.5 for number in range(2_000)]


def values(source, **options):
    return SCANNER.scan(source, **options)["a"]["value"].to_pylist()


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "train.log"
    path.write_bytes(LOG)
    return path


# ---- what a source may be


class Fspath:
    def __init__(self, path):
        self.path = path

    def __fspath__(self):
        return self.path


@pytest.mark.parametrize("form", [str, lambda path: path, os.fsencode, lambda path: Fspath(str(path))])
def test_a_path(path, form):
    # bytes are a log, never a path
    if form is os.fsencode:
        assert SCANNER.scan(form(path)).stats.records == 1
        assert values(Fspath(os.fsencode(path))) == ROWS
    else:
        assert values(form(path)) == ROWS


def test_a_str_is_always_a_path():
    with pytest.raises(SourceError, match="cannot open a=1"):
        SCANNER.scan("a=1")


@pytest.mark.parametrize(
    "form",
    [
        bytes,
        bytearray,
        memoryview,
        lambda log: memoryview(log).cast("c"),
        lambda log: memoryview(bytearray(log)),
        lambda log: np.frombuffer(log, np.uint8),
        lambda log: np.frombuffer(log, np.int8).reshape(2, -1),
        lambda log: array.array("b", log),
        lambda log: memoryview(b"".join(bytes([byte, 0]) for byte in log))[::2],
        lambda log: memoryview(log[::-1])[::-1],
        lambda log: np.frombuffer(log, np.uint8).reshape(2, -1).copy("F"),
        lambda log: np.array([log, log])[:1],
    ],
)
@pytest.mark.parametrize("threads", [1, 2])
def test_bytes_in_any_form(form, threads):
    assert len(LOG) % 2 == 0
    assert values(form(LOG), threads=threads) == ROWS


@pytest.mark.parametrize(
    "empty",
    [b"", bytearray(), np.zeros(0, np.uint8), np.zeros((0, 3), np.uint8), array.array("b"), [], iter(()), [b""]],
)
def test_nothing_at_all(empty):
    result = SCANNER.scan(empty)
    assert (result.stats.bytes, result.stats.records, result["a"].num_rows) == (0, 0, 0)


class ReadOnly:
    """The least that a file object is."""

    def __init__(self, data):
        self.file = io.BytesIO(data)

    def read(self, size):
        assert size > 0
        return self.file.read(min(size, 1000))


@pytest.mark.parametrize("form", [io.BytesIO, lambda log: io.BufferedReader(io.BytesIO(log)), ReadOnly])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_file_object(form, threads):
    assert values(form(LOG), threads=threads) == ROWS


def test_a_file_object_is_read_from_where_it_is_and_stays_open(path):
    with path.open("rb") as file:
        file.seek(LOG.index(b"step 1000"))
        assert values(file) == ROWS[1000:]
        assert not file.closed
        assert file.read() == b""


def test_an_unbuffered_file(path):
    with path.open("rb", buffering=0) as file:
        assert values(file) == ROWS


def test_a_file_that_has_nothing_yet_is_at_its_end():
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.write(writing, b"a=1\na=2")
    with open(reading, "rb", buffering=0) as file:
        assert values(file) == [1.0, 2.0]
    os.close(writing)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("by", ["file object", "path"])
def test_a_pipe(by, threads):
    reading, writing = os.pipe()

    def write():
        with open(writing, "wb", buffering=0) as file:
            file.writelines(LOG[start : start + 777] for start in range(0, len(LOG), 777))

    writer = threading.Thread(target=write)
    writer.start()
    with open(reading, "rb") as file:
        source = file if by == "file object" else f"/dev/fd/{reading}"
        assert values(source, threads=threads) == ROWS
    writer.join()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_named_pipe_whose_first_bytes_come_one_by_one(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    packed = gzip.compress(b"a=1\na=2\n")

    def write():
        with path.open("wb", buffering=0) as file:
            for byte in packed:
                file.write(bytes([byte]))

    writer = threading.Thread(target=write)
    writer.start()
    assert values(path) == [1.0, 2.0]
    writer.join()


@pytest.mark.parametrize(
    "form",
    [
        lambda log: [log[:5000], bytearray(log[5000:5001]), memoryview(log)[5001:]],
        lambda log: (log[at : at + 333] for at in range(0, len(log), 333)),
        lambda log: iter([log]),
        lambda log: tuple(log.splitlines(keepends=True)),
        lambda log: [np.frombuffer(log, np.uint8)],
    ],
)
@pytest.mark.parametrize("threads", [1, 2])
def test_an_iterable_of_chunks(form, threads):
    assert values(form(LOG), threads=threads) == ROWS


def test_a_huge_chunk_is_cut_into_pieces():
    pieces = list(open_source([LOG, b"x"], chunk_bytes=1000))
    assert b"".join(pieces) == LOG + b"x"
    assert {len(piece) for piece in pieces[:-2]} == {1000}


def test_a_file_is_read_into_one_small_buffer(path):
    with open_source(path) as source:
        (piece,) = source
        assert (bytes(piece), source.name, source.size, source.whole) == (LOG, str(path), len(LOG), None)
    path.write_bytes(LOG * 20)
    with open_source(path) as source:
        sizes = [len(piece) for piece in source]
    assert sum(sizes) == 20 * len(LOG)
    assert max(sizes) == CHUNK_BYTES


# ---- what it may not be


@pytest.mark.parametrize("source", [None, 7, 1.5, object(), ["text\n"], [b"a=1\n", "a=2\n"], [None], [7], {1: 2}])
@pytest.mark.parametrize("threads", [1, 2])
def test_what_is_no_source_is_a_type_error(source, threads):
    with pytest.raises(TypeError):
        SCANNER.scan(source, threads=threads)


def test_a_chunk_of_text_is_named():
    with pytest.raises(TypeError, match="chunk 1 of the source is str, bytes-like was expected"):
        SCANNER.scan([b"a=1\n", "a=2\n"])


@pytest.mark.parametrize("text", ["", "a=1\n"])
def test_a_text_file_is_a_type_error(text):
    with pytest.raises(TypeError, match="is a text file; open it in binary mode"):
        SCANNER.scan(io.StringIO(text))


def test_a_text_file_is_named(path):
    with path.open(encoding="utf-8") as file, pytest.raises(TypeError, match=r"train\.log is a text file"):
        SCANNER.scan(file)


def test_an_error_of_an_iterable_is_its_own():
    def chunks():
        yield b"a=1\n"
        raise KeyError("mine")

    for threads in (1, 2):
        with pytest.raises(KeyError, match="mine"):
            SCANNER.scan(chunks(), threads=threads)


# ---- what cannot be read


def test_a_file_that_is_not_there(tmp_path):
    path = tmp_path / "none.log"
    with pytest.raises(SourceError) as caught:
        SCANNER.scan(path)
    error = caught.value
    assert error.path == str(path)
    assert isinstance(error, OSError)
    assert isinstance(error.cause, FileNotFoundError)
    assert isinstance(error.__cause__, FileNotFoundError)
    assert str(error) == f"cannot open {path}: No such file or directory"
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.path, again.offset, type(again.cause)) == (str(error), str(path), None, FileNotFoundError)


def test_a_folder(tmp_path):
    with pytest.raises(SourceError, match="Is a directory") as caught:
        SCANNER.scan(tmp_path)
    assert caught.value.path == str(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(path):
    path.chmod(0)
    with pytest.raises(SourceError, match="Permission denied") as caught:
        SCANNER.scan(path)
    assert caught.value.path == str(path)


def test_a_path_that_is_none():
    with pytest.raises(SourceError, match="null"):
        SCANNER.scan("a\0b")


@pytest.mark.skipif(not os.path.exists("/proc/self/mem"), reason="needs a file that cannot be read")
def test_a_path_whose_first_byte_cannot_be_read():
    with pytest.raises(SourceError, match="cannot read /proc/self/mem") as caught:
        SCANNER.scan("/proc/self/mem")
    assert (caught.value.path, caught.value.offset) == ("/proc/self/mem", 0)


class Failing(io.RawIOBase):
    """A disk that fails behind its first bytes."""

    name = "disk"

    def __init__(self, good):
        self.good = good

    def readable(self):
        return True

    def readinto(self, buffer):
        if not self.good:
            raise OSError(5, "Input/output error")
        count = min(len(buffer), len(self.good))
        buffer[:count] = self.good[:count]
        self.good = self.good[count:]
        return count


@pytest.mark.parametrize("threads", [1, 2])
def test_a_file_object_that_fails(threads):
    with pytest.raises(SourceError, match="cannot read disk: Input/output error") as caught:
        SCANNER.scan(Failing(LOG + b"a=7"), threads=threads)
    error = caught.value
    assert (error.path, error.offset, error.cause.errno) == ("disk", len(LOG) + 3, 5)
    # what was read is scanned, but for the record that has no end
    assert error.partial["a"]["value"].to_pylist() == ROWS
    assert (error.partial.stats.bytes, error.partial.stats.cut_off) == (len(LOG) + 3, 1)
    assert list(error.partial) == ["a"]


def test_a_file_that_fails(path, monkeypatch):
    import metricscan.logs.source

    path.write_bytes(LOG)
    monkeypatch.setattr(metricscan.logs.source, "open", lambda *_, **__: file, raising=False)
    with path.open("rb") as real:
        file = Failing(LOG)
        file.fileno = real.fileno
        with pytest.raises(SourceError, match=f"at byte {len(LOG)}: Input/output error") as caught:
            SCANNER.scan(path, threads=1)
    assert caught.value.offset == len(LOG)
    assert caught.value.partial["a"]["value"].to_pylist() == ROWS
    assert file.closed


def test_a_file_that_fails_on_two_threads(path, monkeypatch):
    path.write_bytes(LOG * 3)
    read = os.pread

    def failing(descriptor, size, offset):
        # asked for where the second block ends
        if offset >= 2 * len(LOG) - 1:
            raise OSError(errno.EIO, "Input/output error")
        return read(descriptor, size, offset)

    monkeypatch.setattr(os, "pread", failing)
    scanner = _configured(["a=a=([0-9.]+)"], chunk_bytes=len(LOG))
    with pytest.raises(SourceError, match="Input/output error") as caught:
        scanner.scan(path, threads=2)
    assert caught.value.path == str(path)
    assert caught.value.offset >= len(LOG)
    assert caught.value.partial["a"]["value"].to_pylist()[: len(ROWS)] == ROWS


def test_batches_give_what_came_before_the_error():
    running = SCANNER.batches(Failing(b"a=1\na=2"))
    name, batch = next(running)
    assert (name, batch["value"].to_pylist()) == ("a", [1.0])
    with pytest.raises(SourceError):
        next(running)
    assert (running.stats.bytes, running.stats.records, running.stats.cut_off) == (7, 1, 1)


# ---- other compressions


@pytest.mark.parametrize(
    ("name", "packed"),
    [
        ("lzma", lzma.compress(LOG, lzma.FORMAT_ALONE)),
        ("lzma", lzma.compress(b"", lzma.FORMAT_ALONE, preset=0)),
        ("compress (.Z)", bytes.fromhex("1f9d90") + bytes(range(100))),
        ("the legacy format of lz4", bytes.fromhex("02214c18") + bytes(range(100))),
        *(("zlib", zlib.compress(LOG, level)) for level in (0, 1, 3, 6, 9)),
        ("zlib", zlib.compress(b"a=1\n" * 9)),
    ],
)
def test_another_compression_is_named(tmp_path, name, packed):
    path = tmp_path / "train.log"
    path.write_bytes(packed)
    assert compression(packed[:512]) == name
    with pytest.raises(SourceError, match=f"is compressed with {re.escape(name)}"):
        SCANNER.scan(io.BytesIO(packed))
    with pytest.raises(SourceError, match=f"is compressed with {re.escape(name)}") as caught:
        SCANNER.scan(path)
    assert caught.value.path == str(path)
    assert "decompress it first" in caught.value.hint


def test_an_error_is_reported_in_the_words_of_the_system(tmp_path):
    path = str(tmp_path / "none.log")
    for carried in (lambda error: error, lambda error: pickle.loads(pickle.dumps(error))):
        with pytest.raises(OSError, match="cannot open") as caught:
            SCANNER.scan(path)
        error = carried(caught.value)
        assert (error.errno, error.strerror, error.filename) == (errno.ENOENT, os.strerror(errno.ENOENT), path)
    (tmp_path / "cut.log").write_bytes(gzip.compress(LOG)[:-4])
    with pytest.raises(OSError, match="truncated") as caught:
        SCANNER.scan(tmp_path / "cut.log")
    assert (caught.value.errno, caught.value.filename) == (None, str(tmp_path / "cut.log"))


class Dribs:
    """A file object that gives a byte at a time, and may end in a fault."""

    def __init__(self, data, fault=None):
        self.data = data
        self.fault = fault
        self.at = 0

    def read(self, size):
        self.at += 1
        if self.at > len(self.data) and self.fault is not None:
            raise self.fault
        return self.data[self.at - 1 : self.at]


@pytest.mark.parametrize("opened", [io.BytesIO, Dribs, lambda data: io.BufferedReader(io.BytesIO(data), 16)])
def test_a_file_object_is_looked_into(opened):
    log = b"a=1\na=2\n"
    for packed in (gzip.compress(log), gzip.compress(log[:6]) + gzip.compress(log[6:]) + b"\0" * 20, log):
        result = SCANNER.scan(opened(packed))
        assert result["a"]["value"].to_pylist() == [1.0, 2.0]
        assert (result.stats.bytes, result["a"]["offset"].to_pylist()) == (8, [0, 4])
    message = "is compressed with zlib; plain text, gzip, zstd, xz, bzip2 and lz4 are read"
    with pytest.raises(SourceError, match=message):
        SCANNER.scan(opened(zlib.compress(log * 100)))
    with pytest.raises(SourceError, match="truncated gzip") as caught:
        SCANNER.scan(opened(gzip.compress(log)[:-4]))
    assert caught.value.partial["a"]["value"].to_pylist() == [1.0, 2.0]
    for short in (b"", b"a", b"\x1f\x8b", b"a=3\n"):
        assert SCANNER.scan(opened(short)).stats.bytes == len(short)


def test_a_file_object_that_fails_under_gzip():
    with pytest.raises(SourceError, match="cannot read <file object>: gone away") as caught:
        SCANNER.scan(Dribs(gzip.compress(LOG)[:40], OSError(5, "gone away")))
    assert caught.value.offset == 40


@pytest.mark.parametrize(
    "log",
    [
        *(b"BZh: a=1\n", b"BZh", b"BZh9", b"BZh91A: a=1\n", b"P", b"PK: a=1\n", b"P*M: a=1\n", b"P*M", b"\xfd7z a=1\n"),
        *(b"\x1f a=1\n", b"\x1f\x9d a=1\n", b"\x1f\x9d", b"] a=1\n", b"]\0\0", b"]\0\0 a=1 and more of it\n"),
        *(
            b"x",
            b"x^",
            b"x^2 a=1\n",
            b"x^" * 500,
            b"x^\x01 \x1b[0m a=1\n",
            b"x\x01 a=1\n" * 90,
            b"x^\x01" + "€".encode() * 300,
        ),
        # texts in Latin-1 and the code page 437, and a bell in one
        *(b"x\xda a=1\n", b"x\x9cuvre a=1\n" * 90, b"x\xda\x07 a=1 \xe9t\xe9\n" * 90, b"x\x01\xe9 a=1\n" * 3),
    ],
)
def test_a_log_may_start_like_a_compression(tmp_path, log):
    path = tmp_path / "train.log"
    path.write_bytes(log)
    for source in (path, io.BytesIO(log), Dribs(log)):
        assert SCANNER.scan(source).stats.bytes == len(log)


def test_bytes_are_what_they_are():
    # only a file is looked into
    assert SCANNER.scan(gzip.compress(LOG)).stats.bytes == len(gzip.compress(LOG))


def test_what_was_opened_is_closed(path):
    running = SCANNER.batches(path)
    running.close()
    assert running._opened._file.closed
    finished = SCANNER.batches(path)
    assert list(finished)
    assert finished._opened._file.closed


@pytest.mark.skipif(not hasattr(fcntl, "F_SETPIPE_SZ"), reason="the system has pipes of one size")
def test_a_pipe_is_widened_and_read():
    reading, writing = os.pipe()
    before = fcntl.fcntl(reading, fcntl.F_GETPIPE_SZ)
    os.write(writing, b"loss=1\nloss")
    with os.fdopen(reading, "rb") as file:
        pieces = iter(open_source(file))
        assert bytes(next(pieces)) == b"loss=1\nloss"
        assert fcntl.fcntl(file, fcntl.F_GETPIPE_SZ) >= before
        os.write(writing, b"=2\n")
        os.close(writing)
        assert b"".join(pieces) == b"=2\n"
