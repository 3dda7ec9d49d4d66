"""Small compressed logs: scanned as one input with others, they give what each gives alone."""

import bz2
import gzip
import json
import lzma
import tarfile
from io import BytesIO

import pytest
from backports import zstd
from support.folders import tree

from metricscan import Objective, Scanner, replay
from metricscan.logs import by_content
from metricscan.logs.small_contents import runs_of
from metricscan.replaying import log_scan

SCANNER = Scanner(["loss=loss=([0-9.]+)", "epoch=epoch ([0-9]+)"], labels={"who": r"\[(\w+)\]"})


def text(number, lines=12):
    return "".join(f"[w{number}] epoch {n} loss={number}.{n:03}\n" for n in range(lines)).encode()


TRACEBACK = b'Traceback (most recent call last):\n  File "a.py", line 1, in <module>\nRuntimeError: out of memory\n'
DOCKER = b'{"log":"epoch 1 loss=0.5\\n","stream":"stdout","time":"2026-03-01T10:00:00.5Z"}\n' * 3


def tar():
    file = BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        info = tarfile.TarInfo("in.log")
        info.size = len(text(0))
        archive.addfile(info, BytesIO(text(0)))
    return file.getvalue()


LOGS = {
    "plain.log": text(1),
    "a.log.gz": gzip.compress(text(2)),
    "b.log.gz": gzip.compress(text(3) * 2),
    "again-plain.log": text(4),
    "zstd.log.zst": zstd.compress(text(5)),
    "xz.log.xz": lzma.compress(text(6)),
    "bzip2.log.bz2": bz2.compress(text(7)),
    "members.log.gz": gzip.compress(text(8)) + gzip.compress(text(9)),
    "padded.log.gz": gzip.compress(text(10)) + bytes(700),
    "cut.log.gz": gzip.compress(text(11))[:-12],
    "damaged.log.gz": gzip.compress(text(12))[:-8] + b"12345678",
    "rest.log.gz": gzip.compress(text(13)) + b"what is this",
    "no-content.log.gz": gzip.compress(b""),
    "nothing.log.gz": b"",
    "no-end.log.gz": gzip.compress(text(14)[:-1]),
    "cut-value.log.gz": gzip.compress(text(15) + b"epoch 12 loss=0."),
    "crashed.log.gz": gzip.compress(text(16) + TRACEBACK),
    "mark.log.gz": gzip.compress(b"\xef\xbb\xbf" + text(17)),
    "nuls.log.gz": gzip.compress(bytes(100) + text(18)),
    "utf16.log.gz": gzip.compress(text(19).decode().encode("utf-16")),
    "docker.log.gz": gzip.compress(DOCKER),
    "large.log.gz": gzip.compress(text(20, 9000)),
    "at-bound.log.gz": gzip.compress((text(21, 6000))[: log_scan.MOST_BYTES]),
    "binary.log.gz": gzip.compress(bytes(range(256)) * 40),
    "twice.log.gz": gzip.compress(gzip.compress(text(22))),
    "tar.log.gz": tar(),
    "rotated.log": text(23),
    "rotated.log.1.gz": gzip.compress(text(24)),
    "rotated.log.2.gz": gzip.compress(text(25)[:-4]),
    "zlib.log": b"\x78\x9c" + bytes(range(200)),
}


def found(folder, threads):
    out = folder.parent / "out"
    objective = Objective("loss", "Minimize")
    result = replay(folder, SCANNER, objective=objective, threads=threads, out=out, overwrite=True, sync=False)
    rows = {name: result[name].to_pylist() for name in SCANNER.metrics}
    errors = [str(error) for error in result.errors]
    return rows, errors, result.stats, result.ranking.to_pylist(), json.loads((out / "_manifest.json").read_text())


@pytest.mark.parametrize("threads", [1, 2])
def test_small_compressed_logs_give_what_each_gives_alone(tmp_path, monkeypatch, threads):
    folder = tree(tmp_path / "logs", LOGS)
    scans = []
    contents = log_scan.scan_contents
    monkeypatch.setattr(log_scan, "scan_contents", lambda *args, **named: scans.append(1) or contents(*args, **named))
    together = found(folder, threads)
    assert scans, "none was scanned with others"
    monkeypatch.setattr(
        log_scan,
        "runs_of",
        lambda paths, first, *_: ((range(n, n + 1), None) for n in range(first, first + len(paths))),
    )
    # and the search for logs reads them in pieces
    monkeypatch.setattr(by_content, "first_bytes", lambda *_, **named: None)
    alone = found(folder, threads)
    assert together == alone
    rows, errors, *_ = alone
    assert len(rows["loss"]) > 9000
    assert sum("damaged or truncated" in error for error in errors) == 3


def test_runs_end_where_a_file_must_be_read_alone_or_the_run_is_full(tmp_path):
    names = ["plain.log", "a.log.gz", "b.log.gz", "large.log.gz", "again-plain.log", "rest.log.gz", "zstd.log.zst"]
    paths = [str(tree(tmp_path, {name: LOGS[name]}) / name) for name in names]
    most = len(text(3)) * 2
    runs = [*runs_of(paths, 5, most, 1 << 20)]
    assert runs == [
        (range(5, 8), [text(1), text(2), text(3) * 2]),
        (range(8, 9), None),
        (range(9, 10), None),
        (range(10, 11), None),
        (range(11, 12), [text(5)]),
    ]
    assert [run for run, _ in runs_of(paths, 0, most, most)][:2] == [range(2), range(2, 3)]
    assert [*runs_of([*paths, str(tmp_path / "missing")], 0, most - 1, 1 << 20)][1] == (range(2, 3), None)
