"""gzip: known by its content, several members, truncated and damaged files."""

import gzip
import io
import zlib

import numpy as np
import pytest
from isal import isal_zlib
from isal.igzip_lib import DECOMP_GZIP, IgzipDecompressor

from metricscan import Scanner, SourceError
from metricscan.logs import compression
from metricscan.logs.source import CHUNK_BYTES, open_source
from metricscan.logs.tars import is_tar

LOG = b"".join(b"step %d a=%d.5 b=x\r\n" % (number, number) for number in range(2_000))
SCANNER = Scanner(["a=a=([0-9.]+)"])
ROWS = [number + 0.5 for number in range(2_000)]


def values(source, **options):
    return SCANNER.scan(source, **options)["a"]["value"].to_pylist()


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", ["train.log.gz", "train.log", "train.txt"])
def test_gzip_is_known_by_its_content(tmp_path, name, threads):
    path = tmp_path / name
    path.write_bytes(gzip.compress(LOG))
    result = SCANNER.scan(path, threads=threads)
    assert result["a"]["value"].to_pylist() == ROWS
    assert result.stats.bytes == len(LOG)


def test_a_name_does_not_make_a_gzip(tmp_path):
    path = tmp_path / "train.log.gz"
    path.write_bytes(LOG)
    assert values(path) == ROWS


@pytest.mark.parametrize("cut", [1, 100, 4096, len(LOG) - 1])
@pytest.mark.parametrize("padding", [b"", b"\0", b"\0" * 1000])
def test_gzip_of_several_members(tmp_path, cut, padding):
    path = tmp_path / "log.gz"
    path.write_bytes(gzip.compress(LOG[:cut]) + padding + gzip.compress(b"") + gzip.compress(LOG[cut:]) + padding)
    assert values(path) == ROWS


def test_gzip_that_grows_more_than_a_thousandfold(tmp_path):
    path = tmp_path / "log.gz"
    path.write_bytes(gzip.compress(b"a=1\n" + b" " * 20_000_000 + b"\na=2\n"))
    assert path.stat().st_size < 30_000
    with open_source(path) as source:
        assert max(len(piece) for piece in source) <= CHUNK_BYTES
    result = SCANNER.scan(path)
    assert result["a"]["value"].to_pylist() == [1.0, 2.0]
    assert result["a"]["line"].to_pylist() == [1, 3]


def test_gzip_with_the_checksum_of_a_tar():
    content = gzip.compress(b"a=1\n" + b" " * 20_000_000 + b"\na=2\n", mtime=0)[:512]
    for seconds in range(256 * 8):
        head = content[:4] + (seconds % 8 * 32 << 8 | seconds // 8).to_bytes(4, "little") + content[8:]
        assert not is_tar(head), seconds


def test_gzip_of_nothing(tmp_path):
    path = tmp_path / "log.gz"
    path.write_bytes(gzip.compress(b""))
    assert SCANNER.scan(path).stats.records == 0


def test_an_empty_file(tmp_path):
    path = tmp_path / "log.gz"
    path.touch()
    assert SCANNER.scan(path).stats.records == 0


def incompressible(rows):
    random = np.random.default_rng(7)
    return b"".join(b"a=%d %s\n" % (row, random.bytes(30).hex().encode()) for row in range(rows))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("missing", [1, 4, 8, 9, 1000])
def test_truncated_gzip_gives_what_there_is(tmp_path, missing, threads):
    log = incompressible(5000)
    packed = gzip.compress(log)
    path = tmp_path / "log.gz"
    path.write_bytes(packed[:-missing])
    known = zlib.decompressobj(wbits=31).decompress(packed[:-missing])
    assert log.startswith(known)
    with pytest.raises(SourceError, match="truncated gzip") as caught:
        SCANNER.scan(path, threads=threads)
    error = caught.value
    assert (error.path, error.offset) == (str(path), len(known))
    assert isinstance(error.cause, EOFError)
    assert error.partial.stats.bytes == len(known)
    whole = known[: known.rfind(b"\n") + 1]
    assert error.partial["a"].equals(SCANNER.scan(whole)["a"])
    assert error.partial.stats.cut_off == (whole != known)
    assert error.partial["a"].num_rows > 4900


def test_every_byte_before_a_cut_is_there(tmp_path):
    """isal holds back a byte or two at some cuts, the end of a record among them."""
    log = incompressible(300)
    packed = gzip.compress(log)
    path = tmp_path / "log.gz"
    held_back = 0
    for size in range(5_000, len(packed) - 8, 13):
        known = zlib.decompressobj(wbits=31).decompress(packed[:size])
        held_back += len(IgzipDecompressor(flag=DECOMP_GZIP).decompress(packed[:size])) < len(known)
        path.write_bytes(packed[:size])
        with pytest.raises(SourceError) as caught:
            SCANNER.scan(path)
        assert caught.value.offset == caught.value.partial.stats.bytes == len(known)
        assert caught.value.partial["a"].num_rows == known.count(b"\n")
        # the second of two members, in large pieces and in very small ones
        parts = []
        with (
            pytest.raises(SourceError) as caught,
            open_source(
                io.BytesIO(gzip.compress(LOG) + packed[:size]), chunk_bytes=100_000 if size % 2 else 7
            ) as source,
        ):
            parts.extend(map(bytes, source))
        assert b"".join(parts) == LOG + known
        assert caught.value.offset == len(LOG) + len(known)
    assert held_back > 10


def test_a_member_that_is_too_long_to_be_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(compression, "_KEPT_BYTES", 4_000)
    log = incompressible(300)
    packed = gzip.compress(log)
    path = tmp_path / "log.gz"
    for size in range(5_000, len(packed) - 8, 97):
        known = zlib.decompressobj(wbits=31).decompress(packed[:size])
        path.write_bytes(packed[:size])
        with pytest.raises(SourceError) as caught:
            SCANNER.scan(path)
        error = caught.value
        assert len(known) - 2 <= error.offset <= len(known)
        assert error.partial["a"].num_rows == known[: error.offset].count(b"\n")


@pytest.mark.parametrize("size", range(3, 18))
def test_gzip_that_ends_in_its_header(tmp_path, size):
    path = tmp_path / "log.gz"
    path.write_bytes(gzip.compress(b"a=1\n")[:size])
    if size == 1:
        assert SCANNER.scan(path).stats.bytes == 1
        return
    with pytest.raises(SourceError, match="gzip") as caught:
        SCANNER.scan(path)
    assert caught.value.partial.stats.bytes == caught.value.offset <= 4


def test_gzip_that_is_damaged_in_the_middle(tmp_path):
    log = incompressible(20_000)
    packed = bytearray(gzip.compress(log))
    middle = len(packed) // 2
    packed[middle : middle + 2000] = bytes(2000)
    path = tmp_path / "log.gz"
    path.write_bytes(packed)
    with pytest.raises(SourceError, match="damaged") as caught:
        SCANNER.scan(path)
    error = caught.value
    assert isinstance(error.cause, isal_zlib.error)
    assert 0 < error.offset < len(log)
    assert error.partial.stats.bytes == error.offset
    # whole pieces before the damage are right
    found = error.partial["a"]["value"].to_pylist()
    assert len(found) > 4000
    assert found[:4000] == list(map(float, range(4000)))


def test_gzip_with_a_wrong_checksum(tmp_path):
    packed = bytearray(gzip.compress(LOG))
    packed[-6] ^= 1
    path = tmp_path / "log.gz"
    path.write_bytes(packed)
    with pytest.raises(SourceError, match="damaged") as caught:
        SCANNER.scan(path)
    assert isinstance(caught.value.cause, isal_zlib.error)


def test_bytes_behind_gzip_that_are_no_gzip_are_an_error(tmp_path):
    path = tmp_path / "log.gz"
    path.write_bytes(gzip.compress(LOG) + b"a=1\n")
    with pytest.raises(SourceError) as caught:
        SCANNER.scan(path)
    assert caught.value.partial["a"]["value"].to_pylist() == ROWS
    assert caught.value.offset == len(LOG)
