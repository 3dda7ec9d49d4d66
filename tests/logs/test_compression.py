"""Every compression that is decompressed: whole, cut, damaged, in many members; in files, file objects and folders."""

import bz2
import gzip
import io
import lzma
import os
import random
import subprocess
import sys
import zlib

import lz4.frame
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from support.folders import tree
from support.surveys import told

import metricscan
from metricscan import Scanner, SourceError
from metricscan.logs.compression import SUFFIX_PATTERN, SUFFIXES, compression
from metricscan.logs.source import open_source
from metricscan.logs.survey import survey
from metricscan.scanning.small_logs import scan_together

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

SCANNER = Scanner(["a=a=([0-9.]+)"])
LOG = b"".join(b"step %d a=%d.5 b=x\r\n" % (number, number) for number in range(2_000))
ROWS = [number + 0.5 for number in range(2_000)]
PACK = {
    "gzip": gzip.compress,
    "zstd": zstd.compress,
    "xz": lzma.compress,
    "bzip2": bz2.compress,
    "lz4": lz4.frame.compress,
}
SUFFIX = dict(zip(PACK, SUFFIXES, strict=True))
# Fewer bytes of a file do not show how it is compressed, and are taken for text.
SHOWN_BY = {"gzip": 3, "zstd": 3, "xz": 3, "bzip2": 5, "lz4": 3}
EACH = pytest.mark.parametrize("kind", PACK)
SKIPPED = bytes.fromhex("502a4d1804000000") + b"abcd"


def values(source, **options):
    return SCANNER.scan(source, **options)["a"]["value"].to_pylist()


def incompressible(rows):
    source = np.random.default_rng(7)
    return b"".join(b"a=%d %s\n" % (row, source.bytes(30).hex().encode()) for row in range(rows))


# ---- what is whole


@EACH
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", ["train.log", "train.log.gz", "train.zst"])
def test_content_shows_the_compression(tmp_path, kind, threads, name):
    path = tmp_path / name
    path.write_bytes(PACK[kind](LOG))
    result = SCANNER.scan(path, threads=threads)
    assert result["a"]["value"].to_pylist() == ROWS
    assert result.stats.bytes == len(LOG)
    with path.open("rb") as file:
        assert values(file) == ROWS
    assert compression(PACK[kind](b"")) == kind


@EACH
@given(data=st.data())
def test_any_members_in_any_chunks(kind, data):
    texts = data.draw(st.lists(st.binary(max_size=300) | st.just(b"a=1\n" * 400), min_size=1, max_size=4))
    # what is compressed twice is refused
    assume(compression(b"".join(texts)) is None)
    paddings = data.draw(st.lists(st.sampled_from([b"", b"\0", bytes(1000)]), min_size=len(texts), max_size=len(texts)))
    packed = b"".join(PACK[kind](text) + padding for text, padding in zip(texts, paddings, strict=True))

    class Chunks:
        file = io.BytesIO(packed)

        def read(self, size):
            return self.file.read(data.draw(st.integers(1, min(size, 40) if len(packed) < 300 else min(size, 4000))))

    with open_source(Chunks(), chunk_bytes=data.draw(st.integers(1, 5000))) as source:
        assert b"".join(map(bytes, source.as_it_lies())) == b"".join(texts)


@EACH
def test_members_are_one_stream(tmp_path, kind):
    pack, path = PACK[kind], tmp_path / "log"
    for cut in (1, 100, 4096, len(LOG) - 1):
        for padding in (b"", b"\0", bytes(1000)):
            path.write_bytes(pack(LOG[:cut]) + padding + pack(b"") + pack(LOG[cut:]) + padding)
            assert values(path) == ROWS
    path.write_bytes(pack(b""))
    assert SCANNER.scan(path).stats.records == 0


@pytest.mark.parametrize("kind", ["zstd", "lz4"])
def test_frames_to_be_skipped(tmp_path, kind):
    path = tmp_path / "log"
    whole = PACK[kind](LOG[:1000]) + SKIPPED + PACK[kind](LOG[1000:]) + SKIPPED
    # pzstd begins with one
    for packed in [whole, SKIPPED + whole] if kind == "zstd" else [whole]:
        path.write_bytes(packed)
        assert values(path) == ROWS


@EACH
def test_pieces_are_bounded(tmp_path, kind):
    path = tmp_path / "log"
    path.write_bytes(PACK[kind](b"a=1\n" + b" " * 20_000_000 + b"\na=2\n"))
    with open_source(path) as source:
        assert max(len(piece) for piece in source) <= 256 * 1024
    assert SCANNER.scan(path)["a"]["line"].to_pylist() == [1, 3]


# ---- what is cut or damaged


def decompressed(kind, packed):
    """What the library gives of truncated data, if it is fed at once."""
    member = {
        "gzip": lambda: zlib.decompressobj(wbits=31),
        "zstd": zstd.ZstdDecompressor,
        "xz": lzma.LZMADecompressor,
        "bzip2": bz2.BZ2Decompressor,
        "lz4": lz4.frame.LZ4FrameDecompressor,
    }[kind]()
    return member.decompress(packed)


def check_partial(error, log):
    """The rows are those of the whole records before the error; the record that is cut off is counted, and gives none."""
    known = log[: error.offset]
    whole = known[: known.rfind(b"\n") + 1]
    stats = error.partial.stats
    assert error.partial["a"].equals(SCANNER.scan(whole)["a"])
    assert (stats.bytes, stats.records) == (error.offset, whole.count(b"\n"))
    assert stats.cut_off == (whole != known)


@EACH
def test_cut_at_every_byte(tmp_path, kind):
    source = random.Random(3)
    log = b"".join(b"a=%d %s\n" % (row + 10_000, source.randbytes(4).hex().encode()) for row in range(30))
    packed = PACK[kind](log)
    path = tmp_path / "log"
    for size in range(len(packed)):
        path.write_bytes(packed[:size])
        if size < SHOWN_BY[kind]:
            assert values(path) == []
            continue
        with pytest.raises(SourceError, match=f"damaged or truncated {kind} after byte") as caught:
            SCANNER.scan(path)
        error = caught.value
        assert (error.path, type(error.cause)) == (str(path), EOFError)
        assert error.offset == (0 if size < SHOWN_BY[kind] else len(decompressed(kind, packed[:size])))
        check_partial(error, log)
        with pytest.raises(SourceError) as caught, path.open("rb") as file:
            SCANNER.scan(file)
        assert caught.value.offset == error.offset


@pytest.mark.slow
@EACH
def test_what_came_before_the_cut_is_kept(tmp_path, kind):
    log = incompressible(40_000)
    packed = PACK[kind](log)
    path = tmp_path / "log"
    path.write_bytes(packed[: len(packed) * 3 // 4])
    with pytest.raises(SourceError, match="truncated") as caught:
        SCANNER.scan(path)
    error = caught.value
    assert error.offset > len(log) // 4
    check_partial(error, log)


@EACH
def test_bytes_that_are_no_member_are_damage(tmp_path, kind):
    path = tmp_path / "log"
    path.write_bytes(PACK[kind](LOG) + b"a=1\n and more that is no member\n" * 4)
    with pytest.raises(SourceError, match=f"damaged or truncated {kind}") as caught:
        SCANNER.scan(path)
    assert caught.value.partial["a"]["value"].to_pylist() == ROWS
    assert caught.value.offset == len(LOG)


@EACH
def test_a_changed_byte_is_an_error_or_gives_what_can_be_decompressed(kind):
    packed = PACK[kind](LOG[:3000])
    for place in range(10, len(packed)):
        damaged = bytearray(packed)
        damaged[place] ^= 0x55
        try:
            SCANNER.scan(io.BytesIO(damaged))
        except SourceError as error:
            assert error.cause is not None  # noqa: PT017
        else:
            # these two have a checksum only if the writer is asked for one
            assert kind in ("zstd", "lz4") or (kind == "gzip" and place == 9)


def test_xz_that_asks_for_too_much_memory_is_an_error():
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 28}]
    compressor = lzma.LZMACompressor(lzma.FORMAT_XZ, filters=[{**filters[0], "dict_size": 1 << 16}])
    assert values(io.BytesIO(compressor.compress(LOG) + compressor.flush())) == ROWS
    with pytest.raises(SourceError, match="Memory usage limit"):
        SCANNER.scan(io.BytesIO(lzma.compress(LOG, filters=filters)))


# ---- libraries


@pytest.mark.parametrize(
    ("kind", "module", "hint"),
    [
        ("gzip", "isal.igzip_lib", "pip install isal"),
        ("zstd", zstd.__name__, "pip install backports.zstd" if sys.version_info < (3, 14) else "built without"),
        ("xz", "lzma", "this Python was built without xz"),
        ("bzip2", "bz2", "this Python was built without bzip2"),
        ("lz4", "lz4.frame", "pip install lz4"),
    ],
)
def test_a_library_that_is_missing_is_named(tmp_path, monkeypatch, kind, module, hint):
    tree(tmp_path, {"a.log": None, f"b.log{SUFFIX[kind]}": PACK[kind](LOG)})
    monkeypatch.setitem(sys.modules, module, None)
    path = tmp_path / f"b.log{SUFFIX[kind]}"
    with pytest.raises(SourceError, match=f"compressed with {kind}, and the library that decompresses") as caught:
        SCANNER.scan(path)
    assert (caught.value.path, caught.value.offset) == (str(path), 0)
    assert hint in caught.value.hint
    result = metricscan.replay(tmp_path, Scanner(["loss=loss=(.)"]))
    assert [error.path for error in result.errors] == [str(path)]
    assert result["loss"].num_rows == 1


def test_libraries_are_imported_for_what_needs_them():
    code = """
import sys, metricscan, metricscan.logs.source, metricscan.logs.find
libraries = {"isal", "backports.zstd", "compression.zstd", "lz4"}
metricscan.Scanner(["a=a=(.)"]).scan(b"a=1")
assert not libraries & set(sys.modules), libraries & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


# ---- many logs


@EACH
def test_a_folder_of_logs(tmp_path, kind):
    suffix, pack = SUFFIX[kind], PACK[kind]
    contents = {f"{number}/train.log{suffix}": pack(b"a=%d\n" % number) for number in range(20)}
    tree(
        tmp_path,
        {**contents, "20/train.log": "a=20\n", f"model.tar{suffix}": pack(b"a=7\n"), f"core{suffix}": pack(bytes(99))},
    )
    found = survey([tmp_path])
    assert told(found) == {
        f"{number}/train": [f"train.log{suffix}" if number < 20 else "train.log"] for number in range(21)
    }
    assert (found.skipped_by_name, found.skipped_binary, found.skipped_archives) == (0, 1, 1)
    for threads in (1, 2):
        result = metricscan.replay(tmp_path, SCANNER, threads=threads)
        assert not result.errors
        assert result["a"]["value"].to_pylist() == [float(number) for number in range(21)]


@EACH
def test_small_compressed_logs_are_scanned_one_by_one(tmp_path, kind):
    tree(tmp_path, {"a.log": "a=1\n", "b.log": PACK[kind](b"a=2\n")})
    assert scan_together(SCANNER.plan, [str(tmp_path / "a.log"), str(tmp_path / "b.log")]) is None


@EACH
def test_an_export_may_be_compressed(tmp_path, kind):
    tree(tmp_path, {f"events.json{SUFFIX[kind]}": PACK[kind](b'{"events": [{"timestamp": 1, "message": "a=3"}]}')})
    assert metricscan.replay(tmp_path, SCANNER)["a"]["value"].to_pylist() == [3.0]


@pytest.mark.slow
@EACH
def test_standard_input(tmp_path, kind):
    command = [sys.executable, "-m", "metricscan", "replay", "-", "-m", "a=a=([0-9.]+)", "--json"]
    run = subprocess.run(command, check=True, input=PACK[kind](LOG), stdout=subprocess.PIPE, cwd=tmp_path)
    assert b'"rows": 2000' in run.stdout


def test_suffixes_are_those_of_the_pattern():
    names = "|".join(suffix[1:] for suffix in SUFFIXES)
    assert rf"(?:\.(?:{names}))?" == SUFFIX_PATTERN


# ---- memory

BOUNDED = """
import os, resource, sys
from metricscan import Scanner
running = Scanner(["a=a=(.*?);"]).batches(sys.argv[1])
def most():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
name, batch = next(running)
first = most()
rows = batch.num_rows + sum(batch.num_rows for name, batch in running)
assert rows == 100_000, rows
print(most() - first)
"""


@pytest.mark.slow
@EACH
def test_memory_is_bounded(tmp_path, kind):
    path = tmp_path / "log"
    record = b"a=1;" + b" " * 1995 + b"\n"
    path.write_bytes(PACK[kind](record * 100_000))
    assert path.stat().st_size < 2_000_000
    run = subprocess.run([sys.executable, "-c", BOUNDED, os.fspath(path)], check=True, capture_output=True, text=True)
    # the content has 200 MB
    assert int(run.stdout) * (1 if sys.platform == "darwin" else 1024) < 24 * 1024 * 1024


@pytest.mark.parametrize("inner", [gzip.compress, bz2.compress, lzma.compress])
def test_what_was_compressed_twice_is_named(tmp_path, inner):
    data = gzip.compress(inner(b"loss=1\n" * 100))
    (tmp_path / "a.log.gz").write_bytes(data)
    (tmp_path / "b.log").write_text("loss=2\n")
    for source in (tmp_path / "a.log.gz", io.BytesIO(data)):
        with pytest.raises(SourceError, match="compressed once more with gzip"):
            metricscan.Scanner(["loss=loss=(.)"]).scan(source)
    result = metricscan.replay(tmp_path, metricscan.Scanner(["loss=loss=(.)"]))
    assert ["a.log.gz" in str(error) for error in result.errors] == [True]
    assert result["loss"]["value"].to_pylist() == [2.0]
