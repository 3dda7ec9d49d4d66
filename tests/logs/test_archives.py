"""Archives: what they hold, and what they do when they are cut, damaged or hostile."""

import gzip
import io
import json
import random
import stat
import struct
import tarfile
import zipfile

import pytest
from support.archives import KINDS, PACK, entry, tarred, zipped
from support.folders import tree
from support.surveys import messages, notices, told

import metricscan
from metricscan import Objective, Scanner, SourceError
from metricscan.cli import main
from metricscan.logs import archives, members
from metricscan.logs.source import open_source
from metricscan.logs.survey import survey
from metricscan.logs.tars import is_tar
from metricscan.replaying import log_scan
from metricscan.scanning.small_logs import scan_contents

SCANNER = Scanner(["acc=acc=([0-9.]+)"])
LOGS = {"runs/7/out.log": b"acc=0.25\nacc=0.5\n", "runs/8/out.log": b"acc=0.75\n", "runs/config.yaml": b"acc: 9\n"}
EACH = pytest.mark.parametrize("name", KINDS)


def rows(result):
    return [tuple(row.values()) for row in result["acc"].select(["job", "stream", "value", "line"]).to_pylist()]


def write(folder, name, data):
    path = folder / name
    path.write_bytes(data)
    return path


# ---- what is whole


@EACH
@pytest.mark.parametrize("threads", [1, 2])
def test_members_are_logs_named_by_their_paths(tmp_path, name, threads):
    path = write(tmp_path, name, KINDS[name](LOGS))
    result = metricscan.replay(path, SCANNER, objective=Objective("acc", "Maximize"), threads=threads)
    assert result.errors == result.notices == ()
    assert rows(result) == [
        ("7/out", "out.log", 0.25, 1),
        ("7/out", "out.log", 0.5, 2),
        ("8/out", "out.log", 0.75, 1),
    ]
    assert (result.best.job, result.best.path) == ("8/out", f"{path}/runs/8/out.log")
    assert str(result.survey) == "2 logs, 1 skipped (1 by name, 0 binary)"
    assert result.stats.bytes == len(LOGS["runs/7/out.log"] + LOGS["runs/8/out.log"])


@EACH
def test_an_archive_is_like_a_folder_of_its_name(tmp_path, name):
    files = {**LOGS, "a/algo-1-5": b"acc=1\n", ".hidden/x.log": b"", "w/run-20260301_100000-abc/files/output.log": b""}
    folder = tree(tmp_path / "extracted" / name, files)
    path = write(tmp_path, name, KINDS[name](files))
    for options in ({}, {"job": "dir"}, {"include": "*.log"}, {"exclude": "runs/7/*"}, {"include": "*/config.yaml"}):
        found, wanted = survey([path], **options), survey([folder], **options)
        assert told(found) == told(wanted)
        assert (found.skipped_by_name, found.skipped_binary) == (wanted.skipped_by_name, wanted.skipped_binary)
    assert set(told(survey([path], job=r"([^/]+)/(?:runs|a|w)/"))) == {name}


@EACH
def test_a_member_and_a_folder_of_an_archive_can_be_given(tmp_path, name):
    path = write(tmp_path, name, KINDS[name](LOGS))
    assert told(survey([f"{path}/runs/8"])) == {"out": ["out.log"]}
    assert told(survey([f"{path}/runs/config.yaml"])) == {"config": ["config.yaml"]}
    assert told(survey([f"{path}/runs/7", f"{path}/runs/8/out.log"])) == {"7/out": ["out.log"], "8/out": ["out.log"]}
    assert SCANNER.scan(f"{path}/runs/7/out.log")["acc"]["value"].to_pylist() == [0.25, 0.5]
    with pytest.raises(SourceError, match=r"has no member runs/7/out\.lgo") as caught:
        SCANNER.scan(f"{path}/runs/7/out.lgo")
    assert caught.value.hint == f"did you mean {path}/runs/7/out.log?"
    assert "no logs in" in messages(survey([f"{path}/none"]))[0]


@EACH
def test_an_archive_is_not_one_log(tmp_path, name):
    data = KINDS[name](LOGS)
    path = write(tmp_path, name, data)
    for given, hint in ((path, "/MEMBER is one of them"), (io.BytesIO(data), "give replay the file's path")):
        with pytest.raises(SourceError, match=r"is an archive \((tar|zip)") as caught:
            SCANNER.scan(given)
        assert hint in caught.value.hint


def test_the_name_of_an_archive_does_not_matter(tmp_path):
    for name in ("a.log", "b", "c.gz"):
        write(tmp_path, name, gzip.compress(tarred(LOGS)))
    assert len(told(survey([tmp_path / "a.log", tmp_path / "b", tmp_path / "c.gz"]))) == 6
    assert len(told(survey([str(tmp_path / "*")]))) == 6


def test_old_tars_are_known_by_their_checksum(tmp_path):
    data = bytearray(tarred({"a.log": b"acc=1\n"}, layout=tarfile.USTAR_FORMAT))
    data[257:265] = bytes(8)
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data[:512])
    assert is_tar(bytes(data[:512]))
    assert told(survey([write(tmp_path, "v7", bytes(data))])) == {"a": ["a.log"]}
    data[0] ^= 1
    assert not is_tar(bytes(data[:512]))
    assert not is_tar(b"x" * 257 + b"ustar" + b"x" * 250)


@pytest.mark.parametrize("kind", PACK)
def test_members_may_be_compressed(tmp_path, kind):
    packed = {"a.log.gz": PACK[kind](b"acc=1\n"), "b.log": PACK[kind](b"acc=2\n" * 100_000)}
    for name in ("logs.tar", "logs.tar.gz", "logs.zip"):
        result = metricscan.replay(write(tmp_path, name, KINDS[name](packed)), SCANNER)
        assert result.stats.metrics["acc"].rows == 100_001
        assert not result.errors


def test_archives_in_folders_are_opened_if_include_names_them(tmp_path):
    data = gzip.compress(tarred(LOGS))
    tree(tmp_path, {"x/a.log": b"", "x/model.tar.gz": data, "y/hidden.log": data, "y/source.zip": zipped(LOGS)})
    found = survey([tmp_path])
    assert told(found) == {"a": ["a.log"]}
    assert (found.skipped_archives, found.skipped) == (3, 3)
    assert str(found) == "1 log, 3 skipped (0 by name, 0 binary, 3 archives)"
    (notice,) = notices(found)
    assert notice.startswith("3 archives in folders were not opened, for example")
    assert "--include '*.tar.gz'" in notice
    found = survey([tmp_path], include=["*.tar.gz", "a.log"])
    assert told(found) == {"a": ["a.log"]}
    assert not found.notices
    found = survey([tmp_path], include="*.tar.gz")
    assert told(found) == {"7/out": ["out.log"], "8/out": ["out.log"]}
    assert {log.path for job in found.jobs for log in job.logs} == {
        f"{tmp_path}/x/model.tar.gz/runs/{number}/out.log" for number in (7, 8)
    }
    assert told(survey([tmp_path], include=["*.zip"], exclude="*/8/*")) == {"out": ["out.log"]}


def test_binary_members_and_archives_in_archives_are_passed_over(tmp_path):
    files = {
        "a.log": b"acc=1\n",
        "core": b"\x7fELF\0\0",
        "inner.log": gzip.compress(tarred(LOGS)),
        "inner.zip": zipped(LOGS),
        "b.log": tarred(LOGS),
    }
    for name, make in KINDS.items():
        found = survey([write(tmp_path, name, make(files))])
        assert told(found) == {"a": ["a.log"]}
        assert (found.skipped_binary, found.skipped_archives, found.skipped_by_name) == (1, 3, 0)
        assert "3 archives in" in notices(found)[0]
        assert "were not opened, for example" in notices(found)[0]


def test_an_archive_without_logs_is_an_error(tmp_path):
    for name, make in KINDS.items():
        path = write(tmp_path, name, make({"a.json": b"{}"}))
        (error,) = survey([path]).errors
        assert (str(error.message), error.hint) == (
            f"no logs in {path}",
            "no member has the name of a log; include overrules the names",
        )
    # the first bytes of an empty tar say nothing
    assert messages(survey([write(tmp_path, "logs.zip", zipped({}))])) == [f"no logs in {tmp_path}/logs.zip"]


def test_exports_in_archives(tmp_path):
    from support.exports import NAMES, filtered

    export = filtered((NAMES[0], 0, "acc=0.5"), (NAMES[2], 1, "acc=0.75"), (NAMES[0], 2, "acc=0.625"))
    for name, make in KINDS.items():
        path = write(tmp_path, name, make({"events.json": export, "facts.json": b"{}"}))
        result = metricscan.replay(path, SCANNER)
        assert [row[:3] for row in rows(result)] == [
            ("job-a", "algo-1-1", 0.5),
            ("job-a", "algo-1-1", 0.625),
            ("job-b", "algo-1-2", 0.75),
        ]
        assert result.survey.skipped_by_name == 1


@pytest.mark.parametrize("threads", [1, 3])
def test_many_small_members_are_scanned_together(tmp_path, monkeypatch, threads):
    together = []
    monkeypatch.setattr(
        log_scan, "scan_contents", lambda *a, **o: together.append(scan_contents(*a, **o)) or together[-1]
    )
    ends = (b"", b"\n", b"\r", b"\r\n")
    files = {f"{at}/a.log": b"acc=%d.5\nx\racc=.%s" % (at, ends[at % 4]) for at in range(300)}
    folder = metricscan.replay(tree(tmp_path / "folder", files), SCANNER, threads=threads)
    for name in ("logs.tar", "logs.tar.gz", "logs.zip"):
        for more in ({}, {"3/a.log": gzip.compress(files["3/a.log"])}):
            together.clear()
            result = metricscan.replay(write(tmp_path, name, KINDS[name]({**files, **more})), SCANNER, threads=threads)
            assert result["acc"].equals(folder["acc"])
            assert not result.errors
            assert (result.stats.records, result.stats.metrics["acc"].unparsed) == (900, 300)
            # a compressed one must be scanned alone
            assert [one is None for one in together] == ([True] if more else [False])


# ---- what is cut or damaged


def small(rows_=12):
    source = random.Random(5)

    def log(start):
        lines = (b"acc=%d.%d %s\n" % (start, at, source.randbytes(3).hex().encode()) for at in range(1, rows_))
        return b"".join(lines)

    return {"a.log": log(10), "b.log": log(20), "c.log": log(30)}


@pytest.mark.slow
@EACH
def test_cut_at_every_byte(tmp_path, name, monkeypatch):
    files = small()
    data = KINDS[name](files)
    path = tmp_path / "logs"
    whole = {row: at for at, row in enumerate(rows(metricscan.replay(write(tmp_path, "logs", data), SCANNER)))}
    assert len(whole) == 33
    end = len(data)
    if name.endswith(".tar"):
        # behind the first block of NULs the content is whole
        end = (len(data.rstrip(b"\0")) + 511) // 512 * 512 + 512
    for held in (1 << 20, 0) if ".tar." in name else (0,):
        monkeypatch.setattr(members, "HELD_BYTES", held)
        # fewer bytes do not show what the file is; of a tar most bytes are NULs, one of seven is enough beside the ends of
        # its members' headers and contents
        sizes = range(108, end, 5 if held else 1)
        if name.endswith(".tar"):
            sizes = sorted({*sizes[::7], *(size for size in sizes if (size + 3) % 512 < 6)})
        for size in sizes:
            path.write_bytes(data[:size])
            result = metricscan.replay(path, SCANNER, threads=1)
            (error,) = result.errors
            assert error.offset is not None
            assert "logs" in str(error.path)
            got = rows(result)
            # the last record may be the one that is cut
            assert got[:-1] == list(whole)[: len(got) - 1] if got else True


@pytest.mark.slow
@EACH
def test_a_changed_byte_never_ends_in_a_traceback(tmp_path, name):
    data = KINDS[name](small())
    for place in range(0, len(data), 17):
        for change in (1, 0x80):
            damaged = bytearray(data)
            damaged[place] ^= change
            result = metricscan.replay(write(tmp_path, "logs", bytes(damaged)), SCANNER, threads=1)
            assert len(rows(result)) <= 33


def test_members_before_a_damaged_header_are_read(tmp_path):
    data = bytearray(tarred({f"{at}.log": b"acc=%d\n" % at for at in range(5)}))
    data[3 * 1024 + 10] ^= 1
    for packed in (bytes(data), gzip.compress(bytes(data))):
        result = metricscan.replay(write(tmp_path, "logs", packed), SCANNER)
        assert [row[2] for row in rows(result)] == [0, 1, 2]
        (error,) = result.errors
        assert "damaged tar: no valid header at byte 3072" in str(error)
        assert error.offset == 3072


def test_bytes_behind_the_end_are_said(tmp_path):
    data = tarred({"a.log": b"acc=1\n"})
    for packed in (data + data, gzip.compress(data + data)):
        result = metricscan.replay(write(tmp_path, "logs", packed), SCANNER)
        assert len(rows(result)) == 1
        assert "goes on behind its end marker" in result.notices[0].message


def test_a_zip_whose_content_is_another_one(tmp_path):
    data = bytearray(zipped({"a.log": b"acc=1\n" * 50, "b.log": b"acc=2\n"}, zipfile.ZIP_STORED))
    data[data.index(b"acc=1")] = ord("b")
    result = metricscan.replay(write(tmp_path, "logs.zip", bytes(data)), SCANNER)
    assert "its checksum is another one" in messages(result)[0]
    assert len(rows(result)) == 50
    data = zipped({"a.log": b"acc=1\n"})
    # the directory says another size
    lying = data[: data.rindex(b"PK\1\2")] + data[data.rindex(b"PK\1\2") :].replace(
        struct.pack("<II", 8, 6), struct.pack("<II", 8, 99)
    )
    result = metricscan.replay(write(tmp_path, "logs.zip", lying), SCANNER)
    assert "its content has 6 bytes, 99 by the directory" in messages(result)[0]


def test_an_archive_that_changes_after_the_search(tmp_path):
    path = write(tmp_path, "logs.tar", tarred(LOGS))
    archive = archives.read_archive(str(path), *archives.kind_of(str(path)), look=lambda *_: None)
    path.write_bytes(tarred(small()))
    with pytest.raises(SourceError, match="was changed after its members were listed"):
        archive.open("runs/7/out.log")
    # a path is looked up anew
    assert SCANNER.scan(f"{path}/a.log").stats.metrics["acc"].rows == 11


# ---- what is hostile


def test_names_lead_nowhere(tmp_path):
    tree(tmp_path, {"victim.log": b"acc=9\n", "d/x": b""})
    before = sorted(tmp_path.rglob("*"))
    names = ["../victim.log", "/victim.log", "./b//c.log", "../../etc/passwd", "x/../../d/x", "..", "."]
    for name in ("logs.tar", "logs.tar.gz", "logs.zip"):
        path = write(tmp_path, f"d/{name}", KINDS[name]({one: b"acc=%d\n" % at for at, one in enumerate(names)}))
        for job in ("auto", "dir", "file"):
            result = metricscan.replay(path, SCANNER, job=job)
            assert sorted(row[2] for row in rows(result)) == [0, 1, 2, 3, 4]
        assert {log.path for one in result.jobs for log in one.logs} == {
            f"{path}/{one}" for one in ("../victim.log", "victim.log", "b/c.log", "../../etc/passwd", "x/../../d/x")
        }
        assert SCANNER.scan(f"{path}/../victim.log")["acc"]["value"].to_pylist() == [0]
        path.unlink()
    assert sorted(tmp_path.rglob("*")) == before


def test_names_of_any_bytes(tmp_path, capsys):
    names = ["a\x1b[31m.log", "b\n.log", "caf\udce9.log", "ü.log", "x" * 300 + ".log", "n\0.log"]
    path = write(tmp_path, "logs.tar", tarred(dict.fromkeys(names, b"acc=1\n")))
    assert main(["replay", str(path), "-m", "acc=acc=(.*)", "--maximize", "acc"]) == 0
    shown = capsys.readouterr()
    assert "\x1b" not in shown.out + shown.err
    assert r"\x1b[31m" in shown.out
    found = survey([path])
    assert len(found.jobs) == 6
    for job in found.jobs:
        assert SCANNER.scan(job.logs[0].path).stats.records == 1


def test_what_is_not_regular_is_passed_over(tmp_path):
    kinds = (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, b"M")
    entries = [entry(f"{at}.log", type=kind, linkname="/etc/passwd") for at, kind in enumerate(kinds)]
    entries += [entry("folder.log", type=tarfile.DIRTYPE), entry("z.log", b"acc=1\n")]
    found = survey([write(tmp_path, "logs.tar", tarred(entries))])
    assert (told(found), found.skipped_not_regular) == ({"z": ["z.log"]}, 6)
    link = zipfile.ZipInfo("l.log")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    found = survey([write(tmp_path, "logs.zip", zipped([(link, b"/etc/passwd"), ("z.log", b"acc=1\n"), ("d/", b"")]))])
    assert (told(found), found.skipped_not_regular) == ({"z": ["z.log"]}, 1)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_of_duplicates_the_last_is_read(tmp_path):
    files = [("a.log", b"acc=1\n"), ("b.log", b"acc=5\n"), ("./a.log", b"acc=2\n"), ("a.log", b"acc=3\n" * 2)]
    packed = {
        "logs.tar": tarred([entry(*one) for one in files]),
        "logs.tar.gz": gzip.compress(tarred([entry(*one) for one in files])),
        "logs.zip": zipped(files),
    }
    for name, data in packed.items():
        result = metricscan.replay(write(tmp_path, name, data), SCANNER)
        assert [row[2] for row in rows(result)] == [3, 3, 5]
        assert "1 name, for example a.log" in result.notices[0].message
        assert SCANNER.scan(f"{tmp_path / name}/a.log")["acc"]["value"].to_pylist() == [3, 3]


def test_sparse_members_have_their_holes(tmp_path):
    # the three formats of GNU tar, with 4,096 bytes of hole, a line, a hole, and another line
    lines = b"acc=1\n" + b"acc=2\n"
    size = 4096 + 6 + 1000 + 6
    old = tarfile.TarInfo("s.log")
    old.type, old.size = tarfile.GNUTYPE_SPARSE, len(lines)
    header = bytearray(old.tobuf(tarfile.GNU_FORMAT))
    for at, number in zip(range(386, 386 + 48, 12), (4096, 6, 5102, 6), strict=True):
        header[at : at + 12] = b"%011o\0" % number
    header[483:495] = b"%011o\0" % size
    header[148:156] = b"%06o\0 " % (sum(header[:148]) + sum(header[156:]) + 8 * 32)
    data = bytes(header) + lines.ljust(512, b"\0")
    v1 = b"2\n4096\n6\n5102\n6\n".ljust(512, b"\0") + lines
    described = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(size)}
    v01 = {"GNU.sparse.size": str(size), "GNU.sparse.numblocks": "2", "GNU.sparse.map": "4096,6,5102,6"}
    whole = bytes(4096) + b"acc=1\n" + bytes(1000) + b"acc=2\n"
    for made in (
        data + bytes(1024),
        tarred([entry("s.log", v1, pax_headers={**described, "GNU.sparse.name": "s.log"})]),
        tarred([entry("s.log", lines, pax_headers=v01)]),
    ):
        for packed in (made, gzip.compress(made)):
            path = write(tmp_path, "logs.tar", packed)
            with open_source(f"{path}/s.log") as opened:
                assert b"".join(map(bytes, opened)) == whole
    terabytes = {"GNU.sparse.size": str(1 << 50), "GNU.sparse.numblocks": "1", "GNU.sparse.map": "0,12"}
    path = write(tmp_path, "logs.tar", tarred([entry("s.log", lines, pax_headers=terabytes)]))
    with pytest.raises(SourceError, match="max_decompressed") as caught:
        metricscan.replay([f"{path}/s.log"], SCANNER, max_decompressed=1 << 20, on_error="raise")
    assert caught.value.offset == 1 << 20
    backwards = {"GNU.sparse.size": "99", "GNU.sparse.numblocks": "2", "GNU.sparse.map": "6,6,0,6"}
    found = survey([write(tmp_path, "logs.tar", tarred([entry("s.log", lines, pax_headers=backwards)]))])
    assert "runs of a sparse file that overlap" in messages(found)[0]


def raw_header(name, size, kind=b"0"):
    """A header that claims a size; it may be negative."""
    info = tarfile.TarInfo(name)
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"%011o\0" % size if 0 <= size < 8**11 else (size % 256**12).to_bytes(12, "big")
    if size >= 8**11:
        header[124] = 0x80
    header[156:157] = kind
    header[148:156] = b"%06o\0 " % (sum(header[:148]) + sum(header[156:]) + 8 * 32)
    return bytes(header)


@pytest.mark.parametrize("packed", [bytes, gzip.compress])
@pytest.mark.parametrize(
    ("hostile", "said"),
    [
        (raw_header("h.log", 8**11 - 1), "it ends within the member h.log"),
        (raw_header("h.log", 1 << 80), "it ends within the member h.log"),
        (raw_header("h.log", -512), "no valid header at byte 1024"),
        (raw_header("h.log", -1024 * 1024), "no valid header at byte 1024"),
        (raw_header("x", 1 << 33, tarfile.XHDTYPE), "a header of more than"),
        (raw_header("x", 1 << 33, tarfile.GNUTYPE_LONGNAME), "a header of more than"),
        (raw_header("x", 1 << 33, tarfile.XGLTYPE), "a header of more than"),
        (raw_header("x", -1, tarfile.XHDTYPE), "it ends at byte 1536, within a header"),
        (raw_header("x", 5000, tarfile.XHDTYPE) + b"2 " * 2560, "an invalid record in an extended header"),
        (raw_header("x", 512, tarfile.XHDTYPE) + b"17 path=abcdefgh\n".ljust(512, b"\0"), "it ends at byte 2048"),
        (raw_header("x", 512, tarfile.GNUTYPE_LONGNAME) * 3000, "no valid header"),
    ],
)
def test_headers_that_lie(tmp_path, packed, hostile, said):
    data = tarred({"a.log": b"acc=1\n"})[:1024] + hostile
    result = metricscan.replay(write(tmp_path, "logs", packed(data)), SCANNER)
    assert (1.0, 1) in [row[2:] for row in rows(result)]
    assert len(result.errors) == 1
    assert said in messages(result)[0]


def test_encrypted_members_and_unknown_methods(tmp_path):
    data = bytearray(zipped({"a.log": b"acc=1\n", "b.log": b"acc=2\n", "c.log": b"acc=3\n", "notes.json": b"{}"}))
    places = [at for at in range(len(data)) if data[at : at + 4] == b"PK\1\2"]
    data[places[0] + 8] |= 1
    data[places[3] + 8] |= 1
    data[places[1] + 10] = 9
    result = metricscan.replay(write(tmp_path, "logs.zip", bytes(data)), SCANNER)
    assert [row[2] for row in rows(result)] == [3]
    assert [error.message.split(": ", 1)[1] for error in result.errors] == [
        "1 member cannot be read: encrypted, for example a.log",
        "1 member cannot be read: compressed with deflate64, for example b.log",
    ]


def test_members_of_a_zip_that_overlap_are_refused(tmp_path):
    data = bytearray(zipped({"a.log": b"acc=1\n", "b.log": b"acc=2\n"}))
    second = data.rindex(b"PK\1\2")
    data[second + 42 : second + 46] = bytes(4)
    found = survey([write(tmp_path, "logs.zip", bytes(data))])
    assert (found.jobs, len(found.errors)) == ([], 1)
    assert "the members a.log and b.log overlap" in messages(found)[0]
    data = bytearray(zipped({"a.log": b"acc=1\n"}))
    at = data.rindex(b"PK\1\2")
    data[at + 20 : at + 24] = struct.pack("<I", 1 << 20)
    assert "reaches into the directory" in messages(survey([write(tmp_path, "logs.zip", bytes(data))]))[0]


# ---- bombs


BOMB_BYTES = 40 << 20


@pytest.mark.parametrize("kind", PACK)
def test_max_decompressed_bounds_a_log(tmp_path, kind):
    path = write(tmp_path, "a.log", PACK[kind](b"acc=1\n" * 1000 + bytes(1 << 20)))
    for scan in (SCANNER.scan, lambda *a, **o: metricscan.replay(*a, SCANNER, on_error="raise", **o)):
        with pytest.raises(SourceError, match="decompresses to more than max_decompressed, 7,000 bytes") as caught:
            scan(path, max_decompressed=7000)
        assert caught.value.offset == 7000
        assert "--max-decompressed" in caught.value.hint
    with pytest.raises(SourceError) as caught, path.open("rb") as file:
        SCANNER.scan(file, max_decompressed=600)
    assert caught.value.partial["acc"].num_rows == 100
    assert SCANNER.scan(path, max_decompressed=6000 + (1 << 20)).stats.metrics["acc"].rows == 1000


def test_max_decompressed_bounds_an_archive(tmp_path):
    files = {"a.log": b"acc=1\n", "b.log": b"acc=2\n" + b" " * (1 << 16) + b"\nacc=3\n", "c.log": b"acc=4\n"}
    for name, make in KINDS.items():
        path = write(tmp_path, name, make(files))
        result = metricscan.replay(path, SCANNER, max_decompressed=1 << 15, include="*")
        if name.endswith(".tar"):
            # nothing is decompressed
            assert [row[2] for row in rows(result)] == [1, 2, 3, 4]
            continue
        assert len(result.errors) == 1, name
        assert "decompresses to more than max_decompressed, 32,768 bytes" in messages(result)[0]
        assert [row[2] for row in rows(result)] == ([1] if name.endswith(".zip") else [1, 2])


@pytest.mark.slow
def test_a_bomb_is_read_in_pieces(tmp_path):
    import tracemalloc

    zeros = b"acc=1\n" + b" " * BOMB_BYTES
    for name in ("logs.tar.gz", "logs.tar.bz2", "logs.zip", "bzip2.zip"):
        path = write(tmp_path, name, KINDS[name]({"a.log": zeros}))
        assert path.stat().st_size < BOMB_BYTES // 500
        tracemalloc.start()
        try:
            archive = archives.read_archive(
                str(path), *archives.kind_of(str(path)), look=lambda _, file: file.peek(100)
            )
            size = 0
            file = archive.open("a.log")
            while piece := file.read(1 << 30):
                size += len(piece)
            file.close()
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert size == len(zeros)
        # a small compressed tar is held, a larger one while it is listed is not
        assert peak < archives._HELD_BYTES + (8 << 20)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_an_export_in_another_encoding_is_a_log(tmp_path, encoding):
    export = json.dumps({"events": [{"timestamp": 1772359200000, "message": "loss=1.5"}]})
    path = tmp_path / "logs.zip"
    path.write_bytes(zipped({"job/x.json": export.encode(encoding), "job/y.json": b"{}"}))
    result = metricscan.replay([path], Scanner(["loss=loss=([0-9.]+)"]))
    assert result["loss"].select(["job", "value"]).to_pylist() == [{"job": "x", "value": 1.5}]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("empty.tar", b"\0" * 10_240),
        ("nothing.tar", b""),
        ("sfx.zip", b"#!/bin/sh\nexit\n" + zipped(LOGS)),
        ("page.zip", b"<html>not found</html>\n"),
    ],
)
def test_a_file_that_has_only_the_name_of_an_archive(tmp_path, name, data):
    path = write(tmp_path, name, data)
    (error,) = survey([path]).errors
    assert str(error).startswith(f"{path} has the name of an archive, but does not begin as one\nhint: an empty tar")
